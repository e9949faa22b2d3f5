"""Language ability after training: the statistics against slow definitions, the data against its maker."""

import json
import math

import numpy as np
import pytest

from hearth.corpus import leaks
from hearth.retention import ITEMS, content
from twosome.errors import ConfigError
from twosome.evaluate.retention import FOLDER, SHIPPED, Answers, _paired, claimed, compared, perplexity, together
from twosome.statistics import repeated_drop_interval


def pairs(lost: int, won: int, same: int) -> tuple[np.ndarray, np.ndarray]:
    base = np.array([1.0] * lost + [0.0] * won + [1.0] * same)
    trained = np.array([0.0] * lost + [1.0] * won + [1.0] * same)
    return base, trained


@pytest.mark.parametrize("name", ITEMS)
def test_the_data_is_what_its_maker_makes(name):
    assert (FOLDER / f"{name}.jsonl").read_text() == content(name)


def test_every_task_is_shipped_small_and_without_leaks():
    assert {f"hearth_{name}" for name in ITEMS} == set(SHIPPED)
    files = sorted(FOLDER.glob("*.jsonl"))
    assert sum(file.stat().st_size for file in files) < 500_000
    for file in files:
        lines = file.read_text().splitlines()
        assert len(set(lines)) == len(lines) == ITEMS[file.stem]
        assert not [line for line in lines if leaks(line)]
        for item in map(json.loads, lines):
            if "choices" in item:
                assert len(set(item["choices"])) == 4
                assert item["answer"] in range(4)
            elif "good" in item:
                assert item["good"] != item["bad"]


def test_where_each_right_answer_stands_says_nothing():
    for name in ("cloze", "next_step", "affordance", "where_is"):
        places = [json.loads(line)["answer"] for line in (FOLDER / f"{name}.jsonl").read_text().splitlines()]
        assert max(places.count(i) for i in range(4)) < 0.35 * len(places)


def test_each_task_counts_the_same_however_many_items_it_has():
    result = compared([pairs(10, 0, 10), pairs(0, 0, 380)])
    assert (result["drop"], result["base"], result["trained"]) == (0.25, 1.0, 0.75)
    assert (result["items"], result["lost"], result["won"]) == (400, 10, 0)


def test_the_interval_is_that_of_pairs_and_not_of_two_groups():
    """All of 1000 items, half of them right, and one in a hundred changes either way."""
    same = np.tile([0.0, 1.0], 490)
    base, trained = (np.concatenate([same, part]) for part in pairs(10, 10, 0))
    low, high = compared([(base, trained)])["drop_ci95"]
    assert (high - low) / 2 == pytest.approx(1.96 * math.sqrt(0.02 / 1000), rel=0.1)


def test_tasks_that_differ_do_not_widen_the_interval():
    low, high = compared([pairs(1, 0, 999), pairs(999, 0, 1)])["drop_ci95"]
    assert high - low < 0.01


def test_where_no_answer_changed_few_items_still_prove_nothing():
    assert claimed(compared([pairs(0, 0, 20)]))["claim"] == "undecided"
    assert claimed(compared([pairs(0, 0, 400)] * 5))["claim"] == "supported"


def test_the_claim_is_judged_by_the_whole_interval():
    assert claimed(compared([pairs(100, 10, 890)]))["claim"] == "refuted"
    assert claimed(compared([pairs(12, 4, 984)]))["claim"] == "undecided"
    assert claimed(compared([pairs(3, 3, 1994)]))["claim"] == "supported"
    assert claimed(compared([pairs(10, 100, 890)]))["claim"] == "supported"


def document(seed: int, base: np.ndarray, trained: np.ndarray, env: str = "FoodPreparation") -> dict:
    answers = {"one": Answers("acc", base, trained, np.empty(0)), "text": Answers("word_perplexity", *[base + 1] * 3)}
    return {
        "run": f"runs/{env}-{seed}",
        "trained_on": {"env": env, "seed": seed},
        "settings": f"hash of {env}",
        "model": "hearth",
        "adapter": f"{env}-{seed}",
        "limit": None,
        "tasks": {name: found.summary() for name, found in answers.items()},
        "all": claimed(compared([(base, trained)])),
    }


def test_what_runs_lost_together_is_the_mean_of_each_item_over_them():
    rng = np.random.default_rng(0)
    base = (rng.random(3000) < 0.8).astype(float)
    after = [np.where(rng.random(3000) < 0.03, 1 - base, base) for _ in range(3)]
    found = together([document(seed, base, trained) for seed, trained in enumerate(after, 1)])
    assert [(training["trained_on"], training["seeds"]) for training in found] == [
        ({"env": "FoodPreparation"}, [1, 2, 3])
    ]
    drops = base - np.mean(after, axis=0)
    low, high = found[0]["all"]["drop_ci95"]
    assert found[0]["all"]["drop"] == pytest.approx(drops.mean())
    assert (high - low) / 2 == pytest.approx(1.96 * drops.std() / math.sqrt(3000), rel=0.1)
    narrower = [np.diff(document(1, base, trained)["all"]["drop_ci95"])[0] for trained in after]
    assert high - low < min(narrower)


def test_of_one_pair_of_answers_the_interval_over_runs_is_about_that_of_pairs():
    for counts in ((30, 10, 960), (3, 1, 396), (0, 0, 300)):
        base, trained = pairs(*counts)
        theirs = compared([(base, trained)])["drop_ci95"]
        assert repeated_drop_interval(base - trained) == pytest.approx(theirs, abs=1.5e-3)
    assert repeated_drop_interval(base - trained) == pytest.approx(theirs, abs=1e-6)  # where nothing changed


def test_runs_in_other_environments_and_single_ones_are_not_put_together():
    base, trained = pairs(3, 1, 16)
    one = document(1, base, trained)
    assert together([one, document(1, base, trained, "Entertainment")]) == []
    assert together([one, {**document(2, base, trained), "model": "another"}]) == []
    assert together([one, {**document(2, base, trained), "limit": 20}]) == []
    assert together([one, dict(one)]) == []  # a copy of the run


def test_of_several_filters_the_first_counts():
    """The harness lists an item once for each."""
    base, trained = (
        [
            {"doc_id": item, "filter": name, "exact_match": right}
            for name, right in (("strict", strict), ("loose", 1.0))
            for item in (0, 1)
        ]
        for strict in (1.0, 0.0)
    )
    found = _paired("task", base, trained)
    assert (found.base.tolist(), found.trained.tolist()) == ([1.0, 1.0], [0.0, 0.0])


def test_shares_of_an_item_are_refused():
    samples = [{"doc_id": 0, "filter": "none", "acc": 0.5}]
    with pytest.raises(ConfigError, match="expected right, 1, or wrong, 0"):
        _paired("task", samples, samples)


def test_perplexity_is_per_word_over_all_documents_and_its_ratio_goes_by_pairs():
    base, words = np.array([-10.0, -60.0, -20.0]), np.array([10.0, 20.0, 10.0])
    result = perplexity(base, base - 0.1 * words, words)
    assert result["base"] == pytest.approx(math.exp(90 / 40))
    assert result["trained"] == pytest.approx(math.exp(94 / 40))
    assert [result["ratio"], *result["ratio_ci95"]] == pytest.approx([math.exp(0.1)] * 3)
