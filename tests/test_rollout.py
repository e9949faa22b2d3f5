"""Rollouts hold what happened, across episodes that end and episodes that are cut off."""

import gymnasium
import numpy as np
import pytest
from gymnasium.wrappers import TimeLimit

from tests.environments import Counting, Foreign
from twosome.decision import Decision
from twosome.rollout import Collector


class Scripted:
    """Takes the given actions in turn, the same in every environment."""

    def __init__(self, *actions: int) -> None:
        self.actions = list(actions)

    def probabilities(self, decisions):
        action = self.actions.pop(0)
        return [np.eye(3)[action] for _ in decisions]


def collect(actions: list[int], num_envs: int = 2, limit: int = 4):
    collector = Collector(lambda: Counting(limit), num_envs, gamma=0.9, seed=0)
    return collector, collector.collect(Scripted(*actions), len(actions), np.random.default_rng(0))


def test_an_ended_episode_is_followed_by_the_first_decision_of_the_next_and_no_decision_is_made_up():
    _, rollout = collect([1, 0, 2])
    assert [row[0].prompt for row in rollout.decisions] == [
        "You have decided 0 times. Now you",
        "You have decided 1 times. Now you",
        "You have decided 0 times. Now you",
    ]
    assert rollout.decisions[0][1] == Decision("You have decided 0 times. Now you", ("go left", "wait", "go right"))
    assert rollout.decisions[1][0].actions == ("go left", "wait", "")
    assert rollout.terminated[:, 0].tolist() == [False, True, False]
    assert rollout.truncated.any() == False  # noqa: E712 - a numpy bool
    assert rollout.rewards[:, 0].tolist() == pytest.approx([0.0, 1.0, -0.1])


def test_durations_are_those_of_the_action_also_where_an_episode_ends():
    _, rollout = collect([1, 0, 2, 1])
    assert rollout.durations[:, 0].tolist() == [3, 1, 2, 3]


def test_where_an_episode_is_cut_off_the_next_prompt_is_its_own_last_one():
    _, rollout = collect([1, 1, 1], limit=2)
    assert rollout.truncated[:, 0].tolist() == [False, True, False]
    assert rollout.next_prompts[1] == ["You have decided 2 times. Now you"] * 2
    assert rollout.decisions[2][0].prompt == "You have decided 0 times. Now you"
    assert rollout.next_prompts[0] == ["You have decided 1 times. Now you"] * 2


def test_returns_are_discounted_by_primitive_steps_and_lengths_count_them():
    _, rollout = collect([1, 2, 0], num_envs=1)
    (episode,) = rollout.episodes
    assert episode.discounted_return == pytest.approx(0.9**3 * -0.1 + 0.9**5 * 1.0)
    assert (episode.length, episode.decisions, episode.success) == (6, 3, True)


def test_runs_of_neighboring_seeds_share_no_environments():
    """Not seed + i: three of four environments would begin alike in two runs."""

    def seeds(seed):
        collector = Collector(lambda: Counting(4), 4, gamma=0.9, seed=seed)
        return [env.env.unwrapped.np_random_seed for env in collector.envs]

    assert seeds(1) == seeds(1)
    assert len({*seeds(0), *seeds(1), *seeds(2)}) == 12


def test_a_process_begins_its_own_environments_as_one_process_would():
    every, own = (Collector(lambda: Counting(4), 4, gamma=0.9, seed=1, own=own) for own in (None, range(2, 4)))
    assert [env.env.unwrapped.np_random_seed for env in own.envs] == [
        env.env.unwrapped.np_random_seed for env in every.envs[2:]
    ]


def test_a_cut_off_episode_is_counted_without_success():
    _, rollout = collect([1, 1], num_envs=1, limit=2)
    assert [(e.length, e.success) for e in rollout.episodes] == [(6, False)]


def test_episodes_go_on_from_one_rollout_to_the_next():
    collector, _ = collect([1, 1], num_envs=1)
    later = collector.collect(Scripted(0), 1, np.random.default_rng(0))
    assert later.episodes[0].length == 7
    assert later.episodes[0].discounted_return == pytest.approx(0.9**6)


def test_a_restored_collector_stands_where_the_saved_one_stood():
    collector, _ = collect([1, 2])
    state = collector.state()
    other = Collector(Counting, 2, gamma=0.9, seed=5)
    assert other.restore(state, fresh_seed=9)
    assert other.current == collector.current
    assert other.counters == collector.counters
    later = [c.collect(Scripted(1, 1, 1), 3, np.random.default_rng(0)) for c in (collector, other)]
    assert later[0].decisions == later[1].decisions
    assert (later[0].truncated == later[1].truncated).all()
    assert later[0].episodes == later[1].episodes


def test_a_time_limit_around_an_environment_is_restored_too():
    def limited() -> TimeLimit:
        return TimeLimit(Counting(limit=100), 3)

    collector = Collector(limited, 1, gamma=0.9, seed=0)
    collector.collect(Scripted(1, 1), 2, np.random.default_rng(0))
    other = Collector(limited, 1, gamma=0.9, seed=0)
    assert other.restore(collector.state(), fresh_seed=9)
    assert other.collect(Scripted(1), 1, np.random.default_rng(0)).truncated.tolist() == [[True]]


def test_an_environment_in_a_wrapper_that_nobody_knows_is_not_taken_for_restorable():
    class Mystery(gymnasium.Wrapper):
        pass

    assert Collector(Counting, 1, gamma=0.9, seed=0).can_restore
    assert not Collector(lambda: Mystery(Counting()), 1, gamma=0.9, seed=0).can_restore


def test_a_foreign_environment_takes_one_step_per_action_succeeds_by_its_last_reward_and_restarts_on_resume():
    collector = Collector(Foreign, 1, gamma=0.9, seed=0)
    rollout = collector.collect(Scripted(1, 0), 2, np.random.default_rng(0))
    assert rollout.durations[:, 0].tolist() == [1, 1]
    assert [(e.length, e.success) for e in rollout.episodes] == [(2, True)]
    state = collector.state()
    assert state["envs"] is None
    other = Collector(Foreign, 1, gamma=0.9, seed=0)
    other.collect(Scripted(1), 1, np.random.default_rng(0))
    assert not other.restore(state, fresh_seed=9)
    assert other.current[0].prompt == "You have decided 0 times. Now you"
