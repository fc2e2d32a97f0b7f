"""Which cells of indicators leave: the rules cell by cell, and what an attacker concludes.

The attacker is a linear program written here: he knows every printed number, that counts are
counts, that territories, sexes and ages add up, and that nobody is counted beyond the denominator.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from openchronic_assets.anonymisation.indicator_tables import (
    BANDS,
    SEXES,
    Counted,
    Judged,
    Release,
    Territories,
    judge,
)
from openchronic_assets.errors import OpenChronicError

PLACES = Territories(
    (("22", "Côtes-d'Armor", "53"), ("29", "Finistère", "53"), ("974", "La Réunion", "04")),
    {"53": "Bretagne", "04": "La Réunion"},
)
SHAPE = (3, 2, 5)


def counted(num: Any, den: Any, kind: str = "proportion", **given: Any) -> Counted:
    """Return a table whose units are people."""
    num, den = (np.array(each, dtype=np.int64) for each in (num, den))
    rest = den - num if kind == "proportion" else np.zeros_like(num)
    values: dict[str, Any] = {
        "indicator": "share", "condition": "all", "year": 2020, "kind": kind,
        "denominator_type": "consumers", "num": num, "den": den, "num_people": num,
        "rest_people": rest, "den_people": den,
    }  # fmt: skip
    return Counted(**(values | given))


def even(num: int, den: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    return np.full(SHAPE, num), np.full(SHAPE, den)


def cell(level: str, code: str, sex: str = "all", age: str = "all") -> tuple[int, int, int]:
    return (
        PLACES.places.index((level, code)),
        ("all", *SEXES).index(sex),
        ("all", *BANDS).index(age),
    )


def one(found: Release) -> Judged:
    assert len(found.judged) == 1, found.omitted
    return found.judged[0]


# --- the rules, cell by cell -------------------------------------------------------------------


def test_what_is_large_everywhere_is_shown_everywhere() -> None:
    assert one(judge(PLACES, [counted(*even(50, 200))])).shown.all()


@pytest.mark.parametrize(
    ("num", "den", "hidden"),
    [
        (10, 200, True),  # ten people counted
        (11, 200, False),
        (0, 200, False),  # nobody is a public zero
        (190, 200, True),  # ten who are not counted
        (200, 200, True),  # all of them: told of everybody
        (189, 200, False),
        (5, 10, True),  # ten people in all
    ],
)
def test_a_cell_is_hidden_by_its_numerator_denominator_or_rest(
    num: int, den: int, hidden: bool
) -> None:
    nums, dens = even(50, 200)
    nums[0, 0, 2], dens[0, 0, 2] = num, den
    found = one(judge(PLACES, [counted(nums, dens)]))
    assert bool(found.hidden[cell("department", "22", "1", "40-64")]) is hidden
    # Never alone: its row and its column would give it back.
    assert int(found.hidden.sum()) != 1


def test_a_rate_may_count_more_events_than_people() -> None:
    found = one(judge(PLACES, [counted(*even(300, 200), kind="rate")]))
    assert found.shown.all()


def test_events_of_few_people_are_hidden() -> None:
    nums, dens = even(300, 200)
    people = np.full(SHAPE, 40)
    people[1, 1, 4] = 3
    found = one(judge(PLACES, [counted(nums, dens, kind="rate", num_people=people)]))
    assert found.hidden[cell("department", "29", "2", "75+")]


def test_a_place_without_anybody_is_absent_not_zero() -> None:
    nums, dens = even(50, 200)
    nums[:, 0], dens[:, 0] = 0, 0
    found = one(judge(PLACES, [counted(nums, dens)]))
    assert found.empty[cell("department", "22", "1")]
    assert found.shown[cell("department", "22", "all")]


def sums(value: int = 1000, people: int = 200, **given: Any) -> Counted:
    """Return a mean: each of ``people`` has ``value`` hundredths."""
    num, den = even(value * people, people)
    values: dict[str, Any] = {
        "largest": np.full(SHAPE, 5 * value),
        "squares": np.full(SHAPE, 2.0 * people * (value / 100) ** 2),
        "num_people": den,
    }
    return counted(num, den, kind="mean", **(values | given))


def test_a_mean_without_the_largest_contribution_cannot_be_made() -> None:
    with pytest.raises(OpenChronicError, match="dominance"):
        counted(*even(1000, 50), kind="mean")


def test_a_mean_held_by_one_person_is_hidden() -> None:
    assert one(judge(PLACES, [sums()])).shown.all()
    largest = np.full(SHAPE, 5000)
    largest[0, 0, 0] = 180_000
    squares = np.full(SHAPE, 2.0 * 200 * 100)
    squares[0, 0, 0] += 1800.0**2
    squares[1] += 1e6
    found = one(judge(PLACES, [sums(largest=largest, squares=squares)]))
    assert found.hidden[cell("department", "22", "1", "00-19")]
    assert found.shown[cell("country", "FR")]


def test_a_mean_with_few_contributors_is_hidden() -> None:
    people = np.full(SHAPE, 200)
    people[2, 1, 1] = 4
    found = one(judge(PLACES, [sums(num_people=people)]))
    assert found.hidden[cell("department", "974", "2", "20-39")]


def test_a_mean_that_is_the_same_for_everybody_is_hidden() -> None:
    squares = np.full(SHAPE, 2.0 * 200 * 100)
    squares[0, 0, 0] = 200 * 100.0
    found = one(judge(PLACES, [sums(squares=squares)]))
    assert found.hidden[cell("department", "22", "1", "00-19")]


# --- several tables ----------------------------------------------------------------------------


def test_a_part_that_leaves_a_small_group_is_hidden() -> None:
    nums, dens = even(50, 200)
    part = nums - 20
    part[1, 0, 3] = nums[1, 0, 3] - 4
    found = judge(
        PLACES, [counted(nums, dens), counted(part, dens, indicator="part")]
    )  # fmt: skip
    whole, inside = found.judged
    at = cell("department", "29", "1", "65-74")
    assert inside.hidden[at] and whole.shown[at]


def test_a_sum_does_not_leave_beside_its_two_parts() -> None:
    rng = np.random.default_rng(0)
    one_, other = (rng.integers(20, 40, SHAPE) for _ in range(2))
    dens = np.full(SHAPE, 300)
    tables = [
        counted(each, dens, indicator=name)
        for name, each in (("a", one_), ("b", other), ("c", one_ + other))
    ]
    assert judge(PLACES, tables).omitted == {("c", "all", 2020): "sum_of_others"}


def test_the_same_numerator_twice_and_who_is_not_counted_do_not_leave() -> None:
    nums, dens = even(50, 200)
    nums[0, 0, 0] = 70
    tables = [
        counted(nums, dens),
        counted(nums, dens + 50, indicator="again"),
        counted(dens - nums, dens, indicator="rest"),
    ]
    assert judge(PLACES, tables).omitted == {
        ("again", "all", 2020): "same_numerator",
        ("rest", "all", 2020): "rest_of_another",
    }


def test_a_denominator_is_hidden_in_every_indicator_that_shares_it() -> None:
    dens = np.full(SHAPE, 200)
    dens[0, 1, 4] = 7
    nums = np.where(dens > 100, 50, 0)
    rare = np.where(dens > 100, 12, 0)
    rare[2] = 40
    found = judge(PLACES, [counted(nums, dens), counted(rare, dens, indicator="rare")])
    for each in found.judged:
        assert each.hidden[cell("department", "22", "2", "75+")]
    assert found.of == [0, 0]
    assert all((found.denominators[0].hidden <= each.hidden).all() for each in found.judged)


def test_what_an_earlier_release_hid_or_nearly_showed_stays_hidden() -> None:
    nums, dens = even(50, 200)
    before = one(judge(PLACES, [counted(nums, dens)]))
    hidden = before.hidden.copy()
    at = cell("department", "29", "2", "20-39")
    hidden[at] = True
    earlier = {("share", "all", 2020): (hidden, before.num, before.den)}
    assert one(judge(PLACES, [counted(nums, dens)], earlier)).hidden[at]
    late = nums.copy()
    late[1, 0, 0] += 3
    earlier = {("share", "all", 2020): (before.hidden, before.num, before.den)}
    found = one(judge(PLACES, [counted(late, dens)], earlier))
    assert found.hidden[cell("department", "29", "1", "00-19")]
    assert found.hidden[cell("country", "FR")]


# --- what an attacker concludes ----------------------------------------------------------------


def printed_cells() -> Iterator[tuple[tuple[int, int, int], list[int]]]:
    """Yield every printed cell with the leaf cells that it is the sum of."""
    for g, (level, code) in enumerate(PLACES.places):
        places = [
            d
            for d, (own, _, region) in enumerate(PLACES.departments)
            if level == "country" or code == (region if level == "region" else own)
        ]
        for s, a in itertools.product(range(3), range(6)):
            sexes = range(2) if s == 0 else [s - 1]
            ages = range(5) if a == 0 else [a - 1]
            yield (
                (g, s, a),
                [(d * 2 + x) * 5 + y for d, x, y in itertools.product(places, sexes, ages)],
            )


Ends = tuple[float, float]


def attack(each: Judged, den_shown: Any = None) -> dict[tuple[int, int, int], tuple[Ends, ...]]:
    """Return what follows for each hidden cell from all that is shown.

    ``den_shown`` marks the denominators that other indicators show. What follows is of those
    counted, of the denominator and of those not counted, all three at once unknown.
    """
    leaves = each.counted.num.size
    proportion = each.counted.kind == "proportion"
    rows, values, cells = [], [], dict(printed_cells())
    for at, inside in cells.items():
        line = np.zeros(2 * leaves)
        if each.empty[at]:
            line[inside] = 1
            line[[leaves + i for i in inside]] = 1
            rows.append(line)
            values.append(0)
        elif each.shown[at]:
            for shift, value in ((0, each.num[at]), (leaves, each.den[at])):
                line = np.zeros(2 * leaves)
                line[[shift + i for i in inside]] = 1
                rows.append(line)
                values.append(int(value))
        elif den_shown is not None and den_shown[at]:
            line = np.zeros(2 * leaves)
            line[[leaves + i for i in inside]] = 1
            rows.append(line)
            values.append(int(each.den[at]))
    above = np.hstack([np.eye(leaves), -np.eye(leaves)]) if proportion else None
    found = {}
    for at, inside in cells.items():
        if not each.hidden[at]:
            continue
        counted, among = np.zeros(2 * leaves), np.zeros(2 * leaves)
        counted[inside] = 1
        among[[leaves + i for i in inside]] = 1
        intervals = []
        for goal in (counted, among, among - counted):
            ends = []
            for sign in (1, -1):
                done = linprog(
                    sign * goal, A_eq=np.array(rows) if rows else None, b_eq=values or None,
                    A_ub=above, b_ub=None if above is None else np.zeros(leaves),
                    bounds=(0, None), method="highs",
                )  # fmt: skip
                ends.append(-sign * np.inf if done.status == 3 else float(sign * done.fun))
            intervals.append((ends[0], ends[1]))
        found[at] = tuple(intervals)
    return found


def structural(each: Judged, at: tuple[int, int, int]) -> bool:
    """Tell whether the whole country has nobody counted of this sex or age."""
    _, s, a = at
    num = each.counted.num
    return bool(
        not num.any() or (s and not num[:, s - 1].any()) or (a and not num[:, :, a - 1].any())
    )


def assert_protected(each: Judged, den_shown: Any = None) -> int:
    """Hold each small hidden cell against the attacker; return how many there are."""
    printed = each.grain.printed(PLACES)
    held = 0
    for at, (counts, among, others) in attack(each, den_shown).items():
        num, den = int(each.num[at]), int(each.den[at])
        if not printed[at] or not den:
            continue
        if den < 11:
            held += 1
            assert among[1] - among[0] >= 11 - 1e-6 and among[1] >= 11 - 1e-6, (at, among)
        proportion = each.counted.kind == "proportion"
        need = min(11, den) if proportion else 11
        small = 0 < num < 11 or den < 11 or (proportion and den - num < 11)
        if small and not structural(each, at):
            held += 1
            for low, high in (counts, others) if proportion else (counts,):
                assert high - low >= need - 1e-6 and high >= need - 1e-6, (at, low, high)
    return held


small = st.integers(0, 40)
CUBES = st.lists(st.tuples(small, small), min_size=30, max_size=30)
ANY_KIND = st.sampled_from(["proportion", "rate"])
SLOWLY = [HealthCheck.too_slow]


def judged_of(pairs: list[tuple[int, int]], kind: str) -> Release:
    """Judge a cube of (counted, not counted); its shown cells are checked."""
    num = np.array([a for a, _ in pairs]).reshape(SHAPE)
    den = num + np.array([b for _, b in pairs]).reshape(SHAPE)
    found = judge(PLACES, [counted(num, den, kind=kind)])
    for each in found.judged:
        shown = each.num[each.shown]
        assert not ((shown > 0) & (shown < 11)).any()
        assert not (each.den[each.shown] < 11).any()
        if kind == "proportion":
            assert not (each.den[each.shown] - shown < 11).any()
    return found


@given(CUBES, ANY_KIND)
@settings(max_examples=10, deadline=None, suppress_health_check=SLOWLY)
def test_no_small_count_is_printed(pairs: list[tuple[int, int]], kind: str) -> None:
    judged_of(pairs, kind)


@pytest.mark.parametrize(("seed", "kind"), [(0, "proportion"), (1, "rate")])
def test_no_printed_number_lets_one_find_a_small_count(seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    pairs = list(zip(rng.integers(0, 90, 30), rng.integers(5, 90, 30), strict=True))
    found = judged_of(pairs, kind)
    each = one(found)
    assert each.hidden.sum() > each.unsafe.sum() > 0
    # Whoever else counts among the same shows every denominator that is not hidden for itself.
    assert assert_protected(each, ~found.denominators[0].hidden) > 0


@pytest.mark.slow
@given(CUBES, ANY_KIND)
@settings(max_examples=60, deadline=None, suppress_health_check=SLOWLY)
def test_no_printed_number_of_any_cube_lets_one_find_a_small_count(
    pairs: list[tuple[int, int]], kind: str
) -> None:
    found = judged_of(pairs, kind)
    for each in found.judged:
        assert_protected(each, ~found.denominators[0].hidden)


def test_the_attacker_finds_what_is_hidden_alone() -> None:
    """The oracle is no yes-man: one hidden cell in a full table is found exactly."""
    nums, dens = even(50, 200)
    nums[0, 0, 2] = 4
    each = one(judge(PLACES, [counted(nums, dens)]))
    each.hidden[:] = False
    at = cell("department", "22", "1", "40-64")
    each.hidden[at] = True
    low, high = attack(each)[at][0]
    assert low == pytest.approx(4) and high == pytest.approx(4)
