"""The people of one block: who they are, where they live, when they are born and die.

A block always draws ``BLOCK`` persons; an extract that needs fewer drops the last ones, so that a
larger extract of the same seed and universe begins with the same persons. Age, sex, department
and illness come from ``cohort``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from openchronic_assets.synthetic import cohort
from openchronic_assets.synthetic.cohort import BLOCK as BLOCK
from openchronic_assets.synthetic.cohort import NO_SLOT, Cohort
from openchronic_assets.synthetic.text import NEVER, day
from openchronic_assets.synthetic.universe import Universe

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

# Shares of rare identities; of the order of what the documentation describes.
SECOND_COUPLE_SHARE = 0.02
FICTITIOUS_SHARE = 0.006
NO_NIR_ANO_SHARE = 0.02
NON_CONSUMER_SHARE = 0.05
# Chance of moving to another department in a year, by age (INSEE: young adults move most).
MOVING_AGES, MOVING = (18, 30, 45, 65), (0.015, 0.055, 0.022, 0.010, 0.007)
# How much likelier each latent class is to live in a commune of the next deprivation quintile.
DEPRIVATION_BY_CLASS = (0.94, 1.12, 1.15, 1.05)

# Invented numbers that stand for protected situations, never a person (IR_NIR_V; decision 12).
FICTITIOUS = ("05", "06", "11")

# Funds (characters 4 to 6 of the office) that tell the two departments of Corsica apart.
CORSICA = {"2A": "201", "2B": "202"}


@dataclass
class People:
    """Arrays over the persons of a block; dates are days since 1970, ``NEVER`` = not known.

    ``place`` is the position in the universe of the last department of residence, ``res_dpt``,
    ``res_com``, ``office`` and ``commune`` are of it too; those who move do so on ``moved``, from
    ``place_before`` and ``commune_before``. ``quintile`` is the deprivation of the last commune,
    0 overseas. ``switch`` is the day from which a person with two couples is known by ``psa2``
    (``NEVER`` for the others). ``cohort`` is where the persons stand in the generating model.
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
    cohort: Cohort
    seed: int
    quintile: Ints
    moved: Ints
    place_before: Ints
    commune_before: Ints
    office_before: list[str]
    res_dpt_before: list[str]
    res_com_before: list[str]
    gp_before: Ints
    quintile_before: Ints

    def __len__(self) -> int:
        return len(self.place)

    def age(self, when: Ints | int, person: Ints | None = None) -> Ints:
        """Return ages in whole years on a date, of all persons or of the given ones."""
        birth = self.birth if person is None else self.birth[person]
        years: Ints = np.floor((np.asarray(when) - birth) / 365.25).astype(np.int64)
        return years

    def place_on(self, when: Ints | int, person: Ints | None = None) -> Ints:
        """Return the department (position) on a date, of all persons or of the given ones."""
        who = np.arange(len(self)) if person is None else person
        place: Ints = np.where(when < self.moved[who], self.place_before[who], self.place[who])
        return place

    def gp_on(self, when: Ints | int, person: Ints | None = None) -> Ints:
        """Return the treating doctor on a date, 0 for none, of all or of the given persons."""
        who = np.arange(len(self)) if person is None else person
        doctor: Ints = np.where(when < self.moved[who], self.gp_before[who], self.gp[who])
        return doctor

    def die(self, death: Ints) -> None:
        """Set the days of death (``NEVER`` for the living); a move planned after one is undone."""
        self.death = death
        for each in np.flatnonzero((self.moved < NEVER) & (self.moved >= death)).tolist():
            self.moved[each] = NEVER
            for name in ("place", "commune", "gp", "office", "res_dpt", "res_com"):
                getattr(self, name)[each] = getattr(self, f"{name}_before")[each]
            self.quintile[each] = self.quintile_before[each]

    def renewed(self, epoch: int) -> tuple[list[str], list[str]]:
        """Return (PSA, BEN_IDT_ANO) of everyone after the renewal number ``epoch``, 1 or more.

        The provider renews every pseudonym about every two years (decision 2); twins go on
        sharing theirs. Epoch 0 is ``psa`` (``psa2`` after ``switch``) and ``idt_ano``.
        """
        index = np.arange(self.first, self.first + len(self))
        # The second of two twins, whose rank is 2, has the PSA of the first.
        index = np.where(self.rank == 2, self.first + self.cohort.twin, index)
        psa = pseudonyms(self.seed, f"psa/{epoch}", index)
        new = pseudonyms(self.seed, f"nir/{epoch}", self.first + np.arange(len(self)))
        ano = [
            f"{p}{rank}" if known is None else nir
            for p, nir, rank, known in zip(psa, new, self.rank, self.nir_ano, strict=True)
        ]
        return psa, ano

    @property
    def fictitious(self) -> Bools:
        """Whether the NIR of each person is an invented one."""
        return np.array([code in FICTITIOUS for code in self.cdi])


def declare(people: People, ill: npt.NDArray[np.int64], world: Universe) -> None:
    """Give half of the people with an ALD who have no treating doctor the one of their habit.

    An ALD is asked for by the treating doctor: who has one seldom lacks the other.
    """
    first_gp, gps = world.gps
    who = ill[(people.gp[ill] == 0) & (people.habit[ill] // 61 % 2 == 0)]
    for name, at in (("gp", people.place), ("gp_before", people.place_before)):
        getattr(people, name)[who] = first_gp[at[who]] + people.habit[who] % gps[at[who]]


def pseudonyms(seed: int, kind: str, index: Ints) -> list[str]:
    """Return 17 characters for each person, the same for the same (seed, kind, index).

    Eighty bits in base 32 after an S. The first sixty-four are a one-to-one scrambling of the
    index, so two persons never share a pseudonym.
    """
    digest = hashlib.blake2b(f"{seed}/{kind}".encode(), digest_size=16).digest()
    first, second = (np.uint64(int.from_bytes(digest[i : i + 8], "big")) for i in (0, 8))
    high = _scramble(index.astype(np.uint64) ^ first)
    low = _scramble(high ^ second)
    digits = np.empty((len(index), 16), np.uint8)
    for position in range(12):
        digits[:, position] = (high >> np.uint64(5 * position)) & np.uint64(31)
    digits[:, 12] = (high >> np.uint64(60)) | ((low & np.uint64(1)) << np.uint64(4))
    for position in range(13, 16):
        digits[:, position] = (low >> np.uint64(1 + 5 * (position - 13))) & np.uint64(31)
    letters = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", np.uint8)[digits]
    text = np.concatenate([np.full((len(index), 1), ord("S"), np.uint8), letters], axis=1)
    found: list[str] = text.view("S17").ravel().astype("U17").tolist()
    return found


def pseudonym(seed: int, kind: str, index: int) -> str:
    """Return the pseudonym of one person."""
    return pseudonyms(seed, kind, np.array([index]))[0]


def _scramble(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Mix 64 bits one to one (the finaliser of SplitMix64)."""
    with np.errstate(over="ignore"):
        values = values + np.uint64(0x9E3779B97F4A7C15)
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


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


def draw(
    seed: int, block: int, rng: np.random.Generator, world: Universe, years: tuple[int, int]
) -> People:
    """Return the persons of a block, not yet dead: deaths come with their illnesses."""
    first = block * BLOCK
    index = np.arange(first, first + BLOCK)
    stand = cohort.draw(world.seed, world.size, world.departments, years, block, world.crude_deaths)
    moved, before, place = _moves(rng, stand, world, years)
    scheme = rng.choice([1, 2, 3], BLOCK, p=[0.87, 0.07, 0.06])
    letters = np.where(rng.random(BLOCK) < 0.8, "A", "C")
    pull = rng.random((2, BLOCK))
    commune = _communes(pull[0], place, stand.group, world)
    commune_before, gone = commune.copy(), np.flatnonzero(before != place)
    commune_before[gone] = _communes(pull[1, gone], before[gone], stand.group[gone], world)
    codes, where = _residences(world), (scheme - 1) * 2 + (letters == "C")
    starts = codes.starts
    lived = codes.of[(starts[place] + commune) * 6 + where]
    lived_before = codes.of[(starts[before] + commune_before) * 6 + where]
    quintile = codes.quintile[starts[place] + commune]
    quintile_before = codes.quintile[starts[before] + commune_before]
    people = People(
        first=first,
        place=place,
        sex=stand.sex,
        birth=stand.birth,
        death=np.full(BLOCK, NEVER),
        scheme=scheme,
        office=codes.office[place * 6 + where].tolist(),
        res_dpt=lived[:, 0].tolist(),
        res_com=lived[:, 1].tolist(),
        commune=commune,
        psa=pseudonyms(seed, "psa", index),
        psa2=pseudonyms(seed, "psa2", index),
        rank=np.where(scheme == 3, 0, 1),
        nir_ano=list(pseudonyms(seed, "nir", index)),
        idt_ano=[],
        cdi=["00"] * BLOCK,
        switch=np.full(BLOCK, NEVER),
        gp=np.zeros(BLOCK, np.int64),
        habit=rng.integers(0, 1 << 30, BLOCK),
        frail=rng.gamma(3.0, 1 / 3, BLOCK),
        silent=rng.random(BLOCK) < NON_CONSUMER_SHARE,
        cohort=stand,
        seed=seed,
        quintile=quintile,
        moved=moved,
        place_before=before,
        commune_before=commune_before,
        office_before=codes.office[before * 6 + where].tolist(),
        res_dpt_before=lived_before[:, 0].tolist(),
        res_com_before=lived_before[:, 1].tolist(),
        gp_before=np.zeros(BLOCK, np.int64),
        quintile_before=quintile_before,
    )
    _identities(rng, people, years)
    without = rng.random(BLOCK) < 0.1
    first_gp, gps = world.gps
    for name, at in (("gp", people.place), ("gp_before", people.place_before)):
        own = first_gp[at] + people.habit % gps[at]
        setattr(people, name, np.where(without, 0, own))
    return people


def _office(department: str, scheme: int, letter: str) -> str:
    """Return ORG_AFF_BEN: scheme and section, the department's fund, and the section within."""
    mark = {1: "01C", 2: f"02{letter}", 3: f"03{letter}"}[scheme]
    fund = department if len(department) == 3 else f"{department}1"
    return f"{mark}{CORSICA.get(department, fund)}000"


def _moves(
    rng: np.random.Generator, stand: Cohort, world: Universe, years: tuple[int, int]
) -> tuple[Ints, Ints, Ints]:
    """Draw at most one move each: the day (``NEVER``), the department before and the last one.

    The department of the first 31 December is that of the cohort, so a move of the first year
    ends there and a later one begins there. Twins stay together.
    """
    start, end = day(years[0]), day(years[1] + 1)
    first = day(years[0] + 1)
    span = years[1] - years[0] + 1
    yearly = np.array(MOVING)[np.searchsorted(np.array(MOVING_AGES), stand.age, side="right")]
    luck, when, where = rng.random(BLOCK), rng.random(BLOCK), rng.random(BLOCK)
    shares = stand.model.people.sum(axis=(1, 2))
    other = np.searchsorted(np.cumsum(shares)[:-1], where, side="right")
    moves = (luck < yearly * span) & (other != stand.home) & (stand.twin == NO_SLOT)
    moved = start + (when * (end - start)).astype(np.int64)
    moves &= moved > stand.birth + 30
    early = moved < first
    before = np.where(moves & early, other, stand.home)
    place = np.where(moves & ~early, other, stand.home)
    return np.where(moves, moved, NEVER), before, place


@dataclass(frozen=True)
class _Residences:
    """What is written of a residence, by commune and by the six (scheme, letter) pairs.

    ``of`` is (commune * 6 + pair, 2) texts, communes of all departments in a row from ``starts``;
    ``office`` is by (place * 6 + pair); ``edges`` are the cumulated weights of the communes by
    class, plus the place, so that one search finds the commune.
    """

    of: npt.NDArray[np.object_]
    office: npt.NDArray[np.object_]
    starts: Ints
    quintile: Ints
    edges: tuple[Floats, ...]


@lru_cache(maxsize=4)
def _residences_of(
    departments: tuple[str, ...],
    communes: tuple[tuple[str, ...], ...],
    weights: tuple[tuple[float, ...], ...],
    quintiles: tuple[tuple[int, ...], ...],
) -> _Residences:
    pairs = [(scheme, letter) for scheme in (1, 2, 3) for letter in "AC"]
    texts = [
        residence(department, code, scheme, letter if scheme > 1 else "C")
        for department, codes in zip(departments, communes, strict=True)
        for code in codes
        for scheme, letter in pairs
    ]
    edges = []
    for tilt in DEPRIVATION_BY_CLASS:
        line = []
        for place, (weight, quintile) in enumerate(zip(weights, quintiles, strict=True)):
            steps = np.array(quintile) - 3.0 * (np.array(quintile) > 0)
            total = np.cumsum(np.array(weight) * tilt**steps)
            line.append(place + np.r_[total[:-1] / total[-1], 1.0])
        edges.append(np.concatenate(line))
    return _Residences(
        of=np.array(texts, object),
        office=np.array(
            [_office(d, s, letter) for d in departments for s, letter in pairs], object
        ),
        starts=np.r_[0, np.cumsum([len(codes) for codes in communes])[:-1]],
        quintile=np.concatenate([np.array(each, np.int64) for each in quintiles]),
        edges=tuple(edges),
    )


def _residences(world: Universe) -> _Residences:
    return _residences_of(
        world.departments,
        world.communes,
        tuple(tuple(each.tolist()) for each in world.commune_weights),
        tuple(tuple(each.tolist()) for each in world.quintiles),
    )


def _communes(luck: Floats, place: Ints, group: Ints, world: Universe) -> Ints:
    """Draw communes by their residents; the frail classes live more in deprived ones."""
    codes = _residences(world)
    commune = np.zeros(len(place), np.int64)
    for kind, edges in enumerate(codes.edges):
        here = group == kind
        found = np.searchsorted(edges, place[here] + luck[here], side="right")
        commune[here] = found - codes.starts[place[here]]
    return commune


def _identities(rng: np.random.Generator, people: People, years: tuple[int, int]) -> None:
    """Plant twins, second couples, invented numbers and missing NIR pseudonyms."""
    second = rng.random(BLOCK) < SECOND_COUPLE_SHARE
    turn = rng.random(BLOCK)
    invented = rng.random(BLOCK) < FICTITIOUS_SHARE
    kind = rng.integers(0, len(FICTITIOUS), BLOCK)
    nameless = rng.random(BLOCK) < NO_NIR_ANO_SHARE
    start, end = day(years[0]), day(years[1] + 1)
    twin = people.cohort.twin
    taken = twin != NO_SLOT
    for each in np.flatnonzero(twin == np.arange(BLOCK) + 1).tolist():
        other = each + 1
        # A twin is the same insured, birth date and sex: one PSA, ranks 1 and 2.
        people.psa[other] = people.psa[each]
        people.rank[each], people.rank[other] = 1, 2
        for name in ("scheme", "commune", "commune_before", "quintile", "quintile_before"):
            values = getattr(people, name)
            values[other] = values[each]
        for name in (
            "office", "res_dpt", "res_com", "office_before", "res_dpt_before", "res_com_before"
        ):  # fmt: skip
            texts = getattr(people, name)
            texts[other] = texts[each]
    for each in np.flatnonzero(second & ~taken & (people.birth < start)).tolist():
        taken[each] = True
        people.switch[each] = start + int(turn[each] * (end - start))
    for each in np.flatnonzero(invented & ~taken).tolist():
        taken[each] = True
        people.cdi[each] = FICTITIOUS[int(kind[each])]
    # An unknown NIR gives the person the id PSA || rank; never with two couples, which only the
    # NIR can tie together.
    for each in np.flatnonzero(nameless & (people.switch == NEVER) | people.fictitious).tolist():
        people.nir_ano[each] = None
    people.idt_ano = [
        nir if nir is not None else f"{psa}{rank}"
        for nir, psa, rank in zip(people.nir_ano, people.psa, people.rank, strict=True)
    ]
