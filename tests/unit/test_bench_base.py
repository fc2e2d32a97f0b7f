from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from openchronic_assets.bench import base
from openchronic_assets.bench.base import REFERENCE, bench_base
from openchronic_assets.bench.base_steps import _base, _shares, _Spilled
from openchronic_assets.bench.measure import Usage
from openchronic_assets.errors import OpenChronicError, UsageError
from openchronic_assets.settings import Home
from openchronic_assets.warehouse import project


class Fake:
    """Stands in for the steps: a person has ten claim lines a year, a build takes what is set."""

    def __init__(self, rate: float = 200_000.0, memory: float = 3000.0, deep: float = 1.0) -> None:
        self.rate, self.memory, self.deep = rate, memory, deep
        self.persons, self.years, self.calls = 0, 0, [""]
        self.lost = 0

    def __call__(self, step: str, *, module: str, **given: Any) -> Usage:
        assert module == "base_steps"
        self.calls.append(step)
        result: dict[str, Any] = {}
        cpu = 1.0
        if step == "deliver":
            Path(given["folder"]).mkdir(parents=True)
            self.persons = given["persons"]
            self.years = given["years"][1] - given["years"][0] + 1
            result = {"rows": self.persons * self.years * 10}
        elif step == "ingest":
            rows = self.persons * self.years * 10
            result = {"read": rows, "kept": rows - self.lost, "quarantined": self.lost}
        elif step == "yardstick":
            result = {"rate": REFERENCE, "cpu_rate": REFERENCE / 2}
        else:
            lines = self.persons * self.years * 10
            cpu = lines / self.rate
            one_year = given["years"][0] == given["years"][1]
            yearly = 2.0 * (self.deep if self.years > 2 else 1.0) if one_year else cpu
            result = {
                "lines": lines,
                "seconds": cpu,
                "spilled": 0.0,
                "share": {"model": 0.9, "test": 0.1},
                "nodes": [["care_event", "yearly", yearly], ["person", "history", self.years]],
            }
        return Usage(wall=cpu, cpu=cpu, peak=self.memory, result=result)


def measured(monkeypatch: pytest.MonkeyPatch, fake: Fake, persons: int) -> dict[str, Any]:
    monkeypatch.setattr(base, "measure", fake)
    found = bench_base(persons=persons)
    return {each["case"]: each for each in found["cases"]} | {"holds": found["holds"]}


def test_a_fast_lean_base_holds_all_its_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = measured(monkeypatch, Fake(), 60_000)
    assert cases["holds"]
    assert cases["rate wanted / rate"]["value"] == 0.5
    assert cases["growth of time, 30,000 to 60,000 persons"]["value"] == 1.0
    assert cases["refresh of a year: history models, five years / two"]["value"] == 2.5


@pytest.mark.parametrize(
    ("fake", "case"),
    [
        (Fake(rate=90_000.0), "rate wanted / rate"),
        (Fake(memory=4001.0), "peak memory"),
        (Fake(deep=2.0), "refresh of a year: yearly models, five years / two"),
    ],
)
def test_each_bar_may_fail(monkeypatch: pytest.MonkeyPatch, fake: Fake, case: str) -> None:
    cases = measured(monkeypatch, fake, 60_000)
    assert not cases["holds"] and not cases[case]["holds"]


def test_of_few_persons_the_rate_is_only_told(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = measured(monkeypatch, Fake(rate=100.0), 100)
    assert cases["rate wanted / rate"]["bar"] is None and cases["holds"]


def test_lost_lines_stop_the_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake()
    fake.lost = 1
    with pytest.raises(OpenChronicError, match="were read"):
        measured(monkeypatch, fake, 100)
    with pytest.raises(UsageError, match="small, medium, full"):
        bench_base(size="tiny")


def test_nodes_at_the_same_time_share_it() -> None:
    runs = [("model", 1.0, 5.0), ("test", 3.0, 7.0)]
    assert _shares(runs, 0.0, 10.0) == {"none": 0.4, "model": 0.3, "test": 0.3}


def test_what_is_spilled_is_seen_while_it_is_there(tmp_path: Path) -> None:
    with _Spilled(tmp_path) as spilled:
        (tmp_path / "duckdb_temp_storage-0.tmp").write_bytes(b"x" * 1000)
        time.sleep(0.2)
        (tmp_path / "duckdb_temp_storage-0.tmp").unlink()
    assert spilled.most == 1000


def test_the_base_can_be_built_without_indicators(home: Home) -> None:
    known = project.models(home)
    built = _base(home)
    assert {"care_event", "person_pathology", "condition_spend"} <= set(built)
    assert project.with_ancestors(known, built) == set(built)
    assert not {name for name in built if name.startswith(("int_indicator", "measure_"))}
