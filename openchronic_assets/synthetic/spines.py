"""What the rows of every table hang on: claims, stays of the four fields, consultations, couples.

Keys are made here, once, so that every table of a field joins. Numbers of stays are unique with
the hospital within a year, and come back the next year.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from openchronic_assets.synthetic.fields import FieldStays
from openchronic_assets.synthetic.filler import Spine
from openchronic_assets.synthetic.hospital import Stays
from openchronic_assets.synthetic.population import People
from openchronic_assets.synthetic.text import Frame, dates, labels_of, pick, same, whole, year_of
from openchronic_assets.synthetic.universe import Universe, pmsi_department

Ints = npt.NDArray[np.int64]

RETURNS = ("NIR_RET", "NAI_RET", "SEX_RET", "SEJ_RET", "FHO_RET", "PMS_RET", "DAT_RET",
           "COH_NAI_RET", "COH_SEX_RET", "IAS_RET", "ENT_DAT_RET")  # fmt: skip
NUMBER_WIDTH = {"SSR": 7, "HAD": 5, "RIP": 6}
NUMBER_NAME = {"SSR": "RHA_NUM", "HAD": "RHAD_NUM", "RIP": "RIP_NUM"}
# Hospital numbers of five characters leave room for the stays of this many in a block and year.
_PER_BLOCK = {"SSR": 4000, "HAD": 800, "RIP": 2000}


def base36(values: Ints, width: int) -> pa.Array:
    """Write numbers in base 36, so that short keys have room: 5 characters hold 60 million."""
    digits = np.array(list("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    letters = [digits[(values // 36**power) % 36] for power in range(width - 1, -1, -1)]
    joined = letters[0]
    for letter in letters[1:]:
        joined = np.char.add(joined, letter)
    return pa.array(joined, pa.string())


def patient(people: People, world: Universe, who: Ints, when: Ints) -> dict[str, pa.Array]:
    """Return what hospital tables say of a patient on a day."""
    age = people.age(when, who)
    second = when >= people.switch[who]
    psa = np.where(second, np.array(people.psa2)[who], np.array(people.psa)[who])
    places, home = world.departments, people.place_on(when, who)
    return {
        "NIR_ANO_17": labels_of(psa.tolist()),
        "AGE_ANN": whole(age, age < 1),
        "AGE_JOU": whole(when - people.birth[who], age >= 1),
        "COD_SEX": whole(people.sex[who]),
        "BDI_DEP": pick([pmsi_department(d) for d in places], home),
        "BDI_COD": pick([d + "00" if len(d) == 3 else d + "000" for d in places], home),
        "RNG_NAI": same("1", len(who)),
    }


def acute(stays: Stays, b: Frame, c: Frame, kept: Ints) -> Spine:
    """Return the acute stays of a year: the keys are those of tables B and C."""
    shared = ("ETA_NUM", "RSA_NUM", "AGE_ANN", "AGE_JOU", "COD_SEX", "BDI_DEP", "BDI_COD",
              "SOR_ANN", "SOR_MOI", "GHS_NUM", "ETE_GHS_NUM", "ENT_MOD", "SOR_MOD")  # fmt: skip
    columns = {name: b.columns[name] for name in shared}
    columns["NIR_ANO_17"] = c.columns["NIR_ANO_17"]
    columns["NUM_FAC"] = b.columns["RSA_NUM"]
    columns["ETA_NUM_GEO"] = b.columns["ETA_NUM"]
    columns["DGN_PAL"] = b.columns["DGN_PAL"]
    return Spine(len(kept), stays.start[kept], stays.end[kept], columns, {}, stays.code[kept])


def field(
    stays: FieldStays, people: People, world: Universe, year: int, block: int, keep: int
) -> Spine:
    """Return the stays of another field that end in a year."""
    here = np.flatnonzero((year_of(stays.end) == year) & (stays.person < keep))
    part = stays.keep(here)
    count, name = len(part), NUMBER_NAME[stays.field]
    number = block * _PER_BLOCK[stays.field] + np.arange(count)
    eta = pick([h.finess for h in world.hospitals], part.hospital)
    none = pa.scalar(None, pa.string())
    columns = patient(people, world, part.person, part.start)
    places = ("ETA_NUM", "ETA_NUM_EPMSI", "ETA_NUM_GEO", "ETA_NUM_TWO", "ETA_NUM_JUR")
    columns |= dict.fromkeys(places, eta)
    columns |= {key: same("0", count) for key in RETURNS}
    columns[name] = base36(number, NUMBER_WIDTH[stays.field])
    columns["SEJ_NUM"] = base36(number, 5)
    columns["ENT_MOD"] = pick(["8", "7"], part.from_acute.astype(np.int64))
    columns["ENT_PRV"] = pick([None, "1"], part.from_acute.astype(np.int64))
    columns["SOR_MOD"] = pick(["8", "9"], part.died.astype(np.int64))
    columns["SOR_DES"] = pa.array([None] * count, none.type)
    columns["SEJ_NBJ"] = whole(part.end - part.start)
    columns["FAC_NUM"] = columns["NUM_FAC"] = columns["SEJ_IDT"] = columns["SEJ_NUM"]
    columns["IPP_IRR_CRY"] = _local(people, part.person, part.hospital)
    columns["GRG_GME"] = same("0147A1", count)
    columns["GRC_GME"] = same("0147A1", count)
    columns["PAP_GRP_GHPC"] = same("0302", count)
    for key in ("SEQ_NUM", "SSEQ_NUM", "SEQ_SEQ_NUM", "RHS_NUM"):
        columns[key] = same("1".zfill(4 if key in ("SEQ_NUM", "SSEQ_NUM") else 3), count)
    return Spine(count, part.start, part.end, columns, {}, part.code)


def _local(people: People, who: Ints, hospital: Ints) -> pa.Array:
    """Return the number of a patient within a hospital (IPP), hashed as RIM-P does."""
    return pa.array(
        [
            hashlib.blake2b(f"{h}/{people.psa[p]}".encode(), digest_size=8).hexdigest()
            for p, h in zip(who.tolist(), hospital.tolist(), strict=True)
        ],
        pa.string(),
    )


def weeks(spine: Spine) -> Spine:
    """Return the weeks of rehabilitation stays: each has its number and its days of presence."""
    length = spine.end - spine.start + 1
    number = np.maximum((length + 6) // 7, 1)
    row = np.repeat(np.arange(spine.count), number)
    rank = np.arange(len(row)) - np.repeat(np.cumsum(number) - number, number)
    found = spine.take(row)
    found.columns["RHS_NUM"] = whole(rank + 1, width=3)
    monday = spine.start[row] + 7 * rank
    found.columns["MOI_ANN"] = dates(np.minimum(monday, spine.end[row]), "mmyyyy")
    found.columns["RHS_ANT_SEJ_ENT"] = whole(7 * rank)
    found.columns["JP_HWE"] = same("11111", len(row))
    found.columns["JP_WE"] = same("11", len(row))
    return found


def consultations(
    events: dict[str, Ints], people: People, world: Universe, year: int, block: int, keep: int
) -> Spine:
    """Return the external consultations (ACE) of a year, with their amounts in cents."""
    here = np.flatnonzero((year_of(events["day"]) == year) & (events["person"] < keep))
    part = {name: values[here] for name, values in events.items()}
    count, who, when = len(here), part["person"], part["day"]
    eta = pick([h.finess for h in world.hospitals], part["hospital"])
    columns = patient(people, world, who, when)
    columns |= {key: same("0", count) for key in RETURNS}
    columns["ETA_NUM"] = columns["ETA_NUM_GEO"] = eta
    columns["SEQ_NUM"] = base36(block * 8000 + np.arange(count), 8)
    columns["RHA_NUM"] = columns["NUM_FAC"] = columns["SEJ_NUM"] = columns["SEQ_NUM"]
    columns["SOR_ANN"], columns["SOR_MOI"] = dates(when, "yyyy"), dates(when, "mm")
    columns["ACT_COD"] = pick(["CS", "ATU" if year < 2022 else "FPU"], part["emergency"])
    columns["ACT_COE"], columns["ACT_NBR"] = same("1.00", count), same("1", count)
    columns["ACT_DNB"], columns["DEL_DAT_ENT"] = same("1", count), same("0", count)
    columns["EXE_SPE"] = same("01", count)
    columns["REM_TAU"] = whole(part["rate"])
    columns["VALO"] = same("1", count)
    repaid = (part["base"] * part["rate"] + 50) // 100
    amounts = {
        "PH_BRM": np.where(part["emergency"] == 1, part["base"], 0),
        "PH_AMO_MNR": np.where(part["emergency"] == 1, repaid, 0),
        "HON_MNT": np.where(part["emergency"] == 1, 0, part["base"]),
        "HON_AM_MNR": np.where(part["emergency"] == 1, 0, repaid),
        "REM_BAS": part["base"],
        "AMO_MNR": repaid,
        "MNT_TOT_AM": repaid,
        "MNT_BR": part["base"],
    }
    return Spine(count, when, when.copy(), columns, amounts, None, part["emergency"] == 1)
