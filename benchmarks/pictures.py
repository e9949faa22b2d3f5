"""Pictures in docs/images, from the result files: of speed, of what the length of a phrase does, of methods and models.

    python -m benchmarks.pictures                  # all
    python -m benchmarks.pictures growth           # some

Learning curves are drawn by `twosome report`, into the folder of the runs. Where more methods are compared than curves
can be told apart, their seeds are drawn as points.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator

from benchmarks.pages.files import IMAGES, WORLDS
from benchmarks.pages.selection import Selection
from twosome.report.chart import STYLES
from twosome.report.numbers import Number
from twosome.statistics import iqm, iqm_interval

WAYS = {"packed": "#c0392b", "padded": "#2c3e80", "cached": "#b8860b", "harness": "#6c3483", "plain": "#8a8a8a"}
PARTS = {
    "model": ("model, forward", "#c0392b"),
    "backward": ("model, backward", "#e59866"),
    "readout": ("readout of log-probabilities", "#2c3e80"),
    "packing": ("packing, masks, assembling", "#7fb3d5"),
    "tokenizing": ("tokenizing", "#6c3483"),
    "other": ("the rest", "#b3b6b7"),
}


def figure_of(columns: int, height: float = 4.0, rows: int = 1, width: float = 4.0) -> tuple[Figure, list[Axes]]:
    """A figure with panels side by side, row after row; width is a panel's, height the whole figure's."""
    figure = Figure(figsize=(width * columns, height), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False)
    for panel in axes.flat:
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(alpha=0.25, which="both")
    return figure, list(axes.flat)


def scoring() -> Figure:
    """Time of one decision in every way against the number of actions, a panel for each prompt length."""
    numbers = Selection(["scoring"])
    cells = [world for world in numbers.values("world") if world.startswith("58M, ") and ":" not in world]
    sizes = sorted(tuple(map(int, cell.removeprefix("58M, ").split(" x "))) for cell in cells)
    prompts = sorted({prompt for prompt, _ in sizes})
    figure, panels = figure_of(len(prompts))
    for panel, prompt in zip(panels, prompts, strict=True):
        actions = [count for length, count in sizes if length == prompt]
        for way, color in WAYS.items():
            found = {
                count: numbers.find(what="forward: seconds", world=f"58M, {prompt} x {count}", method=way)
                for count in actions
            }
            decisions = {
                count: _mean(numbers.find(what="decisions", world=f"58M, {prompt} x {count}")[0]) for count in actions
            }
            quartiles = {
                count: [seconds / decisions[count] for seconds in _quartiles(rows[0])]
                for count, rows in found.items()
                if rows
            }
            label = "plain forward, the floor" if way == "plain" else way
            _with_quartiles(panel, list(quartiles), list(quartiles.values()), color, label, dashed=way == "plain")
        panel.set(xscale="log", yscale="log", xlabel="actions", title=f"prompt of {prompt} tokens")
        _plain_ticks(panel, actions)
    limits = [panel.get_ylim() for panel in panels]
    for panel in panels:
        panel.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
    panels[0].set_ylabel("seconds for one decision, forward")
    handles, labels = panels[0].get_legend_handles_labels()
    columns = min(len(WAYS), 2 * len(prompts))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
    return figure


def _mean(number: Number) -> float:
    assert number.mean is not None
    return number.mean


def _quartiles(number: Number) -> tuple[float, float, float]:
    assert number.interval is not None
    return number.interval[0], _mean(number), number.interval[1]


def _with_quartiles(
    panel: Axes, x: Sequence[float], quartiles: Sequence[Sequence[float]], color: str, label: str, dashed: bool = False
) -> None:
    low, middle, high = ([row[i] for row in quartiles] for i in range(3))
    panel.plot(x, middle, color=color, marker="o", markersize=4, label=label, linestyle="--" if dashed else "-")
    panel.fill_between(x, low, high, color=color, alpha=0.2, linewidth=0)


def _plain_ticks(panel: Axes, x: Sequence[float]) -> None:
    panel.set_xticks(list(x), [_short(value) for value in x])
    low, high = panel.get_ylim()
    panel.yaxis.set_major_locator(LogLocator(subs=(1.0,) if high / low > 500 else (1.0, 2.0, 5.0)))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    panel.minorticks_off()


def _short(value: float) -> str:
    if value >= 1e6:
        return f"{value / 1e6:.3g}M"
    return f"{value:.0f}" if value < 10_000 else f"{value / 1e3:.3g}k"


def growth() -> Figure:
    """Time at the left and memory at the right against each size, with the power that fits best."""
    numbers = Selection(["growth"])
    curves = numbers.values("world")
    figure, panels = figure_of(2, height=2.5 * len(curves), rows=len(curves))
    for name, left, right in zip(curves, panels[::2], panels[1::2], strict=True):
        seconds = numbers.find(what="seconds", world=name)
        sizes, memory = (
            [float(row.method) for row in seconds],
            [_mean(row) for row in numbers.find(what="peak MiB", world=name)],
        )
        _with_quartiles(left, sizes, [_quartiles(row) for row in seconds], STYLES[0][0], "measured")
        right.plot(sizes, memory, color=STYLES[0][0], marker="o", markersize=4, label="measured")
        for panel, what, costs in ((left, "time", [_mean(row) for row in seconds]), (right, "memory", memory)):
            if fitted := numbers.find(what=f"exponent of {what}", world=name):
                _with_power(panel, sizes, costs, *(_mean(row) for row in fitted))
        unit = "iteration" if name == "environments" else "forward + backward"
        for panel, label in ((left, f"seconds, {unit}"), (right, "peak memory, MiB")):
            panel.set(xscale="log", yscale="log", xlabel=name, ylabel=label)
            _plain_ticks(panel, sizes)
            panel.legend(frameon=False, fontsize=8, loc="upper left")
            panel.margins(y=0.15)
    return figure


def _with_power(panel: Axes, sizes: Sequence[float], costs: Sequence[float], power: float, theory: float) -> None:
    """The straight line of the fit, through the geometric middle of the points."""
    scale = 1.0
    for size, cost in zip(sizes, costs, strict=True):
        scale *= (cost / size**power) ** (1 / len(sizes))
    label = f"exponent {power:.2f}; arithmetic {theory:.2f}"
    panel.plot(sizes, [scale * size**power for size in sizes], color=STYLES[1][0], linestyle="--", label=label)


def iteration() -> Figure:
    """Where the time of an iteration of ours goes: a bar for each phase, for the smallest and the largest variant."""
    numbers = Selection(["iteration-padded"])
    variants = [world for world in numbers.values("world") if world.startswith("`TomatoLettuceSalad`")]
    chosen = list(dict.fromkeys((variants[0], variants[-1])))
    phases = [what for what in numbers.values("what") if what.startswith("seconds of ")]
    figure, panels = figure_of(len(chosen), height=3.6)
    for panel, world in zip(panels, chosen, strict=True):
        seconds = {
            part: [sum(map(_mean, numbers.find(what=phase, world=world, method=part))) for phase in phases]
            for part in PARTS
        }
        total = sum(map(sum, seconds.values()))
        left = [0.0] * len(phases)
        for part, (label, color) in PARTS.items():
            widths = [100 * value / total for value in seconds[part]]
            panel.barh(
                [phase.removeprefix("seconds of ") for phase in phases], widths, left=left, color=color, label=label
            )
            left = [start + width for start, width in zip(left, widths, strict=True)]
        panel.invert_yaxis()
        decisions = _mean(numbers.find(what="decisions", world=world)[0])
        panel.set_title(f"{world.partition(', ')[2]}: {total:.2f} s, {decisions} decisions", fontsize=10)
        panel.set_xlabel("share of an iteration, %")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=1 + len(chosen), frameon=False, fontsize=8)
    return figure


def phrase_length() -> Figure:
    """How probable phrases are against their number of words, a panel for each environment."""
    numbers = Selection(["phrase-length"])
    figure, panels = figure_of(2, height=7.0, rows=2)
    for panel, world in zip(panels, WORLDS, strict=True):
        panel.axhline(1, color="#8a8a8a", linewidth=0.8)
        shares = [what for what in numbers.values("what", world=world) if what.startswith("probability of ")]
        words = [int(what.split()[2]) for what in shares]
        methods = [method for method in numbers.values("method", world=world) if method]
        for (color, style), marker, method in zip(STYLES, "osv^D*", methods, strict=True):
            found = [_mean(numbers.find(what=what, world=world, method=method)[0]) for what in shares]
            panel.plot(words, found, color=color, linestyle=style, marker=marker, ms=5, label=method)
        panel.set(title=world, xlabel="words of a phrase", xticks=words, ylabel="probability, in equal shares")
        panel.set_yscale("symlog", linthresh=1, linscale=1)
        panel.set_yticks([0, 0.5, 1, 2, 4, 8], ["0", "0.5", "1", "2", "4", "8"])
        panel.set_ylim(-0.05, 10)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    return figure


def seeds(results: Sequence[str], panels: Mapping[str, Mapping[str, tuple[str, str]]]) -> Figure:
    """Final return at the left and decisions to 90 % of the optimum at the right: seeds, their IQM and its interval.

    Args:
        results: names of files.
        panels: for each title the name of each line, with its environment and method.
    """
    numbers = Selection(results)
    height = sum(0.24 * len(lines) + 1.0 for lines in panels.values())
    figure, axes = figure_of(2, height=height, rows=len(panels), width=4.5)
    for (title, lines), left, right in zip(panels.items(), axes[::2], axes[1::2], strict=True):
        for panel, what in ((left, "return"), (right, "decisions to 90 %")):
            budget = max(row.mean or 0 for row in numbers.find(what="decisions", world=next(iter(lines.values()))[0]))
            for y, (world, method) in enumerate(lines.values()):
                _with_seeds(panel, y, numbers.find(what=what, world=world, method=method), budget)
            panel.set_yticks(range(len(lines)), list(lines) if panel is left else [])
            panel.set_ylim(len(lines) - 0.4, -0.6)
            panel.grid(axis="y", visible=False)
        _with_levels(left, numbers, next(iter(lines.values()))[0])
        left.set_xlabel("return of the final policy")
        right.set_xlim(left=0)
        right.set_xlabel("decisions to 90 % of the optimum; x: never")
        left.set_title(title, loc="left", fontsize=10, pad=16)
    return figure


def _with_levels(panel: Axes, numbers: Selection, world: str) -> None:
    for who in ("random", "planner"):
        for row in numbers.find(what="return", world=world, method=who)[:1]:
            panel.axvline(_mean(row), color="#8a8a8a", linestyle=":")
            panel.annotate(who, (_mean(row), 1.0), xycoords=("data", "axes fraction"), ha="center", va="bottom", size=8)


def _with_seeds(panel: Axes, y: int, rows: Sequence[Number], budget: float) -> None:
    """A line of points; what was never reached stands behind the budget."""
    reached = np.array([row.mean for row in rows if row.mean is not None], np.float64)
    color = STYLES[0][0]
    panel.plot(reached, np.full(len(reached), y), "o", ms=5, mfc="none", mec=color, alpha=0.6)
    if never := len(rows) - len(reached):
        panel.plot([1.05 * budget], [y], "x", color="#000000", ms=5)
        panel.annotate(f"   {never} of {len(rows)}", (1.05 * budget, y), va="center", size=8, annotation_clip=False)
    elif len(reached) > 1:
        panel.plot(iqm_interval([reached]), [y, y], color=color, linewidth=2.5, alpha=0.5)
        panel.plot([iqm(reached)], [y], "D", color=color, ms=5)


METHODS = ("ppo", "ppo-tuned", "none", "grpo", "poad", "full", "no-prior", "cloned-ppo", "scratch")
MISTAKES = (
    "none",
    "padded-critic",
    "minibatch-advantages",
    "shared-clip",
    "timeouts-terminal",
    "half-precision",
    "all",
)
WORDINGS = ("TomatoSalad", "NoOpening", "NoGoal", "NoArticles", "ClosedPrompt", "FixedWording", "AllFour")


@dataclass(frozen=True)
class Candidate:
    """A model in one environment: where its numbers are, and what its language was tested with."""

    results: tuple[str, ...]
    method: str
    untrained: str
    tests: str


SMALL = Candidate(("sizes-learned",), "small-learned", "small, untrained, learned", "household")
HEARTH = Candidate(("sizes-learned",), "hearth-learned", "hearth, untrained, learned", "household")
LONGER = Candidate(("learning",), "learned", "hearth, untrained, learned", "household")
GEMMA = Candidate(
    ("gemma", "gemma-retention"), "learned", "runs/models/gemma-3-270m, untrained, learned", "BLiMP, PIQA"
)
CANDIDATES = {
    "TomatoSalad": {"hearth, 0.15M": SMALL, "hearth, 0.9M": HEARTH, "Gemma 3, 270M": GEMMA},
    "FoodPreparation": {"hearth, 0.15M": SMALL, "hearth, 0.9M": HEARTH, "Gemma 3, 270M": GEMMA},
    "Entertainment": {"hearth, 0.15M": SMALL, "hearth, 0.9M": LONGER, "Gemma 3, 270M": GEMMA},
}


def which_model() -> Figure:
    """Returns before and after, decisions to 90 % of the optimum, and points of language lost: a row for each model."""
    figure, axes = figure_of(3, height=7.4, rows=len(CANDIDATES), width=3.5)
    returns, decisions, language = axes[::3], axes[1::3], axes[2::3]
    columns = {
        "return": _with_returns,
        "decisions to 90 % of the optimum": _with_decisions,
        "points of language lost": _with_language,
    }
    for (world, candidates), *panels in zip(CANDIDATES.items(), returns, decisions, language, strict=True):
        for panel, (label, draw) in zip(panels, columns.items(), strict=True):
            for y, candidate in enumerate(candidates.values()):
                if not draw(panel, y, Selection(candidate.results), world, candidate):
                    panel.annotate(
                        "not measured",
                        (0.5, y),
                        xycoords=("axes fraction", "data"),
                        ha="center",
                        va="center",
                        c="#555555",
                    )
            panel.set_xlabel(label)
            panel.set_yticks(range(len(candidates)), list(candidates) if draw is _with_returns else [])
            panel.set_ylim(len(candidates) - 0.4, -0.6)
            panel.grid(axis="y", visible=False)
        panels[0].set_title(world, loc="left", fontsize=10, pad=16)
        _with_levels(panels[0], Selection(["learning"]), world)
        panels[2].yaxis.tick_right()
        panels[2].set_yticks(range(len(candidates)), [candidate.tests for candidate in candidates.values()])
    for panel in decisions:
        panel.set_xlim(left=0)
    limits = [panel.get_xlim() for panel in language]
    for panel in language:
        panel.set_xlim(min(low for low, _ in limits), max(high for _, high in limits))
        panel.axvline(0, color="#000000", linewidth=0.8)
    color = STYLES[0][0]
    markers = [
        Line2D([], [], marker="s", ms=6, mfc="none", color="#000000", linestyle="", label="untrained"),
        Line2D([], [], marker="o", ms=5, mfc="none", color=color, linestyle="", label="a seed, trained"),
        Line2D([], [], marker="D", ms=5, color=color, linewidth=2.5, label="interquartile mean of the seeds, 95 %"),
    ]
    figure.legend(handles=markers, loc="outside upper center", ncols=len(markers), frameon=False)
    figure.supxlabel(
        "Language: each seed with its 95 % interval, in the tests named at the right. These differ between hearth and "
        "Gemma:\ncompare what was lost, not how much is known.",
        fontsize=9,
    )
    return figure


def _with_returns(panel: Axes, y: int, numbers: Selection, world: str, candidate: Candidate) -> bool:
    before = numbers.find(what="return", world=world, method=candidate.untrained)
    if before:
        panel.plot([_mean(before[0])], [y], "s", ms=6, mfc="none", color="#000000")
    after = numbers.find(what="return", world=world, method=candidate.method)
    _with_seeds(panel, y, after, 0)
    return bool(before or after)


def _with_decisions(panel: Axes, y: int, numbers: Selection, world: str, candidate: Candidate) -> bool:
    budget = numbers.find(what="decisions", world=world, method=candidate.method)
    found = numbers.find(what="decisions to 90 %", world=world, method=candidate.method)
    _with_seeds(panel, y, found, max(map(_mean, budget), default=0))
    return bool(found)


def _with_language(panel: Axes, y: int, numbers: Selection, world: str, candidate: Candidate) -> bool:
    """Each seed below the other, with the 95 % interval over its items."""
    found = numbers.find(what="language: drop", world=world, method=candidate.method)
    for i, number in enumerate(found):
        low, middle, high = (100 * value for value in _quartiles(number))
        below = y + 0.14 * (i - (len(found) - 1) / 2)
        panel.plot([low, high], [below, below], color=STYLES[0][0], linewidth=1.5, alpha=0.5)
        panel.plot([middle], [below], "o", ms=4, mfc="white", color=STYLES[0][0])
    return bool(found)


def _lines(worlds: Sequence[str], methods: Sequence[str]) -> dict[str, dict[str, tuple[str, str]]]:
    return {world: {method: (world, method) for method in methods} for world in worlds}


PICTURES: dict[str, Callable[[], Figure]] = {
    "scoring-speed": scoring,
    "growth": growth,
    "iteration-phases": iteration,
    "phrase-length": phrase_length,
    "claim-methods": partial(seeds, ["methods"], _lines(WORLDS, METHODS)),
    "claim-defects": partial(seeds, ["defects"], _lines(("TomatoSalad", "FoodPreparation", "Entertainment"), MISTAKES)),
    "claim-prompts": partial(seeds, ["prompts"], {"TomatoSalad": {name: (name, "ppo") for name in WORDINGS}}),
    "claim-which-model": which_model,
}


def main() -> None:
    """Draw all, or some."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PICTURES))
    for name in parser.parse_args().names or PICTURES:
        # No word on what drew it, so that the same picture is the same file.
        PICTURES[name]().savefig(IMAGES / f"{name}.png", metadata={"Software": None})
        print(f"{name}.png drawn")


if __name__ == "__main__":
    main()
