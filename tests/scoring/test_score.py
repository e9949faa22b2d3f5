"""The scorer: batches, sharing, budgets, features, and what it refuses."""

import copy
import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, PromptTuningConfig, get_peft_model

from tests.scoring.tiny_models import (
    DECISIONS,
    FAMILIES,
    TOKENIZERS,
    by_definition,
    byte_level,
    llama,
    merging,
    tiny_model,
)
from twosome import Decision
from twosome.errors import ConfigError, ModelError, PromptTooLongError
from twosome.scoring import ActionScorer, action_log_probs, adapters_off, context_free_log_probs
from twosome.scoring.cache import BoundedCache
from twosome.scoring.trie import build_tries

MODEL = llama()
SCORER = ActionScorer(MODEL, byte_level(), method="packed")
PHRASES = ("pick up the cup", "pick up the plate", "pick", "walk to the table", "wait", "put the cup down", "sit")
LAWS = settings(deadline=None, derandomize=True, max_examples=20)


@pytest.fixture
def scorer():
    return ActionScorer(llama(), byte_level(), method="packed")


def counted(scorer):
    """The token arrays that pass through the scorer's model from now on."""
    seen = []
    scorer.model.register_forward_pre_hook(lambda _, args, kwargs: seen.append(kwargs["input_ids"]), with_kwargs=True)
    return seen


def gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def finite_sum(logp):
    available = logp > -torch.inf
    return (logp[available] * torch.linspace(-1, 2, int(available.sum()), dtype=logp.dtype)).sum()


def test_scores_are_padded_and_lengths_counted(scorer):
    scored = scorer.score(DECISIONS)
    assert scored.logp.shape == (3, 6)
    assert scored.available.tolist() == [
        [True] * 3 + [False] + [True] * 2,
        [False, True] + [False] * 4,
        [True] * 2 + [False] * 4,
    ]
    assert (scored.logp == -torch.inf).tolist() == (~scored.available).tolist()
    assert scored.num_words[0].tolist() == [4, 4, 1, 0, 4, 4]
    assert scored.num_bytes[0].tolist() == [15, 17, 4, 0, 17, 15]
    assert scored.num_tokens[1].tolist() == [0, len(byte_level()(" wait")["input_ids"]), 0, 0, 0, 0]
    assert [len(row) for row in scorer.log_probs(DECISIONS)] == [6, 2, 2]


def test_bytes_are_those_of_utf_8(scorer):
    assert scorer.score([Decision("You see a", ("café",))]).num_bytes.tolist() == [[5]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_scores_are_in_float32_whatever_the_models_type(dtype):
    model = tiny_model("llama", dtype=dtype, **FAMILIES["llama"])
    found = ActionScorer(model, byte_level(), method="packed").log_probs(DECISIONS)[0]
    assert found.dtype == torch.float32
    exact = by_definition(llama(), byte_level(), DECISIONS[0]).float()
    torch.testing.assert_close(found, exact, atol=1e-4 if dtype == torch.float32 else 2.0, rtol=0)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_packed_equals_naive_for_every_kind_of_tokenizer(name):
    scorer = ActionScorer(llama(), TOKENIZERS[name](), method="packed")
    packed = scorer.log_probs(DECISIONS)
    scorer.method = "naive"
    for a, b in zip(packed, scorer.log_probs(DECISIONS), strict=True):
        torch.testing.assert_close(a, b, atol=1e-9, rtol=0)


def test_a_merged_token_is_scored_as_the_row_has_it():
    tokenizer = merging()
    scorer = ActionScorer(llama(), tokenizer, method="packed")
    found = scorer.log_probs([Decision("Now you", ("pick", "sit"))])[0]
    rows = [tokenizer("Now you pick")["input_ids"], tokenizer("Now you sit")["input_ids"]]
    for logp, row in zip(found, rows, strict=True):
        table = torch.log_softmax(scorer.model(torch.tensor([row])).logits[0], dim=-1)
        expected = sum(table[i - 1, row[i]] for i in range(len("Now yo"), len(row)))
        torch.testing.assert_close(logp, expected, atol=1e-9, rtol=0)


def test_equal_decisions_are_evaluated_once_and_share_their_gradients(scorer):
    first, second = DECISIONS[0], DECISIONS[2]
    seen = counted(scorer)
    scorer.score([first, second])
    shared = scorer.score([first, second, first, Decision(first.prompt, tuple(first.actions))]).logp
    assert len(seen) == 2
    assert torch.equal(*seen)
    assert torch.equal(shared[0], shared[2])
    assert torch.equal(shared[0], shared[3])
    found = gradients(scorer.model, finite_sum(shared))
    apart = torch.cat([scorer.score([decision]).logp[0] for decision in (first, second, first, first)])
    expected = gradients(scorer.model, finite_sum(apart))
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-5, rtol=1e-5)


@pytest.mark.usefixtures("without_type_checks")
@pytest.mark.parametrize("budget", [1, 25, 40, 10**6])
def test_a_budget_bounds_each_forward_and_changes_nothing(budget):
    actions = tuple(
        f"{verb} {thing}"
        for verb in ("pick up", "put", "walk to", "see")
        for thing in ("the cup", "the plate", "a table", "a", "you")
    )
    decisions = [Decision("You see a cup. Now you", actions), Decision("Now you", actions[::2])]
    free = ActionScorer(llama(), byte_level(), method="packed")
    tight = ActionScorer(free.model, byte_level(), method="packed", max_tokens_per_forward=budget)
    seen = counted(tight)
    found = tight.score(decisions).logp
    if budget in (25, 40):
        assert len(seen) > {25: 2, 40: 1}[budget]
        assert all(tokens.numel() <= budget for tokens in seen)
    found_gradients = gradients(tight.model, finite_sum(found))
    expected = free.score(decisions).logp
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=0)
    for name, gradient in gradients(free.model, finite_sum(expected)).items():
        torch.testing.assert_close(found_gradients[name], gradient, atol=1e-4, rtol=1e-5)


def test_a_thousand_actions_go_through_in_rows_of_bounded_length(scorer):
    letters = "abcdefghij"
    decision = Decision(
        "Now you", actions := tuple(f"{a} {b} {c} wait" for a in letters for b in letters for c in letters)
    )
    spans = scorer.encoder.encode(decision)
    assert len(spans.shared) + build_tries(spans.shared, spans.actions)[0].num_nodes > 2000
    seen = counted(scorer)
    with torch.no_grad():
        found = scorer.log_probs([decision])[0]
    # Short rows, since the prompt is short: one long row would spend its time on attention.
    assert max(tokens.shape[1] for tokens in seen) <= 256
    assert sum(tokens.numel() for tokens in seen) <= 5000
    some = [0, 123, 999]
    expected = by_definition(scorer.model, byte_level(), Decision("Now you", tuple(actions[i] for i in some)))
    torch.testing.assert_close(found[some], expected.detach(), atol=1e-9, rtol=0)


def test_a_phrase_that_stands_in_a_decision_several_times_counts_once():
    once, often = (Decision("Now you", (*("open the door",) * n, "wait", "")) for n in (1, 3))
    with torch.no_grad():
        assert SCORER.score([once]).num_alike is None
        (alone,), (shared,), (both,) = (action_log_probs(SCORER.score(d)).exp() for d in ([once], [often], [often]))
        beside = action_log_probs(SCORER.score([once, often])).exp()
    assert shared.tolist() == pytest.approx([*[alone[0].item() / 3] * 3, alone[1].item(), 0.0])
    torch.testing.assert_close(beside[0, :3], alone)
    torch.testing.assert_close(beside[1], both)


# Texts, not decisions: checking a Decision's types draws random numbers, which Hypothesis forbids in strategies.
PROMPTS = st.sampled_from(["Now you", "You see a cup on the table. Now you", "Your hands are empty. You"])
ACTIONS = st.lists(st.sampled_from(["", *PHRASES]), min_size=1, max_size=6).filter(any).map(tuple)


@LAWS
@given(st.lists(st.tuples(PROMPTS, ACTIONS), min_size=1, max_size=4))
def test_every_decision_gets_a_policy_and_the_same_as_alone(texts):
    batch = [Decision(*text) for text in texts]
    with torch.no_grad():
        scored = SCORER.score(batch)
        policy = action_log_probs(scored).exp()
        torch.testing.assert_close(policy.sum(dim=1), torch.ones(len(batch), dtype=policy.dtype))
        for row, decision in zip(scored.logp, batch, strict=True):
            alone = by_definition(MODEL, SCORER.tokenizer, decision)
            torch.testing.assert_close(row[: len(alone)], alone, atol=1e-9, rtol=0)


@LAWS
@given(PROMPTS, ACTIONS, st.randoms())
def test_the_order_of_actions_does_not_matter_to_the_last_bit(prompt, actions, random):
    order = list(range(len(actions)))
    random.shuffle(order)
    with torch.no_grad():
        found = SCORER.log_probs([Decision(prompt, tuple(actions[i] for i in order))])[0]
        assert torch.equal(found, SCORER.log_probs([Decision(prompt, actions)])[0][order])


@LAWS
@given(PROMPTS, ACTIONS, st.integers(0, 6))
def test_an_action_that_is_not_available_changes_nothing_and_leaks_no_gradient(prompt, actions, place):
    place = min(place, len(actions))
    logp = SCORER.log_probs([Decision(prompt, (*actions[:place], "", *actions[place:]))])[0]
    kept = [i for i in range(len(logp)) if i != place]
    assert torch.equal(logp[kept], SCORER.log_probs([Decision(prompt, actions)])[0])
    (gradient,) = torch.autograd.grad(logp[place], MODEL.lm_head.weight)
    assert (gradient == 0).all()


def test_token_log_probs_name_each_token_and_add_up(scorer):
    tables = scorer.token_log_probs([DECISIONS[1], DECISIONS[0], DECISIONS[1]])
    assert tables[0] == tables[2]
    assert tables[1][3] == []
    sums = scorer.log_probs([DECISIONS[0]])[0].detach()
    for action, phrase in enumerate(DECISIONS[0].actions):
        if phrase:
            assert "".join(text for text, _ in tables[1][action]) == f" {phrase}"
            assert sum(logp for _, logp in tables[1][action]) == pytest.approx(float(sums[action]))
    scorer.method = "naive"
    for (text, logp), (other, naive) in zip(tables[1][0], scorer.token_log_probs([DECISIONS[0]])[0][0], strict=True):
        assert text == other
        assert logp == pytest.approx(naive)


@pytest.mark.parametrize("family", ["llama", "gpt2", "opt", "gemma3_text", "falcon"])
def test_features_are_the_last_layers_output_at_the_last_prompt_token(family):
    model = tiny_model(family, **FAMILIES[family])
    scorer = ActionScorer(model, byte_level())
    head = model.get_output_embeddings()
    prompts = ["You see a cup on the table. Now you", "Now you", "You see a cup on the table. Now you"]
    found = scorer.prompt_features(prompts)
    assert found.shape == (3, head.in_features)
    assert torch.equal(found[0], found[2])
    for prompt, features in zip(prompts, found, strict=True):
        logits = model(torch.tensor([byte_level()(prompt)["input_ids"]])).logits[0, -1]
        # What the output layer makes of these features are the logits at the prompt's end.
        torch.testing.assert_close(head(features), logits, atol=1e-9, rtol=0)


def test_features_are_in_float32_and_keep_to_the_budget():
    model = tiny_model("llama", dtype=torch.bfloat16, **FAMILIES["llama"])
    scorer = ActionScorer(model, byte_level(), max_tokens_per_forward=30)
    seen = []
    scorer.model.model.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(kwargs["input_ids"]), with_kwargs=True
    )
    prompts = ["Now you", "You see a cup", "You see", "You see a cup and a plate", "Now you"]
    found = scorer.prompt_features(prompts)
    assert found.dtype == torch.float32
    assert len(seen) > 1
    assert all(tokens.numel() <= 30 or len(tokens) == 1 for tokens in seen)
    assert sum(len(tokens) for tokens in seen) == 4
    for prompt, features in zip(prompts, found, strict=True):
        torch.testing.assert_close(features, scorer.prompt_features([prompt])[0], atol=0.05, rtol=0.05)


def test_features_and_scores_see_the_adapters_and_their_absence(scorer):
    plain_features, plain = scorer.prompt_features(["Now you"]), scorer.log_probs([DECISIONS[0]])[0]
    scorer.model = get_peft_model(
        copy.deepcopy(scorer.model), LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False)
    ).eval()
    available = [0, 1, 2, 4, 5]
    assert not torch.allclose(scorer.prompt_features(["Now you"]), plain_features)
    assert not torch.allclose(scorer.log_probs([DECISIONS[0]])[0][available], plain[available])
    with scorer.model.disable_adapter():
        torch.testing.assert_close(scorer.prompt_features(["Now you"]), plain_features)
        torch.testing.assert_close(scorer.log_probs([DECISIONS[0]])[0], plain)


def test_adapters_that_do_not_train_still_do_not_after_they_were_off(scorer):
    adapters = LoraConfig(r=2, target_modules=["q_proj"])
    scorer.model = get_peft_model(copy.deepcopy(scorer.model), adapters)
    trained = [name for name, parameter in scorer.model.named_parameters() if parameter.requires_grad]
    for expected in (trained, []):
        scorer.model.requires_grad_(False)
        for name, parameter in scorer.model.named_parameters():
            parameter.requires_grad_(name in expected)
        with adapters_off(scorer.model):
            pass
        assert [name for name, parameter in scorer.model.named_parameters() if parameter.requires_grad] == expected
    assert trained


def test_context_free_scores_are_those_of_the_frozen_model_and_computed_once(scorer):
    expected = [scorer.log_probs([Decision("Now you", (phrase,))])[0] for phrase in ("pick", "wait")]
    adapters = LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    scorer.model = get_peft_model(scorer.model, adapters).eval()
    batch = [Decision("You see a cup. You", ("pick", "", "wait")), Decision("You see", ("wait",))]
    found = context_free_log_probs(scorer, batch, "Now you")
    assert not found.requires_grad
    assert found.isinf().tolist() == [[False, True, False], [False, True, True]]
    torch.testing.assert_close(found[0, [0, 2]], torch.cat(expected).detach())
    assert found[1, 0] == found[0, 2]
    seen = counted(scorer)
    assert torch.equal(context_free_log_probs(scorer, batch, "Now you"), found)
    assert seen == []


def test_a_context_free_score_does_not_depend_on_what_is_asked_for_with_it(scorer):
    phrases = ["wait", "pick", "pick up the cup", "put the cup on the table and go away"]

    def ask(*together: str) -> dict[str, float]:
        scorer.context_free_cache = BoundedCache(99)
        table = context_free_log_probs(scorer, [Decision("You see a cup. You", together)], "Now you")
        return dict(zip(together, table[0].tolist(), strict=True))

    # In float32, as in use: float64 hides in its last bits what a neighbor changes.
    scorer.model = copy.deepcopy(scorer.model).float()
    alone = {phrase: ask(phrase)[phrase] for phrase in phrases}
    for size in range(2, len(phrases) + 1):
        for together in itertools.permutations(phrases, size):
            assert ask(*together) == {phrase: alone[phrase] for phrase in together}


def test_chat_prompts_are_scored_through_the_template():
    tokenizer = byte_level()
    tokenizer.chat_template = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}</>{% endfor %}"
    chat = ActionScorer(llama(), tokenizer, prompt_format="chat", method="packed")
    found = chat.log_probs([Decision("You see a cup. Now you", ("pick", "wait"))])[0]
    rendered = Decision("<user>You see a cup.</><assistant>Now you", ("pick", "wait"))
    torch.testing.assert_close(found, by_definition(chat.model, tokenizer, rendered), atol=1e-9, rtol=0)


def test_dropout_in_training_mode_is_refused_and_the_mode_left_alone():
    model = tiny_model("gpt2", resid_pdrop=0.1, attn_pdrop=0.0, embd_pdrop=0.0)
    scorer = ActionScorer(model, byte_level())
    model.train()
    with pytest.raises(ModelError, match=r"training mode with dropout.*model\.eval\(\)"):
        scorer.score(DECISIONS)
    with pytest.raises(ModelError, match="training mode with dropout"):
        scorer.prompt_features(["Now you"])
    assert model.training
    with pytest.raises(ModelError, match="training mode with dropout"):
        ActionScorer(llama(attention_dropout=0.1).train(), byte_level())
    adapters = LoraConfig(r=2, target_modules=["q_proj"], lora_dropout=0.1)
    with pytest.raises(ModelError, match="training mode with dropout"):
        ActionScorer(get_peft_model(llama(), adapters).train(), byte_level())


def test_training_mode_without_dropout_scores_as_evaluation_mode_does(scorer):
    expected = scorer.log_probs(DECISIONS)[0]
    scorer.model.train()
    assert torch.equal(scorer.log_probs(DECISIONS)[0], expected)
    assert scorer.model.training


def test_what_does_not_fit_is_refused(scorer):
    with pytest.raises(PromptTooLongError, match="at most 128"):
        scorer.score([Decision("You see a cup. " * 40 + "You", ("wait",))])
    with pytest.raises(ConfigError, match="no decision"):
        scorer.score([])
    with pytest.raises(ConfigError, match="no prompt"):
        scorer.prompt_features([])
    with pytest.raises(ConfigError, match="max_tokens_per_forward is 0"):
        ActionScorer(scorer.model, byte_level(), max_tokens_per_forward=0)


@pytest.mark.usefixtures("without_type_checks")
def test_an_unknown_method_is_refused():
    with pytest.raises(ConfigError, match="'auto', 'packed' or 'naive'"):
        ActionScorer(MODEL, byte_level(), method="fast")


def test_adapters_that_put_tokens_before_the_prompt_are_refused():
    config = PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2)
    with pytest.raises(ModelError, match=r"PromptTuningConfig.*LoRA"):
        ActionScorer(get_peft_model(llama(), config), byte_level())


def test_a_decision_is_tokenized_once(scorer):
    scorer.score(DECISIONS)
    scorer.encoder.tokenizer = None
    scorer.score(DECISIONS)
