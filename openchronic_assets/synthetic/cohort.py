"""Who stands at each index: age, sex, department, class, first-year death and illnesses.

Everything here is controlled (``sampling``): the people of consecutive indexes have the ages and
departments of the country, and the number of dead and of ill follows its expectation. The running
sums of the earlier blocks are part of a block's draw; they depend on the universe alone, so a
person is the same whatever the number of persons asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from openchronic_assets.synthetic.figures import ALD_NUMBERS
from openchronic_assets.synthetic.prevalence import (
    AGES,
    CLASS_SHARES,
    CRUDE_DEATH_RATE,
    Model,
    model,
)
from openchronic_assets.synthetic.sampling import advance, kronecker, systematic

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

BLOCK = 2000
TWIN_SHARE = 0.012
FORMER_SHARE = 0.015  # people over twenty with an ALD that ended before the period
NO_SLOT = -1


@dataclass
class Cohort:
    """The persons of a block on 31 December of the first year; ``model`` gives their chances.

    ``age`` is the age reached (or that would be reached) that day, below 0 for people born later.
    ``home`` is the position of the department, ``group`` the latent class, ``twin`` the index in
    the block of one's twin (``NO_SLOT`` for none), ``former`` the slot of an ALD that ended before
    the period and never comes back, ``dies`` who dies in the first year, ``ill`` the ALD of those
    who do not, by (person, slot).
    """

    model: Model
    home: Ints
    sex: Ints
    age: Ints
    group: Ints
    birth: Ints
    twin: Ints
    former: Ints
    dies: Bools
    ill: Bools

    def rates(self, years_later: int = 0) -> Floats:
        """Return the chance of each ALD on a 31 December, some years after the first one."""
        chance = self.model.rates(self.home, self.sex, self.age + years_later, self.group)
        some = np.flatnonzero(self.former != NO_SLOT)
        chance[some, self.former[some]] = 0.0
        return chance

    def dying(self, years_later: int = 0) -> Floats:
        """Return the chance to die in the year that ends that many years after the first one."""
        age = self.age + years_later
        chance = self.model.dying(self.sex, age, self.group)
        return np.where(age >= 0, chance, 0.0)


class _Stream:
    """The blocks of a universe in order, with the running sums that their draws start from."""

    def __init__(
        self,
        seed: int,
        size: int,
        departments: tuple[str, ...],
        years: tuple[int, int],
        crude_deaths: float = CRUDE_DEATH_RATE,
    ):
        self.seed, self.size, self.years = seed, size, years
        self.model = model(departments, crude_deaths)
        # Deaths first, then the ALD; each sum starts anywhere.
        start = np.random.default_rng([seed, size, 0x0FF]).integers(
            0, 1 << 40, 1 + len(ALD_NUMBERS)
        )
        self.sums: list[Ints] = [start]
        people = self.model.people
        alive = people * 1.0
        gone = (CLASS_SHARES * self.model.death).sum(axis=-1)
        alive = alive / (1 - gone)
        later = people[:, :, 0] * (years[1] - years[0])
        cells = np.concatenate([alive.reshape(len(people), -1), later], axis=1)
        self.places = np.cumsum(cells.sum(axis=1) / cells.sum())
        # One rising line for all departments: the cell of a point is where place + point falls.
        within = np.cumsum(cells / cells.sum(axis=1, keepdims=True), axis=1)
        within[:, -1] = 1.0
        self.width = cells.shape[1]
        self.cells = (within + np.arange(len(people))[:, None]).ravel()

    def draw(self, block: int) -> Cohort:
        """Return a block; the sums of those before it are filled in first if they are missing."""
        while len(self.sums) <= block:
            self._die(len(self.sums) - 1)
        people, luck, rates = self._die(block)
        people.ill[~people.dies] = systematic(luck, rates, self.sums[block][1:])
        return people

    def _die(self, block: int) -> tuple[Cohort, np.random.Generator, Floats]:
        """Return a block whose first-year deaths are known, and the ALD rates of the others."""
        people, luck = self._who(block)
        dying, before = people.dying()[:, None], self.sums[block]
        people.dies = systematic(luck, dying, before[:1])[:, 0]
        rates = people.rates()[~people.dies]
        if len(self.sums) == block + 1:
            following = advance(dying, before[:1]), advance(rates, before[1:])
            self.sums.append(np.concatenate(following))
        return people, luck, rates

    def _who(self, block: int) -> tuple[Cohort, np.random.Generator]:
        luck = np.random.default_rng([self.seed, self.size, block, 0xC0])
        point = kronecker(block * BLOCK, BLOCK, 3, self.seed)
        home = np.searchsorted(self.places, point[:, 0], side="right")
        home = np.minimum(home, len(self.places) - 1)
        where = np.searchsorted(self.cells, home + point[:, 1], side="right")
        cell = np.minimum(where - home * self.width, self.width - 1)
        later = cell >= 2 * AGES
        sex = np.where(later, cell - 2 * AGES, cell // AGES) + 1
        within = luck.random(BLOCK)
        span = max(self.years[1] - self.years[0], 1)
        age = np.where(later, -1 - (within * span).astype(np.int64), cell % AGES)
        # Born on some day of the year in which the age counts zero.
        birth_year = (self.years[0] - age - 1970).astype("datetime64[Y]")
        first = birth_year.astype("datetime64[D]").astype(np.int64)
        length = (birth_year + 1).astype("datetime64[D]").astype(np.int64) - first
        birth = first + (luck.random(BLOCK) * length).astype(np.int64)
        group = np.searchsorted(np.cumsum(CLASS_SHARES)[:-1], point[:, 2], side="right")
        twin = np.full(BLOCK, NO_SLOT)
        for each in np.flatnonzero(luck.random(BLOCK - 1) < TWIN_SHARE).tolist():
            if twin[each] == NO_SLOT:
                twin[each], twin[each + 1] = each + 1, each
                for values in (home, sex, age, birth):
                    values[each + 1] = values[each]
        former = luck.integers(0, len(ALD_NUMBERS), BLOCK)
        former = np.where(
            (luck.random(BLOCK) < FORMER_SHARE) & (age > 20) & (former != 11), former, NO_SLOT
        )
        none = np.zeros(BLOCK, bool)
        ill = np.zeros((BLOCK, len(ALD_NUMBERS)), bool)
        people = Cohort(self.model, home, sex, age, group, birth, twin, former, none, ill)
        return people, luck


@cache
def _stream(
    seed: int,
    size: int,
    departments: tuple[str, ...],
    years: tuple[int, int],
    crude_deaths: float,
) -> _Stream:
    return _Stream(seed, size, departments, years, crude_deaths)


def draw(
    seed: int,
    size: int,
    departments: tuple[str, ...],
    years: tuple[int, int],
    block: int,
    crude_deaths: float = CRUDE_DEATH_RATE,
) -> Cohort:
    """Return the persons of a block of a universe."""
    return _stream(seed, size, departments, years, crude_deaths).draw(block)
