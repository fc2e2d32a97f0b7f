"""Reading the YAML files of the contracts, with every rule of their form checked.

A table is parsed when it is first asked for: listing the tables, or asking which product and
calendar they belong to (``heading``), reads no column.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
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
    UNITS,
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
_FIELDS = {
    "name", "type", "scale", "formats", "role", "domain", "unit", "nomenclature", "years",
    "required", "reason", "years_note", "null_values", "description",
}  # fmt: skip
# libyaml reads the contracts ten times as fast as the parser in Python; it is not in every wheel.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Heading:
    """What a contract says of a table before its columns."""

    name: str
    product: str
    calendar: str
    grain: str

    @property
    def raw_name(self) -> str:
        """The table's name in the lake: ``er_prs_f``, ``t_mcoaab``."""
        return self.name.lower()


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
def _folded() -> dict[str, str]:
    return {table.upper(): table for table in tables()}


def find(name: str) -> str | None:
    """Return the contract's spelling of a table name in any case, or None.

    ``T_MCO19B`` and ``T_MCOaaB`` are the same table.
    """
    from openchronic_assets.contracts.names import recognise

    if found := _folded().get(name.upper()):
        return found
    recognised = recognise(name)
    return recognised.table if recognised else None


@cache
def heading(name: str) -> Heading:
    """Return product, calendar and grain of a table without reading its columns.

    Raises:
        ContractError: the table is not under contract.
    """
    table = _known(name)
    document = yaml.load(_text(table).partition("\ncolumns")[0], _LOADER)
    return Heading(table, document["product"], document["calendar"], document["grain"])


@cache
def load(name: str) -> Table:
    """Return the contract of a table over all its years.

    ``name`` is the SNDS name in any case; ``T_MCO19B`` and ``T_MCOaaB`` are the same table.

    Raises:
        ContractError: the table is not under contract, or its YAML is not well formed.
    """
    table = _known(name)
    if table != name:
        return load(table)
    return read_table(table, _text(table))


def _known(name: str) -> str:
    table = find(name)
    if table is None:
        near = get_close_matches(name.upper(), _folded(), n=5, cutoff=0.5)
        raise ContractError(
            f"{name} is not under contract; "
            + (f"near that: {', '.join(_folded()[each] for each in near)}; " if near else "")
            + "see: contracts list"
        )
    return table


def _text(table: str) -> str:
    folder = resources.files("openchronic_assets.contracts")
    return folder.joinpath("tables", f"{table}.yaml").read_text(encoding="utf-8")


def read_table(name: str, text: str) -> Table:
    """Return the table that a YAML text describes, checked.

    ``columns_of: IR_BEN_R`` in place of ``columns`` says that a table is the twin of another.

    Raises:
        ContractError: the text breaks a rule of the form; the message names table and column.
    """
    document = yaml.load(text, _LOADER)
    if not isinstance(document, dict) or document.get("table") != name:
        raise ContractError(f"{name}.yaml does not describe {name}: correct its first line")
    needed = ("product", "calendar", "grain", "key", "not_null")
    if absent := [field for field in needed if field not in document]:
        raise ContractError(f"{name}.yaml: {', '.join(absent)} missing")
    if document["calendar"] not in CALENDARS:
        raise ContractError(f"{name}.yaml: calendar is one of {', '.join(CALENDARS)}")
    if twin := document.get("columns_of"):
        columns = load(twin).columns
    else:
        columns = tuple(_column(name, entry) for entry in document.get("columns") or ())
    names = [column.name for column in columns]
    if repeated := sorted({each for each in names if names.count(each) > 1}):
        raise ContractError(f"{name}.yaml: column given twice: {', '.join(repeated)}")
    for rule in ("key", "not_null"):
        if unknown := [each for each in document[rule] if each not in names]:
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
    if absent := [field for field in ("name", "type", "role", "years") if field not in entry]:
        raise ContractError(f"{where}: {', '.join(absent)} missing")
    if unknown := sorted(set(entry) - _FIELDS):
        raise ContractError(f"{where}: unknown field {', '.join(unknown)}")
    if entry["type"] not in TYPES:
        raise ContractError(f"{where}: type is one of {', '.join(TYPES)}")
    if entry["role"] not in ROLES:
        raise ContractError(f"{where}: role is one of {', '.join(ROLES)}")
    if entry.get("unit") not in (None, *UNITS):
        raise ContractError(f"{where}: unit is one of {', '.join(UNITS)}")
    if (entry["role"] == "pseudonym") != (entry.get("domain") in DOMAINS):
        raise ContractError(f"{where}: a pseudonym names its domain: {', '.join(DOMAINS)}")
    if entry["role"] == "identifier_dropped" and not entry.get("reason"):
        raise ContractError(f"{where}: a dropped identifier says its reason")
    null_values = tuple(map(str, entry.get("null_values", ())))
    if null_values and entry["role"] in ("amount", "pseudonym"):
        raise ContractError(f"{where}: no text of an amount or a pseudonym stands for no value")
    try:
        years = Years.parse(str(entry["years"]))
    except ValueError:
        raise ContractError(f"{where}: years are written 2006-, 2009-2010,2013- or all") from None
    known = {"date": DATE_FORMATS, "datetime": DATETIME_FORMATS}.get(entry["type"], ())
    preferred = tuple(entry.get("formats", ()))
    return Column(
        name=entry["name"],
        type=entry["type"],
        role=entry["role"],
        years=years,
        scale=int(entry.get("scale", 0)),
        formats=preferred + tuple(form for form in known if form not in preferred),
        domain=entry.get("domain"),
        unit=entry.get("unit"),
        nomenclature=entry.get("nomenclature"),
        required=bool(entry.get("required", False)),
        reason=entry.get("reason"),
        years_note=entry.get("years_note"),
        null_values=null_values,
        description=entry.get("description"),
    )
