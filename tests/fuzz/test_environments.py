"""Environments that lie: what `reset` and `step` return or raise is right, or an EnvError says what is wrong."""

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import gymnasium
import numpy as np
from hypothesis import event, given
from hypothesis import strategies as st

from tests.environments import Counting
from tests.fuzz.checking import attempt
from tests.fuzz.inputs import inputs, json_values, texts
from twosome.envs import text
from twosome.errors import EnvError, TwosomeError
from twosome.evaluate.success import evaluate
from twosome.policy.uniform import Uniform
from twosome.rollout import Collector

ENV = "twosome-tests/Liar-v0"

Answer = list[Any]
"""What `step` returns, or the observation and info of `reset`."""
Lie = Callable[[Answer], Any]


class Liar(Counting):
    """`Counting`, some of whose answers are not what they should be; they are counted over all of its kind."""

    lies: dict[int, Lie] = {}  # noqa: RUF012 - each input sets its own
    told: list[tuple[Answer, Any]] = []  # noqa: RUF012 - the true answers that were asked for, and what was said
    answers = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        return self.answer(list(super().reset(seed=seed, options=options)))

    def step(self, action: Any) -> Any:
        return self.answer(list(super().step(int(action))))

    def answer(self, truth: Answer) -> Any:
        lie = Liar.lies.get(Liar.answers, tuple)
        Liar.answers += 1
        said = lie(list(truth))
        Liar.told.append((truth, said))
        return said


gymnasium.register(ENV, Liar)


class Unspeakable:
    """Has no words for itself."""

    def __repr__(self) -> str:
        raise RuntimeError("no words")

    __str__ = __repr__


class UnspeakableError(Exception):
    """Neither."""

    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


class Shouted(str):
    """A text that is not quite one."""

    __slots__ = ()


def garbage() -> st.SearchStrategy[Any]:
    things = (
        np.float32(0.5), np.float64(np.nan), np.int64(1), np.bool_(True), np.str_("go left"),
        np.array(1.0), np.array([1.0]), np.array([[1.0, 2.0]]), np.array([]), np.array(["a", None], object),
        np.zeros(100_000), Decimal("0.5"), Decimal("NaN"), Fraction(1, 3), 1j, b"go left", bytearray(b"x"),
        ("go left", "wait", "wait"), ["go left", "wait", ""], ("", "", ""), ("go left", "wait", "", "jump"), ("go",),
        (" go left", "wait ", ""), {"go left"}, iter("abc"), range(3), "abc", Shouted("go left"), object(),
        Unspeakable(), int, len, {"go left": 1}, 1e308, -1e308, 1e39, float("inf"), True, False, 0, 1, 2, -1, 10**400,
    )  # fmt: skip
    return st.sampled_from(things) | json_values() | texts()


def errors() -> st.SearchStrategy[BaseException]:
    return st.sampled_from(
        (
            RuntimeError("boom\n\x1b[31m" + "x" * 5000),
            ValueError(),
            KeyError("prompt"),
            AssertionError("no"),
            StopIteration(),
            OSError(28, "No space left on device"),
            MemoryError(),
            RecursionError("too deep"),
            NotImplementedError(),
            SystemExit(0),
            SystemExit("bye"),
            GeneratorExit(),
            UnspeakableError(),
            gymnasium.error.ResetNeeded("reset"),
        )
    )


def put(where: tuple[Any, ...], value: Any) -> Lie:
    def lie(answer: Answer) -> Any:
        if where[0] == "all":
            return value
        first = where[0] if isinstance(where[0], int) else {"observation": 0, "info": -1}[where[0]]
        if first >= len(answer):
            return tuple(answer)
        if len(where) == 1:
            answer[first] = value
        else:
            answer[first] = {**answer[first], where[1]: value}
        return tuple(answer)

    return lie


def lies() -> st.SearchStrategy[Lie]:
    places = st.sampled_from(
        (
            ("all",), (0,), (1,), (2,), (3,), (4,), ("observation", "prompt"), ("observation", "actions"),
            ("observation", "vector"), ("observation", "more"), ("info",), ("info", "primitive_steps"),
            ("info", "success"), ("info", "action_mask"), ("info", "more"), ("info", "final_obs"), ("info", "_success"),
            ("info", 3), ("info", "more"), ("info", "more"),
        )
    )  # fmt: skip

    def raising(error: BaseException) -> Lie:
        def lie(answer: Answer) -> Any:
            raise error

        return lie

    def without(key: str) -> Lie:
        return lambda answer: ({name: part for name, part in answer[0].items() if name != key}, *answer[1:])

    return (
        st.builds(put, places, garbage())
        | errors().map(raising)
        | st.sampled_from(("prompt", "actions", "vector")).map(without)
        | st.sampled_from((lambda answer: tuple(answer[:-1]), lambda answer: (*answer, None), lambda answer: answer))
    )


def is_wrong(truth: Answer, said: Any) -> bool:
    """Whether the contract for certain calls this answer an error."""
    if not isinstance(said, tuple) or len(said) != len(truth):
        return not isinstance(said, list)
    info = said[-1]
    if not isinstance(info, dict):
        return True
    if len(said) == 2:
        return is_no_moment(said[0])
    _, reward, terminated, truncated, _ = said
    if isinstance(reward, (str, bytes, list, dict, tuple, complex)) or reward is None:
        return True
    if isinstance(reward, (int, float, np.floating)) and not isinstance(reward, bool):
        try:
            if not math.isfinite(reward):
                return True
        except OverflowError:
            return True
    if any(
        isinstance(flag, (str, bytes, list, dict, tuple, float)) or flag is None for flag in (terminated, truncated)
    ):
        return True
    steps = info.get("primitive_steps", 1)
    if isinstance(steps, (str, bytes, list, dict, tuple, float)) or steps is None or (type(steps) is int and steps < 0):
        return True
    if type(terminated) is type(truncated) is bool:
        if terminated or truncated:
            success = info.get("success", False)
            return isinstance(success, (str, bytes, list, dict, tuple, float)) or success is None
        return is_no_moment(said[0])
    return False


def is_no_moment(observation: Any) -> bool:
    """Whether this is no observation in which an action can be chosen."""
    if not isinstance(observation, dict):
        return True
    prompt, actions = observation.get("prompt"), observation.get("actions")
    if not isinstance(prompt, str) or prompt[-1:].isspace():
        return True
    if not (isinstance(actions, tuple) and len(actions) == 3 and all(isinstance(a, str) for a in actions)):
        return True
    return not any(actions) or any(a != a.strip() for a in actions)


def only_more_info(truth: Answer, said: Any) -> bool:
    """Whether all that is read of the answer is the truth."""
    if not isinstance(said, tuple) or len(said) != len(truth) or not isinstance(said[-1], dict):
        return False
    known = {"primitive_steps", "success", "action_mask"}
    infos = [{name: info[name] for name in known & info.keys()} for info in (truth[-1], said[-1])]
    same_info = infos[0].keys() == infos[1].keys() and all(infos[0][name] is infos[1][name] for name in infos[0])
    return same_info and all(a is b for a, b in zip(truth[:-1], said[:-1], strict=True))


def judge(result: Any) -> None:
    """What the environment said must have been refused if it was wrong, and accepted if it only said more."""
    if isinstance(result, TwosomeError):
        assert isinstance(result, EnvError), type(result)
        assert not all(only_more_info(truth, said) for truth, said in Liar.told) or len(Liar.told) < Liar.answers
    else:
        wrong = [said for truth, said in Liar.told if is_wrong(truth, said)]
        assert not wrong, f"accepted {wrong[0]!r:.500}"


def lie_about(lies_by_answer: dict[int, Lie]) -> None:
    Liar.lies, Liar.told, Liar.answers = lies_by_answer, [], 0


@given(st.dictionaries(st.integers(0, 14), lies(), min_size=1, max_size=3), st.integers(0, 3))
@inputs(50, 1500)
def test_training_takes_from_an_environment_what_the_contract_says_and_refuses_all_else(told, seed) -> None:
    lie_about(told)

    def collect() -> Any:
        collector = Collector(lambda: text.make(ENV), 2, 0.9, seed)
        return collector.collect(Uniform(), 8, np.random.default_rng(seed))

    rollout = attempt(collect)
    judge(rollout)
    if not isinstance(rollout, TwosomeError):
        assert np.isfinite(rollout.rewards).all()
        assert (rollout.durations >= 1).all()
        assert all(math.isfinite(episode.discounted_return) for episode in rollout.episodes)


@given(st.dictionaries(st.integers(0, 14), lies(), min_size=1, max_size=3), st.integers(0, 3))
@inputs(50, 1500)
def test_evaluation_takes_from_an_environment_what_the_contract_says_and_refuses_all_else(told, seed) -> None:
    lie_about(told)
    result = attempt(lambda: evaluate(Uniform(), ENV, gamma=0.9, episodes=5, seed=seed, parallel=2).summary())
    judge(result)
    if not isinstance(result, TwosomeError):
        assert result["episodes"] == 5
        assert math.isfinite(result["return_mean"])


@given(st.dictionaries(st.integers(0, 14), lies(), min_size=1, max_size=2), st.integers(0, 3))
@inputs(40, 800)
def test_check_environment_passes_no_environment_that_training_or_evaluation_refuses(told, seed) -> None:
    lie_about({})
    env = attempt(lambda: text.make(ENV))
    assert not isinstance(env, TwosomeError)
    lie_about(told)
    checked = attempt(lambda: text.check_contract(env, num_steps=14, seed=seed))
    if isinstance(checked, TwosomeError):
        assert isinstance(checked, EnvError)
        event("found out")
    else:
        assert not [said for truth, said in Liar.told if is_wrong(truth, said)]
