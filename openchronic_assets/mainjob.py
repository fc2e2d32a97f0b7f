"""The main job as one call: raw tables, models and candidate release, recorded by Dagster."""

from __future__ import annotations

from typing import Any

from openchronic_assets import instance
from openchronic_assets.errors import OpenChronicError, Refused
from openchronic_assets.ingestion.sensors import RANGE_END, RANGE_START
from openchronic_assets.settings import Home


def refresh(home: Home, years: list[int]) -> dict[str, Any]:
    """Run the job ``refresh_years`` for a range of care years in this process.

    The run, its checks and its metadata are those of the Dagster instance of the home: the UI
    shows them like any other run.

    Returns:
        ``run_id`` and ``checks``: the verdict of every asset check.

    Raises:
        Refused: a blocking check or the release gate refused.
        OpenChronicError: a step failed; its message says which and what to do.
    """
    instance.prepare(home)
    import dagster as dg

    from openchronic_assets.definitions import defs

    job = defs.resolve_job_def("refresh_years")
    with instance.command_run(home), dg.DagsterInstance.get() as running:
        instance.end_killed_runs(home, running, alone=True)
        result = job.execute_in_process(
            instance=running,
            raise_on_error=False,
            # The events are in the instance; the terminal shows progress and the outcome.
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            tags={RANGE_START: str(years[0]), RANGE_END: str(years[-1]), **instance.LAUNCHED_BY},
        )
        evaluations = result.get_asset_check_evaluations()
        checks = [
            {
                "asset": "/".join(each.asset_key.path),
                "check": each.check_name,
                "passed": each.passed,
            }
            for each in evaluations
        ]
        if not result.success:
            refused = [each for each in checks if not each["passed"]]
            said = _why(result)
            if refused:
                names = ", ".join(f"{each['asset']}: {each['check']}" for each in refused[:5])
                raise Refused(f"{said} (checks that refused: {names}; run {result.run_id})")
            raise OpenChronicError(f"{said} (run {result.run_id})")
    return {"run_id": result.run_id, "checks": checks}


def _why(result: Any) -> str:
    """Return the description of the first failed step; an unforeseen error gives its class."""
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            if data.user_failure_data and data.user_failure_data.description:
                return str(data.user_failure_data.description)
            error = data.error.cause or data.error
            return f"step {event.step_key} failed with {error.cls_name}"
    return "the run failed before its first step"
