from __future__ import annotations

import csv
import gzip
import hashlib
import hmac
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openchronic_assets.contracts import load
from openchronic_assets.ingestion import identity, parse
from openchronic_assets.ingestion.lines import sha256_of
from openchronic_assets.ingestion.parse import ParseTask, parse_file, stamp_of
from openchronic_assets.ingestion.report import FileReport

SECRET = b"a secret of the tests, 32 characters or more"

PHA = {
    "DCT_ORD_NUM": "1",
    "FLX_DIS_DTD": "01/03/2019",
    "FLX_EMT_NUM": "1",
    "FLX_EMT_ORD": "1",
    "FLX_EMT_TYP": "1",
    "FLX_TRT_DTD": "12/03/2019",
    "ORG_CLE_NUM": "01C231000",
    "PRS_ORD_NUM": "1",
    "REM_TYP_AFF": "1",
    "PHA_ORD_NUM": "1",
    "PHA_PRS_C13": "3400935418487",
    "PHA_PRS_IDE": "3541848",
    "PHA_ACT_QSN": "1",
    "PHA_ACT_PRU": "2.50000",
    "PHA_DEC_TOP": "",
    "PHA_DEC_QSU": "",
}
BIO = {name: value for name, value in PHA.items() if not name.startswith("PHA")} | {
    "BIO_ORD_NUM": "1",
    "BIO_PRS_IDE": "126",
    "BIO_ACT_QSN": "1",
}
UCD = {name: value for name, value in PHA.items() if not name.startswith("PHA")} | {
    "UCD_ORD_NUM": "1",
    "UCD_UCD_COD": "0000009123456",
    "UCD_TOP_UCD": "0",
    "UCD_DLV_NBR": "1",
    "UCD_TTF_MNT": "100.25",
}
BEN = {
    "BEN_NIR_PSA": "ABCDEFGHIJKLMNOPQ",
    "BEN_RNG_GEM": "1",
    "BEN_IDT_ANO": "ABCDEFGHIJKLMNOPQ1",
    "BEN_IDT_TOP": "0",
    "BEN_CDI_NIR": "00",
    "BEN_NAI_ANN": "1950",
    "BEN_NAI_MOI": "5",
    "BEN_SEX_COD": "2",
    "BEN_DCD_DTE": "01/01/1600",
    "ORG_AFF_BEN": "01C231000",
    "BEN_RES_DPT": "023",
    "BEN_RES_COM": "096",
    "MAX_TRT_DTD": "31/12/2021",
    "BEN_DTE_MAJ": "31/12/2021",
}


def write(folder: Path, rows: list[dict[str, str]], name: str = "f.csv", sep: str = ";") -> Path:
    path = folder / name
    head = sep.join(rows[0])
    body = "".join(sep.join(row.values()) + "\n" for row in rows)
    data = f"{head}\n{body}".encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def parsed(folder: Path, path: Path, table: str, **options: Any) -> FileReport:
    task = ParseTask(
        path=str(path),
        source=path.name,
        table=table,
        period="2019",
        year=options.pop("year", 2019),
        year_source=options.pop("year_source", "name"),
        delivery_id="d1",
        sha256=sha256_of(path),
        stamp=stamp_of(path),
        out=str(folder / "out"),
        quarantine=str(folder / "quarantine"),
        scratch=str(folder / "scratch"),
        **options,
    )
    return parse_file(task, SECRET)


def rows(folder: Path) -> list[dict[str, Any]]:
    # Tests write the same path twice, which the lake never does: no cache of file contents.
    connection = duckdb.connect(config={"enable_external_file_cache": False})
    found = connection.execute(f"from read_parquet('{folder}/*.parquet') order by all")
    names = [column[0] for column in found.description or []]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def test_a_row_is_typed_and_knows_where_it_came_from(tmp_path: Path) -> None:
    report = parsed(tmp_path, write(tmp_path, [PHA]), "ER_PHA_F")
    (row,) = rows(tmp_path / "out")
    assert (report.rows_read, report.kept, report.quarantined) == (1, 1, 0)
    assert row["flx_dis_dtd"].isoformat() == "2019-03-01"
    assert row["pha_prs_c13"] == 3400935418487
    assert row["pha_act_pru"] == Decimal("2.50000")
    assert row["pha_dec_top"] is None
    assert (row["_source_file"], row["_source_line"], row["_delivery_id"]) == ("f.csv", 2, "d1")


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("FLX_DIS_DTD", "31/02/2019", "not_a_date"),
        ("FLX_DIS_DTD", "2019-03-01", "not_a_date"),
        ("FLX_DIS_DTD", "01/03/19", "not_a_date"),
        ("PHA_ACT_QSN", "un", "not_an_integer"),
        ("PHA_ACT_QSN", "1.5", "not_an_integer"),
        ("PHA_ACT_PRU", "2.505001", "too_many_decimals"),
        ("PHA_ACT_PRU", "1e-7", "too_many_decimals"),
        ("PHA_ACT_PRU", "2,50 EUR", "not_a_decimal"),
        ("DCT_ORD_NUM", "", "missing_key"),
        ("PHA_DEC_TOP", "D;D", "field_count"),
        ("PHA_DEC_TOP", "a\x00b", "nul_byte"),
    ],
)
def test_a_value_that_does_not_cast_exactly_sends_its_row_to_quarantine(
    tmp_path: Path, column: str, value: str, reason: str
) -> None:
    path = write(tmp_path, [PHA, PHA | {column: value}, PHA | {"PRS_ORD_NUM": "2"}])
    report = parsed(tmp_path, path, "ER_PHA_F")
    (refused,) = rows(tmp_path / "quarantine")
    assert (report.rows_read, report.kept, report.quarantined) == (3, 2, 1)
    assert report.reasons == {reason: 1}
    assert (refused["source_file"], refused["source_line"]) == ("f.csv", 3)
    assert refused["reason"] == reason
    assert refused["column_name"] == (None if reason in ("field_count", "nul_byte") else column)
    assert value in refused["raw"]


@pytest.mark.parametrize("column", ["FLX_DIS_DTD", "PHA_ACT_QSN", "PHA_ACT_PRU", "DCT_ORD_NUM"])
def test_a_report_never_carries_the_value_that_was_refused(tmp_path: Path, column: str) -> None:
    report = parsed(
        tmp_path,
        write(
            tmp_path,
            [PHA | {column: "255081416802538"}] * 2 + [PHA | {column: "2 55 08 14 168 025 38"}],
        ),
        "ER_PHA_F",
    )
    said = str(report.to_json())
    assert report.quarantined >= 1
    assert "255081416802538" not in said and "2 55 08" not in said


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("PHA_PRS_C13", "3400935418487.0", 3400935418487),
        ("PHA_ACT_QSN", " -2 ", -2),
        ("PHA_ACT_QSN", "007", 7),
        ("PHA_ACT_PRU", ".81", Decimal("0.81000")),
        ("PHA_ACT_PRU", "10.500000", Decimal("10.50000")),
        ("PHA_ACT_PRU", "-3", Decimal("-3.00000")),
    ],
)
def test_another_writing_of_the_same_value_is_kept(
    tmp_path: Path, column: str, value: str, expected: object
) -> None:
    parsed(tmp_path, write(tmp_path, [PHA | {column: value}]), "ER_PHA_F")
    assert rows(tmp_path / "out")[0][column.lower()] == expected


@pytest.mark.parametrize("name", ["f.csv", "f.csv.gz"])
@pytest.mark.parametrize("sep", [";", ",", "|", "\t"])
def test_separators_and_gzip_give_the_same_rows(tmp_path: Path, name: str, sep: str) -> None:
    report = parsed(tmp_path, write(tmp_path, [PHA, PHA], name, sep), "ER_PHA_F")
    assert report.kept == 2


def test_iso_dates_and_a_decimal_comma_are_found_out(tmp_path: Path) -> None:
    row = UCD | {"FLX_DIS_DTD": "2019-03-01", "FLX_TRT_DTD": "2019-03-12", "UCD_TTF_MNT": "100,25"}
    report = parsed(tmp_path, write(tmp_path, [row]), "ER_UCD_F")
    assert report.kept == 1
    assert rows(tmp_path / "out")[0]["ucd_ttf_mnt"] == Decimal("100.25")
    assert report.amounts["UCD_TTF_MNT"].kept == Decimal("100.25")


def test_quoted_cells_and_mixed_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    line = ";".join(f'"{value}"' for value in BIO.values())
    plain = ";".join(BIO.values())
    path.write_bytes(
        ("\ufeff" + ";".join(BIO) + f"\r\n{line}\r\n{plain}\n{plain}\n\n\n").encode("utf-8")
    )
    report = parsed(tmp_path, path, "ER_BIO_F")
    assert (report.rows_read, report.kept) == (3, 3)


def test_columns_in_another_order_and_case_are_read_by_name(tmp_path: Path) -> None:
    backwards = {name.lower(): BIO[name] for name in reversed(BIO)}
    parsed(tmp_path, write(tmp_path, [backwards]), "ER_BIO_F")
    assert rows(tmp_path / "out")[0]["bio_prs_ide"] == 126


def test_a_byte_that_is_not_utf8_refuses_its_line_only(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    good = ";".join(BIO.values()).encode()
    path.write_bytes(";".join(BIO).encode() + b"\n" + good + b"\n" + good[:-1] + b"\xff\n" + good)
    report = parsed(tmp_path, path, "ER_BIO_F")
    assert (report.rows_read, report.kept, report.reasons) == (3, 2, {"undecodable_byte": 1})
    assert report.first_refused[0]["line"] == 3


def test_a_truncated_gzip_leaves_nothing_and_says_so(tmp_path: Path) -> None:
    noise = [BIO | {"DCT_ORD_NUM": str(i * 7919 % 99991)} for i in range(5000)]
    path = write(tmp_path, noise, "f.csv.gz")
    path.write_bytes(path.read_bytes()[:-20])
    report = parsed(tmp_path, path, "ER_BIO_F")
    assert (report.status, report.code) == ("unreadable", "truncated_gzip")
    assert report.message and "f.csv.gz" in report.message and "ER_BIO_F" in report.message
    assert not (tmp_path / "out").exists() and not (tmp_path / "quarantine").exists()


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes(content)
    assert parsed(tmp_path, path, "ER_BIO_F").code == "empty_file"


def test_a_header_without_rows_is_a_delivery_of_no_row(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text(";".join(BIO) + "\n")
    report = parsed(tmp_path, path, "ER_BIO_F")
    assert (report.status, report.rows_read) == ("loaded", 0)
    assert rows(tmp_path / "out") == []


def test_a_missing_column_refuses_the_file_and_keeps_its_lines_in_quarantine(
    tmp_path: Path,
) -> None:
    row = {name: value for name, value in PHA.items() if name != "PHA_ACT_QSN"}
    report = parsed(tmp_path, write(tmp_path, [row, row]), "ER_PHA_F")
    assert (report.status, report.code) == ("refused", "missing_column")
    assert (report.rows_read, report.kept, report.quarantined) == (2, 0, 2)
    assert report.message and "PHA_ACT_QSN" in report.message and "line 1" in report.message
    assert {row["column_name"] for row in rows(tmp_path / "quarantine")} == {"PHA_ACT_QSN"}


def test_the_structure_of_another_year_is_recognised(tmp_path: Path) -> None:
    names = load("T_MCOaaC").for_year(2019).names()
    path = tmp_path / "T_MCO08C.csv"
    path.write_text(";".join(names) + "\n" + ";".join("1" for _ in names) + "\n")
    report = parsed(tmp_path, path, "T_MCOaaC", year=2008)
    assert report.code == "structure_of_another_year"
    assert report.message and "2017-2021, not of 2008" in report.message
    accepted = parsed(tmp_path, path, "T_MCOaaC", year=2008, accept_structure=True)
    assert accepted.status == "loaded" and "EXE_SOI_DTD" in accepted.foreign


def test_an_unknown_column_is_not_loaded(tmp_path: Path) -> None:
    report = parsed(tmp_path, write(tmp_path, [BIO | {"NOM_PATIENT": "DUPONT"}]), "ER_BIO_F")
    assert (report.status, report.ignored) == ("loaded", ["NOM_PATIENT"])
    assert "nom_patient" not in rows(tmp_path / "out")[0]


def test_keys_become_pseudonyms_that_join_across_writings(tmp_path: Path) -> None:
    padded = BEN | {"BEN_NIR_PSA": " abcdefghijklmnopq ", "BEN_RNG_GEM": "2"}
    parsed(tmp_path, write(tmp_path, [BEN, padded]), "IR_BEN_R")
    first, second = rows(tmp_path / "out")
    expected = identity.pseudonym(SECRET, "person", "ABCDEFGHIJKLMNOPQ")
    assert first["ben_nir_psa"] == second["ben_nir_psa"] == expected
    plain = hmac.new(SECRET, b"person:ABCDEFGHIJKLMNOPQ", hashlib.sha256).hexdigest()
    assert plain.startswith(expected)
    assert "ABCDEFGHIJ" not in str(first)


def test_an_identity_cut_to_17_characters_is_completed_by_its_rank(tmp_path: Path) -> None:
    cut = BEN | {"BEN_IDT_ANO": "ABCDEFGHIJKLMNOPQ", "BEN_RNG_GEM": "2"}
    parsed(tmp_path, write(tmp_path, [BEN, cut]), "IR_BEN_R")
    whole = {row["ben_rng_gem"]: row["ben_idt_ano"] for row in rows(tmp_path / "out")}
    assert whole[1] == identity.pseudonym(SECRET, "person_ano", "ABCDEFGHIJKLMNOPQ1")
    assert whole[2] == identity.pseudonym(SECRET, "person_ano", "ABCDEFGHIJKLMNOPQ2")


@pytest.mark.parametrize(
    ("value", "status"),
    [("x" * 17, "sentinel"), ("XXXXXXXXXXXXXXXXD", "sentinel"), ("", "missing"), ("AB1", "ok")],
)
def test_sentinels_are_nobody(tmp_path: Path, value: str, status: str) -> None:
    names = [column.name for column in load("T_MCOaaC").for_year(2019).columns if column.required]
    row = dict.fromkeys(names, "0") | {"EXE_SOI_DTD": "02JAN2019:00:00:00", "NIR_ANO_17": value}
    row |= {"EXE_SOI_DTF": "03jan2019:00:00:00", "ETA_NUM": "2A0000014"}
    report = parsed(tmp_path, write(tmp_path, [row], "T_MCO19C.csv"), "T_MCOaaC")
    assert report.kept == 1, report.to_json()
    (found,) = rows(tmp_path / "out")
    assert found["_key_status"] == status
    assert (found["nir_ano_17"] is None) == (status != "ok")
    assert found["exe_soi_dtd"].isoformat() == "2019-01-02T00:00:00"
    assert (found["_table_year"], found["eta_num"]) == (2019, "2A0000014")


def test_memory_is_bounded_by_chunks_that_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [BIO | {"DCT_ORD_NUM": str(number)} for number in range(3000)]
    many[1500] = many[1500] | {"BIO_ACT_QSN": "x"}
    path = write(tmp_path, many)
    whole = parsed(tmp_path, path, "ER_BIO_F")
    kept = rows(tmp_path / "out")
    monkeypatch.setattr(parse, "CHUNK", 20_000)
    monkeypatch.setattr("openchronic_assets.ingestion.lines.BLOCK", 4_000)
    cut = parsed(tmp_path, path, "ER_BIO_F")
    assert len(cut.parts) > 5 and len(whole.parts) == 1
    assert (cut.kept, cut.reasons, cut.first_refused) == (
        whole.kept,
        whole.reasons,
        whole.first_refused,
    )
    assert rows(tmp_path / "out") == kept


def test_the_same_file_gives_the_same_bytes_on_one_thread_or_two(tmp_path: Path) -> None:
    path = write(tmp_path, [BIO | {"DCT_ORD_NUM": str(number)} for number in range(50_000)])

    def digest(threads: int) -> str:
        parsed(tmp_path, path, "ER_BIO_F", threads=threads)
        return sha256_of(tmp_path / "out" / "part-0000.parquet")

    assert digest(1) == digest(2) == digest(1)


CELL = st.one_of(
    st.sampled_from(
        ["", " ", "1", "-1", "1.0", "1.5", "100.25", "1.005", "abc", "01/03/2019", "é"]
    ),
    st.text(st.characters(blacklist_characters="\n\r;", blacklist_categories=["Cs"]), max_size=6),
    st.decimals(-1000, 1000, places=2).map(str),
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.dictionaries(st.sampled_from(sorted(UCD)), CELL, max_size=4), max_size=12))
def test_every_line_and_every_euro_is_on_one_side_or_the_other(
    tmp_path: Path, changes: list[dict[str, str]]
) -> None:
    path = write(tmp_path, [UCD, *(UCD | change for change in changes)])
    report = parsed(tmp_path, path, "ER_UCD_F")
    assert report.status == "loaded" and report.balances
    assert report.rows_read == len(changes) + 1
    assert len(rows(tmp_path / "out")) == report.kept
    refused = rows(tmp_path / "quarantine") if report.quarantined else []
    assert len(refused) == report.quarantined
    # The oracle reads the text again, in plain Python.
    oracle = Decimal(0)
    lines = path.read_text(encoding="utf-8").split("\n")
    for line in lines[1:]:
        cells = line.split(";")
        text = cells[list(UCD).index("UCD_TTF_MNT")].strip(" ") if len(cells) == len(UCD) else ""
        if text and "\x00" not in line and "\ufffd" not in line:
            oracle += _number(text)
    assert report.amounts["UCD_TTF_MNT"].read == oracle


def _number(text: str) -> Decimal:
    try:
        found = Decimal(text)
    except ArithmeticError:
        return Decimal(0)
    return found if found.is_finite() else Decimal(0)


def test_quarantine_can_be_read_back_as_the_lines_it_refused(tmp_path: Path) -> None:
    bad = PHA | {"PHA_ACT_QSN": "deux"}
    parsed(tmp_path, write(tmp_path, [PHA, bad]), "ER_PHA_F")
    (refused,) = rows(tmp_path / "quarantine")
    (again,) = csv.DictReader(io.StringIO(";".join(PHA) + "\n" + refused["raw"]), delimiter=";")
    assert again == bad
