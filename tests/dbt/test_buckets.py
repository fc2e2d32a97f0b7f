"""A year of care made bucket by bucket of people: the same rows, whatever the buckets."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest
from part_of_project import only
from raw_lake import Lake, beneficiary, detail, line

from openchronic_assets import warehouse
from openchronic_assets.warehouse import run

YEARS = range(2019, 2022)
PEOPLE = [f"person {number}" for number in range(40)]
DRUG = {"pha_ord_num": 1, "pha_prs_c13": 3400930000011}


def fill(lake: Lake) -> None:
    """People with care in two years, something taken back, twins, dirt and lost lines."""
    lines, drugs = [], []
    for number, name in enumerate(PEOPLE):
        day, month = f"20{19 + number % 2}-03-0{number % 9 + 1}", f"20{19 + number % 2}-05-01"
        lines.append(line(name, day, month, number))
        drugs.append(detail(month, number, pha_act_qsn=2, **DRUG))
        if number % 3 == 0:  # the drug is taken back under another key
            lines.append(line(name, day, month, 100 + number, prs_act_qte=-1))
            drugs.append(detail(month, 100 + number, pha_act_qsn=-1, **DRUG))
        if number % 10 == 0:  # the nine keys again, for somebody else
            lines.append(line(PEOPLE[number + 1], day, month, number))
    lines += [line("", "2020-02-01", "2020-03-01", 900), line("x", None, "2020-03-01", 901)]
    lines += [line("person 3", "2020-02-01", "2020-03-01", 902, ben_cdi_nir="05")]
    drugs += [detail("2020-03-01", 950 + n, pha_act_qsn=1, **DRUG) for n in range(5)]
    lake.put("ir_ben_r", "ben", [beneficiary(name) for name in PEOPLE])
    lake.put("er_prs_f", "prs", lines)
    lake.put("er_pha_f", "pha", drugs)
    lake.put(
        "er_ete_f", "ete",
        [
            detail(str(row["flx_dis_dtd"]), row["dct_ord_num"], etb_exe_fin="75000001")
            for row in lines
        ],
    )  # fmt: skip


def events(lake: Lake) -> Counter[str]:
    with duckdb.connect(str(lake.home.catalogue), read_only=True) as reader:
        return Counter(map(repr, reader.execute("from care_event").fetchall()))


@pytest.fixture(scope="module", autouse=True)
def part(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with only(tmp_path_factory.mktemp("part"), ["care_event"]) as folder:
        yield folder


def small_buckets(part: Path, rows: int) -> None:
    for path in part.rglob("int_care_year_*.sql"):
        text = re.sub(r"'rows': \d+", f"'rows': {rows}", path.read_text())
        path.write_text(text)


def test_buckets_change_no_row_and_each_person_is_in_one(make_lake: Any, part: Path) -> None:
    whole = make_lake("whole")
    fill(whole)
    warehouse.build(whole.home, YEARS)
    small_buckets(part, 5)
    spread = make_lake("spread")
    fill(spread)
    warehouse.build(spread.home, YEARS)
    assert [len(warehouse.files(whole.home, "care_event", year)) for year in YEARS] == [1, 1, 1]
    files = {year: warehouse.files(spread.home, "care_event", year) for year in YEARS}
    assert [len(files[year]) for year in YEARS] == [8, 8, 1]
    assert events(spread) == events(whole)
    assert sum(events(whole).values()) > 100
    for listed in files.values():
        holders: Counter[str] = Counter()
        for path in listed:
            found = duckdb.sql(
                f"select person_id, care_date, event_id from read_parquet('{path}')"
            ).fetchall()
            assert found == sorted(found, key=lambda row: [(x is None, x) for x in row])
            holders.update({row[0] for row in found if row[0]})
        assert not holders or max(holders.values()) == 1
    assert len([path for path in files[2019] if path.stat().st_size]) == 8
    assert not list(spread.home.scratch.rglob("*.parquet"))


def test_a_year_that_lost_its_first_file_is_made_again_with_the_same_bytes(
    make_lake: Any, part: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first file is written last: a run killed in a year leaves it without."""
    small_buckets(part, 5)
    lake = make_lake("killed")
    fill(lake)
    with monkeypatch.context() as cut:
        cut.setattr(run, "publish", lambda home, plan: None)
        cut.setattr(run.shutil, "rmtree", lambda *_, **__: None)
        warehouse.build(lake.home, YEARS)
    before = {path: path.read_bytes() for path in lake.home.builds.rglob("part-*.parquet")}
    killed = next(
        path for path in before if "2019" in str(path) and path.name == "part-0000.parquet"
    )
    killed.unlink()
    (killed.parent / "part-0007.parquet").write_bytes(b"half a file")
    warehouse.build(lake.home, YEARS)
    after = {path: path.read_bytes() for path in lake.home.builds.rglob("part-*.parquet")}
    assert after == before and len(after) > 16
