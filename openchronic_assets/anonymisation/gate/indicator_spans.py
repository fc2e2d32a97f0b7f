"""What an attacker concludes of the hidden cells of a release of indicators.

A proof is a set of boxes: leaf cells that can gain and lose people so that no printed number
changes. Each is tried here, by addition only: whatever made it, a change that leaves all that is
shown as it is and moves a hidden cell by eleven shows that the cell is hidden. Boxes are of the
leaves of a grain: of the finest territories printed, of each sex and age or of all.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np

from openchronic_assets.anonymisation.gate.indicator_evidence import (
    AGES,
    ALL_SEXES,
    FEWEST,
    GROUPS,
    SHARE,
    WIDTH,
    Evidence,
    Printed,
    Truth,
)
from openchronic_assets.anonymisation.gate.verdict import Finding

LEVELS = ("country", "region", "department")


def intervals(e: Evidence) -> Finding:
    """What an attacker can conclude of each hidden small cell is at least 11 wide and reaches 11.

    In a denominator of fewer than 11, which is hidden too, anything from none to all is possible.
    """
    narrow, checked, least = 0, 0, math.inf
    near = _near(e)
    for at, truth, one in e.pairs():
        about = truth.about
        body = e.denominators[about["denominator"]]
        grain, shared = Grain(e, about["grain"]), Grain(e, body["grain"])
        key = (about["year"], truth.leaves["den"].tobytes())
        den_shown = e.den_shown[key]
        spans = Spans(e, truth, one, den_shown, grain)
        for owner in (0, 1):
            if (owner, at) in e.boxes:
                spans.take(e.boxes[owner, at], owner)
        if (2, about["denominator"]) in e.boxes:
            spans.take_denominator(e.boxes[2, about["denominator"]], shared)
        narrow += spans.broken
        # What the grain does not have is printed nowhere.
        narrow += int((one.shown & ~grain.printed).sum() + (den_shown & ~shared.printed).sum())
        unit = _unit(truth)
        hidden = (one.status == "suppressed") & grain.printed & ~spans.nobody
        # Where the whole country has none, none is what everybody knows.
        asked = hidden & ~spans.none & (_small(e, truth) | near["num"].get(at, False))
        num, den = e.whole(truth.leaves["num"]), e.whole(truth.leaves["den"])
        wide = np.full(den.shape, WIDTH)
        if about["kind"] == "proportion":
            wide = np.minimum(wide, den)
        width = (spans.up_num + spans.down_num) / unit
        top = (num + spans.up_num) / unit
        checked += int(asked.sum())
        narrow += int((asked & ((width < wide - 1e-4) | (top < wide - 1e-4))).sum())
        full = asked & (wide >= WIDTH)
        if full.any():
            least = min(least, float(width[full].min()))
        if about["kind"] == "mean":
            # What one gave to a cell that is too small for it is not known better than itself.
            top_of = e.largest(truth.leaves["largest"])
            known = spans.up_num + spans.down_num < top_of * (1 - 1e-9)
            narrow += int((asked & _small_sum(e, truth, top_of) & known).sum())
        # A small denominator: no file shows it, and it cannot be worked out either.
        few = (den > 0) & ((den < FEWEST) | (e.whole(truth.leaves["den_people"]) < FEWEST))
        few = hidden & (few | near["den"].get(key, False))
        checked += int(few.sum())
        narrow += int((few & (spans.up_den + spans.down_den < WIDTH - 1e-4)).sum())
        narrow += int((few & den_shown).sum())
    return Finding(
        narrow == 0,
        f"{checked} hidden counts, {narrow} known too well",
        WIDTH,
        least if math.isfinite(least) else WIDTH,
    )


# --- which numerators are not to be known ------------------------------------------------------


def _small(e: Evidence, truth: Truth) -> Any:
    """Mark the cells that a rule forbids for themselves."""
    leaves, kind = truth.leaves, truth.about["kind"]
    num, den = e.whole(leaves["num"]), e.whole(leaves["den"])
    behind = e.whole(leaves["num_people"])
    small = (den > 0) & ((den < FEWEST) | (e.whole(leaves["den_people"]) < FEWEST))
    if kind == "mean":
        top = e.largest(leaves["largest"])
        squares = e.whole(leaves["squares"])
        small |= (behind > 0) & (behind < FEWEST)
        small |= (top > 0) & ((top > SHARE * num) | ((top / 100) ** 2 > SHARE * squares))
        mean = num / 100 / np.maximum(den, 1)
        return small | ((squares > 0) & (squares - num / 100 * mean <= 1e-9 * squares))
    small |= (num > 0) & ((num < FEWEST) | (behind < FEWEST))
    if kind == "proportion":
        rest = e.whole(leaves["rest_people"])
        small |= (den > 0) & ((den - num < FEWEST) | (rest < FEWEST))
    return small


def _near(e: Evidence) -> dict[str, dict[Any, Any]]:
    """Mark the cells that another table of this or another release comes close to.

    Returns:
        ``num`` by the position of a table, ``den`` by year and true table.
    """
    found: dict[str, dict[Any, Any]] = {"num": {}, "den": {}}
    by_year: dict[int, list[tuple[str, Any, Any]]] = defaultdict(list)
    where = {}
    for at, truth, _ in e.pairs():
        about = truth.about
        where[about["indicator"], about["condition"], about["year"]] = at
        if about["kind"] != "mean":
            by_year[about["year"]].append(("num", at, truth.leaves["num"]))
    shape = (len(e.departments), 2, len(GROUPS))
    for year, name in e.den_shown:
        leaves = np.frombuffer(name, dtype=np.int64).reshape(shape)
        by_year[year].append(("den", (year, name), leaves))
    for tables in by_year.values():
        whole = [e.whole(leaves) for _, _, leaves in tables]
        for one, (what, name, part) in enumerate(tables):
            for other, (_, _, leaves) in enumerate(tables):
                if other != one and bool((part <= leaves).all()):
                    left = whole[other] - whole[one]
                    mark = (left > 0) & (left < FEWEST) & (whole[one] > 0)
                    if mark.any():
                        found[what][name] = found[what].get(name, False) | mark
    for key, before in e.before:
        truth = e.truths[where[key]]
        num = e.whole(truth.leaves["num"])
        mark = before.status == "suppressed"
        if truth.about["kind"] != "mean":
            moved = abs(before.num - num)
            mark |= (moved > 0) & (moved < FEWEST)
        found["num"][where[key]] = found["num"].get(where[key], False) | mark
    for key, counts in e.rows:
        gap = abs(e.whole(e.truths[where[key]].leaves["num"]) - counts)
        mark = (counts > 0) & (gap > 0) & (gap < FEWEST)
        found["num"][where[key]] = found["num"].get(where[key], False) | mark
    return found


def _unit(truth: Truth) -> float:
    """Return what a person stands for in the numerator: one, or the mean of the country."""
    if truth.about["kind"] != "mean":
        return 1.0
    total, units = int(truth.leaves["num"].sum()), int(truth.leaves["den"].sum())
    return float(max(1, total // max(units, 1)))


def _small_sum(e: Evidence, truth: Truth, largest: Any) -> Any:
    """Mark the cells whose sum has few contributors, or one who holds nearly all."""
    leaves = truth.leaves
    few = (e.whole(leaves["den"]) < FEWEST) | (e.whole(leaves["num_people"]) < FEWEST)
    return (largest > 0) & (few | (largest > SHARE * e.whole(leaves["num"])))


# --- what moves ----------------------------------------------------------------------------------


class Grain:
    """The cells that a table may print, and the leaves that its boxes are of."""

    def __init__(self, e: Evidence, detail: list[int]) -> None:
        if len(detail) != len(LEVELS) or not all(d in (-1, 0, 1, 2) for d in detail):
            raise ValueError("a grain says how much of sex and age each level prints")
        levels = np.array([LEVELS.index(level) for level, _ in e.places])
        finest = max(at for at, d in enumerate(detail) if d >= 0)
        groups = e.under[levels == finest]
        if not (groups.sum(axis=0) == 1).all():
            raise ValueError("the finest territories do not divide the country")
        self.crossed = max(detail) > 0
        self.of = groups.argmax(axis=0)
        self.first = np.array([np.flatnonzero(group)[0] for group in groups])
        # The printed territories that hold a leaf whole: one row a leaf, -1 where there is none.
        above = [
            np.flatnonzero((levels <= finest) & (e.under[:, group.astype(bool)] == 1).all(axis=1))
            for group in groups
        ]
        self.above = np.full((len(above), max(map(len, above))), -1)
        for leaf, territories in enumerate(above):
            self.above[leaf, : len(territories)] = territories
        fine = (np.arange(len(ALL_SEXES)) > 0)[:, None] * 1 + (np.arange(len(AGES)) > 0)
        self.printed = fine[None] <= np.array(detail)[levels][:, None, None]

    def leaves(self, values: Any) -> Any:
        """Sum values by department, sex and age to the leaves."""
        found = np.zeros((len(self.first), *values.shape[1:]), dtype=values.dtype)
        for department, leaf in enumerate(self.of):
            found[leaf] += values[department]
        return found if self.crossed else found.sum(axis=(1, 2), keepdims=True)

    def inside(self, finer: Grain, p: Any, s: Any, a: Any) -> tuple[Any, Any, Any]:
        """Return the leaves that hold those of a finer grain."""
        if self.crossed and not finer.crossed:
            raise ValueError("an indicator is told more finely than its denominator")
        place = self.of[finer.first[p]]
        return (place, s, a) if self.crossed else (place, s * 0, a * 0)


class Spans:
    """How far each printed cell of one table moves while all that is shown stays."""

    def __init__(
        self, e: Evidence, truth: Truth, one: Printed, den_shown: Any, grain: Grain
    ) -> None:
        self.e, self.grain = e, grain
        self.kind = truth.about["kind"]
        self.truth = truth.leaves
        self.num, self.den = (grain.leaves(truth.leaves[name]) for name in ("num", "den"))
        shape = one.status.shape
        self.up_num, self.down_num = np.zeros(shape), np.zeros(shape)
        self.up_den, self.down_den = np.zeros(shape), np.zeros(shape)
        self.num_fixed = (one.status != "suppressed").ravel()
        self.den_fixed = den_shown.ravel() | (one.status == "absent").ravel()
        self.none = _nowhere(e, abs(truth.leaves["num"]))
        self.nobody = _nowhere(e, truth.leaves["den"])
        self.broken = 0
        self.unit = float(truth.about["step"])
        self.broken += self.unit < 1 or (self.kind != "mean" and self.unit != 1)

    def take(self, boxes: dict[str, Any], owner: int) -> None:
        """Try every box of the numerator, both ways; owner 1 has the others of a proportion too."""
        up, down = boxes["up"], boxes["down"]
        box, p, s, a, v, w = _corners(boxes, owner == 1)
        self._inside(self.num.shape, p, s, a)
        if owner == 1:
            has = np.where(v == 0, self.num[p, s, a], self.den[p, s, a] - self.num[p, s, a])
        else:
            has = np.maximum(self.num[p, s, a], 0) / self.unit
        barred = _none_of(self.den)
        if owner == 0:
            barred |= _none_of(abs(self.num))
        self._room(box, w, has, barred[p, s, a], up, down)
        moves = w * (v == 0) * (self.unit if owner == 0 else 1)
        self._move(self.grain, box, p, s, a, moves, up, down, self.num_fixed, "num")
        if owner == 1:
            self._move(self.grain, box, p, s, a, w, up, down, self.den_fixed, "")
        self.broken += int((up < 0).sum() + (down < 0).sum()) + (len(up) == 0)

    def take_denominator(self, boxes: dict[str, Any], shared: Grain) -> None:
        """Try every box of the denominator, both ways; of a proportion with its two parts.

        People who come and go are counted, or not, or some of both: as many as each part has.
        """
        up, down = boxes["up"], boxes["down"]
        box, p, s, a, _, w = _corners(boxes, False)
        den = shared.leaves(self.truth["den"])
        self._inside(den.shape, p, s, a)
        self._room(box, w, den[p, s, a], _none_of(den)[p, s, a], up, down)
        own = self.kind != "proportion"
        # Whatever is shown of the denominator by anybody stays.
        self._move(shared, box, p, s, a, w, up, down, self.den_fixed, "den" if own else "")
        if own:
            return
        place, sex, age = self.grain.inside(shared, p, s, a)
        leaf = np.ravel_multi_index((place, sex, age), self.num.shape)
        cells = self.num.size
        pair, back = np.unique(box * cells + leaf, return_inverse=True)
        net = np.bincount(back, weights=w, minlength=len(pair))
        pair, net = pair[net != 0], net[net != 0]
        box, leaf = pair // cells, pair % cells
        counted, others = self.num.ravel(), (self.den - self.num).ravel()
        none = _none_of(self.num).ravel()
        room = []
        for loses in (net < 0, net > 0):
            total = np.zeros(len(up))
            for part, barred in ((counted, none), (others, np.zeros_like(none))):
                most = np.full(len(up), WIDTH)
                np.minimum.at(most, box[loses], part[leaf[loses]] / abs(net[loses]))
                most[box[~loses & barred[leaf]]] = 0.0
                total += most
            room.append(np.minimum(total, WIDTH))
        p, s, a = np.unravel_index(leaf, self.num.shape)
        gains, losses = room
        self._move(self.grain, box, p, s, a, net, gains, losses, self.den_fixed, "den")

    def _inside(self, shape: tuple[int, ...], p: Any, s: Any, a: Any) -> None:
        for index, size in zip((p, s, a), shape, strict=True):
            if (index >= size).any():
                raise ValueError("a proof is about a leaf that there is not")

    def _room(self, box: Any, w: Any, has: Any, barred: Any, up: Any, down: Any) -> None:
        """Nobody can be fewer than none, nor be where all know that nobody can be."""
        taken = np.where(w > 0, down[box], up[box])
        gained = np.where(w > 0, up[box], down[box])
        self.broken += int((taken > has + 1e-6).sum()) + int((barred & (gained > 0)).sum())

    def _move(
        self, grain: Grain, box: Any, p: Any, s: Any, a: Any, moves: Any, up: Any, down: Any,
        fixed: Any, what: str,
    ) -> None:  # fmt: skip
        """See that no shown cell moves, and note how far the others do."""
        if not np.any(moves):
            return
        which, cell, amount = self._printed(grain, box, p, s, a, moves)
        there = np.abs(amount) > 1e-9
        which, cell, amount = which[there], cell[there], amount[there]
        self.broken += int(fixed[cell].sum())
        if not what:
            return
        above, below = (getattr(self, f"{way}_{what}") for way in ("up", "down"))
        gain = np.where(amount > 0, amount * up[which], -amount * down[which])
        loss = np.where(amount > 0, amount * down[which], -amount * up[which])
        np.maximum.at(above.reshape(-1), cell, gain)
        np.maximum.at(below.reshape(-1), cell, loss)

    def _printed(
        self, grain: Grain, box: Any, p: Any, s: Any, a: Any, moves: Any
    ) -> tuple[Any, Any, Any]:
        """Sum the moves of leaf cells in every printed cell above them, box by box."""
        parts = []
        cells = len(self.e.places) * len(ALL_SEXES) * len(AGES)
        all_ = np.zeros_like(s)
        for level in range(grain.above.shape[1]):
            above = grain.above[p, level]
            for sex in (all_, s + 1) if grain.crossed else (all_,):
                for age in (all_, a + 1) if grain.crossed else (all_,):
                    there = above >= 0
                    cell = (above * len(ALL_SEXES) + sex) * len(AGES) + age
                    parts.append((box[there] * cells + cell[there], moves[there]))
        keys = np.concatenate([key for key, _ in parts])
        amounts = np.concatenate([amount for _, amount in parts]).astype(float)
        one, inverse = np.unique(keys, return_inverse=True)
        sums = np.bincount(inverse, weights=amounts, minlength=len(one))
        return one // cells, one % cells, sums


def _corners(boxes: dict[str, Any], with_others: bool) -> tuple[Any, ...]:
    """Return the leaves of boxes: number of the box, place, sex, age, event, sign."""
    ends = {
        axis: np.stack([boxes[f"{axis}0"], boxes[f"{axis}1"]], axis=1)
        for axis in ("place", "sex", "age", "event")
    }
    parts = []
    for corner in range(16):
        pick = [(corner >> bit) & 1 for bit in range(4)]
        p, s, a, v = (
            ends[axis][:, side]
            for axis, side in zip(("place", "sex", "age", "event"), pick, strict=True)
        )
        if not with_others:
            v = np.full_like(p, -1 if pick[3] else 0)
        there = (p >= 0) & (s >= 0) & (a >= 0) & (v >= 0)
        sign = np.full(int(there.sum()), -1 if sum(pick) % 2 else 1)
        parts.append((np.flatnonzero(there), p[there], s[there], a[there], v[there], sign))
    return tuple(np.concatenate(each) for each in zip(*parts, strict=True))


def _none_of(leaves: Any) -> Any:
    """Mark the leaves of a sex or an age in which there is none at all."""
    mark = np.zeros(leaves.shape, dtype=bool)
    mark |= (leaves.sum(axis=(0, 2)) == 0)[None, :, None]
    mark |= (leaves.sum(axis=(0, 1)) == 0)[None, None, :]
    return mark


def _nowhere(e: Evidence, leaves: Any) -> Any:
    """Mark the printed cells of a sex or an age in which the whole country has none."""
    mark = np.zeros((len(e.places), len(ALL_SEXES), len(AGES)), dtype=bool)
    if not leaves.any():
        return ~mark
    for s in range(2):
        mark[:, s + 1] |= not leaves[:, s].any()
    for a in range(len(GROUPS)):
        mark[:, :, a + 1] |= not leaves[:, :, a].any()
    return mark
