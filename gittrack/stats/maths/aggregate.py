"""One figure for many tasks: the interquartile mean, and performance profiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gittrack.errors import UsageError
from gittrack.stats.maths.bootstrap import RESAMPLES, stratified, why_not_stratified
from gittrack.stats.maths.intervals import CONFIDENCE, check_confidence, checked

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """The interquartile mean over the runs of all tasks, and its interval or `why` there is none."""

    tasks: int
    runs: int
    iqm: float
    low: float | None
    high: float | None
    confidence: float
    trimmed: int
    """How many runs were left out at either end."""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """For each of `thresholds` the share of runs beyond it, and the pointwise interval of that share."""

    thresholds: tuple[float, ...]
    shares: tuple[float, ...]
    low: tuple[float, ...] | None
    high: tuple[float, ...] | None
    confidence: float
    why: str = ""


def interquartile_mean(values: Sequence[float]) -> float:
    """The mean of the middle half: floor(n/4) values left out at either end; with fewer than 4, none are.

    As ``scipy.stats.trim_mean(x, 0.25)`` and rliable have it (other definitions weigh the values at the
    quartiles). UsageError as `intervals.summary`.
    """
    import numpy as np

    return float(_iqm(np.asarray(checked(values))[None, :])[0])


def _iqm(rows: Array) -> Array:
    import numpy as np

    n = rows.shape[-1]
    cut = n // 4
    return np.sort(rows, axis=-1)[..., cut : n - cut].mean(axis=-1)  # type: ignore[no-any-return]


def aggregate(
    tasks: Sequence[Sequence[float]],
    confidence: float = CONFIDENCE,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Aggregate:
    """The interquartile mean of all runs of all tasks, with the stratified bootstrap's percentile interval.

    `tasks` has the scores of one task's runs each, in one scale. Source: R. Agarwal et al., NeurIPS 2021,
    arXiv 2108.13264, section 4; held against the package rliable. Refused: see `why_not_stratified`.
    """
    import numpy as np

    check_confidence(confidence)
    scores = [value for task in tasks for value in task]
    iqm, cut = interquartile_mean(scores), len(scores) // 4
    why = why_not_stratified(tasks)
    if why:
        return Aggregate(len(tasks), len(scores), iqm, None, None, confidence, cut, why)
    drawn = stratified(tasks, lambda rows: _iqm(np.concatenate(rows, axis=1)), resamples=resamples, seed=seed)
    low, high = np.quantile(drawn, ((1 - confidence) / 2, (1 + confidence) / 2))
    return Aggregate(len(tasks), len(scores), iqm, float(low), float(high), confidence, cut)


def performance_profile(
    tasks: Sequence[Sequence[float]],
    thresholds: Sequence[float],
    confidence: float = CONFIDENCE,
    *,
    larger: bool = True,
    resamples: int = 2_000,
    seed: int = 0,
) -> Profile:
    """The share of runs with a score above each threshold (with `larger` false, below), tasks weighing alike.

    Of two profiles the one that is higher everywhere is stochastically dominant. Intervals are pointwise:
    a whole curve leaves them more often. Source: as `aggregate`; E. D. Dolan and J. J. Moré, Mathematical
    Programming 91, 2002.
    """
    import numpy as np

    check_confidence(confidence)
    if not tasks or not thresholds:
        raise UsageError("a performance profile needs a task and a threshold")
    sign = 1.0 if larger else -1.0
    limits = sign * np.asarray(checked(thresholds))

    def shares(rows: list[Array]) -> Array:
        above = [(sign * row[:, :, None] > limits).mean(axis=1) for row in rows]
        return np.mean(above, axis=0)  # type: ignore[no-any-return]

    seen = shares([np.asarray(checked(task))[None, :] for task in tasks])[0]
    levels, shares_seen = tuple(map(float, thresholds)), tuple(map(float, seen))
    why = why_not_stratified(tasks)
    if why:
        return Profile(levels, shares_seen, None, None, confidence, why)
    drawn = stratified(tasks, shares, resamples=resamples, seed=seed)
    low, high = np.quantile(drawn, ((1 - confidence) / 2, (1 + confidence) / 2), axis=0)
    return Profile(levels, shares_seen, tuple(map(float, low)), tuple(map(float, high)), confidence)
