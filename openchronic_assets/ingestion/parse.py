"""One delivered file, parsed: typed rows to Parquet, refused rows to quarantine, both counted.

``parse_file`` is a pure function of a file, its contract and a secret. It needs no Spark; the
Spark job calls it once a file. Memory is bounded by ``CHUNK`` whatever the size of the file: the
lines stream through DuckDB chunk by chunk, each chunk one part on either side.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from openchronic_assets.contracts import Column, load
from openchronic_assets.ingestion import casting, identity, lines, structure
from openchronic_assets.ingestion.report import Amount, FileReport

CHUNK = 96 << 20  # bytes of text held at once
SAMPLE = 5_000  # first lines, which decide date formats and the decimal mark
FIRST_REFUSED = 5  # places of refused rows that a report names

_UNREADABLE = {
    "truncated_gzip": "the gzip stream ends early: copy the file again",
    "not_gzip": "the file is not the gzip that its name says, or it is damaged: copy it again",
    "not_text": "the file is not text in UTF-8: export it as CSV in UTF-8",
    "empty_file": "the file is empty: ask the provider for it",
    "changed_while_read": "the file changed while it was read: deliver it again once it is whole",
}


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
    """
    path = Path(task.path)
    report = FileReport(task.source, task.table, task.period, task.year, task.year_source)
    report.sha256, report.bytes = task.sha256, path.stat().st_size
    out, quarantine, scratch = Path(task.out), Path(task.quarantine), Path(task.scratch)
    for folder in (out, quarantine, scratch):
        shutil.rmtree(folder, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        _parse(task, path, secret, report)
        if report.status == "loaded" and stamp_of(path) != task.stamp:
            _unreadable(report, "changed_while_read", 0)
    except lines.UnreadableFile as error:
        _unreadable(report, error.code, error.line)
    except duckdb.Error as error:
        # The engine's text may hold a raw row: only its class goes further.
        _unreadable(report, f"engine_{type(error).__name__}", 0)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if report.status == "unreadable":
        for folder in (out, quarantine):
            shutil.rmtree(folder, ignore_errors=True)
    return report


def stamp_of(path: Path) -> tuple[int, int]:
    """Return what tells that a file changed: its size and its modification time."""
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _unreadable(report: FileReport, code: str, line: int) -> None:
    remedy = _UNREADABLE.get(code, "it could not be parsed: see that memory and disk suffice")
    where = f", line {line}" if line else ""
    report.refuse("unreadable", code, f"{report.path}{where} (table {report.table}): {remedy}")


def _parse(task: ParseTask, path: Path, secret: bytes, report: FileReport) -> None:
    first_line = lines.read_header(path)
    if first_line is None:
        _unreadable(report, "empty_file", 0)
        return
    if report.year is None:
        report.year, report.year_source = _year_inside(path, first_line, task.table)
    connection = _connect(task)
    try:
        try:
            strict = task.year_source == "name" and not task.accept_structure
            header = structure.check(first_line, load(task.table), report.year, strict=strict)
        except structure.StructureError as error:
            _refuse(connection, path, task, report, error)
            return
        report.ignored = list(header.ignored)
        report.absent = list(header.absent)
        report.foreign = list(header.foreign)
        identity.install(connection, secret)
        loader: _Loader | None = None
        for number, chunk in enumerate(_chunks(path)):
            connection.register("chunk", chunk)
            if loader is None:
                loader = _Loader(connection, header, task, report)
            loader.load(number)
            connection.unregister("chunk")
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


def _chunks(path: Path) -> Iterator[pa.Table]:
    """Yield the lines of a file by chunks of bounded size; at least one, be it empty."""
    held: list[pa.RecordBatch] = []
    size = 0
    yielded = False
    for batch in lines.batches(path):
        held.append(batch)
        size += batch.nbytes
        if size >= CHUNK:
            yield pa.Table.from_batches(held, lines.SCHEMA)
            held, size, yielded = [], 0, True
    if held or not yielded:
        yield pa.Table.from_batches(held, lines.SCHEMA)


def _year_inside(path: Path, first_line: str, table_name: str) -> tuple[int, str]:
    """Find the year of a file whose name has none: its year columns, else its header."""
    table = load(table_name)
    separator, names = structure.split_header(first_line, table)
    for column in ("SOR_ANN", "FLX_PER_ANN", "FLX_DIS_DTD"):
        if column in names:
            years = _years_of(path, separator, names.index(column))
            if len(years) == 1:
                return years.pop(), f"column {column}"
    newest = structure.newest_fitting_year(names, table)
    return newest or structure.NEWEST_YEAR, "newest structure that fits the header"


def _years_of(path: Path, separator: str, place: int) -> set[int]:
    years: set[int] = set()
    batch = next(iter(lines.batches(path)), None)
    for text in batch.column("text").to_pylist()[:SAMPLE] if batch is not None else []:
        cells = text.rstrip("\r\n").split(separator)
        if place < len(cells) and (found := re.search(r"(?<!\d)(?:19|20)\d\d(?!\d)", cells[place])):
            years.add(int(found.group()))
    return years


def _refuse(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    task: ParseTask,
    report: FileReport,
    error: structure.StructureError,
) -> None:
    """Send every line of a file whose structure is wrong to quarantine."""
    report.refuse("refused", error.code, f"{report.path} (table {report.table}), line 1: {error}")
    column = error.columns[0] if error.columns else None
    for number, chunk in enumerate(_chunks(path)):
        connection.register("chunk", chunk)
        rows = (
            f"select line, '{error.code}' as oc_reason, {_literal(column)} as oc_column, "
            "rtrim(text, chr(10) || chr(13)) as oc_raw from chunk"
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
                {_literal(task.delivery_id)} as delivery_id
            from ({rows}) order by line
        ) to {_literal(str(part))} (format parquet, compression zstd)
        """
    )
    report.quarantine_parts.append(part.name)


class _Loader:
    """Loads the chunks of one file; its SQL is decided once, from the header and first lines."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        header: structure.Header,
        task: ParseTask,
        report: FileReport,
    ):
        self.connection = connection
        self.header = header
        self.task = task
        self.report = report
        self.loaded = [column for column in header.table.columns if column.is_loaded]
        self.there = [column for column in self.loaded if column.name in header.positions]
        self.amounts = [column for column in self.there if column.role == "amount"]
        self.keys = [column for column in self.there if column.role == "pseudonym"]
        self.typed = self._typed_sql()

    def load(self, number: int) -> None:
        """Cast the registered chunk, count it, and write its two parts."""
        self.connection.execute(f"create or replace temp table typed as {self.typed}")
        rows, refused = self._count()
        if rows > refused or number == 0:
            self._write_kept(number)
        if refused:
            faulty = "from typed where oc_reason is not null"
            _write_refused(self.connection, faulty, self.task, number, self.report)
        self.connection.execute("drop table typed")

    def _typed_sql(self) -> str:
        header = self.header
        split = casting.split_sql(header)
        self.connection.execute(
            f"create temp table sample as select {split} as f from (from chunk limit {SAMPLE})"
        )
        comma = casting.has_decimal_comma(self.connection, header, "sample")
        formats = casting.date_formats(self.connection, header, "sample")
        self.connection.execute("drop table sample")
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
                case when flaw is not null or fault is not null
                    then rtrim(text, chr(10) || chr(13)) end as oc_raw,
                {self._key_status()} as _key_status,
                {", ".join([self._output(column) for column in self.loaded] + self._amount_texts())}
            from judged"""

    def _key_status(self) -> str:
        key = self.header.table.patient_key
        if key is None or key.name not in self.header.positions:
            return "cast(null as varchar)"
        text = f"t_{key.lake_name}"
        return (
            f"case when coalesce({text}, '') = '' then 'missing' "
            f"when {identity.sentinel_sql('person', text)} then 'sentinel' else 'ok' end"
        )

    def _output(self, column: Column) -> str:
        name = column.lake_name
        if column not in self.keys:
            return name
        text = f"t_{name}"
        parts = ("BEN_IDT_TOP", "BEN_NIR_PSA", "BEN_RNG_GEM")
        if column.name == "BEN_IDT_ANO" and all(each in self.header.positions for each in parts):
            text = identity.person_identity_sql(text, *(f"t_{each.lower()}" for each in parts))
        return f"{identity.normalised_sql(column.domain or '', text)} as {name}"

    def _amount_texts(self) -> list[str]:
        # The sum of the text is taken apart from the typed value, with room for more decimals.
        return [
            f"try_cast(t_{column.lake_name} as decimal(38, 10)) as x_{column.lake_name}, "
            f"(t_{column.lake_name} <> '' and x_{column.lake_name} is null) as u_{column.lake_name}"
            for column in self.amounts
        ]

    def _count(self) -> tuple[int, int]:
        """Add the chunk to the report; return its rows and how many of them are refused."""
        report = self.report
        sums = "".join(
            f", sum(x_{name}) filter (not oc_torn), sum({name}) filter (oc_reason is null), "
            f"sum(x_{name}) filter (not oc_torn and oc_reason is not null), "
            f"count(*) filter (oc_torn or u_{name})"
            for name in (column.lake_name for column in self.amounts)
        )
        row = self._one(f"select count(*), count(oc_reason){sums} from typed")
        rows, refused = int(row[0]), int(row[1])
        report.rows_read += rows
        report.kept += rows - refused
        report.quarantined += refused
        for place, column in enumerate(self.amounts):
            amount = report.amounts.setdefault(column.name, Amount())
            read, kept, quarantined, unreadable = row[2 + 4 * place : 6 + 4 * place]
            amount.read += Decimal(read or 0)
            amount.kept += Decimal(kept or 0)
            amount.quarantined += Decimal(quarantined or 0)
            amount.unreadable += int(unreadable)
        if refused:
            self._count_refused()
        self._count_periods()
        return rows, refused

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

    def _count_periods(self) -> None:
        report = self.report
        year = None
        if self.task.table == "ER_PRS_F":
            year = "year(exe_soi_dtd)"
        elif self.task.table.startswith("T_MCO"):
            year = str(report.year)
        if year:
            sums = "".join(f", sum({column.lake_name})" for column in self.amounts)
            for care_year, count, *euros in self._all(
                f"select coalesce(cast({year} as varchar), 'none'), count(*){sums} from typed "
                "where oc_reason is null group by all order by 1"
            ):
                report.care_years[care_year] = report.care_years.get(care_year, 0) + count
                into = report.care_amounts.setdefault(care_year, {})
                for column, value in zip(self.amounts, euros, strict=True):
                    into[column.name] = into.get(column.name, Decimal(0)) + Decimal(value or 0)
        if "FLX_DIS_DTD" in self.header.positions:
            for month, count in self._all(
                "select strftime(flx_dis_dtd, '%Y-%m'), count(*) from typed "
                "where oc_reason is null group by all order by 1"
            ):
                report.flux_months[month] = report.flux_months.get(month, 0) + count
        if "FLX_TRT_DTD" in self.header.positions:
            newest = self._one(
                "select cast(max(flx_trt_dtd) as varchar) from typed where oc_reason is null"
            )[0]
            if newest and newest > (report.newest_treatment or ""):
                report.newest_treatment = newest

    def _write_kept(self, number: int) -> None:
        for column in self.keys:
            name = column.lake_name
            self.connection.execute(
                f"""
                create or replace temp table keys_{name} as
                select key, oc_pseudonym('{column.domain}', key) as pseudonym
                from (select distinct {name} as key from typed
                      where oc_reason is null and {name} is not null)
                """
            )
        names = {column.lake_name for column in self.keys}
        select = ", ".join(
            f"keys_{name}.pseudonym as {name}" if name in names else f"typed.{name}"
            for name in (column.lake_name for column in self.loaded)
        )
        joins = " ".join(
            f"left join keys_{name} on keys_{name}.key = typed.{name}" for name in sorted(names)
        )
        year = self.report.year if self.task.table.startswith("T_MCO") else None
        folder = Path(self.task.out)
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"part-{number:04d}.parquet"
        self.connection.execute(
            f"""
            copy (
                select {select}, cast({year or "null"} as integer) as _table_year,
                    {_literal(self.task.source)} as _source_file, typed.line as _source_line,
                    {_literal(self.task.delivery_id)} as _delivery_id, typed._key_status
                from typed {joins} where typed.oc_reason is null order by typed.line
            ) to {_literal(str(part))} (format parquet, compression zstd, row_group_size 122880)
            """
        )
        self.report.parts.append(part.name)

    def _one(self, sql: str) -> tuple[Any, ...]:
        row: tuple[Any, ...] | None = self.connection.execute(sql).fetchone()
        return row or ()

    def _all(self, sql: str) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self.connection.execute(sql).fetchall()
        return rows


def _literal(value: str | None) -> str:
    return "null" if value is None else "'" + value.replace("'", "''") + "'"
