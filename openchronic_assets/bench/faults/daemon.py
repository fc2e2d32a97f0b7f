"""Kills of what a server runs: run workers, the daemon, the JVM, Spark's workers, PostgreSQL."""

from __future__ import annotations

import math
import random
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any

from openchronic_assets import progress
from openchronic_assets.bench.faults import journal, services
from openchronic_assets.bench.faults.homes import STAGES, YEARS, Homes, remove
from openchronic_assets.bench.faults.journal import Entry
from openchronic_assets.bench.faults.kills import PATIENCE, SEED, states, told
from openchronic_assets.bench.faults.processes import (
    LOOKS,
    descendants,
    kill_tree,
    named,
    processor,
    send,
)
from openchronic_assets.bench.faults.readers import busy, settled, torn
from openchronic_assets.bench.faults.services import Services
from openchronic_assets.errors import OpenChronicError
from openchronic_assets.instance import end_lost_launches
from openchronic_assets.warehouse.catalogue import ensure_catalogue

# (who is killed, in which stage), over and over.
TURNS = (
    ("run worker", "ingestion"), ("jvm", "ingestion"), ("postgresql", "ingestion"),
    ("run worker", "build"), ("daemon", "ingestion"), ("spark worker", "ingestion"),
)  # fmt: skip
JOBS = {"ingestion": "ingest_deliveries", "build": "refresh_years"}
DOWN = 3.0  # seconds that PostgreSQL is away


def run_all(homes: Homes, first: int, count: int) -> None:
    """Do the kills ``first + 1`` to ``first + count`` that the journal does not hold."""
    with journal.claimed(homes.records, "services") as mine:
        known = {entry.number for entry in journal.read(homes.records)}
        todo = [n for n in range(first + 1, first + count + 1) if n not in known]
        if mine and todo:
            homes.prepare()
            _strike_all(homes, first, todo)


def _strike_all(homes: Homes, first: int, todo: Sequence[int]) -> None:
    folder = homes.folder / "services"
    remove(folder)
    folder.mkdir(parents=True)
    environment = {**homes.environment, "OPENCHRONIC_HOME": str(homes.at.root)}
    homes.restore("landed")
    with services.running(folder, environment) as running:
        took: dict[str, float] = {}
        for place, number in enumerate(todo):
            progress.report("kills of services", place, len(todo))
            target, stage = TURNS[(number - first - 1) % len(TURNS)]
            if stage not in took:
                took[stage] = _undisturbed(homes, running, stage)
            entry = Entry(number, SEED, stage, target, of=round(took[stage], 2))
            if target == "postgresql" and running.database is None:
                entry.seen.append("not tried: no PostgreSQL server, or no dagster-postgres")
            else:
                _strike(homes, running, entry)
            journal.write(homes.records, [entry])
        progress.report("kills of services", len(todo), len(todo))


def _undisturbed(homes: Homes, running: Services, stage: str) -> float:
    """Run a stage's job to its end and return its processor seconds from its start."""
    homes.restore(STAGES[stage].start)
    run = running.launch(JOBS[stage], YEARS.partition("-")[0])
    worker = running.started(run, 300)
    began = processor(worker)
    taken = _taken(worker, math.inf)
    status = _end(running, run)
    if status != "SUCCESS":
        raise OpenChronicError(f"the job of {stage} ended with {status} without a kill")
    return taken - began


def _taken(worker: int, work: float) -> float:
    """Wait until a run's process and all it started took that much; return what they took."""
    taken, end = 0.0, time.monotonic() + PATIENCE
    while taken < work and (now := processor(worker)) and time.monotonic() < end:
        taken = max(taken, now)
        time.sleep(LOOKS[1])
    return taken


def _end(running: Services, run: str) -> str:
    """Wait for the end of a run and return its status."""

    def ended() -> str | None:
        status = running.status(run)
        return status if status in services.ENDED else None

    status: str = running.until("the end of a run", ended, PATIENCE)
    return status


def _strike(homes: Homes, running: Services, entry: Entry) -> None:
    """Kill somebody in the middle of a run, run again what failed, and look at what there is."""
    stage = STAGES[entry.stage]
    draw = random.Random(f"{entry.seed}:{entry.number}")
    for _ in range(10):
        homes.restore(stage.start)
        run = running.launch(JOBS[entry.stage], YEARS.partition("-")[0])
        worker = running.started(run, 300)
        if _kill(running, entry, draw, run, worker):
            break
        _end(running, run)
    else:
        raise OpenChronicError(f"kill {entry.number}: {entry.target} was never there in time")
    if entry.target == "run worker":
        entry.wrong += torn(homes.at, states(homes, stage))
    began = time.monotonic()
    status = _end(running, run)
    entry.seen += [f"the run ended with {status}", *told(homes.at)]
    if entry.target != "run worker":
        entry.wrong += _without_locks(torn(homes.at, states(homes, stage)))
    if status != "SUCCESS":
        status = _end(running, running.launch(JOBS[entry.stage], YEARS.partition("-")[0]))
        if status != "SUCCESS":
            entry.wrong.append(f"launched again it ended with {status}")
    entry.again = round(time.monotonic() - began, 2)
    ensure_catalogue(homes.at)
    entry.wrong += settled(homes.at, homes.seen(stage.end, read=True))
    entry.wrong += _free(running)


def _without_locks(said: list[str]) -> list[str]:
    """Leave out locks: the process that holds them may be ending, and is waited for later."""
    return [each for each in said if "still locked" not in each]


def _kill(running: Services, entry: Entry, draw: random.Random, run: str, worker: int) -> bool:
    """Kill the entry's target at a moment; say whether it was there and the run was going on."""
    began = processor(worker)
    if entry.target in ("jvm", "spark worker"):
        word = "java" if entry.target == "jvm" else "pyspark.daemon"

        def there() -> Sequence[int]:
            return named(descendants(worker), word) or ([-1] if _over(running, run) else [])

        if -1 in running.until(entry.target, there, PATIENCE):
            return False
        entry.moment = round(draw.uniform(0, entry.of / 2), 3)
        _taken(worker, processor(worker) + entry.moment)
        found = named(descendants(worker), word)
        for pid in found if entry.target == "jvm" else found[-1:]:
            send(pid, signal.SIGKILL)
        return bool(found)
    entry.moment = round(draw.uniform(0, entry.of), 3)
    if _taken(worker, began + entry.moment) < began + entry.moment or _over(running, run):
        return False
    acts: dict[str, Callable[[], Any]] = {
        "run worker": lambda: kill_tree(worker),
        "daemon": lambda: kill_tree(running.pid("daemon")),
        "postgresql": lambda: _restart(running),
    }
    acts[entry.target]()
    return True


def _over(running: Services, run: str) -> bool:
    return running.status(run) in services.ENDED


def _restart(running: Services) -> None:
    if (database := running.database) is not None:
        database.kill()
        time.sleep(DOWN)
        database.start()


def _free(running: Services) -> list[str]:
    """Say which runs and pools of the instance stay busy."""
    import dagster as dg

    with dg.DagsterInstance.from_config(str(running.instance)) as instance:
        end_lost_launches(instance, 0.0)  # as the sensors, which are stopped here, after a while
        try:
            running.until("free pools", lambda: not busy(instance), 90)
        except OpenChronicError:
            return busy(instance)
    return []
