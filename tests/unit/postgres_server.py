"""A PostgreSQL server of the tests' own, by ``initdb`` and ``pg_ctl``, gone with the session."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

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


@dataclass(frozen=True)
class Server:
    """A running server; ``admin`` may do everything in it."""

    port: int
    data: Path

    def dsn(self, user: str = "admin", database: str = "postgres", password: str = PASSWORD) -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    @property
    def log(self) -> Path:
        return self.data / "log" / "queries.json"


def binaries() -> Path | None:
    """Return where the server's programs are, on the path or where Debian puts them."""
    for folder in [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]:
        if (folder / "initdb").is_file() and (folder / "pg_ctl").is_file():
            return folder
    found = shutil.which("initdb")
    return Path(found).parent if found else None


@contextlib.contextmanager
def running(settings: str = SETTINGS) -> Iterator[Server]:
    """Run a server in a folder of its own; skip where there is none to run."""
    programs = binaries()
    if programs is None:
        pytest.skip("no PostgreSQL server: apt-get install postgresql")
    account = None
    if os.getuid() == 0:  # the server refuses to run as root
        names = {each.pw_name for each in pwd.getpwall()}
        account = next(name for name in ("postgres", "nobody") if name in names)
    folder = Path(tempfile.mkdtemp(prefix="ocpg"))
    try:
        password = folder / "password"
        password.write_text(PASSWORD)
        if account:
            for each in (folder, password):
                shutil.chown(each, account)
        data = folder / "data"

        def run(program: str, *arguments: str) -> None:
            subprocess.run(
                [str(programs / program), *arguments], check=True, cwd=folder, user=account,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120,
                extra_groups=[] if account else None,
            )  # fmt: skip

        run("initdb", "-D", str(data), "-U", "admin", "-A", "scram-sha-256", "--no-sync",
            f"--pwfile={password}", "--locale=C", "-E", "UTF8")  # fmt: skip
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with (data / "postgresql.conf").open("a") as file:
            file.write(settings + f"port = {port}\n")
        run("pg_ctl", "-D", str(data), "-l", str(folder / "start.log"), "-w", "start")
        try:
            yield Server(port, data)
        finally:
            run("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
