"""Live progress of a training run, in a terminal or a notebook."""

import importlib.util
import time
from types import TracebackType
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from twosome.config import TrainConfig, worlds_in
from twosome.console import measured_row, plain_console, shortened
from twosome.errors import visible


class Progress:
    """Shows the latest metrics while a run goes on: live in a terminal or notebook, else a line now and then.

    Args:
        config: settings of the run.
        quiet: show nothing.
        unwatched: show lines also where there is neither terminal nor notebook.
    """

    def __init__(self, config: TrainConfig, *, quiet: bool = False, unwatched: bool = True) -> None:
        self._config = config
        self._console = plain_console(stderr=True)
        self._quiet = quiet or not (unwatched or self._console.is_terminal or self._console.is_jupyter)
        # Without widgets a notebook shows what is printed, line after line.
        has_widgets = self._console.is_jupyter and importlib.util.find_spec("ipywidgets") is not None
        self._is_live = self._console.is_terminal or has_widgets
        self._live = Live(console=self._console, refresh_per_second=4, transient=False)
        self._start = time.perf_counter()
        self._first_update = 0
        self._next_line = 0.0
        self._warnings: list[str] = []

    def __enter__(self) -> "Progress":
        if not self._quiet:
            # Half a line for each name, whatever else stands there.
            envs = " + ".join(self._config.envs)
            names = (shortened(visible(n), self._console.width // 2 - 8) for n in (self._config.model, envs))
            model, env = (Text(name, "bold") for name in names)
            self._console.print(
                Text.assemble("Training ", model, " on ", env, ":"),
                f"{self._config.num_updates * self._config.batch_size:,} decisions, seed {self._config.seed}. "
                "Ctrl-C saves and stops.",
            )
            if self._is_live:
                self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def update(self, metrics: dict[str, Any]) -> None:
        """Take in the metrics of an update."""
        if self._quiet:
            return
        if not self._first_update:
            # What a resumed run did before, and the first update with its warm-up, say nothing of the speed now.
            self._first_update = metrics["update"]
            self._start = time.perf_counter()
        self._warnings += [f"{code} (update {metrics['update']})" for code in metrics.get("warnings", [])]
        row = self._row(metrics)
        if self._is_live:
            self._live.update(self._panel(metrics, row))
        elif metrics["update"] >= self._next_line or metrics["update"] == self._config.num_updates:
            self._next_line = metrics["update"] + self._config.num_updates / 20
            line = "  ".join(f"{name} {value}" for name, value in row.items())
            self._console.print(line, highlight=False, soft_wrap=True)

    def _row(self, metrics: dict[str, Any]) -> dict[str, str]:
        updates = metrics["update"] - self._first_update
        seconds = time.perf_counter() - self._start
        rate = updates * self._config.batch_size / seconds if updates else None
        left = (self._config.num_updates - metrics["update"]) * self._config.batch_size
        return {
            "update": f"{metrics['update']}/{self._config.num_updates}",
            "decisions": f"{metrics['decisions']:,}",
            "primitive steps": f"{metrics['env_steps']:,}",
            "return": _number(metrics["return_mean"], "{:+.3f}"),
            "success": _number(metrics["success_rate"], "{:.0%}"),
            **self._by_world(metrics),
            "KL": _number(metrics.get("approx_kl"), "{:.4f}"),
            "entropy": _number(metrics.get("entropy"), "{:.2f}"),
            "decisions/s": _number(rate, "{:,.0f}"),
            "time left": "-" if rate is None else f"{left / rate / 60:.0f}:{left / rate % 60:02.0f}",
        }

    def _by_world(self, metrics: dict[str, Any]) -> dict[str, str]:
        """Return and success in each environment of several."""
        return {
            visible(world): f"{_number(metrics[f'{world}/return_mean'], '{:+.3f}')} "
            f"{_number(metrics[f'{world}/success_rate'], '{:.0%}')}"
            for world in worlds_in(metrics)
        }

    def _panel(self, metrics: dict[str, Any], row: dict[str, str]) -> Group:
        # In a row of its own: a bar by itself does not end its line.
        bar = Table.grid()
        bar.add_row(ProgressBar(total=self._config.num_updates, completed=metrics["update"], width=72))
        tables = measured_row(row, self._console.width)
        over = (
            "100 episodes of each environment"
            if self._config.more_envs
            else f"{min(100, metrics['episodes'])} episodes"
        )
        means = Text(f"means over the last {over}", style="dim")
        warned = [Text(f"warnings: {', '.join(self._warnings)}", style="yellow")] if self._warnings else []
        return Group(bar, *tables, means, *warned)


def _number(value: float | None, form: str) -> str:
    if value is None:
        return "-"
    text = form.format(value)
    # What rounds to nothing has no sign: "{:z}" of Python 3.11.
    return form.format(0.0) if text.startswith("-") and not text.strip("-0.%") else text
