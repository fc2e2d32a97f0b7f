"""The balance of the raw tables: what was read against what lies in the lake, counted again.

The ingestion counted rows and euros while it parsed. Here the written Parquet is asked, so that a
part that was lost, doubled or cut after the fact is found too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq

from openchronic_assets import duck
from openchronic_assets.contracts import Table, load, tables
from openchronic_assets.ingestion import deliveries
from openchronic_assets.ingestion.deliveries import Record
from openchronic_assets.ingestion.report import Amount, FileReport
from openchronic_assets.settings import Home
from openchronic_assets.slices import slice_columns, slice_sql


@dataclass(frozen=True)
class Balance:
    """Rows and euros of a table over the files in effect.

    ``wrong`` names each disagreement: a file and what does not add up, never a value.
    """

    table: str
    files: int
    read: int
    kept: int
    quarantined: int
    reasons: dict[str, int]
    amounts: dict[str, Amount]
    years: dict[str, int]
    wrong: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether every row and every euro is on one side or the other."""
        return not self.wrong


def balances(home: Home, every: Sequence[Record] | None = None) -> dict[str, Balance]:
    """Count every raw table again from its Parquet and compare with what was read.

    One pass over the records, one footer a file, and one scan a table for its euros and months.
    """
    every = deliveries.records(home) if every is None else every
    effective = deliveries.in_effect(list(every))
    there: dict[str, list[_Counted]] = {name: [] for name in tables()}
    for record in every:
        for report in record.files:
            if (record.id, report.path) in effective or report.status == "refused":
                there[report.table].append(_counted(home, record, report))
    return {name: _balance(name, files) for name, files in there.items()}


@dataclass(frozen=True)
class _Counted:
    """A file on record, and what lies of it on disk."""

    report: FileReport
    parts: list[Path]
    kept: int
    quarantined: int


def _counted(home: Home, record: Record, report: FileReport) -> _Counted:
    parts = _parts(deliveries.raw_folder(home, record.id, report), report.parts)
    refused = _parts(deliveries.quarantine_folder(home, record.id, report), report.quarantine_parts)
    return _Counted(report, parts, _rows(parts), _rows(refused))


def _balance(name: str, files: Sequence[_Counted]) -> Balance:
    amounts: dict[str, Amount] = {}
    reasons: dict[str, int] = {}
    years: dict[str, int] = {}
    wrong: list[str] = []
    on_disk = _sums(load(name), files) if files else {}
    for file in files:
        report = file.report
        if report.rows_read != file.kept + file.quarantined:
            wrong.append(
                f"{report.path}: {report.rows_read} lines read, {file.kept} kept and "
                f"{file.quarantined} quarantined on disk"
            )
        wrong += _wrong(report, [on_disk[part] for part in file.parts if part in on_disk])
        for reason, count in report.reasons.items():
            reasons[reason] = reasons.get(reason, 0) + count
        for column, amount in report.amounts.items():
            amounts.setdefault(column, Amount()).add(amount)
        label = report.period[:4] if report.period != "all" else str(report.year or "")
        years[label] = years.get(label, 0) + file.kept
    return Balance(
        name,
        len(files),
        sum(file.report.rows_read for file in files),
        sum(file.kept for file in files),
        sum(file.quarantined for file in files),
        reasons,
        amounts,
        dict(sorted(years.items())),
        tuple(wrong),
    )


def _parts(folder: Path, names: list[str]) -> list[Path]:
    return [folder / name for name in names if (folder / name).is_file()]


def _rows(paths: list[Path]) -> int:
    return sum(pq.read_metadata(path).num_rows for path in paths)


# Of one Parquet part: slice → rows, and amount column → its sum; ``""`` is all slices together.
_Sums = dict[str, tuple[int, dict[str, Decimal]]]


def _sums(table: Table, files: Sequence[_Counted]) -> dict[Path, _Sums]:
    """Return rows and euros of each part and slice, counted from the Parquet in one scan."""
    parts = [part for file in files for part in file.parts]
    names = sorted({column for file in files for column in file.report.amounts})
    columns = slice_columns(table)
    if not parts or not (names or columns):
        return {}
    amounts = [table.column(name).lake_name for name in names]
    summed = "".join(f", sum({name}) as {name}" for name in amounts)
    again = "".join(f", sum({name})" for name in amounts)
    by = "".join(f", {name}" for name in columns)
    found: dict[Path, _Sums] = {}
    with duck.connect(threads=2, memory_limit="1GB") as connection:
        source = "read_parquet(?, union_by_name = true, filename = true, hive_partitioning = false)"
        # A year's structure may lack an amount that another year has.
        there = connection.execute(f"describe from {source}", [list(map(str, parts))]).fetchall()
        absent = sorted({*amounts, *columns} - {name for name, *_ in there})
        nothing = "".join(f", null::decimal(18, 2) as {name}" for name in absent)
        for path, slice_, rows, *euros in connection.execute(
            f"select filename, {slice_sql(table) or repr('')}, sum(n)::bigint{again} from ("
            f"select filename{by}, count(*) as n{summed} from (select *{nothing} from {source}) "
            "group by all) group by 1, 2 order by 1, 2",
            [list(map(str, parts))],
        ).fetchall():
            values = {name: Decimal(v or 0) for name, v in zip(names, euros, strict=True)}
            found.setdefault(Path(path), {})[slice_] = (rows, values)
    return found


def _wrong(report: FileReport, parts: Sequence[_Sums]) -> list[str]:
    """Name what does not add up between a file's record and its parts on disk."""
    wrong = []
    euros: dict[str, Decimal] = {}
    rows: dict[str, int] = {}
    by_slice: dict[str, dict[str, Decimal]] = {}
    for part in parts:
        for slice_, (count, values) in part.items():
            rows[slice_] = rows.get(slice_, 0) + count
            for name, value in values.items():
                euros[name] = euros.get(name, Decimal(0)) + value
                into = by_slice.setdefault(slice_, {})
                into[name] = into.get(name, Decimal(0)) + value
    for name, amount in report.amounts.items():
        if amount.read != euros.get(name, Decimal(0)) + amount.quarantined:
            wrong.append(
                f"{report.path}: the euros of {name} read are not those kept on disk plus those "
                "quarantined"
            )
    for slice_ in sorted(report.slices.keys() | (rows.keys() if report.slices else set())):
        if report.slices.get(slice_, 0) != rows.get(slice_, 0):
            wrong.append(
                f"{report.path}, {slice_}: {report.slices.get(slice_, 0)} rows were kept, "
                f"{rows.get(slice_, 0)} are on disk"
            )
        for name, value in report.slice_amounts.get(slice_, {}).items():
            if value != by_slice.get(slice_, {}).get(name, Decimal(0)):
                wrong.append(f"{report.path}, {slice_}: the euros of {name} kept are not on disk")
    return wrong
