"""The loop: it learns, it repeats itself exactly, it stops when it must."""

import json
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

import tests.environments
from tests.scoring.tiny_models import FAMILIES, byte_level, tiny_model
from twosome import models
from twosome.agent import Agent
from twosome.config import TrainConfig
from twosome.envs import text
from twosome.errors import CheckpointError, DivergedError, EnvError, RunError
from twosome.policy.tuning import trainable
from twosome.ppo.state import RestartedEpisodesWarning
from twosome.ppo.train import Trainer, resume, train
from twosome.rollout import random_decisions
from twosome.runs import RunDirectory


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    return tests.environments.counting_run(tmp_path / "run", threads=1, gamma=0.9)


def metrics_without_times(path: Path) -> list[dict]:
    rows = RunDirectory.open(path).read_metrics()
    return [{name: value for name, value in row.items() if not name.endswith("_s")} for row in rows]


def test_the_best_action_is_learnt_in_seconds(config):
    """ "go left" pays 1 at once; waiting first costs time, going right costs money."""
    path = train(replace(config, total_steps=640))
    first, last = RunDirectory.open(path).read_metrics()[0], RunDirectory.open(path).read_metrics()[-1]
    assert first["return_mean"] < last["return_mean"]
    assert last["return_mean"] > 0.95
    start = "You have decided 0 times. Now you"
    assert Agent.load(path).distribution(tests.environments.decision(start, 0))[0] > 0.9


def test_a_run_has_everything_it_should(config):
    path = train(config)
    assert TrainConfig.from_json(json.loads((path / "config.json").read_text())) == config
    machine_path = str(models.path("hearth")).encode()
    assert not [file for file in path.rglob("*") if file.is_file() and machine_path in file.read_bytes()]
    assert {"torch", "transformers", "twosome", "commit"} <= set(json.loads((path / "versions.json").read_text()))
    rows = RunDirectory.open(path).read_metrics()
    assert [row["decisions"] for row in rows] == [32, 64, 96]
    assert {
        "env_steps",
        "return_mean",
        "success_rate",
        "policy_loss",
        "value_loss",
        "approx_kl",
        "entropy",
        "policy_s",
    } <= set(rows[0])
    assert list(path.glob("events.out.tfevents.*"))
    folder = path / "checkpoints" / "step-0000000096"
    assert {"adapter_model.safetensors", "adapter_config.json", "critic.safetensors"} <= {
        f.name for f in folder.iterdir()
    }
    suffixes = {file.suffix for file in path.rglob("*") if file.is_file() and "tfevents" not in file.name}
    assert suffixes <= {".json", ".jsonl", ".safetensors", ""}


def test_the_same_seed_gives_the_same_run_and_another_seed_another(config, tmp_path):
    one = train(config)
    two = train(replace(config, output=tmp_path / "two"))
    three = train(replace(config, output=tmp_path / "three", seed=2))
    assert metrics_without_times(one) == metrics_without_times(two)
    assert metrics_without_times(one) != metrics_without_times(three)


def test_gradient_accumulation_changes_nothing_but_memory(config, tmp_path):
    whole = Trainer(replace(config, target_kl=0.0))
    parts = Trainer(replace(config, target_kl=0.0, gradient_accumulation=8))
    for trainer in (whole, parts):
        trainer.step()
        trainer.step()
    for name, value in whole.scorer.model.state_dict().items():
        assert torch.allclose(value, parts.scorer.model.state_dict()[name], atol=2e-5), name


def test_only_adapters_and_value_head_learn_and_they_are_float32(config):
    trainer = Trainer(config)
    before = {name: value.clone() for name, value in trainer.scorer.model.state_dict().items()}
    trainer.step()
    after = trainer.scorer.model.state_dict()
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    assert changed
    assert all("lora_" in name for name in changed)
    assert {after[name].dtype for name in changed} == {torch.float32}


def test_a_new_run_begins_as_the_untrained_model(config):
    trainer = Trainer(config)
    decision = tests.environments.decision("You have decided 0 times. Now you", 0)
    with_adapters = trainer.actor.probabilities([decision])[0]
    trainer.actor.clear_cache()
    with trainer.scorer.model.disable_adapter():
        assert np.array_equal(with_adapters, trainer.actor.probabilities([decision])[0])


def test_a_large_kl_ends_the_policy_update_and_drops_the_step(config):
    """A leap with the first minibatch puts the second beyond the target; what is left is the first step alone."""
    leaping = replace(config, target_kl=1e-4, actor_lr=0.1)
    stopped, free = Trainer(leaping), Trainer(replace(leaping, target_kl=0.0))
    assert stopped.step()["policy_steps"] == 1
    assert free.step()["policy_steps"] == 2
    assert all(parameter.grad is None for parameter in trainable(stopped.scorer.model))
    one, two = (trainable(trainer.scorer.model) for trainer in (stopped, free))
    assert any(not torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_during_critic_warm_up_only_the_value_head_learns(config):
    trainer = Trainer(replace(config, critic_warmup_steps=32))
    before = {name: value.clone() for name, value in trainer.scorer.model.state_dict().items()}
    head = torch.clone(trainer.critic.head.layers[1].weight)
    assert "policy_loss" not in trainer.step()
    assert all(torch.equal(before[name], value) for name, value in trainer.scorer.model.state_dict().items())
    assert not torch.equal(head, trainer.critic.head.layers[1].weight)
    assert "policy_loss" in trainer.step()


def test_rollouts_without_a_reward_leave_the_policy_as_it_is_until_too_many_came(config, monkeypatch):
    def learned(rewarded: list[bool]) -> list[bool]:
        trainer = Trainer(replace(config, total_steps=320, reward_wait_steps=64))
        collect, pays = trainer.collector.collect, iter(rewarded)

        def collected(*given):
            rollout = collect(*given)
            return rollout if next(pays) else replace(rollout, rewards=np.zeros_like(rollout.rewards))

        monkeypatch.setattr(trainer.collector, "collect", collected)
        return ["policy_loss" in trainer.step() for _ in rewarded]

    assert learned([False, False, False, False, True]) == [False, False, True, True, True]
    assert learned([True, False, True, False, False, False]) == [True, False, True, False, False, True]


def test_learning_rates_and_entropy_weight_go_down_in_a_line(config):
    trainer = Trainer(replace(config, entropy_coef=0.03, entropy_coef_final=0.0))
    seen = []
    for _ in range(3):
        entropy_coef = trainer._entropy_coef
        seen.append((trainer.step()["actor_lr"], entropy_coef))
    assert np.allclose(seen, [(1e-3, 0.03), (1e-3 * 2 / 3, 0.02), (1e-3 / 3, 0.01)])


def test_features_of_the_critic_come_from_the_frozen_model_and_are_read_once(config, monkeypatch):
    trainer = Trainer(config)
    trainer.step()
    prompt = "You have decided 0 times. Now you"
    trainer.step()
    with trainer.scorer.model.disable_adapter(), torch.no_grad():
        expected = trainer.scorer.prompt_features([prompt])[0]
    assert torch.allclose(trainer.critic.known[prompt], expected, atol=1e-5)
    monkeypatch.setattr(trainer.critic, "_read", None)
    trainer.critic.features([prompt])


def test_a_loss_that_is_not_finite_stops_the_run_names_the_update_and_keeps_the_checkpoint(config):
    wild = replace(config, actor_lr=1e30, target_kl=0.0, checkpoint_every=32)
    with pytest.raises(DivergedError, match=r"In update \d.*--actor-lr"):
        train(wild)
    assert RunDirectory.open(config.output).verified_checkpoint("last")


def test_a_run_that_made_no_checkpoint_begins_anew_when_resumed(config, tmp_path):
    whole = train(config)
    run = RunDirectory.create(tmp_path / "young", replace(config, output=tmp_path / "young").to_json(), {})
    resume(run.path)
    assert metrics_without_times(run.path) == metrics_without_times(whole)


def test_a_model_named_by_a_relative_path_is_found_from_everywhere(config, tmp_path, monkeypatch):
    """And never taken for an id on a hub."""
    tiny_model("llama", dtype=torch.float32, **FAMILIES["llama"]).save_pretrained(tmp_path / "m" / "tiny")
    byte_level().save_pretrained(tmp_path / "m" / "tiny")
    monkeypatch.chdir(tmp_path)
    path = train(replace(config, model="m/tiny", total_steps=32, lora_targets=("q_proj",)))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert Agent.load(path).actor.scorer.name == str(tmp_path / "m" / "tiny")
    resume(path)


def test_the_discount_is_the_environments_own_unless_it_is_given(config):
    assert Trainer(replace(config, gamma=None)).config.gamma == 0.9
    assert Trainer(replace(config, gamma=0.8)).config.gamma == 0.8
    assert Trainer(TrainConfig(env="FoodPreparation")).config.gamma == 0.95


def test_an_environment_that_cannot_restore_its_state_is_named_when_a_run_is_resumed(config):
    path = train(replace(config, env="twosome-tests/Foreign-v0", checkpoint_every=32))
    shutil.rmtree(path / "checkpoints" / "step-0000000096")
    with pytest.warns(RestartedEpisodesWarning, match="Foreign-v0 cannot restore"):
        resume(path)
    assert len(metrics_without_times(path)) == 3


@pytest.mark.parametrize(
    "setting",
    [
        {"critic_warmup_steps": 64},
        {"critic_features": "centered", "reward_wait_steps": 64, "self_imitation_steps": 1},
        {"normalization": "pmi"},
        {"normalization": "learned"},
        {"algorithm": "poad"},
    ],
    ids=str,
)
def test_from_any_checkpoint_a_run_goes_on_as_it_did(config, tmp_path, setting):
    every = replace(config, checkpoint_every=32, keep_checkpoints=9, **setting)
    path = train(every)
    for update in (1, 2):
        copy = tmp_path / f"copy-{update}"
        shutil.copytree(path, copy)
        for name in RunDirectory.open(copy).checkpoints()[update + 1 :]:
            shutil.rmtree(copy / "checkpoints" / name)
        resume(copy)
        assert metrics_without_times(copy) == metrics_without_times(path)
        last = RunDirectory.open(path).checkpoint().name
        for name in {file.name for file in (path / "checkpoints" / last).glob("*.safetensors")}:
            assert (copy / "checkpoints" / last / name).read_bytes() == (
                path / "checkpoints" / last / name
            ).read_bytes()


@pytest.mark.parametrize("algorithm", ["ppo", "poad", "grpo"])
def test_temperature_and_priors_weight_are_learned_reported_and_loaded(config, algorithm):
    config = replace(config, normalization="learned", algorithm=algorithm)
    start = Trainer(config).actor.calibration.numbers()
    path = train(config)
    rows = RunDirectory.open(path).read_metrics()
    numbers = [{name: row[name] for name in ("temperature", "prior_weight")} for row in rows]
    assert all(one[name] != other[name] for one, other in pairwise([start, *numbers]) for name in start)
    agent = Agent.load(path)
    assert agent.actor.calibration.numbers() == numbers[-1]
    folder = RunDirectory.open(path).checkpoint()
    trainer = Trainer(TrainConfig.from_json(RunDirectory.open(path).read_config()), folder)
    decision = tests.environments.decision("You have decided 0 times. Now you", 0)
    assert np.array_equal(agent.distribution(decision), trainer.actor.probabilities([decision])[0])


def test_without_a_learning_rate_temperature_and_priors_weight_stay(config):
    config = replace(config, normalization="learned", calibration_lr=0.0, prior_weight=0.3)
    start = Trainer(config).actor.calibration.numbers()
    last = RunDirectory.open(train(config)).read_metrics()[-1]
    assert {name: last[name] for name in start} == start
    assert start["prior_weight"] == pytest.approx(0.3)


def test_what_sets_the_temperature_leaves_the_runs_own_environments_and_draws_alone(config):
    learned, word = (Trainer(replace(config, normalization=name)) for name in ("learned", "word"))
    assert learned.collector.state() == word.collector.state()
    assert learned.rng.bit_generator.state == word.rng.bit_generator.state


def test_after_imitation_the_temperature_is_still_that_of_the_untrained_policy(config):
    config = replace(config, env="TomatoSalad", normalization="learned", warm_start_episodes=2, gamma=None)
    start = Trainer(config).actor.calibration.numbers()
    trainer = Trainer(config)
    trainer.warm_start()
    assert trainer.actor.calibration.numbers() == start
    trainer.step()
    assert trainer.actor.calibration.numbers() != start


def test_a_run_begins_with_the_entropy_that_is_asked_for_and_learns(tmp_path):
    config = TrainConfig(env="TomatoSalad", normalization="learned", total_steps=2560, output=tmp_path / "run")
    env = text.resolve(config.env)
    trainer, shares = Trainer(replace(config, env=env)), []
    for policy in trainer.actor.probabilities(random_decisions(lambda: text.make(env), config.seed)):
        offered = policy[policy > 0]
        shares += [-(offered * np.log(offered)).sum() / np.log(len(offered))] if len(offered) > 1 else []
    assert np.mean(shares) == pytest.approx(0.8, abs=1e-3)
    rows = RunDirectory.open(train(config)).read_metrics()
    assert rows[-1]["return_mean"] > 0.7
    assert rows[-1]["temperature"] < rows[0]["temperature"]


def test_a_finished_run_stays_as_it_is_when_resumed(config):
    path = train(config)
    before = (path / "metrics.jsonl").read_bytes()
    resume(path)
    assert (path / "metrics.jsonl").read_bytes() == before


def test_a_damaged_or_foreign_checkpoint_is_refused(config):
    path = train(config)
    critic = path / "checkpoints" / "step-0000000096" / "critic.safetensors"
    content = bytearray(critic.read_bytes())
    content[-1] ^= 1
    critic.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"critic\.safetensors"):
        resume(path)


def test_an_unknown_environment_is_refused_before_anything_is_written(config):
    with pytest.raises(EnvError):
        train(replace(config, env="TomatoSald"))
    assert not config.output.exists()


def test_a_full_folder_is_refused(config):
    config.output.mkdir()
    (config.output / "x").touch()
    with pytest.raises(RunError, match="not empty"):
        train(config)


def test_plain_peft_loads_the_adapters(config):
    from peft import PeftModel

    from twosome.scoring import ActionScorer

    folder = RunDirectory.open(train(config)).checkpoint()
    base = ActionScorer.from_pretrained("hearth").model
    assert PeftModel.from_pretrained(base, folder).peft_config["default"].r == config.lora_rank
