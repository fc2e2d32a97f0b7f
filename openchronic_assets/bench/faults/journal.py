"""What each fault did, one JSON line a fault: a bench that was stopped goes on after the last."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

NAME = "faults.jsonl"


@dataclass
class Entry:
    """One fault.

    Attributes:
        number: of the kill, from 1, or the name of another fault.
        seed: of all numbers drawn.
        stage: what went on.
        target: who was killed: the command with all it started, or a named process.
        moment: processor seconds that the command or run and all it started had taken since its
            start, or since the named process was there.
        of: what the stage takes undisturbed, in the same.
        seen: what was there after it, in words.
        wrong: what was not as it must be; empty where all is well.
        again: seconds of the run that put all right; None where the next kill came first.
    """

    number: int | str
    seed: int
    stage: str
    target: str = "command"
    moment: float = 0.0
    of: float = 0.0
    seen: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    again: float | None = None

    @property
    def holds(self) -> bool:
        """Whether nothing was wrong."""
        return not self.wrong


def read(folder: Path) -> list[Entry]:
    """Return the entries of a folder's journal; half a line of a killed bench is none."""
    path = folder / NAME
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            document: dict[str, Any] = json.loads(line)
        except ValueError:
            continue
        document.pop("verdict", None)
        found.append(Entry(**document))
    return found


def write(folder: Path, entries: Iterable[Entry]) -> None:
    """Add entries, all of them or none; processes that write at once wait in turn."""
    lines = [
        json.dumps({**asdict(each), "verdict": "holds" if each.holds else "FAILED"},
                   ensure_ascii=False)
        for each in entries
    ]  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / NAME).open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if file.tell() and _last_byte(folder / NAME) != b"\n":
            file.write(b"\n")  # after half a line, which is none
        file.write("".join(f"{line}\n" for line in lines).encode())


@contextlib.contextmanager
def claimed(folder: Path, name: str) -> Iterator[bool]:
    """Say whether this process alone has what a name stands for; the system frees it on a death."""
    place = folder / "claims"
    place.mkdir(parents=True, exist_ok=True)
    with (place / name).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read()
