from __future__ import annotations

import json
from pathlib import Path

import pytest

from openchronic_assets.contracts import ContractError, load
from openchronic_assets.contracts.compare import against_schema, between_years
from openchronic_assets.errors import OpenChronicError, UsageError
from openchronic_assets.ingestion.structure import check_file


def test_what_moved_between_two_years_is_listed_each_way() -> None:
    moved = between_years(load("T_MCOaaB"), 2008, 2019)
    assert "COD_IGS" in moved.disappeared and "UHCD_TOP" in moved.appeared
    back = between_years(load("T_MCOaaB"), 2019, 2008)
    assert set(back.appeared) == set(moved.disappeared)


def test_a_year_before_the_table_is_refused() -> None:
    with pytest.raises(ContractError, match="2001"):
        between_years(load("T_MCOaaB"), 2001, 2019)


def schema(folder: Path, name: str, fields: list[dict[str, object]]) -> None:
    (folder / f"{name}.json").write_text(json.dumps({"name": name, "fields": fields}))


def test_a_new_column_and_an_ended_one_of_the_schema_are_reported(tmp_path: Path) -> None:
    fields: list[dict[str, object]] = [{"name": name} for name in load("ER_BIO_F").names()]
    fields[0] |= {"dateCreated": "2006", "dateDeleted": "2025"}
    schema(tmp_path, "ER_BIO_F", [*fields, {"name": "BIO_NEW_COL"}])
    schema(tmp_path, "ER_NEW_F", [{"name": "X"}])
    review = against_schema(tmp_path)
    assert review.new == {"ER_BIO_F": ["BIO_NEW_COL"]}
    assert review.ended == {
        "ER_BIO_F": [f"{load('ER_BIO_F').columns[0].name} (absent from 2025 on)"]
    }
    assert review.unknown_tables == ["ER_NEW_F"] and "ER_PRS_F" in review.absent_tables


def test_a_folder_without_schema_is_said_to_have_none(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[1, 2]")
    with pytest.raises(UsageError, match="holds no table schema"):
        against_schema(tmp_path)
    with pytest.raises(UsageError, match="not a folder"):
        against_schema(tmp_path / "absent")


@pytest.mark.conformance
def test_the_official_schema_brings_nothing_that_the_contracts_lack(conformance_data: Path) -> None:
    review = against_schema(conformance_data / "schema_snds")
    assert review.is_empty
    assert {"ER_PRS_F", "T_SSRaaB", "T_RIPaaRSA"}.isdisjoint(review.absent_tables)


def test_the_header_of_a_file_is_held_against_its_year(tmp_path: Path) -> None:
    names = load("T_MCOaaC").for_year(2019).names()
    good = tmp_path / "T_MCO19C.csv"
    good.write_text(";".join(names) + "\n")
    found = check_file(good, None, None)
    assert found["fits"] and found["year"] == 2019 and found["absent"] == []
    wrong = check_file(good, None, 2008)
    assert not wrong["fits"] and wrong["reason"] == "structure_of_another_year"
    cut = tmp_path / "T_MCO18C.csv"
    cut.write_text(";".join(name for name in names if name != "NIR_ANO_17") + "\n")
    assert check_file(cut, None, None)["columns"] == ["NIR_ANO_17"]


def test_a_file_that_names_no_table_asks_for_one(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("BEN_NIR_PSA;BEN_RNG_GEM\n")
    with pytest.raises(UsageError, match="--table"):
        check_file(path, None, None)
    assert not check_file(path, "IR_BEN_R", None)["fits"]
    path.write_text("")
    with pytest.raises(OpenChronicError, match="empty"):
        check_file(path, "IR_BEN_R", None)
