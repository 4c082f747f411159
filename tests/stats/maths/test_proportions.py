"""Wilson's interval and the exact binomial test, against published values and R's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gittrack.errors import UsageError
from gittrack.stats.maths import binomial_test, wilson_interval


def test_the_exact_test_of_scipys_documentation() -> None:
    """binomtest(3, 15, 0.1, greater): p 0.1840610691, lower end 0.0568468676."""
    found = binomial_test(3, 15, 0.1, "greater")
    assert (round(found.p, 10), round(found.low, 10), found.high) == (0.1840610691, 0.0568468676, 1.0)


def test_mendels_peas() -> None:
    """R's example of binom.test: 682 of 925 against 3/4, p 0.3825, 0.7076683 to 0.7654066."""
    found = binomial_test(682, 925, 0.75)
    assert round(found.p, 4) == 0.3825
    assert (round(found.low, 7), round(found.high, 7)) == (0.7076683, 0.7654066)


def test_five_of_five() -> None:
    """Two-sided against a coin: 2/32."""
    assert binomial_test(5, 5).p == 0.0625
    assert binomial_test(0, 5).low == 0
    assert binomial_test(0, 5, alternative="less").p == 1 / 32
    assert binomial_test(0, 5, alternative="greater").p == 1


def test_wilson_as_published() -> None:
    """Newcombe, Statistics in Medicine 17, 1998, table I: 81/263, 15/148, 0/20, 1/29."""
    for successes, n, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        found = wilson_interval(successes / n, n)
        assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_the_standard_error_of_a_test_set() -> None:
    """p .9 and N 1000: the interval is about ±1.96·0.0095 wide."""
    found = wilson_interval(0.9, 1000)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * 0.0095, rel=0.01)


@given(st.floats(0, 1), st.integers(1, 10**12), st.floats(0.01, 0.9999))
def test_wilson_stays_between_0_and_1(share: float, samples: int, confidence: float) -> None:
    """It holds the share, and has a width."""
    found = wilson_interval(share, samples, confidence)
    assert 0 <= found.low <= share + 1e-12
    assert share - 1e-12 <= found.high <= 1
    assert found.low < found.high


def test_what_is_no_share() -> None:
    """Each an error."""
    for share, samples in ((-0.1, 10), (1.1, 10), (0.5, 0), (float("nan"), 10)):
        with pytest.raises(UsageError):
            wilson_interval(share, samples)
    for arguments in ((5, 4), (-1, 4), (0, 0), (1, 2, 0.0)):
        with pytest.raises(UsageError):
            binomial_test(*arguments)


def test_as_scipy_has_it() -> None:
    """p and interval for many counts."""
    from scipy.stats import binomtest

    for n in (1, 4, 17, 60):
        for k in range(0, n + 1, max(n // 6, 1)):
            for share in (0.1, 0.5, 0.8):
                for alternative, theirs in (("two", "two-sided"), ("greater", "greater"), ("less", "less")):
                    ours, other = binomial_test(k, n, share, alternative), binomtest(k, n, share, theirs)  # type: ignore[arg-type]
                    interval = other.proportion_ci(0.95)
                    assert (ours.p, ours.low, ours.high) == pytest.approx((other.pvalue, *interval), abs=1e-9)
