"""The learning curve of a run, in the terminal and as a picture."""

import contextlib
import itertools
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from twosome import console
from twosome.errors import visible
from twosome.files import write_with
from twosome.statistics import Floats

MIN_EPISODES = 20
FROM_DECISIONS = 512
"""Before so many the few episodes that have ended are the short, lucky ones."""
_LONGEST_NAME = 36
_COLORS = ("#8a8a8a", "#b8860b", "#2e7d32")
_ROWS = 16
_BRAILLE = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
"""What each dot of a Braille letter, four below and two beside each other, adds to its number, U+2800 without a dot."""


def points(metrics: Sequence[Mapping[str, Any]]) -> tuple[list[int], list[float], list[float]]:
    """Decisions, mean return and success rate of the updates after which enough episodes had ended to average.

    The first few episodes to finish are the short, lucky ones; a mean over them says nothing of the policy. An update
    without a return, as SayCan's, which learns from the episodes of others, is no point.
    """
    rows = [row for row in metrics if row["episodes"] >= MIN_EPISODES and row["return_mean"] is not None]
    return (
        [row["decisions"] for row in rows],
        [row["return_mean"] for row in rows],
        [row["success_rate"] for row in rows],
    )


def on_one_grid(curves: Sequence[tuple[Sequence[int], Sequence[float]]]) -> tuple[Floats, Floats]:
    """Curves at common places, linear in between, where all of them have values.

    Args:
        curves: for each seed its places, increasing, and its values.

    Returns:
        The places, and the values as seeds x places; both empty where no place is common to all.
    """
    empty = np.zeros(0), np.zeros((len(curves), 0))
    if not curves or any(not len(places) for places, _ in curves):
        return empty
    first, last = max(places[0] for places, _ in curves), min(places[-1] for places, _ in curves)
    grid = np.unique([place for places, _ in curves for place in places if first <= place <= last]).astype(np.float64)
    return (grid, np.array([np.interp(grid, places, values) for places, values in curves])) if len(grid) else empty


def decisions_to(curve: Sequence[tuple[int, float | None]], level: float) -> int | None:
    """First decision count from `FROM_DECISIONS` on at which the mean return of the last 100 episodes reached a level.

    Args:
        curve: decisions and mean return, update by update.
        level: the return to reach.
    """
    reached = (n for n, mean in curve if mean is not None and n >= FROM_DECISIONS and mean >= level)
    return next(reached, None)


@contextlib.contextmanager
def literal_text() -> Iterator[None]:
    """Draw texts as they are: without formulas between dollar signs, or warnings of letters that the font lacks."""
    with matplotlib.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        yield


def shortened(name: str) -> str:
    """A name that leaves room for the curve: of a long one, such as a model's path, the end.

    >>> shortened("models/" + 40 * "x" + ", untrained")
    '…xxxxxxxxxxxxxxxxxxxxxxxx, untrained'
    """
    return name if len(name) <= _LONGEST_NAME else f"…{name[1 - _LONGEST_NAME :]}"


def terminal_curve(
    metrics: Sequence[Mapping[str, Any]], levels: Mapping[str, float], width: int = 78, *, ascii_only: bool = False
) -> str:
    """The mean return against decisions, as text.

    Args:
        metrics: of a run, one object per update.
        levels: returns to draw as horizontal lines, by name.
        width: in characters.
        ascii_only: draw for an output whose encoding has no Braille.
    """
    decisions, returns, _ = points(metrics)
    if not decisions:
        return "Too few episodes have ended yet: there is no curve to draw."
    low, high = min([*returns, *levels.values()]), max([*returns, *levels.values()])
    if low == high:
        low, high = low - 1, high + 1
    ticks = {0: f"{high:.2f}", _ROWS - 1: f"{low:.2f}"}
    margin = max(map(len, ticks.values()))
    columns = max(width - margin - 2, 24)

    def rows(value: Any) -> Any:
        """How far below the upper edge a return is; the highest and the lowest are in the middle of their rows."""
        return (_ROWS - 1) * (high - value) / (high - low) + 0.5

    cells = np.full((_ROWS, columns), " ")
    strokes = dict(zip(levels, itertools.cycle(".-=" if ascii_only else "·╌═"), strict=False))
    for name, level in levels.items():
        cells[int(rows(level))] = strokes[name]
    dots = np.ones((1, 1), int) if ascii_only else _BRAILLE
    for place, letter in np.ndenumerate(_line(np.array(decisions), rows(np.array(returns)), columns, dots)):
        if letter:
            cells[place] = "*" if ascii_only else chr(0x2800 + letter)

    side, corner, bottom, curve = "|+-*" if ascii_only else "│└─⠒"
    end, indent = f"{decisions[-1]:,}", " " * (margin + 1)
    lines = [f"{ticks.get(i, ''):>{margin}} {side}{''.join(row)}" for i, row in enumerate(cells)]
    lines += [indent + corner + bottom * columns, f"{indent} 0{'decisions':^{columns - 1 - len(end)}}{end}"]
    legend = {"return, mean of the last 100 episodes": curve}
    legend |= {f"{name} {levels[name]:.2f}": stroke for name, stroke in strokes.items()}
    lines += [f"{indent} {stroke * 3} {console.shortened(visible(n), columns - 4)}" for n, stroke in legend.items()]
    return "\n".join(lines)


def _line(x: np.ndarray, y: np.ndarray, columns: int, dots: np.ndarray) -> np.ndarray:
    """A line through the points, over columns from zero to the last x: of each letter, the sum of its dots."""
    down, across = dots.shape
    drawn = np.zeros((_ROWS * down, columns * across), bool)
    at = np.linspace(0, x[-1], columns * across)
    heights = (np.interp(at, x, y) * down).astype(int)
    for column in range(int(np.searchsorted(at, x[0])), len(at)):
        before, height = heights[column - 1 : column + 1]
        drawn[min(height, before + 1) : max(height + 1, before), column] = True  # as high as the step from the last
    letters: np.ndarray = (drawn.reshape(_ROWS, down, columns, across) * dots[:, None]).sum(axis=(1, 3))
    return letters


@literal_text()
def save_curve(metrics: Sequence[Mapping[str, Any]], levels: Mapping[str, float], title: str, path: Path) -> None:
    """Draw mean return and success rate against decisions into a PNG file."""
    decisions, returns, success = points(metrics)
    figure = Figure(figsize=(8, 4.5), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for color, (name, level) in zip(_COLORS, levels.items(), strict=False):
        axes.axhline(level, color=color, linestyle="--", linewidth=1)
        axes.annotate(
            f" {shortened(name)} {level:.2f}",
            (1.0, level),
            xycoords=("axes fraction", "data"),
            va="center",
            color=color,
        )
    axes.plot(decisions, returns, color="#c0392b", linewidth=2, label="return")
    axes.plot(decisions, success, color="#2c3e80", linewidth=1, alpha=0.6, label="success rate")
    axes.set_xlabel("decisions")
    axes.set_ylabel("mean of the last 100 episodes")
    axes.set_title(title, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, loc="center right")
    write_with(path, lambda file: figure.savefig(file, format="png"))
