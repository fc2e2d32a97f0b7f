"""The real webserver and daemon: a backfill over GraphQL, then a delivery that starts a run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conftest import (
    DOCUMENTS,
    YEARS,
    Backfill,
    Delivery,
    Server,
    openchronic,
    seal,
    wait_for,
    write_bytes,
)

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.spark,
    pytest.mark.long,
    pytest.mark.timeout(2700),
]


def asked(server: Server, query: str) -> list[list[Any]]:
    """Return the rows of a query on the catalogue, through the command line."""
    said = openchronic("sql", query, "--home", str(server.home.root), "--json")
    assert said.returncode == 0, said.stderr
    rows: list[list[Any]] = json.loads(said.stdout)["rows"]
    return rows


def test_a_two_year_backfill_is_one_run_that_succeeds(backfill: Backfill) -> None:
    assert backfill.status == "COMPLETED_SUCCESS"
    (run,) = backfill.runs
    tags = {tag["key"]: tag["value"] for tag in run["tags"]}
    assert run["status"] == "SUCCESS"
    assert tags["dagster/asset_partition_range_start"] == str(YEARS[0])
    assert tags["dagster/asset_partition_range_end"] == str(YEARS[1])


def test_every_asset_check_of_the_backfill_passed(server: Server, backfill: Backfill) -> None:
    found = [
        event["evaluation"]
        for event in server.events(backfill.runs[0]["runId"])
        if event["__typename"] == "AssetCheckEvaluationEvent"
    ]
    names = {each["checkName"] for each in found}
    assert {"balance", "gate"} <= names
    assert len(found) > 100
    assert [each["checkName"] for each in found if not each["success"]] == []


def test_the_result_is_read_through_the_catalogue(
    server: Server, backfill: Backfill, planted: Delivery
) -> None:
    stays = asked(
        server,
        "select year, count(*) from hospital_stay where year <= 2020 and field = 'mco' group by 1",
    )
    assert {str(year): count for year, count in stays} == planted.truth["stays_by_year"]
    assert list(server.home.candidate.glob("2*/report.json"))


def test_a_materialised_table_shows_its_rows_and_its_place(
    server: Server, backfill: Backfill
) -> None:
    shown = {
        event["assetKey"]["path"][-1]: {e["label"]: e for e in event["metadataEntries"]}
        for event in server.events(backfill.runs[0]["runId"])
        if event["__typename"] == "MaterializationEvent"
    }
    entries = backfill.manifest["models"]
    assert set(entries) <= set(shown)
    assert int(shown["patient"]["dagster/row_count"]["intRepr"]) > 0
    assert shown["er_prs_f"]["path"]["path"] == str(server.home.raw / "er_prs_f")


def test_assets_lead_to_the_dictionary_the_run_reports_and_the_releases(server: Server) -> None:
    nodes = server.ask(
        "{ assetNodes { groupName assetKey { path } description "
        "metadataEntries { label ... on UrlMetadataEntry { url } } } }"
    )["assetNodes"]
    links = {
        node["assetKey"]["path"][-1]: {
            entry["label"]: entry["url"] for entry in node["metadataEntries"] if "url" in entry
        }
        for node in nodes
    }
    base = DOCUMENTS.rstrip("/")
    assert links["person"]["dictionnaire"] == f"{base}/dictionary.html#t=person"
    assert links["er_prs_f"]["dictionnaire"] == f"{base}/dictionary.html#t=ER_PRS_F"
    assert links["er_prs_f"]["rapports_de_livraison"].startswith(f"{base}/index.html#")
    assert links["indicator_public"]["publications"].startswith(f"{base}/index.html#")
    built = ("marts", "intermediate", "staging", "reference_lists")
    assert all("dictionnaire" in links[n["assetKey"]["path"][-1]] for n in nodes
               if n["groupName"] in built)  # fmt: skip
    assert all(node["description"] for node in nodes)


@pytest.mark.long
def test_a_delivery_dropped_into_landing_is_ingested_and_refreshes_its_years(
    server: Server, backfill: Backfill, planted: Delivery
) -> None:
    # The provider sends 2020's stays again, later, without the last one.
    folder = server.home.landing / "second"
    folder.mkdir()
    name = "T_MCO20B.csv"
    lines = (planted.folder / name).read_bytes().splitlines(keepends=True)
    good = planted.truth["files"][name]["rows"]
    write_bytes(folder / name, b"".join(lines[:good]))  # header + good - 1
    (folder / "delivery.json").write_text(
        json.dumps({"date": "2022-06-30", "pseudonym_epoch": "synthetic-7"})
    )
    seal(folder)

    (run,) = wait_for(
        "the sensor's run of the second delivery",
        lambda: [r for r in server.runs(delivery="second") if r["status"] == "SUCCESS"],
        900,
        every=1,
    )
    assert run["jobName"] == "ingest_deliveries"
    assert "dagster/run_key" in {tag["key"] for tag in run["tags"]}

    answered_meanwhile = 0

    def up_to_date() -> dict[str, Any] | None:
        nonlocal answered_meanwhile
        going_on = [run for run in server.runs() if run["status"] == "STARTED"]
        (patients,) = asked(server, "select count(*) from patient")
        assert patients[0] > 0
        answered_meanwhile += bool(going_on)
        said = openchronic("status", "--home", str(server.home.root), "--json")
        state: dict[str, Any] = json.loads(said.stdout)
        return state if state["stale"] == {} else None

    state = wait_for("the refresh of the stale years", up_to_date, 1500, every=2)
    assert answered_meanwhile > 0
    assert {each["name"] for each in state["deliveries"]} == {"first", "second"}
    (count,) = asked(
        server, "select count(*) from hospital_stay where year = 2020 and field = 'mco'"
    )
    assert count[0] == good - 1

    def refreshed() -> list[str]:
        runs = server.runs(**{"dagster/sensor_name": "stale_years"})
        states = [run["status"] for run in runs if run["jobName"] == "refresh_years"]
        return states if set(states) <= {"SUCCESS", "FAILURE", "CANCELED"} else []

    assert set(wait_for("the end of the sensor's runs", refreshed, 300, every=1)) == {"SUCCESS"}
