"""Welch, paired t, TOST and Holm, against R's documented results, scipy's, and input that allows none."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gittrack.errors import UsageError
from gittrack.stats.maths import equivalence, holm, paired, welch
from gittrack.stats.maths.difference import NO_SPREAD, NO_SPREAD_PAIRED, TOO_FEW
from tests.tables import rows

# Student's sleep data (R: datasets::sleep): extra hours of sleep of ten people under two drugs.
DRUG_1 = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
DRUG_2 = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]


def test_welch_of_the_sleep_data() -> None:
    """R's t.test(extra ~ group): t 1.8608, df 17.776, p 0.07939, -0.2054832 to 3.3654832."""
    found = welch(DRUG_1, DRUG_2)
    assert found.difference == pytest.approx(1.58)
    assert round(found.difference / (found.error or 1), 4) == 1.8608
    assert (round(found.freedom or 0, 3), round(found.p or 0, 5)) == (17.776, 0.07939)
    assert (round(found.low or 0, 7), round(found.high or 0, 7)) == (-0.2054832, 3.3654832)
    assert found.real is False


def test_pairs_of_the_sleep_data() -> None:
    """R's t.test(..., paired = TRUE): t 4.0621, df 9, p 0.002833, 0.7001142 to 2.4598858."""
    found = paired(DRUG_1, DRUG_2)
    assert round(found.difference / (found.error or 1), 4) == 4.0621
    assert (found.freedom, round(found.p or 0, 6)) == (9, 0.002833)
    assert (round(found.low or 0, 7), round(found.high or 0, 7)) == (0.7001142, 2.4598858)
    assert found.real is True


def test_as_scipy_has_it() -> None:
    """p and interval of both tests, at another confidence too."""
    from scipy.stats import ttest_ind, ttest_rel

    a, b = [0.90, 0.91, 0.92, 0.905], [0.93, 0.96, 0.94]
    for confidence in (0.95, 0.8):
        theirs = ttest_ind(b, a, equal_var=False)
        ours = welch(a, b, confidence)
        assert (ours.p, ours.low, ours.high) == pytest.approx(
            (theirs.pvalue, *theirs.confidence_interval(confidence))
        )
        pairs, ours = ttest_rel(b, a[:3]), paired(a[:3], b, confidence)
        assert (ours.p, ours.low, ours.high) == pytest.approx(
            (pairs.pvalue, *pairs.confidence_interval(confidence))
        )


@rows(
    ("a", "b", "why"),
    [
        ([0.9], [0.91, 0.92], TOO_FEW),
        ([0.9, 0.91], [0.92], TOO_FEW),
        ([0.9, 0.9], [0.9, 0.9], NO_SPREAD),
        ([0.9, 0.9], [0.8, 0.8], NO_SPREAD),
    ],
)
def test_nobody_can_tell(a: list[float], b: list[float], why: str) -> None:
    """Without spread or replicates there is a difference, and no p, interval or verdict."""
    found = welch(a, b)
    assert (found.real, found.p, found.low, found.why) == (None, None, None, why)
    assert found.difference == pytest.approx(sum(b) / len(b) - sum(a) / len(a))


def test_one_group_without_spread() -> None:
    """The other's spread carries the test: a one-sample t test."""
    from scipy.stats import ttest_1samp

    found = welch([0.9, 0.9, 0.9], [0.91, 0.93, 0.95])
    assert found.p == pytest.approx(ttest_1samp([0.91, 0.93, 0.95], 0.9).pvalue)


def test_rounding_is_no_spread_of_pairs() -> None:
    """0.92 - 0.90 and 0.93 - 0.91 differ in the last bit only: p = 1e-16 would be nonsense."""
    found = paired([0.90, 0.91, 0.92], [0.92, 0.93, 0.94])
    assert (found.p, found.why) == (None, NO_SPREAD_PAIRED)
    assert found.difference == pytest.approx(0.02)


def test_pairs_need_as_many_on_either_side() -> None:
    """And more than one for an interval."""
    with pytest.raises(UsageError, match="as many"):
        paired([1], [1, 2])
    assert paired([1], [2]).why == TOO_FEW


@given(
    st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=8),
    st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=8),
)
def test_any_values_give_finite_results_or_a_reason(a: list[float], b: list[float]) -> None:
    """Tiny, huge and mixed: p between 0 and 1, or a reason."""
    found = welch(a, b)
    if found.p is None:
        assert found.why
    else:
        assert 0 <= found.p <= 1
        assert found.freedom is not None
        assert min(len(a), len(b)) - 1 - 1e-9 <= found.freedom <= len(a) + len(b) - 2 + 1e-9


@given(st.lists(st.floats(0, 1), min_size=2, max_size=9), st.lists(st.floats(0, 1), min_size=2, max_size=9))
def test_the_other_way_round(a: list[float], b: list[float]) -> None:
    """a against b is b against a with the sign turned, and the interval says what p says."""
    one, two = welch(a, b), welch(b, a)
    assert one.difference == pytest.approx(-two.difference)
    assert (one.p is None) == (two.p is None)
    if one.p is not None and one.low is not None and abs(one.p - 0.05) > 1e-6:
        assert one.p == pytest.approx(two.p)
        assert one.real == (one.p < 0.05)


# --- equivalence ----------------------------------------------------------------------------------


def test_equivalence_is_the_90_percent_interval_within_the_margin() -> None:
    """Two one-sided tests at 5 %, by hand with scipy's t."""
    from scipy.stats import t

    a, b = [0.900, 0.902, 0.904, 0.906], [0.901, 0.903, 0.906, 0.907]
    found = welch(a, b)
    within = equivalence(found, 0.01)
    assert found.error is not None
    assert found.freedom is not None
    below = t.sf((found.difference + 0.01) / found.error, found.freedom)
    above = t.cdf((found.difference - 0.01) / found.error, found.freedom)
    assert within.p == pytest.approx(max(below, above))
    narrow = welch(a, b, 0.9)
    assert (within.low, within.high) == pytest.approx((narrow.low, narrow.high))
    assert within.confidence == pytest.approx(0.9)
    assert within.equivalent is True
    assert equivalence(found, 0.003).equivalent is False


@given(
    st.lists(st.floats(0, 1), min_size=2, max_size=9),
    st.lists(st.floats(0, 1), min_size=2, max_size=9),
    st.floats(0.001, 2),
)
def test_p_and_interval_of_equivalence_agree(a: list[float], b: list[float], margin: float) -> None:
    """Equivalent exactly where p is below 5 %."""
    within = equivalence(welch(a, b), margin)
    if within.p is not None and abs(within.p - 0.05) > 1e-9:
        assert within.equivalent == (within.p < 0.05)


def test_no_difference_found_is_no_equivalence() -> None:
    """Noisy groups of three: neither different nor equivalent."""
    found = welch([0.90, 0.95, 0.92], [0.91, 0.94, 0.93])
    assert found.real is False
    assert equivalence(found, 0.01).equivalent is False


def test_equivalence_without_spread_is_not_known() -> None:
    """The reason is that of the difference."""
    within = equivalence(welch([0.9], [0.9, 0.8]), 0.1)
    assert (within.equivalent, within.p, within.why) == (None, None, TOO_FEW)


def test_margins_and_levels_that_make_no_sense() -> None:
    """A margin above 0, a level below one half."""
    found = welch([1, 2], [2, 4])
    for margin in (0, -1, math.nan, math.inf):
        with pytest.raises(UsageError, match="margin"):
            equivalence(found, margin)
    with pytest.raises(UsageError, match=r"below 0\.5"):
        equivalence(welch([1, 2], [2, 4], 0.5), 1)


# --- Holm -----------------------------------------------------------------------------------------


def test_holm_as_in_r() -> None:
    """p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm") and an order that is not sorted."""
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    assert holm([0.04, 0.001, 0.03]) == pytest.approx([0.06, 0.003, 0.06])


def test_what_was_not_asked_does_not_count() -> None:
    """None stays None, and is no comparison."""
    assert holm([None, 0.02, None, 0.03]) == [None, 0.04, None, 0.04]
    assert holm([]) == []
    assert holm([0.9, 0.9]) == [1, 1]


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_never_lowers_p(ps: list[float]) -> None:
    """Between p and the Bonferroni bound, in the order of p."""
    found = [p for p in holm(ps) if p is not None]
    assert all(
        p <= adjusted <= min(1, p * len(ps)) + 1e-12 or adjusted >= p
        for p, adjusted in zip(ps, found, strict=True)
    )
    order = sorted(range(len(ps)), key=lambda at: ps[at])
    assert [found[at] for at in order] == sorted(found)
