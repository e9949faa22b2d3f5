"""Every way of scoring gives the same numbers, in values and gradients; what is counted is what is there."""

import pytest
import torch

from tests.scoring.tiny_models import DECISIONS, byte_level, llama
from twosome import Decision
from twosome.bench.cached import cached
from twosome.bench.cells import measure
from twosome.bench.compare import largest_difference, run_parts
from twosome.bench.methods import Request, ScoringMethod, evenly, floor_size, harness, packed, padded, plain
from twosome.bench.models import put_random_adapters
from twosome.policy.tuning import trainable
from twosome.scoring import ActionScorer
from twosome.scoring.spans import Spans


@pytest.fixture(scope="module")
def scorer():
    model = llama(dtype=torch.float32)
    return ActionScorer(model, byte_level(), method="packed")


@pytest.fixture(scope="module")
def adapted():
    scorer = ActionScorer(llama(dtype=torch.float64), byte_level(), method="packed")
    put_random_adapters(scorer)
    for parameter in trainable(scorer.model):
        parameter.data = parameter.data.double()
    return scorer


def test_all_ways_agree(scorer):
    request = Request.of(scorer, DECISIONS)
    ways = [packed(request), padded(request, 10_000), cached(request, 10_000)]
    assert [len(way.places) for way in ways] == [8, 8, 8]
    assert max(largest_difference(ways, scorer.model).values()) < 1e-4


def test_a_way_that_is_wrong_is_noticed(scorer):
    request = Request.of(scorer, DECISIONS)
    right = padded(request, 10_000)
    wrong = ScoringMethod("wrong", (lambda: right.parts[0]() + 0.5,), right.places, right.num_rows)
    assert largest_difference([packed(request), wrong], scorer.model)["wrong"] == pytest.approx(0.5, abs=1e-3)


def test_the_harness_agrees(scorer):
    pytest.importorskip("lm_eval")
    request = Request.of(scorer, DECISIONS)
    assert largest_difference([packed(request), harness(request, 10_000)], scorer.model)["harness"] < 1e-4


def gradients(scorer, way):
    run_parts(way.parts, "forward_backward", scorer.model)
    return [torch.clone(parameter.grad) for parameter in trainable(scorer.model)]


def test_all_ways_give_the_same_gradients(adapted):
    request = Request.of(adapted, DECISIONS)
    expected = gradients(adapted, packed(request))
    assert any(gradient.abs().max() > 1e-3 for gradient in expected)
    for way in (padded(request, 10_000), cached(request, 10_000)):
        for a, b in zip(expected, gradients(adapted, way), strict=True):
            # The model's norms compute in float32 whatever its precision.
            assert torch.allclose(a, b, atol=1e-6, rtol=1e-6), way.name


def test_rows_beyond_the_budget_are_left_out_evenly_and_counted(scorer):
    request = Request.of(scorer, DECISIONS)
    way = padded(request, 4 * request.width)
    assert (len(way.places), way.num_rows, way.scale) == (4, 8, 2.0)
    assert {decision for decision, _ in way.places} == {0, 2}
    assert evenly([(0, i) for i in range(6)], 3) == ((0, 0), (0, 2), (0, 4))


def test_rows_that_do_not_fit_into_one_forward_take_several(scorer):
    small = ActionScorer(scorer.model, scorer.tokenizer, method="packed", max_tokens_per_forward=70)
    request = Request.of(small, DECISIONS)
    way = padded(request, 10_000)
    assert len(way.parts) > 1
    assert largest_difference([packed(request), way], small.model)["padded"] < 1e-4


def test_the_floor_counts_each_distinct_beginning_once():
    # Read: 1 2 3, then 5 and 5 6 behind it; and 9 behind 1 2, of the second prompt. 5 6 8 and 5 6 7 end unread.
    one = Spans((1, 2, 3), ((5, 6, 7), (5, 6, 8), (), (5, 6, 7)), True)
    assert floor_size([one]) == (5, 3)
    assert floor_size([one, Spans((1, 2, 9), ((4,),), True)]) == (6, 4)
    assert floor_size([one, one]) == (5, 3)


def test_the_floor_reads_as_many_tokens_as_it_counts(scorer):
    request = Request.of(scorer, DECISIONS[:1])
    (logits,) = run_parts(plain(request).parts, "forward", scorer.model)
    tokens, positions = floor_size(request.spans)
    assert logits.shape[:2] == (1, positions)
    assert positions < tokens


def test_a_cell_says_what_it_ran_and_how_it_compares(adapted):
    prompt = "You see a cup and a plate on the table. Now you"
    cell = measure(adapted, [Decision(prompt, ("wait", "sit down", "put the cup"))], slow_s=1e-5, max_repeats=3)
    assert cell["largest_difference_nats"]["padded"] < 1e-4
    forward = cell["forward"]
    assert forward["repeats"] == 3
    assert forward["ways"]["padded"]["rows_timed"] == 1
    assert forward["ways"]["padded"]["rows"] == 3
    low, middle, high = forward["ratios"]["padded/packed"]["wall"]
    assert 0 < low <= middle <= high
    assert "harness/packed" not in cell["forward_backward"]["ratios"]
