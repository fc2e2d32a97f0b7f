"""Checks of a research file: individual data for named users, never for the open.

It may hold one row an event; what it may not hold is a delivered identifier, more than one
precise place or date, a class of fewer than 11 people in its patient table, or a missing figure
of the known-points attack.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from openchronic_assets.anonymisation.gate.microdata import ALONE, IDENTIFIER_VALUE
from openchronic_assets.anonymisation.gate.verdict import Finding

K_FLOOR = 11
ROLES = ("file_key", "quasi", "sensitive", "insensitive", "precise")
POINTS = ("1", "2", "3", "4", "5")


@dataclass(frozen=True)
class ResearchRequest:
    """What a research file is declared to be.

    Attributes:
        folder: where the files are; a zone named ``release_restricted`` must hold it.
        people: Parquet file, one row a person.
        events: Parquet file, one row an event, or None.
        roles: column of either file to its role: ``file_key`` (a number that joins the two files
            and nothing else), ``quasi``, ``sensitive``, ``insensitive``, ``precise`` (one of
            commune, month of birth, exact date of care or death, commune of death).
        k: smallest class of the quasi-identifiers of the people; never less than 11.
        known_points: JSON file with the share of people singled out by 1 to 5 known events.
        users: who may read it, by name.
    """

    folder: str
    people: str
    events: str | None
    roles: dict[str, str]
    k: int
    known_points: str
    users: list[str] = field(default_factory=list)


class Evidence:
    """The files under judgement."""

    def __init__(self, request: ResearchRequest) -> None:
        self.request = request
        self.folder = Path(request.folder)

    @cached_property
    def people(self) -> Any:
        """Return the file of people."""
        return pq.read_table(self.folder / self.request.people)

    @cached_property
    def events(self) -> Any:
        """Return the file of events, or None."""
        return pq.read_table(self.folder / self.request.events) if self.request.events else None

    def tables(self) -> list[Any]:
        """Return the files under judgement."""
        return [table for table in (self.people, self.events) if table is not None]

    def having(self, role: str) -> list[str]:
        """Return the columns of a role."""
        return [name for name, each in self.request.roles.items() if each == role]


def _zone(e: Evidence) -> Finding:
    zones = [part for part in e.folder.resolve().parts if part in ("release", "release_restricted")]
    good = bool(zones) and zones[-1] == "release_restricted" and bool(e.request.users)
    good = good and all(name.strip() for name in e.request.users)
    return Finding(good, f"{len(e.request.users)} users named", 1, len(e.request.users))


def _columns(e: Evidence) -> Finding:
    found = {name for table in e.tables() for name in table.schema.names}
    unknown = len(found ^ set(e.request.roles))
    unknown += sum(1 for role in e.request.roles.values() if role not in ROLES)
    unknown += sum(len(table.schema.metadata or {}) for table in e.tables())
    unknown += min(table.num_rows for table in e.tables()) < 1
    # Nothing else in the folder, and files of its own: a link may point elsewhere tomorrow.
    named = {e.request.people, e.request.known_points, *filter(None, [e.request.events])}
    unknown += len({path.name for path in e.folder.iterdir()} ^ named)
    unknown += sum((e.folder / name).is_symlink() for name in named)
    return Finding(unknown == 0, f"{unknown} columns not declared, or metadata", 0, unknown)


def _k(e: Evidence) -> Finding:
    quasi = [name for name in e.having("quasi") if name in e.people.schema.names]
    classes = Counter(zip(*(e.people[name].to_pylist() for name in quasi), strict=True))
    k = min(classes.values(), default=0)
    good = bool(quasi) and k >= max(K_FLOOR, e.request.k)
    return Finding(good, f"{len(quasi)} quasi-identifiers", max(K_FLOOR, e.request.k), k)


def _precise(e: Evidence) -> Finding:
    precise = len(e.having("precise"))
    return Finding(precise <= 1, f"{precise} precise columns", 1, precise)


def _identifiers(e: Evidence) -> Finding:
    patterns = [
        re.compile(ALONE.format(pattern), re.IGNORECASE)
        for kind, pattern in IDENTIFIER_VALUE.items()
        if kind in ("national identifier", "establishment or practitioner number", "pseudonym")
    ]
    allowed = set(e.having("file_key")) | set(e.having("precise"))
    found = 0
    for table in e.tables():
        for name in table.schema.names:
            values = table[name].unique().to_pylist()
            if name in allowed:
                # A key of the file is a small number: nothing that could join another file.
                found += name in e.having("file_key") and any(
                    type(value) is not int or not 0 < value <= 10 * e.people.num_rows
                    for value in values
                )
                continue
            for value in values:
                found += isinstance(value, str) and any(
                    hit and any(c.isdigit() for c in hit.group())
                    for hit in (pattern.search(value) for pattern in patterns)
                )
    return Finding(found == 0, f"{found} values look like identifiers", 0, found)


def _known_points(e: Evidence) -> Finding:
    body = json.loads((e.folder / e.request.known_points).read_text(encoding="utf-8"))
    shares = [body["singled_out"][number] for number in POINTS]
    good = all(type(s) in (int, float) and math.isfinite(s) and 0 <= s <= 1 for s in shares)
    good = good and type(body["people"]) is int and body["people"] > 0
    return Finding(good, "share singled out by 1 to 5 known events, told", 1, float(max(shares)))


CHECKS: dict[str, Callable[[Evidence], Finding]] = {
    "research_zone": _zone,
    "research_columns": _columns,
    "research_k": _k,
    "research_precise": _precise,
    "research_identifiers": _identifiers,
    "research_known_points": _known_points,
}
