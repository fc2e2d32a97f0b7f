"""Spark spreads the files of a delivery over executors; each task parses one with DuckDB.

On a cluster every node sees the zones under one path and holds the same Python environment. What
an operator sets (memory, cores, authentication) is in ``spark-defaults.conf`` under
``SPARK_CONF_DIR``; here is only what this product cannot do without. See docs/deployment.md.
"""

from __future__ import annotations

import ipaddress
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from openchronic_assets.errors import OpenChronicError, Refused, UsageError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MASTER_VARIABLE = "OPENCHRONIC_SPARK_MASTER"
LAUNCH_VARIABLE = "OPENCHRONIC_SPARK_LAUNCH"
SUBMIT_VARIABLE = "OPENCHRONIC_SPARK_SUBMIT"
LAUNCHES = ("local", "submit")
JAVA_NEEDED = 17

Item = TypeVar("Item")
Result = TypeVar("Result")


def require_java() -> None:
    """Say in one line what is missing where Java 17 or later is not there.

    Raises:
        OpenChronicError: no Java, or an older one.
    """
    remedy = "install it (Debian: apt install openjdk-17-jre-headless) or set JAVA_HOME"
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if java is None or not Path(java).exists():
        raise OpenChronicError(f"Java {JAVA_NEEDED} or later is needed by Spark: {remedy}")
    shown = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(?:1\.)?(\d+)', shown)
    if not found or int(found.group(1)) < JAVA_NEEDED:
        version = found.group(1) if found else "unknown"
        raise OpenChronicError(
            f"Java {JAVA_NEEDED} or later is needed by Spark, found {version}: {remedy}"
        )


def master() -> str:
    """Return where Spark runs: ``OPENCHRONIC_SPARK_MASTER``, all cores of this machine without."""
    return os.environ.get(MASTER_VARIABLE) or "local[*]"


def launch() -> str:
    """Return how an ingestion is launched by Dagster: ``OPENCHRONIC_SPARK_LAUNCH``.

    ``local``, the default, is in the run's own process; ``submit`` is by ``spark-submit``.

    Raises:
        UsageError: it names neither.
    """
    chosen = os.environ.get(LAUNCH_VARIABLE) or LAUNCHES[0]
    if chosen not in LAUNCHES:
        raise UsageError(f"{LAUNCH_VARIABLE} is {' or '.join(LAUNCHES)}, not {chosen}")
    return chosen


def is_on_this_machine(address: str) -> bool:
    """Whether nothing of a master's work leaves this machine: local, or a cluster on loopback."""
    if address.startswith("local"):
        return True
    place = re.fullmatch(r"spark://([^,/]+):\d+", address)
    if place is None:
        return False
    name = place.group(1).strip("[]")
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def configuration() -> dict[str, str]:
    """Return the settings of the ingestion's Spark session.

    The work is in Python workers, so the JVM stays small. Nothing listens beyond this machine in
    local mode; speculation is off, since it would read each slow file twice.
    """
    address = master()
    settings = {
        "spark.app.name": "openchronic-ingestion",
        "spark.master": address,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.speculation": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.log.level": "ERROR",
        "spark.sql.catalogImplementation": "in-memory",
    }
    quiet = resources.files("openchronic_assets.ingestion").joinpath("log4j2.properties")
    logging = f"-Dlog4j2.configurationFile=file:{quiet}"
    if address.startswith("local"):
        # The JVM starts Python workers and waits. Measured: 5 to 7 s of processor time to its first
        # task without the second compiler and a parallel collector, 12 to 13 s with them.
        return settings | {
            "spark.driver.memory": "1g",
            "spark.driver.extraJavaOptions": f"{logging} -XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
        }
    return settings | {
        "spark.driver.extraJavaOptions": logging,
        "spark.executor.extraJavaOptions": f"{logging} -Dopenchronic.log=off",
        # The zones are folders that every node sees; a Hadoop cluster would look for them in HDFS.
        "spark.hadoop.fs.defaultFS": "file:///",
    }


def submit_command(script: Path) -> list[str]:
    """Return the command that runs a script by ``spark-submit`` with the session's settings.

    ``OPENCHRONIC_SPARK_SUBMIT`` names a cluster's own program; without it, that of the environment.
    In client mode: the driver is on this machine, where Dagster hears it.
    """
    program = os.environ.get(SUBMIT_VARIABLE) or str(Path(sys.executable).with_name("spark-submit"))
    settings = configuration()
    command = [program, "--master", settings.pop("spark.master"), "--deploy-mode", "client"]
    for name, value in sorted(settings.items()):
        command += ["--conf", f"{name}={value}"]
    return [*command, str(script)]


def prepare_environment() -> None:
    """Set what a Spark session of this process needs before its JVM starts.

    Raises:
        OpenChronicError: Java is missing.
    """
    require_java()
    # Workers need the interpreter that has DuckDB, not the system's.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    if is_on_this_machine(master()):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")


def session() -> SparkSession:
    """Return the Spark session of this process, started at first use.

    Raises:
        OpenChronicError: Java is missing.
        Refused: see :func:`closed`.
    """
    prepare_environment()
    from pyspark.sql import SparkSession

    builder = SparkSession.builder
    for key, value in configuration().items():
        builder = builder.config(key, value)
    return closed(builder.getOrCreate())


def closed(spark: SparkSession) -> SparkSession:
    """Return a session whose traffic others cannot read.

    Tasks carry the pseudonym secret to the executors.

    Raises:
        Refused: the master is on another machine, and traffic is not authenticated and encrypted.
    """
    if is_on_this_machine(str(spark.sparkContext.master)):
        return spark
    settings = spark.sparkContext.getConf()

    def on(name: str) -> bool:
        return str(settings.get(name, "false")).lower() == "true"

    if on("spark.authenticate") and (
        on("spark.network.crypto.enabled") or on("spark.ssl.rpc.enabled")
    ):
        return spark
    spark.stop()
    raise Refused(
        "tasks would carry the pseudonym secret to the Spark executors in clear: set "
        "spark.authenticate true and spark.network.crypto.enabled true in spark-defaults.conf "
        "(SPARK_CONF_DIR), on the cluster too; see docs/deployment.md"
    )


def spread(
    spark: SparkSession,
    function: Callable[[Item], Result],
    items: Sequence[Item],
    progress: Callable[[int], None] | None = None,
) -> list[Result]:
    """Apply a function to each item, one Spark task an item, and return the results in order.

    ``progress`` is told how many tasks have ended.
    """
    if not items:
        return []
    context = spark.sparkContext
    results: list[Result] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            results.extend(context.parallelize(list(items), len(items)).map(function).collect())
        except Exception as error:
            failure.append(error)

    thread = threading.Thread(target=work, name="openchronic-spread")
    tracker = context.statusTracker()
    thread.start()
    while thread.is_alive():
        thread.join(0.3)
        if progress:
            done = sum(
                info.numCompletedTasks
                for stage in tracker.getActiveStageIds()
                if (info := tracker.getStageInfo(stage)) is not None
            )
            progress(done)
    if failure:
        # Spark's text may quote what a task held: its class is enough.
        raise OpenChronicError(
            f"a Spark task failed ({type(failure[0]).__name__}): see that the executors have "
            "memory, disk and the same Python environment, then run again"
        ) from None
    return results
