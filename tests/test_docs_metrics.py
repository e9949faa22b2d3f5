"""docs/metrics.md describes what a run logs, no more and no less."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import twosome

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"
SOMETIMES = {
    "self_imitation_loss",
    "random_return_mean",
    "random_return_low",
    "warnings",
}  # not in the first updates of a run that learns


@pytest.mark.parametrize(
    "setting",
    [{}, {"algorithm": "grpo"}, {"normalization": "learned"}, {"normalize_rewards": True}],
    ids=["default", "grpo", "learned", "rewards"],
)
def test_every_metric_of_a_run_is_explained(setting: dict[str, Any], tmp_path: Path) -> None:
    """A metric that nobody can look up is noise."""
    config = twosome.TrainConfig(env="FoodPreparation", total_steps=128, output=tmp_path / "run")
    run = twosome.train(replace(config, **setting), progress=False)
    logged = set(json.loads((run / "metrics.jsonl").read_text("utf-8").splitlines()[-1]))
    assert logged - explained() == set()


def test_every_explained_metric_is_logged(tmp_path: Path) -> None:
    """The other way round: a metric that was renamed or removed leaves the page, too."""
    config = twosome.TrainConfig(
        env="FoodPreparation",
        normalization="learned",
        normalize_rewards=True,
        total_steps=128,
        output=tmp_path / "run",
    )
    run = twosome.train(config, progress=False)
    logged = set(json.loads((run / "metrics.jsonl").read_text("utf-8").splitlines()[-1]))
    assert explained() - logged - SOMETIMES == set()


def explained() -> set[str]:
    """Names at the beginning of the tables' rows, and of the two paragraphs on time and warnings."""
    text = PAGE.read_text("utf-8")
    rows = re.findall(r"^\| (`[^|]+`) \|", text, flags=re.MULTILINE)
    prose = text[text.index("## Time") :]
    return {name for part in [*rows, prose] for name in re.findall(r"`([a-z]+(?:_[a-z]+)*)`", part)}
