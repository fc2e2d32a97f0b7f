"""Adherence told person by person, from the prose of each measure."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_runner import ModelRunner, Row
from oracle_tools import assert_same

CODES = ("A10BA02", "A10AE04", "A10BX06", "C10AA05", "C09AA05", "C09DX04")
CLASS_OF = {
    "A10BA02": "diabetes", "A10AE04": "insulin", "C10AA05": "statin", "C09AA05": "ras",
    "C09DX04": "arni",
}  # fmt: skip
DAYS = tuple(
    dt.date.fromisoformat(day)
    for day in ("2019-12-31", "2020-01-01", "2020-06-01", "2020-12-31", "2021-01-01")
)

adherences = st.fixed_dictionaries(
    {
        "drug_class": st.sampled_from(sorted(set(CLASS_OF.values()))),
        "dispensing_count": st.integers(1, 4),
        "window_days": st.sampled_from([0, 90, 91, 366]),
        "covered_share": st.sampled_from([0.0, 0.5, 0.8, 1.0]),
        "mpr": st.sampled_from([0.25, 1.0]),
        "is_persistent": st.booleans(),
    }
)
people = st.fixed_dictionaries(
    {
        "age_years": st.sampled_from([None, 17, 18, 39, 40, 75, 76]),
        "year": st.sampled_from([2020, 2020, 2020, 2019]),
        "is_dialysed": st.booleans(),
        "is_palliative": st.booleans(),
        "classes": st.lists(adherences, max_size=4, unique_by=lambda row: row["drug_class"]),
        "dispensed": st.lists(st.tuples(st.sampled_from(CODES), st.sampled_from(DAYS)), max_size=5),
    }
)


def told(person: dict[str, Any]) -> list[Row]:
    """Return drug_adherence of a person, its columns following from each other as they do there."""
    rows = []
    for each in person["classes"]:
        twice = each["dispensing_count"] >= 2
        eligible = twice and each["window_days"] >= 91
        share = each["covered_share"]
        rows.append(
            {
                "drug_class": each["drug_class"],
                "dispensing_count": each["dispensing_count"],
                "is_eligible": eligible,
                "pdc": share if each["window_days"] else None,
                "mpr": each["mpr"] if twice else None,
                "is_adherent": share >= 0.8 if eligible else None,
                "is_persistent": each["is_persistent"],
            }
        )
    return rows


def oracle(person_id: str, person: dict[str, Any]) -> list[Row]:
    """Return the measures of a person."""
    if person["year"] != 2020:
        return []
    found: list[Row] = []

    def add(measure: str, condition: str, value: float | None, reason: str | None) -> None:
        counted = reason is None
        found.append(
            {
                "person_id": person_id, "year": 2020, "measure": measure, "condition": condition,
                "unit_id": "", "num": float(value or 0) if counted else 0.0,
                "den": 1.0 if counted else 0.0, "excl_code": reason,
            }
        )  # fmt: skip

    age = person["age_years"]
    rows = told(person)
    classes = {row["drug_class"] for row in rows}
    first_reason = (
        "dialysis" if person["is_dialysed"] else "palliative" if person["is_palliative"] else None
    )
    for row in rows:
        reason = None
        if not row["is_eligible"]:
            reason = "one_dispensing" if row["dispensing_count"] < 2 else "window_short"
        name = row["drug_class"]
        add("adherent", f"drug_{name}", row["is_adherent"], reason)
        add("pdc_mean", f"drug_{name}", row["pdc"], reason)
        add("mpr_mean", f"drug_{name}", row["mpr"], reason)
        add("persistent", f"drug_{name}", row["is_persistent"], reason)
        if name in ("diabetes", "ras", "statin") and age is not None and age >= 18:
            why = first_reason
            if why is None and name == "diabetes" and "insulin" in classes:
                why = "insulin"
            if why is None and name == "ras" and "arni" in classes:
                why = "sacubitril"
            add(f"adherent_{name}", "all", row["is_adherent"], why or reason)
    days = {
        day
        for code, day in person["dispensed"]
        if day.year == 2020 and CLASS_OF.get(code) in ("diabetes", "insulin")
    }
    if age is not None and 40 <= age <= 75 and len(days) >= 2:
        add("statin_in_diabetes", "all", "statin" in classes, first_reason)
    return found


def tables(listed: list[dict[str, Any]]) -> dict[str, list[Row]]:
    """Return the parents of the model for people named by their place."""
    names = [f"P{place}" for place in range(len(listed))]
    both = list(zip(names, listed, strict=True))
    return {
        "person_year": [
            {"person_id": name, "year": one["year"], "age_years": one["age_years"]}
            for name, one in both
        ],
        "drug_adherence": [
            {"person_id": name, "year": 2020} | row for name, one in both for row in told(one)
        ],
        "person_pathology": [
            {
                "person_id": name, "year": 2020, "carto_version": version,
                "top": "top_RDialyse_ind" if one["is_dialysed"] else "top_FDiabet_ind",
            }
            for name, one in both
            for version in ("G6-like", "G9-like")
        ],
        "stay_diagnosis": [
            {
                "person_id": name, "year": 2020, "stay_id": name, "diagnosis_code": "Z515",
                "is_used_for_stays": one["is_palliative"],
            }
            for name, one in both
        ],
        "int_drug_day": [
            {"person_id": name, "atc_class": code, "dispensing_date": day}
            for name, one in both
            for code, day in sorted(set(one["dispensed"]))
        ],
        "int_drug_reference": [
            {"code_system": "cip13", "code": code, "atc_class": code} for code in CODES
        ],
    }  # fmt: skip


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(people, min_size=1, max_size=12))
def test_measures_of_adherence_are_those_of_the_prose(
    model_runner: ModelRunner, listed: list[dict[str, Any]]
) -> None:
    found = model_runner.run("measure_adherence", tables(listed))
    wanted = [row for place, one in enumerate(listed) for row in oracle(f"P{place}", one)]
    assert len(found) == len(wanted)
    if wanted:
        assert_same(found, wanted)
    assert all(0 <= row["num"] <= row["den"] for row in found)


def test_adding_a_person_changes_only_their_rows(model_runner: ModelRunner) -> None:
    one: dict[str, Any] = {
        "age_years": 60, "year": 2020, "is_dialysed": False, "is_palliative": False,
        "classes": [
            {
                "drug_class": "statin", "dispensing_count": 2, "window_days": 91,
                "covered_share": 0.8, "mpr": 1.0, "is_persistent": True,
            }
        ],
        "dispensed": [],
    }  # fmt: skip
    before = model_runner.run("measure_adherence", tables([one]))
    after = model_runner.run("measure_adherence", tables([one, one | {"age_years": 17}]))
    assert len(before) == 5
    assert [row for row in after if row["person_id"] == "P0"] == before


def test_a_whole_chain_from_boxes_to_adherence(model_runner: ModelRunner) -> None:
    """Boxes of 30 days cover what they should: the worked example of three boxes, with and without.

    Ninety days from 3 October are the shortest window that is not one, 91 the shortest that is.
    """

    def measured(*dates: str) -> Row:
        boxes = [
            {
                "event_id": f"e{n}", "person_id": "P", "year": 2020, "dispensing_date": day,
                "atc_class": "C10AA05", "box_count": 1, "quantity": 1, "days_supply": 30,
                "is_large_pack": False, "is_used_for_exposure": True, "is_hospital_drug": False,
                "known_at": "2021-06-01",
            }
            for n, day in enumerate(dates)
        ]  # fmt: skip
        rows = model_runner.run(
            "measure_adherence",
            {
                "drug_dispensing": boxes,
                "person": [{"person_id": "P"}],
                "person_year": [{"person_id": "P", "year": 2020, "age_years": 60}],
                "int_drug_reference": [
                    {"code_system": "cip13", "code": "1", "atc_class": "C10AA05"}
                ],
            },
        )
        (row,) = [row for row in rows if row["measure"] == "pdc_mean"]
        return row

    short = measured("2020-10-03", "2020-11-02", "2020-12-02")
    assert (short["excl_code"], short["num"], short["den"]) == ("window_short", 0, 0)
    full = measured("2020-10-02", "2020-11-01", "2020-12-01")
    assert (full["excl_code"], full["num"]) == (None, 90 / 91)
    # The second box comes 59 days late: 30 + 30 of 91 days.
    late = measured("2020-10-02", "2020-11-30")
    assert late["num"] == 60 / 91
