"""Local recoding: each record at the finest levels where it has k - 1 companions.

Full-domain recoding gives one level to all records, and small groups drag it down. Here the best
node is applied, the records that it cannot show are searched again on their own, and so on: the
published table mixes levels of the hierarchies (never free intervals), and k is counted over
identical published tuples. What is left in the end, fewer than k records or records that only
``*`` everywhere could show, is removed; it is not starred, because a row that says nothing would
still be a class to protect.

Two rounds may publish the same tuple only if they use the same node; a node is never used twice
(a class that reaches k at a node is shown entirely), so classes of different rounds never mix.

By default leaving a record to a later round costs nothing, so that the rounds go from the finest
node that shows at least one class to ever coarser ones, in the order of their loss. Measured on
the benchmark population (100,000 records, k = 10): loss 0.0498, against 0.0596 with ARX's cost of
suppression in local recoding and 0.1246 for the best single node.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from openchronic_assets.anonymisation.cube import Cube
from openchronic_assets.anonymisation.full_domain import Node, published, search

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUPPRESSION_COST = 0.0


@dataclass(frozen=True)
class Round:
    """One pass: the node applied and what it showed."""

    node: Node
    records: int
    classes: int


@dataclass(frozen=True)
class Recoding:
    """A recoded table, as distinct published tuples.

    Attributes:
        names: the d quasi-identifiers.
        tuples: published values, ascending.
        counts: array (classes,) of records for each tuple, all at least k.
        suppressed: records removed.
        rounds: the passes, in order.
        shown: array (m, d) of the level of each attribute for each tuple of the input cube;
            -1 where the tuple was removed.
    """

    names: tuple[str, ...]
    tuples: tuple[tuple[str, ...], ...]
    counts: NDArray[np.int64]
    suppressed: int
    rounds: tuple[Round, ...]
    shown: NDArray[np.int64]

    @property
    def records(self) -> int:
        """Number of published records."""
        return int(self.counts.sum())


def recode(
    cube: Cube,
    k: int,
    weights: Mapping[str, float] | None = None,
    *,
    suppression_cost: float = SUPPRESSION_COST,
) -> Recoding:
    """Recode a table locally so that each published tuple is shared by at least k records.

    Args:
        cube: the table.
        k: smallest class.
        weights: attribute name to weight: heavy attributes stay fine longest.
        suppression_cost: cost of leaving a record to a later round, 0 to 1.

    Returns:
        The recoding; it has no tuple when nothing can be shown.

    Raises:
        UsageError: see :func:`~openchronic_assets.anonymisation.full_domain.search`.
    """
    left = np.ones(len(cube.counts), dtype=bool)
    levels = np.full(cube.codes.shape, -1, dtype=np.int64)
    rounds: list[Round] = []
    classes: dict[tuple[str, ...], int] = {}
    while True:
        rest = cube.subset(left)
        if rest.records < k:
            break
        solution = search(
            rest,
            k,
            weights=weights,
            suppression_cost=suppression_cost,
            # At least one class must be shown, or the rounds would never end.
            max_suppressed=rest.records - k,
            allow_root=False,
        )
        if solution is None:
            break
        kept, codes = published(rest, solution.node, k)
        positions = np.flatnonzero(left)[kept]
        levels[positions] = solution.node
        left[positions] = False
        before = len(classes)
        _collect(classes, rest, solution.node, codes[kept], rest.counts[kept])
        rounds.append(Round(solution.node, int(rest.counts[kept].sum()), len(classes) - before))
    ordered = sorted(classes)
    return Recoding(
        names=tuple(h.name for h in cube.hierarchies),
        tuples=tuple(ordered),
        counts=np.array([classes[values] for values in ordered], dtype=np.int64),
        suppressed=int(cube.counts[left].sum()),
        rounds=tuple(rounds),
        shown=levels,
    )


def _collect(
    classes: dict[tuple[str, ...], int],
    cube: Cube,
    node: Node,
    codes: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> None:
    """Add the classes of one round, by published tuple."""
    key = np.zeros(len(codes), dtype=np.int64)
    for d, (h, level) in enumerate(zip(cube.hierarchies, node, strict=True)):
        key = key * len(h.values[level]) + codes[:, d]
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    sizes = np.zeros(len(first), dtype=np.int64)
    np.add.at(sizes, inverse, counts)
    columns = [
        [h.values[level][code] for code in codes[first, d].tolist()]
        for d, (h, level) in enumerate(zip(cube.hierarchies, node, strict=True))
    ]
    for values, size in zip(zip(*columns, strict=True), sizes.tolist(), strict=True):
        classes[values] = classes.get(values, 0) + size
