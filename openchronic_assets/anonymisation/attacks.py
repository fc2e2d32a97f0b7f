"""Attacks on a released file: singling out, linkability, inference, each against a control.

The three criteria of opinion 05/2014 of the European data protection authorities, measured the
way of anonymeter (Giomi et al. 2023): the share of attacks that succeed, less what succeeds
without the release, with a confidence interval whose *upper* bound decides. The control is a
group of people who are not in the file where there is one. A file of everybody has no such group:
then each person is attacked twice, in the file and in the same file without that person's row,
and what counts is what the row changed.

An attack that finds nothing proves nothing unless it can find something: the same attacks run on
a file that leaks on purpose, and must succeed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from openchronic_assets.errors import OpenChronicError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIMIT = 0.09
"""Largest accepted upper bound of an excess risk (EMA policy 0070)."""

POWER = 0.3
"""Risk that the attacks must show on a file that leaks on purpose."""

_Z = 1.959963984540054


@dataclass(frozen=True)
class Risk:
    """What one kind of attack achieved.

    Attributes:
        attack: ``singling_out``, ``linkability`` or ``inference``.
        attempts: attacks made.
        rate: share that succeeded.
        control: share that succeeded against the control.
        risk: excess (rate - control) / (1 - control), at least 0.
        low: lower bound at 95 %.
        high: upper bound at 95 %: the figure that decides.
    """

    attack: str
    attempts: int
    rate: float
    control: float
    risk: float
    low: float
    high: float


def attack(
    released: Sequence[tuple[str, ...]],
    counts: Sequence[int],
    original: Sequence[tuple[str, ...]],
    covers: Mapping[int, Mapping[str, frozenset[str]]] | None = None,
    control: Sequence[tuple[str, ...]] | None = None,
    *,
    attempts: int = 1000,
    seed: int = 0,
) -> tuple[Risk, Risk, Risk]:
    """Attack a released table.

    Args:
        released: distinct published tuples.
        counts: rows of each.
        original: the people in the file, at the finest level known to an attacker.
        covers: for a column by position, each published value with the leaves that it stands for;
            a value not named stands for itself.
        control: people who are not in the file; None attacks each person with and without
            their own row.
        attempts: predicates tried, and people attacked (all of them where they are fewer).
        seed: of the draws.

    Raises:
        UsageError: fewer than two columns, or tables of other widths.
        OpenChronicError: the file or the group attacked is empty.
    """
    if not released or not original or (control is not None and not control):
        raise OpenChronicError("there is nothing to attack: the file or a group is empty")
    width = len(released[0])
    if width < 2 or any(len(line) != width for line in (*released, *original, *(control or ()))):
        raise UsageError("attacks need tables of the same two columns or more")
    draw = np.random.default_rng(seed)
    file = _File(released, np.asarray(counts, dtype=np.int64), covers or {}, original, control)
    targets = draw.permutation(len(original))[:attempts]
    others = None if control is None else draw.permutation(len(control))[:attempts]
    return (
        _singling_out(file, attempts, others is not None, draw),
        _linkability(file, targets, others),
        _inference(file, targets, others),
    )


def power(
    original: Sequence[tuple[str, ...]], *, attempts: int = 200, seed: int = 0
) -> tuple[Risk, Risk, Risk]:
    """Attack a file that leaks on purpose: the original rows, between marks of their own."""
    drawn = np.random.default_rng(seed).permutation(len(original))[:attempts]
    leaky = [(f"mark {n}", *original[n], f"mark {n}") for n in drawn.tolist()]
    return attack(leaky, [1] * len(leaky), leaky, attempts=attempts, seed=seed)


class _File:
    """The released classes and who they fit."""

    def __init__(
        self,
        released: Sequence[tuple[str, ...]],
        counts: NDArray[np.int64],
        covers: Mapping[int, Mapping[str, frozenset[str]]],
        original: Sequence[tuple[str, ...]],
        control: Sequence[tuple[str, ...]] | None,
    ) -> None:
        self.counts = counts
        self.width = len(released[0])
        self.leaves: list[dict[str, int]] = []
        self.fits: list[NDArray[np.bool_]] = []
        self.published: list[NDArray[np.int64]] = []
        self.people = np.zeros((len(original), self.width), dtype=np.int64)
        self.others = np.zeros((len(control or ()), self.width), dtype=np.int64)
        for d in range(self.width):
            index: dict[str, int] = {}
            for line in (*original, *(control or ())):
                index.setdefault(line[d], len(index))
            values = list(dict.fromkeys(line[d] for line in released))
            place = {value: position for position, value in enumerate(values)}
            fits = np.zeros((len(values), len(index)), dtype=bool)
            for value, position in place.items():
                for leaf in covers.get(d, {}).get(value, frozenset((value,))):
                    if leaf in index:
                        fits[position, index[leaf]] = True
            self.leaves.append(index)
            self.fits.append(fits)
            self.published.append(np.array([place[line[d]] for line in released]))
            self.people[:, d] = [index[line[d]] for line in original]
            if control:
                self.others[:, d] = [index[line[d]] for line in control]

        self.distinct = np.unique(self.people, axis=0, return_counts=True)
        self.distinct_others = np.unique(self.others, axis=0, return_counts=True)

    def agreement(self, people: NDArray[np.int64], columns: Sequence[int]) -> NDArray[np.int64]:
        """Count, for people (rows) and classes, on how many of some columns they fit."""
        agreed = np.zeros((len(people), len(self.counts)), dtype=np.int64)
        for d in columns:
            agreed += self.fits[d][self.published[d]][:, people[:, d]].T
        return agreed

    def best(self, people: NDArray[np.int64], columns: Sequence[int]) -> NDArray[np.bool_]:
        """Mark, for people (rows), the classes that fit best on some columns."""
        agreed = self.agreement(people, columns)
        marked: NDArray[np.bool_] = agreed == agreed.max(axis=1, keepdims=True)
        return marked

    def own(self, people: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the class that each person's row is in: the smallest that fits; -1 for none."""
        fitting = self.agreement(people, range(self.width)) == self.width
        size = np.where(fitting, self.counts, np.iinfo(np.int64).max)
        return np.where(fitting.any(axis=1), size.argmin(axis=1), -1)


_CELLS_AT_ONCE = 10_000_000

Success = Callable[["_File", "NDArray[np.int64]", "NDArray[np.float64]"], "NDArray[np.float64]"]
"""Chance of success for people, given how much each class weighs for each of them."""


def _singling_out(
    file: _File, attempts: int, with_control: bool, draw: np.random.Generator
) -> Risk:
    """Take predicates from released rows; one that fits exactly one person singles them out.

    The rarest rows are tried first, on all their columns, then random columns of random rows. The
    same predicates isolate people of the control by chance; without a control nothing is deducted.
    """
    rare = np.argsort(file.counts, kind="stable")[: (attempts + 1) // 2]
    drawn = draw.choice(len(file.counts), attempts - len(rare), p=file.counts / file.counts.sum())
    isolated = chance = 0
    for number, released in enumerate((*rare.tolist(), *drawn.tolist())):
        columns = (
            np.arange(file.width)
            if number < len(rare)
            else np.flatnonzero(draw.random(file.width) < 0.75)
        )
        for (people, size), control in ((file.distinct, False), (file.distinct_others, True)):
            fitting = np.ones(len(people), dtype=bool)
            for d in columns:
                fitting &= file.fits[d][file.published[d][released], people[:, d]]
            if control:
                chance += with_control and int(size[fitting].sum()) == 1
            else:
                isolated += int(size[fitting].sum()) == 1
    if with_control:
        return _between("singling_out", isolated, attempts, chance, attempts)
    rate = isolated / attempts
    return Risk("singling_out", attempts, rate, 0.0, rate, *wilson(isolated, attempts))


def _linkability(file: _File, targets: NDArray[np.int64], others: NDArray[np.int64] | None) -> Risk:
    """Join two sources that know half of the columns each, through the released rows."""
    middle = (file.width + 1) // 2
    halves = (range(middle), range(middle, file.width))

    def success(
        file: _File, people: NDArray[np.int64], weights: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        first, second = (file.best(people, half) for half in halves)
        left, right = (first * weights).sum(axis=1), (second * weights).sum(axis=1)
        both = ((first & second) * weights).sum(axis=1)
        chance: NDArray[np.float64] = both / np.maximum(left * right, 1.0)
        return chance

    return _measured("linkability", file, targets, others, success)


def _inference(file: _File, targets: NDArray[np.int64], others: NDArray[np.int64] | None) -> Risk:
    """Guess each column in turn from the others: the commonest value of the rows that fit best.

    Without a control, the value of one of these rows, drawn at random.
    """
    found = []
    for secret in range(file.width):
        known = [d for d in range(file.width) if d != secret]
        value_of = np.zeros((len(file.counts), len(file.fits[secret])))
        value_of[np.arange(len(file.counts)), file.published[secret]] = 1.0
        size = np.maximum(file.fits[secret].sum(axis=1), 1)

        def success(
            file: _File,
            people: NDArray[np.int64],
            weights: NDArray[np.float64],
            secret: int = secret,
            known: Sequence[int] = tuple(known),
            value_of: NDArray[np.float64] = value_of,
            size: NDArray[np.int64] = size,
        ) -> NDArray[np.float64]:
            votes = (file.best(people, known) * weights) @ value_of
            if others is None:
                # One row more or less decides ties: draw a row, rather than take the commonest.
                right = file.fits[secret][:, people[:, secret]].T / size
                drawn: NDArray[np.float64] = (votes * right).sum(axis=1) / np.maximum(
                    votes.sum(axis=1), 1.0
                )
                return drawn
            guess = votes.argmax(axis=1)
            hit = file.fits[secret][guess, people[:, secret]] & (votes.max(axis=1) > 0)
            chance: NDArray[np.float64] = hit / size[guess]
            return chance

        found.append(_measured("inference", file, targets, others, success))
    return max(found, key=lambda risk: risk.high)


def _measured(
    name: str,
    file: _File,
    targets: NDArray[np.int64],
    others: NDArray[np.int64] | None,
    success: Success,
) -> Risk:
    """Attack the targets and their control."""
    people = file.people[targets]
    step = max(1, _CELLS_AT_ONCE // len(file.counts))

    def attacked(group: NDArray[np.int64], without_own: bool = False) -> NDArray[np.float64]:
        parts = []
        for start in range(0, len(group), step):
            part = group[start : start + step]
            weights = np.repeat(file.counts[None].astype(float), len(part), axis=0)
            if without_own:
                own = file.own(part)
                there = np.flatnonzero(own >= 0)
                weights[there, own[there]] -= 1
            parts.append(success(file, part, weights))
        return np.concatenate(parts)

    inside = attacked(people)
    if others is not None:
        outside = attacked(file.others[others])
        return _between(name, float(inside.sum()), len(inside), float(outside.sum()), len(outside))
    without = attacked(people, without_own=True)
    gained = float(np.maximum(inside - without, 0.0).sum())
    control = float(without.mean())
    centre, low, high = gained / len(inside), *wilson(gained, len(inside))
    # Of a finite group, of whom a large part or all were attacked, less is left to chance.
    left_out = math.sqrt((len(file.people) - len(inside)) / max(1, len(file.people) - 1))
    low, high = centre - (centre - low) * left_out, centre + (high - centre) * left_out
    left = max(1e-9, 1 - control)
    risk, low, high = (min(1.0, max(0.0, figure / left)) for figure in (centre, low, high))
    return Risk(name, len(inside), float(inside.mean()), control, risk, low, high)


def _between(name: str, hits: float, attempts: int, chance: float, controls: int) -> Risk:
    """Return the excess of one rate over another, errors propagated as anonymeter does."""
    rate, control = hits / attempts, chance / controls
    low, high = wilson(hits, attempts)
    low0, high0 = wilson(chance, controls)
    left = max(1e-9, 1 - control)
    risk = max(0.0, (rate - control) / left)
    error = math.hypot((high - low) / 2 / left, (1 - rate) / left**2 * (high0 - low0) / 2)
    centre = ((high + low) / 2 - (high0 + low0) / 2) / left
    return Risk(
        name, attempts, rate, control, risk, max(0.0, centre - error), min(1.0, max(risk, centre)
                                                                           + error)
    )  # fmt: skip


def wilson(hits: float, attempts: int) -> tuple[float, float]:
    """Return the Wilson interval of a share at 95 %."""
    if attempts < 1 or not 0 <= hits <= attempts + 1e-9:
        raise UsageError("a share needs attempts, and no more hits than attempts")
    share = hits / attempts
    base = 1 + _Z**2 / attempts
    centre = (share + _Z**2 / (2 * attempts)) / base
    reach = _Z / base * math.sqrt(share * (1 - share) / attempts + _Z**2 / (4 * attempts**2))
    return max(0.0, centre - reach), min(1.0, centre + reach)
