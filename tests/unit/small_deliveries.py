"""Small hand-made deliveries, and the command line called in this process."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from openchronic_assets import cli
from openchronic_assets.contracts import Column, load
from openchronic_assets.settings import Home

Row = dict[str, str]


def row(table: str, year: int, **cells: str) -> Row:
    """Return a row with every column of a table's year, filled with what its type takes."""
    contract = load(table).for_year(year)
    unknown = set(cells) - set(contract.names())
    assert not unknown, unknown
    return {
        column.name: cells.get(column.name, _filler(column, year)) for column in contract.columns
    }


def _filler(column: Column, year: int) -> str:
    if column.role == "pseudonym":
        return {"practitioner": "12345678"}.get(column.domain or "", "ABCDEFGHIJKLMNOPQ")
    if column.type in ("date", "datetime"):
        return {"%d/%m/%Y": f"01/03/{year}", "%d%m%Y": f"0103{year}"}.get(
            column.formats[0], f"01MAR{year}:00:00:00"
        )
    return {
        "string": "A",
        "integer": "1",
        "decimal": "10.25",
        "year": str(year),
        "yearmonth": f"{year}03",
        "month": "3",
    }[column.type]


def text(rows: list[Row], separator: str = ";") -> str:
    """Return rows as a file's text, header first."""
    return "".join(f"{separator.join(line)}\n" for line in [rows[0], *(r.values() for r in rows)])


def write(folder: Path, name: str, content: str | bytes | list[Row]) -> Path:
    """Write a file of a delivery, compressed if its name says so."""
    data = text(content) if isinstance(content, list) else content
    data = data.encode() if isinstance(data, str) else data
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data, mtime=0) if name.endswith(".gz") else data)
    return path


def manifest(folder: Path, **fields: Any) -> None:
    """Write ``delivery.json``."""
    write(folder, "delivery.json", json.dumps(fields))


@dataclass(frozen=True)
class Said:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    def json(self) -> dict[str, Any]:
        """Return stdout, which must be one JSON object and nothing else."""
        document = json.loads(self.out)
        assert isinstance(document, dict)
        return document


def openchronic(*arguments: object) -> Said:
    """Run a command in this process, as its entry point does."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["openchronic", *map(str, arguments)])
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                cli.main()
            except SystemExit as ended:
                code = int(ended.code or 0)
    return Said(code, out.getvalue(), err.getvalue())


def lake_rows(zone: Path, table: str) -> list[dict[str, Any]]:
    """Return all rows under a table's folder, as a reader who globs it sees them."""
    if not list((zone / table).rglob("*.parquet")):
        return []
    connection = duckdb.connect(config={"enable_external_file_cache": False})
    found = connection.execute(f"from read_parquet('{zone / table}/**/*.parquet') order by all")
    names = [column[0] for column in found.description or []]
    return [dict(zip(names, each, strict=True)) for each in found.fetchall()]


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file under a folder, hidden ones too, with its bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def committed(home: Home) -> dict[str, bytes]:
    """Return every file that an ingestion leaves in the lake."""
    return {
        f"{zone.name}/{name}": data
        for zone in (home.raw, home.quarantine, home.deliveries)
        for name, data in tree(zone).items()
    }
