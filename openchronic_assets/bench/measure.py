"""One step in a process of its own, with what it took: seconds, processor, memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openchronic_assets.errors import OpenChronicError

EVERY = 0.1  # seconds between two looks at the processes
PROC = Path("/proc")


@dataclass(frozen=True)
class Usage:
    """What a step took, its interpreter's start included.

    ``wall`` and ``cpu`` are seconds, ``peak`` is in megabytes; both of them over the process and
    all that it started (Java, Spark's workers). Memory that processes share counts in each.
    ``result`` is what the step returned.
    """

    wall: float
    cpu: float
    peak: float
    result: dict[str, Any]


def measure(step: str, *, module: str = "steps", **arguments: Any) -> Usage:
    """Run a step by its name, from ``steps`` or another module of this room that runs as it does.

    Raises:
        OpenChronicError: the step failed.
    """
    command = [sys.executable, "-m", f"openchronic_assets.bench.{module}", step]
    command.append(json.dumps(arguments))
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=err, start_new_session=True)
        watch = _Watch(process.pid)
        watch.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            watch.stop()
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait()
        wall = time.perf_counter() - started
        out.seek(0)
        err.seek(0)
        if process.returncode:
            # The data of a benchmark are invented: an error may be quoted.
            said = err.read().decode(errors="replace").strip().splitlines() or ["no message"]
            raise OpenChronicError(f"the step {step} of the benchmark failed: {said[-1]}")
        answer: dict[str, Any] = json.loads(out.read().decode().splitlines()[-1])
    # ru_maxrss is in KiB on Linux, in bytes on macOS; it is that of the largest process alone.
    largest = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Usage(
        wall=wall,
        cpu=max(usage.ru_utime + usage.ru_stime, watch.cpu),
        peak=max(largest, watch.peak) / 1e6,
        result=answer,
    )


class _Watch(threading.Thread):
    """Looks at the processes of a session from time to time, where the system shows them.

    ``wait4`` alone would miss Java: it outlives the step that started it, and a sum over processes
    at one time is not the largest of them.
    """

    def __init__(self, session: int):
        super().__init__(daemon=True)
        self.session = session
        self.peak = 0
        self._cpu: dict[int, float] = {}
        self._ended = threading.Event()

    @property
    def cpu(self) -> float:
        return sum(self._cpu.values())

    def run(self) -> None:
        while PROC.is_dir() and not self._ended.wait(EVERY):
            self._look()

    def stop(self) -> None:
        self._ended.set()
        self.join()

    def _look(self) -> None:
        resident = 0
        ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
        for folder in PROC.iterdir():
            if not folder.name.isdigit():
                continue
            try:
                # Fields of proc(5) after the name, which may hold blanks: 6 is the session, 14
                # and 15 the processor time, 24 the resident pages.
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == self.session:
                resident += int(fields[21]) * page
                self._cpu[int(folder.name)] = (int(fields[11]) + int(fields[12])) / ticks
        self.peak = max(self.peak, resident)
