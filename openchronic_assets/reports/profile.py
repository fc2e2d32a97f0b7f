"""The profile of a delivery: what a later report compares with, without reading its rows again.

Computed from the kept Parquet once the delivery is on record, table by table, in two scans of one
thread; kept as ``lake/reports/profiles/<id>.json``. A file out of effect when it arrived is in
no profile, so a profile depends on the order of arrival, which no record does. Codes that fewer
than eleven rows carry are counted and not named: a rare value could be somebody's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from openchronic_assets import duck
from openchronic_assets.contracts import Column, Table, load
from openchronic_assets.ingestion import deliveries
from openchronic_assets.ingestion.deliveries import Record
from openchronic_assets.ingestion.report import FileReport, decimal_text
from openchronic_assets.settings import Home

RARE = 11  # rows under which a code is not named
MOST_CODES = 2000  # values of a code column that a profile keeps
MEMORY = "1GB"

# The first of these that a table has gives the month of its rows, where flux months do not.
_MONTHS = (
    ("SOR_MOI", "lpad(cast(_table_year as varchar), 4, '0') || '-' || "
                "lpad(cast(sor_moi as varchar), 2, '0')"),
    ("SOR_DAT", "strftime(sor_dat, '%Y-%m')"),
    ("EXE_SOI_DTF", "strftime(exe_soi_dtf, '%Y-%m')"),
    ("BEN_DCD_DTE", "strftime(ben_dcd_dte, '%Y-%m')"),
    ("INS_DTE", "strftime(ins_dte, '%Y-%m')"),
    ("BEN_DTE_INS", "strftime(ben_dte_ins, '%Y-%m')"),
)  # fmt: skip


def read(home: Home, delivery: str) -> dict[str, Any] | None:
    """Return the profile of a delivery, or None where it has none."""
    path = _path(home, delivery)
    if not path.is_file():
        return None
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def write(home: Home, record: Record) -> dict[str, Any]:
    """Return the profile of a delivery, computed at first use.

    ``tables``: table → ``rows``, ``months`` (with ``month_column``), ``missing`` (column → empty
    cells), ``codes`` (column → ``values``, ``rare``, ``rare_rows``) and ``amounts`` (exact text),
    over its files that are in the lake.
    """
    if (known := read(home, record.id)) is not None:
        return known
    parts: dict[str, list[tuple[FileReport, list[Path]]]] = {}
    for report in record.files:
        folder = deliveries.raw_folder(home, record.id, report)
        paths = [folder / part for part in report.parts if (folder / part).is_file()]
        if report.status == "loaded" and paths:
            parts.setdefault(report.table, []).append((report, paths))
    document = {
        "tables": {name: _table(load(name), found) for name, found in sorted(parts.items())}
    }
    path = _path(home, record.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(json.dumps(document, ensure_ascii=False, sort_keys=True, indent=1), "utf-8")
    aside.replace(path)
    return document


def _path(home: Home, delivery: str) -> Path:
    return home.reports / "profiles" / f"{delivery}.json"


def _table(table: Table, files: Sequence[tuple[FileReport, list[Path]]]) -> dict[str, Any]:
    paths = [path for _, found in files for path in found]
    present = {name for path in paths for name in pq.read_schema(path).names}
    columns = [c for c in table.columns if c.is_loaded and c.lake_name in present]
    months: dict[str, int] = {}
    for report, _ in files:
        for month, rows in report.slices.items():
            months[month] = months.get(month, 0) + rows
    with duck.connect(threads=1, memory_limit=MEMORY) as connection:
        # Not temp_directory: what does not fit has too many codes to be compared anyway.
        listed = ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths)
        source = f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"
        connection.execute(f"create view rows as select * from {source}")
        month_column = None
        if not months:
            month_column, months = _months(connection, present)
        return {
            **_counts(connection, columns),
            "months": dict(sorted(months.items())),
            "month_column": month_column,
            "codes": _codes(connection, [c for c in columns if c.role == "code"]),
        }


def _counts(connection: duckdb.DuckDBPyConnection, columns: Sequence[Column]) -> dict[str, Any]:
    amounts = [column for column in columns if column.role == "amount"]
    wanted = [f"count({_quoted(column)})" for column in columns]
    wanted += [f"sum({_quoted(column)})" for column in amounts]
    rows, *found = connection.execute(
        f"select {', '.join(['count(*)', *wanted])} from rows"
    ).fetchall()[0]
    filled, sums = found[: len(columns)], found[len(columns) :]
    return {
        "rows": rows,
        "missing": {column.name: rows - n for column, n in zip(columns, filled, strict=True)},
        "amounts": {
            column.name: decimal_text(Decimal(value or 0))
            for column, value in zip(amounts, sums, strict=True)
        },
    }


def _months(
    connection: duckdb.DuckDBPyConnection, present: set[str]
) -> tuple[str | None, dict[str, int]]:
    for name, month in _MONTHS:
        if name.lower() in present:
            found = connection.execute(
                f"select {month} as month, count(*) from rows group by month order by month"
            ).fetchall()
            # 1600-01-01 stands for an unknown date.
            return name, {month: n for month, n in found if month and month >= "1900"}
    return None, {}


def _codes(
    connection: duckdb.DuckDBPyConnection, columns: Sequence[Column]
) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    # One scan for a few columns at once: their values are held in memory together.
    for start in range(0, len(columns), 16):
        some = columns[start : start + 16]
        names = [_quoted(column) for column in some]
        which = " ".join(
            f"when grouping({name}) = 0 then {place}" for place, name in enumerate(names)
        )
        value = " ".join(
            f"when grouping({name}) = 0 then cast({name} as varchar)" for name in names
        )
        sets = ", ".join(f"({name})" for name in names)
        for place, rare, rare_rows, values in connection.execute(
            f"""
            with counted as (
                select case {which} end as place, case {value} end as code, count(*) as n
                from rows group by grouping sets ({sets})
            )
            select place,
                count(*) filter (n < {RARE}),
                coalesce(sum(n) filter (n < {RARE}), 0)::bigint,
                coalesce(
                    list({{'code': code, 'n': n}} order by n desc, code) filter (n >= {RARE}), []
                )
            from counted where code is not null group by place order by place
            """
        ).fetchall():
            kept = values[:MOST_CODES]
            found[some[place].name] = {
                "values": {each["code"]: each["n"] for each in kept},
                "rare": rare,
                "rare_rows": rare_rows,
                "cut": len(values) - len(kept),
            }
    return found


def _quoted(column: Column) -> str:
    return f'"{column.lake_name}"'
