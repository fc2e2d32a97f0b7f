"""Care of asthma and COPD: cases, and a plain second reading, person by person."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_runner import ModelRunner
from oracle_tools import assert_same

Row = dict[str, Any]
DATE = dt.date
PERSON = {"year": 2020, "is_fully_observed": True, "age_years": 50, "observed_days": 366}
WHOLE = {"has_claims": True, "has_claims_to_end": True, "has_stays": True, "has_procedures": True,
         "has_drug_classes": True}  # fmt: skip
DELIVERED = [WHOLE | {"year": year} for year in range(2016, 2021)]
MEASURES = {
    "re_controller_ratio", "re_reliever_without_controller", "re_spirometry_2y",
    "re_influenza_vaccine", "re_pneumococcal_vaccine_5y", "re_copd_exacerbation",
}  # fmt: skip


def care(person: str, name: str, day: str, boxes: float = 1) -> Row:
    return {"person_id": person, "list_name": name, "care_date": day, "year": int(day[:4]),
            "quantity": boxes}  # fmt: skip


def held(*people: str) -> list[Row]:
    return [
        {"person_id": each, "year": 2020, "carto_version": "G6-like", "top": "top_ABPCOIr_ind"}
        for each in people
    ]


def people(*names: str, **more: Any) -> list[Row]:
    return [PERSON | {"person_id": name} | more for name in names]


def stay(person: str, name: str, diagnosis: str | None, **more: Any) -> Row:
    return {
        "person_id": person, "stay_id": name, "year": 2020, "field": "mco",
        "entry_date": "2020-05-01", "main_diagnosis": diagnosis, "is_used_for_stays": True,
        "is_used_for_persons": True, "is_session": False,
    } | more  # fmt: skip


def measured(runner: ModelRunner, **given_rows: list[Row]) -> dict[tuple[str, str], Row]:
    """Return the rows of 2020 by person and measure."""
    given_rows.setdefault("int_delivered_year", DELIVERED)
    rows = runner.run("measure_respiratory_care", given_rows, year=2020)
    found = {(row["person_id"], row["measure"]): row for row in rows}
    assert len(found) == len(rows)
    return found


def told(row: Row) -> tuple[float, float, str | None]:
    return row["num"], row["den"], row["excl_code"]


def test_half_of_the_boxes_are_controllers(model_runner: ModelRunner) -> None:
    def boxes(name: str, controllers: float, others: float) -> list[Row]:
        return [
            care(name, "controller", "2020-02-01", controllers),
            care(name, "obstructive_airway", "2020-02-01", controllers + others),
        ]

    cases = {"half": (3, 3, 1), "less": (2, 3, 0), "none": (0, 1, 0), "all": (2, 0, 1)}
    found = measured(
        model_runner,
        person_year=people(*cases, "no drug", "last year"),
        person_pathology=held(*cases, "no drug", "last year"),
        int_listed_care=[
            *(row for name, (mine, other, _) in cases.items() for row in boxes(name, mine, other)),
            care("last year", "obstructive_airway", "2019-12-31"),
        ],
    )
    assert {name: told(found[name, "re_controller_ratio"])[:2] for name in cases} == {
        name: (yes, 1) for name, (_, _, yes) in cases.items()
    }
    # Without a box there is no ratio: no row, and no zero.
    for name in ("no drug", "last year"):
        assert (name, "re_controller_ratio") not in found
        assert (name, "re_spirometry_2y") in found


def test_three_relievers_without_a_corticoid(model_runner: ModelRunner) -> None:
    cases = {"three": (3, 0, 1), "two": (2, 0, 0), "with": (3, 1, 0), "none": (0, 0, 0)}
    found = measured(
        model_runner,
        person_year=people(*cases),
        person_pathology=held(*cases),
        int_listed_care=[
            row
            for name, (relievers, corticoids, _) in cases.items()
            for row in (
                care(name, "short_acting_agonist", "2020-01-01", relievers),
                care(name, "inhaled_corticoid", "2020-12-31", corticoids),
                care(name, "obstructive_airway", "2020-01-01", 4),
            )
        ],
    )
    assert {
        name: found[name, "re_reliever_without_controller"]["num"] for name in cases
    } == {name: yes for name, (*_, yes) in cases.items()}  # fmt: skip


def test_the_target_is_treated_and_six_years_old(model_runner: ModelRunner) -> None:
    days = ("2020-01-01", "2020-02-01", "2020-03-01")
    found = measured(
        model_runner,
        person_year=[
            *people("held", "three", "two", "nobody"), *people("child", age_years=5),
            *people("pupil", age_years=6), *people("ageless", age_years=None),
        ],
        person_pathology=held("held", "child", "pupil", "ageless"),
        int_listed_care=[
            *(care("three", "obstructive_airway", day) for day in days),
            *(care("two", "obstructive_airway", day) for day in days[:2]),
        ],
    )  # fmt: skip
    assert {person for person, _ in found} == {"held", "three", "pupil"}
    assert {measure for person, measure in found if person == "three"} == MEASURES
    assert ("pupil", "re_copd_exacerbation") not in found


def test_windows_of_lung_function_and_vaccines(model_runner: ModelRunner) -> None:
    dates = {
        "spirometry": {"2018-12-31": 0, "2019-01-01": 1, "2020-12-31": 1},
        "influenza_vaccine": {"2019-09-30": 0, "2019-10-01": 1, "2020-01-31": 1, "2020-02-01": 0},
        "pneumococcal_vaccine": {"2015-12-31": 0, "2016-01-01": 1, "2020-12-31": 1},
    }
    measures = {"spirometry": "re_spirometry_2y", "influenza_vaccine": "re_influenza_vaccine",
                "pneumococcal_vaccine": "re_pneumococcal_vaccine_5y"}  # fmt: skip
    names = [f"{name} {day}" for name, days in dates.items() for day in days]
    found = measured(
        model_runner,
        person_year=people(*names),
        person_pathology=held(*names),
        int_listed_care=[
            care(f"{name} {day}", name, day) for name, days in dates.items() for day in days
        ],
    )
    for name, days in dates.items():
        assert {day: found[f"{name} {day}", measures[name]]["num"] for day in days} == days


def test_exacerbations_are_counted_over_years_of_life(model_runner: ModelRunner) -> None:
    found = measured(
        model_runner,
        person_year=[
            *people("two", "failing", "failing alone", "none"),
            *people("half", observed_days=183, is_fully_observed=False),
            *people("young", age_years=39), *people("unseen", observed_days=0),
        ],
        person_pathology=held(
            "two", "failing", "failing alone", "none", "half", "young", "unseen"
        ),
        hospital_stay=[
            stay("two", "a", "J440"), stay("two", "b", "J441"),
            stay("two", "old", "J440", entry_date="2019-12-31"),
            stay("two", "next", "J440", entry_date="2020-12-31", year=2021),
            stay("two", "left out", "J440", is_used_for_stays=False),
            stay("two", "ssr", "J440", field="ssr"),
            stay("failing", "c", "J960"), stay("failing alone", "d", "J960"),
            stay("none", "e", "J448"), stay("none", "f", None), stay("half", "g", "J440"),
        ],
        stay_diagnosis=[
            {"stay_id": "c", "year": 2020, "diagnosis_code": "J448", "person_id": "failing"},
            {"stay_id": "c", "year": 2020, "diagnosis_code": "J449", "person_id": "failing"},
            {"stay_id": "d", "year": 2020, "diagnosis_code": None, "person_id": "failing alone"},
        ],
    )  # fmt: skip
    rows = {name: row for (name, measure), row in found.items() if measure.endswith("exacerbation")}
    assert {name: row["num"] for name, row in rows.items()} == {
        "two": 3, "failing": 1, "failing alone": 0, "none": 0, "half": 1, "unseen": 0,
    }  # fmt: skip
    assert abs(rows["half"]["den"] - 183 / 365.25) < 1e-12
    assert told(rows["unseen"]) == (0, 0, "not_observed")


def test_what_is_not_delivered_is_absent_and_not_zero(model_runner: ModelRunner) -> None:
    def reasons(delivered: list[Row]) -> dict[str, str | None]:
        found = measured(
            model_runner, person_year=people("P"), person_pathology=held("P"),
            int_delivered_year=delivered,
        )  # fmt: skip
        return {name[3:9]: row["excl_code"] for (_, name), row in found.items()}

    back = "no_look_back"
    assert reasons(DELIVERED) == {"spirom": None, "influe": None, "pneumo": None, "copd_e": None}
    assert reasons(DELIVERED[1:]) == {
        "spirom": None, "influe": None, "pneumo": back, "copd_e": None,
    }  # fmt: skip
    assert reasons(DELIVERED[4:]) == {
        "spirom": back, "influe": back, "pneumo": back, "copd_e": None,
    }  # fmt: skip
    this_year = DELIVERED[4] | {"has_procedures": False, "has_drug_classes": False}
    assert reasons([*DELIVERED[:4], this_year]) == {
        "spirom": "not_delivered", "influe": "not_delivered", "pneumo": "not_delivered",
        "copd_e": None,
    }  # fmt: skip
    cut = DELIVERED[4] | {"has_claims_to_end": False, "has_stays": False}
    assert set(reasons([*DELIVERED[:4], cut]).values()) == {"no_follow_up"}


# -- the oracle --------------------------------------------------------------------------------

LISTS = ("obstructive_airway", "controller", "inhaled_corticoid", "short_acting_agonist",
         "spirometry", "influenza_vaccine", "pneumococcal_vaccine", "hba1c")  # fmt: skip
DAYS = [DATE(2015, 12, 31), DATE(2016, 1, 1), DATE(2018, 12, 31)] + [
    DATE(year, month, day)
    for year in (2019, 2020)
    for month, day in ((1, 1), (1, 31), (2, 1), (9, 30), (10, 1), (12, 31))
]


def oracle(person: Row, years: set[int]) -> list[Row]:
    """Return the rows of a person as the rule reads, or none."""
    first, last = DATE(2020, 1, 1), DATE(2020, 12, 31)

    def boxes(name: str) -> int:
        return sum(n for each, day, n in person["care"] if each == name and first <= day <= last)

    def since(low: dt.date, high: dt.date, name: str) -> bool:
        return any(each == name and low <= day <= high for each, day, _ in person["care"])

    drug_days = sum(
        name == "obstructive_airway" and first <= day <= last for name, day, _ in person["care"]
    )
    if person["age"] is None or person["age"] < 6 or not (person["is_held"] or drug_days >= 3):
        return []
    reason = None
    if not person["is_fully_observed"]:
        reason = "not_fully_observed"
    elif person["nights"] > 90:
        reason = "long_stay"
    elif person["is_palliative"]:
        reason = "palliative"
    rows: list[tuple[str, float, float, str | None]] = []

    def add(name: str, done: bool, missing: bool = False) -> None:
        why = reason or ("no_look_back" if missing else None)
        rows.append((name, float(done and why is None), float(why is None), why))

    total = boxes("obstructive_airway")
    if total > 0:
        add("re_controller_ratio", boxes("controller") / total >= 0.5)
        add(
            "re_reliever_without_controller",
            boxes("short_acting_agonist") >= 3 and boxes("inhaled_corticoid") == 0,
        )
    add("re_spirometry_2y", since(DATE(2019, 1, 1), last, "spirometry"), 2019 not in years)
    winter = since(DATE(2019, 10, 1), DATE(2020, 1, 31), "influenza_vaccine")
    add("re_influenza_vaccine", winter, 2019 not in years)
    add(
        "re_pneumococcal_vaccine_5y",
        since(DATE(2016, 1, 1), last, "pneumococcal_vaccine"),
        not {2016, 2017, 2018, 2019} <= years,
    )
    if person["age"] >= 40:
        stays = sum(
            code in ("J440", "J441") or (code == "J960" and copd) for code, copd in person["stays"]
        )
        rows.append(("re_copd_exacerbation", float(stays), 366 / 365.25, None))
    return [
        {"person_id": person["person_id"], "measure": name, "num": num, "den": den,
         "excl_code": why}
        for name, num, den, why in rows
    ]  # fmt: skip


person_strategy = st.fixed_dictionaries(
    {
        "is_held": st.booleans(),
        "age": st.sampled_from([None, 5, 6, 39, 40, 80]),
        "is_fully_observed": st.sampled_from([True, True, True, False, None]),
        "is_palliative": st.sampled_from([False, False, False, True]),
        "nights": st.sampled_from([0, 0, 90, 91]),
        "care": st.lists(
            st.tuples(st.sampled_from(LISTS), st.sampled_from(DAYS), st.integers(0, 4)),
            unique_by=lambda each: each[:2], max_size=12,
        ),
        "stays": st.lists(
            st.tuples(st.sampled_from(["J440", "J441", "J960", "J449", "J45", None]),
                      st.booleans()), max_size=3,
        ),
    }
)  # fmt: skip


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(person_strategy, min_size=1, max_size=30),
    st.sampled_from([{2016, 2017, 2018, 2019, 2020}, {2019, 2020}, {2020}]),
)
def test_every_row_is_that_of_the_oracle(
    model_runner: ModelRunner, drawn: list[Row], years: set[int]
) -> None:
    listed = [each | {"person_id": f"p{n}"} for n, each in enumerate(drawn)]
    got = measured(
        model_runner,
        person_year=[
            PERSON | {"person_id": each["person_id"], "age_years": each["age"],
                      "is_fully_observed": each["is_fully_observed"]}
            for each in listed
        ],
        person_pathology=held(*(each["person_id"] for each in listed if each["is_held"])),
        int_listed_care=[
            care(each["person_id"], name, str(day), boxes)
            for each in listed
            for name, day, boxes in each["care"]
        ],
        int_hospital_time=[
            {"person_id": each["person_id"], "entry_date": DATE(2020, 1, 1),
             "discharge_date": DATE(2020, 1, 1) + dt.timedelta(each["nights"])}
            for each in listed
            if each["nights"]
        ],
        hospital_stay=[
            stay(each["person_id"], f"{each['person_id']} {n}", code)
            for each in listed
            for n, (code, _) in enumerate(each["stays"])
        ],
        stay_diagnosis=[
            {"stay_id": f"{each['person_id']} {n}", "year": 2020, "diagnosis_code": code}
            for each in listed
            for n, (_, copd) in enumerate(each["stays"])
            for code in (("J448", "I10") if copd else ("I10",))
        ]
        + [
            {"person_id": each["person_id"], "stay_id": "p", "year": 2020, "diagnosis_code": "Z515"}
            for each in listed
            if each["is_palliative"]
        ],
        int_delivered_year=[WHOLE | {"year": year} for year in years],
    )  # fmt: skip
    wanted = [row for each in listed for row in oracle(each, years)]
    assert len(got) == len(wanted)
    if wanted:
        assert_same(got.values(), wanted)
