"""Uniformly random play: what to compare with, and what meets an environment before anything is known of it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twosome.observation import Observation


class Uniform:
    """Every available action is equally probable."""

    def probabilities(self, observations: Sequence[Observation]) -> list[NDArray[np.float64]]:
        """One row for each observation; zero where an action is not available."""
        rows = []
        for observation in observations:
            available = np.array([bool(phrase) for phrase in observation.actions])
            rows.append(available / available.sum())
        return rows
