"""The policy's formula: known answers and laws."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from twosome.errors import ConfigError, NoActionError
from twosome.scoring import ScoredActions, action_log_probs

NORMALIZATIONS = ["none", "token", "word", "byte", "pmi", "learned"]
NUMBERS = (torch.tensor(0.7, dtype=torch.float64), torch.tensor(0.4, dtype=torch.float64))
"""Log temperature and prior's weight."""
LAWS = settings(deadline=None, derandomize=True, max_examples=60)


def scored(logp, num_tokens, num_words, num_bytes):
    num_tokens = torch.tensor(num_tokens)
    return ScoredActions(logp, num_tokens > 0, num_tokens, torch.tensor(num_words), torch.tensor(num_bytes))


def example(requires_grad=False):
    logp = torch.tensor([[-6.0, -math.inf, -8.0]], dtype=torch.float64, requires_grad=requires_grad)
    return scored(logp, [[3, 0, 8]], [[2, 0, 4]], [[12, 0, 32]])


@pytest.mark.parametrize(
    ("normalization", "first", "last"),
    [("none", -6.0, -8.0), ("token", -2.0, -1.0), ("word", -3.0, -2.0), ("byte", -0.5, -0.25), ("pmi", -5.0, -1.0)],
)
def test_scores_are_divided_by_what_counts_as_length(normalization, first, last):
    context_free = torch.tensor([[-1.0, -math.inf, -7.0]], dtype=torch.float64)
    found = action_log_probs(example(), normalization, context_free if normalization == "pmi" else None)
    total = math.log(math.exp(first) + math.exp(last))
    assert found[0].tolist() == pytest.approx([first - total, -math.inf, last - total])


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_actions_with_the_same_phrase_share_what_it_would_have_alone(normalization):
    logp, lengths = torch.tensor([[-6.0, -8.0]], dtype=torch.float64), torch.tensor([[2, 3]])
    prior = torch.tensor([[-2.0, -3.0]], dtype=torch.float64)
    alone = (
        action_log_probs(ScoredActions(logp, lengths > 0, lengths, lengths, lengths), normalization, prior, *NUMBERS)
        .exp()[0]
        .tolist()
    )
    order = [0, 1, 0, 0]
    lengths = lengths[:, order]
    alike = torch.tensor([[3, 1, 3, 3]])
    repeated = ScoredActions(logp[:, order], lengths > 0, lengths, lengths, lengths, alike)
    shared = action_log_probs(repeated, normalization, prior[:, order], *NUMBERS).exp()[0]
    assert shared.tolist() == pytest.approx([alone[0] / 3, alone[1], alone[0] / 3, alone[0] / 3])


def test_word_is_the_default():
    assert action_log_probs(example()).tolist() == action_log_probs(example(), "word").tolist()


@st.composite
def batches(draw):
    num_rows, num_actions = draw(st.integers(1, 3)), draw(st.integers(1, 5))
    tokens = [
        draw(st.lists(st.integers(0, 6), min_size=num_actions, max_size=num_actions).filter(any))
        for _ in range(num_rows)
    ]
    numbers = st.floats(-60, 0)
    logp = torch.tensor([[draw(numbers) if t else -math.inf for t in row] for row in tokens], dtype=torch.float64)
    lengths = [[draw(st.integers(1, 5)) if t else 0 for t in row] for row in tokens]
    context_free = torch.tensor([[draw(numbers) for _ in row] for row in tokens], dtype=torch.float64)
    return scored(logp, tokens, lengths, [[5 * n for n in row] for row in lengths]), context_free


@LAWS
@given(batches(), st.sampled_from(NORMALIZATIONS))
def test_probabilities_of_each_row_sum_to_one_and_unavailable_ones_are_zero(batch, normalization):
    actions, context_free = batch
    policy = action_log_probs(actions, normalization, context_free, *NUMBERS).exp()
    torch.testing.assert_close(policy.sum(dim=1), torch.ones(len(policy), dtype=torch.float64))
    assert (policy[~actions.available] == 0).all()


@LAWS
@given(batches(), st.sampled_from(NORMALIZATIONS))
def test_gradients_are_finite_and_none_leaks_to_unavailable_actions(batch, normalization):
    actions, context_free = batch
    logp = actions.logp.clone().requires_grad_()
    actions = ScoredActions(logp, actions.available, actions.num_tokens, actions.num_words, actions.num_bytes)
    context_free = context_free.masked_fill(~actions.available, -math.inf)
    numbers = [number.clone().requires_grad_() for number in NUMBERS]
    log_policy = action_log_probs(actions, normalization, context_free, *numbers)
    # As an entropy is computed: the policy times its logarithm where that is finite.
    safe = log_policy.masked_fill(~actions.available, 0.0)
    loss = (safe.exp() * safe * torch.arange(1, logp.shape[1] + 1)).sum()
    gradient, *of_numbers = torch.autograd.grad(loss, [logp, *numbers], allow_unused=normalization != "learned")
    assert gradient.isfinite().all()
    assert (gradient[~actions.available] == 0).all()
    assert all(of_number is None or of_number.isfinite() for of_number in of_numbers)


def test_what_is_asked_of_an_unavailable_action_moves_no_other():
    logp = example().logp.requires_grad_()
    actions = scored(logp, [[3, 0, 8]], [[2, 0, 4]], [[12, 0, 32]])
    for upstream in (5.0, math.nan):
        (gradient,) = torch.autograd.grad(
            action_log_probs(actions), logp, torch.tensor([[0.0, upstream, 0.0]]).double()
        )
        assert gradient.tolist() == [[0.0, 0.0, 0.0]]


@LAWS
@given(batches(), st.sampled_from(NORMALIZATIONS), st.randoms())
def test_the_order_of_actions_does_not_matter(batch, normalization, random):
    actions, context_free = batch
    order = list(range(actions.logp.shape[1]))
    random.shuffle(order)
    fields = (actions.logp, actions.available, actions.num_tokens, actions.num_words, actions.num_bytes)
    shuffled = ScoredActions(*(field[:, order] for field in fields))
    torch.testing.assert_close(
        action_log_probs(shuffled, normalization, context_free[:, order], *NUMBERS),
        action_log_probs(actions, normalization, context_free, *NUMBERS)[:, order],
    )


def learned_slowly(scored, context_free, log_temperature, prior_weight):
    """The definition, one action after the other, in Python's own numbers."""
    temperature = math.exp(log_temperature)
    rows = []
    for logp, prior, available in zip(
        scored.logp.tolist(), context_free.tolist(), scored.available.tolist(), strict=True
    ):
        scores = [
            (logp[a] - prior_weight * prior[a]) / temperature if available[a] else -math.inf for a in range(len(logp))
        ]
        largest = max(scores)
        total = largest + math.log(sum(math.exp(score - largest) for score in scores))
        rows.append([score - total for score in scores])
    return rows


@LAWS
@given(batches(), st.floats(-2, 5), st.floats(0, 2))
def test_learned_is_its_definition(batch, log_temperature, prior_weight):
    actions, context_free = batch
    numbers = (torch.tensor(number, dtype=torch.float64) for number in (log_temperature, prior_weight))
    found = action_log_probs(actions, "learned", context_free.masked_fill(~actions.available, -math.inf), *numbers)
    for row, expected in zip(
        found.tolist(), learned_slowly(actions, context_free, log_temperature, prior_weight), strict=True
    ):
        assert row == pytest.approx(expected, abs=1e-8)


def test_learned_at_temperature_1_with_the_whole_prior_taken_out_is_pmi():
    context_free = torch.tensor([[-1.0, -math.inf, -7.0]], dtype=torch.float64)
    one, zero = torch.ones(()), torch.zeros(())
    learned, pmi = (action_log_probs(example(), name, context_free, zero, one) for name in ("learned", "pmi"))
    assert torch.equal(learned, pmi)


def test_the_gradients_of_learned_are_those_of_finite_differences():
    available = torch.tensor([[True, False, True, True], [True, True, True, False]])
    generator = torch.Generator().manual_seed(0)
    logp, context_free = (-9 * torch.rand(available.shape, generator=generator).double() for _ in range(2))
    prior = context_free.masked_fill(~available, -math.inf)
    lengths = available.long()

    def entropies(logp, log_temperature, prior_weight):
        actions = ScoredActions(logp.masked_fill(~available, -math.inf), available, lengths, lengths, lengths)
        log_policy = action_log_probs(actions, "learned", prior, log_temperature, prior_weight)
        return (log_policy.exp() * log_policy.masked_fill(~available, 0.0)).sum(dim=1)

    inputs = (logp.requires_grad_(), *(number.clone().requires_grad_() for number in NUMBERS))
    assert torch.autograd.gradcheck(entropies, inputs)


def test_a_row_without_actions_is_refused_by_its_number():
    logp = torch.full((2, 1), -math.inf)
    logp[0] = -1.0
    with pytest.raises(NoActionError, match=r"rows \[1\]"):
        action_log_probs(scored(logp, [[1], [0]], [[1], [0]], [[1], [0]]))


@pytest.mark.usefixtures("without_type_checks")
def test_an_unknown_normalization_and_pmi_without_its_prior_are_refused():
    with pytest.raises(ConfigError, match="one of none, token, word, byte, pmi"):
        action_log_probs(example(), "words")
    for name in ("pmi", "learned"):
        with pytest.raises(ConfigError, match="needs context_free"):
            action_log_probs(example(), name)
    with pytest.raises(ConfigError, match="log_temperature and prior_weight"):
        action_log_probs(example(), "learned", example().logp)
