"""What `twosome retain` printed joins a result file."""

import json

import pytest

from benchmarks.retained import documents_in, merged, shared


def document(seed: int, drop: float, *tasks: str, method: str = "learned") -> dict:
    row = {"items": 20, "base": 0.9, "trained": 0.9 - drop, "drop": drop, "drop_ci95": [0.0, 0.2], "lost": 3, "won": 1}
    row |= {"metric": "acc", "lost_items": [0, 1, seed + 1], "won_items": [19]}
    return {
        "run": f"runs/gemma/TomatoSalad/{method}/seed-{seed}",
        "trained_on": {"env": "twosome/TomatoSalad-v0", "env_kwargs": {}, "seed": seed},
        "settings": f"hash of {method}",
        "model": "a model",
        "adapter": f"{method}-{seed}",
        "limit": None,
        "tasks": dict.fromkeys(tasks or ["blimp", "piqa"], row),
        "all": row,
        "versions": {"commit": "abc"},
    }


def test_a_run_that_is_measured_again_replaces_itself_alone():
    there = merged(merged([], document(2, 0.2)), document(1, 0.1))
    again = merged(merged(there, document(2, 0.3)), document(2, 0.4, method="word"))
    drops = [(row.world, row.method, row.seed, row.mean) for row in again if row.what == "language: drop"]
    assert drops == [
        ("TomatoSalad", "learned", 1, 0.1),
        ("TomatoSalad", "learned", 2, 0.3),
        ("TomatoSalad", "word", 2, 0.4),
    ]


def test_runs_that_were_asked_about_different_tasks_are_not_put_together():
    with pytest.raises(SystemExit, match="expected"):
        merged(merged([], document(1, 0.1)), document(2, 0.1, "blimp"))


def test_what_seeds_lost_together_is_a_number_of_their_training(tmp_path):
    file = tmp_path / "runs.json"
    file.write_text(json.dumps({"runs": [document(1, 0.1), document(2, 0.1)], "together": []}))
    numbers = {number.what: number for number in shared(documents_in(file))}
    assert set(numbers) == {"blimp: drop together", "piqa: drop together", "language: drop together"}
    found = numbers["blimp: drop together"]
    assert (found.world, found.method, found.seed, found.n, found.commit) == ("TomatoSalad", "learned", None, 2, "abc")
    assert found.mean == pytest.approx(2 / 20)
    assert found.interval is not None
    assert found.interval[0] < 2 / 20 < found.interval[1]


def test_trainings_of_two_models_with_the_same_settings_keep_their_names():
    documents = [
        {**document(seed, 0.1, method=method), "settings": "the same", "model": method}
        for method in ("small", "large")
        for seed in (1, 2)
    ]
    assert {number.method for number in shared(documents)} == {"small", "large"}


def test_a_run_alone_has_lost_nothing_together(tmp_path):
    file = tmp_path / "run.json"
    file.write_text(json.dumps(document(1, 0.1)))
    assert shared(documents_in(file)) == []


def test_a_document_of_before_settings_were_told_is_refused(tmp_path):
    file = tmp_path / "run.json"
    file.write_text(json.dumps({name: value for name, value in document(1, 0.1).items() if name != "settings"}))
    with pytest.raises(SystemExit, match="Measure again"):
        documents_in(file)
