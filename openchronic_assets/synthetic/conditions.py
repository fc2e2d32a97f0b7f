"""ALD: who has which, from when to when, and the rows of IR_IMB_R that say so.

The truth is an episode (person, number, start, end). The rows are written as real ones are: the
number is often 0 and the CIM-10 code must speak, an end is 1600-01-01 or 2099 when it is open,
renewals add rows and superseded rows stay. Read by decision 4 (chains by person, motive and
three-character code; start = earliest, end = that of the last inserted row; union per number with
gaps of 90 days), the rows give the episodes back.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from openchronic_assets.synthetic import figures
from openchronic_assets.synthetic.population import BLOCK, People
from openchronic_assets.synthetic.text import NEVER, Frame, dates, day, pick, whole
from openchronic_assets.synthetic.universe import Universe

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

YEAR = 365.25
FOREVER_2099 = day(2099, 12, 31)
# General scheme: rows are loaded since July 2005 (requete_type_ald).
FIRST_INSERTION = day(2005, 7, 1)
ALD_12_CLOSED = day(2011, 6, 27)


@dataclass
class Episode:
    """One ALD of one person; ``end`` is ``NEVER`` when it is open."""

    person: int
    number: int
    start: int
    end: int
    code: str


@dataclass
class Row:
    """One row of IR_IMB_R before it is written; ``closing`` is how an open end is written."""

    person: int
    number: int
    motive: int
    code: str | None
    start: int
    end: int
    closing: str
    inserted: int


@dataclass
class Conditions:
    """Episodes and rows of a block, and what care needs to know of them, by person.

    ``starts``, ``ends`` and ``numbers`` are (person, slot) arrays of a person's first episodes;
    empty slots start at ``NEVER``.
    """

    episodes: list[Episode] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    planted: dict[str, list[int]] = field(default_factory=dict)
    starts: Ints = field(default_factory=lambda: np.full((BLOCK, 4), NEVER))
    ends: Ints = field(default_factory=lambda: np.full((BLOCK, 4), NEVER))
    numbers: Ints = field(default_factory=lambda: np.zeros((BLOCK, 4), np.int64))

    def note(self, what: str, person: int) -> None:
        """Count something planted, by the person that carries it."""
        self.planted.setdefault(what, []).append(person)

    def index(self) -> None:
        """Fill the (person, slot) arrays from the episodes."""
        slots = np.zeros(BLOCK, np.int64)
        for each in sorted(self.episodes, key=lambda e: (e.person, e.start, e.number)):
            slot = slots[each.person]
            if slot < self.starts.shape[1]:
                self.starts[each.person, slot] = each.start
                self.ends[each.person, slot] = each.end
                self.numbers[each.person, slot] = each.number
                slots[each.person] += 1

    def active(self, person: Ints, when: Ints) -> Ints:
        """Return the number of the first ALD in force at each (person, day), 0 for none."""
        here = (self.starts[person] <= when[:, None]) & (when[:, None] <= self.ends[person])
        slot = here.argmax(axis=1)
        found: Ints = np.where(here.any(axis=1), self.numbers[person, slot], 0)
        return found


def motive_of(number: int) -> int:
    """Return IMB_ETM_NAT of an ALD number: 41 on the list, 43 off the list, 45 polypathology."""
    return {31: 43, 32: 45}.get(number, 41)


def onset(
    rng: np.random.Generator, people: People, world: Universe, years: tuple[int, int]
) -> Conditions:
    """Draw the ALD of the block's persons: those in force at the start and the new ones."""
    known = figures.ald()
    start, end = day(years[0]), day(years[1] + 1)
    span = years[1] - years[0] + 1
    age = people.age(start)
    band = figures.age_band(np.maximum(age, 0))
    factor = np.stack([figures.ald_factor(name) for name in world.departments])[people.place]
    chance = np.minimum(known.rate[:, people.sex - 1, band].T * factor, 0.95)
    chance[people.birth >= start] = 0.0
    count = len(figures.ALD_NUMBERS)
    stock, new = rng.random((BLOCK, count)), rng.random((BLOCK, count))
    past, moment = rng.exponential(1.0, (BLOCK, count)), rng.random((BLOCK, count))
    pick_code, leaves = rng.random((BLOCK, count)), rng.random((BLOCK, count))
    former = rng.random(BLOCK)
    arrivals = 1 - np.exp(-chance / known.mean_years * span)
    arrivals[:, 11] = 0.0  # ALD 12 takes nobody new since 2011
    found = Conditions()
    for person, slot in np.argwhere((stock < chance) | (new < arrivals)).tolist():
        number = slot + 1
        birth = int(people.birth[person])
        codes, weights = known.codes[slot], known.weights[slot]
        code = codes[int(np.searchsorted(np.cumsum(weights), pick_code[person, slot] * 0.999999))]
        finish = NEVER
        if stock[person, slot] < chance[person, slot]:
            begin = start - 1 - int(past[person, slot] * known.mean_years[slot] * YEAR)
            if number == 12 and begin > ALD_12_CLOSED:
                begin = ALD_12_CLOSED - int(moment[person, slot] * 12 * YEAR)
            if begin <= birth:
                begin = birth + int(moment[person, slot] * (start - 1 - birth))
            # One in twenty-five a year leaves: recovered, or not renewed.
            if leaves[person, slot] < 0.04 * span:
                finish = start + int(moment[person, slot] * (end - start))
        else:
            begin = start + int(moment[person, slot] * (end - start))
        found.episodes.append(Episode(person, number, begin, finish, code))
    # Past episodes, over before the period: to be read, never to be counted as prevalent.
    carried = {(each.person, each.number) for each in found.episodes}
    for person in np.flatnonzero((former < 0.015) & (age > 20)).tolist():
        slot = int(stock[person].argmin())
        if (person, slot + 1) not in carried and slot != 11:
            finish = start - 200 - int(moment[person, slot] * 4 * YEAR)
            begin = finish - int((1 + past[person, slot]) * 2 * YEAR)
            if begin > people.birth[person]:
                code = known.codes[slot][0]
                found.episodes.append(Episode(person, slot + 1, begin, finish, code))
    return found


def burden(people: People, found: Conditions) -> Floats:
    """Return each person's death hazard ratio from the ALD in force; about one on average."""
    ratio = np.full(BLOCK, 0.72)
    known = figures.ald()
    for each in found.episodes:
        ratio[each.person] = max(ratio[each.person], known.hazard_ratio[each.number - 1])
    return ratio


def after_death(people: People, found: Conditions) -> None:
    """Drop the episodes that would begin on or after their person's death."""
    found.episodes = [e for e in found.episodes if e.start < people.death[e.person]]


def write(rng: np.random.Generator, people: People, found: Conditions, last: int) -> None:
    """Draw the rows of IR_IMB_R: those of the ALD, then those of other exemptions.

    ``last`` is the day of the delivery: no row is inserted later.
    """
    luck = rng.random((len(found.episodes), 8))
    alone: dict[int, int] = {}
    for each in found.episodes:
        alone[each.person] = alone.get(each.person, 0) + 1
    for each, draws in zip(found.episodes, luck, strict=True):
        # No row is added long after a death.
        known_until = min(last, int(people.death[each.person]) + 60)
        _rows_of(each, draws.tolist(), found, alone[each.person] == 1, last, known_until)
    _other_exemptions(rng, people, found, last)


def _rows_of(
    each: Episode, u: list[float], found: Conditions, alone: bool, last: int, known_until: int
) -> None:
    motive = motive_of(each.number)
    # 32 is never inferred from the motive alone, so it is always delivered (decision 5).
    delivered = each.number if u[0] < 0.55 or each.number == 32 else 0
    code: str | None = each.code
    if delivered and alone and u[1] < 0.02:
        code = None
        found.note("imb_without_cim10", each.person)
    if not delivered:
        found.note("imb_number_0", each.person)
    closing = "2099" if u[2] < 0.35 else "1600" if u[2] < 0.95 else "null"
    inserted = min(max(each.start + 5 + int(u[3] * 55), FIRST_INSERTION), known_until - 30)
    first, final = each.start, each.end
    # Without an end of its own, an ALD has an administrative one after the delivery, or none.
    if final == NEVER and u[4] < 0.8:
        period = (2 if u[4] < 0.1 else 5) * 365 + 1
        final = first + period * (1 + max(0, (last - first) // period))
        each.end = final

    def row(start: int, end: int, when: int, number: int = delivered) -> None:
        how = "date" if end != NEVER else closing
        found.rows.append(
            Row(each.person, number, motive, code, start, end, how, min(when, known_until))
        )

    style = u[5]
    length = (final if final != NEVER else last) - first
    if style < 0.45 and length > 800:
        # Renewal: the first grant ends, the next row carries the start over or begins anew.
        middle = first + max(365, int(length * 0.6))
        gap = int(u[6] * 89)
        if u[7] < 0.75:
            row(first, middle, inserted)
            row(first, final, max(inserted + 1, middle - 20))
        else:
            row(first, middle, inserted)
            row(min(middle + 1 + gap, final), final, max(inserted + 1, middle + 30))
            found.note("imb_renewed_with_new_start", each.person)
        found.note("imb_renewed", each.person)
    elif style < 0.60:
        # Superseded: granted for ever, then given an end; or ended, then prolonged.
        row(first, NEVER if u[6] < 0.6 else first + 700, inserted)
        row(first, final, inserted + 60 + int(u[7] * 200))
        found.note("imb_superseded", each.person)
    elif style < 0.61:
        # An end before the start, put right by the next row.
        row(first, first - 1 - int(u[6] * 300), inserted)
        row(first, final, inserted + 15)
        found.note("imb_end_before_start", each.person)
    else:
        row(first, final, inserted)
    if final == NEVER:
        found.note(f"imb_open_{closing}", each.person)


def _other_exemptions(
    rng: np.random.Generator, people: People, found: Conditions, last: int
) -> None:
    """Add rows that are no ALD: work accident, occupational disease, invalidity, L324."""
    luck, when, kind = rng.random(BLOCK), rng.random(BLOCK), rng.random(BLOCK)
    age = people.age(last)
    for person in np.flatnonzero((luck < 0.045) & (age >= 20) & (age < 67)).tolist():
        motive = int(np.searchsorted([0.5, 0.65, 0.93, 1.0], kind[person]))
        motive = (11, 12, 13, 47)[min(motive, 3)]
        code = {11: "S934", 12: "M751", 13: "M545", 47: "M544"}[motive]
        start = last - 400 - int(when[person] * 6 * YEAR)
        if start >= people.death[person]:
            continue
        found.rows.append(Row(person, 0, motive, code, start, NEVER, "1600", min(start + 40, last)))
        found.note("imb_not_ald", person)


def frame(people: People, found: Conditions, keep: int) -> Frame:
    """Write the rows of the persons below ``keep`` as IR_IMB_R, under the couple of their day."""
    rows = [each for each in found.rows if each.person < keep]
    rows.sort(key=lambda r: (r.person, r.inserted, r.start))
    count = len(rows)
    who = np.array([r.person for r in rows], np.int64)
    start = np.array([r.start for r in rows], np.int64)
    end = np.array([r.end for r in rows], np.int64)
    how = np.array([r.closing for r in rows], "U5")
    end = np.where(how == "2099", FOREVER_2099, end)
    inserted = np.array([r.inserted for r in rows], np.int64)
    psa = [
        people.psa2[r.person] if r.inserted >= people.switch[r.person] else people.psa[r.person]
        for r in rows
    ]
    none = pa.scalar(None, pa.string())
    result = Frame("IR_IMB_R", count)
    codes = [r.code for r in rows]
    result.put(
        BEN_NIR_PSA=pa.array(psa, pa.string()),
        BEN_RNG_GEM=whole(people.rank[who]),
        IMB_ALD_DTD=dates(start),
        IMB_ALD_DTF=pc.if_else(pa.array(how == "null"), none, dates(end)),
        IMB_ALD_NUM=whole(np.array([r.number for r in rows], np.int64)),
        IMB_ETM_NAT=whole(np.array([r.motive for r in rows], np.int64)),
        INS_DTE=dates(inserted),
        MED_MTF_COD=pa.array(codes, pa.string()),
        MED_NCL_IDT=pick(["CIM10", None], np.array([c is None for c in codes], np.int64)),
    )
    return result
