"""What the benchmark of indicators copies, judges and refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from openchronic_assets.bench import indicator_steps, indicators, run_bench
from openchronic_assets.bench.indicator_steps import _queries, _replicate
from openchronic_assets.bench.indicators import BAR_PROCESSOR, bench_indicators
from openchronic_assets.bench.measure import Usage
from openchronic_assets.errors import OpenChronicError, UsageError


class Fake:
    """Stands in for the steps: processor time is what is set for a million persons."""

    def __init__(self, million: float = 100.0, growth: float = 1.0, query: float = 0.1) -> None:
        self.million, self.growth, self.query = million, growth, query
        self.lost, self.missing = 0, 0
        self.persons = 0
        self.calls: list[str] = []

    def __call__(self, step: str, *, module: str, **given: Any) -> Usage:
        assert module == "indicator_steps"
        self.calls.append(step)
        result: dict[str, Any] = {}
        if step == "deliver":
            self.persons = given["persons"]
        elif step == "ingest":
            result = {"read": 10, "kept": 10 - self.lost, "quarantined": self.lost}
        elif step == "indicators":
            persons = self.persons * given["copies"] - self.missing
            cpu = self.million * persons / 1e6 * self.growth ** (given["copies"] - 1)
            self.missing = self.lost  # in the copies after the first
            result = {
                "seconds": cpu / 2, "cpu": cpu, "nodes": [["indicator", 1.0], ["slow", 9.0]],
                "persons": persons, "events": 40 * persons, "values": 5, "yardstick": 0.5,
                "queries": {"01-x": self.query},
            }  # fmt: skip
        return Usage(wall=1.0, cpu=1.0, peak=100.0, result=result)


def measured(monkeypatch: pytest.MonkeyPatch, fake: Fake, **given: Any) -> dict[str, Any]:
    monkeypatch.setattr(indicators, "measure", fake)
    found = bench_indicators(**given)
    return {each["case"]: each for each in found["cases"]} | {"holds": found["holds"]}


def test_a_million_persons_are_judged_by_processor_time(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "processor seconds a million persons / those allowed"
    found = measured(monkeypatch, Fake(BAR_PROCESSOR * 0.9), size="full")
    assert found[name]["value"] == 0.9 and found[name]["bar"] == 1.0 and found["holds"]
    assert found["persons, copies of those generated"]["value"] == 1_000_000
    found = measured(monkeypatch, Fake(BAR_PROCESSOR * 1.1), size="full")
    assert not found[name]["holds"] and not found["holds"]


def test_growth_beyond_the_bar_does_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    found = measured(monkeypatch, Fake(10.0, growth=1.2), size="full")
    growth = {name: each for name, each in found.items() if name.startswith("growth")}
    assert len(growth) == 3 and not any(each["holds"] for each in growth.values())


def test_small_sizes_are_only_told(monkeypatch: pytest.MonkeyPatch) -> None:
    found = measured(monkeypatch, Fake(10_000.0, growth=2.0), size="small")
    assert found["holds"]


def test_a_slow_query_does_not_hold_at_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not measured(monkeypatch, Fake(query=1.01), size="small")["holds"]


def test_slow_models_are_named_first(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [name for name in measured(monkeypatch, Fake()) if name.startswith("model ")]
    assert names == ["model slow", "model indicator"]


def test_lost_rows_and_lost_people_stop_the_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake()
    fake.lost = 1
    with pytest.raises(OpenChronicError, match="10 rows were read and 9 kept"):
        measured(monkeypatch, fake)
    monkeypatch.setattr(indicators, "measure", Fake())
    one = Usage(1.0, 1.0, 1.0, {"persons": 10})
    with pytest.raises(OpenChronicError, match="2 copies hold 10 persons, not 20"):
        indicators._cases([one, one], (1, 2))


def test_a_wrong_size_is_refused() -> None:
    with pytest.raises(UsageError, match="no size 'vast'; there are: small, medium, full"):
        run_bench("indicators", "vast")


def test_copies_are_other_people_in_other_departments(tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(
            "create table person_year as select 'p' || n as person_id, 2019 as year, "
            "case when n < 2 then '29' end as department, 7 as n from range(3) as t(n);"
            "create table care_event as select 'p1' as person_id, 'e1' as event_id, "
            "'doctor' as performer_id, '75' as residence_department;"
            "create table drug as select 'A10' as atc_class"
        )
        for name in ("person_year", "care_event", "drug"):
            connection.execute(f"copy {name} to '{tmp_path / name}.parquet' (format parquet)")
        files = _replicate(tmp_path, tmp_path / "to", ["person_year", "care_event", "drug"], 3)
        rows = {
            name: connection.execute(f"select * from '{path}' order by all").fetchall()
            for name, path in files.items()
        }
    assert len({row[0] for row in rows["person_year"]}) == 9
    assert len(rows["person_year"]) == 9
    # Copy 0 stays where it is, the next ones in the departments after it; unknown stays unknown.
    there = {row[0]: row[2] for row in rows["person_year"]}
    assert (there["p0"], there["p0#1"], there["p0#2"], there["p2#1"]) == ("29", "2A", "2B", None)
    assert [row[:3] for row in rows["care_event"]] == [
        ("p1", "e1", "doctor"), ("p1#1", "e1#1", "doctor"), ("p1#2", "e1#2", "doctor"),
    ]  # fmt: skip
    assert rows["drug"] == [("A10",)]


def test_the_95th_percentile_leaves_one_run_of_twenty_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clock = iter([moment for n in range(1, 21) for moment in (0.0, float(n))])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    monkeypatch.setattr(indicator_steps, "QUERIES", tmp_path)
    (tmp_path / "01-one.sql").write_text("select 1;", encoding="utf-8")
    with duckdb.connect() as connection:
        assert _queries(connection) == {"01-one": 19.0}
        monkeypatch.setattr(indicator_steps, "QUERIES", tmp_path / "nowhere")
        with pytest.raises(OpenChronicError, match="run the benchmark from a checkout"):
            _queries(connection)
