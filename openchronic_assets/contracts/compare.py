"""How structures differ: a table between two years, and ours against the official schema."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openchronic_assets.contracts.loader import load, tables
from openchronic_assets.contracts.model import Table
from openchronic_assets.errors import UsageError


@dataclass(frozen=True)
class YearDifference:
    """What moved in a table between two years; column names in contract order."""

    table: str
    before: int
    after: int
    appeared: tuple[str, ...]
    disappeared: tuple[str, ...]
    doubtful: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return the difference as JSON types."""
        return {
            "table": self.table,
            "before": self.before,
            "after": self.after,
            "appeared": list(self.appeared),
            "disappeared": list(self.disappeared),
            "doubtful": self.doubtful,
        }


def between_years(table: Table, before: int, after: int) -> YearDifference:
    """Return the columns that appeared and disappeared between two years of a table.

    ``doubtful`` tells, for those on whose years the two public sources disagree, what is believed
    and what the other one says.

    Raises:
        ContractError: the table does not exist in one of the years.
    """
    old, new = (set(table.for_year(year).names()) for year in (before, after))
    moved = [column for column in table.columns if (column.name in old) != (column.name in new)]
    return YearDifference(
        table.name,
        before,
        after,
        tuple(column.name for column in moved if column.name in new),
        tuple(column.name for column in moved if column.name in old),
        {column.name: column.years_note for column in moved if column.years_note},
    )


@dataclass
class SchemaReview:
    """What a checkout of the official schema says that the contracts do not, and the reverse.

    ``unknown_tables`` are not under contract; ``new`` and ``gone`` list columns by table;
    ``ended`` are columns that the schema closes in a year after which the contract still has them.
    """

    read: int = 0
    unknown_tables: list[str] = field(default_factory=list)
    absent_tables: list[str] = field(default_factory=list)
    new: dict[str, list[str]] = field(default_factory=dict)
    gone: dict[str, list[str]] = field(default_factory=dict)
    ended: dict[str, list[str]] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether the contracts say all that the schema says of their tables."""
        return not (self.new or self.ended)


def against_schema(folder: Path) -> SchemaReview:
    """Compare the contracts with a checkout of the official schema (one JSON file a table).

    Nothing is changed: next year's structure is this report and a review of the YAML files.

    Raises:
        UsageError: the folder holds no table schema.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder: name a checkout of the official schema")
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.rglob("*.json")):
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, UnicodeDecodeError):
            continue
        if isinstance(document, dict) and isinstance(document.get("fields"), list):
            found[str(document.get("name", path.stem)).upper()] = document
    if not found:
        raise UsageError(f"{folder} holds no table schema: a JSON file with a list of fields each")
    review = SchemaReview(read=len(found))
    ours = {name.upper(): load(name) for name in tables()}
    review.unknown_tables = sorted(found[name]["name"] for name in set(found) - set(ours))
    review.absent_tables = sorted(ours[name].name for name in set(ours) - set(found))
    for name in sorted(set(found) & set(ours)):
        _review(ours[name], found[name]["fields"], review)
    return review


def _review(table: Table, fields: list[dict[str, Any]], review: SchemaReview) -> None:
    theirs = {str(each["name"]).upper(): each for each in fields}
    mine = {column.name: column for column in table.columns}
    if new := [name for name in theirs if name not in mine]:
        review.new[table.name] = new
    if gone := [name for name in mine if name not in theirs]:
        review.gone[table.name] = gone
    ended = []
    for name, each in theirs.items():
        created, deleted = (str(each.get(key) or "") for key in ("dateCreated", "dateDeleted"))
        # Created and deleted in the same year is a known defect of the schema: it means created.
        if deleted.isdigit() and deleted != created and name in mine:
            column = mine[name]
            if int(deleted) in column.years and not column.years_note:
                ended.append(f"{name} (absent from {deleted} on)")
    if ended:
        review.ended[table.name] = ended
