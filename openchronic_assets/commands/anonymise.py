"""Commands for any table: anonymise it, measure it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from openchronic_assets.console import (
    HomeOption,
    JsonOption,
    err,
    out,
    plain,
    print_json,
    show,
)
from openchronic_assets.errors import UsageError

app = typer.Typer()

FileArgument = Annotated[Path, typer.Argument(help="CSV or Parquet; one row a person.")]
QuasiOption = Annotated[
    str, typer.Option("--quasi", help="Columns that an attacker may know, a,b,c.")
]
SensitiveOption = Annotated[
    str | None, typer.Option("--sensitive", help="Columns that must not be learnt, a,b.")
]
DistanceOption = Annotated[
    str,
    typer.Option(help="Between sensitive values: equal, ordered or hierarchical."),
]


def columns(text: str | None) -> list[str]:
    """Return the names in a list like ``a,b``."""
    names = [name.strip() for name in (text or "").split(",")]
    return [name for name in names if name]


def _weights(text: str | None) -> dict[str, float]:
    result = {}
    for each in columns(text):
        name, mark, value = each.rpartition("=")
        try:
            result[name] = float(value)
        except ValueError:
            mark = ""
        if not mark:
            raise UsageError("--weights is written column=weight,column=weight")
    return result


@app.command("anonymise")
def anonymise_command(
    file: FileArgument,
    quasi: QuasiOption,
    hierarchies: Annotated[Path, typer.Option(help="Folder of <column>.csv: leaf;level1;...;*")],
    k: Annotated[int, typer.Option("--k", help="Smallest class.")],
    destination: Annotated[Path, typer.Option("--out", help="A .csv or .parquet file.")],
    sensitive: SensitiveOption = None,
    diversity: Annotated[str | None, typer.Option("--l", help="l-diversity.")] = None,
    l_kind: Annotated[
        str, typer.Option("--l-kind", help="distinct, entropy or recursive (needs --c).")
    ] = "distinct",
    c: Annotated[str | None, typer.Option("--c", help="Of recursive (c, l)-diversity.")] = None,
    alpha: Annotated[
        str | None, typer.Option(help="Largest share of a sensitive value in a class.")
    ] = None,
    t: Annotated[str | None, typer.Option("--t", help="t-closeness.")] = None,
    distance: DistanceOption = "equal",
    beta: Annotated[str | None, typer.Option(help="beta-likeness.")] = None,
    enhanced: Annotated[bool, typer.Option("--enhanced", help="Enhanced beta-likeness.")] = False,
    delta: Annotated[str | None, typer.Option(help="delta-disclosure.")] = None,
    suppression: Annotated[
        str, typer.Option(help="Share of rows that full-domain recoding may remove.")
    ] = "0",
    method: Annotated[str, typer.Option(help="full-domain or local.")] = "full-domain",
    measure: Annotated[
        str, typer.Option(help="loss, precision, discernibility or class_size.")
    ] = "loss",
    weights: Annotated[str | None, typer.Option(help="column=weight,... in the loss.")] = None,
    gs_factor: Annotated[
        float, typer.Option(help="Below 0.5 suppression costs less, above generalisation does.")
    ] = 0.5,
    person: Annotated[
        str | None, typer.Option(help="Column of the person: must not repeat, is left out.")
    ] = None,
    drop: Annotated[str | None, typer.Option(help="Columns to leave out.")] = None,
    keep: Annotated[
        str | None, typer.Option(help="Columns to publish although they tell rows apart.")
    ] = None,
    order_key: Annotated[
        Path | None,
        typer.Option(help="File with the secret of the order of rows; else drawn and forgotten."),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Anonymise any table: one level a column (full-domain), or each row as fine as can be."""
    from openchronic_assets.anonymisation.any_table import anonymise, finite

    report = anonymise(
        file,
        columns(quasi),
        hierarchies,
        k=k,
        sensitive=columns(sensitive),
        l=diversity,
        l_kind=l_kind,
        c=c,
        alpha=alpha,
        t=t,
        distance=distance,
        beta=beta,
        enhanced=enhanced,
        delta=delta,
        suppression=suppression,
        method=method,
        measure=measure,
        weights=_weights(weights),
        gs_factor=gs_factor,
        person=person,
        drop=columns(drop),
        keep=columns(keep),
        out=destination,
        order_key=_key(order_key),
    ).report
    if as_json:
        print_json(finite(report))
        return
    for warning in report["warnings"]:
        err.print(plain(warning), highlight=False, soft_wrap=True)
    proof = "proved minimal" if report["optimal"] else _gap(report)
    out.print(
        f"{report['rows']} rows in {report['classes']} classes of at least {report['k']}, "
        f"{report['suppressed']} removed; loss {report['loss']:.6f} ({proof}); "
        f"{report['seconds']} s; written to {plain(str(destination))}",
        highlight=False,
        soft_wrap=True,
    )
    show(
        [
            {"column": name, "level": level, "rows": count}
            for name, used in report["levels_used"].items()
            for level, count in used.items()
            if count
        ]
    )


def _gap(report: dict[str, Any]) -> str:
    if report["gap"] is None:
        return "local recoding"
    return f"at most {report['gap']:.6f} above the minimum"


def _key(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise UsageError(f"{path}: no readable key") from error
    if len(key) < 16:
        raise UsageError(f"{path}: the key of the order is shorter than 16 bytes")
    return key


@app.command("risk")
def risk_command(
    file: FileArgument,
    quasi: QuasiOption,
    sensitive: SensitiveOption = None,
    distance: DistanceOption = "equal",
    hierarchies: Annotated[
        Path | None, typer.Option(help="Folder with <sensitive>.csv, for that distance.")
    ] = None,
    population: Annotated[
        Path | None, typer.Option(help="Table of the population, at the levels of FILE.")
    ] = None,
    population_count: Annotated[
        str | None, typer.Option(help="Its column of people, where a row stands for several.")
    ] = None,
    fraction: Annotated[float | None, typer.Option(help="Share of the population in FILE.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure what any table tells about the people in it."""
    from openchronic_assets.anonymisation.any_table import finite, risk

    result = risk(
        file,
        columns(quasi),
        sensitive=columns(sensitive),
        distance=distance,
        hierarchies=hierarchies,
        population=population,
        population_count=population_count,
        fraction=fraction,
    )
    if as_json:
        print_json(finite(result))
        return
    shown = ("rows", "classes", "k", "average_class", "sample_uniques", "marketer")
    show([{name: result[name] for name in shown}])
    for name in ("prosecutor", "journalist"):
        figures = result[name]
        out.print(
            f"{name}: at most {figures['max']:.4f}, {figures['average']:.4f} on average",
            highlight=False,
        )
    if "population_uniques" in result:
        out.print(
            f"unique in the population: {result['population_uniques']['estimate']:.4%} (estimate)",
            highlight=False,
        )
    show([{"column": name, **figures} for name, figures in result["sensitive"].items()])


@app.command("calibrate")
def calibrate_command(
    file: FileArgument,
    quasi: QuasiOption,
    hierarchies: Annotated[Path, typer.Option(help="Folder of <column>.csv: leaf;level1;...;*")],
    destination: Annotated[Path, typer.Option("--out", help="A new folder.")],
    sensitive: SensitiveOption = None,
    ks: Annotated[str, typer.Option("--ks", help="Smallest classes to try.")] = "5,11,12,20,50",
    limits: Annotated[str, typer.Option(help="Suppression limits to try.")] = "0,0.01,0.02,0.05",
    diversity: Annotated[str | None, typer.Option("--l", help="l-diversity of each.")] = None,
    t: Annotated[str | None, typer.Option("--t", help="t-closeness of each.")] = None,
    distance: DistanceOption = "equal",
    max_risk: Annotated[float, typer.Option(help="Highest risk of singling out.")] = 0.09,
    max_suppressed: Annotated[float, typer.Option(help="Largest share of rows removed.")] = 0.02,
    max_t: Annotated[float, typer.Option(help="Largest distance of a class.")] = 0.3,
    person: Annotated[str | None, typer.Option(help="Column of the person.")] = None,
    drop: Annotated[str | None, typer.Option(help="Columns to leave out.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw the frontier between privacy and utility, and choose by a rule written before."""
    from openchronic_assets.anonymisation.any_table import finite, prepare
    from openchronic_assets.anonymisation.calibration_report import write_calibration
    from openchronic_assets.anonymisation.frontier import Thresholds, frontier, rows_of

    try:
        sizes = [int(each) for each in columns(ks)]
    except ValueError as error:
        raise UsageError("--ks is a list of whole numbers: 5,11,12") from error
    if not sizes or not columns(limits):
        raise UsageError("give at least one k and one limit to try")
    if destination.exists():
        raise UsageError(f"{destination} exists: give a new folder")
    prepared = prepare(
        file,
        columns(quasi),
        hierarchies,
        columns(sensitive),
        distance=distance,
        person=person,
        drop=columns(drop),
    )
    rule = Thresholds(risk=max_risk, suppressed=max_suppressed, t=max_t)
    points = frontier(prepared, ks=sizes, limits=columns(limits), l=diversity, t=t, thresholds=rule)
    records = prepared.cube.records
    write_calibration(destination, file.name, records, columns(quasi), points, rule)
    rows = rows_of(points)
    chosen = next((row for row in rows if row["chosen"]), None)
    if as_json:
        print_json(finite({"out": str(destination), "chosen": chosen, "points": rows}))
        return
    shown = ("method", "k", "limit", "loss", "prosecutor_max", "suppressed_share", "query_error")
    show(
        [
            {name: round(v, 5) if isinstance(v := row[name], float) else v for name in shown}
            | {"": "chosen" if row["chosen"] else "" if row["admissible"] else "too risky"}
            for row in rows
        ]
    )
    out.print(f"page: {plain(str(destination / 'calibration.html'))}", highlight=False)
