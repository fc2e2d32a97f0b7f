"""Who is who: pairs, renewals, aliases, deaths, links, against a second reading, row by row."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter, defaultdict
from typing import Any

import pytest
from model_runner import ModelRunner
from oracle_tools import Row, assert_same, draw

FICTITIOUS = {"01", "05", "06", "08", "09", "11", "12", "13", "14", "15"}
DAYS = [None, dt.date(1600, 1, 1), dt.date(2015, 1, 1), dt.date(2019, 6, 1), dt.date(2020, 6, 1)]
LATEST = ("update_date", "last_processing_date", "insert_date")


def is_fictitious(row: Row) -> bool:
    return (row["nir_type"] or "").strip() in FICTITIOUS


def latest(row: Row) -> tuple[Any, ...]:
    """Sort key: the archive last, the newest dates first, then a total order, NULL last."""
    dates = [-(row[name].toordinal()) if row[name] else 1 for name in LATEST]
    rank = row["birth_rank"]
    return (row["archive_order"], *dates, row["psa"] or "~", 99 if rank is None else rank,
            row["source_file"], row["source_line"])  # fmt: skip


def beneficiaries(chance: random.Random, count: int) -> list[Row]:
    rows = draw(
        chance, count, psa=["p", "q", "r", "s", "new", "t1", "t2", None], birth_rank=[1, 2, None],
        person_pseudonym=["A", "B", "C", None, None], person_pseudonym_top=["0", "1", " 0", None],
        own_nir_pseudonym=["O", None], nir_type=["00", "00", "99", "13", " 11 ", None],
        archive_order=[0, 1], update_date=DAYS, last_processing_date=DAYS, insert_date=DAYS,
        source_file=["f", "g"], death_date=DAYS, sex_code=[0, 1, 2, None],
        birth_year=[None, 1800, 1801, 1950], birth_month=[None, 0, 1, 12, 13],
        affiliation_body=["01C201000", " "],
    )  # fmt: skip
    for number, row in enumerate(rows):
        row["source_line"] = number
    return rows


def named(row: Row) -> tuple[str | None, str]:
    """Return the identifier of a row; None stands for a hash of pseudonym and rank."""
    if row["person_pseudonym"] is not None:
        return row["person_pseudonym"], "ben_idt_ano"
    if row["own_nir_pseudonym"] is not None:
        return row["own_nir_pseudonym"], "ben_nir_ano"
    return None, "psa_and_rank"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_pair_is_who_its_latest_row_says(seed: int, model_runner: ModelRunner) -> None:
    chance = random.Random(seed)
    rows = beneficiaries(chance, 120)
    aliases = [
        {"person_alias": "A", "person_id": "NOW", "change": "renewed"},
        {"person_alias": "B", "person_id": None, "change": "split"},
    ]
    renewals = [
        {"kind": "psa", "old_key": "old", "new_key": "new", "change": "renewed"},
        {"kind": "psa", "old_key": "twin", "new_key": None, "change": "split"},
        {"kind": "psa", "old_key": "p", "new_key": "q", "change": "renewed"},
        {"kind": "person", "old_key": "other", "new_key": "r", "change": "renewed"},
    ]
    steps = [
        {"old_psa": "old", "new_psa": "new"}, {"old_psa": "old", "new_psa": "new"},
        {"old_psa": "twin", "new_psa": "t1"}, {"old_psa": "twin", "new_psa": "t2"},
        {"old_psa": "p", "new_psa": "q"}, {"old_psa": "other", "new_psa": "r"},
    ]  # fmt: skip
    known = {each["person_alias"]: each["person_id"] for each in aliases}
    groups: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for row in rows:
        if row["psa"] is not None:
            rank = -1 if row["birth_rank"] is None else row["birth_rank"]
            groups[row["psa"], rank].append(row)
    pairs: dict[tuple[str, int], Row] = {}
    for (psa, rank), group in groups.items():
        row = min(group, key=latest)
        name, source = named(row)
        name = f"hash of {psa} {rank}" if name is None else name
        person = None if is_fictitious(row) else known.get(name, name)
        pairs[psa, rank] = {
            "psa": psa,
            "birth_rank": rank,
            "person_id": person,
            "person_id_source": source,
            "is_fictitious": is_fictitious(row),
        }
    older: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for renewal in renewals[:3]:
        old = renewal["old_key"]
        targets = {
            renewal["new_key"] or step["new_psa"] for step in steps if step["old_psa"] == old
        }
        for (psa, rank), pair in pairs.items():
            if psa in targets and (old, rank) not in pairs:
                older[str(old), rank].append(pair)
    split = {each["old_key"] for each in renewals if each["new_key"] is None}
    wanted = list(pairs.values())
    for (psa, rank), targets_found in older.items():
        people = [each["person_id"] for each in targets_found if each["person_id"] is not None]
        wanted.append(
            {"psa": psa, "birth_rank": rank,
             "person_id": max(people) if people and psa not in split else None,
             "person_id_source": "crosswalk",
             "is_fictitious": any(each["is_fictitious"] for each in targets_found)}
        )  # fmt: skip
    found = model_runner.run(
        "int_person_key",
        {"int_beneficiary": rows, "int_person_alias": aliases, "int_pseudonym_renewal": renewals,
         "stg_crosswalk__pseudonym": steps},
    )  # fmt: skip
    # The hash of pseudonym and rank is the engine's own: what matters is that it is one a pair.
    direct = {pair["person_id"] for pair in wanted if str(pair["person_id"]).startswith("hash")}
    hashed = {row["person_id"] for row in found if len(row["person_id"] or "") == 32}
    assert len(hashed) == len(direct)
    for row in [*found, *wanted]:
        if len(row["person_id"] or "") == 32 or str(row["person_id"]).startswith("hash"):
            row["person_id"] = "hash"
    assert_same(found, wanted)


@pytest.mark.parametrize("seed", range(6))
def test_a_renewed_pseudonym_ends_where_the_steps_lead(
    seed: int, model_runner: ModelRunner
) -> None:
    chance = random.Random(seed)
    names = [*"abcdefghij", None]
    rows = draw(
        chance, 3 + 2 * seed, old_psa=names, new_psa=names, old_person_pseudonym=names,
        new_person_pseudonym=names,
    )  # fmt: skip
    rows += rows[:2]
    wanted = []
    for kind, old_name, new_name in (
        ("psa", "old_psa", "new_psa"), ("person", "old_person_pseudonym", "new_person_pseudonym"),
    ):  # fmt: skip
        steps: dict[str, set[str]] = defaultdict(set)
        for row in rows:
            old, new = row[old_name], row[new_name]
            if old is not None and new is not None and old != new:
                steps[old].add(new)
        ends: dict[str, tuple[str | None, str]] = {}
        for old in steps:
            here, change, walked = old, "", 0
            while here in steps and not change:
                if len(steps[here]) > 1:
                    change = "split"
                here = min(steps[here])
                walked += 1
                if walked > 8:
                    change = "cycle"
            ends[old] = (None, change) if change else (here, "")
        shared = Counter(end for end, change in ends.values() if not change)
        for old, (end, change) in ends.items():
            said = change or ("merged" if shared[end] > 1 else "renewed")
            wanted.append({"kind": kind, "old_key": old, "new_key": end, "change": said})
    found = model_runner.run("int_pseudonym_renewal", {"stg_crosswalk__pseudonym": rows})
    assert len(found) == len(wanted)
    if wanted:
        assert_same(found, wanted)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_an_alias_is_an_identifier_that_the_pair_no_longer_has(
    seed: int, model_runner: ModelRunner
) -> None:
    chance = random.Random(seed)
    rows = beneficiaries(chance, 12 + 6 * seed)
    for row in rows:
        row["person_pseudonym"] = chance.choice(["A", "B", "C", "D", "E", "F", None])
    renewals = [
        {"kind": "person", "old_key": "A", "new_key": "B", "change": "renewed"},
        {"kind": "person", "old_key": "C", "new_key": "C2", "change": "merged"},
        {"kind": "person", "old_key": "Z", "new_key": None, "change": "split"},
        {"kind": "psa", "old_key": "D", "new_key": "never", "change": "renewed"},
    ]
    renewed = {each["old_key"]: each for each in renewals if each["kind"] == "person"}
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        if row["psa"] is not None:
            groups[row["psa"], row["birth_rank"]].append(row)
    became: dict[str, set[str]] = defaultdict(set)
    for group in groups.values():
        filled = [row for row in group if row["person_pseudonym"] is not None]
        if not filled:
            continue
        last = min(filled, key=latest)["person_pseudonym"]
        for row in filled:
            if (
                row["person_pseudonym"] != last
                and (row["person_pseudonym_top"] or "").strip() == "0"
            ):
                became[row["person_pseudonym"]].add(last)
    wanted = []
    for alias, targets in became.items():
        if len(targets) > 1:
            wanted.append({"person_alias": alias, "person_id": None, "change": "split"})
            continue
        (target,) = targets
        person = renewed[target]["new_key"] if target in renewed else target
        wanted.append({"person_alias": alias, "person_id": person, "change": "own_number"})
    for old, each in renewed.items():
        if old not in became:
            target = each["new_key"]
            person = min(became[target]) if len(became.get(target, ())) == 1 else target
            wanted.append({"person_alias": old, "person_id": person, "change": each["change"]})
    given = {"int_beneficiary": rows, "int_pseudonym_renewal": renewals}
    assert_same(model_runner.run("int_person_alias", given), wanted)


def test_a_pseudonym_without_rank_stands_for_one_person_or_none(model_runner: ModelRunner) -> None:
    chance = random.Random(1)
    rows = draw(chance, 90, psa=[f"p{n}" for n in range(40)], person_id=["A", "B", None],
                is_fictitious=[False, False, True])  # fmt: skip
    unique = {(row["psa"], number % 3): row for number, row in enumerate(rows)}
    keys = [row | {"birth_rank": rank} for (_, rank), row in unique.items()]
    for key in keys:
        key["person_id"] = None if key["is_fictitious"] else key["person_id"]
    wanted = []
    for psa in {key["psa"] for key in keys}:
        mine = [key for key in keys if key["psa"] == psa]
        people = {key["person_id"] for key in mine} - {None}
        fictitious = any(key["is_fictitious"] for key in mine)
        if any(key["person_id"] is None and not key["is_fictitious"] for key in mine):
            status = "ambiguous_renewal"
        elif len(people) > 1 or (people and fictitious):
            status = "ambiguous_psa"
        else:
            status = "linked" if people else "fictitious"
        person = min(people) if status == "linked" else None
        wanted.append({"psa": psa, "person_id": person, "person_count": len(people),
                       "person_status": status})  # fmt: skip
    assert len({each["person_status"] for each in wanted}) == 4
    assert_same(model_runner.run("int_psa", {"int_person_key": keys}), wanted)


def test_both_referentials_speak_the_current_one_first(model_runner: ModelRunner) -> None:
    row = {"psa": "p", "birth_rank": 1, "source_file": "f", "source_line": 1}
    found = model_runner.run(
        "int_beneficiary",
        {"stg_referential__ben": [row, row], "stg_referential__ben_arc": [row, row]},
    )
    assert [each["archive_order"] for each in found].count(0) == 2
    assert [each["archive_order"] for each in found].count(1) == 2


def test_a_death_is_that_of_the_first_source_that_knows_it(model_runner: ModelRunner) -> None:
    chance = random.Random(1)
    told = [None, None, dt.date(2019, 1, 5), dt.date(2019, 1, 9)]
    people = [{"person_id": f"P{n}", "death_date": chance.choice(told)} for n in range(60)]
    names = [each["person_id"] for each in people]
    aliases = [
        {"person_alias": "OLD", "person_id": "P1"},
        {"person_alias": "LOST", "person_id": None},
    ]
    dates = [None, dt.date(1600, 1, 1), dt.date(2018, 5, 1), dt.date(2019, 5, 1)]
    deaths = draw(chance, 30, person_pseudonym=[*names, "OLD", "LOST", None],
                  own_nir_pseudonym=[*names[:4], None], death_date=dates,
                  initial_cause_cim10=["I50.0", " c34 ", "", None])  # fmt: skip
    numbers = [str(n) for n in range(60)]
    stays = draw(chance, 200, table_year=[2019, 2020], finess=["f", "g"], rsa_num=numbers,
                 exit_mode=["9", "8", None])  # fmt: skip
    stays = list({(s["table_year"], s["finess"], s["rsa_num"]): s for s in stays}.values())
    links = [
        {"psa": f"k{n}", "person_id": chance.choice([name, None])} for n, name in enumerate(names)
    ]
    chains = [
        {name: stay[name] for name in ("table_year", "finess", "rsa_num")}
        | {"psa": f"k{chance.randrange(64)}",
           "discharge_date": chance.choice([None, dt.date(2020, 1, n % 28 + 1)]),
           "care_end_time": chance.choice([None, dt.datetime(2020, 3, n % 28 + 1, 5)])}
        for n, stay in enumerate(stays)
    ]  # fmt: skip

    certificates: dict[str, list[tuple[Any, Any]]] = defaultdict(list)
    for death in deaths:
        name = death["person_pseudonym"] or death["own_nir_pseudonym"]
        name = {"OLD": "P1", "LOST": None}.get(name, name)
        day = death["death_date"]
        day = day if day and day.year > 1600 else None
        cause = (death["initial_cause_cim10"] or "").strip().upper().replace(".", "") or None
        if name is not None:
            certificates[name].append((day, cause))
    person_of = {each["psa"]: each["person_id"] for each in links}
    left: dict[str, list[dt.date]] = defaultdict(list)
    for stay, chain in zip(stays, chains, strict=True):
        person = person_of.get(chain["psa"])
        end = chain["discharge_date"] or (chain["care_end_time"] and chain["care_end_time"].date())
        if stay["exit_mode"] == "9" and person and end:
            left[person].append(end)
    wanted = []
    for each in people:
        ranked = sorted(
            certificates.get(each["person_id"], []),
            key=lambda pair: (pair[0] is None, pair[0] or 0, pair[1] is None, pair[1] or ""),
        )
        day, cause = ranked[0] if ranked else (None, None)
        discharge = min(left[each["person_id"]], default=None)
        source = "cepidc" if day else "referential" if each["death_date"] else "pmsi"
        found = day or each["death_date"] or discharge
        if found:
            wanted.append(
                {
                    "person_id": each["person_id"],
                    "death_date": found,
                    "death_source": source,
                    "death_cause": cause if day else None,
                }
            )
    assert {each["death_source"] for each in wanted} == {"cepidc", "referential", "pmsi"}
    given = {"int_person": people, "int_person_alias": aliases, "stg_cepidc__cci": deaths,
             "stg_mco__b": stays, "stg_mco__c": chains, "int_psa": links}  # fmt: skip
    assert_same(model_runner.run("int_death", given), wanted)


def test_links_are_counted_by_table_year_and_reason(model_runner: ModelRunner) -> None:
    chance = random.Random(1)
    statuses = ["linked", "fictitious", "no_key", "sentinel_key"]
    shared: dict[str, list[Any]] = {"year": [2019, 2020], "person_status": statuses}
    events = draw(chance, 60, **shared, event_type=["claim", "drug"])
    stays = draw(chance, 60, **shared, field=["mco", "ssr"])
    units = {
        table: (model, draw(chance, 30, **shared))
        for table, model in {
            "T_MCOaaCSTC": "int_outpatient_visit", "T_SSRaaB": "int_ssr_week",
            "T_HADaaB": "int_had_subsequence", "T_RIPaaRSA": "int_psychiatric_sequence",
        }.items()
    }  # fmt: skip
    acts = draw(chance, 20, table_year=[2019, 2020])
    aliases = [
        {"person_alias": "OLD", "person_id": "P1"},
        {"person_alias": "LOST", "person_id": None},
    ]
    deaths = draw(chance, 60, person_pseudonym=["P1", "OLD", "LOST", "WHO", None],
                  own_nir_pseudonym=["P2", None],
                  death_date=[dt.date(2020, 5, 1), dt.date(2019, 5, 1), None])  # fmt: skip
    mappings = draw(chance, 60, table_year=[2019, 2020], psa=["p", "q", "x", None],
                    birth_rank=[1, None], key_status=["ok", "sentinel"])  # fmt: skip
    keys = [
        {"psa": "p", "birth_rank": 1, "person_id": "P1", "is_fictitious": False},
        {"psa": "p", "birth_rank": -1, "person_id": None, "is_fictitious": False},
        {"psa": "q", "birth_rank": 1, "person_id": None, "is_fictitious": True},
    ]
    counts: Counter[tuple[str, str]] = Counter()
    counts.update(("ER_PRS_F", e["person_status"]) for e in events
                  if e["year"] == 2020 and e["event_type"] == "claim")  # fmt: skip
    counts.update(("T_MCOaaB", s["person_status"]) for s in stays
                  if s["year"] == 2020 and s["field"] == "mco")  # fmt: skip
    for table, (_, rows) in units.items():
        counts.update((table, row["person_status"]) for row in rows if row["year"] == 2020)
    counts["T_RIPaaR3A", "local_patient"] += sum(row["table_year"] == 2020 for row in acts)
    for death in deaths:
        name = death["person_pseudonym"] or death["own_nir_pseudonym"]
        if death["death_date"] and death["death_date"].year == 2020:
            reason = {None: "no_key", "LOST": "ambiguous_renewal", "WHO": "not_in_referential"}
            counts["KI_CCI_R", reason.get(name, "linked")] += 1
    pairs = {(key["psa"], key["birth_rank"]): key for key in keys}
    for row in mappings:
        pair = pairs.get((row["psa"], row["birth_rank"] or -1))
        if row["table_year"] != 2020:
            continue
        if row["psa"] is None:
            reason_found = "sentinel_key" if row["key_status"] == "sentinel" else "no_key"
        elif pair is None:
            reason_found = "not_in_referential"
        elif pair["is_fictitious"]:
            reason_found = "fictitious"
        else:
            reason_found = "linked" if pair["person_id"] else "ambiguous_renewal"
        counts["CT_IDE_AAAA_GN", reason_found] += 1
    wanted = [
        {"year": 2020, "table_name": table, "reason": reason, "row_count": count}
        for (table, reason), count in counts.items()
        if count
    ]
    given = {"care_event": events, "hospital_stay": stays, "stg_rip__r3a": acts,
             "stg_cepidc__cci": deaths, "int_person_alias": aliases, "int_person_key": keys,
             "int_person": [{"person_id": "P1"}, {"person_id": "P2"}],
             "stg_mapping__ide": mappings} | dict(units.values())  # fmt: skip
    assert_same(model_runner.run("int_identity_link", given), wanted)


def test_reasons_are_grouped_and_shares_add_up_to_one(model_runner: ModelRunner) -> None:
    groups = {
        "linked": "linked", "ambiguous_psa": "ambiguous", "ambiguous_renewal": "ambiguous",
        "sentinel_key": "sentinel", "fictitious": "fictitious", "no_key": "unlinked",
        "not_in_referential": "unlinked", "no_chaining": "unlinked", "local_patient": "unlinked",
    }  # fmt: skip
    links = [
        {"table_name": table, "year": year, "reason": reason, "row_count": number + year - 2000}
        for table in ("ER_PRS_F", "T_MCOaaB")
        for year in (2019, 2020)
        for number, reason in enumerate(groups)
    ]
    rows = [{"person_status": reason} for reason in ("linked", "no_key", "linked", "fictitious")]
    totals: Counter[tuple[str, int]] = Counter()
    for link in links:
        totals[link["table_name"], link["year"]] += link["row_count"]
    wanted = [
        link | {"status": groups[link["reason"]],
                "share": link["row_count"] / totals[link["table_name"], link["year"]]}
        for link in links
    ]  # fmt: skip
    wanted += [
        {"table_name": "IR_IMB_R", "year": None, "reason": reason, "row_count": count,
         "status": groups[reason], "share": count / 4}
        for reason, count in (("linked", 2), ("no_key", 1), ("fictitious", 1))
    ]  # fmt: skip
    given = {"int_identity_link": links, "int_ald_exemption": rows}
    assert_same(model_runner.run("identity_link_report", given), wanted)


def test_former_identifiers_are_told_step_by_step(model_runner: ModelRunner) -> None:
    step = {"old_epoch": "1", "new_epoch": "2"}
    steps = [
        step | {"old_person_pseudonym": "A", "new_person_pseudonym": "B"},
        step | {"old_person_pseudonym": "A", "new_person_pseudonym": "B"},
        step | {"old_person_pseudonym": "B", "new_person_pseudonym": "B"},
        step | {"old_person_pseudonym": None, "new_person_pseudonym": "C"},
        step | {"old_person_pseudonym": "D", "new_person_pseudonym": None},
    ]
    aliases = [
        {"person_alias": "A", "person_id": "B", "change": "renewed"},
        {"person_alias": "PAIR", "person_id": "OWN", "change": "own_number"},
    ]
    told = {"old_epoch": None, "new_epoch": None, "next_person_id": None}
    wanted = [
        step | {"old_person_id": "A", "next_person_id": "B", "person_id": "B", "change": "renewed",
                "source": "crosswalk"},
        step | {"old_person_id": "B", "next_person_id": "B", "person_id": None,
                "change": "unchanged", "source": "crosswalk"},
        told | {"old_person_id": "PAIR", "person_id": "OWN", "change": "own_number",
                "source": "referential"},
    ]  # fmt: skip
    given = {"stg_crosswalk__pseudonym": steps, "int_person_alias": aliases}
    assert_same(model_runner.run("person_id_history", given), wanted)
