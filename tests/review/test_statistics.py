"""Means, intervals and Welch's test, against published values and scipy's own test."""

from __future__ import annotations

import pytest

from gittrack.review.statistics import difference_of, mean_of


def test_the_interval_of_three_values() -> None:
    """Two-sided 95 %: t with 2 degrees of freedom is 4.302653."""
    found = mean_of([0.90, 0.91, 0.92])
    assert found.mean == pytest.approx(0.91)
    assert found.half == pytest.approx(0.024841, abs=1e-6)


def test_one_value_has_no_interval() -> None:
    """n = 1: a mean and nothing else."""
    assert mean_of([0.9]).half is None


def test_welch_as_scipy_has_it() -> None:
    """p and interval are those of scipy's ttest_ind with unequal variances."""
    from scipy.stats import ttest_ind

    a, b = [0.90, 0.91, 0.92, 0.905], [0.93, 0.96, 0.94]
    theirs = ttest_ind(b, a, equal_var=False)
    low, high = theirs.confidence_interval(0.95)
    ours = difference_of(a, b)
    assert (ours.p, ours.low, ours.high) == pytest.approx((theirs.pvalue, low, high))
    assert ours.real is True


def test_noise_is_no_real_difference() -> None:
    """An interval that holds zero."""
    assert difference_of([0.90, 0.95, 0.92], [0.91, 0.94, 0.93]).real is False


@pytest.mark.parametrize(
    ("a", "b", "why"),
    [
        ([0.9], [0.91, 0.92], "n too small"),
        ([0.9, 0.9], [0.9, 0.9], "no spread: identical replicates"),
    ],
)
def test_nobody_can_tell(a: list[float], b: list[float], why: str) -> None:
    """Without spread or replicates there is a difference and no verdict."""
    found = difference_of(a, b)
    assert (found.real, found.p, found.why) == (None, None, why)
