"""How often a run of one group beats a run of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from gittrack.stats.maths.bootstrap import RESAMPLES, too_few
from gittrack.stats.maths.intervals import CONFIDENCE, check_confidence, checked

if TYPE_CHECKING:
    import numpy as np

GAMMA = 0.75
"""From which P(A>B) on a difference is worth speaking of, as the source recommends."""


@dataclass(frozen=True, slots=True)
class Superiority:
    """P(B beats A), ties counted half, and its interval, or `why` there is none. `gamma`: when it matters."""

    share: float
    low: float | None
    high: float | None
    confidence: float
    gamma: float = GAMMA
    why: str = ""

    @property
    def verdict(self) -> Literal["", "not significant", "significant, not meaningful", "meaningful"]:
        """By the interval: beside 1/2, and beside gamma; empty without one."""
        if self.low is None or self.high is None:
            return ""
        if self.low <= 0.5:
            return "not significant"
        return "meaningful" if self.high > self.gamma else "significant, not meaningful"


def superiority(
    a: Sequence[float],
    b: Sequence[float],
    *,
    larger: bool = True,
    paired: bool = False,
    confidence: float = CONFIDENCE,
    gamma: float = GAMMA,
    seed: int = 0,
) -> Superiority:
    """P(B > A): the share of pairs in which b beats a; with `larger` false, in which it is smaller.

    Paired, `a[i]` meets `b[i]`; else every a meets every b (the Mann-Whitney statistic over na·nb). The
    interval is the percentile bootstrap's, over pairs or over both groups. Significant where its lower
    end is above 0.5, meaningful where its upper end is above gamma = 0.75, too. Source: X. Bouthillier et
    al., "Accounting for Variance in Machine Learning Benchmarks", MLSys 2021, arXiv 2103.03098, section 6
    and appendix C.

    Below 10 runs a group there is a share and no interval, `why` says so; none either where one side always
    wins: every resample then says the same.
    """
    import numpy as np

    check_confidence(confidence)
    one, two = np.asarray(checked(a)), np.asarray(checked(b))
    if not larger:
        one, two = -one, -two
    share = float(_wins(one[None, :], two[None, :], paired)[0])
    why = too_few(min(len(one), len(two)))
    if not why and share in (0.0, 1.0):
        why = "one side always wins: resampling shows no spread"
    if why:
        return Superiority(share, None, None, confidence, gamma, why)
    random = np.random.default_rng(seed)
    drawn = np.concatenate([_resample(one, two, paired, random, size) for size in _sizes(one, two)])
    low, high = np.quantile(drawn, ((1 - confidence) / 2, (1 + confidence) / 2))
    return Superiority(share, float(low), float(high), confidence, gamma)


def _sizes(one: Sequence[float] | Any, two: Sequence[float] | Any) -> list[int]:
    at_once = max(4_000_000 // (len(one) * len(two)), 1)
    return [min(at_once, RESAMPLES - start) for start in range(0, RESAMPLES, at_once)]


def _resample(one: Any, two: Any, paired: bool, random: np.random.Generator, size: int) -> Any:
    at = random.integers(len(one), size=(size, len(one)))
    other = at if paired else random.integers(len(two), size=(size, len(two)))
    return _wins(one[at], two[other], paired)


def _wins(one: Any, two: Any, paired: bool) -> Any:
    """Share of wins of `two` in each row, arrays (resamples, runs)."""
    if paired:
        return ((two > one) + 0.5 * (two == one)).mean(axis=1)
    left, right = one[:, :, None], two[:, None, :]
    return ((right > left) + 0.5 * (right == left)).mean(axis=(1, 2))
