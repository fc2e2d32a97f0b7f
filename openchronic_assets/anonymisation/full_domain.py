"""Full-domain recoding: one level for each attribute, chosen so that the loss is minimal.

A *node* is one level for each attribute. At a node, the classes that do not satisfy the criteria
are suppressed; a node is admissible when it suppresses no more records than the limit.
:func:`search` returns an admissible node of minimal loss and proves it: it stops only when no node
left can be better. Where the lattice is too large for that, it says how far from a proved bound
the node may be.

Losses (``measure``):

- ``loss`` (ARX's "Loss" with the geometric mean): for each attribute
  ``L = max(0, (sum of shares - n / D) / (n - n / D))``, where n is the number of records, D the
  number of leaves and a record's share is the part of the leaves under its published value, 1 when
  the record is suppressed. Attributes are aggregated as ``prod (1 + L_d) ** (w_d / sum w) - 1``.
  0 = untouched, 1 = everything suppressed (Prasser, Kohlmayer, Kuhn, Methods Inf Med 2016; with
  equal weights the figures are those of ARX 3.9);
- ``precision``: 1 - Sweeney's precision, the mean of level / highest level over the cells;
- ``discernibility``: sum of squared class sizes, a suppressed record costing n;
- ``class_size``: n / (classes k), the suppressed records being one class.

What makes the search short (after Kohlmayer et al., "Flash", 2012):

- the loss without suppression grows with every level and never exceeds the true loss: the node
  with the lowest bound is visited first, and the search ends when the bound passes the best loss;
- records in classes below k at a node are suppressed at every finer node too: a node that breaks
  the limit rules out all finer ones, and one that does not raises their bounds. A binary search on
  a chain towards the root finds the coarsest node that rules out the one at hand;
- with no suppression allowed, the same holds of every monotone criterion (all but
  delta-disclosure); with suppression it does not, and only k is used to rule out;
- a node's classes are a roll-up of those of any finer node already computed.

Classes are compared (t, beta, delta) with the published table: when suppression changes it, they
are judged again, until nothing changes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from openchronic_assets.anonymisation.criteria import Classes, Criteria, Number, exact, failing
from openchronic_assets.anonymisation.cube import Cube, fold, order_of, starts_of
from openchronic_assets.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Node = tuple[int, ...]

MEASURES = ("loss", "precision", "discernibility", "class_size")

# A lattice up to this size is searched exactly, each node having a bound of its own in memory.
_MAX_NODES = 500_000
# Rows rolled up before an exact search gives up and states its gap (a few minutes).
_EFFORT = 5_000_000_000
# Nodes of the parts of a large lattice that are solved exactly for the bound.
_PART_NODES = 60_000
# Cells of a dense count beyond which a roll-up sorts its keys.
_DENSE_CELLS = 4_000_000
# Rows kept in the cache of computed nodes, beyond the base cube.
_CACHE_ROWS = 3_000_000
# Losses closer than this are equal: the same mathematical value reached by other sums.
_TIE = 1e-12


@dataclass(frozen=True)
class Solution:
    """The node found, with what it does to the table.

    Attributes:
        node: one level for each hierarchy of the cube.
        loss: see the module's text, by the measure asked for.
        suppressed: records in classes that do not satisfy the criteria.
        classes: classes that stay.
        min_class: size of the smallest class that stays; 0 when none does.
        evaluated: nodes whose classes were computed.
        nodes: nodes of the lattice.
        bound: no admissible node has a lower loss; equal to ``loss`` when that is proved minimal.
    """

    node: Node
    loss: float
    suppressed: int
    classes: int
    min_class: int
    evaluated: int
    nodes: int
    bound: float

    @property
    def optimal(self) -> bool:
        """Whether the loss is proved minimal."""
        return self.bound >= self.loss

    @property
    def gap(self) -> float:
        """How much lower the least loss could be."""
        return max(0.0, self.loss - self.bound)


@dataclass
class _Grouping:
    """Classes of one node: a column of value codes for each attribute, and counts."""

    columns: list[NDArray[Any]]
    counts: NDArray[np.int64]


@dataclass(frozen=True)
class _Found:
    """What one node does: its loss, and what its classes below k say about finer nodes."""

    solution: Solution
    below_k: int
    # Costs that the classes below k add at every finer node, for each attribute.
    added: tuple[float, ...]


@dataclass
class _Cells:
    """A loss that is a sum over cells: ``loss`` and ``precision``."""

    cube: Cube
    weights: tuple[float, ...]
    kept_cost: float
    suppression_cost: float
    by_level: bool

    def __post_init__(self) -> None:
        records = self.cube.records
        self.costs: list[list[NDArray[np.int64]]] = []
        self.full: list[int] = []
        self.zero: list[float] = []
        self.totals: list[NDArray[np.int64]] = []
        for d, h in enumerate(self.cube.hierarchies):
            if self.by_level:
                costs = [
                    np.full(len(h.values[level]), level, dtype=np.int64)
                    for level in range(h.height)
                ]
            else:
                costs = [
                    np.bincount(codes, minlength=len(values)).astype(np.int64)
                    for codes, values in zip(h.leaf_codes, h.values, strict=True)
                ]
            weight = np.bincount(
                self.cube.codes[:, d], weights=self.cube.counts, minlength=len(h.leaves)
            ).astype(np.int64)
            self.costs.append(costs)
            self.full.append(h.height - 1 if self.by_level else len(h.leaves))
            self.zero.append(0.0 if self.by_level else self.kept_cost * records)
            self.totals.append(
                np.array(
                    [int(costs[level][h.leaf_codes[level]] @ weight) for level in range(h.height)],
                    dtype=np.int64,
                )
            )

    def attribute(self, d: int, cost: Any) -> Any:
        """Return the loss of an attribute for a sum of costs (a number or an array)."""
        span = self.full[d] * self.cube.records - self.zero[d]
        return np.maximum(0.0, (cost - self.zero[d]) / span) if span > 0 else 0.0 * cost

    def aggregate(self, losses: list[Any]) -> Any:
        """Return the loss of the table from those of its attributes (numbers or arrays)."""
        total = sum(self.weights)
        if self.by_level:
            return sum(w / total * loss for w, loss in zip(self.weights, losses, strict=True))
        return np.expm1(
            sum(w / total * np.log1p(loss) for w, loss in zip(self.weights, losses, strict=True))
        )

    def added(self, node: Node, grouping: _Grouping, out: NDArray[np.bool_]) -> list[float]:
        """Return what suppressing the marked classes adds to the cost of each attribute."""
        counts = grouping.counts[out]
        suppressed = int(counts.sum())
        factor = 1.0 - self.suppression_cost - self.kept_cost
        result = []
        for d, column in enumerate(grouping.columns):
            if not suppressed:
                result.append(0.0)
                continue
            own = int(self.costs[d][node[d]][column[out]] @ counts)
            result.append(self.suppression_cost * self.full[d] * suppressed + factor * own)
        return result

    def loss(self, node: Node, added: list[float]) -> float:
        """Return the loss of a node whose suppressed classes add some costs."""
        return float(
            self.aggregate(
                [
                    self.attribute(d, self.kept_cost * int(self.totals[d][level]) + added[d])
                    for d, level in enumerate(node)
                ]
            )
        )


class _Lattice:
    """Classes and losses of the nodes of one cube, with a bounded cache of groupings."""

    def __init__(self, cube: Cube, asked: Criteria, allowed: int, measure: str, cells: _Cells):
        self.cube = cube
        self.asked = asked
        self.allowed = allowed
        self.measure = measure
        self.cells = cells
        self.heights = tuple(h.height for h in cube.hierarchies)
        self.root: Node = tuple(height - 1 for height in self.heights)
        self.evaluated = 0
        self.effort = 0
        self.cached_rows = 0
        self.sizes = [[len(values) for values in h.values] for h in cube.hierarchies]
        base = (0,) * len(self.heights)
        narrow = [
            cube.codes[:, d].astype(np.uint16 if len(h.leaves) < 2**16 else np.int64)
            for d, h in enumerate(cube.hierarchies)
        ]
        self.cache: dict[Node, _Grouping] = {base: _Grouping(narrow, cube.counts)}
        self.cached_nodes = np.array([base])
        self.cached_sizes = np.array([len(cube.counts)])

    def grouping(self, node: Node) -> _Grouping:
        """Return the classes of a node, rolled up from the smallest finer node in the cache."""
        if node in self.cache:
            return self.cache[node]
        finer = np.flatnonzero((self.cached_nodes <= np.array(node)).all(axis=1))
        origin = tuple(self.cached_nodes[finer[np.argmin(self.cached_sizes[finer])]].tolist())
        source = self.cache[origin]
        self.effort += len(source.counts)
        columns = self._lifted(source.columns, origin, node)
        sizes = [self.sizes[d][level] for d, level in enumerate(node)]
        key, span = fold(columns, sizes, len(source.counts))
        if span <= min(_DENSE_CELLS, 64 * len(key) + 1024):
            # The sums stay exact: float64 holds integers up to 2 ** 53.
            dense = np.bincount(key, weights=source.counts, minlength=span)
            kept = np.flatnonzero(dense)
            first = np.zeros(span, dtype=np.int64)
            first[key] = np.arange(len(key))
            first = first[kept]
            counts = dense[kept].astype(np.int64)
        else:
            order = order_of(key, span)
            starts = starts_of(key[order])
            first = order[starts]
            counts = np.add.reduceat(source.counts[order], starts)
        result = _Grouping([column[first] for column in columns], counts)
        if self.cached_rows + len(counts) <= _CACHE_ROWS:
            self.cached_rows += len(counts)
            self.cache[node] = result
            self.cached_nodes = np.vstack([self.cached_nodes, node])
            self.cached_sizes = np.append(self.cached_sizes, len(counts))
        return result

    def _lifted(self, columns: list[NDArray[Any]], origin: Node, node: Node) -> list[NDArray[Any]]:
        result = []
        for d, column in enumerate(columns):
            if origin[d] != node[d]:
                column = (
                    self.cube.hierarchies[d].lift(origin[d], node[d]).astype(column.dtype)[column]
                )
            result.append(column)
        return result

    def failing(self, node: Node, grouping: _Grouping, out: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the classes to suppress, given those below k: the criteria on the rest."""
        if not self.asked.needs_sensitive:
            return out
        origin = (0,) * len(self.heights)
        base = self.cache[origin]
        # Classes and tuples are numbered together, so that equal means equal.
        both = [
            np.concatenate(pair)
            for pair in zip(grouping.columns, self._lifted(base.columns, origin, node), strict=True)
        ]
        sizes = [self.sizes[d][level] for d, level in enumerate(node)]
        key, _ = fold(both, sizes, len(both[0]))
        classes = len(grouping.counts)
        order = np.argsort(key[:classes])
        class_of = order[np.searchsorted(key[:classes][order], key[classes:])]
        while True:
            before = int(out.sum())
            for each in self.cube.sensitive:
                owner = class_of[each.tuples]
                inside = ~out[owner]
                owner, codes = owner[inside], each.codes[inside]
                entry = owner * len(each.values) + codes
                by_entry = np.argsort(entry, kind="stable")
                runs = starts_of(entry[by_entry])
                if not len(runs):
                    break
                counts = np.add.reduceat(each.counts[inside][by_entry], runs)
                owner, codes = owner[by_entry][runs], codes[by_entry][runs]
                starts = starts_of(owner)
                totals = np.bincount(codes, weights=counts, minlength=len(each.values))
                bad = failing(
                    self.asked,
                    Classes(
                        starts, codes, counts, totals.astype(np.int64), each.distance, each.tree
                    ),
                )
                out = out.copy()
                out[owner[starts[bad]]] = True
            self.effort += len(base.counts)
            if int(out.sum()) == before or not (
                self.asked.relative or len(self.cube.sensitive) > 1
            ):
                return out

    def evaluate(self, node: Node) -> _Found:
        """Compute the classes of a node and its exact loss."""
        self.evaluated += 1
        grouping = self.grouping(node)
        small = grouping.counts < self.asked.k
        below_k = int(grouping.counts[small].sum())
        added = self.cells.added(node, grouping, small)
        out = small if below_k > self.allowed else self.failing(node, grouping, small)
        all_added = added if out is small else self.cells.added(node, grouping, out)
        kept = grouping.counts[~out]
        records = self.cube.records
        suppressed = records - int(kept.sum())
        if self.measure == "discernibility":
            loss = float(int(kept @ kept) + records * suppressed)
        elif self.measure == "class_size":
            loss = records / ((len(kept) + (suppressed > 0)) * self.asked.k)
        else:
            loss = self.cells.loss(node, all_added)
        solution = Solution(
            node=node,
            loss=loss,
            suppressed=suppressed,
            classes=len(kept),
            min_class=int(kept.min()) if len(kept) else 0,
            evaluated=0,
            nodes=0,
            bound=loss,
        )
        return _Found(solution, below_k, tuple(added))

    def floor(self, node: Node) -> float:
        """Return a bound for every coarser node, of a measure that looks at classes."""
        counts = self.grouping(node).counts
        if self.measure == "discernibility":
            return float(int(counts @ counts))
        # Suppressed records are one class more.
        return self.cube.records / ((len(counts) + 1) * self.asked.k)


class _Bounds:
    """For each node of a lattice: whether it is ruled out, and the bound of its loss."""

    def __init__(self, lattice: _Lattice):
        self.lattice = lattice
        heights = lattice.heights
        self.out = np.zeros(heights, dtype=bool)
        self.by_cells = lattice.measure in ("loss", "precision")
        if self.by_cells:
            self.added = [np.zeros(heights) for _ in heights]
            self.bound = np.zeros(heights)
            self._refresh(tuple(slice(None) for _ in heights))
        else:
            self.bound = np.full(heights, lattice.floor((0,) * len(heights)))

    def _refresh(self, box: tuple[slice, ...]) -> None:
        cells = self.lattice.cells
        losses = []
        for d in range(len(self.lattice.heights)):
            shape = [1] * len(self.lattice.heights)
            totals = cells.totals[d][box[d]]
            shape[d] = len(totals)
            cost = cells.kept_cost * totals.reshape(shape) + self.added[d][box]
            losses.append(cells.attribute(d, cost))
        self.bound[box] = np.maximum(self.bound[box], cells.aggregate(losses))

    def learn(self, found: _Found, admissible: bool) -> None:
        """Rule out a node that was tried, and what it tells about finer and coarser ones."""
        lattice, node = self.lattice, found.solution.node
        self.out[node] = True
        finer = tuple(slice(0, level + 1) for level in node)
        if found.below_k > lattice.allowed or (
            not admissible and lattice.allowed == 0 and lattice.asked.monotone
        ):
            self.out[finer] = True
        elif self.by_cells and found.below_k:
            for grid, added in zip(self.added, found.added, strict=True):
                grid[finer] = np.maximum(grid[finer], added)
            self._refresh(finer)
        if not self.by_cells:
            coarser = tuple(slice(level, None) for level in node)
            self.bound[coarser] = np.maximum(self.bound[coarser], lattice.floor(node))

    def next(self) -> tuple[Node, float] | None:
        """Return the node left with the lowest bound, the first in the order of nodes."""
        left = np.where(self.out, np.inf, self.bound)
        position = int(np.argmin(left))
        lowest = float(left.flat[position])
        if math.isinf(lowest):
            return None
        return tuple(int(i) for i in np.unravel_index(position, left.shape)), lowest


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
    k: int | Criteria,
    limit: Number = 0.0,
    weights: Mapping[str, float] | None = None,
    *,
    measure: str = "loss",
    suppression_cost: float = 1.0,
    generalisation_cost: float = 1.0,
    max_suppressed: int | None = None,
    allow_root: bool = True,
) -> Solution | None:
    """Find the admissible node of minimal loss.

    Ties are broken by the sum of levels, then by the levels themselves in the cube's order, so
    that the same table always gives the same node.

    Args:
        cube: the table.
        k: smallest class that may stay, at least 1; or everything that is asked of a class.
        limit: share of records that may be suppressed, 0 to 1.
        weights: attribute name to weight in the loss; 1 where absent.
        measure: one of ``MEASURES``.
        suppression_cost: how much of the distance to ``*`` a suppressed record costs (1 = all of
            it; ARX's gs-factor g below 0.5 is ``2 g``).
        generalisation_cost: how much of its share a generalised cell costs (ARX's gs-factor g
            above 0.5 is ``2 - 2 g``).
        max_suppressed: the limit in records, instead of ``limit``.
        allow_root: whether the node with ``*`` everywhere is admissible.

    Returns:
        The solution, or None when no node is admissible (fewer than k records, for example).

    Raises:
        UsageError: a parameter is out of range.
    """
    asked = Criteria(k=k) if isinstance(k, int) else k
    if asked.k < 1:
        raise UsageError(f"k = {asked.k}: k must be at least 1")
    if measure not in MEASURES:
        raise UsageError(f"the measure is one of {', '.join(MEASURES)}, not {measure!r}")
    share = exact(limit, "the suppression limit")
    if not 0 <= share <= 1 or not 0 <= suppression_cost <= 1 or not 0 < generalisation_cost <= 1:
        raise UsageError("the suppression limit and the costs are shares between 0 and 1")
    if suppression_cost < 1 and generalisation_cost < 1:
        raise UsageError("reduce the cost of suppression or that of generalisation, not both")
    if asked.needs_sensitive and not cube.sensitive:
        raise UsageError("l, alpha, t, beta and delta need a sensitive column: name it")
    records = cube.records
    if records == 0:
        return None
    allowed = math.floor(share * records) if max_suppressed is None else max_suppressed
    cells = _Cells(
        cube,
        normalise_weights(cube, weights),
        generalisation_cost,
        suppression_cost,
        by_level=measure == "precision",
    )
    lattice = _Lattice(cube, asked, allowed, measure, cells)
    nodes = math.prod(lattice.heights)
    if nodes > _MAX_NODES:
        best, bound = _descend(lattice, allow_root), _bound_by_parts(lattice, share, max_suppressed)
    else:
        best, bound = _explore(lattice, allow_root)
    if best is None:
        return None
    return replace(best, evaluated=lattice.evaluated, nodes=nodes, bound=min(best.loss, bound))


def _explore(lattice: _Lattice, allow_root: bool) -> tuple[Solution | None, float]:
    """Search a lattice whose nodes are counted; return the best node and a bound of all."""
    bounds = _Bounds(lattice)
    best: Solution | None = None

    def visit(node: Node) -> None:
        nonlocal best
        found = lattice.evaluate(node)
        admissible = found.solution.suppressed <= lattice.allowed
        bounds.learn(found, admissible)
        usable = admissible and (allow_root or node != lattice.root)
        if usable and (best is None or _better(found.solution, best)):
            best = found.solution

    def settled(node: Node) -> bool:
        return bool(bounds.out[node]) or (
            best is not None and bounds.bound[node] > best.loss + _tie(best.loss)
        )

    while (candidate := bounds.next()) is not None:
        node, lowest = candidate
        if best is not None and lowest > best.loss + _tie(best.loss):
            break
        if lattice.effort > _EFFORT:
            return best or _descend(lattice, allow_root), lowest
        # A binary search on a chain to the root for the coarsest node that settles this one.
        chain = _chain(lattice, node)
        low, high = 0, len(chain)
        while low < high:
            middle = (low + high) // 2
            if not bounds.out[chain[middle]]:
                visit(chain[middle])
            if settled(node):
                low = middle + 1
            else:
                high = middle
        if not settled(node):
            visit(node)
    return best, math.inf


def _tie(loss: float) -> float:
    return _TIE * max(1.0, abs(loss))


def _better(one: Solution, other: Solution) -> bool:
    """Tell whether a solution comes before another: loss, sum of levels, levels."""
    if abs(one.loss - other.loss) > _tie(other.loss):
        return one.loss < other.loss
    return (sum(one.node), one.node) < (sum(other.node), other.node)


def _chain(lattice: _Lattice, node: Node) -> list[Node]:
    """Return ever coarser nodes from above ``node`` to the root, the cheapest step first."""
    cells = lattice.cells
    losses = [
        [float(cells.attribute(d, cells.kept_cost * int(total))) for total in cells.totals[d]]
        for d in range(len(node))
    ]
    chain = []
    while node != lattice.root:
        steps = []
        for d, level in enumerate(node):
            if level < lattice.root[d]:
                rise = cells.weights[d] * math.log1p(losses[d][level + 1])
                steps.append((rise - cells.weights[d] * math.log1p(losses[d][level]), d))
        _, d = min(steps)
        node = node[:d] + (node[d] + 1,) + node[d + 1 :]
        chain.append(node)
    return chain


def _descend(lattice: _Lattice, allow_root: bool) -> Solution | None:
    """Go down from the root, each time to the best admissible node one level finer."""
    best: Solution | None = None
    node: Node | None = lattice.root
    current: Solution | None = None
    while node is not None:
        steps = [
            node[:d] + (level - 1,) + node[d + 1 :] for d, level in enumerate(node) if level > 0
        ]
        if current is None:
            steps = [node]
        found = [lattice.evaluate(step).solution for step in steps]
        node = None
        admissible = [each for each in found if each.suppressed <= lattice.allowed]
        if admissible:
            current = min(admissible, key=lambda each: (each.loss, sum(each.node), each.node))
            node = current.node
            if (allow_root or node != lattice.root) and (best is None or _better(current, best)):
                best = current
    return best


def _bound_by_parts(lattice: _Lattice, limit: Any, max_suppressed: int | None) -> float:
    """Bound the loss of every node of a large lattice.

    What a node suppresses for k is at least what its levels on some attributes alone would, all
    others being ``*``. The attributes are cut into parts whose lattices are searched exactly, and
    the least losses of the parts add up.
    """
    cells = lattice.cells
    if lattice.measure not in ("loss", "precision"):
        return lattice.floor((0,) * len(lattice.heights))
    parts: list[list[int]] = []
    order = sorted(range(len(lattice.heights)), key=lambda d: (-len(lattice.sizes[d]), d))
    for d in order:
        for part in parts:
            if math.prod(lattice.heights[e] for e in part) * lattice.heights[d] <= _PART_NODES:
                part.append(d)
                break
        else:
            parts.append([d])
    total = sum(cells.weights)
    bound = 0.0
    for part in parts:
        cube = lattice.cube.project(part)
        found = search(
            cube,
            lattice.asked.k,
            limit,
            {h.name: cells.weights[d] for d, h in zip(part, cube.hierarchies, strict=True)},
            measure=lattice.measure,
            suppression_cost=cells.suppression_cost,
            generalisation_cost=cells.kept_cost,
            max_suppressed=max_suppressed,
        )
        if found is None:
            return math.inf
        weight = sum(cells.weights[d] for d in part) / total
        least = min(found.loss, found.bound)
        bound += weight * (least if cells.by_level else math.log1p(least))
    return bound if cells.by_level else math.expm1(bound)


def published(cube: Cube, node: Node, k: int) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Apply a node to a cube, with k alone.

    Returns:
        A mask (m,) of the tuples that stay (their class has at least k records), and an array
        (m, d) of value codes at the node's levels.
    """
    return apply(cube, node, Criteria(k=k))


def apply(cube: Cube, node: Node, asked: Criteria) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Apply a node to a cube.

    Returns:
        A mask (m,) of the tuples that stay (their class satisfies the criteria), and an array
        (m, d) of value codes at the node's levels.
    """
    cells = _Cells(cube, (1.0,) * len(node), 1.0, 1.0, by_level=False)
    lattice = _Lattice(cube, asked, cube.records, "loss", cells)
    codes = np.column_stack(
        [
            h.leaf_codes[level][cube.codes[:, d]]
            for d, (h, level) in enumerate(zip(cube.hierarchies, node, strict=True))
        ]
    )
    key, _ = fold(
        list(codes.T), [lattice.sizes[d][level] for d, level in enumerate(node)], len(codes)
    )
    # The classes in the order of their keys, which is that of their tuples.
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    counts = np.bincount(inverse, weights=cube.counts, minlength=len(first)).astype(np.int64)
    grouping = _Grouping([codes[first, d] for d in range(len(node))], counts)
    out = lattice.failing(node, grouping, counts < asked.k)
    return ~out[inverse], codes
