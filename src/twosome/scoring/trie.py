"""The trie of a decision's actions: those that begin with the same tokens share the nodes of these tokens.

Only nodes that have children are kept: a leaf is only ever predicted, never read, so its token need not pass
through the model. The nodes stand in depth-first order, so a node's descendants follow it without a gap, and one
number for each, where its descendants end, says who sees whom. Built once for each distinct decision; `forest.py`
puts tries behind their prompts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class ActionTrie:
    """A prompt's tokens and the trie of some actions behind it.

    *Slots* are the places that predict: slot 0 is the prompt's last token, slot i the i-th inner node. An *edge*
    is a token predicted at a slot.
    """

    shared: tuple[int, ...]  # ids that stand before every action, ``[P]``
    tokens: IntArray  # ids of the inner nodes, ``[I]``
    depths: IntArray  # tokens from the prompt's end to each inner node, 1 for the first, ``[I]``
    ends: IntArray  # index behind each inner node's last descendant, ``[I]``
    edge_slots: IntArray  # where each edge is predicted, ``[E]``
    edge_tokens: IntArray  # which token it predicts, ``[E]``
    paths: IntArray  # edges of each action, ``[A, L]``, -1 behind the last
    action_ids: IntArray  # which action each path belongs to, ``[A]``

    @property
    def num_nodes(self) -> int:
        """Inner nodes, I."""
        return len(self.tokens)

    @property
    def num_read(self) -> int:
        """Tokens of the prompt and of the longest action, as far as they are read: all but its last."""
        return len(self.shared) + int(self.depths.max(initial=0))


def build_tries(
    shared: Sequence[int], actions: Sequence[Sequence[int]], max_nodes: int | None = None
) -> tuple[ActionTrie, ...]:
    """The trie of a decision's actions; several, if it has more than `max_nodes` inner nodes.

    The tries do not depend on the order of the actions, except in `action_ids`.

    Args:
        shared: ids that stand before every action, at least one.
        actions: for each action id its tokens; empty where it is not available.
        max_nodes: most inner nodes in a trie of several actions; None: no limit. An action whose own path is
            longer gets a trie to itself.
    """
    by_tokens: dict[tuple[int, ...], list[int]] = {}
    for action_id, tokens in enumerate(actions):
        if len(tokens) > 0:
            by_tokens.setdefault(tuple(tokens), []).append(action_id)
    tries: list[ActionTrie] = []
    builder = _TrieBuilder()
    # In sorted order an action follows those it shares a beginning with, and nodes appear depth first.
    for tokens in sorted(by_tokens):
        if max_nodes is not None and builder.paths and builder.num_nodes_with(tokens) > max_nodes:
            tries.append(builder.finish(shared))
            builder = _TrieBuilder()
        builder.add(tokens, by_tokens[tokens])
    tries.append(builder.finish(shared))
    return tuple(tries)


class _TrieBuilder:
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

    def finish(self, shared: Sequence[int]) -> ActionTrie:
        nodes = list(self.slots)[1:]
        depths = [len(node) for node in nodes]
        edges = np.array(list(self.edges), dtype=np.int64)
        paths = np.full((len(self.paths), max(map(len, self.paths))), -1, dtype=np.int64)
        for path, row in zip(self.paths, paths, strict=True):
            row[: len(path)] = path
        return ActionTrie(
            shared=tuple(shared),
            tokens=np.array([node[-1] for node in nodes], dtype=np.int64),
            depths=np.array(depths, dtype=np.int64),
            ends=np.array(_subtree_ends(depths), dtype=np.int64),
            edge_slots=edges[:, 0],
            edge_tokens=edges[:, 1],
            paths=paths,
            action_ids=np.array(self.action_ids, dtype=np.int64),
        )


def _subtree_ends(depths: Sequence[int]) -> list[int]:
    """For nodes in depth-first order, the index behind each one's last descendant."""
    ends = [len(depths)] * len(depths)
    open_nodes: list[int] = []
    for i, depth in enumerate(depths):
        while open_nodes and depths[open_nodes[-1]] >= depth:
            ends[open_nodes.pop()] = i
        open_nodes.append(i)
    return ends
