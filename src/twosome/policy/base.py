"""What acts: observations in, probabilities out. And how an action comes of probabilities."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from twosome.observation import Observation


@runtime_checkable
class Policy(Protocol):
    """Gives a probability to each action id at each observation.

    The language model, the small networks, SayCan, the planners and random play are all of this kind, and whatever
    is plays in `twosome.play.play`: in evaluation, films, imitation and training. One whose prompts may be too long for
    it has a method `fits` (`twosome.envs.checked.Fits`) besides.
    """

    def probabilities(self, observations: Sequence[Observation]) -> list[NDArray[np.float64]]:
        """One row for each observation, with the probability of each action id; zero where it is not available."""
        ...


def sample(probabilities: NDArray[np.float64], rng: np.random.Generator) -> int:
    """Draw an action id; an action of probability zero is never drawn."""
    return sample_at(probabilities, rng.random())


def sample_at(probabilities: NDArray[np.float64], uniform: float) -> int:
    """The action id that a draw from [0, 1) stands for; an action of probability zero never is."""
    cumulative = np.cumsum(probabilities)
    # Rounding may leave the last sum a hair below or above one: scale the draw instead of trusting it.
    drawn = int(np.searchsorted(cumulative, uniform * cumulative[-1], side="right"))
    return min(drawn, int(np.flatnonzero(probabilities)[-1]))
