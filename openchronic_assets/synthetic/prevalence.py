"""How many people have each ALD, by age, sex, department and latent class of multimorbidity.

The level of each ALD is that of CNAM's counts, which give two margins: by sex and age, and by
department. Iterative proportional fitting on the population joins them: the rate of a cell is a
rate of its sex and age times a factor of its department, and both margins are met. Within a cell,
four latent classes make illnesses cluster: a class moves the log-odds of each ALD, and the levels
are solved so that the mean over the classes is the cell's rate exactly.

Death is logistic in the illnesses, at the level of the country's mortality; onset is what keeps
the rates of next year's age, so that the population stays calibrated year after year.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from openchronic_assets.synthetic import figures
from openchronic_assets.synthetic.figures import AGE_BANDS, ALD_NUMBERS

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

AGES = 106  # single years, the last one 105
COUNT = len(ALD_NUMBERS)

# People behind CNAM's counts of 2016: the general scheme of its cartographie (indicators 3.3).
INSURED = 57e6
# Deaths a year per inhabitant (INSEE, 2018-2023: 9.1 to 10.0 per 1,000).
CRUDE_DEATH_RATE = 0.0094

# Latent classes: robust, cardiometabolic, neuropsychiatric and frail, other (immune, cancer...).
# Shares, log-odds moved for the ALD of the class's own cluster and for the others, and death.
CLASS_SHARES = np.array([0.66, 0.14, 0.11, 0.09])
CLASS_CLUSTERS = ("", "cardiometabolic", "neuropsychiatric", "other")
OWN_CLUSTER, OTHER_CLUSTER = 1.0, 0.2
CLASS_DEATH = np.array([0.8, 1.35, 1.6, 1.2])

# Severity of an episode (1 to 3): shares, and how much it moves the odds ratio of death.
SEVERITY_SHARES = np.array([0.50, 0.35, 0.15])
SEVERITY_DEATH = np.array([0.65, 1.05, 2.05])


def by_single_age(bands: Floats) -> Floats:
    """Spread counts by five-year band (last axis) over single years of age."""
    inside = np.full(5, 0.2)
    oldest = 0.66 ** np.arange(AGES - 95)
    weights = np.concatenate([np.tile(inside, AGE_BANDS - 1), oldest / oldest.sum()])
    spread: Floats = np.repeat(bands, [5] * (AGE_BANDS - 1) + [AGES - 95], axis=-1) * weights
    return spread


@dataclass(frozen=True)
class France:
    """Residents by (department, sex, band) and rates of each ALD as two factors.

    ``rate`` is by (ALD, sex, single age), ``factor`` by (ALD, department): their product is the
    share of people with the ALD in a cell, on 31 December.
    """

    departments: tuple[str, ...]
    people: Floats
    rate: Floats
    factor: Floats


def _fit(seed: Floats, first: Floats, second: Floats) -> Floats:
    """Return a two-way table with the margins given, from a seed, by proportional fitting."""
    table = seed.copy()
    for _ in range(60):
        table *= (first / table.sum(axis=1))[:, None]
        table *= (second / table.sum(axis=0))[None, :]
    return table


@cache
def counts() -> tuple[Floats, Floats]:
    """Return CNAM's people with each ALD by (ALD, sex, band) and by (ALD, department).

    Both are scaled from the insured of that year to the residents; a total is the mean of the two
    margins, which differ by rounding. ALD 31 and 32 are not counted by department: zeros.
    """
    names = [row["department"] for row in figures.rows("departments.csv")]
    residents = sum(float(row["residents"]) for row in figures.rows("departments.csv"))
    by_age = np.zeros((COUNT, 2, AGE_BANDS))
    for row in figures.rows("ald_by_sex_age.csv"):
        if (number := int(row["ald_num"])) in ALD_NUMBERS:
            by_age[number - 1, int(row["sex"]) - 1, int(row["age_from"]) // 5] = float(
                row["persons"]
            )
    by_place = np.zeros((COUNT, len(names)))
    for row in figures.rows("ald_by_department.csv"):
        by_place[int(row["ald_num"]) - 1, names.index(row["department"])] = float(row["persons"])
    ages, places = by_age.sum(axis=(1, 2)), by_place.sum(axis=1)
    total = np.where(places > 0, (ages + places) / 2, ages) * residents / INSURED
    by_age *= (total / ages)[:, None, None]
    by_place *= np.divide(total, places, out=np.zeros(COUNT), where=places > 0)[:, None]
    return by_age, by_place


@cache
def france() -> France:
    """Return the residents and the ALD rates of the 101 departments."""
    table = figures.rows("departments.csv")
    names = tuple(row["department"] for row in table)
    residents = np.array([float(row["residents"]) for row in table])
    national = figures.population()
    national = national / national.sum() * residents.sum()
    by_age, by_place = counts()
    seed = np.stack([_structure(name, national, by_place, residents, names) for name in names])
    flat = _fit(seed.reshape(len(names), -1) + 1e-9, residents, national.ravel())
    people = flat.reshape(len(names), 2, AGE_BANDS)
    rate = by_age / national
    factor = np.ones((COUNT, len(names)))
    placed = by_place.sum(axis=1) > 0
    for _ in range(60):
        expected = np.einsum("dsa,ksa->kd", people, rate)
        factor[placed] = (by_place / expected)[placed]
        rate = by_age / np.einsum("dsa,kd->ksa", people, factor)
    return France(names, people, _smooth(rate, people.sum(axis=0)), factor)


def _structure(
    name: str, national: Floats, by_place: Floats, residents: Floats, names: tuple[str, ...]
) -> Floats:
    """Return a first guess of a department's people by (sex, band).

    Wide age classes are known for some departments. Elsewhere the national structure is tilted
    towards the old until dementia and Parkinson's disease (ALD 15 and 16), which follow age more
    than anything else, are as frequent as counted.
    """
    known = figures.age_classes(name)
    place = names.index(name)
    if known is not None:
        guess: Floats = national.copy()
        for first, last, share in known:
            guess[:, first:last] *= share / guess[:, first:last].sum()
        known_people: Floats = guess * residents[place]
        return known_people
    by_age, _ = counts()
    old = by_age[14:16].sum(axis=0) / national
    target = by_place[14:16, place].sum() / residents[place]
    low, high = -1.2, 1.2
    tilt = (np.arange(AGE_BANDS) - 8) / 10
    guess = national
    for _ in range(30):
        middle = (low + high) / 2
        guess = national * np.exp(middle * tilt)
        guess = guess / guess.sum()
        low, high = (middle, high) if (guess * old).sum() < target else (low, middle)
    tilted: Floats = guess * residents[place]
    return tilted


def _smooth(rate: Floats, people: Floats) -> Floats:
    """Return rates by single age that vary without steps and keep the mean of each band."""
    weight = by_single_age(people)
    edges = np.arange(0, 100, 5)
    middle = np.r_[np.arange(2.0, 95, 5), 96.5]
    ages = np.arange(AGES)
    target = np.maximum(rate, 1e-12)
    level = np.log(target)
    smooth = np.empty((COUNT, 2, AGES))
    total = np.add.reduceat(weight, edges, axis=-1)
    for last in range(13):
        for k in range(COUNT):
            for s in range(2):
                smooth[k, s] = np.exp(np.interp(ages, middle, level[k, s]))
        mean = np.add.reduceat(smooth * weight, edges, axis=-1) / total
        if last < 12:
            level += np.clip(np.log(target / mean), -1, 1) * 0.8
    return smooth * np.repeat(target / mean, [5] * 19 + [AGES - 95], axis=-1)


@dataclass(frozen=True)
class Model:
    """The generating model over the departments of a universe; axes (department, sex, age, …).

    ``people`` is the share of all people alive on 31 December by (department, sex, age); ``level``
    the log-odds of each ALD in the robust class by (…, ALD); ``move`` what the classes add, by
    (class, ALD). ``death`` is the chance to die in a year by (sex, age at its end, class).
    ``leave`` is the yearly chance that an ALD in force ends, by ALD; ``odds`` the odds ratio of
    death of each ALD.
    """

    departments: tuple[str, ...]
    people: Floats
    level: Floats
    move: Floats
    death: Floats
    leave: Floats
    odds: Floats

    def rates(self, place: Ints, sex: Ints, age: Ints, group: Ints) -> Floats:
        """Return the chance of having each ALD on 31 December, by (person, ALD); 0 before birth."""
        known = self.level[place, sex - 1, np.clip(age, 0, AGES - 1)] + self.move[group]
        chance: Floats = np.where((age >= 0)[:, None], 1 / (1 + np.exp(-known)), 0.0)
        return chance

    def dying(self, sex: Ints, age: Ints, group: Ints) -> Floats:
        """Return the chance to die in the year at whose end one is ``age``, illnesses unknown."""
        chance: Floats = self.death[sex - 1, np.clip(age, 0, AGES - 1), group]
        return chance

    def among_the_dead(self, rates: Floats) -> Floats:
        """Return the chance of each ALD in those who die, from that of those who survive."""
        chance: Floats = rates * self.odds / (1 - rates + rates * self.odds)
        return chance


def mortality(crude: float = CRUDE_DEATH_RATE) -> Floats:
    """Return the chance to die in a year by (sex, age at its end), at a crude rate."""
    age = np.arange(AGES)
    rate = np.stack(
        [0.0113 * np.exp(0.100 * (age - 65.0)), 0.0054 * np.exp(0.118 * (age - 65.0))]
    ) + np.where(age < 1, 0.0035, 0.0001)
    people = by_single_age(france().people.sum(axis=0))
    people = people / people.sum()
    scale = 1.0
    for _ in range(30):
        chance = 1 - np.exp(-np.minimum(rate * scale, 1.5))
        # Those who died are among the inhabitants of the year: dead = alive * q / (1 - q).
        dead = (people * chance / (1 - chance)).sum()
        scale *= crude / (dead / (1 + dead))
    return chance


@cache
def model(departments: tuple[str, ...], crude_deaths: float = CRUDE_DEATH_RATE) -> Model:
    """Return the model of a list of departments (INSEE codes), at a crude death rate.

    A list of all the departments has the real number of people in each; a shorter one the same
    number in each, so that each has enough people to be looked at.
    """
    country = france()
    where = [country.departments.index(name) for name in departments]
    people = by_single_age(country.people[where])
    if len(departments) < len(country.departments):
        people = people / people.sum(axis=(1, 2), keepdims=True)
    profile = figures.ald()
    own = np.array(
        [[cluster == name for name in profile.cluster] for cluster in CLASS_CLUSTERS], bool
    )
    move = np.where(own, OWN_CLUSTER, OTHER_CLUSTER)
    move[0] = 0.0
    # Class shares among survivors: those of the inhabitants, less the dead.
    chance = mortality(crude_deaths)
    death = np.minimum(chance[:, :, None] * CLASS_DEATH / (CLASS_SHARES * CLASS_DEATH).sum(), 0.9)
    alive = CLASS_SHARES * (1 - death)
    alive /= alive.sum(axis=-1, keepdims=True)
    rate = np.einsum("ksa,kd->dsak", country.rate, country.factor[:, where])
    rate = np.clip(rate, 1e-9, 0.9)
    level = np.log(rate / (1 - rate))
    for _ in range(25):
        each = 1 / (1 + np.exp(-(level[..., None, :] + move)))
        mean = np.einsum("sac,dsack->dsak", alive, each)
        slope = np.einsum("sac,dsack->dsak", alive, each * (1 - each))
        step = (rate - mean) / slope
        level += np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-10:
            break
    return Model(
        departments=departments,
        people=people / people.sum(),
        level=level,
        move=move,
        death=death,
        leave=_leave(country, profile.new_share, chance),
        odds=profile.hazard_ratio,
    )


def _leave(country: France, new_share: Floats, dying: Floats) -> Floats:
    """Return the yearly chance that each ALD ends, for which its share of new people is right.

    Those who begin in a year make up for those who left and for the rate of the next age; the
    higher the chance to leave, the more of the people of 31 December are new.
    """
    weight = by_single_age(country.people.sum(axis=0))
    alive = country.rate
    before = np.concatenate([np.zeros((COUNT, 2, 1)), alive[..., :-1]], axis=-1)
    odds = figures.ald().hazard_ratio[:, None, None]
    after = (1 - dying) * alive + dying * alive * odds / (1 - alive + alive * odds)
    low, high = np.zeros(COUNT), np.full(COUNT, 0.9)
    for _ in range(40):
        middle = (low + high) / 2
        new = np.maximum(after - before * (1 - middle[:, None, None]), 0.02 * after)
        share = (new * weight).sum(axis=(1, 2)) / (after * weight).sum(axis=(1, 2))
        low = np.where(share < new_share, middle, low)
        high = np.where(share < new_share, high, middle)
    return np.where(new_share > 0, (low + high) / 2, 0.02)
