"""What was set out for, what was measured, and whether that reaches it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.pages.selection import Selection, means
from benchmarks.pages.tables import markdown
from twosome.report.numbers import Number
from twosome.statistics import (
    mean_difference_interval,
    median_ratio_interval,
    probability_of_improvement,
)

SOLVED = 0.95
"""Success rate from which a seed counts as having solved a task."""
Judged = tuple[str, bool]
"""What was measured, and whether that is the goal."""


def goals(numbers: Selection, table: Mapping[str, Any]) -> str:
    """A row for each goal; for each of ``ours`` what was measured and whether the goal is reached."""
    header = ["goal", "wanted"]
    for title in table["ours"].values():
        header += [title, "reached"]
    rows = [
        [goal["goal"], goal["wanted"], *(cell for ours in table["ours"] for cell in _cells(numbers, goal, ours))]
        for goal in table["goals"]
    ]
    return markdown(header, rows)


def _cells(numbers: Selection, goal: Mapping[str, Any], ours: str) -> list[str]:
    found = _found(numbers, goal, ours)
    if not found:
        return ["not measured", ""]
    told, reached = JUDGES[goal["judge"]](found, _theirs(numbers, goal, ours), goal)
    return [told, "yes" if reached else "**no**"]


def _found(numbers: Selection, goal: Mapping[str, Any], method: str) -> list[Number]:
    return _measured(numbers, goal, goal["what"], goal.get("method", method))


def _theirs(numbers: Selection, goal: Mapping[str, Any], ours: str) -> list[Number]:
    """Whom we are compared with, of several the best: by the median, then the mean."""
    what = goal.get("than_what", goal["what"])
    measured = [_measured(numbers, goal, what, method.format(ours=ours)) for method in goal.get("than", [])]
    best = min if goal["judge"] in ("sooner", "fewer") else max
    return best(measured, key=lambda rows: (np.median(means(rows)), np.mean(means(rows))), default=[])


def _measured(numbers: Selection, goal: Mapping[str, Any], what: str, method: str) -> list[Number]:
    """Numbers of a method; in a mean what was never reached counts as the run's whole budget."""
    found = numbers.find(what=what, world=goal["world"], method=method)
    if goal["judge"] != "fewer":
        return found
    budget = {n.seed: n.mean for n in numbers.find(what="decisions", world=goal["world"], method=method)}
    return [replace(n, mean=budget[n.seed]) if n.mean is None else n for n in found]


def _bound(ours: Sequence[Number], _: Sequence[Number], goal: Mapping[str, Any]) -> Judged:
    """A single number, with its interval, at least or at most something."""
    (number,) = ours
    assert number.mean is not None
    reached = number.mean <= goal["at_most"] if "at_most" in goal else number.mean >= goal["at_least"]
    form = goal.get("format", "{:.3g}x")
    between = "" if number.interval is None else " ({:.3g} to {:.3g})".format(*number.interval)
    return form.format(number.mean) + between, reached


def _sooner(ours: Sequence[Number], theirs: Sequence[Number], goal: Mapping[str, Any]) -> Judged:
    """The ratio of the medians, with its bootstrap interval over the seeds of both."""
    first, second = means(ours), means(theirs)
    ratio = float(np.median(first) / np.median(second))
    low, high = median_ratio_interval(first, second)
    return f"{ratio:.2f} ({low:.2f} to {high:.2f})", ratio <= goal["at_most"]


def _solves(ours: Sequence[Number], theirs: Sequence[Number], _: Mapping[str, Any]) -> Judged:
    solved, others = (int((means(rows) >= SOLVED).sum()) for rows in (ours, theirs))
    return f"{solved} of {len(ours)} / {others} of {len(theirs)}", solved == len(ours) and others < len(theirs)


def _earns_more(ours: Sequence[Number], theirs: Sequence[Number], _: Mapping[str, Any]) -> Judged:
    told, low, _high = _difference(ours, theirs, "{:.2f}")
    return told, low > 0


def _fewer(ours: Sequence[Number], theirs: Sequence[Number], _: Mapping[str, Any]) -> Judged:
    told, _low, high = _difference(ours, theirs, "{:+,.0f}")
    return told, high < 0


def _difference(ours: Sequence[Number], theirs: Sequence[Number], form: str) -> tuple[str, float, float]:
    """Of the means, told with its interval over the seeds of both, and the interval."""
    first, second = means(ours), means(theirs)
    low, high = mean_difference_interval(first, second)
    difference, below, above = map(form.format, (first.mean() - second.mean(), low, high))
    return f"{difference} ({below} to {above})", low, high


def _beats(ours: Sequence[Number], theirs: Sequence[Number], _: Mapping[str, Any]) -> Judged:
    first, second = means(ours), means(theirs)
    chance = probability_of_improvement([(first, second)])
    return f"{np.median(first):.3f} / {np.median(second):.3f}, {chance:.0%} of pairs", chance > 0.5


JUDGES = {
    "bound": _bound,
    "sooner": _sooner,
    "fewer": _fewer,
    "solves": _solves,
    "earns more": _earns_more,
    "beats": _beats,
}
"""How a goal may be judged."""
