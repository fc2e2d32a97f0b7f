"""People and ALD year by year, against a reading of the rules row by row in plain Python."""

from __future__ import annotations

import calendar
import csv
import datetime as dt
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_runner import ModelRunner, multiset
from oracle_tools import assert_same, shuffled

from openchronic_assets.warehouse import project

Row = dict[str, Any]
Tables = dict[str, list[Row]]

YEAR = 2015
NEVER = dt.date(1600, 1, 1)
OUR_SETTINGS = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
# Days that meet the bounds of the year, and some far from them.
DAYS = [
    dt.date(2004, 6, 27), dt.date(2013, 12, 31), dt.date(2014, 1, 1), dt.date(2014, 12, 31),
    dt.date(2015, 1, 1), dt.date(2015, 1, 2), dt.date(2015, 5, 17), dt.date(2015, 12, 30),
    dt.date(2015, 12, 31), dt.date(2016, 1, 1), dt.date(2017, 3, 3),
]  # fmt: skip
IN_YEAR = [day for day in DAYS if day.year == YEAR]
PEOPLE = [f"P{number}" for number in range(8)]


def listed(name: str) -> list[dict[str, str]]:
    path = project.project_dir() / "seeds" / f"{name}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# --- residence ---------------------------------------------------------------------------------


def insee(department: str | None, commune: str | None, body: str | None) -> tuple[Any, Any]:
    """Return department and commune of a residence as the SNDS writes it (snds_model D10)."""
    if department is None:
        return None, None
    scheme, office = (body or "")[:3], (body or "")[3:6]
    found: str | None = None
    if department in ("02A", "02B"):
        found = department[1:]
    elif department in ("209", "020"):
        found = {"201": "2A", "202": "2B"}.get(office)
    elif department == "097" or (department.startswith("97") and scheme == "02A"):
        found = f"97{commune[0]}" if commune else None
    elif department.startswith("97"):
        found = department
    elif department.startswith("0"):
        found = department[1:]
    if found not in {each["department"] for each in listed("ref_department")}:
        return None, None
    if commune is None or commune == "000":
        return found, None
    return found, found + (commune[1:] if len(found) == 3 else commune)


@OUR_SETTINGS
@given(st.integers(0, 2**32))
def test_the_last_care_of_the_year_tells_residence_and_scheme(
    model_runner: ModelRunner, seed: int
) -> None:
    chance = random.Random(seed)
    keys = [
        {"psa": f"k{n}", "birth_rank": rank, "person_id": chance.choice(PEOPLE[:3] + [None])}
        for n in range(3)
        for rank in (-1, 1)
    ]
    lines = [
        {
            "psa": chance.choice(["k0", "k1", "k2", "k9", None]),
            "birth_rank": chance.choice([1, None]),
            "care_year": chance.choice([YEAR, YEAR, YEAR, YEAR - 1]),
            "care_start_date": chance.choice([*IN_YEAR, NEVER, None]),
            "nir_type": chance.choice(["00", "00", None, "06"]),
            "residence_department_snds": chance.choice(
                ["023", "23", "02a", "209", "020", "097", "974", "099", None]
            ),
            "residence_commune_snds": chance.choice(["096", "411", "011", "000", None]),
            "affiliation_body": chance.choice(
                ["01C231234", "02A974000", "03A974000", "01C201999", "01C202999", " ", None]
            ),
        }
        for _ in range(30)
    ]
    given_rows = {"int_person_key": keys, "stg_dcir__prs": lines}
    got = model_runner.run("int_residence_year", given_rows, YEAR)

    who = {(key["psa"], key["birth_rank"]): key["person_id"] for key in keys}
    wanted = []
    for person in PEOPLE[:3]:
        told = []
        for line in lines:
            rank = -1 if line["birth_rank"] is None else line["birth_rank"]
            day = line["care_start_date"]
            if (
                who.get((line["psa"], rank)) != person
                or line["care_year"] != YEAR
                or day in (None, NEVER)
                or line["nir_type"] == "06"
            ):
                continue
            code = line["residence_department_snds"]
            body = (line["affiliation_body"] or "").strip() or None
            place = insee(
                code.upper().rjust(3, "0") if code else None, line["residence_commune_snds"], body
            )
            told.append((day, *place, body[:3] if body else None))
        if not told:
            continue
        placed = [each for each in told if each[1]]
        last = min(
            placed,
            key=lambda each: (-each[0].toordinal(), each[1], each[2] is None, each[2] or ""),
            default=(None, None, None, None),
        )
        begun = min(placed, key=lambda each: each[:2], default=(None, None, None, None))
        schemes = [each for each in told if each[3]]
        scheme = min(schemes, key=lambda each: (-each[0].toordinal(), each[3]), default=(None,) * 4)
        wanted.append(
            {
                "person_id": person,
                "department": last[1],
                "commune": last[2],
                "department_first": begun[1],
                "department_count": len({each[1] for each in placed}),
                "commune_count": len({each[2] for each in placed if each[2]}),
                "scheme": scheme[3],
                "first_care_date": min(each[0] for each in told),
                "last_care_date": max(each[0] for each in told),
            }
        )
    if wanted:
        assert_same(got, wanted)
    else:
        assert not got
    again = {name: shuffled(chance, rows) for name, rows in given_rows.items()}
    assert model_runner.run("int_residence_year", again, YEAR) == got


# --- person_year -------------------------------------------------------------------------------


def some_people(chance: random.Random) -> Tables:
    """Return people with dates that meet, cross and miss the year."""
    people: list[Row] = []
    residence: list[Row] = []
    consumers: list[Row] = []
    deaths: list[Row] = []
    stays: list[Row] = []
    exemptions: list[Row] = []
    for person in PEOPLE:
        department, commune = chance.choice(
            [("23", "23096"), ("974", "97411"), ("2A", None), (None, None)]
        )
        people.append(
            {
                "person_id": person,
                "sex": chance.choice(["1", "2", None]),
                "birth_year": chance.choice([1940, 1850, 2014, 2015, 2016, None]),
                "birth_month": chance.choice([1, 5, 12, None]),
                "department": department,
                "commune": commune,
                "scheme": chance.choice(["01C", "02A", "03A", "04C", None]),
                "known_since": chance.choice([None, *DAYS]),
            }
        )
        if chance.random() < 0.5:
            first, last = sorted(chance.choices(IN_YEAR, k=2))
            residence.append(
                {
                    "person_id": person,
                    "year": chance.choice([YEAR, YEAR, YEAR - 1]),
                    "department": chance.choice(["19", "971", None]),
                    "commune": chance.choice(["19001", None]),
                    "department_first": "19",
                    "department_count": chance.choice([1, 2]),
                    "scheme": chance.choice(["01C", "02A", None]),
                    "first_care_date": first,
                    "last_care_date": last,
                }
            )
        if chance.random() < 0.4:
            consumers.append({"person_id": person, "year": YEAR, "has_stay": chance.random() < 0.5})
        if chance.random() < 0.5:
            deaths.append(
                {
                    "person_id": person,
                    "death_date": chance.choice(DAYS),
                    "death_source": "cepidc",
                    "death_cause": chance.choice(["I219", None]),
                }
            )
        for _ in range(chance.choice([0, 0, 1, 2])):
            stays.append(
                {
                    "person_id": person,
                    "stay_id": f"s{len(stays)}",
                    "year": chance.choice([YEAR, YEAR - 1]),
                    "entry_date": chance.choice([*DAYS, None]),
                }
            )
        for _ in range(chance.choice([0, 0, 1])):
            exemptions.append({"person_id": person, "start_date": chance.choice([*DAYS, None])})
    areas = [
        {
            "annee": chance.choice([2010, 2015, 2016, 2020, None]),
            "territoire": chance.choice(["19001", "19", "23096 ", "2a", "974"]),
            "quintile": chance.choice([1, 2, 3, 5, 9, None]),
            "_source_file": "f",
            "_source_line": line,
        }
        for line in range(chance.choice([0, 3, 8]))
    ]
    return {
        "int_person": people,
        "int_residence_year": residence,
        "int_consumer": consumers,
        "int_death": deaths,
        "hospital_stay": stays,
        "int_ald_exemption": exemptions,
        "open_deprivation": areas,
    }


def quintile_of(area: str | None, areas: list[Row]) -> int | None:
    """Return the quintile of the newest edition that the year had, else of the oldest."""
    mine = [
        each
        for each in areas
        if area
        and each["territoire"].strip().upper() == area
        and each["quintile"] in (1, 2, 3, 4, 5)
    ]
    had = [each for each in mine if (each["annee"] or 0) <= YEAR]
    if had:
        newest = max(each["annee"] or 0 for each in had)
        return int(min(each["quintile"] for each in had if (each["annee"] or 0) == newest))
    if mine:
        oldest = min(each["annee"] for each in mine)
        return int(min(each["quintile"] for each in mine if each["annee"] == oldest))
    return None


def person_year(tables: Tables) -> list[Row]:
    """Read the rule of person_year, one person after the other."""
    start, end = dt.date(YEAR, 1, 1), dt.date(YEAR, 12, 31)
    rows = []
    for person in tables["int_person"]:
        name = person["person_id"]

        def own(table: str, year: bool = True, name: str = name) -> list[Row]:
            return [
                row
                for row in tables[table]
                if row["person_id"] == name and (not year or row["year"] == YEAR)
            ]

        lives = next(iter(own("int_residence_year")), None)
        consumer = next(iter(own("int_consumer")), None)
        death = next(iter(own("int_death", year=False)), None)
        stays = own("hospital_stay")
        alds = [e["start_date"] for e in own("int_ald_exemption", year=False) if e["start_date"]]
        care = [row["entry_date"] for row in stays if row["entry_date"]]
        if lives:
            care += [lives["first_care_date"], lives["last_care_date"]]
        birth = None
        if person["birth_year"]:
            birth = dt.date(person["birth_year"], person["birth_month"] or 1, 1)
        died = death["death_date"] if death else None
        seen = bool(lives or stays or consumer)
        alive = (birth is None or birth <= end) and (died is None or died >= start)
        if not (seen or alive):
            continue
        if seen:
            presence = "care"
        elif alds and min(alds).year <= YEAR:
            presence = "ald"
        elif person["known_since"] is None:
            presence = "assumed"
        else:
            presence = "referential" if person["known_since"].year <= YEAR else "not_yet_known"
        days = 0
        for number in range(365 + calendar.isleap(YEAR)):
            day = start + dt.timedelta(number)
            there = (birth is None or day >= birth) and (died is None or day <= died)
            days += there and presence != "not_yet_known"
        by_care = lives is not None and lives["department"] is not None
        where = lives if by_care and lives else person
        department = where["department"]
        age = YEAR - person["birth_year"] if person["birth_year"] else None
        told = death is not None and died is not None and died <= end
        of_commune = quintile_of(where["commune"], tables["open_deprivation"])
        of_department = quintile_of(department, tables["open_deprivation"])
        if of_commune:
            source = "commune"
        elif of_department:
            source = "department"
        elif department is None:
            source = "no_residence"
        else:
            source = "overseas" if department.startswith("97") else "not_supplied"
        rows.append(
            {
                "person_id": name,
                "year": YEAR,
                "sex": person["sex"],
                "age_years": age if age is not None and 0 <= age <= 125 else None,
                "department": department,
                "residence_source": "care" if by_care else "referential" if department else None,
                "has_moved": lives["department_count"] > 1 if by_care and lives else None,
                "scheme": (lives and lives["scheme"]) or person["scheme"],
                "deprivation_quintile": of_commune or of_department,
                "deprivation_source": source,
                "is_consumer": consumer is not None,
                "has_stay": bool(consumer and consumer["has_stay"]),
                "presence": presence,
                "observed_days": days,
                "is_fully_observed": days == 365 and presence != "assumed",
                "death_date": died if told else None,
                "death_cause": death["death_cause"] if told and death else None,
                "has_care_before_birth": bool(birth and care and min(care) < birth),
                "has_care_after_death": bool(died and care and max(care) > died),
                "population_scope": "exhaustive",
                "weight": 1.0,
            }
        )
    return rows


@OUR_SETTINGS
@given(st.integers(0, 2**32))
def test_each_person_of_the_year_is_told_as_the_rule_reads(
    model_runner: ModelRunner, seed: int
) -> None:
    chance = random.Random(seed)
    tables = some_people(chance)
    got = model_runner.run("person_year", tables, YEAR)
    wanted = person_year(tables)
    if wanted:
        assert_same(got, wanted)
    assert len(got) == len(wanted)
    again = {name: shuffled(chance, rows) for name, rows in tables.items()}
    assert model_runner.run("person_year", again, YEAR) == got


def test_a_leap_year_has_a_day_more(model_runner: ModelRunner) -> None:
    people = [{"person_id": "P", "birth_year": 1950, "known_since": dt.date(2010, 1, 1)}]
    days = {
        year: model_runner.run("person_year", {"int_person": people}, year)[0]["observed_days"]
        for year in (2000 + 10, 2012, 2015, 2016)
    }
    assert days == {2010: 365, 2012: 366, 2015: 365, 2016: 366}


# --- ald_year, ald_population ------------------------------------------------------------------


def some_episodes(chance: random.Random) -> Tables:
    """Return episodes, deaths, schemes and exempted lines around the bounds of the year."""
    episodes: list[Row] = []
    for person in PEOPLE:
        for number in (8, 30, 99):
            starts = sorted(set(chance.choices(DAYS, k=chance.choice([0, 1, 2]))))
            for start in starts:
                end = chance.choice([*DAYS, None])
                episodes.append(
                    {
                        "person_id": person,
                        "ald_num": number,
                        "start_date": start,
                        "end_date": end,
                        "is_open": end is None,
                    }
                )
    lines = [
        {
            "person_id": chance.choice([*PEOPLE, None]),
            "year": chance.choice([YEAR, YEAR - 1]),
            "event_id": str(number),
            "event_type": chance.choice(["claim", "claim", "drug"]),
            "has_ald_exemption": (code := chance.choice([0, 41, 42, 47])) in (41, 42),
            "is_ald_related": code == 42,
            "is_regularised": chance.choice([False, False, True]),
        }
        for number in range(12)
    ]
    return {
        "ald_episode": episodes,
        "int_death": [
            {"person_id": person, "death_date": chance.choice(DAYS)}
            for person in PEOPLE
            if chance.random() < 0.5
        ],
        "care_event": lines,
        "person_year": [
            {
                "person_id": person,
                "year": YEAR,
                "scheme": chance.choice(["01C", "01M", "02A", "03A", "04C", None]),
            }
            for person in PEOPLE
        ],
    }


def coverage(scheme: str | None, number: int, year: int) -> str:
    """Say what the incidence of a scheme is worth (decision 5)."""
    if number == 99:
        return "unresolved_number"
    if scheme is None:
        return "scheme_unknown"
    first = {"01": 2005, "08": 2005, "02": 2014, "03": 2014}.get(scheme[:2])
    if first is None:
        return "coverage_unknown"
    if year < first:
        return "before_coverage"
    doubtful = (scheme[:2] == "03" and year <= 2016) or (
        scheme[:2] in ("01", "08") and year == 2005
    )
    return "doubtful" if doubtful else "established"


def exempted(tables: Tables, person: str, related: bool = False) -> int:
    return sum(
        row["person_id"] == person
        and row["year"] == YEAR
        and row["event_type"] == "claim"
        and row["has_ald_exemption"]
        and not row["is_regularised"]
        and (row["is_ald_related"] or not related)
        for row in tables["care_event"]
    )


def ald_year(tables: Tables) -> list[Row]:
    """Read the rule of ald_year day by day."""
    days = [dt.date(YEAR, 1, 1) + dt.timedelta(n) for n in range(365 + calendar.isleap(YEAR))]
    rows = []
    for person in PEOPLE:
        died = next(
            (d["death_date"] for d in tables["int_death"] if d["person_id"] == person), None
        )
        scheme = next(p["scheme"] for p in tables["person_year"] if p["person_id"] == person)
        for number in (8, 30, 99):
            mine = [
                e
                for e in tables["ald_episode"]
                if e["person_id"] == person and e["ald_num"] == number
            ]
            in_force: dict[dt.date, list[Row]] = {}
            for day in days:
                in_force[day] = [
                    e
                    for e in mine
                    if e["start_date"] <= day
                    and (e["is_open"] or max(e["end_date"], e["start_date"]) >= day)
                    and (died is None or died >= day)
                ]
            held = [e for found in in_force.values() for e in found]
            if not held:
                continue
            status = coverage(scheme, number, YEAR)
            told = status in ("established", "doubtful")
            first = min(e["start_date"] for e in mine)
            rows.append(
                {
                    "person_id": person,
                    "ald_num": number,
                    "start_date": min(e["start_date"] for e in held),
                    "is_prevalent_period": True,
                    "is_prevalent_31_12": bool(in_force[days[-1]]) and died != days[-1],
                    "is_incident": (first.year == YEAR) if told else None,
                    "incidence_status": status,
                    "has_exempted_care": exempted(tables, person) > 0,
                    "has_related_care": exempted(tables, person, related=True) > 0,
                    "is_active": exempted(tables, person) > 0,
                    "is_active_related": exempted(tables, person, related=True) > 0,
                }
            )
    return rows


@OUR_SETTINGS
@given(st.integers(0, 2**32))
def test_an_ald_of_the_year_is_read_day_by_day(model_runner: ModelRunner, seed: int) -> None:
    chance = random.Random(seed)
    tables = some_episodes(chance)
    found = model_runner.run_all(["ald_year", "ald_population"], tables, YEAR)
    wanted = ald_year(tables)
    if wanted:
        assert_same(found["ald_year"], wanted)
    assert len(found["ald_year"]) == len(wanted)
    both = []
    for person in PEOPLE:
        held = [row for row in wanted if row["person_id"] == person]
        lines = exempted(tables, person)
        if held or lines:
            both.append(
                {
                    "person_id": person,
                    "in_referential": bool(held),
                    "in_referential_31_12": any(row["is_prevalent_31_12"] for row in held),
                    "ald_count": len(held),
                    "has_exempted_care": lines > 0,
                    "has_related_care": exempted(tables, person, related=True) > 0,
                    "exempted_line_count": lines,
                    "is_active": bool(held) and lines > 0,
                    "is_exempted_without_referential": not held,
                }
            )
    if both:
        assert_same(found["ald_population"], both)
    again = {name: shuffled(chance, rows) for name, rows in tables.items()}
    assert model_runner.run_all(["ald_year", "ald_population"], again, YEAR) == found


@pytest.mark.parametrize(
    ("scheme", "year", "status", "incident"),
    [
        ("01C", 2013, "established", True),
        ("02A", 2013, "before_coverage", None),
        ("02A", 2014, "established", True),
        ("03A", 2013, "before_coverage", None),
        ("03A", 2014, "doubtful", True),
        ("03A", 2016, "doubtful", True),
        ("03A", 2017, "established", True),
        ("04C", 2017, "coverage_unknown", None),
        (None, 2017, "scheme_unknown", None),
    ],
)
def test_incidence_is_told_only_where_the_scheme_sends_its_ald(
    model_runner: ModelRunner, scheme: str | None, year: int, status: str, incident: bool | None
) -> None:
    tables = {
        "ald_episode": [
            {"person_id": "P", "ald_num": 8, "start_date": dt.date(year, 3, 1), "is_open": True}
        ],
        "person_year": [{"person_id": "P", "year": year, "scheme": scheme}],
    }
    (row,) = model_runner.run("ald_year", tables, year)
    assert (row["incidence_status"], row["is_incident"]) == (status, incident)
    assert (row["look_back_years"] is None) == (incident is None)


# --- the three worked cases of the public note on ALD requests ---------------------------------


def row_of(start: str, end: str | None, inserted: str, **more: Any) -> Row:
    """Return a row of IR_IMB_R in the raw lake; no end is written 1600-01-01."""
    return {
        "ben_nir_psa": "k",
        "ben_rng_gem": 1,
        "imb_ald_num": 8,
        "imb_etm_nat": 41,
        "med_mtf_cod": "E119",
        "med_ncl_idt": "CIM10",
        "imb_ald_dtd": dt.date.fromisoformat(start),
        "imb_ald_dtf": dt.date.fromisoformat(end) if end else NEVER,
        "ins_dte": dt.date.fromisoformat(inserted),
        "_source_file": "f",
    } | more


WORKED = {
    "an end prolonged": (
        [row_of("2006-06-27", "2011-06-27", "2006-07-10"),
         row_of("2006-06-27", "2016-06-27", "2011-05-02")],
        ("2006-06-27", "2016-06-27"),
    ),
    "an end given late, then revised": (
        [row_of("2003-06-13", None, "2005-07-01"),
         row_of("2003-06-13", "2014-03-23", "2009-05-02"),
         row_of("2003-06-13", "2015-11-03", "2010-12-06")],
        ("2003-06-13", "2015-11-03"),
    ),
    "a start not carried over": (
        [row_of("1999-03-10", None, "2005-07-01"),
         row_of("2011-03-20", "2012-03-19", "2011-04-01")],
        ("1999-03-10", "2012-03-19"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WORKED)
def test_the_worked_cases_of_the_public_note_are_read_as_it_reads_them(
    model_runner: ModelRunner, case: str
) -> None:
    rows, (start, end) = WORKED[case]
    # Whatever the order of the file.
    for order in (rows, rows[::-1]):
        tables: Tables = {
            "ir_imb_r": [row | {"_source_line": n} for n, row in enumerate(order)],
            "int_person_key": [{"psa": "k", "birth_rank": 1, "person_id": "P"}],
        }
        (episode,) = model_runner.run("ald_episode", tables)
        assert (str(episode["start_date"]), str(episode["end_date"])) == (start, end)
        assert episode["row_count"] == len(rows)
    tables["person_year"] = [{"person_id": "P", "year": 2011, "scheme": "01C"}]
    (held,) = model_runner.run("ald_year", tables, 2011)
    assert held["is_prevalent_period"] and held["is_incident"] is False
    after = int(end[:4]) + 1
    tables["person_year"] = [{"person_id": "P", "year": after, "scheme": "01C"}]
    assert model_runner.run("ald_year", tables, after) == []


# --- both engines ------------------------------------------------------------------------------


@pytest.mark.spark
def test_people_and_ald_of_a_year_are_the_same_on_spark(
    model_runner: ModelRunner, spark_model_runner: ModelRunner
) -> None:
    chance = random.Random(11)
    people: Tables = {}
    held: Tables = {}
    for copy in range(30):
        for whole, drawn in ((people, some_people(chance)), (held, some_episodes(chance))):
            for name, rows in drawn.items():
                for row in rows:
                    named = {"event_id": f"{copy}-{row['event_id']}"} if "event_id" in row else {}
                    if row.get("person_id"):
                        named["person_id"] = f"{row['person_id']}-{copy}"
                    whole.setdefault(name, []).append(row | named)
    for names, tables in ((["person_year"], people), (["ald_year", "ald_population"], held)):
        ours = model_runner.run_all(names, tables, YEAR)
        theirs = spark_model_runner.run_all(names, tables, YEAR)
        for name in names:
            assert len(ours[name]) > 100
            assert multiset(ours[name]) == multiset(theirs[name]), name
