"""Registers beyond the demonstration's: persons, practitioners, hospitals, drugs."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from openchronic_assets.contracts import ContractError, load
from openchronic_assets.synthetic import care, open_data
from openchronic_assets.synthetic.filler import Spine, fill
from openchronic_assets.synthetic.medicine import drugs
from openchronic_assets.synthetic.population import People
from openchronic_assets.synthetic.text import NEVER, Frame, dates, day, pick, same, whole
from openchronic_assets.synthetic.universe import Universe, pmsi_department

if TYPE_CHECKING:
    from openchronic_assets.synthetic.generate import Block, Request

Ints = npt.NDArray[np.int64]
Frames = list[tuple[int | None, Frame]]


def of_world(
    rng: np.random.Generator, wanted: list[str], world: Universe, asked: Request
) -> Frames:
    """Return the tables that hold no person: practitioners, hospitals, drugs."""
    found: Frames = []
    years = range(asked.years[0], asked.years[1] + 1)
    last = asked.years[1]
    if "DA_PRA_R" in wanted:
        found.append((None, _practitioners(rng, world, last)))
    hospitals = _hospitals(world, last)
    if "BE_IDE_R" in wanted:
        found.append((None, fill(rng, load("BE_IDE_R").for_year(last), hospitals)))
    if "IR_PHA_R" in wanted:
        found.append((None, _drugs()))
    if "OPEN_PROFESSIONALS" in wanted:
        found.append((None, open_data.professionals(world, asked)))
    if "OPEN_ESTABLISHMENTS" in wanted:
        found.append((None, open_data.establishments(world, asked)))
    if "OPEN_DEPRIVATION" in wanted:
        found.append((None, open_data.deprivation(world)))
    if "OPEN_TERRITORY" in wanted:
        found.append((None, open_data.territory(world)))
    if "OPEN_DEVELOPMENT_INDEX" in wanted:
        found.append((None, open_data.development(world)))
    for name in wanted:
        if of_hospitals(name):
            found += [
                (year, fill(rng, load(name).for_year(year), _hospitals(world, year)))
                for year in years
                if in_year(name, year)
            ]
    return found


@cache
def in_year(table: str, year: int) -> bool:
    """Return whether a table exists in a year."""
    try:
        load(table).for_year(year)
    except ContractError:
        return False
    return True


@cache
def of_hospitals(table: str) -> bool:
    """Return whether the rows of a PMSI table are a hospital's, not a patient's."""
    keys = set(load(table).not_null) | set(load(table).key)
    hospital_only = not keys - {"ETA_NUM", "ETA_NUM_EPMSI"}
    # Their contracts name no more than the hospital as key, but a row is a patient's.
    of_patients = ("T_RIPaaR3AD", "T_MCOaaVALOACE")
    return table.startswith("T_") and hospital_only and table not in of_patients


def _hospitals(world: Universe, year: int) -> Spine:
    count = len(world.hospitals)
    eta = pa.array([h.finess for h in world.hospitals], pa.string())
    short = pa.array([h.finess[:8] for h in world.hospitals], pa.string())
    when = np.full(count, day(year, 12, 31))
    names = ("ETA_NUM", "ETA_NUM_EPMSI", "ETA_NUM_GEO", "ETA_NUM_JUR", "ETA_NUM_TWO",
             "IDE_ETA_NUM", "IDE_GES_NUM")  # fmt: skip
    columns: dict[str, pa.Array] = dict.fromkeys(names, eta)
    columns["ETB_EXE_FIN"] = columns["IDE_ETA_NU8"] = short
    columns["IDE_ETA_NOM"] = columns["SOC_RAI"] = pa.array(
        [f"HOPITAL SYNTHETIQUE {n:03d}" for n in range(count)], pa.string()
    )
    private = np.array([h.private for h in world.hospitals]).astype(np.int64)
    columns["IDE_PSH_CAT"] = pick(["355", "365"], private)
    columns["IDE_SAN_PUB"] = pick(["1", "2"], private)
    columns["STA_ETA"] = pick(["DGF", "OQN"], private)
    columns["ANN_TRT"] = same(str(year), count)
    return Spine(count, when, when, columns)


def _practitioners(rng: np.random.Generator, world: Universe, year: int) -> Frame:
    number = np.arange(1, len(world.numbers))
    count = len(number)
    when = np.full(count, day(year, 12, 31))
    place = np.zeros(len(world.numbers), np.int64)
    for (department, _), members in world.of.items():
        place[members] = department
    labels = [world.numbers[n] for n in number.tolist()]
    # Numbers may meet between specialties of a small world: one row a number.
    known = np.unique(np.array(labels), return_index=True)[1]
    rows: Ints = np.sort(known)
    numbers = pa.array([labels[r] for r in rows.tolist()], pa.string())
    home = place[1:][rows]
    spine = Spine(
        len(known),
        when[rows],
        when[rows],
        {
            "PFS_PFS_NUM": numbers,
            "STA_PFS_NUM": numbers,
            "FIS_PFS_NUM": numbers,
            "DTE_ANN_TRT": same(str(year), len(known)),
            "DTE_MOI_FIN": same("12", len(known)),
            "PFS_PRA_SPE": whole(world.specialty[1:][rows], width=2),
            "EXC_EXC_NAT": same("01", len(known)),
            "CNV_CNV_COD": same("1", len(known)),
            "IPP_SEX_COD": whole(1 + rng.integers(0, 2, len(known))),
            "IPP_ANN_NAI": whole(year - 30 - rng.integers(0, 38, len(known))),
            "PFS_EXC_COM": pa.array([world.communes[d][0] for d in home.tolist()], pa.string()),
            "PFS_COD_POS": pa.array(
                [pmsi_department(world.departments[d]) + "000" for d in home.tolist()],
                pa.string(),
            ),
        },
    )
    return fill(rng, load("DA_PRA_R").for_year(year), spine)


def _drugs() -> Frame:
    known = drugs()
    frame = Frame("IR_PHA_R", len(known.cip13))
    large = (known.units >= 84).astype(np.int64)
    frame.put(
        PHA_CIP_C13=pa.array(known.cip13, pa.string()),
        PHA_PRS_IDE=pa.array(known.cip7, pa.string()),
        PHA_ATC_CLA=pa.array([each or None for each in known.atc], pa.string()),
        PHA_ATC_C03=pa.array([each[:3] or None for each in known.atc], pa.string()),
        PHA_ATC_C07=pa.array([e if len(e) == 7 else None for e in known.atc], pa.string()),
        PHA_UNT_NBR_DSES=whole(known.units, known.units == 0),
        PHA_CND_TOP=pick([None, "GC"], large),
        PHA_GRD_CND=pick(["0", "1"], large),
    )
    return frame


def of_block(
    rng: np.random.Generator, wanted: list[str], made: Block, asked: Request, world: Universe
) -> Frames:
    """Return the registers of the persons of a block."""
    last = asked.years[1]
    found: Frames = []
    couples = next(frame for _, frame in made.frames if frame.table == "IR_BEN_R")
    deaths = next(frame for _, frame in made.frames if frame.table == "KI_CCI_R")
    people = made.people
    owner = made.couples
    keep = asked.keep(people.first // len(people))
    start = np.full(couples.count, day(asked.years[0]))
    everyone = Spine(couples.count, start, start + 3000, dict(couples.columns))
    single = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]][: len(owner)])
    luck = rng.random(couples.count)
    age = people.age(day(last), owner)
    groups: dict[str, npt.NDArray[np.bool_]] = {
        "IR_ORC_R": care.covered(people)[owner],
        "IR_ACS_R": luck < 0.02,
        "IR_MAT_R": (people.sex[owner] == 2) & (age > 19) & (age < 42) & (luck < 0.1),
        "IR_BEN_R_ARC": people.birth[owner] < day(asked.years[0]) - 400,
        "IR_IBA_R": np.isin(np.arange(couples.count), single),
    }
    for name, group in groups.items():
        if name in wanted:
            part = everyone.take(np.flatnonzero(group))
            found.append((None, fill(rng, load(name).for_year(last), part)))
    if "IR_MTT_R" in wanted:
        doctors = _treating(everyone, people, world, owner)
        found.append((None, fill(rng, load("IR_MTT_R").for_year(last), doctors)))
    if "IR_ETM_R" in wanted:
        rows = [e for e in made.found.episodes if e.person < keep]
        who = np.array([e.person for e in rows], np.int64)
        at = np.searchsorted(owner, who)
        part = everyone.take(at)
        part.columns["BEN_EXO_DTD"] = dates(np.array([e.start for e in rows], np.int64))
        part.columns["BEN_EXO_DTF"] = dates(np.array([e.end for e in rows], np.int64))
        number = np.array([e.number for e in rows], np.int64)
        part.columns["BEN_EXO_MTF"] = whole(
            np.where(number == 31, 43, np.where(number == 32, 45, 41))
        )
        found.append((None, fill(rng, load("IR_ETM_R").for_year(last), part)))
    if "KI_ECD_R" in wanted:
        found.append((None, _causes(deaths)))
    if "PSEUDONYM_CROSSWALK" in wanted:
        found.append((None, _crosswalk(made, asked, keep)))
    found += _cartographie(rng, wanted, made, asked, world, keep, everyone, owner, single)
    return found


def _treating(couples: Spine, people: People, world: Universe, owner: Ints) -> Spine:
    """Return the treating doctors of couples, a period each: a move ends one and begins another."""
    moves = people.moved[owner] < NEVER
    before = np.flatnonzero(moves & (people.gp_before[owner] > 0))
    now = np.flatnonzero(people.gp[owner] > 0)
    rows = np.r_[before, now]
    over = np.arange(len(rows)) < len(before)
    order = np.lexsort((~over, rows))
    rows, over = rows[order], over[order]
    who, part = owner[rows], couples.take(rows)
    part.start = np.where(~over & moves[rows], people.moved[who], part.start)
    part.columns["MTT_PFS_NUM"] = pick(
        world.numbers, np.where(over, people.gp_before[who], people.gp[who])
    )
    part.columns["MTT_DEB_DTE"] = part.columns["MTT_DEP_DTE"] = dates(part.start)
    part.columns["MTT_FIN_DTE"] = dates(np.where(over, people.moved[who] - 1, NEVER))
    return part


def _causes(deaths: Frame) -> Frame:
    """Write each certificate's lines: what was at the end, and the underlying cause."""
    ends = ("R092", "I469", "J969", "A419", "R688")
    row = np.repeat(np.arange(deaths.count), 2)
    second = np.arange(len(row)) % 2 == 1
    where = pa.array(row)
    frame = Frame("KI_ECD_R", len(row))
    for name in ("DCD_IDT_ENC", "DCD_IDT_TOP", "BEN_IDT_ANO", "BEN_IDT_TOP", "BEN_NIR_ANO",
                 "FLX_PER_ANN", "BEN_DCD_DTE", "BEN_DCD_AME"):  # fmt: skip
        frame.columns[name] = deaths.columns[name].take(where)
    underlying = deaths.columns["DCD_CIM_COD"].take(where).to_pylist()
    # The line of what was at the end comes from the certificate itself, not from a draw.
    marks = [int(text[:4], 16) for text in frame.columns["DCD_IDT_ENC"].to_pylist()]
    codes = [
        code if last else ends[mark % len(ends)]
        for code, mark, last in zip(underlying, marks, second.tolist(), strict=True)
    ]
    frame.put(
        CER_LIG_NUM=whole(1 + second.astype(np.int64)),
        ECD_CAU_RNG="1",
        ECD_CIM_COD=pa.array(codes, pa.string()),
    )
    return frame


def _crosswalk(made: Block, asked: Request, keep: int) -> Frame:
    """Write the pseudonyms of this extract's epoch and those of the next one, person by person."""
    people = made.people
    psa, ano = people.renewed(asked.epoch + 1)
    frame = Frame("PSEUDONYM_CROSSWALK", keep)
    frame.put(
        OLD_EPOCH=epoch_name(asked.seed, asked.epoch),
        NEW_EPOCH=epoch_name(asked.seed, asked.epoch + 1),
        OLD_NIR_PSA=pa.array(people.psa[:keep], pa.string()),
        NEW_NIR_PSA=pa.array(psa[:keep], pa.string()),
        OLD_IDT_ANO=pa.array(people.idt_ano[:keep], pa.string()),
        NEW_IDT_ANO=pa.array(ano[:keep], pa.string()),
    )
    return frame


def epoch_name(seed: int, epoch: int) -> str:
    """Return the name of an epoch of pseudonyms, as manifests and crosswalks carry it."""
    return f"synthetic-{seed}" if epoch == 0 else f"synthetic-{seed}-{epoch}"


def _cartographie(
    rng: np.random.Generator,
    wanted: list[str],
    made: Block,
    asked: Request,
    world: Universe,
    keep: int,
    couples: Spine,
    owner: Ints,
    single: Ints,
) -> Frames:
    """Write the cartographie of each year: persons with care, and their pathologies."""
    people = made.people
    carto = [
        hashlib.blake2b(
            f"{asked.seed}/carto/{people.first + p}".encode(), digest_size=8
        ).hexdigest()
        for p in range(len(people))
    ]
    found: Frames = []
    lines = made.claims.lines
    for year in range(max(asked.years[0], 2012), asked.years[1] + 1):
        first, after = day(year), day(year + 1)
        there = (lines["care"] >= first) & (lines["care"] < after)
        seen = np.zeros(len(people), bool)
        seen[lines["person"][there]] = True
        seen &= ~people.fictitious
        if "CT_IDE_AAAA_GN" in wanted:
            part = couples.take(np.flatnonzero(seen[owner]))
            part.columns["ID_CARTO"] = pick(carto, owner[seen[owner]])
            contract = load("CT_IDE_AAAA_GN").for_year(year)
            found.append((year, fill(rng, contract, part)))
        who = owner[single][seen[owner[single]]]
        held: dict[str, set[int]] = {}
        for each in made.onsets:
            if each.start < after:
                held.setdefault(f"TOP_{each.name.upper()}", set()).add(each.person)
        age = people.age(after - 1, who)
        base = couples.take(single[seen[owner[single]]])
        base.columns |= {
            "ID_CARTO": pick(carto, who),
            "AGE": whole(np.maximum(age, 0)),
            "BEN_NAI_ANN": dates(people.birth[who], "yyyy"),
            "BEN_ALD_TOP": whole(np.isin(who, [e.person for e in made.found.episodes]) * 1),
            "VERSION": same("G8", len(who)),
            "DPT": pick(world.departments, people.place_on(after - 1, who)),
            "TOP_IND": same("1", len(who)),
        }
        for name in ("CT_IND_AAAA_GN", "CT_DEP_AAAA_GN"):
            if name not in wanted:
                continue
            contract = load(name).for_year(year)
            for column in contract.columns:
                if column.name.startswith(("TOP_", "SUP_")) and column.name != "TOP_IND":
                    ill = np.isin(who, sorted(held.get(column.name, set())))
                    base.columns[column.name] = whole(ill.astype(np.int64))
            found.append((year, fill(rng, contract, base)))
    return found
