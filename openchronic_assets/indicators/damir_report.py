"""The answers of Open DAMIR as one page in French."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

from openchronic_assets.indicators import damir, page
from openchronic_assets.reports.words import euros, month
from openchronic_assets.settings import Home

_REGIMES = {
    "ald_related": "En rapport avec l'ALD (42, 44, 46)",
    "ald_unrelated": "En ALD, sans rapport (41, 43, 45)",
    "maternity": "Maternité (55)",
    "none": "Sans exonération (0, 47)",
    "other": "Autre motif",
    "unknown": "Inconnu",
}
_VERDICTS = {
    "compatible": "l'intervalle contient la pente annoncée et ne contient pas zéro",
    "undecided": "l'intervalle contient la pente annoncée et zéro : les données ne tranchent pas",
    "lower": "la pente annoncée est au-dessus de l'intervalle",
    "higher": "la pente annoncée est au-dessous de l'intervalle",
}
_NO_FIT = {
    "x is the same everywhere": "les régions ont toutes la même valeur en abscisse",
    "one point alone makes the line": "une seule région fait la droite",
}


def write(home: Home, found: dict[str, Any]) -> tuple[Path, Path, Path]:
    """Write the report of ``damir.gather`` and its figures; return Markdown, HTML and JSON."""
    name = f"open_damir_{found['year']}"
    text, html = page.write(home, name, f"Open DAMIR {found['year']}", markdown(found))
    figures = html.with_suffix(".json")
    aside = figures.with_name(f".{figures.name}.{os.getpid()}")
    aside.write_text(
        json.dumps(found, ensure_ascii=False, indent=1, default=str) + "\n", encoding="utf-8"
    )
    aside.chmod(0o640)
    aside.replace(figures)
    return text, html, figures


def markdown(found: dict[str, Any]) -> str:
    """Return the report in French."""
    parts = [
        f"# Open DAMIR, année de soins {found['year']}",
        f"> Ces droites passent par {damir.REGIONS} régions au plus. Une région peut faire la "
        "réponse : lisez l'intervalle et ce que devient la pente quand on en retire une. Ce sont "
        "des associations entre territoires ; elles ne disent rien d'un effet sur des personnes.",
    ]
    for answer in found["answers"]:
        parts += _answer(answer)
    parts += _difference(found["long_difference"])
    parts += _regimes(found["regimes"])
    parts += _months(found["months"])
    parts += ["## Ce que cette source ne peut pas dire"]
    parts += ["\n".join(f"- {each}" for each in found["cannot_answer"])]
    parts += [
        "## Comment c'est compté",
        "Mesures brutes : dépense, base et remboursé des types de remboursement 0 et 1 ; "
        "suppléments, ce que remboursent les autres types. Les mesures préfiltrées par le "
        "producteur (FLT_*) ne servent que de contrôle. La documentation laisse un doute sur les "
        "compléments qui répètent un acte. Régression pondérée par les assurés, intervalle à "
        "95 % robuste (HC3, loi de Student à n − 2). Tables : `damir_exemption`, `damir_density`, "
        "`damir_question`.",
    ]
    return "\n\n".join(parts) + "\n"


def _answer(answer: dict[str, Any]) -> list[str]:
    asked = damir.QUESTIONS[answer["question"]]
    parts = [f"## {answer['title']}", f"{asked.y.capitalize()}, selon : {asked.x}."]
    if asked.caution:
        parts.append(f"> {asked.caution}")
    line = answer["fit"]
    if line is None:
        why = _NO_FIT.get(answer["reason"], f"il faut au moins {damir.FEWEST} régions")
        parts.append(f"Pas de droite : {answer['points']} régions connues, {why}.")
    else:
        low, high = (_n(line[bound] * asked.per) for bound in ("low", "high"))
        parts.append(
            f"| | pour {asked.per:g} de plus |\n|---|---|\n"
            f"| pente | {_n(line['slope'] * asked.per)} |\n"
            f"| intervalle à 95 % | {low} à {high} |\n"
            f"| en retirant une région | {_n(line['lowest'] * asked.per)} à "
            f"{_n(line['highest'] * asked.per)} (la plus lourde : {line['without']}) |\n"
            f"| R² | {'–' if line['r_squared'] is None else _n(line['r_squared'])} |\n"
            f"| régions | {line['points']} sur {damir.REGIONS} |"
        )
    if answer["claim"]:
        parts.append(
            f"Affirmation publiée, source non retrouvée : pente "
            f"{_n(answer['claim']['slope'] * asked.per)} ; {_VERDICTS[answer['claim']['verdict']]}."
        )
    if answer["absent"]:
        parts.append(
            "Régions absentes : "
            + " ; ".join(
                f"{label} ({damir.REASONS[reason]})" for label, reason in answer["absent"].items()
            )
            + "."
        )
    return parts


def _difference(found: dict[str, Any] | None) -> list[str]:
    title = "## Ce qui a changé : densité et visites entre deux années"
    if found is None:
        return [title, "Une seule année est connue : pas de différence."]
    return [title, f"De {found['from']} à {found['to']}.", *_answer(found)[1:]]


def _regimes(rows: list[dict[str, Any]]) -> list[str]:
    lines = [
        "| régime | dépense | remboursé | suppléments | part du patient | part | dépassements |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        share = _percent(row["patient_amount"], row["spend_amount"])
        lines.append(
            f"| {_REGIMES[row['exemption']]} | {_euros(row['spend_amount'])} "
            f"| {_euros(row['reimbursed_amount'])} | {_euros(row['supplement_amount'])} "
            f"| {_euros(row['patient_amount'])} | {share} | {_euros(row['overrun_amount'])} |"
        )
    return ["## Reste à charge par régime d'exonération", "\n".join(lines)]


def _months(rows: list[dict[str, Any]]) -> list[str]:
    lines = ["| mois de soins | dépense | part du patient | sur un an |", "|---|---|---|---|"]
    for row in rows:
        moved = {"no_month": "–", "incomplete": "incomplet"}.get(
            row["reason"],
            "–" if row["spend_change"] is None else f"{_n(100 * row['spend_change'])} %",
        )
        lines.append(
            f"| {month(row['care_month'].strftime('%Y-%m'))} | {_euros(row['spend_amount'])} "
            f"| {_percent(row['patient_amount'], row['spend_amount'])} | {moved} |"
        )
    return [
        "## Mois par mois",
        f"Un mois suivi de moins de {damir.SETTLED} mois de flux est incomplet, non comparé.",
        "\n".join(lines),
    ]


def _n(value: float) -> str:
    return f"{value:.3g}".replace(".", ",").replace("-", "−")


def _euros(value: Decimal | None) -> str:
    return "–" if value is None else euros(value)


def _percent(part: Decimal, whole: Decimal) -> str:
    return f"{100 * float(part) / float(whole):.1f} %".replace(".", ",") if whole > 0 else "–"
