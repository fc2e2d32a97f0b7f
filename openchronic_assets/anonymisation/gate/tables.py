"""Checks of published tables: thresholds, statistics solved for their counts, attacker's programs.

All files of the same population and measure, those of earlier releases included, are one system
of sums: they are linked by what their columns mean, not by the file they stand in.
"""

from __future__ import annotations

import csv
import itertools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from openchronic_assets.anonymisation.gate import invert
from openchronic_assets.anonymisation.gate.microdata import (
    ALONE,
    IDENTIFIER_NAME,
    IDENTIFIER_VALUE,
    read_sortie,
)
from openchronic_assets.anonymisation.gate.verdict import Finding

THRESHOLD = 11
WIDTH = 11.0
DOMINANCE = 0.85

STATISTICS = ("rate", "low", "high", "poisson_low", "poisson_high", "smoothed", "funnel")


@dataclass(frozen=True)
class TableRequest:
    """What a set of tables is declared to be.

    Attributes:
        folder: where the files are.
        tables: for each CSV file: ``population`` (whose data), ``measure``, ``reference`` (what
            time), ``dimensions`` (column to hierarchy file), ``count`` (its column, or None) and
            ``statistics``: column to ``{"kind": …}`` with what its formula needs: ``rate``
            (``denominator`` column or number, ``per``, ``decimals``), ``low`` and ``high`` of a
            Wilson interval (``per``), ``poisson_low`` and ``poisson_high`` of Byar's (``of``, any
            name, tells the ends of one interval from those of another), ``smoothed``
            (``expected`` column, ``shape``, ``rate``), ``funnel`` (``centre``), ``amount`` (with
            ``largest``, a file of the vault).
        earlier: the same for files of earlier releases, by path.
        threshold: fewest people of a shown cell; never less than 11.
        sorties: files of the vault with the cells of each table that an analyst took out.
    """

    folder: str
    tables: dict[str, dict[str, Any]]
    earlier: dict[str, dict[str, Any]] = field(default_factory=dict)
    threshold: int = THRESHOLD
    sorties: list[str] = field(default_factory=list)


Atoms = tuple[tuple[int, ...], ...]
"""Leaves of a cell by dimension, in the order of their names; a leaf by its place in its list."""


@dataclass
class Table:
    """A file of cells, as it is declared and as it is written."""

    path: Path
    declared: dict[str, Any]
    header: list[str]
    lines: list[list[str]]

    @cached_property
    def dimensions(self) -> list[str]:
        """Names of the columns that say what a cell is of."""
        return list(self.declared["dimensions"])

    def column(self, name: str) -> list[str]:
        """Return a column as it is written."""
        position = self.header.index(name)
        return [line[position] for line in self.lines]

    def cells(self) -> Iterator[tuple[str, ...]]:
        """Yield what each cell is of."""
        yield from zip(*(self.column(name) for name in self.dimensions), strict=True)

    def hierarchies(self) -> dict[str, list[list[str]]]:
        """Return, for each dimension, every leaf with what it is in."""
        found = {}
        for name, path in self.declared["dimensions"].items():
            with Path(path).open(encoding="utf-8", newline="") as file:
                found[name] = list(csv.reader(file))[1:]
        return found


class Evidence:
    """The files under judgement."""

    def __init__(self, request: TableRequest) -> None:
        self.request = request
        self.folder = Path(request.folder)

    @cached_property
    def tables(self) -> list[Table]:
        """Return the files under judgement."""
        return [_read(self.folder / name, body) for name, body in self.request.tables.items()]

    @cached_property
    def earlier(self) -> list[Table]:
        """Return the files of earlier releases."""
        return [_read(Path(name), body) for name, body in self.request.earlier.items()]

    @cached_property
    def sorties(self) -> list[dict[frozenset[tuple[str, str]], int]]:
        """Return the shown cells of the tables taken out."""
        return [read_sortie(Path(path)) for path in self.request.sorties]


def _read(path: Path, declared: dict[str, Any]) -> Table:
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file, strict=True))
    return Table(path, declared, lines[0], lines[1:])


def _files(e: Evidence) -> Finding:
    wrong = 0
    for table in e.tables:
        named = [*table.dimensions, *filter(None, [table.declared["count"]]),
                 *table.declared["statistics"]]  # fmt: skip
        wrong += table.header != named or not table.lines
        wrong += any(len(line) != len(table.header) for line in table.lines)
        wrong += table.path.is_symlink()
        wrong += table.path.open("rb").read(3) == b"\xef\xbb\xbf"
    wrong += not e.tables
    return Finding(wrong == 0, f"{len(e.tables)} tables, {wrong} not as declared", 0, wrong)


def _values(e: Evidence) -> Finding:
    """Known values, every combination once, counts whole: nothing is said by being absent."""
    wrong = 0
    for table in e.tables:
        known = {n: {v for row in h for v in row} for n, h in table.hierarchies().items()}
        for name in table.dimensions:
            wrong += sum(1 for value in set(table.column(name)) if value not in known[name])
        cells = Counter(table.cells())
        wrong += sum(1 for count in cells.values() if count != 1)
        listed = [len(set(table.column(name))) for name in table.dimensions]
        wrong += abs(math.prod(listed) - len(cells))
        if table.declared["count"]:
            wrong += sum(
                1
                for value in table.column(table.declared["count"])
                if value and not re.fullmatch(r"0|[1-9]\d*", value)
            )
        for name in table.declared["statistics"]:
            wrong += sum(1 for value in table.column(name) if value and not _finite(value))
    return Finding(wrong == 0, f"{wrong} cells unknown, repeated, absent or not numbers", 0, wrong)


def _finite(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _identifiers(e: Evidence) -> Finding:
    patterns = [
        re.compile(ALONE.format(pattern), re.IGNORECASE) for pattern in IDENTIFIER_VALUE.values()
    ]
    found = 0
    for table in e.tables:
        found += sum(1 for name in table.header if IDENTIFIER_NAME.search(name))
        for name in table.dimensions:
            for value in set(table.column(name)):
                found += any(
                    hit and any(c.isdigit() for c in hit.group())
                    for hit in (pattern.search(value) for pattern in patterns)
                )
    return Finding(found == 0, f"{found} names or values look like identifiers", 0, found)


def _threshold(e: Evidence) -> Finding:
    least = max(THRESHOLD, e.request.threshold)
    small = sum(
        1
        for table in e.tables
        if table.declared["count"]
        for value in table.column(table.declared["count"])
        if value and 0 < int(value) < least
    )
    return Finding(
        small == 0 and e.request.threshold >= THRESHOLD, f"{small} cells too small", least, small
    )


def _blank(e: Evidence) -> Finding:
    """A suppressed cell loses everything."""
    left = 0
    for table in e.tables:
        if not table.declared["count"]:
            continue
        counts = table.column(table.declared["count"])
        for name in table.declared["statistics"]:
            left += sum(
                1 for count, value in zip(counts, table.column(name), strict=True)
                if not count.strip() and value.strip()
            )  # fmt: skip
    return Finding(left == 0, f"{left} statistics of suppressed cells", 0, left)


def _statistics(e: Evidence) -> Finding:
    """Solve every shown statistic for its counts; too small, or other than shown, refuses.

    Of a proportion the others are judged too: who did *not* have the event; "all of them" tells
    it of everybody.
    """
    least = max(THRESHOLD, e.request.threshold)
    bad = solved = 0
    for table in e.tables:
        rows = [dict(zip(table.header, line, strict=True)) for line in table.lines]
        for name, how in table.declared["statistics"].items():
            for row in rows:
                if not row[name].strip():
                    continue
                solved += 1
                found = _counts(row, name, how, table.declared["statistics"])
                low, high = found.events
                if not (math.isfinite(low) and low <= high):
                    bad += 1
                    continue
                # What rounds to the figure: some count from the threshold on, or none at all.
                shown = row[table.declared["count"]] if table.declared["count"] else ""
                reach = max(0.75, 0.02 * abs(high)) if how["kind"] != "rate" else 0.5
                if shown:
                    wrong = not low - reach <= int(shown) <= high + reach
                else:
                    wrong = high + 1e-6 < least and high > 0.5
                bad += wrong or min(found.people, found.others) + 1e-6 < least
    return Finding(bad == 0, f"{solved} statistics solved, {bad} give a small or other count", 0,
                   bad)  # fmt: skip


class _Solved(NamedTuple):
    """The counts behind a statistic: a range of events, the most people and others it can be."""

    events: tuple[float, float]
    people: float = math.inf
    others: float = math.inf


def _counts(
    row: dict[str, str], name: str, how: dict[str, Any], all_of: dict[str, dict[str, Any]]
) -> _Solved:
    """Return the range of counts behind one printed statistic."""
    value, kind, digits = float(row[name]), how["kind"], how.get("decimals")

    def number(key: str) -> float:
        given = how[key]
        return float(row[given]) if isinstance(given, str) else float(given)

    if kind == "rate":
        per, denominator = float(how.get("per", 1)), number("denominator")
        events = invert.rate(value, denominator, per, digits)
        # More events than people: no proportion, nobody is left over.
        others = denominator - events[0] if events[0] <= denominator else math.inf
        return _Solved(events, denominator, others)
    if kind == "smoothed":
        return _Solved(invert.smoothed(value, number("expected"), how["shape"], how["rate"],
                                       digits))  # fmt: skip
    if kind == "funnel":
        people = invert.funnel(value, number("centre"), decimals=digits)
        return _Solved(people, people[1])
    if kind in ("low", "high", "share", "poisson_low", "poisson_high"):
        poisson = kind.startswith("poisson")
        names = ("poisson_low", "poisson_high") if poisson else ("low", "high")
        together = [
            (other["kind"], column)
            for column, other in all_of.items()
            if other["kind"] in (*names, "share") and other.get("of") == how.get("of")
        ]
        columns = dict(together)
        ends = sorted(end for end, _ in together if end != "share")
        if ends != sorted(names) or len(columns) != len(together):
            raise ValueError("an interval has one low and one high end")
        low, high = (float(row[columns[end]]) for end in names)
        digits = all_of[columns[names[1]]].get("decimals")
        per = float(all_of[columns[names[1]]].get("per", 1))
        if poisson:
            return _Solved(invert.poisson(low, high, decimals=digits))
        share = columns.get("share")
        events, sizes, rest = invert.proportion(
            low, high, per, decimals=digits,
            value=None if share is None else float(row[share]),
            value_decimals=None if share is None else all_of[share].get("decimals"),
        )  # fmt: skip
        return _Solved(events, sizes[1], rest[1])
    if kind == "amount":
        return _Solved((float(THRESHOLD), math.inf) if value >= 0 else (math.nan, math.nan))
    raise ValueError("a statistic of unknown kind")


def _dominance(e: Evidence) -> Finding:
    """Amounts: the largest contributor of each shown cell, from the file of the vault."""
    bad = judged = 0
    for table in e.tables:
        for name, how in table.declared["statistics"].items():
            if how["kind"] != "amount":
                continue
            with Path(how["largest"]).open(encoding="utf-8", newline="") as file:
                lines = list(csv.reader(file))[1:]
            largest = {tuple(line[:-1]): float(line[-1]) for line in lines}
            for cell, value in zip(table.cells(), table.column(name), strict=True):
                if value:
                    judged += 1
                    top = largest[cell]
                    whole = float(value)
                    # Somebody gave the amount: only an amount of nothing has no largest giver.
                    bad += not (0 < top <= DOMINANCE * whole + 1e-9 or top == whole == 0)
    return Finding(bad == 0, f"{judged} amounts, {bad} held by one contributor", DOMINANCE, bad)


def _groups(e: Evidence) -> dict[tuple[Any, ...], list[Table]]:
    """Return the tables that are sums of the same things."""
    found: dict[tuple[Any, ...], list[Table]] = defaultdict(list)
    for table in e.tables:
        body = table.declared
        found[body["population"], body["measure"], body["reference"]].append(table)
    for table in e.earlier:
        body = table.declared
        key = (body["population"], body["measure"], body["reference"])
        if key in found:
            found[key].append(table)
    return found


def _intervals(e: Evidence) -> Finding:
    """What an attacker works out of each suppressed cell, from all linked tables."""
    narrow, checked, least = 0, 0, math.inf
    for tables in _groups(e).values():
        for span, top in spans(tables).values():
            checked += 1
            least = min(least, span)
            narrow += span < WIDTH - 1e-4 or top < THRESHOLD - 1e-4
    return Finding(
        narrow == 0,
        f"{checked} suppressed cells, {narrow} known too well",
        WIDTH,
        least if math.isfinite(least) else WIDTH,
    )


def spans(tables: list[Table]) -> dict[Atoms, tuple[float, float]]:
    """Return the width and top of the interval of each cell suppressed in these tables."""
    # Here and not above: a release without tables is judged in half the time.
    from scipy import optimize, sparse  # type: ignore[import-untyped]

    rows: dict[str, dict[str, list[str]]] = {}
    for table in tables:
        for name, lines in table.hierarchies().items():
            rows.setdefault(name, {}).update({line[0]: line for line in lines})
    names = sorted(rows)
    # Atoms: leaves that no table tells apart are one; what no table lists does not exist.
    listed: dict[str, set[str]] = {name: set() for name in names}
    for table in tables:
        for name in names:
            if name in table.dimensions:
                listed[name] |= set(table.column(name))
    atoms: list[dict[str, list[int]]] = []
    sizes: list[int] = []
    for name in names:
        marks: dict[tuple[str, ...], int] = {}
        under: dict[str, list[int]] = defaultdict(list)
        for line in rows[name].values():
            inside = tuple(value for value in line if value in listed[name])
            if inside and inside not in marks and set(inside) != {"*"}:
                marks[inside] = len(marks)
                for value in inside:
                    under[value].append(marks[inside])
        if not marks:
            marks[("*",)] = 0
            under["*"].append(0)
        # A total shown beside a partial list: the rest of it is an atom of its own.
        sizes.append(len(marks))
        under.setdefault("*", list(range(len(marks))))
        atoms.append(under)
    seen: dict[Atoms, float] = {}
    hidden: set[Atoms] = set()
    for table in tables:
        count = table.declared["count"]
        for cell, value in zip(table.cells(), table.column(count), strict=True):
            at = dict(zip(table.dimensions, cell, strict=True))
            key = tuple(tuple(atoms[d][at.get(name, "*")]) for d, name in enumerate(names))
            if value:
                if seen.setdefault(key, float(value)) != float(value):
                    raise ValueError("two files say two things of one cell")
            else:
                hidden.add(key)
    wanted = sorted(hidden)
    if not wanted:
        return {}
    strides = [math.prod(sizes[d + 1 :]) for d in range(len(sizes))]

    def matrix(keys: list[Atoms]) -> Any:
        line, column = [], []
        for number, key in enumerate(keys):
            for combination in itertools.product(*key):
                line.append(number)
                column.append(sum(c * s for c, s in zip(combination, strides, strict=True)))
        return sparse.csr_array(
            (np.ones(len(line)), (line, column)), shape=(len(keys), math.prod(sizes))
        )

    shown = sorted(seen)
    equal, right = matrix(shown), np.array([seen[key] for key in shown])
    goal = matrix(wanted)
    low, high = np.full(len(wanted), np.inf), np.full(len(wanted), -np.inf)

    def solve(objective: Any) -> bool:
        found = optimize.linprog(
            objective, A_eq=equal if len(shown) else None, b_eq=right if len(shown) else None,
            bounds=(0, None), method="highs",
        )  # fmt: skip
        if found.status == 3:
            return False
        if found.status != 0:
            raise ValueError("the tables contradict each other")
        point = goal @ found.x
        np.minimum(low, point, out=low)
        np.maximum(high, point, out=high)
        return True

    draw = np.random.default_rng(0)
    for _ in range(6):
        solve(goal.T @ draw.normal(size=len(wanted)))
    for number in range(len(wanted)):
        weight = goal[[number]].toarray().ravel()
        for sign in (1.0, -1.0):
            if high[number] - low[number] < WIDTH or high[number] < THRESHOLD:
                bounded = solve(sign * weight)
                if not bounded and sign < 0:
                    high[number] = np.inf
    widths = zip((high - low).tolist(), high.tolist(), strict=True)
    return dict(zip(wanted, widths, strict=True))


def _known(e: Evidence) -> Finding:
    """Cells suppressed now and shown in an earlier release of the same."""
    known = 0
    for tables in _groups(e).values():
        shown: set[frozenset[tuple[str, str]]] = set()
        for table in tables:
            if table in e.earlier:
                shown |= {key for key, value in _keyed(table) if value}
        for table in tables:
            if table in e.tables:
                known += sum(1 for key, value in _keyed(table) if not value and key in shown)
    # A sortie that agrees with every cell it shares is of the same people.
    for table in e.tables:
        mine = dict(_keyed(table))
        for out in e.sorties:
            common = [key for key in out if mine.get(key)]
            if common and all(out[key] == int(mine[key]) for key in common):
                known += sum(1 for key, value in mine.items() if not value and key in out)
    return Finding(known == 0, f"{known} suppressed cells were published before", 0, known)


def _differences(e: Evidence) -> Finding:
    """The same cell of a population that moved a little: the difference is a small group."""
    small = 0
    for table in e.tables:
        body = table.declared
        mine = dict(_keyed(table))
        for other in e.earlier:
            if (other.declared["measure"], other.declared["reference"]) != (
                body["measure"],
                body["reference"],
            ) or other.declared["population"] == body["population"]:
                continue
            for key, value in _keyed(other):
                now = mine.get(key, "")
                if value and now:
                    small += 0 < abs(int(now) - int(value)) < THRESHOLD
        for out in e.sorties:
            small += sum(
                1 for key, value in out.items()
                if mine.get(key) and 0 < abs(int(mine[key]) - value) < THRESHOLD
            )  # fmt: skip
    return Finding(small == 0, f"{small} cells differ by a small group", 0, small)


def _keyed(table: Table) -> list[tuple[frozenset[tuple[str, str]], str]]:
    """Return each cell by what it is (totals left out) with what is shown."""
    count = table.declared["count"]
    return [
        (
            frozenset(
                (name, value)
                for name, value in zip(table.dimensions, cell, strict=True)
                if value != "*"
            ),
            value,
        )
        for cell, value in zip(table.cells(), table.column(count), strict=True)
    ] if count else []  # fmt: skip


CHECKS: dict[str, Callable[[Evidence], Finding]] = {
    "table_files": _files,
    "table_values": _values,
    "table_identifiers": _identifiers,
    "table_threshold": _threshold,
    "table_blank": _blank,
    "table_statistics": _statistics,
    "table_dominance": _dominance,
    "table_intervals": _intervals,
    "table_known_before": _known,
    "table_differences": _differences,
}
