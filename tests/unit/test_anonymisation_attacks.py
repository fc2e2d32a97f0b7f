from __future__ import annotations

import numpy as np
import pytest

from openchronic_assets.anonymisation.attacks import LIMIT, POWER, Risk, attack, power, wilson
from openchronic_assets.errors import OpenChronicError, UsageError


def people(n: int, seed: int) -> list[tuple[str, ...]]:
    draw = np.random.default_rng(seed)
    columns = [
        draw.integers(2, size=n),
        draw.integers(18, size=n),
        draw.integers(30, size=n),
        np.minimum(9, draw.exponential(2, n)).astype(int),
    ]
    return [tuple(f"{column[i]}" for column in columns) for i in range(n)]


def tally(rows: list[tuple[str, ...]]) -> tuple[list[tuple[str, ...]], list[int]]:
    found: dict[tuple[str, ...], int] = {}
    for row in rows:
        found[row] = found.get(row, 0) + 1
    return list(found), list(found.values())


def coarse(rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return [(sex, "*", "*", "*") for sex, *_ in rows]


def covers(rows: list[tuple[str, ...]]) -> dict[int, dict[str, frozenset[str]]]:
    return {d: {"*": frozenset(row[d] for row in rows)} for d in range(1, 4)}


def by_name(risks: tuple[Risk, ...]) -> dict[str, Risk]:
    return {risk.attack: risk for risk in risks}


@pytest.mark.parametrize("with_control", [True, False])
def test_the_original_rows_released_are_caught(with_control: bool) -> None:
    inside, outside = people(1500, 1), people(1500, 2)
    released, counts = tally(inside)
    found = by_name(
        attack(released, counts, inside, control=outside if with_control else None, attempts=600)
    )
    assert found["singling_out"].high > 0.3
    assert found["inference"].high > LIMIT


@pytest.mark.parametrize("with_control", [True, False])
def test_a_coarse_release_is_let_through(with_control: bool) -> None:
    inside, outside = people(2600, 1), people(2600, 2)
    released, counts = tally(coarse(inside))
    for risk in attack(
        released, counts, inside, covers(inside + outside),
        outside if with_control else None, attempts=2600,
    ):  # fmt: skip
        assert risk.high <= LIMIT, risk
        assert risk.attempts == 2600
        assert 0 <= risk.low <= risk.high


def test_the_attacks_show_their_power_on_a_file_that_leaks_on_purpose() -> None:
    for risk in power(people(400, 3)):
        assert risk.risk >= POWER, risk


def test_half_of_the_people_leaked_is_seen_by_the_upper_bound() -> None:
    inside, outside = people(1200, 4), people(1200, 5)
    released, counts = tally(inside[:600])
    found = by_name(attack(released, counts, inside, control=outside, attempts=800))
    assert found["singling_out"].high > LIMIT
    assert found["inference"].high > LIMIT


def test_nothing_to_attack_is_an_error() -> None:
    rows = people(20, 1)
    for released, original, control in (([], rows, None), (rows, [], None), (rows, rows, [])):
        with pytest.raises(OpenChronicError, match="nothing to attack"):
            attack(released, [1] * len(released), original, control=control)
    with pytest.raises(UsageError):
        attack([("a",)], [1], [("a",)])


def test_attacks_are_repeatable() -> None:
    rows = people(300, 6)
    released, counts = tally(rows)
    assert attack(released, counts, rows) == attack(released, counts, rows)


def test_wilson_interval() -> None:
    low, high = wilson(0, 500)
    assert low == pytest.approx(0) and high == pytest.approx(0.00762, abs=1e-4)
    assert wilson(50, 100) == (pytest.approx(0.4038, abs=1e-4), pytest.approx(0.5962, abs=1e-4))
    with pytest.raises(UsageError):
        wilson(3, 0)
