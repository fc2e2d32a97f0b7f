"""Read-only SQL on the catalogue: one SELECT, on what the catalogue shows and no other file."""

from __future__ import annotations

import os
from typing import Any

import duckdb

from openchronic_assets.access import audit
from openchronic_assets.access.projects import is_secure
from openchronic_assets.errors import UsageError
from openchronic_assets.settings import Home
from openchronic_assets.warehouse import connect
from openchronic_assets.warehouse.catalogue import readable

_READS = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}


def asked(
    home: Home, query: str, project: str | None = None, *, taken_out: bool = False
) -> tuple[list[str], list[tuple[Any, ...]], bool]:
    """Return columns and rows of a query, and whether it is in the journal.

    In ``secure`` mode, or where a project or a socket is named, the gateway answers; else this
    process reads the catalogue, and journals what it may.

    Raises:
        UsageError, Refused: the query, or the right to it, is wanting.
    """
    from openchronic_assets.access import server as gateway_server

    if project or gateway_server.SOCKET_VARIABLE in os.environ or is_secure(home):
        columns, rows = gateway_server.ask(home, query, project, taken_out=taken_out)
        return columns, rows, True
    columns, rows = select(home, query)
    if not audit.may_write(home):
        return columns, rows, False
    audit.record(home, "query", endpoint="catalogue", query=query, rows=len(rows), export=taken_out)
    return columns, rows, True


def select(home: Home, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return the columns and rows of one query.

    The connection is read-only, sees the files of the builds, the raw tables in effect (views
    ``snds.<table>``, pseudonymised) and the code lists, and nothing else of the machine (landing,
    quarantine and vault stay out of reach); its settings are locked.

    Raises:
        UsageError: nothing is built yet, the text is not one query that reads, or it has an error.
    """
    try:
        statements = duckdb.extract_statements(query)
    except duckdb.Error as error:
        raise UsageError(f"the query cannot be read: {error}") from None
    if len(statements) != 1 or statements[0].type not in _READS:
        raise UsageError("one query that reads is expected: SELECT, WITH, FROM, DESCRIBE, SHOW")
    connection = connect(home)
    try:
        connection.execute("set allowed_directories = [?]", [str(home.builds)])
        connection.execute("set allowed_paths = ?", [readable(home)])
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        cursor = connection.execute(query)
        columns = [column[0] for column in cursor.description or []]
        return columns, cursor.fetchall()
    except duckdb.Error as error:
        raise UsageError(f"the query failed: {error}") from None
    finally:
        connection.close()
