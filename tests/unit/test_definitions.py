"""The asset graph, pinned: what people see in Dagster and what other tools call by name.

``asset_graph.txt`` is the graph in words. After a change that is meant, write it again:
``OPENCHRONIC_WRITE_SNAPSHOTS=1 pytest tests/unit/test_definitions.py`` and read the difference.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import dagster as dg
import pytest

from openchronic_assets.contracts import load, tables
from openchronic_assets.definitions import defs
from openchronic_assets.partitions import yearly

SNAPSHOT = Path(__file__).with_name("asset_graph.txt")
GRAPH = defs.resolve_asset_graph()
MATERIALISED = sorted(GRAPH.materializable_asset_keys)
# Made of a whole build or release, and by a job of its own.
WHOLE = {"publication"}
OF_ITS_OWN_JOB = dg.AssetKey(["candidate", "indicator_candidate"])
MAIN = [
    key for key in MATERIALISED if GRAPH.get(key).group_name not in WHOLE and key != OF_ITS_OWN_JOB
]


def described() -> str:
    """Return the graph in words: one asset a paragraph, in groups."""
    lines = []
    for key in sorted(GRAPH.get_all_asset_keys(), key=lambda k: (GRAPH.get(k).group_name, k)):
        node = GRAPH.get(key)
        pools = sorted(node.pools or []) if node.is_materializable else []
        facts = [
            f"group {node.group_name}",
            "yearly" if node.partitions_def == yearly() else "not partitioned",
            f"pool {', '.join(pools) or 'none'}",
        ]
        lines.append(f"{key.to_user_string()}: {'; '.join(facts)}")
        if node.parent_keys:
            parents = ", ".join(sorted(parent.to_user_string() for parent in node.parent_keys))
            lines.append(f"    reads {parents}")
        if checks := kinds_of_checks(key):
            lines.append(f"    checks {checks}")
        lines.append("")
    for job in sorted(defs.jobs or [], key=lambda each: each.name):
        resolved = defs.resolve_job_def(job.name)
        lines.append(f"job {job.name}: {len(resolved.asset_layer.selected_asset_keys)} assets")
    for sensor in sorted(defs.sensors or [], key=lambda each: each.name):
        jobs = ", ".join(target.job_name for target in sensor.targets) or "no job"
        lines.append(f"sensor {sensor.name}: {jobs}")
    return "\n".join(lines) + "\n"


def kinds_of_checks(key: dg.AssetKey) -> str:
    """Return the kinds of an asset's checks; dbt names a test after its kind, model and column."""
    kinds = Counter(
        check.name.split(f"_{key.path[-1]}")[0] for check in GRAPH.get_check_keys_for_assets({key})
    )
    return ", ".join(f"{kind} x {n}" if n > 1 else kind for kind, n in sorted(kinds.items()))


def test_the_asset_graph_is_the_one_that_was_agreed() -> None:
    found = described()
    if os.environ.get("OPENCHRONIC_WRITE_SNAPSHOTS"):
        SNAPSHOT.write_text(found, encoding="utf-8")
    assert found == SNAPSHOT.read_text(encoding="utf-8")


@pytest.mark.parametrize("key", MAIN, ids=lambda key: key.to_user_string())
def test_every_asset_is_yearly_and_any_range_of_years_is_one_run(key: dg.AssetKey) -> None:
    node = GRAPH.get(key)
    assert node.partitions_def == yearly()
    assert node.backfill_policy == dg.BackfillPolicy.single_run()
    assert node.pools  # or a second run of it could start beside the first


@pytest.mark.parametrize("key", MATERIALISED, ids=lambda key: key.to_user_string())
def test_every_asset_says_what_it_is_and_stands_in_a_group(key: dg.AssetKey) -> None:
    node = GRAPH.get(key)
    assert node.group_name != "default"
    assert len(node.description or "") > 20


def test_each_table_under_contract_is_an_asset_with_a_blocking_balance() -> None:
    for name in tables():
        key = dg.AssetKey(["lake", load(name).raw_name])
        check = GRAPH.get_check_spec(dg.AssetCheckKey(key, "balance"))
        assert check.blocking, name


def test_the_gate_blocks_and_the_release_is_nobodys_to_materialise() -> None:
    for made, public in (
        ("patient_candidate", "patient_public"),
        ("indicator_candidate", "indicator_public"),
    ):
        candidate = dg.AssetKey(["candidate", made])
        assert GRAPH.get_check_spec(dg.AssetCheckKey(candidate, "gate")).blocking
        release = GRAPH.get(dg.AssetKey(["release", public]))
        assert not release.is_materializable
        assert release.parent_keys == {candidate}


def test_the_main_job_leads_from_the_raw_tables_to_the_candidate() -> None:
    job = defs.resolve_job_def("refresh_years")
    of_it = {key for key in MAIN if GRAPH.get(key).group_name != "analytics"}
    assert set(job.asset_layer.selected_asset_keys) == of_it
    ahead: set[dg.AssetKey] = set()
    waiting = {dg.AssetKey(["candidate", "patient_candidate"])}
    while waiting:
        ahead |= waiting
        waiting = {p for key in waiting for p in GRAPH.get(key).parent_keys} - ahead
    for table in ("er_prs_f", "ir_ben_r", "ir_imb_r", "ki_cci_r", "t_mcoaac"):
        assert dg.AssetKey(["lake", table]) in ahead


def test_runs_are_in_one_process() -> None:
    assert defs.resolve_job_def("refresh_years").executor_def is dg.in_process_executor
