"""FrozenLake, Taxi, Blackjack and MiniGrid in words: what is told is so, and nothing else is changed."""

import importlib.util
import json
import re
from pathlib import Path

import gymnasium
import numpy as np
import pytest

from twosome.envs import planner_for, text
from twosome.envs.gym import toy_text
from twosome.errors import ConfigError, EnvError, MissingExtraError

needs_minigrid = pytest.mark.skipif(importlib.util.find_spec("minigrid") is None, reason="needs the extra minigrid")
needs_pygame = pytest.mark.skipif(importlib.util.find_spec("pygame") is None, reason="needs the extra toy-text")
MINIGRID = "twosome/MiniGridGoToLocal-v0"
NAMES = [  # the others have neither a vector nor a fixed number of actions, and a file of their own
    pytest.param(name, marks=[needs_minigrid] * (name == MINIGRID))
    for name in text.wrapped_ids()
    if ".toy_text:" in str(gymnasium.registry[name].entry_point) or name == MINIGRID
]
every_env = pytest.mark.parametrize("name", NAMES)
pytestmark = pytest.mark.filterwarnings("ignore:Your system is avx2 capable:RuntimeWarning")  # pygame's, on import


def play(env, seed, steps):
    """What `step` returned, for valid actions that are drawn; after an episode comes a reset."""
    rng, mask, results = np.random.default_rng(seed), env.unwrapped.action_masks(), []
    for _ in range(steps):
        results.append(env.step(int(rng.choice(np.flatnonzero(mask)))))
        over = results[-1][2] or results[-1][3]
        mask = env.reset()[1]["action_mask"] if over else results[-1][4]["action_mask"]
    return [(o["prompt"], o["actions"], o["vector"].tolist(), reward, end, cut) for o, reward, end, cut, _ in results]


def mean_return(name, choose, episodes):
    env, returns = text.make(name), []
    _, info = env.reset(seed=0)
    planner = planner_for(env)
    for _ in range(episodes):
        total, over = 0.0, False
        while not over:
            _, reward, terminated, truncated, info = env.step(choose(planner, info["action_mask"]))
            total, over = total + float(reward), terminated or truncated
        returns.append(total)
        _, info = env.reset()
    return float(np.mean(returns))


@every_env
def test_it_keeps_the_contract_of_a_text_environment(name):
    env = text.make(name)
    text.check_contract(env)
    assert isinstance(env.unwrapped, text.TextEnvProtocol)
    observation, _ = env.reset(seed=0)
    assert observation in env.observation_space


@every_env
def test_the_same_seed_leads_to_the_same_place_and_a_saved_state_goes_on(name):
    one, other = text.make(name), text.make(name)
    one.reset(seed=3), other.reset(seed=3)
    assert play(one, 1, 60) == play(other, 1, 60)
    saved = json.loads(json.dumps(one.unwrapped.get_state()))
    other.reset(seed=9)
    play(other, 5, 7)
    other.unwrapped.set_state(saved)
    assert other.unwrapped.get_state() == saved
    assert play(one, 2, 60) == play(other, 2, 60)


@every_env
def test_a_state_that_was_not_saved_is_refused(name):
    env = text.make(name)
    env.reset(seed=0)
    state = env.unwrapped.get_state()
    for damaged in ({}, {**state, "actions": [99]}, {**state, "actions": "0"}, {**state, "np_random": {}}):
        with pytest.raises(EnvError, match="the saved state is damaged"):
            env.unwrapped.set_state(damaged)
    assert env.unwrapped.get_state() == state


@pytest.mark.parametrize(
    ("name", "inner", "kwargs", "scale"),
    [
        ("FrozenLake", "FrozenLake-v1", {"is_slippery": False}, 1),
        ("FrozenLakeSlippery", "FrozenLake-v1", {}, 1),
        ("Taxi", "Taxi-v4", {}, 0.05),
        ("Blackjack", "Blackjack-v1", {}, 1),
        pytest.param("MiniGridGoToLocal", "BabyAI-GoToLocal-v0", {}, 1, marks=needs_minigrid),
    ],
)
def test_rewards_and_ends_are_those_of_the_environment_that_is_retold(name, inner, kwargs, scale):
    told = text.make(f"twosome/{name}-v0")
    original, rng = gymnasium.make(inner, **kwargs), np.random.default_rng(0)
    told.reset(seed=5), original.reset(seed=5)
    for _ in range(300):
        action = int(rng.choice(np.flatnonzero(told.unwrapped.action_masks())))
        _, reward, *ends, _ = told.step(action)
        _, expected, *expected_ends, _ = original.step(action)
        assert ends == expected_ends
        assert float(reward) == pytest.approx(scale * float(expected))
        if any(ends):
            told.reset(), original.reset()


@pytest.mark.parametrize(
    ("name", "at_least"),
    [("FrozenLake", 1), ("Taxi", 0.2), pytest.param("MiniGridGoToLocal", 0.8, marks=needs_minigrid)],
)
def test_the_planner_reaches_the_goal_and_random_play_does_not(name, at_least):
    rng = np.random.default_rng(0)
    assert mean_return(f"twosome/{name}-v0", lambda planner, _: planner.act(), 20) >= at_least
    assert mean_return(f"twosome/{name}-v0", lambda _, mask: int(rng.choice(np.flatnonzero(mask))), 20) < at_least / 2


@pytest.mark.parametrize(
    ("total", "ace", "dealer", "takes"),
    # Sutton & Barto (2018), figure 5.2.
    [
        (11, False, 6, True),
        (12, False, 3, True),
        (12, False, 4, False),
        (13, False, 2, False),
        (16, False, 10, True),
        (17, False, 1, False),
        (17, True, 6, True),
        (18, True, 8, False),
        (18, True, 9, True),
        (19, True, 10, False),
    ],
)
def test_the_planner_of_blackjack_plays_as_the_book_says(total, ace, dealer, takes):
    env = text.make("twosome/Blackjack-v0")
    env.reset(seed=0)
    env.unwrapped._inner.player = [1, total - 11] if ace else [total - total // 2, total // 2]
    env.unwrapped._inner.dealer = [dealer, 5]
    assert planner_for(env).act() == int(takes)


@pytest.mark.parametrize(
    ("name", "prompt", "phrases"),
    [
        (
            "FrozenLake",
            "You want to cross the frozen lake to row 4, column 4. You are in row 1, column 1. West is the edge, south "
            "is ice, east is ice, north is the edge. Now you",
            ("walk west", "walk south", "walk east", "walk north"),
        ),
        (
            "Taxi",
            "You want to bring the passenger to the yellow stand. The passenger waits at the red stand. You are in row "
            "5, column 1. The red stand is to the north. Now you",
            ("", "drive north", "", "", "", ""),
        ),
        (
            "Blackjack",
            "You want to come closer to 21 than the dealer, but not over it. Your cards add up to 21 and an ace of "
            "yours counts 11. The dealer shows a 9. Now you",
            ("stop", "take another card"),
        ),
    ],
)
def test_a_beginning_reads_so(name, prompt, phrases):
    observation, _ = text.make(f"twosome/{name}-v0").reset(seed=5)
    assert (observation["prompt"], observation["actions"]) == (prompt, phrases)


@needs_minigrid
def test_walking_in_minigrid_is_offered_where_the_way_is_free_and_leads_on():
    env = text.make(MINIGRID)
    observation, _ = env.reset(seed=1)
    rng, seen = np.random.default_rng(0), set()
    for _ in range(200):
        inner = env.unwrapped._inner
        offered = bool(observation["actions"][2])
        free = inner.grid.get(*inner.front_pos) is None
        seen.add(offered)
        assert offered == free or any(np.array_equal(inner.front_pos, at) for at in inner.instrs.desc.obj_poss)
        observation, _, terminated, truncated, _ = env.step(2 if offered and rng.random() < 0.5 else rng.integers(2))
        if terminated or truncated:
            observation, _ = env.reset()
    assert seen == {True, False}


@needs_minigrid
def test_minigrid_prints_nothing(capsys):
    env = text.make(MINIGRID)
    for seed in range(20):  # some of these draw a room in vain, which MiniGrid prints
        env.reset(seed=seed)
    assert capsys.readouterr().out == ""


@needs_pygame
@every_env
def test_a_picture_is_drawn(name):
    env = text.make(name, render_mode="rgb_array")
    env.reset(seed=0)
    picture = env.render()
    assert isinstance(picture, np.ndarray)
    assert picture.dtype == np.uint8
    assert picture.ndim == 3


def test_what_is_not_installed_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"MiniGridGoToLocal needs the package minigrid.*twosome\[minigrid\]"):
        text.make(MINIGRID)
    with pytest.raises(
        MissingExtraError, match=r"render_mode='rgb_array' needs the package pygame.*twosome\[toy-text\]"
    ):
        text.make("twosome/Taxi-v0", render_mode="rgb_array")
    assert MINIGRID not in {env.id for env in text.list_envs()}


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("FrozenLake", {"map_name": "5x5"}),
        ("FrozenLake", {"max_steps": 0}),
        ("Taxi", {"max_steps": -1}),
        pytest.param("MiniGridGoToLocal", {"room_size": 4}, marks=needs_minigrid),
    ],
)
def test_an_argument_out_of_range_is_refused(name, kwargs):
    with pytest.raises(ConfigError, match=f"{next(iter(kwargs))}="):
        text.make(f"twosome/{name}-v0", **kwargs)


def test_a_name_without_a_namespace_means_the_environment_in_words():
    assert text.resolve("FrozenLake") == "twosome/FrozenLake-v0"
    assert text.resolve("FrozenLake-v1") == "FrozenLake-v1"


def test_the_values_of_a_two_step_environment_are_known():
    table = {
        0: {0: [(1.0, 1, 0.0, False)], 1: [(1.0, 0, 0.5, True)]},
        1: {0: [(0.5, 1, 2.0, True), (0.5, 0, 0.0, True)]},
    }
    table[1][1] = table[1][0]
    assert toy_text._best_values(table, 0.9)[0].tolist() == [pytest.approx(0.9), 0.5]


PAGE = (Path(__file__).parents[3] / "docs" / "other-environments.md").read_text()
ROWS = {name: rest.split(" | ") for name, rest in re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, re.MULTILINE)}


def test_the_page_has_a_row_for_every_environment():
    assert [f"twosome/{name}-v0" for name in ROWS] == list(text.wrapped_ids())


@every_env
def test_a_row_of_the_page_has_the_sizes_and_the_discount(name):
    env = text.make(name)
    observation, _ = env.reset(seed=0)
    sizes = [str(env.action_space.n), str(len(observation["vector"])), str(env.unwrapped.gamma)]
    assert ROWS[name.removeprefix("twosome/").removesuffix("-v0")][1:4] == sizes
