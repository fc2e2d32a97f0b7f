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
    """What is known of each ALD number 1 to 32; arrays are indexed by number minus one.

    ``rate`` is the chance to have the ALD by (number, sex - 1, age band): the shape is CNAM's count
    of 2016 over the population of that year, the level is the default of 2021 in ``ald.csv``.
    """

    rate: Floats
    mean_years: Floats
    hazard_ratio: Floats
    specialty: Ints
    codes: tuple[tuple[str, ...], ...]
    weights: tuple[Floats, ...]


@cache
def population() -> Floats:
    """Return the population of France by (sex - 1, age band), in thousands."""
    people = np.zeros((2, AGE_BANDS))
    for row in rows("population_by_sex_age.csv"):
        people[int(row["sex"]) - 1, int(row["age_from"]) // 5] = float(row["thousand_persons"])
    return people


@cache
def people_of(department: str) -> Floats:
    """Return the share of a department's people by (sex - 1, age band); it sums to one.

    Departments without a row in ``age_structure.csv`` have the structure of the country.
    """
    structure = rows("age_structure.csv")
    areas = {row["area"] for row in structure}
    area = department if department in areas else "FR"
    wide = [(int(row["age_from"]), float(row["permille"])) for row in structure]
    wide = [wide[i] for i, row in enumerate(structure) if row["area"] == area]
    people = population().copy()
    edges = [start // 5 for start, _ in wide] + [AGE_BANDS]
    for (_, permille), first, last in zip(wide, edges[:-1], edges[1:], strict=True):
        people[:, first:last] *= permille / people[:, first:last].sum()
    shares: Floats = people / people.sum()
    return shares


@cache
def ald() -> AldFigures:
    """Return the figures of the 32 ALD numbers."""
    shape = np.zeros((len(ALD_NUMBERS), 2, AGE_BANDS))
    for row in rows("ald_by_sex_age.csv"):
        if (number := int(row["ald_num"])) in ALD_NUMBERS:
            shape[number - 1, int(row["sex"]) - 1, int(row["age_from"]) // 5] = float(
                row["persons"]
            )
    people = population() * 1000
    profile = {int(row["ald_num"]): row for row in rows("ald.csv")}
    level = np.array([float(profile[n]["prevalence_permille"]) for n in ALD_NUMBERS]) / 1000
    crude = shape.sum(axis=(1, 2)) / people.sum()
    rate = np.minimum(shape / people * (level / crude)[:, None, None], 0.95)
    codes: dict[int, list[tuple[str, float]]] = {n: [] for n in ALD_NUMBERS}
    for row in rows("ald_codes.csv"):
        codes[int(row["ald_num"])].append((row["cim10"], float(row["weight"])))
    return AldFigures(
        rate=rate,
        mean_years=np.array([float(profile[n]["mean_years"]) for n in ALD_NUMBERS]),
        hazard_ratio=np.array([float(profile[n]["hazard_ratio"]) for n in ALD_NUMBERS]),
        specialty=np.array([int(profile[n]["specialty"]) for n in ALD_NUMBERS]),
        codes=tuple(tuple(code for code, _ in codes[n]) for n in ALD_NUMBERS),
        weights=tuple(
            np.array([weight for _, weight in codes[n]]) / sum(w for _, w in codes[n])
            for n in ALD_NUMBERS
        ),
    )


@cache
def ald_factor(department: str) -> Floats:
    """Return how much more (or less) frequent each ALD is in a department than its ages predict.

    Indirect standardisation on CNAM's counts of 2016, held within [0.4, 2.5] because counts are
    rounded to ten persons. 1 where the counts say nothing (ALD 31 and 32, unknown department).
    """
    counts: dict[tuple[str, int], float] = {
        (row["department"], int(row["ald_num"])): float(row["persons"])
        for row in rows("ald_by_department.csv")
    }
    own = np.array([counts.get((department, n), np.nan) for n in ALD_NUMBERS])
    country = np.array(
        [
            sum(value for (_, number), value in counts.items() if number == n) or np.nan
            for n in ALD_NUMBERS
        ]
    )
    residents = {row["department"]: float(row["residents"]) for row in rows("departments.csv")}
    if department not in residents:
        return np.ones(len(ALD_NUMBERS))
    figures = ald()
    by_age_here = (figures.rate * people_of(department)).sum(axis=(1, 2))
    by_age_country = (figures.rate * people_of("FR")).sum(axis=(1, 2))
    observed = (own / residents[department]) / (country / sum(residents.values()))
    factor = np.clip(observed / (by_age_here / by_age_country), 0.4, 2.5)
    return np.where(np.isnan(factor), 1.0, factor)
