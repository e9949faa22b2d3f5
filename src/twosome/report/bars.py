"""Success and return of several players on several tasks, as a picture of grouped bars."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from twosome.files import write_with
from twosome.report.curve import literal_text

_COLORS = {"random": "#b5b5b5", "untrained": "#d9a441", "trained": "#c0392b"}
_CEILING, _CEILING_COLOR = "planner", "#2e7d32"
_WIDTH = 0.27
"""Of a bar; groups are 1 apart."""


@literal_text()
def save_bars(rows: Iterable[tuple[str, Mapping[str, Any]]], title: str, note: str, path: Path) -> None:
    """Draw success rates above returns, a group of bars for each row, into a PNG file.

    Args:
        rows: a name for each group, and for each of "random", "untrained", "trained" and, in all or none, "planner" a
            summary with `success_rate`, `success_ci95`, `return_mean` and `return_ci95`. The last row is set apart as
            the sum of the others.
        title: of the picture.
        note: smaller, below the title.
        path: the PNG file.
    """
    groups = list(rows)
    figure = Figure(figsize=(max(7.0, 2.2 + 1.25 * len(groups)), 6.4), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True)
    for axes, value, interval, form in (
        (upper, "success_rate", "success_ci95", "{:.0%}"),
        (lower, "return_mean", "return_ci95", "{:.2f}"),
    ):
        _draw(axes, groups, value, interval, form)
    upper.set_ylabel("success")
    upper.yaxis.set_major_formatter(PercentFormatter(1.0))
    upper.set_ylim(0, 1.12)
    upper.set_yticks([0, 0.25, 0.5, 0.75, 1])
    lower.set_ylabel("discounted return")
    lower.set_xticks(_places(len(groups)), [_broken(name) for name, _ in groups])
    for axes in (upper, lower):
        axes.tick_params(axis="x", length=0)
    lower.get_xticklabels()[-1].set_fontweight("bold")
    figure.suptitle(title, x=0.012, ha="left", fontsize=13, fontweight="bold")
    upper.set_title(note, loc="left", fontsize=9, color="#555555", pad=26)
    handles, names = upper.get_legend_handles_labels()
    upper.legend(
        handles, names, frameon=False, ncols=len(names), loc="lower left", bbox_to_anchor=(-0.01, 0.98), borderpad=0
    )
    write_with(path, lambda file: figure.savefig(file, format="png"))


def _draw(axes: Axes, groups: list[tuple[str, Mapping[str, Any]]], value: str, interval: str, form: str) -> None:
    places = _places(len(groups))
    for k, (who, color) in enumerate(_COLORS.items()):
        lefts = [place + (k - 1) * _WIDTH for place in places]
        heights = [row[who][value] for _, row in groups]
        below = [height - row[who][interval][0] for height, (_, row) in zip(heights, groups, strict=True)]
        above = [row[who][interval][1] - height for height, (_, row) in zip(heights, groups, strict=True)]
        axes.bar(lefts, heights, _WIDTH * 0.94, color=color, label=who)
        # Rounding may put a mean a hair outside its own interval; a bar has no negative length.
        spread = [[max(0.0, x) for x in below], [max(0.0, x) for x in above]]
        axes.errorbar(lefts, heights, spread, fmt="none", ecolor="#222222", elinewidth=1, capsize=2.5)
        for left, height, up in zip(lefts, heights, spread[1], strict=True):
            axes.annotate(
                form.format(height),
                (left, max(0.0, height + up)),
                (0, 2),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=7,
                color="#222222",
                fontweight="bold" if who == "trained" else "normal",
                # Readable where the ceiling runs through it.
                bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "alpha": 0.8, "linewidth": 0},
            )
    if all(_CEILING in row for _, row in groups):
        ceilings = [row[_CEILING][value] for _, row in groups]
        starts, ends = [place - 1.6 * _WIDTH for place in places], [place + 1.6 * _WIDTH for place in places]
        axes.hlines(ceilings, starts, ends, color=_CEILING_COLOR, linewidth=1.5, label="optimal planner", zorder=0)
    axes.axhline(0, color="#222222", linewidth=0.8)
    if len(groups) > 1:
        axes.axvline((places[-2] + places[-1]) / 2, color="#bbbbbb", linewidth=0.8, linestyle=":")
    axes.set_xlim(places[0] - 0.6, places[-1] + 0.6)
    axes.margins(y=0.12)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.grid(axis="y", alpha=0.25)
    axes.set_axisbelow(True)


def _places(num_groups: int) -> list[float]:
    """Where the groups stand: 1 apart, the last a little farther."""
    return [i + (0.25 if i == num_groups - 1 and i else 0.0) for i in range(num_groups)]


def _broken(name: str) -> str:
    """A name in at most two lines."""
    if len(name) <= 13 or " " not in name:
        return name
    words = name.split()
    cut = min(range(1, len(words)), key=lambda i: abs(len(" ".join(words[:i])) - len(" ".join(words[i:]))))
    return " ".join(words[:cut]) + "\n" + " ".join(words[cut:])
