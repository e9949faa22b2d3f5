"""What the environments of all families share: how an episode is counted, told, saved and restored.

A family adds the dynamics, the words, and pictures; see `SimulatedEnv`.
"""

import operator
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from twosome.errors import EnvError, quote

RENDER_MODES = ("ansi", "rgb_array")
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class EnvObservation(NamedTuple):
    """What one state looks like to the agent; computed once and shared, so it is never handed out itself."""

    vector: NDArray[Any]
    mask: NDArray[np.int8]
    prompt: str
    phrases: tuple[str, ...]

    def observation(self) -> dict[str, Any]:
        """The observation, with an array of its own."""
        return {"prompt": self.prompt, "actions": self.phrases, "vector": self.vector.copy()}


def env_observation(vector: NDArray[Any], prompt: str, phrases: Sequence[str]) -> EnvObservation:
    """The observation of these texts; an action is valid where it has a phrase."""
    return EnvObservation(vector, np.array([bool(phrase) for phrase in phrases], dtype=np.int8), prompt, tuple(phrases))


def observation_space(
    num_actions: int, vector: spaces.Box, charset: str, max_prompt: int, max_phrase: int
) -> gymnasium.Space[dict[str, Any]]:
    """The space of observations.

    Args:
        num_actions: how many actions there are, valid or not.
        vector: the space of the symbolic observation.
        charset: every character that texts are made of.
        max_prompt: length of the longest prompt, in characters.
        max_phrase: length of the longest phrase, in characters.
    """
    phrase = spaces.Text(max_phrase, min_length=0, charset=charset)
    prompt = spaces.Text(max_prompt, min_length=1, charset=charset)
    return spaces.Dict({"prompt": prompt, "actions": spaces.Tuple([phrase] * num_actions), "vector": vector})


def require_saved(name: str, value: object, holds: bool, expected: str) -> None:
    """Refuse a part of a saved state that is not what was saved (EnvError)."""
    if not holds:
        raise EnvError(f"the saved state is damaged: {name} is {quote(value)}; expected {expected}. Save it anew.")


def require_saved_keys(name: str, value: Any, keys: Collection[str]) -> None:
    """Refuse a part of a saved state that is no mapping with exactly these keys (EnvError)."""
    require_saved(
        name, value, isinstance(value, Mapping) and set(value) == set(keys), f"an object of {', '.join(keys)}"
    )


def is_whole(value: object, low: int, high: int) -> bool:
    """Whether this is a whole number from low to less than high, and no bool."""
    return type(value) is int and low <= value < high


def saved_generator(state: Any) -> np.random.Generator:
    """A random generator, of Gymnasium's kind, in the state that was saved of one.

    Raises:
        EnvError: it is no such state.
    """
    generator = np.random.PCG64()
    try:
        generator.state = state
        holds = generator.state == state
    except (TypeError, ValueError, KeyError, OverflowError):
        holds = False
    require_saved("np_random", state, holds, "the state of a random generator")
    return np.random.Generator(generator)


class StepResult(NamedTuple):
    """What an action did."""

    reward: float
    primitive_steps: int
    success: bool


class SimulatedEnv(gymnasium.Env[dict[str, Any], np.int64], ABC):
    """An environment that speaks. A family says how an episode begins, what an action does and what is seen.

    A family's `__init__` sets the attributes below and both spaces.
    """

    gamma: float
    """Discount per primitive step of the return that is reported."""
    action_names: tuple[str, ...]
    max_steps: int
    """Primitive steps after which an episode is cut off; an action under way is carried out to its end."""
    _steps: int = 0
    _is_running: bool = False

    @abstractmethod
    def _begin(self, options: Mapping[str, Any]) -> None:
        """Go to the start of an episode."""

    @abstractmethod
    def _act(self, action: int) -> StepResult:
        """Carry out an action of the action space."""

    @abstractmethod
    def _observe(self) -> EnvObservation:
        """What the current state looks like."""

    @abstractmethod
    def _draw(self, mode: str) -> NDArray[np.uint8] | str:
        """A picture of the current state in one of `RENDER_MODES`."""

    @abstractmethod
    def _saved(self) -> dict[str, Any]:
        """The family's part of `get_state`."""

    @abstractmethod
    def _restore(self, state: Mapping[str, Any]) -> None:
        """Take over the family's part of a state; an EnvError says why it does not fit."""

    def _summary(self) -> dict[str, Any]:
        """What the info at the end of an episode says beside `success`."""
        return {}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin an episode; see Gymnasium, and the class for what seed and options change."""
        super().reset(seed=seed)
        self._begin(options or {})
        self._steps = 0
        self._is_running = True
        return self.observation(), {"action_mask": self.action_masks(), "primitive_steps": 0}

    def step(self, action: Any) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Carry out one action, whether it is valid or not; see Gymnasium.

        Raises:
            EnvError: the action is no id of the action space, or there is no episode to step in.
        """
        try:
            action_id = operator.index(action)
        except TypeError:
            raise EnvError(
                f"the action is {quote(action)}; expected a whole number from 0 to {len(self.action_names) - 1}, an id."
            ) from None
        if not 0 <= action_id < len(self.action_names):
            raise EnvError(
                f"action {quote(action)} is outside the action space: expected an id from 0 to "
                f"{len(self.action_names) - 1}; env.unwrapped.action_names lists them."
            )
        if not self._is_running:
            raise EnvError("there is no episode to step in: call reset() first.")
        reward, primitive_steps, success = self._act(action_id)
        self._steps += primitive_steps
        truncated = not success and self._steps >= self.max_steps
        now = self._observe()
        info: dict[str, Any] = {"action_mask": now.mask.copy(), "primitive_steps": primitive_steps}
        if success or truncated:
            self._is_running = False
            info |= {"success": success, **self._summary()}
        return now.observation(), reward, success, truncated, info

    def observation(self) -> dict[str, Any]:
        """What the agent is given in the current state."""
        return self._observe().observation()

    def action_masks(self) -> NDArray[np.int8]:
        """1 for each action that is valid now."""
        return self._observe().mask.copy()

    def render(self) -> NDArray[np.uint8] | str | None:
        """A picture of the environment: text for "ansi", uint8 of shape (height, width, 3) for "rgb_array"."""
        return None if self.render_mode is None else self._draw(self.render_mode)

    def get_state(self) -> dict[str, Any]:
        """Everything that decides how the episode goes on, as plain JSON."""
        return {
            **self._saved(),
            "steps": self._steps,
            "is_running": self._is_running,
            "np_random": self.np_random.bit_generator.state,
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `get_state` returned, in an environment made with the same arguments.

        Raises:
            EnvError: the state is of another environment, or damaged.
        """
        require_saved_keys("it", state, self.get_state())
        steps, is_running = state["steps"], state["is_running"]
        require_saved("steps", steps, is_whole(steps, 0, 2**63), "a whole number from 0 on")
        require_saved("is_running", is_running, isinstance(is_running, bool), "true or false")
        generator = saved_generator(state["np_random"])
        self._restore(state)
        self._steps, self._is_running = steps, is_running
        self.np_random = generator
