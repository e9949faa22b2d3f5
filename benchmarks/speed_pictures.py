"""Pictures of speed in docs/images, from the result files of `speed.py`.

python benchmarks/speed_pictures.py
"""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator
from tables import IMAGES, load

WAYS = {"packed": "#c0392b", "padded": "#2c3e80", "cached": "#b8860b", "harness": "#6c3483", "plain": "#8a8a8a"}
PARTS = {
    "model": ("model, forward", "#c0392b"),
    "backward": ("model, backward", "#e59866"),
    "readout": ("readout of log-probabilities", "#2c3e80"),
    "packing": ("packing, masks, assembling", "#7fb3d5"),
    "tokenizing": ("tokenizing", "#6c3483"),
    "other": ("the rest", "#b3b6b7"),
}


def figure_of(columns: int, height: float = 4.0, rows: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure with panels side by side."""
    figure = Figure(figsize=(4.0 * columns, height), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False)
    for panel in axes.flat:
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(alpha=0.25, which="both")
    return figure, list(axes.flat)


def scoring() -> Figure:
    """Time of one decision in every way against the number of actions, a panel for each prompt length."""
    cells = [cell for cell in load("scoring")["cells"] if cell.get("kind") == "grid" and cell["model"] == "58M"]
    prompts = sorted({cell["prompt"] for cell in cells})
    figure, panels = figure_of(len(prompts))
    for panel, prompt in zip(panels, prompts, strict=True):
        rows = [cell for cell in cells if cell["prompt"] == prompt]
        for way, color in WAYS.items():
            found = [row for row in rows if way in row["forward"]["ways"]]
            _with_quartiles(
                panel,
                [row["actions"] for row in found],
                [[q / row["decisions"] for q in row["forward"]["ways"][way]["wall_s"]] for row in found],
                color,
                "plain forward, the floor" if way == "plain" else way,
                dashed=way == "plain",
            )
        panel.set(xscale="log", yscale="log", xlabel="actions", title=f"prompt of {prompt} tokens")
        _plain_ticks(panel, [row["actions"] for row in rows])
    limits = [panel.get_ylim() for panel in panels]
    for panel in panels:
        panel.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
    panels[0].set_ylabel("seconds for one decision, forward")
    handles, labels = panels[0].get_legend_handles_labels()
    columns = min(len(WAYS), 2 * len(prompts))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
    return figure


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
    """Time above and memory below against each size, with the power that fits best."""
    curves = load("growth")["curves"]
    figure, panels = figure_of(len(curves), height=7.0, rows=2)
    above, below = panels[: len(curves)], panels[len(curves) :]
    for (name, curve), upper, lower in zip(curves.items(), above, below, strict=True):
        sizes = curve["sizes"]
        _with_quartiles(upper, sizes, curve["wall_s"], "#c0392b", "measured")
        _with_power(upper, sizes, [row[1] for row in curve["wall_s"]], curve["time"])
        lower.plot(sizes, curve["peak_mib"], color="#2c3e80", marker="o", markersize=4, label="measured")
        if "memory" in curve:
            _with_power(lower, sizes, curve["peak_mib"], curve["memory"])
        for panel, unit in ((upper, "seconds"), (lower, "peak memory, MiB")):
            panel.set(xscale="log", yscale="log", xlabel=name, ylabel=unit)
            _plain_ticks(panel, sizes)
            panel.legend(frameon=False, fontsize=8)
        upper.set_title("a training iteration" if name == "environments" else "forward + backward", fontsize=10)
    return figure


def _with_power(panel: Axes, sizes: Sequence[float], costs: Sequence[float], fitted: dict[str, Any]) -> None:
    """The straight line of the fit, through the geometric middle of the points."""
    power = fitted["exponent"]
    scale = 1.0
    for size, cost in zip(sizes, costs, strict=True):
        scale *= (cost / size**power) ** (1 / len(sizes))
    label = f"exponent {power:.2f}; arithmetic {fitted['theory']:.2f}"
    panel.plot(sizes, [scale * size**power for size in sizes], color="#8a8a8a", linestyle="--", label=label)


def iteration() -> Figure:
    """Where the time of an iteration of ours goes: a bar for each phase, for the smallest and the largest variant."""
    variants = [row for row in load("iteration")["variants"] if row["env"] == "TomatoLettuceSalad"]
    chosen = [variants[0], variants[-1]] if len(variants) > 1 else variants
    figure, panels = figure_of(len(chosen), height=3.6)
    for panel, row in zip(panels, chosen, strict=True):
        names = list(row["phases_s"])
        total = sum(sum(parts.values()) for parts in row["phases_s"].values())
        left = [0.0] * len(names)
        for part, (label, color) in PARTS.items():
            widths = [100 * row["phases_s"][name][part] / total for name in names]
            panel.barh(names, widths, left=left, color=color, label=label)
            left = [start + width for start, width in zip(left, widths, strict=True)]
        panel.invert_yaxis()
        threads = f"{row['threads']} thread{'s' if row['threads'] > 1 else ''}"
        panel.set_title(f"{row['model']}, {threads}: {total:.2f} s, {row['decisions']} decisions", fontsize=10)
        panel.set_xlabel("share of an iteration, %")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=1 + len(chosen), frameon=False, fontsize=8)
    return figure


def main() -> None:
    """Draw all."""
    for name, draw in (("scoring-speed", scoring), ("growth", growth), ("iteration-phases", iteration)):
        path = IMAGES / f"{name}.png"
        draw().savefig(path)
        print(f"{path.name} drawn")


if __name__ == "__main__":
    main()
