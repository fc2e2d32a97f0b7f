"""The atlas in a real browser: how fast it opens and changes, how much it carries."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openchronic_assets import progress
from openchronic_assets.bench.cases import case, result
from openchronic_assets.bench.fake_release import AGES, write_flows, write_release
from openchronic_assets.errors import OpenChronicError, UsageError
from openchronic_assets.publication.server import server
from openchronic_assets.publication.site import Built, build

FIRST_VIEW = 1.0  # s
CHANGE = 0.150  # s
DATA = 300.0  # kB a view
SITE = 10.0  # MB without data
ROUNDS = 5
# The yardstick on two quiet cores; where it takes longer, the bars of time are longer as much.
REFERENCE = 0.08

# What is changed, by kind; the page is brought back to the first view before each.
_CHANGES = {
    "year": "y=2012",
    "sex": "s=2",
    "age": "a=75%2B",
    "regions": "l=region",
    "standardised": "m=direct",
    "colours": "e=ecart",
    "territory": "t=d29",
    "trend": "t=d29&o=evolution",
    "funnel": "o=entonnoir",
    "table": "o=tableau",
    "definition": "o=definition",
}
_PAGES = {"territory page": "#/territoire?t=d29", "comparison": "#/comparer?t=d29&u=d35",
          "condition page": "#/maladie?c=ald_08", "pathway": "#/parcours?i=pathway_2",
          "network": "#/reseau?t=d75"}  # fmt: skip
# Seconds from a change of the address to the frame in which it is on the screen.
_TIMED = """hash => new Promise(done => {
  const main = document.querySelector('main'), before = main.dataset.shown;
  const start = performance.now();
  new MutationObserver((_, watch) => {
    if (main.dataset.shown === before) return;
    watch.disconnect();
    requestAnimationFrame(() => setTimeout(() => done((performance.now() - start) / 1000)));
  }).observe(main, {attributes: true});
  location.hash = hash;
})"""
# The yardstick: making and laying out a fixed number of paragraphs in the same browser.
_YARDSTICK = """() => new Promise(done => {
  const start = performance.now(), box = document.createElement('div');
  for (let n = 0; n < 2000; n += 1) {
    const line = document.createElement('p'); line.textContent = n; box.append(line);
  }
  document.body.append(box);
  box.getBoundingClientRect();
  requestAnimationFrame(() => setTimeout(() => {
    const taken = (performance.now() - start) / 1000; box.remove(); done(taken); }));
})"""


@dataclass(frozen=True)
class Size:
    """How many indicators and years are drawn, with every department, sex and group of age."""

    indicators: int
    years: int


SIZES = {"small": Size(6, 3), "full": Size(60, 10)}


def bench_atlas(size: str = "full") -> dict[str, Any]:
    """Build the atlas of a drawn release and use it in Chromium, on this machine alone.

    The full size is 60 indicators, 101 departments, 18 regions, 10 years, 3 sexes, 5 groups of age
    and all ages. Cases with a bar: the first view under a second (context and page new, files
    served without compression), each kind of change under 150 ms (median of five, data of the
    change not loaded before), data of a view within 300 kB, the site without data within 10 MB.
    The bars of time are longer on a machine on which the yardstick takes longer than ``REFERENCE``.

    Args:
        size: ``small`` or ``full``.

    Raises:
        UsageError: no such size, no playwright or no Chromium.
        OpenChronicError: the page reports an error.
    """
    if size not in SIZES:
        raise UsageError(f"no size {size!r}; there are: {', '.join(SIZES)}")
    chosen = SIZES[size]
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise UsageError("the bench atlas needs playwright: install the extra dev") from error
    browser_path = os.environ.get("OPENCHRONIC_CHROMIUM") or shutil.which("chromium")
    if not browser_path:
        raise UsageError(
            "no Chromium: install Debian's package chromium, or set OPENCHRONIC_CHROMIUM"
        )
    with tempfile.TemporaryDirectory(prefix="openchronic-bench-") as name:
        folder = Path(name)
        progress.report("release", 0, 1)
        years = range(2021 - chosen.years + 1, 2022)
        release = write_release(folder / "2021-indicators-bench000", chosen.indicators, years, AGES)
        write_flows(release, years)
        progress.report("release", 1, 1)
        start = time.perf_counter()
        built = build(release, folder / "site", progress=progress.report)
        seconds = time.perf_counter() - start
        with server(built.folder) as running, sync_playwright() as playwright:
            threading.Thread(target=running.serve_forever, daemon=True).start()
            browser = playwright.chromium.launch(
                executable_path=browser_path, args=["--no-sandbox"]
            )
            found = _used(browser, f"http://127.0.0.1:{running.server_port}/index.html", years)
            browser.close()
            running.shutdown()
        data = built.folder / "data"
        sizes = {p.relative_to(data).as_posix(): p.stat().st_size for p in data.rglob("*.js")}
    return result("atlas", _cases(found, built, seconds, sizes))


def _used(browser: Any, address: str, years: range) -> dict[str, Any]:
    faults: list[str] = []
    first, sizes, changes, yardsticks = [], {}, {}, []
    for _ in range(ROUNDS):
        page = _page(browser, faults)
        start = time.perf_counter()
        page.goto(address, wait_until="commit")
        page.wait_for_selector("html[data-ready]")
        page.evaluate("() => new Promise(d => requestAnimationFrame(() => setTimeout(d)))")
        first.append(time.perf_counter() - start)
        page.context.close()
    progress.report("browser", 1, 1 + len(_CHANGES) + len(_PAGES))
    page, got = _page(browser, faults), []
    page.on("response", lambda r: got.extend([r.url] if "/data/" in r.url else []))
    page.goto(address)
    page.wait_for_selector("html[data-ready]")
    opened = list(got)
    kinds = (
        {
            kind: f"#/carte?i=prevalence_0&{change.replace('2012', str(years[0]))}"
            for kind, change in _CHANGES.items()
        }
        | {"indicator": "#/carte?i=diabetes_care_1"}
        | _PAGES
    )
    for number, (kind, hash_) in enumerate(kinds.items(), 2):
        taken = []
        for _ in range(ROUNDS):
            # A page of its own, so that the data of the change were not loaded before.
            fresh = _page(browser, faults)
            fresh.goto(address)
            fresh.wait_for_selector("html[data-ready]")
            taken.append(float(fresh.evaluate(_TIMED, hash_)))
            yardsticks.append(float(fresh.evaluate(_YARDSTICK)))
            fresh.context.close()
        changes[kind] = statistics.median(taken)
        got.clear()
        page.evaluate(_TIMED, hash_)
        sizes[kind] = list(got)
        progress.report("browser", number, 1 + len(kinds))
    page.context.close()
    if faults:
        raise OpenChronicError(f"the page of the atlas reports: {faults[0]}")
    return {"first": first, "opened": opened, "sizes": sizes, "changes": changes,
            "yardstick": statistics.median(yardsticks)}  # fmt: skip


def _page(browser: Any, faults: list[str]) -> Any:
    page = browser.new_context(viewport={"width": 1366, "height": 900}).new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("requestfailed", lambda request: faults.append(request.url))
    return page


def _cases(
    found: dict[str, Any], built: Built, seconds: float, sizes: dict[str, int]
) -> list[dict[str, Any]]:
    def weight(urls: list[str]) -> float:
        names = {url.partition("/data/")[2].partition("?")[0] for url in urls}
        return sum(sizes[name] for name in names) / 1000

    opened = weight(found["opened"])
    slower = max(1.0, found["yardstick"] / REFERENCE)
    return [
        case("first view", statistics.median(found["first"]), "s", FIRST_VIEW * slower),
        *(
            case(f"change: {kind}", taken, "s", CHANGE * slower)
            for kind, taken in found["changes"].items()
        ),
        case("data of the first view, outlines included", opened, "kB", DATA),
        case("data of the heaviest change", max(map(weight, found["sizes"].values())), "kB", DATA),
        case("site without data", (built.size - built.data) / 1e6, "MB", SITE),
        case("data of the site", built.data / 1e6, "MB"),
        case("files", built.files, "files"),
        case("cells", built.cells, "cells"),
        case("suppressed cells", built.suppressed, "cells"),
        case("building the site", seconds, "s"),
        case("yardstick: 2,000 paragraphs in the same browser", found["yardstick"], "s"),
        case("slowest change / yardstick",
             max(found["changes"].values()) / max(found["yardstick"], 1e-9), "times"),
    ]  # fmt: skip
