"""The winner's curse: Harter's values, the correction, and that it corrects."""

from __future__ import annotations

import math

import pytest

from gittrack.errors import UsageError
from gittrack.stats.maths import expected_maximum, winners_curse
from tests.tables import rows


@rows(("m", "value"), [(1, 0.0), (2, 0.56419), (3, 0.84628), (5, 1.16296), (10, 1.53875), (100, 2.50759)])
def test_the_expected_largest_of_normals(m: int, value: float) -> None:
    """H. L. Harter, Biometrika 48, 1961, to the last printed digit."""
    assert round(expected_maximum(m), 5) == value


def test_two_and_three_in_closed_form() -> None:
    """1/√π and 3/(2√π)."""
    assert expected_maximum(2) == pytest.approx(1 / math.sqrt(math.pi), rel=1e-13)
    assert expected_maximum(3) == pytest.approx(1.5 / math.sqrt(math.pi), rel=1e-13)


def test_it_grows_with_the_number_and_no_further_than_the_bound() -> None:
    """Below √(2 ln m)."""
    values = [expected_maximum(m) for m in (2, 5, 50, 10**4, 10**9, 10**15)]
    assert values == sorted(values)
    assert all(
        value < math.sqrt(2 * math.log(m))
        for value, m in zip(values, (2, 5, 50, 10**4, 10**9, 10**15), strict=True)
    )


def test_the_correction_takes_the_bias_out() -> None:
    """Five equal candidates of four runs: the best mean is too high as expected, corrected it is not."""
    import numpy as np

    data = np.random.default_rng(0).normal(size=(4000, 5, 4))
    found = [winners_curse(each.tolist()) for each in data]
    best = np.mean([each.mean for each in found])
    left = np.mean([each.corrected for each in found])
    assert best == pytest.approx(expected_maximum(5) / 2, abs=0.02)
    assert left == pytest.approx(0, abs=0.02)


def test_the_winner_by_direction() -> None:
    """The smallest mean wins where small is good, and is corrected upwards."""
    groups = [[1.0, 3.0], [5.0, 7.0]]
    up, down = winners_curse(groups), winners_curse(groups, larger=False)
    assert (up.winner, down.winner, up.candidates) == (1, 0, 2)
    lift = expected_maximum(2) * math.sqrt(2) / math.sqrt(2)  # s = √2 in both, two runs each
    assert (up.overstated, up.corrected) == pytest.approx((lift, 6 - lift))
    assert down.corrected == pytest.approx(2 + lift)


def test_single_runs_borrow_the_spread_of_the_others() -> None:
    """Pooled; where no candidate has two runs nothing is known."""
    found = winners_curse([[1.0], [1.0, 2.0, 3.0]])
    assert found.overstated == pytest.approx(expected_maximum(2) * math.sqrt((1 + 1 / 3) / 2))
    alone = winners_curse([[1.0], [2.0], [3.0]])
    assert (alone.winner, alone.corrected) == (2, None)
    assert "single run" in alone.why
    assert "no spread" in winners_curse([[1.0, 1.0], [2.0, 2.0]]).why


def test_what_cannot_be_asked() -> None:
    """A choice of one, the largest of none."""
    with pytest.raises(UsageError):
        winners_curse([[1.0, 2.0]])
    with pytest.raises(UsageError):
        expected_maximum(0)
