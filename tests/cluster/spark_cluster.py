"""A Spark standalone cluster on loopback: a master and workers, each a process of its own.

Pip's pyspark has no ``start-master.sh``; ``spark-class`` starts the classes. Traffic is
authenticated and encrypted, as the product asks of a cluster on other machines.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyspark

SPARK_CLASS = str(Path(pyspark.__file__).parent / "bin" / "spark-class")
ROOT = Path(__file__).parents[2]
CLASSES = "org.apache.spark.deploy"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def descendants(pid: int) -> list[int]:
    """Return a process and all below it: Python workers of Spark have groups of their own."""
    below = defaultdict(list)
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit():
                text = (entry / "stat").read_text()
                below[int(text.rpartition(")")[2].split()[1])].append(int(entry.name))
    found = [pid]
    for each in found:
        found += below[each]
    return found


def kill(child: subprocess.Popen[bytes]) -> None:
    """Kill a process and all below it at once, as a machine that loses its current."""
    for pid in descendants(child.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    child.wait()


@dataclass
class Cluster:
    """A running cluster; ``environment`` is what a driver on it needs."""

    folder: Path
    port: int
    page: int
    environment: dict[str, str]
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"spark://127.0.0.1:{self.port}"

    def start(self, name: str, kind: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [SPARK_CLASS, f"{CLASSES}.{kind}", "--host", "127.0.0.1", *arguments],
                stdout=log, stderr=log, env=self.environment, start_new_session=True,
            )  # fmt: skip

    def start_worker(self, name: str) -> None:
        self.workers[name] = self.start(
            name, "worker.Worker", "--cores", "1", "--memory", "1g", "--webui-port", "0",
            "--work-dir", str(self.folder / name), self.url,
        )  # fmt: skip

    def alive(self) -> int:
        """Return how many workers the master has, as its page tells."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.page}/json/", timeout=5) as page:
                return int(json.load(page)["aliveworkers"])
        except OSError:
            return -1

    def wait(self, workers: int, seconds: float = 60) -> None:
        until = time.monotonic() + seconds
        while self.alive() != workers:
            if time.monotonic() > until:
                told = {p.name: p.read_text()[-600:] for p in self.folder.glob("*.log")}
                raise AssertionError(f"{self.alive()} workers, not {workers}: {told}")
            time.sleep(0.2)

    def worked(self) -> dict[str, int]:
        """Return worker → tasks that its executors ended well, over all applications so far."""
        ended: dict[str, int] = defaultdict(int)
        for log in sorted((self.folder / "events").rglob("*app-*")):
            if not log.is_file():
                continue
            application = next(p for p in log.name.split(".")[0].split("_") if "app-" in p)
            for line in log.read_text().splitlines():
                event = json.loads(line)
                if event["Event"] != "SparkListenerTaskEnd":
                    continue
                if event["Task End Reason"]["Reason"] != "Success":
                    continue
                executor = event["Task Info"]["Executor ID"]
                for name in self.workers:
                    if (self.folder / name / application / executor).is_dir():
                        ended[name] += 1
        return dict(ended)


@contextlib.contextmanager
def running(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    """Run a cluster in a folder, and leave no process of it behind."""
    (folder / "events").mkdir(parents=True)
    settings = {
        "spark.authenticate": "true",
        "spark.authenticate.secret": secrets.token_hex(16),
        "spark.network.crypto.enabled": "true",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.executor.cores": "1",
        "spark.executor.memory": "512m",
        # No task before both executors are there.
        "spark.scheduler.minRegisteredResourcesRatio": "1.0",
        "spark.sql.shuffle.partitions": "2",
        # For a few rows, compiling a query to Java is the long part.
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.adaptive.enabled": "false",
        "spark.eventLog.enabled": "true",
        "spark.eventLog.compress": "false",
        "spark.eventLog.rolling.enabled": "false",
        "spark.eventLog.dir": (folder / "events").as_uri(),
    }
    defaults = folder / "spark-defaults.conf"
    defaults.touch(0o600)
    defaults.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("OPENCHRONIC_SPARK", "SPARK"))}
    port, page = free_port(), free_port()
    cluster = Cluster(
        folder, port, page,
        kept
        | {
            "SPARK_CONF_DIR": str(folder),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_DAEMON_MEMORY": "256m",
            "PYTHONPATH": str(ROOT),
            "PYSPARK_PYTHON": sys.executable,
            "OPENCHRONIC_SPARK_MASTER": f"spark://127.0.0.1:{port}",
            # Half the processor time of a JVM that lives for seconds.
            "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        },
    )  # fmt: skip
    master = cluster.start(
        "master", "master.Master", "--port", str(port), "--webui-port", str(page)
    )
    try:
        cluster.wait(0)
        for number in range(workers):
            cluster.start_worker(f"worker-{number}")
        cluster.wait(workers)
        yield cluster
    finally:
        for each in (*cluster.workers.values(), master):
            kill(each)
