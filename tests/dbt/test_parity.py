"""Two engines, one SQL: both targets build every model from the same extract, row for row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from raw_lake import Lake, small_extract
from same_rows import assert_same

from openchronic_assets import warehouse
from openchronic_assets.ingestion.spark import session
from openchronic_assets.settings import Home
from openchronic_assets.warehouse import inputs, run

# Minutes: every model twice on Spark. Run by `make test-long`.
pytestmark = [
    pytest.mark.spark,
    pytest.mark.long,
    pytest.mark.timeout(4200),
    pytest.mark.usefixtures("java"),
]


@pytest.fixture(autouse=True)
def small_session(java: None) -> Iterator[None]:
    """Interpret queries instead of compiling each to Java: for a few rows that is the long part."""
    spark = session()
    settings = {
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.adaptive.enabled": "false",
    }
    before = {name: spark.conf.get(name) for name in settings}
    for name, value in settings.items():
        spark.conf.set(name, value)
    yield
    for name, value in before.items():
        spark.conf.set(name, str(value))


def lose_the_last_row_of_2020(lake: Lake) -> None:
    for table, file in list(lake.current):
        if "2020" in file or "MCO20" in file:
            lake.put(table, file, [], delivery="d2")
        # The flux of 2021 holds a straggler of 2020.
        if "2021" in file:
            lake.remove(table, file)


def test_both_engines_build_the_same_rows_a_year_that_lost_them_included(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lakes = {name: Lake(Home(tmp_path / name)) for name in ("spark", "duckdb")}
    for lake in lakes.values():
        small_extract(lake)
    by_root = {lake.home.root: lake for lake in lakes.values()}
    monkeypatch.setattr(inputs, "current_parts", lambda home: by_root[home.root].files(home))
    plain = run.dbt_arguments
    monkeypatch.setattr(run, "dbt_arguments", lambda plan, tests=True: plain(plan, tests=False))
    for target, lake in lakes.items():
        warehouse.build(lake.home, [2019, 2020], target=target)
    assert len(assert_same(lakes["spark"].home, lakes["duckdb"].home)) >= 13
    for target, lake in lakes.items():
        lose_the_last_row_of_2020(lake)
        assert 2020 in warehouse.stale_years(lake.home)
        warehouse.build(lake.home, [2020], target=target)
        (path, *_) = warehouse.files(lake.home, "care_event", 2020)
        with duckdb.connect() as connection:
            assert connection.execute(f"select count(*) from '{path}'").fetchall() == [(0,)]
    assert_same(lakes["spark"].home, lakes["duckdb"].home)
    with warehouse.connect(lakes["spark"].home) as connection:
        years = connection.execute("select distinct year from care_event").fetchall()
    assert years == [(2019,)]


@pytest.mark.slow  # half a minute a dozen, on a quiet machine
def test_unit_tests_pass_on_spark(make_lake: Any) -> None:
    lake = make_lake("unit")
    plan = warehouse.plan(lake.home, [2020], target="spark")
    warehouse.prepare(plan)
    assert run.invoke(plan, warehouse.dbt_arguments(plan, tests=False)).success
    outcome = run.invoke(plan, ["test", "--select", "test_type:unit"])
    assert {r.node.name: r.message for r in outcome.result.results if r.status != "pass"} == {}
    assert len(outcome.result.results) >= 20
