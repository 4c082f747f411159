"""Intervals by resampling, for statistics that have no formula; refused where they would mislead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from gittrack.stats.maths.intervals import CONFIDENCE, IDENTICAL, Interval, check_confidence, checked, summary

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

LEAST = 10
RESAMPLES = 9_999
_CELLS = 4_000_000
"""Numbers that are resampled at a time."""

Statistic = Callable[["Array"], "Array"]
"""Of the last axis: an array of samples (resamples, n) to one number each."""


def too_few(n: int) -> str:
    """Why a bootstrap of `n` values is refused; empty if it is not."""
    if n >= LEAST:
        return ""
    return f"a bootstrap of {n} is refused: below {LEAST} it covers less than it claims, as 67 % at n = 3"


def bootstrap_interval(
    values: Sequence[float],
    statistic: Statistic | None = None,
    confidence: float = CONFIDENCE,
    method: Literal["BCa", "percentile"] = "BCa",
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """The bootstrap interval, two-sided, of a statistic of `values` (by default their mean).

    BCa corrects the percentiles for bias and skew (B. Efron, JASA 82, 1987; Efron and Tibshirani,
    "An Introduction to the Bootstrap", 1993, chapter 14; the acceleration is the jackknife's). `mean`
    and `sd` are those of the values whatever the statistic. The same seed gives the same interval.

    Fewer than 10 values have none, `why` says so: at n = 3, 4, 5 nominal 95 % intervals of a mean
    cover 67, 81, 84 % (percentile) and 70, 80, 84 % (BCa), and of the 27 resamples at n = 3 BCa can but
    return the range. Identical values have none either.
    """
    import numpy as np

    check_confidence(confidence)
    sample = summary(values)
    none = Interval(sample.n, sample.mean, sample.sd, None, None, confidence, "two")
    if why := too_few(sample.n) or (IDENTICAL if sample.sd == 0 else ""):
        return replace(none, why=why)
    statistic = statistic or _mean
    data = np.asarray(checked(values))
    drawn = np.sort(_resampled(data, statistic, resamples, seed))
    if drawn[0] == drawn[-1]:
        return replace(none, why="every resample gives the same value")
    tail = (1 - confidence) / 2
    levels = (tail, 1 - tail) if method == "percentile" else _corrected(data, statistic, drawn, tail)
    low, high = (float(end) for end in np.quantile(drawn, levels))
    return replace(none, low=low, high=high)


def _mean(samples: Array) -> Array:
    return samples.mean(axis=-1)  # type: ignore[no-any-return]


def _resampled(data: Array, statistic: Statistic, resamples: int, seed: int) -> Array:
    import numpy as np

    random = np.random.default_rng(seed)
    at_once = max(_CELLS // len(data), 1)
    sizes = [min(at_once, resamples - start) for start in range(0, resamples, at_once)]
    return np.concatenate([statistic(random.choice(data, (size, len(data)))) for size in sizes])


def _corrected(data: Array, statistic: Statistic, drawn: Array, tail: float) -> tuple[float, float]:
    """The levels at which BCa reads the resamples off, in place of `tail` and 1 - `tail`."""
    import numpy as np
    from scipy.special import ndtr, ndtri

    seen = float(statistic(data[None, :])[0])
    below = (np.count_nonzero(drawn < seen) + np.count_nonzero(drawn <= seen)) / 2
    bias = ndtri(min(max(below, 0.5), len(drawn) - 0.5) / len(drawn))
    n = len(data)
    left_out = np.concatenate([statistic(np.delete(data, at)[None, :]) for at in range(n)])
    influence = left_out.mean() - left_out
    spread = float((influence**2).sum())
    skew = float((influence**3).sum()) / (6 * spread**1.5) if spread else 0.0
    shifted = [bias + ndtri(level) for level in (tail, 1 - tail)]
    low, high = (float(ndtr(bias + z / (1 - skew * z))) for z in shifted)
    return low, high


def stratified(
    strata: Sequence[Sequence[float]],
    statistic: Callable[[list[Array]], Array],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Array:
    """A statistic over many tasks, of `resamples` resamples: an array (resamples, ...), for percentiles.

    Runs are drawn anew within each task (stratum) by itself, which keeps the tasks as they are: the
    interval speaks of new runs on these tasks, not of new tasks. `statistic` takes one array
    (resamples, runs) a task. Source: R. Agarwal et al., "Deep Reinforcement Learning at the Edge of the
    Statistical Precipice", NeurIPS 2021, arXiv 2108.13264.

    With n runs a task the interval is too narrow by the factor √((n-1)/n), for resamples vary that much
    less than new runs do. Ask `why_not_stratified` first.
    """
    import numpy as np

    tasks = [np.asarray(checked(stratum)) for stratum in strata]
    random = np.random.default_rng(seed)
    at_once = max(_CELLS // sum(map(len, tasks)), 1)
    drawn = []
    for start in range(0, resamples, at_once):
        size = min(at_once, resamples - start)
        drawn.append(statistic([random.choice(task, (size, len(task))) for task in tasks]))
    return np.concatenate(drawn)


def why_not_stratified(strata: Sequence[Sequence[float]]) -> str:
    """Why resampling within `strata` is refused: a task with one run, or too few in all; else empty."""
    if any(len(stratum) < 2 for stratum in strata):
        return "a task has a single run, of which no other can be drawn"
    return too_few(sum(map(len, strata)))
