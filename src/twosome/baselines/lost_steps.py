"""An environment in which a step can be lost: for those who may say something that is no action."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from twosome.envs.spaces import PhraseIndex
from twosome.errors import ConfigError, quote


class LostSteps(gymnasium.Wrapper[Any, Any, Any, Any]):
    """The environment with one action more, the last, which nobody is offered: nothing is done, and a step passes.

    The state stays, and so does what is seen. A lost step is a primitive step: it is discounted, and the environment's
    own limit on steps counts it, so that episodes end whatever is said.

    Args:
        env: with a limit ``max_steps`` on its primitive steps.
        penalty: what a lost step costs besides.

    Raises:
        ConfigError: the environment has no limit.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], penalty: float = 0.0) -> None:
        super().__init__(env)
        limit = getattr(env.unwrapped, "max_steps", None)
        if not isinstance(limit, int):
            raise ConfigError(
                f"the environment {env} has max_steps {quote(limit)}; expected a number of steps after which an "
                "episode is cut off, or whoever says nothing valid would play the first one for ever. Give it one."
            )
        self.penalty = penalty
        self.max_steps = limit
        self._steps = 0
        self._lost_now: tuple[Any, dict[str, Any]]
        space: Any = env.observation_space
        phrases = space["actions"]
        if not isinstance(env.action_space, PhraseIndex):
            self.action_space = spaces.Discrete(int(env.action_space.n) + 1)  # type: ignore[attr-defined]
            phrases = spaces.Tuple([*phrases, spaces.Text(1, min_length=0)])
        self.observation_space = spaces.Dict({**space.spaces, "actions": phrases})

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._steps = 0
        return self._extended(observation, info)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Carry out an action, or with the last id none."""
        observation, info = self._lost_now
        terminated, truncated, steps, reward = False, False, 1, -self.penalty
        if action != len(observation["actions"]) - 1:
            observation, earned, terminated, truncated, info = self.env.step(action)
            observation, info = self._extended(observation, info)
            reward, steps = float(earned), info.get("primitive_steps", 1)
        self._steps += steps
        truncated = truncated or (not terminated and self._steps >= self.max_steps)
        info = {**({"success": False} if truncated else {}), **info, "primitive_steps": steps}
        return observation, reward, terminated, truncated, info

    def _extended(self, observation: Any, info: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """What the environment says, with the last action; kept for when it is taken."""
        mask = {"action_mask": np.append(info["action_mask"], np.int8(0))} if "action_mask" in info else {}
        self._lost_now = {**observation, "actions": (*observation["actions"], "")}, {**info, **mask}
        return self._lost_now
