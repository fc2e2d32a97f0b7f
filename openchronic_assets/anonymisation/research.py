"""Research files: patients with their events, for named users of the secure space.

The patient table is recoded to k = 11; events carry a code cut to a prefix and the quarter (or
year) of their date after a keyed shift, the same for all events of a person. The two files join
by a number drawn for this file, and by nothing else. What known events would still tell is
measured on the written events and stands beside them.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from openchronic_assets import duck
from openchronic_assets.anonymisation import journal
from openchronic_assets.anonymisation.gate import ResearchRequest, run_gate
from openchronic_assets.anonymisation.longitudinal import (
    SHIFT_WINDOW,
    TIMES,
    Events,
    known_points,
    shift_sql,
    support,
)
from openchronic_assets.anonymisation.patient_release import (
    COLUMNS,
    K_INTERNAL,
    recode_patients,
)
from openchronic_assets.anonymisation.release import vault_key, vault_lock
from openchronic_assets.errors import OpenChronicError, Refused, UsageError
from openchronic_assets.settings import Home
from openchronic_assets.warehouse.builds import files as files_of
from openchronic_assets.warehouse.builds import read_manifest

FILES = ("people.parquet", "events.parquet", "known_points.json")


@dataclass(frozen=True)
class Profile:
    """How events are coarsened.

    Attributes:
        prefix: characters of the code that are kept.
        time: level of the shifted date: ``quarter`` or ``year``.
        window: days by which a person's dates move at most, either way.
        k: smallest class of people.
        points: m of the k^m support that is told.
    """

    prefix: int = 4
    time: str = "quarter"
    window: int = SHIFT_WINDOW
    k: int = K_INTERNAL
    points: int = 2

    def __post_init__(self) -> None:
        if self.prefix < 1 or self.time not in ("quarter", "year") or self.k < K_INTERNAL:
            raise UsageError(
                f"a research profile keeps 1 character of the code or more, quarters or years, "
                f"and classes of {K_INTERNAL} people or more"
            )


PROFILES = {"standard": Profile(), "coarse": Profile(prefix=3, time="year")}


def write_research(
    home: Home,
    name: str,
    patient_files: Sequence[Path],
    event_files: Sequence[Path],
    reference_year: int,
    users: Sequence[str],
    *,
    code: str = "code",
    date: str = "care_date",
    prefix: int | None = None,
    profile: Profile = PROFILES["standard"],
) -> dict[str, Any]:
    """Write a research file to ``release_restricted/<name>/`` if the gate accepts it.

    Args:
        home: the zones.
        name: of the file: letters, digits, ``-`` and ``_``.
        patient_files: Parquet files of the mart ``patient``.
        event_files: Parquet files of events with ``person_id``, a code and a date.
        reference_year: last care year.
        users: who may read it.
        code: column of the code.
        date: column of the date.
        prefix: characters of the code that are kept, instead of the profile's.
        profile: how the events are coarsened.

    Returns:
        ``folder``, ``people``, ``events``, ``known_points``, ``support`` and ``checks``.

    Raises:
        UsageError: the name is no name, or is taken.
        Refused: the gate refused; nothing is left in ``release_restricted/``.
        OpenChronicError: the marts cannot be used.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
        raise UsageError("a research file is named with letters, digits, - and _")
    if prefix is not None:
        profile = replace(profile, prefix=prefix)
    home.create()
    target = home.release_restricted / name
    if target.exists():
        raise UsageError(f"research file {name} is there already and never changes")
    attempt = home.release_restricted / f".attempt-{uuid.uuid4().hex}"
    evidence = home.vault / f".attempt-{uuid.uuid4().hex}"
    attempt.mkdir(mode=0o750)
    evidence.mkdir(mode=0o700)
    key = vault_key(home)
    try:
        table = recode_patients(
            patient_files, reference_year, profile.k, None, evidence=evidence, key=key
        )
        labels = {n: [line[d] for line in table.recoding.tuples] for d, n in enumerate(COLUMNS)}
        counts = _write(attempt, evidence, labels, event_files, key, name, (code, date), profile)
        told = measure(
            [attempt / FILES[1]], "number", "code", profile.time, time="as_is",
            points=profile.points, k=profile.k,
        )  # fmt: skip
        told["profile"] = asdict(profile)
        told["users"] = list(users)
        (attempt / "known_points.json").write_text(
            json.dumps(told, indent=2, sort_keys=True) + "\n", encoding="utf-8"
        )
        roles = {"number": "file_key", **dict.fromkeys(COLUMNS, "quasi"),
                 "code": "sensitive", profile.time: "insensitive"}  # fmt: skip
        verdict = run_gate(
            ResearchRequest(
                str(attempt), FILES[0], FILES[1], roles, profile.k, FILES[2], list(users)
            )
        )
        with vault_lock(home):
            facts = {"research": name, "users": list(users), "profile": asdict(profile), **counts}
            if not verdict.accepted:
                journal.append(home.vault / "journal.jsonl", "research_refused", **facts,
                               failed=list(verdict.failed))  # fmt: skip
                raise Refused(
                    f"the gate refused research file {name}: {', '.join(verdict.failed)} failed"
                )
            hashes = {f: hashlib.sha256((attempt / f).read_bytes()).hexdigest() for f in FILES}
            journal.append(
                home.vault / "journal.jsonl", "research_written", **facts, sha256s=hashes
            )
            for file in FILES:
                (attempt / file).chmod(0o440)
            attempt.rename(target)
    finally:
        shutil.rmtree(attempt, ignore_errors=True)
        shutil.rmtree(evidence, ignore_errors=True)
    return {
        "folder": str(target),
        **counts,
        "known_points": told["singled_out"],
        "support": told["support"],
        "checks": [asdict(check) for check in verdict.checks],
    }


def measure(
    files: Sequence[Path],
    person: str = "person_id",
    code: str = "code",
    date: str = "care_date",
    *,
    prefix: int | None = None,
    time: str = "month",
    points: int = 2,
    k: int = K_INTERNAL,
) -> dict[str, Any]:
    """Return what 1 to 5 known events tell (``singled_out``) and the k^m ``support``.

    Raises:
        UsageError: a parameter is out of range.
        OpenChronicError: the events cannot be read, or are nobody's.
    """
    events = Events(tuple(Path(file) for file in files), person, code, date)
    told = known_points(events, prefix=prefix, time=time)
    return {**told, "support": asdict(support(events, points, k, prefix=prefix, time=time))}


def write_from_build(
    home: Home,
    name: str,
    users: Sequence[str],
    *,
    profile: str = "standard",
    model: str = "care_event",
    years: tuple[int, int] | None = None,
    code: str = "code",
    date: str = "care_date",
) -> dict[str, Any]:
    """Write a research file from the current build: mart ``patient`` and a mart of events.

    Args:
        home: the zones.
        name: of the file.
        users: who may read it.
        profile: one of :data:`PROFILES`.
        model: the mart of the events.
        years: first and last year of the events; all that are built when None.
        code: column of the code.
        date: column of the date.

    Raises:
        UsageError: there is no such profile, mart or year.
        Refused: see :func:`write_research`.
    """
    if profile not in PROFILES:
        raise UsageError(f"no profile {profile!r}; there are: {', '.join(PROFILES)}")
    manifest = read_manifest(home)
    built = (manifest or {"models": {}})["models"].get(model, {})
    known = sorted(int(year) for year in built.get("years") or ())
    if manifest is not None and built and not known:
        raise UsageError(f"{model} is no mart of events by year; take care_event")
    first, last = years or (known[0], known[-1]) if known else (0, 0)
    wanted = [year for year in known if first <= year <= last] or [first]
    return write_research(
        home,
        name,
        files_of(home, "patient"),
        [file for year in wanted for file in files_of(home, model, year)],
        wanted[-1],
        users,
        code=code,
        date=date,
        profile=PROFILES[profile],
    )


def list_research(home: Home) -> list[dict[str, Any]]:
    """Return the research files: name, users, people attacked, share singled out by 3 events."""
    found: list[dict[str, Any]] = []
    zone = home.release_restricted
    for folder in sorted(zone.iterdir()) if zone.is_dir() else ():
        if folder.name.startswith("."):
            continue
        try:
            told = json.loads((folder / FILES[2]).read_text(encoding="utf-8"))
            shares = told["singled_out"]
            found.append(
                {
                    "name": folder.name,
                    "users": told.get("users", []),
                    "people": told["population"],
                    "singled_out_by_3": shares["3"],
                }
            )
        except (OSError, ValueError, KeyError, TypeError):
            found.append({"name": folder.name, "users": [], "people": None})
    return found


def _write(
    attempt: Path,
    evidence: Path,
    labels: dict[str, list[str]],
    event_files: Sequence[Path],
    key: bytes,
    name: str,
    event: tuple[str, str],
    profile: Profile,
) -> dict[str, int]:
    """Write people and events; return their numbers."""
    code, date = (column.replace('"', '""') for column in event)
    salt = hashlib.sha256(key).hexdigest()
    order = hashlib.sha256(key + name.encode()).hexdigest()
    classes = pa.table({"class": list(range(len(labels[COLUMNS[0]]))), **labels})
    people, events = (str(attempt / f).replace("'", "''") for f in FILES[:2])
    moved = (
        f'cast("{date}" as date) + to_days({shift_sql("person_id", key, profile.window)}::integer)'
    )
    try:
        with duck.connect(memory_limit="2GB", threads="2") as connection:
            connection.register("classes", classes)
            connection.execute(
                f"""
                create temp table who as
                select
                    person,
                    class,
                    row_number() over (
                        order by sha256(concat('{order}', person))
                    )::integer as number
                from read_parquet($f)
                """,
                {"f": str(evidence / "classes.parquet")},
            )
            connection.execute(
                f"copy (select number, {', '.join(COLUMNS)} from who join classes using (class) "
                f"order by number) to '{people}' (format parquet)"
            )
            connection.execute(
                f"""
                copy (
                    select
                        who.number,
                        left(coalesce(cast("{code}" as varchar), ''), {profile.prefix}) as code,
                        coalesce({TIMES[profile.time].format(f"({moved})")}, '') as {profile.time}
                    from read_parquet($f, union_by_name = true) as event
                    join who on who.person = sha256(concat('{salt}', event.person_id))
                    order by all
                ) to '{events}' (format parquet)
                """,
                {"f": [str(f) for f in event_files]},
            )
            found = connection.execute(
                f"select (select count(*) from who), (select count(*) from '{events}')"
            ).fetchone() or (0, 0)
    except duckdb.Error as error:
        raise OpenChronicError(
            f"the events cannot be read for a research file ({type(error).__name__})"
        ) from None
    return {"people": int(found[0]), "events": int(found[1])}
