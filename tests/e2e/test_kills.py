"""A run killed at any moment and started again gives the same files, byte for byte."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from conftest import OPENCHRONIC, environment, make_extract

from openchronic_assets.ingestion import deliveries
from openchronic_assets.settings import Home
from openchronic_assets.warehouse.builds import files, read_manifest

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.spark,
    pytest.mark.timeout(2700),
    pytest.mark.usefixtures("java"),
]

ENVIRONMENT = environment(OPENCHRONIC_SECRET="the same secret in every home of this test")
DELIVERED = (
    "ER_PRS_F_2019.csv.gz", "ER_PRS_F_2020.csv.gz", "ER_PHA_F_2019.csv.gz", "IR_BEN_R.csv",
    "IR_IMB_R.csv", "T_MCO19B.csv", "T_MCO19C.csv",
)  # fmt: skip
MARTS = ("person", "patient", "ald_episode", "hospital_stay", "care_event", "indicator_prevalence")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A delivery of seven files of a generated extract."""
    whole = make_extract(tmp_path_factory.mktemp("kills") / "whole", persons=200).folder
    part = whole.with_name("part")
    part.mkdir()
    for name in DELIVERED:
        shutil.copy(whole / name, part)
    return part


def command(home: Home, *arguments: object) -> list[str]:
    return [OPENCHRONIC, *map(str, arguments), "--home", str(home.root)]


def run(home: Home, *arguments: object) -> None:
    said = subprocess.run(
        command(home, *arguments), capture_output=True, text=True, env=ENVIRONMENT, check=False
    )
    assert said.returncode == 0, said.stderr


def descendants(pid: int) -> list[int]:
    """Return a process and all below it: Python workers of Spark have groups of their own."""
    below: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            below.setdefault(int(text.rpartition(")")[2].split()[1]), []).append(int(entry.name))
    found = [pid]
    for each in found:
        found += below.get(each, [])
    return found


def kill_when(
    arguments: list[str], moment: Callable[[], bool], spare_workers: bool = False
) -> bool:
    """Start a command and kill it at a moment; say whether it was killed before it ended."""
    child = subprocess.Popen(
        arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT,
        start_new_session=True,
    )  # fmt: skip
    try:
        while child.poll() is None and not moment():
            time.sleep(0.001)
        killed = child.poll() is None
    finally:
        doomed = [child.pid] if spare_workers else descendants(child.pid)
        for pid in doomed:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        child.wait()
    return killed


def lake(home: Home) -> dict[str, bytes]:
    """Return all that an ingestion leaves: nothing hidden, nothing beside."""
    zones = (home.raw, home.quarantine, home.deliveries)
    return {
        path.relative_to(home.lake).as_posix(): path.read_bytes()
        for zone in zones
        for path in sorted(zone.rglob("*"))
        if path.is_file()
    }


def marts(home: Home) -> dict[str, bytes]:
    """Return the bytes of every file of every model of the current build."""
    manifest = read_manifest(home)
    assert manifest is not None
    return {
        f"{name}/{path.parent.name}": path.read_bytes()
        for name in manifest["models"]
        for path in files(home, name)
    }


def visible(home: Home) -> None:
    """Check what a reader may see after a kill: whole deliveries, whole files, or nothing."""
    for record in deliveries.records(home):
        for report in record.files:
            assert report.balances
    for parts in deliveries.current_parts(home).values():
        for part in parts:
            counted = duckdb.execute("select count(*) from read_parquet(?)", [str(part.path)])
            assert counted.fetchone()


@pytest.fixture(scope="module")
def undisturbed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home that nobody disturbed, ingested and built."""
    home = Home(tmp_path_factory.mktemp("undisturbed") / "home").create()
    run(home, "ingest", folder)
    run(home, "run", "--years", "2019")
    return home


INGEST_MOMENTS: dict[str, Callable[[Home], bool]] = {
    "the first part is being written": lambda home: any(home.raw.glob(".attempt-*/**/*.parquet")),
    "half of the files are parsed": lambda home: (
        len(list(home.raw.glob(".attempt-*/*/*/*/*.parquet"))) > len(DELIVERED) // 2
    ),
    "the first file is moved to its place": lambda home: any(home.raw.glob("[a-z]*/*/*")),
    "the record appears": lambda home: any(home.deliveries.glob("*.json")),
}


SLOW = pytest.mark.slow
FIRST = "the first part is being written"


@pytest.mark.long
@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(FIRST, marks=SLOW),
        pytest.param("half of the files are parsed", marks=SLOW),
        "the first file is moved to its place",
        pytest.param("the record appears", marks=SLOW),
    ],
)
def test_an_ingestion_killed_and_run_again_gives_the_same_lake(
    home: Home, folder: Path, undisturbed: Home, moment: str
) -> None:
    kill_when(command(home, "ingest", folder), lambda: INGEST_MOMENTS[moment](home))
    visible(home)
    run(home, "ingest", folder)
    assert lake(home) == lake(undisturbed)
    assert not list(home.scratch.glob(".attempt-*"))


@pytest.mark.slow
def test_workers_that_outlive_their_driver_do_no_harm(
    home: Home, folder: Path, undisturbed: Home
) -> None:
    arguments = command(home, "ingest", folder)
    assert kill_when(arguments, lambda: INGEST_MOMENTS[FIRST](home), spare_workers=True)
    visible(home)
    run(home, "ingest", folder)
    # What a worker wrote after that is hidden from readers, and goes with the next ingestion.
    assert {k: v for k, v in lake(home).items() if "/.attempt-" not in k} == lake(undisturbed)


def parts(home: Home) -> int:
    return len(list(home.builds.glob("*/*/**/*.parquet")))


RUN_MOMENTS: dict[str, Callable[[Home], bool]] = {
    "some models are written": lambda home: parts(home) >= 4,
    "the build is published": lambda home: home.pointer.is_file(),
}


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("some models are written", marks=SLOW),
        pytest.param("the build is published", marks=SLOW),
    ],
)
def test_a_run_killed_and_started_again_gives_the_same_marts(
    home: Home, undisturbed: Home, moment: str
) -> None:
    for zone in ("raw", "quarantine", "deliveries"):
        shutil.copytree(undisturbed.lake / zone, home.lake / zone, dirs_exist_ok=True)
    assert kill_when(command(home, "run", "--years", "2019"), lambda: RUN_MOMENTS[moment](home))
    assert (read_manifest(home) is not None) == (moment == "the build is published")
    run(home, "run", "--years", "2019")
    assert marts(home) == marts(undisturbed)
    assert set(MARTS) <= {name.split("/")[0] for name in marts(home)}


@pytest.mark.slow
def test_a_query_answers_while_a_run_is_writing(home: Home, undisturbed: Home) -> None:
    """The pointer's build is read, whole, until the next one takes its place at once."""
    shutil.copytree(undisturbed.root, home.root, dirs_exist_ok=True)
    before = read_manifest(home)
    assert before is not None
    rows = ask(home)
    child = subprocess.Popen(
        command(home, "run", "--years", "2018-2019"), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, env=ENVIRONMENT,
    )  # fmt: skip
    during = 0
    try:
        while child.poll() is None:
            writing = any(b.name != before["build_id"] for b in home.builds.iterdir())
            build, counted = ask(home)
            assert counted == rows[1]
            during += writing and build == before["build_id"]
    finally:
        child.wait()
    assert child.returncode == 0
    assert during >= 1
    assert ask(home)[0] != before["build_id"]


def ask(home: Home) -> tuple[str, int]:
    said = subprocess.run(
        [*command(home, "sql", "select build_id, (select count(*) from patient) from meta.build"),
         "--json"], capture_output=True, text=True, env=ENVIRONMENT, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    ((build, count),) = json.loads(said.stdout)["rows"]
    return build, count


@pytest.mark.slow
@pytest.mark.parametrize("number", range(20))
def test_twenty_kills_at_random_moments_change_nothing(
    home: Home, folder: Path, undisturbed: Home, number: int
) -> None:
    chance = random.Random(number)
    for arguments in (("ingest", folder), ("run", "--years", "2019")):
        until = time.monotonic() + chance.uniform(2, 30)
        while kill_when(command(home, *arguments), lambda: time.monotonic() > until):  # noqa: B023
            visible(home)
            until = time.monotonic() + chance.uniform(5, 60)
        run(home, *arguments)
    assert lake(home) == lake(undisturbed)
    assert marts(home) == marts(undisturbed)
