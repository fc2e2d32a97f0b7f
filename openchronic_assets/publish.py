"""Publishing a candidate: the library's decision, told to the asset graph."""

from __future__ import annotations

from typing import Any

from openchronic_assets import instance
from openchronic_assets.anonymisation.indicator_release import VERSION, publish_indicators
from openchronic_assets.anonymisation.release import publish
from openchronic_assets.settings import Home


def publish_release(
    home: Home, version: str, approvers: list[str], purpose: str | None = None
) -> dict[str, Any]:
    """Publish a candidate and record the release in the home's Dagster instance.

    Raises:
        UsageError: there is no such candidate.
        Refused: the approvers, the files or the gate do not allow it.
    """
    if VERSION.fullmatch(version):
        return _publish_indicators(home, version, approvers, purpose)
    report = publish(home, version, approvers, purpose=purpose)
    instance.prepare(home)
    import dagster as dg

    from openchronic_assets.anonymisation.assets import RELEASE

    table = report["tables"][0]
    with dg.DagsterInstance.get() as running:
        running.report_runless_asset_event(
            dg.AssetMaterialization(
                RELEASE,
                metadata={
                    "version": version,
                    "purpose": report["purpose"],
                    "dagster/row_count": table["rows"],
                    "k": table["k"],
                    "path": dg.MetadataValue.path(str(home.release / version)),
                },
            )
        )
    return report


def _publish_indicators(
    home: Home, version: str, approvers: list[str], purpose: str | None
) -> dict[str, Any]:
    report = publish_indicators(home, version, approvers, purpose=purpose)
    instance.prepare(home)
    import dagster as dg

    from openchronic_assets.anonymisation.assets import INDICATOR_RELEASE

    with dg.DagsterInstance.get() as running:
        running.report_runless_asset_event(
            dg.AssetMaterialization(
                INDICATOR_RELEASE,
                metadata={
                    "version": version,
                    "purpose": report["purpose"],
                    "dagster/row_count": report["cells"]["shown"],
                    "hidden_share": report["cells"]["hidden_share"],
                    "path": dg.MetadataValue.path(str(home.release / version)),
                },
            )
        )
    return report
