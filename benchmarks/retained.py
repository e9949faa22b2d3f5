"""Put what `twosome retain RUN --json` printed into a result file, on the machine where it was measured.

    twosome retain RUN --tasks ./blimp-30-per-paradigm.jsonl.gz,./piqa-valid.jsonl.gz --json > my-run.json
    python -m benchmarks.retained gemma-retention my-run.json ...

RUN is an experiment's: its folder is METHOD/seed-N. What the file has of other runs stays; of the same run it is
replaced. An experiment measures the tasks that ship by itself (``also = ["retain"]``); this is for others.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.pages.files import RESULTS
from benchmarks.pages.selection import KEYS
from twosome.experiment.measurement import MEASUREMENTS
from twosome.report.numbers import Number, Results


def numbers_of(document: Mapping[str, Any]) -> list[Number]:
    """The numbers of one run's document; those of before training have the run's seed, too."""
    trained, commit = document["trained_on"], document["versions"]["commit"]
    world = trained["env"].rpartition("/")[2].removesuffix("-v0")
    method = Path(document["run"]).parent.name
    return [
        replace(number, world=world, method=number.method or method, seed=trained["seed"], commit=commit)
        for number in MEASUREMENTS.find("retain").numbers(document)
    ]


def merged(there: list[Number], document: Mapping[str, Any]) -> list[Number]:
    """The numbers of a file with those of a document, which replace what is there of the same run.

    Raises:
        SystemExit: they are of other tasks, so that their means could not be compared.
    """
    found = {tuple(getattr(number, key) for key in KEYS): number for number in numbers_of(document)}
    asked, expected = ({number.what for number in numbers} for numbers in (found.values(), there))
    if there and asked != expected:
        raise SystemExit(f"{document['run']} was asked about {sorted(asked)}; expected {sorted(expected)}, as there.")
    kept = [number for number in there if tuple(getattr(number, key) for key in KEYS) not in found]
    return sorted([*kept, *found.values()], key=lambda number: (number.world, number.seed or 0))


def main() -> None:
    """Read, merge, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="of the result file, without .json")
    parser.add_argument("documents", nargs="+", type=Path, metavar="FILE")
    options = parser.parse_args()
    path = RESULTS / f"{options.name}.json"
    numbers = list(Results.load(path).numbers) if path.exists() else []
    for file in options.documents:
        numbers = merged(numbers, json.loads(file.read_text()))
    Results.measured("twosome retain RUN --tasks FILES", numbers).save(path)
    print(*(number for number in numbers if number.what == "language: drop"), sep="\n")


if __name__ == "__main__":
    main()
