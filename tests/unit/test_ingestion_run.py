"""Deliveries as providers send them, through ``openchronic ingest``: good, odd, and bad."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest
from small_deliveries import committed, lake_rows, manifest, openchronic, row, text, tree, write

from openchronic_assets.contracts import heading, load, official
from openchronic_assets.ingestion.delivery import recognise
from openchronic_assets.settings import Home

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("java")]

BIO = row("ER_BIO_F", 2019)
PHA = row("ER_PHA_F", 2019)
UCD = row("ER_UCD_F", 2019)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A delivery with one good file, which every bad neighbour must leave alone."""
    write(tmp_path / "delivery", "ER_BIO_F_2019.csv", [BIO, BIO | {"PRS_ORD_NUM": "2"}])
    return tmp_path / "delivery"


def the_good_file_is_in(home: Home) -> None:
    assert len(lake_rows(home.raw, "er_bio_f")) == 2


def nothing_half_written(home: Home) -> None:
    left = [
        *home.raw.glob(".*"),
        *home.quarantine.glob(".*"),
        *home.deliveries.glob(".*"),
        *(p for p in home.scratch.rglob("*") if p.is_file()),
    ]
    assert left == []


def test_every_file_is_accounted_for_and_every_line_is_on_one_side(
    home: Home, folder: Path
) -> None:
    bad = UCD | {"UCD_TTF_MNT": "12.345"}
    write(folder, "sub/ER_UCD_F_201903.csv.gz", [UCD, bad, UCD])
    said = openchronic("ingest", folder, "--home", home.root, "--json")
    assert said.code == 0
    report = said.json()
    assert report["state"] == "ingested"
    assert {f["path"]: f["status"] for f in report["files"]} == {
        "ER_BIO_F_2019.csv": "loaded",
        "sub/ER_UCD_F_201903.csv.gz": "loaded",
    }
    ucd = report["tables"]["ER_UCD_F"]
    assert (ucd["read"], ucd["kept"], ucd["quarantined"]) == (3, 2, 1)
    assert ucd["amounts"]["UCD_TTF_MNT"] == {
        "read": "32.845", "kept": "20.50", "quarantined": "12.345", "unreadable": 0,
    }  # fmt: skip
    kept = lake_rows(home.raw, "er_ucd_f")
    assert [each["_source_line"] for each in kept] == [2, 4]
    assert {each["_source_file"] for each in kept} == {"sub/ER_UCD_F_201903.csv.gz"}
    (refused,) = lake_rows(home.quarantine, "er_ucd_f")
    assert (refused["source_line"], refused["reason"], refused["column_name"]) == (
        3, "too_many_decimals", "UCD_TTF_MNT",
    )  # fmt: skip
    for part in (
        "sub/ER_UCD_F_201903.csv.gz",
        "ER_UCD_F",
        "line 3",
        "UCD_TTF_MNT",
        "more decimals",
    ):
        assert part in said.err
    nothing_half_written(home)


BAD_STRUCTURES = {
    "a missing column": (
        [{name: cell for name, cell in PHA.items() if name != "FLX_DIS_DTD"}],
        ("line 1", "FLX_DIS_DTD", "ask the provider"),
        "missing_column",
    ),
    "a column named twice": (
        text([PHA]).replace("PHA_ACT_QSN", "PHA_PRS_C13"),
        ("line 1", "PHA_PRS_C13", "remove one"),
        "column_twice",
    ),
    "no header": (
        "\n".join(text([PHA, PHA]).splitlines()[1:]) + "\n",
        ("line 1", "header"),
        "not_this_table",
    ),
}


@pytest.mark.parametrize("case", BAD_STRUCTURES)
def test_a_wrong_header_refuses_its_file_and_no_other(home: Home, folder: Path, case: str) -> None:
    content, words, code = BAD_STRUCTURES[case]
    write(folder, "ER_PHA_F_2019.csv", content)
    said = openchronic("ingest", folder, "--home", home.root, "--json")
    assert said.code == 3
    (refused,) = [f for f in said.json()["files"] if f["status"] != "loaded"]
    assert (refused["path"], refused["status"], refused["code"]) == (
        "ER_PHA_F_2019.csv", "refused", code,
    )  # fmt: skip
    for part in ("ER_PHA_F_2019.csv", "table ER_PHA_F", *words):
        assert part in said.err
    # Its lines are not lost: all of them are in quarantine.
    assert refused["rows_read"] == refused["quarantined"] > 0
    assert len(lake_rows(home.quarantine, "er_pha_f")) == refused["quarantined"]
    assert lake_rows(home.raw, "er_pha_f") == []
    the_good_file_is_in(home)
    nothing_half_written(home)


def test_a_shifted_line_is_quarantined_and_the_others_are_kept(home: Home, folder: Path) -> None:
    shifted = ";".join(["", *PHA.values()])
    write(folder, "ER_PHA_F_2019.csv", f"{text([PHA, PHA])}{shifted}\n")
    said = openchronic("ingest", folder, "--home", home.root)
    assert said.code == 0
    assert "ER_PHA_F_2019.csv (table ER_PHA_F), line 4: the line has not as many fields" in said.err
    assert len(lake_rows(home.raw, "er_pha_f")) == 2
    (refused,) = lake_rows(home.quarantine, "er_pha_f")
    assert refused["reason"] == "field_count"
    assert refused["raw"] == shifted


def test_a_file_whose_lines_are_all_shifted_is_refused(home: Home, folder: Path) -> None:
    lines = text([PHA, PHA]).splitlines()
    write(folder, "ER_PHA_F_2019.csv", "\n".join([lines[0], *(f";{x}" for x in lines[1:])]))
    said = openchronic("ingest", folder, "--home", home.root)
    assert said.code == 3
    for part in ("ER_PHA_F_2019.csv (table ER_PHA_F), line 2", "shifted", "ask the provider"):
        assert part in said.err
    assert lake_rows(home.raw, "er_pha_f") == []
    assert len(lake_rows(home.quarantine, "er_pha_f")) == 2
    the_good_file_is_in(home)


def test_the_structure_of_another_year_is_refused_unless_the_delivery_means_it(
    home: Home, folder: Path
) -> None:
    write(folder, "T_MCO10B.csv", [row("T_MCOaaB", 2019)])
    said = openchronic("ingest", folder, "--home", home.root, "--json")
    assert said.code == 3
    (refused,) = [f for f in said.json()["files"] if f["status"] != "loaded"]
    assert (refused["path"], refused["code"]) == ("T_MCO10B.csv", "structure_of_another_year")
    for part in ("T_MCO10B.csv (table T_MCOaaB), line 1", "not of 2010", "accept_structure"):
        assert part in said.err
    assert lake_rows(home.raw, "t_mcoaab") == []
    the_good_file_is_in(home)
    manifest(folder, accept_structure=True, date="2022-01-01")
    again = openchronic("ingest", folder, "--home", home.root)
    assert again.code == 0, again.err
    assert len(lake_rows(home.raw, "t_mcoaab")) == 1


UNREADABLE = {
    "a truncated gzip": (
        "ER_PHA_F_2019.csv.gz", gzip.compress(text([PHA] * 500).encode())[:-40],
        "truncated_gzip", "copy the file again",
    ),
    "a damaged head of a gzip": (
        "ER_PHA_F_2019.csv.gz", b"\0" + gzip.compress(text([PHA]).encode()), "not_gzip",
        "copy it again",
    ),
    "an empty file": ("ER_PHA_F_2019.csv", b"", "empty_file", "ask the provider"),
    "an empty compressed file": (
        "ER_PHA_F_2019.csv.gz", gzip.compress(b""), "empty_file", "ask the provider",
    ),
    "a workbook": ("ER_PHA_F_2019.csv", b"\xff\xfeP\x00K\x00\n\x00", "utf_16", "UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNREADABLE)
def test_an_unreadable_file_leaves_nothing_and_the_others_are_loaded(
    home: Home, folder: Path, case: str
) -> None:
    name, data, code, remedy = UNREADABLE[case]
    (folder / name).write_bytes(data)
    said = openchronic("ingest", folder, "--home", home.root, "--json")
    assert said.code == 3
    (bad,) = [f for f in said.json()["files"] if f["status"] == "unreadable"]
    assert (bad["path"], bad["code"]) == (name, code)
    assert f"{name}" in said.err and "table ER_PHA_F" in said.err and remedy in said.err
    assert lake_rows(home.raw, "er_pha_f") == []
    assert lake_rows(home.quarantine, "er_pha_f") == []
    the_good_file_is_in(home)
    nothing_half_written(home)


def test_a_byte_that_is_not_utf8_refuses_its_line_alone(home: Home, folder: Path) -> None:
    lines = text([PHA, PHA, PHA]).encode().splitlines()
    lines[2] = lines[2] + b"\xe9"
    write(folder, "ER_PHA_F_2019.csv", b"\n".join(lines))
    said = openchronic("ingest", folder, "--home", home.root)
    assert said.code == 0
    assert "ER_PHA_F_2019.csv (table ER_PHA_F), line 3" in said.err
    assert "not UTF-8" in said.err
    assert len(lake_rows(home.raw, "er_pha_f")) == 2
    (refused,) = lake_rows(home.quarantine, "er_pha_f")
    assert (refused["source_line"], refused["reason"]) == (3, "undecodable_byte")


def test_a_file_that_is_announced_and_absent_is_named(home: Home, folder: Path) -> None:
    good = hashlib.sha256((folder / "ER_BIO_F_2019.csv").read_bytes()).hexdigest()
    manifest(folder, checksums={"ER_BIO_F_2019.csv": good, "ER_PHA_F_2019.csv": "0" * 64})
    said = openchronic("ingest", folder, "--home", home.root, "--json")
    assert said.code == 3
    (absent,) = [f for f in said.json()["files"] if f["status"] != "loaded"]
    assert (absent["path"], absent["code"]) == ("ER_PHA_F_2019.csv", "announced_not_delivered")
    assert "not complete" in said.err
    the_good_file_is_in(home)


def test_a_file_that_is_not_the_one_announced_is_not_loaded(home: Home, folder: Path) -> None:
    write(folder, "ER_PHA_F_2019.csv", [PHA])
    manifest(folder, checksums={"ER_PHA_F_2019.csv": "0" * 64})
    said = openchronic("ingest", folder, "--home", home.root)
    assert said.code == 3
    for part in ("ER_PHA_F_2019.csv (table ER_PHA_F)", "SHA-256", "copy the file again"):
        assert part in said.err
    assert lake_rows(home.raw, "er_pha_f") == []
    the_good_file_is_in(home)


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"date": "soon"}', '{"date": 2022}', '{"checksums": []}', b"\xff\xfe"]
)
def test_a_manifest_that_cannot_be_read_refuses_the_delivery(
    home: Home, folder: Path, content: str | bytes
) -> None:
    write(folder, "delivery.json", content)
    before = committed(home)
    said = openchronic("ingest", folder, "--home", home.root)
    assert said.code == 3
    assert "delivery/delivery.json" in said.err and "correct it" in said.err
    assert committed(home) == before


def test_a_month_inside_a_year_of_the_same_table_is_not_counted_twice(
    home: Home, folder: Path
) -> None:
    write(folder, "ER_BIO_F_201903.csv", [BIO | {"PRS_ORD_NUM": "9"}])
    said = openchronic("ingest", folder, "--home", home.root, "--json")
    assert said.code == 0
    assert said.json()["superseded"] == ["ER_BIO_F_2019.csv"]
    assert "a newer delivery" in said.err
    (row_,) = lake_rows(home.raw, "er_bio_f")
    assert row_["prs_ord_num"] == 9


def test_a_file_of_all_years_beside_one_of_a_year_is_not_counted_twice(
    home: Home, folder: Path
) -> None:
    other = BIO | {"PRS_ORD_NUM": "3"}
    write(folder, "ER_BIO_F.csv", [other, other | {"FLX_DIS_DTD": "01/03/2017"}])
    said = openchronic("ingest", folder, "--home", home.root, "--json")
    assert said.code == 0
    assert said.json()["overlapping"] == ["ER_BIO_F.csv"]
    for part in ("ER_BIO_F.csv (table ER_BIO_F)", "1 of its 2 lines are of 2019-03"):
        assert part in said.err
    state = openchronic("status", "--home", home.root, "--json").json()
    assert sum(t["kept"] - t["elsewhere"] for t in state["tables"]) == 3


def test_the_same_file_twice_is_loaded_once(home: Home, folder: Path) -> None:
    write(folder, "copy/ER_BIO_F_2019.csv", (folder / "ER_BIO_F_2019.csv").read_bytes())
    said = openchronic("ingest", folder, "--home", home.root)
    assert said.code == 0
    assert "the same bytes as ER_BIO_F_2019.csv, loaded once" in said.err
    the_good_file_is_in(home)


def test_two_periods_without_a_row_are_both_on_record(home: Home, folder: Path) -> None:
    header = text([PHA]).splitlines()[0] + "\n"
    write(folder, "ER_PHA_F_2019.csv", header)
    write(folder, "ER_PHA_F_2020.csv", header)
    said = openchronic("ingest", folder, "--home", home.root, "--json")
    assert said.code == 0
    assert {f["status"] for f in said.json()["files"]} == {"loaded"}
    state = openchronic("status", "--home", home.root, "--json").json()
    assert [t["year"] for t in state["tables"] if t["table"] == "ER_PHA_F"] == [2019, 2020]


def test_a_delivery_with_the_pseudonyms_of_another_epoch_is_refused(
    home: Home, folder: Path, tmp_path: Path
) -> None:
    manifest(folder, pseudonym_epoch="2018")
    assert openchronic("ingest", folder, "--home", home.root).code == 0
    other = tmp_path / "other"
    write(other, "ER_PHA_F_2019.csv", [PHA])
    manifest(other, pseudonym_epoch="2020")
    before = committed(home)
    said = openchronic("ingest", other, "--home", home.root, "--json")
    assert said.code == 3
    assert said.json()["error"]["exit_code"] == 3
    for part in ("delivery other", "2020", "2018", "a home of its own"):
        assert part in said.err
    assert committed(home) == before


def test_a_delivery_under_another_secret_is_refused(
    home: Home, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert openchronic("ingest", folder, "--home", home.root).code == 0
    monkeypatch.setenv("OPENCHRONIC_SECRET", "another secret that is long enough to be one")
    write(tmp_path / "other", "ER_PHA_F_2019.csv", [PHA])
    before = committed(home)
    said = openchronic("ingest", tmp_path / "other", "--home", home.root)
    assert said.code == 3
    assert "another secret" in said.err
    assert "long enough" not in said.err + said.out
    assert committed(home) == before


def test_a_secret_that_could_be_guessed_is_refused(
    home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENCHRONIC_SECRET", "short-secret")
    said = openchronic("ingest", folder, "--home", home.root)
    assert said.code == 1
    assert "shorter than 32" in said.err
    assert "short-secret" not in said.err


@pytest.mark.parametrize("kind", ["absent", "a file"])
def test_a_folder_that_is_not_there_is_wrong_use(home: Home, tmp_path: Path, kind: str) -> None:
    place = tmp_path / "nowhere"
    if kind == "a file":
        place.write_text("")
    said = openchronic("ingest", place, "--home", home.root, "--json")
    assert said.code == 2
    assert said.json()["error"]["exit_code"] == 2
    assert "is not a folder" in said.err


def test_what_is_not_in_scope_is_listed_and_is_no_error(home: Home, tmp_path: Path) -> None:
    for name in ("notes.txt", "sub/EB_PRS_F_2019.csv", "IR_BEN_R.xlsx", ".hidden/ER_PHA_F.csv"):
        write(tmp_path / "d", name, "x")
    said = openchronic("ingest", tmp_path / "d", "--home", home.root, "--json")
    assert said.code == 0
    assert said.json()["state"] == "out of scope"
    assert said.json()["out_of_scope"] == ["IR_BEN_R.xlsx", "notes.txt", "sub/EB_PRS_F_2019.csv"]
    plain = openchronic("ingest", tmp_path / "d", "--home", home.root)
    assert "3 files not in scope" in plain.err and "EB_PRS_F_2019.csv" in plain.err


def test_the_year_option_gives_their_year_to_files_whose_name_has_none(
    home: Home, tmp_path: Path
) -> None:
    write(tmp_path / "d", "ER_BIO_F.csv", [BIO])
    write(tmp_path / "d", "T_MCO18D.csv", [row("T_MCOaaD", 2018)])
    write(tmp_path / "d", "T_MCOaaA.csv", [row("T_MCOaaA", 2017)])
    said = openchronic("ingest", tmp_path / "d", "--year", "2017", "--home", home.root, "--json")
    assert said.code == 0
    years = {f["path"]: (f["year"], f["year_source"]) for f in said.json()["files"]}
    assert years == {
        "ER_BIO_F.csv": (2017, "--year"),
        "T_MCO18D.csv": (2018, "name"),
        "T_MCOaaA.csv": (2017, "--year"),
    }
    assert lake_rows(home.raw, "t_mcoaaa")[0]["_table_year"] == 2017


def test_a_year_that_is_inside_the_file_is_found_and_said(home: Home, tmp_path: Path) -> None:
    write(tmp_path / "d", "T_MCOaaB.csv", [row("T_MCOaaB", 2018, SOR_ANN="2018")])
    write(tmp_path / "d", "IR_BEN_R.csv", [row("IR_BEN_R", 2018)])
    said = openchronic("ingest", tmp_path / "d", "--home", home.root)
    assert said.code == 0
    flat = " ".join(said.err.split())
    assert "T_MCOaaB.csv: read as T_MCOaaB of 2018 (column SOR_ANN)" in flat
    assert "IR_BEN_R.csv: read as IR_BEN_R of 2021 (newest structure that fits the header)" in flat
    assert lake_rows(home.raw, "t_mcoaab")[0]["_table_year"] == 2018


@pytest.mark.parametrize(
    "name", ["ER_PRS_F_2019.csv", "er_prs_f_2019.CSV.gz", "a/b/ER_PRS_F_2019.csv"]
)
@pytest.mark.parametrize("layout", ["portal", "extraction"])
def test_both_layouts_and_both_styles_give_the_same_rows(
    home: Home, tmp_path: Path, name: str, layout: str
) -> None:
    portal = row("ER_PRS_F", 2019, BEN_NIR_PSA=" abcdefghijklmnopq ", PRS_PAI_MNT="-12.30")
    other = {("NUM_ENQ" if k == "BEN_NIR_PSA" else k): v for k, v in portal.items()}
    iso = {
        k: f"{v[6:]}-{v[3:5]}-{v[:2]}" if v.count("/") == 2 else v for k, v in other.items()
    }  # fmt: skip
    content = text([portal]) if layout == "portal" else text([iso], ",")
    write(tmp_path / "d", name, content)
    said = openchronic("ingest", tmp_path / "d", "--home", home.root, "--json")
    assert said.code == 0, said.err
    (found,) = lake_rows(home.raw, "er_prs_f")
    assert found["flx_dis_dtd"].isoformat() == "2019-03-01"
    assert str(found["prs_pai_mnt"]) == "-12.30"
    assert len(found["ben_nir_psa"]) == 32 and found["_key_status"] == "ok"


def test_the_same_delivery_again_changes_no_byte(home: Home, folder: Path) -> None:
    write(folder, "ER_UCD_F_2019.csv", [UCD, UCD | {"UCD_TTF_MNT": "x"}])
    first = openchronic("ingest", folder, "--home", home.root, "--json")
    before = committed(home)
    (folder / "ER_UCD_F_2019.csv").touch()
    moved = folder.rename(folder.with_name("moved"))
    again = openchronic("ingest", moved, "--home", home.root, "--json")
    assert again.code == first.code == 0
    assert again.json()["state"] == "already ingested"
    assert again.json()["tables"] == first.json()["tables"]
    assert committed(home) == before
    assert list(tree(moved)) == ["ER_BIO_F_2019.csv", "ER_UCD_F_2019.csv"]  # never changed


def test_a_repaired_delivery_takes_the_place_of_the_refused_file(
    home: Home, folder: Path, tmp_path: Path
) -> None:
    cut = gzip.compress(text([PHA] * 500).encode())
    (folder / "ER_PHA_F_2019.csv.gz").write_bytes(cut[:-40])
    assert openchronic("ingest", folder, "--home", home.root).code == 3
    (folder / "ER_PHA_F_2019.csv.gz").write_bytes(cut)
    said = openchronic("ingest", folder, "--home", home.root)
    assert said.code == 0
    assert len(lake_rows(home.raw, "er_pha_f")) == 500
    the_good_file_is_in(home)


@pytest.mark.conformance
@pytest.mark.long
def test_the_health_data_hubs_synthetic_extract_loses_no_line(
    home: Home, conformance_data: Path
) -> None:
    folder = conformance_data / "hdh_synthetic_snds"
    if not folder.is_dir():
        pytest.skip("no hdh_synthetic_snds in OPENCHRONIC_CONFORMANCE_DATA")
    said = openchronic("ingest", folder, "--home", home.root, "--json")
    assert said.code == 0, said.err
    report = said.json()
    in_scope = [p for p in folder.rglob("*.csv") if recognise(p.name)]
    assert {f["path"] for f in report["files"]} == {
        p.relative_to(folder).as_posix() for p in in_scope
    }
    assert {f["table"] for f in report["files"]} == set(official.reviewed())
    kept_tables = {f["table"] for f in report["files"] if f["kept"]}
    assert {heading(table).product for table in kept_tables} >= {
        "DCIR", "BENEFICIAIRE", "REFERENTIALS", "PMSI_MCO", "PMSI_SSR", "PMSI_HAD", "PMSI_RIMP",
        "CEPIDC", "CARTOGRAPHIE",
    }  # fmt: skip
    for each in report["files"]:
        path = folder / each["path"]
        lines = len([x for x in path.read_text(encoding="utf-8").splitlines() if x.strip()]) - 1
        table = load(each["table"]).raw_name
        kept = len(lake_rows(home.raw, table))
        refused = lake_rows(home.quarantine, table)
        assert kept + len(refused) == lines == each["rows_read"], each["path"]
        assert all(r["reason"] for r in refused)
