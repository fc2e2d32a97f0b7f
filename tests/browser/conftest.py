"""A real browser on a served site, with every name but this machine's unknown to it."""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from openchronic_assets.bench.fake_release import write_release
from openchronic_assets.publication.server import server
from openchronic_assets.publication.site import build

CHROMIUM = os.environ.get("OPENCHRONIC_CHROMIUM") or shutil.which("chromium") or ""
ARGUMENTS = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "browser: drives a real Chromium; skipped where none is")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Debian's Chromium; the tests are skipped where it is missing."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM:
        pytest.skip("no Chromium: install Debian's package chromium, or set OPENCHRONIC_CHROMIUM")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def release() -> Iterator[Path]:
    """A release small enough that many of its cells are suppressed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "2021-indicators-0a1b2c3d"
        yield write_release(folder, indicators=6, years=(2019, 2020, 2021), people=700)


@pytest.fixture(scope="session")
def served() -> Iterator[Callable[[Path], str]]:
    """Serve folders on the loopback address; returns where each is."""
    running = []

    def start(folder: Path) -> str:
        one = server(folder)
        threading.Thread(target=one.serve_forever, daemon=True).start()
        running.append(one)
        return f"http://127.0.0.1:{one.server_port}/index.html"

    yield start
    for one in running:
        one.shutdown()
        one.server_close()


@pytest.fixture(scope="session")
def site(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(release, tmp_path_factory.mktemp("atlas") / "site").folder


@pytest.fixture(scope="session")
def address(site: Path, served: Callable[[Path], str]) -> str:
    return served(site)


@pytest.fixture
def opened(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Open pages; at the end none may have failed, warned of its policy or asked elsewhere."""
    faults: list[str] = []
    contexts = []

    def start(url: str, width: int = 1366, height: int = 900) -> Any:
        context = chromium.new_context(
            viewport={"width": width, "height": height}, locale="fr-FR", accept_downloads=True
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: m.type in ("error", "warning") and faults.append(m.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("requestfailed", lambda request: faults.append(f"failed: {request.url}"))
        page.on(
            "request",
            lambda r: (
                r.url.startswith(("http://127.0.0.1:", "file:", "data:", "blob:"))
                or faults.append(f"elsewhere: {r.url}")
            ),
        )
        page.on("response", lambda r: r.status >= 400 and faults.append(f"{r.status}: {r.url}"))
        page.goto(url)
        page.wait_for_selector("html[data-ready]")
        return page

    yield start
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture(scope="session")
def cells(release: Path) -> dict[tuple[str, ...], dict[str, str]]:
    """The rows of the release: (indicator, condition, year, place, sex, age, std) → row."""
    short = {"country": "", "region": "r", "department": "d"}
    return {
        (
            path.stem, row["condition"], row["year"], short[row["level"]] + row["code"],
            row["sex"], row["age_group"], row["std"],
        ): row
        for path in (release / "indicators").glob("*.csv")
        for row in csv.DictReader(path.open(encoding="utf-8"))
    }  # fmt: skip


@pytest.fixture(scope="session")
def axe() -> Callable[[Any], list[str]]:
    """Return the serious faults that axe-core finds in an open page."""
    source = Path(__file__).with_name("axe.min.js").read_text(encoding="utf-8")

    def faults(page: Any) -> list[str]:
        if not page.evaluate("typeof axe === 'object'"):
            page.evaluate(source)
        found: list[str] = page.evaluate(
            "() => axe.run(document, {resultTypes: ['violations']}).then(r => r.violations"
            ".filter(v => ['serious', 'critical'].includes(v.impact))"
            ".map(v => v.id + ': ' + v.nodes.map(n => n.html.slice(0, 160)).slice(0, 3)))"
        )
        return found

    return faults
