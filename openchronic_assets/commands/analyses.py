"""Commands of the analyses of networks, variation and pathways."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from openchronic_assets.console import HomeOption, JsonOption, drawn, out, print_json, show
from openchronic_assets.settings import home as find_home

app = typer.Typer()

YearOption = Annotated[int, typer.Option(help="A year that was built.")]
SeedOption = Annotated[int, typer.Option(help="Of what is drawn: the same seed, the same numbers.")]


@app.command()
def network(
    year: YearOption,
    threshold: Annotated[int, typer.Option(help="Fewest patients shared by a tie.")] = 8,
    rule: Annotated[
        str, typer.Option(help="disparity, hypergeometric, either or none.")
    ] = "either",
    method: Annotated[str, typer.Option(help="leiden or louvain.")] = "leiden",
    seeds: Annotated[int, typer.Option(help="Partitions compared for stability.")] = 20,
    resolution: Annotated[float, typer.Option(help="Above 1, smaller communities.")] = 1.0,
    cap: Annotated[int, typer.Option(help="People of more providers are left out.")] = 50,
    fewest: Annotated[int, typer.Option(help="Providers of fewer patients are left out.")] = 11,
    hubs: Annotated[
        bool, typer.Option("--hubs", help="Keep anaesthetists and radiologists.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Describe the network of providers who share patients, as a French page and tables."""
    from openchronic_assets.analytics.network import report

    with drawn(as_json):
        told = report.run(
            find_home(home), year, threshold=threshold, rule=rule, method=method, seeds=seeds,
            resolution=resolution, cap=cap, fewest=fewest, hubs=hubs,
        )  # fmt: skip
    if as_json:
        print_json(told)
        return
    why = told["reasons"]
    show(
        [
            {"measure": label, "value": told[name], "no value because": why.get(name, "")}
            for name, label in report.FACTS.items()
        ]
    )
    out.print(f"page: {told['page']}", highlight=False, soft_wrap=True)


@app.command()
def variation(
    year: YearOption,
    level: Annotated[
        str, typer.Option(help="region, department, establishment or doctor.")
    ] = "department",
    indicator: Annotated[
        list[str] | None, typer.Option(help="An indicator; several times for several.")
    ] = None,
    condition: Annotated[str, typer.Option(help="Such as ald_08; everybody without it.")] = "all",
    neighbours: Annotated[
        Path | None, typer.Option(help="CSV of department, neighbour, in place of ours.")
    ] = None,
    seed: SeedOption = 0,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how much indicators vary between places, hospitals or doctors, as a French page."""
    from openchronic_assets.analytics.variation import report

    with drawn(as_json):
        told = report.run(
            find_home(home), year, level, indicators=indicator, condition=condition,
            neighbours=neighbours, seed=seed,
        )  # fmt: skip
    if as_json:
        print_json(told)
        return
    columns = ("indicator_id", "units", "units_left_out", "extremal_quotient_5_95",
               "systematic_component", "log_variance", "median_odds_ratio", "moran")  # fmt: skip
    show([{name: one[name] for name in columns} for one in told["indicators"]])
    out.print(f"page: {told['page']}", highlight=False, soft_wrap=True)


@app.command()
def typology(
    pathway: Annotated[str, typer.Argument(help="A pathway of ref_pathway, such as ald_8.")],
    first: Annotated[int, typer.Option(help="First month; 0 holds the index.")] = 0,
    last: Annotated[int, typer.Option(help="Last month, up to 36.")] = 11,
    method: Annotated[str, typer.Option(help="om, hamming, dhd or lcs.")] = "om",
    clustering: Annotated[str, typer.Option(help="pam or ward.")] = "pam",
    types: Annotated[
        int | None, typer.Option(help="How many; else the best silhouette of 3 to 8.")
    ] = None,
    most: Annotated[int, typer.Option(help="Distinct sequences compared.")] = 5000,
    seed: SeedOption = 0,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sort the pathways of people into types, and map what follows what, as a French page."""
    from openchronic_assets.analytics.typology import report

    with drawn(as_json):
        told = report.run(
            find_home(home), pathway, first=first, last=last, method=method,
            clustering=clustering, types=types, most=most, seed=seed,
        )  # fmt: skip
    if as_json:
        print_json(told)
        return
    why = told["reasons"]
    show(
        [
            {"measure": label, "value": told[name], "no value because": why.get(name, "")}
            for name, label in report.FACTS.items()
        ]
    )
    out.print(f"page: {told['page']}", highlight=False, soft_wrap=True)
