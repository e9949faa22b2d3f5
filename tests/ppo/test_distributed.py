"""Several processes train as one does, and end together."""

import json
import os
import re
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import gymnasium
import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file

import tests.environments
from tests.ranks import on_ranks
from twosome import models
from twosome.checkpoint_schema import CALIBRATION
from twosome.config import TrainConfig
from twosome.distributed import OneProcess
from twosome.errors import ConfigError
from twosome.policy import sharding
from twosome.policy.lm_policy import LanguageModelPolicy
from twosome.ppo import build
from twosome.ppo.train import resume, train
from twosome.rollout import Collector, merge
from twosome.runs import RunDirectory

TENSORS = ("adapter_model", "critic", "optimizers", "features")


SETTINGS = TrainConfig(
    num_envs=4,
    rollout_steps=15,
    total_steps=180,
    epochs=2,
    policy_minibatches=2,
    gradient_accumulation=2,
    value_minibatches=2,
    target_kl=0.002,
    checkpoint_every=60,
    keep_checkpoints=4,
)
"""Three updates, in parts that two ranks cannot halve, some of which the KL ends early."""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of one process, to be compared with."""
    return train(replace(SETTINGS, output=tmp_path_factory.mktemp("alone") / "run"))


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    """The same in the quickest environment."""
    return replace(SETTINGS, env="twosome-tests/Counting-v0", output=tmp_path / "run")


def metrics(path: Path) -> list[dict[str, Any]]:
    rows = RunDirectory.open(path).read_metrics()
    return [{name: value for name, value in row.items() if not name.endswith("_s")} for row in rows]


def assert_equal_runs(one: Path, other: Path) -> None:
    for row, other_row in zip(metrics(one), metrics(other), strict=True):
        assert row.pop("warnings", []) == other_row.pop("warnings", [])
        assert row == pytest.approx(other_row, abs=1e-5, rel=1e-5)
    names = RunDirectory.open(one).checkpoints()
    assert names == RunDirectory.open(other).checkpoints()
    for name in names:
        assert_equal_checkpoints(one / "checkpoints" / name, other / "checkpoints" / name)


def assert_equal_checkpoints(one: Path, other: Path) -> None:
    for name in TENSORS:
        tensors, others = (load_file(folder / f"{name}.safetensors") for folder in (one, other))
        if name == "features":  # each rank meets the prompts in another order, and the critic finds them by name
            tensors, others = ({"features": t["features"][order(t)]} for t in (tensors, others))
        torch.testing.assert_close(tensors, others, atol=1e-5, rtol=1e-5)
    state, other_state = (json.loads((folder / "state.json").read_text()) for folder in (one, other))
    for name in ("worlds", "rng", "recent", "update", "env_steps", "num_episodes"):
        assert state[name] == other_state[name], name


def order(tensors: dict[str, torch.Tensor]) -> list[int]:
    prompts = json.loads(tensors["prompts"].numpy().tobytes())
    return sorted(range(len(prompts)), key=lambda i: str(prompts[i]))


def test_two_ranks_with_two_environments_each_make_the_updates_of_one_process_with_four(alone, tmp_path):
    two = tmp_path / "run"
    assert on_ranks(train, replace(SETTINGS, output=two)) == [two, two]
    assert_equal_runs(alone, two)
    steps = [row["policy_steps"] for row in metrics(alone)]
    assert min(steps) < 4 <= max(steps), "the KL should end some updates, and not others"


def test_two_ranks_learn_the_temperature_and_the_priors_weight_of_one_process(config, tmp_path):
    config = replace(config, normalization="learned")
    alone, two = train(config), tmp_path / "two"
    assert on_ranks(train, replace(config, output=two)) == [two, two]
    assert_equal_runs(alone, two)
    one, other = (load_calibrations(path) for path in (alone, two))
    assert len(one) == 4
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def load_calibrations(path: Path) -> list[dict[str, torch.Tensor]]:
    return [load_file(folder / CALIBRATION) for folder in sorted((path / "checkpoints").glob("step-*"))]


@pytest.mark.slow
def test_two_ranks_decompose_actions_as_one_process_does(config, tmp_path):
    config = replace(config, algorithm="poad")
    alone, two = train(config), tmp_path / "two"
    assert on_ranks(train, replace(config, output=two)) == [two, two]
    assert_equal_runs(alone, two)


@pytest.mark.parametrize("gradient_checkpointing", [pytest.param(False, marks=pytest.mark.slow), True])
def test_ranks_that_share_a_sharded_model_make_the_updates_of_one_process(config, tmp_path, gradient_checkpointing):
    """With parts of a single decision, in which all ranks but one have nothing to do but take part."""
    config = replace(config, model=tiny_llama(tmp_path / "llama"), total_steps=60, epochs=1, gradient_accumulation=30)
    alone, sharded = train(config), replace(config, output=tmp_path / "sharded", shard_model=True)
    pieces = on_ranks(train_and_count, replace(sharded, gradient_checkpointing=gradient_checkpointing))
    sharded = sharded.folder
    assert_equal_runs(alone, sharded)
    _, layers = pieces[0]
    assert pieces == [(sharded, layers)] * 2
    assert all(2 * held == full for held, full in layers)


def train_beyond_the_bound(config: TrainConfig) -> None:
    """Every decision takes more tokens than fit at once."""
    train(replace(config, max_tokens_per_forward=1))


@pytest.mark.parametrize("gradient_checkpointing", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_sharded_model_refuses_decisions_that_take_more_than_the_bound(config, tmp_path, gradient_checkpointing):
    config = replace(config, model=tiny_llama(tmp_path / "llama"), total_steps=60, shard_model=True)
    answers = on_ranks(train_beyond_the_bound, replace(config, gradient_checkpointing=gradient_checkpointing))
    assert any(name == "ModelError" and "higher --max-tokens-per-forward" in text for name, text in answers), answers


def tiny_llama(folder: Path) -> str:
    tokenizer = transformers.AutoTokenizer.from_pretrained(models.path("hearth"))
    sizes = {"hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4}
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(vocab_size=len(tokenizer), **sizes))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def train_and_count(config: TrainConfig) -> tuple[Path, list[tuple[int, int]]]:
    """The run, and of each sharded layer how many numbers this rank held, and how many there were."""
    shard = sharding.shard
    held: list[tuple[int, int]] = []
    sharded: list[torch.nn.Module] = []

    def counting(layers: list[torch.nn.Module], device: torch.device) -> None:
        full = [sum(p.numel() for p in layer.parameters()) for layer in layers]
        shard(layers, device)
        own = [sum(p.to_local().numel() for p in layer.parameters()) for layer in layers]
        held.extend(zip(own, full, strict=True))
        sharded.extend(layers)

    sharding.shard = counting
    path = train(config)
    frozen = [p for layer in sharded for name, p in layer.named_parameters() if "lora" not in name]
    assert not [parameter for parameter in frozen if parameter.grad is not None]
    return path, held


def interrupted(config: TrainConfig, after: int) -> None:
    """A run in which rank 0 alone gets a Ctrl-C."""

    def stop(metrics: dict[str, Any]) -> None:
        if metrics["update"] == after:
            os.kill(os.getpid(), signal.SIGINT)

    train(config, stop)


@pytest.mark.parametrize(("before", "after"), [pytest.param(1, 2, marks=pytest.mark.slow), (2, 1)])
def test_an_interrupted_run_goes_on_with_another_number_of_ranks(alone, tmp_path, before, after):
    broken = tmp_path / "run"
    answers = on_ranks(interrupted, replace(SETTINGS, output=broken), 2, size=before)
    assert {name for name, _ in answers} == {"Interrupted"}
    assert [row["update"] for row in metrics(broken)] == [1, 2]
    assert on_ranks(resume, broken, size=after) == [broken] * after
    assert_equal_runs(alone, broken)


class Failing(tests.environments.Counting):
    """An environment that breaks down on rank 1, in the second rollout."""

    def step(self, action: int) -> Any:
        self.steps = getattr(self, "steps", 0) + 1
        if self.steps > 20 and os.environ["RANK"] == "1":
            raise OSError("the kitchen burns")
        return super().step(action)


def train_in_failing_envs(config: TrainConfig) -> None:
    """Train there."""
    gymnasium.register("twosome-tests/Failing-v0", Failing)
    train(replace(config, env="twosome-tests/Failing-v0"))


@pytest.mark.parametrize("shard_model", [pytest.param(False, marks=pytest.mark.slow), True])
def test_an_environment_that_fails_on_one_rank_ends_all_with_its_reason(config, shard_model):
    first, second = on_ranks(train_in_failing_envs, replace(config, shard_model=shard_model))
    assert second[0] == "EnvCrashError"
    assert re.match(
        r"twosome-tests/Failing-v0, seed \d+, .* the environment raised OSError\('the kitchen burns'\)", second[1]
    )
    assert first == ("RankError", f"rank 1 failed: {second[1]}")
    assert RunDirectory.open(config.output).verified_checkpoint("last").name == "step-0000000060"


def train_with_little_memory(config: TrainConfig) -> None:
    """Rank 1 fails between the layers of a rollout's forward."""

    def fail(*_: Any) -> None:
        raise torch.OutOfMemoryError("no memory left")

    attach_to = build.attach_to

    def add_and_break(scorer: Any, *arguments: Any, **settings: Any) -> None:
        attach_to(scorer, *arguments, **settings)
        if os.environ["RANK"] == "1":
            scorer.model.get_base_model().model.layers[1].register_forward_pre_hook(fail)

    with mock.patch.object(build, "attach_to", add_and_break):
        train(config)


def test_a_rank_that_fails_inside_a_sharded_model_ends_all(config):
    first, second = on_ranks(train_with_little_memory, replace(config, shard_model=True))
    assert second == ("OutOfMemoryError", "no memory left")
    assert first[0] in {"RankError", "RuntimeError"}


def test_one_process_cannot_shard_a_model(config):
    with pytest.raises(ConfigError, match="torchrun"):
        train(replace(config, shard_model=True))


def train_with_nan(config: TrainConfig, in_rollout: bool) -> None:
    """Rank 1's model gives NaN, in the rollout or in the policy update."""
    log_policy = LanguageModelPolicy.log_policy

    def broken(self: LanguageModelPolicy, decisions: Any) -> torch.Tensor:
        breaks = os.environ["RANK"] == "1" and torch.is_grad_enabled() != in_rollout
        return log_policy(self, decisions) * (float("nan") if breaks else 1.0)

    with mock.patch.object(LanguageModelPolicy, "log_policy", broken):
        train(config)


def test_a_nan_on_one_rank_ends_all_and_names_the_update(config):
    for answer in on_ranks(train_with_nan, config, False):
        assert answer[0] == "DivergedError"
        assert "In update 1" in answer[1]
        assert "policy loss became nan" in answer[1]


def test_a_nan_in_one_ranks_rollout_ends_all_with_its_reason(config):
    first, second = on_ranks(train_with_nan, config, True)
    assert second[0] == "DivergedError"
    assert first == ("RankError", f"rank 1 failed: {second[1]}")


def killed(config: TrainConfig) -> None:
    """Rank 1 is killed in its second policy update."""
    log_policy, output = LanguageModelPolicy.log_policy, config.output
    assert output is not None

    def dying(self: LanguageModelPolicy, decisions: Any) -> torch.Tensor:
        is_second = torch.is_grad_enabled() and (output / "checkpoints" / "step-0000000060").exists()
        if os.environ["RANK"] == "1" and is_second:
            os.kill(os.getpid(), signal.SIGKILL)
        return log_policy(self, decisions)

    with mock.patch.object(LanguageModelPolicy, "log_policy", dying):
        train(config)


def test_when_a_rank_is_killed_the_other_ends_and_the_last_checkpoint_is_whole(config):
    first, second = on_ranks(killed, config)
    assert second == -signal.SIGKILL
    assert first[0] == "RankError"
    assert "another rank ended" in first[1]
    assert RunDirectory.open(config.output).verified_checkpoint("last").name == "step-0000000060"


def test_an_output_that_cannot_be_written_ends_all_ranks(config, tmp_path):
    (tmp_path / "file").write_text("")
    first, second = on_ranks(train, replace(config, output=tmp_path / "file" / "run"))
    assert first[0] == "RunError"
    assert second == ("RankError", f"rank 0 failed: {first[1]}")


def test_a_damaged_checkpoint_ends_all_ranks(config):
    (train(config) / "checkpoints" / "step-0000000180" / "state.json").write_text("{")
    first, second = on_ranks(resume, config.output)
    assert first[0] == "CheckpointError"
    assert "state.json is not what was written there" in second[1]


@pytest.mark.parametrize(("num_envs", "size"), [(3, 2), (1, 2)])
def test_environments_that_cannot_be_shared_equally_are_refused(config, num_envs, size):
    for answer in on_ranks(train, replace(config, num_envs=num_envs, rollout_steps=16), size=size):
        assert answer[0] == "ConfigError"
        assert f"--num-envs {num_envs}" in answer[1]
    assert not config.output.exists()


def test_shares_are_contiguous_and_cover_everything():
    for count in range(9):
        for size in range(1, 5):
            shares = [share(rank, size, count) for rank in range(size)]
            assert [i for own in shares for i in own] == list(range(count))
            assert max(map(len, shares)) - min(map(len, shares)) <= 1


def share(rank: int, size: int, count: int) -> range:
    ranks = OneProcess()
    ranks.rank, ranks.size = rank, size
    return ranks.share(count)


def test_merged_episodes_come_by_step_then_environment():
    class Uniform:
        def probabilities(self, decisions: Any) -> Any:
            return [np.array([name != "" for name in d.actions]) / sum(map(bool, d.actions)) for d in decisions]

    def collect(own: range) -> Any:
        collector = Collector(tests.environments.Counting, 6, gamma=0.9, seed=3, own=own)
        return collector.collect(Uniform(), 12, np.random.default_rng(0))

    whole, merged = collect(range(6)), merge([collect(range(2)), collect(range(2, 6))])
    assert len(whole.episodes) > 12
    for name, value in vars(whole).items():
        np.testing.assert_equal(getattr(merged, name), value, name)


@pytest.mark.parametrize("size", ["2", "two"])
def test_half_of_what_torchrun_sets_is_told_with_what_to_do(size, config, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", size)
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(ConfigError, match="unset WORLD_SIZE"):
        train(config)
