"""Games of OpenSpiel against random play."""

import importlib.util
import json

import pytest

import twosome
from tests.unchecked import types_unchecked
from twosome.config import TrainConfig
from twosome.envs import text
from twosome.errors import ConfigError, EnvError, MissingExtraError


def made(game="tic_tac_toe", **kwargs):
    pytest.importorskip("pyspiel")
    return text.make("OpenSpiel", game=game, **kwargs)


def play(env, seed):
    """The rewards of an episode of first moves, and its last info."""
    env.reset(seed=seed)
    rewards, over = [], False
    while not over:
        _, reward, over, _, info = env.step(0)
        rewards.append(float(reward))
    return rewards, info


@pytest.mark.parametrize(("game", "seat"), [("tic_tac_toe", 0), ("liars_dice", 1), ("catch", 0), ("euchre", 2)])
def test_it_keeps_the_contract_of_a_text_environment(game, seat):
    text.check_contract(made(game, seat=seat), num_steps=40)


def test_a_model_reads_the_game_its_seat_the_board_and_the_legal_moves():
    observation, _ = made("tic_tac_toe", seat=1).reset(seed=0)
    goal, board, cue = observation["prompt"].split(". ", 1)[0], observation["prompt"], "Your move is"
    assert goal == "You play Tic Tac Toe as player 1 of players 0 to 1"
    assert sorted(board.removeprefix(f"{goal}. ").removesuffix(f" {cue}")) == sorted("x........  ")
    assert {phrase[:2] for phrase in observation["actions"]} == {"o("}
    assert len(observation["actions"]) == 8


def test_rewards_are_the_games_own_and_a_victory_is_a_success():
    env = made("tic_tac_toe")
    ends = set()
    for seed in range(8):
        rewards, info = play(env, seed)
        assert not any(rewards[:-1])
        ends.add((rewards[-1], info["success"]))
    assert ends == {(1.0, True), (-1.0, False)}


def test_cards_and_moves_of_others_are_drawn_from_the_seed():
    env = made("kuhn_poker")
    prompts = [env.reset(seed=seed)[0]["prompt"] for seed in (*range(6), *range(6))]
    assert prompts[:6] == prompts[6:]
    assert len(set(prompts)) == 3  # one for each card


def test_it_goes_on_from_a_saved_state_and_refuses_a_damaged_one():
    env, other = made("leduc_poker").unwrapped, made("leduc_poker").unwrapped
    env.reset(seed=0), env.step(0)
    saved = json.loads(json.dumps(env.get_state()))
    other.set_state(saved)
    assert other.observation() == env.observation()
    assert env.step(0)[:4] == other.step(0)[:4]
    for damage in ({"state": "no moves"}, {"state": 1}, {"more": 1}):
        with pytest.raises(EnvError, match="the saved state is damaged"):
            other.set_state({**saved, "own": {**saved["own"], **damage}})


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"game": "tic_tac_to"}, "Did you mean 'tic_tac_toe'"),
        ({"game": 3}, "game=3: expected the name of one of OpenSpiel's"),
        ({"game": "hex(board_size=big)"}, "OpenSpiel refuses it"),
        ({"game": "goofspiel"}, "expected a game in which one player moves at a time"),
        ({"game": "tarok"}, "expected a game that repeats itself for a seed"),
        ({"seat": 2}, r"seat=2: expected a whole number from 0 to 1"),
    ],
)
def test_what_cannot_be_played_is_refused_with_the_reason(kwargs, message):
    with types_unchecked(), pytest.raises(ConfigError, match=message):
        made(**kwargs)


def test_hearth_is_trained_in_it(tmp_path):
    pytest.importorskip("pyspiel")
    config = TrainConfig(env="OpenSpiel", num_envs=2, rollout_steps=8, total_steps=32, output=tmp_path / "run")
    assert (twosome.train(config) / "checkpoints").is_dir()


def test_what_is_not_installed_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"OpenSpiel needs the package pyspiel.*twosome\[open-spiel\]"):
        text.make("OpenSpiel")
