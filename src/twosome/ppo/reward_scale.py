"""Rewards of any scale: divided by the largest return met so far, so that returns are near 1 wherever they come from.

The critic's clipping and learning rate, and the floor under the spread of advantages, are made for such returns. The
algorithm alone sees the divided rewards: what is logged, compared and reported stays in the environment's own units.

What is measured is the discounted sum of the rewards up to each decision, as in "reward scaling" (Engstrom et al.,
2020, arXiv:2005.12729). Departure: divided by its largest absolute value, not by its running standard deviation, which
for one reward at the end of an episode depends on how seldom it comes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from twosome.rollout import Rollout, of_world


@dataclass
class RewardScale:
    """What rewards are divided by."""

    largest: float = 0.0  # absolute discounted sum of rewards up to a decision, over all decisions so far
    sums: list[float] = field(default_factory=list)
    """Of the episode under way in each environment, discounted to its next decision; empty before the first."""

    @property
    def divisor(self) -> float:
        """The largest sum; 1 as long as nothing was rewarded."""
        return self.largest or 1.0

    def scaled(self, rollout: Rollout, gamma: float) -> Rollout:
        """Take in a rollout, and return it with its rewards divided; rollouts come in order.

        Args:
            rollout: of all environments.
            gamma: discount per primitive step.
        """
        T, E = rollout.rewards.shape
        discounts = gamma**rollout.durations * ~(rollout.terminated | rollout.truncated)
        sums: NDArray[np.float64] = np.array(self.sums) if self.sums else np.zeros(E)
        sums[[i for t, i in rollout.cut if t < 0]] = 0.0  # of episodes that were lost between two rollouts
        for t in range(T):
            sums = sums + rollout.rewards[t]
            self.largest = max(self.largest, float(np.abs(sums).max()))
            sums = sums * discounts[t]
        self.sums = sums.tolist()
        return replace(rollout, rewards=rollout.rewards / np.float32(self.divisor))


def scaled_by_world(scales: Sequence[RewardScale], rollout: Rollout, gammas: Sequence[float]) -> Rollout:
    """A rollout with the rewards of each environment divided by its own scale.

    Args:
        scales: of each environment; they take the rollout in.
        rollout: number i of those that are stepped side by side is of the kind i modulo how many there are.
        gammas: the discount of each environment.
    """
    W, rewards = len(scales), np.empty_like(rollout.rewards)
    for world, (scale, gamma) in enumerate(zip(scales, gammas, strict=True)):
        rewards[:, world::W] = scale.scaled(of_world(rollout, world, W), gamma).rewards
    return replace(rollout, rewards=rewards)
