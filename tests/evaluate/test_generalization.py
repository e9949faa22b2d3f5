"""Testing on tasks that a run never met: which tasks those are, and what is said of them."""

import json

import pytest

from twosome.config import TrainConfig
from twosome.envs import text
from twosome.envs.household import panel_size
from twosome.errors import ConfigError
from twosome.evaluate.generalization import gain, pooled
from twosome.evaluate.panel import EPISODES, rows
from twosome.evaluate.success import Evaluation
from twosome.evaluate.unseen import KINDS, PAPER_TASKS, panel_tasks, unseen_tasks
from twosome.rollout import Episode


def names(panel: str, env: str, /, **env_kwargs: object) -> list[str]:
    return [task.name for task in unseen_tasks(panel, TrainConfig(env=env, env_kwargs=env_kwargs))]


def played(*returns: float) -> Evaluation:
    """Episodes with these returns; those above zero succeeded."""
    return Evaluation(tuple(Episode(value, 3, 2, value > 0) for value in returns))


def everybody(*returns: float) -> dict[str, Evaluation]:
    return {who: played(*returns) for who in ("random", "untrained", "trained", "planner")}


@pytest.mark.parametrize("panel", EPISODES)
def test_every_task_of_a_panel_is_a_different_environment_that_can_be_made(panel):
    tasks = panel_tasks(panel)
    assert len({json.dumps([task.env, task.env_kwargs]) for task in tasks}) == len(tasks)
    for task in tasks:
        text.make(task.env, **task.env_kwargs).close()


def test_a_kitchen_is_not_tested_on_the_salad_it_was_trained_on():
    all_five = [task.name for task in panel_tasks("kitchens")]
    assert names("kitchens", "FoodPreparation") == all_five
    assert names("kitchens", "TomatoSalad") == all_five[1:]
    assert names("kitchens", "TomatoLettuceSalad") == all_five[:-1]
    assert names("kitchens", "TomatoLettuceSalad", task="tomato salad") == [all_five[0], *all_five[2:]]
    assert names("kitchens", "twosome/TomatoSalad-v0", layout="C", rewards={"step": 0.0}) == all_five[1:]


def test_a_household_task_is_recognized_under_any_name_of_its_environment():
    assert names("paper", "FoodPreparation") == list(PAPER_TASKS)
    assert "Pizza" not in names("paper", "Pizza")
    assert "Pizza" not in names("paper", "FoodPreparation", task="Pizza", max_steps=30)


def test_a_run_on_the_held_out_panel_itself_is_not_tested_on_it():
    assert len(names("household", "HouseholdTask")) == panel_size() == 50
    assert len(names("household", "HouseholdTask", panel="heldout", index=7)) == panel_size() - 1
    with pytest.raises(ConfigError, match="--panel paper or kitchens"):
        names("household", "HouseholdTask", panel="heldout")


def test_the_kinds_of_household_tasks_say_what_their_goals_are():
    tasks = panel_tasks("household")
    assert {task.kind for task in tasks} == set(KINDS.values())
    for task in tasks:
        first_word = task.name.split()[0]
        assert first_word == task.kind.split()[0]
        assert task.name.endswith("and close it") == (task.kind == "put in and close")


def test_over_several_tasks_means_are_of_all_episodes():
    summary = pooled([everybody(1.0, 0.0), everybody(0.5, 0.5)])["trained"]
    assert (summary["tasks"], summary["episodes"], summary["success_rate"]) == (2, 4, 0.75)
    assert summary["return_mean"] == pytest.approx(0.5)
    assert summary["return_ci95"] == (0.25, 0.75)


def test_success_everywhere_still_has_an_interval():
    summary = pooled([everybody(*[1.0] * 20)] * 5)["trained"]
    assert summary["success_rate"] == summary["success_ci95"][1] == 1.0
    assert summary["success_ci95"][0] == pytest.approx(0.963, abs=1e-3)


def test_the_gain_is_what_training_added():
    task = everybody(0.0, 0.0) | {"trained": played(0.5, 0.5), "untrained": played(0.2, 0.0)}
    result = gain([task, task])
    assert (result["success"], result["return"]) == (0.5, pytest.approx(0.4))
    low, high = result["return_ci95"]
    assert low == pytest.approx(0.3)
    assert high == pytest.approx(0.5)


def test_two_episodes_prove_nothing_about_success():
    """All of training's few episodes succeeded and none of the others: by resampling that would be certain."""
    task = everybody(0.0) | {"trained": played(0.5, 0.4), "untrained": played(0.0, -0.1)}
    low, high = gain([task])["success_ci95"]
    assert low < 0.1
    assert high == 1.0


def test_the_gain_in_success_is_known_as_well_as_newcombe_says():
    """His example, 1998, table II: 56 of 70 against 48 of 80."""
    task = {"trained": played(*[1.0] * 56, *[0.0] * 14), "untrained": played(*[1.0] * 48, *[0.0] * 32)}
    assert gain([task])["success_ci95"] == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_a_gain_in_return_that_never_varies_has_no_interval_instead_of_one_of_no_width():
    tasks = [{"trained": played(0.5, 0.5), "untrained": played(x, x)} for x in (0.1, 0.3)]
    assert gain(tasks)["return"] == pytest.approx(0.3)
    assert gain(tasks)["return_ci95"] is None


def test_a_panel_of_kinds_is_shown_by_kind_and_another_by_task():
    tasks = [{"name": "a", "kind": "put on"}, {"name": "b", "kind": "put on"}]
    assert [name for name, _ in rows({"tasks": tasks, "kinds": {"put on": {}}, "all": {}})] == [
        "put on (2)",
        "all tasks",
    ]
    assert [name for name, _ in rows({"tasks": tasks, "all": {}})] == ["a", "b", "all tasks"]
