"""The battery of metrics: what a table tells about the people in it, from one scan.

Nothing is floored and NULL is a value like any other. Risks (El Emam, Dankar 2008): the prosecutor
knows that a person is in the table (highest risk 1 / k, mean classes / rows); the journalist knows
that the person is in a population that holds the table (highest risk 1 / smallest class of the
population among those met); the marketer wants as many people as possible (expected share). Where
no population is given, the table is its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa

from openchronic_assets import duck
from openchronic_assets.anonymisation.criteria import DISTANCES, Classes, distances
from openchronic_assets.anonymisation.cube import fold, starts_of
from openchronic_assets.anonymisation.hierarchies import Hierarchy
from openchronic_assets.anonymisation.microdata import Microdata, encode
from openchronic_assets.errors import OpenChronicError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Distance:
    """How far the values of a sensitive attribute are from one another.

    Attributes:
        kind: ``equal`` (1 between any two), ``ordered`` (by rank: numbers by size, else the order
            of the hierarchy's leaves, else of the text) or ``hierarchical`` (height of the first
            common ancestor).
        hierarchy: needed for ``hierarchical``.
    """

    kind: str = "equal"
    hierarchy: Hierarchy | None = None

    def __post_init__(self) -> None:
        """Check the kind.

        Raises:
            UsageError: it is unknown, or lacks a hierarchy.
        """
        if self.kind not in DISTANCES:
            raise UsageError(f"the distance is one of {', '.join(DISTANCES)}, not {self.kind!r}")
        if self.kind == "hierarchical" and self.hierarchy is None:
            raise UsageError(
                "a hierarchical distance needs the hierarchy of the sensitive column: add its file"
            )

    def order(self, values: Sequence[str | None]) -> list[str | None]:
        """Return distinct values in the order of the distance, NULL last."""
        present = [value for value in values if value is not None]
        if self.kind == "ordered":
            numbers = _numbers(present)
            if numbers is not None:
                present.sort(key=lambda value: (numbers[value], value))
            elif self.hierarchy is not None:
                rank = dict(zip(present, self.hierarchy.encode(present).tolist(), strict=True))
                present.sort(key=lambda value: rank[value])
            else:
                present.sort()
        else:
            present.sort()
        return [*present, *([None] if None in values else [])]

    def tree(self, values: Sequence[str | None]) -> NDArray[np.int64] | None:
        """Return the ancestors of each value by level, see ``Sensitive.tree``."""
        if self.kind != "hierarchical" or self.hierarchy is None:
            return None
        leaves = self.hierarchy.encode(list(values))
        rows = [codes[leaves] for codes in self.hierarchy.leaf_codes]
        return np.vstack([np.arange(len(values)), *rows[1:]])


def _numbers(values: Sequence[str]) -> dict[str, Fraction] | None:
    try:
        return {value: Fraction(value.strip().replace(",", ".")) for value in values}
    except (ValueError, ZeroDivisionError):
        return None


def quoted(name: str) -> str:
    """Return a column name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'


def battery(
    read: Microdata, quasi: Sequence[str], sensitive: Mapping[str, Distance] | None = None
) -> dict[str, Any]:
    """Measure a table.

    Args:
        read: the table.
        quasi: the quasi-identifiers.
        sensitive: sensitive columns with their distances.

    Returns:
        ``rows, classes, k, average_class, sample_uniques, sample_uniques_share,
        discernibility, class_size`` (average class size / k), ``prosecutor`` and ``journalist``
        (``max``, ``average``), ``marketer``, ``sizes`` (how many classes have each size), and
        ``sensitive``: for each column ``values, l, entropy_l, recursive_c, alpha, t, distance,
        delta, beta, enhanced_beta``. ``recursive_c`` is the bound that c must be above for
        recursive (c, l) with that l; ``enhanced_beta`` is None where no beta satisfies it.

    Raises:
        OpenChronicError: a column is of a nested or binary type.
    """
    columns, widths = [], []
    for name in quasi:
        codes, texts = encode(read.table[name], name)
        columns.append(codes)
        widths.append(len(texts))
    key, span = fold(columns, widths, read.table.num_rows)
    del columns
    found: dict[str, Any] = {}
    sizes = None
    for name, distance in (sensitive or {}).items():
        classes = _classes(read, key, span, name, distance)
        sizes = classes.sizes() if sizes is None else sizes
        found[name] = measure_sensitive(classes) | {"distance": distance.kind}
    if sizes is None:
        ordered = _sorted(key, span)
        sizes = np.diff(starts_of(ordered), append=len(ordered))
    rows = int(sizes.sum())
    smallest = int(sizes.min())
    uniques = int(np.count_nonzero(sizes == 1))
    values, numbers = np.unique(sizes, return_counts=True)
    return {
        "rows": rows,
        "classes": len(sizes),
        "k": smallest,
        "average_class": rows / len(sizes),
        "sample_uniques": uniques,
        "sample_uniques_share": uniques / rows,
        "prosecutor": {"max": 1 / smallest, "average": len(sizes) / rows},
        "journalist": {"max": 1 / smallest, "average": len(sizes) / rows},
        "marketer": len(sizes) / rows,
        "discernibility": int(np.dot(sizes, sizes)),
        "class_size": rows / len(sizes) / smallest,
        "sizes": dict(zip(values.tolist(), numbers.tolist(), strict=True)),
        "sensitive": found,
    }


def _sorted(key: NDArray[np.int64], span: int) -> NDArray[Any]:
    """Return sorted keys, in half the memory where they fit."""
    return np.sort(key.astype(np.int32) if span < 2**31 else key)


def _classes(
    read: Microdata, key: NDArray[np.int64], span: int, name: str, distance: Distance
) -> Classes:
    """Return the values of a sensitive column in each class (equal keys)."""
    codes, texts = encode(read.table[name], name)
    ordered = distance.order(texts)
    rank = {value: code for code, value in enumerate(ordered)}
    codes = np.array([rank[value] for value in texts], dtype=np.int64)[codes]
    # The class stays readable from the joint key: fold() numbers the classes if it must.
    if span * len(ordered) > 2**62:
        found, key = np.unique(key, return_inverse=True)
        span = len(found)
    joint = _sorted(key * len(ordered) + codes, span * len(ordered))
    runs = starts_of(joint)
    values = joint[runs].astype(np.int64)
    counts = np.diff(runs, append=len(joint))
    codes = values % len(ordered)
    totals = np.bincount(codes, weights=counts, minlength=len(ordered)).astype(np.int64)
    starts = starts_of(values // len(ordered))
    return Classes(starts, codes, counts, totals, distance.kind, distance.tree(ordered))


def measure_sensitive(classes: Classes) -> dict[str, Any]:
    """Return the metrics of one sensitive attribute, see :func:`battery`."""
    size = classes.sizes()
    owner = classes.owner()
    counts = classes.counts
    table = int(classes.totals.sum())
    total = classes.totals[classes.codes]
    distinct = np.diff(classes.starts, append=len(classes.codes))
    entropy = np.log(size) - np.add.reduceat(counts * np.log(counts), classes.starts) / size
    ratio = (counts * table) / (total * size[owner])
    gains = ratio - 1
    least = int(distinct.min())
    order = np.lexsort((-counts, owner))
    ranked = counts[order]
    rank = np.arange(len(ranked)) - np.repeat(classes.starts, distinct)
    tail = np.add.reduceat(np.where(rank >= least - 1, ranked, 0), classes.starts)
    moved, scale = distances(classes)
    # One class beats the others by its fraction; the float is made from the exact one.
    best = int(np.argmax(moved / size))
    impossible = (gains > 0) & (gains > np.log(table / total) * (1 + 1e-12))
    return {
        "values": len(classes.totals),
        "l": least,
        "entropy_l": float(np.exp(entropy.min())),
        "recursive_c": float((ranked[classes.starts] / tail).max()),
        "alpha": float((np.maximum.reduceat(counts, classes.starts) / size).max()),
        "t": float(Fraction(int(moved[best]), int(scale * size[best]))),
        "delta": float(np.abs(np.log(ratio)).max()),
        "beta": max(0.0, float(gains.max())),
        "enhanced_beta": None if impossible.any() else max(0.0, float(gains.max())),
    }


def against_population(
    table: pa.Table, population: pa.Table, quasi: Sequence[str], count: str | None = None
) -> dict[str, Any]:
    """Return the journalist's and the marketer's risk of a table drawn from a population.

    Args:
        table: the table.
        population: the population, with the quasi-identifiers at the table's levels.
        quasi: the quasi-identifiers, compared as texts.
        count: column of the population with the people that each row stands for.

    Raises:
        OpenChronicError: the table has people that the population lacks.
    """
    names = ", ".join(quoted(name) for name in quasi)
    texts = ", ".join(f"{quoted(name)}::varchar as {quoted(name)}" for name in quasi)
    same = " and ".join(f"s.{quoted(n)} is not distinct from p.{quoted(n)}" for n in quasi)
    people = f"sum({quoted(count)}::bigint)" if count else "count(*)"
    weight = f", {quoted(count)}" if count else ""
    with duck.connect(threads="2") as connection:
        connection.register("drawn", table)
        connection.register("everybody", population)
        try:
            row = connection.execute(
                f"""
                with s as (
                    select {names}, count(*)::bigint as n
                    from (select {texts} from drawn) group by {names}
                ),
                p as (
                    select {names}, ({people})::bigint as m
                    from (select {texts}{weight} from everybody) group by {names}
                )

                select
                    sum(n)::bigint, min(m), sum(n::double / m),
                    count(*) filter (where m is null or m < n)
                from s left join p on {same}
                """
            ).fetchone()
        except duckdb.Error as error:
            # The engine's text may quote a value.
            raise OpenChronicError(
                f"the population could not be compared ({type(error).__name__}): its counts are "
                "whole numbers"
            ) from error
    if row is None or row[3]:
        raise OpenChronicError(
            f"{row[3] if row else 0} classes of the table have fewer people in the population than "
            "in the table: it is not the population that the table was drawn from, or is at other "
            "levels"
        )
    rows, smallest, expected = int(row[0]), int(row[1]), float(row[2])
    # The mean over records of 1 / N is also the marketer's expected share.
    return {
        "journalist": {"max": 1 / smallest, "average": expected / rows},
        "marketer": expected / rows,
    }


def population_uniqueness(sizes: Mapping[int, int], fraction: float) -> dict[str, float]:
    """Estimate which share of a sample's records is unique in the population.

    Args:
        sizes: how many classes of the sample have each size.
        fraction: share of the population that the sample holds, above 0, at most 1.

    Returns:
        ``zayatz``, ``pitman`` and ``estimate``: by the rule of Dankar et al. 2012, Pitman's up to a
        fraction of one tenth, Zayatz's above. A sample that is the whole population has its own.

    Raises:
        UsageError: the fraction is out of range.
    """
    if not 0 < fraction <= 1:
        raise UsageError("the sampling fraction is above 0 and at most 1")
    rows = sum(size * number for size, number in sizes.items())
    classes = sum(sizes.values())
    uniques = sizes.get(1, 0)
    if fraction == 1 or not uniques:
        share = uniques / rows if rows else 0.0
        return {"zayatz": share, "pitman": share, "estimate": share}
    population = rows / fraction
    zayatz = _zayatz(sizes, classes, uniques, rows, population) * uniques / rows
    pitman = _pitman(sizes, classes, uniques, rows, population)
    return {
        "zayatz": zayatz,
        "pitman": pitman,
        "estimate": pitman if fraction <= 0.1 else zayatz,
    }


def _zayatz(
    sizes: Mapping[int, int], classes: int, uniques: int, rows: int, population: float
) -> float:
    """Probability that a unique of the sample is unique in the population (Zayatz 1991)."""

    def seen_once(size: int) -> float:
        # Hypergeometric: one of ``size`` people is among the rows drawn.
        if population - size < rows - 1:
            return 0.0
        return math.exp(
            math.log(size)
            + math.lgamma(population - size + 1)
            - math.lgamma(rows)
            - math.lgamma(population - size - rows + 2)
            - math.lgamma(population + 1)
            + math.lgamma(rows + 1)
            + math.lgamma(population - rows + 1)
        )

    weights = {size: number / classes * seen_once(size) for size, number in sizes.items()}
    total = sum(weights.values())
    return weights.get(1, 0.0) / total if total else 1.0


def _pitman(
    sizes: Mapping[int, int], classes: int, uniques: int, rows: int, population: float
) -> float:
    """Share of the population that is unique in it, by Pitman's model (Hoshino 2001).

    The parameters are those of two moments: the share of pairs of records in one class,
    q = (1 - alpha) / (1 + theta), and the share of uniques,
    (theta + classes alpha) / (theta + rows - 1).
    """
    q = sum(size * (size - 1) * number for size, number in sizes.items()) / (rows * (rows - 1))
    slope = uniques - rows + rows * classes * q
    if q == 0 or slope == 0:
        return 1.0 if q == 0 else uniques / rows
    theta = (rows * classes * (1 - q) - uniques * (rows - 1)) / slope
    alpha = min(max(1 - (1 + theta) * q, 0.0), 0.999)
    theta = max(theta, 1e-9 - alpha)
    gamma = math.lgamma(theta + 1) - math.lgamma(theta + alpha) if theta + alpha > 0 else 0.0
    return min(1.0, math.exp(gamma + (alpha - 1) * math.log(population)))
