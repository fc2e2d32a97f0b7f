"""A planted identifier appears in no log, event, error or page: only where deliveries are kept."""

from __future__ import annotations

import json
import sqlite3
import urllib.request
import zlib
from pathlib import Path

import duckdb
import pytest
from conftest import Backfill, Delivery, Server, openchronic
from searching import ASSETS, LOGS, found_in, in_bytes, public_files

from openchronic_assets.ingestion import deliveries
from openchronic_assets.operations.backup import backup
from openchronic_assets.settings import Home

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.spark,
    pytest.mark.long,
    pytest.mark.timeout(2700),
]


def test_the_search_finds_what_is_there(
    server: Server, backfill: Backfill, planted: Delivery, tmp_path: Path
) -> None:
    """Quarantine keeps the rows as received, and is where the search must succeed."""
    refused = sorted(server.home.quarantine.rglob("*.parquet"))
    assert len(refused) > 20
    found = set().union(*(found_in(path, planted.planted) for path in refused))
    assert found == {planted.planted[0], planted.planted[1]}
    hidden = tmp_path / "x.db"
    with sqlite3.connect(hidden) as connection:
        connection.execute("create table t (v blob)")
        connection.execute("insert into t values (?)", [zlib.compress(planted.planted[0].encode())])
    assert found_in(hidden, planted.planted) == {planted.planted[0]}


def test_every_planted_bad_row_is_in_quarantine(
    server: Server, backfill: Backfill, planted: Delivery
) -> None:
    with duckdb.connect() as connection:
        found = connection.execute(
            "select source_file, count(*) from read_parquet(?) where contains(raw, ?) group by 1",
            [f"{server.home.quarantine}/**/*.parquet", planted.planted[0]],
        ).fetchall()
    every = deliveries.records(server.home)
    (first,) = [record.id for record in every if record.name == "first"]
    # What a later delivery replaced is gone from the lake with its refused rows.
    there = {name for delivery, name in deliveries.in_effect(every) if delivery == first}
    assert len(there & set(planted.bad_lines)) >= len(planted.bad_lines) - 1
    assert dict(found) == {n: c for n, c in planted.bad_lines.items() if n in there}


def test_no_file_of_the_home_holds_an_identifier(
    server: Server, backfill: Backfill, planted: Delivery
) -> None:
    searched = list(public_files(server.home))
    suffixes = {path.suffix for path in searched}
    assert {".parquet", ".db", ".json", ".duckdb", ".csv", ".err", ".out"} <= suffixes
    leaks = {
        path.relative_to(server.home.root).as_posix(): sorted(found)
        for path in searched
        if (found := found_in(path, planted.planted))
    }
    assert leaks == {}


def test_the_journal_and_the_lists_of_a_backup_hold_neither_identifier_nor_secret(
    server: Server, backfill: Backfill, planted: Delivery, tmp_path: Path
) -> None:
    secret = (server.home.vault / "pseudonym.key").read_text().strip()
    needles = [*planted.planted, secret]
    told = backup(server.home, tmp_path / "backups", lake=False)
    assert told["files"] > 0
    texts = [path.read_bytes() for path in (tmp_path / "backups" / "manifests").iterdir()]
    texts += [path.read_bytes() for path in server.home.vault.glob("journal.*")]
    assert b"delivery_ingested" in b"".join(texts) and b"sha256" in texts[0]
    assert in_bytes(texts, needles) == set()
    # The vault, and with it the secret, is in no backup that was not asked for it.
    kept = [
        path.read_bytes()
        for path in (tmp_path / "backups" / "objects").rglob("*")
        if path.is_file()
    ]
    assert in_bytes(kept, [secret]) == set()


def test_no_file_of_the_home_but_its_own_holds_the_secret(
    server: Server, backfill: Backfill
) -> None:
    secret = (server.home.vault / "pseudonym.key").read_text().strip()
    holders = [
        path.relative_to(server.home.root).as_posix()
        for path in sorted(server.home.root.rglob("*"))
        if path.is_file() and path.suffix != ".parquet" and found_in(path, [secret])
    ]
    assert holders == ["vault/pseudonym.key"]


def test_no_page_or_answer_of_the_webserver_holds_an_identifier(
    server: Server, backfill: Backfill, planted: Delivery
) -> None:
    runs = server.runs()
    assert runs
    said = [json.dumps(server.events(run["runId"])) for run in runs]
    said.append(json.dumps(server.ask(ASSETS)))
    said.append(server.log.read_text(errors="replace"))
    for run in runs:
        said.append(json.dumps(server.ask(LOGS, key=[run["runId"], "compute_logs"])))
        for page in ("", f"/runs/{run['runId']}", "/assets", "/overview"):
            with urllib.request.urlopen(f"{server.url}{page}", timeout=60) as response:
                said.append(response.read().decode())
    assert sum(map(len, said)) > 100_000
    assert in_bytes([text.encode() for text in said], planted.planted) == set()


@pytest.mark.slow
def test_no_command_says_an_identifier(planted: Delivery, tmp_path: Path) -> None:
    place = ("--home", str(tmp_path / "home"))
    commands = [("ingest", str(planted.folder)), ("ingest", str(planted.folder), "--json"),
                ("status",), ("status", "--json")]  # fmt: skip
    said = [openchronic(*command, *place) for command in commands]
    assert [each.returncode for each in said] == [0, 0, 0, 0]
    assert "quarantine" in said[0].stderr and "first_refused" in said[1].stdout
    texts = [text.encode() for each in said for text in (each.stdout, each.stderr)]
    assert in_bytes(texts, planted.planted) == set()
    leaks = [p for p in public_files(Home(tmp_path / "home")) if found_in(p, planted.planted)]
    assert leaks == []
