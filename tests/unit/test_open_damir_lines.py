"""Open DAMIR as it is published: a separator at the end of each line, .81, months that are not."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from test_parse import parsed, rows

from openchronic_assets.contracts import load

NAMES = list(load("OPEN_DAMIR").names())
CELL = {"FLX_ANN_MOI": "202501", "SOI_ANN": "2024", "SOI_MOI": "12", "PRS_REM_MNT": ".81"}


def write(folder: Path, *changes: dict[str, str]) -> Path:
    lines = [";".join(NAMES) + ";"]
    lines += [
        ";".join({**CELL, **change}.get(name, "1") for name in NAMES) + ";" for change in changes
    ]
    path = folder / "A202501.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_separator_at_the_end_of_every_line_is_no_column(tmp_path: Path) -> None:
    report = parsed(tmp_path, write(tmp_path, {}, {"PRS_REM_MNT": "-.5"}), "OPEN_DAMIR", year=2025)
    assert (report.rows_read, report.kept, report.ignored) == (2, 2, [])
    assert report.amounts["PRS_REM_MNT"].kept == Decimal("0.31")


@pytest.mark.parametrize("end", ["", " "])  # a blank sends the line to the careful path
@pytest.mark.parametrize(
    ("year", "month", "kept"),
    [
        ("2024", "05", (2024, 5)),
        ("0000", "00", (None, None)),
        ("0", "0", (None, None)),
        ("", "", (None, None)),
    ],
)
def test_a_month_that_is_none_is_null_by_rule(
    tmp_path: Path, year: str, month: str, kept: tuple[int | None, int | None], end: str
) -> None:
    path = write(tmp_path, {"SOI_ANN": year, "SOI_MOI": month, "DRG_AFF_NAT": f'a"{end}'})
    report = parsed(tmp_path, path, "OPEN_DAMIR", year=2025)
    assert report.quarantined == 0, report.reasons
    (row,) = rows(tmp_path / "out")
    assert (row["soi_ann"], row["soi_moi"]) == kept


def test_what_is_no_placeholder_is_still_refused(tmp_path: Path) -> None:
    path = write(tmp_path, {"SOI_MOI": "13"}, {"SOI_ANN": "000"}, {"FLX_ANN_MOI": "0000-00"})
    report = parsed(tmp_path, path, "OPEN_DAMIR", year=2025)
    assert report.reasons == {"not_a_month": 2, "not_a_year": 1}


@pytest.mark.conformance
def test_real_lines_are_read_whole(tmp_path: Path, conformance_data: Path) -> None:
    (path,) = (conformance_data / "open_data").glob("open_damir_A*.csv")
    report = parsed(tmp_path, path, "OPEN_DAMIR", year=2025)
    assert (report.status, report.quarantined) == ("loaded", 0), report.reasons
    text = path.read_text(encoding="utf-8").splitlines()
    place = text[0].split(";").index("PRS_PAI_MNT")
    assert report.kept == len(text) - 1
    paid = sum(Decimal(line.split(";")[place]) for line in text[1:])
    assert report.amounts["PRS_PAI_MNT"].kept == paid
