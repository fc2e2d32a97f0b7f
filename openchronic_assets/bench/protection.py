"""The steps of ``bench anonymise`` for tables and private cubes, each in a process of its own."""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from openchronic_assets.anonymisation.tables import HierarchicalTable

PEOPLE_IN_TABLES = 14_000_000
AGES = 14
EVENTS_A_PERSON = 30
DEPARTMENTS, ALD, BANDS = 101, 32, 10


def large_table(people: int = PEOPLE_IN_TABLES, ages: int = AGES) -> HierarchicalTable:
    """Draw people into age, sex, department and region, ALD and group, alive or not.

    With 14 ages, 680,400 cells; a fifth of them count fewer than 11 people.
    """
    from openchronic_assets.anonymisation.hierarchies import Hierarchy
    from openchronic_assets.anonymisation.tables import Dimension, HierarchicalTable
    from openchronic_assets.bench.anonymise import hierarchies

    rows = hierarchies()
    dimensions = [Dimension.flat("age", [str(n) for n in range(ages)])]
    for name, column in (("sex", "sex"), ("dep", "dep"), ("ald", "ald")):
        levels = tuple(f"level{n}" for n in range(len(rows[column][0])))
        dimensions.append(Dimension.of(Hierarchy(name, levels, tuple(rows[column]))))
    dimensions.append(Dimension.flat("death", ["alive", "dead"]))
    share = np.exp(-0.5 * ((np.arange(ages) * 90 / ages - 66) / 20) ** 2)
    for weight in (
        np.array([0.52, 0.48]),
        1 / np.arange(1, DEPARTMENTS + 1) ** 0.7,
        1 / np.arange(1, ALD + 1) ** 1.1,
        np.array([0.85, 0.15]),
    ):
        share = np.multiply.outer(share, weight)
    share /= share.sum()
    drawn = np.random.default_rng(42).multinomial(people, share.ravel()).reshape(share.shape)
    return HierarchicalTable.of_leaves(dimensions, drawn)


def tables(people: int = PEOPLE_IN_TABLES, ages: int = AGES) -> dict[str, Any]:
    """Protect all cells of a large cube, then check every witness against every sum."""
    from openchronic_assets.anonymisation.suppression import protect, verify
    from openchronic_assets.anonymisation.tables import unsafe_cells

    table = large_table(people, ages)
    started, used = time.perf_counter(), time.process_time()
    unsafe = unsafe_cells(table, zeros="public")
    found = protect(table, unsafe)
    protected = time.perf_counter() - started
    told = verify(table, found)
    return {
        "cells": table.cells,
        "unsafe": int(unsafe.sum()),
        "hidden": int(found.hidden.sum()),
        "protect": protected,
        "wall": time.perf_counter() - started,
        "cpu": time.process_time() - used,
        "peak": _peak(),
        **{name: told[name] for name in ("leaks", "negative", "short", "narrowest")},
    }


def write_events(folder: str, people: int) -> dict[str, Any]:
    """Write events of 30 a person as Parquet; departments are skewed, half a person's ALD too."""
    import duckdb

    path = Path(folder) / "events.parquet"
    with duckdb.connect(config={"threads": "2", "memory_limit": "2GB",
                                "preserve_insertion_order": "false"}) as connection:  # fmt: skip
        connection.execute(
            f"""
            copy (
                select
                    printf('%016x', hash(i // {EVENTS_A_PERSON})) as person_id,
                    printf('D%03d', (pow(hash(i // {EVENTS_A_PERSON}, 1) / 1.8446744073709552e19,
                        2) * {DEPARTMENTS})::int % {DEPARTMENTS}) as dep,
                    printf('ALD%02d', 1 + case when hash(i, 2) % 2 = 0
                        then hash(i // {EVENTS_A_PERSON}, 3) % {ALD} else hash(i, 4) % {ALD} end)
                        as ald,
                    printf('B%d', hash(i, 5) % {BANDS}) as band
                from range({people * EVENTS_A_PERSON}) t(i)
            ) to '{path}' (format parquet)
            """
        )
    return {"events": people * EVENTS_A_PERSON, "bytes": path.stat().st_size}


def scan(folder: str) -> dict[str, Any]:
    """The yardstick of a private cube: its cells counted in one scan, nobody bounded."""
    import duckdb

    started, used = time.perf_counter(), time.process_time()
    with duckdb.connect(config={"threads": "2"}) as connection:
        cells = connection.execute(
            "select dep, ald, band, count(*), approx_count_distinct(person_id) "
            "from read_parquet(?) group by all",
            [str(Path(folder) / "events.parquet")],
        ).fetchall()
    return {
        "cells": len(cells),
        "wall": time.perf_counter() - started,
        "cpu": time.process_time() - used,
    }


def cube(folder: str) -> dict[str, Any]:
    """Make a private cube of 32,320 cells from events, a ledger and margins included."""
    from openchronic_assets.anonymisation.dp import Bounds, release_cube
    from openchronic_assets.anonymisation.ledger import Ledger

    keys = {
        "dep": [f"D{n:03d}" for n in range(DEPARTMENTS)],
        "ald": [f"ALD{n:02d}" for n in range(1, ALD + 1)],
        "band": [f"B{n}" for n in range(BANDS)],
    }
    started, used = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory(dir=folder) as work:
        ledger = Ledger(Path(work) / "budget.jsonl")
        found = release_cube(
            ledger, "bench", "people", [Path(folder) / "events.parquet"], "person_id", keys,
            Bounds(20, 3), 0.1, b"a key of the benchmark", temporary=Path(work),
        )  # fmt: skip
        ledger.commit("bench", "0" * 64)
    return {
        "cells": int(found.counts.size),
        "total": int(found.counts.sum()),
        "epsilon": found.epsilon,
        "wall": time.perf_counter() - started,
        "cpu": time.process_time() - used,
        "peak": _peak(),
    }


def _peak() -> float:
    # ru_maxrss is in KiB on Linux, in bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


STEPS: dict[str, Callable[..., dict[str, Any]]] = {
    "tables": tables, "write_events": write_events, "events": scan, "cube": cube,
}  # fmt: skip

if __name__ == "__main__":
    answer = STEPS[sys.argv[1]](**json.loads(sys.argv[2]))
    sys.stdout.write(f"\n{json.dumps(answer)}\n")
