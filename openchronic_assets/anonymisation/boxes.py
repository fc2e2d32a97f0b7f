"""Complementary suppression of large cubes: each unsafe cell is put into a box that can move.

A *box* takes one leaf of each dimension, or two. Adding t people to the leaf cells with an even
number of second leaves, and taking t away from the others, moves no cell but those of the box:
in a dimension with two leaves everything above both stays, in a dimension with one leaf its
groups and the total move. If these cells are hidden, each of them can be t higher or, with the
signs turned, t' lower, t and t' being the smallest counts taken away from: the box is a witness
for all its cells at once, and needs no linear program. (With two siblings in every dimension
this is the hypercube method of tau-Argus; single leaves make a box for every cell.)

For every unsafe cell all boxes of a few partners a dimension are priced by what they newly hide,
many cells at once; then each box is chosen again in the light of all others, and boxes whose
unsafe cells are all in others are given up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import sparse  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from openchronic_assets.anonymisation.tables import Dimension, HierarchicalTable

PARTNERS = 2
"""Second leaves that are tried in a dimension."""

BATCH = 96
ROUNDS = 2

_NEVER = 1e12


@dataclass(frozen=True)
class Boxes:
    """Boxes as witnesses.

    Attributes:
        leaves: array (boxes, dimensions, 2): first and second leaf, -1 where there is none.
        up: how many people the even leaf cells can gain, the odd ones lose.
        down: how many people the even ones can lose.
    """

    leaves: NDArray[np.int64]
    up: NDArray[np.float64]
    down: NDArray[np.float64]

    def parts(self) -> Iterator[slice]:
        """Yield slices of as many boxes as are looked at together."""
        for start in range(0, len(self.up), 2000):
            yield slice(start, start + 2000)

    def changes(self, shape: tuple[int, ...], part: slice) -> sparse.csr_array:
        """Return the changes of some boxes, one column each: (leaf cells, boxes)."""
        some = self.leaves[part]
        count, size = some.shape[:2]
        place = np.zeros((count, 1), dtype=np.int64)
        sign = np.ones((count, 1))
        for d in range(size):
            first, second = some[:, d, :1], some[:, d, 1:]
            place = place * shape[d]
            place = np.concatenate([place + first, place + second], axis=1)
            sign = np.concatenate([sign, np.where(second < 0, 0.0, -1.0) * sign], axis=1)
        there = sign != 0
        column = np.broadcast_to(np.arange(count)[:, None], place.shape)
        return sparse.csr_array(
            (sign[there], (place[there], column[there])), shape=(int(np.prod(shape)), count)
        )


class _Line:
    """What boxes need to know of one dimension."""

    def __init__(self, dimension: Dimension, mass: NDArray[np.int64], partners: int) -> None:
        cover = dimension.cover
        nodes, leaves = cover.shape
        height = int(cover.sum(axis=0).max())
        self.above = np.full((leaves, height), -1, dtype=np.int64)
        for leaf in range(leaves):
            inside = np.flatnonzero(cover[:, leaf])
            self.above[leaf, : len(inside)] = inside
        # Partners of a node: first those of its smallest group, then by how many people they have.
        self.partners = np.full((nodes, min(partners, leaves - 1)), -1, dtype=np.int64)
        sizes = cover.sum(axis=1)
        for node in range(nodes):
            others = np.flatnonzero(~cover[node])
            if not len(others):
                continue
            groups = cover[(cover | ~cover[node]).all(axis=1)]
            group_sizes = sizes[(cover | ~cover[node]).all(axis=1)]
            near = np.array(
                [group_sizes[groups[:, leaf]].min(initial=leaves + 1) for leaf in others]
            )
            order = np.lexsort((others, -mass[others], near))[: self.partners.shape[1]]
            self.partners[node, : len(order)] = others[order]
        self.leaf_node = dimension.leaves


def best_leaves(table: HierarchicalTable) -> NDArray[np.int64]:
    """Return, for each cell, the flat position of the leaf cell with most people under it."""
    counts = table.leaf_counts
    where = np.arange(counts.size).reshape(counts.shape)
    for axis, dimension in enumerate(table.dimensions):
        counts, where = np.moveaxis(counts, axis, 0), np.moveaxis(where, axis, 0)
        found, places = [], []
        for row in dimension.cover:
            inside = np.flatnonzero(row)
            best = counts[inside].argmax(axis=0)[None]
            found.append(np.take_along_axis(counts[inside], best, 0)[0])
            places.append(np.take_along_axis(where[inside], best, 0)[0])
        counts = np.moveaxis(np.array(found), 0, axis)
        where = np.moveaxis(np.array(places), 0, axis)
    return where


def box_in(
    table: HierarchicalTable,
    unsafe: NDArray[np.bool_],
    width: float | NDArray[np.float64],
    fixed: NDArray[np.bool_],
    free: NDArray[np.bool_],
    weight: NDArray[np.float64],
    partners: int = PARTNERS,
    rounds: int = ROUNDS,
) -> Boxes:
    """Return boxes that hold every unsafe cell, where there is one that nothing fixed forbids.

    Args:
        table: all cells.
        unsafe: the primary cells.
        width: narrowest interval accepted, one for all cells or of each.
        fixed: cells that must stay shown.
        free: cells that no table prints: hiding them costs nothing.
        weight: what hiding a cell costs.
        partners: second leaves that are tried in a dimension.
        rounds: how often each box is chosen.
    """
    return _Search(table, unsafe, width, fixed, free, weight, partners).run(rounds)


class _Chosen(NamedTuple):
    """A box, the cells that it hides, and those of them that it moves far enough."""

    leaves: NDArray[np.int64]
    up: float
    down: float
    cells: NDArray[np.int64]
    holds: NDArray[np.int64]


class _Search:
    def __init__(
        self,
        table: HierarchicalTable,
        unsafe: NDArray[np.bool_],
        width: float | NDArray[np.float64],
        fixed: NDArray[np.bool_],
        free: NDArray[np.bool_],
        weight: NDArray[np.float64],
        partners: int,
    ) -> None:
        self.shape = table.counts.shape
        self.need = np.broadcast_to(np.asarray(width, dtype=np.float64), self.shape).ravel()
        self.widest = float(self.need.max(initial=0.0))
        self.leaf_shape = table.leaf_counts.shape
        axes = range(len(self.shape))
        self.lines = [
            _Line(d, table.leaf_counts.sum(axis=tuple(a for a in axes if a != axis)), partners)
            for axis, d in enumerate(table.dimensions)
        ]
        self.leaf_counts = table.leaf_counts.ravel().astype(np.float64)
        # One more place at the end, for ancestors that a leaf does not have: it costs nothing.
        own = np.where(fixed, _NEVER, np.where(unsafe | free, 0.0, weight)).ravel()
        self.price = np.append(own, 0.0)
        # Boxes that a cell is in, and those of them that move it far enough.
        self.uses = np.zeros(len(own) + 1, dtype=np.int64)
        self.held = np.zeros(len(own) + 1, dtype=np.int64)
        self.unsafe = unsafe.ravel()
        self.best = best_leaves(table).ravel()
        values = table.counts.ravel()
        self.targets = np.flatnonzero(self.unsafe)
        coarse = np.zeros(self.shape, dtype=np.int64)
        for axis, d in enumerate(table.dimensions):
            size = d.cover.sum(axis=1)
            coarse = coarse + (size > 1).reshape([-1 if a == axis else 1 for a in axes])
        # Margins first: their boxes hold the cells below them. Then the cells hardest to move.
        order = np.lexsort((values[self.targets], -coarse.ravel()[self.targets]))
        self.targets = self.targets[order]
        self.chosen: dict[int, _Chosen] = {}

    def run(self, rounds: int) -> Boxes:
        for _ in range(rounds):
            again = list(self.chosen)
            for start in range(0, len(again), BATCH):
                some = again[start : start + BATCH]
                for target in some:
                    self._drop(target)
                self._choose(np.array(some, dtype=np.int64))
            # What was in the box of another may be in none now.
            for start in range(0, len(self.targets), BATCH):
                open_ = self.targets[start : start + BATCH]
                open_ = open_[self.held[open_] == 0]
                if len(open_):
                    self._choose(open_)
            self._prune()
        boxes = list(self.chosen.values())
        size = len(self.shape)
        return Boxes(
            np.array([box.leaves for box in boxes], dtype=np.int64).reshape(len(boxes), size, 2),
            np.array([box.up for box in boxes]),
            np.array([box.down for box in boxes]),
        )

    def _drop(self, target: int) -> None:
        box = self.chosen.pop(target)
        self.uses[box.cells] -= 1
        self.held[box.holds] -= 1

    def _prune(self) -> None:
        """Give up boxes whose unsafe cells all are in other boxes, the largest first."""
        for target in sorted(self.chosen, key=lambda each: -len(self.chosen[each].cells)):
            holds = self.chosen[target].holds
            if (self.held[holds[self.unsafe[holds]]] > 1).all():
                self._drop(target)

    def _choose(self, cells: NDArray[np.int64]) -> None:
        """Choose the cheapest box of each cell and hide it."""
        count, size = len(cells), len(self.shape)
        nodes = np.array(np.unravel_index(cells, self.shape)).T
        first = np.array(np.unravel_index(self.best[cells], self.leaf_shape)).T
        price = np.where(self.uses > 0, 0.0, self.price)
        price[self.price >= _NEVER] = _NEVER
        place = np.zeros((count, 1), dtype=np.int64)
        valid = np.ones((count, 1), dtype=bool)
        corner = np.zeros((count, 1), dtype=np.int64)
        there = np.ones((count, 1), dtype=bool)
        inside, seconds = [], []
        for d, line in enumerate(self.lines):
            second = line.partners[nodes[:, d]]
            leaves = np.concatenate([first[:, d, None], second], axis=1)
            above = line.above[leaves]
            above[leaves < 0] = -1
            height = above.shape[2]
            mine = above[:, 0]
            # Each node once: those above a partner and the first leaf are with the first leaf.
            shared = (above[:, 1:, :, None] == mine[:, None, None, :]).any(axis=3)
            options = leaves.shape[1]
            universe = above.reshape(count, -1)
            use = np.zeros((count, options, options, height), dtype=bool)
            use[:, 0, 0] = mine >= 0
            for o in range(1, options):
                both = (mine[:, :, None] == above[:, o, None, :]).any(axis=2)
                use[:, o, 0] = (mine >= 0) & ~both
                use[:, o, o] = (above[:, o] >= 0) & ~shared[:, o - 1]
            inside.append(use.reshape(count, options, -1).astype(np.float64))
            seconds.append(second)
            place = (place * self.shape[d])[:, :, None] + np.maximum(universe, 0)[:, None, :]
            valid = valid[:, :, None] & (universe >= 0)[:, None, :]
            place, valid = place.reshape(count, -1), valid.reshape(count, -1)
            corner = (corner * self.leaf_shape[d])[:, :, None] + np.maximum(leaves, 0)[:, None, :]
            there = there[:, :, None] & (leaves >= 0)[:, None, :]
            corner, there = corner.reshape(count, -1), there.reshape(count, -1)
        cost = price[np.where(valid, place, len(price) - 1)]
        for use in inside:
            # The first axis of what is left is contracted, its options go to the end.
            cost = cost.reshape(count, use.shape[2], -1)
            cost = np.matmul(cost.transpose(0, 2, 1), use.transpose(0, 2, 1)).reshape(count, -1)
        even = np.where(there, self.leaf_counts[corner], -_NEVER)
        odd = np.full_like(even, np.inf)
        for use in inside:
            options = use.shape[1]
            even, odd = (each.reshape(count, options, -1) for each in (even, odd))
            pairs_even = np.minimum(even[:, :1], odd)
            pairs_odd = np.minimum(odd[:, :1], even)
            pairs_even[:, 0], pairs_odd[:, 0] = even[:, 0], odd[:, 0]
            even = pairs_even.transpose(0, 2, 1).reshape(count, -1)
            odd = pairs_odd.transpose(0, 2, 1).reshape(count, -1)
        good = (even + odd >= self.need[cells, None]) & (cost < _NEVER / 2)
        cost = np.where(good, cost, np.inf)
        pick = cost.argmin(axis=1)
        numbers = [use.shape[1] for use in inside]
        chosen = np.array(np.unravel_index(pick, numbers)).T
        for row, target in enumerate(cells.tolist()):
            if not np.isfinite(cost[row, pick[row]]) or self.held[target] > 0:
                continue
            kept = np.zeros(1, dtype=np.int64)
            leaves = np.full((size, 2), -1, dtype=np.int64)
            for d, line in enumerate(self.lines):
                option = int(chosen[row, d])
                leaves[d, 0] = first[row, d]
                mine = line.above[leaves[d, 0]]
                used = mine[mine >= 0]
                if option:
                    leaves[d, 1] = seconds[d][row, option - 1]
                    other = line.above[leaves[d, 1]]
                    used = np.setxor1d(used, other[other >= 0])
                kept = (kept[:, None] * self.shape[d] + used).ravel()
            up, down = float(odd[row, pick[row]]), float(even[row, pick[row]])
            up, down = min(up, self.widest), min(down, self.widest)
            holds = kept[self.need[kept] <= up + down]
            self.uses[kept] += 1
            self.held[holds] += 1
            self.chosen[target] = _Chosen(leaves, up, down, kept, holds)
