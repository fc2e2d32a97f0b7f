"""A delivery from its folder to the lake: hash, check, parse, balance, commit.

Kill it anywhere and run it again: attempts are swept, and the same files come out.
"""

from __future__ import annotations

import secrets
import shutil
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from openchronic_assets.access import audit
from openchronic_assets.contracts import load
from openchronic_assets.errors import OpenChronicError
from openchronic_assets.ingestion import (
    deliveries,
    epochs,
    formats,
    identity,
    landing,
    lines,
    spark,
)
from openchronic_assets.ingestion.deliveries import ATTEMPT, Record
from openchronic_assets.ingestion.delivery import (
    DeliveredFile,
    Delivery,
    delivery_id,
    is_generated,
    recognise,
    scan,
)
from openchronic_assets.ingestion.parse import ParseTask, parse_file, stamp_of
from openchronic_assets.ingestion.report import REASONS, Amount, FileReport, decimal_text
from openchronic_assets.ingestion.source import Source
from openchronic_assets.settings import Home

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Above this size the driver's own disk would be the bottleneck: Spark hashes too.
HASH_HERE = 2 << 30

Progress = Callable[[str, int, int], None]


@dataclass
class Ingestion:
    """What an ingestion did. ``state``: ``ingested``, ``already ingested`` or ``out of scope``."""

    state: str
    delivery: str | None
    name: str
    files: list[FileReport] = field(default_factory=list)
    out_of_scope: list[str] = field(default_factory=list)
    superseded: list[str] = field(default_factory=list)
    overlapping: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    report: str | None = None

    @property
    def refused_files(self) -> list[FileReport]:
        """The files of which nothing could be loaded."""
        return [report for report in self.files if report.status not in ("loaded", "duplicate")]

    def totals(self) -> dict[str, dict[str, Any]]:
        """Return rows and euros by table: read, kept, quarantined."""
        totals: dict[str, dict[str, Any]] = {}
        sums: dict[str, dict[str, Amount]] = {}
        for report in self.files:
            into = totals.setdefault(
                report.table, {"files": 0, "read": 0, "kept": 0, "quarantined": 0}
            )
            into["files"] += 1
            into["read"] += report.rows_read
            into["kept"] += report.kept
            into["quarantined"] += report.quarantined
            for name, amount in report.amounts.items():
                sums.setdefault(report.table, {}).setdefault(name, Amount()).add(amount)
        for table, amounts in sums.items():
            totals[table]["amounts"] = {
                name: {
                    "read": decimal_text(amount.read),
                    "kept": decimal_text(amount.kept),
                    "quarantined": decimal_text(amount.quarantined),
                    "unreadable": amount.unreadable,
                }
                for name, amount in amounts.items()
            }
        return totals

    def to_json(self) -> dict[str, Any]:
        """Return the report that ``openchronic ingest --json`` prints."""
        return {
            "state": self.state,
            "delivery": self.delivery,
            "name": self.name,
            "tables": self.totals(),
            "files": [report.to_json() for report in self.files],
            "out_of_scope": self.out_of_scope,
            "superseded": self.superseded,
            "overlapping": self.overlapping,
            "messages": self.messages,
            "report": self.report,
        }


def ingest(
    home: Home,
    folder: Path,
    *,
    year: int | None = None,
    session: Callable[[], SparkSession] = spark.session,
    progress: Progress | None = None,
) -> Ingestion:
    """Ingest one delivery folder into the lake.

    Args:
        home: where the lake is.
        folder: the delivery, complete because its user named it or its marker is there.
        year: the year of files whose name has none.
        session: gives the Spark session, asked only if there is something to parse.
        progress: told (step, done, of how many).

    Returns:
        The account of every file; a file that is refused does not keep the others out.

    Raises:
        UsageError: there is no such folder.
        Refused: the delivery was made with other pseudonyms than the lake's.
        OpenChronicError: the rows or euros do not balance, or a task failed; nothing is committed.
    """
    home.create()
    delivery = scan(folder.resolve(), year)
    stamp = landing.stamp_of_folder(delivery.folder)
    with deliveries.lake_lock(home):
        deliveries.sweep(home)
        try:
            result = _ingest(home, delivery, session, progress or (lambda step, done, total: None))
        finally:
            deliveries.sweep(home)
        if result.delivery and (home.deliveries / f"{result.delivery}.json").is_file():
            _journalled(home, result)
            _write_report(home, result)
            landing.remember(home, delivery.folder, stamp, result.delivery)
    return result


def _journalled(home: Home, result: Ingestion) -> None:
    """Write a delivery of the lake in the journal, once; a kill may have left it out."""
    if result.state != "ingested" and any(
        entry["event"] == "delivery_ingested" and entry.get("delivery") == result.delivery
        for entry in audit.entries(home)
    ):
        return
    audit.record(
        home,
        "delivery_ingested",
        delivery=result.delivery,
        name=result.name,
        files=len(result.files),
        rows={
            what: sum(getattr(each, what) for each in result.files)
            for what in ("rows_read", "kept", "quarantined")
        },
    )


def _write_report(home: Home, result: Ingestion) -> None:
    """Write the delivery's page; it is in the lake whatever becomes of its page."""
    # Late: the page needs a template engine and the profile of every table.
    from openchronic_assets.reports import page

    path = home.reports / f"{result.delivery}.html"
    if result.state == "ingested" or not path.is_file():
        try:
            page.write(home, str(result.delivery), rules=False)
        except (OpenChronicError, duckdb.Error, OSError) as error:
            # The engine's text may hold a value: its class is enough.
            result.messages.append(
                f"{result.name} is in the lake, its run report could not be written "
                f"({type(error).__name__}): run openchronic report {result.delivery}"
            )
    result.report = str(path) if path.is_file() else None


def _ingest(
    home: Home, delivery: Delivery, session: Callable[[], SparkSession], progress: Progress
) -> Ingestion:
    if not delivery.files:
        return Ingestion(
            "out of scope",
            None,
            delivery.name,
            out_of_scope=list(delivery.out_of_scope),
            messages=[f"{delivery.name}: no file of a table under contract"],
        )
    hashes = _hashes(delivery, session, progress)
    identifier = delivery_id(delivery, hashes)
    every = deliveries.records(home)
    for record in every:
        if record.id == identifier:
            said = f"{delivery.name}: the same bytes are in the lake already"
            return _account("already ingested", record, every, [said])
    # A name of its own: workers of a killed run may go on writing under theirs for a while.
    attempt = f"{ATTEMPT}{identifier}-{secrets.token_hex(4)}"
    secret = identity.load_secret(home)
    epochs.same_secret(every, identity.fingerprint(secret))
    epochs.refuse_unlinked(delivery, every)
    reports, tries = _parse(home, delivery, hashes, identifier, attempt, secret, session, progress)
    for report in reports:
        _shifted(report)
        if not report.balances:
            raise OpenChronicError(
                f"{report.path} (table {report.table}): rows or euros read are not those kept plus "
                "those quarantined; nothing was committed. Report it with the file's contract"
            )
    epochs.refuse_unlinked(delivery, every, reports)
    return _commit(home, delivery, identifier, tries, hashes, secret, reports)


def _hashes(
    delivery: Delivery, session: Callable[[], SparkSession], progress: Progress
) -> dict[str, str]:
    paths = [each.path for each in delivery.files]
    total = sum(path.stat().st_size for path in paths)
    progress("hash", 0, len(paths))
    if total > HASH_HERE:
        found = spark.spread(
            session(), lines.sha256_of, paths, lambda done: progress("hash", done, len(paths))
        )
    else:
        with ThreadPoolExecutor(max_workers=2) as pool:
            found = list(pool.map(lines.sha256_of, paths))
    progress("hash", len(paths), len(paths))
    return {each.source: value for each, value in zip(delivery.files, found, strict=True)}


def _parse(
    home: Home,
    delivery: Delivery,
    hashes: dict[str, str],
    identifier: str,
    attempt: str,
    secret: bytes,
    session: Callable[[], SparkSession],
    progress: Progress,
) -> tuple[list[FileReport], dict[str, str]]:
    """Return the report of each file, and the attempt under which the parts of each lie."""
    reports: list[FileReport] = _not_as_announced(delivery, hashes)
    announced_wrong = {report.path for report in reports}
    tasks = []
    seen: dict[tuple[str, str], str] = {}
    forms: dict[Path, str] = {}
    for each in delivery.files:
        if each.source in announced_wrong:
            continue
        stem = (formats.stem(each.path.name) or each.path.name).upper()
        first = forms.setdefault(each.path.with_name(stem), each.source)
        if first != each.source and hashes[first] != hashes[each.source]:
            reports.append(_other_form(each, first, hashes[each.source]))
            continue
        same = seen.setdefault((each.table, hashes[each.source]), each.source)
        # Two periods without a row are the same bytes, and both are news.
        if same != each.source and not Source(each.path).is_empty():
            reports.append(_duplicate(each, same, hashes[each.source]))
            continue
        tasks.append(_task(delivery, each, hashes[each.source], identifier))
    # Large files first, so that none is left alone at the end.
    tasks.sort(key=lambda task: -task.stamp[0])
    progress("parse", 0, len(tasks))
    parsed = spark.spread(
        session(),
        partial(_try_task, home=home, attempt=attempt, secret=secret),
        tasks,
        lambda done: progress("parse", done, len(tasks)),
    )
    progress("parse", len(tasks), len(tasks))
    tries = {}
    for result in parsed:
        if isinstance(result, _Failure):
            if result.said:
                raise OpenChronicError(result.said)
            raise OpenChronicError(
                f"{result.source}: unforeseen {result.error} at {result.place}; nothing was "
                "committed. See that memory and disk suffice, run again, and report it if it stays"
            )
        report, tried = result
        reports.append(report)
        tries[report.path] = tried
    return sorted(reports, key=lambda report: report.path), tries


@dataclass(frozen=True)
class _Failure:
    """An unforeseen error of a task: Spark would print its text, which may quote a row."""

    source: str
    error: str
    place: str
    said: str | None = None


def _try_task(
    task: ParseTask, home: Home, attempt: str, secret: bytes
) -> tuple[FileReport, str] | _Failure:
    """Parse one file under a name of this try's own, and return its report with that name.

    A worker that its driver took for lost may go on writing beside the one that does its task
    again: they must not meet, and the parts of the try that answered are those that count.
    """
    tried = f"{attempt}.{secrets.token_hex(4)}"
    mine = replace(
        task,
        out=str(home.raw / tried / task.out),
        quarantine=str(home.quarantine / tried / task.quarantine),
        scratch=str(home.scratch / tried),
    )
    try:
        return parse_file(mine, secret), tried
    except OpenChronicError as error:
        return _Failure(task.source, "", "", str(error))
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(frame.filename).name}:{frame.lineno}"
        return _Failure(task.source, type(error).__name__, place)


def _task(delivery: Delivery, each: DeliveredFile, sha256: str, identifier: str) -> ParseTask:
    """Return what to parse; where to is relative to the zone and to a try (:func:`_try_task`)."""
    raw_name = load(each.table).raw_name
    place = Path(raw_name) / identifier / deliveries.slug(each.source)
    return ParseTask(
        path=str(each.path),
        source=each.source,
        table=each.table,
        period=each.period,
        year=each.year,
        year_source=each.year_source,
        delivery_id=identifier,
        sha256=sha256,
        stamp=stamp_of(each.path),
        out=str(place),
        quarantine=str(place),
        scratch="",
        accept_structure=delivery.manifest.accept_structure,
    )


def _not_as_announced(delivery: Delivery, hashes: dict[str, str]) -> list[FileReport]:
    """Report the files that the manifest announces and that are absent or not the same."""
    by_source = {each.source: each for each in delivery.files}
    reports = []
    for source, announced in sorted(delivery.manifest.checksums.items()):
        each = by_source.get(source)
        if each is None:
            found = recognise(Path(source).name)
            if found is None or (delivery.folder / source).is_file():
                continue
            report = FileReport(source, found[0], found[1], found[2], "name")
            report.refuse(
                "unreadable",
                "announced_not_delivered",
                f"{source} (table {found[0]}): announced in delivery.json, not in the folder: "
                "the delivery is not complete, ask the provider for the file",
            )
            reports.append(report)
        elif str(announced).lower().removeprefix("sha256:") != hashes[source]:
            report = FileReport(source, each.table, each.period, each.year, each.year_source)
            report.refuse(
                "unreadable",
                "checksum",
                f"{source} (table {each.table}): its SHA-256 is not the one in delivery.json: "
                "copy the file again",
            )
            report.sha256 = hashes[source]
            reports.append(report)
    return reports


def _duplicate(each: DeliveredFile, same: str, sha256: str) -> FileReport:
    report = FileReport(each.source, each.table, each.period, each.year, each.year_source)
    report.refuse(
        "duplicate",
        "duplicate_file",
        f"{each.source} (table {each.table}): the same bytes as {same}, loaded once",
    )
    report.sha256 = sha256
    return report


def _other_form(each: DeliveredFile, first: str, sha256: str) -> FileReport:
    """Refuse a file that is there in another form too: loaded twice, its rows would be doubled."""
    report = FileReport(each.source, each.table, each.period, each.year, each.year_source)
    report.refuse(
        "unreadable",
        "two_forms",
        f"{each.source} (table {each.table}): also delivered as {first}, which is loaded: remove "
        "one of them, or give it the name of another part",
    )
    report.sha256 = sha256
    return report


def _shifted(report: FileReport) -> None:
    """Refuse a file whose lines all have another number of fields than its header."""
    if report.rows_read and report.reasons == {"field_count": report.rows_read}:
        report.status, report.code, report.parts = "refused", "shifted_columns", []
        report.message = (
            f"{report.path} (table {report.table}), line 2: no line has as many fields as the "
            "header, columns are shifted: ask the provider to export the file again"
        )


def _commit(
    home: Home,
    delivery: Delivery,
    identifier: str,
    tries: dict[str, str],
    hashes: dict[str, str],
    secret: bytes,
    reports: list[FileReport],
) -> Ingestion:
    record = Record(
        id=identifier,
        name=delivery.name,
        date=delivery.manifest.date,
        provider=delivery.manifest.provider,
        pseudonym_epoch=delivery.manifest.pseudonym_epoch,
        generated=is_generated(delivery, hashes),
        secret_fingerprint=identity.fingerprint(secret),
        files=tuple(reports),
        out_of_scope=delivery.out_of_scope,
    )
    every = [*deliveries.records(home), record]
    effective = deliveries.in_effect(every)
    for report in reports:
        mine = (identifier, report.path) in effective
        tried = tries.get(report.path)
        if tried is None:  # not parsed
            continue
        if mine:
            _move(home.raw, tried, deliveries.raw_folder(home, identifier, report))
        if mine or report.status == "refused":
            folder = deliveries.quarantine_folder(home, identifier, report)
            _move(home.quarantine, tried, folder)
    # Where nothing came of it there is no record, so that a repaired copy starts afresh.
    if any(report.status in ("loaded", "refused") for report in reports):
        deliveries.write_record(home, record)
    return _account("ingested", record, every, [])


def _account(state: str, record: Record, every: list[Record], messages: list[str]) -> Ingestion:
    """Say what became of each file of a delivery, among all deliveries."""
    effective = deliveries.in_effect(every)
    result = Ingestion(
        state,
        record.id,
        record.name,
        files=list(record.files),
        out_of_scope=list(record.out_of_scope),
        messages=messages,
    )
    for report in record.files:
        named = f"{report.path} (table {report.table})"
        if report.message:
            result.messages.append(report.message)
        elif report.quarantined:
            result.messages.append(_refused_lines(report))
        if report.status != "loaded":
            continue
        if (record.id, report.path) in effective:
            slices = effective[record.id, report.path]
            if slices is not None:
                result.overlapping.append(report.path)
                result.messages.append(f"{named}: {_elsewhere(report, slices)}")
        elif report.rows_read and not report.kept:
            result.superseded.append(report.path)
            result.messages.append(
                f"{named}: no line of it could be kept, so that another delivery of "
                f"{report.period} stays in effect"
            )
        else:
            result.superseded.append(report.path)
            result.messages.append(
                f"{named}: a newer delivery of {report.period} is in the lake; this one is on "
                "record and not in effect"
            )
    return result


def _elsewhere(report: FileReport, slices: frozenset[str]) -> str:
    """Say which months of a file another one stands for."""
    out = sorted(set(report.slices) - slices)
    rows = sum(report.slices[each] for each in out)
    named = ", ".join(out[:6]) + (f" and {len(out) - 6} more" if len(out) > 6 else "")
    return (
        f"{rows} of its {report.kept} lines are of {named}, which a newer or a shorter file "
        "stands for: those are in effect, these are not"
    )


def _refused_lines(report: FileReport) -> str:
    """Return where the first refused line of a file is, why, and where to see the others."""
    place: dict[str, Any] = (report.first_refused or [{"line": 0, "column": None}])[0]
    column = f", column {place['column']}" if place["column"] else ""
    reason = str(place.get("reason", ""))
    return (
        f"{report.path} (table {report.table}), line {place['line']}{column}: "
        f"{REASONS.get(reason, reason)}; {report.quarantined} of {report.rows_read} lines are in "
        f"quarantine with their reasons: see lake/quarantine/{load(report.table).raw_name}, have "
        "the provider correct them and deliver the file again"
    )


def _move(zone: Path, tried: str, target: Path) -> None:
    source = zone / tried / target.relative_to(zone)
    if not source.is_dir():
        return
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
