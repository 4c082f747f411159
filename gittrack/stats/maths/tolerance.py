"""Tolerance intervals: where a given share of all further runs lies, with a given confidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from gittrack.errors import UsageError
from gittrack.stats.maths.intervals import (
    CONFIDENCE,
    TOO_WIDE,
    Interval,
    Sided,
    check_confidence,
    no_spread,
    summary,
)
from gittrack.stats.maths.quantiles import chi2_quantile, normal_quantile

_NODES = 100
_REACH = 8.5
"""Standard errors of the mean beyond which nothing of a normal density counts."""


def tolerance_interval(
    values: Sequence[float],
    coverage: float = 0.95,
    confidence: float = CONFIDENCE,
    sided: Sided = "two",
) -> Interval:
    """x̄ ± k·s, which holds at least the share `coverage` of the runs to come with `confidence`.

    For a normal distribution, with the exact factor k of `tolerance_factor`. With three runs and
    .95/.95 it spans ±9.79 s: so little do three runs say about nearly all others.
    Edge cases and errors are those of `mean_interval`.
    """
    sample = summary(values)
    check_confidence(confidence)
    _check_coverage(coverage)
    why = no_spread(sample)
    low = high = None
    if not why and sample.sd is not None:
        half = tolerance_factor(sample.n, coverage, confidence, sided) * sample.sd
        low, high = sample.mean - half, sample.mean + half
        if not math.isfinite(half):
            low, high, why = None, None, TOO_WIDE
    return Interval(
        sample.n, sample.mean, sample.sd,
        None if sided == "upper" else low, None if sided == "lower" else high,
        confidence, sided, why,
    )  # fmt: skip


def tolerance_factor(
    n: int,
    coverage: float,
    confidence: float,
    sided: Sided = "two",
    method: Literal["exact", "approximate"] = "exact",
) -> float:
    """k of a tolerance interval x̄ ± k·s from `n` values of a normal distribution; n >= 2.

    One-sided, exact: k₁ = t'(confidence; n - 1, z_p·√n)/√n, by the noncentral t; approximate: the
    closed form of M. G. Natrella, "Experimental Statistics", NBS Handbook 91, 1963.
    Two-sided, exact: the k₂ at which P[Φ(x̄ + k₂s) - Φ(x̄ - k₂s) ≥ coverage] = confidence, integrated
    over x̄ (ISO 16269-6:2014, annex; R. E. Odeh, 1978); approximate: z·√((n-1)(1 + 1/n)/χ²), W. G. Howe,
    JASA 64, 1969. Both approximations: NIST/SEMATECH e-Handbook 7.2.6.3, where n = 43, 90 % and 99 %
    give k₂ = 2.2173 (exact: 2.2228), k₁ = 1.8752 (exact: 1.8740).
    """
    check_confidence(confidence)
    _check_coverage(coverage)
    if n < 2:
        raise UsageError("a tolerance interval needs two values or more")
    if sided == "two":
        exact = method == "exact"
        return _two_sided(n, coverage, confidence) if exact else _howe(n, coverage, confidence)
    return _one_sided(n, coverage, confidence) if method == "exact" else _natrella(n, coverage, confidence)


def _check_coverage(coverage: float) -> None:
    if not 0 < coverage < 1:
        raise UsageError(f"a share of runs must lie between 0 and 1, such as 0.95, not {coverage}")


def _one_sided(n: int, coverage: float, confidence: float) -> float:
    from scipy.special import nctdtrit

    return float(nctdtrit(n - 1, normal_quantile(coverage) * math.sqrt(n), confidence)) / math.sqrt(n)


def _natrella(n: int, coverage: float, confidence: float) -> float:
    z, g = normal_quantile(coverage), normal_quantile(confidence)
    a, b = 1 - g * g / (2 * (n - 1)), z * z - g * g / n
    if a <= 0 or z * z < a * b:
        raise UsageError(f"the approximation does not hold for {n} values: take the exact factor")
    return (z + math.sqrt(z * z - a * b)) / a


def _howe(n: int, coverage: float, confidence: float) -> float:
    chi2 = chi2_quantile(n - 1, 1 - confidence)
    return normal_quantile((1 + coverage) / 2) * math.sqrt((n - 1) * (1 + 1 / n) / chi2)


def _two_sided(n: int, coverage: float, confidence: float) -> float:
    """By Gauss-Legendre over the mean: off by z, k·s has to reach the r with Φ(z+r) - Φ(z-r) = p."""
    import numpy as np
    from scipy.special import chdtrc, chndtrix

    x, weight = np.polynomial.legendre.leggauss(_NODES)
    top = _REACH / math.sqrt(n)
    z = (x + 1) / 2 * top
    density = math.sqrt(2 * n / math.pi) * np.exp(-n * z * z / 2) * weight * top / 2
    reach = chndtrix(coverage, 1, z * z)  # r squared: a noncentral chi-square of one degree

    def reached(k: float) -> float:
        return float((density * chdtrc(n - 1, (n - 1) * reach / (k * k))).sum())

    low, high = 1e-9, 1.0
    while reached(high) < confidence and high < 1e15:
        low, high = high, high * 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if reached(middle) < confidence else (low, middle)
    return high
