"""Pathologies, comorbidity and their agreement with the official ones: SQL against prose."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_runner import ModelRunner, SparkModelRunner
from pathology_oracle import Act, Ald, Drug, Person, Psychiatry, Stay, Year, codes

Rows = dict[str, list[dict[str, Any]]]
YEARS = range(2016, 2021)
N = 2020

# Codes in and just outside of every list, so that each rule is tried on both sides.
CIM10 = list(
    codes("""
    I200 I209 I21 I219 I23 I250 I259 I26 I269 I60 I639 I65 I66 I69 I694 G81 G819 G46 G45 I50
    I501 I110 I11 I119 I130 I132 I139 I138 J81 K761 I702 I700 I739 I731 I740 I741 I744 I44 I452
    I46 I48 I49 I05 I08 I09 I34 I39 Q22 Q20 I10 I15 I27 I42 I51 I71 I77 E10 E112 E149 E15 G590
    G632 L97 N083 M146 C50 C509 D05 C18 C20 C21 D010 D013 C34 C33 D021 D020 C61 D075 D070 C67
    C77 C780 C80 D37 D48 Z08 Z080 Z510 Z511 Z512 F20 F29 F31 F32 F38 F45 F48 F10 F12 F17 F19
    F11 F70 F79 F84 F98 F04 F051 F059 F50 F99 F03 F00 F02 G30 G20 F023 G21 G35 G40 G41 G821
    G826 G70 G73 G12 G95 G318 J44 J45 J47 J961 J960 K50 K51 K52 M05 M06 M08 M081 M120 M121 M45
    M461 M462 M070 M32 M36 E84 D66 D68 D684 D691 D692 E75 E83 E85 E88 B20 B24 F024 Z21 Z940
    Z941 T861 B18 K74 K76 K77 I85 K85 K87 Q44 N18 O800 R10 A15 M41 D57 B65 D61 U071
""")
)
ATC = list(
    codes("""
    A10BA02 A10AB01 A10BX06 A10BK01 A10BD15 C09AA05 C10BX03 C10BX01 C10AA05 C10AB02 C11 N06AB04
    N05AN01 N05AX08 N05BA12 N05CF02 N06DA02 N04BA02 R03AC02 R01 J05AR03 J05AJ01 J05AF10 J05AP08
    L01EA01 L01XC03 L01XA01 M01AE01 N02BE01 N02CC01 H02AB06 A10B
""")
)
GROUPS = ("05M091", "28Z04Z", "28Z01Z", "28Z07Z", "14C08A", "27C062", "11K02J", "90Z00Z")
ACTS = ("JVJF004", "JVJF008", "JVJB001", "JVRP004", "JAEA003", "JAEA001", "DEQP003")


def day(rng: random.Random, first: int = 2015, last: int = 2020) -> dt.date:
    """A day, more often at a year's edge than chance would have it."""
    year = rng.randint(first, last)
    if rng.random() < 0.2:
        return rng.choice([dt.date(year, 1, 1), dt.date(year, 12, 31)])
    return dt.date(year, 1, 1) + dt.timedelta(days=rng.randrange(365))


def anybody(rng: random.Random) -> Person:
    """A person of few codes that come back in many places."""
    own = rng.sample(CIM10, rng.randint(1, 3))
    atc = rng.sample(ATC, rng.choice((1, 1, 2, 3)))

    def code() -> str:
        return rng.choice(own)

    person = Person(sex=rng.choice("12"))
    if rng.random() < 0.1:  # nothing but a drug, often
        person.drugs = [Drug(day(rng, N, N), atc[0]) for _ in range(rng.randint(2, 9))]
        return person
    for _ in range(rng.choice((0, 0, 1, 2))):
        start = day(rng, 2012)
        end = None if rng.random() < 0.5 else start + dt.timedelta(days=rng.randrange(2500))
        number = rng.choice((0, 99, 2, 3, 4, 8, 10, 19, 23, 26, 29, 30, 31, 32))
        person.alds.append(Ald(code() if rng.random() < 0.9 else None, number, start, end))
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
        group = rng.choice(GROUPS) if rng.random() < 0.4 else "05M091"
        person.stays.append(
            Stay(
                end=day(rng),
                main=code(),
                units=tuple(code() for _ in range(rng.choice((0, 0, 1, 2)))),
                related=code() if rng.random() < 0.4 else None,
                others=tuple(code() for _ in range(rng.choice((0, 1, 2)))),
                group=group,
                sessions=rng.choice((0, 1, 12)) if group.startswith("28") else 0,
            )
        )
    if rng.random() < 0.2:
        others = (code(),) if rng.random() < 0.5 else ()
        person.psychiatry.append(Psychiatry(day(rng), code(), others))
    if rng.random() < 0.6:
        year = rng.choice((2018, 2019, 2020, 2020))
        days = [day(rng, year, year) for _ in range(rng.choice((1, 2, 3, 3, 4, 8)))]
        for _ in range(rng.choice((1, 2, 3, 4, 9, 12))):
            person.drugs.append(Drug(rng.choice(days), rng.choice(atc), rng.random() < 0.15))
    if rng.random() < 0.2:
        year, used = rng.choice((2019, 2020, 2020)), rng.choice(ACTS)
        step = rng.choice((2, 4, 5, 6))
        for number in range(rng.choice((1, 9, 10, 11))):
            person.acts.append(Act(dt.date(year, 3, 1) + dt.timedelta(days=step * number), used))
    return person


def tables(people: dict[str, Person]) -> Rows:
    """Return the people as rows of the marts that the evidence is read from."""
    out: Rows = {
        name: []
        for name in (
            "hospital_stay", "stay_diagnosis", "stay_procedure", "care_event", "drug_dispensing",
            "int_ald_chain", "int_person",
        )
    }  # fmt: skip
    for who, person in people.items():
        out["int_person"].append({"person_id": who, "sex": person.sex, "birth_year": 1950})
        for number, each in enumerate(person.alds):
            out["int_ald_chain"].append(
                {"person_id": who, "exemption_nature": 41, "chain_code": f"{each.code} {number}",
                 "ald_num": each.number, "cim10_last": each.code, "start_date": each.start,
                 "end_date": each.end, "is_open": each.end is None}
            )  # fmt: skip
        for number, stay in enumerate(person.stays):
            diagnoses = [("DP", stay.main), *(("DP_RUM", c) for c in stay.units)]
            diagnoses += [("DR", stay.related)] if stay.related else []
            diagnoses += [("DA", c) for c in stay.others]
            add_stay(out, who, f"{who}-s{number}", "mco", stay.end, diagnoses, stay.group,
                     stay.sessions)  # fmt: skip
        for number, spell in enumerate(person.psychiatry):
            diagnoses = [("DP", spell.main), *(("DA", c) for c in spell.others)]
            add_stay(out, who, f"{who}-p{number}", "psy", spell.end, diagnoses)
        for number, drug in enumerate(person.drugs):
            out["drug_dispensing"].append(
                {"event_id": f"{who}-d{number}", "person_id": who, "year": drug.day.year,
                 "dispensing_date": drug.day, "atc_class": drug.atc,
                 "atc_code": drug.atc if len(drug.atc) == 7 else None,
                 "is_large_pack": drug.large, "box_count": 1}
            )  # fmt: skip
        for number, act in enumerate(person.acts):
            # Half of them as billed in town, half as those of a stay.
            common = {"person_id": who, "year": act.day.year}
            if number % 2:
                out["care_event"].append(
                    common | {"event_id": f"{who}-a{number}", "event_type": "procedure",
                              "code_system": "ccam", "code": act.code, "care_date": act.day,
                              "net_quantity": 1}
                )  # fmt: skip
            else:
                out["stay_procedure"].append(
                    common | {"stay_id": f"{who}-a{number}", "field": "mco",
                              "procedure_code": act.code, "procedure_date": act.day}
                )  # fmt: skip
    return out


def add_stay(
    out: Rows, who: str, stay_id: str, field: str, end: dt.date,
    diagnoses: Iterable[tuple[str, str]], group: str | None = None, sessions: int = 0,
) -> None:  # fmt: skip
    common = {"stay_id": stay_id, "person_id": who, "field": field, "year": end.year}
    out["hospital_stay"].append(
        common | {"discharge_date": end, "ghm_code": group, "session_count": sessions,
                  "is_used_for_persons": True,
                  "is_used_for_stays": not (group or "").startswith("28")}
    )  # fmt: skip
    out["stay_diagnosis"] += [
        common | {"role": role, "diagnosis_code": code} for role, code in diagnoses
    ]


def evaluated(
    runner: ModelRunner, rows: Rows, n: int = N, names: tuple[str, ...] = ("person_pathology",)
) -> dict[str, list[dict[str, Any]]]:
    """Run the facts of five years, then what is made from them in year n."""
    evidence = {name: given for name, given in rows.items() if name != "int_person"}
    facts = [
        fact
        for year in range(n - 4, n + 1)
        for fact in runner.run("int_pathology_fact", evidence, year)
    ]
    given = {"int_pathology_fact": facts, "int_person": rows["int_person"]}
    for name in ("int_death", "int_consumer"):
        if name in rows:
            given[name] = rows[name]
    return runner.run_all(names, given, n)


def held(found: Iterable[dict[str, Any]], version: str = "G6-like") -> dict[str, set[str]]:
    """Return the names that each person has."""
    names: dict[str, set[str]] = {}
    for row in found:
        if row["carto_version"] == version:
            names.setdefault(row["person_id"], set()).add(row["top"])
    return names


def crowd(seed: int, size: int) -> dict[str, Person]:
    rng = random.Random(seed)
    return {f"p{number:04}": anybody(rng) for number in range(size)}


def of(person: Person, n: int = N) -> set[str]:
    return Year(person, n).tops()


@settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32 - 1))
def test_sql_says_of_everybody_what_the_prose_says(model_runner: ModelRunner, seed: int) -> None:
    people = crowd(seed, 400)
    found = evaluated(model_runner, tables(people))["person_pathology"]
    told = held(found)
    assert {who: of(person) for who, person in people.items()} == {
        who: told.get(who, set()) for who in people
    }
    # The later version adds the stays for Covid-19 and changes nothing else.
    later = held(found, "G9-like")
    for who, person in people.items():
        covid = any(
            code == "U071"
            for stay in person.stays
            if stay.end.year == N
            for code in (stay.main, *stay.units, stay.related, *stay.others)
        )
        assert later.get(who, set()) - told.get(who, set()) <= {"top_Covid_ind"}
        assert ("top_Covid_ind" in later.get(who, set())) == covid


def test_every_name_is_held_by_somebody_and_not_by_everybody() -> None:
    """The random people try each rule on both sides."""
    from openchronic_assets.codelists import load_algorithms

    seen: dict[str, int] = {}
    for person in crowd(7, 4000).values():
        for name in of(person):
            seen[name] = seen.get(name, 0) + 1
    published = {n for n, one in load_algorithms("G6-like").items() if one.is_published}
    assert published - set(seen) == set()
    assert all(0 < count < 4000 for count in seen.values())


def one(runner: ModelRunner, person: Person, n: int = N) -> set[str]:
    """Return what SQL says of one person."""
    return held(evaluated(runner, tables({"P": person}), n)["person_pathology"]).get("P", set())


def test_acute_lung_oedema_is_heart_failure_only_with_its_code_beside_it(
    model_runner: ModelRunner,
) -> None:
    end = dt.date(N, 6, 1)
    people = {
        "alone": Person(stays=[Stay(end, "J81")]),
        "beside": Person(stays=[Stay(end, "J81", others=("I500",))]),
        "in another stay": Person(
            stays=[Stay(end, "J81"), Stay(dt.date(N, 7, 1), "Z000", others=("I500",))]
        ),
        "main": Person(stays=[Stay(end, "I509")]),
    }
    found = held(evaluated(model_runner, tables(people))["person_pathology"])
    acute = {who: "top_CvIC_aig" in found.get(who, set()) for who in people}
    assert acute == {"alone": False, "beside": True, "in another stay": False, "main": True}


def test_a_diabetic_is_told_by_dates_and_packs(model_runner: ModelRunner) -> None:
    def taken(*drugs: tuple[int, int, bool], atc: str = "A10BA02") -> Person:
        return Person(drugs=[Drug(dt.date(y, month, 5), atc, large) for y, month, large in drugs])

    people = {
        "two dates, one large pack": taken((N, 1, True), (N, 4, False)),
        "two dates, small packs": taken((N, 1, False), (N, 4, False)),
        "three on one date": taken((N, 1, False), (N, 1, False), (N, 1, False)),
        "two large packs on one date": taken((N, 1, True), (N, 1, True)),
        "only the year before": taken((N - 1, 1, False), (N - 1, 2, False), (N - 1, 3, False)),
        "over two years": taken((N - 1, 11, False), (N - 1, 12, False), (N, 1, False)),
        "two years before": taken((N - 2, 1, False), (N - 2, 2, False), (N - 2, 3, False)),
        "benfluorex": taken((N, 1, False), (N, 2, False), (N, 3, False), atc="A10BX06"),
        "gliflozin alone": taken((N, 1, False), (N, 2, False), (N, 3, False), atc="A10BK01"),
    }
    people["gliflozin and another"] = Person(
        drugs=people["gliflozin alone"].drugs[:2] + [Drug(dt.date(N, 9, 9), "A10BA02")]
    )
    found = held(evaluated(model_runner, tables(people))["person_pathology"])
    assert {who for who in people if "top_FDiabet_ind" in found.get(who, set())} == {
        "two dates, one large pack", "only the year before", "gliflozin and another",
    }  # fmt: skip


def test_parameters_of_the_user_switch_criteria_on(model_runner: ModelRunner) -> None:
    gliflozin = Person(drugs=[Drug(dt.date(N, month, 1), "A10BK01") for month in (1, 2, 3)])
    angina = Person(stays=[Stay(dt.date(N, 5, 5), "I200")])
    rows = tables({"gliflozin": gliflozin, "angina": angina})
    evidence = {name: given for name, given in rows.items() if name != "int_person"}
    given = {
        "int_pathology_fact": model_runner.run("int_pathology_fact", evidence, N),
        "int_person": rows["int_person"],
    }
    plain = model_runner.nodes["int_pathology_hit"].sql
    for parameter, who, top in (
        ("a10bk_alone_is_diabetes", "gliflozin", "top_FDiabet_ind"),
        ("sca_include_I200", "angina", "top_CvIDM_aig"),
    ):
        without = "criterion.parameter is null"
        assert plain.count(without) == 1
        set_on = plain.replace(without, f"{without} or criterion.parameter = '{parameter}'")
        before = held(model_runner.run("person_pathology", given, N))
        after = held(model_runner.run("person_pathology", given, N, {"int_pathology_hit": set_on}))
        assert top not in before.get(who, set()) and top in after[who]
    assert Year(gliflozin, N, a10bk=True).diabetes()


def test_a_cancer_is_active_or_watched(model_runner: ModelRunner) -> None:
    here, before = dt.date(N, 3, 3), dt.date(N - 3, 3, 3)
    followed = Stay(here, "Z080", related="C509")
    people = {
        "an ALD of two years ago": Person("2", alds=[Ald("C509", 30, dt.date(N - 2, 12, 31))]),
        "an ALD of last year": Person("2", alds=[Ald("C509", 30, dt.date(N - 1, 1, 1))]),
        "follow-up only": Person("2", stays=[followed]),
        "follow-up and chemotherapy": Person("2", stays=[followed, Stay(here, "Z511")]),
        "an old stay": Person("2", stays=[Stay(before, "C509")]),
        "an old stay and a metastasis": Person(
            "2", stays=[Stay(before, "C509"), Stay(here, "C780")]
        ),
        "a man": Person("1", stays=[Stay(here, "C509")]),
    }  # fmt: skip
    found = held(evaluated(model_runner, tables(people))["person_pathology"])
    state = {
        who: [name[-3:] for name in ("top_CanSeiF_act", "top_CanSeiF_sur")
              if name in found.get(who, set())]
        for who in people
    }  # fmt: skip
    assert state == {
        "an ALD of two years ago": ["sur"], "an ALD of last year": ["act"],
        "follow-up only": ["sur"], "follow-up and chemotherapy": ["act"],
        "an old stay": ["sur"], "an old stay and a metastasis": ["act"], "a man": [],
    }  # fmt: skip


def test_the_dead_have_no_pathology_in_later_years_and_history_is_counted(
    model_runner: ModelRunner,
) -> None:
    people = {who: Person(alds=[Ald("E119", 8, dt.date(2012, 1, 1))]) for who in ("dead", "alive")}
    people["old stay"] = Person(stays=[Stay(dt.date(N - 2, 5, 5), "I702")])
    rows = tables(people)
    rows["int_death"] = [{"person_id": "dead", "death_date": dt.date(N - 1, 12, 31)}]
    rows["int_consumer"] = [{"person_id": "alive", "year": N}]
    stays = rows["hospital_stay"]
    evidence = {name: rows[name] for name in ("hospital_stay", "stay_diagnosis", "int_ald_chain")}
    facts = [
        fact for year in YEARS for fact in model_runner.run("int_pathology_fact", evidence, year)
    ]
    found = model_runner.run(
        "person_pathology",
        {"int_pathology_fact": facts, "hospital_stay": stays}
        | {name: rows[name] for name in ("int_person", "int_death", "int_consumer")},
        N,
    )
    assert {row["person_id"] for row in found} == {"alive", "old stay"}
    assert {row["history_years"] for row in found} == {1}
    assert {row["person_id"] for row in found if row["is_consumer"]} == {"alive"}


def test_sources_that_are_not_to_be_used_show_nothing(model_runner: ModelRunner) -> None:
    drugs = [Drug(dt.date(N, month, 1), "A10BA02") for month in (1, 2, 3)]
    rows = tables({"P": Person(stays=[Stay(dt.date(N, 2, 2), "I219")], drugs=drugs)})
    rows["hospital_stay"][0]["is_used_for_persons"] = False
    for drug in rows["drug_dispensing"]:
        drug["box_count"] = 0
    evidence = {name: given for name, given in rows.items() if name != "int_person"}
    assert model_runner.run("int_pathology_fact", evidence, N) == []


def test_the_order_of_rows_changes_nothing(model_runner: ModelRunner) -> None:
    rows = tables(crowd(3, 150))
    names = ("int_pathology_hit", "person_pathology", "pathology_evidence", "person_comorbidity")
    first = evaluated(model_runner, rows, names=names)
    mixed = {name: random.Random(5).sample(given, len(given)) for name, given in rows.items()}
    assert evaluated(model_runner, mixed, names=names) == first


def test_evidence_names_what_fired_and_what_took_precedence(model_runner: ModelRunner) -> None:
    person = Person(
        stays=[Stay(dt.date(N, 2, 2), "I219"), Stay(dt.date(N, 9, 9), "I220")],
        alds=[Ald("I251", 13, dt.date(2015, 1, 1))],
    )
    found = evaluated(model_runner, tables({"P": person}), names=("pathology_evidence",))
    shown = {
        (row["top"], row["source"]): row
        for row in found["pathology_evidence"]
        if row["carto_version"] == "G6-like" and row["top"].startswith("top_Cv")
    }
    acute = shown["top_CvIDM_aig", "stay"]
    assert (acute["first_reference"], acute["last_reference"]) == ("P-s0", "P-s1")
    assert (acute["date_count"], acute["is_retained"], acute["excluded_by"]) == (2, True, None)
    chronic = shown["top_CvCoron_chr", "ald"]
    assert chronic["first_reference"] == "41/I251 0"
    assert (chronic["is_retained"], chronic["excluded_by"]) == (False, "top_CvIDM_aig")


# Charlson by Quan 2005, written from the article's table: condition, codes, points 1987 and 2011.
CHARLSON = {
    "myocardial_infarction": ("I21 I22 I252", 1, 0),
    "heart_failure": (
        "I099 I110 I130 I132 I255 I420 I425 I426 I427 I428 I429 I43 I50 P290", 1, 2,
    ),
    "peripheral_vascular": (
        "I70 I71 I731 I738 I739 I771 I790 I792 K551 K558 K559 Z958 Z959", 1, 0,
    ),
    "cerebrovascular": ("G45 G46 H340 I60 I61 I62 I63 I64 I65 I66 I67 I68 I69", 1, 0),
    "dementia": ("F00 F01 F02 F03 F051 G30 G311", 1, 2),
    "chronic_pulmonary": (
        "I278 I279 J40 J41 J42 J43 J44 J45 J46 J47 J60 J61 J62 J63 J64 J65 J66 J67 J684 J701 J703",
        1, 1,
    ),
    "connective_tissue": ("M05 M06 M315 M32 M33 M34 M351 M353 M360", 1, 1),
    "peptic_ulcer": ("K25 K26 K27 K28", 1, 0),
    "mild_liver": (
        "B18 K700 K701 K702 K703 K709 K713 K714 K715 K717 K73 K74 K760 K762 K763 K764 K768 K769 "
        "Z944", 1, 2,
    ),
    "diabetes": (" ".join(f"E1{n}{d}" for n in range(5) for d in "01689"), 1, 0),
    "diabetes_complicated": (" ".join(f"E1{n}{d}" for n in range(5) for d in "23457"), 2, 1),
    "paralysis": ("G041 G114 G801 G802 G81 G82 G830 G831 G832 G833 G834 G839", 2, 2),
    "renal": (
        "I120 I131 N032 N033 N034 N035 N036 N037 N052 N053 N054 N055 N056 N057 N18 N19 N250 Z490 "
        "Z491 Z492 Z940 Z992", 2, 1,
    ),
    "malignancy": (
        " ".join(
            f"C{n:02}" for n in range(98)
            if n not in (27, 28, 29, 35, 36, 42, 44, 59, 77, 78, 79, 80, 86, 87, 89)
        ), 2, 2,
    ),
    "severe_liver": ("I850 I859 I864 I982 K704 K711 K721 K729 K765 K766 K767", 3, 4),
    "metastatic": ("C77 C78 C79 C80", 6, 6),
    "hiv": ("B20 B21 B22 B24", 6, 2),
}  # fmt: skip
BEATEN = {"mild_liver": "severe_liver", "diabetes": "diabetes_complicated",
          "malignancy": "metastatic"}  # fmt: skip


def charlson(found: Iterable[str | None]) -> tuple[set[str], int, int]:
    """Return conditions and both scores of somebody's codes."""
    there = {
        name
        for name, (prefixes, _, _) in CHARLSON.items()
        if any(code and code.startswith(tuple(prefixes.split())) for code in found)
    }
    counted = [name for name in there if BEATEN.get(name) not in there]
    return there, sum(CHARLSON[n][1] for n in counted), sum(CHARLSON[n][2] for n in counted)


def test_charlson_is_that_of_the_article(model_runner: ModelRunner) -> None:
    rng = random.Random(11)
    pool = [code for prefixes, _, _ in CHARLSON.values() for code in prefixes.split()]
    pool += [code + "9" for code in pool if len(code) == 3] + CIM10
    people = {}
    for number in range(250):
        own = rng.sample(pool, rng.randint(1, 6))
        end = dt.date(rng.choice((N, N, N, N - 1)), 4, 4)
        related = own[2] if len(own) > 2 else None
        people[f"p{number:03}"] = Person(
            stays=[Stay(end, own[0], tuple(own[1:2]), related, tuple(own[3:]))]
        )
    rows = tables(people)
    rows["int_consumer"] = [{"person_id": who, "year": N} for who in people]
    for number, person in enumerate(rows["int_person"]):
        person["birth_year"] = None if number % 50 == 0 else N - number % 110
    found = evaluated(model_runner, rows, names=("person_comorbidity",))["person_comorbidity"]
    assert [row["person_id"] for row in found] == sorted(people)
    for number, row in enumerate(found):
        (stay,) = people[row["person_id"]].stays
        said = (stay.main, *stay.units, stay.related, *stay.others) if stay.end.year == N else ()
        there, by_1987, by_2011 = charlson(said)
        assert {name for name in CHARLSON if row[f"has_{name}"]} == there
        assert (row["charlson_1987"], row["charlson_2011"]) == (by_1987, by_2011)
        points = None if number % 50 == 0 else min(4, max(0, (number % 110) // 10 - 4))
        assert row["age_points"] == points
        total = None if points is None else by_1987 + points
        assert row["charlson_1987_with_age"] == total


def test_a_metastatic_tumour_counts_once_and_six(model_runner: ModelRunner) -> None:
    person = Person(stays=[Stay(dt.date(N, 4, 4), "C509", others=("C780", "E119", "E112"))])
    rows = tables({"P": person}) | {"int_consumer": [{"person_id": "P", "year": N}]}
    (row,) = evaluated(model_runner, rows, names=("person_comorbidity",))["person_comorbidity"]
    assert (row["has_malignancy"], row["has_metastatic"], row["has_diabetes"]) == (True,) * 3
    assert (row["charlson_1987"], row["charlson_2011"]) == (6 + 2, 6 + 1)


def test_the_french_adaptation_adds_long_term_conditions_and_drugs(
    model_runner: ModelRunner,
) -> None:
    person = Person(
        alds=[Ald("B24", 7, dt.date(2010, 1, 1))],
        drugs=[Drug(dt.date(N, month, 1), atc) for month in (1, 2, 3) for atc in
               ("R03AC02", "A10BK01")],
    )  # fmt: skip
    rows = tables({"P": person})
    (row,) = evaluated(model_runner, rows, names=("person_comorbidity",))["person_comorbidity"]
    assert (row["charlson_1987"], row["has_hiv"]) == (0, False)
    assert (row["adapted_has_hiv"], row["adapted_has_chronic_pulmonary"]) == (True, True)
    assert (row["adapted_has_diabetes"], row["adapted_charlson_1987"]) == (False, 7)
    assert row["adapted_charlson_class"] == "5+"
    # HIV and chronic respiratory disease: two diseases, in two groups.
    assert (row["chronic_top_count"], row["chronic_group_count"]) == (2, 2)
    assert (row["has_two_groups"], row["has_three_groups"]) == (True, False)


def test_agreement_with_the_official_pathologies(model_runner: ModelRunner) -> None:
    """Ten people: three cases of both, one of ours alone, two official alone."""
    ours, official = {0, 1, 2, 3}, {0, 1, 2, 4, 5}
    rows: Rows = {"stg_mapping__ide": [], "stg_mapping__ind": [], "int_person_key": []}
    rows["int_person"] = [
        {"person_id": f"p{n}", "birth_year": 1950 if n < 5 else 1980, "department": "75"}
        for n in range(10)
    ]
    rows["person_pathology"] = [
        {"person_id": f"p{n}", "year": N, "carto_version": "G6-like", "top": "top_FDiabet_ind"}
        for n in ours | {99}
    ]
    for n in range(10):
        # An identifier without rank is that of the referential without rank.
        key = {"psa": f"a{n}", "birth_rank": 1 if n else None}
        rows["int_person_key"].append(key | {"person_id": f"p{n}", "birth_rank": 1 if n else -1})
        link = {"table_year": N, "mapping_id": f"m{n}"}
        # The same person under two numbers of the insured counts once.
        rows["stg_mapping__ide"] += [link | key, link | key]
        rows["stg_mapping__ind"].append(
            link | {"algorithm_version": "G8", "top_fdiabet_ind": int(n in official),
                    "top_cvidm_aig": None}
        )  # fmt: skip
    # One identifier that stands for two people is left out.
    rows["int_person_key"].append({"psa": "b", "birth_rank": 1, "person_id": "p1"})
    rows["stg_mapping__ide"] += [
        {"table_year": N, "mapping_id": "mx", "psa": psa, "birth_rank": 1} for psa in ("a2", "b")
    ]
    rows["stg_mapping__ind"].append(
        {"table_year": N, "mapping_id": "mx", "algorithm_version": "G8", "top_fdiabet_ind": 1}
    )
    found = {
        (row["carto_version"], row["top"], row["dimension"], row["cell"]): row
        for row in model_runner.run("pathology_agreement", rows, N)
    }
    all_of = found["G6-like", "top_FDiabet_ind", "all", "all"]
    assert [all_of[f"{name}_count"] for name in ("person", "official", "own", "both")] == [
        10, 5, 4, 3
    ]  # fmt: skip
    assert all_of["sensitivity"] == pytest.approx(3 / 5)
    assert all_of["predictive_value"] == pytest.approx(3 / 4)
    # Seen 7 in 10; by chance 5 x 4 and 5 x 6 in a hundred.
    assert all_of["kappa"] == pytest.approx((0.7 - 0.5) / (1 - 0.5))
    assert found["G6-like", "top_FDiabet_ind", "age_group", "70-74"]["official_count"] == 4
    nobody = found["G9-like", "top_CvIDM_aig", "department", "75"]
    assert (nobody["sensitivity"], nobody["predictive_value"], nobody["kappa"]) == (None,) * 3
    assert model_runner.run("pathology_agreement", rows, N - 1) == []


@pytest.mark.spark
def test_both_engines_say_the_same_of_everybody(
    model_runner: ModelRunner, spark_model_runner: SparkModelRunner
) -> None:
    rows = tables(crowd(23, 200))
    evidence = {name: given for name, given in rows.items() if name != "int_person"}
    facts = [
        fact for year in YEARS for fact in model_runner.run("int_pathology_fact", evidence, year)
    ]
    of_the_year = [fact for fact in facts if fact["year"] == N]
    assert spark_model_runner.run("int_pathology_fact", evidence, N) == of_the_year
    given = {"int_pathology_fact": facts, "int_person": rows["int_person"]}
    names = ("int_pathology_hit", "person_pathology", "pathology_evidence", "person_comorbidity")
    plain = model_runner.run_all(names, given, N)
    assert spark_model_runner.run_all(names, given, N) == plain
