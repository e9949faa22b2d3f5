"""Episodes that are lost because their environment crashed or hung: counted, told, kept, up to a limit.

A lost episode is no result: it counts neither as a success nor as a failure. Its environment begins anew with its seed.
"""

import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twosome.envs.checked import CheckedEnv
from twosome.envs.remote import RemoteEnv
from twosome.envs.replay import Replay
from twosome.errors import EnvCrashError, EnvError, quote

_SHOWN_ACTIONS = 5


class EpisodeLostWarning(UserWarning):
    """An environment crashed or hung, and begins anew."""


@dataclass
class Losses:
    """How many episodes were lost, and how many may be.

    Attributes:
        envs: names of the environments.
        env_kwargs: their arguments.
        limit: how many may be lost before that is an error.
        folder: where what was played is written; None: a temporary folder, once there is something to write.
        count: how many were lost so far.
    """

    envs: tuple[str, ...]
    env_kwargs: dict[str, Any]
    limit: int = 0
    folder: Path | None = None
    count: int = 0

    def note(self, env: CheckedEnv | RemoteEnv, error: EnvError, world: int = 0) -> None:
        """Count an episode that an error has ended, and say what it was.

        Args:
            env: where it was played.
            error: what ended it.
            world: number of the environment's name.

        Raises:
            EnvError: too many are lost by now, or the environment breaks its contract, which it would do again.
        """
        is_crash = isinstance(error, EnvCrashError)
        self.count += is_crash
        told = f"{_actions(env)}{self._replay(env, self.envs[world])}"
        if not is_crash or self.count > self.limit:
            lost = f" {self.count} episodes are lost, more than --max-lost {self.limit}."
            raise type(error)(f"{error}{lost if is_crash and self.limit else ''}{told}") from error
        left = f" It begins anew with its seed; {self.count} of at most {self.limit} episodes are lost (--max-lost)."
        warnings.warn(f"{error}{left}{told}", EpisodeLostWarning, stacklevel=4)

    def _replay(self, env: CheckedEnv | RemoteEnv, name: str) -> str:
        """How to see it again."""
        self.folder = self.folder or Path(tempfile.mkdtemp(prefix="twosome-"))
        try:
            return f" To see it again: {Replay.of(name, self.env_kwargs, env.history).save(self.folder)}"
        except OSError as error:
            return f" What was played could not be written into {self.folder}: {error.strerror}."


def _actions(env: CheckedEnv | RemoteEnv) -> str:
    phrases = env.history.phrases
    if not phrases:
        return ""
    latest = ", ".join(quote(phrase) for phrase in phrases[-_SHOWN_ACTIONS:])
    more = f", the latest of {len(phrases)}" if len(phrases) > _SHOWN_ACTIONS else ""
    return f" Actions of the episode so far{more}: {latest}."
