"""What other releases show of the people whom indicators count.

Indicators are about everybody, so about the patients of an open patient table too. Of the rows of
such a table as many are counted as surely stand in a cell of the same disease; where the cell
counts a few people more or fewer, these few would be told: the cell is hidden.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from openchronic_assets.anonymisation.hierarchies import builtin
from openchronic_assets.anonymisation.indicator_files import AGE_NODES, SEX_NODES
from openchronic_assets.anonymisation.indicator_tables import (
    BANDS,
    HUNDREDTHS,
    SEXES,
    Counted,
    Territories,
)
from openchronic_assets.anonymisation.tables import THRESHOLD, roll_up
from openchronic_assets.errors import OpenChronicError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Key = tuple[str, str, int]
OF_PATIENTS = "ald_prevalence"
"""The indicator whose numerators are the people of the open patient table."""


def near_microdata(
    territories: Territories, tables: Sequence[Counted], releases: Iterable[Path]
) -> dict[Key, NDArray[np.bool_]]:
    """Mark the cells that differ from the rows of an open patient table by 1 to 10 people.

    Raises:
        OpenChronicError: a release cannot be read; nothing leaves without it.
    """
    found: dict[Key, NDArray[np.bool_]] = {}
    for folder in releases:
        try:
            report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
            year = int(report["reference_year"])
            name = next(t["file"] for t in report["tables"] if t["file"].endswith(".csv"))
            with (folder / name).open(encoding="utf-8", newline="") as file:
                rows = Counter(
                    (line["sex"], line["age_group"], line["department"], line["ald"])
                    for line in csv.DictReader(file)
                )
        except (OSError, ValueError, KeyError, StopIteration) as error:
            raise OpenChronicError(
                f"release {folder.name} cannot be read ({type(error).__name__}); restore it: no "
                "indicator can leave without being held against it"
            ) from error
        for each in tables:
            if each.indicator == OF_PATIENTS and each.year == year:
                counts = _rows_in(territories, each.condition, rows)
                gap = abs(roll_up(territories.dimensions, each.num) - counts)
                close = (counts > 0) & (gap > 0) & (gap < THRESHOLD)
                found[each.key] = found.get(each.key, np.zeros(close.shape, dtype=bool)) | close
    return found


def microdata_near(table: Path, year: int, release: Path) -> int:
    """Count the shown cells of a release of indicators that an open patient table comes near.

    Args:
        table: the CSV file of the patient table.
        year: its reference year.
        release: folder of the release of indicators.
    """
    path = release / "indicators" / f"{OF_PATIENTS}.csv"
    if not path.is_file():
        return 0
    with (release / "territories.csv").open(encoding="utf-8", newline="") as file:
        places = [(x["level"], x["code"], x["label"], x["parent"]) for x in csv.DictReader(file)]
    territories = Territories(
        tuple((code, label, up) for level, code, label, up in places if level == "department"),
        {code: label for level, code, label, _ in places if level == "region"},
    )
    with table.open(encoding="utf-8", newline="") as file:
        rows = Counter(
            (line["sex"], line["age_group"], line["department"], line["ald"])
            for line in csv.DictReader(file)
        )
    at = {place: number for number, place in enumerate(territories.places)}
    counts: dict[str, NDArray[np.int64]] = {}
    near = 0
    with path.open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            if line["std"] != "none" or line["status"] != "shown" or line["year"] != str(year):
                continue
            condition = line["condition"]
            if condition not in counts:
                counts[condition] = _rows_in(territories, condition, rows)
            cell = (
                at[line["level"], line["code"]],
                SEX_NODES.index(line["sex"]),
                AGE_NODES.index(line["age_group"]),
            )
            there = int(counts[condition][cell])
            near += there > 0 and 0 < abs(there - int(line["num"])) < THRESHOLD
    return near


def _rows_in(
    territories: Territories, condition: str, rows: Mapping[tuple[str, str, str, str], int]
) -> NDArray[np.int64]:
    """Count the rows that surely stand in each cell: nothing of them is coarser than the cell."""
    places = _leaf_sets("department")
    ages = _leaf_sets("age_group")
    bands = [{leaf for leaf in ages if _band(leaf) == band} for band in BANDS]
    members = [
        {d[0] for d, inside in zip(territories.departments, row, strict=True) if inside}
        for row in territories.dimension.cover
    ]
    number = condition.removeprefix("ald_").lstrip("0")
    counts = np.zeros((len(members), len(SEX_NODES), len(AGE_NODES)), dtype=np.int64)
    for (sex, age, department, ald), people in rows.items():
        if condition != "ald" and ald != number:
            continue
        in_place = np.array(
            [g == 0 or places[department] <= inside for g, inside in enumerate(members)]
        )
        in_sex = np.array([True, *(sex == one for one in SEXES)])
        in_age = np.array([True, *(ages[age] <= band for band in bands)])
        counts += people * (in_place[:, None, None] & in_sex[None, :, None] & in_age[None, None, :])
    return counts


def _leaf_sets(name: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in builtin(name).rows:
        for value in row:
            found.setdefault(value, set()).add(row[0])
    return found


def _band(leaf: str) -> str | None:
    if not leaf[:2].isdigit():
        return None
    age = int(leaf[:2])
    for band in BANDS:
        low = int(band[:2])
        if low <= age <= (int(band[3:]) if "-" in band else 200):
            return band
    return None


def read_earlier(
    territories: Territories, tables: Sequence[Counted], releases: Iterable[Path]
) -> dict[Key, tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]]:
    """Return what earlier releases of indicators show of these tables, -1 where nothing.

    Raises:
        OpenChronicError: a release cannot be read.
    """
    here = {place: at for at, place in enumerate(territories.places)}
    kinds = {each.key: each.kind for each in tables}
    shape = (len(here), len(SEX_NODES), len(AGE_NODES))
    found: dict[Key, Any] = {}
    for folder in releases:
        try:
            cards = json.loads((folder / "indicators.json").read_text(encoding="utf-8"))
            for card in cards:
                path = folder / "indicators" / f"{card['id']}.csv"
                with path.open(encoding="utf-8", newline="") as file:
                    for line in csv.DictReader(file):
                        key = (card["id"], line["condition"], int(line["year"]))
                        place = here.get((line["level"], line["code"]))
                        if line["std"] != "none" or key not in kinds or place is None:
                            continue
                        hidden, num, den = found.setdefault(
                            key,
                            (np.zeros(shape, dtype=bool), np.full(shape, -1), np.full(shape, -1)),
                        )
                        cell = (
                            place, SEX_NODES.index(line["sex"]), AGE_NODES.index(line["age_group"])
                        )  # fmt: skip
                        hidden[cell] |= line["status"] == "suppressed"
                        if line["status"] == "shown":
                            unit = HUNDREDTHS if kinds[key] == "mean" else 1
                            num[cell] = round(float(line["num"]) * unit)
                            den[cell] = int(line["den"])
        except (OSError, ValueError, KeyError) as error:
            raise OpenChronicError(
                f"release {folder.name} cannot be read ({type(error).__name__}); restore it: no "
                "indicator can leave without being held against it"
            ) from error
    return found
