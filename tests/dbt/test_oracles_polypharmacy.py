"""Polypharmacy: the drugs of each person read again one by one, in plain Python."""

from __future__ import annotations

import csv
import datetime as dt
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_runner import ModelRunner, SparkModelRunner, multiset
from oracle_tools import Row, assert_same

from openchronic_assets.warehouse import project

YEAR = (dt.date(2020, 1, 1), dt.date(2020, 12, 31))
SHARES = (
    "polypharmacy_cumulative_5", "polypharmacy_cumulative_10", "polypharmacy_continuous_5",
    "polypharmacy_continuous_10",
)  # fmt: skip


def seed(name: str) -> list[dict[str, str]]:
    with (project.project_dir() / "seeds" / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def substances(atc: str) -> set[str]:
    """Return what a class is made of."""
    parts = {row["component"] for row in seed("ref_drug_component") if row["atc_code"] == atc}
    return parts or {atc}


def is_in(name: str, substance: str) -> bool:
    """Whether a substance is in a list."""
    rows = [row for row in seed("ref_drug_risk_list") if row["list_name"] == name]
    hit = {r["is_excluded"] for r in rows if substance.startswith(r["atc_prefix"])}
    return "false" in hit and "true" not in hit


def days_in_a_row(exposures: list[Row], person: str) -> int:
    """Return the longest run of days with a benzodiazepine that touches the year, until its end."""
    days: set[dt.date] = set()
    for each in exposures:
        if each["person_id"] != person or each["exposure_rule"] != "stock":
            continue
        if not each["atc_class"].startswith(("N05BA", "N05CD", "N05CF")):
            continue
        # A time that does not touch the year is not told of.
        if each["start_date"] > YEAR[1] or each["end_date"] < YEAR[0]:
            continue
        span = (each["end_date"] - each["start_date"]).days
        days |= {each["start_date"] + dt.timedelta(n) for n in range(span + 1)}
    longest = run = 0
    last = None
    for day in sorted(d for d in days if d <= YEAR[1]):
        run = run + 1 if last is not None and (day - last).days == 1 else 1
        longest, last = max(longest, run), day
    return longest


def expected(people: list[Row], drugs: list[Row], exposures: list[Row]) -> list[Row]:
    """Return the rows of 2020, person by person."""
    used = [d for d in drugs if d["year"] == 2020 and d["is_used_for_exposure"]]
    quarters = {(d["dispensing_date"].month - 1) // 3 for d in used}
    flux = max((d["known_at"] for d in used if d["known_at"]), default=dt.date(1, 1, 1))
    whole = len(quarters) == 4 and flux >= dt.date(2020, 12, 1)
    rows: list[Row] = []
    for person in people:
        if person["year"] != 2020 or not person["is_consumer"] or (person["age_years"] or 0) < 65:
            continue
        excluded = None
        if person["death_date"]:
            excluded = "died_in_year"
        elif not person["is_fully_observed"]:
            excluded = "not_fully_observed"
        elif not whole:
            excluded = "drugs_not_delivered"
        by_quarter: dict[int, set[str]] = defaultdict(set)
        dates: dict[str, set[dt.date]] = defaultdict(set)
        large: set[str] = set()
        for drug in used:
            if drug["person_id"] != person["person_id"] or drug["is_hospital_drug"]:
                continue
            for substance in substances(drug["atc_class"]):
                by_quarter[(drug["dispensing_date"].month - 1) // 3].add(substance)
                dates[substance].add(drug["dispensing_date"])
                if drug["is_large_pack"]:
                    large.add(substance)
        mean = sum(len(each) for each in by_quarter.values()) / 4
        lasting = sum(len(d) >= 3 or (len(d) >= 2 and s in large) for s, d in dates.items())
        values: dict[str, float] = {
            SHARES[0]: mean >= 5, SHARES[1]: mean >= 10, SHARES[2]: lasting >= 5,
            SHARES[3]: lasting >= 10, "substances_per_quarter": mean,
            "benzodiazepine_over_12_weeks": days_in_a_row(exposures, person["person_id"]) > 84,
            "anticholinergic_drug": any(is_in("anticholinergic", s) for s in dates),
            "triple_whammy": any(
                all(any(is_in(name, s) for s in taken) for name in ("nsaid", "ras", "diuretic"))
                for taken in by_quarter.values()
            ),
        }  # fmt: skip
        if person["age_years"] >= 75:
            values |= {f"{name}_75": values[name] for name in SHARES}
            values["inappropriate_drug_75"] = any(is_in("pim_laroche", s) for s in dates)
        rows += [
            {
                "person_id": person["person_id"], "year": 2020, "measure": measure,
                "condition": "all", "unit_id": "", "finess": None,
                "num": 0.0 if excluded else float(value), "den": 0.0 if excluded else 1.0,
                "excl_code": excluded,
            }
            for measure, value in values.items()
        ]  # fmt: skip
    return rows


def a_drug(person: str, atc: str, date: dt.date, **more: Any) -> Row:
    return {
        "person_id": person, "year": 2020, "atc_class": atc, "dispensing_date": date,
        "known_at": date.replace(day=1), "is_used_for_exposure": True, "is_hospital_drug": False,
        "is_large_pack": False,
    } | more  # fmt: skip


# Somebody else is dispensed something in each quarter, so that the year is all there.
WHOLE = [a_drug("else", "B01AC06", dt.date(2020, month, 5)) for month in (1, 5, 8, 12)]
CLASSES = (
    "C09BA04", "C09AA04", "C03AA03", "C03CA01", "M01AE01", "M01AX05", "N05BA12", "N06AA09",
    "C10BA05", "C10AA05", "A02BC01", "B01AC06", "N02BE01", "N02AJ13", "C08CA01", "C08C",
)  # fmt: skip


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[Row], list[Row], list[Row]]:
    """Return people, their drugs and their benzodiazepines."""
    people = [
        {
            "person_id": person, "year": 2020,
            "age_years": draw(st.sampled_from([64, 65, 74, 75, 90, None])),
            "is_consumer": draw(st.sampled_from([True, True, True, False])),
            "is_fully_observed": draw(st.sampled_from([True, True, True, False])),
            "death_date": draw(st.sampled_from([None, None, None, dt.date(2020, 6, 1)])),
        }
        for person in "abcd"
    ]  # fmt: skip
    people += [
        {
            "person_id": person, "year": 2019, "age_years": 80, "is_consumer": True,
            "is_fully_observed": True,
        }
        for person in "abe"
    ]  # fmt: skip
    drugs = list(WHOLE if draw(st.sampled_from([True, True, True, False])) else WHOLE[:3])
    date = st.dates(*YEAR)
    for person in "ab":
        # Several of each, so that some are many.
        for atc in draw(st.lists(st.sampled_from(CLASSES), max_size=16)):
            drugs += [
                a_drug(
                    person, atc, day, is_large_pack=draw(st.sampled_from([False, False, True])),
                    is_used_for_exposure=draw(st.sampled_from([True, True, True, False])),
                    is_hospital_drug=draw(st.sampled_from([False, False, False, True])),
                    year=draw(st.sampled_from([2020, 2020, 2020, 2019])),
                )
                for day in draw(st.lists(date, min_size=1, max_size=4))
            ]  # fmt: skip
    exposures = []
    for _ in range(draw(st.integers(0, 5))):
        start = draw(st.dates(dt.date(2019, 9, 1), dt.date(2021, 1, 10)))
        exposures.append(
            {
                "person_id": draw(st.sampled_from("ab")), "start_date": start,
                "end_date": start + dt.timedelta(draw(st.sampled_from([0, 30, 60, 83, 84, 200]))),
                "exposure_rule": draw(st.sampled_from(["stock", "stock", "stock", "limited"])),
                "atc_class": draw(st.sampled_from(["N05BA12", "N05CF01", "N05CD06", "N05AH03"])),
            }
        )  # fmt: skip
    return people, drugs, exposures


def run(
    runner: ModelRunner, people: list[Row], drugs: list[Row], exposures: list[Row]
) -> list[Row]:
    return runner.run(
        "measure_polypharmacy",
        {"person_year": people, "drug_dispensing": drugs, "drug_exposure": exposures},
    )


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=cases())
def test_polypharmacy_is_what_reading_each_box_finds(
    model_runner: ModelRunner, case: tuple[list[Row], list[Row], list[Row]]
) -> None:
    wanted = expected(*case)
    found = run(model_runner, *case)
    assert len(found) == len(wanted)
    if wanted:
        assert_same(found, wanted)


SOMEBODY = {
    "person_id": "a", "year": 2020, "age_years": 80, "is_consumer": True, "is_fully_observed": True,
}  # fmt: skip


def told(runner: ModelRunner, drugs: list[Row], exposures: list[Row] | None = None) -> Row:
    """Return the numerators of somebody of 80 by measure."""
    rows = run(runner, [SOMEBODY], [*WHOLE, *drugs], exposures or [])
    assert all(row["excl_code"] is None for row in rows)
    return {row["measure"]: row["num"] for row in rows}


def test_a_combination_counts_as_its_substances_and_once_beside_one_of_them(
    model_runner: ModelRunner,
) -> None:
    day = dt.date(2020, 2, 1)
    found = told(model_runner, [a_drug("a", "C10BA05", day), a_drug("a", "C10AA05", day)])
    assert found["substances_per_quarter"] == 2 / 4


def test_five_a_quarter_is_a_mean_of_the_four(model_runner: ModelRunner) -> None:
    classes = [f"C01AA{n:02d}" for n in range(20)]
    winter = dt.date(2020, 1, 10)
    twenty = [a_drug("a", atc, winter) for atc in classes]
    assert told(model_runner, twenty)["polypharmacy_cumulative_5_75"] == 1
    assert told(model_runner, twenty[1:])["polypharmacy_cumulative_5_75"] == 0


@pytest.mark.parametrize(
    ("dates", "large", "expected_count"), [(3, False, 1), (2, False, 0), (2, True, 1), (1, True, 0)]
)
def test_continuous_is_three_days_or_two_with_a_large_pack(
    model_runner: ModelRunner, dates: int, large: bool, expected_count: int
) -> None:
    drugs = [
        a_drug("a", f"C01AA{n:02d}", dt.date(2020, 1 + month, 3), is_large_pack=large)
        for n in range(5)
        for month in range(dates)
    ]
    assert told(model_runner, drugs)["polypharmacy_continuous_5"] == expected_count


def test_twelve_weeks_are_counted_in_days_over_several_substances(
    model_runner: ModelRunner,
) -> None:
    def exposure(atc: str, start: dt.date, days: int) -> Row:
        end = start + dt.timedelta(days - 1)
        return {
            "person_id": "a", "exposure_rule": "stock", "atc_class": atc, "start_date": start,
            "end_date": end,
        }  # fmt: skip

    spring = dt.date(2020, 3, 1)
    after = spring + dt.timedelta(40)
    for second, long in ((44, 0), (45, 1)):  # 84 days, 85 days
        exposures = [exposure("N05BA12", spring, 40), exposure("N05CF01", after, second)]
        found = told(model_runner, [], exposures)
        assert found["benzodiazepine_over_12_weeks"] == long


def test_drugs_that_were_not_delivered_are_no_zero(model_runner: ModelRunner) -> None:
    for drugs in ([], WHOLE[:3], WHOLE[1:]):
        rows = run(model_runner, [SOMEBODY], drugs, [])
        assert {(r["num"], r["den"], r["excl_code"]) for r in rows} == {
            (0.0, 0.0, "drugs_not_delivered")
        }


@pytest.mark.spark
def test_both_engines_count_the_same_drugs(
    model_runner: ModelRunner, spark_model_runner: SparkModelRunner
) -> None:
    drugs = [
        *WHOLE,
        *(
            a_drug(
                "ab"[n % 2], atc, dt.date(2020, 1 + (n * 5) % 12, 3 + n), is_large_pack=n % 3 == 0
            )
            for n, atc in enumerate(CLASSES)
        ),
    ]
    exposures = [
        {
            "person_id": "b", "exposure_rule": "stock", "atc_class": "N05BA12",
            "start_date": dt.date(2019, 12, 1), "end_date": dt.date(2020, 3, 1),
        }
    ]  # fmt: skip
    people = [SOMEBODY, SOMEBODY | {"person_id": "b", "age_years": 70}]
    plain = run(model_runner, people, drugs, exposures)
    assert len(plain) == 21
    assert multiset(run(spark_model_runner, people, drugs, exposures)) == multiset(plain)
