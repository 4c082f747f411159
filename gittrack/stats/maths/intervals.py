"""What a few values of one metric say: mean and spread, the interval of the mean, that of one more run.

All of it takes the values for independent draws from one normal distribution. Student's t is that
of `scipy.special`, which loads in a tenth of the time of `scipy.stats`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gittrack.errors import UsageError
from gittrack.stats.maths.quantiles import chi2_quantile, t_quantile

Sided = Literal["two", "lower", "upper"]
CONFIDENCE = 0.95

ONE = "one run has no spread"
IDENTICAL = "identical values: no spread"
TOO_WIDE = "wider than numbers go"
LARGEST = 1e300
"""Values beyond it are refused: sums and spreads of them may be more than a float holds."""


@dataclass(frozen=True, slots=True)
class Summary:
    """`n` values in short, in their own unit. `sd` has n - 1 below it; None for n < 2."""

    n: int
    mean: float
    sd: float | None
    low: float
    """The smallest value."""
    high: float


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval with the mean and spread that it comes from, in the unit of the values.

    A one-sided interval has one end: ``lower`` has `low`, ``upper`` has `high`. Where there is
    none at all, both are None and `why` says why.
    """

    n: int
    mean: float
    sd: float | None
    low: float | None
    high: float | None
    confidence: float
    sided: Sided
    why: str = ""


def summary(values: Sequence[float]) -> Summary:
    """Mean, standard deviation and range of at least one finite value. UsageError without one.

    Sums are exact until the end (`math.fsum`), and deviations are taken from the mean and scaled,
    so that neither a large mean beside a small spread nor very small values lose digits.
    Held against the certified values of NIST's StRD, https://www.itl.nist.gov/div898/strd/univ/.
    """
    finite = checked(values)
    low, high, n = min(finite), max(finite), len(finite)
    if low == high:
        return Summary(n, low, 0.0 if n > 1 else None, low, high)
    mean = math.fsum(finite) / n
    deviations = [value - mean for value in finite]
    widest = max(map(abs, deviations))
    parts = [deviation / widest for deviation in deviations]
    # The second term takes out what rounding the mean has left in the first (Chan et al. 1983).
    squares = math.fsum(part * part for part in parts) - math.fsum(parts) ** 2 / n
    return Summary(n, mean, widest * math.sqrt(squares / (n - 1)), low, high)


def mean_interval(values: Sequence[float], confidence: float = CONFIDENCE, sided: Sided = "two") -> Interval:
    """Student's interval of the mean: x̄ ± t·s/√n, with t at (1 + confidence)/2 and n - 1 degrees.

    One-sided, t is at `confidence`, and the interval has its lower or its upper end only: the 95 %
    one-sided bound is an end of the two-sided 90 % interval. Source: Student, "The probable error of
    a mean", Biometrika 6, 1908; NIST/SEMATECH e-Handbook 1.3.5.2.

    One value, or values that are all alike, have no interval: the spread is unknown, not zero.
    UsageError for no value, one that is not finite, or a confidence outside (0, 1).
    """
    sample = summary(values)
    return _interval(sample, 1 / math.sqrt(sample.n), confidence, sided)


def prediction_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Where one more run will lie, two-sided: x̄ ± t·s·√(1 + 1/n).

    It holds one further value from the same distribution with the given confidence; it is not the
    interval of the mean, nor one for all further runs. Source: G. J. Hahn and W. Q. Meeker,
    "Statistical Intervals", 1991, section 4.7. Edge cases and errors are those of `mean_interval`.
    """
    sample = summary(values)
    return _interval(sample, math.sqrt(1 + 1 / sample.n), confidence, "two")


def _interval(sample: Summary, width: float, confidence: float, sided: Sided) -> Interval:
    check_confidence(confidence)
    why = no_spread(sample)
    low = high = None
    if not why and sample.sd is not None:
        t = t_quantile(sample.n - 1, (1 + confidence) / 2 if sided == "two" else confidence)
        half = t * width * sample.sd
        low, high = sample.mean - half, sample.mean + half
        if not math.isfinite(low) or not math.isfinite(high):
            low, high, why = None, None, TOO_WIDE
    return Interval(
        sample.n, sample.mean, sample.sd,
        None if sided == "upper" else low, None if sided == "lower" else high,
        confidence, sided, why,
    )  # fmt: skip


def no_spread(sample: Summary) -> str:
    """Why no interval can be had from these values; empty if one can."""
    if sample.sd is None:
        return ONE
    return IDENTICAL if sample.sd == 0 else ""


def sd_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """The interval of the standard deviation itself: s·√((n-1)/χ²), two-sided; `mean` is that of the values.

    With three runs it reaches from 0.52 to 6.28 times s: a figure that rests on s is that unsure.
    Source: NIST/SEMATECH e-Handbook 7.2.3.1. Edge cases and errors are those of `mean_interval`.
    """
    sample = summary(values)
    check_confidence(confidence)
    why = no_spread(sample)
    low = high = None
    if not why and sample.sd is not None:
        ends = (chi2_quantile(sample.n - 1, (1 + side * confidence) / 2) for side in (1, -1))
        low, high = (sample.sd * math.sqrt((sample.n - 1) / end) for end in ends)
    return Interval(sample.n, sample.mean, sample.sd, low, high, confidence, "two", why)


def runs_for(half_width: float, sd: float, confidence: float = CONFIDENCE, sided: Sided = "two") -> int:
    """The smallest n with t·sd/√n ≤ `half_width`: runs in all, not further ones.

    `half_width` and `sd` are in the unit of the metric. t depends on n, so this goes by trial; the
    formula with the normal quantile gives too few (4 for 7 at half_width = sd). Source: NIST/SEMATECH
    e-Handbook 7.2.2.2. UsageError for a width or spread that is not finite and above 0, or for which
    more than 10^9 runs are needed.
    """
    check_confidence(confidence)
    if not (math.isfinite(half_width) and half_width > 0):
        raise UsageError(f"a half-width must be a number above 0, not {half_width}")
    if not (math.isfinite(sd) and sd > 0):
        raise UsageError(f"a standard deviation must be a number above 0, not {sd}")
    p = (1 + confidence) / 2 if sided == "two" else confidence

    def enough(n: int) -> bool:
        return t_quantile(n - 1, p) * sd <= half_width * math.sqrt(n)

    few, many = 1, 2
    while not enough(many):
        few, many = many, many * 2
        if many > 2 * 10**9:
            raise UsageError(f"a half-width of {half_width} needs more than 10^9 runs: choose a wider one")
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if enough(middle) else (middle, many)
    return many


def checked(values: Sequence[float]) -> list[float]:
    """`values` as floats; UsageError if there is none, or one is not finite or beyond 10^300."""
    if not values:
        raise UsageError("no values")
    odd = next((value for value in values if not abs(value) <= LARGEST), None)
    if odd is not None:
        raise UsageError(f"{str(odd)[:20]} is no number that statistics take: finite, and within ±10^300")
    return [float(value) for value in values]


def check_confidence(confidence: float) -> None:
    """UsageError unless 0 < confidence < 1."""
    if not 0 < confidence < 1:
        raise UsageError(f"a confidence must lie between 0 and 1, such as 0.95, not {confidence}")
