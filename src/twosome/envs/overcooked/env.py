"""The kitchen as a Gymnasium environment: what an action pays, and what is seen; the rules are in `dynamics.py`."""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from twosome.envs.arguments import check_choice
from twosome.envs.base import (
    LETTERS,
    RENDER_MODES,
    EnvObservation,
    SimulatedEnv,
    StepResult,
    env_observation,
    observation_space,
    require_saved,
)
from twosome.envs.overcooked import dynamics, render, text, view
from twosome.envs.overcooked.layout import MOVE_NAMES, SIZE, Kitchen, make_kitchen
from twosome.envs.overcooked.oracle import KitchenPlanner
from twosome.envs.overcooked.rewards import KitchenRewards, rewards_from
from twosome.errors import EnvError

CHARSET = LETTERS + " ,."
METADATA: dict[str, Any] = {"render_modes": list(RENDER_MODES), "render_fps": 4}
MAX_PROMPT, MAX_PHRASE = 600, 80


@lru_cache(maxsize=1 << 16)
def state_observation(kitchen: Kitchen, state: dynamics.State) -> EnvObservation:
    """What a state looks like to a cook who chooses macro-actions."""
    return view_observation(kitchen, view.perceive(kitchen, state))


@lru_cache(maxsize=1 << 16)
def view_observation(kitchen: Kitchen, seen: view.View) -> EnvObservation:
    """What a view looks like to a cook who chooses macro-actions."""
    phrases = [
        text.phrase(kitchen, seen, macro) if view.sensible(kitchen, seen, macro) else "" for macro in kitchen.macros
    ]
    return env_observation(view.vector(kitchen, seen), text.prompt(kitchen, seen), phrases)


@lru_cache(maxsize=1 << 16)
def recalled_observation(kitchen: Kitchen, seen: view.View) -> EnvObservation:
    """What a view looks like to a cook who chooses single steps."""
    phrases = [
        phrase if view.sensible_move(kitchen, seen, move) else "" for move, phrase in enumerate(text.MOVE_PHRASES)
    ]
    return env_observation(view.recalled_vector(kitchen, seen), text.recalled_prompt(kitchen, seen), phrases)


class KitchenEnv(SimulatedEnv):
    """Make a salad and serve it: fetch, chop, put in the bowl, serve.

    ## Description
    A kitchen of 7 x 7 cells with solid borders, one cook and one bowl. Vegetables are chopped on a cutting board
    (three strokes), put into the bowl and handed over at the serving counter. `twosome/TomatoSalad-v0` has a tomato
    and one cutting board, `twosome/TomatoLettuceSalad-v0` a tomato, a lettuce, an onion and two boards. The cook
    sees the square of 5 x 5 cells around. The environment is deterministic.

    ## Action Space
    `Discrete(n)` over macro-actions, each a walk with something at its end, such as "get tomato" or "go to knife 1":
    5 in the tomato kitchen and 8 in the other; with layouts B and C 7 and 9. `env.unwrapped.action_names` lists
    them. With `actions="primitive"`, `Discrete(5)`: one cell right, down, left, up, or stay.

    `step` carries out any id. `info["action_mask"]` and `env.unwrapped.action_masks()` (int8, 1 is valid) advise:
    hidden are exactly the actions of which the observation tells that they would change nothing. At least one is
    valid in every state.

    ## Observation Space
    A `Dict`. `"prompt"`: what the cook wants, sees and holds, as text that stops in mid-sentence. `"actions"`: one
    phrase for each id that completes it, `""` where the action is not valid. `"vector"`: row, column and strokes
    (0 to 3) of each vegetable; row, column of the bowl, of each cutting board, of the serving counter and of the
    cook; the task as one-hot code of length 7. What is out of view reads 0. With `actions="primitive"`, places are
    divided by 7 and strokes by 3, and what is out of view reads as remembered.

    ## Rewards
    For each primitive step -0.001, and in addition 0.2 when a vegetable of the salad is chopped for good, 1 for
    serving the salad, -0.1 for serving anything else (which then goes back to its place, raw). A macro-action of k
    steps pays the sum of `0.99 ** i * r_i` for i = 0 to k - 1; `info["primitive_steps"]` is k, by which the
    learner should discount what follows.

    ## Starting State
    Always the same: everything in its place, raw, the bowl empty.

    ## Episode End
    `terminated` when the salad is served. `truncated` when 200 primitive steps are used up; a macro-action under
    way is carried out to its end.

    ## Information
    `action_mask` (int8, 1 where valid); `primitive_steps`, the length of the action (0 after a reset); at the end
    `success`, `episode_return` (each primitive reward discounted by 0.99 per primitive step from the start) and
    `episode_length` (primitive steps).

    ## Arguments
    - `foods`: ("tomato",) or all three vegetables; the registered names set it.
    - `task`: "tomato salad", "lettuce salad", "onion salad", "lettuce-tomato salad", "onion-tomato salad",
      "lettuce-onion salad" or "lettuce-onion-tomato salad"; the tomato kitchen can only make the first.
    - `layout`: "A" an open room, "B" a room in two halves, where nobody can reach the vegetables and the salad
      cannot be made, "C" a room in two halves with one passage.
    - `obs_radius`: how many cells the cook sees in each direction, 1 to 6; 2.
    - `rewards`: a `KitchenRewards`, or a mapping with some of its fields `subtask`, `correct`, `wrong`, `step`.
    - `actions`: "macro" or "primitive".
    - `render_mode`: None, "ansi" or "rgb_array".

    ## Version History
    - v0: replays the recorded episodes of the paper's Overcooked environments bit for bit, including one slip: in
      the tomato kitchen with layouts B and C, "go to knife 2" leads to the serving counter, and "deliver" nowhere.
    """

    metadata = METADATA
    gamma: float = 0.99
    max_steps = 200

    def __init__(
        self,
        foods: Sequence[str] = ("tomato",),
        task: str = "tomato salad",
        layout: str = "A",
        obs_radius: int = 2,
        rewards: KitchenRewards | Mapping[str, float] | None = None,
        actions: str = "macro",
        render_mode: str | None = None,
    ) -> None:
        check_choice("actions", actions, ("macro", "primitive"))
        if render_mode is not None:
            check_choice("render_mode", render_mode, RENDER_MODES)
        self.kitchen = make_kitchen(foods, task, layout, obs_radius)
        self.rewards = rewards_from(rewards)
        self.render_mode = render_mode
        self.primitive = actions == "primitive"
        names = MOVE_NAMES if self.primitive else tuple(macro.name for macro in self.kitchen.macros)
        self.action_names: tuple[str, ...] = names
        self.action_space = spaces.Discrete(len(names))
        self._begin({})
        vector = self.observation()["vector"]
        high = SIZE - 1 if vector.dtype == np.int64 else 1.0
        box = spaces.Box(0, high, vector.shape, vector.dtype.type)
        self.observation_space = observation_space(len(names), box, CHARSET, MAX_PROMPT, MAX_PHRASE)

    @property
    def state(self) -> dynamics.State:
        """The true state, for planners and pictures; the cook does not see all of it."""
        return self._state

    def planner(self) -> KitchenPlanner:
        """The exact planner; its `act()` answers for this environment's current state."""
        return KitchenPlanner(self)

    def _begin(self, options: Mapping[str, Any]) -> None:
        self._state = dynamics.start(self.kitchen)
        self._memory = dynamics.first_memory(self.kitchen, self._state) if self.primitive else None
        self._discount = 1.0
        self._return = 0.0

    def _act(self, action: int) -> StepResult:
        outcome = (dynamics.run_primitive if self.primitive else dynamics.run)(self.kitchen, self._state, action)
        for event in outcome.events:
            self._return += self._discount * self.rewards.of(event)
            self._discount *= self.gamma
        self._state = outcome.state
        if self._memory is not None:
            self._memory = dynamics.remember(self.kitchen, self._memory, self._state)
        reward, _ = self.rewards.discounted(outcome.events, self.gamma)
        return StepResult(reward, len(outcome.events), dynamics.is_over(outcome))

    def _observe(self) -> EnvObservation:
        if self._memory is None:
            return state_observation(self.kitchen, self._state)
        return recalled_observation(self.kitchen, view.recall(self.kitchen, self._state.agent, self._memory))

    def _draw(self, mode: str) -> NDArray[np.uint8] | str:
        return (render.ansi if mode == "ansi" else render.rgb_array)(self.kitchen, self._state)

    def _summary(self) -> dict[str, Any]:
        return {"episode_return": self._return, "episode_length": self._steps}

    def _saved(self) -> dict[str, Any]:
        return {
            "world": dynamics.to_json(self._state),
            "memory": None if self._memory is None else dynamics.memory_to_json(self._memory),
            "discount": self._discount,
            "return": self._return,
        }

    def _restore(self, state: Mapping[str, Any]) -> None:
        if (state["memory"] is None) == self.primitive:
            raise EnvError(
                "the saved state is of another kitchen: expected one from an environment made with the same name "
                f"and arguments, here {self.kitchen} with {len(self.action_names)} actions."
            )
        for name in ("discount", "return"):
            number = state[name]
            holds = type(number) in (int, float) and math.isfinite(number)
            require_saved(name, number, holds, "a finite number")
        saved = dynamics.from_json(self.kitchen, state["world"])
        self._memory = None if state["memory"] is None else dynamics.memory_from_json(self.kitchen, state["memory"])
        self._state = saved
        self._discount, self._return = state["discount"], state["return"]
