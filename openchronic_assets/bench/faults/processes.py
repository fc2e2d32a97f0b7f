"""Commands of the product in processes of their own, and their death with all that they started."""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

from openchronic_assets.bench.measure import PROC
from openchronic_assets.errors import OpenChronicError

# Children of a process that has imported what commands need. The start of an interpreter writes
# nothing, so that kills in it would tell nothing; some are made all the same (``cold``).
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["openchronic_assets.bench.faults.warm"])
ENTRY = "openchronic_assets.cli:main"
LOOKS = (0.01, 0.1)  # seconds between two looks at the processor time of a command
TICKS = os.sysconf("SC_CLK_TCK")
CLOCK_VARIABLE = "OPENCHRONIC_BENCH_CLOCK"


class Command:
    """A command of ``openchronic`` that runs beside this process, in a session of its own."""

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        *,
        cold: bool = False,
        entry: str = ENTRY,
    ):
        """Start it.

        Args:
            arguments: what follows ``openchronic``.
            environment: all of its environment.
            log: where its stdout and stderr go.
            cold: with a fresh interpreter, as a shell starts it.
            entry: module and function that is the command.
        """
        self._cold: subprocess.Popen[bytes] | None = None
        self.work = 0.0
        log.parent.mkdir(parents=True, exist_ok=True)
        self.began = time.monotonic()
        if cold:
            with log.open("wb") as file:
                self._cold = subprocess.Popen(
                    [*started_by(entry), *arguments],
                    env=dict(environment), stdin=subprocess.DEVNULL, stdout=file,
                    stderr=subprocess.STDOUT, start_new_session=True,
                )  # fmt: skip
            self.pid = self._cold.pid
        else:
            warm_up(environment)
            self._warm = _FORKS.Process(
                target=_run, args=(list(arguments), dict(environment), str(log), entry)
            )
            self._warm.start()
            self.pid = int(self._warm.pid or 0)
            # The first one waits for the imports of the process that it comes from.
            self.began = time.monotonic()

    def wait(self, seconds: float | None = None) -> int | None:
        """Return its exit code, negative for a signal; None if it runs on after ``seconds``."""
        if self._cold is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self._cold.wait(seconds)
            return None
        self._warm.join(seconds)
        return self._warm.exitcode

    def worked(self, work: float, seconds: float) -> int | None:
        """Return its exit code; None once it and all it started took that much processor time.

        What it had taken at the last look is in ``work``. Seconds of processor, not of the clock:
        other loads of a machine change these several times over between two runs of a command.

        Args:
            work: processor seconds.
            seconds: how long to wait at most; None is returned then, too.
        """
        end = time.monotonic() + seconds
        pause = LOOKS[0]
        while (code := self.wait(pause)) is None:
            self.work = max(self.work, processor(self.pid))
            if self.work >= work or time.monotonic() > end:
                return None
            # Not before all processors together could have done the rest.
            pause = min(max(LOOKS[0], (work - self.work) / (os.cpu_count() or 1)), LOOKS[1])
        return code

    def kill(self) -> None:
        """Kill it with all that it started, and wait for its end."""
        kill_tree(self.pid)
        self.wait(60)


def warm_up(environment: Mapping[str, str]) -> None:
    """Start the process that warm commands come from, under an environment, if it does not run."""
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(before)


def started_by(entry: str = ENTRY) -> list[str]:
    """Return the words that start an entry point in a fresh interpreter, before its arguments."""
    module, _, function = entry.partition(":")
    return [sys.executable, "-c", f"from {module} import {function}; {function}()"]


def _run(arguments: list[str], environment: dict[str, str], log: str, entry: str) -> None:
    """Do what the entry point does, after the imports."""
    os.setsid()
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for each in (1, 2):
        os.dup2(written, each)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["openchronic", *arguments]
    if shift := environment.get(CLOCK_VARIABLE):
        _shift_clock(float(shift))
    module, _, function = entry.partition(":")
    getattr(importlib.import_module(module), function)()


def _shift_clock(seconds: float) -> None:
    """Let ``time.time`` of this process tell another time."""
    real, real_ns = time.time, time.time_ns
    time.time = lambda: real() + seconds
    time.time_ns = lambda: real_ns() + int(seconds * 1e9)


def descendants(pid: int) -> list[int]:
    """Return a process and all below it: Python workers of Spark have groups of their own."""
    return list(_family(pid))


def _family(pid: int) -> dict[int, list[str]]:
    """Return the same with the fields of each; of one that is gone, none."""
    every = dict(_processes())
    below: dict[int, list[int]] = {}
    for number, fields in every.items():
        below.setdefault(int(fields[1]), []).append(number)
    found = [pid]
    for each in found:
        found += below.get(each, [])
    return {each: every.get(each, []) for each in found}


def processor(pid: int) -> float:
    """Return the processor seconds of a process and of all below it, ended children included."""
    # utime, stime, cutime and cstime: fields 14 to 17 of proc(5), which counts from 1.
    return sum(int(time) for fields in _family(pid).values() for time in fields[11:15]) / TICKS


def _processes() -> Iterator[tuple[int, list[str]]]:
    """Give each process with the fields of proc(5) after its name: state, parent and so on."""
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                text = (entry / "stat").read_text()
                yield int(entry.name), text.rpartition(")")[2].split()


def named(pids: Sequence[int], word: str) -> list[int]:
    """Return those of some processes whose command line holds a word."""
    found = []
    for pid in pids:
        with contextlib.suppress(OSError):
            if word.encode() in (PROC / str(pid) / "cmdline").read_bytes():
                found.append(pid)
    return found


def kill_tree(pid: int) -> None:
    """Kill a process and all below it at once; they are stopped first, so that none escapes."""
    if not PROC.is_dir():
        raise OpenChronicError("processes can be killed with their children on Linux only")
    stopped: set[int] = set()
    while fresh := set(descendants(pid)) - stopped:
        for each in fresh:
            send(each, signal.SIGSTOP)
        stopped |= fresh
    for each in stopped:
        send(each, signal.SIGKILL)


def send(pid: int, number: int) -> None:
    """Send a signal to a process that may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def environment(**more: Any) -> dict[str, str]:
    """Return the environment of a command: this one's, without what would name another home."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("OPENCHRONIC_HOME", "DAGSTER_HOME")
    }
    # `python -c` and children of another folder find the product where this process found it.
    path = [each for each in sys.path if each]
    return {**kept, "PYTHONPATH": os.pathsep.join(path), **{k: str(v) for k, v in more.items()}}
