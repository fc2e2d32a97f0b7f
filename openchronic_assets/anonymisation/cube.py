"""The base cube: the distinct tuples of quasi-identifiers of a table, with their record counts.

One scan of the table makes it; every recoding then works on the cube, which is far smaller than
the table (4 million patients of the benchmark: about 663,000 tuples). Sensitive attributes, where
there are any, are held as the counts of their values in each tuple.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from openchronic_assets import duck
from openchronic_assets.anonymisation.hierarchies import Hierarchy, HierarchyError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pyspark.sql import SparkSession

COUNT = "_records"
# A span of keys below this fits a signed 64-bit integer.
_MAX_KEY = 2**62


@dataclass(frozen=True)
class Sensitive:
    """The values of one sensitive attribute in each tuple of a cube.

    Attributes:
        name: the attribute.
        values: its s distinct values in the order of the distance; NULL is one of them.
        distance: ``equal``, ``ordered`` (by the order of ``values``) or ``hierarchical``.
        tree: for ``hierarchical``, an array (levels, s) with the code of the value that covers
            each of ``values`` on each level of its hierarchy; None for the other distances.
        tuples: array (p,) of positions in the cube, ascending.
        codes: array (p,) of positions in ``values``.
        counts: array (p,) of record counts, all positive.
    """

    name: str
    values: tuple[str | None, ...]
    distance: str
    tree: NDArray[np.int64] | None
    tuples: NDArray[np.int64]
    codes: NDArray[np.int64]
    counts: NDArray[np.int64]


@dataclass(frozen=True)
class Cube:
    """Distinct tuples of leaf codes with their counts, in ascending order of tuple.

    Attributes:
        hierarchies: the d attributes.
        codes: array (m, d) of leaf codes.
        counts: array (m,) of record counts, all positive.
        sensitive: the sensitive attributes.
    """

    hierarchies: tuple[Hierarchy, ...]
    codes: NDArray[np.int64]
    counts: NDArray[np.int64]
    sensitive: tuple[Sensitive, ...] = ()

    @cached_property
    def records(self) -> int:
        """Number of records that the cube stands for."""
        return int(self.counts.sum())

    def subset(self, kept: NDArray[np.bool_]) -> Cube:
        """Return the cube of the tuples marked in ``kept`` (m,)."""
        position = np.cumsum(kept) - 1
        sensitive = []
        for each in self.sensitive:
            inside = kept[each.tuples]
            sensitive.append(
                Sensitive(
                    each.name,
                    each.values,
                    each.distance,
                    each.tree,
                    position[each.tuples[inside]],
                    each.codes[inside],
                    each.counts[inside],
                )
            )
        return Cube(self.hierarchies, self.codes[kept], self.counts[kept], tuple(sensitive))

    def project(self, dimensions: Sequence[int]) -> Cube:
        """Return the cube of some attributes alone, without sensitive attributes."""
        return make_cube(
            [self.hierarchies[d] for d in dimensions], self.codes[:, list(dimensions)], self.counts
        )


def fold(
    columns: Sequence[NDArray[Any]], sizes: Sequence[int], rows: int
) -> tuple[NDArray[np.int64], int]:
    """Number the tuples of some code columns, in the order of the tuples.

    Args:
        columns: arrays (rows,) of codes.
        sizes: for each column, one more than its largest code.
        rows: number of rows (there may be no column).

    Returns:
        Keys (rows,), equal for equal tuples and ordered as the tuples are, and their span.
    """
    key = np.zeros(rows, dtype=np.int64)
    span = 1
    for column, size in zip(columns, sizes, strict=True):
        if span * size > _MAX_KEY:
            # So many columns that the key would overflow: number the tuples met so far.
            found, key = np.unique(key, return_inverse=True)
            span = len(found)
        key = key * size + column
        span *= size
    return key, span


def order_of(key: NDArray[np.int64], span: int) -> NDArray[np.int64]:
    """Return the positions that sort keys of a known span; equal keys come in any order."""
    # Half the memory, half the time.
    return np.argsort(key.astype(np.int32) if span < 2**31 else key)


def stable_order(key: NDArray[np.int64], span: int) -> NDArray[np.int64]:
    """Return the positions that sort keys of a known span, equal keys in order of position."""
    bits = max(1, len(key).bit_length())
    if (span - 1).bit_length() + bits > 62:
        return np.argsort(key, kind="stable")
    # Key and position in one number: sorting values is several times faster than positions.
    joint = (key << bits) | np.arange(len(key))
    joint.sort()
    joint &= (1 << bits) - 1
    return joint


def starts_of(ordered: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each run of equal values begins in a sorted array."""
    if not len(ordered):
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))


def make_cube(
    hierarchies: Sequence[Hierarchy],
    codes: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> Cube:
    """Build a cube from tuples in any order, repeated or not.

    Raises:
        HierarchyError: no attribute.
    """
    if not hierarchies:
        raise HierarchyError("no quasi-identifier given; name at least one hierarchy")
    sizes = [len(h.leaves) for h in hierarchies]
    key, span = fold(list(codes.T), sizes, len(codes))
    order = order_of(key, span)
    starts = starts_of(key[order])
    summed = np.add.reduceat(counts[order], starts) if len(starts) else np.zeros(0, dtype=np.int64)
    kept = summed > 0
    return Cube(tuple(hierarchies), codes[order[starts]][kept].astype(np.int64), summed[kept])


def cube_from_arrow(
    table: pa.Table, hierarchies: Sequence[Hierarchy], count: str | None = None
) -> Cube:
    """Build a cube from a table that has one text column named after each hierarchy.

    Args:
        table: rows, or tuples with a column of counts.
        hierarchies: the quasi-identifiers.
        count: name of the column of counts; each row counts for one when not given.

    Raises:
        HierarchyError: a column is missing, or holds values that are no leaves (NULL included).
    """
    absent = [h.name for h in hierarchies if h.name not in table.column_names]
    if absent:
        raise HierarchyError(f"columns {absent} are missing from the table to recode")
    weights = (
        np.ones(table.num_rows, dtype=np.int64)
        if count is None
        else np.asarray(table[count].to_numpy(), dtype=np.int64)
    )
    codes = np.zeros((table.num_rows, len(hierarchies)), dtype=np.int64)
    for column, hierarchy in enumerate(hierarchies):
        encoded: Any = table[hierarchy.name].cast(pa.string()).combine_chunks()
        encoded = encoded.dictionary_encode(null_encoding="encode")
        indices = np.asarray(encoded.indices.to_numpy(zero_copy_only=False), dtype=np.int64)
        values: list[str | None] = encoded.dictionary.to_pylist()
        weight = np.bincount(indices, weights=weights, minlength=len(values)).astype(np.int64)
        leaf = hierarchy.encode(values, [int(w) for w in weight])
        codes[:, column] = leaf[indices]
    return make_cube(hierarchies, codes, weights)


def cube_from_parquet(
    files: Sequence[Path],
    hierarchies: Sequence[Hierarchy],
    *,
    memory_limit: str = "1GB",
    threads: int = 2,
) -> Cube:
    """Scan Parquet files once and return their base cube.

    Args:
        files: Parquet files with one column named after each hierarchy.
        hierarchies: the quasi-identifiers.
        memory_limit: DuckDB's limit; it spills beyond.
        threads: DuckDB's threads.

    Raises:
        HierarchyError: see :func:`cube_from_arrow`.
    """
    columns = ", ".join('"' + h.name.replace('"', '""') + '"' for h in hierarchies)
    with duck.connect(
        memory_limit=memory_limit, threads=str(threads), preserve_insertion_order="false"
    ) as connection:
        table = connection.execute(
            f"select {columns}, count(*)::bigint as {COUNT} from read_parquet($files) group by all",
            {"files": [str(file) for file in files]},
        ).to_arrow_table()
    return cube_from_arrow(table, hierarchies, COUNT)


def cube_from_spark(
    spark: SparkSession, files: Sequence[Path], hierarchies: Sequence[Hierarchy]
) -> Cube:
    """Scan Parquet files once on Spark and return their base cube, the same as on one machine.

    For a table that exceeds one machine: what comes back is its distinct tuples with their counts,
    and every recoding works on these.

    Args:
        spark: the session; its executors see the files under the same paths.
        files: Parquet files with one column named after each hierarchy.
        hierarchies: the quasi-identifiers.

    Raises:
        HierarchyError: see :func:`cube_from_arrow`.
    """
    # A name as Spark's parser takes it, then the count under a name that no column has.
    columns = ["`" + h.name.replace("`", "``") + "`" for h in hierarchies]
    table = (
        spark.read.parquet(*[str(file) for file in files])
        .groupBy(*columns)
        .count()
        .withColumnRenamed("count", COUNT)
        .toArrow()
    )
    return cube_from_arrow(table, hierarchies, COUNT)
