"""The Gymnasium side, beyond what `tests/envs/test_envs.py` asks of every environment."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twosome.envs.household.env import HouseholdEnv
from twosome.envs.household.tasks import SPECS
from twosome.errors import ConfigError, EnvError

SOME = ("Entertainment", "HouseholdTask")
NAMES = [name if name in SOME else pytest.param(name, marks=pytest.mark.slow) for name in SPECS]


@pytest.mark.parametrize("name", NAMES)
@given(actions=st.lists(st.integers(0, 9), max_size=30), cut=st.integers(0, 30))
def test_a_restored_environment_goes_on_exactly_as_the_saved_one(name: str, actions: list[int], cut: int) -> None:
    env, other = HouseholdEnv(**SPECS[name]), HouseholdEnv(**SPECS[name])
    env.reset(seed=5)
    running = True
    for action in actions[:cut]:
        running = running and not any(env.step(action)[2:4])
    saved = json.loads(json.dumps(env.get_state()))
    other.set_state(saved)
    assert str(other.observation()) == str(env.observation())
    assert other.get_state() == saved
    for action in actions[cut:]:
        if running:
            told = env.step(action)
            assert str(told) == str(other.step(action))
            running = not any(told[2:4])
    assert str(env.reset()) == str(other.reset())


def test_fifty_steps_are_cut_off_and_success_on_the_last_step_is_success() -> None:
    env = HouseholdEnv("FoodPreparation", max_steps=6)
    env.reset()
    for action in (4, 6, 5, 8, 7):
        assert env.step(action)[2:4] == (False, False)
    assert env.step(9)[2:4] == (True, False)
    env.reset()
    assert [env.step(0)[2:4] for _ in range(6)] == [(False, False)] * 5 + [(False, True)]


@pytest.mark.parametrize("action", [-1, 10, 1000])
def test_an_action_outside_the_space_is_refused(action: int) -> None:
    env = HouseholdEnv()
    env.reset()
    with pytest.raises(EnvError, match="expected an id from 0 to 9"):
        env.step(action)


def test_stepping_without_an_episode_is_refused() -> None:
    env = HouseholdEnv(max_steps=1)
    with pytest.raises(EnvError, match="reset"):
        env.step(0)
    env.reset()
    env.step(0)
    with pytest.raises(EnvError, match="reset"):
        env.step(0)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"task": "Pancake"}, "FoodPreparation"),
        ({"task": "Pizza", "panel": "train"}, "leave one out"),
        ({"panel": "test"}, "'train', 'heldout'"),
        ({"index": 3}, "index"),
        ({"panel": "heldout", "index": 50}, "0 to 49"),
        ({"panel": "train", "index": -1}, "index"),
        ({"max_steps": 0}, "max_steps"),
        ({"backend": "unity"}, "'own', 'virtualhome'"),
        ({"offered": "some"}, "'valid', 'all'"),
        ({"render_mode": "human"}, "render_mode"),
    ],
)
def test_a_wrong_argument_is_named_with_what_is_allowed(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        HouseholdEnv(**arguments)


def test_where_all_is_offered_what_cannot_be_done_costs_its_step() -> None:
    env = HouseholdEnv("FoodPreparation", max_steps=2, offered="all")
    observation, info = env.reset()
    assert info["action_mask"].tolist() == [1] * 10
    assert all(observation["actions"])
    assert set(HouseholdEnv("FoodPreparation").observation()["actions"]) - {""} < set(observation["actions"])

    put = env.action_names.index("put pancake in microwave")
    after, _, terminated, truncated, info = env.step(put)
    assert (after["prompt"], info["primitive_steps"], terminated, truncated) == (observation["prompt"], 1, False, False)
    assert info["action_mask"].tolist() == [1] * 10
    *_, truncated, info = env.step(put)
    assert truncated
    assert not info["success"]


def test_a_state_of_another_task_or_a_damaged_one_is_refused() -> None:
    env = HouseholdEnv("Pizza")
    env.reset()
    saved = env.get_state()
    with pytest.raises(EnvError, match="Pizza"):
        HouseholdEnv("Cheese").set_state(saved)
    with pytest.raises(EnvError, match="damaged"):
        env.set_state({"task": "Pizza"})


def test_what_is_returned_can_be_changed_without_harm() -> None:
    env = HouseholdEnv()
    observation, info = env.reset()
    observation["vector"][:] = 7
    info["action_mask"][:] = 7
    assert set(env.observation()["vector"].tolist()) == {0.0, 1.0}
    assert set(env.action_masks().tolist()) == {0, 1}
