"""The network of a year as one page in French, and its tables in the secure space."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from openchronic_assets import warehouse
from openchronic_assets.analytics import page, plots
from openchronic_assets.analytics.network import analysis
from openchronic_assets.analytics.network.analysis import SHOWN, SHOWN_PROVIDERS, Network
from openchronic_assets.settings import Home

GROUPS = {
    "general_practitioner": "médecins généralistes",
    "specialist": "autres spécialistes",
    "hospital": "hôpitaux",
}
FACTS = {
    "persons": "personnes",
    "providers": "professionnels et hôpitaux",
    "pairs": "paires personne-professionnel",
    "edges_of_two": "liens d'au moins deux patients",
    "edges_kept": "liens retenus",
    "providers_linked": "professionnels liés",
    "components": "morceaux séparés du réseau",
    "largest_component": "professionnels du plus grand morceau",
    "density": "densité",
    "median_adjusted_degree": "confrères pour 100 patients, médiane",
    "relative_centrality": "centralité relative des généralistes",
    "assortativity": "assortativité par groupe",
    "communities": "communautés",
    "modularity": "modularité",
    "stability_nmi": "accord entre graines (NMI)",
    "stability_ari": "accord entre graines (Rand ajusté)",
}


def run(home: Home, year: int, **options: Any) -> dict[str, Any]:
    """Analyse the network of a year of a home; write the page and its tables, return what is told.

    Args:
        home: with a build.
        year: that was built.
        options: of ``analysis.analyse``.

    Raises:
        UsageError: nothing or not this year is built, or an option is wrong.
    """
    with warehouse.connect(home) as connection:
        network = analysis.analyse(connection, year, **options)
    return write(home, network, options)


def write(home: Home, network: Network, options: dict[str, Any]) -> dict[str, Any]:
    """Write the page and the tables of a network; return its facts and the files."""
    facts = {
        "year": network.year,
        **network.facts,
        "reasons": network.reasons,
        "persons_over_cap": network.left.persons_over_cap,
        "providers_of_few": network.left.providers_of_few,
        "options": options,
    }
    kept = network.kept
    names = network.providers["provider_id"].to_numpy(str)
    edges = pd.DataFrame(
        {
            "left_provider": names[kept.left],
            "right_provider": names[kept.right],
            "shared": kept.shared,
        }
    )
    tables = {
        "provider": network.providers,
        "person": network.persons,
        "edge": edges,
        **network.tables,
    }
    html = page.render(f"Réseau des professionnels, {network.year}", blocks(network))
    path, paths = page.write(home, "network", str(network.year), html, tables, facts)
    return {**facts, "page": str(path), "tables": {name: str(each) for name, each in paths.items()}}


def blocks(network: Network) -> list[page.Block]:
    """Return the page, block by block."""
    facts = network.facts
    found = [
        page.text(
            "Deux professionnels sont liés quand ils ont vu les mêmes patients dans l'année : "
            "médecins de ville (consultations, visites, téléconsultations) et hôpitaux de court "
            "séjour (séances exclues). Un lien est un partage de patients ; il ne dit pas que deux "
            "professionnels se connaissent, ni qu'une prise en charge est meilleure."
        ),
        page.note(
            f"Aucun nombre de moins de {SHOWN} personnes ni de {SHOWN_PROVIDERS} professionnels "
            "n'est montré. Les tables par professionnel et par personne restent dans l'espace "
            "sécurisé : elles ne se diffusent pas, même sous pseudonyme."
        ),
        page.heading("Le réseau"),
        page.table(
            ["mesure", "valeur", "sinon, pourquoi"],
            [[label, facts[name], network.reasons.get(name, "")] for name, label in FACTS.items()],
        ),
        page.text(
            f"Écartés : {_count(network.left.persons_over_cap, 'personne')} qui ont vu trop de "
            f"professionnels, {_count(network.left.providers_of_few, 'professionnel')} de trop peu "
            "de patients. Les liens retenus passent le seuil de patients partagés et un test : "
            "part inattendue de l'activité de l'un des deux (filtre de disparité, 5 %) ou partage "
            "improbable au hasard (loi hypergéométrique, 1 %)."
        ),
    ]
    found += _stability(facts)
    found += _groups(network)
    found += _communities(network)
    found += _people(network)
    found += _hospitals(network)
    return found


def _count(value: int, name: str) -> str:
    """Return a count in words, small ones hidden."""
    if 0 < value < SHOWN:
        return f"moins de {SHOWN} {name}s"
    return f"{page.cell(value)} {name}{'s' if value > 1 else ''}"


def _stability(facts: dict[str, Any]) -> list[page.Block]:
    if facts["components"] is None:
        return [page.note("Aucun lien ne passe les seuils : il n'y a pas de réseau à décrire.")]
    said = []
    if facts["components"] > 1:
        said.append(
            page.note(
                f"Le réseau est en {page.cell(facts['components'])} morceaux sans lien entre eux : "
                "les centralités se comparent à l'intérieur d'un morceau seulement."
            )
        )
    if facts["is_stable"] is False:
        said.append(
            page.note(
                "Les communautés changent avec l'ordre des calculs (accord sous 0,8) : ne pas les "
                "lire comme des groupes réels."
            )
        )
    return said


def _groups(network: Network) -> list[page.Block]:
    rows = network.tables["specialties"]
    linked = network.providers[network.providers["in_network"]]
    found = [
        page.heading("Place des groupes, médianes"),
        page.table(
            ["groupe", "nombre", "patients", "confrères", "pour 100 patients", "fermeture",
             "ouverture aux autres communautés"],
            [
                [GROUPS[str(row.group)], row.providers, row.patients, row.degree,
                 row.adjusted_degree, row.clustering, row.participation]
                for row in rows.itertuples()
            ],
        ),
    ]  # fmt: skip
    if len(linked) >= 5 * SHOWN:
        degree = linked["degree"].to_numpy(float)
        edges = np.unique(np.quantile(degree, np.linspace(0, 1, 9)).round())
        counts, edges = np.histogram(degree, bins=edges)
        if len(counts) > 1 and counts.min() >= SHOWN_PROVIDERS:
            last = len(counts) - 1
            names = [
                f"{edges[at]:.0f} à {edges[at + 1] - (at < last):.0f}" for at in range(len(counts))
            ]
            values = dict(zip(names, counts.astype(float).tolist(), strict=True))
            found.append(page.text("Professionnels selon le nombre de confrères liés."))
            found.append(page.figure(plots.bars("Professionnels par nombre de confrères", values)))
    return found


def _communities(network: Network) -> list[page.Block]:
    rows = network.tables["communities"]
    hidden = network.found.count - len(rows)
    found = [
        page.heading("Communautés"),
        page.table(
            ["n°", "professionnels", "dont hôpitaux", "dont généralistes", "personnes",
             "département principal", "part de ce département"],
            [
                [row.community, row.providers, row.hospitals, row.general_practitioners,
                 row.persons, row.department, row.share_of_department]
                for row in rows.head(50).itertuples()
            ],
        ),
    ]  # fmt: skip
    if hidden:
        found.append(page.text(f"{hidden} communauté(s) trop petite(s) ne sont pas montrées."))
    if len(rows) > 50:
        found.append(page.text(f"Les 50 plus grandes sur {len(rows)}."))
    return found


def _people(network: Network) -> list[page.Block]:
    rows = network.tables["departments"]
    if not len(rows):
        return [page.note("Trop peu de personnes ont vu deux professionnels : pas de densité.")]
    return [
        page.heading("Densité de soins et fragmentation, par département de résidence"),
        page.text(
            "Densité de soins d'une personne : nombre moyen d'autres patients que partagent, deux "
            "à deux, les professionnels qu'elle a vus, elle-même exclue. Fragmentation : part de "
            "ses visites hors de la communauté où elle en fait le plus. Elle dépend de la taille "
            "des communautés ; la densité, de celle des patientèles."
        ),
        page.table(
            ["département", "personnes", "densité médiane", "moyenne de ln(1 + densité)",
             "part du tiers le moins dense", "fragmentation moyenne"],
            rows.astype(object).where(rows.notna(), None).to_numpy().tolist(),
        ),
    ]  # fmt: skip


def _hospitals(network: Network) -> list[page.Block]:
    links, areas = network.tables["links"], network.tables["catchments"]
    markets = network.tables["markets"].set_index("area")
    found = [page.heading("Lien ville-hôpital")]
    if len(links):
        found += [
            page.text(
                "Sorties de court séjour suivies d'un contact avec un généraliste dans les 30 "
                "jours, par département de résidence et hôpital. « autres » réunit les hôpitaux de "
                f"moins de {SHOWN} sorties ; les parts qui diraient moins de {SHOWN} personnes "
                "manquent."
            ),
            page.table(
                ["département", "hôpital", "sorties", "part suivie"],
                [
                    [row.department, row.finess, row.discharges, row.link_strength]
                    for row in links.head(200).itertuples()
                ],
            ),
        ]
        if len(links) > 200:
            found.append(page.text(f"Les 200 premières lignes sur {len(links)}."))
    else:
        found.append(page.note("Aucun hôpital n'a assez de sorties suivies : lien non calculé."))
    found.append(page.heading("Aires d'attraction"))
    if len(areas):
        found.append(
            page.table(
                ["département", "premier hôpital", "séjours", "part des séjours",
                 "couverture de son aire", "concentration (HHI)"],
                [
                    [row.area, row.finess, row.stays, row.share, row.coverage,
                     markets["hhi"].get(row.area)]
                    for row in areas.itertuples()
                ],
            )
        )  # fmt: skip
    else:
        found.append(page.note("Trop peu de séjours : aucune aire d'attraction."))
    return found
