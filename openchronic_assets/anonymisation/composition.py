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
            if report.get("kind") == "indicators":
                continue
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


def released_indicators(
    home: Home, dimensions: Iterable[str]
) -> list[tuple[tuple[str, ...], Cells]]:
    """Return the counts that released indicators show by these dimensions: names and cells.

    There is one table a numerator or denominator, condition and year; a region is the list of its
    departments, an age band that of its ages, as a merged category is.

    Raises:
        OpenChronicError: a release cannot be read; no table can leave without it.
    """
    names = tuple(n for n in ("department", "sex", "age_group") if n in set(dimensions))
    found: list[tuple[tuple[str, ...], Cells]] = []
    if not names or not home.release.is_dir():
        return found
    for folder in sorted(home.release.glob("*-indicators-*")):
        if folder.name.startswith("."):
            continue
        try:
            found += [(names, cells) for cells in _indicators(folder, names)]
        except (OSError, ValueError, KeyError) as error:
            raise OpenChronicError(
                f"release {folder.name} cannot be read ({type(error).__name__}); restore it: no "
                "table can leave without being held against it"
            ) from error
    return found


def _indicators(folder: Path, names: tuple[str, ...]) -> Iterable[Cells]:
    with (folder / "territories.csv").open(encoding="utf-8", newline="") as file:
        places = [(x["level"], x["code"], x["parent"]) for x in csv.DictReader(file)]
    labels = {
        (level, code): {
            "country": ROOT,
            "department": code,
            "region": MERGED.join(sorted(c for _, c, parent in places if parent == code)),
        }[level]
        for level, code, _ in places
    }
    ages = [row[0] for row in builtin("age_group").rows if row[0][:2].isdigit()]

    def years(band: str) -> str:
        low, high = int(band[:2]), int(band[3:]) if "-" in band else 200
        return MERGED.join(sorted(each for each in ages if low <= int(each[:2]) <= high))

    bands: dict[str, str] = {"all": ROOT}
    for path in sorted((folder / "indicators").glob("*.csv")):
        tables: dict[tuple[str, str, str], Cells] = {}
        with path.open(encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file):
                if line["std"] != "none" or line["status"] == "absent":
                    continue
                band = line["age_group"]
                at = {
                    "department": labels[line["level"], line["code"]],
                    "sex": ROOT if line["sex"] == "all" else line["sex"],
                    "age_group": bands.setdefault(band, bands.get(band) or years(band)),
                }
                if any(value != ROOT for name, value in at.items() if name not in names):
                    continue
                for what in ("num", "den"):
                    cells = tables.setdefault((line["condition"], line["year"], what), {})
                    # The sum of a mean is no count.
                    if not line[what] or line[what].isdigit():
                        cells[tuple(at[n] for n in names)] = int(line[what]) if line[what] else None
        yield from tables.values()


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
