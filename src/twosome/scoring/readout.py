"""Log-probabilities of a few tokens at each position, without keeping a second array as large as the logits.

``log_softmax`` would store [positions, vocabulary] in float32 for the backward pass beside the logits
themselves. Only one number is needed for each predicted token, so this keeps the logits and their log-sum-exp
and recomputes the probabilities in chunks when gradients flow.
"""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

_CHUNK_NUMBERS = 2**22  # 16 MB in float32


def token_log_probs(
    logits: Float[Tensor, "M V"], rows: Int[Tensor, " E"], tokens: Int[Tensor, " E"]
) -> Float[Tensor, " E"]:
    """Log softmax(logits[rows])[tokens], in nats, in float32 (float64 for float64 logits).

    Args:
        logits: unnormalized scores.
        rows: row of each wanted number.
        tokens: column of each wanted number; the pairs (row, column) are distinct.
    """
    function: Any = _TokenLogProbs
    result: Tensor = function.apply(logits, rows, tokens)
    return result


class _TokenLogProbs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, rows: Tensor, tokens: Tensor) -> Tensor:
        lse = torch.cat([torch.logsumexp(chunk, dim=-1) for _, chunk in _chunks(logits)])
        logp = logits[rows, tokens].to(lse.dtype) - lse[rows]
        ctx.save_for_backward(logits, rows, tokens, lse, logp)
        return logp

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_logp: Tensor) -> tuple[Tensor, None, None]:
        logits, rows, tokens, lse, logp = ctx.saved_tensors
        mass = torch.zeros_like(lse).index_add_(0, rows, grad_logp)
        grad = torch.empty_like(logits)
        for part, chunk in _chunks(logits):
            grad[part] = torch.exp(chunk - lse[part, None]).mul_(-mass[part, None])
        grad[rows, tokens] = (grad_logp - mass[rows] * logp.exp()).to(grad.dtype)
        return grad, None, None


def _chunks(logits: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Slices of rows, in at least single precision."""
    dtype = torch.promote_types(logits.dtype, torch.float32)
    size = max(1, _CHUNK_NUMBERS // logits.shape[1])
    for start in range(0, logits.shape[0], size):
        part = slice(start, start + size)
        yield part, logits[part].to(dtype)
