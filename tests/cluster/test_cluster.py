"""A real Spark cluster on loopback: the same rows as one machine, and a lost worker costs time.

Ingestion, models of the base, and the first scan of an anonymisation.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import duckdb
import numpy as np
import pytest
from lake_files import lake
from part_of_project import only
from same_rows import assert_same
from spark_cluster import Cluster, kill, running

from openchronic_assets import warehouse
from openchronic_assets.anonymisation.cube import cube_from_parquet
from openchronic_assets.anonymisation.hierarchies import builtin
from openchronic_assets.anonymisation.patient_release import COLUMNS
from openchronic_assets.settings import Home
from openchronic_assets.synthetic import generate
from openchronic_assets.warehouse.project import PROJECT_VARIABLE, TARGETS

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.spark,
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("java"),
]

INGEST = [sys.executable, "-c", "from openchronic_assets.cli import main; main()", "ingest"]
SECRET = {"OPENCHRONIC_SECRET": "the same secret in every home of this test"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("cluster") / "spark") as found:
        found.environment |= SECRET
        yield found


@pytest.fixture(scope="module")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated extract of two care years, with the dirt of real ones."""
    folder = tmp_path_factory.mktemp("delivery")
    generate(folder / "first", 300, (2019, 2020), 7, truth=folder / "truth")
    return folder / "first"


@pytest.fixture(scope="module")
def one_machine(delivery: Path, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home into which this machine alone took the delivery."""
    home = Home(tmp_path_factory.mktemp("local") / "home")
    local = cluster.environment | {"OPENCHRONIC_SPARK_MASTER": "local[2]", "SPARK_CONF_DIR": ""}
    command = [*INGEST, str(delivery), "--home", str(home.root)]
    subprocess.run(command, env=local, check=True, capture_output=True)
    assert len(lake(home)) > 60
    return home


def test_a_cluster_launched_by_spark_submit_writes_the_bytes_of_one_machine(
    cluster: Cluster,
    delivery: Path,
    one_machine: Home,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = Home(tmp_path / "home").create()
    (home.landing / "first").symlink_to(delivery)
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OPENCHRONIC_HOME", str(home.root))
    from dagster_pyspark import LazyPySparkResource

    from openchronic_assets.ingestion.assets import raw_tables
    from openchronic_assets.ingestion.launcher import SparkLauncher

    local = LazyPySparkResource(spark_config={"spark.master": "never asked"})
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [raw_tables],
            partition_key="2019",
            resources={"launcher": SparkLauncher(mode="submit", pyspark=local)},
            instance=instance,
        )
        told = [str(each) for each in instance.all_logs(result.run_id)]
    assert result.success
    rows = {
        event.asset_key.path[-1]: event.materialization.metadata["dagster/row_count"].value
        for event in result.get_asset_materialization_events()
        if event.asset_key
    }
    assert rows["er_prs_f"] > 1000
    assert any("first: ingested" in text for text in told)
    assert not any(SECRET["OPENCHRONIC_SECRET"] in text for text in told)
    assert lake(home) == lake(one_machine)
    worked = cluster.worked()
    assert set(worked) == {"worker-0", "worker-1"}
    assert sum(worked.values()) == len(list(delivery.glob("*.csv*")))


def test_a_worker_lost_in_mid_run_costs_time_and_no_row(
    cluster: Cluster, delivery: Path, one_machine: Home, tmp_path: Path
) -> None:
    home = Home(tmp_path / "home")
    command = [*INGEST, str(delivery), "--home", str(home.root)]
    with (tmp_path / "out.log").open("wb") as log:
        child = subprocess.Popen(command, stdout=log, stderr=log, env=cluster.environment)
        try:
            while child.poll() is None and not any(home.raw.glob(".attempt-*/**/*.parquet")):
                time.sleep(0.01)
            parsed = len(list(home.raw.glob(".attempt-*")))
            assert child.poll() is None and not list(home.deliveries.glob("*.json"))
            kill(cluster.workers.pop("worker-1"))
            assert child.wait(300) == 0, (tmp_path / "out.log").read_text()[-2000:]
        finally:
            kill(child)
    assert parsed < len(list(delivery.glob("*.csv*"))) // 2
    assert lake(home) == lake(one_machine)
    cluster.start_worker("worker-2")
    cluster.wait(2)


# Each in a process of its own: Spark's session is the process's, and its master with it.
BUILD = """
import sys
from pathlib import Path
from openchronic_assets import warehouse
from openchronic_assets.settings import Home
warehouse.build(Home(Path(sys.argv[1])), [2019, 2020], target="spark")
"""
SCAN = """
import sys
from pathlib import Path
import numpy as np
from openchronic_assets.anonymisation.cube import cube_from_spark
from openchronic_assets.anonymisation.hierarchies import builtin
from openchronic_assets.anonymisation.patient_release import COLUMNS
from openchronic_assets.ingestion.spark import session
files = sorted(Path(sys.argv[1]).glob("*.parquet"))
cube = cube_from_spark(session(), files, [builtin(name) for name in COLUMNS])
np.savez(sys.argv[2], codes=cube.codes, counts=cube.counts)
"""


def drive(cluster: Cluster, script: str, *arguments: Path, **more: str) -> None:
    """Run a driver on the cluster, and see that every worker had some of its tasks."""
    before = cluster.worked()
    command = [sys.executable, "-c", script, *map(str, arguments)]
    ended = subprocess.run(
        command, env=cluster.environment | more, check=False, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    worked = cluster.worked()
    assert {name for name in worked if worked[name] > before.get(name, 0)} == set(cluster.workers)


def test_models_of_persons_stays_and_costs_are_the_rows_of_one_machine(
    cluster: Cluster, one_machine: Home, tmp_path: Path
) -> None:
    homes = {target: Home(tmp_path / target) for target in TARGETS}
    for home in homes.values():
        shutil.copytree(one_machine.root, home.root)
    with only(tmp_path, ("person", "hospital_stay", "cost")) as part:
        warehouse.build(homes["duckdb"], [2019, 2020], target="duckdb")
        drive(cluster, BUILD, homes["spark"].root, **{PROJECT_VARIABLE: str(part)})
        rows = assert_same(homes["spark"], homes["duckdb"])
    assert {"person", "hospital_stay", "care_event", "cost"} <= set(rows)
    assert min(rows["person"], rows["hospital_stay"], rows["care_event"], rows["cost"]) > 100, rows


def test_the_first_scan_of_an_anonymisation_gives_the_cube_of_one_machine(
    cluster: Cluster, tmp_path: Path
) -> None:
    hierarchies = [builtin(name) for name in COLUMNS]
    files = []
    with duckdb.connect() as connection:
        for number in range(4):
            drawn = ", ".join(
                # Skewed: tuples of one record, and of hundreds.
                f"list_value({', '.join(repr(leaf) for leaf in h.leaves)})"
                f"[1 + floor(pow(random(), 3) * {len(h.leaves)})::integer] as {h.name}"
                for h in hierarchies
            )
            files.append(tmp_path / f"{number}.parquet")
            connection.execute(f"select setseed(0.{number + 1})")
            connection.execute(f"copy (select {drawn} from range(50000)) to '{files[-1]}'")
    alone = cube_from_parquet(files, hierarchies)
    assert alone.records == 200_000 and alone.counts.max() > 100 and alone.counts.min() == 1
    drive(cluster, SCAN, tmp_path, tmp_path / "cube.npz")
    with np.load(tmp_path / "cube.npz") as cube:
        assert np.array_equal(cube["codes"], alone.codes)
        assert np.array_equal(cube["counts"], alone.counts)
