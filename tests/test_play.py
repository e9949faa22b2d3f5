"""Playing: each seed is an episode, whoever plays and however the environment is given."""

import gymnasium
import numpy as np
import pytest

from tests.environments import Counting
from tests.unchecked import types_unchecked
from twosome.decision import Decision
from twosome.envs.checked import CheckedEnv
from twosome.errors import ConfigError, EnvError
from twosome.observation import Observation
from twosome.play import most_probable, play
from twosome.policy.planner import Planner
from twosome.policy.uniform import Uniform

ENV = "twosome-tests/Counting-v0"


class Scripted:
    """Takes the action that the count of decisions in the prompt says."""

    def __init__(self, *actions: int) -> None:
        self.rows = np.eye(3)[list(actions)]

    def probabilities(self, observations):
        return [self.rows[int(observation.vector[0])] for observation in observations]


class Drawn(Counting):
    """`Counting` with a picture of the count."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012 - as Gymnasium has it
    num_open = 0

    def __init__(self, limit: int = 4) -> None:
        super().__init__(limit)
        Drawn.num_open += 1

    def render(self):
        return np.full((1, 1, 3), self.count, np.uint8)

    def close(self) -> None:
        Drawn.num_open -= 1


def test_a_transition_says_what_was_decided_and_what_came_of_it():
    steps = list(play(Scripted(2, 1, 0), ENV, [5], gamma=0.5))
    assert [(step.number, step.action, step.primitive_steps) for step in steps] == [(0, 2, 2), (0, 1, 3), (0, 0, 1)]
    assert [step.reward for step in steps] == pytest.approx([-0.1, 0.0, 1.0])
    assert [step.earned for step in steps] == pytest.approx([0.0, -0.1, -0.1])
    assert steps[1].decision == Decision("You have decided 1 times. Now you", ("go left", "wait", ""))
    assert [step.probabilities.argmax() for step in steps] == [2, 1, 0]
    assert [step.episode for step in steps[:-1]] == [None, None]
    assert steps[-1].episode is not None
    assert steps[-1].episode.discounted_return == pytest.approx(-0.1 + 0.5**5)
    assert (steps[-1].episode.length, steps[-1].episode.decisions, steps[-1].episode.success) == (6, 3, True)


def episodes(env, **options):
    return [
        (step.number, step.decision, step.action, step.reward) for step in play(Uniform(), env, range(3, 9), **options)
    ]


def test_a_name_an_environment_and_what_makes_one_are_played_alike():
    alike = [episodes(env) for env in (ENV, Counting(), Counting, CheckedEnv(Counting()))]
    assert alike[0] == alike[1] == alike[2] == alike[3]
    assert episodes(ENV, env_kwargs={"limit": 1}) != alike[0]


@pytest.mark.parametrize("env", [ENV, Counting])
def test_episodes_do_not_depend_on_how_many_are_under_way_at_once(env):
    one, several = episodes(env), episodes(env, parallel=4)
    assert one != several
    assert sorted(one, key=lambda step: step[0]) == sorted(several, key=lambda step: step[0]) == one


def test_what_was_made_is_closed_and_what_was_given_stays_open():
    Drawn.num_open = 0
    given = Drawn()
    episodes(given)
    episodes(Drawn, parallel=3)
    next(play(Uniform(), Drawn, [0]))  # the rest is left unplayed
    assert Drawn.num_open == 1


def test_a_picture_shows_the_environment_before_the_action():
    steps = play(Scripted(1, 1, 0), Drawn, [0, 1], pictures=True)
    assert np.array([step.picture for step in steps])[:, 0, 0, 0].tolist() == [0, 1, 2] * 2
    assert [step.picture for step in play(Scripted(0), Drawn, [0])] == [None]


def test_of_equally_probable_actions_the_first_is_the_most_probable():
    assert [step.action for step in play(Uniform(), ENV, [0, 1], choose=most_probable)] == [0, 0]


def test_no_seeds_are_no_episodes():
    assert list(play(Uniform(), ENV, [])) == []


@pytest.mark.parametrize(
    ("env", "options", "error", "message"),
    [
        (3, {}, ConfigError, "environment is 3; expected its name"),
        (None, {}, ConfigError, "environment is None; expected its name"),
        (Counting(), {"parallel": 2}, ConfigError, "parallel is 2; expected 1"),
        (Counting(), {"env_kwargs": {"limit": 2}}, ConfigError, "expected none with .*which is no name"),
        (Counting, {"env_kwargs": {"limit": 2}}, ConfigError, "expected none with"),
        (lambda: None, {}, EnvError, "expected a Gymnasium environment, found None"),
        (lambda: 1 / 0, {}, EnvError, "cannot be made: .*raised ZeroDivisionError"),
        (lambda: gymnasium.make("CartPole-v1"), {}, EnvError, "CartPole-v1: expected"),
        ("TomatoSald", {}, EnvError, "Did you mean 'TomatoSalad'"),
    ],
)
def test_what_is_no_environment_to_play_in_is_refused(env, options, error, message):
    with types_unchecked(), pytest.raises(error, match=message):
        episodes(env, **options)


def test_a_planner_without_an_environment_to_ask_is_refused():
    with pytest.raises(EnvError, match="observation comes without one"):
        Planner().probabilities([Observation(Decision("Now you", ("wait",)))])


@pytest.mark.parametrize(
    "rows",
    [
        None,
        [],
        [[0.5, 0.5, 0.0]],
        [np.array([0.5, 0.5])],
        [np.array([0.5, 0.6, 0.0])],
        [np.array([1.5, -0.5, 0.0])],
        [np.array([np.nan, 1.0, 0.0])],
        [np.array([np.inf, 1.0, 0.0])],
        [np.array(["1", "0", "0"])],
        [np.eye(3)],
        np.eye(3),
    ],
)
def test_a_policy_that_returns_no_probabilities_is_named_with_what_it_returned(rows):
    class Odd:
        def probabilities(self, observations):
            return rows

    with types_unchecked(), pytest.raises(ConfigError, match=r"Odd\.probabilities returned .*; expected a"):
        list(play(Odd(), ENV, [0]))


@pytest.mark.parametrize("seeds", [[-1], [0, 2**31], [3, -2]])
def test_seeds_that_environments_do_not_take_are_refused_at_once(seeds):
    with pytest.raises(ConfigError, match="expected whole numbers from 0 to 2147483647"):
        play(Uniform(), ENV, seeds)
