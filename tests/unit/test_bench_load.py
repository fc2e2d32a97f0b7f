"""The benchmark of load: what counts as an error, what as late, and what it refuses to compare."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest

from openchronic_assets.bench.load import Asked, bench_load, cases, percentile
from openchronic_assets.bench.load_steps import answer, ask
from openchronic_assets.bench.measure import Usage
from openchronic_assets.errors import OpenChronicError, UsageError
from openchronic_assets.settings import Home


@pytest.fixture
def catalogue(home: Home) -> Home:
    with duckdb.connect(str(home.catalogue)) as connection:
        connection.execute("create table t as select range as n, range / 3 as x from range(5)")
    return home


def asked_of(home: Home, folder: Path, queries: dict[str, str], seconds: float) -> list[Any]:
    """Let three analysts ask every 0.2 s for some time."""
    queried = folder / "queries"
    queried.mkdir()
    for name, text in queries.items():
        (queried / f"{name}.sql").write_text(text)
    quiet = {name: answer(home, "select sum(n), sum(x) from t") for name in queries}
    stop = folder / "stop"
    timer = threading.Timer(0.5 + seconds, stop.touch)
    timer.start()
    told = ask(str(home.root), str(queried), quiet, 3, 0.2, str(folder / "ready"), str(stop))
    timer.join()
    assert (folder / "ready").exists()
    return list(told["asked"])


def test_an_analyst_asks_again_and_again_and_says_what_failed(
    catalogue: Home, tmp_path: Path
) -> None:
    found = asked_of(
        catalogue, tmp_path,
        {"1": "select sum(n), sum(x) from t;", "2": "select 11, 3", "3": "select * from gone"},
        1.0,
    )  # fmt: skip
    # Three analysts, one question each 0.2 s of a second.
    assert 9 <= len(found) <= 18
    assert {name: error for name, _, error in found} == {
        "1": None, "2": "other rows than on the quiet catalogue", "3": "CatalogException",
    }  # fmt: skip
    assert all(0 < seconds < 5 for _, seconds, _ in found)


def test_an_answer_is_late_from_when_its_question_was_due(catalogue: Home, tmp_path: Path) -> None:
    slow = "select sum(n), sum(x) from t, (select count(*) from range(300000000) r where r % 7 = 3)"
    before = time.monotonic()
    found = asked_of(catalogue, tmp_path, {"slow": slow}, 0.8)
    assert len(found) >= 4 and time.monotonic() - before < 60
    # Each keeps the next of the same analyst waiting, so that times grow.
    assert max(seconds for _, seconds, _ in found) > 1.5 * min(s for _, s, _ in found)


def test_the_same_rows_are_told_by_the_same_mark_in_any_order(catalogue: Home) -> None:
    one = answer(catalogue, "select n, x from t order by n")
    assert one == answer(catalogue, "select n, x from t order by n desc")
    assert one == answer(catalogue, "select n, x * (1 + 1e-15) from t")
    assert one != answer(catalogue, "select n, x * (1 + 1e-6) from t")
    assert one != answer(catalogue, "select n, x from t union all select n, x from t")


@pytest.mark.parametrize(
    ("values", "found"), [([1.0], 1.0), ([float(n) for n in range(1, 101)], 95.0), ([3, 1], 3)]
)
def test_the_percentile_is_one_of_the_values(values: list[float], found: float) -> None:
    assert percentile(values, 0.95) == found


def usage(seconds: float, written: int = 7) -> Usage:
    return Usage(seconds, seconds, 100.0, {"seconds": seconds, "written": written})


def test_each_bar_can_be_missed() -> None:
    good = [Asked("a", 0.2, None)] * 40
    found = cases(usage(10), usage(20), good, 20)
    assert all(each["holds"] for each in found)
    for alone, loaded, asked in (
        (usage(10), usage(26), good),
        (usage(10), usage(20), [*good, Asked("b", 0.1, "IOException")]),
        (usage(10), usage(20), [*good, *[Asked("b", 6.0, None)] * 3]),
    ):
        missed = [each for each in cases(alone, loaded, asked, 20) if not each["holds"]]
        assert len(missed) == 1


def test_backfills_of_other_work_are_not_compared() -> None:
    good = [Asked("a", 0.2, None)]
    for alone, loaded, asked in (
        (usage(10, 7), usage(10, 6), good),
        (usage(10, 0), usage(10, 0), good),
        (usage(10), usage(10), []),
    ):
        with pytest.raises(OpenChronicError):
            cases(alone, loaded, asked, 20)


def test_an_unknown_size_lists_the_sizes() -> None:
    with pytest.raises(UsageError, match="small, medium, full"):
        bench_load("huge")
