"""Spearman's rank correlation, with its exact p where few values are compared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from gittrack.errors import UsageError
from gittrack.stats.maths.intervals import checked
from gittrack.stats.maths.quantiles import t_tails

if TYPE_CHECKING:
    import numpy as np

    Counts = np.ndarray[Any, Any]

MOST_EXACT = 11
"""Values up to which all permutations are counted."""


@dataclass(frozen=True, slots=True)
class Correlation:
    """rho between -1 and 1 and its two-sided p, by all permutations or by Student's t; None with `why`."""

    n: int
    rho: float | None
    p: float | None
    method: Literal["permutation", "t"] | None
    why: str = ""


def spearman(
    x: Sequence[float], y: Sequence[float], method: Literal["permutation", "t"] | None = None
) -> Correlation:
    """Spearman's rho: Pearson's correlation of the ranks, ties at their mean rank.

    p by permutation is the share of all n! orders whose rho is at least as far from 0: exact, ties
    included; it cannot fall below 2/n! (0.333, 0.083, 0.017 for n = 3, 4, 5). By t it is that of
    rho·√((n-2)/(1-rho²)) with n - 2 degrees, as scipy and R have it for larger n. By default permutation
    up to n = 11, t beyond. Source: C. Spearman, American J. of Psychology 15, 1904; E. J. G. Pitman,
    Supplement to the JRSS 4, 1937.

    Fewer than three pairs, or a side that never changes, have no correlation. UsageError for sides of
    different length, or values that are not finite.
    """
    if len(x) != len(y):
        raise UsageError(f"a correlation needs as many values on either side, not {len(x)} and {len(y)}")
    n = len(x)
    if n < 3:
        return Correlation(n, None, None, None, "fewer than three pairs")
    one, two = _ranks(checked(x)), _ranks(checked(y))
    if min(one) == max(one) or min(two) == max(two):
        return Correlation(n, None, None, None, "one side never changes")
    middle = n + 1
    covered = sum((a - middle) * (b - middle) for a, b in zip(one, two, strict=True))
    spreads = [sum((a - middle) ** 2 for a in ranks) for ranks in (one, two)]
    rho = max(-1.0, min(1.0, covered / math.sqrt(spreads[0] * spreads[1])))
    method = method or ("permutation" if n <= MOST_EXACT else "t")
    if method == "permutation":
        return Correlation(n, rho, _permutation_p(one, two, covered), method)
    p = 0.0 if abs(rho) == 1 else t_tails(n - 2, rho * math.sqrt((n - 2) / (1 - rho * rho)))
    return Correlation(n, rho, p, method)


def _ranks(values: Sequence[float]) -> list[int]:
    """Twice the mean rank of each value, so that ties stay whole numbers."""
    order = sorted(values)
    first: dict[float, int] = {}
    last: dict[float, int] = {}
    for at, value in enumerate(order, 1):
        first.setdefault(value, at)
        last[value] = at
    return [first[value] + last[value] for value in values]


def _permutation_p(one: Sequence[int], two: Sequence[int], covered: int) -> float:
    """Share of the orders of `two` whose covariance with `one` is as far from 0 as `covered`.

    Counted by covariance and by the set of places that are taken, one value of `one` after the other:
    2^n sets in place of n! orders. Whole numbers throughout, below 2^53, so the comparison is exact.
    """
    import numpy as np

    n, middle = len(one), len(one) + 1
    left, right = ([value - middle for value in ranks] for ranks in (one, two))
    reach = sum(abs(a * b) for a, b in zip(sorted(left, key=abs), sorted(right, key=abs), strict=True))
    start = np.zeros(2 * reach + 1)
    start[reach] = 1
    taken: dict[int, Counts] = {0: start}
    for a in left:
        following: dict[int, Counts] = {}
        for places, counts in taken.items():
            for at in range(n):
                if not places >> at & 1:
                    shifted = np.roll(counts, a * right[at])
                    key = places | 1 << at
                    following[key] = following[key] + shifted if key in following else shifted
        taken = following
    (counts,) = taken.values()
    far = np.abs(np.arange(-reach, reach + 1)) >= abs(covered)
    return float(counts[far].sum()) / math.factorial(n)
