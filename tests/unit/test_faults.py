"""The harness of faults: what it kills, what it calls torn, and what it remembers."""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from openchronic_assets import instance
from openchronic_assets.anonymisation import release
from openchronic_assets.bench.faults import bench, daemon, homes, journal, kills, readers
from openchronic_assets.bench.faults.journal import Entry
from openchronic_assets.bench.faults.processes import (
    descendants,
    kill_tree,
    named,
    processor,
)
from openchronic_assets.errors import OpenChronicError, UsageError
from openchronic_assets.settings import Home

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="other systems do not show their processes"
)

# A child in a session of its own that starts another, as Spark's do.
TREE = """
import subprocess, sys, time
child = "import subprocess, sys, time; "
child += "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
child += "print('ready', flush=True); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", child], start_new_session=True)
time.sleep(600)
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_tree_is_killed_whole_whatever_its_sessions() -> None:
    command = [sys.executable, "-c", TREE]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    family = descendants(process.pid)
    assert len(family) == 3
    assert named(family, "time.sleep(600)") and named(family, "no such word") == []
    kill_tree(process.pid)
    assert process.wait(10) == -signal.SIGKILL
    until = time.monotonic() + 10
    while any(alive(pid) for pid in family) and time.monotonic() < until:
        time.sleep(0.01)
    assert [pid for pid in family if alive(pid)] == []


@pytest.mark.parametrize("count", [1, 10, 34, 170])
def test_a_plan_has_as_many_kills_as_asked_for_each_once(count: int) -> None:
    chains = kills.plan(count)
    numbers = [number for chain in chains for number in chain.numbers]
    assert numbers == list(range(1, count + 1))
    assert all(len(chain.numbers) <= kills.LONGEST for chain in chains)
    assert kills.plan(count) == chains
    stages = Counter(chain.stage for chain in chains for _ in chain.numbers)
    if count == 170:
        assert stages == kills.SHARES
    if count >= 10:
        assert set(stages) == set(kills.SHARES)


def test_what_is_on_record_is_not_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []

    def until_the_third(where: homes.Homes, chain: kills.Chain) -> list[Entry]:
        if len(done) > 3 and "stopped" not in vars(where):
            where.stopped = True  # type: ignore[attr-defined]
            raise KeyboardInterrupt
        done.extend(chain.numbers)
        return [Entry(number, 1, chain.stage) for number in chain.numbers]

    monkeypatch.setattr(kills, "run", until_the_third)
    monkeypatch.setattr(homes.Homes, "prepare", lambda self: None)
    place = homes.Homes(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        bench.kill_commands(place, 10)
    # Half a line, as a kill of the benchmark itself leaves it.
    with (tmp_path / journal.NAME).open("a") as file:
        file.write('{"number": 9')
    before = list(done)
    bench.kill_commands(place, 10)
    assert sorted(done) == list(range(1, 11))
    assert done[: len(before)] == before
    assert [entry.number for entry in journal.read(tmp_path)] == list(range(1, 11))


def test_what_another_process_does_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        kills, "run", lambda where, chain: [Entry(n, 1, chain.stage) for n in chain.numbers]
    )
    monkeypatch.setattr(homes.Homes, "prepare", lambda self: None)
    first = kills.plan(10)[0].numbers
    with bench._own(tmp_path) as one, bench._own(tmp_path) as other:
        assert one.folder == tmp_path and other.folder != one.folder
        assert one.records == other.records == tmp_path
        with journal.claimed(tmp_path, f"kill-{first[0]}") as mine:
            assert mine
            bench.kill_commands(other, 10)
        done = [entry.number for entry in journal.read(tmp_path)]
        assert done == [number for number in range(1, 11) if number not in first]
        bench.kill_commands(one, 10)
    assert sorted(entry.number for entry in journal.read(tmp_path)) == list(range(1, 11))


def test_processor_time_is_that_of_a_process_and_of_all_it_started() -> None:
    work = "import time\nwhile time.process_time() < 0.3: pass\n"
    code = f"import subprocess, sys, time\nsubprocess.run([sys.executable, '-c', {work!r}])\n"
    command = [sys.executable, "-c", f"{code}print('done', flush=True)\ntime.sleep(600)"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == b"done\n"
    taken = processor(process.pid)
    assert 0.3 <= taken <= daemon._taken(process.pid, 0.3) < 30
    threading.Timer(0.3, kill_tree, [process.pid]).start()
    threading.Timer(0.3, process.wait).start()
    assert daemon._taken(process.pid, math.inf) >= taken  # until it is gone
    assert processor(process.pid) == 0


def test_a_fault_that_did_harm_is_beyond_the_bar_and_told_with_its_seed() -> None:
    good = Entry(1, 5, "build", moment=1.5, of=9.0, again=2.0)
    bad = Entry(2, 5, "build", moment=2.5, of=9.0, wrong=["raw differs"])
    assert bench.told([good])["holds"]
    found = bench.told([good, bad])
    assert not found["holds"]
    assert [each["value"] for each in found["cases"] if each["unit"] == "not put right"] == [1]
    assert "2 (build, 2.5 s of 9.0, seed 5): raw differs" in [e["case"] for e in found["cases"]]


def test_a_size_or_a_kill_that_is_not_there_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="small, medium, full"):
        bench.bench_faults("huge")
    with pytest.raises(UsageError, match="kill 11 is not one of a command: 1-10"):
        bench.bench_faults("small", tmp_path, replay=11)


def test_a_lock_is_held_until_its_process_is_gone(home: Home) -> None:
    path = home.lake / ".lock"
    path.touch()
    assert list(readers.held(home)) == []
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert list(readers.held(home)) == ["lake/.lock"]
    assert list(readers.held(home)) == []


class Killed(BaseException):
    """Stands for the kill: no handler of the product takes it."""


def killed(*_: object, **__: object) -> None:
    raise Killed


def test_a_zone_is_never_wider_than_it_may_be_not_even_for_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "chmod", killed)
    before = os.umask(0)
    try:
        for _ in range(60):  # killed after each zone
            with contextlib.suppress(Killed):
                Home(tmp_path / "home").create()
    finally:
        os.umask(before)
    monkeypatch.undo()
    assert stat.S_IMODE((tmp_path / "home" / "vault").stat().st_mode) == 0o700
    Home(tmp_path / "home").create()


@pytest.mark.parametrize("moment", ["write_text", "replace"])
def test_the_settings_of_the_instance_are_whole_or_not_there(
    home: Home, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.setenv("OPENCHRONIC_HOME", "")
    with monkeypatch.context() as patch:
        patch.setattr(Path, moment, killed)
        with pytest.raises(Killed):
            instance.prepare(home)
    assert not (home.dagster / "dagster.yaml").exists()
    instance.prepare(home)
    assert (home.dagster / "dagster.yaml").read_text() == instance.SETTINGS


def test_events_of_a_command_are_written_without_a_checkpoint_each(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dagster as dg

    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.setenv("OPENCHRONIC_HOME", "")
    instance.prepare(home)

    def logs() -> list[str]:
        return sorted(path.name for path in home.dagster.rglob("*.db-wal"))

    @dg.asset
    def looks() -> list[str]:
        return logs()

    with dg.DagsterInstance.from_config(str(home.dagster)) as running:
        assert dg.materialize([looks], instance=running).output_for_node("looks") == []
        with instance.command_run(home):
            done = dg.materialize([looks], instance=running)
            wanted = ["index.db-wal", "runs.db-wal", f"{done.run_id}.db-wal"]
            assert set(wanted) <= set(done.output_for_node("looks"))
            # Killed now, nothing is lost: a reader finds in the logs what is not in the files yet.
            copy = home.root / "copy"
            shutil.copytree(home.dagster, copy)
        assert logs() == []
        with dg.DagsterInstance.from_config(str(copy)) as left:
            assert {run.status.value for run in left.get_runs()} == {"SUCCESS"}
        assert dg.materialize([looks], instance=running).output_for_node("looks") == []


def test_the_key_of_the_vault_is_whole_or_not_there(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", killed)
        with pytest.raises(Killed):
            release.vault_key(home)
    assert not (home.vault / "release.key").exists()
    key = release.vault_key(home)
    assert len(key) == 32 and release.vault_key(home) == key
    (home.vault / "release.key").write_bytes(b"short")
    with pytest.raises(OpenChronicError, match="damaged"):
        release.vault_key(home)


NOTHING = readers.Seen({}, {}, {}, {}, {}, {})


def test_an_empty_home_is_whole_and_half_a_release_is_not(home: Home) -> None:
    assert readers.torn(home, [NOTHING]) == []
    folder = home.release / "2019-00000000"
    folder.mkdir()
    (said,) = readers.torn(home, [NOTHING])
    assert said == "release/2019-00000000 has no whole report: FileNotFoundError"
    (folder / "table.csv").write_text("a\n")
    digest = readers._sha256(folder / "table.csv")
    report = {"outputs": [{"file": "table.csv", "sha256": digest}], "checks": []}
    (folder / "report.json").write_text(json.dumps(report))
    assert readers.torn(home, [NOTHING]) == []
    (folder / "table.csv").write_text("b\n")
    assert readers.torn(home, [NOTHING]) == ["release/2019-00000000 is not what its report says"]
    (folder / "table.csv").write_text("a\n")
    (home.release / ".attempt-1").mkdir()
    assert readers.torn(home, [NOTHING]) == ["release/ holds .attempt-1, which is no release"]


def test_a_record_that_cannot_be_read_or_does_not_add_up_is_told(home: Home) -> None:
    (home.deliveries / "a.json").write_text("{")
    assert readers.torn(home, [NOTHING]) == [
        "a record of a delivery cannot be read: JSONDecodeError"
    ]


def test_homes_differ_in_the_part_that_differs() -> None:
    one = readers.Seen({"a": "1"}, {}, {}, {}, {"t": "(1, 2)"}, {})
    two = readers.Seen({"a": "1"}, {}, {}, {}, {"t": "(2, 2)"}, {})
    assert one.differs(one, ["raw", "tables"]) == []
    assert one.differs(two, ["raw", "tables"]) == ["tables differs in 2 entries, first t"]
    assert readers.Seen.from_json(one.to_json()) == one
