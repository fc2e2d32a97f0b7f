"""Stays that follow each other, readmissions after them, visits to the emergency room.

The oracles walk over a person's stays one by one, as a reader of the rule would by hand.
"""

from __future__ import annotations

import datetime as dt
import random
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_runner import ModelRunner, SparkModelRunner, multiset
from raw_lake import Row, day

YEARS = (2019, 2020, 2021)
TRANSFER = ("7", "0")


def a_stay(
    person: str, number: int, entry: str | dt.date, discharge: str | dt.date | None, **more: Any
) -> Row:
    """Return a good acute stay of a woman of 70 who went home, or what ``more`` makes of it."""
    entry = day(entry) if isinstance(entry, str) else entry
    discharge = day(discharge) if isinstance(discharge, str) else discharge
    year = more.pop("year", discharge.year if discharge else entry.year)
    return {
        "stay_id": f"{year}-h-{number:03d}", "year": year, "field": "mco", "person_id": person,
        "finess": "h", "entry_date": entry, "discharge_date": discharge, "entry_mode": "8",
        "exit_mode": "8", "is_session": False, "is_chained": True, "is_finess_duplicate": False,
        "is_error_ghm": False, "is_generated": False, "is_duplicate_key": False,
        "is_service_for_other_hospital": False, "is_other_year": False, "age_years": 70,
        "sex": "2", "residence_department_pmsi": "23", "ghm_code": "05M091",
        "main_diagnosis": "I500", "planned_rule": "none", "is_planned": False,
        "is_through_emergency": False, "is_palliative_bed": False, "is_full_stay": True,
    } | more  # fmt: skip


# Somebody leaves hospital at the end of 2021: discharges of 2020 are followed for 30 days.
LAST = a_stay("nobody else", 999, "2021-12-30", "2021-12-31")


def told(
    runner: ModelRunner,
    stays: list[Row],
    deaths: dict[str, str | dt.date] | None = None,
    diagnoses: list[Row] | None = None,
    last: str = "readmission",
) -> list[Row]:
    """Return the rows of 2020 of a model, its parents built for the years that they read."""
    dead = [
        {"person_id": person, "death_date": day(date) if isinstance(date, str) else date}
        for person, date in (deaths or {}).items()
    ]
    given_rows: dict[str, list[Row]] = {
        "hospital_stay": stays, "int_death": dead, "stay_diagnosis": diagnoses or [],
    }  # fmt: skip

    def of(model: str, years: tuple[int, ...]) -> list[Row]:
        return [row for year in years for row in runner.run(model, given_rows, year=year)]

    given_rows["hospital_episode_stay"] = of("hospital_episode_stay", YEARS)
    if last == "hospital_episode_stay":
        return [row for row in given_rows[last] if row["year"] == 2020]
    given_rows["hospital_episode"] = of("hospital_episode", (2020, 2021))
    if last == "hospital_episode":
        return [row for row in given_rows[last] if row["year"] == 2020]
    return of(last, (2020,))


def readmitted(runner: ModelRunner, stays: list[Row], **more: Any) -> Row:
    """Return what is told of the first episode of 2020."""
    return told(runner, [*stays, LAST], **more)[0]


def each_alone(runner: ModelRunner, cases: list[list[Row]], **more: Any) -> list[list[Row]]:
    """Return what is told of each case; each is the stays of a person of its own, in one run."""
    stays = [
        row | {"person_id": f"case {place:02}", "stay_id": f"{row['stay_id']}-{place:02}"}
        for place, case in enumerate(cases)
        for row in case
    ]
    found = defaultdict(list)
    for row in told(runner, [*stays, LAST], **more):
        found[row["person_id"]].append(row)
    return [found[f"case {place:02}"] for place in range(len(cases))]


# -- the rule of decision 11, day by day -----------------------------------------------------


def test_readmission_counts_from_day_1_to_day_30(model_runner: ModelRunner) -> None:
    expected = {
        -1: (0, 0), 1: (1, 1), 7: (1, 1), 8: (0, 1), 30: (0, 1), 31: (0, 0), None: (0, 0),
    }  # fmt: skip
    cases = []
    for days in expected:
        cases.append([a_stay("P", 1, "2020-03-01", "2020-03-05")])
        if days is not None:
            entry = day("2020-03-05") + dt.timedelta(days)
            cases[-1].append(a_stay("P", 2, entry, entry + dt.timedelta(3)))
    found = [rows[0] for rows in each_alone(model_runner, cases)]
    assert all(row["is_index"] and row["exclusion_code"] is None for row in found)
    names = ("readmission_7d_rh30_like", "readmission_30d_rh30_like")
    assert [tuple(row[name] for name in names) for row in found] == list(expected.values())
    thirty = [after for _, after in expected.values()]
    assert [row["unplanned_readmission_30d_cms_like"] for row in found] == thirty


def test_day_0_is_the_same_episode(model_runner: ModelRunner) -> None:
    stays = [
        a_stay("P", 1, "2020-03-01", "2020-03-05"),
        a_stay("P", 2, "2020-03-05", "2020-03-09", finess="g"),
        LAST,
    ]
    (found,) = told(model_runner, stays)
    assert (found["episode_id"], found["stay_id"]) == (stays[0]["stay_id"], stays[1]["stay_id"])
    assert (found["night_count"], found["readmission_30d_rh30_like"]) == (8, 0)


def test_a_transfer_is_merged_at_most_one_day_apart(model_runner: ModelRunner) -> None:
    expected = {
        ("7", "7", 1): True, ("0", "7", 1): True, ("7", "0", 1): True, ("7", "7", 2): False,
        ("7", "8", 1): False, ("8", "7", 1): False, ("6", "7", 1): False, (None, "7", 1): False,
        ("7", None, 1): False, ("8", "8", 0): True, (None, None, 0): True, ("9", "8", 0): True,
    }  # fmt: skip
    cases = [
        [
            a_stay("P", 1, "2020-03-01", "2020-03-05", exit_mode=exit_mode),
            a_stay(
                "P", 2, day("2020-03-05") + dt.timedelta(gap), "2020-03-20",
                entry_mode=entry_mode, finess="g",
            ),
        ]
        for exit_mode, entry_mode, gap in expected
    ]  # fmt: skip
    found = each_alone(model_runner, cases, last="hospital_episode")
    counts = [[row["stay_count"] for row in rows] for rows in found]
    assert counts == [[2] if merged else [1, 1] for merged in expected.values()]


def test_an_episode_that_crosses_the_year_belongs_to_the_year_it_ends(
    model_runner: ModelRunner,
) -> None:
    before = a_stay("P", 1, "2019-12-20", "2019-12-31", exit_mode="7")
    middle = a_stay("P", 2, "2020-01-01", "2020-12-30", entry_mode="7", exit_mode="7", finess="g")
    after = a_stay("P", 3, "2020-12-31", "2021-01-04", entry_mode="7")
    (one,) = told(model_runner, [before, middle], last="hospital_episode")
    assert (one["entry_date"], one["stay_count"]) == (day("2019-12-20"), 2)
    assert told(model_runner, [before, middle, after], last="hospital_episode") == []


def test_rehabilitation_delivered_again_the_next_year_is_one_episode(
    model_runner: ModelRunner,
) -> None:
    same = {"field": "ssr", "exit_mode": None}
    stays = [
        a_stay("P", 1, "2019-12-10", None, year=2019, **same),
        a_stay("P", 2, "2019-12-10", "2020-02-01", **same),
        a_stay("P", 3, "2020-02-01", "2020-02-05"),  # acute care is another field
        a_stay("P", 4, "2020-12-01", None, year=2020, **same),
    ]
    found = told(model_runner, stays, last="hospital_episode")
    assert [(row["field"], row["stay_count"], row["discharge_date"]) for row in found] == [
        ("mco", 1, day("2020-02-05")),
        ("ssr", 2, day("2020-02-01")),
        ("ssr", 1, None),
    ]
    assert found[2]["night_count"] == 30


def test_each_exclusion_has_its_name(model_runner: ModelRunner) -> None:
    cases: list[tuple[Row, str | None]] = [
        ({"age_years": 17}, "minor"),
        ({"age_years": 18}, None),
        ({"age_years": None}, "age_unknown"),
        ({"residence_department_pmsi": None}, "residence_unknown"),
        ({"residence_department_pmsi": "99"}, "residence_unknown"),
        ({"exit_mode": "9"}, "death"),
        ({"exit_mode": "7"}, "transfer_out"),
        ({"exit_mode": "6"}, "not_home"),
        ({"exit_mode": None}, "not_home"),
        ({"ghm_code": "23Z02T"}, "palliative"),
        ({"is_palliative_bed": True}, "palliative"),
        ({"ghm_code": "14Z14A"}, "birth"),
        ({"planned_rule": "repeated_treatment"}, "repeated_treatment"),
        ({"main_diagnosis": "Z513"}, "repeated_treatment"),
        ({"discharge_date": day("2020-03-01")}, "day_case"),
        ({"is_service_for_other_hospital": True}, "service_for_other_hospital"),
        ({"main_diagnosis": None, "ghm_code": None, "planned_rule": "no_group"}, None),
    ]
    stays = [[a_stay("P", 1, "2020-03-01", "2020-03-05") | change] for change, _ in cases]
    found = [rows[0] for rows in each_alone(model_runner, stays)]
    assert [row["exclusion_code"] for row in found] == [code for _, code in cases]
    for row in found:
        assert (row["readmission_30d_rh30_like"] is None) == (row["exclusion_code"] is not None)


def test_palliative_care_in_any_role_excludes(model_runner: ModelRunner) -> None:
    index = [a_stay("P", number, "2020-03-01", "2020-03-05") for number in (1, 2)]
    said = [
        {"stay_id": f"{index[place]['stay_id']}-{place:02}", "year": 2020, "diagnosis_code": code}
        for place, code in enumerate(("Z515", "Z518"))
    ]
    found = each_alone(model_runner, [[row] for row in index], diagnoses=said)
    assert [rows[0]["exclusion_code"] for rows in found] == ["palliative", None]


def test_the_cms_definition_has_its_own_exclusions(model_runner: ModelRunner) -> None:
    cases: list[tuple[Row, str | None]] = [
        ({"exit_mode": "9"}, "death"),
        ({"exit_mode": "0"}, "transfer_out"),
        ({"exit_mode": "6"}, None),
        ({"exit_mode": None}, "exit_unknown"),
        ({"main_diagnosis": "C189", "ghm_code": "06M053"}, "cancer_treatment"),
        ({"main_diagnosis": "C189", "ghm_code": "06C043"}, None),
        ({"main_diagnosis": "F329", "ghm_code": "19M061"}, "psychiatric"),
        ({"main_diagnosis": "Z501", "ghm_code": "23M201"}, "rehabilitation"),
        ({"age_years": 3}, None),
    ]
    stays = [[a_stay("P", 1, "2020-03-01", "2020-03-05") | change] for change, _ in cases]
    found = [rows[0]["cms_exclusion_code"] for rows in each_alone(model_runner, stays)]
    assert found == [code for _, code in cases]


def test_a_planned_next_stay_counts_in_the_french_definition_only(
    model_runner: ModelRunner,
) -> None:
    planned = {"is_planned": True, "planned_rule": "scheduled_surgery"}
    stays = [
        a_stay("P", 1, "2020-03-01", "2020-03-05"),
        a_stay("P", 2, "2020-03-10", "2020-03-12", **planned),
        a_stay("P", 3, "2020-03-20", "2020-03-25"),
    ]
    found = readmitted(model_runner, stays)
    assert found["readmission_30d_rh30_like"] == 1
    assert found["unplanned_readmission_30d_cms_like"] == 0  # the next stay only
    unknown = [stays[0], stays[1] | {"is_planned": None}]
    assert readmitted(model_runner, unknown)["unplanned_readmission_30d_cms_like"] == 1


def test_sessions_and_day_cases_are_no_readmission(model_runner: ModelRunner) -> None:
    stays = [
        a_stay("P", 1, "2020-03-01", "2020-03-05"),
        a_stay("P", 2, "2020-03-10", "2020-03-10"),
        a_stay("P", 3, "2020-03-11", "2020-03-12", is_session=True),
        a_stay("P", 4, "2020-03-13", "2020-03-15", is_chained=False),
    ]
    found = readmitted(model_runner, stays)
    assert (found["next_episode_id"], found["readmission_30d_rh30_like"]) == (None, 0)


def test_death_within_thirty_days_competes(model_runner: ModelRunner) -> None:
    cases = {"2020-03-05": 1, "2020-04-04": 1, "2020-04-05": 0, "": 0}
    deaths: dict[str, str | dt.date] = {
        f"case {place:02}": death for place, death in enumerate(cases) if death
    }
    stays = [[a_stay("P", 1, "2020-03-01", "2020-03-05")] for _ in cases]
    found = [rows[0] for rows in each_alone(model_runner, stays, deaths=deaths)]
    assert [row["death_30"] for row in found] == list(cases.values())
    assert [row["readmit_or_death_30"] for row in found] == list(cases.values())
    assert [row["readmission_30d_rh30_like"] for row in found] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("last", "code"), [("2020-04-03", "follow_up_short"), ("2020-04-04", None)]
)
def test_thirty_days_of_follow_up_are_needed(
    model_runner: ModelRunner, last: str, code: str | None
) -> None:
    stays = [
        a_stay("P", 1, "2020-03-01", "2020-03-05"),
        a_stay("P", 2, "2020-03-10", "2020-03-12"),
        a_stay("Q", 3, "2020-04-01", last),
    ]
    found = told(model_runner, stays)[0]
    assert (found["exclusion_code"], found["cms_exclusion_code"]) == (code, code)
    assert found["readmission_30d_rh30_like"] == (None if code else 1)


def test_overlaps_and_stays_after_death_are_flagged(model_runner: ModelRunner) -> None:
    service = {"is_service_for_other_hospital": True, "entry_mode": "0", "exit_mode": "0"}
    stays = [
        a_stay("P", 1, "2020-12-20", "2021-01-03"),
        a_stay("P", 2, "2020-12-22", "2020-12-28", finess="g"),
        a_stay("P", 3, "2020-12-23", "2020-12-24", finess="k", **service),
        a_stay("Q", 4, "2020-05-02", "2020-05-03"),
        a_stay("Q", 5, "2020-05-01", "2020-05-02"),
        a_stay("Q", 6, "2020-05-01", "2020-05-02", discharge_date=None, year=2020),
        a_stay("Q", 7, "2020-05-09", "2020-05-02"),
    ]
    found = told(model_runner, stays, {"Q": "2020-05-01"}, last="hospital_episode_stay")
    flags = {
        row["stay_id"][-1]: tuple(
            name for name in ("is_overlapping", "is_after_death", "has_unusable_dates") if row[name]
        )
        for row in found
    }
    assert flags == {
        "2": ("is_overlapping",), "3": (), "4": ("is_after_death",), "5": (),
        "6": ("has_unusable_dates",), "7": ("is_after_death", "has_unusable_dates"),
    }  # fmt: skip


# -- oracles -----------------------------------------------------------------------------------

SPAN = (dt.date(2019, 10, 1), dt.date(2021, 3, 1))


@st.composite
def many_stays(draw: st.DrawFn) -> list[Row]:
    """Draw stays of a few people, close enough to touch, overlap and cross the years."""
    rows = []
    number = 0
    for person in draw(st.lists(st.sampled_from("PQRSTU"), min_size=3, max_size=6, unique=True)):
        when = draw(st.dates(*SPAN))
        for _ in range(draw(st.integers(1, 6))):
            number += 1
            when += dt.timedelta(draw(st.sampled_from([-3, -1, 0, 0, 1, 1, 2, 7, 30, 31])))
            end = when + dt.timedelta(draw(st.sampled_from([0, 0, 1, 2, 5, 40])))
            field = draw(st.sampled_from(["mco", "mco", "mco", "psy"]))
            rows.append(
                a_stay(
                    person, number, when, end, field=field,
                    finess=draw(st.sampled_from("gh")),
                    entry_mode=draw(st.sampled_from(["8", "7", "0", None])),
                    exit_mode=draw(st.sampled_from(["8", "8", "7", "9", None])),
                    is_session=draw(st.booleans()) and draw(st.booleans()),
                    is_chained=draw(st.sampled_from([True] * 5 + [False])),
                    age_years=draw(st.sampled_from([70, 70, 70, 12])),
                    is_planned=draw(st.booleans()),
                    main_diagnosis=draw(st.sampled_from(["I500", "I500", "C189", "F200"])),
                    is_through_emergency=draw(st.booleans()),
                )
            )  # fmt: skip
            when = end
    return [row for row in rows if row["year"] in YEARS]


def chains(stays: list[Row]) -> list[list[Row]]:
    """Return the episodes: walk over each person's stays of a field, in the order they end."""
    found: list[list[Row]] = []
    of_person = defaultdict(list)
    for row in stays:
        if row["is_chained"] and not row["is_session"]:
            of_person[row["person_id"], row["field"]].append(row)
    for mine in of_person.values():
        mine.sort(key=lambda row: (row["discharge_date"], row["entry_date"], row["stay_id"]))
        episode = [mine[0]]
        for row in mine[1:]:
            last = episode[-1]
            gap = (row["entry_date"] - last["discharge_date"]).days
            moved = gap == 1 and last["exit_mode"] in TRANSFER and row["entry_mode"] in TRANSFER
            again = row["field"] != "mco" and (row["finess"], row["entry_date"]) == (
                last["finess"], last["entry_date"],
            )  # fmt: skip
            if gap == 0 or moved or again:
                episode.append(row)
            else:
                found.append(episode)
                episode = [row]
        found.append(episode)
    return found


def cut(chain: list[Row]) -> list[Row]:
    """Return what is seen of a chain: the year of its last stay and the one before."""
    return [row for row in chain if row["year"] >= chain[-1]["year"] - 1]


def expected_readmissions(
    stays: list[Row], deaths: dict[str, dt.date]
) -> dict[str, tuple[Any, ...]]:
    """Return by the first stay of each acute episode of 2020: exclusions and both definitions."""
    episodes = [cut(chain) for chain in chains(stays) if chain[0]["field"] == "mco"]
    last_day = max(
        (row["discharge_date"] for row in stays if row["field"] == "mco" and row["year"] >= 2020),
        default=None,
    )
    found = {}
    for chain in episodes:
        first, last = chain[0], chain[-1]
        if last["year"] != 2020:
            continue
        entry, out = min(row["entry_date"] for row in chain), last["discharge_date"]
        after = []
        for other in episodes:
            start = min(row["entry_date"] for row in other)
            nights = (other[-1]["discharge_date"] - start).days
            if other[0]["person_id"] == first["person_id"] and start > out and nights > 0:
                after.append((start, other[0]["is_planned"]))
        days = min(((start - out).days for start, _ in after), default=None)
        all_planned = all(plan for start, plan in after if (start - out).days == days)
        death = deaths.get(first["person_id"])
        dead = death is not None and 0 <= (death - out).days <= 30
        followed = last_day is not None and (last_day - out).days >= 30
        beyond = death is not None and any(row["entry_date"] > death for row in chain)
        mode = last["exit_mode"]
        french = next(
            (
                name
                for name, holds in [
                    ("after_death", beyond),
                    ("minor", first["age_years"] < 18),
                    ("death", mode == "9"),
                    ("transfer_out", mode in TRANSFER),
                    ("not_home", mode != "8"),
                    ("day_case", entry == out),
                    ("follow_up_short", not followed),
                ]
                if holds
            ),
            None,
        )
        cms = next(
            (
                name
                for name, holds in [
                    ("after_death", beyond),
                    ("death", mode == "9"),
                    ("transfer_out", mode in TRANSFER),
                    ("exit_unknown", mode is None),
                    ("cancer_treatment", last["main_diagnosis"] == "C189"),
                    ("psychiatric", last["main_diagnosis"] == "F200"),
                    ("day_case", entry == out),
                    ("follow_up_short", not followed),
                ]
                if holds
            ),
            None,
        )
        within = {limit: int(days is not None and days <= limit) for limit in (7, 30)}
        found[first["stay_id"]] = (
            french,
            within[7] if french is None else None,
            within[30] if french is None else None,
            max(within[30], int(dead)) if french is None else None,
            cms,
            int(within[30] and not all_planned) if cms is None else None,
        )
    return found


COLUMNS = (
    "exclusion_code", "readmission_7d_rh30_like", "readmission_30d_rh30_like",
    "readmit_or_death_30", "cms_exclusion_code", "unplanned_readmission_30d_cms_like",
)  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(stays=many_stays(), seed=st.randoms())
def test_chaining_is_what_a_walk_over_the_stays_finds(
    model_runner: ModelRunner, stays: list[Row], seed: Any
) -> None:
    seed.shuffle(stays)
    found = told(model_runner, stays, last="hospital_episode_stay")
    by_episode = defaultdict(set)
    for row in found:
        if row["episode_id"]:
            by_episode[row["episode_id"]].add(row["stay_id"])
    expected = {
        frozenset(row["stay_id"] for row in chain if row["year"] == 2020) for chain in chains(stays)
    }
    assert {frozenset(ids) for ids in by_episode.values()} == expected - {frozenset()}
    assert len(found) == sum(row["year"] == 2020 for row in stays)  # no stay is lost


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(stays=many_stays(), death=st.none() | st.dates(*SPAN), seed=st.randoms())
def test_readmission_is_what_a_walk_over_the_episodes_finds(
    model_runner: ModelRunner, stays: list[Row], death: dt.date | None, seed: Any
) -> None:
    stays = [*stays, LAST] if seed.random() < 0.5 else stays
    seed.shuffle(stays)
    deaths = {"P": death} if death else {}
    found = told(model_runner, stays, dict(deaths))
    assert {row["episode_id"]: tuple(row[name] for name in COLUMNS) for row in found} == (
        expected_readmissions(stays, deaths)
    )


@pytest.mark.spark
def test_both_engines_chain_and_judge_a_few_hundred_stays_alike(
    model_runner: ModelRunner, spark_model_runner: SparkModelRunner
) -> None:
    chance = random.Random(20)
    stays = [LAST]
    for number in range(400):
        entry = dt.date(2019, 11, 1) + dt.timedelta(chance.randrange(450))
        end = entry + dt.timedelta(chance.choice([0, 1, 3, 20]))
        stays.append(
            a_stay(
                f"p{chance.randrange(60)}", number, entry, end, finess=chance.choice("ghk"),
                field=chance.choice(["mco", "mco", "mco", "ssr"]),
                entry_mode=chance.choice(["8", "7"]), exit_mode=chance.choice(["8", "7", "9"]),
                is_session=chance.random() < 0.1, is_planned=chance.random() < 0.2,
                is_service_for_other_hospital=chance.random() < 0.1,
            )
        )  # fmt: skip
    given_rows: dict[str, list[Row]] = {
        "hospital_stay": stays,
        "int_death": [{"person_id": "p1", "death_date": dt.date(2020, 6, 1)}],
        "stay_diagnosis": [
            {"stay_id": row["stay_id"], "year": row["year"], "diagnosis_code": "Z515"}
            for row in stays[:9]
        ],
    }
    for model, years in (
        ("hospital_episode_stay", YEARS), ("hospital_episode", (2020, 2021)),
        ("readmission", (2020,)),
    ):  # fmt: skip
        rows = []
        for year in years:
            plain = model_runner.run(model, given_rows, year=year)
            if year == 2020:
                assert len(plain) > 100
                spark = spark_model_runner.run(model, given_rows, year=year)
                assert multiset(spark) == multiset(plain)
            rows += plain
        given_rows[model] = rows


# -- emergency visits ------------------------------------------------------------------------


def visits(runner: ModelRunner, **given_rows: list[Row]) -> dict[str, tuple[Any, ...]]:
    """Return by visit: source, day, code, whether it counts and why not."""
    return {
        row["visit_id"]: (
            row["source"], row["visit_date"], row["code"], row["is_counted"],
            row["uncounted_reason"],
        )
        for row in runner.run("emergency_visit", given_rows)
    }  # fmt: skip


def test_each_source_of_an_emergency_visit_is_named(model_runner: ModelRunner) -> None:
    venue = {
        "year": 2020, "finess": "h", "copy_number": 1, "person_id": "P", "person_status": "linked",
        "entry_date": day("2020-02-01"), "is_used_for_care": True, "is_used_for_persons": True,
    }  # fmt: skip
    fee = {"table_year": 2020, "finess": "h", "sequence_number": "1"}
    claim = {
        "year": 2020, "event_type": "claim", "person_id": "P", "person_status": "linked",
        "is_used_for_care": True, "is_used_for_persons": True, "care_date": day("2020-02-03"),
    }  # fmt: skip
    found = visits(
        model_runner,
        int_outpatient_visit=[
            venue | {"sequence_number": "1"},
            venue | {"sequence_number": "2"},
            venue | {"sequence_number": "3", "is_used_for_care": False},
        ],
        stg_mco__fbstc=[
            fee | {"act_code": "ATU ", "days_from_entry": 1},
            fee | {"act_code": "ATU", "days_from_entry": 2},  # one visit, whatever its lines
            fee | {"sequence_number": "2", "act_code": "FTN"},
            fee | {"sequence_number": "3", "act_code": "ATU"},
        ],
        stg_mco__fcstc=[fee | {"sequence_number": "2", "act_code": "CS"}],
        care_event=[
            claim | {"event_id": "a", "prestation_code": 2238},
            claim | {"event_id": "b", "prestation_code": 2238},
            claim | {"event_id": "c", "prestation_code": 1111},
            claim | {"event_id": "d", "prestation_code": 2238, "is_used_for_care": False},
        ],
        hospital_stay=[
            a_stay("P", 1, "2020-02-05", "2020-02-09", is_through_emergency=True,
                   is_used_for_stays=True, is_used_for_persons=True, person_status="linked"),
            a_stay("P", 2, "2020-02-05", "2020-02-09", is_used_for_stays=True),
        ],
    )  # fmt: skip
    assert found == {
        "outpatient-2020-h-1": ("outpatient", day("2020-02-02"), "ATU", True, None),
        "outpatient-2020-h-3": (
            "outpatient", day("2020-02-01"), "ATU", False, "left_out_by_rule",
        ),
        "claim-a": ("claim", day("2020-02-03"), "2238", True, None),
        "stay-2020-h-001": ("stay", day("2020-02-05"), None, True, None),
    }  # fmt: skip


def test_a_visit_told_twice_counts_once_and_nobody_is_not_somebody(
    model_runner: ModelRunner,
) -> None:
    claim = {
        "year": 2020, "event_type": "claim", "is_used_for_care": True, "is_used_for_persons": True,
        "care_date": day("2020-02-05"), "prestation_code": 2238, "person_status": "linked",
    }  # fmt: skip
    nobody = claim | {"person_id": None, "person_status": "no_key"}
    found = visits(
        model_runner,
        care_event=[
            claim | {"event_id": "a", "person_id": "P"},
            nobody | {"event_id": "b"},
            nobody | {"event_id": "c"},
        ],
        hospital_stay=[
            a_stay("P", 1, "2020-02-05", "2020-02-09", is_through_emergency=True,
                   is_used_for_stays=True, is_used_for_persons=True, person_status="linked"),
        ],
    )  # fmt: skip
    assert {key: (row[3], row[4]) for key, row in found.items()} == {
        "claim-a": (False, "same_day"), "claim-b": (True, None), "claim-c": (True, None),
        "stay-2020-h-001": (True, None),
    }  # fmt: skip


def test_the_fee_of_2022_is_known_since_2022(model_runner: ModelRunner) -> None:
    for year, expected in ((2021, 0), (2022, 1)):
        rows = model_runner.run(
            "emergency_visit",
            {
                "int_outpatient_visit": [
                    {"year": year, "finess": "h", "sequence_number": "1", "copy_number": 1,
                     "is_used_for_care": True, "is_used_for_persons": True},
                ],
                "stg_mco__fbstc": [
                    {"table_year": year, "finess": "h", "sequence_number": "1", "act_code": "FPU"}
                ],
            },
            year=year,
        )  # fmt: skip
        assert len(rows) == expected
