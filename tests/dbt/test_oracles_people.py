"""People and the effect of quality rules against a second reading, row by row."""

from __future__ import annotations

import datetime as dt
import random
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
from model_runner import ModelRunner
from oracle_tools import Row, assert_same, draw
from test_oracles_identity import FICTITIOUS, beneficiaries, is_fictitious, latest

# Table under rules → the model with its flags, the rows that are its own, its euros.
RULED: dict[str, tuple[str, dict[str, Any], str | None]] = {
    "ER_PRS_F": ("int_claim_checked", {}, "paid_amount"),
    "ER_UCD_F": ("drug_dispensing", {"is_hospital_drug": True}, None),
    # Without years: all of it in each year.
    "IR_IMB_R": ("int_ald_exemption", {}, None),
    "T_MCOaaB": ("hospital_stay", {"field": "mco"}, "total_amount"),
    "T_SSRaaB": ("int_ssr_week", {}, None),
    "T_HADaaB": ("int_had_subsequence", {}, None),
    "T_RIPaaRSA": ("int_psychiatric_sequence", {}, None),
    "T_MCOaaCSTC": ("int_outpatient_visit", {}, "base_amount"),
    "OPEN_DAMIR": ("int_damir_line", {}, "paid_amount"),
}


@pytest.mark.parametrize("seed", [1, 2])
def test_each_rule_is_counted_alone_and_in_its_order(seed: int, model_runner: ModelRunner) -> None:
    chance = random.Random(seed)
    rules = defaultdict(list)
    for rule in sorted(model_runner.run("quality_rule", {}), key=lambda row: row["position"]):
        if rule["table_name"] in RULED:
            rules[rule["table_name"]].append(rule)
    assert set(rules) == set(RULED)
    given: dict[str, list[Row]] = {}
    wanted = []
    for table, (model, own, amount) in RULED.items():
        flags = [rule["flag"] for rule in rules[table]]
        rows = draw(chance, 80, year=[2019, 2020], **{flag: [True, False, False] for flag in flags})
        for row in rows:
            for name, value in own.items():
                row[name] = chance.choice([value, False if value is True else "other"])
            if table == "IR_IMB_R":
                row.pop("year")
            if amount:
                row[amount] = chance.choice([None, Decimal("12.34"), Decimal("-1.5"), Decimal(50)])
        given[model] = rows
        mine = [
            row for row in rows
            if row.get("year", 2020) == 2020 and all(row[n] == v for n, v in own.items())
        ]  # fmt: skip

        def euros(listed: list[Row], name: str | None = amount) -> Decimal | None:
            found = [row[name] for row in listed if name and row[name] is not None]
            return sum(found, Decimal(0)) if found else None

        uses: list[str] = []
        for rule in rules[table]:
            uses += [use for use in rule["uses"].split() if use not in uses]
        unused = [rule for rule in rules[table] if not rule["uses"].split()]
        told = [(use, [r for r in rules[table] if use in r["uses"].split()]) for use in uses]
        for use, listed in [*told, ("information", unused)]:
            left = list(mine)
            for position, rule in enumerate(listed, 1):
                alone = [row for row in mine if row[rule["flag"]]]
                hit = [row for row in left if row[rule["flag"]]]
                left = [row for row in left if not row[rule["flag"]]]
                ordered = use != "information"
                total, kept = euros(mine), euros(left)
                wanted.append(
                    {
                        "table_name": table, "use_name": use, "rule": rule["rule"],
                        "position": position, "staged_row_count": len(mine),
                        "staged_amount": total, "alone_row_count": len(alone),
                        "alone_amount": euros(alone), "year": 2020,
                        "order_row_count": len(hit) if ordered else None,
                        "order_amount": euros(hit) if ordered else None,
                        "remaining_row_count": len(left) if ordered else None,
                        "remaining_amount":
                            (kept or Decimal(0)) if ordered and total is not None else None,
                    }
                )  # fmt: skip
    found = model_runner.run("quality_rule_effect", given)
    assert_same([row for row in found if row["table_name"] in RULED], wanted)


def test_a_table_without_rows_has_no_effect_to_tell(model_runner: ModelRunner) -> None:
    assert model_runner.run("quality_rule_effect", {"int_damir_line": []}) == []


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_person_is_what_their_latest_row_says(seed: int, model_runner: ModelRunner) -> None:
    chance = random.Random(seed)
    rows = beneficiaries(chance, 150)
    for row in rows:
        row["person_pseudonym"] = chance.choice([*"ABCDEF", None])
        row["residence_department_snds"] = chance.choice(
            ["023", " 2a ", "209", "097", "974", "999", None]
        )
        row["residence_commune_snds"] = chance.choice(["096", "411", "11", "000", None])
        row["affiliation_body"] = chance.choice(["01C201000", "01C202", "02A974", " ", None])
    aliases = [
        {"person_alias": "A", "person_id": "B", "change": "renewed"},
        {"person_alias": "C", "person_id": None, "change": "split"},
    ]
    known = {each["person_alias"]: each["person_id"] for each in aliases}

    def after_1600(day: dt.date | None) -> dt.date | None:
        return day if day is not None and day.year > 1600 else None

    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        name = row["person_pseudonym"] or row["own_nir_pseudonym"]
        # Those known by pseudonym and rank alone are the business of int_person_key's oracle.
        if name is None or is_fictitious(row) or known.get(name, name) is None:
            continue
        groups[known.get(name, name)].append(row)
    wanted = []
    for person, group in groups.items():
        group.sort(key=latest)
        row = group[0]
        sexes = {r["sex_code"] for r in group if r["sex_code"] in (1, 2)}
        births = {r["birth_year"] for r in group if (r["birth_year"] or 0) > 1800}
        month, body = row["birth_month"], (row["affiliation_body"] or "").strip() or None
        wanted.append(
            {
                "person_id": person,
                "sex": str(row["sex_code"]) if row["sex_code"] in (1, 2) else None,
                "birth_year": row["birth_year"] if (row["birth_year"] or 0) > 1800 else None,
                "birth_month": month if month in range(1, 13) else None,
                "department": department(row, body), "scheme": body and body[:3],
                "death_date": next(
                    (d for r in group if (d := after_1600(r["death_date"])) is not None), None
                ),
                "key_count": len(group), "has_sex_variation": len(sexes) > 1,
                "has_birth_variation": len(births) > 1,
            }
        )  # fmt: skip
    found = model_runner.run("int_person", {"int_beneficiary": rows, "int_person_alias": aliases})
    named = {row["person_id"] for row in wanted}
    assert_same([row for row in found if row["person_id"] in named], wanted)
    hashed = {row["person_id"] for row in found} - named
    assert hashed and all(len(name) == 32 for name in hashed)


def department(row: Row, body: str | None) -> str | None:
    """Return the INSEE department, read as snds_model D10 tells it."""
    sent = (row["residence_department_snds"] or "").strip().upper().rjust(3, "0")
    commune = (row["residence_commune_snds"] or "").strip().rjust(3, "0")
    if row["residence_department_snds"] is None:
        return None
    if sent == "02A":
        return "2A"
    if sent == "209":
        return {"201": "2A", "202": "2B"}.get((body or "")[3:6])
    if sent == "974" and (body or "")[:3] != "02A":
        return "974"
    if sent in ("097", "974"):
        found = f"97{commune[0]}" if row["residence_commune_snds"] is not None else ""
        return found if found in ("971", "972", "973", "974", "976") else None
    return sent[1:] if sent == "023" else None


@pytest.mark.parametrize("seed", [1, 2])
def test_a_person_is_seen_from_the_first_to_the_last_year_of_care(
    seed: int, model_runner: ModelRunner
) -> None:
    chance = random.Random(seed)
    names = [f"P{n}" for n in range(20)]
    people = draw(chance, 0) + [{"person_id": name, "sex": "1"} for name in names]
    deaths = [{"person_id": n, "death_date": dt.date(2020, 1, 1), "death_source": "pmsi"}
              for n in names[:5]]  # fmt: skip
    keys = [
        {"psa": f"k{n}", "birth_rank": rank, "person_id": chance.choice([*names, None]),
         "is_fictitious": False}
        for n in range(20) for rank in (1, -1)
    ]  # fmt: skip
    links = [{"psa": f"k{n}", "person_id": chance.choice([*names, None])} for n in range(10)]
    lines = draw(chance, 80, psa=[f"k{n}" for n in range(25)], birth_rank=[1, None],
                 care_year=[2017, 2018, 2019], nir_type=["00", "13", None])  # fmt: skip
    stays = draw(chance, 25, psa=[f"k{n}" for n in range(14)], table_year=[2016, 2020])
    pairs = {(key["psa"], key["birth_rank"]): key["person_id"] for key in keys}
    alone = {link["psa"]: link["person_id"] for link in links}
    years: dict[Any, set[int]] = defaultdict(set)
    for line in lines:
        if line["nir_type"] not in FICTITIOUS:
            years[pairs.get((line["psa"], line["birth_rank"] or -1))].add(line["care_year"])
    for stay in stays:
        years[alone.get(stay["psa"])].add(stay["table_year"])
    dead = {each["person_id"]: each for each in deaths}
    wanted = [
        {"person_id": name, "first_care_year": min(years[name], default=None),
         "last_care_year": max(years[name], default=None),
         "death_date": dead.get(name, {}).get("death_date"),
         "death_source": dead.get(name, {}).get("death_source")}
        for name in names
    ]  # fmt: skip
    given = {"int_person": people, "int_death": deaths, "int_person_key": keys, "int_psa": links,
             "stg_dcir__prs": lines, "stg_mco__c": stays}  # fmt: skip
    assert_same(model_runner.run("person", given), wanted)
