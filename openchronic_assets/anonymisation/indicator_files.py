"""The files of a release of indicators: cells with their statistics, each made of shown counts.

A value and its interval are computed from the numerator and denominator beside them, a
standardised value from the shown cells by sex and age: whoever inverts them finds what is shown.
Only the interval of a mean says more (the sum of squares), under the rule of dominance.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from openchronic_assets.anonymisation.indicator_tables import (
    ALL,
    BANDS,
    HUNDREDTHS,
    SEXES,
    Judged,
    Release,
    Territories,
)
from openchronic_assets.anonymisation.tables import roll_up

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from openchronic_assets.anonymisation.boxes import Boxes

COLUMNS = (
    "condition", "year", "level", "code", "sex", "age_group", "denominator_type", "std",
    "num", "den", "value", "low", "high", "status", "reason",
)  # fmt: skip
Z = 1.959964
FEWEST_FOR_MEAN = 200
FEWEST_EVENTS = 10
"""Units from which the interval of a mean is told; events from which a rate is standardised."""

SEX_NODES = (ALL, *SEXES)
AGE_NODES = (ALL, *BANDS)

Line = list[str]


Spread = Callable[[str, "NDArray[np.float64]", "NDArray[np.float64]", int], Mapping[str, float]]
"""Statistics of the variation between shown territories: of kind, num, den, territories in all."""

VARIATION = "variation.csv"


def write(
    folder: Path,
    release: Release,
    cards: Mapping[str, Mapping[str, Any]],
    spread: Spread | None = None,
) -> dict[str, Any]:
    """Write ``territories.csv``, ``indicators.json``, ``indicators/<id>.csv``, ``variation.csv``.

    Args:
        folder: of the release.
        release: what leaves.
        cards: what is said of each indicator.
        spread: what is told of the variation between shown territories; nothing without it.

    Returns:
        Cells shown, hidden and without anybody, over all indicators.
    """
    territories = release.territories
    (folder / "indicators").mkdir()
    _write_territories(folder / "territories.csv", territories)
    by_indicator: dict[str, list[Judged]] = {}
    for each in release.judged:
        by_indicator.setdefault(each.counted.indicator, []).append(each)
    listed, cells = [], {"shown": 0, "hidden": 0, "absent": 0}
    for name, card in cards.items():
        omitted = [
            {"condition": condition, "year": year, "reason": reason}
            for (indicator, condition, year), reason in sorted(release.omitted.items())
            if indicator == name and reason != "no_unit"
        ]
        mine = sorted(
            by_indicator.get(name, []), key=lambda j: (j.counted.condition, j.counted.year)
        )
        if not mine:
            continue
        own = {
            "shown": sum(int(each.shown.sum()) for each in mine),
            "hidden": sum(int(each.hidden.sum()) for each in mine),
            "absent": sum(int(each.empty.sum()) for each in mine),
        }
        cells = {key: cells[key] + own[key] for key in cells}
        with (folder / "indicators" / f"{name}.csv").open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(COLUMNS)
            for each in mine:
                writer.writerows(lines(each, territories, card))
        listed.append(_card(card, mine, omitted, own))
    (folder / "indicators.json").write_text(
        json.dumps(listed, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8"
    )
    if spread is not None:
        write_variation(folder / VARIATION, release, spread)
    return cells


def write_variation(path: Path, release: Release, spread: Spread) -> None:
    """Write how much the shown territories of each level differ; no file where nothing can be."""
    places = release.territories.places
    lines: list[Line] = []
    for each in release.judged:
        counted = each.counted
        unit = HUNDREDTHS if counted.kind == "mean" else 1
        for level in ("region", "department"):
            at = [g for g, (name, _) in enumerate(places) if name == level]
            there = [g for g in at if not each.empty[g, 0, 0]]
            shown = [g for g in there if each.shown[g, 0, 0]]
            num, den = each.num[shown, 0, 0] / unit, each.den[shown, 0, 0].astype(np.float64)
            lines += [
                [counted.indicator, counted.condition, str(counted.year), level, name,
                 number(value), "", ""]
                for name, value in spread(counted.kind, num, den, len(there)).items()
            ]  # fmt: skip
    if not lines:
        return
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(
            ["indicator", "condition", "year", "level", "statistic", "value", "low", "high"]
        )
        writer.writerows(sorted(lines))


def _write_territories(path: Path, territories: Territories) -> None:
    region_of = {code: region for code, _, region in territories.departments}
    label_of = {code: label for code, label, _ in territories.departments}
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["level", "code", "label", "parent"])
        for level, code in territories.places:
            if level == "country":
                writer.writerow([level, code, "France", ""])
            elif level == "region":
                writer.writerow([level, code, territories.regions.get(code, code), "FR"])
            else:
                writer.writerow([level, code, label_of[code], region_of[code]])


def _card(
    card: Mapping[str, Any],
    mine: Sequence[Judged],
    omitted: list[dict[str, Any]],
    cells: Mapping[str, int],
) -> dict[str, Any]:
    labels = card["condition_labels"]
    conditions = sorted({each.counted.condition for each in mine})
    years = sorted({each.counted.year for each in mine})
    kind = str(card["kind"])
    interval = {"proportion": "wilson", "rate": "byar", "mean": "normal"}[kind]
    return {
        **{
            key: value
            for key, value in card.items()
            if key not in ("condition_labels", "data_state", "flux_cutoff")
        },
        "conditions": [
            {"code": each, "label_fr": "Ensemble" if each == ALL else labels.get(each, each)}
            for each in conditions
        ],
        "years": years,
        "data_state": {y: s for y, s in card["data_state"].items() if int(y) in years},
        "flux_cutoff": {y: s for y, s in card["flux_cutoff"].items() if int(y) in years},
        "methods": {
            "interval": interval,
            "standardisation": "five_age_groups_esp2013" if card["standards"] else "none",
        },
        "omitted": omitted,
        "cells": {**cells, "total": sum(cells.values())},
    }


def lines(each: Judged, territories: Territories, card: Mapping[str, Any]) -> Iterator[Line]:
    """Yield the rows of one table: every territory, sex and age, then what is standardised."""
    counted = each.counted
    squares = None if counted.squares is None else roll_up(territories.dimensions, counted.squares)
    head = [counted.condition, str(counted.year)]
    standards = list(card["standards"])
    weights = np.array([float(card["standard_weights"][band]) for band in BANDS])
    for g, (level, code) in enumerate(territories.places):
        for s, sex in enumerate(SEX_NODES):
            for a, age in enumerate(AGE_NODES):
                start = [*head, level, code, sex, age, counted.denominator_type]
                if each.empty[g, s, a]:
                    yield [*start, "none", *[""] * 5, "absent", "no_population"]
                elif each.hidden[g, s, a]:
                    yield [*start, "none", *[""] * 5, "suppressed", ""]
                else:
                    num, den = int(each.num[g, s, a]), int(each.den[g, s, a])
                    second = None if squares is None else float(squares[g, s, a])
                    value, low, high = statistics(counted.kind, num, den, second)
                    shown = number(num / HUNDREDTHS) if counted.kind == "mean" else str(num)
                    yield [
                        *start, "none", shown, str(den), number(value), number(low),
                        number(high), "shown", "",
                    ]  # fmt: skip
                if age == ALL:
                    for standard in standards:
                        told = standardised(standard, each, g, s, weights)
                        yield [*start, standard, "", "", *told]


def number(value: float | None) -> str:
    """Return a number as it is printed, in full; nothing for what cannot be said."""
    if value is None or not math.isfinite(value):
        return ""
    return repr(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def statistics(
    kind: str, num: int, den: int, squares: float | None
) -> tuple[float, float | None, float | None]:
    """Return the value and its 95 % interval."""
    if kind == "proportion":
        p = num / den
        middle = p + Z * Z / (2 * den)
        half = Z * math.sqrt(p * (1 - p) / den + Z * Z / (4 * den * den))
        whole = 1 + Z * Z / den
        return p, 0.0 if num == 0 else (middle - half) / whole, (middle + half) / whole
    if kind == "rate":
        low, high = byar(num)
        return num / den, low / den, high / den
    total = num / HUNDREDTHS
    mean = total / den
    if den < FEWEST_FOR_MEAN or squares is None:
        return mean, None, None
    variance = max(squares - total * total / den, 0.0) / (den - 1) / den
    half = Z * math.sqrt(variance)
    return mean, mean - half, mean + half


def byar(events: float) -> tuple[float, float]:
    """Return Byar's interval of a count."""
    more = events + 1
    high = more * (1 - 1 / (9 * more) + Z / (3 * math.sqrt(more))) ** 3
    if events <= 0:
        return 0.0, high
    return events * (1 - 1 / (9 * events) - Z / (3 * math.sqrt(events))) ** 3, high


def standardised(
    standard: str, each: Judged, g: int, s: int, weights: NDArray[np.float64]
) -> list[str]:
    """Return value, low, high, status and reason of one standardised cell.

    Strata are the shown cells by sex and age; where one is hidden nothing is said.
    """
    sexes = [1, 2] if s == 0 else [s]
    strata = [(x, a) for x in sexes for a in range(1, len(AGE_NODES)) if weights[a - 1] > 0]
    # Where the country has nobody (men in a women's programme) there is no stratum.
    strata = [(x, a) for x, a in strata if not each.empty[0, x, a]]
    here = [(x, a) for x, a in strata if not each.empty[g, x, a]]
    if not here:
        return ["", "", "", "absent", "no_population"]
    needed = [*((g, x, a) for x, a in here), *((0, x, a) for x, a in strata), (g, s, 0)]
    if any(each.hidden[cell] for cell in needed):
        return ["", "", "", "suppressed", ""]
    events = np.array([each.num[g, x, a] for x, a in here], dtype=np.float64)
    people = np.array([each.den[g, x, a] for x, a in here], dtype=np.float64)
    total = float(events.sum())
    if standard == "direct":
        if total < FEWEST_EVENTS or len(here) < len(strata):
            return ["", "", "", "absent", "too_few_events"]
        share = np.array([weights[a - 1] for _, a in here])
        share = share / share.sum()
        value = float((share * events / people).sum())
        variance = float((share * share * events / (people * people)).sum())
        low, high = byar(total)
        scale = math.sqrt(variance / total)
        bounds = value + scale * (low - total), value + scale * (high - total)
    else:
        rates = np.array([each.num[0, x, a] / each.den[0, x, a] for x, a in here])
        expected = float((rates * people).sum())
        if not expected > 0:
            return ["", "", "", "absent", "nothing_expected"]
        low, high = byar(total)
        value, bounds = total / expected, (low / expected, high / expected)
    return [number(value), number(bounds[0]), number(bounds[1]), "shown", ""]


# --- what the gate needs to judge the files: kept in the vault ----------------------------------


def write_evidence(folder: Path, release: Release) -> None:
    """Write the true leaf counts and the proofs, for the gate."""
    tables = [
        {
            "indicator": each.counted.indicator,
            "condition": each.counted.condition,
            "year": each.counted.year,
            "kind": each.counted.kind,
            "unit": each.counted.unit,
            "step": each.step,
            "denominator": number_,
            "grain": list(each.grain.detail),
        }
        for each, number_ in zip(release.judged, release.of, strict=True)
    ]
    body = {
        "departments": [list(each) for each in release.territories.departments],
        "tables": tables,
        "denominators": [
            {"year": each.year, "grain": list(each.grain.detail)} for each in release.denominators
        ],
    }
    (folder / "tables.json").write_text(json.dumps(body, ensure_ascii=False), encoding="utf-8")
    counts: dict[str, list[NDArray[Any]]] = {
        name: [] for name in ("table", "leaf", "num", "den", "num_people", "rest_people",
                              "den_people", "largest", "squares")
    }  # fmt: skip
    for at, each in enumerate(release.judged):
        one = each.counted
        size = one.num.size
        values: dict[str, NDArray[Any]] = {
            "table": np.full(size, at),
            "leaf": np.arange(size),
            "num": one.num,
            "den": one.den,
            "num_people": one.num_people,
            "rest_people": one.rest_people,
            "den_people": one.den_people,
            "largest": np.zeros(size, dtype=np.int64) if one.largest is None else one.largest,
            "squares": np.zeros(size) if one.squares is None else one.squares,
        }
        for name, value in values.items():
            counts[name].append(value.ravel())
    pq.write_table(
        pa.table({name: np.concatenate(parts) for name, parts in counts.items()}),
        folder / "counts.parquet",
    )
    boxes: dict[str, list[NDArray[Any]]] = {
        name: [] for name in ("owner", "table", *_CORNERS, "up", "down")
    }
    for at, each in enumerate(release.judged):
        if each.boxes is not None:
            _take(boxes, 1 if each.event else 0, at, each.boxes)
    for at, den in enumerate(release.denominators):
        _take(boxes, 2, at, den.boxes)
    pq.write_table(
        pa.table({name: np.concatenate(parts) for name, parts in boxes.items()}),
        folder / "boxes.parquet",
    )


_CORNERS = tuple(f"{axis}{end}" for axis in ("place", "sex", "age", "event") for end in "01")


def _take(boxes: dict[str, list[NDArray[Any]]], owner: int, at: int, some: Boxes) -> None:
    count, axes, _ = some.leaves.shape
    corners = np.full((count, 4, 2), -1, dtype=np.int64)
    corners[:, :axes] = some.leaves
    boxes["owner"].append(np.full(count, owner))
    boxes["table"].append(np.full(count, at))
    for name, column in zip(_CORNERS, corners.reshape(count, 8).T, strict=True):
        boxes[name].append(column)
    boxes["up"].append(some.up)
    boxes["down"].append(some.down)
