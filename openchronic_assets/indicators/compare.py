"""What the base says beside what was published: the figures, the gap, a reason.

A published figure that the base cannot be compared with is told all the same, with why not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from openchronic_assets.errors import UsageError
from openchronic_assets.indicators import cards, methods, page
from openchronic_assets.indicators.conditions import conditions
from openchronic_assets.indicators.loader import catalogue, families
from openchronic_assets.indicators.model import Benchmark, Indicator
from openchronic_assets.ingestion.deliveries import behind
from openchronic_assets.settings import Home
from openchronic_assets.warehouse.catalogue import connect

ABSENCES = {
    "not_built": "l'indicateur n'est pas dans le build : ses modèles n'ont pas été construits",
    "not_told": "l'indicateur n'est pas dit pour cette condition, cet âge ou ce dénominateur",
    "ages_not_told": "l'indicateur n'est pas dit pour cette classe d'âge",
    "population_file_missing": "le fichier de population n'a pas été fourni pour cette année",
    "not_defined_in_year": "l'indicateur n'est pas défini cette année-là",
    "no_unit_examined": "personne n'est dans le champ de l'indicateur",
    "all_excluded": "toutes les unités sont exclues : voir indicator_exclusion",
    "year_not_delivered_to_its_end": "les soins ne sont pas livrés jusqu'à la fin de l'année",
    "no_inhabitants": "le dénominateur est nul",
    "numerator_above_population": "le numérateur dépasse la population fournie",
}
_STATES = {
    "provisional": "provisoire", "semi-final": "semi-définitif", "final": "définitif",
    "unknown": "inconnu",
}  # fmt: skip
_ORIGINS = {
    "generated": "> **Données synthétiques.** Toutes les livraisons de cette base sortent du "
    "générateur d'Open Chronic : les écarts ci-dessous jugent le générateur et les règles, pas la "
    "réalité.",
    "mixed": "> **Données en partie synthétiques.** Certaines livraisons de cette base sortent du "
    "générateur d'Open Chronic : les écarts ci-dessous ne décrivent pas une population réelle.",
    "delivered": "Données livrées : aucune livraison de cette base ne sort du générateur.",
}
_AGES = re.compile(r"(\d{1,3})\s*(?:-\s*(\d{1,3})|\+)\Z")
_OLDEST_GROUP = 95


@dataclass(frozen=True)
class Ours:
    """What the base says, unscaled; ``absence`` where it says nothing."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    numerator: float | None = None
    denominator: float | None = None
    state: str | None = None
    absence: str | None = None


@dataclass(frozen=True)
class Comparison:
    """A published figure beside ours."""

    indicator: Indicator
    published: Benchmark
    ours: Ours

    @property
    def gap(self) -> float | None:
        """Ours less the published one, unscaled."""
        return None if self.ours.value is None else self.ours.value - self.published.value

    @property
    def is_inside(self) -> bool | None:
        """Whether the published figure is in our interval; None without one."""
        if self.ours.value is None or self.ours.low is None or self.ours.high is None:
            return None
        return self.ours.low <= self.published.value <= self.ours.high


@dataclass(frozen=True)
class Report:
    """All published figures beside those of one year of a build."""

    year: int
    build_id: str
    flux_cutoff: str | None
    population: str
    origin: str  # generated, mixed or delivered
    comparisons: tuple[Comparison, ...]


def compare(home: Home, year: int | None = None) -> Report:
    """Put the base's figures of a year beside each published one.

    Args:
        home: where the lake is.
        year: a year that was built; the last without it.

    Raises:
        UsageError: nothing was built, or no indicators, or not that year.
    """
    with connect(home) as connection:
        held = _years(connection)
        if not held:
            raise UsageError(
                f"the current build of {home.root} holds no indicators; run: openchronic run"
            )
        if year is not None and year not in held:
            raise UsageError(
                f"the indicators were not built for {year}; there are: "
                f"{', '.join(map(str, held))}. Run: openchronic run --years {year}"
            )
        wanted = max(held) if year is None else year
        found = tuple(
            Comparison(one, each, _ours(connection, one, each, wanted))
            for one in catalogue().values()
            for each in one.benchmarks
        )
        scope = connection.execute(
            "select any_value(population_scope) from indicator where year = ?", [wanted]
        ).fetchone()
        build = connection.execute("select build_id, flux_cutoff from meta.build").fetchone()
    generated = [bool(each["generated"]) for each in behind(home)]
    origin = "delivered"
    if any(generated):
        origin = "generated" if all(generated) else "mixed"
    assert build is not None and scope is not None
    return Report(wanted, str(build[0]), build[1], str(scope[0]), origin, found)


def _years(connection: duckdb.DuckDBPyConnection) -> list[int]:
    tables = connection.execute(
        "select 1 from information_schema.tables where table_name = 'indicator'"
    ).fetchone()
    if tables is None:
        return []
    rows = connection.execute("select distinct year from indicator order by year").fetchall()
    return [int(year) for (year,) in rows]


def _ours(
    connection: duckdb.DuckDBPyConnection, one: Indicator, published: Benchmark, year: int
) -> Ours:
    rows = connection.execute(
        """
        select age_group, numerator, denominator, value, ci_low, ci_high, data_state,
            absence_reason, condition, denominator_type, population_scope
        from indicator
        where indicator_id = ? and year = ? and geo_level = 'country' and sex = 'all'
            and std_method = 'none'
        """,
        [one.id, year],
    ).fetchall()
    if not rows:
        return Ours(absence="not_built")
    denominator = published.denominator or one.denominators[0]
    cells = {
        str(row[0]): row for row in rows if row[8] == published.condition and row[9] == denominator
    }
    groups = _groups(one, published.ages)
    if groups is None:
        return Ours(absence="ages_not_told")
    if groups == ["all"]:
        if "all" not in cells:
            silent = [row for row in rows if row[9] == denominator and row[7] and row[0] == "all"]
            return Ours(absence=str(silent[0][7]) if silent else "not_told")
        row = cells["all"]
        return Ours(row[3], row[4], row[5], row[1], row[2], row[6], row[7])
    held = [cells[group] for group in groups if group in cells]
    if not held or held[0][10] != "exhaustive" or one.kind in ("quantile", "ratio"):
        return Ours(absence="ages_not_told")
    numerator = sum(row[1] or 0.0 for row in held)
    total = sum(row[2] or 0.0 for row in held)
    if not total:
        return Ours(absence="no_unit_examined", state=held[0][6])
    low, high = _bounds(one.kind, numerator, total)
    return Ours(numerator / total, low, high, numerator, total, held[0][6])


def _groups(one: Indicator, ages: str) -> list[str] | None:
    """Return the age groups that make up a class of age; None where none do."""
    text = ages.strip()
    if not text:
        return ["all"]
    match = _AGES.match(text)
    if match is None:
        return None
    low, high = int(match[1]), int(match[2]) if match[2] else None
    first, end = one.age_from or 0, one.age_to
    if (low, high) == (first, end):
        return ["all"]  # all whom the indicator looks at
    if low < first or (end is not None and (high is None or high > end)):
        return None
    if low % 5 or (high is not None and (high % 5 != 4 or high >= _OLDEST_GROUP or high < low)):
        return None
    last = _OLDEST_GROUP if high is None else high
    groups = [f"{age:02d}-{age + 4:02d}" for age in range(low, min(last, _OLDEST_GROUP - 1), 5)]
    return [*groups, "95+"] if high is None else groups


def _bounds(kind: str, numerator: float, total: float) -> tuple[float | None, float | None]:
    if kind == "proportion":
        bounds = methods.wilson(numerator, total)
        return float(bounds.low), float(bounds.high)
    if kind == "rate":
        bounds = methods.byar(numerator)
        return float(bounds.low) / total, float(bounds.high) / total
    return None, None


def markdown(report: Report) -> str:
    """Return the report in French."""
    told = [each for each in report.comparisons if each.ours.value is not None]
    parts = [
        f"# Comparaison aux chiffres publiés, année {report.year}",
        f"Build `{report.build_id}`, flux jusqu'au mois {report.flux_cutoff or 'inconnu'}, "
        f"population {'entière' if report.population == 'exhaustive' else 'd’un panel'}.",
        _ORIGINS[report.origin],
        f"{len(report.comparisons)} chiffres publiés, dont {len(told)} que cette base peut dire. "
        "L'écart est le nôtre moins le publié. Une année, un champ et une source différents "
        "suffisent à expliquer un écart : le motif est dans la dernière colonne.",
    ]
    for name, family in families().items():
        mine = [each for each in report.comparisons if each.indicator.family == name]
        if mine:
            parts += [f"## {cards.plain(family.label.fr)}", _table(mine)]
    if not report.comparisons:
        parts.append("Le catalogue ne cite aucun chiffre publié.")
    return "\n\n".join(parts) + "\n"


def write(home: Home, report: Report) -> tuple[Path, Path]:
    """Write the report under ``lake/reports/indicators`` and return its Markdown and its HTML.

    Raises:
        OpenChronicError: the folder cannot be written.
    """
    title = f"Comparaison aux chiffres publiés {report.year}"
    return page.write(home, f"comparison-{report.year}", title, markdown(report))


def rows(report: Report) -> list[dict[str, Any]]:
    """Return the comparisons as flat rows, values scaled as they are shown."""
    return [
        {
            "indicator": each.indicator.id,
            "condition": each.published.condition,
            "unit": each.indicator.unit,
            "published": each.published.value * each.indicator.scale,
            "published_year": each.published.year,
            "value": _scaled(each.ours.value, each.indicator),
            "ci_low": _scaled(each.ours.low, each.indicator),
            "ci_high": _scaled(each.ours.high, each.indicator),
            "denominator": each.ours.denominator,
            "gap": _scaled(each.gap, each.indicator),
            "absence": each.ours.absence,
        }
        for each in report.comparisons
    ]


def _scaled(value: float | None, one: Indicator) -> float | None:
    return None if value is None else value * one.scale


def _table(comparisons: Iterable[Comparison]) -> str:
    heads = [
        "Indicateur", "Publié", "Ici, intervalle à 95 %", "Dénominateur", "Écart", "État",
        "Source", "Pourquoi un écart",
    ]  # fmt: skip
    return cards.table(heads, [_row(each) for each in comparisons])


def _row(each: Comparison) -> list[str]:
    one, published, ours = each.indicator, each.published, each.ours
    name = f"{cards.plain(one.label.fr)} (`{one.id}`)"
    if published.condition != "all":
        known = conditions().get(published.condition)
        name += f", {cards.plain(known.label.fr if known else published.condition)}"
    figure = (
        f"{cards.number(published.value * one.scale)} {cards.plain(one.unit)}, {published.year}, "
        f"{cards.plain(published.perimeter.fr)}"
    )
    if published.ages:
        figure += f", {cards.plain(published.ages)} ans"
    source = f"{cards.plain(published.source)} [{published.flag}]".replace("[", r"\[")
    reason = cards.plain(published.tolerance.fr)
    state = _STATES.get(ours.state or "", "")
    if ours.value is None:
        why = ABSENCES.get(ours.absence or "", ours.absence or "")
        return [name, figure, f"absent : {cards.plain(why)}", "", "", state, source, reason]
    told = cards.number(ours.value * one.scale)
    if ours.low is not None and ours.high is not None:
        told += f" ({cards.number(ours.low * one.scale)} ; {cards.number(ours.high * one.scale)})"
    else:
        told += " (sans intervalle)"
    return [
        name,
        figure,
        told,
        "" if ours.denominator is None else cards.number(ours.denominator, digits=9),
        _gap(each),
        state,
        source,
        reason,
    ]


def _gap(each: Comparison) -> str:
    gap = (each.gap or 0.0) * each.indicator.scale
    text = f"{'+' if gap > 0 else ''}{cards.number(gap, digits=3)}"
    if each.published.value:
        share = 100 * (each.gap or 0.0) / abs(each.published.value)
        text += f", soit {share:+.0f} %".replace("-", "−")
    if each.is_inside is not None:
        text += " ; publié dans l'intervalle" if each.is_inside else " ; publié hors intervalle"
    return text.replace("-", "−", 1) if gap < 0 else text
