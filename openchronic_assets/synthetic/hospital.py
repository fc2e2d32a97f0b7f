"""Hospital stays (PMSI MCO) of one block: tables B, C, D, A and UM by year of discharge.

Diagnoses follow the person's ALD; stays of one person do not overlap, sessions apart; a stay
that ends in a transfer is followed by one in another hospital the same day; a death in hospital
ends a stay on the day of death. A stay belongs to the year in which it ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from openchronic_assets.synthetic import calibration, effects, figures
from openchronic_assets.synthetic.conditions import Conditions
from openchronic_assets.synthetic.medicine import draw as medicine_draw
from openchronic_assets.synthetic.medicine import give
from openchronic_assets.synthetic.population import BLOCK, People
from openchronic_assets.synthetic.text import (
    NEVER,
    Frame,
    dates,
    day,
    labels_of,
    month_index,
    pick,
    whole,
    year_of,
)
from openchronic_assets.synthetic.universe import Universe, pmsi_department

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

# Values of NIR_ANO_17 when the chaining failed, as the documentation prints them.
SENTINELS = ("x" * 17, "X" * 16 + "D", "X" * 16 + "S")
UNCHAINED_SHARE = 0.005
ERROR_SHARE = 0.002
# Months as they should be written, then on one character.
_MONTHS = (*(f"{n:02d}" for n in range(1, 13)), *(str(n) for n in range(1, 13)))
RETURN_CODES = (
    "NIR_RET", "NAI_RET", "SEX_RET", "SEJ_RET", "FHO_RET", "PMS_RET", "DAT_RET",
    "COH_NAI_RET", "COH_SEX_RET",
)  # fmt: skip


@dataclass(frozen=True)
class Profile:
    """A kind of stay; ``ald`` 0 is anyone, -1 birth, -2 dialysis, -3 chemotherapy."""

    name: str
    ald: int
    sex: int
    age_from: int
    age_to: int
    ghm: str
    ghs: str
    dp: str
    dr: str | None
    das: tuple[str, ...]
    act: str | None
    nights: int
    urgent: float
    weight: float
    tariff: int


@cache
def profiles() -> tuple[Profile, ...]:
    """Return the kinds of stay of ``stays.csv``."""
    return tuple(
        Profile(
            name=row["profile"],
            ald=int(row["ald_num"]),
            sex=int(row["sex"] or 0),
            age_from=int(row["age_from"]),
            age_to=int(row["age_to"]),
            ghm=row["ghm"],
            ghs=row["ghs"],
            dp=row["dp"],
            dr=row["dr"] or None,
            das=tuple(code for code in row["das"].split("|") if code),
            act=row["act"] or None,
            nights=int(row["nights"]),
            urgent=float(row["urgent"]),
            weight=float(row["weight"]),
            tariff=int(row["tariff_cents"]),
        )
        for row in figures.rows("stays.csv")
    )


@dataclass
class Stays:
    """Arrays over the stays of a block, in the order of (person, entry).

    ``code`` is the main diagnosis; ``risk`` the true chance, seen on the day of exit, that the
    person is admitted again within 30 days.
    """

    person: Ints
    profile: Ints
    start: Ints
    end: Ints
    hospital: Ints
    entry: npt.NDArray[np.str_]
    origin: npt.NDArray[np.str_]
    leave: npt.NDArray[np.str_]
    sessions: Ints
    destination: npt.NDArray[np.str_]
    code: npt.NDArray[np.str_]
    urgent: Bools
    risk: Floats

    def __len__(self) -> int:
        return len(self.person)

    def keep(self, kept: Bools | Ints) -> Stays:
        """Return some of the stays, in the order of ``kept`` when it is positions."""
        return Stays(*(getattr(self, name)[kept] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class _Diagnoses:
    """The main diagnoses of full stays: code, share, the profile and the group of each."""

    codes: npt.NDArray[np.str_]
    share: Floats
    profile: Ints
    group: Ints
    groups: tuple[tuple[int, int, int, tuple[int, ...]], ...]


# Sessions and newborns have stays of their own.
_ELSEWHERE = ("Z491", "Z511", "Z38")
_BY_CHAPTER = {
    "A": "gastroenteritis", "B": "gastroenteritis", "C": "colon_cancer", "D": "day_case",
    "E": "diabetes", "F": "psychosis", "G": "epilepsy", "H": "cataract", "I": "heart_failure",
    "J": "pneumonia", "K": "gastroenteritis", "L": "urinary", "M": "arthritis", "N": "urinary",
    "O": "delivery", "P": "gastroenteritis", "Q": "day_case", "R": "syncope", "S": "head_injury",
    "T": "head_injury", "Z": "day_case",
}  # fmt: skip
# Who can have a code: prefixes, sex (0 any), ages. Checked again once codes are given.
_HARD = (
    ("O", 2, 15, 50), ("P", 0, 0, 0), ("Z35", 2, 15, 50), ("Z32", 2, 15, 50), ("N40", 1, 45, 120),
    ("C61", 1, 45, 120), ("N4", 1, 0, 120), ("C5", 2, 30, 120), ("N8", 2, 15, 120),
    ("N9", 2, 15, 120), ("D25", 2, 25, 60), ("D06", 2, 20, 70),
)  # fmt: skip
_SOFT = (
    ("H25", 0, 55, 120), ("H26", 0, 50, 120), ("C", 0, 40, 120), ("I", 0, 45, 120),
    ("M1", 0, 45, 120), ("F0", 0, 65, 120), ("G30", 0, 65, 120), ("S72", 0, 65, 120),
    ("J35", 0, 1, 12), ("Q", 0, 0, 15), ("H65", 0, 0, 10), ("R", 0, 15, 120),
)  # fmt: skip


@cache
def _diagnoses() -> _Diagnoses:
    """Return the published main diagnoses, and who should have each."""
    known = calibration.hospital_codes()
    count = {
        code: int(number)
        for code, number in zip(known.codes, known.count, strict=True)
        if not code.startswith(_ELSEWHERE)
    }
    # Codes that the published counts do not have, such as infarction.
    for row in figures.rows("added_diagnoses.csv"):
        count[row["cim10"]] = count.get(row["cim10"], 0) + int(row["stays"])
    codes = list(count)
    ald_of: dict[str, set[int]] = {}
    for row in figures.rows("ald_codes.csv"):
        ald_of.setdefault(row["cim10"][:3], set()).add(int(row["ald_num"]))
    names = [k.name for k in profiles()]
    exact = {k.dp: i for i, k in reversed(list(enumerate(profiles())))}
    short = {k.dp[:3]: i for i, k in reversed(list(enumerate(profiles())))}
    profile, rules = [], []
    for code in codes:
        other = names.index(_BY_CHAPTER.get(code[0], "syncope"))
        profile.append(exact.get(code, short.get(code[:3], other)))
        limits = next((r[1:] for r in (*_HARD, *_SOFT) if code.startswith(r[0])), (0, 0, 120))
        rules.append((*limits, tuple(sorted(ald_of.get(code[:3], ())))))
    groups = sorted(set(rules))
    share = np.array(list(count.values()), float)
    return _Diagnoses(
        np.array(codes, "U6"),
        share / share.sum(),
        np.array(profile, np.int64),
        np.array([groups.index(rule) for rule in rules], np.int64),
        tuple(groups),
    )


def _give_diagnoses(
    rng: np.random.Generator, people: People, found: Conditions, who: Ints, when: Ints
) -> Ints:
    """Return a diagnosis for each admission: those of France, to whom they suit first."""
    known = _diagnoses()
    age, sex = people.age(when, who), people.sex[who]
    active = found.active(who, when)
    fits = []
    for of_sex, youngest, oldest, alds in known.groups:
        able = (age >= youngest) & (age <= oldest)
        if of_sex:
            able &= sex == of_sex
        fits.append(able & np.isin(active, alds) if alds else able)
    given = give(rng, medicine_draw(rng, known.share, len(who)), known.group, fits)
    # Nobody gives birth who cannot: such a code is drawn again among those that anyone may have.
    impossible = np.zeros(len(who), bool)
    for prefix, of_sex, youngest, oldest in _HARD:
        mine = np.char.startswith(known.codes[given], prefix) if len(who) else impossible
        wrong = (age < youngest) | (age > oldest)
        if of_sex:
            wrong |= sex != of_sex
        impossible |= mine & wrong
    free = np.array([not g[0] and g[2] == 120 for g in known.groups])[known.group]
    again = medicine_draw(rng, np.where(free, known.share, 0), int(impossible.sum()))
    given[impossible] = again
    return given


def draw(
    rng: np.random.Generator,
    people: People,
    found: Conditions,
    world: Universe,
    years: tuple[int, int],
) -> Stays:
    """Return the stays of the block that end in the years of the extract."""
    kinds = profiles()
    start, end = day(years[0]) - 40, day(years[1] + 1)
    span = (end - start) / 365.25
    age = people.age(day(years[0]) + 180)
    edges = np.array([0, 1, 15, 25, 45, 65, 75, 85])
    level = np.array([0.5, 0.24, 0.08, 0.15, 0.19, 0.25, 0.36, 0.50, 0.56])
    rate = level[np.searchsorted(edges, np.maximum(age, 0), side="right")] * people.frail
    sick = (found.starts[:, 0] < end) & (found.ends[:, 0] > start)
    rate = rate * np.where(sick, 1.82, 0.73)
    rate[people.silent] = 0
    known = _diagnoses()
    who = np.repeat(np.arange(BLOCK), rng.poisson(rate * span))
    when = start + (rng.random(len(who)) * (end - start)).astype(np.int64)
    cause = _give_diagnoses(rng, people, found, who, when)

    def nights_of(profile: Ints) -> Ints:
        mean = np.array([k.nights for k in kinds])[profile]
        drawn: Ints = np.where(mean == 0, 0, rng.gamma(1.6, np.maximum(mean, 0.1) / 1.6))
        return np.minimum(drawn, 120).astype(np.int64)

    def urgent_of(profile: Ints) -> Bools:
        found: Bools = rng.random(len(profile)) < np.array([k.urgent for k in kinds])[profile]
        return found

    finish = when + nights_of(known.profile[cause])
    urgent = urgent_of(known.profile[cause])
    hospital = _hospital_of(rng, world, people, who, when, urgent)
    # Readmissions within a month: likelier with age, illness, length, urgency, and the hospital.
    chance = _readmission(people, found, world, who, finish, finish - when, urgent, hospital)
    again = np.flatnonzero(rng.random(len(who)) < chance)
    again_start = finish[again] + rng.integers(1, 31, len(again))
    again_cause = _give_diagnoses(rng, people, found, who[again], again_start)
    same_cause = rng.random(len(again)) < 0.4
    again_cause = np.where(same_cause, cause[again], again_cause)
    # Births in the period, the stay of the newborn.
    newborn = np.flatnonzero((people.birth >= day(years[0])) & ~people.silent)
    died = people.death < end
    in_hospital = died & (rng.random(BLOCK) < 0.59) & ~people.silent
    # The last stay of those who die in hospital.
    final = np.flatnonzero(in_hospital)
    final_start = np.maximum(people.death[final] - rng.integers(0, 20, len(final)), 0)
    final_start = np.maximum(final_start, people.birth[final])
    final_cause = _give_diagnoses(rng, people, found, final, final_start)
    birth_kind = next(i for i, k in enumerate(kinds) if k.ald == -1)
    all_causes = np.r_[cause, again_cause, np.zeros(len(newborn), np.int64), final_cause]
    parts = np.repeat(np.arange(4), [len(who), len(again), len(newborn), len(final)])
    profile = np.where(parts == 2, birth_kind, known.profile[all_causes])
    code = np.where(parts == 2, kinds[birth_kind].dp, known.codes[all_causes]).astype("U6")
    mistaken = rng.random(len(code)) < ERROR_SHARE
    error = next(i for i, k in enumerate(kinds) if k.name == "error")
    profile = np.where(mistaken & (parts < 2), error, profile)
    again_urgent = urgent_of(known.profile[again_cause])
    last_urgent = rng.random(len(final)) < 0.7
    urgent = np.r_[urgent, again_urgent, np.zeros(len(newborn), bool), last_urgent]
    elsewhere = _hospital_of(rng, world, people, who[again], again_start, again_urgent)
    back = np.where(rng.random(len(again)) < 0.75, hospital[again], elsewhere)
    hospital = np.r_[
        hospital,
        back,
        _hospital_of(
            rng, world, people, newborn, people.birth[newborn], np.zeros(len(newborn), bool)
        ),
        _hospital_of(rng, world, people, final, final_start, last_urgent),
    ]
    # Apart from readmission itself, another stay may happen to begin within the month.
    chance = np.r_[chance, np.zeros(len(again) + len(newborn) + len(final))]
    begins = np.r_[when, again_start, people.birth[newborn], final_start]
    ends = np.r_[
        finish,
        again_start + nights_of(known.profile[again_cause]),
        people.birth[newborn] + rng.integers(3, 6, len(newborn)),
        people.death[final],
    ]
    who = np.r_[who, who[again], newborn, final]
    risk = 1 - (1 - chance) * np.exp(-rate[who] * 30 / 365.25)
    last = parts == 3
    ends = np.where(last, ends, np.minimum(ends, people.death[who] - 1))
    sound = ((begins > people.birth[who]) | (parts == 2) | last) & (ends >= begins)
    sound &= begins <= people.death[who]
    kept = np.flatnonzero(sound)
    kept = kept[_without_overlap(who[kept], begins[kept], ends[kept], last[kept])]
    count = len(kept)
    stays = Stays(
        person=who[kept],
        profile=profile[kept],
        start=begins[kept],
        end=ends[kept],
        hospital=hospital[kept],
        entry=np.full(count, "8"),
        origin=np.where(urgent[kept], "5", ""),
        leave=np.where(last[kept], "9", "8"),
        sessions=np.zeros(count, np.int64),
        destination=np.full(count, ""),
        code=code[kept],
        urgent=urgent[kept],
        risk=risk[kept],
    )
    stays = _transfers(rng, stays, people, world)
    stays = _join(stays, _sessions(rng, people, found, world, years))
    inside = (year_of(stays.end) >= years[0]) & (year_of(stays.end) <= years[1])
    stays = stays.keep(inside)
    return stays.keep(np.lexsort((stays.profile, stays.end, stays.start, stays.person)))


def _readmission(
    people: People,
    found: Conditions,
    world: Universe,
    who: Ints,
    when: Ints,
    nights: Ints,
    urgent: Bools,
    hospital: Ints,
) -> Floats:
    """Return the true chance that a stay is followed by one that it causes, within 30 days."""
    age = people.age(when, who)
    held = ((found.starts[who] <= when[:, None]) & (found.ends[who] >= when[:, None])).sum(axis=1)
    odds = -3.15 + 0.16 * np.clip(age - 65, -40, 30) / 10 + 0.28 * held
    odds += 0.45 * urgent + 0.03 * np.minimum(nights, 20) + effects.of(world)[2][hospital]
    chance: Floats = 1 / (1 + np.exp(-odds))
    return chance


def _without_overlap(who: Ints, start: Ints, end: Ints, last: Bools) -> Ints:
    """Return the positions of stays that do not begin before the previous one's end.

    The stay in which a person dies wins over those that it meets.
    """
    order = np.lexsort((end, start, who))
    kept: list[int] = []
    for position in order.tolist():
        while kept and who[kept[-1]] == who[position] and start[position] <= end[kept[-1]]:
            if not last[position]:
                break
            kept.pop()
        else:
            kept.append(position)
    return np.array(kept, np.int64)


def _hospital_of(
    rng: np.random.Generator, world: Universe, people: People, who: Ints, when: Ints, urgent: Bools
) -> Ints:
    """Return a hospital of where the person then lives, one time in twenty of another department.

    A GP has a hospital of habit, public or private, to which three in five of his patients go.
    """
    place, count = people.place_on(when, who), len(who)
    away = rng.random(count) < 0.05
    where = np.where(away, rng.integers(0, len(world.departments), count), place)
    luck, sector = rng.random(count), rng.random(count) < 0.3
    doctor = people.gp_on(when, who)
    loyal = (rng.random(count) < 0.6) & (doctor > 0)
    # Without a habit, the first hospitals of a department, the large ones, are the likeliest.
    any_one = (luck**2 * world.wards(where, sector & ~urgent)).astype(np.int64)
    return world.hospital_of(where, sector & ~urgent, np.where(loyal, doctor * 7919, any_one))


def _transfers(rng: np.random.Generator, stays: Stays, people: People, world: Universe) -> Stays:
    """Give some long stays a transfer: mode 7, and a stay elsewhere that begins the same day."""
    nights = stays.end - stays.start
    next_start = np.full(len(stays), NEVER)
    same = np.flatnonzero(stays.person[:-1] == stays.person[1:])
    next_start[same] = stays.start[1:][same]
    free = (stays.leave == "8") & (nights >= 3) & (next_start > stays.end + 15)
    free &= stays.end + 12 < people.death[stays.person]
    moved = np.flatnonzero(free & (rng.random(len(stays)) < 0.05))
    stays.leave[moved] = "7"
    stays.destination[moved] = "1"
    offer = len(world.hospitals)
    arrival = Stays(
        person=stays.person[moved],
        profile=stays.profile[moved],
        start=stays.end[moved],
        end=stays.end[moved] + rng.integers(2, 12, len(moved)),
        hospital=(stays.hospital[moved] + 1 + rng.integers(0, offer - 1, len(moved))) % offer,
        entry=np.full(len(moved), "7"),
        origin=np.full(len(moved), "1"),
        leave=np.full(len(moved), "8"),
        sessions=np.zeros(len(moved), np.int64),
        destination=np.full(len(moved), ""),
        code=stays.code[moved],
        urgent=np.zeros(len(moved), bool),
        risk=stays.risk[moved],
    )
    return _join(stays, arrival)


def _join(first: Stays, second: Stays) -> Stays:
    return Stays(
        *(
            np.concatenate([getattr(first, name), getattr(second, name)])
            for name in first.__dataclass_fields__
        )
    )


def _sessions(
    rng: np.random.Generator,
    people: People,
    found: Conditions,
    world: Universe,
    years: tuple[int, int],
) -> Stays:
    """Return the sessions: dialysis of one ALD 19 in six, chemotherapy of new cancers."""
    kinds = profiles()
    dialysis = next(i for i, k in enumerate(kinds) if k.ald == -2)
    chemotherapy = next(i for i, k in enumerate(kinds) if k.ald == -3)
    low, high = day(years[0]), day(years[1] + 1)
    who: list[int] = []
    when: list[int] = []
    profile: list[int] = []
    number: list[int] = []
    for each in found.episodes:
        if each.number not in (19, 30):
            continue
        luck = rng.random(3)
        stop = min(high, int(people.death[each.person]), each.end)
        if each.number == 19 and luck[0] < 0.17:
            begin = max(each.start + 90, low)
            days = range(begin, stop, 7)  # one RSA a week, three sessions in it
            amount, kind = 3, dialysis
        elif each.number == 30 and luck[0] < 0.45 and each.start > low - 250:
            begin = max(each.start + 20, low)
            days = range(begin, min(stop, begin + 21 * (6 + int(luck[1] * 7))), 21)
            amount, kind = 1, chemotherapy
        else:
            continue
        for moment in days:
            who.append(each.person)
            when.append(moment)
            profile.append(kind)
            number.append(amount)
    count = len(who)
    person, moment_of = np.array(who, np.int64), np.array(when, np.int64)
    hospital = _hospital_of(rng, world, people, person, moment_of, np.zeros(count, bool))
    # Somebody in sessions goes to one hospital, until a move.
    at = person * 2 + (moment_of >= people.moved[person])
    _, first, of = np.unique(at, return_index=True, return_inverse=True)
    hospital = hospital[first][of] if count else hospital
    return Stays(
        person=person,
        profile=np.array(profile, np.int64),
        start=moment_of,
        end=moment_of.copy(),
        hospital=hospital,
        entry=np.full(count, "8"),
        origin=np.full(count, ""),
        leave=np.full(count, "8"),
        sessions=np.array(number, np.int64),
        destination=np.full(count, ""),
        code=np.array([k.dp for k in kinds], "U6")[np.array(profile, np.int64)],
        urgent=np.zeros(count, bool),
        risk=np.zeros(count),
    )


@dataclass
class Written:
    """The frames of one discharge year, and what was planted in them."""

    year: int
    frames: list[Frame]
    stays: int
    unchained: int
    bad_return_code: int
    short_months: int


def write(
    rng: np.random.Generator,
    stays: Stays,
    people: People,
    world: Universe,
    years: tuple[int, int],
    block: int,
    keep: int,
    dirty: bool,
) -> tuple[list[Written], Bools]:
    """Write the five tables of each discharge year; persons from ``keep`` on are left out.

    Returns them, and which stays carry no key of their patient.
    """
    everything = _Draws.of(rng, len(stays))
    # A service for another hospital, which keeps the patient: modes 0 on both sides.
    lent = (everything.pie < 0.003) & (stays.sessions == 0) & (stays.leave == "8")
    lent &= stays.end - stays.start <= 1
    stays.entry[lent] = stays.leave[lent] = "0"
    written = []
    for year in range(years[0], years[1] + 1):
        here = np.flatnonzero((year_of(stays.end) == year) & (stays.person < keep))
        written.append(
            _year(stays.keep(here), everything.take(here), people, world, year, block, dirty)
        )
    return written, everything.chain < UNCHAINED_SHARE


@dataclass
class _Draws:
    chain: npt.NDArray[np.float64]
    code: Ints
    which: Ints
    units: npt.NDArray[np.float64]
    diagnoses: npt.NDArray[np.float64]
    month: npt.NDArray[np.float64]
    pie: npt.NDArray[np.float64]

    @classmethod
    def of(cls, rng: np.random.Generator, count: int) -> _Draws:
        return cls(
            rng.random(count),
            rng.integers(1, 5, count),
            rng.integers(0, len(RETURN_CODES), count),
            rng.random(count),
            rng.random(count),
            rng.random(count),
            rng.random(count),
        )

    def take(self, where: Ints) -> _Draws:
        return _Draws(*(getattr(self, name)[where] for name in self.__dataclass_fields__))


def _year(
    stays: Stays,
    luck: _Draws,
    people: People,
    world: Universe,
    year: int,
    block: int,
    dirty: bool,
) -> Written:
    kinds = profiles()
    count = len(stays)
    who, kind = stays.person, stays.profile
    nights = stays.end - stays.start
    # RSA numbers are unique with the hospital within a year, and come back the next year.
    rsa = whole(block * 20_000 + np.arange(1, count + 1), width=10)
    eta = pick([h.finess for h in world.hospitals], stays.hospital)
    session = stays.sessions > 0
    units = np.where((nights >= 4) & (luck.units < 0.25), 2, 1)
    units = np.where((nights >= 10) & (luck.units < 0.08), 3, units)
    das = [kinds[k].das[: 1 + int(u * 2.2)] for k, u in zip(kind, luck.diagnoses, strict=True)]
    das_count = np.array([len(each) for each in das], np.int64)
    has_act = np.array([kinds[k].act is not None for k in kind], bool)
    age = people.age(stays.start, who)
    age_days = stays.start - people.birth[who]
    home = people.place_on(stays.start, who)
    lent = stays.leave == "0"
    short = (luck.month < 0.02) & dirty
    number = month_index(stays.end) % 12
    month = pick(_MONTHS, np.where(short, number + 12, number))

    def of(values: list[str | None]) -> pa.Array:
        return pick(values, kind)

    related = [k.dr for k in kinds]
    b = Frame("T_MCOaaB", count)
    b.put(
        ETA_NUM=eta,
        RSA_NUM=rsa,
        RSS_NUM="118",
        SOR_ANN=str(year),
        SOR_MOI=month,
        SEJ_NBJ=whole(nights, session),
        AGE_ANN=whole(age, age < 1),
        AGE_JOU=whole(age_days, age >= 1),
        COD_SEX=whole(people.sex[who]),
        BDI_DEP=pick([pmsi_department(d) for d in world.departments], home),
        BDI_COD=pick([d + "00" if len(d) == 3 else d + "000" for d in world.departments], home),
        ENT_MOD=labels_of(stays.entry.tolist()),
        ENT_PRV=labels_of([each or None for each in stays.origin.tolist()]),
        SOR_MOD=labels_of(stays.leave.tolist()),
        SOR_DES=labels_of([each or None for each in stays.destination.tolist()]),
        SEJ_TYP=pick([None, "B"], lent.astype(np.int64)),
        GRG_GHM=of([k.ghm for k in kinds]),
        GRG_RET="000",
        GRG_VER="11",
        GHS_NUM=of([k.ghs for k in kinds]),
        ETE_GHS_NUM=of([k.ghs for k in kinds]),
        DGN_PAL=labels_of(stays.code.tolist()),
        DGN_REL=of(related),
        NBR_RUM=whole(units),
        NBR_SEA=whole(stays.sessions),
        NBR_DGN=whole(das_count),
        NBR_ACT=whole(has_act.astype(np.int64)),
        SEQ_RUM="01",
        UHCD_TOP="0",
        PAS_LIT_DED=pick(["0", "1"], np.array([k.name == "palliative" for k in kinds])[kind] * 1),
    )
    if year >= 2015:
        b.put(TYP_GEN_RSA="0")
    c, unchained, bad = _chaining(stays, luck, people, year, eta, rsa, month)
    d = Frame("T_MCOaaD", int(das_count.sum()))
    row = pa.array(np.repeat(np.arange(count), das_count))
    d.put(
        ETA_NUM=eta.take(row),
        RSA_NUM=rsa.take(row),
        RSS_NUM="118",
        ASS_DGN=labels_of([code for each in das for code in each]),
        DGN_ASS_NUM=whole(rank_within(np.repeat(np.arange(count), das_count))),
    )
    acting = np.flatnonzero(has_act)
    a = Frame("T_MCOaaA", len(acting))
    row = pa.array(acting)
    a.put(
        ETA_NUM=eta.take(row),
        RSA_NUM=rsa.take(row),
        RSS_NUM="118",
        CDC_ACT=of([k.act for k in kinds]).take(row),
        PHA_ACT="0",
        ACV_ACT="1",
        ENT_DAT_DEL=whole(np.minimum(nights[acting], 1)),
        NBR_EXE_ACT=whole(np.maximum(stays.sessions[acting], 1)),
        CMP_DAT="1",
        ACT_ORD_NUM="1",
    )
    owner = np.repeat(np.arange(count), units)
    rank = rank_within(owner)
    part = nights[owner] // units[owner]
    part = part + np.where(rank == 1, nights[owner] - part * units[owner], 0)
    um = Frame("T_MCOaaUM", len(owner))
    row = pa.array(owner)
    um.put(
        ETA_NUM=eta.take(row),
        RSA_NUM=rsa.take(row),
        RSS_NUM="118",
        UM_ORD_NUM=whole(rank),
        DGN_PAL=labels_of(np.where(rank == 1, stays.code[owner], "Z098").tolist()),
        DGN_REL=pick([*related, None], np.where(rank == 1, kind[owner], len(kinds))),
        PAR_DUR_SEJ=whole(part),
        ETA_NUM_GEO=eta.take(row),
        AUT_TYP1_UM="29",
    )
    return Written(year, [b, c, d, a, um], count, unchained, bad, int(short.sum()))


def _chaining(
    stays: Stays,
    luck: _Draws,
    people: People,
    year: int,
    eta: pa.Array,
    rsa: pa.Array,
    month: pa.Array,
) -> tuple[Frame, int, int]:
    """Write table C; 1.5 % of stays have a return code that is not 0, 0.5 % no patient key."""
    who = stays.person
    bad = luck.chain < 0.015
    unchained = luck.chain < UNCHAINED_SHARE
    second = stays.start >= people.switch[who]
    psa = np.where(second, np.array(people.psa2)[who], np.array(people.psa)[who])
    psa = np.where(unchained, np.array(SENTINELS)[luck.which % 3], psa)
    c = Frame("T_MCOaaC", len(stays))
    c.put(
        ETA_NUM=eta,
        RSA_NUM=rsa,
        NIR_ANO_17=labels_of(psa.tolist()),
        SEJ_NUM=whole(np.arange(1, len(stays) + 1), width=5),
        EXE_SOI_DTD=dates(stays.start, "ddMMMyyyy:HH:MM:SS"),
        EXE_SOI_DTF=dates(stays.end, "ddMMMyyyy:HH:MM:SS"),
        EXE_SOI_AMD=dates(stays.start, "yyyymm"),
        EXE_SOI_AMF=dates(stays.end, "yyyymm"),
        ENT_DAT=dates(stays.start, "ddmmyyyy"),
        SOR_DAT=dates(stays.end, "ddmmyyyy"),
        SOR_ANN=str(year),
        SOR_MOI=month,
        ENT_ANN=dates(stays.start, "yyyy"),
        ENT_MOI=dates(stays.start, "mm"),
        ENT_AM=dates(stays.start, "yyyymm"),
        SOR_AM=dates(stays.end, "yyyymm"),
        FOR_NUM="014",
        VID_HOSP_FOR="014",
        RNG_NAI="1",
    )
    for position, name in enumerate(RETURN_CODES):
        wrong = bad & np.where(unchained, position == 0, luck.which == position)
        c.put(**{name: whole(np.where(wrong, luck.code, 0))})
    return c, int(unchained.sum()), int(bad.sum())


def rank_within(owner: Ints) -> Ints:
    """Return 1, 2, 3… within each run of equal owners; owners are sorted."""
    if len(owner) == 0:
        return owner
    start = np.r_[True, owner[1:] != owner[:-1]]
    position = np.arange(len(owner))
    rank: Ints = position - position[start][np.cumsum(start) - 1] + 1
    return rank
