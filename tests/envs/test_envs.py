"""What holds for every environment that is registered; a new one is tested by being registered."""

import json
import math
import warnings
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

from twosome.decision import Decision
from twosome.envs import planner_for, text
from twosome.errors import EnvError

VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((env_id, {}) for env_id in text.env_ids()),
    ("twosome/TomatoSalad-v0", {"layout": "B"}),
    ("twosome/TomatoSalad-v0", {"actions": "primitive"}),
    ("twosome/TomatoLettuceSalad-v0", {"layout": "C", "task": "lettuce-onion-tomato salad"}),
    ("twosome/TomatoLettuceSalad-v0", {"actions": "primitive", "layout": "C"}),
]
HEADINGS = ["Description", "Action Space", "Observation Space", "Rewards", "Starting State", "Episode End", "Arguments"]
every_env = pytest.mark.parametrize(("env_id", "kwargs"), VARIANTS, ids=str)
every_mode = pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])


def same(one: Any, other: Any) -> bool:
    """Whether two observations or infos are equal, type by type."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    return bool(one == other)


def play(env: gymnasium.Env[Any, Any], seed: int, num_steps: int) -> list[tuple[Any, ...]]:
    """What `step` returned, for actions drawn at random, most of them offered; after an episode comes a reset."""
    rng = np.random.default_rng(seed)
    results: list[tuple[Any, ...]] = []
    mask = env.unwrapped.action_masks()
    for _ in range(num_steps):
        ids = np.flatnonzero(mask) if rng.random() < 0.9 else np.arange(len(mask))
        results.append(env.step(int(rng.choice(ids))))
        mask = results[-1][-1]["action_mask"]
        assert mask.tolist() == env.unwrapped.action_masks().tolist()
        if results[-1][2] or results[-1][3]:
            mask = env.reset()[1]["action_mask"]
    return results


@every_env
def test_gymnasium_finds_no_fault_with_it(env_id: str, kwargs: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make(env_id, **kwargs, render_mode="rgb_array").unwrapped)


@every_env
def test_it_keeps_the_contract_of_a_text_environment(env_id: str, kwargs: dict[str, Any]) -> None:
    env = gymnasium.make(env_id, **kwargs)
    text.check_contract(env)
    assert isinstance(env.unwrapped, text.TextEnvProtocol)
    assert len(env.unwrapped.action_names) == env.action_space.n


@every_env
def test_every_observation_lies_in_its_space_and_every_mask_agrees_with_the_phrases(
    env_id: str, kwargs: dict[str, Any]
) -> None:
    env = gymnasium.make(env_id, **kwargs)
    observation, info = env.reset(seed=0)
    assert info["primitive_steps"] == 0
    assert observation in env.observation_space
    for observation, _, terminated, truncated, info in play(env, 1, 150):
        assert observation in env.observation_space
        assert info["action_mask"].dtype == np.int8
        assert info["action_mask"].tolist() == [int(bool(phrase)) for phrase in observation["actions"]]
        assert info.get("success") == (terminated if terminated or truncated else None)
        offered = [phrase for phrase in observation["actions"] if phrase]
        assert len(offered) == len(set(offered))
        assert all(phrase[0].islower() and phrase[-1] != "." for phrase in offered)


@every_env
def test_the_same_seed_and_actions_lead_to_the_same_place(env_id: str, kwargs: dict[str, Any]) -> None:
    runs = []
    for _ in range(2):
        env = gymnasium.make(env_id, **kwargs)
        env.reset(seed=7)
        runs.append(play(env, 2, 120))
    for one, other in zip(*runs, strict=True):
        assert all(same(a, b) for a, b in zip(one, other, strict=True))


@every_env
def test_a_restored_environment_goes_on_as_the_saved_one(env_id: str, kwargs: dict[str, Any]) -> None:
    env, copy = gymnasium.make(env_id, **kwargs), gymnasium.make(env_id, **kwargs)
    env.reset(seed=3)
    play(env, 4, 23)
    saved = json.loads(json.dumps(env.unwrapped.get_state()))
    copy.reset(seed=99)
    play(copy, 5, 11)
    copy.unwrapped.set_state(saved)
    assert same(env.unwrapped.observation(), copy.unwrapped.observation())
    assert copy.unwrapped.get_state() == env.unwrapped.get_state()
    for one, other in zip(play(env, 6, 120), play(copy, 6, 120), strict=True):
        assert all(same(a, b) for a, b in zip(one, other, strict=True))
    assert same(env.reset()[0], copy.reset()[0])
    assert env.unwrapped.np_random.integers(1 << 40) == copy.unwrapped.np_random.integers(1 << 40)


@pytest.mark.parametrize(
    ("env_id", "part", "value"),
    [
        ("TomatoSalad", ("world", "agent"), ["", 4]),
        ("TomatoSalad", ("world", "agent"), [0, 0]),
        ("TomatoSalad", ("world", "foods"), [[[6, 5], 0]]),
        ("TomatoSalad", ("steps",), -1),
        ("TomatoSalad", ("return",), math.nan),
        ("TomatoSalad", ("np_random", "state", "inc"), -1),
        ("TomatoSalad", ("np_random", "more"), None),
        ("FoodPreparation", ("state", "sitting"), 2**53),
        ("FoodPreparation", ("state", "places"), [-3, -1]),
        ("FoodPreparation", ("state", "room"), True),
        ("HouseholdTask", ("task",), None),
    ],
)
def test_a_saved_state_that_no_environment_was_in_is_refused_and_changes_nothing(env_id, part, value) -> None:
    env: Any = text.make(env_id).unwrapped
    env.reset(seed=1)
    before = env.get_state()
    state = json.loads(json.dumps(before))
    *above, last = part
    holder = state
    for key in above:
        holder = holder[key]
    holder[last] = value
    with pytest.raises(EnvError, match="state"):
        env.set_state(state)
    assert env.get_state() == before


@every_env
def test_an_id_outside_the_action_space_is_an_error(env_id: str, kwargs: dict[str, Any]) -> None:
    env = gymnasium.make(env_id, **kwargs)
    env.reset()
    for action in (-1, int(env.action_space.n)):
        with pytest.raises(EnvError, match="outside the action space"):
            env.unwrapped.step(action)


@every_env
def test_every_id_can_be_carried_out_whether_it_is_offered_or_not(env_id: str, kwargs: dict[str, Any]) -> None:
    env = gymnasium.make(env_id, **kwargs)
    for action in range(int(env.action_space.n)):
        env.reset(seed=0)
        observation, reward, *_ = env.step(action)
        assert observation in env.observation_space
        assert np.isfinite(float(reward))


@pytest.mark.parametrize("env_id", text.env_ids())
def test_the_planner_reaches_the_goal(env_id: str) -> None:
    env = gymnasium.make(env_id)
    env.reset(seed=0)
    planner, over = planner_for(env), False
    while not over:
        *_, terminated, truncated, info = env.step(planner.act())
        over = terminated or truncated
    assert info["success"]


@pytest.mark.parametrize("env_id", text.env_ids())
def test_its_docstring_has_the_headings_of_a_page(env_id: str) -> None:
    page = type(gymnasium.make(env_id).unwrapped).__doc__ or ""
    positions = [page.find(f"## {heading}") for heading in [*HEADINGS, "Version History"]]
    assert -1 not in positions
    assert positions == sorted(positions)


@pytest.mark.parametrize("env_id", text.env_ids())
def test_it_can_be_drawn(env_id: str) -> None:
    env = gymnasium.make(env_id, render_mode="rgb_array")
    env.reset(seed=0)
    picture = env.render()
    assert isinstance(picture, np.ndarray)
    assert picture.dtype == np.uint8
    assert picture.std() > 1
    env = gymnasium.make(env_id, render_mode="ansi")
    env.reset(seed=0)
    page = env.render()
    assert isinstance(page, str)
    assert len(page.splitlines()) > 1


def assert_same_words(observation: Any, seen: list[dict[str, Any]]) -> None:
    """The observation of a vector environment must be those of single ones."""
    assert text.decisions_from(observation, len(seen)) == [text.decision_from(one) for one in seen]
    assert observation["vector"].tolist() == [one["vector"].tolist() for one in seen]


def compare_with_single_worlds(envs: Any, env_id: str, mode: AutoresetMode, num_steps: int) -> None:
    """Play in a vector environment and in single ones side by side; what is said must be the same, letter by letter."""
    num_envs = envs.num_envs
    singles = [gymnasium.make(env_id) for _ in range(num_envs)]
    observation, _ = envs.reset(seed=0)
    seen = [env.reset(seed=i)[0] for i, env in enumerate(singles)]
    assert_same_words(observation, seen)
    rng = np.random.default_rng(0)
    finished = [False] * num_envs
    for _ in range(num_steps):
        actions = np.array([rng.choice(text.decision_from(one).available) for one in seen])
        observation, _, terminated, truncated, _ = envs.step(actions)
        for i, env in enumerate(singles):
            if finished[i]:  # in NEXT_STEP mode this step was the reset
                seen[i], finished[i] = env.reset()[0], False
                continue
            seen[i], _, ended, cut, _ = env.step(int(actions[i]))
            assert (ended, cut) == (terminated[i], truncated[i])
            if (ended or cut) and mode == AutoresetMode.SAME_STEP:
                seen[i], _ = env.reset()
            finished[i] = bool(ended or cut) and mode == AutoresetMode.NEXT_STEP
        assert_same_words(observation, seen)


@every_mode
@pytest.mark.parametrize("env_id", text.env_ids())
def test_prompts_arrive_unchanged_from_a_synchronous_vector_environment(env_id: str, mode: AutoresetMode) -> None:
    envs = SyncVectorEnv([partial(gymnasium.make, env_id)] * 3, autoreset_mode=mode)
    compare_with_single_worlds(envs, env_id, mode, 120)
    envs.close()


@every_mode
@pytest.mark.parametrize("name", ["TomatoSalad", "HouseholdTask"])
def test_prompts_arrive_unchanged_from_other_processes(name: str, mode: AutoresetMode) -> None:
    envs = AsyncVectorEnv([partial(text.make, name)] * 2, shared_memory=False, autoreset_mode=mode, context="spawn")
    compare_with_single_worlds(envs, f"twosome/{name}-v0", mode, 120)
    envs.close()


def test_environments_differ_in_what_they_ask_for() -> None:
    goals = [info.description for info in text.list_envs() if info.id in text.env_ids()]
    assert len(goals) == len(set(goals)) >= 10


def test_an_environment_without_a_planner_says_so() -> None:
    with pytest.raises(EnvError, match="has no planner"):
        planner_for(gymnasium.make("CartPole-v1"))


def test_a_decision_is_what_the_observation_says() -> None:
    observation, _ = text.make("TomatoSalad").reset()
    assert text.decision_from(observation) == Decision(observation["prompt"], observation["actions"])


@pytest.mark.parametrize("action", [1.5, "1", None, [1], float("nan")], ids=repr)
def test_an_action_that_is_no_id_is_refused(action):
    env = text.make("FoodPreparation").unwrapped
    env.reset(seed=0)
    with pytest.raises(EnvError, match="expected a whole number from 0 to 9"):
        env.step(action)
