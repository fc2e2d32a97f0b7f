"""Running dbt over a plan: the scratch database, dbt itself, and failures in safe words.

dbt's results quote the engine, and an engine's message can quote a row. Nothing of it leaves this
module but the model, the year, the class of the error and, for errors found before any row is
read, the message itself. dbt's own log files are switched off for the same reason.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from openchronic_assets.errors import OpenChronicError
from openchronic_assets.ingestion.deliveries import lake_lock
from openchronic_assets.settings import Home
from openchronic_assets.warehouse import inputs as raw_inputs
from openchronic_assets.warehouse import panel
from openchronic_assets.warehouse.builds import (
    MARKER,
    Plan,
    locked,
    plan,
    publish,
    read_manifest,
    replace_text,
)
from openchronic_assets.warehouse.catalogue import ensure_catalogue
from openchronic_assets.warehouse.project import parsed, project_dir, staged_tables
from openchronic_assets.warehouse.raw import read_parquet, relation_sql

if TYPE_CHECKING:
    from openchronic_assets.slices import Part

Event = dict[str, Any]  # {"node": name, "type": "model"|"test"|"seed", "status": …, "seconds": …}

# Raised while a statement is bound, before any row is read: their text holds names, not values.
_BOUND = ("Binder", "Catalog", "Parser", "Compilation", "Dependency")
_CLASSES = (
    *_BOUND, "Conversion", "Constraint", "Invalid Input", "IO", "Out of Memory", "Out of Range",
    "Permission", "Serialization", "Transaction", "Internal", "Interrupt", "Not implemented",
)  # fmt: skip
_ENGINE_ERROR = re.compile(rf"\b({'|'.join(_CLASSES)}) Error\b", re.IGNORECASE)
_SPARK_CLASS = re.compile(r"\[([A-Z][A-Z0-9_]*(?:\.[A-Z0-9_]+)*)\]")


def build(
    home: Home,
    years: Sequence[int],
    target: str = "duckdb",
    select: Sequence[str] | None = None,
    threads: int = 2,
    on_event: Callable[[Event], None] | None = None,
) -> dict[str, Any]:
    """Build models for some years, test them, and publish the result.

    Args:
        home: where the lake is.
        years: care years to write; others are carried over from the current build.
        target: ``duckdb``, or ``spark`` for the same models where one machine is not enough.
        select: names of models, where not all are wanted.
        threads: of DuckDB; models are made one after the other. The files do not depend on it.
        on_event: called after each seed, model and test.

    Returns:
        ``build_id``, ``years`` (built), ``reasons`` (years added to those asked for), ``written``
        and ``resumed`` (numbers of parts), ``unchanged`` (nothing had to be done), ``seconds``.

    Raises:
        OpenChronicError: a model or a test failed; nothing is published, finished parts are kept
            and the next run resumes after them.
    """
    started = time.monotonic()
    # Ingestion may not replace raw files while they are read.
    with locked(home, "build", wait=False), lake_lock(home, shared=True):
        todo = plan(home, years, target, threads, select)
        missing = todo.missing()
        summary = {
            "build_id": todo.build_id,
            "years": list(todo.years),
            "reasons": {str(year): why for year, why in todo.reasons.items()},
            "written": len(missing),
            "resumed": len(todo.pairs) - len(missing),
            "unchanged": False,
        }
        current = read_manifest(home)
        if current and current["build_id"] == todo.build_id and not missing:
            ensure_catalogue(home)
            summary["unchanged"] = True
        else:
            prepare(todo)
            _dbt(todo, on_event)
            publish(home, todo)
            shutil.rmtree(todo.scratch, ignore_errors=True)
    return {**summary, "seconds": round(time.monotonic() - started, 2)}


def prepare(plan: Plan) -> None:
    """Make the folders and the scratch database of a plan, ready for dbt.

    The database holds the raw tables (schema ``raw``), what the materialisations must write
    (``plan.model_file``), the last flux month (``plan.flux``), and views over the models that this
    build takes over.
    """
    plan.home.create()
    plan.folder.mkdir(parents=True, exist_ok=True)
    (plan.folder / MARKER).unlink(missing_ok=True)
    plan.scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
    (plan.scratch / "tmp").mkdir(exist_ok=True)
    shutil.rmtree(plan.scratch / "spread", ignore_errors=True)  # of a run that was killed
    (plan.scratch / "spread").mkdir()
    for pair in plan.missing():  # what a killed run left in them
        shutil.rmtree(plan.folder / pair.folder, ignore_errors=True)
        # Spark makes the folder itself; its parent must be there for both engines.
        parent = plan.path(pair).parent
        parent.mkdir(parents=True, exist_ok=True)
    if plan.target == "spark":
        from openchronic_assets.warehouse.spark import prepare_session

        prepare_session(plan, _raw_files(plan), _plan_rows(plan), _carried(plan))
    else:
        _prepare_duckdb(plan)


def _prepare_duckdb(plan: Plan) -> None:
    raw = _raw_files(plan)
    plan.database.unlink(missing_ok=True)
    with duckdb.connect(str(plan.database)) as connection:
        connection.execute("create schema raw; create schema plan")
        for table, files in raw.items():
            connection.execute(f"create view raw.{table} as {relation_sql(table, files)}")
        connection.execute(
            "create table plan.model_file "
            "(model varchar, year integer, path varchar, state varchar)"
        )
        if rows := _plan_rows(plan):
            connection.executemany("insert into plan.model_file values (?, ?, ?, ?)", rows)
        # The last flux month that is in, which tells how far the data of a year are.
        connection.execute("create table plan.flux (flux_cutoff varchar)")
        connection.execute(
            "insert into plan.flux values (?)", [raw_inputs.flux_cutoff(plan.inputs)]
        )
        if (people := plan.scratch / panel.PEOPLE).is_file():
            connection.execute(f"create table plan.panel_person as from {read_parquet([people])}")
        for name, paths in _carried(plan).items():
            listed = read_parquet([Path(path) for path in paths])
            connection.execute(f"create view main.{name} as select * from {listed}")


def _raw_files(plan: Plan) -> dict[str, list[Part]]:
    """Return the current files of the raw tables that models read; others would cost time."""
    staged = staged_tables(plan.home, plan.target)
    files = raw_inputs.raw_files(plan.home)
    wanted = {table: files[table] for table in sorted(staged & set(files))}
    return panel.extract(plan, wanted) if plan.population["scope"] == "panel" else wanted


def _carried(plan: Plan) -> dict[str, list[str]]:
    """Return the files of the models that the plan takes over whole."""
    written = {pair.model for pair in plan.pairs}
    return {
        name: [str(plan.home.lake / file) for listed in years.values() for file in listed]
        for name, years in plan.carried.items()
        if name not in written
    }


def _plan_rows(plan: Plan) -> list[tuple[str, int | None, str, str]]:
    """Return (model, year, absolute path, state), state ``carried``, ``done`` or ``write``."""
    rows: list[tuple[str, int | None, str, str]] = []
    for name, years in plan.carried.items():
        for year, listed in years.items():
            number = int(year) if year else None
            rows += [(name, number, str(plan.home.lake / file), "carried") for file in listed]
    for pair in plan.pairs:
        if not plan.is_done(pair):
            rows.append((pair.model, pair.year, str(plan.path(pair)), "write"))
        else:
            rows += [
                (pair.model, pair.year, str(plan.home.lake / file), "done")
                for file in plan.written(pair)
            ]
    return rows


def dbt_arguments(plan: Plan, tests: bool = True) -> list[str]:
    """Return the arguments of ``dbt`` for a plan; the rest is in its environment.

    Unit tests are left out: they test the code, not the data. A selection brings the views that
    its models read.
    """
    arguments = ["build", "--exclude-resource-type", "unit_test"]
    if plan.population["scope"] == "panel":
        arguments += ["--vars", json.dumps({"panel_fraction": plan.population["fraction"]})]
    if not tests:
        arguments += ["--exclude-resource-type", "test"]
    if plan.select:
        arguments += ["--select", *plan.select.split(), "resource_type:seed"]
        # A test of a view and of a model that is neither chosen nor there has nothing to read.
        arguments += ["config.materialized:view", "config.materialized:spread"]
        arguments += ["--indirect-selection", "buildable"]
    return arguments


def dbt_environment(plan: Plan) -> dict[str, str]:
    """Return the environment variables that dbt needs for a plan."""
    return {
        **_environment(plan.scratch, plan.target),
        "OPENCHRONIC_DBT_DATABASE": str(plan.database),
        "OPENCHRONIC_DBT_THREADS": str(plan.threads),
    }


def _environment(folder: Path, target: str) -> dict[str, str]:
    return {
        "DO_NOT_TRACK": "1",
        "DBT_PROJECT_DIR": str(project_dir()),
        "DBT_PROFILES_DIR": str(project_dir()),
        "DBT_TARGET": target,
        "DBT_TARGET_PATH": str(folder / "target"),
        "DBT_LOG_PATH": str(folder / "logs"),
        "OPENCHRONIC_DBT_DATABASE": str(folder / "openchronic.duckdb"),
        "OPENCHRONIC_DBT_TEMP": str(folder / "tmp"),
        "OPENCHRONIC_DBT_SPREAD": str(folder / "spread"),
    }


def quiet_arguments(folder: Path, target: str) -> list[str]:
    """Return the arguments that keep dbt from printing or logging anything, for in-process use."""
    return [
        "--target",
        target,
        "--target-path",
        str(folder / "target"),
        "--log-path",
        str(folder / "logs"),
        "--quiet",
        "--log-level",
        "none",
        "--log-level-file",
        "none",
        "--no-write-json",
    ]


@contextlib.contextmanager
def quiet_environment(
    folder: Path, target: str = "duckdb", more: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Set dbt's environment for the block, then put back what was there."""
    wanted = {**_environment(folder, target), **(more or {})}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _dbt(plan: Plan, on_event: Callable[[Event], None] | None) -> None:
    outcome = invoke(plan, dbt_arguments(plan, tests=plan.target == "duckdb"), on_event)
    if outcome.success and plan.target == "spark":
        # Data tests cost half a second each on Spark. With every part written, the same command
        # on DuckDB writes nothing: it looks at Spark's files and tests them.
        _prepare_duckdb(plan)
        checked = dataclasses.replace(plan, target="duckdb")
        outcome = invoke(checked, dbt_arguments(plan), on_event)
    if outcome.success:
        return
    failures = failures_of(plan, outcome)
    record = plan.scratch / "failures.json"
    replace_text(record, json.dumps(failures, indent=1) + "\n")
    first = failures[0]
    where = first["model"] + (f", year {first['year']}" if first.get("year") else "")
    what = f"test {first['test']}: " if first.get("test") else ""
    what += f"{first['rows']} rows fail it" if first.get("rows") else str(first["error"])
    what += f": {first['detail']}" if first.get("detail") else ""
    others = f" ({len(failures) - 1} more failures)" if len(failures) > 1 else ""
    raise OpenChronicError(
        f"build {plan.build_id}: {where}: {what}{others}. Nothing was published; finished parts "
        f"are kept and the next run resumes after them. Details without values: {record}"
    )


def invoke(
    plan: Plan, arguments: Sequence[str], on_event: Callable[[Event], None] | None = None
) -> Any:
    """Run dbt in this process over a prepared plan and return dbt's own result."""
    from dbt.cli.main import dbtRunner

    def forward(message: Any) -> None:
        if on_event is None or message.info.name != "NodeFinished":
            return
        node = message.data.node_info
        on_event(
            {
                "node": node.node_name,
                "type": node.resource_type,
                "status": node.node_status,
                "seconds": round(float(message.data.run_result.execution_time), 3),
            }
        )

    # dbt writes compiled code into the manifest it is given.
    manifest = parsed(plan.home, plan.target).deepcopy()
    runner = dbtRunner(manifest=manifest, callbacks=[forward])
    try:
        with quiet_environment(plan.scratch, plan.target, dbt_environment(plan)):
            return runner.invoke([*arguments, *quiet_arguments(plan.scratch, plan.target)])
    finally:
        if plan.target == "duckdb":
            from dbt.adapters.duckdb.connections import DuckDBConnectionManager

            # The adapter keeps the scratch file open for the life of the process, and DuckDB gives
            # an open file again to whoever asks for its path, even after it was deleted.
            DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]


def failures_of(plan: Plan, outcome: Any) -> list[dict[str, Any]]:
    """Return what failed, in safe words: model, year, test, class of the error.

    The failing year of a model is its first part that is missing on disk.
    """
    failures: list[dict[str, Any]] = []
    for result in getattr(outcome.result, "results", None) or []:
        status = str(result.status)
        if status not in ("error", "fail", "runtime error"):
            continue
        node = result.node
        failure: dict[str, Any] = dict(safe_error(result.message or ""))
        if node.resource_type == "test":
            tested = node.attached_node or (node.depends_on.nodes or ["?"])[0]
            failure |= {"model": tested.rsplit(".", 1)[-1], "test": node.name}
            failure["rows"] = int(result.failures or 0)
            if status == "fail":
                failure["error"] = "test failed"
                failure.pop("detail", None)
        else:
            missing = plan.missing(node.name)
            failure |= {"model": node.name, "year": missing[0].year if missing else None}
        failures.append(failure)
    if not failures:
        failures.append({"model": "dbt", **safe_error(str(outcome.exception or "unknown"))})
    return failures


def safe_error(message: str) -> dict[str, str]:
    """Reduce an engine's message to its class, with its text only where no row was read."""
    if found := _ENGINE_ERROR.search(message):
        error = {"error": f"{found.group(1)} Error"}
        if found.group(1).capitalize() in _BOUND:
            rest = message[found.start() :].strip().splitlines()
            error["detail"] = " ".join(line.strip() for line in rest[:8])[:600]
        return error
    if found := _SPARK_CLASS.search(message):
        return {"error": found.group(1)}
    return {"error": "error of the engine, its text is withheld"}
