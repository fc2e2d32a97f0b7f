"""The raw tables as Dagster assets: one multi-asset that brings the lake up to the landing zone."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from openchronic_assets import documents
from openchronic_assets.contracts import Table, load, tables
from openchronic_assets.errors import OpenChronicError
from openchronic_assets.ingestion import deliveries
from openchronic_assets.ingestion.balance import Balance, balances
from openchronic_assets.ingestion.launcher import SparkLauncher
from openchronic_assets.ingestion.report import decimal_text
from openchronic_assets.partitions import yearly
from openchronic_assets.settings import home

# People look for a table by its product; products that are looked at together are one group.
GROUPS = {
    "DCIR": "raw_dcir",
    "BENEFICIAIRE": "raw_referentials",
    "REFERENTIALS": "raw_referentials",
    "IDENTITY": "raw_referentials",
    "PMSI_MCO": "raw_pmsi_mco",
    "PMSI_SSR": "raw_pmsi_ssr",
    "PMSI_HAD": "raw_pmsi_had",
    "PMSI_RIMP": "raw_pmsi_rimp",
    "CEPIDC": "raw_causes_of_death",
    "CARTOGRAPHIE": "raw_cartographie",
    "DAMIR": "raw_damir",
    "OPEN_DATA": "raw_open_data",
}


def key(table: Table) -> dg.AssetKey:
    """Return the asset key of a raw table: ``lake/er_prs_f``."""
    return dg.AssetKey(["lake", table.raw_name])


def _spec(table: Table) -> dg.AssetSpec:
    columns = [
        dg.TableColumn(column.lake_name, column.lake_type.lower(), description=column.description)
        for column in table.columns
        if column.is_loaded
    ]
    return dg.AssetSpec(
        key(table),
        group_name=GROUPS[table.product],
        description=f"{table.name} telle que livrée : typée, pseudonymisée, chaque ligne avec sa "
        f"provenance. Grain : {table.grain}.",
        kinds={"spark", "parquet"},
        metadata={
            "dagster/column_schema": dg.TableSchema(columns),
            "product": table.product,
            **documents.dictionary(table.name),
            **documents.run_reports(),
        },
    )


def _check(table: Table) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        "balance",
        asset=key(table),
        blocking=True,
        description="Lignes lues = gardées + mises en quarantaine, et chaque montant au centime, "
        "relus sur le disque.",
    )


@dg.multi_asset(
    name="raw_tables",
    specs=[_spec(load(name)) for name in tables()],
    check_specs=[_check(load(name)) for name in tables()],
    can_subset=True,
    partitions_def=yearly(),
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="spark",
)
def raw_tables(
    context: dg.AssetExecutionContext, launcher: SparkLauncher
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """Ingest the complete deliveries of ``landing/`` that the lake does not have yet.

    Whatever the years of the run, a delivery is ingested whole: what it holds of other years makes
    them stale, and the second sensor asks for them.
    """
    place = home()
    try:
        taken = launcher.take_in(context, place)
    except OpenChronicError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from None
    for message in taken.errors:
        context.log.error(message)
    for message in taken.messages:
        context.log.warning(message)
    every = deliveries.records(place)
    for name, counted in balances(place, every).items():
        asset = key(load(name))
        # Every table asked for answers, an empty one too: a backfill counts what does not.
        if asset in context.selected_asset_keys:
            yield dg.MaterializeResult(
                asset_key=asset,
                metadata=_metadata(counted)
                | {
                    "path": dg.MetadataValue.path(str(place.raw / asset.path[-1])),
                    "deliveries": len(every),
                },
            )
        # What nobody delivered has nothing to balance, unless models wait for the check. After a
        # Pipes session, Dagster takes a check without a verdict for a fault of the asset.
        if not counted.files and launcher.mode == "local" and not _is_read(context, asset):
            continue
        if dg.AssetCheckKey(asset, "balance") in context.selected_asset_check_keys:
            yield dg.AssetCheckResult(
                asset_key=asset,
                check_name="balance",
                passed=counted.holds,
                metadata=_metadata(counted) | {"wrong": list(counted.wrong)},
            )
    if taken.failure is not None:
        raise dg.Failure(description=taken.failure, allow_retries=False)


def _is_read(context: dg.AssetExecutionContext, asset: dg.AssetKey) -> bool:
    """Whether some asset is made from it, and waits for its check."""
    graph = context.job_def.asset_layer.asset_graph
    return not graph.has(asset) or bool(graph.get(asset).child_keys)


def _metadata(counted: Balance) -> dict[str, Any]:
    return {
        "dagster/row_count": counted.kept,
        "files": counted.files,
        "lines_read": counted.read,
        "lines_quarantined": counted.quarantined,
        "reasons": counted.reasons,
        "rows_by_year": counted.years,
        "amounts": {
            name: {
                "read": decimal_text(amount.read),
                "kept": decimal_text(amount.kept),
                "quarantined": decimal_text(amount.quarantined),
                "unreadable": amount.unreadable,
            }
            for name, amount in counted.amounts.items()
        },
    }
