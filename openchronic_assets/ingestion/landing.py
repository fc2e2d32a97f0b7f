"""The landing zone: which deliveries are complete, which still wait for their marker."""

from __future__ import annotations

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
