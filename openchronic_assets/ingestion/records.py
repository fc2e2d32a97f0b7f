"""SAS and Parquet files as numbered lines: each row written as the text that a CSV would hold.

So a table meets the same contract, the same exact casts and the same balance whatever its
container. The first row is line 1: there is no header line. What a type can say and a text would
blur is written so that it is refused, not guessed: a number with noise beyond its decimals keeps
all of them, an instant with a time zone keeps its mark unless it is midnight.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import io
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from pandas.io.sas.sas_constants import (  # type: ignore[import-not-found]
    sas_date_formats,
    sas_datetime_formats,
)

from openchronic_assets.ingestion import lines
from openchronic_assets.ingestion.formats import Format, UnreadableFile, measure
from openchronic_assets.ingestion.lines import Block

ROWS = 8_192  # rows held at once
SEPARATOR = ";"
_EPOCH_DAYS = (datetime.date(1970, 1, 1) - datetime.date(1960, 1, 1)).days  # SAS counts from 1960
_DAY = 86_400
_FURTHEST = 3_000_000  # days from 1960 beyond which SAS has no date
_WHOLE = 2**53  # beyond it a floating number does not tell neighbours apart


def read_header(path: Path, form: Format) -> str:
    """Return the names of the columns as a header line.

    Raises:
        UnreadableFile: the file is not of its format, or a column holds more than one value a row.
    """
    if form.kind == "parquet":
        with _shield(form), pq.ParquetFile(path) as table:
            schema = table.schema_arrow
        if any(pa.types.is_nested(field.type) for field in schema):
            raise UnreadableFile("nested_column")
        names = schema.names
    else:
        with _shield(form), _sas(path) as table:
            names = [column.name for column in table.columns]
    # A name that would be cut in two is none of a contract.
    return SEPARATOR.join(re.sub(r'[;,|\t"\r\n]', "_", name).strip() or "_" for name in names)


def numbered(path: Path, form: Format) -> Iterator[Block]:
    """Yield every row as a line, in blocks.

    Raises:
        UnreadableFile: the file is not of its format, is damaged, or holds fewer rows than it says
            (which its library finds out).
    """
    size, expanded, number = path.stat().st_size, 0, 1
    rows = _parquet_rows(path) if form.kind == "parquet" else _sas_rows(path)
    try:
        with _shield(form):
            for columns in rows:
                for block in _blocks(columns, number):
                    expanded += len(block.data)
                    measure(size, expanded)
                    yield block
                number += len(columns[0])
    except UnreadableFile as error:
        raise UnreadableFile(error.code, number - 1) from error


@contextlib.contextmanager
def _shield(form: Format) -> Iterator[None]:
    """Turn what a library raises over damaged bytes, which may be anything, into one error."""
    try:
        yield
    except UnreadableFile:
        raise
    except UnicodeDecodeError as error:
        raise UnreadableFile(f"{form.kind}_encoding") from error
    except Exception as error:
        # A place or a length that the damaged bytes ask for, and that cannot be, is the file's own.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL, errno.EOVERFLOW):
            raise  # the disk's
        raise UnreadableFile(f"not_{form.kind}") from error


def _parquet_rows(path: Path) -> Iterator[list[pa.Array]]:
    with pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False) as table:
        for batch in table.iter_batches(ROWS, use_threads=False):
            if batch.num_rows:
                yield [_texts(column) for column in batch.columns]


def _texts(values: pa.Array) -> pa.Array:
    """Return values as the texts that the contract's casts take."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        return _texts(values.dictionary_decode())
    if pa.types.is_boolean(kind):
        values = values.cast(pa.int8())
    elif pa.types.is_floating(kind):
        return _numbers(values)
    elif pa.types.is_timestamp(kind):
        return _instants(values)
    elif pa.types.is_date64(kind):
        values = values.cast(pa.date32())
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        # A byte that is not UTF-8 refuses its line later, as in a text.
        return pc.cast(values, options=pc.CastOptions(pa.string(), allow_invalid_utf8=True))
    try:
        return values.cast(pa.string())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        texts = [None if each is None else str(each) for each in values.to_pylist()]
        return pa.array(texts, pa.string())


def _numbers(values: pa.Array) -> pa.Array:
    """Write floating numbers with the fewest decimals that tell them, never with an exponent."""
    if pa.types.is_float16(values.type):
        values = values.cast(pa.float32())
    floats = values.to_numpy(zero_copy_only=False)
    with np.errstate(invalid="ignore"):
        whole = (np.abs(floats) < _WHOLE) & (floats == np.trunc(floats))
    integers = pa.array(np.where(whole, floats, 0).astype(np.int64)).cast(pa.string())
    texts = pc.if_else(pa.array(whole), integers, values.cast(pa.string()))
    exponents = pc.fill_null(pc.match_substring_regex(texts, "^[-0-9.]+e"), False)
    if pc.any(exponents).as_py():
        rewritten = [
            f"{Decimal(text):f}" if exponent else text
            for text, exponent in zip(texts.to_pylist(), exponents.to_pylist(), strict=True)
        ]
        texts = pa.array(rewritten, pa.string())
    return pc.if_else(values.is_valid(), texts, pa.scalar(None, pa.string()))


def _instants(values: pa.Array) -> pa.Array:
    """Write instants without empty fractions; the mark of a zone stays beside a time of day."""
    texts = pc.replace_substring_regex(values.cast(pa.string()), r"\.0+(Z?)$", r"\1")
    return pc.replace_substring_regex(texts, r" 00:00:00Z$", " 00:00:00")


@contextlib.contextmanager
def _sas(path: Path) -> Iterator[Any]:
    with contextlib.redirect_stdout(io.StringIO()):  # over odd headers it prints
        opened = pd.read_sas(path, format="sas7bdat", chunksize=ROWS, encoding="infer")
    table: Any
    with opened as table:
        # Its conversion drops the part of a day from a date; ours keeps it, to be refused.
        table.convert_dates = False
        yield table


def _sas_rows(path: Path) -> Iterator[list[pa.Array]]:
    with _sas(path) as table:
        forms = [str(column.format) for column in table.columns]
        for frame in table:
            yield [_sas_texts(frame.iloc[:, place], form) for place, form in enumerate(forms)]


def _sas_texts(values: pd.Series[Any], form: str) -> pa.Array:
    if values.dtype.kind != "f":
        return pa.array(values, pa.string(), from_pandas=True)
    floats = values.to_numpy()
    texts = _numbers(pa.array(floats, from_pandas=True))
    if form in sas_date_formats:
        return _where(floats, _FURTHEST, _EPOCH_DAYS, pa.int32(), pa.date32(), texts)
    if form in sas_datetime_formats:
        seconds = pa.timestamp("s")
        return _where(floats, _FURTHEST * _DAY, _EPOCH_DAYS * _DAY, pa.int64(), seconds, texts)
    return texts


def _where(
    floats: npt.NDArray[np.float64],
    furthest: int,
    epoch: int,
    stored: pa.DataType,
    to: pa.DataType,
    otherwise: pa.Array,
) -> pa.Array:
    """Write whole counts since 1960 as dates or instants; what is none stays a number."""
    with np.errstate(invalid="ignore"):
        whole = (np.abs(floats) < furthest) & (floats == np.trunc(floats))
    counts = pa.array(np.where(whole, floats, 0).astype(np.int64) - epoch)
    return pc.if_else(pa.array(whole), counts.cast(stored).cast(to).cast(pa.string()), otherwise)


def _blocks(columns: list[pa.Array], number: int) -> Iterator[Block]:
    """Write some rows, the first of which has a number, as lines."""
    rows = len(columns[0])
    feeds = np.zeros(rows, dtype=bool)
    data = _csv(columns)
    if data.count(b"\n") != rows:
        for place, texts in enumerate(columns):
            found = pc.fill_null(pc.match_substring(texts, "\n"), False)
            feeds |= np.asarray(found.to_numpy(zero_copy_only=False), dtype=bool)
            columns[place] = pc.replace_substring(texts, "\n", " ")
        data = _csv(columns)
    whole = Block(number, data)
    bounds = np.append(np.int64(0), whole.ends.astype(np.int64))
    long = np.diff(bounds) > lines.MAX_LINE
    begin = 0
    for place in np.flatnonzero(feeds | long).tolist():
        if place > begin:
            yield Block(number + begin, data[bounds[begin] : bounds[place]])
        line = data[bounds[place] : bounds[place + 1]]
        if long[place]:
            yield lines.overlong(number + place, line)
        else:
            yield Block(number + place, line, "line_feed")
        begin = place + 1
    if begin < rows:
        yield Block(number + begin, data[bounds[begin] :])


def _csv(columns: list[pa.Array]) -> bytes:
    table = pa.table(columns, names=[str(place) for place in range(len(columns))])
    # Quotes only where a text needs them: quoted cells are slower to read back.
    for quotes in ("none", "needed"):
        sink = pa.BufferOutputStream()
        options = pyarrow.csv.WriteOptions(
            include_header=False, delimiter=SEPARATOR, quoting_style=quotes
        )
        try:
            pyarrow.csv.write_csv(table, sink, options)
        except pa.ArrowInvalid:
            continue
        return bytes(sink.getvalue())
    raise AssertionError("quoted texts can always be written")
