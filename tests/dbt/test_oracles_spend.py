"""Spending by person, by item and its concentration: a plain second reading."""

from __future__ import annotations

import math
from collections import defaultdict
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_runner import ModelRunner, SparkModelRunner, multiset

Row = dict[str, Any]
YEAR = 2020
MODELS = ["measure_spend", "spend_concentration", "spend_item"]
REGIMES = {"ald_related": "ald_related", "ald_unrelated": "ald_unrelated", "none": "no_exemption"}
cents = st.integers(-90_000, 400_000).map(lambda n: n / 100)
lines = st.fixed_dictionaries({
    "year": st.sampled_from([YEAR, YEAR, YEAR, YEAR - 1]),
    "month": st.integers(1, 12),
    "item": st.sampled_from(["gp_fees", "drugs", "public_mco_stay"]),
    "exemption": st.sampled_from(["ald_related", "ald_unrelated", "other", "none", "unknown"]),
    "valuation_scope": st.sampled_from(["DCIR", "DCIR", "VALO", "VALOACE", "TJP"]),
    "spent": cents, "base": cents, "reimbursed": cents, "complement": cents,
    "franchise": cents, "other_public": cents,
})  # fmt: skip
people = st.fixed_dictionaries({
    "lines": st.lists(lines, max_size=5),
    "is_consumer": st.sampled_from([True, True, False]),
    "alds": st.lists(st.sampled_from([5, 8, 99]), unique=True, max_size=2),
    "department": st.sampled_from(["23", "75", None]),
    "is_known": st.sampled_from([True, True, True, False]),
})  # fmt: skip


def completed(line: Row) -> Row:
    """Return a line of `cost`: what public hospitals do not tell is absent."""
    if line["valuation_scope"] == "DCIR":
        spent, known = line["spent"], line
        return known | {
            "overrun": round(spent - line["base"], 2),
            "out_of_pocket": round(
                spent - line["reimbursed"] - line["complement"] - line["other_public"], 2
            ),
            "out_of_pocket_status": "computed",
        }
    status = "public_outpatient" if line["valuation_scope"] == "VALOACE" else "public_stay"
    unknown = dict.fromkeys(("spent", "complement", "franchise", "other_public"))
    base = line["base"] if status == "public_outpatient" else None
    return line | unknown | {"base": base, "out_of_pocket_status": status}


def tables(population: list[Row]) -> dict[str, list[Row]]:
    made: dict[str, list[Row]] = {
        "person_year": [], "cost": [], "ald_year": [], "person_pathology": [],
    }  # fmt: skip
    for number, person in enumerate(population):
        who = f"p{number}" if person["is_known"] else None
        made["cost"] += [completed(line) | {"person_id": who} for line in person["lines"]]
        if who is None:
            continue
        made["person_year"].append(
            {"person_id": who, "year": YEAR, "is_consumer": person["is_consumer"],
             "department": person["department"]}
        )  # fmt: skip
        made["ald_year"] += [
            {"person_id": who, "year": YEAR, "ald_num": ald, "is_prevalent_period": True,
             "is_prevalent_31_12": False}
            for ald in person["alds"]
        ]  # fmt: skip
    return made


def exact(value: float | None) -> Fraction:
    return Fraction(round((value or 0) * 100), 100)


def measures(population: list[Row]) -> dict[tuple[str, str], tuple[Fraction, Fraction, Any]]:
    """Return numerator, denominator and exclusion of each person and measure."""
    found: dict[tuple[str, str], tuple[Fraction, Fraction, Any]] = {}
    one, nothing = Fraction(1), Fraction(0)
    for number, person in enumerate(population):
        if not (person["is_known"] and person["is_consumer"]):
            continue
        who = f"p{number}"
        kept = [completed(x) for x in person["lines"] if x["year"] == YEAR]
        kept = [x for x in kept if x["valuation_scope"] != "TJP"]
        city = [x for x in kept if x["valuation_scope"] == "DCIR"]

        def total(rows: list[Row], name: str) -> Fraction:
            return sum((exact(x.get(name)) for x in rows), Fraction(0))

        def paid(rows: list[Row]) -> Fraction:
            return total(rows, "reimbursed") + total(rows, "complement")

        found[(who, "spend_reimbursed")] = (
            (paid(kept), one, None) if kept else (nothing, nothing, "daily_tariff_only")
        )
        left = total(city, "out_of_pocket")
        for name, value in {
            "spend_presented": total(city, "spent"),
            "spend_rac": left,
            "spend_rac_over_1000": one if left > 1000 else nothing,
            "spend_overrun": total(city, "overrun"),
            "spend_franchise": -total(city, "franchise"),
        }.items():
            found[(who, name)] = (
                (value, one, None) if city else (nothing, nothing, "public_care_only")
            )
        for exemption, name in REGIMES.items():
            if rows := [x for x in city if x["exemption"] == exemption]:
                found[(who, f"rac_{name}")] = (total(rows, "out_of_pocket"), one, None)
                found[(who, f"coverage_{name}")] = (paid(rows), total(rows, "spent"), None)
        for item in {x["item"] for x in kept}:
            rows = [x for x in kept if x["item"] == item]
            found[(who, f"reimbursed_{item}")] = (paid(rows), one, None)
    return found


def concentration(population: list[Row]) -> dict[tuple[str, str], Row]:
    """Return the statistics of each measure and condition, from the sorted amounts."""
    amounts: dict[tuple[str, str], list[Fraction]] = defaultdict(list)
    for (who, measure), (num, _, code) in measures(population).items():
        if measure not in ("spend_reimbursed", "spend_rac") or code:
            continue
        alds = population[int(who[1:])]["alds"]
        conditions = {"all", "ald" if alds else "no_ald"}
        conditions |= {f"ald_{ald:02d}" for ald in alds if ald != 99}
        for condition in conditions:
            amounts[(measure, condition)].append(num)
    found = {}
    for key, values in amounts.items():
        values.sort()
        n, whole = len(values), sum(values, Fraction(0))

        def quantile(q: Fraction, values: list[Fraction] = values, n: int = n) -> float:
            where = (n - 1) * q
            low = math.floor(where)
            high = min(low + 1, n - 1)
            return float(values[low] + (values[high] - values[low]) * (where - low))

        def top(part: int, values: list[Fraction] = values, n: int = n) -> Fraction:
            return sum(values[n - -(-n // part) :], Fraction(0))

        # Gini by its definition: half the mean difference of all pairs, over the mean.
        apart = sum((abs(a - b) for a in values for b in values), Fraction(0))
        found[key] = {
            "person_count": n, "negative_count": sum(v < 0 for v in values),
            "total_amount": float(whole), "mean_amount": float(whole / n),
            "median_amount": quantile(Fraction(1, 2)), "p90_amount": quantile(Fraction(9, 10)),
            "share_of_top_5": float(top(20) / whole) if whole > 0 else None,
            "share_of_top_10": float(top(10) / whole) if whole > 0 else None,
            "gini": float(apart / (2 * n * whole)) if whole > 0 else None,
        }  # fmt: skip
    return found


def items(population: list[Row]) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Return people, consumers, reimbursed and out of pocket of each cell."""
    cells: dict[tuple[Any, ...], list[Any]] = defaultdict(lambda: [set(), 0, Fraction(0), None])

    def cell(person: Row) -> tuple[str, str]:
        if not person["is_known"]:
            return "unknown", "unlinked"
        return person["department"] or "unknown", "ald" if person["alds"] else "no_ald"

    for number, person in enumerate(population):
        for line in map(completed, person["lines"]):
            if line["year"] != YEAR:
                continue
            key = (*cell(person), line["item"], line["exemption"], line["valuation_scope"])
            if person["is_known"]:
                cells[key][0].add(number)
            cells[key][2] += exact(line["reimbursed"])
            if line["valuation_scope"] == "DCIR":
                cells[key][3] = (cells[key][3] or 0) + exact(line["out_of_pocket"])
    return {
        key: (
            len(who),
            sum(p["is_known"] and p["is_consumer"] and cell(p) == key[:2] for p in population),
            paid,
            left,
        )
        for key, (who, _, paid, left) in cells.items()
    }


def check(runner: ModelRunner, population: list[Row]) -> None:
    found = runner.run_all(MODELS, tables(population), year=YEAR)
    wanted = measures(population)
    got = {(r["person_id"], r["measure"]): r for r in found["measure_spend"]}
    assert len(got) == len(found["measure_spend"])
    assert set(got) == set(wanted)
    for key, (num, den, code) in wanted.items():
        row = got[key]
        assert row["excl_code"] == code, key
        assert row["num"] == pytest.approx(float(num), rel=1e-12, abs=1e-9), key
        assert row["den"] == pytest.approx(float(den), rel=1e-12, abs=1e-9), key
        assert (row["condition"], row["unit_id"], row["finess"]) == ("all", "", None)
    stats = {(r["measure"], r["condition"]): r for r in found["spend_concentration"]}
    expected = concentration(population)
    assert set(stats) == set(expected)
    for key, values in expected.items():
        for name, value in values.items():
            told = stats[key][name]
            assert (told is None) == (value is None), (key, name)
            if value is not None:
                assert float(told) == pytest.approx(value, rel=1e-9, abs=1e-9), (key, name)
    names = ("department", "condition", "item", "exemption", "valuation_scope")
    cells = {
        tuple(r[n] for n in names): (
            r["person_count"], r["consumer_count"], Fraction(r["reimbursed"]),
            None if r["out_of_pocket"] is None else Fraction(r["out_of_pocket"]),
        )
        for r in found["spend_item"]
    }  # fmt: skip
    assert cells == items(population)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(population=st.lists(people, min_size=1, max_size=8))
def test_spending_is_that_of_a_plain_reading(
    population: list[Row], model_runner: ModelRunner
) -> None:
    check(model_runner, population)


def somebody(reimbursed: float, alds: tuple[int, ...] = ()) -> Row:
    line = {
        "year": YEAR, "month": 1, "item": "drugs", "exemption": "none", "valuation_scope": "DCIR",
        "spent": reimbursed + 1000, "base": reimbursed, "reimbursed": reimbursed, "complement": 0,
        "franchise": 0, "other_public": 0,
    }  # fmt: skip
    return {"lines": [line], "is_consumer": True, "alds": list(alds), "department": "23",
            "is_known": True}  # fmt: skip


POPULATION = [somebody(100.0 * n, (8,) if n % 3 == 0 else ()) for n in range(40)]


def test_equal_spending_has_no_inequality_and_one_spender_has_all(
    model_runner: ModelRunner,
) -> None:
    equal = model_runner.run("spend_concentration", tables([somebody(50)] * 20), YEAR)
    row = next(r for r in equal if (r["measure"], r["condition"]) == ("spend_reimbursed", "all"))
    assert row["gini"] == pytest.approx(0, abs=1e-12)
    assert row["share_of_top_5"] == 0.05
    one = model_runner.run("spend_concentration", tables([somebody(0)] * 19 + [somebody(50)]), YEAR)
    row = next(r for r in one if (r["measure"], r["condition"]) == ("spend_reimbursed", "all"))
    assert row["gini"] == pytest.approx(0.95)
    assert row["share_of_top_5"] == row["share_of_top_10"] == 1


def test_exactly_a_thousand_euros_is_not_more_than_a_thousand(model_runner: ModelRunner) -> None:
    (row,) = [
        r
        for r in model_runner.run("measure_spend", tables([somebody(50)]), YEAR)
        if r["measure"] == "spend_rac_over_1000"
    ]
    assert (row["num"], row["den"]) == (0, 1)


def test_the_order_of_rows_changes_nothing(model_runner: ModelRunner) -> None:
    given_rows = tables(POPULATION)
    turned = {name: rows[::-1] for name, rows in given_rows.items()}
    assert model_runner.run_all(MODELS, given_rows, YEAR) == model_runner.run_all(
        MODELS, turned, YEAR
    )


def rounded(row: Row) -> Row:
    """Return a row whose doubles are told to nine digits: engines divide decimals differently."""
    return {n: float(f"{v:.9g}") if isinstance(v, float) else v for n, v in row.items()}


def test_both_engines_agree(
    model_runner: ModelRunner, spark_model_runner: SparkModelRunner
) -> None:
    given_rows = tables(POPULATION)
    ours = model_runner.run_all(MODELS, given_rows, YEAR)
    theirs = spark_model_runner.run_all(MODELS, given_rows, YEAR)
    for name in MODELS:
        assert multiset(map(rounded, theirs[name])) == multiset(map(rounded, ours[name]))
