"""Reimbursed care (DCIR) of one block: lines of ER_PRS_F and their detail tables.

A claim is one event (a visit, a prescription filled, a stay billed); it has lines, and the lines
may have details. Amounts are in cents: a line's base times its rate is what is reimbursed, to the
cent, halves up. Rules: snds_model 3.2, 3.5-3.7 and the worked cases of the public note on
city-care amounts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from openchronic_assets.synthetic import effects, figures
from openchronic_assets.synthetic.conditions import Conditions
from openchronic_assets.synthetic.hospital import Stays, profiles
from openchronic_assets.synthetic.medicine import draw as draw_kinds
from openchronic_assets.synthetic.medicine import drugs, give
from openchronic_assets.synthetic.pathologies import Onset
from openchronic_assets.synthetic.population import BLOCK, People
from openchronic_assets.synthetic.text import day
from openchronic_assets.synthetic.universe import SPECIALTIES, Universe

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

# Natures of service (IR_NAT_V).
GP_VISIT, GP_HOME, SPECIALIST, TECHNICAL = 1110, 1211, 1112, 1352
NIGHT_COMPLEMENT, NIGHT, COORDINATION = 1943, 1913, 1126
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


def _by_ald(lists: list[tuple[int, ...]]) -> dict[int, Ints]:
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


class _Builder:
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
        part = {name: np.full(size, value, np.int64) for name, value in DEFAULTS.items()}
        for name, values in columns.items():
            part[name] = np.broadcast_to(np.asarray(values, np.int64), (size,)).copy()
        self.parts.append(part)
        positions = np.arange(self.count, self.count + size)
        self.count += size
        return positions

    def detail(self, table: str, **columns: Ints) -> None:
        """Add rows of a detail table."""
        size = len(columns["line"])
        self.details.setdefault(table, []).append(
            {
                name: np.broadcast_to(np.asarray(values, np.int64), (size,)).copy()
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
class _Context:
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


def draw(
    rng: np.random.Generator,
    people: People,
    found: Conditions,
    world: Universe,
    stays: Stays,
    onsets: list[Onset],
    years: tuple[int, int],
) -> Care:
    """Return the care of a block over the care years."""
    person, start, length = [], [], []
    for year in range(years[0], years[1] + 1):
        first = np.maximum(day(year), people.birth)
        last = np.minimum(day(year + 1), people.death + 1)
        # The year of a move is two spells: another doctor, other habits.
        for low, high in (
            (first, np.minimum(last, people.moved)),
            (np.maximum(first, people.moved), last),
        ):
            present = np.flatnonzero((high > low) & ~people.silent)
            person.append(present)
            start.append(low[present])
            length.append((high - low)[present])
    who, begin, span = np.concatenate(person), np.concatenate(start), np.concatenate(length)
    context = _Context(
        rng=rng,
        people=people,
        found=found,
        world=world,
        exempt=rng.random(BLOCK) >= NO_EXEMPTION_SHARE,
        person=who,
        start=begin,
        length=span,
        sick=found.active(who, begin) > 0,
        age=people.age(begin, who),
        span=(day(years[0]), day(years[1] + 1)),
        onsets=onsets,
    )
    builder = _Builder()
    _gp_visits(context, builder)
    _specialists(context, builder)
    _pharmacy(context, builder)
    _biology(context, builder)
    _acts(context, builder)
    _nurses(context, builder)
    _hospital_drugs(context, builder)
    _outpatients(context, builder)
    _emergencies(context, builder, stays)
    _devices(context, builder)
    _teeth_eyes_ears(context, builder)
    _transports(context, builder, stays, years)
    _private_stays(context, builder, stays, years)
    _other_payers(context, builder)
    _regularisations(context, builder)
    return builder.care()


def _by_age(age: Ints, edges: tuple[int, ...], levels: tuple[float, ...]) -> Floats:
    found: Floats = np.array(levels)[np.searchsorted(np.array(edges), age, side="right")]
    return found


def _rate_of(exo: Ints, ordinary: Ints | int) -> Ints:
    even = (exo > 0) & (exo % 2 == 0)
    rate: Ints = np.where(even, 100, ordinary)
    return rate


def _participation(
    builder: _Builder, chosen: Bools, who: Ints, when: Ints, claim: Ints, executor: Ints
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


def _visit(builder: _Builder, who: Ints, when: Ints, practitioner: Ints, specialty: Ints) -> None:
    builder.event("visits", person=who, day=when, practitioner=practitioner, specialty=specialty)


def _gp_visits(c: _Context, builder: _Builder) -> None:
    rate = _by_age(c.age, (2, 16, 40, 60, 75), (4.6, 2.7, 2.8, 3.7, 5.4, 7.4))
    who, when = c.happen(rate * np.where(c.sick, 1.25, 0.95))
    count = len(who)
    u = c.rng.random((4, count))
    doctor = c.people.gp_on(when, who)
    own = (u[0] < 0.82) & (doctor > 0)
    executor = np.where(own, doctor, c.near(who, when, 1, c.people.habit[who]))
    _, exo = c.exemption(who, when, u[1] < 0.55)
    home = (c.people.age(when, who) >= 80) & (u[2] < 0.3)
    night = u[2] > 0.99
    claim = builder.claim(count)
    overrun = np.where(u[3] < 0.06, 200 + (u[3] * 1e6).astype(np.int64) % 8 * 100, 0)
    percent = _rate_of(exo, 70)
    base = np.full(count, 2500)
    builder.add(
        person=who,
        care=when,
        claim=claim,
        nature=np.where(home | night, GP_HOME, GP_VISIT),
        base_nature=np.where(home | night, GP_HOME, GP_VISIT),
        price=base,
        base=base,
        paid=base + overrun,
        repaid=repay(base, percent),
        rate=percent,
        exo=exo,
        executor=executor,
        specialty=np.ones(count, np.int64),
    )
    for chosen, nature, top, price in (
        (night, NIGHT_COMPLEMENT, 1, 1906),
        (night, NIGHT, 2, 300),
    ):
        some = int(chosen.sum())
        extra = np.full(some, price)
        builder.add(
            person=who[chosen],
            care=when[chosen],
            claim=claim[chosen],
            nature=np.full(some, nature),
            complement=np.full(some, nature),
            top=np.full(some, top),
            affined=np.full(some, 22 if top == 1 else 1),
            cpl_base=extra,
            cpl_repaid=repay(extra, percent[chosen]),
            paid=extra,
            rate=percent[chosen],
            exo=exo[chosen],
            executor=executor[chosen],
            specialty=np.ones(some, np.int64),
        )
    _visit(builder, who, when, executor, np.ones(count, np.int64))
    adult = (c.people.age(when, who) >= 18) & (u[3] > 0.25)
    _participation(builder, adult, who, when, claim, executor)


def _specialists(c: _Context, builder: _Builder) -> None:
    rate = _by_age(c.age, (2, 16, 60), (0.9, 0.8, 1.1, 1.6))
    referral = effects.of(c.world)[0][c.people.gp_on(c.start, c.person)]
    who, when = c.happen(rate * np.where(c.sick, 1.7, 0.8) * referral)
    count = len(who)
    u = c.rng.random((5, count))
    related = u[0] < 0.6
    active, exo = c.exemption(who, when, related)
    own = np.r_[0, figures.ald().specialty][active]
    general = np.array([15, 5, 11, 14, 8, 33, 41, 7])[(u[1] * 8).astype(np.int64)]
    general = np.where((general == 7) & (c.people.sex[who] == 1), 11, general)
    general = np.where(c.people.age(when, who) < 12, 12, general)
    specialty = np.where((active > 0) & related, own, general)
    specialty = np.where(np.isin(specialty, list(SPECIALTIES)), specialty, 9)
    exo = np.where((exo > 0) & (specialty != own), exo - (exo % 2 == 0), exo)
    # A GP refers to colleagues of habit: his patients see the same ones.
    doctor = c.people.gp_on(when, who)
    habit = np.where(doctor > 0, doctor * 7919, c.people.habit[who])
    executor = c.near(who, when, specialty, habit)
    # One in fourteen sees a salaried doctor, whose number is not a person's.
    executor = np.where(u[2] < 0.07, 0, executor)
    claim = builder.claim(count)
    percent = _rate_of(exo, 70)
    base = np.where(np.isin(specialty, (33, 32)), 3900, 2300)
    overrun = np.where(u[3] < 0.35, (u[3] * 100).astype(np.int64) * 100 + 500, 0)
    builder.add(
        person=who,
        care=when,
        claim=claim,
        nature=np.full(count, SPECIALIST),
        base_nature=np.full(count, SPECIALIST),
        price=base,
        base=base,
        paid=base + overrun,
        repaid=repay(base, percent),
        rate=percent,
        exo=exo,
        executor=executor,
        specialty=specialty,
        prescriber=np.where(doctor > 0, doctor, NULL),
    )
    coordinated = (overrun == 0) & (u[4] < 0.6)
    some = int(coordinated.sum())
    extra = np.full(some, 500)
    builder.add(
        person=who[coordinated],
        care=when[coordinated],
        claim=claim[coordinated],
        nature=np.full(some, COORDINATION),
        complement=np.full(some, COORDINATION),
        top=np.full(some, 2),
        affined=np.full(some, 18),
        cpl_base=extra,
        cpl_repaid=repay(extra, percent[coordinated]),
        paid=extra,
        rate=percent[coordinated],
        exo=exo[coordinated],
        executor=executor[coordinated],
        specialty=specialty[coordinated],
    )
    _visit(builder, who, when, executor, specialty)
    adult = (c.people.age(when, who) >= 18) & (u[4] > 0.3)
    _participation(builder, adult, who, when, claim, executor)


def _treatments(c: _Context) -> dict[str, Ints]:
    """Draw the chronic treatments: person, drug, first and last day, share of refills taken.

    People with an ALD have more, older people too. Half take nearly every refill, a quarter most
    of them, a quarter less than two in three (published adherence at one year is of that order).
    """
    low, high = c.span
    middle = (low + high) // 2
    everyone = np.flatnonzero(~c.people.silent & (c.people.birth < high))
    age = c.people.age(np.full(len(everyone), middle), everyone)
    held = c.found.active(everyone, np.full(len(everyone), middle))
    mean = _by_age(age, (15, 40, 50, 60, 70, 80), (0.03, 0.1, 0.3, 0.65, 1.2, 1.8, 2.1))
    mean = mean * np.where(held > 0, 1.5, 0.5)
    for name in ("FAntiHTA_med", "FHypoLi_med", "PAntiDe_med", "FDiabet_ind"):
        mean = mean + 0.8 * c.begun(name, middle)[everyone]
    who = np.repeat(everyone, c.rng.poisson(mean))
    known = drugs()
    weight = np.where(known.chronic, known.boxes, 0)
    kinds = draw_kinds(c.rng, weight, len(who))
    ill = c.found.active(who, np.full(len(who), middle))
    fits = []
    for alds, names in known.groups:
        suits = np.isin(ill, alds)
        for name in names:
            suits |= c.begun(name, middle)[who]
        fits.append(suits if alds or names else np.ones(len(who), bool))
    drug = give(c.rng, kinds, known.group, fits)
    luck = c.rng.random((4, len(who)))
    first = np.where(luck[0] < 0.7, low, low + (luck[1] * (high - low)).astype(np.int64))
    last = np.where(luck[2] < 0.85, high - 1, first + ((high - first) * luck[1]).astype(np.int64))
    first = np.maximum(first, c.people.birth[who] + 30)
    last = np.minimum(last, c.people.death[who])
    taken = np.select([luck[3] < 0.5, luck[3] < 0.75], [97, 85], 50)
    sound = last > first
    return {
        "person": who[sound],
        "drug": drug[sound],
        "first": first[sound],
        "last": last[sound],
        "taken": taken[sound],
    }


def _pharmacy(c: _Context, builder: _Builder) -> None:
    known = drugs()
    treated = _treatments(c)
    builder.event("exposures", **treated)
    # A pack lasts its units, one a day, and a month where that makes no sense (drops, inhalers).
    lasts = np.where(known.units >= 20, np.minimum(known.units, 90), 30)[treated["drug"]]
    number = (treated["last"] - treated["first"]) // lasts + 1
    row = np.repeat(np.arange(len(lasts)), number)
    rank = np.arange(len(row)) - np.repeat(np.cumsum(number) - number, number)
    u = c.rng.random((2, len(row)))
    refilled = u[0] * 100 < treated["taken"][row]
    late = (u[1] * 6).astype(np.int64)
    chronic_day = treated["first"][row] + rank * lasts[row] + late
    kept = refilled & (chronic_day <= treated["last"][row])
    row = row[kept]
    chronic_who, chronic_day = treated["person"][row], chronic_day[kept]
    chronic_drug = treated["drug"][row]
    # Short treatments: as many more as their share of all boxes asks for.
    share = float(known.boxes[~known.chronic].sum())
    rate = _by_age(c.age, (2, 16, 40, 60, 75), (5.0, 2.4, 2.6, 3.6, 4.6, 5.0))
    rate = rate * np.where(c.sick, 1.3, 0.9)
    wanted = len(chronic_day) * share / (1 - share)
    expected = float((rate * c.length / 365.25).sum())
    short_who, short_day = c.happen(rate * (wanted / max(expected, 1.0)))
    short_drug = draw_kinds(c.rng, np.where(known.chronic, 0, known.boxes), len(short_day))
    who = np.r_[chronic_who, short_who]
    when = np.r_[chronic_day, short_day]
    drug = np.r_[chronic_drug, short_drug]
    lasting = np.arange(len(who)) < len(chronic_who)
    inside = (when >= c.span[0]) & (when < c.span[1]) & (when <= c.people.death[who])
    who, when, drug, lasting = who[inside], when[inside], drug[inside], lasting[inside]
    count = len(who)
    # What a person fetches in a week is one claim.
    visit = who * 100_000 + when // 7
    _, order, claim = np.unique(visit, return_index=True, return_inverse=True)
    when = when[order][claim]
    opened = builder.claim(len(order))
    claim = opened[claim]
    u = c.rng.random((4, count))
    active, exo = c.exemption(who, when, lasting & (u[0] < 0.9) | (u[0] < 0.3))
    boxes = 1 + (~lasting & (u[2] < 0.15)) + (u[2] < 0.02)
    executor = c.near(who, when, 900, c.people.habit[who])
    percent = _rate_of(exo, known.rate[drug])
    base = known.price[drug] * boxes
    nature = np.select(
        [percent == 100, known.rate[drug] == 65], [PHARMACY[100], PHARMACY[65]], PHARMACY[30]
    )
    lines = builder.add(
        person=who,
        care=when,
        claim=claim,
        nature=nature,
        base_nature=nature,
        quantity=boxes * 100,
        price=known.price[drug],
        base=base,
        paid=base,
        repaid=repay(base, percent),
        rate=percent,
        exo=exo,
        executor=executor,
        prescriber=c.people.gp_on(when, who),
        prescribed=when - (u[3] * 25).astype(np.int64),
        affinity=np.ones(count, np.int64),
    )
    builder.detail(
        "ER_PHA_F",
        line=lines,
        order=np.ones(count, np.int64),
        drug=drug,
        boxes=boxes,
        price=known.price[drug],
    )
    # One franchise a claim, of fifty cents a box, for adults who are not spared it.
    per_claim = np.bincount(claim - opened[0], boxes, len(opened)) if count else np.zeros(0)
    spared = c.rng.random(len(opened)) >= 0.55
    adult = (c.people.age(when[order], who[order]) >= 18) & ~spared
    owes = np.flatnonzero(adult)
    builder.add(
        person=who[order][owes],
        care=when[order][owes],
        claim=opened[owes],
        nature=np.full(len(owes), FRANCHISE),
        complement=np.full(len(owes), FRANCHISE),
        top=np.full(len(owes), 2),
        affined=np.full(len(owes), FRANCHISE_CODE),
        cpl_repaid=-50 * per_claim[owes].astype(np.int64),
        executor=executor[order][owes],
    )


def _biology(c: _Context, builder: _Builder) -> None:
    table = figures.rows("biology.csv")
    code = np.array([int(r["code"]) for r in table])
    value = np.array([int(r["b_coefficient"]) for r in table])
    of = _by_ald([figures.numbers(r["alds"]) for r in table])
    rate = _by_age(c.age, (2, 16, 45, 65), (0.2, 0.2, 0.6, 0.9, 1.4))
    biology = effects.of(c.world)[1][c.people.gp_on(c.start, c.person)]
    who, when = c.happen(rate * np.where(c.sick, 1.8, 0.8) * biology)
    count = len(who)
    u = c.rng.random((3, count))
    active, exo = c.exemption(who, when, u[0] < 0.6)
    number = 1 + c.rng.binomial(4, 0.4, count)
    row = np.repeat(np.arange(count), number)
    test = np.zeros(len(row), np.int64)
    luck = c.rng.random(len(row))
    own = np.where(u[0] < 0.6, active, 0)[row]
    for each in np.unique(own).tolist():
        here = own == each
        # A patient's tests: half of the illness, half of anyone's.
        offer = np.concatenate([of[each], of[0]]) if each else of[0]
        test[here] = offer[(luck[here] * len(offer)).astype(np.int64)]
    base = np.bincount(row, value[test], count).astype(np.int64) * B_PRICE
    percent = _rate_of(exo, 60)
    executor = c.near(who, when, 902, c.people.habit[who])
    claim = builder.claim(count)
    lines = builder.add(
        person=who,
        care=when,
        claim=claim,
        nature=np.full(count, BIOLOGY),
        base_nature=np.full(count, BIOLOGY),
        price=np.full(count, B_PRICE),
        base=base,
        paid=base,
        repaid=repay(base, percent),
        rate=percent,
        exo=exo,
        executor=executor,
        prescriber=c.people.gp_on(when, who),
        prescribed=when - (u[1] * 20).astype(np.int64),
    )
    start = np.r_[0, np.cumsum(number)[:-1]]
    builder.detail(
        "ER_BIO_F",
        line=lines[row],
        order=np.arange(len(row)) - start[row] + 1,
        code=code[test],
        quantity=np.ones(len(row), np.int64),
    )


def _acts(c: _Context, builder: _Builder) -> None:
    table = figures.rows("acts.csv")
    price = np.array([int(r["price_cents"]) for r in table])
    nature = np.array([int(r["nature"]) for r in table])
    specialty_of = np.array([int(r["specialty"]) for r in table])
    weight = np.array([float(r["weight"]) for r in table])
    of = _by_ald([figures.numbers(r["alds"]) for r in table])
    rate = _by_age(c.age, (16, 45, 65), (0.15, 0.5, 0.9, 1.4))
    who, when = c.happen(rate * np.where(c.sick, 1.6, 0.8))
    count = len(who)
    u = c.rng.random((3, count))
    related = u[0] < 0.5
    active, exo = c.exemption(who, when, related)
    act = np.zeros(count, np.int64)
    own = np.where(related, active, 0)
    for each in np.unique(own).tolist():
        here = own == each
        share = np.cumsum(weight[of[each]])
        act[here] = of[each][np.searchsorted(share, u[1][here] * share[-1] * 0.999999)]
    specialty = specialty_of[act]
    executor = c.near(who, when, specialty, c.people.habit[who])
    percent = _rate_of(exo, 70)
    overrun = np.where(u[2] < 0.25, (u[2] * 200).astype(np.int64) * 100, 0)
    claim = builder.claim(count)
    lines = builder.add(
        person=who,
        care=when,
        claim=claim,
        nature=nature[act],
        base_nature=nature[act],
        price=price[act],
        base=price[act],
        paid=price[act] + overrun,
        repaid=repay(price[act], percent),
        rate=percent,
        exo=exo,
        executor=executor,
        specialty=specialty,
        prescriber=c.people.gp_on(when, who),
    )
    ones = np.ones(count, np.int64)
    builder.detail(
        "ER_CAM_F",
        line=lines,
        order=ones,
        act=act,
        activity=ones,
        base=price[act],
        price=price[act],
    )
    # Surgery has a second line of the same act: anaesthesia, activity 4.
    asleep = nature[act] == 1321
    some = int(asleep.sum())
    half = price[act[asleep]] // 2
    second = builder.add(
        person=who[asleep],
        care=when[asleep],
        claim=claim[asleep],
        nature=nature[act[asleep]],
        base_nature=nature[act[asleep]],
        price=half,
        base=half,
        paid=half,
        repaid=repay(half, percent[asleep]),
        rate=percent[asleep],
        exo=exo[asleep],
        executor=np.zeros(some, np.int64),
        specialty=np.full(some, 2),
    )
    builder.detail(
        "ER_CAM_F",
        line=second,
        order=np.ones(some, np.int64),
        act=act[asleep],
        activity=np.full(some, 4),
        base=half,
        price=half,
    )


def _nurses(c: _Context, builder: _Builder) -> None:
    rate = _by_age(c.age, (60, 75, 85), (0.05, 0.4, 2.0, 5.0))
    who, when = c.happen(rate * np.where(c.sick, 1.3, 0.5))
    count = len(who)
    luck = c.rng.random((2, count))
    _, exo = c.exemption(who, when, luck[0] < 0.8)
    percent = _rate_of(exo, 60)
    times = 1 + (luck[1] * 6).astype(np.int64)
    base = 315 * times
    builder.add(
        person=who,
        care=when,
        claim=builder.claim(count),
        nature=np.full(count, NURSE),
        base_nature=np.full(count, NURSE),
        quantity=times * 100,
        price=np.full(count, 315),
        base=base,
        paid=base,
        repaid=repay(base, percent),
        rate=percent,
        exo=exo,
        executor=c.near(who, when, 901, c.people.habit[who]),
        prescriber=c.people.gp_on(when, who),
    )


def _hospital_drugs(c: _Context, builder: _Builder) -> None:
    """Drugs handed out by public hospitals (rétrocession): ER_UCD_F, UCD_TOP_UCD 0."""
    table = figures.rows("ucd_drugs.csv")
    price = np.array([int(r["price_cents"]) for r in table])
    lists = [figures.numbers(r["alds"]) for r in table]
    active = c.found.active(c.person, c.start)
    concerned = np.isin(active, [number for alds in lists for number in alds])
    who, when = c.happen(np.where(concerned, 0.35, 0.0))
    count = len(who)
    luck = c.rng.random(count)
    now, exo = c.exemption(who, when, np.ones(count, bool))
    drug = np.zeros(count, np.int64)
    for each in np.unique(now).tolist():
        here = now == each
        offer = np.array([i for i, alds in enumerate(lists) if each in alds] or [0])
        drug[here] = offer[(luck[here] * len(offer)).astype(np.int64)]
    percent = _rate_of(exo, 65)
    base = price[drug]
    hospitals = _public_near(c, who, when)
    lines = builder.add(
        person=who,
        care=when,
        claim=builder.claim(count),
        nature=np.full(count, HOSPITAL_DRUG),
        base_nature=np.full(count, HOSPITAL_DRUG),
        price=base,
        base=base,
        paid=base,
        repaid=repay(base, percent),
        rate=percent,
        exo=exo,
        prescriber=np.zeros(count, np.int64),
        prescribed=when - 3,
    )
    ones = np.ones(count, np.int64)
    builder.detail("ER_UCD_F", line=lines, order=ones, drug=drug, units=ones, total=base)
    _establishment(builder, lines, hospitals, taa=0, sector=1, category=355, kind=1, mode=7)


def _public_near(c: _Context, who: Ints, when: Ints) -> Ints:
    """Return the public hospital to which each person goes."""
    return c.world.hospital_of(c.people.place_on(when, who), False, c.people.habit[who])


def _establishment(
    builder: _Builder,
    lines: Ints,
    hospitals: Ints,
    taa: int,
    sector: int,
    category: int,
    kind: int,
    mode: int,
    ghs: Ints | None = None,
) -> None:
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


def _outpatients(c: _Context, builder: _Builder) -> None:
    """Public external consultations, sent for information: they are in PMSI too (D1, D3)."""
    rate = _by_age(c.age, (16, 65), (0.25, 0.25, 0.45))
    who, when = c.happen(rate * np.where(c.sick, 1.8, 0.7))
    count = len(who)
    luck = c.rng.random((2, count))
    _, exo = c.exemption(who, when, luck[0] < 0.6)
    percent = _rate_of(exo, 70)
    base = np.full(count, 2300)
    lines = builder.add(
        person=who,
        care=when,
        claim=builder.claim(count),
        nature=np.full(count, SPECIALIST),
        base_nature=np.full(count, SPECIALIST),
        price=base,
        base=base,
        paid=base,
        repaid=repay(base, percent),
        rate=percent,
        exo=exo,
        specialty=np.full(count, 9),
        # Sometimes only the transmitted qualifier says so.
        qualifier=np.where(luck[1] < 0.9, 71, 0),
        transmitted=np.full(count, 71),
    )
    hospitals = _public_near(c, who, when)
    _establishment(builder, lines, hospitals, taa=1, sector=1, category=355, kind=1, mode=7)
    _consultation(builder, who, when, hospitals, base, percent, emergency=False)


def _consultation(
    builder: _Builder,
    who: Ints,
    when: Ints,
    hospitals: Ints,
    base: Ints,
    percent: Ints,
    emergency: bool,
) -> None:
    """Note a hospital's external consultation: the PMSI has it (ACE)."""
    builder.event(
        "ace",
        person=who,
        day=when,
        hospital=hospitals,
        base=base,
        rate=percent,
        emergency=np.full(len(who), emergency, np.int64),
    )


def _emergencies(c: _Context, builder: _Builder, stays: Stays) -> None:
    """Emergency visits that no admission follows; the others are urgent stays.

    About four in five (22 % are admitted). They are billed by the hospital, outside DCIR.
    """
    rate = _by_age(c.age, (2, 16, 30, 65, 80), (0.47, 0.27, 0.28, 0.21, 0.24, 0.38))
    who, when = c.happen(rate * np.where(c.sick, 1.2, 0.95))
    hospitals = _public_near(c, who, when)
    _, exo = c.exemption(who, when, c.rng.random(len(who)) < 0.3)
    base = np.full(len(who), ATU)
    _consultation(builder, who, when, hospitals, base, _rate_of(exo, 80), emergency=True)


def _devices(c: _Context, builder: _Builder) -> None:
    """Devices of the LPP: weekly fees of home equipment and single items (ER_TIP_F)."""
    table = figures.rows("devices.csv")
    price = np.array([int(r["price_cents"]) for r in table])
    nature = np.array([int(r["nature"]) for r in table])
    of = _by_ald([figures.numbers(r["alds"]) for r in table])
    rate = _by_age(c.age, (45, 65, 80), (0.15, 0.45, 0.9, 1.3))
    who, when = c.happen(rate * np.where(c.sick, 1.7, 0.7))
    count = len(who)
    luck = c.rng.random((3, count))
    active, exo = c.exemption(who, when, luck[0] < 0.6)
    device = np.zeros(count, np.int64)
    wanted = np.where(luck[0] < 0.6, active, 0)
    for each in np.unique(wanted).tolist():
        here = wanted == each
        offer = of[each]
        device[here] = offer[(luck[1][here] * len(offer)).astype(np.int64)]
    number = 1 + (luck[2] * 4).astype(np.int64)
    percent = _rate_of(exo, 60)
    base = price[device] * number
    lines = builder.add(
        person=who,
        care=when,
        claim=builder.claim(count),
        nature=nature[device],
        base_nature=nature[device],
        quantity=number * 100,
        price=price[device],
        base=base,
        paid=base,
        repaid=repay(base, percent),
        rate=percent,
        exo=exo,
        executor=c.near(who, when, 900, c.people.habit[who]),
        prescriber=c.people.gp_on(when, who),
        prescribed=when - 4,
    )
    builder.detail(
        "ER_TIP_F",
        line=lines,
        order=np.ones(count, np.int64),
        device=device,
        quantity=number,
        price=price[device],
    )


def _teeth_eyes_ears(c: _Context, builder: _Builder) -> None:
    """Dental care and prostheses, glasses, hearing aids: small bases, large overruns.

    They are most of what people pay themselves (Drees, health accounts).
    """
    for nature, edges, levels, base, low, high, percent in (
        (DENTAL_CARE, (3, 16), (0.05, 0.5, 0.6), 2892, 2892, 2892, 70),
        (DENTAL_PROSTHESIS, (25, 45), (0.01, 0.28, 0.50), 10750, 38000, 78000, 70),
        (GLASSES, (5, 42), (0.08, 0.30, 0.54), 500, 19000, 52000, 60),
        (HEARING_AID, (55, 70), (0.001, 0.025, 0.075), 40000, 95000, 170000, 60),
    ):
        who, when = c.happen(_by_age(c.age, edges, levels))
        count = len(who)
        luck = c.rng.random((2, count))
        _, exo = c.exemption(who, when, np.zeros(count, bool))
        paid = low + (luck[0] * (high - low) / 100).astype(np.int64) * 100
        rate = np.full(count, percent)
        amount = np.full(count, base)
        builder.add(
            person=who,
            care=when,
            claim=builder.claim(count),
            nature=np.full(count, nature),
            base_nature=np.full(count, nature),
            price=amount,
            base=amount,
            paid=paid,
            repaid=repay(amount, rate),
            rate=rate,
            exo=exo,
            executor=c.near(who, when, 900, c.people.habit[who] + nature),
            prescriber=np.full(count, NULL),
        )


def _transports(c: _Context, builder: _Builder, stays: Stays, years: tuple[int, int]) -> None:
    """Transports to and from sessions and long stays (ER_TRS_F)."""
    begun = (stays.start >= day(years[0])) & (stays.start < day(years[1] + 1))
    likely = np.where(stays.sessions > 0, 0.6, np.where(stays.end - stays.start >= 3, 0.35, 0.05))
    luck = c.rng.random((3, len(stays)))
    chosen = np.flatnonzero(begun & (luck[0] < likely) & (stays.hospital >= 0))
    who, when = stays.person[chosen], stays.start[chosen]
    count = len(chosen)
    _, exo = c.exemption(who, when, luck[1][chosen] < 0.8)
    kind = np.minimum((luck[2][chosen] * 3).astype(np.int64), 2)
    trips = 2 * np.maximum(stays.sessions[chosen], 1)
    price = np.array([9500, 3600, 4200])[kind]
    base = price * trips
    percent = _rate_of(exo, 65)
    nature = np.array([AMBULANCE, LIGHT_VEHICLE, TAXI])[kind]
    lines = builder.add(
        person=who,
        care=when,
        claim=builder.claim(count),
        nature=nature,
        base_nature=nature,
        quantity=trips * 100,
        price=price,
        base=base,
        paid=base,
        repaid=repay(base, percent),
        rate=percent,
        exo=exo,
        prescriber=np.zeros(count, np.int64),
        prescribed=when,
    )
    builder.detail(
        "ER_TRS_F", line=lines, order=np.ones(count, np.int64), day=when, trips=trips, price=price
    )


def covered(people: People) -> npt.NDArray[np.bool_]:
    """Return who has the complementary cover of low incomes (7 % of people under 75)."""
    free: Bools = (people.habit // 977) % 100 < 7
    return free & ~people.fictitious


def _other_payers(c: _Context, builder: _Builder) -> None:
    """Have the complementary cover pay what the scheme leaves of a line's base (ER_ARO_F)."""
    lines = builder.care().lines
    left = lines["base"] - lines["repaid"]
    paid = covered(c.people)[lines["person"]] & (left > 0) & (lines["top"] == 0)
    # People in care under the cover of low incomes are not billed beyond the base either.
    chosen = np.flatnonzero(paid & (lines["qualifier"] == 0))
    builder.detail(
        "ER_ARO_F",
        line=chosen,
        order=np.ones(len(chosen), np.int64),
        nature=lines["nature"][chosen],
        base=lines["base"][chosen],
        total=left[chosen],
        share=100 - lines["rate"][chosen],
    )


def _private_stays(c: _Context, builder: _Builder, stays: Stays, years: tuple[int, int]) -> None:
    """Bill the stays of private clinics: a GHS line with its establishment (ETE_IND_TAA 2)."""
    private = np.array([h.private for h in c.world.hospitals])
    tariff = np.array([k.tariff for k in profiles()])
    begun = (stays.start >= day(years[0])) & (stays.start < day(years[1] + 1))
    chosen = np.flatnonzero(private[stays.hospital] & (tariff[stays.profile] > 0) & begun)
    who, when = stays.person[chosen], stays.start[chosen]
    count = len(chosen)
    _, exo = c.exemption(who, when, c.rng.random(count) < 0.7)
    percent = _rate_of(exo, 80)
    base = tariff[stays.profile[chosen]]
    lines = builder.add(
        person=who,
        care=when,
        claim=builder.claim(count),
        nature=np.full(count, STAY),
        base_nature=np.full(count, STAY),
        price=base,
        base=base,
        paid=base,
        repaid=repay(base, percent),
        rate=percent,
        exo=exo,
        length=stays.end[chosen] - when,
    )
    _establishment(
        builder,
        lines,
        stays.hospital[chosen],
        taa=2,
        sector=2,
        category=365,
        kind=4,
        mode=3,
        ghs=np.array([int(k.ghs) for k in profiles()])[stays.profile[chosen]],
    )


def _regularisations(c: _Context, builder: _Builder) -> None:
    """Cancel one act line in a hundred by a negative twin, and pay half of them again.

    The twin carries the same care with every quantity and amount negated, details included, in a
    later claim (``undoes`` gives the claim that it comes after).
    """
    so_far = builder.care()
    lines = so_far.lines
    plain = (lines["top"] == 0) & (lines["nature"] != STAY) & (lines["qualifier"] == 0)
    chosen = np.flatnonzero(plain & (c.rng.random(builder.count) < 0.01))
    again = chosen[c.rng.random(len(chosen)) < 0.5]
    undoes = [np.full(builder.claims, NULL)]
    for which, sign in ((chosen, -1), (again, 1)):
        part = {name: values[which] for name, values in lines.items()}
        for name in ("quantity", "base", "paid", "repaid"):
            part[name] = part[name] * sign
        undoes.append(part["claim"].copy())
        part["claim"] = builder.claim(len(which))
        positions = builder.add(**part)
        place = np.full(builder.count, NULL)
        place[which] = positions
        for table, details in so_far.details.items():
            twin = np.flatnonzero(place[details.line] != NULL)
            columns = {name: values[twin] for name, values in details.columns.items()}
            columns["line"] = place[columns["line"]]
            for name in ("boxes", "quantity", "units", "total", "trips"):
                if name in columns:
                    columns[name] = columns[name] * sign
            if table in ("ER_CAM_F", "ER_ARO_F"):
                columns["base"] = columns["base"] * sign
            builder.detail(table, **columns)
    for part in builder.parts:
        part["undoes"] = np.concatenate(undoes)[part["claim"]]
