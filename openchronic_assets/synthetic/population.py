"""The people of one block: who they are, where they live, when they are born and die.

A block always draws ``BLOCK`` persons; an extract that needs fewer drops the last ones, so that a
larger extract of the same seed and universe begins with the same persons.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from openchronic_assets.synthetic import figures
from openchronic_assets.synthetic.text import NEVER, day
from openchronic_assets.synthetic.universe import Universe

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

BLOCK = 1000

# Shares of rare identities; of the order of what the documentation describes.
TWIN_SHARE = 0.012
SECOND_COUPLE_SHARE = 0.02
FICTITIOUS_SHARE = 0.006
NO_NIR_ANO_SHARE = 0.02
NON_CONSUMER_SHARE = 0.05

# Invented numbers that stand for protected situations, never a person (IR_NIR_V; decision 12).
FICTITIOUS = ("05", "06", "11")

# Funds (characters 4 to 6 of the office) that tell the two departments of Corsica apart.
CORSICA = {"2A": "201", "2B": "202"}


@dataclass
class People:
    """Arrays over the persons of a block; dates are days since 1970, ``NEVER`` = not known.

    ``place`` is the position of the department in the universe. ``switch`` is the day from which
    a person with two couples is known by ``psa2`` (``NEVER`` for the others).
    """

    first: int
    place: Ints
    sex: Ints
    birth: Ints
    death: Ints
    scheme: Ints
    office: list[str]
    res_dpt: list[str]
    res_com: list[str]
    commune: Ints
    psa: list[str]
    psa2: list[str]
    rank: Ints
    nir_ano: list[str | None]
    idt_ano: list[str]
    cdi: list[str]
    switch: Ints
    gp: Ints
    habit: Ints
    frail: Floats
    silent: Bools

    def __len__(self) -> int:
        return len(self.place)

    def age(self, when: Ints | int, person: Ints | None = None) -> Ints:
        """Return ages in whole years on a date, of all persons or of the given ones."""
        birth = self.birth if person is None else self.birth[person]
        years: Ints = np.floor((np.asarray(when) - birth) / 365.25).astype(np.int64)
        return years

    @property
    def fictitious(self) -> Bools:
        """Whether the NIR of each person is an invented one."""
        return np.array([code in FICTITIOUS for code in self.cdi])


def pseudonym(seed: int, kind: str, index: int) -> str:
    """Return 17 characters that stand for one person; the same for the same (seed, kind, index)."""
    digest = hashlib.blake2b(f"{seed}/{kind}/{index}".encode(), digest_size=10).digest()
    return "S" + base64.b32encode(digest).decode()


def residence(department: str, commune: str, scheme: int, letter: str) -> tuple[str, str]:
    """Return BEN_RES_DPT and BEN_RES_COM as each scheme codes them (snds_model D10).

    Overseas, the general scheme writes ``097`` and the commune's three characters; MSA (``02A``)
    and RSI (``03A``) write the department in full, and RSI puts only the last two in the commune.
    Both departments of Corsica are ``209``; the office tells them apart.
    """
    if department in CORSICA:
        return "209", commune
    if len(department) == 3:
        if letter == "A" and scheme == 2:
            return department, commune
        if letter == "A" and scheme == 3:
            return department, f"0{commune[1:]}"
        return "097", commune
    return f"0{department}", commune


def hazard(age: Floats, sex: Ints) -> Floats:
    """Return the yearly death hazard by age and sex: Gompertz, level of France 2019."""
    male = 0.0113 * np.exp(0.100 * (age - 65))
    female = 0.0054 * np.exp(0.118 * (age - 65))
    infant = np.where(age < 1, 0.0035, 0.0)
    rate: Floats = np.minimum(np.where(sex == 1, male, female) + infant, 0.9)
    return rate


def draw(
    seed: int, block: int, rng: np.random.Generator, world: Universe, years: tuple[int, int]
) -> People:
    """Return the persons of a block, not yet dead: deaths come once their illnesses are known."""
    first = block * BLOCK
    index = np.arange(first, first + BLOCK)
    place = index % len(world.departments)
    cells = [figures.people_of(name).ravel() for name in world.departments]
    birth = np.zeros(BLOCK, np.int64)
    sex = np.zeros(BLOCK, np.int64)
    luck, within, tail = rng.random(BLOCK), rng.random(BLOCK), rng.exponential(900, BLOCK)
    newborn, when = rng.random(BLOCK), rng.random(BLOCK)
    start, end = day(years[0]), day(years[1] + 1)
    for each, shares in enumerate(cells):
        here = place == each
        cell = np.searchsorted(np.cumsum(shares), luck[here] * 0.999999)
        sex[here] = cell // figures.AGE_BANDS + 1
        band = cell % figures.AGE_BANDS
        days = (band + within[here]) * 5 * 365.25
        days = np.where(band == figures.AGE_BANDS - 1, 95 * 365.25 + tail[here] % 4000, days)
        birth[here] = start - 1 - days.astype(np.int64)
        # As many births a year as the youngest band holds of each age.
        share = shares.reshape(2, -1)[:, 0].sum() / 5 * (years[1] - years[0] + 1)
        born = newborn[here] < share / (1 + share)
        arrival = start + (when[here] * (end - start)).astype(np.int64)
        birth[here] = np.where(born, arrival, birth[here])
    scheme = rng.choice([1, 2, 3], BLOCK, p=[0.87, 0.07, 0.06])
    letters = np.where(rng.random(BLOCK) < 0.8, "A", "C")
    commune = np.zeros(BLOCK, np.int64)
    pull = rng.random(BLOCK)
    for each, weights in enumerate(world.commune_weights):
        here = place == each
        commune[here] = np.searchsorted(np.cumsum(weights), pull[here] * 0.999999)
    office, res_dpt, res_com = [], [], []
    for p, c, s, letter in zip(place, commune, scheme, letters, strict=True):
        department = world.departments[p]
        mark = {1: "01C", 2: f"02{letter}", 3: f"03{letter}"}[int(s)]
        fund = department if len(department) == 3 else f"{department}1"
        fund = CORSICA.get(department, fund)
        office.append(f"{mark}{fund}000")
        coded = residence(department, world.communes[p][c], int(s), str(letter) if s > 1 else "C")
        res_dpt.append(coded[0])
        res_com.append(coded[1])
    people = People(
        first=first,
        place=place,
        sex=sex,
        birth=birth,
        death=np.full(BLOCK, NEVER),
        scheme=scheme,
        office=office,
        res_dpt=res_dpt,
        res_com=res_com,
        commune=commune,
        psa=[pseudonym(seed, "psa", int(each)) for each in index],
        psa2=[pseudonym(seed, "psa2", int(each)) for each in index],
        rank=np.where(scheme == 3, 0, 1),
        nir_ano=[pseudonym(seed, "nir", int(each)) for each in index],
        idt_ano=[],
        cdi=["00"] * BLOCK,
        switch=np.full(BLOCK, NEVER),
        gp=np.zeros(BLOCK, np.int64),
        habit=rng.integers(0, 1 << 30, BLOCK),
        frail=rng.gamma(4.0, 0.25, BLOCK),
        silent=rng.random(BLOCK) < NON_CONSUMER_SHARE,
    )
    _identities(rng, people, years)
    for each in range(len(world.departments)):
        here = place == each
        gps = world.of[(each, 1)]
        people.gp[here] = gps[people.habit[here] % len(gps)]
    people.gp[rng.random(BLOCK) < 0.1] = 0
    return people


def _identities(rng: np.random.Generator, people: People, years: tuple[int, int]) -> None:
    """Plant twins, second couples, invented numbers and missing NIR pseudonyms."""
    twin = rng.random(BLOCK) < TWIN_SHARE
    second = rng.random(BLOCK) < SECOND_COUPLE_SHARE
    turn = rng.random(BLOCK)
    invented = rng.random(BLOCK) < FICTITIOUS_SHARE
    kind = rng.integers(0, len(FICTITIOUS), BLOCK)
    nameless = rng.random(BLOCK) < NO_NIR_ANO_SHARE
    start, end = day(years[0]), day(years[1] + 1)
    taken = np.zeros(BLOCK, bool)
    step = len(set(people.place.tolist()))
    for each in np.flatnonzero(twin):
        other = int(each) + step  # same department
        if other >= BLOCK or taken[each] or taken[other]:
            continue
        taken[each] = taken[other] = True
        # A twin is the same insured, birth date and sex: one PSA, ranks 1 and 2.
        people.psa[other] = people.psa[each]
        people.rank[each], people.rank[other] = 1, 2
        for name in ("birth", "sex", "scheme", "commune"):
            values = getattr(people, name)
            values[other] = values[each]
        for field in (people.office, people.res_dpt, people.res_com):
            field[other] = field[each]
    for each in np.flatnonzero(second & ~taken & (people.birth < start)):
        taken[each] = True
        people.switch[each] = start + int(turn[each] * (end - start))
    for each in np.flatnonzero(invented & ~taken):
        taken[each] = True
        people.cdi[each] = FICTITIOUS[int(kind[each])]
    # An unknown NIR gives the person the id PSA || rank; never with two couples, which only the
    # NIR can tie together.
    for each in np.flatnonzero(nameless & (people.switch == NEVER) | people.fictitious):
        people.nir_ano[each] = None
    people.idt_ano = [
        nir if nir is not None else f"{psa}{rank}"
        for nir, psa, rank in zip(people.nir_ano, people.psa, people.rank, strict=True)
    ]


def die(rng: np.random.Generator, people: People, years: tuple[int, int], burden: Floats) -> None:
    """Draw the deaths of the period, ``burden`` being each person's hazard ratio."""
    luck, when = rng.random((years[1] - years[0] + 1, BLOCK)), rng.random(BLOCK)
    for number, year in enumerate(range(years[0], years[1] + 1)):
        start, end = day(year), day(year + 1)
        age = np.maximum(start + 182 - people.birth, 0) / 365.25
        exposed = (people.death == NEVER) & (people.birth < end - 1)
        chance = 1 - np.exp(-hazard(age, people.sex) * burden)
        dies = exposed & (luck[number] < chance)
        since = np.maximum(start, people.birth)
        people.death[dies] = (since + (when * (end - since)).astype(np.int64))[dies]
