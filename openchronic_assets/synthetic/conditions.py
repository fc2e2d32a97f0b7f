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

from openchronic_assets.synthetic import figures
from openchronic_assets.synthetic.cohort import BLOCK, NO_SLOT
from openchronic_assets.synthetic.population import People
from openchronic_assets.synthetic.prevalence import SEVERITY_DEATH, SEVERITY_SHARES
from openchronic_assets.synthetic.text import NEVER, Frame, dates, day, labels_of, pick, whole
from openchronic_assets.synthetic.universe import Universe

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

YEAR = 365.25
FOREVER_2099 = day(2099, 12, 31)
# General scheme: rows are loaded since July 2005 (requete_type_ald).
FIRST_INSERTION = day(2005, 7, 1)
# ALD 12 takes nobody new since the decree of June 2011.
ALD_12, ALD_12_CLOSED_IN, ALD_12_CLOSED = 12, 2011, day(2011, 6, 27)
COUNT = len(figures.ALD_NUMBERS)
BACK_DATED_SHARE, REFUSED_SHARE = 0.08, 0.06
WORSENING = 0.06  # yearly chance that an ALD grows severer


@dataclass
class Episode:
    """One ALD of one person; ``end`` is ``NEVER`` when it is open.

    ``severity`` goes from 1 to 3 and may rise by one on the day ``worse`` (``NEVER`` if it does
    not).
    """

    person: int
    number: int
    start: int
    end: int
    code: str
    severity: int = 1
    worse: int = NEVER


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


@dataclass(frozen=True)
class Request:
    """A request for an exemption and what became of it; only granted ones have rows."""

    person: int
    number: int
    code: str
    requested: int
    decided: int
    granted: bool


@dataclass
class Conditions:
    """Episodes and rows of a block, and what care needs to know of them, by person.

    ``starts``, ``ends`` and ``numbers`` are (person, slot) arrays of a person's first episodes;
    empty slots start at ``NEVER``. ``risk`` is the true chance, seen on 1 January of each year,
    that an ALD begins in the year, by (year, person, ALD); ``risk_of_any`` that at least one does,
    by (year, person). Both are 0 for what cannot begin: an ALD in force or over, people dead or not
    yet born.
    """

    episodes: list[Episode] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    planted: dict[str, list[int]] = field(default_factory=dict)
    starts: Ints = field(default_factory=lambda: np.full((BLOCK, 4), NEVER))
    ends: Ints = field(default_factory=lambda: np.full((BLOCK, 4), NEVER))
    numbers: Ints = field(default_factory=lambda: np.zeros((BLOCK, 4), np.int64))
    risk: Floats = field(default_factory=lambda: np.zeros((0, BLOCK, len(figures.ALD_NUMBERS))))
    risk_of_any: Floats = field(default_factory=lambda: np.zeros((0, BLOCK)))

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


@dataclass
class _Life:
    """Dates of each ALD by (person, slot), and of death, as the years go by.

    ``begin`` and ``finish`` are ``NEVER`` where there is none; ``severity`` is that of today.
    """

    begin: Ints
    finish: Ints
    severity: Ints
    worse: Ints
    death: Ints

    def in_force(self) -> Bools:
        """Return what is in force after the last year that was drawn."""
        there: Bools = (self.begin < NEVER) & (self.finish == NEVER)
        return there


@dataclass
class _Chances:
    """Chances of one year by (person, slot), for people with known class, age and department.

    ``before`` is the chance to have the ALD on 1 January, ``alive`` that of those who survive the
    year at its end, ``dead`` that of those who do not; ``onset`` and ``leave`` are the chances that
    it begins and ends, ``dying`` the chance to die, by person.
    """

    before: Floats
    alive: Floats
    dead: Floats
    dying: Floats
    onset: Floats
    leave: Floats

    @classmethod
    def of(cls, people: People, later: int, closed: bool) -> _Chances:
        stand = people.cohort
        before, alive = stand.rates(later - 1), stand.rates(later)
        dead, dying = stand.model.among_the_dead(alive), stand.dying(later)
        after = alive + dying[:, None] * (dead - alive)
        # Who begins makes up for who leaves and for the rate of the next age.
        onset = (after - before * (1 - stand.model.leave)) / (1 - before)
        onset = np.clip(np.maximum(onset, 0.02 * after), 0, 1)
        if closed:
            onset[:, ALD_12 - 1] = 0.0
        kept = np.divide(
            after - (1 - before) * onset, before, out=np.ones_like(before), where=before > 0
        )
        return cls(before, alive, dead, dying, onset, np.clip(1 - kept, 0, 1))


def onset(
    rng: np.random.Generator, people: People, world: Universe, years: tuple[int, int]
) -> Conditions:
    """Draw the ALD of the block's persons, those in force and the new ones, and the deaths.

    The first year is drawn from its end: who dies and who is ill on 31 December come from the
    cohort, whose counts are calibrated, and what was so on 1 January follows by the rule of Bayes.
    The following years are drawn forward. Both are the same model: within a class, ALD begin and
    end independently, then death is logistic in the ALD.
    """
    known = figures.ald()
    chances = _Chances.of(people, 0, years[0] > ALD_12_CLOSED_IN)
    life, found = _first_year(rng, people, chances, years[0]), Conditions()
    first = _first_risk(people, chances, life, years[0])
    risk, any_risk = [first[0]], [first[1]]
    for year in range(years[0] + 1, years[1] + 1):
        chances = _Chances.of(people, year - years[0], year > ALD_12_CLOSED_IN)
        here = (life.death == NEVER) & (people.birth < day(year + 1))
        chances.onset[~here] = 0.0
        chances.onset[life.begin < NEVER] = 0.0
        risk.append(np.where((people.birth < day(year))[:, None], chances.onset, 0.0))
        any_risk.append(1 - np.prod(1 - risk[-1], axis=1))
        _next_year(rng, people, chances, life, here, year)
    people.die(life.death)
    found.risk, found.risk_of_any = np.stack(risk), np.stack(any_risk)
    kind = rng.random((BLOCK, COUNT))
    for person, slot in np.argwhere(life.begin < NEVER).tolist():
        codes, weights = known.codes[slot], known.weights[slot]
        which = int(np.searchsorted(np.cumsum(weights)[:-1], kind[person, slot], side="right"))
        found.episodes.append(
            Episode(
                person,
                slot + 1,
                int(life.begin[person, slot]),
                int(life.finish[person, slot]),
                codes[which],
                int(life.severity[person, slot]) - int(life.worse[person, slot] < NEVER),
                int(life.worse[person, slot]),
            )
        )
    _former(rng, people, found, years)
    return found


def _first_year(rng: np.random.Generator, people: People, chances: _Chances, year: int) -> _Life:
    stand, shape = people.cohort, (BLOCK, COUNT)
    start, end = day(year), day(year + 1)
    dies = stand.dies
    ill = np.where(dies[:, None], rng.random(shape) < chances.dead, stand.ill)
    after = chances.alive + chances.dying[:, None] * (chances.dead - chances.alive)
    new = chances.onset * (1 - chances.before)
    new = np.divide(new, after, out=np.zeros(shape), where=after > 0)
    left = chances.before * chances.leave / np.maximum(1 - after, 1e-12)
    luck, moment, past = rng.random(shape), rng.random(shape), rng.random(shape)
    incident, leaver = ill & (luck < new), ~ill & (luck < left)
    since = np.maximum(start, people.birth)
    death = np.where(dies, since + (rng.random(BLOCK) * (end - since)).astype(np.int64), NEVER)
    within = _within(moment, since, np.minimum(end, death))
    # Time since onset, exponential, not longer than life.
    lived = (start - people.birth)[:, None] / YEAR
    mean = figures.ald().mean_years
    years_ago = -mean * np.log1p(-past * -np.expm1(-np.maximum(lived, 0) / mean))
    before = start - 1 - np.floor(years_ago * YEAR).astype(np.int64)
    late = before[:, ALD_12 - 1] > ALD_12_CLOSED
    early = ALD_12_CLOSED - (moment[:, ALD_12 - 1] * 12 * YEAR).astype(np.int64)
    before[late, ALD_12 - 1] = early[late]
    before = np.maximum(before, people.birth[:, None])
    begin = np.where(incident, within, np.where(ill | leaver, before, NEVER))
    finish = np.where(leaver, within, NEVER)
    weights = SEVERITY_SHARES * np.where(dies[:, None], SEVERITY_DEATH, 1.0)
    edges = np.cumsum(weights, axis=1) / weights.sum(axis=1, keepdims=True)
    severity = 1 + (rng.random(shape)[:, :, None] >= edges[:, None, :2]).sum(axis=2)
    return _Life(begin, finish, severity, np.full(shape, NEVER), death)


def _within(moment: Floats, low: Ints, high: Ints) -> Ints:
    """Return days from ``low`` (of each person) to the day before ``high``."""
    span = np.maximum(high - low, 1)[:, None]
    found: Ints = low[:, None] + (moment * span).astype(np.int64)
    return found


def _first_risk(people: People, chances: _Chances, life: _Life, year: int) -> tuple[Floats, Floats]:
    """Return the chance of each ALD and of any ALD to begin in the first year.

    What is in force on 1 January tells something of who will die in the year, and with them of what
    begins: the chances of the two fates are weighted by their odds given all that is in force.
    """
    ill = (life.begin < day(year)) & (life.begin < NEVER)
    after = chances.alive + chances.dying[:, None] * (chances.dead - chances.alive)
    new = np.divide(
        chances.onset * (1 - chances.before), after, out=np.zeros_like(after), where=after > 0
    )
    left = chances.before * chances.leave / np.maximum(1 - after, 1e-12)
    fates = []
    for share, weight in ((chances.alive, 1 - chances.dying), (chances.dead, chances.dying)):
        had = share * (1 - new) + (1 - share) * left
        likelihood = np.where(ill, had, 1 - had).prod(axis=1) * weight
        fates.append((likelihood, np.where(ill, 0.0, share * new / (1 - had))))
    total = fates[0][0] + fates[1][0]
    total = np.where(total > 0, total, 1.0)
    each = sum(likelihood[:, None] * begins for likelihood, begins in fates) / total[:, None]
    none = sum(likelihood * (1 - begins).prod(axis=1) for likelihood, begins in fates) / total
    there = people.birth < day(year)
    return np.where(there[:, None], each, 0.0), np.where(there, 1 - none, 0.0)


def _next_year(
    rng: np.random.Generator,
    people: People,
    chances: _Chances,
    life: _Life,
    here: Bools,
    year: int,
) -> None:
    """Let a year pass: ALD begin and end, grow severer, and people die of them."""
    shape, end = (BLOCK, COUNT), day(year + 1)
    luck, moment, grows = rng.random(shape), rng.random(shape), rng.random(shape)
    old = life.in_force() & here[:, None]
    leaves = old & (luck < chances.leave)
    begins = luck < chances.onset
    grows_worse = old & ~leaves & (grows < WORSENING) & (life.severity < 3)
    grows_worse &= life.worse == NEVER
    ill = (old & ~leaves) | begins
    factor = SEVERITY_DEATH[life.severity - 1] * people.cohort.model.odds
    mean = (1 - chances.alive + chances.alive * people.cohort.model.odds).prod(axis=1)
    odds = chances.dying / (1 - chances.dying) / mean * np.where(ill, factor, 1.0).prod(axis=1)
    dies = here & (rng.random(BLOCK) < odds / (1 + odds))
    since = np.maximum(day(year), people.birth)
    death = since + (rng.random(BLOCK) * (end - since)).astype(np.int64)
    life.death = np.where(dies, death, life.death)
    within = _within(moment, since, np.minimum(end, life.death))
    life.begin = np.where(begins, within, life.begin)
    life.finish = np.where(leaves, within, life.finish)
    life.worse = np.where(grows_worse, within, life.worse)
    life.severity = life.severity + grows_worse


def _former(
    rng: np.random.Generator, people: People, found: Conditions, years: tuple[int, int]
) -> None:
    """Add ALD that were over before the period: to be read, never to be counted as prevalent."""
    known, start = figures.ald(), day(years[0])
    past, moment = rng.exponential(1.0, BLOCK), rng.random(BLOCK)
    for person in np.flatnonzero(people.cohort.former != NO_SLOT).tolist():
        slot = int(people.cohort.former[person])
        finish = start - 200 - int(moment[person] * 4 * YEAR)
        begin = finish - int((1 + past[person]) * 2 * YEAR)
        if begin > people.birth[person]:
            code = known.codes[slot][0]
            found.episodes.append(Episode(person, slot + 1, begin, finish, code))


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
    _refusals(rng, people, found)


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
    # The protocol is written after the first day that it covers: by weeks, sometimes by months.
    written = 5 + int(u[3] * 55)
    if u[3] < BACK_DATED_SHARE:
        written = 90 + int(u[3] / BACK_DATED_SHARE * 270)
        found.note("imb_back_dated", each.person)
    inserted = min(max(each.start + written, FIRST_INSERTION), known_until - 30)
    requested = max(each.start, inserted - 10 - int(u[6] * 30))
    found.requests.append(Request(each.person, each.number, each.code, requested, inserted, True))
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


def _refusals(rng: np.random.Generator, people: People, found: Conditions) -> None:
    """Add requests that were refused: no row tells them, the person goes on without exemption."""
    granted = [each for each in found.requests if each.requested > people.birth[each.person]]
    count = rng.binomial(len(granted), REFUSED_SHARE)
    ill = {(each.person, each.number) for each in found.episodes}
    adults = np.flatnonzero(people.cohort.age >= 20)
    for model, luck in zip(
        rng.integers(0, max(len(granted), 1), count).tolist(), rng.random(count), strict=True
    ):
        like = granted[model]
        person = int(adults[int(luck * len(adults))]) if len(adults) else NO_SLOT
        decided = like.requested + 15 + int(luck * 30)
        alive = person != NO_SLOT and people.birth[person] < like.requested
        if alive and decided < people.death[person] and (person, like.number) not in ill:
            found.requests.append(
                Request(person, like.number, like.code, like.requested, decided, False)
            )
            found.note("imb_refused", person)


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
    result = Frame("IR_IMB_R", count)
    codes = [r.code for r in rows]
    result.put(
        BEN_NIR_PSA=labels_of(psa),
        BEN_RNG_GEM=whole(people.rank[who]),
        IMB_ALD_DTD=dates(start),
        IMB_ALD_DTF=dates(end, absent=how == "null"),
        IMB_ALD_NUM=whole(np.array([r.number for r in rows], np.int64)),
        IMB_ETM_NAT=whole(np.array([r.motive for r in rows], np.int64)),
        INS_DTE=dates(inserted),
        MED_MTF_COD=labels_of(codes),
        MED_NCL_IDT=pick(["CIM10", None], np.array([c is None for c in codes], np.int64)),
    )
    return result
