"""The documentation portal: one entrance to tables, columns, indicators, reports and guides."""

from __future__ import annotations

import datetime
import functools
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from openchronic_assets.errors import OpenChronicError
from openchronic_assets.exports.dictionary import LAYERS, dictionary
from openchronic_assets.exports.docs import tables_page
from openchronic_assets.indicators import cards
from openchronic_assets.indicators.loader import catalogue
from openchronic_assets.settings import Home

GUIDES = Path(__file__).resolve().parents[2] / "docs"
MENU = (
    ("dictionary.html", "Dictionnaire"),
    ("tables.html", "Tables et filiation"),
    ("indicators.html", "Indicateurs"),
    ("index.html#rapports", "Rapports"),
    ("guides/index.html", "Guides"),
)
_HERE = Path(__file__).parent / "portal"
_A = re.compile(r'<a href="(?P<address>[^"]*)">(?P<words>.*?)</a>', re.DOTALL)


def build_portal(home: Home) -> Path:
    """Write the portal to ``exports/docs/`` and return its entrance, ``index.html``.

    Everything is copied beside it, so that the folder can be moved or served; nothing asks for
    the network. It holds no data on people: names, rules, counts and the reports that are made
    without values.

    Raises:
        OpenChronicError: dbt cannot describe the models, or the folder cannot be written.
    """
    home.create()
    out = home.exports / "docs"
    aside = home.exports / f".docs.{os.getpid()}"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir(mode=0o750)
        _write(home, aside)
        old = home.exports / f".docs.old.{os.getpid()}"
        if out.exists():
            out.replace(old)
        aside.replace(out)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise OpenChronicError(
            f"the documentation cannot be written in {out}: {error.strerror}"
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return out / "index.html"


def _write(home: Home, out: Path) -> None:
    page, manifest = tables_page(home)
    (out / "tables.html").write_text(page, encoding="utf-8")
    words = dictionary(home, manifest)
    text = json.dumps(words, ensure_ascii=False, separators=(",", ":"))
    for mark in ("<", "\u2028", "\u2029"):
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    (out / "dictionary-data.js").write_text(f"const DICTIONARY={text};\n", encoding="utf-8")
    for name in ("portal.css", "entrance.js", "dictionary.js"):
        shutil.copyfile(_HERE / name, out / name)
    _page(
        out / "dictionary.html", "Dictionnaire des données", kind="dictionary",
        here="dictionary.html", layers=LAYERS,
        columns=_count(len(words["columns"])), tables=_count(len(words["tables"])),
    )  # fmt: skip
    every = "\n\n".join(cards.card(one, level=2) for one in catalogue().values())
    _page(
        out / "indicators.html", "Indicateurs", here="indicators.html",
        body=_html(f"# Fiches des {len(catalogue())} indicateurs\n\n{every}"),
    )  # fmt: skip
    guides = list(_guides(out / "guides"))
    _page(
        out / "index.html", "Documentation", kind="entrance", here="index.html",
        built=datetime.date.today().strftime("%d/%m/%Y"), state=_state(home),
        sections=_sections(home, out, guides),
    )  # fmt: skip


def _sections(home: Home, out: Path, guides: list[tuple[str, str]]) -> list[dict[str, Any]]:
    runbooks = [each for each in guides if each[0].startswith("guides/runbooks/")]
    return [
        {"title": "Dictionnaire des données", "href": "dictionary.html", "links": [],
         "says": "Chaque colonne avec sa source SNDS, ses années et ses contrôles ; recherche en "
         "français, en anglais ou par nom SNDS.", "none": ""},
        {"title": "Tables et filiation", "href": "tables.html", "links": [],
         "says": "Les modèles, leurs règles, leurs tests et de quoi chacun est fait (dbt).",
         "none": ""},
        {"title": "Fiches des indicateurs", "href": "indicators.html", "links": [],
         "says": "Numérateur, dénominateur, exclusions, méthode, limites, sources et drapeaux de "
         "doute.", "none": ""},
        {"title": "Rapports de livraison", "href": "",
         "links": _copied(home.reports, out, "reports"),
         "says": "Ce qui est arrivé, ce qui a été refusé, ce qui a changé.",
         "none": "Aucune livraison n’a encore été reçue."},
        {"title": "Rapports sur les indicateurs", "href": "",
         "links": _copied(home.reports / "indicators", out, "reports/indicators"),
         "says": "Comparaison aux chiffres publiés, explications des changements.",
         "none": "Aucun rapport : openchronic indicators compare en écrit un."},
        {"title": "Publications", "href": "", "links": list(_releases(home, out)),
         "says": "Ce qui a été publié, ses contrôles, son risque, ses limites.",
         "none": "Rien n’a encore été publié."},
        {"title": "Procédures", "href": "", "links": runbooks,
         "says": "Que faire quand : une nouvelle année, une livraison refusée, une panne.",
         "none": "Les guides ne sont pas avec cette installation : voir le dossier docs/ du "
         "produit."},
        {"title": "Guides", "href": "guides/index.html" if guides else "",
         "links": [each for each in guides if each not in runbooks and "decisions/" not in each[0]],
         "says": "Comment chaque partie est faite et se lit (en anglais pour la plupart).",
         "none": "Les guides ne sont pas avec cette installation."},
    ]  # fmt: skip


def _state(home: Home) -> str:
    from openchronic_assets.warehouse.builds import read_manifest

    current = read_manifest(home)
    if current is None:
        return "rien n’est encore construit : les règles sont là, les nombres de lignes viendront."
    return f"construction courante {current['build_id']}, {len(current['models'])} modèles."


def _copied(folder: Path, out: Path, to: str) -> list[tuple[str, str]]:
    """Copy the pages of a folder, newest first, and return (address, title)."""
    found = []
    pages = sorted(folder.glob("*.html"), key=lambda path: (-path.stat().st_mtime, path.name))
    for path in pages:
        text = path.read_text(encoding="utf-8")
        (out / to).mkdir(parents=True, exist_ok=True)
        (out / to / path.name).write_text(text, encoding="utf-8")
        title = re.search(r"<title>([^<]*)</title>", text)
        found.append(
            (f"{to}/{path.name}", Markup(title.group(1)).unescape() if title else path.stem)
        )
    return found


def _releases(home: Home, out: Path) -> Iterator[tuple[str, str]]:
    """Write the page of each release, newest first; yield (address, words)."""
    from openchronic_assets.anonymisation.calibration_report import release_page

    reports = sorted(
        home.release.glob("*/report.json"), key=lambda p: (-p.stat().st_mtime, p.parent.name)
    )
    for path in reports:
        version = path.parent.name
        if not re.fullmatch(r"[A-Za-z0-9_-]+", version):
            continue
        report = json.loads(path.read_text(encoding="utf-8"))
        (out / "releases").mkdir(exist_ok=True)
        address = f"releases/{version}.html"
        if "calibration" in report:
            (out / address).write_text(release_page(report), encoding="utf-8")
        else:
            _page(out / address, f"Publication {version}", root="../",
                  body=_html(_release_text(path.parent, report)))  # fmt: skip
        yield address, f"{version} ({report.get('kind') or 'patients'})"


def _release_text(folder: Path, report: dict[str, Any]) -> str:
    readme = folder / "README.md"
    told = readme.read_text(encoding="utf-8") if readme.is_file() else f"# {folder.name}"
    checks = "\n".join(
        f"| {each.get('name')} | {'passé' if each.get('passed') else 'refusé'} | "
        f"{str(each.get('detail') or '').replace('|', '/')} |"
        for each in report.get("checks") or []
    )
    head = "## Contrôles passés\n\n| contrôle | résultat | détail |\n|---|---|---|"
    return f"{told}\n\n{head}\n{checks}"


def _guides(out: Path) -> Iterator[tuple[str, str]]:
    """Write the guides of the product as pages; yield (address, title)."""
    if not GUIDES.is_dir():
        return
    found = []
    for path in sorted(GUIDES.rglob("*.md")):
        place = path.relative_to(GUIDES)
        text = path.read_text(encoding="utf-8")
        title = next(
            (line.lstrip("# ").strip() for line in text.splitlines() if line.startswith("# ")),
            place.stem,
        )
        page = place.with_suffix(".html")
        (out / page).parent.mkdir(parents=True, exist_ok=True)
        up = "../" * len(page.parts)
        body = _A.sub(functools.partial(_link, path), _html(text))
        _page(out / page, title, root=up, body=Markup(body))
        found.append((f"guides/{page.as_posix()}", title))
    for picture in (GUIDES / "images").glob("*.*"):
        (out / "images").mkdir(exist_ok=True)
        shutil.copyfile(picture, out / "images" / picture.name)
    yield from found


def _link(guide: Path, found: re.Match[str]) -> str:
    """Lead to the page of another guide; what is not among the guides is named, not linked."""
    address, mark, anchor = found["address"].partition("#")
    if address.startswith(("http:", "https:")) or not address:
        return found[0]
    target = (guide.parent / address).resolve()
    if target.is_file() and target.suffix == ".md" and GUIDES in target.parents:
        return f'<a href="{address[:-3]}.html{mark}{anchor}">{found["words"]}</a>'
    return found["words"]


def _html(markdown: str) -> Markup:
    # Made by the renderer from escaped text.
    rendered = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    return Markup(rendered)


def _page(path: Path, title: str, *, kind: str = "text", root: str = "", **values: Any) -> None:
    environment = Environment(
        loader=PackageLoader("openchronic_assets.exports", "portal"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    told = {"here": "", "body": "", **values}
    text = environment.get_template("page.html.j2").render(
        title=title, kind=kind, root=root, menu=MENU, **told
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _count(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")
