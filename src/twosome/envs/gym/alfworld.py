"""Games of ALFWorld, played by TextWorld's engine; needs the extra `alfworld`."""

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twosome.envs.adapters import CommandEnv
from twosome.envs.arguments import check_whole
from twosome.envs.text_env import Split
from twosome.errors import ConfigError, quote
from twosome.extras import require_package

EXTRA = "alfworld"
SPECS: dict[str, tuple[str, dict[str, object]]] = {"ALFWorld": ("ALFWorldEnv", {})}
FOLDERS = {"train": "train", "test": "valid_unseen"}
TASK = "Your task is to: "


class ALFWorldEnv(CommandEnv):
    """Do a task of a household: put, clean, heat, cool, look at, as ALFWorld's games ask for.

    ## Description
    A room with furniture and things. The prompt has the game's task as the goal, and what its last command answered.

    ## Action Space
    `PhraseIndex()`: the game's admissible commands, all of them.

    ## Observation Space
    A `Dict`: `"prompt"` and `"actions"`.

    ## Rewards
    1 when the task is done, else 0. `gamma` is 0.99.

    ## Starting State
    One of the games below `path` is drawn: of its folder "train", or "valid_unseen" for split "test". Those that
    ALFWorld leaves out, since they cannot be solved or have sliced or movable things, are left out here.

    ## Episode End
    Terminated when the task is done, truncated after `max_steps` commands.

    ## Arguments

    Args:
        path: the folder with the games, as `alfworld-download` makes it.
        history: how many past observations are told again, with what was done.
        max_steps: commands after which an episode is cut off.
        split: "train" or "test".

    Raises:
        MissingExtraError: ALFWorld is not installed.
        ConfigError: there are no games.

    ## Version History
    - v0: the first.
    """

    returns_score = True

    def __init__(
        self,
        path: str = "~/.cache/alfworld/json_2.1.1",
        history: int = 2,
        max_steps: int = 50,
        split: Split = "train",
    ) -> None:
        super().__init__(split)
        check_whole("history", history, 0, 1000, default=2)
        check_whole("max_steps", max_steps, 1, 100_000, default=50)
        require_package("alfworld", EXTRA, "ALFWorld")
        if not isinstance(path, str):
            raise ConfigError(f"path={quote(path)}: expected the folder with the games, a text.")
        folder = Path(path).expanduser() / FOLDERS[split]
        self.games, self.history, self.max_steps = _games(folder), history, max_steps
        if not self.games:
            raise ConfigError(
                f"path={quote(path)}: expected games that can be solved, files game.tw-pddl in and below "
                f"{quote(str(folder))}, found none. alfworld-download fetches them."
            )

    def make(self, split: Split) -> Any:
        """The games, in an environment that begins one after the other."""
        import textworld.gym
        from alfworld.agents.environment.alfred_tw_env import AlfredDemangler

        infos = textworld.EnvInfos(admissible_commands=True, won=True)
        name = textworld.gym.register_games(self.games, infos, max_episode_steps=None, wrappers=[AlfredDemangler])
        return textworld.gym.make(name)

    def describe(self, observation: Any, info: Mapping[str, Any]) -> str:
        """What the last command answered; at the beginning without the welcome, and the task as the goal."""
        seen, _, task = observation.rpartition(TASK)
        if task and seen:
            self.goal = f"{TASK.replace(':', '')}{' '.join(task.split())}"
            observation = seen.rpartition("=-")[2]
        return " ".join(observation.split())


@functools.cache
def _games(folder: Path) -> list[str]:
    """The games below a folder that ALFWorld plays."""
    found = (str(path) for path in sorted(folder.rglob("game.tw-pddl")))
    named = (path for path in found if "movable" not in path and "Sliced" not in path)
    return [path for path in named if json.loads(Path(path).read_text()).get("solvable")]
