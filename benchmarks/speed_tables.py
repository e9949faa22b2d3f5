"""The tables of speed, from the result files of `speed.py`; `tables.py` puts them on the pages."""

from collections.abc import Callable
from typing import Any

from tables import load, markdown, source

MODELS = {"58M": "random Llama, 58M parameters", "hearth": "`hearth`, 0.9M parameters"}
Cell = dict[str, Any]


def ratio(values: list[float]) -> str:
    """A ratio with its quartiles, in three digits."""
    low, middle, high = (f"{value:.3g}" if value < 100 else f"{value:.0f}" for value in values)
    return f"{middle}x ({low} to {high})"


def find(result: Cell, **wanted: Any) -> Cell | None:
    """The measured cell of `scoring.json` with these properties, if there is one."""
    for cell in result["cells"]:
        if "cell" not in cell["left_out"] and all(cell.get(name) == value for name, value in wanted.items()):
            return dict(cell)
    return None


def _name(cell: Cell) -> str:
    size = f"{cell['prompt_tokens']} x {cell['actions']}"
    if cell["kind"] == "grid":
        return size
    return f"{cell['kind']}: {size}"


def _against(cell: Cell, mode: str, way: str) -> str:
    """How many times as long as packed a way takes, and on how many rows it was timed if not on all."""
    measured = cell.get(mode)
    if measured is None or f"{way}/packed" not in measured["ratios"]:
        return "-"
    found = measured["ways"][way]
    part = f" [{found['rows_timed']}/{found['rows']}]" if found["rows_timed"] < found["rows"] else ""
    return ratio(measured["ratios"][f"{way}/packed"]["wall"]) + part


def _floor(cell: Cell, mode: str) -> str:
    return f"{cell[mode]['ratios']['packed/plain']['wall'][1]:.2f}x" if mode in cell else "-"


def scoring() -> str:
    """A table for each model: a row for each cell, forward and with a backward pass."""
    result = load("scoring")
    header = ["prompt x actions", "decisions", "tokens: padded / floor", "padded", "cached", "harness"]
    header += ["packed / plain", "packed, ms"]
    header += ["+ backward: padded", "cached", "packed / plain", "packed, ms"]
    parts = []
    for model, label in MODELS.items():
        cells = [cell for cell in result["cells"] if cell["model"] == model and "cell" not in cell["left_out"]]
        # The grid by size, then the rest as it was measured.
        cells.sort(
            key=lambda c: (c["kind"] != "grid", c.get("prompt", 0), c["actions"]) if c["kind"] == "grid" else (True,)
        )
        parts.append(f"**{label}**\n\n{markdown(header, [_row(cell) for cell in cells])}")
    worst = max(max(c["largest_difference_nats"].values()) for c in result["cells"] if "largest_difference_nats" in c)
    note = (
        "How many times as long as packed scoring each way takes: medians (quartiles) of paired runs. *[n/m]*: "
        "scaled from n of m rows, where all would take too long. *packed / plain* is against the floor. Over all "
        f"cells and ways the log-probabilities agree to {worst:.1g} nats."
    )
    return "\n\n".join([*parts, f"{note} {source(result)}"])


def _row(cell: Cell) -> list[str]:
    def milliseconds(mode: str) -> str:
        return f"{1000 * cell[mode]['ways']['packed']['wall_s'][1]:.0f}" if mode in cell else "-"

    forward, both = "forward", "forward_backward"
    return [
        _name(cell),
        str(cell["decisions"]),
        f"{cell['padded_tokens']:,} / {cell['floor_tokens']:,}",
        *(_against(cell, forward, way) for way in ("padded", "cached", "harness")),
        _floor(cell, forward),
        milliseconds(forward),
        *(_against(cell, both, way) for way in ("padded", "cached")),
        _floor(cell, both),
        milliseconds(both),
    ]


def memory() -> str:
    """Peak memory of the ways at a prompt of 110 tokens, 58M parameters."""
    result = load("scoring")
    rows = []
    for cell in result["cells"]:
        if cell["model"] != "58M" or cell.get("prompt") != 110:
            continue
        for mode in ("forward", "forward_backward"):
            if mode in cell:
                ways = cell[mode]["ways"]
                rows.append([f"{_name(cell)}, {mode.replace('_', ' + ')}", str(cell["decisions"])])
                rows[-1] += [
                    f"{ways[way]['peak_mib']:,.0f}" if way in ways and ways[way]["peak_mib"] is not None else "-"
                    for way in ("packed", "padded", "cached", "harness", "plain")
                ]
    header = ["peak MiB", "decisions", "packed", "padded", "cached", "harness", "plain"]
    note = "Resident memory of the process at its peak, above what model and inputs hold; of the rows that were run."
    return f"{markdown(header, rows)}\n\n{note}"


def iteration() -> str:
    """Whole iterations, ours and the reference's."""
    result = load("iteration")
    rows = [
        [
            f"`{row['env']}`, {row['model']}, {row['threads']} thread{'s' if row['threads'] > 1 else ''}",
            f"{row['decisions']}",
            f"{row['ours']['wall_s'][1]:.2f}",
            f"{row['reference']['wall_s'][1]:.1f}",
            f"**{ratio(row['reference/ours']['wall'])}**",
            f"{row['reference/ours']['processor'][1]:.1f}x",
            f"{row['ours']['peak_mib']:.0f} / {row['reference']['peak_mib']:.0f}",
            str(row["iterations"]),
        ]
        for row in result["variants"]
    ]
    header = ["world, model", "decisions", "ours, s", "reference, s", "reference / ours", "in CPU time"]
    header += ["peak MiB, both", "pairs"]
    differences = [max(row["loss_differences"].values()) for row in result["variants"] if "loss_differences" in row]
    note = (
        "Medians (quartiles) of paired iterations. Where the algorithms coincide, the losses of a first iteration "
        f"differ by at most {max(differences):.1g} of their size."
    )
    return f"{markdown(header, rows)}\n\n{note} {source(result)}"


def growth() -> str:
    """The fitted exponents beside those of the arithmetic."""
    result = load("growth")
    rows = []
    for name, curve in result["curves"].items():
        memory = curve.get("memory")
        rows.append(
            [
                name,
                f"{curve['sizes'][0]:,} to {curve['sizes'][-1]:,}",
                f"{curve['wall_s'][0][1]:.2g} to {curve['wall_s'][-1][1]:.2g}",
                _exponent(curve["time"]),
                f"{curve['time']['theory']:.2f}",
                _exponent(memory) if memory else "-",
                f"{memory['theory']:.2f}" if memory else "-",
            ]
        )
    header = ["against", "from, to", "seconds", "time grows with exponent (95 %)", "arithmetic"]
    return f"{markdown([*header, 'memory (95 %)', 'arithmetic'], rows)}\n\n{source(result)}"


def _exponent(fitted: Cell) -> str:
    low, high = fitted["ci95"]
    return f"**{fitted['exponent']:.2f}** ({low:.2f} to {high:.2f})"


def goals() -> str:
    """What we set out for, and whether it is reached."""
    scored, iterations = load("scoring"), load("iteration")

    def between(key: str, count: int) -> list[float] | None:
        cell = find(scored, model="58M", kind="grid", prompt=110, actions=count)
        return None if cell is None else list(cell["forward"]["ratios"][key]["wall"])

    rows = [
        _goal(f"padded / packed, 58M, forward, 110 x {count}", wanted, between("padded/packed", count))
        for count, wanted in ((8, 13.0), (50, 100.0))
    ]
    rows += [
        _goal(f"cached / packed, 58M, forward, 110 x {count}", wanted, between("cached/packed", count))
        for count, wanted in ((8, 1.4), (200, 4.0))
    ]
    rows += [
        _goal(f"packed / plain, 58M, forward, 110 x {count}", 1.1, between("packed/plain", count), at_most=True)
        for count in (8, 50, 200)
    ]
    for row in iterations["variants"]:
        name = f"iteration, reference / ours, {row['model']}, `{row['env']}`, threads: {row['threads']}"
        rows.append(_goal(name, 15.0 if row["model"] == "58M" else 25.0, row["reference/ours"]["wall"]))
    return markdown(["goal", "wanted", "measured", "reached"], [*rows, _bounded(scored)])


def _goal(name: str, wanted: float, measured: list[float] | None, at_most: bool = False) -> list[str]:
    sign = "at most" if at_most else "at least"
    if measured is None:
        return [name, f"{sign} {wanted:g}x", "-", "not measured"]
    holds = measured[1] <= wanted if at_most else measured[1] >= wanted
    return [name, f"{sign} {wanted:g}x", ratio(measured), "yes" if holds else "**no**"]


def _bounded(scored: Cell) -> list[str]:
    name, wanted = "2,000 actions, 58M, forward: peak memory", "at most 1,024 MiB"
    cell = find(scored, model="58M", kind="2,000 actions")
    peak = cell["forward"]["ways"]["packed"]["peak_mib"] if cell else None
    if peak is None:
        return [name, wanted, "-", "not measured"]
    return [name, wanted, f"{peak:,.0f} MiB", "yes" if peak <= 1024 else "**no**"]


def worlds() -> str:
    """Steps per second of every world."""
    result = load("worlds")
    rows = [
        [
            f"`{row['env']}`" + "".join(f", {name} {value}" for name, value in row["kwargs"].items()),
            f"{row['cold']:,}",
            f"{row['warm']:,}",
        ]
        for row in result["rows"]
    ]
    note = "Decisions per second of CPU time, text and mask included; cold: with empty caches."
    return f"{markdown(['world', 'cold, steps/s', 'warm, steps/s'], rows)}\n\n{note} {source(result)}"


BLOCKS: dict[str, Callable[[], str]] = {
    "goals": goals,
    "growth": growth,
    "iteration": iteration,
    "memory": memory,
    "scoring": scoring,
    "worlds": worlds,
}
