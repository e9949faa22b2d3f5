"""Environments that an OpenEnv server offers, where they say what is legal; needs the extra `openenv`."""

import json
from collections.abc import Mapping
from typing import Any

from twosome.envs.adapters import CommandEnv
from twosome.envs.arguments import check_whole
from twosome.envs.text_env import Split
from twosome.errors import ConfigError, EnvError, quote
from twosome.extras import require_package

EXTRA = "openenv"
SPECS: dict[str, tuple[str, dict[str, object]]] = {"OpenEnv": ("OpenEnvEnv", {})}


class OpenEnvEnv(CommandEnv):
    """Play in an environment of OpenEnv that lists its legal actions.

    ## Description
    A server of OpenEnv plays; each environment here is a session of its own there. The prompt has each field of the
    observation with its name.

    ## Action Space
    `PhraseIndex()`: the legal actions, as they are where they are texts; else by their names.

    ## Observation Space
    A `Dict`: `"prompt"` and `"actions"`.

    ## Rewards
    The server's. `gamma` is 0.99.

    ## Starting State
    The server's, which is handed a seed.

    ## Episode End
    Terminated when the server says so, truncated after `max_steps` actions.

    ## Arguments

    Args:
        url: of the server.
        legal: the field of an observation that lists the legal actions.
        action: the field of an action that takes one of them.
        names: a phrase for each action, where they are numbers from 0; None: "choose 0", "choose 1" ...
        goal: what is wanted, in a sentence.
        history: how many past observations are told again, with what was done.
        max_steps: actions after which an episode is cut off.
        split: "train" or "test", which are the same here: a server has no tasks.

    Raises:
        MissingExtraError: OpenEnv is not installed.

    ## Version History
    - v0: the first.
    """

    def __init__(
        self,
        url: str = "http://localhost:8000",
        legal: str = "legal_actions",
        action: str = "action_id",
        names: list[str] | None = None,
        goal: str = "",
        history: int = 0,
        max_steps: int = 200,
        split: Split = "train",
    ) -> None:
        super().__init__(split)
        require_package("openenv", EXTRA, "OpenEnv")
        for name, value in (("url", url), ("legal", legal), ("action", action), ("goal", goal)):
            if not isinstance(value, str):
                raise ConfigError(f"{name}={quote(value)}: expected a text.")
        if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
            raise ConfigError(f"names={quote(names)}: expected a list of texts.")
        check_whole("history", history, 0, 1000, default=0)
        check_whole("max_steps", max_steps, 1, 100_000, default=200)
        self.url, self.legal, self.action, self.names = url, legal, action, names
        self.goal, self.history, self.max_steps = goal, history, max_steps

    def make(self, split: Split) -> "_Session":
        """Open a session."""
        return _Session(self.url, self.action)

    def describe(self, observation: Any, info: Mapping[str, Any]) -> str:
        """Each field with its name, but for the legal actions."""
        told = {name.replace("_", " "): value for name, value in observation.items() if name != self.legal}
        texts = (value if isinstance(value, str) else json.dumps(value) for value in told.values())
        return " ".join(f"{name}: {' '.join(text.split())}." for name, text in zip(told, texts, strict=True))

    def commands(self, observation: Any, info: Mapping[str, Any]) -> list[str]:
        """A phrase for each legal action.

        Raises:
            EnvError: the observation does not list them, or one has no name.
        """
        legal = observation.get(self.legal)
        if not isinstance(legal, list):
            raise EnvError(
                f"expected a list of actions in the field {quote(self.legal)} of the observation, found "
                f"{quote(legal)} there and the fields {quote(sorted(observation))}. Say with legal= which field it is."
            )
        phrases = [self._phrase(action) for action in legal]
        self.inner.actions = dict(zip(phrases, legal, strict=True))
        return phrases

    def _phrase(self, action: Any) -> str:
        if isinstance(action, str):
            return action
        if self.names is None:
            return f"choose {json.dumps(action)}"
        if type(action) is not int or not 0 <= action < len(self.names):
            raise EnvError(f"expected a name for each action, found none for {quote(action)}. Give more names.")
        return self.names[action]


class _Session:
    """A client of OpenEnv with the methods of a Gymnasium environment."""

    def __init__(self, url: str, field: str) -> None:
        from openenv.core.generic_client import GenericEnvClient

        self.client, self.field = GenericEnvClient(base_url=url).sync(), field
        self.actions: dict[str, Any] = {}

    def reset(self, seed: int) -> tuple[Any, dict[str, Any]]:
        return self.client.reset(seed=seed).observation, {}

    def step(self, phrase: str) -> tuple[Any, float, bool, dict[str, Any]]:
        result = self.client.step({self.field: self.actions[phrase]})
        return result.observation, result.reward or 0.0, result.done, {}

    def close(self) -> None:
        self.client.close()
