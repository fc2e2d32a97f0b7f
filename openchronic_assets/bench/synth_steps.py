"""The steps of ``bench synth``, each run by ``measure`` in a process of its own."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def synthesise(folder: str, persons: int, year: int, processes: int) -> dict[str, Any]:
    """Generate one year of all France as Parquet, without dirt.

    ``seconds`` and ``cpu`` are those of the call, its worker processes included: the start of the
    interpreter is left out.
    """
    from openchronic_assets import synthetic
    from openchronic_assets.synthetic.prevalence import france

    started, used = time.perf_counter(), sum(os.times()[:4])
    made = synthetic.generate(
        Path(folder),
        persons,
        (year, year),
        1,
        list(france().departments),
        "none",
        format="parquet",
        processes=processes,
    )
    return {
        "seconds": time.perf_counter() - started,
        "cpu": sum(os.times()[:4]) - used,
        "rows": sum(each["rows"] for each in made["tables"].values()),
        "persons": made["persons"],
    }


def write_csv(folder: str, out: str) -> dict[str, Any]:
    """Write the Parquet tables of a folder as CSV with pyarrow; only the writing is timed."""
    import pyarrow.csv as pa_csv
    import pyarrow.parquet as pq

    seconds = cpu = 0.0
    rows = 0
    for path in sorted(Path(folder).rglob("*.parquet")):
        # By pieces, so that the yardstick holds in memory whatever the size of the extract.
        for batch in pq.ParquetFile(path).iter_batches(200_000):
            started, used = time.perf_counter(), time.process_time()
            pa_csv.write_csv(batch, out)
            seconds += time.perf_counter() - started
            cpu += time.process_time() - used
            rows += batch.num_rows
    Path(out).unlink(missing_ok=True)
    return {"seconds": seconds, "cpu": cpu, "rows": rows}


STEPS: dict[str, Callable[..., dict[str, Any]]] = {"synthesise": synthesise, "write_csv": write_csv}

if __name__ == "__main__":
    answer = STEPS[sys.argv[1]](**json.loads(sys.argv[2]))
    sys.stdout.write(f"\n{json.dumps(answer)}\n")
