"""How good a predicted risk is: discrimination, calibration, use; intervals by person.

Each figure is defined for weights, so that a bootstrap of people is a change of weights: a person
drawn twice counts twice, with all their rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

REPLICATES = 1000
CONFIDENCE = 0.95
_TINY = 1e-7
TOP_SHARES = (0.01, 0.05, 0.10)
NAMES = (
    "auroc", "auprc", "brier", "scaled_brier", "log_loss", "calibration_slope",
    "calibration_intercept", "observed_expected",
)  # fmt: skip


def _ordered(y: Floats, p: Floats) -> tuple[Ints, Ints]:
    """Return the order of falling risk, and where each group of equal risks ends in it."""
    order = np.argsort(-p, kind="stable")
    ends = np.flatnonzero(np.diff(p[order], append=-np.inf) != 0)
    return order, ends


def auroc(y: Floats, p: Floats, weight: Floats | None = None) -> float:
    """Return the chance that a case has a higher risk than a non-case, ties counted half.

    NaN where one of the classes is absent.
    """
    return _auroc(y, *_ordered(y, p), np.ones(len(y)) if weight is None else weight)


def _auroc(y: Floats, order: Ints, ends: Ints, weight: Floats) -> float:
    w, cases = weight[order], y[order] * weight[order]
    hits = np.concatenate([[0.0], np.cumsum(cases)[ends]])
    false = np.concatenate([[0.0], np.cumsum(w - cases)[ends]])
    area = hits[-1] * false[-1]
    return float(np.trapezoid(hits, false) / area) if area > 0 else float("nan")


def auprc(y: Floats, p: Floats, weight: Floats | None = None) -> float:
    """Return the average precision: the sum of precision over the steps of recall."""
    return _auprc(y, *_ordered(y, p), np.ones(len(y)) if weight is None else weight)


def _auprc(y: Floats, order: Ints, ends: Ints, weight: Floats) -> float:
    w, cases = weight[order], y[order] * weight[order]
    hits, flagged = np.cumsum(cases)[ends], np.cumsum(w)[ends]
    if not len(hits) or hits[-1] <= 0:
        return float("nan")
    precision = np.divide(hits, flagged, out=np.zeros(len(hits)), where=flagged > 0)
    return float((precision * np.diff(hits, prepend=0.0)).sum() / hits[-1])


def brier(y: Floats, p: Floats, weight: Floats | None = None) -> float:
    """Return the mean square of what the risk misses."""
    return float(np.average((p - y) ** 2, weights=weight))


def scaled_brier(y: Floats, p: Floats, weight: Floats | None = None) -> float:
    """Return 1 less the Brier score over that of the mean; 0 says nothing, 1 is perfect."""
    mean = np.average(y, weights=weight)
    base = mean * (1 - mean)
    return 1 - brier(y, p, weight) / base if base > 0 else float("nan")


def log_loss(y: Floats, p: Floats, weight: Floats | None = None) -> float:
    """Return the mean logarithmic loss; risks are cut to 1e-7 from 0 and 1."""
    cut = np.clip(p, _TINY, 1 - _TINY)
    return float(np.average(-np.where(y > 0, np.log(cut), np.log1p(-cut)), weights=weight))


def observed_expected(y: Floats, p: Floats, weight: Floats | None = None) -> float:
    """Return cases over those predicted: calibration in the large."""
    expected = np.average(p, weights=weight)
    return float(np.average(y, weights=weight) / expected) if expected > 0 else float("nan")


def logit(p: Floats) -> Floats:
    """Return the log-odds of risks cut to 1e-7 from 0 and 1."""
    cut = np.clip(p, _TINY, 1 - _TINY)
    found: Floats = np.log(cut / (1 - cut))
    return found


def calibration(
    y: Floats,
    p: Floats,
    weight: Floats | None = None,
    start: tuple[float, float] | None = None,
    steps: int = 60,
) -> tuple[float, float]:
    """Return intercept and slope of the regression of what happens on the log-odds of the risk.

    0 and 1 are perfect; a slope under 1 says that risks are too far apart. The intercept is that
    of the same regression, not that of a slope held at 1. NaN where it cannot be told: one class
    alone, the same risk for all, risks that part the classes wholly.
    """
    w = np.ones(len(y)) if weight is None else weight
    x = logit(p)
    if not 0 < (w * y).sum() < w.sum() or np.ptp(x[w > 0]) < 1e-9:
        return float("nan"), float("nan")
    middle = float(np.average(x, weights=w))
    spread = float(np.sqrt(np.average((x - middle) ** 2, weights=w)))
    z = (x - middle) / spread
    if start is None:
        rate = float(np.average(y, weights=w))
        a, b = math.log(rate / (1 - rate)), 0.0
    else:
        a, b = start[0] + start[1] * middle, start[1] * spread
    for _ in range(steps):
        chance = 1 / (1 + np.exp(-np.clip(a + b * z, -50, 50)))
        v = w * chance * (1 - chance)
        error = w * (y - chance)
        g0, g1 = error.sum(), (error * z).sum()
        h00, h01, h11 = v.sum(), (v * z).sum(), (v * z * z).sum()
        det = h00 * h11 - h01 * h01
        if not det > 1e-12:
            return float("nan"), float("nan")
        da, db = (h11 * g0 - h01 * g1) / det, (h00 * g1 - h01 * g0) / det
        # A full step may overshoot where risks are extreme.
        longest = max(abs(da), abs(db))
        da, db = (da, db) if longest <= 1 else (da / longest, db / longest)
        a, b = a + da, b + db
        if abs(b) > 50 or abs(a) > 500:
            break
        if longest < 1e-10 or (start is not None and longest < 1e-6):
            return a - b * middle / spread, b / spread
    return float("nan"), float("nan")


def net_benefit(y: Floats, p: Floats, thresholds: Floats) -> Floats:
    """Return the net benefit of acting on risks at or over each threshold (Vickers).

    True positives a person, less false ones at the odds of the threshold.
    """
    order = np.argsort(p, kind="stable")
    at = np.searchsorted(p[order], thresholds, side="left")
    cases = np.concatenate([np.cumsum(y[order][::-1])[::-1], [0.0]])[at]
    flagged = len(y) - at
    found: Floats = (cases - (flagged - cases) * thresholds / (1 - thresholds)) / len(y)
    return found


def treat_all(y: Floats, thresholds: Floats) -> Floats:
    """Return the net benefit of acting on everybody; acting on nobody has 0."""
    rate = y.mean()
    found: Floats = rate - (1 - rate) * thresholds / (1 - thresholds)
    return found


@dataclass(frozen=True)
class Top:
    """Who is flagged when a share of the people with the highest risks is."""

    share: float
    flagged: int
    hits: int
    sensitivity: float
    predictive_value: float

    @property
    def number_needed(self) -> float:
        """How many are looked at to find one."""
        return 1 / self.predictive_value if self.predictive_value > 0 else float("nan")


def top(y: Floats, p: Floats, share: float) -> Top:
    """Flag a share of the rows with the highest risks; equal ones in the order of the rows."""
    flagged = max(1, round(share * len(y)))
    hits = int(y[np.argsort(-p, kind="stable")[:flagged]].sum())
    cases = y.sum()
    return Top(share, flagged, hits, hits / cases if cases > 0 else float("nan"), hits / flagged)


@dataclass(frozen=True)
class Bin:
    """People of like risk: how many, the mean risk, how many cases."""

    count: int
    risk: float
    cases: int


def curve(y: Floats, p: Floats, bins: int = 10, least: int = 11) -> list[Bin]:
    """Return the calibration curve by quantiles of risk; bins under ``least`` cases, or under
    ``least`` others, are joined to the next.
    """  # noqa: D205
    order = np.argsort(p, kind="stable")
    found: list[Bin] = []
    parts = [part for part in np.array_split(order, bins) if len(part)]
    waiting: list[Ints] = []
    for part in parts:
        waiting.append(part)
        rows = np.concatenate(waiting)
        cases = int(y[rows].sum())
        if cases >= least and len(rows) - cases >= least:
            found.append(Bin(len(rows), float(p[rows].mean()), cases))
            waiting = []
    if waiting and found:
        rows = np.concatenate(waiting)
        last = found.pop()
        count = last.count + len(rows)
        risk = (last.risk * last.count + float(p[rows].sum())) / count
        found.append(Bin(count, risk, last.cases + int(y[rows].sum())))
    return found


def calibration_error(y: Floats, p: Floats, bins: int = 10) -> float:
    """Return the expected calibration error over quantiles of risk."""
    order = np.argsort(p, kind="stable")
    gaps = [
        len(part) * abs(float(y[part].mean() - p[part].mean()))
        for part in np.array_split(order, bins)
        if len(part)
    ]
    return sum(gaps) / len(y)


def all_metrics(y: Floats, p: Floats) -> dict[str, float]:
    """Return every figure of ``NAMES``."""
    intercept, slope = calibration(y, p)
    return {
        "auroc": auroc(y, p),
        "auprc": auprc(y, p),
        "brier": brier(y, p),
        "scaled_brier": scaled_brier(y, p),
        "log_loss": log_loss(y, p),
        "calibration_slope": slope,
        "calibration_intercept": intercept,
        "observed_expected": observed_expected(y, p),
    }


def weights(person: Ints, seed: int, replicate: int) -> Floats:
    """Return how often each row counts when as many people as there are were drawn with return.

    ``person`` numbers the people from 0. The same replicate draws the same people for each model.
    """
    people = int(person.max()) + 1 if len(person) else 0
    drawn = np.random.default_rng([seed, replicate]).integers(0, people, people)
    found: Floats = np.bincount(drawn, minlength=people).astype(np.float64)[person]
    return found


def intervals(
    y: Floats,
    risks: dict[str, Floats],
    person: Ints,
    seed: int,
    replicates: int = REPLICATES,
) -> dict[str, dict[str, tuple[float, float]]]:
    """Return the bootstrap interval (2.5 % to 97.5 %) of each figure of each model.

    A figure that more than one replicate in twenty could not tell has no interval.
    """
    prepared = {name: (_ordered(y, p), calibration(y, p)) for name, p in risks.items()}
    values = {name: np.full((replicates, len(NAMES)), np.nan) for name in risks}
    for replicate in range(replicates):
        w = weights(person, seed, replicate)
        for name, p in risks.items():
            (order, ends), start = prepared[name]
            if np.isnan(start[1]):
                intercept, slope = start
            else:
                intercept, slope = calibration(y, p, w, start)
            values[name][replicate] = (
                _auroc(y, order, ends, w), _auprc(y, order, ends, w), brier(y, p, w),
                scaled_brier(y, p, w), log_loss(y, p, w), slope, intercept,
                observed_expected(y, p, w),
            )  # fmt: skip
    tail = (1 - CONFIDENCE) / 2
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for name, table in values.items():
        told = {}
        for number, metric in enumerate(NAMES):
            known = table[:, number][~np.isnan(table[:, number])]
            if replicates and len(known) >= 0.95 * replicates:
                low, high = np.quantile(known, [tail, 1 - tail])
                told[metric] = (float(low), float(high))
        found[name] = told
    return found


def difference(
    y: Floats, one: Floats, other: Floats, person: Ints, seed: int, replicates: int = REPLICATES
) -> tuple[float, float, float]:
    """Return the AUROC of one less that of another, with its bootstrap interval."""
    first, second = _ordered(y, one), _ordered(y, other)
    found = []
    for replicate in range(replicates):
        w = weights(person, seed, replicate)
        found.append(_auroc(y, *first, w) - _auroc(y, *second, w))
    known = np.array(found)[~np.isnan(found)]
    if not len(known):
        return auroc(y, one) - auroc(y, other), float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return auroc(y, one) - auroc(y, other), float(low), float(high)
