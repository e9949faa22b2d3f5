"""Numbers of some result files: which of them a cell is about, and where they come from."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.pages.files import load
from twosome.report.numbers import Number, Results
from twosome.statistics import Floats

KEYS = ("what", "world", "method", "seed")
"""What tells numbers apart."""


class Selection:
    """Numbers of several files, in their order; of a name such as "learning:scratch" those of that method alone."""

    def __init__(self, names: Iterable[str]) -> None:
        self._files = [_part(name) for name in names]
        self._numbers = [number for file in self._files for number in file.numbers]
        self._used: dict[Number, None] = {}
        self._by_keys: dict[tuple[str, ...], dict[tuple[Any, ...], list[Number]]] = {}

    def find(self, **wanted: Any) -> list[Number]:
        """The numbers with these keys; where a seed is not asked for, those of all seeds."""
        keys = tuple(wanted)
        if keys not in self._by_keys:
            index: dict[tuple[Any, ...], list[Number]] = {}
            for number in self._numbers:
                index.setdefault(tuple(getattr(number, key) for key in keys), []).append(number)
            self._by_keys[keys] = index
        found = self._by_keys[keys].get(tuple(wanted.values()), [])
        self._used.update(dict.fromkeys(found))
        return found

    def values(self, key: str, **wanted: Any) -> list[Any]:
        """Every value of a key among numbers with these other keys, in the order in which they are first met."""
        found = [number for number in self._numbers if all(getattr(number, k) == v for k, v in wanted.items())]
        return [value for value in dict.fromkeys(getattr(number, key) for number in found) if value is not None]

    def told(self) -> dict[str, str]:
        """What a note can say of where the numbers come from that were found."""
        seconds = [number.mean for number in self._numbers if number.what == "seconds" and number.mean is not None]
        seeds = sorted({number.seed for number in self._used if number.seed is not None})
        used = [(file, [number for number in file.numbers if number in self._used]) for file in self._files]
        return {
            "source": "; ".join(_source(file, numbers, with_commands=True) for file, numbers in used if numbers),
            "made": "; ".join(_source(file, numbers, with_commands=False) for file, numbers in used if numbers),
            "runs": str(len(seconds)),
            "hours": f"{sum(seconds) / 3600:.2f}",
            "seeds": ", ".join(map(str, seeds)),
        }


def _part(name: str) -> Results:
    file, _, method = name.partition(":")
    found = load(file)
    return replace(found, numbers=tuple(n for n in found.numbers if n.method == method)) if method else found


def means(numbers: Iterable[Number]) -> Floats:
    """One value for each number; what was never reached is infinite."""
    return np.array([np.inf if number.mean is None else number.mean for number in numbers], np.float64)


def _source(file: Results, numbers: list[Number], *, with_commands: bool) -> str:
    """Commands, date, commits and machine of some numbers of a file."""
    commands = dict.fromkeys(f"`{number.command or file.command}`" for number in numbers) if with_commands else ()
    commits = dict.fromkeys(_short(number.commit or file.commit) for number in numbers)
    threads = f", threads: {file.hardware['threads']}" if "threads" in file.hardware else ""
    return f"{', '.join([*commands, file.date])}, commit {', '.join(commits)}, {file.hardware['cpu']}{threads}"


def _short(commit: str) -> str:
    """A commit as a page shows it."""
    return f"{commit[:7]} with changes" if commit.endswith("-dirty") else commit[:7] if len(commit) == 40 else commit
