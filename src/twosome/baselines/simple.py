"""The ceiling: optimal play."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np

from twosome.decision import Decision
from twosome.envs import planner_for


class Planner:
    """Asks each world's own optimal planner, which sees the true state."""

    def choose(
        self,
        envs: Sequence[gymnasium.Env[Any, Any]],
        decisions: Sequence[Decision],
        rngs: Sequence[np.random.Generator],
    ) -> list[int]:
        """The optimal action in each environment.

        Raises:
            WorldError: an environment has no planner.
        """
        return [planner_for(env).act() for env in envs]
