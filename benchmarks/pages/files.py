"""The result files: read once, written by the scripts that measure."""

import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from twosome.report.numbers import Number, Results

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
IMAGES = ROOT / "docs" / "images"
WORLDS = ("TomatoSalad", "TomatoLettuceSalad", "FoodPreparation", "Entertainment")


@cache
def load(name: str) -> Results:
    """A result file."""
    return Results.load(RESULTS / f"{name}.json")


def write(name: str, numbers: Iterable[Number], *, threads: int | None = None) -> None:
    """Write a result file; its command is that of this process, ``python -m benchmarks.SCRIPT ...``."""
    command = " ".join([f"python -m benchmarks.{Path(sys.argv[0]).stem}", *sys.argv[1:]])
    Results.measured(command, numbers, threads=threads).save(RESULTS / f"{name}.json")
