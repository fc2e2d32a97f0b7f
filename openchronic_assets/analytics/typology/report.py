"""The typology of a pathway as one page in French, and its tables in the secure space."""

from __future__ import annotations

from typing import Any

from openchronic_assets import warehouse
from openchronic_assets.analytics import page, plots
from openchronic_assets.analytics.typology import analysis
from openchronic_assets.analytics.typology.analysis import OTHERS, SHOWN, Typology
from openchronic_assets.analytics.typology.sequences import ALPHABET
from openchronic_assets.settings import Home

STATES = {
    "DEAD": "décès",
    "MCO": "court séjour",
    "SSR": "psychiatrie, SSR ou HAD",
    "ED": "urgences",
    "SPE": "spécialiste",
    "GP": "généraliste",
    "CITY": "infirmier ou pharmacie",
    "NONE": "aucun soin",
    OTHERS: "autres états, réunis",
}
ACTIVITIES = {
    "INDEX": "index", "DEAD": "décès", "MCO": "court séjour", "PSY": "psychiatrie", "SSR": "SSR",
    "HAD": "HAD", "ED": "urgences", "SPE": "spécialiste", "GP": "généraliste",
    "NURSE": "infirmier", "PHARM": "pharmacie",
}  # fmt: skip
METHODS = {
    "om": "appariement optimal (insertion 1, substitution selon les transitions observées)",
    "hamming": "Hamming",
    "dhd": "Hamming dynamique (Lesnard)",
    "lcs": "plus longue sous-séquence commune",
}
FACTS = {
    "people": "personnes observées tous les mois",
    "distinct": "séquences distinctes",
    "compared": "séquences comparées",
    "types": "types",
    "silhouette": "silhouette moyenne",
    "explained": "distance expliquée par les médoïdes",
    "pseudo_r2_sex": "pseudo-R² du sexe",
    "steps": "enchaînements observés",
    "steps_shown": "enchaînements montrés",
    "share_of_events_shown": "part des enchaînements montrée",
}


def run(home: Home, pathway: str, **options: Any) -> dict[str, Any]:
    """Make the typology of a pathway of a home; write the page and its tables.

    Args:
        home: with a build.
        pathway: its name in ``ref_pathway``.
        options: of ``analysis.analyse``.

    Raises:
        UsageError: nothing is built, no such pathway, or an option is wrong.
    """
    with warehouse.connect(home) as connection:
        found = analysis.analyse(connection, pathway, **options)
        label = analysis.pathways(connection)[pathway]
    return write(home, found, label)


def run_all(home: Home, **options: Any) -> list[dict[str, Any]]:
    """Make the typology of each pathway of a home, in order of name."""
    with warehouse.connect(home) as connection:
        names = list(analysis.pathways(connection))
    return [run(home, name, **options) for name in names]


def write(home: Home, found: Typology, label: str) -> dict[str, Any]:
    """Write the page and the tables of a typology; return its facts and the files."""
    facts = {
        "pathway": found.pathway,
        "months": list(found.months),
        "method": found.method,
        **found.facts,
        "reasons": found.reasons,
        "silhouettes": {str(k): value for k, value in found.tried.items()},
        "merged": found.merged,
    }
    html = page.render(f"Typologie : {label}", blocks(found))
    tables = {**found.tables, "person": found.people}
    path, paths = page.write(home, "typology", found.pathway, html, tables, facts)
    return {**facts, "page": str(path), "tables": {name: str(each) for name, each in paths.items()}}


def blocks(found: Typology) -> list[page.Block]:
    """Return the page, block by block."""
    first, last = found.months
    said = [
        page.text(
            f"Mois {first} à {last} autour de l'événement index (mois 0), pour les cas incidents "
            "observés tous ces mois. Chaque mois a un état ; le plus lourd l'emporte. Distance : "
            f"{METHODS[found.method]}."
        ),
        page.note(
            f"Aucun nombre de moins de {SHOWN} personnes n'est montré : les petits types "
            "rejoignent le plus proche, les états rares sont réunis. La table par personne reste "
            "dans l'espace sécurisé."
        ),
        page.table(
            ["mesure", "valeur", "sinon, pourquoi"],
            [[label, found.facts[name], found.reasons.get(name, "")]
             for name, label in FACTS.items()],
        ),
    ]  # fmt: skip
    if found.clusters is None:
        said.append(page.note("Trop peu de personnes : pas de typologie."))
    else:
        said += _types(found)
    return said + _map(found)


def _types(found: Typology) -> list[page.Block]:
    rows = found.tables["type"]
    said = [page.heading("Types")]
    silhouette = found.facts["silhouette"]
    if silhouette is not None and silhouette < 0.25:
        said.append(
            page.note(
                "La silhouette est sous 0,25 : les types se recouvrent. Ils résument les parcours, "
                "ils ne les séparent pas."
            )
        )
    if found.merged:
        said.append(
            page.text(f"{found.merged} type(s) de moins de {SHOWN} personnes ont été réunis.")
        )
    said.append(
        page.table(
            ["type", "personnes", "part", "part de femmes", "parcours médoïde (mois)"],
            [
                [row["type"], row["people"], row["share"], row["share_of_women"],
                 _words(row["medoid"])]
                for row in rows.to_dict("records")
            ],
        )
    )  # fmt: skip
    said.append(
        page.text(
            f"Un médoïde vécu par moins de {SHOWN} personnes n'est pas montré ; voir la "
            "distribution des états."
        )
    )
    states = found.tables["state"]
    names = [*ALPHABET, OTHERS]
    months = range(found.months[0], found.months[1] + 1)
    colours = {STATES[name]: plots.COLOURS[at] for at, name in enumerate(names)}
    for each in rows["type"].tolist():
        part = states[states["type"] == each]
        counts = {(row["month"], row["state"]): row["people"] for row in part.to_dict("records")}
        series = {
            STATES[name]: [float(counts.get((month, name), 0)) for month in months]
            for name in names
            if any((month, name) in counts for month in months)
        }
        said.append(page.heading(f"Type {each} : états, mois par mois"))
        title = f"Distribution des états du type {each}"
        said.append(page.figure(plots.stacked(title, [str(m) for m in months], series, colours)))
        mean = {name: sum(values) / max(1, int(part["people"].sum())) * len(months)
                for name, values in series.items()}  # fmt: skip
        longest = sorted(mean.items(), key=lambda item: -item[1])[:3]
        said.append(
            page.text(
                "Mois passés en moyenne : "
                + " ; ".join(f"{name} {plots.number(value, 2)}" for name, value in longest)
                + "."
            )
        )
    return said


def _words(medoid: str | None) -> str | None:
    if medoid is None:
        return None
    runs = (run.rsplit(" ", 1) for run in medoid.split(", "))
    return ", ".join(f"{STATES[state]} {months}" for state, months in runs)


def _map(found: Typology) -> list[page.Block]:
    steps = found.tables["step"].to_dict("records")
    said = [page.heading("Carte des enchaînements")]
    if not steps:
        return [
            *said,
            page.note(f"Aucun enchaînement n'a {SHOWN} cas : pas de carte."),
        ]
    people: dict[str, float] = {}
    links = []
    for row in steps:
        start, end = ACTIVITIES[str(row["from_activity"])], ACTIVITIES[str(row["to_activity"])]
        cases = float(row["case_count"])
        people[start] = max(people.get(start, 0), cases)
        people[end] = max(people.get(end, 0), cases)
        words = (
            f"{start} puis {end} : {page.cell(int(cases))} personnes, médiane "
            f"{page.cell(float(row['median_days']))} jours, neuf sur dix en "
            f"{page.cell(float(row['p90_days']))}"
        )
        links.append((start, end, cases, words))
    slow = frozenset(
        (ACTIVITIES[str(row["from_activity"])], ACTIVITIES[str(row["to_activity"])])
        for row in steps
        if row["is_bottleneck"]
    )
    svg = plots.flow("Carte des enchaînements du parcours", people, links, slow)
    ranked = sorted(steps, key=lambda row: -float(row["median_days"]))
    return [
        *said,
        page.text(
            "Ce qui suit directement quoi, dans les 180 jours après la référence. L'épaisseur dit "
            "le nombre de personnes, le nombre d'un rond celui de sa flèche la plus empruntée ; "
            "en orange, les attentes du quart le plus lent, au-delà d'une semaine."
        ),
        page.figure(svg),
        page.heading("Attentes les plus longues"),
        page.table(
            ["de", "à", "personnes", "jours, médiane", "jours, neuf sur dix", "goulet"],
            [
                [ACTIVITIES[str(row["from_activity"])], ACTIVITIES[str(row["to_activity"])],
                 int(row["case_count"]), float(row["median_days"]), float(row["p90_days"]),
                 bool(row["is_bottleneck"])]
                for row in ranked[:20]
            ],
        ),
    ]  # fmt: skip
