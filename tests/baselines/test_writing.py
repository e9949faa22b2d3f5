"""Writing with a key-value cache: what is drawn has the probability that it is said to have, gradients included."""

from collections import Counter

import pytest
import torch

from tests.scoring.tiny_models import FAMILIES, llama, tiny_model
from twosome.baselines.writing import Written, chances, write
from twosome.scoring.naive import naive_token_log_probs

CPU = torch.device("cpu")
PROMPTS = [(5, 6, 7, 8, 9), (3, 4), (5, 6, 7, 8, 9), (11, 12, 13)]


def written_by(model, prompts=PROMPTS, ends=frozenset(), max_tokens=4, seed=0):
    return write(model, prompts, [ends] * len(prompts), max_tokens, torch.Generator().manual_seed(seed), CPU)


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma3_text"])
def test_each_token_has_the_log_probability_that_the_definition_gives_it(family):
    model = tiny_model(family, **FAMILIES[family])
    texts = written_by(model)
    assert [text.prompt for text in texts] == PROMPTS
    again = chances(model, texts, CPU).logp
    for row, text in enumerate(texts):
        expected = naive_token_log_probs(model, text.prompt, text.tokens, CPU)
        torch.testing.assert_close(torch.tensor(text.logp, dtype=torch.float64), expected)
        torch.testing.assert_close(again[row], expected)


def test_tokens_are_drawn_as_often_as_they_are_probable():
    model = llama(vocab_size=5)
    draws = 4000
    found = Counter(text.tokens for text in written_by(model, [(1, 2)] * draws, max_tokens=2))
    for tokens, count in found.most_common(5):
        probability = naive_token_log_probs(model, (1, 2), tokens, CPU).sum().exp().item()
        assert count / draws == pytest.approx(probability, abs=4 * (probability / draws) ** 0.5)


def test_a_text_ends_with_the_first_token_that_ends_it():
    texts = written_by(llama(), PROMPTS * 8, ends=frozenset(range(0, 320, 2)), max_tokens=12)
    assert {len(text.tokens) for text in texts} > {1, 2}
    for text in texts:
        *inside, last = text.tokens
        assert all(token % 2 for token in inside)
        assert last % 2 == 0 or len(text.tokens) == 12


def test_gradients_are_those_of_the_definition_with_equal_texts_and_unequal_lengths():
    model = llama()
    texts = [
        Written((5, 6, 7, 8, 9), (1, 2, 3), ()),
        Written((3, 4), (7,), ()),
        Written((5, 6, 7, 8, 9), (1, 2, 3), ()),
        Written((5, 6, 7, 8, 9), (1, 4), ()),
    ]
    weights = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0], [10.0, 11.0, 12.0]]).double()
    torch.autograd.backward((weights * chances(model, texts, CPU).logp).sum())
    found = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    for text, weight in zip(texts, weights, strict=True):
        logp = naive_token_log_probs(model, text.prompt, text.tokens, CPU)
        torch.autograd.backward((weight[: len(logp)] * logp).sum())
    for a, parameter in zip(found, model.parameters(), strict=True):
        torch.testing.assert_close(a, parameter.grad, rtol=1e-4, atol=1e-4)


def test_the_entropy_is_that_of_each_token_that_was_written():
    model = llama()
    entropy = chances(model, [Written((3, 4), (7, 8), ()), Written((3, 4), (9,), ())], CPU).entropy
    rows = [torch.log_softmax(model(input_ids=torch.tensor([row])).logits[0, -1], -1) for row in ([3, 4], [3, 4, 7])]
    first, second = [-(row.exp() * row).sum() for row in rows]
    torch.testing.assert_close(entropy, torch.stack([first, second, first, torch.zeros_like(first)]).view(2, 2))
