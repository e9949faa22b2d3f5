"""Rows of several decisions: every path reads its own prompt and tokens, and what prompts share is held once."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from twosome.scoring.attention import tree_mask
from twosome.scoring.forest import Costs, most_tokens, pack
from twosome.scoring.packed import MAX_LOGITS, max_nodes, plan_forwards
from twosome.scoring.trie import ActionTrie, build_tries

PROMPT = st.lists(st.integers(1, 2), min_size=1, max_size=5)
ACTIONS = st.lists(st.lists(st.integers(1, 3), max_size=4).map(tuple), min_size=1, max_size=5).filter(any)
DECISIONS = st.lists(st.tuples(PROMPT, ACTIONS), min_size=1, max_size=7)
COSTS = st.builds(Costs, st.integers(1, 40), st.integers(1, 20), st.sampled_from([0.0, 0.01, 1.0]), st.just(0.5))
ONE_ROW = Costs(max_tokens=10**6, max_slots=10**6, pair=0.0, slot=0.0)
LAWS = settings(deadline=None, derandomize=True, max_examples=200)


def tries_of(decisions, limit=None):
    """The tries of all decisions, and which decision each belongs to."""
    tries: list[ActionTrie] = []
    owners: list[int] = []
    for i, (shared, actions) in enumerate(decisions):
        pieces = build_tries(shared, actions, limit)
        tries += pieces
        owners += [i] * len(pieces)
    return tries, owners


def mask_of(row):
    return tree_mask(torch.from_numpy(row.order[None]), torch.from_numpy(row.ends[None]))[0, 0].numpy()


def test_a_row_of_two_decisions_by_hand():
    # 7 8 | 1 2, 1 3 and 7 9 | 4: the prompts share 7; the inner node is 1.
    tries, _ = tries_of([([7, 8], [(1, 2), (1, 3)]), ([7, 9], [(4,)])])
    (row,) = pack(tries, ONE_ROW)
    assert row.tokens.tolist() == [7, 8, 1, 9]
    assert row.positions.tolist() == [0, 1, 2, 1]
    assert row.num_slots == 3
    edges = list(zip(row.edge_slots.tolist(), row.edge_tokens.tolist(), strict=True))
    assert edges == [(0, 1), (1, 2), (1, 3), (2, 4)]
    assert row.paths.tolist() == [[0, 1], [0, 2], [3, -1]]
    assert row.owners.tolist() == [0, 0, 1]
    assert row.action_ids.tolist() == [0, 1, 0]
    assert mask_of(row).astype(int).tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 1]]


def test_slots_come_last_even_where_the_tree_goes_on_behind_them():
    # The first prompt is the beginning of the second, so its end stands inside the second's path.
    tries, _ = tries_of([([7], [(1,)]), ([7, 8, 9], [(2,)])])
    (row,) = pack(tries, ONE_ROW)
    # Its last token stands twice, so that no token stands behind its descendants.
    assert row.tokens.tolist() == [7, 8, 7, 9]
    assert row.positions.tolist() == [0, 1, 0, 2]
    assert row.num_slots == 2
    assert mask_of(row).astype(int).tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [1, 1, 0, 1]]


def test_padding_sees_itself_and_nobody_sees_padding():
    order, ends = torch.tensor([[-2, -1, 0, 1]]), torch.tensor([[-1, 0, 2, 2]])
    assert tree_mask(order, ends)[0, 0].int().tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]]


@LAWS
@given(DECISIONS, COSTS, st.none() | st.integers(0, 4))
def test_following_a_path_reads_exactly_the_actions_tokens_after_its_prompt(decisions, costs, limit):
    tries, owners = tries_of(decisions, limit)
    found = {}
    for row in pack(tries, costs):
        seen = mask_of(row)
        assert not np.triu(seen, 1).any()  # some models see no column behind their own, whatever the mask
        pairs = list(zip(row.edge_slots.tolist(), row.edge_tokens.tolist(), strict=True))
        assert len(set(pairs)) == len(pairs)  # the readout's backward pass relies on it
        for owner, action, path in zip(row.owners, row.action_ids, row.paths.tolist(), strict=True):
            decision = owners[owner]
            shared, actions = decisions[decision]
            assert (decision, action) not in found
            found[decision, action] = [int(row.edge_tokens[edge]) for edge in path if edge >= 0]
            for depth, edge in enumerate(e for e in path if e >= 0):
                column = row.length - row.num_slots + row.edge_slots[edge]
                # What the predicting position sees: the prompt and the action's earlier tokens, in order of position.
                columns = sorted(np.flatnonzero(seen[column]), key=lambda k: row.positions[k])
                assert row.tokens[columns].tolist() == shared + list(actions[action][:depth])
                assert row.positions[columns].tolist() == list(range(len(shared) + depth))
    assert found == {
        (i, a): list(action) for i, (_, actions) in enumerate(decisions) for a, action in enumerate(actions) if action
    }


@LAWS
@given(DECISIONS)
def test_prompts_in_one_row_pass_through_once(decisions):
    decisions = [([0, *shared], actions) for shared, actions in decisions]
    tries, _ = tries_of(decisions)
    (row,) = pack(tries, ONE_ROW)
    prompts = {tuple(shared) for shared, _ in decisions}
    inner = {prompt[:depth] for prompt in prompts for depth in range(1, len(prompt))}
    assert row.length == len(inner) + len(prompts) + sum(trie.num_nodes for trie in tries)


@LAWS
@given(DECISIONS, COSTS)
def test_rows_stay_within_the_bounds_unless_one_trie_alone_exceeds_them(decisions, costs):
    for row in pack(tries_of(decisions)[0], costs):
        assert (row.length <= costs.max_tokens and row.num_slots <= costs.max_slots) or len(set(row.owners)) == 1


@LAWS
@given(DECISIONS, COSTS)
def test_the_bound_found_without_packing_holds(decisions, costs):
    tries, _ = tries_of(decisions)
    rows = pack(tries, costs)
    assert len(rows) * max(row.length for row in rows) <= most_tokens(tries, costs)


def test_sharing_stops_where_attention_would_cost_more_than_it_saves():
    tries, _ = tries_of([([1] * 20 + [i] * 20, [(2,)]) for i in range(40)])
    free, dear, forbidding = (pack(tries, Costs(10**6, 10**6, pair, 0.0)) for pair in (0.0, 0.02, 10.0))
    assert [row.length for row in free] == [820]
    assert 1 < len(dear) < 40
    assert [row.length for row in forbidding] == [40] * 40


def lone_rows(lengths, action=(1, 2)):
    return [pack(build_tries(range(length), [action]), ONE_ROW)[0] for length in lengths]


@LAWS
@given(st.lists(st.integers(1, 40), min_size=1, max_size=30), st.integers(1, 200))
def test_every_row_goes_through_the_model_once_and_forwards_keep_to_the_budget(lengths, budget):
    rows = lone_rows(lengths)
    groups = plan_forwards(rows, vocab_size=10, max_tokens=budget)
    assert sorted(i for group in groups for i in group) == list(range(len(rows)))
    for group in groups:
        assert len(group) * max(rows[i].length for i in group) <= budget or len(group) == 1
    assert plan_forwards(rows, 10, budget) == groups


def test_logits_of_one_forward_keep_to_their_own_budget():
    rows = lone_rows([1], (1, 2, 3, 4)) * 10
    vocab_size = MAX_LOGITS // 12
    assert [len(group) for group in plan_forwards(rows, vocab_size, 10**6)] == [3, 3, 3, 1]


def test_a_trie_is_as_long_as_is_cheapest_for_each_of_its_nodes():
    costs = Costs(10**6, 10**6, pair=1 / 500, slot=0.0)

    def per_node(nodes):
        return costs.of(1, 100 + nodes, 0) / nodes

    assert min(range(1, 2000), key=per_node) in (max_nodes(100, costs), max_nodes(100, costs) + 1)
    assert max_nodes(100, Costs(150, 10**6, 1 / 500, 0.0)) == 50
    assert max_nodes(100, Costs(10**6, 20, 1 / 500, 0.0)) == 19
    assert max_nodes(100, Costs(50, 10**6, 1 / 500, 0.0)) == 0


def test_long_rows_do_not_share_a_forward_with_short_ones_once_it_is_large():
    long, short = lone_rows((2100, 100))
    assert plan_forwards([short, long, long, short], 10, 10**6) == [[1, 2], [0, 3]]
    assert plan_forwards([short, long], 10, 10**6) == [[1, 0]]


@pytest.mark.parametrize("num_decisions", [1, 3])
def test_packing_depends_on_nothing_but_the_decisions(num_decisions):
    tries, _ = tries_of([([1, i], [(2, 3), (2, 4)]) for i in range(num_decisions)])
    first, second = (pack(tries, Costs(20, 20, 0.01, 0.5)) for _ in range(2))
    for row, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(row.tokens, other.tokens)
        np.testing.assert_array_equal(row.paths, other.paths)
