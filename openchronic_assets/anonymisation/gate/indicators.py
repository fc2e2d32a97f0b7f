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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from openchronic_assets.anonymisation.gate import flows, invert
from openchronic_assets.anonymisation.gate.indicator_evidence import (
    AGES,
    ALL_SEXES,
    CARD,
    DENOMINATORS,
    FEWEST,
    FIGURES,
    GROUPS,
    HEADER,
    NEAR,
    SHARE,
    STATES,
    VARIATION,
    WHY_ABSENT,
    Cell,
    Evidence,
    Key,
    Place,
    Z,
)
from openchronic_assets.anonymisation.gate.indicator_spans import intervals
from openchronic_assets.anonymisation.gate.microdata import (
    ALONE,
    IDENTIFIER_VALUE,
    read_sortie,
)
from openchronic_assets.anonymisation.gate.together import plain
from openchronic_assets.anonymisation.gate.verdict import Finding

# --- the files as they are ---------------------------------------------------------------------


def _files(e: Evidence) -> Finding:
    """Only what is declared: no file, no column, no key more; nothing said by being absent."""
    names = {"README.md", "indicators.json", "territories.csv", e.request.report}
    names |= {f"indicators/{name}.csv" for name in e.cards}
    names |= set(flows.declared(e))
    there = set()
    odd = 0
    for path in e.folder.rglob("*"):
        relative = path.relative_to(e.folder).as_posix()
        if path.is_symlink() or not (path.is_file() or relative == "indicators"):
            odd += 1
        elif path.is_file():
            there.add(relative)
            odd += path.open("rb").read(3) == b"\xef\xbb\xbf"
    wrong = odd + len((there - {VARIATION}) ^ names) + (not e.cards)
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


def _variation(e: Evidence) -> Finding:
    """Differences between territories follow from the shown cells, and from nothing else."""
    path = e.folder / VARIATION
    if not path.is_file():
        return Finding(True, "no variation is told", 0, 0)
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file, strict=True))
    head = ["indicator", "condition", "year", "level", "statistic", "value", "low", "high"]
    wrong = int(not lines or lines[0] != head) + len(lines) - len({tuple(x[:5]) for x in lines})
    for line in lines[1:]:
        name, condition, year, level, statistic, value, *ends = line
        one = e.printed.get((name, condition, int(year)))
        if one is None or level not in ("region", "department") or any(ends):
            wrong += 1
            continue
        at = [g for g, (named, _) in enumerate(e.places) if named == level]
        shown = [g for g in at if one.shown[g, 0, 0]]
        told = _differ(e.cards[name]["kind"], one.num[shown, 0, 0], one.den[shown, 0, 0])
        expected = told.get(statistic, math.nan)
        wrong += not abs(float(value) - expected) <= NEAR * max(1.0, abs(expected))
    return Finding(wrong == 0, f"{len(lines) - 1} figures, {wrong} not of shown cells", 0, wrong)


def _differ(kind: str, num: Any, den: Any) -> dict[str, float]:
    """Return what is told of the differences, from its definitions."""
    value = num / den
    enough = value[(den if kind == "mean" else num) >= 10]
    found = {"units": float(len(num))}
    for name, low, high in (("eq", 0, 100), ("eq_5_95", 5, 95)):
        if len(enough) > 1 and np.percentile(enough, low) > 0:
            found[name] = float(np.percentile(enough, high) / np.percentile(enough, low))
    mean = float(num.sum() / den.sum())
    if mean > 0:
        found["cvw"] = math.sqrt(float((den * (value - mean) ** 2).sum() / den.sum())) / mean
    if kind != "mean" and mean > 0:
        expected = mean * den
        found["scv"] = 100 * float(((num / expected - 1) ** 2 - 1 / expected).mean())
        apart = float((expected * (num / expected - 1) ** 2).sum() / expected.sum())
        found["eb"] = max(0.0, apart - len(num) / float(expected.sum()))
    return found


# --- all cells together ------------------------------------------------------------------------


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
    for key, before in e.before:
        now = e.printed[key]
        wrong += int((now.shown & (before.status == "suppressed")).sum())
        moved = abs(now.den - before.den)
        if e.cards[key[0]]["kind"] != "mean":
            far = abs(now.num - before.num)
            moved = np.where((moved > 0) & (moved < FEWEST), moved, far)
        both = now.shown & before.shown
        wrong += int((both & (moved > 0) & (moved < FEWEST)).sum())
    return Finding(wrong == 0, f"{wrong} cells come too close to an earlier release", 0, wrong)


def _microdata(e: Evidence) -> Finding:
    """Rows of the open patient table in a cell of the same disease: equal to it, or far."""
    close = 0
    for key, counts in e.rows:
        one = e.printed[key]
        gap = abs(one.num - counts)
        close += int((one.shown & (counts > 0) & (gap > 0) & (gap < FEWEST)).sum())
    return Finding(close == 0, f"{close} cells differ from open rows by a small group", 0, close)


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
    "indicator_variation": _variation,
    "indicator_intervals": intervals,
    "indicator_shared": _shared,
    "indicator_differences": _differences,
    "indicator_earlier": _earlier,
    "indicator_microdata": _microdata,
    "indicator_sorties": _sorties,
    **flows.CHECKS,
    "indicator_report": _report,
    "indicator_signers": _signers,
}
