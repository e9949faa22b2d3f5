"""Kinds of methods beside the language model that `twosome train` trains: baselines, each in a file below `kinds`."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twosome.baselines.config import BaselineConfig, Record
from twosome.experiment.registry import Registry


@dataclass(frozen=True)
class Baseline:
    """A kind of method."""

    config: type[BaselineConfig]  # its settings, which a file may give
    learn: Callable[[Any, Record], Any]
    """Learns with these settings, tells how it goes, and returns the `twosome.policy.base.Policy` of the end."""
    reads_vector: bool = False  # whether it needs environments with the symbolic observation, "vector"
    around: Callable[[Any, Any], Any] | None = None
    """Puts around an environment what its policy plays in, given the settings first; None: nothing."""


BASELINES = Registry[Baseline]("kind of method", "twosome.experiment.kinds")
register = BASELINES.register


def lazy_import(place: str) -> Callable[..., Any]:
    """A function that is imported when it is called, "module:function": a file is checked without torch."""

    def call(*arguments: Any) -> Any:
        module, _, name = place.partition(":")
        return getattr(importlib.import_module(module), name)(*arguments)

    return call


def kind_of(config: BaselineConfig) -> str:
    """What a file calls the kind of method that has these settings."""
    (name,) = (name for name, baseline in BASELINES if baseline.config is type(config))
    return name
