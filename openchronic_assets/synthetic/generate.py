"""Generating an extract: block by block, so that memory does not grow with the persons.

A block of persons is a pure function of (seed, size of the universe, departments, years, block);
blocks are written in order. The same arguments give the same bytes on any number of cores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from openchronic_assets import __version__
from openchronic_assets.contracts import ContractError, load
from openchronic_assets.errors import UsageError
from openchronic_assets.synthetic import (
    care,
    claims,
    conditions,
    dirt,
    figures,
    hospital,
    population,
    registers,
)
from openchronic_assets.synthetic.delivery import Delivery
from openchronic_assets.synthetic.hospital import Stays
from openchronic_assets.synthetic.population import BLOCK, People
from openchronic_assets.synthetic.registers import Deaths
from openchronic_assets.synthetic.text import NEVER, Frame, day
from openchronic_assets.synthetic.truth import Truth
from openchronic_assets.synthetic.universe import Universe, build

DEFAULT_DEPARTMENTS = ("23", "62", "974")
FIRST_YEAR, LAST_YEAR = 2009, 2035
PROVIDER = "openchronic synth"

FLUX_TABLES = ("ER_PRS_F", "ER_PHA_F", "ER_UCD_F", "ER_CAM_F", "ER_BIO_F", "ER_ETE_F")
STAY_TABLES = ("T_MCOaaB", "T_MCOaaC", "T_MCOaaD", "T_MCOaaA", "T_MCOaaUM")
REGISTERS = ("IR_BEN_R", "IR_IMB_R", "KI_CCI_R")


@dataclass
class Block:
    """All that one block of persons gives: frames by file, and the truth."""

    people: People
    found: conditions.Conditions
    stays: Stays
    deaths: Deaths
    consumer: list[bool]
    frames: list[tuple[int | None, Frame]]
    odd: dict[str, int]


def make_block(
    seed: int,
    world: Universe,
    size: int,
    years: tuple[int, int],
    block: int,
    keep: int,
    dirty: bool,
) -> Block:
    """Return the first ``keep`` persons of a block, with everything about them."""
    rng = np.random.default_rng([seed, size, block])
    people = population.draw(seed, block, rng, world, years)
    found = conditions.onset(rng, people, world, years)
    population.die(rng, people, years, conditions.burden(people, found))
    conditions.after_death(people, found)
    people.silent[[each.person for each in found.episodes]] = False
    conditions.write(rng, people, found, day(years[1] + 1, 12, 1))
    found.index()
    stays = hospital.draw(rng, people, found, world, years)
    lines = care.draw(rng, people, found, world, stays, years)
    by_flux_year, last_entry = claims.write(rng, lines, people, world, years, block, keep)
    discharged = hospital.write(rng, stays, people, world, years, block, keep, dirty)
    deaths = registers.know(rng, people)
    frames: list[tuple[int | None, Frame]] = [
        (year, frame) for year, each in by_flux_year.items() for frame in each
    ]
    frames += [(written.year, frame) for written in discharged for frame in written.frames]
    frames += [
        (None, registers.beneficiaries(people, deaths, last_entry, years, keep)),
        (None, conditions.frame(people, found, keep)),
        (None, registers.certified_deaths(rng, seed, people, found, deaths, keep)),
    ]
    odd = {
        "stays_without_patient_key": sum(w.unchained for w in discharged),
        "stays_with_a_bad_return_code": sum(w.bad_return_code for w in discharged),
        "months_on_one_character": sum(w.short_months for w in discharged),
    }
    return Block(people, found, stays, deaths, (last_entry < NEVER).tolist(), frames, odd)


def generate(
    out: Path,
    persons: int,
    years: tuple[int, int],
    seed: int,
    departments: list[str] | None = None,
    dirt: str = "realistic",
    progress: Callable[[int, int], None] | None = None,
    truth: Path | None = None,
    universe_persons: int | None = None,
) -> dict[str, Any]:
    """Write an SNDS-shaped extract in ``out`` and its planted truth beside it.

    Args:
        out: the delivery's folder; it must not exist, or be empty.
        persons: number of persons, spread evenly over the departments.
        years: first and last care year; flux files run one year further.
        seed: the same seed and arguments give the same bytes.
        departments: INSEE codes; by default 23, 62 and 974.
        dirt: ``none`` or ``realistic``.
        progress: called with (persons done, persons).
        truth: folder of the truth; by default ``<out>.truth``.
        universe_persons: size of the world of providers; by default ``persons`` rounded up to a
            power of ten. With the same universe, a larger extract begins with the same persons.

    Returns:
        The totals of ``truth.json``, with ``out``, ``truth`` and the list of files.

    Raises:
        UsageError: a request that cannot be met; nothing is left behind.
    """
    places = tuple(departments or DEFAULT_DEPARTMENTS)
    size = universe_persons or 10 ** max(3, len(str(max(persons, 1) - 1)))
    _check(persons, years, seed, places, dirt)
    out = Path(out)
    beside = Path(truth) if truth is not None else out.with_name(f"{out.name}.truth")
    dirty = dirt == "realistic"
    world = build(seed, size, places)
    generator = {
        "name": PROVIDER,
        "version": __version__,
        "seed": seed,
        "persons": persons,
        "years": list(years),
        "departments": list(places),
        "dirt": dirt,
        "universe_persons": size,
    }
    with Delivery(out, beside, years[1]) as delivery:
        planted = Truth(delivery.truth_work, years, world)
        try:
            _open(delivery, years)
            for block in range((persons + BLOCK - 1) // BLOCK):
                keep = min(BLOCK, persons - block * BLOCK)
                made = make_block(seed, world, size, years, block, keep, dirty)
                _write(delivery, planted, made, keep, seed, block, dirty)
                if progress is not None:
                    progress(block * BLOCK + keep, persons)
            checksums = delivery.checksums()
            totals = planted.finish(delivery, generator)
        finally:
            planted.close()
        delivery.publish(
            {
                # From the extract's years, not the clock: the same arguments, the same bytes.
                "date": date(years[1] + 2, 1, 15).isoformat(),
                "provider": PROVIDER,
                "pseudonym_epoch": f"synthetic-{seed}",
                "layout": "portal",
                "checksums": checksums,
                "generator": generator,
            }
        )
    return {**totals, "out": str(out), "truth": str(beside), "delivered": sorted(checksums)}


def _check(
    persons: int, years: tuple[int, int], seed: int, places: tuple[str, ...], level: str
) -> None:
    if persons < 1:
        raise UsageError(f"{persons} persons cannot be generated; ask for at least one")
    if seed < 0:
        raise UsageError(f"the seed {seed} is negative; give a whole number from 0")
    if years[0] > years[1]:
        raise UsageError(f"years {years[0]}-{years[1]} run backwards; give FIRST-LAST")
    if years[0] < FIRST_YEAR or years[1] > LAST_YEAR:
        raise UsageError(
            f"years {years[0]}-{years[1]} are not covered; ask for years from {FIRST_YEAR}"
            f" (the first with dates in PMSI) to {LAST_YEAR}"
        )
    if level not in dirt.LEVELS:
        raise UsageError(f"dirt {level!r} is unknown; choose one of {', '.join(dirt.LEVELS)}")
    known = {row["department"] for row in figures.rows("departments.csv")}
    unknown = [each for each in places if each not in known]
    if unknown or len(set(places)) < len(places):
        raise UsageError(
            f"departments {', '.join(unknown or places)} are unknown or repeated; give INSEE codes"
            " such as 23,62,974, each once"
        )
    for table in (*FLUX_TABLES, *STAY_TABLES, *REGISTERS):
        for year in range(years[0], years[1] + 1):
            try:
                load(table).for_year(year)
            except ContractError as error:
                raise UsageError(f"{table} has no contract in {year}: {error}") from error


def _open(delivery: Delivery, years: tuple[int, int]) -> None:
    for table in FLUX_TABLES:
        for year in range(years[0], years[1] + 2):
            delivery.begin(table, year)
    for table in STAY_TABLES:
        for year in range(years[0], years[1] + 1):
            delivery.begin(table, year)
    for table in REGISTERS:
        delivery.begin(table, None)


def _write(
    delivery: Delivery,
    planted: Truth,
    made: Block,
    keep: int,
    seed: int,
    block: int,
    dirty: bool,
) -> None:
    for position, (year, frame) in enumerate(made.frames):
        spoil = np.random.default_rng([seed, block, position, 0xD127]) if dirty else None
        if spoil is not None:
            planted.planted.update(dirt.soil(spoil, frame))
        delivery.write(frame, year, spoil, first=block == 0)
    planted.planted.update(made.odd)
    planted.add(made.people, made.found, made.stays, made.deaths, made.consumer, keep)
