"""Everything that Dagster shows and runs."""

import warnings

import dagster as dg

# Beta and preview notices of Dagster are for its authors, not for the people who read our logs.
for _category in (dg.BetaWarning, dg.PreviewWarning, dg.SupersessionWarning):
    warnings.filterwarnings("ignore", category=_category)

from dagster_pyspark import LazyPySparkResource  # noqa: E402  (after the filters)

from openchronic_assets.analytics.assets import practice, risk_models  # noqa: E402
from openchronic_assets.anonymisation.assets import (  # noqa: E402
    indicator_release,
    public_indicators,
    public_patients,
    release,
)
from openchronic_assets.ingestion.assets import raw_tables  # noqa: E402
from openchronic_assets.ingestion.launcher import SparkLauncher  # noqa: E402
from openchronic_assets.ingestion.sensors import delivery_sensor  # noqa: E402
from openchronic_assets.ingestion.spark import configuration, launch  # noqa: E402
from openchronic_assets.operations.sensors import deliveries_to_look_at, failed_runs  # noqa: E402
from openchronic_assets.publication.assets import atlas  # noqa: E402
from openchronic_assets.reports.assets import run_reports  # noqa: E402
from openchronic_assets.warehouse.assets import warehouse  # noqa: E402
from openchronic_assets.warehouse.sensors import stale_sensor  # noqa: E402

ingest_deliveries = dg.define_asset_job(
    "ingest_deliveries",
    selection=dg.AssetSelection.assets(raw_tables),
    description="Amener les tables brutes à l'état de la zone d'arrivée.",
)
refresh_years = dg.define_asset_job(
    "refresh_years",
    selection=dg.AssetSelection.assets(raw_tables, warehouse, run_reports, public_patients),
    description="Le traitement principal : tables brutes, modèles, rapports de livraison, candidat "
    "à la diffusion, pour une suite d'années de soins.",
)
release_indicators = dg.define_asset_job(
    "release_indicators",
    selection=dg.AssetSelection.assets(public_indicators),
    description="Le candidat des indicateurs publics, à partir du build courant.",
)
analyse = dg.define_asset_job(
    "analyse",
    selection=dg.AssetSelection.groups("analytics"),
    description="Les analyses du build courant : modèles, scores, rapports de l'espace sécurisé.",
)

pyspark = LazyPySparkResource(spark_config=configuration())

defs = dg.Definitions(
    assets=[
        raw_tables,
        warehouse,
        run_reports,
        public_patients,
        release,
        public_indicators,
        indicator_release,
        atlas,
        risk_models,
        practice,
    ],
    jobs=[ingest_deliveries, refresh_years, release_indicators, analyse],
    sensors=[
        delivery_sensor(ingest_deliveries),
        stale_sensor(refresh_years),
        failed_runs,
        deliveries_to_look_at,
    ],
    resources={
        "pyspark": pyspark,
        "launcher": SparkLauncher(mode=launch(), pyspark=pyspark),
    },
    # One process: one import, one JVM. A multiprocess run pays both again at each step.
    executor=dg.in_process_executor,
)
