"""The atlas as an asset: built again when releases changed."""

import dagster as dg

from openchronic_assets import progress
from openchronic_assets.errors import OpenChronicError
from openchronic_assets.publication.atlas import build_atlas
from openchronic_assets.settings import home

ATLAS = dg.AssetKey(["publication", "atlas"])
INDICATORS = dg.AssetKey(["release", "indicator_public"])


@dg.asset(
    key=ATLAS,
    deps=[INDICATORS],
    group_name="publication",
    description="Atlas des maladies chroniques : site statique lu par le public, construit à "
    "partir de la dernière publication d'indicateurs de `release/`, et d'elle seule. S'ouvre sans "
    "internet ; les cases masquées y sont hachurées, jamais à zéro.",
    kinds={"html", "javascript"},
)
def atlas() -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Build the site from the newest release of indicators."""
    try:
        built = build_atlas(home(), progress=progress.report)
    except OpenChronicError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from None
    return dg.MaterializeResult(
        metadata={
            "version": built.version,
            "indicators": built.indicators,
            "cells": built.cells,
            "suppressed": built.suppressed,
            "bytes": built.size,
            "notes": dg.MetadataValue.md("\n".join(f"- {note}" for note in built.notes) or "–"),
            "path": dg.MetadataValue.path(str(built.folder / "index.html")),
        }
    )
