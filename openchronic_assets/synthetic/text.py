"""How values are written in a delivery: arrays of numbers and dates into arrays of text.

A ``Frame`` is the text of the rows of one table, column by column, with the exact cents of its
amounts beside it so that the truth can add them up without reading text again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
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


_WRITERS: dict[str, Callable[[date], str]] = {
    "dd/mm/yyyy": lambda d: f"{d.day:02d}/{d.month:02d}/{d.year:04d}",
    "ddmmyyyy": lambda d: f"{d.day:02d}{d.month:02d}{d.year:04d}",
    "ddMMMyyyy:HH:MM:SS": lambda d: f"{d.day:02d}{MONTHS[d.month - 1]}{d.year:04d}:00:00:00",
    "yyyymm": lambda d: f"{d.year:04d}{d.month:02d}",
    "yyyy": lambda d: f"{d.year:04d}",
    "mm": lambda d: f"{d.month:02d}",
}


@cache
def _calendar(form: str) -> pa.Array:
    write = _WRITERS[form]
    days = [write(as_date(each)) for each in range(_FIRST_DAY, _LAST_DAY + 1)]
    return pa.array([*days, write(SENTINEL)], pa.string())


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

    def take(self, kept: Bools) -> Frame:
        """Return the rows where ``kept`` holds."""
        where = pa.array(np.flatnonzero(kept))
        return Frame(
            self.table,
            int(kept.sum()),
            {name: values.take(where) for name, values in self.columns.items()},
            {name: values[kept] for name, values in self.amounts.items()},
        )
