"""The embedded Dagster instance: its settings, written once in ``<home>/dagster``."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openchronic_assets.errors import OpenChronicError
from openchronic_assets.settings import HOME_VARIABLE, Home

if TYPE_CHECKING:
    from dagster import DagsterInstance, DagsterRun

# Set on the runs that a command executes in its own process.
LAUNCHED_BY = {"launched_by": "cli"}
# Tags of the runs that the daemon launches, and launches again after it was away.
LAUNCHED_BY_THE_DAEMON = {
    "dagster/run_key", "dagster/sensor_name", "dagster/schedule_name", "dagster/backfill"
}  # fmt: skip
LOST_AFTER = 600.0  # seconds; handing on takes a second

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
        # Whole or not at all: an empty file would be an instance without pools.
        aside = settings.with_name(f".{settings.name}.{os.getpid()}")
        aside.write_text(SETTINGS, encoding="utf-8")
        aside.replace(settings)
    os.environ["DAGSTER_HOME"] = str(home.dagster)
    os.environ[HOME_VARIABLE] = str(home.root)
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")
    return home.dagster


@contextlib.contextmanager
def command_run(home: Home) -> Iterator[None]:
    """Hold the one place for runs of the command line; the system frees it on any death.

    Raises:
        OpenChronicError: another command runs the main job on this home.
    """
    with _lock(home) as alone:
        if not alone:
            raise OpenChronicError(
                f"another openchronic run is going on in {home.root}: wait for it to end"
            )
        with _open_logs(home):
            yield


@contextlib.contextmanager
def _open_logs(home: Home) -> Iterator[None]:
    """Spare Dagster's SQLite files a checkpoint and two waits for the disk at each event.

    Dagster opens and closes a connection for each, and who closes the last one of a file writes its
    log back: more than half of a run of 200 people. Here one connection a file stays open, and a
    commit is in the log without a wait (``synchronous = normal``): whole after any kill; a power
    cut may lose the last events of a run, which the next command then records as killed.
    """
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    held: dict[str, sqlite3.Connection] = {}
    root = f"{home.dagster.resolve()}{os.sep}"

    def opened(connection: Any, _: object) -> None:
        if not isinstance(connection, sqlite3.Connection):
            return
        path = connection.execute("pragma database_list").fetchone()[2]
        if path.startswith(root):
            connection.execute("pragma synchronous = normal")
            if path not in held:
                # As Dagster itself does a moment later; a reader counts from its first look on.
                connection.execute("pragma journal_mode = wal")
                held[path] = sqlite3.connect(path, check_same_thread=False)
                held[path].execute("select count(*) from sqlite_master").fetchone()

    event.listen(Engine, "connect", opened)
    try:
        yield
    finally:
        event.remove(Engine, "connect", opened)
        for connection in held.values():
            connection.close()


@contextlib.contextmanager
def _lock(home: Home) -> Iterator[bool]:
    home.dagster.mkdir(parents=True, exist_ok=True)
    with (home.dagster / "command.lock").open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def end_killed_runs(home: Home, running: DagsterInstance, *, alone: bool = False) -> list[str]:
    """Record as failed the command runs whose process was killed; return their ids.

    Nothing else would: run monitoring knows the workers of the daemon only, so that such a run
    would keep its pools and the queue's one place for ever, and every later run would wait.

    Args:
        home: where the instance is.
        running: the instance.
        alone: the caller holds ``command_run``, so that no other command run is alive.
    """
    if not alone:
        with _lock(home) as free:
            return end_killed_runs(home, running, alone=True) if free else []
    ended = []
    for run in unfinished(running, LAUNCHED_BY):
        running.report_run_failed(run, "the process of this run was killed")
        running.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        ended.append(run.run_id)
    return ended


def end_lost_launches(running: DagsterInstance, after: float = LOST_AFTER) -> list[str]:
    """Record as failed the runs launched by hand that were never handed on; return their ids.

    The webserver died in between, or the database did: nothing would ever start them, run
    monitoring does not look at them, and whatever waits for the runs going on would wait for ever.
    What sensors, schedules and backfills launch the daemon hands on when it is back.

    Args:
        running: the instance.
        after: seconds for which a run may be on its way to be launched.
    """
    import dagster as dg

    made = datetime.now(UTC) - timedelta(seconds=after)
    lost = dg.RunsFilter(statuses=[dg.DagsterRunStatus.NOT_STARTED], created_before=made)
    runs = [run for run in running.get_runs(lost) if not run.tags.keys() & LAUNCHED_BY_THE_DAEMON]
    for run in runs:
        running.report_run_failed(run, "its launch was cut off: launch it again")
    return [run.run_id for run in runs]


def unfinished(running: DagsterInstance, tags: dict[str, str] | None = None) -> list[DagsterRun]:
    """Return the runs that are queued or going on."""
    import dagster as dg

    status = dg.DagsterRunStatus
    states = [status.NOT_STARTED, status.QUEUED, status.STARTING, status.STARTED, status.CANCELING]
    return list(running.get_runs(dg.RunsFilter(statuses=states, tags=tags or {})))
