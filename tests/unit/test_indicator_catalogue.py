"""The catalogue of indicators: strict, complete, and what the seeds say."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from openchronic_assets.indicators import conditions, loader, seeds
from openchronic_assets.indicators.model import CatalogueError
from openchronic_assets.warehouse.project import project_dir

_TEXT = {"fr": "un", "en": "one"}
_WHOLE: dict[str, Any] = {
    "family": "made_up",
    "label": _TEXT,
    "indicators": [
        {
            "id": "made_up_share", "version": "1", "label": _TEXT, "kind": "proportion",
            "unit": "%", "scale": 100, "unit_counted": "person", "says": _TEXT,
            "denominators": ["eligible"],
            "numerator": _TEXT, "denominator": _TEXT, "limits": _TEXT,
            "sources": [{"text": "ours", "flag": "A"}], "tables": ["care_event"],
        }
    ],
}  # fmt: skip


def written(tmp_path: Path, **changed: Any) -> Path:
    document = copy.deepcopy(_WHOLE)
    document["indicators"][0].update(changed)
    path = tmp_path / "made_up.yaml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    return path


def test_a_family_is_read_whole(tmp_path: Path) -> None:
    written(tmp_path, ages={"from": 18}, years={"to": 2030}, exclusions=[{"code": "late", **_TEXT}])
    one = loader.read(tmp_path)["made_up"].indicators[0]
    assert (one.measure, one.table, one.conditions) == (one.id, "measure_made_up", ("all",))
    assert (one.age_from, one.age_to, one.year_from, one.year_to) == (18, None, None, 2030)
    assert one.exclusions[0].code == "late" and one.query.startswith("select")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kind": "share"}, "kind: not one of"),
        ({"unit": None, "units": "%"}, "units is not a key"),
        ({"label": {"fr": "un", "en": ""}}, "both fr and en"),
        ({"kind": "quantile"}, "quantile goes with kind quantile"),
        ({"denominators": []}, "at least one denominator"),
        ({"denominators": ["eligible", "consumers"]}, "no other denominator"),
        ({"denominators": ["everybody"]}, "denominators: not one of"),
        ({"kind": "mean", "denominators": ["consumers"]}, "has the denominator eligible"),
        ({"kind": "mean", "standardise": ["indirect"]}, "directly only"),
        ({"denominators": ["resident_population"], "conditions": ["all", "ald"]}, "not known by"),
        ({"conditions": ["own", "all"]}, "own goes with no other"),
        ({"conditions": ["diabetics"]}, "no condition nor set"),
        ({"scale": 0}, "positive"),
        ({"ages": {"from": 60, "to": 50}}, "from is after to"),
        ({"codes": [{"system": "NABM", "codes": [1577], "what": _TEXT}]}, "quotes"),
        ({"sources": [{"text": "ours", "flag": "X"}]}, "flag: not one of"),
        ({"measure": "another"}, "of no indicator there"),
        ({"id": "Bad-Name"}, "lower case"),
    ],
)
def test_what_is_not_understood_is_refused_with_its_place(
    tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    written(tmp_path, **changed)
    with pytest.raises(CatalogueError, match=message) as refused:
        loader.read(tmp_path)
    assert "made_up.yaml" in str(refused.value)


def test_two_families_share_no_name(tmp_path: Path) -> None:
    text = written(tmp_path).read_text(encoding="utf-8")
    (tmp_path / "other.yaml").write_text(text.replace("family: made_up", "family: other"))
    with pytest.raises(CatalogueError, match=r"is already in made_up\.yaml"):
        loader.read(tmp_path)


def test_a_file_that_is_no_yaml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "made_up.yaml").write_text("family: [", encoding="utf-8")
    with pytest.raises(CatalogueError, match="cannot be read"):
        loader.read(tmp_path)


def test_an_unknown_indicator_names_the_way_to_the_list() -> None:
    with pytest.raises(CatalogueError, match="openchronic indicators list"):
        loader.indicator("nothing")


def test_there_are_forty_indicators_and_more() -> None:
    assert len(loader.catalogue()) >= 40


def test_seeds_are_what_the_catalogue_says() -> None:
    for name, rows in seeds.gather().items():
        path = seeds.folder() / f"{name}.csv"
        assert path.read_text(encoding="utf-8") == seeds.text(name, rows), (
            f"{name} is not what the catalogue says; "
            "run: python -m openchronic_assets.indicators.seeds"
        )


def test_each_family_has_its_table_of_measures_and_is_told() -> None:
    text = (project_dir() / "macros/indicators/measure_families.sql").read_text(encoding="utf-8")
    tables = (project_dir() / "models/marts/measures").glob("measure_*.sql")
    told = re.findall(r"'(\w+)',", text)
    assert told == sorted(loader.families())
    assert told == sorted(path.stem.removeprefix("measure_") for path in tables)


def test_each_condition_asked_for_is_one() -> None:
    for one in loader.catalogue().values():
        assert set(conditions.of(one)) <= set(conditions.conditions())
