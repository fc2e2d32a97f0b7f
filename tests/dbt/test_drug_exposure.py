"""Exposure and adherence agree with a simulation that lives each day."""

from __future__ import annotations

import datetime as dt
import random
from collections import defaultdict
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_runner import ModelRunner, Row, SparkModelRunner, multiset

DAY = dt.timedelta(days=1)
JANUARY = dt.date(2020, 1, 1)
DECEMBER = dt.date(2020, 12, 31)
STATINS, SULFAMIDES = ("C10AA05", "C10AA01"), ("A10BB09",)
CLASS_OF = {"C10AA05": "statin", "C10AA01": "statin", "A10BB09": "diabetes"}
MODELS = ("int_drug_cover", "drug_exposure", "drug_adherence")

Dispensed = tuple[dt.date, str, int, bool]  # date, class, days, large pack
Stay = tuple[dt.date, dt.date]


def tables(
    people: list[tuple[list[Dispensed], list[Stay]]], deaths: dict[int, dt.date] | None = None
) -> dict[str, list[Row]]:
    """Return the parents of the models for people named by their place."""
    boxes, stays = [], []
    for place, (dispensed, times) in enumerate(people):
        for number, (date, atc, days, large) in enumerate(dispensed):
            boxes.append(
                {
                    "event_id": f"{place}-{number}", "person_id": f"P{place}", "year": date.year,
                    "dispensing_date": date, "atc_class": atc, "box_count": 1, "quantity": 1,
                    "days_supply": days, "is_large_pack": large, "is_used_for_exposure": True,
                    "is_hospital_drug": False, "known_at": dt.date(2021, 6, 1),
                }
            )  # fmt: skip
        for number, (entry, discharge) in enumerate(times):
            stays.append(
                {
                    "stay_id": f"{place}-{number}", "person_id": f"P{place}", "field": "mco",
                    "entry_date": entry, "discharge_date": discharge,
                    "is_used_for_stays": True, "is_used_for_persons": True,
                }
            )  # fmt: skip
    return {
        "drug_dispensing": boxes,
        "hospital_stay": stays,
        "person": [
            {"person_id": f"P{place}", "death_date": (deaths or {}).get(place)}
            for place in range(len(people))
        ],
        "int_drug_reference": [
            {"code_system": "cip13", "code": str(n), "atc_class": atc}
            for n, atc in enumerate(CLASS_OF)
        ],
    }


def in_hospital(times: list[Stay]) -> set[dt.date]:
    """Return the days from each entry to the eve of discharge."""
    found = set()
    for entry, discharge in times:
        while entry < discharge:
            found.add(entry)
            entry += DAY
    return found


def lived(dispensed: list[Dispensed], away: set[dt.date]) -> tuple[list[dt.date], set[dt.date]]:
    """Return the days at home in order, and those of them with something left to take."""
    comes: dict[dt.date, int] = defaultdict(int)
    for date, _, days, _ in dispensed:
        comes[date] += days
    left, at_home, covered = 0, [], set()
    date = min(comes)
    while date <= max(comes) + 400 * DAY:
        left = min(left + comes.get(date, 0), 120)
        if date not in away:
            at_home.append(date)
            if left:
                covered.add(date)
                left -= 1
        date += DAY
    return at_home, covered


def runs(at_home: list[dt.date], covered: set[dt.date], gap: int = 0) -> list[list[dt.date]]:
    """Return covered days in groups that more than ``gap`` days at home without cover part."""
    places = [place for place, date in enumerate(at_home) if date in covered]
    groups: list[list[dt.date]] = []
    for before, place in zip([None, *places], places, strict=False):
        if before is None or place - before - 1 > gap:
            groups.append([])
        groups[-1].append(at_home[place])
    return groups


def of_class(dispensed: list[Dispensed], classes: tuple[str, ...] | str) -> list[Dispensed]:
    return [each for each in dispensed if each[1] in classes]


def expected_cover(people: Any) -> list[tuple[Any, ...]]:
    found = []
    for place, (dispensed, times) in enumerate(people):
        away = in_hospital(times)
        for atc in CLASS_OF:
            mine = of_class(dispensed, (atc,))
            if not mine:
                continue
            at_home, covered = lived(mine, away)
            taken_home = {next(d for d in at_home if d >= date) for date, *_ in mine}
            for run in runs(at_home, covered):
                count = sum(run[0] <= date <= run[-1] for date in taken_home)
                found.append((f"P{place}", atc, run[0], run[-1], len(run), count))
    return sorted(found)


def expected_stock(people: Any) -> list[tuple[Any, ...]]:
    found = []
    for place, (dispensed, times) in enumerate(people):
        away = in_hospital(times)
        for atc in CLASS_OF:
            mine = of_class(dispensed, (atc,))
            if not mine:
                continue
            at_home, covered = lived(mine, away)
            for era in runs(at_home, covered, gap=30):
                whole = (era[-1] - era[0]).days + 1
                gone = sum(era[0] <= date <= era[-1] for date in away)
                found.append(
                    (f"P{place}", atc, era[0], era[-1], len(era), whole - len(era) - gone, gone)
                )
    return sorted(found)


def expected_limited(people: Any) -> list[tuple[Any, ...]]:
    found = []
    for place, (dispensed, _) in enumerate(people):
        for atc in CLASS_OF:
            large: dict[dt.date, bool] = defaultdict(bool)
            for date, _, _, is_large in of_class(dispensed, (atc,)):
                large[date] |= is_large
            chains: list[list[dt.date]] = []
            reach = None
            for date in sorted(large):
                if reach is None or date > reach + 30 * DAY:
                    chains.append([])
                    reach = date
                chains[-1].append(date)
                reach = max(reach, date + (90 if large[date] else 30) * DAY)
            for chain in chains:
                seconds = [b for a, b in pairwise(chain) if (b - a).days <= 180]
                if seconds:
                    end = max(d + (90 if large[d] else 30) * DAY for d in chain) - DAY
                    found.append((f"P{place}", atc, "limited", seconds[0], end))
            seconds = [b for a, b in pairwise(sorted(large)) if (b - a).days <= 180]
            if seconds:
                found.append((f"P{place}", atc, "unlimited", seconds[0], None))
    return sorted(found, key=repr)


def expected_adherence(people: Any, deaths: dict[int, dt.date]) -> list[tuple[Any, ...]]:
    found = []
    for place, (dispensed, times) in enumerate(people):
        away = in_hospital(times)
        for name, classes in (("statin", STATINS), ("diabetes", SULFAMIDES)):
            of_year = [e for e in of_class(dispensed, classes) if e[0].year == 2020]
            if not of_year:
                continue
            supply: dict[dt.date, int] = defaultdict(int)
            for date, _, days, _ in of_year:
                supply[date] += days
            first, last = min(supply), max(supply)
            end = min(DECEMBER, max(deaths.get(place, DECEMBER), last))
            covered: set[dt.date] = set()
            for atc in classes:
                if mine := of_class(dispensed, (atc,)):
                    covered |= lived(mine, away)[1]
            window = [first + n * DAY for n in range((end - first).days + 1)]
            window = [date for date in window if date not in away]
            days = [date in covered for date in window]
            stop, run = None, 0
            for number, taken in enumerate(days):
                run = 0 if taken else run + 1
                if run > 60 and stop is None:
                    stop = number + 1 - run
            eligible = len(supply) >= 2 and len(window) >= 91
            found.append(
                (
                    f"P{place}", name, first, end, len(window), sum(days),
                    sum(days) / len(window) if window else None,
                    min(1, (sum(supply.values()) - supply[last]) / (last - first).days)
                    if last > first else None,
                    eligible,
                    (10 * sum(days) >= 8 * len(window)) if eligible else None,
                    len(window) if stop is None else stop,
                    stop is None,
                )
            )  # fmt: skip
    return sorted(found)


def agree(made: dict[str, list[Row]], people: Any, deaths: dict[int, dt.date]) -> None:
    """Check the models' rows against those of the simulation."""
    assert sorted(
        (r["person_id"], r["atc_class"], r["start_date"], r["end_date"],
         r["city_end"] - r["city_start"], r["dispensing_count"])
        for r in made["int_drug_cover"]
    ) == expected_cover(people)  # fmt: skip
    stock = [r for r in made["drug_exposure"] if r["exposure_rule"] == "stock"]
    assert sorted(
        (r["person_id"], r["atc_class"], r["start_date"], r["end_date"], r["covered_days"],
         r["gap_days"], r["hospital_days"])
        for r in stock
    ) == expected_stock(people)  # fmt: skip
    assert sorted(
        (
            (r["person_id"], r["atc_class"], r["exposure_rule"], r["start_date"], r["end_date"])
            for r in made["drug_exposure"] if r["exposure_rule"] != "stock"
        ),
        key=repr,
    ) == expected_limited(people)  # fmt: skip
    adherence = [
        (r["person_id"], r["drug_class"], r["window_start_date"], r["window_end_date"],
         r["window_days"], r["covered_days"], r["pdc"], r["mpr"], r["is_eligible"],
         r["is_adherent"], r["persistence_days"], r["is_persistent"])
        for r in made["drug_adherence"]
    ]  # fmt: skip
    assert sorted(adherence) == expected_adherence(people, deaths)


def drawn(chance: random.Random) -> tuple[list[Dispensed], list[Stay]]:
    """Return one person: irregular dispensings of a few substances, and stays that may overlap."""
    dispensed, times = [], []
    for atc in chance.sample(list(CLASS_OF), chance.randint(1, 3)):
        date = dt.date(2019, 9, 1) + chance.randint(0, 200) * DAY
        for _ in range(chance.randint(1, 14)):
            large = chance.random() < 0.3
            days = chance.choice([84, 90]) if large else chance.choice([7, 14, 28, 30, 60, 300])
            dispensed.append((date, atc, days, large))
            date += chance.choice([0, 1, 10, 25, 28, 30, 31, 61, 90, 92, 150, 200]) * DAY
    for _ in range(chance.choice([0, 0, 1, 2, 6])):
        entry = dt.date(2019, 9, 1) + chance.randint(0, 600) * DAY
        times.append((entry, entry + chance.choice([0, 1, 2, 9, 40]) * DAY))
    return dispensed, times


@settings(
    max_examples=8, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(seed=st.integers(0, 10**9))
def test_exposure_and_adherence_are_what_living_each_day_gives(
    model_runner: ModelRunner, seed: int
) -> None:
    chance = random.Random(seed)
    people = [drawn(chance) for _ in range(60)]
    deaths = {n: DECEMBER - chance.randint(0, 400) * DAY for n in range(0, len(people), 7)}
    made = model_runner.run_all(MODELS, tables(people, deaths), year=2020)
    agree(made, people, deaths)


def test_rows_in_another_order_give_the_same(model_runner: ModelRunner) -> None:
    chance = random.Random(3)
    given_rows = tables([drawn(chance) for _ in range(30)])
    before = model_runner.run_all(MODELS, given_rows, year=2020)
    for rows in given_rows.values():
        chance.shuffle(rows)
    assert model_runner.run_all(MODELS, given_rows, year=2020) == before


@pytest.mark.spark
def test_exposure_is_the_same_on_both_engines(
    model_runner: ModelRunner, spark_model_runner: SparkModelRunner
) -> None:
    chance = random.Random(4)
    given_rows = tables([drawn(chance) for _ in range(40)])
    ours = model_runner.run_all(MODELS, given_rows, year=2020)
    theirs = spark_model_runner.run_all(MODELS, given_rows, year=2020)
    for name in MODELS:
        assert len(ours[name]) > 20
        assert multiset(theirs[name]) == multiset(ours[name]), name


def adherence(
    model_runner: ModelRunner,
    starts: list[int],
    days: int = 30,
    stays: list[tuple[int, int]] | None = None,
    death: int | None = None,
) -> Row:
    """Return the statin row of a person whose year began at day 0, the last of a window of days."""
    dispensed = [(JANUARY + n * DAY, "C10AA05", days, False) for n in starts]
    times = [(JANUARY + a * DAY, JANUARY + b * DAY) for a, b in stays or []]
    deaths = {0: JANUARY + death * DAY} if death is not None else {}
    given_rows = tables([(dispensed, times)], deaths)
    (row,) = model_runner.run("drug_adherence", given_rows, year=2020)
    return row


def test_three_fills_in_a_row_cover_their_window(model_runner: ModelRunner) -> None:
    row = adherence(model_runner, [0, 30, 60], death=89)
    assert (row["window_days"], row["pdc"], row["window_end_reason"]) == (90, 1.0, "death")
    assert row["is_eligible"] is False and row["is_adherent"] is None  # 90 days are not 91


def test_a_month_without_a_fill_leaves_two_thirds(model_runner: ModelRunner) -> None:
    row = adherence(model_runner, [0, 60], death=89)
    assert round(row["pdc"], 3) == 0.667 and row["mpr"] == 0.5


def test_what_overlaps_is_carried_over(model_runner: ModelRunner) -> None:
    row = adherence(model_runner, [0, 10, 20], death=89)
    assert row["pdc"] == 1.0 and row["mpr"] == 1.0


def test_no_more_than_four_months_are_carried_over(model_runner: ModelRunner) -> None:
    row = adherence(model_runner, [0, 0, 1, 2, 3, 4], days=90, death=365)
    assert row["covered_days"] == 124  # 120 days at home on day 4, after four days


def test_days_in_hospital_are_in_neither_part(model_runner: ModelRunner) -> None:
    row = adherence(model_runner, [0, 30, 70], stays=[(45, 55)], death=109)
    assert (row["window_days"], row["covered_days"], row["pdc"]) == (100, 90, 0.9)
    assert row["is_eligible"] and row["is_adherent"]


@pytest.mark.parametrize(("starts", "adherent"), [([0, 30, 60], True), ([0, 30, 61], True)])
def test_eight_days_of_ten_are_enough(
    model_runner: ModelRunner, starts: list[int], adherent: bool
) -> None:
    row = adherence(model_runner, starts, death=111)
    assert (row["window_days"], row["covered_days"]) == (112, 90)
    assert row["is_adherent"] is adherent
    assert adherence(model_runner, starts, death=112)["is_adherent"] is False  # 90 of 113


@pytest.mark.parametrize(
    ("second", "kept", "reason"), [(90, True, "end_of_year"), (91, False, "gap")]
)
def test_a_break_is_more_than_sixty_days(
    model_runner: ModelRunner, second: int, kept: bool, reason: str
) -> None:
    starts = [0, second, *range(second + 30, 366, 30)]
    row = adherence(model_runner, starts)
    assert (row["is_persistent"], row["stop_reason"]) == (kept, reason)
    assert row["persistence_days"] == (366 if kept else 30)


def test_a_single_fill_is_seen_and_not_judged(model_runner: ModelRunner) -> None:
    row = adherence(model_runner, [0])
    assert (row["is_eligible"], row["is_adherent"], row["mpr"]) == (False, None, None)
    assert (row["stop_reason"], row["persistence_days"]) == ("gap", 30)


def test_what_is_left_of_the_year_before_counts(model_runner: ModelRunner) -> None:
    row = adherence(model_runner, [-20, 0], days=90, death=139)
    assert (row["window_start_date"], row["window_days"]) == (JANUARY, 140)
    assert row["covered_days"] == 120  # 70 left and 90 more, at most 120
