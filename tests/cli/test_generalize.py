"""`twosome generalize`: what it writes can be trusted and repeated."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twosome.cli import main
from twosome.cli.generalize import conclusion
from twosome.envs.household import panel_hash
from twosome.evaluate import generalization
from twosome.evaluate.generalization import panel_tasks
from twosome.scoring import ActionScorer


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "food"
    train = ["train", "--env", "FoodPreparation", "--total-steps", "256", "--output", str(path), "--no-show"]
    assert main(train) == 0
    return path


def test_a_panel_is_measured_written_and_drawn(run, capsys):
    assert main(["generalize", str(run), "--episodes", "3", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert json.loads((run / "generalization-paper.json").read_text()) == result
    assert [task["name"] for task in result["tasks"]] == [
        "Cheese",
        "Hamburger",
        "ApplePie",
        "Pizza",
        "WashingPlate",
        "Laundry",
    ]
    assert {"panel", "episodes_per_task", "seed", "trained_on", "versions", "gain"} <= set(result)
    assert len(result["players"]["trained"]["adapter"]) == 64
    assert result["players"]["untrained"]["adapter"] is None
    assert {task["gamma"] for task in result["tasks"]} == {0.95}
    assert result["all"]["planner"]["success_rate"] == 1.0
    assert result["all"]["random"]["return_mean"] < result["all"]["planner"]["return_mean"]
    picture = np.asarray(Image.open(run / "generalization-paper.png").convert("RGB"))
    assert picture.std() > 10


def test_each_row_is_what_eval_measures_with_the_seed_that_is_written_there(run, capsys):
    assert main(["generalize", str(run), "--panel", "kitchens", "--episodes", "2", "--json"]) == 0
    task = json.loads(capsys.readouterr().out)["tasks"][3]
    assert task["env_kwargs"] == {"task": "onion salad"}
    where = ["--env", task["env"], "--env-kwargs", json.dumps(task["env_kwargs"]), "--seed", str(task["seed"])]
    for player, arguments in {
        "random": ["--policy", "random"],
        "untrained": [str(run), "--model", "hearth"],
        "trained": [str(run)],
        "planner": ["--policy", "planner"],
    }.items():
        assert main(["eval", *arguments, *where, "--episodes", "2", "--json"]) == 0
        measured = json.loads(capsys.readouterr().out)
        assert {name: measured[name] for name in task[player]} == task[player]


def test_the_household_panel_is_named_by_its_hash_and_reported_by_kind(run, capsys, monkeypatch):
    monkeypatch.setattr(generalization, "panel_tasks", lambda panel: panel_tasks(panel)[::5])
    loaded, load = [], ActionScorer.from_pretrained

    def counted(name, **settings):
        loaded.append(name)
        return load(name, **settings)

    monkeypatch.setattr(ActionScorer, "from_pretrained", counted)
    assert main(["generalize", str(run), "--panel", "household", "--episodes", "2"]) == 0
    printed = capsys.readouterr().out
    result = json.loads((run / "generalization-household.json").read_text())
    assert loaded == ["hearth", "hearth"], "each model is loaded once, not once for each task"
    assert result["panel_hash"] == panel_hash()
    assert len(result["tasks"]) == result["all"]["trained"]["tasks"] == 10
    assert sum(kind["trained"]["tasks"] for kind in result["kinds"].values()) == 10
    for word in (
        "random",
        "untrained",
        "trained",
        "planner",
        "put on (4)",
        "all tasks",
        "generalization-household.png",
    ):
        assert word in printed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--episodes", "1"], ["--episodes is 1", "at least 2"]),
        (["--seed", "-1"], ["--seed is -1", "at least 0"]),
        (["--threads", "0"], ["--threads is 0", "at least 1"]),
        (["--checkpoint", "step-9"], ["step-9"]),
    ],
    ids=["one episode", "negative seed", "no thread", "no such checkpoint"],
)
def test_mistakes_are_explained(run, arguments, words, capsys):
    assert main(["generalize", str(run), *arguments]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert all(word in captured.err for word in words)


def test_a_return_without_spread_is_not_given_an_interval():
    gain = {"success": 0.0, "success_ci95": (-0.2, 0.2), "return": 0.25, "return_ci95": None}
    assert conclusion({"gain": gain}) == (
        "Training makes no clear difference here: it changes success on these tasks by +0 points (-20 to +20) and the "
        "return by +0.25 (no interval: within each task all episodes had the same return)."
    )


def test_a_folder_that_is_no_run_is_refused(tmp_path, capsys):
    assert main(["generalize", str(tmp_path)]) == 1
    assert "not a run directory" in capsys.readouterr().err
