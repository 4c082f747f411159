"""Tolerance factors, against NIST's handbook, published tables and the definition."""

from __future__ import annotations

import math

import pytest

from gittrack.errors import UsageError
from gittrack.stats.maths import tolerance_factor, tolerance_interval
from gittrack.stats.maths.intervals import IDENTICAL, ONE
from tests.tables import rows


def test_the_handbooks_example() -> None:
    """NIST 7.2.6.3, n 43, 90 % of all with 99 %: Howe's k2, Natrella's and the exact k1."""
    assert round(tolerance_factor(43, 0.90, 0.99, method="approximate"), 4) == 2.2173
    assert round(tolerance_factor(43, 0.90, 0.99, "lower"), 4) == 1.8740
    assert round(tolerance_factor(43, 0.90, 0.99, "upper", "approximate"), 4) == 1.8752


@rows(("n", "k"), [(2, 36.519), (3, 9.789), (5, 5.077), (10, 3.393)])
def test_exact_two_sided_factors(n: int, k: float) -> None:
    """95 % of all with 95 %, as ISO 16269-6 has them; three runs span ±9.79 s."""
    assert round(tolerance_factor(n, 0.95, 0.95), 3) == k


@rows(("n", "k"), [(2, 26.260), (3, 7.656), (5, 4.203), (10, 2.911)])
def test_exact_one_sided_factors(n: int, k: float) -> None:
    """95 % of all with 95 %, as tables of the noncentral t have them."""
    assert round(tolerance_factor(n, 0.95, 0.95, "upper"), 3) == k


@rows("n", [2, 3, 10, 100, 1000])
@rows("coverage", [0.5, 0.9, 0.999])
def test_one_sided_by_the_definition(n: int, coverage: float) -> None:
    """P(x̄ + k·s lies above the quantile) is the confidence, by integration over x̄."""
    import numpy as np
    from scipy.special import chdtrc, ndtri

    k = tolerance_factor(n, coverage, 0.95, "upper")
    x, weight = np.polynomial.legendre.leggauss(400)
    z = 9 * x
    density = np.exp(-z * z / 2) / math.sqrt(2 * math.pi) * 9 * weight
    need = np.maximum(ndtri(coverage) * math.sqrt(n) - z, 0)  # of k·√n·s, in standard errors
    reached = chdtrc(n - 1, (n - 1) * (need / (k * math.sqrt(n))) ** 2)
    assert float((density * reached).sum()) == pytest.approx(0.95, abs=2e-4)


def test_more_runs_narrow_it_to_the_normal_quantile() -> None:
    """Never below 1.96, and close to it with very many."""
    factors = [tolerance_factor(n, 0.95, 0.95) for n in (2, 3, 10, 100, 10_000)]
    assert factors == sorted(factors, reverse=True)
    assert 1.96 < factors[-1] < 2.0


def test_the_interval_is_mean_and_factor() -> None:
    """And its one-sided forms have one end."""
    found = tolerance_interval([1, 2, 3])
    assert (found.low, found.high) == pytest.approx((2 - 9.788752, 2 + 9.788752), abs=1e-5)
    assert tolerance_interval([1, 2, 3], sided="lower").high is None
    assert tolerance_interval([1, 2, 3], sided="upper").low is None


@rows(("values", "why"), [([1.0], ONE), ([1.0, 1.0], IDENTICAL)])
def test_no_spread_no_interval(values: list[float], why: str) -> None:
    """As with other intervals."""
    found = tolerance_interval(values)
    assert (found.low, found.high, found.why) == (None, None, why)


def test_what_cannot_be_asked() -> None:
    """One value, shares and confidences outside (0, 1), an approximation that does not hold."""
    for arguments in ((1, 0.9, 0.9), (5, 0, 0.9), (5, 1, 0.9), (5, 0.9, 1)):
        with pytest.raises(UsageError):
            tolerance_factor(*arguments)
    with pytest.raises(UsageError, match="does not hold"):
        tolerance_factor(2, 0.99, 0.99, "upper", "approximate")
