"""Generated tasks: solvable, reproducible, and never the same in training and testing."""

from collections import Counter

import pytest

from twosome.envs.household.env import HouseholdEnv
from twosome.envs.household.oracle import shortest
from twosome.envs.household.panel import (
    KINDS,
    combinations,
    draw_heldout,
    heldout_combinations,
    panel_hash,
    panel_json,
    panel_size,
    panel_task,
    train_draw,
)
from twosome.envs.household.tasks import TASKS
from twosome.errors import ConfigError


def test_the_held_out_panel_has_fifty_different_tasks_of_all_kinds() -> None:
    tasks = [panel_task("heldout", i) for i in range(50)]
    assert panel_size() == len(set(tasks)) == 50
    assert Counter(len(task.goal) == 1 for task in tasks) == {True: 18, False: 32}


def test_the_panel_is_the_published_one() -> None:
    assert panel_hash() == "300343d7af6e38a25ce0293015f30c93234daf759403059fa163e33a18d075a7"


def test_the_panels_file_is_what_its_seed_draws() -> None:
    drawn = draw_heldout()
    assert len({draw.combination for draw in drawn}) == 25
    assert heldout_combinations() == {draw.combination for draw in drawn}
    assert panel_json(drawn).count("\n") == 52


def test_no_training_task_is_about_a_held_out_combination() -> None:
    trained = {train_draw(index).combination for index in range(500)}
    assert not trained & heldout_combinations()
    everything = {combination for kind in KINDS for combination in combinations(kind)}
    assert trained == everything - heldout_combinations()


def test_every_noun_of_the_held_out_goals_occurs_in_training_goals() -> None:
    trained = {noun for index in range(300) for noun in train_draw(index).combination[1:]}
    assert {noun for combination in heldout_combinations() for noun in combination[1:]} <= trained


def test_all_generated_tasks_share_names_of_verbs_and_the_sizes_of_their_spaces() -> None:
    env = HouseholdEnv(panel="train")
    verbs = [action.verb for action in TASKS["FoodPreparation"].actions]
    for index in range(0, 400, 40):
        observation, _ = env.reset(options={"index": index})
        assert env.observation_space.contains(observation)
        assert [action.verb for action in env.task.actions][:10] == verbs
        assert len(env.task.actions) == 18


@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_held_out_tasks_take_four_to_eight_steps(step: int) -> None:
    assert {len(shortest(panel_task("heldout", index))) for index in range(0, 50, step)} == {4, 5, 6, 7, 8}


def test_reset_draws_other_tasks_and_the_seed_decides_which() -> None:
    def drawn(seed: int) -> list[str]:
        env = HouseholdEnv(panel="heldout")
        env.reset(seed=seed)
        return [env.reset()[0]["prompt"] for _ in range(20)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert len(set(drawn(1))) > 5


def test_an_index_fixes_the_task_and_an_option_changes_it_for_one_episode() -> None:
    env = HouseholdEnv(panel="heldout", index=4)
    env.reset()
    assert env.task is panel_task("heldout", 4)
    env.reset(options={"index": 9})
    assert env.task is panel_task("heldout", 9)
    env.reset()
    assert env.task is panel_task("heldout", 4)


def test_options_that_are_unknown_are_refused() -> None:
    with pytest.raises(ConfigError, match="only 'index'"):
        HouseholdEnv(panel="heldout").reset(options={"tasks": 3})
    with pytest.raises(ConfigError, match="no panel"):
        HouseholdEnv().reset(options={"index": 3})
