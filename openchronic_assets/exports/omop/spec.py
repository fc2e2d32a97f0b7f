"""The fields of the OMOP common data model 5.4 that the export writes.

``fields.csv`` is our own table of facts (table, field, type, length, required) read from the
specification of the OHDSI Common Data Model v5.4 (OHDSI/CommonDataModel, Apache-2.0).
"""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from pathlib import Path

VERSION = "5.4"
# The concept of this version of the model, as the specification asks of cdm_source.
VERSION_CONCEPT = 756265

_TYPES = {
    "integer": "INTEGER",
    "date": "DATE",
    "datetime": "TIMESTAMP",
    "numeric": "DECIMAL(18,2)",
    "text": "VARCHAR",
    "varchar": "VARCHAR",
}


@dataclass(frozen=True)
class Field:
    """A field of a table: its type in the specification, its length where it has one."""

    name: str
    type: str
    length: int | None
    is_required: bool

    @property
    def sql_type(self) -> str:
        """The type it is written with."""
        return _TYPES[self.type]


@functools.cache
def tables() -> dict[str, tuple[Field, ...]]:
    """Return the fields of each table, in the order of the specification."""
    found: dict[str, list[Field]] = {}
    with Path(__file__).with_name("fields.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["cdm_table"], []).append(
                Field(
                    row["field"],
                    row["type"],
                    int(row["length"]) if row["length"] else None,
                    row["is_required"] == "yes",
                )
            )
    return {name: tuple(fields) for name, fields in found.items()}
