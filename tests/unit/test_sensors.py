"""What the two sensors ask for, and what they do not ask for twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import Mock

import dagster as dg
import pytest
from small_deliveries import write

from openchronic_assets.definitions import defs
from openchronic_assets.instance import (
    LOST_AFTER,
    command_run,
    end_lost_launches,
    unfinished,
)
from openchronic_assets.settings import HOME_VARIABLE, Home
from openchronic_assets.warehouse import sensors
from openchronic_assets.warehouse.sensors import ranges

START, END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
Asked = dg.SensorResult | dg.SkipReason


@pytest.fixture(autouse=True)
def here(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(home.root))


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as made:
        yield made


def ask(name: str, instance: dg.DagsterInstance, cursor: str | None = None) -> Asked:
    sensor = defs.resolve_sensor_def(name)
    context = dg.build_sensor_context(instance=instance, cursor=cursor, definitions=defs)
    found = sensor(context)
    assert isinstance(found, dg.SensorResult | dg.SkipReason)
    return found


def land(home: Home, name: str = "d", complete: bool = True) -> Path:
    folder = home.landing / name
    write(folder, "ER_BIO_F_201911.csv", "x")
    write(folder, "T_MCO17B.csv", "x")
    write(folder, "IR_BEN_R.csv", "x")
    if complete:
        (folder / "_SUCCESS").touch()
    return folder


def test_a_delivery_without_its_marker_is_waited_for(
    home: Home, instance: dg.DagsterInstance
) -> None:
    land(home, complete=False)
    asked = ask("complete_deliveries", instance)
    assert isinstance(asked, dg.SkipReason)
    assert asked.skip_message is not None
    assert "waiting for _SUCCESS: d" in asked.skip_message


def test_a_complete_delivery_asks_for_one_run_over_its_years(
    home: Home, instance: dg.DagsterInstance
) -> None:
    land(home)
    asked = ask("complete_deliveries", instance)
    assert isinstance(asked, dg.SensorResult) and asked.run_requests is not None
    (request,) = asked.run_requests
    assert request.run_key is not None and request.run_key.startswith("d:")
    assert request.tags == {START: "2017", END: "2019", "delivery": "d"}


def test_the_same_cursor_asks_for_nothing(home: Home, instance: dg.DagsterInstance) -> None:
    land(home)
    first = ask("complete_deliveries", instance)
    assert isinstance(first, dg.SensorResult)
    assert isinstance(ask("complete_deliveries", instance, first.cursor), dg.SkipReason)


def test_a_lost_cursor_asks_under_the_same_key(home: Home, instance: dg.DagsterInstance) -> None:
    land(home)
    keys = []
    for _ in range(2):
        asked = ask("complete_deliveries", instance)
        assert isinstance(asked, dg.SensorResult) and asked.run_requests is not None
        keys.append([request.run_key for request in asked.run_requests])
    assert keys[0] == keys[1]


def test_a_marker_that_is_written_again_asks_again(
    home: Home, instance: dg.DagsterInstance
) -> None:
    marker = land(home) / "_SUCCESS"
    first = ask("complete_deliveries", instance)
    assert isinstance(first, dg.SensorResult) and first.run_requests is not None
    marker.unlink()
    waiting = ask("complete_deliveries", instance, first.cursor)
    assert isinstance(waiting, dg.SkipReason)
    marker.touch()
    again = ask("complete_deliveries", instance, first.cursor)
    assert isinstance(again, dg.SensorResult) and again.run_requests is not None
    assert again.run_requests[0].run_key != first.run_requests[0].run_key


def test_two_deliveries_ask_for_two_runs_and_a_hidden_folder_for_none(
    home: Home, instance: dg.DagsterInstance
) -> None:
    for name in ("a", "b", ".c"):
        land(home, name)
    asked = ask("complete_deliveries", instance)
    assert isinstance(asked, dg.SensorResult) and asked.run_requests is not None
    assert [request.tags["delivery"] for request in asked.run_requests] == ["a", "b"]
    assert set(json.loads(asked.cursor or "")) == {"a", "b"}


def test_a_delivery_that_names_no_year_still_asks(home: Home, instance: dg.DagsterInstance) -> None:
    write(home.landing / "d", "IR_BEN_R.csv", "x")
    (home.landing / "d" / "_SUCCESS").touch()
    asked = ask("complete_deliveries", instance)
    assert isinstance(asked, dg.SensorResult) and asked.run_requests is not None
    assert asked.run_requests[0].tags[START] == asked.run_requests[0].tags[END]


def stale(monkeypatch: pytest.MonkeyPatch, years: dict[int, list[str]]) -> None:
    monkeypatch.setattr(sensors, "stale_years", lambda home: years)


def test_nothing_stale_asks_for_nothing(home: Home, instance: dg.DagsterInstance) -> None:
    asked = ask("stale_years", instance)
    assert isinstance(asked, dg.SkipReason)
    assert asked.skip_message == "every year is up to date"


def test_stale_years_ask_for_one_run_a_range(
    home: Home, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    why = {year: [f"why {year}"] for year in (2017, 2019, 2020)}
    stale(monkeypatch, why)
    first, again = ask("stale_years", instance), ask("stale_years", instance)
    assert isinstance(first, dg.SensorResult) and first.run_requests is not None
    assert isinstance(again, dg.SensorResult) and again.run_requests is not None
    assert [(r.tags[START], r.tags[END], r.tags["reason"]) for r in first.run_requests] == [
        ("2017", "2017", "why 2017"),
        ("2019", "2020", "why 2019"),
    ]
    assert [r.run_key for r in first.run_requests] == [r.run_key for r in again.run_requests]
    stale(monkeypatch, why | {2020: ["another reason"]})
    other = ask("stale_years", instance)
    assert isinstance(other, dg.SensorResult) and other.run_requests is not None
    assert not {r.run_key for r in other.run_requests} & {r.run_key for r in first.run_requests}


def test_a_stale_year_beyond_the_platforms_years_is_named_and_not_asked_for(
    home: Home, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale(monkeypatch, {1999: ["never built"]})
    asked = ask("stale_years", instance)
    assert isinstance(asked, dg.SkipReason)
    assert "1999" in (asked.skip_message or "")


def test_while_a_run_goes_on_no_refresh_is_asked_for(
    home: Home, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale(monkeypatch, {2019: ["never built"]})
    job = defs.resolve_job_def("refresh_years")
    instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    assert isinstance(ask("stale_years", instance), dg.SkipReason)


@pytest.mark.parametrize("name", ["complete_deliveries", "stale_years"])
def test_a_killed_command_does_not_hold_the_queue_for_ever(
    home: Home, instance: dg.DagsterInstance, name: str
) -> None:
    job = defs.resolve_job_def("refresh_years")
    run = instance.create_run_for_job(
        job, status=dg.DagsterRunStatus.STARTED, tags={"launched_by": "cli"}
    )
    with command_run(home):  # it is alive
        ask(name, instance)
        assert len(unfinished(instance)) == 1
    ask(name, instance)  # it is not
    assert unfinished(instance) == []
    found = instance.get_run_by_id(run.run_id)
    assert found is not None and found.status == dg.DagsterRunStatus.FAILURE


def test_a_launch_that_was_cut_off_does_not_stop_the_refresh_for_ever(
    home: Home, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale(monkeypatch, {2019: ["never built"]})
    job = defs.resolve_job_def("refresh_years")
    status = dg.DagsterRunStatus
    by_hand = instance.create_run_for_job(job, status=status.NOT_STARTED)
    by_sensor = instance.create_run_for_job(
        job, status=status.NOT_STARTED, tags={"dagster/run_key": "d:1"}
    )
    assert end_lost_launches(instance) == [], "it may be on its way"
    assert isinstance(ask("stale_years", instance), dg.SkipReason)
    assert end_lost_launches(instance, 0.0) == [by_hand.run_id]
    found = instance.get_run_by_id(by_hand.run_id)
    assert found is not None and found.status == status.FAILURE
    assert [run.run_id for run in unfinished(instance)] == [by_sensor.run_id]
    instance.delete_run(by_sensor.run_id)
    assert isinstance(ask("stale_years", instance), dg.SensorResult)


@pytest.mark.parametrize("name", ["complete_deliveries", "stale_years"])
def test_the_sensors_look_for_launches_that_were_cut_off(
    home: Home, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    run = instance.create_run_for_job(defs.resolve_job_def("refresh_years"))
    later = datetime.now(UTC) + timedelta(seconds=LOST_AFTER + 1)
    monkeypatch.setattr("openchronic_assets.instance.datetime", Mock(now=lambda zone: later))
    ask(name, instance)
    found = instance.get_run_by_id(run.run_id)
    assert found is not None and found.status == dg.DagsterRunStatus.FAILURE


@pytest.mark.parametrize(
    ("years", "expected"),
    [([], []), ([2019], [(2019, 2019)]), ([2021, 2019, 2020], [(2019, 2021)]),
     ([2017, 2019], [(2017, 2017), (2019, 2019)])],
)  # fmt: skip
def test_ranges_are_the_runs_of_consecutive_years(
    years: list[int], expected: list[tuple[int, int]]
) -> None:
    assert ranges(years) == expected
