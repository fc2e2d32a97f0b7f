"""Two engines, one SQL: both targets build every model from the same extract, row for row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from raw_lake import Lake, small_extract

from openchronic_assets import warehouse
from openchronic_assets.ingestion.spark import session
from openchronic_assets.settings import Home
from openchronic_assets.warehouse import inputs, project, run

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


def content(home: Home, model: str) -> tuple[list[tuple[str, str]], Counter[tuple[Any, ...]]]:
    """Return columns with types, and rows with their counts, of a model's current files."""
    files = [str(path) for path in warehouse.files(home, model)]
    with duckdb.connect() as connection:
        relation = f"read_parquet({files}, hive_partitioning = false)"
        described = connection.execute(f"describe from {relation}").fetchall()
        rows = connection.execute(f"from {relation}").fetchall()
    return [(row[0], row[1]) for row in described], Counter(rows)


def keyed(rows: Counter[tuple[Any, ...]]) -> dict[tuple[Any, ...], list[tuple[float, ...]]]:
    """Return rows by what is no float in them: the floats, in order."""
    found: dict[tuple[Any, ...], list[tuple[float, ...]]] = {}
    for row in rows.elements():
        key = tuple(float if isinstance(each, float) else each for each in row)
        found.setdefault(key, []).append(tuple(e for e in row if isinstance(e, float)))
    return {key: sorted(each) for key, each in found.items()}


def differences(ours: Counter[tuple[Any, ...]], other: Counter[tuple[Any, ...]]) -> list[Any]:
    """Return the keys of rows that are not the same: a power's last bit is each engine's own."""
    left, right = keyed(ours - other), keyed(other - ours)
    return [
        key
        for key in left.keys() | right.keys()
        if len(left.get(key, [])) != len(right.get(key, []))
        or not np.allclose(left[key], right[key], rtol=1e-12, atol=0)
    ]


def assert_same(spark: Home, plain: Home) -> None:
    models = project.models(plain)
    assert len(models) >= 13
    for name in models:
        columns, rows = content(spark, name)
        assert columns == content(plain, name)[0], name
        # A few of them: thousands of long rows take a test longer to print than to find.
        found = differences(rows, content(plain, name)[1])
        assert not found, (name, len(found), sorted(found, key=repr)[:3])


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
    assert_same(lakes["spark"].home, lakes["duckdb"].home)
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
