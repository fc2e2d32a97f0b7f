"""Why the country's value of an indicator is not the same in two builds.

The change is told as a chain of recomputations with today's code, each of which takes over one more
thing from the newer build, so that the parts sum to the change exactly:

1. *rule*: what the older build published, against today's code on all that it was made from;
2. *algorithm*: the lists, versions and parameters (seeds) of the newer build;
3. *late flux*: deliveries that the newer build read, and the years that it holds, but for 4 and 5;
4. *regularisation*: reimbursement lines of these deliveries that take care back (negative
   quantity, the rule ``regularised``), with their details;
5. *referential*: the newer build's vintage of the referentials (snapshots: IR_BEN_R, IR_IMB_R…);

then back to what the newer build published, which is rule again. Code of the past cannot be run
again: where neither build was made by today's code, the part *rule* is what remains. What
depends on two causes at once counts for the one that comes later in the chain.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import duckdb

from openchronic_assets import duck, progress
from openchronic_assets.contracts import heading, tables
from openchronic_assets.errors import OpenChronicError, Refused, UsageError
from openchronic_assets.indicators.model import Indicator
from openchronic_assets.ingestion.deliveries import lake_lock
from openchronic_assets.settings import Home
from openchronic_assets.slices import LINES, Part, in_slices_sql
from openchronic_assets.warehouse import builds, panel, project, run
from openchronic_assets.warehouse.inputs import snapshots
from openchronic_assets.warehouse.raw import columns, contract_of, read_parquet, relation_sql

CAUSES = ("rule", "algorithm", "late_flux", "regularisation", "referential")
QUANTITIES = ("numerator", "denominator", "value")

VALUES = "int_indicator_value"
# Figures are compared and subtracted at this step, exactly.
_STEP = Decimal("1e-12")
# Two computations of the same sums, in another order, are the same figure.
_SAME = Decimal("1e-9")
_MEASURE = (
    "person_id varchar, year integer, measure varchar, condition varchar, unit_id varchar, "
    "finess varchar, num double, den double, excl_code varchar"
)
_LINE_KEY = (
    "dct_ord_num", "flx_dis_dtd", "flx_emt_num", "flx_emt_ord", "flx_emt_typ", "flx_trt_dtd",
    "org_cle_num", "prs_ord_num", "rem_typ_aff",
)  # fmt: skip
_YEAR_MARK = "__build_year__"

Slices = dict[str, frozenset[str] | None]  # file of the lake -> its slices in effect


@dataclass(frozen=True)
class Level:
    """The figures of the country at one point of the chain; None where there is no value."""

    numerator: Decimal | None
    denominator: Decimal | None
    value: Decimal | None
    absence: str | None = None

    def of(self, quantity: str) -> Decimal | None:
        """Return one of ``QUANTITIES``."""
        found: Decimal | None = getattr(self, quantity)
        return found


@dataclass(frozen=True)
class Explanation:
    """The two published levels of an indicator, and what each cause adds to the first.

    ``parts`` maps a quantity to its causes, which sum to the change exactly; a quantity that
    somewhere in the chain has no value is not in it, and ``undivided`` says where.
    """

    indicator: Indicator
    year: int
    condition: str
    before: str
    after: str
    first: Level
    last: Level
    parts: Mapping[str, Mapping[str, Decimal]]
    undivided: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Build:
    """What a build published for the year, and what it was made from."""

    build_id: str
    code: str
    level: Level
    seeds: Mapping[str, Path]
    raw: Mapping[str, Slices]
    years: Mapping[str, tuple[int, ...]]
    flux_cutoff: str | None
    version: str


def explain(
    home: Home, one: Indicator, year: int, before: str, after: str, condition: str = "all"
) -> Explanation:
    """Split the change of an indicator between two builds into its causes.

    Args:
        home: where the lake is.
        one: the indicator.
        year: a year that both builds hold.
        before: the older build, by its id.
        after: the newer build.
        condition: the condition told; an indicator of its own conditions needs one.

    Raises:
        UsageError: a build is not known, does not hold the year, or not the indicator there.
        Refused: a build was removed, holds a panel, was made in parts, or its raw files are gone.
        OpenChronicError: today's code does not give again what it gave.
    """
    first, last = (_read(home, build_id, one, year, condition) for build_id in (before, after))
    if first.build_id == last.build_id:  # the year was taken over as it was
        levels = [first.level] * 7
    else:
        with lake_lock(home, shared=True):
            _refuse_missing(home, first)
            _refuse_missing(home, last)
            levels = [first.level, *_chain(home, one, year, condition, first, last), last.level]
    levels = _settled(levels, first, last)
    parts: dict[str, dict[str, Decimal]] = {}
    undivided: dict[str, str] = {}
    for quantity in QUANTITIES:
        figures = [level.of(quantity) for level in levels]
        known = [figure for figure in figures if figure is not None]
        if len(known) < len(figures):
            undivided[quantity] = _whereabouts(figures)
            continue
        rule = known[1] - known[0] + known[6] - known[5]
        steps = [known[n + 1] - known[n] for n in range(1, 5)]
        parts[quantity] = dict(zip(CAUSES, [rule, *steps], strict=True))
    return Explanation(
        indicator=one,
        year=year,
        condition=condition,
        before=before,
        after=after,
        first=first.level,
        last=last.level,
        parts=parts,
        undivided=undivided,
        facts=_facts(first, last),
    )


def _whereabouts(figures: list[Decimal | None]) -> str:
    if figures[0] is None and figures[-1] is None:
        return "both"
    if figures[0] is None:
        return "before"
    return "after" if figures[-1] is None else "between"


def _read(home: Home, build_id: str, one: Indicator, year: int, condition: str) -> _Build:
    """Return what a build says; of a year that it took over, what the build that made it says."""
    record = _record(home, build_id)
    entry = record["models"].get(VALUES)
    if entry is None:
        raise UsageError(f"build {build_id} holds no indicators; take one that was built since")
    if str(year) not in entry["years"]:
        held = ", ".join(sorted(entry["years"])) or "none"
        raise UsageError(f"build {build_id} does not hold {year}; its years are: {held}")
    files = entry["years"][str(year)]
    level = _stored(home, files, one, condition, build_id, year)
    made_by = _origin(files)
    if made_by != build_id:
        record = _record(home, made_by)
    measured = record["models"].get(one.table, {}).get("years", {}).get(str(year), [])
    if not measured:
        raise UsageError(f"build {build_id} holds no {one.table} for {year}")
    if _origin(measured) != made_by:
        raise Refused(
            f"build {build_id} made its indicators of {year} from measures of build "
            f"{_origin(measured)}; build all models: openchronic run --years {year}"
        )
    if record.get("population", panel.EVERYBODY) != panel.EVERYBODY:
        raise Refused(
            f"build {build_id} holds a panel, whose extract of raw rows is not kept: "
            "explain works on builds of everybody"
        )
    return _Build(
        build_id=made_by,
        code=record["models"][VALUES]["code"],
        level=level,
        seeds={name: home.lake / path for name, path in record["seeds"].items()},
        raw={
            table: {
                path: None if months is None else frozenset(months)
                for path, months in listed.items()
            }
            for table, listed in record["raw"].items()
        },
        years={
            name: tuple(sorted(int(each) for each in told["years"]))
            for name, told in record["models"].items()
            if "years" in told
        },
        flux_cutoff=record["flux_cutoff"],
        version=str(record["created_by"]["openchronic"]),
    )


def _record(home: Home, build_id: str) -> dict[str, Any]:
    known = {path.parent.name for path in home.builds.glob(f"*/{builds.RECORD}")}
    if build_id in known:
        record = builds.read_record(home, build_id)
        if record is not None:
            return record
    named: set[str] = set()
    for each in sorted(known):
        named.add(str((builds.read_record(home, each) or {}).get("previous")))
    if build_id in named:
        raise Refused(
            f"build {build_id} was removed after its days of grace; its files are gone and it "
            f"cannot be explained. There are: {', '.join(sorted(known))}"
        )
    if build_id in {path.name for path in home.builds.glob("*")}:
        raise Refused(
            f"build {build_id} is not finished, or was made before builds kept what they were "
            f"made from. There are: {', '.join(sorted(known)) or 'none'}"
        )
    raise UsageError(
        f"there is no build {build_id!r} in {home.builds}; there are: "
        f"{', '.join(sorted(known)) or 'none'}"
    )


def _origin(files: Iterable[str]) -> str:
    return Path(next(iter(files))).parts[1]


def _stored(
    home: Home, files: list[str], one: Indicator, condition: str, build_id: str, year: int
) -> Level:
    paths = [home.lake / each for each in files]
    if not all(path.is_file() for path in paths):
        raise Refused(f"files of build {build_id} are gone: it cannot be explained")
    with duck.connect() as connection:
        level = _level(connection, read_parquet(paths), one, year, condition)
        if level is not None:
            return level
        told = connection.execute(
            f"select distinct condition from {read_parquet(paths)} "
            "where indicator_id = ? and geo_level = 'country' order by 1",
            [one.id],
        ).fetchall()
    if told:
        raise UsageError(
            f"build {build_id} tells {one.id} of {year} under other conditions; "
            f"give --condition: {', '.join(each for (each,) in told)}"
        )
    raise UsageError(f"the indicator {one.id} is not in build {build_id} for {year}")


def _level(
    connection: duckdb.DuckDBPyConnection, relation: str, one: Indicator, year: int, condition: str
) -> Level | None:
    row = connection.execute(
        f"select numerator, denominator, value, absence_reason from {relation} "
        "where indicator_id = ? and condition = ? and year = ? and denominator_type = ? "
        "and geo_level = 'country' and sex = 'all' and age_group = 'all' and std_method = 'none'",
        [one.id, condition, year, one.denominators[0]],
    ).fetchone()
    if row is None:
        return None
    numerator, denominator, value, absence = row
    return Level(_exact(numerator), _exact(denominator), _exact(value), absence)


def _exact(figure: float | None) -> Decimal | None:
    return None if figure is None else Decimal(repr(figure)).quantize(_STEP)


def _refuse_missing(home: Home, build: _Build) -> None:
    wanted = [home.lake / path for listed in build.raw.values() for path in listed]
    wanted += build.seeds.values()
    gone = [path for path in wanted if not path.is_file()]
    if gone:
        raise Refused(
            f"{len(gone)} of the files that build {build.build_id} was made from are gone, the "
            f"first is {gone[0].relative_to(home.lake)}: it cannot be explained"
        )


def _settled(levels: list[Level], first: _Build, last: _Build) -> list[Level]:
    """Give what was recomputed the published figure where it is the same but for rounding."""
    settled = list(levels)
    today = project.code_hash()
    for ours, theirs, build in ((1, 0, first), (5, 6, last)):
        figures: dict[str, Any] = {}
        for quantity in QUANTITIES:
            found, published = settled[ours].of(quantity), settled[theirs].of(quantity)
            same = found == published or (
                found is not None
                and published is not None
                and abs(found - published) <= _SAME * max(Decimal(1), abs(published))
            )
            if not same and build.code == today:
                raise OpenChronicError(
                    f"today's code is that of build {build.build_id} and gives another {quantity} "
                    "from the same files: build the year again, then compare"
                )
            figures[quantity] = published if same else found
        settled[ours] = Level(**figures, absence=settled[ours].absence)
    # A step that changes nothing recomputes nothing: it says what the one before it says.
    for number in range(2, 5):
        if levels[number] == levels[number - 1]:
            settled[number] = settled[number - 1]
    for number in range(4, 1, -1):
        if levels[number] == levels[number + 1]:
            settled[number] = settled[number + 1]
    return settled


def _chain(
    home: Home, one: Indicator, year: int, condition: str, first: _Build, last: _Build
) -> list[Level]:
    """Return the five levels that today's code gives, from all of the first to all of the last."""
    home.scratch.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="explain-", dir=home.scratch))
    try:
        nodes = _compiled(home, folder, one)
        (folder / "work").mkdir()
        # The stem is that of the relations in compiled SQL.
        with duckdb.connect(str(folder / "work" / "openchronic.duckdb")) as connection:
            temporary = str(folder / "work" / "tmp").replace("'", "''")
            memory = os.environ.get("OPENCHRONIC_DBT_MEMORY", "4GB").replace("'", "''")
            connection.execute(
                f"set threads = 2; set temp_directory = '{temporary}'; "
                f"set memory_limit = '{memory}'"
            )
            work = _Work(home, connection, nodes, one, year, first, last)
            levels = []
            for number, step in enumerate(CAUSES):
                progress.report("recompute the indicator", number, len(CAUSES))
                work.take(step)
                level = _level(connection, f"main.{VALUES}", one, year, condition)
                levels.append(level or Level(None, None, None))
            progress.report("recompute the indicator", len(CAUSES), len(CAUSES))
            return levels
    except duckdb.Error as error:
        safe = run.safe_error(str(error))
        raise OpenChronicError(
            f"the indicator cannot be recomputed: {safe['error']}: {safe.get('detail', '')}"
        ) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class _Node:
    name: str
    kind: str  # yearly, history or view
    sql: str
    parents: tuple[str, ...]
    back: project.Window
    ahead: project.Window


def _compiled(home: Home, folder: Path, one: Indicator) -> dict[str, _Node]:
    """Return what an indicator is made from with today's code, compiled, parents first.

    Of the tables of measures only the indicator's own: the others are left empty.
    """
    manifest = project.parsed(home, "duckdb")
    ids = {node.name: each for each, node in manifest.nodes.items()
           if node.resource_type == "model"}  # fmt: skip
    if VALUES not in ids or one.table not in ids:
        raise UsageError(f"today's models do not make {one.table}: it cannot be recomputed")
    wanted: dict[str, tuple[str, ...]] = {}
    todo = [VALUES]
    while todo:
        name = todo.pop()
        if name in wanted or (name.startswith("measure_") and name != one.table):
            continue
        parents = tuple(_names(manifest, manifest.nodes[ids[name]].depends_on.nodes))
        wanted[name] = parents
        todo += [parent for parent in parents if parent in ids]
    plan = builds.Plan(
        home=home, build_id=folder.name, target="duckdb", threads=2, years=(), pairs=(),
        carried={}, reasons={}, models={}, inputs={}, code="", previous=None,
    )  # fmt: skip
    outcome = run.invoke(plan, ["compile", "--select", *sorted(wanted)])
    if not outcome.success:
        raise OpenChronicError("dbt cannot compile today's models: see make lint")
    done = {result.node.name: result.node for result in outcome.result}
    order = TopologicalSorter(
        {name: [each for each in parents if each in wanted] for name, parents in wanted.items()}
    ).static_order()
    nodes: dict[str, _Node] = {}
    for name in order:
        node = done[name]
        if node.config.materialized == "ephemeral":
            continue  # its body is in the SQL of those that read it
        nodes[name] = _Node(
            name=name,
            kind=node.config.materialized,
            sql=node.compiled_code,
            parents=_through(name, wanted, done),
            back=node.config.meta.get("look_back", 0),
            ahead=node.config.meta.get("look_ahead", 0),
        )
    return nodes


def _names(manifest: Any, ids: Iterable[str]) -> list[str]:
    return [str((manifest.nodes.get(each) or manifest.sources[each]).name) for each in ids]


def _through(
    name: str, wanted: Mapping[str, tuple[str, ...]], done: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return the parents of a model, those of its ephemeral parents in their place."""
    found: list[str] = []
    for parent in wanted[name]:
        if parent in wanted and done[parent].config.materialized == "ephemeral":
            found += _through(parent, wanted, done)
        else:
            found.append(parent)
    return tuple(found)


class _Work:
    """A scratch database in which the indicator is computed again and again.

    At each step only what reads something that changed is computed again.
    """

    def __init__(
        self,
        home: Home,
        connection: duckdb.DuckDBPyConnection,
        nodes: Mapping[str, _Node],
        one: Indicator,
        year: int,
        first: _Build,
        last: _Build,
    ) -> None:
        self.home = home
        self.connection = connection
        self.nodes = nodes
        self.one = one
        self.year = year
        self.first = first
        self.last = last
        self.held: dict[str, Any] = {}  # source, seed or model -> what it was made from
        read = {parent for node in nodes.values() for parent in node.parents}
        self.seeds = {name: told for name, told in project.seeds(home).items() if name in read}
        self.raw = sorted(read & set(_raw_names()))
        connection.execute("create schema raw; create schema plan; create schema explain")
        for name in sorted(read - set(nodes) - set(self.seeds) - set(self.raw)):
            if name.startswith("measure_"):
                connection.execute(f"create table main.{name} ({_MEASURE})")
        self._find_regularised()

    def take(self, step: str) -> None:
        """Bring the database to a step of the chain."""
        reached = CAUSES.index(step)
        changed: set[str] = set()
        for name in self.seeds:
            if self._seed(name, reached >= CAUSES.index("algorithm")):
                changed.add(name)
        for table in self.raw:
            sql = self._raw_sql(table, reached)
            if self.held.get(table) != sql:
                self.connection.execute(f"create or replace view raw.{table} as {sql}")
                self.held[table] = sql
                changed.add(table)
        arrived = reached >= CAUSES.index("late_flux")
        build = self.last if arrived else self.first
        if self.held.get("plan.flux") != (build.flux_cutoff,):
            self.connection.execute("create or replace table plan.flux (flux_cutoff varchar)")
            self.connection.execute("insert into plan.flux values (?)", [build.flux_cutoff])
            self.held["plan.flux"] = (build.flux_cutoff,)
            changed |= {n.name for n in self.nodes.values() if "plan.flux" in n.sql}
        years = self._years(build)
        for name, node in self.nodes.items():
            made_from = years.get(name)
            if (
                name in changed
                or changed & set(node.parents)
                or self.held.get(name) != (made_from,)
            ):
                self._make(node, made_from)
                self.held[name] = (made_from,)
                changed.add(name)

    def _make(self, node: _Node, years: tuple[int, ...] | None) -> None:
        if node.kind == "view":
            self.connection.execute(f"create or replace view main.{node.name} as {node.sql}")
            return
        if years is None:
            self.connection.execute(f"create or replace table main.{node.name} as {node.sql}")
            return
        shape = node.sql.replace(_YEAR_MARK, "2000")
        self.connection.execute(
            f"create or replace table main.{node.name} as select * from ({shape}) limit 0"
        )
        for year in years:
            rows = node.sql.replace(_YEAR_MARK, str(year))
            self.connection.execute(f"insert into main.{node.name} {rows}")

    def _years(self, build: _Build) -> dict[str, tuple[int, ...]]:
        """Return which years of each yearly model the indicator's year is made from."""
        wanted: dict[str, set[int]] = {VALUES: {self.year}}
        for name in reversed(list(self.nodes)):
            node = self.nodes[name]
            # A view reads what its own readers ask for; a history reads every year.
            asked = wanted.get(name, set())
            for parent in node.parents:
                if parent not in self.nodes:
                    continue
                if node.kind == "history" or "all" in (node.back, node.ahead):
                    years = set(build.years.get(parent, ())) or set(asked)
                else:
                    back, ahead = int(node.back), int(node.ahead)
                    years = {y + n for y in asked for n in range(-back, ahead + 1)}
                wanted.setdefault(parent, set()).update(years)
        return {
            name: tuple(sorted(y for y in wanted.get(name, ()) if y in build.years.get(name, (y,))))
            for name, node in self.nodes.items()
            if node.kind in ("yearly", "spread")
        }

    def _seed(self, name: str, newer: bool) -> bool:
        """Put a list into the database as a build holds it; say whether it changed."""
        build = self.last if newer else self.first
        path, types = self.seeds[name]
        today = _seed_of_today(path, types)
        kept = build.seeds.get(name)
        source = today
        if kept is not None and self._shape(today) == (stored := self._shape(read_parquet([kept]))):
            source = read_parquet([kept])
        elif kept is not None and {column for column, _ in stored} >= {
            column for column, _ in self._shape(today)
        }:
            # Another build read a type otherwise (a column that was empty then): the same list.
            listed = ", ".join(
                f"cast({column} as {kind}) as {column}" for column, kind in self._shape(today)
            )
            source = f"(select {listed} from {read_parquet([kept])})"
        rows = self.connection.execute(f"select * from {source}").fetchall()
        mark = hashlib.sha256(repr(sorted(map(repr, rows))).encode()).hexdigest()
        if self.held.get(name) == mark:
            return False
        self.connection.execute(f"create or replace table main.{name} as select * from {source}")
        self.held[name] = mark
        return True

    def _shape(self, relation: str) -> list[tuple[str, str]]:
        found = self.connection.execute(f"describe select * from {relation}").fetchall()
        return [(str(row[0]), str(row[1])) for row in found]

    def _raw_sql(self, table: str, reached: int) -> str:
        both, gone, come = self._pieces(table)
        if table in snapshots():
            newer = reached >= CAUSES.index("referential")
            return self._union(table, [*both, *(come if newer else gone)])
        if reached < CAUSES.index("late_flux"):
            return self._union(table, [*both, *gone])
        if (
            reached >= CAUSES.index("regularisation")
            or not self.regularised
            or contract_of(table).product != "DCIR"
        ):
            return self._union(table, [*both, *come])
        # Lines that take care back are still those of the first build.
        kept = [self._of_regularised(table, each, "semi") for each in gone]
        new = [self._of_regularised(table, each, "anti") for each in come]
        return self._union(table, [*both, *kept, *new])

    def _of_regularised(self, table: str, relation: str, join: str) -> str:
        keys = ", ".join(key for key in _LINE_KEY if key in dict(columns(contract_of(table))))
        negative = "coalesce(prs_act_qte < 0, false)"
        if contract_of(table).name == LINES:
            where = negative if join == "semi" else f"not {negative}"
            return f"select * from ({relation}) where {where}"
        return f"select d.* from ({relation}) as d {join} join explain.regularised using ({keys})"

    def _find_regularised(self) -> None:
        """List the keys of the lines that take care back, among those that came or went."""
        table = LINES.lower()
        keys = ", ".join(_LINE_KEY)
        _, gone, come = self._pieces(table) if table in self.raw else ([], [], [])
        moved = self._union(table, [*gone, *come])
        self.connection.execute(
            f"create table explain.regularised as select distinct {keys} from ({moved}) "
            "where prs_act_qte < 0"
        )
        found = self.connection.execute("select count(*) from explain.regularised").fetchone()
        self.regularised = bool(found and found[0])

    def _pieces(self, table: str) -> tuple[list[str], list[str], list[str]]:
        """Return a raw table as what both builds read, what the first alone did, and the last."""
        old, new = self.first.raw.get(table, {}), self.last.raw.get(table, {})
        shared: list[Part] = []
        left: list[Part] = []
        right: list[Part] = []
        both, gone, come = [], [], []
        for path in sorted({*old, *new}):
            file = self.home.lake / path
            if path not in new:
                left.append(Part(file, old[path]))
            elif path not in old:
                right.append(Part(file, new[path]))
            elif old[path] == new[path]:
                shared.append(Part(file, old[path]))
            else:
                whole = relation_sql(table, [Part(file)])
                was, now = _within(table, old[path]), _within(table, new[path])
                both.append(f"select * from ({whole}) where {was} and {now}")
                gone.append(f"select * from ({whole}) where {was} and not {now}")
                come.append(f"select * from ({whole}) where {now} and not {was}")
        for parts, pieces in ((shared, both), (left, gone), (right, come)):
            if parts:
                pieces.append(relation_sql(table, parts))
        return both, gone, come

    @staticmethod
    def _union(table: str, pieces: list[str]) -> str:
        return "\nunion all\n".join(pieces) if pieces else relation_sql(table, [])


def _within(table: str, slices: frozenset[str] | None) -> str:
    if slices is None:
        return "true"
    return f"coalesce({in_slices_sql(contract_of(table), slices)}, false)"


def _raw_names() -> list[str]:
    return [heading(name).raw_name for name in tables()]


def _seed_of_today(path: Path, types: Mapping[str, str]) -> str:
    quoted = str(path).replace("'", "''")
    kinds = ", ".join(
        f"'{column}': '{kind.replace('string', 'varchar')}'" for column, kind in types.items()
    )
    given = f", types = {{{kinds}}}" if kinds else ""
    return f"read_csv('{quoted}', header = true{given})"


def _facts(first: _Build, last: _Build) -> dict[str, Any]:
    """Return what differs between the two builds, in counts and names."""
    pictures = snapshots()
    files: dict[str, list[str]] = {"late_flux": [], "referential": []}
    for table in sorted({*first.raw, *last.raw}):
        if first.raw.get(table) != last.raw.get(table):
            cause = "referential" if table in pictures else "late_flux"
            files[cause].append(table)
    lists = [
        name
        for name in sorted({*first.seeds, *last.seeds})
        if _content(first.seeds.get(name)) != _content(last.seeds.get(name))
    ]
    today = project.code_hash()
    return {
        "taken_over": first.build_id == last.build_id,
        "flux_cutoff": [first.flux_cutoff, last.flux_cutoff],
        "openchronic": [first.version, last.version],
        "same_code": first.code == last.code,
        "code_of_today": [first.code == today, last.code == today],
        "lists": lists,
        "tables": files,
    }


def _content(path: Path | None) -> str | None:
    if path is None or not path.is_file():
        return None
    return hashlib.sha256(path.read_bytes()).hexdigest()
