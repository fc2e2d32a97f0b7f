"""Code lists imported from every layout that publishers use."""

from __future__ import annotations

import csv
import datetime
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openchronic_assets.errors import OpenChronicError, Refused, UsageError
from openchronic_assets.ingestion import nomenclatures
from openchronic_assets.ingestion.nomenclatures import Layout, import_lists, rows
from openchronic_assets.settings import Home

SEXES = "SEX_COD;SEX_LIB;TEC_COL\n1;MASCULIN;0\n2;FÉMININ;0\n"


def put(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


def labels(home: Home, name: str) -> dict[str, str | None]:
    return {each["code"]: each["label"] for each in rows(home, name)}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("mark", [";", ",", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_separator_encoding_and_line_ends_are_found_out(
    home: Home, tmp_path: Path, mark: str, encoding: str, end: str
) -> None:
    text = SEXES.replace(";", mark).replace("\n", end)
    put(tmp_path / "in", "IR_SEX_V.csv", text, encoding)
    import_lists(home, tmp_path / "in")
    assert labels(home, "IR_SEX_V") == {"1": "MASCULIN", "2": "FÉMININ"}


def test_a_list_lies_where_readers_expect_it_with_its_other_columns_as_text(
    home: Home, tmp_path: Path
) -> None:
    import_lists(home, put(tmp_path, "IR_SEX_V_2019.csv", SEXES))
    table = pq.read_table(home.nomenclatures / "ir_sex_v" / "2019.parquet")
    assert table.schema.names == ["code", "label", "valid_from", "valid_to", "source", "tec_col"]
    assert [str(kind) for kind in table.schema.types] == [
        "string", "string", "date32[day]", "date32[day]", "string", "string",
    ]  # fmt: skip
    assert table.column("source").to_pylist() == ["IR_SEX_V_2019.csv"] * 2
    index = json.loads((home.nomenclatures / "nomenclatures.json").read_text())
    assert index["ir_sex_v"]["current"] == "2019"
    assert index["ir_sex_v"]["vintages"]["2019"] == {
        "rows": 2, "code": "SEX_COD", "label": "SEX_LIB",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("header", "code", "label"),
    [
        ("PFS_ACT_NAT;SPE_LIB_SNI;ACT_NAT_LIB", "PFS_ACT_NAT", "ACT_NAT_LIB"),
        ("UCD_UCD_COD;UCD_DOC_LIB;UCD_DSN_LIB", "UCD_UCD_COD", "UCD_DSN_LIB"),
        ("csarr_code;other;libelle", "csarr_code", "libelle"),
        ('"ACT_COD";"X";"ACT_COD_LIB"', "ACT_COD", "ACT_COD_LIB"),
        ("BTF_PRS_IDE__BTF_HIS_DTD;BTF_PRS_IDE;BTF_LIB", "BTF_PRS_IDE", "BTF_LIB"),
        ("PHA_PRS_IDE;PHA_ATC_CLA;GRP", "PHA_PRS_IDE", None),
        ("CDE;S;LIBC", "CDE", "LIBC"),
    ],
)
def test_the_columns_of_code_and_label_are_known_by_their_names(
    home: Home, tmp_path: Path, header: str, code: str, label: str | None
) -> None:
    # Second column: the same text for all; third: one text a code.
    body = "A1;A1;un\nB2;A1;deux\n" if "__" not in header else "A1_x;A1;un\nB2_x;B2;deux\n"
    (written,) = import_lists(home, put(tmp_path, "X_LIST.csv", f"{header}\n{body}")).written
    assert (written["code"], written["label"]) == (code, label)
    expected = {"A1": "un", "B2": "deux"} if label else {"A1": None, "B2": None}
    assert labels(home, "X_LIST") == expected


def test_technical_columns_before_the_code_are_passed_over(home: Home, tmp_path: Path) -> None:
    text = '"nom_table";"TEC_COL";"SEX_COD";"SEX_LIB"\n"IR_SEX_V";0;1;"M"\n"IR_SEX_V";1;9;"?"\n'
    (written,) = import_lists(home, put(tmp_path, "IR_SEX_V.csv", text)).written
    assert written["code"] == "SEX_COD" and labels(home, "IR_SEX_V") == {"1": "M", "9": "?"}


def test_a_code_of_two_columns_is_joined_and_its_parts_are_kept(home: Home, tmp_path: Path) -> None:
    text = (
        "TEC_COL;CPT_COP_NUM;GEO_DPT_COD;GEO_COM_COD;GEO_COM_LIB\n"
        "0;NA;1;4;AMBERIEU\n0;NA;2;4;AMBRIEF\n0;NA;2;5;X\n"
    )
    import_lists(home, put(tmp_path, "IR_GEO_V.csv", text))
    assert labels(home, "IR_GEO_V") == {"1__4": "AMBERIEU", "2__4": "AMBRIEF", "2__5": "X"}
    assert rows(home, "IR_GEO_V")[0]["geo_com_cod"] == "4"
    named = put(tmp_path, "other.csv", "a;b;c\n1;1;x\n1;2;y\n")
    import_lists(home, named, Layout("OTHER", "a,b", "c"))
    assert labels(home, "OTHER") == {"1__1": "x", "1__2": "y"}


def test_a_composed_key_whose_first_part_repeats_is_the_code_whole(
    home: Home, tmp_path: Path
) -> None:
    text = "A_COD__B_COD;A_COD;B_COD;B_LIB\n1__1;1;1;x\n1__2;1;2;y\n"
    import_lists(home, put(tmp_path, "X_LIST.csv", text))
    assert labels(home, "X_LIST") == {"1__1": "x", "1__2": "y"}


def test_a_file_is_the_list_that_a_contract_asks_for_whatever_stands_before_its_name(
    home: Home, tmp_path: Path
) -> None:
    put(tmp_path / "in", "damir_BEN_RES_REG.csv", "BEN_RES_REG;BEN_RES_LIB\n11;IDF\n")
    put(tmp_path / "in", "deep/ir_nat_v.CSV", "PRS_NAT;PRS_NAT_LIB\n1111;CONSULTATION\n")
    put(tmp_path / "in", "IR_CCAM_V63.csv", "A;A_LIB\nAHQP001;EMG\n")
    done = import_lists(home, tmp_path / "in", Layout(vintage="2020-01"))
    assert {each["name"] for each in done.written} == {"BEN_RES_REG", "IR_NAT_V", "IR_CCAM_V63"}
    assert {each["vintage"] for each in done.written} == {"2020-01"}


def test_validity_is_read_in_every_form_of_date_and_an_open_end_is_null(
    home: Home, tmp_path: Path
) -> None:
    text = (
        "BTF_COD;BTF_LIB;BTF_HIS_DTD;BTF_HIS_DTF\n"
        "1;ancien;01JAN1996:00:00:00;30JUN2017:00:00:00\n"
        "1;nouveau;2017-07-01;31DEC9999:00:00:00\n"
        "2;seul;20190101;\n"
        "3;;1600-01-01;31/12/2020\n"
    )
    import_lists(home, put(tmp_path, "X_LIST.csv", text))
    day = datetime.date
    assert [(r["code"], r["label"], r["valid_from"], r["valid_to"])
            for r in rows(home, "X_LIST")] == [
        ("1", "ancien", day(1996, 1, 1), day(2017, 6, 30)),
        ("1", "nouveau", day(2017, 7, 1), None),
        ("2", "seul", day(2019, 1, 1), None),
        ("3", None, None, day(2020, 12, 31)),
    ]  # fmt: skip


def test_the_last_change_of_a_tariff_does_not_hide_the_code_before_it(
    home: Home, tmp_path: Path
) -> None:
    text = (
        "BIO_PRS_IDE;BIO_INF_LIB;BIO_CRE_DAT;BIO_SUP_DAT;BIO_HIS_DTD;BIO_HIS_DTF\n"
        "126;QUICK;11JUN2003:00:00:00;;14APR2018:00:00:00;\n"
    )
    import_lists(home, put(tmp_path, "IR_BIO_R.csv", text))
    assert rows(home, "IR_BIO_R")[0]["valid_from"] == datetime.date(2003, 6, 11)


def test_a_foreign_layout_is_imported_as_its_user_names_it(home: Home, tmp_path: Path) -> None:
    path = put(tmp_path, "export.csv", "what;id;begin;stop\nun;7;2019-01-01;2019-12-31\n")
    layout = Layout("MY_LIST", "id", "what", "begin", "stop", "2019", "our own")
    import_lists(home, path, layout)
    assert rows(home, "MY_LIST") == [
        {
            "code": "7", "label": "un", "valid_from": datetime.date(2019, 1, 1),
            "valid_to": datetime.date(2019, 12, 31), "source": "our own",
        }
    ]  # fmt: skip
    bare = put(tmp_path, "bare.txt", "600\t3400\tboîte de 30\n601\t3401\tboîte de 90\n")
    import_lists(home, bare, Layout("BARE", code="2", label="3"))
    assert labels(home, "BARE") == {"3400": "boîte de 30", "3401": "boîte de 90"}
    with pytest.raises(UsageError, match=r"no column ident; its columns: what, id"):
        import_lists(home, path, Layout(code="ident"))


def test_the_same_file_again_changes_nothing_and_another_asks_for_its_vintage(
    home: Home, tmp_path: Path
) -> None:
    path = put(tmp_path / "in", "IR_SEX_V.csv", SEXES)
    import_lists(home, tmp_path / "in")
    stored = home.nomenclatures / "ir_sex_v" / "undated.parquet"
    before = stored.read_bytes()
    again = import_lists(home, tmp_path / "in")
    assert not again.written and len(again.unchanged) == 1
    path.write_text(SEXES + "9;INCONNU;1\n", encoding="utf-8")
    refused = import_lists(home, tmp_path / "in").refused["IR_SEX_V.csv"]
    assert "--vintage" in refused and stored.read_bytes() == before
    import_lists(home, tmp_path / "in", Layout(vintage="2021"))
    assert nomenclatures.vintages(home) == {"ir_sex_v": ["undated", "2021"]}
    assert nomenclatures.current(home)["ir_sex_v"].stem == "2021"
    assert len(rows(home, "IR_SEX_V")) == 3 and len(rows(home, "IR_SEX_V", "undated")) == 2


def test_the_order_of_lines_and_of_imports_does_not_show(home: Home, tmp_path: Path) -> None:
    other = Home(tmp_path / "other").create()
    head, one, two = SEXES.splitlines()
    import_lists(home, put(tmp_path, "a/IR_SEX_V_2019.csv", f"{head}\n{one}\n{two}\n"))
    import_lists(home, put(tmp_path, "a/IR_NAT_V_2020.csv", "N;N_LIB\n1;un\n"))
    import_lists(other, put(tmp_path, "b/IR_NAT_V_2020.csv", "N;N_LIB\n1;un\n"))
    import_lists(other, put(tmp_path, "b/IR_SEX_V_2019.csv", f"{head}\n{two}\n{one}\n\n"))
    files = [
        {p.relative_to(h.nomenclatures): p.read_bytes() for p in h.nomenclatures.rglob("*.*")}
        for h in (home, other)
    ]
    assert files[0] == files[1] and len(files[0]) == 3


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "a separator"),
        ("SEX_COD;SEX_LIB\n", "has no code"),
        ("SEX_COD\n1\n2\n", "a separator"),
        ("SEX_COD;SEX_LIB\n1;M;x;y\n", "line 2 has 4 cells"),
        ("SEX_COD;SEX_LIB\n1;M\n2\n", "line 3 has 1 cells"),
        ("SEX_COD;SEX_LIB\n1;M\n;F\n", "line 3, column SEX_COD"),
        ("SEX_COD;SEX_LIB\n1;M\n1;F\n", "lines 2 and 3"),
        ("SEX_COD;sex_cod\n1;M\n", "stands twice"),
        ("1;M\n2;F\n", "no header"),
        ("SEX_COD;SEX_LIB\n1;M\0\n", "NUL"),
        ("<html><body>;</body></html>\n", "no header"),
    ],
)
def test_a_damaged_list_is_refused_with_its_line_and_leaves_nothing(
    home: Home, tmp_path: Path, text: str, why: str
) -> None:
    path = put(tmp_path / "in", "IR_SEX_V.csv", text)
    put(tmp_path / "in", "MS_SOR_V.csv", "SOR;SOR_LIB\n9;DÉCÈS\n")
    done = import_lists(home, tmp_path / "in")
    assert why in done.refused["IR_SEX_V.csv"]
    assert [each["name"] for each in done.written] == ["MS_SOR_V"]
    with pytest.raises(Refused, match="IR_SEX_V.csv"):
        import_lists(home, path)
    assert not (home.nomenclatures / "ir_sex_v").exists()


def test_a_file_that_no_contract_asks_for_and_is_no_list_is_passed_over(
    home: Home, tmp_path: Path
) -> None:
    put(tmp_path / "in", "README.txt", "These lists come from the provider.\n")
    put(tmp_path / "in", "IR_SEX_V.csv", SEXES)
    done = import_lists(home, tmp_path / "in")
    assert list(done.passed_over) == ["README.txt"] and not done.refused


def test_wrong_use_is_said_before_anything_is_read(home: Home, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not there"):
        import_lists(home, tmp_path / "absent")
    with pytest.raises(UsageError, match=r"holds no \.csv"):
        import_lists(home, tmp_path)
    put(tmp_path, "IR_SEX_V.csv", SEXES)
    with pytest.raises(UsageError, match="2021-07"):
        import_lists(home, tmp_path, Layout(vintage="last year"))
    with pytest.raises(UsageError, match="of one file"):
        import_lists(home, tmp_path, Layout(code="SEX_COD"))
    with pytest.raises(UsageError, match="go together"):
        import_lists(home, tmp_path / "IR_SEX_V.csv", Layout(valid_from="SEX_COD"))
    with pytest.raises(UsageError, match="letters, digits"):
        import_lists(home, tmp_path / "IR_SEX_V.csv", Layout(name="../evil"))
    with pytest.raises(UsageError, match="not in the lake; lists there: none yet"):
        rows(home, "IR_SEX_V")


def test_a_full_disk_leaves_no_half_list(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(tmp_path, "IR_SEX_V.csv", SEXES)

    def full(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OpenChronicError, match="No space left"):
        import_lists(home, path)
    assert nomenclatures.vintages(home) == {}


@given(
    table=st.dictionaries(
        st.text(st.characters(codec="cp1252", exclude_categories=["C"]), min_size=1, max_size=8)
        .map(str.strip)
        .filter(bool),
        st.text(st.characters(codec="cp1252", exclude_categories=["C"]), max_size=12),
        min_size=1,
        max_size=8,
    ),
    mark=st.sampled_from([";", ",", "\t", "|"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig"]),
)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_the_codes_and_labels_they_come_back_as_published(
    tmp_path: Path, table: dict[str, str], mark: str, encoding: str
) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=mark, lineterminator="\n")
    writer.writerow(["X_COD", "X_LIB"])
    writer.writerows(table.items())
    path = put(tmp_path, "x.csv", out.getvalue(), encoding)
    listed = nomenclatures.read(path, Layout("X"))
    assert dict(zip(*(listed.table.column(name).to_pylist() for name in ("code", "label")),
                    strict=True)) == {
        code: label.strip() or None for code, label in table.items()
    }  # fmt: skip


@pytest.mark.conformance
def test_the_published_lists_are_imported_with_their_labels(
    home: Home, conformance_data: Path
) -> None:
    done = import_lists(home, conformance_data / "nomenclatures")
    assert done.refused == {}
    assert set(done.passed_over) == {"CIS_CIP_bdpm.txt", "CIS_COMPO_bdpm.txt", "ccam.csv"}
    named = {each["name"]: each for each in done.written}
    assert named["IR_ACT_V"]["label"] == "ACT_NAT_LIB"
    assert named["NU_UCD_R"]["label"] == "UCD_DSN_LIB"
    assert {name for name, each in named.items() if each["label"] is None} == {"IR_CIP_V"}
    assert labels(home, "MS_SOR_V")["9"] == "Décès"
    assert named["IR_CIM_V"]["rows"] == 18334
    with pytest.raises(Refused, match="stands twice"):
        import_lists(home, conformance_data / "nomenclatures" / "ccam.csv")
