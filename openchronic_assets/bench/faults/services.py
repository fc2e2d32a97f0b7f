"""Dagster as a server runs it: code server, webserver and daemon, on PostgreSQL where it is."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from openchronic_assets.bench.faults import postgres
from openchronic_assets.bench.faults.processes import descendants, kill_tree
from openchronic_assets.errors import OpenChronicError
from openchronic_assets.ingestion.sensors import RANGE_END, RANGE_START
from openchronic_assets.instance import SETTINGS

PASSWORD = "password-of-a-benchmark"
LOCATION = "openchronic"
ENDED = ("SUCCESS", "FAILURE", "CANCELED")
# Looked at more often than a server does, so that a benchmark does not wait for two minutes.
POLL = {"poll_interval_seconds": 5, "free_slots_after_run_end_seconds": 5}
LAUNCH = """mutation($job: String!, $tags: [ExecutionTag!]) { launchRun(executionParams: {
  selector: {repositoryName: "__repository__", repositoryLocationName: "openchronic",
             jobName: $job}, mode: "default", executionMetadata: {tags: $tags}}) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
STATUS = """query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"""
SENSORS = """{ sensorsOrError(repositorySelector: {repositoryName: "__repository__",
  repositoryLocationName: "openchronic"}) { ... on Sensors { results {
  name sensorState { id } } } } }"""
STOP = """mutation($id: String!) { stopSensor(id: $id) { __typename } }"""


class Services:
    """The processes of a plain server, each started again when it has ended, as systemd does."""

    def __init__(self, folder: Path, environment: Mapping[str, str], database: Any = None):
        """Write the settings of the instance; nothing is started."""
        self.folder = folder
        self.database: postgres.Postgres | None = database
        self.instance = folder / "instance"
        self.instance.mkdir(parents=True, exist_ok=True)
        settings = yaml.safe_load(SETTINGS)
        settings["run_monitoring"] |= POLL
        if database is not None:
            settings["storage"] = {
                "postgres": {"postgres_url": database.dsn().replace("://", "+psycopg2://")}
            }
        (self.instance / "dagster.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        code, self.port = _free_ports(2)
        workspace = folder / "workspace.yaml"
        place = {"host": "127.0.0.1", "port": code, "location_name": LOCATION}
        workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": place}]}), "utf-8")
        self.environment = {
            **environment, "DAGSTER_HOME": str(self.instance), "DAGSTER_DISABLE_TELEMETRY": "1",
            "DAGSTER_GRPC_TIMEOUT_SECONDS": "300",  # as in deploy/
        }  # fmt: skip
        module = [sys.executable, "-m"]
        self._commands = {
            "code server": [*module, "dagster", "api", "grpc", "--module-name",
                            "openchronic_assets.definitions", "--host", "127.0.0.1", "--port",
                            str(code)],
            "webserver": [*module, "dagster_webserver", "--host", "127.0.0.1", "--port",
                          str(self.port), "--workspace", str(workspace)],
            "daemon": [*module, "dagster._daemon", "run", "--workspace", str(workspace)],
        }  # fmt: skip
        self._code = code
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        """Start one of them."""
        with (self.folder / f"{name.replace(' ', '-')}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                self._commands[name], env=self.environment, cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip

    def pid(self, name: str) -> int:
        """Return the process of one of them."""
        return self._running[name].pid

    def revive(self) -> list[str]:
        """Start again those that have ended; return their names."""
        ended = [name for name, each in self._running.items() if each.poll() is not None]
        for name in ended:
            self.start(name)
        return ended

    def open(self) -> None:
        """Start all and stop the sensors, before the daemon finds something for them to do."""
        self.start("code server")
        self.until("the code server", self._listens, 240)
        self.start("webserver")
        found = self.until("the webserver", lambda: self._sensors() or None, 240)
        for identity in found:
            self.ask(STOP, id=identity)
        self.start("daemon")

    def _listens(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self._code)) == 0

    def _sensors(self) -> list[str]:
        said = self.ask(SENSORS) or {}
        results = said.get("sensorsOrError", {}).get("results", [])
        return [each["sensorState"]["id"] for each in results]

    def close(self) -> None:
        """End them all, with the runs that they started."""
        for each in self._running.values():
            kill_tree(each.pid)
            each.wait()

    def ask(self, query: str, **variables: Any) -> dict[str, Any] | None:
        """Return the data of a GraphQL query, or None while the webserver cannot answer."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql", body, {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                document = json.loads(response.read())
        except (urllib.error.URLError, ConnectionError, TimeoutError, ValueError):
            return None
        data: dict[str, Any] | None = document.get("data") if "errors" not in document else None
        return data

    def launch(self, job: str, year: str) -> str:
        """Launch a job for a year and return the run's id."""
        tags = [{"key": RANGE_START, "value": year}, {"key": RANGE_END, "value": year}]

        def launched() -> str | None:
            said = (self.ask(LAUNCH, job=job, tags=tags) or {}).get("launchRun", {})
            return said["run"]["runId"] if "run" in said else None

        run: str = self.until(f"the launch of {job}", launched, 120)
        return run

    def status(self, run: str) -> str | None:
        """Return the status of a run, None while nobody can tell."""
        said = self.ask(STATUS, id=run)
        return said["runOrError"].get("status") if said else None

    def started(self, run: str, seconds: float) -> int:
        """Wait for the process of a run, and return it."""
        self.until(
            "the start of a run",
            lambda: self.status(run) not in (None, "QUEUED", "NOT_STARTED", "STARTING"), seconds,
        )  # fmt: skip
        return max(self.workers(), default=0)

    def workers(self) -> list[int]:
        """Return the processes that the code server started for runs."""
        code = self.pid("code server")
        return [
            pid
            for pid in descendants(code)[1:]
            if _parent(pid) == code and "resource_tracker" not in _words(pid)
        ]

    def until(self, what: str, ready: Callable[[], Any], seconds: float) -> Any:
        """Return the first true value; services that ended are started again meanwhile.

        Raises:
            OpenChronicError: there was none in time.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.revive()
            if found := ready():
                return found
            time.sleep(1)
        raise OpenChronicError(f"{what} was not seen within {seconds:.0f} s; see {self.folder}")


def _words(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    return ""


def _parent(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def _free_ports(wanted: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(wanted)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


@contextlib.contextmanager
def running(folder: Path, environment: Mapping[str, str]) -> Iterator[Services]:
    """Run the services while the block runs, on PostgreSQL if its server and driver are there."""
    with contextlib.ExitStack() as stack:
        database = None
        if postgres.binaries() is not None and find_spec("dagster_postgres") is not None:
            database = stack.enter_context(postgres.running(postgres.Postgres, PASSWORD))
        services = Services(folder, environment, database)
        stack.callback(services.close)
        services.open()
        yield services
