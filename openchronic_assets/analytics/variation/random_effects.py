"""One random effect a unit: the variance between units by maximum likelihood.

Two families, the same fit. Poisson: O ~ Poisson(E exp(a + u)). Binomial: O of n, with
logit p = a + offset + u. In both u ~ Normal(0, s^2). The likelihood of a unit is integrated by
Gauss-Hermite quadrature centred on its mode; s^2 is found on the profile over a, and its interval
is where the profile falls by 1.92 (the chi-square of one degree of freedom).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special  # type: ignore[import-untyped]

from openchronic_assets.errors import UsageError

Floats = NDArray[np.float64]

_NODES, _WEIGHTS = np.polynomial.hermite.hermgauss(11)
_LOG_WEIGHTS = np.log(_WEIGHTS) + _NODES**2
_LOWEST, _HIGHEST = 1e-4, 8.0  # standard deviations looked at
_DROP = 1.920729  # half of the 95 % quantile of the chi-square of one degree of freedom


@dataclass(frozen=True)
class RandomEffects:
    """A fitted model of one random effect a unit.

    Attributes:
        variance: s^2, of the logarithm of ratios (Poisson) or of the log-odds (binomial).
        low: lower bound of its interval at 95 %, 0 where chance alone may explain all.
        high: its upper bound.
        level: a.
        effect: array (units,): mode of each unit's effect u.
        error: array (units,): standard error of the unit's own estimate, without the model.
        log_likelihood: at the maximum.
        family: ``poisson`` or ``binomial``.
    """

    variance: float
    low: float
    high: float
    level: float
    effect: Floats
    error: Floats
    log_likelihood: float
    family: str

    @property
    def reliability(self) -> Floats:
        """Array (units,): s^2 / (s^2 + error^2), what of a unit's value is not chance."""
        found: Floats = self.variance / (self.variance + self.error**2)
        return found


@dataclass(frozen=True)
class _Family:
    """What the fit needs of a family: terms of the log-likelihood and their derivatives."""

    value: Callable[[Floats], Floats]  # of the predictor, (nodes, units) or (units,)
    mean: Callable[[Floats], Floats]
    weight: Callable[[Floats], Floats]
    observed: Floats
    offset: Floats
    family: str


def poisson(observed: ArrayLike, expected: ArrayLike) -> RandomEffects | None:
    """Return the fit to events and expected events; None under three units or without an event.

    Raises:
        UsageError: a unit has no expected event, or the lists differ in length.
    """
    o, e = np.asarray(observed, np.float64), np.asarray(expected, np.float64)
    if o.shape != e.shape or (e <= 0).any() or (o < 0).any():
        raise UsageError("each unit needs events, and expected events above 0")
    constant = -special.gammaln(o + 1)

    def value(eta: Floats) -> Floats:
        found: Floats = o * eta - np.exp(eta) + constant
        return found

    return _fit(_Family(value, np.exp, np.exp, o, np.log(e), "poisson"))


def binomial(
    observed: ArrayLike, size: ArrayLike, expected: ArrayLike | None = None
) -> RandomEffects | None:
    """Return the fit to events among ``size`` trials; None under three units or without events.

    Args:
        observed: events.
        size: trials, at least as many.
        expected: events expected of the case mix; without it all units are expected alike.

    Raises:
        UsageError: more events than trials, or expected events that are not between.
    """
    o, n = np.asarray(observed, np.float64), np.asarray(size, np.float64)
    if o.shape != n.shape or (n <= 0).any() or (o < 0).any() or (o > n).any():
        raise UsageError("each unit needs trials, and no more events than trials")
    offset = np.zeros(len(o))
    if expected is not None:
        share = np.asarray(expected, np.float64) / n
        if share.shape != o.shape or (share <= 0).any() or (share >= 1).any():
            raise UsageError("expected events lie between none and all of a unit's trials")
        offset = special.logit(share)
    constant = special.gammaln(n + 1) - special.gammaln(o + 1) - special.gammaln(n - o + 1)

    def value(eta: Floats) -> Floats:
        found: Floats = o * eta - n * np.logaddexp(0, eta) + constant
        return found

    def mean(eta: Floats) -> Floats:
        found: Floats = n * special.expit(eta)
        return found

    def weight(eta: Floats) -> Floats:
        p = special.expit(eta)
        found: Floats = n * p * (1 - p)
        return found

    if o.sum() >= n.sum():
        return None
    return _fit(_Family(value, mean, weight, o, offset, "binomial"))


def _fit(family: _Family) -> RandomEffects | None:
    o = family.observed
    if len(o) < 3 or not o.sum() > 0:
        return None
    search = _Profile(family)
    low, high = np.log(_LOWEST), np.log(_HIGHEST)
    found = optimize.minimize_scalar(
        lambda log_s: -search(log_s), bounds=(low, high), method="bounded", options={"xatol": 1e-4}
    )
    best, top = float(found.x), -float(found.fun)
    if search(low) >= top - 1e-9:  # flat towards none: no variance beyond chance
        best, top = low, search(low)

    def fallen(log_s: float) -> float:
        return search(log_s) - top + _DROP

    lower, upper = 0.0, np.inf
    if fallen(low) < 0:
        lower = float(np.exp(2 * optimize.brentq(fallen, low, best, xtol=1e-3)))
    if fallen(high) < 0:
        upper = float(np.exp(2 * optimize.brentq(fallen, best, high, xtol=1e-3)))
    search(best)
    variance = 0.0 if best == low else float(np.exp(2 * best))
    own = family.weight(family.offset + search.level + search.mode)
    return RandomEffects(
        variance=variance,
        low=lower,
        high=upper,
        level=search.level,
        effect=search.mode if variance > 0 else np.zeros(len(o)),
        error=1 / np.sqrt(np.maximum(own, 1e-12)),
        log_likelihood=top,
        family=family.family,
    )


class _Profile:
    """The log-likelihood at a log standard deviation, at its best level.

    Keeps the level and the modes from call to call: the next search begins near its end.
    """

    def __init__(self, family: _Family):
        self.family = family
        self.level = 0.0
        self.mode = np.zeros(len(family.observed))
        mean = family.mean(family.offset)
        with np.errstate(divide="ignore"):
            self.level = float(np.log(family.observed.sum() / mean.sum()))

    def __call__(self, log_s: float) -> float:
        variance = float(np.exp(2 * log_s))
        value = -np.inf
        for _ in range(50):
            value, score, information = self._at(variance)
            step = score / information
            self.level += float(np.clip(step, -1, 1))
            if abs(step) < 1e-5:
                break
        return value

    def _at(self, variance: float) -> tuple[float, float, float]:
        """Return the log-likelihood at the level, its slope there, and the information."""
        family, base = self.family, self.family.offset + self.level
        u = self.mode
        for _ in range(60):
            eta = base + u
            curve = family.weight(eta) + 1 / variance
            step = np.clip((family.observed - family.mean(eta) - u / variance) / curve, -2, 2)
            u = u + step
            if np.abs(step).max() < 1e-8:
                break
        self.mode = u
        scale = np.sqrt(2 / (family.weight(base + u) + 1 / variance))
        nodes = u + scale * _NODES[:, None]
        eta = base + nodes
        terms = family.value(eta) - nodes**2 / (2 * variance) + _LOG_WEIGHTS[:, None]
        # scipy's logsumexp takes longer than all the rest of a step.
        largest = terms.max(axis=0)
        share = np.exp(terms - largest)
        total = share.sum(axis=0)
        units = largest + np.log(total)
        share /= total
        slope = float((family.observed - (share * family.mean(eta)).sum(axis=0)).sum())
        weight = family.weight(base + u)
        information = float((weight / (1 + variance * weight)).sum())
        value = float((units + np.log(scale) - 0.5 * np.log(2 * np.pi * variance)).sum())
        return value, slope, max(information, 1e-9)
