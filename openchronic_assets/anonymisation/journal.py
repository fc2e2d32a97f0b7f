"""The audit journal: append-only JSON lines, each chained to the one before by its hash.

An entry is ``{seq, time, event, …, previous, sha256}``; ``sha256`` covers the entry without
itself, ``previous`` is the hash of the entry before. A changed, removed or reordered line breaks
the chain. Entries hold names, counts and hashes, never a value about a person.
"""

from __future__ import annotations

import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from openchronic_assets.errors import OpenChronicError

START = "0" * 64


def digest(entry: dict[str, Any]) -> str:
    """Return the hash of an entry, whose own ``sha256`` is left out."""
    body = {key: value for key, value in entry.items() if key != "sha256"}
    text = json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def read(path: Path) -> list[dict[str, Any]]:
    """Return the entries of a journal after checking its chain; a last torn line is left out.

    Raises:
        OpenChronicError: the chain is broken; the message names the line.
    """
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    # What follows the last newline is empty, or the beginning of an entry cut by a kill.
    entries: list[dict[str, Any]] = []
    previous = START
    for number, line in enumerate(lines[:-1], start=1):
        try:
            entry = json.loads(line)
            sound = (
                entry["seq"] == number
                and entry["previous"] == previous
                and entry["sha256"] == digest(entry)
            )
        except (ValueError, KeyError, TypeError):
            sound = False
        if not sound:
            raise OpenChronicError(
                f"the journal {path.name} is broken at line {number}: it was changed after it was "
                "written; keep it as it is, find out who wrote to the vault, and start a new home"
            )
        previous = entry["sha256"]
        entries.append(entry)
    return entries


def append(path: Path, event: str, **facts: Any) -> dict[str, Any]:
    """Add one entry, on disk when this returns. The caller holds the lock of the journal.

    Raises:
        OpenChronicError: the chain is broken.
    """
    entries = read(path)
    entry: dict[str, Any] = {
        **facts,
        "seq": len(entries) + 1,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "event": event,
        "previous": entries[-1]["sha256"] if entries else START,
    }
    entry["sha256"] = digest(entry)
    line = json.dumps(entry, sort_keys=True, ensure_ascii=False).encode() + b"\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        written = file.read()
        # An entry cut by a kill never counted: the new one takes its place.
        file.seek(written.rfind(b"\n") + 1)
        file.truncate()
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
    return entry
