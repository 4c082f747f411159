"""What nominal 95 % intervals hold in the long run, by simulation with a fixed seed."""

from __future__ import annotations

from typing import Any

import pytest

from gittrack.stats.maths import mean_interval, prediction_interval, tolerance_interval
from gittrack.stats.maths.intervals import Interval
from tests.tables import rows

SAMPLES = 100_000


def draws(n: int) -> Any:
    import numpy as np

    return np.random.default_rng(2026).normal(size=(SAMPLES, n))


def half_width(interval: Interval) -> float:
    """In standard deviations: it depends on n alone, so one call stands for all samples."""
    assert interval.sd is not None
    end = interval.high if interval.high is not None else 2 * interval.mean - (interval.low or 0)
    return (end - interval.mean) / interval.sd


def reference(n: int) -> list[float]:
    return [float(value) for value in range(n)]


@rows("n", [2, 3, 5, 10, 30])
@rows(("confidence", "sided"), [(0.95, "two"), (0.95, "lower"), (0.9, "two")])
def test_t_intervals_cover_the_mean(n: int, confidence: float, sided: Any) -> None:
    """95 % of them, within 1 %, for any number of runs and on one side or two."""
    import numpy as np

    data = draws(n)
    half = half_width(mean_interval(reference(n), confidence, sided)) * data.std(axis=1, ddof=1)
    missed = data.mean(axis=1) - half > 0
    if sided == "two":
        missed |= data.mean(axis=1) + half < 0
    assert 1 - np.mean(missed) == pytest.approx(confidence, abs=0.01)


@rows("n", [2, 3, 5, 10, 30])
def test_prediction_intervals_hold_one_more_run(n: int) -> None:
    """95 % of them, within 1 %."""
    import numpy as np

    data, more = draws(n + 1)[:, :n], draws(n + 1)[:, n]
    half = half_width(prediction_interval(reference(n))) * data.std(axis=1, ddof=1)
    assert np.mean(np.abs(more - data.mean(axis=1)) <= half) == pytest.approx(0.95, abs=0.01)


@rows("n", [3, 5, 10])
def test_tolerance_intervals_hold_their_share(n: int) -> None:
    """95 % of them hold 95 % of the distribution or more, within 1 %."""
    import numpy as np
    from scipy.special import ndtr

    data = draws(n)
    middle = data.mean(axis=1)
    half = half_width(tolerance_interval(reference(n))) * data.std(axis=1, ddof=1)
    held = ndtr(middle + half) - ndtr(middle - half)
    assert np.mean(held >= 0.95) == pytest.approx(0.95, abs=0.01)


def test_the_functions_are_what_was_simulated() -> None:
    """A thousand samples through the function itself: the same half-widths."""
    for sample in draws(5)[:1000]:
        found = mean_interval(sample.tolist())
        assert half_width(found) == pytest.approx(half_width(mean_interval(reference(5))))


@rows(("n", "percentile"), [(3, 0.67), (4, 0.81), (5, 0.84)])
def test_why_the_bootstrap_is_refused(n: int, percentile: float) -> None:
    """Percentile intervals of the mean of 3, 4, 5 values cover that share, not 95 %."""
    import itertools

    import numpy as np

    data = draws(n)[:4_000]
    every = np.array(list(itertools.product(range(n), repeat=n)))  # all n^n resamples
    means = data[:, every].mean(axis=2)
    low, high = np.quantile(means, (0.025, 0.975), axis=1)
    assert np.mean((low <= 0) & (high >= 0)) == pytest.approx(percentile, abs=0.03)
