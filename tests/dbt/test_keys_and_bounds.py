"""What a lost join key, a moved bound or a dropped guard would change, one small case each.

Faults planted in the models (mutants.py) that no oracle noticed: each case has the rows that tell
the query from the faulty one.
"""

from __future__ import annotations

from typing import Any

import pytest
from model_runner import ModelRunner
from raw_lake import Row, day
from test_pathways import alone, seen
from test_readmission import a_stay, readmitted, told

# Field → the table of its parts, its columns of establishment, stay number, order and exit.
PARTS: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "ssr": ("t_ssraab", "eta_num", "rha_num", ("rhs_num",)),
    "had": ("t_hadaab", "eta_num_epmsi", "rhad_num", ("seq_num", "sseq_num")),
    "psy": ("t_ripaarsa", "eta_num_epmsi", "rip_num", ("seq_seq_num",)),
}


@pytest.mark.parametrize("field", sorted(PARTS))
def test_a_stay_number_is_that_of_one_establishment_and_one_year(
    field: str, model_runner: ModelRunner
) -> None:
    table, finess, number, order = PARTS[field]

    def part(year: int, hospital: str, place: int, exit_mode: str) -> Row:
        return {"_table_year": year, finess: hospital, number: "0001", "sor_mod": exit_mode,
                "_source_file": "f", "_source_line": year + place,
                **dict.fromkeys(order, f"{place:03}")}  # fmt: skip

    rows = [part(2020, "H1", 1, "6"), part(2020, "H1", 2, "8"), part(2020, "H2", 1, "9"),
            part(2019, "H1", 1, "7")]  # fmt: skip
    found = {
        (row["year"], row["finess"]): (row["part_count"], row["exit_mode"])
        for row in model_runner.run("int_field_stay", {table: rows})
    }
    assert found == {(2020, "H1"): (2, "8"), (2020, "H2"): (1, "9"), (2019, "H1"): (1, "7")}


@pytest.mark.parametrize("field", sorted(PARTS))
def test_what_is_blank_in_a_part_is_missing_in_its_stay(
    field: str, model_runner: ModelRunner
) -> None:
    table, finess, number, order = PARTS[field]
    texts = ("ent_mod", "ent_prv", "sor_mod", "sor_des", "hos_typ_um", "mor_prp", "etl_aff",
             "grg_gme", "dgn_pal", "pec_pal", "for_act", "nat_prc", "cod_sex", "sex_cod",
             "bdi_dep")  # fmt: skip
    known = set(model_runner.schema(table).names)
    blank = {name: "  " for name in texts if name in known}
    part = {"_table_year": 2020, finess: "H1", number: "0001",
            **dict.fromkeys(order, "001")}  # fmt: skip
    (row,) = model_runner.run("int_field_stay", {table: [part | blank]})
    (bare,) = model_runner.run("int_field_stay", {table: [part]})
    assert row == bare and row["care_form"] is None and row["sex"] is None


def test_what_a_stay_says_goes_to_that_stay_alone(model_runner: ModelRunner) -> None:
    """One number in two establishments and in two fields; an act and a diagnosis in each."""
    places = [("mco", "H1"), ("mco", "H2"), ("ssr", "H1"), ("psy", "H1")]
    stays = [
        {"stay_id": f"{field}-{finess}", "year": 2020, "field": field, "finess": finess,
         "stay_number": "1", "person_id": f"{field} {finess}", "is_duplicate_key": False,
         "is_used_for_stays": True, "entry_date": day("2020-03-01"),
         "discharge_date": day("2020-03-09")}
        for field, finess in places
    ]  # fmt: skip
    key = {"table_year": 2020, "source_file": "f", "source_line": 1}
    rows: dict[str, list[Row]] = {
        "hospital_stay": stays,
        "stg_mco__b": [key | {"finess": finess, "rsa_num": "1", "main_diagnosis": code}
                       for finess, code in (("H1", "I10"), ("H2", "I20"), ("H3", "I30"))],
        "stg_ssr__d": [key | {"finess": "H1", "stay_number_ssr": "1", "diagnosis_code": "I40"}],
        "stg_rip__rsad": [key | {"finess": "H1", "stay_number_rip": "1", "diagnosis_code": "I50"}],
        "stg_mco__a": [key | {"finess": finess, "rsa_num": "1", "ccam_code": code,
                              "days_from_entry": 0}
                       for finess, code in (("H1", "AAAA001"), ("H2", "AAAA002"))],
        "stg_ssr__ccam": [key | {"finess": "H1", "stay_number_ssr": "1", "ccam_code": "AAAA003"}],
    }  # fmt: skip
    told = {row["diagnosis_code"]: row["person_id"] for row in model_runner.run(
        "stay_diagnosis", rows)}  # fmt: skip
    assert told == {"I10": "mco H1", "I20": "mco H2", "I30": None, "I40": "ssr H1",
                    "I50": "psy H1"}  # fmt: skip
    acts = model_runner.run("stay_procedure", rows)
    assert {row["procedure_code"]: row["person_id"] for row in acts} == {
        "AAAA001": "mco H1", "AAAA002": "mco H2", "AAAA003": "ssr H1",
    }  # fmt: skip


@pytest.mark.parametrize(("days", "wanted"), [(None, 0), (0, 0), (1, 1)])
def test_a_dispensing_that_lasts_no_day_is_no_day_of_exposure(
    days: int | None, wanted: int, model_runner: ModelRunner
) -> None:
    box = {"event_id": "1", "person_id": "P", "year": 2020, "atc_class": "C10AA05", "box_count": 1,
           "dispensing_date": day("2020-03-01"), "days_supply": days,
           "is_used_for_exposure": True, "is_hospital_drug": False}  # fmt: skip
    assert len(model_runner.run("int_drug_day", {"drug_dispensing": [box]})) == wanted


@pytest.mark.parametrize(
    ("more", "nights"),
    [
        ({"field": "mco", "is_full_stay": True}, 3),
        ({"field": "ssr", "is_full_stay": False}, None),
        ({"field": "psy", "is_full_stay": False}, None),
        ({"field": "psy", "is_full_stay": None}, 3),
        ({"field": "had", "is_full_stay": False}, 3),
        ({"field": "mco", "is_full_stay": True, "discharge_date": day("2020-03-01")}, None),
        ({"field": "mco", "is_full_stay": True, "is_used_for_stays": False}, None),
        ({"field": "mco", "is_full_stay": True, "is_used_for_persons": False}, None),
        ({"field": "mco", "is_full_stay": True, "person_id": None}, None),
    ],
)
def test_drugs_at_home_wait_while_somebody_sleeps_in_hospital(
    more: Row, nights: int | None, model_runner: ModelRunner
) -> None:
    stay = {"stay_id": "1", "person_id": "P", "entry_date": day("2020-03-01"),
            "discharge_date": day("2020-03-04"), "is_used_for_stays": True,
            "is_used_for_persons": True}  # fmt: skip
    found = model_runner.run("int_hospital_time", {"hospital_stay": [stay | more]})
    assert [row["night_count"] for row in found] == ([] if nights is None else [nights])


def test_a_day_case_between_hides_no_readmission(model_runner: ModelRunner) -> None:
    cases: list[tuple[Row, int | None]] = [
        ({"is_full_stay": False}, 10),
        ({"is_full_stay": True}, 3),
        ({"is_full_stay": True, "is_service_for_other_hospital": True}, 10),
    ]
    for more, days in cases:
        stays = [
            a_stay("P", 1, "2020-03-01", "2020-03-05"),
            a_stay("P", 2, "2020-03-08", "2020-03-08" if days == 10 else "2020-03-09", **more),
            a_stay("P", 3, "2020-03-15", "2020-03-18"),
        ]
        found: dict[str, Any] = readmitted(model_runner, stays)
        assert (found["days_to_next"], found["readmission_30d_rh30_like"]) == (days, 1), more


def test_an_episode_that_goes_on_hides_no_other(model_runner: ModelRunner) -> None:
    """One person stays in over the New Year, in rehabilitation; another goes home in the year."""
    of_ssr: Row = {"field": "ssr", "ghm_code": None, "planned_rule": None, "is_planned": None}
    stays = [
        a_stay("stays", 1, "2020-12-01", None, year=2020, exit_mode=None, **of_ssr),
        a_stay("stays", 2, "2020-12-01", "2021-02-01", **of_ssr),
        a_stay("leaves", 3, "2020-12-01", "2020-12-05"),
    ]
    found = told(model_runner, stays, last="hospital_episode")
    assert [row["person_id"] for row in found] == ["leaves"]


def test_a_specialist_is_any_doctor_who_sees_patients(model_runner: ModelRunner) -> None:
    specialists = {
        *range(2, 6), *range(7, 18), 20, *range(31, 36), *range(41, 50), *range(70, 86),
    } - {72}  # fmt: skip
    wanted = {1: "GP", 22: "GP", 23: "GP", **dict.fromkeys(specialists, "SPE")}
    care = [
        seen("2020-03-10", event_id=str(code), person_id=f"P{code}", performer_specialty=code)
        for code in range(100)
    ]
    rows = alone(
        model_runner,
        "pathway_event",
        care_event=care,
        ald_episode=[
            {"person_id": f"P{code}", "ald_num": 8, "start_date": "2020-03-01"}
            for code in range(100)
        ],
    )
    assert {int(row["person_id"][1:]): row["activity"] for row in rows} == wanted


def test_an_old_code_and_a_hospital_code_alike_are_counted_apart(
    model_runner: ModelRunner,
) -> None:
    """The same seven digits as a CIP7 and as a UCD: each has the class of most of its own rows."""
    rows = [
        {"pha_cip_c13": 3400930000000 + number, "pha_prs_ide": cip7, "pha_cip_ucd": ucd,
         "pha_atc_cla": atc}
        for number, (cip7, ucd, atc) in enumerate([
            (3412345, None, "C10AA05"), (3412345, None, "C10AA05"), (3412345, None, "C10AA01"),
            (None, "3412345", "C10AA01"), (None, "3412345", "C10AA01"),
            (None, "3412345", "C10AA01"),
        ])
    ]  # fmt: skip
    found = model_runner.run("int_drug_reference", {"ir_pha_r": rows})
    assert {row["code_system"]: row["atc_class"] for row in found if row["code"] == "3412345"} == {
        "cip7": "C10AA05", "ucd": "C10AA01",
    }  # fmt: skip


def test_stays_that_overlap_or_touch_are_one_time_in_hospital(model_runner: ModelRunner) -> None:
    days = [("01", "05"), ("03", "08"), ("08", "09"), ("20", "25"), ("21", "22"), ("27", "28")]
    stays = [
        {"stay_id": entry, "person_id": "P", "field": "mco", "entry_date": day(f"2020-03-{entry}"),
         "discharge_date": day(f"2020-03-{discharge}"), "is_full_stay": True,
         "is_used_for_stays": True, "is_used_for_persons": True}
        for entry, discharge in days
    ]  # fmt: skip
    found = model_runner.run("int_hospital_time", {"hospital_stay": stays[::-1]})
    told = [(r["entry_date"].day, r["night_count"], r["nights_before"]) for r in found]
    assert told == [(1, 8, 0), (20, 5, 8), (27, 1, 13)]
