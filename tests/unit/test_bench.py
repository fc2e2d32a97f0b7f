from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from openchronic_assets.bench import demo, ingest, run_bench
from openchronic_assets.bench.cases import case, result
from openchronic_assets.bench.demo import bench_demo
from openchronic_assets.bench.measure import Usage, _Watch, measure
from openchronic_assets.bench.texts import TABLE, write_files
from openchronic_assets.contracts import load
from openchronic_assets.errors import OpenChronicError, UsageError

FORM = {"case", "value", "unit", "bar", "holds"}


def formed(found: dict[str, Any], name: str) -> None:
    assert set(found) == {"name", "cases", "holds"} and found["name"] == name
    assert found["cases"] and all(set(each) == FORM for each in found["cases"])
    assert all(each["value"] > 0 for each in found["cases"])
    assert found["holds"] == all(each["holds"] for each in found["cases"])
    assert any(each["bar"] is not None for each in found["cases"])


def test_an_unknown_name_lists_the_benchmarks() -> None:
    with pytest.raises(UsageError, match="'speed'.*, base, demo, "):
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


def test_the_files_hold_the_lines_they_say_under_different_keys(texts: list[Path]) -> None:
    found = [path.read_text().splitlines() for path in texts]
    assert [len(lines) for lines in found] == [301, 301, 301]
    assert len({lines[0] for lines in found}) == 1
    names = found[0][0].split(";")
    assert set(names) <= set(load(TABLE).names())
    assert {len(line.split(";")) for lines in found for line in lines} == {len(names)}
    order = names.index("DCT_ORD_NUM")
    orders = [{line.split(";")[order] for line in lines[1:]} for lines in found]
    assert not orders[0] & orders[1] and not orders[1] & orders[2]


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three files of 300 lines each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("openchronic_assets.bench.texts.PERSONS", 40)
        return write_files(tmp_path_factory.mktemp("texts"), 900, 3)


def test_a_step_is_measured_with_what_it_returns(tmp_path: Path, texts: list[Path]) -> None:
    usage = measure("parse", path=str(texts[0]), table=TABLE, year=2019, out=str(tmp_path / "o"))
    assert (usage.result["lines"], usage.result["balances"]) == (300, True)
    assert 290 <= usage.result["kept"] <= 300
    assert usage.wall >= usage.result["seconds"] > 0
    assert usage.cpu > 0
    assert usage.peak > 30, "an interpreter with DuckDB takes more"
    assert not (tmp_path / "o").exists()


def test_the_peer_reads_what_we_read(tmp_path: Path, texts: list[Path]) -> None:
    paths = [str(path) for path in texts]
    usage = measure("copy_duckdb", paths=paths, table=TABLE, out=str(tmp_path / "o"), cores=2)
    assert usage.result["lines"] == 900
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


@pytest.mark.parametrize("wrong", [{"kept": 99}, {"read": 99}, {"kept": 90, "quarantined": 10}])
def test_lines_that_get_lost_are_no_speed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any]
) -> None:
    right = {"read": 100, "kept": 100, "quarantined": 0, "seconds": 1.0, "lines": 100}
    monkeypatch.setattr(ingest, "write_files", lambda folder, lines, files: [])
    monkeypatch.setattr(ingest, "measure", lambda step, **asked: Usage(1, 1, 1, right))
    assert len(ingest._compare(tmp_path, 100, 2)["ours"]) == 2
    monkeypatch.setattr(ingest, "measure", lambda step, **asked: Usage(1, 1, 1, right | wrong))
    with pytest.raises(OpenChronicError, match="lost lines"):
        ingest._compare(tmp_path, 100, 1)


def test_a_size_that_a_benchmark_has_not_is_wrong_use() -> None:
    with pytest.raises(UsageError, match="small, medium, full"):
        run_bench("ingest", "huge")
    with pytest.raises(UsageError, match="leave --size out"):
        run_bench("demo", "small")


@pytest.mark.slow
@pytest.mark.spark
def test_the_benchmark_of_ingestion_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ingest.SIZES, "small", (6000, 1, (2000, 4000)))
    formed(run_bench("ingest", "small"), "ingest")


@pytest.mark.slow
@pytest.mark.spark
def test_the_benchmark_of_the_main_job_runs() -> None:
    found = bench_demo(persons=300, years=(2019, 2019))
    formed(found, "demo")
    units = {(each["case"], each["unit"]) for each in found["cases"]}
    for stage in ("generate", "ingest", "build", "anonymise", "publish"):
        assert {(stage, "s"), (stage, "CPU s"), (stage, "MB")} <= units
    assert {("ingest", "lines a second"), ("build", "lines a second")} <= units
