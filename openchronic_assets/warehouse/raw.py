"""Raw tables as relations with exactly the columns and types of their contracts.

A year's structure may lack columns that another year has, and a table may not have been delivered
at all: both still give every column of the contract, NULL where there is nothing, so that a model
is written once for all years.
"""

from __future__ import annotations

import os.path
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

from openchronic_assets.contracts import Table, load, tables

# Provenance written by ingestion beside the contract's columns.
PROVENANCE = (
    ("_source_file", "VARCHAR"),
    ("_source_line", "BIGINT"),
    ("_delivery_id", "VARCHAR"),
    ("_key_status", "VARCHAR"),
    ("_table_year", "INTEGER"),
)

_SPARK_TYPES = {"VARCHAR": "string", "INTEGER": "int", "TIMESTAMP": "timestamp_ntz"}


def contract_of(raw_name: str) -> Table:
    """Return the contract of a table of the lake.

    Raises:
        KeyError: no contract has that lake name.
    """
    return {load(name).raw_name: load(name) for name in tables()}[raw_name]


def columns(table: Table) -> list[tuple[str, str]]:
    """Return lake name and lake type of each loaded column, provenance last."""
    own = [(column.lake_name, column.lake_type) for column in table.columns if column.is_loaded]
    return own + list(PROVENANCE)


def relation_sql(raw_name: str, files: Sequence[Path], engine: str) -> str:
    """Return the query over the current files of a raw table, in the engine's words.

    Files are grouped by the set of contract columns that they hold; each group is one branch.
    """
    wanted = columns(contract_of(raw_name))
    if not files:
        nothing = ", ".join(f"cast(null as {_type(kind, engine)}) as {n}" for n, kind in wanted)
        return (
            f"select {nothing} where false" if engine == "duckdb" else f"select {nothing} limit 0"
        )
    groups: dict[frozenset[str], list[Path]] = defaultdict(list)
    for path in files:
        present = frozenset(name.lower() for name in pq.read_schema(path).names)
        groups[present].append(path)
    branches = []
    for present, paths in sorted(groups.items(), key=lambda item: item[1]):
        selected = ", ".join(
            f"cast({n if n in present else 'null'} as {_type(kind, engine)}) as {n}"
            for n, kind in wanted
        )
        branches.append(f"select {selected} from {files_sql(paths, engine)}")
    return "\nunion all\n".join(branches)


def files_sql(paths: Sequence[Path], engine: str) -> str:
    """Return a ``from`` item that reads exactly these Parquet files (or folders, on Spark)."""
    texts = [str(path) for path in paths]
    if engine == "duckdb":
        listed = ", ".join("'" + text.replace("'", "''") + "'" for text in texts)
        return f"read_parquet([{listed}], hive_partitioning = false)"
    # One relation over a brace list: a relation a file would cost a Spark job each.
    common = os.path.commonpath(texts) if len(texts) > 1 else str(Path(texts[0]).parent)
    rest = [_escape_glob(os.path.relpath(text, common)) for text in texts]
    inner = rest[0] if len(rest) == 1 else "{" + ",".join(rest) + "}"
    return f"parquet.`{_escape_glob(common)}/{inner}`"


def _type(lake_type: str, engine: str) -> str:
    return _SPARK_TYPES.get(lake_type, lake_type) if engine == "spark" else lake_type


def _escape_glob(text: str) -> str:
    return "".join("\\" + letter if letter in "{}[]*?,\\" else letter for letter in text)
