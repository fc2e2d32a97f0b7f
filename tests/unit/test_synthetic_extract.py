"""The generated extract: same bytes, everything joins, amounts equal the planted truth."""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from openchronic_assets.contracts import load, tables
from openchronic_assets.contracts.names import recognise
from openchronic_assets.errors import UsageError
from openchronic_assets.synthetic import generate
from openchronic_assets.synthetic import truth as planted_truth
from openchronic_assets.synthetic.delivery import _lean
from openchronic_assets.synthetic.layout import file_name
from openchronic_assets.synthetic.referentials import in_year

KEYS = (
    "DCT_ORD_NUM, FLX_DIS_DTD, FLX_EMT_NUM, FLX_EMT_ORD, FLX_EMT_TYP, FLX_TRT_DTD, ORG_CLE_NUM,"
    " PRS_ORD_NUM, REM_TYP_AFF"
)
DETAILS = ("ER_PHA_F", "ER_UCD_F", "ER_CAM_F", "ER_BIO_F", "ER_ETE_F")
STAYS = ("T_MCOaaB", "T_MCOaaC", "T_MCOaaD", "T_MCOaaA", "T_MCOaaUM")
YEARS = (2019, 2020)
PERSONS = 2100


def lines(path: Path) -> list[str]:
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8", newline="") as handle:
            return handle.read().splitlines()
    return path.read_text(encoding="utf-8").splitlines()


def tree(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Every table that has a contract, of a few persons."""
    out = tmp_path_factory.mktemp("everything") / "extract"
    return out, generate(out, 700, (2019, 2019), 5, dirt="none", tables="all")


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("clean") / "extract"
    return out, generate(out, PERSONS, YEARS, 42, dirt="none")


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("dirty") / "extract"
    return out, generate(out, PERSONS, YEARS, 42, dirt="realistic")


@pytest.fixture(scope="module")
def base(clean: tuple[Path, dict[str, Any]]) -> Iterator[duckdb.DuckDBPyConnection]:
    out, totals = clean
    connection = duckdb.connect()
    for table in totals["tables"]:
        suffix = table.removeprefix("T_MCOaa")
        files = (
            [str(out / file_name(table, year)) for year in YEARS]
            if table.startswith("T_MCO")
            else [str(path) for path in sorted(out.glob(f"{table}*.csv*"))]
        )
        name = f"MCO_{suffix}" if table.startswith("T_MCO") else table
        connection.execute(
            f"create table {name} as select * from read_csv({files!r}, delim=';', header=true,"
            " all_varchar=true, quote='', filename=true, union_by_name=true)"
        )
    yield connection
    connection.close()


def one(base: duckdb.DuckDBPyConnection, sql: str) -> Any:
    row = base.execute(sql).fetchone()
    assert row is not None
    return row[0]


def test_the_same_arguments_give_the_same_bytes(
    dirty: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    out, _ = dirty
    generate(tmp_path / "again", PERSONS, YEARS, 42, dirt="realistic")
    assert tree(tmp_path / "again") == tree(out)
    assert tree(tmp_path / "again.truth") == tree(out.with_name("extract.truth"))


def test_two_processes_write_the_bytes_of_one(tmp_path: Path) -> None:
    for processes in (1, 2):
        generate(tmp_path / f"p{processes}", 2100, (2019, 2019), 9, processes=processes)
    assert tree(tmp_path / "p1") == tree(tmp_path / "p2")
    assert tree(tmp_path / "p1.truth") == tree(tmp_path / "p2.truth")


def test_an_extraction_has_the_keys_names_and_dates_of_extractions(tmp_path: Path) -> None:
    totals = generate(tmp_path / "e", 200, (2019, 2019), 9, dirt="none", layout="extraction")
    for name, known in totals["files"].items():
        header, *rows = lines(tmp_path / "e" / name)
        contract = load(known["table"]).for_year(2019)
        assert not {"BEN_NIR_PSA", "NIR_ANO_17", "BEN_IDT_ANO"} & set(header.split(","))
        for position, column in enumerate(contract.columns):
            # Entry and exit of a stay are also delivered as eight digits, text in the source.
            if column.type == "date" and column.formats[0] != "%d%m%Y":
                cells = {row.split(",")[position] for row in rows} - {""}
                assert all(cell[4] == cell[7] == "-" for cell in cells), (name, column.name)
    assert "NUM_ENQ_IDT" in lines(tmp_path / "e" / "IR_BEN_R.csv")[0]


def test_parquet_holds_the_cells_of_the_text_files(tmp_path: Path) -> None:
    for form in ("csv", "parquet"):
        generate(tmp_path / form, 200, (2019, 2019), 9, dirt="none", format=form)
    rows = pq.read_table(tmp_path / "parquet" / "ER_PRS_F_2019.parquet").to_pylist()
    written = lines(tmp_path / "csv" / "ER_PRS_F_2019.csv.gz")
    assert written == [";".join(rows[0]), *(";".join(v or "" for v in r.values()) for r in rows)]


def test_every_table_under_contract_in_the_year_is_there_with_rows(
    everything: tuple[Path, dict[str, Any]],
) -> None:
    out, totals = everything
    expected = {name for name in tables() if in_year(name, 2019)}
    assert set(totals["tables"]) == expected and len(expected) > 145
    assert not [name for name, known in totals["tables"].items() if not known["rows"]]
    for name, known in totals["files"].items():
        header, *rows = lines(out / name)
        found = recognise(name.split(".")[0])
        contract = load(known["table"]).for_year(found.year if found and found.year else 2019)
        assert header.upper().split(";") == list(contract.names()), name
        assert len(rows) == known["rows"], name


def test_every_file_name_is_recognised_as_its_table(
    everything: tuple[Path, dict[str, Any]],
) -> None:
    for name, known in everything[1]["files"].items():
        found = recognise(name.split(".")[0])
        assert found is not None and found.table == known["table"], name


def test_another_seed_gives_other_people(
    clean: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    generate(tmp_path / "other", 300, YEARS, 43, dirt="none")
    first = lines(clean[0] / "IR_BEN_R.csv")[1].split(";")[0]
    assert first not in "\n".join(lines(tmp_path / "other" / "IR_BEN_R.csv"))


def test_a_larger_extract_of_the_same_universe_begins_with_the_same_persons(
    clean: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    out, totals = clean
    size = totals["generator"]["universe_persons"]
    generate(tmp_path / "small", 1050, YEARS, 42, dirt="none", universe_persons=size)
    for name in ("IR_BEN_R.csv", "IR_IMB_R.csv", "ER_PRS_F_2019.csv.gz", "T_MCO19C.csv"):
        small, large = lines(tmp_path / "small" / name), lines(out / name)
        assert len(small) < len(large)
        # Lines of a flux month mix the persons of a block, so compare as sets.
        assert set(small) <= set(large), name


def test_each_file_has_exactly_the_columns_of_its_years_contract(
    clean: tuple[Path, dict[str, Any]],
) -> None:
    out, totals = clean
    checked = 0
    for name, known in totals["files"].items():
        table = known["table"]
        digits = "".join(c for c in name.removeprefix("T_") if c.isdigit())
        year = YEARS[1] if not digits else int(digits) if len(digits) == 4 else 2000 + int(digits)
        header, *rows = lines(out / name)
        assert header.split(";") == list(load(table).for_year(year).names()), name
        assert all(row.count(";") == header.count(";") for row in rows), name
        checked += 1
    assert checked == 6 * 3 + 5 * 2 + 3


def test_key_columns_are_never_empty(clean: tuple[Path, dict[str, Any]]) -> None:
    out, totals = clean
    for name, known in totals["files"].items():
        header, *rows = lines(out / name)
        positions = [
            i for i, each in enumerate(header.split(";")) if each in load(known["table"]).not_null
        ]
        assert all(row.split(";")[p] for row in rows for p in positions), name


def test_the_nine_keys_are_unique_and_every_detail_finds_its_line(
    base: duckdb.DuckDBPyConnection,
) -> None:
    assert one(base, f"select count(*) - count(distinct ({KEYS})) from ER_PRS_F") == 0
    # No eight of them would do for the claim number, which senders share.
    assert one(base, "select count(*) - count(distinct (DCT_ORD_NUM, PRS_ORD_NUM)) from ER_PRS_F")
    for table in DETAILS:
        assert one(base, f"select count(*) from {table}") > 0, table
        assert one(base, f"select count(*) from {table} anti join ER_PRS_F using ({KEYS})") == 0


def test_details_agree_with_their_line(base: duckdb.DuckDBPyConnection) -> None:
    boxes = f"""
        select count(*) from ER_PHA_F d join ER_PRS_F p using ({KEYS})
        where PHA_ACT_QSN::int != PRS_ACT_QTE::double
            or (PHA_ACT_QSN::int * PHA_ACT_PRU::decimal(18, 2)) != BSE_REM_BSE::decimal(18, 2)"""
    assert one(base, boxes) == 0
    acts = f"""
        select count(*) from ER_CAM_F d join ER_PRS_F p using ({KEYS})
        where CAM_REM_BSE::decimal(18, 2) != BSE_REM_BSE::decimal(18, 2)"""
    assert one(base, acts) == 0


def test_everybody_in_care_or_hospital_is_known(base: duckdb.DuckDBPyConnection) -> None:
    for table in ("ER_PRS_F", "IR_IMB_R"):
        missing = (
            f"select count(*) from {table} anti join IR_BEN_R using (BEN_NIR_PSA, BEN_RNG_GEM)"
        )
        assert one(base, missing) == 0, table
    unknown = """
        select count(*) from MCO_C c
        anti join IR_BEN_R b on c.NIR_ANO_17 = b.BEN_NIR_PSA
        where lower(NIR_ANO_17) not like 'xxxxxxxx%'"""
    assert one(base, unknown) == 0
    deaths = """
        select count(*) from KI_CCI_R anti join IR_BEN_R using (BEN_IDT_ANO)
        where BEN_IDT_ANO is not null"""
    assert one(base, deaths) == 0


@pytest.mark.parametrize("year", YEARS)
def test_the_five_tables_of_a_stay_join(base: duckdb.DuckDBPyConnection, year: int) -> None:
    def of(letter: str) -> str:
        return f"(select * from MCO_{letter} where filename like '%T_MCO{year % 100}{letter}.csv')"

    keys = "ETA_NUM, RSA_NUM"
    stays = one(base, f"select count(distinct ({keys})) from {of('B')}")
    assert stays == one(base, f"select count(*) from {of('B')}") > 0
    assert one(base, f"select count(*) from {of('B')} join {of('C')} using ({keys})") == stays
    for letter in "DA":
        assert (
            one(base, f"select count(*) from {of(letter)} anti join {of('B')} using ({keys})") == 0
        )
    counted = f"""
        select count(*) from {of("B")} b where NBR_RUM::int !=
            (select count(*) from {of("UM")} u
             where u.ETA_NUM = b.ETA_NUM and u.RSA_NUM = b.RSA_NUM)"""
    assert one(base, counted) == 0
    nights = f"""
        select count(*) from {of("B")} b join {of("C")} c using ({keys})
        where SEJ_NBJ::int != date_diff('day', strptime(EXE_SOI_DTD, '%d%b%Y:%H:%M:%S'),
            strptime(EXE_SOI_DTF, '%d%b%Y:%H:%M:%S'))
            or SOR_DAT[5:] != '{year}' or b.SOR_ANN != '{year}'"""
    assert one(base, nights) == 0


def test_care_is_in_the_care_years_and_in_the_file_of_its_flux_year(
    base: duckdb.DuckDBPyConnection,
) -> None:
    assert one(base, "select min(EXE_SOI_DTD[7:]) || max(EXE_SOI_DTD[7:]) from ER_PRS_F") == (
        f"{YEARS[0]}{YEARS[1]}"
    )
    elsewhere = "filename not like '%ER_PRS_F_' || FLX_DIS_DTD[7:] || '.csv.gz'"
    assert one(base, f"select count(*) from ER_PRS_F where {elsewhere}") == 0
    lag = """
        select avg((date_diff('month', strptime(EXE_SOI_DTD, '%d/%m/%Y'),
            strptime(FLX_DIS_DTD, '%d/%m/%Y')) <= 6)::int) from ER_PRS_F"""
    assert 0.96 < one(base, lag) < 1


def test_no_care_follows_a_death(base: duckdb.DuckDBPyConnection, clean: Any) -> None:
    persons = planted_truth.read(clean[0].with_name("extract.truth"), "persons")
    dead = [(r["ben_nir_psa"], r["death_date"]) for r in persons if r["death_date"]]
    assert dead
    base.execute("create or replace temp table dead (psa varchar, died date)")
    base.executemany("insert into dead values (?, ?)", dead)
    late = """
        select count(*) from ER_PRS_F join dead on psa = BEN_NIR_PSA and BEN_RNG_GEM != '2'
        where strptime(EXE_SOI_DTD, '%d/%m/%Y') > died
            and BEN_NIR_PSA not in (select BEN_NIR_PSA from IR_BEN_R where BEN_RNG_GEM = '2')"""
    assert one(base, late) == 0


def test_reimbursement_is_the_base_times_the_rate(base: duckdb.DuckDBPyConnection) -> None:
    # In whole cents: a division of decimals is a float, and halves go away from zero.
    wrong = """
        with line as (
            select (BSE_REM_BSE::decimal(18, 2) * 100)::bigint as base,
                RGO_REM_TAU[:-4]::int as tau,
                (BSE_REM_MNT::decimal(18, 2) * 100)::bigint as paid from ER_PRS_F)
        select count(*) from line where paid != sign(base) * ((abs(base) * tau + 50) // 100)"""
    assert one(base, wrong) == 0
    related = "select count(*) from ER_PRS_F where EXO_MTF in ('42', '44', '46') and "
    assert one(base, related + "RGO_REM_TAU != '100.00' and CPL_AFF_COD != '16'") == 0
    assert one(base, related + "RGO_REM_TAU = '100.00'") > 0
    unrelated = "select count(*) from ER_PRS_F where EXO_MTF in ('41', '43', '45')"
    assert one(base, unrelated + " and RGO_REM_TAU != '100.00'") > 0


def test_a_regularisation_cancels_a_line_to_the_cent(base: duckdb.DuckDBPyConnection) -> None:
    twins = """
        select count(*) from ER_PRS_F n anti join ER_PRS_F p
            on p.BEN_NIR_PSA = n.BEN_NIR_PSA and p.EXE_SOI_DTD = n.EXE_SOI_DTD
            and p.PRS_NAT_REF = n.PRS_NAT_REF
            and p.PRS_PAI_MNT::decimal(18, 2) = -n.PRS_PAI_MNT::decimal(18, 2)
            and p.BSE_REM_MNT::decimal(18, 2) = -n.BSE_REM_MNT::decimal(18, 2)
        where n.PRS_ACT_QTE like '-%'"""
    assert one(base, "select count(*) from ER_PRS_F where PRS_ACT_QTE like '-%'") > 0
    assert one(base, twins) == 0


@pytest.mark.parametrize("table", ["ER_PRS_F", "ER_CAM_F", "ER_UCD_F"])
def test_amounts_add_up_to_the_truth(
    base: duckdb.DuckDBPyConnection, clean: tuple[Path, dict[str, Any]], table: str
) -> None:
    truth = clean[1]["tables"][table]
    assert truth["amounts"]
    for column, expected in truth["amounts"].items():
        found = one(base, f"select sum({column}::decimal(18, 2)) from {table}")
        assert found == Decimal(expected), column
    assert one(base, f"select count(*) from {table}") == truth["rows"]


def test_dirt_adds_rows_and_changes_no_truth(
    clean: tuple[Path, dict[str, Any]], dirty: tuple[Path, dict[str, Any]]
) -> None:
    for table, known in dirty[1]["tables"].items():
        same = clean[1]["tables"][table]
        assert (known["rows"], known["amounts"]) == (same["rows"], same["amounts"])
        assert known["bad_rows"] > 0 and same["bad_rows"] == 0
    assert dirty[1]["prevalence"] == clean[1]["prevalence"]


def test_every_planted_line_is_where_the_truth_says(dirty: tuple[Path, dict[str, Any]]) -> None:
    out, totals = dirty
    planted = planted_truth.read(out.with_name("extract.truth"), "dirt")
    added = [row for row in planted if row["becomes"] == "quarantined"]
    assert {row["kind"] for row in added} == {
        "bad_date",
        "three_decimals",
        "extra_separator",
        "text_in_number",
    }
    by_file: dict[str, list[dict[str, Any]]] = {}
    for row in planted:
        by_file.setdefault(row["file"], []).append(row)
    for name, known in totals["files"].items():
        written = lines(out / name)
        assert len(written) == 1 + known["rows"] + known["bad_rows"], name
        header = written[0].split(";")
        for row in by_file.get(name, []):
            values = written[row["line"] - 1].split(";")
            if row["kind"] == "extra_separator":
                assert len(values) == len(header) + 1
                continue
            value = values[header.index(row["column"])]
            if row["kind"] in ("padded_key", "padded_code"):
                assert value != value.strip()
            elif row["kind"] == "float_cip13":
                assert value.endswith(".0")
            else:
                assert value in ("12.345", "ABC") or value[:2] == "31", (name, row)
    assert len(added) == sum(known["bad_rows"] for known in totals["files"].values())
    assert {"padded_key", "padded_code", "float_cip13"} <= {row["kind"] for row in planted}
    assert totals["planted"]["months_on_one_character"] > 0


def test_the_marker_and_the_manifest_close_the_delivery(
    clean: tuple[Path, dict[str, Any]],
) -> None:
    out, totals = clean
    manifest = json.loads((out / "delivery.json").read_text(encoding="utf-8"))
    files = {p.name for p in out.iterdir()} - {"_SUCCESS", "delivery.json"}
    assert set(manifest["checksums"]) == files == set(totals["files"])
    for name, digest in manifest["checksums"].items():
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest
    assert manifest["provider"] == "openchronic synth"
    assert manifest["pseudonym_epoch"] == "synthetic-42"
    assert (manifest["date"], manifest["layout"]) == ("2022-01-15", "portal")
    newest = max(path.stat().st_mtime_ns for path in out.iterdir())
    assert (out / "_SUCCESS").stat().st_mtime_ns == newest


def test_a_failed_run_leaves_nothing_behind(tmp_path: Path) -> None:
    seen: list[list[str]] = []

    def stop(done: int, total: int) -> None:
        seen.append([p.name for p in tmp_path.iterdir() if not p.name.startswith(".")])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path / "extract", 2100, YEARS, 1, progress=stop)
    assert seen == [[]]
    assert list(tmp_path.iterdir()) == []


def test_a_killed_run_shows_nothing_and_the_next_one_succeeds(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from openchronic_assets.synthetic import generate
generate(Path(sys.argv[1]), 100, (2019, 2019), 5,
         progress=lambda done, total: os.kill(os.getpid(), signal.SIGKILL))
"""
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path / "extract")], check=False)
    assert killed.returncode == -9
    assert [p.name for p in tmp_path.iterdir() if not p.name.startswith(".")] == []
    generate(tmp_path / "extract", 100, (2019, 2019), 5)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["extract", "extract.truth"]
    assert (tmp_path / "extract" / "_SUCCESS").exists()


def test_progress_reaches_the_number_of_persons(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    generate(tmp_path / "e", 2001, (2019, 2019), 5, progress=lambda a, b: steps.append((a, b)))
    assert steps == [(2000, 2001), (2001, 2001)]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"persons": 0}, "at least one"),
        ({"years": (2021, 2019)}, "backwards"),
        ({"years": (1999, 2001)}, "not covered"),
        ({"dirt": "mud"}, "unknown"),
        ({"departments": ["20"]}, "INSEE codes"),
        ({"departments": ["23", "23"]}, "repeated"),
        ({"seed": -1}, "negative"),
    ],
)
def test_an_impossible_request_says_why_and_leaves_nothing(
    tmp_path: Path, changed: dict[str, Any], says: str
) -> None:
    asked: dict[str, Any] = {"persons": 10, "years": (2019, 2019), "seed": 1} | changed
    with pytest.raises(UsageError, match=says):
        generate(tmp_path / "extract", **asked)
    assert list(tmp_path.iterdir()) == []


def test_an_extract_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "extract").mkdir()
    (tmp_path / "extract" / "mine.txt").write_text("kept")
    with pytest.raises(UsageError, match="exists already"):
        generate(tmp_path / "extract", 10, (2019, 2019), 1)
    assert [p.name for p in tmp_path.rglob("*")] == ["extract", "mine.txt"]


def test_few_rows_do_not_carry_a_list_of_all_codes() -> None:
    codes = pa.array([f"code {n}" for n in range(1000)])
    few = pa.DictionaryArray.from_arrays(pa.array([7, None, 900, 7], pa.int32()), codes)
    assert len(_lean(few).dictionary) == 2
    assert _lean(few).to_pylist() == ["code 7", None, "code 900", "code 7"]
    many = pa.DictionaryArray.from_arrays(pa.array(list(range(1000)) * 2, pa.int32()), codes)
    assert _lean(many) is many
    plain = pa.array(["a", None])
    assert _lean(plain) is plain
