"""Advantages without a critic: a decision's outcome against those of equal decisions (GRPO at the level of actions).

GRPO samples several answers to one question and takes an answer's reward, minus the group's mean and divided by its
spread, as its advantage. Here a question is a decision, an answer is the action with all that follows it, and its
reward is the discounted return to go. Several answers to one question are not sampled on purpose, since an environment
cannot in general be put back into a state; but a rollout meets the same decisions again and again, and these are the
groups, as the anchor states of GiGPO are. What the choice brings:

- Credit goes to single decisions. A group of whole episodes, which all begin alike here, would praise each decision
  of a good episode, and the few episodes that end within a rollout would be the short ones.
- A decision that is met once in a rollout teaches nothing: its advantage is 0.
- At the rollout's edge the return ends, as there is no critic to say what would follow. What pays late loses its pay
  there and what pays at once keeps it: a bias toward quick rewards. Longer rollouts have less of it, and larger groups.

Departures from GRPO: the spread has a floor, as elsewhere in this package (with 0 there is none), since in a group
whose returns differ by one step's cost nothing is worth a full-sized update; and no penalty holds the policy near the
model it began as. Clipping, entropy bonus and the stop at the target KL are those of PPO.

Sources: Shao et al., 2024 (arXiv:2402.03300), GRPO with outcome supervision; Feng et al., 2025 (arXiv:2505.10978),
GiGPO, step-level groups.
"""

from collections.abc import Hashable, Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from twosome.ppo.credit.algorithm import Algorithm, Credit, ValuesOf, rollout_tensors
from twosome.ppo.credit.choices import whole_actions
from twosome.ppo.gae import Gamma, estimate_advantages
from twosome.rollout import Rollout


class Grpo(Algorithm):
    """Credit for whole actions, judged by equal decisions, without a critic."""

    def credit(self, rollout: Rollout, values_of: ValuesOf) -> Credit:
        """Returns to go, relative to those of equal decisions."""
        returns = returns_to_go(rollout, self.gamma).flatten()
        decisions = [decision for row in rollout.decisions for decision in row]
        return Credit(whole_actions(rollout), relative_to_group(returns, decisions, self.config.advantage_std_floor))


def returns_to_go(rollout: Rollout, gamma: Gamma) -> Float[Tensor, "T E"]:
    """Discounted rewards from each decision on, to the end of its episode or of the rollout."""
    rewards, durations, terminated, truncated = rollout_tensors(rollout)
    nothing = torch.zeros(rewards.shape)
    ends = (terminated, truncated)
    return estimate_advantages(rewards, durations, nothing, nothing, *ends, gamma=gamma, gae_lambda=1.0).returns


def relative_to_group(
    scores: Float[Tensor, " B"], members: Iterable[Hashable], std_floor: float
) -> Float[Tensor, " B"]:
    """Each score minus the mean of its group, divided by the group's spread or by ``std_floor`` if that is more.

    Args:
        scores: one for each member.
        members: equal ones make a group.
        std_floor: least that a score is divided by.
    """
    numbers: dict[Hashable, int] = {}
    group = torch.tensor([numbers.setdefault(member, len(numbers)) for member in members])
    size = torch.bincount(group).double()
    centered = scores - (torch.bincount(group, scores.double()) / size)[group]
    spread = (torch.bincount(group, centered.square()) / size).sqrt()
    return (centered / spread.clamp_min(max(std_floor, 1e-8))[group]).to(scores.dtype)
