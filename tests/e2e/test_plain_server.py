"""The plain-server way, really run: PostgreSQL, code server, two webservers, nginx."""

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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import environment, process_group, wait_for

from openchronic_assets.settings import Home

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
from postgres_server import PASSWORD, running

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(600)]
psycopg = pytest.importorskip("psycopg")
pytest.importorskip("dagster_postgres")

DEPLOY = Path(__file__).parents[2] / "deploy"
BIN = Path(sys.executable).parent
PEOPLE = {"ingenieure": "planted-pass-of-an-engineer", "lectrice": "planted-pass-of-a-reader"}
SECRET = "planted-pseudonym-secret-" + "0" * 20


@dataclass
class Door:
    """The proxy, and the certificate of a person."""

    port: int
    folder: Path
    inside: tuple[int, ...]

    def ask(
        self, path: str, user: str | None = None, *, certificate: bool = True, query: str = "",
        **headers: str,
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
                connection.request("POST", path, json.dumps({"query": query}), headers)
            else:
                connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        finally:
            connection.close()

    def data(self, path: str, user: str, query: str) -> dict[str, Any]:
        status, text = self.ask(path, user, query=query)
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
        found = Door(port, folder, (code, engineers, readers))

        def loaded() -> bool:
            status, text = found.ask("/dagster/graphql", "ingenieure", query=REPOSITORIES)
            return status == 200 and '"name"' in text

        wait_for("the webserver behind the proxy", loaded, 120)
        yield found


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


REPOSITORIES = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"
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


def test_an_engineer_launches_and_the_run_is_in_postgresql(door: Door) -> None:
    launched = door.data("/dagster/graphql", "ingenieure", LAUNCH)["data"]["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    seen = door.data("/lecture/graphql", "lectrice", RUNS)["data"]["runsOrError"]["results"]
    assert [each["runId"] for each in seen] == [launched["run"]["runId"]]


def test_services_listen_on_this_machine_only_and_say_no_secret(door: Door) -> None:
    places: dict[int, str] = {}
    for family in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{family}").read_text().splitlines()[1:]:
            address, state = line.split()[1], line.split()[3]
            if state == "0A":
                places[int(address.split(":")[1], 16)] = address.split(":")[0]
    mine = {places[port] for port in (door.port, *door.inside)}
    assert mine <= {"0100007F", "0000000000000000FFFF00000100007F"}
    said = [
        door.data("/dagster/graphql", "ingenieure", "{ instance { info } version }"),
        door.ask("/dagster/server_info", "ingenieure"),
    ]
    texts = {"pages": json.dumps(said, default=str).encode()}
    home = door.folder / "home"
    texts |= {
        str(path): path.read_bytes()
        for path in [*door.folder.glob("*.log"), *home.rglob("*")]
        if path.is_file()
    }
    assert len(texts) > 6
    for secret in (PASSWORD, SECRET, *PEOPLE.values()):
        assert [name for name, text in texts.items() if secret.encode() in text] == []
