"""Games of TextWorld, made from seeds; needs the extra `textworld`."""

import atexit
import functools
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from twosome.envs.arguments import check_whole
from twosome.envs.base import is_whole, require_saved, require_saved_keys
from twosome.envs.text import Planner
from twosome.envs.text_env import Split, TextEnv, Turn
from twosome.extras import require_package

EXTRA = "textworld"
SPECS: dict[str, tuple[str, dict[str, object]]] = {"TextWorld": ("TextWorldEnv", {})}
FIRST_SEED = {"train": 0, "test": 1_000_000}
"""Seed of the first game of each split."""
MOST_GAMES = FIRST_SEED["test"]


class TextWorldEnv(TextEnv):
    """Do what a game of TextWorld asks for: go, take, put, open, unlock.

    ## Description
    A house of rooms with things in it, made by TextWorld from a seed. The prompt has the game's own objective as the
    goal, the description of the room and what is carried.

    ## Action Space
    `PhraseIndex()`: the game's admissible commands, all of them, "look", "inventory" and "examine ..." too.

    ## Observation Space
    A `Dict`: `"prompt"` and `"actions"`.

    ## Rewards
    The game's score as a share of the most that it gives: 1 at the end, else 0. `gamma` is 0.99.

    ## Starting State
    One of `num_games` games is drawn. Those of split "test" have other seeds than those of split "train".

    ## Episode End
    Terminated when the game is won or lost, truncated after `max_steps` commands.

    ## Arguments

    Args:
        num_rooms: of a game.
        num_things: in a game, at least; there are more where the quest needs more.
        quest_length: commands that the shortest way to win takes.
        num_games: of each split.
        history: how many past observations are told again, with what was done.
        max_steps: commands after which an episode is cut off.
        split: "train" or "test".

    Raises:
        MissingExtraError: TextWorld is not installed.

    ## Version History
    - v0: the first.
    """

    def __init__(
        self,
        num_rooms: int = 3,
        num_things: int = 5,
        quest_length: int = 3,
        num_games: int = 20,
        history: int = 1,
        max_steps: int = 30,
        split: Split = "train",
    ) -> None:
        super().__init__(split)
        self._size = (num_rooms, num_things, quest_length)
        check_whole("num_rooms", num_rooms, 1, 1000, default=3)
        check_whole("num_things", num_things, 1, 1000, default=5)
        check_whole("quest_length", quest_length, 1, 1000, default=3)
        check_whole("num_games", num_games, 1, MOST_GAMES, default=20)
        check_whole("history", history, 0, 1000, default=1)
        check_whole("max_steps", max_steps, 1, 1000, default=30)
        require_package("textworld", EXTRA, "TextWorld")
        self.num_games, self.history, self.max_steps = num_games, history, max_steps
        self._game: Any = None

    def begin(self, rng: np.random.Generator, split: Split) -> Turn:
        """Draw one of the games, and begin it."""
        return self._start(FIRST_SEED[split] + int(rng.integers(self.num_games)))

    def act(self, action: str) -> Turn:
        """Give a command."""
        self._commands.append(action)
        return self._turn_of(*self._game.step(action))

    def planner(self) -> Planner:
        """Takes the way that TextWorld knows."""
        return _Planner(self)

    def save_state(self) -> dict[str, Any]:
        """The game's seed, and the commands since it began."""
        return {"seed": self._seed, "commands": list(self._commands)}

    def load_state(self, state: dict[str, Any]) -> Turn:
        """Begin the game anew, and give the commands again."""
        require_saved_keys("own", state, ("seed", "commands"))
        first = FIRST_SEED[self.split]
        holds = is_whole(state["seed"], first, first + self.num_games)
        require_saved("seed", state["seed"], holds, f"a whole number from {first} to {first + self.num_games - 1}")
        require_saved("commands", state["commands"], isinstance(state["commands"], list), "a list of commands")
        turn = self._start(state["seed"])
        for command in state["commands"]:
            require_saved("commands", command, command in turn.actions, "a command that the game admits")
            turn = self.act(command)
        return turn

    def close(self) -> None:
        """End the game."""
        if self._game is not None:
            self._game.close()

    def _start(self, seed: int) -> Turn:
        import textworld

        self.close()
        self._seed, self._commands = seed, list[str]()
        wanted = ("objective", "description", "inventory", "admissible_commands", "max_score", "won", "policy_commands")
        infos = textworld.EnvInfos(**dict.fromkeys(wanted, True))
        self._game = textworld.start(_game_file(seed, *self._size), infos)
        state = self._game.reset()
        self.goal = _sentences(state["objective"])
        return self._turn_of(state)

    def _turn_of(self, state: Mapping[str, Any], score: int = 0, done: bool = False) -> Turn:
        self._way = state["policy_commands"]
        seen = _sentences(f"{state['description']} {state['inventory']}")
        return Turn(
            seen, state["admissible_commands"], score=score / state["max_score"], done=done, success=state["won"]
        )


class _Planner:
    def __init__(self, env: TextWorldEnv) -> None:
        self._env = env

    def act(self) -> int:
        return int(self._env.observation()["actions"].index(self._env._way[0]))


def _sentences(text: str) -> str:
    """The text in one line, with a point behind the name of a room."""
    return " ".join(text.replace("-= ", "").replace(" =-", ".").split())


@functools.cache
def _game_file(seed: int, num_rooms: int, num_things: int, quest_length: int) -> str:
    """The game of a seed, made once in each process."""
    import textworld

    options = textworld.GameOptions()
    options.seeds = seed
    options.nb_rooms, options.nb_objects, options.quest_length = num_rooms, num_things, quest_length
    options.path = str(_folder() / f"{seed}-{num_rooms}-{num_things}-{quest_length}.z8")
    path, _ = textworld.make(options)
    return str(path)


@functools.cache
def _folder() -> Path:
    """Where the games of this process are; removed when it ends."""
    folder = tempfile.TemporaryDirectory(prefix="twosome-textworld-")
    atexit.register(folder.cleanup)
    return Path(folder.name)
