"""Games of OpenSpiel, against random play and against a trained policy."""

import copy
import importlib.util
import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest

import twosome
from tests.ppo.test_env_workers import numbers
from tests.unchecked import types_unchecked
from twosome.config import TrainConfig
from twosome.distributed import OneProcess
from twosome.envs import text
from twosome.errors import ConfigError, EnvError, MissingExtraError, RunError
from twosome.ppo.build import resolve_config


def made(game="tic_tac_toe", **kwargs):
    pytest.importorskip("pyspiel")
    return text.make("OpenSpiel", game=game, **kwargs)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A short run in tic-tac-toe."""
    pytest.importorskip("pyspiel")
    path = tmp_path_factory.mktemp("runs") / "first"
    return twosome.train(TrainConfig(env="OpenSpiel", num_envs=2, rollout_steps=8, total_steps=32, output=path))


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


def test_an_opponent_draws_from_its_policy_of_what_a_player_in_its_seat_reads(run, monkeypatch):
    import pyspiel

    env, agent, asked = made(opponent=str(run)).unwrapped, twosome.Agent.load(run), []
    answers = env._opponent.probabilities

    def answered(prompt, phrases):
        asked.append((prompt, phrases))
        return answers(prompt, phrases)

    monkeypatch.setattr(env._opponent, "probabilities", answered)
    for seed in range(4):
        env.reset(seed=seed)
        rng, state = copy.deepcopy(env.np_random), pyspiel.load_game("tic_tac_toe").new_initial_state()
        state.apply_action(4)
        phrases = tuple(f"o({i // 3},{i % 3})" for i in range(9) if i != 4)
        prompt = "You play Tic Tac Toe as player 1 of players 0 to 1. ... .x. ... Your move is"
        state.apply_action(rng.choice(state.legal_actions(), p=agent.probabilities(twosome.Decision(prompt, phrases))))
        assert " ".join(state.observation_string(0).split()) in env.step(4)[0]["prompt"]
        assert asked.pop() == (prompt, phrases)


def test_a_game_against_an_opponent_in_a_drawn_seat_goes_on_from_a_saved_state(run):
    env, other = (made(seat=None, opponent=str(run)).unwrapped for _ in range(2))
    goals = {env.reset(seed=seed)[0]["prompt"][:32] for seed in range(4)}
    assert goals == {f"You play Tic Tac Toe as player {seat}" for seat in (0, 1)}
    env.step(0)
    other.set_state(json.loads(json.dumps(env.get_state())))
    assert other.observation() == env.observation()
    with pytest.raises(EnvError, match="the saved state is damaged: seat is 7; expected the player whose move it is"):
        other.set_state({**env.get_state(), "own": {**env.get_state()["own"], "seat": 7}})
    other.set_state(env.get_state())
    assert [env.step(0)[:4], env.reset()] == [other.step(0)[:4], other.reset()]


def test_a_game_does_not_go_on_against_another_opponent(run, tmp_path):
    env = made(opponent=str(run)).unwrapped
    env.reset(seed=0)
    twosome.Agent.load(run).save(tmp_path / "copy")
    other = made(opponent=str(tmp_path / "copy")).unwrapped
    with pytest.raises(EnvError, match=r"the opponent is another than in the saved game: its SHA-256 is \w{16}"):
        other.set_state(env.get_state())


def test_an_opponent_runs_no_code_without_consent(run, tmp_path):
    shutil.copytree(run, tmp_path / "other")
    config = json.loads((run / "config.json").read_text())
    (tmp_path / "other" / "config.json").write_text(json.dumps({**config, "trust_remote_code": True}))
    with pytest.raises(RunError, match=r"^opponent='.*other' cannot play: the run .* --trust-remote-code"):
        made(opponent=str(tmp_path / "other"))


@pytest.mark.parametrize(
    ("kwargs", "trained", "message"),
    [
        ({"opponent": 3}, None, "opponent=3: expected 'random' or, in a game of several players, the folder"),
        ({"opponent": "a", "game": "catch"}, None, "players are 1 here"),
        ({"opponent": "a"}, ("TomatoSalad", {}), "was trained in 'TomatoSalad' with {}; expected OpenSpiel"),
        ({"opponent": "a", "game": "hex"}, ("OpenSpiel", {}), "expected OpenSpiel with the game 'hex'"),
        ({"opponent": "a"}, ("tests.nowhere:OpenSpiel", {}), "was trained in 'tests.nowhere:OpenSpiel'"),
        ({"opponent": "a"}, ("OpenSpiel", {"history": 2}), "was trained with history=2; expected none"),
    ],
)
def test_an_opponent_that_cannot_play_this_game_is_refused(kwargs, trained, message, monkeypatch):
    if trained:
        loaded = SimpleNamespace(env=trained[0], env_kwargs=trained[1], digest="", probabilities=None)
        monkeypatch.setattr("twosome.opponent.load", lambda path: loaded)
    with types_unchecked(), pytest.raises(ConfigError, match=message):
        made(**kwargs)


def test_an_opponent_that_is_not_there_is_named():
    with pytest.raises(RunError, match="opponent='runs/nobody' cannot play: there is no run directory"):
        made(opponent="runs/nobody")


def test_a_run_remembers_where_its_opponent_is(tmp_path, monkeypatch):
    pytest.importorskip("pyspiel")
    monkeypatch.chdir(tmp_path)
    for given, kept in (("runs/a", str(tmp_path / "runs" / "a")), ("random", "random")):
        config = TrainConfig(env="OpenSpiel", env_kwargs={"opponent": given}, output=tmp_path / "run")
        assert resolve_config(config, None, OneProcess()).env_kwargs == {"opponent": kept}


@pytest.mark.slow
def test_a_run_against_an_opponent_is_the_same_in_processes_and_after_a_stop(run, tmp_path):
    kwargs = {"opponent": str(run), "seat": None}
    config = TrainConfig(env="OpenSpiel", env_kwargs=kwargs, num_envs=2, rollout_steps=8, total_steps=48)
    twosome.train(replace(config, output=tmp_path / "here"))
    twosome.train(replace(config, output=tmp_path / "there", env_workers=2), stop=lambda row: row["update"] == 1)
    twosome.resume(tmp_path / "there")
    assert numbers(tmp_path / "there") == numbers(tmp_path / "here")


def test_hearth_is_trained_in_it(run):
    assert len(numbers(run)) == 2


def test_what_is_not_installed_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"OpenSpiel needs the package pyspiel.*twosome\[open-spiel\]"):
        text.make("OpenSpiel")
