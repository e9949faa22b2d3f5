"""The Gymnasium side: spaces, seeds, saving and restoring, vector environments."""

import json
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from hypothesis import given
from hypothesis import strategies as st

import twosome.envs  # noqa: F401 - registers the environments
from twosome.decision import Decision
from twosome.envs.household.env import HouseholdEnv
from twosome.envs.household.tasks import SPECS
from twosome.errors import ConfigError, WorldError

every_world = pytest.mark.parametrize("name", SPECS)


def play(env: gymnasium.Env[Any, Any], actions: list[int]) -> list[str]:
    """What is told after reset and after each action, as text that compares exactly."""
    told = [str(env.reset(seed=3))]
    for action in actions:
        *rest, terminated, truncated, info = env.step(action)
        told.append(str((rest, terminated, truncated, info)))
        if terminated or truncated:
            break
    return told


@every_world
def test_every_world_passes_gymnasiums_check(name: str) -> None:
    check_env(gymnasium.make(f"twosome/{name}-v0").unwrapped, skip_render_check=True)


@every_world
def test_the_mask_agrees_with_the_phrases_and_the_spaces(name: str) -> None:
    env = gymnasium.make(f"twosome/{name}-v0")
    observation, info = env.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(300):
        assert env.observation_space.contains(observation)
        mask = info["action_mask"]
        assert mask.dtype == np.int8
        assert mask.tolist() == [int(bool(phrase)) for phrase in observation["actions"]]
        assert mask.tolist() == env.unwrapped.action_masks().tolist()
        decision = Decision(observation["prompt"], observation["actions"])
        offered = [decision.actions[a] for a in decision.available]
        assert len(set(offered)) == len(offered)
        assert all(phrase[0].islower() and phrase == phrase.strip() and phrase[-1] != "." for phrase in offered)
        observation, _, terminated, truncated, info = env.step(int(rng.choice(decision.available)))
        if terminated or truncated:
            assert info["success"] == terminated
            observation, info = env.reset()


@every_world
def test_the_same_seed_and_actions_tell_the_same_story(name: str) -> None:
    one, two = (gymnasium.make(f"twosome/{name}-v0") for _ in range(2))
    actions = [a % one.action_space.n for a in range(40)]
    assert play(one, actions) == play(two, actions)


@pytest.mark.parametrize("name", SPECS)
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


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("name", ["FoodPreparation", "HouseholdTask"])
def test_vector_environments_pass_on_prompts_and_phrases_unchanged(name: str, kind: str, mode: AutoresetMode) -> None:
    makers = [lambda: HouseholdEnv(**SPECS[name], max_steps=5)] * 2
    if kind == "sync":
        envs: Any = SyncVectorEnv(makers, autoreset_mode=mode)
    else:
        envs = AsyncVectorEnv(makers, shared_memory=False, autoreset_mode=mode)
    single = [maker() for maker in makers]
    expected = [env.reset(seed=i)[0] for i, env in enumerate(single)]
    observation, _ = envs.reset(seed=[0, 1])
    ended = [False, False]
    for number in range(12):
        assert list(observation["prompt"]) == [e["prompt"] for e in expected]
        assert list(zip(*observation["actions"], strict=True)) == [e["actions"] for e in expected]
        assert observation["vector"].tolist() == [e["vector"].tolist() for e in expected]
        actions = [number % 4, (number + 1) % 4]
        observation, _, _, _, _ = envs.step(np.array(actions))
        for i, env in enumerate(single):
            if mode == AutoresetMode.NEXT_STEP and ended[i]:
                expected[i], ended[i] = env.reset()[0], False
                continue
            expected[i], _, terminated, truncated, _ = env.step(actions[i])
            ended[i] = terminated or truncated
            if mode == AutoresetMode.SAME_STEP and ended[i]:
                expected[i] = env.reset()[0]
    envs.close()


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
    with pytest.raises(WorldError, match="expected an id from 0 to 9"):
        env.step(action)


def test_stepping_without_an_episode_is_refused() -> None:
    env = HouseholdEnv(max_steps=1)
    with pytest.raises(WorldError, match="reset"):
        env.step(0)
    env.reset()
    env.step(0)
    with pytest.raises(WorldError, match="reset"):
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
        ({"render_mode": "human"}, "render_mode"),
    ],
)
def test_a_wrong_argument_is_named_with_what_is_allowed(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        HouseholdEnv(**arguments)


def test_a_state_of_another_task_or_a_damaged_one_is_refused() -> None:
    env = HouseholdEnv("Pizza")
    env.reset()
    saved = env.get_state()
    with pytest.raises(WorldError, match="Pizza"):
        HouseholdEnv("Cheese").set_state(saved)
    with pytest.raises(WorldError, match="damaged"):
        env.set_state({"task": "Pizza"})


def test_what_is_returned_can_be_changed_without_harm() -> None:
    env = HouseholdEnv()
    observation, info = env.reset()
    observation["vector"][:] = 7
    info["action_mask"][:] = 7
    assert set(env.observation()["vector"].tolist()) == {0.0, 1.0}
    assert set(env.action_masks().tolist()) == {0, 1}
