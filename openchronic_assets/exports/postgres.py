"""Marts and releases served from PostgreSQL for a team.

A whole build is loaded into a schema of its own that no reader may enter, then one transaction
replaces the schemas that readers see: ``release`` (tables of the newest release, for the role
``openchronic_release``) and one ``project_<name>`` a project of ``vault/access.yaml``, whose views
show its columns and rows (``access/projects.py``) to the role of the same name. Views carry the
project's dates: access closes at expiry without anybody doing anything.

Individual data are served only by a database that logs every statement of every session, with the
plan that says which tables were read and how many rows came out; ``openchronic audit collect``
takes those logs into the journal.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from openchronic_assets import duck
from openchronic_assets.access import audit
from openchronic_assets.access.projects import Access, Columns, load, shown, view_sql
from openchronic_assets.errors import OpenChronicError, Refused, UsageError
from openchronic_assets.settings import Home
from openchronic_assets.warehouse.builds import files, read_manifest
from openchronic_assets.warehouse.raw import read_parquet

if TYPE_CHECKING:
    import psycopg

RELEASE_ROLE = "openchronic_release"
PROJECT_PREFIX = "openchronic_project_"
APPLICATION = "openchronic publish"

# What a database that serves individual data must do in every session.
_LOGGED = {
    "log_statement": "all",
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_format": "json",
    "auto_explain.log_nested_statements": "on",
}
_TYPES = {
    "VARCHAR": "text", "BOOLEAN": "boolean", "TINYINT": "smallint", "SMALLINT": "smallint",
    "INTEGER": "integer", "BIGINT": "bigint", "HUGEINT": "numeric(39)", "UTINYINT": "smallint",
    "USMALLINT": "integer", "UINTEGER": "bigint", "UBIGINT": "numeric(20)", "FLOAT": "real",
    "DOUBLE": "double precision", "DATE": "date", "TIMESTAMP": "timestamp",
}  # fmt: skip


def publish(home: Home, dsn: str, today: date | None = None) -> dict[str, Any]:
    """Serve the newest release, and the base to declared projects, from one database.

    Args:
        home: what is served.
        dsn: connection string of an account that may make schemas and roles there.
        today: day on which projects are open.

    Returns:
        ``release`` (its version and tables), ``projects`` (role, tables, people, whether open),
        ``people_without_login``.

    Raises:
        Refused: projects are declared and the database does not log what they ask.
        UsageError: there is nothing to serve, or no such database.
    """
    today = today or date.today()
    access = load(home)
    version = _newest_release(home)
    manifest = read_manifest(home)
    serves_base = access is not None and bool(access.projects) and manifest is not None
    if version is None and not serves_base:
        raise UsageError(
            "there is nothing to serve: no release, and no build with a project in "
            "vault/access.yaml"
        )
    with _connected(dsn) as connection:
        connection.execute("select pg_advisory_lock(hashtext('openchronic publish'))")
        _own_database(connection)
        if serves_base:
            _require_logging(connection)
        released = _load_release(connection, home, version) if version else {}
        loaded = _load_base(connection, home, manifest) if serves_base and manifest else {}
        with connection.transaction():
            said = _swap(connection, home, access, version, released, loaded, manifest, today)
        _drop_old(connection)
    audit.record(
        home,
        "postgres_published",
        release=version,
        build=manifest["build_id"] if loaded and manifest else None,
        projects=sorted(said["projects"]),
    )
    return said


# --- connection ---------------------------------------------------------------------------------


@contextmanager
def _connected(dsn: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    try:
        import psycopg
    except ImportError:
        raise OpenChronicError(
            "the PostgreSQL client is not installed: pip install 'openchronic[postgres]'"
        ) from None
    try:
        connection = psycopg.connect(dsn, autocommit=True, application_name=APPLICATION)
    except psycopg.Error:
        # Its text may quote the connection string, password included.
        raise UsageError(
            "the database does not answer to --dsn: check host, port, name and account (a password "
            "is better left to PGPASSFILE or PGPASSWORD)"
        ) from None
    try:
        with connection:
            yield connection
    except psycopg.Error as error:
        said = error.diag.message_primary if error.sqlstate and error.sqlstate[:2] == "42" else ""
        raise OpenChronicError(
            f"PostgreSQL refused ({type(error).__name__}, {error.sqlstate}{': ' if said else ''}"
            f"{said or ''}): readers still see what they saw before"
        ) from None


def _own_database(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Take from everybody what a new database gives to everybody."""
    name = _scalar(connection, "select current_database()")
    connection.execute(f"revoke all on database {_quoted(name)} from public")
    connection.execute("revoke all on schema public from public")
    _role(connection, RELEASE_ROLE)
    connection.execute(f"grant connect on database {_quoted(name)} to {RELEASE_ROLE}")


def _require_logging(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Have every session of the database logged, or refuse to serve individual data from it."""
    import psycopg

    name = _quoted(_scalar(connection, "select current_database()"))
    wanting = [
        f"{setting} = {' or '.join(good)}"
        for setting, good in {"logging_collector": ("on",)}.items()
        if _scalar(connection, f"show {setting}") not in good
    ]
    if "jsonlog" not in _scalar(connection, "show log_destination"):
        wanting.append("log_destination = jsonlog")
    found = connection.execute(
        "select coalesce(setconfig, '{}') from pg_db_role_setting s join pg_database d on "
        "d.oid = s.setdatabase where s.setrole = 0 and d.datname = current_database()"
    ).fetchone()
    have = dict(each.split("=", 1) for each in (found[0] if found else []))
    for setting, value in _LOGGED.items():
        if have.get(setting) == value:
            continue
        try:
            connection.execute(f"alter database {name} set {setting} = '{value}'")
        except psycopg.errors.InsufficientPrivilege:
            wanting.append(f"alter database {name} set {setting} = '{value}'")
    if wanting:
        raise Refused(
            "individual data are served only where every query is logged; nothing was served. Have "
            f"an administrator of the server set: {'; '.join(wanting)}"
        )
    # A setting of one account would win over the database's.
    quiet = connection.execute(
        "select r.rolname from pg_db_role_setting s join pg_roles r on r.oid = s.setrole, "
        "unnest(s.setconfig) as c where split_part(c, '=', 1) = any(%s)",
        [list(_LOGGED)],
    ).fetchall()
    if quiet:
        raise Refused(
            "an account has its own settings of the log, which win over the database's: alter role "
            f"{', '.join(sorted({str(row[0]) for row in quiet}))} reset all"
        )


# --- loading ------------------------------------------------------------------------------------


def _newest_release(home: Home) -> str | None:
    from openchronic_assets.anonymisation.release import list_releases

    released = {each["version"] for each in list_releases(home) if each["state"] == "release"}
    # Versions are named after their year and content: the journal knows which came last.
    published = [
        str(each["version"])
        for each in audit.entries(home)
        if each["event"] == "published" and each.get("version") in released
    ]
    return published[-1] if published else max(released, default=None)


def _load_release(
    connection: psycopg.Connection[tuple[Any, ...]], home: Home, version: str
) -> dict[str, str]:
    """Load the tables of a release, which never changes: once."""
    folder = home.release / version
    # Of a table in two forms, the typed one.
    found = {
        path.stem: path for suffix in ("csv", "parquet") for path in folder.glob(f"*.{suffix}")
    }
    sources = {
        name: read_parquet([path])
        if path.suffix == ".parquet"
        else f"read_csv({_literal(str(path))}, all_varchar = true)"
        for name, path in sorted(found.items())
    }
    mark = hashlib.sha256(version.encode()).hexdigest()[:12]
    return _load(connection, home, f"oc_release_{mark}", sources)


def _load_base(
    connection: psycopg.Connection[tuple[Any, ...]], home: Home, manifest: Mapping[str, Any]
) -> dict[str, str]:
    sources = {
        name: read_parquet(files(home, name))
        for name, entry in manifest["models"].items()
        if entry["layer"] == "marts"
    }
    mark = hashlib.sha256(
        json.dumps([manifest["build_id"], manifest["models"]], sort_keys=True).encode()
    ).hexdigest()[:12]
    return _load(connection, home, f"oc_base_{mark}", sources)


def _load(
    connection: psycopg.Connection[tuple[Any, ...]],
    home: Home,
    schema: str,
    sources: Mapping[str, str],
) -> dict[str, str]:
    """Load tables into a schema, in one transaction, unless it is there; return their names."""
    names = {name: f"{schema}.{_quoted(name)}" for name in sources}
    if _scalar(connection, "select to_regnamespace(%s) is not null", schema):
        return names
    scratch = home.scratch / f"postgres-{uuid.uuid4().hex}"
    scratch.mkdir(mode=0o700, parents=True)
    try:
        with connection.transaction(), duck.connect() as source:
            source.execute("set threads = 2")
            connection.execute(f"create schema {schema}")
            for name, relation in sources.items():
                _copy(connection, source, relation, names[name], scratch / "rows.csv")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    connection.execute(f"analyze {', '.join(names.values())}" if names else "select 1")
    return names


def _copy(
    connection: psycopg.Connection[tuple[Any, ...]],
    source: duckdb.DuckDBPyConnection,
    relation: str,
    table: str,
    path: Path,
) -> None:
    columns = [(row[0], row[1]) for row in source.execute(f"describe from {relation}").fetchall()]
    declared = ", ".join(f"{_quoted(name)} {_type(kind)}" for name, kind in columns)
    connection.execute(f"create table {table} ({declared})")
    # NULL as a word of its own, so that an empty text stays one.
    source.execute(
        f"copy (from {relation}) to {_literal(str(path))} (format csv, header false, nullstr '\\N')"
    )
    with (
        path.open("rb") as stream,
        connection.cursor() as cursor,
        cursor.copy(f"copy {table} from stdin (format csv, null '\\N')") as copy,
    ):
        while block := stream.read(1 << 20):
            copy.write(block)
    path.unlink()


def _type(kind: str) -> str:
    if kind.startswith("DECIMAL"):
        return kind.replace("DECIMAL", "numeric")
    return _TYPES.get(kind, "text")


# --- what readers see ---------------------------------------------------------------------------


def _swap(
    connection: psycopg.Connection[tuple[Any, ...]],
    home: Home,
    access: Access | None,
    version: str | None,
    released: Mapping[str, str],
    loaded: Mapping[str, str],
    manifest: Mapping[str, Any] | None,
    today: date,
) -> dict[str, Any]:
    connection.execute("drop schema if exists release cascade")
    if version:
        connection.execute("create schema release")
        for name, table in released.items():
            connection.execute(f"create view release.{_quoted(name)} as select * from {table}")
        connection.execute(
            f"create view release.version as select {_literal(version)}::text as version"
        )
        connection.execute(f"grant usage on schema release to {RELEASE_ROLE}")
        connection.execute(f"grant select on all tables in schema release to {RELEASE_ROLE}")
    projects = access.projects if access and loaded else {}
    for schema in _names(connection, "select nspname from pg_namespace", r"project_[a-z0-9_]+"):
        connection.execute(f"drop schema {_quoted(schema)} cascade")
    logins = {
        str(name): bool(able)
        for name, able in connection.execute(
            "select rolname, rolsuper or rolcreaterole or rolreplication "
            "or pg_has_role(oid, 'pg_read_all_data', 'member') "
            "or pg_has_role(oid, 'pg_read_server_files', 'member') "
            "or pg_has_role(oid, 'pg_execute_server_program', 'member') "
            "from pg_roles where rolcanlogin"
        ).fetchall()
    }
    database = _quoted(_scalar(connection, "select current_database()"))
    columns: dict[str, Columns] = {}
    with duck.connect() as source:
        for name in loaded if projects else ():
            described = source.execute(f"describe from {read_parquet(files(home, name))}")
            columns[name] = [(row[0], row[1]) for row in described.fetchall()]
    told: dict[str, Any] = {}
    missing: set[str] = set()
    for name, project in projects.items():
        role, schema = f"{PROJECT_PREFIX}{name}", _quoted(f"project_{name}")
        _role(connection, role)
        connection.execute(f"create schema {schema}")
        tables = sorted(shown(project, columns))
        for table in tables:
            select = view_sql(project, table, columns[table], loaded[table], loaded["person_year"])
            connection.execute(
                f"create view {schema}.{_quoted(table)} with (security_barrier) as {select}"
            )
        is_open = project.is_open(today)
        if is_open:
            connection.execute(f"grant connect on database {database} to {_quoted(role)}")
            connection.execute(f"grant usage on schema {schema} to {_quoted(role)}")
            connection.execute(f"grant select on all tables in schema {schema} to {_quoted(role)}")
        else:
            connection.execute(f"revoke connect on database {database} from {_quoted(role)}")
        for user in project.users:
            if logins.get(user):
                raise Refused(
                    f"the database account {user} of the project {name} is an administrator, who "
                    "sees everything and may stop the log: give the person another account"
                )
        _members(connection, role, [u for u in project.users if is_open and u in logins])
        missing |= {user for user in project.users if user not in logins}
        told[name] = {
            "role": role, "tables": tables, "users": project.users, "open": is_open,
            "ends": project.ends.isoformat(),
        }  # fmt: skip
    gone = _names(connection, "select rolname from pg_roles", rf"{PROJECT_PREFIX}[a-z0-9_]+")
    for role in gone:
        if role.removeprefix(PROJECT_PREFIX) not in projects:
            _members(connection, role, [])
            connection.execute(f"drop owned by {_quoted(role)}")
            connection.execute(f"drop role {_quoted(role)}")
    return {
        "release": {"version": version, "tables": sorted(released)},
        "build": manifest["build_id"] if loaded and manifest else None,
        "projects": told,
        "people_without_login": sorted(missing),
    }


def _members(connection: psycopg.Connection[tuple[Any, ...]], role: str, wanted: list[str]) -> None:
    """Make some logins the members of a role, and nobody else."""
    found = {
        str(row[0])
        for row in connection.execute(
            "select m.rolname from pg_auth_members a join pg_roles r on r.oid = a.roleid "
            "join pg_roles m on m.oid = a.member where r.rolname = %s and m.rolcanlogin "
            "and m.rolname <> current_user",
            [role],
        ).fetchall()
    }
    for user in sorted(found - set(wanted)):
        connection.execute(f"revoke {_quoted(role)} from {_quoted(user)}")
    for user in sorted(set(wanted) - found):
        connection.execute(f"grant {_quoted(role)} to {_quoted(user)}")


def _drop_old(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Drop the loaded schemas that no view reads any more."""
    used = {
        str(row[0])
        for row in connection.execute(
            "select distinct table_schema from information_schema.view_table_usage"
        ).fetchall()
    }
    every = _names(connection, "select nspname from pg_namespace", r"oc_(base|release)_[0-9a-f]+")
    for schema in every:
        if schema not in used:
            connection.execute(f"drop schema {_quoted(schema)} cascade")


def _role(connection: psycopg.Connection[tuple[Any, ...]], name: str) -> None:
    if not _scalar(connection, "select exists (select from pg_roles where rolname = %s)", name):
        connection.execute(f"create role {_quoted(name)} nologin")


def _names(connection: psycopg.Connection[tuple[Any, ...]], query: str, pattern: str) -> list[str]:
    return [
        str(row[0])
        for row in connection.execute(query.encode()).fetchall()
        if re.fullmatch(pattern, str(row[0]))
    ]


def _scalar(connection: psycopg.Connection[tuple[Any, ...]], query: str, *values: object) -> Any:
    row = connection.execute(query.encode(), values or None).fetchone()
    return row[0] if row else None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


# --- what was asked -----------------------------------------------------------------------------


def collect(home: Home, log: Path) -> dict[str, int]:
    """Take the queries of a PostgreSQL log (``jsonlog``) into the journal.

    Where the last collection of that file ended is in the journal itself, so that each line is
    taken once. The plan of ``auto_explain`` gives tables and rows; a statement that failed before
    it had a plan is taken as refused.

    Returns:
        ``queries`` and ``refused`` taken now.

    Raises:
        UsageError: the file cannot be read, or was cut since the last time.
    """
    try:
        data = log.read_bytes()
    except OSError as error:
        raise UsageError(f"{log} cannot be read ({error.strerror})") from None
    done = [
        each
        for each in audit.entries(home)
        if each["event"] == "postgres_log_collected" and each["log"] == log.name
    ]
    start = int(done[-1]["through"]) if done else 0
    if done and hashlib.sha256(data[:start]).hexdigest() != done[-1]["content_sha256"]:
        raise UsageError(
            f"{log.name} is not the file that was collected before: it was changed, or another one "
            "took its name; collect logs before they are rotated, under their own names"
        )
    end = data.rfind(b"\n") + 1
    taken = {"queries": 0, "refused": 0}
    # A kill may have fallen among the entries of a collection.
    known = {each.get("line") for each in audit.entries(home)}
    for line in data[start:end].splitlines():
        try:
            said = json.loads(line)
        except ValueError:
            raise UsageError(f"{log.name} is not a jsonlog of PostgreSQL") from None
        if said.get("application_name") == APPLICATION or not said.get("user"):
            continue
        message = str(said.get("message", ""))
        place = f"{said.get('session_id')}:{said.get('line_num')}"
        if place in known:
            continue
        facts = {"user": said["user"], "endpoint": "postgresql", "at": said.get("timestamp"),
                 "database": said.get("dbname"), "line": place}  # fmt: skip
        plan = message.partition("plan:\n")[2]
        if message.startswith("duration:") and plan:
            document = json.loads(plan)
            root = document["Plan"]
            audit.record(
                home, "query", **facts, query=document.get("Query Text", ""),
                tables=sorted(_relations(root)), rows=int(root.get("Actual Rows", 0)),
            )  # fmt: skip
            taken["queries"] += 1
        elif said.get("error_severity") == "ERROR" and said.get("statement"):
            audit.record(home, "query_refused", **facts, query=said["statement"],
                         error=said.get("state_code"))  # fmt: skip
            taken["refused"] += 1
    audit.record(
        home, "postgres_log_collected", log=log.name, through=end,
        content_sha256=hashlib.sha256(data[:end]).hexdigest(), **taken,
    )  # fmt: skip
    return taken


def _relations(plan: Mapping[str, Any]) -> set[str]:
    found = {str(plan["Relation Name"])} if "Relation Name" in plan else set()
    return found.union(*(_relations(each) for each in plan.get("Plans", [])))
