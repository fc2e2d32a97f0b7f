"""Continuity of care, told a second time: scores by hand over the list of doctors seen."""

from __future__ import annotations

import datetime as dt
import math
import random
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_runner import ModelRunner
from oracle_tools import Row, assert_same, draw, shuffled

YEAR = 2020
MEASURES = {
    "all_doctors": ("upc", "coc", "secon", "mmci"),
    "general_practitioner": ("upc", "coc"),
}


def contact(person: str, place: int, doctor: str | None, general: bool = True) -> Row:
    return {
        "person_id": person, "year": YEAR, "doctor_id": doctor, "is_general_practitioner": general,
        "contact_date": dt.date(YEAR, 1, 1) + dt.timedelta(place),
    }  # fmt: skip


def scores(seen: list[str]) -> dict[str, float | None]:
    """Return the scores of doctors in the order in which they were seen."""
    n, doctors = len(seen), Counter(seen)
    found: dict[str, float | None] = {
        "upc": max(doctors.values()) / n,
        "visit_entropy": -sum(k / n * math.log(k / n) for k in doctors.values()),
        "coc": None, "secon": None, "mmci": None, "k_index": None,
    }  # fmt: skip
    if n > 1:
        pairs = sum(seen[a] == seen[b] for a in range(n) for b in range(n) if a != b)
        found["coc"] = pairs / (n * (n - 1))
        found["secon"] = sum(a == b for a, b in zip(seen, seen[1:], strict=False)) / (n - 1)
        found["mmci"] = (1 - len(doctors) / (n + 0.1)) / (1 - 1 / (n + 0.1))
        found["k_index"] = (n - len(doctors)) / (n - 1)
    return found


def continuity(contacts: list[Row]) -> list[Row]:
    """Return the scores of each person, among all doctors and general practitioners."""
    found = []
    for scope in MEASURES:
        seen: dict[str, list[tuple[dt.date, str]]] = defaultdict(list)
        for each in contacts:
            counts = scope == "all_doctors" or each["is_general_practitioner"]
            if counts and each["year"] == YEAR and each["doctor_id"] is not None:
                seen[each["person_id"]].append((each["contact_date"], each["doctor_id"]))
        for person, visits in seen.items():
            doctors = [doctor for _, doctor in sorted(visits)]
            found.append({
                "person_id": person, "year": YEAR, "scope": scope, "visit_count": len(doctors),
                "doctor_count": len(set(doctors)), **scores(doctors),
            })  # fmt: skip
    return found


def stratum(visits: int) -> str:
    """Return the name of a stratum of contacts."""
    for last, name in ((5, "04_05"), (9, "06_09"), (19, "10_19")):
        if visits <= last:
            return f"visits_{name}"
    return "visits_20_or_more"


def measures(people: list[Row], scored: list[Row], is_whole: bool) -> list[Row]:
    """Return the rows of the measure table."""
    known = {p["person_id"]: p for p in people if p["year"] == YEAR and p["is_consumer"]}
    found = []
    for each in scored:
        person = known.get(each["person_id"])
        if person is None or each["year"] != YEAR:
            continue
        least = 4 if each["scope"] == "all_doctors" else 3
        reason = None
        if not is_whole:
            reason = "no_follow_up"
        elif not person["is_fully_observed"]:
            reason = "not_fully_observed"
        elif each["visit_count"] < least:
            reason = "few_visits"
        told = [
            (f"continuity_{'gp_' if least == 3 else ''}{name}", "all", each[name], reason)
            for name in MEASURES[each["scope"]]
        ]
        if least == 4 and reason is None:
            of_stratum = stratum(each["visit_count"])
            told.append(("continuity_coc_by_visits", of_stratum, each["coc"], None))
        found += [
            {
                "person_id": each["person_id"], "year": YEAR, "measure": measure,
                "condition": condition, "unit_id": "", "finess": None, "excl_code": why,
                "num": 0.0 if why else score, "den": 0 if why else 1,
            }
            for measure, condition, score, why in told
        ]  # fmt: skip
    return found


def test_the_published_examples(model_runner: ModelRunner) -> None:
    cases = {"same": "A" * 10, "in turn": "AB" * 5, "blocks": "A" * 5 + "B" * 5}
    given_rows = [
        contact(person, place, doctor)
        for person, seen in cases.items()
        for place, doctor in enumerate(seen)
    ]
    found = {
        row["person_id"]: (row["upc"], row["coc"], row["secon"])
        for row in model_runner.run("int_continuity", {"int_doctor_contact": given_rows}, YEAR)
        if row["scope"] == "all_doctors"
    }
    assert found["same"] == (1, 1, 1)
    assert found["in turn"] == pytest.approx((0.5, 40 / 90, 0))
    assert found["blocks"] == pytest.approx((0.5, 40 / 90, 8 / 9))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 120), st.sampled_from([True, True, False]))
def test_continuity_is_that_of_a_second_reading(
    model_runner: ModelRunner, seed: int, count: int, is_whole: bool
) -> None:
    chance = random.Random(seed)
    names = ["p", "q", "r", "s"]
    drawn = draw(
        chance, count,
        person_id=names, place=list(range(60)), doctor_id=["a", "a", "b", "c", None],
        is_general_practitioner=[True, True, False], year=[YEAR] * 5 + [YEAR - 1],
    )  # fmt: skip
    # A person sees a doctor once a day, as a contact is defined.
    kept = {(row["person_id"], row["place"], row["doctor_id"], row["year"]): row for row in drawn}
    contacts = [
        contact(row["person_id"], row["place"], row["doctor_id"], row["is_general_practitioner"])
        | {"year": row["year"]}
        for row in kept.values()
    ]
    people = [
        {
            "person_id": name, "year": YEAR, "is_consumer": chance.random() < 0.8,
            "is_fully_observed": chance.random() < 0.8,
        }
        for name in names
    ]  # fmt: skip
    people += [row | {"year": YEAR - 1, "is_consumer": True} for row in people]
    found = model_runner.run_all(
        ["int_continuity", "measure_continuity"],
        {
            "int_doctor_contact": shuffled(chance, contacts),
            "person_year": people,
            "int_delivered_year": [{"year": YEAR, "has_claims_to_end": is_whole}],
        },
        YEAR,
    )
    wanted = continuity(contacts)
    for name, rows in (
        ("int_continuity", wanted),
        ("measure_continuity", measures(people, wanted, is_whole)),
    ):
        if rows:
            assert_same(found[name], rows)
        assert len(found[name]) == len(rows)
