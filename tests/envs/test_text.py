import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unchecked import types_unchecked
from twosome.decision import Decision
from twosome.envs import text
from twosome.errors import ConfigError, EnvError, NoActionError, TwosomeError


class Door(gymnasium.Env[dict[str, Any], Any]):
    """An environment of two actions; `change` may break what it says."""

    def __init__(
        self, change: Callable[[dict[str, Any], dict[str, Any]], None] = lambda observation, info: None
    ) -> None:
        self.change = change
        self.action_space = spaces.Discrete(2)
        self.observation_space = spaces.Dict(
            {"prompt": spaces.Text(50), "actions": spaces.Tuple([spaces.Text(20, min_length=0)] * 2)}
        )

    def say(self) -> tuple[dict[str, Any], dict[str, Any]]:
        observation: dict[str, Any] = {"prompt": "You are at the door. You", "actions": ("open it", "")}
        info: dict[str, Any] = {"action_mask": np.array([1, 0], dtype=np.int8), "primitive_steps": 1}
        self.change(observation, info)
        return observation, info

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        super().reset(seed=seed)
        return self.say()

    def step(self, action: int) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        observation, info = self.say()
        return observation, 0.0, False, False, info


def set_prompt(value: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    return lambda observation, info: observation.update(prompt=value)


def set_actions(value: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    return lambda observation, info: observation.update(actions=value)


def set_info(**values: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    return lambda observation, info: info.update(values)


def spec_of(name: str, **arguments: Any) -> EnvSpec:
    spec = text.make(name, **arguments).spec
    assert spec is not None
    return spec


def test_a_good_environment_passes() -> None:
    text.check_contract(Door())


def test_an_environment_with_nothing_but_texts_passes() -> None:
    text.check_contract(Door(lambda observation, info: info.clear()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_prompt("ends in a blank "), "without a blank at its end"),
        (set_prompt(""), "expected the prompt to be a text"),
        (set_prompt(b"bytes"), "expected the prompt to be a text"),
        (set_actions(["open it", ""]), "a tuple of 2 texts"),
        (set_actions(("open it",)), "a tuple of 2 texts"),
        (set_actions((" open it", "")), "without blanks around"),
        (set_actions(("", "")), "exactly where there is a phrase"),
        (lambda observation, info: (observation.update(actions=("", "")), info.clear()), "at least one phrase"),
        (set_info(action_mask=np.array([1, 1], dtype=np.int8)), "exactly where there is a phrase"),
        (set_info(action_mask=np.array([True, False])), "int8"),
        (set_info(primitive_steps=-1), "whole number"),
        (set_info(primitive_steps=1.5), "whole number"),
        (set_info(success="yes"), "True or False"),
        (lambda observation, info: observation.pop("prompt"), '"prompt" and "actions"'),
    ],
)
def test_a_broken_promise_is_named(change: Callable[..., None], message: str) -> None:
    with pytest.raises(EnvError, match=message):
        text.check_contract(Door(change))


def test_actions_must_be_numbered_from_zero() -> None:
    env = Door()
    env.action_space = spaces.Discrete(2, start=1)
    with pytest.raises(EnvError, match="ids from 0"):
        text.check_contract(env)


def test_a_state_that_does_not_come_back_is_noticed() -> None:
    class Forgetful(Door):
        count = 0

        def observation(self) -> dict[str, Any]:
            self.count += 1
            return {"prompt": f"You are here for the {self.count}. time. You", "actions": ("go", "")}

        def get_state(self) -> dict[str, Any]:
            return {}

        def set_state(self, state: dict[str, Any]) -> None:
            pass

    with pytest.raises(EnvError, match="same observation after set_state"):
        text.check_contract(Forgetful())


class Dice(Door):
    """Its next prompt is drawn at random; `complete` says whether its state includes the generator."""

    def __init__(self, *, complete: bool) -> None:
        super().__init__()
        self.complete, self.number = complete, 0

    def observation(self) -> dict[str, Any]:
        return {"prompt": f"You see a {self.number}. You", "actions": ("roll", "")}

    def say(self) -> tuple[dict[str, Any], dict[str, Any]]:
        self.number = int(self.np_random.integers(1000))
        return self.observation(), {}

    def get_state(self) -> dict[str, Any]:
        drawn = self.np_random.bit_generator.state if self.complete else None
        return {"number": self.number, "generator": drawn}

    def set_state(self, state: dict[str, Any]) -> None:
        self.number = state["number"]
        if state["generator"] is not None:
            self.np_random.bit_generator.state = state["generator"]


def test_a_state_without_the_environments_own_generator_is_noticed() -> None:
    text.check_contract(Dice(complete=True))
    with pytest.raises(EnvError, match=r"np_random\.bit_generator\.state"):
        text.check_contract(Dice(complete=False))


@pytest.mark.parametrize(
    ("prompt", "actions", "message"),
    [
        ("You ", ("go",), "without a blank at its end"),
        (None, ("go",), "expected the prompt to be a text"),
        ("You", ("go", " wait"), "without blanks around"),
        ("You", ("   ",), "without blanks around"),
        ("You", ["go"], "a tuple of texts"),
        ("You", "go", "a tuple of texts"),
        ("You", ("go", None), "a tuple of texts"),
    ],
)
def test_a_decision_is_made_of_texts_that_read_on(prompt: Any, actions: Any, message: str) -> None:
    with types_unchecked(), pytest.raises(EnvError, match=message):
        Decision(prompt, actions)


@pytest.mark.parametrize("name", ["TomatoSalad", "TomatoSalad-v0", "twosome/TomatoSalad", "twosome/TomatoSalad-v0"])
def test_an_environment_answers_to_its_short_names(name: str) -> None:
    assert spec_of(name).id == "twosome/TomatoSalad-v0"


@pytest.fixture
def door() -> Iterator[None]:
    """An environment of somebody else's, in versions of which the newest is registered neither first nor last."""
    versions = [f"others/Door-v{version}" for version in (3, 10, 9)]
    for env_id in versions:
        gymnasium.register(env_id, Door, disable_env_checker=True)
    yield
    for env_id in versions:
        del gymnasium.registry[env_id]


@pytest.mark.usefixtures("door")
def test_any_registered_environment_can_be_made() -> None:
    assert isinstance(text.make("others/Door-v10").unwrapped, Door)


@pytest.mark.filterwarnings("ignore:.*is out of date")
@pytest.mark.usefixtures("door")
@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("TomatoSalad", "twosome/TomatoSalad-v0"),
        ("TomatoSalad-v0", "twosome/TomatoSalad-v0"),
        ("twosome/TomatoSalad", "twosome/TomatoSalad-v0"),
        ("twosome/TomatoSalad-v0", "twosome/TomatoSalad-v0"),
        ("others/Door", "others/Door-v10"),
        ("others/Door-v3", "others/Door-v3"),
        ("gymnasium:others/Door", "gymnasium:others/Door-v10"),
        ("gymnasium:others/Door-v9", "gymnasium:others/Door-v9"),
        ("twosome:TomatoSalad", "twosome:twosome/TomatoSalad-v0"),
    ],
)
def test_a_name_is_resolved_to_a_version_that_stays(name: str, full: str) -> None:
    assert text.resolve(name) == full
    assert text.resolve(full) == full
    assert spec_of(full).id == spec_of(name).id == full.rpartition(":")[2]


@pytest.mark.parametrize("name", ["others/Nowhere", "TomatoSalad-v9", "foo bar", ""])
def test_a_name_that_is_unknown_is_not_resolved(name: str) -> None:
    assert text.resolve(name) == name


@pytest.mark.parametrize("name", ["TomatSalad", "tomatosalad", "twosome/TomatoSallad-v0", "TomatoSalad-v9"])
def test_a_misspelt_name_gets_a_suggestion(name: str) -> None:
    with pytest.raises(EnvError, match=r"Did you mean 'TomatoSalad'\?"):
        text.make(name)


@pytest.mark.parametrize(
    "name",
    [
        "others/Nowhere-v0",
        "others/Nowhere",
        "no_such_module:others/Nowhere-v0",
        "no_such_package.module:others/Nowhere-v0",
        "json.no_such_module:others/Nowhere-v0",
        "foo bar",
        "/x.json",
        "",
        ":",
        "json:",
        ":TomatoSalad",
        ".json:TomatoSalad",
        "one:two:three",
    ],
)
def test_an_unknown_name_gets_the_list_of_environments(name: str) -> None:
    with pytest.raises(EnvError, match=r"there is no environment .*Expected one of TomatoSalad, TomatoLettuceSalad"):
        text.make(name)


def test_a_module_that_is_missing_is_told_from_an_environment_that_it_does_not_register() -> None:
    with pytest.raises(EnvError, match="no module 'no_such_module' in the current folder"):
        text.make("no_such_module:others/Nowhere-v0")
    with pytest.raises(EnvError, match="the module 'json' registers no 'others/Nowhere-v0'"):
        text.make("json:others/Nowhere-v0")


@pytest.mark.parametrize("name", ["broken_world:others/Broken-v0", "broken_world:others/Broken"])
@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import no_such_module", "No module named 'no_such_module'"),
        ("import broken_world.part", "No module named 'broken_world.part'"),
        ("from json import no_such_name", "cannot import name 'no_such_name'"),
    ],
)
def test_an_import_that_fails_inside_a_module_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: str, message: str
) -> None:
    (tmp_path / "broken_world.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(EnvError, match=f"importing the module 'broken_world' .*failed: {message}"):
        text.make(name)
    assert "broken_world" not in sys.modules


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def", "raised SyntaxError"),
        ("raise SystemExit(0)", r"raised SystemExit\(0\) at line 1"),
        ("1 / 0", "raised ZeroDivisionError"),
    ],
)
def test_a_module_that_fails_otherwise_while_it_is_imported_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, message: str
) -> None:
    (tmp_path / "broken_world.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(EnvError, match=f"the module 'broken_world' of the environment .*{message}"):
        text.make("broken_world:others/Broken-v0")


@pytest.mark.parametrize(
    ("entry_point", "message"),
    [
        ("no_such_module:Door", "No module named 'no_such_module'"),
        ("json:Door", "has no attribute 'Door'"),
        ("json", "not enough values"),
    ],
)
def test_an_environment_that_cannot_be_loaded_is_explained(entry_point: str, message: str) -> None:
    gymnasium.register("others/Lost-v0", entry_point)
    try:
        with pytest.raises(EnvError, match=f"entry_point {entry_point!r}.*{message}"):
            text.make("others/Lost-v0")
    finally:
        del gymnasium.registry["others/Lost-v0"]


@pytest.mark.parametrize("name", ["CartPole-v1", "CartPole"])
def test_an_environment_without_text_is_refused(name: str) -> None:
    with pytest.raises(EnvError, match=r'expected observation_space to be a Dict with "prompt".*found Box'):
        text.make(name)


def without_actions(env: Door) -> None:
    env.observation_space = spaces.Dict({"prompt": spaces.Text(50)})


def with_other_actions(env: Door) -> None:
    env.observation_space = spaces.Dict({"prompt": spaces.Text(50), "actions": spaces.Sequence(spaces.Text(20))})


def with_too_many_actions(env: Door) -> None:
    env.action_space = spaces.Discrete(3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_actions, "expected observation_space"),
        (with_other_actions, "expected observation_space"),
        (with_too_many_actions, "expected observation_space"),
        (lambda env: setattr(env, "action_space", spaces.Box(0, 1)), "expected the action space Discrete"),
        (lambda env: setattr(env, "change", set_prompt("ends in a blank ")), "without a blank at its end"),
    ],
)
def test_what_is_made_is_an_environment_of_text(change: Callable[[Door], None], message: str) -> None:
    def create() -> Door:
        env = Door()
        change(env)
        return env

    gymnasium.register("others/Odd-v0", create, disable_env_checker=True)
    try:
        with pytest.raises(EnvError, match=message):
            text.make("others/Odd-v0")
    finally:
        del gymnasium.registry["others/Odd-v0"]


def test_an_unknown_argument_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'layout'"):
        text.make("TomatoSalad", layouts="A")


@pytest.mark.usefixtures("door")
def test_an_argument_that_a_foreign_environment_does_not_have_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"others/Door-v3 has no argument 'chnge'; .*Did you mean 'change'"):
        text.make("others/Door-v3", chnge=1)
    assert spec_of("others/Door-v10", max_episode_steps=1).max_episode_steps == 1


@pytest.mark.parametrize("name", ["id", "name", "self"])
def test_no_name_of_an_argument_is_special(name: str) -> None:
    with pytest.raises(ConfigError, match=f"no argument '{name}'"):
        text.make("TomatoSalad", **{name: 1})


def test_what_a_foreign_environment_says_of_its_arguments_is_passed_on() -> None:
    def create(**kwargs: Any) -> Door:
        raise TypeError("the size must be even")

    gymnasium.register("others/Picky-v0", create)
    try:
        with pytest.raises(EnvError, match=r"Picky-v0.*'size': 3.*the size must be even"):
            text.make("others/Picky-v0", size=3)
        with pytest.raises(EnvError, match=r"Picky-v0' cannot be made: it raised TypeError\(.*the size must be even"):
            text.make("others/Picky-v0")
    finally:
        del gymnasium.registry["others/Picky-v0"]


@pytest.mark.parametrize(
    ("name", "kwargs", "message"),
    [
        ("TomatoSalad", {"rewards": 3}, "rewards=3: expected"),
        ("TomatoSalad", {"rewards": ["step"]}, "rewards=.*: expected"),
        ("TomatoSalad", {"rewards": {"step": None}}, "rewards.*step.*: expected a finite number"),
        ("TomatoSalad", {"rewards": {"step": "x"}}, "rewards.*step.*: expected a finite number"),
        ("TomatoSalad", {"rewards": {"step": True}}, "rewards.*step.*: expected a finite number"),
        ("TomatoSalad", {"rewards": {"step": float("nan")}}, "rewards.*step.*: expected a finite number"),
        ("TomatoSalad", {"foods": 3}, "foods=3: expected"),
        ("TomatoSalad", {"foods": "tomato"}, "foods='tomato': expected"),
        ("TomatoSalad", {"foods": [["tomato"]]}, "foods=.*: expected"),
        ("TomatoSalad", {"task": ["tomato salad"]}, "task=.* expected one of"),
        ("TomatoSalad", {"layout": {}}, "layout=.* expected one of"),
        ("TomatoSalad", {"obs_radius": [2]}, "obs_radius=.*: expected a whole number"),
        ("TomatoSalad", {"obs_radius": True}, "obs_radius=.*: expected a whole number"),
        ("TomatoSalad", {"obs_radius": 2.0}, "obs_radius=.*: expected a whole number"),
        ("FoodPreparation", {"task": 3}, "task: expected one of"),
        ("FoodPreparation", {"max_steps": "50"}, "max_steps='50': expected a whole number"),
        ("HouseholdTask", {"index": [3]}, "index: expected a whole number"),
        ("HouseholdTask", {"index": "3"}, "index: expected a whole number"),
        ("HouseholdTask", {"panel": 3}, "panel=3 .*expected one of"),
    ],
)
def test_an_argument_of_the_wrong_kind_is_refused(name: str, kwargs: dict[str, Any], message: str) -> None:
    with types_unchecked(), pytest.raises(ConfigError, match=message):
        text.make(name, **kwargs)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 60) | st.floats() | st.sampled_from(["", "tomato", "train", "A"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["step", "wish", "x"]), inner),
    max_leaves=4,
)
ARGUMENTS = {
    "TomatoSalad": ["foods", "task", "layout", "obs_radius", "rewards", "actions", "render_mode"],
    "HouseholdTask": ["task", "panel", "index", "max_steps", "backend", "render_mode"],
}


@pytest.mark.filterwarnings("ignore:.*is being initialised with render_mode")
@settings(max_examples=200)
@given(name=st.sampled_from(sorted(ARGUMENTS)), data=st.data())
def test_every_argument_is_taken_or_refused_in_words(name: str, data: st.DataObject) -> None:
    kwargs = data.draw(st.dictionaries(st.sampled_from(ARGUMENTS[name]), JSON, min_size=1, max_size=2))
    try:
        with types_unchecked():
            text.make(name, **kwargs).reset(seed=0)
    except TwosomeError as error:
        assert any(key in str(error) for key in kwargs)  # noqa: PT017 - some arguments are fine


def test_decisions_of_a_vector_environment_are_turned_the_right_way_round() -> None:
    observation = {"prompt": ("One", "Two", "Three"), "actions": (("a1", "a2", ""), ("", "b2", "b3"))}
    assert text.decisions_from(observation, 3) == [
        Decision("One", ("a1", "")),
        Decision("Two", ("a2", "b2")),
        Decision("Three", ("", "b3")),
    ]


def test_decisions_of_another_number_of_environments_are_refused() -> None:
    observation = {"prompt": ("One", "Two"), "actions": (("a1", "a2"), ("", "b2"), ("", ""))}
    with pytest.raises(EnvError, match="expected 3"):
        text.decisions_from(observation, 3)


def test_a_decision_without_a_choice_is_refused() -> None:
    with pytest.raises(NoActionError):
        text.decision_from({"prompt": "You", "actions": ("", "")})


def test_the_list_of_environments_says_what_is_to_be_done() -> None:
    envs = {info.id: info for info in text.list_envs()}
    assert envs["twosome/TomatoSalad-v0"] == text.EnvInfo("twosome/TomatoSalad-v0", "serve a tomato salad", 5, 0.99)
