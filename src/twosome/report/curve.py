"""The learning curve of a run, in the terminal and as a picture."""

import contextlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import plotext
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

MIN_EPISODES = 20
_LONGEST_NAME = 36
_COLORS = ("#8a8a8a", "#b8860b", "#2e7d32")


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


def terminal_curve(metrics: Sequence[Mapping[str, Any]], levels: Mapping[str, float], width: int = 78) -> str:
    """The mean return against decisions, as text.

    Args:
        metrics: of a run, one object per update.
        levels: returns to draw as horizontal lines, by name.
        width: in characters.
    """
    decisions, returns, _ = points(metrics)
    if not decisions:
        return "Too few episodes have ended yet: there is no curve to draw."
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plot_size(width, 18)
    for name, level in levels.items():
        plotext.plot([0, decisions[-1]], [level, level], label=f"{name} {level:.2f}", marker=".")
    plotext.plot(decisions, returns, label="return, mean of the last 100 episodes", marker="braille")
    plotext.xlabel("decisions")
    picture: str = plotext.uncolorize(plotext.build())
    return picture


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
    figure.savefig(path)
