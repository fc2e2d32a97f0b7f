"""Ingestion gives back what the generator planted: every good row, every bad one, every cent."""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from openchronic_assets.ingestion.parse import ParseTask, parse_file
from openchronic_assets.ingestion.report import FileReport
from openchronic_assets.synthetic import generate, truth
from openchronic_assets.synthetic.dirt import KINDS


@pytest.mark.parametrize(("dirt", "layout"), [("realistic", "extraction"), ("hostile", "portal")])
def test_ingestion_keeps_and_refuses_what_the_truth_says(
    tmp_path: Path, dirt: str, layout: str
) -> None:
    out = tmp_path / "extract"
    totals = generate(out, 300, (2019, 2019), 3, dirt=dirt, layout=layout)
    assert sum(known["bad_rows"] for known in totals["files"].values()) > 30
    planted = truth.read(out.with_name("extract.truth"), "dirt")
    if dirt == "hostile":
        assert {each["kind"] for each in planted} >= set(KINDS)
        assert {each["becomes"] for each in planted} == {"kept", "quarantined", "flagged"}
    for name, known in totals["files"].items():
        report = parsed(out / name, known["table"], tmp_path / "work" / name)
        assert report.kept == known["rows"] + known["extra_rows"], name
        assert report.quarantined == known["bad_rows"], name
        here = [each for each in planted if each["file"] == name]
        reasons = Counter(e["reason"] for e in here if e["becomes"] == "quarantined")
        assert report.reasons == reasons, name
        if not known["extra_rows"]:
            kept = {column.upper(): amount.kept for column, amount in report.amounts.items()}
            for column, expected in known["amounts"].items():
                assert kept[column] == Decimal(expected), (name, column)


def parsed(path: Path, table: str, work: Path) -> FileReport:
    """Parse one generated file."""
    found = re.search(r"_(\d{4})\.|T_MCO(\d\d)", path.name)
    year = 2019 if found is None else int(found[1] or f"20{found[2]}")
    for part in ("out", "quarantine", "scratch"):
        (work / part).mkdir(parents=True)
    task = ParseTask(
        path=str(path),
        source=path.name,
        table=table,
        period=str(year),
        year=year,
        year_source="name",
        delivery_id="0" * 16,
        sha256="",
        stamp=(path.stat().st_size, path.stat().st_mtime_ns),
        out=str(work / "out"),
        quarantine=str(work / "quarantine"),
        scratch=str(work / "scratch"),
    )
    return parse_file(task, b"k" * 32)
