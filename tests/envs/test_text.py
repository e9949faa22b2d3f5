from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from twosome.decision import Decision
from twosome.envs import text
from twosome.errors import ConfigError, NoActionError, WorldError


class Door(gymnasium.Env[dict[str, Any], int]):
    """A world of two actions; `change` may break what it says."""

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


def test_a_good_world_passes() -> None:
    text.check_world(Door())


def test_a_world_with_nothing_but_texts_passes() -> None:
    text.check_world(Door(lambda observation, info: info.clear()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_prompt("ends in a blank "), "without a blank at its end"),
        (set_prompt(""), "expected the prompt to be a text"),
        (set_prompt(b"bytes"), "expected the prompt to be a text"),
        (set_actions(["open it", ""]), "a tuple of 2 texts"),
        (set_actions(("open it",)), "a tuple of 2 texts"),
        (set_actions((" open it", "")), "without blanks around"),
        (set_actions(("", "")), "at least one phrase"),
        (set_info(action_mask=np.array([1, 1], dtype=np.int8)), "exactly where there is a phrase"),
        (set_info(action_mask=np.array([True, False])), "int8"),
        (set_info(primitive_steps=-1), "whole number"),
        (set_info(primitive_steps=1.5), "whole number"),
        (set_info(success="yes"), "True or False"),
        (lambda observation, info: observation.pop("prompt"), '"prompt" and "actions"'),
    ],
)
def test_a_broken_promise_is_named(change: Callable[..., None], message: str) -> None:
    with pytest.raises(WorldError, match=message):
        text.check_world(Door(change))


def test_actions_must_be_numbered_from_zero() -> None:
    world = Door()
    world.action_space = spaces.Discrete(2, start=1)
    with pytest.raises(WorldError, match="ids from 0"):
        text.check_world(world)


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

    with pytest.raises(WorldError, match="same observation after set_state"):
        text.check_world(Forgetful())


@pytest.mark.parametrize("name", ["TomatoSalad", "TomatoSalad-v0", "twosome/TomatoSalad", "twosome/TomatoSalad-v0"])
def test_a_world_answers_to_its_short_names(name: str) -> None:
    assert text.make(name).spec.id == "twosome/TomatoSalad-v0"


def test_any_registered_environment_can_be_made() -> None:
    gymnasium.register("others/Door-v3", Door)
    try:
        assert isinstance(text.make("others/Door-v3").unwrapped, Door)
    finally:
        del gymnasium.registry["others/Door-v3"]


@pytest.mark.parametrize("name", ["TomatSalad", "tomatosalad", "twosome/TomatoSallad-v0", "TomatoSalad-v9"])
def test_a_misspelt_name_gets_a_suggestion(name: str) -> None:
    with pytest.raises(WorldError, match=r"Did you mean 'TomatoSalad'\?"):
        text.make(name)


@pytest.mark.parametrize("name", ["others/Nowhere-v0", "no_such_module:others/Nowhere-v0"])
def test_an_unknown_name_gets_the_list_of_worlds(name: str) -> None:
    with pytest.raises(WorldError, match="Expected one of TomatoSalad, TomatoLettuceSalad"):
        text.make(name)


def test_an_unknown_argument_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'layout'"):
        text.make("TomatoSalad", layouts="A")


def test_decisions_of_a_vector_environment_are_turned_the_right_way_round() -> None:
    observation = {"prompt": ("One", "Two", "Three"), "actions": (("a1", "a2", ""), ("", "b2", "b3"))}
    assert text.decisions_from(observation, 3) == [
        Decision("One", ("a1", "")),
        Decision("Two", ("a2", "b2")),
        Decision("Three", ("", "b3")),
    ]


def test_decisions_of_another_number_of_environments_are_refused() -> None:
    observation = {"prompt": ("One", "Two"), "actions": (("a1", "a2"), ("", "b2"), ("", ""))}
    with pytest.raises(WorldError, match="expected 3"):
        text.decisions_from(observation, 3)


def test_a_decision_without_a_choice_is_refused() -> None:
    with pytest.raises(NoActionError):
        text.decision_from({"prompt": "You", "actions": ("", "")})


def test_the_list_of_worlds_says_what_is_to_be_done() -> None:
    worlds = {info.id: info for info in text.list_worlds()}
    assert worlds["twosome/TomatoSalad-v0"] == text.WorldInfo("twosome/TomatoSalad-v0", "serve a tomato salad", 5, 0.99)
