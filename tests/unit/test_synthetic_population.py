"""The invented population: figures in their bands, identities as SNDS has them, ALD read back."""

from __future__ import annotations

import csv
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openchronic_assets.synthetic import figures, generate
from openchronic_assets.synthetic import truth as truth_tables
from openchronic_assets.synthetic.population import residence
from openchronic_assets.synthetic.text import NEVER, cents, dates, day

YEARS = (2019, 2020)


def table(path: Path, delimiter: str = ";") -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle, delimiter=delimiter))


def planted(folder: Path, name: str) -> list[dict[str, str]]:
    """Rows of a truth table as text: ISO dates, 1 and 0 for flags, nothing for NULL."""
    return [
        {
            key: "" if value is None else str(int(value) if isinstance(value, bool) else value)
            for key, value in row.items()
        }
        for row in truth_tables.read(folder.with_name(f"{folder.name}.truth"), name)
    ]


def read_date(text: str) -> date | None:
    if text in ("", "01/01/1600"):
        return None
    return datetime.strptime(text, "%d/%m/%Y").date()


@pytest.fixture(scope="module")
def france(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Departments without an age structure of their own: that of the country."""
    out = tmp_path_factory.mktemp("france") / "extract"
    return out, generate(out, 6000, YEARS, 11, ["35", "69"], "none")


def person_years(totals: dict[str, Any]) -> int:
    return sum(totals["counts"][f"persons_in_{year}"] for year in YEARS)


def test_one_person_in_five_has_an_ald(france: tuple[Path, dict[str, Any]]) -> None:
    counts = france[1]["counts"]
    for year in YEARS:
        assert 0.155 < counts[f"patients_in_{year}"] / counts[f"persons_in_{year}"] < 0.215
    assert 1.15 < counts["ald_episodes"] / counts["patients"] < 1.40


def test_as_many_die_as_are_asked_for(tmp_path: Path) -> None:
    totals = generate(tmp_path / "extract", 2000, (2019, 2019), 3, dirt="none", deaths=120)
    # Deaths of the first year are sampled so that a block has the sum of its people's chances.
    assert 112 <= totals["counts"]["deaths"] <= 128


def test_deaths_stays_and_visits_are_of_the_published_order(
    france: tuple[Path, dict[str, Any]],
) -> None:
    out, totals = france
    years = person_years(totals)
    # Both departments are younger than the country: 7.8 deaths for 1,000 are expected.
    assert 0.006 < totals["counts"]["deaths"] / years < 0.010
    stays = planted(out, "stays")
    full = [row for row in stays if row["sessions"] == "0"]
    assert 0.22 < len(full) / years < 0.32
    assert any(row["exit_mode"] == "9" for row in full)
    crossing = [r for r in full if r["entry_date"][:4] != r["exit_date"][:4]]
    assert crossing


def test_identities_are_those_of_the_referential(france: tuple[Path, dict[str, Any]]) -> None:
    rows = table(france[0] / "IR_BEN_R.csv")
    couples = {(row["BEN_NIR_PSA"], row["BEN_RNG_GEM"]) for row in rows}
    assert len(couples) == len(rows) == france[1]["counts"]["couples"]
    assert len({row["BEN_IDT_ANO"] for row in rows}) == france[1]["counts"]["persons"] == 6000
    for row in rows:
        if row["BEN_IDT_TOP"] == "1":
            assert row["BEN_IDT_ANO"] == row["BEN_NIR_ANO"] and len(row["BEN_IDT_ANO"]) == 17
        else:
            assert row["BEN_IDT_ANO"] == row["BEN_NIR_PSA"] + row["BEN_RNG_GEM"]
            assert row["BEN_NIR_ANO"] == "" and len(row["BEN_IDT_ANO"]) == 18
    twins = {r["BEN_NIR_PSA"] for r in rows if r["BEN_RNG_GEM"] == "2"}
    first = {r["BEN_NIR_PSA"] for r in rows if r["BEN_RNG_GEM"] == "1"}
    assert twins and twins <= first
    assert {"00", "05", "06", "11"} == {row["BEN_CDI_NIR"] for row in rows}
    assert any(row["BEN_TOP_CNS"] == "0" for row in rows)


@pytest.mark.parametrize(
    ("department", "scheme", "letter", "coded", "insee"),
    [
        ("62", 1, "C", ("062", "041"), "62041"),
        ("974", 1, "C", ("097", "411"), "97411"),
        ("974", 2, "A", ("974", "411"), "97411"),
        ("974", 3, "A", ("974", "011"), "97411"),
        ("974", 3, "C", ("097", "411"), "97411"),
        ("2A", 1, "C", ("209", "004"), "20004"),
    ],
)
def test_residence_decodes_to_the_commune(
    department: str, scheme: int, letter: str, coded: tuple[str, str], insee: str
) -> None:
    dpt, com = residence(department, insee[2:], scheme, letter)
    assert (dpt, com) == coded
    # snds_model D10, written out.
    prefix = f"0{scheme}{letter}"
    if dpt == "209" or prefix == "02A" and dpt.startswith("97"):
        decoded = dpt[:2] + com
    elif prefix == "03A" and dpt.startswith("97"):
        decoded = dpt + com[-2:]
    else:
        decoded = dpt[1:3] + com
    assert decoded == insee


def test_the_rows_of_ir_imb_r_give_the_episodes_back(
    france: tuple[Path, dict[str, Any]],
) -> None:
    """Decision 4 in plain Python: chains by code, then union per ALD with gaps of 90 days."""
    out, _ = france
    number_of = {row["cim10"]: int(row["ald_num"]) for row in figures.rows("ald_codes.csv")}
    person_of = {
        (row["BEN_NIR_PSA"], row["BEN_RNG_GEM"]): row["BEN_IDT_ANO"]
        for row in table(out / "IR_BEN_R.csv")
    }
    chains: dict[tuple[str, str, str], list[tuple[date, date, date | None, int]]] = {}
    for row in table(out / "IR_IMB_R.csv"):
        if row["IMB_ETM_NAT"] not in ("41", "43", "45"):
            continue
        delivered = int(row["IMB_ALD_NUM"])
        number = delivered if 1 <= delivered <= 32 else number_of[row["MED_MTF_COD"]]
        start, inserted = read_date(row["IMB_ALD_DTD"]), read_date(row["INS_DTE"])
        assert start is not None and inserted is not None
        end = read_date(row["IMB_ALD_DTF"])
        end = None if end == date(2099, 12, 31) else end
        person = person_of[(row["BEN_NIR_PSA"], row["BEN_RNG_GEM"])]
        key = (person, row["IMB_ETM_NAT"], row["MED_MTF_COD"][:3])
        chains.setdefault(key, []).append((inserted, start, end, number))
    found = set()
    for (person, _, _), rows in chains.items():
        latest = max(rows, key=lambda row: row[0])
        assert [row[0] for row in rows].count(latest[0]) == 1
        assert len({row[3] for row in rows}) == 1
        found.add((person, latest[3], min(row[1] for row in rows), latest[2]))
    truth = {
        (
            row["ben_idt_ano"],
            int(row["ald_num"]),
            date.fromisoformat(row["start_date"]),
            date.fromisoformat(row["end_date"]) if row["end_date"] else None,
        )
        for row in planted(out, "ald_episodes")
    }
    assert found == truth


def test_real_life_of_the_exemption_rows_is_there(france: tuple[Path, dict[str, Any]]) -> None:
    rows = table(france[0] / "IR_IMB_R.csv")
    motives = {row["IMB_ETM_NAT"] for row in rows}
    assert {"41", "43", "45", "11", "12", "13"} <= motives
    share = np.mean([r["IMB_ALD_NUM"] == "0" for r in rows if r["IMB_ETM_NAT"] == "41"])
    assert 0.3 < share < 0.6
    ends = {row["IMB_ALD_DTF"] for row in rows}
    assert {"01/01/1600", "31/12/2099"} <= ends
    counted = france[1]["planted"]
    for what in ("imb_renewed", "imb_superseded", "imb_end_before_start", "imb_not_ald"):
        assert counted[what] > 0


def test_prevalence_counts_equal_the_episodes(france: tuple[Path, dict[str, Any]]) -> None:
    people = {row["index"]: row for row in planted(france[0], "persons")}
    counted: dict[tuple[int, str, int, int], set[str]] = {}
    for row in planted(france[0], "ald_episodes"):
        person = people[row["index"]]
        if person["fictitious"] == "1":
            continue
        for year in YEARS:
            first, last = f"{year}-01-01", f"{year}-12-31"
            if row["start_date"] > last or (row["end_date"] and row["end_date"] < first):
                continue
            if person["death_date"] and person["death_date"] < first:
                continue
            key = (int(row["ald_num"]), row["department"], int(row["sex"]), year)
            counted.setdefault(key, set()).add(row["index"])
    stated = {
        (r["ald_num"], r["department"], r["sex"], r["year"]): r["persons"]
        for r in france[1]["prevalence"]
    }
    assert stated == {key: len(persons) for key, persons in counted.items()}


def test_incidence_exists_in_each_year(france: tuple[Path, dict[str, Any]]) -> None:
    starts = [row["start_date"][:4] for row in planted(france[0], "ald_episodes")]
    for year in YEARS:
        assert 0.015 < starts.count(str(year)) / 6000 < 0.045


@pytest.mark.conformance
def test_each_ald_code_is_resolved_as_the_figures_say(conformance_data: Path) -> None:
    listed = {
        row["CIM_COD"]: int(row["ALD_030_COD"])
        for row in table(conformance_data / "nomenclatures" / "IR_CIM_V.csv")
        if row["ALD_030_COD"]
    }
    for row in figures.rows("ald_codes.csv"):
        official = listed.get(row["cim10"][:4], listed.get(row["cim10"][:3]))
        if row["resolved_by"] == "list":
            assert official == int(row["ald_num"]), row
        else:
            assert official == 99, row


def test_codes_of_two_alds_never_share_three_characters() -> None:
    owner: dict[str, str] = {}
    for row in figures.rows("ald_codes.csv"):
        assert owner.setdefault(row["cim10"][:3], row["ald_num"]) == row["ald_num"]


def test_money_and_dates_are_written_as_delivered() -> None:
    assert cents(np.array([0, 5, -50, 2500, -123456])).to_pylist() == [
        "0.00",
        "0.05",
        "-0.50",
        "25.00",
        "-1234.56",
    ]
    days = np.array([day(2019, 2, 5), NEVER])
    assert dates(days).to_pylist() == ["05/02/2019", "01/01/1600"]
    assert dates(days[:1], "ddMMMyyyy:HH:MM:SS").to_pylist() == ["05FEB2019:00:00:00"]
    assert dates(days[:1], "ddmmyyyy").to_pylist() == ["05022019"]
