"""Controlled random sampling: counts that keep to their expectation, choices that stay random.

Independent draws leave the noise of a Poisson count in every total: one percent of ten thousand.
Here a person's place among ages and departments comes from a low-discrepancy sequence, and who is
ill from systematic sampling in random order, so that the total of a million persons is exact to
one person while each person keeps exactly the probability of the model (decision 0014).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def kronecker(first: int, count: int, dimensions: int, seed: int) -> Floats:
    """Return points ``first`` to ``first + count - 1`` of a shifted Kronecker sequence.

    Point i is the fractional part of ``shift + i * alpha``, alpha being the powers of the inverse
    of the generalised golden ratio, the root of x^(d+1) = x + 1. Any run of points fills the unit
    cube evenly. The arithmetic is that of 64-bit integers, hence exact for any index.

    Args:
        first: index of the first point.
        count: number of points.
        dimensions: number d of coordinates.
        seed: gives the shift.

    Returns:
        Array (count, dimensions) of numbers in [0, 1).
    """
    root = 2.0
    for _ in range(60):
        root = (1 + root) ** (1 / (dimensions + 1))
    steps = [int(root**-power * 2**64) | 1 for power in range(1, dimensions + 1)]
    shift = np.random.default_rng([seed, 0x5E9]).integers(0, 1 << 63, dimensions, np.uint64) << 1
    index = np.arange(first, first + count, dtype=np.uint64)[:, None]
    with np.errstate(over="ignore"):
        points = shift + index * np.array(steps, np.uint64)
    unit: Floats = (points >> np.uint64(11)).astype(np.float64) / 2.0**53
    return unit


UNIT = 40  # chances are added up in whole units of 2**-40, so that no order changes the sum


def systematic(rng: np.random.Generator, chance: Floats, offset: Ints) -> Bools:
    """Choose rows with the given chances, column by column, so that each sum is controlled.

    The rows of a column are put in random order and their chances added up from ``offset``; a row
    is chosen when the sum passes a whole number. Each row is chosen with its chance, and the next
    call, from the offset that ``advance`` gives, goes on counting: over any number of calls the
    number chosen differs from the sum of the chances by less than one.

    Args:
        rng: gives the order.
        chance: chances by (row, column), from 0 to 1.
        offset: where the sum of each column stands, in units of 2**-40.

    Returns:
        Whether each row is chosen, by (row, column).
    """
    order = np.argsort(rng.random(chance.shape), axis=0)
    total = np.cumsum(np.take_along_axis(_units(chance), order, axis=0), axis=0) + offset
    passed = np.diff(total >> UNIT, axis=0, prepend=(offset >> UNIT)[None, :]) > 0
    chosen = np.zeros(chance.shape, bool)
    np.put_along_axis(chosen, order, passed, axis=0)
    return chosen


def advance(chance: Floats, offset: Ints) -> Ints:
    """Return the offsets after ``systematic`` has gone over these rows, in whatever order."""
    following: Ints = (offset + _units(chance).sum(axis=0)) % (1 << UNIT)
    return following


def _units(chance: Floats) -> Ints:
    units: Ints = np.rint(chance * 2.0**UNIT).astype(np.int64)
    return units
