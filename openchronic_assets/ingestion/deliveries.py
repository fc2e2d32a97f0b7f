"""All deliveries that were ingested, and which of their files are in effect.

Each delivery leaves one record, ``lake/deliveries/<id>.json``, written last: it is what makes the
delivery's files visible. Which files are in effect is a pure function of the records, never of the
order of arrival: for a table and period the newest delivery wins, by the date of its manifest,
else the newest treatment date in the file, else its identity.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openchronic_assets.contracts import load, tables
from openchronic_assets.ingestion.report import FileReport
from openchronic_assets.settings import Home

ATTEMPT = ".attempt-"


@dataclass(frozen=True)
class Record:
    """One ingested delivery, as ``lake/deliveries/<id>.json`` holds it."""

    id: str
    name: str
    date: str | None
    provider: str | None
    pseudonym_epoch: str | None
    generated: bool
    secret_fingerprint: str
    files: tuple[FileReport, ...]
    out_of_scope: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON types."""
        document = dict(self.__dict__)
        document["files"] = [report.to_json() for report in self.files]
        document["out_of_scope"] = list(self.out_of_scope)
        return document

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Record:
        """Read back what ``to_json`` wrote."""
        values = dict(document)
        values["files"] = tuple(FileReport.from_json(each) for each in values["files"])
        values["out_of_scope"] = tuple(values["out_of_scope"])
        return cls(**values)

    def order(self, report: FileReport) -> tuple[str, str]:
        """Return what decides between two deliveries of the same table and period."""
        return self.date or report.newest_treatment or "", self.id


def records(home: Home) -> list[Record]:
    """Return the records of all deliveries, by identity."""
    if not home.deliveries.is_dir():
        return []
    return [
        Record.from_json(json.loads(path.read_text(encoding="utf-8")))
        for path in sorted(home.deliveries.glob("*.json"))
    ]


def unit(report: FileReport) -> tuple[str, str]:
    """Return what a file stands for: its table and period; a snapshot, its whole table."""
    snapshot = load(report.table).calendar == "snapshot"
    return report.table, "all" if snapshot else report.period


def in_effect(every: list[Record]) -> set[tuple[str, str]]:
    """Return the (delivery id, file) pairs in effect among records."""
    return _newest(every) - set(overlapped(every))


def overlapped(every: list[Record]) -> dict[tuple[str, str], str]:
    """Return the (delivery id, file) pairs whose months lie in a longer file, with its name.

    A month beside its year, or a year beside a file of all years: both would count rows twice, and
    which one is right is not for us to guess. The longer one stays, whichever came first. All
    files on record count, superseded ones too: what was once overlapped is no longer in the lake,
    so that nothing that comes later may bring it back.
    """
    of_table: dict[str, list[tuple[FileReport, str]]] = {}
    for record in every:
        for report in record.files:
            if report.status == "loaded" and load(report.table).calendar == "flux":
                named = f"{report.path} of delivery {record.name}"
                of_table.setdefault(report.table, []).append((report, named))
    found: dict[tuple[str, str], str] = {}
    for record in every:
        for report in record.files:
            if report.status != "loaded":
                continue
            longer = (
                named
                for other, named in of_table.get(report.table, ())
                if _LENGTHS[len(other.period)] > _LENGTHS[len(report.period)]
                and months(other) & months(report)
            )
            if name := next(longer, None):
                found[record.id, report.path] = name
    return found


_LENGTHS = {len("2019-02"): 1, len("2019"): 12, len("all"): 1000}


def months(report: FileReport) -> set[str]:
    """Return the flux months, as ``2019-02``, that a file of reimbursements stands for.

    A year's file holds the months of its flux year, February to January, or of the calendar year.
    """
    if len(report.period) == len("2019-02"):
        return {report.period}
    if report.period == "all":
        return set(report.flux_months)
    january = f"{int(report.period) + 1}-01"
    return {m for m in report.flux_months if m.startswith(report.period) or m == january}


def _newest(every: list[Record]) -> set[tuple[str, str]]:
    """Return the loaded files whose delivery is the newest of their table and period."""
    newest: dict[tuple[str, str], tuple[tuple[bool, str, str], str]] = {}
    for record in every:
        for report in record.files:
            if report.status == "loaded":
                # A file of which no line could be kept never takes the place of another.
                usable = report.kept > 0 or report.rows_read == 0
                found = ((usable, *record.order(report)), record.id)
                newest[unit(report)] = max(newest.get(unit(report), found), found)
    return {
        (record.id, report.path)
        for record in every
        for report in record.files
        if report.status == "loaded" and newest[unit(report)][1] == record.id
    }


def slug(source: str) -> str:
    """Return the folder name of a delivered file: readable, unique within its delivery."""
    readable = re.sub(r"[^a-z0-9_]+", "-", source.lower()).strip("-")
    return f"{readable}-{hashlib.sha256(source.encode()).hexdigest()[:6]}"


def raw_folder(home: Home, delivery_id: str, report: FileReport) -> Path:
    """Return the folder of a loaded file's typed parts."""
    return home.raw / load(report.table).raw_name / delivery_id / slug(report.path)


def quarantine_folder(home: Home, delivery_id: str, report: FileReport) -> Path:
    """Return the folder of a file's refused rows."""
    return home.quarantine / load(report.table).raw_name / delivery_id / slug(report.path)


def current_files(home: Home) -> dict[str, list[Path]]:
    """Return the Parquet parts in effect of every raw table; a table without delivery has none."""
    every = records(home)
    effective = in_effect(every)
    found: dict[str, list[Path]] = {load(name).raw_name: [] for name in tables()}
    for record in every:
        for report in record.files:
            if (record.id, report.path) in effective:
                folder = raw_folder(home, record.id, report)
                found[load(report.table).raw_name] += [folder / part for part in report.parts]
    return {name: sorted(paths) for name, paths in found.items()}


def write_record(home: Home, record: Record) -> None:
    """Make a delivery visible: its record appears whole or not at all."""
    home.deliveries.mkdir(parents=True, exist_ok=True)
    path = home.deliveries / f"{record.id}.json"
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with aside.open("w", encoding="utf-8") as handle:
        json.dump(record.to_json(), handle, indent=1, ensure_ascii=False, sort_keys=True)
        handle.flush()
        os.fsync(handle.fileno())
    aside.replace(path)


def sweep(home: Home) -> None:
    """Remove what no record accounts for: attempts that were cut off, files out of effect.

    Called under the lake's lock, at the start and the end of an ingestion.
    """
    every = records(home)
    effective = in_effect(every)
    keep: set[Path] = set()
    keep_refused: set[Path] = set()
    for record in every:
        for report in record.files:
            if (record.id, report.path) in effective:
                keep.add(raw_folder(home, record.id, report))
            if (record.id, report.path) in effective or report.status == "refused":
                keep_refused.add(quarantine_folder(home, record.id, report))
    for zone in (home.raw, home.quarantine, home.scratch):
        for attempt in zone.glob(f"{ATTEMPT}*"):
            # A worker of a killed run may still write there; what it leaves goes the next time.
            shutil.rmtree(attempt, ignore_errors=True)
    for zone, kept in ((home.raw, keep), (home.quarantine, keep_refused)):
        for folder in zone.glob("*/*/*"):
            if folder.is_dir() and folder not in kept:
                shutil.rmtree(folder)
        for folder in [*zone.glob("*/*"), *zone.glob("*")]:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
    for aside in home.deliveries.glob(".*.json.*"):
        aside.unlink()


@contextlib.contextmanager
def lake_lock(home: Home, *, shared: bool = False) -> Iterator[None]:
    """Hold the lake: alone to change raw files, shared to read a fixed list of them."""
    home.lake.mkdir(parents=True, exist_ok=True)
    with (home.lake / ".lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield


def behind(home: Home) -> list[dict[str, Any]]:
    """Return the deliveries with a file in effect: ``id``, ``name`` and ``generated``."""
    every = records(home)
    effective = {delivery for delivery, _ in in_effect(every)}
    return [
        {"id": record.id, "name": record.name, "generated": record.generated}
        for record in every
        if record.id in effective
    ]
