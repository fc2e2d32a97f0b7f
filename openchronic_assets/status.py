"""What a home holds: deliveries, raw tables, models, stale years, releases, as plain data."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from openchronic_assets import duck
from openchronic_assets.anonymisation.indicator_release import list_indicator_releases
from openchronic_assets.anonymisation.release import list_releases
from openchronic_assets.contracts import load
from openchronic_assets.ingestion import deliveries
from openchronic_assets.ingestion.landing import landed
from openchronic_assets.ingestion.report import Amount, FileReport, decimal_text
from openchronic_assets.settings import Home
from openchronic_assets.slices import in_slices_sql, is_yearly
from openchronic_assets.warehouse.builds import files, read_manifest
from openchronic_assets.warehouse.rows import rows_of
from openchronic_assets.warehouse.staleness import stale_years


def status(home: Home) -> dict[str, Any]:
    """Return the state of a home, in the form that ``openchronic status --json`` prints."""
    every = deliveries.records(home)
    current = read_manifest(home)
    known = {record.name for record in every}
    waiting = [
        {
            "delivery": each.name,
            "reason": "complete, not ingested yet" if each.complete else "no _SUCCESS marker yet",
        }
        for each in landed(home)
        if each.name not in known
    ]
    releases = list_releases(home)
    return {
        "home": str(home.root),
        "deliveries": [_delivery(record) for record in every],
        "waiting": waiting,
        "tables": tables(home, every),
        "build_id": current["build_id"] if current else None,
        "models": _models(home, current),
        "stale": {str(year): why for year, why in stale_years(home).items()} if every else {},
        "candidates": [each for each in releases if each.get("state") == "candidate"],
        "releases": [each for each in releases if each.get("state") == "release"],
        "indicator_releases": list_indicator_releases(home),
    }


def _delivery(record: deliveries.Record) -> dict[str, Any]:
    return {
        "id": record.id,
        "name": record.name,
        "date": record.date,
        "provider": record.provider,
        "pseudonym_epoch": record.pseudonym_epoch,
        "generated": record.generated,
        "files": [
            {
                "path": report.path,
                "table": report.table,
                "period": report.period,
                "status": report.status,
                "rows_read": report.rows_read,
                "kept": report.kept,
                "quarantined": report.quarantined,
                "message": report.message,
            }
            for report in record.files
        ],
    }


def tables(home: Home, every: list[deliveries.Record]) -> list[dict[str, Any]]:
    """Return rows and euros of each raw table, year and calendar, over the files in effect.

    ``elsewhere`` counts the rows kept of these files whose flux month another file stands for: they
    are in the lake and no model reads them.

    ``flux`` years are those of the files of reimbursements. ``care`` years are those of discharge
    and of death, and, for the reimbursement lines, of the care itself: there only what was kept
    has a year, so ``delivered`` and ``quarantined`` are null. Snapshots have no year.
    """
    effective = deliveries.in_effect(every)
    found: dict[tuple[str, int | None, str], dict[str, Any]] = {}
    care: dict[tuple[str, int | None], dict[str, Any]] = {}
    for record in every:
        for report in record.files:
            if (record.id, report.path) not in effective and report.status != "refused":
                continue
            calendar = "flux" if load(report.table).calendar == "flux" else "care"
            _add(found.setdefault((report.table, _year(report), calendar), _empty()), report)
            slices = effective.get((record.id, report.path))
            years, amounts = report.care_years, report.care_amounts
            if slices is not None:
                out = sum(rows for each, rows in report.slices.items() if each not in slices)
                found[report.table, _year(report), calendar]["elsewhere"] += out
                if years and calendar == "flux":
                    years, amounts = _care_in_effect(home, record.id, report, slices)
            if calendar == "flux":
                for year, count in years.items():
                    number = int(year) if year.lstrip("-").isdigit() else None
                    entry = care.setdefault((report.table, number), {"kept": 0, "amounts": {}})
                    entry["kept"] += count
                    for name, value in amounts.get(year, {}).items():
                        entry["amounts"][name] = entry["amounts"].get(name, 0) + value
    rows = [
        {
            "table": table,
            "year": year,
            "calendar": calendar,
            **{name: entry[name] for name in _COUNTS},
            "amounts": {name: _amount(amount) for name, amount in entry["amounts"].items()},
        }
        for (table, year, calendar), entry in found.items()
    ]
    rows += [
        {
            "table": table,
            "year": year,
            "calendar": "care",
            "delivered": None,
            "kept": entry["kept"],
            "quarantined": None,
            "elsewhere": 0,
            "reasons": {},
            "amounts": {
                name: {"kept": decimal_text(value)} for name, value in entry["amounts"].items()
            },
        }
        for (table, year), entry in care.items()
    ]
    return sorted(rows, key=lambda row: (row["table"], row["calendar"], row["year"] or 0))


_COUNTS = ("delivered", "kept", "quarantined", "elsewhere", "reasons")


def _care_in_effect(
    home: Home, delivery: str, report: FileReport, slices: frozenset[str]
) -> tuple[dict[str, int], dict[str, dict[str, Decimal]]]:
    """Count the care years of the months of a file that are in effect: asked of its Parquet."""
    table = load(report.table)
    folder = deliveries.raw_folder(home, delivery, report)
    names = list(report.amounts)
    sums = "".join(f", sum({table.column(name).lake_name})" for name in names)
    with duck.connect() as connection:
        found = connection.execute(
            f"select coalesce(cast(year(exe_soi_dtd) as varchar), 'none'), count(*){sums} "
            f"from read_parquet(?) where {in_slices_sql(table, slices)} group by 1 order by 1",
            [[str(folder / part) for part in report.parts]],
        ).fetchall()
    return {year: count for year, count, *_ in found}, {
        year: {name: Decimal(value or 0) for name, value in zip(names, euros, strict=True)}
        for year, _, *euros in found
    }


def _year(report: FileReport) -> int | None:
    """Return the year of a file: the flux year of a month runs from February to January."""
    if len(report.period) == 7:
        year, month = (int(part) for part in report.period.split("-"))
        return year - 1 if month == 1 else year
    if len(report.period) == 4:
        return int(report.period)
    return report.year if is_yearly(load(report.table)) else None


def _empty() -> dict[str, Any]:
    return dict.fromkeys(_COUNTS[:4], 0) | {"reasons": {}, "amounts": {}}


def _add(entry: dict[str, Any], report: FileReport) -> None:
    entry["delivered"] += report.rows_read
    entry["kept"] += report.kept
    entry["quarantined"] += report.quarantined
    for reason, count in report.reasons.items():
        entry["reasons"][reason] = entry["reasons"].get(reason, 0) + count
    for name, amount in report.amounts.items():
        entry["amounts"].setdefault(name, Amount()).add(amount)


def _amount(amount: Amount) -> dict[str, Any]:
    return {
        "delivered": decimal_text(amount.read),
        "kept": decimal_text(amount.kept),
        "quarantined": decimal_text(amount.quarantined),
        "unreadable": amount.unreadable,
    }


def _models(home: Home, current: dict[str, Any] | None) -> list[dict[str, Any]]:
    rows = []
    for name, entry in (current or {"models": {}})["models"].items():
        row: dict[str, Any] = {"model": name, "kind": entry["kind"], "layer": entry["layer"]}
        if entry["kind"] == "yearly":
            row["years"] = {year: rows_of(files(home, name, int(year))) for year in entry["years"]}
            row["rows"] = sum(row["years"].values())
        else:
            row["rows"] = rows_of(files(home, name))
        rows.append(row)
    return rows
