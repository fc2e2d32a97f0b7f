from __future__ import annotations

import datetime
import itertools
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from openchronic_assets.anonymisation.longitudinal import (
    Events,
    generalise,
    known_points,
    shift_sql,
    support,
)
from openchronic_assets.errors import OpenChronicError, UsageError

Row = tuple[str | None, str | None, datetime.date | None, str]


def write(path: Path, rows: list[Row]) -> Events:
    names = ("person_id", "code", "care_date", "diagnosis")
    columns = list(zip(*rows, strict=True))
    table = {n: list(c) for n, c in zip(names, columns, strict=True)}
    pq.write_table(pa.table(table), path)
    return Events((path,), sensitive="diagnosis")


def draw(people: int, seed: int) -> list[Row]:
    random = np.random.default_rng(seed)
    rows: list[Row] = []
    for person in range(people):
        for _ in range(int(random.integers(1, 6))):
            day = datetime.date(2020, int(random.integers(1, 13)), int(random.integers(1, 28)))
            code = f"{'ABC'[random.integers(3)]}{random.integers(3)}"
            rows.append((f"p{person}", code, day, "xy"[person % 2]))
    return [*rows, ("p0", None, None, "x"), (None, "A1", datetime.date(2020, 1, 1), "x")]


def plain(rows: list[Row], points: int, k: int, prefix: int, month: bool) -> tuple[int, ...]:
    """The definition, by sets."""
    of: dict[str, set[tuple[str, str]]] = {}
    for person, code, day, _ in rows:
        if person is not None:
            time = "" if day is None else (f"{day:%Y-%m}" if month else f"{day:%Y}")
            of.setdefault(person, set()).add(((code or "")[:prefix], time))
    shared: dict[tuple, set[str]] = {}
    for person, found in of.items():
        for known in itertools.combinations(sorted(found), points):
            shared.setdefault(known, set()).add(person)
    rare = [people for people in shared.values() if len(people) < k]
    return (
        len(shared),
        len(rare),
        sum(1 for found in of.values() if len(found) >= points),
        len(set().union(*rare)) if rare else 0,
    )


@pytest.mark.parametrize(
    ("points", "prefix", "time"),
    [(1, 2, "month"), (2, 1, "year"), (2, 2, "month"), (3, 1, "month")],
)
def test_support_counts_are_those_of_the_definition(
    tmp_path: Path, points: int, prefix: int, time: str
) -> None:
    rows = draw(60, points)
    found = support(write(tmp_path / "e.parquet", rows), points, 5, prefix=prefix, time=time)
    expected = plain(rows, points, 5, prefix, time == "month")
    assert (found.combinations, found.rare, found.people, found.people_in_rare) == expected


def test_a_sensitive_value_shared_by_all_is_counted(tmp_path: Path) -> None:
    day = datetime.date(2020, 5, 1)
    rows: list[Row] = [(f"p{i}", "A1", day, "x") for i in range(6)]
    rows += [(f"q{i}", "B1", day, "xy"[i % 2]) for i in range(6)]
    events = write(tmp_path / "e.parquet", rows)
    assert support(events, 1, 5, confidence=0.6).confident == 1
    assert support(events, 1, 5).confident == 0


def test_the_finest_level_that_holds_is_chosen(tmp_path: Path) -> None:
    rows = draw(200, 9)[:-2]
    events = write(tmp_path / "e.parquet", rows)
    found = generalise(events, 2, 5, prefixes=(2, 1, 0))
    assert found is not None
    prefix, time, counts = found
    assert counts.rare == 0
    assert support(events, 2, 5, prefix=2, time="month").rare > 0
    assert support(events, 2, 5, prefix=prefix, time=time).rare == 0
    assert generalise(events, 2, 500, prefixes=(2,), times=("month",)) is None


def test_known_points_single_people_out(tmp_path: Path) -> None:
    day = datetime.date
    rows: list[Row] = []
    for person in range(20):
        # Two people share each first event, nobody the pair.
        rows.append((f"p{person}", f"A{person // 2}", day(2020, 1, 1), "x"))
        rows.append((f"p{person}", f"B{person % 2}", day(2020, 2, 1), "x"))
    found = known_points(write(tmp_path / "e.parquet", rows))
    assert found["people"] == found["population"] == 20
    assert found["singled_out"]["1"] == 0
    assert found["singled_out"]["2"] == found["singled_out"]["5"] == 1
    same: list[Row] = [(f"p{i}", "A1", day(2020, 1, 1), "x") for i in range(20)]
    assert set(known_points(write(tmp_path / "s.parquet", same))["singled_out"].values()) == {0.0}


def test_nobody_to_attack_is_an_error(tmp_path: Path) -> None:
    events = write(tmp_path / "e.parquet", [(None, "A", datetime.date(2020, 1, 1), "x")])
    with pytest.raises(OpenChronicError, match="nobody"):
        known_points(events)
    with pytest.raises(OpenChronicError, match="cannot be read"):
        known_points(Events((tmp_path / "absent.parquet",)))
    for wrong in ({"points": 4}, {"k": 0}, {"time": "week"}, {"confidence": 0.0}):
        with pytest.raises(UsageError):
            support(events, **{"points": 1, "k": 2, **wrong})  # type: ignore[arg-type]


def test_dates_move_by_a_keyed_shift_that_keeps_intervals() -> None:
    people = [f"p{i}" for i in range(2000)]
    with duckdb.connect() as connection:
        connection.register("t", pa.table({"person": people}))

        def shifts(secret: bytes) -> list[int]:
            return [
                row[0]
                for row in connection.execute(
                    f"select {shift_sql('person', secret, 180)} from t order by person"
                ).fetchall()
            ]

        first = shifts(b"a" * 32)
        assert first == shifts(b"a" * 32)
        assert first != shifts(b"b" * 32)
        assert min(first) == -180 and max(first) == 180 and 0 not in first
        assert abs(float(np.mean(first))) < 12
    with pytest.raises(UsageError):
        shift_sql("person", b"a", 0)
