"""The plain-server way, really run: PostgreSQL, code server, two webservers, daemon, nginx.

An engineer launches the ingestion of a delivery with planted identifiers; then nothing that the
services keep, log or answer holds one of these, nor a secret.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import shutil
import socket
import ssl
import string
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import EVENTS, Delivery, environment, make_extract, plant, process_group, wait_for
from searching import found_in, in_bytes, postgres_tables, public_files

from openchronic_assets.settings import Home

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
from postgres_server import PASSWORD, Server, running

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.spark,
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("java"),
]
psycopg = pytest.importorskip("psycopg")
pytest.importorskip("dagster_postgres")

DEPLOY = Path(__file__).parents[2] / "deploy"
BIN = Path(sys.executable).parent
PEOPLE = {"ingenieure": "planted-pass-of-an-engineer", "lectrice": "planted-pass-of-a-reader"}
SECRET = "planted-pseudonym-secret-" + "0" * 20


@dataclass
class Door:
    """The proxy, the certificate of a person, and what is behind."""

    port: int
    folder: Path
    inside: tuple[int, ...]
    database: Server
    delivery: Delivery

    @property
    def home(self) -> Home:
        return Home(self.folder / "home")

    def ask(
        self, path: str, user: str | None = None, *, certificate: bool = True, query: str = "",
        variables: dict[str, Any] | None = None, **headers: str,
    ) -> tuple[int, str]:  # fmt: skip
        context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        if certificate:
            context.load_cert_chain(self.folder / "person.crt", self.folder / "person.key")
        if user:
            token = base64.b64encode(f"{user}:{PEOPLE.get(user, 'wrong')}".encode()).decode()
            headers["Authorization"] = f"Basic {token}"
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context)
        try:
            if query:
                headers["Content-Type"] = "application/json"
                asked = json.dumps({"query": query, "variables": variables or {}})
                connection.request("POST", path, asked, headers)
            else:
                connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        finally:
            connection.close()

    def data(self, path: str, user: str, query: str, **variables: Any) -> dict[str, Any]:
        status, text = self.ask(path, user, query=query, variables=variables)
        assert status == 200, (status, text[:3000])
        found: dict[str, Any] = json.loads(text)
        return found


def certificates(folder: Path) -> None:
    """Make an authority, the server's certificate and a person's."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, cwd=folder, capture_output=True)

    new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl(*new, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=authority")
    for name, subject, extra in (
        ("server", "/CN=127.0.0.1", ("-addext", "subjectAltName=IP:127.0.0.1")),
        ("person", "/CN=person", ()),
    ):
        openssl(*new, "-keyout", f"{name}.key", "-out", f"{name}.crt", "-subj", subject,
                "-CA", "ca.crt", "-CAkey", "ca.key", *extra)  # fmt: skip
    shutil.copy(folder / "ca.crt", folder / "people-ca.crt")
    for file, users in (("engineers", ["ingenieure"]), ("readers", [*PEOPLE])):
        lines = []
        for user in users:
            made = subprocess.run(
                ["openssl", "passwd", "-apr1", PEOPLE[user]], check=True, capture_output=True
            )
            lines.append(f"{user}:{made.stdout.decode().strip()}\n")
        (folder / f"{file}.htpasswd").write_text("".join(lines))


def free_ports(wanted: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(wanted)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def nginx_settings(folder: Path, port: int, engineers: int, readers: int) -> Path:
    template = string.Template((DEPLOY / "nginx" / "openchronic.conf.template").read_text())
    site = template.safe_substitute(
        OC_LISTEN=f"127.0.0.1:{port}", OC_NAME="127.0.0.1", OC_TLS=folder,
        OC_ACCESS_LOG=folder / "access.log", OC_WEBSERVER=f"127.0.0.1:{engineers}",
        OC_READONLY=f"127.0.0.1:{readers}", OC_JUPYTER="127.0.0.1:1", OC_RSTUDIO="127.0.0.1:1",
    )  # fmt: skip
    (folder / "site.conf").write_text(site)
    temporary = "\n".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = folder / "nginx.conf"
    main.write_text(
        ("user root;\n" if os.getuid() == 0 else "")
        + f"daemon off;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{\n{temporary}\ninclude {folder}/site.conf;\n}}\n"
    )
    return main


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if not nginx or not shutil.which("openssl"):
        pytest.skip("no reverse proxy: apt-get install nginx-light openssl")
    folder = tmp_path_factory.mktemp("plain")
    home = Home(folder / "home").create()
    delivery = make_extract(folder / "first", persons=150)
    plant(delivery)
    shutil.move(delivery.folder, home.landing)
    certificates(folder)
    secret = folder / "pseudonym"
    secret.write_text(SECRET)
    code, engineers, readers, port = free_ports(4)
    with running() as database, contextlib.ExitStack() as stack:
        with psycopg.connect(database.dsn(), autocommit=True) as admin:
            admin.execute(f"create role dagster login password '{PASSWORD}'")
            admin.execute("create database dagster owner dagster")
        settings = (DEPLOY / "dagster.yaml").read_text()
        assert "port: 5432" in settings
        (home.dagster / "dagster.yaml").write_text(
            settings.replace("port: 5432", f"port: {database.port}")
        )
        workspace = folder / "workspace.yaml"
        workspace.write_text(
            (DEPLOY / "workspace.yaml").read_text()
            .replace("host: code", "host: 127.0.0.1").replace("port: 4000", f"port: {code}")
        )  # fmt: skip
        variables = environment(
            OPENCHRONIC_HOME=str(home.root), DAGSTER_HOME=str(home.dagster),
            OPENCHRONIC_SECRET_FILE=str(secret), DAGSTER_PG_HOST="127.0.0.1",
            DAGSTER_PG_USER="dagster", DAGSTER_PG_DB="dagster", DAGSTER_PG_PASSWORD=PASSWORD,
            DAGSTER_DISABLE_TELEMETRY="1",
        )  # fmt: skip

        def unit(name: str, **ports: str) -> None:
            """Start what a unit of systemd starts, on ports of the test's own."""
            text = (DEPLOY / "systemd" / f"openchronic-{name}.service").read_text()
            (line,) = [
                each.removeprefix("ExecStart=/opt/openchronic/.venv/bin/")
                for each in text.splitlines()
                if each.startswith("ExecStart=")
            ]
            words = line.replace("/etc/openchronic/workspace.yaml", str(workspace)).split()
            words = [ports.get(word, word) for word in words]
            command = [str(BIN / words[0]), *words[1:]]
            stack.enter_context(process_group(command, folder / f"{name}.log", **variables))

        unit("code", **{"4000": str(code)})
        wait_for("the code server", lambda: listens(code), 180)
        unit("webserver", **{"3000": str(engineers)})
        unit("readonly", **{"3001": str(readers)})
        conf = nginx_settings(folder, port, engineers, readers)
        stack.enter_context(process_group([nginx, "-c", str(conf)], folder / "nginx.log"))
        for each in (engineers, readers, port):
            wait_for(f"port {each}", lambda each=each: listens(each), 120)
        found = Door(port, folder, (code, engineers, readers), database, delivery)

        def loaded() -> bool:
            status, text = found.ask("/dagster/graphql", "ingenieure", query=REPOSITORIES)
            return status == 200 and '"name"' in text

        wait_for("the webserver behind the proxy", loaded, 120)
        # One run is watched here; what sensors launch is in test_orchestration.py.
        sensors = found.data("/dagster/graphql", "ingenieure", SENSORS)["data"]["sensorsOrError"]
        for sensor in sensors["results"]:
            identity = sensor["sensorState"]["id"]
            stopped = found.data("/dagster/graphql", "ingenieure", STOP, id=identity)["data"]
            assert stopped["stopSensor"]["__typename"] == "StopSensorMutationResult", stopped
        unit("daemon")
        yield found


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


REPOSITORIES = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"
SENSORS = """{ sensorsOrError(repositorySelector: {repositoryName: "__repository__",
  repositoryLocationName: "openchronic"}) {
  ... on Sensors { results { name sensorState { id } } } } }"""
STOP = "mutation($id: String) { stopSensor(id: $id) { __typename } }"
RUNS = "{ runsOrError { ... on Runs { results { runId status } } } }"
LAUNCH = """mutation { launchRun(executionParams: {selector: {repositoryName: "__repository__",
  repositoryLocationName: "openchronic", jobName: "ingest_deliveries"}, mode: "default",
  executionMetadata: {tags: [
    {key: "dagster/asset_partition_range_start", value: "2019"},
    {key: "dagster/asset_partition_range_end", value: "2019"}]}}) {
  __typename ... on LaunchRunSuccess { run { runId status } } ... on PythonError { message } } }"""
PATHS = [
    "/", "/dagster/", "/dagster/graphql", "/dagster/server_info", "/dagster/runs",
    "/dagster/report_asset_materialization/x", "/dagster/notebook", "/lecture/", "/lecture/graphql",
    "/lecture/server_info", "/jupyter/", "/rstudio/", "/graphql", "/server_info", "/nothing",
]  # fmt: skip


def test_nothing_answers_without_a_certificate(door: Door) -> None:
    for path in PATHS:
        status, text = door.ask(path, "ingenieure", certificate=False)
        assert status == 400 and "certificate" in text.lower(), path


def test_nothing_answers_without_a_password(door: Door) -> None:
    for path in PATHS:
        for user in (None, "nobody"):
            upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
            for headers in ({}, upgrade):
                assert door.ask(path, user, **headers)[0] == 401, (path, user)
        if "graphql" in path:
            assert door.ask(path, query=REPOSITORIES)[0] == 401, path


def test_a_reader_reads_and_cannot_launch(door: Door) -> None:
    assert door.data("/lecture/graphql", "lectrice", REPOSITORIES)["data"]
    refused = door.data("/lecture/graphql", "lectrice", LAUNCH)
    assert refused["data"]["launchRun"]["__typename"] == "UnauthorizedError"
    for mutation in (
        "reloadWorkspace { __typename }",
        'wipeAssets(assetPartitionRanges: [{assetKey: {path: ["patient"]}}]) { __typename }',
        'freeConcurrencySlots(runId: "x")',
        'setConcurrencyLimit(concurrencyKey: "dbt", limit: 0)',
    ):
        answer = door.ask("/lecture/graphql", "lectrice", query=f"mutation {{ {mutation} }}")[1]
        assert "Unauthorized" in answer or "permission" in answer.lower(), (mutation, answer[:300])
    for path in (
        "/dagster/graphql", "/lecture/../dagster/graphql", "/lecture/%2e%2e/dagster/graphql",
        "//dagster/graphql", "/lecture/..%2fdagster/graphql", "/DAGSTER/graphql",
        "/lecture/x/../../dagster/graphql",
    ):  # fmt: skip
        assert door.ask(path, "lectrice", query=LAUNCH)[0] in (400, 401, 404, 405), path


@pytest.fixture(scope="module")
def run(door: Door) -> str:
    """An ingestion, launched by an engineer and seen to its end by a reader."""
    launched = door.data("/dagster/graphql", "ingenieure", LAUNCH)["data"]["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    identity = str(launched["run"]["runId"])

    def ended() -> str | None:
        seen = door.data("/lecture/graphql", "lectrice", RUNS)["data"]["runsOrError"]["results"]
        status = {each["runId"]: each["status"] for each in seen}[identity]
        return status if status in ("SUCCESS", "FAILURE", "CANCELED") else None

    status = wait_for("the end of the run", ended, 600, every=1)
    assert status == "SUCCESS", events(door, identity)[-3000:]
    return identity


def events(door: Door, identity: str) -> str:
    """Return what the run's page shows of its log."""
    told, cursor, more = [], None, True
    while more:
        page = door.data("/dagster/graphql", "ingenieure", EVENTS, run=identity, cursor=cursor)
        found = page["data"]["logsForRun"]
        told.append(json.dumps(found))
        cursor, more = found["cursor"], found["hasMore"]
    return "".join(told)


def test_the_daemon_takes_a_run_from_the_queue_to_its_end(door: Door, run: str) -> None:
    told = events(door, run)
    assert "RunEnqueuedEvent" in told and "RunSuccessEvent" in told
    assert "Launched 1 runs" in (door.folder / "daemon.log").read_text()
    assert list(door.home.raw.glob("er_prs_f/*/*/*.parquet"))
    assert list(door.home.quarantine.glob("er_prs_f/*/*/*.parquet"))
    with psycopg.connect(door.database.dsn(database="dagster")) as connection:
        rows = connection.execute("select run_id, status from runs").fetchall()
    assert rows == [(run, "SUCCESS")]


def test_no_database_log_page_or_file_holds_an_identifier_or_a_secret(door: Door, run: str) -> None:
    secrets = [SECRET, PASSWORD, *PEOPLE.values()]
    needles = [*door.delivery.planted, *secrets]
    texts = dict(postgres_tables(door.database.dsn(database="dagster")))
    assert b"er_prs_f" in texts["public.event_logs"] and run.encode() in texts["public.runs"]
    logs = [*door.folder.glob("*.log"), *door.database.data.glob("log/*")]
    texts |= {path.name: path.read_bytes() for path in logs}
    assert "queries.json" in texts
    assert b"/dagster/graphql" in texts["access.log"]
    for user, path in (("ingenieure", "/dagster"), ("lectrice", "/lecture")):
        for page in ("/", f"/runs/{run}", "/assets", "/server_info"):
            status, text = door.ask(f"{path}{page}", user)
            assert status == 200, (path, page)
            texts[f"{path}{page}"] = text.encode()
        said = [
            door.data(f"{path}/graphql", user, "{ instance { info } version }"),
            door.data(f"{path}/graphql", user, LOGS, key=[run, "compute_logs"]),
        ]
        texts[f"{path}/graphql"] = json.dumps(said).encode()
    texts["events"] = events(door, run).encode()
    assert {
        name: found for name, text in texts.items() if (found := in_bytes([text], needles))
    } == {}
    files = list(public_files(door.home))
    assert len(files) > 30
    assert {path: found for path in files if (found := found_in(path, needles))} == {}
    kept = [path for path in door.home.vault.rglob("*") if path.is_file()]
    assert kept and in_bytes([path.read_bytes() for path in kept], needles) == set()


def test_the_search_of_a_database_finds_what_is_there(door: Door) -> None:
    with psycopg.connect(door.database.dsn(), autocommit=True) as admin:
        admin.execute("create table planted (packed bytea, plain text)")
        packed = zlib.compress(SECRET.encode())
        admin.execute("insert into planted values (%s, %s), (null, 'x')", [packed, PASSWORD])
        found = dict(postgres_tables(door.database.dsn()))["public.planted"]
        admin.execute("drop table planted")
    assert in_bytes([found], [SECRET, PASSWORD, "absent"]) == {SECRET, PASSWORD}


LOGS = "query($key: [String!]!) { capturedLogs(logKey: $key) { stdout stderr } }"


def test_services_listen_on_this_machine_only(door: Door) -> None:
    places: dict[int, str] = {}
    for family in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{family}").read_text().splitlines()[1:]:
            address, state = line.split()[1], line.split()[3]
            if state == "0A":
                places[int(address.split(":")[1], 16)] = address.split(":")[0]
    mine = {places[port] for port in (door.port, *door.inside)}
    assert mine <= {"0100007F", "0000000000000000FFFF00000100007F"}
