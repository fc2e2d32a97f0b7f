"""A delivery that becomes complete starts its own ingestion."""

from __future__ import annotations

import json
from typing import Any

import dagster as dg

from openchronic_assets.ingestion.landing import is_in_lake, landed
from openchronic_assets.instance import end_killed_runs, end_lost_launches
from openchronic_assets.partitions import yearly
from openchronic_assets.settings import home

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


def delivery_sensor(job: Any) -> dg.SensorDefinition:
    """Return the sensor of the landing zone, which asks for one run a complete delivery.

    A delivery is complete once its ``_SUCCESS`` marker is there. The run key is the delivery and
    its marker's time: asked twice, or with a lost cursor, Dagster starts it once.
    """

    @dg.sensor(
        name="complete_deliveries",
        job=job,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts the ingestion of each delivery whose _SUCCESS marker has appeared.",
    )
    def complete_deliveries(
        context: dg.SensorEvaluationContext,
    ) -> dg.SensorResult | dg.SkipReason:
        end_killed_runs(home(), context.instance)
        end_lost_launches(context.instance)
        seen: dict[str, int] = json.loads(context.cursor or "{}")
        every = landed(home())
        new = [
            each
            for each in every
            if each.complete
            and seen.get(each.name) != each.stamp
            and not is_in_lake(home(), each.folder)
        ]
        waiting = [each.name for each in every if not each.complete]
        if not new:
            return dg.SkipReason(
                f"no new complete delivery; waiting for _SUCCESS: {', '.join(waiting) or 'none'}"
            )
        known = yearly().get_partition_keys()
        requests = []
        for each in new:
            years = [str(year) for year in each.years() if str(year) in known] or known[-1:]
            requests.append(
                dg.RunRequest(
                    run_key=f"{each.name}:{each.stamp}",
                    tags={RANGE_START: years[0], RANGE_END: years[-1], "delivery": each.name},
                )
            )
        cursor = {each.name: each.stamp for each in every if each.complete}
        return dg.SensorResult(run_requests=requests, cursor=json.dumps(cursor, sort_keys=True))

    return complete_deliveries
