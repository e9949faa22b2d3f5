"""`twosome generalize`: what it writes can be trusted and repeated."""

import contextlib
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twosome.cli import main
from twosome.cli.generalize import conclusion
from twosome.envs.household import panel_hash
from twosome.evaluate import unseen
from twosome.evaluate.unseen import panel_tasks
from twosome.scoring import ActionScorer


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "food"
    size = ["--num-envs", "2", "--rollout-steps", "16", "--total-steps", "32"]
    assert main(["train", "--env", "FoodPreparation", *size, "--output", str(path), "--no-show"]) == 0
    return path


def shortened(step: int):
    """A panel's tasks, or every so many of them, with little time for each."""
    return lambda panel: tuple(
        replace(task, env_kwargs={**task.env_kwargs, "max_steps": 10}) for task in panel_tasks(panel)[::step]
    )


@pytest.fixture(scope="module")
def paper(run) -> dict:
    """The result on the paper's panel."""
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as printed:
        patch.setattr(unseen, "panel_tasks", shortened(1))
        assert main(["generalize", str(run), "--episodes", "2", "--json"]) == 0
    return json.loads(printed.getvalue())


def test_a_panel_is_measured_written_and_drawn(run, paper):
    assert json.loads((run / "generalization-paper.json").read_text()) == paper
    assert [task["name"] for task in paper["tasks"]] == [
        "Cheese",
        "Hamburger",
        "ApplePie",
        "Pizza",
        "WashingPlate",
        "Laundry",
    ]
    assert {"panel", "episodes_per_task", "seed", "trained_on", "versions", "gain"} <= set(paper)
    assert len(paper["players"]["trained"]["adapter"]) == 64
    assert paper["players"]["untrained"]["adapter"] is None
    assert {task["gamma"] for task in paper["tasks"]} == {0.95}
    assert paper["all"]["planner"]["success_rate"] == 1.0
    assert paper["all"]["random"]["return_mean"] < paper["all"]["planner"]["return_mean"]
    picture = np.asarray(Image.open(run / "generalization-paper.png").convert("RGB"))
    assert picture.std() > 10


def test_each_row_is_what_eval_measures_with_the_seed_that_is_written_there(run, paper, capsys):
    task = paper["tasks"][3]
    assert task["env_kwargs"] == {"max_steps": 10}
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
    monkeypatch.setattr(unseen, "panel_tasks", shortened(16))
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
    assert len(result["tasks"]) == result["all"]["trained"]["tasks"] == 4
    assert sum(kind["trained"]["tasks"] for kind in result["kinds"].values()) == 4
    for word in (
        "random",
        "untrained",
        "trained",
        "planner",
        "put in and close (2)",
        "all tasks",
        "generalization-household.png",
    ):
        assert word in printed


def test_a_suite_from_a_file_is_measured_without_a_planner_where_there_is_none(run, tmp_path, capsys):
    (tmp_path / "counts.toml").write_text(
        '[[tasks]]\nname = "counting"\nenv = "twosome-tests/Counting-v0"\nseeds = [5, 6, 7]\n'
    )
    assert main(["generalize", str(run), "--suite", str(tmp_path / "counts.toml")]) == 0
    assert "suite counts" in capsys.readouterr().out
    result = json.loads((run / "generalization-suite-counts.json").read_text())
    assert (run / "generalization-suite-counts.png").exists()
    assert (result["suite"], len(result["suite_hash"]), list(result["players"])) == (
        "counts",
        64,
        ["random", "untrained", "trained"],
    )
    (task,) = result["tasks"]
    assert task["seeds"] == [5, 6, 7]
    assert main(["eval", "--policy", "random", "--env", task["env"], "--episodes", "3", "--seed", "5", "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert {name: measured[name] for name in task["random"]} == task["random"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--episodes", "1"], ["--episodes is 1", "at least 2"]),
        (["--seed", "-1"], ["--seed is -1", "at least 0"]),
        (["--threads", "0"], ["--threads is 0", "at least 1"]),
        (["--checkpoint", "step-9"], ["step-9"]),
        (["--suite", "my.toml", "--panel", "paper"], ["--panel means nothing to --suite"]),
        (["--suite", "my.toml", "--seed", "1"], ["--seed means nothing to --suite"]),
    ],
    ids=["one episode", "negative seed", "no thread", "no such checkpoint", "two suites", "two seeds"],
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
