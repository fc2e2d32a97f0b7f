"""What every command shares: its options, and how it prints.

Results go to stdout; messages and progress to stderr. With ``--json`` a command prints one JSON
object on stdout and nothing else.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table as RichTable

from openchronic_assets import progress

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help="Folder of the zones; else OPENCHRONIC_HOME, else ./data."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]

out = Console()
err = Console(stderr=True)


def plain(text: str) -> str:
    """Return a text as rich prints it as it stands, brackets included."""
    return text.replace("[", r"\[")


def print_json(document: Any) -> None:
    """Print one JSON object on stdout; decimals and dates as text."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, default=_jsonable) + "\n")
    sys.stdout.flush()


def _jsonable(value: Any) -> Any:
    return (
        str(value) if isinstance(value, Decimal) else getattr(value, "isoformat", value.__str__)()
    )


@contextmanager
def drawn(as_json: bool) -> Iterator[None]:
    """Draw progress on stderr while the block runs: bars on a terminal, a line a step elsewhere."""
    if as_json or not err.is_terminal:
        said: set[str] = set()

        def say(step: str, done: int, total: int) -> None:
            label = f"{step}: {done} of {total}"
            quarter = f"{step}{4 * done // total if total else 4}"
            if quarter not in said:
                said.add(quarter)
                err.print(label, highlight=False)

        with progress.listening(say):
            yield
        return
    columns = (TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn(),
               TimeElapsedColumn(), TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=err) as bars:
        tasks: dict[str, Any] = {}

        def draw(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total)
            bars.update(tasks[step], completed=done, total=total)

        with progress.listening(draw):
            yield


def show(rows: list[dict[str, Any]], title: str | None = None) -> None:
    """Print rows as a table, or one value a line where they are wider than the terminal."""
    if not rows:
        return
    table = RichTable(title=title, title_justify="left", header_style="bold", box=SIMPLE_HEAD)
    for name, value in rows[0].items():
        table.add_column(
            name, justify="right" if isinstance(value, int | float) else "left", no_wrap=True
        )
    for row in rows:
        table.add_row(*("" if value is None else plain(str(value)) for value in row.values()))
    width = out.measure(table, options=out.options.update(max_width=100_000)).maximum
    if not out.is_terminal:
        Console(width=width).print(table)
    elif width <= out.width:
        out.print(table)
    else:
        name_width = max(len(name) for name in rows[0])
        for number, row in enumerate(rows, 1):
            out.print(f"[dim]-- {title or 'row'} {number}[/]", highlight=False)
            for name, value in row.items():
                shown = "" if value is None else plain(str(value))
                out.print(f"{name:<{name_width}}  {shown}", highlight=False)
