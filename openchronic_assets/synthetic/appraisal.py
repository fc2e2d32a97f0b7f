"""The generated population held against the published figures it was calibrated on.

A cell is a number of people with an ALD on 31 December of the first year, by department or by sex
and five-year age. Its residual is (observed - expected) / root of expected; the expected number is
the published count brought from the insured of 2016 to the people generated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from openchronic_assets.synthetic import conditions, population
from openchronic_assets.synthetic.cohort import BLOCK
from openchronic_assets.synthetic.figures import AGE_BANDS, ALD_NUMBERS, age_band
from openchronic_assets.synthetic.prevalence import AGES, france, model
from openchronic_assets.synthetic.text import NEVER, day
from openchronic_assets.synthetic.universe import build

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

LISTED = 30  # CNAM counts the ALD 1 to 30 by department
SMALLEST = 20  # expected people of the cells that are judged
MEAN_BAR, SPREAD_BAR, TOTAL_BAR = 0.1, 1.15, 0.01


@dataclass(frozen=True)
class Residuals:
    """Standardised residuals of the cells of one margin; they hold within the two bars."""

    margin: str
    values: Floats

    @property
    def mean(self) -> float:
        """Mean of the residuals."""
        return float(self.values.mean()) if len(self.values) else 0.0

    @property
    def spread(self) -> float:
        """Standard deviation of the residuals."""
        return float(self.values.std()) if len(self.values) else 0.0

    @property
    def holds(self) -> bool:
        """Whether mean and standard deviation are within the bars."""
        return abs(self.mean) <= MEAN_BAR and self.spread <= SPREAD_BAR


@dataclass
class Tally:
    """People alive on the day and people with each ALD, by (department, sex, band)."""

    departments: tuple[str, ...]
    alive: Ints
    ill: Ints  # (ALD, department, sex, band)
    persons: int = 0
    deaths: int = 0
    any_ald: int = 0

    @classmethod
    def empty(cls, departments: tuple[str, ...]) -> Tally:
        """Return a tally of nobody."""
        shape = (len(departments), 2, AGE_BANDS)
        return cls(
            departments, np.zeros(shape, np.int64), np.zeros((len(ALD_NUMBERS), *shape), np.int64)
        )

    def add(self, place: Ints, sex: Ints, band: Ints, alive: Bools, ill: Bools) -> None:
        """Count people by their cell; ``ill`` is by (person, ALD)."""
        here = np.flatnonzero(alive)
        np.add.at(self.alive, (place[here], sex[here] - 1, band[here]), 1)
        who, slot = np.nonzero(ill & alive[:, None])
        np.add.at(self.ill, (slot, place[who], sex[who] - 1, band[who]), 1)
        self.any_ald += int((ill & alive[:, None]).any(axis=1).sum())

    def expected(self) -> Floats:
        """Return the people expected with each ALD by (ALD, department, sex, band)."""
        country = france()
        where = [country.departments.index(name) for name in self.departments]
        rate = np.einsum("ksa,kd->kdsa", country.rate, country.factor[:, where])
        share = rate * model(self.departments).people
        edges = np.arange(0, 5 * AGE_BANDS, 5)
        cells: Floats = np.add.reduceat(share, edges, axis=-1) * self.alive.sum()
        assert share.shape[-1] == AGES
        return cells

    def residuals(self) -> tuple[Residuals, Residuals]:
        """Return the residuals by department and by sex and age, ALD 1 to 30."""
        observed, expected = self.ill[:LISTED], self.expected()[:LISTED]
        found = []
        for margin, axes in (("department", (2, 3)), ("sex and age", (1,))):
            seen, due = observed.sum(axis=axes).ravel(), expected.sum(axis=axes).ravel()
            judged = due >= SMALLEST
            found.append(Residuals(margin, ((seen - due) / np.sqrt(np.maximum(due, 1e-9)))[judged]))
        return found[0], found[1]

    def totals(self) -> Floats:
        """Return observed and expected people of each ALD, by (ALD, 2)."""
        both: Floats = np.stack(
            [self.ill.sum(axis=(1, 2, 3)), self.expected().sum(axis=(1, 2, 3))], axis=1
        )
        return both

    def total_holds(self) -> Bools:
        """Return whether each total is within one percent of what is expected, or one person."""
        seen, due = self.totals().T
        within: Bools = np.abs(seen - due) <= np.maximum(TOTAL_BAR * due, 1.0)
        return within


def tally_of_draws(
    seed: int, persons: int, departments: tuple[str, ...], year: int, size: int | None = None
) -> Tally:
    """Draw people and their illnesses, without care, and count them on 31 December of the year.

    Args:
        seed: of the draw.
        persons: whole blocks of them.
        departments: INSEE codes.
        year: the only year of the period.
        size: persons of the universe; by default ``persons``.
    """
    world = build(seed, size or persons, departments)
    found = Tally.empty(departments)
    last = day(year + 1) - 1
    for block in range(persons // BLOCK):
        rng = np.random.default_rng([seed, world.size, block])
        people = population.draw(seed, block, rng, world, (year, year))
        drawn = conditions.onset(rng, people, world, (year, year))
        ill = np.zeros((BLOCK, len(ALD_NUMBERS)), bool)
        for each in drawn.episodes:
            if each.start <= last <= each.end:
                ill[each.person, each.number - 1] = True
        found.persons += BLOCK
        found.deaths += int((people.death < NEVER).sum())
        band = age_band(people.cohort.age)
        found.add(people.place, people.sex, band, people.death > last, ill)
    return found
