"""The typology of a pathway, and the map of what follows what in it, from the catalogue.

What a report may show counts eleven people or more: smaller clusters are merged with the nearest
one, rarer states and steps with the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from openchronic_assets import progress
from openchronic_assets.analytics.typology import clusters as cl
from openchronic_assets.analytics.typology import distances
from openchronic_assets.analytics.typology.sequences import (
    ALPHABET,
    MOST,
    Sequences,
    capped,
    distinct,
)
from openchronic_assets.errors import UsageError

SHOWN = 11
"""Fewest people behind a number that is shown."""

SUPPORT = 0.01
"""Share of cases that an arrow of the map has at least."""

OTHERS = "autres"

_STATES = """
select s.person_id, s.month_offset, s.state, p.sex
from pathway_state as s
left join person as p on s.person_id = p.person_id
where s.pathway = $pathway and s.is_incident and s.month_offset between $first and $last
order by s.person_id, s.month_offset
"""

_FOLLOWS = """
select from_activity, to_activity, case_count, event_count, median_days, p90_days
from pathway_follows
where pathway = $pathway
order by from_activity, to_activity
"""


@dataclass(frozen=True)
class Typology:
    """A pathway told by types.

    Attributes:
        pathway: its name in ``ref_pathway``.
        months: first and last month of the sequences, 0 holding the index.
        method: distance.
        sequences: distinct sequences of everybody observed over all months.
        left_out: people with a month that the data do not hold.
        clusters: of the sequences that were compared.
        compared: positions of those among the distinct ones.
        of: array (people,): type of each person, the largest first.
        tried: mean silhouette by number of types, before small ones were merged.
        merged: types of fewer than eleven people given to the nearest.
        tables: ``type``, ``state``, ``step``: what may be shown.
        people: one row a person: individual data.
        facts: figures; None where one cannot be said.
        reasons: why.
    """

    pathway: str
    months: tuple[int, int]
    method: str
    sequences: Sequences | None
    left_out: int
    clusters: cl.Clusters | None
    compared: NDArray[np.int64]
    of: NDArray[np.int64]
    tried: dict[int, float | None]
    merged: int
    tables: dict[str, pd.DataFrame]
    people: pd.DataFrame
    facts: dict[str, Any]
    reasons: dict[str, str]


def pathways(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Return the pathways of the build with their French labels."""
    rows = connection.execute("select distinct pathway, label_fr from ref_pathway order by 1")
    return dict(rows.fetchall())


def analyse(
    connection: duckdb.DuckDBPyConnection,
    pathway: str,
    *,
    first: int = 0,
    last: int = 11,
    method: str = "om",
    clustering: str = "pam",
    types: int | None = None,
    most: int = MOST,
    seed: int = 0,
) -> Typology:
    """Return the typology of a pathway.

    Args:
        connection: to the catalogue.
        pathway: its name in ``ref_pathway``.
        first: first month of the sequences; 0 holds the index, negative is before.
        last: last month, up to 36.
        method: ``om``, ``hamming``, ``dhd`` or ``lcs``.
        clustering: ``pam`` or ``ward``.
        types: how many; without it, of 3 to 8 the number of the best silhouette.
        most: distinct sequences compared; the others go to the nearest medoid.
        seed: of the draw where there are more.

    Raises:
        UsageError: no such pathway or method, months that are none, or no pathway was built.
    """
    if method not in distances.METHODS or clustering not in cl.METHODS:
        raise UsageError(
            f"distances are {', '.join(distances.METHODS)}; clusters are {', '.join(cl.METHODS)}"
        )
    if not -24 <= first < last <= 36 or most < 2 or (types is not None and types < 1):
        raise UsageError("months go from -24 to 36, the first before the last; types from 1")
    try:
        known = pathways(connection)
        if pathway not in known:
            raise UsageError(f"no pathway {pathway!r}; there are: {', '.join(known)}")
        wanted = {"pathway": pathway, "first": first, "last": last}
        rows = connection.execute(_STATES, wanted).df()
        follows = connection.execute(_FOLLOWS, {"pathway": pathway}).df()
    except duckdb.CatalogException as error:
        raise UsageError("the build has no pathways: build a year again with openchronic run"
                         ) from error  # fmt: skip
    months = last - first + 1
    people, codes, left_out = _sequences(rows, months)
    steps, facts, reasons = process_map(follows)
    facts |= {
        "people": len(people) if not 0 < len(people) < SHOWN else None,
        "distinct": None, "compared": None, "types": None, "silhouette": None,
        "explained": None, "pseudo_r2_sex": None,
    }  # fmt: skip
    tables = {"step": steps, "type": _no_types(), "state": _no_states()}
    if len(people) < 2 * SHOWN:
        why = f"moins de {2 * SHOWN} personnes observées tous les mois"
        for name in ("distinct", "compared", "types", "silhouette", "explained", "pseudo_r2_sex"):
            reasons[name] = why
        if facts["people"] is None:
            reasons["people"] = f"moins de {SHOWN}"
        nobody = np.zeros(0, np.int64)
        return Typology(
            pathway, (first, last), method, None, left_out, None, nobody, nobody, {}, 0, tables,
            people.assign(type=pd.Series(dtype="int64"))[:0], facts, reasons,
        )  # fmt: skip
    names = tuple(ALPHABET)
    found = distinct(codes, names)
    costs = _costs(found, method)
    compared = capped(found, most, seed)
    progress.report("typology", 0, 3)
    matrix = distances.all_pairs(found.codes[compared], method, costs)
    progress.report("typology", 1, 3)
    weight = found.weight[compared]
    tried: dict[int, float | None] = {}
    if types is None:
        best, tried = cl.choose(matrix, weight, range(3, 9), clustering)
    else:
        best = cl.cluster(matrix, weight, types, clustering)
        tried = {best.count: best.silhouette}
    progress.report("typology", 2, 3)
    medoids = compared[best.medoids]
    of_sequence = np.empty(len(found.weight), np.int64)
    of_sequence[compared] = best.of
    rest = np.setdiff1d(np.arange(len(found.weight)), compared)
    if len(rest):
        far = distances.between(found.codes[rest], found.codes[medoids], method, costs)
        of_sequence[rest] = cl.assign(far)
    between = distances.between(found.codes[medoids], found.codes[medoids], method, costs)
    of_type, merged = merge_small(
        np.bincount(of_sequence, found.weight, minlength=best.count).astype(np.float64), between
    )
    of = of_type[of_sequence][found.of]
    kept = np.unique(of_type)
    centre = np.array([medoids[_heaviest(of_type, c, best)] for c in kept])
    number = np.searchsorted(kept, of)
    tables["type"] = _types(number, people, found, centre)
    tables["state"] = _states(number, codes, first, names)
    facts |= {
        "distinct": len(found.weight), "compared": len(compared), "types": len(kept),
        "silhouette": _silhouette(matrix, weight, np.searchsorted(kept, of_type[best.of])),
        "explained": best.explained,
    }  # fmt: skip
    if facts["silhouette"] is None:
        reasons["silhouette"] = "un seul type"
    sex = people["sex"].fillna("").to_numpy(str)
    r2 = discrepancy(matrix, compared, found, sex)
    facts["pseudo_r2_sex"] = r2
    if r2 is None:
        reasons["pseudo_r2_sex"] = "un seul sexe, ou trop de parcours distincts"
    progress.report("typology", 3, 3)
    return Typology(
        pathway, (first, last), method, found, left_out, best, compared, number, tried, merged,
        tables, people.assign(type=number), facts, reasons,
    )  # fmt: skip


def _silhouette(
    matrix: NDArray[np.floating], weight: NDArray[np.int64], of: NDArray[np.int64]
) -> float | None:
    """Return the mean silhouette of the types that are told; None for one type."""
    if not of.max():
        return None
    return float(weight @ cl.silhouettes(matrix, weight, of) / weight.sum())


def _costs(found: Sequences, method: str) -> NDArray[np.float64] | None:
    if method == "om":
        return distances.transition_costs(found.codes, found.weight, len(found.states))
    if method == "dhd":
        return distances.dynamic_costs(found.codes, found.weight, len(found.states))
    return None


def _sequences(rows: pd.DataFrame, months: int) -> tuple[pd.DataFrame, NDArray[np.int8], int]:
    """Return people observed in all months, their states as codes, and how many were not."""
    code = {state: at for at, states in enumerate(ALPHABET.values()) for state in states}
    states = rows["state"].map(code)
    if len(rows) % months:
        raise UsageError("months of a case are missing: build the pathways again")
    table = states.to_numpy(np.float64).reshape(-1, months)
    seen = ~np.isnan(table).any(axis=1)
    people = rows.iloc[::months][["person_id", "sex"]].iloc[np.flatnonzero(seen)]
    return people.reset_index(drop=True), table[seen].astype(np.int8), int((~seen).sum())


def merge_small(
    weight: NDArray[np.floating], between: NDArray[np.floating], fewest: int = SHOWN
) -> tuple[NDArray[np.int64], int]:
    """Return the type of each cluster once those of few people joined the nearest, and how many.

    The smallest goes first; what it joins counts its people from then on.
    """
    of = np.arange(len(weight))
    size = weight.astype(np.float64).copy()
    merged = 0
    while True:
        alive = np.unique(of)
        small = [c for c in alive if size[c] < fewest]
        if not small or len(alive) == 1:
            return of, merged
        gone = min(small, key=lambda c: (size[c], c))
        others = alive[alive != gone]
        target = int(others[np.argmin(between[gone, others])])
        size[target] += size[gone]
        of[of == gone] = target
        merged += 1


def _heaviest(of_type: NDArray[np.int64], c: int, found: cl.Clusters) -> int:
    """Return the cluster whose medoid stands for a type: the one the others joined."""
    assert of_type[c] == c and c < found.count
    return int(c)


def _types(
    number: NDArray[np.int64], people: pd.DataFrame, found: Sequences, centre: NDArray[np.int64]
) -> pd.DataFrame:
    rows = []
    for each, medoid in enumerate(centre.tolist()):
        sex = people["sex"][number == each]
        women, men = int((sex == "2").sum()), int((sex == "1").sum())
        told = all(count == 0 or count >= SHOWN for count in (women, men))
        rows.append(
            {
                "type": each + 1,
                "people": int((number == each).sum()),
                "share": float((number == each).mean()),
                "share_of_women": women / (women + men) if told and women + men else None,
                # A medoid of few people is a person's own pathway: told by runs of states, it
                # stands for the shape of the type alone.
                "medoid": _told(found, medoid) if found.weight[medoid] >= SHOWN else None,
            }
        )
    return pd.DataFrame(rows, columns=_no_types().columns)


def _told(found: Sequences, at: int) -> str:
    """Return a sequence as runs: ``MCO 1, GP 3, NONE 8``."""
    runs: list[tuple[str, int]] = []
    for code in found.codes[at].tolist():
        state = found.states[code]
        if runs and runs[-1][0] == state:
            runs[-1] = (state, runs[-1][1] + 1)
        else:
            runs.append((state, 1))
    return ", ".join(f"{state} {months}" for state, months in runs)


def _states(
    number: NDArray[np.int64], codes: NDArray[np.int8], first: int, names: tuple[str, ...]
) -> pd.DataFrame:
    """Return the states of each type month by month, those of few people added to the others."""
    rows: list[tuple[int, int, str, int]] = []
    for each in range(int(number.max()) + 1):
        table = codes[number == each]
        for month in range(table.shape[1]):
            counts = np.bincount(table[:, month], minlength=len(names))
            rows += [
                (each + 1, first + month, state, people)
                for state, people in shown_counts(dict(zip(names, counts.tolist(), strict=True)))
            ]
    frame = pd.DataFrame(rows, columns=["type", "month", "state", "people"])
    total = frame.groupby(["type", "month"])["people"].transform("sum")
    return frame.assign(share=frame["people"] / total)


def shown_counts(counts: Mapping[str, int], fewest: int = SHOWN) -> list[tuple[str, int]]:
    """Return counts of states with those of few people together, as ``autres``.

    Where the few are still few, the rarest of the others joins them, so that no difference from the
    total tells them.
    """
    big = [(state, n) for state, n in counts.items() if n >= fewest]
    rest = sum(counts.values()) - sum(n for _, n in big)
    while 0 < rest < fewest and big:
        rarest = min(big, key=lambda each: each[1])
        big.remove(rarest)
        rest += rarest[1]
    return [*big, (OTHERS, rest)] if rest else big


def discrepancy(
    matrix: NDArray[np.floating],
    compared: NDArray[np.int64],
    found: Sequences,
    group: NDArray[np.str_],
) -> float | None:
    """Return the share of the discrepancy of sequences that a grouping explains (Studer 2011).

    Discrepancy: half the mean distance of two people. 1 - within / total; None where one group
    alone is known or not all sequences were compared.
    """
    if len(compared) < len(found.weight):
        return None
    names = [name for name in np.unique(group) if name]
    if len(names) < 2:
        return None
    known = group != ""
    whole = np.bincount(found.of[known], minlength=len(found.weight)).astype(np.float64)
    total = float(whole @ matrix @ whole) / whole.sum() / 2
    within = 0.0
    for name in names:
        part = np.bincount(found.of[group == name], minlength=len(found.weight)).astype(np.float64)
        within += float(part @ matrix @ part) / part.sum() / 2
    return 1 - within / total if total > 0 else None


def process_map(follows: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Any], dict[str, str]]:
    """Return the arrows of a pathway that may be shown, the slow ones marked, and what is hidden.

    An arrow has eleven cases or more and a share ``SUPPORT`` of the most used arrow's at least. A
    bottleneck is an arrow whose median delay is in the slowest quarter and over a week [A].

    Args:
        follows: rows of ``pathway_follows`` of one pathway.
    """
    facts: dict[str, Any] = {"steps": len(follows), "steps_shown": 0, "share_of_events_shown": None}
    columns = ["from_activity", "to_activity", "case_count", "event_count", "median_days",
               "p90_days", "is_bottleneck"]  # fmt: skip
    if not len(follows):
        return (
            pd.DataFrame(columns=columns), facts,
            {"share_of_events_shown": "aucun enchaînement n'est observé"},
        )  # fmt: skip
    fewest = max(SHOWN, SUPPORT * float(follows["case_count"].max()))
    kept = follows[follows["case_count"] >= fewest].copy()
    others = follows[(follows["from_activity"] != follows["to_activity"])]
    others = others[others["case_count"] >= fewest]
    limit = max(7.0, float(others["median_days"].quantile(0.75))) if len(others) else np.inf
    kept["is_bottleneck"] = (kept["median_days"] >= limit) & (
        kept["from_activity"] != kept["to_activity"]
    )
    hidden = int(follows["case_count"].sum() - kept["case_count"].sum())
    facts["steps_shown"] = len(kept)
    # Told only where what is hidden is not a few people.
    reasons = {}
    if 0 < hidden < SHOWN:
        reasons["share_of_events_shown"] = "la différence dirait peu de personnes"
    else:
        facts["share_of_events_shown"] = float(
            kept["event_count"].sum() / follows["event_count"].sum()
        )
    return kept[columns].reset_index(drop=True), facts, reasons


def _no_types() -> pd.DataFrame:
    return pd.DataFrame(columns=["type", "people", "share", "share_of_women", "medoid"])


def _no_states() -> pd.DataFrame:
    return pd.DataFrame(columns=["type", "month", "state", "people", "share"])
