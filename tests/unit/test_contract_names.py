from __future__ import annotations

from pathlib import Path

import pytest

from openchronic_assets.contracts import load, tables
from openchronic_assets.contracts.names import Named, cumulated_to, recognise
from openchronic_assets.ingestion.delivery import scan


@pytest.mark.parametrize(
    ("stem", "table", "period", "year"),
    [
        # DCIR: the portal's current table, its archived years, project extractions by year, month.
        ("ER_PRS_F", "ER_PRS_F", "all", None),
        ("ER_PRS_F_AAAA", "ER_PRS_F", "all", None),
        ("ER_PRS_F_2009", "ER_PRS_F", "2009", 2009),
        ("er_prs_f_2019", "ER_PRS_F", "2019", 2019),
        ("ER_PRS_f_2019", "ER_PRS_F", "2019", 2019),
        ("ER_PRS_F_201902", "ER_PRS_F", "2019-02", 2019),
        ("ER_PRS_F_2019_02", "ER_PRS_F", "2019-02", 2019),
        ("ER_PHA_F_2019-12", "ER_PHA_F", "2019-12", 2019),
        ("ER_DCT_F_2019_PART2", "ER_DCT_F", "2019", 2019),
        ("ER_PRS_F_2019_001", "ER_PRS_F", "2019", 2019),
        ("ER_PRS_F_P12", "ER_PRS_F", "all", None),
        ("ER_PRS_F_2019_T3", "ER_PRS_F", "2019", 2019),
        ("IR_PHA_R_No_Unused_Data", "IR_PHA_R", "all", None),
        ("MA_REM_FT_2019", "MA_REM_FT", "2019", 2019),
        # PMSI, every field: two digits, four, the schema's aa, and a table cumulated up to a month.
        ("T_MCO19B", "T_MCOaaB", "2019", 2019),
        ("t_had15medatu", "T_HADaaMEDATU", "2015", 2015),
        ("T_SSR2019CSARR", "T_SSRaaCSARR", "2019", 2019),
        ("T_RIP07R3A", "T_RIPaaR3A", "2007", 2007),
        ("T_MCOaaB", "T_MCOaaB", "all", None),
        ("T_MCOaaB_2019", "T_MCOaaB", "2019", 2019),
        ("T_MCO19_06B", "T_MCOaaB", "2019", 2019),
        ("T_MCOaa_nnFBSTC", "T_MCOaaFBSTC", "all", None),
        ("T_MCO19FMSTC", "T_MCOaaFMSTC", "2019", 2019),
        # Tables whose name moved from year to year.
        ("T_MCO12GV11D", "T_MCOaaGVxx", "2012", 2012),
        ("T_MCO18GV2019", "T_MCOaaGVxx", "2018", 2018),
        ("T_MCO12BPHNA", "T_MCOaaSUP_BPHNA", "2012", 2012),
        ("T_MCO15SUP_LACT", "T_MCOaaSUP_LACT", "2015", 2015),
        ("T_SUP07ALD", "T_SUPaaALD", "2007", 2007),
        # Cartographie: year and version in either order.
        ("CT_IND_2019_G8", "CT_IND_AAAA_GN", "2019", 2019),
        ("ct_ind_g5_2015", "CT_IND_AAAA_GN", "2015", 2015),
        ("CT_DEP_2016", "CT_DEP_AAAA_GN", "2016", 2016),
        ("CT_IDE_AAAA_GN", "CT_IDE_AAAA_GN", "all", None),
        # Open DAMIR, a month a file.
        ("A201501", "OPEN_DAMIR", "2015-01", 2015),
        ("A2025_01", "OPEN_DAMIR", "2025-01", 2025),
        ("OPEN_DAMIR_202501", "OPEN_DAMIR", "2025-01", 2025),
        ("OPEN_DAMIR_A202501", "OPEN_DAMIR", "2025-01", 2025),
        # Complementary open files, under our names and the published ones.
        ("OPEN_RESIDENT_POPULATION_2019", "OPEN_RESIDENT_POPULATION", "2019", 2019),
        ("demographie-effectifs-et-les-densites", "OPEN_PROFESSIONALS", "all", None),
        ("etalab-cs1100507-stock-20240105-0338", "OPEN_ESTABLISHMENTS", "all", None),
        # Referentials, their archive twin and their vintages; causes of death by year.
        ("IR_BEN_R", "IR_BEN_R", "all", None),
        ("IR_BEN_R_ARC", "IR_BEN_R_ARC", "all", None),
        ("IR_BEN_R_ARC_2020", "IR_BEN_R_ARC", "2020", 2020),
        ("IR_IMB_R_20201016", "IR_IMB_R", "2020-10", 2020),
        ("KI_CCI_R_2016", "KI_CCI_R", "2016", 2016),
        ("PSEUDONYM_CROSSWALK", "PSEUDONYM_CROSSWALK", "all", None),
    ],
)  # fmt: skip
def test_a_name_says_its_table_and_period(
    stem: str, table: str, period: str, year: int | None
) -> None:
    assert recognise(stem) == Named(table, period, year)


@pytest.mark.parametrize(
    "stem",
    ["", "ER_PRS_F_201913", "ER_PRS_F_1", "ER_PRS_FX", "XER_PRS_F", "T_MCO19X", "T_MCO19B_2019",
     "A201500", "A201513", "B201501", "A2015", "IR_NAT_V", "CT_XXX_2019_G8", "readme", "T_MCO1B",
     "ER_PRS_F\n", "ER_PRS_F_20١٩", "ER_PRS_F_3019", "../ER_PRS_F", "NS_PRS_F", "delivery"],
)  # fmt: skip
def test_a_name_that_follows_no_rule_is_not_guessed(stem: str) -> None:
    assert recognise(stem) is None


def test_every_table_under_contract_is_recognised_by_its_own_name() -> None:
    for name in tables():
        assert recognise(name) == Named(name, "all", None)


def test_every_pmsi_table_is_recognised_in_every_year_in_which_it_exists() -> None:
    for name in tables():
        if not name.startswith("T_") or name == "T_MCOaaGVxx":
            continue
        for year in range(2005, 2020):
            if any(year in column.years for column in load(name).columns):
                delivered = name.replace("aa", f"{year % 100:02d}", 1)
                assert recognise(delivered) == Named(name, str(year), year), delivered


def test_a_table_cumulated_up_to_a_month_says_which() -> None:
    assert cumulated_to("T_MCO19_06B") == cumulated_to("t_mco19_06b_part2") == 6
    assert cumulated_to("T_MCO19B") is cumulated_to("ER_PRS_F_201906") is None


def test_stays_are_not_doubled_by_the_months_that_a_longer_table_holds(tmp_path: Path) -> None:
    for name in ("T_MCO19_03B", "T_MCO19_06B", "T_MCO20B_P1", "T_MCO20B_P2", "T_MCO20_12B",
                 "T_SSR19_06B"):  # fmt: skip
        (tmp_path / f"{name}.csv").write_text("ETA_NUM\n")
    found = scan(tmp_path)
    assert [each.source for each in found.files] == [
        "T_MCO19_06B.csv", "T_MCO20B_P1.csv", "T_MCO20B_P2.csv", "T_SSR19_06B.csv",
    ]  # fmt: skip
    assert found.out_of_scope == ("T_MCO19_03B.csv", "T_MCO20_12B.csv")
