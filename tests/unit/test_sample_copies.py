"""The counts of copied people, from which the sample that ships is made."""

from __future__ import annotations

import numpy as np

from openchronic_assets.anonymisation.indicator_tables import BANDS, SEXES, Counted
from openchronic_assets.anonymisation.pathway_tables import POINTS, STATES, Pathway
from openchronic_assets.publication.copies import (
    SHARES,
    copied_care,
    copied_pathway,
    copied_table,
    nearest,
)
from openchronic_assets.publication.outlines import CODES

DEPARTMENTS = sorted(CODES)


def test_a_department_counts_the_people_of_those_before_it() -> None:
    rng = np.random.default_rng(4)
    shape = (5, len(SEXES), len(BANDS))
    num, den = rng.integers(0, 9, shape), rng.integers(9, 20, shape)
    mean = Counted(
        "spend", "all", 2020, "mean", "eligible", num, den, num, num * 0, den,
        largest=num * 3, squares=num * 1.5,
    )  # fmt: skip
    found = copied_table(mean, 3)
    for place in range(5):
        of = [place, place - 1, place - 2]
        assert (found.num[place] == num[of].sum(axis=0)).all()
        assert (found.den_people[place] == den[of].sum(axis=0)).all()
        assert found.squares is not None and found.largest is not None
        assert (found.squares[place] == 1.5 * num[of].sum(axis=0)).all()
        assert (found.largest[place] == 3 * num[of].max(axis=0)).all()
    assert (copied_table(mean, 1).num == num).all()


def test_a_pathway_has_as_many_cases_more_in_as_many_departments() -> None:
    places = np.zeros((len(POINTS), len(STATES), 4), np.int64)
    places[:, 2, 1] = 5
    flows = np.zeros((len(POINTS) - 1, len(STATES), len(STATES)), np.int64)
    flows[:, 2, 2] = 5
    found = copied_pathway(Pathway("p", "P", 2020, flows, places), 3)
    assert found.people == 15 and found.places[0, 2].tolist() == [0, 5, 5, 5]


def test_three_departments_are_near_each_and_those_overseas_are_near_each_other() -> None:
    near = [{DEPARTMENTS[other] for other in others} for others in nearest(DEPARTMENTS)]
    of = dict(zip(DEPARTMENTS, near, strict=True))
    assert all(
        len(others) == 3 == max(SHARES) + 1 and code not in others for code, others in of.items()
    )
    assert "2B" in of["2A"] and of["75"] <= {"92", "93", "94"} and of["29"] > {"22", "56"}
    assert of["974"] < {"971", "972", "973", "976"}


def test_copies_are_cared_for_at_home_or_near_it() -> None:
    at = DEPARTMENTS.index
    brittany, near = at("29"), {at(code) for code in ("22", "56")}
    hospitals = {place: (f"{place:03}a", f"{place:03}b") for place in range(len(DEPARTMENTS))}
    rows = [(home, home, finess, 4) for home in hospitals for finess in hospitals[home]]
    rows += [(brittany, at("13"), hospitals[at("13")][1], 7), (brittany, len(DEPARTMENTS), "?", 2)]
    found = copied_care(DEPARTMENTS, 3)(rows)
    assert sum(people for *_, people in found) == 3 * sum(people for *_, people in rows)
    for home, care, finess, people in found:
        if people == 4:  # each at home, in the hospital of the same rank
            assert care == home and finess in hospitals[home]
        elif people == 2:
            assert (care, finess) == (len(DEPARTMENTS), "?")
    second = [row for row in found if row[2].endswith("b") and row[3] == 4]
    assert len(second) == 3 * len(DEPARTMENTS)
    away = {home: (care, finess) for home, care, finess, people in found if people == 7}
    assert set(away) == {brittany, brittany + 1, brittany + 2}
    assert away[brittany][0] in near | set(nearest(DEPARTMENTS)[brittany])
    assert all(care in nearest(DEPARTMENTS)[home] for home, (care, _) in away.items())
    assert all(finess == hospitals[care][1] for care, finess in away.values())
    assert copied_care(DEPARTMENTS, 1)(rows)[: 2 * len(DEPARTMENTS)] == rows[:-2]


def test_where_nobody_is_cared_for_in_a_near_department_the_place_is_not_told() -> None:
    there = [(0, 1, "x", 3), (1, 1, "x", 5)]
    found = copied_care(DEPARTMENTS, 1)(there)
    assert found[1] == (1, 1, "x", 5)
    assert found[0] == (0, len(DEPARTMENTS), "x", 3) and 1 not in nearest(DEPARTMENTS)[0]
