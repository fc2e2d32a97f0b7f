"""What pharmacies hand out to the persons of a block, and hospitals to those who live at home."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from openchronic_assets.synthetic import figures
from openchronic_assets.synthetic.ledger import (
    FRANCHISE,
    FRANCHISE_CODE,
    HOSPITAL_DRUG,
    PHARMACY,
    Builder,
    Context,
    by_age,
    establishment,
    public_near,
    rate_of,
    repay,
)
from openchronic_assets.synthetic.medicine import draw as draw_kinds
from openchronic_assets.synthetic.medicine import drugs, give

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def _usual(c: Context) -> dict[str, Ints]:
    """Draw the lasting treatments of everyone: people with an ALD have more, older people too."""
    low, high = c.span
    middle = (low + high) // 2
    everyone = np.flatnonzero(~c.people.silent & (c.people.birth < high))
    age = c.people.age(np.full(len(everyone), middle), everyone)
    held = c.found.active(everyone, np.full(len(everyone), middle))
    mean = by_age(age, (15, 40, 50, 60, 70, 80), (0.03, 0.1, 0.3, 0.65, 1.2, 1.8, 2.1))
    mean = mean * np.where(held > 0, 1.5, 0.5)
    for name in ("FAntiHTA_med", "FHypoLi_med", "PAntiDe_med", "FDiabet_ind"):
        mean = mean + 0.8 * c.begun(name, middle)[everyone]
    return treatments(c, everyone, mean)


def treatments(
    c: Context, everyone: Ints, mean: Floats, own: tuple[str, ...] = ()
) -> dict[str, Ints]:
    """Draw so many lasting treatments: person, drug, first and last day, share of refills taken.

    Half take nearly every refill, a quarter most of them, a quarter less than two in three
    (published adherence at one year is of that order). Classes that begin with one of ``own`` are
    given to nobody but those whom they treat.
    """
    low, high = c.span
    middle = (low + high) // 2
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
    if own:
        kept = np.array([each.startswith(own) for each in known.atc])[drug]
        sound &= ~kept | np.stack(fits)[known.group[drug], np.arange(len(drug))]
    return {
        "person": who[sound],
        "drug": drug[sound],
        "first": first[sound],
        "last": last[sound],
        "taken": taken[sound],
    }


def refills(c: Context, treated: dict[str, Ints], packs: int = 1) -> tuple[Ints, Ints, Ints]:
    """Return person, day and drug of the refills of treatments, so many packs at a time."""
    known = drugs()
    # A pack lasts its units, one a day, and a month where that makes no sense (drops, inhalers).
    lasts = np.where(known.units >= 20, np.minimum(known.units, 90), 30)[treated["drug"]] * packs
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
    return chronic_who, chronic_day, chronic_drug


def city(c: Context, builder: Builder) -> None:
    """Draw the treatments of everyone, and hand them out."""
    known = drugs()
    treated = _usual(c)
    builder.event("exposures", **treated)
    chronic_who, chronic_day, chronic_drug = refills(c, treated)
    # Short treatments: as many more as their share of all boxes asks for.
    share = float(known.boxes[~known.chronic].sum())
    rate = by_age(c.age, (2, 16, 40, 60, 75), (5.0, 2.4, 2.6, 3.6, 4.6, 5.0))
    rate = rate * np.where(c.sick, 1.3, 0.9)
    wanted = len(chronic_day) * share / (1 - share)
    expected = float((rate * c.length / 365.25).sum())
    short_who, short_day = c.happen(rate * (wanted / max(expected, 1.0)))
    short_drug = draw_kinds(c.rng, np.where(known.chronic, 0, known.boxes), len(short_day))
    who = np.r_[chronic_who, short_who]
    when = np.r_[chronic_day, short_day]
    drug = np.r_[chronic_drug, short_drug]
    lasting = np.arange(len(who)) < len(chronic_who)
    hand_out(c, builder, who, when, drug, lasting)


def hand_out(
    c: Context,
    builder: Builder,
    who: Ints,
    when: Ints,
    drug: Ints,
    lasting: Bools,
    boxes: Ints | None = None,
) -> None:
    """Add what pharmacies hand out: a claim a person and week, its lines and franchise.

    Without ``boxes``, one of a lasting treatment, and now and then two of a short one.
    """
    known = drugs()
    inside = (when >= c.span[0]) & (when < c.span[1]) & (when <= c.people.death[who])
    who, when, drug, lasting = who[inside], when[inside], drug[inside], lasting[inside]
    given = None if boxes is None else boxes[inside]
    count = len(who)
    # What a person fetches in a week is one claim.
    visit = who * 100_000 + when // 7
    _, order, claim = np.unique(visit, return_index=True, return_inverse=True)
    when = when[order][claim]
    opened = builder.claim(len(order))
    claim = opened[claim]
    u = c.rng.random((4, count))
    active, exo = c.exemption(who, when, lasting & (u[0] < 0.9) | (u[0] < 0.3))
    boxes = 1 + (~lasting & (u[2] < 0.15)) + (u[2] < 0.02) if given is None else given
    executor = c.near(who, when, 900, c.people.habit[who])
    percent = rate_of(exo, known.rate[drug])
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


def hospital(c: Context, builder: Builder) -> None:
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
    percent = rate_of(exo, 65)
    base = price[drug]
    hospitals = public_near(c, who, when)
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
    establishment(builder, lines, hospitals, taa=0, sector=1, category=355, kind=1, mode=7)
