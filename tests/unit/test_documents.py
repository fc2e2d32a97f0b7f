"""Links from assets to the documentation, and the documentation that they lead to."""

from __future__ import annotations

import os
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from openchronic_assets import documents
from openchronic_assets.exports import served
from openchronic_assets.settings import Home
from openchronic_assets.warehouse.assets import Translator


def test_assets_link_to_the_documentation_where_it_is_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(documents.VARIABLE, "http://127.0.0.1:3001/")
    (page,) = documents.dictionary("ald episode").values()
    assert page.value == "http://127.0.0.1:3001/dictionary.html#t=ald%20episode"
    assert documents.run_reports().keys() != documents.releases().keys()
    props = {"name": "person", "meta": {}, "config": {}, "columns": {}, "fqn": ["p", "marts", "x"]}
    link = Translator().get_metadata(props)["dictionnaire"]
    assert link.value.endswith("dictionary.html#t=person")


@pytest.mark.parametrize("value", ["", "javascript:alert(1)", "/etc"])
def test_without_an_address_assets_carry_no_link(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv(documents.VARIABLE, value)
    assert documents.dictionary("person") == documents.releases() == {}


@pytest.fixture
def place(tmp_path: Path) -> Home:
    home = Home(tmp_path).create()
    folder = home.exports / "docs"
    (folder / "guides").mkdir(parents=True)
    (folder / "index.html").write_text("<h1>Documentation</h1>", encoding="utf-8")
    return home


@pytest.fixture
def address(place: Home) -> Iterator[str]:
    with served.server(place, 0) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        assert running.server_address[0] == "127.0.0.1"
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_pages_of_the_portal_are_served_and_folders_are_not_listed(address: str) -> None:
    with urllib.request.urlopen(address + "/index.html") as page:
        assert b"Documentation" in page.read()
    for path in ("/guides/", "/../../vault/", "/%2e%2e/%2e%2e/vault/"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(address + path)
        assert refused.value.code == 404


def test_the_portal_is_made_again_after_a_build_a_report_or_a_release(place: Home) -> None:
    entrance = place.exports / "docs" / "index.html"
    os.utime(entrance, (1_000, 1_000))
    assert not served.is_old(place)
    place.reports.mkdir(parents=True, exist_ok=True)
    report = place.reports / "one.html"
    report.write_text("<p></p>", encoding="utf-8")
    assert served.is_old(place)
    os.utime(report, (900, 900))
    assert not served.is_old(place)
    place.pointer.write_text("{}", encoding="utf-8")
    assert served.is_old(place)
    entrance.unlink()
    assert served.is_old(place)
