from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openchronic_assets.anonymisation import risk
from openchronic_assets.anonymisation.battery import (
    Distance,
    battery,
    measure_sensitive,
    population_uniqueness,
)
from openchronic_assets.anonymisation.criteria import Classes, criteria, failing
from openchronic_assets.anonymisation.hierarchies import Hierarchy, read_hierarchy
from openchronic_assets.anonymisation.microdata import read_table
from openchronic_assets.errors import OpenChronicError, UsageError

DISEASES = Hierarchy(
    "value",
    ("0", "1", "2", "3"),
    (
        ("flu", "infection", "chest", "*"),
        ("cough", "infection", "chest", "*"),
        ("clot", "vessel", "chest", "*"),
        ("ulcer", "stomach", "belly", "*"),
        ("colitis", "colon", "belly", "*"),
    ),
)


# The oracle: each definition on lists of values, with fractions.


def shares(values: Sequence[Any]) -> dict[Any, Fraction]:
    return {value: Fraction(n, len(values)) for value, n in Counter(values).items()}


def equal(p: dict[Any, Fraction], q: dict[Any, Fraction], order: list[Any]) -> Fraction:
    return sum((abs(p.get(v, Fraction(0)) - q.get(v, Fraction(0))) for v in order), Fraction(0)) / 2


def ordered(p: dict[Any, Fraction], q: dict[Any, Fraction], order: list[Any]) -> Fraction:
    total, run = Fraction(0), Fraction(0)
    for value in order:
        run += p.get(value, Fraction(0)) - q.get(value, Fraction(0))
        total += abs(run)
    return total / max(1, len(order) - 1)


def hierarchical(p: dict[Any, Fraction], q: dict[Any, Fraction], order: list[Any]) -> Fraction:
    """Each unit of mass moves within the lowest node that can take it."""
    rows = {row[0]: row for row in DISEASES.rows}
    height = DISEASES.height - 1
    extra = {(0, v): p.get(v, Fraction(0)) - q.get(v, Fraction(0)) for v in order}
    total = Fraction(0)
    for level in range(1, height + 1):
        children: dict[str, list[Fraction]] = defaultdict(list)
        parent = {rows[v][level - 1]: rows[v][level] for v in order}
        for child, node in parent.items():
            children[node].append(extra[level - 1, child])
        for node, parts in children.items():
            up = sum((x for x in parts if x > 0), Fraction(0))
            down = -sum((x for x in parts if x < 0), Fraction(0))
            total += Fraction(level, height) * min(up, down)
            extra[level, node] = up - down
    return total


def naive(groups: list[list[str]], distance: str) -> dict[str, Any]:
    everybody = [value for group in groups for value in group]
    q = shares(everybody)
    order = sorted(q)
    far = {"equal": equal, "ordered": ordered, "hierarchical": hierarchical}[distance]
    ps = [shares(group) for group in groups]
    least = min(len(p) for p in ps)
    counts = [sorted(Counter(group).values(), reverse=True) for group in groups]
    gains = [float(p[v] / q[v] - 1) for p in ps for v in p]
    return {
        "l": least,
        "entropy_l": min(math.prod(float(x) ** -float(x) for x in p.values()) for p in ps),
        "recursive_c": max(c[0] / sum(c[least - 1 :]) for c in counts),
        "alpha": max(float(max(p.values())) for p in ps),
        "t": float(max(far(p, q, order) for p in ps)),
        "delta": max(abs(math.log(p[v] / q[v])) for p in ps for v in p),
        "beta": max(0.0, *gains),
    }


GROUPS = st.lists(
    st.lists(st.sampled_from([row[0] for row in DISEASES.rows]), min_size=1, max_size=8),
    min_size=1,
    max_size=6,
)


def as_table(groups: list[list[str]]) -> pa.Table:
    return pa.table(
        {
            "class": [str(i) for i, group in enumerate(groups) for _ in group],
            "value": [value for group in groups for value in group],
        }
    )


@settings(max_examples=60, deadline=None)
@given(groups=GROUPS, kind=st.sampled_from(["equal", "ordered", "hierarchical"]))
def test_every_metric_is_its_definition(groups: list[list[str]], kind: str) -> None:
    # Without leaves' order, the order is that of the text, as in the oracle.
    tree = DISEASES if kind == "hierarchical" else None
    found = battery(read_table(as_table(groups)), ["class"], {"value": Distance(kind, tree)})
    sizes = [len(group) for group in groups]
    assert (found["k"], found["classes"], found["rows"]) == (min(sizes), len(sizes), sum(sizes))
    assert found["discernibility"] == sum(size * size for size in sizes)
    assert found["sample_uniques"] == sizes.count(1)
    assert found["prosecutor"] == {"max": 1 / min(sizes), "average": len(sizes) / sum(sizes)}
    assert found["class_size"] == pytest.approx(sum(sizes) / len(sizes) / min(sizes))
    figures = found["sensitive"]["value"]
    for name, value in naive(groups, kind).items():
        assert figures[name] == pytest.approx(value, abs=1e-12), name


def entries(groups: list[list[str]], kind: str = "equal") -> Classes:
    order = sorted({value for group in groups for value in group})
    starts, codes, counts = [], [], []
    for group in groups:
        starts.append(len(codes))
        for value, count in sorted(Counter(group).items()):
            codes.append(order.index(value))
            counts.append(count)
    totals = Counter(value for group in groups for value in group)
    return Classes(
        np.array(starts),
        np.array(codes),
        np.array(counts),
        np.array([totals[value] for value in order]),
        kind,
    )


@settings(max_examples=60, deadline=None)
@given(
    groups=GROUPS,
    l_kind=st.sampled_from(["distinct", "entropy", "recursive"]),
    bound=st.sampled_from(["1", "2", "3"]),
    c=st.sampled_from(["1/2", "1", "2"]),
    share=st.sampled_from(["0.1", "0.25", "1/3", "0.5", "1"]),
)
def test_a_class_on_the_threshold_passes_and_one_above_does_not(
    groups: list[list[str]], l_kind: str, bound: str, c: str, share: str
) -> None:
    everybody = shares([value for group in groups for value in group])
    order = sorted(everybody)
    classes = entries(groups)
    limit = Fraction(share)
    asked = criteria(1, l=bound, l_kind=l_kind, c=c)
    for group, bad in zip(groups, failing(asked, classes).tolist(), strict=True):
        counts = sorted(Counter(group).values(), reverse=True)
        if l_kind == "distinct":
            expected = len(counts) < int(bound)
        elif l_kind == "entropy":
            n = len(group)
            # exp(entropy) < l, in whole numbers.
            expected = n**n < int(bound) ** n * math.prod(x**x for x in counts)
        else:
            expected = not counts[0] < Fraction(c) * sum(counts[int(bound) - 1 :])
        assert bad == expected
    by_t = failing(criteria(1, t=share), classes).tolist()
    by_alpha = failing(criteria(1, alpha=share), classes).tolist()
    by_beta = failing(criteria(1, beta=share), classes).tolist()
    for group, far, often, gain in zip(groups, by_t, by_alpha, by_beta, strict=True):
        p = shares(group)
        assert far == (equal(p, everybody, order) > limit)
        assert often == (max(p.values()) > limit)
        assert gain == any(p[v] / everybody[v] - 1 > limit for v in p)


def test_enhanced_beta_bounds_the_gain_by_the_rarity() -> None:
    # p(a) = 1/4, q(a) = 1: gain 3, above -ln(1/4) = 1.386 whatever beta.
    groups = [["a", "a"], ["b", "b", "b", "c", "c", "c"]]
    assert failing(criteria(1, beta=3), entries(groups)).tolist() == [False, False]
    assert failing(criteria(1, beta=3, enhanced=True), entries(groups)).tolist() == [True, False]
    assert measure_sensitive(entries(groups))["enhanced_beta"] is None


@pytest.mark.parametrize(
    "asked",
    [
        {"k": 0},
        {"k": -3},
        {"k": 2, "t": "1.2"},
        {"k": 2, "t": -0.1},
        {"k": 2, "l": 0},
        {"k": 2, "l": "2.5"},
        {"k": 2, "l": 2, "l_kind": "recursive"},
        {"k": 2, "l": 2, "l_kind": "shannon"},
        {"k": 2, "alpha": 2},
        {"k": 2, "beta": -1},
        {"k": 2, "t": "nan"},
        {"k": 2, "t": "much"},
        {"k": 2, "delta": float("inf")},
    ],
)
def test_a_threshold_out_of_range_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        criteria(**asked)


# Tables printed in the papers, written here again.

FOUR_ANONYMOUS = [
    ["heart", "heart", "viral", "viral"],
    ["cancer", "heart", "viral", "viral"],
    ["cancer"] * 4,
]
THREE_DIVERSE = [
    ["heart", "viral", "cancer", "cancer"],
    ["cancer", "heart", "viral", "viral"],
    ["heart", "viral", "cancer", "cancer"],
]


def test_the_tables_of_machanavajjhala_2007() -> None:
    four = measure_sensitive(entries(FOUR_ANONYMOUS))
    assert (four["l"], four["t"]) == (1, 7 / 12)
    assert four["beta"] == pytest.approx(1.4, abs=1e-15)
    three = measure_sensitive(entries(THREE_DIVERSE))
    assert (three["l"], three["alpha"], three["recursive_c"]) == (3, 0.5, 2.0)
    assert three["entropy_l"] == pytest.approx(2**1.5, abs=1e-14)
    assert three["t"] == 1 / 6
    assert three["delta"] == pytest.approx(math.log(5 / 3), abs=1e-15)
    assert three["beta"] == pytest.approx(0.5, abs=1e-15)
    # c must be strictly above 2.
    assert failing(criteria(4, l=3, l_kind="recursive", c=2), entries(THREE_DIVERSE)).all()
    assert not failing(
        criteria(4, l=3, l_kind="recursive", c="2.001"), entries(THREE_DIVERSE)
    ).any()


def test_the_salaries_of_li_2007_are_at_the_printed_distances() -> None:
    def salaries(*groups: list[int]) -> pa.Table:
        return as_table([[str(value) for value in group] for group in groups])

    found = risk(
        salaries([3, 4, 5], [6, 11, 8], [7, 9, 10]),
        ["class"],
        sensitive=["value"],
        distance="ordered",
    )
    assert (found["t"], found["l"], found["k"]) == (3 / 8, 3, 3)
    # Numbers are ordered by size: 11 comes after 3 .. 10, not between 10 and 3.
    found = risk(
        salaries([3, 5, 9], [6, 11, 8], [4, 7, 10]),
        ["class"],
        sensitive=["value"],
        distance="ordered",
    )
    assert found["t"] == 1 / 6


@pytest.mark.conformance
@pytest.mark.parametrize(
    ("name", "quasi", "sensitive", "distance", "expected"),
    [
        (
            "sweeney2002_fig2_k2",
            "race birth gender zip",
            "problem",
            "equal",
            {"k": 2, "l": 1, "alpha": 1, "t": 9 / 11, "delta": math.log(5.5), "beta": 4.5},
        ),
        (
            "machanavajjhala2007_4anon",
            "zip age nationality",
            "condition",
            "equal",
            {"k": 4, "l": 1, "t": 7 / 12, "beta": 1.4},
        ),
        (
            "machanavajjhala2007_3div",
            "zip age nationality",
            "condition",
            "equal",
            {
                "k": 4, "l": 3, "entropy_l": 2**1.5, "recursive_c": 2, "alpha": 0.5, "t": 1 / 6,
                "delta": math.log(5 / 3), "beta": 0.5,
            },
        ),
        ("li2007_table4_3div", "zip age", "salary", "ordered", {"k": 3, "l": 3, "t": 3 / 8}),
        ("li2007_table4_3div", "zip age", "disease", "equal", {"t": 4 / 9}),
        ("li2007_table4_3div", "zip age", "disease", "hierarchical", {"t": 4 / 9}),
        ("li2007_table5_tclose", "zip age", "salary", "ordered", {"t": 1 / 6}),
        ("li2007_table5_tclose", "zip age", "disease", "equal", {"t": 5 / 9}),
        ("li2007_table5_tclose", "zip age", "disease", "hierarchical", {"t": 8 / 27}),
    ],
)  # fmt: skip
def test_the_published_tables_have_their_published_figures(
    conformance_data: Path,
    name: str,
    quasi: str,
    sensitive: str,
    distance: str,
    expected: dict[str, float],
) -> None:
    folder = conformance_data / "textbook"
    tree = read_hierarchy(folder / "li2007_disease_hierarchy.csv", "disease")
    found = risk(
        folder / f"{name}.csv",
        quasi.split(),
        sensitive=[sensitive],
        distance=distance,
        hierarchies={"disease": tree},
    )
    for metric, value in expected.items():
        assert found[metric] == pytest.approx(value, abs=1e-15), metric


def test_a_null_is_a_value_of_its_own() -> None:
    table = pa.table({"q": ["a", "a", None, None, ""], "s": ["x", None, "x", None, "x"]})
    found = risk(table, ["q"], sensitive=["s"])
    # The empty text is a missing value like NULL; neither is taken for "a".
    assert (found["classes"], found["k"], found["l"]) == (2, 2, 2)


def test_the_journalist_counts_in_the_population() -> None:
    table = pa.table({"q": ["a", "a", "b"]})
    people = pa.table({"q": ["a", "b"], "n": [10, 4]})
    found = risk(table, ["q"], population=people, population_count="n")
    assert found["journalist"] == {"max": 1 / 4, "average": pytest.approx((2 / 10 + 1 / 4) / 3)}
    assert found["marketer"] == pytest.approx((2 / 10 + 1 / 4) / 3)
    assert found["prosecutor"]["max"] == 1
    with pytest.raises(OpenChronicError, match="1 classes"):
        risk(table, ["q"], population=pa.table({"q": ["a", "a"]}))


def test_the_estimate_of_uniques_is_near_the_truth_of_a_simulated_population() -> None:
    draw = np.random.default_rng(3)
    for weight in (0.9, 1.4):
        p = 1 / np.arange(1, 20_001) ** weight
        people = draw.choice(20_000, 60_000, p=p / p.sum())
        sizes = np.bincount(people)
        for fraction in (0.05, 0.3):
            sample = people[draw.random(len(people)) < fraction]
            truth = float(np.mean(sizes[sample] == 1))
            counts = np.bincount(sample)
            estimate = population_uniqueness(Counter(counts[counts > 0].tolist()), fraction)
            assert truth / 4 - 0.01 < estimate["estimate"] < 4 * truth + 0.02
    whole = population_uniqueness({1: 3, 2: 1}, 1)
    assert whole["estimate"] == 3 / 5
    with pytest.raises(UsageError):
        population_uniqueness({1: 3}, 0)
