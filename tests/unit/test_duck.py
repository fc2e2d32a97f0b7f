"""Where queries spill: in the home, each in a folder of its own, and nowhere else."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import duckdb
import pytest

import openchronic_assets
from openchronic_assets import duck
from openchronic_assets.operations import retention
from openchronic_assets.settings import Home, home

ROWS = 6_000_000  # 48 MB of hashes


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return home(tmp_path / "home").create()


def spilled(connection: duckdb.DuckDBPyConnection) -> int:
    """Make a table that does not fit into memory; return how many bytes of it are spilled."""
    connection.execute(f"create table t as select hash(i) as h from range({ROWS}) t(i)")
    row = connection.execute("select sum(size) from duckdb_temporary_files()").fetchone()
    return int(row[0] or 0) if row else 0


def test_what_does_not_fit_is_in_the_scratch_of_the_home(place: Home) -> None:
    with (
        duck.connect(memory_limit="30MB") as one,
        duck.connect(memory_limit="30MB") as other,
    ):
        assert spilled(one) > 0 and spilled(other) > 0
        folders = sorted(place.scratch.glob("spill-*"))
        assert len(folders) == 2, "each has its own"
        assert stat.S_IMODE(place.scratch.stat().st_mode) == 0o700
        one.close()
        assert other.execute("select count(*) from t").fetchone() == (ROWS,)
    assert list(place.scratch.glob("spill-*")) == []
    assert list(Path.cwd().iterdir()) == []


def test_without_a_home_it_is_in_a_folder_of_this_account_alone(
    place: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home(tmp_path / "nowhere")
    folder = duck.spill_folder()
    assert not folder.is_relative_to(tmp_path)
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    assert duck.spill_folder(place).parent == place.scratch
    with duck.connect(memory_limit="30MB") as connection:
        assert spilled(connection) > 0
    assert list(Path.cwd().iterdir()) == []


def test_cleaning_takes_what_killed_processes_left(place: Home) -> None:
    gone, alive = (place.scratch / f"spill-{pid}-0" for pid in (2**22 + 1, os.getpid()))
    young = place.scratch / f"spill-{2**22 + 2}-0"
    for folder in (gone, alive, young):
        folder.mkdir()
        (folder / "duckdb_temp_storage_DEFAULT-0.tmp").write_bytes(b"rows")
    for folder in (gone, alive):
        os.utime(folder, (0, 0))
    retention.clean(place, apply=True)
    assert not gone.exists() and alive.exists() and young.exists()


def test_nothing_opens_a_database_in_memory_by_itself() -> None:
    """The generator's benchmarks and the reader of deliveries give their folder themselves."""
    found = {
        path.relative_to(root).as_posix()
        for root in [Path(openchronic_assets.__file__).parent]
        for path in root.rglob("*.py")
        if re.search(r"duckdb\.connect\(\s*(\)|config|\":memory:)", path.read_text("utf-8"))
    }
    assert {name for name in found if not name.startswith("bench/")} == {
        "duck.py", "ingestion/parse.py"
    }  # fmt: skip
