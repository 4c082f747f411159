"""Interquartile mean and performance profiles over many tasks."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gittrack.errors import UsageError
from gittrack.stats.maths import aggregate, interquartile_mean, performance_profile


def test_the_interquartile_mean_of_twelve() -> None:
    """Wikipedia's example: 6.5."""
    assert interquartile_mean([5, 8, 4, 38, 8, 6, 9, 7, 7, 3, 1, 6]) == 6.5


def test_three_values_are_not_trimmed() -> None:
    """floor(3/4) = 0: it is the mean, and the aggregate says how many it trims."""
    assert interquartile_mean([1, 2, 9]) == 4
    assert aggregate([[1, 2, 9]]).trimmed == 0


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_as_scipys_trimmed_mean(values: list[float]) -> None:
    """trim_mean(x, 0.25), which rliable uses."""
    from scipy.stats import trim_mean

    assert interquartile_mean(values) == pytest.approx(trim_mean(values, 0.25), abs=1e-6)


def tasks(runs: int = 5, count: int = 20) -> list[list[float]]:
    source = random.Random(5)
    return [[source.gauss(task / 10, 1) for _ in range(runs)] for task in range(count)]


def test_the_interval_is_the_stratified_bootstraps() -> None:
    """Against a plain reading of the definition: draw runs within each task, take percentiles."""
    import numpy as np
    from scipy.stats import trim_mean

    found = aggregate(tasks())
    generator = np.random.default_rng(9)
    matrix = np.array(tasks()).T
    drawn = []
    for _ in range(4000):
        at = generator.integers(5, size=matrix.shape)
        drawn.append(trim_mean(np.take_along_axis(matrix, at, axis=0), 0.25, axis=None))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.02)
    assert (found.tasks, found.runs, found.trimmed, found.why) == (20, 100, 25, "")


def test_refused_without_runs_to_draw_from() -> None:
    """A figure, no interval, and why."""
    found = aggregate([[1.0], [2.0, 3.0]])
    assert (found.low, found.iqm) == (None, 2)
    assert "single run" in found.why
    assert "refused" in aggregate([[1.0, 2.0], [2.0, 3.0]]).why


def test_a_profile_is_the_share_beyond_each_threshold() -> None:
    """Strictly above; below for a metric to minimise; each task weighs alike."""
    found = performance_profile([[1, 2, 3, 4], [3, 3]], [0, 2, 3, 9])
    assert found.shares == (1, 0.75, 0.125, 0)
    assert performance_profile([[1, 2, 3, 4], [3, 3]], [2, 3], larger=False).shares == (0.125, 0.25)


def test_a_profile_has_pointwise_intervals() -> None:
    """Around the share, between 0 and 1, falling."""
    found = performance_profile(tasks(), [-1, 0, 1, 2])
    assert found.low is not None
    assert found.high is not None
    assert all(0 <= a <= s <= b <= 1 for a, s, b in zip(found.low, found.shares, found.high, strict=True))
    assert list(found.shares) == sorted(found.shares, reverse=True)
    assert performance_profile([[1.0]], [0]).low is None


def test_nothing_to_profile() -> None:
    """No task, no threshold."""
    for strata, thresholds in (([], [1]), ([[1.0]], [])):
        with pytest.raises(UsageError):
            performance_profile(strata, thresholds)
