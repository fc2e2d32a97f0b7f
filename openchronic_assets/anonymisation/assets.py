"""Public releases as assets: protected, gated, candidates until two people approve."""

import dagster as dg

from openchronic_assets import documents, progress
from openchronic_assets.anonymisation.approvals import producing
from openchronic_assets.anonymisation.release import prepare_candidate
from openchronic_assets.errors import Refused
from openchronic_assets.ingestion.deliveries import behind
from openchronic_assets.partitions import yearly
from openchronic_assets.settings import home
from openchronic_assets.warehouse.builds import files, read_manifest
from openchronic_assets.warehouse.rows import rows_of

CANDIDATE = dg.AssetKey(["candidate", "patient_candidate"])
RELEASE = dg.AssetKey(["release", "patient_public"])
INDICATOR_CANDIDATE = dg.AssetKey(["candidate", "indicator_candidate"])
INDICATOR_RELEASE = dg.AssetKey(["release", "indicator_public"])

release = dg.AssetSpec(
    RELEASE,
    deps=[CANDIDATE],
    group_name="release",
    description="La table que tout le monde peut lire ; `openchronic release publish` y porte un "
    "candidat que deux personnes approuvent.",
    kinds={"parquet", "csv"},
    metadata=documents.releases(),
)


@dg.multi_asset(
    name="public_patients",
    specs=[
        dg.AssetSpec(
            CANDIDATE,
            deps=[dg.AssetKey("patient")],
            group_name="release",
            description="Une ligne par patient, généralisée le long de hiérarchies jusqu'à "
            "k = 12 ; ici seulement si le contrôle de sortie a accepté les fichiers écrits.",
            kinds={"parquet", "csv"},
        )
    ],
    check_specs=[
        dg.AssetCheckSpec(
            "gate",
            asset=CANDIDATE,
            blocking=True,
            description="k recompté sur les fichiers écrits par une seconde implémentation, "
            "colonnes et valeurs permises seulement ; au moindre doute, refus.",
        )
    ],
    partitions_def=yearly(),
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="dbt",
)
def public_patients(context: dg.AssetExecutionContext):  # type: ignore[no-untyped-def]
    """Prepare the candidate release of the current build."""
    place = home()
    current = read_manifest(place)
    if current is None:
        raise dg.Failure(description="no build is published: materialise the marts first")
    # The last year in which anybody was cared for: a year built empty dates nothing.
    years = [
        int(year)
        for year in current["models"]["care_event"]["years"]
        if rows_of(files(place, "care_event", int(year)))
    ] or [int(max(context.partition_keys))]
    progress.report("anonymisation", 0, 1)
    try:
        with producing():
            report = prepare_candidate(
                place,
                files(place, "patient"),
                max(years),
                current["build_id"],
                behind(place),
                person_files=files(place, "person"),
                event_files=files(place, "care_event", max(years)),
            )
    except Refused as error:
        yield dg.AssetCheckResult(
            asset_key=CANDIDATE, check_name="gate", passed=False, metadata={"why": str(error)}
        )
        raise dg.Failure(description=str(error), allow_retries=False) from None
    progress.report("anonymisation", 1, 1)
    table = report["tables"][0]
    yield dg.MaterializeResult(
        asset_key=CANDIDATE,
        metadata={
            "dagster/row_count": table["rows"],
            "version": report["version"],
            "k": table["k"],
            "loss": table["loss"],
            "suppressed": table["suppressed"],
            "maximum_risk": table["max_risk"],
            "cells": table["cells"],
        },
    )
    yield dg.AssetCheckResult(
        asset_key=CANDIDATE,
        check_name="gate",
        passed=all(check["passed"] for check in report["checks"]),
        metadata={check["name"]: check["passed"] for check in report["checks"]},
    )


indicator_release = dg.AssetSpec(
    INDICATOR_RELEASE,
    deps=[INDICATOR_CANDIDATE],
    group_name="release",
    description="Les indicateurs que tout le monde peut lire et dont l'atlas est fait ; "
    "`openchronic release publish` y porte un candidat que deux personnes approuvent.",
    kinds={"csv"},
    metadata=documents.releases(),
)


@dg.multi_asset(
    name="public_indicators",
    specs=[
        dg.AssetSpec(
            INDICATOR_CANDIDATE,
            deps=[dg.AssetKey("indicator")],
            group_name="release",
            description="Les indicateurs par territoire, sexe et âge, cellules de moins de 11 "
            "personnes masquées avec celles qui les trahiraient ; ici seulement si le contrôle "
            "de sortie a accepté les fichiers écrits.",
            kinds={"csv"},
        )
    ],
    check_specs=[
        dg.AssetCheckSpec(
            "gate",
            asset=INDICATOR_CANDIDATE,
            blocking=True,
            description="Seuils, statistiques inversées, intervalles de l'attaquant et "
            "différences avec les autres diffusions, recalculés sur les fichiers écrits.",
        )
    ],
)
def public_indicators(context: dg.AssetExecutionContext):  # type: ignore[no-untyped-def]
    """Prepare the candidate of indicators of the current build."""
    from openchronic_assets.releasing import prepare_indicator_candidate

    try:
        with producing():
            report = prepare_indicator_candidate(home())
    except Refused as error:
        yield dg.AssetCheckResult(
            asset_key=INDICATOR_CANDIDATE,
            check_name="gate",
            passed=False,
            metadata={"why": str(error)},
        )
        raise dg.Failure(description=str(error), allow_retries=False) from None
    cells = report["cells"]
    yield dg.MaterializeResult(
        asset_key=INDICATOR_CANDIDATE,
        metadata={
            "dagster/row_count": cells["shown"],
            "version": report["version"],
            "indicators": len(report["indicators"]),
            "hidden": cells["hidden"],
            "hidden_share": cells["hidden_share"],
        },
    )
    yield dg.AssetCheckResult(
        asset_key=INDICATOR_CANDIDATE,
        check_name="gate",
        passed=all(check["passed"] for check in report["checks"]),
        metadata={check["name"]: check["passed"] for check in report["checks"]},
    )
