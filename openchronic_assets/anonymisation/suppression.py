"""Complementary suppression: hide enough other cells that no hidden one can be worked out.

The attacker knows every shown cell, that cells are counts, and that groups are the sums of their
parts; a hidden cell is protected when what he can conclude is no narrower than ``width``, for
instance anything from 0 to 28. A *witness* proves it: a change of the leaf cells that leaves every
shown cell as it is and moves the hidden one. Cells are hidden by looking for the cheapest
witnesses with linear programs (HiGHS), so that each suppression comes with its proof; the proofs
are kept, and :func:`verify` checks them with no solver.

A cube too large for one program is protected by boxes (see ``boxes.py``), whose witnesses need no
program; :func:`verify` checks them like the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import sparse  # type: ignore[import-untyped]
from scipy.optimize import linprog  # type: ignore[import-untyped]

from openchronic_assets.anonymisation.boxes import Boxes, box_in
from openchronic_assets.anonymisation.tables import (
    THRESHOLD,
    Dimension,
    HierarchicalTable,
    sums,
)
from openchronic_assets.errors import Refused, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST_PROGRAM = 2_000
"""Cells of the largest table protected by linear programs; they hide less than boxes below about
a thousand cells, and more than twice as much at five thousand."""

Way = Literal["together", "one by one", "boxes"]
"""All unsafe cells share their witnesses, or each gets its own, or its box."""

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
        boxes: the witnesses of a large cube.
    """

    unsafe: NDArray[np.bool_]
    hidden: NDArray[np.bool_]
    up: NDArray[np.float64]
    down: NDArray[np.float64]
    free: NDArray[np.bool_]
    witnesses: list[tuple[NDArray[np.int64], NDArray[np.float64]]] = field(default_factory=list)
    programs: int = 0
    boxes: Boxes | None = None

    def open(self, width: float) -> NDArray[np.bool_]:
        """Mark hidden cells whose interval is not yet known to be wide enough."""
        return self.hidden & (self.up + self.down < width - _TINY)


def protect(
    table: HierarchicalTable,
    unsafe: NDArray[np.bool_],
    *,
    width: float | NDArray[np.float64] = THRESHOLD,
    fixed: NDArray[np.bool_] | None = None,
    free: NDArray[np.bool_] | None = None,
    complementary: bool = True,
    largest_program: int = LARGEST_PROGRAM,
) -> Protection:
    """Hide complementary cells until every hidden cell has an interval of ``width``.

    Args:
        table: all cells.
        unsafe: the primary cells.
        width: narrowest interval accepted, one for all cells or of each.
        complementary: ask the same width of complementary cells, which are not unsafe themselves.
        fixed: cells that must stay shown: published before, or zero by nature.
        free: cells that no table prints: hiding them costs nothing.
        largest_program: cells of the largest table protected by linear programs.

    Raises:
        Refused: some cells cannot be protected, because too few people stand around them or too
            much is fixed; the message says how many. Merge categories or drop a dimension.
    """

    def attempt(way: Way) -> Protection:
        return _protect(table, unsafe, width, fixed, free, complementary, way)

    if table.cells > largest_program:
        return attempt("boxes")
    # Which of the ways hides least depends on the table: all are tried.
    found: list[Protection] = []
    refusal: Refused | None = None
    ways: tuple[Way, ...] = ("together", "one by one", "boxes")
    for way in ways:
        try:
            found.append(attempt(way))
        except Refused as error:
            refusal = refusal or error
    if refusal is not None and not found:
        raise refusal
    weight = np.log1p(table.counts)
    return min(found, key=lambda each: (each.hidden.sum(), weight[each.hidden].sum()))


def _protect(
    table: HierarchicalTable,
    unsafe: NDArray[np.bool_],
    width: float | NDArray[np.float64],
    fixed: NDArray[np.bool_] | None,
    free: NDArray[np.bool_] | None,
    complementary: bool,
    way: Way,
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
    needed = np.where(unsafe | complementary, width, 0.0)

    def todo() -> NDArray[np.bool_]:
        return (result.hidden & ~unprinted) & (result.up + result.down < needed - _TINY)

    if way == "boxes":
        _take_boxes(table, result, box_in(table, unsafe, width, pinned, unprinted, weight))
    else:
        for _ in range(4):
            before = int(todo().sum())
            if not before:
                break
            _solve(table, result, needed, pinned, unprinted, weight, way == "one by one")
            if int(todo().sum()) >= before:
                break
    if todo().any():
        raise Refused(
            f"{int(todo().sum())} of {int(result.hidden.sum())} hidden cells cannot be protected "
            f"to a width of {np.max(width):g}: too few people stand around them. Merge categories, "
            "drop a dimension or leave the table out"
        )
    # What is printed nowhere needs no proof and is not a suppression.
    result.hidden &= ~unprinted | unsafe
    return result


# --- witnesses ----------------------------------------------------------------------------------


def _take_boxes(table: HierarchicalTable, result: Protection, boxes: Boxes) -> None:
    """Hide the cells of the boxes, and note how far they move."""
    matrix = sums(table.dimensions)
    for part in boxes.parts():
        moved = matrix @ boxes.changes(table.leaf_counts.shape, part)
        moved = moved.tocoo()
        there = moved.data != 0
        cell, box, sign = moved.coords[0][there], moved.coords[1][there], moved.data[there]
        up, down = boxes.up[part][box], boxes.down[part][box]
        result.hidden.ravel()[cell] = True
        np.maximum.at(result.up.ravel(), cell, np.where(sign > 0, up, down))
        np.maximum.at(result.down.ravel(), cell, np.where(sign > 0, down, up))
    result.boxes = boxes


def _solve(
    table: HierarchicalTable,
    result: Protection,
    needed: NDArray[np.float64],
    pinned: NDArray[np.bool_],
    unprinted: NDArray[np.bool_],
    weight: NDArray[np.float64],
    one_by_one: bool,
) -> None:
    """Find witnesses for the open cells by linear programs, hiding what they need."""
    matrix = sums(table.dimensions)
    shape = table.counts.shape
    leaf_cells = np.arange(table.cells).reshape(shape)[
        np.ix_(*(d.leaves for d in table.dimensions))
    ].ravel()  # fmt: skip
    # No leaf goes below zero; any can grow.
    lower = -table.leaf_counts.ravel().astype(float)
    upper = np.full(len(leaf_cells), np.inf)
    hidden, up, down = result.hidden, result.up, result.down

    def lacking() -> NDArray[np.int64]:
        todo = hidden & ~unprinted & (needed - up - down > _TINY) & ~pinned
        return np.flatnonzero(todo.ravel())

    stuck = 0
    for turn in range(2 * table.cells if one_by_one else _ROUNDS):
        targets = lacking()
        before = len(targets)
        if not before:
            return
        needs = needed.ravel()[targets]
        above, below = up.ravel()[targets], down.ravel()[targets]
        greedy = turn < _EXCHANGES and before > 3 and not one_by_one
        if greedy:
            # Hidden cells make room for each other: some up, the others down, at no cost.
            rising = (targets * 2654435761 >> 7) % 3 == turn % 3
            room = np.minimum(table.counts.ravel()[targets].astype(float), needs)
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
        cost = np.where(hidden, 0.0, weight).ravel()
        change = _cheapest(
            matrix, leaf_cells, cost, pinned.ravel(), lower, upper, targets, want, greedy
        )
        result.programs += 1
        if change is not None:
            moved = (matrix @ change).reshape(shape)
            moved[np.abs(moved) < _TINY] = 0.0
            hidden[moved != 0] = True
            np.maximum(up, moved, out=up)
            np.maximum(down, -moved, out=down)
            where = np.flatnonzero(change)
            if len(where):
                result.witnesses.append((where, change[where]))
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
    matrix = sums(table.dimensions)
    leaves = table.leaf_counts.ravel().astype(np.float64)
    may_move = (protection.hidden | protection.free).ravel()
    up = np.zeros(table.cells)
    down = np.zeros(table.cells)
    leaks = negative = 0
    for changes in _columns(protection, table.leaf_counts.shape):
        entries = changes.tocoo()
        negative += int((leaves[entries.coords[0]] + entries.data < -1e-5).sum())
        moved = (matrix @ changes).tocoo()
        cell, amount = moved.coords[0], moved.data
        leaks += int((np.abs(amount[~may_move[cell]]) > 1e-4).sum())
        np.maximum.at(up, cell, amount)
        np.maximum.at(down, cell, -amount)
    span = (up + down)[protection.hidden.ravel()]
    return {
        "narrowest": float(span.min()) if span.size else float("inf"),
        "leaks": leaks,
        "negative": negative,
        "short": int((span < width - 1e-4).sum()),
    }


def _columns(protection: Protection, shape: tuple[int, ...]) -> Iterator[sparse.csr_array]:
    """Yield the witnesses, one a column: what each changes in the leaf cells."""
    if protection.witnesses:
        rows = np.concatenate([where for where, _ in protection.witnesses])
        column = np.repeat(
            np.arange(len(protection.witnesses)), [len(where) for where, _ in protection.witnesses]
        )
        amounts = np.concatenate([amount for _, amount in protection.witnesses])
        size = (int(np.prod(shape)), len(protection.witnesses))
        yield sparse.csr_array((amounts, (rows, column)), shape=size)
    boxes = protection.boxes
    if boxes is None:
        return
    for part in boxes.parts():
        signs = boxes.changes(shape, part)
        yield sparse.csr_array(signs @ sparse.diags_array(boxes.up[part]))
        yield sparse.csr_array(signs @ sparse.diags_array(-boxes.down[part]))


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
