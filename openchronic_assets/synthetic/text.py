"""How values are written in a delivery: arrays of numbers and dates into arrays of text.

A ``Frame`` is the text of the rows of one table, column by column, with the exact cents of its
amounts beside it so that the truth can add them up without reading text again. Columns are text,
or codes with each label once (dictionaries), which is many times less to make and to write.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache, lru_cache
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
        "yyyymmdd": (year, month, number),
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


def distinct(values: Ints) -> tuple[Ints, Ints]:
    """Return the distinct values in rising order, and where each value stands among them."""
    if len(values) == 0:
        return values, values
    low = int(values.min())
    span = int(values.max()) - low + 1
    if span > 16 * len(values) + 65_536:
        # Met by hashing: only the distinct values are sorted.
        coded = pa.array(values).dictionary_encode()
        met = coded.dictionary.to_numpy()
        order = np.argsort(met)
        rank = np.empty(len(met), np.int64)
        rank[order] = np.arange(len(met))
        return met[order], rank[coded.indices.to_numpy()]
    # Numbers that lie close need no sorting.
    there = np.zeros(span, bool)
    shifted = values - low
    there[shifted] = True
    found = np.flatnonzero(there)
    rank = np.empty(span, np.int64)
    rank[found] = np.arange(len(found))
    return found + low, rank[shifted]


def stable_order(keys: Ints) -> Ints:
    """Return the positions of whole numbers from 0 in rising order, equal ones as they come.

    Sixteen bits at a time, which are sorted by counting: a third of the time of a comparison sort.
    """
    order = np.argsort((keys & 0xFFFF).astype(np.uint16), kind="stable")
    high = keys >> 16
    while high.any():
        order = order[np.argsort((high[order] & 0xFFFF).astype(np.uint16), kind="stable")]
        high = high >> 16
    return order


def pick(
    labels: Sequence[str | None] | pa.Array, where: npt.NDArray[Any], absent: Bools | None = None
) -> pa.Array:
    """Return the label at each position, nothing where ``absent``.

    Text is kept as codes and each label once: millions of cells are few labels.
    """
    known = labels if isinstance(labels, pa.Array) else pa.array(labels, pa.string())
    if known.null_count:
        missing = np.asarray(pc.is_null(known))[where]
        absent = missing if absent is None else absent | missing
        known = pc.fill_null(known, "")
    small = np.int8 if len(known) < 128 else np.int16 if len(known) < 32_768 else np.int32
    codes = pa.array(np.asarray(where).astype(small), mask=absent)
    return pa.DictionaryArray.from_arrays(codes, known)


def labels_of(texts: Sequence[str | None]) -> pa.Array:
    """Return texts that repeat, as codes."""
    return pa.array(texts, pa.string()).dictionary_encode()


def plain(column: pa.Array) -> pa.Array:
    """Return a column as text, each cell written out."""
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column


def dates(
    days: Ints,
    form: str = "dd/mm/yyyy",
    unknown: Bools | None = None,
    absent: Bools | None = None,
) -> pa.Array:
    """Write dates, empty where ``absent``; ``unknown`` ones, and ``NEVER``, as 1600-01-01."""
    position = days - _FIRST_DAY
    position = np.where(days >= NEVER, _LAST_DAY - _FIRST_DAY + 1, position)
    if unknown is not None:
        position = np.where(unknown, _LAST_DAY - _FIRST_DAY + 1, position)
    found, where = distinct(position)
    written = _calendar(form).take(pa.array(found))
    if "d" in form:
        return pick(written, where, absent)
    # Days of one month, or year, are written the same.
    once = written.dictionary_encode()
    return pick(once.dictionary, once.indices.to_numpy()[where], absent)


def whole(values: npt.NDArray[Any], absent: Bools | None = None, width: int = 0) -> pa.Array:
    """Write whole numbers, empty where ``absent``, padded with zeros to ``width``."""
    found, where = distinct(values.astype(np.int64, copy=False))
    text = pa.array(found).cast(pa.string())
    if width:
        text = pc.utf8_lpad(text, width, "0")
    return pick(text, where, absent)


@lru_cache(maxsize=200_000)
def _amount(value: int) -> str:
    return f"{'-' if value < 0 else ''}{abs(value) // 100}.{abs(value) % 100:02d}"


def cents(values: Ints) -> pa.Array:
    """Write hundredths as decimals with two places and a point: 2350 is ``23.50``."""
    found, where = distinct(values)
    return pick([_amount(value) for value in found.tolist()], where)


def same(value: str | None, count: int) -> pa.Array:
    """Return ``count`` times the same text."""
    if value is None:
        return pa.nulls(count, pa.string())
    return pa.DictionaryArray.from_arrays(np.zeros(count, np.int8), [value])


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
