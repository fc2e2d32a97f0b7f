"""How values are written in a delivery: arrays of numbers and dates into arrays of text.

A ``Frame`` is the text of the rows of one table, column by column, with the exact cents of its
amounts beside it so that the truth can add them up without reading text again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

EPOCH = date(1970, 1, 1)
_FIRST_DAY = (date(1890, 1, 1) - EPOCH).days
_LAST_DAY = (date(2110, 12, 31) - EPOCH).days

# No death, no end: further than any date that is written.
NEVER = _LAST_DAY
# The date by which SNDS says "unknown" or "open".
SENTINEL = date(1600, 1, 1)


def day(year: int, month: int = 1, number: int = 1) -> int:
    """Return a date as days since 1970, the unit of every date array here."""
    return (date(year, month, number) - EPOCH).days


def as_date(days: int) -> date:
    """Return the date of a number of days since 1970."""
    return EPOCH + timedelta(days=int(days))


def month_index(days: Ints) -> Ints:
    """Return the months since January 1970 of dates."""
    return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)


def month_start(months: Ints) -> Ints:
    """Return the first day of months since January 1970."""
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def year_of(days: Ints) -> Ints:
    """Return the calendar year of dates."""
    return days.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970


_MONTHS = np.frombuffer(b"JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC", np.uint8).reshape(12, 3)


@cache
def _days_written() -> npt.NDArray[np.uint8]:
    """Return the ten ASCII letters yyyy-mm-dd of every date that can be written."""
    days = np.r_[np.arange(_FIRST_DAY, _LAST_DAY + 1), (SENTINEL - EPOCH).days]
    text = np.datetime_as_string(days.astype("datetime64[D]")).astype("S10")
    letters: npt.NDArray[np.uint8] = text.view(np.uint8).reshape(-1, 10)
    return letters


@cache
def _calendar(form: str) -> pa.Array:
    letters = _days_written()
    year, month, number = letters[:, :4], letters[:, 5:7], letters[:, 8:]
    name = _MONTHS[(month[:, 0] - 48) * 10 + month[:, 1] - 49]
    parts: dict[str, tuple[npt.NDArray[np.uint8] | bytes, ...]] = {
        "dd/mm/yyyy": (number, b"/", month, b"/", year),
        "ddmmyyyy": (number, month, year),
        "ddMMMyyyy": (number, name, year),
        "ddMMMyyyy:HH:MM:SS": (number, name, year, b":00:00:00"),
        "yyyy-mm-dd": (letters,),
        "yyyymm": (year, month),
        "mmyyyy": (month, year),
        "yyyy": (year,),
        "mm": (month,),
    }
    columns = [
        np.tile(np.frombuffer(part, np.uint8), (len(letters), 1))
        if isinstance(part, bytes)
        else part
        for part in parts[form]
    ]
    joined = np.ascontiguousarray(np.hstack(columns))
    return pa.array(joined.view(f"S{joined.shape[1]}").ravel()).cast(pa.string())


def dates(days: Ints, form: str = "dd/mm/yyyy", unknown: Bools | None = None) -> pa.Array:
    """Write dates; ``unknown`` ones, and ``NEVER``, are written as 1600-01-01."""
    position = days - _FIRST_DAY
    position = np.where(days >= NEVER, _LAST_DAY - _FIRST_DAY + 1, position)
    if unknown is not None:
        position = np.where(unknown, _LAST_DAY - _FIRST_DAY + 1, position)
    return _calendar(form).take(pa.array(position))


def whole(values: npt.NDArray[Any], absent: Bools | None = None, width: int = 0) -> pa.Array:
    """Write whole numbers, empty where ``absent``, padded with zeros to ``width``."""
    text = pa.array(values).cast(pa.string())
    if width:
        text = pc.utf8_lpad(text, width, "0")
    return text if absent is None else pc.if_else(pa.array(absent), pa.scalar(None, "string"), text)


def cents(values: Ints) -> pa.Array:
    """Write hundredths as decimals with two places and a point: 2350 is ``23.50``."""
    unique, where = np.unique(values, return_inverse=True)
    labels = [f"{'-' if v < 0 else ''}{abs(v) // 100}.{abs(v) % 100:02d}" for v in unique.tolist()]
    return pa.array(labels, pa.string()).take(pa.array(where))


def pick(labels: Sequence[str | None], where: npt.NDArray[Any]) -> pa.Array:
    """Return the label at each position."""
    return pa.array(labels, pa.string()).take(pa.array(where))


def same(value: str | None, count: int) -> pa.Array:
    """Return ``count`` times the same text."""
    return pa.repeat(pa.scalar(value, pa.string()), count)


@dataclass
class Frame:
    """Rows of one table: text by column, cents by amount column."""

    table: str
    count: int
    columns: dict[str, pa.Array] = field(default_factory=dict)
    amounts: dict[str, Ints] = field(default_factory=dict)

    def put(self, **columns: pa.Array | str) -> None:
        """Add columns; a plain string stands on every row."""
        for name, values in columns.items():
            array = same(values, self.count) if isinstance(values, str) else values
            self.columns[name] = array

    def money(self, **columns: Ints) -> None:
        """Add amounts in cents, as text and as numbers."""
        for name, values in columns.items():
            self.columns[name] = cents(values)
            self.amounts[name] = values

    def slice(self, first: int, last: int) -> Frame:
        """Return the rows from ``first`` to before ``last``, without copying the text."""
        return Frame(
            self.table,
            last - first,
            {name: values.slice(first, last - first) for name, values in self.columns.items()},
            {name: values[first:last] for name, values in self.amounts.items()},
        )

    def take(self, kept: Bools) -> Frame:
        """Return the rows where ``kept`` holds."""
        where = pa.array(np.flatnonzero(kept))
        return Frame(
            self.table,
            int(kept.sum()),
            {name: values.take(where) for name, values in self.columns.items()},
            {name: values[kept] for name, values in self.amounts.items()},
        )
