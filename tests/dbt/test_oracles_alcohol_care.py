"""Care for alcohol use disorders told person by person and stay by stay, from its prose."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_runner import ModelRunner, Row
from oracle_tools import assert_same

YEAR = 2020
DAY = dt.timedelta(days=1)
FIRST = dt.date(2020, 3, 1)
# Around the ends of the windows that open at a discharge ten days after the first entry, and around
# the ends of the year.
STARTS = [FIRST + days * DAY for days in (0, 10, 11, 40, 41)] + [
    dt.date(2019, 12, 26), dt.date(2020, 10, 1), dt.date(2020, 12, 1), dt.date(2020, 12, 25),
    dt.date(2022, 1, 5),
]  # fmt: skip
DEATHS = [FIRST + days * DAY for days in (40, 41, 100, 101)] + [dt.date(2021, 1, 20)]
CODES = ("F100", "F102", "K703", "Z502", "I500")
SIGNS = ("F10", "K70", "Z502")
DEPENDENCE = ("F102", "Z502")

any_stay = st.fixed_dictionaries(
    {
        "field": st.sampled_from(["mco", "mco", "psy", "ssr", "had"]),
        "entry": st.sampled_from(STARTS),
        "nights": st.sampled_from([0, 10, 10, 60]),
        "exit_mode": st.sampled_from(["8", "8", None, "6", "9"]),
        "is_full_stay": st.sampled_from([True, True, False]),
        "is_session": st.sampled_from([False, False, None, True]),
        "is_used": st.sampled_from([True, True, True, False]),
        "role": st.sampled_from(["DP", "DP", "DA"]),
        "code": st.sampled_from(CODES),
    }
)
# Most stays are of those that something must follow, or few examples would be of use.
EXITS = ("8", "8", "8", "8", None, "6", "7", "0", "9")
alcohol_stay = st.fixed_dictionaries(
    {
        "field": st.sampled_from(["mco", "psy"]),
        "entry": st.sampled_from(STARTS),
        "nights": st.just(10),
        "exit_mode": st.sampled_from(EXITS),
        "is_full_stay": st.just(True),
        "is_session": st.just(False),
        "is_used": st.just(True),
        "role": st.just("DP"),
        "code": st.sampled_from(["F100", "F102"]),
    }
)
rehabilitation = alcohol_stay.map(lambda stay: stay | {"field": "ssr"})
stays = st.one_of(alcohol_stay, alcohol_stay, rehabilitation, any_stay)
people = st.fixed_dictionaries(
    {
        "age_years": st.sampled_from([None, 17, 18, 50, 50, 50]),
        "is_fully_observed": st.booleans(),
        "death": st.sampled_from([None, None, None, *DEATHS]),
        "is_known_disorder": st.sampled_from([False, False, True]),
        "stays": st.lists(stays, max_size=4),
        "contacts": st.lists(
            st.tuples(
                st.sampled_from(STARTS), st.sampled_from([0, 1, 30, 31, 41, 90, 91]), st.booleans()
            ),
            max_size=3,
        ),
        "drugs": st.lists(
            st.tuples(
                st.sampled_from(STARTS), st.sampled_from([0, 30, 90, 91, 100]),
                st.sampled_from(["N07BB03", "N07BC02"]), st.sampled_from([0, 1, 1]),
            ),
            max_size=3,
        ),
    }
)  # fmt: skip
# What is delivered: this year to its end, the next one to a month of it, or not at all.
ends = st.sampled_from([None, dt.date(2021, 1, 31), dt.date(2021, 12, 31)])


def stays_of(name: str, person: dict[str, Any]) -> list[Row]:
    """Return the stays of a person, as hospital_stay holds them, with their diagnosis."""
    found = []
    for place, one in enumerate(person["stays"]):
        leaves = one["entry"] + one["nights"] * DAY
        found.append(
            {
                "person_id": name, "stay_id": f"{name}-{place}", "year": leaves.year,
                "field": one["field"], "finess": f"h{place}", "entry_date": one["entry"],
                "discharge_date": leaves, "exit_mode": one["exit_mode"],
                "is_full_stay": one["is_full_stay"], "is_session": one["is_session"],
                "is_used_for_stays": one["is_used"], "is_used_for_persons": one["is_used"],
                "role": one["role"], "diagnosis_code": one["code"],
            }
        )  # fmt: skip
    return found


def oracle(name: str, person: dict[str, Any], end: dt.date | None) -> list[Row]:
    """Return the measures of a person."""
    found: list[Row] = []

    def add(
        measure: str, num: float, den: float | None, reason: str | None, stay: Row | None = None
    ) -> None:
        found.append(
            {
                "person_id": name, "year": YEAR, "measure": measure, "condition": "all",
                "unit_id": stay["stay_id"] if stay else "",
                "finess": stay["finess"] if stay else None,
                "num": float(num) if reason is None else 0.0,
                "den": den if reason is None else 0.0, "excl_code": reason,
            }
        )  # fmt: skip

    adult = person["age_years"] is not None and person["age_years"] >= 18
    told = [stay for stay in stays_of(name, person) if stay["is_used_for_stays"]]
    here = [stay for stay in told if stay["year"] == YEAR]
    drug_days = sorted(
        start + days * DAY
        for start, days, code, boxes in person["drugs"]
        if code.startswith("N07BB") and boxes > 0
    )
    contact_days = [start + days * DAY for start, days, is_gp in person["contacts"] if is_gp]
    treated = any(day.year == YEAR for day in drug_days)
    known = person["is_known_disorder"]
    if known or treated or any(s["diagnosis_code"].startswith(SIGNS) for s in here):
        add("alcohol_identified", 1, None, None)

    def for_alcohol(stay: Row) -> bool:
        return (
            stay["field"] in ("mco", "psy") and stay["is_full_stay"] and not stay["is_session"]
            and stay["role"] == "DP" and stay["diagnosis_code"].startswith("F10")
        )  # fmt: skip

    alcohol = [stay for stay in told if for_alcohol(stay)]
    leaving = [stay for stay in alcohol if stay["year"] == YEAR]
    if leaving:
        add("alcohol_stays", len(leaving), None, None)
    dead_in_year = person["death"] is not None and person["death"].year == YEAR
    if adult and (known or any(s["diagnosis_code"].startswith(DEPENDENCE) for s in here)):
        reason = "died" if dead_in_year else None if person["is_fully_observed"] else "not_observed"
        add("alcohol_drug_treated", treated, 1.0, reason)
    last = end or dt.date(2020, 12, 31)  # never 2022, which is another year's
    for stay in leaving if adult else []:
        left = stay["discharge_date"]

        def within(days: list[dt.date], first: int, to: int, left: dt.date = left) -> bool:
            return any(first <= (day - left).days <= to for day in days)

        rehabilitation = [other["entry_date"] for other in told if other["field"] == "ssr"]
        again = [other["entry_date"] for other in alcohol]
        for measure, done, to, keeps in (
            ("alcohol_gp_30", within(contact_days, 1, 30), 30, False),
            ("alcohol_drug_90", within(drug_days, 0, 90), 90, False),
            ("alcohol_rehabilitation_30", within(rehabilitation, 0, 30), 30, True),
            ("alcohol_return_30", within(again, 1, 30), 30, False),
        ):
            reason = None
            if stay["exit_mode"] == "9":
                reason = "died_in_stay"
            elif stay["exit_mode"] in ("0", "6", "7") and not keeps:
                reason = "transferred"
            elif (last - left).days < to:
                reason = "no_follow_up"
            elif person["death"] is not None and (person["death"] - left).days <= to:
                reason = "died_after"
            add(measure, done, 1.0, reason, stay)
    return found


def tables(listed: list[dict[str, Any]], end: dt.date | None) -> dict[str, list[Row]]:
    """Return the parents of the model for people named by their place."""
    both = [(f"P{place}", one) for place, one in enumerate(listed)]
    all_stays = [stay for name, one in both for stay in stays_of(name, one)]
    next_year = [] if end is None else [{"year": 2021, "claims_to": end, "stays_to": end}]
    parts = ("person_id", "stay_id", "year", "field", "role", "diagnosis_code", "is_used_for_stays")
    return {
        "int_delivered_year": [
            {"year": 2020, "claims_to": dt.date(2021, 6, 30), "stays_to": dt.date(2020, 12, 31)},
            {"year": 2022, "claims_to": dt.date(2022, 12, 31), "stays_to": dt.date(2022, 12, 31)},
            *next_year,
        ],
        "person_year": [
            {
                "person_id": name, "year": YEAR, "age_years": one["age_years"],
                "is_fully_observed": one["is_fully_observed"],
                "death_date": one["death"] if one["death"] and one["death"].year == YEAR else None,
            }
            for name, one in both
        ]
        + [{"person_id": name, "year": 2019, "age_years": 50} for name, _ in both],
        "int_death": [
            {"person_id": name, "death_date": one["death"]} for name, one in both if one["death"]
        ],
        "hospital_stay": [
            {column: value for column, value in stay.items() if column not in parts[4:6]}
            for stay in all_stays
        ],
        "stay_diagnosis": [{column: stay[column] for column in parts} for stay in all_stays],
        "int_doctor_contact": [
            {
                "person_id": name, "year": (start + days * DAY).year,
                "contact_date": start + days * DAY, "is_general_practitioner": is_gp,
                "doctor_id": str(number),
            }
            for name, one in both
            for number, (start, days, is_gp) in enumerate(one["contacts"])
        ],
        "drug_dispensing": [
            {
                "person_id": name, "year": (start + days * DAY).year, "box_count": boxes,
                "dispensing_date": start + days * DAY, "atc_class": code,
                "is_used_for_exposure": True,
            }
            for name, one in both
            for start, days, code, boxes in one["drugs"]
        ],
        "int_drug_reference": [
            {"code_system": "cip13", "code": code, "atc_class": code}
            for code in ("N07BB03", "N07BC02")
        ],
        "person_pathology": [
            {
                "person_id": name, "year": year, "carto_version": version,
                "top": "sup_PAddTab_ind" if is_here and not one["is_known_disorder"]
                else "sup_PAddAlc_ind",
            }
            for name, one in both
            # Of another year, or of another version, it says nothing.
            for year, version, is_here in (
                (YEAR, "G6-like", True), (YEAR, "G9-like", False), (2019, "G6-like", False),
            )
        ],
    }  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(people, min_size=1, max_size=40), ends)
def test_measures_of_alcohol_care_are_those_of_the_prose(
    model_runner: ModelRunner, listed: list[dict[str, Any]], end: dt.date | None
) -> None:
    found = model_runner.run("measure_alcohol_care", tables(listed, end), year=YEAR)
    wanted = [row for place, one in enumerate(listed) for row in oracle(f"P{place}", one, end)]
    assert len(found) == len(wanted)
    if wanted:
        assert_same(found, wanted)


def test_windows_end_where_they_say_and_cross_the_year(model_runner: ModelRunner) -> None:
    """A return that ends next year, two rehabilitations, death on the last day and after it."""
    index = {
        "field": "mco", "entry": FIRST, "nights": 10, "exit_mode": "8", "is_full_stay": True,
        "is_session": False, "is_used": True, "role": "DP", "code": "F100",
    }  # fmt: skip
    alone = {
        "age_years": 50, "is_fully_observed": True, "death": None, "is_known_disorder": False,
        "stays": [index], "contacts": [], "drugs": [],
    }  # fmt: skip
    december = index | {"entry": dt.date(2020, 12, 1)}
    again = index | {"entry": dt.date(2020, 12, 25)}
    soon, later = (
        index | {"field": "ssr", "entry": FIRST + days * DAY, "code": "Z502"} for days in (11, 90)
    )
    cases = [
        alone | {"stays": [december, again]},
        alone | {"stays": [index, soon, later]},
        *(alone | {"death": FIRST + days * DAY} for days in (40, 41, 100, 101)),
    ]
    end = dt.date(2021, 12, 31)
    found = model_runner.run("measure_alcohol_care", tables(cases, end), year=YEAR)
    assert_same(
        found, [row for place, one in enumerate(cases) for row in oracle(f"P{place}", one, end)]
    )
    told = {(row["person_id"], row["measure"]): row for row in found if row["unit_id"]}
    assert told["P0", "alcohol_return_30"]["num"] == 1
    assert told["P1", "alcohol_rehabilitation_30"]["num"] == 1
    assert [told[f"P{n}", "alcohol_gp_30"]["excl_code"] for n in (2, 3, 4, 5)] == [
        "died_after", None, None, None,
    ]  # fmt: skip
    assert [told[f"P{n}", "alcohol_drug_90"]["excl_code"] for n in (2, 3, 4, 5)] == [
        "died_after", "died_after", "died_after", None,
    ]  # fmt: skip
