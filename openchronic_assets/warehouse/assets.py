"""The dbt models as Dagster assets, and their tests as asset checks."""

import os
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, dbt_assets

from openchronic_assets import documents, progress
from openchronic_assets.errors import OpenChronicError, UsageError
from openchronic_assets.partitions import yearly
from openchronic_assets.settings import Home, home
from openchronic_assets.warehouse.builds import collect, files, read_manifest
from openchronic_assets.warehouse.project import parsed
from openchronic_assets.warehouse.rows import rows_of
from openchronic_assets.warehouse.run import build

TARGET_VARIABLE = "OPENCHRONIC_TARGET"


class Translator(DagsterDbtTranslator):
    """Names and groups of the models in the asset graph: the folder is the group."""

    def __init__(self) -> None:
        super().__init__(DagsterDbtTranslatorSettings(enable_asset_checks=True))

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """Return ``staging``, ``intermediate``, ``marts`` or ``reference_lists``."""
        folders = dbt_resource_props["fqn"][1:-1]
        return folders[0] if folders else "reference_lists"

    def get_metadata(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what dbt says of the model, and the link to its page of the dictionary."""
        said = super().get_metadata(dbt_resource_props)
        return {**said, **documents.dictionary(dbt_resource_props["name"])}

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """Return the model's own words and the cards of its indicators; its SQL is in the tree."""
        # Late: the room of indicators reads the dbt project through this one.
        from openchronic_assets.indicators.cards import described

        said = str(dbt_resource_props.get("description") or "")
        return "\n\n".join(filter(None, (said, described(dbt_resource_props["name"]))))


def manifest(place: Home) -> dict[str, Any]:
    """Return dbt's manifest of the models as Dagster reads it."""
    place.create()
    document: dict[str, Any] = parsed(place, "duckdb").writable_manifest().to_dict()
    return document


@dbt_assets(
    name="warehouse",
    manifest=manifest(home()),
    dagster_dbt_translator=Translator(),
    partitions_def=yearly(),
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="dbt",
)
def warehouse(context: dg.AssetExecutionContext) -> Iterator[Any]:
    """Build the models of the run's years in one call of dbt, test them, publish one build."""
    place = home()
    years = [int(key) for key in context.partition_keys]
    verdicts: dict[str, str] = {}
    total = len(context.selected_asset_keys) + len(context.selected_asset_check_keys)

    def heard(event: dict[str, Any]) -> None:
        verdicts[event["node"]] = event["status"]
        progress.report("models and tests", len(verdicts), max(total, len(verdicts)))
        context.log.info(f"{event['type']} {event['node']}: {event['status']}")

    failure: OpenChronicError | None = None
    summary: dict[str, Any] = {}
    try:
        summary = build(place, years, target=target(), on_event=heard)
    except OpenChronicError as error:
        failure = error
    if failure is None:
        for old in collect(place):
            context.log.info(f"build {old} was superseded for its days of grace: removed")
        # Dagster wants parents before children.
        order = TopologicalSorter(context.assets_def.asset_deps).static_order()
        for key in (key for key in order if key in context.selected_asset_keys):
            yield dg.MaterializeResult(asset_key=key, metadata=_metadata(place, key, summary))
    for check in sorted(context.selected_asset_check_keys):
        status = verdicts.get(check.name, "pass" if failure is None else "skipped")
        if failure is None or check.name in verdicts:
            yield dg.AssetCheckResult(
                asset_key=check.asset_key,
                check_name=check.name,
                passed=status in ("pass", "success"),
                metadata={"status": status, "build": summary.get("build_id", "not published")},
            )
    if failure is not None:
        raise dg.Failure(description=str(failure), allow_retries=False)


def target() -> str:
    """Return the engine of the models: ``OPENCHRONIC_TARGET``, ``duckdb`` without it.

    Raises:
        UsageError: it names no engine.
    """
    chosen = os.environ.get(TARGET_VARIABLE, "duckdb")
    if chosen not in ("duckdb", "spark"):
        raise UsageError(f"{TARGET_VARIABLE} is duckdb or spark, not {chosen}")
    return chosen


def _metadata(place: Home, key: dg.AssetKey, summary: dict[str, Any]) -> dict[str, Any]:
    current = read_manifest(place) or {"models": {}}
    name = key.path[-1]
    metadata: dict[str, Any] = {"build": summary["build_id"]}
    entry = current["models"].get(name)
    if entry is None:
        return metadata
    by_year = {
        year or "all": rows_of(files(place, name, int(year) if year else None))
        for year in (entry["years"] if entry["kind"] == "yearly" else [""])
    }
    return metadata | {
        "dagster/row_count": sum(by_year.values()),
        "rows_by_year": by_year,
        "kind": entry["kind"],
        "path": dg.MetadataValue.path(str(place.builds / summary["build_id"] / name)),
    }
