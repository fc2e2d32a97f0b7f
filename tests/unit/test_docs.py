from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from openchronic_assets.contracts import load, tables
from openchronic_assets.exports import portal
from openchronic_assets.exports.dictionary import dictionary
from openchronic_assets.exports.portal import build_portal
from openchronic_assets.indicators.loader import catalogue
from openchronic_assets.settings import Home


def words_of(folder: Path) -> dict[str, Any]:
    text = (folder / "dictionary-data.js").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text.removeprefix("const DICTIONARY=").rstrip(";\n"))
    return found


@pytest.mark.long
def test_the_portal_describes_every_mart_column_and_asks_the_network_for_nothing(
    home: Home,
) -> None:
    entrance = build_portal(home)
    folder = entrance.parent
    text = (folder / "tables.html").read_text(encoding="utf-8")
    assert "INLINE DATA" not in text
    assert re.search(r"Périodes d.ALD par personne", text)
    # The card of each indicator is in the page, with the table of its measures.
    assert all(f"`{name}`, version" in text for name in catalogue())
    found = re.search(r'"model\.openchronic\.ald_episode": (\{"unique_id".*?"stats": \{\}\})', text)
    assert found
    columns = json.loads(found.group(1))["columns"]
    assert columns["start_date"]["type"] == "date"
    assert all(column["type"] for column in columns.values())
    pages = list(folder.rglob("*.html"))
    for path in pages:
        page = path.read_text(encoding="utf-8")
        assert not re.search(r"""(?:src|href)=["']https?://[^"']+\.(?:js|css|woff2?)""", page), path
    cards = (folder / "indicators.html").read_text(encoding="utf-8")
    assert all(f"<code>{name}</code>" in cards for name in catalogue())

    words = words_of(folder)
    names = [each["n"] for each in words["tables"]]
    assert set(tables()) <= set(names)
    of = {(names[each["t"]], each["n"]): each for each in words["columns"]}
    for name in tables():
        for column in load(name).columns:
            assert of[name, column.name]["snds"] == [f"{name}.{column.name}"]
    start = of["ald_episode", "start_date"]
    assert start["fr"] and start["en"] and start["y"] == "date"
    assert "jamais vide" in start["q"]
    # What a staging column says of its source is said of the columns of its name downstream.
    assert of["stg_dcir__prs", "psa"]["snds"] == ["ER_PRS_F.BEN_NIR_PSA"]


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables told by a small manifest, so that dbt has not to run."""
    node = {
        "resource_type": "model", "name": "ald_episode", "fqn": ["p", "marts", "conditions", "a"],
        "description": "Épisodes d'ALD.", "meta": {"description_en": "Episodes."},
        "raw_code": "-- One row an episode.\nselect 1", "depends_on": {"nodes": []},
        "columns": {"start_date": {"description": "Début. Source : IR_IMB_R.IMB_ALD_DTD.",
                                   "data_type": "date", "meta": {"description_en": "Start."}}},
    }  # fmt: skip
    monkeypatch.setattr(
        portal, "tables_page", lambda home: ("<title>t</title>", {"nodes": {"m": node}})
    )


def test_reports_and_releases_stand_under_the_same_entrance(home: Home, described: None) -> None:
    home.reports.mkdir(parents=True, exist_ok=True)
    (home.reports / "d1.html").write_text("<title>Livraison &amp; mars</title>", encoding="utf-8")
    version = home.release / "2021-indicators-0a1b2c3d"
    version.mkdir()
    (version / "README.md").write_text("# Indicateurs\n\n<script>x</script>", encoding="utf-8")
    checks = [{"name": "threshold", "passed": True, "detail": "0 cells | too small"}]
    (version / "report.json").write_text(
        json.dumps({"kind": "indicators", "checks": checks}), encoding="utf-8"
    )
    page = build_portal(home)
    text = page.read_text(encoding="utf-8")
    assert "Livraison &amp; mars" in text and "reports/d1.html" in text
    told = (page.parent / "releases" / f"{version.name}.html").read_text(encoding="utf-8")
    assert "threshold" in told and "passé" in told and "<script>x" not in told
    assert "rien n’est encore construit" in text
    # Every link of the portal leads to a page or a place in it.
    for path in page.parent.rglob("*.html"):
        if path.name == "tables.html":
            continue
        written = path.read_text(encoding="utf-8")
        for link in re.findall(r'<a [^>]*href="([^"#:]+)', written):
            target = (path.parent / link).resolve()
            if page.parent.resolve() in target.parents:
                assert target.exists(), (path, link)
    # Built again: what is gone from the home is gone from the portal.
    (home.reports / "d1.html").unlink()
    assert "d1.html" not in build_portal(home).read_text(encoding="utf-8")
    assert not (page.parent / "reports").exists()


def test_a_column_without_a_source_takes_that_of_its_name_upstream(home: Home) -> None:
    def node(name: str, description: str, parents: list[str]) -> dict[str, Any]:
        return {
            "resource_type": "model", "name": name, "fqn": ["p", "marts", name],
            "description": "", "raw_code": "", "depends_on": {"nodes": parents},
            "columns": {"death_date": {"description": description}},
        }  # fmt: skip

    nodes = {
        "a": node("a", "Décès. Source : IR_BEN_R.BEN_DCD_DTE.", []),
        "b": node("b", "Décès.", ["a"]),
        "c": node("c", "Décès, le premier connu.", ["b", "elsewhere"]),
    }
    words = dictionary(home, {"nodes": nodes})
    names = [each["n"] for each in words["tables"]]
    mine = {names[each["t"]]: each for each in words["columns"] if names[each["t"]] in "abc"}
    assert mine["a"]["snds"] == ["IR_BEN_R.BEN_DCD_DTE"] and mine["a"]["via"] == []
    assert mine["c"]["snds"] == [] and mine["c"]["via"] == ["IR_BEN_R.BEN_DCD_DTE"]
