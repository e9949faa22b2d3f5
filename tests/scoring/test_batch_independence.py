"""A score, and what the critic reads, follow from a text alone and not from what it is read with."""

import pytest
import torch

from tests.scoring.batch_independence import CASES, LONGROPE, PHRASES, SWITCH, differences
from tests.scoring.tiny_models import byte_level, llama, tiny_model
from twosome import Decision
from twosome.errors import ModelError
from twosome.scoring import ActionScorer, PackingWarning
from twosome.scoring.position_ranges import ONE_RANGE, PositionRanges


@pytest.mark.parametrize("case", CASES)
def test_a_decision_scores_alone_as_beside_longer_ones_packed_and_one_by_one(case):
    family, settings = CASES[case]
    _, scores, features = differences(tiny_model(family, **settings))
    assert scores < 1e-5
    assert features < 1e-5


def decision_of(num_tokens):
    """A decision whose prompt has so many tokens."""
    tokenizer = byte_level()
    words = "a"
    while len(tokenizer(words)["input_ids"]) < num_tokens:
        words += " a"
    assert len(tokenizer(words)["input_ids"]) == num_tokens
    return Decision(words, PHRASES)


@pytest.mark.parametrize("num_tokens", [SWITCH - 20, SWITCH - 9, SWITCH - 1, SWITCH, SWITCH + 1])
def test_each_action_is_read_with_the_frequencies_of_its_own_length(num_tokens):
    model = tiny_model("phi3", **LONGROPE)
    decision = decision_of(num_tokens)
    scorer = ActionScorer(model, byte_level(), method="packed")
    expected = []
    for phrase in decision.actions:
        row = byte_level()(f"{decision.prompt} {phrase}")["input_ids"]
        # The last token is predicted, not read.
        logp = torch.log_softmax(model(input_ids=torch.tensor([row[:-1]])).logits[0], dim=-1)
        expected.append(sum(logp[i - 1, row[i]] for i in range(num_tokens, len(row))))
    torch.testing.assert_close(scorer.log_probs([decision])[0], torch.stack(expected), atol=1e-9, rtol=0)


def test_an_action_scores_the_same_beside_one_that_crosses_the_switch():
    scorer = ActionScorer(tiny_model("phi3", **LONGROPE), byte_level(), method="packed")
    decision = decision_of(SWITCH - 9)
    short = min(PHRASES, key=len)
    (alone,) = scorer.log_probs([Decision(decision.prompt, (short,))])
    (beside,) = scorer.log_probs([decision])
    torch.testing.assert_close(beside[PHRASES.index(short)], alone[0], atol=1e-9, rtol=0)


def test_the_features_of_a_prompt_with_a_window_stay_numbers_behind_much_padding():
    scorer = ActionScorer(
        tiny_model("gemma2", num_key_value_heads=2, head_dim=8, sliding_window=7), byte_level(), method="packed"
    )
    assert bool(torch.isfinite(scorer.prompt_features(["Now you", decision_of(60).prompt])).all())


def moved_by(model, change):
    """The model with `change` (the largest position in the forward) added to the logits of one token."""
    forward = model.forward

    def moved(*args, **kwargs):
        output = forward(*args, **kwargs)
        positions = kwargs.get("position_ids")
        largest = output.logits.shape[1] - 1 if positions is None else int(positions.max())
        output.logits[..., 3] += change(largest)
        return output

    model.forward = moved
    return model


def test_an_unknown_switch_at_any_length_is_found_out_and_each_action_read_alone():
    model = moved_by(llama(), lambda largest: 0.5 * (largest > 120))
    with pytest.warns(PackingWarning, match=r"a longer text beside it .* changes a token's log-probability by 0\.\d+"):
        scorer = ActionScorer(model, byte_level())
    assert scorer.method == "naive"
    short, long = decision_of(20), decision_of(100)
    torch.testing.assert_close(scorer.log_probs([short])[0], scorer.log_probs([long, short])[1], atol=1e-9, rtol=0)


def test_a_model_that_remembers_the_longest_text_is_refused():
    longest = [0]

    def remembered(largest):
        longest[0] = max(longest[0], largest)
        return 0.5 * (longest[0] > 120)

    with pytest.raises(ModelError, match=r"reads a text otherwise after a longer one"):
        ActionScorer(moved_by(llama(), remembered), byte_level())


def test_prompts_are_read_one_at_a_time_where_padding_would_change_their_features():
    model = llama()
    forward = model.model.forward

    def padded(*args, **kwargs):
        output = forward(*args, **kwargs)
        output.last_hidden_state = output.last_hidden_state + 0.1 * output.last_hidden_state.shape[1]
        return output

    model.model.forward = padded
    with pytest.warns(PackingWarning, match="reads one prompt at a time"):
        scorer = ActionScorer(model, byte_level(), method="naive")
    prompts = ["Now you", decision_of(60).prompt]
    torch.testing.assert_close(scorer.prompt_features(prompts)[:1], scorer.prompt_features(prompts[:1]))


def test_a_model_of_one_encoding_has_one_stretch():
    assert PositionRanges.of_model(llama().config) == ONE_RANGE
    assert PositionRanges.of_model(tiny_model("phi3", **LONGROPE).config) == PositionRanges((SWITCH,))
