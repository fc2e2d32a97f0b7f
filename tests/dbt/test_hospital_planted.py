"""Stays of every field and emergency visits of a generated extract are those that were planted.

The files are parsed as ingestion parses them, and the models run on what was kept: no server.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest
from model_runner import ModelRunner

from openchronic_assets.ingestion import identity
from openchronic_assets.ingestion.parse import ParseTask, parse_file, stamp_of
from openchronic_assets.synthetic import generate
from openchronic_assets.synthetic.truth import read as read_truth

pytestmark = pytest.mark.long  # a whole extract is generated and parsed

SECRET = b"0" * 32
YEARS = (2019, 2020)
FIELDS = {"SSR": "ssr", "HAD": "had", "RIP": "psy"}
NAME = re.compile(r"T_(MCO|SSR|HAD|RIP)(\d\d)(B|C|RSA|CSTC|FBSTC|FCSTC)\.csv")


def parsed(path: Path, table: str, year: int | None, folder: Path) -> list[dict[str, Any]]:
    """Return the rows that ingestion keeps of a file."""
    out = folder / path.stem
    parse_file(
        ParseTask(
            path=str(path), source=path.name, table=table, period=str(year or ""), year=year,
            year_source="name", delivery_id="d1", sha256="0" * 64, stamp=stamp_of(path),
            out=str(out), quarantine=str(folder / "q" / path.stem), scratch=str(folder / "s"),
        ),
        SECRET,
    )  # fmt: skip
    files = [str(each) for each in out.glob("*.parquet")]
    with duckdb.connect() as connection:
        rows: list[dict[str, Any]] = (
            connection.execute("from read_parquet(?)", [files]).to_arrow_table().to_pylist()
        )
    return rows


class Planted:
    """What the models say of an extract, and what is true of it."""

    def __init__(self, runner: ModelRunner, folder: Path) -> None:
        extract = folder / "extract"
        self.truth = folder / "truth"
        generate(extract, 600, YEARS, 7, tables="core", truth=self.truth)
        given: dict[str, list[dict[str, Any]]] = {}
        columns = {name: set(runner.schema(name).names) for name in ("ir_ben_r",)}
        for path in sorted(extract.glob("*.csv")):
            match = NAME.fullmatch(path.name)
            if not match and path.name != "IR_BEN_R.csv":
                continue
            table = f"T_{match[1]}aa{match[3]}" if match else "IR_BEN_R"
            raw = table.lower()
            known = columns.setdefault(raw, set(runner.schema(raw).names))
            given.setdefault(raw, []).extend(
                {name: value for name, value in row.items() if name in known}
                for row in parsed(path, table, 2000 + int(match[2]) if match else None, folder)
            )
        names = ["hospital_stay", "emergency_visit"]
        told = [runner.run_all(names, given, year) for year in YEARS]
        self.rows = {name: [row for each in told for row in each[name]] for name in names}
        persons = read_truth(self.truth, "persons")
        shared = Counter(each["ben_nir_psa"] for each in persons)
        # Twins under one pseudonym and invented NIR are nobody in the PMSI.
        self.person = {
            p["index"]: None
            if p["fictitious"] or shared[p["ben_nir_psa"]] > 1
            else identity.pseudonym(SECRET, "person_ano", p["ben_idt_ano"].strip().upper())
            for p in persons
        }


@pytest.fixture(scope="module")
def planted(model_runner: ModelRunner, tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return Planted(model_runner, tmp_path_factory.mktemp("planted"))


def test_stays_of_all_four_fields_are_the_planted_ones(planted: Planted) -> None:
    acute = read_truth(planted.truth, "stays")
    other = read_truth(planted.truth, "field_stays")
    expected = Counter(
        (
            planted.person[s["index"]] if s.get("chained", True) else None,
            FIELDS[s["field"]] if "field" in s else "mco",
            s["entry_date"], s["exit_date"], s["cim10"], s["hospital"],
        )
        for s in [*acute, *other]
    )  # fmt: skip
    found = Counter(
        (
            row["person_id"], row["field"], row["entry_date"], row["discharge_date"],
            row["main_diagnosis"], row["finess"],
        )
        for row in planted.rows["hospital_stay"]
    )  # fmt: skip
    assert {key[1] for key in expected} == {"mco", "ssr", "had", "psy"}
    assert found == expected


def test_stays_through_the_emergency_room_are_the_planted_ones(planted: Planted) -> None:
    expected = Counter(
        (s["entry_date"], s["hospital"]) for s in read_truth(planted.truth, "stays") if s["urgent"]
    )
    found = Counter(
        (row["visit_date"], row["finess"])
        for row in planted.rows["emergency_visit"]
        if row["source"] == "stay"
    )
    assert len(expected) > 50
    assert found == expected


def test_outpatient_emergency_visits_are_planted_ones(planted: Planted) -> None:
    """The extract bills a fee for some of the planted visits, and for nothing else."""
    expected = Counter(
        (planted.person[v["index"]], v["visit_date"])
        for v in read_truth(planted.truth, "visits")
        if v["kind"] == "emergency"
    )
    found = Counter(
        (row["person_id"], row["visit_date"])
        for row in planted.rows["emergency_visit"]
        if row["source"] == "outpatient"
    )
    assert found
    assert not found - expected
