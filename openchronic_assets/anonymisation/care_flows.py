"""What leaves of where people are hospitalised: from where they live to where they are cared for.

Each person of a year counts once, where most of her stays were. A row is a place of residence: its
people, the places of care that may be named, and the rest of them together (``other``); no total by
place of care is told. A row is then known from itself alone, and an unnamed place stands for
anything from nobody to all of the rest: the rest is nobody or 11 people at least.

A place of care is named where at least ``FEWEST_HOSPITALS`` hospitals care for people and none of
them has more than 85 % of those who come from the row's place: no hospital is told. Departments,
or regions where too little could be said of departments; never both, since their differences tell
the rest.

Areas follow from what is told (Nystuen and Dacey, 1961): a place belongs to the place to which
most of its people go elsewhere, if that is a larger one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from openchronic_assets.anonymisation.tables import DOMINANCE, THRESHOLD
from openchronic_assets.errors import OpenChronicError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Counts = NDArray[np.int64]

FEWEST_HOSPITALS = 3
ALL, REST = "all", "other"
ENOUGH = 0.5
"""Share of people in named cells from which departments are told rather than regions."""


@dataclass(frozen=True)
class CareFlows:
    """The true counts of a year at one level.

    Attributes:
        year: of care.
        level: ``department`` or ``region``.
        places: codes, in order.
        people: (residence, care): people; the last column is care elsewhere or not located.
        largest: (residence, care): of them those of the hospital that has most.
        hospitals: (care): hospitals that cared for somebody.
    """

    year: int
    level: str
    places: tuple[str, ...]
    people: Counts
    largest: Counts
    hospitals: Counts

    def __post_init__(self) -> None:
        size = len(self.places)
        shape = (size, size + 1)
        if self.people.shape != shape or self.largest.shape != shape:
            raise OpenChronicError(f"care flows of {self.year}: the counts do not fit the places")
        if (self.largest > self.people).any() or self.people.min(initial=0) < 0:
            raise OpenChronicError(f"care flows of {self.year}: a hospital has more than there are")


@dataclass(frozen=True)
class Row:
    """What is told of the people of one place.

    Attributes:
        residence: where they live.
        people: how many were hospitalised; None where it may not be told, and nothing else is.
        named: people by place of care.
        rest: people of all other places together.
    """

    residence: str
    people: int | None
    named: Mapping[str, int]
    rest: int


def judge_flows(
    levels: Sequence[CareFlows], others: Mapping[str, Sequence[Counts]]
) -> tuple[str, list[Row]]:
    """Say what leaves of a year: the level and its rows; none where nothing can be said.

    Args:
        levels: departments, then regions.
        others: for each level, people by place of the tables that are told beside it.
    """
    best: tuple[str, list[Row]] = ("", [])
    most = 0.0
    for each in levels:
        rows = _rows(each, others[each.level])
        whole = max(1, int(each.people.sum()))
        share = sum(sum(row.named.values()) for row in rows) / whole
        if share > most:
            best, most = (each.level, rows), share
        if share >= ENOUGH:
            break
    return best


def _rows(flows: CareFlows, others: Sequence[Counts]) -> list[Row]:
    found = []
    totals = flows.people.sum(axis=1)
    close = np.zeros(len(totals), dtype=bool)
    for other in others:
        # As for indicators: a table that is nowhere more than another is a part of it.
        if (totals <= other).all() or (other <= totals).all():
            close |= (totals != other) & (abs(totals - other) < THRESHOLD)
    for at, residence in enumerate(flows.places):
        people, largest = flows.people[at], flows.largest[at]
        total = int(totals[at])
        if total < THRESHOLD or close[at]:
            found.append(Row(residence, None, {}, 0))
            continue
        may = (
            (people[:-1] >= THRESHOLD)
            & (flows.hospitals >= FEWEST_HOSPITALS)
            & (largest[:-1] <= DOMINANCE * people[:-1])
        )
        named = sorted(np.flatnonzero(may).tolist(), key=lambda j: (-int(people[j]), j))
        while named:
            rest = total - int(people[named].sum())
            unnamed = len(flows.places) - len(named)
            lone = rest == 0 and len(named) == 1
            if not (lone or 0 < rest < THRESHOLD or (rest and unnamed < 2)):
                break
            named.pop()
        told = {flows.places[j]: int(people[j]) for j in sorted(named)}
        found.append(Row(residence, total, told, total - sum(told.values())))
    return found


def areas(rows: Iterable[Row]) -> dict[str, str]:
    """Return the area of each place of which anything is told: the code of its centre.

    A place follows the largest of its shown flows to another, if more people are cared for there
    than in itself; of equals the first code. Sizes are sums of shown cells.
    """
    told = {row.residence: row for row in rows if row.people is not None and row.named}
    size: dict[str, int] = dict.fromkeys(told, 0)
    for row in told.values():
        for care, people in row.named.items():
            size[care] = size.get(care, 0) + people
    follows: dict[str, str] = {}
    for code, row in told.items():
        away = {care: people for care, people in row.named.items() if care != code}
        if away:
            to = min(away, key=lambda care: (-away[care], care))
            if (size[to], code) > (size[code], to):
                follows[code] = to
    found = {}
    for code in told:
        centre = code
        while centre in follows:
            centre = follows[centre]
        found[code] = centre
    return found
