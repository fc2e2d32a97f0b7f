"""The model card and the TRIPOD+AI checklist of a study, in French, in our own words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openchronic_assets.analytics.risk import plots, report
from openchronic_assets.analytics.risk.models import RUNG_LABELS
from openchronic_assets.analytics.risk.study import LABELS

if TYPE_CHECKING:
    from openchronic_assets.analytics.risk.run import Outcome, Trained


def model_card(found: Trained) -> str:
    """Return the card of the models of a study."""
    study, ald = found.study, found.study.kind == "ald_onset"
    parts = [
        f"# Carte du modèle : {report.TITLES[study.kind].lower()}",
        f"Modèle `{found.name}`, données de la construction `{found.build_id}`.",
        "## À quoi il sert",
        "Décrire la répartition d'un risque dans une population, comparer des territoires à risque "
        "attendu égal, dimensionner une action de prévention. Il donne une probabilité et son "
        "décile.",
        "## À quoi il ne doit pas servir",
        "- Décider pour une personne, sans elle ni professionnel (article 22 du RGPD).\n"
        "- Fixer un droit, un tarif, une prise en charge.\n"
        "- Dire une cause : les associations ne disent pas ce qui arriverait si l'on agissait.\n"
        "- S'appliquer à d'autres données sans nouvelle évaluation.",
        "## Données",
        "- Base principale du SNDS en marts ; une personne compte si la base l'a vue "
        "dans son passé.\n"
        + (
            f"- Points de repère au 1er janvier et au 1er juillet ; passé de "
            f"{found.split['depth']} mois, délai de {study.gap_days} jours, horizon de "
            f"{study.horizon_days} jours.\n"
            if ald
            else "- Séjours index « RH30-like », prédiction au jour de sortie, 30 jours.\n"
        )
        + f"- Apprentissage : {report.dates(found.split['train_days'])} ; test : "
        f"{report.dates(found.split['test_days'])}, sur d'autres personnes.\n"
        + (
            "- Information connue au jour de la prédiction (date de mise à disposition)."
            if study.information == "known"
            else "- Information complète à la date des faits, même connue après."
        ),
        "## Résultats",
        _results(found),
        "## Limites",
        "\n".join(f"- {each}" for each in [*found.notes, *_limits(ald)]),
        "## Équité",
        "Le rapport donne l'AUROC et le rapport observé / attendu par sexe, âge, défavorisation et "
        "région. Un écart est à instruire avant tout usage ; le modèle n'est pas corrigé pour "
        "l'effacer.",
        "## Conservation",
        "Objets scikit-learn écrits par skops, sans pickle ; empreinte de chaque fichier et "
        "versions "
        "des bibliothèques dans `manifest.json`. Les mêmes données et la même graine redonnent les "
        "mêmes chiffres.",
    ]
    return "\n\n".join(parts) + "\n"


def _limits(ald: bool) -> list[str]:
    if ald:
        return [
            "Une ALD est une demande accordée, pas le début d'une maladie : elle dépend du recours "
            "aux soins et des médecins.",
            "Les extraits n'ont pas de périodes d'affiliation : un contact dans le passé en tient "
            "lieu, et qui ne consomme rien n'est pas évalué.",
            "Une ALD antidatée, pas encore enregistrée, manque aux cas les plus récents.",
            "Un décès avant l'événement compte comme une absence d'événement.",
        ]
    return [
        "Hémoglobine et natrémie ne sont pas dans le SNDS : HOSPITAL est une variante sur "
        "11 points.",
        "Un décès dans les 30 jours compte comme une absence de réhospitalisation ; le critère "
        "composite est donné.",
        "Un motif programmé n'est pas distingué dans la définition principale.",
    ]


def _results(found: Trained) -> str:
    lines = [
        "| Événement | Modèle retenu | AUROC (IC 95 %) | Pente de calibration | "
        "Observé / attendu |",
        "|---|---|---|---|---|",
    ]
    for each in found.outcomes:
        lines.append(_result(each))
    return "\n".join(lines)


def _result(of: Outcome) -> str:
    label = LABELS[of.name]
    if of.chosen is None or of.refused:
        state = "non diffusé" if of.refused else "non calculé"
        return f"| {label} | {state} : {of.reason} | – | – | – |"
    values, interval = of.metrics[of.chosen], of.intervals[of.chosen].get("auroc")
    area = plots.number(values["auroc"])
    if interval:
        area += f" ({plots.number(interval[0])} à {plots.number(interval[1])})"
    slope, ratio = values["calibration_slope"], values["observed_expected"]
    return (
        f"| {label} | {RUNG_LABELS[of.chosen]} | {area} | {plots.number(slope, 2)} | "
        f"{plots.number(ratio, 2)} |"
    )


def tripod(found: Trained) -> str:
    """Return the checklist: item, answer, where. Items in our words, after TRIPOD+AI (2024)."""
    ald = found.study.kind == "ald_onset"
    computed = [each for each in found.outcomes if each.chosen and not each.refused]
    state = "fait" if computed else "non calculé, voir le rapport"
    rows = [
        ("Titre", "Nature de l'étude et événement prédit", "fait", "titre du rapport"),
        ("Résumé", "Plan, données, résultats, limites", "fait", "carte du modèle"),
        ("Contexte", "Pourquoi prédire, pour qui, usages exclus", "fait", "carte du modèle"),
        ("Objectifs", "Développement et validation, distincts", "fait", "rapport, plan"),
        ("Données", "Source, dates, construction", "fait", f"construction {found.build_id}"),
        (
            "Participants",
            "Critères d'entrée et d'exclusion",
            "fait",
            "rapport, plan ; docs/analytics.md",
        ),
        (
            "Événement",
            "Définition, délai, horizon",
            "fait",
            "début d'ALD enregistré" if ald else "table readmission",
        ),
        ("Événement", "Insu de l'événement lors du calcul des variables", "fait",
         "recalcul sur données coupées, canari"),
        ("Prédicteurs", "Liste, définition, moment de connaissance", "fait", "docs/analytics.md"),
        ("Taille", "Nombre de cas, justification", "à compléter",
         "nombre de cas donné ; pas de calcul de taille"),
        ("Données manquantes", "Traitement", "fait",
         "absence de fait = 0 ; médiane pour la régression ; valeur propre pour les arbres"),
        ("Analyse", "Préparation, réglages, échelle de modèles", "fait", "docs/analytics.md"),
        ("Analyse", "Déséquilibre des classes", "fait", "aucun rééchantillonnage"),
        ("Analyse", "Mesures de performance et incertitude", state, "rapport, par événement"),
        ("Analyse", "Calibration", state, "rapport : pente, ordonnée, courbe"),
        ("Analyse", "Utilité clinique", state, "rapport : courbe de décision"),
        ("Équité", "Performance par sous-groupe", state, "rapport, équité"),
        ("Modèle", "Modèle complet, réutilisable", state, "fichiers .skops et manifest.json"),
        ("Modèle", "Explication", state, "rapport : importance par permutation"),
        ("Validation", "Autres personnes, autre période", state, "rapport, plan"),
        ("Validation", "Autres régions", state, "rapport : région laissée de côté"),
        ("Science ouverte", "Code et protocole accessibles", "fait", "code libre (EUPL)"),
        ("Science ouverte", "Enregistrement du protocole, financement, conflits d'intérêts",
         "à compléter", "par l'équipe qui publie"),
        ("Participation", "Place des patients et du public", "à compléter",
         "par l'équipe qui publie"),
        ("Discussion", "Limites, usages, suite", "fait", "carte du modèle"),
    ]  # fmt: skip
    lines = [
        f"# Liste de contrôle TRIPOD+AI : {report.TITLES[found.study.kind].lower()}",
        f"Modèle `{found.name}`. D'après TRIPOD+AI (Collins et coll., BMJ 2024) ; points "
        "reformulés, à "
        "confronter à la liste officielle avant une publication [A].",
        "| Rubrique | Point | État | Où |\n|---|---|---|---|\n"
        + "\n".join(f"| {' | '.join(row)} |" for row in rows),
    ]
    return "\n\n".join(lines) + "\n"
