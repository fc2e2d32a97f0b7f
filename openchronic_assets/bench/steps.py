"""The steps that benchmarks measure, each run by ``measure`` in a process of its own.

``python -m openchronic_assets.bench.steps NAME ARGUMENTS`` runs one, with its arguments as JSON,
and prints what it returns as JSON on the last line.
"""

from __future__ import annotations

import json
import os
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


def ingest_files(folder: str, out: str, cores: int) -> dict[str, Any]:
    """Ingest a folder of files into a new home, with Spark as in production.

    ``seconds`` are those of the ingestion, ``start`` those of the session before it.
    """
    from openchronic_assets.ingestion import run, spark

    os.environ[spark.MASTER_VARIABLE] = f"local[{cores}]"
    started = time.perf_counter()
    session = spark.session()
    session.sparkContext.parallelize(range(cores), cores).map(_nothing).collect()
    start = time.perf_counter() - started
    started = time.perf_counter()
    totals = run.ingest(Home(Path(out)), Path(folder), session=lambda: session).totals().values()
    seconds = time.perf_counter() - started
    shutil.rmtree(out)
    counts = {name: sum(each[name] for each in totals) for name in ("read", "kept", "quarantined")}
    return counts | {"seconds": seconds, "start": start}


def _nothing(item: int) -> int:
    """Bring up a worker with all that a task imports, so that no start is in the time."""
    from openchronic_assets.ingestion import parse  # noqa: F401

    return item


def copy_spark(paths: list[str], table: str, out: str, cores: int) -> dict[str, Any]:
    """Read files with Spark's own CSV reader into the contract's types and write Parquet."""
    from openchronic_assets.contracts import load
    from openchronic_assets.ingestion import spark
    from openchronic_assets.ingestion.lines import read_header

    os.environ[spark.MASTER_VARIABLE] = f"local[{cores}]"
    started = time.perf_counter()
    spark.prepare_environment()
    from pyspark.sql import SparkSession

    # Its own defaults, not those of a session that only starts workers.
    session = (
        SparkSession.builder.master(f"local[{cores}]")
        .config("spark.driver.memory", "4g")
        .config("spark.ui.enabled", "false")
        .config("spark.log.level", "ERROR")
        .config("spark.sql.session.timeZone", "UTC")
        .getOrCreate()
    )
    session.range(1).count()
    start = time.perf_counter() - started
    columns = {column.name: column for column in load(table).columns}
    names = (read_header(Path(paths[0])) or "").split(";")
    schema = ", ".join(
        f"{name} {columns[name].lake_type.replace('VARCHAR', 'STRING')}" for name in names
    )
    started = time.perf_counter()
    session.read.csv(
        paths, schema=schema, sep=";", header=True, quote="", dateFormat="dd/MM/yyyy"
    ).write.parquet(out, compression="zstd")
    seconds = time.perf_counter() - started
    lines = session.read.parquet(out).count()
    session.stop()
    shutil.rmtree(out)
    return {"lines": lines, "seconds": seconds, "start": start}


def copy_duckdb(paths: list[str], table: str, out: str, cores: int) -> dict[str, Any]:
    """Do the least that any ingestion must, with DuckDB's own CSV reader and writer.

    The files are read as text, their cells cast with ``try_cast`` and ``try_strptime``, and
    written as Parquet. Nothing is checked, numbered or counted, no key is replaced, and what does
    not cast is lost without a word.
    """
    import duckdb

    from openchronic_assets.contracts import load
    from openchronic_assets.ingestion.lines import read_header

    columns = {column.name: column for column in load(table).columns}
    casts = []
    for name in (read_header(Path(paths[0])) or "").split(";"):
        column = columns[name]
        if column.type in ("date", "datetime"):
            value = f"cast(try_strptime({name}, '{column.formats[0]}') as {column.lake_type})"
            casts.append(f"{value} as {name}")
        elif column.type == "string":
            casts.append(name)
        else:
            casts.append(f"try_cast({name} as {column.lake_type}) as {name}")
    Path(out).mkdir(parents=True)
    started, used = time.perf_counter(), time.process_time()
    # One file a thread in any order: the fastest way that it knows.
    with duckdb.connect(config={"threads": cores, "preserve_insertion_order": False}) as connection:
        found = connection.execute(
            f"copy (select {', '.join(casts)} from read_csv({paths}, all_varchar = true, "
            "delim = ';', header = true, quote = '', ignore_errors = true)) "
            f"to '{out}/copy' (format parquet, compression zstd, per_thread_output true)"
        ).fetchone()
    seconds, cpu = time.perf_counter() - started, time.process_time() - used
    shutil.rmtree(out)
    return {"lines": found[0] if found else 0, "seconds": seconds, "cpu": cpu}


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
    step.__name__: step
    for step in (
        parse,
        ingest_files,
        copy_spark,
        copy_duckdb,
        generate,
        ingest,
        build,
        anonymise,
        publish,
    )
}


def main() -> None:
    """Run the step that the command line names."""
    name, arguments = sys.argv[1:3]
    answer = STEPS[name](**json.loads(arguments))
    sys.stdout.write(f"\n{json.dumps(answer)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
