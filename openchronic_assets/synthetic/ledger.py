"""What the care of a block is gathered in: claims, their lines and details, and who was there.

A claim is one event (a visit, a prescription filled, a stay billed); it has lines, and the lines
may have details. Amounts are in cents: a line's base times its rate is what is reimbursed, to the
cent, halves up. Rules: snds_model 3.2, 3.5-3.7 and the worked cases of the public note on
city-care amounts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from openchronic_assets.synthetic import figures
from openchronic_assets.synthetic.conditions import Conditions
from openchronic_assets.synthetic.pathologies import Onset
from openchronic_assets.synthetic.population import People
from openchronic_assets.synthetic.universe import Universe

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

# Natures of service (IR_NAT_V).
GP_VISIT, GP_HOME, GP_REMOTE, SPECIALIST = 1110, 1211, 1192, 1112
NIGHT_COMPLEMENT, COORDINATION = 1943, 1126
UNREGULATED = (1226, 1228, 1913)  # at night, on Sunday, deep in the night
PARTICIPATION, FRANCHISE = 1952, 1972
PHARMACY = {100: 3311, 65: 3313, 30: 3312, 15: 3312}
HOSPITAL_DRUG, BIOLOGY, NURSE, STAY = 3317, 3211, 3111, 2111
AMBULANCE, LIGHT_VEHICLE, TAXI = 4212, 4213, 4214
DENTAL_CARE, DENTAL_PROSTHESIS, GLASSES, HEARING_AID = 1451, 1476, 3531, 3540
ATU = 2532  # cents of an emergency visit
FRANCHISE_CODE = 16  # CPL_AFF_COD of participations and franchises
NULL = -1
B_PRICE = 27  # cents of one B
NO_EXEMPTION_SHARE = 0.10  # people with an ALD whose lines never say so

# Defaults of a line: what a plain act has.
DEFAULTS: dict[str, int] = {
    "nature": 0,
    "base_nature": 0,
    "complement": 0,
    "top": 0,
    "affined": 0,
    "quantity": 100,
    "price": 0,
    "base": 0,
    "paid": 0,
    "repaid": 0,
    "cpl_base": 0,
    "cpl_repaid": 0,
    "rate": 0,
    "exo": 0,
    "executor": 0,
    "specialty": 0,
    "prescriber": NULL,
    "prescribed": NULL,
    "qualifier": 0,
    "transmitted": 0,
    "insurance": 10,
    "length": 0,
    "affinity": 0,
}


def by_ald(lists: list[tuple[int, ...]]) -> dict[int, Ints]:
    """Return the positions offered for each ALD: its own, or those of anyone (0)."""
    common = [i for i, alds in enumerate(lists) if 0 in alds]
    found = {0: np.array(common, np.int64)}
    for number in figures.ALD_NUMBERS:
        own = [i for i, alds in enumerate(lists) if number in alds]
        found[number] = np.array(own or common, np.int64)
    return found


def repay(base: Ints, rate: Ints) -> Ints:
    """Return the reimbursed cents of a base at a rate in percent, halves away from zero."""
    sign = np.where(base < 0, -1, 1)
    cents: Ints = sign * ((np.abs(base) * rate + 50) // 100)
    return cents


@dataclass
class Details:
    """Arrays of one detail table; ``line`` points to the line that a row details."""

    columns: dict[str, Ints]

    @property
    def line(self) -> Ints:
        """Position of the line of each row."""
        return self.columns["line"]


@dataclass
class Care:
    """The lines of a block and their details.

    ``lines`` holds ``person``, ``care`` (day), ``claim`` and the keys of ``DEFAULTS``; ``flux`` is
    added by claim when the block is written. ``events`` are visits and hospital consultations.
    """

    lines: dict[str, Ints]
    details: dict[str, Details]
    events: dict[str, dict[str, Ints]]


class Builder:
    """Gathers lines kind by kind, and numbers claims and lines as they come."""

    def __init__(self) -> None:
        self.parts: list[dict[str, Ints]] = []
        self.details: dict[str, list[dict[str, Ints]]] = {}
        self.events: dict[str, list[dict[str, Ints]]] = {}
        self.count = 0
        self.claims = 0

    def claim(self, count: int) -> Ints:
        """Open ``count`` claims."""
        opened = np.arange(self.claims, self.claims + count)
        self.claims += count
        return opened

    def add(self, **columns: Ints) -> Ints:
        """Add lines (``person``, ``care``, ``claim`` and what is not a default); positions."""
        size = len(columns["person"])
        # What is the same on every line takes no room before the lines are put together.
        self.parts.append(
            {
                name: np.broadcast_to(np.asarray(values, np.int64), (size,))
                for name, values in (DEFAULTS | columns).items()
            }
        )
        positions = np.arange(self.count, self.count + size)
        self.count += size
        return positions

    def detail(self, table: str, **columns: Ints) -> None:
        """Add rows of a detail table."""
        size = len(columns["line"])
        self.details.setdefault(table, []).append(
            {
                name: np.broadcast_to(np.asarray(values, np.int64), (size,))
                for name, values in columns.items()
            }
        )

    def event(self, kind: str, **columns: Ints) -> None:
        """Note things that happened: the truth has them, and hospital files too."""
        self.events.setdefault(kind, []).append(columns)

    def care(self) -> Care:
        """Return all lines and details so far."""
        if len(self.parts) > 1:
            names = self.parts[0]
            self.parts = [{name: np.concatenate([p[name] for p in self.parts]) for name in names}]
        lines = self.parts[0]
        details = {
            table: Details({name: np.concatenate([p[name] for p in parts]) for name in parts[0]})
            for table, parts in self.details.items()
        }
        events = {
            kind: {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
            for kind, parts in self.events.items()
        }
        return Care(lines, details, events)


@dataclass
class Context:
    """What care is drawn from: chance, people, their illnesses and their world."""

    rng: np.random.Generator
    people: People
    found: Conditions
    world: Universe
    exempt: Bools  # people whose ALD shows on their lines
    person: Ints  # one entry a person and year alive, two in the year of a move
    start: Ints
    length: Ints
    sick: Bools
    age: Ints
    span: tuple[int, int]  # first day of care, and the day after the last
    onsets: list[Onset]

    def begun(self, name: str, when: int) -> Bools:
        """Return who has a pathology of the cartographie on a day."""
        who, start = self._first_days.get(name, (np.zeros(0, np.int64),) * 2)
        found = np.zeros(len(self.people), bool)
        found[who[start <= when]] = True
        return found

    @cached_property
    def _first_days(self) -> dict[str, tuple[Ints, Ints]]:
        """Persons and first days of each pathology."""
        known: dict[str, list[tuple[int, int]]] = {}
        for each in self.onsets:
            known.setdefault(each.name, []).append((each.person, each.start))
        return {
            name: (np.array([who for who, _ in rows]), np.array([first for _, first in rows]))
            for name, rows in known.items()
        }

    def happen(self, rate: Floats) -> tuple[Ints, Ints]:
        """Return (person, day) of events at a yearly rate for each person-year."""
        count = self.rng.poisson(rate * self.length / 365.25)
        which = np.repeat(np.arange(len(self.person)), count)
        luck = self.rng.random(len(which))
        return self.person[which], self.start[which] + (luck * self.length[which]).astype(np.int64)

    def beside(self, key: int) -> Context:
        """Return the same context with a stream of its own, so that the first one's stands."""
        own = [self.world.seed, self.world.size, self.people.first, key]
        return replace(self, rng=np.random.default_rng(own))

    def near(self, who: Ints, when: Ints, specialty: int | Ints, habit: Ints) -> Ints:
        """Return a practitioner for each person, near where they live on the day."""
        return self.world.near(self.rng, self.people.place_on(when, who), specialty, habit)

    def exemption(self, who: Ints, when: Ints, related: Bools) -> tuple[Ints, Ints]:
        """Return (ALD in force or 0, EXO_MTF) of care on the given days.

        Even codes for care related to the ALD, odd ones for the rest (IR_EXO_V).
        """
        active = self.found.active(who, when)
        odd = np.where(active == 31, 43, np.where(active == 32, 45, 41))
        code = np.where(active > 0, odd + related, 0)
        return active, np.where(self.exempt[who], code, 0)


def by_age(age: Ints, edges: tuple[int, ...], levels: tuple[float, ...]) -> Floats:
    """Return the level of the age class of each person."""
    found: Floats = np.array(levels)[np.searchsorted(np.array(edges), age, side="right")]
    return found


def rate_of(exo: Ints, ordinary: Ints | int) -> Ints:
    """Return the rate of care in percent: all of it where it is related to an ALD."""
    even = (exo > 0) & (exo % 2 == 0)
    rate: Ints = np.where(even, 100, ordinary)
    return rate


def participation(
    builder: Builder, chosen: Bools, who: Ints, when: Ints, claim: Ints, executor: Ints
) -> None:
    """Add the one-euro participation of lines: negative, no act."""
    builder.add(
        person=who[chosen],
        care=when[chosen],
        claim=claim[chosen],
        nature=np.full(int(chosen.sum()), PARTICIPATION),
        complement=np.full(int(chosen.sum()), PARTICIPATION),
        top=np.full(int(chosen.sum()), 2),
        affined=np.full(int(chosen.sum()), FRANCHISE_CODE),
        cpl_repaid=np.full(int(chosen.sum()), -100),
        executor=executor[chosen],
    )


def visit(builder: Builder, who: Ints, when: Ints, practitioner: Ints, specialty: Ints) -> None:
    """Note visits to practitioners for the truth."""
    builder.event("visits", person=who, day=when, practitioner=practitioner, specialty=specialty)


def public_near(c: Context, who: Ints, when: Ints) -> Ints:
    """Return the public hospital to which each person goes."""
    return c.world.hospital_of(c.people.place_on(when, who), False, c.people.habit[who])


def establishment(
    builder: Builder,
    lines: Ints,
    hospitals: Ints,
    taa: int,
    sector: int,
    category: int,
    kind: int,
    mode: int,
    ghs: Ints | None = None,
) -> None:
    """Detail lines by the hospital that they are of (ER_ETE_F)."""
    count = len(lines)
    builder.detail(
        "ER_ETE_F",
        line=lines,
        hospital=hospitals,
        taa=np.full(count, taa),
        sector=np.full(count, sector),
        category=np.full(count, category),
        kind=np.full(count, kind),
        mode=np.full(count, mode),
        ghs=np.zeros(count, np.int64) if ghs is None else ghs,
    )
