"""The marts of a generated extract are its planted truth, person by person and cent by cent."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from conftest import YEARS, Backfill, Delivery, Server, read_text

from openchronic_assets.ingestion import identity
from openchronic_assets.synthetic.truth import read as read_truth

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.spark,
    pytest.mark.long,
    pytest.mark.timeout(2700),
]

Row = tuple[Any, ...]


@pytest.fixture(scope="module")
def marts(server: Server, backfill: Backfill) -> Iterator[duckdb.DuckDBPyConnection]:
    """The models of the backfill's build, whatever was built since: builds are immutable."""
    with duckdb.connect() as connection:
        for name, entry in backfill.manifest["models"].items():
            if entry["kind"] == "yearly":
                names = [file for year in map(str, YEARS) for file in entry["years"][year]]
            else:
                names = entry["files"]
            paths = ", ".join(f"'{server.home.lake / name}'" for name in names)
            connection.execute(
                f"create view {name} as from read_parquet([{paths}], hive_partitioning = false)"
            )
        yield connection


@pytest.fixture(scope="module")
def person_ids(server: Server, planted: Delivery) -> dict[str, str]:
    """The pseudonym that each planted person must have: HMAC of the normalised identity."""
    secret = identity.load_secret(server.home)
    found = {}
    for each in planted.persons:
        key = each["ben_idt_ano"].strip().upper()
        found[each["index"]] = identity.pseudonym(secret, "person_ano", key)
    return found


@pytest.fixture(scope="module")
def fictitious(planted: Delivery) -> set[str]:
    return {each["index"] for each in planted.persons if each["fictitious"] == "1"}


def test_every_person_is_known_and_nobody_fictitious(
    marts: duckdb.DuckDBPyConnection,
    planted: Delivery,
    person_ids: dict[str, str],
    fictitious: set[str],
) -> None:
    expected = {
        (person_ids[p["index"]], p["sex"], int(p["birth_date"][:4]), p["department"])
        for p in planted.persons
        if p["index"] not in fictitious
    }
    found = marts.execute("select person_id, sex, birth_year, department from person").fetchall()
    assert len(fictitious) > 0
    assert len(found) == len(expected)
    assert set(found) == expected


def test_ald_episodes_are_those_that_were_planted(
    marts: duckdb.DuckDBPyConnection,
    planted: Delivery,
    person_ids: dict[str, str],
    fictitious: set[str],
) -> None:
    expected = Counter(
        (person_ids[e["index"]], int(e["ald_num"]), e["start_date"], e["end_date"])
        for e in planted.episodes
        if e["index"] not in fictitious
    )
    found = Counter(
        (person, number, str(start), str(end or ""))
        for person, number, start, end in marts.execute(
            "select person_id, ald_num, start_date, end_date from ald_episode"
        ).fetchall()
    )
    assert sum(expected.values()) > 50
    assert found == expected


def test_prevalence_by_ald_department_sex_and_year_is_the_planted_one(
    marts: duckdb.DuckDBPyConnection, planted: Delivery
) -> None:
    """The rule of the truth: alive, and an episode in force, at least one day of the year."""
    held = marts.execute(
        "select ald_num, department, sex, person_id, start_date, end_date, death_date "
        "from ald_episode join person using (person_id)"
    ).fetchall()
    found: Counter[Row] = Counter()
    for year in range(YEARS[0], YEARS[1] + 1):
        first, last = datetime.date(year, 1, 1), datetime.date(year, 12, 31)
        cells = {
            (number, department, int(sex), person)
            for number, department, sex, person, start, end, death in held
            if start <= last and (end is None or end >= first) and (death is None or death >= first)
        }
        found.update((*cell[:3], year) for cell in cells)
    expected = {
        (cell["ald_num"], cell["department"], cell["sex"], cell["year"]): cell["persons"]
        for cell in planted.truth["prevalence"]
    }
    assert len(expected) > 50
    assert dict(found) == expected


def test_the_indicator_counts_the_planted_holders_among_consumers(
    marts: duckdb.DuckDBPyConnection,
    planted: Delivery,
    person_ids: dict[str, str],
    fictitious: set[str],
) -> None:
    consumers = set(marts.execute("select year, person_id from int_consumer").fetchall())
    people = {p["index"]: p for p in planted.persons}
    cells: set[Row] = set()
    for each in planted.episodes:
        if each["index"] in fictitious:
            continue
        person = people[each["index"]]
        for year in range(YEARS[0], YEARS[1] + 1):
            in_force = each["start_date"] <= f"{year}-12-31" and (
                not each["end_date"] or each["end_date"] >= f"{year}-01-01"
            )
            if in_force and (year, person_ids[each["index"]]) in consumers:
                cells.add((int(each["ald_num"]), person["department"], person["sex"], year,
                           each["index"]))  # fmt: skip
    expected = Counter(cell[:4] for cell in cells)
    found = {
        row[:4]: row[4]
        for row in marts.execute(
            """
            select ald_num, department, sex, year, cast(sum(numerator) as bigint)
            from indicator_prevalence
            where definition = 'period' and ald_num between 1 and 32
            group by all having sum(numerator) > 0
            """
        ).fetchall()
    }
    assert len(expected) > 50
    assert found == dict(expected)


def test_each_person_of_each_year_is_the_planted_one(
    marts: duckdb.DuckDBPyConnection, planted: Delivery, person_ids: dict[str, str]
) -> None:
    """Sex, age, home, days observed and consumption of everybody, in each year that they live in.

    Left to chance, and so not compared: the home of who moved (the deliveries show the day of the
    next care, not that of the move) and the days of who was born in the year (its month is known).
    """
    folder = planted.folder.with_name(f"{planted.folder.name}.truth")
    persons = {each["index"]: each for each in read_truth(folder, "persons")}
    shared = Counter(each["ben_nir_psa"] for each in persons.values())
    paid = {
        (each["index"], each["year"])
        for each in read_truth(folder, "amounts")
        if each["reimbursed_cents"] + each["complement_reimbursed_cents"] > 0
    }
    discharged = {
        (each["index"], each["year"])
        for each in read_truth(folder, "stays")
        if each["chained"] and shared[persons[each["index"]]["ben_nir_psa"]] == 1
    }
    expected = {}
    for each in read_truth(folder, "person_years"):
        person, year = persons[each["index"]], each["year"]
        if not person["fictitious"]:
            expected[person_ids[str(each["index"])], year] = (
                str(person["sex"]),
                each["age"],
                None if person["moved"] else each["department"],
                None if person["birth_date"].year == year else each["days"],
                (each["index"], year) in paid | discharged,
            )
    found = {
        (row[0], row[1]): row[2:]
        for row in marts.execute(
            "select person_id, year, sex, age_years, department, observed_days, is_consumer"
            " from person_year"
        ).fetchall()
    }
    assert len(expected) > 100
    assert found.keys() == expected.keys()
    for key, told in expected.items():
        compared = tuple(
            value if wanted is not None else None
            for value, wanted in zip(found[key], told, strict=True)
        )
        assert compared == told, key


def test_each_ald_of_each_year_is_the_planted_one(
    marts: duckdb.DuckDBPyConnection, planted: Delivery, person_ids: dict[str, str]
) -> None:
    """In force in the year and alive, on its last day too, begun in it: as the truth has it."""
    folder = planted.folder.with_name(f"{planted.folder.name}.truth")
    persons = {each["index"]: each for each in read_truth(folder, "persons")}
    died_in_hospital = {
        each["index"] for each in read_truth(folder, "stays") if each["exit_mode"] == "9"
    }
    expected: Counter[Row] = Counter()
    for each in read_truth(folder, "ald_episodes"):
        person = persons[each["index"]]
        # A death that no register, certificate or discharge tells cannot be known.
        told = person["death_in_register"] or person["death_certified"]
        untold = not told and each["index"] not in died_in_hospital
        death = datetime.date.max if untold else person["death_date"] or datetime.date.max
        end = each["end_date"] or datetime.date.max
        for year in range(YEARS[0], YEARS[1] + 1):
            first, last = datetime.date(year, 1, 1), datetime.date(year, 12, 31)
            if not person["fictitious"] and each["start_date"] <= last and min(end, death) >= first:
                expected[
                    person_ids[str(each["index"])],
                    year,
                    each["ald_num"],
                    each["start_date"],
                    end >= last and death > last,
                    each["start_date"].year == year,
                ] += 1
    found = Counter(
        marts.execute(
            "select person_id, year, ald_num, start_date, is_prevalent_31_12, is_incident"
            " from ald_year"
        ).fetchall()
    )
    assert sum(expected.values()) > 50
    assert found == expected


def test_boxes_by_person_day_and_presentation_are_the_planted_ones(
    marts: duckdb.DuckDBPyConnection,
    planted: Delivery,
    person_ids: dict[str, str],
    fictitious: set[str],
) -> None:
    """What is left of each dispensing once what was taken back is taken off."""
    folder = planted.folder.with_name(f"{planted.folder.name}.truth")
    expected = Counter(
        (person_ids[str(each["index"])], each["dispensing_date"], each["cip13"], each["boxes"])
        for each in read_truth(folder, "dispensings")
        if str(each["index"]) not in fictitious
    )
    found = Counter(
        marts.execute(
            """
            select person_id, dispensing_date, cip13, cast(sum(box_count) as bigint)
            from drug_dispensing where person_id is not null and not is_hospital_drug
            group by all
            """
        ).fetchall()
    )
    assert sum(expected.values()) > 100
    assert found == expected


def test_stays_by_year_are_the_planted_ones(
    marts: duckdb.DuckDBPyConnection, planted: Delivery
) -> None:
    found = marts.execute(
        "select year, count(*) from hospital_stay where field = 'mco' group by 1"
    ).fetchall()
    assert {str(year): count for year, count in found} == planted.truth["stays_by_year"]


def test_each_stay_is_the_planted_one_of_its_person(
    marts: duckdb.DuckDBPyConnection, planted: Delivery, person_ids: dict[str, str]
) -> None:
    """Persons, dates, mode of exit and diagnosis of every stay, one by one.

    Information is gone, and no person is told, where the stay carries no key, where twins share
    their pseudonym, and where the NIR is an invented one.
    """
    persons = read_truth(planted.folder.with_name(f"{planted.folder.name}.truth"), "persons")
    shared = Counter(each["ben_nir_psa"] for each in persons)
    nameless = {p["index"] for p in persons if p["fictitious"] or shared[p["ben_nir_psa"]] > 1}
    stays = read_truth(planted.folder.with_name(f"{planted.folder.name}.truth"), "stays")
    expected = Counter(
        (
            person_ids[str(s["index"])] if s["chained"] and s["index"] not in nameless else None,
            s["entry_date"],
            s["exit_date"],
            s["exit_mode"],
            s["cim10"],
            s["hospital"],
            bool(s["urgent"]),
        )
        for s in stays
    )
    found = Counter(
        marts.execute(
            "select person_id, entry_date, discharge_date, exit_mode, main_diagnosis, finess,"
            " is_through_emergency from hospital_stay where field = 'mco'"
        ).fetchall()
    )
    assert sum(expected.values()) > 50
    assert found == expected


def test_care_by_person_and_year_is_the_planted_one_to_the_cent(
    marts: duckdb.DuckDBPyConnection,
    planted: Delivery,
    person_ids: dict[str, str],
    fictitious: set[str],
) -> None:
    amounts = read_truth(planted.folder.with_name(f"{planted.folder.name}.truth"), "amounts")
    expected = {
        (person_ids[str(a["index"])], a["year"]): (
            a["lines"],
            a["details"],
            *(Decimal(a[name]).scaleb(-2) for name in
              ("paid_cents", "base_cents", "reimbursed_cents", "complement_reimbursed_cents")),
        )
        for a in amounts
        if str(a["index"]) not in fictitious
    }  # fmt: skip
    found = {
        (person, year): values
        for person, year, *values in (
            (row[0], row[1], *row[2:])
            for row in marts.execute(
                """
                select person_id, year,
                    count(*) filter (event_type = 'claim'),
                    count(*) filter (
                        event_type in ('drug', 'hospital_drug', 'procedure', 'biology')
                    ),
                    sum(paid_amount), sum(base_amount), sum(reimbursed_amount),
                    sum(complement_reimbursed_amount)
                from care_event where person_id is not null group by all
                """
            ).fetchall()
        )
    }
    assert len(expected) > 100
    assert {key: tuple(values) for key, values in found.items()} == expected


def test_euros_by_care_year_are_those_of_the_delivered_text_to_the_cent(
    marts: duckdb.DuckDBPyConnection, planted: Delivery
) -> None:
    columns = ("PRS_PAI_MNT", "BSE_REM_BSE", "BSE_REM_MNT", "CPL_REM_BSE", "CPL_REM_MNT")
    expected: dict[int, list[Decimal]] = {}
    everything = [Decimal(0)] * len(columns)
    for name, known in planted.truth["files"].items():
        if known["table"] != "ER_PRS_F":
            continue
        lines = read_lines(planted, name)
        header = lines[0].split(";")
        # Bad rows follow the good ones within a block of persons; the small extract is one block.
        for line in lines[1 : known["rows"] + 1]:
            cells = dict(zip(header, line.split(";"), strict=True))
            euros = [Decimal(cells[column] or 0) for column in columns]
            care = int(cells["EXE_SOI_DTD"][-4:] or 0)
            everything = [a + b for a, b in zip(everything, euros, strict=True)]
            into = expected.setdefault(care, [Decimal(0)] * len(columns))
            expected[care] = [a + b for a, b in zip(into, euros, strict=True)]
    # The reading above is the truth's own: its totals say so.
    total = planted.truth["tables"]["ER_PRS_F"]["amounts"]
    assert everything == [Decimal(total[column]) for column in columns]
    found = {
        year: list(euros)
        for year, *euros in marts.execute(
            """
            select year, sum(paid_amount), sum(base_amount), sum(reimbursed_amount),
                sum(complement_base_amount), sum(complement_reimbursed_amount)
            from care_event group by 1
            """
        ).fetchall()
    }
    assert found == {year: expected[year] for year in YEARS}


def read_lines(planted: Delivery, name: str) -> list[str]:
    """Return the lines of a file, undecodable bytes of planted rows replaced."""
    return read_text(planted.folder / name, errors="replace").splitlines()
