"""Contacts with doctors, treating doctors and the use of general practice, told a second time."""

from __future__ import annotations

import datetime as dt
import random
from collections import defaultdict
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from model_runner import ModelRunner
from oracle_tools import Row, assert_same, date, draw, shuffled

YEAR = 2020
GENERAL, OTHER = {1, 22, 23}, {3, 15, 33}
FACE, REMOTE = {1110, 1211, 1112}, {1191, 1096}


def lines(chance: random.Random, count: int) -> list[Row]:
    """Return claims of a few people, most of them contacts."""
    return draw(
        chance, count,
        person_id=["P", "Q", "R", "S", None],
        year=[YEAR] * 8 + [YEAR - 1],
        event_type=["claim"] * 8 + ["drug"],
        care_date=[dt.date(YEAR, 1, 1), dt.date(YEAR, 5, 6), dt.date(YEAR, 12, 31), None],
        performer_id=["d1", "d2", "d3", None],
        performer_specialty=[1, 22, 23, 3, 15, 33, 24, 36, 0, None],
        prestation_code=[1110, 1211, 1112, 1191, 1096, 1098, 1352, 3111, 1913, None],
        treating_doctor_id=["d1", None],
        is_used_for_care=[True] * 5 + [False],
        is_used_for_persons=[True] * 5 + [False],
    )  # fmt: skip


def contacts(events: list[Row]) -> list[Row]:
    """Return the contacts of the year: a person, a day, a doctor."""
    found: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for event in events:
        if event["year"] != YEAR or event["event_type"] != "claim":
            continue
        if not (event["is_used_for_care"] and event["is_used_for_persons"]):
            continue
        if event["person_id"] is None or event["care_date"] is None:
            continue
        if event["prestation_code"] not in FACE | REMOTE:
            continue
        if event["performer_specialty"] not in GENERAL | OTHER:
            continue
        found[event["person_id"], event["care_date"], event["performer_id"]].append(event)
    return [
        {
            "person_id": person, "contact_date": day, "doctor_id": doctor, "year": YEAR,
            "is_general_practitioner": any(e["performer_specialty"] in GENERAL for e in told),
            "is_teleconsultation": all(e["prestation_code"] in REMOTE for e in told),
            "names_treating_doctor": any(e["treating_doctor_id"] is not None for e in told),
        }
        for (person, day, doctor), told in found.items()
    ]  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 60))
def test_contacts_are_those_of_a_second_reading(
    model_runner: ModelRunner, seed: int, count: int
) -> None:
    chance = random.Random(seed)
    events = lines(chance, count)
    got = model_runner.run("int_doctor_contact", {"care_event": shuffled(chance, events)}, YEAR)
    wanted = contacts(events)
    if wanted:
        assert_same(got, wanted)
    else:
        assert got == []


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32))
def test_treating_doctors_are_those_of_a_second_reading(
    model_runner: ModelRunner, seed: int
) -> None:
    chance = random.Random(seed)
    keys = [
        {"psa": psa, "birth_rank": rank, "person_id": person, "is_fictitious": fictitious}
        for psa, rank, person, fictitious in (
            ("a", 1, "P", False), ("a", 2, "Q", False), ("b", -1, "R", False),
            ("c", 1, None, True), ("d", 1, None, False),
        )
    ]  # fmt: skip
    days = [None, "1600-01-01", "1601-05-05", "2015-03-03", "2098-12-31", "2099-01-01"]
    delivered = draw(
        chance, 40,
        psa=["a", "b", "c", "d", "e", None], birth_rank=[1, 1, 2, None],
        key_status=["sentinel", "clean", None], treating_doctor_id=["d1", None],
        start_date=[date(day) for day in days], deposit_date=[date(day) for day in days],
        end_date=[date(day) for day in days],
    )  # fmt: skip
    wanted = []
    for number, row in enumerate(delivered):
        row["source_line"] = number
        rank = -1 if row["birth_rank"] is None else row["birth_rank"]
        key = next((k for k in keys if (k["psa"], k["birth_rank"]) == (row["psa"], rank)), None)
        if key is not None and key["is_fictitious"]:
            status = "fictitious"
        elif row["psa"] is None:
            status = "sentinel_key" if row["key_status"] == "sentinel" else "no_key"
        elif key is None:
            status = "not_in_referential"
        else:
            status = "ambiguous_renewal" if key["person_id"] is None else "linked"
        known = [day for day in (row["start_date"], row["deposit_date"]) if day and day.year > 1600]
        end = row["end_date"]
        wanted.append({
            "source_line": number, "person_id": key and key["person_id"], "person_status": status,
            "treating_doctor_id": row["treating_doctor_id"], "start_date": next(iter(known), None),
            "end_date": end if end and 1600 < end.year < 2099 else None,
        })  # fmt: skip
    given_rows = {"int_person_key": keys, "stg_referential__mtt": shuffled(chance, delivered)}
    assert_same(model_runner.run("int_treating_doctor", given_rows, YEAR), wanted)


def measures(
    people: list[Row], doctors: list[Row], alds: list[Row], seen: list[Row], is_whole: bool
) -> list[Row]:
    """Return the rows of the measure table, a person and a measure at a time."""
    last = dt.date(YEAR, 12, 31)
    found = []
    for person in people:
        if person["year"] != YEAR or not person["is_consumer"]:
            continue
        name, age = person["person_id"], person["age_years"]
        own = [each for each in seen if each["person_id"] == name and each["year"] == YEAR]
        general = [each for each in own if each["is_general_practitioner"]]
        has_doctor = any(
            each["person_id"] == name
            and each["treating_doctor_id"] is not None
            and (each["start_date"] is None or each["start_date"] <= last)
            and (each["end_date"] is None or each["end_date"] >= last)
            for each in doctors
        )
        has_ald = any(
            each["person_id"] == name and each["year"] == YEAR and each["is_prevalent_31_12"]
            for each in alds
        )
        unknown = "age_unknown" if age is None else "died" if person["death_date"] else None
        missing = unknown if doctors else "no_referential"

        def tell(
            measure: str, num: int, den: int | None, reason: str | None, name: str = name
        ) -> None:
            kept = {"num": num, "den": den} if reason is None else {"num": 0, "den": 0}
            found.append({
                "person_id": name, "year": YEAR, "measure": measure, "condition": "all",
                "unit_id": "", "finess": None, "excl_code": reason, **kept,
            })  # fmt: skip

        if age is None or age >= 16:
            tell("treating_doctor", int(has_doctor), 1, missing)
            if has_ald:
                tell("ald_without_treating_doctor", int(not has_doctor), 1, missing)
            if own:
                named = any(each["names_treating_doctor"] for each in own)
                tell("treating_doctor_claims", int(named), 1, unknown)
        unseen = None if person["is_fully_observed"] else "not_fully_observed"
        unseen = unseen if is_whole else "no_follow_up"
        tell("gp_none", int(not general), 1, unseen)
        if general:
            remote = sum(each["is_teleconsultation"] for each in general)
            tell("gp_teleconsultation_share", remote, len(general), None)
            tell("gp_contact_rate", len(general), None, None)
        if len(own) > len(general):
            tell("specialist_contact_rate", len(own) - len(general), None, None)
    return found


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.booleans(), st.booleans())
def test_measures_of_primary_care_are_those_of_a_second_reading(
    model_runner: ModelRunner, seed: int, has_referential: bool, is_whole: bool
) -> None:
    chance = random.Random(seed)
    names = [f"p{n}" for n in range(12)]
    people = [
        row | {"person_id": name, "year": YEAR}
        for name, row in zip(
            names,
            draw(
                chance, len(names),
                is_consumer=[True] * 5 + [False],
                age_years=[None, 0, 15, 16, 17, 90],
                is_fully_observed=[True, True, False],
                death_date=[None, None, None, date("2020-12-31")],
            ),
            strict=True,
        )
    ]  # fmt: skip
    people += [row | {"year": YEAR - 1, "is_consumer": True} for row in people]
    doctors = draw(
        chance, 12 if has_referential else 0,
        person_id=[*names, None],
        treating_doctor_id=["d", "d", None],
        start_date=[None, date("2010-01-01"), date("2020-12-31"), date("2021-01-01")],
        end_date=[None, date("2020-12-30"), date("2020-12-31"), date("2021-01-01")],
    )  # fmt: skip
    alds = draw(
        chance, 10, person_id=names, year=[YEAR, YEAR - 1], is_prevalent_31_12=[True, True, False]
    )
    seen = draw(
        chance, 25,
        person_id=[*names, "stranger"], year=[YEAR, YEAR, YEAR - 1],
        contact_date=[date("2020-02-02")], doctor_id=["d1", "d2"],
        is_general_practitioner=[True, True, False], is_teleconsultation=[True, False],
        names_treating_doctor=[True, False],
    )  # fmt: skip
    given_rows = {
        "person_year": people, "int_treating_doctor": doctors, "ald_year": alds,
        "int_doctor_contact": shuffled(chance, seen), "int_delivered_year": [
            {"year": YEAR, "has_claims_to_end": is_whole},
            {"year": YEAR - 1, "has_claims_to_end": True},
        ],
    }  # fmt: skip
    got = model_runner.run("measure_primary_care", given_rows, YEAR)
    assert_same(got, measures(people, doctors, alds, seen, is_whole))
