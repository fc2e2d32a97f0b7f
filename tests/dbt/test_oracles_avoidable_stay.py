"""Potentially avoidable hospitalisations: each stay judged again in plain Python."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_runner import ModelRunner, SparkModelRunner, multiset
from oracle_tools import Row, assert_same

from openchronic_assets.warehouse import project

# By disease, from the prose of the rule: codes of the main diagnosis.
MAIN = {
    "asthma": ("J45", "J46"),
    "copd": ("J40", "J41", "J42", "J43", "J44", "J47"),
    "heart_failure": ("I110", "I130", "I132", "I50"),
    "hypertension": ("I10", "I119", "I129", "I139"),
    "dehydration": ("E86",),
    "urinary_infection": ("N10", "N30", "N390"),
    "pneumonia": ("J13", "J14", "J15", "J16", "J18"),
    "angina": ("I20",),
    "cellulitis": ("L03",),
}
ACUTE = {"dehydration", "urinary_infection", "pneumonia", "cellulitis"}
AMPUTATIONS = {f"NZFA{n:03d}" for n in (*range(1, 11), 13)}


def diseases(stay: Row, codes: set[str], acts: set[str]) -> set[str]:
    """Return the diseases by which a stay is avoidable."""
    main = (stay["main_diagnosis"] or "").strip().upper().replace(".", "")
    group = stay["ghm_code"] or ""
    found = {name for name, prefixes in MAIN.items() if main.startswith(prefixes)}
    if main[:2] == "E1" and main[2:3] in tuple("01234"):
        if main[3:4] in ("0", "1"):
            found.add("diabetes_acute")
        if main[3:4] in tuple("2345678"):
            found.add("diabetes_long_term")
        if main[3:4] == "9":
            found.add("diabetes_uncontrolled")
    if main.startswith(("J20", "J22")) and any(
        c[:3] in ("J41", "J42", "J43", "J44") for c in codes
    ):
        found.add("copd")
    if main.startswith("J81") and any(c.startswith(MAIN["heart_failure"]) for c in codes):
        found.add("heart_failure")
    diabetic = any(c[:3] in ("E10", "E11", "E12", "E13", "E14") for c in codes)
    if acts & AMPUTATIONS and diabetic and main[:1] not in ("S", "T"):
        found.add("diabetes_amputation")
    if group[2:3] in ("C", "K"):
        found.discard("angina")
    return found


def expected(
    stays: list[Row], diagnoses: list[Row], procedures: list[Row], people: list[Row]
) -> list[Row]:
    """Return the rows of 2020, stay by stay."""
    adults = {p["person_id"] for p in people if p["year"] == 2020 and (p["age_years"] or 0) >= 20}
    rows = []
    for stay in stays:
        if (
            stay["year"] != 2020
            or stay["field"] != "mco"
            or not stay["is_used_for_stays"]
            or not stay["is_used_for_persons"]
            or stay["is_session"]
            or stay["is_service_for_other_hospital"]
            or stay["person_id"] not in adults
            or stay["entry_mode"] in ("7", "0")
            or (stay["ghm_code"] or "")[:2] in ("14", "15")
        ):
            continue
        codes = {
            d["diagnosis_code"]
            for d in diagnoses
            if d["stay_id"] == stay["stay_id"] and d["year"] == 2020 and d["field"] == "mco"
        }
        acts = {
            p["procedure_code"]
            for p in procedures
            if p["stay_id"] == stay["stay_id"]
            and p["year"] == 2020
            and p["field"] == "mco"
            and p["activity_code"] != "4"
        }
        found = diseases(stay, codes, acts)
        names: set[str] = set()
        if found:
            names.add("all_any_length")
        if found and stay["is_full_stay"]:
            names |= found | {"all"}
            names |= {"acute" if name in ACUTE else "chronic" for name in found}
            names |= {"diabetes" for name in found if name.startswith("diabetes_")}
        rows += [
            {
                "person_id": stay["person_id"], "year": 2020, "measure": f"avoidable_{name}",
                "condition": "all", "unit_id": stay["stay_id"], "finess": stay["finess"],
                "num": 1.0, "den": None, "excl_code": None,
            }
            for name in names
        ]  # fmt: skip
    return rows


CODES = (
    "J45", "J46", "J410", "J44", "J209", "J22", "J81", "I500", "I10", "I110", "I119", "E1101",
    "E116", "E149", "E86", "N390", "N391", "J181", "J17", "I200", "L031", "S98", "I702", "e11.9",
    None,
)  # fmt: skip


@st.composite
def cases(draw: st.DrawFn) -> dict[str, list[Row]]:
    """Return some stays of a few people, their diagnoses and procedures."""
    mostly = st.sampled_from([True, True, True, False])
    rarely = st.sampled_from([False, False, False, True])
    stays, diagnoses, procedures = [], [], []
    for number in range(draw(st.integers(1, 12))):
        stay_id = f"s{number}"
        stays.append(
            {
                "stay_id": stay_id, "year": draw(st.sampled_from([2020, 2020, 2020, 2019])),
                "person_id": draw(st.sampled_from(["a", "b", "c", None])), "finess": "f",
                "field": draw(st.sampled_from(["mco", "mco", "mco", "ssr"])),
                "main_diagnosis": draw(st.sampled_from(CODES)),
                "ghm_code": draw(st.sampled_from(["04M051", "05K061", "11C021", "14Z141", None])),
                "entry_mode": draw(st.sampled_from(["8", "8", "8", "7", "0", None])),
                "is_full_stay": draw(mostly), "is_session": draw(rarely),
                "is_service_for_other_hospital": draw(rarely), "is_used_for_stays": draw(mostly),
                "is_used_for_persons": draw(mostly),
            }
        )  # fmt: skip
        for code in draw(st.lists(st.sampled_from(["J449", "I500", "E115", "E12", "Z511"]))):
            year = draw(st.sampled_from([2020, 2020, 2019]))
            field = draw(st.sampled_from(["mco", "mco", "ssr"]))
            diagnoses.append(
                {"stay_id": stay_id, "year": year, "field": field, "diagnosis_code": code}
            )
        for code in draw(st.lists(st.sampled_from(["NZFA002", "NZFA011", "NZFA013"]), max_size=2)):
            procedures.append(
                {
                    "stay_id": stay_id, "year": 2020, "field": "mco", "procedure_code": code,
                    "activity_code": draw(st.sampled_from(["1", "4", None])),
                }
            )  # fmt: skip
    ages = st.sampled_from([19, 20, 77, None])
    people = [{"person_id": p, "year": 2020, "age_years": draw(ages)} for p in "ab"]
    people += [{"person_id": p, "year": 2019, "age_years": 60} for p in "abc"]
    return {
        "hospital_stay": stays, "stay_diagnosis": diagnoses, "stay_procedure": procedures,
        "person_year": people,
    }  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(given_rows=cases())
def test_avoidable_stays_are_those_of_the_prose(
    model_runner: ModelRunner, given_rows: dict[str, list[Row]]
) -> None:
    wanted = expected(*given_rows.values())
    found = model_runner.run("measure_avoidable_stay", given_rows)
    assert len(found) == len(wanted)
    if wanted:
        assert_same(found, wanted)


def test_every_code_of_the_list_finds_a_stay_and_the_code_beside_it_does_not(
    model_runner: ModelRunner,
) -> None:
    path = project.project_dir() / "seeds" / "ref_avoidable_stay_code.csv"
    with path.open(encoding="utf-8", newline="") as file:
        listed = [row for row in csv.DictReader(file) if row["role"] == "main"]
    stays = [
        {
            "stay_id": f"{row['condition']} {row['code_prefix']}", "year": 2020, "person_id": "a",
            "field": "mco", "main_diagnosis": row["code_prefix"], "is_full_stay": True,
            "is_session": False, "is_service_for_other_hospital": False,
            "is_used_for_stays": True, "is_used_for_persons": True,
        }
        for row in listed
    ]  # fmt: skip
    people = [{"person_id": "a", "year": 2020, "age_years": 60}]
    found = model_runner.run(
        "measure_avoidable_stay", {"hospital_stay": stays, "person_year": people}
    )
    told = {(r["unit_id"].split()[0], r["measure"]) for r in found}
    assert {(row["condition"], f"avoidable_{row['condition']}") for row in listed} <= told
    assert len({r["unit_id"] for r in found}) == len(stays) > 70
    off = [stay | {"main_diagnosis": f"X{stay['main_diagnosis'][1:]}"} for stay in stays]
    given_rows: dict[str, Any] = {"hospital_stay": off, "person_year": people}
    assert model_runner.run("measure_avoidable_stay", given_rows) == []


@pytest.mark.parametrize(("beside", "counts"), [("E115", True), ("J449", False), ("I500", False)])
def test_an_amputation_counts_with_diabetes_and_no_other_disease_beside_it(
    model_runner: ModelRunner, beside: str, counts: bool
) -> None:
    of = {"stay_id": "s", "year": 2020, "field": "mco"}
    stay = {
        **of, "person_id": "a", "main_diagnosis": "I702", "is_full_stay": True,
        "is_session": False, "is_service_for_other_hospital": False, "is_used_for_stays": True,
        "is_used_for_persons": True,
    }  # fmt: skip
    given_rows: dict[str, list[Row]] = {
        "hospital_stay": [stay],
        "stay_diagnosis": [{**of, "diagnosis_code": beside}],
        "stay_procedure": [{**of, "procedure_code": "NZFA002", "activity_code": "1"}],
        "person_year": [{"person_id": "a", "year": 2020, "age_years": 60}],
    }
    found = {row["measure"] for row in model_runner.run("measure_avoidable_stay", given_rows)}
    assert ("avoidable_diabetes_amputation" in found) == counts and bool(found) == counts


@pytest.mark.spark
def test_both_engines_find_the_same_avoidable_stays(
    model_runner: ModelRunner, spark_model_runner: SparkModelRunner
) -> None:
    given_rows: dict[str, Any] = {
        "hospital_stay": [
            {
                "stay_id": f"{code} {group}", "year": 2020, "person_id": "a", "field": "mco",
                "main_diagnosis": code, "ghm_code": group, "is_full_stay": True,
                "is_session": False, "is_service_for_other_hospital": False,
                "is_used_for_stays": True, "is_used_for_persons": True,
            }
            for code in CODES
            for group in ("04M051", "05K061", None)
        ],
        "stay_diagnosis": [
            {"stay_id": f"{code} None", "year": 2020, "field": "mco", "diagnosis_code": "J449"}
            for code in CODES
        ],
        "person_year": [{"person_id": "a", "year": 2020, "age_years": 60}],
    }  # fmt: skip
    plain = model_runner.run("measure_avoidable_stay", given_rows)
    assert len(plain) > 20
    spark = spark_model_runner.run("measure_avoidable_stay", given_rows)
    assert multiset(spark) == multiset(plain)


@pytest.mark.conformance
def test_every_code_of_the_lists_is_in_its_nomenclature(conformance_data: Path) -> None:
    def column(name: str) -> set[str]:
        path = conformance_data / "nomenclatures" / f"{name}.csv"
        with path.open(encoding="utf-8-sig", newline="") as file:
            return {row[0].strip() for row in csv.reader(file, delimiter=";")}

    listed = {"CIM10": column("IR_CIM_V"), "CCAM": column("ccam")}
    prefixes = set()
    for name in ("ref_avoidable_stay_code", "ref_index_condition"):
        with (project.project_dir() / "seeds" / f"{name}.csv").open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                code = row.get("code_prefix") or row["cim10_prefix"]
                prefixes.add((row.get("system", "CIM10"), code))
    assert len(prefixes) > 100
    absent = {
        (system, code)
        for system, code in prefixes
        if not any(each.startswith(code) for each in listed[system])
    }
    assert absent == set()
