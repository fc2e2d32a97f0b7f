"""Raw tables as relations with exactly the columns and types of their contracts.

A year's structure may lack columns that another year has, and a table may not have been delivered
at all: both still give every column of the contract, NULL where there is nothing, so that a model
is written once for all years.
"""

from __future__ import annotations

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


def relation_sql(raw_name: str, files: Sequence[Path]) -> str:
    """Return DuckDB's query over the current files of a raw table.

    Files are grouped by the set of contract columns that they hold; each group is one branch.
    """
    wanted = columns(contract_of(raw_name))
    if not files:
        return f"select {_nothing(wanted)} where false"
    groups: dict[frozenset[str], list[Path]] = defaultdict(list)
    for path in files:
        present = frozenset(name.lower() for name in pq.read_schema(path).names)
        groups[present].append(path)
    branches = []
    for present, paths in sorted(groups.items(), key=lambda item: item[1]):
        selected = ", ".join(
            f"cast({name if name in present else 'null'} as {kind}) as {name}"
            for name, kind in wanted
        )
        branches.append(f"select {selected} from {read_parquet(paths)}")
    return "\nunion all\n".join(branches)


def spark_statement(raw_name: str, files: Sequence[Path]) -> str:
    """Return the statement that declares a raw table on Spark.

    The columns are declared, so Spark reads no footer to find them, each time that a view over
    the table is used, and gives NULL for one that a file does not hold.
    """
    wanted = [(name, _SPARK_TYPES.get(kind, kind)) for name, kind in columns(contract_of(raw_name))]
    if not files:
        return f"create view raw.{raw_name} as select {_nothing(wanted)} limit 0"
    declared = ", ".join(f"{name} {kind}" for name, kind in wanted)
    path = spark_path(files)
    return f"create table raw.{raw_name} ({declared}) using parquet options (path '{path}')"


def read_parquet(paths: Sequence[Path]) -> str:
    """Return DuckDB's ``from`` item over exactly these files."""
    listed = ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths)
    return f"read_parquet([{listed}], hive_partitioning = false)"


def spark_path(paths: Sequence[Path]) -> str:
    """Return one path that names exactly these files or folders to Spark, quoted for a literal.

    A brace list, because a relation a file would cost a Spark job each.
    """
    escaped = [
        "".join("\\" + letter if letter in "{}[]*?,\\" else letter for letter in str(path))
        for path in paths
    ]
    text = escaped[0] if len(escaped) == 1 else "/{" + ",".join(e[1:] for e in escaped) + "}"
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _nothing(wanted: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"cast(null as {kind}) as {name}" for name, kind in wanted)
