"""Marts and releases served from a real PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from postgres_server import PASSWORD, SETTINGS, Server, running
from small_deliveries import openchronic
from test_gateway_access import base, declare, project, rows

from openchronic_assets.access import audit
from openchronic_assets.exports import postgres
from openchronic_assets.settings import Home

# A server is made for them: make test does without.
long = pytest.mark.long
psycopg = pytest.importorskip("psycopg")
__all__ = ["base"]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as found:
        yield found


@pytest.fixture
def database(server: Server, request: pytest.FixtureRequest) -> Iterator[str]:
    """A new database, with logins for two people."""
    name = f"t{abs(hash(request.node.name)) % 10**8}"
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute(f"create database {name}")
        for user in ("alice", "bob"):
            known = admin.execute("select 1 from pg_roles where rolname = %s", [user]).fetchone()
            if not known:
                admin.execute(f"create role {user} login password '{PASSWORD}'")
    yield name
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute(f"drop database {name} with (force)")
        for (role,) in admin.execute(
            "select rolname from pg_roles where rolname like 'openchronic%'"
        ).fetchall():
            admin.execute(f"drop role {role}")


def released(home: Home, version: str = "2019-abc") -> None:
    folder = home.release / version
    folder.mkdir()
    (folder / "people_by_region.csv").write_text("region,people\n84,12\n93,\n")
    (folder / "report.json").write_text(json.dumps({"version": version}))


def asked(server: Server, database: str, user: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(server.dsn(user, database)) as connection:
        found: list[tuple[Any, ...]] = connection.execute(query).fetchall()
        return found


def published(home: Home, server: Server, database: str, **more: Any) -> dict[str, Any]:
    return postgres.publish(home, server.dsn(database=database), **more)


@pytest.fixture
def served(base: Home, server: Server, database: str, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr(postgres, "_newest_release", lambda home: "2019-abc")
    released(base)
    declare(base, study=project(users=["alice", "carol"], departments=["29"]))
    said = published(base, server, database)
    assert said["projects"]["study"]["open"] and said["people_without_login"] == ["carol"]
    with psycopg.connect(server.dsn(database=database), autocommit=True) as admin:
        admin.execute("grant openchronic_release to bob")
    return base


@long
def test_the_database_shows_what_the_gateway_shows(
    served: Home, server: Server, database: str
) -> None:
    for identifier in ("none", "care_date"):
        users = ["alice", audit.account()]
        declare(served, study=project(users=users, departments=["29"], identifier=identifier))
        tables = published(served, server, database)["projects"]["study"]["tables"]
        assert {"care_event", "person", "hospital_stay"} <= set(tables)
        assert not {"person_id_history", "no_year", "survival_curve"} & set(tables)
        for table in tables:
            by_gateway = rows(served, f"from {table} order by all")
            by_database = asked(server, database, "alice", f"table project_study.{table}")
            plain = [[str(v) for v in row] for row in by_gateway]
            assert sorted(plain) == sorted([str(v) for v in row] for row in by_database), table


@long
def test_readers_reach_their_schema_and_nothing_else(
    served: Home, server: Server, database: str
) -> None:
    assert asked(server, database, "alice", "select code from project_study.care_event") == [("A",)]
    assert asked(server, database, "bob", "table release.people_by_region") == [
        ("84", "12"), ("93", None)
    ]  # fmt: skip
    with psycopg.connect(server.dsn(database=database)) as admin:
        (loaded,) = admin.execute(
            "select nspname from pg_namespace where nspname like 'oc_base%'"
        ).fetchone()
    for user, query in [
        ("bob", "table project_study.care_event"),
        ("alice", "table release.people_by_region"),
        ("alice", f"table {loaded}.care_event"),
        ("alice", "create table public.t (a int)"),
        ("alice", "create temp table t (a int)"),
        ("alice", "create schema s"),
        ("alice", "delete from project_study.care_event"),
        ("alice", "set log_statement = 'none'"),
        ("alice", "set auto_explain.log_min_duration = -1"),
        ("alice", "set session_preload_libraries = ''"),
        ("alice", "set role admin"),
        ("alice", "copy (select 1) to '/tmp/planted.csv'"),
        ("alice", "select pg_read_file('/etc/passwd')"),
    ]:
        with pytest.raises(psycopg.Error):
            asked(server, database, user, query)


@long
def test_access_closes_at_the_end_date_by_itself_and_at_the_next_publication(
    served: Home, server: Server, database: str
) -> None:
    # The view itself holds the dates.
    declare(served, study=project(users=["alice"], ends=date(2020, 12, 31)))
    said = published(served, server, database, today=date(2020, 6, 1))
    assert said["projects"]["study"]["open"]
    assert asked(server, database, "alice", "table project_study.care_event") == []
    # The role goes at the next publication.
    assert not published(served, server, database)["projects"]["study"]["open"]
    with pytest.raises(psycopg.Error):
        asked(server, database, "alice", "table project_study.care_event")
    # And a person taken out of the project.
    declare(served, study=project(users=["alice"]))
    published(served, server, database)
    assert asked(server, database, "alice", "select count(*) from project_study.person") == [(2,)]
    declare(served, other=project(users=["bob"]))
    published(served, server, database)
    with pytest.raises(psycopg.Error):
        asked(server, database, "alice", "table project_study.person")


@long
def test_every_query_reaches_the_journal_with_its_tables_and_rows(
    served: Home, server: Server, database: str
) -> None:
    with psycopg.connect(server.dsn("alice", database)) as connection:
        connection.execute("select code from project_study.care_event").fetchall()
        with connection.cursor().copy("copy (table project_study.person) to stdout") as copy:
            list(copy)
        connection.execute("do $$ begin perform code from project_study.care_event; end $$")
    with pytest.raises(psycopg.Error):
        asked(server, database, "alice", "select wanting from project_study.person")
    postgres.collect(served, server.log)
    taken = [e for e in audit.entries(served) if e.get("endpoint") == "postgresql"]
    mine = [e for e in taken if e["user"] == "alice" and e["database"] == database]
    assert [(e["event"], e.get("rows")) for e in mine] == [
        ("query", 1), ("query", 1), ("query", 1), ("query_refused", None)
    ]  # fmt: skip
    assert mine[0]["query"] == "select code from project_study.care_event"
    assert mine[0]["tables"] == ["care_event", "person_year"]
    again = postgres.collect(served, server.log)
    assert again == {"queries": 0, "refused": 0}
    assert len([e for e in audit.entries(served) if e.get("database") == database]) >= 4
    assert len(audit.entries(served)) == len(
        {e.get("line", e["seq"]) for e in audit.entries(served)}
    )
    assert PASSWORD not in server.log.read_text() + audit.path_of(served).read_text()


@long
def test_a_new_build_replaces_the_old_one_whole(
    served: Home, server: Server, database: str
) -> None:
    manifest = json.loads(served.pointer.read_text())
    manifest["build_id"] = "c"
    del manifest["models"]["hospital_stay"]
    served.pointer.write_text(json.dumps(manifest))
    assert "hospital_stay" not in published(served, server, database)["projects"]["study"]["tables"]
    with psycopg.connect(server.dsn(database=database)) as admin:
        found = admin.execute(
            "select count(*) from pg_namespace where nspname like 'oc_base%'"
        ).fetchone()
    assert found == (1,)


@long
def test_an_account_with_powers_is_not_let_in(served: Home, server: Server, database: str) -> None:
    declare(served, study=project(users=["admin"]))
    with pytest.raises(postgres.Refused, match="administrator"):
        published(served, server, database)
    # What was served before still is.
    assert asked(server, database, "alice", "select count(*) from project_study.person") == [(1,)]


@long
def test_a_database_that_does_not_log_gets_no_individual_data(
    base: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(base, study=project(users=["alice"]))
    quiet = SETTINGS.replace("logging_collector = on", "").replace("jsonlog", "stderr")
    with running(quiet) as server:
        with pytest.raises(postgres.Refused, match="logging_collector = on; log_destination"):
            published(base, server, "postgres")
        with psycopg.connect(server.dsn()) as admin:
            assert admin.execute(
                "select count(*) from pg_namespace where nspname like 'oc_%'"
            ).fetchone() == (0,)


@pytest.mark.parametrize(
    "dsn",
    ["postgresql://u:{secret}@127.0.0.1:1/x", "host=127.0.0.1 port=1 password={secret} oops",
     "postgresql://u:{secret}@[bad/x"],
)  # fmt: skip
def test_a_password_is_in_no_message(base: Home, dsn: str, tmp_path: Path) -> None:
    declare(base, study=project())
    secret = "planted-password-in-a-dsn"
    said = openchronic("publish", "postgres", "--dsn", dsn.format(secret=secret),
                       "--home", base.root, "--json")  # fmt: skip
    assert said.code == 2
    assert secret not in said.out + said.err
    found = [p for p in base.root.rglob("*") if p.is_file() and secret.encode() in p.read_bytes()]
    assert found == []


def test_the_newest_release_is_the_last_published_not_the_last_by_name(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    from openchronic_assets.anonymisation import release

    listed = [{"version": f"2019-{name}", "state": "release"} for name in "ab"]
    monkeypatch.setattr(release, "list_releases", lambda home: listed)
    for name in ("b", "a"):
        audit.record(home, "published", version=f"2019-{name}")
    assert postgres._newest_release(home) == "2019-a"


def test_with_nothing_to_serve_it_says_so(home: Home) -> None:
    with pytest.raises(postgres.UsageError, match="nothing to serve"):
        postgres.publish(home, "postgresql://127.0.0.1:1/x")
