"""The steps of ``bench base``, each run by ``measure`` in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from openchronic_assets.settings import Home, home

DELIVERY = "bench"
THREADS = 2
REPEATS = 3
INDICATORS = {"measures", "indicators"}  # folders of models


def deliver(folder: str, persons: int, years: tuple[int, int], processes: int) -> dict[str, Any]:
    """Generate the extract of a benchmark in the landing zone of a new home, without dirt."""
    from openchronic_assets import synthetic
    from openchronic_assets.synthetic.prevalence import france

    place = home(folder).create()
    made = synthetic.generate(
        place.landing / DELIVERY,
        persons,
        (years[0], years[1]),
        1,
        list(france().departments),
        "none",
        truth=place.root / "truth",
        tables="core",
        processes=processes,
    )
    return {"rows": sum(each["rows"] for each in made["tables"].values())}


def ingest(folder: str) -> dict[str, Any]:
    """Ingest the extract with Spark as in production, then remove the text to make room."""
    from openchronic_assets.ingestion import run

    place = home(folder)
    totals = run.ingest(place, place.landing / DELIVERY).totals().values()
    shutil.rmtree(place.landing / DELIVERY)
    return {name: sum(each[name] for each in totals) for name in ("read", "kept", "quarantined")}


def build(folder: str, years: tuple[int, int], memory: str) -> dict[str, Any]:
    """Build and test every model for some years, from nothing, under a limit of DuckDB's memory.

    Returns ``seconds`` of the call, ``lines`` of claims in the raw lake of these flux years and
    all, ``nodes`` (name, type, seconds), ``share`` of the call in which each type of node ran, and
    the most megabytes that were spilled at one time.
    """
    from openchronic_assets.warehouse import project
    from openchronic_assets.warehouse.inputs import raw_files
    from openchronic_assets.warehouse.run import build as build_models

    os.environ["OPENCHRONIC_DBT_MEMORY"] = memory
    place = home(folder)
    for each in (place.builds, place.scratch):
        shutil.rmtree(each, ignore_errors=True)
    place.create()
    for path in (place.pointer, place.catalogue):
        path.unlink(missing_ok=True)
    runs: list[tuple[str, str, float, float]] = []
    began = time.perf_counter()

    def note(event: dict[str, Any]) -> None:
        ended = time.perf_counter()
        runs.append((event["node"], event["type"], ended - event["seconds"], ended))

    with _Spilled(place.scratch) as spilled:
        build_models(
            place,
            range(years[0], years[1] + 1),
            select=_base(place),
            threads=THREADS,
            on_event=note,
        )
    ended = time.perf_counter()
    import pyarrow.parquet as pq

    kinds = {name: model.kind for name, model in project.models(place).items()}
    lines = sum(pq.read_metadata(part.path).num_rows for part in raw_files(place)["er_prs_f"])
    return {
        "seconds": ended - began,
        "lines": lines,
        "nodes": [[name, kinds.get(name, kind), end - start] for name, kind, start, end in runs],
        "share": _shares([(kind, start, end) for _, kind, start, end in runs], began, ended),
        "spilled": spilled.most / 1e6,
    }


def _base(place: Home) -> list[str]:
    """Return the models of the base: indicators, and what reads them, are measured apart."""
    from openchronic_assets.warehouse import project

    found = project.parsed(place, "duckdb").nodes.values()
    apart = {
        node.name
        for node in found
        if node.resource_type == "model" and INDICATORS & set(node.path.split("/"))
    }
    known = project.models(place)
    return sorted(name for name in known if not project.with_ancestors(known, [name]) & apart)


def _shares(runs: list[tuple[str, float, float]], began: float, ended: float) -> dict[str, float]:
    """Return type of node → share of a stretch of time, nodes at the same time sharing it.

    ``none`` is the time in which no node ran: parsing, planning, publishing.
    """
    moments = sorted({began, ended, *(moment for _, *span in runs for moment in span)})
    shares: dict[str, float] = {"none": 0.0}
    for left, right in zip(moments, moments[1:], strict=False):
        running = [kind for kind, start, end in runs if start < right and end > left]
        for kind in running or ["none"]:
            part = (right - left) / max(len(running), 1)
            shares[kind] = shares.get(kind, 0.0) + part
    return {kind: seconds / (ended - began) for kind, seconds in shares.items()}


class _Spilled(threading.Thread):
    """Looks from time to time how much DuckDB has written to its temporary folders."""

    def __init__(self, folder: Path):
        super().__init__(daemon=True)
        self.folder = folder
        self.most = 0
        self._ended = threading.Event()

    def __enter__(self) -> _Spilled:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        while not self._ended.wait(0.05):
            total = 0
            for path in self.folder.rglob("*.tmp"):
                try:
                    total += path.stat().st_size
                except OSError:  # gone since it was listed
                    continue
            self.most = max(self.most, total)


def yardstick(folder: str) -> dict[str, Any]:
    """Read every claim line once and write it sorted by person: what any base must at least do.

    ``rate`` is lines a second, ``cpu_rate`` lines a processor second, medians of three.
    """
    import duckdb

    from openchronic_assets.warehouse.inputs import raw_files
    from openchronic_assets.warehouse.raw import relation_sql

    place = home(folder)
    parts = raw_files(place)["er_prs_f"]
    out = place.root / "yardstick.parquet"
    rates, cpu_rates = [], []
    for _ in range(REPEATS):
        with duckdb.connect(config={"threads": THREADS, "memory_limit": "3GB"}) as connection:
            connection.execute(f"set temp_directory = '{place.root / 'yardstick'}'")
            started, used = time.perf_counter(), time.process_time()
            found = connection.execute(
                "copy (select ben_nir_psa, ben_rng_gem, exe_soi_dtd, prs_nat_ref, prs_pai_mnt,"
                " bse_rem_mnt, row_number() over (partition by ben_nir_psa, ben_rng_gem order by"
                f" exe_soi_dtd, _source_line) as place from ({relation_sql('er_prs_f', parts)})"
                f" order by ben_nir_psa, ben_rng_gem, exe_soi_dtd, place) to '{out}'"
                " (format parquet, compression zstd)"
            ).fetchone()
            lines = found[0] if found else 0
            rates.append(lines / (time.perf_counter() - started))
            cpu_rates.append(lines / (time.process_time() - used))
        out.unlink()
    return {"rate": statistics.median(rates), "cpu_rate": statistics.median(cpu_rates)}


STEPS: dict[str, Callable[..., dict[str, Any]]] = {
    step.__name__: step for step in (deliver, ingest, build, yardstick)
}

if __name__ == "__main__":
    answer = STEPS[sys.argv[1]](**json.loads(sys.argv[2]))
    sys.stdout.write(f"\n{json.dumps(answer)}\n")
