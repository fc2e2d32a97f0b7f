"""Care after an infarction and after heart failure: cases, and a plain second reading."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_runner import ModelRunner
from oracle_tools import assert_same

Row = dict[str, Any]
DATE, DAY = dt.date, dt.timedelta
CLASSES = {
    "beta_blocker": "C07AB07", "antiplatelet": "B01AC06", "statin": "C10AA05",
    "ras_inhibitor": "C09AA05",
}  # fmt: skip
DRUGS = [{"code_system": "cip13", "code": c, "atc_class": c} for c in CLASSES.values()]
WHOLE = {
    "has_claims": True, "has_claims_to_end": True, "has_stays": True, "has_drug_classes": True,
}  # fmt: skip
DELIVERED = [
    WHOLE | {"year": year, "claims_to": DATE(year + 1, 1, 31), "stays_to": DATE(year, 12, 31)}
    for year in range(2017, 2022)
]


def number(day: dt.date) -> int:
    """Return the day of the clock of somebody who was never in hospital."""
    return (day - DATE(1900, 1, 1)).days


def episode(person: str, name: str, entry: dt.date, discharge: dt.date, **more: Any) -> Row:
    """Return an acute episode of an adult who went home."""
    return {
        "person_id": person, "episode_id": name, "year": discharge.year, "field": "mco",
        "entry_date": entry, "discharge_date": discharge, "exit_mode": "8", "exit_finess": "h",
        "age_years": 70, "is_full_stay": discharge > entry, "is_death": False,
        "is_palliative": False, "is_service_only": False, "is_after_death": False,
        "first_main_diagnosis": None, "last_main_diagnosis": "I500",
    } | more  # fmt: skip


def infarction(person: str, discharge: dt.date, **more: Any) -> Row:
    name = f"{person} {discharge}"
    return episode(
        person, name, discharge - DAY(5), discharge, **{"last_main_diagnosis": "I219"} | more
    )


def cover(person: str, name: str, start: int, end: int) -> Row:
    return {"person_id": person, "atc_class": CLASSES[name], "city_start": start, "city_end": end}


def care(person: str, name: str, day: dt.date) -> Row:
    return {"person_id": person, "list_name": name, "care_date": day, "year": day.year}


def measured(runner: ModelRunner, **given_rows: list[Row]) -> dict[tuple[str, str], Row]:
    """Return the rows of 2020 by unit (else person) and measure."""
    given_rows.setdefault("int_delivered_year", DELIVERED)
    given_rows.setdefault("int_drug_reference", DRUGS)
    who = {row["person_id"] for row in given_rows["hospital_episode"]}
    given_rows.setdefault("person_year", [{"person_id": p, "year": 2020} for p in who])
    rows = runner.run("measure_heart_care", given_rows, year=2020)
    found = {(row["unit_id"] or row["person_id"], row["measure"]): row for row in rows}
    assert len(found) == len(rows)
    return found


def told(row: Row) -> tuple[float, float, str | None]:
    return row["num"], row["den"], row["excl_code"]


# -- infarction --------------------------------------------------------------------------------

OUT = DATE(2019, 6, 1)
START, END = OUT + DAY(274), OUT + DAY(365)  # 91 days


def test_eighty_percent_of_the_last_days_is_treated(model_runner: ModelRunner) -> None:
    first, last = number(START), number(END)
    found = measured(
        model_runner,
        hospital_episode=[infarction("P", OUT)],
        int_drug_cover=[
            cover("P", "statin", first - 50, first + 73),  # 73 of 91 days: 80.2 %
            cover("P", "ras_inhibitor", first + 10, first + 82),  # 72 of 91: 79.1 %
            # Two times that overlap: 73 days together.
            cover("P", "antiplatelet", first, first + 50),
            {"person_id": "P", "atc_class": "B01AC04", "city_start": first + 40,
             "city_end": first + 73},
            cover("P", "beta_blocker", last - 73, last + 90),
        ],
        int_drug_reference=[*DRUGS, {"code_system": "cip13", "code": "x", "atc_class": "B01AC04"}],
    )  # fmt: skip
    assert {name: told(row)[:2] for (_, name), row in found.items()} == {
        "mi_statin_12m": (1, 1), "mi_ras_inhibitor_12m": (0, 1), "mi_antiplatelet_12m": (1, 1),
        "mi_beta_blocker_12m": (1, 1), "mi_basi_12m": (0, 1),
    }  # fmt: skip
    assert {row["unit_id"] for row in found.values()} == {""}


def test_the_index_is_a_first_infarction_of_five_years_survived(model_runner: ModelRunner) -> None:
    five_years = (OUT - DAY(5)) - DAY(1826)
    found = measured(
        model_runner,
        hospital_episode=[
            infarction("first", OUT),
            infarction("long ago", OUT), infarction("long ago", five_years - DAY(1)),
            infarction("again", OUT), infarction("again", five_years),
            infarction("dead", OUT, is_death=True, exit_mode="9"),
            infarction("angina", OUT, last_main_diagnosis="I200"),
            infarction("no diagnosis", OUT, last_main_diagnosis=None),
            infarction("entered", OUT, first_main_diagnosis="I210", last_main_diagnosis="Z501"),
            infarction("this year", DATE(2020, 1, 1)),
            infarction("two years ago", DATE(2018, 12, 31)),
        ],
    )  # fmt: skip
    assert {person for person, name in found if name == "mi_statin_12m"} == {
        "first", "long ago", "entered",
    }  # fmt: skip


def test_who_is_left_out_after_an_infarction_and_why(model_runner: ModelRunner) -> None:
    rehabilitation = {"field": "ssr", "last_main_diagnosis": "Z500"}
    found = measured(
        model_runner,
        hospital_episode=[
            *(infarction(name, OUT) for name in (
                "treated", "dies", "dies later", "60", "61", "inside", "asthma", "ald", "two")),
            episode("60", "60 r", OUT, OUT + DAY(60), **rehabilitation),
            episode("61", "61 r", OUT + DAY(10), OUT + DAY(71), **rehabilitation),
        ],
        int_death=[{"person_id": "dies", "death_date": END - DAY(1)},
                   {"person_id": "dies later", "death_date": END}],
        int_hospital_time=[
            {"person_id": "inside", "entry_date": START, "discharge_date": END,
             "night_count": 91, "nights_before": 0},
        ],
        int_listed_care=[
            *(care("asthma", "obstructive_airway", OUT + DAY(n)) for n in (1, 2, 365)),
            *(care("two", "obstructive_airway", OUT + DAY(n)) for n in (0, 1, 2)),
        ],
        int_ald_chain=[
            {"person_id": "ald", "cim10_last": "J459", "start_date": "2010-01-01", "is_open": True},
            {"person_id": "two", "cim10_last": "J459", "start_date": "2010-01-01",
             "end_date": "2019-05-31", "is_open": False},
            {"person_id": "treated", "cim10_last": None, "start_date": "2010-01-01",
             "is_open": True},
        ],
    )  # fmt: skip
    expected = {
        "treated": None, "dies": "death", "dies later": None, "60": None, "61": "rehabilitation",
        "inside": "in_hospital", "asthma": None, "ald": None, "two": None,
    }  # fmt: skip
    assert {name: found[name, "mi_statin_12m"]["excl_code"] for name in expected} == expected
    for measure in ("mi_beta_blocker_12m", "mi_basi_12m"):
        assert {name for name in expected if found[name, measure]["excl_code"] ==
                "contraindicated"} == {"asthma", "ald"}  # fmt: skip


def test_an_infarction_without_its_years_is_absent(model_runner: ModelRunner) -> None:
    def reason(delivered: list[Row]) -> str | None:
        found = measured(
            model_runner, hospital_episode=[infarction("P", OUT)], int_delivered_year=delivered
        )
        return str(found["P", "mi_statin_12m"]["excl_code"])

    by_year = {row["year"]: row for row in DELIVERED}
    assert reason([by_year[2018], by_year[2019], by_year[2020]]) == "None"
    assert reason([by_year[2019], by_year[2020]]) == "no_look_back"
    assert reason([by_year[2018], by_year[2020]]) == "no_look_back"
    assert reason([by_year[2018], by_year[2019]]) == "no_follow_up"
    short = by_year[2020] | {"claims_to": END - DAY(1)}
    assert reason([by_year[2018], by_year[2019], short]) == "no_follow_up"
    unclassed = by_year[2020] | {"has_drug_classes": False}
    assert reason([by_year[2018], by_year[2019], unclassed]) == "not_delivered"


# -- heart failure -----------------------------------------------------------------------------


def test_contacts_count_from_the_day_after_discharge(model_runner: ModelRunner) -> None:
    home = DATE(2020, 3, 10)
    days = (0, 1, 7, 8, 14, 15, 60, 61, None)
    found = measured(
        model_runner,
        hospital_episode=[episode(f"p{n}", f"e{n}", DATE(2020, 3, 1), home) for n in days],
        int_listed_care=[
            care(f"p{n}", name, home + DAY(n))
            for n in days
            if n is not None
            for name in ("cardiologist", "nurse", "beta_blocker", "ras_inhibitor",
                         "mra_or_gliflozin")
        ],
    )  # fmt: skip

    def yes(measure: str) -> set[int | None]:
        return {n for n in days if found[f"e{n}", measure]["num"] == 1}

    assert yes("hf_contact_7d") == yes("hf_nurse_7d") == {1, 7}
    assert yes("hf_contact_14d") == {1, 7, 8, 14}
    assert yes("hf_cardiologist_60d") == yes("hf_triple_therapy_60d") == {1, 7, 8, 14, 15, 60}
    assert found["e1", "hf_contact_7d"]["finess"] == "h"


def test_a_generalist_is_a_contact_and_no_cardiologist(model_runner: ModelRunner) -> None:
    home = DATE(2020, 3, 10)
    found = measured(
        model_runner,
        hospital_episode=[episode("P", "e", DATE(2020, 3, 1), home)],
        int_listed_care=[
            care("P", "gp_contact", home + DAY(2)),
            care("P", "beta_blocker", home + DAY(2)), care("P", "ras_inhibitor", home + DAY(2)),
        ],
    )  # fmt: skip
    assert {name: row["num"] for (_, name), row in found.items()} == {
        "hf_contact_7d": 1, "hf_contact_14d": 1, "hf_nurse_7d": 0, "hf_cardiologist_60d": 0,
        "hf_triple_therapy_60d": 0, "hf_readmission_30d": 0, "hf_readmission_90d": 0,
    }  # fmt: skip


def test_who_is_left_out_after_heart_failure_and_why(model_runner: ModelRunner) -> None:
    start, home = DATE(2020, 3, 1), DATE(2020, 3, 10)
    cases: dict[str, tuple[Row, str | None]] = {
        "home": ({}, None),
        "dead": ({"is_death": True, "exit_mode": "9"}, "death_in_hospital"),
        "away": ({"exit_mode": "6"}, "not_home"),
        "unknown": ({"exit_mode": None}, "not_home"),
        "palliative": ({"is_palliative": True}, "palliative"),
        "day": ({"is_full_stay": False}, "day_case"),
    }
    left = [
        episode("child", "child", start, home, age_years=17),
        episode("ageless", "ageless", start, home, age_years=None),
        episode("service", "service", start, home, is_service_only=True),
        episode("other", "other", start, home, last_main_diagnosis="I48"),
        episode("before", "before", DATE(2019, 12, 1), DATE(2019, 12, 31)),
    ]
    found = measured(
        model_runner,
        hospital_episode=[
            *(episode(name, name, start, home, **more) for name, (more, _) in cases.items()), *left,
        ],
    )  # fmt: skip
    assert {unit for unit, _ in found} == set(cases)
    for name, (_, why) in cases.items():
        for measure in ("hf_contact_7d", "hf_triple_therapy_60d", "hf_readmission_90d"):
            assert told(found[name, measure]) == (0, 0 if why else 1, why)


# -- the oracle --------------------------------------------------------------------------------

HOME = [DATE(2020, 1, 5), DATE(2020, 3, 10), DATE(2020, 11, 20), DATE(2020, 12, 30)]
GAPS = [0, 1, 7, 8, 14, 15, 30, 31, 60, 61, 90, 91]
NAMES = ["gp_contact", "cardiologist", "nurse", "ras_inhibitor", "beta_blocker", "mra_or_gliflozin"]
failure = st.fixed_dictionaries(
    {
        "home": st.sampled_from(HOME),
        "exit_mode": st.sampled_from(["8", "8", "8", "6", "9", None]),
        "is_palliative": st.sampled_from([False, False, True]),
        "nights": st.sampled_from([0, 4, 4]),
        "diagnosis": st.sampled_from(["I500", "I500", "I110", "I119", None]),
        "death": st.sampled_from([None, None, 0, 7, 8, 60]),
        "care": st.lists(
            st.tuples(st.sampled_from(NAMES), st.sampled_from(GAPS)), unique=True, max_size=8
        ),
        "again": st.sampled_from([None, None, *GAPS[1:]]),
        "again_nights": st.sampled_from([0, 2]),
    }
)


def failure_oracle(name: str, person: Row, after: bool, has_classes: bool) -> list[Row]:
    """Return the rows of an episode as the rule reads, or none."""
    if person["diagnosis"] not in ("I500", "I110"):
        return []
    home = person["home"]
    claims = DATE(2022, 1, 31) if after else DATE(2020, 12, 31)
    stays = DATE(2021, 12, 31) if after else DATE(2020, 12, 31)
    reason = None
    if person["exit_mode"] == "9":
        reason = "death_in_hospital"
    elif person["exit_mode"] != "8":
        reason = "not_home"
    elif person["is_palliative"]:
        reason = "palliative"
    elif person["nights"] == 0:
        reason = "day_case"

    def by(last: int, *names: str) -> bool:
        return any(each in names and 1 <= gap <= last for each, gap in person["care"])

    rows = []
    for measure, last, done in (
        ("hf_contact_7d", 7, by(7, "gp_contact", "cardiologist")),
        ("hf_contact_14d", 14, by(14, "gp_contact", "cardiologist")),
        ("hf_nurse_7d", 7, by(7, "nurse")),
        ("hf_cardiologist_60d", 60, by(60, "cardiologist")),
        ("hf_triple_therapy_60d", 60, all(by(60, each) for each in NAMES[3:])),
        ("hf_readmission_30d", 30, None),
        ("hf_readmission_90d", 90, None),
    ):
        why = reason
        again = person["again"]
        if done is None:
            done = again is not None and person["again_nights"] > 0 and again <= last
            if why is None and home + DAY(last) > stays:
                why = "no_follow_up"
        elif why is None and home + DAY(last) > claims:
            why = "no_follow_up"
        elif why is None and person["death"] is not None and person["death"] <= last:
            why = "early_death"
        elif why is None and measure == "hf_triple_therapy_60d" and not has_classes:
            why = "not_delivered"
        rows.append({"unit_id": name, "measure": measure, "excl_code": why,
                     "num": float(done and why is None), "den": float(why is None)})  # fmt: skip
    return rows


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(failure, min_size=1, max_size=25), st.booleans(), st.booleans())
def test_every_episode_of_heart_failure_is_that_of_the_oracle(
    model_runner: ModelRunner, drawn: list[Row], after: bool, has_classes: bool
) -> None:
    stays, cares, deaths, wanted = [], [], [], []
    for n, each in enumerate(drawn):
        who, home = f"p{n}", each["home"]
        stays.append(
            episode(who, f"e{n}", home - DAY(each["nights"]), home, exit_mode=each["exit_mode"],
                    is_death=each["exit_mode"] == "9", is_palliative=each["is_palliative"],
                    last_main_diagnosis=each["diagnosis"])
        )  # fmt: skip
        if each["again"] is not None:
            entry = home + DAY(each["again"])
            # Discharged in 2021: read from the year after, and no index of this one.
            leave = max(entry + DAY(each["again_nights"]), DATE(2021, 1, 1))
            stays.append(
                episode(who, f"again {n}", entry, leave, is_full_stay=each["again_nights"] > 0)
            )
        cares += [care(who, name, home + DAY(gap)) for name, gap in each["care"]]
        if each["death"] is not None:
            deaths.append({"person_id": who, "death_date": home + DAY(each["death"])})
        wanted += failure_oracle(f"e{n}", each, after, has_classes)
    got = measured(
        model_runner, hospital_episode=stays, int_listed_care=cares, int_death=deaths,
        int_delivered_year=[
            row | {"has_drug_classes": has_classes}
            for row in DELIVERED
            if after or row["year"] < 2021
        ],
    )  # fmt: skip
    assert len(got) == len(wanted)
    if wanted:
        assert_same(got.values(), wanted)


survivor = st.fixed_dictionaries(
    {
        "covers": st.lists(
            st.tuples(st.sampled_from(list(CLASSES)), st.integers(-40, 95), st.integers(1, 100)),
            max_size=8,
        ),
        # Nights in hospital within the window, or before it: the clock stands still.
        "stay": st.sampled_from([None, (-300, 40), (-10, 20), (30, 25), (80, 30)]),
        "death": st.sampled_from([None, None, None, 90, 91]),
        "asthma": st.sampled_from([False, False, True]),
    }
)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(survivor, min_size=1, max_size=20))
def test_every_survivor_is_that_of_the_oracle(model_runner: ModelRunner, drawn: list[Row]) -> None:
    tables: dict[str, list[Row]] = {name: [] for name in (
        "hospital_episode", "int_drug_cover", "int_hospital_time", "int_death", "int_ald_chain",
    )}  # fmt: skip
    wanted = []
    for n, each in enumerate(drawn):
        who = f"p{n}"
        tables["hospital_episode"].append(infarction(who, OUT))
        nights: set[dt.date] = set()
        if each["stay"]:
            entry = START + DAY(each["stay"][0])
            nights = {entry + DAY(k) for k in range(each["stay"][1])}
            tables["int_hospital_time"].append(
                {"person_id": who, "entry_date": entry, "nights_before": 0,
                 "discharge_date": entry + DAY(each["stay"][1]), "night_count": each["stay"][1]}
            )  # fmt: skip
        if each["death"] is not None:
            tables["int_death"].append({"person_id": who, "death_date": START + DAY(each["death"])})
        if each["asthma"]:
            tables["int_ald_chain"].append(
                {"person_id": who, "cim10_last": "J45", "start_date": "2015-01-01", "is_open": True}
            )
        # The clock: a day out of hospital is worth the days out of hospital before it.
        out = [START + DAY(k) for k in range(91) if START + DAY(k) not in nights]
        first = number(START) - sum(night < START for night in nights)
        clock = [first + k for k in range(len(out))]
        covered: dict[str, set[int]] = {name: set() for name in CLASSES}
        for name, start, length in each["covers"]:
            covered[name] |= {first + start + k for k in range(length)}
            tables["int_drug_cover"].append(cover(who, name, first + start, first + start + length))
        done = {
            name: len(days & set(clock)) * 10 >= len(clock) * 8 for name, days in covered.items()
        }
        reason = "death" if each["death"] == 90 else None
        for name in (*CLASSES, "basi"):
            why = reason
            if why is None and each["asthma"] and name in ("basi", "beta_blocker"):
                why = "contraindicated"
            yes = all(done.values()) if name == "basi" else done[name]
            wanted.append(
                {"person_id": who, "measure": f"mi_{name}_12m", "excl_code": why,
                 "num": float(yes and why is None), "den": float(why is None)}
            )  # fmt: skip
    got = measured(model_runner, **tables)
    assert_same(got.values(), wanted)
