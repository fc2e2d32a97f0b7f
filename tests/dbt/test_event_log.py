"""One log of what happened to people: what enters, in which order, known from when."""

from __future__ import annotations

from typing import Any

import pytest
from model_runner import ModelRunner, SparkModelRunner, multiset
from raw_lake import beneficiary, day, detail, line, pseudonym

ANN = pseudonym("id ann")
Row = dict[str, Any]


def log(runner: ModelRunner, **given: Any) -> list[Row]:
    return runner.run("event_log", {"ir_ben_r": [beneficiary("ann")]} | given, year=2020)


def test_a_claim_is_told_once_by_its_details_or_by_who_performed_it(
    model_runner: ModelRunner,
) -> None:
    lines = [
        line("ann", "2020-03-05", "2020-04-01", 1, pse_spe_cod=1, exo_mtf=42),
        line("ann", "2020-03-06", "2020-04-01", 2, prs_nat_ref=3313),
        line("ann", "2020-03-07", "2020-04-01", 3, prs_nat_ref=4212),
        line("ann", "2020-03-08", "2020-04-01", 4, cpl_maj_top=2),
        line("", "2020-03-08", "2020-04-01", 5),
        line("ann", None, "2020-04-01", 6),
    ]
    drug = {"pha_ord_num": 1, "pha_prs_c13": 3400930000011, "pha_act_qsn": 1}
    found = log(model_runner, er_prs_f=lines, er_pha_f=[detail("2020-04-01", 2, **drug)])
    assert [
        (row["event_type"], row["code_system"], row["code"], row["start_date"]) for row in found
    ] == [
        ("visit_gp", "prestation", "1111", day("2020-03-05")),
        ("drug", "cip13", "3400930000011", day("2020-03-06")),
        ("transport", "prestation", "4212", day("2020-03-07")),
    ]
    assert {row["known_at"] for row in found} == {day("2020-04-01")}
    assert (found[0]["spent"], found[0]["exemption"]) == (25, "ald_related")
    assert found[1]["spent"] is None


def test_a_condition_starts_and_ends_and_an_open_one_only_starts(model_runner: ModelRunner) -> None:
    episode = {"person_id": ANN, "known_since": "2020-02-20"}
    episodes = [
        episode | {"ald_num": 8, "start_date": "2020-01-01", "is_open": True},
        episode | {"ald_num": 5, "start_date": "2010-01-01", "end_date": "2020-06-30",
                   "is_open": False},
        episode | {"ald_num": 3, "start_date": "2019-12-31", "end_date": "2021-01-01",
                   "is_open": False},
    ]  # fmt: skip
    found = log(model_runner, ald_episode=episodes)
    assert [(row["event_type"], row["code"], row["start_date"]) for row in found] == [
        ("ald_start", "8", day("2020-01-01")),
        ("ald_end", "5", day("2020-06-30")),
    ]
    assert {row["known_at"] for row in found} == {day("2020-02-20")}


def test_events_of_a_day_are_in_the_order_of_their_kind(model_runner: ModelRunner) -> None:
    used = {"person_id": ANN, "year": 2020, "is_used_for_persons": True}
    stay = used | {"field": "mco", "entry_date": "2020-03-05", "discharge_date": "2020-03-09"}
    visit = used | {"visit_id": "v", "visit_date": "2020-03-05", "is_counted": True}
    found = log(
        model_runner,
        er_prs_f=[line("ann", "2020-03-05", "2020-04-01", 1, pse_spe_cod=1)],
        hospital_stay=[
            stay | {"stay_id": "s"},
            stay | {"stay_id": "x", "is_used_for_persons": False},
        ],
        emergency_visit=[visit, visit | {"visit_id": "w", "is_counted": False}],
        int_death=[{"person_id": ANN, "death_date": "2020-03-05"}],
        ald_episode=[
            {"person_id": ANN, "ald_num": 8, "start_date": "2020-03-05", "is_open": True}
        ],
    )  # fmt: skip
    assert [row["event_type"] for row in found] == [
        "ald_start", "visit_gp", "emergency_visit", "mco_stay", "death",
    ]  # fmt: skip
    assert found[3]["end_date"] == day("2020-03-09")
    assert {row["known_at"] for row in found[2:]} == {day("2021-01-31")}


@pytest.mark.spark
def test_both_engines_give_the_same_log(
    model_runner: ModelRunner, spark_model_runner: SparkModelRunner
) -> None:
    lines = [
        line("ann", f"2020-{1 + i % 12:02}-05", "2020-12-01", i, pse_spe_cod=i % 40,
             prs_nat_ref=1000 + 37 * i % 6000, exo_mtf=40 + i % 9)
        for i in range(200)
    ]  # fmt: skip
    given = {"ir_ben_r": [beneficiary("ann")], "er_prs_f": lines}
    ours = model_runner.run("event_log", given, year=2020)
    assert len(ours) > 150
    assert multiset(ours) == multiset(spark_model_runner.run("event_log", given, year=2020))
