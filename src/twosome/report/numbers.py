"""One schema for every measured number, and the small file that holds those of one measurement.

A file says once when, on what and by which command it was made, and then has a row for each number: what was
measured, in which environment, by which method and seed. `benchmarks/pages` fills the pages from such files.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from twosome.documents import parse_json, read_text
from twosome.errors import RunError, quote
from twosome.versions import hardware, versions


@dataclass(frozen=True)
class Number:
    """A measured number."""

    what: str  # was measured, such as "return", with its unit where it has one
    world: str = ""  # where: an environment, or the case of a measurement of speed
    method: str = ""  # who was measured, or what was varied
    seed: int | None = None  # of the training run; None where there is none
    mean: float | int | None = None  # the number. None: it was never reached, as a level that learning did not get to
    interval: tuple[float | int, float | int] | None = None
    """Its 95 % interval, or its quartiles where it is a median of repeats."""
    n: int | None = None  # over how many episodes, items or repeats
    commit: str = ""  # of the code; empty where it is the file's
    command: str = ""  # that measured it; empty where it is the file's

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> "Number":
        """What `to_json` gave."""
        low_and_high = row.get("interval")
        return cls(**{**row, "interval": None if low_and_high is None else tuple(low_and_high)})

    def to_json(self) -> dict[str, Any]:
        """Without what is empty, but for the mean."""
        return {name: value for name, value in vars(self).items() if name == "mean" or value not in (None, "")}


@dataclass(frozen=True)
class Results:
    """The numbers of one file, and what they were made with."""

    command: str
    date: str
    commit: str
    hardware: Mapping[str, Any]
    numbers: tuple[Number, ...]

    @classmethod
    def measured(cls, command: str, numbers: Iterable[Number], *, threads: int | None = None) -> "Results":
        """What this process has measured, now and on this machine."""
        machine = hardware() if threads is None else {**hardware(), "threads": threads}
        return cls(command, date.today().isoformat(), str(versions()["commit"]), machine, tuple(numbers))

    @classmethod
    def load(cls, path: Path) -> "Results":
        """Read a file.

        Raises:
            RunError: it cannot be read, or says something else.
        """
        try:
            content = parse_json(read_text(path))
            header = {name: content[name] for name in ("command", "date", "commit", "hardware")}
            return cls(**header, numbers=tuple(map(Number.from_json, content["rows"])))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunError(
                f"{quote(str(path))} holds no results: {error!r}. Expected what `twosome report --numbers` writes."
            ) from error

    def save(self, path: Path) -> None:
        """Write the file, a line for each number."""
        header = {name: value for name, value in vars(self).items() if name != "numbers"}
        rows = ",\n  ".join(json.dumps(number.to_json()) for number in self.numbers)
        path.write_text(f'{json.dumps(header, indent=1)[:-2]},\n "rows": [\n  {rows}\n ]\n}}\n')
