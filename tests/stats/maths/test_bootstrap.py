"""The bootstrap: as scipy has it where it is allowed, refused where it would mislead."""

from __future__ import annotations

import pytest

from gittrack.errors import UsageError
from gittrack.stats.maths import bootstrap_interval
from gittrack.stats.maths.bootstrap import stratified, why_not_stratified
from gittrack.stats.maths.intervals import IDENTICAL
from tests.tables import rows

# The law school data: B. Efron and R. Tibshirani, "An Introduction to the Bootstrap", 1993, table 3.1, LSAT.
LSAT = [576, 635, 558, 578, 666, 580, 555, 661, 651, 605, 653, 575, 545, 572, 594]


@rows("method", ["BCa", "percentile"])
def test_as_scipy_has_it(method: str) -> None:
    """The mean's interval within what resampling leaves open."""
    from scipy.stats import bootstrap

    theirs = bootstrap(
        (LSAT,), lambda x, axis: x.mean(axis=axis), method=method, n_resamples=50_000, random_state=1
    ).confidence_interval
    found = bootstrap_interval(LSAT, method=method)  # type: ignore[arg-type]
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=1.0)
    assert found.mean == pytest.approx(600.2667, abs=1e-4)


def test_any_statistic_may_be_given() -> None:
    """The median, by percentiles, lies among the values."""
    import numpy as np

    found = bootstrap_interval(LSAT, lambda rows: np.median(rows, axis=-1), method="percentile")
    assert found.low in LSAT
    assert found.high in LSAT


def test_the_same_seed_gives_the_same_interval() -> None:
    """And another one nearly the same."""
    one, two, other = (bootstrap_interval(LSAT, seed=seed) for seed in (3, 3, 4))
    assert one == two
    assert one != other
    assert one.low == pytest.approx(other.low, abs=2)


@rows("n", range(1, 10))
def test_refused_below_ten(n: int) -> None:
    """With the number, and what it would do."""
    found = bootstrap_interval([float(value) for value in range(n)])
    assert (found.low, found.high) == (None, None)
    assert found.why == (
        f"a bootstrap of {n} is refused: below 10 it covers less than it claims, as 67 % at n = 3"
    )


def test_identical_values_have_none() -> None:
    """scipy gives NaN."""
    assert bootstrap_interval([0.9] * 20).why == IDENTICAL


def test_values_that_are_none() -> None:
    """Errors as elsewhere."""
    with pytest.raises(UsageError):
        bootstrap_interval([])
    with pytest.raises(UsageError):
        bootstrap_interval([float("nan")] * 12)


def test_strata_are_drawn_each_by_itself() -> None:
    """The share of each task stays what it is, so that tasks that never change give no spread."""
    import numpy as np

    drawn = stratified([[1.0] * 5, [2.0] * 5], lambda rows: np.concatenate(rows, axis=1).mean(axis=1))
    assert set(drawn) == {1.5}
    assert len(drawn) == 9_999


def test_when_strata_are_refused() -> None:
    """A single run of a task, or too few in all."""
    assert "single run" in why_not_stratified([[1.0], [1.0] * 20])
    assert "bootstrap of 4 is refused" in why_not_stratified([[1.0, 2.0], [1.0, 2.0]])
    assert why_not_stratified([[1.0, 2.0]] * 5) == ""
