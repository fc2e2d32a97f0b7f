"""Writing the care of a block as DCIR: flux months, the nine keys, and six tables by flux year."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from openchronic_assets.synthetic import figures
from openchronic_assets.synthetic.care import covered
from openchronic_assets.synthetic.followup import acts
from openchronic_assets.synthetic.hospital import rank_within
from openchronic_assets.synthetic.ledger import NULL, Care
from openchronic_assets.synthetic.medicine import drugs
from openchronic_assets.synthetic.population import People
from openchronic_assets.synthetic.text import (
    NEVER,
    Frame,
    cents,
    dates,
    distinct,
    labels_of,
    month_index,
    month_start,
    pick,
    stable_order,
    whole,
    year_of,
)
from openchronic_assets.synthetic.universe import Universe

Ints = npt.NDArray[np.int64]

# Months between the month of care and the flux month: nearly all within six months, stragglers
# up to two years (essentiel_snds: 99 % at six months).
LAGS = np.array([1, 2, 3, 4, 5, 6, 8, 10, 12, 18, 24])
LAG_SHARES = np.array([0.70, 0.19, 0.05, 0.023, 0.012, 0.008, 0.007, 0.004, 0.003, 0.002, 0.001])
CLAIMS_A_BLOCK = 4_000_000


@dataclass
class Claims:
    """The care of a block as it was written: frames by flux year, and the lines in file order.

    ``keys`` holds the nine keys of each line, ``flux`` its flux month and ``last_entry`` the last
    processing day of each person (``NEVER`` without lines).
    """

    frames: dict[int, list[Frame]]
    lines: dict[str, Ints]
    keys: Frame
    flux: Ints
    last_entry: Ints


def write(
    rng: np.random.Generator,
    care: Care,
    people: People,
    world: Universe,
    years: tuple[int, int],
    block: int,
    keep: int,
) -> Claims:
    """Write the care of a block.

    Flux years run to the year after the last care year; later stragglers arrive in its December.
    """
    lines = care.lines
    count = len(lines["person"])
    claims = int(lines["claim"].max()) + 1 if count else 0
    last_flux = (years[1] + 1 - 1970) * 12 + 11
    lag = rng.choice(LAGS, claims, p=LAG_SHARES / LAG_SHARES.sum())
    more = rng.integers(1, 4, claims)
    processed = rng.integers(1, 26, claims)
    qualifier_lost = rng.random(count) < 0.005
    month = np.zeros(claims, np.int64)
    month[lines["claim"]] = month_index(lines["care"])
    month = np.minimum(month + lag, last_flux)
    undone = np.full(claims, NULL)
    undone[lines["claim"]] = lines["undoes"]
    later = np.flatnonzero(undone != NULL)
    month[later] = np.minimum(month[undone[later]] + more[later], last_flux)
    flux = month_start(month)
    # Entered in the system during the month before the data are made available.
    entered = month_start(month - 1) + processed

    # Lines are in the order of flux months, then of claims.
    turn = np.empty(claims, np.int64)
    turn[stable_order(month)] = np.arange(claims)
    kept = np.flatnonzero(lines["person"] < keep)
    order = kept[stable_order(turn[lines["claim"][kept]])]
    place = np.full(count, NULL)
    place[order] = np.arange(len(order))
    sorted_lines = {name: values[order] for name, values in lines.items()}
    claim = sorted_lines["claim"]
    who = sorted_lines["person"]
    number = block * CLAIMS_A_BLOCK // 4 + claim // 4
    keys = Frame("keys", len(order))
    keys.put(
        # The claim number alone is not a key: senders share the numbers.
        DCT_ORD_NUM=whole(number % 1_000_000_000),
        FLX_DIS_DTD=dates(flux[claim]),
        FLX_EMT_NUM=whole(1 + claim % 4),
        FLX_EMT_ORD=whole(number // 1_000_000_000 + people.scheme[who]),
        FLX_EMT_TYP="1",
        FLX_TRT_DTD=dates(entered[claim]),
        ORG_CLE_NUM=_lived(people, "office", who, sorted_lines["care"]),
        PRS_ORD_NUM=whole(rank_within(claim)),
        REM_TYP_AFF=whole(sorted_lines["affinity"]),
    )
    frames = [_lines(sorted_lines, flux[claim], keys, people, world, qualifier_lost[order])]
    owners = [np.arange(len(order))]
    for table, details in sorted(care.details.items()):
        where = place[details.line]
        rows = np.flatnonzero(where != NULL)
        rank = details.columns.get("order", np.zeros(len(where), np.int64))
        rows = rows[stable_order(where[rows] * 64 + rank[rows])]
        columns = {name: values[rows] for name, values in details.columns.items()}
        frames.append(_details(table, columns, where[rows], keys, world))
        owners.append(where[rows])
    # Lines stand in the order of their flux month, so a year is a run of them.
    flux_year = year_of(flux[claim])
    by_year: dict[int, list[Frame]] = {}
    for year in range(years[0], years[1] + 2):
        first, last = np.searchsorted(flux_year, (year, year + 1)).tolist()
        by_year[year] = [
            frame.slice(*np.searchsorted(owner, (first, last)).tolist())
            for frame, owner in zip(frames, owners, strict=True)
        ]
    last_entry = np.full(len(people), NEVER)
    np.minimum.at(last_entry, who, -entered[claim])
    last_entry = np.where(last_entry == NEVER, NEVER, -last_entry)
    return Claims(by_year, sorted_lines, keys, flux[claim], last_entry)


def _lines(
    lines: dict[str, Ints],
    flux: Ints,
    keys: Frame,
    people: People,
    world: Universe,
    qualifier_lost: npt.NDArray[np.bool_],
) -> Frame:
    who, care = lines["person"], lines["care"]
    frame = Frame("ER_PRS_F", len(who))
    frame.columns.update(keys.columns)
    age = people.age(care, who)
    months = np.maximum((care - people.birth[who]) // 30.4375, 0).astype(np.int64)
    # A death is on the lines that were processed after it.
    death = np.where(people.death[who] <= flux, people.death[who], NEVER)
    ends = care + lines["length"]
    executor, prescriber = lines["executor"], lines["prescriber"]
    # Numbers come with their key digit in some months: eight characters are the number.
    long_number = month_index(flux) % 7 == 3
    numbers = _numbers(world.numbers)
    with_key = np.where(long_number, len(world.numbers), 0)
    positions = pa.array(who)

    def of_person(column: pa.Array) -> pa.Array:
        return column.take(positions)

    def practitioner(which: Ints, absent: npt.NDArray[np.bool_] | None = None) -> pa.Array:
        # Of the country's numbers, those of the block: a file repeats its labels block by block.
        found, where = distinct(np.where(which > 0, which + with_key, 0))
        return pick(numbers.take(pa.array(found)), where, absent)

    rate = cents(lines["rate"] * 100)
    frame.put(
        BEN_NIR_PSA=pick(*_couples(people, who, care)),
        BEN_RNG_GEM=of_person(whole(people.rank)),
        BEN_CDI_NIR=of_person(labels_of(people.cdi)),
        BEN_AMA_COD=whole(np.where(age < 2, 1000 + np.minimum(months, 23), age)),
        BEN_NAI_ANN=of_person(dates(people.birth, "yyyy")),
        BEN_SEX_COD=of_person(whole(people.sex)),
        BEN_DCD_DTE=dates(death),
        BEN_DCD_AME=dates(death, "yyyymm"),
        BEN_RES_DPT=_lived(people, "res_dpt", who, care),
        BEN_RES_COM=_lived(people, "res_com", who, care),
        BEN_CMU_TOP=of_person(whole(covered(people))),
        ORG_AFF_BEN=keys.columns["ORG_CLE_NUM"],
        RGM_COD=of_person(whole(people.scheme * 100 + 1)),
        RGM_GRG_COD=of_person(whole(people.scheme)),
        EXE_SOI_DTD=dates(care),
        EXE_SOI_DTF=dates(ends),
        EXE_SOI_AMD=dates(care, "yyyymm"),
        EXE_SOI_AMF=dates(ends, "yyyymm"),
        PRE_PRE_DTD=_date_or_sentinel(lines["prescribed"]),
        PRE_PRE_AMD=_date_or_sentinel(lines["prescribed"], "yyyymm"),
        BSE_REM_PRU=cents(lines["price"]),
        BSE_REM_SGN=whole(np.where(lines["base"] < 0, -1, 1)),
        CPL_REM_SGN=whole(np.where(lines["cpl_repaid"] < 0, -1, 1)),
        PRS_ACT_CFT="1.00",
        PRS_ACT_COG=cents(np.sign(lines["quantity"]) * 100),
        PRS_ACT_NBR=cents(np.where(lines["top"] == 0, np.sign(lines["quantity"]) * 100, 0)),
        PRS_ACT_QTE=cents(np.where(lines["affined"] == 16, 0, lines["quantity"])),
        BSE_PRS_NAT=whole(lines["base_nature"]),
        CPL_PRS_NAT=whole(lines["complement"]),
        PRS_NAT_REF=whole(lines["nature"]),
        CPL_AFF_COD=whole(lines["affined"]),
        CPL_MAJ_TOP=whole(lines["top"]),
        DPN_QLF=whole(lines["qualifier"], qualifier_lost & (lines["qualifier"] == 0)),
        PRS_DPN_QLP=whole(lines["transmitted"]),
        EXO_MTF=whole(lines["exo"]),
        RGO_ASU_NAT=whole(lines["insurance"]),
        RGO_REM_TAU=rate,
        RGO_THE_TAU=rate,
        PFS_EXE_NUM=practitioner(executor),
        PSE_SPE_COD=whole(lines["specialty"]),
        PSE_STJ_COD=pick(["1", "2"], (executor == 0).astype(np.int64)),
        PFS_PRE_NUM=practitioner(prescriber, prescriber == NULL),
        PSP_SPE_COD=whole(np.where(prescriber > 0, 1, 0)),
        PRS_MTT_NUM=practitioner(people.gp_on(care, who)),
        PRS_PDS_QCP=pick(["1", "2"], ((executor + who) % 11 == 0).astype(np.int64)),
        PRS_REJ_TOP="0",
    )
    frame.money(
        PRS_PAI_MNT=lines["paid"],
        BSE_REM_BSE=lines["base"],
        BSE_REM_MNT=lines["repaid"],
        CPL_REM_BSE=lines["cpl_base"],
        CPL_REM_MNT=lines["cpl_repaid"],
        PRS_DEP_MNT=lines["paid"] - lines["base"] - lines["cpl_base"],
        RGO_MOD_MNT=np.zeros(len(who), np.int64),
    )
    return frame


def _date_or_sentinel(days: Ints, form: str = "dd/mm/yyyy") -> pa.Array:
    return dates(np.maximum(days, 0), form, unknown=days == NULL)


def _couples(people: People, who: Ints, when: Ints) -> tuple[list[str], Ints]:
    """Return the pseudonyms of the block, and which of them each person has on a day."""
    twice = np.flatnonzero(people.switch < NEVER)
    after = np.zeros(len(people), np.int64)
    after[twice] = len(people) + np.arange(len(twice))
    labels = [*people.psa, *(people.psa2[person] for person in twice.tolist())]
    return labels, np.where(when >= people.switch[who], after[who], who)


def _lived(people: People, name: str, who: Ints, when: Ints) -> pa.Array:
    """Return what is written of the residence of people on the days of their care."""
    texts = labels_of([*getattr(people, name), *getattr(people, f"{name}_before")])
    return texts.take(pa.array(np.where(when < people.moved[who], who + len(people), who)))


@lru_cache(maxsize=4)
def _numbers(numbers: tuple[str, ...]) -> pa.Array:
    """Return the practitioners' numbers, then the same with their key digit."""
    return pa.array([*numbers, *(f"{n}{sum(map(ord, n)) % 10}" for n in numbers)], pa.string())


def _details(
    table: str, columns: dict[str, Ints], where: Ints, keys: Frame, world: Universe
) -> Frame:
    """Write one detail table; ``where`` is the position of each row's line among the keys."""
    frame = Frame(table, len(where))
    take = pa.array(where)
    frame.columns.update({name: values.take(take) for name, values in keys.columns.items()})
    if table == "ER_PHA_F":
        known = drugs()
        frame.put(
            PHA_ORD_NUM=whole(columns["order"]),
            PHA_PRS_C13=pick(known.cip13, columns["drug"]),
            PHA_PRS_IDE=pick(known.cip7, columns["drug"]),
            PHA_ACT_QSN=whole(columns["boxes"]),
            PHA_ACT_PRU=cents(columns["price"]),
            PHA_DEC_QSU="0",
            PHA_SEQ_RNV="0",
        )
    elif table == "ER_BIO_F":
        frame.put(
            BIO_ORD_NUM=whole(columns["order"]),
            BIO_PRS_IDE=whole(columns["code"]),
            BIO_ACT_QSN=whole(columns["quantity"]),
        )
    elif table == "ER_CAM_F":
        frame.put(
            CAM_ORD_NUM=whole(columns["order"]),
            CAM_PRS_IDE=pick(acts(), columns["act"]),
            CAM_ACT_COD=whole(columns["activity"]),
            CAM_TRT_PHA="0",
            CAM_ACT_PRU=cents(columns["price"]),
        )
        frame.money(CAM_REM_BSE=columns["base"])
    elif table == "ER_UCD_F":
        # Six zeros and the seven digits of the code, as delivered.
        ucd = [f"000000{row['ucd7']}" for row in figures.rows("ucd_drugs.csv")]
        frame.put(
            UCD_ORD_NUM=whole(columns["order"]),
            UCD_UCD_COD=pick(ucd, columns["drug"]),
            UCD_TOP_UCD="0",
            UCD_DLV_NBR=whole(columns["units"]),
            UCD_FAC_PRU=cents(np.abs(columns["total"])),
            UCD_FRC_COE="0.0000",
            UCD_LGN_NUM="1",
        )
        frame.money(UCD_TTF_MNT=columns["total"])
    elif table == "ER_TIP_F":
        frame.put(
            TIP_ORD_NUM=whole(columns["order"]),
            TIP_PRS_IDE=pick([r["code"] for r in figures.rows("devices.csv")], columns["device"]),
            TIP_PRS_TYP="1",
            TIP_ACT_QSN=whole(columns["quantity"]),
            TIP_ACT_PRU=cents(columns["price"]),
        )
    elif table == "ER_TRS_F":
        frame.put(
            ITR_ORD_NUM=whole(columns["order"]),
            TRS_DTD_DTE=dates(columns["day"]),
            TRS_DTF_DTE=dates(columns["day"]),
            TRS_DTD_AME=dates(columns["day"], "yyyymm"),
            TRS_DTF_AME=dates(columns["day"], "yyyymm"),
            TRS_TRP_HRD="900",
            TRS_TRP_HRA="945",
        )
    elif table == "ER_ARO_F":
        frame.put(
            ARO_ORD_NUM=whole(columns["order"]),
            ARO_PRS_NAT=whole(columns["nature"]),
            ARO_REM_TYP="2",
            ARO_ASU_NAT="10",
            ARO_REM_TAU=cents(columns["share"] * 100),
            ARO_THE_TAU=cents(columns["share"] * 100),
            ARO_REM_SGN=whole(np.where(columns["total"] < 0, -1, 1)),
        )
        frame.money(ARO_REM_BSE=columns["base"], ARO_REM_MNT=columns["total"])
    else:
        frame.put(
            ETB_EXE_FIN=pick([h.finess[:8] for h in world.hospitals], columns["hospital"]),
            ETE_IND_TAA=whole(columns["taa"]),
            PRS_PPU_SEC=whole(columns["sector"]),
            ETE_CAT_COD=whole(columns["category"]),
            ETE_TYP_COD=whole(columns["kind"]),
            ETE_GHS_NUM=whole(columns["ghs"]),
            MDT_COD=whole(columns["mode"]),
        )
    return frame
