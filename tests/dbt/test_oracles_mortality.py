"""Deaths and survival after a stay: each person followed day by day, in plain Python."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_runner import ModelRunner, SparkModelRunner
from oracle_tools import Row, assert_same

Given = dict[str, list[Row]]
DISEASES = {"I219": "infarction", "I500": "heart_failure", "J449": "copd", "S7200": "hip_fracture"}
HORIZON = 365


def an_episode(person: str, number: int, out: dt.date, **more: Any) -> Row:
    return {
        "person_id": person, "episode_id": f"e{number}", "year": 2020, "field": "mco",
        "entry_finess": "h", "entry_date": out - dt.timedelta(5), "discharge_date": out,
        "first_main_diagnosis": "I500", "is_full_stay": True, "is_service_only": False,
        "is_after_death": False,
    } | more  # fmt: skip


def somebody(person: str, **more: Any) -> Row:
    return {
        "person_id": person, "year": 2020, "age_years": 70, "scheme": "01C", "is_consumer": True,
        "observed_days": 366,
    } | more  # fmt: skip


def coverage(**known: bool) -> list[Row]:
    """Return coverage from names like s01C_2020."""
    return [
        {"scheme": name[1:-5], "year": int(name[-4:]), "is_death_ascertained": flag}
        for name, flag in known.items()
    ]


def index_stays(rows: Given) -> dict[tuple[str, str], Row]:
    """Return by person and condition the first episode, not after death where there is another."""
    adults = {
        p["person_id"] for p in rows["person_year"]
        if p["year"] == 2020 and (p["age_years"] or 0) >= 18
    }  # fmt: skip
    found: dict[tuple[str, str], Row] = {}
    for each in sorted(
        rows["hospital_episode"],
        key=lambda e: (e["is_after_death"], e["discharge_date"], e["entry_date"], e["episode_id"]),
    ):
        good = each["field"] == "mco" and each["is_full_stay"] and not each["is_service_only"]
        if each["year"] != 2020 or each["person_id"] not in adults or not good:
            continue
        names = ["all"]
        if each["first_main_diagnosis"] in DISEASES:
            names.append(DISEASES[each["first_main_diagnosis"]])
        for name in names:
            found.setdefault((each["person_id"], name), each)
    return found


def known_years(rows: Given, person: str) -> set[int]:
    schemes = {
        p["person_id"]: p["scheme"] or "unknown" for p in rows["person_year"] if p["year"] == 2020
    }
    return {
        r["year"] for r in rows["scheme_coverage"]
        if r["scheme"] == schemes[person] and r["is_death_ascertained"]
    }  # fmt: skip


def last_delivered(rows: Given) -> dt.date | None:
    days = [r["stays_to"] for r in rows["int_delivered_year"] if r["year"] in (2020, 2021)]
    return max((d for d in days if d), default=None)


def expected(rows: Given) -> list[Row]:
    """Return the rows of 2020, person by person."""
    deaths = {row["person_id"]: row["death_date"] for row in rows["int_death"]}
    wanted: list[Row] = []

    def row(
        person: str, measure: str, unit: str, finess: Any, num: Any, den: Any, why: Any
    ) -> None:
        wanted.append(
            {
                "person_id": person, "year": 2020, "measure": measure, "condition": "all",
                "unit_id": unit, "finess": finess, "num": 0.0 if why else float(num),
                "den": 0.0 if why else den, "excl_code": why,
            }
        )  # fmt: skip

    for person in rows["person_year"]:
        if person["year"] != 2020 or not person["is_consumer"]:
            continue
        why = None
        if person["observed_days"] == 0:
            why = "not_observed"
        elif 2020 not in known_years(rows, person["person_id"]):
            why = "death_not_ascertained"
        dead = person["death_date"] is not None and person["death_date"].year == 2020
        row(
            person["person_id"], "death_rate", "", None, dead, person["observed_days"] / 365.25, why
        )
    data_end = last_delivered(rows)
    for (person_id, condition), stay in index_stays(rows).items():
        out = stay["discharge_date"]
        for days in (30, 365) if condition != "all" else (30, 90, 365):
            term = out + dt.timedelta(days)
            touched = set(range(2020, term.year + 1))
            why = None
            if stay["is_after_death"]:
                why = "after_death"
            elif data_end is None or data_end < term:
                why = "no_follow_up"
            elif not touched <= known_years(rows, person_id):
                why = "death_not_ascertained"
            death = deaths.get(person_id)
            name = "stay" if condition == "all" else condition
            row(
                person_id, f"death_{days}d_after_{name}", stay["episode_id"], stay["entry_finess"],
                death is not None and death <= term, 1.0, why,
            )  # fmt: skip
    return wanted


def curve(rows: Given) -> dict[tuple[str, int], dict[str, float | None]]:
    """Return by condition and day at risk, deaths, censored, survival, variance and interval."""
    deaths = {row["person_id"]: row["death_date"] for row in rows["int_death"]}
    data_end = last_delivered(rows)
    followed: dict[str, list[tuple[int, bool]]] = {}
    for (person_id, condition), stay in index_stays(rows).items():
        years = known_years(rows, person_id)
        if stay["is_after_death"] or 2020 not in years or data_end is None:
            continue
        out = stay["discharge_date"]
        end = min(
            out + dt.timedelta(HORIZON), data_end, dt.date(2021 if 2021 in years else 2020, 12, 31)
        )
        death = deaths.get(person_id)
        dead = death is not None and death <= end
        last = max(death, out) if dead and death else end
        followed.setdefault(condition, []).append(((last - out).days, dead))
    found: dict[tuple[str, int], dict[str, float | None]] = {}
    for condition, people in followed.items():
        survival, total = 1.0, 0.0
        for day in sorted({0, *(d for d, _ in people)}):
            at_risk = sum(d >= day for d, _ in people)
            dying = sum(d == day and dead for d, dead in people)
            leaving = sum(d == day and not dead for d, dead in people)
            survival *= 1 - dying / at_risk
            if at_risk > dying:
                total += dying / (at_risk * (at_risk - dying))
            point: dict[str, float | None] = {
                "at_risk": at_risk, "deaths": dying, "censored": leaving, "survival": survival,
                "greenwood_variance": survival**2 * total, "ci_low": None, "ci_high": None,
                "person_count": len(people),
            }  # fmt: skip
            if 0 < survival < 1:
                centre = math.log(-math.log(survival))
                half = 1.959964 * math.sqrt(total) / abs(math.log(survival))
                point["ci_low"] = math.exp(-math.exp(centre + half))
                point["ci_high"] = math.exp(-math.exp(centre - half))
            found[condition, day] = point
    return found


@st.composite
def cases(draw: st.DrawFn) -> Given:
    """Return people, their episodes, their deaths and what the years know."""
    out = st.dates(dt.date(2020, 1, 2), dt.date(2020, 12, 31))
    people, episodes, deaths = [], [], []
    for person in "abcdef":
        death = draw(st.none() | st.dates(dt.date(2020, 1, 1), dt.date(2022, 1, 20)))
        in_year = death is not None and death.year == 2020
        if death:
            deaths.append({"person_id": person, "death_date": death})
        people.append(
            somebody(
                person, age_years=draw(st.sampled_from([17, 18, 70, 70, None])),
                scheme=draw(st.sampled_from(["01C", "01C", "02A", None])),
                is_consumer=draw(st.sampled_from([True, True, False])),
                observed_days=draw(st.sampled_from([0, 100, 366])),
                death_date=death if in_year else None,
            )
        )  # fmt: skip
        for n in range(draw(st.integers(0, 3))):
            discharge = draw(out)
            episodes.append(
                an_episode(
                    person, len(episodes), discharge,
                    first_main_diagnosis=draw(st.sampled_from([*DISEASES, "K350", None])),
                    is_after_death=death is not None and death < discharge - dt.timedelta(5),
                    is_full_stay=draw(st.sampled_from([True, True, True, False])),
                    is_service_only=draw(st.sampled_from([False, False, False, True])),
                    field=draw(st.sampled_from(["mco", "mco", "mco", "ssr"])),
                    entry_finess=draw(st.sampled_from(["h", None])), year=2020 if n < 2 else 2021,
                )
            )  # fmt: skip
    people += [somebody(person, year=2019, death_date=None) for person in "abcdefg"]
    flag = st.sampled_from([True, True, False])
    years = [2020, 2021] if draw(flag) else [2020]
    last = [dt.date(2020, 12, 31), draw(st.dates(dt.date(2021, 1, 1), dt.date(2021, 12, 31)))]
    return {
        "person_year": people,
        "hospital_episode": episodes,
        "int_death": deaths,
        "scheme_coverage": coverage(
            s01C_2020=draw(flag), s01C_2021=draw(flag), s02A_2020=draw(flag), s02A_2021=draw(flag),
            sunknown_2020=draw(st.booleans()), s01C_2019=True, s02A_2022=True,
        ),
        "int_delivered_year": [
            {"year": year, "stays_to": day}
            for year, day in [*zip(years, last, strict=False), (2022, dt.date(2022, 12, 31))]
        ],
    }  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=cases())
def test_deaths_and_survival_are_those_of_following_each_person(
    model_runner: ModelRunner, rows: Given
) -> None:
    told = model_runner.run_all(["measure_mortality", "survival_curve"], rows)
    wanted = expected(rows)
    assert len(told["measure_mortality"]) == len(wanted)
    if wanted:
        assert_same(told["measure_mortality"], wanted)
    points = curve(rows)
    assert {(row["condition"], row["day"]) for row in told["survival_curve"]} == set(points)
    for row in told["survival_curve"]:
        for name, value in points[row["condition"], row["day"]].items():
            near = None if value is None else pytest.approx(value, rel=1e-9, abs=1e-12)
            assert row[name] == near, (name, row)


FOLLOWED: Given = {
    "scheme_coverage": coverage(s01C_2020=True, s01C_2021=True),
    "int_delivered_year": [
        {"year": 2020, "stays_to": dt.date(2020, 12, 31)},
        {"year": 2021, "stays_to": dt.date(2021, 12, 31)},
    ],
}


def dying_after(days: dict[str, int | None]) -> Given:
    """Return people discharged on 1 March who die so many days later, or not."""
    out = dt.date(2020, 3, 1)
    return FOLLOWED | {
        "person_year": [somebody(person) for person in days],
        "hospital_episode": [an_episode(person, n, out) for n, person in enumerate(days)],
        "int_death": [
            {"person_id": person, "death_date": out + dt.timedelta(n)}
            for person, n in days.items()
            if n is not None
        ],
    }


def test_the_thirtieth_day_counts_and_the_day_after_does_not(model_runner: ModelRunner) -> None:
    rows = dying_after({"d-1": -1, "d0": 0, "d30": 30, "d31": 31, "alive": None})
    found = {
        row["person_id"]: row["num"]
        for row in model_runner.run("measure_mortality", rows)
        if row["measure"] == "death_30d_after_stay"
    }
    assert found == {"d-1": 1, "d0": 1, "d30": 1, "d31": 0, "alive": 0}


def test_a_scheme_without_known_deaths_is_left_out_and_not_alive(model_runner: ModelRunner) -> None:
    rows = dying_after({"a": None, "b": 10})
    for known in (coverage(s01C_2020=False, s01C_2021=False), []):
        told = model_runner.run_all(
            ["measure_mortality", "survival_curve"], rows | {"scheme_coverage": known}
        )
        assert {(r["num"], r["den"], r["excl_code"]) for r in told["measure_mortality"]} == {
            (0.0, 0.0, "death_not_ascertained")
        }
        assert told["survival_curve"] == []


def test_a_year_without_stays_delivered_after_it_is_no_follow_up(
    model_runner: ModelRunner,
) -> None:
    for delivered in ([], FOLLOWED["int_delivered_year"][:1]):
        rows = dying_after({"a": 10}) | {"int_delivered_year": delivered}
        found = {r["measure"]: r["excl_code"] for r in model_runner.run("measure_mortality", rows)}
        assert found["death_365d_after_stay"] == "no_follow_up"
        assert found["death_30d_after_stay"] == (None if delivered else "no_follow_up")


def test_the_curve_of_four_deaths_by_hand(model_runner: ModelRunner) -> None:
    rows = dying_after({"a": 0, "b": 10, "c": 10, "d": 20, "e": None})
    points = {
        row["day"]: (row["at_risk"], row["deaths"], row["censored"], round(row["survival"], 9))
        for row in model_runner.run("survival_curve", rows)
        if row["condition"] == "all"
    }
    assert points == {
        0: (5, 1, 0, 0.8), 10: (4, 2, 0, 0.4), 20: (2, 1, 0, 0.2), 365: (1, 0, 1, 0.2),
    }  # fmt: skip


def test_a_curve_ends_at_nothing_when_the_last_dies(model_runner: ModelRunner) -> None:
    rows = model_runner.run("survival_curve", dying_after({"a": 3, "b": 5}))
    (last,) = [row for row in rows if row["day"] == 5 and row["condition"] == "all"]
    assert (last["survival"], last["ci_low"], last["ci_high"]) == (0.0, None, None)


@pytest.mark.parametrize(("year", "broken"), [(2014, False), (2015, True), (2016, True)])
def test_the_break_of_2016_is_marked(model_runner: ModelRunner, year: int, broken: bool) -> None:
    stay = {
        "person_id": "a", "year": year, "condition": "all", "days_followed": 400,
        "days_death_known": 400, "is_after_death": False,
    }  # fmt: skip
    rows = model_runner.run("survival_curve", {"int_index_stay": [stay]}, year=year)
    assert [(row["day"], row["is_death_break"]) for row in rows] == [(0, broken), (365, broken)]


@pytest.mark.spark
def test_both_engines_draw_the_same_curve(
    model_runner: ModelRunner, spark_model_runner: SparkModelRunner
) -> None:
    rows = dying_after({f"p{n}": (n * 37) % 400 if n % 3 else None for n in range(40)})
    names = ["measure_mortality", "survival_curve"]
    plain, spark = model_runner.run_all(names, rows), spark_model_runner.run_all(names, rows)
    for name in names:
        assert len(plain[name]) > 20
        assert_same(spark[name], plain[name])
