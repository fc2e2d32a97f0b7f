"""Every code that a query compares a coded column with is in the list of that column."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import pytest
from model_runner import ModelRunner
from mutants import parse
from sqlglot import exp

from openchronic_assets.warehouse.raw import contract_of

# Lists of which a file is at hand under another name.
SAME = {"MS_CIM_V": "IR_CIM_V"}
# Written in the manuals of the PMSI and in the lists of no vintage at hand.
UNLISTED = {
    ("prestation_code", "3599"),  # the end of a range
    ("activity_code", "4"),  # anaesthesia: CCAM's activities have no list, HAD's column another's
    ("ald_num_delivered", "32"),  # several diseases: decided by its nature, 45, in no list
}


def lists_of_columns(runner: ModelRunner) -> dict[str, set[str]]:
    """Return column, as staging names it → the lists that the contracts give it."""
    found: dict[str, set[str]] = defaultdict(set)
    for node in runner.nodes.values():
        if node.kind != "model" or not node.name.startswith("stg_"):
            continue
        for parent in node.parents:
            if runner.nodes[parent].kind != "source":
                continue
            coded = {c.lake_name: c.nomenclature for c in contract_of(parent).columns}
            for alias in parse(node.sql).find_all(exp.Alias):
                if isinstance(alias.this, exp.Column) and coded.get(alias.this.name):
                    found[alias.alias].add(str(coded[alias.this.name]))
    return found


def codes_compared(sql: str) -> set[tuple[str, str, bool]]:
    """Return (column, code, whether it is a beginning) of each comparison with a literal."""
    found: set[tuple[str, str, bool]] = set()
    for node in parse(sql).find_all(exp.EQ, exp.NEQ, exp.In, exp.Like, exp.Between):
        listed = [*node.expressions, node.args.get("expression")]
        listed += [node.args.get("low"), node.args.get("high")]
        literals = [each for each in listed if isinstance(each, exp.Literal)]
        columns = {column.name for column in node.this.find_all(exp.Column)}
        # A piece from the middle, or a number made of several columns, is no code.
        if len(columns) != 1 or node.this.find(exp.Substring, exp.Case, exp.Length):
            continue
        part = isinstance(node, exp.Like) or node.this.find(exp.Left) is not None
        found |= {(min(columns), str(each.this).rstrip("%"), part) for each in literals}
    return found


def read(path: Path) -> set[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return {row[0].strip() for row in csv.reader(file, delimiter=";")}


def is_listed(code: str, part: bool, codes: set[str]) -> bool:
    if part:
        return any(each.startswith(code) for each in codes)
    plain = {each.lstrip("0") for each in codes}
    return code in codes or code.lstrip("0") in plain


def test_literals_are_read_from_a_query() -> None:
    sql = """
        select case when exit_mode = '9' then 1 end as dead from a
        where left(main_diagnosis, 3) in ('E10', 'E11') and code like 'A10%'
            and substring(code, 2, 1) = 'x' and n between 41 and 46 and other = another
    """
    assert codes_compared(sql) == {
        ("exit_mode", "9", False), ("main_diagnosis", "E10", True),
        ("main_diagnosis", "E11", True), ("code", "A10", True), ("n", "41", False),
        ("n", "46", False),
    }  # fmt: skip
    assert is_listed("01", False, {"1", "2"}) and not is_listed("03", False, {"1", "2"})
    assert is_listed("E1", True, {"E109"}) and not is_listed("E2", True, {"E109"})


@pytest.mark.conformance
def test_every_code_of_a_query_is_in_its_list(
    model_runner: ModelRunner, conformance_data: Path
) -> None:
    folder = conformance_data / "nomenclatures"
    lists = lists_of_columns(model_runner)
    checked: set[tuple[str, str]] = set()
    absent = set()
    for node in model_runner.nodes.values():
        if node.kind != "model" or node.sql.startswith("select error("):
            continue
        for column, code, part in codes_compared(node.sql):
            paths = [folder / f"{SAME.get(each, each)}.csv" for each in lists.get(column, ())]
            at_hand = [path for path in paths if path.is_file()]
            if not at_hand or code == "":
                continue
            checked.add((column, code))
            # A column of the same name in two tables may have two lists: one of them has the code.
            if not any(is_listed(code, part, read(path)) for path in at_hand):
                absent.add((node.name, column, code))
    assert len(checked) >= 20, checked
    assert {each for each in absent if each[1:] not in UNLISTED} == set()
