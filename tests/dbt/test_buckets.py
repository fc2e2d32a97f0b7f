"""A year of care made bucket by bucket of people: the same rows, whatever the buckets."""

from __future__ import annotations

import hashlib
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


@pytest.mark.parametrize("engine", ["model_runner", "spark_model_runner"])
def test_lines_and_details_lie_in_the_cell_of_their_pair(
    engine: str, request: pytest.FixtureRequest
) -> None:
    if engine == "spark_model_runner":
        request.node.add_marker(pytest.mark.long)
    runner = request.getfixturevalue(engine)
    given = {
        "ir_ben_r": [beneficiary("ann")],
        "er_prs_f": [
            line("ann", "2020-03-05", "2020-04-01", 1),
            line("ann", "2020-03-05", "2020-04-01", 2, ben_cdi_nir="05"),  # linked to nobody
            line("zoe", "2020-03-05", "2020-04-01", 3),  # not in the referential
            line("", "2020-03-05", "2020-04-01", 4, ben_nir_psa=None),
            line("ann", "2019-03-05", "2020-04-01", 5),  # another year of care
        ],
        "er_ete_f": [
            detail("2020-04-01", 1, etb_exe_fin=" 75000001 ", ete_ind_taa=1, _source_line=1),
            detail("2020-04-01", 1, etb_exe_fin="75000002", _source_line=2),
        ],
        "er_pha_f": [detail("2020-04-01", number, **DRUG) for number in (1, 3, 4, 5, 77)],
    }
    found = runner.run_all(["int_care_year_line", "int_care_year_detail"], given, year=2020)
    keys = {row["claim_key"] for row in found["int_care_year_line"]}
    assert len(keys) == 4
    persons = {row["person_id"] for row in found["int_care_year_line"] if row["person_id"]}
    (ann,) = persons
    for row in found["int_care_year_line"]:
        of_ann = row["psa"] == line("ann", None, "2020-04-01", 1)["ben_nir_psa"]
        key = ann if of_ann else row["psa"] or row["claim_key"]
        assert row["cell"] == int(hashlib.md5(key.encode()).hexdigest()[:2], 16)
        assert row["performing_finess"] == ("75000001" if row["activity_funding"] else None)
    assert sum(row["activity_funding"] or 0 for row in found["int_care_year_line"]) == 1
    cells = {row["claim_key"]: row["cell"] for row in found["int_care_year_line"]}
    lost = [row for row in found["int_care_year_detail"] if row["is_orphan"]]
    kept = [row for row in found["int_care_year_detail"] if not row["is_orphan"]]
    assert all(row["cell"] == cells[row["claim_key"]] for row in kept) and len(kept) == 3
    # Number 77 has no line at all; number 5 has one, in another year.
    assert len(lost) == 1 and lost[0]["claim_key"] not in cells
    assert lost[0]["cell"] == int(hashlib.md5(lost[0]["claim_key"].encode()).hexdigest()[:2], 16)
