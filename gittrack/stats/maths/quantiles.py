"""Quantiles and tails of the distributions in use, as floats. From `scipy.special`: see `intervals`."""

from __future__ import annotations


def normal_quantile(p: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(p))


def t_quantile(freedom: float, p: float) -> float:
    """Of Student's t with `freedom` degrees, a whole number or not."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, p))


def t_tail(freedom: float, statistic: float) -> float:
    """How likely Student's t is below `statistic`."""
    from scipy.special import stdtr

    return float(stdtr(freedom, statistic))


def t_tails(freedom: float, statistic: float) -> float:
    """The two-sided p of a t statistic."""
    return 2 * t_tail(freedom, -abs(statistic))


def chi2_quantile(freedom: float, p: float) -> float:
    from scipy.special import gammaincinv

    return 2 * float(gammaincinv(freedom / 2, p))
