"""The audit journal of a home: who brought, asked, read, took out and released what.

One file, ``vault/journal.jsonl``, append-only and chained (``anonymisation/journal.py``). Entries
hold names, counts, hashes, and the text of queries, as decision 16 asks: the vault is closed to
analysts.
"""

from __future__ import annotations

import csv
import getpass
import os
from collections import Counter
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

from openchronic_assets.anonymisation import journal
from openchronic_assets.errors import OpenChronicError, UsageError
from openchronic_assets.settings import Home

# What each event is, for the yearly review; an event not named here is told by its own name.
KINDS = {
    "delivery_ingested": "delivery",
    "candidate_prepared": "release",
    "publishing": "release",
    "published": "release",
    "refused": "release",
    "failed": "release",
    "query": "query",
    "query_refused": "query",
    "quarantine_read": "quarantine",
    "omop_exported": "export",
    "sortie_delivered": "export",
    "sortie_refused": "export",
    "research_written": "export",
    "research_refused": "export",
    "postgres_published": "export",
    "postgres_log_collected": "query",
    "backup_written": "backup",
    "backup_restored": "backup",
}


def account() -> str:
    """Return the name of the account that runs this process."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # an account number without a name, as in a container
        return f"uid {os.getuid()}"


def path_of(home: Home) -> Path:
    """Return where the journal is."""
    return home.vault / "journal.jsonl"


def entries(home: Home) -> list[dict[str, Any]]:
    """Return every entry, oldest first, after checking the chain.

    Raises:
        OpenChronicError: the journal was changed.
    """
    return journal.read(path_of(home))


def may_write(home: Home) -> bool:
    """Say whether this account may add to the journal; analysts' accounts may not."""
    return os.access(home.vault, os.R_OK | os.W_OK | os.X_OK)


def record(home: Home, event: str, **facts: Any) -> dict[str, Any]:
    """Add an entry, with the account that does it as ``user`` unless one is given."""
    return journal.append(path_of(home), event, **{"user": account(), **facts})


def head(home: Home) -> str:
    """Return the number and hash of the last entry, ``SEQ:SHA256``."""
    written = entries(home)
    return f"{written[-1]['seq']}:{written[-1]['sha256']}" if written else f"0:{journal.START}"


def seal(home: Home) -> list[str]:
    """Give journals of version 0.1 the heads that they lack; return their names.

    What was cut off before cannot be told any more: the entry says from where on it can.
    """
    sealed = [
        path.name for path in (path_of(home), home.vault / "budget.jsonl") if journal.seal(path)
    ]
    if sealed:
        record(home, "journal_sealed", journals=sealed)
    return sealed


def verify(home: Home, expected: Iterable[str] = ()) -> dict[str, Any]:
    """Check the chain from the first entry to the last, and that no end is missing.

    Args:
        home: whose journals are checked, the budget ledger with the audit journal.
        expected: heads noted earlier and kept elsewhere, each ``SEQ:SHA256``.

    Returns:
        ``head`` (to be noted elsewhere), ``entries``, ``events`` (entries by event), ``ledger``.

    Raises:
        UsageError: an expected head is not one.
        OpenChronicError: a journal was changed; the message says where.
    """
    path = path_of(home)
    written = entries(home)
    _has_head(path, written)
    ledger = home.vault / "budget.jsonl"
    spent = journal.read(ledger)
    _has_head(ledger, spent)
    known = {f"{each['seq']}:{each['sha256']}" for each in written}
    for noted in expected:
        number, _, mark = noted.partition(":")
        if not number.isdigit() or len(mark) != 64:
            raise UsageError("--expect is NUMBER:SHA256, as openchronic audit verify prints it")
        if int(number) and noted not in known:
            raise OpenChronicError(
                f"the journal does not hold entry {number} as it was noted: it was written again "
                "from there or before; keep it as it is and find out who wrote to the vault"
            )
    return {
        "head": head(home),
        "entries": len(written),
        "events": dict(sorted(Counter(each["event"] for each in written).items())),
        "ledger": len(spent),
    }


def _has_head(path: Path, written: list[dict[str, Any]]) -> None:
    if written and journal.head_of(path) is None:
        raise OpenChronicError(
            f"{path.stem}.head is missing beside {path.name}: that no line was removed from its "
            "end cannot be told. After an upgrade from 0.1, openchronic audit verify --seal writes "
            "it; at any other time it was removed"
        )


def rights(home: Home, year: int, today: date | None = None) -> list[dict[str, Any]]:
    """Return one row for each right or use of a year, for the yearly review.

    Declared rights come from ``vault/access.yaml``, uses from the journal: whoever used something
    without a declared right has a row of their own.
    """
    from openchronic_assets.access.projects import Access, load

    today = today or date.today()
    declared = load(home) or Access()
    uses: dict[tuple[str, str, str], list[str]] = {}
    for entry in entries(home):
        if entry["time"][:4] != str(year):
            continue
        kind = KINDS.get(entry["event"], entry["event"])
        for user in _people(entry):
            key = (user, str(entry.get("project") or ""), kind)
            uses.setdefault(key, []).append(entry["time"])
    rows = []
    for name, project in declared.projects.items():
        if project.starts.year > year or project.ends.year < year:
            continue
        for user in project.users:
            times = uses.pop((user, name, "query"), [])
            # PostgreSQL's log tells the person, not the project.
            if sum(user in each.users for each in declared.projects.values()) == 1:
                times += uses.pop((user, "", "query"), [])
            rows.append(
                {
                    "user": user,
                    "project": name,
                    "organisation": project.organisation,
                    "right": "read",
                    "purpose": project.purpose,
                    "authorisation": project.authorisation,
                    "starts": project.starts.isoformat(),
                    "ends": project.ends.isoformat(),
                    "state": "open" if project.starts <= today <= project.ends else "closed",
                    "uses": len(times),
                    "last_use": max(times, default=""),
                    "remark": "" if times else "never used in the year: is it still needed?",
                }
            )
    for (user, name, kind), times in sorted(uses.items()):
        rows.append(
            {
                "user": user,
                "project": name,
                "organisation": "",
                "right": kind,
                "purpose": "",
                "authorisation": "",
                "starts": "",
                "ends": "",
                "state": "",
                "uses": len(times),
                "last_use": max(times),
                "remark": "query without a project declared for that year"
                if kind == "query" and declared.projects
                else "",
            }
        )
    return rows


def _people(entry: dict[str, Any]) -> list[str]:
    named = entry.get("approvers") or entry.get("users") or []
    single = entry.get("user") or entry.get("account") or entry.get("analyst")
    return sorted({*map(str, named), *([str(single)] if single else [])}) or ["not recorded"]


def write_rights(rows: list[dict[str, Any]], destination: Path) -> None:
    """Write the rows as a new CSV file that a spreadsheet opens in French.

    Raises:
        UsageError: the file exists.
    """
    if destination.exists():
        raise UsageError(f"{destination} exists: give a new file")
    with destination.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(rows[0] if rows else ["user", "project", "right"])
        # A name that begins as a formula does is not one.
        writer.writerows(
            [f"'{v}" if str(v)[:1] in ("=", "+", "-", "@") else v for v in row.values()]
            for row in rows
        )
