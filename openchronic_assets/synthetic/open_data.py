"""The open files of the synthetic country: its population, its professionals, its hospitals.

They are counted on the same persons and the same world, so that a rate has its true denominator.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from openchronic_assets.synthetic.damir import REGION_OF
from openchronic_assets.synthetic.text import Frame, Ints, dates, day, pick, same, whole
from openchronic_assets.synthetic.universe import Universe

if TYPE_CHECKING:
    from openchronic_assets.synthetic.generate import Block, Request

POPULATIONS = ("OPEN_RESIDENT_POPULATION", "OPEN_INSURED_POPULATION")
SCHEMES = {1: "RG", 2: "MSA", 3: "RSI"}
LAST_AGE = 95
# Labels of the professions, by specialty (IR_SPE_V).
_GENERAL = "Médecins généralistes"
Living = Counter[tuple[str, int, str, str, int, int]]


def living(made: Block, asked: Request, world: Universe) -> Living:
    """Count the persons of a block by year, department, scheme, sex and five-year age."""
    people, keep = made.people, asked.keep(made.people.first // len(made.people))
    found: Living = Counter()
    for table in POPULATIONS:
        for year in range(asked.years[0], asked.years[1] + 1):
            moment = day(year) if table == POPULATIONS[0] else day(year, 12, 31)
            there = np.flatnonzero((people.birth <= moment) & (people.death > moment))
            there = there[(there < keep) & ~people.fictitious[there]]
            when = np.full(len(there), moment)
            age = np.minimum(people.age(when, there) // 5 * 5, LAST_AGE)
            place = people.place_on(when, there)
            for p, s, a, g in zip(
                place.tolist(),
                people.sex[there].tolist(),
                age.tolist(),
                people.scheme[there].tolist(),
                strict=True,
            ):
                scheme = SCHEMES[g] if table == POPULATIONS[1] else ""
                found[(table, year, world.departments[p], scheme, s, a)] += 1
    return found


def population(table: str, found: Living) -> Frame:
    """Write a population."""
    rows = sorted((cell, count) for cell, count in found.items() if cell[0] == table)
    frame = Frame(table, len(rows))
    first = np.array([cell[5] for cell, _ in rows], np.int64)
    number = whole(np.array([count for _, count in rows], np.int64))
    frame.put(
        ANNEE=whole(np.array([cell[1] for cell, _ in rows], np.int64)),
        DEPARTEMENT=pa.array([cell[2] for cell, _ in rows], pa.string()),
        REGIME=pa.array([cell[3] for cell, _ in rows], pa.string()),
        SEXE=whole(np.array([cell[4] for cell, _ in rows], np.int64)),
        AGE_MIN=whole(first),
        AGE_MAX=whole(first + 4, first == LAST_AGE),
        EFFECTIF=number,
        POPULATION=number,
    )
    return frame


def professionals(world: Universe, asked: Request) -> Frame:
    """Write the number and density of GPs and specialists by department and year."""
    home = np.zeros(len(world.numbers), np.int64)
    for (place, _), members in world.of.items():
        home[members] = place
    kinds = sorted(set(world.specialty.tolist()) - {0})
    people = asked.universe_persons / len(world.departments)
    rows = [
        (year, kind, place, int(((world.specialty == kind) & (home == place)).sum()))
        for year in range(asked.years[0], asked.years[1] + 1)
        for kind in kinds
        for place in range(len(world.departments))
    ]
    places = [world.departments[row[2]] for row in rows]
    frame = Frame("OPEN_PROFESSIONALS", len(rows))
    frame.put(
        ANNEE=whole(np.array([row[0] for row in rows], np.int64)),
        PROFESSION_SANTE=pa.array(
            [_GENERAL if row[1] == 1 else f"Spécialité {row[1]:02d}" for row in rows], pa.string()
        ),
        REGION=whole(np.array([REGION_OF[name] for name in places], np.int64)),
        DEPARTEMENT=pa.array(places, pa.string()),
        CLASSE_AGE="tout_age",
        LIBELLE_CLASSE_AGE="Tout âge",
        LIBELLE_SEXE="tout sexe",
        EFFECTIF=whole(np.array([row[3] for row in rows], np.int64)),
        DENSITE=pa.array([f"{100_000 * row[3] / people:.2f}" for row in rows], pa.string()),
    )
    return frame


def establishments(world: Universe, asked: Request) -> Frame:
    """Write the hospitals of the world as the national register does."""
    count = len(world.hospitals)
    place: Ints = np.array([h.department for h in world.hospitals], np.int64)
    private = np.array([h.private for h in world.hospitals]).astype(np.int64)
    opened = dates(np.full(count, day(1995)), "yyyy-mm-dd")
    frame = Frame("OPEN_ESTABLISHMENTS", count)
    frame.put(
        STRUCTUREET="structureet",
        NOFINESSET=pa.array([h.finess for h in world.hospitals], pa.string()),
        NOFINESSEJ=pa.array([h.finess for h in world.hospitals], pa.string()),
        RS=pa.array([f"HOPITAL SYNTHETIQUE {n:03d}" for n in range(count)], pa.string()),
        COMMUNE=pick([codes[0] for codes in world.communes], place),
        DEPARTEMENT=pick(world.departments, place),
        CATEGETAB=pick(["355", "365"], private),
        CODESPH=pick(["1", "0"], private),
        DATEOUV=opened,
        DATEAUTOR=opened,
        DATEMAJ=opened,
        LIBCATEGETAB=same("Etablissement synthétique", count),
    )
    return frame


def deprivation(world: Universe) -> Frame:
    """Write the deprivation quintile of each commune of the world; overseas ones have none."""
    known = [
        # Five characters: overseas, the commune's first one is the department's last.
        (f"{department[:2]}{commune}", quintile)
        for department, communes, quintiles in zip(
            world.departments, world.communes, world.quintiles, strict=True
        )
        for commune, quintile in zip(communes, quintiles.tolist(), strict=True)
        if quintile
    ]
    frame = Frame("OPEN_DEPRIVATION", len(known))
    frame.put(
        TERRITOIRE=pa.array([place for place, _ in known], pa.string()),
        INDICE=pa.array([f"{(quintile - 3) * 0.7:.6f}" for _, quintile in known], pa.string()),
        QUINTILE=whole(np.array([quintile for _, quintile in known], np.int64)),
    )
    return frame


# Communes of one generated grouping.
_TOGETHER = 3


def territory(world: Universe) -> Frame:
    """Write groupings of neighbouring communes, each within its department."""
    rows = [
        (f"2{department:0>3}{place // _TOGETHER:05d}", f"{department[:2]}{commune}")
        for department, communes in zip(world.departments, world.communes, strict=True)
        for place, commune in enumerate(communes)
    ]
    frame = Frame("OPEN_TERRITORY", len(rows))
    frame.put(
        TYPE_TERRITOIRE=same("epci", len(rows)),
        TERRITOIRE=pa.array([code for code, _ in rows], pa.string()),
        LIBELLE=pa.array([f"GROUPEMENT SYNTHETIQUE {code}" for code, _ in rows], pa.string()),
        COMMUNE=pa.array([commune for _, commune in rows], pa.string()),
    )
    return frame


def development(world: Universe) -> Frame:
    """Write an index of each department that falls as its communes are more deprived."""
    means = [float(np.mean(quintiles)) for quintiles in world.quintiles]
    frame = Frame("OPEN_DEVELOPMENT_INDEX", len(means))
    frame.put(
        NIVEAU=same("departement", len(means)),
        TERRITOIRE=pa.array(world.departments, pa.string()),
        INDICE=pa.array([f"{0.95 - 0.03 * mean:.6f}" for mean in means], pa.string()),
    )
    return frame
