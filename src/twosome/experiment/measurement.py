"""Further measurements of a finished run, each in a file of its own below `twosome.experiment.measurements`."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from twosome.config import TrainConfig
from twosome.errors import RunError, quote
from twosome.experiment.registry import Registry
from twosome.report.numbers import Number
from twosome.run_files import read_json


@dataclass(frozen=True)
class MeasurementRequest:
    """What a measurement is asked for: of which run and model, over which episodes, with how many threads."""

    run: str
    model: str
    episodes: int
    seed: int
    threads: int


@dataclass(frozen=True)
class Measurement:
    """A command that prints one JSON document about a run, and what of that are numbers."""

    command: Callable[[MeasurementRequest], list[str]]
    """Words behind ``python -m``. The experiment adds what it consents to, such as ``--trust-env-module``."""
    numbers: Callable[[Mapping[str, Any]], Iterator[Number]]
    """Of the document that the command prints, without world, method and seed unless they are not the run's."""
    check: Callable[[TrainConfig], None] = lambda config: None
    """Refuses a run of these settings before anything runs, by raising ConfigError or MissingExtraError."""


MEASUREMENTS = Registry[Measurement]("measurement", "twosome.experiment.measurements")
register = MEASUREMENTS.register


def path_of(run: Path, name: str) -> Path:
    """The file of a measurement in a run's directory."""
    return run / f"also-{re.sub('[^A-Za-z0-9_.-]', '-', name)}.json"


def is_done(name: str, request: MeasurementRequest) -> bool:
    """Whether a measurement's file is there, whole, and of what is asked for."""
    try:
        found = read_json(path_of(Path(request.run), name))
    except RunError:
        return False
    return found.get("measurement") == name and found.get("asked") == record(name, request)


def record(name: str, request: MeasurementRequest) -> list[str]:
    """The command as a file of the measurement says it, wherever the run lies."""
    return MEASUREMENTS.find(name).command(replace(request, run="RUN", threads=1))


def document(name: str, request: MeasurementRequest, answer: Mapping[str, Any]) -> dict[str, Any]:
    """What the file of a measurement says: its numbers, what was asked for, and all that the command printed.

    Raises:
        RunError: the command's answer lacks what the numbers are taken from.
    """
    try:
        numbers = [number.to_json() for number in MEASUREMENTS.find(name).numbers(answer)]
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise RunError(f"the measurement {quote(name)} printed a document without {quote(str(error))}.") from error
    return {"measurement": name, "asked": record(name, request), "numbers": numbers, "document": answer}
