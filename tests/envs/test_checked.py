"""Environments that lie: training, evaluation and the check give the same error, which names the place."""

import enum
import json
import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from tests.environments import Counting
from tests.unchecked import types_unchecked
from twosome.decision import Decision
from twosome.envs import best_action, text
from twosome.envs.checked import MAX_REWARD, MAX_SEED, CheckedEnv, EnvCloseWarning, env_seeds
from twosome.errors import ConfigError, EnvError, NoActionError
from twosome.evaluate.record import record
from twosome.evaluate.success import evaluate
from twosome.policy.planner import Planner
from twosome.policy.uniform import Uniform
from twosome.ppo.cloning import demonstrate
from twosome.rollout import Collector

NAME = "twosome-tests/Lying-v0"
ANSWER = ("observation", "reward", "terminated", "truncated", "info")


@pytest.fixture(autouse=True)
def as_in_use() -> Iterator[None]:
    """Without the tests' check of all types, which would come first."""
    with types_unchecked():
        yield


class Waiting:
    """Waits, always."""

    def probabilities(self, decisions: Any) -> list[np.ndarray]:
        return [np.array([0.0, 1.0, 0.0]) for _ in decisions]


class Lying(Counting):
    """`Counting` whose answers go through `lie`, which is handed the method, the number of its call and the answer."""

    def __init__(self, lie: Callable[[str, int, list[Any]], Any]) -> None:
        super().__init__(limit=4)
        self.lie, self.calls = lie, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self.calls = 0
        return self.lie("reset", 0, list(super().reset(seed=seed)))

    def step(self, action: int) -> Any:
        self.calls += 1
        return self.lie("step", self.calls, list(super().step(action)))


def in_step(number: int, **changes: Any) -> Callable[[str, int, list[Any]], Any]:
    """Change parts of the answer to one step; a callable is handed the part."""

    def lie(method: str, count: int, answer: list[Any]) -> Any:
        if (method, count) == ("step", number):
            for name, value in changes.items():
                i = ANSWER.index(name)
                answer[i] = value(answer[i]) if callable(value) else value
        return tuple(answer)

    return lie


def told(**changes: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda part: {**part, **changes}


def instead(number: int, act: Callable[[], Any]) -> Callable[[str, int, list[Any]], Any]:
    return lambda method, count, answer: act() if (method, count) == ("step", number) else tuple(answer)


def throw(error: BaseException) -> Callable[[], Any]:
    def act() -> Any:
        raise error

    return act


@pytest.fixture
def played(request: pytest.FixtureRequest) -> Iterator[Callable[[Any, Any], None]]:
    """Plays in an environment of this lie, waiting, in one of the ways in which environments are played."""

    def play(lie: Any, way: str) -> None:
        gymnasium.register(NAME, lambda **_: Lying(lie))
        if way == "training":
            Collector(lambda: text.make(NAME), 2, gamma=0.9, seed=3).collect(Waiting(), 12, np.random.default_rng(0))
        elif way == "evaluation":
            evaluate(Waiting(), NAME, gamma=0.9, episodes=3, seed=3)
        else:
            text.check_contract(text.make(NAME), num_steps=50)

    yield play
    gymnasium.registry.pop(NAME, None)


both = pytest.mark.parametrize("way", ["training", "evaluation"])


@both
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reward": np.array([1.0])}, "expected the reward to be a finite number"),
        ({"reward": np.array(1.0)}, "expected the reward"),
        ({"reward": "1"}, "found '1'"),
        ({"reward": None}, "expected the reward"),
        ({"reward": True}, "expected the reward"),
        ({"reward": 1j}, "expected the reward"),
        ({"reward": Decimal(1)}, "expected the reward"),
        ({"reward": math.nan}, "found nan"),
        ({"reward": -math.inf}, "found -inf"),
        ({"reward": np.float16(math.inf)}, "expected the reward"),
        ({"reward": 1e308}, r"found 1e\+308"),
        ({"reward": 10**400}, "expected the reward"),
        ({"reward": np.float64(-2 * MAX_REWARD)}, "expected the reward"),
        ({"terminated": "no"}, "expected terminated to be True or False, found 'no'"),
        ({"terminated": 0}, "expected terminated"),
        ({"truncated": None}, "expected truncated to be True or False"),
        ({"truncated": np.array([False])}, "expected truncated"),
        ({"info": None}, "expected info to be a dict, found None"),
        ({"info": []}, "expected info to be a dict"),
        ({"info": told(primitive_steps=1.0)}, "whole number"),
        ({"info": told(primitive_steps=-1)}, "whole number"),
        ({"info": told(primitive_steps=True)}, "whole number"),
        ({"info": told(primitive_steps=2**63)}, "whole number"),
        ({"info": told(success="yes")}, "True or False, found 'yes'"),
        ({"info": told(success=None)}, "True or False"),
        ({"info": told(action_mask=[1, 1, 1])}, "action_mask"),
        ({"info": told(action_mask=np.ones(4, np.int8))}, "action_mask"),
        ({"observation": None}, "expected the observation to be a dict"),
        ({"observation": {"prompt": "You"}}, "expected the observation to be a dict"),
        ({"observation": told(prompt=None)}, "expected the prompt to be a text"),
        ({"observation": told(prompt="")}, "expected the prompt to be a text"),
        ({"observation": told(prompt="You ")}, "without a blank at its end"),
        ({"observation": told(actions="abc")}, "a tuple of 3 texts"),
        ({"observation": told(actions=["a", "b", "c"])}, "a tuple of 3 texts"),
        ({"observation": told(actions=("a", "b", "c", "d"))}, r"a tuple of 3 texts, one for each id, found \('a'"),
        ({"observation": told(actions=("a", "b"))}, "a tuple of 3 texts"),
        ({"observation": told(actions=("a", "b", 3))}, "a tuple of 3 texts"),
        ({"observation": told(actions=(" a", "b", ""))}, "without blanks around"),
        ({"observation": told(vector=[1.0])}, 'expected "vector" to be an array'),
        ({"observation": told(vector=np.array([math.nan]))}, 'expected "vector"'),
        ({"observation": told(vector=np.zeros(2))}, r'expected "vector" .* of shape \(1,\)'),
        ({"observation": told(vector=np.array(["1"]))}, 'expected "vector"'),
    ],
)
def test_a_lie_is_the_same_error_everywhere(played: Any, way: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(EnvError, match=message) as caught:
        played(in_step(2, **changes), way)
    assert str(caught.value).startswith(f"{NAME}, seed ")
    assert ", episode 1, step 2, action 1 'wait': " in str(caught.value)
    assert "\n" not in str(caught.value)


@both
@pytest.mark.parametrize("answer", [None, (), ({}, 0.0, False, {}), "abcde", [1, 2, 3, 4, 5]])
def test_an_answer_that_is_no_five_values_is_an_error_everywhere(played: Any, way: str, answer: Any) -> None:
    with pytest.raises(EnvError, match="step 2, action 1 'wait': expected step to return"):
        played(instead(2, lambda: answer), way)


@both
@pytest.mark.parametrize(
    "error", [KeyError("x"), SystemExit(0), ZeroDivisionError(), GeneratorExit(), AssertionError("no")], ids=repr
)
def test_whatever_an_environment_raises_is_an_environment_error_with_the_original_as_its_cause(
    played: Any, way: str, error: BaseException
) -> None:
    with pytest.raises(
        EnvError, match=r"step 2, action 1 'wait': the environment raised .* at line \d+ of 'test_checked"
    ) as caught:
        played(instead(2, throw(error)), way)
    assert caught.value.__cause__ is error


@both
def test_ctrl_c_inside_an_environment_passes(played: Any, way: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        played(instead(2, throw(KeyboardInterrupt())), way)


@both
def test_no_action_is_told_as_what_it_is(played: Any, way: str) -> None:
    with pytest.raises(NoActionError, match=f"{NAME}, seed .*step 2.*no action is available"):
        played(in_step(2, observation=told(actions=("", "", "")), info={}), way)


@both
def test_all_faults_of_an_answer_are_told_at_once(played: Any, way: str) -> None:
    with pytest.raises(EnvError) as caught:
        played(in_step(2, reward="1", terminated="no", info=None), way)
    assert all(part in str(caught.value) for part in ("the reward", "terminated", "info"))


@both
def test_a_reset_is_checked_too(played: Any, way: str) -> None:
    def lie(method: str, count: int, answer: list[Any]) -> Any:
        lie.resets += method == "reset"  # type: ignore[attr-defined]
        return None if lie.resets > 6 else tuple(answer)  # type: ignore[attr-defined]

    lie.resets = 0  # type: ignore[attr-defined]
    if way == "evaluation":
        lie.resets = 2  # type: ignore[attr-defined]
    with pytest.raises(
        EnvError, match=r"episode \d+, reset: expected reset to return \(observation, info\), found None"
    ):
        played(lie, way)


@pytest.mark.parametrize("way", ["training", "evaluation", "check"])
@pytest.mark.parametrize("extra", [lambda n: np.zeros(n), lambda n: None if n % 2 else {}, lambda n: object()])
def test_what_else_an_environment_says_in_its_info_is_its_own_affair(played: Any, way: str, extra: Any) -> None:
    def lie(method: str, count: int, answer: list[Any]) -> Any:
        answer[-1] = {**answer[-1], "extra": extra(count), 3: extra}
        return tuple(answer)

    played(lie, way)


@pytest.mark.parametrize("way", ["training", "evaluation", "check"])
@pytest.mark.parametrize("last", [None, {}, {"prompt": "", "actions": 3, "vector": "no"}, {"prompt": "long " * 10**5}])
@pytest.mark.parametrize("both_flags", [True, False])
def test_the_last_observation_of_a_terminated_episode_is_not_looked_at(
    played: Any, way: str, last: Any, both_flags: bool
) -> None:
    played(in_step(2, terminated=True, truncated=both_flags, observation=last), way)


@both
def test_the_last_observation_of_a_truncated_episode_is_checked(played: Any, way: str) -> None:
    with pytest.raises(EnvError, match=r"step 2.*expected the prompt to be a text"):
        played(in_step(2, truncated=True, observation=told(prompt=None)), way)


@both
def test_a_truncated_episode_may_end_without_an_action_on_offer(played: Any, way: str) -> None:
    played(in_step(2, truncated=True, observation=told(actions=("", "", "")), info={}), way)


def test_scalars_of_numpy_are_taken_as_what_they_are() -> None:
    class Kind(enum.StrEnum if hasattr(enum, "StrEnum") else str):  # type: ignore[misc]
        pass

    lie = in_step(
        1,
        reward=np.float32(0.5),
        terminated=np.bool_(False),
        truncated=np.bool_(False),
        info={"primitive_steps": np.int64(2), "success": np.bool_(True)},
        observation=told(prompt=np.str_("You"), actions=(np.str_("go"), "wait", "")),
    )
    env = CheckedEnv(Lying(lie))
    env.reset(0)
    step = env.step(1)
    assert step[:-1] == (Decision("You", ("go", "wait", "")), "You", 0.5, 2, False, False, True)
    assert [type(part) for part in step[1:-1]] == [str, float, int, bool, bool, bool]
    assert step.decision is not None
    assert {type(phrase) for phrase in step.decision.actions} == {str}


def test_terminated_wins_over_truncated() -> None:
    env = CheckedEnv(Lying(in_step(1, terminated=True, truncated=True, reward=1)))
    env.reset(0)
    assert env.step(1)[3:-1] == (3, True, False, True)


def test_an_action_that_is_none_is_refused() -> None:
    env = CheckedEnv(Counting())
    env.reset(0)
    for action in (3, -1, 1.0, "1"):
        with pytest.raises(EnvError, match="expected the id of an action, from 0 to 2"):
            env.step(action)  # type: ignore[arg-type]


def test_an_action_arrives_as_an_int() -> None:
    seen = []

    class Curious(Counting):
        def step(self, action: int) -> Any:
            seen.append(type(action))
            return super().step(action)

    with Collector(Curious, 1, gamma=0.9, seed=0) as collector:
        collector.collect(Waiting(), 1, np.random.default_rng(0))
    assert seen == [int]


@pytest.mark.parametrize(
    ("name", "method", "expected"),
    [
        ("reset", lambda self: None, r"expected a method reset\(self, \*, seed=None, options=None\), found '\(\)'"),
        ("reset", lambda self, seed=None: None, "expected a method reset"),
        ("step", lambda self: None, r"expected a method step\(self, action\)"),
    ],
)
def test_a_method_with_other_arguments_is_named(name: str, method: Any, expected: str) -> None:
    env = type("Odd", (Counting,), {name: method})()
    with pytest.raises(EnvError, match=f"Odd: {expected}"):
        CheckedEnv(env)


@pytest.mark.parametrize("env", [None, object(), Counting], ids=["nothing", "something", "class"])
def test_what_is_no_environment_is_refused(env: Any) -> None:
    with pytest.raises(EnvError, match="expected a Gymnasium environment"):
        CheckedEnv(env)


# -- seeds ---------------------------------------------------------------------------------------------


def test_seeds_of_environments_fit_31_bits() -> None:
    drawn = [seed for run in range(200) for seed in env_seeds(run, 8)]
    assert all(0 <= seed <= MAX_SEED for seed in drawn)
    assert len(set(drawn)) == len(drawn)


def test_environments_are_reset_with_those_seeds() -> None:
    with Collector(Counting, 4, gamma=0.9, seed=4) as collector:
        assert [env.env.unwrapped.np_random_seed for env in collector.envs] == env_seeds(4, 4)


@pytest.mark.parametrize(("seed", "episodes"), [(2**31, 1), (2**31 - 2, 3), (10**100, 1)])
def test_an_evaluation_seed_beyond_31_bits_is_refused(seed: int, episodes: int) -> None:
    with pytest.raises(ConfigError, match=r"--seed is .*expected .*at most 2,?147,?483,?64"):
        evaluate(Uniform(), "TomatoSalad", gamma=0.9, episodes=episodes, seed=seed)
    evaluate(Uniform(), "twosome-tests/Counting-v0", gamma=0.9, episodes=episodes, seed=2**31 - episodes)


# -- closing -------------------------------------------------------------------------------------------


class Open(Counting):
    """Counts the instances that are open."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012 - as Gymnasium has it
    count = 0
    fail_at = math.inf

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__()
        self.render_mode = render_mode
        Open.count += 1
        self.steps = 0

    def step(self, action: int) -> Any:
        self.steps += 1
        if self.steps >= Open.fail_at:
            raise OSError("the kitchen burns")
        return super().step(action)

    def render(self) -> Any:
        return np.zeros((2, 2, 3), np.uint8)

    def planner(self) -> Any:
        return type("Leftist", (), {"act": lambda self: 0})()

    def close(self) -> None:
        Open.count -= 1


OPEN = "twosome-tests/Open-v0"
gymnasium.register(OPEN, Open)


@pytest.mark.parametrize(
    "play",
    [
        lambda: evaluate(Uniform(), OPEN, gamma=0.9, episodes=3),
        lambda: evaluate(Planner(), OPEN, gamma=0.9, episodes=3),
        lambda: record(Waiting(), OPEN, {}, seed=0),
        lambda: demonstrate(lambda: text.make(OPEN), 3, seed=0),
        lambda: text.gamma_of(OPEN, {}),
        lambda: collect_in(OPEN),
    ],
    ids=["evaluate", "planner", "record", "demonstrate", "gamma_of", "collect"],
)
@pytest.mark.parametrize("fail_at", [math.inf, 1])
def test_every_environment_that_is_opened_is_closed(
    play: Callable[[], Any], fail_at: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Open, "count", 0)
    monkeypatch.setattr(Open, "fail_at", fail_at)
    try:
        play()
    except EnvError:
        assert fail_at == 1
    assert Open.count == 0


def collect_in(name: str) -> None:
    with Collector(lambda: text.make(name), 3, gamma=0.9, seed=0) as collector:
        collector.collect(Waiting(), 5, np.random.default_rng(0))


def test_environments_are_closed_if_the_last_of_them_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Open, "count", 0)
    made = iter([Open, Open, lambda: gymnasium.make("CartPole-v1")])
    with pytest.raises(EnvError, match=r"action space|observation_space"):
        Collector(lambda: next(made)(), 3, gamma=0.9, seed=0)
    assert Open.count == 0


def test_an_environment_that_cannot_be_closed_keeps_nobody_from_the_results() -> None:
    class Stuck(Counting):
        def close(self) -> None:
            raise OSError("busy")

    env = CheckedEnv(Stuck())
    with pytest.warns(EnvCloseWarning, match=r"Stuck.*raised OSError"):
        env.close()
    env.close()  # a second time does nothing


# -- what else an environment is asked ------------------------------------------------------------------------


@pytest.mark.parametrize("frame", [None, np.zeros((2, 2)), np.zeros((2, 2, 3)), np.zeros((2, 2, 4), np.uint8)])
def test_a_picture_that_is_none_is_refused(frame: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Open, "render", lambda self: frame)
    with pytest.raises(EnvError, match=f"{OPEN}, seed 0, episode 1, render after step 0: expected a picture"):
        record(Waiting(), OPEN, {}, seed=0)


@pytest.mark.parametrize("answer", [None, 3, -1, 0.0, "go left"])
def test_a_planner_that_names_no_action_is_refused(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    planner = type("Odd", (), {"act": lambda self: answer})
    monkeypatch.setattr(Open, "planner", lambda self: planner())
    with pytest.raises(EnvError, match="expected the planner to return the id of an action"):
        best_action(text.make(OPEN))


def test_a_planner_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Open, "planner", lambda self: 1 / 0)
    with pytest.raises(EnvError, match="the planner raised ZeroDivisionError"):
        demonstrate(lambda: text.make(OPEN), 1, seed=0)


def test_a_discount_that_fails_is_the_environments_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Open, "gamma", property(lambda self: 1 / 0))
    with pytest.raises(EnvError, match="the environment raised ZeroDivisionError"):
        text.gamma_of(OPEN, {})


@pytest.mark.parametrize("gamma", ["0.9", None, math.nan, 2, -1])
def test_a_discount_that_is_none_is_refused(gamma: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Open, "gamma", gamma)
    with pytest.raises(EnvError, match="expected its gamma to be a number from 0 to 1"):
        text.gamma_of(OPEN, {})


DEEP = json.loads("[" * 99 + "]" * 99)


@pytest.mark.parametrize(
    "state",
    [
        *({"a": value} for value in ({1, 2}, np.int64(1), object(), math.nan, [{1: 2}], 10**200, DEEP)),
        [1],
        None,
    ],
)
def test_a_state_that_is_no_json_is_named_before_it_is_written(state: Any) -> None:
    class Hoarding(Counting):
        def get_state(self) -> Any:
            return state

    with (
        Collector(Hoarding, 1, gamma=0.9, seed=0) as collector,
        pytest.raises(EnvError, match=r"Hoarding, .*get_state after step 0: expected get_state to return a dict"),
    ):
        collector.state()


def test_a_restored_environment_still_knows_where_it_stands() -> None:
    with (
        Collector(Counting, 1, gamma=0.9, seed=1) as first,
        Collector(lambda: Lying(in_step(1, reward=None)), 1, gamma=0.9, seed=2) as second,
    ):
        first.collect(Waiting(), 6, np.random.default_rng(0))
        assert second.restore(first.state(), fresh_seed=9)
        with pytest.raises(EnvError, match=f"Lying, seed {env_seeds(1, 1)[0]}, episode 2, step 3, action 1 'wait'"):
            second.collect(Waiting(), 1, np.random.default_rng(0))


def test_spaces_without_words_are_named() -> None:
    env = Counting()
    env.observation_space = spaces.Dict({"prompt": spaces.Text(9)})
    with pytest.raises(EnvError, match="Counting: expected observation_space to be a Dict"):
        CheckedEnv(env)
