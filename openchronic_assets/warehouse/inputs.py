"""What the raw lake holds: which files, and which care years each of them touches.

A model that is built for a year depends on raw files through the care years of their rows, so a
delivery that brings a straggler of 2017 in a file of 2019 makes 2017 stale. Detail tables of DCIR
(``ER_PHA_F``…) carry no care date; they touch the care years of the reimbursement lines that share
their flux month, and the flux year itself, where a detail without its line is kept. Where another
delivery stands for a month of a file, that month is none of the file's.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from openchronic_assets import duck
from openchronic_assets.contracts import Table, heading, load, tables
from openchronic_assets.settings import Home
from openchronic_assets.slices import (
    LINES as LINES_TABLE,
)
from openchronic_assets.slices import (
    Part,
    care_year_sql,
    flux_year,
    in_slices_sql,
    slice_columns,
    slice_sql,
)

LINES = LINES_TABLE.lower()
STAYS = ("t_mco", "t_ssr", "t_had", "t_rip")


@dataclass(frozen=True)
class RawFile:
    """One Parquet file of the raw lake, as far as it is in effect.

    ``content`` is a hash of its footer, which holds row counts, offsets and the statistics of each
    column: two files with the same footer and the same delivery hold the same rows. ``id`` adds
    the slices in effect, where they are not all. ``care`` maps a care year to rows; ``flux`` maps a
    flux month (yyyy-mm) to care years and rows, for the reimbursement lines, or to
    ``{flux year: rows}`` for their details. Both are empty in snapshots, which belong to no year.
    """

    id: str
    rows: int
    care: dict[str, int] = field(default_factory=dict)
    flux: dict[str, dict[str, int]] = field(default_factory=dict)
    content: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the form kept in the manifest."""
        return asdict(self)


def current_parts(home: Home) -> dict[str, list[Part]]:
    """Return what ingestion says is current: raw table to its files and their slices."""
    # Late, so that reading a manifest does not load the reader of deliveries.
    from openchronic_assets.ingestion.deliveries import current_parts as current

    return current(home)


Inputs = dict[str, dict[str, RawFile]]  # raw table -> path relative to the lake -> file


def raw_files(home: Home) -> dict[str, list[Part]]:
    """Return the current files of every table under contract; a table not delivered has none."""
    current = current_parts(home)
    return {name: sorted(current.get(name, []), key=lambda part: part.path) for name in raw_names()}


def raw_names() -> list[str]:
    """Return the lake names of the tables under contract, in order."""
    return [heading(name).raw_name for name in tables()]


def snapshots() -> set[str]:
    """Return the lake names of the referentials: tables that are one picture, not a flow."""
    return {heading(name).raw_name for name in tables() if heading(name).calendar == "snapshot"}


def scan(home: Home, known: Mapping[str, Mapping[str, Any]] | None = None) -> Inputs:
    """Describe every current raw file, reading only those that ``known`` does not describe.

    Args:
        home: where the lake is.
        known: ``inputs`` of the manifest of the previous build, so that a nightly run reads the
            dates of what is new and not of fifteen years.
    """
    known = known or {}
    names = {heading(name).raw_name: name for name in tables()}
    inputs: Inputs = {}
    with duck.connect() as connection:
        connection.execute("set threads = 2")
        for table, parts in raw_files(home).items():
            described: dict[str, RawFile] = {}
            for part in parts:
                relative = part.path.relative_to(home.lake).as_posix()
                content = _footer_hash(part.path)
                slices = "" if part.months is None else f":{fingerprint(part.months)}"
                before = known.get(table, {}).get(relative)
                # A manifest of the first version has no content, and wrote months as 201903.
                if before and before["id"] == content + slices and before.get("content"):
                    described[relative] = RawFile(**before)
                else:
                    described[relative] = _describe(
                        connection, load(names[table]), part, content + slices, content
                    )
            inputs[table] = described
    return inputs


def to_json(inputs: Inputs) -> dict[str, dict[str, Any]]:
    """Return the form of ``inputs`` kept in the manifest."""
    return {
        table: {path: file.to_json() for path, file in files.items()}
        for table, files in inputs.items()
    }


def vintage(inputs: Inputs) -> dict[str, list[str]]:
    """Return the pinned referentials: snapshot table to the ids of its files."""
    return {
        table: sorted(file.id for file in files.values())
        for table, files in inputs.items()
        if files and table in snapshots()
    }


def flux_cutoff(inputs: Inputs) -> str | None:
    """Return the last flux month that is in, as ``yyyy-mm``, or None without any line."""
    months = [month for file in inputs.get(LINES, {}).values() for month in file.flux]
    return max(months, default=None)


def touched_years(inputs: Inputs) -> dict[str, dict[int, list[str]]]:
    """Return table → care year → what that year was read from, as comparable marks.

    Snapshots are under year 0: they belong to every year.
    """
    care_of_month: dict[str, set[int]] = defaultdict(set)
    for file in inputs.get(LINES, {}).values():
        for month, care in file.flux.items():
            care_of_month[month] |= {int(year) for year in care}
    result: dict[str, dict[int, list[str]]] = {}
    for table, files in inputs.items():
        years: dict[int, list[str]] = defaultdict(list)
        for file in files.values():
            mark = file.content or file.id
            if table in snapshots():
                years[0].append(file.id)
            elif not file.flux:
                for year, rows in file.care.items():
                    years[int(year)].append(f"{mark}:{rows}")
            # Month by month, so that a month that another delivery takes over touches its own
            # care years and no other of the file.
            for month, own in file.flux.items():
                for year in own if file.care else {*map(str, care_of_month[month]), *own}:
                    years[int(year)].append(f"{mark}:{month}:{own.get(year, 0)}")
                if file.care:
                    # Whether a detail has its line depends on all lines of its flux year.
                    years[flux_year(month)].append(f"{mark}:{month}")
        result[table] = {year: sorted(marks) for year, marks in sorted(years.items())}
    return result


def delivered_years(inputs: Inputs) -> set[int]:
    """Return the years that deliveries are about: care paid in its own flux year, stays' years.

    A care year that only stragglers reach (care of 2016 paid in 2019) is not one of them: nobody
    delivered that year. Nor is a flux year that holds stragglers alone, the tail of the last year.
    """
    years = {
        flux_year(month)
        for file in inputs.get(LINES, {}).values()
        for month, care in file.flux.items()
        if str(flux_year(month)) in care
    }
    for table, files in inputs.items():
        if table.startswith(STAYS):
            for file in files.values():
                years |= {int(year) for year in file.care if int(year)}
    return years


def fingerprint(marks: Iterable[str]) -> str:
    """Return a short hash of marks, whatever their order."""
    return hashlib.sha256("\n".join(sorted(marks)).encode()).hexdigest()[:16]


def _footer_hash(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(-8, 2)
        tail = file.read(8)
        file.seek(-8 - int.from_bytes(tail[:4], "little"), 2)
        return hashlib.sha256(file.read()).hexdigest()[:16]


def _describe(
    connection: duckdb.DuckDBPyConnection, table: Table, part: Part, identity: str, content: str
) -> RawFile:
    where = "true" if part.months is None else in_slices_sql(table, part.months)
    source = f"read_parquet(?, hive_partitioning = false) where {where}"

    def fetch(select: str) -> list[tuple[Any, ...]]:
        return connection.execute(f"select {select} from {source}", [str(part.path)]).fetchall()

    year = care_year_sql(table)
    if year is None:
        return RawFile(identity, int(fetch("count(*)")[0][0]), content=content)
    care: dict[str, int] = defaultdict(int)
    flux: dict[str, dict[str, int]] = {}
    columns = slice_columns(table) if table.calendar == "flux" else ()
    month = slice_sql(table) if columns else "''"
    # Grouped by the columns first, named after: a text a row would cost more than the count.
    listed = ", ".join(("", *columns))
    inner = f"{year} as care_year{listed}, count(*) as n from {source} group by all"
    for name, care_year, n in connection.execute(
        f"select {month}, care_year, sum(n) from (select {inner}) group by 1, 2 order by 1, 2",
        [str(part.path)],
    ).fetchall():
        if columns:
            flux.setdefault(str(name), {})[str(care_year)] = int(n)
        care[str(care_year)] += int(n)
    details = columns and not _has_care_date(table)
    return RawFile(
        identity, sum(care.values()), {} if details else dict(care), flux, content=content
    )


def _has_care_date(table: Table) -> bool:
    return table.name == LINES_TABLE or "SOI_ANN" in table.names()
