"""The gateway of the ``secure`` mode: one process that may read the base, and journals each query.

It listens on a Unix socket. The kernel says which account is on the other side (``SO_PEERCRED``);
the project of that account (:mod:`.projects`) says which columns and rows exist. A query sees
nothing but these: its text is parsed, each table it names must be one of the project's, and the
connection that runs it holds views of these alone, with its settings locked and no other file
within reach.

The answer leaves after its journal entry is on disk. Messages are one line of JSON each way.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import pwd
import re
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from openchronic_assets import duck
from openchronic_assets.access import audit
from openchronic_assets.access.projects import Columns, Project, load, shown, view_sql
from openchronic_assets.errors import OpenChronicError, Refused, UsageError
from openchronic_assets.settings import Home
from openchronic_assets.warehouse.builds import files, read_manifest
from openchronic_assets.warehouse.raw import read_parquet

SOCKET_VARIABLE = "OPENCHRONIC_GATEWAY"
MOST_BYTES = 200_000  # of a question
MOST_ROWS = 1_000_000  # of an answer
MOST_SECONDS = 600.0
AT_ONCE = 4
# Of one question: the others, and the runs, go on. What does not fit is spilled, and told beyond.
MOST_MEMORY = "2GB"
MOST_SPILLED = "20GB"

_TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest"})
# They tell of the server, not of the base.
_CLOSED_FUNCTIONS = frozenset({"getenv", "current_setting", "write_log"})
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def socket_path(home: Home) -> Path:
    """Return where the gateway of a home listens."""
    named = os.environ.get(SOCKET_VARIABLE)
    return Path(named) if named else home.root / "gateway" / "gateway.sock"


def marts(home: Home) -> dict[str, Columns]:
    """Return the tables that a project may see at most, with their columns.

    Raises:
        UsageError: nothing is built.
    """
    manifest = read_manifest(home)
    if manifest is None:
        raise UsageError(f"nothing is built in {home.root}; run: openchronic run --years A-B")
    return _marts(home, json.dumps([manifest["build_id"], manifest["models"]], sort_keys=True))


@functools.lru_cache(maxsize=2)
def _marts(home: Home, build: str) -> dict[str, Columns]:
    """Return the tables of one build: its files never change, and there are dozens to open."""
    found: dict[str, Columns] = {}
    with duck.connect() as connection:
        for name, entry in json.loads(build)[1].items():
            if entry["layer"] == "marts":
                described = connection.execute(f"describe from {_relation(home, name)}").fetchall()
                found[name] = [(row[0], row[1]) for row in described]
    return found


def _relation(home: Home, name: str) -> str:
    return read_parquet(files(home, name))


def answer(
    home: Home, user: str, query: str, *, named: str | None = None, taken_out: bool = False
) -> dict[str, Any]:
    """Answer one query of one account, after writing it in the journal.

    Args:
        home: whose base is asked.
        user: the account that asks.
        query: one SELECT.
        named: its project, where it has several.
        taken_out: the answer goes to a file.

    Returns:
        ``columns`` and ``rows``.

    Raises:
        Refused: no project is open to that account, or the query names what is not open to it.
        UsageError: the query cannot be run.
    """
    access = load(home)
    if access is None:
        raise Refused("no project is declared in vault/access.yaml: individual data stay closed")
    said = {"user": user, "endpoint": "gateway", "query": query[:MOST_BYTES]}
    try:
        project_name, project = access.project_of(user, named, date.today())
        said["project"] = project_name
        every = marts(home)
        open_tables = set(shown(project, every))
        tables = tables_of(query, open_tables)
        columns, rows = _run(home, project, every, tables, query)
    except OpenChronicError as error:
        audit.record(home, "query_refused", **said, error=type(error).__name__)
        raise
    audit.record(home, "query", **said, tables=tables, rows=len(rows), export=taken_out)
    return {"columns": columns, "rows": rows}


def tables_of(query: str, open_tables: set[str]) -> list[str]:
    """Return the tables that a query names, all of them open ones.

    Raises:
        UsageError: it is not one SELECT.
        Refused: it names something else: a closed table, a file, a function that reads.
    """
    try:
        statements = duckdb.extract_statements(query)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise UsageError("one SELECT is expected")
        with duck.connect() as connection:
            row = connection.execute("select json_serialize_sql(?)", [query]).fetchone()
            internal = {
                name.casefold()
                for (name,) in connection.execute(
                    "select view_name from duckdb_views() where internal"
                ).fetchall()
            }
    except duckdb.Error as error:
        raise UsageError(f"the query cannot be read: {error}") from None
    tree = json.loads(row[0]) if row else {"error": True}
    if tree["error"]:
        raise UsageError("one plain SELECT is expected: PIVOT, EXPLAIN and the like are not read")
    nodes = list(_nodes(tree["statements"]))
    local = {str(each["key"]) for node in nodes for each in _ctes(node)}
    for name in local:
        if not _PLAIN_NAME.fullmatch(name) or name.casefold() in internal:
            raise Refused("WITH names its tables with plain names of its own")
    local = {name.casefold() for name in local}
    lower = {name.casefold(): name for name in open_tables}
    found = set()
    for node in nodes:
        kind = node.get("type")
        if kind == "BASE_TABLE":
            name = str(node["table_name"]).casefold()
            qualified = node.get("catalog_name") or node.get("schema_name") not in ("", "main")
            if not qualified and name in lower:
                found.add(lower[name])
            elif qualified or name not in local:
                raise Refused(
                    "the query names a table that is not open to this project; open are: "
                    f"{', '.join(sorted(open_tables))}"
                )
        elif kind == "TABLE_FUNCTION":
            if str(node["function"]["function_name"]).casefold() not in _TABLE_FUNCTIONS:
                raise Refused("the query calls a table function that reads elsewhere")
        elif kind == "SHOW_REF":
            raise Refused("SHOW, DESCRIBE and SUMMARIZE are not answered here: name the columns")
        if str(node.get("function_name", "")).casefold() in _CLOSED_FUNCTIONS:
            raise Refused("the query calls a function that tells of the server")
    return sorted(found)


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from _nodes(each)
    elif isinstance(value, list):
        for each in value:
            yield from _nodes(each)


def _ctes(node: dict[str, Any]) -> list[dict[str, Any]]:
    held = node.get("cte_map")
    return list(held["map"]) if isinstance(held, dict) else []


def _run(
    home: Home, project: Project, every: dict[str, Columns], tables: list[str], query: str
) -> tuple[list[str], list[list[Any]]]:
    person_year = _relation(home, "person_year")
    with duck.connect(
        python_enable_replacements="false",
        temp_directory=str(duck.spill_folder(home)),
        memory_limit=MOST_MEMORY,
        max_temp_directory_size=MOST_SPILLED,
    ) as connection:
        timer = threading.Timer(MOST_SECONDS, connection.interrupt)
        try:
            for name in tables:
                select = view_sql(project, name, every[name], _relation(home, name), person_year)
                connection.execute(f'create view "{name}" as {select}')
            within = [str(path) for name in {*tables, "person_year"} for path in files(home, name)]
            connection.execute("set allowed_paths = ?", [within])
            connection.execute("set enable_external_access = false")
            connection.execute("set lock_configuration = true")
            timer.start()
            cursor = connection.execute(query)
            columns = [column[0] for column in cursor.description or []]
            rows = cursor.fetchmany(MOST_ROWS + 1)
        except duckdb.InterruptException:
            raise UsageError(f"the query was stopped after {MOST_SECONDS:.0f} seconds") from None
        except duckdb.OutOfMemoryException:
            raise UsageError(
                f"the query needs more than {MOST_MEMORY} of memory and {MOST_SPILLED} of disk: "
                "aggregate earlier, or ask in parts"
            ) from None
        except duckdb.Error as error:
            # The engine's text may quote a value of a row or the path of a file.
            said = str(error).split("\n")[0] if isinstance(error, _ABOUT_THE_TEXT) else ""
            raise UsageError(f"the query failed: {said or type(error).__name__}") from None
        finally:
            timer.cancel()
    if len(rows) > MOST_ROWS:
        raise UsageError(f"the answer has more than {MOST_ROWS} rows: aggregate, or ask in parts")
    return columns, [list(row) for row in rows]


_ABOUT_THE_TEXT = (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException)


# --- over the socket ----------------------------------------------------------------------------


class _Handler(socketserver.StreamRequestHandler):
    timeout = 30

    def handle(self) -> None:
        server = self.server
        assert isinstance(server, Gateway)
        try:
            line = self.rfile.readline(MOST_BYTES + 1)
            if len(line) > MOST_BYTES:
                raise UsageError(f"a question has {MOST_BYTES} bytes at most")
            asked = json.loads(line)
            query, named = asked["query"], asked.get("project")
            if not isinstance(query, str) or not isinstance(named, str | None):
                raise UsageError("a question is {query, project, export}")
            with server.places:
                reply = answer(
                    server.home,
                    self._user(),
                    query,
                    named=named,
                    taken_out=bool(asked.get("export")),
                )
        except OpenChronicError as error:
            reply = {"error": str(error), "exit_code": error.exit_code}
        except (ValueError, KeyError, TypeError, OSError):
            reply = {"error": "a question is one line of JSON: {query, project, export}",
                     "exit_code": 2}  # fmt: skip
        except Exception as error:  # its text may quote data
            reply = {"error": f"unforeseen {type(error).__name__}", "exit_code": 1}
        with contextlib.suppress(OSError):
            self.wfile.write(json.dumps(reply, default=str, ensure_ascii=False).encode() + b"\n")

    def _user(self) -> str:
        peer = self.connection.getsockopt(
            socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")
        )
        uid = struct.unpack("3i", peer)[1]
        try:
            return pwd.getpwuid(uid).pw_name
        except KeyError:
            return f"uid {uid}"


class Gateway(socketserver.ThreadingUnixStreamServer):
    """The server on its socket; the socket's mode lets the group in, and nobody else."""

    daemon_threads = True

    def __init__(self, home: Home) -> None:
        self.home = home
        self.places = threading.Semaphore(AT_ONCE)
        path = socket_path(home)
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        if path.is_socket():
            with socket.socket(socket.AF_UNIX) as there:
                if there.connect_ex(str(path)) == 0:
                    raise OpenChronicError(f"a gateway listens on {path} already")
            path.unlink()
        try:
            before = os.umask(0o117)
            try:
                super().__init__(str(path), _Handler)
            finally:
                os.umask(before)
        except OSError as error:
            raise OpenChronicError(
                f"the gateway cannot listen on {path} ({error.strerror or error}): name another "
                f"place, of less than 100 characters, in {SOCKET_VARIABLE}"
            ) from None

    def server_close(self) -> None:
        """Close, and take the socket away."""
        super().server_close()
        socket_path(self.home).unlink(missing_ok=True)


def ask(
    home: Home, query: str, project: str | None = None, *, taken_out: bool = False
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Ask the gateway of a home; return columns and rows, dates and decimals as text.

    Raises:
        UsageError, Refused, OpenChronicError: as the gateway answered, or that none listens.
    """
    path = socket_path(home)
    question = {"query": query, "project": project, "export": taken_out}
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(json.dumps(question).encode() + b"\n")
            with client.makefile("rb") as stream:
                reply = json.loads(stream.readline() or b"null")
    except OSError as error:
        raise OpenChronicError(
            f"no gateway answers on {path} ({error.strerror or error}): it is started with "
            f"openchronic gateway; {SOCKET_VARIABLE} names its socket"
        ) from None
    if not isinstance(reply, dict):
        raise OpenChronicError("the gateway ended before it answered: ask again")
    if "error" in reply:
        kinds = {2: UsageError, 3: Refused}
        raise kinds.get(reply["exit_code"], OpenChronicError)(str(reply["error"]))
    return reply["columns"], [tuple(row) for row in reply["rows"]]
