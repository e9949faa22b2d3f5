"""ALFWorld: its own rules and words, in rooms made on the spot. None of its own games is played here."""

import importlib.util
import json
from pathlib import Path

import pytest

import twosome
from tests.unchecked import types_unchecked
from twosome.config import TrainConfig
from twosome.envs import text
from twosome.errors import ConfigError, MissingExtraError

pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # TextWorld leaves files open
PROBLEM = """
(define (problem room) (:domain alfred)
  (:objects agent1 - agent {things} - object
    middle at_desk at_shelf - location Desk_bar_1 Shelf_bar_1 - receptacle
    DeskType ShelfType - rtype {kind}Type - otype)
  (:init (= (total-cost) 0) (atLocation agent1 middle)
    (receptacleAtLocation Desk_bar_1 at_desk) (receptacleType Desk_bar_1 DeskType)
    (receptacleAtLocation Shelf_bar_1 at_shelf) (receptacleType Shelf_bar_1 ShelfType)
    (canContain ShelfType {kind}Type) (canContain DeskType {kind}Type)
    (inReceptacle {kind}_bar_1 Desk_bar_1) (objectAtLocation {kind}_bar_1 at_desk)
    (pickupable {kind}_bar_1) (objectType {kind}_bar_1 {kind}Type))
  (:goal (and (exists (?o - object) (and (objectType ?o {kind}Type) (inReceptacle ?o Shelf_bar_1)))))
)
"""
GAMES = {"train/a/game.tw-pddl": "Book", "train/b/game.tw-pddl": "Mug", "valid_unseen/c/game.tw-pddl": "Vase"}


def write(path, kind, **changes):
    from alfworld import info

    domain, grammar = (Path(file).read_text() for file in (info.ALFRED_PDDL_PATH, info.ALFRED_TWL2_PATH))
    game = {
        "pddl_domain": domain,
        "grammar": grammar.replace("UNKNOWN GOAL", f"put some {kind.lower()} on shelf"),
        "pddl_problem": PROBLEM.format(kind=kind, things=f"{kind}_bar_1"),
        "solvable": True,
        **changes,
    }
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(game))


@pytest.fixture
def games(tmp_path):
    pytest.importorskip("alfworld")
    for name, kind in GAMES.items():
        write(tmp_path / name, kind)
    write(tmp_path / "train/unsolvable/game.tw-pddl", "Pen", solvable=False)
    write(tmp_path / "train/look_at_Sliced/game.tw-pddl", "Egg")
    return str(tmp_path)


def test_a_task_is_read_played_and_done(games):
    env = text.make("ALFWorld", path=games, history=1)
    text.check_contract(env, num_steps=12)
    goals = {env.reset(seed=seed)[0]["prompt"].split(".")[0] for seed in range(8)}
    assert goals == {"Your task is to put some book on shelf", "Your task is to put some mug on shelf"}
    observation, _ = env.reset(seed=0)
    kind = env.unwrapped.goal.split()[6]
    assert observation["prompt"] == (
        f"Your task is to put some {kind} on shelf. You are in the middle of a room. Looking quickly around you, you "
        "see a desk 1, and a shelf 1. Now you"
    )
    assert observation["actions"] == ("go to desk 1", "go to shelf 1", "help", "inventory", "look")
    way = ["go to desk 1", f"take {kind} 1 from desk 1", "go to shelf 1", f"move {kind} 1 to shelf 1"]
    for command in way:
        observation, reward, over, _, info = env.step(observation["actions"].index(command))
        assert float(reward) == float(over) == float(command == way[-1])
    assert info == {"success": True}
    env.close()


def test_the_test_split_has_games_of_its_own_and_states_are_restored(games):
    env, other = (text.make("ALFWorld", path=games, split="test").unwrapped for _ in range(2))
    observation, _ = env.reset(seed=0)
    assert "put some vase on shelf" in observation["prompt"]
    env.step(observation["actions"].index("go to desk 1"))
    other.set_state(json.loads(json.dumps(env.get_state())))
    assert other.observation() == env.observation()
    assert "take vase 1 from desk 1" in other.observation()["actions"]


@pytest.mark.slow
def test_hearth_is_trained_in_it(games, tmp_path):
    config = TrainConfig(
        env="ALFWorld",
        env_kwargs={"path": games, "max_steps": 6},
        num_envs=2,
        rollout_steps=4,
        total_steps=8,
        normalization="word",
        output=tmp_path / "run",
    )
    assert (twosome.train(config) / "checkpoints").is_dir()


def test_a_folder_without_games_is_refused(tmp_path):
    pytest.importorskip("alfworld")
    with pytest.raises(ConfigError, match=r"expected games that can be solved.*alfworld-download fetches them"):
        text.make("ALFWorld", path=str(tmp_path))
    with types_unchecked(), pytest.raises(ConfigError, match="path=3: expected the folder"):
        text.make("ALFWorld", path=3)


def test_what_is_not_installed_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"ALFWorld needs the package alfworld.*twosome\[alfworld\]"):
        text.make("ALFWorld")
