"""What may go: working files, superseded builds, old logs, refused lines past their use."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from openchronic_assets import duck
from openchronic_assets.access import audit
from openchronic_assets.errors import UsageError
from openchronic_assets.ingestion.deliveries import lake_lock
from openchronic_assets.settings import Home
from openchronic_assets.warehouse.builds import collect, locked

_DAY = 86400.0


def clean(
    home: Home,
    *,
    logs_days: int = 90,
    quarantine_days: int | None = None,
    apply: bool = False,
    now: float | None = None,
) -> dict[str, Any]:
    """Delete what is past its use, or say what would go.

    Args:
        home: where.
        logs_days: captured logs of runs older than that go; the events of runs stay.
        quarantine_days: refused lines older than that go; None keeps them. What a newer delivery
            replaced goes with it, without this.
        apply: delete; otherwise only count.
        now: the time, for tests.

    Returns:
        Files and bytes by kind, and the builds that went.

    Raises:
        UsageError: a number of days is negative.
    """
    if logs_days < 0 or (quarantine_days or 0) < 0:
        raise UsageError("a number of days is 0 or more")
    now = now or time.time()
    logs = [
        path
        for path in home.dagster.glob("storage/*/compute_logs/*")
        if path.is_file() and path.stat().st_mtime < now - logs_days * _DAY
    ]
    refused = [
        path
        for path in home.quarantine.rglob("*.parquet")
        if quarantine_days is not None and path.stat().st_mtime < now - quarantine_days * _DAY
    ]
    told: dict[str, Any] = {"logs": _count(logs), "quarantine": _count(refused), "builds": []}
    if not apply:
        return told
    with locked(home, "clean"), lake_lock(home):
        for path in (*logs, *refused):
            path.unlink(missing_ok=True)
        for leftover in (*home.scratch.glob("postgres-*"), *duck.left_behind(home, now)):
            shutil.rmtree(leftover, ignore_errors=True)
        told["builds"] = collect(home)
    audit.record(home, "cleaned", **told, logs_days=logs_days, quarantine_days=quarantine_days)
    return told


def _count(paths: list[Path]) -> dict[str, int]:
    return {"files": len(paths), "bytes": sum(path.stat().st_size for path in paths)}
