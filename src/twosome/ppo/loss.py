"""The two losses of PPO, as functions of tensors.

Both are means over a minibatch, so the mean over equal parts of a minibatch is the loss of the whole:
gradient accumulation changes memory and never the result.

Source: Schulman et al., 2017 (arXiv:1707.06347), eqs. 7 and 9.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class PolicyLoss:
    """The policy's loss and what is worth knowing about it; all but ``loss`` are detached."""

    loss: Float[Tensor, ""]
    entropy: Float[Tensor, ""]
    approx_kl: Float[Tensor, ""]
    clip_fraction: Float[Tensor, ""]


def policy_loss(
    log_policy: Float[Tensor, "B A"],
    actions: Int[Tensor, " B"],
    old_logp: Float[Tensor, " B"],
    advantages: Float[Tensor, " B"],
    *,
    clip: float,
    entropy_coef: float,
) -> PolicyLoss:
    """Clipped surrogate with an entropy bonus, for actions as they are.

    Args:
        log_policy: log pi(action | prompt) in nats, each row summing to one in probability; -inf where an
            action is not available.
        actions: ids that were taken; each must be available.
        old_logp: log-probability of the taken action when it was taken.
        advantages: one for each decision, normalized.
        clip: how far the probability ratio may move before it stops paying.
        entropy_coef: weight of the mean entropy (nats) of the policy.

    Returns:
        The loss to minimize.
    """
    new_logp = log_policy.gather(1, actions[:, None])
    rest = (old_logp[:, None], advantages[:, None])
    return path_policy_loss(log_policy, new_logp, *rest, clip=clip, entropy_coef=entropy_coef)


def path_policy_loss(
    log_policy: Float[Tensor, "B A"],
    new_logp: Float[Tensor, "B J"],
    old_logp: Float[Tensor, "B J"],
    advantages: Float[Tensor, "B J"],
    *,
    clip: float,
    entropy_coef: float,
) -> PolicyLoss:
    """The same for actions that are paths of choices: each has its ratio, its advantage and its clipping.

    The surrogate, and the approximate KL, are sums over an action's choices: log pi and the KL between policies add up
    along a path, so that with equal advantages the gradient is that of the whole action.

    Args:
        log_policy: as in `policy_loss`. Its entropy is that of the actions.
        new_logp: log-probability of each choice; where an action has fewer than J, the same as `old_logp`.
        old_logp: log-probability of each choice when it was made.
        advantages: one for each choice, normalized; 0 where an action has fewer than J.
        clip: how far the probability ratio of a choice may move before it stops paying.
        entropy_coef: weight of the mean entropy (nats) of the policy.

    Returns:
        The loss to minimize. ``approx_kl`` is the estimator ``(r - 1) - log r``, which is never negative
        (Schulman, 2020, "Approximating KL divergence"). ``clip_fraction`` is the share of decisions with a choice
        whose ratio has left the interval.
    """
    surrogate = clipped_surrogate(new_logp, old_logp, advantages, clip=clip)

    # p log p is 0 where p is 0, but its gradient through -inf is not a number: take such actions out first.
    available = log_policy.isfinite()
    safe_logp = log_policy.masked_fill(~available, 0.0)
    entropy = -(safe_logp.exp() * safe_logp * available).sum(-1).mean()
    loss = surrogate.loss - entropy_coef * entropy
    return PolicyLoss(loss, entropy.detach(), surrogate.approx_kl, surrogate.clip_fraction)


@dataclass(frozen=True)
class Surrogate:
    """The clipped surrogate as a loss, and how far the policy has moved; all but ``loss`` are detached."""

    loss: Float[Tensor, ""]
    approx_kl: Float[Tensor, ""]
    clip_fraction: Float[Tensor, ""]


def clipped_surrogate(
    new_logp: Float[Tensor, "B J"], old_logp: Float[Tensor, "B J"], advantages: Float[Tensor, "B J"], *, clip: float
) -> Surrogate:
    """The surrogate of `path_policy_loss`, without a bonus; see there."""
    log_ratio = new_logp - old_logp
    ratio = log_ratio.exp()
    surrogate = torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages).sum(-1).mean()
    with torch.no_grad():
        approx_kl = ((ratio - 1) - log_ratio).sum(-1).mean()
        clip_fraction = ((ratio - 1).abs() > clip).any(-1).float().mean()
    return Surrogate(-surrogate, approx_kl, clip_fraction)


def value_loss(
    values: Float[Tensor, " B"],
    old_values: Float[Tensor, " B"],
    returns: Float[Tensor, " B"],
    *,
    clip: float,
) -> Float[Tensor, ""]:
    """Half the mean squared error, taken at the worse of the value and its clipped move from ``old_values``."""
    clipped = old_values + (values - old_values).clamp(-clip, clip)
    return 0.5 * torch.maximum((values - returns).square(), (clipped - returns).square()).mean()
