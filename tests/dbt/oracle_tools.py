"""Random rows, and the comparison of a model's rows with those of an oracle in plain Python."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

Row = dict[str, Any]


def draw(chance: random.Random, count: int, **choices: Sequence[Any]) -> list[Row]:
    """Return rows whose cells are drawn from the values given for each column."""
    return [{name: chance.choice(values) for name, values in choices.items()} for _ in range(count)]


def date(text: str | None) -> dt.date | None:
    """Return a date, or None."""
    return None if text is None else dt.date.fromisoformat(text)


def assert_same(got: Iterable[Mapping[str, Any]], wanted: Iterable[Mapping[str, Any]]) -> None:
    """Compare rows whatever their order, on the columns that the oracle tells."""
    listed = list(wanted)
    assert listed, "an oracle without rows proves nothing"
    names = sorted(listed[0])
    ours = Counter(tuple(_plain(row[name]) for name in names) for row in got)
    theirs = Counter(tuple(_plain(row[name]) for name in names) for row in listed)
    missing, surplus = theirs - ours, ours - theirs
    assert not missing and not surplus, (names, list(missing)[:3], list(surplus)[:3])


def _plain(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, float):
        return round(value, 9)
    if isinstance(value, (int, Decimal)):
        return Decimal(value).normalize()
    return value


def shuffled(chance: random.Random, rows: Sequence[Row]) -> list[Row]:
    """Return the same rows in another order."""
    return chance.sample(list(rows), len(rows))


def first(rows: Iterable[Row], *order: str) -> Row | None:
    """Return the first row by columns, NULL last."""
    listed = sorted(rows, key=lambda row: [(row[n] is None, row[n] or 0) for n in order])
    return listed[0] if listed else None
