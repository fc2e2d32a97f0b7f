"""The balance of a raw table: what was read against what lies in the lake, counted again.

The ingestion counted rows and euros while it parsed. Here the written Parquet is asked, so that a
part that was lost, doubled or cut after the fact is found too.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from openchronic_assets.contracts import load
from openchronic_assets.ingestion import deliveries
from openchronic_assets.ingestion.report import Amount, FileReport
from openchronic_assets.settings import Home


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


def balance(home: Home, table: str) -> Balance:
    """Count a table again from its Parquet and compare with what was read."""
    every = deliveries.records(home)
    effective = deliveries.in_effect(every)
    amounts: dict[str, Amount] = {}
    reasons: dict[str, int] = {}
    years: dict[str, int] = {}
    wrong: list[str] = []
    files = read = kept = quarantined = 0
    for record in every:
        for report in record.files:
            there = (record.id, report.path) in effective or report.status == "refused"
            if report.table != table or not there:
                continue
            files += 1
            parts = _parts(deliveries.raw_folder(home, record.id, report), report.parts)
            refused = _parts(
                deliveries.quarantine_folder(home, record.id, report), report.quarantine_parts
            )
            kept_here, quarantined_here = _rows(parts), _rows(refused)
            if report.rows_read != kept_here + quarantined_here:
                wrong.append(
                    f"{report.path}: {report.rows_read} lines read, {kept_here} kept and "
                    f"{quarantined_here} quarantined on disk"
                )
            wrong += _wrong_amounts(report, parts)
            read += report.rows_read
            kept += kept_here
            quarantined += quarantined_here
            for reason, count in report.reasons.items():
                reasons[reason] = reasons.get(reason, 0) + count
            for name, amount in report.amounts.items():
                amounts.setdefault(name, Amount()).add(amount)
            label = report.period[:4] if report.period != "all" else str(report.year or "")
            years[label] = years.get(label, 0) + kept_here
    return Balance(
        table, files, read, kept, quarantined, reasons, amounts, dict(sorted(years.items())),
        tuple(wrong),
    )  # fmt: skip


def _parts(folder: Path, names: list[str]) -> list[Path]:
    return [folder / name for name in names if (folder / name).is_file()]


def _rows(paths: list[Path]) -> int:
    return sum(pq.read_metadata(path).num_rows for path in paths)


def _wrong_amounts(report: FileReport, parts: list[Path]) -> list[str]:
    if not report.amounts or not parts:
        return []
    names = list(report.amounts)
    sums = ", ".join(
        f"coalesce(sum({load(report.table).column(name).lake_name}), 0)" for name in names
    )
    with duckdb.connect() as connection:
        found = (
            connection.execute(
                f"select {sums} from read_parquet(?)", [[str(path) for path in parts]]
            ).fetchone()
            or ()
        )
    wrong = []
    for name, value in zip(names, found, strict=True):
        amount = report.amounts[name]
        if amount.read != Decimal(value) + amount.quarantined:
            wrong.append(f"{report.path}: the euros of {name} read are not those kept on disk "
                         "plus those quarantined")  # fmt: skip
    return wrong
