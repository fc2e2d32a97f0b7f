from __future__ import annotations

import pytest

from openchronic_assets.contracts import ContractError, load, tables


def test_every_contract_loads_and_its_lake_types_are_known() -> None:
    assert len(tables()) == 14
    for name in tables():
        table = load(name)
        assert table.columns
        for column in table.columns:
            assert column.lake_type


def test_a_column_exists_only_in_its_years() -> None:
    stays = load("T_MCOaaB")
    assert "COD_IGS" in stays.for_year(2008).names()
    assert "COD_IGS" not in stays.for_year(2019).names()
    assert "TYP_GEN_RSA" not in stays.for_year(2014).names()
    assert "TYP_GEN_RSA" in stays.for_year(2015).names()


def test_the_delivered_name_of_a_year_is_the_table_of_the_schema() -> None:
    assert load("T_MCO19B") is load("t_mcoaab") or load("T_MCO19B").name == "T_MCOaaB"


def test_a_table_outside_the_contracts_is_named_in_the_error() -> None:
    with pytest.raises(ContractError, match="ER_XYZ_F is not under contract"):
        load("ER_XYZ_F")


def test_patient_keys_of_care_and_stays_share_one_domain() -> None:
    assert load("ER_PRS_F").column("BEN_NIR_PSA").domain == "person"
    assert load("T_MCOaaC").column("NIR_ANO_17").domain == "person"
    assert load("KI_CCI_R").column("BEN_IDT_ANO").domain == "person_ano"


def test_every_identifier_that_is_dropped_says_why() -> None:
    dropped = [
        column
        for name in tables()
        for column in load(name).columns
        if column.role == "identifier_dropped"
    ]
    assert dropped
    assert all(column.reason and not column.is_loaded for column in dropped)


@pytest.mark.conformance
def test_contracts_name_every_column_of_the_official_schema(conformance_data) -> None:  # type: ignore[no-untyped-def]
    import csv

    with (conformance_data / "schema_snds_all_columns.csv").open(encoding="utf-8") as handle:
        official = {(row["table"], row["column"].upper()) for row in csv.DictReader(handle)}
    for name in tables():
        ours = set(load(name).names())
        theirs = {column for table, column in official if table == name}
        assert theirs - ours == set()
