"""Spend of people with a disease, and spend attributed to it: cases, and a plain second reading."""

from __future__ import annotations

from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_runner import ModelRunner, SparkModelRunner

Row = dict[str, Any]
F = Fraction
SEEDS = {
    "ref_pathology": [
        {"carto_version": "V", "top": top, "rule": top, "is_published": True}
        for top in ("top_A", "top_B", "top_C", "sup_All")
    ],
    "ref_code_list": [
        {"list_name": name, "system": "CIM10", "code_prefix": code, "is_excluded": excluded}
        for name, code, excluded in (("a", "I50", False), ("a", "I509", True), ("b", "E11", False),
                                     ("both", "Z51", False))
    ],
    "ref_pathology_fact": [
        {"fact": name, "part": "main", "source": "stay", "role": "DP", "list_name": name,
         "is_outside": False}
        for name in ("a", "b", "both")
    ],
    "ref_pathology_criterion": [
        {"rule": top, "criterion": 1, "source": "stay", "fact": fact,
         "window_from": 0, "window_to": 0}
        for top, fact in (("top_A", "a"), ("top_B", "b"), ("top_A", "both"), ("top_B", "both"))
    ],
}  # fmt: skip


def model_input(people: list[Row]) -> dict[str, list[Row]]:
    """Return parents of the model: each person with diseases, spend by item, and public stays."""
    tables: dict[str, list[Row]] = {"cost": [], "person_pathology": [], "hospital_stay": [],
                                    "int_person": []}  # fmt: skip
    for name, person in enumerate(people):
        who = f"p{name}" if person.get("is_known", True) else None
        if who:
            tables["int_person"].append(
                {"person_id": who, "sex": person["sex"], "birth_year": person["birth_year"]}
            )
            tables["person_pathology"] += [
                {"person_id": who, "year": 2020, "carto_version": "V", "top": top}
                for top in [*person["tops"], *(["sup_All"] if person["tops"] else [])]
            ]
        for item, amount in person["spend"].items():
            # In two months and two columns, which the model must add up.
            tables["cost"] += [
                {"person_id": who, "year": 2020, "month": month, "item": item,
                 "valuation_scope": "DCIR", "reimbursed": part, "complement": extra}
                for month, part, extra in ((1, amount, -1), (2, 0, 1))
            ]  # fmt: skip
        for number, (code, amount) in enumerate(person["stays"]):
            stay = {"person_id": who, "year": 2020, "field": "mco", "valuation_method": "VALO",
                    "is_used_for_spending": True, "stay_id": f"{name}-{number}",
                    "main_diagnosis": code, "total_amount": amount}  # fmt: skip
            tables["hospital_stay"].append(stay)
        if person["stays"]:
            tables["cost"].append(
                {"person_id": who, "year": 2020, "month": 3, "item": "public_mco_stay",
                 "valuation_scope": "VALO", "exemption": "unknown",
                 "reimbursed": round(sum(amount for _, amount in person["stays"]), 2)}
            )  # fmt: skip
    return tables | SEEDS


def spend(runner: ModelRunner, people: list[Row]) -> dict[tuple[str, str], tuple[Any, ...]]:
    return {
        (row["top"], row["item"]): (
            row["person_count"], row["spend_of_patients_reimbursed"],
            row["spend_attributed_reimbursed"],
        )
        for row in runner.run("condition_spend", model_input(people), year=2020)
    }  # fmt: skip


def somebody(tops: str = "", stays: Any = (), **items: float) -> Row:
    return {"sex": "1", "birth_year": 1950, "tops": [f"top_{top}" for top in tops],
            "spend": items, "stays": list(stays)}  # fmt: skip


def test_one_disease_takes_all_but_current_care(model_runner: ModelRunner) -> None:
    found = spend(model_runner, [somebody(drugs=20), somebody(), somebody("A", drugs=100)])
    assert found == {
        # Somebody who spent nothing at all is no spender: the mean of current care is 20.
        ("none", "drugs"): (1, 20, 40),
        ("top_A", "drugs"): (1, 100, 80),
    }


def test_several_diseases_share_in_proportion_to_those_who_have_one(
    model_runner: ModelRunner,
) -> None:
    people = [somebody("A", drugs=30), somebody("B", drugs=10), somebody("AB", drugs=100)]
    found = spend(model_runner, people)
    assert found[("top_A", "drugs")] == (2, 130, 105)
    assert found[("top_B", "drugs")] == (2, 110, 35)
    assert found[("none", "drugs")] == (0, 0, 0)


def test_diseases_without_a_mean_share_equally(model_runner: ModelRunner) -> None:
    found = spend(model_runner, [somebody("BC", drugs=10)])
    assert found[("top_B", "drugs")][2] == found[("top_C", "drugs")][2] == 5


def test_a_stay_goes_to_the_disease_of_its_main_diagnosis(model_runner: ModelRunner) -> None:
    found = spend(model_runner, [somebody("ABC", stays=[("I500", 900), ("Z511", 100)])])
    assert found[("top_A", "public_mco_stay")][2] == 950
    assert found[("top_B", "public_mco_stay")][2] == 50
    assert found[("top_C", "public_mco_stay")] == (1, 1000, 0)


@pytest.mark.parametrize("code", ["I509", "J18", None])
def test_a_stay_that_no_criterion_names_is_shared_like_other_care(
    model_runner: ModelRunner, code: str | None
) -> None:
    found = spend(model_runner, [somebody("AB", stays=[(code, 100)])])
    assert {top: row[2] for (top, _), row in found.items()} == {
        "none": 0, "top_A": 50, "top_B": 50,
    }  # fmt: skip


def test_a_disease_that_the_person_has_not_gets_no_stay(model_runner: ModelRunner) -> None:
    found = spend(model_runner, [somebody("B", stays=[("I500", 100)])])
    assert set(found) == {("none", "public_mco_stay"), ("top_B", "public_mco_stay")}
    assert found[("top_B", "public_mco_stay")][2] == 100


def test_a_stay_is_read_by_the_version_that_names_its_code(model_runner: ModelRunner) -> None:
    """In version W the same disease is told by other codes: there this stay is shared."""
    rows = model_input([somebody("AB", stays=[("I500", 100)])])
    rows["person_pathology"] = [
        each | {"carto_version": version}
        for each in rows["person_pathology"]
        for version in ("V", "W")
    ]
    rows["ref_pathology"] = [
        *rows["ref_pathology"],
        *(each | {"carto_version": "W", "rule": "W"} for each in rows["ref_pathology"]),
    ]
    found = {
        (row["carto_version"], row["top"]): row["spend_attributed_reimbursed"]
        for row in model_runner.run("condition_spend", rows, year=2020)
    }
    assert (found["V", "top_A"], found["V", "top_B"]) == (100, 0)
    assert (found["W", "top_A"], found["W", "top_B"]) == (50, 50)


def test_euros_of_nobody_are_a_row_of_their_own(model_runner: ModelRunner) -> None:
    found = spend(model_runner, [somebody("A", drugs=10), somebody(drugs=7) | {"is_known": False}])
    assert found[("unlinked", "drugs")] == (0, None, 7)
    assert sum(row[2] for row in found.values()) == 17


PERSON = st.fixed_dictionaries(
    {
        "sex": st.sampled_from(["1", "2", None]),
        "birth_year": st.sampled_from([1950, 1951, 1990, None]),
        "tops": st.lists(st.sampled_from(["top_A", "top_B", "top_C"]), unique=True),
        "spend": st.dictionaries(
            st.sampled_from(["drugs", "biology", "nursing"]),
            st.integers(-500, 100_000).map(lambda cents: cents / 100),
        ),
        "stays": st.lists(
            st.tuples(
                st.sampled_from(["I500", "I509", "E119", "Z511", "J18", None]),
                st.integers(0, 500_000).map(lambda cents: cents / 100),
            ),
            max_size=3,
        ),
        "is_known": st.sampled_from([True, True, True, False]),
    }
)


def group(person: Row) -> tuple[Any, Any]:
    age = None if person["birth_year"] is None else 2020 - person["birth_year"]
    return person["sex"], None if age is None else age // 5


def expected(people: list[Row]) -> dict[tuple[str, str], tuple[int, F, F]]:
    """Share each euro in exact fractions, person by person."""
    known = []
    totals: dict[str, F] = defaultdict(F)
    nobody: dict[str, F] = defaultdict(F)
    for person in people:
        amounts = {item: F(str(amount)) for item, amount in person["spend"].items()}
        if person["stays"]:
            amounts["public_mco_stay"] = sum((F(str(a)) for _, a in person["stays"]), F(0))
        for item, amount in amounts.items():
            totals[item] += amount
            if not person["is_known"]:
                nobody[item] += amount
        if person["is_known"] and amounts:
            known.append((person, amounts))

    def mean(chosen: list[tuple[Row, dict[str, F]]], item: str) -> F:
        amount = sum((amounts.get(item, F(0)) for _, amounts in chosen), F(0))
        return max(amount / len(chosen), F(0)) if chosen else F(0)

    of: dict[tuple[str, str], list[Any]] = defaultdict(lambda: [0, F(0), F(0)])
    for person, amounts in known:
        healthy = [k for k in known if not k[0]["tops"] and group(k[0]) == group(person)]
        for item, amount in amounts.items():
            if not person["tops"]:
                of[("none", item)][0] += 1
                of[("none", item)][1] += amount
                continue
            sent: dict[str, F] = defaultdict(F)
            for code, paid in person["stays"] if item == "public_mco_stay" else []:
                named = {"I500": ["top_A"], "E119": ["top_B"], "Z511": ["top_A", "top_B"]}
                takers = [top for top in named.get(code or "", []) if top in person["tops"]]
                for top in takers:
                    sent[top] += F(str(paid)) / len(takers)
            left = amount - sum(sent.values(), F(0))
            if left > 0:
                left -= min(left, mean(healthy, item))
            weights = {
                top: mean([k for k in known if k[0]["tops"] == [top]], item)
                for top in person["tops"]
            }
            whole = sum(weights.values(), F(0))
            for top in person["tops"]:
                share = weights[top] / whole if whole else F(1, len(person["tops"]))
                if len(person["tops"]) == 1:
                    share = F(1)
                of[(top, item)][0] += 1
                of[(top, item)][1] += amount
                of[(top, item)][2] += sent[top] + left * share
    for item, amount in totals.items():
        given_away = sum((row[2] for (_, each), row in of.items() if each == item), F(0))
        of[("none", item)][2] = amount - nobody[item] - given_away
        if nobody[item]:
            of[("unlinked", item)] = [0, None, nobody[item]]
    return {key: tuple(row) for key, row in of.items()}  # type: ignore[misc]


def near(amount: Decimal, exact: F) -> bool:
    """Within two cents: shares are kept to a millionth and each disease is rounded once."""
    return abs(F(amount) - exact) <= F(2, 100)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(PERSON, max_size=12), st.randoms())
def test_the_model_agrees_with_exact_fractions_and_adds_up_to_the_cent(
    model_runner: ModelRunner, people: list[Row], random: Any
) -> None:
    tables = model_input(people)
    for name in ("cost", "person_pathology", "hospital_stay", "int_person"):
        random.shuffle(tables[name])
    found = {
        (row["top"], row["item"]): row
        for row in model_runner.run("condition_spend", tables, year=2020)
    }
    wanted = expected(people)
    assert set(found) == set(wanted)
    for key, (count, of_patients, attributed) in wanted.items():
        assert found[key]["person_count"] == count
        assert found[key]["spend_of_patients_reimbursed"] == (
            None if of_patients is None else Decimal(str(float(of_patients))).quantize(
                Decimal("0.01"), ROUND_HALF_UP)
        )  # fmt: skip
        assert near(found[key]["spend_attributed_reimbursed"], attributed), key
    for item in {item for _, item in found}:
        total = sum(
            (Decimal(str(row["reimbursed"])) + Decimal(str(row.get("complement", 0))))
            for row in tables["cost"]
            if row["item"] == item
        )
        assert total == sum(
            row["spend_attributed_reimbursed"] for key, row in found.items() if key[1] == item
        )


@pytest.mark.spark
def test_both_engines_attribute_the_same_euros(
    model_runner: ModelRunner, spark_model_runner: SparkModelRunner
) -> None:
    people = [
        {"sex": "12"[i % 2], "birth_year": 1930 + i % 50, "stays": [("I500", 100 + i)] * (i % 3),
         "tops": [f"top_{top}" for top in "ABC"[: i % 4]], "spend": {"drugs": i * 1.37 // 1},
         "is_known": i % 17 > 0}
        for i in range(200)
    ]  # fmt: skip
    tables = model_input(people)
    ours = model_runner.run("condition_spend", tables, year=2020)
    theirs = spark_model_runner.run("condition_spend", tables, year=2020)
    assert len(ours) > 8 and ours == theirs
