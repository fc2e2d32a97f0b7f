"""The tables beyond the demonstration's: which there are, and the rows of a block for each.

``SETS`` names what can be asked for. What is modelled for its meaning and what is only coherent
(``filler``) is told by ``coverage``, which docs/synthetic.md prints and a test compares.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from openchronic_assets.contracts import load, tables
from openchronic_assets.synthetic import referentials, spines
from openchronic_assets.synthetic.filler import Spine, fill
from openchronic_assets.synthetic.hospital import profiles
from openchronic_assets.synthetic.referentials import in_year, of_hospitals
from openchronic_assets.synthetic.text import Frame, cents, pick, same, whole, year_of
from openchronic_assets.synthetic.universe import Universe

if TYPE_CHECKING:
    from openchronic_assets.synthetic.generate import Block, Request

Ints = npt.NDArray[np.int64]
Frames = list[tuple[int | None, Frame]]

BASE = (
    "ER_PRS_F", "ER_PHA_F", "ER_UCD_F", "ER_CAM_F", "ER_BIO_F", "ER_ETE_F",
    "T_MCOaaB", "T_MCOaaC", "T_MCOaaD", "T_MCOaaA", "T_MCOaaUM",
    "IR_BEN_R", "IR_IMB_R", "KI_CCI_R",
)  # fmt: skip
# Tables of which the columns that matter mean something, beside those of the base set.
MODELLED = {
    "ER_ARO_F": "what the complementary cover of low incomes pays, line by line",
    "ER_TIP_F": "devices bought or rented, by illness and age",
    "ER_TRS_F": "transports to sessions and stays",
    "ER_DCT_F": "one header a claim",
    "KI_ECD_R": "the causes on each certificate, the underlying one first",
    "IR_BEN_R_ARC": "couples known before the period",
    "IR_IBA_R": "one row a person",
    "IR_MTT_R": "the treating doctor whom the person sees",
    "IR_ORC_R": "the complementary cover of low incomes",
    "IR_PHA_R": "every dispensed presentation, with its class",
    "DA_PRA_R": "every practitioner, with specialty and department",
    "BE_IDE_R": "every hospital",
    "PSEUDONYM_CROSSWALK": "the pseudonyms of this epoch and of the next one",
    "CT_IDE_AAAA_GN": "couples and their identifier",
    "CT_IND_AAAA_GN": "persons with care in the year, and the pathologies that they have",
    "OPEN_DAMIR": "the same lines, added up by month and cell",
    "OPEN_RESIDENT_POPULATION": "the persons of the extract, on 1 January",
    "OPEN_INSURED_POPULATION": "the persons of the extract, on 31 December, by scheme",
    "OPEN_PROFESSIONALS": "the practitioners of the world, by specialty and department",
    "OPEN_ESTABLISHMENTS": "the hospitals of the world",
    "OPEN_DEPRIVATION": "the quintile of each commune of the world",
    "OPEN_TERRITORY": "groupings of the communes of each department",
    "OPEN_DEVELOPMENT_INDEX": "an index of each department, lower where deprivation is higher",
    "T_MCOaaE": "the hospitals of the year",
    "T_MCOaaVALO": "the value of each public stay",
    "T_MCOaaVALOACE": "the value of each external consultation and emergency visit",
    "T_MCOaaCSTC": "external consultations and emergency visits: patient and date",
    "T_MCOaaFASTC": "external consultations and emergency visits: amounts",
    "T_MCOaaFBSTC": "emergency fees",
    "T_MCOaaFCSTC": "consultation fees",
    "T_SSRaaB": "the weeks of rehabilitation stays",
    "T_SSRaaC": "rehabilitation after acute care: patient and dates",
    "T_HADaaB": "home hospitalisation, one sub-sequence a stay",
    "T_HADaaC": "home hospitalisation: patient and dates",
    "T_RIPaaRSA": "psychiatric stays, one sequence a stay",
    "T_RIPaaC": "psychiatric stays: patient and dates",
}
# What the demonstration shows beside those: classes of drugs, treating doctors, what rates are
# measured against, territories, who came to hospitals without a stay, the value of public stays,
# rehabilitation.
SHOWN = (
    "IR_PHA_R", "IR_MTT_R", "OPEN_RESIDENT_POPULATION", "OPEN_INSURED_POPULATION",
    "OPEN_TERRITORY", "T_MCOaaCSTC", "T_MCOaaFASTC", "T_MCOaaFBSTC", "T_MCOaaFCSTC", "T_MCOaaVALO",
    "T_SSRaaB", "T_SSRaaC",
)  # fmt: skip
SETS = ("base", "demo", "core", "all")

# Share of the rows of a spine that a coherent table has; all of them where not listed here.
_SHARE = {"GVxx": 0.05, "FA": 0.3, "MED": 0.1, "IVG": 0.02, "LEG": 0.02, "PIE": 0.02}
_WHOLE = ("B", "C", "S", "RSA", "E", "GME", "GRP", "GRE", "VALO", "VALOACE", "CSTC", "FASTC")


def chosen(name: str) -> tuple[str, ...]:
    """Return the tables of a set."""
    if name == "base":
        return BASE
    if name == "demo":
        return (*BASE, *SHOWN)
    return (*BASE, *MODELLED) if name == "core" else tuple(tables())


def coverage(table: str) -> str:
    """Return what the rows of a table are worth: ``modelled`` or ``coherent``."""
    return "modelled" if table in BASE or table in MODELLED else "coherent"


def frames(made: Block, asked: Request, world: Universe, block: int) -> Frames:
    """Return the rows of a block in every chosen table that is not of the base set."""
    wanted = [name for name in chosen(asked.tables) if name not in BASE]
    if not wanted:
        return []
    rng = np.random.default_rng([asked.seed, asked.universe_persons, block, 0xE7])
    found: Frames = []
    if block == 0:
        found += referentials.of_world(rng, wanted, world, asked)
    found += referentials.of_block(rng, wanted, made, asked, world)
    found += _claims(rng, wanted, made, asked)
    for year in range(asked.years[0], asked.years[1] + 1):
        for field in ("MCO", "SSR", "HAD", "RIP"):
            names = [n for n in wanted if n.startswith(f"T_{field}") and in_year(n, year)]
            rows = _field(rng, names, field, made, asked, world, year, block)
            found += [(year, frame) for frame in rows]
    return found


def _claims(rng: np.random.Generator, wanted: list[str], made: Block, asked: Request) -> Frames:
    """Return the tables that detail claims, on the keys of their lines."""
    names = [name for name in wanted if load(name).product == "DCIR"]
    if not names:
        return []
    written = made.claims
    lines = written.lines
    flux_year = year_of(written.flux)
    nature = lines["nature"]
    luck = rng.random(len(nature))
    first = np.r_[True, lines["claim"][1:] != lines["claim"][:-1]][: len(nature)]
    some = luck < 0.02
    rows = {
        "ER_DCT_F": first,
        "ER_DTR_F": np.isin(nature, (4212, 4213, 4214)),
        "ER_LOT_F": np.isin(nature, (3311, 3312, 3313)) & some,
        "ER_INV_F": luck < 0.003,
        "ER_RAT_F": luck > 0.997,
    }
    found: Frames = []
    for name in names:
        for year in range(asked.years[0], asked.years[1] + 2):
            if name in ("ER_ARO_F", "ER_TIP_F", "ER_TRS_F") or not in_year(name, year):
                continue
            here = np.flatnonzero(rows.get(name, some) & (flux_year == year))
            where = pa.array(here)
            keys = {key: values.take(where) for key, values in written.keys.columns.items()}
            spine = Spine(
                len(here), lines["care"][here], (lines["care"] + lines["length"])[here], keys
            )
            for column in load(name).columns:
                if column.name.endswith("_ORD_NUM") and column.name not in keys:
                    spine.columns[column.name] = same("1", len(here))
            found.append((year, fill(rng, load(name).for_year(year), spine)))
    return found


def _field(
    rng: np.random.Generator,
    names: list[str],
    field: str,
    made: Block,
    asked: Request,
    world: Universe,
    year: int,
    block: int,
) -> list[Frame]:
    """Return the tables of a field and year."""
    if not names:
        return []
    keep = asked.keep(block)
    people = made.people
    stays: Spine
    if field == "MCO":
        (written,) = [each for each in made.discharged if each.year == year]
        here = np.flatnonzero((year_of(made.stays.end) == year) & (made.stays.person < keep))
        stays = spines.acute(made.stays, written.frames[0], written.frames[1], here)
        private = np.array([h.private for h in world.hospitals])[made.stays.hospital[here]]
        tariff = np.array([k.tariff for k in profiles()])[made.stays.profile[here]]
    else:
        stays = spines.field(made.fields[field], people, world, year, block, keep)
    outside = spines.consultations(made.lines.events["ace"], people, world, year, block, keep)
    found = []
    for name in names:
        contract = load(name).for_year(year)
        part = name.removeprefix(f"T_{field}aa")
        if of_hospitals(name):
            continue
        if part.endswith("STC") and part != "STC" or part == "VALOACE":
            spine = _consultations(part, outside, field, rng)
        elif field == "SSR" and "RHS_NUM" in load(name).names() and part != "LEG":
            spine = spines.weeks(stays)
        elif part == "VALO" and field == "MCO":
            spine = _value(stays.take(np.flatnonzero(~private)), tariff[~private])
        elif part in ("R3A", "R3AD"):
            spine = _ambulatory(stays)
        else:
            spine = stays
        if part not in _WHOLE and spine.count:
            share = next((s for start, s in _SHARE.items() if part.startswith(start)), 0.15)
            kept = rng.random(spine.count) < share
            # A small extract shows every table.
            kept[0] |= block == 0
            spine = spine.take(np.flatnonzero(kept))
        found.append(fill(rng, contract, spine))
    return found


def _consultations(part: str, outside: Spine, field: str, rng: np.random.Generator) -> Spine:
    if field == "SSR":
        # Few consultations are a rehabilitation hospital's.
        return outside.take(np.arange(0, outside.count, 12))
    assert outside.emergency is not None
    if part == "VALOACE":
        return _value_outside(outside)
    if part == "FBSTC":
        return outside.take(np.flatnonzero(outside.emergency))
    if part == "FCSTC":
        return outside.take(np.flatnonzero(~outside.emergency))
    return outside


def _value(stays: Spine, tariff: Ints) -> Spine:
    """Value public stays: the tariff, four fifths of it paid by the scheme."""
    paid = (tariff * 80 + 50) // 100
    stays.columns |= {"VALO": same("1", stays.count), "FLAG_FIDES": same("0", stays.count)}
    contract = load("T_MCOaaVALO")
    zero = np.zeros(stays.count, np.int64)
    stays.amounts = {
        column.name: zero for column in contract.columns if column.role == "amount"
    } | {"MNT_TOT_AM": paid, "MNT_GHS_AM": paid, "MNT_BR": tariff}
    stays.columns["TAUX2"] = cents(np.full(stays.count, 8000))
    return stays


def _value_outside(outside: Spine) -> Spine:
    """Value consultations (VALOACE): what is paid and reimbursed, and under which heading."""
    assert outside.emergency is not None
    contract = load("T_MCOaaVALOACE")
    zero = np.zeros(outside.count, np.int64)
    base, repaid = outside.amounts["MNT_BR"], outside.amounts["AMO_MNR"]
    found = replace(outside, amounts={c.name: zero for c in contract.columns if c.role == "amount"})
    for name, amount in (("VAL", base), ("BR", base), ("REMB", repaid)):
        found.amounts[f"MNT_{name}"] = amount
        found.amounts[f"MNT_{name}_ATU"] = np.where(outside.emergency, amount, 0)
        found.amounts[f"MNT_{name}_NGAP"] = np.where(outside.emergency, 0, amount)
    found.amounts["MNT_RAC"] = base - repaid
    return found


def _ambulatory(stays: Spine) -> Spine:
    """Return three ambulatory acts before each psychiatric stay."""
    row = np.repeat(np.arange(stays.count), 3)
    acts = stays.take(row)
    acts.columns["ORD_NUM"] = whole(np.arange(len(row)) % 3 + 1, width=8)
    acts.columns["ACT_NAT"] = pick(["E", "R", "D"], np.arange(len(row)) % 3)
    return acts
