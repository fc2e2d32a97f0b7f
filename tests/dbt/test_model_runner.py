"""The runner of single models gives what a build gives."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from model_runner import ModelRunner, SparkModelRunner, multiset
from raw_lake import ald, beneficiary, day, line, pseudonym

CHAIN = {
    "person_id": "P", "ald_num": 8, "chain_code": "E11", "exemption_nature": 41,
    "is_open": False, "is_end_2099": False, "has_end_before_start": False, "row_count": 1,
}  # fmt: skip


def test_a_model_runs_on_its_own_parents(model_runner: ModelRunner) -> None:
    chains = [
        CHAIN | {"start_date": "2010-01-01", "end_date": "2012-01-01"},
        CHAIN | {"start_date": "2012-03-31", "end_date": "2015-01-01"},
        CHAIN | {"start_date": "2015-04-02", "end_date": "2016-01-01"},
    ]
    rows = model_runner.run("ald_episode", {"int_ald_chain": chains})
    assert [(row["start_date"], row["end_date"], row["row_count"]) for row in rows] == [
        (dt.date(2010, 1, 1), dt.date(2015, 1, 1), 2),
        (dt.date(2015, 4, 2), dt.date(2016, 1, 1), 1),
    ]


def test_a_model_runs_from_the_raw_tables(model_runner: ModelRunner) -> None:
    given = {
        "ir_ben_r": [beneficiary("ann")],
        "ir_imb_r": [ald("ann", "2015-01-01", "1600-01-01", "2015-02-01")],
    }
    (row,) = model_runner.run("ald_episode", given)
    assert row["person_id"] == pseudonym("id ann")
    assert (row["ald_num"], row["start_date"], row["is_open"]) == (8, day("2015-01-01"), True)


def test_amounts_keep_their_cents_and_years_are_set(model_runner: ModelRunner) -> None:
    given = {
        "ir_ben_r": [beneficiary("ann")],
        "er_prs_f": [line("ann", f"{year}-03-15", f"{year}-04-01", 1) for year in (2019, 2020)],
    }
    (row,) = model_runner.run("care_event", given, year=2019)
    assert (row["year"], row["paid_amount"]) == (2019, Decimal("25.00"))


def test_an_unknown_column_is_refused(model_runner: ModelRunner) -> None:
    with pytest.raises(AssertionError, match="no column"):
        model_runner.run("ald_episode", {"int_ald_chain": [{"nothing": 1}]})


@pytest.mark.spark
def test_both_engines_give_the_same_rows(
    model_runner: ModelRunner, spark_model_runner: SparkModelRunner
) -> None:
    given = {
        "ir_ben_r": [beneficiary("ann"), beneficiary("bob")],
        "ir_imb_r": [
            ald("ann", "2015-01-01", "1600-01-01", "2015-02-01"),
            ald("bob", "2018-01-01", "2019-12-31", "2018-02-01", med_mtf_cod="I10"),
        ],
    }
    plain = model_runner.run("ald_episode", given)
    assert len(plain) == 2
    assert multiset(spark_model_runner.run("ald_episode", given)) == multiset(plain)
