"""Weeks, sub-sequences, sequences and visits of the PMSI against a second reading of the rules."""

from __future__ import annotations

import datetime as dt
import random
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from model_runner import ModelRunner
from oracle_tools import Row, assert_same, draw, shuffled

CODES = (
    "nir_return", "birth_return", "sex_return", "stay_return", "hospital_return", "pmsi_return",
    "date_return", "birth_coherence_return", "sex_coherence_return",
)  # fmt: skip
YEARS = [2005, 2006, 2008, 2009, 2010, 2012, 2013, 2014, 2017, 2018]
LINK = [
    {"psa": "a", "person_id": "A", "person_status": "linked"},
    {"psa": "b", "person_id": None, "person_status": "ambiguous_psa"},
]
DUPLICATES = ["130014558", "130017239"]
LEGAL = ["130786049", "750712184"]
MODELS: dict[str, dict[str, Any]] = {
    "int_ssr_week": {
        "base": "stg_ssr__b", "chaining": "stg_ssr__c", "stay": "stay_number_ssr",
        "part": ("week_number",), "group": "gme_code", "error": "90", "generated": True,
    },
    "int_had_subsequence": {
        "base": "stg_had__b", "chaining": "stg_had__c", "stay": "stay_number_had",
        "part": ("sequence_number", "subsequence_number"), "group": "ghpc_code", "error": "99",
    },
    "int_psychiatric_sequence": {
        "base": "stg_rip__rsa", "chaining": "stg_rip__c", "stay": "stay_number_rip",
        "part": ("sequence_number",),
    },
}  # fmt: skip


def good_returns(chaining: Row | None, year: int, lenient_2010: bool) -> bool:
    """Every code that existed in the year is '0'."""
    if chaining is None:
        return False
    wanted = ["nir_return", "birth_return", "sex_return", "stay_return"]
    wanted += ["hospital_return", "pmsi_return"]
    if year >= 2006:
        wanted.append("date_return")
    if year >= 2013:
        wanted += ["birth_coherence_return", "sex_coherence_return"]
    for code in wanted:
        may_be_missing = (
            lenient_2010 and year == 2010 and code in ("hospital_return", "pmsi_return")
        )
        if chaining[code] != "0" and not (may_be_missing and chaining[code] is None):
            return False
    return True


def link(chaining: Row | None) -> tuple[str | None, str]:
    """Return the person of a chaining row, and why there is none."""
    if chaining is None:
        return None, "no_chaining"
    if chaining["psa"] is None:
        return None, "sentinel_key" if chaining["key_status"] == "sentinel" else "no_key"
    found = {each["psa"]: each for each in LINK}.get(chaining["psa"])
    return (found["person_id"], found["person_status"]) if found else (None, "not_in_referential")


def chained(chance: random.Random, count: int, stay: str) -> list[Row]:
    rows = draw(
        chance, count, table_year=YEARS, finess=["f", *DUPLICATES, *LEGAL],
        **{stay: ["1", "2", "3"]},
        psa=["a", "b", "c", None], key_status=["ok", "sentinel"],
        entry_date=[None, dt.date(2010, 3, 1)], discharge_date=[None, dt.date(2010, 3, 9)],
        care_start_time=[None, dt.datetime(2010, 4, 1, 8, 30)],
        care_end_time=[None, dt.datetime(2010, 4, 9, 23, 59)],
        source_file=["f1", "f2", None],
    )  # fmt: skip
    for number, row in enumerate(rows):
        row["source_line"] = number
        # Mostly good: a rule of nine codes would otherwise hardly ever say yes.
        for code in (*CODES, "administrative_return", "entry_return"):
            row[code] = chance.choices(["0", "1", None], [0.9, 0.05, 0.05])[0]
    return rows


def order(row: Row) -> tuple[bool, str, int]:
    return (row["source_file"] is None, row["source_file"] or "", row["source_line"])


def ranked(rows: list[Row], key: Callable[[Row], Any]) -> dict[int, int]:
    """Return id of a row → its place among those of its key."""
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return {
        id(row): place
        for group in groups.values()
        for place, row in enumerate(sorted(group, key=order), 1)
    }


@pytest.mark.parametrize("model", sorted(MODELS))
def test_units_of_stays_follow_the_rules_row_by_row(model: str, model_runner: ModelRunner) -> None:
    named = MODELS[model]
    chance = random.Random(model)
    stay, part = named["stay"], named["part"]
    extra: dict[str, list[Any]] = {name: ["1", "2"] for name in part}
    if "group" in named:
        extra[named["group"]] = [named["error"] + "01", "0103", " ", None]
    if "generated" in named:
        extra["generation_type"] = ["0", "1", " ", None]
    base = draw(
        chance, 700, table_year=YEARS, finess=["f", *DUPLICATES], **{stay: ["1", "2", "3"]},
        **extra, source_file=["f1", "f2", None],
    )  # fmt: skip
    for number, row in enumerate(base):
        row["source_line"] = number
    chaining = chained(chance, 120, stay)
    copies = ranked(base, lambda row: (row["table_year"], row["finess"], row[stay],
                                       *(row[name] for name in part)))  # fmt: skip
    places = ranked(chaining, lambda row: (row["table_year"], row["finess"], row[stay]))
    one = {
        (row["table_year"], row["finess"], row[stay]): row
        for row in chaining
        if places[id(row)] == 1
    }
    groups: list[Row] = []
    if model == "int_had_subsequence":
        groups = draw(
            chance, 400, table_year=YEARS, finess=["f", *DUPLICATES],
            stay_number_had=["1", "2", "3"], sequence_number=["1", "2"],
            subsequence_number=["1", "2"],
            ghpc_code=["9901", "0103", " ", None], source_file=["f1", "f2", None],
        )  # fmt: skip
        for number, row in enumerate(groups):
            row["source_line"] = number
        for row in base:
            del row["ghpc_code"]
    where = ("table_year", "finess", stay, *part)
    grouped_places = ranked(groups, lambda row: tuple(row[name] for name in where))
    grouped = {
        tuple(row[name] for name in where): row for row in groups if grouped_places[id(row)] == 1
    }
    wanted = []
    for row in base:
        year = row["table_year"]
        found = one.get((year, row["finess"], row[stay]))
        person, status = link(found)
        start = found and (
            found["entry_date"] or (found["care_start_time"] and found["care_start_time"].date())
        )
        end = found and (
            found["discharge_date"] or (found["care_end_time"] and found["care_end_time"].date())
        )
        flags = {
            "is_duplicate_key": copies[id(row)] > 1,
            "is_without_key": found is None or found["psa"] is None,
            "has_bad_return": not good_returns(found, year, model == "int_had_subsequence"),
        }
        if "group" in named:
            flags["is_finess_duplicate"] = year <= 2017 and row["finess"] in DUPLICATES
            code = row.get(named["group"])
            if groups:
                match = grouped.get(tuple(row[name] for name in where))
                code = match["ghpc_code"] if match else None
            flags["is_error_group"] = (code or "").startswith(named["error"])
        if "generated" in named:
            flags["is_generated"] = (row["generation_type"] or "").strip() not in ("", "0")
        persons = ("is_without_key", "has_bad_return")
        wanted.append(
            {
                "year": year, "finess": row["finess"], stay: row[stay], "person_id": person,
                "person_status": status, "entry_date": start, "discharge_date": end,
                "has_chaining": found is not None, "copy_number": copies[id(row)], **flags,
                "is_used_for_stays": not any(v for k, v in flags.items() if k not in persons),
                "is_used_for_persons": not any(flags.values()),
            }
        )  # fmt: skip
    columns = set(model_runner.schema(named["chaining"]).names)
    chaining = [{n: value for n, value in row.items() if n in columns} for row in chaining]
    given = {
        named["base"]: shuffled(chance, base),
        named["chaining"]: shuffled(chance, chaining),
        "int_psa": LINK,
    }
    if groups:
        given["stg_had__grp"] = shuffled(chance, groups)
    assert_same(model_runner.run(model, given), wanted)


def test_outpatient_visits_follow_the_rules_row_by_row(model_runner: ModelRunner) -> None:
    chance = random.Random(4)
    base = chained(chance, 500, "sequence_number")
    amounts = draw(
        chance, 300, table_year=YEARS, finess=["f", *DUPLICATES, *LEGAL],
        sequence_number=["1", "2", "3"], base_amount=[None, Decimal("10"), Decimal("23.5")],
        reimbursed_amount=[None, Decimal("7"), Decimal("16.1")], source_file=["f1", "f2", None],
    )  # fmt: skip
    for number, row in enumerate(amounts):
        row["source_line"] = number

    def key(row: Row) -> tuple[Any, ...]:
        return row["table_year"], row["finess"], row["sequence_number"]

    copies, places = ranked(base, key), ranked(amounts, key)
    valued = {(*key(row), places[id(row)]): row for row in amounts}
    wanted = []
    for row in base:
        person, status = link(row)
        codes = ["nir_return", "birth_return", "sex_return", "administrative_return"]
        codes += ["entry_return"] if row["table_year"] >= 2009 else []
        bad = any(row[code] != "0" for code in codes)
        value = valued.get((*key(row), copies[id(row)]), {})
        legal, repeated = row["finess"] in LEGAL, copies[id(row)] > 1
        time = row["care_start_time"]
        wanted.append(
            {
                "year": row["table_year"], "finess": row["finess"], "person_id": person,
                "person_status": status, "is_legal_entity_duplicate": legal,
                "is_duplicate_key": repeated, "is_without_key": row["psa"] is None,
                "has_bad_return": bad, "is_used_for_care": not (legal or repeated),
                "is_used_for_spending": not (legal or repeated),
                "is_used_for_persons": not (legal or repeated or bad or row["psa"] is None),
                "base_amount": value.get("base_amount"),
                "reimbursed_amount": value.get("reimbursed_amount"),
                "entry_date": row["entry_date"] or (time and time.date()),
            }
        )  # fmt: skip
    columns = set(model_runner.schema("stg_mco__cstc").names)
    base = [{name: value for name, value in row.items() if name in columns} for row in base]
    given = {"stg_mco__cstc": base, "stg_mco__valoace": amounts, "int_psa": LINK}
    assert_same(model_runner.run("int_outpatient_visit", given), wanted)
