"""The text that goes with a release, in French, for a reader who knows nothing of the project."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any


def release_readme(report: Mapping[str, Any]) -> str:
    """Return ``README.txt`` of a release.

    Args:
        report: the candidate's report; needs ``version``, ``reference_year``, ``tables``,
            ``population`` and ``deliveries``.
    """
    table = report["tables"][0]
    year = report["reference_year"]
    deliveries = report["deliveries"]
    generated = bool(deliveries) and all(entry["generated"] for entry in deliveries)
    cells = table["cells"]
    warning = (
        """DÉMONSTRATION : les personnes de ce fichier sont synthétiques. Elles ont été tirées au
hasard par un générateur ; aucune n'existe, et aucun chiffre de ce fichier ne décrit la
population réelle.

"""
        if generated
        else ""
    )
    return f"""Open Chronic - patients en affection de longue durée (ALD), {year}
Version {report["version"]}

{warning}CE QUE CONTIENT CE DOSSIER
patient.parquet et patient.csv : la même table, {_number(table["rows"])} lignes, une ligne par
personne. Le fichier CSV est en UTF-8, séparé par des virgules, avec une ligne d'en-tête ; lisez
toutes les colonnes comme du texte (sinon « 01 » devient 1).
report.json : les chiffres, les contrôles passés, les empreintes SHA-256 des fichiers.

QUI
Les personnes connues pour au moins une ALD commencée au plus tard le 31 décembre {year}, vivantes
à cette date. Une personne retirée par la protection n'y figure pas
({_number(table["suppressed"])} sur {_number(report["population"]["kept"])}).

COLONNES
sex         sexe : 1 = homme, 2 = femme
age_group   âge au 31 décembre {year}, par 5, 10 ou 20 ans (« 65-69 ans », « 60-79 ans »,
            « 95+ ans »)
department  département de résidence (code : 01 à 95, 2A, 2B, 971 à 974, 976), ou sa région, ou
            « Hexagone et Corse » / « Outre-mer » ; « autre » = hors des 101 départements
ald         numéro de l'ALD (1 à 30 : liste réglementaire ; 31 : hors liste ; 32 :
            polypathologie), ou sa famille (« Cancer », « Neurologie », ...) ; pour une personne
            qui en a plusieurs, la plus ancienne
inconnu     la valeur manque dans la source (« âge inconnu », « région inconnue »,
            « famille inconnue », ... aux niveaux plus larges)
*           valeur retirée pour protéger les personnes

COMMENT LES PERSONNES SONT PROTÉGÉES
Chaque ligne est identique à au moins {table["k"] - 1} autres (k = {table["k"]}). Qui connaît le
sexe, l'âge, le département et la maladie d'une personne ne peut pas la distinguer dans un groupe
de moins de {table["k"]} : le risque est d'au plus {_share(table["max_risk"])}, et de
{_share(table["average_risk"])} en moyenne. Quand un groupe est trop petit, ses valeurs sont
élargies (un âge de 5 ans devient 10 ou 20 ans, une ALD devient sa famille), sinon les lignes
sont retirées. Les dates, les identifiants, les communes et les établissements n'y sont pas, et
l'ordre des lignes est celui des valeurs.

COMMENT LE LIRE
Une même colonne mêle plusieurs niveaux de détail. Compter les lignes « ald = 8 » ne donne donc
pas toutes les personnes en ALD 8 : les autres sont dans leur famille ou sous « * ». Pour un total,
comptez toutes les lignes d'un même niveau large. Parmi les croisements ALD x département x sexe
qui existent, {_share(cells["share"])} se lisent ({_share(cells["share_exact"])} avec le numéro
exact de l'ALD, les autres par la famille). Perte d'information : {_decimal(table["loss"])} sur une
échelle de 0 (intacte) à 1 (tout est retiré).

{_others(report)}LIMITES
Le k-anonymat empêche d'isoler une personne ; il n'empêche pas d'apprendre ce qui est vrai de tout
un groupe. Être dans ce fichier dit déjà que l'on a une ALD. Les ALD sont des décisions
administratives : elles ne comptent pas les malades non déclarés. Ne croisez pas ce fichier avec
une autre version faite sur les mêmes personnes.
"""


def _others(report: Mapping[str, Any]) -> str:
    """Tell of the tables and the cube, where there are any."""
    text = ""
    for each in report.get("outputs_by_kind", ())[1:]:
        if each["kind"] == "tables":
            text += f"""AUTRES FICHIERS : TABLEAUX
{", ".join(each["files"])} : {_number(each["people"])} personnes sans ALD (d'autres personnes que
celles de la table des patients), par lieu, âge et sexe. Une case vide est secrète : elle compte
moins de {each["threshold"]} personnes, ou sert à en protéger une autre
({_number(each["suppressed"])} cases sur {_number(each["cells"])}). Les deux tableaux ont été
protégés ensemble : par soustraction, une case vide ne se retrouve pas à mieux que
{each["narrowest_width"]} près.

"""
        else:
            text += f"""AUTRES FICHIERS : CUBE
{each["files"][0]} : événements de soins d'autres personnes encore, avec un bruit qui garantit la
confidentialité différentielle (epsilon = {_decimal(each["epsilon"])} pour delta = 1e-6, par
personne, pour ce cube seul). Écart-type du bruit d'une case : {_decimal(each["noise_scale"])} ;
au plus {each["bounds"]["rows_per_cell"]} événements comptés par personne. Les marges (« * ») sont
les sommes des cases bruitées.

"""
    return text


def accountability(k: int, suppressed: float, loss: float) -> dict[str, Any]:
    """Return the parts of a report that say why it is safe: seven steps, three criteria, limits.

    The steps are those of the anonymisation report of EMA policy 0070; the criteria are those of
    opinion 05/2014 of the data protection authorities. The measured figures are in ``checks``.
    """
    return {
        "steps": {
            "identifiers": "aucun identifiant direct ; sexe, âge, département et ALD sont tous "
            "tenus pour connus d'un attaquant",
            "adversaries": "quelqu'un qui sait qu'une personne est dans le fichier et connaît ses "
            "quatre attributs (risque du procureur)",
            "utility": f"perte d'information {loss:.4f} (0 = intacte, 1 = tout retiré)",
            "threshold": "risque d'au plus 0,09 : k = 12 ; 11 personnes par case de tableau",
            "measured_risk": f"k = {k}, {100 * suppressed:.2f} % de personnes retirées ; attaques "
            "et bornes supérieures dans « checks »",
            "method": "recodage local le long de hiérarchies ; tableaux : suppression primaire et "
            "complémentaire vérifiée par programmation linéaire ; cube : bruit gaussien discret",
            "process": "contrôle des fichiers écrits par une seconde implémentation, deux "
            "approbations nommées, journal chaîné",
        },
        "criteria": {
            "singling_out": "check attacks : part des prédicats qui isolent une seule personne",
            "linkability": "check attacks : liaison de deux sources par le fichier",
            "inference": "check attacks : gain à deviner un attribut, avec et sans la personne",
        },
        "limits": "Le k-anonymat n'empêche pas d'apprendre ce qui est vrai de tout un groupe ; "
        "epsilon ne vaut que pour le cube ; un second recodage des mêmes personnes est refusé.",
    }


def measured_criteria(
    criteria: Mapping[str, Any], checks: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the three criteria with what the gate's attacks measured of each.

    ``how`` says what was tried; ``risk`` and ``upper`` are the excess risk and its upper bound,
    ``threshold`` what the bound may not pass. Without a measure, ``how`` stands alone.
    """
    told = next((check for check in checks if check["name"] == "attacks"), None)
    found: dict[str, Any] = {}
    for name, before in criteria.items():
        how = before["how"] if isinstance(before, Mapping) else before
        hit = told and re.search(
            rf"{name} (-?\d+\.\d+) \(up to (-?\d+\.\d+)\)", str(told["detail"])
        )
        found[name] = {"how": how}
        if told and hit:
            found[name] |= {
                "risk": float(hit[1]), "upper": float(hit[2]), "threshold": told["threshold"],
            }  # fmt: skip
    return found


def _number(value: int) -> str:
    """Write a whole number the French way (no-break thin spaces are left out of plain text)."""
    return f"{value:,}".replace(",", " ")


def _share(value: float) -> str:
    """Write a share as a percentage with one decimal, the French way."""
    return f"{100 * value:.1f} %".replace(".", ",")


def _decimal(value: float) -> str:
    """Write a number with three decimals, the French way."""
    return f"{value:.3f}".replace(".", ",")
