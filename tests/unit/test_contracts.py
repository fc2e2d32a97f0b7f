from __future__ import annotations

import re
from pathlib import Path

import pytest

from openchronic_assets.contracts import ContractError, heading, load, tables
from openchronic_assets.contracts.loader import read_table
from openchronic_assets.contracts.model import Years

PRODUCTS = {
    "DCIR", "BENEFICIAIRE", "REFERENTIALS", "PMSI_MCO", "PMSI_SSR", "PMSI_HAD", "PMSI_RIMP",
    "CEPIDC", "CARTOGRAPHIE", "DAMIR", "IDENTITY", "OPEN_DATA",
}  # fmt: skip


def test_every_contract_loads_and_says_what_its_heading_says() -> None:
    assert {heading(name).product for name in tables()} >= PRODUCTS
    for name in tables():
        table = load(name)
        assert table.columns
        assert (table.product, table.calendar, table.grain) == (
            heading(name).product,
            heading(name).calendar,
            heading(name).grain,
        )
        assert all(column.lake_type for column in table.columns)
        assert set(table.not_null) <= {each.name for each in table.columns if each.required}


def test_listing_the_tables_reads_no_column(monkeypatch: pytest.MonkeyPatch) -> None:
    import openchronic_assets.contracts.loader as loader

    monkeypatch.setattr(loader, "_column", lambda *_: pytest.fail("a column was read"))
    loader.heading.cache_clear()
    assert len([heading(name) for name in tables()]) > 170


def test_the_archive_twin_of_the_beneficiaries_has_the_same_columns() -> None:
    assert load("IR_BEN_R_ARC").columns == load("IR_BEN_R").columns


def test_a_column_exists_only_in_its_years() -> None:
    stays = load("T_MCOaaB")
    assert "COD_IGS" in stays.for_year(2008).names()
    assert "COD_IGS" not in stays.for_year(2019).names()
    assert "TYP_GEN_RSA" not in stays.for_year(2014).names()
    assert "TYP_GEN_RSA" in stays.for_year(2015).names()


def test_a_gap_in_the_years_of_a_column_is_kept() -> None:
    diagnosis = load("T_HADaaB").column("DGN_PAL").years
    assert 2011 in diagnosis and 2012 not in diagnosis and 2014 in diagnosis


def test_keys_follow_the_years_in_which_their_columns_exist() -> None:
    weeks = load("T_HADaaB")
    assert "SEQ_NUM" not in weeks.for_year(2009).key
    assert "SEQ_NUM" in weeks.for_year(2010).key
    # Before 2008 the external consultations have no number and carry their patient themselves.
    assert load("T_MCOaaFCSTC").for_year(2007).not_null == ("ETA_NUM",)
    assert "NIR_ANO_17" in load("T_MCOaaFCSTC").for_year(2007).names()


def test_the_delivered_name_of_a_year_is_the_table_of_the_schema() -> None:
    for delivered, table in (
        ("T_MCO19B", "T_MCOaaB"),
        ("t_mcoaab", "T_MCOaaB"),
        ("T_SSR15C", "T_SSRaaC"),
        ("t_rip12rsa", "T_RIPaaRSA"),
        ("CT_IND_2019_G8", "CT_IND_AAAA_GN"),
    ):
        assert load(delivered).name == table


def test_a_table_outside_the_contracts_is_named_in_the_error() -> None:
    with pytest.raises(ContractError, match="ER_XYZ_F is not under contract.*ER_PRS_F"):
        load("ER_XYZ_F")
    with pytest.raises(ContractError, match="contracts list"):
        load("WHATEVER")


def test_keys_that_are_joined_share_one_secret_domain() -> None:
    same = {
        "person": ["ER_PRS_F.BEN_NIR_PSA", "T_MCOaaC.NIR_ANO_17", "T_SSRaaC.NIR_ANO_17",
                   "T_HADaaC.NIR_ANO_17", "T_RIPaaC.NIR_ANO_17", "T_MCOaaCSTC.NIR_ANO_17",
                   "CT_IDE_AAAA_GN.BEN_NIR_PSA", "IR_MTT_R.BEN_NIR_PSA",
                   "PSEUDONYM_CROSSWALK.OLD_NIR_PSA", "PSEUDONYM_CROSSWALK.NEW_NIR_PSA"],
        "person_ano": ["IR_BEN_R.BEN_IDT_ANO", "IR_IBA_R.BEN_IDT_ANO", "KI_CCI_R.BEN_IDT_ANO",
                       "KI_ECD_R.BEN_IDT_ANO", "PSEUDONYM_CROSSWALK.NEW_IDT_ANO"],
        "practitioner": ["ER_PRS_F.PFS_EXE_NUM", "IR_MTT_R.MTT_PFS_NUM", "DA_PRA_R.PFS_PFS_NUM",
                         "ER_PRS_F.PRS_MTT_NUM", "DA_PRA_R.STA_PFS_NUM"],
        "death": ["KI_CCI_R.DCD_IDT_ENC", "KI_ECD_R.DCD_IDT_ENC"],
        "carto": ["CT_IND_AAAA_GN.ID_CARTO", "CT_DEP_AAAA_GN.ID_CARTO", "CT_IDE_AAAA_GN.ID_CARTO",
                  "IR_BEN_R.CTO_IDT_ANO"],
        "hospital_patient": ["T_RIPaaR3A.IPP_IRR_CRY", "T_RIPaaRSA.IPP_IRR_CRY"],
        # RPPS numbers are another numbering: cut to eight characters, as the insurer's numbers
        # are, several professionals would become one.
        "rpps": ["ER_PRS_F.PSP_PPS_NUM"],
    }  # fmt: skip
    for domain, columns in same.items():
        for each in columns:
            table, _, column = each.partition(".")
            assert load(table).column(column).domain == domain, each


def test_no_direct_identifier_is_loaded_under_another_role() -> None:
    forbidden = ("IPP_IDV_NUM", "TRS_CDR_NOM", "TRS_ACP_NOM", "TRS_VEH_NUM", "IJR_EMP_NUM",
                 "IDE_TEL_NU1", "NUM_DAT_AT", "ECD_CAU_LIB", "IPP_BEN_ANO")  # fmt: skip
    seen = set()
    for name in tables():
        for column in load(name).columns:
            if column.name in forbidden:
                seen.add(column.name)
                assert not column.is_loaded and column.reason, f"{name}.{column.name}"
            if column.role == "identifier_dropped":
                assert column.reason and not column.is_loaded
    assert seen == set(forbidden)


def test_one_name_has_one_role_for_people_in_every_table() -> None:
    roles: dict[str, set[tuple[bool, str | None]]] = {}
    for name in tables():
        for column in load(name).columns:
            mark = (column.role in ("pseudonym", "identifier_dropped"), column.domain)
            roles.setdefault(column.name, set()).add(mark)
    assert {name for name, found in roles.items() if len(found) > 1} == set()


def test_every_amount_is_in_euros_with_its_cents() -> None:
    for name in tables():
        for column in load(name).columns:
            if column.role == "amount":
                assert column.unit == "euro", f"{name}.{column.name}"
                assert column.type == "decimal" and column.scale >= 2, f"{name}.{column.name}"


def test_the_years_of_a_column_are_read_and_written_the_same() -> None:
    for text in ("all", "2006-", "2009-2010,2013-", "2006-2006,2017-2019"):
        assert str(Years.parse(text)) == text


GOOD = """
table: X_T
product: X
calendar: care
grain: one x
key: [A]
not_null: [A]
columns:
  - {name: A, type: string, role: key, years: "2006-", required: true}
"""


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("table: X_T", "table: X_U", "does not describe X_T"),
        ("calendar: care", "calendar: moon", "calendar is one of"),
        ("key: [A]", "key: [B]", "key names no column: B"),
        ("type: string", "type: text", "type is one of"),
        ("role: key", "role: pseudonym", "names its domain"),
        ("role: key", "role: identifier_dropped", "says its reason"),
        ("role: key", "role: key, unit: mile", "unit is one of"),
        ("role: key", "role: key, colour: red", "unknown field colour"),
        ('"2006-"', '"since 2006"', "years are written"),
        ("grain: one x", "", "grain missing"),
    ],
)
def test_a_contract_that_breaks_its_form_says_where(before: str, after: str, message: str) -> None:
    assert read_table("X_T", GOOD).key == ("A",)
    with pytest.raises(ContractError, match=message):
        read_table("X_T", GOOD.replace(before, after))


def test_open_files_hold_nobody() -> None:
    for name in tables():
        if name.startswith("OPEN_") or name == "MA_REM_FT":
            assert not [c.name for c in load(name).columns if c.role == "pseudonym"], name


def test_a_density_is_kept_as_long_as_it_is_published() -> None:
    density = load("OPEN_PROFESSIONALS").column("DENSITE")
    assert (density.unit, density.lake_type) == ("per_100_000", "DECIMAL(18,12)")


def test_the_documentation_counts_the_tables_and_columns_that_there_are() -> None:
    page = Path(__file__).parents[2] / "docs" / "contracts.md"
    counted = re.findall(r"^\| .+ \| (\d+) \| (\d+) \|$", page.read_text("utf-8"), re.MULTILINE)
    assert sum(int(each) for each, _ in counted) == len(tables())
    assert sum(int(each) for _, each in counted) == sum(len(load(n).columns) for n in tables())


def test_the_disputed_years_are_counted_where_the_decision_is_written() -> None:
    disputed = sum(
        "believed over schema" in (column.years_note or "")
        for name in tables()
        for column in load(name).columns
    )
    page = Path(__file__).parents[2] / "docs" / "decisions" / "0010-contract-years.md"
    assert f"There are {disputed}:" in page.read_text("utf-8")
