"""The embedded Dagster instance: its settings, written once in ``<home>/dagster``."""

from __future__ import annotations

import os
from pathlib import Path

from openchronic_assets.settings import HOME_VARIABLE, Home

# Pools of one: one JVM, one build at a time. Without run monitoring a run that is cancelled keeps
# its slot for ever (dagster-io/dagster#28456).
SETTINGS = """\
telemetry:
  enabled: false
concurrency:
  runs:
    max_concurrent_runs: 1
  pools:
    default_limit: 1
    granularity: op
run_monitoring:
  enabled: true
  start_timeout_seconds: 300
  free_slots_after_run_end_seconds: 60
retention:
  sensor:
    purge_after_days:
      skipped: 7
      failure: 30
      success: -1
"""


def prepare(home: Home) -> Path:
    """Make the instance folder of a home ready, set the environment, and return the folder."""
    home.create()
    settings = home.dagster / "dagster.yaml"
    if not settings.exists():
        settings.write_text(SETTINGS, encoding="utf-8")
    os.environ["DAGSTER_HOME"] = str(home.dagster)
    os.environ[HOME_VARIABLE] = str(home.root)
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")
    return home.dagster
