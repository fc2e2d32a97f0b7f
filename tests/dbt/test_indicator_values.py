"""The tables of indicators against a second implementation in plain Python."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import pytest
from model_runner import ModelRunner

from openchronic_assets.indicators import methods

Row = dict[str, Any]
YEAR = 2020
REGIONS = {"29": "53", "35": "53", "13": "93", "unknown": "unknown"}
BANDS = {
    "00-19": (0, 19),
    "20-39": (20, 39),
    "40-64": (40, 64),
    "65-74": (65, 74),
    "75+": (75, 999),
}
GROUPS = [f"{a:02d}-{a + 4:02d}" for a in range(0, 95, 5)] + ["95+", "unknown"]
WEIGHTS = dict(
    zip(
        GROUPS,
        [5000, 5500, 5500, 5500, 6000, 6000, 6500, 7000, 7000, 7000, 7000, 6500, 6000, 5500, 5000,
         4000, 2500, 1500, 800, 200],
        strict=False,
    )
)  # fmt: skip


def indicator(name: str, kind: str, denominator: str = "eligible", **more: Any) -> dict[str, Any]:
    return {
        "indicator_id": name, "version": "1", "family": "adherence", "measure": name, "kind": kind,
        "unit": "", "scale": 1.0, "unit_counted": "person", "is_by_establishment": False,
        "is_direct": kind in ("proportion", "rate"), "is_indirect": kind in ("proportion", "rate"),
        "is_of_own_condition": False, "denominators": [denominator], "conditions": ["all"], **more,
    }  # fmt: skip


CATALOGUE = [
    indicator("share", "proportion", is_by_establishment=True, conditions=["all", "ald", "no_ald"]),
    indicator("adults", "proportion", age_from=18),
    indicator("events", "rate"),
    indicator("stays", "rate", denominators=["consumer_years", "resident_population"]),
    indicator("held", "proportion", denominators=["consumers", "insured_population"],
              conditions=[], is_of_own_condition=True),
    indicator("score", "mean", is_direct=True),
    indicator("amounts", "ratio"),
    indicator("median", "quantile", measure="score", quantile=0.5, is_direct=False),
    indicator("later", "proportion", year_from=2021),
    indicator("rare", "rate", "resident_population"),
    indicator("unseen", "rate", "resident_population", family="on_call"),
]  # fmt: skip


def seeds(catalogue: Iterable[Row] = CATALOGUE) -> dict[str, list[Row]]:
    drop = ("denominators", "conditions")
    return {
        "ref_indicator": [{k: v for k, v in one.items() if k not in drop} for one in catalogue],
        "ref_indicator_condition": [
            {"indicator_id": one["indicator_id"], "measure": one["measure"], "condition": each}
            for one in catalogue
            for each in one["conditions"]
        ],
        "ref_indicator_denominator": [
            {"indicator_id": one["indicator_id"], "measure": one["measure"],
             "denominator_type": each, "is_main": n == 0}
            for one in catalogue
            for n, each in enumerate(one["denominators"])
        ],
    }  # fmt: skip


WHOLE_YEAR = [{"year": YEAR, "has_claims": True, "has_claims_to_end": True}]


def person(name: str, sex: str, age: str, department: str, consumer: bool = True) -> Row:
    return {
        "person_id": name, "year": YEAR, "sex": sex, "age_group": age, "department": department,
        "region": REGIONS[department], "commune": f"{department}001", "is_consumer": consumer,
        "observed_years": 1.0, "population_scope": "exhaustive", "weight": 1.0,
    }  # fmt: skip


def row(name: str, measure: str, num: float, den: float | None, **more: Any) -> Row:
    return {
        "person_id": name, "year": YEAR, "measure": measure, "condition": "all", "unit_id": "",
        "num": num, "den": den, **more,
    }  # fmt: skip


def country(seed: int, size: int = 900) -> tuple[list[Row], list[Row], list[Row]]:
    """Return people, their measures and their conditions, at random."""
    rng = random.Random(seed)
    people, rows, held = [], [], []
    for n in range(size):
        name = f"p{n:04d}"
        sex, age = rng.choice(["1", "2", "2", "unknown"]), rng.choice(GROUPS)
        place = rng.choice(list(REGIONS))
        people.append(person(name, sex, age, place, rng.random() < 0.9))
        held.append({"person_id": name, "year": YEAR,
                     "condition": rng.choice(["ald", "no_ald"])})  # fmt: skip
        if rng.random() < 0.1:
            rows.append(row(name, "share", 0.0, 0.0, excl_code="short"))
        else:
            finess = rng.choice(["A", "B", None])
            rows.append(row(name, "share", float(rng.random() < 0.3), 1.0, finess=finess))
        if age != "unknown" and (age == "95+" or int(age[:2]) >= 15):
            rows.append(row(name, "adults", float(rng.random() < 0.5), 1.0))
        for stay in range(rng.choice([0, 0, 1, 3])):
            rows.append(row(name, "stays", 1.0, None, unit_id=f"s{stay}"))
            rows.append(
                row(name, "events", float(rng.randrange(3)), rng.random(), unit_id=f"s{stay}")
            )
        if rng.random() < 0.2:
            rows.append(row(name, "held", 1.0, None, condition=rng.choice(["ald_08", "ald_30"])))
        rows.append(row(name, "score", round(rng.gauss(10, 3), 4), 1.0))
        rows.append(row(name, "amounts", round(rng.random() * 100, 2), float(rng.randrange(1, 9))))
    return people, rows, held


def residents(rng: random.Random) -> tuple[list[Row], list[Row]]:
    """Return a population file of residents, and one of insured people by scheme."""
    resident, insured = [], []
    for department in ("29", "35", "13"):
        for sex in (1, 2):
            for age in range(0, 100, 5):
                if department == "13" and sex == 1 and age >= 90:
                    continue
                resident.append({"annee": YEAR, "departement": department, "sexe": sex,
                                 "age_min": age, "age_max": age + 4 if age < 95 else None,
                                 "population": rng.randrange(50, 400)})  # fmt: skip
        for scheme in ("RG", "MSA"):
            insured.append({"annee": YEAR, "departement": department, "regime": scheme,
                            "effectif": rng.randrange(900, 2000)})  # fmt: skip
    return resident, insured


def places(of: Row) -> list[tuple[str, str]]:
    return [("country", "FR"), ("region", of["region"]), ("department", of["department"])]


def ages(of: Row, level: str) -> list[str]:
    group = of["age_group"]
    if group == "unknown":
        return ["all", "unknown"]
    first = int(group[:2])
    band = next(name for name, (low, high) in BANDS.items() if low <= first <= high)
    return ["all", band] if level == "department" else ["all", band, group]


def crude(
    people: list[Row], rows: list[Row], measure: str, who: set[str] | None = None
) -> dict[tuple[str, ...], list[Row]]:
    """Return the counted rows of a measure under each place, sex and age."""
    by_name = {one["person_id"]: one for one in people}
    cells: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for each in rows:
        if each["measure"] != measure or (who is not None and each["person_id"] not in who):
            continue
        of = by_name[each["person_id"]]
        for level, code in places(of):
            for sex in ("all", of["sex"]):
                for age in ages(of, level):
                    cells[(level, code, sex, age)].append(each)
    return cells


def told(found: list[Row], name: str, **where: Any) -> dict[tuple[str, ...], Row]:
    where = {"std_method": "none", "condition": "all", **where}
    return {
        (r["geo_level"], r["geo_code"], r["sex"], r["age_group"]): r
        for r in found
        if r["indicator_id"] == name and all(r[k] == v for k, v in where.items())
        and r["geo_level"] != "establishment"
    }  # fmt: skip


def near(found: Any, expected: float | None) -> bool:
    if expected is None or math.isnan(expected):
        return found is None
    return found is not None and math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-12)


@pytest.fixture(scope="module")
def made(model_runner: ModelRunner) -> dict[str, Any]:
    people, rows, held = country(7)
    resident, insured = residents(random.Random(3))
    given = {
        **seeds(), "int_delivered_year": WHOLE_YEAR,
        "int_indicator_person": people, "measure_adherence": rows,
        "int_indicator_condition": held, "open_resident_population": resident,
        "open_insured_population": insured,
        "int_indicator_place": [
            {"person_id": one["person_id"], "year": YEAR, "territory_kind": "epci",
             "territory_code": "T1"} for one in people if one["department"] == "29"
        ],
    }  # fmt: skip
    found = model_runner.run("int_indicator_value", given, year=YEAR)
    return {"people": people, "rows": rows, "held": held, "resident": resident, "found": found,
            "insured": insured, "given": given}  # fmt: skip


@pytest.mark.parametrize(("name", "kind"), [("share", "proportion"), ("events", "rate"),
                                            ("score", "mean"), ("amounts", "ratio")])  # fmt: skip
def test_crude_values_and_intervals_are_those_of_plain_python(
    made: dict[str, Any], name: str, kind: str
) -> None:
    cells = crude(made["people"], made["rows"], name)
    rows = told(made["found"], name)
    rows = {k: r for k, r in rows.items() if not k[0].startswith("territory")}
    assert set(rows) == set(cells) and len(rows) > 50
    for key, r in rows.items():
        units = [each for each in cells[key] if not each.get("excl_code")]
        num, den = sum(u["num"] for u in units), sum(u["den"] for u in units)
        assert r["unit_count"] == len(units)
        assert r["excluded_count"] == len(cells[key]) - len(units)
        assert r["person_count"] == len({u["person_id"] for u in units})
        assert near(r["numerator"], num) and near(r["denominator"], den)
        if not den:
            assert r["value"] is None and r["absence_reason"] is not None
            continue
        if kind == "proportion":
            low, high = (float(each) for each in methods.wilson(num, den))
            value = num / den
        elif kind == "rate":
            low, high = (float(each) / den for each in methods.byar(num))
            value = num / den
        elif kind == "mean":
            value, low, high, *_ = methods.mean([u["num"] for u in units])
        else:
            value, low, high, *_ = methods.ratio(
                [u["num"] for u in units], [u["den"] for u in units]
            )
        assert near(r["value"], value), key
        assert near(r["ci_low"], low) and near(r["ci_high"], high), key


def test_conditions_take_the_people_who_have_them(made: dict[str, Any]) -> None:
    who = {one["person_id"] for one in made["held"] if one["condition"] == "ald"}
    cells = crude(made["people"], made["rows"], "share", who)
    rows = told(made["found"], "share", condition="ald")
    assert set(rows) == set(cells)
    for key, r in rows.items():
        assert near(r["numerator"], sum(each["num"] for each in cells[key]))


def test_a_rate_over_consumers_is_told_by_age_and_one_over_residents_is_not(
    made: dict[str, Any],
) -> None:
    cells = crude(made["people"], made["rows"], "stays")
    rows = told(made["found"], "stays", denominator_type="consumer_years")
    consumers: dict[tuple[str, ...], int] = defaultdict(int)
    for one in made["people"]:
        for level, code in places(one) if one["is_consumer"] else []:
            for sex in ("all", one["sex"]):
                for age in ages(one, level):
                    consumers[(level, code, sex, age)] += 1
    for key, r in rows.items():
        if key[0].startswith("territory"):
            continue
        count = len(cells.get(key, []))
        assert near(r["numerator"], count), key
        if key in consumers:
            assert near(r["denominator"], consumers[key])
            assert near(r["value"], count / consumers[key])
            assert near(r["ci_high"], float(methods.byar(count).high) / consumers[key])
        else:
            assert r["value"] is None and r["absence_reason"] == "no_inhabitants"
    assert set(consumers) <= set(rows)
    over = told(made["found"], "stays", denominator_type="resident_population")
    assert {key[3] for key in over} == {"all"}
    total = sum(r["population"] for r in made["resident"])
    assert near(over["country", "FR", "all", "all"]["denominator"], total)


def test_people_whose_residence_is_unknown_count_in_the_country_and_have_no_rate(
    made: dict[str, Any],
) -> None:
    over = told(made["found"], "stays", denominator_type="resident_population")
    lost = over["department", "unknown", "all", "all"]
    assert lost["numerator"] > 0 and lost["value"] is None
    assert lost["absence_reason"] == "no_inhabitants"


def test_own_conditions_are_measured_against_everybody(made: dict[str, Any]) -> None:
    holders = {r["person_id"] for r in made["rows"] if r.get("condition") == "ald_08"}
    r = told(made["found"], "held", condition="ald_08", denominator_type="consumers")
    r = r["country", "FR", "all", "all"]
    assert r["numerator"] == len(holders)
    assert r["denominator"] == sum(one["is_consumer"] for one in made["people"])
    insured = told(made["found"], "held", condition="ald_08", denominator_type="insured_population")
    assert near(insured["country", "FR", "all", "all"]["denominator"],
                sum(each["effectif"] for each in made["insured"]))  # fmt: skip


def strata(
    made: dict[str, Any], name: str, place: tuple[str, str], sex: str, youngest: int = 0
) -> tuple[list[tuple[str, str]], dict[tuple[str, str], list[float]]]:
    by_name = {one["person_id"]: one for one in made["people"]}
    cells: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for each in made["rows"]:
        of = by_name[each["person_id"]]
        if each["measure"] != name or place not in places(of):
            continue
        if of["sex"] == "unknown" or of["age_group"] == "unknown":
            continue
        if (of["sex"] == sex or sex == "all") and int(of["age_group"][:2]) >= youngest:
            cells[(of["sex"], of["age_group"])][0] += each["num"]
            cells[(of["sex"], of["age_group"])][1] += each["den"]
    return sorted(cells), cells


@pytest.mark.parametrize(("name", "youngest"), [("share", 0), ("adults", 15), ("events", 0)])
def test_standardised_values_are_those_of_plain_python(
    made: dict[str, Any], name: str, youngest: int
) -> None:
    seen = defaultdict(int)
    for r in made["found"]:
        if r["indicator_id"] != name or r["condition"] != "all" or r["std_method"] == "none":
            continue
        if r["geo_level"].startswith("territory"):
            continue
        place = (r["geo_level"], r["geo_code"])
        keys, cells = strata(made, name, place, r["sex"], youngest)
        keys = [k for k in keys if cells[k][1] > 0]
        all_keys, whole = strata(made, name, ("country", "FR"), r["sex"], youngest)
        o = [cells[k][0] for k in keys]
        n = [cells[k][1] for k in keys]
        w = [WEIGHTS[k[1]] for k in keys]
        assert near(r["numerator"], sum(o))
        if r["std_method"] == "direct_esp2013":
            complete = sum(w) >= 0.99 * sum(WEIGHTS[k[1]] for k in all_keys if whole[k][1] > 0)
            if sum(o) < 10:
                assert (r["value"], r["absence_reason"]) == (None, "fewer_than_10_events")
            elif not complete:
                assert (r["value"], r["absence_reason"]) == (None, "stratum_without_denominator")
            else:
                expected = methods.direct(o, n, w)
                assert near(r["value"], expected.value)
                assert near(r["ci_low"], expected.low) and near(r["ci_high"], expected.high)
                seen["direct"] += 1
        else:
            expected_count = sum(cells[k][1] * whole[k][0] / whole[k][1] for k in keys)
            assert near(r["expected"], expected_count)
            ratio = methods.indirect(sum(o), expected_count)
            assert near(r["value"], ratio.value) and near(r["ci_high"], ratio.high)
            seen["indirect"] += 1
    assert seen["direct"] >= 3 and seen["indirect"] >= 9


def test_the_country_is_as_expected_of_itself(made: dict[str, Any]) -> None:
    rows = [r for r in made["found"] if r["std_method"] == "indirect_country"
            and r["geo_level"] == "country"]  # fmt: skip
    assert len(rows) > 5
    assert all(r["value"] is None or math.isclose(r["value"], 1, rel_tol=1e-9) for r in rows)


def test_a_quantile_is_that_of_the_units(made: dict[str, Any]) -> None:
    rows = told(made["found"], "median")
    cells = crude(made["people"], made["rows"], "score")
    assert ("country", "FR", "2", "all") in rows and ("department", "29", "all", "all") in rows
    for key, r in rows.items():
        expected = methods.quantile([u["num"] for u in cells[key]], 0.5)
        assert near(r["value"], expected.value)
        assert near(r["ci_low"], expected.low) and near(r["ci_high"], expected.high)


def test_an_establishment_is_told_where_asked_for(made: dict[str, Any]) -> None:
    rows = {r["geo_code"]: r for r in made["found"] if r["geo_level"] == "establishment"}
    assert set(rows) == {"A", "B"} and {r["indicator_id"] for r in rows.values()} == {"share"}
    units = [r for r in made["rows"] if r["measure"] == "share" and r.get("finess") == "A"]
    assert rows["A"]["unit_count"] == len(units)


def test_a_territory_of_the_users_is_told(made: dict[str, Any]) -> None:
    rows = [r for r in made["found"] if r["geo_level"] == "territory:epci"]
    share = [r for r in rows if r["indicator_id"] == "share" and r["std_method"] == "none"
             and r["condition"] == "all" and r["sex"] == "all"]  # fmt: skip
    department = told(made["found"], "share")["department", "29", "all", "all"]
    assert [(r["geo_code"], r["numerator"]) for r in share] == [("T1", department["numerator"])]
    over = [r for r in rows if r["denominator_type"] == "resident_population"
            and r["std_method"] == "none"]  # fmt: skip
    assert over and all(r["absence_reason"] == "no_inhabitants" for r in over)


def test_no_case_in_a_family_that_was_examined_is_a_true_zero(made: dict[str, Any]) -> None:
    rows = [r for r in made["found"] if r["indicator_id"] == "rare" and r["geo_level"] == "country"]
    crude = [r for r in rows if r["std_method"] == "none"]
    assert crude and all((r["value"], r["ci_low"], r["numerator"]) == (0, 0, 0) for r in crude)
    assert all(r["ci_high"] > 0 for r in crude)


def test_what_cannot_be_said_is_a_row_with_its_reason(
    made: dict[str, Any], model_runner: ModelRunner
) -> None:
    (later,) = [r for r in made["found"] if r["indicator_id"] == "later"]
    assert (later["value"], later["absence_reason"]) == (None, "not_defined_in_year")
    (unseen,) = [r for r in made["found"] if r["indicator_id"] == "unseen"]
    assert (unseen["value"], unseen["absence_reason"]) == (None, "no_unit_examined")
    given = {**made["given"], "open_resident_population": [],
             "measure_adherence": [row("p0001", "share", 0.0, 0.0, excl_code="short"),
                                   row("p0001", "stays", 1.0, None, unit_id="s")]}  # fmt: skip
    found = model_runner.run("int_indicator_value", given, year=YEAR)
    (all_out,) = told(found, "share").values() if len(told(found, "share")) == 1 else [
        told(found, "share")["country", "FR", "all", "all"]
    ]  # fmt: skip
    assert (all_out["value"], all_out["absence_reason"]) == (None, "all_excluded")
    over = told(found, "stays", denominator_type="resident_population")
    assert [r["absence_reason"] for r in over.values()] == ["population_file_missing"]


def test_a_year_not_delivered_to_its_end_has_no_rate_over_a_population(
    made: dict[str, Any], model_runner: ModelRunner
) -> None:
    for delivered in ([], [{"year": YEAR, "has_claims": True, "has_claims_to_end": False}]):
        given = {**made["given"], "int_delivered_year": delivered}
        found = model_runner.run("int_indicator_value", given, year=YEAR)
        (row,) = [r for r in found if r["indicator_id"] == "stays"
                  and r["denominator_type"] == "consumer_years"]  # fmt: skip
        assert (row["value"], row["absence_reason"]) == (None, "year_not_delivered_to_its_end")
        assert told(found, "share") == told(made["found"], "share")


def test_more_cases_than_inhabitants_is_no_proportion(model_runner: ModelRunner) -> None:
    people = [person(f"p{n}", "1", "40-44", "29") for n in range(3)]
    rows = [row(one["person_id"], "held", 1.0, None, condition="ald_08") for one in people]
    given = {
        **seeds(), "int_delivered_year": WHOLE_YEAR,
        "int_indicator_person": people, "measure_adherence": rows,
        "open_insured_population": [
            {"annee": YEAR, "departement": "29", "regime": "RG", "effectif": 2}
        ],
    }  # fmt: skip
    found = model_runner.run("int_indicator_value", given, year=YEAR)
    r = told(found, "held", condition="ald_08", denominator_type="insured_population")
    r = r["department", "29", "all", "all"]
    assert (r["value"], r["absence_reason"]) == (None, "numerator_above_population")


def test_neither_order_nor_another_persons_place_changes_a_cell(
    made: dict[str, Any], model_runner: ModelRunner
) -> None:
    rng = random.Random(1)
    given = dict(made["given"])
    for name in ("int_indicator_person", "measure_adherence", "int_indicator_condition"):
        given[name] = rng.sample(given[name], len(given[name]))
    assert model_runner.run("int_indicator_value", given, year=YEAR) == made["found"]
    added = {**made["given"]}
    added["int_indicator_person"] = [*made["people"], person("new", "2", "40-44", "13")]
    added["measure_adherence"] = [*made["rows"], row("new", "share", 1.0, 1.0)]
    after = model_runner.run("int_indicator_value", added, year=YEAR)
    before, later = told(made["found"], "share"), told(after, "share")
    changed = {key for key in later if later[key] != before.get(key)}
    mine = {("country", "FR"), ("region", "93"), ("department", "13")}
    assert changed and {key[:2] for key in changed} == mine
    assert {key[2] for key in changed} == {"all", "2"}
    assert {key[3] for key in changed} == {"all", "40-64", "40-44"}


@pytest.mark.parametrize(("scheme", "sex", "ages", "expected"), [
    (["RG", "TOUS"], [None], [(None, None)], 100),  # all schemes together, not beside their parts
    (["RG", "MSA"], [None], [(None, None)], 200),
    (["RG"], [None, 1, 2], [(None, None)], 200),  # both sexes beside the total
    (["RG"], [1], [(None, None), (0, 4), (5, 9)], 200),
])  # fmt: skip
def test_totals_beside_their_parts_are_read_once(
    model_runner: ModelRunner, scheme: list[str], sex: list[Any], ages: list[Any], expected: int
) -> None:
    rows = [
        {"annee": YEAR, "departement": "29", "regime": s, "sexe": x, "age_min": a, "age_max": b,
         "effectif": 100}
        for s in scheme for x in sex for a, b in ages
    ]  # fmt: skip
    found = model_runner.run(
        "int_indicator_population", {**seeds(), "open_insured_population": rows}, year=YEAR
    )
    assert sum(r["population"] for r in found) == expected


def test_a_class_of_age_that_is_no_five_year_group_counts_in_totals_only(
    model_runner: ModelRunner,
) -> None:
    rows = [
        {
            "annee": YEAR,
            "departement": "29",
            "sexe": 1,
            "age_min": a,
            "age_max": b,
            "population": 10,
        }
        for a, b in ((0, 0), (1, 4), (5, 14), (90, None), (95, None), (97, 97))
    ]
    found = model_runner.run(
        "int_indicator_population", {**seeds(), "open_resident_population": rows}, year=YEAR
    )
    assert {r["age_group"]: int(r["population"]) for r in found} == {
        "00-04": 20, "unknown": 20, "95+": 20,
    }  # fmt: skip


@pytest.mark.parametrize(("year", "state"), [(2020, "semi-final"), (2021, "provisional"),
                                             (2018, "final"), (2019, "semi-final")])  # fmt: skip
def test_a_year_says_how_far_its_data_are(model_runner: ModelRunner, year: int, state: str) -> None:
    given = {
        **seeds(),
        "int_indicator_value": [
            {"indicator_id": "share", "year": year, "condition": "all", "geo_level": "country",
             "geo_code": "FR", "sex": "all", "age_group": "all", "denominator_type": "eligible",
             "std_method": "none", "unit_count": 10, "person_count": 10, "excluded_count": 0,
             "numerator": 5.0, "denominator": 10.0, "value": 0.5}
        ],
    }  # fmt: skip
    (found,) = model_runner.run("indicator", given, year=year)
    assert (found["data_state"], found["flux_cutoff"]) == (state, "2021-06")
