"""The settings of one run, from what the file of an experiment says about it."""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias, get_type_hints

from twosome.baselines.config import BaselineConfig
from twosome.config import TrainConfig, preset
from twosome.envs import text
from twosome.envs.arguments import suggestion
from twosome.errors import ConfigError, quote
from twosome.experiment.kind import BASELINES, kind_of
from twosome.setting_types import misfit, words_of

Config: TypeAlias = TrainConfig | BaselineConfig

TRAINED = "twosome"
"""The kind of method that `twosome train` trains."""

FROM_THE_GRID = ("env", "seed", "output")
"""Fields that the grid fills in."""


def config_class(kind: str) -> type[Config]:
    """The settings of a kind of method.

    Raises:
        ConfigError: there is no such kind.
        RunError: it is in a module that may not be imported without consent.
    """
    return TrainConfig if kind == TRAINED else BASELINES.find(kind).config


def fields_of(kind: str) -> dict[str, Any]:
    """Names of the settings that a file may give to a kind of method, each with its type."""
    return {name: hint for name, hint in get_type_hints(config_class(kind)).items() if name not in FROM_THE_GRID}


def require_known(found: Iterable[str], known: Iterable[str], where: str) -> None:
    """Refuse a misspelt key (ConfigError)."""
    known = list(known)
    for name in found:
        if name not in known:
            listed = ", ".join(known)
            hint = suggestion(name, known) or f" Expected one of {listed if len(listed) < 1000 else quote(known)}."
            raise ConfigError(f"{where} has the key {quote(name)}, which is not known there.{hint}")


def require_settings(given: Mapping[str, Any], hints: Mapping[str, Any], where: str) -> None:
    """Refuse settings that are unknown, of another type, or for the grid to make (ConfigError)."""
    for name in given:
        if name in FROM_THE_GRID:
            raise ConfigError(f"{where} gives {name!r}, which the grid sets for each run. Leave it out.")
    require_known(given, hints, where)
    require_types(given, hints, where)


def require_types(given: Mapping[str, Any], hints: Mapping[str, Any], where: str) -> None:
    """Refuse a value of another type than its setting has (ConfigError)."""
    for name, value in given.items():
        hint = hints[name]
        if isinstance(value, list) and any(isinstance(item, str) and item.startswith("-") for item in value):
            raise ConfigError(
                f"{where} gives {name} = {quote(value)}; expected names, none of which begins with a dash."
            )
        if expected := misfit(value, hint):
            meant = suggestion(value, words_of(hint))
            raise ConfigError(f"{where} gives {name} = {quote(value)}; expected {expected}.{meant}")


def configure(kind: str, env: str, seed: int, given: Mapping[str, Any], output: Path) -> Config:
    """The resolved settings of a run.

    Raises:
        ConfigError: a value is out of range, or contradicts another.
    """
    if kind != TRAINED:
        budget = preset(env)["total_steps"]
        return config_class(kind)(**{"env": text.resolve(env), "seed": seed, "total_steps": budget, **given})
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    if "more_envs" in values:
        values["more_envs"] = tuple(map(text.resolve, values["more_envs"]))
    return TrainConfig(env=text.resolve(env), seed=seed, output=output, **values)


def recorded(config: Config) -> dict[str, Any]:
    """What the run's config.json says, without what is known only once the run has begun."""
    if isinstance(config, BaselineConfig):
        return {"kind": kind_of(config), **dataclasses.asdict(config)}
    content = config.to_json()
    del content["output"]
    return {name: value for name, value in content.items() if (name, value) != ("gamma", None)}


def flags(given: Mapping[str, Any]) -> list[str]:
    """Settings as flags of `twosome train`; a value in one word with its flag, for it may look like a flag itself.

    >>> flags({"actor_lr": 0.001, "lora_targets": ["q_proj", "v_proj"], "trust_remote_code": False})
    ['--actor-lr=0.001', '--lora-targets', 'q_proj', 'v_proj']
    """
    words: list[str] = []
    for name, value in given.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words += [flag] * value
        elif isinstance(value, list):
            words += [flag, *value]
        else:
            words.append(f"{flag}={json.dumps(value) if isinstance(value, dict) else value}")
    return words
