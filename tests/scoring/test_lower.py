"""Scores and gradients from kept lower layers equal those through all layers, whatever the company and the family."""

import pytest
import torch

from tests.scoring.tiny_models import DECISIONS, FAMILIES, SLIDING, byte_level, tiny_model
from twosome import Decision
from twosome.errors import ConfigError, ModelError
from twosome.models import Adapters
from twosome.policy.tuning import attach_to, recompute_layers, trainable
from twosome.scoring import ActionScorer, adapters_off
from twosome.scoring.checks import PackingWarning
from twosome.scoring.lower import LowerLayers

MANY = (
    *DECISIONS,
    # One prompt begins with another, and equal prompts offer other actions.
    Decision("You see a cup", ("and a plate", "wait")),
    Decision("You see a cup and a plate on the table. Now you", ("wait", "pick up the table")),
    Decision("You see a cup", ("wait",)),
)


def adapted(family="llama", layers=2, num_layers=4, targets=("all-linear",), **settings):
    """A scorer with adapters that change something, in float64 as the model is."""
    model = tiny_model(family, **{**FAMILIES.get(family, {}), "num_hidden_layers": num_layers, **settings})
    scorer = ActionScorer(model, byte_level(), method="packed")
    attach_to(scorer, Adapters(targets=targets, layers=layers), seed=1)
    with torch.random.fork_rng():
        torch.manual_seed(2)
        for parameter in trainable(scorer.model):
            parameter.data = torch.randn_like(parameter, dtype=model.dtype) / 10
    return scorer


def values_and_gradients(scorer, decisions=MANY):
    scorer.model.zero_grad()
    logp = torch.cat(scorer.log_probs(decisions))
    finite = logp[logp.isfinite()]
    torch.autograd.backward((finite * torch.arange(1, len(finite) + 1, dtype=finite.dtype)).sum())
    gradients = [parameter.grad for parameter in trainable(scorer.model)]
    return logp.detach(), [gradient.clone() for gradient in gradients if gradient is not None]


def through_all_layers(scorer, decisions=MANY):
    """The slow definition: the same model, with nothing kept."""
    kept, scorer.lower = scorer.lower, None
    found = values_and_gradients(scorer, decisions)
    scorer.lower = kept
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_values_and_gradients_are_those_through_all_layers(family):
    scorer = adapted(family)
    assert scorer.lower is not None
    for _ in range(2):  # what is not kept yet, and what is
        torch.testing.assert_close(values_and_gradients(scorer), through_all_layers(scorer), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", SLIDING)
def test_windows_and_kinds_of_layers_stay_those_of_their_places(name):
    family, settings = SLIDING[name]
    if "layer_types" in settings:
        settings = {**settings, "layer_types": settings["layer_types"] * 2}
    scorer = adapted(family, layers=1, **settings)
    assert scorer.lower is not None
    torch.testing.assert_close(values_and_gradients(scorer), through_all_layers(scorer), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("layers", [1, 3, 4])
def test_any_number_of_upper_layers_is_adapted_and_no_other(layers):
    scorer = adapted(layers=layers)
    numbers = {
        int(name.split(".layers.")[1].split(".")[0]) for name, p in scorer.model.named_parameters() if p.requires_grad
    }
    assert numbers == set(range(4 - layers, 4))
    assert (scorer.lower is None) == (layers == 4)
    torch.testing.assert_close(values_and_gradients(scorer), through_all_layers(scorer), atol=1e-9, rtol=1e-9)


def test_each_decision_passes_the_lower_layers_once():
    scorer = adapted()
    computed = []
    scorer.lower._layers[0].mlp.register_forward_hook(lambda module, args, output: computed.append(output.shape[1]))
    for _ in range(3):
        scorer.score(MANY)
    with adapters_off(scorer.model):
        scorer.score(MANY)
    assert len(computed) == len(MANY)


def test_what_is_kept_follows_from_the_decision_alone_to_the_last_bit():
    first, second = adapted(dtype=torch.float32), adapted(dtype=torch.float32)
    with torch.no_grad():
        for decision in MANY:
            first.score([decision])
        second.score(MANY[2:])
        assert torch.equal(first.score(MANY).logp, second.score(MANY).logp)


def test_a_small_memory_forgets_and_computes_again_the_same():
    scorer = adapted(dtype=torch.float32)
    with torch.no_grad():
        expected = scorer.score(MANY).logp
        whole = scorer.lower.kept_bytes
        scorer.lower = LowerLayers(scorer.model, scorer.lower.first, kept_bytes=whole // 3)
        for _ in range(2):
            assert torch.equal(scorer.score(MANY).logp, expected)
            assert scorer.lower.kept_bytes <= whole // 3


def test_gradients_are_the_same_where_forwards_and_layers_are_computed_once_more():
    scorer = adapted()
    expected = through_all_layers(scorer)
    scorer.max_tokens_per_forward = 24
    torch.testing.assert_close(values_and_gradients(scorer), expected, atol=1e-5, rtol=1e-4)
    recompute_layers(scorer)
    torch.testing.assert_close(values_and_gradients(scorer), expected, atol=1e-5, rtol=1e-4)


def test_a_model_scored_one_action_at_a_time_has_its_adapters_above_all_the_same():
    model = tiny_model("llama", **FAMILIES["llama"])
    scorer = ActionScorer(model, byte_level(), method="naive")
    attach_to(scorer, Adapters(layers=1), seed=1)
    assert scorer.lower is None
    assert scorer.first_trained == 1
    assert {name.split(".layers.")[1][0] for name, p in scorer.model.named_parameters() if p.requires_grad} == {"1"}


def test_a_model_that_cannot_be_entered_in_the_middle_is_computed_whole_and_says_so():
    model = tiny_model("llama", **FAMILIES["llama"])
    scorer = ActionScorer(model, byte_level(), method="packed")
    layers = model.model.layers
    # Its upper layer adds what the lower one found, past the hidden states.
    layers[0].register_forward_hook(lambda module, args, output: setattr(model, "found", output.mean()))
    layers[1].register_forward_pre_hook(lambda module, args: (args[0] * model.found.exp(), *args[1:]))
    with pytest.warns(PackingWarning, match="computed from its lowest layer on"):
        attach_to(scorer, Adapters(layers=1), seed=1)
    assert scorer.lower is None


def test_more_layers_than_there_are_are_refused():
    with pytest.raises(ModelError, match=r"--lora-layers is 5, and .* has 4 layers"):
        adapted(layers=5)


def test_settings_that_exclude_each_other_are_refused():
    from twosome.config import TrainConfig

    for settings in ({"tuning": "full"}, {"shard_model": True}, {"lora_layers": 0}):
        with pytest.raises(ConfigError, match="--"):
            TrainConfig(**{"lora_layers": 2, **settings})
