"""No model compares every row with every row where keys would do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from model_runner import ModelRunner

# Some column equals some column: a key by which the rows could have been found.
KEY = re.compile(r"\(\w+ = \w+\)")
SHORT = {"damir_density"}  # both sides are the thirteen regions


def nested_loops(plan: dict[str, Any]) -> Iterator[str]:
    if "BLOCKWISE_NL_JOIN" in plan["name"]:
        yield str(plan["extra_info"].get("Condition", ""))
    for child in plan["children"]:
        yield from nested_loops(child)


def loops_despite_keys(runner: ModelRunner, sql: str) -> list[str]:
    found = runner.connection.execute(f"explain (format json) {sql}").fetchone()
    assert found is not None
    conditions = list(nested_loops(json.loads(found[1])[0]))
    # A prefix is looked up in a list of prefixes, which is short on both sides.
    return [each for each in conditions if KEY.search(each) and "length(" not in each]


def test_no_join_with_a_key_is_a_nested_loop(model_runner: ModelRunner) -> None:
    """DuckDB makes one of an outer join with a condition on its own side beside the keys.

    The rows are right and a small extract does not show it: the time is that of lines × lines.
    """
    slow = {}
    for name, node in model_runner.nodes.items():
        if node.kind == "model" and name not in SHORT:
            relations = {parent: model_runner.nothing(parent) for parent in node.parents}
            slow[name] = loops_despite_keys(model_runner, model_runner.sql(name, 2020, relations))
    assert {name: found for name, found in slow.items() if found} == {}
    assert slow


def test_a_condition_on_its_own_side_makes_a_nested_loop(model_runner: ModelRunner) -> None:
    connection = model_runner.connection
    connection.execute("create table given.a (k integer, f boolean)")
    connection.execute("create table given.b (k integer, v integer)")
    join = "select a.k, b.v from given.a as a left join given.b as b on "
    try:
        assert loops_despite_keys(model_runner, f"{join} a.f and a.k = b.k")
        assert not loops_despite_keys(model_runner, f"{join} a.k = b.k")
    finally:
        model_runner.clear()
