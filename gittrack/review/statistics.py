"""Means and intervals of replicates, and whether two groups of them really differ.

Student's t interval of a mean, and Welch's test with its interval for the difference of two
means (B. L. Welch, Biometrika 34, 1947; degrees of freedom by Satterthwaite). Two-sided, 95 %.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of `n` values; `half` is half the width of its interval, None for n < 2."""

    n: int
    mean: float
    half: float | None


@dataclass(frozen=True, slots=True)
class Difference:
    """b - a with its interval; `real` where the interval leaves zero out.

    Without an interval `why` says why there is none, and `real` is None: nobody can tell.
    """

    difference: float
    low: float | None = None
    high: float | None = None
    p: float | None = None
    real: bool | None = None
    why: str = ""


def mean_of(values: Sequence[float]) -> Mean:
    """The mean of at least one finite value, with its t interval."""
    n, mean = len(values), statistics.fmean(values)
    if n < 2:
        return Mean(n, mean, None)
    return Mean(n, mean, _quantile(n - 1) * statistics.stdev(values) / math.sqrt(n))


def difference_of(a: Sequence[float], b: Sequence[float]) -> Difference:
    """The mean of `b` less that of `a`, by Welch's test. Each has at least one finite value."""
    difference = statistics.fmean(b) - statistics.fmean(a)
    if len(a) < 2 or len(b) < 2:
        return Difference(difference, why="n too small")
    parts = [statistics.variance(values) / len(values) for values in (a, b)]
    spread = sum(parts)
    if spread == 0:
        return Difference(difference, why="no spread: identical replicates")
    freedom = spread**2 / sum(part**2 / (len(values) - 1) for part, values in zip(parts, (a, b), strict=True))
    half = _quantile(freedom) * math.sqrt(spread)
    low, high = difference - half, difference + half
    return Difference(
        difference, low, high, _p(difference / math.sqrt(spread), freedom), not low <= 0 <= high
    )


# scipy.special has Student's distribution too, and loads in a tenth of the time of scipy.stats.


def _quantile(freedom: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.5 + CONFIDENCE / 2))


def _p(statistic: float, freedom: float) -> float:
    from scipy.special import stdtr

    return float(2 * stdtr(freedom, -abs(statistic)))
