"""Spark spreads the files of a delivery over executors; each task parses one with DuckDB."""

from __future__ import annotations

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

from openchronic_assets.errors import OpenChronicError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MASTER_VARIABLE = "OPENCHRONIC_SPARK_MASTER"
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


def configuration() -> dict[str, str]:
    """Return the settings of the ingestion's Spark session.

    The work is in Python workers, so the JVM stays small. Nothing listens beyond this machine in
    local mode; speculation is off, since two attempts at one file would race.
    """
    master = os.environ.get(MASTER_VARIABLE, "local[*]")
    settings = {
        "spark.app.name": "openchronic-ingestion",
        "spark.master": master,
        "spark.driver.memory": "1g",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.speculation": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.log.level": "ERROR",
        "spark.sql.catalogImplementation": "in-memory",
    }
    quiet = resources.files("openchronic_assets.ingestion").joinpath("log4j2.properties")
    settings["spark.driver.extraJavaOptions"] = f"-Dlog4j2.configurationFile=file:{quiet}"
    if master.startswith("local"):
        # The JVM starts Python workers and waits. Measured: 5 to 7 s of processor time to its first
        # task without the second compiler and a parallel collector, 12 to 13 s with them.
        settings["spark.driver.extraJavaOptions"] += " -XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
        settings |= {
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
        }
    return settings


def prepare_environment() -> None:
    """Set what a Spark session of this process needs before its JVM starts.

    Raises:
        OpenChronicError: Java is missing.
    """
    require_java()
    # Workers need the interpreter that has DuckDB, not the system's.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    if configuration()["spark.master"].startswith("local"):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")


def session() -> SparkSession:
    """Return the Spark session of this process, started at first use.

    Raises:
        OpenChronicError: Java is missing.
    """
    prepare_environment()
    from pyspark.sql import SparkSession

    builder = SparkSession.builder
    for key, value in configuration().items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


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
