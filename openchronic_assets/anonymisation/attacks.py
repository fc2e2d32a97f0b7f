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
from collections.abc import Mapping, Sequence
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
        attempts: attacks of each kind; fewer only where there are fewer people.
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
        _singling_out(file, targets, others, draw),
        _linkability(file, targets, others),
        _inference(file, targets, others),
    )


def power(
    original: Sequence[tuple[str, ...]], *, attempts: int = 500, seed: int = 0
) -> tuple[Risk, Risk, Risk]:
    """Attack a file that leaks on purpose: the original rows, each with a mark of its own."""
    leaky = [(*line, f"mark {number}") for number, line in enumerate(original)]
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

    def matches(self, person: NDArray[np.int64], columns: Sequence[int]) -> NDArray[np.bool_]:
        """Mark the classes that fit a person best on some columns."""
        agreed = np.zeros(len(self.counts), dtype=np.int64)
        for d in columns:
            agreed += self.fits[d][self.published[d], person[d]]
        best: NDArray[np.bool_] = agreed == agreed.max()
        return best

    def own(self, person: NDArray[np.int64]) -> int | None:
        """Return the class that a person's row is taken to be in: the most precise that fits."""
        fitting = np.ones(len(self.counts), dtype=bool)
        for d in range(self.width):
            fitting &= self.fits[d][self.published[d], person[d]]
        where = np.flatnonzero(fitting)
        return int(where[np.argmin(self.counts[where])]) if len(where) else None


def _singling_out(
    file: _File,
    targets: NDArray[np.int64],
    others: NDArray[np.int64] | None,
    draw: np.random.Generator,
) -> Risk:
    """Take predicates from released rows; one that fits exactly one person singles them out.

    The rarest rows are tried first, on all their columns, then random columns of random rows.
    """
    wanted = len(targets)
    rare = np.argsort(file.counts, kind="stable")[: (wanted + 1) // 2]
    drawn = draw.choice(len(file.counts), wanted - len(rare), p=file.counts / file.counts.sum())
    isolated = chance = 0
    reference = file.people if others is None else file.others
    for number, released in enumerate((*rare, *drawn)):
        if number < len(rare):
            columns = np.arange(file.width)
        else:
            columns = np.flatnonzero(draw.random(file.width) < 0.75)
        shuffled = draw.permutation(file.width)

        def fitting(
            people: NDArray[np.int64],
            columns: NDArray[np.int64] = columns,
            released: int = int(released),
        ) -> int:
            mark = np.ones(len(people), dtype=bool)
            for d in columns:
                mark &= file.fits[d][file.published[d][released], people[:, d]]
            return int(mark.sum())

        isolated += fitting(file.people) == 1
        if others is not None:
            chance += fitting(reference) == 1
        else:
            # Without the file: the same number of attributes guessed from their frequencies.
            mark = np.ones(len(file.people), dtype=bool)
            for d in shuffled[: len(columns)]:
                mark &= file.people[:, d] == file.people[draw.integers(len(file.people)), d]
            chance += int(mark.sum()) == 1
    if others is None:
        # The guess may do better than the file; it never lowers a positive rate below itself.
        chance = min(chance, isolated // 2)
    return _between("singling_out", isolated, wanted, chance, wanted)


def _linkability(file: _File, targets: NDArray[np.int64], others: NDArray[np.int64] | None) -> Risk:
    """Join two sources that know half of the columns each, through the released rows."""
    halves = (range(0, file.width, 2), range(1, file.width, 2))
    if file.width > 2:
        # The last column tells most in a leaky file: both sources know it there.
        halves = (range(0, file.width // 2 + file.width % 2), range(file.width // 2, file.width))

    def success(person: NDArray[np.int64], counts: NDArray[np.int64]) -> float:
        first, second = (file.matches(person, half) for half in halves)
        left, right = float(counts[first].sum()), float(counts[second].sum())
        both = float(counts[first & second].sum())
        return both / (left * right) if left and right else 0.0

    return _measured("linkability", file, targets, others, success)


def _inference(file: _File, targets: NDArray[np.int64], others: NDArray[np.int64] | None) -> Risk:
    """Guess each column in turn from the others, by the commonest value of the rows that fit."""
    worst: Risk | None = None
    for secret in range(file.width):
        known = [d for d in range(file.width) if d != secret]

        def success(
            person: NDArray[np.int64],
            counts: NDArray[np.int64],
            secret: int = secret,
            known: Sequence[int] = tuple(known),
        ) -> float:
            rows = file.matches(person, known)
            weight = np.bincount(
                file.published[secret][rows],
                weights=counts[rows],
                minlength=len(file.fits[secret]),
            )
            if not weight.any():
                return 0.0
            guess = int(weight.argmax())
            size = max(1, int(file.fits[secret][guess].sum()))
            return float(file.fits[secret][guess, person[secret]]) / size

        found = _measured("inference", file, targets, others, success)
        if worst is None or found.high > worst.high:
            worst = found
    if worst is None:
        raise UsageError("no column to infer")
    return worst


def _measured(
    name: str,
    file: _File,
    targets: NDArray[np.int64],
    others: NDArray[np.int64] | None,
    success: object,
) -> Risk:
    """Attack the targets and their control."""
    assert callable(success)
    inside = np.array([success(file.people[t], file.counts) for t in targets])
    if others is not None:
        outside = np.array([success(file.others[o], file.counts) for o in others])
        return _between(name, float(inside.sum()), len(inside), float(outside.sum()), len(outside))
    without = np.zeros(len(targets))
    for number, target in enumerate(targets):
        own = file.own(file.people[target])
        if own is None:
            without[number] = inside[number]
            continue
        counts = file.counts.copy()
        counts[own] -= 1
        without[number] = success(file.people[target], counts)
    gained = float(np.maximum(inside - without, 0.0).sum())
    control = float(without.mean())
    centre, low, high = gained / len(inside), *wilson(gained, len(inside))
    left = max(1e-9, 1 - control)
    return Risk(
        name, len(inside), float(inside.mean()), control,
        min(1.0, centre / left), min(1.0, low / left), min(1.0, high / left),
    )  # fmt: skip


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
