"""The documentation portal as an analyst meets it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from openchronic_assets.exports import portal
from openchronic_assets.settings import Home

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def entrance(tmp_path_factory: pytest.TempPathFactory) -> str:
    column = {
        "description": "Date de début de l'ALD. Source : IR_IMB_R.IMB_ALD_DTD.",
        "data_type": "date",
        "meta": {"description_en": "First day of the episode."},
    }
    node = {
        "resource_type": "model", "name": "ald_episode", "fqn": ["p", "marts", "conditions", "a"],
        "description": "Périodes d'ALD.", "meta": {"description_en": "Episodes."},
        "raw_code": "-- One row an episode.", "depends_on": {"nodes": []},
        "columns": {"start_date": column},
    }  # fmt: skip
    manifest = {"nodes": {"m": node}}
    home = Home(tmp_path_factory.mktemp("home")).create()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(portal, "tables_page", lambda home: ("<title>t</title>", manifest))
        return portal.build_portal(home).as_uri()


@pytest.mark.parametrize(
    "words", ["debut ALD", "First day episode", "IMB_ALD_DTD", "start date", "ald_episode"]
)
def test_a_column_is_found_by_french_english_and_snds_names(
    chromium: Any, entrance: str, words: str
) -> None:
    page = chromium.new_context(viewport={"width": 390, "height": 800}).new_page()
    faults: list[str] = []
    page.on("console", lambda m: m.type in ("error", "warning") and faults.append(m.text))
    page.on("requestfailed", lambda request: faults.append(request.url))
    page.goto(entrance)
    page.fill("#mot", words)
    page.keyboard.press("Enter")
    page.wait_for_selector("#resultats table")
    rows = page.eval_on_selector_all(
        "#resultats tbody tr", "rows => rows.map(r => r.querySelector('code').textContent)"
    )
    assert "start_date" in rows or "IMB_ALD_DTD" in rows
    if words == "start date":
        assert rows[0] == "start_date"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")
    page.fill("#mot", "zzzz")
    page.wait_for_function("() => document.querySelector('#compte').textContent.includes('Rien')")
    assert faults == []
    page.context.close()


def test_the_portal_holds_the_rules_of_access(
    chromium: Any, entrance: str, axe: Callable[[Any], list[str]]
) -> None:
    page = chromium.new_context(viewport={"width": 1280, "height": 800}).new_page()
    for name in ("index.html", "dictionary.html#q=ald", "guides/index.html"):
        page.goto(entrance.replace("index.html", name))
        assert axe(page) == [], name
    page.context.close()
