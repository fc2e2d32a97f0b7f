"""A report as one page of HTML that opens without network: blocks of text, tables and plots."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from openchronic_assets.analytics.plots import number
from openchronic_assets.errors import OpenChronicError
from openchronic_assets.settings import Home

TEMPLATE = "page.html.j2"

Block = dict[str, Any]


def heading(text: str) -> Block:
    """Return a heading."""
    return {"kind": "heading", "text": text}


def text(words: str) -> Block:
    """Return a paragraph."""
    return {"kind": "text", "text": words}


def note(words: str) -> Block:
    """Return a paragraph that is not to be overlooked."""
    return {"kind": "note", "text": words}


def listed(rows: Sequence[str]) -> Block:
    """Return a list."""
    return {"kind": "list", "rows": list(rows)}


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Block:
    """Return a table; numbers are written as in French, what is missing as a dash."""
    return {
        "kind": "table",
        "columns": list(columns),
        "rows": [[cell(value) for value in row] for row in rows],
    }


def figure(svg: str) -> Block:
    """Return a plot, made by ``plots`` from escaped words."""
    return {"kind": "figure", "svg": Markup(svg)}


def cell(value: Any) -> str:
    """Return a value of a table as French text."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return "–"
    if isinstance(value, bool):
        return "oui" if value else "non"
    if isinstance(value, int):
        return f"{value:,}".replace(",", " ").replace("-", "−")
    return number(value) if isinstance(value, float) else str(value)


def render(title: str, blocks: Sequence[Block]) -> str:
    """Return the page."""
    environment = Environment(
        loader=PackageLoader("openchronic_assets.analytics", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    return environment.get_template(TEMPLATE).render(title=title, blocks=blocks)


def write(
    home: Home,
    folder: str,
    name: str,
    html: str,
    tables: Mapping[str, pd.DataFrame],
    facts: Mapping[str, Any],
) -> tuple[Path, dict[str, Path]]:
    """Write a report and its tables; return the page and the path of each table.

    The page goes to ``lake/reports/analytics/<folder>/<name>.html``, tables as Parquet and the
    facts as JSON to ``lake/analytics/<folder>/<name>/``, in the secure space.

    Raises:
        OpenChronicError: the folder cannot be written.
    """
    home.create()
    page = home.reports / "analytics" / folder / f"{name}.html"
    place = home.analytics / folder / name
    paths = {each: place / f"{each}.parquet" for each in tables}
    try:
        for each in (page.parent, place):
            each.mkdir(mode=0o750, parents=True, exist_ok=True)
        for name_of, frame in tables.items():
            rows = pa.Table.from_pandas(frame, preserve_index=False)
            _whole(paths[name_of], partial(pq.write_table, rows))
        told = json.dumps(facts, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
        _whole(place / "facts.json", lambda path: path.write_text(told, encoding="utf-8"))
        _whole(page, lambda path: path.write_text(html, encoding="utf-8"))
    except OSError as error:
        raise OpenChronicError(
            f"the results cannot be written in {place}: {error.strerror}"
        ) from error
    return page, paths


def _whole(path: Path, write: Any) -> None:
    """Write a file aside and give it its name at the end."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(aside)
        aside.chmod(0o640)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
