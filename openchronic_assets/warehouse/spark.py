"""The Spark session in which dbt's ``session`` method runs the models.

dbt-spark takes whatever session the process has, so it is made here first: no Hive metastore (its
embedded Derby lets one process in), no web page, nothing listening beyond this machine. The
database ``main`` is made anew for each build, in the build's scratch folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from openchronic_assets.ingestion.spark import master
from openchronic_assets.ingestion.spark import session as ingestion_session
from openchronic_assets.slices import Part
from openchronic_assets.warehouse.builds import Plan
from openchronic_assets.warehouse.inputs import flux_cutoff
from openchronic_assets.warehouse.panel import PEOPLE
from openchronic_assets.warehouse.raw import spark_path, spark_statements

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def session(plan: Plan) -> SparkSession:
    """Return the process's Spark session, set for the models.

    Raises:
        OpenChronicError: Java is missing.
    """
    spark = ingestion_session()
    # Its errors may quote rows, and it prints them: those of a model reach people through dbt's
    # result, scrubbed.
    spark.sparkContext.setLogLevel("OFF")
    settings = {
        "spark.sql.parquet.compression.codec": "zstd",
        "spark.sql.session.timeZone": "UTC",
    }
    if master().startswith("local"):  # a cluster's operator knows how many there should be
        settings["spark.sql.shuffle.partitions"] = str(max(plan.threads, 2))
    for name, value in settings.items():
        spark.conf.set(name, value)
    return spark


def prepare_session(
    plan: Plan,
    raw: Mapping[str, Sequence[Part]],
    rows: Sequence[tuple[str, int | None, str, str]],
    carried: Mapping[str, Sequence[str]],
) -> None:
    """Register raw tables, the plan and the models taken over, in the session's catalogue."""
    warehouse = plan.scratch / "warehouse"
    spark = session(plan)
    for name in ("main", "raw", "plan"):
        spark.sql(f"drop database if exists {name} cascade")
        spark.sql(f"create database {name} location '{_text(warehouse / name)}'")
    for table, parts in raw.items():
        for statement in spark_statements(table, parts):
            spark.sql(statement)
    values = ", ".join(
        f"('{model}', cast({'null' if year is None else year} as int), '{_text(path)}', '{state}')"
        for model, year, path, state in rows
    )
    spark.sql(
        f"create view plan.model_file as "
        f"select * from values {values} as t(model, year, path, state)"
    )
    month = flux_cutoff(plan.inputs)
    text = "cast(null as string)" if month is None else f"'{month}'"
    spark.sql(f"create view plan.flux as select {text} as flux_cutoff")
    if (people := plan.scratch / PEOPLE).is_file():
        spark.sql(
            f"create table plan.panel_person (person_id string) using parquet "
            f"options (path '{spark_path([people])}')"
        )
    for name, paths in carried.items():
        located = spark_path([Path(path) for path in paths])
        spark.sql(f"create table main.{name} using parquet options (path '{located}')")


def _text(path: Path | str) -> str:
    return str(path).replace("\\", "\\\\").replace("'", "\\'")
