from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import openchronic_assets
from openchronic_assets.contracts import ContractError, load, official, proposal, tables
from openchronic_assets.contracts.compare import against_schema, between_years, review
from openchronic_assets.contracts.draft import accepts, line, value_type
from openchronic_assets.contracts.loader import _LOADER, read_table
from openchronic_assets.contracts.official import Stated
from openchronic_assets.errors import OpenChronicError, UsageError
from openchronic_assets.ingestion.structure import check_file

Fields = list[dict[str, Any]]


def test_what_moved_between_two_years_is_listed_each_way() -> None:
    moved = between_years(load("T_MCOaaB"), 2008, 2019)
    assert "COD_IGS" in moved.disappeared and "UHCD_TOP" in moved.appeared
    back = between_years(load("T_MCOaaB"), 2019, 2008)
    assert set(back.appeared) == set(moved.disappeared)


def test_a_doubtful_year_comes_with_its_doubt() -> None:
    moved = between_years(load("T_MCOaaC"), 2018, 2019)
    assert "SOR_ANN" in moved.disappeared
    assert "believed over schema" in moved.doubtful["SOR_ANN"]


def test_a_year_without_the_table_is_refused_with_the_years_that_have_it() -> None:
    with pytest.raises(ContractError, match="2001; its years: 2005-"):
        between_years(load("T_MCOaaB"), 2001, 2019)
    with pytest.raises(ContractError, match="2012; its years: 2010-2011,2014-"):
        load("T_HADaaEHPA").for_year(2012)


def stated(table: str) -> Fields:
    """The fields of a table as the schema stated them when it was last reviewed."""
    named = {"oracle": "type_oracle", "created": "dateCreated", "deleted": "dateDeleted"}
    found: Fields = []
    for name, each in official.reviewed()[table].items():
        values = {named.get(key, key): value for key, value in asdict(each).items()}
        values["dateMissing"] = values.pop("missing").split()
        found.append({"name": name, **values})
    return found


def schema(folder: Path, name: str, fields: Fields, product: str = "DCIR") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"name": name, "produit": product, "fields": fields}))
    return path


def test_the_schema_that_was_reviewed_brings_nothing(tmp_path: Path) -> None:
    for table in ("ER_BIO_F", "T_HADaaB", "T_SSRaaFP"):
        schema(tmp_path, table, stated(table))
    found = against_schema(tmp_path)
    assert found.read == 3 and found.is_empty and found.findings() == []


def test_a_new_column_and_an_ended_one_of_the_schema_are_reported(tmp_path: Path) -> None:
    fields: Fields = [{"name": name} for name in load("ER_BIO_F").names()]
    fields[0] |= {"dateCreated": "2006", "dateDeleted": "2025"}
    schema(tmp_path, "ER_BIO_F", [*fields, {"name": "BIO_NEW_COL"}])
    schema(tmp_path, "ER_NEW_F", [{"name": "X"}])
    schema(tmp_path, "EB_NEW_F", [{"name": "X"}])
    found = against_schema(tmp_path)
    assert found.new == {"ER_BIO_F": ["BIO_NEW_COL"]}
    first = load("ER_BIO_F").columns[0].name
    assert found.ended == {"ER_BIO_F": [f"{first} (absent from 2025 on)"]}
    assert found.unknown_tables == ["ER_NEW_F"] and "ER_PRS_F" in found.absent_tables
    assert found.left_out == ["EB_NEW_F"]


def test_what_moved_of_a_column_is_told_as_it_was_and_as_it_is(tmp_path: Path) -> None:
    spare = spare_columns()
    retyped, listed, dated, gone = spare[:4]
    fields = stated("ER_PRS_F")
    by_name = {each["name"]: each for each in fields}
    by_name[retyped] |= {"type": "string", "type_oracle": "string"}
    by_name["PRS_PAI_MNT"] |= {"type": "integer"}
    by_name[listed] |= {"nomenclature": "IR_ZZZ_V:CODE", "length": "55"}
    by_name[dated] |= {"dateCreated": "2007"}
    del by_name["ORG_AFF_BEN"]["type"]  # an attribute left out says nothing
    fields.remove(by_name[gone])
    was = official.reviewed()["ER_PRS_F"]
    confirmed = next(name for name in load("ER_PRS_F").names() if name not in was)
    fields.append({"name": confirmed, "type": "string"})
    schema(tmp_path, "ER_PRS_F", fields)
    found = against_schema(tmp_path)
    assert found.types == {
        "ER_PRS_F": {
            retyped: "integer number → string string",
            "PRS_PAI_MNT": "number number → integer number",
        }
    }
    assert found.refusing == {"ER_PRS_F": [retyped]}
    assert found.nomenclatures == {"ER_PRS_F": {listed: f"{was[listed].nomenclature} → IR_ZZZ_V"}}
    assert found.lengths == {"ER_PRS_F": {listed: f"{was[listed].length} → 55"}}
    assert found.years == {"ER_PRS_F": {dated: f"{was[dated].years} → 2007-"}}
    assert found.gone == {"ER_PRS_F": [gone]}
    assert found.confirmed == {"ER_PRS_F": [confirmed]}
    assert len(found.findings()) == 7


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"name": "ER_PHA_F", "fields": [', "cut short"),
        ('{"name": "ER_PHA_F", "fields": {}}', "not a list"),
        ('{"name": "../ER_PHA_F", "fields": []}', "no proper name"),
        ('{"name": 3, "fields": []}', "no proper name"),
        ('{"name": "ER_PHA_F", "fields": [{"name": "A"}, {"type": "x"}]}', "field 2"),
        ('{"name": "ER_PHA_F", "fields": [["A"]]}', "field 1"),
        ('{"name": "ER_PHA_F", "fields": [{"name": "A, role: key}"}]}', "field 1"),
        ('{"name": "er_bio_f", "fields": [{"name": "A"}]}', "described already in a.json"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_a_damaged_file_of_a_checkout_is_named_and_the_others_are_read(
    tmp_path: Path, text: str, why: str
) -> None:
    schema(tmp_path, "ER_BIO_F", stated("ER_BIO_F")).rename(tmp_path / "a.json")
    (tmp_path / "b.json").write_text(text)
    (tmp_path / "datapackage.json").write_text('{"resources": []}')
    found = against_schema(tmp_path)
    assert found.read == 1 and found.is_empty
    assert list(found.unreadable) == ["b.json"] and why in found.unreadable["b.json"]


def test_a_file_in_another_encoding_is_damaged_not_fatal(tmp_path: Path) -> None:
    schema(tmp_path, "ER_BIO_F", stated("ER_BIO_F"))
    (tmp_path / "latin.json").write_bytes('{"name": "é", "fields": []}'.encode("latin-1"))
    assert against_schema(tmp_path).unreadable == {"latin.json": "not in UTF-8"}


def test_a_folder_without_schema_is_said_to_have_none(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[1, 2]")
    with pytest.raises(UsageError, match="holds no table schema"):
        against_schema(tmp_path)
    (tmp_path / "b.json").write_text("{")
    with pytest.raises(UsageError, match="b.json: not JSON"):
        against_schema(tmp_path)
    with pytest.raises(UsageError, match="not a folder"):
        against_schema(tmp_path / "absent")


@pytest.mark.conformance
def test_the_official_schema_is_the_one_that_was_reviewed(conformance_data: Path) -> None:
    checkout = official.read(conformance_data / "schema_snds")
    assert checkout.unreadable == {}
    assert checkout.tables == official.reviewed()
    found = against_schema(conformance_data / "schema_snds")
    assert found.is_empty
    assert {"ER_PRS_F", "T_SSRaaB", "T_RIPaaRSA"}.isdisjoint(found.absent_tables)


def test_contracts_take_every_value_that_the_schema_allows_but_for_known_slips() -> None:
    # A weight that the schema gives as a number without a length: it is in whole grams.
    slips = {"NEO_NAI_POI"}
    for table, columns in official.reviewed().items():
        for name, each in columns.items():
            if name not in slips:
                assert accepts(load(table).column(name), each), f"{table}.{name}"


@pytest.mark.parametrize(
    ("created", "deleted", "missing", "years"),
    [
        ("2009", "2011", "", "2009-2010"),
        ("2009", "", "", "2009-"),
        ("2017", "2017", "", "2017-"),
        ("2005", "", "2012 2013", "2005-2011,2014-"),
        ("2005", "2010", "2007", "2005-2006,2008-2009"),
        ("", "2010", "", ""),
    ],
)
def test_the_years_of_the_schema_follow_its_rule(
    created: str, deleted: str, missing: str, years: str
) -> None:
    assert Stated(created=created, deleted=deleted, missing=missing).years == years


def test_every_line_of_a_contract_is_written_as_a_draft_would_write_it() -> None:
    folder = Path(openchronic_assets.__file__).parent / "contracts" / "tables"
    for name in tables():
        for text in (folder / f"{name}.yaml").read_text(encoding="utf-8").splitlines():
            if text.startswith("  - "):
                assert line(yaml.load(text, _LOADER)[0]) == text


@given(
    st.builds(
        Stated,
        type=st.sampled_from(["string", "integer", "number", "date", "boolean", "zebra", ""]),
        oracle=st.sampled_from(["string", "number", "date", ""]),
        length=st.sampled_from(["", "4", "4,2", "10.2", "x,y", ","]),
        format=st.sampled_from(["", "%m", "%d%m%Y"]),
        created=st.sampled_from(["", "2006", "2022"]),
        deleted=st.sampled_from(["", "2006", "2024"]),
    ),
    st.from_regex(r"[A-Z][A-Z0-9_]{0,20}", fullmatch=True),
)
@settings(max_examples=40, deadline=None)
def test_whatever_the_schema_states_its_draft_is_a_contract(each: Stated, name: str) -> None:
    from openchronic_assets.contracts import draft

    text = draft.table("X_NEW_F", "DCIR", {name: each, "FLX_DIS_DTD": Stated(type="date")})
    drafted = read_table("X_NEW_F", text)
    assert drafted.names() == (name, "FLX_DIS_DTD") or name == "FLX_DIS_DTD"
    assert drafted.column(name).type == value_type(each)["type"]


def spare_columns() -> list[str]:
    """Columns of ER_PRS_F that an invented year may move: codes, not required, still there."""
    was = official.reviewed()["ER_PRS_F"]
    return [
        column.name
        for column in load("ER_PRS_F").for_year(official.newest_year()).columns
        if column.role == "code" and not column.required and column.nomenclature
        and column.name in was and was[column.name].type == "integer"
        and was[column.name].oracle == "number" and was[column.name].created == "2006"
    ]  # fmt: skip


def new_year(folder: Path) -> int:
    """Write the schema of an invented year: columns come, go and change, and a table is new."""
    year = official.newest_year() + 1
    ended, retyped, listed = spare_columns()[:3]
    fields = stated("ER_PRS_F")
    by_name = {each["name"]: each for each in fields}
    by_name[ended]["dateDeleted"] = str(year)
    by_name[listed]["nomenclature"] = "IR_ZZZ_V"
    by_name[retyped] |= {"type": "string", "type_oracle": "string"}
    when = {"dateCreated": str(year), "dateDeleted": "", "dateMissing": []}
    fields += [
        {"name": "PRS_ZZZ_TOP", "type": "integer", "nomenclature": "IR_ZZY_V", **when},
        {"name": "BEN_MAIL_ZZZ", "type": "string", **when},
    ]
    schema(folder, "ER_PRS_F", fields)
    stay = [each | when for each in stated("T_MCOaaD")] + [
        {"name": "NIR_ANO_17", "type": "string", **when},
        {"name": "MNT_ZZZ", "type": "number", "length": "10,2", **when},
    ]
    schema(folder, "T_MCOaaZZZ", stay, "PMSI MCO")
    return year


def test_a_proposal_is_the_contracts_of_the_new_year(tmp_path: Path) -> None:
    """The runbook of a new year, followed on a copy: import, review, install, check."""
    year = new_year(tmp_path / "schema")
    ended, retyped, listed = spare_columns()[:3]
    package = tmp_path / "copy" / "openchronic_assets"
    shutil.copytree(Path(openchronic_assets.__file__).parent, package,
                    ignore=shutil.ignore_patterns("__pycache__"))  # fmt: skip

    def run(*commands: str) -> list[Any]:
        """Run commands in one process that has the copy's contracts; return what each prints."""
        each = "; ".join(f"sys.argv[1:] = {[*one.split(), '--json']!r}; main()" for one in commands)
        ran = subprocess.run(
            [sys.executable, "-c", f"import sys; from openchronic_assets.cli import main; {each}"],
            capture_output=True, text=True, cwd=tmp_path, check=False,
            env=os.environ | {"PYTHONPATH": str(tmp_path / "copy")},
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        return [json.loads(text) for text in ran.stdout.splitlines()]

    (found,) = run("contracts import schema --write proposal")
    assert found["new"] == {"ER_PRS_F": ["PRS_ZZZ_TOP", "BEN_MAIL_ZZZ"]}
    assert {Path(path).name for path in found["written"]} == {
        "ER_PRS_F.yaml", "T_MCOaaZZZ.yaml", "official_schema.csv", "sources.yaml", "REVIEW.md",
    }  # fmt: skip

    proposed = tmp_path / "proposal"
    for path in sorted(proposed.rglob("*.yaml")):
        assert "# to review: " in path.read_text(encoding="utf-8") or path.name == "sources.yaml"
    shutil.copytree(proposed, package / "contracts", dirs_exist_ok=True)

    # A file of the new year is held against the new structure.
    names = [*load("ER_PRS_F").for_year(year - 1).names(), "PRS_ZZZ_TOP", "BEN_MAIL_ZZZ"]
    names.remove(ended)
    (tmp_path / f"ER_PRS_F_{year}.csv").write_text(";".join(names) + "\n")
    again, moved, table, lines, checked = run(
        "contracts import schema",
        f"contracts diff ER_PRS_F {year - 1} {year}",
        f"contracts show T_MCO{year % 100:02d}ZZZ",
        "contracts show ER_PRS_F",
        f"contracts check ER_PRS_F_{year}.csv",
    )
    assert again["is_empty"]
    assert moved["appeared"] == ["PRS_ZZZ_TOP", "BEN_MAIL_ZZZ"]
    assert moved["disappeared"] == [ended]
    shown = {each["column"]: each for each in table["columns"]}
    assert shown["NIR_ANO_17"]["domain"] == "person" and shown["MNT_ZZZ"]["unit"] == "euro"
    columns = {each["column"]: each for each in lines["columns"]}
    assert columns["BEN_MAIL_ZZZ"]["type"] == "not loaded"
    assert columns[retyped]["type"] == "VARCHAR"
    assert columns[listed]["nomenclature"] == "IR_ZZZ_V"
    assert checked["fits"] and checked["differences"] == [] and checked["year"] == year
    assert "structure_of" not in checked


def test_a_proposal_is_never_written_over_another(tmp_path: Path) -> None:
    new_year(tmp_path / "schema")
    checkout = official.read(tmp_path / "schema")
    (tmp_path / "proposal").mkdir()
    (tmp_path / "proposal" / "mine.txt").write_text("kept")
    with pytest.raises(UsageError, match="not an empty folder"):
        proposal.write(review(checkout), checkout, tmp_path / "proposal")
    assert [path.name for path in (tmp_path / "proposal").iterdir()] == ["mine.txt"]


def test_a_checkout_that_brings_nothing_proposes_nothing(tmp_path: Path) -> None:
    schema(tmp_path / "schema", "ER_BIO_F", stated("ER_BIO_F"))
    checkout = official.read(tmp_path / "schema")
    written = proposal.write(review(checkout), checkout, tmp_path / "proposal")
    assert [path.name for path in written] == ["REVIEW.md"]
    assert "| | nothing | | |" in written[0].read_text()


def test_the_same_checkout_gives_the_same_proposal(tmp_path: Path) -> None:
    new_year(tmp_path / "schema")
    checkout = official.read(tmp_path / "schema")
    first, second = (
        {
            path.relative_to(folder): path.read_bytes()
            for path in proposal.write(review(checkout), checkout, folder)
        }
        for folder in (tmp_path / "a", tmp_path / "b")
    )
    assert first == second and len(first) == 5


def test_the_header_of_a_file_is_held_against_its_year(tmp_path: Path) -> None:
    names = load("T_MCOaaC").for_year(2019).names()
    good = tmp_path / "T_MCO19C.csv"
    good.write_text(";".join(names) + "\n")
    found = check_file(good, None, None)
    assert found["fits"] and found["year"] == 2019 and found["absent"] == []
    assert found["differences"] == []
    wrong = check_file(good, None, 2008)
    assert not wrong["fits"] and wrong["reason"] == "structure_of_another_year"
    assert "EXE_SOI_DTD" in wrong["of_other_years"]
    cut = tmp_path / "T_MCO18C.csv"
    cut.write_text(";".join(name for name in names if name != "NIR_ANO_17") + "\n")
    short = check_file(cut, None, None)
    assert short["columns"] == ["NIR_ANO_17"]
    assert {"column": "NIR_ANO_17", "what": "absent, required", "years": "2005-", "doubt": ""} in (
        short["differences"]
    )


def test_a_file_of_a_later_year_is_held_against_the_newest_structure_known(tmp_path: Path) -> None:
    path = tmp_path / f"T_SSR{(official.newest_year() + 4) % 100}D.csv"
    path.write_text(
        ";".join([*load("T_SSRaaD").for_year(official.newest_year()).names(), "NEW_COL"]) + "\n"
    )
    found = check_file(path, None, None)
    assert found["fits"] and found["structure_of"] == official.newest_year()
    assert found["outside_the_contract"] == ["NEW_COL"]


def test_extraction_names_are_the_keys_that_they_stand_for(tmp_path: Path) -> None:
    names = list(load("T_SSRaaC").for_year(2019).names())
    renamed = ["NUM_ENQ" if name == "NIR_ANO_17" else name.lower() for name in names]
    path = tmp_path / "t_ssr19c.csv"
    path.write_text(",".join(renamed) + "\n")
    assert check_file(path, None, None)["differences"] == []
    # Both names beside each other: the key is the key, the other one is outside the contract.
    path.write_text(",".join([*names, "NUM_ENQ"]) + "\n")
    both = check_file(path, None, None)
    assert both["fits"] and both["outside_the_contract"] == ["NUM_ENQ"]
    path.write_text(",".join([*renamed, "NUM_ENQ"]) + "\n")
    assert check_file(path, None, None)["reason"] == "column_twice"


def test_a_file_of_every_table_fits_its_own_structure(tmp_path: Path) -> None:
    for name in tables():
        path = tmp_path / f"{name}.csv"
        years = load(name).years
        year = next(each for each in range(2021, 2004, -1) if each in years)
        path.write_text(";".join(load(name).for_year(year).names()) + "\n")
        found = check_file(path, None, year)
        assert found["fits"] and found["differences"] == [], name


def test_a_file_that_names_no_table_asks_for_one(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("BEN_NIR_PSA;BEN_RNG_GEM\n")
    with pytest.raises(UsageError, match="--table"):
        check_file(path, None, None)
    assert not check_file(path, "IR_BEN_R", None)["fits"]
    path.write_text("")
    with pytest.raises(OpenChronicError, match="empty"):
        check_file(path, "IR_BEN_R", None)
