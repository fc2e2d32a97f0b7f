"""Every contract held against the two public sources: the official schema and CNAM's catalogue."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from openchronic_assets.contracts import Column, load, tables
from openchronic_assets.ingestion.structure import check_file

pytestmark = pytest.mark.conformance

GRID = range(2006, 2020)  # the years that the catalogue marks for hospital tables
OUT_OF_SCOPE = {"EGB", "DCIRS"}
RENAMED = {"BPHNA": "SUP_BPHNA", "BPHNC": "SUP_BPHNC", "BPHNP": "SUP_BPHNP", "LACT": "SUP_LACT"}


@dataclass
class Facts:
    """What the two sources say of one column."""

    schema: dict[str, str] | None = None
    catalogue: set[int] = field(default_factory=set)
    own_name: set[int] = field(default_factory=set)  # marked under the contract's own table name
    in_catalogue: bool = False

    def schema_years(self, years: range) -> set[int] | None:
        """The years of the schema by its own rule: created, until deleted, without the missing."""
        assert self.schema is not None
        created, deleted = self.schema["dateCreated"], self.schema["dateDeleted"]
        if not created.isdigit():
            return None
        end = int(deleted) if deleted.isdigit() else 9999
        missing = {int(each) for each in re.findall(r"\d{4}", self.schema["dateMissing"])}
        return {year for year in years if int(created) <= year < end and year not in missing}


@pytest.fixture(scope="module")
def facts(conformance_data: Path) -> dict[tuple[str, str], Facts]:
    found: dict[tuple[str, str], Facts] = {}
    with (conformance_data / "schema_snds_all_columns.csv").open(encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            if row["database"] not in OUT_OF_SCOPE:
                found.setdefault((row["table"], row["column"].upper()), Facts()).schema = row
    with (conformance_data / "kwikly_2021_variables.csv").open(encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            table = re.sub(r"^T_(MCO|SSR|HAD|RIP)XX", r"T_\1aa", row["table"])
            if re.fullmatch(r"T_MCOaaGV\d+\w?", table):
                table = "T_MCOaaGVxx"
            if table.startswith("T_MCOaa") and table[7:] in RENAMED:
                table = f"T_MCOaa{RENAMED[table[7:]]}"
            table = "T_SUPaaFFM" if table == "T_MCOaaFFM" else table
            each = found.setdefault((table, row["variable"].upper()), Facts())
            years = {int(year) for year in row["years_present"].split()}
            each.catalogue |= years
            if row["table"].replace("XX", "aa") == table:
                each.own_name |= years
            each.in_catalogue = True
    return found


def hospital() -> Iterator[tuple[str, Column]]:
    for name in tables():
        if name.startswith("T_"):
            for column in load(name).columns:
                yield name, column


def test_every_column_of_either_source_is_under_contract(
    facts: dict[tuple[str, str], Facts],
) -> None:
    ours = {(name, column.name) for name in tables() for column in load(name).columns}
    known = set(tables())
    outside = {key for key in facts if key not in ours and key[0] in known}
    assert outside == set()
    left_out = {table for table, _ in facts if table not in known}
    assert {table for table in left_out if not table.startswith(("NS_", "EB_"))} == {"IR_ESM_R"}


def test_every_contract_column_is_in_a_source(facts: dict[tuple[str, str], Facts]) -> None:
    written_by_hand = {"IR_BEN_R_ARC", "IR_PHA_R", "PSEUDONYM_CROSSWALK"}
    ours = {
        (name, column.name)
        for name in tables()
        if name not in written_by_hand and load(name).product != "OPEN_DATA"
        for column in load(name).columns
        if column.name != "ETB_DCS_MCO"  # of the published files, after both sources
    }
    assert ours - set(facts) == set()


def test_the_catalogue_is_believed_where_it_marks_a_column(
    facts: dict[tuple[str, str], Facts],
) -> None:
    checked = 0
    for name, column in hospital():
        seen = facts[name, column.name].catalogue
        if seen:
            checked += 1
            assert {year for year in GRID if year in column.years} == seen, (name, column.name)
    assert checked > 2900


def test_every_disagreement_on_a_year_says_which_source_is_believed_and_why(
    facts: dict[tuple[str, str], Facts],
) -> None:
    differ: Counter[str] = Counter()
    compared: Counter[str] = Counter()
    for name, column in hospital():
        each = facts[name, column.name]
        if each.schema is None or not each.catalogue:
            continue
        schema = each.schema_years(GRID)
        note = column.years_note or ""
        if schema is None:
            assert note == "only the catalogue dates it", (name, column.name)
            continue
        believed = re.fullmatch(
            r"catalogue ([\d,-]+) believed over schema ([\d,-]+|never): .+", note
        )
        assert bool(believed) == (schema != each.catalogue), (name, column.name, note)
        in_both = range(2006, 2018)  # the years that both sources had when they were compared
        if not each.own_name:
            continue
        compared[name[2:5]] += 1
        differ[name[2:5]] += each.schema_years(in_both) != each.own_name & set(in_both)
    assert compared == {"MCO": 1053, "SSR": 666, "HAD": 521, "RIP": 403}
    assert differ == {"MCO": 68, "SSR": 93, "HAD": 33, "RIP": 31}
    assert sum(differ.values()) == 225


def test_a_year_that_only_one_source_gives_is_said_so(facts: dict[tuple[str, str], Facts]) -> None:
    for name in tables():
        for column in load(name).columns:
            each = facts.get((name, column.name))
            if each is None or str(column.years) == "all":
                continue
            dated = bool(each.schema and each.schema["dateCreated"].isdigit())
            if not (dated and each.catalogue):
                assert column.years_note, (name, column.name)


def test_the_published_lines_of_open_damir_are_all_under_contract(
    conformance_data: Path, tmp_path: Path
) -> None:
    (published,) = (conformance_data / "open_data").glob("open_damir_A202501_*.csv")
    path = tmp_path / "A202501.csv"
    path.write_bytes(published.read_bytes())
    found = check_file(path, None, None)
    assert (found["table"], found["year"], found["fits"]) == ("OPEN_DAMIR", 2025, True)
    assert found["differences"] == []
