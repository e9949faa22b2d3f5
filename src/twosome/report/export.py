"""The numbers of all runs below a folder, in the one schema of `twosome.report.numbers`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from twosome.errors import RunError, quote
from twosome.report.collect import Collection, Run
from twosome.report.numbers import Number, Results
from twosome.run_files import read_json
from twosome.runs import EXPERIMENT


def export_numbers(collection: Collection, summary: Mapping[str, Any], folder: Path) -> Results:
    """Every number of every run, and of those who do not learn.

    Args:
        collection: the runs.
        summary: of the same, by `twosome.report.summary.summarize`.
        folder: where the runs are.

    Raises:
        RunError: a run is not finished and measured, or damaged, so that the numbers would not be of the whole.
    """
    finished = [run for run in collection.runs if run.finished and run.evaluation is not None]
    if summary["unreadable"] or len(finished) < len(collection.runs):
        raise RunError(
            f"{len(finished)} of the {len(collection.runs)} runs below {quote(str(folder))} are finished and measured, "
            f"{len(summary['unreadable'])} files cannot be read; expected all. `twosome report` without --numbers says "
            "which, and `twosome experiment` goes on with them."
        )
    seeds = {
        (world, method, seed["seed"]): seed
        for world, found in summary["worlds"].items()
        for method, group in found["methods"].items()
        for seed in group["seeds"]
    }
    numbers = [number for run in finished for number in _of_run(run, seeds[run.world, run.method, run.config["seed"]])]
    for world, found in summary["worlds"].items():
        for who, document in found["references"].items():
            numbers += _of_document(document, _bare(world), who, None, "")
    return Results.measured(_command(folder), dict.fromkeys(numbers))


def _command(folder: Path) -> str:
    """What made the runs: the experiment, where there is one of the folder."""
    path = folder / EXPERIMENT
    file = read_json(path).get("file") if path.is_file() else None
    return f"twosome experiment {file}" if isinstance(file, str) else f"twosome report {folder}"


def _of_run(run: Run, seed: Mapping[str, Any]) -> Iterator[Number]:
    assert run.evaluation is not None
    commit = str(run.versions.get("commit", ""))
    where: dict[str, Any] = {"world": _bare(run.world), "method": run.method, "seed": seed["seed"], "commit": commit}
    yield from _of_document(run.evaluation, *where.values())
    returns = [row["return_mean"] for row in run.metrics if row["return_mean"] is not None]
    reached = seed["decisions_to_90_percent"]
    yield Number("decisions to 90 %", mean=reached, **where)
    yield Number("seconds to 90 %", mean=None if reached is None else round(run.seconds_to(reached), 1), **where)
    if returns:
        yield Number("mean return over training", mean=float(np.mean(returns)), **where)
    yield Number("decisions", mean=run.decisions, **where)
    yield Number("seconds", mean=round(run.seconds, 1), **where)
    for when, share in _invalid_shares(run.metrics):
        yield Number(f"invalid share, {when}", mean=share, **where)
    for number in run.also:
        if number.method:  # somebody else than the run, to compare it with
            yield replace(number, world=number.world or where["world"])
        elif number.world:  # another environment than the run's
            trained = f"{run.method}, trained on {where['world']}"
            yield replace(number, method=trained, seed=where["seed"], commit=commit)
        else:
            yield replace(number, **where)


def _invalid_shares(metrics: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, float]]:
    """How many decisions said nothing valid, in the first, middle and last tenth of the updates of a run, and in all.

    Nothing of a run in which that cannot happen.
    """
    shares = [row["invalid_share"] for row in metrics if row.get("invalid_share") is not None]
    tenth = max(1, len(shares) // 10)
    if shares:
        middle = (len(shares) - tenth) // 2
        for when, begin in (("start", 0), ("middle", middle), ("end", len(shares) - tenth)):
            yield when, float(np.mean(shares[begin : begin + tenth]))
        yield "all", float(np.mean(shares))


def _of_document(
    document: Mapping[str, Any], world: str, method: str, seed: int | None, commit: str
) -> Iterator[Number]:
    """What `twosome eval` measured."""
    for what, key in (("return", "return"), ("success", "success"), ("length", "length")):
        mean = document.get(f"{key}_mean", document.get(f"{key}_rate"))
        interval = document.get(f"{key}_ci95")
        if mean is not None:
            span = None if interval is None else (interval[0], interval[1])
            yield Number(what, world, method, seed, mean, span, document["episodes"], commit)


def _bare(world: str) -> str:
    """An environment's name without the version that all have."""
    return world.removesuffix("-v0")
