"""Stays outside acute care: rehabilitation (SSR), home hospitalisation (HAD), psychiatry (RIM-P).

Rehabilitation follows some long acute stays at once, which then end in a transfer; the others come
from the person's illnesses. No stay runs past a death, or into the next acute stay. A stay belongs
to the year in which it ends.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from openchronic_assets.synthetic import figures
from openchronic_assets.synthetic.conditions import Conditions
from openchronic_assets.synthetic.hospital import Stays
from openchronic_assets.synthetic.population import BLOCK, People
from openchronic_assets.synthetic.text import NEVER, day, year_of
from openchronic_assets.synthetic.universe import Universe

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

FIELDS = ("SSR", "HAD", "RIP")
# Illnesses (ALD) that lead to home hospitalisation and psychiatry, with yearly stays a person.
HOME = {30: 0.03, 9: 0.04, 5: 0.012, 14: 0.015, 1: 0.012}
PSYCHIATRY = {23: 0.16, 15: 0.01}
# Share of acute stays of three nights and more, from 50 years on, that rehabilitation follows; more
# after a stroke or a broken hip [A].
REHABILITATION_SHARE = 0.17
AFTER_STROKE = 0.4
STROKE = ("I60", "I61", "I62", "I63", "I64", "S72")


@dataclass
class FieldStays:
    """Stays of one field, in the order of (person, entry); ``code`` is a CIM-10 code."""

    field: str
    person: Ints
    start: Ints
    end: Ints
    hospital: Ints
    code: npt.NDArray[np.str_]
    from_acute: Bools
    died: Bools

    def __len__(self) -> int:
        return len(self.person)

    def keep(self, kept: Bools | Ints) -> FieldStays:
        """Return some of the stays."""
        names = list(self.__dataclass_fields__)[1:]
        return FieldStays(self.field, *(getattr(self, name)[kept] for name in names))


def draw(
    rng: np.random.Generator,
    people: People,
    found: Conditions,
    world: Universe,
    stays: Stays,
    years: tuple[int, int],
) -> dict[str, FieldStays]:
    """Return the stays of each field that end in the years, and mark the acute ones they follow."""
    made = {
        "SSR": _rehabilitation(rng, people, stays),
        "HAD": _of_illness(rng, people, found, world, years, "HAD", HOME, 24.0),
        "RIP": _of_illness(rng, people, found, world, years, "RIP", PSYCHIATRY, 30.8),
    }
    for name, each in made.items():
        inside = (year_of(each.end) >= years[0]) & (year_of(each.end) <= years[1])
        made[name] = each.keep(inside & (each.end >= each.start))
    return made


def _rehabilitation(rng: np.random.Generator, people: People, stays: Stays) -> FieldStays:
    count = len(stays)
    luck, length = rng.random(count), rng.gamma(2.0, 16.9, count).astype(np.int64) + 3
    following = np.full(count, NEVER)
    # Stays are in the order of persons and entries; sessions on the way do not end a stay.
    full = np.flatnonzero(stays.sessions == 0)
    same = np.flatnonzero(stays.person[full][:-1] == stays.person[full][1:])
    following[full[same]] = stays.start[full[same + 1]]
    nights = stays.end - stays.start
    old = people.age(stays.start, stays.person) >= 50
    able = (stays.leave == "8") & (nights >= 3) & (stays.sessions == 0) & old
    free = np.minimum(following - 1, people.death[stays.person])
    stroke = np.isin(stays.code.astype("U3"), STROKE)
    likely = luck < np.where(stroke, AFTER_STROKE, REHABILITATION_SHARE)
    chosen = np.flatnonzero(able & likely & (free > stays.end + 3))
    stays.leave[chosen] = "7"
    stays.destination[chosen] = "2"
    who, start = stays.person[chosen], stays.end[chosen]
    end = np.minimum(start + length[chosen], free[chosen])
    codes = stays.code[chosen]
    died = end == people.death[who]
    ones = np.ones(len(chosen), bool)
    return FieldStays("SSR", who, start, end, stays.hospital[chosen], codes, ones, died)


def _of_illness(
    rng: np.random.Generator,
    people: People,
    found: Conditions,
    world: Universe,
    years: tuple[int, int],
    name: str,
    rates: dict[int, float],
    days: float,
) -> FieldStays:
    low, high = day(years[0]) - 20, day(years[1] + 1)
    held = found.active(np.arange(BLOCK), np.full(BLOCK, (low + high) // 2))
    rate = np.array([rates.get(number, 0.0003) for number in held.tolist()])
    rate[people.silent] = 0
    number = rng.poisson(rate * (high - low) / 365.25)
    who = np.repeat(np.arange(BLOCK), number)
    start = low + (rng.random(len(who)) * (high - low)).astype(np.int64)
    if people.first == 0:
        # However few the persons, each year has a stay of each field.
        grown = (people.birth < low - 20 * 366) & (people.death > high) & ~people.silent
        one = np.flatnonzero(grown)[:1]
        summers = np.array([day(year, 6, 10) for year in range(years[0], years[1] + 1)])
        who = np.r_[who, np.repeat(one, len(summers))]
        start = np.r_[start, np.tile(summers, len(one))]
    end = start + rng.gamma(1.5, days / 1.5, len(who)).astype(np.int64) + 1
    order = np.lexsort((start, who))
    who, start, end = who[order], start[order], end[order]
    end = np.minimum(end, people.death[who])
    # One stay at a time.
    following = np.r_[np.where(who[1:] == who[:-1], start[1:] - 1, NEVER), NEVER][: len(who)]
    end = np.minimum(end, following)
    sound = (end >= start) & (start >= people.birth[who]) & (start <= people.death[who])
    who, start, end = who[sound], start[sound], end[sound]
    first = np.array([codes[0] for codes in figures.ald().codes], "U6")
    illness = held[who]
    other = "F329" if name == "RIP" else "C189" if name == "HAD" else "Z509"
    code = np.where(illness > 0, first[np.maximum(illness - 1, 0)], other)
    habit = people.habit[who]
    hospital = world.hospital_of(people.place_on(start, who), habit % 4 == 3, habit)
    none = np.zeros(len(who), bool)
    return FieldStays(
        name, who, start, end, hospital, code.astype("U6"), none, end == people.death[who]
    )
