"""Tasks of ScienceWorld; needs the extra `scienceworld`, and Java."""

import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from twosome.envs.adapters import CommandEnv
from twosome.envs.arguments import check_choice, check_whole
from twosome.envs.text_env import Split
from twosome.errors import ConfigError, MissingExtraError, quote
from twosome.extras import require_package

EXTRA = "scienceworld"
SPECS: dict[str, tuple[str, dict[str, object]]] = {"ScienceWorld": ("ScienceWorldEnv", {})}
SIMPLIFICATIONS = (
    "easy",
    "teleportAction",
    "selfWateringFlowerPots",
    "openContainers",
    "openDoors",
    "noElectricalAction",
)


class ScienceWorldEnv(CommandEnv):
    """Do an experiment of elementary school in a house of ten rooms.

    ## Description
    A task of ScienceWorld. The prompt has its description as the goal, what the last action led to, the room and the
    inventory.

    ## Action Space
    `PhraseIndex()`: ScienceWorld's valid actions, all of them, 100 to 1,000.

    ## Observation Space
    A `Dict`: `"prompt"` and `"actions"`.

    ## Rewards
    ScienceWorld's: what its score has grown by, 100 in all for a task that is done, and down to -100 for one that is
    spoiled. `gamma` is 0.99.

    ## Starting State
    One of the task's variations is drawn, of ScienceWorld's own training or test set.

    ## Episode End
    Terminated when the task is done, or spoiled, truncated after `max_steps` actions.

    ## Arguments

    Args:
        task: ScienceWorld's name of it.
        simplification: ScienceWorld's, with commas between them: "easy" for all; "" for none.
        history: how many past observations are told again, with what was done.
        max_steps: actions after which an episode is cut off.
        split: "train" or "test".

    Raises:
        MissingExtraError: ScienceWorld or Java is not installed.

    ## Version History
    - v0: the first.
    """

    def __init__(
        self,
        task: str = "find-living-thing",
        simplification: str = "easy",
        history: int = 0,
        max_steps: int = 50,
        split: Split = "train",
    ) -> None:
        super().__init__(split)
        require_package("scienceworld", EXTRA, "ScienceWorld")
        from scienceworld.constants import ID2TASK

        if shutil.which("java") is None:
            raise MissingExtraError("ScienceWorld needs Java, which is not installed: apt install default-jre-headless")
        check_choice("task", task, list(ID2TASK.values()))
        if not isinstance(simplification, str):
            raise ConfigError(
                f"simplification={quote(simplification)}: expected a text, with commas between the names."
            )
        for part in filter(None, simplification.split(",")):
            check_choice("simplification", part, SIMPLIFICATIONS)
        check_whole("history", history, 0, 1000, default=0)
        check_whole("max_steps", max_steps, 1, 100_000, default=50)
        self.task, self.simplification, self.history, self.max_steps = task, simplification, history, max_steps

    def make(self, split: Split) -> Any:
        """Start the simulator."""
        import scienceworld

        inner = scienceworld.ScienceWorldEnv(envStepLimit=2**31)  # the limit here is `max_steps`
        inner.load(self.task, 0, self.simplification)
        self._variations = inner.get_variations_train() if split == "train" else inner.get_variations_test()
        return inner

    def restart(self, rng: np.random.Generator) -> tuple[Any, Mapping[str, Any]]:
        """Draw a variation, and begin it."""
        self.inner.load(self.task, int(rng.choice(self._variations)), self.simplification)
        began: tuple[Any, Mapping[str, Any]] = self.inner.reset()
        return began

    def commands(self, observation: Any, info: Mapping[str, Any]) -> list[str]:
        """The valid actions, each once."""
        return list(dict.fromkeys(info["valid"]))

    def describe(self, observation: Any, info: Mapping[str, Any]) -> str:
        """What the last action led to, unless that is the room, then the room and the inventory."""
        self.goal = _sentences(info["taskDesc"].removeprefix("Task Description:"))
        told, room, inventory = map(_sentences, (observation, info["look"], info["inv"]))
        return " ".join([*([told] if told != room else []), room, inventory])

    def close(self) -> None:
        """End the simulator."""
        super().close()
        if self.inner is not None:
            with suppress(subprocess.TimeoutExpired):  # its __del__ closes again, and writes to Java if that still runs
                self.inner._gateway.java_process.wait(timeout=5)


def _sentences(text: str) -> str:
    """The text in one line: what is indented with commas between, the rest as sentences."""
    told = ""
    for line in filter(str.strip, text.splitlines()):
        between = " " if told.endswith((":", ".")) else ", " if line[0].isspace() else ". "
        told += (between if told else "") + line.strip()
    return told if told.endswith(".") else f"{told}."
