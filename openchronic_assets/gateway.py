"""Read-only SQL on the catalogue: one SELECT, on what the catalogue shows and no other file."""

from __future__ import annotations

from typing import Any

import duckdb

from openchronic_assets.errors import UsageError
from openchronic_assets.settings import Home
from openchronic_assets.warehouse import connect
from openchronic_assets.warehouse.catalogue import readable

_READS = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}


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
