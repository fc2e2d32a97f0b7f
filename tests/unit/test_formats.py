from __future__ import annotations

import gzip
import zipfile
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from openchronic_assets.ingestion import formats
from openchronic_assets.ingestion.formats import Format, UnreadableFile, sniff, stem
from openchronic_assets.ingestion.records import numbered
from openchronic_assets.ingestion.source import Source

TEXT = "A;B\n1;é\n2;x\n".encode()


def rows_of(path: Path) -> list[str]:
    return [line for block in Source(path).blocks() for line in block.data.decode().splitlines()]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("ER_PRS_F_2019.csv", "ER_PRS_F_2019"),
        ("ER_PRS_F_2019.CSV.GZ", "ER_PRS_F_2019"),
        ("ER_PRS_F.txt.zst", "ER_PRS_F"),
        ("ER_PRS_F.tsv", "ER_PRS_F"),
        ("ER_PRS_F_2019.zip", "ER_PRS_F_2019"),
        ("er_prs_f_2019.sas7bdat", "er_prs_f_2019"),
        ("ER_PRS_F.parquet", "ER_PRS_F"),
        ("ER_PRS_F.sas7bdat.gz", "ER_PRS_F"),
        ("ER_PRS_F.xlsx", None),
        ("ER_PRS_F", None),
        (".csv", None),
        (".csv.gz", None),
        ("notes.pdf.gz", None),
    ],
)
def test_the_suffixes_of_a_format_are_no_part_of_the_name(name: str, found: str | None) -> None:
    assert stem(name) == found


def packed(path: Path, data: bytes = TEXT) -> Path:
    """Write some text in the compression that the suffix says."""
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(data))
    elif path.suffix == ".zst":
        path.write_bytes(pa.Codec("zstd").compress(data, asbytes=True))
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("inside.csv", data)
    else:
        path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", ["f.csv", "f.csv.gz", "f.csv.zst", "f.zip"])
def test_text_is_the_same_in_every_compression(tmp_path: Path, name: str) -> None:
    path = packed(tmp_path / name)
    assert (Source(path).header(), rows_of(path)) == ("A;B", ["1;é", "2;x"])


@pytest.mark.parametrize("name", ["f.csv.gz", "f.csv.zst", "f.zip"])
def test_bytes_decide_and_a_name_that_says_otherwise_is_told(tmp_path: Path, name: str) -> None:
    right = packed(tmp_path / name)
    wrong = tmp_path / "f.csv"
    wrong.write_bytes(right.read_bytes())
    assert sniff(right).note is None
    assert sniff(wrong).compression == sniff(right).compression
    assert "its name says plain text" in str(sniff(wrong).note)
    right.write_bytes(TEXT)
    assert sniff(right).compression is None
    assert "the file is plain text" in str(sniff(right).note)


def code_of(path: Path) -> str:
    with pytest.raises(UnreadableFile) as found:
        source = Source(path)
        source.header()
        list(source.blocks())
    assert found.value.code in formats.REMEDIES
    return found.value.code


@pytest.mark.parametrize("name", ["f.csv.gz", "f.csv.zst", "f.zip", "f.parquet", "f.sas7bdat"])
def test_bytes_that_are_neither_the_format_of_the_name_nor_text_are_refused(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_bytes(b"\x00\x01\x02 no format \xff" * 50)
    assert code_of(tmp_path / name).startswith("not_")


@pytest.mark.parametrize("cut", [3, 30])
@pytest.mark.parametrize("name", ["f.csv.gz", "f.csv.zst", "f.zip"])
def test_a_stream_cut_short_is_refused(tmp_path: Path, name: str, cut: int) -> None:
    path = packed(tmp_path / name, b"A;B\n" + b"".join(b"%d;%d\n" % (i, i * i) for i in range(999)))
    path.write_bytes(path.read_bytes()[:-cut])
    assert code_of(path) in ("truncated_gzip", "truncated_zstd", "not_zip")


@pytest.mark.parametrize(
    ("members", "code"),
    [
        (["a.csv", "b.csv"], "several_members"),
        ([], "several_members"),
        (["../a.csv"], "unsafe_member"),
        (["/etc/a.csv"], "unsafe_member"),
        (["C:\\a.csv"], "unsafe_member"),
    ],
)
def test_a_zip_holds_one_file_of_a_harmless_name(
    tmp_path: Path, members: list[str], code: str
) -> None:
    with zipfile.ZipFile(tmp_path / "f.zip", "w") as archive:
        for name in members:
            archive.writestr(name, TEXT)
    assert code_of(tmp_path / "f.zip") == code


def test_folders_and_what_macos_adds_are_no_files_of_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "f.zip", "w") as archive:
        archive.mkdir("folder")
        archive.writestr("__MACOSX/._a.csv", b"\0")
        archive.writestr("folder/a.csv", TEXT)
    assert rows_of(tmp_path / "f.zip") == ["1;é", "2;x"]


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "f.zip")
    data = bytearray(path.read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + flags] |= 1
    path.write_bytes(bytes(data))
    assert code_of(path) == "encrypted"


def test_an_archive_in_an_archive_is_refused(tmp_path: Path) -> None:
    assert code_of(packed(tmp_path / "f.csv.gz", gzip.compress(TEXT))) == "nested_archive"
    assert code_of(packed(tmp_path / "f.zip", b"PAR1....")) == "nested_archive"


def test_a_stream_that_expands_without_measure_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "EXPANSION_FLOOR", 1 << 20)
    path = packed(tmp_path / "f.csv.zst", b"A;B\n" + b"1;2\n" * (8 << 18))
    assert code_of(path) == "expands_too_much"


@pytest.mark.parametrize(
    ("data", "encoding", "rows"),
    [
        (b"A;B\n1;2\n", "utf-8", ["1;2"]),
        ("A;B\n1;é\n".encode(), "utf-8", ["1;é"]),
        (b"A;B\n1;x\n2;h\xe9patite\n3;N\xb0 4\n", "windows-1252", ["1;x", "2;hépatite", "3;N° 4"]),
        # A flipped bit in a code is no accent, and one byte that French has not settles it.
        (b"A;B\n1;01C\xb2\n", "utf-8", None),
        (b"A;B\n1;\xe9\n", "utf-8", None),
        (b"A;B\n1;h\xe9patite\n2;\xffx\xfe\n", "utf-8", None),
        # UTF-8 elsewhere, or its mark: the line is what is wrong.
        (b"A;B\n1;\xc3\xa9\n2;h\xe9patite\n", "utf-8", None),
        (b"A;B\n1;h\xe9patite\n2;\xc3\xa9t\xc3\xa9\n", "utf-8", None),
        (b"\xef\xbb\xbfA;B\n1;h\xe9patite\n", "utf-8", None),
    ],
)
def test_another_encoding_is_taken_on_the_evidence_of_the_whole_file(
    tmp_path: Path, data: bytes, encoding: str, rows: list[str] | None
) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes(data)
    source = Source(path)
    blocks = list(source.blocks())
    assert source.encoding == encoding
    assert any(block.undecodable.any() for block in blocks) == (rows is None)
    if rows is not None:
        assert [row for block in blocks for row in block.data.decode().splitlines()] == rows


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (pa.array([12.34, 3.0, -0.5, None]), ["12.34", "3", "-0.5", ""]),
        (pa.array([0.1 + 0.2, float("nan")]), ["0.30000000000000004", "nan"]),
        (pa.array([3400935418487.0, 1e22]), ["3400935418487", "1" + "0" * 22]),
        (pa.array([1.5e-9]), ["0.0000000015"]),
        (pa.array([12.25], pa.float32()), ["12.25"]),
        (pa.array([True, False, None]), ["1", "0", ""]),
        (pa.array([Decimal("-0.81"), None]), ["-0.81", ""]),
        (pa.array([2**63 - 1, -1]), ["9223372036854775807", "-1"]),
        (pa.array([date(2019, 3, 1), date(1600, 1, 1)]), ["2019-03-01", "1600-01-01"]),
        (pa.array([date(2019, 3, 1)], pa.date64()), ["2019-03-01"]),
        (
            pa.array([datetime(2019, 3, 1), datetime(2019, 3, 1, 10, 0, 0, 500000)]),
            ["2019-03-01 00:00:00", "2019-03-01 10:00:00.500000"],
        ),
        # Ten o'clock where? Midnight of an exporter that knows only instants is a date.
        (
            pa.array([datetime(2019, 3, 1), datetime(2019, 3, 1, 10)], pa.timestamp("us", "UTC")),
            ["2019-03-01 00:00:00", "2019-03-01 10:00:00Z"],
        ),
        (pa.array(["é", "", None]), ["é", "", ""]),
        (pa.array(["a", "b"]).dictionary_encode(), ["a", "b"]),
        (pa.array(["a;b", 'c"d']), ['"a;b"', '"c""d"']),
        (pa.nulls(2), ["", ""]),
    ],
)  # fmt: skip
def test_typed_values_become_the_text_that_a_csv_would_hold(
    tmp_path: Path, values: pa.Array, texts: list[str]
) -> None:
    path = tmp_path / "f.parquet"
    numbers = pa.array(range(len(values)), pa.int32())
    pq.write_table(pa.table({"N": numbers, "V": values}), path)
    found = [line.partition(";")[2] for line in rows_of(path)]
    # Where one text needs quotes, all that are there have them.
    assert [text if '"' in "".join(texts) else text.strip('"') for text in found] == texts


def flaws(path: Path) -> list[tuple[int, int, str | None]]:
    blocks = numbered(path, Format("parquet"))
    return [(block.first, len(block), block.flaw) for block in blocks]


def test_a_line_feed_in_a_value_refuses_its_row_only(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    pq.write_table(pa.table({"N": [1, 2, 3, 4], "V": ["a", "b\nc", "d", "e"]}), path)
    assert flaws(path) == [(1, 1, None), (2, 1, "line_feed"), (3, 2, None)]


def test_a_value_longer_than_a_line_refuses_its_row_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openchronic_assets.ingestion.lines.MAX_LINE", 100)
    path = tmp_path / "f.parquet"
    pq.write_table(pa.table({"N": [1, 2, 3], "V": ["a", "b" * 200, "c"]}), path)
    assert flaws(path) == [(1, 1, None), (2, 1, "line_too_long"), (3, 1, None)]


def test_bytes_that_are_not_utf8_stay_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    pq.write_table(pa.table({"N": [1, 2], "V": pa.array([b"a", b"\xff"])}), path)
    (block,) = Source(path).blocks()
    assert block.undecodable.tolist() == [False, True]


def test_a_column_of_lists_refuses_the_file(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    pq.write_table(pa.table({"N": [1], "V": pa.array([[1, 2]])}), path)
    assert code_of(path) == "nested_column"


@pytest.mark.parametrize("cut", [1, 40, 400])
def test_a_parquet_cut_short_is_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "f.parquet"
    pq.write_table(pa.table({"N": range(500), "V": ["x"] * 500}), path)
    path.write_bytes(path.read_bytes()[:-cut])
    assert code_of(path) == "not_parquet"


def test_names_that_would_be_cut_in_two_are_none(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    columns: dict[str, Any] = {"A;B": [1], "C": [2], "": [3]}
    pq.write_table(pa.table(columns), path)
    assert Source(path).header() == "A_B;C;_"
