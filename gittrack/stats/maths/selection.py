"""What choosing the best of many does to its figure: the winner's curse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gittrack.errors import UsageError
from gittrack.stats.maths.intervals import Summary, summary

_REACH = 40.0


@dataclass(frozen=True, slots=True)
class Selection:
    """The best of `candidates` group means, and by how much chance alone would lift the best of so many."""

    candidates: int
    winner: int
    """Its place among the groups."""
    mean: float
    overstated: float | None
    """Expected, were all candidates equally good; in the unit of the metric. An upper bound otherwise."""
    corrected: float | None
    """The mean less that (for a metric to minimise: plus that)."""
    why: str = ""


def expected_maximum(m: int) -> float:
    """E of the largest of `m` independent standard normal values: 0.56419 for 2, 1.53875 for 10.

    ∫₀^∞ 1 - Φ(x)^m dx - ∫₋∞^0 Φ(x)^m dx, by Gauss-Legendre, for m up to 10^15. Source of the published
    values: H. L. Harter, Biometrika 48, 1961. UsageError for m < 1.
    """
    import numpy as np
    from scipy.special import log_ndtr

    if not 1 <= m <= 10**15:
        raise UsageError(f"the largest of {m} values is not to be had: 1 to 10^15")
    if m == 1:
        return 0.0
    x, weight = np.polynomial.legendre.leggauss(20)
    edges = np.arange(0.0, _REACH, 0.5)
    nodes = (edges[:, None] + (x[None, :] + 1) / 4).ravel()
    weights = np.tile(weight / 4, len(edges))
    above = -np.expm1(m * log_ndtr(nodes))
    below = np.exp(m * log_ndtr(-nodes))
    return float((weights * (above - below)).sum())


def winners_curse(groups: Sequence[Sequence[float]], *, larger: bool = True) -> Selection:
    """By how much the best of several groups is overstated for having been chosen by its own results.

    SE·E[max of m normals], with SE the standard error of one group's mean from the spread pooled over
    the groups. Exact in expectation where all candidates are equally good, independent and equally spread;
    where they differ, or share seeds, it is less: the correction is an upper bound, and no substitute for
    fresh runs of the winner. `larger`: whether the largest mean wins. UsageError for fewer than two groups.
    """
    if len(groups) < 2:
        raise UsageError("a choice needs two candidates")
    summaries = [summary(values) for values in groups]
    best = max if larger else min
    winner = best(range(len(summaries)), key=lambda at: summaries[at].mean)
    mean, m = summaries[winner].mean, len(summaries)
    error = _pooled_error(summaries)
    if error is None:
        return Selection(m, winner, mean, None, None, "every candidate has a single run: no spread is known")
    if error == 0:
        return Selection(m, winner, mean, None, None, "no spread: identical replicates")
    lift = error * expected_maximum(m)
    return Selection(m, winner, mean, lift, mean - lift if larger else mean + lift)


def _pooled_error(summaries: Sequence[Summary]) -> float | None:
    """Root mean square of s/√n over the groups, with the pooled s; None where no group has two runs."""
    freedom = sum(group.n - 1 for group in summaries)
    if freedom == 0:
        return None
    parts = [group.sd * math.sqrt((group.n - 1) / freedom) for group in summaries if group.sd is not None]
    return math.hypot(*parts) * math.sqrt(math.fsum(1 / group.n for group in summaries) / len(summaries))
