"""Hierarchical tables: all cells of a cube, margins and subtotals included, as one system.

Every table made of the same people and the same measure is a part of one cube over the union of
their dimensions, whatever file it is printed in: a department table and its sum by region are
linked because a region is the sum of its departments. Protecting them file by file would leave
the difference.

A cell is addressed by one node a dimension; nodes are the leaves, the groups and the total.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import sparse  # type: ignore[import-untyped]

from openchronic_assets.anonymisation.hierarchies import ROOT, Hierarchy
from openchronic_assets.errors import OpenChronicError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

THRESHOLD = 11
"""Fewest people or stays behind a shown cell (CASD output rules for the PMSI)."""

DOMINANCE = 0.85
"""Largest share of one contributor in a shown amount (Insee, business tables)."""

Zeros = Literal["public", "group", "secret"]


@dataclass(frozen=True)
class Dimension:
    """The nodes of one classification: leaves, groups, total.

    Attributes:
        name: the column.
        nodes: label of each node, no label twice.
        cover: array (nodes, leaves) of bool: which leaves a node is the sum of.
    """

    name: str
    nodes: tuple[str, ...]
    cover: NDArray[np.bool_]

    @classmethod
    def of(cls, hierarchy: Hierarchy) -> Dimension:
        """Return the dimension of a hierarchy; nodes from the total down to the leaves."""
        nodes: list[str] = []
        rows = []
        for level in reversed(range(hierarchy.height)):
            for code, value in enumerate(hierarchy.values[level]):
                if value in nodes:
                    # The same text on two levels covers the same leaves.
                    continue
                nodes.append(value)
                rows.append(hierarchy.leaf_codes[level] == code)
        return cls(hierarchy.name, tuple(nodes), np.array(rows, dtype=bool))

    @classmethod
    def flat(cls, name: str, values: Sequence[str], total: str = ROOT) -> Dimension:
        """Return a dimension of leaves and one total."""
        if total in values or len(set(values)) != len(values) or not values:
            raise UsageError(
                f"dimension {name}: give each value once, and another text for the total"
            )
        eye = np.eye(len(values), dtype=bool)
        cover = np.vstack([np.ones((1, len(values)), dtype=bool), eye])
        return cls(name, (total, *values), cover)

    @cached_property
    def index(self) -> dict[str, int]:
        """Position of each node by its label."""
        return {label: position for position, label in enumerate(self.nodes)}

    @cached_property
    def leaves(self) -> NDArray[np.int64]:
        """For each leaf, the position of the node that is this leaf alone and the finest."""
        positions = np.full(self.cover.shape[1], -1, dtype=np.int64)
        for node, row in enumerate(self.cover):
            if row.sum() == 1:
                positions[int(row.argmax())] = node
        if (positions < 0).any():
            raise UsageError(f"dimension {self.name}: a leaf has no node of its own")
        return positions

    @property
    def size(self) -> int:
        """Number of nodes."""
        return len(self.nodes)


@dataclass(frozen=True)
class HierarchicalTable:
    """Counts of every cell of a cube.

    Attributes:
        dimensions: the d classifications.
        counts: array of d axes, one position a node: people (or stays) of the cell.
    """

    dimensions: tuple[Dimension, ...]
    counts: NDArray[np.int64]

    @classmethod
    def of_leaves(
        cls, dimensions: Sequence[Dimension], leaves: NDArray[np.int64]
    ) -> HierarchicalTable:
        """Sum the leaf counts, one axis a dimension, up to every group and total."""
        return cls(tuple(dimensions), roll_up(dimensions, leaves))

    @property
    def cells(self) -> int:
        """Number of cells."""
        return int(self.counts.size)

    @cached_property
    def leaf_counts(self) -> NDArray[np.int64]:
        """Counts of the leaf cells, one axis a dimension."""
        return self.counts[np.ix_(*(d.leaves for d in self.dimensions))]

    def labels(self, cell: int) -> tuple[str, ...]:
        """Return the labels of a cell given by its flat position."""
        position = np.unravel_index(cell, self.counts.shape)
        return tuple(d.nodes[int(p)] for d, p in zip(self.dimensions, position, strict=True))


def roll_up(dimensions: Sequence[Dimension], leaves: NDArray[Any]) -> NDArray[Any]:
    """Return the values of every cell from those of the leaf cells."""
    values = leaves
    for axis, dimension in enumerate(dimensions):
        if values.shape[axis] != dimension.cover.shape[1]:
            raise UsageError(
                f"dimension {dimension.name} has {dimension.cover.shape[1]} leaves and the table "
                f"{values.shape[axis]}"
            )
        cover = dimension.cover.astype(values.dtype)
        values = np.moveaxis(np.tensordot(cover, values, axes=(1, axis)), 0, axis)
    return values


def sums(dimensions: Sequence[Dimension]) -> sparse.csr_array:
    """Return the matrix (cells, leaf cells) that says of which leaf cells a cell is the sum."""
    matrix = sparse.csr_array(np.ones((1, 1)))
    for dimension in dimensions:
        cover = sparse.csr_array(dimension.cover.astype(np.float64))
        matrix = sparse.csr_array(sparse.kron(matrix, cover, format="csr"))
    return matrix


def dominated(
    largest: NDArray[np.float64], total: NDArray[np.float64], limit: float = DOMINANCE
) -> NDArray[np.bool_]:
    """Mark the cells in which one contributor holds more than ``limit`` of the amount."""
    if not 0 < limit <= 1:
        raise UsageError("a dominance limit is above 0 and at most 1")
    if not (np.isfinite(largest).all() and np.isfinite(total).all()):
        raise OpenChronicError("an amount is missing or infinite; dominance cannot be judged")
    return (total > 0) & (largest > limit * total * (1 + 1e-12))


def p_percent(
    largest: NDArray[np.float64],
    second: NDArray[np.float64],
    total: NDArray[np.float64],
    p: float = 10.0,
) -> NDArray[np.bool_]:
    """Mark the cells whose second contributor could estimate the first within ``p`` percent."""
    return (total > 0) & (total - largest - second < p / 100 * largest * (1 - 1e-12))


def unsafe_cells(
    table: HierarchicalTable,
    threshold: int = THRESHOLD,
    *,
    stays: NDArray[np.int64] | None = None,
    also: NDArray[np.bool_] | None = None,
    zeros: Zeros = "group",
    structural: NDArray[np.bool_] | None = None,
) -> NDArray[np.bool_]:
    """Mark the cells that may not be shown: primary suppression.

    Args:
        table: the cells.
        threshold: fewest people, and fewest stays where given.
        stays: the same cells counted in stays or establishments.
        also: cells unsafe for another reason: dominance, p %.
        zeros: ``public`` shows a zero; ``secret`` treats it as any small count; ``group`` shows
            it, but a cell that holds all of its group (its siblings being zero) is unsafe, since
            it tells the same of everybody in the group.
        structural: cells that are zero by nature (men in childbirth): always shown.

    Returns:
        Array of the shape of the counts.
    """
    counts = table.counts
    if counts.size and counts.min() < 0:
        raise OpenChronicError("a cell counts fewer than no people; the table is damaged")
    lowest = 0 if zeros == "secret" else 1
    unsafe = (counts >= lowest) & (counts < threshold)
    if stays is not None:
        unsafe |= (stays >= lowest) & (stays < threshold) & (counts > 0)
    if also is not None:
        unsafe |= also
    fixed = np.zeros(counts.shape, dtype=bool) if structural is None else structural & (counts == 0)
    if zeros == "group":
        unsafe |= _whole_groups(table, fixed)
    return unsafe & ~fixed


def _whole_groups(table: HierarchicalTable, structural: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark positive cells whose siblings in some dimension are all (not structural) zeros."""
    marked = np.zeros(table.counts.shape, dtype=bool)
    for axis, dimension in enumerate(table.dimensions):
        counts = np.moveaxis(table.counts, axis, 0)
        fixed = np.moveaxis(structural, axis, 0)
        view = np.moveaxis(marked, axis, 0)
        for parent, children in families(dimension):
            whole = counts[parent] > 0
            for child in children:
                others = [other for other in children if other != child]
                zero = (counts[others] == 0) & ~fixed[others]
                lone = whole & (counts[child] == counts[parent]) & zero.any(axis=0)
                view[child] |= lone
    return marked


def families(dimension: Dimension) -> list[tuple[int, list[int]]]:
    """Return each group with its children: the coarsest nodes strictly inside it."""
    found = []
    sizes = dimension.cover.sum(axis=1)
    # Of two nodes over the same leaves, the first is taken as the parent.
    rank = np.lexsort((np.arange(len(sizes)), -sizes))
    order = {int(node): place for place, node in enumerate(rank)}
    parent_of: dict[int, int] = {}
    for node in range(dimension.size):
        inside = [
            other
            for other in range(dimension.size)
            if order[other] < order[node]
            and bool((dimension.cover[other] | ~dimension.cover[node]).all())
        ]
        if inside:
            parent_of[node] = max(inside, key=lambda other: order[other])
    for parent in sorted(set(parent_of.values())):
        found.append((parent, [n for n in range(dimension.size) if parent_of.get(n) == parent]))
    return found


def cell_key_noise(
    keys: NDArray[np.float64],
    counts: NDArray[np.int64],
    *,
    largest: int = 5,
    variance: float = 2.0,
    smallest: int = THRESHOLD,
) -> NDArray[np.int64]:
    """Perturb counts by their cell keys: the same people always get the same noise.

    Args:
        keys: for each cell, the sum of the record keys (uniform on [0, 1)) of its people.
        counts: people of each cell.
        largest: bound of the noise.
        variance: variance of the noise of a cell far from zero.
        smallest: counts 1 .. smallest - 1 never come out.

    Returns:
        Perturbed counts: none negative, a true zero stays zero, the mean noise of each count is
        zero. Margins are perturbed on their own and need not add up.

    Raises:
        UsageError: no distribution has these bounds, variance and mean zero.
    """
    noisy = np.zeros(counts.shape, dtype=np.int64)
    fraction = np.mod(keys, 1.0)
    for count in np.unique(counts):
        if count == 0:
            continue
        here = counts == count
        values, shares = perturbation_table(int(count), largest, variance, smallest)
        steps = np.cumsum(shares)
        place = np.searchsorted(steps, fraction[here] * steps[-1], side="right")
        noisy[here] = np.asarray(values)[np.minimum(place, len(values) - 1)]
    return noisy


def perturbation_table(
    count: int, largest: int, variance: float, smallest: int
) -> tuple[list[int], list[float]]:
    """Return the possible outputs of a count and their probabilities, mean = the count.

    Of all distributions with this mean on the allowed outputs, the one of the given variance that
    is flattest (maximum entropy: proportional to exp(a x + b x^2)).
    """
    outputs = [
        value
        for value in range(max(0, count - largest), count + largest + 1)
        if value == 0 or value >= smallest
    ]
    if count < smallest and (0 not in outputs or outputs[-1] < smallest):
        # A small count goes to 0 or to the smallest output, in the ratio that keeps the mean.
        share = count / smallest
        return [0, smallest], [1 - share, share]
    if not outputs or not outputs[0] <= count <= outputs[-1]:
        raise UsageError("no unbiased noise fits between these bounds; widen `largest`")
    centred = np.array(outputs, dtype=float) - count
    best = _tilted(centred, 1 / (2 * variance))
    low, high = 1e-6, 1e3
    for _ in range(80):
        middle = math.sqrt(low * high)
        best = _tilted(centred, middle)
        if float((best * centred**2).sum()) > variance:
            low = middle
        else:
            high = middle
    return outputs, best.tolist()


def _tilted(centred: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """Return probabilities proportional to exp(a x - width x^2) whose mean is zero."""
    low, high = -1e3, 1e3
    shares = np.full(len(centred), 1 / len(centred))
    for _ in range(100):
        slope = (low + high) / 2
        exponent = slope * centred - width * centred**2
        shares = np.exp(exponent - exponent.max())
        shares /= shares.sum()
        if float((shares * centred).sum()) < 0:
            low = slope
        else:
            high = slope
    return shares


def summary(counts: Mapping[str, int]) -> str:
    """Return counts as one line of text."""
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())
