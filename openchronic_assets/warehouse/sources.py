"""dbt's description of the raw tables that a model reads, written from the contracts.

``python -m openchronic_assets.warehouse.sources`` writes ``models/staging/_sources.yml``; a test
fails when the file is not what the contracts say.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from openchronic_assets.contracts import heading, load, tables
from openchronic_assets.warehouse.project import project_dir
from openchronic_assets.warehouse.raw import columns

_SOURCE = re.compile(r"source\(\s*'snds'\s*,\s*'(\w+)'\s*\)")
_PROVENANCE = {
    "_source_file": "Fichier livré dont vient la ligne",
    "_source_line": "Numéro de la ligne dans ce fichier",
    "_delivery_id": "Livraison qui a apporté le fichier",
    "_key_status": "État de la clé du patient : ok, sentinel ou missing",
    "_table_year": "Année de la table (PMSI), absente ailleurs",
}
_HEADER = "# Written by `python -m openchronic_assets.warehouse.sources`; do not edit.\n"


def path() -> Path:
    """Return the place of the generated file."""
    return project_dir() / "models" / "staging" / "_sources.yml"


def staged() -> list[str]:
    """Return the tables under contract that some model reads, in order of name.

    A table without a staging model is ingested all the same; dbt has no need of a source for it.
    """
    read: set[str] = set()
    for model in sorted((project_dir() / "models").rglob("*.sql")):
        read.update(_SOURCE.findall(model.read_text(encoding="utf-8")))
    return [name for name in tables() if heading(name).raw_name in read]


def sources_yaml() -> str:
    """Return the sources file: a table that a model reads a source table, with its Dagster key."""
    described = []
    for name in staged():
        table = load(name)
        texts = {column.lake_name: column.description for column in table.columns}
        listed: list[dict[str, Any]] = []
        for column, kind in columns(table):
            said = texts.get(column) or _PROVENANCE.get(column, "")
            listed.append({"name": column, "data_type": kind.lower(), "description": said})
        described.append(
            {
                "name": table.raw_name,
                "description": f"{table.name}: {table.grain}",
                "config": {"meta": {"dagster": {"asset_key": ["lake", table.raw_name]}}},
                "columns": listed,
            }
        )
    document = {
        "version": 2,
        "sources": [
            {
                "name": "snds",
                "schema": "raw",
                "description": "Tables brutes typées, pseudonymisées, telles que livrées.",
                "tables": described,
            }
        ],
    }
    return _HEADER + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=99)


if __name__ == "__main__":
    path().write_text(sources_yaml(), encoding="utf-8")
