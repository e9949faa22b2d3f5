"""Learning curves of several methods in one environment: interquartile mean with its interval, each seed faintly."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from twosome.report.collect import Run
from twosome.report.curve import literal_text, on_one_grid, points, shortened
from twosome.statistics import iqm, iqm_interval

# Okabe and Ito's palette, which readers with any color vision can tell apart, and two more.
_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999", "#8c510a")
_RESAMPLES = 2_000
"""For each of many points; the width of a band needs no more."""
_MOST_POINTS = 200
_MOST_INSIDE = 5
"""Names of methods that find a place among the curves; more stand below."""
_LABEL_HEIGHT = 0.05
"""Of the axes' height."""


@literal_text()
def curves_png(methods: Mapping[str, Sequence[Run]], levels: Mapping[str, float], title: str) -> bytes:
    """A PNG picture of mean return against decisions.

    Args:
        methods: the runs of each method. Finished ones make the curve; those under way are drawn dashed.
        levels: returns to draw as horizontal lines, by name.
        title: of the picture.
    """
    figure = Figure(figsize=(8.5, 4.8), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    # One that never played while it learned has no curve, and takes no color from those that did.
    with_curve = {name: runs for name, runs in methods.items() if any(points(run.metrics)[0] for run in runs)}
    for i, (name, runs) in enumerate(with_curve.items()):
        _draw_method(axes, name, runs, _COLORS[i % len(_COLORS)])
    _draw_levels(axes, levels)
    axes.set_xlabel("decisions")
    axes.set_ylabel("return, mean of the last 100 episodes")
    axes.set_title(title, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    handles, labels = axes.get_legend_handles_labels()
    if len(handles) > _MOST_INSIDE:
        for columns in (5, 4, 3, 2, 1):
            legend = figure.legend(handles, labels, frameon=False, loc="outside lower center", ncols=columns)
            if columns == 1 or legend.get_window_extent().width < figure.bbox.width:
                break
            legend.remove()
    elif handles:
        axes.legend(frameon=False, loc="best")
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()


def _draw_method(axes: Axes, name: str, runs: Sequence[Run], color: str) -> None:
    finished = []
    for run in runs:
        decisions, returns, _ = points(run.metrics)
        axes.plot(decisions, returns, color=color, alpha=0.3, linewidth=0.8, linestyle="-" if run.finished else "--")
        if run.finished:
            finished.append((decisions, returns))
    places, values = on_one_grid(finished)
    if len(places):
        keep = np.unique(np.linspace(0, len(places) - 1, _MOST_POINTS).round().astype(int))
        places, values = places[keep], values[:, keep]
        axes.plot(places, iqm(values), color=color, linewidth=2, label=_label(f"{name} ({len(values)})"))
    if len(places) and len(values) > 1:
        axes.fill_between(places, *iqm_interval([values], _RESAMPLES), color=color, alpha=0.15, linewidth=0)


def _label(text: str) -> str:
    """A text that the legend shows: it leaves out those that begin with an underscore."""
    return f" {text}" if text.startswith("_") else text


def _draw_levels(axes: Axes, levels: Mapping[str, float]) -> None:
    """Lines across, their names at the right, moved up where two would lie on one another."""
    for level in levels.values():
        axes.axhline(level, color="#8a8a8a", linestyle=":", linewidth=1)
    bottom, top = axes.get_ylim()
    lowest = bottom
    for name, level in sorted(levels.items(), key=lambda item: item[1]):
        at = max(level, lowest)
        lowest = at + _LABEL_HEIGHT * (top - bottom)
        text = f" {shortened(name)} {level:.2f}"
        axes.annotate(text, (1.0, at), xycoords=("axes fraction", "data"), va="center", color="#6a6a6a")
    axes.set_ylim(bottom, top)


def levels_of(world: Mapping[str, Any]) -> dict[str, float]:
    """Returns of those who do not learn in this run, for the chart."""
    return {name: float(found["return_mean"]) for name, found in world["references"].items()}
