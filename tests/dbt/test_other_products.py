"""The other fields of hospital care, and Open DAMIR: their rules and their euros."""

from __future__ import annotations

import csv
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from part_of_project import only
from raw_lake import Row, beneficiary, day, pseudonym, stay

from openchronic_assets import warehouse
from openchronic_assets.ingestion.parse import ParseTask, parse_file, stamp_of
from openchronic_assets.settings import Home

GOOD = {
    f"{code}_ret": "0"
    for code in ("nir", "nai", "sex", "sej", "fho", "pms", "dat", "coh_nai", "coh_sex")
}


def rows(home: Home, sql: str) -> list[tuple[Any, ...]]:
    with warehouse.connect(home) as connection:
        return connection.execute(sql).fetchall()


def removed(home: Home, table: str, use: str, year: int) -> dict[str, int]:
    """Return what each rule of a use is the first to flag, and what remains (``used``)."""
    found = rows(
        home,
        "select rule, order_row_count, remaining_row_count from quality_rule_effect "
        f"where table_name = '{table}' and use_name = '{use}' and year = {year} order by position",
    )
    return {rule: count for rule, count, _ in found if count} | {"used": found[-1][2]}


def damir(kind: int | None, paid: str, base: str, back: str, **more: Any) -> Row:
    return {
        "flx_ann_moi": 202501, "soi_ann": 2024, "soi_moi": 12, "prs_rem_typ": kind,
        "prs_pai_mnt": Decimal(paid), "prs_rem_bse": Decimal(base), "prs_rem_mnt": Decimal(back),
        "flt_pai_mnt": Decimal(paid), "exo_mtf": 0, "ben_res_reg": 32, "prs_nat": 1111,
    } | more  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from raw_lake import Lake

    from openchronic_assets.warehouse import inputs

    lake = Lake(Home(tmp_path_factory.mktemp("products") / "home"))
    lake.put("ir_ben_r", "IR_BEN_R", [beneficiary("ann")])
    ann = pseudonym("ann")
    for year in (2010, 2015):
        at = {"_table_year": year, "eta_num": "230780041"}
        site = {"_table_year": year, "eta_num": "130796550"}
        lake.put("t_ssraab", f"T_SSR{year}B", [
            at | {"rha_num": "1", "rhs_num": "001", "grg_gme": "0190A0" if year > 2012 else None},
            at | {"rha_num": "1", "rhs_num": "002", "grg_gme": "9001A0" if year > 2012 else None},
            at | {"rha_num": "1", "rhs_num": "001"},
            at | {"rha_num": "2", "rhs_num": "001", "typ_gen_rha": "1"},
            site | {"rha_num": "1", "rhs_num": "001"},
        ])  # fmt: skip
        lake.put("t_ssraac", f"T_SSR{year}C", [at | GOOD | {"rha_num": "1", "nir_ano_17": ann}])
        home = {"_table_year": year, "eta_num_epmsi": "230780041"}
        lake.put("t_hadaab", f"T_HAD{year}B", [
            home | {"rhad_num": "1", "seq_num": "1", "sseq_num": "1"},
            home | {"rhad_num": "1", "seq_num": "1", "sseq_num": "2"},
            home | {"rhad_num": "2", "seq_num": "1", "sseq_num": "1"},
        ])  # fmt: skip
        unsent = {"fho_ret": None, "pms_ret": None}
        lake.put("t_hadaac", f"T_HAD{year}C", [
            home | GOOD | unsent | {"rhad_num": "1", "nir_ano_17": ann},
            home | GOOD | {"rhad_num": "2", "nir_ano_17": ann, "nir_ret": "1"},
        ])  # fmt: skip
        lake.put("t_hadaagrp", f"T_HAD{year}GRP", [
            home | {"rhad_num": "1", "seq_num": "1", "sseq_num": "2", "pap_grp_ghpc": "9901"},
        ])  # fmt: skip
    mco = {"_table_year": 2020, "eta_num": "230780041"}
    lake.put("t_mcoaab", "T_MCO20B", [stay(2020, 1), stay(2020, 1), stay(2020, 2)])
    lake.put("t_mcoaavalo", "T_MCO20VALO", [
        mco | {"rsa_num": f"{1:010d}", "valo": "1", "mnt_tot_am": Decimal("1500.25")},
        mco | {"rsa_num": f"{2:010d}", "valo": "0", "mnt_tot_am": Decimal("12")},
    ])  # fmt: skip
    lake.put("t_mcoaacstc", "T_MCO20CSTC", [
        mco | {"seq_num": "1", "nir_ano_17": ann, "ias_ret": "0", "ent_dat_ret": "0"} | {
            f"{code}_ret": "0" for code in ("nir", "nai", "sex")
        },
        mco | {"seq_num": "2", "nir_ano_17": ann, "ias_ret": "0", "ent_dat_ret": None},
        mco | {"seq_num": "1", "eta_num": "750712184"},
    ])  # fmt: skip
    lake.put("t_mcoaavaloace", "T_MCO20VALOACE", [
        mco | {"seq_num": "1", "mnt_br": Decimal("25"), "mnt_remb": Decimal("17.5")},
        mco | {"seq_num": "1", "mnt_br": Decimal("99"), "mnt_remb": Decimal("99")},
    ])  # fmt: skip
    lake.put("open_damir", "A202501", [
        damir(0, "35", "23", "15.10"),
        damir(6, "35", "23", "6.90"),
        damir(1, "10", "10", "-2", soi_ann=None, soi_moi=None, ben_res_reg=99),
        damir(None, "3", "3", "3", exo_mtf=42, soi_moi=None),
    ])  # fmt: skip
    wanted = ["hospital_stay", "damir_month", "quality_rule_effect"]
    with pytest.MonkeyPatch.context() as patch, only(tmp_path_factory.mktemp("part"), wanted):
        patch.setattr(inputs, "current_parts", lake.files)
        warehouse.build(lake.home, [2010, 2015, 2020, 2024])
        yield lake


def test_each_field_has_its_rules_and_a_missing_group_is_no_error(built: Any) -> None:
    home = built.home
    assert removed(home, "T_SSRaaB", "stays", 2010) == {
        "finess_duplicate": 1, "generated_summary": 1, "repeated_week": 1, "used": 2,
    }  # fmt: skip
    assert removed(home, "T_SSRaaB", "stays", 2015)["error_group"] == 1
    # The week of a site and that of a stay without chaining go; two weeks of the first stay remain.
    assert removed(home, "T_SSRaaB", "persons", 2010)["used"] == 2
    assert removed(home, "T_HADaaB", "stays", 2015) == {"error_group": 1, "used": 2}
    # Codes that were not sent in 2010 count as good, in 2015 they do not.
    assert removed(home, "T_HADaaB", "persons", 2010)["used"] == 1
    assert removed(home, "T_HADaaB", "persons", 2015)["used"] == 0
    assert removed(home, "T_MCOaaCSTC", "persons", 2020) == {
        "legal_entity_duplicate": 1, "bad_chaining_return": 1, "used": 1,
    }  # fmt: skip


def test_a_stay_is_worth_what_its_valuation_says_once(built: Any) -> None:
    assert rows(
        built.home,
        "select valuation_code, total_amount, is_used_for_spending from hospital_stay "
        "where year = 2020 and field = 'mco' order by stay_id",
    ) == [("1", Decimal("1500.25"), True), (None, None, False), ("0", Decimal("12.00"), False)]
    # A visit valued twice is worth its first valuation.
    assert rows(
        built.home,
        "select distinct staged_row_count, staged_amount from quality_rule_effect "
        "where table_name = 'T_MCOaaCSTC' and year = 2020",
    ) == [(3, Decimal("25.00"))]


def test_the_patient_share_of_damir_is_spend_less_reimbursed_less_supplements(built: Any) -> None:
    found = rows(
        built.home,
        "select sum(spend_amount), sum(base_amount), sum(reimbursed_amount), "
        "sum(supplement_amount), sum(patient_amount) from damir_month "
        "where region = 32 and exemption_code = 0 and year = 2024",
    )
    assert found == [
        (Decimal("35"), Decimal("23"), Decimal("15.10"), Decimal("6.90"), Decimal("13.00"))
    ]
    assert rows(
        built.home,
        "select care_month, flux_month, region, reimbursement_type, spend_amount, line_count "
        "from damir_month where care_month is null order by reimbursement_type nulls last",
    ) == [
        (None, day("2025-01-01"), None, 1, Decimal("10"), 1),
        (None, day("2025-01-01"), 32, None, Decimal("3"), 1),
    ]


@pytest.mark.conformance
@pytest.mark.long
def test_real_lines_of_open_damir_give_the_sums_of_their_file(
    conformance_data: Path, make_lake: Any, tmp_path: Path
) -> None:
    (published,) = (conformance_data / "open_data").glob("open_damir_A202501_*.csv")
    lake = make_lake("real")
    folder = lake.home.raw / "open_damir" / "d1" / "A202501"
    folder.parent.mkdir(parents=True)
    task = ParseTask(
        path=str(published), source="A202501.csv", table="OPEN_DAMIR", period="2025-01", year=2025,
        year_source="name", delivery_id="d1", sha256="0" * 64, stamp=stamp_of(published),
        out=str(folder), quarantine=str(tmp_path / "q"), scratch=str(tmp_path / "s"),
    )  # fmt: skip
    report = parse_file(task, b"0" * 32)
    assert (report.kept, report.quarantined) == (36, 0)
    (lake.current[("open_damir", "A202501")],) = folder.glob("*.parquet")
    with published.open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file, delimiter=";"))
    wanted: dict[int, list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 3)
    for each in lines:
        year = int(each["SOI_ANN"]) or 2024  # January belongs to the flux year before
        paid, back = Decimal(each["PRS_PAI_MNT"]), Decimal(each["PRS_REM_MNT"])
        base = int(each["PRS_REM_TYP"]) < 2
        sums = (paid, back, Decimal(0)) if base else (Decimal(0), Decimal(0), back)
        wanted[year] = [have + more for have, more in zip(wanted[year], sums, strict=True)]
    warehouse.build(lake.home, sorted(wanted))
    found = rows(
        lake.home,
        "select year, sum(spend_amount), sum(reimbursed_amount), sum(supplement_amount), "
        "sum(line_count) from damir_month group by year",
    )
    assert sum(row[-1] for row in found) == len(lines) == 36
    assert {row[0]: [row[1] or 0, row[2] or 0, row[3] or 0] for row in found} == wanted
