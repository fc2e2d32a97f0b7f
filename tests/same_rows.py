"""What a build holds, to compare homes by: the rows of two engines, but for a float's last bit."""

from __future__ import annotations

from collections import Counter
from typing import Any

import duckdb
import numpy as np

from openchronic_assets import warehouse
from openchronic_assets.settings import Home
from openchronic_assets.warehouse import project


def content(home: Home, model: str) -> tuple[list[tuple[str, str]], Counter[tuple[Any, ...]]]:
    """Return columns with types, and rows with their counts, of a model's current files."""
    files = [str(path) for path in warehouse.files(home, model)]
    with duckdb.connect() as connection:
        relation = f"read_parquet({files}, hive_partitioning = false)"
        described = connection.execute(f"describe from {relation}").fetchall()
        rows = connection.execute(f"from {relation}").fetchall()
    return [(row[0], row[1]) for row in described], Counter(rows)


def keyed(rows: Counter[tuple[Any, ...]]) -> dict[tuple[Any, ...], list[tuple[float, ...]]]:
    """Return rows by what is no float in them: the floats, in order."""
    found: dict[tuple[Any, ...], list[tuple[float, ...]]] = {}
    for row in rows.elements():
        key = tuple(float if isinstance(each, float) else each for each in row)
        found.setdefault(key, []).append(tuple(e for e in row if isinstance(e, float)))
    return {key: sorted(each) for key, each in found.items()}


def differences(ours: Counter[tuple[Any, ...]], other: Counter[tuple[Any, ...]]) -> list[Any]:
    """Return the keys of rows that are not the same: a power's last bit is each engine's own."""
    left, right = keyed(ours - other), keyed(other - ours)
    return [
        key
        for key in left.keys() | right.keys()
        if len(left.get(key, [])) != len(right.get(key, []))
        or not np.allclose(left[key], right[key], rtol=1e-12, atol=0)
    ]


def assert_same(ours: Home, other: Home) -> dict[str, int]:
    """Fail where a model is not the same in two homes; return the number of rows of each."""
    counted = {}
    for name in project.models(other):
        columns, rows = content(ours, name)
        assert columns == content(other, name)[0], name
        # A few of them: thousands of long rows take a test longer to print than to find.
        found = differences(rows, content(other, name)[1])
        assert not found, (name, len(found), sorted(found, key=repr)[:3])
        counted[name] = rows.total()
    return counted
