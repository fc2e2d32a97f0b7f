"""Dispensings: what a drug code stands for, what is left of a quantity, how long it lasts."""

from __future__ import annotations

import random
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from model_runner import ModelRunner, Row, SparkModelRunner, multiset
from raw_lake import beneficiary, day, detail, line

CIP = 3400930000011
STATIN: Row = {
    "pha_cip_c13": CIP, "pha_atc_cla": "C10AA05", "pha_unt_nbr_dses": 28, "pha_med_nom": "STATINE",
}  # fmt: skip


def dispensed(model_runner: ModelRunner, **more: Any) -> Row:
    """Return the row of one box of a statin, some of it changed."""
    event: Row = {
        "event_id": "e", "claim_id": "c", "year": 2020, "event_type": "drug", "person_id": "P",
        "person_status": "linked", "care_date": "2020-03-01", "prescription_date": "2020-02-20",
        "flux_month": "2020-04-01", "code_system": "cip13", "code": str(CIP), "quantity": 1,
        "net_quantity": 1, "is_used_for_care": True,
    }  # fmt: skip
    presentation = more.pop("presentation", [STATIN])
    given = {"care_event": [event | more], "ir_pha_r": presentation}
    (row,) = model_runner.run("drug_dispensing", given, year=2020)
    return row


def test_a_box_has_its_class_and_lasts_its_units(model_runner: ModelRunner) -> None:
    row = dispensed(model_runner)
    assert (row["atc_code"], row["atc_status"], row["is_used_for_exposure"]) == (
        "C10AA05", "known", True,
    )  # fmt: skip
    assert (row["days_supply"], row["days_supply_units"], row["days_supply_pack"]) == (28, 28, 30)
    assert row["days_supply_source"] == "units" and not row["is_without_pack_size"]


@pytest.mark.parametrize(
    ("presentation", "status", "code", "used"),
    [
        ([], "not_in_reference", None, False),
        ([STATIN | {"pha_atc_cla": None}], "no_class", None, False),
        ([STATIN | {"pha_atc_cla": "C10"}], "partial", None, False),
        ([STATIN | {"pha_atc_cla": "C10AA"}], "partial", None, True),
        ([STATIN | {"pha_atc_cla": "10AAC05"}], "no_class", None, False),
        ([STATIN | {"pha_atc_cla": " c10aa05 "}], "known", "C10AA05", True),
        ([STATIN | {"pha_atc_cla": "C10", "pha_atc_c07": "C10AA01"}], "known", "C10AA01", True),
    ],
)
def test_a_class_is_known_or_says_why_not(
    model_runner: ModelRunner, presentation: list[Row], status: str, code: str | None, used: bool
) -> None:
    row = dispensed(model_runner, presentation=presentation)
    assert (row["atc_status"], row["atc_code"], row["is_used_for_exposure"]) == (status, code, used)


def test_an_unknown_code_lasts_a_small_pack_and_says_so(model_runner: ModelRunner) -> None:
    row = dispensed(model_runner, presentation=[], quantity=2, net_quantity=2)
    assert (row["days_supply"], row["days_supply_source"]) == (60, "default")
    assert row["is_without_pack_size"] and row["days_supply_units"] is None


def test_a_large_pack_without_daily_units_lasts_ninety_days(model_runner: ModelRunner) -> None:
    insulin = STATIN | {"pha_atc_cla": "A10AB01", "pha_cnd_top": "GC"}
    row = dispensed(model_runner, presentation=[insulin])
    assert (row["days_supply"], row["days_supply_source"]) == (90, "large_pack")
    row = dispensed(model_runner, presentation=[insulin | {"pha_cnd_top": None}])
    assert (row["days_supply"], row["days_supply_source"]) == (30, "small_pack")


@pytest.mark.parametrize(("units", "days"), [(7, 14), (14, 14), (30, 30), (120, 120), (500, 120)])
def test_days_by_units_stay_between_two_weeks_and_four_months(
    model_runner: ModelRunner, units: int, days: int
) -> None:
    row = dispensed(model_runner, presentation=[STATIN | {"pha_unt_nbr_dses": units}])
    assert row["days_supply_units"] == days


def test_an_old_code_is_found_in_the_middle_of_the_new_one(model_runner: ModelRunner) -> None:
    row = dispensed(model_runner, code_system="cip7", code="3000001")
    assert (row["atc_code"], row["cip13"]) == ("C10AA05", str(CIP))


def test_a_hospital_unit_has_a_class_and_no_days(model_runner: ModelRunner) -> None:
    row = dispensed(
        model_runner, event_type="hospital_drug", code_system="ucd", code="9123456",
        presentation=[STATIN | {"pha_cip_ucd": "0000009123456"}],
    )  # fmt: skip
    assert (row["atc_code"], row["days_supply"], row["days_supply_source"]) == (
        "C10AA05", None, "none",
    )  # fmt: skip
    assert row["is_hospital_drug"]


def test_a_repeated_code_gives_one_row_the_class_most_rows_give(model_runner: ModelRunner) -> None:
    rows = [STATIN, STATIN, STATIN | {"pha_atc_cla": "A10BA02"}]
    row = dispensed(model_runner, presentation=rows)
    assert (row["atc_code"], row["is_repeated_presentation"]) == ("C10AA05", True)
    assert row["has_conflicting_classes"]
    row = dispensed(model_runner, presentation=[STATIN, STATIN])
    assert row["is_repeated_presentation"] and not row["has_conflicting_classes"]


def test_a_referential_in_another_order_is_the_same(model_runner: ModelRunner) -> None:
    chance = random.Random(5)
    rows = [
        {
            "pha_cip_c13": CIP + chance.randint(0, 3),
            "pha_cip_ucd": chance.choice([None, "9123456", "0000000"]),
            "pha_atc_cla": chance.choice([None, "C10AA05", "A10BA02", "C10"]),
            "pha_unt_nbr_dses": chance.choice([None, 28, 30, 90]),
            "pha_cnd_top": chance.choice([None, "GC"]),
            "pha_med_nom": chance.choice([None, "A", "B"]),
        }
        for _ in range(40)
    ]
    known = model_runner.run("int_drug_reference", {"ir_pha_r": rows})
    assert len(known) == len({(row["code_system"], row["code"]) for row in known}) == 6
    chance.shuffle(rows)
    assert model_runner.run("int_drug_reference", {"ir_pha_r": rows}) == known
    # A class is the most precise of the code's, and of those one that most rows give.
    for code in {row["pha_cip_c13"] for row in rows}:
        given = Counter(r["pha_atc_cla"] for r in rows if r["pha_cip_c13"] == code)
        given.pop(None, None)
        given = Counter({key: n for key, n in given.items() if len(key) == max(map(len, given))})
        (found,) = (row for row in known if row["code"] == str(code))
        assert given[found["atc_class"]] == max(given.values())


def test_bad_input_is_flagged_and_kept(model_runner: ModelRunner) -> None:
    early = dispensed(model_runner, prescription_date="2020-03-02")
    assert early["is_before_prescription"] and early["is_used_for_exposure"]
    assert not dispensed(model_runner, prescription_date=None)["is_before_prescription"]
    assert not dispensed(model_runner, prescription_date="2020-03-01")["is_before_prescription"]
    absurd = dispensed(model_runner, quantity=31, net_quantity=31)
    assert absurd["is_absurd_quantity"] and not absurd["is_used_for_exposure"]
    assert not dispensed(model_runner, quantity=30, net_quantity=30)["is_absurd_quantity"]
    nobody = dispensed(model_runner, person_id=None, person_status="no_key")
    assert nobody["is_without_person"] and not nobody["is_used_for_exposure"]
    undated = dispensed(model_runner, care_date=None)
    assert undated["is_without_date"] and not undated["is_used_for_exposure"]


def test_a_quantity_taken_back_is_netted_and_one_alone_is_flagged(
    model_runner: ModelRunner,
) -> None:
    flux = "2020-04-01"
    lines = [
        line("ann", "2020-03-01", flux, 1, prs_nat_ref=3303, prs_act_qte=2),
        line("ann", "2020-03-01", flux, 2, prs_nat_ref=3303, prs_act_qte=-1),
        line("ann", "2020-03-09", flux, 3, prs_nat_ref=3303, prs_act_qte=-1),
    ]
    boxes = [
        detail(flux, number, pha_ord_num=1, pha_prs_c13=CIP, pha_act_qsn=count)
        for number, count in ((1, 2), (2, -1), (3, -1))
    ]
    given = {
        "ir_ben_r": [beneficiary("ann")], "er_prs_f": lines, "er_pha_f": boxes, "ir_pha_r": [STATIN]
    }  # fmt: skip
    rows = model_runner.run("drug_dispensing", given, year=2020)
    found = sorted(
        (r["dispensing_date"], r["quantity"], r["box_count"], r["is_negative_without_positive"])
        for r in rows
    )
    assert found == [
        (day("2020-03-01"), -1, 0, False),
        (day("2020-03-01"), 2, 1, False),
        (day("2020-03-09"), -1, 0, True),
    ]
    assert sum(row["days_supply"] for row in rows) == 28
    assert sum(row["is_used_for_exposure"] for row in rows) == 1
    assert all(isinstance(row["box_count"], Decimal) for row in rows)


@pytest.mark.spark
def test_dispensings_are_the_same_on_both_engines(
    model_runner: ModelRunner, spark_model_runner: SparkModelRunner
) -> None:
    chance = random.Random(11)
    events = [
        {
            "event_id": f"e{n}", "claim_id": f"c{n}", "year": 2020,
            "event_type": chance.choice(["drug", "drug", "hospital_drug"]),
            "person_id": chance.choice([None, "P", "Q"]), "person_status": "linked",
            "care_date": chance.choice([None, "2020-03-01", "2020-05-01"]),
            "prescription_date": chance.choice([None, "2020-04-01"]),
            "flux_month": "2020-06-01", "code_system": chance.choice(["cip13", "ucd", None]),
            "code": chance.choice([str(CIP), "9123456", None]),
            "quantity": chance.choice([-1, 0, 1, 2.5, 40, None]),
            "net_quantity": chance.choice([0, 1, 2.5, 40, None]),
            "is_used_for_care": chance.choice([True, False, None]),
        }
        for n in range(60)
    ]  # fmt: skip
    presentations = [STATIN | {"pha_cip_ucd": "9123456", "pha_cnd_top": "GC"}, STATIN]
    given = {"care_event": events, "ir_pha_r": presentations}
    ours = model_runner.run("drug_dispensing", given, year=2020)
    assert len(ours) == 60
    assert multiset(spark_model_runner.run("drug_dispensing", given, year=2020)) == multiset(ours)


@pytest.mark.parametrize(
    "column", ["person_id", "care_date", "code", "prestation_code", "complement_type",
               "performer_id"],
)  # fmt: skip
def test_a_quantity_is_taken_back_from_the_same_care_alone(
    column: str, model_runner: ModelRunner
) -> None:
    """Two cares that differ in one thing: what is taken back of one leaves the other alone."""
    care: Row = {
        "claim_id": "c", "year": 2020, "event_type": "drug", "person_id": "P", "code": str(CIP),
        "person_status": "linked", "care_date": "2020-03-01", "flux_month": "2020-04-01",
        "code_system": "cip13", "prestation_code": 3313, "complement_type": 0,
        "performer_id": "D", "net_quantity": 0, "is_used_for_care": True,
    }  # fmt: skip
    other = care | {
        column: {
            "care_date": "2020-03-02",
            "prestation_code": 3314,
            "complement_type": 1,
            "code": "3400930000099",
        }.get(column, "X")
    }
    given = {
        "ir_pha_r": [STATIN],
        "care_event": [
            care | {"event_id": "1", "quantity": -1},
            other | {"event_id": "2", "quantity": 3},
            other | {"event_id": "3", "quantity": -1},
        ],
    }
    rows = model_runner.run("drug_dispensing", given, year=2020)
    told = {row["event_id"]: row["is_negative_without_positive"] for row in rows}
    assert len(rows) == 3 and told == {"1": True, "2": False, "3": False}
