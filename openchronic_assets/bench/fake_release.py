"""Releases of indicators with drawn numbers, in the form that the atlas reads: of any size.

Nothing in them was ever measured. Cells of fewer than ``FEWEST`` people are suppressed as in a
release: all of their numbers are empty.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openchronic_assets import publication
from openchronic_assets.publication.flows import AREA_COLUMNS, FLOW_COLUMNS, PATHWAY_COLUMNS

FEWEST = 12
AGES = ("all", "00-19", "20-39", "40-64", "65-74", "75+")
SEXES = ("all", "1", "2")
HEAD = (
    "condition", "year", "level", "code", "sex", "age_group", "denominator_type", "std",
    "num", "den", "value", "low", "high", "status", "reason",
)  # fmt: skip
_FAMILIES = (
    ("prevalence", "Prévalence"), ("diabetes_care", "Suivi du diabète"),
    ("readmission", "Réadmissions"), ("spend", "Dépenses"), ("primary_care", "Premier recours"),
    ("polypharmacy", "Polymédication"),
)  # fmt: skip
_CONDITIONS = {"ald_08": "Diabète (ALD 8)", "ald_30": "Tumeurs malignes (ALD 30)"}


def places() -> list[tuple[str, str, str, str]]:
    """Return (level, code, label, parent) of the country, the regions and the departments."""
    path = Path(publication.__file__).parent / "departments.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    regions = sorted({(row["region"], row["region_label"]) for row in rows})
    return [
        ("country", "FR", "France", ""),
        *(("region", code, label, "FR") for code, label in regions),
        *(("department", row["department"], row["label"], row["region"]) for row in rows),
    ]


def write_release(
    folder: Path,
    indicators: int = 6,
    years: Sequence[int] = (2019, 2020, 2021),
    ages: Sequence[str] = AGES,
    seed: int = 9,
    people: int = 60_000,
    standardised: bool = True,
) -> Path:
    """Write a release and return its folder.

    Args:
        folder: a new folder.
        indicators: how many; kinds, families and conditions go round.
        years: of care; the last is provisional.
        ages: ``all`` and groups.
        seed: of the drawing.
        people: mean residents of a department: the fewer, the more cells are suppressed.
        standardised: directly standardised rates beside the crude ones, without groups of age.
    """
    random = np.random.default_rng(seed)
    (folder / "indicators").mkdir(parents=True)
    where = places()
    sizes = random.lognormal(np.log(people), 0.7, len(where)).round()
    described = []
    for number in range(indicators):
        described.append(
            _indicator(folder, number, where, sizes, list(years), ages, random, standardised)
        )
    _write(folder / "territories.csv", ("level", "code", "label", "parent"), where)
    (folder / "indicators.json").write_text(
        json.dumps(described, ensure_ascii=False, indent=1), encoding="utf-8"
    )
    seal(folder)
    return folder


def write_flows(folder: Path, years: Sequence[int], pathways: int = 12, seed: int = 4) -> None:
    """Write pathways and care flows of all departments, drawn; cells of few people suppressed."""
    random = np.random.default_rng(seed)
    steps: list[tuple[Any, ...]] = []
    months, states = (-6, -1, 1, 6, 12), ("MCO", "SSR", "ED", "SPE", "GP", "NURSE", "PHARM", "NONE")
    for number in range(pathways):
        for year in years:
            head = (f"pathway_{number}", f"Parcours inventé n° {number + 1}", year)
            now = random.multinomial(20_000, random.dirichlet(np.full(len(states), 2.0)))
            for at, month in enumerate(months):
                steps += [
                    (*head, month, state, "", "", people, "shown")
                    for state, people in zip(states, now, strict=True)
                ]
                if at + 1 == len(months):
                    break
                flows = np.array(
                    [
                        random.multinomial(n, random.dirichlet(np.full(len(states), 0.5)))
                        for n in now
                    ]
                )
                for (a, b), people in np.ndenumerate(flows):
                    told = (people, "shown") if people >= FEWEST else ("", "suppressed")
                    steps.append((*head, month, states[a], months[at + 1], states[b], *told))
                now = flows.sum(axis=0)
    _write(folder / "pathways.csv", PATHWAY_COLUMNS, steps)
    codes = [code for level, code, _, _ in places() if level == "department"]
    rows: list[tuple[Any, ...]] = []
    areas: list[tuple[Any, ...]] = []
    for year in years:
        for at, code in enumerate(codes):
            people = random.poisson(random.gamma(0.2, 400, len(codes)))
            people[at] += 20_000
            named = {to: n for to, n in zip(codes, people.tolist(), strict=True) if n >= 60}
            mine = (year, "department", code)
            rows.append((*mine, "all", int(people.sum()), "shown"))
            rows += [(*mine, to, n, "shown") for to, n in named.items()]
            rows.append((*mine, "other", int(people.sum()) - sum(named.values()), "shown"))
            areas.append((*mine, codes[at - at % 6]))
    _write(folder / "flows.csv", FLOW_COLUMNS, rows)
    _write(folder / "areas.csv", AREA_COLUMNS, areas)
    seal(folder)


def seal(folder: Path, **changes: Any) -> None:
    """Write ``report.json`` over the files that are there now."""
    files = [
        {
            "file": path.relative_to(folder).as_posix(),
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "report.json"
    ]
    report = {"kind": "indicators", "state": "release", "version": folder.name,
              "build_id": "0" * 12, "outputs": files, **changes}  # fmt: skip
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")


def _indicator(
    folder: Path,
    number: int,
    where: list[tuple[str, str, str, str]],
    sizes: NDArray[np.float64],
    years: list[int],
    ages: Sequence[str],
    random: np.random.Generator,
    standardised: bool,
) -> dict[str, Any]:
    family, label = _FAMILIES[number % len(_FAMILIES)]
    kind = ("proportion", "rate", "mean")[number % 3]
    condition = "all" if number % 2 else list(_CONDITIONS)[number // 2 % len(_CONDITIONS)]
    name = f"{family}_{number}"
    level = random.uniform(0.02, 0.4)
    spread = np.exp(random.normal(0, 0.15, len(where)))
    rows: list[tuple[Any, ...]] = []
    counts = {"shown": 0, "hidden": 0}
    for year in years:
        for at, (kind_of_place, code, _, _) in enumerate(where):
            for sex in SEXES:
                for age in ages:
                    part = (1 if sex == "all" else 0.5) * (1 if age == "all" else 0.2)
                    den = max(1, round(sizes[at] * part * (100 if code == "FR" else 1)))
                    rate = level * spread[at] * (1 + 0.02 * (year - years[0]))
                    num = int(random.binomial(den, min(0.9, rate)))
                    base = (condition, year, kind_of_place, code, sex, age, "consumers")
                    hidden = min(num, den - num) < FEWEST
                    counts["hidden" if hidden else "shown"] += 1
                    if hidden:
                        rows.append((*base, "none", *[""] * 5, "suppressed", ""))
                    else:
                        rows.append((*base, "none", num, den, *_interval(num, den), "shown", ""))
                    if standardised and age == "all":
                        value = num / den * 1.03
                        numbers = ("", "", *_interval(value * den, den)) if not hidden else [""] * 5
                        status = "suppressed" if hidden else "shown"
                        rows.append((*base, "direct", *numbers, status, ""))
    _write(folder / "indicators" / f"{name}.csv", HEAD, rows)
    states = {str(year): "final" for year in years} | {str(years[-1]): "provisional"}
    return {
        "id": name,
        "version": "1",
        "family": family,
        "family_label": {"fr": label, "en": family},
        "label": {"fr": f"{label}, chiffre inventé n° {number + 1}", "en": f"Invented {number}"},
        "kind": kind,
        "unit": "€" if kind == "mean" else "%",
        "scale": 1000 if kind == "mean" else 100,
        "unit_counted": "person",
        "denominator_type": "consumers",
        "says": {"fr": "Part inventée pour l'essai.", "en": "Invented."},
        "numerator": {"fr": "Personnes tirées au sort.", "en": "People drawn by lot."},
        "denominator": {"fr": "Consommants de l'année.", "en": "Consumers of the year."},
        "exclusions": [],
        "limits": {"fr": "Rien de ceci n'a été mesuré.", "en": "None of this was measured."},
        "sources": [{"text": "Tirage au sort", "flag": "A"}],
        "conditions": [
            {"code": condition, "label_fr": _CONDITIONS.get(condition, "Toutes")},
        ],
        "years": years,
        "data_state": states,
        "flux_cutoff": {str(year): f"{year + 1}-12-31" for year in years},
        "methods": {"interval": "Wilson, à 95 %", "standardisation": "directe"},
        "benchmarks": [],
        "cells": {"total": sum(counts.values()), **counts},
    }


def _interval(num: float, den: float) -> tuple[float, float, float]:
    value = num / den
    half = 1.96 * float(np.sqrt(max(value * (1 - value), 1e-12) / den))
    return round(value, 8), round(max(0.0, value - half), 8), round(value + half, 8)


def _write(path: Path, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)
