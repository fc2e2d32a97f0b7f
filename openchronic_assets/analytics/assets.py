"""The analyses as assets: models, scores and reports of the secure space."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from openchronic_assets.errors import OpenChronicError
from openchronic_assets.partitions import yearly
from openchronic_assets.settings import home

GROUP = "analytics"
_MARTS = (
    "event_log", "drug_dispensing", "hospital_stay", "stay_diagnosis", "int_ald_exemption",
    "ald_episode", "person", "person_year", "scheme_coverage",
)  # fmt: skip
_STAYS = ("readmission", "hospital_episode_stay", "stay_procedure")


def _spec(name: str, description: str, deps: list[dg.AssetKey], kind: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        dg.AssetKey(["analytics", name]),
        deps=deps,
        group_name=GROUP,
        description=description,
        kinds={kind},
        skippable=True,
    )


def _keys(names: tuple[str, ...]) -> list[dg.AssetKey]:
    return [dg.AssetKey(name) for name in names]


RISK_SPECS = [
    _spec(
        "risk_ald_onset",
        "Modèles du risque d'entrée en ALD dans l'année (première ALD, et dix groupes) : appris "
        "sur ce que la base savait au jour de la prédiction, évalués sur d'autres personnes et une "
        "autre période, avec rapport, carte du modèle et liste TRIPOD+AI.",
        _keys(_MARTS),
        "scikitlearn",
    ),
    _spec(
        "risk_readmission",
        "Modèle du risque de réhospitalisation à 30 jours, comparé à LACE et à HOSPITAL (variante "
        "sans biologie), avec rapport, carte du modèle et liste TRIPOD+AI.",
        _keys((*_MARTS, *_STAYS)),
        "scikitlearn",
    ),
    _spec(
        "risk_scores",
        "Risque d'entrée en ALD de chaque personne au lendemain des données, par le dernier modèle "
        "gardé. Données individuelles, jamais diffusées.",
        [*_keys(_MARTS), dg.AssetKey(["analytics", "risk_ald_onset"])],
        "parquet",
    ),
]


@dg.multi_asset(
    name="risk_models",
    specs=RISK_SPECS,
    partitions_def=yearly(),
    backfill_policy=dg.BackfillPolicy.single_run(),
    can_subset=True,
    pool="dbt",
)
def risk_models(context: dg.AssetExecutionContext) -> Iterator[Any]:
    """Train the risk models on the current build, then score the people of its end."""
    # Late: scikit-learn takes seconds, and Dagster loads this file at each start.
    from openchronic_assets.analytics.risk import run
    from openchronic_assets.analytics.risk.study import standard

    place = home()
    chosen = context.selected_asset_keys
    try:
        for spec, kind in zip(RISK_SPECS, ("ald_onset", "readmission"), strict=False):
            if spec.key not in chosen:
                continue
            found = run.train(place, standard(kind))  # type: ignore[arg-type]
            yield dg.MaterializeResult(
                asset_key=spec.key,
                metadata={
                    "build": found.build_id,
                    "model": found.name,
                    "outcomes": {each.name: run.summary(each) for each in found.outcomes},
                    "report": dg.MetadataValue.path(str(found.report)),
                },
            )
        if RISK_SPECS[2].key in chosen:
            path, rows = run.score(place, "ald_onset")
            yield dg.MaterializeResult(
                asset_key=RISK_SPECS[2].key,
                metadata={"dagster/row_count": rows, "path": dg.MetadataValue.path(str(path))},
            )
    except OpenChronicError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from None


PRACTICE_SPECS = [
    _spec(
        "network",
        "Réseau des professionnels qui partagent des patients : liens retenus, communautés, "
        "centralités, densité de soins et fragmentation, lien ville-hôpital, aires d'attraction. "
        "Les tables par professionnel et par personne ne se diffusent jamais.",
        _keys(("provider_contact", "person_year", "care_event", "measure_coordination",
               "hospital_stay")),
        "networkit",
    ),
    _spec(
        "variation",
        "Variations de pratique de chaque indicateur, par région, département, hôpital et médecin "
        "traitant : quotients, composante systématique, variance bayésienne, corrélation "
        "intra-classe, entonnoirs, autocorrélation spatiale. Les résultats par médecin restent "
        "dans l'espace sécurisé.",
        _keys(("indicator", "person_year", "ald_population", "person_comorbidity",
               "int_treating_doctor", "hospital_stay")),
        "scipy",
    ),
    _spec(
        "typology",
        "Typologie de chaque parcours : distances entre suites d'états, types, parcours médoïdes, "
        "et carte de ce qui suit quoi avec ses attentes. Les petits types sont réunis.",
        _keys(("pathway_state", "pathway_follows", "person")),
        "numpy",
    ),
]  # fmt: skip


@dg.multi_asset(
    name="practice",
    specs=PRACTICE_SPECS,
    partitions_def=yearly(),
    backfill_policy=dg.BackfillPolicy.single_run(),
    can_subset=True,
    pool="dbt",
)
def practice(context: dg.AssetExecutionContext) -> Iterator[Any]:
    """Write the reports of networks, variation and pathways of the years asked for."""
    from openchronic_assets.analytics.network import report as network
    from openchronic_assets.analytics.typology import report as typology
    from openchronic_assets.analytics.variation import report as variation
    from openchronic_assets.analytics.variation.study import LEVELS

    place = home()
    years = [int(key) for key in context.partition_keys]
    chosen = context.selected_asset_keys
    try:
        for spec in PRACTICE_SPECS:
            if spec.key not in chosen:
                continue
            name = spec.key.path[-1]
            if name == "network":
                pages = [network.run(place, year)["page"] for year in years]
            elif name == "variation":
                pages = [variation.run(place, y, level)["page"] for y in years for level in LEVELS]
            else:
                pages = [each["page"] for each in typology.run_all(place)]
            yield dg.MaterializeResult(
                asset_key=spec.key,
                metadata={"pages": len(pages), "report": dg.MetadataValue.path(pages[-1])},
            )
    except OpenChronicError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from None
