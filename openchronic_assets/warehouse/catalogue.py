"""The catalogue: one small DuckDB file of views over the files of one build.

It is derived from ``lake/current.json`` and can be rebuilt at any time. Views name their files by
absolute path, because a relative one would depend on the reader's working directory; a home that
has moved gets a new catalogue at the next start.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import duckdb

from openchronic_assets.errors import UsageError
from openchronic_assets.settings import Home
from openchronic_assets.warehouse.builds import read_manifest
from openchronic_assets.warehouse.raw import read_parquet

# The oldest storage format that DuckDB 1.4, 1.5 and R's client all open.
STORAGE_VERSION = "v1.2.0"


def connect(home: Home) -> duckdb.DuckDBPyConnection:
    """Open the catalogue for reading, whatever else is running.

    Raises:
        UsageError: nothing was built yet.
    """
    ensure_catalogue(home)
    if not home.catalogue.is_file():
        raise UsageError(f"nothing is built in {home.root}; run: openchronic run --years A-B")
    return duckdb.connect(str(home.catalogue), read_only=True)


def ensure_catalogue(home: Home) -> bool:
    """Rebuild the catalogue if it is missing or is not that of the pointer; say whether it was.

    A catalogue that may not be written (an analyst's account) is left as it is: it still shows
    one whole build.
    """
    manifest = read_manifest(home)
    if manifest is None:
        return False
    wanted = _signature(home, manifest)
    if _found(home.catalogue) == wanted:
        return False
    if not os.access(home.lake, os.W_OK):
        return False
    _write(home, manifest, wanted)
    return True


def _signature(home: Home, manifest: dict[str, Any]) -> str:
    listed = json.dumps([str(home.lake), manifest["models"]], sort_keys=True)
    return f"{manifest['build_id']} {hashlib.sha256(listed.encode()).hexdigest()[:16]}"


def _found(path: Path) -> str | None:
    if not path.is_file():
        return None
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            row = connection.execute("select signature from meta.build").fetchone()
    except duckdb.Error:  # not ours, or damaged: it is rebuilt
        return None
    return str(row[0]) if row else None


def _write(home: Home, manifest: dict[str, Any], signature: str) -> None:
    beside = home.catalogue.with_name(f".{home.catalogue.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    try:
        with duckdb.connect() as connection:
            quoted = str(beside).replace("'", "''")
            connection.execute(f"attach '{quoted}' as c (storage_version '{STORAGE_VERSION}')")
            connection.execute("use c")
            connection.execute("create schema intermediate")
            connection.execute("create schema meta")
            for name, entry in manifest["models"].items():
                _view(connection, home, name, entry)
            build = _literal(manifest["build_id"])
            cutoff = _literal(manifest["flux_cutoff"])
            connection.execute(
                f"create view meta.build as select {build} as build_id, "
                f"{cutoff} as flux_cutoff, {_literal(signature)} as signature"
            )
            connection.execute("use memory")
            connection.execute("detach c")
        beside.chmod(0o640)
        beside.replace(home.catalogue)
    finally:
        beside.unlink(missing_ok=True)
        Path(f"{beside}.wal").unlink(missing_ok=True)


def _view(
    connection: duckdb.DuckDBPyConnection, home: Home, name: str, entry: dict[str, Any]
) -> None:
    lists = (
        [entry["files"]]
        if entry["kind"] == "history"
        else [files for _, files in sorted(entry["years"].items())]
    )
    paths = [home.lake / file for files in lists for file in files]
    schema = "main" if entry["layer"] == "marts" else "intermediate"
    relation = f"{schema}.{name}"
    connection.execute(f"create view {relation} as select * from {read_parquet(paths)}")
    connection.execute(f"comment on view {relation} is {_literal(entry['description'])}")
    for column, description in entry["columns"]:
        if description:
            connection.execute(
                f'comment on column {relation}."{column}" is {_literal(description)}'
            )


def _literal(text: str | None) -> str:
    return "null" if text is None else "'" + text.replace("'", "''") + "'"
