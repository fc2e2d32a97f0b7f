"""Reading the YAML files of the contracts, with every rule of their form checked."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import yaml

from openchronic_assets.contracts.model import (
    CALENDARS,
    DATE_FORMATS,
    DATETIME_FORMATS,
    DOMAINS,
    ROLES,
    TYPES,
    Column,
    ContractError,
    Table,
    Years,
)

# Names that project extractions give to patient keys (snds_model 1.1): the key they stand for
# depends on the table, so each alias lists its candidates.
DIRECT_ALIASES: dict[str, tuple[str, ...]] = {
    "NUM_ENQ": ("BEN_NIR_PSA", "NIR_ANO_17"),
    "NUM_ENQ_ANO": ("BEN_NIR_ANO",),
    "NUM_ANO": ("BEN_NIR_ANO",),
    "NUM_ENQ_IDT": ("BEN_IDT_ANO",),
    "BEN_ID": ("BEN_IDT_ANO",),
}


@cache
def tables() -> list[str]:
    """Return the names of all tables under contract, sorted."""
    folder = resources.files("openchronic_assets.contracts").joinpath("tables")
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    )


@cache
def load(name: str) -> Table:
    """Return the contract of a table over all its years.

    ``name`` is the SNDS name in any case; ``T_MCO19B`` and ``T_MCOaaB`` are the same table.

    Raises:
        ContractError: the table is not under contract, or its YAML is not well formed.
    """
    by_folded = {table.upper(): table for table in tables()}
    wanted = name.upper()
    if wanted not in by_folded and wanted.startswith("T_MCO") and wanted[5:7].isdigit():
        wanted = f"T_MCOAA{wanted[7:]}"
    if wanted not in by_folded:
        raise ContractError(
            f"{name} is not under contract; tables under contract: {', '.join(tables())}"
        )
    table = by_folded[wanted]
    text = (
        resources.files("openchronic_assets.contracts")
        .joinpath("tables", f"{table}.yaml")
        .read_text(encoding="utf-8")
    )
    return _table(table, yaml.safe_load(text))


def _table(name: str, document: dict[str, Any]) -> Table:
    if document["table"] != name:
        raise ContractError(f"{name}.yaml describes {document['table']}: rename one of them")
    if document["calendar"] not in CALENDARS:
        raise ContractError(f"{name}.yaml: calendar is one of {', '.join(CALENDARS)}")
    columns = tuple(_column(name, entry) for entry in document["columns"])
    names = [column.name for column in columns]
    repeated = sorted({each for each in names if names.count(each) > 1})
    if repeated:
        raise ContractError(f"{name}.yaml: column given twice: {', '.join(repeated)}")
    for rule in ("key", "not_null"):
        unknown = [each for each in document[rule] if each not in names]
        if unknown:
            raise ContractError(f"{name}.yaml: {rule} names no column: {', '.join(unknown)}")
    return Table(
        name=name,
        product=document["product"],
        calendar=document["calendar"],
        grain=document["grain"],
        key=tuple(document["key"]),
        not_null=tuple(document["not_null"]),
        columns=columns,
    )


def _column(table: str, entry: dict[str, Any]) -> Column:
    where = f"{table}.yaml, column {entry.get('name')}"
    if entry["type"] not in TYPES:
        raise ContractError(f"{where}: type is one of {', '.join(TYPES)}")
    if entry["role"] not in ROLES:
        raise ContractError(f"{where}: role is one of {', '.join(ROLES)}")
    if (entry["role"] == "pseudonym") != (entry.get("domain") in DOMAINS):
        raise ContractError(f"{where}: a pseudonym names its domain: {', '.join(DOMAINS)}")
    if entry["role"] == "identifier_dropped" and not entry.get("reason"):
        raise ContractError(f"{where}: a dropped identifier says its reason")
    known = {"date": DATE_FORMATS, "datetime": DATETIME_FORMATS}.get(entry["type"], ())
    preferred = tuple(entry.get("formats", ()))
    return Column(
        name=entry["name"],
        type=entry["type"],
        role=entry["role"],
        years=Years.parse(str(entry["years"])),
        scale=int(entry.get("scale", 0)),
        formats=preferred + tuple(form for form in known if form not in preferred),
        domain=entry.get("domain"),
        nomenclature=entry.get("nomenclature"),
        required=bool(entry.get("required", False)),
        reason=entry.get("reason"),
        years_note=entry.get("years_note"),
        description=entry.get("description"),
    )
