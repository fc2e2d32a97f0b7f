"""An append-only journal: JSON lines, each chained to the one before by its hash.

An entry is ``{seq, time, event, …, previous, sha256}``; ``sha256`` covers the entry without
itself, ``previous`` is the hash of the entry before. A changed, removed or reordered line breaks
the chain. Lines cut off the end leave a sound chain: the number and hash of the last entry are
therefore kept beside it, ``<name>.head``, and can be noted elsewhere (``openchronic audit verify
--expect``), since who may write here may write both.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from openchronic_assets.errors import OpenChronicError

START = "0" * 64


class Head(NamedTuple):
    """The last entry of a journal: its number and its hash."""

    seq: int
    sha256: str


EMPTY = Head(0, START)

# The journals that this process wrote to last, as it left them: a long-lived one does not read the
# whole of them again for each entry. (inode, size, time of writing) and the head.
_checked: dict[Path, tuple[tuple[int, int, int], Head]] = {}


def digest(entry: dict[str, Any]) -> str:
    """Return the hash of an entry, whose own ``sha256`` is left out."""
    body = {key: value for key, value in entry.items() if key != "sha256"}
    text = json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def read(path: Path) -> list[dict[str, Any]]:
    """Return the entries of a journal after checking its chain; a last torn line is left out.

    Raises:
        OpenChronicError: the chain is broken, or its end is missing; the message names the line.
    """
    data = path.read_bytes() if path.exists() else b""
    entries, head = _chain(path, data, EMPTY)
    _reaches(path, [head], entries)
    return entries


def head_of(path: Path) -> Head | None:
    """Return the head kept beside a journal, if there is one.

    Raises:
        OpenChronicError: it cannot be read.
    """
    try:
        document = json.loads(_head_path(path).read_text(encoding="utf-8"))
        return Head(int(document["seq"]), str(document["sha256"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise OpenChronicError(
            f"{_head_path(path).name} cannot be read: it was changed after it was written; keep it "
            "and the journal as they are, and find out who wrote to the vault"
        ) from None


def append(path: Path, event: str, **facts: Any) -> dict[str, Any]:
    """Add one entry, on disk when this returns; processes that append at once wait in turn.

    Raises:
        OpenChronicError: the chain is broken.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # freed with the file, on any death
        stamp, last = _checked.get(path, ((0, 0, 0), EMPTY))
        unchanged = stamp == _stamp(descriptor)
        start, last = (stamp[1], last) if unchanged else (0, EMPTY)
        file.seek(start)
        data = file.read()
        entries, head = _chain(path, data, last)
        _reaches(path, [last, head], entries)
        # An entry cut by a kill never counted: the new one takes its place.
        file.seek(start + data.rfind(b"\n") + 1)
        file.truncate()
        entry: dict[str, Any] = {
            **facts,
            "seq": head.seq + 1,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "event": event,
            "previous": head.sha256,
        }
        entry["sha256"] = digest(entry)
        file.write(json.dumps(entry, sort_keys=True, ensure_ascii=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
        _keep_head(path, Head(entry["seq"], entry["sha256"]))
        _checked[path] = _stamp(descriptor), Head(entry["seq"], entry["sha256"])
    return entry


def _stamp(descriptor: int) -> tuple[int, int, int]:
    found = os.fstat(descriptor)
    return found.st_ino, found.st_size, found.st_mtime_ns


def seal(path: Path) -> bool:
    """Write the head of a journal that has none, as those of version 0.1; say whether it was.

    Raises:
        OpenChronicError: the chain is broken.
    """
    entries = read(path)
    if not entries or head_of(path) is not None:
        return False
    _keep_head(path, Head(entries[-1]["seq"], entries[-1]["sha256"]))
    return True


def _chain(path: Path, data: bytes, head: Head) -> tuple[list[dict[str, Any]], Head]:
    """Return the entries of some lines that follow an entry, and the head after them."""
    entries: list[dict[str, Any]] = []
    # What follows the last newline is empty, or the beginning of an entry cut by a kill.
    for line in data.split(b"\n")[:-1]:
        try:
            entry = json.loads(line)
            sound = (
                entry["seq"] == head.seq + 1
                and entry["previous"] == head.sha256
                and entry["sha256"] == digest(entry)
            )
        except (ValueError, KeyError, TypeError):
            sound = False
        if not sound:
            raise OpenChronicError(
                f"the journal {path.name} is broken at line {head.seq + 1}: it was changed after "
                "it was written; keep it as it is, find out who wrote to the vault, and start a "
                "new home"
            )
        head = Head(entry["seq"], entry["sha256"])
        entries.append(entry)
    return entries, head


def _reaches(path: Path, known: list[Head], entries: list[dict[str, Any]]) -> None:
    """Refuse a sound chain that ends before the head kept beside it.

    It may go one entry beyond: a kill falls between the entry and its head.
    """
    kept = head_of(path)
    if kept is None or kept in known:
        return
    if not any(Head(each["seq"], each["sha256"]) == kept for each in entries):
        raise OpenChronicError(
            f"the journal {path.name} ends before entry {kept.seq}, which was written: lines were "
            "removed from its end; keep it as it is and find out who wrote to the vault"
        )


def _head_path(path: Path) -> Path:
    return path.with_suffix(".head")


def _keep_head(path: Path, head: Head) -> None:
    aside = _head_path(path).with_name(f".{path.stem}.head.{os.getpid()}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(head._asdict(), file)
    aside.replace(_head_path(path))
