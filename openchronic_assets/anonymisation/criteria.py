"""What each class of a published table must satisfy, decided without rounding.

A class is the set of records that share their published quasi-identifiers. With q the shares of
the sensitive values in the class and p those in the published table:

- k-anonymity: at least k records;
- l-diversity (Machanavajjhala et al. 2007): at least l distinct values; or exp(entropy of q) >= l;
  or recursive (c, l): r1 < c (rl + ... + rm), r the counts in descending order;
- (alpha, k) (Wong et al. 2006): no value holds more than the share alpha;
- t-closeness (Li et al. 2007): the earth mover's distance of q and p is at most t;
- beta-likeness (Cao, Karras 2012): each gain (q - p) / p is at most beta; enhanced: and at most
  -ln p;
- delta-disclosure (Brickell, Shmatikov 2008): |ln (q / p)| <= delta for the values in the class.

Counts and parameters are integers and fractions, so that a class that lies exactly on a threshold
is never judged by the luck of a float.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from openchronic_assets.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Number = int | float | str | Decimal | Fraction

DIVERSITIES = ("distinct", "entropy", "recursive")
DISTANCES = ("equal", "ordered", "hierarchical")

# Closer than this to a threshold, a float says nothing: the class is judged by exact arithmetic.
_NEAR = 1e-9
# Cells of the arrays (classes, values) that a distance works on at once.
_CELLS = 2_000_000


def exact(value: Number, name: str) -> Fraction:
    """Return the number that was written: 0.1 is one tenth.

    Raises:
        UsageError: it is not a finite number.
    """
    try:
        return Fraction(str(value))
    except (ValueError, ZeroDivisionError) as error:
        raise UsageError(f"{name} must be a finite number") from error


@dataclass(frozen=True)
class Criteria:
    """Thresholds for each class; None where nothing is asked.

    Attributes:
        k: fewest records.
        l: diversity, at least 1, with ``l_kind`` one of ``DIVERSITIES``; ``c`` for ``recursive``.
        alpha: largest share of one sensitive value.
        t: largest distance, 0 to 1.
        beta: largest gain; ``enhanced`` bounds it by -ln p too.
        delta: largest absolute value of ln (q / p).
    """

    k: int = 1
    l: Fraction | None = None  # noqa: E741 - the name that the field gives it
    l_kind: str = "distinct"
    c: Fraction | None = None
    alpha: Fraction | None = None
    t: Fraction | None = None
    beta: Fraction | None = None
    enhanced: bool = False
    delta: Fraction | None = None

    @property
    def needs_sensitive(self) -> bool:
        """Whether something is asked of the sensitive attributes."""
        return any(each is not None for each in (self.l, self.alpha, self.t, self.beta, self.delta))

    @property
    def relative(self) -> bool:
        """Whether classes are compared with the whole table."""
        return any(each is not None for each in (self.t, self.beta, self.delta))

    @property
    def monotone(self) -> bool:
        """Whether the union of two classes that satisfy it always does."""
        return self.delta is None


def criteria(
    k: int,
    *,
    l: Number | None = None,  # noqa: E741
    l_kind: str = "distinct",
    c: Number | None = None,
    alpha: Number | None = None,
    t: Number | None = None,
    beta: Number | None = None,
    enhanced: bool = False,
    delta: Number | None = None,
) -> Criteria:
    """Return criteria from numbers as people write them.

    Raises:
        UsageError: one of them is out of range.
    """
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise UsageError(f"k = {k}: k must be a whole number of at least 1")

    def checked(value: Number | None, name: str, low: int, high: int | None) -> Fraction | None:
        if value is None:
            return None
        number = exact(value, name)
        if number < low or (high is not None and number > high):
            span = f"between {low} and {high}" if high is not None else f"at least {low}"
            raise UsageError(f"{name} = {value}: {name} must be {span}")
        return number

    if l_kind not in DIVERSITIES:
        raise UsageError(f"the kind of l-diversity is one of {', '.join(DIVERSITIES)}")
    diversity = checked(l, "l", 1, None)
    if diversity is not None and l_kind != "entropy" and diversity.denominator != 1:
        raise UsageError(f"l = {l}: a whole number, except for entropy l-diversity")
    if l_kind == "recursive" and diversity is not None and c is None:
        raise UsageError("recursive l-diversity needs c: r1 < c (rl + ... + rm)")
    return Criteria(
        k=k,
        l=diversity,
        l_kind=l_kind,
        c=checked(c, "c", 0, None),
        alpha=checked(alpha, "alpha", 0, 1),
        t=checked(t, "t", 0, 1),
        beta=checked(beta, "beta", 0, None),
        enhanced=enhanced,
        delta=checked(delta, "delta", 0, None),
    )


@dataclass(frozen=True)
class Classes:
    """The sensitive values of some classes, as runs of entries.

    Attributes:
        starts: array (g,) of the first entry of each class.
        codes: array (e,) of value positions, each at most once in a class.
        counts: array (e,) of record counts.
        totals: array (s,) of the counts of each value in the table that p is taken from.
        distance: see :class:`~openchronic_assets.anonymisation.cube.Sensitive`.
        tree: likewise.
    """

    starts: NDArray[np.int64]
    codes: NDArray[np.int64]
    counts: NDArray[np.int64]
    totals: NDArray[np.int64]
    distance: str = "equal"
    tree: NDArray[np.int64] | None = None

    def sizes(self) -> NDArray[np.int64]:
        """Return the records of each class."""
        return self.total_by_class(self.counts)

    def total_by_class(self, entries: NDArray[np.int64]) -> NDArray[np.int64]:
        """Sum an array (e,) over each class."""
        if not len(self.starts):
            return np.zeros(0, dtype=np.int64)
        return np.add.reduceat(entries, self.starts)

    def any_by_class(self, entries: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Tell for each class whether any of its entries is marked."""
        if not len(self.starts):
            return np.zeros(0, dtype=bool)
        return np.logical_or.reduceat(entries, self.starts)

    def owner(self) -> NDArray[np.int64]:
        """Return the class of each entry."""
        return np.repeat(np.arange(len(self.starts)), np.diff(self.starts, append=len(self.codes)))

    def entries(self, position: int) -> list[int]:
        """Return the counts of one class."""
        end = self.starts[position + 1] if position + 1 < len(self.starts) else len(self.codes)
        return [int(count) for count in self.counts[self.starts[position] : end]]


def failing(asked: Criteria, classes: Classes) -> NDArray[np.bool_]:
    """Tell which classes do not satisfy what is asked of the sensitive attribute (not k)."""
    bad = np.zeros(len(classes.starts), dtype=bool)
    if not len(bad):
        return bad
    size = classes.sizes()
    if asked.l is not None:
        bad |= _lacks_diversity(asked, classes, size)
    if asked.alpha is not None:
        largest = np.maximum.reduceat(classes.counts, classes.starts)
        bad |= _above(largest, size, asked.alpha)
    if asked.t is not None:
        moved, scale = distances(classes)
        bad |= _above(moved, scale * size, asked.t)
    if asked.beta is not None:
        owner = classes.owner()
        table = int(classes.totals.sum())
        # q / p <= 1 + beta, where q = count / size and p = total / table.
        total = classes.totals[classes.codes]
        gains = _above(classes.counts * table, total * size[owner], 1 + asked.beta)
        if asked.enhanced:
            ratio = classes.counts * table / (total * size[owner])
            gains |= (ratio > 1) & (ratio - 1 > np.log(table / total))
        bad |= classes.any_by_class(gains)
    if asked.delta is not None:
        total = classes.totals[classes.codes]
        ratio = classes.counts * int(classes.totals.sum()) / (total * size[classes.owner()])
        bad |= classes.any_by_class(np.abs(np.log(ratio)) > float(asked.delta))
    return bad


def _above(
    part: NDArray[np.int64], whole: NDArray[np.int64], threshold: Fraction
) -> NDArray[np.bool_]:
    """Tell where part / whole > threshold, exactly."""
    ratio = part / whole
    limit = float(threshold)
    result: NDArray[np.bool_] = ratio > limit
    for i in np.flatnonzero(np.abs(ratio - limit) <= _NEAR * max(1.0, limit)).tolist():
        result[i] = Fraction(int(part[i]), int(whole[i])) > threshold
    return result


def _lacks_diversity(
    asked: Criteria, classes: Classes, size: NDArray[np.int64]
) -> NDArray[np.bool_]:
    assert asked.l is not None
    if asked.l_kind == "distinct":
        return np.diff(classes.starts, append=len(classes.codes)) < int(asked.l)
    if asked.l_kind == "entropy":
        weighted = classes.counts * np.log(classes.counts)
        entropy = np.log(size) - np.add.reduceat(weighted, classes.starts) / size
        gap = entropy - math.log(asked.l)
        lacks: NDArray[np.bool_] = gap < 0
        for i in np.flatnonzero(np.abs(gap) <= _NEAR).tolist():
            lacks[i] = _entropy_below(classes.entries(i), asked.l)
        return lacks
    assert asked.c is not None
    order = np.lexsort((-classes.counts, classes.owner()))
    ordered = classes.counts[order]
    rank = np.arange(len(ordered)) - np.repeat(
        classes.starts, np.diff(classes.starts, append=len(ordered))
    )
    tail = classes.total_by_class(np.where(rank >= int(asked.l) - 1, ordered, 0))
    largest = ordered[classes.starts]
    numerator, denominator = asked.c.numerator, asked.c.denominator
    return np.array(
        [
            r1 * denominator >= numerator * rest
            for r1, rest in zip(largest.tolist(), tail.tolist(), strict=True)
        ],
        dtype=bool,
    )


def _entropy_below(counts: list[int], threshold: Fraction) -> bool:
    """Tell whether exp(entropy) < threshold, in whole numbers.

    exp(entropy) = n / prod(count ** (count / n)); both sides are raised to the power n.
    """
    common = math.gcd(*counts)
    reduced = [count // common for count in counts]
    n = sum(reduced)
    left = n**n * threshold.denominator**n
    right: int = math.prod(count**count for count in reduced) * threshold.numerator**n
    return bool(left < right)


def distances(classes: Classes) -> tuple[NDArray[np.int64], int]:
    """Return the earth mover's distance of each class from the table, as whole numbers.

    Returns:
        ``(moved, scale)``: the distance of class i is ``moved[i] / (scale * size[i])``.

    Raises:
        UsageError: the table is too large for 64-bit arithmetic.
    """
    table = int(classes.totals.sum())
    values = len(classes.totals)
    levels = 1 if classes.tree is None else len(classes.tree)
    if 2 * table * table * max(values, levels) >= 2**63:
        raise UsageError(
            f"{table} records with {values} sensitive values: the distance does not fit 64 bits; "
            "measure parts of the table"
        )
    size = classes.sizes()
    if classes.distance == "equal":
        owner = classes.owner()
        total = classes.totals[classes.codes]
        present = np.abs(classes.counts * table - total * size[owner])
        absent = table - classes.total_by_class(total)
        return classes.total_by_class(present) + size * absent, 2 * table
    per_chunk = max(1, _CELLS // values)
    moved = np.zeros(len(size), dtype=np.int64)
    bounds = np.append(classes.starts, len(classes.codes))
    owner = classes.owner()
    for first in range(0, len(size), per_chunk):
        last = min(first + per_chunk, len(size))
        inside = slice(bounds[first], bounds[last])
        extra = -np.multiply.outer(size[first:last], classes.totals)
        extra[owner[inside] - first, classes.codes[inside]] += classes.counts[inside] * table
        if classes.tree is None:
            moved[first:last] = np.abs(np.cumsum(extra, axis=1)).sum(axis=1)
        else:
            moved[first:last] = _hierarchical(extra, classes.tree)
    steps = max(1, (values if classes.tree is None else levels) - 1)
    return moved, steps * table


def _hierarchical(extra: NDArray[np.int64], tree: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the cost of moving along a tree: what meets at a node pays the node's height."""
    moved = np.zeros(len(extra), dtype=np.int64)
    codes = np.arange(extra.shape[1])
    for level in range(1, len(tree)):
        parent = np.zeros(extra.shape[1], dtype=np.int64)
        parent[codes] = tree[level]
        joined = np.zeros((extra.shape[1], int(tree[level].max()) + 1), dtype=np.int64)
        joined[np.arange(len(parent)), parent] = 1
        up, down = np.maximum(extra, 0) @ joined, np.maximum(-extra, 0) @ joined
        moved += level * np.minimum(up, down).sum(axis=1)
        extra, codes = up - down, tree[level]
    return moved
