"""Scoring with gradients in the memory of one forward: which decisions fit, and what is computed once more."""

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint


def partition(num_tokens: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Cut decisions into parts, each of which takes at most `max_tokens`; as few as padding allows.

    A part counts as many tokens as its longest decision for each of its decisions, so the bound holds however the
    rows are padded. Decisions of like length come together, and a part keeps the given order.

    Args:
        num_tokens: what each decision takes by itself.
        max_tokens: bound on a part. A decision that takes more is a part of its own.
    """
    parts: list[list[int]] = []
    longest = 0
    for i in sorted(range(len(num_tokens)), key=lambda i: (-num_tokens[i], i)):
        if parts and (len(parts[-1]) + 1) * longest <= max_tokens:
            parts[-1].append(i)
        else:
            parts.append([i])
            longest = num_tokens[i]
    return [sorted(part) for part in parts]


def recomputed_if_large(
    function: Callable[..., Tensor], forward_tokens: Sequence[int], max_tokens: int
) -> Callable[..., Tensor]:
    """`function` itself, or, where its calls together pass `max_tokens`, such that each keeps nothing for later.

    With gradients the activations of every forward stay alive until the backward pass. Where that is too much, the
    backward pass computes one forward after the other once more: the same numbers, a third more time. The model must
    then be the same in the backward pass as in the forward.

    Args:
        function: one forward.
        forward_tokens: tokens of each call to come.
        max_tokens: how many may stay alive.
    """
    if not torch.is_grad_enabled() or len(forward_tokens) == 1 or sum(forward_tokens) <= max_tokens:
        return function

    def recomputed(*arguments: object) -> Tensor:
        # Scoring knows no chance (`require_no_dropout`), so there is no generator to set back.
        result = checkpoint(function, *arguments, use_reentrant=False, preserve_rng_state=False)
        return cast(Tensor, result)

    return recomputed
