"""The report of a study as one page of HTML in French: no network, no person, no count under 11."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from openchronic_assets.analytics.risk import plots
from openchronic_assets.analytics.risk.evaluation import LEAST
from openchronic_assets.analytics.risk.models import RUNG_LABELS
from openchronic_assets.analytics.risk.study import LABELS, PLAUSIBLE
from openchronic_assets.errors import OpenChronicError
from openchronic_assets.settings import Home

if TYPE_CHECKING:
    from openchronic_assets.analytics.risk.run import Outcome, Trained

TITLES = {
    "ald_onset": "Risque d'entrée en ALD",
    "readmission": "Risque de réhospitalisation à 30 jours",
}
FOLDER = "analytics"  # under lake/reports
METRICS = (
    ("auroc", "AUROC"),
    ("auprc", "AUPRC"),
    ("brier", "Brier"),
    ("scaled_brier", "Brier réduit"),
    ("calibration_slope", "Pente de calibration"),
    ("calibration_intercept", "Ordonnée à l'origine"),
    ("observed_expected", "Observé / attendu"),
)
TOP_FAMILIES = 15


def page(found: Trained) -> str:
    """Return the page of a study that was run."""
    environment = Environment(
        loader=PackageLoader("openchronic_assets.analytics.risk", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text: str = environment.get_template("report.html.j2").render(
        title=TITLES[found.study.kind],
        found=found,
        study=found.study,
        outcomes=[told(each) for each in found.outcomes],
        plausible=PLAUSIBLE[found.study.kind],
        least=LEAST,
        metrics=METRICS,
        number=plots.number,
        percent=plots.percent,
        dates=dates,
    )
    return text


def dates(days: list[str]) -> str:
    """Return the first and last day of a period, in French."""
    if not days:
        return "aucune"
    shown = ["/".join(reversed(day.split("-"))) for day in days]
    return shown[0] if shown[0] == shown[1] else f"{shown[0]} au {shown[1]}"


def told(of: Outcome) -> dict[str, Any]:
    """Return what the page tells of an outcome, counts under 11 hidden."""
    return {
        "name": of.name,
        "label": LABELS[of.name],
        "reason": of.reason,
        "refused": of.refused,
        "warnings": of.warnings,
        "counts": {key: hidden(value) for key, value in of.counts.items()},
        "rate": _rate(of),
        "chosen": RUNG_LABELS.get(of.chosen or "", ""),
        "models": [
            {
                "label": RUNG_LABELS[rung],
                "is_chosen": rung == of.chosen,
                "validation": plots.number(of.validation.get(rung, math.nan)),
                "cells": [
                    (
                        plots.number(values.get(key, math.nan)),
                        _interval(of.intervals.get(rung, {}).get(key)),
                    )
                    for key, _ in METRICS
                ],
            }
            for rung, values in of.metrics.items()
        ],
        "calibration": Markup(plots.calibration(of.curve)),
        "decision": Markup(plots.decision(of.decisions)),
        "tops": [
            {
                "share": plots.percent(each.share, 0),
                "sensitivity": plots.percent(each.sensitivity),
                "predictive_value": plots.percent(each.predictive_value),
                "number_needed": plots.number(each.number_needed, 1),
            }
            for each in of.tops
        ],
        "groups": {
            title: [
                {
                    "name": each.name,
                    "count": hidden(each.count),
                    "cases": hidden(each.cases),
                    "auroc": plots.number(each.auroc),
                    "auroc_interval": _interval(each.intervals.get("auroc")),
                    "ratio": plots.number(each.observed_expected, 2),
                    "ratio_interval": _interval(each.intervals.get("observed_expected"), 2),
                }
                for each in rows
            ]
            for title, rows in of.groups.items()
        },
        "importance": Markup(plots.bars(of.importance[:TOP_FAMILIES])),
        "regions": [(name, plots.number(area)) for name, area in of.regions],
        "more": {key: plots.number(value) for key, value in of.more.items()},
    }


def hidden(count: int) -> str:
    """Return a count, or that it is under 11."""
    return (
        "0"
        if count == 0
        else f"moins de {LEAST}"
        if count < LEAST
        else f"{count:,}".replace(",", "\u202f")
    )


def _rate(of: Outcome) -> str:
    rows, cases = of.counts.get("test_rows", 0), of.counts.get("test_cases", 0)
    return plots.percent(cases / rows, 2) if rows and cases >= LEAST else "–"


def _interval(found: tuple[float, float] | None, digits: int = 3) -> str:
    if found is None:
        return ""
    return f"{plots.number(found[0], digits)} à {plots.number(found[1], digits)}"


def write(home: Home, kind: str, text: str) -> Path:
    """Write the page under ``lake/reports/analytics`` and return it.

    Raises:
        OpenChronicError: the folder cannot be written.
    """
    folder = home.reports / FOLDER
    path = folder / f"risk_{kind}.html"
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        aside.write_text(text, encoding="utf-8")
        aside.chmod(0o640)
        aside.replace(path)
    except OSError as error:
        raise OpenChronicError(
            f"the report cannot be written in {folder}: {error.strerror}"
        ) from error
    return path
