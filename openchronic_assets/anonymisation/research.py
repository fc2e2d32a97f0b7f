"""Research files: patients with their events, for named users of the secure space.

The patient table is recoded to k = 11; events carry a code cut to a prefix and the quarter of
their date after a keyed shift, the same for all events of a person. The two files join by a number
drawn for this file, and by nothing else. What known events would still tell is measured on the
written events and stands beside them.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from openchronic_assets.anonymisation import journal
from openchronic_assets.anonymisation.gate import ResearchRequest, run_gate
from openchronic_assets.anonymisation.longitudinal import Events, known_points, shift_sql, support
from openchronic_assets.anonymisation.patient_release import (
    COLUMNS,
    K_INTERNAL,
    recode_patients,
)
from openchronic_assets.anonymisation.release import vault_key, vault_lock
from openchronic_assets.errors import OpenChronicError, Refused, UsageError
from openchronic_assets.settings import Home

FILES = ("people.parquet", "events.parquet", "known_points.json")


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
    prefix: int = 4,
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
        prefix: characters of the code that are kept.

    Returns:
        ``folder``, ``people``, ``events``, ``known_points``, ``support`` and ``checks``.

    Raises:
        UsageError: the name is no name, or is taken.
        Refused: the gate refused; nothing is left in ``release_restricted/``.
        OpenChronicError: the marts cannot be used.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
        raise UsageError("a research file is named with letters, digits, - and _")
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
            patient_files, reference_year, K_INTERNAL, None, evidence=evidence, key=key
        )
        labels = {n: [line[d] for line in table.recoding.tuples] for d, n in enumerate(COLUMNS)}
        counts = _write(attempt, evidence, labels, event_files, key, name, (code, date, prefix))
        written = Events((attempt / "events.parquet",), "number", "code", "quarter", where="true")
        told = known_points(written, time="as_is")
        told["support_2"] = asdict(support(written, 2, K_INTERNAL, time="as_is"))
        (attempt / "known_points.json").write_text(
            json.dumps(told, indent=2, sort_keys=True) + "\n", encoding="utf-8"
        )
        roles = {"number": "file_key", **dict.fromkeys(COLUMNS, "quasi"),
                 "code": "sensitive", "quarter": "insensitive"}  # fmt: skip
        verdict = run_gate(
            ResearchRequest(
                str(attempt), FILES[0], FILES[1], roles, K_INTERNAL, FILES[2], list(users)
            )
        )
        with vault_lock(home):
            facts = {"research": name, "users": list(users), **counts}
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
        "support": told["support_2"],
        "checks": [asdict(check) for check in verdict.checks],
    }


def _write(
    attempt: Path,
    evidence: Path,
    labels: dict[str, list[str]],
    event_files: Sequence[Path],
    key: bytes,
    name: str,
    event: tuple[str, str, int],
) -> dict[str, int]:
    """Write people and events; return their numbers."""
    code, date, prefix = event
    salt = hashlib.sha256(key).hexdigest()
    order = hashlib.sha256(key + name.encode()).hexdigest()
    classes = pa.table({"class": list(range(len(labels[COLUMNS[0]]))), **labels})
    people, events = (str(attempt / f).replace("'", "''") for f in FILES[:2])
    moved = f'cast("{date}" as date) + to_days({shift_sql("person_id", key)}::integer)'
    try:
        with duckdb.connect(config={"memory_limit": "2GB", "threads": "2"}) as connection:
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
                        left(coalesce(cast("{code}" as varchar), ''), {int(prefix)}) as code,
                        coalesce(concat(year({moved}), '-T', quarter({moved})), '') as quarter
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
