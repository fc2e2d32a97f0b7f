"""The documentation of the tables: one HTML file, readable without internet."""

from __future__ import annotations

import shutil
from pathlib import Path

from openchronic_assets.errors import OpenChronicError
from openchronic_assets.settings import Home
from openchronic_assets.warehouse.run import quiet_arguments, quiet_environment


def build_docs(home: Home) -> Path:
    """Write dbt's documentation of the project to ``exports/docs/index.html`` and return it.

    Models, columns, tests and their lineage, from the descriptions that live beside the models.

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
        outcome = dbtRunner().invoke(
            ["docs", "generate", "--static", "--empty-catalog", *arguments]
        )
    page = folder / "target" / "static_index.html"
    if not outcome.success or not page.is_file():
        raise OpenChronicError(
            "dbt could not build the documentation: run openchronic run once, then try again"
        )
    target = home.exports / "docs"
    target.mkdir(parents=True, exist_ok=True)
    index = target / "index.html"
    aside = target / ".index.html"
    shutil.copyfile(page, aside)
    aside.replace(index)
    shutil.rmtree(folder, ignore_errors=True)
    return index
