"""DAMIR: the lines of the extract added up by month of flux and cell, without persons.

Each block gives its cells; the extract adds them up, so that the open file says exactly what the
claims say. The base part of a line has ``PRS_REM_TYP`` 0; a complement paid beside it has 2.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from openchronic_assets.contracts import Table
from openchronic_assets.synthetic.claims import Claims
from openchronic_assets.synthetic.filler import Spine
from openchronic_assets.synthetic.population import People
from openchronic_assets.synthetic.text import (
    Frame,
    cents,
    dates,
    month_index,
    month_start,
    same,
    whole,
)
from openchronic_assets.synthetic.universe import Universe

Ints = npt.NDArray[np.int64]

TABLES = ("OPEN_DAMIR", "MA_REM_FT")
_REGIONS = {
    11: "75 77 78 91 92 93 94 95",
    24: "18 28 36 37 41 45",
    27: "21 25 39 58 70 71 89 90",
    28: "14 27 50 61 76",
    32: "02 59 60 62 80",
    44: "08 10 51 52 54 55 57 67 68 88",
    52: "44 49 53 72 85",
    53: "22 29 35 56",
    75: "16 17 19 23 24 33 40 47 64 79 86 87",
    76: "09 11 12 30 31 32 34 46 48 65 66 81 82",
    84: "01 03 07 15 26 38 42 43 63 69 73 74",
    93: "04 05 06 13 83 84 2A 2B",
    5: "971 972 973 974 976",
}
REGION_OF = {code: region for region, codes in _REGIONS.items() for code in codes.split()}

# Dimensions of a cell, and its sums; amounts in cents, quantities in hundredths.
_CELL = ("FLX_ANN_MOI", "SOI_ANN", "SOI_MOI", "AGE_BEN_SNDS", "BEN_RES_REG", "BEN_SEX_COD",
         "EXE_INS_REG", "PRS_NAT", "ASU_NAT", "EXO_MTF", "PSE_SPE_SNDS", "PRS_REM_TAU",
         "PRS_REM_TYP", "CPL_COD")  # fmt: skip
_SUMS = ("PRS_ACT_QTE", "PRS_ACT_NBR", "PRS_PAI_MNT", "PRS_REM_BSE", "PRS_REM_MNT", "PRS_DEP_MNT")


def cells(claims: Claims, people: People, world: Universe) -> pa.Table:
    """Return the cells of a block."""
    lines, flux = claims.lines, month_index(claims.flux)
    who, care = lines["person"], month_index(lines["care"])
    age = people.age(lines["care"], who)
    executor = lines["executor"]
    region = np.array([REGION_OF[d] for d in world.departments])
    base = {
        "FLX_ANN_MOI": (1970 + flux // 12) * 100 + flux % 12 + 1,
        "SOI_ANN": 1970 + care // 12,
        "SOI_MOI": care % 12 + 1,
        "AGE_BEN_SNDS": np.where(age < 20, 0, np.minimum(age // 10 * 10, 80)),
        "BEN_RES_REG": region[people.place_on(lines["care"], who)],
        "BEN_SEX_COD": people.sex[who],
        # Of who has no number of the world, the region is not known: 0.
        "EXE_INS_REG": np.where(executor > 0, region[world.homes[executor]], 0),
        "PRS_NAT": lines["nature"],
        "ASU_NAT": lines["insurance"],
        "EXO_MTF": lines["exo"],
        "PSE_SPE_SNDS": lines["specialty"],
        "PRS_REM_TAU": lines["rate"],
        "PRS_REM_TYP": np.zeros(len(who), np.int64),
        "CPL_COD": lines["affined"],
        "PRS_ACT_QTE": np.where(lines["affined"] == 16, 0, lines["quantity"]),
        "PRS_ACT_NBR": np.where(lines["top"] == 0, np.sign(lines["quantity"]) * 100, 0),
        "PRS_PAI_MNT": lines["paid"],
        "PRS_REM_BSE": lines["base"],
        "PRS_REM_MNT": lines["repaid"],
        "PRS_DEP_MNT": lines["paid"] - lines["base"] - lines["cpl_base"],
    }
    # A complement is a part of its own: nothing but what is paid for it.
    beside = np.flatnonzero(lines["cpl_repaid"] != 0)
    complement = {name: values[beside] for name, values in base.items()}
    for name in _SUMS:
        complement[name] = np.zeros(len(beside), np.int64)
    complement["PRS_REM_TYP"] = np.full(len(beside), 2)
    complement["PRS_REM_MNT"] = lines["cpl_repaid"][beside]
    both = {name: np.r_[values, complement[name]] for name, values in base.items()}
    return join([pa.table(both)])


def join(parts: list[pa.Table]) -> pa.Table:
    """Add cells up, in the order of their dimensions."""
    summed = (
        pa.concat_tables(parts)
        .group_by(list(_CELL), use_threads=False)
        .aggregate([(name, "sum") for name in _SUMS])
    )
    summed = summed.rename_columns([name.removesuffix("_sum") for name in summed.column_names])
    return summed.select([*_CELL, *_SUMS]).sort_by([(name, "ascending") for name in _CELL])


def spine(found: pa.Table) -> Spine:
    """Return cells as rows to be written."""
    values = {name: found.column(name).to_numpy() for name in found.column_names}
    columns = {name: whole(values[name]) for name in _CELL}
    columns["PRS_REM_TAU"] = cents(values["PRS_REM_TAU"] * 100)
    month = values["FLX_ANN_MOI"]
    columns["FLX_DIS_DTD"] = dates(month_start((month // 100 - 1970) * 12 + month % 100 - 1))
    for name in ("PRS_ACT_QTE", "PRS_ACT_NBR"):
        columns[name] = columns[name.replace("PRS", "FLT")] = cents(values[name])
    amounts = {name: values[name] for name in _SUMS[2:]}
    base = values["PRS_REM_TYP"] == 0
    for name, open_name in (
        ("PRS_PAI_MNT", "FLT_PAI_MNT"),
        ("PRS_REM_MNT", "FLT_REM_MNT"),
        ("PRS_DEP_MNT", "FLT_DEP_MNT"),
    ):
        amounts[open_name] = np.where(base, values[name], 0)
    count = found.num_rows
    return Spine(count, np.zeros(count, np.int64), np.zeros(count, np.int64), columns, amounts)


def frame(contract: Table, found: pa.Table) -> Frame:
    """Write cells as a table of DAMIR; a dimension that is not modelled is 0 or empty."""
    rows = spine(found)
    made = Frame(contract.name, rows.count)
    for column in contract.columns:
        if column.name in rows.amounts:
            made.money(**{column.name: rows.amounts[column.name]})
        elif column.name in rows.columns:
            made.columns[column.name] = rows.columns[column.name]
        elif column.type in ("integer", "decimal"):
            made.columns[column.name] = same("0", rows.count)
    return made
