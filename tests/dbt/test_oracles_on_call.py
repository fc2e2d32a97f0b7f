"""On-call care, told a second time."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from model_runner import ModelRunner
from oracle_tools import Row, assert_same, date, draw, shuffled

YEAR = 2020
REGULATED = {1933, 1934, 1935, 1936, 1937, 1938, 1941, 1942}
UNREGULATED = {1226, 1227, 1228, 1229, 1231, 1232, 1913}
DEEP_NIGHT = {1227, 1231, 1913, 1934, 1937}


def measures(people: list[Row], events: list[Row]) -> list[Row]:
    """Return the rows of the measure table."""
    known = {p["person_id"] for p in people if p["year"] == YEAR and p["is_consumer"]}
    acts: dict[str, dict[tuple[Any, ...], set[int]]] = defaultdict(lambda: defaultdict(set))
    for event in events:
        code, quantity = event["prestation_code"], event["net_quantity"]
        if (
            event["year"] == YEAR
            and event["event_type"] == "claim"
            and event["person_id"] in known
            and event["care_date"] is not None
            and quantity is not None
            and quantity > 0
            and event["is_used_for_persons"]
            and not event["is_information_line"]
            and not event["is_public_t2a"]
            and code in REGULATED | UNREGULATED
        ):
            acts[event["person_id"]][event["care_date"], event["performer_id"]].add(code)
    found = []
    for person, own in acts.items():
        told: list[tuple[str, int, int | None]] = [
            ("on_call_rate", len(own), None),
            ("on_call_user", 1, None),
            (
                "on_call_regulated_share",
                sum(bool(codes & REGULATED) for codes in own.values()),
                len(own),
            ),
            (
                "on_call_deep_night_share",
                sum(bool(codes & DEEP_NIGHT) for codes in own.values()),
                len(own),
            ),
        ]
        found += [
            {
                "person_id": person, "year": YEAR, "measure": measure, "condition": "all",
                "unit_id": "", "finess": None, "num": num, "den": den, "excl_code": None,
            }
            for measure, num, den in told
        ]  # fmt: skip
    return found


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 150))
def test_on_call_care_is_that_of_a_second_reading(
    model_runner: ModelRunner, seed: int, count: int
) -> None:
    chance = random.Random(seed)
    names = ["p", "q", "r", "s", "t"]
    people = [
        {"person_id": name, "year": YEAR, "is_consumer": chance.random() < 0.8} for name in names
    ]
    people += [row | {"year": YEAR - 1, "is_consumer": True} for row in people]
    events = draw(
        chance, count,
        person_id=[*names, "stranger", None], year=[YEAR] * 6 + [YEAR - 1],
        event_type=["claim"] * 6 + ["drug"],
        care_date=[date("2020-01-01"), date("2020-06-07"), None],
        performer_id=["d", "e", None],
        prestation_code=[*REGULATED, *UNREGULATED, 1943, 1945, 1110, None],
        net_quantity=[1, 1, 1, 2, 0, None], is_used_for_persons=[True] * 4 + [False],
        is_information_line=[False] * 4 + [True], is_public_t2a=[False] * 4 + [True],
    )  # fmt: skip
    got = model_runner.run(
        "measure_on_call", {"care_event": shuffled(chance, events), "person_year": people}, YEAR
    )
    wanted = measures(people, events)
    if wanted:
        assert_same(got, wanted)
    assert len(got) == len(wanted)
