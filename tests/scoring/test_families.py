"""Packed rows give what one action at a time gives, in values and gradients, for every family that can."""

import warnings

import pytest
import torch
from peft import LoraConfig, get_peft_model

from tests.scoring.tiny_models import (
    DECISIONS,
    FAMILIES,
    SLIDING,
    UNPACKABLE,
    by_definition,
    byte_level,
    llama,
    tiny_model,
)
from twosome.errors import ModelError
from twosome.scoring import ActionScorer, PackingWarning


def with_adapters(model, family=""):
    """LoRA on the linear layers, not at its starting point, where the gradient of one factor is zero."""
    targets = ["q_proj", "v_proj"] if family == "qwen3_moe" else "all-linear"  # its experts are no linear layers
    config = LoraConfig(r=2, target_modules=targets, task_type="CAUSAL_LM", fan_in_fan_out=family == "gpt2")
    model = get_peft_model(model, config, autocast_adapter_dtype=False).eval()
    generator = torch.Generator().manual_seed(2)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data = torch.randn(parameter.shape, generator=generator).to(parameter.dtype) * 0.1
    return model


def scores_and_gradients(model, score):
    model.zero_grad()
    logp = score()
    available = logp > -torch.inf
    weights = torch.linspace(-1, 2, int(available.sum()), dtype=logp.dtype)
    (weights * logp[available]).sum().backward()
    gradients = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    return logp.detach(), gradients


def check_equal(model, tolerance):
    tokenizer = byte_level()
    scorer = ActionScorer(model, tokenizer, method="packed")
    found, found_gradients = scores_and_gradients(model, lambda: torch.cat(scorer.log_probs(DECISIONS)))
    expected, gradients = scores_and_gradients(
        model, lambda: torch.cat([by_definition(model, tokenizer, decision) for decision in DECISIONS])
    )
    scorer.method = "naive"
    naive, naive_gradients = scores_and_gradients(model, lambda: torch.cat(scorer.log_probs(DECISIONS)))
    assert len(gradients) >= 4
    assert max(float(gradient.abs().max()) for gradient in gradients.values()) > 0.01
    scale = max(1.0, max(float(gradient.abs().max()) for gradient in gradients.values()))
    for logp, other in ((found, found_gradients), (naive, naive_gradients)):
        torch.testing.assert_close(logp, expected, atol=tolerance, rtol=tolerance)
        assert other.keys() == gradients.keys()
        for name, gradient in gradients.items():
            torch.testing.assert_close(other[name], gradient, atol=tolerance * scale, rtol=0, msg=name)


@pytest.fixture
def all_in_float64(monkeypatch):
    """Norms, rotations and the softmax of eager attention ask for float32 whatever the model's type: give them more."""
    monkeypatch.setattr(torch, "float32", torch.float64)
    monkeypatch.setattr(torch, "float", torch.float64)
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)


@pytest.mark.usefixtures("all_in_float64")
@pytest.mark.parametrize("family", FAMILIES)
def test_packed_scores_and_adapter_gradients_equal_the_definition_in_float64(family):
    check_equal(with_adapters(tiny_model(family, **FAMILIES[family]), family), 1e-9)


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_scores_and_adapter_gradients_equal_the_definition_in_float32(family):
    check_equal(with_adapters(tiny_model(family, dtype=torch.float32, **FAMILIES[family]), family), 1e-4)


@pytest.mark.usefixtures("all_in_float64")
@pytest.mark.parametrize("case", SLIDING)
def test_a_sliding_window_counts_positions_along_each_path(case):
    family, settings = SLIDING[case]
    check_equal(with_adapters(tiny_model(family, **settings)), 1e-9)


@pytest.mark.usefixtures("all_in_float64")
@pytest.mark.parametrize("case", ["llama", "gpt2", "gemma3"])
def test_eager_attention_takes_an_additive_mask(case):
    family, settings = SLIDING.get(case) or (case, FAMILIES[case])
    model = with_adapters(tiny_model(family, attention="eager", **settings), family)
    assert model.config._attn_implementation == "eager"
    check_equal(model, 1e-9)


@pytest.mark.usefixtures("all_in_float64")
@pytest.mark.parametrize("family", UNPACKABLE)
def test_a_model_that_cannot_be_shown_a_trie_is_scored_one_action_at_a_time(family):
    model = tiny_model(family, **UNPACKABLE[family])
    with pytest.warns(PackingWarning, match="one action at a time"):
        scorer = ActionScorer(model, byte_level(), name="some model")
    assert scorer.method == "naive"
    for decision, logp in zip(DECISIONS, scorer.log_probs(DECISIONS), strict=True):
        torch.testing.assert_close(logp, by_definition(model, byte_level(), decision), atol=1e-9, rtol=0)
    with pytest.raises(ModelError, match=r"cannot be scored in packed rows.*method='auto'"):
        ActionScorer(model, byte_level(), method="packed")


def test_a_model_that_ignores_the_mask_is_found_out():
    model = llama()
    forward = model.forward

    def deaf(*args, attention_mask=None, **kwargs):
        return forward(*args, **kwargs)

    model.forward = deaf
    with pytest.warns(PackingWarning, match="differ by"):
        assert ActionScorer(model, byte_level()).method == "naive"


def test_a_model_that_ignores_positions_is_found_out():
    model = llama()
    forward = model.forward

    def deaf(*args, position_ids=None, **kwargs):
        return forward(*args, **kwargs)

    model.forward = deaf
    with pytest.warns(PackingWarning, match="differ by"):
        assert ActionScorer(model, byte_level()).method == "naive"


def test_an_attention_without_masks_is_scored_one_action_at_a_time():
    model = llama()
    # As flash attention would be named; what runs below the name does not matter for the reason given.
    model.config._attn_implementation_internal = "flex_attention"
    naive = ActionScorer(llama(), byte_level(), method="naive")
    model.forward = naive.model.forward
    model.model.forward = naive.model.model.forward
    with pytest.warns(PackingWarning, match="'flex_attention' takes no mask of its own"):
        assert ActionScorer(model, byte_level()).method == "naive"


def test_a_packable_model_loads_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ActionScorer(llama(), byte_level()).method == "packed"
