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
    found = numbers.find(what=goal["what"], world=goal["world"], method=goal.get("method", method))
    return _within_budget(numbers, found) if goal["judge"] == "fewer" else found


def _theirs(numbers: Selection, goal: Mapping[str, Any], ours: str) -> list[Number]:
    """Whom we are compared with, of several the best: the higher median, then mean, or the fewest in the mean."""
    than = [method.format(ours=ours) for method in goal.get("than", [])]
    what = goal.get("than_what", goal["what"])
    measured = [numbers.find(what=what, world=goal["world"], method=method) for method in than]
    if goal["judge"] == "fewer":
        return min((_within_budget(numbers, rows) for rows in measured), key=lambda rows: np.mean(means(rows)))
    return max(measured, key=lambda rows: (np.median(means(rows)), np.mean(means(rows))), default=[])


def _within_budget(numbers: Selection, found: Sequence[Number]) -> list[Number]:
    """The same, but that what was never reached counts as the run's whole budget."""
    budget = {
        (n.method, n.world, n.seed): n.mean for row in found for n in numbers.find(what="decisions", method=row.method)
    }
    return [replace(n, mean=budget[n.method, n.world, n.seed]) if n.mean is None else n for n in found]


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
    first, second = means(ours), means(theirs)
    low, high = mean_difference_interval(first, second)
    return f"{first.mean() - second.mean():.2f} ({low:.2f} to {high:.2f})", low > 0


def _fewer(ours: Sequence[Number], theirs: Sequence[Number], _: Mapping[str, Any]) -> Judged:
    first, second = means(ours), means(theirs)
    low, high = mean_difference_interval(first, second)
    return f"{first.mean() - second.mean():+,.0f} ({low:+,.0f} to {high:+,.0f})", high < 0


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
