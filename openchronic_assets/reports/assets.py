"""The run reports as an asset: written at each ingestion, completed once the models are built."""

import dagster as dg
import duckdb

from openchronic_assets import documents, progress
from openchronic_assets.errors import OpenChronicError
from openchronic_assets.partitions import yearly
from openchronic_assets.reports.page import complete
from openchronic_assets.settings import home

REPORTS = dg.AssetKey(["lake", "reports"])


@dg.multi_asset(
    name="run_reports",
    specs=[
        dg.AssetSpec(
            REPORTS,
            deps=[dg.AssetKey("quality_rule_effect")],
            group_name="reports",
            description="Une page HTML par livraison : ce qui est arrivé, ce qui a été refusé, ce "
            "qui a changé, et ce que chaque règle de qualité retire des tables construites avec.",
            kinds={"html"},
            metadata=documents.run_reports(),
        )
    ],
    partitions_def=yearly(),
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="dbt",
)
def run_reports(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Write the reports of the newest deliveries again, with the quality rules of this build."""
    place = home()
    written = []
    try:
        written = complete(place, progress.report)
    except (OpenChronicError, duckdb.Error, OSError) as error:
        # Data are sound without a page; the engine's text may hold a value, its class does not.
        context.log.warning(
            f"run reports: {type(error).__name__}; the tables are built, write the pages with: "
            "openchronic report"
        )
    return dg.MaterializeResult(
        asset_key=REPORTS,
        metadata={
            "reports": len(written),
            "path": dg.MetadataValue.path(str(place.reports)),
        },
    )
