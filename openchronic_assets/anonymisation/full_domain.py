"""Full-domain recoding: one level for each attribute, chosen so that the loss is minimal.

A *node* is one level for each attribute. At a node, records whose generalised tuple is shared by
fewer than k records are suppressed; a node is admissible when it suppresses no more records than
the limit. :func:`search` returns an admissible node of minimal loss and proves it: it stops only
when no node left can be better.

Loss (ARX's "Loss" metric, its default with the geometric mean): for each attribute,
``L = max(0, (sum of shares - n / D) / (n - n / D))``, where n is the number of records, D the
number of leaves and a record's share is the part of the leaves under its published value, 1 when
the record is suppressed. Attributes are aggregated as ``prod (1 + L_d) ** (w_d / sum w) - 1``.
0 = untouched, 1 = everything suppressed. Reference: Prasser, Kohlmayer, Kuhn, "The importance of
context: risk-based de-identification of biomedical data", Methods Inf Med 2016; with equal
weights the figures are those of ARX 3.9.

Three facts make the search short (Kohlmayer et al., "Flash", 2012):

- the loss without suppression grows with every level and never exceeds the true loss: nodes are
  visited by that bound, and the visit ends when the bound passes the best loss;
- suppression can only shrink when levels grow: below a node that breaks the limit, all do;
- a node's classes are a roll-up of those of any finer node already computed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from openchronic_assets.anonymisation.cube import Cube
from openchronic_assets.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Node = tuple[int, ...]

_MAX_NODES = 200_000
# Above this many addressable cells a roll-up sorts its keys instead of counting into an array.
_DENSE_CELLS = 4_000_000
# Rows kept in the cache of computed nodes, beyond the base cube (16 bytes a row).
_CACHE_ROWS = 4_000_000
# Losses closer than this are equal: the same mathematical value reached by other sums.
_TIE = 1e-12


@dataclass(frozen=True)
class Solution:
    """The node found, with what it does to the table.

    Attributes:
        node: one level for each hierarchy of the cube.
        loss: see the module's text.
        suppressed: records in classes smaller than k.
        classes: classes that stay.
        min_class: size of the smallest class that stays; 0 when none does.
        evaluated: nodes whose classes were computed.
        nodes: nodes of the lattice.
    """

    node: Node
    loss: float
    suppressed: int
    classes: int
    min_class: int
    evaluated: int
    nodes: int


@dataclass
class _Grouping:
    """Classes of one node: mixed-radix keys in ascending order and their counts."""

    keys: NDArray[np.int64]
    counts: NDArray[np.int64]


@dataclass
class _Lattice:
    """Classes and losses of the nodes of one cube, with a bounded cache of groupings."""

    cube: Cube
    k: int
    weights: tuple[float, ...]
    suppression_cost: float
    evaluated: int = 0
    cached_rows: int = 0
    cache: dict[Node, _Grouping] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.records = self.cube.records
        self.totals = [
            [
                float(
                    np.dot(
                        h.shares[level][h.leaf_codes[level][self.cube.codes[:, d]]],
                        self.cube.counts,
                    )
                )
                for level in range(h.height)
            ]
            for d, h in enumerate(self.cube.hierarchies)
        ]
        base: Node = (0,) * len(self.cube.hierarchies)
        keys = np.zeros(len(self.cube.counts), dtype=np.int64)
        for d, h in enumerate(self.cube.hierarchies):
            keys = keys * len(h.values[0]) + h.leaf_codes[0][self.cube.codes[:, d]]
        order = np.argsort(keys, kind="stable")
        self.cache[base] = _Grouping(keys[order], self.cube.counts[order])

    def sizes(self, node: Node) -> list[int]:
        """Return the number of values of each attribute at a node."""
        return [len(h.values[level]) for h, level in zip(self.cube.hierarchies, node, strict=True)]

    def decode(self, node: Node, keys: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Return the value codes of each attribute for the keys of a node."""
        codes = []
        for size in reversed(self.sizes(node)):
            codes.append(keys % size)
            keys = keys // size
        return codes[::-1]

    def grouping(self, node: Node) -> _Grouping:
        """Return the classes of a node, rolled up from the smallest finer node in the cache."""
        if node in self.cache:
            return self.cache[node]
        finer = [c for c in self.cache if all(a <= b for a, b in zip(c, node, strict=True))]
        origin = min(finer, key=lambda c: (len(self.cache[c].keys), c))
        source = self.cache[origin]
        keys = np.zeros(len(source.keys), dtype=np.int64)
        sizes = self.sizes(node)
        for d, codes in enumerate(self.decode(origin, source.keys)):
            if origin[d] != node[d]:
                codes = self.cube.hierarchies[d].lift(origin[d], node[d])[codes]
            keys = keys * sizes[d] + codes
        cells = math.prod(sizes)
        if cells <= _DENSE_CELLS:
            # The sums stay exact: float64 holds integers up to 2 ** 53.
            dense = np.bincount(keys, weights=source.counts, minlength=cells)
            kept = np.flatnonzero(dense)
            result = _Grouping(kept.astype(np.int64), dense[kept].astype(np.int64))
        else:
            order = np.argsort(keys, kind="stable")
            keys = keys[order]
            starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
            result = _Grouping(keys[starts], np.add.reduceat(source.counts[order], starts))
        if self.cached_rows + len(result.keys) <= _CACHE_ROWS:
            self.cached_rows += len(result.keys)
            self.cache[node] = result
        return result

    def attribute_loss(self, d: int, shares: float) -> float:
        """Return L_d for a sum of shares over all records."""
        floor = self.records / len(self.cube.hierarchies[d].leaves)
        span = self.records - floor
        return max(0.0, (shares - floor) / span) if span > 0 else 0.0

    def aggregate(self, losses: list[float]) -> float:
        """Return the weighted geometric mean of 1 + L_d, minus 1."""
        total = sum(self.weights)
        exponent = sum(
            w / total * math.log1p(loss) for w, loss in zip(self.weights, losses, strict=True)
        )
        return math.expm1(exponent)

    def bound(self, node: Node) -> float:
        """Return the loss of a node if nothing were suppressed."""
        return self.aggregate(
            [self.attribute_loss(d, self.totals[d][level]) for d, level in enumerate(node)]
        )

    def evaluate(self, node: Node) -> Solution:
        """Compute the classes of a node and its exact loss."""
        self.evaluated += 1
        grouping = self.grouping(node)
        small = grouping.counts < self.k
        counts = grouping.counts[small]
        suppressed = int(counts.sum())
        losses = []
        for d, codes in enumerate(self.decode(node, grouping.keys[small])):
            shares = self.totals[d][node[d]]
            if suppressed:
                value_share = self.cube.hierarchies[d].shares[node[d]][codes]
                shares += self.suppression_cost * (suppressed - float(np.dot(value_share, counts)))
            losses.append(self.attribute_loss(d, shares))
        kept = grouping.counts[~small]
        return Solution(
            node=node,
            loss=self.aggregate(losses),
            suppressed=suppressed,
            classes=len(kept),
            min_class=int(kept.min()) if len(kept) else 0,
            evaluated=0,
            nodes=0,
        )


def normalise_weights(cube: Cube, weights: Mapping[str, float] | None) -> tuple[float, ...]:
    """Return one positive weight for each attribute of the cube, 1 where none is given.

    Raises:
        UsageError: a weight is not positive or names no attribute.
    """
    given = dict(weights or {})
    unknown = sorted(set(given) - {h.name for h in cube.hierarchies})
    if unknown:
        raise UsageError(f"weights given for {unknown}, which are not quasi-identifiers")
    result = tuple(float(given.get(h.name, 1.0)) for h in cube.hierarchies)
    if not all(math.isfinite(w) and w > 0 for w in result):
        raise UsageError("every attribute weight must be a positive number")
    return result


def search(
    cube: Cube,
    k: int,
    limit: float = 0.0,
    weights: Mapping[str, float] | None = None,
    *,
    suppression_cost: float = 1.0,
    max_suppressed: int | None = None,
    allow_root: bool = True,
) -> Solution | None:
    """Find the admissible node of minimal loss.

    Ties are broken by the sum of levels, then by the levels themselves in the cube's order, so
    that the same table always gives the same node.

    Args:
        cube: the table.
        k: smallest class that may stay, at least 1.
        limit: share of records that may be suppressed, 0 to 1.
        weights: attribute name to weight in the loss; 1 where absent.
        suppression_cost: how much of the distance to ``*`` a suppressed record costs (1 = all of
            it; ARX's gs-factor g below 0.5 is ``2 g``).
        max_suppressed: the limit in records, instead of ``limit``.
        allow_root: whether the node with ``*`` everywhere is admissible.

    Returns:
        The solution, or None when no node is admissible (fewer than k records, for example).

    Raises:
        UsageError: a parameter is out of range or the lattice has too many nodes.
    """
    if k < 1:
        raise UsageError(f"k = {k}: k must be at least 1")
    if not 0 <= limit <= 1 or not 0 <= suppression_cost <= 1:
        raise UsageError("the suppression limit and cost are shares between 0 and 1")
    nodes_total = math.prod(h.height for h in cube.hierarchies)
    if nodes_total > _MAX_NODES:
        raise UsageError(
            f"{nodes_total} combinations of levels, more than {_MAX_NODES}; "
            "use fewer quasi-identifiers or hierarchies with fewer levels"
        )
    records = cube.records
    allowed = math.floor(limit * records + 1e-9) if max_suppressed is None else max_suppressed
    if records == 0:
        return None
    lattice = _Lattice(cube, k, normalise_weights(cube, weights), suppression_cost)
    root: Node = tuple(h.height - 1 for h in cube.hierarchies)
    nodes: list[Node] = list(itertools.product(*(range(h.height) for h in cube.hierarchies)))
    bounds = [lattice.bound(node) for node in nodes]
    order = sorted(range(nodes_total), key=lambda i: (bounds[i], sum(nodes[i]), nodes[i]))
    table = np.array(nodes, dtype=np.int16)
    insufficient = np.zeros(nodes_total, dtype=bool)
    known: dict[Node, Solution] = {}
    best: Solution | None = None

    def visit(node: Node) -> bool:
        """Evaluate a node, update the best one or tag what lies below; tell if it suffices."""
        nonlocal best, insufficient
        if node not in known:
            known[node] = found = lattice.evaluate(node)
            if found.suppressed > allowed:
                insufficient |= (table <= np.array(node, dtype=np.int16)).all(axis=1)
            elif (allow_root or node != root) and (best is None or _better(found, best)):
                best = found
        return known[node].suppressed <= allowed

    for position in order:
        node = nodes[position]
        if best is not None and bounds[position] > best.loss + _TIE:
            break
        if insufficient[position] or visit(node):
            continue
        # The node breaks the limit: a binary search on a chain to the root finds how far up the
        # limit stays broken, and tags all that lies below in one go. Coarse nodes are cheap.
        chain = _chain(lattice, node, root)
        low, high = 0, len(chain)
        while low < high:
            middle = (low + high) // 2
            if visit(chain[middle]):
                high = middle
            else:
                low = middle + 1
    if best is None:
        return None
    return Solution(
        node=best.node,
        loss=best.loss,
        suppressed=best.suppressed,
        classes=best.classes,
        min_class=best.min_class,
        evaluated=lattice.evaluated,
        nodes=nodes_total,
    )


def _better(one: Solution, other: Solution) -> bool:
    """Tell whether a solution comes before another: loss, sum of levels, levels."""
    if abs(one.loss - other.loss) > _TIE:
        return one.loss < other.loss
    return (sum(one.node), one.node) < (sum(other.node), other.node)


def _chain(lattice: _Lattice, node: Node, root: Node) -> list[Node]:
    """Return ever coarser nodes from above ``node`` to the root, the cheapest step first."""
    chain = []
    while node != root:
        steps = [
            node[:d] + (node[d] + 1,) + node[d + 1 :] for d in range(len(node)) if node[d] < root[d]
        ]
        node = min(steps, key=lambda step: (lattice.bound(step), step))
        chain.append(node)
    return chain


def published(cube: Cube, node: Node, k: int) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Apply a node to a cube.

    Returns:
        A mask (m,) of the tuples that stay (their class has at least k records), and an array
        (m, d) of value codes at the node's levels.
    """
    codes = np.column_stack(
        [
            h.leaf_codes[level][cube.codes[:, d]]
            for d, (h, level) in enumerate(zip(cube.hierarchies, node, strict=True))
        ]
    )
    key = np.zeros(len(codes), dtype=np.int64)
    for d, (h, level) in enumerate(zip(cube.hierarchies, node, strict=True)):
        key = key * len(h.values[level]) + codes[:, d]
    _, inverse = np.unique(key, return_inverse=True)
    sizes = np.bincount(inverse, weights=cube.counts)
    return sizes[inverse] >= k, codes
