"""All weights trained, or weights without a prior: what is learned, what stays, what is saved and loaded."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

import tests.environments
from twosome import models
from twosome.agent import Agent
from twosome.config import TrainConfig
from twosome.errors import CheckpointError, ConfigError
from twosome.estimate import copied_bytes, frozen_bytes
from twosome.evaluate.evaluator import evaluator_for
from twosome.evaluate.retention import retain
from twosome.observation import Observation
from twosome.policy.loading import load_scorer
from twosome.policy.tuning import adapters_of, attach_to
from twosome.ppo.train import Trainer, resume, train
from twosome.runs import RunDirectory
from twosome.scoring import action_log_probs, context_free_log_probs

START = tests.environments.decision("You have decided 0 times. Now you", 0)


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    settings = {"checkpoint_every": 32, "tuning": "full", "actor_lr": 1e-4, "normalization": "word"}
    return tests.environments.counting_run(tmp_path / "run", **settings)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("full") / "run"
    settings = {"checkpoint_every": 32, "tuning": "full", "actor_lr": 1e-4, "normalization": "word"}
    return train(tests.environments.counting_run(path, **settings))


def test_all_weights_learn_and_the_critic_goes_on_reading_the_model_as_it_was(config):
    trainer = Trainer(config)
    before = {name: value.clone() for name, value in trainer.scorer.model.named_parameters()}
    features = trainer.critic._read([START.prompt])
    trainer.step()
    changed = {name for name, value in trainer.scorer.model.named_parameters() if not torch.equal(before[name], value)}
    assert changed == set(before)
    assert torch.equal(trainer.critic._read([START.prompt]), features)
    assert not any(parameter.requires_grad for parameter in trainer.frozen.model.parameters())


def test_a_run_begins_as_the_model_is(config):
    tuned, adapted = Trainer(config), Trainer(replace(config, tuning="lora"))
    assert np.allclose(tuned.actor.probabilities([START])[0], adapted.actor.probabilities([START])[0], atol=1e-6)
    assert torch.equal(tuned.critic._read([START.prompt]), adapted.critic._read([START.prompt]))


def test_a_checkpoint_is_a_whole_model_for_transformers_and_for_twosome(finished):
    folder = RunDirectory.open(finished).checkpoint("last")
    assert not (folder / "adapter_model.safetensors").exists()
    assert AutoModelForCausalLM.from_pretrained(folder).num_parameters() > 0
    agent = Agent.load(finished)
    names = (str(folder), "hearth")
    as_a_model, untrained = (evaluator_for(model=name, normalization="word").policy for name in names)
    assert np.array_equal(agent.distribution(START), as_a_model.probabilities([Observation(START)])[0])
    assert not np.allclose(agent.distribution(START), untrained.probabilities([Observation(START)])[0])
    machine_path = str(models.path("hearth")).encode()
    assert not [file for file in finished.rglob("*") if file.is_file() and machine_path in file.read_bytes()]


def test_a_resumed_run_ends_as_one_that_never_stopped(finished, config):
    broken = train(config)
    for name in RunDirectory.open(broken).checkpoints()[-1:]:
        for file in (broken / "checkpoints" / name).iterdir():
            file.unlink()
        (broken / "checkpoints" / name).rmdir()
    resume(broken)
    for name in ("model.safetensors", "critic.safetensors", "optimizers.safetensors"):
        contents = [(RunDirectory.open(path).checkpoint("last") / name).read_bytes() for path in (finished, broken)]
        assert contents[0] == contents[1], name


def test_an_evaluation_says_which_weights_it_was_of(finished):
    identity = evaluator_for(run=finished).identity
    assert identity["tuning"] == "full"
    assert len(identity["adapter"]) == 64
    assert "tuning" not in evaluator_for(run=finished, model="hearth").identity


def test_damaged_weights_are_named(finished, tmp_path):
    config = TrainConfig.from_json(RunDirectory.open(finished).read_config())
    with pytest.raises(CheckpointError, match="cannot be read"):
        attach_to(load_scorer(config), adapters_of(config), checkpoint=tmp_path, trainable=False)


def test_random_weights_come_from_the_seed_and_are_not_the_models_own(config):
    one, same, other = (
        load_scorer(replace(config, random_init=True, seed=seed)).model.state_dict() for seed in (1, 1, 2)
    )
    own = load_scorer(config).model.state_dict()
    assert all(torch.equal(one[name], same[name]) for name in one)
    weight = "model.layers.0.self_attn.q_proj.weight"
    assert not torch.equal(one[weight], other[weight])
    assert not torch.equal(one[weight], own[weight])
    assert one.keys() == own.keys()


def test_a_run_from_random_weights_finds_them_again(config):
    path = train(replace(config, random_init=True, tuning="lora", total_steps=32))
    trainer = Trainer(TrainConfig.from_json(RunDirectory.open(path).read_config()))
    untrained = evaluator_for(run=path, model="hearth")
    assert untrained.identity["random_init"]
    assert np.array_equal(
        untrained.policy.probabilities([Observation(START)])[0], trainer.actor.probabilities([START])[0]
    )
    text = (RunDirectory.open(path).checkpoint("last") / "adapter_config.json").read_text()
    assert "randomly initialized with seed 1" in text


@pytest.mark.parametrize("normalization", ["pmi", "learned"])
def test_phrases_without_a_situation_are_scored_by_the_model_as_it_was(config, normalization, tmp_path):
    config = replace(config, normalization=normalization, output=tmp_path / "run")
    trainer = Trainer(TrainConfig.from_json(RunDirectory.open(train(config)).read_config()))
    folder = RunDirectory.open(config.output).checkpoint()
    resumed, agent = Trainer(config, folder), Agent.load(config.output)
    prior = context_free_log_probs(load_scorer(config), [START], config.context_free_prompt)
    scored = agent.actor.scorer.score([START])
    assert not torch.allclose(scored.logp, trainer.scorer.score([START]).logp)
    numbers = agent.actor.calibration.parameters()
    expected = action_log_probs(scored, normalization, prior, *numbers).double().exp()[0].tolist()
    for actor in (resumed.actor, agent.actor):
        assert actor.probabilities([START])[0] == pytest.approx(expected, abs=1e-6)


def test_what_needs_the_frozen_model_is_refused(config, finished):
    for other in ({"quantization": "8bit"}, {"shard_model": True}):
        with pytest.raises(ConfigError, match="expected"):
            replace(config, **other)
    with pytest.raises(ConfigError, match="adapter on and off"):
        retain([finished], ["anything"])


def test_the_copy_that_the_critic_reads_counts_as_memory(config):
    full, lora = Trainer(config), Trainer(replace(config, tuning="lora"))
    assert copied_bytes(lora.scorer, lora.frozen) == 0
    copied = copied_bytes(full.scorer, full.frozen)
    assert copied + frozen_bytes(full.scorer.model) == frozen_bytes(lora.scorer.model)
