"""The environments: importing this package registers them with Gymnasium under `twosome/`.

A family of environments joins by one entry in `FAMILIES`.
"""

import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from twosome.envs.checked import raised
from twosome.envs.text import NAMESPACE, Planner
from twosome.errors import EnvError, TwosomeError, quote


class Family(NamedTuple):
    """Environments that share one class."""

    specs_module: str
    """Module with `SPECS`: name of each environment to the arguments of the class."""
    entry_point: str


FAMILIES = (
    Family("twosome.envs.overcooked", "twosome.envs.overcooked.env:KitchenEnv"),
    Family("twosome.envs.household.tasks", "twosome.envs.household.env:HouseholdEnv"),
)
WRAPPED_MODULES = (
    "twosome.envs.gym.toy_text",
    "twosome.envs.gym.minigrid",
    "twosome.envs.gym.textworld",
    "twosome.envs.gym.open_spiel",
    "twosome.envs.gym.scienceworld",
    "twosome.envs.gym.alfworld",
    "twosome.envs.gym.openenv",
)
"""Modules with `SPECS` of other people's environments in words: name of each to its class and arguments."""


def register_envs() -> None:
    """Register every environment that is not registered yet."""
    for family in FAMILIES:
        specs: Mapping[str, dict[str, object]] = importlib.import_module(family.specs_module).SPECS
        for name, kwargs in specs.items():
            _register(name, family.entry_point, kwargs)
    for module in WRAPPED_MODULES:
        for name, (kind, kwargs) in importlib.import_module(module).SPECS.items():
            _register(name, f"{module}:{kind}", kwargs)


def _register(name: str, entry_point: str, kwargs: Mapping[str, object]) -> None:
    env_id = f"{NAMESPACE}/{name}-v0"
    if env_id not in gymnasium.registry:
        gymnasium.register(env_id, entry_point, kwargs=dict(kwargs))


def planner_for(env: gymnasium.Env[Any, Any]) -> Planner:
    """The planner of an environment; its `act()` answers for the environment's current state.

    Raises:
        EnvError: the environment has none.
    """
    planner = getattr(env.unwrapped, "planner", None)
    if planner is None:
        raise EnvError(
            f"{env} has no planner: expected a method planner() on env.unwrapped, as the environments under "
            f"{NAMESPACE}/ have. Write one, or do without what a planner shows and measures."
        )
    found: Planner = planner()
    return found


def best_action(env: gymnasium.Env[Any, Any], num_actions: int | None = None) -> int:
    """The action that the environment's planner would take in its current state.

    Args:
        env: the environment.
        num_actions: how many there are now; None: as many as the action space says.

    Raises:
        EnvError: the environment has no planner, or it fails, or it names no action.
    """
    try:
        action = planner_for(env).act()
    except (TwosomeError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise EnvError(f"{env}: the planner {raised(error)}. Mend it there.") from error
    n = int(env.action_space.n) if num_actions is None else num_actions  # type: ignore[attr-defined]
    if not isinstance(action, int | np.integer) or action not in range(n):
        raise EnvError(f"{env}: expected the planner to return the id of an action, found {quote(action)}.")
    return int(action)


register_envs()
