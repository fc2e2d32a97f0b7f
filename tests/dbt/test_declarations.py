"""What the project says of itself: bounds on rows, descriptions, headers, tests of substance."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from openchronic_assets.settings import Home
from openchronic_assets.warehouse import project

# Generic tests that hold the rows of a mart between what its inputs allow and promise.
BOTH = {
    "same_rows_as_raw", "same_rows_as_events", "same_rows_as_stays", "same_rows_as_episodes",
    "same_stays_as_parts", "same_people_as", "cells_make_the_whole",
}  # fmt: skip
NOT_MORE = BOTH | {"rows_at_most", "subset_of", "stays_of_parts"}
NOT_FEWER = BOTH | {
    "rows_at_least", "not_empty_unless", "not_empty_unless_stays", "holders_of_episodes",
    "evidence_for_all", "same_euros_as_raw", "same_euros_as_care", "spend_adds_up",
    "stays_of_parts",
}  # fmt: skip
# A top with evidence has a row unless another takes its place: bounded by its hits, not by rows.
BOUNDED_BY_KEY = {
    "quality_rule": "one row a rule of a macro: there is no input",
    "person_pathology": "its hits, groups and variants are counted by maximum_of_members",
    "pathology_evidence": "one row a hit, by its key, which is that of the hits",
    "stay_diagnosis": "unpivots the fields of five tables; its key says one row a place",
    "condition_spend": "a row a version, disease, item and scope, by its key",
    "indicator": "a row a cell of its key, of which the catalogue sets the levels",
    "indicator_exclusion": "a row a measure, condition and reason, by its key",
}
# Without input; all its hits may be of tops that nobody publishes; no class may be followed; no
# stay may be avoidable; everybody may have entered an ALD already; no consumer may have gone home
# from a stay, to the emergency room, or been seen on call.
MAY_BE_EMPTY = {
    "quality_rule",
    "person_pathology",
    "drug_adherence",
    "measure_avoidable_stay",
    "measure_coordination",
    "measure_emergency",
    "measure_incidence",
    "measure_on_call",
    "multimorbidity_pair",
}
WANTED = 300


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return project.parsed(Home(tmp_path_factory.mktemp("parsed")).create(), "duckdb")


def declared_tests(manifest: Any) -> dict[str, set[str]]:
    """Return model → names of the generic tests declared on it."""
    found: dict[str, set[str]] = defaultdict(set)
    for node in manifest.nodes.values():
        if node.resource_type == "test" and node.attached_node and node.test_metadata:
            found[node.attached_node.rsplit(".", 1)[-1]].add(node.test_metadata.name)
    return found


def marts(manifest: Any) -> set[str]:
    return {
        node.name
        for node in manifest.nodes.values()
        if node.resource_type == "model" and node.fqn[1] == "marts"
    }


def test_no_mart_has_more_rows_than_what_it_is_made_from(manifest: Any) -> None:
    declared = declared_tests(manifest)
    unbounded = {name for name in marts(manifest) if not declared[name] & NOT_MORE}
    assert unbounded - set(BOUNDED_BY_KEY) == set(), "declare rows_at_most"
    assert all("unique_key" in declared[name] for name in marts(manifest))


def test_no_mart_can_be_silently_empty(manifest: Any) -> None:
    declared = declared_tests(manifest)
    silent = {name for name in marts(manifest) if not declared[name] & NOT_FEWER}
    assert silent - MAY_BE_EMPTY == set(), "declare rows_at_least"


def test_many_data_tests_say_more_than_not_null(manifest: Any) -> None:
    names = [
        node.test_metadata.name if node.test_metadata else node.name
        for node in manifest.nodes.values()
        if node.resource_type == "test"
    ]
    assert len([name for name in names if name != "not_null"]) >= WANTED


def test_models_and_seeds_are_described_in_both_languages(manifest: Any) -> None:
    lacking = set()
    for node in manifest.nodes.values():
        if node.resource_type not in ("model", "seed"):
            continue
        assert node.columns, node.name
        for item in (node, *node.columns.values()):
            if not item.description or not item.config.meta.get("description_en"):
                lacking.add((node.name, item.name))
    assert lacking == set()


def test_each_source_says_what_it_is(manifest: Any) -> None:
    assert all(source.description for source in manifest.sources.values())
    assert all(source.source_description and source.columns for source in manifest.sources.values())
    assert [
        (source.name, column.name)
        for source in manifest.sources.values()
        for column in source.columns.values()
        if not column.description
    ] == []


@pytest.mark.parametrize(
    "path", sorted(project.project_dir().glob("models/**/*.sql")), ids=lambda path: path.stem
)
def test_each_model_opens_with_its_purpose_its_rule_and_its_grain(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("{#"), "a model opens with a comment"
    header = text[: text.index("#}")]
    assert "Grain" in header
    if "staging" not in path.parts:
        assert "Rule" in header or "Source" in header, "say the rule, and where it comes from"
