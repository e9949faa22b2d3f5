"""A packed row holds the prompt once and every inner node of the trie once, in depth-first order."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from twosome.scoring.attention import tree_mask
from twosome.scoring.packed import MAX_LOGITS, max_nodes, plan_forwards
from twosome.scoring.trie import pack

ACTIONS = st.lists(st.lists(st.integers(1, 3), max_size=5).map(tuple), min_size=1, max_size=8).filter(any)
LAWS = settings(deadline=None, derandomize=True, max_examples=150)


def test_a_row_by_hand():
    # 7 8 | 1 2 3, 1 2, 1 4 5, 6: the inner nodes are 1, 1 2 and 1 4.
    (row,) = pack([7, 8], [(1, 2, 3), (6,), (), (1, 2), (1, 4, 5)])
    assert row.tokens.tolist() == [7, 8, 1, 2, 4]
    assert row.positions.tolist() == [0, 1, 2, 3, 3]
    assert row.ends.tolist() == [5, 5, 5, 4, 5]
    assert row.num_slots == 4
    edges = list(zip(row.edge_slots.tolist(), row.edge_tokens.tolist(), strict=True))
    assert sorted(edges) == [(0, 1), (0, 6), (1, 2), (1, 4), (2, 3), (3, 5)]
    by_action = {a: [edges[e] for e in p if e >= 0] for a, p in zip(row.action_ids, row.paths.tolist(), strict=True)}
    assert by_action == {
        0: [(0, 1), (1, 2), (2, 3)],
        1: [(0, 6)],
        3: [(0, 1), (1, 2)],
        4: [(0, 1), (1, 4), (3, 5)],
    }


def test_the_mask_by_hand():
    (row,) = pack([7, 8], [(1, 2, 3), (1, 4, 5)])
    ends = np.concatenate([[1], row.ends + 1])[None]  # one column of padding
    assert tree_mask(torch.from_numpy(ends))[0, 0].int().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [0, 1, 0, 0, 0, 0],
        [0, 1, 1, 0, 0, 0],
        [0, 1, 1, 1, 0, 0],
        [0, 1, 1, 1, 1, 0],
        [0, 1, 1, 1, 0, 1],
    ]


@LAWS
@given(ACTIONS, st.integers(1, 4), st.none() | st.integers(0, 6))
def test_following_a_path_reads_exactly_the_actions_tokens_after_the_prompt(actions, num_shared, limit):
    shared = list(range(10, 10 + num_shared))
    rows = pack(shared, actions, limit)
    found = {}
    for row in rows:
        seen = tree_mask(torch.from_numpy(row.ends[None]))[0, 0].numpy()
        for action, path in zip(row.action_ids.tolist(), row.paths.tolist(), strict=True):
            assert action not in found
            found[action] = [int(row.edge_tokens[edge]) for edge in path if edge >= 0]
            for depth, edge in enumerate(e for e in path if e >= 0):
                column = row.length - row.num_slots + row.edge_slots[edge]
                # What the predicting position sees: the prompt and the action's earlier tokens, in order of position.
                columns = sorted(np.flatnonzero(seen[column]), key=lambda k: row.positions[k])
                assert row.tokens[columns].tolist() == shared + list(actions[action][:depth])
                assert row.positions[columns].tolist() == list(range(num_shared + depth))
    assert found == {i: list(action) for i, action in enumerate(actions) if action}


@LAWS
@given(ACTIONS)
def test_a_row_holds_each_beginning_once(actions):
    (row,) = pack([9], actions)
    beginnings = {action[:depth] for action in actions for depth in range(1, len(action))}
    assert row.length == 1 + len(beginnings)
    assert row.num_slots == 1 + len(beginnings)
    assert len(row.edge_slots) == len({action[:depth] for action in actions for depth in range(1, len(action) + 1)})


@LAWS
@given(ACTIONS, st.integers(0, 6))
def test_rows_stay_within_the_limit_unless_one_action_alone_exceeds_it(actions, limit):
    for row in pack([9], actions, limit):
        assert row.num_slots - 1 <= limit or len({tuple(path) for path in row.paths.tolist()}) == 1


@LAWS
@given(ACTIONS, st.randoms())
def test_the_order_of_actions_changes_nothing_but_their_ids(actions, random):
    order = list(range(len(actions)))
    random.shuffle(order)
    (row,), (other,) = pack([9], actions), pack([9], [actions[i] for i in order])
    for name in ("tokens", "positions", "ends", "edge_slots", "edge_tokens", "paths"):
        np.testing.assert_array_equal(getattr(row, name), getattr(other, name))
    assert sorted(order[i] for i in other.action_ids) == sorted(row.action_ids)


@LAWS
@given(st.lists(st.integers(1, 40), min_size=1, max_size=30), st.integers(1, 200))
def test_every_row_goes_through_the_model_once_and_forwards_keep_to_the_budget(lengths, budget):
    rows = [pack(range(length), [(1, 2)])[0] for length in lengths]
    groups = plan_forwards(rows, vocab_size=10, max_tokens=budget)
    assert sorted(i for group in groups for i in group) == list(range(len(rows)))
    for group in groups:
        assert len(group) * max(rows[i].length for i in group) <= budget or len(group) == 1
    assert plan_forwards(rows, 10, budget) == groups


def test_logits_of_one_forward_keep_to_their_own_budget():
    rows = [pack([9], [(1, 2, 3, 4)])[0]] * 10
    vocab_size = MAX_LOGITS // 12
    assert [len(group) for group in plan_forwards(rows, vocab_size, 10**6)] == [3, 3, 3, 1]
    assert max_nodes(5, vocab_size, 10**6) == 11


def test_long_rows_do_not_share_a_forward_with_short_ones_once_it_is_large():
    long, short = (pack(range(length), [(1, 2)])[0] for length in (2100, 100))
    assert plan_forwards([short, long, long, short], 10, 10**6) == [[1, 2], [0, 3]]
    assert plan_forwards([short, long], 10, 10**6) == [[1, 0]]
