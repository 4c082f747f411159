"""Means and their intervals, against NIST's certified values, tables, and input that allows none."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gittrack.errors import UsageError
from gittrack.stats.maths import (
    Interval,
    mean_interval,
    prediction_interval,
    runs_for,
    sd_interval,
    summary,
)
from gittrack.stats.maths.intervals import IDENTICAL, ONE, TOO_WIDE
from gittrack.stats.maths.quantiles import chi2_quantile, normal_quantile, t_quantile
from tests.stats.maths.nist import DATASETS, Dataset
from tests.tables import rows

THREE = [0.90, 0.91, 0.92]


@rows("data", DATASETS)
def test_certified_means_and_deviations(data: Dataset) -> None:
    """NIST StRD to its last printed digit; where the data themselves are not binary, to what they leave."""
    found = summary(data.values)
    assert found.mean == pytest.approx(data.mean, rel=1e-14)
    # 10000000.1 as a float is off by 4e-10, which is 4e-9 of the deviation 0.1.
    digits = {"NumAcc3": 1e-9, "NumAcc4": 1e-8, "Mavro": 1e-12, "Michelso": 1e-13}
    assert found.sd == pytest.approx(data.sd, rel=digits.get(data.name, 1e-14))
    assert found.sd == pytest.approx(statistics.stdev(data.values), rel=1e-13)


def test_numacc1_is_exact() -> None:
    """Mean 10000002 and deviation 1 without any error."""
    found = summary([10000001, 10000003, 10000002])
    assert (found.mean, found.sd) == (10000002, 1)


@rows(
    ("p", "freedom", "value"),
    [
        (0.975, 2, 4.302653),
        (0.975, 4, 2.776445),
        (0.95, 2, 2.919986),
        (0.95, 4, 2.131847),
        (0.975, 1, 12.7062),
    ],
)
def test_students_t_as_tables_have_it(p: float, freedom: int, value: float) -> None:
    """To the last printed digit."""
    digits = len(str(value).partition(".")[2])
    assert round(t_quantile(freedom, p), digits) == value


def test_other_quantiles_as_tables_have_them() -> None:
    """Normal and chi-square."""
    assert round(normal_quantile(0.975), 6) == 1.959964
    assert round(chi2_quantile(10, 0.95), 4) == 18.3070
    assert round(chi2_quantile(2, 0.05), 5) == 0.10259


def test_the_handbooks_interval() -> None:
    """NIST 1.3.5.2, ZARR13: n 195, mean 9.261460, s 0.02278881 give 9.258242 to 9.264679."""
    found = mean_interval(_with(195, 9.261460, 0.02278881))
    # The handbook prints the mean to six digits, and computed with all of them.
    assert (found.low, found.high) == pytest.approx((9.258242, 9.264679), abs=1e-6)
    assert found.high is not None
    assert round(found.high - found.mean, 5) == 0.00322


def _with(n: int, mean: float, sd: float) -> list[float]:
    """n values with this mean and deviation."""
    raw = [(-1.0) ** at for at in range(n - 1)] + [0.0]
    own, spread = statistics.fmean(raw), statistics.stdev(raw)
    return [mean + (value - own) / spread * sd for value in raw]


def test_three_runs() -> None:
    """0.90, 0.91, 0.92: interval of the mean, one-sided bounds, prediction."""
    two, one, more = mean_interval(THREE), mean_interval(THREE, sided="lower"), prediction_interval(THREE)
    assert (round(two.low or 0, 6), round(two.high or 0, 6)) == (0.885159, 0.934841)
    assert (round(one.low or 0, 6), one.high) == (0.893141, None)
    assert (round(more.low or 0, 6), round(more.high or 0, 6)) == (0.860317, 0.959683)
    upper = mean_interval(THREE, sided="upper")
    assert (upper.low, round(upper.high or 0, 6)) == (None, round(1.82 - 0.893141, 6))
    assert (two.n, two.confidence, two.sided, two.why) == (3, 0.95, "two", "")


@rows(("n", "two", "one"), [(3, 2.484, 1.686), (5, 1.242, 0.953)])
def test_half_widths_in_deviations(n: int, two: float, one: float) -> None:
    """How wide intervals of three and five runs are: ±2.484 s and ±1.242 s."""
    values = _with(n, 0, 1)
    assert round(mean_interval(values).high or 0, 3) == two
    assert round(-(mean_interval(values, sided="lower").low or 0), 3) == one
    assert mean_interval(values, sided="lower").low == pytest.approx(mean_interval(values, 0.9).low)


def test_prediction_of_three_runs_spans_nearly_five_deviations() -> None:
    """±4.97 s."""
    assert round(prediction_interval(_with(3, 0, 1)).high or 0, 2) == 4.97


def test_how_unsure_a_spread_is() -> None:
    """With three runs between 0.52 and 6.28 times s."""
    found = sd_interval([1, 2, 3])
    assert (round(found.low or 0, 2), round(found.high or 0, 2)) == (0.52, 6.28)


@rows(("half", "two", "one"), [(1, 7, 5), (0.5, 18, 13), (0.25, 64, 46), (0.1, 387, 273)])
def test_runs_for_a_half_width(half: float, two: int, one: int) -> None:
    """Exact, by t: the normal formula says 4, 16, 62, 385."""
    assert runs_for(half, 1) == two
    assert runs_for(half, 1, sided="lower") == runs_for(10 * half, 10, sided="upper") == one


@given(st.floats(0.01, 3), st.floats(0.5, 0.999))
def test_so_many_runs_are_enough_and_one_fewer_is_not(half: float, confidence: float) -> None:
    """The number is the smallest."""
    n = runs_for(half, 1, confidence)
    t = [t_quantile(max(m - 1, 1), (1 + confidence) / 2) / math.sqrt(m) for m in (n, n - 1)]
    assert t[0] <= half
    assert n == 2 or t[1] > half


@rows("find", [mean_interval, prediction_interval, sd_interval])
@rows(("values", "why"), [([0.9], ONE), ([0.9] * 5, IDENTICAL), ([0, 0.0], IDENTICAL)])
def test_without_spread_there_is_no_interval(find: object, values: list[float], why: str) -> None:
    """One run, or runs that are all alike: said, and no interval of width 0."""
    found: Interval = find(values)  # type: ignore[operator]
    assert (found.low, found.high, found.why) == (None, None, why)
    assert found.mean == values[0]
    assert found.sd == (None if len(values) == 1 else 0)


@rows("find", [summary, mean_interval, prediction_interval, sd_interval])
@rows(
    ("values", "message"),
    [([], "no values"), ([1, math.nan], "nan is no number"), ([math.inf], "inf is"), ([1, 10**400], "100")],
)
def test_values_that_are_none(find: object, values: list[float], message: str) -> None:
    """Nothing, NaN, infinity and numbers beyond floats are errors, not figures."""
    with pytest.raises(UsageError, match=message):
        find(values)  # type: ignore[operator]


@rows("confidence", [0, 1, -0.5, 95, math.nan])
def test_a_confidence_lies_between_0_and_1(confidence: float) -> None:
    """95 is none."""
    with pytest.raises(UsageError, match="between 0 and 1, such as"):
        mean_interval([1, 2], confidence)


@rows(("half", "sd"), [(0, 1), (-1, 1), (math.nan, 1), (1, 0), (1, math.inf), (1e-9, 1)])
def test_widths_that_no_number_of_runs_gives(half: float, sd: float) -> None:
    """Each an error of one line."""
    with pytest.raises(UsageError):
        runs_for(half, sd)


def test_an_interval_beyond_floats_is_said() -> None:
    """Values at the largest allowed, confidence near 1: no infinity comes out."""
    found = mean_interval([-1e300, 1e300], 1 - 1e-12)
    assert (found.low, found.high, found.why) == (None, None, TOO_WIDE)


finite = st.floats(-1e300, 1e300)


@given(st.lists(finite, min_size=1, max_size=30))
def test_any_values_give_finite_figures_or_a_reason(values: list[float]) -> None:
    """Never NaN, never infinity; the mean lies in the range and the interval around it."""
    for found in (mean_interval(values), prediction_interval(values)):
        assert math.isfinite(found.mean)
        slack = 1e-15 * max(abs(min(values)), abs(max(values)))
        assert min(values) - slack <= found.mean <= max(values) + slack
        if found.why:
            assert found.low is None
            assert found.high is None
        else:
            assert found.low is not None
            assert found.high is not None
            assert -math.inf < found.low <= found.mean <= found.high < math.inf


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20), st.floats(-1e3, 1e3), st.floats(0.01, 100))
def test_units_do_not_matter(values: list[float], shift: float, scale: float) -> None:
    """The interval of shifted and scaled values is the interval, shifted and scaled."""
    here, there = mean_interval(values), mean_interval([v * scale + shift for v in values])
    if here.low is not None and there.low is not None:
        size = max(map(abs, values)) * scale + abs(shift)
        assert there.low == pytest.approx(here.low * scale + shift, rel=1e-9, abs=1e-9 * size)
