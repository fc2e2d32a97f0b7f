"""Screening and vaccination told person by person, from the prose of each measure."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_runner import ModelRunner, Row
from oracle_tools import assert_same

YEAR = 2020
LISTS = (
    "breast_organised", "breast_individual", "colorectal_test", "colonoscopy", "cervical_cytology",
    "cervical_hpv", "hysterectomy", "flu_vaccine", "pneumococcal_vaccine",
)  # fmt: skip
DAYS = [dt.date(year, month, 15) for year in range(2015, 2022) for month in (1, 11)] + [
    dt.date(2019, 9, 30), dt.date(2019, 10, 1), dt.date(2020, 1, 31), dt.date(2020, 2, 1),
]  # fmt: skip
# One disease of each list, one of two lists, one of none.
TOPS = ("top_CanSeiF_act", "top_CanColo_sur", "top_FDiabet_ind", "top_CvAVC_seq", "top_Materni_ind")

people = st.fixed_dictionaries(
    {
        "sex": st.sampled_from(["1", "2", "2", None]),
        "age_years": st.sampled_from([None, 17, 18, 24, 25, 30, 49, 50, 64, 65, 66, 74, 75, 90]),
        "is_fully_observed": st.sampled_from([True, True, True, False]),
        "death_date": st.sampled_from([None, None, None, dt.date(2020, 3, 1)]),
        "care": st.lists(st.tuples(st.sampled_from(LISTS), st.sampled_from(DAYS)), max_size=4),
        "tops": st.lists(st.sampled_from(TOPS), max_size=2, unique=True),
    }
)
delivered_years = st.one_of(
    st.just({2016, 2017, 2018, 2019}), st.just({2018, 2019}), st.sets(st.integers(2015, 2021))
)


def oracle(name: str, person: dict[str, Any], delivered: set[int]) -> list[Row]:
    """Return the measures of a person."""
    age, woman, tops = person["age_years"], person["sex"] == "2", set(person["tops"])
    if age is None:
        return []

    def had(listed: str, years: int) -> bool:
        return any(
            each == listed and YEAR - years < day.year <= YEAR for each, day in person["care"]
        )

    back = 0
    while back < 4 and YEAR - back - 1 in delivered:
        back += 1
    flu = any(
        each == "flu_vaccine" and dt.date(2019, 10, 1) <= day <= dt.date(2020, 1, 31)
        for each, day in person["care"]
    )
    organised, individual = had("breast_organised", 2), had("breast_individual", 2)
    cytology = had("cervical_cytology", 3)
    adult, breast = 18 <= age <= 64, woman and 50 <= age <= 74
    diabetes = "top_FDiabet_ind" in tops
    breast_out = [("breast_disease", "top_CanSeiF_act" in tops)]
    colon_out = [
        ("colorectal_disease", "top_CanColo_sur" in tops), ("colonoscopy", had("colonoscopy", 5)),
    ]  # fmt: skip
    womb_out = [("hysterectomy", had("hysterectomy", 5))]
    flu_risk = diabetes or "top_CvAVC_seq" in tops or "top_CanSeiF_act" in tops
    pneumococcal_risk = diabetes or "top_CanSeiF_act" in tops
    shot = had("pneumococcal_vaccine", 5)
    rules: list[tuple[str, bool, bool, int, list[tuple[str, bool]]]] = [
        ("breast_screening_organised", breast, organised, 1, breast_out),
        ("breast_screening_individual", breast, individual and not organised, 1, breast_out),
        ("breast_screening", breast, individual or organised, 1, breast_out),
        ("colorectal_screening", 50 <= age <= 74, had("colorectal_test", 2), 1, colon_out),
        ("cervical_screening_3y", woman and 25 <= age <= 65, cytology or had("cervical_hpv", 3), 2,
         womb_out),
        ("cervical_screening_5y", woman and 30 <= age <= 65, cytology or had("cervical_hpv", 5), 4,
         womb_out),
        ("flu_vaccine_65", age >= 65, flu, 1, []),
        ("flu_vaccine_at_risk", adult and flu_risk, flu, 1, []),
        ("pneumococcal_vaccine_65", age >= 65, shot, 4, []),
        ("pneumococcal_vaccine_at_risk", adult and pneumococcal_risk, shot, 4, []),
    ]  # fmt: skip
    found = []
    for measure, concerned, done, needed, out in rules:
        if not concerned:
            continue
        reasons = [
            ("died", person["death_date"] is not None),
            ("not_observed", not person["is_fully_observed"]),
            ("no_look_back", back < needed),
            *out,
        ]
        reason = next((code for code, holds in reasons if holds), None)
        found.append(
            {
                "person_id": name, "year": YEAR, "measure": measure, "condition": "all",
                "unit_id": "", "num": float(done and reason is None),
                "den": float(reason is None), "excl_code": reason,
            }
        )  # fmt: skip
    return found


def tables(listed: list[dict[str, Any]], delivered: set[int]) -> dict[str, list[Row]]:
    """Return the parents of the model for people named by their place."""
    both = [(f"P{place}", one) for place, one in enumerate(listed)]
    plain = ("sex", "age_years", "is_fully_observed", "death_date")
    return {
        "int_delivered_year": [{"year": year, "has_claims": True} for year in sorted(delivered)],
        "person_year": [
            {"person_id": name, "year": year} | {column: one[column] for column in plain}
            for name, one in both
            for year in (2019, YEAR)
        ],
        "int_prevention_care": [
            {"person_id": name, "year": day.year, "list_name": each, "care_date": day}
            for name, one in both
            for each, day in sorted(set(one["care"]))
        ],
        "person_pathology": [
            {"person_id": name, "year": year, "carto_version": version, "top": top}
            for name, one in both
            for top in one["tops"]
            for year, version in ((YEAR, "G6-like"), (YEAR, "G9-like"))
        ],
    }


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(people, min_size=1, max_size=60), delivered_years)
def test_measures_of_prevention_are_those_of_the_prose(
    model_runner: ModelRunner, listed: list[dict[str, Any]], delivered: set[int]
) -> None:
    found = model_runner.run("measure_prevention", tables(listed, delivered), year=YEAR)
    wanted = [
        row for place, one in enumerate(listed) for row in oracle(f"P{place}", one, delivered)
    ]
    assert len(found) == len(wanted)
    if wanted:
        assert_same(found, wanted)


def test_a_mammography_is_of_the_programme_or_individual_and_coverage_is_their_sum(
    model_runner: ModelRunner,
) -> None:
    people_of_60 = [
        {
            "sex": "2", "age_years": 60, "is_fully_observed": True, "death_date": None,
            "care": care, "tops": [],
        }
        for care in (
            [],
            [("breast_organised", DAYS[8])],
            [("breast_individual", DAYS[8])],
            [("breast_organised", DAYS[8]), ("breast_individual", DAYS[9])],
        )
    ]  # fmt: skip
    rows = model_runner.run("measure_prevention", tables(people_of_60, {2019}), year=YEAR)
    total: dict[str, float] = {}
    for row in rows:
        total[row["measure"]] = total.get(row["measure"], 0) + row["num"]
    assert total["breast_screening_organised"] == 2
    assert total["breast_screening_individual"] == 1
    assert total["breast_screening"] == 3


def test_each_code_of_prevention_is_found_under_its_list(model_runner: ModelRunner) -> None:
    """Every code of the seed, in the place where it is billed, gives a day of its list."""
    listed = model_runner.connection.execute(
        "select list_name, system, code from empty.ref_prevention_code where system <> 'TOP'"
    ).fetchall()
    events, boxes, reference = [], [], []
    plain = {
        "person_id": "P", "year": YEAR, "is_used_for_care": True, "is_used_for_persons": True,
    }  # fmt: skip
    for place, (_, system, code) in enumerate(listed):
        day = dt.date(YEAR, 1, 1) + dt.timedelta(place)
        if system == "PRS_NAT":
            events.append(
                plain | {"event_type": "claim", "care_date": day, "prestation_code": code}
            )
        elif system == "ATC":
            reference.append({"code_system": "cip13", "code": code, "atc_class": code + "01"})
            boxes.append(
                {
                    "person_id": "P", "year": YEAR, "dispensing_date": day, "box_count": 1,
                    "atc_class": code + "01", "is_used_for_exposure": True,
                }
            )  # fmt: skip
        else:
            kind = {"CCAM": "procedure", "NABM": "biology"}[system]
            events.append(
                plain
                | {"event_type": kind, "care_date": day, "code_system": system.lower()}
                | {"code": code}
            )
    found = model_runner.run(
        "int_prevention_care",
        {"care_event": events, "drug_dispensing": boxes, "int_drug_reference": reference},
        year=YEAR,
    )
    assert {(row["list_name"], row["care_date"]) for row in found} == {
        (name, dt.date(YEAR, 1, 1) + dt.timedelta(place))
        for place, (name, _, _) in enumerate(listed)
    }
