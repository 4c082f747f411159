"""Whether two groups of runs differ (Welch, paired t) or are equivalent (TOST); Holm over many questions."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gittrack.errors import UsageError
from gittrack.stats.maths.intervals import CONFIDENCE, check_confidence, checked, summary
from gittrack.stats.maths.quantiles import t_quantile, t_tail, t_tails

TOO_FEW = "n too small"
NO_SPREAD = "no spread: identical replicates"
NO_SPREAD_PAIRED = "no spread: every pair differs alike"


@dataclass(frozen=True, slots=True)
class Difference:
    """b - a of two means, in the unit of the values, with its interval and the two-sided p of no difference.

    `error` is the standard error of the difference and `freedom` its degrees of freedom. Without them
    `why` says why there is no interval, and nobody can tell whether the difference is real.
    """

    method: Literal["Welch", "paired"]
    difference: float
    confidence: float
    error: float | None = None
    freedom: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    why: str = ""

    @property
    def real(self) -> bool | None:
        """Whether the interval leaves zero out; None without one. For one question alone: see `holm`."""
        return None if self.low is None or self.high is None else not self.low <= 0 <= self.high


@dataclass(frozen=True, slots=True)
class Equivalence:
    """The outcome of two one-sided tests against ±`margin`; `low` and `high` end the interval they use."""

    margin: float
    confidence: float
    """Of that interval: 0.9 where each test has 5 %."""
    low: float | None = None
    high: float | None = None
    p: float | None = None
    equivalent: bool | None = None
    why: str = ""


def welch(a: Sequence[float], b: Sequence[float], confidence: float = CONFIDENCE) -> Difference:
    """The difference of the means of two independent groups with spreads of their own.

    b̄ - ā ± t·√(s²a/na + s²b/nb), degrees of freedom by F. E. Satterthwaite. Source: B. L. Welch,
    Biometrika 34, 1947; R's ``t.test``. A group of one, or no spread in either, gives no interval; where one
    group alone has no spread, the other's carries the test. UsageError as `intervals.summary`.
    """
    check_confidence(confidence)
    one, two = summary(a), summary(b)
    difference = two.mean - one.mean
    if one.sd is None or two.sd is None:
        return Difference("Welch", difference, confidence, why=TOO_FEW)
    errors = one.sd / math.sqrt(one.n), two.sd / math.sqrt(two.n)
    error = math.hypot(*errors)
    if error == 0:
        return Difference("Welch", difference, confidence, why=NO_SPREAD)
    shares = [(e / error) ** 2 for e in errors]
    freedom = 1 / math.fsum(share**2 / (n - 1) for share, n in zip(shares, (one.n, two.n), strict=True))
    return _tested("Welch", difference, error, freedom, confidence)


def paired(a: Sequence[float], b: Sequence[float], confidence: float = CONFIDENCE) -> Difference:
    """The mean difference of pairs (the same seed, the same split): d̄ ± t·s_d/√n, n - 1 degrees.

    `a[i]` and `b[i]` are a pair. Source: Student, Biometrika 6, 1908; R's ``t.test(paired = TRUE)``.
    One pair gives no interval, nor do differences that are alike but for rounding.
    """
    check_confidence(confidence)
    if len(a) != len(b):
        raise UsageError(f"pairs need as many values on either side, not {len(a)} and {len(b)}")
    pairs = list(zip(checked(a), checked(b), strict=True))
    differences = [two - one for one, two in pairs]
    sample = summary(differences)
    if sample.sd is None:
        return Difference("paired", sample.mean, confidence, why=TOO_FEW)
    largest = max(abs(value) for pair in pairs for value in pair)
    if (
        sample.high - sample.low <= 4 * sys.float_info.epsilon * largest
    ):  # what 0.92 - 0.90 leaves beside 0.02
        return Difference("paired", sample.mean, confidence, why=NO_SPREAD_PAIRED)
    return _tested("paired", sample.mean, sample.sd / math.sqrt(sample.n), sample.n - 1, confidence)


def _tested(
    method: Literal["Welch", "paired"], difference: float, error: float, freedom: float, confidence: float
) -> Difference:
    half = t_quantile(freedom, (1 + confidence) / 2) * error
    p = t_tails(freedom, difference / error)
    return Difference(method, difference, confidence, error, freedom, difference - half, difference + half, p)


def equivalence(difference: Difference, margin: float, alpha: float | None = None) -> Equivalence:
    """Two one-sided tests (TOST): is the difference, whatever it is, smaller than ±`margin`?

    Equivalent where the 1 - 2·alpha interval of the difference lies within ±margin; p is the larger of
    the two one-sided ones. `alpha` is by default 1 - the confidence of `found`, so that 95 % goes with the
    90 % interval. The margin has to be fixed before the results are seen. That a test found no difference
    is no equivalence. Source: D. J. Schuirmann, J. Pharmacokinetics and Biopharmaceutics 15, 1987.
    """
    if not (math.isfinite(margin) and margin > 0):
        raise UsageError(f"a margin must be a number above 0, in the unit of the metric, not {margin}")
    alpha = 1 - difference.confidence if alpha is None else alpha
    if not 0 < alpha < 0.5:
        raise UsageError(f"the two one-sided tests need a level below 0.5, not {alpha:g}")
    confidence = 1 - 2 * alpha
    if difference.error is None or difference.freedom is None:
        return Equivalence(margin, confidence, why=difference.why)
    half = t_quantile(difference.freedom, 1 - alpha) * difference.error
    low, high = difference.difference - half, difference.difference + half
    p = max(
        t_tail(difference.freedom, -(difference.difference + margin) / difference.error),
        t_tail(difference.freedom, (difference.difference - margin) / difference.error),
    )
    return Equivalence(margin, confidence, low, high, p, -margin < low and high < margin)


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """p values adjusted for how many questions were asked; None stays None and is no question.

    Step-down: the i-th smallest of m times m - i + 1, never below the one before, at most 1. Keeps the
    chance of one false claim or more below the level, whatever the dependence. Source: S. Holm,
    Scandinavian J. of Statistics 6, 1979; R's ``p.adjust(method = "holm")``.
    """
    questions = sorted((p, at) for at, p in enumerate(ps) if p is not None)
    adjusted: list[float | None] = [None] * len(ps)
    least = 0.0
    for rank, (p, at) in enumerate(questions):
        least = max(least, min(1.0, p * (len(questions) - rank)))
        adjusted[at] = least
    return adjusted
