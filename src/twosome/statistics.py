"""Every formula by which numbers are judged: intervals, tests, averages over a few seeds, ratios of paired runs.

Those over seeds are as recommended by Agarwal et al., 2021 (arXiv:2108.13264), in numpy. Their library rliable is not
used: with arch 7.2 and pandas 3 it cannot be imported, it brings 270 MB for these few lines, and it ignores the random
state that it is given, so that its intervals change with each call. The tests compare with it where it is installed,
and the rest with scipy and statsmodels, which the package does without for the same reason: size.
"""

import math
import statistics
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

Z95 = 1.959963984540054
"""Standard deviations to either side that hold 95 % of a normal distribution."""
RESAMPLES = 10_000
_DRAWN_AT_ONCE = 1_000_000
"""How many values a bootstrap holds in memory."""
# 97.5 % quantiles of Student's t with 1, 2, ... degrees of freedom: a dozen numbers instead of a dependency.
_T975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179)


def middle_95(values: Any) -> tuple[float, float]:
    """The range of the middle 95% of resampled values: a percentile interval."""
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """95% interval of a success rate (Wilson, 1927); sensible at 0 and 1 too.

    >>> low, high = wilson_interval(100, 100)
    >>> round(low, 3), high
    (0.963, 1.0)
    """
    rate, spread = successes / trials, Z95 * Z95 / trials
    center = (rate + spread / 2) / (1 + spread)
    half = Z95 / (1 + spread) * math.sqrt(rate * (1 - rate) / trials + spread / (4 * trials))
    return (max(0.0, center - half) if successes else 0.0, min(1.0, center + half) if successes < trials else 1.0)


def difference_interval(first: tuple[int, int], second: tuple[int, int]) -> tuple[float, float]:
    """95% interval of one success rate minus another (Newcombe, 1998, from both Wilson intervals).

    Args:
        first: successes and trials.
        second: successes and trials of the rate that is subtracted.

    >>> low, high = difference_interval((1, 1), (0, 1))
    >>> round(low, 2), round(high, 2)
    (-0.12, 1.0)
    """
    a, b = first[0] / first[1], second[0] / second[1]
    (low_a, high_a), (low_b, high_b) = wilson_interval(*first), wilson_interval(*second)
    return a - b - math.hypot(a - low_a, high_b - b), a - b + math.hypot(high_a - a, b - low_b)


def bootstrap_means(values: Floats, rng: np.random.Generator, resamples: int = RESAMPLES) -> Floats:
    """Means of ``resamples`` draws of as many values as there are, with replacement.

    Drawn some at a time: all at once would take gigabytes for many episodes. The numbers are the same.
    """
    rows = max(1, _DRAWN_AT_ONCE // len(values))
    parts = [
        rng.choice(values, (min(rows, resamples - done), len(values))).mean(axis=1)
        for done in range(0, resamples, rows)
    ]
    return np.concatenate(parts)


def bootstrap_interval(values: Floats, resamples: int = RESAMPLES) -> tuple[float, float]:
    """95% percentile interval of the mean of ``values``, by resampling them (Efron, 1979)."""
    return middle_95(bootstrap_means(values, np.random.default_rng(0), resamples))


def stratified_means(strata: Sequence[Floats], rng: np.random.Generator) -> Floats:
    """Means over equally large strata, each resampled on its own (the stratified bootstrap); ``RESAMPLES`` of them."""
    total = np.zeros(RESAMPLES)
    for values in strata:
        # A stratum that does not vary, such as the planner's, needs no drawing.
        constant = np.ptp(values) == 0
        total += values[0] if constant else bootstrap_means(values, rng, RESAMPLES)
    return total / len(strata)


def drop_interval(lost: int, won: int, items: int) -> tuple[float, float]:
    """95% interval of a drop in accuracy between two answers to each of so many items: Tango's score interval (1998).

    It holds every drop that a score test with the observed counts does not reject; the test's variance is the one at
    that drop, not at the observed one, so that the interval has a width where no answer changed, too.

    >>> low, high = drop_interval(1, 0, 310)
    >>> round(low, 4), round(high, 4)
    (-0.0091, 0.018)
    """
    seen = (lost - won) / items

    def rejected(drop: float) -> bool:
        # The most probable share of won items if that of lost ones is greater by `drop`: root of a quadratic.
        half = (lost + won - (2 * items - lost + won) * drop) / 2
        share = (half + math.sqrt(half**2 + 2 * items * won * drop * (1 - drop))) / (2 * items)
        return items * (seen - drop) ** 2 > Z95**2 * (2 * share + drop * (1 - drop))

    def edge(outside: float) -> float:
        inside = seen
        for _ in range(60):
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if rejected(middle) else (middle, outside)
        return inside

    return edge(-1.0), edge(1.0)


def mean_drop_interval(counts: Sequence[tuple[int, int, int]]) -> tuple[float, float]:
    """95% interval of a mean drop over tasks of equal weight, from how many items each lost, won and has.

    >>> low, high = mean_drop_interval([(0, 0, 400)] * 5)
    >>> round(low, 4), round(high, 4)
    (-0.0043, 0.0043)
    """
    return mean_of_intervals([((lost - won) / items, drop_interval(lost, won, items)) for lost, won, items in counts])


def mean_of_intervals(tasks: Sequence[tuple[float, tuple[float, float]]]) -> tuple[float, float]:
    """Interval of a mean of independent estimates, each with its interval, by MOVER (Zou and Donner, 2008)."""
    below = math.hypot(*(estimate - low for estimate, (low, _) in tasks))
    above = math.hypot(*(high - estimate for estimate, (_, high) in tasks))
    total = sum(estimate for estimate, _ in tasks)
    return (total - below) / len(tasks), (total + above) / len(tasks)


def repeated_drop_interval(drops: Floats) -> tuple[float, float]:
    """95% interval of a mean drop over items like these, where each item's is a mean over several runs.

    An adjusted Wald interval, as those of Agresti and Coull (1998) for one share and of Bonett and Price (2012) for
    pairs, extended to means: z^2 / 2 items that were lost and as many that were won are added, which makes it
    `drop_interval` where no answer changed.

    >>> low, high = repeated_drop_interval(np.zeros(400))
    >>> round(low, 4), round(high, 4)
    (-0.0095, 0.0095)
    """
    items = len(drops) + Z95**2
    mean = float(drops.sum()) / items
    half = Z95 * math.sqrt(((float((drops**2).sum()) + Z95**2) / items - mean**2) / items)
    return mean - half, mean + half


def mcnemar(lost: int, won: int) -> float:
    """Two-sided exact p-value of the hypothesis that an item which changed is as often lost as won.

    >>> mcnemar(0, 0), mcnemar(5, 5), mcnemar(6, 0)
    (1.0, 1.0, 0.03125)
    """
    changed = lost + won
    tail = sum(math.comb(changed, k) for k in range(min(lost, won) + 1))
    return min(1.0, float(2 * tail / 2**changed))


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
        strata: for each environment an array whose first axis is the seeds; further axes (points of a curve) are kept.
        resamples: how many draws.

    Returns:
        The lower and the upper bound, with the shape of the further axes.
    """
    rng = np.random.default_rng(0)
    drawn = [_drawn(values, rng, resamples) for values in strata]
    low, high = np.percentile(iqm(np.concatenate(drawn, axis=1), axis=1), [2.5, 97.5], axis=0)
    return low, high


def probability_of_improvement(pairs: Sequence[tuple[Floats, Floats]]) -> float:
    """How probable it is that a run of the first method beats a run of the second; a tie counts half.

    Args:
        pairs: for each environment the scores of both methods' seeds. The environments' probabilities are averaged.
    """
    return float(np.mean([_wins(x[None], y[None])[0] for x, y in pairs]))


def improvement_interval(pairs: Sequence[tuple[Floats, Floats]], resamples: int = RESAMPLES) -> tuple[float, float]:
    """95% percentile interval of `probability_of_improvement`; seeds are drawn anew in each environment."""
    rng = np.random.default_rng(0)
    shares = [_wins(_drawn(x, rng, resamples), _drawn(y, rng, resamples)) for x, y in pairs]
    return middle_95(np.mean(shares, axis=0))


def median_ratio_interval(above: Floats, below: Floats) -> tuple[float, float]:
    """95% percentile interval of the ratio of two medians, by drawing the seeds of both anew; infinite is never."""
    rng = np.random.default_rng(0)
    return middle_95(np.median(_drawn(above, rng), axis=1) / np.median(_drawn(below, rng), axis=1))


def mean_difference_interval(first: Floats, second: Floats) -> tuple[float, float]:
    """95% percentile interval of one mean minus another, by drawing the seeds of both anew."""
    rng = np.random.default_rng(0)
    return middle_95(_drawn(first, rng).mean(axis=1) - _drawn(second, rng).mean(axis=1))


def _drawn(values: Floats, rng: np.random.Generator, resamples: int = RESAMPLES) -> Floats:
    """Seeds drawn anew: resamples x seeds, and further axes."""
    drawn: Floats = values[rng.integers(len(values), size=(resamples, len(values)))]
    return drawn


def _wins(x: Floats, y: Floats) -> Floats:
    """Share of pairs that x wins, for each row."""
    first, second = x[:, :, None], y[:, None, :]
    share: Floats = ((first > second) + 0.5 * (first == second)).mean(axis=(1, 2))
    return share


def quartiles(values: Sequence[float]) -> list[float]:
    """First quartile, median, third quartile, between the values that were seen; five significant digits.

    >>> quartiles([1.0, 2.0, 3.0, 4.0, 5.0]), quartiles([7.0])
    ([2.0, 3.0, 4.0], [7.0, 7.0, 7.0])
    """
    if len(values) == 1:
        return [float(f"{values[0]:.5g}")] * 3
    return [float(f"{q:.5g}") for q in statistics.quantiles(values, n=4, method="inclusive")]


def paired_ratio(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Quartiles of the ratios of paired runs."""
    return quartiles([a / b for a, b in zip(above, below, strict=True)])


def rank_correlation(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Spearman's correlation; equal values share their mean rank."""
    return float(np.corrcoef(_ranks(first), _ranks(second))[0, 1])


def _ranks(values: NDArray[Any]) -> Floats:
    """Ranks, equal values sharing their mean."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return ranks


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> dict[str, Any]:
    """The b of ``cost = a * size ** b`` that fits best, with its 95 % interval.

    The interval is the usual one of a straight line, with the residuals' own spread; it takes what bends (a constant
    part, a quadratic part) for noise, so a wide one also says that no single exponent describes the curve.

    Args:
        sizes: at least three, all positive, not all equal.
        costs: one for each size, all positive.

    >>> exponent([1.0, 2.0, 4.0, 8.0], [3.0, 12.0, 48.0, 192.0])
    {'exponent': 2.0, 'ci95': [2.0, 2.0]}
    """
    x, y = np.log(np.asarray(sizes, dtype=float)), np.log(np.asarray(costs, dtype=float))
    centered = x - x.mean()
    slope = float((centered * y).sum() / (centered**2).sum())
    residuals = y - y.mean() - slope * centered
    freedom = len(x) - 2
    error = float(np.sqrt((residuals**2).sum() / freedom / (centered**2).sum()))
    half = _T975[freedom - 1] * error
    return {"exponent": round(slope, 3) + 0.0, "ci95": [round(slope - half, 3), round(slope + half, 3)]}
