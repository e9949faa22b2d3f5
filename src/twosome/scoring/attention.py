"""Who sees whom in a packed row: every token sees itself and its ancestors in the tree.

In depth-first order a token's descendants follow it without a gap, up to ``ends``: a query with the number q sees a
key with the number k exactly when ``k <= q < ends_k``. Padding has numbers of its own and sees only itself: no row
of the mask is empty, and so no softmax over nothing makes a NaN.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

ModelMask = Tensor | dict[str, Tensor]


class UnsupportedAttentionError(Exception):
    """A model's attention cannot express a trie; the message says why. Never leaves `twosome.scoring`."""


def tree_mask(order: Int[Tensor, "B N"], ends: Int[Tensor, "B N"]) -> Bool[Tensor, "B 1 N N"]:
    """Which columns (last axis) each column sees; True = attends.

    Args:
        order: depth-first number of each column's token; negative and distinct for padding.
        ends: the number behind its last descendant; its own and one where it has none.
    """
    query, key, key_ends = order[:, :, None], order[:, None, :], ends[:, None, :]
    return ((key <= query) & (query < key_ends)).unsqueeze(1)


def model_mask(
    config: Any,
    order: Int[Tensor, "B N"],
    ends: Int[Tensor, "B N"],
    positions: Int[Tensor, "B N"],
    dtype: torch.dtype,
) -> ModelMask:
    """The mask in the form that a stock Transformers model takes.

    Follows `transformers.masking_utils.create_masks_for_generate`: one mask for each kind of layer where the
    configuration lists kinds, else a single one, of the sliding kind where a window is set. A window counts
    positions along each path, not columns. Boolean (True = attends) for sdpa, additive for eager attention.

    Raises:
        UnsupportedAttentionError: the model has layers, or an attention implementation, without such a mask.
    """
    text_config = config.get_text_config()
    full = tree_mask(order, ends)

    def mask_of(kind: str) -> Tensor:
        if kind == "full_attention":
            return _as_implementation(text_config, full, dtype)
        if kind == "sliding_attention":
            near = positions[:, None, None, :] > positions[:, None, :, None] - text_config.sliding_window
            return _as_implementation(text_config, full & near, dtype)
        raise UnsupportedAttentionError(f"it has layers of the kind {kind!r}, to which a trie cannot be shown")

    if getattr(text_config, "layer_types", None) is not None:
        return {kind: mask_of(kind) for kind in sorted(set(text_config.layer_types))}
    if getattr(text_config, "sliding_window", None) is not None:
        return mask_of("sliding_attention")
    if getattr(text_config, "attention_chunk_size", None) is not None:
        return mask_of("chunked_attention")
    return mask_of("full_attention")


def _as_implementation(
    config: Any, mask: Bool[Tensor, "B 1 N N"], dtype: torch.dtype
) -> Bool[Tensor, "B 1 N N"] | Float[Tensor, "B 1 N N"]:
    implementation = config._attn_implementation
    if implementation == "sdpa":
        return mask
    if implementation == "eager":
        return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, torch.finfo(dtype).min)
    raise UnsupportedAttentionError(
        f"its attention implementation {implementation!r} takes no mask of its own; 'sdpa' and 'eager' do"
    )
