"""The steps that benchmarks measure, each run by ``measure`` in a process of its own.

``python -m openchronic_assets.bench.steps NAME ARGUMENTS`` runs one, with its arguments as JSON,
and prints what it returns as JSON on the last line.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from openchronic_assets.settings import Home, home

Step = Callable[..., dict[str, Any]]


def parse(path: str, table: str, year: int, out: str) -> dict[str, Any]:
    """Parse one file with ``parse_file`` on one thread.

    ``seconds`` and ``cpu`` are those of the call: the start of the interpreter is left out.
    """
    from openchronic_assets.ingestion.parse import ParseTask, parse_file, stamp_of

    task = ParseTask(
        path=path,
        source=Path(path).name,
        table=table,
        period=str(year),
        year=year,
        year_source="name",
        delivery_id="bench",
        sha256="",
        stamp=stamp_of(Path(path)),
        out=f"{out}/out",
        quarantine=f"{out}/quarantine",
        scratch=f"{out}/scratch",
    )
    started, used = time.perf_counter(), time.process_time()
    report = parse_file(task, b"a secret for benchmarks, which hide nobody")
    taken = {"seconds": time.perf_counter() - started, "cpu": time.process_time() - used}
    shutil.rmtree(out)
    return taken | {
        "status": report.status,
        "lines": report.rows_read,
        "kept": report.kept,
        "balances": report.balances,
    }


def plain_copy(paths: list[tuple[str, str]], out: str) -> dict[str, Any]:
    """Do the least that any ingestion must, with DuckDB's own CSV reader: the yardstick.

    Each (file, table) is read as text, its cells are cast with ``try_cast`` and ``try_strptime``,
    and it is written as Parquet, on one thread. Nothing is checked, numbered or counted, no key is
    replaced, and what does not cast is lost without a word.
    """
    import duckdb

    from openchronic_assets.contracts import load
    from openchronic_assets.ingestion.lines import read_header

    Path(out).mkdir(parents=True)
    started, used = time.perf_counter(), time.process_time()
    lines = 0
    with duckdb.connect(config={"threads": 1}) as connection:
        for number, (path, table) in enumerate(paths):
            columns = {column.name: column for column in load(table).columns}
            casts = []
            for name in (read_header(Path(path)) or "").split(";"):
                column = columns[name]
                if column.type in ("date", "datetime"):
                    value = f"cast(try_strptime({name}, '{column.formats[0]}') as "
                    casts.append(f"{value}{column.lake_type}) as {name}")
                elif column.type == "string":
                    casts.append(name)
                else:
                    casts.append(f"try_cast({name} as {column.lake_type}) as {name}")
            found = connection.execute(
                f"copy (select {', '.join(casts)} from read_csv('{path}', all_varchar = true, "
                "delim = ';', header = true, quote = '', ignore_errors = true)) "
                f"to '{out}/{number}.parquet' (format parquet, compression zstd)"
            ).fetchone()
            lines += found[0] if found else 0
    taken = {"seconds": time.perf_counter() - started, "cpu": time.process_time() - used}
    shutil.rmtree(out)
    return taken | {"lines": lines}


def generate(folder: str, persons: int, years: tuple[int, int]) -> dict[str, Any]:
    """Generate the extract of the demonstration in the landing zone of a home."""
    from openchronic_assets import demo, synthetic

    place = home(folder).create()
    made = synthetic.generate(
        place.landing / demo.DELIVERY,
        persons,
        (years[0], years[1]),
        demo.SEED,
        demo.DEPARTMENTS,
        truth=place.root / "truth",
    )
    return {"files": made["delivered"]}


def ingest(folder: str) -> dict[str, Any]:
    """Ingest the generated extract, with Spark as in production."""
    from openchronic_assets import demo
    from openchronic_assets.ingestion import run

    place = home(folder)
    totals = run.ingest(place, place.landing / demo.DELIVERY).totals().values()
    return {name: sum(each[name] for each in totals) for name in ("read", "kept", "quarantined")}


def build(folder: str, years: tuple[int, int]) -> dict[str, Any]:
    """Build and test the models of all years."""
    from openchronic_assets.warehouse.run import build as build_models

    summary = build_models(home(folder), range(years[0], years[1] + 1))
    return {"build_id": summary["build_id"]}


def anonymise(folder: str, year: int) -> dict[str, Any]:
    """Recode the patients and pass the candidate through the gate."""
    from openchronic_assets.anonymisation.release import prepare_candidate
    from openchronic_assets.ingestion.deliveries import behind
    from openchronic_assets.warehouse.builds import files, read_manifest

    place = home(folder)
    manifest = read_manifest(place) or {}
    report = prepare_candidate(
        place, files(place, "patient"), year, manifest["build_id"], behind(place)
    )
    return {"version": report["version"], "rows": report["tables"][0]["rows"]}


def publish(folder: str, version: str) -> dict[str, Any]:
    """Publish the candidate as the demonstration does."""
    from openchronic_assets import demo
    from openchronic_assets.anonymisation.release import publish as publish_release

    place: Home = home(folder)
    publish_release(place, version, demo.APPROVERS)
    return {"published": (place.release / version).is_dir()}


STEPS: dict[str, Step] = {
    step.__name__: step for step in (parse, plain_copy, generate, ingest, build, anonymise, publish)
}


def main() -> None:
    """Run the step that the command line names."""
    name, arguments = sys.argv[1:3]
    answer = STEPS[name](**json.loads(arguments))
    sys.stdout.write(f"\n{json.dumps(answer)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
