"""The worlds: importing this package registers them with Gymnasium under `twosome/`."""

import importlib.util
from collections.abc import Mapping
from typing import NamedTuple

import gymnasium


class Family(NamedTuple):
    """Worlds that share one environment class."""

    specs: str
    """Module with `SPECS`, name of each world to the arguments of the class."""
    entry_point: str


FAMILIES = (
    Family("twosome.envs.overcooked", "twosome.envs.overcooked.env:KitchenEnv"),
    Family("twosome.envs.household.tasks", "twosome.envs.household.env:HouseholdEnv"),
)


def _register() -> None:
    for family in FAMILIES:
        if importlib.util.find_spec(family.specs) is None:
            continue
        specs: Mapping[str, dict[str, object]] = importlib.import_module(family.specs).SPECS
        for name, kwargs in specs.items():
            env_id = f"twosome/{name}-v0"
            if env_id not in gymnasium.registry:
                gymnasium.register(env_id, family.entry_point, kwargs=dict(kwargs))


_register()
