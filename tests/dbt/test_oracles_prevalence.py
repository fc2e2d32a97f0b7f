"""Prevalence and incidence: a plain second reading, person by person."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_runner import ModelRunner, SparkModelRunner, multiset

Row = dict[str, Any]
YEAR = 2015
START, END = dt.date(YEAR, 1, 1), dt.date(YEAR, 12, 31)
# Established, doubtful, before its coverage, unknown to the list, missing.
SCHEMES = {"01C": "established", "03A": "doubtful", "09A": "before_coverage",
           "77X": "coverage_unknown", None: "scheme_unknown"}  # fmt: skip
COVERAGE = [
    {"scheme_group": "01", "ald_from_year": 2005, "ald_doubtful_to_year": 2005},
    {"scheme_group": "03", "ald_from_year": 2014, "ald_doubtful_to_year": 2016},
    {"scheme_group": "09", "ald_from_year": 2020, "ald_doubtful_to_year": None},
]
days = st.integers(-900, 1100).map(lambda n: START + dt.timedelta(days=n))
episodes = st.builds(
    lambda number, start, length: {"ald_num": number, "start": start,
                                   "end": None if length is None else start + length},
    st.sampled_from([5, 8, 32, 99]), days,
    st.none() | st.integers(-40, 500).map(lambda n: dt.timedelta(days=n)),
)  # fmt: skip
persons = st.fixed_dictionaries({
    "episodes": st.lists(episodes, max_size=3),
    "death": st.none() | days,
    "scheme": st.sampled_from(list(SCHEMES)),
    "is_consumer": st.booleans(),
    "tops": st.lists(st.sampled_from([("top_A", "G6-like"), ("top_B", "G6-like"),
                                      ("top_A", "G9-like")]), unique=True, max_size=3),
})  # fmt: skip


def observed(person: Row) -> int:
    """Return the days of the year that the person is seen."""
    last = min(person["death"] or END, END)
    return max((last - START).days + 1, 0)


def tables(people: list[Row]) -> dict[str, list[Row]]:
    """Return the raw of the measures: `ald_year` itself is run."""
    made: dict[str, list[Row]] = {
        "ald_episode": [], "int_death": [], "person_year": [], "person_pathology": [],
        "ref_scheme": COVERAGE, "care_event": [],
    }  # fmt: skip
    for number, person in enumerate(people):
        who = f"p{number}"
        made["ald_episode"] += [
            {"person_id": who, "ald_num": e["ald_num"], "start_date": e["start"],
             "end_date": e["end"]}
            for e in person["episodes"]
        ]  # fmt: skip
        if person["death"]:
            made["int_death"].append({"person_id": who, "death_date": person["death"]})
        made["person_year"].append(
            {"person_id": who, "year": YEAR, "scheme": person["scheme"],
             "is_consumer": person["is_consumer"], "observed_days": observed(person),
             "death_date": person["death"] if (person["death"] or END) < END else None}
        )  # fmt: skip
        made["person_pathology"] += [
            {"person_id": who, "year": YEAR, "top": top, "carto_version": version}
            for top, version in person["tops"]
        ]
    return made


def held(person: Row, number: int, day: dt.date) -> bool:
    """Say whether an ALD of a number is in force on a day and the person alive."""
    return (person["death"] is None or day <= person["death"]) and any(
        e["ald_num"] == number
        and e["start"] <= day
        and (e["end"] is None or day <= max(e["end"], e["start"]))
        for e in person["episodes"]
    )


def prevalence(people: list[Row]) -> set[tuple[str, str, str]]:
    """Return (person, measure, condition), looking at each day of the year."""
    found = set()
    year = [START + dt.timedelta(days=n) for n in range((END - START).days + 1)]
    for number, person in enumerate(people):
        who = f"p{number}"
        for ald in (5, 8, 32, 99):
            names = ["ald"] if ald == 99 else ["ald", f"ald_{ald:02d}"]
            if any(held(person, ald, day) for day in year):
                found |= {(who, "ald_prevalence", name) for name in names}
            # Who dies on the last day is not alive at its end.
            if held(person, ald, END) and person["death"] != END:
                found |= {(who, "ald_prevalence_31_12", name) for name in names}
        found |= {
            (who, "pathology_prevalence", top.lower())
            for top, version in person["tops"]
            if version == "G6-like"
        }
        # Everybody for populations; consumers alone over consumers.
        of_ald = {(p, f"{m}_population", c) for p, m, c in found if p == who and "ald" in m}
        if not person["is_consumer"]:
            found -= {row for row in found if row[0] == who}
        found |= of_ald
    return found


def incidence(people: list[Row]) -> dict[tuple[str, str, str], tuple[float, Any, Any]]:
    """Return numerator, denominator and exclusion by person, measure and condition."""
    found: dict[tuple[str, str, str], tuple[float, Any, Any]] = {}
    for number, person in enumerate(people):
        who, status = f"p{number}", SCHEMES[person["scheme"]]
        is_told = status in ("established", "doubtful")
        numbered = [e for e in person["episodes"] if e["ald_num"] != 99 and e["start"] <= END]
        starts = {
            name: min(e["start"] for e in numbered if name in (0, e["ald_num"]))
            for name in {0} | {e["ald_num"] for e in numbered}
            if numbered
        }
        for ald, start in starts.items():
            if start >= START and (person["death"] is None or person["death"] >= start):
                name = f"ald_{ald:02d}" if ald else "ald"
                row = (1, None, None) if is_told else (0, 0, status)
                found[(who, "ald_incidence_population", name)] = row
                if person["is_consumer"]:
                    found[(who, "ald_incidence", name)] = row
        first = starts.get(0)
        if not person["is_consumer"] or (first and first < START):
            continue
        has_entered = first is not None and (who, "ald_incidence_population", "ald") in found
        seen = observed(person)
        if has_entered:
            assert first is not None
            seen = (first - START).days + 1
        if not is_told or observed(person) == 0:
            found[(who, "ald_entry_at_risk", "all")] = (0, 0, "not_observed" if is_told else status)
        else:
            found[(who, "ald_entry_at_risk", "all")] = (int(has_entered), seen / 365.25, None)
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(people=st.lists(persons, min_size=1, max_size=6))
def test_measures_are_those_of_a_plain_reading(
    people: list[Row], model_runner: ModelRunner
) -> None:
    check(model_runner, people)


def check(runner: ModelRunner, people: list[Row]) -> None:
    found = runner.run_all(["measure_prevalence", "measure_incidence"], tables(people), year=YEAR)
    rows = found["measure_prevalence"]
    assert all((r["num"], r["den"], r["excl_code"], r["unit_id"]) == (1, None, None, "")
               for r in rows)  # fmt: skip
    keys = [(r["person_id"], r["measure"], r["condition"]) for r in rows]
    assert len(keys) == len(set(keys))
    assert set(keys) == prevalence(people)
    wanted = incidence(people)
    got = {
        (r["person_id"], r["measure"], r["condition"]): (r["num"], r["den"], r["excl_code"])
        for r in found["measure_incidence"]
    }
    assert len(got) == len(found["measure_incidence"])
    assert set(got) == set(wanted)
    for key, (num, den, code) in wanted.items():
        assert got[key][0::2] == (num, code), key
        assert got[key][1] == (den if den is None else pytest.approx(den, rel=1e-12)), key


def somebody(*spells: tuple[int, str, str | None], **known: Any) -> Row:
    made = [
        {"ald_num": number, "start": dt.date.fromisoformat(start),
         "end": end and dt.date.fromisoformat(end)}
        for number, start, end in spells
    ]  # fmt: skip
    return {"episodes": made, "death": None, "scheme": "01C", "is_consumer": True, "tops": []} | (
        known
    )


CASES = [
    somebody((8, "2015-12-31", None)),
    somebody((8, "2000-01-01", "2015-01-01")),
    somebody((8, "2000-01-01", None), death=dt.date(2015, 12, 31)),
    somebody((8, "2000-01-01", None), death=dt.date(2014, 12, 31)),
    somebody((8, "2015-03-01", None), death=dt.date(2015, 2, 28)),
    somebody((99, "2015-03-01", None), (5, "2015-06-01", None)),
    somebody((5, "2010-01-01", "2011-01-01"), (8, "2015-02-01", None), tops=[("top_A", "G6-like")]),
    somebody((8, "2015-03-01", None), scheme="09A", is_consumer=False),
    somebody(death=dt.date(2014, 6, 1)),
]


def test_the_cases_that_definitions_turn_on(model_runner: ModelRunner) -> None:
    check(model_runner, CASES)
    found = prevalence(CASES)
    both = {"ald_prevalence", "ald_prevalence_31_12"}
    assert {m for p, m, c in found if p == "p0"} == both | {f"{name}_population" for name in both}
    assert {m for p, m, c in found if p in ("p1", "p2")} == {
        "ald_prevalence", "ald_prevalence_population"
    }  # fmt: skip
    assert not {m for p, m, c in found if p in ("p3", "p4")}


def test_a_person_more_changes_no_other_row(model_runner: ModelRunner) -> None:
    few = model_runner.run_all(["measure_prevalence", "measure_incidence"], tables(CASES[:5]), YEAR)
    more = model_runner.run_all(["measure_prevalence", "measure_incidence"], tables(CASES), YEAR)
    for name, rows in few.items():
        kept = [r for r in more[name] if int(r["person_id"][1:]) < 5]
        assert multiset(kept) == multiset(rows)


def test_both_engines_agree(
    model_runner: ModelRunner, spark_model_runner: SparkModelRunner
) -> None:
    names, given_rows = ["measure_prevalence", "measure_incidence"], tables(CASES)
    ours = model_runner.run_all(names, given_rows, YEAR)
    theirs = spark_model_runner.run_all(names, given_rows, YEAR)
    for name in names:
        assert multiset(theirs[name]) == multiset(ours[name])
