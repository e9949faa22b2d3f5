"""The ceiling: optimal play."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twosome.envs import best_action
from twosome.errors import EnvError
from twosome.observation import Observation


class Planner:
    """Asks each environment's own optimal planner, which sees the true state.

    It is sure of its action, also of one that is not available to others: a planner may know more than the phrases.
    """

    def probabilities(self, observations: Sequence[Observation]) -> list[NDArray[np.float64]]:
        """1 for the optimal action of each observation.

        Raises:
            EnvError: there is no environment to ask, or it has no planner, or that fails.
        """
        rows = []
        for observation in observations:
            if observation.env is None:
                raise EnvError(
                    "a planner asks the environment, and this observation comes without one: expected an observation "
                    "of an episode that is played, found a decision alone. Let it play in an environment."
                )
            row = np.zeros(len(observation.actions))
            row[best_action(observation.env, len(row))] = 1
            rows.append(row)
        return rows
