"""The gradient of a policy minibatch in bounded memory, and the bound that a budget allows.

A minibatch is a mean over decisions. Cut into micro-batches, with a backward pass after each, weighted by size, it
gives the same mean and the same gradient to rounding, while only one micro-batch's activations are alive.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from twosome.decision import Decision
from twosome.estimate import (
    GIB,
    Forward,
    copied_bytes,
    frozen_bytes,
    learner_bytes,
    measure_activations,
    recorded,
    tokens_within,
)
from twosome.ppo.loss import PolicyLoss
from twosome.scoring import ActionScorer

IntArray = NDArray[np.int64]


def micro_batches(scorer: ActionScorer, decisions: Sequence[Decision], index: IntArray) -> list[IntArray]:
    """Cut `index`, positions in `decisions`, into parts that the scorer takes within its bound on tokens.

    Equal decisions stay together, for they are evaluated once. What fits is left in one piece, as it is; nothing
    gives no part.
    """
    if not len(index):
        return []
    return [index[part] for part in scorer.parts([decisions[i] for i in index])]


def backward_mean(
    parts: Sequence[IntArray],
    loss_of: Callable[[IntArray], PolicyLoss],
    *,
    size: int | None = None,
    divisor: int = 1,
    backward: Callable[[Tensor], None] = torch.autograd.backward,
) -> dict[str, float]:
    """Add the gradient of the mean loss over all parts, one part at a time, and return the means.

    Args:
        parts: micro-batches.
        loss_of: the mean loss over a micro-batch.
        size: decisions that the mean is over; more than the parts have where other ranks have the others, whose
            gradients and means are then to be added. None: those of the parts.
        divisor: divides the gradient, not the means returned: of how many such means the gradient is the mean.
        backward: adds the gradient of a loss.

    Returns:
        Loss, entropy, approximate KL and clipped fraction, means over all decisions.
    """
    size = sum(map(len, parts)) if size is None else size
    means = {"policy_loss": 0.0, "entropy": 0.0, "approx_kl": 0.0, "clip_fraction": 0.0}
    for part in parts:
        result, share = loss_of(part), len(part) / size
        backward(result.loss / divisor * share)
        found = (result.loss, result.entropy, result.approx_kl, result.clip_fraction)
        for name, value in zip(means, found, strict=True):
            means[name] += share * value.item()
    return means


def fit_to_memory(
    budget_gib: float, scorer: ActionScorer, frozen: ActionScorer, head: nn.Module, decisions: Sequence[Decision]
) -> None:
    """Lower the bounds on tokens of both scorers to what a budget of memory allows.

    Args:
        budget_gib: for everything, in GiB.
        scorer: with the adapters and the checkpointing that training uses.
        frozen: what the critic reads: the same, or one with a model of its own.
        head: the critic's.
        decisions: from which to tell the longest row to expect.

    Raises:
        ConfigError: weights and the longest of these rows do not fit.
    """
    activations = measure_activations(scorer, decisions[0])
    with torch.no_grad(), recorded(scorer) as forwards:
        for decision in dict.fromkeys(decisions):
            scorer.score([decision])
    row = max(forwards, key=lambda forward: (forward.length, forward.num_kept))
    static = frozen_bytes(scorer.model) + learner_bytes(scorer.model)
    static += frozen_bytes(head) + learner_bytes(head) + copied_bytes(scorer, frozen)
    tokens = tokens_within(budget_gib * GIB, static, activations, Forward(1, row.length, row.num_kept))
    for reader in (scorer, frozen):
        reader.max_tokens_per_forward = min(tokens, reader.max_tokens_per_forward)
