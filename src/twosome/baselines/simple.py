"""The ceiling: optimal play."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np

from twosome.decision import Decision
from twosome.envs import best_action


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
            WorldError: an environment has no planner, or it fails.
        """
        return [best_action(env) for env in envs]
