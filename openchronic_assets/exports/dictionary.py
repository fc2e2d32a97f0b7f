"""The dictionary: every column that is received or built, with its source, years and checks."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from openchronic_assets.contracts import load, tables
from openchronic_assets.settings import Home

LAYERS = (
    ("marts", "Tables d’analyse"),
    ("received", "Tables reçues (SNDS)"),
    ("intermediate", "Tables intermédiaires"),
    ("staging", "Tables reçues, renommées"),
    ("lists", "Listes de référence"),
)
_SNDS = re.compile(r"\b(?:[A-Z][A-Z0-9]*_[A-Z0-9_]*[A-Z0-9]\.)?[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
_CHECKS = {
    "not_null": "jamais vide",
    "unique": "unique",
    "unique_key": "clé unique",
    "accepted_values": "valeurs admises",
    "relationships": "existe dans la table liée",
}
_ROLES = {
    "key": "clé", "pseudonym": "pseudonymisée", "identifier_dropped": "identifiant, jamais gardé",
    "quasi_identifier": "quasi-identifiant", "amount": "montant", "quantity": "quantité",
    "date": "date", "code": "code", "technical": "technique", "text": "texte",
}  # fmt: skip


def dictionary(home: Home, manifest: dict[str, Any]) -> dict[str, Any]:
    """Return ``{"layers", "tables", "columns"}``; a column names its table by place.

    Args:
        home: whose current build says rows and years, where there is one.
        manifest: dbt's manifest of the models.
    """
    listed: list[dict[str, Any]] = []
    columns: list[dict[str, Any]] = []
    for name in tables():
        contract = load(name)
        listed.append(
            {
                "n": contract.name,
                "l": "received",
                "fr": contract.grain,
                "en": "",
                "rule": contract.product,
                "years": _years(contract.years),
            }
        )
        for column in contract.columns:
            columns.append(
                {
                    "t": len(listed) - 1,
                    "n": column.name,
                    "y": column.type,
                    "fr": column.description or "",
                    "en": "",
                    "snds": [f"{contract.name}.{column.name}"],
                    "a": _years(column.years),
                    "q": [_ROLES.get(column.role, column.role)]
                    + ([f"codes de {column.nomenclature}"] if column.nomenclature else [])
                    + (["obligatoire"] if column.required else []),
                }
            )
    nodes = {
        key: node
        for key, node in manifest["nodes"].items()
        if node["resource_type"] in ("model", "seed")
    }
    checks = _checks(manifest)
    built = _built(home)
    sources = _sources(nodes)
    for key, node in sorted(nodes.items(), key=lambda item: str(item[1]["name"])):
        rows, years = built.get(node["name"], (None, ""))
        listed.append(
            {
                "n": node["name"],
                "l": _layer(node),
                "fr": " ".join(str(node.get("description") or "").split()),
                "en": _english(node),
                "rule": _header(node),
                "rows": rows,
                "years": years,
            }
        )
        for name, column in node["columns"].items():
            own, inherited = sources(key, name)
            columns.append(
                {
                    "t": len(listed) - 1,
                    "n": name,
                    "y": column.get("data_type") or "",
                    "fr": " ".join(str(column.get("description") or "").split()),
                    "en": _english(column),
                    "snds": own,
                    "via": inherited,
                    "q": checks[key, name],
                }
            )
    return {"layers": [list(each) for each in LAYERS], "tables": listed, "columns": columns}


def _years(years: Any) -> str:
    return ", ".join(_span(start, end) for start, end in years.spans)


def _span(start: int, end: int | None) -> str:
    """Return years in words; a contract says 0 where a table has always had a column."""
    if not start:
        return "toutes" if end is None else f"jusqu’à {end}"
    if end is None:
        return f"depuis {start}"
    return str(start) if start == end else f"{start}-{end}"


def _layer(node: dict[str, Any]) -> str:
    folder = (node["fqn"][1:-1] or ["lists"])[0]
    return folder if folder in dict(LAYERS) else "lists"


def _english(thing: dict[str, Any]) -> str:
    meta = thing.get("meta") or (thing.get("config") or {}).get("meta") or {}
    return " ".join(str(meta.get("description_en") or "").split())


def _header(node: dict[str, Any]) -> str:
    """Return the comment at the head of a model: its rule and where the rule comes from."""
    lines = []
    for line in str(node.get("raw_code") or "").strip().splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").strip())
    return " ".join(lines)


def _checks(manifest: dict[str, Any]) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for node in manifest["nodes"].values():
        if node["resource_type"] == "test" and node.get("column_name"):
            name = str((node.get("test_metadata") or {}).get("name") or node["name"])
            said = _CHECKS.get(name, name.replace("_", " "))
            key = (str(node.get("attached_node")), str(node["column_name"]))
            if said not in found[key]:
                found[key].append(said)
    return found


def _sources(nodes: dict[str, dict[str, Any]]) -> Any:
    """Return a function: the SNDS columns that a column names, else those of its name upstream."""

    def own(key: str, name: str) -> list[str]:
        column = nodes[key]["columns"].get(name)
        if column is None:
            return []
        said = f"{column.get('description') or ''} {_english(column)}"
        return sorted(set(_SNDS.findall(said)))

    def of(key: str, name: str) -> tuple[list[str], list[str]]:
        mine = own(key, name)
        if mine:
            return mine, []
        seen, waiting, found = {key}, [key], set()
        while waiting:
            for parent in nodes[waiting.pop()].get("depends_on", {}).get("nodes", []):
                if parent in seen or parent not in nodes or name not in nodes[parent]["columns"]:
                    continue
                seen.add(parent)
                theirs = own(parent, name)
                found |= set(theirs)
                if not theirs:
                    waiting.append(parent)
        return [], sorted(found)[:8]

    return of


def _built(home: Home) -> dict[str, tuple[int, str]]:
    """Return rows and years of each model of the current build."""
    from openchronic_assets.warehouse.builds import files, read_manifest
    from openchronic_assets.warehouse.rows import rows_of

    current = read_manifest(home)
    if current is None:
        return {}
    found = {}
    for name, model in current["models"].items():
        years = sorted(year for year in model.get("years", {}) if str(year).isdigit())
        said = f"{years[0]}-{years[-1]}" if len(years) > 1 else "".join(map(str, years))
        found[name] = (rows_of(files(home, name)), said)
    return found
