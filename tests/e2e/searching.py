"""The search of planted texts: in files of any kind, in SQLite and in PostgreSQL."""

from __future__ import annotations

import contextlib
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from psycopg import sql

from openchronic_assets.settings import Home

# What the pages of Dagster ask for assets and for what runs wrote.
ASSETS = """{ assetNodes {
  assetKey { path } description
  assetMaterializations(limit: 20) { metadataEntries {
    label
    ... on TextMetadataEntry { text }
    ... on JsonMetadataEntry { jsonString }
    ... on PathMetadataEntry { path } } } } }"""
LOGS = "query($key: [String!]!) { capturedLogs(logKey: $key) { stdout stderr } }"


def public_files(home: Home) -> Iterator[Path]:
    """Return every file of a home, but deliveries as received, quarantine and vault."""
    kept = (home.landing, home.quarantine, home.vault)
    for path in sorted(home.root.rglob("*")):
        if path.is_file() and not any(path.is_relative_to(zone) for zone in kept):
            yield path


def found_in(path: Path, needles: list[str]) -> set[str]:
    """Return the needles that a file holds, compressed or not, in any case of letters."""
    data = path.read_bytes()
    texts = [data]
    if path.suffix == ".parquet":
        return in_parquet(path, needles) | in_bytes(texts, needles)
    if data.startswith(b"SQLite format 3"):
        texts += sqlite_values(path)
    return in_bytes(texts, needles)


def in_bytes(texts: list[bytes], needles: list[str]) -> set[str]:
    lowered = [text.lower() for text in texts]
    return {n for n in needles if any(n.lower().encode() in text for text in lowered)}


def in_parquet(path: Path, needles: list[str]) -> set[str]:
    found = set()
    for column in pq.read_table(path).itercolumns():
        text = column.cast(pa.string())
        for needle in needles:
            if pc.any(pc.match_substring(text, needle, ignore_case=True)).as_py():
                found.add(needle)
    return found


def sqlite_values(path: Path) -> list[bytes]:
    """Return what Dagster packs in its databases."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        tables = connection.execute("select name from sqlite_master where type = 'table'")
        return [
            unpacked(value)
            for (table,) in tables.fetchall()
            for row in connection.execute(f'select * from "{table}"')
            for value in row
            if isinstance(value, bytes)
        ]


def unpacked(value: bytes) -> bytes:
    """Return what Dagster packed, or the bytes themselves."""
    with contextlib.suppress(zlib.error):
        return zlib.decompress(value)
    return value


def postgres_tables(dsn: str) -> Iterator[tuple[str, bytes]]:
    """Return every table of a database, by its name, as text and with packed values unpacked."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        named = connection.execute(
            "select table_schema, table_name, array_agg(column_name::text) filter "
            "(where data_type = 'bytea') from information_schema.columns join "
            "information_schema.tables using (table_schema, table_name) where table_type = "
            "'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema') "
            "group by 1, 2"
        ).fetchall()
        for schema, table, packed in named:
            place = sql.Identifier(schema, table)
            parts = []
            with connection.cursor().copy(sql.SQL("copy {} to stdout").format(place)) as copied:
                parts += [bytes(block) for block in copied]
            for column in packed or ():
                query = sql.SQL("select {} from {}").format(sql.Identifier(column), place)
                parts += [unpacked(v) for (v,) in connection.execute(query) if v is not None]
            yield f"{schema}.{table}", b"".join(parts)
