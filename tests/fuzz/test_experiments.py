"""Files of experiments: TOML with other things in it, and files that are no TOML."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.checking import attempt, run_command
from tests.fuzz.inputs import damaged, inputs, json_values, mutated, texts
from twosome.baselines.config import BaselineConfig
from twosome.cli.train import parse_train
from twosome.errors import TwosomeError
from twosome.experiment import grid
from twosome.experiment.settings import flags

QUICK = Path(__file__).parents[2] / "benchmarks" / "experiments" / "quick.toml"
FULL: dict[str, Any] = {
    "name": "full",
    "output": "runs/full",
    "seeds": [1, 2],
    "envs": ["TomatoSalad", "FoodPreparation", "HouseholdTask"],
    "settings": {"total_steps": 1536, "num_envs": 4, "env_kwargs": {}},
    "env": {"TomatoSalad": {"gamma": 0.9, "env_kwargs": {"layout": "A"}}},
    "methods": {
        "word": {"normalization": "word", "lora_targets": ["q_proj", "v_proj"]},
        "none": {"kind": "twosome", "actor_lr": 1e-3, "env": {"FoodPreparation": {"actor_lr": 1e-4, "seed": 1}}},
    },
    "evaluation": {"episodes": 100, "seed": 10_000},
}
del FULL["methods"]["none"]["env"]["FoodPreparation"]["seed"]


def to_toml(value: Any) -> str:
    """A value as TOML, tables in one line each."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {to_toml(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(to_toml, value)) + "]"
    if isinstance(value, float):
        return repr(value)
    # TOML has no null.
    return '""' if value is None else json.dumps(value)


def file_of(content: dict[str, Any]) -> bytes:
    return "\n".join(f"{json.dumps(key)} = {to_toml(value)}" for key, value in content.items()).encode()


def values() -> st.SearchStrategy[Any]:
    words = ("twosome", "saycan", "ppo-mlp", "TomatoSalad", "Entertainment", "twosome/TomatoSalad-v0", "poad", "pmi")
    return json_values() | st.sampled_from(words) | st.integers(1, 8)


def files() -> st.SearchStrategy[bytes]:
    return mutated(FULL, values()).map(file_of) | damaged(QUICK.read_bytes()) | damaged(file_of(FULL))


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("experiment") / "experiment.toml"


def test_the_files_that_are_mutated_are_experiments(file):
    file.write_bytes(file_of(FULL))
    assert len(grid.read_grid(file).cells) == 12


@given(content=files(), quick=st.booleans())
@inputs(30, 1000)
def test_an_experiment_that_is_accepted_gives_each_run_a_folder_and_settings_that_its_command_repeats(
    file, content, quick
) -> None:
    file.write_bytes(content)
    read = attempt(lambda: grid.read_grid(file, quick=quick))
    if isinstance(read, TwosomeError):
        return
    folders = [cell.path for cell in read.cells]
    assert len(set(folders)) == len(folders) > 0
    for path in [*folders, *(reference.path for reference in read.references)]:
        assert read.output.resolve() in path.resolve().parents
    json.dumps(read.to_json())
    for cell in read.cells[:3]:
        if isinstance(cell.config, BaselineConfig):
            continue
        words = flags({"env": cell.config.env, "seed": cell.seed, "output": str(cell.path), **cell.given})
        assert parse_train(words).config == cell.config, words


@given(
    content=files(), words=st.lists(st.sampled_from(["--quick", "--json", "--jobs", "2", "0"]) | texts(), max_size=2)
)
@inputs(10, 200)
def test_the_command_reads_any_file_or_explains_why_not(file, content, words, monkeypatch_module) -> None:
    def stop(*_: object, **__: object) -> None:
        raise TwosomeError("stopped before the first run")

    monkeypatch_module.setattr("twosome.cli.grid.require_same_settings", stop)
    file.write_bytes(content)
    run_command(["experiment", str(file), *(word.replace("\0", "") for word in words)])
