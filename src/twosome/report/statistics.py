"""Statistics over a few seeds, as recommended by Agarwal et al., 2021 (arXiv:2108.13264), in numpy.

Their library rliable is not used: with arch 7.2 and pandas 3 it cannot be imported, it brings 270 MB for these few
lines, and it ignores the random state that it is given, so that its intervals change with each call. The tests
compare with it where it is installed.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

RESAMPLES = 10_000
FROM_DECISIONS = 512
"""Before so many the few episodes that have ended are the short, lucky ones."""


def iqm(values: Floats, axis: int = 0) -> Floats:
    """Interquartile mean along an axis: the mean without the lowest and the highest quarter, rounded down.

    >>> float(iqm(np.array([0.0, 1.0, 2.0, 3.0, 100.0])))
    2.0
    """
    ordered = np.sort(values, axis=axis)
    count = values.shape[axis]
    cut = count // 4
    return np.asarray(ordered.take(range(cut, count - cut), axis=axis).mean(axis=axis))


def iqm_interval(strata: Sequence[Floats], resamples: int = RESAMPLES) -> tuple[Any, Any]:
    """95% percentile interval of the IQM over all runs, by drawing seeds anew within each stratum.

    Args:
        strata: for each world an array whose first axis is the seeds; further axes (points of a curve) are kept.
        resamples: how many draws.

    Returns:
        The lower and the upper bound, with the shape of the further axes.
    """
    rng = np.random.default_rng(0)
    drawn = [values[rng.integers(len(values), size=(resamples, len(values)))] for values in strata]
    low, high = np.percentile(iqm(np.concatenate(drawn, axis=1), axis=1), [2.5, 97.5], axis=0)
    return low, high


def probability_of_improvement(pairs: Sequence[tuple[Floats, Floats]]) -> float:
    """How probable it is that a run of the first method beats a run of the second; a tie counts half.

    Args:
        pairs: for each world the scores of both methods' seeds. The worlds' probabilities are averaged.
    """
    return float(np.mean([_wins(x[None], y[None])[0] for x, y in pairs]))


def improvement_interval(pairs: Sequence[tuple[Floats, Floats]], resamples: int = RESAMPLES) -> tuple[float, float]:
    """95% percentile interval of `probability_of_improvement`, by drawing each method's seeds anew in each world."""
    rng = np.random.default_rng(0)
    draw: Callable[[Floats], Floats] = lambda x: x[rng.integers(len(x), size=(resamples, len(x)))]  # noqa: E731
    low, high = np.percentile(np.mean([_wins(draw(x), draw(y)) for x, y in pairs], axis=0), [2.5, 97.5])
    return float(low), float(high)


def _wins(x: Floats, y: Floats) -> Floats:
    """Share of pairs that x wins, for each row."""
    first, second = x[:, :, None], y[:, None, :]
    share: Floats = ((first > second) + 0.5 * (first == second)).mean(axis=(1, 2))
    return share


def on_one_grid(curves: Sequence[tuple[Sequence[int], Sequence[float]]]) -> tuple[Floats, Floats]:
    """Curves at common places, linear in between, where all of them have values.

    Args:
        curves: for each seed its places, increasing, and its values.

    Returns:
        The places, and the values as seeds x places; both empty where no place is common to all.
    """
    empty = np.zeros(0), np.zeros((len(curves), 0))
    if not curves or any(not len(places) for places, _ in curves):
        return empty
    first, last = max(places[0] for places, _ in curves), min(places[-1] for places, _ in curves)
    grid = np.unique([place for places, _ in curves for place in places if first <= place <= last]).astype(np.float64)
    return (grid, np.array([np.interp(grid, places, values) for places, values in curves])) if len(grid) else empty


def decisions_to(curve: Sequence[tuple[int, float | None]], level: float) -> int | None:
    """First decision count from `FROM_DECISIONS` on at which the mean return of the last 100 episodes reached a level.

    Args:
        curve: decisions and mean return, update by update.
        level: the return to reach.
    """
    reached = (n for n, mean in curve if mean is not None and n >= FROM_DECISIONS and mean >= level)
    return next(reached, None)
