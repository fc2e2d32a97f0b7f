"""The secure mode: who sees which rows and columns, on a small base made by hand."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from small_deliveries import openchronic

from openchronic_assets.access import audit
from openchronic_assets.access import server as gateway_server
from openchronic_assets.access.projects import Access, load
from openchronic_assets.access.server import Gateway, answer, ask
from openchronic_assets.anonymisation import journal
from openchronic_assets.errors import OpenChronicError, Refused, UsageError
from openchronic_assets.settings import Home

TODAY = date.today()
PEOPLE = """select * from (values
    ('p1', 2019, '29', '1', date '2019-06-15'), ('p1', 2020, '35', '1', date '2019-06-15'),
    ('p2', 2019, '35', '2', null), ('p2', 2020, '35', '2', null), ('p3', 2018, '29', '2', null)
) t(person_id, year, department, sex, death_date)"""
CARE = """select * from (values
    ('p1', 2019, date '2019-03-17', 'A'), ('p1', 2020, date '2020-04-18', 'B'),
    ('p2', 2019, date '2019-05-19', 'C'), (null, 2019, date '2019-07-20', 'D'),
    ('p3', 2018, date '2018-01-21', 'E')
) t(person_id, year, care_date, code)"""
TABLES = {
    "person_year": PEOPLE,
    "care_event": CARE,
    "person": "select * from (values ('p1', 7, 1950, '29012', date '2019-06-15'), "
    "('p2', 8, 1960, '35013', null), ('p3', 9, 1970, '29014', null)) "
    "t(person_id, birth_month, birth_year, commune, death_date)",
    "hospital_stay": "select 'p1' as person_id, 2019 as year, date '2019-02-03' as entry_date, "
    "date '2019-06-15' as discharge_date",
    "spend_item": "select * from (values (2019, '29', 12), (2019, '35', 13)) "
    "t(year, department, person_count)",
    "survival_curve": "select 2019 as year, 1.0 as survival",
    "person_id_history": "select 'a' as old_person_id, 'p1' as person_id",
    "no_year": "select 'p1' as person_id, date '2019-01-02' as some_date",
}


def project(**changes: Any) -> dict[str, Any]:
    return {
        "organisation": "Agence",
        "purpose": "Étude",
        "authorisation": "non communiquée",
        "starts": date(2020, 1, 1),
        "ends": date(2999, 12, 31),
        "users": [audit.account()],
        "first_year": 2019,
        "last_year": 2020,
        "departments": "all",
        "identifier": "none",
        **changes,
    }


def declare(home: Home, mode: str = "open", **projects: dict[str, Any]) -> Home:
    text = json.dumps({"mode": mode, "projects": projects}, default=str)
    (home.vault / "access.yaml").write_text(text, encoding="utf-8")
    return home


@pytest.fixture
def base(home: Home) -> Home:
    """A home whose marts are the tables above."""
    models = {}
    with duckdb.connect() as connection:
        for name, select in TABLES.items():
            path = home.builds / "b" / name / "part-0000.parquet"
            path.parent.mkdir(parents=True)
            connection.execute(f"copy ({select}) to '{path}' (format parquet)")
            file = path.relative_to(home.lake).as_posix()
            models[name] = {"kind": "history", "layer": "marts", "files": [file], "columns": []}
    home.pointer.write_text(json.dumps({"build_id": "b", "models": models}))
    return home


def rows(home: Home, query: str, **asked: Any) -> list[list[Any]]:
    found: list[list[Any]] = answer(home, audit.account(), query, **asked)["rows"]
    return found


# --- rows and columns ---------------------------------------------------------------------------


def test_dates_births_and_communes_are_coarsened_but_the_one_allowed(base: Home) -> None:
    asked = "select birth_month, commune, death_date, birth_year from person where person_id = 'p1'"
    care = "select care_date from care_event where code = 'A'"
    death = date(2019, 1, 1)
    seen = {
        "none": ([None, None, death, 1950], date(2019, 3, 1)),
        "birth_month": ([7, None, death, 1950], date(2019, 3, 1)),
        "commune": ([None, "29012", death, 1950], date(2019, 3, 1)),
        "death_date": ([None, None, date(2019, 6, 15), 1950], date(2019, 3, 1)),
        "care_date": ([None, None, death, 1950], date(2019, 3, 17)),
    }
    for identifier, (person, cared) in seen.items():
        declare(base, study=project(identifier=identifier))
        assert rows(base, asked) == [person], identifier
        assert rows(base, care) == [[cared]], identifier


def test_a_discharge_which_may_be_a_death_stays_coarse_beside_exact_care(base: Home) -> None:
    declare(base, study=project(identifier="care_date"))
    asked = "select entry_date, discharge_date from hospital_stay"
    assert rows(base, asked) == [[date(2019, 2, 3), date(2019, 6, 1)]]


def test_years_and_territory_bound_the_rows(base: Home) -> None:
    care = "select code from care_event order by all"
    declare(base, study=project())
    assert rows(base, care) == [["A"], ["B"], ["C"], ["D"]]
    declare(base, study=project(first_year=2018, last_year=2018))
    assert rows(base, care) == [["E"]]
    # p1 lived in 29 in 2019 and left: the care of 2020 is another territory's.
    declare(base, study=project(departments=["29"]))
    assert rows(base, care) == [["A"]]
    assert rows(base, "select person_id from person") == [["p1"]]
    assert rows(base, "select department, person_count from spend_item") == [["29", 12]]
    declare(base, study=project(departments=["75"]))
    assert rows(base, "select count(*) from person") == [[0]]


@pytest.mark.parametrize("table", ["person_id_history", "no_year"])
def test_a_table_that_cannot_be_bounded_is_closed(base: Home, table: str) -> None:
    declare(base, study=project())
    with pytest.raises(Refused, match="not open"):
        rows(base, f"select * from {table}")


def test_a_count_of_the_country_is_closed_to_a_territory(base: Home) -> None:
    asked = "select count(*) from survival_curve"
    declare(base, study=project())
    assert rows(base, asked) == [[1]]
    declare(base, study=project(departments=["29"]))
    with pytest.raises(Refused, match="not open"):
        rows(base, asked)


def attacks(home: Home) -> list[str]:
    file = home.builds / "b" / "person" / "part-0000.parquet"
    return [
        f"select * from '{file}'",
        f"select * from read_parquet('{file}')",
        f'with "{file}" as (select 1) select * from "{file}"',
        f"""with x as (with "{file}" as (select 1) select 1) select * from "{file}" """,
        "with x as (with duckdb_views as (select 1) select 1) select sql from duckdb_views",
        f"select (select max(content) from read_text('{home.vault}/access.yaml'))",
        "select * from query('select 1')",
        "select * from query_table('person')",
        "select * from duckdb_views()",
        "select * from information_schema.tables",
        "select * from pg_catalog.pg_views",
        "select * from memory.main.person, sqlite_master",
        "select * from glob('/*')",
        "copy (select * from person) to '/tmp/x.csv'",
        "attach '/tmp/x.db'",
        "set enable_external_access = true",
        "install httpfs",
        "select 1; select 2",
        "create table t as select 1",
        "pragma database_list",
        "describe person",
        "select getenv('HOME')",
        "from base",
        "select * from home",
        "",
    ]


def test_nothing_but_the_open_tables_is_within_reach(base: Home) -> None:
    declare(base, study=project())
    for attack in attacks(base):
        with pytest.raises((Refused, UsageError)):
            rows(base, attack)
    written = journal.read(audit.path_of(base))
    assert len(written) == len(attacks(base))
    assert {each["event"] for each in written} == {"query_refused"}


def test_ordinary_sql_is_answered(base: Home) -> None:
    declare(base, study=project())
    for query, found in {
        "with c as (select * from care_event) select count(*) from c": 4,
        "with recursive r(n) as (select 1 union all select n + 1 from r where n < 3) "
        "select max(n) from r": 3,
        "select count(*) from person p join care_event using (person_id)": 3,
        "select count(*) from range(5) t(i) where exists (select 1 from main.person)": 5,
        "select sum(n) from (select count(*) n from PERSON union all select 1)": 3,
        "select max(x) from (select unnest([1, 2]) x)": 2,
    }.items():
        assert rows(base, query) == [[found]], query


def test_an_error_quotes_no_value(base: Home) -> None:
    declare(base, study=project())
    with pytest.raises(UsageError) as said:
        rows(base, "select cast(code as integer) from care_event")
    assert "'A'" not in str(said.value) and "parquet" not in str(said.value)


# --- who and until when -------------------------------------------------------------------------


def test_a_question_has_bounds_of_memory_and_disk_and_spills_in_the_home(
    base: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(base, study=project())
    monkeypatch.chdir(tmp_path)
    people = rows(base, "select count(*) from person")[0][0]
    before = set(tmp_path.iterdir())
    monkeypatch.setattr(gateway_server, "MOST_MEMORY", "30MB")
    query = "select count(*) from (select distinct hash(i), person_id from range({}) t(i), person)"
    monkeypatch.setattr(gateway_server, "MOST_SPILLED", "2GB")
    assert rows(base, query.format(800_000)) == [[800_000 * people]]
    monkeypatch.setattr(gateway_server, "MOST_SPILLED", "1MB")
    with pytest.raises(UsageError, match="needs more than 30MB of memory and 1MB of disk"):
        rows(base, query.format(8_000_000))
    assert set(tmp_path.iterdir()) == before and list(base.scratch.glob("spill-*")) == []


def test_access_closes_at_expiry_and_names_why(base: Home) -> None:
    declare(base, study=project(ends=TODAY))
    assert rows(base, "select count(*) from person") == [[2]]
    declare(base, study=project(ends=date(2020, 12, 31)))
    with pytest.raises(Refused, match="no open project"):
        rows(base, "select 1")
    with pytest.raises(Refused, match="ran from 2020-01-01 to 2020-12-31"):
        rows(base, "select 1", named="study")
    declare(base, study=project(starts=date(2998, 1, 1)))
    with pytest.raises(Refused, match="closed|no open project"):
        rows(base, "select 1")


def test_nobody_undeclared_is_answered(base: Home) -> None:
    with pytest.raises(Refused, match="no project"):
        rows(base, "select 1")
    declare(base, study=project(users=["somebody"]))
    with pytest.raises(Refused, match="no open project"):
        rows(base, "select 1")
    with pytest.raises(Refused, match="not in the project"):
        rows(base, "select 1", named="study")


def test_of_several_projects_one_is_named(base: Home) -> None:
    declare(base, a=project(departments=["29"]), b=project(departments=["35"]))
    with pytest.raises(Refused, match="--as: a, b"):
        rows(base, "select 1")
    asked = "select count(*) from person"
    assert (rows(base, asked, named="a"), rows(base, asked, named="b")) == ([[1]], [[2]])


def wrong(**changes: Any) -> dict[str, Any]:
    return {"projects": {"study": project(**changes)}}


@pytest.mark.parametrize(
    "declared",
    [
        wrong(identifier="everything"),
        wrong(identifier=["care_date", "birth_month"]),
        wrong(departments=[]),
        wrong(departments=["29') or ('1'='1"]),
        wrong(ends=date(2019, 1, 1)),
        wrong(last_year=2018),
        wrong(users=["a; drop role b"]),
        wrong(users=["a", "A"]),
        wrong(purpose=""),
        wrong(extra=1),
        {"projects": {"Study": project()}},
        {"projects": {"x y": project()}},
        {"mode": "closed"},
        {
            "projects": {
                "a": project(identifier="care_date"),
                "b": project(identifier="birth_month"),
            }
        },
    ],
    ids=str,
)
def test_a_declaration_that_is_wrong_opens_nothing(base: Home, declared: dict[str, Any]) -> None:
    (base.vault / "access.yaml").write_text(json.dumps(declared, default=str))
    with pytest.raises(UsageError, match="nothing is open"):
        rows(base, "select 1")


def test_two_identifiers_may_follow_one_another(base: Home) -> None:
    Access.model_validate(
        {
            "projects": {
                "a": project(identifier="care_date", ends=date(2020, 12, 31)),
                "b": project(identifier="birth_month", starts=date(2021, 1, 1)),
            }
        }
    )


# --- the server ---------------------------------------------------------------------------------


@pytest.fixture
def serving(
    base: Home, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Home]]:
    monkeypatch.setenv(gateway_server.SOCKET_VARIABLE, str(tmp_path_factory.mktemp("g") / "g.sock"))
    with Gateway(base) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield lambda: base
        server.shutdown()
        thread.join()


def test_the_server_answers_the_account_behind_the_socket_and_journals(
    serving: Callable[[], Home],
) -> None:
    home = declare(serving(), "secure", study=project())
    assert ask(home, "select count(*) from person")[1] == [(2,)]
    assert oct(gateway_server.socket_path(home).stat().st_mode)[-3:] == "660"
    said = openchronic("sql", "select code from care_event order by 1", "--csv", "--as", "study",
                       "--home", home.root)  # fmt: skip
    assert said.out == "code\nA\nB\nC\nD\n"
    last = journal.read(audit.path_of(home))[-1]
    assert (last["user"], last["project"], last["tables"], last["rows"], last["export"]) == (
        audit.account(), "study", ["care_event"], 4, True,
    )  # fmt: skip
    refused = openchronic("sql", "select * from person_id_history", "--home", home.root, "--json")
    assert refused.code == 3
    declare(home, "secure", study=project(users=["other"]))
    with pytest.raises(Refused):
        ask(home, "select 1")


def test_an_answer_that_cannot_be_journalled_does_not_leave(
    serving: Callable[[], Home], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = declare(serving(), "secure", study=project())
    ask(home, "select 1")
    text = audit.path_of(home).read_text().replace('"rows": 1', '"rows": 0')
    audit.path_of(home).write_text(text)
    with pytest.raises(OpenChronicError, match="broken"):
        ask(home, "select count(*) from person")


def test_secure_mode_has_no_way_round_the_server(
    base: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(gateway_server.SOCKET_VARIABLE, raising=False)
    declare(base, "secure", study=project())
    said = openchronic("sql", "select 1", "--home", base.root)
    assert said.code == 1 and "no gateway answers" in said.err
    said = openchronic("gateway", "--home", base.root)
    assert said.code == 3 and "chmod 700" in said.err


def test_nonsense_on_the_socket_gets_an_error_and_the_server_lives(
    serving: Callable[[], Home],
) -> None:
    import socket

    home = declare(serving(), "secure", study=project())
    for line in (b"\n", b"[]\n", b"{}\n", b"\xff\n", b'{"query": 3}\n', b"x" * 300_000 + b"\n"):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(gateway_server.socket_path(home)))
            try:
                client.sendall(line)
                assert b"error" in client.makefile("rb").readline()
            except (BrokenPipeError, ConnectionResetError):
                pass
    assert ask(home, "select 1")[1] == [(1,)]


def test_declarations_are_read_as_yaml(home: Home, tmp_path: Path) -> None:
    assert load(home) is None
    (home.vault / "access.yaml").write_text("projects: [")
    with pytest.raises(UsageError, match="not YAML"):
        load(home)
