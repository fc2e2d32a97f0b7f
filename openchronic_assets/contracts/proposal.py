"""A review turned into files: the contracts as the new schema would have them, for reviewing.

Nothing is written where the contracts are. The proposal holds the changed YAML files whole, with
``# to review:`` where a person has to decide, the new ``official_schema.csv`` and
``sources.yaml``, and ``REVIEW.md`` that lists what moved. Copied over
``openchronic_assets/contracts/``, it is next year's structure.
"""

from __future__ import annotations

import re
from datetime import date
from importlib import resources
from pathlib import Path

import yaml

from openchronic_assets.contracts import draft, official
from openchronic_assets.contracts.compare import SchemaReview
from openchronic_assets.contracts.loader import load, tables
from openchronic_assets.contracts.official import Checkout
from openchronic_assets.errors import UsageError

_COLUMN = re.compile(r"  - \{name: (?P<name>\w+),")
PLACE = "openchronic_assets/contracts"


def write(found: SchemaReview, checkout: Checkout, folder: Path) -> list[Path]:
    """Write a proposal into a new or empty folder; return its files, in order.

    Raises:
        UsageError: the folder is not empty, or is a file.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is not an empty folder: name a new one for the proposal")
    texts = {f"tables/{name}.yaml": _revised(name, found, checkout) for name in
             found.changed_tables()}  # fmt: skip
    for name in found.unknown_tables:
        product = checkout.products[name]
        texts[f"tables/{name}.yaml"] = draft.table(name, product, checkout.tables[name])
    if not found.is_empty:
        texts |= {
            official.REVIEWED: official.to_csv(_merged(checkout)),
            official.SOURCES: _sources(checkout),
        }
    texts["REVIEW.md"] = _summary(found)
    written = []
    for name in sorted(texts):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(texts[name], encoding="utf-8")
        written.append(path)
    return written


def _present(name: str) -> str | None:
    path = resources.files("openchronic_assets.contracts").joinpath(name)
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _revised(name: str, found: SchemaReview, checkout: Checkout) -> str:
    text = _present(f"tables/{name}.yaml") or ""
    now = checkout.tables[next(each for each in checkout.tables if each.upper() == name.upper())]
    table = load(name)
    ended = {each.partition(" ")[0] for each in found.ended.get(name, [])}
    retyped = set(found.refusing.get(name, []))
    listed = found.nomenclatures.get(name, {})
    dated = found.years.get(name, {})
    gone = set(found.gone.get(name, []))
    lines = []
    for each in text.splitlines():
        match = _COLUMN.match(each)
        if not match:
            lines.append(each)
            continue
        column, entry, remarks = match["name"], yaml.safe_load(each)[0], []
        if column in ended:
            entry["years"] = draft.closed(table.column(column), int(now[column].deleted))
            remarks.append("closed by the schema")
        if column in retyped:
            entry = {key: value for key, value in entry.items() if key not in ("scale", "formats")}
            entry |= draft.value_type(now[column])
            remarks.append(f"type, was {table.column(column).type}")
        if column in listed:
            entry["nomenclature"] = now[column].nomenclature
            remarks.append(f"nomenclature, {listed[column]}")
        if column in dated:
            remarks.append(f"years of the schema, {dated[column]}")
        if column in gone:
            remarks.append("no longer in the schema")
        lines.append(draft.line(entry, ", ".join(remarks)) if remarks else each)
    lines += [draft.column(column, now[column]) for column in found.new.get(name, [])]
    return "\n".join(lines) + "\n"


def _merged(checkout: Checkout) -> dict[str, dict[str, official.Stated]]:
    """Return what was seen of each table: a table that a partial checkout lacks stays as it was."""
    spelling = {name.upper(): name for name in (*official.reviewed(), *tables())}
    merged = dict(official.reviewed())
    for name, columns in checkout.tables.items():
        if not name.upper().startswith(official.LEFT_OUT):
            merged[spelling.get(name.upper(), name)] = columns
    return merged


def _sources(checkout: Checkout) -> str:
    """Return ``sources.yaml`` with the last year that the checkout speaks of."""
    said = [
        int(year)
        for columns in checkout.tables.values()
        for stated in columns.values()
        for year in (stated.created, stated.deleted)
        if year
    ]
    text = _present(official.SOURCES) or ""
    # A year far ahead is a slip of the pen, not the newest structure.
    newest = max(
        [official.newest_year(), *(year for year in said if year <= date.today().year + 1)]
    )
    return re.sub(r"newest_year: \d+", f"newest_year: {newest}", text)


def _summary(found: SchemaReview) -> str:
    rows = [
        f"| {row['table']} | {row['what']} | {row['column']} | {row['was and is']} |"
        for row in found.findings()
    ]
    unread = [f"- `{where}`: {why}" for where, why in found.unreadable.items()]
    return "\n".join(
        [
            "# What the official schema says that was not reviewed yet",
            "",
            f"{found.read} tables read. In the files beside this one, look for `{draft.REVIEW}`, "
            "decide, and take the remark away. Then copy `tables/`, `official_schema.csv` and "
            f"`sources.yaml` over `{PLACE}/`, put the schema's version in `sources.yaml`, and run "
            "the tests.",
            "",
            "| table | what | column | was and is |",
            "|---|---|---|---|",
            *(rows or ["| | nothing | | |"]),
            "",
            *(["Files that could not be read:", "", *unread, ""] if unread else []),
        ]
    )
