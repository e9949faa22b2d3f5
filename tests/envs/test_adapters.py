"""Environments of other packages: those that list their commands, and those with a mask over numbered actions."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import twosome
from tests.environments import counting_run
from tests.unchecked import types_unchecked
from twosome.config import TrainConfig
from twosome.envs import text
from twosome.errors import EnvError


@pytest.fixture(autouse=True)
def as_in_use() -> Iterator[None]:
    """Without the tests' check of all types, which would come first."""
    with types_unchecked():
        yield


class Cellar:
    """A game as text games are: a treasure, some steps down a stair of a drawn length."""

    def __init__(self, deepest: int = 3, listed: str = "admissible_commands") -> None:
        self.deepest, self.listed, self.is_closed = deepest, listed, False

    def reset(self, seed: int | None = None) -> tuple[str, dict[str, Any]]:
        self.bottom = int(np.random.default_rng(seed).integers(1, self.deepest + 1))
        self.depth, self.moves = 0, 0
        return self.look()

    def look(self) -> tuple[str, dict[str, Any]]:
        ways = ["go down"] + ["go up"] * (self.depth > 0) + ["dig"] * (self.depth == self.bottom)
        return f"You are {self.depth} steps down.", {self.listed: ways, "moves": self.moves}

    def step(self, command: str) -> tuple[Any, ...]:
        self.depth, self.moves = self.depth + {"go down": 1, "go up": -1}.get(command, 0), self.moves + 1
        observation, info = self.look()
        if command == "dig":
            return "You have it.", 1.0, True, False, {"won": True}
        return observation, 0.0, False, self.moves == 12, info

    def close(self) -> None:
        self.is_closed = True


class OldCellar(Cellar):
    """The same as before Gymnasium: `seed` beside `reset`, one flag, and the score so far in place of the reward."""

    def seed(self, seed: int) -> None:
        self._seed = seed

    def reset(self) -> tuple[str, dict[str, Any]]:  # type: ignore[override]
        return super().reset(self._seed)

    def step(self, command: str) -> tuple[Any, ...]:
        observation, _, done, truncated, info = super().step(command)
        return observation, 10 * min(self.depth, self.bottom) + 100 * done, done or truncated, info


class Dig(twosome.CommandEnv):
    goal = "You want the treasure."
    history = 1
    kind: type[Cellar] = Cellar
    kwargs: dict[str, Any] = {}  # noqa: RUF012

    def make(self, split: str) -> Cellar:
        return self.kind(3 if split == "train" else 6, **self.kwargs)


class OldDig(Dig):
    kind = OldCellar
    kwargs = {"listed": "valid_actions"}  # noqa: RUF012
    returns_score = True


class Taxi(twosome.MaskedEnv):
    goal = "You want to bring the passenger to the stand."
    action_names = ("drive south", "drive north", "drive east", "drive west", "take the passenger", "stop here")
    max_steps = 40

    def make(self, split: str) -> gymnasium.Env[Any, Any]:
        return gymnasium.make("Taxi-v4").unwrapped

    def describe(self, observation: Any, info: Any) -> str:
        row, column, passenger, destination = self.inner.decode(observation)
        return f"You are at {row}, {column}. The passenger is at stand {passenger}, the destination is {destination}."


NAMES = ("Dig", "OldDig", "Taxi")
for kind in (Dig, OldDig, Taxi):
    gymnasium.register(f"twosome-tests/{kind.__name__}-v0", kind)
every_kind = pytest.mark.parametrize("name", NAMES)


def changed(base: type, /, **attributes: Any) -> Any:
    """An environment of this kind, but with other attributes."""
    return type("Changed", (base,), attributes)()


@every_kind
def test_it_keeps_the_contract_and_repeats_itself_for_a_seed(name: str) -> None:
    env = text.make(f"twosome-tests/{name}-v0")
    text.check_contract(env)
    beginnings = [env.reset(seed=seed)[0] for seed in (5, 6, 7, 8, 5)]
    assert beginnings[0] == beginnings[-1]


def test_a_model_reads_the_observation_and_the_commands_of_the_moment() -> None:
    env = Dig()
    observation, _ = env.reset(seed=0)
    assert observation == {
        "prompt": "You want the treasure. You are 0 steps down. Now you",
        "actions": ("go down",) + ("dig",) * (env.inner.bottom == 0),
    }
    observation, *_ = env.step(0)
    assert observation["prompt"] == (
        "You want the treasure. You are 0 steps down. You go down. You are 1 steps down. Now you"
    )
    assert observation["actions"][:2] == ("go down", "go up")


def play(env: Any, *commands: str) -> tuple[list[float], tuple[bool, bool], dict[str, Any]]:
    """Rewards, the last flags, and the last info."""
    rewards, actions = [], env.observation()["actions"]
    for command in commands:
        observation, reward, *flags, info = env.step(actions.index(command))
        actions = observation["actions"]
        rewards.append(float(reward))
    return rewards, tuple(flags), info


@pytest.mark.parametrize(("kind", "rewards"), [(Dig, [0.0, 1.0]), (OldDig, [10.0, 100.0])])
def test_a_reward_is_the_number_that_it_returned_or_what_its_score_has_grown_by(
    kind: Any, rewards: list[float]
) -> None:
    env = kind()
    env.reset(seed=next(seed for seed in range(20) if env.reset(seed=seed) and env.inner.bottom == 1))
    assert play(env, "go down", "dig") == (rewards, (True, False), {"success": True})


def test_an_episode_that_is_cut_off_there_is_cut_off_here_and_not_over() -> None:
    env = Dig()
    env.reset(seed=0)
    assert play(env, *["go down", "go up"] * 6)[1] == (False, True)
    with pytest.raises(EnvError, match=r"call reset\(\) first"):
        env.step(0)


def test_the_split_is_that_of_the_environment_that_is_made() -> None:
    env = Dig(split="test")
    env.reset()
    assert env.inner.deepest == 6


def test_it_is_closed_with_it() -> None:
    env = Dig()
    env.close()  # nothing is made yet
    env.reset()
    env.close()
    assert env.inner.is_closed


def test_commands_may_stand_in_the_environment_itself() -> None:
    class Silent(Cellar):
        def look(self) -> tuple[str, dict[str, Any]]:
            return super().look()[0], {}

        def valid_actions(self) -> list[str]:
            return Cellar.look(self)[1]["admissible_commands"]

    assert changed(Dig, kind=Silent).reset(seed=0)[0]["actions"] == ("go down",)


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ({}, r'expected info\["admissible_commands"\] or info\["valid_actions"\].*found an info with \[\].*commands\('),
        ({"moves": 1}, r"found an info with \['moves'\]"),
        ({"admissible_commands": []}, r"at least one as long as the episode is not over, found \[\]"),
        ({"admissible_commands": None}, "expected the commands to be a list of texts.*found None"),
        ({"admissible_commands": "go"}, "found 'go'"),
        ({"admissible_commands": [["go", "wait"]]}, r"found \[\['go', 'wait'\]\]"),
        ({"admissible_commands": ["go", 3]}, r"found \['go', 3\]"),
        ({"admissible_commands": ["go", " "]}, r"found \['go', ' '\]"),
        ({"valid_actions": ["go", "wait", "go"]}, r"expected commands that differ, found \['go'\] more than once"),
        ("won", "expected info to be a dict, found 'won'"),
    ],
)
def test_commands_that_do_not_keep_the_convention_are_refused_with_what_to_do(listed: Any, expected: str) -> None:
    class Odd(Cellar):
        def look(self) -> Any:
            return "A cellar.", listed

    with pytest.raises(EnvError, match=expected):
        changed(Dig, kind=Odd).reset(seed=0)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"reset": lambda self: "A cellar."}, r"expected reset to return the observation and info, found 'A cellar\.'"),
        ({"step": lambda self, command: ("A cellar.", 0.0, {})}, "expected step to return observation, reward, termin"),
        ({"step": lambda self, command: ("", 0.0, 1, False, {})}, "expected terminated to be True or False, found 1"),
        ({"step": lambda self, command: ("", 0.0, False, None, {})}, "expected truncated to be .*found None"),
    ],
)
def test_a_reset_or_a_step_of_another_form_is_refused(attributes: dict[str, Any], expected: str) -> None:
    env = changed(Dig, kind=type("Odd", (Cellar,), attributes))
    with pytest.raises(EnvError, match=expected):
        env.reset(seed=0), env.step(0)


def test_the_actions_are_those_that_the_mask_offers() -> None:
    env, rng = Taxi(), np.random.default_rng(0)
    observation, _ = env.reset(seed=0)
    offered = set()
    for _ in range(40):
        mask = env.inner.action_mask(env.inner.s)
        assert observation["actions"] == tuple(n for n, m in zip(Taxi.action_names, mask, strict=True) if m)
        offered.add(observation["actions"])
        before, action = env.inner.s, int(rng.integers(len(observation["actions"])))
        index = Taxi.action_names.index(observation["actions"][action])
        observation, reward, terminated, truncated, _ = env.step(action)
        assert (1.0, env.inner.s, reward, terminated) in env.inner.P[before][index]
        if terminated or truncated:
            break
    assert len(offered) > 1


class Buttons(gymnasium.Env[Any, Any]):
    """Buttons numbered from 1, of which the last one ends it; the mask stands in the observation, as in PettingZoo."""

    action_space = gymnasium.spaces.Discrete(3, start=1)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return {"observation": 0, "action_mask": np.array([0, 1, 1], np.int8)}, {}

    def step(self, action: int) -> Any:
        return self.reset()[0], float(action), action == 3, False, {}


class Press(twosome.MaskedEnv):
    action_names: Any = ["press A", "press B", "press C"]  # noqa: RUF012

    def make(self, split: str) -> Any:
        return Buttons()

    def describe(self, observation: Any, info: Any) -> str:
        return "There are buttons."


def test_a_mask_may_stand_in_the_observation_and_ids_begin_where_the_space_begins() -> None:
    env = Press()
    assert env.reset(seed=0)[0]["actions"] == ("press B", "press C")
    assert [env.step(i)[1:3] for i in (0, 1)] == [(2.0, False), (3.0, True)]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("press A", "press B"), r"expected action_names to be a list of texts, one for each action of Discrete\(3"),
        ("ABC", "found 'ABC'"),
        (("press A", "press B", ""), "expected action_names"),
        (("press A", "press B", 3), "expected action_names"),
        (("press A", "press B", "press A"), r"expected action_names that differ, found \['press A'\] more than once"),
    ],
)
def test_names_that_do_not_fit_the_actions_are_refused(names: Any, expected: str) -> None:
    with pytest.raises(EnvError, match=expected):
        changed(Press, action_names=names).reset(seed=0)


@pytest.mark.parametrize(
    "mask", [None, [1, 1], [0, 0, 0], [[1, 1, 1]], [1, 2, 0], [1.0, 0.0, 0.0], "101", [1, 0, "1"], [1, [0, 1], 1]]
)
def test_a_mask_that_does_not_fit_the_actions_is_refused(mask: Any) -> None:
    with pytest.raises(EnvError, match=r"expected the mask of 3 actions to be 3 zeros and ones.*Let the method mask"):
        changed(Press, mask=lambda self, observation, info: mask).reset(seed=0)


def test_an_environment_without_a_mask_says_what_to_write() -> None:
    class Bare(Press):
        def make(self, split: str) -> Any:
            return gymnasium.make("FrozenLake-v1").unwrapped

        action_names = ("west", "south", "east", "north")

    with pytest.raises(EnvError, match=r'expected info\["action_mask"\].*found an info with \[.prob.\].*return \[1\]'):
        Bare().reset(seed=0)


def test_it_goes_on_from_a_saved_state_by_playing_again() -> None:
    one, other = Dig(), Dig()
    one.reset(seed=3), one.step(0)
    saved = json.loads(json.dumps(one.get_state()))
    other.set_state(saved)
    assert other.observation() == one.observation()
    for damaged in (
        {},
        {**saved["own"], "actions": ["fly"]},
        {**saved["own"], "actions": 1},
        {**saved["own"], "begun": 0},
    ):
        with pytest.raises(EnvError, match="the saved state is damaged"):
            Dig().set_state({**saved, "own": damaged})


def test_an_environment_that_does_not_repeat_itself_says_so_and_may_have_no_state() -> None:
    class Restless(Cellar):
        times = 0

        def look(self) -> Any:
            Restless.times += 1
            return f"It is {Restless.times} o'clock.", {"admissible_commands": ["wait"]}

    env = changed(Dig, kind=Restless)
    env.reset(seed=0)
    with pytest.raises(EnvError, match=r"does not repeat itself.*save_state = twosome\.TextEnv\.save_state"):
        env.set_state(env.get_state())
    assert not hasattr(changed(Dig, kind=Restless, save_state=twosome.TextEnv.save_state), "get_state")


@every_kind
def test_hearth_is_trained_in_it(name: str, tmp_path: Path) -> None:
    config = counting_run(tmp_path / "run", rollout_steps=8, total_steps=32)
    run = twosome.train(TrainConfig(**{**vars(config), "env": f"twosome-tests/{name}-v0"}))
    assert (Path(run) / "checkpoints").is_dir()
