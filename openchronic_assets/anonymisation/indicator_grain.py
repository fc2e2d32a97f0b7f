"""How finely an indicator is told: to which territories, and there by how much of sex and age.

A rare disease can be told of the country, or of regions, but not of each department by sex and
age. What a grain does not print is not in the table: its cells are hidden, and what is known of
them is what their total says, which is no small group. The grains that can be protected are
compared by whom they tell something about (:func:`told`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from openchronic_assets.anonymisation.tables import Dimension

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from openchronic_assets.anonymisation.indicator_tables import Territories

LEVELS = ("country", "region", "department")
NOT = -1
"""Detail of a level that is not printed; else 0 both sexes and all ages, 1 also by sex and by age,
2 also by sex and age together."""

WORTH = {"country": (4.0, 2.0, 1.0), "region": (5.0, 1.0, 0.5), "department": (6.0, 1.0, 0.5)}
"""What it is worth to tell of everybody at a level: in all; by sex and by age; by both."""


@dataclass(frozen=True)
class Grain:
    """The cells that may be printed.

    Attributes:
        detail: of the country, of regions, of departments: ``NOT``, 0, 1 or 2.
    """

    detail: tuple[int, int, int]

    @property
    def level(self) -> int:
        """The finest level of territories printed, a position in ``LEVELS``."""
        return max(at for at, detail in enumerate(self.detail) if detail != NOT)

    @property
    def crossed(self) -> bool:
        """Whether any cell is of one sex or one age."""
        return max(self.detail) > 0

    def dimensions(self, territories: Territories) -> tuple[Dimension, Dimension, Dimension]:
        """The classifications of what is printed, each down to its own leaves."""
        place, sex, age = territories.dimensions
        if self.level < 2:
            # Departments of one finest territory become one leaf.
            nodes = self.places(territories)
            finest = place.cover[nodes][_levels(territories)[nodes] == self.level]
            first = finest.argmax(axis=1)
            place = Dimension(
                place.name, tuple(place.nodes[n] for n in nodes), place.cover[nodes][:, first]
            )
        if not self.crossed:
            one = np.ones((1, 1), dtype=bool)
            sex, age = (Dimension(d.name, d.nodes[:1], one) for d in (sex, age))
        return place, sex, age

    def places(self, territories: Territories) -> NDArray[np.int64]:
        """Positions of the territories of the levels that are printed."""
        return np.flatnonzero(_levels(territories) <= self.level)

    def cells(self, territories: Territories, of_all: NDArray[Any]) -> NDArray[Any]:
        """Return those of the values of all cells that the grain has, in its shape."""
        inside = of_all[self.places(territories)]
        return inside if self.crossed else inside[:, :1, :1]

    def back(
        self, territories: Territories, mine: NDArray[np.bool_], of_all: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Return the marks of all cells, with those of the grain put in."""
        whole = of_all.copy()
        some = self.places(territories)
        if self.crossed:
            whole[some] = mine
        else:
            whole[some, 0, 0] = mine[:, 0, 0]
        return whole

    def leaves(self, territories: Territories, values: NDArray[Any]) -> NDArray[Any]:
        """Sum values by department, sex and age to the leaves of the grain."""
        found = np.zeros((self._groups(territories).max() + 1, *values.shape[1:]), values.dtype)
        np.add.at(found, self._groups(territories), values)
        return found if self.crossed else found.sum(axis=(1, 2), keepdims=True)

    def corners(
        self, territories: Territories, finer: Grain, corners: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return the leaves of this grain that hold leaves (territory, sex, age) of a finer one."""
        first = np.unique(finer._groups(territories), return_index=True)[1]
        places = self._groups(territories)[first[corners[..., 0]]]
        rest = corners[..., 1:] if self.crossed else np.zeros_like(corners[..., 1:])
        return np.concatenate([places[..., None], rest], axis=-1)

    def within(self, finer: Grain) -> bool:
        """Tell whether the other prints all that this one prints."""
        return all(mine <= other for mine, other in zip(self.detail, finer.detail, strict=True))

    def printed(self, territories: Territories) -> NDArray[np.bool_]:
        """Mark the cells that may be printed: (territory, sex, age)."""
        shape = tuple(d.size for d in territories.dimensions)
        fineness = (np.arange(shape[1]) > 0)[:, None].astype(int) + (np.arange(shape[2]) > 0)
        allowed = np.array(self.detail)[_levels(territories)]
        return np.asarray(fineness[None] <= allowed[:, None, None])

    def _groups(self, territories: Territories) -> NDArray[np.int64]:
        """Return the leaf of the grain that each department is in."""
        place = territories.dimension
        finest = place.cover[_levels(territories) == self.level]
        return np.asarray(finest.argmax(axis=0), dtype=np.int64)


GRAINS = tuple(
    Grain(detail)
    for detail in (
        (2, 2, 2), (2, 2, 1), (2, 1, 1), (2, 2, 0), (2, 1, 0), (1, 1, 0), (0, 0, 0),
        (2, 2, NOT), (2, 1, NOT), (2, 0, NOT), (0, 0, NOT),
        (2, NOT, NOT), (1, NOT, NOT), (0, NOT, NOT),
    )
)  # fmt: skip
"""From the finest to the country alone."""


def told(territories: Territories, shown: NDArray[np.bool_], den: NDArray[np.int64]) -> float:
    """Return what the shown cells are worth: of which share of people each kind of cell tells.

    Args:
        territories: the places.
        shown: cells with figures, (territory, sex, age).
        den: people or units of every cell.
    """
    levels = _levels(territories)
    everybody = max(float(den[0, 0, 0]), 1.0)
    worth = 0.0
    for at, level in enumerate(LEVELS):
        people = np.where(shown[levels == at], den[levels == at], 0)
        total, one, both = WORTH[level]
        worth += total * float(people[:, 0, 0].sum())
        worth += one * float(people[:, 1:, 0].sum() + people[:, 0, 1:].sum())
        worth += both * float(people[:, 1:, 1:].sum())
    return worth / everybody


def by_promise(
    territories: Territories, may: NDArray[np.bool_], den: NDArray[np.int64]
) -> Sequence[tuple[float, Grain]]:
    """Return the grains, the most promising first: what they told if nothing else were hidden."""
    promises = [
        (told(territories, may & grain.printed(territories), den), grain) for grain in GRAINS
    ]
    return sorted(promises, key=lambda pair: -pair[0])


def _levels(territories: Territories) -> NDArray[np.int64]:
    return np.array([LEVELS.index(level) for level, _ in territories.places])
