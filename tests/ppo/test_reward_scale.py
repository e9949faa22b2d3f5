"""Rewards of any scale, divided by the largest return so far."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import twosome
from tests.environments import Counting, counting_run
from twosome.errors import CheckpointError
from twosome.ppo.interrupt import Interrupted
from twosome.ppo.reward_scale import RewardScale
from twosome.ppo.train import Trainer
from twosome.rollout import Rollout
from twosome.runs import STATE, RunDirectory


class Rich(Counting):
    """`Counting` with a thousand times the rewards."""

    def step(self, action: int):
        observation, reward, *rest = super().step(action)
        return observation, 1000 * reward, *rest


gymnasium.register("twosome-tests/Rich-v0", Rich)


def rollout(rewards: list[list[float]], durations: int = 1, ends: tuple[tuple[int, int], ...] = ()) -> Rollout:
    shape = np.shape(rewards)
    terminated = np.zeros(shape, np.bool_)
    for place in ends:
        terminated[place] = True
    return Rollout(
        [],
        [],
        [],
        np.zeros(shape, np.int64),
        np.zeros(shape, np.float32),
        np.array(rewards, np.float32),
        np.full(shape, durations),
        terminated,
        np.zeros(shape, np.bool_),
    )


def test_rewards_are_divided_by_the_largest_discounted_sum_up_to_a_decision() -> None:
    scale = RewardScale()
    found = scale.scaled(rollout([[4.0, 0.0], [2.0, -8.0]]), gamma=0.5)
    assert scale.divisor == 8.0
    assert found.rewards.tolist() == [[0.5, 0.0], [0.25, -1.0]]
    assert found.rewards.dtype == np.float32


def test_sums_go_on_from_rollout_to_rollout_are_discounted_by_primitive_steps_and_end_with_episodes() -> None:
    scale = RewardScale()
    scale.scaled(rollout([[8.0, 8.0]], durations=2, ends=((0, 1),)), gamma=0.5)
    assert scale.sums == [2.0, 0.0]
    scale.scaled(rollout([[7.0, 7.0]]), gamma=0.5)
    assert scale.divisor == 9.0


def test_the_divisor_never_falls_and_is_1_before_the_first_reward() -> None:
    scale = RewardScale()
    nothing = rollout([[0.0, 0.0]])
    assert scale.scaled(nothing, 0.9).rewards.tolist() == [[0.0, 0.0]]
    assert scale.divisor == 1.0
    scale.scaled(rollout([[0.01, 0.0]], ends=((0, 0),)), 0.9)
    assert scale.divisor == pytest.approx(0.01)
    scale.scaled(rollout([[0.001, 0.0]]), 0.9)
    assert scale.divisor == pytest.approx(0.01)


def test_what_is_learned_does_not_depend_on_the_scale_and_what_is_reported_does(tmp_path: Path) -> None:
    settings = {"normalize_rewards": True, "total_steps": 32}
    plain = counting_run(tmp_path / "plain", **settings)
    rich = replace(plain, env="twosome-tests/Rich-v0", output=tmp_path / "rich")
    rows = []
    for config in (plain, rich):
        with Trainer(config) as trainer:
            rows.append(trainer.step())
    assert rows[1]["return_mean"] == pytest.approx(1000 * rows[0]["return_mean"])
    assert rows[1]["reward_scale"] == pytest.approx(1000 * rows[0]["reward_scale"])
    for name in ("value_loss", "policy_loss", "approx_kl", "explained_variance"):
        assert rows[1][name] == pytest.approx(rows[0][name], rel=1e-3), name


def test_without_the_setting_nothing_is_divided_logged_or_saved(tmp_path: Path) -> None:
    run = RunDirectory.open(twosome.train(counting_run(tmp_path / "run", total_steps=32)))
    assert "reward_scale" not in run.read_metrics()[-1]
    assert "reward_scale" not in json.loads((run.checkpoint("last") / STATE).read_text())


def test_an_interrupted_run_ends_as_one_that_was_not_and_a_damaged_scale_is_refused(tmp_path: Path) -> None:
    def stop(metrics: dict[str, Any]) -> None:
        if metrics["update"] == 2:
            raise Interrupted("enough")

    settings = {"normalize_rewards": True, "checkpoint_every": 32, "env": "twosome-tests/Rich-v0"}
    config = counting_run(tmp_path / "whole")
    whole = twosome.train(replace(config, **settings))
    with pytest.raises(Interrupted):
        twosome.train(replace(config, **settings, output=tmp_path / "broken"), stop)
    broken = twosome.resume(tmp_path / "broken")
    last = [RunDirectory.open(path).checkpoint("last") for path in (whole, broken)]
    for name in ("adapter_model.safetensors", "critic.safetensors"):
        assert (last[0] / name).read_bytes() == (last[1] / name).read_bytes(), name
    state = json.loads((last[1] / STATE).read_text())
    assert state["reward_scale"]["largest"] > 500
    for damage in ({"largest": -1.0, "sums": [0.0, 0.0]}, {"largest": 1.0, "sums": [0.0]}, None):
        (last[1] / STATE).write_text(json.dumps({**state, "reward_scale": damage}))
        with pytest.raises(CheckpointError, match="reward_scale"):
            Trainer(replace(config, **settings), last[1])
