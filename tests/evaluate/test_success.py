"""Evaluation counts every episode that is begun, and its result does not depend on how it is run."""

import gymnasium
import numpy as np
import pytest

import tests.unruly  # noqa: F401 - registers the environment
from tests.environments import Foreign
from twosome.baselines import Planner, Uniform
from twosome.envs import text
from twosome.envs.named import NamedEnv
from twosome.errors import ConfigError, EnvCrashError, EnvError
from twosome.evaluate.record import record
from twosome.evaluate.success import (
    evaluate,
)

ENV = "twosome-tests/Counting-v0"


class Fixed:
    def __init__(self, *row: float) -> None:
        self.row = np.array(row, float)

    def probabilities(self, decisions):
        return [self.row for _ in decisions]


def test_a_known_policy_has_a_known_return():
    result = evaluate(Fixed(1, 0, 0), ENV, gamma=0.9, episodes=7).summary()
    assert (result["return_mean"], result["success_rate"], result["length_mean"]) == (1.0, 1.0, 1.0)
    result = evaluate(Fixed(0, 1, 0), ENV, gamma=0.9, episodes=7).summary()
    assert (result["return_mean"], result["success_rate"], result["length_mean"]) == (0.0, 0.0, 12.0)


def test_long_episodes_count_as_often_as_short_ones():
    """Half the episodes end at once, the others last long; taking the first to finish would miss those."""
    result = evaluate(Fixed(0.5, 0.5, 0), ENV, {"limit": 1000}, gamma=1.0, episodes=2000, parallel=64)
    assert result.summary()["decisions_mean"] == pytest.approx(2.0, abs=0.15)


def test_the_result_does_not_depend_on_how_many_run_side_by_side():
    one, many = (evaluate(Uniform(), ENV, gamma=0.9, episodes=20, seed=3, parallel=n) for n in (1, 8))
    assert one == many
    assert one != evaluate(Uniform(), ENV, gamma=0.9, episodes=20, seed=4)


def test_the_result_in_processes_is_that_of_one_process():
    here, there = (
        evaluate(Uniform(), NamedEnv(ENV, {"limit": 6}, workers=workers), episodes=5, seed=3, parallel=2)
        for workers in (0, 2)
    )
    assert here == there == evaluate(Uniform(), ENV, {"limit": 6}, episodes=5, seed=3)


def test_an_environment_that_hangs_ends_the_evaluation_with_where_it_was():
    hangs = NamedEnv("twosome-tests/Unruly-v0", {"fault": "hang", "at": 3}, workers=1, timeout_s=0.5)
    with pytest.raises(EnvCrashError, match=r"Unruly-v0, seed 7, .*did not answer within 0.5 s \(--step-timeout\)"):
        evaluate(Fixed(0, 1, 0), hangs, episodes=1, seed=7)


def test_greedy_play_takes_the_most_probable_action():
    result = evaluate(Fixed(0.4, 0.35, 0.25), ENV, greedy=True, gamma=0.9, episodes=5).summary()
    assert result["success_rate"] == 1.0


def test_an_environment_without_a_planner_is_refused_by_name():
    with pytest.raises(EnvError, match=r"Counting-v0.* has no planner"):
        evaluate(Planner(), ENV, gamma=0.9, episodes=1)


def test_the_planner_solves_the_kitchen_as_well_as_can_be():
    result = evaluate(Planner(), "TomatoSalad", gamma=0.99, episodes=3).summary()
    assert result["return_mean"] == pytest.approx(0.920518092564195, abs=1e-12)
    assert result["success_rate"] == 1.0


@pytest.mark.parametrize(("settings", "flag"), [({"episodes": 0}, "--episodes is 0"), ({"seed": -1}, "--seed is -1")])
def test_an_evaluation_of_nothing_is_refused(settings, flag):
    with pytest.raises(ConfigError, match=flag):
        evaluate(Uniform(), ENV, gamma=0.9, **settings)


def test_an_environment_that_says_nothing_of_success_is_read_alike_everywhere(monkeypatch):
    environment = "twosome-tests/Foreign-v0"
    result = evaluate(Fixed(1, 0, 0), environment, gamma=0.9, episodes=1).summary()
    assert (result["success_rate"], result["length_mean"]) == (1.0, 1.0)
    monkeypatch.setattr(Foreign, "render", lambda self: np.zeros((4, 4, 3), np.uint8), raising=False)
    monkeypatch.setattr(Foreign, "metadata", {"render_modes": ["rgb_array"], "render_fps": 1})
    monkeypatch.setattr(text, "make", lambda env, **_: gymnasium.make(env))
    recording = record(Fixed(1, 0, 0), environment, {}, seed=0)
    assert (recording.success, recording.discounted_return) == (True, 1.0)
