"""The calibration as one page of HTML: the frontier drawn and tabulated, the choice, its limits."""

from __future__ import annotations

import csv
import json
import math
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

from openchronic_assets.anonymisation.frontier import Point, Thresholds, points_of, rows_of
from openchronic_assets.errors import UsageError

_WIDTH, _HEIGHT = 760, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 20, 16, 46
_METHODS = {
    "full-domain": ("recodage global", "#1f5fa8"),
    "local": ("recodage local", "#c2571a"),
    "dp": ("confidentialité différentielle", "#3c7d3c"),
}
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color: #1b1b1b; background: #fff }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100%; font-size: .9rem }
th, td { padding: .3rem .5rem; border-bottom: 1px solid #ccc; text-align: right }
th:first-child, td:first-child, .left td, .left th { text-align: left }
tr.chosen { background: #fff3c4; font-weight: 600 } tr.out { color: #6b6b6b }
svg { width: 100%; height: auto } svg text { font: 12px system-ui, sans-serif; fill: #444 }
.scroll { overflow-x: auto }
"""


def calibration_page(
    name: str, records: int, quasi: Sequence[str], points: Sequence[Point], rule: Thresholds
) -> str:
    """Return the page.

    Args:
        name: of the table, as shown.
        records: its rows.
        quasi: its quasi-identifiers.
        points: the frontier.
        rule: the written rule.
    """
    chosen = next((point for point in points if point.chosen), None)
    return f"""<!doctype html>
<html lang="fr">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Calibrage de l'anonymisation : {escape(name)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>Calibrage de l'anonymisation : {escape(name)}</h1>
<p>{_number(records)} lignes ; quasi-identifiants : {escape(", ".join(quasi))}.
{len(points)} réglages essayés, sur une seule lecture de la table.</p>
<h2>La règle de choix, écrite avant les mesures</h2>
<p>Parmi les réglages dont chaque risque est au plus égal à son seuil, celui dont la perte est la
plus faible ; à égalité, le plus grand k, puis le moins de lignes supprimées. Seuils : risque
d'individualisation {_share(rule.risk)}, lignes supprimées {_share(rule.suppressed)}, distance
d'une classe à la table t {_decimal(rule.t)} là où il y a une variable sensible.</p>
<p><strong>{_choice(chosen)}</strong></p>
<h2>La frontière entre confidentialité et utilité</h2>
{_chart(points, rule)}
<p>Chaque point est un réglage : plus il est à gauche, plus une personne est protégée ; plus il est
bas, plus la table reste fine. La zone grisée dépasse le seuil de risque. Le point choisi est
entouré ; les points pleins ne sont battus par aucun autre.</p>
<div class="scroll">{_table(points)}</div>
<h2>Les trois critères européens</h2>
{_criteria(chosen, rule)}
<h2>Limites</h2>
<ul>
<li>Le risque est celui du procureur : l'attaquant sait que la personne est dans la table. Les
registres d'affections de longue durée sont presque exhaustifs, et rien de mieux n'est revendiqué.
</li>
<li>k protège de l'individualisation, non de ce que l'on apprend d'un groupe entier : c'est le rôle
de l et de t, qui ne portent que sur les variables sensibles déclarées.</li>
<li>Deux publications des mêmes personnes se recoupent : une seule recodification par population,
ou un contrôle croisé.</li>
<li>Le recodage local mêle des niveaux : compter un code ne donne pas toutes les personnes qui
l'ont.</li>
<li>L'erreur sur les comptages suppose les lignes réparties également sous chaque valeur publiée ;
elle est mesurée sur {_number(200)} questions tirées avec une graine fixe.</li>
<li>Un calibrage n'est pas une autorisation : la porte de sortie juge ensuite le fichier écrit.</li>
</ul>
</body>
</html>
"""


def release_page(report: Mapping[str, Any]) -> str:
    """Return the page of a candidate or release, from its report: frontier, choice, criteria.

    Args:
        report: ``report.json``.

    Raises:
        UsageError: the report was written before releases carried their frontier.
    """
    if "calibration" not in report:
        raise UsageError(f"{report.get('version')} has no frontier; prepare it again")
    told = report["calibration"]
    points = points_of(told)
    rule = Thresholds(risk=told["thresholds"]["risk"], suppressed=told["thresholds"]["suppressed"])
    chosen = next((point for point in points if point.chosen), None)
    used = next(point for point in points if point.k == told["used"])
    follows = (
        "La publication suit la règle."
        if told["follows_rule"]
        else f"La publication ne suit pas la règle : elle est faite avec k = {told['used']}."
    )
    questions = {
        "singling_out": ("Individualisation", "Peut-on isoler une personne ?"),
        "linkability": ("Corrélation", "Peut-on relier deux sources par ce fichier ?"),
        "inference": ("Inférence", "Peut-on deviner un attribut d'une personne ?"),
    }
    lines = ""
    for name, (label, question) in questions.items():
        body = report["criteria"][name]
        measure = (
            f"{_share(body['risk'])}, au plus {_share(body['upper'])} (seuil "
            f"{_share(body['threshold'])})"
            if "upper" in body
            else "non mesuré"
        )
        cells = (label, question, measure, body["how"])
        lines += "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
    outputs = "".join(
        f"<li>{escape(each['kind'])} : {escape(', '.join(each['files']))}"
        + (f" ; ε = {_decimal(each['epsilon'], 2)}, pour ce cube seul" if "epsilon" in each else "")
        + "</li>"
        for each in report["outputs_by_kind"]
    )
    return f"""<!doctype html>
<html lang="fr">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Anonymisation de la publication {escape(report["version"])}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>Anonymisation de la publication {escape(report["version"])}</h1>
<ul>{outputs}</ul>
<h2>La règle de choix, écrite avant les mesures</h2>
<p>{escape(told["rule"])} Seuils : risque d'individualisation {_share(rule.risk)}, personnes
retirées {_share(rule.suppressed)}.</p>
<p><strong>{_choice(chosen)}</strong> {follows} Perte publiée : {_decimal(used.figures["loss"], 4)}.
</p>
<h2>La frontière entre confidentialité et utilité</h2>
{_chart(points, rule)}
<div class="scroll">{_table(points)}</div>
<h2>Les trois critères européens</h2>
<table class="left"><thead><tr><th>critère</th><th>question</th><th>risque mesuré</th>
<th>comment</th></tr></thead><tbody>{lines}</tbody></table>
<h2>Limites</h2>
<p>{escape(report["limits"])}</p>
</body>
</html>
"""


def _number(value: float) -> str:
    return f"{value:,.0f}".replace(",", "\u202f")


def _decimal(value: float | None, digits: int = 3) -> str:
    return "—" if value is None else f"{value:.{digits}f}".replace(".", ",")


def _share(value: float | None) -> str:
    return "—" if value is None else f"{100 * value:.1f}\u00a0%".replace(".", ",")


def _setting(point: Point) -> str:
    name = _METHODS[point.method][0]
    if point.method == "dp":
        return f"{name}, ε = {_decimal(point.epsilon, 2)}"
    limit = "" if point.method == "local" else f", suppression ≤ {_share(float(point.limit or 0))}"
    return f"{name}, k = {point.k}{limit}"


def _choice(chosen: Point | None) -> str:
    if chosen is None:
        return (
            "Aucun réglage ne respecte tous les seuils : rien n'est à publier. Élargir les "
            "hiérarchies, retirer un quasi-identifiant, ou demander plus de k."
        )
    return (
        f"Réglage choisi : {escape(_setting(chosen))} ; perte {_decimal(chosen.figures['loss'])}, "
        f"risque au plus {_share(chosen.figures['prosecutor_max'])}."
    )


def _chart(points: Sequence[Point], rule: Thresholds) -> str:
    """Draw risk against loss, both as shares."""
    shown = [p for p in points if p.solved and p.figures.get("prosecutor_max") is not None]
    if not shown:
        return "<p>Aucun point à dessiner.</p>"
    risks = [p.figures["prosecutor_max"] or 0.0 for p in shown]
    losses = [p.figures["loss"] or 0.0 for p in shown]
    right = _round_up(max(*risks, rule.risk) * 1.05)
    top = _round_up(max(*losses, 1e-6) * 1.05)

    def x(risk: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * risk / right

    def y(loss: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * loss / top

    floor = _HEIGHT - _BOTTOM
    drawn = [
        f'<rect x="{x(rule.risk):.1f}" y="{_TOP}" width="{_WIDTH - _RIGHT - x(rule.risk):.1f}" '
        f'height="{floor - _TOP}" fill="#eee"/>',
        f'<path d="M{_LEFT} {_TOP}V{floor}H{_WIDTH - _RIGHT}" fill="none" stroke="#888"/>',
    ]
    for step in range(5):
        risk, loss = right * step / 4, top * step / 4
        drawn.append(
            f'<text x="{x(risk):.1f}" y="{floor + 16}" text-anchor="middle">{_share(risk)}</text>'
            f'<text x="{_LEFT - 6}" y="{y(loss) + 4:.1f}" text-anchor="end">'
            f"{_decimal(loss)}</text>"
        )
    drawn.append(
        f'<text x="{(_LEFT + _WIDTH) / 2:.0f}" y="{_HEIGHT - 8}" text-anchor="middle">'
        "risque d'individualisation le plus élevé</text>"
        f'<text x="12" y="{_HEIGHT / 2:.0f}" text-anchor="middle" '
        f'transform="rotate(-90 12 {_HEIGHT / 2:.0f})">perte d\'information</text>'
    )
    for point, risk, loss in zip(shown, risks, losses, strict=True):
        colour = _METHODS[point.method][1]
        said = escape(f"{_setting(point)} : perte {_decimal(loss)}, risque {_share(risk)}")
        fill = colour if point.pareto else "#fff"
        if point.chosen:
            drawn.append(
                f'<circle cx="{x(risk):.1f}" cy="{y(loss):.1f}" r="10" fill="none" stroke="#111" '
                'stroke-width="2"/>'
            )
        drawn.append(
            f'<circle cx="{x(risk):.1f}" cy="{y(loss):.1f}" r="5" fill="{fill}" '
            f'stroke="{colour}" stroke-width="1.5"><title>{said}</title></circle>'
        )
    for number, method in enumerate(dict.fromkeys(p.method for p in shown)):
        label, colour = _METHODS[method]
        drawn.append(
            f'<circle cx="{_WIDTH - 190}" cy="{_TOP + 12 + 18 * number}" r="5" fill="{colour}"/>'
            f'<text x="{_WIDTH - 178}" y="{_TOP + 16 + 18 * number}">{label}</text>'
        )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="Perte selon le risque, {len(shown)} réglages">{"".join(drawn)}</svg>'
    )


def _round_up(value: float) -> float:
    """Return a round number that is not below a positive one."""
    unit = 10.0 ** math.floor(math.log10(value))
    return next(unit * step for step in (1, 2, 2.5, 4, 5, 10) if unit * step >= value)


def _table(points: Sequence[Point]) -> str:
    sensitive = any(point.figures.get("t") is not None for point in points)
    heads = ["réglage", "perte", "erreur des comptages", "lignes supprimées", "risque max.",
             "risque moyen", "classes", "taille moyenne / k"]  # fmt: skip
    heads += ["l", "t"] if sensitive else []
    lines = []
    for point in points:
        figures = point.figures
        cells = [escape(_setting(point))]
        if not point.solved:
            cells += ["aucune solution", *["—"] * (len(heads) - 2)]
        else:
            classes = figures.get("classes")
            cells += [
                _decimal(figures["loss"], 4),
                _share(figures.get("query_error")),
                _share(figures.get("suppressed_share")),
                _share(figures.get("prosecutor_max")),
                _share(figures.get("prosecutor_average")),
                "—" if classes is None else _number(classes),
                _decimal(figures.get("class_size"), 1),
            ]
            if sensitive:
                least = figures.get("l")
                cells += ["—" if least is None else f"{least:.0f}", _decimal(figures.get("t"))]
        kind = "chosen" if point.chosen else "" if point.admissible else "out"
        lines.append(f'<tr class="{kind}">' + "".join(f"<td>{c}</td>" for c in cells) + "</tr>")
    head = "".join(f"<th>{each}</th>" for each in heads)
    return (
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
        "<p>En gris : un risque dépasse son seuil.</p>"
    )


def _criteria(chosen: Point | None, rule: Thresholds) -> str:
    """Return the table of singling out, linkability and inference (avis WP29 05/2014)."""
    if chosen is None:
        return "<p>Sans réglage choisi, aucun critère n'est tenu.</p>"
    figures = chosen.figures
    t = figures.get("t")
    inference = (
        f"distance t au plus {_decimal(t)} (seuil {_decimal(rule.t)}), "
        f"au moins {figures.get('l') or 0:.0f} valeurs par classe"
        if t is not None
        else "non mesurée : aucune variable sensible déclarée"
    )
    rows = (
        (
            "Individualisation",
            "Peut-on isoler une personne ?",
            f"au plus {_share(figures['prosecutor_max'])} (seuil {_share(rule.risk)}) : chaque "
            f"ligne est identique à {max(0, int(figures.get('k') or 1) - 1)} autres au moins",
        ),
        (
            "Corrélation",
            "Peut-on relier deux lignes d'une même personne, ici ou ailleurs ?",
            f"en moyenne {_share(figures['marketer'])} des personnes d'un fichier nominatif "
            "seraient reliées à leur ligne ; aucune ligne n'a d'identifiant, l'ordre est perdu",
        ),
        ("Inférence", "Peut-on apprendre une valeur sensible ?", inference),
    )
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return (
        '<table class="left"><thead><tr><th>critère</th><th>question</th><th>mesure</th></tr>'
        f"</thead><tbody>{body}</tbody></table>"
    )


def write_calibration(
    folder: Path,
    name: str,
    records: int,
    quasi: Sequence[str],
    points: Sequence[Point],
    rule: Thresholds,
) -> None:
    """Write ``calibration.html``, ``frontier.csv`` and ``frontier.json`` in a new folder.

    Raises:
        UsageError: the folder exists, or its parent does not.
    """
    if folder.exists():
        raise UsageError(f"{folder} exists: give a new folder")
    if not folder.parent.is_dir():
        raise UsageError(f"{folder.parent}: no such folder")
    rows = rows_of(points)
    attempt = folder.with_name(f".{folder.name}.attempt-{os.getpid()}")
    attempt.mkdir()
    try:
        page = calibration_page(name, records, quasi, points, rule)
        (attempt / "calibration.html").write_text(page, encoding="utf-8")
        with (attempt / "frontier.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        document = {"thresholds": asdict(rule), "records": records, "points": rows}
        text = json.dumps(document, ensure_ascii=False, indent=1)
        (attempt / "frontier.json").write_text(text + "\n", encoding="utf-8")
        attempt.rename(folder)
    finally:
        shutil.rmtree(attempt, ignore_errors=True)
