"""Keys are normalised before they are hashed, so that the same person writes one pseudonym."""

from __future__ import annotations

import unicodedata

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openchronic_assets.contracts import load, tables
from openchronic_assets.ingestion import identity


def normal(domain: str, text: str | None) -> str | None:
    sql = identity.normalised_sql(domain, "t")
    found = duckdb.execute(f"select {sql} from (select ?::varchar as t)", [text]).fetchone()
    assert found is not None
    value: str | None = found[0]
    return value


@pytest.mark.parametrize(
    ("domain", "written", "key"),
    [
        ("person", "abcdefghijklmnopq", "ABCDEFGHIJKLMNOPQ"),
        ("person", "  ABCDEFGHIJKLMNOPQ \t", "ABCDEFGHIJKLMNOPQ"),
        ("person", "\u00a0ABCDEFGHIJKLMNOPQ\u2009\u3000", "ABCDEFGHIJKLMNOPQ"),
        ("person", "\ufeffABCDE\u200bFGHIJKLMNOPQ", "ABCDEFGHIJKLMNOPQ"),
        ("person", "ａｂｃＤＥ０１", "ABCDE01"),
        ("person_ano", "abcdefghijklmnopq1", "ABCDEFGHIJKLMNOPQ1"),
        ("practitioner", "123456789", "12345678"),
        ("practitioner", "１２３４５６７８", "12345678"),
        ("practitioner", " 12345678 ", "12345678"),
        ("practitioner", "2A100000", "2A100000"),
        # Nobody.
        ("practitioner", "00000000", None),
        ("practitioner", "000000000", None),
        ("practitioner", "000000009", None),
        ("practitioner", ".", None),
        ("person", "x" * 17, None),
        ("person", "X" * 16 + "d", None),
        ("person", "X" * 16 + "S", None),
        ("person", "0" * 17, None),
        ("person_ano", "0" * 17 + "1", None),
        ("person_ano", "x" * 17 + "2", None),
        ("person", "\u00a0\u200b", None),
        ("person", "", None),
        ("person", None, None),
        # Somebody, although it looks like nobody.
        ("person", "0" * 16 + "1", "0" * 16 + "1"),
        ("person", "XXXXXXX0000000000", "XXXXXXX0000000000"),
    ],
)
def test_a_key_has_one_normal_form(domain: str, written: str | None, key: str | None) -> None:
    assert normal(domain, written) == key


@pytest.mark.parametrize(
    ("written", "status"),
    [("A" * 17, "ok"), ("x" * 17, "sentinel"), ("0" * 17, "sentinel"), ("", "missing"),
     (None, "missing"), ("\u00a0", "missing")],
)  # fmt: skip
def test_the_state_of_a_key_says_whether_it_is_somebodys(written: str | None, status: str) -> None:
    sql = identity.key_status_sql("person", "t")
    found = duckdb.execute(f"select {sql} from (select ?::varchar as t)", [written]).fetchone()
    assert found == (status,)


@settings(max_examples=60, deadline=None)
@given(
    key=st.text("ABCDEFGHIJKLMNOPQRSTUVWYZ0123456789", min_size=17, max_size=17).filter(
        lambda key: key.strip("0") != ""
    ),
    data=st.data(),
)
def test_no_writing_of_a_key_changes_its_pseudonym(key: str, data: st.DataObject) -> None:
    spaces = st.text(" \t\u00a0\u2003\u200b\ufeff", max_size=3)
    letters = [
        data.draw(st.sampled_from([one, one.lower(), chr(ord(one) + 0xFEE0), one + "\u00ad"]))
        for one in key
    ]
    written = data.draw(spaces) + "".join(letters) + data.draw(spaces)
    folded = "".join(
        each
        for each in unicodedata.normalize("NFKC", written)
        if unicodedata.category(each) != "Cf"
    )
    assert normal("person", written) == folded.strip().upper() == key


@pytest.mark.parametrize(
    ("written", "top", "psa", "rank", "whole"),
    [
        ("P" * 17, "0", "P" * 17, "1", "P" * 17 + "1"),
        ("P" * 17, "0", "P" * 17, "02", "P" * 17 + "2"),
        ("P" * 17, "0", "P" * 17, "0", "P" * 17 + "0"),  # RSI counts from 0
        ("p" * 17 + " ", "", "\u00a0" + "P" * 17, "1", "P" * 17 + "1"),
        ("P" * 17 + "1", "0", "P" * 17, "1", "P" * 17 + "1"),
        ("N" * 17, "1", "P" * 17, "1", "N" * 17),
        ("P" * 17, "0", "P" * 17, "", "P" * 17),
        ("", "0", "P" * 17, "1", None),
    ],
)
def test_an_identity_of_17_or_18_characters_is_one(
    written: str, top: str, psa: str, rank: str, whole: str | None
) -> None:
    sql = identity.normalised_sql("person_ano", identity.person_identity_sql("i", "t", "p", "r"))
    values = "(values (?, ?, ?, ?)) as v(i, t, p, r)"
    found = duckdb.execute(f"select {sql} from {values}", [written, top, psa, rank]).fetchone()
    assert found == (whole,)


JOINS = {
    "BEN_NIR_PSA": "person",
    "NIR_ANO_17": "person",
    "BEN_IDT_ANO": "person_ano",
    "BEN_NIR_ANO": "person_ano",
    "PFS_EXE_NUM": "practitioner",
    "PFS_PRE_NUM": "practitioner",
    "PRS_MTT_NUM": "practitioner",
    "MTT_PFS_NUM": "practitioner",
    "PFS_PFS_NUM": "practitioner",
    "OLD_NIR_PSA": "person",
    "NEW_NIR_PSA": "person",
    "OLD_IDT_ANO": "person_ano",
    "NEW_IDT_ANO": "person_ano",
}


def test_a_key_has_one_domain_in_every_table() -> None:
    """Else reimbursements, stays, deaths and the cartographie would not join after hashing."""
    for name in tables():
        for column in load(name).columns:
            if column.is_loaded and column.name in JOINS:
                assert column.role == "pseudonym", (name, column.name)
                assert column.domain == JOINS[column.name], (name, column.name)


def test_the_families_that_are_to_join_have_a_key_of_one_domain() -> None:
    families = {
        "person": ("ER_PRS_F", "IR_BEN_R", "IR_IMB_R", "CT_IDE_AAAA_GN", "T_MCOaaC", "T_SSRaaC",
                   "T_HADaaC", "T_RIPaaC", "T_MCOaaCSTC", "PSEUDONYM_CROSSWALK"),
        "person_ano": ("IR_BEN_R", "KI_CCI_R", "KI_ECD_R", "IR_IBA_R", "PSEUDONYM_CROSSWALK"),
        "practitioner": ("ER_PRS_F", "DA_PRA_R", "IR_MTT_R"),
    }  # fmt: skip
    for domain, names in families.items():
        for name in names:
            assert domain in {column.domain for column in load(name).columns}, (domain, name)
