"""TextWorld: games made from seeds, with what they admit as the actions."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

import twosome
from tests.unchecked import types_unchecked
from twosome.config import TrainConfig
from twosome.envs import planner_for, text
from twosome.envs.gym.textworld import _game_file
from twosome.errors import ConfigError, EnvError, MissingExtraError

needs_textworld = pytest.mark.skipif(importlib.util.find_spec("textworld") is None, reason="needs the extra textworld")
pytestmark = pytest.mark.filterwarnings("ignore:Game .* is not fully supported")  # Jericho's; TextWorld ignores it
SMALL = {"num_rooms": 2, "num_things": 3, "quest_length": 2, "num_games": 2}


def made(**kwargs):
    return text.make("TextWorld", **{**SMALL, **kwargs})


@needs_textworld
def test_it_keeps_the_contract_of_a_text_environment():
    env = made()
    text.check_contract(env, num_steps=60)
    env.close()


@needs_textworld
@pytest.mark.parametrize("split", ["train", "test"])
def test_the_way_that_textworld_knows_wins_and_is_as_long_as_the_quest(split):
    env = made(split=split)
    for seed in range(3):
        env.reset(seed=seed)
        planner, steps, over = planner_for(env), 0, False
        while not over:
            _, reward, over, truncated, info = env.step(planner.act())
            assert float(reward) == float(over)
            steps += 1
        assert (truncated, info, steps) == (False, {"success": True}, 2)
    env.close()


@needs_textworld
def test_a_model_reads_the_objective_the_room_what_is_carried_and_all_that_the_game_admits():
    env = made(history=0)
    observation, _ = env.reset(seed=0)
    inner = env.unwrapped
    state = inner._game.reset()
    seen = inner._turn_of(state).observation
    assert observation["prompt"] == f"{inner.goal} {seen} Now you"
    assert re.search(r"\. You are carrying: .*\.$|\. You are carrying nothing\.$", seen)
    assert not re.search(r"\s\s|\n|-=|=-", observation["prompt"])
    assert list(observation["actions"]) == state["admissible_commands"]
    env.close()


@needs_textworld
def test_games_for_training_and_for_tests_are_others_and_each_split_has_so_many():
    goals = {}
    for split in ("train", "test"):
        env = made(split=split)
        goals[split] = {env.reset(seed=seed)[0]["prompt"] for seed in range(8)}
        env.close()
    assert [len(prompts) for prompts in goals.values()] == [2, 2]
    assert not goals["train"] & goals["test"]


@needs_textworld
def test_the_past_is_told_after_the_goal():
    env = made(history=1)
    before, _ = env.reset(seed=0)
    command = before["actions"].index("look")
    after = env.step(command)[0]["prompt"]
    seen = before["prompt"].removeprefix(f"{env.unwrapped.goal} ").removesuffix(" Now you")
    assert after == f"{env.unwrapped.goal} {seen} You look. {seen} Now you"
    env.close()


@needs_textworld
def test_it_goes_on_from_a_saved_state_and_refuses_a_damaged_one():
    env, other = made(), made()
    env.reset(seed=0), env.step(0)
    saved = json.loads(json.dumps(env.unwrapped.get_state()))
    other.unwrapped.set_state(saved)
    assert other.unwrapped.observation() == env.unwrapped.observation()
    for damage in ({"seed": 2}, {"seed": "0"}, {"commands": ["fly"]}, {"commands": "look"}, {"more": 1}):
        with pytest.raises(EnvError, match="the saved state is damaged"):
            other.unwrapped.set_state({**saved, "own": {**saved["own"], **damage}})
    env.close(), other.close()


@needs_textworld
def test_hearth_is_trained_on_games_made_on_the_spot(tmp_path):
    kwargs = {**SMALL, "max_steps": 5}
    run = twosome.train(
        TrainConfig(
            env="TextWorld",
            env_kwargs=kwargs,
            num_envs=2,
            rollout_steps=8,
            total_steps=32,
            normalization="learned",
            output=tmp_path / "run",
        )
    )
    assert (Path(run) / "checkpoints").is_dir()


class Games(twosome.CommandEnv):
    """TextWorld as its own package offers it to agents: a score, one flag, and the admissible commands in infos."""

    returns_score = True
    max_steps = 30

    def make(self, split):
        import textworld.gym

        infos = textworld.EnvInfos(admissible_commands=True, won=True)
        return textworld.gym.make(textworld.gym.register_games([_game_file(0, 2, 3, 2)], infos))

    def describe(self, observation, info):
        return " ".join(observation.split())


@needs_textworld
def test_what_reads_commands_reads_the_package_itself():
    env, told = Games(), made(history=0, num_games=1)
    text.check_contract(env, num_steps=40)
    observation, _ = env.reset(seed=0)
    assert observation["actions"] == told.reset(seed=0)[0]["actions"]
    over, planner = False, planner_for(told)
    while not over:
        action = planner.act()
        told.step(action)
        _, reward, over, _, info = env.step(action)
    assert (reward, info) == (1.0, {"success": True})
    env.close()
    told.close()


@pytest.mark.parametrize(
    "kwargs",
    [
        {"num_rooms": 0},
        {"num_things": True},
        {"quest_length": 1.5},
        {"num_games": 10**7},
        {"history": -1},
        {"max_steps": None},
    ],
)
def test_an_argument_out_of_range_is_refused(kwargs):
    with types_unchecked(), pytest.raises(ConfigError, match=f"{next(iter(kwargs))}=.*expected a whole number from"):
        made(**kwargs)


def test_what_is_not_installed_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"TextWorld needs the package textworld.*twosome\[textworld\]"):
        made()
