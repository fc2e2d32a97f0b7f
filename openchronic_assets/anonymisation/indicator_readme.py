"""The text that goes with a release of indicators, in French, for whoever downloads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LIMITS = (
    "Les personnes dont le sexe, l'âge ou le département n'est pas connu ne sont pas comptées : "
    "leur nombre se déduirait des totaux.",
    "Une cellule masquée n'est pas un zéro ; beaucoup de petits départements et d'affections "
    "rares le sont.",
    "Les valeurs standardisées le sont sur cinq classes d'âge, celles qui sont diffusées : elles "
    "diffèrent un peu de celles de la base, faites par classes de cinq ans.",
    "Protégées : les égalités (une somme, une différence, un indicateur et ses totaux). Un "
    "indicateur qui en contient un autre borne aussi ce dernier : ces inégalités entre "
    "indicateurs ne sont prises en compte que si la différence est de moins de onze personnes.",
    "D'une année à l'autre, une même personne peut être comptée plusieurs fois : la différence "
    "de deux années mêle des entrées et des sorties, et n'est pas un nombre de personnes.",
    "Les cellules que masque la protection dépendent des données : leur place dit peu, mais elle "
    "dit quelque chose.",
)


def indicator_readme(report: Mapping[str, Any]) -> str:
    """Return ``README.md`` of a release of indicators.

    Args:
        report: the candidate's report.
    """
    deliveries = report["deliveries"]
    generated = bool(deliveries) and all(entry["generated"] for entry in deliveries)
    warning = (
        "> **Démonstration.** Les personnes comptées ici sont synthétiques : aucune n'existe, et "
        "aucun chiffre ne décrit la population réelle.\n\n"
        if generated
        else ""
    )
    years = ", ".join(str(year) for year in report["years"])
    states = {"provisional": "provisoire", "semi-final": "semi-définitive", "final": "définitive"}
    lines = "\n".join(
        f"- {year} : {states.get(state, state)} (flux jusqu'à {report['flux_cutoff'].get(year)})"
        for year, state in report["data_state"].items()
    )
    cells, rules = report["cells"], report["rules"]
    limits = "\n".join(f"- {text}" for text in report["limits"])
    return f"""# Open Chronic : indicateurs par territoire, {years}

Version `{report["version"]}`

{warning}{len(report["indicators"])} indicateurs, par pays, région et département, sexe, classe \
d'âge ({", ".join(rules["age_groups"])}), affection et année.

## Fichiers

- `indicators.json` : ce que dit chaque indicateur, numérateur, dénominateur, exclusions, \
sources, limites, années, méthodes, et ce qui n'en est pas diffusé (`omitted`).
- `indicators/<id>.csv` : une ligne par cellule (UTF-8, virgule). `num` et `den` : numérateur et \
dénominateur ; `value`, `low`, `high` : valeur et intervalle à 95 %, à multiplier par `scale` ; \
`std` : `none` (brut), `direct` (population européenne 2013), `indirect` (observé sur attendu).
- `territories.csv` : les territoires et leurs libellés.
- `variation.csv`, s'il y est : combien les territoires montrés diffèrent, d'après les seules \
cellules montrées.
- `pathways.csv`, s'il y est : les cas d'une année autour d'un événement, leur état à cinq mois et \
combien passent de l'un à l'autre (`people`) ; les états de peu de personnes sont ensemble \
(`OTHER`).
- `flows.csv` et `areas.csv`, s'ils y sont : où sont hospitalisés les habitants de chaque lieu, \
chacun compté une fois (`other` : tous les lieux qui ne sont pas nommés), et à quel pôle il se \
rattache d'après ces seules cases.
- `report.json` : règles, contrôles passés, empreintes SHA-256.

## État des données

{lines}

## Ce qui est montré, ce qui ne l'est pas

`status` vaut `shown` (montrée), `suppressed` (masquée : rien n'en est dit) ou `absent` (personne, \
ou rien à dire : `reason`). Sur {_number(cells["shown"] + cells["hidden"])} cellules où il y a \
quelqu'un, {_number(cells["hidden"])} sont masquées ({_share(cells["hidden_share"])}).

Une cellule est masquée quand elle compte moins de {rules["threshold"]} personnes, au numérateur, \
au dénominateur ou parmi celles qui ne sont pas comptées (« toutes » ne se dit pas non plus), ou \
quand une personne y tient plus de {100 * rules["dominance"]:.0f} % d'une somme. D'autres le sont \
pour qu'aucune de celles-là ne se déduise des totaux : ce qu'on peut conclure d'une cellule ainsi \
interdite s'étend sur au moins {rules["narrowest_interval_of_a_forbidden_cell"]} personnes ; dans \
un dénominateur de moins de {rules["threshold"]}, tout reste possible, de personne à tous. Un zéro \
est montré. Ce qui est trop rare pour chaque département par sexe et âge n'est dit que de plus \
grands groupes : les cellules plus fines sont masquées aussi.

## Limites

{limits}
"""


def _number(value: int) -> str:
    return f"{value:,}".replace(",", " ")


def _share(value: float) -> str:
    return f"{100 * value:.1f} %".replace(".", ",")
