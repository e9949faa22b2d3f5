"""A household seen from close by, and one with a thousand actions: what history and distractors do to learning.

    twosome experiment benchmarks/experiments/history.toml --trust-env-module  # from the repository's root
    twosome experiment benchmarks/experiments/actions.toml --trust-env-module
    python -m benchmarks.history_and_actions  # prints the examples of docs/claims/history-and-actions.md

`Narrow`: the tasks of `twosome/HouseholdTask-v0` of one kind, to put something in and close it, seen from close by. In
sight is what the character holds, what it stands next to, and what lies in or on that. What else the room has shows
only by walking to it, which changes nothing, and costs a step, where it is in another room. So a prompt does not say
which rooms have been searched.

`Crowded`: `twosome/FoodPreparation-v0` with as many actions as one likes. The others are household phrases like all,
and change nothing but the time.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import product
from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvCreator

import twosome
from twosome.envs.base import EnvObservation, StepResult, observation_space
from twosome.envs.household import text
from twosome.envs.household.env import MAX_PHRASE, MAX_PROMPT, HouseholdEnv
from twosome.envs.household.graph import Action
from twosome.envs.household.schema import CHARSET
from twosome.envs.household.view import View, perceive, sensible
from twosome.envs.text import Planner
from twosome.errors import ConfigError


class Narrow(twosome.TextEnv):
    """A household task, of which one sees what is close.

    Args:
        history: how many past observations are told.
        split: "train", or "test" for the held-out tasks.
    """

    cue = ""  # the prompts of the household end in one
    max_steps = 30
    gamma = 0.95

    def __init__(self, history: int = 0, split: Any = "train") -> None:
        super().__init__(split)
        self.history = history
        self.household = HouseholdEnv(panel="train" if split == "train" else "heldout")

    def begin(self, rng: np.random.Generator, split: str) -> twosome.Turn:
        """Draw a task of the kind."""
        self.household.reset(seed=int(rng.integers(2**31)))
        while all(condition.kind != "is closed" for condition in self.household.task.goal):
            self.household.reset()
        self.goal = f"You want to {self.household.task.wish}."
        return self.look()

    def act(self, action: int) -> twosome.Turn:
        """Do it, or lose the step."""
        _, reward, done, _, info = self.household.step(action)
        return self.look(reward=reward, done=done, success=info.get("success", False))

    def look(self, **outcome: Any) -> twosome.Turn:
        """What is close, and all that can be tried."""
        task = self.household.task
        seen = perceive(task.scene, self.household.state)
        nearby = close_by(seen)
        told = text.prompt(task, nearby).removeprefix(f"{self.goal} ")
        names = {
            text.phrase(task.scene, action): number
            for number, action in enumerate(task.actions)
            if sensible(task.scene, nearby, action) or is_search(nearby, action, task.scene.index)
        }
        return twosome.Turn(told, names, **outcome)

    def tell(self, observation: str, action: str) -> str:
        """The history without the cue."""
        return super().tell(observation.removesuffix(text.ENDING).strip(), action)

    def planner(self) -> Planner:
        """The household's own, which sees everything."""
        return NarrowPlanner(self)


class NarrowPlanner:
    """The household's planner, in the phrases that there are now."""

    def __init__(self, env: Narrow) -> None:
        self.env = env

    def act(self) -> int:
        """The index of the best phrase."""
        turn = self.env.look()
        assert isinstance(turn.actions, Mapping)
        return list(turn.actions.values()).index(self.env.household.planner().act())


def close_by(view: View) -> View:
    """A view without what is not held, close, or in or on something close."""
    near = view.close | view.held
    near |= sum(1 << i for i, holder in enumerate(view.holders) if holder >= 0 and near >> holder & 1)
    near |= 1 << view.sitting if view.sitting >= 0 else 0
    return view._replace(
        visible=view.visible & near,
        holders=tuple(holder if near >> i & 1 else -1 for i, holder in enumerate(view.holders)),
        open=view.open & near,
        on=view.on & near,
        sat=view.sat & near,
        facing=view.facing & near,
    )


def is_search(view: View, action: Action, index: Mapping[str, int]) -> bool:
    """Whether the action is to walk to what may be in the room, out of sight."""
    return action.verb == "walk" and view.sitting < 0 and not view.visible >> index[action.thing] & 1


for _k in (0, 1, 2, 4):
    gymnasium.register(f"History{_k}-v0", cast(EnvCreator, Narrow), kwargs={"history": _k})


VERBS = ("walk to the", "grab the", "open the", "close the", "switch on the", "sit down on the", "take the", "wash the")
NOUNS = (  # noqa: SIM905 - easier to read and to add to
    "apple, bag, ball, bench, blanket, book, bottle, bowl, box, bread, broom, brush, bucket, cake, candle, carpet, "
    "chair, cheese, clock, coat, coffee table, computer, cup, cupboard, curtain, cushion, desk, dishwasher, door, "
    "drawer, dress, egg, flower, fork, fridge, glass, glove, hat, heater, jacket, jar, juice, key, kettle, knife, "
    "lamp, letter, lid, mirror, mug, napkin, newspaper, orange, oven, pan, paper, pen, phone, picture, pillow, "
    "plate, pot, radio, rug, shelf, shirt, shoe, sink, soap, sofa, spoon, stool, stove, table, teapot, tomato, "
    "towel, toy, tray, wardrobe, window"
).split(", ")


def distractors() -> Iterator[str]:
    """Every verb with every noun, then things put onto others, in an order that is drawn once for all."""
    simple = [f"{verb} {noun}" for verb, noun in product(VERBS, NOUNS)]
    put = [f"put the {a} on the {b}" for a, b in product(NOUNS, NOUNS) if a != b]
    for phrases in (simple, put):
        yield from (phrases[i] for i in np.random.default_rng(0).permutation(len(phrases)))


class Crowded(HouseholdEnv):
    """`FoodPreparation` among so many actions.

    Args:
        actions: how many there are, the task's own ten first.
    """

    def __init__(self, actions: int = 10, render_mode: str | None = None) -> None:
        super().__init__(render_mode=render_mode)
        self.num_own = len(self.action_names)
        if not self.num_own <= actions <= 5000:
            raise ConfigError(f"actions is {actions}; expected {self.num_own} to 5,000: the task's own and others.")
        others = (phrase for phrase in distractors() if phrase not in self._rules.phrases)
        self.others = tuple(phrase for _, phrase in zip(range(actions - self.num_own), others, strict=False))
        self.action_names += self.others
        box = self.observation_space["vector"]  # type: ignore[index]
        self.action_space = spaces.Discrete(actions)
        self.observation_space = observation_space(actions, box, CHARSET, MAX_PROMPT, MAX_PHRASE)
        self.offered = np.ones(len(self.others), np.int8)

    def _act(self, action: int) -> StepResult:
        return super()._act(action) if action < self.num_own else StepResult(0.0, 1, False)

    def _observe(self) -> EnvObservation:
        own = super()._observe()
        return own._replace(phrases=own.phrases + self.others, mask=np.concatenate([own.mask, self.offered]))


for _n in (10, 30, 100, 300, 1000):
    gymnasium.register(f"Actions{_n}-v0", partial(Crowded, actions=_n))


def examples() -> str:
    """A moment of each, as Markdown."""
    narrow = Narrow(history=2)
    observation, _ = narrow.reset(seed=2)
    for _ in range(3):
        observation, *_ = narrow.step(narrow.planner().act())
    crowded, _ = Crowded(actions=30).reset(seed=0)
    return "\n\n".join(
        f"> {seen['prompt']}\n> {' · '.join(f'*{phrase}*' for phrase in seen['actions'] if phrase)}"
        for seen in (observation, crowded)
    )


if __name__ == "__main__":
    print(examples())
