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

from openchronic_assets.contracts import Table, heading, load, tables
from openchronic_assets.slices import Part, in_slices_sql

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
    return load({heading(name).raw_name: name for name in tables()}[raw_name])


def columns(table: Table) -> list[tuple[str, str]]:
    """Return lake name and lake type of each loaded column, provenance last."""
    own = [(column.lake_name, column.lake_type) for column in table.columns if column.is_loaded]
    return own + list(PROVENANCE)


def relation_sql(raw_name: str, parts: Sequence[Part]) -> str:
    """Return DuckDB's query over the current files of a raw table.

    Files are grouped by the set of contract columns that they hold and by the slices of them that
    are in effect; each group is one branch.
    """
    table = contract_of(raw_name)
    wanted = columns(table)
    if not parts:
        return f"select {_nothing(wanted)} where false"
    groups: dict[tuple[frozenset[str], frozenset[str] | None], list[Path]] = defaultdict(list)
    for part in parts:
        present = frozenset(name.lower() for name in pq.read_schema(part.path).names)
        groups[present, part.months].append(part.path)
    branches = []
    for (present, slices), paths in sorted(groups.items(), key=lambda item: item[1]):
        selected = ", ".join(
            f"cast({name if name in present else 'null'} as {kind}) as {name}"
            for name, kind in wanted
        )
        where = "" if slices is None else f" where {in_slices_sql(table, slices)}"
        branches.append(f"select {selected} from {read_parquet(paths)}{where}")
    return "\nunion all\n".join(branches)


def spark_statements(raw_name: str, parts: Sequence[Part]) -> list[str]:
    """Return the statements that declare a raw table on Spark.

    The columns are declared, so Spark reads no footer to find them, each time that a view over
    the table is used, and gives NULL for one that a file does not hold. Where slices of some files
    are not in effect, the table is a view over one table for each set of slices.
    """
    table = contract_of(raw_name)
    wanted = [(name, _SPARK_TYPES.get(kind, kind)) for name, kind in columns(table)]
    if not parts:
        return [f"create view raw.{raw_name} as select {_nothing(wanted)} limit 0"]
    declared = ", ".join(f"{name} {kind}" for name, kind in wanted)

    def over(name: str, paths: Sequence[Path]) -> str:
        located = spark_path(paths)
        return f"create table {name} ({declared}) using parquet options (path '{located}')"

    groups: dict[frozenset[str] | None, list[Path]] = defaultdict(list)
    for part in parts:
        groups[part.months].append(part.path)
    if set(groups) == {None}:
        return [over(f"raw.{raw_name}", groups[None])]
    statements, branches = [], []
    for number, (slices, paths) in enumerate(sorted(groups.items(), key=lambda item: item[1])):
        name = f"raw.{raw_name}__{number}"
        statements.append(over(name, paths))
        where = "" if slices is None else f" where {in_slices_sql(table, slices)}"
        branches.append(f"select * from {name}{where}")
    return [*statements, f"create view raw.{raw_name} as {' union all '.join(branches)}"]


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
