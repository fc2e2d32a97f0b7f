"""Readmission as a measure: each episode told again in plain Python."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_runner import ModelRunner, SparkModelRunner, multiset
from oracle_tools import Row, assert_same
from test_readmission import LAST, a_stay, told

DISEASES = {
    "infarction": ("I21", "I22"),
    "heart_failure": ("I110", "I130", "I132", "I50"),
    "stroke": ("I60", "I61", "I62", "I63", "I64"),
    "copd": ("J44",),
    "pneumonia": ("J12", "J13", "J14", "J15", "J16", "J18"),
    "hip_fracture": ("S720", "S721", "S722"),
}
FRENCH = ("readmission_30d_rh30_like", "readmission_7d_rh30_like", "readmit_or_death_30d")
CMS = "unplanned_readmission_30d_cms_like"


def expected(readmissions: list[Row], people: list[Row], coverage: list[Row]) -> list[Row]:
    """Return the rows of 2020, episode by episode."""
    rows: list[Row] = []
    schemes = {row["person_id"]: row["scheme"] for row in people if row["year"] == 2020}
    known = {(r["scheme"], r["year"]) for r in coverage if r["is_death_ascertained"]}
    for episode in readmissions:
        if episode["year"] != 2020 or episode["person_id"] not in schemes:
            continue
        scheme = schemes[episode["person_id"]] or "unknown"
        out = episode["discharge_date"]
        # Each year that the thirty days touch.
        years = {(out + dt.timedelta(days)).year for days in range(31)}
        values: dict[str, tuple[str | None, int | None]] = {
            CMS: (episode["cms_exclusion_code"], episode[CMS])
        }
        why = episode["exclusion_code"]
        if why != "minor":
            values[FRENCH[0]] = (why, episode[FRENCH[0]])
            for disease, codes in DISEASES.items():
                if (episode["main_diagnosis"] or "").startswith(codes):
                    values[f"readmission_30d_{disease}"] = values[FRENCH[0]]
            first = episode["is_first_index_of_year"]
            values[FRENCH[1]] = (why or (None if first else "later_index"), episode[FRENCH[1]])
            told_death = all((scheme, year) in known for year in years)
            values[FRENCH[2]] = (
                why or (None if told_death else "death_not_ascertained"),
                episode["readmit_or_death_30"],
            )
        for measure, (reason, event) in values.items():
            if reason == "follow_up_short":
                reason = "no_follow_up"
            rows.append(
                {
                    "person_id": episode["person_id"], "year": 2020, "measure": measure,
                    "condition": "all", "unit_id": episode["episode_id"],
                    "finess": episode["finess"], "num": 0.0 if reason else float(event or 0),
                    "den": 0.0 if reason else 1.0, "excl_code": reason,
                }
            )  # fmt: skip
    return rows


@st.composite
def judged(draw: st.DrawFn) -> list[Row]:
    """Return episodes as the mart readmission judges them."""
    reasons = st.sampled_from(
        [None, None, None, "minor", "day_case", "follow_up_short", "palliative"]
    )
    cms = st.sampled_from([None, None, None, "psychiatric", "follow_up_short"])
    flag = st.integers(0, 1)
    found = []
    for number in range(draw(st.integers(1, 8))):
        why, why_cms = draw(reasons), draw(cms)
        found.append(
            {
                "person_id": draw(st.sampled_from("pqr")), "episode_id": f"e{number}",
                "year": draw(st.sampled_from([2020, 2020, 2020, 2021])),
                "finess": draw(st.sampled_from(["h", "k", None])),
                "discharge_date": draw(st.dates(dt.date(2020, 11, 20), dt.date(2020, 12, 31))),
                "main_diagnosis": draw(st.sampled_from(["I500", "J440", "I119", "S7210", None])),
                "exclusion_code": why, "cms_exclusion_code": why_cms,
                "is_first_index_of_year": why is None and draw(st.booleans()),
                "readmission_7d_rh30_like": None if why else draw(flag),
                "readmission_30d_rh30_like": None if why else draw(flag),
                "readmit_or_death_30": None if why else draw(flag),
                CMS: None if why_cms else draw(flag),
            }
        )  # fmt: skip
    return found


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(readmissions=judged(), data=st.data())
def test_a_measure_is_the_judgement_of_each_episode(
    model_runner: ModelRunner, readmissions: list[Row], data: Any
) -> None:
    schemes = st.sampled_from(["01C", "02A", None])
    people = [{"person_id": p, "year": 2020, "scheme": data.draw(schemes)} for p in "pq"]
    people += [{"person_id": p, "year": 2019, "scheme": data.draw(schemes)} for p in "pqr"]
    coverage = [
        {"scheme": scheme, "year": year, "is_death_ascertained": data.draw(st.booleans())}
        for scheme in ("01C", "02A", "unknown")
        for year in (2019, 2020, 2021, 2022)
    ]
    wanted = expected(readmissions, people, coverage)
    found = model_runner.run(
        "measure_readmission",
        {"readmission": readmissions, "person_year": people, "scheme_coverage": coverage},
    )
    assert len(found) == len(wanted)
    if wanted:
        assert_same(found, wanted)


def measures(
    runner: ModelRunner, given_stays: list[Row], **more: Any
) -> dict[tuple[Any, ...], Any]:
    """Return num, den and exclusion by person and measure, everybody being known."""
    people = [{"person_id": r["person_id"], "year": 2020, "scheme": "01C"} for r in given_stays]
    rows = runner.run(
        "measure_readmission",
        {
            "readmission": told(runner, [*given_stays, LAST], **more),
            "person_year": {row["person_id"]: row for row in people}.values(),
            "scheme_coverage": [
                {"scheme": "01C", "year": year, "is_death_ascertained": True}
                for year in (2020, 2021)
            ],
        },
    )
    return {
        (row["person_id"], row["measure"], row["unit_id"]): (
            row["num"], row["den"], row["excl_code"],
        )
        for row in rows
    }  # fmt: skip


def test_days_before_1_and_after_30_are_no_readmission(model_runner: ModelRunner) -> None:
    expected_of_day = {0: None, 1: 1.0, 30: 1.0, 31: 0.0}
    given_stays = []
    for days in expected_of_day:
        entry = dt.date(2020, 3, 5) + dt.timedelta(days)
        given_stays += [
            a_stay(f"d{days}", 1, "2020-03-01", "2020-03-05") | {"stay_id": f"first {days}"},
            a_stay(f"d{days}", 2, entry, entry + dt.timedelta(3)) | {"stay_id": f"next {days}"},
        ]
    found = measures(model_runner, given_stays)
    for days, event in expected_of_day.items():
        key = (f"d{days}", "readmission_30d_rh30_like", f"first {days}")
        # Day 0 is the same episode, which nothing follows.
        assert found[key] == (event or 0.0, 1.0, None)
        assert ((f"d{days}", key[1], f"next {days}") in found) == (days != 0)


def test_a_transfer_is_one_index_and_palliative_care_is_none(model_runner: ModelRunner) -> None:
    moved = [
        a_stay("moved", 1, "2020-03-01", "2020-03-05", exit_mode="7"),
        a_stay("moved", 2, "2020-03-06", "2020-03-20", entry_mode="7", finess="g"),
    ]
    eased = a_stay("eased", 3, "2020-03-01", "2020-03-05", is_palliative_bed=True)
    found = measures(model_runner, [*moved, eased])
    measure = "readmission_30d_rh30_like"
    assert {key: value for key, value in found.items() if key[1] == measure} == {
        ("moved", measure, moved[0]["stay_id"]): (0.0, 1.0, None),
        ("eased", measure, eased["stay_id"]): (0.0, 0.0, "palliative"),
    }


@pytest.mark.spark
def test_both_engines_tell_the_same_readmissions(
    model_runner: ModelRunner, spark_model_runner: SparkModelRunner
) -> None:
    rows: dict[str, Any] = {
        "readmission": [
            {
                "person_id": "p", "episode_id": f"e{n}", "year": 2020, "finess": "h",
                "discharge_date": dt.date(2020, 12, 1) + dt.timedelta(n % 28),
                "main_diagnosis": ("I500", "J440", None)[n % 3], "is_first_index_of_year": n == 0,
                "exclusion_code": (None, None, "minor", "follow_up_short")[n % 4],
                "cms_exclusion_code": (None, "psychiatric")[n % 2],
                "readmission_7d_rh30_like": 0, "readmission_30d_rh30_like": n % 2,
                "readmit_or_death_30": n % 2, CMS: 1,
            }
            for n in range(40)
        ],
        "person_year": [{"person_id": "p", "year": 2020, "scheme": None}],
        "scheme_coverage": [{"scheme": "unknown", "year": 2020, "is_death_ascertained": True}],
    }  # fmt: skip
    plain = model_runner.run("measure_readmission", rows)
    assert len(plain) > 100
    assert multiset(spark_model_runner.run("measure_readmission", rows)) == multiset(plain)
