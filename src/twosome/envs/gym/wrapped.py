"""What the environments that are told in words share: how they are stepped, saved and restored, and drawn.

An environment keeps its own dynamics, rewards and random numbers. What is added is a prompt, a phrase for each action,
and the same situation in numbers, for those who learn from numbers.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from twosome.envs.base import (
    LETTERS,
    EnvObservation,
    is_whole,
    observation_space,
    require_saved,
    require_saved_keys,
    saved_generator,
)
from twosome.errors import EnvError
from twosome.extras import require_package

CHARSET = LETTERS + "0123456789 .,"
MAX_PROMPT, MAX_PHRASE = 512, 64


def make_inner(env_id: str, render_mode: str | None, extra: str, **kwargs: Any) -> Any:
    """Make the environment that is told in words, without Gymnasium's wrappers.

    Raises:
        MissingExtraError: it is to be drawn, and pygame is not installed.
    """
    if render_mode == "rgb_array":
        require_package("pygame", extra, "render_mode='rgb_array'")
    return gymnasium.make(env_id, render_mode=render_mode, **kwargs).unwrapped


def one_hot(index: int, size: int) -> list[float]:
    """1 at the index, 0 elsewhere."""
    return [float(i == index) for i in range(size)]


class WrappedTextEnv(gymnasium.Env[dict[str, Any], np.int64], ABC):
    """An environment that is told in words; a subclass says how.

    Args:
        inner: the environment, without wrappers.
        vector_size: how many numbers tell its state, each from 0 to 1.
        max_steps: the episode is cut off after so many steps; None: the environment does that itself.
        scale: rewards are multiplied by it.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012 - Gymnasium's own way
    gamma: float = 0.99
    action_names: tuple[str, ...]

    def __init__(self, inner: Any, vector_size: int, max_steps: int | None, scale: float = 1.0) -> None:
        self._inner = inner
        self._max_steps = max_steps
        self._scale = scale
        self._start: dict[str, Any] = {}
        self._actions: list[int] = []
        self.render_mode = inner.render_mode
        box = spaces.Box(0.0, 1.0, (vector_size,), np.float32)
        self.action_space = spaces.Discrete(len(self.action_names))
        self.observation_space = observation_space(len(self.action_names), box, CHARSET, MAX_PROMPT, MAX_PHRASE)

    @abstractmethod
    def _observe(self) -> EnvObservation:
        """What the current state looks like."""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin an episode; see Gymnasium."""
        super().reset(seed=seed)
        self._begin()
        return self.observation(), self._info()

    def step(self, action: Any) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Carry out one action; see Gymnasium.

        Raises:
            EnvError: there is no episode to step in.
        """
        if not self._start:
            raise EnvError("there is no episode to step in: call reset() first.")
        reward, terminated, truncated = self._advance(int(action))
        return self.observation(), self._scale * float(reward), bool(terminated), truncated, self._info()

    def observation(self) -> dict[str, Any]:
        """What the agent is given in the current state."""
        return self._observe().observation()

    def action_masks(self) -> NDArray[np.int8]:
        """1 for each action that is valid now."""
        return self._observe().mask.copy()

    def render(self) -> Any:
        """The environment's own picture: uint8 of shape (height, width, 3)."""
        return None if self.render_mode is None else self._inner.render()

    def close(self) -> None:
        """Close the environment."""
        self._inner.close()

    def get_state(self) -> dict[str, Any]:
        """Everything that decides how the episode goes on, as plain JSON: how it began, and the actions since.

        Raises:
            EnvError: no episode has begun.
        """
        if not self._start:
            raise EnvError("there is no episode to save: call reset() first.")
        return {"np_random": self._start, "actions": list(self._actions)}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `get_state` returned, in an environment made with the same arguments.

        Raises:
            EnvError: the state is damaged.
        """
        require_saved_keys("it", state, ("np_random", "actions"))
        actions, count = state["actions"], len(self.action_names)
        holds = isinstance(actions, list) and all(is_whole(action, 0, count) for action in actions)
        require_saved("actions", actions, holds, f"a list of ids from 0 to {count - 1}")
        self.np_random = saved_generator(state["np_random"])
        self._begin()
        for action in actions:
            self._advance(action)

    def _begin(self) -> None:
        """Begin an episode from the random numbers as they stand."""
        self._start = dict(self.np_random.bit_generator.state)
        self._actions = []
        self._inner.np_random = self.np_random
        self._inner.reset()

    def _advance(self, action: int) -> tuple[Any, Any, bool]:
        """Take an action; returns reward, terminated and truncated."""
        self._actions.append(action)
        _, reward, terminated, truncated, _ = self._inner.step(action)
        too_long = self._max_steps is not None and len(self._actions) >= self._max_steps
        return reward, terminated, bool(truncated) or (too_long and not terminated)

    def _info(self) -> dict[str, Any]:
        return {"action_mask": self.action_masks()}
