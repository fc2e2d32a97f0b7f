"""Use of the emergency room, told a second time, before and since the reform of its fees."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_runner import ModelRunner
from oracle_tools import Row, assert_same, draw, shuffled


def measures(
    year: int,
    people: list[Row],
    visits: list[Row],
    events: list[Row],
    acts: list[Row],
    contacts: list[Row],
) -> list[Row]:
    """Return the rows of the measure table."""
    known = {p["person_id"]: p["is_consumer"] for p in people if p["year"] == year}
    kept = [
        visit
        for visit in visits
        if visit["year"] == year
        and visit["person_id"] in known
        and visit["is_counted"]
        and visit["is_used_for_persons"]
        and visit["visit_date"] is not None
    ]
    seen = [
        each
        for each in contacts
        if each["is_general_practitioner"] and each["year"] in (year - 1, year)
    ]
    first = min((each["contact_date"] for each in seen), default=None)
    severe_days = {
        (event["person_id"], event["care_date"])
        for event in events
        if event["year"] == year
        and event["event_type"] == "claim"
        and event["is_used_for_care"]
        and event["prestation_code"] in (1098, 1099)
    }
    severe_visits = {
        f"outpatient-{year}-{act['finess']}-{act['sequence_number']}"
        for act in acts
        if act["table_year"] == year and (act["act_code"] or "").strip().upper() == "SU3"
    }
    found: list[Row] = []

    def tell(
        person: str,
        measure: str,
        unit: str,
        finess: str | None,
        num: int,
        den: int | None,
        reason: str | None = None,
    ) -> None:
        found.append({
            "person_id": person, "year": year, "measure": measure, "condition": "all",
            "unit_id": unit, "finess": finess, "excl_code": reason,
            "num": 0 if reason else num, "den": 0 if reason else den,
        })  # fmt: skip

    for person, count in Counter(v["person_id"] for v in kept if known[v["person_id"]]).items():
        tell(person, "ed_visit_rate", "", None, count, None)
        tell(person, "ed_user", "", None, 1, None)
    for visit in kept:
        person, unit, finess = visit["person_id"], visit["visit_id"], visit["finess"]
        tell(person, "ed_not_admitted", unit, finess, int(not visit["is_admitted"]), 1)
        before = visit["visit_date"] - dt.timedelta(7)
        met = any(
            each["person_id"] == person and before <= each["contact_date"] <= visit["visit_date"]
            for each in seen
        )
        unknown = first is None or before < first
        tell(
            person, "ed_without_gp", unit, finess, int(not met), 1,
            "no_look_back" if unknown else None,
        )  # fmt: skip
        if visit["is_admitted"]:
            continue
        if visit["source"] == "claim" and 2018 <= year <= 2021:
            severe, reason = (person, visit["visit_date"]) in severe_days, None
        elif visit["source"] == "outpatient" and year >= 2022 and visit["code"] != "ATU":
            severe, reason = unit in severe_visits, None
        else:
            severe, reason = False, "severity_not_told"
        tell(person, "ed_low_acuity", unit, finess, int(not severe), 1, reason)
    return found


@pytest.mark.parametrize("year", [2017, 2020, 2022])
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 40))
def test_emergency_use_is_that_of_a_second_reading(
    model_runner: ModelRunner, year: int, seed: int, count: int
) -> None:
    chance = random.Random(seed)
    names = ["p", "q", "r"]
    days = [dt.date(year, 1, 3), dt.date(year, 3, 8), dt.date(year, 3, 9), dt.date(year, 3, 15)]
    people = [
        {"person_id": name, "year": year, "is_consumer": chance.random() < 0.8} for name in names
    ]
    people += [row | {"year": year - 1, "is_consumer": True} for row in people]
    visits = draw(
        chance, count,
        person_id=[*names, "stranger", None], year=[year] * 6 + [year - 1],
        visit_date=[*days, *days, None], source=["outpatient", "claim", "stay"],
        finess=["h", "k", None], is_counted=[True] * 5 + [False],
        is_used_for_persons=[True] * 5 + [False],
    )  # fmt: skip
    for number, visit in enumerate(visits):
        source = visit["source"]
        visit["visit_id"] = f"{source}-{number}"
        visit["is_admitted"] = source == "stay"
        visit["code"] = {"claim": "2238", "stay": None}.get(source, chance.choice(["ATU", "FU1"]))
        if source == "outpatient":
            visit["finess"] = "h"
            visit["visit_id"] = f"outpatient-{year}-h-{number}"
    events = draw(
        chance, 20,
        person_id=names, year=[year] * 5 + [year - 1], event_type=["claim"] * 5 + ["procedure"],
        care_date=days, prestation_code=[1098, 1099, 1110, None],
        is_used_for_care=[True] * 4 + [False],
    )  # fmt: skip
    acts = draw(
        chance, 20,
        table_year=[year] * 5 + [year - 1], finess=["h", "k"],
        sequence_number=[str(n) for n in range(12)], act_code=["SU3", " su3 ", "SU2", "ATU", None],
    )  # fmt: skip
    contacts = draw(
        chance, 8,
        person_id=names, year=[year],
        contact_date=[*days, dt.date(year, 3, 1), dt.date(year, 3, 2)],
        is_general_practitioner=[True, True, False],
    )  # fmt: skip
    if chance.random() < 0.7:
        before = chance.choice([year - 1, year - 2])
        contacts.append({
            "person_id": "stranger", "year": before, "contact_date": dt.date(before, 12, 31),
            "is_general_practitioner": True,
        })  # fmt: skip
    half = len(acts) // 2
    given_rows = {
        "person_year": people, "emergency_visit": shuffled(chance, visits),
        "care_event": events, "int_doctor_contact": contacts,
        "stg_mco__fbstc": acts[:half], "stg_mco__fcstc": acts[half:],
    }  # fmt: skip
    got = model_runner.run("measure_emergency", given_rows, year)
    wanted = measures(year, people, visits, events, acts, contacts)
    if wanted:
        assert_same(got, wanted)
    assert len(got) == len(wanted)
