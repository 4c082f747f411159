"""How sure a share is that was counted on a test set of limited size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from gittrack.errors import UsageError
from gittrack.stats.maths.intervals import CONFIDENCE, Sided, check_confidence
from gittrack.stats.maths.quantiles import normal_quantile


@dataclass(frozen=True, slots=True)
class Share:
    """A share of `samples` cases and its interval, between 0 and 1."""

    share: float
    samples: int
    low: float
    high: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Binomial:
    """An exact binomial test: p, the share that was seen, and the exact (Clopper-Pearson) interval of it."""

    share: float
    p: float
    low: float
    high: float


def wilson_interval(share: float, samples: int, confidence: float = CONFIDENCE) -> Share:
    """Wilson's score interval of a share (an accuracy, an error rate) of `samples` independent cases.

    (p + z²/2n ± z·√(p(1-p)/n + z²/4n²)) / (1 + z²/n), without continuity correction. It stays within
    [0, 1] and has a width at 0 and 1 too, where the textbook's p ± z·√(p(1-p)/n) has none. Source:
    E. B. Wilson, JASA 22, 1927; L. D. Brown et al., Statistical Science 16, 2001.
    It says how the share would vary between test sets of that size for one trained model; nothing of
    training. UsageError for a share outside [0, 1] or fewer than one case.
    """
    check_confidence(confidence)
    if not 0 <= share <= 1:
        raise UsageError(f"{share} is no share of cases: it must lie between 0 and 1")
    if samples < 1:
        raise UsageError(f"a test set has at least one case, not {samples}")
    z2 = normal_quantile((1 + confidence) / 2) ** 2
    middle = share + z2 / (2 * samples)
    half = math.sqrt(z2) * math.sqrt(share * (1 - share) / samples + z2 / (4 * samples**2))
    low, high = (middle - half) / (1 + z2 / samples), (middle + half) / (1 + z2 / samples)
    return Share(
        share,
        samples,
        0.0 if share == 0 else max(low, 0.0),
        1.0 if share == 1 else min(high, 1.0),
        confidence,
    )


def binomial_test(
    successes: int,
    trials: int,
    share: float = 0.5,
    alternative: Literal["two", "greater", "less"] = "two",
    confidence: float = CONFIDENCE,
) -> Binomial:
    """The exact test of `successes` in `trials` against the share that chance would give.

    Two-sided p sums every outcome that is at most as likely as the one seen, as R's ``binom.test``
    does. The interval is that of C. J. Clopper and E. S. Pearson, Biometrika 26, 1934: two-sided, or
    with ``greater`` its lower and with ``less`` its upper end alone at the full confidence.
    """
    check_confidence(confidence)
    if trials < 1 or not 0 <= successes <= trials:
        raise UsageError(f"{successes} of {trials} is no count of successes")
    if not 0 < share < 1:
        raise UsageError(f"the share that chance would give lies between 0 and 1, not at {share}")
    sided: Sided = {"two": "two", "greater": "lower", "less": "upper"}[alternative]  # type: ignore[assignment]
    low, high = _clopper_pearson(successes, trials, confidence, sided)
    return Binomial(successes / trials, _p(successes, trials, share, alternative), low, high)


def _clopper_pearson(k: int, n: int, confidence: float, sided: Sided) -> tuple[float, float]:
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2 if sided == "two" else 1 - confidence
    low = 0.0 if k == 0 or sided == "upper" else float(betaincinv(k, n - k + 1, tail))
    high = 1.0 if k == n or sided == "lower" else float(betaincinv(k + 1, n - k, 1 - tail))
    return low, high


def _p(k: int, n: int, share: float, alternative: str) -> float:
    from scipy.special import bdtr, bdtrc

    if alternative == "less":
        return float(bdtr(k, n, share))
    if alternative == "greater":
        return 1.0 if k == 0 else float(bdtrc(k - 1, n, share))
    chances = [_chance(i, n, share) for i in range(n + 1)]
    limit = chances[k] * (1 + 1e-7)  # R's and scipy's allowance for rounding
    return min(1.0, math.fsum(chance for chance in chances if chance <= limit))


def _chance(k: int, n: int, share: float) -> float:
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(ways + k * math.log(share) + (n - k) * math.log1p(-share))
