"""What a model is worth on people and days that it has never seen, whole and by group."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from openchronic_assets.analytics.risk import metrics
from openchronic_assets.analytics.risk.features import Floats
from openchronic_assets.analytics.risk.models import Model

LEAST = 11  # people, cases or others under which nothing is told
THRESHOLDS = np.round(np.arange(0.01, 0.305, 0.01), 2)
OTHERS = "Autres, regroupés"
REPEATS = 5
SAMPLE = 20_000
GROUP_REPLICATES = 200

Labels = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass
class Group:
    """A model on one group of people: those of one sex, age, place."""

    name: str
    count: int
    cases: int
    auroc: float
    observed_expected: float
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)


def groups(
    y: Labels, p: Labels, person: Ints, values: npt.NDArray[np.str_], seed: int
) -> list[Group]:
    """Return the model by group; groups with few cases or few others are told together.

    A single small group would be the difference of the total and the others: it is joined to the
    smallest of them.
    """
    names, place = np.unique(values, return_inverse=True)
    cases = np.bincount(place, y, minlength=len(names)).astype(np.int64)
    count = np.bincount(place, minlength=len(names))
    small = (cases < LEAST) | (count - cases < LEAST)
    order = sorted(np.flatnonzero(~small).tolist(), key=lambda each: cases[each])
    together = np.flatnonzero(small).tolist()
    while together and order and _few(cases[together].sum(), count[together].sum()):
        together.append(order.pop(0))
    found = [([each], str(names[each])) for each in sorted(order)]
    if together and not _few(cases[together].sum(), count[together].sum()):
        found.append((together, OTHERS))
    if len(found) < 2:  # the whole under another name
        return []
    told = []
    for members, name in found:
        rows = np.isin(place, members)
        own = np.unique(person[rows], return_inverse=True)[1]
        interval = metrics.intervals(y[rows], {"model": p[rows]}, own, seed, GROUP_REPLICATES)[
            "model"
        ]
        told.append(
            Group(
                name,
                int(rows.sum()),
                int(y[rows].sum()),
                metrics.auroc(y[rows], p[rows]),
                metrics.observed_expected(y[rows], p[rows]),
                {key: interval[key] for key in ("auroc", "observed_expected") if key in interval},
            )
        )
    return told


def _few(cases: int, count: int) -> bool:
    return bool(cases < LEAST or count - cases < LEAST)


def importance(
    model: Model,
    names: tuple[str, ...],
    values: Floats,
    y: Labels,
    family: dict[str, str],
    seed: int,
) -> list[tuple[str, float]]:
    """Return what AUROC is lost when a family of features is shuffled among people, falling.

    Features of a family are shuffled together: alone, each would be told by its like.
    """
    rng = np.random.default_rng([seed, 7])
    if len(y) > SAMPLE:
        rows = np.sort(rng.choice(len(y), SAMPLE, replace=False))
        values, y = values[rows], y[rows]
    whole = metrics.auroc(y, model.risk(names, values))
    members: dict[str, list[int]] = {}
    for name in model.columns:
        members.setdefault(family.get(name, name), []).append(names.index(name))
    found = []
    for label, columns in members.items():
        losses = []
        for _ in range(REPEATS):
            shuffled = values.copy()
            shuffled[:, columns] = values[np.ix_(rng.permutation(len(y)), np.array(columns))]
            losses.append(whole - metrics.auroc(y, model.risk(names, shuffled)))
        found.append((label, float(np.mean(losses))))
    return sorted(found, key=lambda each: (-each[1], each[0]))


def decisions(y: Labels, p: Labels) -> list[tuple[float, float, float]]:
    """Return (threshold, net benefit of the model, of acting on all) where enough are flagged.

    Points with fewer than ``LEAST`` true or false positives are left out.
    """
    model, everybody = metrics.net_benefit(y, p, THRESHOLDS), metrics.treat_all(y, THRESHOLDS)
    found = []
    for number, threshold in enumerate(THRESHOLDS.tolist()):
        flagged = p >= threshold
        hits = int(y[flagged].sum())
        if hits >= LEAST and int(flagged.sum()) - hits >= LEAST:
            found.append((threshold, float(model[number]), float(everybody[number])))
    return found


def tops(y: Labels, p: Labels) -> list[metrics.Top]:
    """Return who is flagged at the top shares, where at least ``LEAST`` are found and missed."""
    found = [metrics.top(y, p, share) for share in metrics.TOP_SHARES]
    cases = int(y.sum())
    return [
        each
        for each in found
        if each.hits >= LEAST and cases - each.hits >= LEAST
        and each.flagged - each.hits >= LEAST
    ]  # fmt: skip
