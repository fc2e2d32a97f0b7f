"""Whether the tests of the models notice faults planted into their SQL.

``python tests/dbt/mutation.py --sample 60`` tries a stratified sample, ``--all`` every mutant, and
resumes where an earlier run over the same files stopped (``--journal``). A mutant is killed by, in
this order: an engine that refuses it; a unit test of its model; on a small base built once, a data
test that reads the model or one of its direct children; an oracle (a test that gives rows to that
model through the runner). Whoever survives is listed, with the clause that was changed.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import hashlib
import itertools
import json
import os
import pickle
import random
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import duckdb
import hypothesis
import model_runner as runners
import mutants as faults
import pytest
import yaml
from model_runner import YEAR_MARK, ModelRunner, Row, multiset
from mutants import Mutant
from raw_lake import Lake, small_extract

from openchronic_assets import synthetic, warehouse
from openchronic_assets.contracts import heading
from openchronic_assets.ingestion.delivery import recognise
from openchronic_assets.ingestion.parse import ParseTask, parse_file, stamp_of
from openchronic_assets.settings import Home
from openchronic_assets.slices import Part
from openchronic_assets.warehouse import inputs, project, run
from openchronic_assets.warehouse.raw import relation_sql

# A failing example is enough: nobody reads the smallest one. The same examples for every mutant.
hypothesis.settings.register_profile(
    "mutants",
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    derandomize=True,
    database=None,
)

HERE = Path(__file__).parent
EQUIVALENT = HERE / "equivalent_mutants.yml"
NOTICED = HERE / "noticed_mutants.yml"
YEARS = (2019, 2020, 2021)
PERSONS = 150
# A model that a loop writes says the same thing many times: so many mutants of a kind are enough.
MOST_OF_A_KIND = 25
# Of the oracles that run a model, those that run little else come first, up to so many seconds.
LONGEST = 20.0
PATIENCE = 20.0  # seconds that a query of a mutant may take before it counts as killed


@dataclass(frozen=True)
class UnitTest:
    """A unit test as its YAML says it."""

    name: str
    model: str
    year: int
    given: dict[str, list[Row]]
    expected: list[Row]


@dataclass(frozen=True)
class DataTest:
    """A data test: compiled SQL that returns what is wrong, and the nodes that it reads."""

    name: str
    reads: tuple[str, ...]
    sql: str


@dataclass(frozen=True)
class Checks:
    """All tests that the project declares."""

    unit: tuple[UnitTest, ...]
    data: tuple[DataTest, ...]


def checks(folder: Path, cache: Path) -> Checks:
    """Return the declared tests, compiled once for a state of the project's files."""
    own = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
    kept = cache / f"checks-{project._tree_hash()[:16]}-{own}.pickle"
    if kept.is_file():
        return cast(Checks, pickle.loads(kept.read_bytes()))
    home = Home(folder / "home").create()
    plan = warehouse.plan(home, [2020])
    warehouse.prepare(plan)
    outcome = run.invoke(plan, ["compile", "--select", "resource_type:test"])
    assert outcome.result is not None, outcome.exception
    manifest = project.parsed(home, "duckdb")

    def names(ids: Iterable[str]) -> tuple[str, ...]:
        return tuple(each.rsplit(".", 1)[-1] for each in ids)

    data = [
        DataTest(node.name, names(node.depends_on.nodes), node.compiled_code)
        for node in (result.node for result in outcome.result.results)
        if node.resource_type == "test"
    ]
    unit = []
    for test in manifest.unit_tests.values():
        given = {}
        for each in test.given:
            # ref('name') or source('snds', 'name')
            given[each.input.split("'")[-2]] = written_rows(each.rows)
        variables = (test.overrides.vars if test.overrides else None) or {}
        year = int(variables.get("unit_test_year", 2020))
        unit.append(UnitTest(test.name, test.model, year, given, written_rows(test.expect.rows)))
    found = Checks(tuple(unit), tuple(sorted(data, key=lambda each: each.name)))
    kept.write_bytes(pickle.dumps(found))
    return found


def written_rows(rows: Any) -> list[Row]:
    """Return the rows of a unit test, which may be written as a query."""
    if not isinstance(rows, str):
        return list(rows or [])
    with duckdb.connect() as connection:
        found = connection.execute(rows)
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def raw_parts(folder: Path, wanted: set[str]) -> dict[str, list[Part]]:
    """Return a small raw lake: generated people, and those made by hand with twins and dirt."""
    lake = Lake(Home(folder / "hand"))
    small_extract(lake)
    parts = lake.files(lake.home)
    out = folder / "delivered"
    made = synthetic.generate(out, PERSONS, (YEARS[0], YEARS[1]), 7, tables="core")
    for name in made["delivered"]:
        found = recognise(Path(name).name)
        # Open DAMIR is a file a month: one of them is enough.
        if (
            found is None
            or heading(found[0]).raw_name not in wanted
            or (found[0] == "OPEN_DAMIR" and heading(found[0]).raw_name in parts)
        ):
            continue
        table, period, year = found
        work = folder / "work" / Path(name).name
        for part in ("out", "quarantine", "scratch"):
            (work / part).mkdir(parents=True)
        report = parse_file(
            ParseTask(
                path=str(out / name),
                source=name,
                table=table,
                period=period,
                year=year or YEARS[0],
                year_source="name",
                delivery_id="0" * 16,
                sha256="",
                stamp=stamp_of(out / name),
                out=str(work / "out"),
                quarantine=str(work / "quarantine"),
                scratch=str(work / "scratch"),
            ),
            b"a secret for mutants, who hide nobody",
        )
        assert report.status == "loaded", (name, report)
        for path in sorted((work / "out").rglob("*.parquet")):
            parts.setdefault(heading(table).raw_name, []).append(Part(path))
    return parts


class Base:
    """The whole base in memory, built once; each mutant is tried on it and taken back."""

    def __init__(self, runner: ModelRunner, parts: Mapping[str, list[Part]]) -> None:
        self.nodes = runner.nodes
        self.connection = duckdb.connect()
        self.connection.execute(
            "attach ':memory:' as openchronic; use openchronic.main; set threads = 1;"
            "set memory_limit = '2GB'; create schema raw; create schema plan;"
            "create table plan.model_file"
            " (model varchar, year integer, path varchar, state varchar);"
            "create table plan.flux as select '2021-06' as flux_cutoff"
        )
        self.children: dict[str, list[str]] = defaultdict(list)
        for node in self.nodes.values():
            for parent in node.parents:
                self.children[parent].append(node.name)
            if node.kind == "source":
                sql = relation_sql(node.name, parts.get(node.name, []))
                self.connection.execute(f"create table raw.{node.name} as {sql}")
            elif node.kind == "seed":
                rows = runner._empty(node.name)
                self.connection.register("incoming", rows)
                self.connection.execute(f"create table main.{node.name} as from incoming")
        self.marks: dict[str, Any] = {}
        for name in self.order():
            sql = self.nodes[name].sql
            if YEAR_MARK in sql:
                self.connection.executemany(
                    "insert into plan.model_file values (?, ?, '', 'write')",
                    [(name, year) for year in YEARS],
                )
            self.define(name, sql)
            self.marks[name] = self.mark(name)

    def order(self) -> list[str]:
        """Return the models that compile, parents first."""
        return [
            node.name
            for node in self.nodes.values()
            if node.kind == "model" and not node.sql.startswith("select error(")
        ]

    def define(self, name: str, sql: str) -> None:
        """Make a model's rows of all years from its SQL."""
        for parent in self.nodes[name].parents:
            if self.nodes[parent].ephemeral:
                sql = sql.replace(self.nodes[parent].relation, f'"openchronic"."main"."{parent}"')
        years = YEARS if YEAR_MARK in sql else (YEARS[0],)
        texts = [f"select * from ({sql.replace(YEAR_MARK, str(year))})" for year in years]
        self.connection.execute(
            f"create or replace table main.{name} as {' union all '.join(texts)}"
        )

    def mark(self, name: str) -> Any:
        """Return what changes when any row of a model does."""
        return self.connection.execute(
            f"select count(*), sum(hash(each)::hugeint) from main.{name} as each"
        ).fetchone()

    def failing(self, tests: Iterable[DataTest]) -> str | None:
        """Return the first data test that fails."""
        for test in tests:
            if self.connection.execute(f"select 1 from ({test.sql}) limit 1").fetchone():
                return test.name
        return None

    def killer(self, model: str, sql: str, data: Sequence[DataTest]) -> str | None:
        """Return what kills a model's changed SQL: the engine, or a data test; or None."""
        self.connection.execute("begin")
        try:
            with patience(self.connection):
                self.define(model, sql)
                if self.mark(model) == self.marks[model]:
                    return None
                changed = [model]
                if found := self.failing(test for test in data if model in test.reads):
                    return f"data test {found}"
                for child in self.children[model]:
                    if child not in self.marks:
                        continue
                    self.define(child, self.nodes[child].sql)
                    if self.mark(child) != self.marks[child]:
                        changed.append(child)
                tests = (
                    test
                    for test in data
                    if model not in test.reads and set(changed) & set(test.reads)
                )
                if found := self.failing(tests):
                    return f"data test {found}"
                return None
        except duckdb.Error as error:
            return f"engine: {type(error).__name__}"
        finally:
            with contextlib.suppress(duckdb.Error):
                self.connection.execute("rollback")


@contextlib.contextmanager
def patience(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Interrupt a query that does not end: a fault may make a join or a recursion endless."""
    timer = threading.Timer(PATIENCE, connection.interrupt)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class Units:
    """The unit tests, run through the runner."""

    def __init__(self, runner: ModelRunner, tests: Iterable[UnitTest]) -> None:
        self.runner = runner
        self.tests: dict[str, list[UnitTest]] = defaultdict(list)
        for test in tests:
            self.tests[test.model].append(test)

    def passes(self, test: UnitTest, sql: str | None = None) -> bool:
        """Tell whether the model gives what a unit test expects."""
        changed = None if sql is None else {test.model: sql}
        rows = self.runner.run(test.model, test.given, test.year, changed)
        wanted = self._expected(test.name, test.model)
        columns = set(test.expected[0]) if test.expected else set()
        got = [{name: row[name] for name in columns} for row in rows]
        return multiset(got) == multiset({name: row[name] for name in columns} for row in wanted)

    @functools.cache  # noqa: B019 - one of it lives as long as the run
    def _expected(self, name: str, model: str) -> list[Row]:
        test = next(each for each in self.tests[model] if each.name == name)
        return cast("list[Row]", self.runner.table(model, test.expected).to_pylist())

    def killer(self, model: str, sql: str) -> str | None:
        """Return the unit test that a changed model fails, or the engine's refusal; or None."""
        for test in self.tests[model]:
            try:
                with patience(self.runner.connection):
                    if not self.passes(test, sql):
                        return f"unit test {test.name}"
            except duckdb.Error as error:
                return f"engine: {type(error).__name__}"
        return None


class Oracles:
    """Tests in Python that run a model through the runner, called on the mutated model.

    Each runs once without a fault, to see which models it runs and how long it takes; what a file
    of tests showed is kept until the file changes. A test that fails without a fault kills nobody:
    it is left out, and told (``unsound``).
    """

    def __init__(self, runner: ModelRunner, cache: Path | None) -> None:
        self.runner = runner
        self.sound: set[str] = set()
        self.unsound: list[str] = []
        self.of_model: dict[str, list[str]] = defaultdict(list)
        if cache is None:  # who uses them says which test to call
            return
        watched = self._watched(cache / "oracles.json")
        spent: dict[str, float] = defaultdict(float)
        for test in sorted(watched, key=lambda each: (len(watched[each][1]), watched[each][0])):
            seconds, models = watched[test]
            for model in models:
                spent[model] += seconds
                if spent[model] <= LONGEST or not self.of_model[model]:
                    self.of_model[model].append(test)

    def killer(self, model: str, sql: str) -> str | None:
        """Return the test that a changed model fails; or None."""
        original = self.runner.nodes[model]
        while tests := [each for each in self.of_model[model] if each not in self.unsound]:
            self.runner.nodes[model] = dataclasses.replace(original, sql=sql)
            try:
                failed = self._run(tests).failed
            finally:
                self.runner.nodes[model] = original
            if not failed:
                return None
            if failed[0] not in self.sound and self._run(failed[:1]).failed:
                self.unsound.append(failed[0])
                continue
            self.sound.add(failed[0])
            return f"oracle {failed[0].rsplit('/', 1)[-1]}"
        return None

    def _watched(self, kept: Path) -> dict[str, tuple[float, list[str]]]:
        """Return of each test that uses a runner its seconds and the models that it runs."""
        known = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
        files = {}
        for path in sorted(HERE.glob("test_*.py")):
            text = path.read_text(encoding="utf-8")
            others = ("test_model_runner", "test_mutation")
            if "model_runner: ModelRunner" in text and path.stem not in others:
                files[path] = f"{path.stem} {hashlib.sha256(text.encode()).hexdigest()[:16]}"
        new = [path for path, name in files.items() if name not in known]
        watch = _Watch()
        if new:
            define = self.runner.define

            def seen(name: str, sql: str) -> str:
                watch.models[watch.current].add(name)
                return define(name, sql)

            self.runner.define = seen  # type: ignore[method-assign]
            try:
                self._run([path.name for path in new], watch, "--maxfail=1000")
            finally:
                self.runner.define = define  # type: ignore[method-assign]
        for path in new:
            known[files[path]] = {
                test: (seconds, sorted(watch.models[test]))
                for test, seconds in watch.seconds.items()
                if test.split("::")[0].endswith(path.name) and test not in watch.failed
            }
        self.unsound += watch.failed
        kept.write_text(json.dumps({name: known[name] for name in files.values()}))
        return {test: told for name in files.values() for test, told in known[name].items()}

    def _run(self, tests: Sequence[str], watch: _Watch | None = None, *more: str) -> _Watch:
        """Run tests (files, or identifiers) with the runner as it is, to the first that fails."""
        watch = watch or _Watch()
        where = [str(HERE / each.rsplit("/", 1)[-1]) for each in tests]
        runners.SHARED = self.runner
        hypothesis.settings.load_profile("mutants")
        try:
            with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
                code = pytest.main(
                    [
                        "-x", "-q", "--rootdir", str(HERE.parents[1]),
                        "-m", "not spark and not slow and not long and not e2e", *more, *where,
                    ],
                    plugins=[watch],
                )  # fmt: skip
            # Oracles that cannot be collected would let every mutant live.
            assert code in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED), (code, where)
        finally:
            runners.SHARED = None
            hypothesis.settings.load_profile("default")
        return watch


class _Watch:
    """What happens in a run of pytest."""

    def __init__(self) -> None:
        self.current = ""
        self.failed: list[str] = []
        self.seconds: dict[str, float] = {}
        self.models: dict[str, set[str]] = defaultdict(set)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [each for each in items if "model_runner" in getattr(each, "fixturenames", ())]

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.current = nodeid

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and report.nodeid not in self.failed:
            self.failed.append(report.nodeid)
        if report.when == "call":
            self.seconds[report.nodeid] = report.duration


@dataclass(frozen=True)
class Trial:
    """What became of a mutant; ``killer`` None: it survived."""

    mutant: Mutant
    killer: str | None


class Laboratory:
    """All that a mutant needs, made once."""

    def __init__(self, folder: Path, cache: Path) -> None:
        inputs.current_parts = lambda home: {}  # type: ignore[assignment]
        self.runner = ModelRunner(folder / "compiled", cache)
        self.checks = checks(folder / "checks", cache)
        self.units = Units(self.runner, self.checks.unit)
        sources = {node.name for node in self.runner.nodes.values() if node.kind == "source"}
        self.base = Base(self.runner, raw_parts(folder, sources))
        self.oracles = Oracles(self.runner, cache)

    def sound(self) -> list[str]:
        """Return what fails without any fault: tests, and queries that writing again changes."""
        broken = []
        for tests in self.units.tests.values():
            broken += [f"unit test {each.name}" for each in tests if not self.units.passes(each)]
        for each in self.checks.data:
            try:
                if found := self.base.failing([each]):
                    broken.append(f"data test {found}")
            except duckdb.Error as error:
                broken.append(f"data test {each.name}: {error}"[:300])
        for name in self.base.order():
            sql = faults.written(faults.parse(self.runner.nodes[name].sql))
            self.base.connection.execute("begin")
            self.base.define(name, sql)
            if self.base.mark(name) != self.base.marks[name]:
                broken.append(f"{name}, written again, gives other rows")
            self.base.connection.execute("rollback")
        return broken

    def mutants(self) -> list[Mutant]:
        """Return the mutants to try, without those known to change nothing."""
        equivalent = set(equivalents())
        listed: list[Mutant] = []
        for name in self.base.order():
            of_kind: dict[str, list[Mutant]] = defaultdict(list)
            for mutant in faults.mutants(name, self.runner.nodes[name].sql):
                of_kind[mutant.kind].append(mutant)
            for kind, group in of_kind.items():
                if len(group) > MOST_OF_A_KIND:
                    group = random.Random(f"{name} {kind}").sample(group, MOST_OF_A_KIND)
                listed += [each for each in group if each.id not in equivalent]
        return listed

    def trial(self, mutant: Mutant) -> Trial:
        """Try one mutant."""
        sql = faults.planted(self.runner.nodes[mutant.model].sql, mutant)
        killer = (
            self.units.killer(mutant.model, sql)
            or self.base.killer(mutant.model, sql, self.checks.data)
            or self.oracles.killer(mutant.model, sql)
        )
        return Trial(mutant, killer)


def equivalents() -> dict[str, str]:
    """Return the mutants listed by hand as changing nothing, each with the reason."""
    if not EQUIVALENT.is_file():
        return {}
    return cast("dict[str, str]", yaml.safe_load(EQUIVALENT.read_text(encoding="utf-8")) or {})


def stratified(mutants: Sequence[Mutant], count: int, seed: int) -> list[Mutant]:
    """Return a sample that goes round the kinds and, within a kind, round the models.

    Lots are drawn by hashes of names, so that a new model changes few of them.
    """

    def lot(*names: str) -> str:
        return hashlib.sha256(" ".join((str(seed), *names)).encode()).hexdigest()

    piles: dict[str, dict[str, list[Mutant]]] = defaultdict(lambda: defaultdict(list))
    for mutant in sorted(mutants, key=lambda each: lot(each.id)):
        piles[mutant.kind][mutant.model].append(mutant)
    queues: dict[str, list[Mutant]] = {}
    for kind, models in piles.items():
        order = sorted(models, key=lambda model: lot(kind, model))
        rounds = itertools.zip_longest(*(models[model] for model in order))
        queues[kind] = [each for level in rounds for each in level if each is not None]
    turns = itertools.zip_longest(*(queues[kind] for kind in sorted(queues)))
    return [each for turn in turns for each in turn if each is not None][:count]


def noticed(folder: Path, cache: Path) -> dict[str, Any]:
    """Try the mutants that an oracle once killed on that oracle alone: no base, some seconds."""
    inputs.current_parts = lambda home: {}  # type: ignore[assignment]
    runner = ModelRunner(folder / "compiled", cache)
    oracles = Oracles(runner, None)
    listed: dict[str, str] = yaml.safe_load(NOTICED.read_text(encoding="utf-8"))
    trials, gone = [], []
    for name, test in listed.items():
        node = runner.nodes.get(name.split(":")[0])
        mutant = node and next(
            (m for m in faults.mutants(node.name, node.sql) if m.id == name), None
        )
        if node is None or mutant is None:
            gone.append(name)  # its clause was written anew
            continue
        oracles.of_model = {node.name: [test]}
        trials.append(Trial(mutant, oracles.killer(node.name, faults.planted(node.sql, mutant))))
    return score(trials) | {"gone": gone, "broken": [f"oracle {each}" for each in oracles.unsound]}


def score(trials: Iterable[Trial]) -> dict[str, Any]:
    """Return counts and the share killed, in all, by kind and by model."""
    listed = list(trials)
    killed = Counter(trial.killer is not None for trial in listed)
    by: dict[str, dict[str, list[int]]] = {"kind": {}, "model": {}}
    for trial in listed:
        for name in by:
            pair = by[name].setdefault(getattr(trial.mutant, name), [0, 0])
            pair[0] += trial.killer is not None
            pair[1] += 1
    means = Counter((trial.killer or "survived").split(":")[0].split(" ")[0] for trial in listed)
    return {
        "mutants": len(listed),
        "killed": killed[True],
        "score": round(killed[True] / len(listed), 4) if listed else None,
        "by_kind": by["kind"],
        "by_model": by["model"],
        "by_means": dict(means),
        "survivors": [str(trial.mutant) for trial in listed if trial.killer is None],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Try mutants and write the score as JSON on standard output."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--sample", type=int, help="try so many, spread over kinds and models")
    chosen.add_argument("--all", action="store_true", help="try every mutant")
    chosen.add_argument("--model", action="append", help="try every mutant of a model")
    chosen.add_argument("--mutant", action="append", help="try the mutant of this id")
    chosen.add_argument("--noticed", action="store_true", help="try those an oracle once killed")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--cache", type=Path, help="folder of compiled models and of the journal")
    parser.add_argument("--minutes", type=float, help="stop after this time; run again to go on")
    options = parser.parse_args(arguments)
    cache = options.cache or Path(tempfile.gettempdir()) / "openchronic-mutation"
    cache.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="openchronic-mutation-") as folder:
        if options.noticed:
            report = noticed(Path(folder), cache) | {"seconds": time.process_time()}
            sys.stdout.write(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
            return 1 if report["broken"] else 0
        laboratory = Laboratory(Path(folder), cache)
        broken = laboratory.sound()
        sys.stderr.write(f"{time.process_time():5.1f} s of processor to prepare\n")
        prepared = time.monotonic() - started
        found = laboratory.mutants()
        if options.sample:
            found = stratified(found, options.sample, options.seed)
        elif options.model:
            found = [each for each in found if each.model in options.model]
        elif options.mutant:
            found = [each for each in found if each.id in options.mutant]
        journal = Journal(cache / f"journal-{_state()}.jsonl")
        trials = []
        for mutant in found:
            if options.minutes and time.monotonic() - started > options.minutes * 60:
                break
            if mutant.id not in journal.known:
                begun = time.process_time()
                trial = laboratory.trial(mutant)
                journal.write(trial)
                spent = time.process_time() - begun
                sys.stderr.write(f"{spent:5.1f} s  {trial.killer or 'SURVIVED'}  {mutant.id}\n")
            trials.append(Trial(mutant, journal.known[mutant.id]))
    report = score(trials) | {
        "broken": broken + [f"oracle {each}" for each in laboratory.oracles.unsound],
        "left": len(found) - len(trials),
        "prepared_seconds": round(prepared, 1),
        "seconds": round(time.monotonic() - started, 1),
    }
    sys.stdout.write(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    return 1 if report["broken"] else 0


class Journal:
    """What was tried over the same files, so that a run goes on where one stopped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: dict[str, str | None] = {}
        if path.is_file():
            for text in path.read_text(encoding="utf-8").splitlines():
                # A run that was killed may have left half a line.
                with contextlib.suppress(ValueError):
                    each = json.loads(text)
                    self.known[each["id"]] = each["killer"]

    def write(self, trial: Trial) -> None:
        """Keep one trial."""
        self.known[trial.mutant.id] = trial.killer
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"id": trial.mutant.id, "killer": trial.killer}) + "\n")


def _state() -> str:
    """Return a hash of the project and of the tests: with others, other mutants die."""
    digest = hashlib.sha256(project._tree_hash().encode())
    for path in sorted(HERE.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    # By its own name, so that what it keeps in the cache is read by the tests too.
    import mutation

    sys.exit(mutation.main())
