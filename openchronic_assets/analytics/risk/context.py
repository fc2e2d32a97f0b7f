"""How frequent an ALD is among people of the same age and sex, where they live, on the day.

A hundred new cases tell little of how a risk rises with age or differs between departments; the
thousands who already have the ALD tell more, and theirs is known on the day of prediction. Per
10,000 people observed that day: the rate at these ages (three years on each side), drawn to that of
all by ``PRIOR_PEOPLE``, times what the department has over what its ages and sexes would have,
drawn to 1 by ``PRIOR_CASES``. It is made from counts alone, so the same data give the same numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from openchronic_assets.analytics.risk.study import ALD_GROUPS, ANY, outcome_of

if TYPE_CHECKING:
    import duckdb

Floats = npt.NDArray[np.float64]

PER = 10_000
AROUND = 3  # years of age on each side
OLDEST = 110
PRIOR_PEOPLE, PRIOR_CASES = 10.0, 20.0
FAMILY = "Fréquence de l'ALD (âge, sexe, département)"
NAMES = {ANY: "frequency_any"} | {
    outcome_of(number): f"frequency_{outcome_of(number)}" for number in ALD_GROUPS
}
"""The feature of each outcome."""


def others(outcome: str) -> frozenset[str]:
    """Return the features that tell of other outcomes: a model of this one does without them."""
    return frozenset(NAMES.values()) - {NAMES.get(outcome, "")}


def frequencies(
    connection: duckdb.DuckDBPyConnection, exempted: str, told: str
) -> dict[str, Floats]:
    """Return each feature of the people of ``told``.

    Args:
        connection: with table ``subject``, all people observed on each day.
        exempted: query of the ALD in force of ``subject``: place (in its order), ald_num.
        told: query of the people that are asked for: place in ``subject``, in the order wanted.
    """
    people = connection.execute(
        """
        select dense_rank() over (order by landmark) - 1 as day, (sex = '2')::integer as woman,
            least(greatest(age, 0), ?) as age,
            dense_rank() over (order by coalesce(department, '')) - 1 as department
        from subject order by subject
        """,
        [OLDEST],
    ).fetchnumpy()
    day, woman, age, department = (
        np.asarray(people[name], np.int64) for name in ("day", "woman", "age", "department")
    )
    holders = connection.execute(f"select distinct place, ald_num from ({exempted})").fetchnumpy()
    place, number = (np.asarray(holders[name], np.int64) for name in ("place", "ald_num"))
    asked = np.asarray(connection.execute(told).fetchnumpy()["place"], np.int64)
    found = {}
    for outcome, name in NAMES.items():
        held = np.zeros(len(day), bool)
        which = [n for n in ALD_GROUPS if outcome_of(n) == outcome]
        held[place[np.isin(number, which)] if which else place] = True
        values = np.zeros(len(day))
        for each in range(int(day.max(initial=-1)) + 1):
            rows = np.flatnonzero(day == each)
            values[rows] = _expected(woman[rows], age[rows], department[rows], held[rows])
        found[name] = values[asked]
    return found


def _expected(
    woman: npt.NDArray[np.int64],
    age: npt.NDArray[np.int64],
    department: npt.NDArray[np.int64],
    held: npt.NDArray[np.bool_],
) -> Floats:
    people, cases = np.zeros((2, OLDEST + 1)), np.zeros((2, OLDEST + 1))
    np.add.at(people, (woman, age), 1)
    np.add.at(cases, (woman, age), held)
    window = np.ones(2 * AROUND + 1)
    people, cases = (
        np.array([np.convolve(line, window, "same") for line in counts])
        for counts in (people, cases)
    )
    overall = held.mean()
    rate = (cases + PRIOR_PEOPLE * overall) / (people + PRIOR_PEOPLE)
    usual = rate[woman, age]
    observed = np.bincount(department, held)
    expected = np.bincount(department, usual)
    ratio = (observed + PRIOR_CASES) / (expected + PRIOR_CASES)
    found: Floats = PER * np.minimum(usual * ratio[department], 1.0)
    return found
