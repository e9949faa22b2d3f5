"""What `twosome experiment` does and prints, once the environments are known."""

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from twosome.cli.grid_progress import GridProgress
from twosome.console import Name, plain_console
from twosome.experiment.executors import Events, Task, default_parallel, over_cores, over_ray
from twosome.experiment.grid import Cell, Grid, read_grid
from twosome.experiment.state import (
    budget,
    latest,
    require_measurable,
    require_models,
    require_own_places,
    require_same_settings,
    state_of,
)
from twosome.experiment.work import TaskResult
from twosome.run_files import explain_write_errors, write_json
from twosome.runs import EXPERIMENT


@dataclass(frozen=True)
class ExecutionOptions:
    """Where runs are carried out: so many side by side on this machine, or on a Ray cluster."""

    parallel: int | None
    ray: bool
    gpus: float

    def events(self, tasks: Sequence[Task]) -> Events:
        """Carry out tasks."""
        return over_ray(tasks, self.gpus) if self.ray else over_cores(tasks, self.parallel or default_parallel(tasks))


def run_grid(file: Path, execution: ExecutionOptions, *, quick: bool, dry_run: bool, as_json: bool) -> int:
    """Check everything, then carry out what is left to do; the exit code."""
    grid = read_grid(file, quick=quick)
    tasks: list[Task] = [*grid.references, *grid.cells]
    require_own_places(tasks, grid.output)
    require_same_settings(grid.cells)
    require_models(grid.cells)
    require_measurable(grid.cells)
    if dry_run:
        _print_plan(grid, tasks, as_json=as_json)
        return 0
    with explain_write_errors(grid.output):
        grid.output.mkdir(parents=True, exist_ok=True)
        write_json(grid.output / EXPERIMENT, grid.to_json())
    try:
        outcomes = _carry_out(tasks, execution, quiet=as_json)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(
            f"stopped; what was done is saved. Go on with: twosome experiment {file}" + " --quick" * quick
        ) from stop
    _print_end(grid, outcomes, as_json=as_json)
    return int(any(outcome.status == "failed" for _, outcome in outcomes))


def _carry_out(tasks: Sequence[Task], execution: ExecutionOptions, *, quiet: bool) -> list[tuple[Task, TaskResult]]:
    """Do all that is not done; what another process was at is looked after once more at the end."""
    left = [task for task in tasks if state_of(task) != "done"]
    outcomes = [(task, TaskResult("done")) for task in tasks if task not in left]
    with GridProgress(left, quiet=quiet) as progress:
        for _ in range(2):
            ended = _round(left, execution, progress) if left else []
            left = [task for task, outcome in ended if outcome.status == "busy"]
            outcomes += [pair for pair in ended if pair[1].status != "busy"]
    return outcomes + [(task, TaskResult("busy")) for task in left]


def _round(tasks: Sequence[Task], execution: ExecutionOptions, progress: GridProgress) -> list[tuple[Task, TaskResult]]:
    events, ended = execution.events(tasks), []
    with contextlib.closing(events):  # type: ignore[type-var]
        for event in events:
            progress.look()
            if event is not None:
                ended.append(event)
                progress.ended(*event)
    return ended


def _print_plan(grid: Grid, tasks: Sequence[Task], *, as_json: bool) -> None:
    rows = [_row(grid, task, state_of(task)) for task in tasks]
    if as_json:
        print(json.dumps({"name": grid.name, "output": str(grid.output), "runs": rows}))  # noqa: T201 - the output
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("what", "state", "decisions"):
        table.add_column(name, justify="right" if name == "decisions" else "left", no_wrap=name != "what")
    for task, row in zip(tasks, rows, strict=True):
        amount = f"{row['decisions']:,}/{row['budget']:,}" if isinstance(task, Cell) else ""
        table.add_row(Name(task.label), row["state"], amount)
    console = plain_console()
    console.print(table)
    todo = sum(row["state"] != "done" for row in rows)
    console.print(
        f"\nBelow {grid.output}: {todo} of {len(rows)} to do, {default_parallel(tasks)} side by side by default.",
        soft_wrap=True,
    )


def _row(grid: Grid, task: Task, state: str) -> dict[str, Any]:
    row: dict[str, Any] = {"what": task.label, "state": state, "path": str(task.path)}
    if isinstance(task, Cell):
        decisions = int(latest(task.path).get("decisions", 0))
        row |= {"env": task.env, "method": task.method, "seed": task.seed}
        row |= {"decisions": decisions, "budget": budget(task)}
    return row


def _print_end(grid: Grid, outcomes: Sequence[tuple[Task, TaskResult]], *, as_json: bool) -> None:
    if as_json:
        rows = [{**_row(grid, task, outcome.status), "reason": outcome.reason} for task, outcome in outcomes]
        print(json.dumps({"name": grid.name, "output": str(grid.output), "runs": rows}))  # noqa: T201 - the output
        return
    console = plain_console()
    failed = [(task, outcome) for task, outcome in outcomes if outcome.status == "failed"]
    busy = [task for task, outcome in outcomes if outcome.status == "busy"]
    if failed:
        console.print(f"\n{len(failed)} of {len(outcomes)} failed:", soft_wrap=True)
    for task, outcome in failed:
        console.print(f"  {task.label}: {outcome.reason}", soft_wrap=True)
    if busy:
        names = ", ".join(task.label for task in busy)
        console.print(
            f"\nLeft to another process that is at them: {names}. Run this command again later.", soft_wrap=True
        )
    done = sum(outcome.status == "done" for _, outcome in outcomes)
    console.print(f"\n{done} of {len(outcomes)} done. Look at them with: twosome report {grid.output}", soft_wrap=True)
