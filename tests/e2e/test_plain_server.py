"""The plain-server way, really run: PostgreSQL, code server, two webservers, daemon, nginx.

An engineer launches the main job on a delivery with planted identifiers, on a part of the models;
two people publish its candidate, and a database is served. Then nothing that the services keep,
log, answer or serve holds one of these identifiers, nor a secret.
"""

from __future__ import annotations

import base64
import contextlib
import csv
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import string
import subprocess
import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import (
    EVENTS,
    OPENCHRONIC,
    Delivery,
    environment,
    make_extract,
    plant,
    process_group,
    wait_for,
)
from part_of_project import only
from searching import ASSETS, LOGS, found_in, in_bytes, postgres_tables, public_files

from openchronic_assets.settings import Home
from openchronic_assets.warehouse.builds import files
from openchronic_assets.warehouse.project import PROJECT_VARIABLE
from openchronic_assets.warehouse.raw import read_parquet

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
from postgres_server import PASSWORD, Server, running

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.spark,
    pytest.mark.long,
    pytest.mark.timeout(1500),
    pytest.mark.usefixtures("java"),
]
psycopg = pytest.importorskip("psycopg")
pytest.importorskip("dagster_postgres")

DEPLOY = Path(__file__).parents[2] / "deploy"
BIN = Path(sys.executable).parent
PEOPLE = {"ingenieure": "planted-pass-of-an-engineer", "lectrice": "planted-pass-of-a-reader"}
MODELS = ("patient", "person", "person_year", "care_event", "cost")
SERVED = "served"
EXAMPLES_IN_R = Path(__file__).parents[2] / "docs" / "notebooks" / "exemples-postgresql.R"
READ_IN_R = ("person_year", "ald_episode", "hospital_stay", "cost")
SECRET = "planted-pseudonym-secret-" + "0" * 20


@dataclass
class Door:
    """The proxy, the certificate of a person, and what is behind."""

    port: int
    folder: Path
    inside: tuple[int, ...]
    database: Server
    delivery: Delivery
    variables: dict[str, str]

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
    delivery = make_extract(folder / "first")
    plant(delivery)
    shutil.move(delivery.folder, home.landing)
    certificates(folder)
    secret = folder / "pseudonym"
    secret.write_text(SECRET)
    code, engineers, readers, port = free_ports(4)
    with (
        running() as database,
        only(folder / "part", MODELS) as part,
        contextlib.ExitStack() as stack,
    ):
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
            DAGSTER_DISABLE_TELEMETRY="1", **{PROJECT_VARIABLE: str(part)},
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
        inside = (code, engineers, readers)
        found = Door(port, folder, inside, database, delivery, variables)

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
  repositoryLocationName: "openchronic", jobName: "refresh_years"}, mode: "default",
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
    """The main job, launched by an engineer and seen to its end by a reader."""
    launched = door.data("/dagster/graphql", "ingenieure", LAUNCH)["data"]["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    identity = str(launched["run"]["runId"])

    def ended() -> str | None:
        seen = door.data("/lecture/graphql", "lectrice", RUNS)["data"]["runsOrError"]["results"]
        status = {each["runId"]: each["status"] for each in seen}[identity]
        return status if status in ("SUCCESS", "FAILURE", "CANCELED") else None

    status = wait_for("the end of the run", ended, 900, every=1)
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


@pytest.fixture(scope="module")
def released(door: Door, run: str) -> str:
    """The candidate of the run as two people publish it, served with the base of a project."""
    reader = PEOPLE["lectrice"]
    with psycopg.connect(door.database.dsn(), autocommit=True) as admin:
        admin.execute(f"create role lectrice login password '{reader}'")
        admin.execute(f"create database {SERVED}")
    project = {
        "organisation": "Agence", "purpose": "Étude", "authorisation": "non communiquée",
        "starts": "2020-01-01", "ends": "2999-12-31", "users": ["lectrice"],
        "first_year": 1900, "last_year": 2099, "departments": "all", "identifier": "none",
    }  # fmt: skip
    declared = json.dumps({"mode": "open", "projects": {"study": project}})
    (door.home.vault / "access.yaml").write_text(declared)
    (version,) = [each.name for each in door.home.candidate.iterdir() if each.name[0] == "2"]
    dsn = f"postgresql://admin@127.0.0.1:{door.database.port}/{SERVED}"
    for words in (
        ["release", "publish", version, "--approver", "A. Martin", "--approver", "B. Payet"],
        ["publish", "postgres", "--dsn", dsn],
    ):
        with (door.folder / "commands.log").open("ab") as log:
            done = subprocess.run(
                [OPENCHRONIC, *words], stdout=log, stderr=log, check=False,
                env=door.variables | {"PGPASSWORD": PASSWORD},
            )  # fmt: skip
        assert done.returncode == 0, (door.folder / "commands.log").read_text()[-3000:]
    with psycopg.connect(door.database.dsn(database=SERVED), autocommit=True) as admin:
        admin.execute("grant openchronic_release to lectrice")
    return version


def test_the_daemon_takes_a_run_from_the_queue_to_its_end(door: Door, run: str) -> None:
    told = events(door, run)
    assert "RunEnqueuedEvent" in told and "RunSuccessEvent" in told
    assert "Launched 1 runs" in (door.folder / "daemon.log").read_text()
    assert list(door.home.raw.glob("er_prs_f/*/*/*.parquet"))
    assert list(door.home.quarantine.glob("er_prs_f/*/*/*.parquet"))
    built = json.loads(door.home.pointer.read_text())["models"]
    assert set(MODELS) <= set(built)
    with psycopg.connect(door.database.dsn(database="dagster")) as connection:
        rows = connection.execute("select run_id, status from runs").fetchall()
    assert rows == [(run, "SUCCESS")]


def test_a_reader_of_the_database_sees_the_release_and_the_project(
    door: Door, released: str
) -> None:
    reader = door.database.dsn("lectrice", SERVED, PEOPLE["lectrice"])
    with psycopg.connect(reader) as connection:
        people = connection.execute("select count(*) from project_study.person").fetchone()
        events = connection.execute("select count(*) from project_study.care_event").fetchone()
    assert people[0] > 50 and events[0] > 1000
    with psycopg.connect(door.database.dsn(database=SERVED)) as connection:
        assert connection.execute("table release.version").fetchall() == [(released,)]
    log = door.database.log.read_text()
    assert "select count(*) from project_study.person" in log and "Actual Rows" in log


def test_the_examples_in_r_read_what_is_served(door: Door, released: str, tmp_path: Path) -> None:
    """R itself, over the client of Debian: the figures are those of the files of the build."""
    if shutil.which("Rscript") is None:
        pytest.skip("R is not installed: apt-get install r-base-core r-cran-rpostgresql")
    has = "quit(status = !any(c('RPostgres', 'RPostgreSQL') %in% rownames(installed.packages())))"
    if subprocess.run(["Rscript", "--vanilla", "-e", has], check=False).returncode:
        pytest.skip("R has no client of PostgreSQL: apt-get install r-cran-rpostgresql")
    example = EXAMPLES_IN_R.read_text(encoding="utf-8")
    queries = dict(re.findall(r'(\w+) <- dbGetQuery\(base, "([^"]+)"\)', example))
    assert queries.pop("tables") and len(queries) == 5
    # A query that fails is a warning in R's older client: here it ends the script.
    script = "".join(
        ["options(warn = 2); source('", str(EXAMPLES_IN_R), "', encoding = 'UTF-8')"]
        + [f"; write.csv({each}, '{each}.csv', row.names = FALSE)" for each in queries]
    )
    account = {
        "PGHOST": "127.0.0.1", "PGPORT": str(door.database.port), "PGDATABASE": SERVED,
        "PGUSER": "lectrice", "PGPASSWORD": PEOPLE["lectrice"], "OPENCHRONIC_PROJECT": "study",
        "LC_ALL": "C.UTF-8",
    }  # fmt: skip
    with (door.folder / "r.log").open("wb") as log:
        ended = subprocess.run(
            ["Rscript", "--vanilla", "-e", script], cwd=tmp_path, check=False,
            stdout=log, stderr=log, env={**os.environ, **account},
        )  # fmt: skip
    assert ended.returncode == 0, (door.folder / "r.log").read_text()[-2000:]
    with duckdb.connect() as connection:
        connection.execute("create schema release")
        sources = {name: files(door.home, name) for name in READ_IN_R}
        sources["release.patient"] = [door.home.release / released / "patient.parquet"]
        for name, paths in sources.items():
            # Of a table without years, a project sees the people whom it sees in a year.
            seen = "where person_id in (from (select person_id from person_year))"
            rows = f"from {read_parquet(paths)} {seen if name == 'ald_episode' else ''}"
            connection.execute(f"create view {name} as {rows}")
        for name, query in queries.items():
            expected = connection.execute(query).fetchall()
            with (tmp_path / f"{name}.csv").open(newline="", encoding="utf-8") as file:
                _, *rows = csv.reader(file)
            assert rows and sorted(map(told, rows)) == sorted(map(told, expected)), name


def told(row: Sequence[Any]) -> list[str]:
    """Return a row as R writes it, to the cent."""
    number = re.compile(r"-?[\d.]+(e[+-]?\d+)?")
    texts = ["NA" if value is None else str(value) for value in row]
    return [f"{float(text):.2f}" if number.fullmatch(text) else text for text in texts]


def test_no_database_log_page_or_file_holds_an_identifier_or_a_secret(
    door: Door, run: str, released: str
) -> None:
    # All are of 13 characters or more: none is found by chance.
    needles = [*door.delivery.planted, SECRET, PASSWORD, *PEOPLE.values()]
    assert min(map(len, needles)) >= 13
    texts = dict(postgres_tables(door.database.dsn(database="dagster")))
    assert b"er_prs_f" in texts["public.event_logs"] and run.encode() in texts["public.runs"]
    served = dict(postgres_tables(door.database.dsn(database=SERVED)))
    assert {"care_event", "person"} <= {name.split(".")[1] for name, text in served.items() if text}
    assert any(name.startswith("oc_release_") and text for name, text in served.items())
    texts |= {f"{SERVED}: {name}": text for name, text in served.items()}
    logs = [*door.folder.glob("*.log"), *door.database.data.glob("log/*")]
    texts |= {path.name: path.read_bytes() for path in logs}
    assert {"queries.json", "commands.log", "daemon.log"} <= set(texts)
    assert b"/dagster/graphql" in texts["access.log"]
    for user, path in (("ingenieure", "/dagster"), ("lectrice", "/lecture")):
        for page in ("/", f"/runs/{run}", "/assets", "/server_info"):
            status, text = door.ask(f"{path}{page}", user)
            assert status == 200, (path, page)
            texts[f"{path}{page}"] = text.encode()
        said = [
            door.data(f"{path}/graphql", user, "{ instance { info } version }"),
            door.data(f"{path}/graphql", user, LOGS, key=[run, "compute_logs"]),
            door.data(f"{path}/graphql", user, ASSETS),
        ]
        texts[f"{path}/graphql"] = json.dumps(said).encode()
    texts["events"] = events(door, run).encode()
    assert b"patient_candidate" in texts["events"]
    assert {
        name: found for name, text in texts.items() if (found := in_bytes([text], needles))
    } == {}
    public = list(public_files(door.home))
    zones = {path.relative_to(door.home.root).parts[0] for path in public}
    assert {"lake", "release", "dagster"} <= zones
    assert {path: found for path in public if (found := found_in(path, needles))} == {}
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


def test_services_listen_on_this_machine_only(door: Door) -> None:
    places: dict[int, str] = {}
    for family in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{family}").read_text().splitlines()[1:]:
            address, state = line.split()[1], line.split()[3]
            if state == "0A":
                places[int(address.split(":")[1], 16)] = address.split(":")[0]
    mine = {places[port] for port in (door.port, *door.inside)}
    assert mine <= {"0100007F", "0000000000000000FFFF00000100007F"}
