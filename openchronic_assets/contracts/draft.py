"""Drafts of contract lines from the official schema, for a person to review.

A column takes the role, domain, unit and description that other contracts give to its name;
a name never seen takes them from the conventions of SNDS names, and its line says that they are
to be reviewed. What may identify somebody is drafted as dropped: too little is put right by a
review, too much is not.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from typing import Any

from openchronic_assets.contracts.loader import load, tables
from openchronic_assets.contracts.model import Column, Years
from openchronic_assets.contracts.official import Stated, newest_year

REVIEW = "# to review: "
PRODUCTS = {
    "DCIR": ("DCIR", "flux"),
    "DCIR_DCIRS": ("REFERENTIALS", "snapshot"),
    "BENEFICIAIRE": ("BENEFICIAIRE", "snapshot"),
    "PMSI MCO": ("PMSI_MCO", "care"),
    "PMSI SSR": ("PMSI_SSR", "care"),
    "PMSI HAD": ("PMSI_HAD", "care"),
    "PMSI RIM-P": ("PMSI_RIMP", "care"),
    "CARTOGRAPHIE_PATHOLOGIES": ("CARTOGRAPHIE", "care"),
    "Causes de décès": ("CEPIDC", "care"),
    "DAMIR": ("DAMIR", "flux"),
}
_KEYS = (
    "DCT_ORD_NUM", "FLX_DIS_DTD", "FLX_EMT_NUM", "FLX_EMT_ORD", "FLX_EMT_TYP", "FLX_TRT_DTD",
    "ORG_CLE_NUM", "PRS_ORD_NUM", "REM_TYP_AFF", "ETA_NUM_EPMSI", "ETA_NUM", "RSA_NUM", "RHA_NUM",
    "RHAD_NUM", "RIP_NUM", "BEN_NIR_PSA", "BEN_RNG_GEM", "ID_CARTO",
)  # fmt: skip
_IDENTIFYING = re.compile(
    r"NIR|NOM(_|$)|PRENOM|TEL_|_TEL|MAIL|ADR|VOI_|RPPS|ADELI|MATR|IPP|NUM_ENQ|_IDT(_|$)|_ANO(_|$)"
    r"|IBAN|DUMMY|_LIB$|_COM$|EMP_NUM"
)
_ORDER = (
    "name", "type", "scale", "formats", "role", "domain", "unit", "nomenclature", "years",
    "required", "reason", "years_note", "null_values", "description",
)  # fmt: skip
_QUOTED = ("years", "years_note", "description")


def line(entry: dict[str, Any], remark: str = "") -> str:
    """Return one column as its line in a contract file, a remark for the reviewer at its end."""
    parts = []
    for name in _ORDER:
        value = entry.get(name)
        if value in (None, (), [], False) or (name == "scale" and entry["type"] != "decimal"):
            continue
        if isinstance(value, list | tuple):
            shown = "[" + ", ".join(f'"{each}"' for each in value) + "]"
        elif value is True:
            shown = "true"
        elif name in _QUOTED:
            shown = '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
        else:
            shown = str(value)
        parts.append(f"{name}: {shown}")
    return f"  - {{{', '.join(parts)}}}" + (f"  {REVIEW}{remark}" if remark else "")


def value_type(stated: Stated) -> dict[str, Any]:
    """Return type, scale and formats of the values that the schema states."""
    kind, text = stated.type, stated.oracle == "string"
    if kind == "date" and stated.format == "%m":
        return {"type": "month"}
    if kind in ("date", "datetime"):
        default = ["%d%b%Y:%H:%M:%S"] if kind == "datetime" else []
        formats = [stated.format] if stated.format else default
        return {"type": kind, "formats": formats}
    if kind in ("year", "yearmonth"):
        return {"type": kind}
    if kind == "number":
        _, comma, scale = stated.length.replace(".", ",").partition(",")
        return {"type": "decimal", "scale": int(scale) if comma and scale.isdigit() else 4}
    if kind == "integer":
        return {"type": "string" if text else "integer"}
    if kind == "boolean":
        return {"type": "integer" if stated.oracle == "number" else "string"}
    return {"type": "string"}


def column(name: str, stated: Stated) -> str:
    """Return the drafted line of a column that no contract of its table has."""
    entry: dict[str, Any] = {"name": name, **value_type(stated)}
    entry["years"] = stated.years or f"{newest_year()}-"
    remarks = [] if stated.years else ["the schema gives no year"]
    if known := _known().get(name):
        table, same = known
        remarks.insert(0, f"as in {table}")
        entry |= {
            "role": same.role,
            "domain": same.domain,
            "unit": same.unit,
            "reason": same.reason,
            "description": same.description,
        }
        if _kinds(entry["type"]) != _kinds(same.type):
            remarks.append(f"{same.type} there, {entry['type']} here")
    elif _IDENTIFYING.search(name):
        entry |= {"role": "identifier_dropped", "reason": "may identify somebody"}
        remarks.insert(0, "dropped by its name, load it if it identifies nobody")
    else:
        entry |= _guessed(name, entry["type"])
        remarks.insert(0, "role by its name")
    entry["nomenclature"] = _nomenclature(stated)
    entry["years_note"] = f"only the schema knows it{'' if stated.years else ', undated'}"
    return line(entry, ", ".join(remarks))


def table(name: str, product: str, columns: dict[str, Stated]) -> str:
    """Return the drafted contract of a table that the schema has and we have not."""
    ours, calendar = PRODUCTS.get(product, ("UNKNOWN", "snapshot"))
    wanted = _KEYS if ours != "DCIR" else _KEYS[:9]
    keys = [each for each in wanted if each in columns]
    if "ETA_NUM_EPMSI" in keys and "ETA_NUM" in keys:
        keys.remove("ETA_NUM")
    doubt = "" if product in PRODUCTS else f"  {REVIEW}the schema's product is not one of ours"
    written = []
    for each, stated in columns.items():
        text = column(each, stated)
        if each in keys:
            head, mark, remark = text.partition(f"}}  {REVIEW}")
            head = re.sub(r"role: (?!pseudonym)\w+", "role: key", head)
            text = head + mark + remark
            text = re.sub(r'(years: "[^"]*")', r"\1, required: true", text, count=1)
        written.append(text)
    return "\n".join(
        [
            f"table: {name}",
            f"product: {ours}{doubt}",
            f"calendar: {calendar}",
            f'grain: "one row as delivered"  {REVIEW}say what a row is',
            f"key: []  {REVIEW}the columns that no two rows share",
            f"not_null: [{', '.join(keys)}]",
            "columns:",
            *written,
            "",
        ]
    )


def _guessed(name: str, kind: str) -> dict[str, Any]:
    if kind == "decimal" and re.search(r"MNT|_BSE$|_MNR$|_BR$|_AM$", name):
        return {"role": "amount", "unit": "euro"}
    if kind in ("date", "datetime", "year", "yearmonth", "month"):
        return {"role": "date"}
    if re.match(r"AGE(_|$)|BDI_|.*_(DPT|DEP|COM|SEX|NAI)(_|$)", name):
        return {"role": "quasi_identifier"}
    if kind == "decimal" or (kind == "integer" and re.search(r"^NBR?_|(NBR|NBJ|QTE|QSN)$", name)):
        return {"role": "quantity", "unit": "day" if name.endswith("NBJ") else None}
    if re.match(r"FLX_|ORG_CLE|ORB_|ORL_|FOR_NUM|VID_", name):
        return {"role": "technical"}
    return {"role": "code"}


def _nomenclature(stated: Stated) -> str | None:
    # The calendar is no code list: a date has no label.
    return stated.nomenclature if stated.nomenclature not in ("", "IR_DTE_V") else None


def accepts(ours: Column, stated: Stated) -> bool:
    """Whether a contract's type takes every value that the schema states."""
    theirs = value_type(stated)
    if ours.type == "string":
        return True
    if ours.type == "decimal":
        return bool(
            theirs["type"] == "integer"
            or (theirs["type"] == "decimal" and theirs["scale"] <= ours.scale)
        )
    return _kinds(ours.type) == _kinds(theirs["type"])


def closed(ours: Column, year: int) -> str:
    """Return the years of a column that ends before a year, as contracts write them."""
    return str(
        Years(((2005, None),)).before(year) if str(ours.years) == "all" else ours.years.before(year)
    )


def _kinds(kind: str) -> str:
    return {"datetime": "date"}.get(kind, kind)


@cache
def _known() -> dict[str, tuple[str, Column]]:
    """Return, for each name under contract, a column of it with what most contracts say."""
    found: dict[str, list[tuple[str, Column]]] = {}
    for name in tables():
        for each in load(name).columns:
            found.setdefault(each.name, []).append((name, each))
    chosen = {}
    for name, columns in found.items():
        usual = Counter((each.role, each.domain, each.unit) for _, each in columns).most_common(1)
        chosen[name] = next(
            pair for pair in columns if (pair[1].role, pair[1].domain, pair[1].unit) == usual[0][0]
        )
    return chosen
