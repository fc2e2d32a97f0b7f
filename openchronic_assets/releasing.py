"""Preparing the candidate of indicators: the base's counts, given to the anonymisation library."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from openchronic_assets.anonymisation.indicator_release import prepare_indicators
from openchronic_assets.errors import UsageError
from openchronic_assets.indicators.released import read_base
from openchronic_assets.indicators.released_flows import read_flows
from openchronic_assets.indicators.spread import spread
from openchronic_assets.ingestion.deliveries import behind
from openchronic_assets.settings import Home
from openchronic_assets.warehouse.builds import read_manifest


def prepare_indicator_candidate(
    home: Home, indicators: Iterable[str] | None = None, years: Iterable[int] | None = None
) -> dict[str, Any]:
    """Prepare the candidate of public indicators from the current build.

    Args:
        home: the zones.
        indicators: names; all that may leave when not given.
        years: care years; all of the build when not given.

    Raises:
        UsageError: no build is published.
        Refused: nothing may leave, or the gate refused.
    """
    current = read_manifest(home)
    if current is None:
        raise UsageError("no build is published: materialise the marts first")
    base = read_base(home.catalogue, indicators, years)
    flows = read_flows(home.catalogue, base.territories, base.years)
    return prepare_indicators(
        home, base.territories, base.tables, base.cards, current["build_id"], behind(home),
        spread=spread, pathways=flows.pathways, care=flows.care,
    )  # fmt: skip
