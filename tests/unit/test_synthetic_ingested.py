"""Ingestion gives back what the generator planted: every good row, every bad one, every cent."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

from openchronic_assets.ingestion.parse import ParseTask, parse_file
from openchronic_assets.synthetic import generate


def test_ingestion_keeps_the_good_rows_and_refuses_the_planted_ones(tmp_path: Path) -> None:
    out = tmp_path / "extract"
    totals = generate(out, 600, (2019, 2019), 3, dirt="realistic")
    assert sum(known["bad_rows"] for known in totals["files"].values()) > 30
    for name, known in totals["files"].items():
        path, work = out / name, tmp_path / "work" / name
        found = re.search(r"_(\d{4})\.|T_MCO(\d\d)", name)
        year = 2019 if found is None else int(found[1] or f"20{found[2]}")
        for part in ("out", "quarantine", "scratch"):
            (work / part).mkdir(parents=True)
        stamp = (path.stat().st_size, path.stat().st_mtime_ns)
        report = parse_file(
            ParseTask(
                path=str(path),
                source=name,
                table=known["table"],
                period=str(year),
                year=year,
                year_source="name",
                delivery_id="0" * 16,
                sha256="",
                stamp=stamp,
                out=str(work / "out"),
                quarantine=str(work / "quarantine"),
                scratch=str(work / "scratch"),
            ),
            b"k" * 32,
        )
        assert (report.kept, report.quarantined) == (known["rows"], known["bad_rows"]), name
        kept = {column.upper(): amount.kept for column, amount in report.amounts.items()}
        for column, expected in known["amounts"].items():
            assert kept[column] == Decimal(expected), (name, column)
