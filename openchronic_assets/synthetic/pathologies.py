"""The pathologies and chronic treatments of the cartographie, with or without an ALD.

A person with the ALD of a pathology has it from the ALD's first day. Others are treated without
an exemption: their chance is a curve of age and sex at the country's level, moved like the ALD by
the latent class, and drawn once for the whole life so that onset and frequency agree. Levels are
what the published numbers of treated people leave once the ALD are taken out (indicators 3.3);
curves are assumptions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import numpy.typing as npt

from openchronic_assets.synthetic import figures
from openchronic_assets.synthetic.conditions import Conditions
from openchronic_assets.synthetic.population import People
from openchronic_assets.synthetic.prevalence import (
    AGES,
    CLASS_CLUSTERS,
    CLASS_SHARES,
    OTHER_CLUSTER,
    OWN_CLUSTER,
    by_single_age,
    france,
)
from openchronic_assets.synthetic.text import NEVER, day

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# The cluster of the pathologies that no ALD names.
CLUSTERS = {"F": "cardiometabolic", "P": "neuropsychiatric"}


@dataclass(frozen=True)
class Pathology:
    """One top of the cartographie; ``chance``, without its ALD, is by (sex, age, class)."""

    name: str
    label: str
    alds: tuple[int, ...]
    chance: Floats

    @cached_property
    def line(self) -> Floats:
        """The highest chance so far by age, (sex, class) after (sex, class) on one rising line."""
        highest = np.maximum.accumulate(self.chance, axis=1).transpose(0, 2, 1)
        rows: Floats = highest.reshape(-1, AGES)
        return np.concatenate([row + place for place, row in enumerate(rows)])


@dataclass(frozen=True)
class Onset:
    """One pathology of one person from a day on; ``ald`` tells whether its ALD began it."""

    person: int
    name: str
    start: int
    ald: bool


@cache
def pathologies() -> tuple[Pathology, ...]:
    """Return the pathologies of ``pathologies.csv``."""
    people = by_single_age(france().people.sum(axis=0))
    people = people / people.sum()
    profile = figures.ald()
    age = np.arange(AGES)
    found = []
    for row in figures.rows("pathologies.csv"):
        alds = figures.numbers(row["alds"])
        # A rise around the middle age, then a plateau.
        curve = 1 / (1 + np.exp(-(age - float(row["middle_age"])) / float(row["slope"])))
        shape = np.stack([curve, curve * float(row["women"])])
        rate = shape * float(row["permille"]) / 1000 / (shape * people).sum()
        cluster = profile.cluster[alds[0] - 1] if alds else CLUSTERS[row["pathology"][0]]
        odds = np.array(
            [1.0, *(np.exp(OWN_CLUSTER if c == cluster else OTHER_CLUSTER)
                    for c in CLASS_CLUSTERS[1:])]
        )  # fmt: skip
        odds /= (CLASS_SHARES * odds).sum()
        chance = np.minimum(rate[:, :, None] * odds, 0.85)
        found.append(Pathology(row["pathology"], row["label_fr"], alds, chance))
    return tuple(found)


def draw(
    people: People, found: Conditions, seed: int, size: int, years: tuple[int, int]
) -> list[Onset]:
    """Return the pathologies that the block's persons have by the end of the last year.

    Each person has one number for each pathology: they are treated from the age at which their
    chance passes it. Where the chance falls with age, nobody is cured.
    """
    stand = people.cohort
    luck = np.random.default_rng([seed, size, people.first, 0xCA])
    last = day(years[1] + 1) - 1
    known = found.episodes
    who = np.array([each.person for each in known], np.int64)
    number = np.array([each.number for each in known], np.int64)
    began = np.array([each.start for each in known], np.int64)
    kind = (stand.sex - 1) * len(CLASS_SHARES) + stand.group
    onsets: list[Onset] = []
    for pathology in pathologies():
        limit, within = luck.random(len(people)), luck.random(len(people))
        # The age at which the chance first passes the limit; AGES if it never does.
        age = np.searchsorted(pathology.line, kind + limit, side="right") - kind * AGES
        start = people.birth + ((age + within) * 365.25).astype(np.int64)
        start = np.where(age == AGES, NEVER, start)
        by_ald = np.full(len(people), NEVER)
        named = np.isin(number, pathology.alds)
        np.minimum.at(by_ald, who[named], began[named])
        # The part of the ALD is in the ALD: who has it is not treated without it.
        with_ald = by_ald < NEVER
        start = np.where(with_ald, by_ald, start)
        there = (start <= last) & (start < people.death)
        onsets += [
            Onset(person, pathology.name, int(start[person]), bool(with_ald[person]))
            for person in np.flatnonzero(there).tolist()
        ]
    return onsets
