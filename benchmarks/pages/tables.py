"""A declared table as Markdown: rows by world, method and seed, and for each column which numbers and what of them."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.pages.selection import KEYS, Selection, means
from twosome.report.numbers import Number
from twosome.statistics import improvement_interval, iqm, iqm_interval, probability_of_improvement

MARGIN = 0.01
"""The drop in accuracy that is asked about, one point, as `twosome retain` has it."""


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; the first column is text, the others are numbers."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def tables(numbers: Selection, table: Mapping[str, Any]) -> str:
    """A table, or with ``split`` one for each value of a key, and the note below.

    Args:
        numbers: of the declared result files.
        table: its declaration; benchmarks/README.md says what it may have.
    """
    split = table.get("split")
    parts: list[dict[str, Any]] = [{split: value} for value in _values(numbers, table, split, {})] if split else [{}]
    made = [_table(numbers, table, part) for part in parts]
    told = {name: _cell(numbers, cell, {}) for name, cell in table.get("told", {}).items()}
    note = table.get("note", "{source}.").format(**numbers.told(), **told)
    return "\n\n".join([*made, note] if note else made)


def _table(numbers: Selection, table: Mapping[str, Any], part: dict[str, Any]) -> str:
    columns = [{**table.get("defaults", {}), **column} for column in table["columns"]]
    (heading, label), rows = table["label"], []
    for row in _rows(numbers, table, part):
        cells = [_cell(numbers, column, row) for column in columns]
        if any(cell not in ("", "-") for cell in cells):
            rows.append([label.format(**row), *cells])
    return markdown([heading.format(**part), *(column["title"] for column in columns)], rows)


def _rows(numbers: Selection, table: Mapping[str, Any], part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The keys of each row: every combination of the declared values, or the rows that are listed."""
    rows = table["rows"]
    if isinstance(rows, list):
        yield from ({**part, **row} for row in rows)
        return
    for values in itertools.product(*(_values(numbers, table, key, part) for key in rows)):
        yield {**part, **dict(zip(rows, values, strict=True))}


def _values(numbers: Selection, table: Mapping[str, Any], key: str, part: dict[str, Any]) -> list[Any]:
    """The declared values of a key, or with ``"*"`` all that the files have."""
    declared = table["parts"] if key == table.get("split") else table["rows"][key]
    return numbers.values(key, **part) if declared == "*" else list(declared)


def _filled(text: Any, row: Mapping[str, Any]) -> Any:
    return text.format(**row) if isinstance(text, str) else text


def _cell(numbers: Selection, column: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """What one cell shows."""
    wanted = {key: _filled(column.get(key, row.get(key)), row) for key in KEYS}
    found = numbers.find(**{key: value for key, value in wanted.items() if value is not None})
    if not found:
        return ""
    if column["show"] == "improvement":
        theirs = numbers.find(what=wanted["what"], world=wanted["world"], method=column["than"])
        return "" if wanted["method"] == column["than"] else _improvement(found, theirs)
    return SHOWN[column["show"]](found, column)


def _told(value: float, column: Mapping[str, Any]) -> str:
    scaled = float(value) * column.get("scale", 1)
    text: str = "-" if np.isinf(scaled) else column.get("format", "{:.3f}").format(scaled)
    return text.removeprefix("-") if set(text) < set("-0.%") and text != "-" else text  # no -0.0


def _between(low: float, high: float, column: Mapping[str, Any]) -> str:
    return f"{_told(low, column)} to {_told(high, column)}"


def _only(found: Sequence[Number]) -> Number:
    if len(found) > 1:
        raise SystemExit(f"{len(found)} numbers are meant where one is expected, as {found[0]}. Say which.")
    return found[0]


def _own_interval(found: Sequence[Number], column: Mapping[str, Any]) -> str:
    interval = _only(found).interval
    return "-" if interval is None else _between(*interval, column)


def _median_and_range(found: Sequence[Number], column: Mapping[str, Any]) -> str:
    values = means(found)
    return f"{_told(np.median(values), column)} ({_between(values.min(), values.max(), column)})"


def _iqm_interval(found: Sequence[Number], column: Mapping[str, Any]) -> str:
    return "-" if len(found) == 1 else _between(*iqm_interval([means(found)]), column)


def _verdicts(found: Sequence[Number], _: Mapping[str, Any]) -> str:
    """How often the claim that less than a point was lost is supported, refuted, or left open."""
    said = [verdict(number.interval) for number in found if number.interval is not None]
    return ", ".join(f"{said.count(word)} {word}" for word in dict.fromkeys(said))


def verdict(interval: tuple[float, float]) -> str:
    """What an interval of a drop says of the claim that less than `MARGIN` was lost."""
    return "supported" if interval[1] < MARGIN else "refuted" if interval[0] > MARGIN else "undecided"


def _improvement(found: Sequence[Number], theirs: Sequence[Number]) -> str:
    if len(found) < 2 or len(theirs) < 2:
        return ""
    pairs = [(means(found), means(theirs))]
    return "{:.0%} ({:.0%} to {:.0%})".format(probability_of_improvement(pairs), *improvement_interval(pairs))


SHOWN = {
    "value": lambda found, column: _told(means([_only(found)])[0], column),
    "interval": _own_interval,
    "n": lambda found, column: f"{found[0].n or 0:,}",
    "median": lambda found, column: _told(np.median(means(found)), column),
    "range": lambda found, column: _between(means(found).min(), means(found).max(), column),
    "median (range)": _median_and_range,
    "min": lambda found, column: _told(means(found).min(), column),
    "max": lambda found, column: _told(means(found).max(), column),
    "iqm": lambda found, column: _told(float(iqm(means(found))), column),
    "iqm interval": _iqm_interval,
    "count": lambda found, column: str(len(found)),
    "verdict": lambda found, column: verdict(_only(found).interval or (-np.inf, np.inf)),
    "verdicts": _verdicts,
}
"""What a column may show of the numbers that its cell finds."""
