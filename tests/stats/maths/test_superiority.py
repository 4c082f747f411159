"""P(A>B): what it is, when it has an interval, and its verdict."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gittrack.stats.maths import superiority
from gittrack.stats.maths.superiority import Superiority
from tests.tables import rows


def test_every_pair_counts() -> None:
    """b beats a in 5 of 6 meetings and ties in one: (5 + 1/2)/6."""
    assert superiority([1, 2], [2, 3, 4]).share == pytest.approx(5.5 / 6)
    assert superiority([1, 2], [2, 3, 4], larger=False).share == pytest.approx(0.5 / 6)


def test_it_is_the_mann_whitney_statistic() -> None:
    """U / (na·nb), as scipy has it."""
    from scipy.stats import mannwhitneyu

    a, b = [0.1, 0.4, 0.4, 0.9], [0.2, 0.4, 0.8, 1.0, 0.05]
    assert superiority(a, b).share == pytest.approx(mannwhitneyu(b, a).statistic / 20)


def test_pairs_meet_their_own() -> None:
    """Two wins, a tie, a loss."""
    assert superiority([1, 2, 3, 4], [2, 3, 3, 1], paired=True).share == 2.5 / 4


def test_below_ten_there_is_no_interval() -> None:
    """The share alone, and why."""
    found = superiority([1.0] * 9, [2.0] * 30)
    assert (found.share, found.low, found.verdict) == (1, None, "")
    assert "bootstrap of 9 is refused" in found.why


def test_one_side_that_always_wins_has_none_either() -> None:
    """A bootstrap would claim 1 for sure."""
    found = superiority([0.0] * 12, [1.0] * 12)
    assert (found.share, found.low) == (1, None)
    assert "always wins" in found.why


def test_an_interval_from_ten_on() -> None:
    """It holds the share, and the same seed gives the same."""
    source = random.Random(1)
    a, b = ([source.gauss(mean, 1) for _ in range(30)] for mean in (0, 1))
    for paired in (False, True):
        found = superiority(a, b, paired=paired)
        assert found.low is not None
        assert found.high is not None
        assert found.low < found.share < found.high
        assert found == superiority(a, b, paired=paired)
    # Φ(1/√2) = 0.76 is the true share
    assert 0.5 < superiority(a, b).share < 0.95


@rows(
    ("low", "high", "verdict"),
    [
        (0.4, 0.9, "not significant"),
        (0.55, 0.7, "significant, not meaningful"),
        (0.55, 0.9, "meaningful"),
        (None, None, ""),
    ],
)
def test_the_verdict_beside_one_half_and_gamma(low: float | None, high: float | None, verdict: str) -> None:
    """As Bouthillier et al. have it, gamma 0.75."""
    assert Superiority(0.6, low, high, 0.95).verdict == verdict


@given(
    st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=9),
    st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=9),
)
def test_both_ways_sum_to_one(a: list[float], b: list[float]) -> None:
    """P(B>A) + P(A>B) = 1 with ties halved."""
    assert superiority(a, b).share + superiority(b, a).share == pytest.approx(1)
