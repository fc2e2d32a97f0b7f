"""Damaged files: each is accepted, quarantined or refused as the table of ``damage`` says."""

from __future__ import annotations

import errno
import gzip
import json
import re
import resource
import subprocess
import sys
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sas7bdat
from damage import DAMAGES, GOOD, NAME, Damage, cells, parquet, sas, text, typed
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from small_deliveries import committed
from test_parse import SECRET, parsed, rows

from openchronic_assets.errors import OpenChronicError
from openchronic_assets.ingestion import formats, parse, run, spark
from openchronic_assets.ingestion.parse import ParseTask, parse_file
from openchronic_assets.ingestion.report import FileReport
from openchronic_assets.settings import Home

REMEDY = re.compile(
    r"ask the provider|copy (it|the file)|export|unzip|decrypt|flatten|remove|correct|deliver|"
    r"unpack"
)


def lay(folder: Path, damage: Damage) -> Path:
    path = folder / damage.name
    if callable(damage.data):
        damage.data(path)
    else:
        path.write_bytes(damage.data)
    return path


def accounted(folder: Path, report: FileReport) -> None:
    """Every line and every cent is on one side or the other, in the report and on disk."""
    assert report.balances
    kept = rows(folder / "out") if report.parts else []
    refused = rows(folder / "quarantine") if report.quarantine_parts else []
    assert (len(kept), len(refused)) == (report.kept, report.quarantined)
    for name, amount in report.amounts.items():
        on_disk = sum((row[name.lower()] or Decimal(0) for row in kept), Decimal(0))
        assert amount.kept == on_disk == amount.read - amount.quarantined


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_file_meets_the_fate_of_its_row(tmp_path: Path, what: str) -> None:
    damage = DAMAGES[what]
    year = 2008 if damage.table == "T_MCOaaC" else 2019
    report = parsed(tmp_path, lay(tmp_path, damage), damage.table, year=year)
    accounted(tmp_path, report)
    assert (report.kept, report.status) == (
        damage.kept,
        damage.outcome if damage.outcome in ("refused", "unreadable") else "loaded",
    ), report.to_json()
    if damage.outcome == "unreadable":
        assert {report.code: 0} == damage.why
        assert not (tmp_path / "out").exists() and not (tmp_path / "quarantine").exists()
    else:
        assert report.reasons == damage.why
        assert report.rows_read == damage.kept + sum(damage.why.values())
    if damage.at:
        first = report.first_refused[0]
        assert (first["line"], first["column"]) == damage.at
    message = report.message
    if damage.outcome == "quarantined":
        message = run._refused_lines(report)
    if damage.outcome == "accepted":
        assert message is None
    else:
        assert message and damage.name in message and damage.says in message
        assert REMEDY.search(message), message
        assert "01C231000" not in message and "9123456" not in message


def test_the_table_is_as_long_as_it_was_meant() -> None:
    assert len(DAMAGES) >= 100
    assert {damage.outcome for damage in DAMAGES.values()} == {
        "accepted", "quarantined", "refused", "unreadable",
    }  # fmt: skip


@pytest.mark.parametrize(
    "what", ["a file in Windows-1252", "a zstd", "a zip", "a Parquet", "a SAS table"]
)
def test_another_container_gives_the_rows_of_the_text(tmp_path: Path, what: str) -> None:
    def loaded(damage: Damage) -> list[dict[str, Any]]:
        parsed(tmp_path, lay(tmp_path, damage), damage.table)
        found = rows(tmp_path / "out")
        typed = damage.name.endswith(("parquet", "sas7bdat"))
        return [
            {k: v for k, v in row.items() if k not in ("_source_file", "ucd_ucd_cod")}
            | {"_source_line": row["_source_line"] + typed}
            for row in found
        ]

    assert loaded(DAMAGES[what]) == loaded(Damage(text(), "accepted"))


def test_a_bomb_is_refused_before_it_fills_a_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "EXPANSION_FLOOR", 1 << 20)
    path = tmp_path / (NAME + ".gz")
    path.write_bytes(gzip.compress(text() + b"0" * (64 << 20)))
    report = parsed(tmp_path, path, "ER_UCD_F")
    assert (report.status, report.code) == ("unreadable", "expands_too_much")
    assert report.message and "unpack it" in report.message


def test_a_file_that_grows_while_it_is_read_is_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / NAME
    path.write_bytes(text())
    load = parse._Loader.load

    def growing(self: Any, *arguments: Any) -> None:
        with path.open("ab") as handle:
            handle.write(text().split(b"\n")[1] + b"\n")
        load(self, *arguments)

    monkeypatch.setattr(parse._Loader, "load", growing)
    report = parsed(tmp_path, path, "ER_UCD_F")
    assert (report.status, report.code) == ("unreadable", "changed_while_read")
    assert not (tmp_path / "out").exists()


def task_of(folder: Path, path: Path) -> ParseTask:
    return ParseTask(
        path=str(path),
        source=path.name,
        table="ER_UCD_F",
        period="2019",
        year=2019,
        year_source="name",
        delivery_id="d1",
        sha256="",
        stamp=parse.stamp_of(path),
        out=str(folder / "out"),
        quarantine=str(folder / "quarantine"),
        scratch=str(folder / "scratch"),
    )


def test_a_full_disk_is_the_machines_fault_and_leaves_nothing(tmp_path: Path) -> None:
    """A real write is refused by the system: no file of the process may pass 64 KiB."""
    path = tmp_path / NAME
    codes = [f"{n * 2654435761 % 2**32:010d}{n * 40503 % 65521}" for n in range(20_000)]
    path.write_bytes(text([GOOD[0] | {"UCD_UCD_COD": code} for code in codes]))
    program = (
        "import json, resource, sys\n"
        "from openchronic_assets.ingestion.parse import ParseTask, parse_file\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))\n"
        "try:\n"
        f"    parse_file(ParseTask(**json.loads(sys.argv[1])), {SECRET!r})\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(vars(task_of(tmp_path, path)))],
        capture_output=True,
        text=True,
        check=True,
    )
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 1 << 16
    assert done.stdout.startswith("OpenChronicError"), done.stdout + done.stderr
    assert NAME in done.stdout and "free space" in done.stdout
    assert not (tmp_path / "out").exists() and not (tmp_path / "scratch").exists()


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "free space"),
        (OSError(errno.EIO, "Input/output error"), "EIO"),
        (MemoryError(), "memory"),
    ],
)
def test_a_fault_of_the_machine_is_told_apart_from_one_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception, says: str
) -> None:
    def failing(*arguments: Any) -> None:
        raise fault

    monkeypatch.setattr(parse._Loader, "load", failing)
    path = tmp_path / NAME
    path.write_bytes(text())
    with pytest.raises(OpenChronicError, match=says) as found:
        parse_file(task_of(tmp_path, path), SECRET)
    assert NAME in str(found.value)
    assert not (tmp_path / "out").exists() and not (tmp_path / "quarantine").exists()


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the tasks of an ingestion in this process, without Spark."""

    def spread(_: Any, function: Any, items: Any, progress: Any = None) -> list[Any]:
        return [function(item) for item in items]

    monkeypatch.setattr(spark, "spread", spread)
    monkeypatch.setattr(run.ingest, "__kwdefaults__", {
        **run.ingest.__kwdefaults__, "session": lambda: None,
    })  # fmt: skip


@pytest.mark.usefixtures("here")
def test_the_same_delivery_twice_changes_nothing(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "delivery"
    folder.mkdir()
    (folder / NAME).write_bytes(cells("UCD_TTF_MNT", "cent"))
    first = run.ingest(home, folder)
    before = committed(home)
    again = run.ingest(home, folder)
    assert (first.state, again.state) == ("ingested", "already ingested")
    assert committed(home) == before
    assert first.files[0].kept == 5


@pytest.mark.usefixtures("here")
def test_the_same_table_in_two_forms_is_loaded_once(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "delivery"
    folder.mkdir()
    (folder / NAME).write_bytes(text())
    (folder / f"{NAME.lower()}.gz").write_bytes(gzip.compress(text()))
    pq.write_table(typed(), folder / "ER_UCD_F_2019.parquet")
    (folder / "ER_UCD_F_2019_P2.csv").write_bytes(cells("DCT_ORD_NUM", "77"))
    result = run.ingest(home, folder)
    found = {report.path: (report.kept, report.code) for report in result.files}
    assert found == {
        NAME: (6, None),
        "ER_UCD_F_2019.parquet": (0, "two_forms"),
        "ER_UCD_F_2019_P2.csv": (6, None),
        f"{NAME.lower()}.gz": (0, "two_forms"),
    }
    assert any("also delivered as" in message for message in result.messages)


@pytest.mark.usefixtures("here")
def test_a_full_disk_leaves_no_record_so_that_the_next_run_loads_all(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "delivery"
    folder.mkdir()
    (folder / NAME).write_bytes(text())
    (folder / "ER_UCD_F_2018.csv").write_bytes(text(GOOD[:2]))

    def failing(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(parse._Loader, "_write_kept", failing)
        with pytest.raises(OpenChronicError, match="free space"):
            run.ingest(home, folder)
    assert committed(home) == {}
    assert sum(report.kept for report in run.ingest(home, folder).files) == 8


PIECES = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from([b"\n", b"\r\n", b";", b'"', b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\xe9"]),
        st.sampled_from([text().split(b"\n")[0] + b"\n", text().split(b"\n")[1] + b"\n"]),
    ),
    max_size=12,
).map(b"".join)


def check_any(folder: Path, name: str, data: bytes) -> FileReport:
    path = folder / name
    path.write_bytes(data)
    report = parsed(folder, path, "ER_UCD_F")
    assert report.status in ("loaded", "refused", "unreadable")
    assert report.rows_read == report.kept + report.quarantined
    accounted(folder, report)
    if report.status != "loaded":
        assert report.message and name in report.message and REMEDY.search(report.message)
    return report


ANY = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize("head", [b"", text().split(b"\n")[0] + b"\n"])
@ANY
@given(data=PIECES)
@example(data=b"\n\n\x00")
def test_whatever_the_bytes_of_a_text_no_line_disappears(
    tmp_path: Path, head: bytes, data: bytes
) -> None:
    report = check_any(tmp_path, NAME, head + data)
    body = data.rstrip(b"\r\n")
    if head and report.status == "loaded":
        # The oracle: a line is what ends with a line feed; blank ones at the end are none.
        assert report.rows_read == (len(body.split(b"\n")) if body else 0)


def _good(kind: str, folder: Path) -> bytes:
    if kind == "gz":
        return gzip.compress(text())
    if kind == "zst":
        return bytes(pa.Codec("zstd").compress(text(), asbytes=True))
    if kind == "parquet":
        return parquet(typed())
    path = folder / "good"
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.csv", text())
    else:
        sas()(path)
    return path.read_bytes()


@pytest.mark.parametrize("kind", ["gz", "zst", "zip", "parquet", "sas7bdat"])
@ANY
@given(data=st.data())
def test_whatever_the_bytes_of_a_container_nothing_escapes(
    tmp_path: Path, kind: str, data: st.DataObject
) -> None:
    good = bytearray(_good(kind, tmp_path))
    # Where the bytes are all zeros, as in most of a page of SAS, a change tells nothing.
    telling = [place for place, byte in enumerate(good) if byte] or [0]
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.sampled_from(telling))
        change = data.draw(st.sampled_from(["byte", "cut", "insert", "double"]))
        if change == "byte" and place < len(good):
            good[place] = data.draw(st.integers(0, 255))
        elif change == "cut":
            del good[place : place + data.draw(st.integers(1, 400))]
        elif change == "insert":
            good[place:place] = data.draw(st.binary(max_size=20))
        else:
            good += good[place:]
    check_any(tmp_path, f"ER_UCD_F_2019.{kind}", bytes(good))


def test_every_form_of_a_cell_is_the_same_row(tmp_path: Path) -> None:
    """A SAS table and a Parquet hold dates and numbers, a text holds words: the lake is one."""
    table = typed()
    found = []
    for name, make in (("f.csv", None), ("f.parquet", pq.write_table), ("f.sas7bdat", sas())):
        path = tmp_path / name
        if make is None:
            path.write_bytes(text())
        elif name == "f.parquet":
            pq.write_table(table, path)
        else:
            sas()(path)
        report = parsed(tmp_path, path, "ER_UCD_F")
        assert report.amounts["UCD_TTF_MNT"].kept == Decimal("2101.50")
        drop = {"_source_file", "_source_line"}
        found.append(
            [{k: v for k, v in row.items() if k not in drop} for row in rows(tmp_path / "out")]
        )
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("days", "reason"), [(21609.0, None), (21609.5, "not_a_date"), (1e9, "not_a_date")]
)
def test_a_sas_date_is_a_whole_number_of_days(
    tmp_path: Path, days: float, reason: str | None
) -> None:
    columns: list[sas7bdat.Column] = [("FLX_DIS_DTD", 0, "DATE"), ("FLX_TRT_DTD", 0, "DATETIME")]
    row: list[float | str | None] = [days, 21620.0 * 86400]
    for name, word in GOOD[0].items():
        if not name.endswith("_DTD"):
            columns.append((name, 20, ""))
            row.append(word)
    path = sas7bdat.write(tmp_path / "f.sas7bdat", columns, [row])
    report = parsed(tmp_path, path, "ER_UCD_F")
    assert report.reasons == ({reason: 1} if reason else {})
    if not reason:
        assert str(rows(tmp_path / "out")[0]["flx_dis_dtd"]) == "2019-03-01"
        assert str(rows(tmp_path / "out")[0]["flx_trt_dtd"]) == "2019-03-12"


def test_a_sas_table_in_another_encoding_than_it_says_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.sas7bdat"
    rows_: list[list[float | str | None]] = [[*map(str, GOOD[0].values())]]
    rows_[0][10] = "é"
    sas7bdat.write(path, [(name, 20, "") for name in GOOD[0]], rows_, encoding="latin-1")
    assert parsed(tmp_path, path, "ER_UCD_F").kept == 1
    path.write_bytes(path.read_bytes()[:70] + b"\x14" + path.read_bytes()[71:])
    assert parsed(tmp_path, path, "ER_UCD_F").code == "sas7bdat_encoding"
