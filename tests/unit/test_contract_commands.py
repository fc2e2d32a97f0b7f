"""What the commands on contracts and code lists print, and the codes that they leave with."""

from __future__ import annotations

import json
from pathlib import Path

from small_deliveries import openchronic

from openchronic_assets.contracts import load, tables


def test_every_table_is_listed_with_its_years() -> None:
    listed = openchronic("contracts", "list", "--json").json()["tables"]
    assert [each["table"] for each in listed] == tables()
    years = {each["table"]: each["years"] for each in listed}
    assert years["T_HADaaEHPA"] == "2010-2011,2014-" and years["IR_BEN_R"] == "all"


def test_a_column_is_shown_with_all_that_is_known_of_it() -> None:
    shown = openchronic("contracts", "show", "T_MCO18C", "--json").json()
    by_name = {each["column"]: each for each in shown["columns"]}
    assert shown["key"] == ["ETA_NUM", "RSA_NUM"]
    assert by_name["NIR_ANO_17"]["domain"] == "person"
    assert by_name["SOR_ANN"]["years"] == "2005-2018"
    assert "believed over schema" in by_name["SOR_ANN"]["years_note"]
    assert "SOR_ANN" in openchronic("contracts", "show", "T_MCO18C", "--year", 2018).out
    assert "SOR_ANN" not in openchronic("contracts", "show", "T_MCO18C", "--year", 2019).out
    wrong = openchronic("contracts", "show", "T_MCO18C", "--year", 1999)
    assert wrong.code == 2 and "its years: 2005-" in wrong.err


def test_a_check_says_what_differs_and_leaves_with_three(tmp_path: Path) -> None:
    names = load("T_SSRaaB").for_year(2019).names()
    path = tmp_path / "T_SSR19B.csv"
    path.write_text(";".join(names) + "\n")
    fits = openchronic("contracts", "check", path)
    assert fits.code == 0 and "T_SSRaaB of 2019: fits" in fits.out
    path.write_text(";".join([*names[1:], "NEW_COL"]) + "\n")
    differs = openchronic("contracts", "check", path)
    assert differs.code == 3
    assert "does not fit" in differs.out and "absent, required" in differs.out
    assert "outside the contract" in differs.out and "NEW_COL" in differs.out
    later = tmp_path / "T_SSR30B.csv"
    later.write_text(";".join(names) + "\n")
    assert "newest structure known" in openchronic("contracts", "check", later).out


def test_a_difference_between_years_is_shown_with_its_doubt() -> None:
    said = openchronic("contracts", "diff", "T_MCOaaC", 2018, 2019)
    assert "disappeared" in said.out and "believed over schema" in said.out
    same = openchronic("contracts", "diff", "T_MCOaaD", 2017, 2018)
    assert "the same columns in 2017 and 2018" in same.out


def test_a_checkout_is_reported_in_words_and_its_damage_on_stderr(tmp_path: Path) -> None:
    fields = [{"name": "ZZZ_COL", "type": "string", "dateCreated": "2030"}]
    (tmp_path / "a.json").write_text(json.dumps({"name": "ER_ZZZ_F", "fields": fields}))
    (tmp_path / "b.json").write_text("{")
    said = openchronic("contracts", "import", tmp_path, "--write", tmp_path / "proposal")
    assert said.code == 0 and "new table" in said.out and "ER_ZZZ_F" in said.out
    assert "b.json: not JSON" in said.err and "REVIEW.md" in said.out
    assert openchronic("contracts", "import", tmp_path / "absent").code == 2


def test_code_lists_are_imported_listed_and_shown(tmp_path: Path) -> None:
    lists, home = tmp_path / "lists", tmp_path / "home"
    lists.mkdir()
    (lists / "IR_SEX_V.csv").write_text("SEX_COD;SEX_LIB\n1;MASCULIN\n2;FEMININ\n")
    (lists / "notes.txt").write_text("nothing here\n")
    done = openchronic("nomenclatures", "import", lists, "--vintage", 2021, "--home", home)
    assert done.code == 0 and "IR_SEX_V" in done.out and "notes.txt: passed over" in done.err
    again = openchronic("nomenclatures", "import", lists, "--vintage", 2021, "--home", home)
    assert "held already" in again.out
    (lists / "IR_SEX_V.csv").write_text("SEX_COD;SEX_LIB\n1;M\n1;F\n")
    refused = openchronic("nomenclatures", "import", lists, "--vintage", 2022, "--home", home)
    assert refused.code == 3 and "IR_SEX_V.csv: refused: lines 2 and 3" in refused.err
    listed = openchronic("nomenclatures", "list", "--home", home, "--json").json()
    assert [each["name"] for each in listed["nomenclatures"]] == ["IR_SEX_V"]
    assert "IR_NAT_V" in listed["missing"] and "IR_SEX_V" not in listed["missing"]
    assert (
        "coded columns have their list" in openchronic("nomenclatures", "list", "--home", home).out
    )
    shown = openchronic("nomenclatures", "show", "ir_sex_v", "--code", 2, "--home", home)
    assert "FEMININ" in shown.out and "MASCULIN" not in shown.out
    assert openchronic("nomenclatures", "show", "IR_SEX_V", "--code", 7, "--home", home).code == 2
    assert openchronic("nomenclatures", "show", "IR_NAT_V", "--home", home).code == 2
