"""Simulated patients for the tests of anonymisation (not a test module)."""

from __future__ import annotations

import datetime
import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

# Persons per 1,000 insured by ALD number, an order of magnitude for 2021.
PREVALENCE = {
    8: 46,
    30: 35,
    23: 24,
    13: 20,
    5: 18,
    31: 10,
    3: 9,
    1: 7,
    12: 6,
    14: 6,
    9: 6,
    15: 4.5,
    22: 4,
    24: 4,
    27: 4,
    6: 3.5,
    19: 3.5,
    7: 2.7,
    16: 2,
    32: 2,
    21: 1.8,
    25: 1.7,
    11: 1.3,
    17: 1.2,
    10: 1.0,
    2: 0.9,
    26: 0.8,
    28: 0.7,
    20: 0.6,
    29: 0.15,
    18: 0.11,
}
# Upper age, share of people with any ALD.
ALD_BY_AGE = (
    (15, 0.03),
    (25, 0.04),
    (35, 0.06),
    (45, 0.09),
    (55, 0.15),
    (65, 0.27),
    (75, 0.42),
    (85, 0.57),
    (100, 0.68),
)


def patients(persons: int, seed: int, departments: dict[str, float], year: int = 2021) -> pa.Table:
    """Draw the patients among a number of persons, in the shape of the mart `patient`."""
    draw = np.random.default_rng(seed)
    ages = np.arange(100)
    alive = np.clip(1.1 - np.maximum(0, ages - 60) / 45, 0.02, 1.0)
    age = draw.choice(ages, persons, p=alive / alive.sum())
    share = np.array([next(s for top, s in ALD_BY_AGE if a < top) for a in age])
    age = age[draw.random(persons) < share]
    n = len(age)
    weight = np.array(list(PREVALENCE.values()), dtype=float)
    place = np.array(list(departments.values()))
    return pa.table(
        {
            "person_id": pa.array([hashlib.md5(b"%d" % i).hexdigest() for i in range(n)]),
            "sex": pa.array([str(s) for s in draw.choice([1, 2], n)]),
            "birth_year": pa.array(year - age, pa.int32()),
            "department": pa.array(
                [str(d) for d in draw.choice(list(departments), n, p=place / place.sum())]
            ),
            "ald_main": pa.array(
                draw.choice(list(PREVALENCE), n, p=weight / weight.sum()), pa.int32()
            ),
            "ald_count": pa.array(np.ones(n), pa.int64()),
            "first_ald_start": pa.array([datetime.date(year - 1, 3, 1)] * n),
            "is_dead": pa.array([False] * n),
        }
    )


def patient_file(folder: Path, seed: int = 1, persons: int = 5000) -> Path:
    """Write simulated patients of three departments and return the file."""
    path = folder / "patient.parquet"
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(patients(persons, seed, {"62": 0.4, "974": 0.35, "23": 0.25}), path)
    return path
