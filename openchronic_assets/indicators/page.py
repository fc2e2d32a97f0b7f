"""Reports on indicators: one text in Markdown, and the same as one page of HTML without network."""

from __future__ import annotations

import os
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from openchronic_assets.errors import OpenChronicError
from openchronic_assets.settings import Home

TEMPLATE = "report.html.j2"
FOLDER = "indicators"  # under lake/reports


def render(title: str, markdown: str) -> str:
    """Return Markdown as a page of HTML; HTML written in the text shows as text."""
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    environment = Environment(
        loader=PackageLoader("openchronic_assets.indicators", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Made by the renderer from escaped text.
    return environment.get_template(TEMPLATE).render(title=title, body=Markup(body))


def write(home: Home, name: str, title: str, markdown: str) -> tuple[Path, Path]:
    """Write a report under ``lake/reports/indicators`` and return its Markdown and its HTML.

    Raises:
        OpenChronicError: the folder cannot be written.
    """
    folder = home.reports / FOLDER
    paths = folder / f"{name}.md", folder / f"{name}.html"
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        for path, text in zip(paths, (markdown, render(title, markdown)), strict=True):
            aside = path.with_name(f".{path.name}.{os.getpid()}")
            aside.write_text(text, encoding="utf-8")
            aside.chmod(0o640)
            aside.replace(path)
    except OSError as error:
        raise OpenChronicError(
            f"the report cannot be written in {folder}: {error.strerror}"
        ) from error
    return paths
