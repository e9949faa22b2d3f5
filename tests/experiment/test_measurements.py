"""What the measurements that come along take from the documents of their commands."""

import importlib.util
from importlib.machinery import ModuleSpec

import pytest

from twosome.config import TrainConfig
from twosome.errors import ConfigError, MissingExtraError
from twosome.experiment.measurement import MEASUREMENTS, MeasurementRequest, path_of

ASKED = MeasurementRequest("runs/a", "hearth", 50, 10_000, 1)


def taken(name: str, document: dict) -> dict[tuple[str, str, str], float | None]:
    return {(row.what, row.world, row.method): row.mean for row in MEASUREMENTS.find(name).numbers(document)}


def test_those_that_come_along_are_found_by_their_files():
    names = {"greedy", "greedy:untrained", "generalize:paper", "generalize:household", "generalize:kitchens", "retain"}
    assert {name for name, _ in MEASUREMENTS} >= names


def test_of_greedy_play_in_several_environments_the_return_and_success_in_each():
    result = {"model": "hearth", "normalization": "word", "episodes": 9, "return_mean": 0.5, "success_rate": 0.8}
    result |= {"return_ci95": [0.4, 0.6], "success_ci95": [0.7, 0.9]}
    worlds = [{**result, "env": "twosome/Cheese-v0"}, {**result, "env": "mine/Env-v0", "return_mean": 7.0}]
    assert taken("greedy", {**result, "env": "twosome/Cheese-v0"}) == {
        ("greedy return", "", ""): 0.5,
        ("greedy success", "", ""): 0.8,
    }
    found = taken("greedy", {"worlds": worlds, "return_mean": 3.75})
    assert found["greedy return", "Cheese-v0", ""] == 0.5
    assert found["greedy return", "mine/Env-v0", ""] == 7.0


def test_of_retain_the_drop_and_every_task_before_and_after():
    task = {"items": 20, "base": 0.9, "trained": 0.8, "drop": 0.1, "drop_ci95": [0.0, 0.2], "lost": 3, "won": 1}
    ratio = {"items": 5, "base": 2.0, "trained": 2.5, "ratio": 1.25}
    document = {"tasks": {"hearth_where_is": task, "hearth_perplexity": ratio}, "all": task}
    assert taken("retain", document) == {
        ("language: accuracy", "", ""): 0.8,
        ("language: accuracy", "", "untrained"): 0.9,
        ("language: drop", "", ""): 0.1,
        ("language: lost", "", ""): 3,
        ("language: won", "", ""): 1,
        ("where is: drop", "", ""): 0.1,
        ("where is: accuracy", "", ""): 0.8,
        ("where is: accuracy", "", "untrained"): 0.9,
        ("perplexity: perplexity", "", ""): 2.5,
        ("perplexity: perplexity", "", "untrained"): 2.0,
    }


def test_of_generalize_every_task_by_player():
    played = {"success_rate": 1.0, "success_ci95": [0.9, 1.0], "return_mean": 0.5, "return_ci95": [0.4, 0.6]}
    row = {"trained": played, "untrained": {**played, "success_rate": 0.25}, "random": {**played, "return_mean": 0.0}}
    players = {"random": {}, "untrained": {"normalization": "word"}, "trained": {}}
    document = {"players": players, "episodes_per_task": 10, "tasks": [{"name": "Pizza", **row}], "all": row}
    found = taken("generalize:paper", document)
    assert found["paper: success", "Pizza", ""] == 1.0
    assert found["paper: success", "all tasks", "untrained, word"] == 0.25
    assert found["paper: return", "Pizza", "random"] == 0.0
    assert len(found) == 2 * 3 * 2


def test_greedy_play_is_of_the_run_and_of_its_model_before_training():
    assert MEASUREMENTS.find("greedy").command(ASKED)[:4] == ["twosome", "eval", "runs/a", "--greedy"]
    untrained = MEASUREMENTS.find("greedy:untrained").command(ASKED)
    assert untrained[2:5] == ["runs/a", "--model", "hearth"]


def test_each_measurement_has_a_file_of_its_own_in_the_run(tmp_path):
    files = {path_of(tmp_path, name).name for name, _ in MEASUREMENTS}
    assert len(files) == len(list(MEASUREMENTS))
    assert path_of(tmp_path, "a/../../b:c").parent == tmp_path


def test_a_run_without_adapter_cannot_be_asked_what_it_retained(monkeypatch):
    check = MEASUREMENTS.find("retain").check
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: ModuleSpec(name, None))
    check(TrainConfig(env="TomatoSalad"))
    with pytest.raises(ConfigError, match="--tuning full"):
        check(TrainConfig(env="TomatoSalad", tuning="full"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="retention"):
        check(TrainConfig(env="TomatoSalad"))


def test_a_run_on_the_whole_panel_cannot_be_tested_on_it():
    settings = {"panel": "heldout"}
    with pytest.raises(ConfigError, match="every task"):
        MEASUREMENTS.find("generalize:household").check(TrainConfig(env="HouseholdTask", env_kwargs=settings))
