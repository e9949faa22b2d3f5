"""The report of all runs below a folder: report.html, report.md and the pictures that report.md shows."""

import itertools
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from twosome.errors import RunError
from twosome.report.chart import curves, levels_of
from twosome.report.checks import shown
from twosome.report.collect import Collection
from twosome.report.page import Block, Heading, Paragraph, Picture, Table, save_page
from twosome.report.summary import by_method
from twosome.symptoms import PAGE, TITLES

_CURVES = (
    "Thick: interquartile mean (IQM) over the finished seeds, in brackets how many; band: its 95% bootstrap interval, "
    "point by point; thin: each seed, dashed where it is not finished. Updates before 20 episodes had ended are left "
    "out."
)
_RESULTS = (
    "Final policies over fresh episodes, return discounted per primitive step. IQM: the mean without the lowest and "
    "the highest quarter of the seeds; 95% interval: bootstrap over the seeds, which with few seeds is too narrow. To "
    "90%: median number of decisions after which the mean return of the last 100 episodes was at 90% of the planner's, "
    "read from 512 decisions on; a dash where half of the seeds or more never got there, or the optimum is not known. "
    "Seconds: of the updates of a run, mean over the seeds, without start and evaluation."
)
_IMPROVEMENT = (
    "How probable it is that a run of the method on the left has a higher return than one of the method above; a tie "
    "counts half. In brackets the 95% bootstrap interval over the seeds."
)
_SETTINGS = (
    "A dash where a method has no such setting. Settings that only one kind of method has are left out; config.json "
    "has all settings of a run."
)
_ALSO = "Of the finished runs: median over the seeds, in brackets the least and the greatest."
_WARNINGS = f"What a run found wrong with itself while it trained. {PAGE} says of each what to do."


def save_report(collection: Collection, summary: Mapping[str, Any], folder: Path) -> tuple[Path, Path]:
    """Write the report into a folder.

    Returns:
        The HTML and the Markdown file.

    Raises:
        RunError: the folder cannot be written.
    """
    blocks: list[Block] = [Heading(f"Report of {shown(Path(os.path.abspath(folder)).name)}", 1), *_state(summary)]
    files = picture_names(summary["worlds"])
    for name, world in summary["worlds"].items():
        blocks += [Heading(name), _curves(collection, name, world, files[name]), Paragraph(_CURVES), *_results(world)]
    blocks += [*_all_worlds(summary["all_worlds"]), *_warnings(summary["worlds"]), *_made_with(summary)]
    try:
        return save_page(blocks, folder, "report")
    except OSError as error:
        raise RunError(f"cannot write to {folder}: {error.strerror}. Make room, or copy the runs elsewhere.") from error


def _state(summary: Mapping[str, Any]) -> list[Block]:
    """How much of it is there, and what is missing."""
    seeds = [
        (name, method, seed)
        for name, world in summary["worlds"].items()
        for method, group in world["methods"].items()
        for seed in group["seeds"]
    ]
    missing = [
        [f"{name} {method} seed {seed['seed']}", f"{seed['decisions']:,}/{seed['budget']:,} decisions, {_lacks(seed)}"]
        for name, method, seed in seeds
        if seed["return_mean"] is None
    ]
    missing += [[path, reason] for path, reason in summary["unreadable"].items()]
    counted = sum(seed["return_mean"] is not None for _, _, seed in seeds)
    text = f"{counted} of {len(seeds)} runs are finished and measured."
    return [Paragraph(text), *([Table(["not counted below", "why"], missing)] if missing else [])]


def _lacks(seed: Mapping[str, Any]) -> str:
    return "not measured" if seed["finished"] else "not finished"


def picture_names(worlds: Iterable[str]) -> dict[str, str]:
    """Names for the picture of each environment, without the ending.

    A number tells those apart whose names differ in other characters.
    """
    names: dict[str, str] = {}
    for world in worlds:
        stem = f"report-{re.sub('[^A-Za-z0-9.-]+', '_', world)}"
        numbered = itertools.chain([stem], (f"{stem}-{i}" for i in itertools.count(2)))
        names[world] = next(name for name in numbered if name not in names.values())
    return names


def _curves(collection: Collection, name: str, world: Mapping[str, Any], file: str) -> Picture:
    runs = [run for run in collection.runs if run.world == name]
    return Picture(f"{file}.png", f"Learning curves on {name}", curves(by_method(runs), levels_of(world), name))


def _results(world: Mapping[str, Any]) -> list[Block]:
    header = ["", "return, IQM", "95% interval", "median", "success, IQM", "seeds", "to 90%", "seconds"]
    rows = [[name, *_method_cells(method)] for name, method in world["methods"].items()]
    rows += [[name, *_reference_cells(found)] for name, found in world["references"].items()]
    blocks: list[Block] = [Heading("Results", 3), Table(header, rows), Paragraph(_RESULTS), _seeds(world)]
    if also := _also(world["methods"]):
        blocks += [Heading("Further measurements", 3), also, Paragraph(_ALSO)]
    if world["improvement"]:
        blocks += [Heading("Probability of improvement", 3), _matrix(world["improvement"]), Paragraph(_IMPROVEMENT)]
    if world["settings"]:
        methods = list(world["methods"])
        rows = [
            [shown(name), *(_value(values[method]) for method in methods)] for name, values in world["settings"].items()
        ]
        blocks += [Heading("Settings that differ", 3), Table(["", *methods], rows), Paragraph(_SETTINGS)]
    return blocks


def _also(methods: Mapping[str, Any]) -> Table | None:
    """A row for each number that was measured further, a column for each method; None without any."""
    names = list(dict.fromkeys(what for method in methods.values() for what in method["also"]))
    rows = [[what, *(_spread(method["also"].get(what)) for method in methods.values())] for what in names]
    return Table(["", *methods], rows) if rows else None


def _spread(found: Mapping[str, Any] | None) -> str:
    return "-" if found is None else f"{found['median']:.3f} ({found['min']:.3f} to {found['max']:.3f})"


def _method_cells(method: Mapping[str, Any]) -> list[str]:
    result, success = method["return"], method["success"]
    seconds = [seed["seconds"] for seed in method["seeds"] if seed["finished"]]
    time = _count(sum(seconds) / len(seconds) if seconds else None)
    reached = _count(method["median_decisions_to_90_percent"])
    if result is None:
        return ["-", "-", "-", "-", "0", reached, time]
    counts = [str(result["seeds"]), reached, time]
    return [
        f"{result['iqm']:.3f}",
        _interval(result["ci95"]),
        f"{result['median']:.3f}",
        f"{success['iqm']:.1%}",
        *counts,
    ]


def _reference_cells(found: Mapping[str, Any]) -> list[str]:
    """One player has a mean over episodes and its interval, no seeds."""
    return [
        f"{found['return_mean']:.3f}",
        _interval(found["return_ci95"]),
        "",
        f"{found['success_rate']:.1%}",
        "",
        "",
        "",
    ]


def _seeds(world: Mapping[str, Any]) -> Table:
    rows = [
        [
            f"{name}, seed {seed['seed']}",
            "-" if seed["return_mean"] is None else f"{seed['return_mean']:.3f}",
            _interval(seed["return_ci95"]),
            "-" if seed["success_rate"] is None else f"{seed['success_rate']:.1%}",
            _count(seed["decisions_to_90_percent"]),
            f"{seed['decisions']:,}",
            _count(seed["seconds"]),
        ]
        for name, method in world["methods"].items()
        for seed in method["seeds"]
    ]
    return Table(["run", "return", "95% interval", "success", "to 90%", "decisions", "seconds"], rows)


def _matrix(pairs: list[dict[str, Any]]) -> Table:
    names = list(dict.fromkeys(pair["first"] for pair in pairs))
    cells = {(pair["first"], pair["second"]): f"{pair['probability']:.0%}{_brackets(pair['ci95'])}" for pair in pairs}
    return Table(["", *names], [[first, *(cells.get((first, second), "") for second in names)] for first in names])


def _all_worlds(found: Mapping[str, Any] | None) -> list[Block]:
    if found is None:
        return []
    rows = [
        [name, f"{row['iqm']:.3f}", _interval(row["ci95"]), str(row["runs"])] for name, row in found["methods"].items()
    ]
    blocks: list[Block] = [
        Heading("All environments"),
        Table(["", "normalized return, IQM", "95% interval", "runs"], rows),
        Paragraph(
            f"{', '.join(found['worlds'])}. Each return on a scale from random play, 0, to the planner's, 1. IQM over "
            "all runs, its interval by a bootstrap that draws seeds anew within each environment (stratified)."
        ),
    ]
    if found["improvement"]:
        blocks += [_matrix(found["improvement"]), Paragraph(f"{_IMPROVEMENT} Averaged over the environments.")]
    return blocks


def _warnings(worlds: Mapping[str, Any]) -> list[Block]:
    """What runs warned of while they trained, each with the decision after which it was said."""
    rows = [
        [f"{name} {method} seed {seed['seed']}", f"{_titled(found['code'])}, after {found['decisions']:,} decisions"]
        for name, world in worlds.items()
        for method, group in world["methods"].items()
        for seed in group["seeds"]
        for found in seed["warnings"]
    ]
    return [Heading("Warnings"), Table(["run", "warning"], rows), Paragraph(_WARNINGS)] if rows else []


def _titled(code: str) -> str:
    """A code with what it says; one of another version stands alone."""
    return f"{code}: {TITLES[code]}" if code in TITLES else code


def _made_with(summary: Mapping[str, Any]) -> list[Block]:
    blocks: list[Block] = [Heading("Made with")]
    for objects in (summary["versions"], summary["hardware"]):
        names = list(dict.fromkeys(name for row in objects for name in row))
        header = ["", *(f"{i}" if len(objects) > 1 else "all runs" for i in range(1, len(objects) + 1))]
        if names:
            blocks.append(Table(header, [[shown(name), *(shown(row.get(name)) for row in objects)] for name in names]))
    return blocks


def _value(setting: Any) -> str:
    return "-" if setting is None else shown(setting)


def _count(value: int | float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _interval(bounds: Sequence[float] | None) -> str:
    return "-" if bounds is None else f"{bounds[0]:.3f} to {bounds[1]:.3f}"


def _brackets(bounds: Sequence[float] | None) -> str:
    return "" if bounds is None else f" ({bounds[0]:.0%} to {bounds[1]:.0%})"
