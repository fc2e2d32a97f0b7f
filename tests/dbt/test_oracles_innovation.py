"""The uptake of innovative treatments, person by person and department by department."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_runner import ModelRunner, Row
from oracle_tools import assert_same

DEPARTMENTS = ("01", "02", "03")
START, END = 2018, 2020
DAYS = [
    dt.date(2018, 6, 30), dt.date(2018, 7, 1), dt.date(2018, 7, 31), dt.date(2019, 2, 1),
    dt.date(2019, 12, 31), dt.date(2020, 1, 1), dt.date(2020, 12, 31), dt.date(2021, 1, 1),
]  # fmt: skip

# A group: where they live, how many, when they take the treatment up, if they do.
groups = st.tuples(
    st.sampled_from([*DEPARTMENTS, None]),
    st.integers(1, 30),
    st.sampled_from([None, *DAYS]),
    st.sampled_from([True, True, True, False]),
)


def people_of(listed: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Return the people of groups, each with a name."""
    return [
        {"name": f"{g}-{n}", "department": department, "first": first, "is_consumer": consumes}
        for g, (department, size, first, consumes) in enumerate(listed)
        for n in range(size)
    ]


def oracle(listed: list[dict[str, Any]]) -> list[Row]:
    """Return the uptake of one treatment by department, walking over the takers in order."""
    inhabitants: dict[str | None, int] = defaultdict(int)
    for one in listed:
        inhabitants[one["department"]] += one["is_consumer"]
    country = sum(inhabitants.values())
    takers = sorted(
        (one["first"], one["department"] or "")
        for one in listed
        if one["first"] and one["first"] <= dt.date(END, 12, 31)
    )
    first = takers[0][0] if takers else None
    found = []
    for department in DEPARTMENTS:
        own = [day for day, where in takers if where == department]
        here = inhabitants[department]
        reached = None
        for place, day in enumerate(own, 1):
            if here and country and place / here * 2 >= len(takers) / country - 1e-12:
                reached = day
                break
        reason = None
        if here == 0:
            reason = "no_consumer"
        elif first is None:
            reason = "no_use"
        elif first < dt.date(START, 7, 1):
            reason = "older_than_data"
        elif (END - first.year) * 12 + 12 - first.month < 12:
            reason = "too_recent"
        elif len(takers) / country * here / 2 < 10 - 1e-12:
            reason = "too_few_expected"
        elif reached is None:
            reason = "not_reached"
        months = None
        if reason is None and first is not None and reached is not None:
            months = (reached.year - first.year) * 12 + reached.month - first.month
        found.append(
            {
                "treatment": "new", "department": department, "reason": reason,
                "months_to_half": months, "user_count": len(own), "population": here,
                "country_user_count": len(takers), "country_population": country,
                "level": len(own) / here if here else None,
                "reached_month": reached.replace(day=1) if reached and reason is None else None,
                "first_use_month": first.replace(day=1) if first else None,
                "reference_date": dt.date(END, 12, 31),
            }
        )  # fmt: skip
    return found


def tables(listed: list[dict[str, Any]]) -> dict[str, list[Row]]:
    """Return the parents of the model: who takes it up does so again every year after."""
    return {
        "ref_department": [{"department": each} for each in DEPARTMENTS],
        "ref_innovation": [{"treatment": "new", "atc_prefix": "A10BK", "is_excluded": False}],
        "int_delivered_year": [
            {
                "year": year, "has_claims": year >= START,
                "has_claims_to_end": year <= END,
            }
            for year in range(START - 1, END + 2)
        ],
        "person_year": [
            {
                "person_id": one["name"], "year": year, "department": one["department"],
                "is_consumer": one["is_consumer"],
            }
            for one in listed
            for year in range(START, END + 2)
        ],
        "int_innovation_use": [
            {
                "person_id": one["name"], "year": year, "treatment": "new",
                "first_date": one["first"] if year == one["first"].year else dt.date(year, 1, 9),
            }
            for one in listed
            if one["first"]
            for year in range(one["first"].year, END + 2)
        ],
    }  # fmt: skip


@settings(max_examples=35, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(groups, max_size=8))
def test_uptake_is_that_of_a_walk_over_the_takers(
    model_runner: ModelRunner, listed: list[tuple[Any, ...]]
) -> None:
    given_people = people_of(listed)
    found = model_runner.run("innovation_uptake", tables(given_people))
    assert_same(found, oracle(given_people))


def test_a_department_reaches_half_in_the_month_of_its_half_taker(
    model_runner: ModelRunner,
) -> None:
    """Forty of eighty people take it up: half the level is a quarter, ten of forty in each half."""
    early = [("01", 9, DAYS[1], True), ("01", 1, DAYS[3], True), ("01", 30, None, True)]
    late = [("02", 9, DAYS[2], True), ("02", 21, DAYS[5], True), ("02", 10, None, True)]
    rows = model_runner.run("innovation_uptake", tables(people_of(early + late)))
    assert [(row["department"], row["months_to_half"], row["reason"]) for row in rows] == [
        ("01", 7, None), ("02", 18, None), ("03", None, "no_consumer"),
    ]  # fmt: skip


def test_the_whole_country_never_reaches_half_after_all_its_departments(
    model_runner: ModelRunner,
) -> None:
    """One department alone is the country: it reaches half with half of its own takers."""
    alone = [("01", 10, DAYS[1], True), ("01", 10, DAYS[4], True), ("01", 5, None, True)]
    rows = model_runner.run("innovation_uptake", tables(people_of(alone)))
    assert (rows[0]["months_to_half"], rows[0]["level"]) == (0, 0.8)


sick = st.fixed_dictionaries(
    {
        "tops": st.lists(
            st.sampled_from(["top_FDiabet_ind", "top_CvIC_chr", "top_Materni_ind"]), unique=True
        ),
        "given": st.lists(st.sampled_from(["sglt2", "glp1", "arni", "dupilumab"]), unique=True),
        "year": st.sampled_from([2020, 2020, 2019]),
    }
)
ELIGIBLE = {
    "sglt2": {"top_FDiabet_ind", "top_CvIC_chr", "top_CvIC_aig"},
    "glp1": {"top_FDiabet_ind"},
    "arni": {"top_CvIC_chr", "top_CvIC_aig"},
}


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(sick, min_size=1, max_size=6))
def test_measures_of_innovation_are_those_of_the_prose(
    model_runner: ModelRunner, listed: list[dict[str, Any]]
) -> None:
    both = [(f"P{place}", one) for place, one in enumerate(listed)]
    wanted = []
    for name, one in both:
        if one["year"] != 2020:
            continue
        row = {"person_id": name, "year": 2020, "unit_id": "", "excl_code": None}
        for treatment in one["given"]:
            of = f"treatment_{treatment}"
            wanted.append(
                row | {"measure": "innovation_users", "condition": of, "num": 1.0, "den": None}
            )
        for treatment, tops in ELIGIBLE.items():
            if tops & set(one["tops"]):
                wanted.append(
                    row
                    | {"measure": "innovation_eligible", "condition": f"treatment_{treatment}"}
                    | {"num": float(treatment in one["given"]), "den": 1.0}
                )
    found = model_runner.run(
        "measure_innovation",
        {
            "person_year": [{"person_id": name, "year": one["year"]} for name, one in both],
            "int_innovation_use": [
                {"person_id": name, "year": 2020, "treatment": each}
                for name, one in both
                for each in one["given"]
            ],
            "person_pathology": [
                {"person_id": name, "year": 2020, "carto_version": version, "top": top}
                for name, one in both
                for top in one["tops"]
                for version in ("G6-like", "G9-like")
            ],
            "ref_innovation_eligible": [
                {"treatment": treatment, "top": top}
                for treatment, tops in ELIGIBLE.items()
                for top in sorted(tops)
            ],
        },
        year=2020,
    )
    assert len(found) == len(wanted)
    if wanted:
        assert_same(found, wanted)
