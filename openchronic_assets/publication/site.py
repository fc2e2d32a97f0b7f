"""Building the atlas: a folder of static files, opened from a server or from the disk.

``data/site.js`` lists what there is; ``data/card/<indicator>.js`` defines an indicator;
``data/cell/<indicator>/<slice>.js`` holds the cells of one condition, denominator, sex and age for
all territories and years: what a view needs is one slice. ``data/place/`` and ``data/condition/``
hold one year of a territory or condition over all indicators; ``data/pathway/``
and ``data/network/`` one year of what the release has of them. Numbers are those of the release, as
they are written there.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from openchronic_assets import __version__
from openchronic_assets.errors import OpenChronicError, UsageError
from openchronic_assets.publication import flows, outlines
from openchronic_assets.publication.release import LEVELS, NUMBERS, OPTIONAL, Cell, Release, read

HERE = Path(__file__).parent
SCRIPTS = ("core.js", "draw.js", "files.js", "views.js", "pages.js", "flows.js", "app.js")
VENDORED = ("d3.min.js", "plot.umd.min.js", "fflate.umd.js")
MARK = ".openchronic-atlas"  # a folder that has it was written by us and may be replaced

_STATUS = {"shown": ".", "suppressed": "s", "absent": "a"}
_SHORT = {"country": "", "region": "r", "department": "d"}
# Of the release's report the page needs no more.
_REPORT = ("version", "kind", "build_id", "purpose", "published_at", "limits", "rules")


@dataclass(frozen=True)
class Built:
    """What was built: its folder, its counts, what the release lacks."""

    folder: Path
    version: str
    indicators: int
    cells: int
    suppressed: int
    files: int
    size: int
    data: int
    notes: tuple[str, ...]


def build(
    release: Path,
    out: Path,
    shapes: Path | None = None,
    credit: str = "",
    progress: Callable[[str, int, int], None] | None = None,
) -> Built:
    """Build the site of a release in a folder, in the place of an older one, whole or not at all.

    Args:
        release: a folder with ``report.json`` and ``indicators.json``.
        out: a new folder, or one that an earlier build wrote.
        shapes: GeoJSON or TopoJSON of the departments, instead of the outlines that ship.
        credit: source of those outlines, shown under the map.
        progress: told (step, done, total).

    Raises:
        UsageError: no release, or ``out`` holds something else.
        Refused: the release contradicts itself or its seals.
    """
    if out.exists() and any(out.iterdir() if out.is_dir() else [out]) and not (out / MARK).exists():
        raise UsageError(f"{out} holds something else: give a new folder")
    found = read(release)
    aside = out.with_name(f".{out.name}.{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir(parents=True)
        built = _Site(found, aside, shapes, credit).write(progress or (lambda *_: None))
        for path in [aside, *aside.rglob("*")]:  # everybody reads it, whatever the umask
            path.chmod(0o755 if path.is_dir() else 0o644)
        old = out.with_name(f".{out.name}.old.{os.getpid()}")
        if out.exists():
            out.replace(old)
        aside.replace(out)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise OpenChronicError(f"the atlas cannot be written in {out}: {error.strerror}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    files = [path for path in out.rglob("*") if path.is_file()]
    data = sum(path.stat().st_size for path in (out / "data").rglob("*") if path.is_file())
    return Built(
        out, found.version, len(found.indicators), built.count, built.suppressed, len(files),
        sum(path.stat().st_size for path in files), data, tuple(found.notes),
    )  # fmt: skip


def slug(text: str) -> str:
    """Return a code as a part of a file's name: ``75+`` is ``75p``."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", text.replace("+", "p"))


class _Site:
    def __init__(self, release: Release, folder: Path, shapes: Path | None, credit: str) -> None:
        self.release = release
        self.folder = folder
        self.places = {(each["level"], each["code"]): each for each in release.territories}
        region_of = {
            each["code"]: each["parent"]
            for each in release.territories
            if each["level"] == "department"
        }
        self.frame = outlines.read(shapes, region_of, credit) if shapes else outlines.shipped()
        self.count = self.suppressed = 0
        self.pathways: list[dict[str, Any]] = []
        self.network_years: list[int] = []
        self.of_place: dict[tuple[str, int], list[list[Any]]] = defaultdict(list)
        self.of_condition: dict[tuple[str, int], list[list[Any]]] = defaultdict(list)

    def write(self, progress: Callable[[str, int, int], None]) -> _Site:
        listed = []
        for number, indicator in enumerate(self.release.indicators):
            progress("atlas", number, len(self.release.indicators))
            listed.append(self._indicator(indicator))
        for (place, year), rows in self.of_place.items():
            self._data(f"place/{place}.{year}", "place", rows)
        for (condition, year), rows in self.of_condition.items():
            self._data(f"condition/{slug(condition)}.{year}", "condition", rows)
        extras = list(self._extras())
        self._data("outlines", "outlines", self.frame)
        self._data("site", "site", self._site(listed, extras))
        self._pages()
        progress("atlas", len(listed), len(listed))
        return self

    def _indicator(self, indicator: dict[str, Any]) -> dict[str, Any]:
        slices: dict[tuple[str, str, str, str], list[Cell]] = defaultdict(list)
        years, hidden = set(), 0
        for cell in self.release.cells(indicator["id"]):
            key = (cell.condition, cell.denominator_type, cell.sex, cell.age_group)
            slices[key].append(cell)
            years.add(cell.year)
            hidden += cell.status == "suppressed"
            self.count += 1
            if (cell.level, cell.code) not in self.places:
                self.places[cell.level, cell.code] = {
                    "level": cell.level, "code": cell.code, "label": cell.code, "parent": "",
                }  # fmt: skip
        self.suppressed += hidden
        for key, cells in sorted(slices.items()):
            name = ".".join(map(slug, key))
            self._data(f"cell/{indicator['id']}/{name}", "cells", _columns(cells))
            if key[2:] == ("all", "all"):
                self._overview(indicator["id"], key[0], key[1], cells)
        announced = set(indicator["years"])
        if missing := sorted(announced - years):
            self.release.notes.append(
                f"L'indicateur « {_said(indicator['label'])} » est annoncé pour "
                f"{', '.join(map(str, missing))} : la publication n'a pas ces cellules."
            )
        levels = {cell.level for cells in slices.values() for cell in cells}
        card = {
            **indicator,
            "years": sorted(years),
            "levels": [level for level in LEVELS if level in levels],
            "stds": sorted({cell.std for cells in slices.values() for cell in cells}),
            "slices": [list(key) for key in sorted(slices)],
        }
        self._data(f"card/{indicator['id']}", "card", card)
        return {
            "id": indicator["id"],
            "family": indicator.get("family", ""),
            "family_label": _said(indicator.get("family_label")) or indicator.get("family", ""),
            "label": _said(indicator["label"]) or indicator["id"],
            "unit": indicator.get("unit", ""),
            "scale": indicator.get("scale", 1),
            "kind": indicator.get("kind", ""),
            "years": sorted(years),
            "conditions": sorted({key[0] for key in slices}),
        }

    def _overview(self, name: str, condition: str, denominator: str, cells: list[Cell]) -> None:
        """Keep what the pages of a territory and of a condition show: both sexes, all ages."""
        # One method for all territories of a year: the standardised one where the country has it.
        direct = {
            cell.year
            for cell in cells
            if cell.std == "direct" and cell.level == "country" and cell.status == "shown"
        }
        for cell in cells:
            if cell.std == "indirect":
                continue
            numbers = [_raw(getattr(cell, each)) for each in NUMBERS]
            row = [name, condition, denominator, cell.std, _STATUS[cell.status], *numbers]
            self.of_place[_SHORT[cell.level] + cell.code, cell.year].append(row)
            best = (cell.std == "direct") == (cell.year in direct)
            if best:
                self.of_condition[condition, cell.year].append(
                    [name, denominator, cell.std, _SHORT[cell.level] + cell.code,
                     _STATUS[cell.status], *numbers[2:]]
                )  # fmt: skip

    def _extras(self) -> Iterator[str]:
        """Write what a release may have beside indicators; yield what there is."""
        variation, pathways, care, areas = map(self.release.optional, OPTIONAL)
        if variation:
            with variation.open(encoding="utf-8-sig", newline="") as file:
                self._data("variation", "variation", list(csv.DictReader(file)))
            yield "variation"
        for each in flows.pathways(pathways) if pathways else ():
            self._data(f"pathway/{each['id']}.{each['year']}", "pathway", each)
            self.pathways.append({name: each[name] for name in ("id", "label", "year")})
        for year, each in (flows.network(care, areas) if care else {}).items():
            self._data(f"network/{year}", "network", each)
            self.network_years.append(int(year))

    def _site(self, listed: list[dict[str, Any]], extras: Iterable[str]) -> dict[str, Any]:
        drawn = {code for panel in self.frame["panels"] for code in panel["shapes"]}
        used = {code for level, code in self.places if level == "department"}
        if strange := sorted(used - drawn):
            self.release.notes.append(
                f"Départements sans contour, montrés dans les tableaux seulement : "
                f"{', '.join(strange)}."
            )
        labels: dict[str, str] = {}
        states: dict[str, str] = {}
        cutoffs: dict[str, str] = {}
        for indicator in self.release.indicators:
            for each in indicator.get("conditions") or []:
                labels[each["code"]] = each.get("label_fr") or each["code"]
            states |= {str(k): v for k, v in (indicator.get("data_state") or {}).items()}
            cutoffs |= {str(k): v for k, v in (indicator.get("flux_cutoff") or {}).items()}
        return {
            "product": __version__,
            "report": {name: self.release.report.get(name) for name in _REPORT},
            "version": self.release.version,
            "states": states,
            "cutoffs": cutoffs,
            "territories": [
                self.places[key]
                for key in sorted(self.places, key=lambda key: (LEVELS.index(key[0]), key[1]))
            ],
            "indicators": listed,
            "conditions": labels,
            "condition_years": sorted(f"{slug(c)}.{y}" for c, y in self.of_condition),
            "place_years": sorted(f"{p}.{y}" for p, y in self.of_place),
            "extras": extras,
            "pathways": self.pathways,
            "network_years": self.network_years,
            "cells": self._counts(),
            "notes": self.release.notes,
        }

    def _counts(self) -> dict[str, int]:
        """Return how many cells there are and are hidden: the release's own count is of crude."""
        told = self.release.report.get("cells")
        if isinstance(told, dict) and {"total", "hidden"} <= set(told):
            return {"total": int(told["total"]), "suppressed": int(told["hidden"])}
        return {"total": self.count, "suppressed": self.suppressed}

    def _data(self, name: str, kind: str, document: Any) -> None:
        """Write a data file: a script that hands its document over, so that it opens from disk."""
        path = self.folder / "data" / f"{name}.js"
        path.parent.mkdir(parents=True, exist_ok=True)
        key = name.partition("/")[2] or name
        path.write_text(f"OC.take({_js(kind)},{_js(key)},{_js(document)});\n", encoding="utf-8")

    def _pages(self) -> None:
        for name in VENDORED:
            shutil.copyfile(HERE / "vendor" / name, _made(self.folder / "vendor" / name))
        for path in (HERE / "vendor").glob("*.LICENSE.txt"):
            shutil.copyfile(path, self.folder / "vendor" / path.name)
        for name in (*SCRIPTS, "atlas.css"):
            shutil.copyfile(HERE / "site" / name, self.folder / name)
        environment = Environment(
            loader=PackageLoader("openchronic_assets.publication", "site"),
            autoescape=True,
            undefined=StrictUndefined,
        )
        page = environment.get_template("index.html.j2").render(
            vendored=VENDORED, scripts=SCRIPTS, version=self.release.version
        )
        (self.folder / "index.html").write_text(page, encoding="utf-8")
        (self.folder / MARK).write_text(self.release.version + "\n", encoding="utf-8")


def _raw(text: str | None) -> int | float | None:
    """Return a number of the release: JSON writes a float so that it is read as the same one."""
    if text is None:
        return None
    return int(text) if text.lstrip("-").isdigit() else float(text)


def _columns(cells: list[Cell]) -> dict[str, Any]:
    """Return cells as columns, territories outside and years inside, a set for each method."""
    years = sorted({cell.year for cell in cells})
    places = sorted(
        {(cell.level, cell.code) for cell in cells},
        key=lambda place: (LEVELS.index(place[0]), place[1]),
    )
    size = len(years) * len(places)
    spot = {
        (level, code, year): row * len(years) + column
        for row, (level, code) in enumerate(places)
        for column, year in enumerate(years)
    }
    methods: dict[str, dict[str, Any]] = {}
    for cell in cells:
        if cell.std not in methods:
            methods[cell.std] = {
                "status": ["-"] * size,
                "reasons": {},
                **{name: [None] * size for name in NUMBERS},
            }
        method, at = methods[cell.std], spot[cell.level, cell.code, cell.year]
        if method["status"][at] != "-":
            raise OpenChronicError(
                f"the release has two rows for {cell.level} {cell.code}, {cell.year}, "
                f"{cell.condition}; make it again"
            )
        method["status"][at] = _STATUS[cell.status]
        if cell.reason:
            method["reasons"][str(at)] = cell.reason
        for name in NUMBERS:
            method[name][at] = _raw(getattr(cell, name))
    for method in methods.values():
        method["status"] = "".join(method["status"])
        # A column without a number is left out: standardised rates have no numerator.
        for name in NUMBERS:
            if all(each is None for each in method[name]):
                del method[name]
        if not method["reasons"]:
            del method["reasons"]
    return {
        "years": years,
        "places": [_SHORT[level] + code for level, code in places],
        "std": methods,
    }


def _said(text: Any) -> str:
    return str(text.get("fr") or "") if isinstance(text, dict) else str(text or "")


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _js(document: Any) -> str:
    """Return a document as JavaScript: JSON without what would end a script or a line."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for mark in ("<", ">", "\u2028", "\u2029"):
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return text
