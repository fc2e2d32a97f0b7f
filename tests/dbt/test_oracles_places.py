"""The user's own territories, told a second time."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from model_runner import ModelRunner
from oracle_tools import Row, assert_same, draw, shuffled

YEAR = 2020


def places(people: list[Row], territories: list[Row]) -> list[Row]:
    """Return the territory of each person and kind."""
    found = []
    for person in people:
        if person["year"] != YEAR or person["commune"] is None:
            continue
        kinds: dict[str, list[str]] = {}
        for each in territories:
            kind, code, commune = (
                each[name] for name in ("territory_kind", "territory_code", "commune")
            )
            if None not in (kind, code, commune) and commune.strip().upper() == person["commune"]:
                kinds.setdefault(kind, []).append(code)
        found += [
            {
                "person_id": person["person_id"], "year": YEAR, "territory_kind": kind,
                "territory_code": min(codes),
            }
            for kind, codes in kinds.items()
        ]  # fmt: skip
    return found


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_territories_are_those_of_the_communes(model_runner: ModelRunner, seed: int) -> None:
    chance = random.Random(seed)
    people = [
        {"person_id": f"P{n}", **row}
        for n, row in enumerate(
            draw(chance, 12, year=(YEAR, YEAR, YEAR - 1), commune=("29019", "2A004", None))
        )
    ]
    people.append({"person_id": "Q", "year": YEAR, "commune": "29019"})
    territories = draw(
        chance, 14, territory_kind=("zone", "epci", None), territory_code=("T1", "T2", "T3", None),
        commune=("29019", " 2a004 ", "2A004", "75056", None),
    )  # fmt: skip
    territories.append({"territory_kind": "zone", "territory_code": "T9", "commune": "29019"})
    given_rows = {"int_indicator_person": people, "stg_open__territory": territories}
    wanted = places(people, territories)
    assert_same(model_runner.run("int_indicator_place", given_rows, year=YEAR), wanted)
    mixed = {name: shuffled(chance, rows) for name, rows in given_rows.items()}
    assert_same(model_runner.run("int_indicator_place", mixed, year=YEAR), wanted)


def test_a_territory_without_a_code_or_a_name_is_none(model_runner: ModelRunner) -> None:
    person = [{"person_id": "P", "year": YEAR, "commune": "29019"}]
    for missing in ("territory_kind", "territory_code"):
        row = {"territory_kind": "zone", "territory_code": "T1", "commune": "29019", missing: None}
        given_rows = {"int_indicator_person": person, "stg_open__territory": [row]}
        assert model_runner.run("int_indicator_place", given_rows, year=YEAR) == []
