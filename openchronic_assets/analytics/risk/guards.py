"""What stops a model: a feature that knows the future, results too good to be true."""

from __future__ import annotations

import datetime

import duckdb
import numpy as np
import numpy.typing as npt

from openchronic_assets.analytics.risk import context, features, metrics, sources
from openchronic_assets.analytics.risk.features import Extra, Floats, Matrix
from openchronic_assets.analytics.risk.study import LABELS, PLAUSIBLE, Study
from openchronic_assets.errors import OpenChronicError, Refused

CHECKED = 2000  # people whose features are computed again
DAYS = 3  # days on which they are
CANARY = 0.95  # a feature alone so near the outcome is the outcome
ABOVE_TABLE = 0.05  # where age and sex alone reach the band, what a model may add to them
BY_AGE = frozenset(("age", *context.NAMES.values()))
ENOUGH = 20  # cases under which a feature's AUROC says nothing


def same_when_cut(
    connection: duckdb.DuckDBPyConnection,
    study: Study,
    extra: tuple[Extra, ...],
    found: Matrix,
    landmarks: npt.NDArray[np.datetime64],
) -> None:
    """Refuse features that change when everything after the day of prediction is taken away.

    They are computed again for some people on some days, from sources without what came later.

    Raises:
        Refused: a feature knows the future; the message names it.
    """
    readmission = study.kind == "readmission"
    days, counts = np.unique(landmarks, return_counts=True)
    chosen = np.sort(days[np.argsort(-counts, kind="stable")[:DAYS]])
    guilty: set[str] = set()
    try:
        for each in chosen.tolist():
            day = _date(each)
            rows = np.flatnonzero(landmarks == np.datetime64(day))
            step = max(1, len(rows) // CHECKED)
            some = rows[::step]
            listed = f"landmark = {features.day_sql(day)} and subject in (select unnest(?))"
            connection.execute("set variable checked = ?", [some.tolist()])
            listed = listed.replace("unnest(?)", "unnest(getvariable('checked'))")
            sources.open_views(connection, study.information, until=day)
            again = features.matrix(connection, readmission, found.levels, extra, listed)
            for number, name in enumerate(found.names):
                if not np.array_equal(
                    again.column(name), found.values[some, number], equal_nan=True
                ):
                    guilty.add(name)
    finally:
        sources.open_views(connection, study.information)
    if guilty:
        raise Refused(
            f"features that know the future: {', '.join(sorted(guilty))}. They change when what "
            "came after the day of prediction is taken away; nothing was trained. Let them read "
            "facts before `until` that were known by `known_until`"
        )


def _date(value: object) -> datetime.date:
    if isinstance(value, datetime.datetime):
        return value.date()
    assert isinstance(value, datetime.date)
    return value


def separations(names: tuple[str, ...], values: Floats, y: npt.NDArray[np.float64]) -> Floats:
    """Return the AUROC of each feature alone, whichever way it points; no value ranks lowest."""
    found = np.full(len(names), 0.5)
    for number in range(len(names)):
        column = np.nan_to_num(values[:, number].astype(np.float64), nan=-1e30)
        alone = metrics.auroc(y, column)
        found[number] = 0.5 if np.isnan(alone) else max(alone, 1 - alone)
    result: Floats = found.astype(np.float32)
    return result


def no_feature_knows(
    study: Study,
    outcome: str,
    names: tuple[str, ...],
    values: Floats,
    y: npt.NDArray[np.float64],
) -> None:
    """Refuse a feature that tells the outcome by itself, and see that a planted one is caught.

    The canary is the outcome with noise, added to the matrix of this run: a guard that lets it
    through is no guard.

    Raises:
        Refused: a feature alone is above the plausible band; the message names it.
        OpenChronicError: the canary was not caught.
    """
    if min(y.sum(), len(y) - y.sum()) < ENOUGH:
        return
    limit = PLAUSIBLE[study.kind]
    noise = np.random.default_rng([study.seed, 15]).normal(0, 0.1, len(y))
    canary = separations(("canary",), (y + noise).astype(np.float32)[:, None], y)[0]
    if not canary > max(limit, CANARY):
        raise OpenChronicError(
            f"{outcome}: the leakage canary was not caught; the guard does not work, nothing was "
            "trained"
        )
    alone = separations(names, values, y)
    guilty = [
        f"{name} ({area:.2f})"
        for name, area in zip(names, alone.tolist(), strict=True)
        # Age may part the people of a disease of old age by itself.
        if area > (CANARY if name in BY_AGE else limit)
    ]
    if guilty:
        raise Refused(
            f"{outcome}: features that tell the outcome by themselves (AUROC over {limit:.2f}): "
            f"{', '.join(guilty)}. They know the future, or are the outcome under another name; "
            "nothing was trained"
        )


def band(study: Study, age_sex: float) -> float:
    """Return the AUROC over which a model is not released.

    Indicators 7.6; where age and sex alone, which cannot know the future, come near it, what they
    reach and a little more.
    """
    limit = PLAUSIBLE[study.kind]
    return limit if np.isnan(age_sex) else max(limit, age_sex + ABOVE_TABLE)


def too_good(study: Study, outcome: str, areas: dict[str, float]) -> str | None:
    """Return why a model may not be released, in French, or None."""
    limit = band(study, areas.get("age_sex", float("nan")))
    over = [name for name, area in areas.items() if area > limit]
    if not over:
        return None
    worst = max(areas[name] for name in over)
    return (
        f"{LABELS[outcome]} : AUROC de {worst:.3f}, au-dessus de la plage plausible "
        f"({limit:.2f}). Une fuite d'information est probable : le modèle n'est pas diffusé."
    )
