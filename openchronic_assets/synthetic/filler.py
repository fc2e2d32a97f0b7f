"""Coherent rows for the tables that no model of care writes: one rule, driven by the contract.

A ``Spine`` is what such rows hang on (the stays of a field, the lines of claims, the couples): it
knows its keys and what its patients share. ``fill`` gives each column of a contract what the spine
knows under its name, else a plausible value for its name, type and role. Such rows join, and stay
within their stay's dates; they carry no clinical meaning: ``coverage`` says which tables do.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from openchronic_assets.contracts import Column, Table
from openchronic_assets.synthetic import figures
from openchronic_assets.synthetic.text import Frame, cents, dates, labels_of, pick, same, whole

Ints = npt.NDArray[np.int64]

_FORMS = {
    "%d/%m/%Y": "dd/mm/yyyy",
    "%d%m%Y": "ddmmyyyy",
    "%d%b%Y": "ddMMMyyyy",
    "%d%b%Y:%H:%M:%S": "ddMMMyyyy:HH:MM:SS",
    "%Y-%m-%d": "yyyy-mm-dd",
    "%Y%m%d": "yyyymmdd",
}
# Text that holds a month: its form.
_MONTH_TEXT = {"EXE_SOI_AMF": "yyyymm", "EXE_SOI_AMD": "yyyymm", "ANN_MOI": "yyyymm",
               "MOI_ANN": "mmyyyy", "MOI_ANN_SOR_SEJ": "mmyyyy"}  # fmt: skip
_ENDS = ("DTF", "SOR", "FIN", "AMF")
_CODES = {
    "IR_ACT_COD": ("C", "CS", "ATU", "SE1", "FTN", "K", "Z"),
    "CSARR": ("ALQ+183", "ALQ+065", "ALQ+110", "ALQ+247", "ALQ+137"),
    "MS_ENR_V": ("2",),
    "IR_HAD_PEC_PAL": ("03", "04", "05", "06"),
    "NT_LPP": ("1130220", "2105650", "1358360"),
}


@dataclass
class Spine:
    """Rows to hang others on; ``start`` and ``end`` are days, ``columns`` text by SNDS name."""

    count: int
    start: Ints
    end: Ints
    columns: dict[str, pa.Array] = field(default_factory=dict)
    amounts: dict[str, Ints] = field(default_factory=dict)
    cim10: npt.NDArray[np.str_] | None = None
    emergency: npt.NDArray[np.bool_] | None = None

    def take(self, rows: Ints) -> Spine:
        """Return some rows, as often as asked."""
        where = pa.array(rows)
        return Spine(
            len(rows),
            self.start[rows],
            self.end[rows],
            {name: values.take(where) for name, values in self.columns.items()},
            {name: values[rows] for name, values in self.amounts.items()},
            None if self.cim10 is None else self.cim10[rows],
            None if self.emergency is None else self.emergency[rows],
        )


def fill(rng: np.random.Generator, contract: Table, spine: Spine) -> Frame:
    """Return one row of a contract's year for each row of a spine."""
    frame = Frame(contract.name, spine.count)
    for column in contract.columns:
        if column.name in spine.amounts:
            frame.money(**{column.name: spine.amounts[column.name]})
        elif column.name in spine.columns:
            frame.columns[column.name] = spine.columns[column.name]
        else:
            frame.columns[column.name] = _value(rng, column, spine)
    return frame


def _value(rng: np.random.Generator, column: Column, spine: Spine) -> pa.Array:
    name, count = column.name, spine.count
    if column.role == "identifier_dropped" or column.domain not in (None, "person"):
        return pa.nulls(count, pa.string())
    moment = spine.end if any(part in name for part in _ENDS) else spine.start
    if column.type in ("date", "datetime"):
        return dates(moment, _FORMS[column.formats[0]])
    if column.type in ("year", "yearmonth", "month"):
        # Rows belong to the year of discharge, whatever the day they begin.
        form = {"year": "yyyy", "yearmonth": "yyyymm", "month": "mm"}[column.type]
        return dates(moment if name.startswith("ENT") else spine.end, form)
    if name in _MONTH_TEXT:
        return dates(spine.end, _MONTH_TEXT[name])
    if column.type == "decimal":
        return _decimal(rng, column, count)
    if column.role == "quantity":
        return whole(rng.integers(1, 4, count))
    if column.type == "integer" and column.nomenclature not in ("NT_LPP",):
        return same("0" if "TOP" in name or "RET" in name else "1", count)
    if column.role == "code" or column.nomenclature:
        return _code(rng, column, spine)
    if column.role == "text":
        return same("SYNTHETIQUE", count)
    return pa.nulls(count, pa.string())


def _decimal(rng: np.random.Generator, column: Column, count: int) -> pa.Array:
    if column.scale == 0:
        return whole(rng.integers(1, 4, count))
    if column.role == "amount" or "PRI" in column.name:
        return cents(rng.integers(100, 9000, count))
    return same("1." + "0" * min(column.scale, 2), count)


def _code(rng: np.random.Generator, column: Column, spine: Spine) -> pa.Array:
    name, list_name = column.name, (column.nomenclature or "").split(":")[0]
    if name.startswith(("DGN", "ASS_DGN")) or list_name in ("MS_CIM_V", "IR_CIM_V"):
        if spine.cim10 is not None:
            return labels_of(spine.cim10.tolist())
        return same("Z098", spine.count)
    if "CCAM" in list_name or name in ("CDC_ACT", "CCAM_COD"):
        labels: tuple[str, ...] = tuple(row["ccam"] for row in figures.rows("acts.csv"))
    elif list_name == "IR_BIO_R" or name == "NABM_COD":
        labels = tuple(row["code"].zfill(4) for row in figures.rows("biology.csv"))
    elif "UCD" in list_name or "UCD_COD" in name or "COD_UCD" in name:
        labels = tuple(f"000000{row['ucd7']}" for row in figures.rows("ucd_drugs.csv"))
    elif list_name in _CODES:
        labels = _CODES[list_name]
    elif name.startswith("ACT_COD"):
        labels = _CODES["IR_ACT_COD"]
    else:
        # Return codes and flags that say "nothing wrong", else the first value of a list.
        labels = ("0",) if name.endswith(("_RET", "_TOP", "_CTL", "_ERR")) else ("1",)
    return pick(labels, rng.integers(0, len(labels), spine.count))
