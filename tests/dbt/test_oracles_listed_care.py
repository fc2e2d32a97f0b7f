"""Care that lists of codes name: a plain second reading of the seed, line by line."""

from __future__ import annotations

import csv
import datetime as dt
from collections import defaultdict
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_runner import ModelRunner
from oracle_tools import assert_same

from openchronic_assets.warehouse import project

Row = dict[str, Any]
with (project.project_dir() / "seeds/ref_measure_code.csv").open(encoding="utf-8") as _file:
    CODES = list(csv.DictReader(_file))
DAYS = [dt.date(2019, 12, 31), dt.date(2020, 1, 1), dt.date(2020, 6, 1), None]
CLASSES = ["A10BA02", "A10BK01", "A10BX06", "A10AB01", "R03AC02", "R03AK07", "C10BX04", "R03A",
           "B01AC06", "L01BA01", "N02BE01", None]  # fmt: skip


def lists(system: str, code: object) -> set[str]:
    """Return the lists that hold a code, whole."""
    return {
        row["list_name"] for row in CODES if (row["system"], row["code"]) == (system, str(code))
    }


def lists_of_class(atc: str) -> set[str]:
    """Return the lists that hold a class by prefix, and do not leave it out by another."""
    found: dict[str, set[bool]] = defaultdict(set)
    for row in CODES:
        if row["system"] == "ATC" and atc.startswith(row["code"]):
            found[row["list_name"]].add(row["is_excluded"] == "true")
    return {name for name, said in found.items() if said == {False}}


def lists_of_claim(row: Row) -> set[str]:
    """Return the lists of a claim: who performed it, else what only a profession bills."""
    filters = {code["nature_list"] for code in CODES if code["nature_list"]}
    nature = lists("PRS_NAT", row["prestation_code"])
    found = {
        code["list_name"]
        for code in CODES
        if code["system"] == "SPE"
        and code["code"] == str(row["performer_specialty"])
        and (not code["nature_list"] or code["nature_list"] in nature)
    }
    found |= lists("ACT", row["performer_activity"])
    if row["performer_activity"] in (None, 0, 99):
        found |= nature - filters
    return found


event = st.fixed_dictionaries(
    {
        "person_id": st.sampled_from(["P", "Q", None]),
        "care_date": st.sampled_from(DAYS),
        "event_type": st.sampled_from(["claim", "claim", "biology", "procedure", "drug"]),
        "code": st.sampled_from(["1577", "0592", "592", "DEQP003", "BGQP002", "BGQP999", None]),
        "prestation_code": st.sampled_from([1110, 1112, 1192, 1352, 3111, 3134, 1451, None]),
        "performer_specialty": st.sampled_from([0, 1, 22, 3, 15, 35, None]),
        "performer_activity": st.sampled_from([0, 19, 24, 27, 50, 99, None]),
        "net_quantity": st.integers(0, 3),
        "is_used_for_care": st.sampled_from([True, True, True, False]),
        "is_used_for_persons": st.sampled_from([True, True, True, False]),
        "year": st.sampled_from([2020, 2020, 2020, 2019]),
    }
)
drug = st.fixed_dictionaries(
    {
        "person_id": st.sampled_from(["P", "Q"]),
        "dispensing_date": st.sampled_from(DAYS[:3]),
        "atc_class": st.sampled_from(CLASSES),
        "box_count": st.integers(0, 4),
        "is_used_for_exposure": st.sampled_from([True, True, False]),
        "year": st.sampled_from([2020, 2020, 2019]),
    }
)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(event, max_size=40), st.lists(drug, max_size=20))
def test_listed_care_is_that_of_the_oracle(
    model_runner: ModelRunner, events: list[Row], drugs: list[Row]
) -> None:
    total: dict[tuple[str, str, dt.date], Decimal] = defaultdict(Decimal)
    for row in events:
        used = row["is_used_for_care"] and row["is_used_for_persons"] and row["year"] == 2020
        if not used or row["person_id"] is None or row["care_date"] is None:
            continue
        if row["event_type"] == "claim":
            named = lists_of_claim(row)
        else:
            system = {"biology": "NABM", "procedure": "CCAM"}.get(row["event_type"], "none")
            named = lists(system, row["code"])
        for name in named:
            total[row["person_id"], name, row["care_date"]] += row["net_quantity"]
    for row in drugs:
        if row["is_used_for_exposure"] and row["year"] == 2020 and row["atc_class"]:
            for name in lists_of_class(row["atc_class"]):
                total[row["person_id"], name, row["dispensing_date"]] += row["box_count"]
    got = model_runner.run(
        "int_listed_care",
        {
            "care_event": events, "drug_dispensing": drugs,
            "int_drug_reference": [
                {"code_system": "cip13", "code": str(n), "atc_class": atc}
                for n, atc in enumerate(CLASSES)
            ],
        },
        year=2020,
    )  # fmt: skip
    wanted = [
        {"person_id": person, "list_name": name, "care_date": day, "quantity": quantity}
        for (person, name, day), quantity in total.items()
    ]
    assert len(got) == len(wanted)
    if wanted:
        assert_same(got, wanted)


def test_no_list_is_named_and_empty() -> None:
    filters = {row["nature_list"] for row in CODES if row["nature_list"]}
    assert filters <= {row["list_name"] for row in CODES if row["system"] == "PRS_NAT"}
    for row in CODES:
        assert row["flag"] in ("V", "K", "A") and row["source"] and row["label_fr"], row
