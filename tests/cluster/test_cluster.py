"""A real Spark cluster on loopback: the same rows as one machine, and a lost worker costs time."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from lake_files import lake
from spark_cluster import Cluster, kill, running

from openchronic_assets.settings import Home
from openchronic_assets.synthetic import generate

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
