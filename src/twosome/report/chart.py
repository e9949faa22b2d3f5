"""Learning curves of several methods in one environment: interquartile mean with its interval, each seed faintly."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from twosome.report.collect import Run
from twosome.report.curve import literal_text, on_one_grid, points, shortened
from twosome.statistics import iqm, iqm_interval

LineStyle: TypeAlias = str | tuple[int, tuple[int, ...]]

STYLES: tuple[tuple[str, LineStyle], ...] = (
    ("#0072b2", "-"),
    ("#d55e00", (0, (5, 2))),
    ("#009e73", (0, (1, 1))),
    ("#cc79a7", (0, (6, 1, 1, 1))),
    ("#000000", (0, (2, 1))),
    ("#e69f00", (0, (6, 1, 1, 1, 1, 1))),
)
"""Color and kind of line of each curve in a panel. The colors are Okabe and Ito's, which readers with any color vision
can tell apart; in gray the lines can."""
_RESAMPLES = 2_000
"""For each of many points; the width of a band needs no more."""
_MOST_POINTS = 200


@dataclass(frozen=True)
class Look:
    """How large a picture is, and its letters and lines."""

    width: float  # in inches
    height: float  # of a panel
    letters: float  # in points, as lines
    line: float


SCREEN = Look(8.5, 4.8, 10.0, 2.0)
COLUMN = Look(3.4, 2.3, 7.0, 1.2)
"""One of two columns of a paper."""


def curves(
    methods: Mapping[str, Sequence[Run]],
    levels: Mapping[str, float],
    title: str,
    kind: Literal["png", "pdf", "svg"] = "png",
    look: Look = SCREEN,
) -> bytes:
    """A picture of mean return against decisions, with as many curves in a panel as there are `STYLES`.

    Args:
        methods: the runs of each method. Finished ones make the curve; those under way are drawn dashed.
        levels: returns to draw as horizontal lines, by name.
        title: of the picture.
        kind: of the file.
        look: its size.
    """
    # One that never played while it learned has no curve, and takes no style from those that did.
    drawn = [(name, runs) for name, runs in methods.items() if any(points(run.metrics)[0] for run in runs)]
    panels = [drawn[i : i + len(STYLES)] for i in range(0, len(drawn), len(STYLES))] or [[]]
    # Letters stay letters in a PDF, and the same runs make the same file.
    with (
        literal_text(),
        matplotlib.rc_context({"font.size": look.letters, "pdf.fonttype": 42, "svg.hashsalt": "twosome"}),
    ):
        figure = Figure(figsize=(look.width, look.height * len(panels)), dpi=150, layout="constrained")
        FigureCanvasAgg(figure)
        rows = figure.subplots(len(panels), sharex=True, sharey=True, squeeze=False)[:, 0]
        for axes, panel in zip(rows, panels, strict=True):
            for (name, runs), (color, style) in zip(panel, STYLES, strict=False):
                _draw_method(axes, name, runs, color, style, look.line)
            _finish(axes, look)
        for axes in rows:  # once the limits that they share are known
            # Letters as high as this, of the panel's height.
            _draw_levels(axes, levels, apart=1.2 * look.letters / 72 / (0.75 * look.height))
            _put_legend(axes)
        rows[-1].set_xlabel("decisions")
        figure.suptitle(title, x=0.01, ha="left", fontsize=1.2 * look.letters)
        picture = io.BytesIO()
        date = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}[kind]
        figure.savefig(picture, format=kind, metadata=date)
    return picture.getvalue()


def _finish(axes: Axes, look: Look) -> None:
    axes.set_ylabel("return, mean of the last 100 episodes" if look.height > 3 else "return")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.5)


def _put_legend(axes: Axes) -> None:
    """Above the panel, where it hides nothing, in as few rows as fit."""
    handles, labels = axes.get_legend_handles_labels()
    figure = axes.figure
    for columns in range(len(handles), 0, -1):
        legend = axes.legend(handles, labels, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=columns)
        if columns == 1 or legend.get_window_extent().width < 0.85 * figure.bbox.width:
            break


def _draw_method(axes: Axes, name: str, runs: Sequence[Run], color: str, style: LineStyle, width: float) -> None:
    finished = []
    for run in runs:
        decisions, returns, _ = points(run.metrics)
        axes.plot(decisions, returns, color=color, alpha=0.3, linewidth=0.4 * width, ls="-" if run.finished else "--")
        if run.finished:
            finished.append((decisions, returns))
    places, values = on_one_grid(finished)
    if len(places):
        keep = np.unique(np.linspace(0, len(places) - 1, _MOST_POINTS).round().astype(int))
        places, values = places[keep], values[:, keep]
        label = _label(f"{shortened(name)} ({len(values)})")
        axes.plot(places, iqm(values), color=color, linewidth=width, ls=style, label=label)
    if len(places) and len(values) > 1:
        axes.fill_between(places, *iqm_interval([values], _RESAMPLES), color=color, alpha=0.12, linewidth=0)


def _label(text: str) -> str:
    """A text that the legend shows: it leaves out those that begin with an underscore."""
    return f" {text}" if text.startswith("_") else text


def _draw_levels(axes: Axes, levels: Mapping[str, float], apart: float) -> None:
    """Lines across, their names at the right, moved up where two would lie on one another."""
    for level in levels.values():
        axes.axhline(level, color="#8a8a8a", linestyle=":", linewidth=1)
    bottom, top = axes.get_ylim()
    lowest = bottom
    for name, level in sorted(levels.items(), key=lambda item: item[1]):
        at = max(level, lowest)
        lowest = at + apart * (top - bottom)
        text = f" {shortened(name)} {level:.2f}"
        axes.annotate(text, (1.0, at), xycoords=("axes fraction", "data"), va="center", color="#6a6a6a")
    axes.set_ylim(bottom, top)


def levels_of(world: Mapping[str, Any]) -> dict[str, float]:
    """Returns of those who do not learn in this run, for the chart."""
    return {name: float(found["return_mean"]) for name, found in world["references"].items()}
