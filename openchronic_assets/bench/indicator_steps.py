"""The steps of ``bench indicators``, each run by ``measure`` in a process of its own."""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from openchronic_assets.bench.base_steps import THREADS, deliver, ingest
from openchronic_assets.errors import OpenChronicError
from openchronic_assets.settings import Home, home
from openchronic_assets.warehouse import builds, project, run
from openchronic_assets.warehouse.raw import read_parquet, relation_sql

STEP = (("intermediate", "indicators"), ("marts", "measures"), ("marts", "indicators"))
QUERIES = Path(__file__).resolve().parents[2] / "docs" / "queries"
TURNS = 20  # of each query

# Names and numbers of people and of what belongs to one of them: a copy has its own.
_OWN = frozenset(
    ("person_id", "psa", "event_id", "claim_key", "stay_id", "episode_id", "visit_id",
     "sequence_number", "seq_num", "next_stay_id", "index_stay_id", "next_episode_id",
     "readmission_episode_id", "first_stay_id", "last_stay_id", "care_id")
)  # fmt: skip
# The others that end so name professionals, places and files.
_SHARED = frozenset(("performer_id", "prescriber_id", "treating_doctor_id", "delivery_id"))


def base(
    folder: str, years: tuple[int, int], memory: str, also: Sequence[str] = ()
) -> dict[str, Any]:
    """Build all but the indicators, and keep what the indicators read, in ``bench-inputs``.

    ``also`` names other models to keep there. Returns the rows of each table that is kept.
    """
    os.environ["OPENCHRONIC_DBT_MEMORY"] = memory
    place = home(folder)
    manifest = project.parsed(place, "duckdb")
    step, inputs = _graph(manifest)
    inputs = sorted({*inputs, *also})
    known = project.models(place)
    wanted = sorted(_ancestors(manifest, inputs) & set(known) - step)
    plan = builds.plan(place, range(years[0], years[1] + 1), threads=THREADS, select=wanted)
    run.prepare(plan)
    outcome = run.invoke(plan, run.dbt_arguments(plan, tests=False))
    if not outcome.success:
        raise OpenChronicError(f"the base was not built: {run.failures_of(plan, outcome)[0]}")
    kept = place.root / "bench-inputs"
    kept.mkdir()
    rows: dict[str, int] = {}
    with duckdb.connect(str(plan.database)) as connection:
        for name in inputs:
            schema = "raw" if name in {s.name for s in manifest.sources.values()} else "main"
            connection.execute(
                f"copy (select * from {schema}.{name}) to '{kept / name}.parquet' (format parquet)"
            )
            rows[name] = _count(connection, read_parquet([kept / f"{name}.parquet"]))
    for zone in (place.builds, place.scratch / plan.build_id):
        shutil.rmtree(zone, ignore_errors=True)
    return {"rows": rows}


@dataclass
class Assembled:
    """The indicator step on copies of a base, ready to be built.

    Attributes:
        plan: the build; its database has the inputs.
        files: the copied inputs by name.
        step: the models.
        nodes: (model, seconds, start, end) of what was built.
    """

    plan: builds.Plan
    files: dict[str, Path]
    step: list[str]
    nodes: list[tuple[str, float, float, float]] = field(default_factory=list)

    def build(self) -> float:
        """Build the models from nothing; return processor seconds without dbt's own start."""
        quiet = ["--exclude-resource-type", "unit_test", "--exclude-resource-type", "test"]
        _invoke(self.plan, ["build", *quiet, "--select", "resource_type:seed"])
        # What dbt takes to begin and to compile is not the step's.
        began = _processor()
        _invoke(self.plan, ["compile", "--select", *self.step])
        start = _processor() - began

        def note(event: dict[str, Any]) -> None:
            ended = time.perf_counter()
            self.nodes.append((event["node"], event["seconds"], ended - event["seconds"], ended))

        began = _processor()
        _invoke(self.plan, ["build", *quiet, "--select", *self.step], note)
        return max(_processor() - began - start, 0.0)


def assemble(
    place: Home, copies: int, years: Sequence[int], memory: str, also: Sequence[str] = ()
) -> Assembled:
    """Copy the people of a base (``bench-inputs``) and plan the indicators of some years.

    Copy n has its own persons, stays, visits and lines, in departments moved by n places in the
    list. ``also`` names the other models that were kept.
    """
    os.environ["OPENCHRONIC_DBT_MEMORY"] = memory
    manifest = project.parsed(place, "duckdb")
    step, inputs = _graph(manifest)
    inputs = sorted({*inputs, *also})
    other = Home(place.root / f"copies-{copies}").create()
    raw = {source.name for source in manifest.sources.values()}
    files = _replicate(place.root / "bench-inputs", other.lake / "bench", inputs, copies)
    known = project.models(place)
    pairs = tuple(
        builds.Pair(name, year)
        for name in sorted(step & set(known))
        for year in (years if known[name].kind == "yearly" else (None,))
    )
    plan = builds.Plan(
        home=other, build_id="bench", target="duckdb", threads=THREADS, years=tuple(years),
        pairs=pairs,
        carried={
            name: {"": [path.relative_to(other.lake).as_posix()]}
            for name, path in files.items() if name not in raw
        },
        reasons={}, models=known, inputs={}, code="", previous=None,
    )  # fmt: skip
    run.prepare(plan)
    with duckdb.connect(str(plan.database)) as connection:
        for name in sorted(set(files) & raw):
            listed = read_parquet([files[name]])
            connection.execute(f"create or replace view raw.{name} as select * from {listed}")
        connection.execute("update plan.flux set flux_cutoff = ?", [f"{years[-1] + 1}-12"])
        for name in raw - set(files):
            connection.execute(f"create view if not exists raw.{name} as {relation_sql(name, [])}")
    return Assembled(plan, files, sorted(step))


def indicators(folder: str, copies: int, year: int, memory: str) -> dict[str, Any]:
    """Copy the people of the base and build the indicator step on them, from nothing.

    Copying is not timed. Returns ``seconds`` and ``cpu`` of the step (dbt's own start apart),
    ``nodes`` (model, seconds), ``persons`` and ``events`` of the year, ``yardstick`` (processor
    seconds of one scan that counts the days of care of each person), ``queries`` (name, p95).
    """
    made = assemble(home(folder), copies, (year,), memory)
    cpu = made.build()
    nodes = made.nodes
    with duckdb.connect(str(made.plan.database)) as connection:
        connection.execute(f"set threads = {THREADS}")
        care = read_parquet([made.files["care_event"]])
        persons = _count(connection, f"main.int_indicator_person where year = {year}")
        events = _count(connection, f"{care} where year = {year}")
        values = _count(connection, "main.indicator where value is not null")
        if not values or not persons:
            raise OpenChronicError("the step of the benchmark told no indicator")
        began = _processor()
        connection.execute(
            "select person_id, count(distinct care_date) as days, sum(net_quantity) as quantity "
            f"from {care} where year = {year} group by person_id order by person_id"
        ).fetchall()
        yardstick = _processor() - began
        queries = _queries(connection)
    shutil.rmtree(made.plan.home.root, ignore_errors=True)
    return {
        "seconds": max(end for *_, end in nodes) - min(start for _, _, start, _ in nodes),
        "cpu": cpu,
        "nodes": [[name, seconds] for name, seconds, _, _ in nodes],
        "persons": persons,
        "events": events,
        "values": values,
        "yardstick": yardstick,
        "queries": queries,
    }


def _graph(manifest: Any) -> tuple[set[str], list[str]]:
    """Return the models of the indicator step, and all that they read from outside it.

    An ephemeral model is written into those that read it: what it reads stands for it.
    """
    inside = {
        unique_id
        for unique_id, node in manifest.nodes.items()
        if node.resource_type == "model" and tuple(node.fqn[1:3]) in STEP
    }
    outside: set[str] = set()
    todo = [parent for each in inside for parent in manifest.nodes[each].depends_on.nodes]
    while todo:
        each = todo.pop()
        node = manifest.nodes.get(each) or manifest.sources[each]
        if each in inside or node.resource_type == "seed":
            continue
        if node.resource_type == "model" and node.config.materialized == "ephemeral":
            todo += node.depends_on.nodes
        else:
            outside.add(str(node.name))
    return {str(manifest.nodes[each].name) for each in inside}, sorted(outside)


def _ancestors(manifest: Any, names: Iterable[str]) -> set[str]:
    """Return models and all that they are made from."""
    ids = {str(node.name): each for each, node in manifest.nodes.items()}
    found: set[str] = set()
    todo = [ids[name] for name in names if name in ids]
    while todo:
        node = manifest.nodes.get(todo.pop())
        if node is not None and node.name not in found:
            found.add(str(node.name))
            todo += getattr(node.depends_on, "nodes", [])
    return found


def _replicate(source: Path, to: Path, names: Iterable[str], copies: int) -> dict[str, Path]:
    to.mkdir(parents=True)
    files: dict[str, Path] = {}
    with duckdb.connect() as connection:
        connection.execute(f"set threads = {THREADS}")
        departments = project.project_dir() / "seeds" / "ref_department.csv"
        connection.execute(
            "create table place as select department, row_number() over (order by department) - 1 "
            f"as number from read_csv('{departments}', types = {{'department': 'varchar'}})"
        )
        total = _count(connection, "place")
        for name in names:
            listed = read_parquet([source / f"{name}.parquet"])
            columns = connection.execute(f"describe select * from {listed}").fetchall()
            kinds = {str(column[0]): str(column[1]) for column in columns}
            own = [
                column for column, kind in kinds.items()
                if kind == "VARCHAR"
                and (column in _OWN or (column.endswith("_id") and column not in _SHARED))
            ]  # fmt: skip
            files[name] = to / f"{name}.parquet"
            if not own:  # a list: nobody is in it
                shutil.copyfile(source / f"{name}.parquet", files[name])
                continue
            # Copy 0 is the base itself; a copy of nothing is nothing.
            changed = [
                f"{c} || case when copy > 0 then '#' || copy else '' end as {c}" for c in own
            ]
            moved = "department" in kinds
            if moved:
                changed.append("coalesce(there.department, told.department) as department")
            joined = (
                " left join place as here on told.department = here.department"
                f" left join place as there on there.number = (here.number + copy) % {total}"
                if moved
                else ""
            )
            connection.execute(
                f"copy (select told.* replace ({', '.join(changed)}) from {listed} as told"
                f" cross join range({copies}) as copied(copy){joined})"
                f" to '{files[name]}' (format parquet, compression zstd)"
            )
    return files


def _queries(connection: duckdb.DuckDBPyConnection) -> dict[str, float]:
    """Return the time under which 95 % of the runs of each query stay."""
    if not QUERIES.is_dir():
        raise OpenChronicError(f"no queries in {QUERIES}: run the benchmark from a checkout")
    found: dict[str, float] = {}
    for path in sorted(QUERIES.glob("*.sql")):
        text = path.read_text(encoding="utf-8")
        seconds = []
        for _ in range(TURNS):
            started = time.perf_counter()
            connection.execute(text).fetchall()
            seconds.append(time.perf_counter() - started)
        found[path.stem] = sorted(seconds)[-(-95 * TURNS // 100) - 1]
    return found


def _invoke(
    plan: builds.Plan,
    arguments: list[str],
    note: Callable[[dict[str, Any]], None] | None = None,
) -> None:
    outcome = run.invoke(plan, arguments, note)
    if not outcome.success:
        raise OpenChronicError(f"the step was not built: {run.failures_of(plan, outcome)[0]}")


def _processor() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _count(connection: duckdb.DuckDBPyConnection, what: str) -> int:
    row = connection.execute(f"select count(*) from {what}").fetchone()
    return int(row[0]) if row else 0


STEPS: dict[str, Callable[..., dict[str, Any]]] = {
    step.__name__: step for step in (deliver, ingest, base, indicators)
}

if __name__ == "__main__":
    answer = STEPS[sys.argv[1]](**json.loads(sys.argv[2]))
    sys.stdout.write(f"\n{json.dumps(answer)}\n")
