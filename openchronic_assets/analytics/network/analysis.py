"""The network of one year, from the catalogue: who works with whom, and what it means for people.

Numbers of the tables that a report shows count eleven people or more and three providers or more;
tables by provider or by person stay in the secure space.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from scipy import sparse  # type: ignore[import-untyped]
from scipy.sparse import csgraph  # type: ignore[import-untyped]

from openchronic_assets import progress
from openchronic_assets.analytics.network import communities as com
from openchronic_assets.analytics.network import measures, territory
from openchronic_assets.analytics.network.backbone import THRESHOLD, backbone
from openchronic_assets.analytics.network.projection import (
    CAP,
    FEWEST,
    Edges,
    Left,
    Pairs,
    bounded,
    pairs_of,
    shared_patients,
)
from openchronic_assets.errors import UsageError

SHOWN = 11
"""Fewest people behind a number that is shown."""

SHOWN_PROVIDERS = 3
"""Fewest providers behind a number that is shown: with two, each knows the other's."""

# Not clinicians whom patients choose to be followed by: hubs that tie everybody [A].
HUBS = {2: "anesthésie", 6: "radiologie"}

_PAIRS = """
with kept as (
    select c.person_id, c.provider_type, c.provider_id, c.visit_count
    from provider_contact as c
    where c.year = $year
),
person as (
    select person_id, row_number() over (order by person_id) - 1 as number
    from (select distinct person_id from kept)
),
provider as (
    select
        provider_type, provider_id,
        row_number() over (order by provider_type, provider_id) - 1 as number
    from (select distinct provider_type, provider_id from kept)
)
select person.number as person, provider.number as provider, kept.visit_count as visits
from kept
inner join person on kept.person_id = person.person_id
inner join provider
    on kept.provider_type = provider.provider_type and kept.provider_id = provider.provider_id
order by person, provider
"""

_PROVIDERS = """
select
    c.provider_type, c.provider_id,
    mode(y.department order by y.department) as department,
    coalesce(bool_or(c.is_general_practitioner), false) as is_general_practitioner,
    any_value(s.specialty) as specialty
from provider_contact as c
left join person_year as y on c.person_id = y.person_id and y.year = $year
left join (
    select performer_id, mode(performer_specialty order by performer_specialty) as specialty
    from care_event
    where year = $year and event_type = 'claim' and performer_id is not null
    group by performer_id
) as s on c.provider_type = 'doctor' and c.provider_id = s.performer_id
where c.year = $year
group by c.provider_type, c.provider_id
order by c.provider_type, c.provider_id
"""


@dataclass(frozen=True)
class Network:
    """The network of a year and what was found in it.

    Attributes:
        year: of the contacts.
        pairs: who met whom, after the rules.
        left: what the rules left out.
        edges: all edges of two persons or more.
        kept: the backbone.
        found: its communities.
        providers: one row a provider, in the order of numbers: individual data.
        persons: one row a person of two providers or more: individual data.
        tables: what a report may show, by name.
        facts: figures of the whole network; None where one cannot be said.
        reasons: why a figure cannot be said.
    """

    year: int
    pairs: Pairs
    left: Left
    edges: Edges
    kept: Edges
    found: com.Communities
    providers: pd.DataFrame
    persons: pd.DataFrame
    tables: dict[str, pd.DataFrame]
    facts: dict[str, Any]
    reasons: dict[str, str]


def analyse(
    connection: duckdb.DuckDBPyConnection,
    year: int,
    *,
    threshold: int = THRESHOLD,
    rule: str = "either",
    method: str = "leiden",
    seeds: int = com.SEEDS,
    resolution: float = 1.0,
    cap: int = CAP,
    fewest: int = FEWEST,
    hubs: bool = False,
) -> Network:
    """Return the network of a year.

    Args:
        connection: to the catalogue.
        year: that was built.
        threshold: fewest persons shared by a tie of the backbone.
        rule: statistical test of the backbone, see ``backbone``.
        method: of communities.
        seeds: partitions compared.
        resolution: of communities.
        cap: persons of more providers are left out.
        fewest: providers of fewer persons are left out.
        hubs: keep anaesthetists and radiologists.

    Raises:
        UsageError: the year was not built, or a parameter is wrong.
    """
    if cap < 2 or fewest < 1 or threshold < 1 or seeds < 1:
        raise UsageError("a cap is at least 2, the other thresholds and seeds at least 1")
    progress.report("network", 0, 4)
    try:
        rows = connection.execute(_PAIRS, {"year": year}).fetchnumpy()
        providers = connection.execute(_PROVIDERS, {"year": year}).df()
    except duckdb.CatalogException as error:
        raise UsageError(
            "the build has no provider_contact: build the year again with openchronic run"
        ) from error
    if not len(rows["person"]):
        raise UsageError(f"nobody met a provider in {year}: was the year built?")
    people = connection.execute(
        "select distinct c.person_id, y.department from provider_contact as c "
        "left join person_year as y on c.person_id = y.person_id and y.year = $year "
        "where c.year = $year order by c.person_id",
        {"year": year},
    ).df()
    person, provider, visits = (
        np.asarray(rows[name], np.int64) for name in ("person", "provider", "visits")
    )
    pairs = pairs_of(person, provider, visits)
    if not hubs:
        hub = providers["specialty"].isin(list(HUBS)).to_numpy(bool)
        on = ~hub[pairs.provider]
        pairs = Pairs(
            pairs.person[on], pairs.provider[on], pairs.visits[on], pairs.persons, pairs.providers
        )
    pairs, left = bounded(pairs, cap=cap, fewest=fewest)
    progress.report("network", 1, 4)
    edges = shared_patients(pairs)
    patients = pairs.patients
    everybody = int((pairs.met > 0).sum())
    kept = edges.where(backbone(edges, patients, everybody, threshold=threshold, rule=rule))
    progress.report("network", 2, 4)
    found = com.communities(kept, seeds=range(seeds), method=method, resolution=resolution)
    progress.report("network", 3, 4)
    at = measures.places(kept, patients, found.of)
    providers = _of_providers(providers, at, found)
    persons = _of_persons(people, pairs, edges, found)
    facts, reasons = _facts(pairs, left, edges, kept, found, providers, at)
    tables = {
        "specialties": _specialties(providers),
        "communities": _communities(providers, pairs, found),
        "departments": _departments(persons),
        **territory.tables(connection, year, SHOWN),
    }
    progress.report("network", 4, 4)
    return Network(
        year, pairs, left, edges, kept, found, providers, persons, tables, facts, reasons
    )


def _of_providers(
    providers: pd.DataFrame, at: measures.Places, found: com.Communities
) -> pd.DataFrame:
    table = providers.copy()
    hospital = table["provider_type"] == "hospital"
    table["group"] = np.select(
        [hospital, table["is_general_practitioner"]], ["hospital", "general_practitioner"],
        "specialist",
    )  # fmt: skip
    table["in_network"] = at.degree > 0
    for name in (
        "patients", "degree", "strength", "adjusted_degree", "clustering", "betweenness",
        "pagerank", "core", "participation",
    ):  # fmt: skip
        table[name] = getattr(at, name)
    table["community"] = pd.array(np.where(found.of >= 0, found.of, -1), dtype="Int64")
    table.loc[found.of < 0, "community"] = pd.NA
    return table


def _of_persons(
    people: pd.DataFrame, pairs: Pairs, edges: Edges, found: com.Communities
) -> pd.DataFrame:
    table = people.iloc[: pairs.persons].copy()
    table["providers"] = pairs.met
    table["care_density"] = measures.care_density(pairs, edges)
    table["fragmentation"] = measures.fragmentation(pairs, found.of)
    return table[table["providers"] >= 2].reset_index(drop=True)


def _facts(
    pairs: Pairs, left: Left, edges: Edges, kept: Edges, found: com.Communities,
    providers: pd.DataFrame, at: measures.Places,
) -> tuple[dict[str, Any], dict[str, str]]:  # fmt: skip
    linked = int((kept.degree > 0).sum())
    facts: dict[str, Any] = {
        "persons": int((pairs.met > 0).sum()),
        "providers": int((pairs.patients > 0).sum()),
        "pairs": len(pairs.person),
        "persons_over_cap": left.persons_over_cap,
        "providers_of_few": left.providers_of_few,
        "edges_of_two": len(edges),
        "edges_kept": len(kept),
        "providers_linked": linked,
        "components": None, "largest_component": None,
        "density": None, "communities": found.count, "modularity": found.modularity,
        "stability_nmi": found.nmi, "stability_ari": found.ari, "is_stable": found.is_stable,
        "relative_centrality": None, "assortativity": None,
        "median_adjusted_degree": None,
    }  # fmt: skip
    reasons: dict[str, str] = {}
    if not len(kept):
        for name, value in facts.items():
            if value is None:
                reasons[name] = "aucun lien ne passe les seuils"
        return facts, reasons
    ends = (kept.shared, (kept.left, kept.right))
    part = csgraph.connected_components(
        sparse.coo_matrix(ends, shape=(kept.nodes, kept.nodes)), directed=False
    )[1]
    sizes = [size for size in np.bincount(part).tolist() if size > 1]
    facts["components"], facts["largest_component"] = len(sizes), max(sizes)
    facts["density"] = 2 * len(kept) / (linked * (linked - 1))
    group = providers["group"].to_numpy(str)
    on = kept.degree > 0
    facts["relative_centrality"] = measures.relative_centrality(
        at.betweenness, on & (group == "general_practitioner"), on & (group == "specialist")
    )
    kinds = np.unique(group, return_inverse=True)[1].ravel()
    facts["assortativity"] = measures.assortativity(kept, kinds)
    facts["median_adjusted_degree"] = float(np.median(at.adjusted_degree[on]))
    for name, why in {
        "stability_nmi": "une seule graine",
        "stability_ari": "une seule graine",
        "is_stable": "une seule graine",
        "relative_centrality": "il faut des généralistes et des spécialistes sur des chemins",
        "assortativity": "tous les professionnels sont d'un même groupe",
    }.items():
        if facts[name] is None:
            reasons[name] = why
    return facts, reasons


def _specialties(providers: pd.DataFrame) -> pd.DataFrame:
    """Return the median place of each group of providers in the network."""
    rows = []
    for group, one in providers[providers["in_network"]].groupby("group", sort=True):
        shown = len(one) >= SHOWN
        medians = {
            name: float(one[name].median()) if shown and one[name].notna().any() else None
            for name in ("patients", "degree", "adjusted_degree", "clustering", "participation")
        }
        rows.append({"group": group, "providers": len(one) if shown else None, **medians})
    return pd.DataFrame(
        rows,
        columns=["group", "providers", "patients", "degree", "adjusted_degree", "clustering",
                 "participation"],
    )  # fmt: skip


def _communities(providers: pd.DataFrame, pairs: Pairs, found: com.Communities) -> pd.DataFrame:
    """Return the communities of enough people and providers; the others together, unnumbered."""
    inside = found.of[pairs.provider] >= 0
    key = np.unique(found.of[pairs.provider[inside]] * pairs.persons + pairs.person[inside])
    persons = np.bincount(key // max(pairs.persons, 1), minlength=found.count)
    rows = []
    for number in range(found.count):
        one = providers[(found.of == number)]
        if persons[number] < SHOWN or len(one) < SHOWN_PROVIDERS:
            continue
        where = one["department"].dropna()
        main = str(where.mode().iloc[0]) if len(where) else None
        rows.append(
            {
                "community": number,
                "providers": len(one),
                "hospitals": int((one["group"] == "hospital").sum()),
                "general_practitioners": int((one["group"] == "general_practitioner").sum()),
                "persons": int(persons[number]),
                "department": main,
                "share_of_department": float((where == main).mean()) if main else None,
            }
        )
    return pd.DataFrame(
        rows,
        columns=["community", "providers", "hospitals", "general_practitioners", "persons",
                 "department", "share_of_department"],
    )  # fmt: skip


def _departments(persons: pd.DataFrame) -> pd.DataFrame:
    """Return care density and fragmentation of the residents of each department."""
    rows = []
    third = persons["care_density"].quantile([1 / 3, 2 / 3]).to_numpy()
    for code, one in persons.dropna(subset=["department"]).groupby("department", sort=True):
        known, split = one["care_density"].dropna(), one["fragmentation"].dropna()
        if len(known) < SHOWN:
            continue
        low = int((known <= third[0]).sum())
        # A share that tells one to ten people, or all but them, is not shown.
        told = low >= SHOWN and len(known) - low >= SHOWN
        rows.append(
            {
                "department": code,
                "persons": len(known),
                "median_care_density": float(known.median()),
                "mean_log_care_density": float(np.log1p(known).mean()),
                "share_in_lowest_third": low / len(known) if told else None,
                "mean_fragmentation": float(split.mean()) if len(split) >= SHOWN else None,
            }
        )
    return pd.DataFrame(
        rows,
        columns=["department", "persons", "median_care_density", "mean_log_care_density",
                 "share_in_lowest_third", "mean_fragmentation"],
    )  # fmt: skip
