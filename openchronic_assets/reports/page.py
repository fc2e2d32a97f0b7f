"""The run report as one file of HTML: no network, no script, no value of the data."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from openchronic_assets.ingestion import deliveries
from openchronic_assets.ingestion.deliveries import Record
from openchronic_assets.reports import chart, words
from openchronic_assets.reports.facts import Facts, TableFacts, amount_before, find, gather
from openchronic_assets.reports.profile import RARE
from openchronic_assets.settings import Home

TEMPLATE = "run_report.html.j2"
COMPLETED = 12  # pages that a run writes again; the others on demand
MOVED = 0.05  # a share of missing values that moved by more is marked


def write(home: Home, delivery: str, *, rules: bool = True) -> Path:
    """Write ``lake/reports/<delivery id>.html`` and return it.

    Args:
        home: where the lake is.
        delivery: identity or name of a delivery on record.
        rules: ask the current build for the effect of the quality rules.

    Raises:
        UsageError: the lake has no such delivery.
    """
    facts = gather(home, delivery, rules=rules)
    home.reports.mkdir(mode=0o750, parents=True, exist_ok=True)
    path = home.reports / f"{facts.record.id}.html"
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(render(facts), encoding="utf-8")
    aside.chmod(0o640)
    aside.replace(path)
    return path


def write_all(home: Home, delivery: str | None = None) -> list[Path]:
    """Write the reports of one delivery or of all, and remove those of no delivery."""
    every = deliveries.records(home)
    wanted = every if delivery is None else [find(every, delivery)]
    known = {f"{record.id}.html" for record in every}
    for path in home.reports.glob("*.html"):
        if path.name not in known:
            path.unlink()
    # Older ones first, so that each finds the profile of the one before it.
    wanted = sorted(wanted, key=_age)
    return [write(home, record.id) for record in wanted]


def complete(
    home: Home, progress: Callable[[str, int, int], None] | None = None, most: int = COMPLETED
) -> list[Path]:
    """Write the pages of the newest deliveries in effect again, now that the models are built."""
    every = {record.id: record for record in deliveries.records(home)}
    wanted = sorted(_age(every[each["id"]]) for each in deliveries.behind(home))[-most:]
    written = []
    for number, (_, identity) in enumerate(wanted):
        if progress:
            progress("run reports", number, len(wanted))
        written.append(write(home, identity))
    return written


def _age(record: Record) -> tuple[str, str]:
    return max(map(record.order, record.files), default=("", record.id))


def render(facts: Facts) -> str:
    """Return the page of a delivery."""
    environment = Environment(
        loader=PackageLoader("openchronic_assets.reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
    )
    tables = facts.tables
    page: str = environment.get_template(TEMPLATE).render(
        record=facts.record,
        tables=tables,
        effect=facts.effect,
        elsewhere=facts.elsewhere,
        rules=facts.rules,
        rules_build=facts.rules_build,
        refused=[(table.name, each) for table in tables for each in table.refusals],
        read=sum(table.read for table in tables),
        kept=sum(table.kept for table in tables),
        quarantined=sum(table.quarantined for table in tables),
        balances=all(table.balances for table in tables),
        bad_files=sum(each.status not in ("loaded", "duplicate") for each in facts.record.files),
        charts={table.name: _chart(table) for table in tables},
        month_names={table.name: _month_name(table) for table in tables},
        missing_of=_missing,
        empty_columns=_empty_columns,
        full_columns=_full_columns,
        amount_before=amount_before,
        reasons=words.REASONS,
        states=words.STATES,
        number=words.number,
        euros=words.euros,
        share=words.share,
        change=words.change,
        rare=RARE,
    )
    return page


def _chart(table: TableFacts) -> str:
    if table.profile is None:
        return ""
    return chart.bars(table.profile["months"], (table.before or {}).get("months"))


def _month_name(table: TableFacts) -> str:
    column = (table.profile or {}).get("month_column")
    return f"mois de {column}" if column else "mois de mise à disposition"


def _missing(table: TableFacts) -> list[tuple[str, int, int | None, bool]]:
    """Return (column, empty cells, those before, whether the share moved): what moved first."""
    profile, before = table.profile, table.before
    if profile is None or not profile["rows"]:
        return []
    found: list[tuple[str, int, int | None, bool]] = []
    for column, empty in profile["missing"].items():
        old: Any = None if before is None else before["missing"].get(column)
        now = empty / profile["rows"]
        then = None if old is None or not before or not before["rows"] else old / before["rows"]
        moved = then is not None and abs(now - then) > MOVED
        if moved or 0 < empty < profile["rows"]:
            found.append((column, empty, old, moved))
    return sorted(found, key=lambda each: (not each[3], -each[1], each[0]))


def _empty_columns(table: TableFacts) -> list[str]:
    """Return the columns without a single value, which are not news."""
    profile = table.profile or {"rows": 0, "missing": {}}
    moved = {column for column, _, _, has_moved in _missing(table) if has_moved}
    return [
        column
        for column, empty in profile["missing"].items()
        if empty == profile["rows"] and column not in moved
    ]


def _full_columns(table: TableFacts) -> int:
    return sum(empty == 0 for empty in (table.profile or {"missing": {}})["missing"].values())
