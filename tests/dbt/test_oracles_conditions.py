"""ALD rows, chains and prevalence against a second reading of the rules, row by row."""

from __future__ import annotations

import csv
import datetime as dt
import random
from collections import defaultdict
from typing import Any

import pytest
from model_runner import ModelRunner
from oracle_tools import Row, assert_same, draw, shuffled

from openchronic_assets.warehouse.project import project_dir

LAST = dt.date(2011, 1, 19)


def codes(origin: str) -> dict[str, tuple[str, int]]:
    with (project_dir() / "seeds/ref_ald_cim10.csv").open(encoding="utf-8") as file:
        return {
            row["cim10_code"]: (row["match_type"], int(row["ald_num"]))
            for row in csv.DictReader(file)
            if row["origin"] == origin
        }


OFFICIAL, OVERRIDE = codes("official"), codes("override")


def number_of(code: str | None, listed: dict[str, tuple[str, int]]) -> int | None:
    """Return the number of the longest code listed: four characters, or three with what follows."""
    if code is None:
        return None
    if code[:4] in listed:
        return listed[code[:4]][1]
    kind, number = listed.get(code[:3], ("", 0))
    return number if kind == "prefix" else None


def known(day: dt.date | None) -> dt.date | None:
    return day if day is not None and day.year > 1600 else None


def exemption(row: Row, pairs: dict[Any, Row]) -> Row | None:
    """Return what is read from a row of the medical service; None where it grants no ALD."""
    nature = row["exemption_nature"]
    if nature not in (41, 43, 45):
        return None
    code = None
    if (row["reason_nomenclature"] or "").strip().upper() == "CIM10":
        code = (row["reason_code"] or "").strip().upper().replace(".", "") or None
    official, override = number_of(code, OFFICIAL), number_of(code, OVERRIDE)
    delivered, inserted = row["ald_num_delivered"], known(row["insert_date"])
    if inserted is not None and inserted < LAST and official is not None:
        source, number = "cim10", official
    elif delivered in range(1, 33):
        source, number = "delivered", delivered
    elif official is not None:
        source, number = "cim10", official
    elif nature == 41 and override is not None:
        source, number = "override", override
    else:
        source, number = ("nature", 31) if nature == 43 else ("unresolved", 99)
    pair = pairs.get((row["psa"], -1 if row["birth_rank"] is None else row["birth_rank"]))
    if pair and pair["is_fictitious"]:
        status = "fictitious"
    elif row["psa"] is None:
        status = "sentinel_key" if row["key_status"] == "sentinel" else "no_key"
    elif pair is None:
        status = "not_in_referential"
    else:
        status = "linked" if pair["person_id"] else "ambiguous_renewal"
    start, end = known(row["start_date"]), known(row["end_date"])
    from_code = official if official is not None else override if nature == 41 else None
    return {
        "person_id": pair and pair["person_id"], "person_status": status, "cim10": code,
        "exemption_nature": nature, "ald_num_delivered": delivered, "ald_num": number,
        "ald_num_source": source, "ald_num_cim10": from_code, "start_date": start,
        "end_date": None if end and end.year >= 2099 else end, "insert_date": inserted,
        "is_end_2099": bool(end and end.year >= 2099),
        "has_end_before_start": bool(start and end and end < start),
    }  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2])
def test_each_row_of_the_medical_service_is_resolved(seed: int, model_runner: ModelRunner) -> None:
    chance = random.Random(seed)
    some = [*chance.sample(sorted(OFFICIAL), 40), *OVERRIDE]
    days = [None, dt.date(1600, 1, 1), dt.date(2010, 5, 1), dt.date(2015, 1, 1)]
    rows = draw(
        chance, 600, psa=["p", "q", "f", "x", None], birth_rank=[1, None],
        key_status=["ok", "sentinel"], exemption_nature=[41, 41, 43, 45, 47, 13, 42, 44, None],
        reason_nomenclature=["CIM10", " cim10 ", "CIM9", None],
        reason_code=[*some, *(code[:3].lower() + "." + "9" for code in some), "Z999", " ", None],
        ald_num_delivered=[None, 0, 1, 8, 32, 33, 99], start_date=days,
        end_date=[*days, dt.date(2098, 12, 31), dt.date(2099, 1, 1), dt.date(2009, 1, 1)],
        insert_date=[None, dt.date(1600, 1, 1), LAST - dt.timedelta(1), LAST, dt.date(2015, 1, 1)],
    )  # fmt: skip
    pairs = [
        {"psa": "p", "birth_rank": 1, "person_id": "P", "is_fictitious": False},
        {"psa": "p", "birth_rank": -1, "person_id": "P2", "is_fictitious": False},
        {"psa": "q", "birth_rank": 1, "person_id": None, "is_fictitious": False},
        {"psa": "f", "birth_rank": 1, "person_id": None, "is_fictitious": True},
    ]
    by_key = {(pair["psa"], pair["birth_rank"]): pair for pair in pairs}
    wanted = [found for row in rows if (found := exemption(row, by_key)) is not None]
    assert {row["ald_num_source"] for row in wanted} == {
        "cim10", "delivered", "override", "nature", "unresolved"
    }  # fmt: skip
    given = {"stg_referential__imb": rows, "int_person_key": pairs}
    assert_same(model_runner.run("int_ald_exemption", given), wanted)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_rows_supersede_each_other_by_person_nature_and_code(
    seed: int, model_runner: ModelRunner
) -> None:
    chance = random.Random(seed)
    days = [None, dt.date(2010, 1, 1), dt.date(2012, 1, 1), dt.date(2014, 1, 1)]
    rows = draw(
        chance, 150, person_id=["P", "Q", None], exemption_nature=[41, 43],
        cim10=["E119", "E110", "I10", None, None], ald_num_delivered=[0, 8, None],
        ald_num=[8, 12], ald_num_cim10=[8, None], ald_num_source=["cim10"], start_date=days,
        end_date=days, insert_date=days, is_end_2099=[True, False],
        has_end_before_start=[False, False, False, True], source_file=["f", "g"],
    )  # fmt: skip
    for number, row in enumerate(rows):
        row["source_line"] = number
        row["is_used_for_ald"] = row["person_id"] is not None
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        if row["person_id"] is None:
            continue
        delivered = row["ald_num_delivered"]
        code = (row["cim10"] or "")[:3] or ("unknown" if delivered is None else f"ALD {delivered}")
        groups[row["person_id"], row["exemption_nature"], code].append(row)

    def ordinal(day: dt.date | None, missing: int) -> int:
        return missing if day is None else day.toordinal()

    wanted = []
    for (person, nature, code), group in groups.items():
        # Inserted last, then started last, then open or ended last.
        last = max(
            group,
            key=lambda r: (ordinal(r["insert_date"], 0), ordinal(r["start_date"], 0),
                           ordinal(r["end_date"], 10**7), r["source_file"], r["source_line"]),
        )  # fmt: skip
        first = min(
            group,
            key=lambda r: (ordinal(r["insert_date"], 0), ordinal(r["start_date"], 0),
                           r["source_file"], r["source_line"]),
        )  # fmt: skip
        start = min((r["start_date"] for r in group if r["start_date"]), default=None)
        inserted = min((r["insert_date"] for r in group if r["insert_date"]), default=None)
        inverted = any(r["has_end_before_start"] for r in group)
        before = last["end_date"] is not None and start is not None and last["end_date"] < start
        wanted.append(
            {
                "person_id": person, "exemption_nature": nature, "chain_code": code,
                "ald_num": last["ald_num"], "ald_num_delivered": last["ald_num_delivered"],
                "ald_num_cim10": last["ald_num_cim10"], "cim10_first": first["cim10"],
                "cim10_last": last["cim10"], "start_date": start, "end_date": last["end_date"],
                "is_open": last["end_date"] is None, "is_end_2099": last["is_end_2099"],
                "has_end_before_start": inverted or before, "first_insert_date": inserted,
                "last_insert_date": last["insert_date"], "row_count": len(group),
            }
        )  # fmt: skip
    given = {"int_ald_exemption": shuffled(chance, rows)}
    assert_same(model_runner.run("int_ald_chain", given), wanted)


@pytest.mark.parametrize("seed", range(4))
def test_chains_at_most_ninety_days_apart_are_one_episode(
    seed: int, model_runner: ModelRunner
) -> None:
    chance = random.Random(seed)
    zero = dt.date(2010, 1, 1)
    chains = []
    for number in range(120):
        start = chance.choice([None] + [zero + dt.timedelta(30 * n) for n in range(40)])
        length = chance.choice([None, -40, 0, 29, 119, 120, 121, 400])
        end = None if length is None or start is None else start + dt.timedelta(length)
        chains.append(
            {
                "person_id": f"P{number % 12}", "ald_num": chance.choice([8, 12]),
                "exemption_nature": chance.choice([41, 43]), "chain_code": f"C{number:03d}",
                "ald_num_delivered": chance.choice([0, 8]), "ald_num_cim10": number,
                "ald_num_source": chance.choice(["cim10", "delivered"]),
                "cim10_first": f"A{number}", "cim10_last": f"B{number}", "start_date": start,
                "end_date": end, "is_open": end is None,
                "is_end_2099": end is None and chance.random() < 0.5,
                "has_end_before_start": length == -40, "row_count": number % 3 + 1,
                "first_insert_date": zero + dt.timedelta(chance.randrange(900)),
                "last_insert_date": zero + dt.timedelta(1000 + number),
            }
        )  # fmt: skip
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in chains:
        if row["start_date"] is not None:
            groups[row["person_id"], row["ald_num"]].append(row)
    forever = dt.date(9999, 12, 31)

    def reach(row: Row) -> dt.date:
        return forever if row["is_open"] else max(row["end_date"], row["start_date"])

    wanted = []
    for (person, number), group in groups.items():
        group.sort(
            key=lambda r: (r["start_date"], reach(r), r["exemption_nature"], r["chain_code"])
        )
        episodes: list[list[Row]] = []
        furthest = None
        for row in group:
            if furthest is None or (row["start_date"] - furthest).days > 90:
                episodes.append([])
                furthest = None
            episodes[-1].append(row)
            furthest = max(furthest or dt.date.min, reach(row))
        for episode in episodes:
            last = max(episode, key=lambda r: r["last_insert_date"])
            is_open = any(row["is_open"] for row in episode)
            ends = [row["end_date"] for row in episode if row["end_date"] is not None]
            wanted.append(
                {
                    "person_id": person, "ald_num": number, "start_date": episode[0]["start_date"],
                    "end_date": None if is_open else max(ends), "is_open": is_open,
                    "cim10_first": episode[0]["cim10_first"], "cim10_last": last["cim10_last"],
                    "ald_num_source": last["ald_num_source"],
                    "exemption_nature": last["exemption_nature"],
                    "ald_num_delivered": last["ald_num_delivered"],
                    "ald_num_cim10": last["ald_num_cim10"],
                    "known_since": min(row["first_insert_date"] for row in episode),
                    "row_count": sum(row["row_count"] for row in episode),
                    "chain_count": len(episode),
                    "is_end_2099": any(row["is_end_2099"] for row in episode),
                    "has_end_before_start": any(row["has_end_before_start"] for row in episode),
                }
            )  # fmt: skip
    given = {"int_ald_chain": shuffled(chance, chains)}
    assert_same(model_runner.run("ald_episode", given), wanted)


def age_group(year: int, birth: int | None) -> str:
    if birth is None or not 0 <= year - birth <= 125:
        return "unknown"
    age = year - birth
    return "95+" if age >= 95 else f"{age // 5 * 5:02d}-{age // 5 * 5 + 4:02d}"


@pytest.mark.parametrize("seed", [1, 2])
def test_prevalence_counts_each_consumer_once_in_each_cell(
    seed: int, model_runner: ModelRunner
) -> None:
    chance = random.Random(seed)
    names = [f"P{n}" for n in range(60)]
    births = [None, 1894, 1895, 1925, 1924, 1950, 2016, 2015, 2020, 2021]
    people = [
        {"person_id": name, "department": chance.choice(["23", None]),
         "sex": chance.choice(["1", "2", None]), "birth_year": chance.choice(births)}
        for name in names
    ]  # fmt: skip
    deaths = [
        {
            "person_id": name,
            "death_date": chance.choice([dt.date(2020, 12, 31), dt.date(2021, 1, 1)]),
        }
        for name in chance.sample(names, 25)
    ]
    consumers = [
        {"person_id": name, "year": year} for name in names for year in (2019, 2020)
        if chance.random() < 0.8
    ]  # fmt: skip
    starts = [dt.date(2015, 1, 1), dt.date(2020, 12, 31), dt.date(2021, 1, 1), dt.date(2020, 1, 1)]
    ends = [None, dt.date(2019, 12, 31), dt.date(2020, 1, 1), dt.date(2020, 12, 30),
            dt.date(2020, 12, 31), dt.date(2022, 1, 1)]  # fmt: skip
    episodes = draw(chance, 150, person_id=names, ald_num=[1, 8, 32, 33, 99], start_date=starts,
                    end_date=ends)  # fmt: skip
    dead = {each["person_id"]: each["death_date"] for each in deaths}
    cell_of = {
        p["person_id"]: (p["department"] or "unknown", p["sex"] or "unknown",
                         age_group(2020, p["birth_year"]))
        for p in people
    }  # fmt: skip
    counted = [each["person_id"] for each in consumers if each["year"] == 2020]
    year_start, year_end = dt.date(2020, 1, 1), dt.date(2020, 12, 31)
    wanted = []
    for number in range(33):
        held = [
            each for each in episodes
            if (each["ald_num"] == number or number == 0) and each["start_date"] <= year_end
            and (each["end_date"] is None or each["end_date"] >= year_start)
        ]  # fmt: skip
        period = {each["person_id"] for each in held}
        end = {each["person_id"] for each in held
               if (each["end_date"] is None or each["end_date"] >= year_end)
               and dead.get(each["person_id"], dt.date.max) > year_end}  # fmt: skip
        for definition, holders in (("period", period), ("december_31", end)):
            for cell in {cell_of[name] for name in counted}:
                inside = [name for name in counted if cell_of[name] == cell]
                x, n = len(holders & set(inside)), len(inside)
                z = 1.959964
                middle = x / n + z * z / (2 * n)
                half = z * ((x / n) * (1 - x / n) / n + z * z / (4 * n * n)) ** 0.5
                wanted.append(
                    {
                        "year": 2020, "definition": definition, "ald_num": number,
                        "department": cell[0], "sex": cell[1], "age_group": cell[2],
                        "numerator": x, "denominator": n, "value": x / n,
                        "ci_low": 0.0 if x == 0 else (middle - half) / (1 + z * z / n),
                        "ci_high": 1.0 if x == n else (middle + half) / (1 + z * z / n),
                    }
                )  # fmt: skip
    assert {"95+", "unknown", "00-04", "05-09"} <= {row["age_group"] for row in wanted}
    assert any(0 < row["numerator"] < row["denominator"] for row in wanted)
    given = {"int_person": people, "int_death": deaths, "int_consumer": consumers,
             "ald_episode": episodes}  # fmt: skip
    assert_same(model_runner.run("indicator_prevalence", given, year=2020), wanted)


def test_the_main_ald_of_a_patient_is_that_of_the_earliest_episode(
    model_runner: ModelRunner,
) -> None:
    chance = random.Random(1)
    names = [f"P{n}" for n in range(12)]
    days = [dt.date(2015, 1, 1), dt.date(2016, 1, 1), dt.date(2017, 1, 1)]
    episodes = draw(chance, 40, person_id=names, ald_num=[0, 1, 8, 12, 32, 33, 99], start_date=days)
    people = [{"person_id": n, "sex": "1", "death_date": chance.choice([None, days[0]])}
              for n in names]  # fmt: skip
    wanted = []
    for person in people:
        mine = [e for e in episodes if e["person_id"] == person["person_id"]
                and 1 <= e["ald_num"] <= 32]  # fmt: skip
        if mine:
            start, main = min((each["start_date"], each["ald_num"]) for each in mine)
            wanted.append(
                person | {"ald_main": main, "ald_count": len({e["ald_num"] for e in mine}),
                          "first_ald_start": start, "is_dead": person["death_date"] is not None}
            )  # fmt: skip
    assert_same(model_runner.run("patient", {"ald_episode": episodes, "person": people}), wanted)
