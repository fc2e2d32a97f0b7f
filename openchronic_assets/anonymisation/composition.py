"""What releases already show, as tables of cells: what an analyst's table is held against.

A sortie must not be the difference from a release, nor a release from a sortie. Released tables
are read as they are; of released microdata the rows of each combination are counted, a lower
bound of the people there, since others may stand in coarser rows.
"""

from __future__ import annotations

import csv
import itertools
import json
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openchronic_assets.anonymisation.hierarchies import ROOT, builtin
from openchronic_assets.errors import OpenChronicError

if TYPE_CHECKING:
    from openchronic_assets.settings import Home

MERGED = " + "
"""Between the parts of a merged category."""

Cells = dict[tuple[str, ...], int | None]


def released(home: Home, dimensions: Iterable[str]) -> list[tuple[tuple[str, ...], Cells, bool]]:
    """Return what each release shows of these dimensions: names, cells, and whether of all people.

    Raises:
        OpenChronicError: a release cannot be read; no table can leave without it.
    """
    wanted = set(dimensions)
    found: list[tuple[tuple[str, ...], Cells, bool]] = []
    if not home.release.is_dir():
        return found
    for folder in sorted(home.release.iterdir()):
        if folder.name.startswith("."):
            continue
        try:
            report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
            for body in report.get("declared", ()):
                for each in body.get("tables", ()):
                    if each["count"] is not None:
                        names, cells = _table(folder / each["file"], each)
                        found.append((names, cells, True))
            for each in report["tables"]:
                if each["file"].endswith(".csv"):
                    shared = [n for n in each["quasi_identifiers"] if n in wanted]
                    rows = _rows(folder / each["file"], shared)
                    found += [(shape, counts, False) for shape, counts in rows]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise OpenChronicError(
                f"release {folder.name} cannot be read ({type(error).__name__}); restore it: no "
                "table can leave without being held against it"
            ) from error
    return found


def _table(path: Path, declared: dict[str, Any]) -> tuple[tuple[str, ...], Cells]:
    names, count = list(declared["dimensions"]), declared["count"]
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(names), {
            tuple(line[name] for name in names): int(line[count]) if line[count] else None
            for line in csv.DictReader(file)
        }


def _rows(path: Path, names: list[str]) -> Iterable[tuple[tuple[str, ...], Cells]]:
    """Yield the counts of rows by every set of these columns; a generalised ``*`` is no total."""
    if not names:
        return
    with path.open(encoding="utf-8", newline="") as file:
        lines = Counter(tuple(line[name] for name in names) for line in csv.DictReader(file))
    for size in range(1, len(names) + 1):
        for chosen in itertools.combinations(range(len(names)), size):
            cells: Counter[tuple[str, ...]] = Counter()
            for line, count in lines.items():
                values = tuple(line[d] for d in chosen)
                if ROOT not in values:
                    cells[values] += count
            yield tuple(names[d] for d in chosen), dict(cells)


@cache
def finest(name: str, value: str) -> str:
    """Return a category by its finest parts, where the column is one whose hierarchy is known.

    A region and the list of its departments are one category whatever table writes it.
    """
    if value == ROOT:
        return value
    parts = [part for each in value.split(MERGED) for part in _parts(name).get(each, (each,))]
    return MERGED.join(sorted(set(parts)))


@cache
def _parts(name: str) -> dict[str, tuple[str, ...]]:
    if name not in ("department", "age_group", "ald", "sex"):
        return {}
    found: dict[str, list[str]] = {}
    for row in builtin(name).rows:
        for value in set(row[1:]) - {ROOT, row[0]}:
            found.setdefault(value, []).append(row[0])
    return {value: tuple(leaves) for value, leaves in found.items()}
