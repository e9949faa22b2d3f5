"""Packed rows: decisions whose prompts begin alike stand in one row, and what they share passes through once.

A row is one tree in depth-first order: the prompts as a radix tree, and behind each prompt's end the trie of its
actions. Everything here is done for whole arrays at once; the loops go over decisions, never over tokens.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from jaxtyping import Int

from twosome.scoring.position_ranges import ONE_RANGE, PositionRanges
from twosome.scoring.trie import ActionTrie, IntArray

_WIDTH_STEP = 1.15


@dataclass(frozen=True)
class Costs:
    """What bounds a row of several decisions, and what makes one row dearer than another."""

    max_tokens: int  # most tokens in a row
    max_slots: int  # most places that predict in a row
    pair: float
    """What a pair of tokens costs in attention, in units of what a token costs beside attention. A row's attention
    grows with the square of its length, so sharing pays up to a certain length."""
    slot: float  # what the logits of a place that predicts cost, in the same units

    def of(self, num_rows: int, num_tokens: int, num_slots: int) -> float:
        """Cost of rows padded to the same numbers of tokens and slots."""
        return num_rows * (num_tokens + self.pair * num_tokens**2 + self.slot * num_slots)


@dataclass(frozen=True)
class PackedRow:
    """One row of a packed forward.

    The slots, places that predict (see `ActionTrie`), are the row's last tokens, so that logits are formed for
    these columns only. Columns therefore do not stand in depth-first order; `order` keeps it.
    """

    tokens: IntArray  # ids, ``[N]``
    positions: IntArray  # distance from the beginning along the path, ``[N]``
    order: IntArray  # depth-first number of each token, ``[N]``
    ends: IntArray  # depth-first number behind each token's last descendant, ``[N]``
    num_slots: int  # how many of the last tokens predict
    edge_slots: IntArray  # where each edge is predicted, ``[E]``; the pairs of slot and token are distinct
    edge_tokens: IntArray  # which token it predicts, ``[E]``
    paths: IntArray  # edges of each action, ``[A, L]``, -1 behind the last
    owners: IntArray  # index of the trie that each path comes from, ``[A]``
    action_ids: IntArray  # which of its actions it is, ``[A]``

    @property
    def length(self) -> int:
        """Tokens in the row, N."""
        return len(self.tokens)

    @property
    def num_read(self) -> int:
        """Tokens from the beginning to the end of the longest path, as far as they are read."""
        return int(self.positions.max()) + 1


def pack(tries: Sequence[ActionTrie], costs: Costs, position_ranges: PositionRanges = ONE_RANGE) -> list[PackedRow]:
    """Rows that hold each trie once. Depends on the tries and their order alone.

    Args:
        tries: at least one; of one decision or of many.
        costs: bounds and costs of a row; a trie that alone exceeds the bounds gets a row to itself.
        position_ranges: tries of different ones never share a row.
    """
    members: dict[int, list[int]] = {}
    for i, trie in enumerate(tries):
        members.setdefault(position_ranges.of(trie.num_read), []).append(i)
    return [
        replace(row, owners=np.array(group)[row.owners])
        for _, group in sorted(members.items())
        for row in _pack_alike([tries[i] for i in group], costs)
    ]


def _pack_alike(tries: Sequence[ActionTrie], costs: Costs) -> list[PackedRow]:
    owners = np.array(sorted(range(len(tries)), key=lambda i: (tries[i].shared, i)), dtype=np.int64)
    tries = [tries[i] for i in owners]
    lengths = np.array([len(trie.shared) for trie in tries])
    prompts = np.full((len(tries), lengths.max()), -1, dtype=np.int64)
    for prompt, trie in zip(prompts, tries, strict=True):
        prompt[: len(trie.shared)] = trie.shared
    common = _common_with_previous(prompts, lengths)
    cuts = _cuts(lengths, common, np.array([trie.num_nodes for trie in tries]), costs)
    common[cuts] = 0
    rows = []
    for start, stop in pairwise([*cuts, len(tries)]):
        here = slice(start, stop)
        width = lengths[here].max()
        rows.append(_row(tries[here], owners[here], prompts[here, :width], lengths[here], common[here]))
    return rows


def most_tokens(tries: Sequence[ActionTrie], costs: Costs) -> float:
    """A bound, found without packing, on the tokens of the rows that `pack` makes, padding included.

    `pack` never does worse than one row for each trie, and what it compares is at least the number of tokens.
    """
    longest = max(len(trie.shared) + trie.num_nodes for trie in tries)
    return costs.of(len(tries), longest, 1 + max(trie.num_nodes for trie in tries))


def _common_with_previous(prompts: Int[np.ndarray, "D P"], lengths: IntArray) -> IntArray:
    """Leading tokens that each prompt shares with the one before; in sorted order no earlier one has more in common.

    The last token of a prompt that a longer one begins with is not shared: it is a slot, which stands last in the row,
    and a token must not stand behind its descendants. Some models see no column behind their own, whatever the mask.
    """
    differs = np.ones((len(prompts), prompts.shape[1] + 1), dtype=bool)
    differs[1:, :-1] = prompts[1:] != prompts[:-1]
    differs[0] = True
    common: IntArray = np.minimum(differs.argmax(axis=1), lengths)
    common[1:] = np.minimum(common[1:], lengths[:-1] - (lengths[:-1] < lengths[1:]))
    return common


def _cuts(lengths: IntArray, common: IntArray, nodes: IntArray, costs: Costs) -> list[int]:
    """Where rows begin: of several widths to which rows are filled in sorted order, the cheapest."""
    sizes = [(int(n), int(c), int(i) + 1) for n, c, i in zip(lengths + nodes, common, nodes, strict=True)]
    narrowest = max(size for size, _, _ in sizes)
    widest = min(costs.max_tokens, int((lengths + nodes - common).sum()))
    num_widths = 1 + max(0, math.ceil(math.log(widest / narrowest, _WIDTH_STEP)))
    # The first of equally cheap ones, so the narrowest.
    fillings = [_fill(sizes, narrowest * _WIDTH_STEP**k, costs) for k in range(num_widths)]
    alone = list(range(len(sizes))), costs.of(len(sizes), narrowest, max(slots for _, _, slots in sizes))
    return min([*fillings, alone], key=lambda filling: filling[1])[0]


def _fill(sizes: Sequence[tuple[int, int, int]], width: float, costs: Costs) -> tuple[list[int], float]:
    """Cuts of rows filled up to a width, and what the rows cost.

    Args:
        sizes: of each decision its tokens, those it shares with the one before, and its slots.
        width: most tokens of a row.
        costs: bounds and costs.
    """
    width = min(width, costs.max_tokens)
    cuts: list[int] = []
    length = slots = longest = most_slots = 0
    for i, (own, shared, own_slots) in enumerate(sizes):
        length, slots = length + own - shared, slots + own_slots
        if i == 0 or length > width or slots > costs.max_slots:
            cuts.append(i)
            length, slots = own, own_slots
        longest, most_slots = max(longest, length), max(most_slots, slots)
    return cuts, costs.of(len(cuts), longest, most_slots)


def _row(
    tries: Sequence[ActionTrie],
    owners: IntArray,
    prompts: Int[np.ndarray, "D P"],
    lengths: IntArray,
    common: IntArray,
) -> PackedRow:
    _, P = prompts.shape
    depths = np.arange(P)
    num_nodes = np.array([trie.num_nodes for trie in tries])
    added = lengths - common
    stops = np.cumsum(added + num_nodes)
    starts = stops - added - num_nodes
    total = int(stops[-1])

    # The prompts' own cells: depth-first numbers, and the number at which something branches off at or above them.
    prompt, depth = np.nonzero((depths >= common[:, None]) & (depths < lengths[:, None]))
    order = (starts - common)[prompt] + depth
    branches = np.where(common[:, None] <= depths, starts[:, None], total)
    ends = np.vstack([np.minimum.accumulate(branches[::-1], axis=0)[::-1][1:], np.full((1, P), total)])[prompt, depth]
    is_last = depth == lengths[prompt] - 1

    # Then the tries' inner nodes, each trie right behind its prompt's last token.
    bases = starts + added
    node_bases = np.repeat(bases, num_nodes)
    local = np.concatenate([np.arange(trie.num_nodes) for trie in tries])
    order = np.concatenate([order, node_bases + local])
    ends = np.concatenate([ends, node_bases + np.concatenate([trie.ends for trie in tries])])
    tokens = np.concatenate([prompts[prompt, depth], *(trie.tokens for trie in tries)])
    node_depths = np.repeat(lengths - 1, num_nodes) + np.concatenate([trie.depths for trie in tries])
    positions = np.concatenate([depth, node_depths])
    is_slot = np.concatenate([is_last, np.ones(len(local), dtype=bool)])
    columns = np.lexsort((order, is_slot))
    slots = np.sort(order[is_slot])

    # A prompt that is its predecessor over again ends where that one ends.
    last = np.maximum.accumulate(np.where(added > 0, bases - 1, -1))
    edge_slots, edge_tokens, paths = _edges(tries, last, bases)
    return PackedRow(
        tokens=tokens[columns],
        positions=positions[columns],
        order=order[columns],
        ends=ends[columns],
        num_slots=len(slots),
        edge_slots=np.searchsorted(slots, edge_slots),
        edge_tokens=edge_tokens,
        paths=paths,
        owners=np.repeat(owners, [len(trie.paths) for trie in tries]),
        action_ids=np.concatenate([trie.action_ids for trie in tries]),
    )


def _edges(
    tries: Sequence[ActionTrie], last: IntArray, bases: IntArray
) -> tuple[IntArray, IntArray, Int[np.ndarray, "A L"]]:
    """All tries' edges, with depth-first numbers for slots, and the paths over them; equal edges are one."""
    num_edges = [len(trie.edge_slots) for trie in tries]
    local = np.concatenate([trie.edge_slots for trie in tries])
    slots = np.where(local == 0, np.repeat(last, num_edges), np.repeat(bases, num_edges) + local - 1)
    tokens = np.concatenate([trie.edge_tokens for trie in tries])
    paths = np.full((sum(len(trie.paths) for trie in tries), max(trie.paths.shape[1] for trie in tries)), -1)
    row = edge = 0
    for trie, count in zip(tries, num_edges, strict=True):
        part = paths[row : row + len(trie.paths), : trie.paths.shape[1]]
        part[:] = np.where(trie.paths < 0, -1, trie.paths + edge)
        row, edge = row + len(trie.paths), edge + count
    if len(np.unique(last)) == len(last):
        return slots, tokens, paths
    pairs, same = np.unique(np.stack([slots, tokens]), axis=1, return_inverse=True)
    return pairs[0], pairs[1], np.where(paths < 0, -1, same.reshape(-1)[paths])
