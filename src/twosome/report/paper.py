"""What a paper takes of a report: curves as PDF and SVG in the width of a column, results as LaTeX, numbers as CSV."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from twosome.files import write_bytes
from twosome.report.chart import COLUMN, curves, levels_of
from twosome.report.collect import Collection
from twosome.report.experiment import picture_names
from twosome.report.summary import by_method
from twosome.run_files import explain_write_errors

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}
_HEAD = ("environment", "method", "seed")
_FINAL = ("return_mean", "return_low", "return_high", "success_rate")
_RESULT = (*_FINAL, "decisions_to_90_percent", "decisions", "seconds")


def save_for_paper(collection: Collection, summary: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write results.tex, results.csv, curves.csv, and the curves of each environment as PDF and SVG.

    Args:
        collection: the runs.
        summary: of the same, by `twosome.report.summary.summarize`.
        folder: made if need be; files of these names are replaced.

    Returns:
        The files.

    Raises:
        RunError: the folder cannot be written.
    """
    worlds = summary["worlds"]
    files = {"results.tex": _latex(worlds).encode(), "results.csv": _csv(_results(worlds))}
    files["curves.csv"] = _csv(_points(collection))
    for name, stem in picture_names(worlds).items():
        methods = by_method([run for run in collection.runs if run.world == name])
        for kind in ("pdf", "svg"):
            files[f"{stem}.{kind}"] = curves(methods, levels_of(worlds[name]), name, kind, COLUMN)
    with explain_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            write_bytes(folder / file, content)
    return [folder / file for file in files]


def _csv(rows: Iterable[Sequence[Any]]) -> bytes:
    """Numbers in full, nothing where there is none; no text that a spreadsheet would take for a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in rows:
        writer.writerow([f"'{x}" if isinstance(x, str) and x.startswith(("=", "+", "-", "@")) else x for x in row])
    return text.getvalue().encode()


def _results(worlds: Mapping[str, Any]) -> Iterator[Sequence[Any]]:
    yield (*_HEAD, *_RESULT, "finished")
    for world, found in worlds.items():
        for method, group in found["methods"].items():
            for seed in group["seeds"]:
                low, high = seed["return_ci95"] or (None, None)
                values = {**seed, "return_low": low, "return_high": high}
                yield (world, method, seed["seed"], *(values[name] for name in _RESULT), int(seed["finished"]))


def _points(collection: Collection) -> Iterator[Sequence[Any]]:
    yield (*_HEAD, "decisions", "episodes", "return_mean", "success_rate")
    for run in collection.runs:
        for row in run.metrics:
            numbers = (row["decisions"], row["episodes"], row["return_mean"], row["success_rate"])
            yield (run.world, run.method, run.config["seed"], *numbers)


def _latex(worlds: Mapping[str, Any]) -> str:
    """A table of final results: a row for each method in each environment."""
    lines = [
        r"% \usepackage{booktabs}",
        r"% Return and success: interquartile mean over the seeds, in brackets the 95 % bootstrap interval.",
        r"% To 90 %: median number of decisions to 90 % of the planner's return.",
        r"\begin{tabular}{llrlrrr}",
        r"\toprule",
        r"environment & method & return & & success & to 90\,\% & seeds \\",
    ]
    for world, found in worlds.items():
        lines.append(r"\midrule")
        rows = [_method(method, group) for method, group in found["methods"].items()]
        rows += [_reference(who, measured) for who, measured in found["references"].items()]
        lines += [" & ".join([name, *row]) + r" \\" for name, row in zip(_once(world, len(rows)), rows, strict=True)]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _once(world: str, rows: int) -> list[str]:
    """The name in the first row of several."""
    return [_escaped(world), *[""] * (rows - 1)]


def _method(name: str, group: Mapping[str, Any]) -> list[str]:
    result, success, reached = group["return"], group["success"], group["median_decisions_to_90_percent"]
    if result is None:
        return [_escaped(name), "--", "", "--", "--", "0"]
    cells = [f"{result['iqm']:.3f}", _interval(result["ci95"]), f"{100 * success['iqm']:.1f}\\,\\%"]
    return [_escaped(name), *cells, "--" if reached is None else f"{reached:,.0f}", str(result["seeds"])]


def _reference(who: str, found: Mapping[str, Any]) -> list[str]:
    cells = [f"{found['return_mean']:.3f}", _interval(found["return_ci95"]), f"{100 * found['success_rate']:.1f}\\,\\%"]
    return [_escaped(who), *cells, "", ""]


def _interval(bounds: Sequence[float] | None) -> str:
    return "" if bounds is None else f"[{bounds[0]:.3f}, {bounds[1]:.3f}]"


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(sign, sign) for sign in text)
