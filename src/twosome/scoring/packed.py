"""Packed rows through the model: batches, forwards of bounded size, log-probabilities at the slots alone.

Rows are padded on the left, so that their slots, a row's last tokens, stand in the same last columns. The stock
argument ``logits_to_keep`` then gives logits of these columns only, with whatever the family does to its logits
(soft-capping, scaling) left in place, and ``[B, N, V]`` is never formed.

What it computes is `twosome.minimal.score`.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from twosome.scoring.attention import model_mask
from twosome.scoring.bounded import recomputed_if_large
from twosome.scoring.forest import Costs, PackedRow
from twosome.scoring.lower import LowerLayers
from twosome.scoring.position_ranges import ONE_RANGE, PositionRanges
from twosome.scoring.readout import token_log_probs
from twosome.scoring.trie import IntArray

Lower: TypeAlias = tuple[LowerLayers, Callable[[Sequence[PackedRow]], Float[Tensor, "B N D"]]]

# Logits of one forward, in numbers: bounds [B, slots, V] however large the vocabulary is.
MAX_LOGITS = 2**27
# Rows of very unequal length share a forward only while it is small: there an extra forward costs more than padding.
_SMALL_FORWARD = 4096
_MIN_FILL = 0.8
# Time of a pair of tokens in attention over that of as many operations elsewhere; measured by benchmarks/forest.py.
_PAIR_WEIGHT = 1.5


@dataclass(frozen=True)
class _Batch:
    """Packed rows side by side, as the model takes them.

    `slots` and `edge_tokens` say which logits are wanted: the flat position among the kept columns, and the token.
    `paths` are edges of the whole batch; behind an action's last edge stands the number of edges.
    """

    tokens: IntArray  # [B, N]
    positions: IntArray  # [B, N]
    order: IntArray  # [B, N]
    ends: IntArray  # [B, N]
    num_kept: int
    slots: IntArray  # [E]
    edge_tokens: IntArray  # [E]
    paths: IntArray  # [A, L]


def max_nodes(num_shared: int, costs: Costs) -> int:
    """Most inner nodes that a trie behind a prompt of `num_shared` tokens should have.

    A row of n nodes behind P tokens costs ``(P + n) + pair (P + n)^2``; per node this is least at
    ``n^2 = P^2 + P / pair``. Beyond that reading the prompt once more is cheaper than longer attention.
    """
    best = math.isqrt(int(num_shared**2 + num_shared / costs.pair))
    return max(0, min(best, costs.max_tokens - num_shared, costs.max_slots - 1))


def row_costs(config: Any, max_tokens: int) -> Costs:
    """What bounds packed rows on a model of this shape, and what they cost.

    Counted in multiplications, beside attention a token costs about 12 D^2 in each layer, a pair of tokens 2 D
    within attention, and a slot D V at the end.
    """
    text_config = config.get_text_config()
    width, vocab_size = text_config.hidden_size, text_config.vocab_size
    return Costs(
        max_tokens=max_tokens,
        max_slots=max(1, MAX_LOGITS // vocab_size),
        pair=_PAIR_WEIGHT / (6 * width),
        slot=vocab_size / (12 * width * text_config.num_hidden_layers),
    )


def packed_token_log_probs(
    model: Any,
    rows: Sequence[PackedRow],
    device: torch.device,
    max_tokens: int,
    lower: Lower | None = None,
) -> Iterator[tuple[list[int], Float[Tensor, "A L"]]]:
    """For one forward after another: which rows it held, and log p of each token of their actions.

    Actions come in the order of the rows and, within one, of its `action_ids`; zero behind an action's last
    token. Natural logarithm, float32 (float64 for a model in float64). Gradients flow, through at most `max_tokens`
    at a time (see `recomputed_if_large`).

    Args:
        model: the language model.
        rows: what to score.
        device: where the model takes its tokens.
        max_tokens: most tokens of a forward.
        lower: layers that need not be computed, and the states with which some rows leave them.
    """
    position_ranges = PositionRanges.of_model(model.config)
    groups = plan_forwards(rows, model.config.get_text_config().vocab_size, max_tokens, position_ranges)
    forward_tokens = [len(group) * max(rows[i].length for i in group) for group in groups]
    forward = recomputed_if_large(_forward, forward_tokens, max_tokens)
    for group in groups:
        batch = [rows[i] for i in group]
        left_out = nullcontext if lower is None else partial(lower[0].left_out, lower[1](batch))
        yield group, forward(model, _batch(batch), device, left_out)


def plan_forwards(
    rows: Sequence[PackedRow], vocab_size: int, max_tokens: int, position_ranges: PositionRanges = ONE_RANGE
) -> list[list[int]]:
    """Which rows go through the model together: long ones first, so that rows of one forward are alike.

    Depends on nothing but the rows' shapes and their order. Rows of different `position_ranges` never share a forward.
    """
    groups: list[list[int]] = []
    width = slots = 0
    range_of = [position_ranges.of(row.num_read) for row in rows]
    for i in sorted(range(len(rows)), key=lambda i: (range_of[i], -rows[i].length, i)):
        row = rows[i]
        group = groups[-1] if groups and range_of[groups[-1][0]] == range_of[i] else []
        size, widest = len(group) + 1, max(slots, row.num_slots)
        fits = size * width <= max_tokens and size * widest * vocab_size <= MAX_LOGITS
        wasteful = len(group) * width >= _SMALL_FORWARD and row.length < _MIN_FILL * width
        if group and fits and not wasteful:
            group.append(i)
            slots = widest
        else:
            groups.append([i])
            width, slots = row.length, row.num_slots
    return groups


def _batch(rows: Sequence[PackedRow]) -> _Batch:
    size, width = len(rows), max(row.length for row in rows)
    num_kept = max(row.num_slots for row in rows)
    num_edges = sum(len(row.edge_slots) for row in rows)
    tokens = np.zeros((size, width), dtype=np.int64)
    positions = np.zeros((size, width), dtype=np.int64)
    order = np.tile(np.arange(-width, 0), (size, 1))
    ends = order + 1
    paths = np.full((sum(len(row.paths) for row in rows), max(row.paths.shape[1] for row in rows)), num_edges)
    slots = np.empty(num_edges, dtype=np.int64)
    edge_tokens = np.empty(num_edges, dtype=np.int64)
    edge = action = 0
    for b, row in enumerate(rows):
        pad = width - row.length
        tokens[b, pad:] = row.tokens
        positions[b, pad:] = row.positions
        order[b, pad:] = row.order
        ends[b, pad:] = row.ends
        next_edge, next_action = edge + len(row.edge_slots), action + len(row.paths)
        slots[edge:next_edge] = row.edge_slots + ((b + 1) * num_kept - row.num_slots)
        edge_tokens[edge:next_edge] = row.edge_tokens
        paths[action:next_action, : row.paths.shape[1]] = np.where(row.paths < 0, num_edges, row.paths + edge)
        edge, action = next_edge, next_action
    return _Batch(tokens, positions, order, ends, num_kept, slots, edge_tokens, paths)


def _forward(
    model: Any, batch: _Batch, device: torch.device, left_out: Callable[[], AbstractContextManager[None]]
) -> Float[Tensor, "A L"]:
    def on_device(array: IntArray) -> Tensor:
        return torch.from_numpy(array).to(device)

    positions = on_device(batch.positions)
    order, ends = on_device(batch.order), on_device(batch.ends)
    # As a tensor, for which the model copies the states of these columns: a slice of many rows, which is not
    # contiguous, would be multiplied row by row, in bfloat16 with a copy of the output layer for each.
    kept = torch.arange(-batch.num_kept, 0, device=device)
    with left_out():
        logits = model(
            input_ids=on_device(batch.tokens),
            attention_mask=model_mask(model.config, order, ends, positions, model.dtype),
            position_ids=positions,
            use_cache=False,
            logits_to_keep=kept,
        ).logits
    edge_logp = token_log_probs(logits.flatten(0, 1), on_device(batch.slots), on_device(batch.edge_tokens))
    return torch.cat([edge_logp, edge_logp.new_zeros(1)])[on_device(batch.paths)]
