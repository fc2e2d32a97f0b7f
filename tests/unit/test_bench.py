from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from openchronic_assets.bench import demo, ingestion, run_bench
from openchronic_assets.bench.cases import case, result
from openchronic_assets.bench.demo import bench_demo
from openchronic_assets.bench.measure import Usage, _Watch, measure
from openchronic_assets.bench.texts import NARROW, WIDE, write_text
from openchronic_assets.errors import OpenChronicError, UsageError

FORM = {"case", "value", "unit", "bar", "holds"}


def formed(found: dict[str, Any], name: str) -> None:
    assert set(found) == {"name", "cases", "holds"} and found["name"] == name
    assert found["cases"] and all(set(each) == FORM for each in found["cases"])
    assert all(each["value"] > 0 for each in found["cases"])
    assert found["holds"] == all(each["holds"] for each in found["cases"])
    assert any(each["bar"] is not None for each in found["cases"])


def test_an_unknown_name_lists_the_benchmarks() -> None:
    with pytest.raises(UsageError, match="'speed'.*anonymise, demo, ingestion"):
        run_bench("speed")


def test_run_bench_runs_the_one_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "bench_demo", lambda: result("demo", [case("a", 1, "s")]))
    assert run_bench("demo") == {
        "name": "demo",
        "cases": [{"case": "a", "value": 1, "unit": "s", "bar": None, "holds": True}],
        "holds": True,
    }


@pytest.mark.parametrize(
    ("value", "bar", "holds"),
    [(1.9, 2.0, True), (2.0, 2.0, True), (2.1, 2.0, False), (9, None, True)],
)
def test_a_case_holds_up_to_its_bar(value: float, bar: float | None, holds: bool) -> None:
    found = case("a", value, "ratio", bar)
    assert found["holds"] is holds
    assert result("b", [case("c", 1, "s"), found])["holds"] is holds


@pytest.mark.parametrize(("shape", "columns"), [(NARROW, 22), (WIDE, 129)])
def test_the_texts_have_the_width_they_say(
    tmp_path: Path, shape: tuple[str, int], columns: int
) -> None:
    path = tmp_path / "f.csv"
    write_text(path, *shape, 20)
    lines = path.read_text().splitlines()
    assert len(lines) == 21
    assert {len(line.split(";")) for line in lines} == {columns}


def test_a_step_is_measured_with_what_it_returns(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    write_text(path, *NARROW, 500, spoilt_every=100)
    usage = measure("parse", path=str(path), table=NARROW[0], year=2020, out=str(tmp_path / "o"))
    assert (usage.result["lines"], usage.result["kept"]) == (500, 495)
    assert usage.wall >= usage.result["seconds"] > 0
    assert usage.cpu > 0
    assert usage.peak > 30, "an interpreter with DuckDB takes more"
    assert not (tmp_path / "o").exists()


def test_a_step_that_fails_says_which(tmp_path: Path) -> None:
    with pytest.raises(OpenChronicError, match="step parse of the benchmark failed: FileNotFound"):
        measure("parse", path=str(tmp_path / "no"), table="ER_UCD_F", year=2020, out="o")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not show their processes")
def test_the_processes_that_a_step_starts_count() -> None:
    burn = "import time\nheld = b'x' * 200_000_000\nwhile time.process_time() < 1: pass"
    start = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"
    process = subprocess.Popen([sys.executable, "-c", start], start_new_session=True)
    watch = _Watch(process.pid)
    watch.start()
    process.wait()
    watch.stop()
    assert watch.cpu > 0.5
    assert watch.peak > 200e6


@pytest.mark.parametrize(
    "wrong", [{"kept": 99}, {"lines": 99}, {"balances": False}, {"status": "refused"}]
)
def test_lines_that_get_lost_are_no_speed(wrong: dict[str, Any]) -> None:
    right = {"status": "loaded", "lines": 100, "kept": 100, "balances": True}
    ingestion._check("narrow", Usage(1, 1, 1, right), 100, 0)
    with pytest.raises(OpenChronicError, match="narrow file"):
        ingestion._check("narrow", Usage(1, 1, 1, right | wrong), 100, 0)


@pytest.mark.slow
def test_the_benchmark_of_ingestion_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingestion, "REPEATS", 1)
    formed(ingestion.bench_ingestion(lines=5000), "ingestion")


@pytest.mark.slow
@pytest.mark.spark
def test_the_benchmark_of_the_main_job_runs() -> None:
    found = bench_demo(persons=300, years=(2019, 2019))
    formed(found, "demo")
    units = {(each["case"], each["unit"]) for each in found["cases"]}
    for stage in ("generate", "ingest", "build", "anonymise", "publish"):
        assert {(stage, "s"), (stage, "CPU s"), (stage, "MB")} <= units
    assert {("ingest", "lines a second"), ("build", "lines a second")} <= units
