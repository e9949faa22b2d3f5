"""Generalized advantage estimation for macro-actions.

A decision may last several primitive steps, so the process is semi-Markov: what follows a decision of
duration ``k`` is discounted by ``gamma ** k``, in the temporal-difference error and in the sum over later
errors alike. ``lambda`` counts decisions.

Sources: Schulman et al., 2016 (arXiv:1506.02438), eq. 16; Sutton, Precup and Singh, 1999 (options);
Tan et al., 2024 (arXiv:2401.14151).

What it computes is `twosome.minimal.advantages_of`.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Gamma = float | Float[Tensor, " E"]
"""Discount per primitive step, in [0, 1]: of all environments, or of each."""


@dataclass(frozen=True)
class Estimates:
    """What a rollout says about its decisions, or the choices in them."""

    advantages: Float[Tensor, "*shape"]  # how much better than the critic expected each turned out
    returns: Float[Tensor, "*shape"]  # targets for the critic, ``advantages + values``


def estimate_advantages(
    rewards: Float[Tensor, "T E"],
    durations: Int[Tensor, "T E"],
    values: Float[Tensor, "T E"],
    next_values: Float[Tensor, "T E"],
    terminated: Bool[Tensor, "T E"],
    truncated: Bool[Tensor, "T E"],
    *,
    gamma: Gamma,
    gae_lambda: float,
) -> Estimates:
    """Advantages and value targets of a rollout of T decisions in E environments.

    Args:
        rewards: reward of each decision, already discounted per primitive step inside the decision.
        durations: primitive steps that each decision took; 0 is for a choice inside of one (`estimate_choices`).
        values: critic at the state in which the decision was taken.
        next_values: critic at the state that the decision led to. Where an episode was truncated this is
            the last state of *that* episode, not the first of the next. Ignored where terminated.
        terminated: True where the episode truly ended: nothing follows.
        truncated: True where a time limit cut the episode: a future exists, but the rollout does not show it.
        gamma: discount per primitive step.
        gae_lambda: weight of later errors per decision, in [0, 1]: 0 is one-step, 1 is Monte Carlo.

    Returns:
        Estimates, both T x E, in the units of the reward.
    """
    T, _ = rewards.shape
    discount = gamma**durations
    future = torch.where(terminated, torch.zeros_like(next_values), next_values)
    errors = rewards + discount * future - values
    carry = torch.where(terminated | truncated, torch.zeros_like(discount), discount * gae_lambda)

    advantages = torch.empty_like(errors)
    accumulated = torch.zeros_like(errors[0])
    for t in reversed(range(T)):
        accumulated = errors[t] + carry[t] * accumulated
        advantages[t] = accumulated
    return Estimates(advantages, advantages + values)


def normalize_advantages(advantages: Float[Tensor, "*shape"], std_floor: float = 0.1) -> Float[Tensor, "*shape"]:
    """Advantages of a whole rollout, centered and divided by ``max(std, std_floor)``.

    Without the floor a rollout in which nothing was rewarded has only the critic's noise for a spread, and
    dividing by it turns noise into full-sized policy updates.
    """
    centered = advantages - advantages.mean()
    return centered / centered.square().mean().sqrt().clamp_min(max(std_floor, 1e-8))
