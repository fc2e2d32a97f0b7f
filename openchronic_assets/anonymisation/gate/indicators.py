"""Checks of a release of indicators: what each printed number tells, and what all of them do.

The files are read again from the disk, and the true counts and the proofs of protection from the
vault. A proof is a set of boxes: leaf cells that can gain and lose people so that no printed
number changes. Each is tried here, by addition only: whatever made it, a change that leaves all
that is shown as it is and moves a hidden cell by eleven shows that the cell is hidden.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from openchronic_assets.anonymisation.gate import invert
from openchronic_assets.anonymisation.gate.microdata import (
    ALONE,
    IDENTIFIER_VALUE,
    read_sortie,
)
from openchronic_assets.anonymisation.gate.together import plain
from openchronic_assets.anonymisation.gate.verdict import Finding

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


# --- the files as they are ---------------------------------------------------------------------


def _files(e: Evidence) -> Finding:
    """Only what is declared: no file, no column, no key more; nothing said by being absent."""
    names = {"README.md", "indicators.json", "territories.csv", e.request.report}
    names |= {f"indicators/{name}.csv" for name in e.cards}
    there = set()
    odd = 0
    for path in e.folder.rglob("*"):
        relative = path.relative_to(e.folder).as_posix()
        if path.is_symlink() or not (path.is_file() or relative == "indicators"):
            odd += 1
        elif path.is_file():
            there.add(relative)
            odd += path.open("rb").read(3) == b"\xef\xbb\xbf"
    wrong = odd + len(there ^ names) + (not e.cards)
    for name, card in e.cards.items():
        wrong += set(card) != CARD or not re.fullmatch(r"[a-z][a-z0-9_]*", name)
        with (e.folder / "indicators" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            lines = list(csv.reader(file, strict=True))
        wrong += not lines or lines[0] != HEADER or len(lines) < 2
        wrong += sum(1 for line in lines if len(line) != len(HEADER))
    with (e.folder / "territories.csv").open(encoding="utf-8", newline="") as file:
        head = next(csv.reader(file))
    wrong += head != ["level", "code", "label", "parent"]
    return Finding(
        wrong == 0, f"{len(e.cards)} indicators, {wrong} parts not as declared", 0, wrong
    )


def _values(e: Evidence) -> Finding:
    """Known territories and codes, every cell once, whole numbers, known reasons."""
    wrong = len(e.places) - len(set(e.places))
    wrong += e.places[:1] != [("country", "FR")]
    for (level, code), parent in e.parents.items():
        wrong += level not in ("country", "region", "department")
        wrong += not re.fullmatch(r"FR|\d\d|2[AB]|97\d", code)
        wrong += {"country": parent != "", "region": parent != "FR"}.get(
            level, ("region", parent) not in e.parents
        )
    wrong += sorted(c for level, c in e.places if level == "department") != sorted(e.departments)
    size = len(e.places) * len(ALL_SEXES) * len(AGES)
    for (name, condition, year), one in e.printed.items():
        card = e.cards[name]
        wrong += len(one.rows) != size
        wrong += len(one.standard) != len(card["standards"]) * len(e.places) * len(ALL_SEXES)
        wrong += condition not in {c["code"] for c in card["conditions"]}
        wrong += year not in card["years"]
        for line in one.rows.values():
            wrong += _line(line, card)
        for (standard, _, _), line in one.standard.items():
            wrong += standard not in card["standards"] or standard not in ("direct", "indirect")
            wrong += bool(line["num"] or line["den"]) or _line(line, card)
    told = {(t.about["indicator"], t.about["condition"], t.about["year"]) for t in e.truths}
    wrong += len(told ^ set(e.printed)) + (len(told) != len(e.truths))
    return Finding(wrong == 0, f"{len(e.printed)} tables, {wrong} cells not as declared", 0, wrong)


def _line(line: dict[str, str], card: dict[str, Any]) -> int:
    wrong = int(line["status"] not in STATES)
    wrong += line["denominator_type"] != card["denominator_type"]
    wrong += line["denominator_type"] not in DENOMINATORS
    if line["status"] == "absent":
        wrong += line["reason"] not in WHY_ABSENT
    else:
        wrong += line["reason"] != ""
    for name in FIGURES:
        text = line[name]
        if text and not (
            re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", text) and math.isfinite(float(text))
        ):
            wrong += 1
    if line["status"] == "shown" and line["std"] == "none":
        wrong += not re.fullmatch(r"0|[1-9]\d*", line["den"])
        whole = r"-?\d+(\.\d{1,2})?" if card["kind"] == "mean" else r"0|[1-9]\d*"
        wrong += not re.fullmatch(whole, line["num"])
        wrong += not line["value"] or (
            card["kind"] != "mean" and not (line["low"] and line["high"])
        )
        wrong += bool(line["low"]) != bool(line["high"])
    return int(wrong)


def _identifiers(e: Evidence) -> Finding:
    """No potential identifier, no professional, no establishment."""
    patterns = [
        re.compile(ALONE.format(pattern), re.IGNORECASE) for pattern in IDENTIFIER_VALUE.values()
    ]
    found = 0
    words = {c for _, c, _ in e.printed} | {label for card in e.cards.values() for label in [
        card["id"], *(c["code"] for c in card["conditions"])]}  # fmt: skip
    for word in words:
        found += any(
            hit and any(c.isdigit() for c in hit.group())
            for hit in (pattern.search(word) for pattern in patterns)
        )
    found += sum(1 for level, _ in e.places if level not in ("country", "region", "department"))
    return Finding(found == 0, f"{found} names or values look like identifiers", 0, found)


def _blank(e: Evidence) -> Finding:
    """A cell that is not shown says nothing at all."""
    left = sum(
        1
        for one in e.printed.values()
        for line in (*one.rows.values(), *one.standard.values())
        if line["status"] != "shown" and any(line[name].strip() for name in FIGURES)
    )
    return Finding(left == 0, f"{left} hidden or absent cells with a figure", 0, left)


# --- each cell ---------------------------------------------------------------------------------


def _threshold(e: Evidence) -> Finding:
    """Numerator none or 11 and more, denominator 11 and more, as many who are not counted."""
    small = 0
    for (name, _, _), one in e.printed.items():
        kind = e.cards[name]["kind"]
        shown = one.shown
        num, den = one.num[shown], one.den[shown]
        small += int((den < e.least).sum())
        if kind != "mean":
            small += int(((num > 0) & (num < e.least)).sum()) + int((num < 0).sum())
        if kind == "proportion":
            small += int((den - num < e.least).sum())
    good = small == 0 and e.request.threshold >= FEWEST
    return Finding(good, f"{small} cells too small", e.least, small)


def _true(e: Evidence) -> Finding:
    """What is shown is what was counted, on at least 11 people; nobody is called absent."""
    wrong = 0
    for _, truth, one in e.pairs():
        kind, shown = truth.about["kind"], one.shown
        unit = 100 if kind == "mean" else 1
        leaves = truth.leaves
        num, den = e.whole(leaves["num"]), e.whole(leaves["den"])
        wrong += int((abs(one.num[shown] - num[shown] / unit) > 1e-6).sum())
        wrong += int((one.den[shown] != den[shown]).sum())
        behind = e.whole(leaves["num_people"])
        wrong += int((shown & (behind > 0) & (behind < e.least)).sum())
        wrong += int((shown & (e.whole(leaves["den_people"]) < e.least)).sum())
        if kind == "proportion":
            wrong += int((shown & (e.whole(leaves["rest_people"]) < e.least)).sum())
            wrong += int((leaves["num"] > leaves["den"]).sum())
        wrong += int(((one.status == "absent") & (den > 0)).sum())
        wrong += int(leaves["den"].min() < 0) + int(kind != "mean" and leaves["num"].min() < 0)
        wrong += kind != e.cards[truth.about["indicator"]]["kind"]
    return Finding(wrong == 0, f"{wrong} cells are not of the people counted", 0, wrong)


def _statistics(e: Evidence) -> Finding:
    """Every statistic is made of the counts beside it, and solved gives them back."""
    wrong = solved = 0
    squares = {
        (t.about["indicator"], t.about["condition"], t.about["year"]): e.whole(t.leaves["squares"])
        for t in e.truths
        if t.about["kind"] == "mean"
    }
    for key, one in e.printed.items():
        kind = e.cards[key[0]]["kind"]
        for cell, line in one.rows.items():
            if line["status"] != "shown":
                continue
            solved += 1
            num, den = float(line["num"]), float(line["den"])
            value = float(line["value"])
            wrong += not _same(value, num / den)
            ends = [float(line[end]) if line[end] else None for end in ("low", "high")]
            if kind == "mean":
                wrong += not _mean_ends(ends, num, den, float(squares[key][cell]))
                continue
            if None in ends:
                wrong += 1
                continue
            low, high = (float(end or 0.0) for end in ends)
            if kind == "proportion":
                # Each end is where the distance to the value is z standard errors.
                for end in (low, high):
                    if num == 0 and end == 0:
                        continue
                    away = (value - end) ** 2 - Z * Z * end * (1 - end) / den
                    wrong += abs(away) > 1e-9
                (first, last), _, _ = invert.proportion(low, high, value=value, z=Z)
            else:
                wrong += not all(map(_same, (low, high), [x / den for x in _byar(num)]))
                (first, last) = invert.poisson(low, high, z=Z)
            wrong += num > 0 and not first - max(1.0, 0.02 * num) <= num <= last + max(
                1.0, 0.02 * num
            )
    return Finding(wrong == 0, f"{solved} cells solved, {wrong} say something else", 0, wrong)


def _same(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=NEAR, abs_tol=1e-12)


def _byar(events: float) -> tuple[float, float]:
    above = events + 1
    high = above * (1 - 1 / (9 * above) + Z / (3 * math.sqrt(above))) ** 3
    if events == 0:
        return 0.0, high
    return events * (1 - 1 / (9 * events) - Z / (3 * math.sqrt(events))) ** 3, high


def _mean_ends(ends: list[float | None], num: float, den: float, squares: float) -> bool:
    if den < 200:
        return ends == [None, None]
    spread = max(0.0, (squares - num * num / den) / (den - 1))
    half = Z * math.sqrt(spread / den)
    return None not in ends and all(
        math.isclose(float(end or 0.0), num / den + side * half, rel_tol=1e-7, abs_tol=1e-7)
        for end, side in zip(ends, (-1, 1), strict=True)
    )


def _standardised(e: Evidence) -> Finding:
    """A standardised value follows from the shown cells of the same file, or is not there."""
    wrong = judged = 0
    for (name, _, _), one in e.printed.items():
        card = e.cards[name]
        weights = [float(card["standard_weights"][group]) for group in GROUPS]
        for (standard, place, sex), line in one.standard.items():
            if line["status"] != "shown":
                continue
            judged += 1
            cells = [
                (s, a)
                for s in ((1, 2) if sex == 0 else (sex,))
                for a in range(1, len(AGES))
                if weights[a - 1] > 0 and one.status[0, s, a] != "absent"
            ]
            mine = [(s, a) for s, a in cells if one.status[place, s, a] != "absent"]
            needed = [(place, s, a) for s, a in mine] + [(0, s, a) for s, a in cells]
            if not mine or any(one.status[cell] != "shown" for cell in [*needed, (place, sex, 0)]):
                wrong += 1
                continue
            events = math.fsum(one.num[place, s, a] for s, a in mine)
            low, high = _byar(events)
            if standard == "direct":
                all_weights = math.fsum(weights[a - 1] for _, a in mine)
                rate = math.fsum(
                    weights[a - 1] * one.num[place, s, a] / one.den[place, s, a] for s, a in mine
                ) / all_weights  # fmt: skip
                spread = math.fsum(
                    weights[a - 1] ** 2 * one.num[place, s, a] / one.den[place, s, a] ** 2
                    for s, a in mine
                ) / all_weights**2  # fmt: skip
                step = math.sqrt(spread / events) if events else math.nan
                made = (rate, rate + step * (low - events), rate + step * (high - events))
            else:
                hoped = math.fsum(
                    one.num[0, s, a] / one.den[0, s, a] * one.den[place, s, a] for s, a in mine
                )
                made = tuple(x / hoped if hoped else math.nan for x in (events, low, high))  # type: ignore[assignment]
            told = [float(line[end]) if line[end] else math.nan for end in FIGURES[2:]]
            wrong += not all(map(_same, told, made))
    return Finding(
        wrong == 0, f"{judged} standardised values, {wrong} not of shown cells", 0, wrong
    )


def _dominance(e: Evidence) -> Finding:
    """Means: no cell is held by one contributor, and not all units of one are alike."""
    bad = judged = 0
    for _, truth, one in e.pairs():
        if truth.about["kind"] != "mean":
            continue
        leaves = truth.leaves
        total = e.whole(leaves["num"]).astype(float)
        squares = e.whole(leaves["squares"])
        top = e.largest(leaves["largest"])
        held = (top > 0) & ((top > SHARE * total) | ((top / 100) ** 2 > SHARE * squares))
        judged += int(one.shown.sum())
        bad += int((one.shown & held).sum())
        mean = total / 100 / np.maximum(e.whole(leaves["den"]), 1)
        alike = (squares > 0) & (squares - total / 100 * mean <= 1e-9 * squares)
        bad += int((one.shown & alike).sum())
    return Finding(bad == 0, f"{judged} sums, {bad} told by one contributor", SHARE, bad)


# --- all cells together ------------------------------------------------------------------------


def _intervals(e: Evidence) -> Finding:
    """What an attacker can conclude of each hidden cell is at least 11 wide and reaches 11."""
    narrow, checked, least = 0, 0, math.inf
    for at, truth, one in e.pairs():
        about = truth.about
        key = (about["year"], truth.leaves["den"].tobytes())
        spans = _Spans(e, truth, one, e.den_shown[key])
        for owner in (0, 1):
            if (owner, at) in e.boxes:
                spans.take(e.boxes[owner, at], owner)
        if (2, about["denominator"]) in e.boxes:
            spans.take(e.boxes[2, about["denominator"]], 2)
        narrow += spans.broken
        unit = _unit(truth)
        hidden = (one.status == "suppressed") & ~spans.nobody
        # Where the whole country has none, none is what everybody knows.
        asked = hidden & ~spans.none
        width = (spans.up_num + spans.down_num) / unit
        top = (e.whole(truth.leaves["num"]) + spans.up_num) / unit
        checked += int(asked.sum())
        narrow += int((asked & ((width < WIDTH - 1e-4) | (top < FEWEST - 1e-4))).sum())
        if asked.any():
            least = min(least, float(width[asked].min()))
        if about["kind"] == "mean":
            # What one gave to a cell that is too small for it is not known better than itself.
            top_of = e.largest(truth.leaves["largest"])
            known = spans.up_num + spans.down_num < top_of * (1 - 1e-9)
            narrow += int((asked & _small_sum(e, truth, top_of) & known).sum())
        # A small denominator: no file shows it, and it cannot be worked out either.
        den = e.whole(truth.leaves["den"])
        few = hidden & (den > 0) & (den < FEWEST)
        checked += int(few.sum())
        narrow += int((few & (spans.up_den + spans.down_den < WIDTH - 1e-4)).sum())
    return Finding(
        narrow == 0,
        f"{checked} hidden counts, {narrow} known too well",
        WIDTH,
        least if math.isfinite(least) else WIDTH,
    )


def _unit(truth: Truth) -> float:
    """Return what a person stands for in the numerator: one, or the mean of the country."""
    if truth.about["kind"] != "mean":
        return 1.0
    total, units = int(truth.leaves["num"].sum()), int(truth.leaves["den"].sum())
    return float(max(1, total // max(units, 1)))


def _small_sum(e: Evidence, truth: Truth, largest: Any) -> Any:
    """Mark the cells whose sum has few contributors, or one who holds nearly all."""
    leaves = truth.leaves
    few = (e.whole(leaves["den"]) < FEWEST) | (e.whole(leaves["num_people"]) < FEWEST)
    return (largest > 0) & (few | (largest > SHARE * e.whole(leaves["num"])))


class _Spans:
    """How far each printed cell of one table moves while all that is shown stays."""

    def __init__(self, e: Evidence, truth: Truth, one: Printed, den_shown: Any) -> None:
        self.e, self.leaves = e, truth.leaves
        self.kind = truth.about["kind"]
        shape = one.status.shape
        self.up_num, self.down_num = np.zeros(shape), np.zeros(shape)
        self.up_den, self.down_den = np.zeros(shape), np.zeros(shape)
        self.num_fixed = (one.status != "suppressed").ravel()
        self.den_fixed = den_shown.ravel() | (one.status == "absent").ravel()
        self.none = _nowhere(e, abs(truth.leaves["num"]))
        self.nobody = _nowhere(e, truth.leaves["den"])
        self.broken = 0
        self.unit = float(truth.about["step"])
        self.broken += self.unit < 1 or (self.kind != "mean" and self.unit != 1)

    def take(self, boxes: dict[str, Any], owner: int) -> None:
        """Try every box, both ways."""
        up, down = boxes["up"], boxes["down"]
        count = len(up)
        ends = {
            axis: np.stack([boxes[f"{axis}0"], boxes[f"{axis}1"]], axis=1)
            for axis in ("place", "sex", "age", "event")
        }
        size = (self.leaves["num"].shape, (2,))
        column, place, sex, age, event, sign = [], [], [], [], [], []
        for corner in range(16):
            pick = [(corner >> bit) & 1 for bit in range(4)]
            p, s, a, v = (
                ends[axis][:, side]
                for axis, side in zip(("place", "sex", "age", "event"), pick, strict=True)
            )
            if owner != 1:
                v = np.full_like(p, -1 if pick[3] else 0)
            there = (p >= 0) & (s >= 0) & (a >= 0) & (v >= 0)
            column.append(np.flatnonzero(there))
            place.append(p[there])
            sex.append(s[there])
            age.append(a[there])
            event.append(v[there])
            sign.append(np.full(int(there.sum()), -1 if sum(pick) % 2 else 1))
        box, p, s, a, v, w = (
            np.concatenate(each) for each in (column, place, sex, age, event, sign)
        )
        self.broken += int((p >= size[0][0]).sum() + (s >= 2).sum() + (a >= len(GROUPS)).sum())
        self._room(box, p, s, a, v, w, up, down, owner)
        moves_num = w * ((v == 0) if owner != 2 else 0) * (self.unit if owner == 0 else 1)
        moves_den = w * (0 if owner == 0 else 1)
        for moves, fixed, above, below in (
            (moves_num, self.num_fixed, self.up_num, self.down_num),
            (moves_den, self.den_fixed, self.up_den, self.down_den),
        ):
            if not np.any(moves):
                continue
            which, cell, amount = self._printed(box, p, s, a, moves)
            there = np.abs(amount) > 1e-9
            which, cell, amount = which[there], cell[there], amount[there]
            self.broken += int(fixed[cell].sum())
            gain = np.where(amount > 0, amount * up[which], -amount * down[which])
            loss = np.where(amount > 0, amount * down[which], -amount * up[which])
            np.maximum.at(above.reshape(-1), cell, gain)
            np.maximum.at(below.reshape(-1), cell, loss)
        self.broken += int((up < 0).sum() + (down < 0).sum()) + (count == 0)

    def _room(
        self, box: Any, p: Any, s: Any, a: Any, v: Any, w: Any, up: Any, down: Any, owner: int
    ) -> None:
        """Nobody can be fewer than none: those counted, the others, the denominator."""
        num, den = self.leaves["num"], self.leaves["den"]
        if owner == 2:
            has = den[p, s, a].astype(float)
        elif owner == 1:
            has = np.where(v == 0, num[p, s, a], den[p, s, a] - num[p, s, a]).astype(float)
        else:
            has = np.maximum(num[p, s, a], 0) / self.unit
        taken = np.where(w > 0, down[box], up[box])
        # A leaf of nobody cannot gain anybody where all know that nobody can be there.
        gained = np.where(w > 0, up[box], down[box])
        whole = self._nobody_leaf(owner)[p, s, a]
        self.broken += int((taken > has + 1e-6).sum()) + int((whole & (gained > 0)).sum())

    def _nobody_leaf(self, owner: int) -> Any:
        mark = np.zeros(self.leaves["num"].shape, dtype=bool)
        for values in [self.leaves["den"]] + ([abs(self.leaves["num"])] if owner == 0 else []):
            mark |= (values.sum(axis=(0, 2)) == 0)[None, :, None]
            mark |= (values.sum(axis=(0, 1)) == 0)[None, None, :]
        return mark

    def _printed(self, box: Any, p: Any, s: Any, a: Any, moves: Any) -> tuple[Any, Any, Any]:
        """Sum the moves of leaf cells in every printed cell above them, box by box."""
        places = [np.flatnonzero(self.e.under[:, d]) for d in range(self.e.under.shape[1])]
        most = max(len(each) for each in places)
        table = np.full((len(places), most), -1)
        for d, each in enumerate(places):
            table[d, : len(each)] = each
        parts = []
        cells = len(self.e.places) * len(ALL_SEXES) * len(AGES)
        for level in range(most):
            above = table[p, level]
            for sex in (np.zeros_like(s), s + 1):
                for age in (np.zeros_like(a), a + 1):
                    there = above >= 0
                    cell = (above * len(ALL_SEXES) + sex) * len(AGES) + age
                    parts.append((box[there] * cells + cell[there], moves[there]))
        keys = np.concatenate([key for key, _ in parts])
        amounts = np.concatenate([amount for _, amount in parts]).astype(float)
        one, inverse = np.unique(keys, return_inverse=True)
        sums = np.bincount(inverse, weights=amounts, minlength=len(one))
        return one // cells, one % cells, sums


def _nowhere(e: Evidence, leaves: Any) -> Any:
    """Mark the printed cells of a sex or an age in which the whole country has none."""
    mark = np.zeros((len(e.places), len(ALL_SEXES), len(AGES)), dtype=bool)
    if not leaves.any():
        return ~mark
    for s in range(2):
        mark[:, s + 1] |= not leaves[:, s].any()
    for a in range(len(GROUPS)):
        mark[:, :, a + 1] |= not leaves[:, :, a].any()
    return mark


def _shared(e: Evidence) -> Finding:
    """The same table twice is hidden twice the same; a sum and its parts do not all leave."""
    wrong = 0
    years: dict[int, dict[bytes, tuple[Any, Any]]] = defaultdict(dict)
    dens: dict[int, dict[bytes, Any]] = defaultdict(dict)
    for _, truth, one in e.pairs():
        year, kind = truth.about["year"], truth.about["kind"]
        dens[year][truth.leaves["den"].tobytes()] = truth.leaves["den"]
        if kind == "mean" or not truth.leaves["num"].any():
            continue
        name = truth.leaves["num"].tobytes()
        if name in years[year]:
            wrong += 1
        years[year][name] = (truth.leaves["num"], one)
    for year, tables in years.items():
        names = list(tables)
        wrong += len(set(names) & set(dens[year]))
        for at, name in enumerate(names):
            for other in names[at + 1 :]:
                total = (tables[name][0] + tables[other][0]).tobytes()
                wrong += total in tables or total in dens[year]
    return Finding(wrong == 0, f"{wrong} tables are told by others", 0, wrong)


def _differences(e: Evidence) -> Finding:
    """Of a table that is a part of another: what is left of the larger one is no small group."""
    small = 0
    by_year: dict[int, list[tuple[str, Any, Any]]] = defaultdict(list)
    for _, truth, one in e.pairs():
        year, leaves = truth.about["year"], truth.leaves
        if truth.about["kind"] != "mean":
            by_year[year].append(("num", leaves["num"].ravel(), one))
    for (year, name), shown in e.den_shown.items():
        by_year[year].append(("den", np.frombuffer(name, dtype=np.int64), shown))
    for tables in by_year.values():
        flat = np.array([leaves for _, leaves, _ in tables])
        seen = []
        for what, leaves, one in tables:
            whole = e.whole(leaves.reshape(len(e.departments), 2, len(GROUPS))).astype(float)
            seen.append(np.where(one.shown if what == "num" else one, whole, np.nan))
        for at in range(len(tables)):
            for other in np.flatnonzero((flat >= flat[at]).all(axis=1)):
                left = seen[other] - seen[at]
                small += int(((left > 0) & (left < FEWEST) & (seen[at] > 0)).sum())
    return Finding(small == 0, f"{small} differences of two tables are a small group", 0, small)


# --- other releases ----------------------------------------------------------------------------


def _earlier(e: Evidence) -> Finding:
    """The same cell in an earlier release: equal, far, or hidden both times."""
    wrong = 0
    here = {place: at for at, place in enumerate(e.places)}
    for name in e.request.earlier:
        folder = Path(name)
        cards = json.loads((folder / "indicators.json").read_text(encoding="utf-8"))
        with (folder / "territories.csv").open(encoding="utf-8", newline="") as file:
            places = [(x["level"], x["code"]) for x in csv.DictReader(file)]
        for key, before in read_printed(folder, [c["id"] for c in cards], places).items():
            now = e.printed.get(key)
            if now is None:
                continue
            mean = e.cards[key[0]]["kind"] == "mean"
            for cell in before.rows:
                if places[cell[0]] not in here:
                    continue
                mine = (here[places[cell[0]]], *cell[1:])
                if before.status[cell] == "suppressed":
                    wrong += now.status[mine] == "shown"
                elif before.status[cell] == "shown" and now.status[mine] == "shown":
                    moved = [abs(now.den[mine] - before.den[cell])]
                    moved += [] if mean else [abs(now.num[mine] - before.num[cell])]
                    wrong += any(0 < m < FEWEST for m in moved)
    return Finding(wrong == 0, f"{wrong} cells come too close to an earlier release", 0, wrong)


def _microdata(e: Evidence) -> Finding:
    """Rows of the open patient table in a cell of the same disease: equal to it, or far."""
    close = 0
    ages = _leaves(e.request.hierarchies["age_group"])
    places = _leaves(e.request.hierarchies["department"])
    for name in e.request.microdata:
        folder = Path(name)
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        year = int(report["reference_year"])
        for file in {t["file"] for t in report["tables"] if t["file"].endswith(".csv")}:
            with (folder / file).open(encoding="utf-8", newline="") as opened:
                rows = list(csv.DictReader(opened))
            for key, one in e.printed.items():
                if key[0] != "ald_prevalence" or key[2] != year:
                    continue
                close += _near(e, key[1], one, rows, ages, places)
    return Finding(close == 0, f"{close} cells differ from open rows by a small group", 0, close)


def _leaves(path: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    with Path(path).open(encoding="utf-8", newline="") as file:
        for line in list(csv.reader(file))[1:]:
            for value in line:
                found[value].add(line[0])
    return found


def _near(
    e: Evidence,
    condition: str,
    one: Printed,
    rows: list[dict[str, str]],
    ages: dict[str, set[str]],
    places: dict[str, set[str]],
) -> int:
    counts = np.zeros(one.status.shape, dtype=np.int64)
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
    gap = abs(one.num - counts)
    return int((one.shown & (counts > 0) & (gap > 0) & (gap < FEWEST)).sum())


def _in_group(leaf: str, group: str) -> bool:
    low, high = (75, 200) if group == "75+" else (int(group[:2]), int(group[3:]))
    return low <= int(leaf[:2]) <= high


def _sorties(e: Evidence) -> Finding:
    """Tables that analysts took out, cell by cell: equal, or far."""
    small = 0
    outs = [read_sortie(Path(path)) for path in e.request.sorties]
    if not outs:
        return Finding(True, "no table was taken out", 0, 0)
    names: dict[frozenset[tuple[str, str]], list[Cell]] = defaultdict(list)
    for cell in next(iter(e.printed.values())).rows:
        names[_said(e.places[cell[0]], cell)].append(cell)
    for out in outs:
        for said, count in out.items():
            for cell in names.get(frozenset(said), ()):
                for key, one in e.printed.items():
                    if e.cards[key[0]]["kind"] == "mean" or not one.shown[cell]:
                        continue
                    small += any(
                        0 < abs(value - count) < FEWEST and _named(key, value, count)
                        for value in (one.num[cell], one.den[cell])
                    )
    return Finding(small == 0, f"{small} cells differ from a sortie by a small group", 0, small)


def _named(key: Key, value: float, count: int) -> bool:
    """Tell whether a sortie may be of the same people: more than nine tenths of them agree."""
    return min(value, count) >= 0.9 * max(value, count)


def _said(place: Place, cell: Cell) -> frozenset[tuple[str, str]]:
    found = {("department" if place[0] == "department" else "region", place[1])}
    if place[0] == "country":
        found = set()
    if cell[1]:
        found.add(("sex", ALL_SEXES[cell[1]]))
    if cell[2]:
        found.add(("age_group", AGES[cell[2]]))
    return frozenset(found)


# --- the report --------------------------------------------------------------------------------


def _report(e: Evidence) -> Finding:
    """The report tells rules, method, years, state and limits, and counts what is hidden."""
    body = json.loads((e.folder / e.request.report).read_text(encoding="utf-8"))
    needed = ("version", "kind", "build_id", "years", "rules", "method", "limits", "data_state",
              "flux_cutoff", "cells", "composition", "deliveries")  # fmt: skip
    missing = sum(1 for name in needed if not body.get(name))
    missing += body.get("kind") != "indicators"
    missing += bool(re.search(r"NaN|Infinity", json.dumps(body)))
    cells = {"shown": 0, "suppressed": 0, "absent": 0}
    for one in e.printed.values():
        for status in one.status.ravel():
            cells[status] += 1
    told = body.get("cells", {})
    missing += [told.get("shown"), told.get("hidden"), told.get("absent")] != list(cells.values())
    return Finding(missing == 0, f"{missing} parts of the report missing or wrong", 0, missing)


def _signers(e: Evidence) -> Finding:
    """No two approvers are one person, and none of them is who made it."""
    names = [plain(name) for name in e.request.approvers]
    same = len(names) - len(set(names)) + sum(1 for name in names if not name)
    same += plain(e.request.prepared_by) in names
    good = same == 0 and len(names) != 1 and bool(e.request.prepared_by)
    return Finding(good, f"{len(names)} approvers, {same} not independent", 0, same)


CHECKS: dict[str, Callable[[Evidence], Finding]] = {
    "indicator_files": _files,
    "indicator_values": _values,
    "indicator_identifiers": _identifiers,
    "indicator_blank": _blank,
    "indicator_threshold": _threshold,
    "indicator_true": _true,
    "indicator_statistics": _statistics,
    "indicator_standardised": _standardised,
    "indicator_dominance": _dominance,
    "indicator_intervals": _intervals,
    "indicator_shared": _shared,
    "indicator_differences": _differences,
    "indicator_earlier": _earlier,
    "indicator_microdata": _microdata,
    "indicator_sorties": _sorties,
    "indicator_report": _report,
    "indicator_signers": _signers,
}
