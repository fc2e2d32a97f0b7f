"""The steps of ``bench load``, each run by ``measure`` in a process of its own."""

from __future__ import annotations

import gzip
import hashlib
import json
import multiprocessing
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import duckdb

from openchronic_assets.bench.base_steps import DELIVERY
from openchronic_assets.settings import Home, home

PEOPLE = "IR_BEN_R"
KEPT = "people.csv"


def take_in(folder: str) -> dict[str, Any]:
    """Ingest the extract, keep its referential of people aside, and remove the other text."""
    from openchronic_assets.ingestion import run

    place = home(folder)
    landing = place.landing / DELIVERY
    (people,) = landing.glob(f"{PEOPLE}.csv*")
    data = people.read_bytes()
    (place.root / KEPT).write_bytes(gzip.decompress(data) if people.suffix == ".gz" else data)
    run.ingest(place, landing)
    shutil.rmtree(landing)
    shutil.rmtree(place.root / "truth", ignore_errors=True)
    return {}


def new_vintage(folder: str, number: int) -> dict[str, Any]:
    """Ingest the referential of people again, one of its lines repeated: other bytes, same people.

    Every year has to be built again then, because a catalogue holds one vintage.
    """
    from openchronic_assets.ingestion import run

    place = home(folder)
    text = (place.root / KEPT).read_text()
    landing = place.landing / f"vintage-{number}"
    landing.mkdir()
    (landing / f"{PEOPLE}.csv").write_text(text + text.splitlines(keepends=True)[-1] * number)
    (landing / "delivery.json").write_text(json.dumps({"date": f"2099-01-0{number}"}))
    (landing / "_SUCCESS").touch()
    run.ingest(place, landing)
    return {}


def backfill(folder: str, years: tuple[int, int]) -> dict[str, Any]:
    """Build, test and publish every model of some years."""
    from openchronic_assets.warehouse.run import build

    found = build(home(folder), range(years[0], years[1] + 1))
    return {"seconds": found["seconds"], "written": found["written"]}


def answers(folder: str, queries: str) -> dict[str, Any]:
    """Ask each query once, and return what tells its rows."""
    place = home(folder)
    return {"rows": {name: answer(place, text) for name, text in _queries(queries).items()}}


def answer(place: Home, text: str) -> str:
    """Ask one query of the published catalogue, as any client does; return what tells its rows.

    A sum's last bits depend on the order of its parts: nine figures of a number tell it.
    """
    with duckdb.connect(str(place.catalogue), read_only=True) as connection:
        rows = connection.execute(text).fetchall()
    told = [
        [f"{cell:.9g}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows
    ]
    return f"{len(rows)} {hashlib.sha256(json.dumps(sorted(told)).encode()).hexdigest()[:16]}"


def ask(
    folder: str,
    queries: str,
    quiet: dict[str, str],
    analysts: int,
    every: float,
    ready: str,
    stop: str,
) -> dict[str, Any]:
    """Have analysts ask, from the file ``ready``, which is made, to the file ``stop``.

    Returns ``asked``: query, seconds since it was due, what failed (or null), for each one asked.
    """
    # No connection is open yet, so that a fork shares what is imported and nothing else.
    fork = multiprocessing.get_context("fork")
    texts = list(_queries(queries).items())
    begin = time.monotonic() + 0.5
    people = []
    for number in range(analysts):
        here, there = fork.Pipe(duplex=False)
        person = fork.Process(
            target=_analyst,
            args=(home(folder), texts, quiet, number, every,
                  begin + number * every / analysts, Path(stop), there),
        )  # fmt: skip
        person.start()
        there.close()
        people.append((person, here))
    Path(ready).touch()
    asked: list[Any] = []
    for person, here in people:
        asked += here.recv()
        person.join()
    return {"asked": asked}


def _analyst(
    place: Home,
    texts: Sequence[tuple[str, str]],
    quiet: dict[str, str],
    number: int,
    every: float,
    due: float,
    stop: Path,
    told: Connection,
) -> None:
    asked: list[tuple[str, float, str | None]] = []
    turn = number
    while not stop.exists():
        if (wait := due - time.monotonic()) > 0:
            time.sleep(min(wait, 0.2))
            continue
        name, text = texts[turn % len(texts)]
        error = None
        try:
            if answer(place, text) != quiet[name]:
                error = "other rows than on the quiet catalogue"
        except (duckdb.Error, OSError) as failed:
            error = type(failed).__name__
        # From when it was due: an answer that keeps the analyst from asking counts twice.
        asked.append((name, time.monotonic() - due, error))
        turn += 1
        due += every
    told.send(asked)


def _queries(folder: str) -> dict[str, str]:
    return {path.stem: path.read_text("utf-8") for path in sorted(Path(folder).glob("*.sql"))}


STEPS: dict[str, Callable[..., dict[str, Any]]] = {
    step.__name__: step for step in (take_in, new_vintage, backfill, answers, ask)
}

if __name__ == "__main__":
    found = STEPS[sys.argv[1]](**json.loads(sys.argv[2]))
    sys.stdout.write(f"\n{json.dumps(found)}\n")
