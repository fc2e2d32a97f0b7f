"""Generalisation hierarchies: how the values of one attribute become coarser, level by level.

A hierarchy is a CSV file: each line holds one leaf and its ancestors up to ``*``
(``leaf;level1;...;*``, as ARX writes it), with or without a header. It is accepted only when it is
a proper tree of constant height whose values are never ambiguous, because local recoding publishes
values of several levels side by side: a text may stand on two levels only if it covers the same
leaves on both. The empty leaf stands for a missing value.
"""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from openchronic_assets.anonymisation.texts import read_lines
from openchronic_assets.errors import OpenChronicError

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROOT = "*"


class HierarchyError(OpenChronicError):
    """A hierarchy file is not a tree, or a column holds values that its hierarchy lacks."""


@dataclass(frozen=True)
class Hierarchy:
    """The tree of values of one attribute, as a table of leaves by levels.

    Attributes:
        name: the attribute, which is also the name of the published column.
        level_names: one name a level, from the finest (level 0) to the coarsest.
        rows: one tuple a leaf: the leaf, its ancestors, ``*``; order of the file.

    Raises:
        HierarchyError: the rows are not a nested tree of one height (see ``__post_init__``).
    """

    name: str
    level_names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        """Check nesting, unique leaves, one height, a single root and unambiguous values."""
        if not self.rows:
            raise HierarchyError(f"hierarchy {self.name}: no leaf; add one line for each value")
        height = len(self.level_names)
        parent_of: dict[tuple[int, str], str] = {}
        leaves: set[str] = set()
        under: dict[tuple[int, str], int] = {}
        for number, row in enumerate(self.rows, start=1):
            where = f"hierarchy {self.name}, leaf {number}"
            if len(row) != height:
                raise HierarchyError(
                    f"{where}: {len(row)} values where there are {height} levels; "
                    "give every leaf the same height"
                )
            if not all(row[1:]) or any(value != value.strip() for value in row):
                raise HierarchyError(
                    f"{where}: a value is empty or padded with blanks (only a leaf may be empty: "
                    "it stands for a missing value)"
                )
            if set(row[-1]) != {ROOT} or row[-1] != self.rows[0][-1]:
                raise HierarchyError(f"{where}: the last value must be '{ROOT}'")
            if row[0] in leaves:
                raise HierarchyError(f"{where}: leaf '{row[0]}' appears twice")
            leaves.add(row[0])
            for level, value in enumerate(row):
                under[level, value] = under.get((level, value), 0) + 1
                if level + 1 < height:
                    parent = parent_of.setdefault((level, value), row[level + 1])
                    if parent != row[level + 1]:
                        raise HierarchyError(
                            f"{where}: '{value}' has two parents, '{parent}' and '{row[level + 1]}'"
                        )
        level_of: dict[str, int] = {}
        for (level, value), count in sorted(under.items()):
            below = level_of.setdefault(value, level)
            level_of[value] = level
            # The same text on the next level, over the same leaves: its only parent is itself.
            same = level == below + 1 and parent_of[below, value] == value
            if level != below and not (same and under[below, value] == count):
                raise HierarchyError(
                    f"hierarchy {self.name}: '{value}' is a value of level {below} and of level "
                    f"{level} for other leaves; name them differently, published levels may be "
                    "mixed"
                )

    @property
    def height(self) -> int:
        """Number of levels, the root included; valid levels are ``0 .. height - 1``."""
        return len(self.level_names)

    @cached_property
    def leaves(self) -> tuple[str, ...]:
        """The finest values, in the order of the file."""
        return tuple(row[0] for row in self.rows)

    @cached_property
    def values(self) -> tuple[tuple[str, ...], ...]:
        """For each level, its distinct values in the order of the file; the index is the code."""
        return tuple(
            tuple(dict.fromkeys(row[level] for row in self.rows)) for level in range(self.height)
        )

    @cached_property
    def leaf_codes(self) -> tuple[NDArray[np.int64], ...]:
        """For each level, an array (leaves,) with the code of the value that covers each leaf."""
        codes = []
        for level in range(self.height):
            index = {value: code for code, value in enumerate(self.values[level])}
            codes.append(np.array([index[row[level]] for row in self.rows], dtype=np.int64))
        return tuple(codes)

    @cached_property
    def shares(self) -> tuple[NDArray[np.float64], ...]:
        """For each level, an array (values,) with the share of all leaves under each value."""
        return tuple(
            np.bincount(codes, minlength=len(values)) / len(self.rows)
            for codes, values in zip(self.leaf_codes, self.values, strict=True)
        )

    @cached_property
    def share_of_value(self) -> dict[str, float]:
        """The share of leaves under every value of every level."""
        return {
            value: float(share)
            for values, shares in zip(self.values, self.shares, strict=True)
            for value, share in zip(values, shares, strict=True)
        }

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The values of all levels, each once, in ascending order of text."""
        return tuple(sorted({value for values in self.values for value in values}))

    @cached_property
    def label_codes(self) -> NDArray[np.int64]:
        """An array (levels, leaves) with the position in ``labels`` of the value of each leaf."""
        index = {label: code for code, label in enumerate(self.labels)}
        return np.array(
            [[index[row[level]] for row in self.rows] for level in range(self.height)],
            dtype=np.int64,
        )

    @cached_property
    def label_leaves(self) -> NDArray[np.int64]:
        """An array (labels,) with the number of leaves under each of ``labels``."""
        result = np.zeros(len(self.labels), dtype=np.int64)
        for codes in self.label_codes:
            result[np.unique(codes)] = np.bincount(codes)[np.unique(codes)]
        return result

    def lift(self, fine: int, coarse: int) -> NDArray[np.int64]:
        """Map the codes of level ``fine`` to the codes of level ``coarse`` (an array of codes)."""
        mapping = np.zeros(len(self.values[fine]), dtype=np.int64)
        mapping[self.leaf_codes[fine]] = self.leaf_codes[coarse]
        return mapping

    def encode(
        self, values: Sequence[str | None], counts: Sequence[int] | None = None
    ) -> NDArray[np.int64]:
        """Turn values into leaf codes; a missing value (NULL or empty) is the empty leaf.

        Args:
            values: values of the column, each a leaf.
            counts: how many records each value stands for, for the message only.

        Raises:
            HierarchyError: some values are not leaves. The message counts them and never prints
                them: they come from a column about persons.
        """
        index = {leaf: code for code, leaf in enumerate(self.leaves)}
        codes = np.array([index.get(value or "", -1) for value in values], dtype=np.int64)
        absent = codes < 0
        if absent.any():
            weights = np.ones(len(codes), dtype=np.int64) if counts is None else np.asarray(counts)
            unknown = [value for value, is_absent in zip(values, absent, strict=True) if is_absent]
            message = (
                f"column {self.name}: {int(weights[absent].sum())} records hold {len(unknown)} "
                "values that are not leaves of the hierarchy"
            )
            if not all(unknown):
                message += " (one of them is NULL: a missing value needs a line with an empty leaf)"
            folded = {_fold(leaf) for leaf in self.leaves}
            close = sum(1 for value in unknown if value and _fold(value) in folded)
            if close:
                message += f" ({close} differ from a leaf only by case, accents or blanks)"
            raise HierarchyError(
                f"{message}; complete the hierarchy or map these values before recoding"
            )
        return codes


def _fold(value: str) -> str:
    """Return a text without case, accents, blanks and leading zeros, for messages only."""
    letters = unicodedata.normalize("NFKD", value.casefold())
    kept = "".join(c for c in letters if not unicodedata.combining(c) and not c.isspace())
    return kept.lstrip("0")


def read_hierarchy(path: Path, name: str | None = None) -> Hierarchy:
    """Read a hierarchy from a CSV file.

    Args:
        path: text file; separator (``;``, ``,`` or tab) and encoding are sniffed. The first line
            is a header where it does not end with ``*``; without one, levels are numbered.
        name: attribute; the file's stem when not given.

    Raises:
        HierarchyError: the file is missing, unreadable or not a proper tree.
    """
    try:
        lines = [tuple(line) for line in read_lines(path) if any(line)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise HierarchyError(
            f"hierarchy {path.name} cannot be read ({type(error).__name__}); "
            "give a CSV file: leaf;level1;...;*"
        ) from error
    if not lines:
        raise HierarchyError(f"hierarchy {path.name} is empty; give one line a leaf")
    titled = len(lines) > 1 and set(lines[0][-1]) != {ROOT}
    titles = lines[0] if titled else tuple(str(level) for level in range(len(lines[0])))
    return Hierarchy(name or path.stem, titles, tuple(lines[1:] if titled else lines))


@lru_cache(maxsize=32)
def builtin(name: str) -> Hierarchy:
    """Return a hierarchy of the package: ``sex``, ``age_group``, ``department`` or ``ald``.

    Sources: departments and regions in force since 2016 (code officiel géographique); ALD numbers
    of article D. 160-4 of the code de la sécurité sociale, 31 and 32 being "hors liste" and
    "polypathologie", grouped here into ten clinical families (our own grouping).
    """
    with resources.as_file(resources.files(__package__) / "hierarchies" / f"{name}.csv") as path:
        return read_hierarchy(path, name)
