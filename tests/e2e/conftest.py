"""The product as its users meet it: command line, webserver and daemon on a small home."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from openchronic_assets.settings import Home
from openchronic_assets.synthetic import generate
from openchronic_assets.synthetic.truth import read as read_truth
from openchronic_assets.warehouse.project import PARSED_VARIABLE

YEARS = (2019, 2020)
OPENCHRONIC = str(Path(sys.executable).with_name("openchronic"))

# Invented: a NIR that only bad rows hold, a key that only they hold, and one that good rows hold.
NIR = "2850675987654"
BAD_KEY = "PLANTEDBADROWKEY1"
GOOD_KEY = "PLANTEDGOODROWKEY"
KEY_COLUMNS = ("BEN_NIR_PSA", "NIR_ANO_17", "BEN_IDT_ANO")


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a child: this one's, without what would name another home."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("OPENCHRONIC_") or name == PARSED_VARIABLE
    }
    kept.pop("DAGSTER_HOME", None)
    return {**kept, "OPENCHRONIC_SPARK_MASTER": "local[2]", **more}


def openchronic(*arguments: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """Run a command as a user does and return what it printed."""
    return subprocess.run(
        [OPENCHRONIC, *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment(),
        check=False,
    )


DOCUMENTS = "https://documents.test/open-chronic/"


@contextlib.contextmanager
def process_group(
    arguments: list[str], log: Path, **more: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in a process group of its own, and leave nothing of it behind."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            arguments,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment(**more),
            start_new_session=True,
        )
        try:
            yield child
        finally:
            kill_group(child)


def kill_group(child: subprocess.Popen[bytes]) -> None:
    """Kill a process with all its children, the JVM and the Python workers included."""
    # The group's number is the leader's; it stays ours as long as one member lives.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


@dataclass
class Delivery:
    """A generated extract, its planted truth, and the keys that were planted into it."""

    folder: Path
    truth: dict[str, Any]
    persons: list[dict[str, str]]
    episodes: list[dict[str, str]]
    planted: list[str] = field(default_factory=list)
    bad_lines: dict[str, int] = field(default_factory=dict)


def read_text(path: Path, errors: str = "strict") -> str:
    """Return a delivered file as text."""
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode(errors=errors)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a delivered file, compressed if its name says so."""
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def seal(folder: Path, **fields: Any) -> None:
    """Write the manifest again over the files as they are, and the marker last."""
    path = folder / "delivery.json"
    manifest = json.loads(path.read_text()) if path.is_file() else {}
    manifest["checksums"] = {
        each.name: hashlib.sha256(each.read_bytes()).hexdigest()
        for each in sorted(folder.iterdir())
        if ".csv" in each.name
    }
    manifest.update(fields)
    path.write_text(json.dumps(manifest))
    (folder / "_SUCCESS").touch()


def make_extract(folder: Path, persons: int = 300) -> Delivery:
    """Generate a small extract of two care years."""
    truth = folder.with_name(f"{folder.name}.truth")
    totals = generate(folder, persons, YEARS, 7, truth=truth)
    return Delivery(folder, totals, _rows(truth, "persons"), _rows(truth, "ald_episodes"))


def _rows(folder: Path, name: str) -> list[dict[str, str]]:
    """Rows of a truth table as text: ISO dates, 1 and 0 for flags, nothing for NULL."""
    return [
        {
            key: "" if value is None else str(int(value) if isinstance(value, bool) else value)
            for key, value in row.items()
        }
        for row in read_truth(folder, name)
    ]


def plant(delivery: Delivery) -> None:
    """Plant identifiers: one person's key everywhere, and a NIR in bad rows of every table."""
    (person,) = [
        each
        for each in delivery.persons
        if each["ben_nir_psa"] and not each["second_psa"] and each["ben_idt_top"] == "1"
        and any(e["index"] == each["index"] for e in delivery.episodes)
    ][:1]  # fmt: skip
    before, after = person["ben_nir_psa"], GOOD_KEY
    person["ben_nir_psa"] = after
    for path in sorted(delivery.folder.iterdir()):
        if ".csv" not in path.name:
            continue
        lines = read_text(path).replace(before, after).splitlines()
        header, rows = lines[0].split(";"), lines[1:]
        if not rows:
            continue
        bad = _bad_rows(header, rows[0].split(";"))
        delivery.bad_lines[path.name] = len(bad)
        good = "".join(f"{line}\n" for line in lines).encode()
        write_bytes(path, good + b"".join(bad))
    delivery.planted = [NIR, BAD_KEY, GOOD_KEY]
    # Real rows beside generated ones: the delivery is no longer the generator's own.
    seal(delivery.folder, generator=None)


def _bad_rows(header: list[str], row: list[str]) -> list[bytes]:
    """Return a row with a cell that does not cast, one torn apart, one that cannot be decoded."""
    cells = dict(zip(header, row, strict=True))
    cells |= {name: BAD_KEY for name in KEY_COLUMNS if name in cells}
    number = next(n for n in header if n not in KEY_COLUMNS and _is_typed(n))
    broken = {**cells, number: f"NIR{NIR}"}
    torn = [*cells.values(), NIR, BAD_KEY]
    undecodable = [*cells.values()]
    undecodable[-1] = f"{NIR}{BAD_KEY}\udcff"
    return [
        (";".join(each) + "\n").encode("utf-8", "surrogateescape")
        for each in ([*broken.values()], torn, undecodable)
    ]


def _is_typed(name: str) -> bool:
    """Whether a column of any table under contract is a number or a date."""
    from openchronic_assets.contracts import load, tables

    return any(
        column.name == name and column.type != "string" and column.is_loaded
        for table in tables()
        for column in load(table).columns
    )


@dataclass
class Server:
    """A webserver with its daemon on a home."""

    home: Home
    url: str
    log: Path

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Return the data of a GraphQL query; its text too, for the search of identifiers."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"{self.url}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            document = json.loads(response.read())
        assert "errors" not in document, document["errors"]
        data: dict[str, Any] = document["data"]
        return data

    def runs(self, **tags: str) -> list[dict[str, Any]]:
        """Return the runs that carry tags, oldest first."""
        wanted = [{"key": key, "value": value} for key, value in tags.items()]
        found = self.ask(
            """query($f: RunsFilter) { runsOrError(filter: $f) { ... on Runs { results {
                runId jobName status tags { key value } } } } }""",
            f={"tags": wanted} if wanted else {},
        )
        return list(reversed(found["runsOrError"]["results"]))

    def events(self, run_id: str) -> list[dict[str, Any]]:
        """Return everything that the run's page would show of its log."""
        events: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = self.ask(EVENTS, run=run_id, cursor=cursor)["logsForRun"]
            events += page["events"]
            cursor = page["cursor"]
            if not page["hasMore"]:
                return events


REPOSITORIES = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"
EVENTS = """
query($run: ID!, $cursor: String) {
  logsForRun(runId: $run, afterCursor: $cursor, limit: 500) {
    ... on EventConnection {
      cursor hasMore
      events {
        __typename
        ... on MessageEvent { message level stepKey }
        ... on MaterializationEvent {
          assetKey { path } label description
          metadataEntries { ...entry }
        }
        ... on AssetCheckEvaluationEvent {
          evaluation { checkName success assetKey { path } metadataEntries { ...entry } }
        }
        ... on ExecutionStepFailureEvent {
          error { message stack causes { message stack } }
          failureMetadata { description }
        }
        ... on RunFailureEvent { error { message stack } }
      }
    }
  }
}
fragment entry on MetadataEntry {
  label
  ... on TextMetadataEntry { text }
  ... on JsonMetadataEntry { jsonString }
  ... on IntMetadataEntry { intRepr }
  ... on FloatMetadataEntry { floatValue }
  ... on PathMetadataEntry { path }
  ... on BoolMetadataEntry { boolValue }
}
"""


def wait_for(what: str, ready: Any, timeout: float, every: float = 0.5) -> Any:
    """Return the first true value of ``ready()``; fail with ``what`` after ``timeout`` seconds."""
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        if found := ready():
            return found
        time.sleep(every)
    raise AssertionError(f"not seen within {timeout:.0f} s: {what}")


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Delivery:
    """A small extract of two years with planted identifiers, complete."""
    delivery = make_extract(tmp_path_factory.mktemp("extract") / "first")
    plant(delivery)
    return delivery


@pytest.fixture(scope="session")
def server(
    java: None, planted: Delivery, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The real webserver and daemon, as ``openchronic ui`` starts them, with a delivery landed."""
    folder = tmp_path_factory.mktemp("server")
    home = Home(folder / "home").create()
    shutil.copytree(planted.folder, home.landing / "first")
    with socket.socket() as free:
        try:
            free.bind(("127.0.0.1", 0))
        except OSError as error:
            pytest.skip(f"no local port can be opened: {error}")
        port = free.getsockname()[1]
    log = folder / "server.log"
    command = [OPENCHRONIC, "ui", "--home", str(home.root), "--port", str(port)]
    # The portal is served elsewhere: this one is not built beside the webserver.
    with process_group(command, log, OPENCHRONIC_DOCUMENTS=DOCUMENTS) as child:
        running = Server(home, f"http://127.0.0.1:{port}", log)

        def loaded() -> bool:
            if child.poll() is not None:
                pytest.fail(f"the webserver ended at once: {log.read_text()[-600:]}")
            try:
                found = running.ask(REPOSITORIES)
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                return False
            return bool(found["repositoriesOrError"].get("nodes"))

        try:
            wait_for("the webserver", loaded, 240)
        except AssertionError:
            pytest.fail(f"the webserver did not start: {log.read_text()[-600:]}")
        yield running


@dataclass
class Backfill:
    """A backfill that ended, and the manifest of the build that it published."""

    id: str
    status: str
    runs: list[dict[str, Any]]
    manifest: dict[str, Any]


@pytest.fixture(scope="session")
def backfill(server: Server) -> Backfill:
    """Two years of all assets of the main job, launched over GraphQL, to their end."""
    job = {"repositoryName": "__repository__", "repositoryLocationName": "openchronic"}
    nodes = server.ask(
        "query($p: PipelineSelector) { assetNodes(pipeline: $p) { assetKey { path } } }",
        p={**job, "pipelineName": "refresh_years"},
    )["assetNodes"]
    launched = server.ask(
        """mutation($p: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $p) {
            __typename
            ... on LaunchBackfillSuccess { backfillId }
            ... on PythonError { message } } }""",
        p={
            "assetSelection": [{"path": node["assetKey"]["path"]} for node in nodes],
            "partitionNames": [str(year) for year in YEARS],
        },
    )["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    identity = launched["backfillId"]

    def status() -> str | None:
        found = server.ask(
            """query($id: String!) { partitionBackfillOrError(backfillId: $id) {
                ... on PartitionBackfill { status } } }""",
            id=identity,
        )["partitionBackfillOrError"]["status"]
        return found if found not in ("REQUESTED", "CANCELING", "FAILING") else None

    ended = wait_for("the end of the backfill", status, 1800, every=1)
    runs = server.runs(**{"dagster/backfill": identity})
    manifest = json.loads(server.home.pointer.read_text())
    return Backfill(identity, ended, runs, manifest)
