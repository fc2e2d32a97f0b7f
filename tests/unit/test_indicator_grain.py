"""How finely indicators are told: the shapes of a grain, and which one is chosen."""

from __future__ import annotations

import numpy as np
import pytest

from openchronic_assets.anonymisation.indicator_grain import GRAINS, NOT, Grain, told
from openchronic_assets.anonymisation.indicator_tables import Counted, Territories, judge, lifted
from openchronic_assets.anonymisation.tables import roll_up

PLACES = Territories(
    (
        ("22", "Côtes-d'Armor", "53"),
        ("29", "Finistère", "53"),
        ("2A", "Corse-du-Sud", "94"),
        ("35", "Ille-et-Vilaine", "53"),
        ("44", "Loire-Atlantique", "52"),
        ("974", "La Réunion", "04"),
    ),
    {"53": "Bretagne", "52": "Pays de la Loire", "94": "Corse", "04": "La Réunion"},
)
SHAPE = (6, 2, 5)


def share(num: object, den: object, indicator: str = "share") -> Counted:
    num, den = (np.asarray(each, dtype=np.int64) for each in (num, den))
    return Counted(
        indicator, "all", 2020, "proportion", "eligible", num, den, num, den - num, den
    )  # fmt: skip


@pytest.mark.parametrize("grain", GRAINS, ids=str)
def test_the_leaves_of_a_grain_add_up_to_its_cells(grain: Grain) -> None:
    values = np.random.default_rng(0).integers(0, 50, SHAPE)
    whole = roll_up(PLACES.dimensions, values)
    mine = roll_up(grain.dimensions(PLACES), grain.leaves(PLACES, values))
    assert (mine == grain.cells(PLACES, whole)).all()
    # Every cell that may be printed is one of them.
    assert not (grain.printed(PLACES) & ~grain.back(
        PLACES, np.ones(mine.shape, dtype=bool), np.zeros(whole.shape, dtype=bool)
    )).any()  # fmt: skip


@pytest.mark.parametrize("grain", GRAINS, ids=str)
def test_a_leaf_lies_in_the_leaf_of_its_own_people(grain: Grain) -> None:
    for place in range(6):
        one = np.zeros(SHAPE, dtype=np.int64)
        one[place, 1, 3] = 7
        at = grain.corners(PLACES, GRAINS[0], np.array([[place, 1, 3]]))[0]
        assert grain.leaves(PLACES, one)[tuple(at)] == 7


def test_what_a_grain_prints() -> None:
    printed = Grain((2, 1, NOT)).printed(PLACES)
    level = np.array([level for level, _ in PLACES.places])
    assert printed[level == "country"].all()
    assert printed[level == "region", 0].all() and not printed[level == "region", 1, 1].any()
    assert not printed[level == "department"].any()
    assert Grain((0, NOT, NOT)).within(Grain((2, 1, NOT)))
    assert not Grain((0, 0, 0)).within(Grain((2, 1, NOT)))


def test_a_rare_disease_is_told_of_the_country_where_no_department_can_be() -> None:
    num = np.zeros(SHAPE, dtype=np.int64)
    num[np.arange(6), 0, np.arange(6) % 5] = 5
    (found,) = judge(PLACES, [share(num, np.full(SHAPE, 500))]).judged
    assert found.shown[0, 0, 0]
    assert found.num[0, 0, 0] == 30


def test_a_small_denominator_in_every_department_does_not_silence_the_country() -> None:
    rng = np.random.default_rng(1)
    den = rng.integers(0, 9, SHAPE)
    num = np.minimum(den, rng.integers(0, 5, SHAPE))
    (found,) = judge(PLACES, [share(num, den)]).judged
    assert found.shown[0, 0, 0]
    assert not found.shown[(found.den > 0) & (found.den < 11)].any()


def test_what_is_large_is_told_in_full() -> None:
    (found,) = judge(PLACES, [share(np.full(SHAPE, 60), np.full(SHAPE, 200))]).judged
    assert found.grain == GRAINS[0]
    assert found.shown.all()
    assert told(PLACES, found.shown, found.den) == pytest.approx(
        4 + 2 * 2 + 1 + 5 + 2 * 1 + 0.5 + 6 + 2 * 1 + 0.5
    )


def test_a_denominator_moves_with_those_counted_or_the_others() -> None:
    """Of 5 and 9, all counted, as many can come and go as are counted; none can who are not."""
    den = np.full(SHAPE, 200)
    den[0, 0, 0], den[1, 0, 0] = 5, 40
    num = den.copy()
    num[:, :, 1:] = 60
    found = judge(PLACES, [share(num, den)])
    each, shared = found.judged[0], found.denominators[0]
    up, down = lifted(PLACES, GRAINS[0], shared, each.counted)
    at = (PLACES.places.index(("department", "22")), 1, 1)
    assert shared.unsafe[at]
    assert up[at] + down[at] >= 11
    nobody = share(np.zeros(SHAPE), den)
    assert (np.stack(lifted(PLACES, GRAINS[0], shared, nobody))[:, *at]).sum() >= 11
