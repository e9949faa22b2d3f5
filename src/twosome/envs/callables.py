"""Environments that a Python function makes: registered with Gymnasium in this process, under a name of their own."""

import functools
import re
import weakref
from collections.abc import Callable
from typing import Any

import gymnasium

from twosome.errors import ConfigError, EnvError, quote

NAMESPACE = "callable"
_LONGEST = 100


def register(make: Callable[..., Any], env_id: str | None = None) -> str:
    """Give what makes an environment a name, which everything takes that takes the name of an environment.

    Args:
        make: makes a new environment each time; takes the keyword arguments of the settings.
        env_id: the name that it had in an earlier process; None: after the function.

    Raises:
        ConfigError: it cannot be called.
    """
    if not callable(make) or isinstance(make, gymnasium.Env):
        raise ConfigError(
            f"env is {quote(make)}; expected a function or class that makes a new environment each time it is called, "
            "such as MyEnv or lambda: MyEnv(size=3). A name goes into the settings: TrainConfig(env=...)."
        )
    env_id = env_id or _free_name(make)
    gymnasium.registry.pop(env_id, None)
    gymnasium.register(env_id, entry_point=_making_new_ones(make, env_id))
    return env_id


def is_callable(env_id: str) -> bool:
    """Whether a name is that of an environment which a Python function makes."""
    return env_id.startswith(f"{NAMESPACE}/")


def not_here(env_id: str) -> EnvError:
    """The error that says what to do where the function is not known."""
    return EnvError(
        f"the environment {quote(env_id)} was made by a Python function, which no command can call. Go on from Python, "
        "and hand it in again: twosome.resume(run, env=the_function). To name it in commands, register it with "
        "Gymnasium in a module and train with --env module:id."
    )


def _free_name(make: Callable[..., Any]) -> str:
    """A name after the function; with a number behind it if another function has that name."""
    module, name = (getattr(make, attribute, type(make).__name__) for attribute in ("__module__", "__qualname__"))
    bare = f"{NAMESPACE}/{re.sub(r'[^A-Za-z0-9_.]+', '_', f'{module}.{name}')[:_LONGEST]}"
    number, env_id = 1, bare
    while (spec := gymnasium.registry.get(env_id)) is not None and getattr(spec.entry_point, "made_by", None) != make:
        number += 1
        env_id = f"{bare}.{number}"
    return env_id


def _making_new_ones(make: Callable[..., Any], env_id: str) -> Callable[..., Any]:
    made: list[weakref.ref[Any]] = []

    @functools.wraps(make, updated=())
    def entry_point(**kwargs: Any) -> Any:
        env = make(**kwargs)
        bare = getattr(env, "unwrapped", env)
        if any(reference() is bare for reference in made):
            raise EnvError(
                f"what makes the environment {quote(env_id)} has returned the same one twice; expected a new one "
                "each time, since several are stepped side by side."
            )
        if isinstance(bare, gymnasium.Env):
            made[:] = [reference for reference in made if reference() is not None] + [weakref.ref(bare)]
        return env

    entry_point.made_by = make  # type: ignore[attr-defined]
    return entry_point
