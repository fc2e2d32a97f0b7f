"""A part of the dbt project: some models and all that they are made from.

What the store does (plan, write, resume, publish, carry over) is the same whatever the models, so
its tests, and the faults that are tried on it, build a part of the real project instead of all.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from openchronic_assets.settings import Home
from openchronic_assets.warehouse import project

_REF = re.compile(r"""\bref\(\s*['"](\w+)['"]\s*\)""")


def write_part(folder: Path, wanted: Iterable[str]) -> Path:
    """Write the part of the project that makes the wanted models, and return its folder.

    Data tests and unit tests of kept models are kept where all that they name is kept.
    """
    whole = project.project_dir()
    manifest = project.parsed(Home(folder.with_name("whole")), "duckdb")
    kept: set[str] = set()
    raw: set[str] = set()
    paths: dict[str, Path] = {}
    todo = [f"model.openchronic.{name}" for name in wanted]
    while todo:
        unique_id = todo.pop()
        if unique_id in manifest.sources:
            raw.add(manifest.sources[unique_id].name)
        node = manifest.nodes.get(unique_id)
        if node is not None and node.resource_type == "model" and node.name not in kept:
            kept.add(node.name)
            paths[node.name] = whole / node.original_file_path
            todo += node.depends_on.nodes
    seeds = {path.stem for path in (whole / "seeds").glob("*.csv")}
    shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("target", "logs", "models"))
    for name in kept:
        path = folder / paths[name].relative_to(whole)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(paths[name], path)
    for path in (whole / "models").rglob("*.y*ml"):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        for source in document.get("sources", []):
            source["tables"] = [table for table in source["tables"] if table["name"] in raw]
        if _keep(document, kept, kept | seeds):
            copy = folder / path.relative_to(whole)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    return folder


def _keep(document: dict[str, Any], kept: set[str], known: set[str]) -> bool:
    """Leave in a document what speaks of kept models; say whether anything is left."""
    if "models" in document:
        document["models"] = [model for model in document["models"] if model["name"] in kept]
        for model in document["models"]:
            for described in [model, *model.get("columns", [])]:
                if "data_tests" in described:
                    described["data_tests"] = [
                        test for test in described["data_tests"] if _names(test) <= known
                    ]
    if "unit_tests" in document:
        document["unit_tests"] = [
            test for test in document["unit_tests"] if {test["model"]} | _names(test) <= known
        ]
    return any(document.get(key) for key in ("models", "unit_tests", "sources"))


def _names(test: Any) -> set[str]:
    """Return the models and seeds that a test names, those that its macro names included."""
    text = yaml.safe_dump(test)
    found = set(_REF.findall(text.replace("''", "'")))
    for macro in (project.project_dir() / "macros" / "tests").glob("*.sql"):
        if macro.stem in text:
            found |= set(_REF.findall(macro.read_text(encoding="utf-8")))
    return found
