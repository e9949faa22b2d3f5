"""Prompts and phrases of any text, and things that are no texts: to a decision, through models, and through `score`."""

import json
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.checking import attempt, run_command
from tests.fuzz.inputs import inputs, json_values, texts
from tests.scoring.tiny_models import TOKENIZERS, llama
from twosome import ActionScorer, Decision
from twosome.errors import TwosomeError
from twosome.policy.lm_policy import LanguageModelPolicy

NORMALIZATIONS = ("none", "token", "word", "byte", "pmi")
WORDS = ("You see a cup", "pick up the cup", "wait", "put the plate down", "p", "pi", "go", "你去", "🙂", "ünder")


def phrases() -> st.SearchStrategy[str]:
    return st.sampled_from(WORDS) | texts().map(str.strip) | st.just("")


def decisions() -> st.SearchStrategy[tuple[str, tuple[str, ...]]]:
    """Prompts and phrases that a decision mostly takes."""
    few = st.lists(phrases(), min_size=1, max_size=6).map(tuple)
    many = st.integers(1, 1000).map(lambda n: tuple(f"go to {i}" for i in range(n)))
    long = st.integers(1, 400).map(lambda n: "You see a cup. " * n + "Now you")
    prompts = st.sampled_from(WORDS) | texts().map(str.rstrip)
    return st.tuples(prompts, few) | st.tuples(prompts | long, few) | st.tuples(st.just("Now you"), many)


@pytest.fixture(scope="module")
def scorers() -> dict[str, ActionScorer]:
    made = {name: ActionScorer(llama(), make(), name=name) for name, make in TOKENIZERS.items()}
    return {**made, "hearth": ActionScorer.from_pretrained("hearth")}


@given(
    prompt=texts() | json_values() | st.binary(max_size=3),
    actions=st.lists(phrases() | json_values(), max_size=4).map(tuple)
    | st.lists(phrases(), max_size=3)
    | json_values(),
)
@inputs(150, 2000)
def test_a_decision_is_made_of_texts_or_refused(prompt: Any, actions: Any) -> None:
    made = attempt(lambda: Decision(prompt, actions))
    is_texts = isinstance(prompt, str) and isinstance(actions, tuple) and all(isinstance(a, str) for a in actions)
    valid = is_texts and not prompt[-1:].isspace() and not any(a != a.strip() for a in actions) and any(actions)
    if not valid:
        assert isinstance(made, TwosomeError)
    elif isinstance(made, Decision):
        assert (made.prompt, made.actions) == (prompt, actions)
    else:
        # What a text may be made of and no model can read: halves of characters, and the character of number 0.
        assert any(0xD800 <= ord(c) < 0xE000 or c == "\0" for text in (prompt, *actions) for c in text)


@given(data=st.data(), name=st.sampled_from([*TOKENIZERS, "hearth"]), normalization=st.sampled_from(NORMALIZATIONS))
@inputs(20, 800)
def test_every_decision_that_is_scored_gets_probabilities_that_sum_to_one(scorers, data, name, normalization) -> None:
    drawn = data.draw(st.lists(decisions(), min_size=1, max_size=3))
    context_free = data.draw(st.just("Now you") | texts())
    made = [attempt(partial(Decision, *one)) for one in drawn]
    whole = [decision for decision in made if isinstance(decision, Decision)]
    if not whole:
        return
    rows = attempt(lambda: LanguageModelPolicy(scorers[name], normalization, context_free).probabilities(whole))
    if isinstance(rows, TwosomeError):
        return
    for decision, row in zip(whole, rows, strict=True):
        assert row.shape == (len(decision.actions),)
        assert np.isfinite(row).all()
        assert (row >= 0).all()
        assert abs(row.sum() - 1) < 1e-9
        assert all(row[i] == 0 for i, phrase in enumerate(decision.actions) if not phrase)


@given(
    decision=decisions(),
    flags=st.lists(st.sampled_from(["--json", "--prompt-format", "chat", "--dtype", "float32", "--model", "--help"])),
    encoding=st.sampled_from(["utf-8", "ascii", "cp1252"]),
)
@inputs(12, 300)
def test_score_prints_policies_or_a_paragraph(scorers, decision, flags, encoding, monkeypatch_module) -> None:
    monkeypatch_module.setattr(ActionScorer, "from_pretrained", lambda *_, **__: scorers["hearth"])
    prompt, actions = decision
    ran = run_command(["score", prompt, *actions[:20], *flags], encoding)
    if ran.code == 0 and "--json" in flags and "--help" not in flags:
        document = json.loads(ran.out)
        for name in NORMALIZATIONS:
            assert abs(sum(row["policy"][name] for row in document["actions"]) - 1) < 1e-6
