"""The exponent with which a cost grows: least squares on logarithms."""

from collections.abc import Sequence
from typing import Any

import numpy as np

# 97.5 % quantiles of Student's t with 1, 2, ... degrees of freedom: a dozen numbers instead of a dependency.
_T975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179)


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
