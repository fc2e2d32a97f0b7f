"""What the run report of a delivery says, as plain data: counts, shapes and sums, never a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from openchronic_assets import duck
from openchronic_assets.contracts import heading, load
from openchronic_assets.errors import UsageError
from openchronic_assets.ingestion import deliveries
from openchronic_assets.ingestion.deliveries import Record
from openchronic_assets.ingestion.report import Amount, FileReport
from openchronic_assets.reports import profile
from openchronic_assets.settings import Home

SHAPES = 3  # of the refused values of a column and reason, the commonest


@dataclass(frozen=True)
class Refusal:
    """Lines of a table refused for one reason in one column, with the commonest shapes."""

    reason: str
    column: str | None
    rows: int
    shapes: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class CodeChange:
    """Codes of a column that this delivery has in eleven rows or more and the one before not."""

    column: str
    nomenclature: str | None
    new: tuple[tuple[str, int], ...]
    gone: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class TableFacts:
    """One table of the delivery."""

    name: str
    product: str
    grain: str
    files: int
    read: int
    kept: int
    quarantined: int
    elsewhere: int  # kept, of months that another file stands for
    balances: bool
    amounts: dict[str, Amount]
    refusals: tuple[Refusal, ...]
    profile: dict[str, Any] | None
    before: dict[str, Any] | None
    before_name: str | None
    codes: tuple[CodeChange, ...]


@dataclass(frozen=True)
class Facts:
    """Everything that the page shows."""

    record: Record
    tables: tuple[TableFacts, ...]
    effect: dict[str, str]  # file → in effect, in part, or not
    elsewhere: dict[str, int]  # file → kept rows of months that another file stands for
    rules: tuple[dict[str, Any], ...] = ()
    rules_build: str | None = None
    totals: dict[str, int] = field(default_factory=dict)


def gather(home: Home, delivery: str, *, rules: bool = True) -> Facts:
    """Gather what is known of a delivery, by identity or name.

    Raises:
        UsageError: the lake has no such delivery, or several of that name.
    """
    every = deliveries.records(home)
    record = find(every, delivery)
    effective = deliveries.in_effect(every)
    effect, elsewhere = {}, {}
    for report in record.files:
        slices = effective.get((record.id, report.path))
        there = (record.id, report.path) in effective
        out = sum(
            n for each, n in report.slices.items() if slices is not None and each not in slices
        )
        elsewhere[report.path] = out
        effect[report.path] = "part" if out else "yes" if there else "no"
    known = profile.write(home, record)["tables"]
    tables = []
    for name in sorted({report.table for report in record.files}):
        mine = [report for report in record.files if report.table == name]
        before, before_name = _before(home, every, record, name)
        amounts: dict[str, Amount] = {}
        for report in mine:
            for column, amount in report.amounts.items():
                amounts.setdefault(column, Amount()).add(amount)
        tables.append(
            TableFacts(
                name=name,
                product=heading(name).product,
                grain=load(name).grain,
                files=len(mine),
                read=sum(report.rows_read for report in mine),
                kept=sum(report.kept for report in mine),
                quarantined=sum(report.quarantined for report in mine),
                elsewhere=sum(elsewhere[report.path] for report in mine),
                balances=all(report.balances for report in mine),
                amounts=amounts,
                refusals=_refusals(home, record, mine),
                profile=known.get(name),
                before=before,
                before_name=before_name,
                codes=_codes(name, known.get(name), before),
            )
        )
    build, effects = _rules(home, {table.name for table in tables}) if rules else (None, ())
    return Facts(record, tuple(tables), effect, elsewhere, effects, build)


def find(every: Sequence[Record], delivery: str) -> Record:
    """Return a delivery by its identity or its name.

    Raises:
        UsageError: there is none, or there are several of that name.
    """
    found = [each for each in every if delivery in (each.id, each.name)]
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(each.id for each in found)
        raise UsageError(f"several deliveries are named {delivery}: give one of {listed}")
    known = ", ".join(each.name for each in every) or "none"
    raise UsageError(f"no delivery {delivery} in the lake; there are: {known}")


def _before(
    home: Home, every: Sequence[Record], record: Record, table: str
) -> tuple[dict[str, Any] | None, str | None]:
    """Return the profile of a table in the delivery before, the nearest one that has it."""
    mine = _order(record, table)
    older = [
        (order, each)
        for each in every
        if each.id != record.id and (order := _order(each, table)) is not None
        if mine is not None and order < mine
    ]
    for _, each in sorted(older, key=lambda found: found[0], reverse=True):
        found = (profile.read(home, each.id) or {"tables": {}})["tables"].get(table)
        if found:
            return found, each.name
    return None, None


def _order(record: Record, table: str) -> tuple[str, str] | None:
    orders = [record.order(report) for report in record.files if report.table == table]
    return max(orders, default=None)


def _refusals(home: Home, record: Record, files: Sequence[FileReport]) -> tuple[Refusal, ...]:
    paths = [
        deliveries.quarantine_folder(home, record.id, report) / part
        for report in files
        for part in report.quarantine_parts
    ]
    there = [str(path) for path in paths if path.is_file()]
    if not there:
        # Out of effect: its refused lines are gone from the disk, their counts are on record.
        counts: dict[str, int] = {}
        for report in files:
            for reason, rows in report.reasons.items():
                counts[reason] = counts.get(reason, 0) + rows
        return tuple(Refusal(reason, None, rows, ()) for reason, rows in sorted(counts.items()))
    with duck.connect(threads=1, memory_limit=profile.MEMORY) as connection:
        found = connection.execute(
            f"""
            with shaped as (
                select reason, column_name, shape, count(*) as n
                from read_parquet(?, union_by_name = true, hive_partitioning = false)
                group by all
            )
            select reason, column_name, sum(n)::bigint as rows,
                (list({{'shape': shape, 'n': n}} order by n desc, shape)
                    filter (shape is not null))[:{SHAPES}]
            from shaped group by all order by rows desc, reason, column_name nulls first
            """,
            [there],
        ).fetchall()
    return tuple(
        Refusal(reason, column, rows, tuple((each["shape"], each["n"]) for each in shapes or ()))
        for reason, column, rows, shapes in found
    )


def _codes(
    table: str, now: dict[str, Any] | None, before: dict[str, Any] | None
) -> tuple[CodeChange, ...]:
    if now is None or before is None:
        return ()
    changes = []
    for column, mine in now["codes"].items():
        theirs = before["codes"].get(column)
        if theirs is None or mine["cut"] or theirs["cut"]:
            continue
        new = {code: n for code, n in mine["values"].items() if code not in theirs["values"]}
        gone = {code: n for code, n in theirs["values"].items() if code not in mine["values"]}
        if new or gone:
            changes.append(
                CodeChange(
                    column,
                    load(table).column(column).nomenclature,
                    tuple(sorted(new.items(), key=lambda item: (-item[1], item[0]))),
                    tuple(sorted(gone.items(), key=lambda item: (-item[1], item[0]))),
                )
            )
    return tuple(changes)


def _rules(home: Home, tables: set[str]) -> tuple[str | None, tuple[dict[str, Any], ...]]:
    """Return the effect of each quality rule on these tables, from the current build."""
    from openchronic_assets.warehouse.builds import read_manifest
    from openchronic_assets.warehouse.catalogue import connect

    manifest = read_manifest(home)
    if manifest is None or not {"quality_rule", "quality_rule_effect"} <= set(manifest["models"]):
        return None, ()
    with connect(home) as connection:
        found = connection.execute(
            """
            select effect.year, effect.table_name, effect.use_name, effect.rule,
                rule.description_fr, effect.staged_row_count, effect.alone_row_count,
                effect.alone_amount
            from quality_rule_effect as effect
            left join quality_rule as rule using (table_name, rule)
            where list_contains(?, lower(effect.table_name)) and effect.alone_row_count > 0
            order by effect.table_name, effect.year, effect.use_name, effect.position
            """,
            [sorted(name.lower() for name in tables)],
        )
        names = [column[0] for column in found.description or ()]
        rows = tuple(dict(zip(names, row, strict=True)) for row in found.fetchall())
    return str(manifest["build_id"]), rows


def amount_before(table: TableFacts, column: str) -> Decimal | None:
    """Return the kept sum of an amount in the delivery before."""
    if table.before is None or column not in table.before["amounts"]:
        return None
    return Decimal(table.before["amounts"][column])
