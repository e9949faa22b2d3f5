"""Uniformly random play: what to compare with, and what meets a world before anything is known of it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twosome.decision import Decision


class Uniform:
    """Every available action is equally probable."""

    def probabilities(self, decisions: Sequence[Decision]) -> list[NDArray[np.float64]]:
        """One row for each decision; zero where an action is not available."""
        rows = []
        for decision in decisions:
            available = np.array([bool(phrase) for phrase in decision.actions])
            rows.append(available / available.sum())
        return rows
