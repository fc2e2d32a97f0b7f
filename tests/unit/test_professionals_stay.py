"""Results by doctor are refused by the ways out, under a number or a pseudonym."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from openchronic_assets.anonymisation import any_table, professionals, sortie
from openchronic_assets.errors import Refused

DOCTOR = "7205002e8460d0af9ea9dec9278ec45a"


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("provider_id", [DOCTOR]),
        ("unit", ["93", DOCTOR]),  # whatever the column is called
        ("treating_doctor", ["12345678"]),
        ("médecin", [12345678901]),
        ("doctor", [f"D{n}" for n in range(13)]),
    ],
)
def test_a_column_of_professionals_is_refused(name: str, values: list[object]) -> None:
    with pytest.raises(Refused, match=f"column {name}.*secure space"):
        professionals.refuse([("sex", ["1"]), (name, values)], "a.csv")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("treating_doctor", ["yes", "no", None]),
        ("doctor_specialty", [str(n) for n in range(12)]),
        ("finess", ["239900004"]),
        ("department", ["23", "2A", "974"]),
        ("label", ["abandonneraient", "2019-01-01"]),
    ],
)
def test_kinds_and_places_pass(name: str, values: list[object]) -> None:
    professionals.refuse([(name, values)], "a.csv")


def test_no_way_out_takes_doctors(tmp_path: Path) -> None:
    path = tmp_path / "doctors.csv"
    path.write_text(f"unit;people\n{DOCTOR};250\n{DOCTOR[::-1]};300\n")
    with pytest.raises(Refused, match="column unit"):
        sortie.read_table(path)
    table = pa.table({"sex": ["1"] * 30, "unit": [DOCTOR] * 30})
    with pytest.raises(Refused, match="column unit"):
        any_table.prepare(table, ["sex"], {"sex": [("1", "*"), ("2", "*")]})
    path.write_text("department;people\n23;250\n62;300\n")
    assert len(sortie.read_table(path).cells) == 2
