"""Complementary suppression: hide enough other cells that no hidden one can be worked out.

The attacker knows every shown cell, that cells are counts, and that groups are the sums of their
parts; a hidden cell is protected when what he can conclude is no narrower than ``width``, for
instance anything from 0 to 28. A *witness* proves it: a change of the leaf cells that leaves every
shown cell as it is and moves the hidden one. Cells are hidden by looking for the cheapest
witnesses with linear programs (HiGHS), so that each suppression comes with its proof; the proofs
are kept, and :func:`verify` checks them with no solver.

A cube too large for one program is cut along a dimension. A change inside the slice of one value
is undone in the slice of another, so that nothing shows in the totals of that dimension; each
slice is then a program of its own, and every witness still holds for the whole cube.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse  # type: ignore[import-untyped]
from scipy.optimize import linprog  # type: ignore[import-untyped]

from openchronic_assets.anonymisation.tables import (
    THRESHOLD,
    Dimension,
    HierarchicalTable,
    roll_up,
    sums,
)
from openchronic_assets.errors import Refused, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST_PROGRAM = 24_000
"""Cells of the largest program solved in one piece."""

SMALL = 2_000
"""Cells of a table that is protected in two ways, the better being kept."""

_TINY = 1e-6
_EXCHANGES = 6
_ROUNDS = 18


@dataclass
class Protection:
    """Which cells are hidden, and why that is enough.

    Attributes:
        unsafe: cells hidden by a rule of their own (primary).
        hidden: all hidden cells, complementary ones included.
        up: how far each cell can be above its true value, as witnessed.
        down: how far below.
        free: cells that no table prints.
        witnesses: changes of the leaf cells, each undone in every shown cell.
        programs: linear programs solved.
    """

    unsafe: NDArray[np.bool_]
    hidden: NDArray[np.bool_]
    up: NDArray[np.float64]
    down: NDArray[np.float64]
    free: NDArray[np.bool_]
    witnesses: list[tuple[NDArray[np.int64], NDArray[np.float64]]] = field(default_factory=list)
    programs: int = 0

    def open(self, width: float) -> NDArray[np.bool_]:
        """Mark hidden cells whose interval is not yet known to be wide enough."""
        return self.hidden & (self.up + self.down < width - _TINY)


def protect(
    table: HierarchicalTable,
    unsafe: NDArray[np.bool_],
    *,
    width: float = THRESHOLD,
    fixed: NDArray[np.bool_] | None = None,
    free: NDArray[np.bool_] | None = None,
    complementary: bool = True,
    largest_program: int = LARGEST_PROGRAM,
) -> Protection:
    """Hide complementary cells until every hidden cell has an interval of ``width``.

    Args:
        table: all cells.
        unsafe: the primary cells.
        width: narrowest interval accepted.
        complementary: ask the same width of complementary cells, which are not unsafe themselves.
        fixed: cells that must stay shown: published before, or zero by nature.
        free: cells that no table prints: hiding them costs nothing.
        largest_program: cells of the largest program solved in one piece.

    Raises:
        Refused: some cells cannot be protected, because too few people stand around them or too
            much is fixed; the message says how many. Merge categories or drop a dimension.
    """

    def attempt(one_by_one: bool) -> Protection:
        return _protect(
            table, unsafe, width, fixed, free, complementary, largest_program, one_by_one
        )

    if table.cells > SMALL:
        return attempt(False)
    # All cells at once share their complements best, or one by one does: the cheaper is kept.
    found: list[Protection] = []
    refusal: Refused | None = None
    for one_by_one in (False, True):
        try:
            found.append(attempt(one_by_one))
        except Refused as error:
            refusal = error
    if refusal is not None and not found:
        raise refusal
    weight = np.log1p(table.counts)
    return min(found, key=lambda each: (each.hidden.sum(), weight[each.hidden].sum()))


def _protect(
    table: HierarchicalTable,
    unsafe: NDArray[np.bool_],
    width: float,
    fixed: NDArray[np.bool_] | None,
    free: NDArray[np.bool_] | None,
    complementary: bool,
    largest_program: int,
    one_by_one: bool,
) -> Protection:
    shape = table.counts.shape
    if unsafe.shape != shape:
        raise UsageError("the marks of unsafe cells do not have the shape of the table")
    pinned = np.zeros(shape, dtype=bool) if fixed is None else fixed.copy()
    unprinted = np.zeros(shape, dtype=bool) if free is None else free & ~pinned
    if (pinned & unsafe).any():
        raise Refused(
            f"{int((pinned & unsafe).sum())} unsafe cells are already public or fixed; "
            "they cannot be hidden any more"
        )
    result = Protection(
        unsafe.copy(), unsafe | unprinted, np.zeros(shape), np.zeros(shape), unprinted
    )
    weight = np.log1p(table.counts.astype(np.float64)) + 0.1
    depth = np.zeros(shape)
    for axis, dimension in enumerate(table.dimensions):
        sizes = dimension.cover.sum(axis=1).astype(float)
        line = np.log1p(sizes - 1)
        depth = depth + line.reshape([-1 if a == axis else 1 for a in range(len(shape))])
    weight *= 1 + depth
    for _ in range(4):
        needed = np.where(unsafe | complementary, float(width), 0.0)
        todo = (result.hidden & ~unprinted) & (result.up + result.down < needed - _TINY)
        if not todo.any():
            break
        before = int(todo.sum())
        _pass(table, result, needed, pinned, unprinted, weight, largest_program, one_by_one)
        todo = (result.hidden & ~unprinted) & (result.up + result.down < needed - _TINY)
        if int(todo.sum()) >= before:
            break
    needed = np.where(unsafe | complementary, float(width), 0.0)
    todo = (result.hidden & ~unprinted) & (result.up + result.down < needed - _TINY)
    if todo.any():
        raise Refused(
            f"{int(todo.sum())} of {int(result.hidden.sum())} hidden cells cannot be protected to "
            f"a width of {width:g}: too few people stand around them. Merge categories, drop a "
            "dimension or leave the table out"
        )
    # What is printed nowhere needs no proof and is not a suppression.
    result.hidden &= ~unprinted | unsafe
    return result


# --- one pass over the slices -------------------------------------------------------------------


@dataclass(frozen=True)
class _Slice:
    """A core program and where its changes are repeated.

    Attributes:
        places: positions (nodes of the sliced dimensions) that follow the core, with their sign.
        leaf_places: those that are leaf slices.
        target: the positions whose hidden cells are to be protected.
    """

    places: tuple[tuple[int, int], ...]
    leaf_places: tuple[tuple[int, int], ...]
    target: int


def _pass(
    table: HierarchicalTable,
    result: Protection,
    needed: NDArray[np.float64],
    pinned: NDArray[np.bool_],
    unprinted: NDArray[np.bool_],
    weight: NDArray[np.float64],
    largest: int,
    one_by_one: bool,
) -> None:
    axis = _slice_axis(table, largest)
    if axis is None:
        _solve_core(
            table,
            result,
            needed,
            pinned,
            unprinted,
            weight,
            None,
            _Slice(((0, 1),), ((0, 1),), 0),
            one_by_one,
        )
        return
    dimension = table.dimensions[axis]
    totals = table.leaf_counts.sum(
        axis=tuple(a for a in range(table.leaf_counts.ndim) if a != axis)
    )
    partners = np.argsort(-totals, kind="stable")[:4]
    # The total first: what it hides below is protected when the slices come.
    order = sorted(range(dimension.size), key=lambda n: -int(dimension.cover[n].sum()))
    for node in order:
        for attempt in range(len(partners)):
            todo = np.moveaxis(
                (result.hidden & ~unprinted) & (result.up + result.down < needed - _TINY), axis, 0
            )[node]
            if not todo.any():
                break
            piece = _slice_of(dimension, node, partners, attempt, totals)
            if piece is None:
                continue
            _solve_core(table, result, needed, pinned, unprinted, weight, axis, piece)


def _slice_axis(table: HierarchicalTable, largest: int) -> int | None:
    """Choose the dimension to cut along: the one whose largest value outweighs the others."""
    if table.cells <= largest:
        return None
    best = None
    for axis, dimension in enumerate(table.dimensions):
        core = table.cells // dimension.size
        totals = table.leaf_counts.sum(
            axis=tuple(a for a in range(table.leaf_counts.ndim) if a != axis)
        )
        if core <= largest and dimension.cover.shape[1] > 1:
            share = float(np.sort(totals)[::-1][:2].sum()) / max(float(totals.sum()), 1.0)
            if best is None or share > best[0]:
                best = (share, axis)
    if best is None:
        raise UsageError(
            f"no dimension cuts {table.cells:,} cells into parts of at most {largest:,}; "
            "protect fewer dimensions together"
        )
    return best[1]


def _slice_of(
    dimension: Dimension,
    node: int,
    partners: NDArray[np.int64],
    attempt: int,
    totals: NDArray[np.int64],
) -> _Slice | None:
    """Return the slice of a node: the paths of a leaf under it and of a leaf beside it."""
    inside = np.flatnonzero(dimension.cover[node])
    leaf = int(inside[np.argsort(-totals[inside], kind="stable")][min(attempt, len(inside) - 1)])
    beside = [int(p) for p in partners if not dimension.cover[node][p]]
    sign = np.zeros(dimension.size, dtype=int)
    sign[dimension.cover[:, leaf]] += 1
    leaf_places = [(int(dimension.leaves[leaf]), 1)]
    if not dimension.cover[node].all():
        if attempt >= len(beside):
            return None
        other = beside[attempt]
        sign[dimension.cover[:, other]] -= 1
        leaf_places.append((int(dimension.leaves[other]), -1))
    elif attempt >= len(inside):
        return None
    places = tuple((int(p), int(sign[p])) for p in np.flatnonzero(sign))
    return _Slice(places, tuple(leaf_places), node)


def _solve_core(
    table: HierarchicalTable,
    result: Protection,
    needed: NDArray[np.float64],
    pinned: NDArray[np.bool_],
    unprinted: NDArray[np.bool_],
    weight: NDArray[np.float64],
    axis: int | None,
    piece: _Slice,
    one_by_one: bool = False,
) -> None:
    """Find witnesses for the open cells of one slice, hiding what they need."""
    if axis is None:
        dimensions: Sequence[Dimension] = table.dimensions
        counts = table.counts[None]
        views = {
            "hidden": result.hidden[None],
            "up": result.up[None],
            "down": result.down[None],
        }
        fixed, loose, cost_of, need = pinned[None], unprinted[None], weight[None], needed[None]
    else:
        dimensions = [d for a, d in enumerate(table.dimensions) if a != axis]
        counts = np.moveaxis(table.counts, axis, 0)
        views = {
            "hidden": np.moveaxis(result.hidden, axis, 0),
            "up": np.moveaxis(result.up, axis, 0),
            "down": np.moveaxis(result.down, axis, 0),
        }
        fixed, loose = np.moveaxis(pinned, axis, 0), np.moveaxis(unprinted, axis, 0)
        cost_of, need = np.moveaxis(weight, axis, 0), np.moveaxis(needed, axis, 0)
    matrix = sums(dimensions)
    shape = counts.shape[1:]
    leaf_grid = np.ix_(*(d.leaves for d in dimensions)) if dimensions else ()
    leaf_cells = np.arange(int(np.prod(shape))).reshape(shape)[leaf_grid].ravel()
    # Room of each leaf: lowering takes people away where the sign is +, adds them where it is -.
    infinite = np.full(len(leaf_cells), np.inf)
    lower, upper = -infinite, infinite
    for place, sign in piece.leaf_places:
        room = counts[place][leaf_grid].ravel().astype(float)
        if sign > 0:
            lower = np.maximum(lower, -room)
        else:
            upper = np.minimum(upper, room)
    target = piece.target
    stuck = 0
    for turn in range(2 * table.cells if one_by_one else _ROUNDS):
        hidden, up, down = (views[name] for name in ("hidden", "up", "down"))
        # A core cell is free where all places that follow it are hidden.
        cost = np.zeros(shape)
        frozen = np.zeros(shape, dtype=bool)
        for place, _sign in piece.places:
            cost += np.where(~hidden[place], cost_of[place], 0.0)
            frozen |= fixed[place]

        def lacking(marks: NDArray[np.bool_] = frozen) -> NDArray[np.int64]:
            gap = need[target] - views["up"][target] - views["down"][target]
            todo = views["hidden"][target] & ~loose[target] & (gap > _TINY) & ~marks
            return np.flatnonzero(todo.ravel())

        targets = lacking()
        before = len(targets)
        if not before:
            return
        needs = need[target].ravel()[targets]
        above, below = up[target].ravel()[targets], down[target].ravel()[targets]
        mine = counts[target].ravel()[targets].astype(float)
        greedy = turn < _EXCHANGES and before > 3 and not one_by_one
        if greedy:
            # Hidden cells make room for each other: some up, the others down, at no cost.
            rising = (targets * 2654435761 >> 7) % 3 == turn % 3
            room = np.minimum(mine, needs)
            want = np.where(rising, np.maximum(needs - np.maximum(below, room), 1.0), -room)
            done = np.where(rising, above >= want - _TINY, below >= room - _TINY)
            targets, want = targets[~done], want[~done]
        else:
            want = needs - below
            if one_by_one:
                # The next one after those that could not be helped yet.
                if stuck >= before:
                    return
                targets, want = targets[stuck : stuck + 1], want[stuck : stuck + 1]
            elif stuck:
                # Together they stood in each other's way: a part of them, the others may give.
                keep = np.arange(before) % (2**stuck) == turn % (2**stuck)
                targets, want = targets[keep], want[keep]
        if not len(targets):
            continue
        change = _cheapest(
            matrix, leaf_cells, cost.ravel(), frozen.ravel(), lower, upper, targets, want, greedy
        )
        result.programs += 1
        if change is not None:
            moved = (matrix @ change).reshape(shape)
            moved[np.abs(moved) < _TINY] = 0.0
            for place, sign in piece.places:
                views["hidden"][place][moved != 0] = True
                np.maximum(up[place], sign * moved, out=up[place])
                np.maximum(down[place], -sign * moved, out=down[place])
            if moved.any():
                _remember(table, result, axis, piece, change, leaf_cells)
        if not greedy and len(lacking()) >= before:
            stuck += 1
            if not one_by_one and 2**stuck > 2 * before:
                return


def _cheapest(
    matrix: sparse.csr_array,
    leaf_cells: NDArray[np.int64],
    cost: NDArray[np.float64],
    frozen: NDArray[np.bool_],
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
    targets: NDArray[np.int64],
    want: NDArray[np.float64],
    free_only: bool,
) -> NDArray[np.float64] | None:
    """Return the change of the leaves that moves the targets at the least cost, or None.

    ``want`` is how far each target is to go, down where negative. With ``free_only`` a target
    that cannot move without a new suppression stays.

    Variables: the change of each leaf; what it moves in each costly cell, up and down; how much
    each target lacks.
    """
    leaves = matrix.shape[1]
    lower, upper = lower.copy(), upper.copy()
    still = frozen[leaf_cells]
    lower[still] = upper[still] = 0.0
    # A cell none of whose leaves can change needs no row.
    movable = (lower < 0) | (upper > 0)
    alive = np.asarray(matrix[:, np.flatnonzero(movable)].sum(axis=1)).ravel() > 0
    frozen_rows = np.flatnonzero(frozen & alive)
    priced = np.flatnonzero((cost > 0) & ~frozen & alive)
    top = 10.0 * (float(cost.max(initial=1.0)) + 1.0) * max(10.0, np.sqrt(leaves))
    if free_only:
        top = 0.01 * float(cost[priced].min(initial=1.0))
    direction = np.sign(want)
    identity = sparse.identity(len(priced), format="csr")
    moves = sparse.hstack(
        [
            matrix[priced],
            -identity,
            identity,
            sparse.csr_array((len(priced), len(targets))),
        ],
        format="csr",
    )
    blocks = [moves]
    if len(frozen_rows):
        blocks.append(
            sparse.hstack(
                [
                    matrix[frozen_rows],
                    sparse.csr_array((len(frozen_rows), 2 * len(priced) + len(targets))),
                ],
                format="csr",
            )
        )
    equal = sparse.vstack(blocks, format="csr")
    reach = sparse.hstack(
        [
            sparse.diags_array(-direction) @ matrix[targets],
            sparse.csr_array((len(targets), 2 * len(priced))),
            -sparse.identity(len(targets), format="csr"),
        ],
        format="csr",
    )
    objective = np.concatenate(
        [np.zeros(leaves), cost[priced], cost[priced], np.full(len(targets), top)]
    )
    bounds = np.vstack(
        [
            np.column_stack([lower, upper]),
            np.tile([0.0, np.inf], (2 * len(priced), 1)),
            np.column_stack([np.zeros(len(targets)), np.abs(want)]),
        ]
    )
    found = linprog(
        objective,
        A_ub=reach,
        b_ub=-np.abs(want),
        A_eq=equal if equal.shape[0] else None,
        b_eq=np.zeros(equal.shape[0]) if equal.shape[0] else None,
        bounds=bounds,
        method="highs",
    )
    if found.status != 0 or found.x is None:
        return None
    change: NDArray[np.float64] = found.x[:leaves]
    return np.where(np.abs(change) < _TINY, 0.0, change)


def _remember(
    table: HierarchicalTable,
    result: Protection,
    axis: int | None,
    piece: _Slice,
    change: NDArray[np.float64] | None,
    leaf_cells: NDArray[np.int64],
) -> None:
    """Keep a witness as changes of the leaf cells of the whole cube."""
    if change is None:
        return
    shape = table.leaf_counts.shape
    if axis is None:
        where = np.flatnonzero(change)
        result.witnesses.append((where, change[where]))
        return
    whole = np.zeros((shape[axis], *(s for a, s in enumerate(shape) if a != axis)))
    place_of = {int(node): leaf for leaf, node in enumerate(table.dimensions[axis].leaves)}
    for place, sign in piece.leaf_places:
        whole[place_of[place]] += sign * change.reshape(whole.shape[1:])
    flat = np.moveaxis(whole, 0, axis).ravel()
    where = np.flatnonzero(flat)
    result.witnesses.append((where, flat[where]))


# --- audit --------------------------------------------------------------------------------------


def verify(
    table: HierarchicalTable, protection: Protection, width: float = THRESHOLD
) -> dict[str, float]:
    """Check every witness against the whole cube, with no solver, and return what they prove.

    Returns:
        ``narrowest``: the narrowest proven interval of a hidden cell; ``leaks``: shown cells that
        some witness moves (must be 0); ``negative``: leaf cells that some witness takes below zero
        (must be 0); ``short``: hidden cells proven narrower than ``width``.
    """
    up = np.zeros(table.counts.shape)
    down = np.zeros(table.counts.shape)
    leaves = table.leaf_counts
    leaks = negative = 0
    for where, amount in protection.witnesses:
        flat = np.zeros(leaves.size)
        flat[where] = amount
        change = flat.reshape(leaves.shape)
        negative += int((leaves + change < -1e-5).sum())
        moved = roll_up(table.dimensions, change)
        leaks += int((np.abs(moved[~protection.hidden & ~protection.free]) > 1e-4).sum())
        np.maximum(up, moved, out=up)
        np.maximum(down, -moved, out=down)
    span = (up + down)[protection.hidden]
    return {
        "narrowest": float(span.min()) if span.size else float("inf"),
        "leaks": leaks,
        "negative": negative,
        "short": int((span < width - 1e-4).sum()),
    }


def intervals(
    dimensions: Sequence[Dimension],
    shown: NDArray[np.float64],
    *,
    cells: Sequence[int] | None = None,
    enough: float | None = None,
    known: NDArray[np.float64] | None = None,
) -> dict[int, tuple[float, float]]:
    """Return what an attacker concludes of hidden cells from the shown ones, by linear programs.

    Args:
        dimensions: the classifications.
        shown: values of the cells; NaN where hidden.
        cells: flat positions to work out; all hidden ones when not given.
        enough: stop looking at a cell once its interval is known to be this wide: what is returned
            then is inside the attacker's interval.
        known: the true leaf values when the auditor has them: one more feasible table.

    Returns:
        Cell to (lowest, highest).

    Raises:
        Refused: the shown cells contradict each other.
    """
    matrix = sums(dimensions)
    flat = np.asarray(shown, dtype=float).ravel()
    visible = np.flatnonzero(~np.isnan(flat))
    wanted = [int(c) for c in (np.flatnonzero(np.isnan(flat)) if cells is None else cells)]
    low = dict.fromkeys(wanted, np.inf)
    high = dict.fromkeys(wanted, -np.inf)
    rows = matrix[np.asarray(wanted, dtype=np.int64)]

    def take(point: NDArray[np.float64]) -> None:
        for cell, value in zip(wanted, (rows @ point).tolist(), strict=True):
            low[cell], high[cell] = min(low[cell], value), max(high[cell], value)

    if known is not None:
        take(np.asarray(known, dtype=float).ravel())
    for number, cell in enumerate(wanted):
        for sign in (1.0, -1.0):
            if enough is not None and high[cell] - low[cell] >= enough - 1e-7:
                break
            found = linprog(
                sign * rows[[number]].toarray().ravel(),
                A_eq=matrix[visible],
                b_eq=flat[visible],
                bounds=(0, None),
                method="highs",
            )
            if found.status == 3:
                low[cell], high[cell] = (low[cell], np.inf) if sign < 0 else (-np.inf, high[cell])
            elif found.status != 0:
                raise Refused("the shown cells contradict each other; the table is damaged")
            else:
                take(found.x)
    return {cell: (low[cell], high[cell]) for cell in wanted}
