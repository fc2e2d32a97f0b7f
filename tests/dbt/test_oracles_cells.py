"""Sums by cell and quantiles of units, told a second time, for every family alike."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from typing import Any

import pytest
from model_runner import ModelRunner, SparkModelRunner, multiset
from oracle_tools import Row, assert_same, shuffled

from openchronic_assets.indicators.loader import families

YEAR = 2020
NAMES = sorted(families())


def person(name: str, sex: str, age: str) -> Row:
    return {
        "person_id": name, "year": YEAR, "sex": sex, "age_group": age, "department": "29",
        "region": "53", "commune": "29019", "is_consumer": True, "observed_years": 1.0,
        "population_scope": "exhaustive", "weight": 1.0,
    }  # fmt: skip


def rows_of(family: str) -> list[Row]:
    """Return the same units in each family, under a measure of its own."""
    units: list[tuple[str, str, float | None, float | None, str | None, str | None]] = [
        ("P1", "", 3.0, 2.0, None, "F1"),
        ("P2", "", 0.0, 4.0, None, None),
        ("P3", "s1", 0.5, None, None, "F1"),
        ("P3", "s2", 1.5, 1.0, None, "F2"),
        ("P4", "", 1.0, 1.0, "died", "F1"),
        ("nobody", "", 9.0, 9.0, None, None),
    ]
    return [
        {
            "person_id": who, "year": year, "measure": f"m_{family}", "condition": "all",
            "unit_id": unit, "num": num, "den": den, "excl_code": excl, "finess": finess,
        }
        for who, unit, num, den, excl, finess in units
        for year in (YEAR, YEAR - 1)
    ]  # fmt: skip


def given_rows() -> dict[str, list[Row]]:
    """Return the same people and units for every family."""
    people = [
        person("P1", "1", "40-44"), person("P2", "1", "40-44"), person("P3", "1", "40-44"),
        person("P4", "2", "40-44"),
    ]  # fmt: skip
    given: dict[str, list[Row]] = {
        "int_indicator_person": people,
        "int_indicator_place": [
            {"person_id": who, "year": YEAR, "territory_kind": "epci", "territory_code": "T1"}
            for who in ("P1", "P4")
        ],
        "int_indicator_condition": [
            {"person_id": "P2", "year": YEAR, "condition": "ald"},
            {"person_id": "P3", "year": YEAR, "condition": "ald"},
            {"person_id": "P4", "year": YEAR, "condition": "ald"},
            {"person_id": "P1", "year": YEAR, "condition": "no_ald"},
        ],
        "ref_indicator": [
            {"indicator_id": f"i_{name}", "measure": f"m_{name}", "is_by_establishment": True}
            for name in NAMES
        ],
        "ref_indicator_condition": [
            {"indicator_id": f"i_{name}", "measure": f"m_{name}", "condition": condition}
            for name in NAMES
            for condition in ("all", "ald")
        ],
    }
    given |= {f"measure_{name}": rows_of(name) for name in NAMES}
    return given


def cell(level: str, place: str, sex: str, condition: str, units: list[Row]) -> Row:
    """Return what is told of some units."""
    kept = [each for each in units if each["excl_code"] is None]

    def total(one: str, other: str | None = None) -> float:
        found = 0.0
        for each in units:
            pair = (each[one], 1.0 if other is None else each[other])
            found += 0.0 if None in pair else pair[0] * pair[1]
        return found

    return {
        "condition": condition, "place_level": level, "place_code": place, "sex": sex,
        "unit_count": len(kept), "excluded_count": len(units) - len(kept),
        "person_count": len({each["person_id"] for each in kept}),
        "num": total("num"), "den": total("den"), "num_squares": total("num", "num"),
        "den_squares": total("den", "den"), "num_den": total("num", "den"),
    }  # fmt: skip


def test_each_family_is_summed_in_the_same_way(model_runner: ModelRunner) -> None:
    told = model_runner.run("int_indicator_cell", given_rows(), year=YEAR)
    for family in NAMES:
        own = [each for each in told if each["measure"] == f"m_{family}"]
        assert_same(own, wanted_of(family))


def wanted_of(family: str) -> list[Row]:
    units: dict[str, list[Row]] = defaultdict(list)
    establishments: dict[str, list[Row]] = defaultdict(list)
    for each in rows_of(family):
        if each["year"] == YEAR:
            units[each["person_id"]].append(each)
            if each["finess"] is not None:
                establishments[each["finess"]].append(each)
    return [
        cell("department", "29", "1", "all", [*units["P1"], *units["P2"], *units["P3"]]),
        cell("department", "29", "2", "all", units["P4"]),
        cell("department", "29", "1", "ald", [*units["P2"], *units["P3"]]),
        cell("department", "29", "2", "ald", units["P4"]),
        cell("territory", "T1", "1", "all", units["P1"]),
        cell("territory", "T1", "2", "all", units["P4"]),
        *(cell("establishment", code, "all", "all", of) for code, of in establishments.items()),
    ]


@pytest.mark.spark
@pytest.mark.long
def test_both_engines_sum_alike(
    model_runner: ModelRunner, spark_model_runner: SparkModelRunner
) -> None:
    ours = model_runner.run("int_indicator_cell", given_rows(), year=YEAR)
    theirs = spark_model_runner.run("int_indicator_cell", given_rows(), year=YEAR)
    assert multiset(theirs) == multiset(ours) and len(ours) == 8 * len(NAMES)


def quantile(values: list[float], q: float) -> tuple[float, float | None, float | None]:
    """Return the value that at least n q units do not exceed, and those of the ranks around it."""
    ordered = sorted(values)
    n = len(ordered)
    half = 1.959964 * math.sqrt(n * q * (1 - q))
    low, high = math.floor(n * q - half), math.ceil(n * q + half) + 1
    inside = low >= 1 and high <= n
    return (
        ordered[max(1, math.ceil(n * q)) - 1],
        ordered[low - 1] if inside else None,
        ordered[high - 1] if inside else None,
    )


@pytest.mark.parametrize(("size", "q"), [(60, 0.5), (200, 0.9), (7, 0.5)])
def test_quantiles_are_those_of_the_ordered_units(
    model_runner: ModelRunner, size: int, q: float
) -> None:
    chance = random.Random(size)
    values = {f"P{n}": round(chance.uniform(0, 9), 1) for n in range(size)}
    common: dict[str, Any] = {"year": YEAR, "condition": "all", "unit_id": "", "den": 1.0}
    rows = [
        {"person_id": who, "measure": "score", "num": num, "excl_code": None, **common}
        for who, num in values.items()
    ]
    rows.append({"person_id": "P0", "measure": "score", "num": 99.0, "excl_code": "died", **common})
    given = {
        "int_indicator_person": [person(who, "1", "40-44") for who in values],
        "measure_adherence": shuffled(chance, rows),
        "ref_indicator": [
            {"indicator_id": "i", "measure": "score", "kind": "quantile", "quantile": q}
        ],
        "ref_indicator_condition": [{"indicator_id": "i", "measure": "score", "condition": "all"}],
    }
    found = model_runner.run("int_indicator_quantile", given, year=YEAR)
    value, low, high = quantile(list(values.values()), q)
    assert_same(
        found,
        [
            {"geo_level": level, "geo_code": code, "sex": sex, "unit_count": size, "value": value,
             "ci_low": low, "ci_high": high}
            for level, code, sex in (
                ("country", "FR", "all"), ("country", "FR", "1"), ("region", "53", "all"),
                ("department", "29", "all"),
            )
        ],
    )  # fmt: skip


@pytest.mark.parametrize("family", NAMES)
def test_a_quantile_takes_what_counts_of_each_family(
    model_runner: ModelRunner, family: str
) -> None:
    counts: Row = {
        "person_id": "P", "year": YEAR, "measure": "score", "condition": "all", "unit_id": "u",
        "num": 1.0, "den": 1.0, "excl_code": None,
    }  # fmt: skip
    others = [{"year": YEAR - 1}, {"condition": "ald"}, {"excl_code": "died"}, {"measure": "m"}]
    given = {
        "int_indicator_person": [person("P", "1", "40-44")],
        f"measure_{family}": [counts, *({**counts, "num": 9.0, **other} for other in others)],
        "ref_indicator": [
            {"indicator_id": "i", "measure": "score", "kind": "quantile", "quantile": 0.9}
        ],
        "ref_indicator_condition": [{"indicator_id": "i", "measure": "score", "condition": "all"}],
    }
    found = model_runner.run("int_indicator_quantile", given, year=YEAR)
    assert {(row["unit_count"], row["value"]) for row in found} == {(1, 1.0)} and len(found) == 4
