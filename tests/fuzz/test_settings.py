"""Settings from JSON and from the command line, of training and of the baselines."""

import json
import math
from itertools import chain
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.checking import attempt, run_command
from tests.fuzz.inputs import inputs, json_values, mutated, numbers, texts
from twosome.config import TrainConfig
from twosome.errors import TwosomeError
from twosome.experiment.settings import configure, fields_of, require_settings
from twosome.ppo.train import Trainer
from twosome.setting_types import words_of

BASE = json.loads(json.dumps(TrainConfig().to_json()))
WORDS = {name: words_of(hint) for name, hint in get_type_hints(TrainConfig).items()}
ALL_WORDS = sorted({word for words in WORDS.values() for word in words})


def values() -> st.SearchStrategy[Any]:
    return json_values() | st.sampled_from(ALL_WORDS) | st.integers(1, 64)


def is_plain(value: object) -> bool:
    """Whether a number is one that training can compute with, in float32 where it is no whole number."""
    return not isinstance(value, float) or (math.isfinite(value) and abs(value) < 3.5e38)


@given(mutated(BASE, values()) | st.dictionaries(st.sampled_from(sorted(BASE)) | texts(), values()))
@inputs(300, 3000)
def test_settings_that_are_accepted_are_in_range_and_come_back_from_json_as_they_were(content: dict[str, Any]) -> None:
    config = attempt(lambda: TrainConfig.from_json(content))
    if isinstance(config, TwosomeError):
        return
    again = TrainConfig.from_json(json.loads(json.dumps(config.to_json())))
    assert again == config
    for name in content:
        given_value = content[name]
        if given_value is not None:
            kept = config.to_json()[name]
            assert kept == given_value or (name == "output" and Path(kept) == Path(given_value)), name
            assert type(kept) is type(given_value) or {type(kept), type(given_value)} == {int, float}, name
    assert all(is_plain(value) for name, value in config.to_json().items() if name != "env_kwargs")
    for name, words in WORDS.items():
        value = getattr(config, name)
        if words and value is not None:
            assert set(value if isinstance(value, tuple) else [value]) <= set(words)
    assert config.num_updates * config.batch_size <= config.total_steps
    assert config.batch_size % (config.policy_minibatches * config.gradient_accumulation) == 0


@given(
    kind=st.sampled_from(["ppo-mlp", "saycan", "generate"]),
    content=st.dictionaries(
        st.sampled_from(sorted({*fields_of("saycan"), *fields_of("generate")})) | texts(), values()
    ),
)
@inputs(150, 1000)
def test_settings_of_a_baseline_that_are_accepted_are_in_range(kind: str, content: dict[str, Any]) -> None:
    def made() -> Any:
        require_settings(content, fields_of(kind), "the table")
        return configure(kind, "TomatoSalad", 1, content, Path("output"))

    config = attempt(made)
    if isinstance(config, TwosomeError):
        return
    for name, hint in fields_of(kind).items():
        value = getattr(config, name)
        assert is_plain(value), name
        if words := words_of(hint):
            assert value in words, name
        else:
            assert type(value) in ((int, float) if hint is float else (hint,)), name


class StoppedError(TwosomeError):
    """In place of loading a model."""


def on_a_command_line(words: list[str]) -> list[str]:
    """The words without what no system passes on."""
    return [word.replace("\0", "") for word in words]


def train_words() -> st.SearchStrategy[list[str]]:
    flags = st.sampled_from([f"--{name.replace('_', '-')}" for name in BASE]) | st.sampled_from(
        ["--resume", "--json", "--no-show", "--dry-run", "--ray-workers", "--help", "--seeed", "-x", "--"]
    )
    word = (
        st.sampled_from(ALL_WORDS)
        | texts()
        | numbers().map(str)
        | json_values().map(lambda value: json.dumps(value, ensure_ascii=False))
        | st.sampled_from(['{"task": "onion salad"}', '{"layout": "B"}', "[" * 5000, '{"a": ' + "9" * 5000 + "}"])
    )
    pair = st.tuples(flags, word).map(list) | st.tuples(flags, word).map("=".join).map(lambda one: [one])
    words = st.lists(pair | flags.map(lambda flag: [flag]), max_size=4).map(chain.from_iterable).map(list)
    return words.map(on_a_command_line)


@given(words=train_words())
@inputs(20, 600)
def test_any_words_after_train_begin_a_run_or_explain_why_not(words, monkeypatch_module) -> None:
    begun: list[TrainConfig] = []

    def stop(self: Trainer, config: TrainConfig, *_: object, **__: object) -> None:
        begun.append(config)
        raise StoppedError("stopped before the model")

    monkeypatch_module.setattr(Trainer, "__init__", stop)
    ran = run_command(["train", *words])
    if begun:
        assert ran.err.endswith("twosome: stopped before the model\n")
        content = begun[0].to_json()
        assert TrainConfig.from_json(json.loads(json.dumps(content))) == begun[0]
    else:
        assert ran.code != 0 or "--help" in words or "usage" in ran.out


@pytest.mark.parametrize("command", ["eval", "score", "report", "experiment", "show", "generalize", "retain"])
@given(words=st.lists(texts() | st.sampled_from(["--json", "--env", "--device", "--checkpoint"]), max_size=4))
@inputs(4, 50)
def test_any_words_after_another_command_are_explained(command, words) -> None:
    run_command([command, *on_a_command_line(words)])
