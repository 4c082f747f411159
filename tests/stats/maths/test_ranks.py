"""Spearman's rho with exact and approximate p."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gittrack.errors import UsageError
from gittrack.stats.maths import spearman
from tests.strategies import examples
from tests.tables import rows


def test_scipys_documented_example() -> None:
    """[1..5] and [5, 6, 7, 8, 7]: rho 0.8207826817, p 0.0885870 by t."""
    found = spearman([1, 2, 3, 4, 5], [5, 6, 7, 8, 7], "t")
    assert (round(found.rho or 0, 10), round(found.p or 0, 7)) == (0.8207826817, 0.0885870)


@rows(("n", "p"), [(3, 0.333), (4, 0.083), (5, 0.017)])
def test_the_smallest_exact_p(n: int, p: float) -> None:
    """2/n!: three points in order prove nothing."""
    found = spearman(range(n), range(n))
    assert (found.rho, found.method, round(found.p or 0, 3)) == (1, "permutation", p)


def test_hollander_and_wolfe() -> None:
    """R's example of cor.test (tuna, Hunter L and panel score): rho 0.6, exact p 0.0968."""
    x = [44.4, 45.9, 41.9, 53.3, 44.7, 44.1, 50.7, 45.2, 60.1]
    y = [2.6, 3.1, 2.5, 5.0, 3.6, 4.0, 5.2, 2.8, 3.8]
    found = spearman(x, y)
    assert (round(found.rho or 0, 6), round(found.p or 0, 4)) == (0.6, 0.0968)


few = st.lists(st.integers(0, 4), min_size=3, max_size=6)


@examples(60)
@given(
    few.flatmap(
        lambda x: st.tuples(st.just(x), st.lists(st.integers(0, 4), min_size=len(x), max_size=len(x)))
    )
)
def test_exact_p_is_the_share_of_all_orders(pair: tuple[list[int], list[int]]) -> None:
    """Ties included, against going through every permutation."""
    x, y = pair
    found = spearman(x, y, "permutation")
    if found.rho is None:
        assert found.why == "one side never changes"
        return
    rhos = [spearman(x, order, "t").rho or 0.0 for order in itertools.permutations(y)]
    expected = sum(abs(rho) >= abs(found.rho) - 1e-12 for rho in rhos) / math.factorial(len(x))
    assert found.p == pytest.approx(expected)


@given(st.lists(st.tuples(st.floats(-1e9, 1e9), st.integers(0, 5)), min_size=3, max_size=40))
def test_as_scipy_has_it(pairs: list[tuple[float, int]]) -> None:
    """rho and the t approximation, ties included."""
    from scipy.stats import spearmanr

    x, y = [one for one, _ in pairs], [two for _, two in pairs]
    found = spearman(x, y, "t")
    if found.rho is None:
        assert min(len(set(x)), len(set(y))) == 1
        return
    theirs = spearmanr(x, y)
    assert found.rho == pytest.approx(theirs.statistic, abs=1e-12)
    if abs(found.rho) < 1 - 1e-9:
        assert found.p == pytest.approx(theirs.pvalue, abs=1e-9)


def test_by_permutation_up_to_eleven_then_by_t() -> None:
    """The method is named."""
    assert spearman(range(11), range(11)).method == "permutation"
    assert spearman(range(12), range(12)).method == "t"
    assert spearman(range(12), range(12)).p == 0


def test_nothing_to_correlate() -> None:
    """Two pairs, or a side that never changes."""
    assert spearman([1, 2], [1, 2]).why == "fewer than three pairs"
    assert spearman([1, 1, 1], [1, 2, 3]).why == "one side never changes"
    with pytest.raises(UsageError):
        spearman([1, 2], [1, 2, 3])
    with pytest.raises(UsageError):
        spearman([1, 2, math.nan], [1, 2, 3])
