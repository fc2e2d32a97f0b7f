"""Checks of the pathways and care flows of a release: each cell, and what all of them tell.

The states at a month are printed, so flows between two months are worked out inside their own
table, by the linear programs that judge any other table. A row of care flows stands for itself:
the places that it does not name share its rest, and each may have none or all of it.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from openchronic_assets.anonymisation.gate import tables
from openchronic_assets.anonymisation.gate.indicator_evidence import FEWEST, SHARE, WIDTH, Evidence
from openchronic_assets.anonymisation.gate.microdata import ALONE, IDENTIFIER_VALUE
from openchronic_assets.anonymisation.gate.verdict import Finding

PATHWAYS, FLOWS, AREAS = "pathways.csv", "flows.csv", "areas.csv"
FILES = frozenset((PATHWAYS, FLOWS, AREAS))
HEADS = {
    PATHWAYS: ["pathway", "label", "year", "month", "state", "to_month", "to_state", "people",
               "status"],
    FLOWS: ["year", "level", "residence", "care", "people", "status"],
    AREAS: ["year", "level", "code", "area"],
}  # fmt: skip
FINE = ("MCO", "PSY", "SSR", "HAD", "ED", "SPE", "GP", "NURSE", "PHARM", "NONE", "DEAD")
CITY = ("SPE", "GP", "NURSE", "PHARM")
MEANING = {
    **{state: {state} for state in FINE},
    "HOSPITAL": set(FINE[:4]),
    "HOSPITAL_ED": set(FINE[:5]),
    "DOCTOR": {"SPE", "GP"},
    "CITY": set(CITY),
    "HOME": {*CITY, "NONE"},
}
KINDS = (*MEANING, "OTHER")
MONTHS = ("-6", "-1", "1", "6", "12")
HOSPITALS = 3
WHOLE = re.compile(r"[1-9]\d*")

Line = dict[str, str]


def _finding(passed: Any, detail: str, threshold: float, measured: Any) -> Finding:
    """Return a finding of plain numbers: it leaves the process as JSON."""
    return Finding(bool(passed), detail, threshold, float(measured))


def lines_of(folder: Path, name: str) -> list[Line]:
    """Return the rows of a file; none of one that is not there.

    Raises:
        ValueError: it has other columns than declared.
    """
    path = folder / name
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, strict=True))
    if len(rows) < 2 or rows[0] != HEADS[name] or any(len(r) != len(HEADS[name]) for r in rows):
        raise ValueError("a file without the columns or rows that it must have")
    return [dict(zip(HEADS[name], row, strict=True)) for row in rows[1:]]


@dataclass
class Told:
    """A pathway of a year as it is printed, with what the vault knows of it."""

    nodes: dict[str, dict[str, int]]
    flows: dict[tuple[str, str], dict[tuple[str, str], int | None]]
    holds: list[dict[str, list[str]]]
    true: Any
    places: Any

    @cached_property
    def steps(self) -> list[tuple[str, str]]:
        """Pairs of months in a row."""
        return list(zip(MONTHS, MONTHS[1:], strict=False))

    def people(self, point: int, code: str) -> Any:
        """Return those of a node, by department."""
        return self.places[point, [FINE.index(s) for s in self.holds[point][code]]].sum(axis=0)

    def counted(self, step: int, before: str, after: str) -> int:
        """Return how many truly pass from one node to another."""
        rows = [FINE.index(s) for s in self.holds[step][before]]
        columns = [FINE.index(s) for s in self.holds[step + 1][after]]
        return int(self.true[step][np.ix_(rows, columns)].sum())


def _vault(e: Evidence) -> dict[str, Any]:
    path = e.vault / "flows.json"
    if not path.is_file():
        return {"pathways": [], "care": []}
    body: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return body


def _told(e: Evidence) -> dict[tuple[str, str], Told]:
    """Return the pathways printed, by name and year.

    Raises:
        ValueError: what is printed and what the vault knows are not of the same.
    """
    found: dict[tuple[str, str], Told] = {}
    for body in _vault(e)["pathways"]:
        if tuple(body["states"]) != FINE or tuple(map(str, body["points"])) != MONTHS:
            raise ValueError("the vault counts other states or months")
        found[body["pathway"], str(body["year"])] = Told(
            {m: {} for m in MONTHS}, defaultdict(dict), body["nodes"], np.array(body["flows"]),
            np.array(body["places"]),
        )  # fmt: skip
    for line in lines_of(e.folder, PATHWAYS):
        one = found[line["pathway"], line["year"]]
        people = int(line["people"]) if line["people"] else None
        if not line["to_month"]:
            if people is None or line["state"] in one.nodes[line["month"]]:
                raise ValueError("a state is there twice, or without its people")
            one.nodes[line["month"]][line["state"]] = people
            continue
        cells = one.flows[line["month"], line["to_month"]]
        if (line["state"], line["to_state"]) in cells:
            raise ValueError("a flow is there twice")
        cells[line["state"], line["to_state"]] = people
    return found


def pathway_cells(e: Evidence) -> Finding:
    """Known months and states, every flow once, whole numbers of eleven people at least."""
    lines = lines_of(e.folder, PATHWAYS)
    wrong = 0
    labels: dict[str, set[str]] = defaultdict(set)
    patterns = [re.compile(ALONE.format(p), re.IGNORECASE) for p in IDENTIFIER_VALUE.values()]
    for line in lines:
        labels[line["pathway"]].add(line["label"])
        wrong += not re.fullmatch(r"[a-z][a-z0-9_]*", line["pathway"])
        wrong += not re.fullmatch(r"\d{4}", line["year"]) or int(line["year"]) not in _years(e)
        wrong += line["state"] not in KINDS or line["month"] not in MONTHS
        if line["to_month"] or line["to_state"]:
            wrong += (line["month"], line["to_month"]) not in zip(MONTHS, MONTHS[1:], strict=False)
            wrong += line["to_state"] not in KINDS
        wrong += line["status"] not in ("shown", "suppressed")
        wrong += bool(line["people"]) != (line["status"] == "shown")
        wrong += not line["to_month"] and line["status"] != "shown"
        if line["people"]:
            wrong += not WHOLE.fullmatch(line["people"]) or int(line["people"]) < e.least
    for name, said in labels.items():
        wrong += len(said) != 1 or not all(said)
        for text in (name, *said):
            hits = (pattern.search(text) for pattern in patterns)
            wrong += any(hit and any(c.isdigit() for c in hit.group()) for hit in hits)
    keys = Counter(tuple(v for k, v in line.items() if k not in ("people", "status", "label"))
                   for line in lines)  # fmt: skip
    wrong += sum(count - 1 for count in keys.values())
    return _finding(wrong == 0, f"{len(lines)} rows, {wrong} not as declared", e.least, wrong)


def _years(e: Evidence) -> list[int]:
    body = json.loads((e.folder / e.request.report).read_text(encoding="utf-8"))
    return [int(year) for year in body["years"]]


def pathway_true(e: Evidence) -> Finding:
    """Each number is of the people counted; every flow of two states is there, shown or not."""
    wrong = 0
    told = _told(e)
    for one in told.values():
        states = one.places.sum(axis=2)
        wrong += int((one.true.sum(axis=2) != states[:-1]).sum())
        wrong += int((one.true.sum(axis=1) != states[1:]).sum()) + int(one.true.min() < 0)
        dead = FINE.index("DEAD")
        wrong += int((np.delete(one.true[:, dead], dead, axis=1) != 0).sum())
        before = 0
        for point, month in enumerate(MONTHS):
            holds = one.holds[point]
            held = [state for states in holds.values() for state in states]
            wrong += len(held) != len(set(held)) or set(holds) != set(one.nodes[month])
            wrong += sum(int(states[point, FINE.index(s)]) for s in set(FINE) - set(held))
            for code, people in one.nodes[month].items():
                wrong += int(one.people(point, code).sum()) != people
                wrong += code != "OTHER" and set(holds[code]) != MEANING[code]
                if holds[code] == ["DEAD"]:
                    # Those who died since are a group.
                    wrong += 0 < people - before < FEWEST
                    before = people
        for step, months in enumerate(one.steps):
            cells = one.flows.get(months, {})
            expected = {
                (a, b)
                for a, of in one.holds[step].items()
                for b, into in one.holds[step + 1].items()
                if of != ["DEAD"] or "DEAD" in into
            }
            wrong += len(expected ^ set(cells))
            for (a, b), shown in cells.items():
                if shown is not None and (a, b) in expected:
                    wrong += one.counted(step, a, b) != shown
    return _finding(wrong == 0, f"{len(told)} pathways, {wrong} not of those counted", 0, wrong)


class _Step(tables.Table):
    """The flows between two months, their margins and what nobody does, as a table."""

    def hierarchies(self) -> dict[str, list[list[str]]]:
        return {
            name: [[value, "*"] for value in dict.fromkeys(self.column(name)) if value != "*"]
            for name in ("before", "then")
        }


def _lone(
    before: dict[str, int], after: dict[str, int], known: dict[tuple[str, str], int]
) -> Callable[[str, str, int], bool]:
    """Return what tells a flow that is all of a state: it tells the same of each of them.

    The dead stay dead: who they are is no part of it.
    """
    alive = [a for a in before if not any(dead == a for dead, _ in known)]
    arriving = {b: n - sum(k for (_, to), k in known.items() if to == b) for b, n in after.items()}

    def lone(a: str, b: str, people: int) -> bool:
        leaves = len(after) > 1 and people == before[a]
        return people > 0 and (leaves or (len(alive) > 1 and people == arriving[b]))

    return lone


def pathway_intervals(e: Evidence) -> Finding:
    """What an attacker can conclude of a small flow is at least eleven wide."""
    narrow, checked, least = 0, 0, WIDTH
    for one in _told(e).values():
        for step, (month, then) in enumerate(one.steps):
            cells, rows = one.flows[month, then], []
            before, after = one.nodes[month], one.nodes[then]
            for a in before:
                for b in after:
                    people = cells.get((a, b), 0)
                    rows.append([a, b, "" if people is None else str(people)])
            rows += [[a, "*", str(people)] for a, people in before.items()]
            rows += [["*", b, str(people)] for b, people in after.items()]
            table = _Step(
                e.folder,
                {"dimensions": {"before": "", "then": ""}, "count": "people"},
                ["before", "then", "people"],
                rows,
            )
            known = {
                (a, b): one.counted(step, a, b)
                for a, of in one.holds[step].items()
                if of == ["DEAD"]
                for b in after
            }
            lone = _lone(before, after, known)
            for cell, (width, _) in tables.spans([table]).items():
                a, b = list(before)[cell[0][0]], list(after)[cell[1][0]]
                true = one.counted(step, a, b)
                if 0 < true < FEWEST or lone(a, b, true):
                    checked += 1
                    least = min(least, width)
                    narrow += width < WIDTH - 1e-4
            for (a, b), people in cells.items():
                narrow += people is not None and (a, b) not in known and lone(a, b, people)
    return _finding(narrow == 0, f"{checked} small flows, {narrow} known too well", WIDTH, least)


# --- care flows -----------------------------------------------------------------------------------


@dataclass
class Row:
    """The people of one place as they are printed."""

    all: int | None
    rest: int | None
    named: dict[str, int]


def _care(e: Evidence) -> dict[tuple[str, str], dict[str, Row]]:
    found: dict[tuple[str, str], dict[str, Row]] = defaultdict(dict)
    for line in lines_of(e.folder, FLOWS):
        row = found[line["year"], line["level"]].setdefault(line["residence"], Row(None, None, {}))
        people = int(line["people"]) if line["people"] else None
        if line["care"] == "all":
            row.all = people
        elif line["care"] == "other":
            row.rest = people
        elif people is not None:
            row.named[line["care"]] = people
    return found


def care_cells(e: Evidence) -> Finding:
    """Known places, one level a year, every place once; what is not named is not to be found."""
    lines = lines_of(e.folder, FLOWS)
    found = _care(e)
    wrong = len(found) - len({year for year, _ in found})
    wrong += len(lines) - len({tuple(line.values())[:4] for line in lines})
    for line in lines:
        places = {code for level, code in e.places if level == line["level"]}
        wrong += line["level"] not in ("department", "region")
        wrong += not re.fullmatch(r"\d{4}", line["year"]) or int(line["year"]) not in _years(e)
        wrong += line["residence"] not in places
        wrong += line["care"] not in places | {"all", "other"}
        wrong += line["status"] not in ("shown", "suppressed")
        wrong += bool(line["people"]) != (line["status"] == "shown")
        wrong += line["status"] == "suppressed" and line["care"] != "all"
        if line["people"] and not (line["care"] == "other" and line["people"] == "0"):
            wrong += not WHOLE.fullmatch(line["people"]) or int(line["people"]) < e.least
    for (_, level), rows in found.items():
        places = {code for name, code in e.places if name == level}
        wrong += len(places ^ set(rows))
        for row in rows.values():
            if row.all is None:
                wrong += bool(row.named) or row.rest is not None
                continue
            rest = row.all - sum(row.named.values())
            wrong += row.rest != rest
            # One place left over has the rest; all in one place tells it of each.
            wrong += 0 < rest < FEWEST or (rest > 0 and len(places - set(row.named)) < 2)
            wrong += rest == 0 and len(row.named) < 2
    return _finding(wrong == 0, f"{len(lines)} rows, {wrong} not as declared", e.least, wrong)


def care_true(e: Evidence) -> Finding:
    """Each number is of those counted; no named place is one hospital, or two."""
    wrong = 0
    found = _care(e)
    known = {(str(each["year"]), each["level"]): each for each in _vault(e)["care"]}
    wrong += len(set(known) ^ set(found))
    for key, rows in found.items():
        if key not in known:
            continue
        body = known[key]
        at = {code: number for number, code in enumerate(body["places"])}
        people, largest = np.array(body["people"]), np.array(body["largest"])
        for code, row in rows.items():
            if row.all is None:
                continue
            wrong += int(people[at[code]].sum()) != row.all
            for care, count in row.named.items():
                wrong += int(people[at[code], at[care]]) != count
                wrong += body["hospitals"][at[care]] < HOSPITALS
                wrong += largest[at[code], at[care]] > SHARE * count
    return _finding(wrong == 0, f"{len(found)} years, {wrong} cells not of those counted", 0, wrong)


def care_areas(e: Evidence) -> Finding:
    """An area follows from the flows that are shown, and from nothing else."""
    found = _care(e)
    told = {
        (line["year"], line["level"], line["code"]): line["area"]
        for line in lines_of(e.folder, AREAS)
    }
    wrong = len(lines_of(e.folder, AREAS)) - len(told)
    expected: dict[tuple[str, str, str], str] = {}
    for (year, level), rows in found.items():
        here = {code: row.named for code, row in rows.items() if row.all is not None and row.named}
        cared: Counter[str] = Counter()
        for named in here.values():
            cared.update(named)
        above = {}
        for code, named in here.items():
            first = max(
                (place for place in named if place != code),
                key=lambda place: (named[place], [-ord(c) for c in place]),
                default=code,
            )
            larger = cared[first] > cared[code] or (cared[first] == cared[code] and first < code)
            above[code] = first if larger else code
        for code in here:
            top = code
            for _ in here:
                top = above.get(top, top)
            expected[year, level, code] = top
    wrong += sum(1 for key in expected.keys() | told.keys() if expected.get(key) != told.get(key))
    return _finding(wrong == 0, f"{len(told)} areas, {wrong} not of shown flows", 0, wrong)


# --- beside others --------------------------------------------------------------------------------


def neighbours(e: Evidence) -> Finding:
    """A state, or the people of a place, is not all but a few people of an indicator."""
    small = 0
    tables_of: dict[int, list[Any]] = defaultdict(list)
    for _, truth, one in e.pairs():
        if not one.shown.any():
            continue
        names = ("den",) if truth.about["kind"] == "mean" else ("num", "den")
        tables_of[truth.about["year"]] += [truth.leaves[n].sum(axis=(1, 2)) for n in names]
    for (_, year), told in _told(e).items():
        groups = [told.places[0].sum(axis=0)]
        groups += [told.people(p, c) for p, month in enumerate(MONTHS) for c in told.nodes[month]]
        for group in groups:
            for other in tables_of[int(year)]:
                inside = (group <= other).all() and group.any()
                inside |= (other <= group).all() and other.any()
                small += bool(inside and 0 < abs(int(group.sum() - other.sum())) < FEWEST)
    for (year, level), rows in _care(e).items():
        codes = list(rows)
        totals = np.array([-1 if row.all is None else row.all for row in rows.values()])
        body = next(b for b in _vault(e)["care"] if (str(b["year"]), b["level"]) == (year, level))
        true = np.array(body["people"]).sum(axis=1)
        true = np.array([true[body["places"].index(code)] for code in codes])
        for other in tables_of[int(year)]:
            by_place = _by_place(e, level, codes, other)
            if (true <= by_place).all() or (by_place <= true).all():
                apart = abs(by_place - totals)
                small += int(((totals >= 0) & (apart > 0) & (apart < FEWEST)).sum())
    return _finding(small == 0, f"{small} groups are all but a few people of another", 0, small)


def _by_place(e: Evidence, level: str, codes: list[str], by_department: Any) -> Any:
    if level == "department":
        return np.array([by_department[e.departments.index(code)] for code in codes])
    up = [e.parents["department", d] for d in e.departments]
    return np.array([sum(int(n) for n, r in zip(by_department, up, strict=True) if r == code)
                     for code in codes])  # fmt: skip


def before(e: Evidence) -> Finding:
    """What an earlier release tells of a pathway or year is told in the same words, or not."""
    changed = 0
    for name in e.request.earlier:
        folder = Path(name)
        for file, mark in ((PATHWAYS, ("pathway", "year")), (FLOWS, ("year",))):
            old = _by_mark(lines_of(folder, file), mark)
            new = _by_mark(lines_of(e.folder, file), mark)
            changed += sum(1 for key in old.keys() & new.keys() if old[key] != new[key])
    return _finding(changed == 0, f"{changed} told otherwise in an earlier release", 0, changed)


def _by_mark(
    lines: list[Line], mark: tuple[str, ...]
) -> dict[tuple[str, ...], set[tuple[str, ...]]]:
    found: dict[tuple[str, ...], set[tuple[str, ...]]] = defaultdict(set)
    for line in lines:
        found[tuple(line[name] for name in mark)].add(tuple(line.values()))
    return found


def declared(e: Evidence) -> Iterator[str]:
    """Yield the files that the vault says there are."""
    body = _vault(e)
    if body["pathways"]:
        yield PATHWAYS
    if body["care"]:
        yield from (FLOWS, AREAS)


CHECKS: dict[str, Callable[[Evidence], Finding]] = {
    "pathway_cells": pathway_cells,
    "pathway_true": pathway_true,
    "pathway_intervals": pathway_intervals,
    "care_cells": care_cells,
    "care_true": care_true,
    "care_areas": care_areas,
    "flow_neighbours": neighbours,
    "flows_before": before,
}
