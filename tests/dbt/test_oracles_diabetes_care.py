"""Follow-up of diabetes: cases, and a plain second reading, person by person."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_runner import ModelRunner
from oracle_tools import assert_same

Row = dict[str, Any]
PERSON = {"year": 2020, "is_fully_observed": True}
WHOLE = {"has_claims": True, "has_claims_to_end": True, "has_biology": True,
         "has_drug_classes": True}  # fmt: skip
DELIVERED = [WHOLE | {"year": 2019}, WHOLE | {"year": 2020}]


def care(person: str, name: str, *days: str) -> list[Row]:
    """Return days of care of a list."""
    return [
        {"person_id": person, "list_name": name, "care_date": day, "year": int(day[:4])}
        for day in days
    ]


def held(*people: str, version: str = "G6-like", year: int = 2020) -> list[Row]:
    """Return people who hold the pathology."""
    return [
        {"person_id": each, "year": year, "carto_version": version, "top": "top_FDiabet_ind"}
        for each in people
    ]


def measured(runner: ModelRunner, **given_rows: list[Row]) -> dict[tuple[str, str], Row]:
    """Return the rows of 2020 by person and measure."""
    given_rows.setdefault("int_delivered_year", DELIVERED)
    rows = runner.run("measure_diabetes_care", given_rows, year=2020)
    found = {(row["person_id"], row["measure"]): row for row in rows}
    assert len(found) == len(rows)
    return found


def told(row: Row) -> tuple[float, float, str | None]:
    return row["num"], row["den"], row["excl_code"]


def people(*names: str, **more: Any) -> list[Row]:
    return [PERSON | {"person_id": name} | more for name in names]


def test_three_days_of_hba1c_are_three_and_not_four(model_runner: ModelRunner) -> None:
    found = measured(
        model_runner,
        person_year=people("P", "Q"),
        person_pathology=held("P", "Q"),
        # The day before the year is not of it; its last day is.
        int_listed_care=care("P", "hba1c", "2019-12-31", "2020-01-01", "2020-06-01", "2020-12-31"),
    )
    assert [told(found["P", f"dm_hba1c_{n}"])[:2] for n in (2, 3, 4)] == [(1, 1), (1, 1), (0, 1)]
    assert [told(found["Q", f"dm_hba1c_{n}"]) for n in (2, 3, 4)] == [(0, 1, None)] * 3
    row = found["P", "dm_hba1c_3"]
    assert (row["year"], row["condition"], row["unit_id"], row["finess"]) == (2020, "all", "", None)


def test_diabetics_are_those_of_the_pathology_or_of_three_days_of_drugs(
    model_runner: ModelRunner,
) -> None:
    found = measured(
        model_runner,
        person_year=people("held", "three", "two", "other", "older", "before"),
        person_pathology=[*held("held"), *held("other", version="G9-like"),
                          *held("older", year=2019)],
        int_listed_care=[
            *care("three", "antidiabetic", "2020-01-01", "2020-02-01", "2020-03-01"),
            *care("two", "antidiabetic", "2019-12-31", "2020-02-01", "2020-03-01"),
        ],
    )  # fmt: skip
    assert {person for person, _ in found} == {"held", "three"}
    assert {measure for _, measure in found} == {
        "dm_hba1c_2", "dm_hba1c_3", "dm_hba1c_4", "dm_creatinine", "dm_albuminuria", "dm_lipids",
        "dm_eye_2y", "dm_dentist", "dm_podologist", "dm_heart_check", "dm_full_bundle",
        "dm_influenza_vaccine",
    }  # fmt: skip


def test_the_eye_has_two_years_and_the_vaccine_its_winter(model_runner: ModelRunner) -> None:
    dates = {"2018-12-31": 0, "2019-01-01": 1, "2020-12-31": 1}
    winter = {"2019-09-30": 0, "2019-10-01": 1, "2020-01-31": 1, "2020-02-01": 0, "2020-11-01": 0}
    names = [*(f"eye {day}" for day in dates), *(f"flu {day}" for day in winter)]
    found = measured(
        model_runner,
        person_year=people(*names),
        person_pathology=held(*names),
        int_listed_care=[
            *(row for day in dates for row in care(f"eye {day}", "ophthalmologist", day)),
            *(row for day in winter for row in care(f"flu {day}", "influenza_vaccine", day)),
        ],
    )
    assert {day: found[f"eye {day}", "dm_eye_2y"]["num"] for day in dates} == dates
    assert {day: found[f"flu {day}", "dm_influenza_vaccine"]["num"] for day in winter} == winter


def test_the_bundle_needs_all_five(model_runner: ModelRunner) -> None:
    whole = ["hba1c", "creatinine", "albuminuria", "lipids", "eye_exam"]

    def of(person: str, *lists: str) -> list[Row]:
        days = {"hba1c": ("2020-01-01", "2020-02-01", "2020-03-01")}
        return [row for name in lists for row in care(person, name, *days.get(name, days["hba1c"]))]

    names = ["all", *whole]
    found = measured(
        model_runner,
        person_year=people(*names),
        person_pathology=held(*names),
        int_listed_care=[
            *of("all", *whole),
            *(row for left in whole for row in of(left, *(each for each in whole if each != left))),
        ],
    )
    assert {name: found[name, "dm_full_bundle"]["num"] for name in names} == {
        name: float(name == "all") for name in names
    }


def test_each_exclusion_has_its_name_and_its_rank(model_runner: ModelRunner) -> None:
    def nights(person: str, entry: str, discharge: str) -> Row:
        return {"person_id": person, "entry_date": entry, "discharge_date": discharge}

    names = ("dead", "90", "91", "30", "31", "palliative", "last year", "all")
    found = measured(
        model_runner,
        person_year=[
            *people(*names[1:-1]),
            *people("dead", "all", is_fully_observed=False),
            *people("unknown", is_fully_observed=None),
        ],
        person_pathology=held(*names, "unknown"),
        int_hospital_time=[
            nights("90", "2020-01-01", "2020-03-31"),
            nights("91", "2020-01-01", "2020-04-01"),
            nights("30", "2019-12-01", "2020-01-31"),  # thirty nights of the year
            nights("31", "2020-12-01", "2021-02-01"),
            nights("all", "2020-01-01", "2020-12-01"),
        ],
        stay_diagnosis=[
            {"person_id": "palliative", "year": 2020, "diagnosis_code": "Z515"},
            {"person_id": "all", "year": 2020, "diagnosis_code": "Z515"},
            {"person_id": "last year", "year": 2019, "diagnosis_code": "Z515"},
            {"person_id": "30", "year": 2020, "diagnosis_code": "Z511"},
        ],
    )
    expected = {
        "dead": "not_fully_observed", "all": "not_fully_observed", "unknown": "not_fully_observed",
        "91": "long_stay", "palliative": "palliative", "90": "under_ascertained",
        "31": "under_ascertained", "30": None, "last year": None,
    }  # fmt: skip
    assert {name: found[name, "dm_lipids"]["excl_code"] for name in expected} == expected
    for row in found.values():
        assert (row["num"], row["den"]) == (0, 1 if row["excl_code"] is None else 0)


def test_a_year_that_is_not_there_is_absent_and_not_zero(model_runner: ModelRunner) -> None:
    given_rows = {"person_year": people("P"), "person_pathology": held("P")}
    alone = measured(model_runner, **given_rows, int_delivered_year=DELIVERED[1:])
    assert told(alone["P", "dm_eye_2y"]) == (0, 0, "no_look_back")
    assert told(alone["P", "dm_full_bundle"]) == (0, 0, "no_look_back")
    assert told(alone["P", "dm_influenza_vaccine"]) == (0, 0, "no_look_back")
    assert told(alone["P", "dm_hba1c_3"]) == (0, 1, None)
    stragglers = [DELIVERED[0] | {"has_claims": False}, DELIVERED[1]]
    late = measured(model_runner, **given_rows, int_delivered_year=stragglers)
    assert told(late["P", "dm_eye_2y"]) == (0, 0, "no_look_back")
    half = [DELIVERED[0], DELIVERED[1] | {"has_claims_to_end": False}]
    cut = measured(model_runner, **given_rows, int_delivered_year=half)
    assert {row["excl_code"] for row in cut.values()} == {"no_follow_up"}


def test_a_table_that_is_not_there_is_not_care_that_nobody_had(model_runner: ModelRunner) -> None:
    given_rows = {"person_year": people("P"), "person_pathology": held("P")}
    biology = {"dm_hba1c_2", "dm_hba1c_3", "dm_hba1c_4", "dm_creatinine", "dm_albuminuria",
               "dm_lipids", "dm_full_bundle"}  # fmt: skip

    def absent(**missing: bool | None) -> set[str]:
        delivered = [DELIVERED[0], DELIVERED[1] | missing]
        found = measured(model_runner, **given_rows, int_delivered_year=delivered)
        assert {row["excl_code"] for row in found.values()} <= {None, "not_delivered"}
        return {name for (_, name), row in found.items() if row["den"] == 0}

    assert absent() == set()
    assert absent(has_biology=False) == absent(has_biology=None) == biology
    assert absent(has_drug_classes=False) == {"dm_influenza_vaccine"}


# -- the oracle --------------------------------------------------------------------------------

LISTS = (
    "antidiabetic", "hba1c", "creatinine", "albuminuria", "lipids", "eye_exam", "ophthalmologist",
    "dentist", "podologist", "ecg", "cardiologist", "influenza_vaccine", "statin",
)  # fmt: skip
NOT_BIOLOGY = ("dm_eye_2y", "dm_dentist", "dm_podologist", "dm_heart_check", "dm_influenza_vaccine")
DAYS = [dt.date(2018, 12, 31), dt.date(2021, 1, 1)] + [
    dt.date(year, month, day)
    for year in (2019, 2020)
    for month, day in ((1, 1), (1, 31), (2, 1), (9, 30), (10, 1), (12, 31))
]


def oracle(person: Row, years: set[int], is_whole: bool, has_biology: bool) -> list[Row]:
    """Return the rows of a person as the rule reads, or none."""
    first, last = dt.date(2020, 1, 1), dt.date(2020, 12, 31)
    days = {name: {day for each, day in person["care"] if each == name} for name in LISTS}

    def within(low: dt.date, high: dt.date, *names: str) -> int:
        return sum(low <= day <= high for name in names for day in days[name])

    if not person["is_held"] and within(first, last, "antidiabetic") < 3:
        return []
    nights = sum(
        first <= start + dt.timedelta(n) <= last
        for start, length in person["stays"]
        for n in range(length)
    )
    reason = None
    if not person["is_fully_observed"]:
        reason = "not_fully_observed"
    elif nights > 90:
        reason = "long_stay"
    elif person["is_palliative"]:
        reason = "palliative"
    elif not is_whole:
        reason = "no_follow_up"
    hba1c = within(first, last, "hba1c")
    once = {
        "dm_creatinine": ("creatinine",), "dm_albuminuria": ("albuminuria",),
        "dm_lipids": ("lipids",), "dm_dentist": ("dentist",), "dm_podologist": ("podologist",),
        "dm_heart_check": ("ecg", "cardiologist"),
    }  # fmt: skip
    done = {name: within(first, last, *lists) > 0 for name, lists in once.items()}
    done |= {f"dm_hba1c_{n}": hba1c >= n for n in (2, 3, 4)}
    done["dm_eye_2y"] = within(dt.date(2019, 1, 1), last, "eye_exam", "ophthalmologist") > 0
    done["dm_influenza_vaccine"] = (
        within(dt.date(2019, 10, 1), dt.date(2020, 1, 31), "influenza_vaccine") > 0
    )
    done["dm_full_bundle"] = all(
        done[name]
        for name in ("dm_hba1c_3", "dm_creatinine", "dm_albuminuria", "dm_lipids", "dm_eye_2y")
    )
    rows = []
    for name, is_done in done.items():
        why = reason
        if why is None and name in ("dm_eye_2y", "dm_influenza_vaccine", "dm_full_bundle"):
            why = None if 2019 in years else "no_look_back"
        if why is None and nights > 30:
            why = "under_ascertained"
        if why is None and not has_biology and name not in NOT_BIOLOGY:
            why = "not_delivered"
        rows.append(
            {"person_id": person["person_id"], "measure": name, "excl_code": why,
             "num": float(is_done and why is None), "den": float(why is None)}
        )  # fmt: skip
    return rows


person_strategy = st.fixed_dictionaries(
    {
        "is_held": st.booleans(),
        "is_fully_observed": st.sampled_from([True, True, True, False, None]),
        "is_palliative": st.sampled_from([False, False, False, True]),
        "care": st.lists(
            st.tuples(st.sampled_from(LISTS), st.sampled_from(DAYS)), unique=True, max_size=12
        ),
        # Times in hospital never overlap: the first ends before the second begins.
        "stays": st.tuples(
            st.lists(st.tuples(st.just(dt.date(2019, 12, 1)), st.sampled_from([31, 62, 92])),
                     max_size=1),
            st.lists(st.tuples(st.just(dt.date(2020, 12, 10)), st.sampled_from([5, 60])),
                     max_size=1),
        ).map(lambda parts: parts[0] + parts[1]),
    }
)  # fmt: skip


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(person_strategy, min_size=1, max_size=30),
    st.sampled_from([{2019, 2020}, {2020}]),
    st.sampled_from([True, True, False]),
    st.sampled_from([True, True, False]),
)
def test_every_row_is_that_of_the_oracle(
    model_runner: ModelRunner, drawn: list[Row], years: set[int], is_whole: bool, has_biology: bool
) -> None:
    listed = [each | {"person_id": f"p{n}"} for n, each in enumerate(drawn)]
    got = measured(
        model_runner,
        person_year=[
            {"person_id": each["person_id"], "year": 2020,
             "is_fully_observed": each["is_fully_observed"]}
            for each in listed
        ],
        person_pathology=held(*(each["person_id"] for each in listed if each["is_held"])),
        int_listed_care=[
            {"person_id": each["person_id"], "list_name": name, "care_date": day, "year": day.year}
            for each in listed
            for name, day in each["care"]
        ],
        int_hospital_time=[
            {"person_id": each["person_id"], "entry_date": start,
             "discharge_date": start + dt.timedelta(length)}
            for each in listed
            for start, length in each["stays"]
        ],
        stay_diagnosis=[
            {"person_id": each["person_id"], "year": 2020, "diagnosis_code": "Z5150"}
            for each in listed
            if each["is_palliative"]
        ],
        int_delivered_year=[
            WHOLE
            | {"year": year, "has_claims_to_end": is_whole or year < 2020,
               "has_biology": has_biology}
            for year in years
        ],
    )  # fmt: skip
    wanted = [row for each in listed for row in oracle(each, years, is_whole, has_biology)]
    assert len(got) == len(wanted)
    if wanted:
        assert_same(got.values(), wanted)
    for row in got.values():
        assert 0 <= row["num"] <= row["den"] <= 1
        assert (row["den"] == 0) == (row["excl_code"] is not None)
