"""Gradient checkpointing: the same values and gradients in less memory, and never by chance."""

import pytest
import torch

from tests.scoring.tiny_models import DECISIONS, FAMILIES, byte_level, llama, tiny_model
from twosome import ActionScorer
from twosome.bench.memory import peak_tensor_bytes
from twosome.errors import ModelError
from twosome.models import Adapters
from twosome.policy.tuning import attach_to, recompute_layers, trainable


def adapted(family: str, **settings: int) -> ActionScorer:
    """A model in float64 with adapters that are not zero; GPT-2 has dropout of 0.1 in its config."""
    scorer = ActionScorer(tiny_model(family, **{**FAMILIES[family], **settings}), byte_level())
    attach_to(scorer, Adapters(), seed=0)
    generator = torch.Generator().manual_seed(0)
    for parameter in trainable(scorer.model):
        parameter.data = 0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return scorer


def gradients(scorer: ActionScorer) -> list[torch.Tensor]:
    scorer.model.zero_grad()
    logp = torch.cat(scorer.log_probs(DECISIONS))
    logp[logp.isfinite()].square().sum().backward()
    return [parameter.grad for parameter in trainable(scorer.model) if parameter.grad is not None]


@pytest.mark.parametrize("family", ["llama", "qwen2", "gpt2"])
def test_values_and_gradients_are_those_without_it(family):
    scorer = adapted(family)
    logp, expected = torch.cat(scorer.log_probs(DECISIONS)), gradients(scorer)
    recompute_layers(scorer)
    torch.testing.assert_close(torch.cat(scorer.log_probs(DECISIONS)), logp, atol=1e-12, rtol=0)
    for found, gradient in zip(gradients(scorer), expected, strict=True):
        torch.testing.assert_close(found, gradient, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("family", ["llama", "qwen2", "gpt2"])
def test_it_needs_less_memory(family):
    scorer = adapted(family, num_hidden_layers=8)
    expected = peak_tensor_bytes(lambda: gradients(scorer))
    recompute_layers(scorer)
    assert peak_tensor_bytes(lambda: gradients(scorer)) < 0.5 * expected


def test_it_goes_together_with_forwards_that_are_computed_once_more():
    scorer = adapted("llama")
    expected = gradients(scorer)
    scorer.max_tokens_per_forward = 50
    recompute_layers(scorer)
    for found, gradient in zip(gradients(scorer), expected, strict=True):
        torch.testing.assert_close(found, gradient, atol=1e-4, rtol=1e-4)


def test_layers_that_apply_dropout_themselves_are_refused():
    scorer = ActionScorer(tiny_model("opt", **FAMILIES["opt"], dropout=0.1), byte_level())
    with pytest.raises(ModelError, match=r"dropout = 0\.1.*config\.json"):
        recompute_layers(scorer)


def test_a_model_without_such_layers_is_refused():
    scorer = ActionScorer(llama(), byte_level())
    scorer.model.model.layers = torch.nn.ModuleList()
    with pytest.raises(ModelError, match="Leave out --gradient-checkpointing"):
        recompute_layers(scorer)
