"""The bytes of a lake, to compare homes by."""

from __future__ import annotations

from openchronic_assets.settings import Home


def lake(home: Home) -> dict[str, bytes]:
    """Return all that an ingestion leaves."""
    return {
        path.relative_to(home.lake).as_posix(): path.read_bytes()
        for zone in (home.raw, home.quarantine, home.deliveries)
        for path in sorted(zone.rglob("*"))
        if path.is_file()
    }
