"""The person registers of one block: IR_BEN_R (couples) and KI_CCI_R (certified deaths)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from openchronic_assets.synthetic import figures
from openchronic_assets.synthetic.conditions import Conditions
from openchronic_assets.synthetic.population import BLOCK, People
from openchronic_assets.synthetic.text import NEVER, Frame, dates, day, labels_of, pick, whole

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# Share of deaths that IR_BEN_R does not know, and that CépiDc ties to a person (2014-2015: 90.1 %).
UNKNOWN_DEATH_SHARE = 0.03
CERTIFIED_SHARE = 0.90


@dataclass
class Deaths:
    """Which register knows the death of each person; all false for the living."""

    in_register: Bools
    certified: Bools


def know(rng: np.random.Generator, people: People) -> Deaths:
    """Draw which register knows each death."""
    dead = people.death < NEVER
    luck = rng.random((2, BLOCK))
    return Deaths(dead & (luck[0] >= UNKNOWN_DEATH_SHARE), dead & (luck[1] < CERTIFIED_SHARE))


def beneficiaries(
    people: People, deaths: Deaths, last_entry: Ints, years: tuple[int, int], keep: int
) -> Frame:
    """Write IR_BEN_R: one row a (PSA, rank) couple, two for the persons who changed couple.

    ``last_entry`` is the last processing day of each person's lines, ``NEVER`` without lines.
    """
    start = day(years[0])
    single = np.arange(keep)
    twice = np.flatnonzero(people.switch[:keep] < NEVER)
    who = np.concatenate([single, twice])
    recent = np.concatenate([people.switch[:keep] < NEVER, np.zeros(len(twice), bool)])
    order = np.lexsort((recent, who))
    who, recent = who[order], recent[order]
    psa = [people.psa2[p] if new else people.psa[p] for p, new in zip(who, recent, strict=True)]
    nir = [people.nir_ano[p] for p in who]
    consumed = last_entry[who] < NEVER
    seen = np.where(consumed, last_entry[who], NEVER)
    old = ~recent & (people.switch[who] < NEVER)
    # A couple that was left is no more updated after the change.
    seen = np.where(old & consumed, np.minimum(seen, people.switch[who]), seen)
    death = np.where(deaths.in_register[who], people.death[who], NEVER)
    death = np.where(old, NEVER, death)
    created = np.where(recent, people.switch[who], np.maximum(people.birth[who] + 20, start - 3000))
    updated = np.where(seen < NEVER, seen, created)
    updated = np.where(death < NEVER, np.maximum(updated, death + 10), updated)
    frame = Frame("IR_BEN_R", len(who))
    frame.put(
        BEN_NIR_PSA=labels_of(psa),
        BEN_RNG_GEM=whole(people.rank[who]),
        BEN_NIR_ANO=labels_of(nir),
        BEN_IDT_ANO=labels_of([people.idt_ano[p] for p in who]),
        BEN_IDT_TOP=labels_of(["0" if each is None else "1" for each in nir]),
        ASS_NIR_ANO=labels_of(nir),
        BEN_IDT_MAJ=dates(created),
        BEN_CDI_NIR=pick(people.cdi, who),
        BEN_NAI_ANN=dates(people.birth[who], "yyyy"),
        BEN_NAI_MOI=dates(people.birth[who], "mm"),
        BEN_SEX_COD=whole(people.sex[who]),
        BEN_DCD_DTE=dates(death),
        BEN_DCD_AME=dates(death, "yyyymm"),
        ORG_AFF_BEN=pick(people.office, who),
        BEN_RES_DPT=pick(people.res_dpt, who),
        BEN_RES_COM=pick(people.res_com, who),
        BEN_TOP_CNS=whole(consumed.astype(np.int64)),
        MAX_TRT_DTD=dates(seen),
        BEN_DTE_INS=dates(created),
        BEN_DTE_MAJ=dates(updated),
    )
    return frame


def certified_deaths(
    rng: np.random.Generator,
    seed: int,
    people: People,
    found: Conditions,
    deaths: Deaths,
    keep: int,
) -> Frame:
    """Write KI_CCI_R: one row a death; only those tied to a person carry an identifier."""
    luck = rng.random(BLOCK)
    who = np.flatnonzero(people.death[:keep] < NEVER)
    causes: dict[int, list[tuple[str, float]]] = {}
    for row in figures.rows("causes_of_death.csv"):
        causes.setdefault(int(row["ald_num"]), []).append((row["cim10"], float(row["weight"])))
    ill = found.active(who, people.death[who])
    codes = []
    for person, number in zip(who.tolist(), ill.tolist(), strict=True):
        offer = causes[number if number in causes and luck[person] < 0.75 else 0]
        total = np.cumsum([weight for _, weight in offer])
        codes.append(offer[int(np.searchsorted(total, (luck[person] * 7 % 1) * total[-1]))][0])
    tied = deaths.certified[who]
    certificate = [
        hashlib.blake2b(f"{seed}/death/{people.first + p}".encode(), digest_size=32).hexdigest()
        for p in who.tolist()
    ]
    known = [people.idt_ano[p] if t else None for p, t in zip(who, tied, strict=True)]
    nir = [people.nir_ano[p] if t else None for p, t in zip(who, tied, strict=True)]
    top = [
        None if not t else "1" if people.nir_ano[p] else "0" for p, t in zip(who, tied, strict=True)
    ]
    frame = Frame("KI_CCI_R", len(who))
    frame.put(
        DCD_IDT_ENC=labels_of(certificate),
        DCD_IDT_TOP=whole(tied.astype(np.int64)),
        BEN_IDT_ANO=labels_of(known),
        BEN_IDT_TOP=labels_of(top),
        BEN_NIR_ANO=labels_of(nir),
        FLX_PER_ANN=dates(people.death[who], "yyyy"),
        CER_VER_NUM="1",
        TYP_CER_COD="1",
        BEN_RES_DPT=pick(people.res_dpt, who),
        BEN_RES_COM=pick(people.res_com, who),
        DCD_DPT_COD=pick(people.res_dpt, who),
        BEN_DCD_DTE=dates(people.death[who]),
        BEN_DCD_AME=dates(people.death[who], "yyyymm"),
        BEN_NAI_ANN=dates(people.birth[who], "yyyy"),
        BEN_NAI_MOI=dates(people.birth[who], "mm"),
        BEN_SEX_COD=whole(people.sex[who]),
        DCD_CIM_COD=labels_of(codes),
        DCD_CIM_VER="10",
    )
    return frame
