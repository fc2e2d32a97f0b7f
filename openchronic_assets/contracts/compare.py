"""How structures differ: a table between two years, and ours against the official schema."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openchronic_assets.contracts import official
from openchronic_assets.contracts.draft import accepts
from openchronic_assets.contracts.loader import load, tables
from openchronic_assets.contracts.model import Column, Table
from openchronic_assets.contracts.official import Checkout, Stated


@dataclass(frozen=True)
class YearDifference:
    """What moved in a table between two years; column names in contract order."""

    table: str
    before: int
    after: int
    appeared: tuple[str, ...]
    disappeared: tuple[str, ...]
    doubtful: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return the difference as JSON types."""
        return {
            "table": self.table,
            "before": self.before,
            "after": self.after,
            "appeared": list(self.appeared),
            "disappeared": list(self.disappeared),
            "doubtful": self.doubtful,
        }


def between_years(table: Table, before: int, after: int) -> YearDifference:
    """Return the columns that appeared and disappeared between two years of a table.

    ``doubtful`` tells, for those on whose years the two public sources disagree, what is believed
    and what the other one says.

    Raises:
        ContractError: the table does not exist in one of the years.
    """
    old, new = (set(table.for_year(year).names()) for year in (before, after))
    moved = [column for column in table.columns if (column.name in old) != (column.name in new)]
    return YearDifference(
        table.name,
        before,
        after,
        tuple(column.name for column in moved if column.name in new),
        tuple(column.name for column in moved if column.name in old),
        {column.name: column.years_note for column in moved if column.years_note},
    )


def header_differences(names: Sequence[str], table: Table, year: int) -> list[dict[str, str]]:
    """Return how the columns of a header differ from a table in one year, one row a column.

    ``names`` are folded and without aliases. A row says ``column``, ``what`` (absent, required or
    not; of other years; outside the contract; twice), ``years`` of the column and its doubt.
    """
    known = {column.name: column for column in table.columns}
    rows = []

    def add(name: str, what: str) -> None:
        column = known.get(name)
        rows.append(
            {
                "column": name,
                "what": what,
                "years": str(column.years) if column else "",
                "doubt": (column.years_note or "") if column else "",
            }
        )

    for column in table.columns:
        if year in column.years and column.name not in names:
            add(column.name, "absent, required" if column.required else "absent")
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            add(name, "twice")
        if name not in known:
            add(name, "outside the contract")
        elif year not in known[name].years:
            add(name, "of other years")
    return rows


@dataclass
class SchemaReview:
    """What a checkout of the official schema says that was not reviewed yet.

    By table, in names of columns: ``new`` are in the schema and not under contract; ``confirmed``
    were under contract by the other source alone; ``gone`` were in the schema and no longer are;
    ``ended`` are closed in a year in which the contract still has them. ``years``, ``types``,
    ``lengths``, ``nomenclatures`` map a column to what it was and what it is; ``refusing`` are
    those of ``types`` whose new values the contract would refuse.

    ``unknown_tables`` are new; ``absent_tables`` are under contract and not in this checkout,
    which may be partial: nothing is concluded from them. ``left_out`` are out of scope by choice.
    """

    read: int = 0
    unknown_tables: list[str] = field(default_factory=list)
    absent_tables: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    new: dict[str, list[str]] = field(default_factory=dict)
    confirmed: dict[str, list[str]] = field(default_factory=dict)
    gone: dict[str, list[str]] = field(default_factory=dict)
    ended: dict[str, list[str]] = field(default_factory=dict)
    years: dict[str, dict[str, str]] = field(default_factory=dict)
    types: dict[str, dict[str, str]] = field(default_factory=dict)
    refusing: dict[str, list[str]] = field(default_factory=dict)
    lengths: dict[str, dict[str, str]] = field(default_factory=dict)
    nomenclatures: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether the schema says nothing that was not reviewed."""
        return not self.changed_tables() and not self.unknown_tables

    def changed_tables(self) -> list[str]:
        """Return the tables under contract of which the schema says something new."""
        found: set[str] = set()
        for what in (self.new, self.confirmed, self.gone, self.ended, self.years, self.types,
                     self.lengths, self.nomenclatures):  # fmt: skip
            found.update(what)
        return sorted(found)

    def findings(self) -> list[dict[str, str]]:
        """Return one row a finding: table, what, column, and what it was and is."""
        rows = [
            {"table": table, "what": "new table", "column": "", "was and is": ""}
            for table in self.unknown_tables
        ]
        listed = (
            ("new column", self.new),
            ("ended column", self.ended),
            ("no longer in the schema", self.gone),
            ("now in the schema too", self.confirmed),
        )
        for what, by_table in listed:
            for table, names in by_table.items():
                for name in names:
                    column, _, rest = name.partition(" ")
                    rows.append({"table": table, "what": what, "column": column,
                                 "was and is": rest.strip("()")})  # fmt: skip
        mapped = (
            ("years", self.years),
            ("type", self.types),
            ("length", self.lengths),
            ("nomenclature", self.nomenclatures),
        )
        for what, changed in mapped:
            for table, columns in changed.items():
                for name, moved in columns.items():
                    refused = what == "type" and name in self.refusing.get(table, [])
                    rows.append({"table": table, "what": what, "column": name,
                                 "was and is": moved + (", which the contract would refuse"
                                                        if refused else "")})  # fmt: skip
        return sorted(rows, key=lambda row: row["table"].upper())


def against_schema(folder: Path) -> SchemaReview:
    """Compare a checkout of the official schema (one JSON file a table) with what was reviewed.

    Nothing is changed: next year's structure is this report and a review of the YAML files.

    Raises:
        UsageError: the folder holds no table schema.
    """
    return review(official.read(folder))


def review(checkout: Checkout) -> SchemaReview:
    """Return what a checkout says that was not reviewed yet."""
    ours = {name.upper(): name for name in tables()}
    theirs = {name.upper(): name for name in checkout.tables}
    found = SchemaReview(read=len(theirs), unreadable=dict(checkout.unreadable))
    outside = sorted(name for folded, name in theirs.items() if folded not in ours)
    found.left_out = [name for name in outside if name.upper().startswith(official.LEFT_OUT)]
    found.unknown_tables = [name for name in outside if name not in found.left_out]
    found.absent_tables = sorted(name for folded, name in ours.items() if folded not in theirs)
    for folded in sorted(set(ours) & set(theirs)):
        table = load(ours[folded])
        seen = official.reviewed().get(table.name, {})
        _review(table, seen, checkout.tables[theirs[folded]], found)
    return found


def _review(
    table: Table, seen: dict[str, Stated], now: dict[str, Stated], found: SchemaReview
) -> None:
    mine = {column.name: column for column in table.columns}
    if new := [name for name in now if name not in mine]:
        found.new[table.name] = new
    if confirmed := [name for name in now if name in mine and name not in seen]:
        found.confirmed[table.name] = confirmed
    if gone := [name for name in seen if name not in now]:
        found.gone[table.name] = gone
    for name in now:
        if name in mine and name in seen:
            _moved(table.name, mine[name], seen[name], now[name], found)


def _moved(table: str, ours: Column, was: Stated, now: Stated, found: SchemaReview) -> None:
    ends = now.deleted if now.deleted != now.created else ""
    if ends and ends != was.deleted and int(ends) in ours.years:
        found.ended.setdefault(table, []).append(f"{ours.name} (absent from {ends} on)")
    elif now.years and now.years != was.years:
        found.years.setdefault(table, {})[ours.name] = _arrow(was.years, now.years)
    if now.type and (now.type, now.oracle, now.format) != (was.type, was.oracle, was.format):
        found.types.setdefault(table, {})[ours.name] = _arrow(_type(was), _type(now))
        if not accepts(ours, now):
            found.refusing.setdefault(table, []).append(ours.name)
    if now.length and now.length != was.length:
        found.lengths.setdefault(table, {})[ours.name] = _arrow(was.length, now.length)
    if now.nomenclature and now.nomenclature != was.nomenclature:
        found.nomenclatures.setdefault(table, {})[ours.name] = _arrow(
            was.nomenclature, now.nomenclature
        )


def _type(stated: Stated) -> str:
    return " ".join(each for each in (stated.type, stated.oracle, stated.format) if each)


def _arrow(was: str, now: str) -> str:
    return f"{was or 'nothing'} → {now}"
