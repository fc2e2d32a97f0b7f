"""Care that follows a rule: screening, vaccination, the follow-up of diabetes, the way home.

Everything here is drawn from a stream of its own, beside the care of ``care`` and ``pharmacy``.
Shares are those of people who do, so that what is published comes out once the care that happens
anyway is counted too.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from openchronic_assets.synthetic import figures, pharmacy
from openchronic_assets.synthetic.hospital import Stays
from openchronic_assets.synthetic.ledger import (
    B_PRICE,
    BIOLOGY,
    GP_HOME,
    GP_VISIT,
    Builder,
    Context,
    by_age,
    participation,
    rate_of,
    repay,
    visit,
)
from openchronic_assets.synthetic.medicine import draw as draw_kinds
from openchronic_assets.synthetic.medicine import drugs
from openchronic_assets.synthetic.population import BLOCK
from openchronic_assets.synthetic.text import day

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

HBA1C, PODOLOGY = 1577, 3134
MONTH = 365.25 / 12
# Pathologies of the cartographie and ALD that the vaccine against influenza is offered for [A].
AT_RISK = ("FDiabet_ind", "ABPCOIr_ind", "CvCoron_chr", "CvTrRyC_ind", "CvAVC_seq", "HFoiPan_ind")
AT_RISK_ALDS = (1, 5, 6, 7, 8, 9, 13, 14, 18, 19, 25, 28, 30)
HABIT = 0.8  # of the vaccinations of a year, those of who does so every year or never [A]
HPV_FROM = day(2020, 7, 1)
HPV_SHARE = 0.6  # of the screening tests from 30 years on [A]
# Classes that only the people they treat have more of.
OF_ILLNESS = ("A10", "J05", "L", "N04", "N07")
USUAL = 6  # short treatments that an old person has again and again [A]
# Boxes of a line that goes on for months, by the first letters of its class [A].
TOGETHER = (("N02", 8), ("A06", 4))


@cache
def acts() -> tuple[str, ...]:
    """Return the CCAM codes of lines: those of ``acts.csv``, then those of the programmes."""
    own = (r["code"] for r in figures.rows("programmes.csv") if r["system"] == "CCAM")
    return (*(row["ccam"] for row in figures.rows("acts.csv")), *own)


def draw(c: Context, builder: Builder, stays: Stays) -> None:
    """Add the care of a block that follows a rule, each kind from a stream of its own."""
    _programmes(c.beside(0xF1), builder)
    _influenza(c.beside(0xF2), builder)
    _diabetes(c.beside(0xF3), builder)
    _old_age(c.beside(0xF4), builder)
    _way_home(c.beside(0xF5), builder, stays)
    _alcohol(c.beside(0xF7), builder, stays)


def _present(c: Context, who: Ints, when: Ints) -> Bools:
    """Return whether people live, and are seen, on days of the care years."""
    people = c.people
    inside = (when >= c.span[0]) & (when < c.span[1])
    alive = (when > people.birth[who]) & (when <= people.death[who])
    there: Bools = inside & alive & ~people.silent[who]
    return there


def _laboratory(
    c: Context, builder: Builder, who: Ints, when: Ints, related: bool, tests: list[Ints]
) -> None:
    """Bill laboratory claims; ``tests`` holds, by claim, codes of tests, 0 for none."""
    count = len(who)
    value = {int(r["code"]): int(r["b_coefficient"]) for r in figures.rows("biology.csv")}
    value[4127] = 100
    code = np.stack(tests)
    worth = np.zeros(code.shape, np.int64)
    for each, points in value.items():
        worth[code == each] = points
    _, exo = c.exemption(who, when, np.full(count, related))
    percent = rate_of(exo, 60)
    base = worth.sum(axis=0) * B_PRICE
    luck = c.rng.random(count)
    lines = builder.add(
        person=who,
        care=when,
        claim=builder.claim(count),
        nature=np.full(count, BIOLOGY),
        base_nature=np.full(count, BIOLOGY),
        price=np.full(count, B_PRICE),
        base=base,
        paid=base,
        repaid=repay(base, percent),
        rate=percent,
        exo=exo,
        executor=c.near(who, when, 902, c.people.habit[who]),
        prescriber=c.people.gp_on(when, who),
        prescribed=when - (luck * 20).astype(np.int64),
    )
    done = code > 0
    position, at = np.nonzero(done.T)
    builder.detail(
        "ER_BIO_F",
        line=lines[position],
        order=np.cumsum(done, axis=0, dtype=np.int64).T[position, at],
        code=code.T[position, at],
        quantity=np.ones(len(position), np.int64),
    )


def _programmes(c: Context, builder: Builder) -> None:
    """Screening at an interval: who takes part does so every time, from a month of their own."""
    rows = {row["programme"]: row for row in figures.rows("programmes.csv")}
    for name in ("breast_screening", "colorectal_screening", "cervical_screening"):
        row = rows[name]
        luck = c.rng.random((2, BLOCK))
        able = (luck[0] < float(row["share"])) & ~c.people.silent
        if int(row["sex"]):
            able &= c.people.sex == int(row["sex"])
        members = np.flatnonzero(able)
        period = float(row["months"]) * MONTH
        turns = int((c.span[1] - c.span[0]) / period) + 1
        who = np.repeat(members, turns)
        turn = np.tile(np.arange(turns), len(members)) + luck[1][who]
        when = c.span[0] + (turn * period).astype(np.int64)
        age = c.people.age(when, who)
        due = (age >= int(row["age_from"])) & (age <= int(row["age_to"])) & _present(c, who, when)
        who, when = who[due], when[due]
        if name == "cervical_screening":
            hpv = (when >= HPV_FROM) & (age[due] >= int(rows[f"{name}_hpv"]["age_from"]))
            hpv &= c.rng.random(len(who)) < HPV_SHARE
            code = int(rows[f"{name}_hpv"]["code"])
            _laboratory(c, builder, who[hpv], when[hpv], False, [np.full(int(hpv.sum()), code)])
            who, when = who[~hpv], when[~hpv]
        _screen(c, builder, row, who, when)


def _screen(c: Context, builder: Builder, row: dict[str, str], who: Ints, when: Ints) -> None:
    """Bill the act of a programme."""
    count, specialty = len(who), int(row["specialty"])
    amount = np.full(count, int(row["price_cents"]))
    _, exo = c.exemption(who, when, np.zeros(count, bool))
    percent = np.full(count, int(row["rate"]))
    # Pathologists and the reading of tests have no practitioner of the world.
    known = specialty == 6
    lines = builder.add(
        person=who,
        care=when,
        claim=builder.claim(count),
        nature=np.full(count, int(row["nature"])),
        base_nature=np.full(count, int(row["nature"])),
        price=amount,
        base=amount,
        paid=amount,
        repaid=repay(amount, percent),
        rate=percent,
        exo=exo,
        executor=c.near(who, when, 6, c.people.habit[who]) if known else np.zeros(count, np.int64),
        specialty=np.full(count, specialty),
        prescriber=c.people.gp_on(when, who),
    )
    if row["system"] == "CCAM":
        ones = np.ones(count, np.int64)
        builder.detail(
            "ER_CAM_F",
            line=lines,
            order=ones,
            act=np.full(count, acts().index(row["code"])),
            activity=ones,
            base=amount,
            price=amount,
        )


def _influenza(c: Context, builder: Builder) -> None:
    """Vaccinate from mid-October to the end of January, by age and illness."""
    vaccines = [drugs().cip13.index(r["cip13"]) for r in figures.rows("vaccines.csv")]
    always = c.rng.random(BLOCK)
    everyone = np.arange(BLOCK)
    for year in range(_year(c.span[0]) - 1, _year(c.span[1])):
        autumn = day(year, 10, 15)
        # Coverage is of ages reached in the year in which the season ends.
        age = c.people.age(day(year + 1, 12, 31))
        ill = np.isin(c.found.active(everyone, np.full(BLOCK, autumn)), AT_RISK_ALDS)
        for name in AT_RISK:
            ill |= c.begun(name, autumn)
        share = np.zeros(BLOCK)
        for row in figures.rows("vaccination.csv"):
            here = (age >= int(row["age_from"])) & (age <= int(row["age_to"]))
            if int(row["age_to"]) < 65:
                here &= ill == (row["at_risk"] == "1")
            share[here] = float(row["share"])
        luck = c.rng.random((2, BLOCK))
        luck = np.where(luck[0] < HABIT, always, luck[1])
        when = autumn + np.minimum(c.rng.gamma(1.5, 18.0, BLOCK), 105).astype(np.int64)
        which = c.rng.integers(0, len(vaccines), BLOCK)
        who = np.flatnonzero((luck < share) & _present(c, everyone, when))
        pharmacy.hand_out(
            c,
            builder,
            who,
            when[who],
            np.array(vaccines)[which[who]],
            np.zeros(len(who), bool),
            np.ones(len(who), np.int64),
        )


def _year(when: int) -> int:
    return int(np.datetime64(int(when), "D").astype("datetime64[Y]").astype(int)) + 1970


def _diabetes(c: Context, builder: Builder) -> None:
    """Follow diabetes: HbA1c at the laboratory some times a year, other tests once, the feet."""
    table = figures.rows("diabetes_follow_up.csv")
    visits = np.array([float(r["share"]) for r in table if r["item"] == "laboratory"])
    once = {r["item"]: (int(r["number"]), float(r["share"])) for r in table}
    steps = np.searchsorted(np.cumsum(visits)[:-1], c.rng.random(BLOCK), side="right")
    feet = c.rng.random(BLOCK) < once["podologist"][1]
    for year in range(_year(c.span[0]), _year(c.span[1])):
        first, length = day(year), day(year + 1) - day(year)
        ill = c.begun("FDiabet_ind", first)
        luck = c.rng.random((4, BLOCK))
        for number, members in ((0, steps), (PODOLOGY, np.where(feet, 4, 0))):
            many = np.where(ill, members, 0)
            who = np.repeat(np.arange(BLOCK), many)
            turn = np.arange(len(who)) - np.repeat(np.cumsum(many) - many, many)
            # At even intervals, from a day of the person's own.
            part = (turn + luck[0][who]) / np.maximum(many[who], 1)
            when = first + (part * length).astype(np.int64)
            there = _present(c, who, when)
            who, when, turn = who[there], when[there], turn[there]
            if number == PODOLOGY:
                _podology(c, builder, who, when)
                continue
            tests = [np.full(len(who), HBA1C)]
            for place, item in enumerate(("creatinine", "lipids", "albuminuria"), start=1):
                code, share = once[item]
                wanted = (turn == 0) & (luck[place][who] < share)
                tests.append(np.where(wanted, code, 0))
            _laboratory(c, builder, who, when, True, tests)


def _podology(c: Context, builder: Builder, who: Ints, when: Ints) -> None:
    count = len(who)
    _, exo = c.exemption(who, when, np.ones(count, bool))
    percent = rate_of(exo, 60)
    amount = np.full(count, 2700)
    builder.add(
        person=who,
        care=when,
        claim=builder.claim(count),
        nature=np.full(count, PODOLOGY),
        base_nature=np.full(count, PODOLOGY),
        price=amount,
        base=amount,
        paid=amount,
        repaid=repay(amount, percent),
        rate=percent,
        exo=exo,
        prescriber=c.people.gp_on(when, who),
        prescribed=when - 10,
    )


def _old_age(c: Context, builder: Builder) -> None:
    """Give old people the many drugs that they take, the frail most; three packs at a time [A]."""
    low, high = c.span
    middle = (low + high) // 2
    everyone = np.flatnonzero(~c.people.silent & (c.people.birth < high))
    age = c.people.age(np.full(len(everyone), middle), everyone)
    mean = by_age(age, (65, 75, 85), (0.0, 1.5, 9.3, 9.7)) * c.people.frail[everyone]
    treated = pharmacy.treatments(c, everyone, mean, OF_ILLNESS)
    # Who takes so many is helped with them: few refills are left out.
    treated["taken"] = np.maximum(treated["taken"], 85)
    builder.event("exposures", **treated)
    who, when, drug = pharmacy.refills(c, treated, packs=3)
    # As many boxes of short treatments with them as there are among all boxes.
    known = drugs()
    short = np.where(known.chronic, 0, known.boxes)
    together = np.full(len(short), 2)
    for start, number in TOGETHER:
        together[[each.startswith(start) for each in known.atc]] = number
    lines = float((short / together).sum() / (1 - short.sum()))
    wanted = int(3 * len(who) * lines)
    more = c.rng.integers(0, max(len(who), 1), wanted)
    # The same few come back: everyone has their own.
    usual = draw_kinds(c.rng, short / together, BLOCK * USUAL).reshape(BLOCK, USUAL)
    extra = usual[who[more], c.rng.integers(0, USUAL, len(more))]
    later = c.rng.integers(0, 80, len(more))
    pharmacy.hand_out(
        c,
        builder,
        np.r_[who, who[more]],
        np.r_[when, when[more] + later],
        np.r_[drug, extra],
        np.arange(len(who) + len(more)) < len(who),
        np.r_[np.full(len(who), 3), together[extra]],
    )


def _way_home(c: Context, builder: Builder, stays: Stays) -> None:
    """After a stay: the hospital's prescription is filled, and the doctor seen."""
    home = (stays.leave == "8") & (stays.sessions == 0) & (stays.end > stays.start)
    chosen = np.flatnonzero(home)
    who, out = stays.person[chosen], stays.end[chosen]
    luck = c.rng.random((4, len(who)))
    # Drugs, on the day or the next ones.
    when = out + (luck[0] * 4).astype(np.int64)
    filled = (luck[1] < 0.45) & _present(c, who, when)
    fetched = np.repeat(np.flatnonzero(filled), 2)
    known = drugs()
    drug = draw_kinds(c.rng, np.where(known.chronic, 0, known.boxes), len(fetched))
    pharmacy.hand_out(c, builder, who[fetched], when[fetched], drug, np.zeros(len(fetched), bool))
    # The doctor, most within two weeks.
    when = out + 1 + c.rng.gamma(1.3, 7.0, len(who)).astype(np.int64)
    seen = (luck[2] < 0.4) & _present(c, who, when)
    who, when = who[seen], when[seen]
    count = len(who)
    doctor = c.people.gp_on(when, who)
    executor = np.where(doctor > 0, doctor, c.near(who, when, 1, c.people.habit[who]))
    _, exo = c.exemption(who, when, c.rng.random(count) < 0.7)
    percent = rate_of(exo, 70)
    base = np.full(count, 2500)
    age = c.people.age(when, who)
    nature = np.where((age >= 80) & (luck[3][seen] < 0.4), GP_HOME, GP_VISIT)
    claim = builder.claim(count)
    builder.add(
        person=who,
        care=when,
        claim=claim,
        nature=nature,
        base_nature=nature,
        price=base,
        base=base,
        paid=base,
        repaid=repay(base, percent),
        rate=percent,
        exo=exo,
        executor=executor,
        specialty=np.ones(count, np.int64),
    )
    visit(builder, who, when, executor, np.ones(count, np.int64))
    participation(builder, age >= 18, who, when, claim, executor)


def _alcohol(c: Context, builder: Builder, stays: Stays) -> None:
    """Help people to stop drinking: drugs of N07BB for some months, after a stay or without [A]."""
    low, high = c.span
    known = drugs()
    offer = np.flatnonzero([each.startswith("N07BB") for each in known.atc])
    addicted = np.flatnonzero(c.begun("PAddict_ind", (low + high) // 2))
    begun = low + (c.rng.random(len(addicted)) * (high - low)).astype(np.int64)
    left = (stays.leave == "8") & np.char.startswith(stays.code, "F10")
    who, first = np.r_[addicted, stays.person[left]], np.r_[begun, stays.end[left]]
    share = np.r_[np.full(len(addicted), 0.15), np.full(int(left.sum()), 0.25)]
    chosen = np.flatnonzero(c.rng.random(len(who)) < share)
    who, first = who[chosen], first[chosen]
    drug = offer[c.rng.integers(0, len(offer), len(who))]
    months = c.rng.integers(1, 9, len(who))
    row = np.repeat(np.arange(len(who)), months)
    rank = np.arange(len(row)) - np.repeat(np.cumsum(months) - months, months)
    when = first[row] + 1 + rank * 28 + c.rng.integers(0, 5, len(row))
    there = _present(c, who[row], when)
    row, when = row[there], when[there]
    pharmacy.hand_out(c, builder, who[row], when, drug[row], np.ones(len(row), bool))
