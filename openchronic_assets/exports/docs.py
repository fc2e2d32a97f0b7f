"""The page of the tables and their lineage, made by dbt: one HTML file without internet."""

from __future__ import annotations

import copy
import json
import shutil
from typing import Any

from openchronic_assets.errors import OpenChronicError
from openchronic_assets.indicators.cards import described
from openchronic_assets.settings import Home
from openchronic_assets.warehouse.run import quiet_arguments, quiet_environment

# What the page needs to place a model; windows and orchestration keys would crowd it.
_SHOWN_META = ("population_scope", "description_en")


def tables_page(home: Home) -> tuple[str, dict[str, Any]]:
    """Return dbt's documentation of the project as one page of HTML, and dbt's manifest.

    Models, columns, types, tests and their lineage, from what is declared beside the models: no
    database is asked, so the page is the same before the first build and after it.

    Raises:
        OpenChronicError: dbt cannot build it.
    """
    from dbt.cli.main import dbtRunner

    home.create()
    folder = home.scratch / "dbt-docs"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "tmp").mkdir(parents=True)
    arguments = [each for each in quiet_arguments(folder, "duckdb") if each != "--no-write-json"]
    with quiet_environment(folder):
        outcome = dbtRunner().invoke(["docs", "generate", "--empty-catalog", *arguments])
    target = folder / "target"
    if not outcome.success or not (target / "index.html").is_file():
        raise OpenChronicError(
            "dbt could not build the documentation: run openchronic run once, then try again"
        )
    manifest = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    catalog = json.loads((target / "catalog.json").read_text(encoding="utf-8"))
    plain = copy.deepcopy(manifest)
    _fill(catalog, manifest)
    _tidy(manifest)
    _add_cards(manifest)
    page = (target / "index.html").read_text(encoding="utf-8")
    for mark, document in (("MANIFEST", manifest), ("CATALOG", catalog)):
        text = json.dumps(document, ensure_ascii=False).replace("</", "<\\/")
        page = page.replace(f'"{mark}.JSON INLINE DATA"', text)
    shutil.rmtree(folder, ignore_errors=True)
    return page, plain


def _fill(catalog: dict[str, Any], manifest: dict[str, Any]) -> None:
    """Give the catalogue the declared types: dbt would ask a database for them."""
    for kind, nodes in (("nodes", manifest["nodes"]), ("sources", manifest["sources"])):
        for unique_id, node in nodes.items():
            if node["resource_type"] not in ("model", "seed", "source"):
                continue
            catalog[kind][unique_id] = {
                "unique_id": unique_id,
                "metadata": {
                    "type": node["config"].get("materialized", "parquet"),
                    "schema": node["schema"],
                    "name": node["name"],
                    "database": node["database"],
                    "comment": None,
                    "owner": None,
                },
                "columns": {
                    name: {
                        "type": column.get("data_type") or "",
                        "index": place,
                        "name": name,
                        "comment": None,
                    }
                    for place, (name, column) in enumerate(node["columns"].items(), 1)
                },
                "stats": {},
            }


def _tidy(manifest: dict[str, Any]) -> None:
    for node in [*manifest["nodes"].values(), *manifest["sources"].values()]:
        node["meta"] = {
            name: value for name, value in (node.get("meta") or {}).items() if name in _SHOWN_META
        }


def _add_cards(manifest: dict[str, Any]) -> None:
    """Show the cards of indicators with the tables that hold them: the search finds them there."""
    for node in manifest["nodes"].values():
        if node["resource_type"] == "model" and (cards := described(node["name"])):
            node["description"] = f"{node['description']}\n\n{cards}"
