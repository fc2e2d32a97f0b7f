"""LACE and HOSPITAL-claims by hand, and the SQL that gives the same points."""

from __future__ import annotations

import itertools

import duckdb
import pyarrow as pa
import pytest

from openchronic_assets.analytics.risk import scores
from openchronic_assets.analytics.risk.features import CHARLSON


@pytest.mark.parametrize(
    ("days", "points"),
    [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (6, 4), (7, 5), (13, 5), (14, 7), (90, 7)],
)
def test_the_length_of_a_stay_gives_the_points_of_lace(days: int, points: int) -> None:
    assert scores.lace(days, False, 0, 0) == points


@pytest.mark.parametrize(
    ("acute", "comorbidity", "visits", "points"),
    [
        (True, 0, 0, 3), (False, 1, 0, 1), (False, 2, 0, 2), (False, 3, 0, 3), (False, 4, 0, 5),
        (False, 12, 0, 5), (False, 0, 1, 1), (False, 0, 3, 3), (False, 0, 4, 4), (False, 0, 9, 4),
    ],
)  # fmt: skip
def test_entry_comorbidity_and_emergencies_give_the_points_of_lace(
    acute: bool, comorbidity: int, visits: int, points: int
) -> None:
    assert scores.lace(0, acute, comorbidity, visits) == points


def test_lace_goes_to_nineteen_and_hospital_claims_to_eleven() -> None:
    assert scores.lace(14, True, 4, 4) == scores.LACE_MOST == 19
    found = scores.hospital_claims(True, True, True, 6, 5)
    assert found == scores.HOSPITAL_CLAIMS_MOST == 11


@pytest.mark.parametrize(
    ("conditions", "points"),
    [
        ((), 0),
        (("diabetes",), 1),
        (("diabetes", "diabetes_complicated"), 2),
        (("malignancy", "metastatic"), 6),
        (("mild_liver", "severe_liver"), 4),
        (("mild_liver", "renal"), 2),
        (("renal", "severe_renal"), 4),
        (("dementia", "heart_failure"), 5),
        (("paralysis", "peptic_ulcer"), 0),
    ],
)
def test_the_graver_form_of_a_disease_counts_alone(
    conditions: tuple[str, ...], points: int
) -> None:
    assert scores.lace_comorbidity(set(conditions)) == points


@pytest.mark.parametrize(
    ("version", "stays", "points"),
    [(2016, 0, 0), (2016, 1, 0), (2016, 2, 2), (2016, 5, 2), (2016, 6, 5),
     (2013, 0, 0), (2013, 1, 2), (2013, 5, 2), (2013, 6, 5)],
)  # fmt: skip
def test_earlier_admissions_have_the_classes_of_each_version(
    version: int, stays: int, points: int
) -> None:
    found = scores.hospital_claims(False, False, False, stays, 0, version)  # type: ignore[arg-type]
    assert found == points


def test_sql_gives_the_points_of_python() -> None:
    conditions = [*CHARLSON, "severe_renal"]
    grid = itertools.product(
        (0, 3, 6, 14), (True, False), (0, 2, 7), (0, 2, 6),
        ("C349", "D481", "D500", "I500", None), ("17M061", "05M093", None), (True, False),
    )  # fmt: skip
    rows, expected = [], []
    for number, (days, urgent, visits, stays, code, ghm, act) in enumerate(grid):
        held = {name for place, name in enumerate(conditions) if (number * 7 + place) % 5 == 0}
        rows.append((days, urgent, visits, stays, code, ghm, act, held))
        oncology = (code or "").startswith(("C", "D481")) or (ghm or "").startswith("17")
        expected.append(
            (
                scores.lace(days, urgent, scores.lace_comorbidity(held), visits),
                scores.hospital_claims(oncology, act, urgent, stays, days),
            )
        )
    with duckdb.connect() as connection:
        names = ("night_count", "is_urgent", "emergency_visits", "earlier_stays",
                 "main_diagnosis", "ghm_code", "has_procedure")  # fmt: skip
        columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
        columns |= {name: [int(name in row[7]) for row in rows] for name in conditions}
        stay = pa.table(columns | {"n": list(range(len(rows)))})
        connection.register("stay", stay)
        found = connection.execute(
            f"select {scores.lace_sql('stay')}, {scores.hospital_claims_sql('stay')} "
            "from stay order by n"
        ).fetchall()
    assert found == expected
