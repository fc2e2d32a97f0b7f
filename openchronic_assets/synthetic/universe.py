"""The world in which the people live: offices, communes, practitioners, hospitals.

It depends on (seed, size of the universe, departments) alone, never on the number of persons, so
that a larger extract of the same universe leaves its first persons unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from openchronic_assets.synthetic import figures
from openchronic_assets.synthetic.prevalence import CRUDE_DEATH_RATE, model

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# PMSI letters of the overseas departments (BDI_DEP); elsewhere the department's own two characters.
PMSI_OVERSEAS = {"971": "9A", "972": "9B", "973": "9C", "974": "9D", "976": "9F"}

# Specialties (IR_SPE_V) that a universe holds, with their number for one hundred GPs.
SPECIALTIES = {
    3: 9, 5: 5, 6: 12, 7: 8, 8: 5, 9: 4, 11: 4, 12: 4, 13: 4, 14: 4, 15: 8, 31: 3, 32: 4, 33: 8,
    34: 3, 35: 3, 41: 5, 42: 4, 49: 4, 71: 3, 73: 4, 81: 3, 84: 3,
}  # fmt: skip
# Kinds of practitioner in the order of the offers, and the position of each number.
KINDS = (0, 1, *SPECIALTIES, 900, 901, 902)
_POSITION = np.zeros(1000, np.int64)
_POSITION[list(KINDS)] = np.arange(len(KINDS))


@dataclass(frozen=True)
class Hospital:
    """A hospital: e-PMSI and geographic FINESS (nine characters), department, sector."""

    finess: str
    department: int
    private: bool


@dataclass(frozen=True)
class Universe:
    """Places and providers; ``of`` maps (department position, specialty) to practitioners.

    Specialty 1 is the GP; 0 is the salaried practitioner, number ``00000000``. Pharmacies, nurses
    and laboratories are the pseudo-specialties 900, 901 and 902.
    """

    departments: tuple[str, ...]
    communes: tuple[tuple[str, ...], ...]
    commune_weights: tuple[npt.NDArray[np.float64], ...]
    numbers: tuple[str, ...]
    specialty: Ints
    of: dict[tuple[int, int], Ints]
    hospitals: tuple[Hospital, ...]
    seed: int = 0
    size: int = 1000
    quintiles: tuple[Ints, ...] = ()
    crude_deaths: float = CRUDE_DEATH_RATE

    @cached_property
    def _offer(self) -> tuple[Ints, Ints]:
        """First practitioner and number of them, by (department, kind) in a row."""
        own = [self.of[(place, kind)] for place in range(len(self.departments)) for kind in KINDS]
        return np.array([each[0] for each in own]), np.array([len(each) for each in own])

    @cached_property
    def gps(self) -> tuple[Ints, Ints]:
        """First general practitioner of each department, and how many there are."""
        own = [self.of[(place, 1)] for place in range(len(self.departments))]
        return np.array([each[0] for each in own]), np.array([len(each) for each in own])

    @cached_property
    def homes(self) -> Ints:
        """Department (position) of each practitioner."""
        found = np.zeros(len(self.numbers), np.int64)
        for (place, _), members in self.of.items():
            found[members] = place
        return found

    @cached_property
    def _wards(self) -> tuple[Ints, Ints, Ints]:
        """Hospitals, public ones of a department before private ones; first and number of each."""
        of = np.array([2 * each.department + each.private for each in self.hospitals])
        order = np.argsort(of, kind="stable")
        groups = np.arange(2 * len(self.departments) + 1)
        edges = np.searchsorted(of[order], groups)
        return order, edges[:-1], np.diff(edges)

    def wards(self, department: Ints, private: Bools | bool) -> Ints:
        """Return how many hospitals each department has in a sector."""
        found: Ints = self._wards[2][2 * department + private]
        return found

    def hospital_of(self, department: Ints, private: Bools | bool, habit: Ints) -> Ints:
        """Return a hospital of each department and sector, the same for the same habit."""
        order, first, count = self._wards
        ward = 2 * department + private
        found: Ints = order[first[ward] + habit % count[ward]]
        return found

    def near(
        self, rng: np.random.Generator, department: Ints, specialty: int | Ints, loyal: Ints
    ) -> Ints:
        """Return a practitioner for each person: mostly the one of habit (``loyal``), near home."""
        wanted = np.broadcast_to(np.asarray(specialty, np.int64), department.shape)
        stray = rng.random(len(department)) < 0.15
        luck = rng.integers(0, 1 << 31, len(department))
        choice = np.where(stray, luck, loyal * 31 + wanted)
        first, count = self._offer
        place = department * len(KINDS) + _POSITION[wanted]
        found: Ints = first[place] + choice % count[place]
        return found


def pmsi_department(department: str) -> str:
    """Return the department as PMSI writes it on two characters."""
    return PMSI_OVERSEAS.get(department, department[:2])


def _key(number: str) -> str:
    """Return the key of a FINESS number: Luhn's, A counting as 1."""
    digits = [int(c) if c.isdigit() else ord(c) - ord("A") + 1 for c in reversed(number)]
    doubled = [sum(divmod(2 * d, 10)) if i % 2 == 0 else d for i, d in enumerate(digits)]
    return str(-sum(doubled) % 10)


def _prefix(department: str) -> str:
    return pmsi_department(department)


def build(
    seed: int,
    size: int,
    departments: tuple[str, ...],
    crude_deaths: float = CRUDE_DEATH_RATE,
) -> Universe:
    """Return the universe of ``size`` persons over ``departments``.

    Providers follow the people: each department has as many for one person as the others.
    """
    rng = np.random.default_rng([seed, size, 0xDE9A])
    known: dict[str, list[tuple[str, float]]] = {}
    for row in figures.rows("communes.csv"):
        known.setdefault(row["department"], []).append((row["commune"], float(row["weight"])))
    communes: list[tuple[str, ...]] = []
    weights: list[npt.NDArray[np.float64]] = []
    numbers = ["00000000"]
    specialty = [0]
    of: dict[tuple[int, int], Ints] = {}
    hospitals: list[Hospital] = []
    residents = size * model(departments).people.sum(axis=(1, 2))
    for place, department in enumerate(departments):
        gps = max(4, round(residents[place] * 0.0009))
        offer = {1: gps} | {s: max(2, round(gps * n / 100)) for s, n in SPECIALTIES.items()}
        offer |= {900: max(2, gps // 4), 901: max(3, gps), 902: max(1, gps // 12)}
        named = known.get(department)
        if named is None:
            # Overseas, the commune's first character is the department's last.
            first = int(department[2]) * 100 + 1 if len(department) == 3 else 1
            named = [(f"{first + each:03d}", 1.0) for each in range(8)]
        communes.append(tuple(code for code, _ in named))
        weights.append(np.array([w for _, w in named]) / sum(w for _, w in named))
        of[(place, 0)] = np.zeros(1, np.int64)
        for kind, count in offer.items():
            start = len(numbers)
            letter = {900: 2, 901: 6, 902: 7}.get(kind, 1)
            identifiers = rng.choice(90_000, size=count, replace=False) + 10_000
            # The number's last five digits would meet across specialties: shift by kind.
            numbers += [
                f"{_prefix(department)}{letter}{(int(each) + kind * 1009) % 100_000:05d}"
                for each in identifiers
            ]
            specialty += [kind if kind < 900 else 0] * count
            of[(place, kind)] = np.arange(start, start + count)
        short = "97" if len(department) == 3 else department
        for each in range(max(4, round(residents[place] / 60_000))):
            # Numbers from x99xxxxx up are not attributed: no real hospital is named. Eight
            # characters tell a hospital, the ninth is their key.
            number = f"{short}99{department[2:] or '0'}{each:03d}"
            hospitals.append(Hospital(number + _key(number), place, each % 4 == 3))
    return Universe(
        departments,
        tuple(communes),
        tuple(weights),
        tuple(numbers),
        np.array(specialty),
        of,
        tuple(hospitals),
        seed,
        size,
        _quintiles(seed, departments, communes),
        crude_deaths,
    )


def _quintiles(
    seed: int, departments: tuple[str, ...], communes: list[tuple[str, ...]]
) -> tuple[Ints, ...]:
    """Return the deprivation quintile of each commune, the same whatever the universe's size."""
    found = []
    for department, codes in zip(departments, communes, strict=True):
        key = int.from_bytes(department.encode(), "big")
        luck = np.random.default_rng([seed, key, 0xFDE])
        overseas = len(department) == 3
        found.append(
            np.zeros(len(codes), np.int64) if overseas else luck.permutation(len(codes)) % 5 + 1
        )
    return tuple(found)
