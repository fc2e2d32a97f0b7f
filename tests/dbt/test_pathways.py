"""Pathways agree with what walking through each person's events month by month gives."""

from __future__ import annotations

import calendar
import datetime as dt
import random
import statistics
from collections import Counter, defaultdict
from itertools import groupby, pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_runner import ModelRunner, Row, SparkModelRunner, multiset

DAY = dt.timedelta(days=1)
ORDER = ["MCO", "PSY", "SSR", "HAD", "ED", "SPE", "GP", "NURSE", "PHARM"]
DATA = (dt.date(2018, 1, 1), dt.date(2021, 6, 30))
MODELS = (
    "int_pathway_index", "pathway_event", "pathway_state", "pathway_transition", "pathway_waiting",
    "pathway_follows", "pathway_variant",
)  # fmt: skip
CARE: dict[str, Row] = {
    "GP": {"event_type": "claim", "performer_specialty": 1},
    "SPE": {"event_type": "claim", "performer_specialty": 3},
    "NURSE": {"event_type": "claim", "performer_specialty": 0, "performer_activity": 24},
    "PHARM": {"event_type": "drug", "performer_activity": 50},
}
STAYS = {
    "I50": "heart_failure_stay", "I21": "myocardial_infarction_stay", "J44": "copd_stay",
}  # fmt: skip
Met = tuple[str, dt.date, dt.date]  # activity, from, to


class Person:
    """Somebody's stays, visits and death, and the pathways that begin with them."""

    def __init__(self, chance: random.Random) -> None:
        start = DATA[0] - 200 * DAY
        self.met: set[Met] = set()
        self.index: dict[str, tuple[dt.date, dt.date, bool]] = {}  # pathway: index, home, stay
        self.death = start + chance.randint(600, 1400) * DAY if chance.random() < 0.3 else None
        for _ in range(chance.randint(0, 25)):
            date = start + chance.randint(0, 1500) * DAY
            self.met.add((chance.choice(["GP", "SPE", "NURSE", "PHARM", "ED"]), date, date))
        self.stays: list[tuple[str, dt.date, dt.date, str]] = []
        for _ in range(chance.choice([0, 1, 1, 2, 4])):
            date = start + chance.randint(0, 1500) * DAY
            field = chance.choice(["mco", "mco", "psy", "ssr", "had"])
            end = date + chance.choice([0, 1, 5, 40, 100]) * DAY
            self.stays.append((field, date, end, chance.choice(["I500", "I211", "J449", "Z511"])))
            self.met.add((field.upper(), date, end))
        for prefix, name in STAYS.items():
            found = [(a, b) for f, a, b, code in self.stays if f == "mco" and code[:3] == prefix]
            if found:
                self.index[name] = (*min(found), True)
        self.ald = start + chance.randint(-900, 1500) * DAY if chance.random() < 0.5 else None
        if self.ald:
            self.index["ald_8"] = (self.ald, self.ald, False)

    def events(self) -> set[Met]:
        """Return the events, those of a day and activity made one, with the longest."""
        ends: dict[tuple[str, dt.date], dt.date] = {}
        for activity, start, end in self.met:
            ends[activity, start] = max(end, ends.get((activity, start), end))
        if self.death:
            ends["DEAD", self.death] = self.death
        return {(activity, start, end) for (activity, start), end in ends.items()}

    def is_incident(self, pathway: str) -> bool:
        date = self.index[pathway][0]
        washout = 0 if pathway.startswith("ald") else 365
        return DATA[0] + washout * DAY <= date <= DATA[1]


def tables(people: list[Person]) -> dict[str, list[Row]]:
    """Return the parents of the models."""
    care: list[Row] = [
        {"event_id": f"bound {n}", "event_type": "biology", "year": 2018, "known_at": date}
        for n, date in enumerate((DATA[0], DATA[1].replace(day=1)))
    ]
    visits, stays, codes, alds = [], [], [], []
    for place, person in enumerate(people):
        who = {"person_id": f"P{place}", "is_used_for_care": True, "is_used_for_persons": True}
        for number, (activity, date, _) in enumerate(sorted(person.met)):
            row = {"care_date": date, "event_id": f"{place}-{number}", "known_at": DATA[0]}
            if activity in CARE:
                care.append({"year": date.year} | row | CARE[activity] | who)
                if number % 4 == 0:  # a second line of the same day is the same event
                    care.append(care[-1] | {"event_id": f"{place}-{number}b"})
            elif activity == "ED":
                visits.append(
                    {
                        "person_id": f"P{place}", "visit_date": date, "is_counted": True,
                        "is_used_for_persons": True,
                    }
                )  # fmt: skip
        for number, (field, entry, discharge, code) in enumerate(person.stays):
            stay = {"stay_id": f"{place}-{number}", "year": discharge.year, "field": field}
            stays.append(
                stay
                | {
                    "person_id": f"P{place}", "entry_date": entry, "discharge_date": discharge,
                    "is_used_for_stays": True, "is_used_for_persons": True,
                }
            )  # fmt: skip
            codes.append(stay | {"role": "DP", "diagnosis_code": code})
            codes.append(stay | {"role": "DA", "diagnosis_code": "I64"})
        if person.ald:
            alds.append({"person_id": f"P{place}", "ald_num": 8, "start_date": person.ald})
            alds.append(
                {"person_id": f"P{place}", "ald_num": 8, "start_date": person.ald + 900 * DAY}
            )
    return {
        "care_event": care, "emergency_visit": visits, "hospital_stay": stays,
        "stay_diagnosis": codes, "ald_episode": alds,
        "person": [
            {"person_id": f"P{place}", "death_date": person.death}
            for place, person in enumerate(people)
        ],
    }  # fmt: skip


def month(date: dt.date) -> int:
    return date.year * 12 + date.month


def states(person: Person, pathway: str) -> list[str | None]:
    """Return the state of each month from 24 before the index to 36 after."""
    found: list[str | None] = []
    for offset in range(-24, 37):
        here = month(person.index[pathway][0]) + offset
        if person.death and here >= month(person.death):
            found.append("DEAD")
        elif not month(DATA[0]) <= here <= month(DATA[1]):
            found.append(None)
        else:
            met = [a for a, start, end in person.events() if month(start) <= here <= month(end)]
            found.append(next((each for each in ORDER if each in met), "NONE"))
    return found


def horizon(date: dt.date) -> dt.date:
    year = date.year + 3
    return dt.date(year, date.month, calendar.monthrange(year, date.month)[1])


def steps(person: Person, pathway: str) -> list[tuple[int, str]]:
    """Return day and activity of each step after the index, in order."""
    home = person.index[pathway][1]
    rank = {each: place for place, each in enumerate([*ORDER, "DEAD"])}
    later = [
        ((start - home).days, rank[activity], activity)
        for activity, start, _ in person.events()
        if 1 <= (start - home).days <= 180
        and month(start) - month(person.index[pathway][0]) <= 36
        and (person.death is None or start <= person.death)
    ]
    return [(0, "INDEX"), *((day, activity) for day, _, activity in sorted(later))]


def agree(made: dict[str, list[Row]], people: list[Person]) -> None:
    """Check the models' rows against those of the walk."""
    cases = [(n, person, pathway) for n, person in enumerate(people) for pathway in person.index]
    incident = [each for each in cases if each[1].is_incident(each[2])]
    assert {
        (r["person_id"], r["pathway"], r["index_date"], r["reference_date"], r["is_incident"])
        for r in made["int_pathway_index"]
    } == {
        (f"P{n}", pathway, *person.index[pathway][:2], person.is_incident(pathway))
        for n, person, pathway in cases
    }

    monthly: dict[tuple[str, str], list[str | None]] = defaultdict(list)
    for row in made["pathway_state"]:
        monthly[row["person_id"], row["pathway"]].append(row["state"])
    assert monthly == {(f"P{n}", pathway): states(person, pathway) for n, person, pathway in cases}

    passages: Counter[tuple[str, ...]] = Counter()
    for _, person, pathway in incident:
        for place, (one, other) in enumerate(pairwise(states(person, pathway))):
            if one and other:
                passages[pathway, "before" if place < 24 else "after", one, other] += 1
    assert {
        (r["pathway"], r["period"], r["from_state"], r["to_state"]): r["transition_count"]
        for r in made["pathway_transition"]
    } == passages

    waits = {}
    for n, person, pathway in cases:
        index, home, _ = person.index[pathway]
        end = min(DATA[1], horizon(index), person.death or DATA[1])
        follow_up = max((end - home).days, 0)
        for kind in [*ORDER, "DEAD"]:
            days = [(s - home).days for a, s, _ in person.events() if a == kind]
            days = [each for each in days if 1 <= each <= follow_up]
            waits[f"P{n}", pathway, kind] = (min(days, default=None), follow_up)
    assert {
        (r["person_id"], r["pathway"], r["activity"]): (r["days_to"], r["follow_up_days"])
        for r in made["pathway_waiting"]
    } == waits

    follows: dict[tuple[str, str, str], list[tuple[int, int]]] = defaultdict(list)
    variants: Counter[tuple[str, str]] = Counter()
    for n, person, pathway in incident:
        walked = steps(person, pathway)
        for (day, one), (next_day, other) in pairwise(walked):
            follows[pathway, one, other].append((n, next_day - day))
        collapsed = [activity for activity, _ in groupby(walked, key=lambda step: step[1])]
        variants[pathway, ">".join(collapsed[:10]) + (">…" if len(collapsed) > 10 else "")] += 1
    assert {
        (r["pathway"], r["from_activity"], r["to_activity"]): (
            r["event_count"], r["case_count"], r["median_days"]
        )
        for r in made["pathway_follows"]
    } == {
        key: (len(pairs), len({n for n, _ in pairs}), statistics.median(d for _, d in pairs))
        for key, pairs in follows.items()
    }  # fmt: skip
    for row in made["pathway_follows"]:
        key = (row["pathway"], row["from_activity"], row["to_activity"])
        days = sorted(d for _, d in follows[key])
        place = 0.9 * (len(days) - 1)
        low = int(place)
        high = min(low + 1, len(days) - 1)
        ninth = days[low] + (place - low) * (days[high] - days[low])
        assert row["p90_days"] == pytest.approx(ninth)
    assert {
        (r["pathway"], r["variant"]): r["case_count"] for r in made["pathway_variant"]
    } == variants
    for pathway in {pathway for pathway, _ in variants}:
        rows = [r for r in made["pathway_variant"] if r["pathway"] == pathway]
        rows.sort(key=lambda r: r["variant_rank"])
        assert [r["variant_rank"] for r in rows] == list(range(1, len(rows) + 1))
        assert [r["case_count"] for r in rows] == sorted(
            (r["case_count"] for r in rows), reverse=True
        )
        assert rows[-1]["coverage"] == pytest.approx(1)


@settings(
    max_examples=4, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(seed=st.integers(0, 10**9))
def test_pathways_are_what_walking_through_each_event_gives(
    model_runner: ModelRunner, seed: int
) -> None:
    chance = random.Random(seed)
    people = [Person(chance) for _ in range(30)]
    agree(model_runner.run_all(MODELS, tables(people)), people)


def test_rows_in_another_order_give_the_same_pathways(model_runner: ModelRunner) -> None:
    chance = random.Random(8)
    given_rows = tables([Person(chance) for _ in range(30)])
    before = model_runner.run_all(MODELS, given_rows)
    for rows in given_rows.values():
        chance.shuffle(rows)
    assert model_runner.run_all(MODELS, given_rows) == before


@pytest.mark.spark
def test_pathways_are_the_same_on_both_engines(
    model_runner: ModelRunner, spark_model_runner: SparkModelRunner
) -> None:
    chance = random.Random(9)
    given_rows = tables([Person(chance) for _ in range(15)])
    ours = model_runner.run_all(MODELS, given_rows)
    theirs = spark_model_runner.run_all(MODELS, given_rows)
    for name in MODELS:
        assert len(ours[name]) > 5
        assert multiset(theirs[name]) == multiset(ours[name]), name


def alone(model_runner: ModelRunner, name: str, **tables_given: list[Row]) -> list[Row]:
    """Return a model's rows for one person with an ALD 8 from March 2020, in data 2018 to 2021."""
    bounds = [
        {"event_id": "a", "event_type": "biology", "year": 2018, "known_at": "2018-01-01"},
        {"event_id": "b", "event_type": "biology", "year": 2021, "known_at": "2021-06-01"},
    ]
    rows: dict[str, Any] = {
        "ald_episode": [{"person_id": "P", "ald_num": 8, "start_date": "2020-03-10"}],
        "person": [{"person_id": "P"}],
    } | tables_given
    rows["care_event"] = bounds + rows.get("care_event", [])
    return model_runner.run(name, rows)


def seen(date: str, **more: Any) -> Row:
    return {
        "event_id": date, "event_type": "claim", "year": 2020, "person_id": "P", "care_date": date,
        "performer_specialty": 1, "known_at": "2020-06-01", "is_used_for_care": True,
        "is_used_for_persons": True,
    } | more  # fmt: skip


def test_an_empty_month_is_seen_and_an_unseen_month_is_missing(model_runner: ModelRunner) -> None:
    rows = {r["month_offset"]: r for r in alone(model_runner, "pathway_state")}
    assert len(rows) == 61
    assert rows[0]["state"] == rows[15]["state"] == "NONE"
    assert (rows[16]["state"], rows[16]["missing_reason"]) == (None, "after_data")
    assert (rows[-24]["state"], rows[-24]["missing_reason"]) == ("NONE", None)
    early = [{"person_id": "P", "ald_num": 8, "start_date": "2019-12-10"}]
    rows = {r["month_offset"]: r for r in alone(model_runner, "pathway_state", ald_episode=early)}
    assert rows[-24]["missing_reason"] == "before_data" and rows[-23]["state"] == "NONE"


def test_the_dead_are_dead_whether_or_not_the_data_go_on(model_runner: ModelRunner) -> None:
    dead = [{"person_id": "P", "death_date": "2021-06-30"}]
    rows = alone(model_runner, "pathway_state", person=dead, care_event=[seen("2021-06-02")])
    by_month = {r["month_offset"]: r["state"] for r in rows}
    assert (by_month[14], by_month[15], by_month[36]) == ("NONE", "DEAD", "DEAD")


def test_care_that_is_left_out_gives_no_state(model_runner: ModelRunner) -> None:
    care = [
        seen("2020-04-01", is_used_for_care=False),
        seen("2020-05-01", is_used_for_persons=None),
        seen("2020-06-01", performer_specialty=30),
        seen("2020-07-01", performer_specialty=None),
        seen("2020-08-01"),
    ]
    rows = alone(model_runner, "pathway_state", care_event=care)
    by_month = {r["month_offset"]: r["state"] for r in rows}
    assert [by_month[n] for n in range(1, 6)] == ["NONE", "NONE", "NONE", "NONE", "GP"]


def test_a_wait_is_from_the_day_after_or_missing_with_a_reason(model_runner: ModelRunner) -> None:
    care = [seen("2020-03-10"), seen("2020-03-17"), seen("2020-03-20", performer_specialty=3)]
    rows = alone(model_runner, "pathway_waiting", care_event=care)
    waits = {r["activity"]: (r["days_to"], r["missing_reason"]) for r in rows}
    assert (waits["GP"], waits["SPE"]) == ((7, None), (10, None))
    assert waits["PHARM"] == (None, "end_of_data")
    dead = [{"person_id": "P", "death_date": "2020-03-15"}]
    rows = alone(model_runner, "pathway_waiting", care_event=care, person=dead)
    waits = {r["activity"]: (r["days_to"], r["missing_reason"]) for r in rows}
    assert (waits["GP"], waits["DEAD"]) == ((None, "death"), (5, None))
