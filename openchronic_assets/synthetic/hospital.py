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
import pyarrow.compute as pc

from openchronic_assets.synthetic import figures
from openchronic_assets.synthetic.conditions import Conditions
from openchronic_assets.synthetic.population import BLOCK, People
from openchronic_assets.synthetic.text import (
    NEVER,
    Frame,
    dates,
    day,
    pick,
    whole,
    year_of,
)
from openchronic_assets.synthetic.universe import Universe, pmsi_department

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# Values of NIR_ANO_17 when the chaining failed, as the documentation prints them.
SENTINELS = ("x" * 17, "X" * 16 + "D", "X" * 16 + "S")
UNCHAINED_SHARE = 0.005
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
    """Arrays over the stays of a block, in the order of (person, entry)."""

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

    def __len__(self) -> int:
        return len(self.person)

    def keep(self, kept: Bools | Ints) -> Stays:
        """Return some of the stays, in the order of ``kept`` when it is positions."""
        return Stays(*(getattr(self, name)[kept] for name in self.__dataclass_fields__))


def _draw_profiles(
    rng: np.random.Generator, people: People, found: Conditions, who: Ints, when: Ints
) -> Ints:
    """Return the kind of stay of each admission: the person's ALD first, else anyone's."""
    kinds = profiles()
    active = found.active(who, when)
    age, sex = people.age(when, who), people.sex[who]
    related, luck = rng.random(len(who)) < 0.55, rng.random(len(who))
    ald = np.array([k.ald for k in kinds])
    youngest = np.array([k.age_from for k in kinds])[None, :]
    oldest = np.array([k.age_to for k in kinds])[None, :]
    of_sex = np.array([k.sex for k in kinds])[None, :]
    fits = (youngest <= age[:, None]) & (age[:, None] <= oldest)
    fits &= (of_sex == 0) | (of_sex == sex[:, None])
    own = fits & (ald[None, :] == active[:, None]) & (active[:, None] > 0)
    use_own = related & own.any(axis=1)
    offered = np.where(use_own[:, None], own, fits & (ald[None, :] == 0))
    weight = offered * np.array([k.weight for k in kinds])[None, :]
    total = np.cumsum(weight, axis=1)
    found_at = (total < (luck * total[:, -1] * 0.999999)[:, None]).sum(axis=1)
    kind: Ints = np.minimum(found_at, len(kinds) - 1).astype(np.int64)
    return kind


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
    rate = rate * np.where(sick, 1.75, 0.75)
    rate[people.silent] = 0
    who = np.repeat(np.arange(BLOCK), rng.poisson(rate * span))
    when = start + (rng.random(len(who)) * (end - start)).astype(np.int64)
    profile = _draw_profiles(rng, people, found, who, when)

    def nights_of(profile: Ints) -> Ints:
        mean = np.array([k.nights for k in kinds])[profile]
        drawn: Ints = np.where(mean == 0, 0, rng.gamma(1.6, np.maximum(mean, 0.1) / 1.6))
        return np.minimum(drawn, 120).astype(np.int64)

    finish = when + nights_of(profile)
    # Readmissions: one stay in eleven is followed by another within a month.
    again = np.flatnonzero(rng.random(len(who)) < 0.09)
    again_start = finish[again] + rng.integers(1, 31, len(again))
    again_profile = _draw_profiles(rng, people, found, who[again], again_start)
    who = np.concatenate([who, who[again]])
    when = np.concatenate([when, again_start])
    profile = np.concatenate([profile, again_profile])
    finish = np.concatenate([finish, again_start + nights_of(again_profile)])
    # Births in the period, the stay of the newborn.
    birth_kind = next(i for i, k in enumerate(kinds) if k.ald == -1)
    newborn = np.flatnonzero((people.birth >= day(years[0])) & ~people.silent)
    who = np.concatenate([who, newborn])
    when = np.concatenate([when, people.birth[newborn]])
    profile = np.concatenate([profile, np.full(len(newborn), birth_kind)])
    finish = np.concatenate([finish, people.birth[newborn] + rng.integers(3, 6, len(newborn))])
    alive = (when > people.birth[who]) | (profile == birth_kind)
    alive &= when <= people.death[who]
    died = people.death < end
    in_hospital = died & (rng.random(BLOCK) < 0.59) & ~people.silent
    # The last stay of those who die in hospital.
    final = np.flatnonzero(in_hospital)
    final_start = np.maximum(people.death[final] - rng.integers(0, 20, len(final)), 0)
    final_start = np.maximum(final_start, people.birth[final])
    final_kind = _draw_profiles(rng, people, found, final, final_start)
    who = np.concatenate([who[alive], final])
    when = np.concatenate([when[alive], final_start])
    profile = np.concatenate([profile[alive], final_kind])
    finish = np.concatenate([finish[alive], people.death[final]])
    last = np.concatenate([np.zeros(int(alive.sum()), bool), np.ones(len(final), bool)])
    finish = np.where(last, finish, np.minimum(finish, people.death[who] - 1))
    sound = finish >= when
    who, when, profile, finish = who[sound], when[sound], profile[sound], finish[sound]
    last = last[sound]
    kept = _without_overlap(who, when, finish, last)
    who, when, profile, finish, last = (
        who[kept],
        when[kept],
        profile[kept],
        finish[kept],
        last[kept],
    )
    count = len(who)
    urgent = rng.random(count) < np.array([k.urgent for k in kinds])[profile]
    hospital = _hospital_of(rng, world, people.place[who], urgent)
    leave = np.where(last, "9", "8")
    entry, origin = np.full(count, "8"), np.where(urgent, "5", "")
    stays = Stays(
        who,
        profile,
        when,
        finish,
        hospital,
        entry,
        origin,
        leave,
        np.zeros(count, np.int64),
        np.full(count, ""),
    )
    stays = _transfers(rng, stays, people, world)
    stays = _join(stays, _sessions(rng, people, found, world, years))
    inside = (year_of(stays.end) >= years[0]) & (year_of(stays.end) <= years[1])
    stays = stays.keep(inside)
    return stays.keep(np.lexsort((stays.profile, stays.end, stays.start, stays.person)))


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


def _hospital_of(rng: np.random.Generator, world: Universe, place: Ints, urgent: Bools) -> Ints:
    """Return a hospital of the person's department, one time in twenty of another one."""
    homes = np.array([h.department for h in world.hospitals])
    private = np.array([h.private for h in world.hospitals])
    away = rng.random(len(place)) < 0.05
    where = np.where(away, rng.integers(0, len(world.departments), len(place)), place)
    luck, sector = rng.random(len(place)), rng.random(len(place)) < 0.3
    chosen = np.zeros(len(place), np.int64)
    for each in range(len(world.departments)):
        for side in (False, True):
            offer = np.flatnonzero((homes == each) & (private == side))
            here = (where == each) & ((sector & ~urgent) == side)
            chosen[here] = offer[(luck[here] ** 2 * len(offer)).astype(np.int64)]
    return chosen


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
            days = range(begin, stop, 30)  # one RSA a month, thirteen sessions in it
            amount, kind = 13, dialysis
        elif each.number == 30 and luck[0] < 0.30 and each.start > low - 150:
            begin = max(each.start + 20, low)
            days = range(begin, min(stop, begin + 21 * (4 + int(luck[1] * 6))), 21)
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
    hospital = _hospital_of(rng, world, people.place[person], np.zeros(count, bool))
    # Somebody in sessions goes to one hospital.
    for each in np.unique(person).tolist():
        hospital[person == each] = hospital[np.flatnonzero(person == each)[0]]
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
    rsa = whole(block * 10_000 + np.arange(1, count + 1), width=10)
    eta = pick([h.finess for h in world.hospitals], stays.hospital)
    session = stays.sessions > 0
    units = np.where((nights >= 4) & (luck.units < 0.25), 2, 1)
    units = np.where((nights >= 10) & (luck.units < 0.08), 3, units)
    das = [kinds[k].das[: 1 + int(u * 2.2)] for k, u in zip(kind, luck.diagnoses, strict=True)]
    das_count = np.array([len(each) for each in das], np.int64)
    has_act = np.array([kinds[k].act is not None for k in kind], bool)
    age = people.age(stays.start, who)
    age_days = stays.start - people.birth[who]
    lent = stays.leave == "0"
    short = (luck.month < 0.02) & dirty
    month = dates(stays.end, "mm")
    month = pc.if_else(pa.array(short), pc.utf8_ltrim(month, "0"), month)
    none = pa.scalar(None, pa.string())

    def of(values: list[str | None]) -> pa.Array:
        return pick(values, kind)

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
        BDI_DEP=pick([pmsi_department(d) for d in world.departments], people.place[who]),
        BDI_COD=pick(
            [d + "00" if len(d) == 3 else d + "000" for d in world.departments], people.place[who]
        ),
        ENT_MOD=pa.array(stays.entry),
        ENT_PRV=pc.if_else(pa.array(stays.origin == ""), none, pa.array(stays.origin)),
        SOR_MOD=pa.array(stays.leave),
        SOR_DES=pc.if_else(pa.array(stays.destination == ""), none, pa.array(stays.destination)),
        SEJ_TYP=pc.if_else(pa.array(lent), pa.scalar("B"), none),
        GRG_GHM=of([k.ghm for k in kinds]),
        GRG_RET="000",
        GRG_VER="11",
        GHS_NUM=of([k.ghs for k in kinds]),
        ETE_GHS_NUM=of([k.ghs for k in kinds]),
        DGN_PAL=of([k.dp for k in kinds]),
        DGN_REL=of([k.dr for k in kinds]),
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
        ASS_DGN=pa.array([code for each in das for code in each], pa.string()),
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
        DGN_PAL=pc.if_else(
            pa.array(rank == 1), b.columns["DGN_PAL"].take(row), pa.scalar("Z098", pa.string())
        ),
        DGN_REL=pc.if_else(pa.array(rank == 1), b.columns["DGN_REL"].take(row), none),
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
        NIR_ANO_17=pa.array(psa),
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
