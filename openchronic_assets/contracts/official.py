"""The official schema of the SNDS: a checkout of it read, and what it said when last reviewed.

The official schema (schema-snds of the Health Data Hub, MPL-2.0) is one JSON file a table, in
folders. ``official_schema.csv`` keeps the facts that it stated of each column when the contracts
were last reviewed against it, so that the next checkout is compared with what was seen, whatever
the contracts decided since; ``sources.yaml`` says which versions of the sources were seen.
"""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import astuple, dataclass, field, fields
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from openchronic_assets.contracts.model import spans
from openchronic_assets.errors import UsageError

REVIEWED = "official_schema.csv"
SOURCES = "sources.yaml"
# Products that stay out by choice: the sample closed in 2022 and the simplified DCIR.
LEFT_OUT = ("EB_", "NS_")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_LARGEST = 8_000_000  # bytes of one table's JSON: the biggest of today has 0.1 million


@dataclass(frozen=True)
class Stated:
    """What the schema states of one column; an attribute that it leaves out is empty."""

    type: str = ""
    oracle: str = ""
    length: str = ""
    format: str = ""
    nomenclature: str = ""
    created: str = ""
    deleted: str = ""
    missing: str = ""

    @property
    def years(self) -> str:
        """The years as contracts write them, empty where the schema gives none.

        The year of deletion is the first one without the column. Created and deleted in the same
        year is a known defect of the schema: it means created.
        """
        if not self.created:
            return ""
        first = int(self.created)
        end = int(self.deleted) if self.deleted and self.deleted != self.created else None
        gaps = {int(year) for year in self.missing.split()}
        last = end or max({first, *gaps}) + 1
        return spans({year for year in range(first, last) if year not in gaps} | (
            set() if end else {last}
        ), open_end=not end)  # fmt: skip


@dataclass
class Checkout:
    """The tables of a checkout: columns by upper-case name, and what could not be read of it."""

    tables: dict[str, dict[str, Stated]] = field(default_factory=dict)
    products: dict[str, str] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)


def read(folder: Path) -> Checkout:
    """Read a checkout of the official schema, whole, partial or damaged.

    A file that is no table (no ``fields``) is passed over; one that should be and cannot be read
    is named in ``unreadable`` with the reason, and the others are read all the same.

    Raises:
        UsageError: there is no such folder, or it holds no table schema.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder: name a checkout of the official schema")
    found = Checkout()
    places: dict[str, str] = {}
    for path in sorted(folder.rglob("*.json")):
        where = path.relative_to(folder).as_posix()
        try:
            table = _table(path)
        except _Unreadable as error:
            found.unreadable[where] = str(error)
            continue
        if table is None:
            continue
        name, product, columns = table
        if name.upper() in {each.upper() for each in found.tables}:
            found.unreadable[where] = f"{name} is described already in {places[name.upper()]}"
            continue
        places[name.upper()] = where
        found.tables[name] = columns
        found.products[name] = product
    if not found.tables:
        reasons = "".join(f"; {where}: {why}" for where, why in list(found.unreadable.items())[:3])
        raise UsageError(
            f"{folder} holds no table schema: a JSON file with a list of fields each{reasons}"
        )
    return found


class _Unreadable(Exception):
    pass


def _table(path: Path) -> tuple[str, str, dict[str, Stated]] | None:
    try:
        if path.stat().st_size > _LARGEST:
            raise _Unreadable("too big for the schema of one table")
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError:
        raise _Unreadable("cannot be opened") from None
    except UnicodeDecodeError:
        raise _Unreadable("not in UTF-8") from None
    except (ValueError, RecursionError):
        raise _Unreadable("not JSON, or cut short") from None
    if not isinstance(document, dict) or "fields" not in document:
        return None
    name = document.get("name", path.stem)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise _Unreadable("the table has no proper name")
    if not isinstance(document["fields"], list):
        raise _Unreadable("fields is not a list")
    columns: dict[str, Stated] = {}
    for number, each in enumerate(document["fields"], 1):
        column = each.get("name") if isinstance(each, dict) else None
        if not isinstance(column, str) or not _NAME.fullmatch(column):
            raise _Unreadable(f"field {number} has no proper name")
        columns.setdefault(column.upper(), _stated(each))
    return name, str(document.get("produit") or ""), columns


def _stated(each: dict[str, Any]) -> Stated:
    def text(key: str) -> str:
        value = each.get(key)
        return "" if value in (None, "-") else str(value).strip()

    def year(value: object) -> str:
        return str(value) if re.fullmatch(r"(19|20)\d\d", str(value), re.ASCII) else ""

    nomenclature = text("nomenclature").partition(":")[0].strip()
    missing = each.get("dateMissing")
    gaps = {year(one) for one in missing} - {""} if isinstance(missing, list) else set()
    return Stated(
        type=text("type"),
        oracle=text("type_oracle"),
        length=text("length"),
        format="" if text("format") == "default" else text("format"),
        nomenclature=nomenclature if _NAME.fullmatch(nomenclature) else "",
        created=year(each.get("dateCreated")),
        deleted=year(each.get("dateDeleted")),
        missing=" ".join(sorted(gaps)),
    )


@cache
def reviewed() -> dict[str, dict[str, Stated]]:
    """Return what the schema stated of each table and column when it was last reviewed."""
    text = _package_text(REVIEWED)
    found: dict[str, dict[str, Stated]] = {}
    for table, column, *stated in list(csv.reader(io.StringIO(text)))[1:]:
        found.setdefault(table, {})[column] = Stated(*stated)
    return found


def to_csv(tables: dict[str, dict[str, Stated]]) -> str:
    """Return the text of ``official_schema.csv`` for some tables, in order of name."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["table", "column", *(each.name for each in fields(Stated))])
    for table in sorted(tables):
        for column in sorted(tables[table]):
            writer.writerow([table, column, *astuple(tables[table][column])])
    return out.getvalue()


@cache
def sources() -> dict[str, Any]:
    """Return which versions of the public sources the contracts were reviewed against."""
    document: dict[str, Any] = yaml.safe_load(_package_text(SOURCES))
    return document


def newest_year() -> int:
    """Return the last year that the sources describe; later files are held against it."""
    return int(sources()["newest_year"])


def _package_text(name: str) -> str:
    folder = resources.files("openchronic_assets.contracts")
    return folder.joinpath(name).read_text(encoding="utf-8")
