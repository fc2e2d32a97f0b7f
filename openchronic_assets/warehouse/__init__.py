"""The store: dbt models as immutable Parquet, one pointer, a catalogue of views over one build.

``run.build`` does everything in process. What orchestrates dbt itself uses the same steps apart:
``builds.plan``, ``run.prepare``, ``run.dbt_arguments``, ``run.dbt_environment``,
``builds.publish``.
"""

from openchronic_assets.warehouse.builds import (
    Plan,
    collect,
    files,
    plan,
    publish,
    read_manifest,
)
from openchronic_assets.warehouse.catalogue import connect, ensure_catalogue
from openchronic_assets.warehouse.run import build, dbt_arguments, dbt_environment, prepare
from openchronic_assets.warehouse.staleness import stale_years

__all__ = [
    "Plan",
    "build",
    "collect",
    "connect",
    "dbt_arguments",
    "dbt_environment",
    "ensure_catalogue",
    "files",
    "plan",
    "prepare",
    "publish",
    "read_manifest",
    "stale_years",
]
