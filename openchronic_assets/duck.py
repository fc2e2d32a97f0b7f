"""Connections to DuckDB that spill where rows of people may be.

By itself DuckDB spills into ``.tmp`` of the working directory, or beside a database file into a
folder that all of its readers share: outside the zones or open to their readers, in the way of
each other, and left there by a kill.
"""

from __future__ import annotations

import atexit
import functools
import itertools
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb

from openchronic_assets.settings import Home, current_home

_numbers = itertools.count()


def connect(**config: str | int) -> duckdb.DuckDBPyConnection:
    """Open a database in memory, with a folder of its own to spill in.

    Args:
        config: DuckDB's settings; ``temp_directory`` among them is taken as it is.
    """
    settings: dict[str, Any] = {"temp_directory": str(spill_folder()), **config}
    return duckdb.connect(config=settings)


def spill_folder(home: Home | None = None) -> Path:
    """Return a folder that nobody else spills in, made and removed by DuckDB when it must.

    It is in the scratch folder of a home (mode 0700), that which this process works in unless one
    is given; else, where there is none to write in, in a private folder that goes with the process.
    """
    scratch = (home or current_home()).scratch
    place = scratch if os.access(scratch, os.W_OK | os.X_OK) else _private()
    return place / f"spill-{os.getpid()}-{next(_numbers)}"


def left_behind(home: Home, now: float | None = None) -> list[Path]:
    """Return the folders that killed processes spilled in, of a day ago or more."""
    old = (now or time.time()) - 86_400
    return [
        path
        for path in home.scratch.glob("spill-*-*")
        if path.stat().st_mtime < old and not Path("/proc", path.name.split("-")[1]).exists()
    ]


@functools.cache
def _private() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="openchronic-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
