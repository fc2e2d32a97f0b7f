"""Networks of providers: known answers on hand-made graphs, and networkx and scipy beside them."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import duckdb
import networkx as nx  # type: ignore[import-untyped]
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom  # type: ignore[import-untyped]

from openchronic_assets.analytics.network import backbone, communities, measures, projection
from openchronic_assets.analytics.network.projection import Edges, Pairs, pairs_of, shared_patients
from openchronic_assets.errors import UsageError

# Four persons, five providers: 0 meets a, b; 1 meets a, b, c; 2 meets c, d, e; 3 meets d, e.
A, B, C, D, E = range(5)
MET = [(0, A), (0, B), (1, A), (1, B), (1, C), (2, C), (2, D), (2, E), (3, D), (3, E)]


@pytest.fixture
def toy() -> Pairs:
    return pairs_of(*np.array(MET).T)


def drawn(seed: int, persons: int = 300, providers: int = 60, n: int = 2000) -> Pairs:
    rng = np.random.default_rng(seed)
    return pairs_of(rng.integers(persons, size=n), rng.integers(providers, size=n))


def as_dict(edges: Edges) -> dict[tuple[int, int], int]:
    ends = zip(edges.left.tolist(), edges.right.tolist(), strict=True)
    return dict(zip(ends, edges.shared.tolist(), strict=True))


def in_networkx(edges: Edges) -> Any:
    found: Any = nx.Graph()
    found.add_nodes_from(range(edges.nodes))
    found.add_weighted_edges_from((a, b, w) for (a, b), w in as_dict(edges).items())
    return found


def test_shared_patients_of_the_toy_are_those_counted_by_hand(toy: Pairs) -> None:
    assert as_dict(shared_patients(toy, 1)) == {
        (A, B): 2, (A, C): 1, (B, C): 1, (C, D): 1, (C, E): 1, (D, E): 2,
    }  # fmt: skip
    assert as_dict(shared_patients(toy)) == {(A, B): 2, (D, E): 2}


def test_the_product_finds_what_the_sql_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "_WORK", 500)  # many blocks
    pairs = drawn(1)
    connection = duckdb.connect()
    connection.register("pairs", pd.DataFrame({"person": pairs.person, "provider": pairs.provider}))
    for minimum in (1, 2, 5):
        sql = projection.EDGES_SQL.format(pairs="pairs", minimum=minimum)
        rows = connection.execute(sql + "order by 1, 2").fetchall()
        assert [(*ends, w) for ends, w in as_dict(shared_patients(pairs, minimum)).items()] == rows


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 6)), max_size=40))
def test_strength_is_what_persons_met_beside(met: list[tuple[int, int]]) -> None:
    pairs = pairs_of(*np.array(met, np.int64).reshape(-1, 2).T)
    edges = shared_patients(pairs, 1)
    assert (edges.left < edges.right).all()
    beside = np.bincount(pairs.provider, pairs.met[pairs.person] - 1, minlength=pairs.providers)
    assert edges.strength.tolist() == beside.tolist()


def test_repeated_pairs_are_one_and_their_visits_add_up() -> None:
    pairs = pairs_of(np.array([0, 1, 0]), np.array([2, 0, 2]), np.array([3, 1, 4]))
    assert (pairs.person.tolist(), pairs.provider.tolist(), pairs.visits.tolist()) == (
        [0, 1], [2, 0], [7, 1],
    )  # fmt: skip
    with pytest.raises(UsageError, match="one length"):
        pairs_of(np.array([0]), np.array([0, 1]))
    with pytest.raises(UsageError, match="numbered from 0"):
        pairs_of(np.array([-1]), np.array([0]))


def test_persons_over_the_cap_go_first_then_providers_of_few() -> None:
    # Person 0 meets three providers, over a cap of two: provider 2 then keeps nobody else.
    pairs = pairs_of(np.array([0, 0, 0, 1, 2, 1, 3]), np.array([0, 1, 2, 0, 0, 1, 2]))
    kept, left = projection.bounded(pairs, cap=2, fewest=2)
    assert (left.persons_over_cap, left.providers_of_few) == (1, 2)
    assert list(zip(kept.person.tolist(), kept.provider.tolist(), strict=True)) == [(1, 0), (2, 0)]


def test_disparity_of_a_star_is_that_of_its_centre() -> None:
    # Centre 0 with strengths 8, 1, 1: (1 - 8/10)^2 and (1 - 1/10)^2; leaves of one edge say 1.
    edges = Edges(np.array([0, 0, 0]), np.array([1, 2, 3]), np.array([8, 1, 1]), 4)
    assert backbone.disparity(edges) == pytest.approx([0.04, 0.81, 0.81])


def test_the_chance_of_a_tie_is_that_of_scipy() -> None:
    pairs = drawn(2)
    edges = shared_patients(pairs, 1)
    found = backbone.hypergeometric(edges, pairs.patients, pairs.persons)
    expected = hypergeom.sf(
        edges.shared - 1, pairs.persons, pairs.patients[edges.left], pairs.patients[edges.right]
    )
    assert found == pytest.approx(expected, rel=1e-9)
    # Certain, impossible to avoid, and very small ones.
    ends = np.zeros(3, np.int64), np.ones(3, np.int64)
    edges = Edges(ends[0], ends[1], np.array([1, 4, 9]), 2)
    assert backbone.hypergeometric(edges, np.array([9, 10]), 15) == pytest.approx(
        hypergeom.sf(edges.shared - 1, 15, 9, 10), rel=1e-9
    )
    with pytest.raises(UsageError, match="more persons than one of them"):
        backbone.hypergeometric(edges, np.array([3, 10]), 15)


def test_the_strongest_fifth_of_each_provider_stays_with_its_ties() -> None:
    ends = np.zeros(6, np.int64), np.arange(1, 7)
    edges = Edges(ends[0], ends[1], np.array([9, 7, 7, 2, 2, 1]), 7)
    # Of six, two stay; the third shares as many as the second. A leaf keeps its only one.
    hub = backbone.strongest(edges, 0.2)
    assert hub.all()
    triangle = np.array([[0, 1, 9], [0, 2, 5], [1, 2, 1]]).T
    assert backbone.strongest(Edges(triangle[0], triangle[1], triangle[2], 3), 0.5).tolist() == [
        True,
        True,
        False,
    ]


def test_the_backbone_needs_the_threshold_and_a_test() -> None:
    pairs = drawn(3)
    edges = shared_patients(pairs)
    over = edges.shared >= 8
    rare = backbone.hypergeometric(edges, pairs.patients, pairs.persons) < 0.01
    uneven = backbone.disparity(edges) < 0.05
    for rule, test in {
        "none": over, "hypergeometric": rare, "disparity": uneven, "either": rare | uneven,
    }.items():  # fmt: skip
        kept = backbone.backbone(edges, pairs.patients, pairs.persons, rule=rule)
        assert kept.tolist() == (over & test).tolist()
    with pytest.raises(UsageError, match="no rule"):
        backbone.backbone(edges, pairs.patients, pairs.persons, rule="all")


def test_two_cliques_are_two_communities_whatever_the_seed(toy: Pairs) -> None:
    found = communities.communities(shared_patients(toy), seeds=range(5))
    assert found.of.tolist() == [0, 0, -1, 1, 1]
    assert (found.count, found.nmi, found.ari, found.is_stable) == (2, 1.0, 1.0, True)
    assert found.modularity == pytest.approx(0.5)  # half of the edges in each: 1 - 2 (1/2)^2


@pytest.mark.parametrize("method", ["leiden", "louvain"])
def test_modularity_is_that_of_networkx_and_the_same_seed_gives_the_same(method: str) -> None:
    edges = shared_patients(drawn(4))
    found = communities.communities(edges, seeds=range(4), method=method)
    again = communities.communities(edges, seeds=range(4), method=method)
    assert found.of.tolist() == again.of.tolist()
    assert (found.nmi, found.ari) == (again.nmi, again.ari)
    parts = [set(np.flatnonzero(found.of == each).tolist()) for each in range(found.count)]
    graph = in_networkx(edges).subgraph(np.flatnonzero(found.of >= 0).tolist())
    assert found.modularity == pytest.approx(nx.community.modularity(graph, parts))
    assert found.nmi is not None and found.nmi < 1  # a graph without communities: seeds differ


def test_planted_communities_are_found() -> None:
    rng = np.random.default_rng(5)
    home = rng.integers(12, size=8000)
    planted = np.repeat(np.arange(12), 20)
    met: set[tuple[int, int]] = set()
    for person, area in enumerate(home.tolist()):
        for _ in range(rng.integers(2, 6)):
            local = rng.random() < 0.85
            provider = area * 20 + rng.integers(20) if local else rng.integers(240)
            met.add((person, int(provider)))
    pairs = pairs_of(*np.array(sorted(met)).T)
    edges = shared_patients(pairs)
    kept = edges.where(backbone.backbone(edges, pairs.patients, pairs.persons, threshold=2))
    found = communities.communities(kept, seeds=range(5))
    from sklearn.metrics import adjusted_rand_score  # type: ignore[import-untyped]

    linked = found.of >= 0
    assert linked.mean() > 0.95
    assert adjusted_rand_score(planted[linked], found.of[linked]) >= 0.8
    assert found.is_stable


def test_places_are_those_of_networkx() -> None:
    pairs = drawn(6)
    edges = shared_patients(pairs)
    graph = in_networkx(edges)
    of = communities.communities(edges, seeds=[0]).of
    found = measures.places(edges, pairs.patients, of)

    def listed(told: dict[int, float]) -> list[float]:
        return [told[each] for each in range(edges.nodes)]

    assert found.degree.tolist() == [graph.degree(n) for n in range(edges.nodes)]
    assert found.strength.tolist() == [graph.degree(n, "weight") for n in range(edges.nodes)]
    assert found.betweenness == pytest.approx(
        listed(nx.betweenness_centrality(graph, normalized=False))
    )
    assert found.pagerank == pytest.approx(listed(nx.pagerank(graph)), abs=1e-6)
    assert found.core.tolist() == listed(nx.core_number(graph))
    some = found.degree > 1
    assert found.clustering[some] == pytest.approx(np.array(listed(nx.clustering(graph)))[some])
    assert np.isnan(found.clustering[~some]).all()
    assert found.adjusted_degree == pytest.approx(100 * found.degree / pairs.patients)


def test_sampled_betweenness_is_near_the_exact_one(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = drawn(7)
    edges = shared_patients(pairs)
    nobody = np.zeros(edges.nodes, np.int64)
    exact = measures.places(edges, pairs.patients, nobody).betweenness
    monkeypatch.setattr(measures, "EXACT", 1)
    drawn_ = measures.places(edges, pairs.patients, nobody).betweenness
    assert np.corrcoef(exact, drawn_)[0, 1] > 0.98
    assert drawn_.sum() == pytest.approx(exact.sum(), rel=0.05)


def test_participation_is_nothing_inside_one_community() -> None:
    # 1 shares 2 persons with its community and 2 with another: 1 - (1/4 + 1/4).
    edges = Edges(np.array([0, 1, 2]), np.array([1, 2, 3]), np.array([2, 2, 1]), 4)
    found = measures.places(edges, np.full(4, 5), np.array([0, 0, 1, 1])).participation
    assert found == pytest.approx([0, 0.5, 1 - (4 + 1) / 9, 0])


def test_assortativity_is_one_within_kinds_and_as_networkx_says() -> None:
    edges = shared_patients(drawn(8))
    kind = np.random.default_rng(8).integers(3, size=edges.nodes)
    plain = Edges(edges.left, edges.right, np.ones(len(edges), np.int64), edges.nodes)
    graph = in_networkx(plain)
    nx.set_node_attributes(graph, dict(enumerate(kind.tolist())), "kind")
    assert measures.assortativity(plain, kind) == pytest.approx(
        nx.attribute_assortativity_coefficient(graph, "kind")
    )
    inside = edges.where(kind[edges.left] == kind[edges.right])
    assert measures.assortativity(inside, kind) == pytest.approx(1)
    assert measures.assortativity(edges, np.zeros(edges.nodes, np.int64)) is None
    assert measures.assortativity(edges.where(edges.shared < 0), kind) is None


def test_relative_centrality_needs_both_groups() -> None:
    between = np.array([1.0, 3.0, 4.0])
    general = np.array([True, True, False])
    assert measures.relative_centrality(between, general, ~general) == 0.5
    assert measures.relative_centrality(between, general, general & False) is None
    assert measures.relative_centrality(np.zeros(3), general, ~general) is None


def test_care_density_of_the_toy_and_the_person_herself(toy: Pairs) -> None:
    edges = shared_patients(toy)
    # Person 0: pair a-b shared by 2. Person 1: a-b 2, a-c 1, b-c 1. Alike for 2 and 3.
    with_her = measures.care_density(toy, edges, exclude_self=False)
    assert with_her == pytest.approx([2, 4 / 3, 4 / 3, 2])
    assert measures.care_density(toy, edges) == pytest.approx([1, 1 / 3, 1 / 3, 1])


def test_care_density_is_the_sum_over_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "_LOOKED_UP", 100)
    pairs = drawn(9)
    shared = as_dict(shared_patients(pairs, 1))
    found = measures.care_density(pairs, shared_patients(pairs))
    for person in range(pairs.persons):
        theirs = sorted(pairs.provider[pairs.person == person].tolist())
        ties = [shared[pair] - 1 for pair in combinations(theirs, 2)]
        assert found[person] == pytest.approx(np.mean(ties)) if ties else np.isnan(found[person])


def test_fragmentation_counts_visits_outside_the_main_community() -> None:
    pairs = pairs_of(
        np.array([0, 0, 0, 1, 2]), np.array([0, 1, 2, 0, 3]), np.array([3, 1, 1, 2, 9])
    )
    # Providers 0 and 1 are of community 0, 2 of community 1, 3 of none.
    found = measures.fragmentation(pairs, np.array([0, 0, 1, -1]))
    assert found[:2] == pytest.approx([0.2, 0])
    assert np.isnan(found[2])


def test_a_network_without_edges_says_nothing_instead_of_failing() -> None:
    pairs = pairs_of(np.array([0, 1]), np.array([0, 1]))
    edges = shared_patients(pairs)
    found = communities.communities(edges, seeds=[0, 1])
    assert (len(edges), found.count, found.modularity, found.nmi) == (0, 0, None, None)
    told = measures.places(edges, pairs.patients, found.of)
    assert told.degree.tolist() == [0, 0] and np.isnan(told.betweenness).all()
    assert np.isnan(measures.care_density(pairs, edges)).all()
    assert np.isnan(measures.fragmentation(pairs, found.of)).all()
    empty = pairs_of(np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert len(shared_patients(empty)) == 0
