"""Generating an extract: block by block, so that memory does not grow with the persons.

A block of persons is a pure function of (seed, size of the universe, departments, years, block);
blocks may be drawn by several processes and are written in order. The same arguments give the same
bytes on any number of cores.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.abc import MetaPathFinder
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from openchronic_assets import __version__
from openchronic_assets.contracts import load
from openchronic_assets.errors import OpenChronicError, UsageError
from openchronic_assets.synthetic import (
    care,
    claims,
    conditions,
    damir,
    dirt,
    extra,
    fields,
    figures,
    hospital,
    ledger,
    open_data,
    pathologies,
    planted,
    population,
    referentials,
    registers,
)
from openchronic_assets.synthetic.delivery import Delivery, Form, Piece, piece
from openchronic_assets.synthetic.hospital import Stays
from openchronic_assets.synthetic.layout import FORMATS, LAYOUTS
from openchronic_assets.synthetic.population import BLOCK, People
from openchronic_assets.synthetic.prevalence import CRUDE_DEATH_RATE
from openchronic_assets.synthetic.registers import Deaths
from openchronic_assets.synthetic.text import NEVER, Frame, day
from openchronic_assets.synthetic.truth import Totals, Truth
from openchronic_assets.synthetic.universe import Universe, build

DEFAULT_DEPARTMENTS = ("23", "62", "974")
FIRST_YEAR, LAST_YEAR = 2006, 2035
PROVIDER = "openchronic synth"
MOST_DEATHS = 0.25  # of the persons, a year


@dataclass(frozen=True)
class Request:
    """What was asked for, and all that a block depends on; plain values, so that it travels."""

    persons: int
    years: tuple[int, int]
    seed: int
    departments: tuple[str, ...]
    universe_persons: int
    form: Form
    tables: str
    epoch: int
    deaths: int | None = None

    @property
    def crude_deaths(self) -> float:
        """Deaths a year for one person."""
        return CRUDE_DEATH_RATE if self.deaths is None else self.deaths / self.persons

    @property
    def dirty(self) -> bool:
        """Whether anything is planted into the files."""
        return self.form.dirt != "none"

    @property
    def blocks(self) -> int:
        """Number of blocks of persons."""
        return (self.persons + BLOCK - 1) // BLOCK

    def keep(self, block: int) -> int:
        """Return how many persons of a block are in the extract."""
        return min(BLOCK, self.persons - block * BLOCK)


@dataclass
class Block:
    """All that one block of persons gives: frames by file, and the truth."""

    people: People
    found: conditions.Conditions
    onsets: list[pathologies.Onset]
    stays: Stays
    fields: dict[str, fields.FieldStays]
    lines: ledger.Care
    claims: claims.Claims
    discharged: list[hospital.Written]
    deaths: Deaths
    couples: np.ndarray[Any, np.dtype[np.int64]]
    consumer: list[bool]
    frames: list[tuple[int | None, Frame]]
    unchained: np.ndarray[Any, np.dtype[np.bool_]]
    odd: dict[str, int]


@dataclass
class Drawn:
    """A block as it leaves the process that drew it."""

    persons: int
    pieces: list[Piece]
    truth: dict[str, pa.Table]
    totals: Totals
    cells: pa.Table | None
    living: open_data.Living


@cache
def _world(seed: int, size: int, departments: tuple[str, ...], crude_deaths: float) -> Universe:
    return build(seed, size, departments, crude_deaths)


def make_block(asked: Request, world: Universe, block: int) -> Block:
    """Return the persons of a block that the extract keeps, with everything about them."""
    seed, years, keep = asked.seed, asked.years, asked.keep(block)
    rng = np.random.default_rng([seed, asked.universe_persons, block])
    people = population.draw(seed, block, rng, world, years)
    if asked.epoch:
        _renew(people, asked.epoch)
    found = conditions.onset(rng, people, world, years)
    ill = np.unique(np.array([each.person for each in found.episodes], np.int64))
    people.silent[ill] = False
    population.declare(people, ill, world)
    conditions.write(rng, people, found, day(years[1] + 1, 12, 1))
    found.index()
    stays = hospital.draw(rng, people, found, world, years)
    elsewhere = fields.draw(rng, people, found, world, stays, years)
    onsets = pathologies.draw(people, found, world.seed, world.size, years)
    lines = care.draw(rng, people, found, world, stays, onsets, years)
    written = claims.write(rng, lines, people, world, years, block, keep)
    discharged, unchained = hospital.write(
        rng, stays, people, world, years, block, keep, asked.dirty
    )
    deaths = registers.know(rng, people)
    frames: list[tuple[int | None, Frame]] = [
        (year, frame) for year, each in written.frames.items() for frame in each
    ]
    frames += [(each.year, frame) for each in discharged for frame in each.frames]
    frames += [
        (None, registers.beneficiaries(people, deaths, written.last_entry, years, keep)),
        (None, conditions.frame(people, found, keep)),
        (None, registers.certified_deaths(rng, seed, people, found, deaths, keep)),
    ]
    odd = {
        "stays_without_patient_key": sum(w.unchained for w in discharged),
        "stays_with_a_bad_return_code": sum(w.bad_return_code for w in discharged),
        "months_on_one_character": sum(w.short_months for w in discharged),
    }
    # One row of IR_BEN_R a couple, in the order of persons.
    couples = np.sort(np.r_[np.arange(keep), np.flatnonzero(people.switch[:keep] < NEVER)])
    made = Block(
        people=people,
        found=found,
        onsets=onsets,
        stays=stays,
        fields=elsewhere,
        lines=lines,
        claims=written,
        discharged=discharged,
        deaths=deaths,
        couples=couples,
        consumer=(written.last_entry < NEVER).tolist(),
        frames=frames,
        unchained=unchained,
        odd=odd,
    )
    made.frames += extra.frames(made, asked, world, block)
    wanted = set(extra.chosen(asked.tables))
    made.frames = [(year, each) for year, each in made.frames if each.table in wanted]
    return made


def _renew(people: People, epoch: int) -> None:
    """Give everyone the pseudonyms of a later epoch."""
    index = people.first + np.arange(len(people))
    people.psa, people.idt_ano = people.renewed(epoch)
    people.psa2 = population.pseudonyms(people.seed, f"psa2/{epoch}", index)
    people.nir_ano = [
        None if nir is None else ano
        for nir, ano in zip(people.nir_ano, people.idt_ano, strict=True)
    ]


def draw_block(asked: Request, block: int) -> Drawn:
    """Draw a block and write it as the pieces of the files that it adds to."""
    world = _world(asked.seed, asked.universe_persons, asked.departments, asked.crude_deaths)
    made = make_block(asked, world, block)
    pieces = [
        piece(frame, year, asked.form, (asked.seed, block, position))
        for position, (year, frame) in enumerate(made.frames)
        if frame.count
    ]
    rows, totals = planted.of(made, world, asked.years, asked.keep(block))
    cells = None
    if set(damir.TABLES) & set(extra.chosen(asked.tables)):
        cells = damir.cells(made.claims, made.people, world)
    alive: open_data.Living = Counter()
    if set(open_data.POPULATIONS) & set(extra.chosen(asked.tables)):
        alive = open_data.living(made, asked, world)
    return Drawn(asked.keep(block), pieces, rows, totals, cells, alive)


def _use_system_memory() -> None:
    """Let Arrow allocate from the system.

    Many short-lived columns leave a third less memory behind there than in Arrow's own pools, and
    are made in a seventh less time.
    """
    pa.set_memory_pool(pa.system_memory_pool())


def _begin_worker() -> None:
    """Prepare a process that draws blocks."""
    _use_system_memory()
    # Arrow's own stream of a table is made and read in a fifth of the time of a pickle.
    ForkingPickler.register(pa.Table, _as_stream)
    # Arrow would import pandas, a second of time and 50 MB, to know that no column is of pandas.
    sys.meta_path.insert(0, _NoPandas())


def _as_stream(table: pa.Table) -> tuple[Callable[[bytes], pa.Table], tuple[bytes]]:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return _of_stream, (sink.getvalue().to_pybytes(),)


def _of_stream(data: bytes) -> pa.Table:
    return pa.ipc.open_stream(data).read_all()


class _NoPandas(MetaPathFinder):
    """Says that pandas is not installed."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname)


@contextmanager
def _system_memory() -> Iterator[None]:
    before = pa.default_memory_pool()
    _use_system_memory()
    try:
        yield
    finally:
        pa.set_memory_pool(before)


def _drawn(asked: Request, processes: int) -> Iterator[Drawn]:
    """Yield the blocks in order, drawn by so many processes; few wait, and each is let go."""
    workers = min(processes, asked.blocks)
    if workers < 2:
        for block in range(asked.blocks):
            yield draw_block(asked, block)
        return
    waiting: deque[Future[Drawn]] = deque()
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_begin_worker
    )
    try:
        for block in range(asked.blocks):
            waiting.append(pool.submit(draw_block, asked, block))
            if len(waiting) > workers + 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise OpenChronicError(
            "a process that draws persons ended early, killed for its memory perhaps; nothing is"
            " left. Ask for fewer --processes"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


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
    *,
    layout: str = "portal",
    format: str = "csv",
    tables: str = "base",
    epoch: int = 0,
    deaths: int | None = None,
    processes: int = 1,
) -> dict[str, Any]:
    """Write an SNDS-shaped extract in ``out`` and its planted truth beside it.

    Args:
        out: the delivery's folder; it must not exist, or be empty.
        persons: number of persons, spread over the departments.
        years: first and last care year; flux files run one year further.
        seed: the same seed and arguments give the same bytes.
        departments: INSEE codes; by default 23, 62 and 974.
        dirt: ``none``, ``realistic`` or ``hostile``.
        progress: called with (persons done, persons).
        truth: folder of the truth; by default ``<out>.truth``.
        universe_persons: size of the world of providers; by default ``persons`` rounded up to a
            power of ten. With the same universe, a larger extract begins with the same persons.
        layout: ``portal`` or ``extraction``: names of files and columns, form of dates.
        format: ``csv`` or ``parquet``.
        tables: ``base`` (claims, acute stays, ALD, people), ``demo`` (with classes of drugs,
            treating doctors, populations and territories), ``core`` (all that are modelled) or
            ``all`` (every table that has a contract in the years, each as it was in its year).
        epoch: how many times the provider has renewed the pseudonyms since epoch 0; all the rest
            of the extract is the same.
        deaths: how many die in a year, about; by default as many as in France. It sets everyone's
            chance to die, so that another number of persons is another world.
        processes: how many processes draw blocks; the bytes are the same.

    Returns:
        The totals of ``truth.json``, with ``out``, ``truth`` and the list of files.

    Raises:
        UsageError: a request that cannot be met; nothing is left behind.
        OpenChronicError: the files could not be written; nothing is left behind.
    """
    places = tuple(departments or DEFAULT_DEPARTMENTS)
    size = universe_persons
    if size is None:
        size = 10 ** max(3, len(str(max(persons, 1) - 1)))
    form = Form(layout, format, dirt, seed, years[1])
    asked = Request(persons, years, seed, places, size, form, tables, epoch, deaths)
    _check(asked)
    out = Path(out)
    beside = Path(truth) if truth is not None else out.with_name(f"{out.name}.truth")
    generator = {
        "name": PROVIDER,
        "version": __version__,
        "seed": seed,
        "persons": persons,
        "years": list(years),
        "departments": list(places),
        "dirt": dirt,
        "universe_persons": size,
        "layout": layout,
        "format": format,
        "tables": tables,
        "epoch": epoch,
        "deaths": deaths,
    }
    with _system_memory(), Delivery(out, beside, form) as delivery:
        known = Truth(delivery.truth_work)
        try:
            _open(delivery, asked)
            done, cells = 0, None
            alive: open_data.Living = Counter()
            for drawn in _drawn(asked, processes):
                known.add(drawn.truth, drawn.totals)
                known.add_dirt(delivery, drawn.pieces)
                alive.update(drawn.living)
                if drawn.cells is not None:
                    cells = drawn.cells if cells is None else damir.join([cells, drawn.cells])
                done += drawn.persons
                # What a block was received in is in small pieces, which the system would not have
                # back by itself.
                pa.default_memory_pool().release_unused()
                if progress is not None:
                    progress(done, persons)
            if cells is not None:
                known.add_dirt(delivery, _damir(delivery, asked, cells))
            known.add_dirt(delivery, _populations(asked, alive))
            checksums = delivery.checksums()
            totals = known.finish(delivery, generator)
        finally:
            known.close()
        delivery.publish(
            {
                # From the extract's years, not the clock: the same arguments, the same bytes.
                "date": date(years[1] + 2, 1, 15).isoformat(),
                "provider": PROVIDER,
                "pseudonym_epoch": referentials.epoch_name(seed, epoch),
                "layout": layout,
                "checksums": checksums,
                "generator": generator,
            }
        )
    return {**totals, "out": str(out), "truth": str(beside), "delivered": sorted(checksums)}


def _check(asked: Request) -> None:
    years, places = asked.years, asked.departments
    if asked.persons < 1:
        raise UsageError(f"{asked.persons} persons cannot be generated; ask for at least one")
    if asked.universe_persons < 1:
        raise UsageError(f"a universe of {asked.universe_persons} persons is empty; ask for more")
    if asked.seed < 0:
        raise UsageError(f"the seed {asked.seed} is negative; give a whole number from 0")
    if asked.epoch < 0:
        raise UsageError(f"the epoch {asked.epoch} is negative; give a whole number from 0")
    _check_deaths(asked)
    if years[0] > years[1]:
        raise UsageError(f"years {years[0]}-{years[1]} run backwards; give FIRST-LAST")
    if years[0] < FIRST_YEAR or years[1] > LAST_YEAR:
        raise UsageError(
            f"years {years[0]}-{years[1]} are not covered; ask for years from {FIRST_YEAR}"
            f" (the first that SNDS holds) to {LAST_YEAR}"
        )
    for what, given, choices in (
        ("dirt", asked.form.dirt, dirt.LEVELS),
        ("layout", asked.form.layout, tuple(LAYOUTS)),
        ("format", asked.form.format, FORMATS),
        ("set of tables", asked.tables, extra.SETS),
    ):
        if given not in choices:
            raise UsageError(f"{what} {given!r} is unknown; choose one of {', '.join(choices)}")
    known = {row["department"] for row in figures.rows("departments.csv")}
    unknown = [each for each in places if each not in known]
    if unknown or len(set(places)) < len(places):
        raise UsageError(
            f"departments {', '.join(unknown or places)} are unknown or repeated; give INSEE codes"
            " such as 23,62,974, each once"
        )


def _check_deaths(asked: Request) -> None:
    if asked.deaths is None:
        return
    span = asked.years[1] - asked.years[0] + 1
    if asked.deaths < 1:
        raise UsageError(f"{asked.deaths} deaths a year cannot be drawn; ask for at least one")
    if asked.deaths * span > asked.persons:
        raise UsageError(
            f"{asked.deaths} deaths a year are more deaths than people in {span} years"
            f" ({asked.persons} persons); ask for at most {asked.persons // span}"
        )
    if asked.crude_deaths > MOST_DEATHS:
        raise UsageError(
            f"{asked.deaths} deaths a year of {asked.persons} persons are beyond the model of"
            f" mortality; ask for at most {int(MOST_DEATHS * asked.persons)}"
        )


def _open(delivery: Delivery, asked: Request) -> None:
    """Begin every file that the blocks will write to, rows or not."""
    first, last = asked.years
    for table in extra.chosen(asked.tables):
        contract = load(table)
        if contract.calendar == "snapshot" or table.startswith("KI_"):
            delivery.begin(table, None)
        elif table not in damir.TABLES:
            # Care of the last year arrives in the next year's flux.
            after = last + 2 if contract.calendar == "flux" else last + 1
            for year in range(first, after):
                if referentials.in_year(table, year):
                    delivery.begin(table, year)


def _populations(asked: Request, alive: open_data.Living) -> Iterator[Piece]:
    """Write the populations once every block has been counted."""
    for number, table in enumerate(open_data.POPULATIONS):
        if table in extra.chosen(asked.tables):
            frame = open_data.population(table, alive)
            yield piece(frame, None, asked.form, (asked.seed, number, 0x9E))


def _damir(delivery: Delivery, asked: Request, cells: pa.Table) -> Iterator[Piece]:
    """Write DAMIR once every block has given its cells: one file a month, or a year."""
    month = cells.column("FLX_ANN_MOI").to_numpy()
    for table in sorted(set(damir.TABLES) & set(extra.chosen(asked.tables))):
        of = month if table == "OPEN_DAMIR" else month // 100
        for number, period in enumerate(np.unique(of).tolist()):
            delivery.begin(table, period)
            part = cells.take(pa.array(np.flatnonzero(of == period)))
            frame = damir.frame(asked.form.contract(table, period), part)
            yield piece(frame, period, asked.form, (asked.seed, number, 0xDA))
