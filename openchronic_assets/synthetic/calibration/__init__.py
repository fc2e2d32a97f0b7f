"""The public counts that the synthetic population is calibrated on, as arrays.

Each CSV of this folder is one tidy table; ``sources.json`` says where each public count comes
from, under which licence and of which date, ``README.md`` what is an assumption of ours, and
``build.py`` rewrites the public ones from the published files.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@cache
def rows(name: str) -> tuple[dict[str, str], ...]:
    """Return the rows of one calibration table."""
    text = resources.files(__name__).joinpath(name).read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


@dataclass(frozen=True)
class HospitalCodes:
    """Hospital diagnoses by CIM-10 code, most frequent first; ``share`` sums to one.

    ``tail`` holds, by first letter, the share of the codes too rare to be listed; it is not in
    ``codes``.
    """

    codes: tuple[str, ...]
    count: Ints
    share: Floats
    tail: dict[str, float]


@dataclass(frozen=True)
class DispensedDrugs:
    """Reimbursed presentations of city pharmacies, largest reimbursed amount first.

    ``atc`` is the class on seven characters or three, empty when unknown; ``units`` the units of a
    pack (0 unknown); ``price`` in cents; ``rate`` in percent; ``reimbursed`` in euros and ``boxes``
    over the years of the source; ``tail_boxes`` the boxes of what is not listed.
    """

    cip13: tuple[str, ...]
    cip7: tuple[str, ...]
    atc: tuple[str, ...]
    units: Ints
    price: Ints
    rate: Ints
    reimbursed: Ints
    boxes: Ints
    tail_boxes: int


@cache
def hospital_codes() -> HospitalCodes:
    """Return the hospital diagnoses by CIM-10 code."""
    table = rows("hospital_codes.csv")
    total = sum(int(row["diagnoses"]) for row in table)
    listed = [row for row in table if not row["cim10"].endswith("*")]
    count = np.array([int(row["diagnoses"]) for row in listed], np.int64)
    tail = {
        row["cim10"][0]: int(row["diagnoses"]) / total
        for row in table
        if row["cim10"].endswith("*")
    }
    share = count / count.sum()
    return HospitalCodes(tuple(row["cim10"] for row in listed), count, share, tail)


@cache
def drugs() -> DispensedDrugs:
    """Return the presentations dispensed in city pharmacies."""
    table = rows("dispensed_drugs.csv")
    listed = [row for row in table if row["cip13"] != "*"]

    def numbers(column: str) -> Ints:
        return np.array([int(row[column] or 0) for row in listed], np.int64)

    return DispensedDrugs(
        cip13=tuple(row["cip13"] for row in listed),
        cip7=tuple(row["cip7"] for row in listed),
        atc=tuple(row["atc"] for row in listed),
        units=numbers("units"),
        price=numbers("price_cents"),
        rate=numbers("rate"),
        reimbursed=numbers("reimbursed_euros"),
        boxes=numbers("boxes"),
        tail_boxes=sum(int(row["boxes"]) for row in table if row["cip13"] == "*"),
    )
