"""Put what `twosome retain RUN --json` printed into a result file, on the machine where it was measured.

    twosome retain RUN ... --tasks ./blimp-30-per-paradigm.jsonl.gz,./piqa-valid.jsonl.gz --json > my-runs.json
    python -m benchmarks.retained gemma-retention my-runs.json ...

RUN is an experiment's: its folder is METHOD/seed-N. What the file has of other runs stays; of the same run it is
replaced. What the seeds of one training lost together is that of the runs that are given. An experiment measures the
tasks that ship by itself (``also = ["retain"]``); this is for others.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.pages.files import RESULTS
from benchmarks.pages.selection import KEYS
from twosome.evaluate.retention import together
from twosome.experiment.measurement import MEASUREMENTS
from twosome.report.numbers import Number, Results


def documents_in(file: Path) -> list[dict[str, Any]]:
    """What `twosome retain` printed of one run, or of several."""
    content = json.loads(file.read_text())
    documents = list(content["runs"]) if "runs" in content else [content]
    if any("settings" not in document for document in documents):
        raise SystemExit(f"{file} was written before a document said which settings a run had. Measure again.")
    return documents


def shared(documents: Sequence[Mapping[str, Any]]) -> list[Number]:
    """What the seeds of each training lost together; ``n`` is their number."""
    found: list[Number] = []
    for training in together(documents):
        world, seeds = _world(training["trained_on"]), training["seeds"]
        same = next(document for document in documents if document["run"] == training["runs"][0])
        for name, drop in {**training["tasks"], "language": training["all"]}.items():
            told, commit = name.removeprefix("hearth_").replace("_", " "), same["versions"]["commit"]
            interval = tuple(drop["drop_ci95"])
            found.append(
                Number(f"{told}: drop together", world, _method(same), None, drop["drop"], interval, len(seeds), commit)
            )
    return found


def _world(trained_on: Mapping[str, Any]) -> str:
    return str(trained_on["env"]).rpartition("/")[2].removesuffix("-v0")


def _method(document: Mapping[str, Any]) -> str:
    return Path(document["run"]).parent.name


def numbers_of(document: Mapping[str, Any]) -> list[Number]:
    """The numbers of one run's document; those of before training have the run's seed, too."""
    trained, commit = document["trained_on"], document["versions"]["commit"]
    return [
        replace(
            number,
            world=_world(trained),
            method=number.method or _method(document),
            seed=trained["seed"],
            commit=commit,
        )
        for number in MEASUREMENTS.find("retain").numbers(document)
    ]


def merged(there: list[Number], document: Mapping[str, Any]) -> list[Number]:
    """The numbers of a file's runs with those of a document, which replace what is there of the same run.

    Raises:
        SystemExit: they are of other tasks, so that their means could not be compared.
    """
    found = {tuple(getattr(number, key) for key in KEYS): number for number in numbers_of(document)}
    asked, expected = ({one.what for one in many if one.seed is not None} for many in (found.values(), there))
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
    documents = [document for file in options.documents for document in documents_in(file)]
    for document in documents:
        numbers = merged(numbers, document)
    given = {(_world(document["trained_on"]), _method(document)) for document in documents}
    numbers = [number for number in numbers if number.seed is not None or (number.world, number.method) not in given]
    numbers += shared(documents)
    Results.measured("twosome retain RUN --tasks FILES", numbers).save(path)
    print(*(number for number in numbers if number.what.startswith("language: drop")), sep="\n")


if __name__ == "__main__":
    main()
