"""The statistics of indicators, one function a method, for a value or an array of them.

The tables are made by the same methods in SQL (``dbt_project/macros/indicators``); these serve
whoever works on what the tables hold: another interval, another standard, other strata. Fay and
Feuer's interval is here only, since it needs quantiles of the gamma law.
Source: indicators 4.1 and 4.2 of the domain's reference; each function names its own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats  # type: ignore[import-untyped]

from openchronic_assets.errors import UsageError

Z = 1.959964
"""Quantile of the normal law for 95 %, as the tables take it."""

Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """Bounds of an interval at 95 %; NaN where it cannot be said."""

    low: Floats
    high: Floats


class Standardised(NamedTuple):
    """A standardised value with its interval and variance; ``events`` is the count behind it."""

    value: float
    low: float
    high: float
    variance: float
    events: float


def wilson(count: ArrayLike, among: ArrayLike) -> Interval:
    """Return Wilson's interval of a proportion (Wilson 1927): exact at none and at all."""
    x, n = (np.asarray(each, np.float64) for each in (count, among))
    with np.errstate(divide="ignore", invalid="ignore"):
        p = x / n
        middle = p + Z * Z / (2 * n)
        half = Z * np.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
        low, high = (middle - half) / (1 + Z * Z / n), (middle + half) / (1 + Z * Z / n)
    known = n > 0
    return Interval(
        np.where(known, np.where(x == 0, 0.0, low), np.nan),
        np.where(known, np.where(x == n, 1.0, high), np.nan),
    )


def byar(count: ArrayLike) -> Interval:
    """Return Byar's interval of a Poisson count (Breslow and Day 1987); divide it by the time."""
    o = np.asarray(count, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        low = np.where(o > 0, o * (1 - 1 / (9 * o) - Z / (3 * np.sqrt(o))) ** 3, 0.0)
    high = (o + 1) * (1 - 1 / (9 * (o + 1)) + Z / (3 * np.sqrt(o + 1))) ** 3
    return Interval(low, high)


def direct(events: ArrayLike, population: ArrayLike, weights: ArrayLike) -> Standardised:
    """Return a directly standardised rate with Dobson's interval (Dobson 1991).

    Args:
        events: of each stratum.
        population: of each stratum; a stratum without any is left out, with its weight.
        weights: of the standard population, on any scale.

    Raises:
        UsageError: no stratum has a population and a weight.
    """
    o, n, w = _strata(events, population, weights)
    value = float((w * o / n).sum() / w.sum())
    variance = float((w * w * o / (n * n)).sum() / w.sum() ** 2)
    total = float(o.sum())
    if total <= 0:
        return Standardised(value, np.nan, np.nan, variance, total)
    bounds = byar(total)
    scale = float(np.sqrt(variance / total))
    return Standardised(
        value,
        value + scale * (float(bounds.low) - total),
        value + scale * (float(bounds.high) - total),
        variance,
        total,
    )


def fay_feuer(events: ArrayLike, population: ArrayLike, weights: ArrayLike) -> Standardised:
    """Return a directly standardised rate with the gamma interval of Fay and Feuer (1997).

    It never covers too little, and holds for few events where Dobson's does not; the tables take
    Dobson's from 10 events on. Arguments and errors are those of ``direct``.
    """
    o, n, w = _strata(events, population, weights)
    share = w / w.sum() / n
    value, variance = float((share * o).sum()), float((share * share * o).sum())
    widest = float(share.max())
    low = 0.0
    if value > 0:
        low = variance / (2 * value) * float(stats.chi2.ppf(0.025, 2 * value**2 / variance))
    above, spread = value + widest, variance + widest**2
    high = spread / (2 * above) * float(stats.chi2.ppf(0.975, 2 * above**2 / spread))
    return Standardised(value, low, high, variance, float(o.sum()))


def indirect(events: float, expected: float) -> Standardised:
    """Return observed over expected with Byar's interval.

    Raises:
        UsageError: nothing is expected.
    """
    if not expected > 0:
        raise UsageError("nothing is expected: an observed over expected ratio cannot be said")
    bounds = byar(events)
    return Standardised(
        events / expected,
        float(bounds.low) / expected,
        float(bounds.high) / expected,
        events / expected**2,
        events,
    )


def mean(values: ArrayLike) -> Standardised:
    """Return a mean with its interval by the normal law, from 200 units on."""
    x = np.asarray(values, np.float64)
    variance = float(x.var(ddof=1) / len(x)) if len(x) > 1 else np.nan
    return _normal(float(x.mean()) if len(x) else np.nan, variance, len(x))


def ratio(numerators: ArrayLike, denominators: ArrayLike) -> Standardised:
    """Return a ratio of sums over units, its variance linearised (Taylor), from 200 units on."""
    y, x = (np.asarray(each, np.float64) for each in (numerators, denominators))
    if not x.sum() > 0:
        return Standardised(np.nan, np.nan, np.nan, np.nan, len(x))
    value = float(y.sum() / x.sum())
    rest = y - value * x
    variance = np.nan
    if len(x) > 1:
        variance = float((rest * rest).sum() / x.sum() ** 2 * len(x) / (len(x) - 1))
    return _normal(value, variance, len(x))


def quantile(values: ArrayLike, of: float) -> Standardised:
    """Return a quantile (the smallest value that a share ``of`` of units does not exceed).

    Its interval is by the ranks around it; NaN where those fall outside the units.
    """
    x = np.sort(np.asarray(values, np.float64))
    n = len(x)
    if not n:
        return Standardised(np.nan, np.nan, np.nan, np.nan, 0)
    half = Z * np.sqrt(n * of * (1 - of))
    first, last = int(np.floor(n * of - half)), int(np.ceil(n * of + half)) + 1
    known = first >= 1 and last <= n
    return Standardised(
        float(x[max(1, int(np.ceil(n * of))) - 1]),
        float(x[first - 1]) if known else np.nan,
        float(x[last - 1]) if known else np.nan,
        np.nan,
        n,
    )


def _normal(value: float, variance: float, units: int) -> Standardised:
    half = Z * np.sqrt(variance) if units >= 200 else np.nan
    return Standardised(value, value - half, value + half, variance, units)


def _strata(
    events: ArrayLike, population: ArrayLike, weights: ArrayLike
) -> tuple[Floats, Floats, Floats]:
    o, n, w = (np.asarray(each, np.float64) for each in (events, population, weights))
    if not o.shape == n.shape == w.shape or o.ndim != 1:
        raise UsageError("events, population and weights must be lists of the same strata")
    if (o < 0).any() or (n < 0).any() or (w < 0).any():
        raise UsageError("events, population and weights are never negative")
    kept = (n > 0) & (w > 0)
    if not kept.any():
        raise UsageError("no stratum has both a population and a weight")
    return o[kept], n[kept], w[kept]
