"""Dirt as deliveries have it: odd rows that must load, and bad rows that must be refused.

Bad rows are copies of good ones with one thing wrong, added to the good rows, so that the truth of
a dirty extract is that of the clean one. Catalogue: snds_model chapter 5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from openchronic_assets.contracts import Column, Table
from openchronic_assets.synthetic.text import Frame

KINDS = ("bad_date", "three_decimals", "extra_separator", "text_in_number")
LEVELS = ("none", "realistic")

ODD_SHARE = 0.004
BAD_SHARE = 1 / 4000

# Columns whose values come padded with blanks; keys only with blanks after.
TRAILING = ("BEN_NIR_PSA", "NIR_ANO_17")
BOTH_SIDES = ("MED_MTF_COD", "CAM_PRS_IDE", "CDC_ACT", "UCD_UCD_COD", "DCD_CIM_COD")


@dataclass(frozen=True)
class Bad:
    """One planted bad row: what is wrong, where (``column`` empty for a whole row), its text."""

    kind: str
    column: str
    text: str


def soil(rng: np.random.Generator, frame: Frame) -> dict[str, int]:
    """Make some good values look odd, in place; return how many of each kind."""
    counts: dict[str, int] = {}
    for names, kind in ((TRAILING, "padded_key"), (BOTH_SIDES, "padded_code")):
        for name in names:
            if name not in frame.columns:
                continue
            values = frame.columns[name]
            odd = rng.random(frame.count) < ODD_SHARE
            before = "" if names is TRAILING else " "
            padded = pc.binary_join_element_wise(before, values, "  ", "")
            frame.columns[name] = pc.if_else(pa.array(odd), padded, values)
            there = pc.and_(pa.array(odd), pc.is_valid(values))
            counts[kind] = counts.get(kind, 0) + int(pc.sum(there).as_py() or 0)
    if "PHA_PRS_C13" in frame.columns:
        values = frame.columns["PHA_PRS_C13"]
        odd = rng.random(frame.count) < ODD_SHARE
        as_float = pc.binary_join_element_wise(values, ".0", "")
        frame.columns["PHA_PRS_C13"] = pc.if_else(pa.array(odd), as_float, values)
        counts["float_cip13"] = int(odd.sum())
    return counts


def bad_rows(
    rng: np.random.Generator, contract: Table, rows: pa.Table, each_kind: bool
) -> list[Bad]:
    """Return bad rows made from some of ``rows``; with ``each_kind``, at least one of each kind.

    A kind that a table cannot have (no date, no amount) is left out.
    """
    count = rows.num_rows
    number = int(rng.poisson(count * BAD_SHARE))
    wanted = [str(kind) for kind in rng.choice(KINDS, number)]
    if each_kind:
        wanted = [*KINDS, *wanted]
    if count == 0:
        return []
    spoiled = []
    for kind in wanted:
        position = int(rng.integers(0, count))
        values = [rows.column(i)[position].as_py() for i in range(rows.num_columns)]
        made = _spoil(rng, contract, values, kind)
        if made is not None:
            spoiled.append(made)
    return spoiled


def _spoil(
    rng: np.random.Generator, contract: Table, values: list[str | None], kind: str
) -> Bad | None:
    values = list(values)
    if kind == "extra_separator":
        middle = len(values) // 2
        values[middle] = f"{values[middle] or ''};"
        return Bad(kind, "", ";".join(value or "" for value in values))
    candidates = [
        position
        for position, column in enumerate(contract.columns)
        if values[position] is not None and column.is_loaded and _fits(column, kind)
    ]
    if not candidates:
        return None
    position = candidates[int(rng.integers(0, len(candidates)))]
    column = contract.columns[position]
    values[position] = {
        "bad_date": _impossible_date(str(values[position])),
        "three_decimals": "12.345",
        "text_in_number": "ABC",
    }[kind]
    return Bad(kind, column.name, ";".join(value or "" for value in values))


def _fits(column: Column, kind: str) -> bool:
    if kind == "bad_date":
        return column.type in ("date", "datetime")
    if kind == "three_decimals":
        return column.role == "amount" and column.type == "decimal" and column.scale == 2
    return column.type == "integer"


def _impossible_date(written: str) -> str:
    """Return 31 February in the form of a written date."""
    if "/" in written:
        return f"31/02/{written[-4:]}"
    if ":" in written:
        return f"31FEB{written[5:]}"
    return f"3102{written[4:]}"
