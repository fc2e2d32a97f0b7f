"""The published figures that shape the population, read from ``calibration/``.

Each CSV there is one tidy table of facts; its README gives the source, licence and date of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from openchronic_assets.synthetic.calibration import rows as rows

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ALD_NUMBERS = tuple(range(1, 33))
AGE_BANDS = 20  # five-year bands, the last one open at 95


def age_band(age: Ints) -> Ints:
    """Return the five-year band (0 to 19) of ages in whole years; negative ages count as 0."""
    return np.clip(age // 5, 0, AGE_BANDS - 1)


def numbers(text: str) -> tuple[int, ...]:
    """Read a list of numbers separated by blanks."""
    return tuple(int(part) for part in text.split())


@dataclass(frozen=True)
class AldFigures:
    """What is assumed of each ALD number 1 to 32; arrays are indexed by number minus one.

    ``new_share`` is the share of the people of 31 December whose ALD began in the year,
    ``mean_years`` the mean time since onset of the others, ``hazard_ratio`` the odds ratio of
    death within a year.
    """

    mean_years: Floats
    new_share: Floats
    hazard_ratio: Floats
    specialty: Ints
    cluster: tuple[str, ...]
    codes: tuple[tuple[str, ...], ...]
    weights: tuple[Floats, ...]


@cache
def population() -> Floats:
    """Return the population of France by (sex - 1, age band), in thousands."""
    people = np.zeros((2, AGE_BANDS))
    for row in rows("population_by_sex_age.csv"):
        people[int(row["sex"]) - 1, int(row["age_from"]) // 5] = float(row["thousand_persons"])
    return people


def age_classes(department: str) -> list[tuple[int, int, float]] | None:
    """Return a department's wide age classes: first band, band after the last, share of people.

    None for a department without a row in ``age_structure.csv``.
    """
    own = [row for row in rows("age_structure.csv") if row["area"] == department]
    if not own:
        return None
    edges = [int(row["age_from"]) // 5 for row in own] + [AGE_BANDS]
    shares = np.array([float(row["permille"]) for row in own])
    shares = shares / shares.sum()
    return [(a, b, float(share)) for a, b, share in zip(edges, edges[1:], shares, strict=False)]


@cache
def ald() -> AldFigures:
    """Return the figures of the 32 ALD numbers."""
    profile = {int(row["ald_num"]): row for row in rows("ald.csv")}
    codes: dict[int, list[tuple[str, float]]] = {n: [] for n in ALD_NUMBERS}
    for row in rows("ald_codes.csv"):
        codes[int(row["ald_num"])].append((row["cim10"], float(row["weight"])))

    def column(name: str) -> Floats:
        return np.array([float(profile[n][name]) for n in ALD_NUMBERS])

    return AldFigures(
        mean_years=column("mean_years"),
        new_share=column("new_share"),
        hazard_ratio=column("hazard_ratio"),
        specialty=column("specialty").astype(np.int64),
        cluster=tuple(profile[n]["cluster"] for n in ALD_NUMBERS),
        codes=tuple(tuple(code for code, _ in codes[n]) for n in ALD_NUMBERS),
        weights=tuple(
            np.array([weight for _, weight in codes[n]]) / sum(w for _, w in codes[n])
            for n in ALD_NUMBERS
        ),
    )
