"""What readers of a home see, and whether it is whole: asked after each fault."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb

from openchronic_assets.access import audit
from openchronic_assets.anonymisation.products import CUBE
from openchronic_assets.errors import OpenChronicError
from openchronic_assets.ingestion import deliveries
from openchronic_assets.ingestion.balance import balances
from openchronic_assets.instance import unfinished
from openchronic_assets.settings import Home
from openchronic_assets.warehouse.builds import files, read_manifest

ATTEMPTS = ".attempt-"
# Noise is drawn once and never again (decision 17), so that two homes have two cubes.
NOISY = (CUBE, "cube.report.json")
MOMENT = "published_at"


@dataclass(frozen=True)
class Seen:
    """What a home holds, as hashes by name; of tables, as strangers read them.

    Attributes:
        raw: files of ``lake/raw``, ``lake/quarantine`` and ``lake/deliveries``.
        marts: files of the current build, by model and year.
        pointer: the manifest of the current build, without what its order of building decides.
        candidate: files of the candidates, and reports without what is drawn.
        release: the same of the releases.
        tables: relations of the catalogue on the build: rows, and a sum of their hashes.
        delivered: relations of the catalogue on the delivered tables.
    """

    raw: dict[str, str]
    marts: dict[str, str]
    candidate: dict[str, str]
    release: dict[str, str]
    tables: dict[str, str]
    delivered: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Seen:
        """Read back what ``to_json`` wrote."""
        return cls(**document)

    def differs(self, other: Seen, parts: Sequence[str]) -> list[str]:
        """Say in which parts two homes differ, with the first name of each."""
        said = []
        for part in parts:
            mine, theirs = getattr(self, part), getattr(other, part)
            if mine != theirs:
                names = sorted(set(mine.items()) ^ set(theirs.items()))
                said.append(f"{part} differs in {len(names)} entries, first {names[0][0]}")
        return said


def look(home: Home) -> Seen:
    """Return all that is promised to be the same whatever happened on the way."""
    tables, delivered = catalogued(home)
    return Seen(
        raw={
            path.relative_to(home.lake).as_posix(): _sha256(path)
            for zone in (home.raw, home.quarantine, home.deliveries)
            for path in sorted(zone.rglob("*"))
            if path.is_file()
        },
        marts=_marts(home),
        candidate=_published(home.candidate),
        release=_published(home.release),
        tables=tables,
        delivered=delivered,
    )


def catalogued(home: Home) -> tuple[dict[str, str], dict[str, str]]:
    """Return (of the build, delivered): relation → rows and a sum of hashes.

    The file is opened as any client of DuckDB opens it, without the product.
    """
    if not home.catalogue.is_file():
        return {}, {}
    with duckdb.connect(str(home.catalogue), read_only=True) as connection:
        return relations(connection)


def relations(connection: duckdb.DuckDBPyConnection) -> tuple[dict[str, str], dict[str, str]]:
    """Return the same of an open catalogue."""
    found: tuple[dict[str, str], dict[str, str]] = ({}, {})
    views = connection.execute(
        "select schema_name, view_name from duckdb_views() where not internal "
        "and schema_name in ('main', 'intermediate', 'snds') order by all"
    ).fetchall()
    for schema, name in views:
        row = connection.execute(
            f'select count(*), sum(hash(t)::hugeint) from {schema}."{name}" t'
        ).fetchone()
        found[schema == "snds"][f"{schema}.{name}"] = str(row)
    return found


def _marts(home: Home) -> dict[str, str]:
    manifest = read_manifest(home)
    return {
        f"{name}/{path.parent.name}/{path.name}": _sha256(path)
        for name in (manifest or {"models": {}})["models"]
        for path in files(home, name)
    }


def _published(zone: Path) -> dict[str, str]:
    found = {}
    for path in sorted(zone.rglob("*")) if zone.is_dir() else ():
        if not path.is_file() or path.name in NOISY:
            continue
        name = path.relative_to(zone).as_posix()
        found[name] = _report(path) if path.name == "report.json" else _sha256(path)
    return found


def _report(path: Path) -> str:
    """Return the hash of a report without what is drawn and when."""
    document = json.loads(path.read_text(encoding="utf-8"))
    document.pop(MOMENT, None)
    for each in document.get("declared", []):
        each.pop("release", None)  # the reservation of the cube: another one after a kill
    document["outputs"] = [each for each in document["outputs"] if each["file"] not in NOISY]
    document["checks"] = [
        [each["name"], each["passed"]] if each["name"].startswith(("cube", "together")) else each
        for each in document["checks"]
    ]
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- after a fault ------------------------------------------------------------------------------


def torn(home: Home, allowed: Sequence[Seen]) -> list[str]:
    """Say what readers would see that is not whole; nothing where all is well.

    Args:
        home: as the fault left it, nothing of the product run since.
        allowed: what may be seen: the state before, or the one after.
    """
    said: list[str] = []
    try:
        tables, delivered = catalogued(home)
    except duckdb.Error as error:
        said.append(f"the catalogue does not answer: {type(error).__name__}: {str(error)[:200]}")
    else:
        if tables not in [each.tables for each in allowed]:
            said.append("the tables of the catalogue are not those of one build")
        if delivered not in [each.delivered for each in allowed]:
            said.append("the delivered tables of the catalogue are not those of one state")
    marts = _marts(home)
    if marts not in [each.marts for each in allowed]:
        said.append("the files of the pointer are not those of one build")
    said += unbalanced(home)
    for zone in (home.candidate, home.release):
        said += half_done(zone)
    if home.release.is_dir():
        said += [
            f"release/ holds {path.name}, which is no release"
            for path in home.release.iterdir()
            if path.name.startswith(".")
        ]
    try:
        audit.verify(home)
    except OpenChronicError as error:
        said.append(str(error))
    said += [f"{name} is still locked" for name in held(home)]
    return said


def unbalanced(home: Home) -> list[str]:
    """Say which tables do not hold what was read, in rows and euros, counted again on disk."""
    try:
        every = deliveries.records(home)
    except (ValueError, KeyError, TypeError) as error:
        return [f"a record of a delivery cannot be read: {type(error).__name__}"]
    said = [
        f"{record.name}: {report.path} does not balance"
        for record in every
        for report in record.files
        if not report.balances
    ]
    return said + [wrong for table in balances(home, every).values() for wrong in table.wrong]


def half_done(zone: Path) -> list[str]:
    """Say which named folders of a zone are not what their report says, file by file."""
    said = []
    for folder in sorted(zone.iterdir()) if zone.is_dir() else ():
        if folder.name.startswith("."):
            continue
        try:
            report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
            wanted = {each["file"]: each["sha256"] for each in report["outputs"]}
            there = {
                path.relative_to(folder).as_posix(): _sha256(path)
                for path in folder.rglob("*")
                if path.is_file() and path != folder / "report.json"
            }
        except (OSError, ValueError, KeyError, TypeError) as error:
            said.append(f"{zone.name}/{folder.name} has no whole report: {type(error).__name__}")
            continue
        if wanted != there:
            said.append(f"{zone.name}/{folder.name} is not what its report says")
    return said


def held(home: Home) -> Iterator[str]:
    """Give the lock files that somebody still holds."""
    for pattern in ("lake/.lock", "lake/.scratch/*.lock", "vault/*.lock", "dagster/*.lock"):
        for path in sorted(home.root.glob(pattern)):
            with path.open("a") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    yield path.relative_to(home.root).as_posix()


def settled(home: Home, wanted: Seen) -> list[str]:
    """Say what is not as in the undisturbed home, after the command was run again to its end."""
    parts = ["raw", "marts", "candidate", "release", "tables", "delivered"]
    said = look(home).differs(wanted, parts)
    said += torn(home, [wanted])
    for pattern in (f"**/{ATTEMPTS}*", "lake/.scratch/release-*", "lake/.*.*.*"):
        for path in sorted(home.root.glob(pattern)):
            said.append(f"{path.relative_to(home.root)} is left behind")
    counts = audit.verify(home)["events"]
    for event in ("delivery_ingested", "published"):
        expected = (
            len(deliveries.records(home))
            if event == "delivery_ingested"
            else len([path for path in home.release.iterdir() if path.is_dir()])
        )
        if counts.get(event, 0) != expected:
            said.append(f"the journal tells {counts.get(event, 0)} times {event}, not {expected}")
    return said + pools(home)


def pools(home: Home) -> list[str]:
    """Say which runs and slots of Dagster are not ended and free."""
    if not (home.dagster / "history").is_dir():
        return []
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")
    import dagster as dg

    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        return busy(instance)


def busy(instance: Any) -> list[str]:
    """Say which runs and slots of an instance are not ended and free."""
    said = [f"run {run.run_id} is {run.status.value}" for run in unfinished(instance)]
    storage = instance.event_log_storage
    for key in sorted(storage.get_concurrency_keys()):
        found = storage.get_concurrency_info(key)
        if found.claimed_slots or found.pending_steps:
            said.append(f"the pool {key} is held by {sorted(found.active_run_ids)}")
    return said
