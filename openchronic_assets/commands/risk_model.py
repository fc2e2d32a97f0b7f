"""Commands of the risk models: train, score, report."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from openchronic_assets.console import HomeOption, JsonOption, drawn, out, print_json, show
from openchronic_assets.errors import UsageError
from openchronic_assets.settings import home as find_home

app = typer.Typer(
    no_args_is_help=True,
    help="Risk models: onset of a long-term condition, readmission within 30 days.",
)
KindArgument = Annotated[str, typer.Argument(help="ald_onset or readmission.")]
ModelOption = Annotated[str | None, typer.Option("--model", help="The last trained without it.")]


@app.command("train")
def train_models(
    kind: KindArgument,
    outcome: Annotated[
        list[str] | None, typer.Option(help="Such as any or ald_08; all without it.")
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="age_sex, logistic, forest, boosting, gru; the first four without it."),
    ] = None,
    information: Annotated[
        str | None, typer.Option(help="known on the day, or dated before it.")
    ] = None,
    look_back: Annotated[int | None, typer.Option(help="Months of the past.")] = None,
    gap: Annotated[int | None, typer.Option(help="Days after the landmark left out.")] = None,
    feature: Annotated[
        list[str] | None, typer.Option(help="NAME=FILE.sql, a feature of yours (subject, value).")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of every draw.")] = None,
    replicates: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 1000,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train, evaluate and keep the models of the current build; write the report."""
    from dataclasses import replace

    from openchronic_assets.analytics.risk import models, run
    from openchronic_assets.analytics.risk.study import standard

    chosen: dict[str, Any] = {
        name: value
        for name, value in {
            "information": information,
            "look_back_months": look_back,
            "gap_days": gap,
            "seed": seed,
        }.items()
        if value is not None
    }
    study = replace(standard(kind), **chosen)  # type: ignore[arg-type]
    with drawn(as_json):
        found = run.train(
            find_home(home),
            study,
            extra=tuple(_extra(text) for text in feature or ()),
            rungs=tuple(model or models.RUNGS),
            outcomes=tuple(outcome or ()),
            replicates=replicates,
        )
    told = {each.name: run.summary(each) for each in found.outcomes}
    if as_json:
        print_json(
            {"model": found.name, "build_id": found.build_id, "outcomes": told,
             "notes": found.notes, "folder": str(found.folder), "report": str(found.report)}
        )  # fmt: skip
        return
    show([_row(each) for each in found.outcomes], f"{kind}, build {found.build_id}")
    out.print(f"models: {found.folder}", highlight=False, soft_wrap=True)
    out.print(f"report: {found.report}", highlight=False, soft_wrap=True)


def _row(of: Any) -> dict[str, Any]:
    row = {"outcome": of.name, "model": of.chosen, "AUROC": None, "95 %": None}
    if of.chosen and not of.refused:
        interval = of.intervals[of.chosen].get("auroc")
        row["AUROC"] = f"{of.metrics[of.chosen]['auroc']:.3f}"
        row["95 %"] = interval and f"{interval[0]:.3f} to {interval[1]:.3f}"
    return row | {"not computed because": of.reason}


def _extra(text: str) -> Any:
    from openchronic_assets.analytics.risk.features import Extra

    name, _, file = text.partition("=")
    path = Path(file)
    if not name.isidentifier() or not path.is_file():
        raise UsageError(f"a feature is written NAME=FILE.sql, and the file exists: not {text!r}")
    return Extra(name, path.read_text(encoding="utf-8").strip().rstrip(";"))


@app.command("score")
def score_people(
    kind: KindArgument,
    day: Annotated[
        str | None, typer.Option(help="YYYY-MM-DD; the day after the data without it.")
    ] = None,
    model: ModelOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give the people at risk on a day their chances, as a table of the secure space."""
    from openchronic_assets.analytics.risk import run

    try:
        when = datetime.date.fromisoformat(day) if day else None
    except ValueError:
        raise UsageError(f"a day is written 2022-01-01, not {day!r}") from None
    path, rows = run.score(find_home(home), kind, when, model)
    if as_json:
        print_json({"file": str(path), "rows": rows})
    else:
        out.print(f"{rows} rows in {path}", highlight=False, soft_wrap=True)


@app.command("report")
def show_report(
    kind: KindArgument,
    model: ModelOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a model that was kept is worth, and where its report and cards are."""
    from openchronic_assets.analytics.risk import store

    place = store.current(find_home(home), kind, model)
    _, manifest = store.load(place)
    files = sorted(str(path) for path in place.iterdir() if path.suffix in (".html", ".md"))
    if as_json:
        print_json({"model": place.name, **manifest, "texts": files})
        return
    rows = []
    for outcome, told in manifest["outcomes"].items():
        found = told["metrics"].get(told["chosen"] or "", {})
        rows.append(
            {
                "outcome": outcome,
                "state": told["state"],
                "model": told["chosen"],
                "AUROC": found.get("auroc") and f"{found['auroc']:.3f}",
                "why": told["reason"],
            }
        )
    show(rows, place.name)
    for file in files:
        out.print(file, highlight=False, soft_wrap=True)
