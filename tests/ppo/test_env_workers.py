"""A run whose environments are in processes of their own is the same run."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import twosome
from tests.environments import counting_run
from twosome.trust import ChangedRunWarning


def numbers(path: Path) -> list[dict[str, Any]]:
    """The metrics, without seconds."""
    rows = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if not name.endswith("_s")} for row in rows]


def test_a_run_with_workers_resumed_with_fewer_has_the_metrics_of_one_in_one_process(tmp_path):
    config = replace(counting_run(tmp_path / "here", num_envs=3, policy_minibatches=1), env="twosome-tests/Shelf-v0")
    config = replace(config, value_minibatches=1, total_steps=3 * 3 * 16)
    twosome.train(config, progress=False)
    path = tmp_path / "there"
    twosome.train(replace(config, output=path, env_workers=2), progress=False, stop=lambda row: row["update"] == 2)
    settings = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**settings, "env_workers": 1}))
    with pytest.warns(ChangedRunWarning, match="env_workers is 1 and was 2"):
        twosome.resume(path, progress=False)
    assert numbers(path) == numbers(tmp_path / "here")
    assert len(numbers(path)) == 3
