"""Who a row is about: the models of identity against an obvious reading of the rule."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from raw_lake import beneficiary, chaining, day, line, pseudonym, stay

from openchronic_assets import warehouse
from openchronic_assets.settings import Home
from openchronic_assets.warehouse import run

MODELS = ("int_pseudonym_renewal", "int_person_alias", "int_person_key", "int_psa")
BENEFICIARY = (
    "psa varchar, birth_rank bigint, person_pseudonym varchar, person_pseudonym_top varchar, "
    "own_nir_pseudonym varchar, nir_type varchar, archive_order integer, update_date date, "
    "last_processing_date date, insert_date date, source_file varchar, source_line bigint"
)
CROSSWALK = (
    "old_psa varchar, new_psa varchar, old_person_pseudonym varchar, new_person_pseudonym varchar"
)

Row = tuple[Any, ...]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The SQL of the models of identity, as dbt gives it to DuckDB."""
    plan = warehouse.plan(Home(tmp_path_factory.mktemp("identity")).create(), [2020])
    warehouse.prepare(plan)
    outcome = run.invoke(plan, ["compile", "--select", *MODELS])
    return {each.node.name: each.node.compiled_code for each in outcome.result.results}


def resolved(
    compiled: dict[str, str], rows: list[Row], pairs: list[Row]
) -> tuple[dict[tuple[str, int], str | None], dict[str, tuple[str | None, str]]]:
    """Return what the models say of each pair and of each pseudonym alone."""
    with duckdb.connect() as connection:
        connection.execute("attach ':memory:' as openchronic; use openchronic")
        for name, columns, content in (
            ("int_beneficiary", BENEFICIARY, rows), ("stg_crosswalk__pseudonym", CROSSWALK, pairs),
        ):  # fmt: skip
            connection.execute(f"create table {name} ({columns})")
            if content:
                marks = ", ".join("?" for _ in content[0])
                connection.executemany(f"insert into {name} values ({marks})", content)
        for name in MODELS:
            connection.execute(f"create table {name} as {compiled[name]}")
        keys = connection.execute(
            "select psa, birth_rank, person_id from int_person_key"
        ).fetchall()
        alone = connection.execute("select psa, person_id, person_status from int_psa").fetchall()
    assert len({key[:2] for key in keys}) == len(keys)
    return {(psa, rank): who for psa, rank, who in keys}, {
        psa: (who, why) for psa, who, why in alone
    }


def followed(key: str, steps: dict[str, set[str]]) -> str | None:
    """Return what a key became in the end, None where that is not one thing."""
    seen = {key}
    while key in steps:
        if len(steps[key]) != 1:
            return None
        (key,) = steps[key]
        if key in seen:
            return None
        seen.add(key)
    return key


def expected(rows: list[Row], pairs: list[Row]) -> dict[tuple[str, int], str | None]:
    """Read the rule: the last row names the pair, names are followed, old pairs are new ones."""
    psa_steps: dict[str, set[str]] = {}
    person_steps: dict[str, set[str]] = {}
    for old_psa, new_psa, old_person, new_person in pairs:
        if old_psa and new_psa and old_psa != new_psa:
            psa_steps.setdefault(old_psa, set()).add(new_psa)
        if old_person and new_person and old_person != new_person:
            person_steps.setdefault(old_person, set()).add(new_person)
    couples: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        couples.setdefault((row[0], row[1]), []).append(row)
    for listed in couples.values():
        listed.sort(key=lambda row: (row[6], -row[7].toordinal(), row[11]))
    # A name made of the pair (top 0) that the pair has left for another.
    left: dict[str, set[str]] = {}
    for listed in couples.values():
        last = listed[0][2]
        for row in listed[1:]:
            if row[2] != last and row[3] == "0":
                left.setdefault(row[2], set()).add(last)

    def person(name: str) -> str | None:
        if name in left:
            if len(left[name]) > 1:
                return None
            (name,) = left[name]
            return followed(name, person_steps)
        end = followed(name, person_steps)
        if end is not None and end != name and len(left.get(end, ())) == 1:
            (end,) = left[end]
            return followed(end, person_steps)
        return end

    found = {
        couple: None if listed[0][5] == "06" else person(listed[0][2])
        for couple, listed in couples.items()
    }
    for old in psa_steps:
        end = followed(old, psa_steps)
        for target in [end] if end is not None else sorted(psa_steps[old]):
            for (psa, rank), who in list(found.items()):
                if psa == target and (psa, rank) in couples and (old, rank) not in couples:
                    found[(old, rank)] = who if end is not None else None
    return found


PSA = st.sampled_from(["a", "b", "c", "d", "e", "f"])
PERSON = st.sampled_from(["P", "Q", "R", "S", "T"])


@st.composite
def referentials(draw: st.DrawFn) -> tuple[list[Row], list[Row]]:
    rows = [
        (
            draw(PSA), draw(st.integers(1, 2)), draw(PERSON), draw(st.sampled_from(["0", "1"])),
            None, draw(st.sampled_from(["00", "00", "99", "06"])), draw(st.integers(0, 1)),
            day(f"20{draw(st.integers(10, 20))}-01-01"), None, None, "f", number,
        )
        for number in range(draw(st.integers(0, 7)))
    ]  # fmt: skip
    pairs = [
        (draw(st.none() | PSA), draw(PSA), draw(st.none() | PERSON), draw(PERSON))
        for _ in range(draw(st.integers(0, 4)))
    ]
    return rows, pairs


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(drawn=referentials())
def test_the_models_name_the_person_that_the_rule_names(
    compiled: dict[str, str], drawn: tuple[list[Row], list[Row]]
) -> None:
    rows, pairs = drawn
    names = {row[2] for row in rows if row[3] == "0"} & {p for pair in pairs for p in pair[2:] if p}
    # A name both left by its pair and renewed: the order of the two is the provider's.
    assume(not names)
    found, alone = resolved(compiled, rows, pairs)
    wanted = expected(rows, pairs)
    assert found == wanted
    for psa, (who, why) in alone.items():
        people = {person for (key, _), person in wanted.items() if key == psa}
        assert (why == "linked") == (len(people) == 1 and None not in people)
        assert who == (people.pop() if why == "linked" else None)


@pytest.mark.long
def test_people_are_one_across_a_renewal_and_the_report_says_how_rows_link(make_lake: Any) -> None:
    lake = make_lake("renewed")
    lake.put(
        "ir_ben_r",
        "IR_BEN_R",
        [
            beneficiary("ann new"),
            beneficiary("twin"),
            beneficiary("twin", ben_rng_gem=2, ben_idt_ano=pseudonym("id other")),
        ],
    )
    renewal = {"old_epoch": "2018", "new_epoch": "2020"}
    lake.put(
        "pseudonym_crosswalk",
        "PSEUDONYM_CROSSWALK",
        [
            renewal
            | {
                "old_nir_psa": pseudonym("ann"), "new_nir_psa": pseudonym("ann new"),
                "old_idt_ano": pseudonym("id ann"), "new_idt_ano": pseudonym("id ann new"),
            },
            renewal | {"old_nir_psa": pseudonym("lost"), "new_nir_psa": pseudonym("ann new")},
            renewal | {"old_nir_psa": pseudonym("split"), "new_nir_psa": pseudonym("ann new")},
            renewal | {"old_nir_psa": pseudonym("split"), "new_nir_psa": pseudonym("twin")},
        ],
    )  # fmt: skip
    lake.put(
        "er_prs_f",
        "ER_PRS_F_2020",
        [
            line("ann", "2020-02-01", "2020-03-01", 1),
            line("ann new", "2020-02-02", "2020-03-01", 2),
            line("split", "2020-02-02", "2020-03-01", 3),
            line("ghost", "2020-02-02", "2020-03-01", 4),
            line("", "2020-02-02", "2020-03-01", 5, _key_status="sentinel"),
            line("twin", "2020-02-02", "2020-03-01", 6, ben_rng_gem=2, ben_cdi_nir="06"),
        ],
    )
    lake.put("ki_cci_r", "KI_CCI_R", [
        {"dcd_idt_enc": "1", "ben_idt_ano": pseudonym("id ann"), "ben_dcd_dte": day("2020-06-01")},
    ])  # fmt: skip
    lake.put("t_mcoaab", "T_MCO20B", [stay(2020, 1), stay(2020, 2)])
    lake.put("t_mcoaac", "T_MCO20C", [chaining(2020, 1, "ann"), chaining(2020, 2, "twin")])
    lake.put("t_ripaar3a", "T_RIP20R3A", [{"_table_year": 2020, "ord_num": "1"}])
    warehouse.build(lake.home, [2020])
    with warehouse.connect(lake.home) as connection:
        report = connection.execute(
            "select table_name, status, reason, row_count, round(share, 3) "
            "from identity_link_report order by all"
        ).fetchall()
        ann = connection.execute(
            "select death_date, first_care_year from person where person_id = ?",
            [pseudonym("id ann new")],
        ).fetchall()
        history = connection.execute(
            "select old_person_id, person_id, change, source from person_id_history"
        ).fetchall()
    assert report == [
        ("ER_PRS_F", "ambiguous", "ambiguous_renewal", 1, 0.167),
        ("ER_PRS_F", "fictitious", "fictitious", 1, 0.167),
        ("ER_PRS_F", "linked", "linked", 2, 0.333),
        ("ER_PRS_F", "sentinel", "sentinel_key", 1, 0.167),
        ("ER_PRS_F", "unlinked", "not_in_referential", 1, 0.167),
        ("KI_CCI_R", "linked", "linked", 1, 1.0),
        ("T_MCOaaB", "ambiguous", "ambiguous_psa", 1, 0.5),
        ("T_MCOaaB", "linked", "linked", 1, 0.5),
        ("T_RIPaaR3A", "unlinked", "local_patient", 1, 1.0),
    ]
    assert ann == [(day("2020-06-01"), 2020)]
    assert history == [(pseudonym("id ann"), pseudonym("id ann new"), "renewed", "crosswalk")]
