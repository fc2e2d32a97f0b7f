"""Multimorbidity: people and pairs of disease groups counted again in plain Python."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import combinations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_runner import ModelRunner, SparkModelRunner, multiset
from oracle_tools import Row, assert_same

Given = dict[str, list[Row]]
VERSION = "G6-like"


def expected(rows: Given) -> list[Row]:
    """Return the measures of 2020, person by person."""
    known = {r["person_id"]: r for r in rows["person_comorbidity"] if r["year"] == 2020}
    nothing = {
        "has_two_groups": False, "has_three_groups": False, "chronic_group_count": 0,
        "charlson_1987": 0, "adapted_charlson_1987": 0,
    }  # fmt: skip
    wanted = []
    for person in rows["person_year"]:
        if person["year"] != 2020 or not person["is_consumer"]:
            continue
        ill = known.get(person["person_id"], nothing)
        why = "not_observed" if person["observed_days"] == 0 else None
        values = {
            "multimorbidity_2": ill["has_two_groups"], "multimorbidity_3": ill["has_three_groups"],
            "chronic_groups_mean": ill["chronic_group_count"],
            "charlson_mean": ill["charlson_1987"],
            "charlson_adapted_mean": ill["adapted_charlson_1987"],
        }  # fmt: skip
        wanted += [
            {
                "person_id": person["person_id"], "year": 2020, "measure": measure,
                "condition": "all", "unit_id": "", "finess": None,
                "num": 0.0 if why else float(value), "den": 0.0 if why else 1.0, "excl_code": why,
            }
            for measure, value in values.items()
        ]  # fmt: skip
    return wanted


def pairs(rows: Given) -> list[Row]:
    """Return the pairs of 2020."""
    people = {
        p["person_id"]: (p["age_group"], p["sex"] or "unknown")
        for p in rows["person_year"]
        if p["year"] == 2020 and p["is_consumer"]
    }
    groups: dict[str, set[str]] = defaultdict(set)
    for row in rows["person_pathology"]:
        good = row["is_chronic"] and row["super_group"] and row["carto_version"] == VERSION
        if good and row["year"] == 2020 and row["person_id"] in people:
            groups[row["super_group"]].add(row["person_id"])
    sizes = Counter(people.values())
    wanted = []
    for one, other in combinations(sorted(groups), 2):
        both = groups[one] & groups[other]
        expected_count = len(groups[one]) * len(groups[other]) / len(people)
        alike = sum(
            sum(people[p] == stratum for p in groups[one])
            * sum(people[p] == stratum for p in groups[other])
            / size
            for stratum, size in sizes.items()
        )
        wanted.append(
            {
                "year": 2020, "group_a": one, "group_b": other, "person_count": len(people),
                "count_a": len(groups[one]), "count_b": len(groups[other]), "observed": len(both),
                "expected": float(expected_count), "lift": len(both) / expected_count,
                "expected_age_sex": float(alike),
                "lift_age_sex": len(both) / alike if alike else None,
            }
        )  # fmt: skip
    return wanted


@st.composite
def cases(draw: st.DrawFn) -> Given:
    """Return people, their comorbidity and their diseases."""
    people, ill, diseases = [], [], []
    for person in "abcdefgh":
        year = draw(st.sampled_from([2020, 2020, 2020, 2019]))
        people.append(
            {
                "person_id": person, "year": year,
                "age_group": draw(st.sampled_from(["60-64", "x"])),
                "sex": draw(st.sampled_from(["1", "2", None])),
                "is_consumer": draw(st.sampled_from([True, True, True, False])),
                "observed_days": draw(st.sampled_from([0, 12, 366])),
            }
        )  # fmt: skip
        if draw(st.booleans()):
            count = draw(st.integers(0, 4))
            ill.append(
                {
                    "person_id": person, "year": draw(st.sampled_from([2020, 2020, 2019])),
                    "chronic_group_count": count, "has_two_groups": count >= 2,
                    "has_three_groups": count >= 3, "charlson_1987": draw(st.integers(0, 9)),
                    "adapted_charlson_1987": draw(st.integers(0, 9)),
                }
            )  # fmt: skip
        for n in range(draw(st.integers(0, 4))):
            diseases.append(
                {
                    "person_id": person, "year": draw(st.sampled_from([2020, 2020, 2020, 2019])),
                    "super_group": draw(st.sampled_from(["diabetes", "cancer", "heart", None])),
                    "carto_version": draw(st.sampled_from([VERSION, VERSION, "G9-like"])),
                    "is_chronic": draw(st.sampled_from([True, True, True, False])), "top": f"t{n}",
                }
            )  # fmt: skip
    return {"person_year": people, "person_comorbidity": ill, "person_pathology": diseases}


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=cases())
def test_people_and_pairs_are_those_of_counting_by_hand(
    model_runner: ModelRunner, rows: Given
) -> None:
    found = model_runner.run_all(["measure_multimorbidity", "multimorbidity_pair"], rows)
    for name, wanted in (
        ("measure_multimorbidity", expected(rows)), ("multimorbidity_pair", pairs(rows)),
    ):  # fmt: skip
        assert len(found[name]) == len(wanted)
        if wanted:
            assert_same(found[name], wanted)


def four(*holders: tuple[str, str]) -> Given:
    """Return four consumers alike, and who holds which group."""
    return {
        "person_year": [
            {"person_id": person, "year": 2020, "age_group": "60-64", "is_consumer": True,
             "observed_days": 366}
            for person in "abcd"
        ],
        "person_pathology": [
            {"person_id": person, "year": 2020, "super_group": group, "carto_version": VERSION,
             "is_chronic": True}
            for person, group in holders
        ],
    }  # fmt: skip


def test_two_groups_that_always_go_together_are_twice_what_chance_makes(
    model_runner: ModelRunner,
) -> None:
    rows = four(("a", "x"), ("b", "x"), ("a", "y"), ("b", "y"))
    (pair,) = model_runner.run("multimorbidity_pair", rows)
    assert (pair["observed"], pair["expected"], pair["lift"]) == (2, 1.0, 2.0)


def test_two_groups_that_nobody_has_together_are_a_pair_with_none(
    model_runner: ModelRunner,
) -> None:
    (pair,) = model_runner.run("multimorbidity_pair", four(("a", "x"), ("b", "y")))
    assert (pair["observed"], pair["lift"]) == (0, 0.0)
    assert pair["expected"] == pytest.approx(0.25)


def test_one_group_makes_no_pair(model_runner: ModelRunner) -> None:
    assert model_runner.run("multimorbidity_pair", four(("a", "x"), ("b", "x"))) == []


@pytest.mark.spark
def test_both_engines_count_the_same_people(
    model_runner: ModelRunner, spark_model_runner: SparkModelRunner
) -> None:
    rows = four(("a", "x"), ("b", "x"), ("a", "y"), ("c", "y"), ("a", "z"))
    rows["person_comorbidity"] = [
        {"person_id": "a", "year": 2020, "chronic_group_count": 3, "has_two_groups": True,
         "has_three_groups": True, "charlson_1987": 2, "adapted_charlson_1987": 3},
    ]  # fmt: skip
    for name in ("measure_multimorbidity", "multimorbidity_pair"):
        plain = model_runner.run(name, rows)
        assert plain
        assert multiset(spark_model_runner.run(name, rows)) == multiset(plain)
