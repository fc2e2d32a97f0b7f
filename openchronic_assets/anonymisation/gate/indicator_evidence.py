"""What is judged of a release of indicators: its files as printed, and what the vault knows.

The files are read again from the disk, the true counts and the proofs of protection from the
vault.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

FEWEST = 11
WIDTH = 11.0
SHARE = 0.85
Z = 1.959964
NEAR = 1e-9

HEADER = [
    "condition", "year", "level", "code", "sex", "age_group", "denominator_type", "std",
    "num", "den", "value", "low", "high", "status", "reason",
]  # fmt: skip
FIGURES = ("num", "den", "value", "low", "high")
GROUPS = ("00-19", "20-39", "40-64", "65-74", "75+")
AGES = ("all", *GROUPS)
MEN_AND_WOMEN = ("1", "2")
ALL_SEXES = ("all", *MEN_AND_WOMEN)
WHY_ABSENT = ("no_population", "too_few_events", "nothing_expected")
DENOMINATORS = ("consumers", "eligible")
STATES = ("shown", "suppressed", "absent")
VARIATION = "variation.csv"
CARD = frozenset(
    (
        "id", "version", "family", "family_label", "label", "kind", "unit", "scale",
        "unit_counted", "denominator_type", "says", "numerator", "denominator", "exclusions",
        "limits", "sources", "benchmarks", "standards", "standard_weights", "conditions", "years",
        "data_state", "flux_cutoff", "methods", "omitted", "cells",
    )
)  # fmt: skip

Key = tuple[str, str, int]
Place = tuple[str, str]
Cell = tuple[int, int, int]


@dataclass(frozen=True)
class IndicatorRequest:
    """What a release of indicators is declared to be.

    Attributes:
        folder: where it is.
        evidence: the folder of the vault with true counts and proofs.
        report: name of the report.
        prepared_by: the account or job that made it.
        approvers: who approved it; empty for a candidate.
        hierarchies: ``department``, ``age_group`` and ``ald`` as microdata publish them.
        earlier: folders of earlier releases of indicators.
        microdata: folders of releases with microdata.
        sorties: files of the vault with the cells of each table that an analyst took out.
        threshold: fewest people of a shown cell; never less than 11.
    """

    folder: str
    evidence: str
    report: str
    prepared_by: str
    approvers: list[str]
    hierarchies: dict[str, str]
    earlier: list[str] = field(default_factory=list)
    microdata: list[str] = field(default_factory=list)
    sorties: list[str] = field(default_factory=list)
    threshold: int = FEWEST


class Printed:
    """The cells of one indicator, condition and year as they are printed."""

    def __init__(self, places: int) -> None:
        shape = (places, len(ALL_SEXES), len(AGES))
        self.status = np.full(shape, "", dtype=object)
        self.num = np.full(shape, np.nan)
        self.den = np.full(shape, np.nan)
        self.rows: dict[Cell, dict[str, str]] = {}
        self.standard: dict[tuple[str, int, int], dict[str, str]] = {}

    @property
    def shown(self) -> Any:
        """Cells with figures."""
        return self.status == "shown"


class Truth:
    """The true leaf tables of one indicator, condition and year."""

    def __init__(self, about: dict[str, Any], columns: dict[str, Any], size: int) -> None:
        self.about = about
        shape = (size, len(MEN_AND_WOMEN), len(GROUPS))
        self.leaves = {name: values.reshape(shape) for name, values in columns.items()}


class Evidence:
    """The files under judgement, and what the vault knows of them."""

    def __init__(self, request: IndicatorRequest) -> None:
        self.request = request
        self.folder = Path(request.folder)
        self.vault = Path(request.evidence)
        self.least = max(FEWEST, request.threshold)

    @cached_property
    def cards(self) -> dict[str, dict[str, Any]]:
        """What is said of each indicator."""
        listed = json.loads((self.folder / "indicators.json").read_text(encoding="utf-8"))
        return {card["id"]: card for card in listed}

    @cached_property
    def places(self) -> list[Place]:
        """Level and code of the territories, in their order."""
        with (self.folder / "territories.csv").open(encoding="utf-8", newline="") as file:
            return [(line["level"], line["code"]) for line in csv.DictReader(file)]

    @cached_property
    def parents(self) -> dict[Place, str]:
        """The territory above each."""
        with (self.folder / "territories.csv").open(encoding="utf-8", newline="") as file:
            return {(x["level"], x["code"]): x["parent"] for x in csv.DictReader(file)}

    @cached_property
    def departments(self) -> list[str]:
        """Departments in the order of the true counts."""
        return [row[0] for row in self._body["departments"]]

    @cached_property
    def _body(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads((self.vault / "tables.json").read_text(encoding="utf-8"))
        return body

    @property
    def denominators(self) -> list[dict[str, Any]]:
        """What the vault says of each denominator."""
        found: list[dict[str, Any]] = self._body["denominators"]
        return found

    @cached_property
    def printed(self) -> dict[Key, Printed]:
        """Return every cell of every file, by what it is of."""
        return read_printed(self.folder, list(self.cards), self.places)

    @cached_property
    def truths(self) -> list[Truth]:
        """Return the true tables in the order of the vault."""
        table = pq.read_table(self.vault / "counts.parquet")
        columns = {name: table[name].to_numpy() for name in table.column_names}
        size = len(self.departments)
        cells = size * len(MEN_AND_WOMEN) * len(GROUPS)
        found = []
        for at, about in enumerate(self._body["tables"]):
            part = slice(at * cells, (at + 1) * cells)
            if set(columns["table"][part]) != {at} or list(columns["leaf"][part]) != list(
                range(cells)
            ):
                raise ValueError("the counts of the vault are not in order")
            found.append(
                Truth(
                    about,
                    {n: v[part] for n, v in columns.items() if n not in ("table", "leaf")},
                    size,
                )  # fmt: skip
            )
        if len(columns["table"]) != cells * len(found):
            raise ValueError("the vault counts tables that it does not name")
        return found

    @cached_property
    def boxes(self) -> dict[tuple[int, int], dict[str, Any]]:
        """Return the proofs by owner (0 numerators, 1 with the others, 2 denominators), table."""
        table = pq.read_table(self.vault / "boxes.parquet")
        columns = {name: table[name].to_numpy() for name in table.column_names}
        marks: dict[tuple[int, int], list[int]] = defaultdict(list)
        for line, key in enumerate(
            zip(columns["owner"].tolist(), columns["table"].tolist(), strict=True)
        ):
            marks[key].append(line)
        return {
            key: {name: values[lines] for name, values in columns.items()}
            for key, lines in marks.items()
        }

    @cached_property
    def under(self) -> Any:
        """Return, for each printed territory, the departments in it: a matrix of 0 and 1."""
        rows = []
        for level, code in self.places:
            if level == "country":
                rows.append([1] * len(self.departments))
            elif level == "region":
                rows.append([int(self.parents["department", d] == code) for d in self.departments])
            else:
                rows.append([int(d == code) for d in self.departments])
        return np.array(rows, dtype=np.int64)

    def whole(self, leaves: Any) -> Any:
        """Sum leaf cells to every printed cell."""
        by_place = np.einsum("pd,dsa->psa", self.under, leaves)
        by_sex = np.concatenate([by_place.sum(axis=1, keepdims=True), by_place], axis=1)
        return np.concatenate([by_sex.sum(axis=2, keepdims=True), by_sex], axis=2)

    def largest(self, leaves: Any) -> Any:
        """Return the largest leaf cell under every printed cell."""
        found = np.zeros((len(self.places), len(ALL_SEXES), len(AGES)))
        for p, row in enumerate(self.under):
            inside = leaves[row.astype(bool)]
            for s in range(len(ALL_SEXES)):
                of_sex = inside if s == 0 else inside[:, s - 1 : s]
                for a in range(len(AGES)):
                    part = of_sex if a == 0 else of_sex[:, :, a - 1 : a]
                    found[p, s, a] = part.max(initial=0)
        return found

    @cached_property
    def before(self) -> list[tuple[Key, Printed]]:
        """Return the same tables as earlier releases print them, in the order of this one."""
        here = {place: at for at, place in enumerate(self.places)}
        found = []
        for name in self.request.earlier:
            folder = Path(name)
            cards = json.loads((folder / "indicators.json").read_text(encoding="utf-8"))
            with (folder / "territories.csv").open(encoding="utf-8", newline="") as file:
                places = [(x["level"], x["code"]) for x in csv.DictReader(file)]
            from_ = [at for at, place in enumerate(places) if place in here]
            to = [here[places[at]] for at in from_]
            for key, old in read_printed(folder, [c["id"] for c in cards], places).items():
                if key in self.printed:
                    mine = Printed(len(self.places))
                    for values, theirs in (
                        (mine.status, old.status), (mine.num, old.num), (mine.den, old.den)
                    ):  # fmt: skip
                        values[to] = theirs[from_]
                    found.append((key, mine))
        return found

    @cached_property
    def rows(self) -> list[tuple[Key, Any]]:
        """Return how many rows of open patient tables surely stand in each cell."""
        found = []
        ages = _leaves(self.request.hierarchies["age_group"])
        places = _leaves(self.request.hierarchies["department"])
        for name in self.request.microdata:
            folder = Path(name)
            report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
            year = int(report["reference_year"])
            for file in {t["file"] for t in report["tables"] if t["file"].endswith(".csv")}:
                with (folder / file).open(encoding="utf-8", newline="") as opened:
                    rows = list(csv.DictReader(opened))
                found += [
                    (key, _count(self, key[1], rows, ages, places))
                    for key in self.printed
                    if key[0] == "ald_prevalence" and key[2] == year
                ]
        return found

    def pairs(self) -> Iterator[tuple[int, Truth, Printed]]:
        """Yield each true table with what is printed of it."""
        for at, truth in enumerate(self.truths):
            about = truth.about
            yield at, truth, self.printed[about["indicator"], about["condition"], about["year"]]

    @cached_property
    def den_shown(self) -> dict[tuple[int, bytes], Any]:
        """Mark the denominators that some file shows, by year and true table."""
        found: dict[tuple[int, bytes], Any] = {}
        for _, truth, printed in self.pairs():
            key = (truth.about["year"], truth.leaves["den"].tobytes())
            found[key] = found.get(key, False) | printed.shown
        return found


def read_printed(folder: Path, names: list[str], places: list[Place]) -> dict[Key, Printed]:
    """Return the cells of the files of indicators of a release."""
    at_place = {place: at for at, place in enumerate(places)}
    found: dict[Key, Printed] = {}
    for name in names:
        path = folder / "indicators" / f"{name}.csv"
        with path.open(encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file, strict=True):
                key = (name, line["condition"], int(line["year"]))
                one = found.setdefault(key, Printed(len(places)))
                cell = (
                    at_place[line["level"], line["code"]],
                    ALL_SEXES.index(line["sex"]),
                    AGES.index(line["age_group"]),
                )
                if line["std"] != "none":
                    place = (line["std"], cell[0], cell[1])
                    if place in one.standard or cell[2]:
                        raise ValueError("a standardised cell is there twice or by age")
                    one.standard[place] = line
                    continue
                if cell in one.rows:
                    raise ValueError("a cell is there twice")
                one.rows[cell] = line
                one.status[cell] = line["status"]
                if line["status"] == "shown":
                    one.num[cell], one.den[cell] = float(line["num"]), float(line["den"])
    return found


def _leaves(path: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    with Path(path).open(encoding="utf-8", newline="") as file:
        for line in list(csv.reader(file))[1:]:
            for value in line:
                found[value].add(line[0])
    return found


def _count(
    e: Evidence,
    condition: str,
    rows: list[dict[str, str]],
    ages: dict[str, set[str]],
    places: dict[str, set[str]],
) -> Any:
    counts = np.zeros((len(e.places), len(ALL_SEXES), len(AGES)), dtype=np.int64)
    number = condition.removeprefix("ald_").lstrip("0")
    groups = [
        {leaf for leaf in ages["*"] if leaf[:2].isdigit() and _in_group(leaf, group)}
        for group in GROUPS
    ]
    inside = [{d for d, u in zip(e.departments, row, strict=True) if u} for row in e.under]
    for row in rows:
        if condition != "ald" and row["ald"] != number:
            continue
        for p, there in enumerate(inside):
            if p and not places[row["department"]] <= there:
                continue
            for s, sex in enumerate(ALL_SEXES):
                if s and row["sex"] != sex:
                    continue
                counts[p, s, 0] += 1
                for a, group in enumerate(groups):
                    counts[p, s, a + 1] += ages[row["age_group"]] <= group
    return counts


def _in_group(leaf: str, group: str) -> bool:
    low, high = (75, 200) if group == "75+" else (int(group[:2]), int(group[3:]))
    return low <= int(leaf[:2]) <= high
