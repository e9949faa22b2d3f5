"""The household as Gymnasium environments."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from twosome.envs.arguments import check_choice, check_whole
from twosome.envs.base import (
    RENDER_MODES,
    EnvObservation,
    SimulatedEnv,
    StepResult,
    env_observation,
    is_whole,
    observation_space,
    require_saved,
    require_saved_keys,
)
from twosome.envs.household import render, text, virtualhome
from twosome.envs.household.dynamics import carry_out
from twosome.envs.household.graph import AT_HOME, IN_HAND, NOWHERE, ROOMS, Scene, State, start_state
from twosome.envs.household.oracle import Plan, Planner
from twosome.envs.household.panel import NUM_TRAIN, PANELS, check_index, panel_name, panel_size, panel_task
from twosome.envs.household.schema import CHARSET, task_from_data
from twosome.envs.household.tasks import TASKS, Task, is_success
from twosome.envs.household.view import perceive, sensible, vector
from twosome.errors import ConfigError, EnvError, quote

CACHED_STATES = 16_384
BACKENDS = ("own", "virtualhome")
OFFERS = ("valid", "all")
METADATA: dict[str, Any] = {"render_modes": list(RENDER_MODES), "render_fps": 2}
MAX_PROMPT, MAX_PHRASE = 2048, 128


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
        self.observe = lru_cache(maxsize=CACHED_STATES)(self._observe)

    def _plan(self) -> Plan:
        return Plan(self.task)

    def _next(self, state: State, action: int) -> tuple[State, bool]:
        after = carry_out(self.task.scene, state, self.task.actions[action])
        return after, is_success(self.task, after)

    def _observe(self, state: State, offered: str = "valid") -> EnvObservation:
        seen = perceive(self.task.scene, state)
        phrases = [
            words if offered == "all" or sensible(self.task.scene, seen, action) else ""
            for words, action in zip(self.phrases, self.task.actions, strict=True)
        ]
        return env_observation(vector(self.task, seen), text.prompt(self.task, seen), phrases)


@lru_cache(maxsize=1024)
def rules_of(task: Task) -> Rules:
    """The shared `Rules` of a task."""
    return Rules(task)


class HouseholdEnv(SimulatedEnv):
    """A character with two hands does a chore in a home of four rooms.

    ## Description
    The household tasks of VirtualHome on a compact simulator: walk between rooms and to things, grab, put in
    or on, open and close, switch on and off, sit down and stand up. The environment is deterministic. What is
    in another room, or behind a closed door, is out of sight. `FoodPreparation` and `Entertainment` replay
    the published environments exactly, quirks included; `Cheese`, `Hamburger`, `ApplePie`, `Pizza`,
    `WashingPlate` and `Laundry` have the same ten actions and are meant for testing a policy that was trained
    on `FoodPreparation`. All of them start in the kitchen; the clothes and the washing machine of `Laundry`
    are in the bathroom. `HouseholdTask` draws a task from a panel at each reset (see
    `twosome.envs.household.panel`).

    ## Action Space
    `Discrete(n)`; `action_names` says what each id means. Ids 0 to 3 walk to the living room, kitchen,
    bathroom and bedroom. In the tasks with ten actions 4 walks to the item, 5 to the container, 6 grabs the
    item, 7 puts it in, 8 opens and 9 closes the container. The mask offers an action exactly where it can be
    carried out and changes something, unless `offered` says otherwise; `step` takes every id, and one that
    cannot be carried out costs its step and changes nothing.

    ## Observation Space
    A `Dict`: `"prompt"`, the view in words, an unfinished sentence; `"actions"`, one phrase per id, `""`
    where it is not valid; `"vector"`, 0 or 1 for each of `task.features`. For ten actions these are: in the
    kitchen, bathroom, bedroom, living room; the item is seen, close, held; the container is seen, close,
    open; the item is in it.

    ## Rewards
    1 when the goal is reached, else 0. `gamma` (0.95 per step) discounts the return as it is reported.

    ## Starting State
    Hands empty, close to nothing, in the room that the task says; always the same for one task.

    ## Episode End
    Terminated when the goal is reached, truncated after `max_steps` steps.

    ## Information
    `action_mask` (int8, 1 where valid), `primitive_steps` (1; 0 after reset), and at the end `success`.

    ## Arguments
    Exactly one of `task` and `panel`; with neither the task is "FoodPreparation".

    Args:
        task: the name of a task, a `Task`, or a mapping as `twosome.envs.household.schema` describes.
        panel: "train" or "heldout", to draw tasks from.
        index: the one task of the panel to play; None draws another at each reset. `reset(options={"index":
            3})` chooses for one episode.
        max_steps: the episode is cut off after so many steps.
        backend: "own", or "virtualhome" to run on the evolving-graph simulator of that PyPI package.
        render_mode: "ansi", "rgb_array" or None.
        offered: "valid", or "all" to offer every action in every state, so that what can be done has to be learned.

    Raises:
        ConfigError: an argument is out of range, misspelt or contradicts another.
        MissingExtraError: the backend is not installed.

    ## Version History
    - v0: the dynamics of the published environments.
    """

    metadata = METADATA
    gamma: float = 0.95

    def __init__(
        self,
        task: str | Task | Mapping[str, Any] | None = None,
        panel: str | None = None,
        index: int | None = None,
        max_steps: int = 50,
        backend: str = "own",
        render_mode: str | None = None,
        offered: str = "valid",
    ) -> None:
        _check_arguments(task, panel, index, max_steps, backend, render_mode, offered)
        self.max_steps = max_steps
        self.panel = panel
        self.index = index
        self.render_mode = render_mode
        self.task = _task(task) if panel is None else panel_task(panel, index or 0)
        self._rules = rules_of(self.task)
        self._backend = backend
        self._offered = offered
        self._simulator = self._new_simulator()
        self.action_names = self._rules.action_names
        num_actions = len(self.task.actions)
        self.action_space = spaces.Discrete(num_actions)
        box = spaces.Box(0.0, 1.0, (len(self.task.features),), np.float32)
        self.observation_space = observation_space(num_actions, box, CHARSET, MAX_PROMPT, MAX_PHRASE)
        self._state = self._rules.start

    @property
    def state(self) -> State:
        """The current state, hidden parts included; frozen."""
        return self._state

    def planner(self) -> Planner:
        """The exact planner; its `act()` answers for this environment's current state and task."""
        return Planner(lambda: self._rules.plan(), lambda: self._state)

    def _begin(self, options: Mapping[str, Any]) -> None:
        if set(options) - {"index"} or (options and self.panel is None):
            allowed = "only 'index'" if self.panel else "none, as this environment has no panel"
            raise ConfigError(f"options: expected {allowed}, found {sorted(options, key=repr)}.")
        if options:
            check_index(options["index"])
        if self.panel is not None:
            self._play(panel_task(self.panel, options["index"] if options else self._draw_index()))
        self._state = self._simulator.reset() if self._simulator else self._rules.start

    def _act(self, action: int) -> StepResult:
        if self._simulator:
            self._state = self._simulator.step(action)
            success = is_success(self.task, self._state)
        else:
            self._state, success = self._rules.next(self._state, action)
        return StepResult(float(success), 1, success)

    def _observe(self) -> EnvObservation:
        return self._rules.observe(self._state, self._offered)

    def _draw(self, mode: str) -> NDArray[np.uint8] | str:
        return (render.text_plan if mode == "ansi" else render.image)(self.task, self._state)

    def _saved(self) -> dict[str, Any]:
        fields = self._state._asdict().items()
        return {
            "task": self.task.name,
            "state": {name: list(value) if isinstance(value, tuple) else int(value) for name, value in fields},
        }

    def _restore(self, state: Mapping[str, Any]) -> None:
        name, task = state["task"], self.task
        if self.panel is not None and isinstance(name, str):
            index = name.removeprefix(panel_name(self.panel, ""))
            if index != name and index.isascii() and index.isdecimal():
                task = panel_task(self.panel, int(index[:20]))
        if name != task.name:
            raise EnvError(
                f"the state is of the task {quote(name)}, this environment plays {self.task.name!r}: "
                "make the environment with the arguments that the state was saved under."
            )
        saved = _state_of(task.scene, state["state"])
        self._play(task)
        self._state = saved
        if self._simulator:
            self._simulator.load(self._state)

    def _draw_index(self) -> int:
        if self.index is not None:
            return self.index
        return int(self.np_random.integers(NUM_TRAIN if self.panel == "train" else panel_size()))

    def _play(self, task: Task) -> None:
        if task is not self.task:
            self.task = task
            self._rules = rules_of(task)
            self.action_names = self._rules.action_names
            self._simulator = self._new_simulator()

    def _new_simulator(self) -> "virtualhome.GraphSimulator | None":
        return virtualhome.GraphSimulator(self.task) if self._backend == "virtualhome" else None


def _state_of(scene: Scene, data: Any) -> State:
    """The state that `HouseholdEnv.get_state` wrote down, also after a way through JSON, which makes lists of tuples.

    Raises:
        EnvError: it is no state of this scene.
    """
    require_saved_keys("state", data, State._fields)
    n = len(scene.things)
    holders = [i for i, thing in enumerate(scene.things) if thing.affords & {"container", "surface"}]
    lasting = {"room": (0, len(ROOMS)), "sitting": (-1, n)}
    entries: dict[str, Any] = {}
    for name, value in data.items():
        if name in ("places", "lag_rooms"):
            allowed = [AT_HOME, IN_HAND, *holders] if name == "places" else range(NOWHERE, len(ROOMS))
            holds = isinstance(value, list | tuple) and len(value) == n
            holds = holds and all(is_whole(entry, IN_HAND, n + len(ROOMS)) and entry in allowed for entry in value)
            require_saved(name, value, holds, f"{n} numbers, each one of {', '.join(map(str, allowed))}")
            entries[name] = tuple(value)
        else:
            low, high = lasting.get(name, (0, 1 << n))
            require_saved(name, value, is_whole(value, low, high), f"a whole number from {low} to {high - 1}")
            entries[name] = value
    return State(**entries)


def _task(task: str | Task | Mapping[str, Any] | None) -> Task:
    if isinstance(task, Task):
        return task
    if isinstance(task, Mapping):
        return task_from_data(task)
    name = "FoodPreparation" if task is None else task
    if not isinstance(name, str) or name not in TASKS:
        raise ConfigError(f"task: expected one of {', '.join(TASKS)}, a Task or a mapping, found {quote(name)}.")
    return TASKS[name]


def _check_arguments(
    task: object,
    panel: object,
    index: object,
    max_steps: object,
    backend: object,
    render_mode: object,
    offered: object,
) -> None:
    if task is not None and panel is not None:
        raise ConfigError(
            f"task and panel: expected one of them, found {quote(task)} and {quote(panel)}; leave one out."
        )
    if index is not None and panel is None:
        raise ConfigError(f"index: expected none without a panel, found {quote(index)}; give panel='heldout' with it.")
    if panel is not None:
        check_choice("panel", panel, PANELS)
    if index is not None:
        check_index(index)
    check_whole("max_steps", max_steps, 1, default=50)
    check_choice("backend", backend, BACKENDS)
    check_choice("offered", offered, OFFERS)
    if render_mode is not None:
        check_choice("render_mode", render_mode, RENDER_MODES)
