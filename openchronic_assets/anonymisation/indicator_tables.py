"""Counts of indicators by territory, sex and age, and which of their cells may be shown.

An indicator is two tables over the same cells: what is counted (numerator) and among whom
(denominator); of a proportion those who are *not* counted are a third. The tables of all
indicators are linked: many share a denominator, some are parts of others. A cell is hidden whole:
numerator, denominator and all that is computed from them.

Rules (docs/indicator-release.md): fewer than 11 people or units counted, fewer than 11 of the
denominator, fewer than 11 who are not counted; a group that is the difference of two published
groups; of sums, fewer than 11 contributors, one who holds more than 85 %. Then other cells are
hidden until the attacker's interval of each forbidden one is at least 11 wide (``suppression``),
whatever he knows of the denominators. In a denominator of fewer than 11 anything from none to all
remains possible, and the denominator itself is not known to 11. Where the finest cells cannot be
protected, or too much would be hidden for them, a coarser grain is told (``indicator_grain``).
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import sparse  # type: ignore[import-untyped]

from openchronic_assets.anonymisation.boxes import Boxes
from openchronic_assets.anonymisation.indicator_grain import GRAINS, Grain, by_promise, told
from openchronic_assets.anonymisation.suppression import protect
from openchronic_assets.anonymisation.tables import (
    DOMINANCE,
    THRESHOLD,
    Dimension,
    HierarchicalTable,
    roll_up,
    sums,
)
from openchronic_assets.errors import OpenChronicError, Refused

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Counts = NDArray[np.int64]
    Mask = NDArray[np.bool_]

SEXES = ("1", "2")
BANDS = ("00-19", "20-39", "40-64", "65-74", "75+")
ALL = "all"
COUNTRY = "FR"
KINDS = ("proportion", "rate", "mean")

HUNDREDTHS = 100
"""Sums of a mean are counted in hundredths of their unit."""


@dataclass(frozen=True)
class Territories:
    """Departments in their regions in the country.

    Attributes:
        departments: code, label, code of the region; in the order of the leaf tables.
        regions: code to label.
    """

    departments: tuple[tuple[str, str, str], ...]
    regions: Mapping[str, str]

    @cached_property
    def places(self) -> list[tuple[str, str]]:
        """Level and code of every territory: the country, the regions used, the departments."""
        used = sorted({region for _, _, region in self.departments})
        return [
            ("country", COUNTRY),
            *(("region", code) for code in used),
            *(("department", code) for code, _, _ in self.departments),
        ]

    @cached_property
    def dimension(self) -> Dimension:
        """The classification; a region and a department of one code are two nodes."""
        rows = []
        for level, code in self.places:
            if level == "country":
                rows.append([True] * len(self.departments))
            else:
                at = 2 if level == "region" else 0
                rows.append([each[at] == code for each in self.departments])
        nodes = tuple(f"{level}:{code}" for level, code in self.places)
        return Dimension("territory", nodes, np.array(rows, dtype=bool))

    @cached_property
    def dimensions(self) -> tuple[Dimension, Dimension, Dimension]:
        """Territory, sex, age."""
        return (
            self.dimension,
            Dimension.flat("sex", SEXES, ALL),
            Dimension.flat("age_group", BANDS, ALL),
        )


@dataclass(frozen=True)
class Counted:
    """The true counts of one indicator, condition and year.

    Attributes:
        indicator: its name.
        condition: of whom.
        year: of care.
        kind: ``proportion``, ``rate`` or ``mean``.
        denominator_type: among whom.
        num: what is counted, (department, sex, age); of a mean, the sum in hundredths.
        den: among how many units.
        num_people: people behind the numerator; of a mean, those who contribute to the sum.
        rest_people: of a proportion, people behind the units that are not counted.
        den_people: people behind the denominator.
        unit: ``person``, or what is counted else.
        largest: of a mean, the largest contribution of one person, in hundredths.
        squares: of a mean, the sum of squares of its units (not in hundredths).
    """

    indicator: str
    condition: str
    year: int
    kind: str
    denominator_type: str
    num: Counts
    den: Counts
    num_people: Counts
    rest_people: Counts
    den_people: Counts
    unit: str = "person"
    largest: Counts | None = None
    squares: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        where = f"{self.indicator}, {self.condition}, {self.year}"
        if self.kind not in KINDS:
            raise OpenChronicError(f"{where}: a {self.kind} cannot be released")
        if (self.kind == "mean") != (self.largest is not None and self.squares is not None):
            raise OpenChronicError(f"{where}: dominance cannot be judged; it cannot be released")
        counts = (self.den, self.num_people, self.rest_people, self.den_people)
        if any(int(each.min(initial=0)) < 0 for each in counts) or (
            self.kind != "mean" and int(self.num.min(initial=0)) < 0
        ):
            raise OpenChronicError(f"{where}: a cell counts fewer than nobody")
        if self.kind == "proportion" and bool((self.num > self.den).any()):
            raise OpenChronicError(f"{where}: more are counted than there are")

    @property
    def key(self) -> tuple[str, str, int]:
        """What names it."""
        return self.indicator, self.condition, self.year


@dataclass
class Judged:
    """What may be shown of one indicator, condition and year.

    Attributes:
        counted: the true counts.
        num: numerators of every cell (territory, sex, age).
        den: denominators of every cell.
        unsafe: cells hidden by a rule of their own.
        hidden: all hidden cells; none of them tells anything.
        empty: cells without any unit: absent.
        boxes: the proof that the hidden cells are protected, for the gate.
        event: whether the boxes have an axis of those counted and the others.
        step: what one unit of a box is in the numerator.
        grain: how finely it is told; the boxes are of its leaves.
    """

    counted: Counted
    num: Counts
    den: Counts
    unsafe: Mask
    hidden: Mask
    empty: Mask
    boxes: Boxes | None = None
    event: bool = False
    step: int = 1
    grain: Grain = GRAINS[0]

    @property
    def shown(self) -> Mask:
        """Cells that are shown."""
        return ~self.hidden & ~self.empty


@dataclass
class Denominator:
    """A denominator, shared by all indicators that count among the same.

    Attributes:
        den: its leaf table.
        year: of care.
        unsafe: cells that a rule forbids.
        hidden: cells of it that no indicator shows.
        boxes: the proof that they are protected.
        grain: how finely it is told; the boxes are of its leaves.
    """

    den: Counts
    year: int
    unsafe: Mask
    hidden: Mask
    boxes: Boxes
    grain: Grain


@dataclass
class Release:
    """Everything that was judged together.

    Attributes:
        territories: the places.
        judged: what leaves, in the order given.
        denominators: by their number, as ``of`` gives it.
        of: for each judged table, the number of its denominator.
        omitted: (indicator, condition, year) to why it does not leave.
    """

    territories: Territories
    judged: list[Judged] = field(default_factory=list)
    denominators: list[Denominator] = field(default_factory=list)
    of: list[int] = field(default_factory=list)
    omitted: dict[tuple[str, str, int], str] = field(default_factory=dict)


Earlier = Mapping[tuple[str, str, int], tuple["Mask", "Counts", "Counts"]]
"""What an earlier release shows: cells hidden, numerators, denominators."""


def judge(
    territories: Territories,
    tables: Sequence[Counted],
    earlier: Earlier | None = None,
    known: Mapping[tuple[str, str, int], Mask] | None = None,
) -> Release:
    """Say which cells leave, over all tables together.

    Args:
        territories: the places of the leaf tables.
        tables: the true counts; the order is that in which one of two that say the same is kept.
        earlier: what earlier releases show of the same.
        known: cells that another kind of release comes too close to.

    Returns:
        What leaves, each hidden cell with its proof, and what does not leave and why.
    """
    found = Release(territories)
    shape = tuple(len(d.leaves) for d in territories.dimensions)
    for each in tables:
        if each.num.shape != shape or each.den.shape != shape:
            raise OpenChronicError(f"{each.indicator}: the counts do not fit the territories")
    for year in sorted({each.year for each in tables}):
        of_year = [each for each in tables if each.year == year]
        _judge_year(found, of_year, earlier or {}, known or {})
    return found


def _judge_year(
    found: Release,
    tables: Sequence[Counted],
    earlier: Earlier,
    known: Mapping[tuple[str, str, int], Mask],
) -> None:
    dimensions = found.territories.dimensions
    kept = []
    elsewhere = _told_by_others(tables)
    for each in tables:
        if not each.den.any():
            found.omitted[each.key] = "no_unit"
        elif each.key in elsewhere:
            found.omitted[each.key] = elsewhere[each.key]
        else:
            kept.append(each)
    shared: dict[bytes, list[Counted]] = defaultdict(list)
    for each in kept:
        shared[each.den.tobytes()].append(each)
    close_num, close_den = _close(kept, dimensions)
    for same in shared.values():
        den = roll_up(dimensions, same[0].den)
        people = np.min([roll_up(dimensions, each.den_people) for each in same], axis=0)
        unsafe = ((den > 0) & ((den < THRESHOLD) | (people < THRESHOLD))) | close_den.get(
            same[0].den.tobytes(), np.zeros(den.shape, dtype=bool)
        )
        for each in same:
            if each.key in earlier:
                _, _, before = earlier[each.key]
                unsafe |= (before > 0) & (before != den) & (abs(before - den) < THRESHOLD)
        protected = _of_den(found.territories, same[0].den, unsafe, same[0].year)
        if protected is None:
            for each in same:
                found.omitted[each.key] = "denominator_cannot_be_protected"
            continue
        number = len(found.denominators)
        added = 0
        for each in same:
            extra = close_num.get(_num_key(each), np.zeros(den.shape, dtype=bool))
            extra = extra | known.get(each.key, np.zeros(den.shape, dtype=bool))
            judged = _judge_one(found.territories, each, protected, extra, earlier)
            if judged is None:
                found.omitted[each.key] = "cannot_be_protected"
                continue
            found.judged.append(judged)
            found.of.append(number)
            added += 1
        if added:
            found.denominators.append(protected)


def _of_den(territories: Territories, den: Counts, unsafe: Mask, year: int) -> Denominator | None:
    """Hide cells of a denominator; where nobody can be (men at childbirth) all is known."""
    whole = roll_up(territories.dimensions, den)
    # Nothing moves where nobody is by definition, and no cell of it is printed.
    fixed = _structural(territories.dimensions, den)
    best: Denominator | None = None
    most = 0.0
    for promise, grain in by_promise(territories, ~unsafe & (whole > 0), whole):
        if promise <= most:
            break
        printed = grain.printed(territories)
        asked = unsafe & ~fixed & printed
        table = HierarchicalTable.of_leaves(
            grain.dimensions(territories), grain.leaves(territories, den)
        )
        try:
            done = protect(
                table,
                grain.cells(territories, asked),
                fixed=grain.cells(territories, fixed),
                free=grain.cells(territories, ~printed),
                complementary=False,
                largest_program=0,
            )
        except Refused:
            continue
        hidden = grain.back(territories, done.hidden, unsafe) | unsafe | ~printed
        worth = told(territories, ~hidden, whole)
        if worth > most:
            most = worth
            best = Denominator(den, year, asked, hidden, done.boxes or _no_boxes(3), grain)
    return best


def _no_boxes(axes: int) -> Boxes:
    return Boxes(np.zeros((0, axes, 2), dtype=np.int64), np.zeros(0), np.zeros(0))


def _structural(dimensions: tuple[Dimension, ...], leaves: Counts) -> Mask:
    """Mark the cells of a sex or an age in which the whole country has none."""
    mark = np.zeros(tuple(d.size for d in dimensions), dtype=bool)
    for axis in (1, 2):
        dimension = dimensions[axis]
        others = tuple(a for a in range(leaves.ndim) if a != axis)
        none = leaves.sum(axis=others) == 0
        view = np.moveaxis(mark, axis, 0)
        for node in range(dimension.size):
            view[node] |= bool(none[dimension.cover[node]].all())
    return mark


# --- one indicator -----------------------------------------------------------------------------


def _judge_one(
    territories: Territories, each: Counted, shared: Denominator, extra: Mask, earlier: Earlier
) -> Judged | None:
    dimensions = territories.dimensions
    num, den = roll_up(dimensions, each.num), roll_up(dimensions, each.den)
    forbidden = extra | _primary(each, dimensions)
    if each.key in earlier:
        hidden, before_num, _ = earlier[each.key]
        moved = (before_num >= 0) & (before_num != num) & (abs(before_num - num) < THRESHOLD)
        forbidden |= hidden | (moved & (each.kind != "mean"))
    # A zero that is hidden beside small denominators is not to be told by "nobody there".
    empty = (den == 0) & ~shared.hidden
    # A zero that the whole country has is known to be one: it is shown, and nothing leans on it.
    zero = _structural(dimensions, abs(each.num))
    unsafe = (forbidden | shared.hidden) & ~empty
    about = _Task(
        territories, each, shared, unsafe, forbidden & ~empty & ~zero, zero | empty,
        _step(each, dimensions, unsafe),
    )  # fmt: skip
    best: Judged | None = None
    most = 0.0
    for promise, grain in by_promise(territories, ~unsafe & ~empty, den):
        if promise <= most:
            break
        if not grain.within(shared.grain):
            continue
        try:
            hidden, boxes = _protected(about, grain)
        except Refused:
            continue
        hidden = (hidden | unsafe | ~grain.printed(territories)) & ~empty
        worth = told(territories, ~hidden & ~empty, den)
        if worth > most:
            most = worth
            best = Judged(
                each, num, den, unsafe, hidden, empty, boxes, each.kind == "proportion",
                about.step, grain,
            )  # fmt: skip
    return best


class _Task(NamedTuple):
    """An indicator whose cells are to be protected.

    Attributes:
        territories: the places.
        counted: the true counts.
        shared: its denominator.
        unsafe: cells that are hidden whatever the grain.
        asked: those of them whose numerator must not be known.
        fixed: cells of which all is known: no case in the country, nobody there.
        step: what one unit of a box is in the numerator.
    """

    territories: Territories
    counted: Counted
    shared: Denominator
    unsafe: Mask
    asked: Mask
    fixed: Mask
    step: int


def _primary(each: Counted, dimensions: tuple[Dimension, ...]) -> Mask:
    """Mark the cells that one of the rules forbids."""
    num, den = roll_up(dimensions, each.num), roll_up(dimensions, each.den)
    people = roll_up(dimensions, each.num_people)
    unsafe = (den > 0) & ((den < THRESHOLD) | (roll_up(dimensions, each.den_people) < THRESHOLD))
    if each.kind == "mean":
        unsafe |= (people > 0) & (people < THRESHOLD)
        unsafe |= dominated(each, dimensions) | _alike(each, dimensions)
        return np.asarray(unsafe)
    unsafe |= (num > 0) & ((num < THRESHOLD) | (people < THRESHOLD))
    if each.kind == "proportion":
        # "All of them" tells it of everybody, so of the others not even none may be shown.
        rest = roll_up(dimensions, each.rest_people)
        unsafe |= (den > 0) & ((den - num < THRESHOLD) | (rest < THRESHOLD))
    return np.asarray(unsafe)


def dominated(each: Counted, dimensions: tuple[Dimension, ...]) -> Mask:
    """Mark the cells of a mean of which one person holds over 85 % of the sum, or of squares."""
    if each.largest is None or each.squares is None:
        raise OpenChronicError(f"{each.indicator}: dominance cannot be judged")
    largest = _highest(dimensions, each.largest).astype(np.float64)
    total = roll_up(dimensions, each.num).astype(np.float64)
    squares = roll_up(dimensions, each.squares)
    top = largest / HUNDREDTHS
    return np.asarray(
        (largest > 0) & ((largest > DOMINANCE * total) | (top * top > DOMINANCE * squares))
    )


def _alike(each: Counted, dimensions: tuple[Dimension, ...]) -> Mask:
    """Mark the cells of a mean whose units all have the same value, other than none."""
    if each.squares is None:
        raise OpenChronicError(f"{each.indicator}: its spread cannot be judged")
    num = roll_up(dimensions, each.num) / HUNDREDTHS
    den, squares = roll_up(dimensions, each.den), roll_up(dimensions, each.squares)
    spread = squares - np.divide(num * num, den, out=np.zeros(num.shape), where=den > 0)
    return np.asarray((squares > 0) & (spread <= 1e-3 * np.maximum(1.0, squares / 1e3)))


def _highest(dimensions: tuple[Dimension, ...], leaves: Counts) -> Counts:
    """Return the greatest leaf value under every cell."""
    values = leaves
    for axis, dimension in enumerate(dimensions):
        moved = np.moveaxis(values, axis, 0)
        rows = [moved[np.flatnonzero(row)].max(axis=0) for row in dimension.cover]
        values = np.moveaxis(np.array(rows), 0, axis)
    return values


def _protected(about: _Task, grain: Grain) -> tuple[Mask, Boxes]:
    """Hide other cells until each forbidden one is protected; return them with the proof.

    Raises:
        Refused: some cannot be protected at this grain.
    """
    places, each = about.territories, about.counted
    printed = grain.printed(places)
    dimensions = grain.dimensions(places)
    num = grain.leaves(places, each.num)
    # What is hidden or not printed anyway costs nothing and is asked nothing.
    asked = grain.cells(places, about.asked & printed)
    fixed = grain.cells(places, about.fixed)
    free = grain.cells(places, about.unsafe | ~printed) & ~asked
    if each.kind != "proportion":
        leaves = num
        if each.kind == "mean":
            leaves = (np.maximum(num, 0) // about.step).astype(np.int64)
        table = HierarchicalTable.of_leaves(dimensions, leaves)
        done = protect(table, asked, fixed=fixed, free=free, complementary=False, largest_program=0)
        hidden = done.hidden
    else:
        # Counted and not counted change places; the denominator is taken as known.
        den = grain.leaves(places, each.den)
        event = Dimension.flat("event", ("num", "rest"), "den")
        table = HierarchicalTable.of_leaves((*dimensions, event), np.stack([num, den - num], -1))
        known = np.ones_like(fixed)
        done = protect(
            table,
            np.stack([~known, asked, ~known], axis=-1),
            width=np.minimum(THRESHOLD, table.counts[..., :1]).astype(np.float64),
            fixed=np.stack([known, fixed, fixed], axis=-1),
            free=np.stack([~known, free, free | asked], axis=-1),
            complementary=False,
            largest_program=0,
        )
        hidden = done.hidden[..., 1]
        up, down = lifted(places, grain, about.shared, each)
        small = grain.cells(places, about.shared.unsafe & printed)
        if bool((small & (up + down < THRESHOLD)).any()):
            raise Refused("a small denominator would be known from those who are counted")
    return grain.back(places, hidden, about.unsafe), done.boxes or _no_boxes(len(table.dimensions))


def lifted(
    territories: Territories, grain: Grain, shared: Denominator, each: Counted
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how far the cells of a denominator move, and with them those counted or the others.

    A box of the denominator moves people who are counted, people who are not, or some of both, as
    many as the leaves of the grain that lose them have.

    Returns:
        Up and down, (territory, sex, age) of the grain; at most 11 a box.
    """
    dimensions, boxes = grain.dimensions(territories), shared.boxes
    num = grain.leaves(territories, each.num)
    rest = grain.leaves(territories, each.den) - num
    none = _structural(dimensions, num)[np.ix_(*(d.leaves for d in dimensions))]
    moves = _in_grain(territories, grain, shared, num.shape)
    leaf, box, amount = moves.coords[0], moves.coords[1], moves.data
    room = np.zeros((2, len(boxes.up)))
    for at, sign in enumerate((-1, 1)):
        losing, gaining = amount * sign > 0, amount * sign < 0
        for values, barred in ((num, none), (rest, np.zeros_like(none))):
            most = np.full(len(boxes.up), float(THRESHOLD))
            lost = values.ravel()[leaf[losing]] / np.abs(amount[losing])
            np.minimum.at(most, box[losing], lost)
            most[box[gaining & barred.ravel()[leaf]]] = 0.0
            room[at] += most
    room = np.minimum(room, THRESHOLD)
    moved = sparse.coo_array(sums(dimensions) @ moves.tocsr())
    shape = tuple(d.size for d in dimensions)
    up, down = np.zeros(shape), np.zeros(shape)
    cell, box, amount = moved.coords[0], moved.coords[1], moved.data
    for rising, falling in ((0, 1), (1, 0)):
        way = np.where(amount > 0, room[rising][box], room[falling][box]) * np.abs(amount)
        np.maximum.at((up, down)[rising].reshape(-1), cell, way)
    return up, down


def _in_grain(
    territories: Territories, grain: Grain, shared: Denominator, shape: tuple[int, ...]
) -> sparse.coo_array:
    """Return what the boxes of a denominator change in the leaves of a grain: a column each."""
    boxes = shared.boxes
    rows, columns, signs = [], [], []
    for ends in itertools.product((0, 1), repeat=3):
        corner = np.stack([boxes.leaves[:, axis, end] for axis, end in enumerate(ends)], axis=-1)
        there = (corner >= 0).all(axis=1)
        mine = grain.corners(territories, shared.grain, corner[there])
        rows.append(np.ravel_multi_index(tuple(mine.T), shape))
        columns.append(np.flatnonzero(there))
        signs.append(np.full(int(there.sum()), -1.0 if sum(ends) % 2 else 1.0))
    changes = sparse.coo_array(
        (np.concatenate(signs), (np.concatenate(rows), np.concatenate(columns))),
        shape=(int(np.prod(shape)), len(boxes.up)),
    ).tocsr()
    changes.eliminate_zeros()
    return sparse.coo_array(changes)


def _step(each: Counted, dimensions: tuple[Dimension, ...], unsafe: Mask) -> int:
    """Return the unit in which the sum of a mean is protected, eleven of which hide a person.

    It is what a unit has on average over the country, or an eleventh of the largest contribution
    to a cell that may not be shown, if that is more.
    """
    if each.kind != "mean" or each.largest is None:
        return 1
    total, units = int(each.num.sum()), int(each.den.sum())
    largest = int(_highest(dimensions, each.largest)[unsafe].max(initial=0))
    return max(1, total // max(units, 1), -(-largest // THRESHOLD))


# --- indicators that are parts of others --------------------------------------------------------


def _num_key(each: Counted) -> tuple[str, bytes]:
    return each.unit, each.num.tobytes()


def _close(
    tables: Sequence[Counted], dimensions: tuple[Dimension, ...]
) -> tuple[dict[tuple[str, bytes], Mask], dict[bytes, Mask]]:
    """Mark the cells in which a table is nearly one that it is a part of.

    Where one table is nowhere more than another, it is taken as a part of it, and what is left of
    the larger one as a group of people: who are eligible but not counted elsewhere, who have the
    disease and no other. Some pairs are so by chance only; they lose a cell too.
    """
    nums: dict[tuple[str, bytes], Counts] = {}
    dens: dict[bytes, Counts] = {}
    for each in tables:
        if each.kind != "mean":
            nums.setdefault(_num_key(each), each.num)
        dens.setdefault(each.den.tobytes(), each.den)
    if not dens:
        return {}, {}
    names: list[tuple[str, bytes] | bytes] = [*nums, *dens]
    leaves = np.array([*nums.values(), *dens.values()]).reshape(len(names), -1)
    whole = np.array([roll_up(dimensions, each) for each in (*nums.values(), *dens.values())])
    found: dict[tuple[str, bytes] | bytes, Mask] = {}
    for at, name in enumerate(names):
        larger = np.flatnonzero((leaves >= leaves[at]).all(axis=1))
        mark = np.zeros(whole.shape[1:], dtype=bool)
        for other in larger:
            left = whole[other] - whole[at]
            mark |= (left > 0) & (left < THRESHOLD) & (whole[at] > 0)
        if mark.any():
            found[name] = mark
    return (
        {k: v for k, v in found.items() if isinstance(k, tuple)},
        {k: v for k, v in found.items() if isinstance(k, bytes)},
    )


def _told_by_others(tables: Sequence[Counted]) -> dict[tuple[str, str, int], str]:
    """Return the tables that others tell: they would give hidden cells away.

    The same numerators among others, the denominator of another, the sum of two others, and who
    is not counted by another.
    """
    found: dict[tuple[str, str, int], str] = {}
    dens = {each.den.tobytes(): each.den for each in tables}
    first: dict[bytes, Counted] = {}
    for each in tables:
        if each.kind == "mean" or not each.num.any():
            continue
        name = each.num.tobytes()
        if name in first:
            found[each.key] = "same_numerator"
        elif name in dens:
            found[each.key] = "is_a_denominator"
        else:
            first[name] = each
    names = list(first)
    for at, name in enumerate(names):
        for other in names[at + 1 :]:
            whole = (first[name].num + first[other].num).tobytes()
            if whole in first:
                found[first[whole].key] = "sum_of_others"
            if whole in dens:
                found[first[other].key] = "rest_of_another"
    return found
