"""The floor and the ceiling: uniformly random play, and optimal play."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from twosome.decision import Decision
from twosome.envs import planner_for


class Uniform:
    """Every available action is equally probable."""

    def probabilities(self, decisions: Sequence[Decision]) -> list[NDArray[np.float64]]:
        """One row for each decision; zero where an action is not available."""
        rows = []
        for decision in decisions:
            available = np.array([bool(phrase) for phrase in decision.actions])
            rows.append(available / available.sum())
        return rows


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
