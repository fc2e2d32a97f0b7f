"""Alerts as Dagster sensors: one on failed runs, one on the state of the deliveries."""

from __future__ import annotations

import json

import dagster as dg

from openchronic_assets.operations import alerts
from openchronic_assets.settings import home

_NOBODY = "nobody is to be told: dagster/alerts.yaml is not there"


@dg.run_failure_sensor(
    name="failed_runs",
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
    description="Prévient par courriel ou webhook de chaque run en échec (dagster/alerts.yaml).",
)
def failed_runs(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
    """Tell of a failed run."""
    settings = alerts.load(home())
    if settings is None:
        return dg.SkipReason(_NOBODY)
    run = context.dagster_run
    steps = [event.step_key for event in context.get_step_failure_events() if event.step_key]
    alerts.send(settings, alerts.failed_run(run.job_name, run.run_id, steps))
    return None


@dg.sensor(
    name="deliveries_to_look_at",
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=600,
    description="Prévient d'une livraison en retard, de refus nombreux ou d'un volume inhabituel.",
)
def deliveries_to_look_at(
    context: dg.SensorEvaluationContext,
) -> dg.SensorResult | dg.SkipReason:
    """Tell once of each thing that is new since the last look."""
    settings = alerts.load(home())
    if settings is None:
        return dg.SkipReason(_NOBODY)
    told = set(json.loads(context.cursor or "[]"))
    every = list(alerts.found(home(), settings))
    new = [each for each in every if each.key not in told]
    for each in new:
        alerts.send(settings, each)
    if not new:
        return dg.SkipReason("nothing new to tell")
    # A late delivery is told again when another one is late.
    return dg.SensorResult(cursor=json.dumps(sorted(each.key for each in every)))
