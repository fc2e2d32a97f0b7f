"""Checks of a public table of individuals, on its Parquet and CSV files."""

from __future__ import annotations

import csv
import json
import math
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from openchronic_assets.anonymisation.gate.verdict import Finding

K_FLOOR = 12
"""Smallest class of a public file, whatever is asked: 1 / 12 <= 0.09 < 1 / 11."""

RISK = 0.09
ENTROPY_L = 3.0
CLOSENESS = 0.3
SUPPRESSED = 0.02
SUPPRESSED_IN_A_BAND = 0.05
SMALL_BAND = 100
POWER = 0.3
ATTACKS = 1000

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
        sensitive: published columns that are sensitive attributes and not quasi-identifiers.
        bands: for each band of people (department x sex x age), how many there were and how many
            were removed; they add up to the population and to the removed.
        attacked: Parquet file (vault) of the people behind the rows, at the finest level; one
            column a published column.
        control: the same for people who are not in the release, where there are any.
        classes: Parquet file (vault) of ``person`` (keyed hash) and ``class`` (number of the
            published tuple), one row a published record.
        earlier: the same files of earlier releases.
        sorties: files of the vault with the cells of each table that an analyst took out.
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
    sensitive: tuple[str, ...] = ()
    bands: dict[str, tuple[int, int]] = field(default_factory=dict)
    attacked: str | None = None
    control: str | None = None
    classes: str | None = None
    earlier: tuple[str, ...] = ()
    sorties: tuple[str, ...] = ()


class Evidence:
    """The files under judgement, read once when a check first needs them."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.folder = Path(request.folder)
        self.columns = tuple(request.hierarchies)
        self.quasi = [d for d, n in enumerate(self.columns) if n not in request.sensitive]

    @cached_property
    def parquet(self) -> pq.ParquetFile:
        """Return the Parquet file, opened."""
        return pq.ParquetFile(self.folder / self.request.parquet)

    @cached_property
    def parquet_rows(self) -> Counter[Tuple]:
        """Count the rows of the Parquet file."""
        return Counter(self.iterate_parquet())

    def iterate_parquet(self) -> Iterator[Tuple]:
        """Yield the rows of the Parquet file in order."""
        for batch in self.parquet.iter_batches(batch_size=65_536):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    @cached_property
    def csv_header(self) -> tuple[str, ...]:
        """Return the header of the CSV file."""
        with (self.folder / self.request.csv).open(encoding="utf-8", newline="") as file:
            return tuple(next(csv.reader(file)))

    def iterate_csv(self) -> Iterator[Tuple]:
        """Yield the rows of the CSV file in order."""
        with (self.folder / self.request.csv).open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file, strict=True)
            next(reader)
            for line in reader:
                yield tuple(line)

    @cached_property
    def csv_rows(self) -> Counter[Tuple]:
        """Count the rows of the CSV file."""
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


def _files(e: Evidence) -> Finding:
    present = {path.name for path in e.folder.iterdir()}
    needed = {e.request.parquet, e.request.csv}
    extra = present - needed - set(e.request.companions)
    irregular = sum(1 for path in e.folder.iterdir() if path.is_symlink() or not path.is_file())
    return Finding(
        needed <= present and not extra and not irregular,
        f"{len(needed - present)} files missing, {len(extra)} not declared, "
        f"{irregular} links or folders",
        0,
        len(needed - present) + len(extra) + irregular,
    )


def _columns(e: Evidence) -> Finding:
    found = (tuple(e.parquet.schema_arrow.names), tuple(e.csv_header))
    wrong = sum(1 for names in found if names != e.columns)
    return Finding(
        wrong == 0 and len(e.columns) > 0,
        f"allowed: {', '.join(e.columns)}; Parquet has {len(found[0])} columns, "
        f"CSV {len(found[1])}",
        0,
        wrong,
    )


def _types(e: Evidence) -> Finding:
    wrong = [
        field.name
        for field in e.parquet.schema_arrow
        if not (pa.types.is_string(field.type) or pa.types.is_large_string(field.type))
    ]
    widths = {len(line) for line in e.csv_rows}
    ragged = len(widths - {len(e.columns)})
    return Finding(
        not wrong and not ragged,
        f"{len(wrong)} columns are not text; {ragged} other line widths in the CSV file",
        0,
        len(wrong) + ragged,
    )


def _not_empty(e: Evidence) -> Finding:
    rows = min(sum(e.parquet_rows.values()), sum(e.csv_rows.values()))
    return Finding(rows > 0, f"{rows} rows", 1, rows)


def _no_missing_value(e: Evidence) -> Finding:
    missing = sum(
        count
        for rows in (e.parquet_rows, e.csv_rows)
        for line, count in rows.items()
        if not line or any(value is None or not value.strip() for value in line)
    )
    return Finding(missing == 0, f"{missing} rows with NULL or blank", 0, missing)


def _known_values(e: Evidence) -> Finding:
    unknown = {name: len(values - e.domains.get(name, set())) for name, values in e.distinct()}
    total = sum(unknown.values())
    columns = ", ".join(name for name, count in unknown.items() if count)
    return Finding(
        total == 0,
        f"{total} values outside the declared hierarchies" + (f" ({columns})" if columns else ""),
        0,
        total,
    )


def _classes(e: Evidence, rows: Counter[Tuple]) -> Counter[Tuple]:
    if not e.request.sensitive:
        return rows
    found: Counter[Tuple] = Counter()
    for line, count in rows.items():
        found[tuple(line[d] for d in e.quasi)] += count
    return found


def _smallest(e: Evidence, rows: Counter[Tuple]) -> int:
    return min(_classes(e, rows).values(), default=0)


def _k_parquet(e: Evidence) -> Finding:
    k = _smallest(e, e.parquet_rows)
    return Finding(k >= e.request.k, f"smallest class of {k} rows", e.request.k, k)


def _k_csv(e: Evidence) -> Finding:
    k = _smallest(e, e.csv_rows)
    return Finding(k >= e.request.k, f"smallest class of {k} rows", e.request.k, k)


def _same_rows(e: Evidence) -> Finding:
    left, right = e.parquet_rows, e.csv_rows
    different = sum(((left - right) + (right - left)).values())
    return Finding(different == 0, f"{different} rows differ between Parquet and CSV", 0, different)


def _row_count(e: Evidence) -> Finding:
    rows = sum(e.parquet_rows.values())
    gap = abs(rows - e.request.rows) + abs(
        e.request.population - e.request.rows - e.request.suppressed
    )
    return Finding(
        gap == 0 and e.request.suppressed >= 0,
        f"{rows} rows written, {e.request.rows} declared, {e.request.suppressed} removed of "
        f"{e.request.population}",
        0,
        gap,
    )


def _suppressed_removed(e: Evidence) -> Finding:
    """Rows that say nothing are a class like another: removed, or at least k of them."""
    short = sum(
        count
        for rows in (e.parquet_rows, e.csv_rows)
        for line, count in _classes(e, rows).items()
        if line and all(value == "*" for value in line) and count < max(K_FLOOR, e.request.k)
    )
    return Finding(short == 0, f"{short} rows hold only '*' in a class that is too small", 0, short)


IDENTIFIER_NAME = re.compile(
    r"(^|_)(id|ids|uuid|key|index|row|line|num|nir|nom|name|prenom|hash|pseudo\w*|date|day|month|"
    r"birth|naissance|deces|death|commune|insee|postal|zip|finess|rpps|adeli|ano)(_|$)|^ben_|^nir",
    re.IGNORECASE,
)


def _identifier_names(e: Evidence) -> Finding:
    names = {*e.parquet.schema_arrow.names, *e.csv_header}
    bad = sum(1 for name in names if not name.strip() or IDENTIFIER_NAME.search(name))
    return Finding(bad == 0, f"{bad} column names look like identifiers", 0, bad)


ALONE = r"(?<![0-9A-Za-z])(?:{})(?![0-9A-Za-z])"
_MONTHS = r"(?:jan|feb|fev|fév|mar|apr|avr|may|mai|jun|jui|jul|aug|aou|aoû|sep|oct|nov|dec|déc)"
IDENTIFIER_VALUE = {
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


def _identifier_values(e: Evidence) -> Finding:
    patterns = {
        kind: re.compile(ALONE.format(pattern), re.IGNORECASE)
        for kind, pattern in IDENTIFIER_VALUE.items()
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
    return Finding(
        not found,
        "; ".join(f"{count} x {what}" for what, count in sorted(found.items())) or "none found",
        0,
        sum(found.values()),
    )


def _no_metadata(e: Evidence) -> Finding:
    schema = e.parquet.schema_arrow
    entries = len(e.parquet.metadata.metadata or {}) + len(schema.metadata or {})
    entries += sum(len(field.metadata or {}) for field in schema)
    bom = (e.folder / e.request.csv).open("rb").read(3) == b"\xef\xbb\xbf"
    return Finding(
        entries == 0 and not bom,
        f"{entries} key-value entries in the Parquet file",
        0,
        entries + int(bom),
    )


def _no_hidden_value(e: Evidence) -> Finding:
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
    # Bytes that no column accounts for: what is left of rows that were there before.
    hidden += path.stat().st_size != _accounted(path, coded.metadata)
    return Finding(hidden == 0, f"{hidden} values in the file that no row holds", 0, hidden)


def _accounted(path: Path, metadata: pq.FileMetaData) -> int:
    """Return the bytes of columns, footer and marks: the size of a file that holds nothing else."""
    chunks = [
        metadata.row_group(group).column(column).total_compressed_size
        for group in range(metadata.num_row_groups)
        for column in range(metadata.num_columns)
    ]
    with path.open("rb") as file:
        file.seek(-8, os.SEEK_END)
        footer = int.from_bytes(file.read(4), "little")
    # PAR1 at both ends, and the length of the footer.
    return 4 + int(sum(chunks)) + footer + 8


def _sorted_rows(e: Evidence) -> Finding:
    breaks = 0
    for rows in (e.iterate_parquet(), e.iterate_csv()):
        previous: Tuple | None = None
        for line in rows:
            if previous is not None and line < previous:
                breaks += 1
            previous = line
    return Finding(breaks == 0, f"{breaks} rows out of the order of values", 0, breaks)


def _floor(e: Evidence) -> Finding:
    return Finding(e.request.k >= K_FLOOR, f"k = {e.request.k} is asked", K_FLOOR, int(e.request.k))


def _risk(e: Evidence) -> Finding:
    """Prosecutor risk; the average and the marketer's (classes / rows) are told."""
    worst = 0.0
    average = 0.0
    for rows in (e.parquet_rows, e.csv_rows):
        classes = _classes(e, rows)
        worst = max(worst, 1 / min(classes.values()))
        average = max(average, len(classes) / sum(classes.values()))
    return Finding(worst <= RISK, f"average and marketer risk {average:.6f}", RISK, worst)


def _diversity(e: Evidence) -> Finding:
    """Each sensitive column: entropy-l of at least 3, or t-closeness of at most 0.3."""
    poor = 0
    for rows in (e.parquet_rows, e.csv_rows):
        for name in e.request.sensitive:
            d = e.columns.index(name)
            overall: Counter[str | None] = Counter()
            inside: dict[Tuple, Counter[str | None]] = defaultdict(Counter)
            for line, count in rows.items():
                # The other sensitive columns are known to the attacker: joint classes.
                rest = tuple(value for i, value in enumerate(line) if i != d)
                inside[tuple(line[i] for i in e.quasi)][line[d]] += count
                inside[("*joint*", *rest)][line[d]] += count
                overall[line[d]] += count
            total = sum(overall.values())
            for group in inside.values():
                size = sum(group.values())
                shares = [count / size for count in group.values()]
                entropy = math.exp(-sum(share * math.log(share) for share in shares))
                distance = 0.5 * sum(
                    abs(group[value] / size - count / total) for value, count in overall.items()
                )
                poor += not (entropy >= ENTROPY_L - 1e-12 or distance <= CLOSENESS + 1e-12)
    return Finding(
        poor == 0,
        f"{len(e.request.sensitive)} sensitive columns, {poor} classes neither diverse nor close",
        0,
        poor,
    )


def _suppression(e: Evidence) -> Finding:
    """Overall at most 2 % (or fewer people than a class), and at most 5 % in each band."""
    removed, people = e.request.suppressed, e.request.population
    share = removed / people if people else math.nan
    good = share <= SUPPRESSED or removed < K_FLOOR
    there = sum(total for total, _ in e.request.bands.values())
    gone = sum(lost for _, lost in e.request.bands.values())
    if e.request.bands:
        good &= (there, gone) == (people, removed)
        # Bands too small for a share are judged together.
        small = [each for each in e.request.bands.values() if each[0] < SMALL_BAND]
        large = [each for each in e.request.bands.values() if each[0] >= SMALL_BAND]
        large.append((sum(t for t, _ in small), sum(g for _, g in small)))
        good &= all(
            0 <= lost <= total and (lost <= SUPPRESSED_IN_A_BAND * total or lost < K_FLOOR)
            for total, lost in large
        )
    return Finding(
        bool(good),
        f"{removed} of {people} removed, {len(e.request.bands)} bands",
        SUPPRESSED,
        share,
    )


def _attacks(e: Evidence) -> Finding:
    """Upper bounds of the three excess risks, and the power of the attacks themselves."""
    from openchronic_assets.anonymisation import attacks

    if e.request.attacked is None:
        return Finding(False, "no people to attack were given", RISK, "none")

    def people(path: str) -> list[tuple[str, ...]]:
        table = pq.read_table(path, columns=list(e.columns))
        return list(zip(*(column.to_pylist() for column in table.columns), strict=True))

    original = people(e.request.attacked)
    control = None if e.request.control is None else people(e.request.control)
    covers: dict[int, dict[str, frozenset[str]]] = {}
    for d, name in enumerate(e.columns):
        under: dict[str, set[str]] = defaultdict(set)
        with Path(e.request.hierarchies[name]).open(encoding="utf-8", newline="") as file:
            for line in list(csv.reader(file))[1:]:
                for value in line:
                    under[value].add(line[0])
        covers[d] = {value: frozenset(leaves) for value, leaves in under.items()}
    rows = list(e.parquet_rows.items())
    risks = attacks.attack(
        [line for line, _ in rows],  # type: ignore[misc]
        [count for _, count in rows],
        original,
        covers,
        control,
        attempts=ATTACKS,
    )
    strong = attacks.power(original)
    people_asked = min(ATTACKS, len(original))
    asked = {"singling_out": ATTACKS, "linkability": people_asked, "inference": people_asked}
    worst = max(risk.high for risk in risks)
    weakest = min(risk.risk for risk in strong)
    good = (
        [risk.attack for risk in risks] == list(asked)
        and all(math.isfinite(r.high) and r.attempts == asked[r.attack] for r in risks)
        and len(strong) == 3
        and weakest >= POWER
        and worst <= RISK
    )
    told = ", ".join(f"{risk.attack} {risk.risk:.4f} (up to {risk.high:.4f})" for risk in risks)
    return Finding(
        good, f"{told}; {people_asked} people attacked; on a leaky file {weakest:.2f}", RISK, worst
    )


def read_sortie(path: Path) -> dict[frozenset[tuple[str, str]], int]:
    """Return the shown cells of a table that was taken out, each by what it is (no totals)."""
    body = json.loads(path.read_text(encoding="utf-8"))
    found: dict[frozenset[tuple[str, str]], int] = {}
    for *labels, count in body["cells"]:
        if count is not None:
            pairs = zip(body["dimensions"], labels, strict=True)
            found[frozenset((name, value) for name, value in pairs if value != "*")] = int(count)
    return found


def _away_from_sorties(e: Evidence) -> int:
    """Count cells of a sortie from which the rows of the same values differ by a small group."""
    away = 0
    counted: dict[tuple[str, ...], Counter[frozenset[tuple[str, str | None]]]] = {}
    for path in e.request.sorties:
        for key, count in read_sortie(Path(path)).items():
            names = tuple(sorted(name for name, _ in key))
            if not names or not set(names) <= set(e.columns):
                continue
            if names not in counted:
                places = [(name, e.columns.index(name)) for name in names]
                counted[names] = Counter()
                for line, rows in e.parquet_rows.items():
                    counted[names][frozenset((n, line[d]) for n, d in places)] += rows
            rows = counted[names].get(key, 0)
            away += rows > 0 and 0 < abs(rows - count) < K_FLOOR - 1
    return away


def _earlier(e: Evidence) -> Finding:
    """People of an earlier release too: those in one class of each are at least k."""

    def of(path: str) -> dict[str, int]:
        table = pq.read_table(path, columns=["person", "class"])
        found = dict(zip(table["person"].to_pylist(), table["class"].to_pylist(), strict=True))
        if len(found) != table.num_rows or None in found:
            raise ValueError("a person is there twice")
        return found

    away = _away_from_sorties(e)
    if away:
        return Finding(False, f"{away} cells differ by a small group from a sortie", 0, away)
    if e.request.classes is None:
        return Finding(not e.request.earlier, "no classes of people were given", 0, 0)
    mine = of(e.request.classes)
    sizes = sorted(Counter(mine.values()).values())
    if sizes != sorted(_classes(e, e.parquet_rows).values()):
        return Finding(False, "the classes of people are not those of the file", 0, len(sizes))
    small = 0
    for path in e.request.earlier:
        other = of(path)
        both = Counter((mine[person], other[person]) for person in mine.keys() & other.keys())
        small += sum(1 for count in both.values() if count < max(K_FLOOR, e.request.k))
    return Finding(
        small == 0,
        f"{len(e.request.earlier)} earlier releases; {small} intersections of classes too small",
        0,
        small,
    )


CHECKS: dict[str, Callable[[Evidence], Finding]] = {
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
    "k_floor": _floor,
    "prosecutor_risk": _risk,
    "diversity": _diversity,
    "suppression": _suppression,
    "attacks": _attacks,
    "earlier_releases": _earlier,
}
