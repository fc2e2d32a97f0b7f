"""A PostgreSQL server of our own, by ``initdb`` and ``pg_ctl``, that may be killed and started."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from openchronic_assets.bench.faults.processes import send
from openchronic_assets.errors import OpenChronicError

SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
shared_buffers = 32MB
"""


PATIENCE = 30  # seconds


def binaries() -> Path | None:
    """Return where the server's programs are, on the path or where Debian puts them."""
    for folder in [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]:
        if (folder / "initdb").is_file() and (folder / "pg_ctl").is_file():
            return folder
    found = shutil.which("initdb")
    return Path(found).parent if found else None


class Postgres:
    """A server in a folder of its own; ``admin`` may do everything in it."""

    def __init__(self, folder: Path, password: str, settings: str = SETTINGS):
        """Make the data folder, without starting the server.

        Raises:
            OpenChronicError: the server's programs are not installed, or refuse.
        """
        programs = binaries()
        if programs is None:
            raise OpenChronicError("no PostgreSQL server: apt-get install postgresql")
        self._programs = programs
        self._account: str | None = None
        if os.getuid() == 0:  # the server refuses to run as root
            names = {each.pw_name for each in pwd.getpwall()}
            self._account = next(name for name in ("postgres", "nobody") if name in names)
        self.folder, self.data, self.password = folder, folder / "data", password
        secret = folder / "password"
        secret.write_text(password, encoding="utf-8")
        if self._account:
            for each in (folder, secret):
                shutil.chown(each, self._account)
        self._run("initdb", "-D", str(self.data), "-U", "admin", "-A", "scram-sha-256",
                  "--no-sync", f"--pwfile={secret}", "--locale=C", "-E", "UTF8")  # fmt: skip
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(f"{settings}port = {self.port}\n")

    def dsn(self, user: str = "admin", database: str = "postgres", password: str = "") -> str:
        """Return how a client connects."""
        return f"postgresql://{user}:{password or self.password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it and wait until it answers; what a kill left may still be ending."""
        for _ in range(PATIENCE):
            with contextlib.suppress(OpenChronicError):
                return self._start()
            time.sleep(1)
        self._start()

    def _start(self) -> None:
        self._run("pg_ctl", "-D", str(self.data), "-l", str(self.folder / "start.log"), "-w",
                  "start")  # fmt: skip

    def stop(self, mode: str = "immediate") -> None:
        """Stop it: ``fast`` as an administrator does, ``immediate`` as a power cut."""
        self._run("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "stop")

    def kill(self) -> None:
        """Kill its first process: the others see that and end by themselves."""
        pid = int((self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])
        send(pid, signal.SIGKILL)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._programs / program), *arguments], check=False, cwd=self.folder,
            user=self._account, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120,
            extra_groups=[] if self._account else None,
        )  # fmt: skip
        if done.returncode != 0:
            raise OpenChronicError(f"{program} of PostgreSQL ended with {done.returncode}")


Server = TypeVar("Server", bound=Postgres)


@contextlib.contextmanager
def running(kind: type[Server], password: str, settings: str = SETTINGS) -> Iterator[Server]:
    """Run a server while the block runs; nothing of it is left behind.

    Raises:
        OpenChronicError: it is not installed, or does not start.
    """
    # Short and of its own, as the server's account must reach it.
    folder = Path(tempfile.mkdtemp(prefix="ocpg"))
    try:
        server = kind(folder, password, settings)
        server.start()
        try:
            yield server
        finally:
            with contextlib.suppress(OpenChronicError):
                server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
