"""`twosome report`: curves, tables and intervals of all runs below a folder."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from twosome.cli.parse import parse
from twosome.console import plain_console
from twosome.report.collect import collect
from twosome.run_files import explain_write_errors


@dataclass(frozen=True)
class Report:
    """Compare all runs below a folder: learning curves, final results with intervals, probability of improvement.

    Writes report.html, which needs no other file, and report.md into the folder. Runs that are damaged or not finished
    are named and not counted.

    With --paper also what a paper takes: learning curves as PDF and SVG in the width of a column, the results as a
    LaTeX table, and the numbers of results and curves as CSV.

    Examples:
        twosome report runs/quick
        twosome report runs --json
        twosome report runs/quick --numbers quick.json
        twosome report runs/quick --paper figures
    """

    folder: Annotated[Path, tyro.conf.Positional]
    """Folder of an experiment, or any folder with runs below it."""
    json: bool = False
    """Print the numbers as one JSON document and nothing else; no file is written."""
    numbers: Path | None = None
    """Write every number into this file too, one a line: what, world, method, seed, mean, interval, n. All runs must be
    finished."""
    paper: Path | None = None
    """Write curves (PDF, SVG), a LaTeX table and CSV files into this folder too."""


def main(arguments: Sequence[str]) -> int:
    """Parse, read, write."""
    options = parse(Report, "report", arguments)
    collection = collect(options.folder)
    from twosome.report.summary import summarize

    summary = summarize(collection)
    if options.json:
        print(json.dumps(summary))  # noqa: T201 - the document is the output
        return 0
    from twosome.report.experiment import save_report

    page, text = save_report(collection, summary, options.folder)
    if options.numbers is not None:
        from twosome.report.export import export_numbers

        with explain_write_errors(options.numbers):
            export_numbers(collection, summary, options.folder).save(options.numbers)
    if options.paper is not None:
        from twosome.report.paper import save_for_paper

        save_for_paper(collection, summary, options.paper)
    console = plain_console()
    for name, env in summary["worlds"].items():
        console.print(name)
        for method, found in env["methods"].items():
            console.print(f"  {method}: {_line(found)}", soft_wrap=True)
    for path, reason in summary["unreadable"].items():
        console.print(f"Left out: {path}: {reason}", soft_wrap=True)
    console.print(f"\n  report   {page}\n  text     {text}", soft_wrap=True)
    if options.paper is not None:
        console.print(f"  paper    {options.paper}", soft_wrap=True)
    return 0


def _line(found: dict[str, Any]) -> str:
    result = found["return"]
    if not isinstance(result, dict):
        unmeasured = next((seed["path"] for seed in found["seeds"] if seed["finished"]), None)
        remedy = "" if unmeasured is None else f"; twosome eval {unmeasured} --json > {unmeasured}/evaluation.json"
        return f"no run is finished and measured yet{remedy}"
    spread = "" if result["ci95"] is None else " ({:.3f} to {:.3f})".format(*result["ci95"])
    if result["seeds"] == 1:
        return f"return {result['iqm']:.3f}, one seed"
    return f"return {result['iqm']:.3f}{spread}, IQM over {result['seeds']} seeds"
