"""One delivered file, parsed: typed rows to Parquet, refused rows to quarantine, both counted.

``parse_file`` is a pure function of a file, its contract and a secret. It needs no Spark; the
Spark job calls it once a file. Memory is bounded by ``CHUNK`` whatever the size of the file: its
lines stream by, chunk by chunk, each chunk one part on either side.

A chunk is read twofold. Plain lines are cast by Arrow, column by column (``plain``). All others,
and the plain ones with a cell that is not plain, take the careful path: DuckDB splits each of
them, casts and judges its cells (``casting``). Kept rows of both are one table again, in the order
of the file. Why two paths: ``docs/decisions/0002-parse-fast-path.md``.
"""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from openchronic_assets.contracts import Column, load
from openchronic_assets.errors import OpenChronicError
from openchronic_assets.ingestion import casting, identity, lines, structure
from openchronic_assets.ingestion.formats import REMEDIES, UnreadableFile
from openchronic_assets.ingestion.plain import NO_LINES, PlainReader, arrow_type
from openchronic_assets.ingestion.report import Amount, FileReport
from openchronic_assets.ingestion.shape import shape_sql
from openchronic_assets.ingestion.source import Source
from openchronic_assets.slices import NONE, is_yearly, slice_columns, slice_sql

CHUNK = 64 << 20  # bytes of text held at once
PERIODS = ("date", "datetime", "year", "yearmonth")
ROW_GROUP = 122_880  # what DuckDB scans by
SAMPLE = 5_000  # first lines, which decide date formats and the decimal mark
FIRST_REFUSED = 5  # places of refused rows that a report names

# With these, a cut BEN_IDT_ANO is made whole (identity.person_identity_sql).
_IDENTITY_PARTS = ("BEN_IDT_TOP", "BEN_NIR_PSA", "BEN_RNG_GEM")


@dataclass(frozen=True)
class ParseTask:
    """All that a worker needs to parse one file; plain values, so that it travels."""

    path: str  # where the file is
    source: str  # its name in the delivery, as rows will carry it
    table: str
    period: str
    year: int | None
    year_source: str
    delivery_id: str
    sha256: str
    stamp: tuple[int, int]  # size and modification time when the file was hashed
    out: str  # folder for typed parts
    quarantine: str  # folder for refused parts
    scratch: str
    accept_structure: bool = False
    threads: int = 1
    memory: str = "2GB"


def parse_file(task: ParseTask, secret: bytes) -> FileReport:
    """Parse one file into ``task.out`` and ``task.quarantine``, both replaced if there.

    Returns a report in every case that a delivery can cause; whatever a file holds, no exception
    and no message carries a value of it.

    Raises:
        OpenChronicError: the machine failed, not the file: no room on disk or in memory, or the
            file cannot be opened. Nothing of the attempt is left.
    """
    path = Path(task.path)
    report = FileReport(task.source, task.table, task.period, task.year, task.year_source)
    report.sha256, report.bytes = task.sha256, path.stat().st_size
    out, quarantine, scratch = Path(task.out), Path(task.quarantine), Path(task.scratch)
    for folder in (out, quarantine, scratch):
        shutil.rmtree(folder, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        _parse(task, Source(path), secret, report)
        if report.status == "loaded" and stamp_of(path) != task.stamp:
            _unreadable(report, "changed_while_read", 0)
    except UnreadableFile as error:
        _unreadable(report, error.code, error.line)
    except (OSError, MemoryError, duckdb.IOException, duckdb.OutOfMemoryException) as error:
        report.status = "unreadable"
        raise OpenChronicError(
            f"{report.path} (table {report.table}): {_machine_fault(error)}; nothing was committed"
        ) from None
    except duckdb.Error as error:
        # The engine's text may hold a raw row: only its class goes further.
        _unreadable(report, f"engine_{type(error).__name__}", 0)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if report.status == "unreadable":
            for folder in (out, quarantine):
                shutil.rmtree(folder, ignore_errors=True)
    return report


def _machine_fault(error: Exception) -> str:
    if isinstance(error, MemoryError | duckdb.OutOfMemoryException):
        return "memory was not enough: free some, or give the task more, and run again"
    if isinstance(error, OSError) and error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        name = errno.errorcode.get(error.errno or 0, "I/O error")
        return f"it cannot be read or written ({name}): see the disk and the permissions, run again"
    # DuckDB reads no file here: its input and output are the parts it writes, and its spilling.
    return "the lake or scratch cannot be written: free space on their disk and run again"


def stamp_of(path: Path) -> tuple[int, int]:
    """Return what tells that a file changed: its size and its modification time."""
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _unreadable(report: FileReport, code: str, line: int) -> None:
    remedy = REMEDIES.get(code, "it could not be parsed: see that memory and disk suffice")
    where = f", line {line}" if line else ""
    report.refuse("unreadable", code, f"{report.path}{where} (table {report.table}): {remedy}")


def _parse(task: ParseTask, source: Source, secret: bytes, report: FileReport) -> None:
    first_line = source.header()
    report.container = source.format.compression or source.format.kind
    if source.format.note:
        report.notes.append(source.format.note)
    if first_line is None:
        _unreadable(report, "empty_file", 0)
        return
    if report.year is None:
        report.year, report.year_source = _year_inside(source, first_line, task.table)
    connection = _connect(task)
    try:
        try:
            strict = task.year_source == "name" and not task.accept_structure
            header = structure.check(first_line, load(task.table), report.year, strict=strict)
        except structure.StructureError as error:
            _refuse(connection, source, task, report, error)
            return
        report.ignored = list(header.ignored)
        report.absent = list(header.absent)
        report.foreign = list(header.foreign)
        identity.install(connection, secret)
        loader: _Loader | None = None
        for number, chunk in enumerate(_chunks(source)):
            if loader is None:
                loader = _Loader(connection, header, task, report, chunk)
            loader.load(number, chunk)
        report.encoding = source.encoding
    finally:
        connection.close()


def _connect(task: ParseTask) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(
        ":memory:",
        config={
            "threads": task.threads,
            "memory_limit": task.memory,
            "temp_directory": task.scratch,
            "max_temp_directory_size": "50GB",
            "preserve_insertion_order": True,
        },
    )


def _chunks(source: Source) -> Iterator[list[lines.Block]]:
    """Yield the lines of a file by chunks of bounded size; at least one, be it empty."""
    held: list[lines.Block] = []
    size = 0
    yielded = False
    for block in source.blocks():
        held.append(block)
        size += len(block.data)
        if size >= CHUNK:
            yield held
            held, size, yielded = [], 0, True
    if held or not yielded:
        yield held


def _year_inside(source: Source, first_line: str, table_name: str) -> tuple[int, str]:
    """Find the year of a file whose name has none: its year columns, else its header."""
    table = load(table_name)
    separator, names = structure.split_header(first_line, table)
    for column in ("SOR_ANN", "FLX_PER_ANN", "FLX_DIS_DTD"):
        if column in names:
            years = _years_of(source, separator, names.index(column))
            if len(years) == 1:
                return years.pop(), f"column {column}"
    newest = structure.newest_fitting_year(names, table)
    return newest or structure.NEWEST_YEAR, "newest structure that fits the header"


def _years_of(source: Source, separator: str, place: int) -> set[int]:
    years: set[int] = set()
    block = next(source.blocks(), None)
    for text in block.batch().column("text").to_pylist()[:SAMPLE] if block is not None else []:
        cells = text.rstrip("\r\n").split(separator)
        if place < len(cells) and (found := re.search(r"(?<!\d)(?:19|20)\d\d(?!\d)", cells[place])):
            years.add(int(found.group()))
    return years


def _refuse(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    task: ParseTask,
    report: FileReport,
    error: structure.StructureError,
) -> None:
    """Send every line of a file whose structure is wrong to quarantine."""
    report.refuse("refused", error.code, f"{report.path} (table {report.table}), line 1: {error}")
    column = error.columns[0] if error.columns else None
    for number, blocks in enumerate(_chunks(source)):
        chunk = pa.Table.from_batches((block.batch() for block in blocks), lines.SCHEMA)
        connection.register("chunk", chunk)
        rows = (
            f"select line, '{error.code}' as oc_reason, {_literal(column)} as oc_column, "
            "null as oc_value, rtrim(text, chr(10) || chr(13)) as oc_raw from chunk"
        )
        _write_refused(connection, rows, task, number, report)
        report.rows_read += chunk.num_rows
        report.quarantined += chunk.num_rows
        connection.unregister("chunk")
    if report.rows_read:
        report.reasons = {error.code: report.rows_read}


def _write_refused(
    connection: duckdb.DuckDBPyConnection,
    rows: str,
    task: ParseTask,
    number: int,
    report: FileReport,
) -> None:
    folder = Path(task.quarantine)
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"part-{number:04d}.parquet"
    connection.execute(
        f"""
        copy (
            select {_literal(task.source)} as source_file, line as source_line,
                oc_reason as reason, oc_column as column_name, oc_raw as raw,
                {shape_sql("cast(oc_value as varchar)")} as shape,
                {_literal(task.delivery_id)} as delivery_id
            from ({rows}) order by line
        ) to {_literal(str(part))} (format parquet, compression zstd)
        """
    )
    report.quarantine_parts.append(part.name)


class _Loader:
    """Loads the chunks of one file; how is decided once, from the header and the first chunk."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        header: structure.Header,
        task: ParseTask,
        report: FileReport,
        first: list[lines.Block],
    ):
        self.connection = connection
        self.header = header
        self.task = task
        self.report = report
        self.loaded = [column for column in header.table.columns if column.is_loaded]
        self.there = [column for column in self.loaded if column.name in header.positions]
        self.amounts = [column for column in self.there if column.role == "amount"]
        # Only times are ever asked by range; the bounds of all columns take a fifth of the writing.
        self.bounded = [column.lake_name for column in self.loaded if column.type in PERIODS]
        self.keys = [column for column in self.there if column.role == "pseudonym"]
        comma, formats = self._habits(first)
        self.careful = self._careful_sql(comma, formats)
        self.plain = PlainReader(
            connection, header, self.there, self._texts_of_keys(), formats, comma
        )

    def load(self, number: int, chunk: list[lines.Block]) -> None:
        """Cast the lines of a chunk, count them, and write their two parts."""
        typed, left = [], []
        for block in chunk:
            rows, others = self.plain.read(block)
            typed.append(rows)
            if len(others):
                left.append(block.batch(others))
        plain = _with_all_columns(typed)
        self._count_plain(plain)
        kept, refused = self._keyed(plain), 0
        if left:
            careful, refused = self._judge(pa.Table.from_batches(left, lines.SCHEMA), number)
            if careful.num_rows:
                kept = _with_all_columns([kept, careful]).sort_by("line")
        self.report.rows_read += sum(len(block) for block in chunk)
        self.report.quarantined += refused
        if kept.num_rows or number == 0:
            self._write_kept(kept, number)

    def _habits(self, first: list[lines.Block]) -> tuple[bool, dict[str, str]]:
        """Return whether decimals have a comma, and the format of each date column."""
        batches, count = [], 0
        for block in first:
            batches.append(block.batch())
            count += len(block)
            if count >= SAMPLE:
                break
        self.connection.register("chunk", pa.Table.from_batches(batches, lines.SCHEMA))
        split = casting.split_sql(self.header)
        self.connection.execute(
            f"create temp table sample as select {split} as f from (from chunk limit {SAMPLE})"
        )
        self.connection.unregister("chunk")
        comma = casting.has_decimal_comma(self.connection, self.header, "sample")
        formats = casting.date_formats(self.connection, self.header, "sample")
        self.connection.execute("drop table sample")
        return comma, formats

    def _careful_sql(self, comma: bool, formats: dict[str, str]) -> str:
        """Return the query that splits, casts and judges lines of the relation ``chunk``."""
        header = self.header
        split = casting.split_sql(header)
        texts, casts, faults = [], [], []
        for column in self.loaded:
            name = column.lake_name
            if column.name not in header.positions:
                casts.append(f"cast(null as {column.lake_type}) as {name}")
                continue
            text = casting.cell(header, column)
            if column.type == "decimal" and comma:
                text = f"replace({text}, ',', '.')"
            texts.append(f"{text} as t_{name}")
            expression, column_faults = casting.cast(column, formats.get(column.name))
            casts.append(f"{expression} as {name}")
            if column.name in header.table.not_null:
                empty = f"coalesce(t_{name}, '') = ''"
                faults.append(casting.Fault(empty, "missing_key", column.name))
            faults.extend(column_faults)
        cases = " ".join(f"when {each.condition} then {n}" for n, each in enumerate(faults, 1))
        reasons = ", ".join(f"'{each.reason}'" for each in faults)
        columns = ", ".join(f"'{each.column}'" for each in faults)
        values = ", ".join(f"t_{each.column.lower()}" for each in faults)
        text_names = ", ".join(f"t_{column.lake_name}" for column in self.there)
        width = header.width
        trailing = f" and not (len(f) = {width + 1} and f[-1] = '')" if header.trailing else ""
        return f"""
            with split as (
                select line, text, flaw, {split} as f from chunk
            ), cells as (
                select line, text,
                    case when flaw is not null then flaw
                        when contains(text, chr(0)) then 'nul_byte'
                        when trim(rtrim(text, chr(10) || chr(13))) = '' then 'empty_line'
                        when len(f) <> {width}{trailing} then 'field_count'
                    end as flaw,
                    {", ".join(texts)}
                from split
            ), valued as (
                select line, text, flaw, {text_names}, {", ".join(casts)} from cells
            ), judged as (
                select *, case when flaw is null then case {cases or "when false then 0"} end end
                    as fault
                from valued
            )
            select line, flaw is not null as oc_torn,
                coalesce(flaw, [{reasons}][fault]) as oc_reason,
                [{columns}][fault] as oc_column,
                case when fault is not null then [{values}][fault] end as oc_value,
                case when flaw is not null or fault is not null
                    then rtrim(text, chr(10) || chr(13)) end as oc_raw,
                {self._key_status()} as _key_status,
                {", ".join([self._output(column) for column in self.loaded] + self._amount_texts())}
            from judged"""

    def _texts_of_keys(self) -> set[str]:
        """Return the columns whose text makes the keys and the state of the patient's key."""
        columns = {column.name for column in self.keys}
        if (key := self.header.table.patient_key) and key.name in self.header.positions:
            columns.add(key.name)
        if "BEN_IDT_ANO" in columns:
            columns |= set(_IDENTITY_PARTS) & set(self.header.positions)
        return columns

    def _key_status(self) -> str:
        key = self.header.table.patient_key
        if key is None or key.name not in self.header.positions:
            return "cast(null as varchar)"
        return identity.key_status_sql(key.domain or "person", f"t_{key.lake_name}")

    def _output(self, column: Column) -> str:
        name = column.lake_name
        if column not in self.keys:
            return name
        text = f"t_{name}"
        if column.name == "BEN_IDT_ANO" and all(
            each in self.header.positions for each in _IDENTITY_PARTS
        ):
            parts = (f"t_{each.lower()}" for each in _IDENTITY_PARTS)
            text = identity.person_identity_sql(text, *parts)
        return f"{identity.normalised_sql(column.domain or '', text)} as {name}"

    def _amount_texts(self) -> list[str]:
        # The sum of the text is taken apart from the typed value, with room for more decimals.
        return [
            f"try_cast(t_{column.lake_name} as decimal(38, 10)) as x_{column.lake_name}, "
            f"(t_{column.lake_name} <> '' and x_{column.lake_name} is null) as u_{column.lake_name}"
            for column in self.amounts
        ]

    def _keyed(self, plain: pa.Table) -> pa.Table:
        """Put the normal form of each key, and the state of the patient's, in place of texts."""
        texts = sorted(f"t_{name.lower()}" for name in self._texts_of_keys())
        if not texts:
            return plain
        made = {"_key_status": self._made(f"{self._key_status()} as made", texts, plain)}
        for column in self.keys:
            expression = re.sub(r" as \w+$", " as made", self._output(column))
            made[column.lake_name] = self._made(expression, texts, plain)
        rows = plain.drop_columns([each for each in plain.column_names if each in {*texts, *made}])
        for name, values in made.items():
            rows = rows.append_column(name, values)
        return rows

    def _made(self, expression: str, texts: list[str], plain: pa.Table) -> pa.Array:
        """Compute an expression over texts of keys; over one text, once for each that differs."""
        parts = [text for text in texts if re.search(rf"\b{text}\b", expression)]
        nothing = pa.nulls(plain.num_rows, pa.string())
        columns = {
            part: plain.column(part).combine_chunks() if part in plain.column_names else nothing
            for part in parts
        }
        encoded = None
        if len(columns) == 1:
            ((part, values),) = columns.items()
            encoded = values.dictionary_encode(null_encoding="encode")
            columns = {part: encoded.dictionary}
        elif not columns:
            return nothing
        found = ", ".join(f"coalesce({part}, '') as {part}" for part in columns)
        self.connection.register("texts", pa.table(columns))
        made = self.connection.sql(f"select {expression} from (select {found} from texts)")
        values = made.to_arrow_table().column("made").combine_chunks()
        self.connection.unregister("texts")
        return values if encoded is None else values.take(encoded.indices)

    def _count_plain(self, plain: pa.Table) -> None:
        """Add what the text of plain amounts says; each of them is kept."""
        for column in self.amounts:
            amount = self.report.amounts.setdefault(column.name, Amount())
            if column.lake_name in plain.column_names:
                amount.read += pc.sum(plain.column(column.lake_name)).as_py() or 0

    def _judge(self, chunk: pa.Table, number: int) -> tuple[pa.Table, int]:
        """Judge lines one by one; return the rows to keep and how many lines were refused."""
        self.connection.register("chunk", chunk)
        self.connection.execute(f"create or replace temp table typed as {self.careful}")
        self.connection.unregister("chunk")
        refused = self._count_careful()
        if refused:
            faulty = "from typed where oc_reason is not null"
            _write_refused(self.connection, faulty, self.task, number, self.report)
        columns = ", ".join(column.lake_name for column in self.there)
        kept = self.connection.sql(
            f"select line, _key_status, {columns} from typed where oc_reason is null"
        ).to_arrow_table()
        self.connection.execute("drop table typed")
        return kept, refused

    def _count_careful(self) -> int:
        """Add what the text of judged lines says; return how many of them are refused."""
        report = self.report
        sums = "".join(
            f", sum(x_{name}) filter (not oc_torn), "
            f"sum(x_{name}) filter (not oc_torn and oc_reason is not null), "
            f"count(*) filter (oc_torn or u_{name})"
            for name in (column.lake_name for column in self.amounts)
        )
        row = self._all(f"select count(oc_reason){sums} from typed")[0]
        for place, column in enumerate(self.amounts):
            amount = report.amounts[column.name]
            read, quarantined, unreadable = row[1 + 3 * place : 4 + 3 * place]
            amount.read += Decimal(read or 0)
            amount.quarantined += Decimal(quarantined or 0)
            amount.unreadable += int(unreadable)
        refused = int(row[0])
        if refused:
            self._count_refused()
        return refused

    def _count_refused(self) -> None:
        report = self.report
        refused = "from typed where oc_reason is not null"
        for reason, count in self._all(
            f"select oc_reason, count(*) {refused} group by all order by 1"
        ):
            report.reasons[reason] = report.reasons.get(reason, 0) + count
        room = FIRST_REFUSED - len(report.first_refused)
        report.first_refused += [
            {"line": line, "reason": reason, "column": column}
            for line, reason, column in self._all(
                f"select line, oc_reason, oc_column {refused} order by line limit {max(room, 0)}"
            )
        ]

    def _write_kept(self, kept: pa.Table, number: int) -> None:
        """Count the rows to keep, by care year and month of flux, and write them."""
        rows = self._pseudonymised(kept)
        self.connection.register("rows", rows)
        columns = ", ".join(
            name if name in kept.column_names else f"cast(null as {lake_type}) as {name}"
            for name, lake_type in [
                *((column.lake_name, column.lake_type) for column in self.loaded),
                ("_key_status", "varchar"),
            ]
        )
        self.connection.execute(
            f"create or replace temp view kept as select line, {columns} from rows"
        )
        self._count_kept()
        self.connection.execute("drop view kept")
        self.connection.unregister("rows")
        folder = Path(self.task.out)
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"part-{number:04d}.parquet"
        # Arrow writes columns without a value for nothing: DuckDB took twice as long over 129
        # columns, half of them empty.
        pq.write_table(
            self._whole(rows),
            part,
            compression="zstd",
            row_group_size=ROW_GROUP,
            store_schema=False,
            store_decimal_as_integer=True,
            write_statistics=self.bounded,
        )
        self.report.parts.append(part.name)

    def _whole(self, rows: pa.Table) -> pa.Table:
        """Return rows as the lake holds them: every column of the contract, then provenance."""
        count = rows.num_rows
        year = self.report.year if is_yearly(self.header.table) else None
        columns = {
            column.lake_name: rows.column(column.lake_name)
            if column.lake_name in rows.column_names
            else pa.nulls(count, arrow_type(column))
            for column in self.loaded
        }
        columns["_table_year"] = _repeated(year, pa.int32(), count)
        columns["_source_file"] = _repeated(self.task.source, pa.string(), count)
        columns["_source_line"] = rows.column("line")
        columns["_delivery_id"] = _repeated(self.task.delivery_id, pa.string(), count)
        columns["_key_status"] = (
            rows.column("_key_status")
            if "_key_status" in rows.column_names
            else pa.nulls(count, pa.string())
        )
        return pa.table(columns)

    def _pseudonymised(self, kept: pa.Table) -> pa.Table:
        """Replace each key by its pseudonym, computed once for each distinct key."""
        for column in self.keys:
            name = column.lake_name
            if name not in kept.column_names:
                continue
            encoded = kept.column(name).combine_chunks().dictionary_encode()
            self.connection.register("distinct_keys", pa.table({"key": encoded.dictionary}))
            pseudonyms = self.connection.sql(
                f"select oc_pseudonym('{column.domain}', key) as p from distinct_keys"
            ).to_arrow_table()
            self.connection.unregister("distinct_keys")
            values = pseudonyms.column("p").combine_chunks().take(encoded.indices)
            kept = kept.set_column(kept.column_names.index(name), name, values)
        return kept

    def _count_kept(self) -> None:
        """Count the rows kept, and their euros, by care year and by slice."""
        report = self.report
        year = None
        if self.task.table == "ER_PRS_F":
            year = "year(exe_soi_dtd)"
        elif is_yearly(self.header.table):
            year = str(report.year)
        slice_ = slice_sql(self.header.table)
        columns = "".join(f", {name}" for name in slice_columns(self.header.table))
        names = [column.lake_name for column in self.amounts]
        once = "".join(f", sum({name}) as {name}" for name in names)
        twice = "".join(f", sum({name})" for name in names)
        # By the columns of the slice first, then by its text: a text a row would cost more.
        for care, part, count, *euros in self._all(
            f"select care_year, {slice_ or 'null'} as slice, sum(n)::bigint{twice} from ("
            f"select {year or 'null'} as care_year{columns}, count(*) as n{once} from kept "
            "group by all) group by care_year, slice order by care_year nulls last, slice"
        ):
            report.kept += count
            amounts = {
                column.name: Decimal(value or 0)
                for column, value in zip(self.amounts, euros, strict=True)
            }
            for name, value in amounts.items():
                report.amounts[name].kept += value
            if year:
                key = NONE if care is None else str(care)
                report.care_years[key] = report.care_years.get(key, 0) + count
                _add(report.care_amounts.setdefault(key, {}), amounts)
            if slice_:
                report.slices[part] = report.slices.get(part, 0) + count
                _add(report.slice_amounts.setdefault(part, {}), amounts)
        if "FLX_TRT_DTD" in self.header.positions:
            newest = self._all("select cast(max(flx_trt_dtd) as varchar) from kept")[0][0]
            if newest and newest > (report.newest_treatment or ""):
                report.newest_treatment = newest

    def _all(self, sql: str) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self.connection.execute(sql).fetchall()
        return rows


def _add(into: dict[str, Decimal], amounts: dict[str, Decimal]) -> None:
    for name, value in amounts.items():
        into[name] = into.get(name, Decimal(0)) + value


def _repeated(value: str | int | None, kind: pa.DataType, count: int) -> pa.Array:
    """Return one value for every row, held once."""
    if value is None:
        return pa.nulls(count, kind)
    places = pa.array(np.zeros(count, np.int32))
    return pa.DictionaryArray.from_arrays(places, pa.array([value], kind))


def _with_all_columns(tables: list[pa.Table]) -> pa.Table:
    """Put tables one under the other; a column that one of them leaves out is NULL there."""
    return pa.concat_tables(tables or [NO_LINES], promote_options="default")


def _literal(value: str | None) -> str:
    return "null" if value is None else "'" + value.replace("'", "''") + "'"
