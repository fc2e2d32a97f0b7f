"""Comorbidities from facts: both variants and both weights, criterion by criterion."""

from __future__ import annotations

import csv
import datetime as dt
import random
from collections import defaultdict
from typing import Any

import pytest
from model_runner import ModelRunner
from oracle_tools import Row, assert_same

from openchronic_assets.warehouse import project

YEAR = 2020
VARIANTS = {"stays": ("has_", "charlson_"), "adapted": ("adapted_has_", "adapted_charlson_")}


def seed(name: str) -> list[dict[str, str]]:
    path = project.project_dir() / "seeds" / f"{name}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def meets(fact: Row, criterion: dict[str, str]) -> bool:
    """Tell whether a fact is often enough, or in large packs often enough, over days enough."""
    count, large = fact["date_count"], criterion["min_dates_large_pack"]
    often = count >= int(criterion["min_dates"])
    often = often or bool(large and fact["has_large_pack"] and count >= int(large))
    days = (fact["last_date"] - fact["first_date"]).days
    return often and days >= int(criterion["min_span_days"])


@pytest.mark.parametrize("number", [1, 2])
def test_comorbidities_are_what_the_criteria_say_of_the_facts(
    number: int, model_runner: ModelRunner
) -> None:
    chance = random.Random(number)
    criteria, weights = seed("ref_comorbidity_criterion"), seed("ref_comorbidity")
    names = sorted({each["fact"] for each in criteria})
    facts: list[Row] = []
    for place in range(150):
        for name in chance.sample(names, chance.randint(0, 5)):
            first = dt.date(YEAR, 1, 1) + dt.timedelta(chance.randint(0, 200))
            facts.append(
                {
                    "person_id": f"p{place}", "fact": name,
                    "year": chance.choice([YEAR] * 4 + [2019]), "date_count": chance.randint(1, 5),
                    "first_date": first,
                    "last_date": first + dt.timedelta(chance.choice([0, 30, 90, 150])),
                    "has_large_pack": chance.random() < 0.3,
                }
            )  # fmt: skip
    met: dict[tuple[str, str], set[str]] = defaultdict(set)
    for fact in facts:
        for criterion in criteria:
            same = criterion["fact"] == fact["fact"] and fact["year"] == YEAR
            if same and meets(fact, criterion):
                met[fact["person_id"], criterion["variant"]].add(criterion["condition"])
    wanted = []
    for place in range(150):
        row: dict[str, Any] = {"person_id": f"p{place}"}
        for variant, (has, score) in VARIANTS.items():
            own = met[f"p{place}", variant]
            counted = [each for each in weights if each["condition"] in own]
            counted = [each for each in counted if each["beaten_by"] not in own]
            row |= {has + each["condition"]: each["condition"] in own for each in weights}
            for year in ("1987", "2011"):
                row[score + year] = sum(int(each[f"weight_{year}"]) for each in counted)
        wanted.append(row)
    given = {
        "int_pathology_fact": facts,
        "int_consumer": [{"person_id": f"p{place}", "year": YEAR} for place in range(150)],
    }
    assert_same(model_runner.run("person_comorbidity", given, YEAR), wanted)
