"""Whether neighbours are alike: Moran's I over the departments' common borders."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse  # type: ignore[import-untyped]

from openchronic_assets.errors import UsageError

CONTIGUITY = Path(__file__).with_name("contiguity.csv")
PERMUTATIONS = 999
FEWEST = 8
"""Fewer units with a neighbour than this say nothing about space."""

Pair = tuple[str, str]


@dataclass(frozen=True)
class Moran:
    """Moran's I of a value over units that have neighbours.

    Attributes:
        value: I, 1 / sum w sum w_ij (x_i - m)(x_j - m) / variance, rows of w summing to 1.
        expected: -1 / (n - 1), without spatial pattern.
        p_value: share of permutations, the data's own counted, with as high an I.
        units: how many have a neighbour among the units told.
        islands: codes without any, left out.
    """

    value: float
    expected: float
    p_value: float
    units: int
    islands: tuple[str, ...]


@cache
def departments() -> frozenset[Pair]:
    """Return the pairs of departments with a common border (contiguity.csv), first code first."""
    return frozenset(read(CONTIGUITY))


def read(path: Path) -> list[Pair]:
    """Return the pairs of a CSV file with the columns ``department`` and ``neighbour``.

    Raises:
        UsageError: the file cannot be read, or a column is missing.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the list of neighbours {path} cannot be read") from error
    if not rows or not {"department", "neighbour"} <= set(rows[0]):
        raise UsageError(f"{path} needs the columns department and neighbour, and a row")
    return [(row["department"].strip(), row["neighbour"].strip()) for row in rows]


def regions(of: dict[str, str], pairs: Iterable[Pair]) -> set[Pair]:
    """Return the pairs of regions that two of their departments make neighbours."""
    found = {(of[one], of[other]) for one, other in pairs if one in of and other in of}
    return {pair for pair in found if pair[0] != pair[1]}


def moran(
    codes: Sequence[str],
    values: ArrayLike,
    pairs: Iterable[Pair],
    *,
    seed: int = 0,
    permutations: int = PERMUTATIONS,
) -> Moran | None:
    """Return Moran's I (Moran 1950), its p-value by permutation, one-sided towards likeness.

    None where fewer than ``FEWEST`` units have a neighbour or all have the same value.

    Args:
        codes: of the units.
        values: array (units,).
        pairs: of neighbours, in any order; others than the units' are ignored.
        seed: of the permutations.
        permutations: how many.
    """
    x = np.asarray(values, np.float64)
    weights, linked = _weights(codes, pairs)
    islands = tuple(code for code, kept in zip(codes, linked.tolist(), strict=True) if not kept)
    x, weights = x[linked], weights[linked][:, linked]
    n = len(x)
    if n < FEWEST or np.ptp(x) <= 1e-12 * max(1.0, float(np.abs(x).max())):
        return None
    centred = x - x.mean()
    spread = float(centred @ centred)
    own = float(centred @ (weights @ centred)) / spread  # rows sum to 1, so n / sum w is 1
    drawn = np.random.default_rng(seed).permuted(np.tile(centred, (permutations, 1)), axis=1).T
    others = (drawn * (weights @ drawn)).sum(axis=0) / spread
    above = int((others >= own - 1e-12).sum())
    return Moran(own, -1 / (n - 1), (above + 1) / (permutations + 1), n, islands)


def _weights(codes: Sequence[str], pairs: Iterable[Pair]) -> tuple[
    sparse.csr_matrix, NDArray[np.bool_]
]:  # fmt: skip
    place = {code: number for number, code in enumerate(codes)}
    if len(place) != len(codes):
        raise UsageError("a unit is told twice")
    ends = {
        tuple(sorted((place[one], place[other])))
        for one, other in pairs
        if one in place and other in place and one != other
    }
    table = np.array(sorted(ends), np.int64).reshape(-1, 2)
    row = np.r_[table[:, 0], table[:, 1]]
    column = np.r_[table[:, 1], table[:, 0]]
    count = np.bincount(row, minlength=len(codes))
    shape = (len(codes), len(codes))
    weights = sparse.csr_matrix((1 / count[row], (row, column)), shape=shape)
    return weights, count > 0
