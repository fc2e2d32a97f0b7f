"""Reimbursed care (DCIR) of one block: lines of ER_PRS_F and their detail tables, kind by kind.

What lines, claims and amounts are is in ``ledger``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from openchronic_assets.synthetic import effects, figures, followup, pharmacy
from openchronic_assets.synthetic.conditions import Conditions
from openchronic_assets.synthetic.hospital import Stays, profiles
from openchronic_assets.synthetic.ledger import (
    AMBULANCE,
    ATU,
    B_PRICE,
    BIOLOGY,
    COORDINATION,
    DENTAL_CARE,
    DENTAL_PROSTHESIS,
    GLASSES,
    GP_HOME,
    GP_REMOTE,
    GP_VISIT,
    HEARING_AID,
    LIGHT_VEHICLE,
    NIGHT_COMPLEMENT,
    NO_EXEMPTION_SHARE,
    NULL,
    NURSE,
    SPECIALIST,
    STAY,
    TAXI,
    UNREGULATED,
    Builder,
    Care,
    Context,
    by_age,
    by_ald,
    establishment,
    participation,
    public_near,
    rate_of,
    repay,
    visit,
)
from openchronic_assets.synthetic.pathologies import Onset
from openchronic_assets.synthetic.population import BLOCK, People
from openchronic_assets.synthetic.text import day
from openchronic_assets.synthetic.universe import SPECIALTIES, Universe

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

# Surcharges of on-call care: night, Sunday, Saturday and deep night (IR_NAT_V).
REGULATED, REGULATED_HOME = (1933, 1935, 1941, 1934), (1936, 1938, 1942, 1937)
REGULATED_SHARE = 0.012  # of the visits to general practitioners [A]


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
    context = Context(
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
    builder = Builder()
    _gp_visits(context, builder)
    _specialists(context, builder)
    pharmacy.city(context, builder)
    _biology(context, builder)
    _acts(context, builder)
    _nurses(context, builder)
    pharmacy.hospital(context, builder)
    _outpatients(context, builder)
    _emergencies(context, builder, stays)
    _devices(context, builder)
    _teeth_eyes_ears(context, builder)
    _transports(context, builder, stays, years)
    _private_stays(context, builder, stays, years)
    followup.draw(context, builder, stays)
    _other_payers(context, builder)
    _regularisations(context, builder)
    return builder.care()


def _remote_share(when: Ints) -> Floats:
    """Return the share of consultations at a distance: hardly any before March 2020 [A]."""
    return by_age(
        when, (day(2018, 9, 15), day(2020, 3, 16), day(2020, 6, 1)), (0, 0.002, 0.2, 0.04)
    )


def _regulated(luck: Floats, home: Bools) -> Ints:
    """Return the surcharge of on-call care that a regulator sends: at night, Sunday, Saturday."""
    part = np.searchsorted(np.array([0.45, 0.8, 0.95]), luck, side="right")
    found: Ints = np.where(home, np.array(REGULATED_HOME)[part], np.array(REGULATED)[part])
    return found


def _unregulated(luck: Floats) -> Ints:
    """Return the surcharge of a home visit at night that nobody regulates."""
    return np.array(UNREGULATED)[np.searchsorted(np.array([0.5, 0.8]), luck, side="right")]


def _gp_visits(c: Context, builder: Builder) -> None:
    rate = by_age(c.age, (2, 16, 40, 60, 75), (4.6, 2.7, 2.8, 3.7, 5.4, 7.4))
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
    percent = rate_of(exo, 70)
    base = np.full(count, 2500)
    luck = c.beside(0xF6).rng.random((2, count))
    remote = ~(home | night) & (luck[0] < _remote_share(when))
    nature = np.select([home | night, remote], [GP_HOME, GP_REMOTE], GP_VISIT)
    builder.add(
        person=who,
        care=when,
        claim=claim,
        nature=nature,
        base_nature=nature,
        price=base,
        base=base,
        paid=base + overrun,
        repaid=repay(base, percent),
        rate=percent,
        exo=exo,
        executor=executor,
        specialty=np.ones(count, np.int64),
    )
    regulated = ~(night | remote) & (luck[1] < REGULATED_SHARE)
    for chosen, surcharge, top, price in (
        (night, np.full(count, NIGHT_COMPLEMENT), 1, 1906),
        (night, _unregulated(luck[1]), 2, 300),
        (regulated, _regulated(luck[1] / REGULATED_SHARE, home), 2, 2650),
    ):
        some = int(chosen.sum())
        extra = np.full(some, price)
        builder.add(
            person=who[chosen],
            care=when[chosen],
            claim=claim[chosen],
            nature=surcharge[chosen],
            complement=surcharge[chosen],
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
    visit(builder, who, when, executor, np.ones(count, np.int64))
    adult = (c.people.age(when, who) >= 18) & (u[3] > 0.25)
    participation(builder, adult, who, when, claim, executor)


def _specialists(c: Context, builder: Builder) -> None:
    rate = by_age(c.age, (2, 16, 60), (0.9, 0.8, 1.1, 1.6))
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
    percent = rate_of(exo, 70)
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
    visit(builder, who, when, executor, specialty)
    adult = (c.people.age(when, who) >= 18) & (u[4] > 0.3)
    participation(builder, adult, who, when, claim, executor)


def _biology(c: Context, builder: Builder) -> None:
    table = figures.rows("biology.csv")
    code = np.array([int(r["code"]) for r in table])
    value = np.array([int(r["b_coefficient"]) for r in table])
    of = by_ald([figures.numbers(r["alds"]) for r in table])
    rate = by_age(c.age, (2, 16, 45, 65), (0.2, 0.2, 0.6, 0.9, 1.4))
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
    percent = rate_of(exo, 60)
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


def _acts(c: Context, builder: Builder) -> None:
    table = figures.rows("acts.csv")
    price = np.array([int(r["price_cents"]) for r in table])
    nature = np.array([int(r["nature"]) for r in table])
    specialty_of = np.array([int(r["specialty"]) for r in table])
    weight = np.array([float(r["weight"]) for r in table])
    of = by_ald([figures.numbers(r["alds"]) for r in table])
    rate = by_age(c.age, (16, 45, 65), (0.15, 0.5, 0.9, 1.4))
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
    # A mammography is of a woman of age, the chest is looked at otherwise.
    code = [r["ccam"] for r in table]
    woman = (c.people.sex[who] == 2) & (c.people.age(when, who) >= 35)
    act[(act == code.index("QEQK001")) & ~woman] = code.index("ZBQK002")
    specialty = specialty_of[act]
    executor = c.near(who, when, specialty, c.people.habit[who])
    percent = rate_of(exo, 70)
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


def _nurses(c: Context, builder: Builder) -> None:
    rate = by_age(c.age, (60, 75, 85), (0.05, 0.4, 2.0, 5.0))
    who, when = c.happen(rate * np.where(c.sick, 1.3, 0.5))
    count = len(who)
    luck = c.rng.random((2, count))
    _, exo = c.exemption(who, when, luck[0] < 0.8)
    percent = rate_of(exo, 60)
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


def _outpatients(c: Context, builder: Builder) -> None:
    """Public external consultations, sent for information: they are in PMSI too (D1, D3)."""
    rate = by_age(c.age, (16, 65), (0.25, 0.25, 0.45))
    who, when = c.happen(rate * np.where(c.sick, 1.8, 0.7))
    count = len(who)
    luck = c.rng.random((2, count))
    _, exo = c.exemption(who, when, luck[0] < 0.6)
    percent = rate_of(exo, 70)
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
    hospitals = public_near(c, who, when)
    establishment(builder, lines, hospitals, taa=1, sector=1, category=355, kind=1, mode=7)
    _consultation(builder, who, when, hospitals, base, percent, emergency=False)


def _consultation(
    builder: Builder,
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


def _emergencies(c: Context, builder: Builder, stays: Stays) -> None:
    """Emergency visits that no admission follows; the others are urgent stays.

    About four in five (22 % are admitted). They are billed by the hospital, outside DCIR.
    """
    rate = by_age(c.age, (2, 16, 30, 65, 80), (0.47, 0.27, 0.28, 0.21, 0.24, 0.38))
    who, when = c.happen(rate * np.where(c.sick, 1.2, 0.95))
    hospitals = public_near(c, who, when)
    _, exo = c.exemption(who, when, c.rng.random(len(who)) < 0.3)
    base = np.full(len(who), ATU)
    _consultation(builder, who, when, hospitals, base, rate_of(exo, 80), emergency=True)


def _devices(c: Context, builder: Builder) -> None:
    """Devices of the LPP: weekly fees of home equipment and single items (ER_TIP_F)."""
    table = figures.rows("devices.csv")
    price = np.array([int(r["price_cents"]) for r in table])
    nature = np.array([int(r["nature"]) for r in table])
    of = by_ald([figures.numbers(r["alds"]) for r in table])
    rate = by_age(c.age, (45, 65, 80), (0.15, 0.45, 0.9, 1.3))
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
    percent = rate_of(exo, 60)
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


def _teeth_eyes_ears(c: Context, builder: Builder) -> None:
    """Dental care and prostheses, glasses, hearing aids: small bases, large overruns.

    They are most of what people pay themselves (Drees, health accounts).
    """
    for nature, edges, levels, base, low, high, percent in (
        (DENTAL_CARE, (3, 16), (0.05, 0.5, 0.6), 2892, 2892, 2892, 70),
        (DENTAL_PROSTHESIS, (25, 45), (0.01, 0.28, 0.50), 10750, 38000, 78000, 70),
        (GLASSES, (5, 42), (0.08, 0.30, 0.54), 500, 19000, 52000, 60),
        (HEARING_AID, (55, 70), (0.001, 0.025, 0.075), 40000, 95000, 170000, 60),
    ):
        who, when = c.happen(by_age(c.age, edges, levels))
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


def _transports(c: Context, builder: Builder, stays: Stays, years: tuple[int, int]) -> None:
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
    percent = rate_of(exo, 65)
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


def _other_payers(c: Context, builder: Builder) -> None:
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


def _private_stays(c: Context, builder: Builder, stays: Stays, years: tuple[int, int]) -> None:
    """Bill the stays of private clinics: a GHS line with its establishment (ETE_IND_TAA 2)."""
    private = np.array([h.private for h in c.world.hospitals])
    tariff = np.array([k.tariff for k in profiles()])
    begun = (stays.start >= day(years[0])) & (stays.start < day(years[1] + 1))
    chosen = np.flatnonzero(private[stays.hospital] & (tariff[stays.profile] > 0) & begun)
    who, when = stays.person[chosen], stays.start[chosen]
    count = len(chosen)
    _, exo = c.exemption(who, when, c.rng.random(count) < 0.7)
    percent = rate_of(exo, 80)
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
    establishment(
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


def _regularisations(c: Context, builder: Builder) -> None:
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
