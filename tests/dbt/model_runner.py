"""Models run one by one on rows given by a test, without a build.

dbt compiles the project once (for a process and a state of its files). A model then runs as the
engine would run it in a build, on tables made from rows; what stands between the given tables and
the model runs too, so that a test may begin at the raw tables or at the model's own parents.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import hashlib
import pickle
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import duckdb
import pyarrow as pa

from openchronic_assets import warehouse
from openchronic_assets.settings import Home
from openchronic_assets.warehouse import project, run
from openchronic_assets.warehouse.raw import relation_sql

Row = dict[str, Any]
YEAR_MARK = "__build_year__"
FLUX_CUTOFF = "2021-06"
# The runner with a planted fault, while mutants are tried on the tests that use a runner.
SHARED: ModelRunner | None = None


@dataclass(frozen=True)
class Node:
    """A model, seed or raw table: its compiled SQL, the name it has there, its parents."""

    name: str
    kind: str  # model, seed or source
    relation: str  # as compiled SQL writes it; '__dbt__cte__<name>' for an ephemeral model
    sql: str
    parents: tuple[str, ...]
    key: tuple[str, ...]
    ephemeral: bool


def compiled(folder: Path, target: str, cache: Path) -> dict[str, Node]:
    """Return the nodes of the project by name, compiled for an engine, parents first.

    dbt takes some seconds to compile: what it made for the same files is kept in ``cache``.
    """
    own = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
    kept = cache / f"{target}-{project._tree_hash()[:16]}-{own}.pickle"
    if kept.is_file():
        return cast("dict[str, Node]", pickle.loads(kept.read_bytes()))
    nodes = _compiled(folder, target)
    for old in sorted(cache.glob(f"{target}-*.pickle"), key=lambda path: path.stat().st_mtime)[:-3]:
        old.unlink(missing_ok=True)
    with tempfile.NamedTemporaryFile(dir=cache, delete=False) as file:
        file.write(pickle.dumps(nodes))
    Path(file.name).replace(kept)
    return nodes


def _compiled(folder: Path, target: str) -> dict[str, Node]:
    home = Home(folder / "home").create()
    plan = warehouse.plan(home, [2020], target=target)
    warehouse.prepare(plan)
    # A model that does not compile stops those who need it, not those who need others.
    left_out = ["resource_type:test"]
    while True:
        outcome = run.invoke(plan, ["compile", "--exclude", *left_out])
        if outcome.result is not None:
            break
        broken = re.search(r"Error in model (\w+)", str(outcome.exception))
        assert broken and f"{broken[1]}+" not in left_out, outcome.exception
        left_out.append(f"{broken[1]}+")
    done = {r.node.unique_id: r.node for r in outcome.result.results}
    manifest = project.parsed(home, target)
    seeds = project.seeds(home, target)
    nodes: dict[str, Node] = {}

    def add(unique_id: str) -> str:
        if unique_id in manifest.sources:
            source = manifest.sources[unique_id]
            nodes.setdefault(
                source.name, Node(source.name, "source", source.relation_name, "", (), (), False)
            )
            return str(source.name)
        node = done.get(unique_id) or manifest.nodes[unique_id]
        if node.name in nodes:
            return str(node.name)
        parents = tuple(add(parent) for parent in getattr(node.depends_on, "nodes", []))
        ephemeral = node.config.materialized == "ephemeral"
        sql = _seed_sql(*seeds[node.name]) if node.resource_type == "seed" else node.compiled_code
        sql = sql or f"select error('{node.name} does not compile')"
        # An ephemeral parent is written into the SQL: its body gives way to its relation.
        for cte in getattr(node, "extra_ctes", []):
            name = cte.id.rsplit(".", 1)[-1]
            if cte.sql and cte.sql.strip() in sql:
                sql = sql.replace(
                    cte.sql.strip(), f"__dbt__cte__{name} as (select * from __ephemeral__{name})"
                )
                # Nobody else tells it: dbt gives no result for an ephemeral model.
                body = cte.sql.strip().partition("(")[2].rpartition(")")[0]
                nodes[name] = dataclasses.replace(nodes[name], sql=body)
        nodes[node.name] = Node(
            name=node.name,
            kind=node.resource_type,
            relation=f"__ephemeral__{node.name}" if ephemeral else node.relation_name,
            sql=sql,
            parents=parents,
            key=tuple(node.config.get("unique_key") or ()),
            ephemeral=ephemeral,
        )
        return str(node.name)

    for unique_id, node in manifest.nodes.items():
        if node.resource_type in ("model", "seed"):
            add(unique_id)
    return nodes


class ModelRunner:
    """Runs models on DuckDB, in memory."""

    target = "duckdb"

    def __init__(self, folder: Path, cache: Path) -> None:
        self.nodes = compiled(folder / self.target, self.target, cache)
        self.empties: dict[str, pa.Table] = {}
        self.connection = duckdb.connect()
        self.connection.execute(
            "create schema empty; create schema given; create schema plan; set threads = 1;"
            f"create table plan.flux as select '{FLUX_CUTOFF}' as flux_cutoff"
        )
        for node in self.nodes.values():
            name = f"empty.{node.name}"
            if node.kind == "source":
                self.connection.execute(f"create view {name} as {relation_sql(node.name, [])}")
            elif node.kind == "seed":
                self.connection.execute(f"create table {name} as {node.sql}")

    def schema(self, name: str) -> pa.Schema:
        """Return the columns and types of a node."""
        return self._empty(name).schema

    def _empty(self, name: str) -> pa.Table:
        """Return a node's rows where nothing was delivered: none, or those of its seeds."""
        if name in self.empties:
            return self.empties[name]
        node = self.nodes[name]
        if node.kind == "model":
            sql = self.sql(name, 2020, {parent: f"empty.{parent}" for parent in node.parents})
            for parent in node.parents:
                self._empty(parent)
            self.connection.execute(f"create or replace table empty.{name} as {sql}")
        found = self.connection.execute(f"from empty.{name}").to_arrow_table()
        self.empties[name] = found
        return found

    def sql(self, name: str, year: int, relations: Mapping[str, str]) -> str:
        """Return a model's SQL for a year, over the given names of its parents."""
        return self.bind(name, self.nodes[name].sql, year, relations)

    def bind(self, name: str, sql: str, year: int, relations: Mapping[str, str]) -> str:
        """Return compiled SQL of a model for a year, over the given names of its parents."""
        sql = sql.replace(YEAR_MARK, str(year))
        for parent in self.nodes[name].parents:
            relation = re.escape(self.nodes[parent].relation)
            sql = re.sub(rf"(?<![\w.]){relation}(?!\w)", relations[parent], sql)
        return sql

    def table(self, name: str, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
        """Return rows as a table with the node's columns; those left out are NULL."""
        listed = list(rows)
        schema = self.schema(name)
        unknown = {column for row in listed for column in row} - set(schema.names)
        assert not unknown, f"{name} has no column {sorted(unknown)}; it has {schema.names}"
        return pa.table(
            [
                pa.array([_value(row.get(field.name), field.type) for row in listed], field.type)
                for field in schema
            ],
            schema=schema,
        )

    def between(self, name: str, given: Mapping[str, Any]) -> list[str]:
        """Return the models to run, parents first: ``name`` and what a given table reaches."""

        @functools.cache
        def touched(node: str) -> bool:
            return node in given or any(touched(parent) for parent in self.nodes[node].parents)

        needed: list[str] = []

        def visit(node: str) -> None:
            if node in given or node in needed or (node != name and not touched(node)):
                return
            for parent in self.nodes[node].parents:
                visit(parent)
            needed.append(node)

        visit(name)
        return needed

    def run(
        self,
        name: str,
        given: Mapping[str, Iterable[Mapping[str, Any]]],
        year: int = 2020,
        sql: Mapping[str, str] | None = None,
    ) -> list[Row]:
        """Return a model's rows for a year, in the order of its key.

        Args:
            name: the model.
            given: rows of raw tables, seeds or models (columns left out are NULL). Seeds that are
                not given hold what they hold; any other table is empty.
            year: the year that yearly models on the way are built for. A model that reads several
                years of a yearly parent must be given that parent.
            sql: compiled SQL in place of a model's own, to try a changed model.

        Raises:
            AssertionError: a given column does not exist.
        """
        return self.run_all([name], given, year, sql)[name]

    def run_all(
        self,
        names: Iterable[str],
        given: Mapping[str, Iterable[Mapping[str, Any]]],
        year: int = 2020,
        sql: Mapping[str, str] | None = None,
    ) -> dict[str, list[Row]]:
        """Return the rows of several models made from the same given rows."""
        wanted = list(names)
        tables = {table: self.table(table, rows) for table, rows in given.items()}
        order: list[str] = []
        for name in wanted:
            order += [node for node in self.between(name, given) if node not in order]
        used = {parent for node in order for parent in self.nodes[node].parents}
        try:
            relations = {node: self.put(node, tables[node]) for node in used & set(tables)}
            for node in used - set(tables) - set(order):
                relations[node] = self.nothing(node)
            for node in order:
                text = (sql or {}).get(node, self.nodes[node].sql)
                relations[node] = self.define(node, self.bind(node, text, year, relations))
            return {name: self.fetch(relations[name], self.nodes[name].key) for name in wanted}
        finally:
            self.clear()

    def put(self, name: str, table: pa.Table) -> str:
        """Make a table of the given rows and return its name."""
        self.connection.register("incoming", table)
        self.connection.execute(f"create table given.{name} as from incoming")
        self.connection.unregister("incoming")
        return f"given.{name}"

    def nothing(self, name: str) -> str:
        """Return the name of a table's rows where nothing was delivered."""
        self._empty(name)
        return f"empty.{name}"

    def define(self, name: str, sql: str) -> str:
        """Run a model's SQL and return the name of its rows."""
        self.connection.execute(f"create table given.{name} as {sql}")
        return f"given.{name}"

    def fetch(self, relation: str, key: tuple[str, ...]) -> list[Row]:
        """Return rows in the order of the key."""
        order = f" order by {', '.join(f'{column} nulls first' for column in key)}" if key else ""
        return self.connection.execute(f"from {relation}{order}").to_arrow_table().to_pylist()

    def clear(self) -> None:
        """Forget the given rows."""
        self.connection.execute("drop schema given cascade; create schema given")


class SparkModelRunner(ModelRunner):
    """Runs the same models on Spark; types and empty tables are those that DuckDB has."""

    target = "spark"

    def __init__(self, folder: Path, cache: Path, plain: ModelRunner) -> None:
        from openchronic_assets.ingestion.spark import session

        self.plain = plain
        self.nodes = compiled(folder / self.target, self.target, cache)
        self.spark = session()
        for name, value in {
            "spark.sql.codegen.wholeStage": "false",
            "spark.sql.codegen.factoryMode": "NO_CODEGEN",
            "spark.sql.adaptive.enabled": "false",
            "spark.sql.shuffle.partitions": "2",
            "spark.sql.session.timeZone": "UTC",
        }.items():
            self.spark.conf.set(name, value)
        self.spark.sql("create database if not exists plan")
        self.spark.sql(f"create or replace view plan.flux as select '{FLUX_CUTOFF}' as flux_cutoff")
        self.views: list[str] = []

    def schema(self, name: str) -> pa.Schema:
        """Return the columns and types of a node."""
        return self.plain.schema(name)

    def _empty(self, name: str) -> pa.Table:
        return self.plain._empty(name)

    def nothing(self, name: str) -> str:
        """Return the name of a table's rows where nothing was delivered."""
        return self.put(name, self._empty(name))

    def put(self, name: str, table: pa.Table) -> str:
        """Make a view of the given rows and return its name."""
        # Spark reads no unsigned or huge integers, and wants plain timestamps.
        self.spark.createDataFrame(table).createOrReplaceTempView(f"given_{name}")
        self.views.append(f"given_{name}")
        return f"given_{name}"

    def define(self, name: str, sql: str) -> str:
        """Run a model's SQL once and return the name of its rows."""
        frame = self.spark.sql(sql).localCheckpoint()
        frame.createOrReplaceTempView(f"given_{name}")
        self.views.append(f"given_{name}")
        return f"given_{name}"

    def fetch(self, relation: str, key: tuple[str, ...]) -> list[Row]:
        """Return rows in the order of the key."""
        order = f" order by {', '.join(f'{column} nulls first' for column in key)}" if key else ""
        frame = self.spark.sql(f"select * from {relation}{order}")
        return [row.asDict() for row in frame.collect()]

    def clear(self) -> None:
        """Forget the given rows."""
        for view in self.views:
            self.spark.catalog.dropTempView(view)
        self.views = []


def multiset(rows: Iterable[Row]) -> list[str]:
    """Return rows in a form that compares whatever their order."""
    return sorted(repr(sorted(row.items())) for row in rows)


def _seed_sql(path: Path, types: Mapping[str, str]) -> str:
    with path.open(encoding="utf-8") as file:
        names = file.readline().strip().split(",")
    listed = ", ".join(
        f"cast(nullif({name}, '') as {types.get(name, 'varchar')}) as {name}" for name in names
    )
    return f"select {listed} from read_csv('{path}', header = true, all_varchar = true)"


def _value(value: Any, kind: pa.DataType) -> Any:
    """Return a value as its column wants it: texts and integers are easier to write in a test."""
    if value is None:
        return None
    if pa.types.is_date(kind) and isinstance(value, str):
        return dt.date.fromisoformat(value)
    if pa.types.is_timestamp(kind) and isinstance(value, str):
        return dt.datetime.fromisoformat(value)
    if pa.types.is_decimal(kind) and not isinstance(value, Decimal):
        return Decimal(str(value)).quantize(Decimal(1).scaleb(-kind.scale))
    if pa.types.is_integer(kind) and isinstance(value, str):
        return int(value)
    if pa.types.is_floating(kind):
        return float(value)
    if pa.types.is_string(kind) and not isinstance(value, str):
        return str(value)
    return value
