"""How an ingestion is launched: where Spark runs, what it is told, and tries that meet no other."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lake_files import lake
from small_deliveries import row, write

from openchronic_assets.errors import Refused, UsageError
from openchronic_assets.ingestion import spark
from openchronic_assets.ingestion.arrivals import Taken, take_in, waiting
from openchronic_assets.ingestion.run import ingest
from openchronic_assets.settings import Home

SECRET = "the secret of this test, longer than thirty-two characters"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (spark.MASTER_VARIABLE, spark.LAUNCH_VARIABLE, spark.SUBMIT_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENCHRONIC_SECRET", SECRET)


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("local[*]", True),
        ("local-cluster[2,1,512]", True),
        ("spark://127.0.0.1:7077", True),
        ("spark://[::1]:7077", True),
        ("spark://localhost:7077", True),
        ("spark://10.0.0.4:7077", False),
        ("spark://localhost.example:7077", False),
        ("spark://127.0.0.1:7077,10.0.0.4:7077", False),
        ("yarn", False),
        ("k8s://https://127.0.0.1:6443", False),
    ],
)
def test_only_loopback_is_this_machine(address: str, here: bool) -> None:
    assert spark.is_on_this_machine(address) is here


def session_on(address: str, **settings: str) -> Any:
    stopped: list[bool] = []
    known = {name.replace("_", "."): value for name, value in settings.items()}
    context = SimpleNamespace(
        master=address, getConf=lambda: SimpleNamespace(get=lambda n, d=None: known.get(n, d))
    )
    return SimpleNamespace(sparkContext=context, stopped=stopped, stop=lambda: stopped.append(True))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"spark_authenticate": "true"},
        {"spark_network_crypto_enabled": "true"},
        {"spark_authenticate": "false", "spark_network_crypto_enabled": "true"},
    ],
)
def test_the_secret_leaves_this_machine_on_closed_wires_only(settings: dict[str, str]) -> None:
    found = session_on("yarn", **settings)
    with pytest.raises(Refused, match="in clear: set spark.authenticate"):
        spark.closed(found)
    assert found.stopped == [True]


def test_closed_wires_and_loopback_will_do() -> None:
    closed = {"spark_authenticate": "true", "spark_network_crypto_enabled": "true"}
    for found in (
        session_on("yarn", **closed),
        session_on("k8s://x", spark_authenticate="true", spark_ssl_rpc_enabled="TRUE"),
        session_on("local[2]"),
        session_on("spark://127.0.0.1:7077"),
    ):
        assert spark.closed(found) is found and not found.stopped


def test_a_cluster_keeps_its_operators_memory_and_says_no_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert spark.configuration()["spark.driver.bindAddress"] == "127.0.0.1"
    monkeypatch.setenv(spark.MASTER_VARIABLE, "yarn")
    found = spark.configuration()
    assert found["spark.master"] == "yarn"
    assert found["spark.hadoop.fs.defaultFS"] == "file:///"
    assert found["spark.speculation"] == "false"
    assert "openchronic.log=off" in found["spark.executor.extraJavaOptions"]
    assert not {"spark.driver.memory", "spark.driver.host", "spark.driver.bindAddress"} & set(found)


def test_a_submission_says_everything_but_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(spark.MASTER_VARIABLE, "spark://10.0.0.4:7077")
    monkeypatch.setenv(spark.SUBMIT_VARIABLE, "/opt/spark/bin/spark-submit")
    command = spark.submit_command(Path("/x/take_in.py"))
    assert command[:5] == [
        "/opt/spark/bin/spark-submit", "--master", "spark://10.0.0.4:7077",
        "--deploy-mode", "client",
    ]  # fmt: skip
    assert command[-1] == "/x/take_in.py"
    said = dict(each.split("=", 1) for each in command[6:-1:2])
    assert said == {n: v for n, v in spark.configuration().items() if n != "spark.master"}
    assert not any(SECRET in each for each in command)


def test_a_launch_is_one_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    assert spark.launch() == "local"
    monkeypatch.setenv(spark.LAUNCH_VARIABLE, "submit")
    assert spark.launch() == "submit"
    monkeypatch.setenv(spark.LAUNCH_VARIABLE, "cluster")
    with pytest.raises(UsageError, match="OPENCHRONIC_SPARK_LAUNCH is local or submit, not"):
        spark.launch()


def once(session: Any, function: Callable[[Any], Any], items: Sequence[Any], *_: Any) -> list[Any]:
    return [function(item) for item in items]


def deliver(folder: Path) -> Path:
    write(folder, "ER_PRS_F_2019.csv", [row("ER_PRS_F", 2019, DCT_ORD_NUM=str(n)) for n in (1, 2)])
    write(folder, "IR_BEN_R.csv", [row("IR_BEN_R", 2019), row("IR_BEN_R", 2019, BEN_NAI_ANN="x")])
    (folder / "_SUCCESS").touch()
    return folder


def test_a_worker_taken_for_lost_that_goes_on_writing_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = deliver(tmp_path / "delivery")
    plain, haunted = Home(tmp_path / "plain"), Home(tmp_path / "haunted")
    monkeypatch.setattr(spark, "spread", once)
    ingest(plain, folder, session=lambda: None)  # type: ignore[arg-type, return-value]

    def twice(session: Any, function: Any, items: Sequence[Any], *_: Any) -> list[Any]:
        lost = once(session, function, items)
        written = list(haunted.lake.rglob(".attempt-*/**/*.parquet"))
        assert len(lost) == 2 and len(written) == 3
        found = once(session, function, items)
        for path in written:  # the try that nobody waits for any more
            with path.open("ab") as late:
                late.write(b"late")
        return found

    monkeypatch.setattr(spark, "spread", twice)
    ingest(haunted, folder, session=lambda: None)  # type: ignore[arg-type, return-value]
    assert lake(haunted) == lake(plain)
    assert len(lake(plain)) == 4
    assert not [*haunted.raw.glob(".attempt-*"), *haunted.quarantine.glob(".attempt-*")]


def test_what_landed_is_taken_in_once_and_what_fails_keeps_no_other_out(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spark, "spread", once)
    assert not waiting(home)
    deliver(home.landing / "good")
    (deliver(home.landing / "bad") / "delivery.json").write_text("{")
    (deliver(home.landing / "growing") / "_SUCCESS").unlink()
    assert waiting(home)
    said: list[str] = []

    def session() -> Any:
        return None

    taken = take_in(home, session, said.append)
    assert said == ["good: ingested", "growing: waits for its _SUCCESS marker"]
    assert len(taken.errors) == 1 and taken.errors[0].startswith("bad: ")
    assert taken.failure and taken.failure in taken.errors[0]
    assert any(re.search(r"IR_BEN_R.*column BEN_NAI_ANN", each) for each in taken.messages)
    assert Taken(**taken.to_json()) == taken
    said.clear()
    assert waiting(home)  # the bad one
    again = take_in(home, session, said.append)
    assert "good: in the lake, unchanged" in said and again.errors == taken.errors
