"""A trie holds every inner node once, in depth-first order."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from twosome.scoring.trie import build_tries

ACTIONS = st.lists(st.lists(st.integers(1, 3), max_size=5).map(tuple), min_size=1, max_size=8).filter(any)
LAWS = settings(deadline=None, derandomize=True, max_examples=150)


def test_a_trie_by_hand():
    # 7 8 | 1 2 3, 1 2, 1 4 5, 6: the inner nodes are 1, 1 2 and 1 4.
    (trie,) = build_tries([7, 8], [(1, 2, 3), (6,), (), (1, 2), (1, 4, 5)])
    assert trie.shared == (7, 8)
    assert trie.tokens.tolist() == [1, 2, 4]
    assert trie.depths.tolist() == [1, 2, 2]
    assert trie.ends.tolist() == [3, 2, 3]
    edges = list(zip(trie.edge_slots.tolist(), trie.edge_tokens.tolist(), strict=True))
    assert sorted(edges) == [(0, 1), (0, 6), (1, 2), (1, 4), (2, 3), (3, 5)]
    by_action = {a: [edges[e] for e in p if e >= 0] for a, p in zip(trie.action_ids, trie.paths.tolist(), strict=True)}
    assert by_action == {
        0: [(0, 1), (1, 2), (2, 3)],
        1: [(0, 6)],
        3: [(0, 1), (1, 2)],
        4: [(0, 1), (1, 4), (3, 5)],
    }


@LAWS
@given(ACTIONS)
def test_a_trie_holds_each_beginning_once(actions):
    (trie,) = build_tries([9], actions)
    beginnings = {action[:depth] for action in actions for depth in range(1, len(action))}
    assert trie.num_nodes == len(beginnings)
    assert len(trie.edge_slots) == len({action[:depth] for action in actions for depth in range(1, len(action) + 1)})


@LAWS
@given(ACTIONS, st.integers(0, 6))
def test_tries_stay_within_the_limit_unless_one_action_alone_exceeds_it(actions, limit):
    for trie in build_tries([9], actions, limit):
        assert trie.num_nodes <= limit or len({tuple(path) for path in trie.paths.tolist()}) == 1


@LAWS
@given(ACTIONS, st.randoms())
def test_the_order_of_actions_changes_nothing_but_their_ids(actions, random):
    order = list(range(len(actions)))
    random.shuffle(order)
    (trie,), (other,) = build_tries([9], actions), build_tries([9], [actions[i] for i in order])
    for name in ("tokens", "depths", "ends", "edge_slots", "edge_tokens", "paths"):
        np.testing.assert_array_equal(getattr(trie, name), getattr(other, name))
    assert sorted(order[i] for i in other.action_ids) == sorted(trie.action_ids)
