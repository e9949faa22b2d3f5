"""The policy over actions, its draws, its adapters, and the agent that a run becomes."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from twosome.agent import Agent
from twosome.config import TrainConfig
from twosome.decision import Decision
from twosome.errors import CheckpointError, EnvError, ModelError, NoActionError
from twosome.models import Adapters, save
from twosome.policy.base import sample
from twosome.policy.calibration import Calibration
from twosome.policy.critic import Critic, ValueHead
from twosome.policy.lm_policy import LanguageModelPolicy
from twosome.policy.tuning import attach_to, trainable
from twosome.ppo.train import train
from twosome.scoring import ActionScorer
from twosome.scoring.words import NoWordsWarning

TEA = Decision("You want to make tea. Your hands are empty. Now you", ("take the cup", "", "go to the kitchen"))


@pytest.fixture
def scorer() -> ActionScorer:
    return ActionScorer.from_pretrained("hearth")


def perturb(scorer: ActionScorer) -> None:
    """Give the adapters an effect, as training would."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in trainable(scorer.model):
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))


def test_a_decision_without_an_action_is_refused():
    with pytest.raises(NoActionError, match="no action is available"):
        Decision("You are stuck. Now you", ("", ""))


@pytest.mark.parametrize("normalization", ["none", "token", "word", "byte", "pmi", "learned"])
def test_the_policy_is_the_softmax_of_the_normalized_scores(scorer, normalization):
    logp = scorer.log_probs([TEA])[0]
    lengths = {
        "none": [1, 1],
        "token": [len(tokens) for tokens in (scorer.token_log_probs([TEA])[0][i] for i in (0, 2))],
        "word": [3, 4],
        "byte": [12, 17],
    }
    scores = np.array([logp[0].item(), logp[2].item()])
    if normalization in ("pmi", "learned"):
        base = scorer.log_probs([Decision("Now you", TEA.actions)])[0]
        scores -= (1.0 if normalization == "pmi" else 0.5) * np.array([base[0].item(), base[2].item()])
        scores /= 1.0 if normalization == "pmi" else 4.0
    else:
        scores /= lengths[normalization]
    expected = np.exp(scores - scores.max())
    expected /= expected.sum()
    calibration = Calibration(prior_weight=0.5)
    with torch.no_grad():
        calibration.log_temperature.add_(math.log(4))
    policy = LanguageModelPolicy(scorer, normalization, calibration=calibration).probabilities([TEA])[0]
    assert policy[1] == 0
    assert policy[[0, 2]] == pytest.approx(expected, abs=1e-5)


def test_a_policy_is_remembered_until_the_model_changes(scorer):
    attach_to(scorer, Adapters(), seed=0)
    actor = LanguageModelPolicy(scorer)
    before = actor.probabilities([TEA])[0]
    perturb(scorer)
    assert actor.probabilities([TEA])[0] is before
    actor.clear_cache()
    assert not np.allclose(actor.probabilities([TEA])[0], before)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8).filter(lambda row: sum(row) > 1e-6), st.integers(0, 2**32))
def test_an_action_of_probability_zero_is_never_drawn(row, seed):
    probabilities = np.array(row) / sum(row)
    assert probabilities[sample(probabilities, np.random.default_rng(seed))] > 0


def test_draws_have_the_frequencies_of_the_policy():
    rng = np.random.default_rng(0)
    drawn = np.bincount([sample(np.array([0.2, 0.0, 0.7, 0.1]), rng) for _ in range(20_000)], minlength=4)
    assert drawn / 20_000 == pytest.approx([0.2, 0, 0.7, 0.1], abs=0.015)


def test_saved_adapters_load_into_the_same_policy_and_not_into_another_model(scorer, tmp_path):
    adapters = Adapters(rank=4, alpha=8)
    attach_to(scorer, adapters, seed=1)
    perturb(scorer)
    save(scorer.model, scorer.tokenizer, scorer.name, tmp_path)
    again = ActionScorer.from_pretrained("hearth")
    attach_to(again, adapters, checkpoint=tmp_path, trainable=False)
    assert torch.equal(again.log_probs([TEA])[0].detach(), scorer.log_probs([TEA])[0].detach())
    assert not trainable(again.model)
    (tmp_path / "adapter_model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match="cannot be read as part"):
        attach_to(ActionScorer.from_pretrained("hearth"), adapters, checkpoint=tmp_path, trainable=False)


def test_adapters_on_layers_that_do_not_exist_are_refused_with_those_that_do(scorer):
    with pytest.raises(ModelError, match=r"--lora-targets.*q_proj"):
        attach_to(scorer, Adapters(targets=("query",)), seed=0)


def test_the_adapters_of_another_seed_differ_and_leave_the_global_generator_alone(scorer):
    before = torch.random.get_rng_state()
    attach_to(scorer, Adapters(), seed=1)
    other = ActionScorer.from_pretrained("hearth")
    attach_to(other, Adapters(), seed=2)
    assert torch.equal(before, torch.random.get_rng_state())
    assert any(not torch.equal(a, b) for a, b in zip(trainable(scorer.model), trainable(other.model), strict=True))


def test_features_are_read_once_and_carry_no_gradient():
    asked: list[str] = []

    def read(prompts):
        asked.extend(prompts)
        return torch.randn(len(prompts), 8)

    critic = Critic(ValueHead(8, (4, 4)), read)
    first = critic.features(["a", "b", "a"])
    assert torch.equal(first[0], first[2])
    assert torch.equal(critic.features(["b"])[0], first[1])
    assert asked == ["a", "b"]
    assert not critic.values(["a"]).requires_grad


def test_the_value_does_not_depend_on_the_scale_of_the_features():
    head = ValueHead(16)
    features = torch.randn(3, 16)
    assert torch.allclose(head(features), head(1000 * features + 7), atol=1e-3)


def test_a_centered_value_head_tells_states_apart_that_are_nearly_alike():
    common = 100 * torch.randn(64)
    states = common + torch.randn(8, 64)
    seen = {}
    for centered in (False, True):
        torch.manual_seed(0)
        head = ValueHead(64, centered=centered)
        if centered:
            head.center(states)
        seen[centered] = head(states).std().item()
    assert seen[True] > 10 * seen[False]
    head.center(states[:1])  # nothing to tell how much states differ
    assert head(states).isfinite().all()


def test_an_agent_acts_as_the_run_was_trained(tmp_path):
    run: Path = train(TrainConfig(total_steps=128, output=tmp_path / "run"))
    agent = Agent.load(run, seed=3)
    policy = agent.distribution(TEA)
    assert policy.sum() == pytest.approx(1.0)
    assert agent.act(TEA, greedy=True) == int(policy.argmax())
    drawn = [agent.act(TEA) for _ in range(50)]
    assert set(drawn) <= {0, 2}
    assert [Agent.load(run, seed=3).act(TEA) for _ in range(3)] == [drawn[0]] * 3
    with pytest.raises(CheckpointError, match="step-0000000128"):
        Agent.load(run, "step-7")


@pytest.mark.parametrize(("text", "place"), [("a cup \ud800 here", 6), ("a cup\0 here", 5), ("\udfff", 0), ("go\0", 2)])
def test_what_is_no_character_is_refused_with_its_place(text, place):
    for prompt, phrase in ((text, "wait"), ("Now you", text)):
        with pytest.raises(EnvError, match=rf"U\+(0000 \(NUL|D800|DFFF).*at place {place} "):
            Decision(prompt, (phrase,))


def test_characters_of_every_kind_are_accepted():
    assert Decision("桌上 🍅 e\u0301 \x1b \u200b now you", ("走",)).available == (0,)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (("q_proj", "FAKE"), r"no linear layer called 'FAKE'; there are .*q_proj.*'all-linear' stands for"),
        (("q_porj",), "Did you mean 'q_proj'"),
        (("embed_tokens",), "no linear layer called 'embed_tokens'"),
        (("",), "no linear layer called ''"),
        (("all-linear", "q_proj"), "Give one of the two"),
    ],
)
def test_every_target_has_to_be_a_linear_layer(scorer, targets, message):
    with pytest.raises(ModelError, match=message):
        attach_to(scorer, Adapters(targets=targets), seed=1)


def test_all_linear_layers_are_adapted_but_the_output_layer(scorer, tmp_path):
    attach_to(scorer, Adapters(targets=("all-linear",)), seed=1)
    adapted = {
        name.split(".lora_")[0].rsplit(".", 1)[-1] for name, _ in scorer.model.named_parameters() if "lora_" in name
    }
    assert adapted == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    save(scorer.model, scorer.tokenizer, scorer.name, tmp_path)
    assert json.loads((tmp_path / "adapter_config.json").read_text())["target_modules"] == sorted(adapted)


def test_the_end_of_a_path_names_a_layer(scorer):
    attach_to(scorer, Adapters(targets=("self_attn.q_proj",)), seed=1)
    assert all(".self_attn.q_proj." in name for name, p in scorer.model.named_parameters() if p.requires_grad)


@pytest.mark.parametrize("phrase", ["拿起西红柿", "トマトを取る", "หยิบมะเขือเทศ", "walk to 桌子"])
def test_where_words_have_no_blanks_a_warning_says_that_word_means_nothing(scorer, phrase):
    decision = Decision("Now you", (phrase, "wait"))
    with pytest.warns(NoWordsWarning, match="'word' is nearly 'none'"):
        LanguageModelPolicy(scorer, "word").probabilities([decision])
    LanguageModelPolicy(scorer, "byte").probabilities([decision])


@pytest.mark.parametrize("phrase", ["식탁으로 가다", "возьми помидор", "امش إلى الطاولة", "टमाटर उठाओ", "x 走"])
def test_where_blanks_part_words_there_is_no_warning(scorer, phrase):
    LanguageModelPolicy(scorer, "word").probabilities([Decision("Now you", (phrase, "wait"))])
