"""Model folders with other things in their files: refused, or a model whose scores are a policy."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.artifacts import CANARY, CHAT, copied, damaged_file, damaged_tensors, make_model
from tests.fuzz.checking import attempt, files_below
from tests.fuzz.inputs import inputs, json_values, texts
from twosome import ActionScorer, Decision
from twosome.errors import TwosomeError
from twosome.policy.lm_policy import LanguageModelPolicy

FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json")
EVIL = {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model", "AutoTokenizer": ["evil.Tokenizer", None]}
DECISIONS = (
    Decision("You see a cup and a plate on the table. Now you", ("pick up the cup", "wait", "", "sit down")),
    Decision("Now you", ("wait", "walk")),
)
TEMPLATES = (
    CHAT,
    "",
    "{{ messages[0]['content'] }}",
    "{% if not messages[0]['content'] %}{{ raise_exception('empty\\n\\x1b[31m message') }}{% endif %}",
    "{% for m in messages %}{{ m['content'][0]['text'] }}{% endfor %}",
    "{% for i in range(10**9) %}{% endfor %}",
    "{{ 'x' * 10**6 }}",
    "{% broken",
    "{{ undefined.attribute.of.nothing }}",
    "{% for m in messages if m['role'] == 'user' %}{{ m['content'] }}{% endfor %}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ messages[1]['content'].upper() }}",
    "{% include '/etc/passwd' %}",
)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "model")


def score(folder: Path, prompt_format: Any) -> None:
    """Load the model as `twosome score` does; what it gives is a policy."""
    before = files_below(folder.parent)
    scorer = attempt(lambda: ActionScorer.from_pretrained(str(folder), prompt_format=prompt_format))
    if not isinstance(scorer, TwosomeError):
        rows = attempt(lambda: LanguageModelPolicy(scorer).probabilities(DECISIONS))
        if not isinstance(rows, TwosomeError):
            assert all(np.isfinite(row).all() and abs(row.sum() - 1) < 1e-9 for row in rows)
            alone = [LanguageModelPolicy(scorer).probabilities([decision])[0] for decision in DECISIONS]
            assert all(np.abs(a - b).max() < 1e-4 for a, b in zip(rows, alone, strict=True))
    assert files_below(folder.parent) == before
    assert CANARY not in before


@given(data=st.data(), name=st.sampled_from(FILES), chat=st.sampled_from(("plain", "chat")))
@inputs(15, 700)
def test_a_folder_with_a_damaged_file_is_refused_or_gives_a_policy(model, data, name, chat) -> None:
    with copied(model) as copy:
        values = json_values() | st.sampled_from((EVIL, "evil.py", "gpt2", "mamba", "bloom", "LlamaForCausalLM", 8, 2))
        (copy / name).write_bytes(data.draw(damaged_file(model / name, values)))
        score(copy, chat)


@given(data=st.data())
@inputs(8, 300)
def test_a_folder_with_other_weights_is_refused_or_gives_a_policy(model, data) -> None:
    with copied(model) as copy:
        data.draw(damaged_tensors(model / "model.safetensors"))(copy / "model.safetensors")
        score(copy, "plain")


@given(
    template=st.sampled_from(TEMPLATES) | texts() | st.integers(0, len(CHAT)).map(lambda n: CHAT[:n] + CHAT[n + 1 :])
)
@inputs(8, 250)
def test_a_folder_with_any_chat_template_is_refused_or_gives_a_policy(model, template) -> None:
    with copied(model) as copy:
        for old in copy.glob("*.jinja"):
            old.unlink()
        config = json.loads((copy / "tokenizer_config.json").read_text())
        (copy / "tokenizer_config.json").write_text(json.dumps({**config, "chat_template": template}))
        score(copy, "chat")


@given(
    content=json_values()
    | st.dictionaries(st.sampled_from(("peft_type", "r", "target_modules", "auto_mapping")), json_values())
)
@inputs(4, 100)
def test_a_folder_with_an_adapter_beside_its_model_is_refused_or_gives_a_policy(model, content) -> None:
    with copied(model) as copy:
        (copy / "adapter_config.json").write_text(json.dumps(content))
        score(copy, "plain")
