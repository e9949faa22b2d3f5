"""Bounded memory with gradients: nothing is left out, the bound holds, and what is computed twice is the same."""

from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.scoring.tiny_models import DECISIONS, byte_level, llama, tiny_model
from twosome import ActionScorer, Decision
from twosome.bench.memory import peak_tensor_bytes
from twosome.scoring.bounded import split_to_fit

LETTERS = "abcdefghijklmnop"
HUGE = Decision("Now you", tuple(f"{a} {b} {c}" for a in LETTERS for b in LETTERS for c in "stuvwxyz"))
BOUND = 64  # Ten rows of this decision.


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30), st.integers(1, 200))
def test_each_item_is_in_one_part_in_order_and_each_part_fits_or_is_a_single_item(sizes, bound):
    def fits(items):
        return sum(sizes[i] for i in items) <= bound

    parts = split_to_fit(range(len(sizes)), fits)
    assert [i for part in parts for i in part] == list(range(len(sizes)))
    assert all(fits(part) or len(part) == 1 for part in parts)
    if fits(range(len(sizes))):
        assert len(parts) == 1


def test_parts_keep_decisions_together_whose_prompts_begin_alike():
    prompts = ("You see a cup on the table. Now you", "Your hands are empty and it is late. Now you")
    decisions = [Decision(prompts[i % 2], (f"walk to door {i}",)) for i in range(6)]
    scorer = ActionScorer(llama(), byte_level(), max_tokens_per_forward=100)
    assert scorer.parts(decisions) == [[1, 3, 5], [0, 2, 4]]


@pytest.mark.parametrize(("method", "bound"), [("packed", 70), ("naive", 200)])
def test_parts_keep_equal_decisions_together_and_calls_within_the_bound(method, bound):
    scorer = ActionScorer(llama(), byte_level(), method=method)
    decisions = [DECISIONS[i] for i in (0, 1, 2, 0, 1, 2, 0)]
    assert scorer.parts(decisions) == [list(range(7))]
    scorer = ActionScorer(scorer.model, byte_level(), method=method, max_tokens_per_forward=bound)
    seen = []
    scorer.model.register_forward_pre_hook(lambda _, args, kwargs: seen.append(kwargs["input_ids"]), with_kwargs=True)
    parts = scorer.parts(decisions)
    assert len(parts) == 2
    assert sorted(i for part in parts for i in part) == list(range(7))
    for part in parts:
        assert all((decisions[i] in [decisions[j] for j in part]) == (i in part) for i in range(7))
        seen.clear()
        scorer.score([decisions[i] for i in part])
        assert sum(tokens.numel() for tokens in seen) <= bound


def gradients(scorer: ActionScorer, decision: Decision) -> list[torch.Tensor]:
    scorer.model.zero_grad()
    logp = scorer.score([decision]).logp[0]
    (logp * torch.linspace(-1, 2, len(logp), dtype=logp.dtype)).sum().backward()
    return [parameter.grad for parameter in scorer.model.parameters()]


def free_and_bounded(method: str) -> tuple[ActionScorer, ActionScorer]:
    """GPT-2, which keeps to float64 throughout; Llama computes norms and rotations in float32."""
    free = ActionScorer(tiny_model("gpt2"), byte_level(), method=method)
    return free, ActionScorer(free.model, byte_level(), method=method, max_tokens_per_forward=BOUND)


@pytest.mark.parametrize("method", ["packed", "naive"])
def test_what_is_computed_once_more_has_the_same_values_and_gradients(method):
    free, bounded = free_and_bounded(method)
    decision = Decision(HUGE.prompt, HUGE.actions[::30])
    torch.testing.assert_close(free.score([decision]).logp, bounded.score([decision]).logp, atol=1e-11, rtol=0)
    for expected, found in zip(gradients(free, decision), gradients(bounded, decision), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-9)


def test_a_decision_of_2000_actions_trains_in_the_memory_of_one_forward():
    free, bounded = free_and_bounded("packed")
    for one, other in zip(gradients(free, HUGE), gradients(bounded, HUGE), strict=True):
        torch.testing.assert_close(other, one, atol=1e-9, rtol=1e-9)
    whole, found, one_row = (
        peak_tensor_bytes(partial(gradients, scorer, decision))
        for scorer, decision in ((free, HUGE), (bounded, HUGE), (bounded, Decision(HUGE.prompt, HUGE.actions[:224])))
    )
    assert one_row < found < 1.5 * one_row
    assert found < whole / 5
