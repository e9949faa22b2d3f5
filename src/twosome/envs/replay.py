"""What was played until an environment failed, as a file, and playing it again."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gymnasium

from twosome.documents import parse_json, read_text
from twosome.envs import callables
from twosome.envs.checked import CheckedEnv, phrase_of
from twosome.envs.history import EpisodePosition, History
from twosome.errors import ConfigError, quote
from twosome.files import write_bytes


@dataclass(frozen=True)
class Replay:
    """What an environment was asked to do, from a seed or a saved state on.

    Attributes:
        env: its name.
        env_kwargs: its arguments.
        start: where it stood at first.
        state: that it was put into there, as `get_state` returned it; None: it was reset with the seed.
        elapsed: of its time limits in that state.
        actions: of each episode, the ids. After an episode comes a reset without a seed.
    """

    env: str
    env_kwargs: dict[str, Any]
    start: EpisodePosition
    state: dict[str, Any] | None
    elapsed: list[int | None]
    actions: list[list[int]]

    @classmethod
    def of(cls, env: str, env_kwargs: dict[str, Any], history: History) -> "Replay":
        """What is in a history."""
        actions = [list(episode) for episode in history.actions]
        return cls(env, env_kwargs, history.start, history.state, history.elapsed, actions)

    @property
    def seed(self) -> int | None:
        """Of the environment."""
        return self.start.seed

    @property
    def episode(self) -> int:
        """Number of the last episode, counted from 1 since the seed."""
        return self.start.episode + len(self.actions) - 1

    def save(self, folder: Path) -> str:
        """Write it into a folder; returns what plays it again.

        Raises:
            OSError: it cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"seed-{self.seed}-episode-{self.episode}.json"
        write_bytes(path, json.dumps(asdict(self)).encode())
        if callables.is_callable(self.env):
            return f"twosome.envs.replay.replay({str(path)!r}, make) in Python, with what makes the environment"
        return f"twosome replay {path}" + (" --trust-env-module" if ":" in self.env else "")

    @classmethod
    def load(cls, path: Path) -> "Replay":
        """What `save` has written.

        Raises:
            ConfigError: the file is none of these.
        """
        try:
            content = parse_json(read_text(path))
            return _checked(cls(**{**content, "start": EpisodePosition(**content["start"])}))
        except FileNotFoundError as error:
            raise ConfigError(f"there is no file {path}; expected one that an error has named.") from error
        except (ValueError, TypeError, KeyError) as error:
            raise ConfigError(
                f"{path} does not say what was played ({quote(error)}); expected a file that an error named after "
                "twosome replay, unchanged."
            ) from error

    def play(self, env: CheckedEnv) -> Iterator[tuple[int, int, str]]:
        """Play it again.

        Args:
            env: one of the same kind.

        Returns:
            Number of the episode, number of the step and phrase of the action, each before it is carried out; for a
            reset step 0 and no phrase.

        Raises:
            EnvError: what happened then happens again.
        """
        position = self.start
        if self.state is None:
            yield position.episode, 0, ""
            env.reset(self.seed)
        else:
            env.set_state(self.state, position, self.elapsed)
        for number, actions in enumerate(self.actions, start=position.episode):
            if number > position.episode:
                yield number, 0, ""
                env.reset()
            for action in actions:
                yield number, env.position.step + 1, phrase_of(action, env.observation.actions) or str(action)
                env.step(action)


def _checked(found: Replay) -> Replay:
    ids = [action for episode in found.actions for action in episode]
    if not isinstance(found.env, str) or not isinstance(found.env_kwargs, dict) or not found.actions:
        raise ValueError("it names no environment with its arguments, or no episode")
    if not all(type(action) is int for action in ids) or not isinstance(found.elapsed, list):
        raise ValueError("an action is no id")
    return found


def replay(path: str | Path, make: Callable[..., gymnasium.Env[Any, Any]]) -> None:
    """Play again what led an environment to fail that a function makes; as `twosome replay`.

    Args:
        path: what an error named.
        make: makes the environment, with its arguments.

    Raises:
        EnvError: what happened then happens again.
    """
    saved = Replay.load(Path(path))
    with CheckedEnv.made_by(lambda: make(**saved.env_kwargs)) as env:
        for _ in saved.play(env):
            pass
