"""Intervals, tests and selection effects for a few runs: pure functions over sequences of floats.

They alone use NumPy and SciPy (from which `scipy.special`, not `scipy.stats`, which takes a second to
load), and import them when called. What a figure means, and when it is refused: ``docs/statistics.md``.
"""

from __future__ import annotations

from gittrack.stats.maths.aggregate import (
    Aggregate,
    Profile,
    aggregate,
    interquartile_mean,
    performance_profile,
)
from gittrack.stats.maths.bootstrap import bootstrap_interval
from gittrack.stats.maths.difference import Difference, Equivalence, equivalence, holm, paired, welch
from gittrack.stats.maths.intervals import (
    CONFIDENCE,
    Interval,
    Sided,
    Summary,
    mean_interval,
    prediction_interval,
    runs_for,
    sd_interval,
    summary,
)
from gittrack.stats.maths.proportions import Binomial, Share, binomial_test, wilson_interval
from gittrack.stats.maths.ranks import Correlation, spearman
from gittrack.stats.maths.selection import Selection, expected_maximum, winners_curse
from gittrack.stats.maths.superiority import Superiority, superiority
from gittrack.stats.maths.tolerance import tolerance_factor, tolerance_interval

__all__ = [
    "CONFIDENCE",
    "Aggregate",
    "Binomial",
    "Correlation",
    "Difference",
    "Equivalence",
    "Interval",
    "Profile",
    "Selection",
    "Share",
    "Sided",
    "Summary",
    "Superiority",
    "aggregate",
    "binomial_test",
    "bootstrap_interval",
    "equivalence",
    "expected_maximum",
    "holm",
    "interquartile_mean",
    "mean_interval",
    "paired",
    "performance_profile",
    "prediction_interval",
    "runs_for",
    "sd_interval",
    "spearman",
    "summary",
    "superiority",
    "tolerance_factor",
    "tolerance_interval",
    "welch",
    "wilson_interval",
    "winners_curse",
]
