"""What acts: observations in, probabilities out. And how an action comes of probabilities."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from twosome.errors import ConfigError, quote
from twosome.observation import Observation

_ROUNDING = 1e-3
"""By how much the sum of a policy's probabilities may miss 1: it may have been computed in half precision."""


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


def require_policy(policy: object) -> Policy:
    """The policy, once it is one.

    Raises:
        ConfigError: it is none.
    """
    if isinstance(policy, type) or not isinstance(policy, Policy):
        raise ConfigError(
            f"the policy is {quote(policy)}; expected an object with a method probabilities(observations) that returns "
            "a row for each observation. Agent.load and Agent.from_pretrained make one of a run or a model."
        )
    return policy


def checked_probabilities(policy: Policy, observations: Sequence[Observation]) -> list[NDArray[np.float64]]:
    """What a policy says of some observations, once it is what a policy may say.

    Raises:
        ConfigError: it is not.
    """
    rows: Any = policy.probabilities(observations)
    if not isinstance(rows, Sequence | np.ndarray) or len(rows) != len(observations):
        raise ConfigError(
            f"{type(policy).__name__}.probabilities returned {quote(rows)}; expected a list of {len(observations)} "
            "rows, one for each observation."
        )
    for observation, row in zip(observations, rows, strict=True):
        shape = (len(observation.actions),)
        is_numbers = isinstance(row, np.ndarray) and row.dtype.kind in "fiub" and row.shape == shape
        if not (is_numbers and (row >= 0).all() and abs(row.sum() - 1) <= _ROUNDING):
            raise ConfigError(
                f"{type(policy).__name__}.probabilities returned the row {quote(row)}; expected an array of "
                f"{shape[0]} probabilities that sum to 1, one for each action id."
            )
    return list(rows)


def sample(probabilities: NDArray[np.float64], rng: np.random.Generator) -> int:
    """Draw an action id; an action of probability zero is never drawn."""
    return sample_at(probabilities, rng.random())


def sample_at(probabilities: NDArray[np.float64], uniform: float) -> int:
    """The action id that a draw from [0, 1) stands for; an action of probability zero never is."""
    cumulative = np.cumsum(probabilities)
    # Rounding may leave the last sum a hair below or above one: scale the draw instead of trusting it.
    drawn = int(np.searchsorted(cumulative, uniform * cumulative[-1], side="right"))
    return min(drawn, int(np.flatnonzero(probabilities)[-1]))
