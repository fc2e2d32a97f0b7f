"""The landing zone: which deliveries are complete, which still wait for their marker."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from openchronic_assets.errors import OpenChronicError
from openchronic_assets.ingestion.delivery import COMPLETE, scan
from openchronic_assets.settings import Home


@dataclass(frozen=True)
class Landed:
    """A folder of ``landing/``. ``stamp`` changes when its marker is written again."""

    folder: Path
    complete: bool
    stamp: int

    @property
    def name(self) -> str:
        """The delivery's name."""
        return self.folder.name

    def years(self) -> list[int]:
        """Return the years that its file names tell, sorted; none where they tell none."""
        try:
            files = scan(self.folder).files
        except OpenChronicError:
            return []
        return sorted({each.year for each in files if each.year is not None})


def landed(home: Home) -> list[Landed]:
    """Return the deliveries in ``landing/``, by name; hidden folders are still being copied."""
    if not home.landing.is_dir():
        return []
    found = []
    for folder in sorted(home.landing.iterdir()):
        if folder.is_dir() and not folder.name.startswith("."):
            marker = folder / COMPLETE
            complete = marker.is_file()
            found.append(Landed(folder, complete, marker.stat().st_mtime_ns if complete else 0))
    return found


# A memory, not a record: lost, each delivery is hashed once more and found to be in the lake.
_MEMORY = "landed.json"


def stamp_of_folder(folder: Path) -> str:
    """Return a mark of a delivery's files, by name, size and time: asked instead of their bytes."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            stat = path.stat()
            name = path.relative_to(folder).as_posix()
            digest.update(f"{name}\t{stat.st_size}\t{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def remember(home: Home, folder: Path, stamp: str, delivery: str) -> None:
    """Note that a landed folder, with files of this stamp, is a delivery of the lake."""
    if folder.parent != home.landing:
        return
    known = _remembered(home)
    known[folder.name] = [stamp, delivery]
    aside = home.scratch / f".{_MEMORY}.{os.getpid()}"
    aside.write_text(json.dumps(known, sort_keys=True), encoding="utf-8")
    aside.replace(home.scratch / _MEMORY)


def is_in_lake(home: Home, folder: Path) -> bool:
    """Whether a landed folder is on record and none of its files has changed since."""
    stamp, delivery = _remembered(home).get(folder.name, ["", ""])
    return (home.deliveries / f"{delivery}.json").is_file() and stamp == stamp_of_folder(folder)


def _remembered(home: Home) -> dict[str, list[str]]:
    try:
        known: dict[str, list[str]] = json.loads((home.scratch / _MEMORY).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return known
