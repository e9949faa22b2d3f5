"""Environments of other packages, by what they say of their actions: their commands, or a mask over numbered ones.

A subclass says how the environment is made, and what its model reads. The rest is `twosome.envs.text_env`.
"""

import inspect
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from twosome.envs.base import require_saved, require_saved_keys, saved_generator
from twosome.envs.text_env import Split, TextEnv, Turn
from twosome.errors import EnvError, quote

COMMANDS = ("admissible_commands", "valid_actions")
MASK = "action_mask"


class _Adapter(TextEnv):
    """What the two kinds have in common: making, resetting and stepping the other package's environment.

    A state is how the episode began and the actions since, which are played again. Where that leads elsewhere, as in an
    environment that draws without its seed, ``save_state = twosome.TextEnv.save_state`` in the subclass says that it
    has none.

    Attributes:
        returns_score: whether the number that its `step` returns is the score so far, and not the reward.
        inner: the other package's environment, made for the first episode.
    """

    returns_score: bool = False
    inner: Any = None

    _begun: Mapping[str, Any]
    _actions: list[Any]

    @abstractmethod
    def make(self, split: Split) -> Any:
        """Make the other package's environment.

        Args:
            split: "train", or "test" for tasks that training never meets.
        """

    @abstractmethod
    def describe(self, observation: Any, info: Mapping[str, Any]) -> str:
        """What there is to see, in sentences, of what its `reset` or `step` returned. It may also set `goal`."""

    @abstractmethod
    def _offered(self, observation: Any, info: Mapping[str, Any]) -> Sequence[str] | Mapping[str, Any]:
        """The actions that there are now."""

    def restart(self, rng: np.random.Generator) -> tuple[Any, Mapping[str, Any]]:
        """Begin an episode: returns its observation and info.

        Hands a seed to its `reset`, or to its `seed` where `reset` takes none and there is one.

        Args:
            rng: draws what is random.
        """
        seed = int(rng.integers(2**31))
        if _takes_seed(self.inner.reset):
            began = self.inner.reset(seed=seed)
        else:
            if callable(getattr(self.inner, "seed", None)):
                self.inner.seed(seed)
            began = self.inner.reset()
        if not isinstance(began, tuple) or len(began) != 2:
            raise EnvError(
                f"expected reset to return the observation and info, found {quote(began)}. Let restart(rng) return "
                "them."
            )
        return began

    def begin(self, rng: np.random.Generator, split: Split) -> Turn:
        """Begin an episode."""
        if self.inner is None:
            self.inner = self.make(split)
        self._begun, self._actions = dict(rng.bit_generator.state), []
        observation, info = self.restart(rng)
        _require_info(info)
        return Turn(self.describe(observation, info), self._offered(observation, info))

    def act(self, action: Any) -> Turn:
        """Carry out an action: what its `step` takes."""
        self._actions.append(action)
        observation, number, done, truncated, info = _five(self.inner.step(action))
        _require_info(info)
        over = done or truncated
        return Turn(
            self.describe(observation, info),
            () if over else self._offered(observation, info),
            done=done,
            truncated=truncated,
            success=info.get("success", info.get("won")) if over else None,
            **{"score" if self.returns_score else "reward": number},
        )

    def save_state(self) -> dict[str, Any]:
        """How the episode began, the actions since, and what there is to see now."""
        return {"begun": self._begun, "actions": list(self._actions), "observation": self._running().observation}

    def load_state(self, state: dict[str, Any]) -> Turn:
        """Play the actions again.

        Raises:
            EnvError: they lead elsewhere.
        """
        require_saved_keys("own", state, ("begun", "actions", "observation"))
        require_saved("actions", state["actions"], isinstance(state["actions"], list), "a list of actions")
        turn = self.begin(saved_generator(state["begun"]), self.split)
        for action in state["actions"]:
            valid = turn.actions.values() if isinstance(turn.actions, Mapping) else turn.actions
            require_saved("actions", action, action in valid, f"one of {quote(list(valid))}")
            turn = self.act(action)
        if turn.observation != state["observation"]:
            raise EnvError(
                f"expected the saved actions to lead to {quote(state['observation'])}, found "
                f"{quote(turn.observation)}. The environment does not repeat itself: seed it in restart(rng), or write "
                "save_state = twosome.TextEnv.save_state into the class, so that runs that resume begin new episodes."
            )
        return turn

    def close(self) -> None:
        """Close the other package's environment."""
        if hasattr(self.inner, "close"):
            self.inner.close()


class CommandEnv(_Adapter):
    """An environment that lists its commands, as many as there are, and takes one: TextWorld, ALFWorld, Jericho.

    ::

        class Quest(twosome.CommandEnv):
            goal = "You want the treasure."

            def make(self, split):
                return Game(levels=split)

    Its `reset` returns an observation and info, its `step(command)` what Gymnasium's returns, or observation, reward,
    done and info. A model reads the observation, unless `describe` says otherwise, and then each of the commands. The
    episode succeeded where `info["success"]` or `info["won"]` says so; without either, if its last reward was positive.
    """

    def describe(self, observation: Any, info: Mapping[str, Any]) -> str:
        """What there is to see, in sentences: the observation itself."""
        text: str = observation  # a Turn refuses what is none
        return text

    def commands(self, observation: Any, info: Mapping[str, Any]) -> Sequence[str]:
        """The commands that there are now.

        They are `info["admissible_commands"]` or `info["valid_actions"]`, or the environment's own `valid_actions`, a
        method or not.

        Raises:
            EnvError: there is none of these.
        """
        for name in COMMANDS:
            if name in info:
                found: Sequence[str] = info[name]
                return found
        own = getattr(self.inner, "valid_actions", None)
        if own is None:
            raise EnvError(
                'expected info["admissible_commands"] or info["valid_actions"], a list of commands, or a method '
                f"valid_actions(), found an info with {quote(sorted(map(str, info)))}. If the commands stand "
                "elsewhere, let the method commands(observation, info) return them."
            )
        listed: Sequence[str] = own() if callable(own) else own
        return listed

    def _offered(self, observation: Any, info: Mapping[str, Any]) -> Sequence[str]:
        commands = self.commands(observation, info)
        if not isinstance(commands, list | tuple) or not commands or not all(_is_command(c) for c in commands):
            raise EnvError(
                "expected the commands to be a list of texts that are not empty, at least one as long as the episode "
                f"is not over, found {quote(commands)}. Let the method commands(observation, info) return such a list."
            )
        _require_distinct("commands", commands, "let the method commands(observation, info) return each once")
        return commands


class MaskedEnv(_Adapter):
    """An environment of numbered actions, `Discrete(n)`, with a mask of those that are valid now.

    ::

        class Taxi(twosome.MaskedEnv):
            goal = "You want to bring the passenger to the destination."
            action_names = ("drive south", "drive north", "drive east", "drive west", "pick up", "drop off")

            def make(self, split):
                return gymnasium.make("Taxi-v4")

            def describe(self, observation, info):
                row, column, passenger, destination = self.inner.unwrapped.decode(observation)
                return f"You are in row {row}, column {column}."

    Attributes:
        action_names: a phrase for each action, in their order.
    """

    action_names: Sequence[str] = ()

    def mask(self, observation: Any, info: Mapping[str, Any]) -> Any:
        """1 for each action that is valid now: `info["action_mask"]`, or `observation["action_mask"]`.

        Raises:
            EnvError: there is neither.
        """
        for place in (info, observation):
            if isinstance(place, Mapping) and MASK in place:
                return place[MASK]
        raise EnvError(
            f'expected info["{MASK}"] or observation["{MASK}"], 1 for each action that is valid now, found an info '
            f"with {quote(sorted(map(str, info)))}. If all actions are always valid, let the method "
            "mask(observation, info) return [1] * len(self.action_names)."
        )

    def _offered(self, observation: Any, info: Mapping[str, Any]) -> dict[str, int]:
        names, space = self.action_names, getattr(self.inner, "action_space", None)
        n = getattr(space, "n", None)
        if not isinstance(names, list | tuple) or len(names) != n or not all(_is_command(name) for name in names):
            raise EnvError(
                f"expected action_names to be a list of texts, one for each action of {quote(space)}, found "
                f"{quote(names)}."
            )
        _require_distinct("action_names", names, "a model cannot tell these apart: word each otherwise")
        given = self.mask(observation, info)
        mask = given.tolist() if isinstance(given, np.ndarray) else given
        if not isinstance(mask, list | tuple) or len(mask) != n or not all(map(_is_bit, mask)) or not any(mask):
            raise EnvError(
                f"expected the mask of {n} actions to be {n} zeros and ones, at least one of them 1 as long as the "
                f"episode is not over, found {quote(given)}. Let the method mask(observation, info) return such a mask."
            )
        return {name: i + int(getattr(space, "start", 0)) for i, name in enumerate(names) if mask[i]}


def _is_command(text: object) -> bool:
    return isinstance(text, str) and bool(text.strip())


def _is_bit(value: object) -> bool:
    return isinstance(value, int | np.integer | np.bool_) and value in (0, 1)


def _require_distinct(what: str, phrases: Sequence[str], remedy: str) -> None:
    twice = sorted({phrase for phrase in phrases if phrases.count(phrase) > 1})
    if twice:
        raise EnvError(f"expected {what} that differ, found {quote(twice)} more than once; {remedy}.")


def _require_info(info: object) -> None:
    if not isinstance(info, Mapping):
        raise EnvError(f"expected info to be a dict, found {quote(info)}.")


def _takes_seed(reset: Any) -> bool:
    try:
        inspect.signature(reset).bind(seed=0)
    except (TypeError, ValueError):  # it does not, or is written in C and says nothing
        return False
    return True


def _five(result: Any) -> tuple[Any, Any, bool, bool, Any]:
    """What `step` returned, with both flags: those of before Gymnasium said with one that an episode is over."""
    if isinstance(result, tuple) and len(result) == 4:
        observation, number, done, info = result
        result = (observation, number, done, False, info)
    if not isinstance(result, tuple) or len(result) != 5:
        raise EnvError(
            "expected step to return observation, reward, terminated, truncated and info, or observation, reward, done "
            f"and info, found {quote(result)}. Let make(split) return an environment that does."
        )
    for name, flag in zip(("terminated", "truncated"), result[2:4], strict=True):
        if not isinstance(flag, bool | np.bool_):
            raise EnvError(f"expected {name} to be True or False, found {quote(flag)}.")
    observation, number, done, truncated, info = result
    return observation, number, bool(done), bool(truncated), info
