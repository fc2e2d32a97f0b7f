"""A PostgreSQL server of the tests' own, gone with the session; skipped where there is none."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from openchronic_assets.bench.faults import postgres

SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = off
logging_collector = on
log_destination = 'jsonlog'
log_directory = 'log'
log_filename = 'queries.log'
shared_buffers = 32MB
"""
PASSWORD = "planted-password-of-the-server"


class Server(postgres.Postgres):
    """A running server; ``admin`` may do everything in it."""

    @property
    def log(self) -> Path:
        return self.data / "log" / "queries.json"


@contextlib.contextmanager
def running(settings: str = SETTINGS) -> Iterator[Server]:
    """Run a server in a folder of its own; skip where there is none to run."""
    if postgres.binaries() is None:
        pytest.skip("no PostgreSQL server: apt-get install postgresql")
    with postgres.running(Server, PASSWORD, settings) as server:
        yield server
