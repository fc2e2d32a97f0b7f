"""The command line: ``openchronic``.

Every command takes ``--home``. With ``--json`` it prints one JSON object on stdout and nothing
else. Messages go to stderr. Exit codes: 0 done, 1 failed, 2 wrong use, 3 refused by a check or the
gate.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

import typer

from openchronic_assets.commands import (
    analyses,
    anonymise,
    atlas,
    audit,
    codelists,
    contracts,
    exports,
    indicators,
    ingestion,
    machine,
    nomenclatures,
    operations,
    panel,
    releases,
    research,
    risk_model,
    sortie,
    synthetic,
    warehouse,
)
from openchronic_assets.console import err, plain, print_json
from openchronic_assets.errors import OpenChronicError, disk_trouble

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From raw SNDS extracts to care pathways, indicators and anonymised releases.",
)
for module in (machine, synthetic, ingestion, panel, warehouse, anonymise, sortie, atlas):
    app.add_typer(module.app)
app.add_typer(contracts.app, name="contracts")
app.add_typer(nomenclatures.app, name="nomenclatures")
app.add_typer(codelists.app, name="codelist")
app.add_typer(releases.app, name="release")
app.add_typer(exports.app, name="export")
app.add_typer(indicators.app, name="indicators")
app.add_typer(indicators.explain_app)
app.add_typer(analyses.app)
app.add_typer(research.app, name="research")
app.add_typer(risk_model.app, name="risk-model")
app.add_typer(audit.app, name="audit")
app.add_typer(audit.access_app)
app.add_typer(operations.app)
app.add_typer(audit.publish_app, name="publish")


def main() -> None:
    """Run a command; say an error in one message and leave with its exit code."""
    as_json = "--json" in sys.argv
    try:
        # Outside standalone mode a command that leaves with a code has it returned, not raised.
        if code := app(standalone_mode=False):
            raise SystemExit(code)
    except OpenChronicError as error:
        _fail(str(error), error.exit_code, as_json)
    except (typer.Abort, KeyboardInterrupt):
        _fail("interrupted; nothing half-done is left, run the same command again", 1, as_json)
    except Exception as error:
        # Wrong use as the command line library sees it.
        if hasattr(error, "format_message"):
            _fail(f"{error.format_message()} (see --help)", 2, as_json)
        if trouble := disk_trouble(error):
            _fail(trouble, 1, as_json)
        # The text of an unforeseen error may quote data: its class and place are enough.
        frame = traceback.extract_tb(error.__traceback__)[-1]
        if os.environ.get("OPENCHRONIC_DEBUG"):
            raise
        _fail(
            f"unforeseen {type(error).__name__} in {Path(frame.filename).name}:{frame.lineno}; "
            "run again with OPENCHRONIC_DEBUG=1 for the whole trace, on data that may be shown",
            1,
            as_json,
        )


def _fail(message: str, code: int, as_json: bool) -> None:
    if as_json:
        print_json({"error": {"message": message, "exit_code": code}})
    err.print(f"[bold red]error:[/] {plain(message)}", highlight=False, soft_wrap=True)
    raise SystemExit(code)
