"""The variation of indicators at one level as one page in French, and its tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from openchronic_assets import progress, warehouse
from openchronic_assets.analytics import page, plots
from openchronic_assets.analytics.variation import funnel, sources, spatial
from openchronic_assets.analytics.variation.study import REASONS, STATISTICS, Study, study
from openchronic_assets.settings import Home

SHOWN = 11
"""Fewest people, events and non-events behind a point that is shown."""

PLOTTED = 12
"""Funnels of a page: the indicators that vary most."""

LEVELS = {
    "region": "région", "department": "département", "establishment": "hôpital",
    "doctor": "médecin traitant",
}  # fmt: skip
WORDS = {
    "extremal_quotient": "quotient extrême",
    "extremal_quotient_5_95": "quotient 5-95",
    "coefficient_of_variation": "coefficient de variation",
    "weighted_coefficient_of_variation": "coefficient pondéré",
    "systematic_component": "composante systématique (SCV)",
    "systematic_component_low": "SCV, borne basse à 95 %",
    "systematic_component_high": "SCV, borne haute à 95 %",
    "systematic_component_5_95": "SCV 5-95",
    "chi_square": "chi-deux d'hétérogénéité",
    "chi_square_p_value": "p du chi-deux",
    "log_variance": "variance bayésienne empirique",
    "log_variance_low": "borne basse à 95 %",
    "log_variance_high": "borne haute à 95 %",
    "marshall_variance": "variance de Marshall",
    "odds_variance": "variance des log-cotes",
    "intraclass_correlation": "corrélation intra-classe",
    "median_odds_ratio": "rapport de cotes médian",
    "reliable_units": "unités fiables (0,7)",
    "dispersion": "dispersion de l'entonnoir (phi)",
    "between_variance": "variance ajoutée (tau²)",
    "units_outside_95": "unités hors de 95 %",
    "units_outside_998": "unités hors de 99,8 %",
    "moran": "I de Moran",
    "moran_p_value": "p de Moran",
}


def run(
    home: Home,
    year: int,
    level: str,
    *,
    indicators: Sequence[str] | None = None,
    condition: str = "all",
    neighbours: Path | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Study the variation of indicators at a level; write the page and tables, return what is told.

    Args:
        home: with a build.
        year: that was built.
        level: region, department, establishment or doctor.
        indicators: identifiers; all that the level knows without them.
        condition: of the indicators.
        neighbours: CSV file of pairs of departments in place of the list that ships.
        seed: of the permutations of Moran's I.

    Raises:
        UsageError: no such year, level or indicator.
    """
    pairs = set(spatial.departments() if neighbours is None else spatial.read(neighbours))
    with warehouse.connect(home) as connection:
        found = sources.units(connection, year, level, indicators, condition)
        labels = dict(
            connection.execute("select indicator_id, label_fr from ref_indicator").fetchall()
        )
        if level == "region":
            of = dict(
                connection.execute("select department, region from ref_department").fetchall()
            )
            pairs = spatial.regions(of, pairs)
    if level not in ("region", "department"):
        pairs = set()
    studies = []
    for number, units in enumerate(found):
        progress.report("variation", number, len(found))
        studies.append(study(units, pairs, seed=seed))
    progress.report("variation", len(found), len(found))
    return write(home, year, level, condition, studies, labels)


def write(
    home: Home,
    year: int,
    level: str,
    condition: str,
    studies: Sequence[Study],
    labels: dict[str, str],
) -> dict[str, Any]:
    """Write the page and the tables of a level; return its facts and the files."""
    summary = pd.DataFrame(
        [
            {
                **one.summary,
                "not_computed": "; ".join(
                    f"{name}: {reason}" for name, reason in sorted(one.reasons.items())
                )
                or None,
            }
            for one in studies
        ]
    )
    for name in STATISTICS:
        if name in summary:
            summary[name] = summary[name].astype("Float64")
    units = pd.concat([one.units for one in studies]) if studies else pd.DataFrame()
    facts = {
        "year": year,
        "level": level,
        "condition": condition,
        "indicators": [
            {
                **one.summary,
                "reasons": dict(one.reasons),
                "left_out": dict(one.left_out),
            }
            for one in studies
        ],
    }
    html = page.render(
        f"Variations de pratique par {LEVELS[level]}, {year}", blocks(level, studies, labels)
    )
    tables = {"variation": summary, "unit": units} if studies else {}
    name = f"{year}_{level}" + ("" if condition == "all" else f"_{condition}")
    path, paths = page.write(home, "variation", name, html, tables, facts)
    return {**facts, "page": str(path), "tables": {name: str(each) for name, each in paths.items()}}


def blocks(level: str, studies: Sequence[Study], labels: dict[str, str]) -> list[page.Block]:
    """Return the page, block by block."""
    found = [
        page.text(
            "Une unité est comparée à ce qu'on attend d'elle, compte tenu de ses patients "
            "(standardisation indirecte). Ce qui reste mêle l'offre, les pratiques, les besoins "
            "que l'ajustement ne voit pas et le hasard : l'entonnoir dit qui s'écarte de la cible, "
            "jamais qui est premier ou dernier."
        )
    ]
    if not studies:
        return [*found, page.note("Aucun indicateur n'a de valeur à ce niveau.")]
    if level == "doctor":
        found.append(
            page.note(
                "Résultats par médecin : espace sécurisé seulement. Cette page ne montre aucun "
                "médecin ; la table « unit » ne se diffuse pas, même sous pseudonyme."
            )
        )
    ordered = sorted(studies, key=lambda one: -(one.summary["log_variance"] or -1.0))
    found += [
        page.heading("Synthèse"),
        page.table(
            ["indicateur", "unités", "écartées", "quotient 5-95", "coefficient pondéré",
             "SCV × 100 (95 %)", "variance bayésienne (95 %)", "corrélation intra-classe",
             "rapport de cotes médian", "hors de 99,8 %", "I de Moran", "p"],
            [
                _row(one, labels)
                for one in ordered
                if any(one.summary[name] is not None for name in STATISTICS)
            ],
        ),
        page.text(
            "SCV × 100 : moins de 3 faible, 3 à 5 modérée, 5 à 10 forte, plus de 10 très forte "
            "(repères usuels, à lire avec la fréquence de l'indicateur : la variance bayésienne en "
            "dépend moins). Une SCV négative veut dire que le hasard suffit. Un tiret a son motif "
            "plus bas."
        ),
    ]  # fmt: skip
    if level != "doctor":
        for one in [each for each in ordered if each.summary["log_variance"] is not None][:PLOTTED]:
            found += funnel_of(one, labels)
    found += _absences(studies, labels)
    return found


def _name(one: Study, labels: dict[str, str]) -> str:
    name = str(one.summary["indicator_id"])
    return labels.get(name) or name


def _row(one: Study, labels: dict[str, str]) -> list[Any]:
    told = one.summary
    return [
        _name(one, labels),
        told["units"],
        told["units_left_out"],
        told["extremal_quotient_5_95"],
        told["weighted_coefficient_of_variation"],
        _with_interval(told, "systematic_component", 100),
        _with_interval(told, "log_variance"),
        told["intraclass_correlation"],
        told["median_odds_ratio"],
        told["units_outside_998"],
        told["moran"],
        told["moran_p_value"],
    ]


def _with_interval(told: dict[str, Any], name: str, times: float = 1) -> str | float | None:
    value, low, high = (told[each] for each in (name, f"{name}_low", f"{name}_high"))
    if value is None or low is None or high is None:
        return None if value is None else times * float(value)
    bounds = f"{page.cell(times * low)}\u00a0à\u00a0{page.cell(times * high)}"
    return f"{page.cell(times * float(value))} ({bounds})"


def shown(units: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return the units that may be shown: enough people, events, and people without one."""
    known = units[units["ratio"].notna()]
    few = known["observed"].between(1, SHOWN - 1, inclusive="both") | (known["size"] < SHOWN)
    if kind == "proportion":
        missed = known["size"] - known["observed"]
        few |= (missed > 0) & (missed < SHOWN)
    return known[~few]


def funnel_of(one: Study, labels: dict[str, str]) -> list[page.Block]:
    """Return the funnel of an indicator, units of few left out."""
    name = _name(one, labels)
    points = shown(one.units, one.summary["kind"])
    hidden = int(one.summary["units"]) - len(points)
    found = [page.heading(name)]
    if len(points) < 3:
        return [*found, page.text("Trop peu d'unités peuvent être montrées.")]
    expected = points["expected"].astype(float)
    ratio = points["ratio"].astype(float)
    low, high = float(expected.min()), float(expected.max())
    grid = np.geomspace(max(low * 0.9, 1e-6), high * 1.1, 60)
    limits = funnel.poisson_limits(1.0, grid)
    tau2 = float(one.summary["between_variance"] or 0)
    top = max(float(ratio.max()), float(np.quantile(limits[1].high, 0.7)), 1.2) * 1.05
    plot = plots.Plot(
        f"Entonnoir : {name}", (float(grid[0]), float(grid[-1])), (0, top),
        "cas attendus", "observé / attendu", log_x=True,
    )  # fmt: skip
    for limit, colour, words, z in (
        (limits[0], plots.COLOURS[4], "limites à 95 %", 1.959964),
        (limits[1], plots.COLOURS[8], "limites à 99,8 %", 3.090232),
    ):
        if tau2 > 0:
            half = z * np.sqrt(1 / grid + tau2)
            bottom, over = np.maximum(1 - half, 0), 1 + half
        else:
            bottom, over = limit.low, limit.high
        over = np.minimum(over, top)
        plot.line(list(zip(grid, bottom, strict=True)), colour, words, dashed=True)
        plot.line(list(zip(grid, over, strict=True)), colour, dashed=True)
    plot.line([(float(grid[0]), 1), (float(grid[-1]), 1)], plots.COLOURS[4], "cible")
    for status, colour, words in (
        ("within", plots.COLOURS[0], "dans les limites"),
        ("outside_95", plots.COLOURS[5], "hors de 95 %"),
        ("outside_998", plots.COLOURS[1], "hors de 99,8 %"),
    ):
        chosen = points[points["status"] == status]
        if len(chosen):
            plot.points(
                list(zip(chosen["expected"].astype(float), chosen["ratio"].astype(float),
                         strict=True)),
                colour, words,
                [
                    f"{unit} : {plots.number(value)}"
                    for unit, value in zip(
                        chosen["unit"], chosen["ratio"].astype(float).tolist(), strict=True
                    )
                ],
            )  # fmt: skip
    words = f"{hidden} unité(s) de moins de {SHOWN} cas ou personnes ne sont pas montrées. "
    if tau2 > 0:
        words += (
            "Les unités diffèrent plus que le hasard ne l'explique (dispersion "
            f"{plots.number(float(one.summary['dispersion']))}) : les limites sont élargies."
        )
    return [*found, page.figure(plot.svg()), page.text(words)]


def _absences(studies: Sequence[Study], labels: dict[str, str]) -> list[page.Block]:
    of_reason: dict[str, list[str]] = {}
    for one in studies:
        by_reason: dict[str, list[str]] = {}
        for name, reason in one.reasons.items():
            by_reason.setdefault(reason, []).append(WORDS[name])
        told = [f"{REASONS[why]} : {', '.join(names)}" for why, names in by_reason.items()]
        told += [f"unités écartées : {REASONS[why]}" for why in one.left_out]
        if one.summary["units_of_small_expected"]:
            told.append("unités de moins d'un cas attendu : SCV fragile")
        for words in told:
            of_reason.setdefault(words, []).append(_name(one, labels))
    rows = [[words, len(names), " ; ".join(names)] for words, names in of_reason.items()]
    if not rows:
        return []
    return [
        page.heading("Ce qui n'a pas pu être calculé, et pourquoi"),
        page.table(["motif", "indicateurs", "lesquels"], rows),
    ]
