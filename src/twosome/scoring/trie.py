"""A packed row: the prompt's tokens once, then the trie of its actions.

Actions that begin with the same tokens share the nodes of these tokens. A row holds only the nodes that have
children: a leaf is only ever predicted, never read, so its token need not pass through the model. The nodes
stand in depth-first order, so a node's descendants follow it without a gap, and one number for each token,
where its descendants end, says which tokens see it (see `attention.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class PackedRow:
    """One row of a packed forward.

    *Slots* are the positions that predict: slot 0 is the last prompt token, slot i the i-th inner node, so the
    slots are the row's last tokens. An *edge* is a token predicted at a slot.

    Attributes:
        tokens: ids, ``[N]``: the prompt, then the inner nodes.
        positions: distance from the row's first token along the path, ``[N]``.
        ends: index behind each token's last descendant, ``[N]``; N for the prompt.
        num_slots: inner nodes and one.
        edge_slots: where each edge is predicted, ``[E]``.
        edge_tokens: which token it predicts, ``[E]``.
        paths: edges of each action, ``[A, L]``, -1 behind the last.
        action_ids: which action each path belongs to, ``[A]``.
    """

    tokens: IntArray
    positions: IntArray
    ends: IntArray
    num_slots: int
    edge_slots: IntArray
    edge_tokens: IntArray
    paths: IntArray
    action_ids: IntArray

    @property
    def length(self) -> int:
        """Tokens in the row, N."""
        return len(self.tokens)


def pack(
    shared: Sequence[int], actions: Sequence[Sequence[int]], max_nodes: int | None = None
) -> tuple[PackedRow, ...]:
    """Pack a decision into rows; one row, unless its trie has more than `max_nodes` inner nodes.

    The rows do not depend on the order of the actions, except in `action_ids`.

    Args:
        shared: ids that stand before every action, at least one.
        actions: for each action id its tokens; empty where it is not available.
        max_nodes: most inner nodes in a row with several actions; None: no limit. An action whose own path is
            longer gets a row to itself.
    """
    by_tokens: dict[tuple[int, ...], list[int]] = {}
    for action_id, tokens in enumerate(actions):
        if len(tokens) > 0:
            by_tokens.setdefault(tuple(tokens), []).append(action_id)
    rows: list[PackedRow] = []
    builder = _RowBuilder()
    # In sorted order an action follows those it shares a beginning with, and nodes appear depth first.
    for tokens in sorted(by_tokens):
        if max_nodes is not None and builder.paths and builder.num_nodes_with(tokens) > max_nodes:
            rows.append(builder.finish(shared))
            builder = _RowBuilder()
        builder.add(tokens, by_tokens[tokens])
    rows.append(builder.finish(shared))
    return tuple(rows)


class _RowBuilder:
    def __init__(self) -> None:
        self.slots: dict[tuple[int, ...], int] = {(): 0}
        self.edges: dict[tuple[int, int], int] = {}
        self.paths: list[list[int]] = []
        self.action_ids: list[int] = []

    def num_nodes_with(self, tokens: tuple[int, ...]) -> int:
        new = sum(tokens[:depth] not in self.slots for depth in range(1, len(tokens)))
        return len(self.slots) - 1 + new

    def add(self, tokens: tuple[int, ...], action_ids: Sequence[int]) -> None:
        path = []
        for depth, token in enumerate(tokens):
            slot = self.slots.setdefault(tokens[:depth], len(self.slots))
            path.append(self.edges.setdefault((slot, token), len(self.edges)))
        for action_id in action_ids:
            self.paths.append(path)
            self.action_ids.append(action_id)

    def finish(self, shared: Sequence[int]) -> PackedRow:
        nodes = list(self.slots)[1:]
        num_shared, length = len(shared), len(shared) + len(nodes)
        depths = [len(node) for node in nodes]
        edges = np.array(list(self.edges), dtype=np.int64)
        paths = np.full((len(self.paths), max(map(len, self.paths))), -1, dtype=np.int64)
        for path, row in zip(self.paths, paths, strict=True):
            row[: len(path)] = path
        return PackedRow(
            tokens=np.array([*shared, *(node[-1] for node in nodes)], dtype=np.int64),
            positions=np.array([*range(num_shared), *(num_shared - 1 + d for d in depths)], dtype=np.int64),
            ends=np.array([*[length] * num_shared, *_subtree_ends(depths, num_shared)], dtype=np.int64),
            num_slots=len(self.slots),
            edge_slots=edges[:, 0],
            edge_tokens=edges[:, 1],
            paths=paths,
            action_ids=np.array(self.action_ids, dtype=np.int64),
        )


def _subtree_ends(depths: Sequence[int], offset: int) -> list[int]:
    """For nodes in depth-first order, the index behind each one's last descendant, counted from `offset`."""
    ends = [offset + len(depths)] * len(depths)
    open_nodes: list[int] = []
    for i, depth in enumerate(depths):
        while open_nodes and depths[open_nodes[-1]] >= depth:
            ends[open_nodes.pop()] = offset + i
        open_nodes.append(i)
    return ends
