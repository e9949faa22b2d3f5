"""Progress of a grid of runs in the terminal, read from what the runs have written."""

import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from twosome.console import Name, plain_console
from twosome.experiment.executors import Task
from twosome.experiment.grid import Cell
from twosome.experiment.state import budget, latest
from twosome.experiment.work import TaskResult

_LOOK_EVERY_S = 2.0
_ROWS = 12


class GridProgress:
    """Shows how far a grid is: live in a terminal, else a line whenever a run ends. A context manager.

    Args:
        tasks: what is to be done.
        quiet: show nothing.
    """

    def __init__(self, tasks: Sequence[Task], *, quiet: bool) -> None:
        self._cells = [task for task in tasks if isinstance(task, Cell)]
        self._num_tasks = len(tasks)
        self._ended: dict[str, TaskResult] = {}
        self._quiet = quiet
        self._console = plain_console(stderr=True)
        self._live = Live(console=self._console, refresh_per_second=2)
        self._start = time.perf_counter()
        self._first = self._decisions()
        self._next_look = 0.0

    def __enter__(self) -> "GridProgress":
        if not self._quiet and self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def ended(self, task: Task, outcome: TaskResult) -> None:
        """Take in that a task has ended."""
        self._ended[task.label] = outcome
        if not self._quiet:
            count = f"{len(self._ended)}/{self._num_tasks}"
            self._console.print(f"{count}  {task.label}: {outcome.status}  {outcome.reason}".rstrip(), soft_wrap=True)

    def look(self) -> None:
        """Show where the runs stand, if it is time to."""
        now = time.perf_counter()
        if self._live.is_started and now >= self._next_look:
            self._next_look = now + _LOOK_EVERY_S
            self._live.update(self._panel())

    def _decisions(self) -> int:
        return sum(int(latest(cell.path).get("decisions", 0)) for cell in self._cells)

    def _panel(self) -> Group:
        made, total = self._decisions(), sum(budget(cell) for cell in self._cells)
        rate = (made - self._first) / (time.perf_counter() - self._start)
        left = f"{(total - made) / rate / 60:.0f} min left" if rate > 0 else "-"
        failed = sum(outcome.status == "failed" for outcome in self._ended.values())
        line = f"{made:,} of {total:,} decisions, {len(self._ended)} of {self._num_tasks} done, {failed} failed, {left}"
        # In a row of its own: a bar by itself does not end its line.
        bar = Table.grid()
        bar.add_row(ProgressBar(total=max(1, total), completed=made, width=72))
        return Group(bar, Text(line, style="dim"), self._table())

    def _table(self) -> Table:
        """The runs that have begun and not ended."""
        table = Table(box=None, padding=(0, 2, 0, 0))
        for name in ("run", "decisions", "return", "success"):
            is_name = name == "run"
            table.add_column(name, justify="left" if is_name else "right", header_style="dim", no_wrap=not is_name)
        rows = [(cell, latest(cell.path)) for cell in self._cells if cell.label not in self._ended]
        for cell, row in [(cell, row) for cell, row in rows if row][:_ROWS]:
            table.add_row(
                Name(cell.label),
                f"{row.get('decisions', 0):,}/{budget(cell):,}",
                "-" if row.get("return_mean") is None else f"{row['return_mean']:+.3f}",
                "-" if row.get("success_rate") is None else f"{row['success_rate']:.0%}",
            )
        return table
