"""All deliveries that were ingested, and which of their files are in effect.

Each delivery leaves one record, ``lake/deliveries/<id>.json``, written last: it is what makes the
delivery's files visible. Which files are in effect, and which flux months of them, is a pure
function of the records, never of the order of arrival: the newest delivery wins, by the date of its
manifest, else the newest treatment date in the file, else its identity. Why by month:
``docs/decisions/0012-overlapping-deliveries.md``.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openchronic_assets.contracts import heading, load, tables
from openchronic_assets.ingestion.report import FileReport
from openchronic_assets.settings import Home
from openchronic_assets.slices import CROSSWALK, NONE, Part, slice_columns

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
    """Return what a file stands for by its name: its table and period; a snapshot, its whole table.

    The tables of one year are one period however their file is named: ``T_MCO19B``, or
    ``T_MCOaaB`` with the year 2019 inside.
    """
    table = load(report.table)
    if slice_columns(table) or report.period != "all":
        snapshot = table.calendar == "snapshot" and not slice_columns(table)
        return report.table, "all" if snapshot else report.period
    return report.table, "all" if table.calendar == "snapshot" else str(report.year)


Effect = dict[tuple[str, str], frozenset[str] | None]


def in_effect(every: list[Record]) -> Effect:
    """Return the (delivery id, file) pairs in effect, each with its slices that are; None is all.

    A pure function of the records, and one that only ever takes away: what a set of records puts
    out of effect, no larger set brings back, so that files out of effect can leave the disk.

    1. Of two files of the same table and period, the newer takes the place of the older, but for
       a January of the other calendar, and for the years before and after a file of all years.
    2. A slice (a flux month) comes from one delivery: the newest that has a file standing for it,
       else, outside the period of every file, the newest that holds rows of it.
    3. Within a delivery, of a month and its year, or a year and all years, the shorter counts.
    """
    by_table: dict[str, list[_File]] = {}
    for record in every:
        for report in record.files:
            if report.status == "loaded":
                by_table.setdefault(report.table, []).append(_File(record, report))
    found: Effect = {}
    for files in by_table.values():
        found |= _in_effect(files)
    return found


def _in_effect(files: list[_File]) -> Effect:
    """Decide among the loaded files of one table."""
    of_unit: dict[str, dict[str, list[_File]]] = {}
    owners: dict[tuple[str, str], tuple[bool, tuple[str, int, str]]] = {}
    shortest: dict[tuple[str, str], int] = {}
    for file in files:
        of_unit.setdefault(unit(file.report)[1], {}).setdefault(file.id, []).append(file)
        for each in file.named | file.held if file.usable else ():
            key = each in file.named, file.order
            place = each, file.report.period if each == NONE else ""
            owners[place] = max(owners.get(place, key), key)
        for each in file.named if file.usable else ():
            shortest[file.id, each] = min(shortest.get((file.id, each), 9), file.length)
    found: Effect = {}
    for file in files:
        rivals = of_unit[unit(file.report)[1]]
        rank = _rank(rivals[file.id])
        newer = [theirs for theirs in rivals.values() if _rank(theirs) > rank]
        if not file.held:
            if not newer:
                found[file.id, file.report.path] = None
            continue
        kept = frozenset(
            each
            for each in file.held
            if owners[each, file.report.period if each == NONE else ""][1][-1] == file.id
            and not (file.may_name(each) and shortest.get((file.id, each), 9) < file.length)
            and not any(_covers(theirs, each) for theirs in newer)
        )
        if kept:
            found[file.id, file.report.path] = None if kept == file.held else kept
    return found


def _rank(files: list[_File]) -> tuple[bool, tuple[str, int, str]]:
    """Return what decides between two deliveries of one unit, each with its files of it.

    A file of which no line could be kept never takes the place of another.
    """
    return max((file.usable, file.order) for file in files)


def _covers(newer: list[_File], slice_: str) -> bool:
    """Whether a newer delivery of a unit takes this slice of the older one away."""
    period, table = newer[0].report.period, newer[0].report.table
    held = {each for file in newer for each in file.held}
    if table == CROSSWALK:
        return slice_ in held
    if period == "all":
        dated = sorted(held - {NONE})
        return slice_ == NONE or not dated or dated[0] <= slice_ <= dated[-1]
    if len(period) == len("2019") and len(slice_) == len("2019-01") and slice_.endswith("-01"):
        # A calendar year delivered again as a flux year leaves its own January to the older one.
        other = {f"{period}-01", f"{int(period) + 1}-01"} - {slice_}
        return slice_ in held or not other & held
    return True


_LENGTHS = {len("2019-02"): 1, len("2019"): 2, len("all"): 3}


@dataclass(frozen=True)
class _File:
    """A loaded file among all those of its table."""

    record: Record
    report: FileReport

    @property
    def id(self) -> str:
        return self.record.id

    @functools.cached_property
    def usable(self) -> bool:
        return self.report.kept > 0 or self.report.rows_read == 0

    @functools.cached_property
    def length(self) -> int:
        return _LENGTHS.get(len(self.report.period), 2)

    @functools.cached_property
    def order(self) -> tuple[str, int, str]:
        date, identity = self.record.order(self.report)
        return date, -self.length, identity

    @functools.cached_property
    def held(self) -> frozenset[str]:
        """The slices of which the file holds rows; of a table without slices, none."""
        return frozenset(self.report.slices)

    @functools.cached_property
    def named(self) -> frozenset[str]:
        """The slices that the file stands for, whether it holds rows of them or not.

        A year is February to December and one January: that of the year itself or the next one,
        whichever has more rows in the file; without either, neither is taken from another file.
        """
        table, period = load(self.report.table), self.report.period
        if not slice_columns(table):
            return frozenset()
        if period == "all" or table.name == CROSSWALK:
            return self.held
        if table.calendar != "flux" or self.length == 1:
            return frozenset({period} | ({NONE} & self.held))
        months = {f"{period}-{month:02d}" for month in range(2, 13)}
        rows = self.report.slices
        first, last = f"{period}-01", f"{int(period) + 1}-01"
        if january := max(rows.get(first, 0), rows.get(last, 0)):
            months.add(last if rows.get(last, 0) == january else first)
        return frozenset(months | ({NONE} & self.held))

    def may_name(self, slice_: str) -> bool:
        """Whether a slice is in the file's period under either calendar."""
        if slice_ in self.named or len(self.report.period) != len("2019"):
            return slice_ in self.named
        return slice_ in (f"{self.report.period}-01", f"{int(self.report.period) + 1}-01")


def slug(source: str) -> str:
    """Return the folder name of a delivered file: readable, unique within its delivery."""
    readable = re.sub(r"[^a-z0-9_]+", "-", source.lower()).strip("-")
    return f"{readable}-{hashlib.sha256(source.encode()).hexdigest()[:6]}"


def raw_folder(home: Home, delivery_id: str, report: FileReport) -> Path:
    """Return the folder of a loaded file's typed parts."""
    return home.raw / heading(report.table).raw_name / delivery_id / slug(report.path)


def quarantine_folder(home: Home, delivery_id: str, report: FileReport) -> Path:
    """Return the folder of a file's refused rows."""
    return home.quarantine / heading(report.table).raw_name / delivery_id / slug(report.path)


def current_parts(home: Home) -> dict[str, list[Part]]:
    """Return the Parquet parts in effect of every raw table; a table without delivery has none."""
    return parts_of(home, records(home))


def parts_of(home: Home, every: list[Record]) -> dict[str, list[Part]]:
    """Return the parts in effect of every raw table, among these records."""
    effective = in_effect(every)
    found: dict[str, list[Part]] = {heading(name).raw_name: [] for name in tables()}
    for record in every:
        for report in record.files:
            if (record.id, report.path) in effective:
                slices = effective[record.id, report.path]
                folder = raw_folder(home, record.id, report)
                found[heading(report.table).raw_name] += [
                    Part(folder / part, slices) for part in report.parts
                ]
    return {name: sorted(parts, key=lambda part: part.path) for name, parts in found.items()}


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

    Called under the lake's lock, at the start and the end of an ingestion. Raw files that a build
    was made from stay as long as the build does, so that it can be told why a number moved.
    """
    every = records(home)
    effective = in_effect(every)
    keep = _read_by_builds(home)
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
    for aside in [*home.deliveries.glob(".*.json.*"), *home.reports.rglob(".*.*.*")]:
        aside.unlink()


def _read_by_builds(home: Home) -> set[Path]:
    found: set[Path] = set()
    for path in home.builds.glob("*/build.json"):
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))["raw"]
            found |= {(home.lake / name).parent for listed in raw.values() for name in listed}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # going, or damaged: its build cannot be explained anyway
    return found


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
