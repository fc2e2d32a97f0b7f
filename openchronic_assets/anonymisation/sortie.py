"""The way out for analysts: their own tables, checked, delivered with a proof, or sent back.

A table is a list of cells: one column a dimension, a column of people (and of stays), and, where
amounts are shown, what the largest contributor holds. It is checked alone (threshold, dominance,
hidden cells by the attacker's linear programs) and against every table that anybody took out
before and every release: what is derived by subtraction counts as shown. A table that passes is
copied to ``exports/sorties/`` with a signed proof; for one that does not, the smallest merges of
categories that pass are proposed. Both are in the journal; the register of what is out is in the
vault.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import hashlib
import hmac
import io
import itertools
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from openchronic_assets.anonymisation import journal, professionals
from openchronic_assets.anonymisation.composition import (
    MERGED,
    finest,
    released,
    released_indicators,
)
from openchronic_assets.anonymisation.microdata import read_table as rows_of
from openchronic_assets.anonymisation.release import vault_key
from openchronic_assets.anonymisation.suppression import intervals
from openchronic_assets.anonymisation.tables import DOMINANCE, THRESHOLD, Dimension
from openchronic_assets.errors import OpenChronicError, Refused, UsageError
from openchronic_assets.settings import Home

TOTALS = frozenset(("*", "total", "ensemble", "tous", "toutes", "all"))
COUNTS = ("people", "persons", "patients", "personnes", "effectif", "n", "count")
MISSING = "(missing)"
_CODES = re.compile(
    r"(?i)(^|_)(dep|departe?ment|region|commune|sexe?|age|ald|year|annee|an|month|mois|quarter|"
    r"trimestre|code|class|group|level|niveau|finess|cmd|ghm|atc|cim|quintile|decile)"
)
"""Names of columns whose numbers are categories."""

LARGEST_CUBE = 20_000

Cell = tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """An analyst's table.

    Attributes:
        dimensions: names, in the order of the columns.
        cells: labels to people; None where the analyst hides the cell. ``*`` is a total.
        stays: labels to stays, where given.
        amounts: labels to (amount, largest contributor), where given.
        whole: whether the counts are of all people of a cell; of microdata they are of those
            whose row is not coarser.
    """

    dimensions: tuple[str, ...]
    cells: dict[Cell, int | None]
    stays: dict[Cell, int] = field(default_factory=dict)
    amounts: dict[Cell, tuple[float, float]] = field(default_factory=dict)
    whole: bool = True


@dataclass(frozen=True)
class Problem:
    """One reason to send a table back; ``cells`` counts, no value is told."""

    rule: str
    cells: int
    detail: str


def read_table(
    path: Path,
    *,
    count: str | None = None,
    stays: str | None = None,
    amount: str | None = None,
    largest: str | None = None,
) -> Table:
    """Read a CSV or Parquet table.

    Args:
        path: the file; the separator of a CSV file is found.
        count: column of people; found by its name when not given.
        stays: column of stays or establishments.
        amount: column of an amount; ``largest`` is then required.
        largest: column of the amount of the largest contributor.

    Raises:
        UsageError: the file or a column is not what it should be; says which.
        Refused: a column tells professionals one by one.
    """
    if (amount is None) != (largest is None):
        raise UsageError("an amount goes with its largest contributor: give --amount and --largest")
    try:
        # Every line is a cell of the table: no reader that skips what it does not understand.
        read = rows_of(path)
    except OpenChronicError as error:
        raise UsageError(f"{path.name} cannot be read as a table: {error}") from None
    header = list(read.table.column_names)
    rows = list(zip(*(column.to_pylist() for column in read.table.columns), strict=True))
    if not rows:
        raise UsageError(f"{path.name} has no row")
    folded = {name.casefold(): name for name in header}
    found = count or next((folded[name] for name in COUNTS if name in folded), None)
    named = [name for name in (found, stays, amount, largest) if name is not None]
    absent = [name for name in named if name not in header]
    if found is None or absent:
        raise UsageError(
            f"{path.name}: no column {absent[0] if absent else 'of people'}; name it with --count"
        )
    dimensions = [name for name in header if name not in named]
    if not dimensions:
        raise UsageError(f"{path.name}: there is no column beside the counts")
    professionals.refuse(((name, read.table[name].to_pylist()) for name in dimensions), path.name)
    for name in dimensions:
        values = [row[header.index(name)] for row in rows]
        given = [v for v in values if v is not None and str(v).casefold().strip() not in TOTALS]
        numbers = [_figure(v) for v in given]
        if any(isinstance(v, float) for v in values) or (
            given and None not in numbers and any(n != int(n) for n in numbers if n is not None)
        ):
            raise UsageError(
                f"{path.name}: column {name} holds numbers and is no category; a rate or an "
                "interval gives its counts away: take it out, or compute it outside from the table"
            )
    for name in dimensions:
        values = [row[header.index(name)] for row in rows]
        others = [header.index(other) for other in dimensions if other != name]
        alone = {tuple(row[d] for d in others) for row in rows}
        if others and len(alone) == len(rows) and _counts_like(name, values):
            raise UsageError(
                f"{path.name}: column {name} holds numbers that the other columns decide: it looks "
                "like a second count. Name it with --stays, take it out, or take it out as a "
                "table of its own"
            )
    table = Table(tuple(dimensions), {}, {}, {})
    for line, row in enumerate(rows, start=2):
        at = dict(zip(header, row, strict=True))
        cell = tuple(_label(at[name]) for name in dimensions)
        if cell in table.cells:
            raise UsageError(f"{path.name}, line {line}: the same cell is there twice")
        table.cells[cell] = _whole(at[found], path, line, found)
        if stays is not None:
            table.stays[cell] = _whole(at[stays], path, line, stays) or 0
        if amount is not None and largest is not None:
            values = [_number(at[name], path, line, name) for name in (amount, largest)]
            table.amounts[cell] = (values[0], values[1])
    return table


def _label(value: Any) -> str:
    text = " ".join(str(value).split()) if value is not None else ""
    if text.casefold() in TOTALS:
        return "*"
    return text or MISSING


def _figure(value: Any) -> float | None:
    """Return the number that a text writes, ``2,5 %`` too; None for any other text."""
    text = str(value).replace(",", ".").strip(" %‰\u00a0\u202f")
    try:
        number = float(text)
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def _counts_like(name: str, values: Sequence[Any]) -> bool:
    """Tell whether a column is all numbers that are no years and no codes known as such."""
    texts = [str(value).strip() for value in values if value is not None]
    if _CODES.search(name) or not texts:
        return False
    return all(
        re.fullmatch(r"0|[1-9]\d*(\.0*)?", t) for t in texts if t.casefold() not in TOTALS
    ) and not all(re.fullmatch(r"(19|20)\d\d", t) for t in texts)


def _whole(value: Any, path: Path, line: int, column: str) -> int | None:
    if value is None or not str(value).strip():
        return None
    try:
        number = float(str(value).replace(" ", ""))
        if number < 0 or number != int(number):
            raise ValueError
    except (ValueError, OverflowError):
        raise UsageError(
            f"{path.name}, line {line}, column {column}: a whole number is expected, or nothing "
            "where the cell is hidden"
        ) from None
    return int(number)


def _number(value: Any, path: Path, line: int, column: str) -> float:
    if value is None or not str(value).strip():
        return 0.0
    try:
        number = float(str(value).replace(",", "."))
    except ValueError:
        number = float("nan")
    if not np.isfinite(number) or number < 0:
        raise UsageError(f"{path.name}, line {line}, column {column}: an amount is expected")
    return number


# --- the checks ---------------------------------------------------------------------------------


def problems(
    table: Table, earlier: Sequence[Table] = (), threshold: int = THRESHOLD
) -> list[Problem]:
    """Return why a table may not leave; an empty list when it may."""
    found = []
    shown = {cell: n for cell, n in table.cells.items() if n is not None}
    small = sum(1 for n in shown.values() if 0 < n < threshold)
    if small:
        found.append(Problem("threshold", small, f"fewer than {threshold} people"))
    few = sum(1 for c, n in table.stays.items() if c in shown and 0 < n < threshold)
    if few:
        found.append(Problem("threshold_stays", few, f"fewer than {threshold} stays"))
    held = sum(
        1 for c, (all_, top) in table.amounts.items() if c in shown and top > DOMINANCE * all_ > 0
    )
    if held:
        found.append(Problem("dominance", held, f"one contributor above {DOMINANCE:.0%}"))
    if found:
        return found
    table, earlier = _finest(table), [_finest(each) for each in earlier]
    moved = _moved(table, earlier, threshold)
    if moved:
        return [Problem("differencing", moved, "a small group away from a table already out")]
    linked = [
        other for other in earlier if other.whole and set(other.dimensions) & set(table.dimensions)
    ]
    derived, broken = _derived(table, [], threshold)
    rule = "complementary"
    if not derived and not broken and linked:
        rule = "differencing"
        derived, apart = _derived(table, linked, threshold)
        # Together they are of several populations: then each of them alone. One that contradicts
        # the table is of other people, and was compared cell by cell.
        for other in linked if apart else ():
            derived = max(derived, _derived(table, [other], threshold)[0])
    if derived:
        found.append(Problem(rule, derived, "small cells follow from what is shown"))
    if broken:
        found.append(Problem("contradiction", 1, "totals that are not the sums of their cells"))
    return found


def _finest(table: Table) -> Table:
    """Return the table with its categories named by their finest parts."""
    names = table.dimensions
    return replace(
        table,
        cells={
            tuple(finest(n, v) for n, v in zip(names, cell, strict=True)): count
            for cell, count in table.cells.items()
        },
    )


def _keys(table: Table) -> dict[frozenset[tuple[str, str]], int]:
    return {
        frozenset((n, v) for n, v in zip(table.dimensions, cell, strict=True) if v != "*"): count
        for cell, count in table.cells.items()
        if count is not None
    }


def _alike(table: Table, other: Table) -> bool:
    """Tell whether two tables may be of the same people: all cells of both within a tenth.

    Hundreds of indicators are released: without it some cell of one of them is always near.
    """
    mine, theirs = _keys(_finest(table)), _keys(_finest(other))
    common = mine.keys() & theirs.keys()
    return bool(common) and all(
        min(mine[key], theirs[key]) >= 0.9 * max(mine[key], theirs[key]) for key in common
    )


def _moved(table: Table, earlier: Sequence[Table], threshold: int) -> int:
    """Count cells that differ by a small group from the same cell of a table already out."""
    mine = _keys(table)
    return len(
        {
            key
            for other in earlier
            for key, count in _keys(other).items()
            if key in mine and 0 < abs(mine[key] - count) < threshold
        }
    )


def _derived(table: Table, earlier: Sequence[Table], threshold: int) -> tuple[int, bool]:
    """Count the cells that the linked tables give away, and tell whether they contradict.

    Tables whose totals disagree are of other populations: they are compared cell by cell only.
    """
    linked = [table]
    mine = _keys(table)
    for other in earlier:
        theirs = _keys(other)
        if all(theirs[key] == mine[key] for key in theirs.keys() & mine.keys()):
            linked.append(other)
    names = sorted({name for each in linked for name in each.dimensions})
    dimensions = []
    for name in names:
        listed = {
            cell[each.dimensions.index(name)]
            for each in linked
            if name in each.dimensions
            for cell in each.cells
        } - {"*"}
        # Parts that no listed value tells apart are one.
        parts: dict[str, set[str]] = {}
        for value in sorted(listed):
            for part in value.split(MERGED):
                parts.setdefault(part, set()).add(value)
        apart = sorted({tuple(sorted(inside)) for inside in parts.values()})
        if earlier and listed:
            # A total taken out before may count people whom no category listed here does.
            apart.append(())
        rows = {value: [value in inside for inside in apart] for value in sorted(listed)}
        nodes = ["*", *rows] if len(apart) > 1 else list(rows) or ["*"]
        cover = np.array([rows.get(node, [True] * max(1, len(apart))) for node in nodes])
        for atom in range(len(apart)):
            if not (cover[:, atom] & (cover.sum(axis=1) == 1)).any():
                nodes.append(f"part {atom}")
                cover = np.vstack([cover, np.arange(len(apart)) == atom])
        dimensions.append(Dimension(name, tuple(nodes), cover))
    shape = [d.size for d in dimensions]
    if int(np.prod(shape)) > LARGEST_CUBE:
        raise UsageError(
            f"with the tables already out this makes {int(np.prod(shape)):,} cells to judge "
            f"together, more than {LARGEST_CUBE:,}; take out fewer dimensions at a time"
        )
    shown = np.full(shape, np.nan)
    asked: set[int] = set()
    for each in linked:
        for cell, count in each.cells.items():
            at = dict(zip(each.dimensions, cell, strict=True))
            place = tuple(d.index.get(at.get(d.name, "*"), 0) for d in dimensions)
            if count is not None:
                if not np.isnan(shown[place]) and shown[place] != count:
                    return 0, True
                shown[place] = count
            elif each is table:
                asked.add(int(np.ravel_multi_index(place, tuple(shape))))
    # What the analyst hides, and what no table lists but subtraction may give.
    shapes = {tuple(name in each.dimensions for name in names) for each in linked}
    for used in shapes:
        places = [
            range(1, d.size) if is_used and d.nodes[0] == "*" else
            (range(d.size) if is_used else range(1))
            for d, is_used in zip(dimensions, used, strict=True)
        ]  # fmt: skip
        for place in itertools.product(*places):
            if np.isnan(shown[place]):
                asked.add(int(np.ravel_multi_index(place, tuple(shape))))
    if not asked:
        return 0, False
    try:
        found = intervals(dimensions, shown, cells=sorted(asked), enough=float(threshold))
    except Refused:
        return 0, True
    given = sum(
        1
        for low, high in found.values()
        if high - low < threshold - 1e-6 and high < threshold - 1e-6 and high > 1e-6
    )
    return given, False


# --- proposals ----------------------------------------------------------------------------------


def proposals(
    table: Table, earlier: Sequence[Table], threshold: int = THRESHOLD, most: int = 3
) -> list[dict[str, list[list[str]]]]:
    """Return the smallest merges of categories that pass: dimension to groups, fewest first.

    All single merges are tried, then all pairs of merges of a dimension, then, for dimensions of
    many categories, the smallest categories are gathered one by one.
    """
    found: list[dict[str, list[list[str]]]] = []
    for position, name in enumerate(table.dimensions):
        values = sorted({cell[position] for cell in table.cells} - {"*"})
        sizes = {
            v: sum(n or 0 for cell, n in table.cells.items() if cell[position] == v) for v in values
        }
        values.sort(key=lambda v: (sizes[v], v))
        best = None
        for grouping in itertools.islice(_groupings(values), 600):
            if best is not None and len(values) - len(grouping) > best:
                break
            merged = merge(table, position, grouping)
            if not problems(merged, earlier, threshold):
                groups = [list(group) for group in grouping if len(group) > 1]
                found.append({name: groups})
                best = len(values) - len(grouping)
                break
    found.sort(key=lambda each: sum(len(group) - 1 for groups in each.values() for group in groups))
    return found[:most]


def _groupings(values: Sequence[str]) -> Iterator[list[tuple[str, ...]]]:
    """Yield partitions: one merge, two merges, then the smallest gathered ever further."""
    for pair in itertools.combinations(values, 2):
        yield [pair, *((v,) for v in values if v not in pair)]
    if len(values) <= 9:
        for three in itertools.combinations(values, 3):
            yield [three, *((v,) for v in values if v not in three)]
        for first in itertools.combinations(values, 2):
            rest = [v for v in values if v not in first]
            for second in itertools.combinations(rest, 2):
                if first < second:
                    yield [first, second, *((v,) for v in rest if v not in second)]
    for size in range(3, len(values) + 1):
        yield [tuple(values[:size]), *((v,) for v in values[size:])]


def merge(table: Table, position: int, grouping: Sequence[Sequence[str]]) -> Table:
    """Return the table with categories of one dimension added up; a hidden part hides the sum."""
    label = {v: MERGED.join(sorted(group)) for group in grouping for v in group} | {"*": "*"}

    def of(cell: Cell) -> Cell:
        return (*cell[:position], label[cell[position]], *cell[position + 1 :])

    cells: dict[Cell, int | None] = {}
    stays: dict[Cell, int] = {}
    amounts: dict[Cell, tuple[float, float]] = {}
    for cell, count in table.cells.items():
        key = of(cell)
        before = cells.get(key, 0)
        cells[key] = None if count is None or before is None else before + count
        if cell in table.stays:
            stays[key] = stays.get(key, 0) + table.stays[cell]
        if cell in table.amounts:
            total, top = amounts.get(key, (0.0, 0.0))
            amounts[key] = (total + table.amounts[cell][0], max(top, table.amounts[cell][1]))
    return replace(table, cells=cells, stays=stays, amounts=amounts)


# --- taking out ---------------------------------------------------------------------------------


def take_out(
    home: Home,
    path: Path,
    user: str,
    *,
    threshold: int = THRESHOLD,
    **columns: str | None,
) -> dict[str, Any]:
    """Check a table and deliver it, or propose merges.

    Returns:
        ``delivered`` (bool), ``problems``, ``proposals``, and where delivered ``folder`` and
        ``proof``.

    Raises:
        UsageError: the table cannot be read, nobody is named, or the threshold is below 11.
    """
    if not user.strip():
        raise UsageError("say who takes the table out: --user NAME")
    if threshold < THRESHOLD:
        raise UsageError(f"the threshold is at least {THRESHOLD}")
    home.create()
    table, content = _copied(home, path, columns)
    digest = hashlib.sha256(content).hexdigest()
    with _locked(home):
        register = home.vault / "sorties"
        register.mkdir(mode=0o700, exist_ok=True)
        out = [_load(each) for each in sorted(register.glob("*.json"))]
        public = [
            Table(names, cells, whole=whole)
            for names, cells, whole in released(home, table.dimensions)
        ]
        of_indicators = (
            Table(names, cells) for names, cells in released_indicators(home, table.dimensions)
        )
        earlier = out + public + [each for each in of_indicators if _alike(table, each)]
        found = problems(table, earlier, threshold)
        facts = {
            "user": user.strip(),
            "file_sha256": digest,
            "cells": len(table.cells),
            "rules": [problem.rule for problem in found],
        }
        if found:
            journal.append(home.vault / "journal.jsonl", "sortie_refused", **facts)
            return {
                "delivered": False,
                "problems": [problem.__dict__ for problem in found],
                "proposals": proposals(table, earlier, threshold),
            }
        name = f"{len(out) + 1:05d}-{digest[:8]}"
        # In the register first: a kill may leave a table counted as out that is not, never the
        # other way.
        _save(register / f"{name}.json", table)
        proof = {
            "sortie": name,
            "file": path.name,
            "file_sha256": digest,
            "user": user.strip(),
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "threshold": threshold,
            "dominance": DOMINANCE,
            "earlier_tables": len(out),
            "released_tables": len(public),
            "checks": ["threshold", "dominance", "complementary", "differencing"],
        }
        proof["signature"] = _sign(home, proof)
        entry = journal.append(home.vault / "journal.jsonl", "sortie_delivered", **facts,
                               sortie=name, signature=proof["signature"])  # fmt: skip
        target = home.exports / "sorties" / name
        target.mkdir(mode=0o750, parents=True)
        (target / path.name).write_bytes(content)
        (target / "proof.json").write_text(
            json.dumps(proof, indent=2, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8"
        )
    return {
        "delivered": True,
        "problems": [],
        "proposals": [],
        "sortie": name,
        "folder": str(target),
        "proof": proof,
        "journal": entry["seq"],
    }


def _copied(home: Home, path: Path, columns: Mapping[str, str | None]) -> tuple[Table, bytes]:
    """Read a file once; return the table and the bytes that may leave.

    What is judged is a copy, so that a file changed meanwhile changes nothing. A Parquet file is
    written anew: its metadata, statistics and dictionaries may hold what its rows do not.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path.name} cannot be read ({type(error).__name__})") from None
    work = home.scratch / f".sortie-{uuid.uuid4().hex}"
    work.mkdir(mode=0o700, parents=True)
    try:
        copy = work / path.name
        copy.write_bytes(content)
        table = read_table(copy, **columns)
        if path.suffix.lower() == ".parquet":
            read = pq.read_table(copy)
            columns_ = [
                each.cast(each.type.value_type) if pa.types.is_dictionary(each.type) else each
                for each in read.columns
            ]
            pq.write_table(pa.table(columns_, names=read.column_names), copy, store_schema=False)
            content = copy.read_bytes()
        return table, content
    finally:
        shutil.rmtree(work, ignore_errors=True)


def verify_proof(home: Home, folder: Path) -> dict[str, Any]:
    """Return the proof of a delivered table after checking its signature and the file.

    Raises:
        Refused: the proof was not made by this home's vault, or the file is another.
    """
    try:
        proof: dict[str, Any] = json.loads((folder / "proof.json").read_text(encoding="utf-8"))
        signed = {key: value for key, value in proof.items() if key != "signature"}
        file = folder / Path(str(proof["file"])).name
        same = hashlib.sha256(file.read_bytes()).hexdigest() == proof["file_sha256"]
        good = hmac.compare_digest(_sign(home, signed), str(proof["signature"]))
    except (OSError, ValueError, KeyError) as error:
        raise Refused(f"{folder.name} has no proof that can be read") from error
    if not (good and same):
        raise Refused(
            f"the proof of {folder.name} does not hold: the table or the proof was changed"
        )
    return proof


def _sign(home: Home, proof: Mapping[str, Any]) -> str:
    text = json.dumps(proof, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    key = hashlib.sha256(b"sortie:" + vault_key(home)).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _save(path: Path, table: Table) -> None:
    body = {
        "dimensions": list(table.dimensions),
        "cells": [[*cell, count] for cell, count in table.cells.items()],
    }
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(body, ensure_ascii=False), encoding="utf-8")
    temporary.chmod(0o600)
    temporary.replace(path)


def _load(path: Path) -> Table:
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        return Table(
            tuple(body["dimensions"]), {tuple(line[:-1]): line[-1] for line in body["cells"]}
        )
    except (ValueError, KeyError, TypeError) as error:
        raise OpenChronicError(
            f"vault/sorties/{path.name} is damaged; restore it: no table can leave without it"
        ) from error


@contextlib.contextmanager
def _locked(home: Home) -> Iterator[None]:
    descriptor = os.open(home.vault / "release.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def to_csv(table: Table) -> str:
    """Return a table as CSV text, hidden cells empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*table.dimensions, "people"])
    for cell, count in table.cells.items():
        writer.writerow([*cell, "" if count is None else count])
    return out.getvalue()
