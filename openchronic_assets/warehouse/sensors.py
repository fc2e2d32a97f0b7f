"""Years that became stale ask for their own refresh."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import dagster as dg

from openchronic_assets.ingestion.sensors import RANGE_END, RANGE_START
from openchronic_assets.instance import end_killed_runs, end_lost_launches, unfinished
from openchronic_assets.partitions import yearly
from openchronic_assets.settings import home
from openchronic_assets.warehouse.staleness import stale_years


def ranges(years: list[int]) -> list[tuple[int, int]]:
    """Return the runs of consecutive years, each as (first, last)."""
    found: list[tuple[int, int]] = []
    for year in sorted(years):
        if found and found[-1][1] == year - 1:
            found[-1] = (found[-1][0], year)
        else:
            found.append((year, year))
    return found


def stale_sensor(job: Any) -> dg.SensorDefinition:
    """Return the sensor that asks for one run a range of stale years.

    The run key is a hash of what made the years stale: a run that failed is not asked for again
    until something changed, and nothing is asked for twice. While a run is going on nothing is
    asked for: it may well be refreshing those years.
    """

    @dg.sensor(
        name="stale_years",
        job=job,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Refreshes the years whose models would read other data today.",
    )
    def stale(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        end_killed_runs(home(), context.instance)
        end_lost_launches(context.instance)
        if going_on := len(unfinished(context.instance)):
            return dg.SkipReason(f"{going_on} runs are queued or going on: asked again after them")
        found = stale_years(home())
        known = set(yearly().get_partition_keys())
        inside = [year for year in found if str(year) in known]
        outside = [str(year) for year in found if str(year) not in known]
        if not inside:
            said = f"; outside the platform's years: {', '.join(outside)}" if outside else ""
            return dg.SkipReason(f"every year is up to date{said}")
        deliveries = sorted(path.stem for path in home().deliveries.glob("*.json"))
        state = json.dumps([deliveries, {str(year): found[year] for year in inside}])
        mark = hashlib.sha256(state.encode()).hexdigest()[:16]
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(
                    run_key=f"{first}-{last}:{mark}",
                    tags={
                        RANGE_START: str(first),
                        RANGE_END: str(last),
                        "reason": "; ".join(found[first])[:200],
                    },
                )
                for first, last in ranges(inside)
            ]
        )

    return stale
