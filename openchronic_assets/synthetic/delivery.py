"""Writing a delivery: files under a hidden folder, renamed when the last one is complete.

A block of persons is turned into ``Piece``s (what it adds to each file) wherever it was drawn, in
this process or another; one ``Delivery`` appends the pieces in the order of the blocks.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache, lru_cache
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv as pa_csv

from openchronic_assets.contracts import Table, load
from openchronic_assets.errors import OpenChronicError, UsageError
from openchronic_assets.synthetic import dirt as dirt_of
from openchronic_assets.synthetic.layout import LAYOUTS, Layout, file_name
from openchronic_assets.synthetic.text import Frame, plain

# Least rows of a Parquet row group but the last: a block of a large table is one by itself, which
# spares joining the codes of several. Rows of every small table wait for so many.
ROW_GROUP = 8_192


@dataclass(frozen=True)
class Form:
    """In what form an extract is written: layout, format, and how dirty."""

    layout: str
    format: str
    dirt: str
    seed: int
    last_year: int

    @property
    def rules(self) -> Layout:
        """The rules of the layout."""
        return LAYOUTS[self.layout]

    def contract(self, table: str, year: int | None) -> Table:
        """Return the contract of a file: that of its period, the last year's for registers."""
        if year is None:
            return _contract(table, self.last_year)
        return _contract(table, year // 100 if year > 9999 else year)

    def name(self, table: str, year: int | None) -> str:
        """Return the name of a file."""
        return file_name(table, year, layout=self.layout, form=self.format)


@cache
def _contract(table: str, year: int) -> Table:
    return load(table).for_year(year)


@dataclass
class Piece:
    """What one block adds to one file; ``dirt`` counts lines from the piece's first one.

    ``good`` rows come first, then the added ones: ``bad`` to be refused, ``extra`` to be kept.
    """

    name: str
    table: str
    content: bytes | pa.Table
    good: int
    bad: int
    extra: int
    sums: dict[str, int]
    dirt: list[dirt_of.Planted]


def as_table(frame: Frame, contract: Table, rules: Layout) -> pa.Table:
    """Return the rows of a frame in the columns of a contract; what is not modelled is empty.

    A modelled column that the contract does not have in that year is left out.
    """
    empty = pa.nulls(frame.count, pa.string())
    columns = [
        rules.write(column, frame.columns[column.name]) if column.name in frame.columns else empty
        for column in contract.columns
    ]
    return pa.table(columns, names=rules.header(contract))


def piece(frame: Frame, year: int | None, form: Form, place: tuple[int, int, int]) -> Piece:
    """Return what a frame adds to its file.

    ``place`` is the seed, the block and the frame's position in it: they seed its dirt.
    """
    contract = form.contract(frame.table, year)
    rows = as_table(frame, contract, form.rules)
    if form.format == "csv" or form.dirt != "none":
        rows = pa.table([plain(each.chunk(0)) for each in rows.columns], names=rows.column_names)
    present = set(contract.names())
    sums = {n: int(c.sum()) for n, c in frame.amounts.items() if n in present}
    bad: list[dirt_of.Bad] = []
    planted: list[dirt_of.Planted] = []
    if form.dirt != "none" and frame.count:
        rng = np.random.default_rng([*place, 0xD127])
        rows, planted = dirt_of.soil(rng, contract, rows, form.dirt)
        bad = dirt_of.bad_rows(
            rng, contract, rows, form.dirt, form.rules.separator, form.format, place[1] == 0
        )
    content: bytes | pa.Table
    if form.format == "parquet":
        extra = [each.values for each in bad]
        if extra:
            added = [pa.array(list(column), pa.string()) for column in zip(*extra, strict=True)]
            rows = pa.concat_tables([rows, pa.table(added, names=rows.column_names)])
            rows = rows.combine_chunks()
        # What is empty need not travel.
        filled = {
            name: _lean(each.chunk(0))
            for name, each in zip(rows.column_names, rows.columns, strict=True)
            if each.null_count < len(each)
        }
        content = pa.table(filled) if filled else rows.select([])
    else:
        buffer = io.BytesIO()
        options = pa_csv.WriteOptions(
            include_header=False, delimiter=form.rules.separator, quoting_style="none"
        )
        if rows.num_rows:
            pa_csv.write_csv(rows, buffer, options)
        for each in bad:
            buffer.write(each.raw + b"\n")
        content = buffer.getvalue()
        if form.name(frame.table, year).endswith(".gz"):
            # A member of its own: blocks are compressed where they are drawn.
            content = _compressed(content) if content else b""
    for number, each in enumerate(bad, frame.count + 1):
        planted.append(dirt_of.Planted(number, each.kind, each.column, each.becomes, each.reason))
    refused = sum(each.becomes == "quarantined" for each in bad)
    return Piece(
        name=form.name(frame.table, year),
        table=frame.table,
        content=content,
        good=frame.count,
        bad=refused,
        extra=len(bad) - refused,
        sums=sums,
        dirt=planted,
    )


def _lean(column: pa.Array) -> pa.Array:
    """Return a column whose dictionary holds no more values than there are rows.

    Pieces of a small file wait for each other, and each would hold a list as long as all codes.
    """
    if not pa.types.is_dictionary(column.type) or len(column.dictionary) <= len(column):
        return column
    return column.dictionary_decode().dictionary_encode()


def _compressed(content: bytes) -> bytes:
    # No name and no time inside: the same rows are the same bytes.
    return gzip.compress(content, compresslevel=1, mtime=0)


@dataclass
class FileTruth:
    """What one file holds: rows, added rows to refuse or to keep, exact sums of the good rows."""

    table: str
    good: int = 0
    bad: int = 0
    extra: int = 0
    sums: dict[str, int] = field(default_factory=dict)

    def amounts(self) -> dict[str, str]:
        """Return the sums as decimals with two places."""
        return {name: str(Decimal(cents).scaleb(-2)) for name, cents in sorted(self.sums.items())}


class GroupedWriter:
    """A Parquet file written in row groups of ``ROW_GROUP`` and some, each of whole pieces.

    Rows may lack columns, which are then empty. ``coded``: text is handed to Parquet as codes, as
    the rows hold it; what is read is the same text.
    """

    def __init__(self, path: Path, schema: pa.Schema, *, coded: bool = False) -> None:
        if coded:
            schema = pa.schema([(each.name, _CODES) for each in schema])
        self._schema = schema
        # Nobody filters an extract by its statistics, and they are a fifth of the writing.
        self._writer = pq.ParquetWriter(
            path,
            schema,
            compression="lz4",
            write_statistics=False,
            # The schema of Arrow would have readers take codes for the type.
            store_schema=not coded,
        )
        self._waiting: list[pa.Table] = []
        self._rows = 0

    def write(self, rows: pa.Table) -> None:
        """Add rows."""
        self._waiting.append(rows)
        self._rows += rows.num_rows
        if self._rows >= ROW_GROUP:
            self._write()

    def _write(self) -> None:
        """Write the rows that wait as one row group."""
        parts, count = self._waiting, self._rows
        self._waiting, self._rows = [], 0
        columns = [_joined(parts, each) for each in self._schema]
        self._writer.write_table(pa.table(columns, schema=self._schema), count)

    def close(self) -> None:
        """Write what waits and close the file."""
        if self._rows:
            self._write()
        self._writer.close()


_CODES = pa.dictionary(pa.int32(), pa.string())


def _joined(parts: list[pa.Table], wanted: pa.Field) -> pa.Array:
    """Return a column of several tables as one array of the wanted type."""
    number = [each.schema.get_field_index(wanted.name) for each in parts]
    if max(number) < 0:
        return _nothing(sum(each.num_rows for each in parts), wanted.type)
    arrays: list[pa.Array] = []
    for part, at in zip(parts, number, strict=True):
        if at < 0:
            arrays.append(_nothing(part.num_rows, wanted.type))
            continue
        for chunk in part.column(at).chunks:
            if pa.types.is_dictionary(wanted.type):
                codes = chunk if pa.types.is_dictionary(chunk.type) else chunk.dictionary_encode()
                chunk = pa.DictionaryArray.from_arrays(
                    codes.indices.cast(pa.int32()), codes.dictionary, safe=False
                )
            arrays.append(chunk)
    return arrays[0] if len(arrays) == 1 else pa.concat_arrays(arrays)


@lru_cache(maxsize=8)
def _nothing(count: int, kind: pa.DataType) -> pa.Array:
    return pa.nulls(count, kind)


class Delivery:
    """A delivery being written beside ``out``; nothing shows there before ``publish``."""

    def __init__(self, out: Path, truth: Path, form: Form) -> None:
        self.out, self.truth, self.form = out, truth, form
        for folder in (out, truth):
            if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
                raise UsageError(
                    f"{folder} exists already; name another folder or remove this one first"
                )
        self.work = out.parent / f".{out.name}.partial"
        self.truth_work = truth.parent / f".{truth.name}.partial"
        self.files: dict[str, FileTruth] = {}
        self._handles: dict[str, IO[bytes]] = {}
        self._writers: dict[str, GroupedWriter] = {}

    def __enter__(self) -> Delivery:
        """Clear what a killed run left, and begin."""
        for folder in (self.work, self.truth_work):
            shutil.rmtree(folder, ignore_errors=True)
            try:
                folder.mkdir(parents=True)
            except OSError as error:
                raise UsageError(
                    f"{folder.parent} cannot be written to ({error.strerror}); name another --out"
                ) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave nothing behind when something failed."""
        try:
            self._close()
        except OSError:
            if kind is None:
                raise
        finally:
            if kind is not None:
                for folder in (self.work, self.truth_work):
                    shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise OpenChronicError(
                f"writing {self.out} failed: {error.strerror or type(error).__name__}; nothing is"
                " left there. Free some space or name another --out"
            ) from error

    def _close(self) -> None:
        handles: list[IO[bytes] | GroupedWriter] = [
            *self._handles.values(),
            *self._writers.values(),
        ]
        self._handles, self._writers = {}, {}
        failure: OSError | None = None
        for handle in handles:
            try:
                handle.close()
            except OSError as error:
                failure = failure or error
        if failure is not None:
            raise failure

    def begin(self, table: str, year: int | None) -> None:
        """Open a file and write its header, so that it exists even without rows."""
        name = self.form.name(table, year)
        header = self.form.rules.header(self.form.contract(table, year))
        self.files[name] = FileTruth(table)
        if self.form.format == "parquet":
            schema = pa.schema([pa.field(each, pa.string()) for each in header])
            self._writers[name] = GroupedWriter(self.work / name, schema, coded=True)
            return
        line = (self.form.rules.separator.join(header) + "\n").encode()
        handle = (self.work / name).open("wb")
        self._handles[name] = handle
        handle.write(_compressed(line) if name.endswith(".gz") else line)

    def add(self, added: Piece) -> list[tuple[str, dirt_of.Planted]]:
        """Append a piece to its file; return its dirt with the lines of the file."""
        if added.name not in self.files:
            raise KeyError(added.name)
        known = self.files[added.name]
        # Line 1 is the header of a text file; Parquet rows count from 1.
        before = known.good + known.bad + known.extra + (0 if self.form.format == "parquet" else 1)
        if isinstance(added.content, bytes):
            self._handles[added.name].write(added.content)
        else:
            self._writers[added.name].write(added.content)
        known.good += added.good
        known.bad += added.bad
        known.extra += added.extra
        for column, cents in added.sums.items():
            known.sums[column] = known.sums.get(column, 0) + cents
        return [(added.name, each.moved(before)) for each in added.dirt]

    def checksums(self) -> dict[str, str]:
        """Close the files and return the SHA-256 of each."""
        self._close()
        found = {}
        for name in sorted(self.files):
            with (self.work / name).open("rb") as handle:
                found[name] = hashlib.file_digest(handle, "sha256").hexdigest()
        return found

    def publish(self, manifest: dict[str, Any]) -> None:
        """Write the manifest and the marker, then give both folders their names."""
        text = json.dumps(manifest, indent=2, ensure_ascii=False, sort_keys=True)
        (self.work / "delivery.json").write_text(text + "\n", encoding="utf-8")
        (self.work / "_SUCCESS").touch()
        for folder, target in ((self.truth_work, self.truth), (self.work, self.out)):
            if target.exists():
                target.rmdir()
            folder.rename(target)
