"""Environments that crash and hang: the episode is lost and counted, and the rollout stays right."""

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tests.unruly  # noqa: F401 - registers it
from twosome.envs import text
from twosome.envs.checked import env_seeds
from twosome.envs.losses import EpisodeLostWarning, Losses
from twosome.envs.remote import EnvPool
from twosome.errors import EnvCrashError, EnvError
from twosome.policy.uniform import Uniform
from twosome.rollout import Collector, Rollout, merge

NAME = "twosome-tests/Unruly-v0"
SEED = env_seeds(1, 2)[1]
"""Of the second of two environments."""


def collected(kwargs: dict, workers: int, limit: int, folder: Path, steps: int = 12) -> tuple[Rollout, Collector]:
    source = EnvPool(NAME, kwargs, None, workers, 2.0) if workers else lambda: text.make(NAME, **kwargs)
    losses = Losses((NAME,), kwargs, limit, folder)
    with Collector(source, 2, 0.9, seed=1, losses=losses, keep_vectors=True) as collector:
        return collector.collect(Uniform(), steps, np.random.default_rng(0)), collector


def assert_same(one: Rollout, other: Rollout) -> None:
    for name in vars(one):
        np.testing.assert_equal(getattr(one, name), getattr(other, name))


def test_a_lost_episode_is_cut_off_where_it_stood_and_the_next_one_takes_its_place(tmp_path):
    """Fails in each fifth step of a process that it has been made in: twice in twelve rows, or more."""
    kwargs = {"fault": "raise", "at": 6, "only_seed": SEED}
    with pytest.warns(EpisodeLostWarning, match=rf"seed {SEED}.*the server is gone.*of at most 9"):
        rollout, collector = collected(kwargs, 0, 9, tmp_path)
    assert rollout.num_lost == collector.losses.count > 1
    whole, _ = collected({"fault": "raise", "at": 99}, 0, 0, tmp_path)
    np.testing.assert_array_equal(rollout.actions[:, 0], whole.actions[:, 0])  # of the other environment
    prompts = [row[1].prompt for row in rollout.decisions]
    begins = "You have decided 0 times. Now you"
    for t, i in rollout.cut:
        assert i == 1
        assert rollout.truncated[t, 1]
        assert not rollout.terminated[t, 1]
        assert prompts[t + 1] == begins
        assert rollout.next_prompts[t][1] not in {prompts[t], begins}  # the state that was seen, to be bootstrapped
        assert rollout.next_vectors[t][1] == rollout.vectors[t][1] + 1
    assert rollout.cut
    for t in range(12):  # each action is one that the policy could take, with its probability
        assert rollout.logp[t, 1] == pytest.approx(np.log(rollout.probabilities[t][1][rollout.actions[t, 1]]))
    ended = (rollout.terminated | rollout.truncated).sum()
    assert len(rollout.episodes) == ended - len(rollout.cut)
    merged = merge([rollout])
    assert (merged.episodes, merged.cut, merged.num_lost) == (rollout.episodes, rollout.cut, rollout.num_lost)


def test_a_crash_has_the_same_numbers_whatever_the_number_of_workers(tmp_path):
    kwargs = {"fault": "raise", "at": 6, "only_seed": SEED}
    with pytest.warns(EpisodeLostWarning):
        here, _ = collected(kwargs, 0, 9, tmp_path)
    with pytest.warns(EpisodeLostWarning):
        there, _ = collected(kwargs, 2, 9, tmp_path)
    assert_same(here, there)


@pytest.mark.parametrize(
    ("fault", "method", "at", "says"),
    [
        ("exit", "step", 3, r"step \d, action \d .*its process ended with exit code 3"),
        ("kill", "reset", 3, r"reset: its process was ended by SIGKILL"),
        ("hang", "step", 2, r"step \d, action .* did not answer within 2 s \(--step-timeout\)"),
        ("hang", "get_state", 1, r"get_state after step \d: it did not answer"),
    ],
)
def test_an_environment_whose_process_dies_or_hangs_begins_anew_with_its_seed(fault, method, at, says, tmp_path):
    once = str(tmp_path / "failed")
    kwargs = {"fault": fault, "method": method, "at": at, "once": once, "only_seed": SEED}
    source = EnvPool(NAME, kwargs, None, 2, 2.0)
    losses = Losses((NAME,), kwargs, 1, tmp_path)
    with Collector(source, 2, 0.9, seed=1, losses=losses) as collector:
        with pytest.warns(EpisodeLostWarning, match=says):
            rollout, state = collector.collect(Uniform(), 8, np.random.default_rng(0)), collector.state()
        processes: list[Any] = [env._process for env in collector.envs]
    assert [place["seed"] for place in state["places"]] == env_seeds(1, 2)
    assert losses.count == 1
    assert rollout.num_lost == (method != "get_state")
    assert all(process.returncode is not None for process in processes)


def test_a_hanging_close_ends_with_a_warning_and_without_a_process(tmp_path, monkeypatch):
    monkeypatch.setattr("twosome.envs.remote._CLOSING_S", 0.2)
    with EnvPool(NAME, {"fault": "hang", "method": "close", "at": 1}, None, 1) as pool:
        env = pool.open()
        env.reset(seed=0)
        process: Any = env._process
        with pytest.warns(UserWarning, match=r"did not close within 0.2 s"):
            pool.close()
    assert process.returncode == -9


def test_too_many_lost_episodes_are_an_error_with_the_command_that_plays_the_last_one_again(tmp_path):
    kwargs = {"fault": "raise", "method": "step", "at": 2}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EpisodeLostWarning)
        with pytest.raises(EnvCrashError) as caught:
            collected(kwargs, 0, 2, tmp_path / "lost")
    message = str(caught.value)
    assert "3 episodes are lost, more than --max-lost 2" in message
    assert re.search(r"Actions of the episode so far: '[a-z ]+', '[a-z ]+'\. To see it again: twosome replay ", message)
    assert re.search(r"seed \d+, episode 1, step 2, action \d", message)


def test_a_broken_contract_is_an_error_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.unruly.fail", lambda fault: None)
    monkeypatch.setattr("tests.unruly.Unruly.step", lambda self, action: (None, "much", False, False, {}))
    with pytest.raises(EnvError, match="expected the reward to be a finite number") as caught:
        collected({"fault": "raise"}, 0, 9, tmp_path)
    assert not isinstance(caught.value, EnvCrashError)
    assert "--max-lost" not in str(caught.value)  # it has nothing to do with how many are lost
