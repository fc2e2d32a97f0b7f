"""Funnel plots: which units lie outside what chance allows, overdispersion allowed for.

They say who is unlike the target, never who ranks where. Source: Spiegelhalter 2005 [K].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats  # type: ignore[import-untyped]

from openchronic_assets.errors import UsageError

LEVELS = (0.95, 0.998)
WINSOR = 0.1

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Limits:
    """Control limits at one level, arrays of the sizes asked for."""

    level: float
    low: Floats
    high: Floats


@dataclass(frozen=True)
class Funnel:
    """Units against a target.

    Attributes:
        target: theta0.
        value: array (units,).
        precision: array (units,): expected events, or trials: the horizontal axis.
        z: array (units,): (value - target) / s, s under the target.
        dispersion: phi, mean of z^2 once the tenth at each end is brought to its percentile.
        is_overdispersed: phi > 1 + 2 sqrt(2 / k).
        between: tau^2, variance added to each unit's; 0 where not overdispersed.
        z_adjusted: array (units,): (value - target) / sqrt(s^2 + tau^2).
        status: array (units,) of ``within``, ``outside_95``, ``outside_998``: exact limits, or
            adjusted z where overdispersed.
    """

    target: float
    value: Floats
    precision: Floats
    z: Floats
    dispersion: float
    is_overdispersed: bool
    between: float
    z_adjusted: Floats
    status: NDArray[np.str_]


def poisson_limits(target: float, expected: ArrayLike) -> list[Limits]:
    """Return the exact limits of observed over expected, interpolated between counts."""
    e = np.asarray(expected, np.float64)
    return [
        Limits(level, *(_quantile(stats.poisson(target * e), p) / e for p in _tails(level)))
        for level in LEVELS
    ]


def binomial_limits(target: float, size: ArrayLike) -> list[Limits]:
    """Return the exact limits of a proportion, interpolated between counts."""
    n = np.asarray(size, np.float64)
    return [
        Limits(level, *(_quantile(stats.binom(n, target), p) / n for p in _tails(level)))
        for level in LEVELS
    ]


def _tails(level: float) -> tuple[float, float]:
    return (1 - level) / 2, (1 + level) / 2


def _quantile(law: Any, p: float) -> Floats:
    """Return r - (P(X <= r) - p) / P(X = r), r the smallest count with P(X <= r) >= p."""
    r = np.asarray(law.ppf(p), np.float64)
    found: Floats = np.maximum(0.0, r - (law.cdf(r) - p) / law.pmf(r))
    return found


def of_ratios(observed: ArrayLike, expected: ArrayLike, target: float = 1.0) -> Funnel:
    """Return the funnel of observed over expected; s = sqrt(target / expected).

    Raises:
        UsageError: a unit has no expected event, or the target is not above 0.
    """
    o, e = np.asarray(observed, np.float64), np.asarray(expected, np.float64)
    if o.shape != e.shape or (e <= 0).any() or not target > 0:
        raise UsageError("a funnel of ratios needs expected events and a target above 0")
    return _funnel(o / e, e, np.sqrt(target / e), target, poisson_limits(target, e))


def of_proportions(observed: ArrayLike, size: ArrayLike, target: float) -> Funnel:
    """Return the funnel of proportions; s = sqrt(target (1 - target) / n).

    Raises:
        UsageError: a unit has no trial, or the target is not between 0 and 1.
    """
    o, n = np.asarray(observed, np.float64), np.asarray(size, np.float64)
    if o.shape != n.shape or (n <= 0).any() or not 0 < target < 1:
        raise UsageError("a funnel of proportions needs trials and a target between 0 and 1")
    error = np.sqrt(target * (1 - target) / n)
    return _funnel(o / n, n, error, target, binomial_limits(target, n))


def _funnel(
    value: Floats, precision: Floats, error: Floats, target: float, limits: list[Limits]
) -> Funnel:
    k = len(value)
    z = (value - target) / error
    phi = float((winsorised(z) ** 2).mean()) if k else 0.0
    over = k > 1 and phi > 1 + 2 * np.sqrt(2 / k)
    between = 0.0
    if over:
        weight = 1 / error**2
        free = weight.sum() - (weight**2).sum() / weight.sum()
        between = max(0.0, float((k * phi - (k - 1)) / free))
    adjusted = (value - target) / np.sqrt(error**2 + between)
    status = np.full(k, "within", dtype="<U11")
    for limit, name in zip(limits, ("outside_95", "outside_998"), strict=True):
        if over:
            outside = np.abs(adjusted) > stats.norm.ppf((1 + limit.level) / 2)
        else:
            outside = (value < limit.low) | (value > limit.high)
        status[outside] = name
    return Funnel(target, value, precision, z, phi, bool(over), between, adjusted, status)


def winsorised(z: ArrayLike, share: float = WINSOR) -> Floats:
    """Return the values with those beyond the percentiles of ``share`` brought to them."""
    values = np.asarray(z, np.float64)
    if not len(values):
        return values
    low, high = np.quantile(values, [share, 1 - share])
    found: Floats = np.clip(values, low, high)
    return found
