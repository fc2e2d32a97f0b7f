"""Faults that are no kills: disks, clocks, two runs at once, a reader who does not let go."""

from __future__ import annotations

import os
import random
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import duckdb

from openchronic_assets import progress
from openchronic_assets.bench.faults import flux, journal
from openchronic_assets.bench.faults.homes import STAGES, Homes, remove
from openchronic_assets.bench.faults.journal import Entry
from openchronic_assets.bench.faults.kills import PATIENCE, SEED, ended, run_again, states, told
from openchronic_assets.bench.faults.processes import started_by
from openchronic_assets.bench.faults.readers import Seen, catalogued, relations, torn

# Share of what a stage adds to a home that finds room on the disk.
ROOM = {"ingestion": (0.1, 0.5), "build": (0.2, 0.8), "anonymisation": (0.3,), "release": (0.5,)}
BACK = -400 * 24 * 3600.0  # seconds that the clock jumps
# In a mount namespace of its own, so that no rights are needed and nothing stays mounted.
NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")
ON_DISK = """\
set -e
mount -t tmpfs -o size={size}k tmpfs {at}
cp -a {start}/. {at}/
{then}
set +e
{command}
code=$?
set -e
cp -a {at}/. {out}/
exit $code
"""


def run_all(homes: Homes, months: int) -> None:
    """Try what the journal of the homes' folder does not hold yet."""
    todo: dict[str, Callable[[str], Entry]] = {
        f"disk full, {stage}, room for {share:.0%}": partial(disk_full, homes, stage, share)
        for stage, shares in ROOM.items()
        for share in shares
    }
    todo |= {
        "read-only disk": partial(read_only, homes),
        "clock 400 days back": partial(clock_back, homes),
        "two runs of one year at once": partial(two_runs, homes),
        "two ingestions of one delivery at once": partial(two_ingestions, homes),
        "a reader over a whole run": partial(reader, homes),
        f"flux of {months} months in a random order": partial(flux.permuted, homes, months),
    }
    for number, (name, attempt) in enumerate(todo.items()):
        progress.report("other faults", number, len(todo))
        with journal.claimed(homes.records, f"other-{number}") as mine:
            if mine and name not in {entry.number for entry in journal.read(homes.records)}:
                homes.prepare()
                journal.write(homes.records, [attempt(name)])
    progress.report("other faults", len(todo), len(todo))


def can_mount() -> bool:
    """Say whether this account may mount a disk of its own, in a namespace of its own."""
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return False
    tried = subprocess.run(
        [*NAMESPACE, "sh", "-c", "mount -t tmpfs tmpfs /mnt"], capture_output=True, check=False
    )
    return tried.returncode == 0


def disk_full(homes: Homes, name: str, share: float, label: str) -> Entry:
    """Run a stage on a disk that has room for a share of what it adds, then with room enough."""
    stage = STAGES[name]
    entry = Entry(label, SEED, name, "disk full", of=homes.seconds(name))
    if not can_mount():
        entry.seen.append("not tried: no disk can be mounted by this account")
        return entry
    small = _size(homes.kept / stage.start)
    added = max(_size(homes.kept / stage.end) - small, 256)
    code = _on_disk(homes, stage.start, stage.arguments, int(small + share * added))
    entry.seen += [f"exit code {code}", homes.said(), *told(homes.at)]
    if code != 1 or "unforeseen" in homes.said():
        entry.wrong.append(f"no error that helps on a full disk: code {code}: {homes.said()}")
    entry.wrong += torn(homes.at, states(homes, stage))
    run_again(homes, stage, entry)
    return entry


def read_only(homes: Homes, label: str) -> Entry:
    """Query and ingest on a disk that cannot be written to."""
    entry = Entry(label, SEED, "ingestion", "read-only disk")
    if not can_mount():
        entry.seen.append("not tried: no disk can be mounted by this account")
        return entry
    stage = STAGES["ingestion"]
    then = "mount -o remount,ro {at}"
    code = _on_disk(homes, stage.start, lambda home: ["sql", "select 6 * 7"], None, then)
    if code != 0 or "42" not in homes.log.read_text(encoding="utf-8"):
        entry.wrong.append(f"a query ended with {code}: {homes.said()}")
    code = _on_disk(homes, stage.start, stage.arguments, None, then)
    entry.seen += [f"exit code {code}", homes.said()]
    if code != 1 or "unforeseen" in homes.said():
        entry.wrong.append(f"no error that helps: code {code}: {homes.said()}")
    entry.wrong += torn(homes.at, [homes.seen(stage.start)])
    run_again(homes, stage, entry)
    return entry


def _size(folder: Path) -> int:
    """Return what the files of a folder take on a disk in memory, in KiB: whole pages."""
    return sum(
        (path.stat().st_size + 4095) // 4096 * 4 for path in folder.rglob("*") if path.is_file()
    )


def _on_disk(
    homes: Homes,
    start: str,
    arguments: Callable[..., list[str]],
    size: int | None,
    then: str = "true",
) -> int:
    """Run a command on a kept home on a disk of its own, and bring what is left of it here."""
    at, out = homes.at.root, homes.folder / "left"
    homes.restore(start)
    words = [*arguments(homes.at), "--home", str(at)]
    remove(at)
    remove(out)
    at.mkdir()
    out.mkdir()
    command = [*started_by(), *words]
    script = ON_DISK.format(
        size=size or 4 * _size(homes.kept / start), at=shlex.quote(str(at)),
        start=shlex.quote(str(homes.kept / start)), out=shlex.quote(str(out)),
        then=then.format(at=shlex.quote(str(at))), command=shlex.join(command),
    )  # fmt: skip
    with homes.log.open("wb") as log:
        done = subprocess.run(
            [*NAMESPACE, "sh", "-c", script], env=homes.environment, stdout=log,
            stderr=subprocess.STDOUT, check=False, timeout=PATIENCE,
        )  # fmt: skip
    remove(at)
    out.rename(at)
    return done.returncode


def clock_back(homes: Homes, label: str) -> Entry:
    """Ingest and run after the clock jumped back: what is there is dated in the future."""
    entry = Entry(label, SEED, "ingestion and build", "clock", moment=BACK)
    remove(homes.at.root)
    # Copied, not linked: the times of files are to change.
    shutil.copytree(homes.kept / "landed", homes.at.root, symlinks=True)
    for path in homes.at.root.rglob("*"):
        later = path.stat().st_mtime - BACK
        os.utime(path, (later, later))
    for name in ("ingestion", "build"):
        stage = STAGES[name]
        code = homes.begin(stage, clock=BACK).wait(PATIENCE)
        entry.seen += [f"{name} ended with {code}", *told(homes.at)]
        entry.wrong += ended(homes, stage, -1 if code is None else code)
    return entry


def two_runs(homes: Homes, label: str) -> Entry:
    """Start the same run twice at once: one does it, the other waits or says why not."""
    return _twice(homes, "build", label)


def two_ingestions(homes: Homes, label: str) -> Entry:
    """Ingest the same delivery twice at once."""
    return _twice(homes, "ingestion", label)


def _twice(homes: Homes, name: str, label: str) -> Entry:
    stage = STAGES[name]
    entry = Entry(label, SEED, name, "two at once", of=homes.seconds(name))
    homes.restore(stage.start)
    logs = [homes.log, homes.log.with_name("other.log")]
    draw = random.Random(f"{SEED}:{label}")
    running = []
    for log in logs:
        running.append(homes.begin(stage, log=log))
        time.sleep(draw.uniform(0, 1))
    codes = [each.wait(PATIENCE) for each in running]
    entry.seen += [f"{code}: {homes.said(log)}" for code, log in zip(codes, logs, strict=True)]
    if 0 not in codes or not set(codes) <= {0, 1} or "unforeseen" in " ".join(entry.seen):
        entry.wrong.append(f"two at once ended with {codes}")
    entry.wrong += ended(homes, stage, 0)
    return entry


def reader(homes: Homes, label: str) -> Entry:
    """Hold the catalogue open for a whole run: one build is seen all the time, then the next."""
    stage = STAGES["build"]
    entry = Entry(label, SEED, "build", "reader", of=homes.seconds("build"))
    homes.restore(stage.start)
    before: Seen = homes.seen(stage.start)
    looks = 0
    with duckdb.connect(str(homes.at.catalogue), read_only=True) as held:
        command = homes.begin(stage)
        while (code := command.wait(0.2)) is None:
            if relations(held) != (before.tables, before.delivered):
                entry.wrong.append(f"the reader saw something else at look {looks}")
                break
            looks += 1
        if code is None:
            code = command.wait(PATIENCE)
        if relations(held) != (before.tables, before.delivered):
            entry.wrong.append("the reader saw something else after the run")
    entry.seen.append(f"{looks} looks at every relation while the run went on")
    if looks < 2:
        entry.wrong.append("the run was too short for a reader")
    entry.wrong += ended(homes, stage, -1 if code is None else code)
    if catalogued(homes.at)[0] == before.tables:
        entry.wrong.append("who opens the catalogue after the run sees the build before")
    return entry
