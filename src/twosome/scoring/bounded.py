"""Scoring with gradients in the memory of one forward: which decisions fit, and what is computed once more."""

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint


def split_to_fit(items: Sequence[int], fits: Callable[[Sequence[int]], bool]) -> list[list[int]]:
    """Cut `items` into halves, and these again, until each part fits or is a single item; the order stays.

    Args:
        items: in an order in which neighbors are best kept together.
        fits: whether items can be taken in one part.
    """
    if len(items) == 1 or fits(items):
        return [list(items)]
    middle = len(items) // 2
    return split_to_fit(items[:middle], fits) + split_to_fit(items[middle:], fits)


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
