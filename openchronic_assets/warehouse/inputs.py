"""What the raw lake holds: which files, and which care years each of them touches.

A model that is built for a year depends on raw files through the care years of their rows, so a
delivery that brings a straggler of 2017 in a file of 2019 makes 2017 stale. Detail tables of DCIR
(``ER_PHA_F``…) carry no care date; they touch the care years of the reimbursement lines that share
their flux month, and the flux year itself, where a detail without its line is kept.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from openchronic_assets.contracts import load, tables
from openchronic_assets.settings import Home

LINES = "er_prs_f"
STAYS_PREFIX = "t_mco"
DEATHS = "ki_cci_r"

# Flux year Y runs from February Y to January Y+1 (design: two calendars).
# The same two rules are in dbt_project/macros/care_year.sql.
FLUX_YEAR = "(year(flx_dis_dtd) - case when month(flx_dis_dtd) = 1 then 1 else 0 end)"
CARE_YEAR = f"coalesce(case when year(exe_soi_dtd) > 1600 then year(exe_soi_dtd) end, {FLUX_YEAR})"


@dataclass(frozen=True)
class RawFile:
    """One Parquet file of the raw lake.

    ``id`` is a hash of its footer, which holds row counts, offsets and the statistics of each
    column: two files with the same footer and the same delivery hold the same rows. ``care`` maps
    a care year to rows; ``flux`` maps a flux month (yyyymm) to care years and rows, for the
    reimbursement lines, or to ``{flux year: rows}`` for their details. Both are empty in
    snapshots, which belong to no year.
    """

    id: str
    rows: int
    care: dict[str, int] = field(default_factory=dict)
    flux: dict[str, dict[str, int]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the form kept in the manifest."""
        return asdict(self)


def current_files(home: Home) -> dict[str, list[Path]]:
    """Return what ingestion says is current: raw table to its files."""
    # Late, so that reading a manifest does not load the reader of deliveries.
    from openchronic_assets.ingestion.deliveries import current_files as current

    return current(home)


Inputs = dict[str, dict[str, RawFile]]  # raw table -> path relative to the lake -> file


def raw_files(home: Home) -> dict[str, list[Path]]:
    """Return the current files of every table under contract; a table not delivered has none."""
    current = current_files(home)
    return {name: sorted(current.get(name, [])) for name in raw_names()}


def raw_names() -> list[str]:
    """Return the lake names of the tables under contract, in order."""
    return [load(name).raw_name for name in tables()]


def snapshots() -> set[str]:
    """Return the lake names of the referentials: tables that are one picture, not a flow."""
    return {load(name).raw_name for name in tables() if load(name).calendar == "snapshot"}


def scan(home: Home, known: Mapping[str, Mapping[str, Any]] | None = None) -> Inputs:
    """Describe every current raw file, reading only those that ``known`` does not describe.

    Args:
        home: where the lake is.
        known: ``inputs`` of the manifest of the previous build, so that a nightly run reads the
            dates of what is new and not of fifteen years.
    """
    known = known or {}
    calendars = {load(name).raw_name: load(name).calendar for name in tables()}
    inputs: Inputs = {}
    with duckdb.connect() as connection:
        connection.execute("set threads = 2")
        for table, paths in raw_files(home).items():
            described: dict[str, RawFile] = {}
            for path in paths:
                relative = path.relative_to(home.lake).as_posix()
                identity = _footer_hash(path)
                before = known.get(table, {}).get(relative)
                if before and before["id"] == identity:
                    described[relative] = RawFile(**before)
                else:
                    described[relative] = _describe(
                        connection, table, calendars[table], path, identity
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
        if table in snapshots()
    }


def flux_cutoff(inputs: Inputs) -> str | None:
    """Return the last flux month that is in, as ``yyyy-mm``, or None without any line."""
    months = [month for file in inputs.get(LINES, {}).values() for month in file.flux]
    return f"{max(months)[:4]}-{max(months)[4:]}" if months else None


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
            if table in snapshots():
                years[0].append(file.id)
            elif file.care or not file.flux:
                for year, rows in file.care.items():
                    years[int(year)].append(f"{file.id}:{rows}")
                # Whether a detail has its line depends on all lines of its flux year.
                for month in file.flux:
                    years[flux_year(month)].append(f"{file.id}:{month}")
            else:
                touched: set[int] = set()
                for month, own in file.flux.items():
                    touched |= care_of_month[month] | {int(year) for year in own}
                for year_ in touched:
                    years[year_].append(file.id)
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
        if table.startswith(STAYS_PREFIX):
            for file in files.values():
                years |= {int(year) for year in file.care if int(year)}
    return years


def flux_year(month: str) -> int:
    """Return the flux year of a flux month written yyyymm: February to January."""
    return int(month[:4]) - (month[4:] == "01")


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
    connection: duckdb.DuckDBPyConnection, table: str, calendar: str, path: Path, identity: str
) -> RawFile:
    source = "read_parquet(?, hive_partitioning = false)"
    parameters = [str(path)]

    def fetch(sql: str) -> list[tuple[Any, ...]]:
        return connection.execute(sql, parameters).fetchall()

    rows = int(fetch(f"select count(*) from {source}")[0][0])
    if calendar == "snapshot":
        return RawFile(identity, rows)
    if calendar == "care":
        # A death belongs to its year; what has no year at all is under 0 and touches every year.
        own = "case when year(ben_dcd_dte) > 1600 then year(ben_dcd_dte) end"
        expression = own if table == DEATHS else "_table_year"
        counted = fetch(
            f"select coalesce({expression}, 0), count(*) from {source} group by 1 order by 1"
        )
        return RawFile(identity, rows, care={str(year): int(n) for year, n in counted})
    year = CARE_YEAR if table == LINES else FLUX_YEAR
    flux: dict[str, dict[str, int]] = {}
    care: dict[str, int] = defaultdict(int)
    for month, care_year, n in fetch(
        f"select strftime(flx_dis_dtd, '%Y%m'), {year}, count(*) from {source} "
        "group by 1, 2 order by 1, 2"
    ):
        flux.setdefault(str(month), {})[str(care_year)] = int(n)
        care[str(care_year)] += int(n)
    return RawFile(identity, rows, care=dict(care) if table == LINES else {}, flux=flux)
