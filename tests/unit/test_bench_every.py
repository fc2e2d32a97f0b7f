"""All benchmarks in one report: what is measured again, what fails, what got worse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from openchronic_assets.bench import BENCHES, every
from openchronic_assets.bench.cases import case, result
from openchronic_assets.bench.every import compared, read_baseline, run_every, sized
from openchronic_assets.errors import OpenChronicError, UsageError


def measured(name: str, size: str | None) -> dict[str, Any]:
    return result(name, [case("step / yardstick", 2.0, "ratio", 3.0), case("step", 9.0, "s")])


def test_every_benchmark_is_run_at_every_size_and_told(tmp_path: Path) -> None:
    report = run_every(["one", "two"], measured, "medium", tmp_path)
    assert [(each["name"], each["size"]) for each in report["results"]] == [
        ("one", "small"), ("two", "small"), ("one", "medium"), ("two", "medium"),
    ]  # fmt: skip
    assert json.loads((tmp_path / "bench.json").read_text()) == report
    page = (tmp_path / "bench.html").read_text()
    assert "one, medium" in page and "step / yardstick" in page and "holds" in page
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bench.html", "bench.json"]


def test_what_was_measured_is_not_measured_again(tmp_path: Path) -> None:
    asked = []

    def until_two(name: str, size: str | None) -> dict[str, Any]:
        asked.append(name)
        if name == "two" and asked.count("two") == 1:
            raise KeyboardInterrupt
        return measured(name, size)

    with pytest.raises(KeyboardInterrupt):
        run_every(["one", "two"], until_two, "small", tmp_path)
    report = run_every(["one", "two"], until_two, "small", tmp_path)
    assert asked == ["one", "two", "two"]
    assert len(report["results"]) == 2


def test_one_that_fails_is_told_and_tried_again(tmp_path: Path) -> None:
    def broken(name: str, size: str | None) -> dict[str, Any]:
        if name == "one":
            raise OpenChronicError("rows were lost")
        return measured(name, size)

    report = run_every(["one", "two"], broken, "small", tmp_path)
    assert [each["error"] for each in report["results"]] == ["rows were lost", None]
    assert "Failed: rows were lost" in (tmp_path / "bench.html").read_text()
    again = run_every(["one", "two"], measured, "small", tmp_path)
    assert sorted((each["name"], each["error"]) for each in again["results"]) == [
        ("one", None), ("two", None),
    ]  # fmt: skip


def test_a_benchmark_without_a_size_is_left_out_of_it(tmp_path: Path) -> None:
    def only_small(name: str, size: str | None) -> dict[str, Any]:
        assert size is not None
        sized(lambda: None, size)
        return measured(name, size)

    report = run_every(["demo"], only_small, "full", tmp_path)
    assert [each["size"] for each in report["results"]] == ["small"]
    assert sized(lambda size: None, "full") == {"size": "full"}


def test_a_report_of_another_version_is_not_gone_on_with(tmp_path: Path) -> None:
    run_every(["one"], measured, "small", tmp_path)
    path = tmp_path / "bench.json"
    path.write_text(path.read_text().replace(every.__version__, "0.0.1"))
    with pytest.raises(UsageError, match="another folder"):
        run_every(["one"], measured, "small", tmp_path)
    with pytest.raises(UsageError, match="no size 'huge'"):
        run_every(["one"], measured, "huge", tmp_path)


@pytest.mark.parametrize(("value", "holds"), [(2.0, True), (2.39, True), (2.41, False)])
def test_a_ratio_a_fifth_above_its_baseline_is_worse(
    value: float, holds: bool, tmp_path: Path
) -> None:
    baseline = run_every(["one"], measured, "small", tmp_path)
    now = {
        "results": [
            {
                "name": "one",
                "size": "small",
                "cases": [
                    case("step / yardstick", value, "ratio"),
                    case("step", 900.0, "s"),  # a time alone is of the machine
                    case("new", 9.0, "ratio"),  # nothing to compare it with
                ],
            }
        ]
    }
    (found,) = compared(now, baseline)
    assert found["holds"] is holds
    assert found["case"] == "small one: step / yardstick"


def test_the_baseline_names_benchmarks_that_there_are() -> None:
    baseline = read_baseline()
    assert {each["name"] for each in baseline["results"]} <= set(BENCHES)
    assert compared(baseline, baseline), "no ratio to compare with"
    assert all(each["holds"] for each in compared(baseline, baseline))
