"""The household as Gymnasium environments."""

from functools import lru_cache
from typing import Any, NamedTuple, SupportsIndex

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from twosome.envs.household import text
from twosome.envs.household.graph import ROOMS, State, start_state
from twosome.envs.household.oracle import Plan, Planner
from twosome.envs.household.tasks import TASKS, Task, is_success
from twosome.envs.household.world import View, carry_out, perceive, sensible
from twosome.errors import ConfigError, WorldError

CHARSET = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,;:!?'-()\"")
CACHED_STATES = 16_384
METADATA: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 2}


class Scenery(NamedTuple):
    """What a state looks like to the agent; computed once per state."""

    vector: NDArray[np.float32]
    mask: NDArray[np.int8]
    prompt: str
    phrases: tuple[str, ...]


class Rules:
    """A task's dynamics and texts behind bounded caches; pure functions, so environments share them."""

    def __init__(self, task: Task) -> None:
        self.task = task
        scene = task.scene
        words = [text.phrase(scene, action) for action in task.actions]
        for action_id, wording in task.phrases:
            words[action_id] = wording
        self.phrases = tuple(words)
        self.action_names = tuple(text.action_name(scene, action) for action in task.actions)
        self.start = start_state(scene)
        self.plan = lru_cache(maxsize=1)(self._plan)
        self.next = lru_cache(maxsize=CACHED_STATES * 4)(self._next)
        self.scenery = lru_cache(maxsize=CACHED_STATES)(self._scenery)

    def _plan(self) -> Plan:
        return Plan(self.task)

    def _next(self, state: State, action: int) -> tuple[State, bool]:
        after = carry_out(self.task.scene, state, self.task.actions[action])
        return after, is_success(self.task, after)

    def _scenery(self, state: State) -> Scenery:
        view = perceive(self.task.scene, state)
        offered = [sensible(self.task.scene, view, action) for action in self.task.actions]
        phrases = tuple(words if is_on else "" for words, is_on in zip(self.phrases, offered, strict=True))
        return Scenery(
            vector=vector(self.task, view),
            mask=np.array(offered, dtype=np.int8),
            prompt=text.prompt(self.task, view),
            phrases=phrases,
        )


@lru_cache(maxsize=512)
def rules_of(task: Task) -> Rules:
    """The shared `Rules` of a task."""
    return Rules(task)


def vector(task: Task, view: View) -> NDArray[np.float32]:
    """The symbolic observation: 0 or 1 for each of the task's features."""
    index = task.scene.index
    sets = {
        "see": view.visible,
        "close": view.close,
        "hold": view.held,
        "open": view.open,
        "on": view.on,
        "sat": view.sat,
        "facing": view.facing,
        "sitting": 1 << view.sitting if view.sitting >= 0 else 0,
    }
    entries = []
    for kind, thing, holder in task.features:
        if kind == "room":
            entries.append(ROOMS[view.room] == thing)
        elif kind == "in":
            entries.append(view.holders[index[thing]] == index[holder])
        else:
            entries.append(bool(sets[kind] >> index[thing] & 1))
    return np.array(entries, dtype=np.float32)


class HouseholdEnv(gymnasium.Env[dict[str, Any], np.int64]):
    """A household.

    Args:
        task: the name of a task, or a `Task`.
        max_steps: the episode is cut off (`truncated`) after so many steps.
        render_mode: "ansi", "rgb_array" or None.

    Raises:
        ConfigError: an argument is out of range or misspelt.
    """

    metadata = METADATA

    def __init__(
        self, task: str | Task = "FoodPreparation", max_steps: int = 50, render_mode: str | None = None
    ) -> None:
        self.task = _task(task)
        self.max_steps = max_steps
        self.gamma = 0.95
        self.render_mode = render_mode
        self._rules = rules_of(self.task)
        self.action_names: tuple[str, ...] = self._rules.action_names
        num_actions = len(self.task.actions)
        words = spaces.Text(max_length=1024, min_length=0, charset=CHARSET)
        self.action_space = spaces.Discrete(num_actions)
        self.observation_space = spaces.Dict(
            {
                "prompt": words,
                "actions": spaces.Tuple([spaces.Text(128, min_length=0, charset=CHARSET)] * num_actions),
                "vector": spaces.Box(0.0, 1.0, (len(self.task.features),), np.float32),
            }
        )
        self._state = self._rules.start
        self._steps = 0
        self._is_running = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin an episode; see Gymnasium. The household is deterministic: the seed changes nothing."""
        super().reset(seed=seed)
        self._state = self._rules.start
        self._steps = 0
        self._is_running = True
        return self.observation(), {"action_mask": self.action_masks(), "primitive_steps": 0}

    def step(self, action: SupportsIndex) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Carry out one action; see Gymnasium."""
        action_id = int(action)
        if not 0 <= action_id < len(self.task.actions):
            raise WorldError(
                f"action {action!r} is outside the action space: expected an id from 0 to "
                f"{len(self.task.actions) - 1}; see `action_names`."
            )
        if not self._is_running:
            raise WorldError("there is no episode to step in: call reset() first.")
        self._state, success = self._rules.next(self._state, action_id)
        self._steps += 1
        truncated = not success and self._steps >= self.max_steps
        info: dict[str, Any] = {"action_mask": self.action_masks(), "primitive_steps": 1}
        if success or truncated:
            self._is_running = False
            info["success"] = success
        return self.observation(), float(success), success, truncated, info

    def observation(self) -> dict[str, Any]:
        """What the agent is given for the current state."""
        scenery = self._rules.scenery(self._state)
        return {"prompt": scenery.prompt, "actions": scenery.phrases, "vector": scenery.vector.copy()}

    def action_masks(self) -> NDArray[np.int8]:
        """1 for each action that is offered now."""
        return self._rules.scenery(self._state).mask.copy()

    def planner(self) -> Planner:
        """The exact planner; its `act()` answers for this environment's current state."""
        return Planner(self._rules.plan(), lambda: self._state)


def _task(task: str | Task) -> Task:
    if isinstance(task, Task):
        return task
    if task not in TASKS:
        raise ConfigError(f"task: expected one of {', '.join(TASKS)}, found {task!r}.")
    return TASKS[task]
