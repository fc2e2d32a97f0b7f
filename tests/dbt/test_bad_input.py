"""Bad input is flagged by a rule of its name and counted: yes, no, and nothing to say."""

from __future__ import annotations

from collections import Counter

import pytest
from model_runner import ModelRunner
from raw_lake import Row, ald, beneficiary, day, detail, line, pseudonym

FLUX = "2020-04-01"


def counted(runner: ModelRunner, table: str, rows: dict[str, list[Row]]) -> dict[str, int]:
    """Return rule → rows that it flags alone, of a delivered table, in 2020."""
    found = runner.run("quality_rule_effect", rows)
    return {row["rule"]: row["alone_row_count"] for row in found if row["table_name"] == table}


def test_exemptions_with_dates_out_of_order_or_nobody_are_counted_and_kept(
    model_runner: ModelRunner,
) -> None:
    """Rows of IR_IMB_R have no year: they are counted in whatever year is written."""
    rows = {
        "ir_ben_r": [beneficiary("ann")],
        "ir_imb_r": [
            ald("ann", "2015-01-01", "2019-12-31", "2015-02-01"),
            ald("ann", "2015-01-01", "2014-12-31", "2015-02-01", med_mtf_cod="I10"),
            ald("ann", "2015-01-01", "2015-01-01", "2014-12-31", med_mtf_cod="C509"),
            ald("ann", "1600-01-01", "2014-12-31", "2015-02-01", med_mtf_cod="G30"),
            ald("ann", "2015-01-01", None, "1600-01-01", "Z999", 0),
            ald("ghost", "2015-01-01", None, "2015-01-01"),
            ald("ann", "2015-01-01", None, "2015-02-01") | {"ben_nir_psa": None},
            # Not an ALD: none of the table's rows here.
            ald("ghost", "2015-01-01", "2014-01-01", "2013-01-01", imb_etm_nat=13),
        ],
    }
    for number, row in enumerate(rows["ir_imb_r"]):
        row |= {"_source_file": "IR_IMB_R", "_source_line": number}
    assert counted(model_runner, "IR_IMB_R", rows) == {
        "end_before_start": 1, "inserted_before_start": 1, "without_start": 1,
        "without_person": 2, "unresolved_number": 1,
    }  # fmt: skip
    kept = model_runner.run("int_ald_exemption", rows)
    assert Counter(row["is_used_for_ald"] for row in kept) == {True: 5, False: 2}
    chains = model_runner.run("int_ald_chain", rows)
    assert len(chains) == 5 and {row["person_id"] for row in chains} == {pseudonym("id ann")}


@pytest.mark.parametrize(
    ("death", "care", "late"),
    [
        ("2020-03-15", "2020-03-16", True),
        ("2020-03-15", "2020-03-15", False),
        ("1600-01-01", "2020-03-16", False),
        ("2019-01-01", None, False),
    ],
)
def test_care_of_somebody_dead_before_is_counted_and_kept(
    death: str, care: str | None, late: bool, model_runner: ModelRunner
) -> None:
    rows = {
        "ir_ben_r": [beneficiary("ann", ben_dcd_dte=day(death))],
        "er_prs_f": [line("ann", care, FLUX, 1), line("nobody", care, FLUX, 2)],
    }
    assert counted(model_runner, "ER_PRS_F", rows)["care_after_death"] == int(late)
    kept = model_runner.run("int_claim_checked", rows)
    assert len(kept) == 2 and all(row["is_used_for_spending"] for row in kept)


def test_an_exemption_of_a_line_of_nobody_is_counted(model_runner: ModelRunner) -> None:
    cases = [("ann", 41), ("nobody", 41), ("nobody", 46), ("nobody", 40), ("nobody", None)]
    rows = {
        "ir_ben_r": [beneficiary("ann")],
        "er_prs_f": [
            line(name, "2020-03-16", FLUX, number, exo_mtf=code)
            for number, (name, code) in enumerate(cases)
        ],
    }
    assert counted(model_runner, "ER_PRS_F", rows)["exemption_without_person"] == 2


def test_faults_of_hospital_drugs_are_counted_in_their_table(model_runner: ModelRunner) -> None:
    lines = [
        line("ann", "2020-03-16", FLUX, 1, pre_pre_dtd=day("2020-03-16")),
        line("ann", "2020-03-16", FLUX, 2, pre_pre_dtd=day("2020-03-17"), dpn_qlf=71),
        line("nobody", "1600-01-01", FLUX, 3),
    ]
    units = [
        detail(FLUX, 1, ucd_ord_num=1, ucd_ucd_cod="9123456", ucd_dlv_nbr=3),
        detail(FLUX, 1, ucd_ord_num=2, ucd_ucd_cod="9123457", ucd_dlv_nbr=-1),
        detail(FLUX, 2, ucd_ord_num=1, ucd_ucd_cod="9999999", ucd_dlv_nbr=1),
        detail(FLUX, 3, ucd_ord_num=1, ucd_ucd_cod=None, ucd_dlv_nbr=1),
    ]
    boxes = [detail(FLUX, 1, pha_ord_num=1, pha_prs_c13=3400930000011, pha_act_qsn=1)]
    rows = {
        "ir_ben_r": [beneficiary("ann")], "er_prs_f": lines, "er_ucd_f": units, "er_pha_f": boxes,
        "ir_pha_r": [
            {"pha_cip_ucd": str(code), "pha_atc_cla": "L01XC07", "pha_cip_c13": 3400930000100 + n}
            for n, code in enumerate((9123456, 9123457))
        ],
    }  # fmt: skip
    assert counted(model_runner, "ER_UCD_F", rows) == {
        "line_left_out": 2, "without_person": 1, "without_date": 1, "without_class": 2,
        "before_prescription": 1, "negative_without_positive": 1,
    }  # fmt: skip
    assert counted(model_runner, "ER_PHA_F", rows)["without_person"] == 0
