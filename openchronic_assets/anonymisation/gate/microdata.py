"""The release gate: reads the written files again and refuses on any doubt.

A second implementation, in plain Python over the bytes on disk (pyarrow to open Parquet, ``csv``
and ``Counter`` for the rest). It shares no code with the recoders, reads the hierarchies with its
own reader, and runs in a fresh process with a time limit. It fails closed: a check that raises,
is missing, measures nothing or NaN, a process that dies, hangs or answers nonsense is a refusal.

Verdicts name columns and counts, never a value of a row.
"""

from __future__ import annotations

import csv
import json
import math
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

DEFAULT_TIMEOUT = 600.0

Tuple = tuple[str | None, ...]


@dataclass(frozen=True)
class Request:
    """What a release is declared to be.

    Attributes:
        folder: where the files are.
        parquet: name of the Parquet file.
        csv: name of the CSV file with the same rows.
        hierarchies: column name to hierarchy file, in the order of the columns; every published
            column is a quasi-identifier and has one.
        k: smallest class accepted.
        rows: rows declared.
        suppressed: records removed, as declared.
        population: records before recoding.
        companions: names of files that may stand beside the two tables.
    """

    folder: str
    parquet: str
    csv: str
    hierarchies: dict[str, str]
    k: int
    rows: int
    suppressed: int
    population: int
    companions: tuple[str, ...] = ("report.json", "README.txt")


@dataclass(frozen=True)
class Check:
    """The verdict of one check; ``measured`` is None when the check could not measure."""

    name: str
    passed: bool
    detail: str
    threshold: float | int | str | None
    measured: float | int | str | None


@dataclass(frozen=True)
class Verdict:
    """The verdict of the gate: accepted only if every check was made and passed."""

    accepted: bool
    checks: tuple[Check, ...]

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the checks that did not pass."""
        return tuple(check.name for check in self.checks if not check.passed)


@dataclass(frozen=True)
class _Finding:
    passed: bool
    detail: str
    threshold: float | int | str
    measured: float | int | str


class _Evidence:
    """The files under judgement, read once when a check first needs them."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.folder = Path(request.folder)
        self.columns = tuple(request.hierarchies)

    @cached_property
    def parquet(self) -> pq.ParquetFile:
        return pq.ParquetFile(self.folder / self.request.parquet)

    @cached_property
    def parquet_rows(self) -> Counter[Tuple]:
        return Counter(self.iterate_parquet())

    def iterate_parquet(self) -> Iterator[Tuple]:
        for batch in self.parquet.iter_batches(batch_size=65_536):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    @cached_property
    def csv_header(self) -> tuple[str, ...]:
        with (self.folder / self.request.csv).open(encoding="utf-8", newline="") as file:
            return tuple(next(csv.reader(file)))

    def iterate_csv(self) -> Iterator[Tuple]:
        with (self.folder / self.request.csv).open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file, strict=True)
            next(reader)
            for line in reader:
                yield tuple(line)

    @cached_property
    def csv_rows(self) -> Counter[Tuple]:
        return Counter(self.iterate_csv())

    @cached_property
    def domains(self) -> dict[str, set[str]]:
        """For each column, every value of every level of its hierarchy."""
        result = {}
        for name, path in self.request.hierarchies.items():
            with Path(path).open(encoding="utf-8", newline="") as file:
                lines = list(csv.reader(file))
            result[name] = {value for line in lines[1:] for value in line}
        return result

    def distinct(self) -> Iterator[tuple[str, set[str | None]]]:
        """Yield each column with its distinct values over both files."""
        both = (self.parquet_rows, self.csv_rows)
        width = max((len(line) for rows in both for line in rows), default=0)
        for position in range(width):
            name = (
                self.columns[position] if position < len(self.columns) else f"column {position + 1}"
            )
            yield (
                name,
                {line[position] for rows in both for line in rows if position < len(line)},
            )


def _files(e: _Evidence) -> _Finding:
    present = {path.name for path in e.folder.iterdir()}
    needed = {e.request.parquet, e.request.csv}
    extra = present - needed - set(e.request.companions)
    irregular = sum(1 for path in e.folder.iterdir() if path.is_symlink() or not path.is_file())
    return _Finding(
        needed <= present and not extra and not irregular,
        f"{len(needed - present)} files missing, {len(extra)} not declared, "
        f"{irregular} links or folders",
        0,
        len(needed - present) + len(extra) + irregular,
    )


def _columns(e: _Evidence) -> _Finding:
    found = (tuple(e.parquet.schema_arrow.names), tuple(e.csv_header))
    wrong = sum(1 for names in found if names != e.columns)
    return _Finding(
        wrong == 0 and len(e.columns) > 0,
        f"allowed: {', '.join(e.columns)}; Parquet has {len(found[0])} columns, "
        f"CSV {len(found[1])}",
        0,
        wrong,
    )


def _types(e: _Evidence) -> _Finding:
    wrong = [
        field.name
        for field in e.parquet.schema_arrow
        if not (pa.types.is_string(field.type) or pa.types.is_large_string(field.type))
    ]
    widths = {len(line) for line in e.csv_rows}
    ragged = len(widths - {len(e.columns)})
    return _Finding(
        not wrong and not ragged,
        f"{len(wrong)} columns are not text; {ragged} other line widths in the CSV file",
        0,
        len(wrong) + ragged,
    )


def _not_empty(e: _Evidence) -> _Finding:
    rows = min(sum(e.parquet_rows.values()), sum(e.csv_rows.values()))
    return _Finding(rows > 0, f"{rows} rows", 1, rows)


def _no_missing_value(e: _Evidence) -> _Finding:
    missing = sum(
        count
        for rows in (e.parquet_rows, e.csv_rows)
        for line, count in rows.items()
        if not line or any(value is None or not value.strip() for value in line)
    )
    return _Finding(missing == 0, f"{missing} rows with NULL or blank", 0, missing)


def _known_values(e: _Evidence) -> _Finding:
    unknown = {name: len(values - e.domains.get(name, set())) for name, values in e.distinct()}
    total = sum(unknown.values())
    columns = ", ".join(name for name, count in unknown.items() if count)
    return _Finding(
        total == 0,
        f"{total} values outside the declared hierarchies" + (f" ({columns})" if columns else ""),
        0,
        total,
    )


def _smallest(rows: Counter[Tuple]) -> int:
    return min(rows.values(), default=0)


def _k_parquet(e: _Evidence) -> _Finding:
    k = _smallest(e.parquet_rows)
    return _Finding(k >= e.request.k, f"smallest class of {k} rows", e.request.k, k)


def _k_csv(e: _Evidence) -> _Finding:
    k = _smallest(e.csv_rows)
    return _Finding(k >= e.request.k, f"smallest class of {k} rows", e.request.k, k)


def _same_rows(e: _Evidence) -> _Finding:
    left, right = e.parquet_rows, e.csv_rows
    different = sum(((left - right) + (right - left)).values())
    return _Finding(
        different == 0, f"{different} rows differ between Parquet and CSV", 0, different
    )


def _row_count(e: _Evidence) -> _Finding:
    rows = sum(e.parquet_rows.values())
    gap = abs(rows - e.request.rows) + abs(
        e.request.population - e.request.rows - e.request.suppressed
    )
    return _Finding(
        gap == 0 and e.request.suppressed >= 0,
        f"{rows} rows written, {e.request.rows} declared, {e.request.suppressed} removed of "
        f"{e.request.population}",
        0,
        gap,
    )


def _suppressed_removed(e: _Evidence) -> _Finding:
    starred = sum(
        count
        for rows in (e.parquet_rows, e.csv_rows)
        for line, count in rows.items()
        if line and all(value == "*" for value in line)
    )
    return _Finding(starred == 0, f"{starred} rows hold only '*'", 0, starred)


_IDENTIFIER_NAME = re.compile(
    r"(^|_)(id|ids|uuid|key|index|row|line|num|nir|nom|name|prenom|hash|pseudo\w*|date|day|month|"
    r"birth|naissance|deces|death|commune|insee|postal|zip|finess|rpps|adeli|ano)(_|$)|^ben_|^nir",
    re.IGNORECASE,
)


def _identifier_names(e: _Evidence) -> _Finding:
    names = {*e.parquet.schema_arrow.names, *e.csv_header}
    bad = sum(1 for name in names if not name.strip() or _IDENTIFIER_NAME.search(name))
    return _Finding(bad == 0, f"{bad} column names look like identifiers", 0, bad)


_ALONE = r"(?<![0-9A-Za-z])(?:{})(?![0-9A-Za-z])"
_MONTHS = r"(?:jan|feb|fev|fév|mar|apr|avr|may|mai|jun|jui|jul|aug|aou|aoû|sep|oct|nov|dec|déc)"
_IDENTIFIER_VALUE = {
    "date with day": r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}"
    r"|(?:19|20)\d{6}|\d{2}(?:0[1-9]|1[0-2])(?:19|20)\d{2}"
    rf"|\d{{1,2}}[ -]?{_MONTHS}\w*[ -]?\d{{4}}",
    "year and month": r"(?:19|20)\d{2}[-/. ]?(?:0[1-9]|1[0-2])"
    r"|(?:0[1-9]|1[0-2])[-/.](?:19|20)\d{2}",
    "commune or postal code": r"\d{5}|2[AB]\d{3}",
    "national identifier": r"[1-478]\d{4}(?:\d{2}|2[AB])\d{6}(?: ?\d{2})?|\d{13}|\d{15}",
    "establishment or practitioner number": r"\d{9}|2[AB]\d{7}|\d{11}",
    "pseudonym": r"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-z]{17,18}"
    r"|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}",
}


def _identifier_values(e: _Evidence) -> _Finding:
    patterns = {
        kind: re.compile(_ALONE.format(pattern), re.IGNORECASE)
        for kind, pattern in _IDENTIFIER_VALUE.items()
    }
    found: Counter[str] = Counter()
    for name, values in e.distinct():
        for value in values:
            if value is None:
                continue
            for kind, pattern in patterns.items():
                # A pseudonym has a digit; a long word of letters has none.
                hit = pattern.search(value)
                if hit and any(character.isdigit() for character in hit.group()):
                    found[f"{kind} in {name}"] += 1
    return _Finding(
        not found,
        "; ".join(f"{count} x {what}" for what, count in sorted(found.items())) or "none found",
        0,
        sum(found.values()),
    )


def _no_metadata(e: _Evidence) -> _Finding:
    schema = e.parquet.schema_arrow
    entries = len(e.parquet.metadata.metadata or {}) + len(schema.metadata or {})
    entries += sum(len(field.metadata or {}) for field in schema)
    bom = (e.folder / e.request.csv).open("rb").read(3) == b"\xef\xbb\xbf"
    return _Finding(
        entries == 0 and not bom,
        f"{entries} key-value entries in the Parquet file",
        0,
        entries + int(bom),
    )


def _no_hidden_value(e: _Evidence) -> _Finding:
    """Dictionary pages and statistics may keep values that no row has."""
    path = e.folder / e.request.parquet
    names = list(e.parquet.schema_arrow.names)
    hidden = 0
    coded = pq.ParquetFile(path, read_dictionary=names)
    for group in range(coded.metadata.num_row_groups):
        table = coded.read_row_group(group)
        for position, name in enumerate(names):
            column = table.column(name)
            used = set(column.unique().to_pylist())
            for chunk in column.chunks:
                if pa.types.is_dictionary(chunk.type):
                    hidden += len(set(chunk.dictionary.to_pylist()) - used)
            statistics = coded.metadata.row_group(group).column(position).statistics
            if statistics is not None and statistics.has_min_max:
                hidden += len({statistics.min, statistics.max} - used)
    return _Finding(hidden == 0, f"{hidden} values in the file that no row holds", 0, hidden)


def _sorted_rows(e: _Evidence) -> _Finding:
    breaks = 0
    for rows in (e.iterate_parquet(), e.iterate_csv()):
        previous: Tuple | None = None
        for line in rows:
            if previous is not None and line < previous:
                breaks += 1
            previous = line
    return _Finding(breaks == 0, f"{breaks} rows out of the order of values", 0, breaks)


CHECKS: dict[str, Callable[[_Evidence], _Finding]] = {
    "files": _files,
    "columns": _columns,
    "types": _types,
    "not_empty": _not_empty,
    "no_missing_value": _no_missing_value,
    "known_values": _known_values,
    "k_parquet": _k_parquet,
    "k_csv": _k_csv,
    "same_rows": _same_rows,
    "row_count": _row_count,
    "suppressed_removed": _suppressed_removed,
    "identifier_names": _identifier_names,
    "identifier_values": _identifier_values,
    "no_metadata": _no_metadata,
    "no_hidden_value": _no_hidden_value,
    "sorted_rows": _sorted_rows,
}

CHECK_NAMES = tuple(CHECKS)


def inspect(request: Request) -> list[Check]:
    """Make every check in this process; one that raises is a check that failed."""
    evidence = _Evidence(request)
    checks = []
    for name, function in CHECKS.items():
        try:
            finding = function(evidence)
            checks.append(
                Check(name, finding.passed, finding.detail, finding.threshold, finding.measured)
            )
        except Exception as error:
            # The message of an engine may quote the file: only its kind is told.
            checks.append(Check(name, False, f"raised {type(error).__name__}", None, None))
    return checks


def judge(checks: Sequence[Check]) -> Verdict:
    """Accept only if each known check is there once, measured something and passed."""
    result = list(checks)
    names = Counter(check.name for check in checks)
    for name in CHECK_NAMES:
        if names[name] != 1:
            result.append(Check(name, False, f"made {names[name]} times", 1, names[name]))
    for name in sorted(set(names) - set(CHECK_NAMES)):
        result.append(Check(name, False, "unknown check", 0, names[name]))
    result = [
        check if _measured(check) else Check(check.name, False, check.detail, check.threshold, None)
        for check in result
    ]
    return Verdict(all(check.passed is True for check in result), tuple(result))


def _measured(check: Check) -> bool:
    """Tell whether a verdict rests on a real measurement."""
    for value in (check.measured, check.threshold):
        if value is None or isinstance(value, bool):
            return False
        if isinstance(value, float) and not math.isfinite(value):
            return False
    return isinstance(check.passed, bool)


def run_gate(
    request: Request,
    timeout: float = DEFAULT_TIMEOUT,
    command: Sequence[str] | None = None,
) -> Verdict:
    """Judge written files in a fresh process.

    Args:
        request: what the release is declared to be.
        timeout: seconds; beyond, the release is refused.
        command: the process to run instead of this module (tests).

    Returns:
        The verdict. This function does not raise for what the process does: a failure of the
        gate is a refusal, with the check ``gate_process``.
    """
    root = str(Path(__file__).resolve().parents[2])
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(
        part for part in (root, environment.get("PYTHONPATH", "")) if part
    )
    try:
        done = subprocess.run(
            list(command or (sys.executable, "-m", "openchronic_assets.anonymisation.gate")),
            input=json.dumps(asdict(request)),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=timeout,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _broken(f"no verdict within {timeout:g} s", timeout)
    except OSError as error:
        return _broken(f"the gate could not start ({type(error).__name__})", 0)
    if done.returncode != 0:
        return _broken(f"the gate's process ended with code {done.returncode}", done.returncode)
    try:
        answer: Any = json.loads(done.stdout)
        checks = [Check(**entry) for entry in answer["checks"]]
    except (ValueError, KeyError, TypeError):
        return _broken("the gate's answer cannot be read", 0)
    return judge(checks)


def _broken(detail: str, measured: float) -> Verdict:
    """Return the refusal of a gate that gave no verdict."""
    return Verdict(False, (Check("gate_process", False, detail, 0, measured),))


def main() -> None:
    """Read a request on standard input, print the verdicts as JSON on standard output."""
    body = json.load(sys.stdin)
    body["companions"] = tuple(body["companions"])
    checks = inspect(Request(**body))
    json.dump({"checks": [asdict(check) for check in checks]}, sys.stdout)


if __name__ == "__main__":
    main()
