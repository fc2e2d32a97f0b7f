"""The marts of Open DAMIR: a plain second reading, planted answers, and files that lack."""

from __future__ import annotations

import csv
import datetime as dt
from collections import defaultdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_runner import ModelRunner, SparkModelRunner, multiset

from openchronic_assets.indicators import damir
from openchronic_assets.warehouse.project import project_dir

Row = dict[str, Any]
YEAR = 2019
MARTS = ["damir_exemption", "damir_density", "damir_question"]
# One department a region is enough, with two for PACA and Corsica and two overseas.
DEPARTMENTS = {"75": 11, "45": 24, "21": 27, "14": 28, "59": 32, "67": 44, "44": 52, "35": 53,
               "33": 75, "31": 76, "69": 84, "13": 93, "2A": 93, "971": 5, "974": 5}  # fmt: skip
INSEE = {"13": "93", "2A": "94", "971": "01", "974": "04"}
REGIONS = sorted(set(DEPARTMENTS.values()))
EXEMPTION = {42: "ald_related", 44: "ald_related", 41: "ald_unrelated", 45: "ald_unrelated",
             55: "maternity", 0: "none", 47: "none", None: "none", 30: "other", 99: "unknown",
             777: "unknown"}  # fmt: skip
GP_NATURES = (1109, 1110, 1111, 1157, 1164, 1191, 1192, 1209, 1210, 1211, 1214)


def rules() -> list[Row]:
    """Return the rules of items as `cost` reads them, best first."""
    path = project_dir() / "seeds" / "ref_cost_item_rule.csv"
    with Path(path).open(encoding="utf-8", newline="") as file:
        listed = list(csv.DictReader(file))
    return sorted(listed, key=lambda r: (int(r["priority"]), int(r["rule_id"])))


RULES = rules()
cents = st.integers(-5_000, 90_000).map(lambda n: n / 100)
lines = st.fixed_dictionaries({
    "flx_ann_moi": st.sampled_from([201903, 201912, 202002]),
    "soi_ann": st.sampled_from([2019, 2019, 2019, 2018, None]),
    "soi_moi": st.sampled_from([1, 2, 11, None]),
    "age_ben_snds": st.sampled_from([0, 20, 80, 99]),
    "ben_sex_cod": st.sampled_from([1, 2, 9]),
    "ben_res_reg": st.sampled_from([11, 5, 93, 99]),
    "exe_ins_reg": st.sampled_from([11, 5, 93, 99]),
    "prs_nat": st.sampled_from([1111, 1111, 1112, 1191, 1098, 2238, 3313, 2111, 1971, None]),
    "asu_nat": st.just(10),
    "exo_mtf": st.sampled_from(list(EXEMPTION)),
    "pse_spe_snds": st.sampled_from([1, 1, 3, 0]),
    "pse_act_snds": st.sampled_from([0, 24]),
    "prs_ppu_sec": st.sampled_from([1, 2, 9]),
    "prs_rem_typ": st.sampled_from([0, 1, 0, 2, 6, None]),
    "prs_pai_mnt": cents, "prs_rem_bse": cents, "prs_rem_mnt": cents, "prs_dep_mnt": cents,
    "prs_act_nbr": st.integers(-2, 9), "prs_act_qte": st.integers(-2, 9),
    "flt_act_nbr": st.integers(-2, 9),
})  # fmt: skip


def population(kind: str, department: str, people: float, age: str = "30-34") -> Row:
    region = INSEE.get(department, str(DEPARTMENTS[department]))
    return {"denominator_type": kind, "year": YEAR, "condition": "all", "place_level": "department",
            "place_kind": "", "place_code": department, "region": region, "sex": "1",
            "age_group": age, "population": people}  # fmt: skip


def professional(department: str, count: int, name: str = "Médecins généralistes") -> Row:
    return {"annee": YEAR, "profession_sante": name, "departement": department,
            "classe_age": "tout_age", "libelle_sexe": "tout sexe", "effectif": count}  # fmt: skip


POPULATIONS = [
    population(kind, department, people, age)
    for kind, scale in (("resident_population", 1), ("insured_population", 2))
    for department, people in (("75", 1000 * scale), ("13", 400 * scale), ("2A", 100 * scale))
    for age in ("00-04", "25-29", "95+")
]
PROFESSIONALS = [
    professional("75", 4), professional("13", 3), professional("2A", 1), professional("971", 2),
    # Totals and parts that must not be added to them.
    professional("999", 50), professional("75", 100, "Ensemble des médecins"),
    professional("75", 3) | {"classe_age": "moins de 40 ans"},
    professional("75", 2) | {"libelle_sexe": "hommes"},
    professional("75", 9) | {"annee": YEAR - 1},
    professional("75", 7, "Spécialité 03"), professional("75", 6, "Spécialité 13"),
]  # fmt: skip


def euros(value: Any) -> Fraction:
    return Fraction(round((value or 0) * 100), 100)


def performer(line: Row) -> str | None:
    if line["pse_act_snds"] == 24:
        return "nurse"
    return {1: "gp", 3: "specialist"}.get(line["pse_spe_snds"])


def item(line: Row) -> str:
    """Return the first rule that holds, read one by one."""
    sector = {1: "public", 2: "private"}.get(line["prs_ppu_sec"])
    for rule in RULES:
        if (
            int(rule["first_prestation"]) <= (line["prs_nat"] or 0) <= int(rule["last_prestation"])
            and rule["performer"] in ("", performer(line))
            and rule["establishment"] in ("", sector)
        ):
            return str(rule["item"])
    return "other_city"


def of_year(line: Row) -> bool:
    if line["soi_ann"]:
        return bool(line["soi_ann"] == YEAR)
    return line["flx_ann_moi"] // 100 - (line["flx_ann_moi"] % 100 == 1) == YEAR


def exemptions(given_lines: list[Row]) -> dict[tuple[Any, ...], list[Any]]:
    """Return lines, spend, base, reimbursed, supplement, overrun, acts and follow-up by cell."""
    kept = [line for line in given_lines if of_year(line)]
    newest = max((line["flx_ann_moi"] for line in kept), default=0)
    cells: dict[tuple[Any, ...], list[Any]] = defaultdict(lambda: [0] + [Fraction(0)] * 6 + [None])
    for line in kept:
        when = None
        if line["soi_ann"] and line["soi_moi"]:
            when = dt.date(line["soi_ann"], line["soi_moi"], 1)
        key = (
            when,
            None if line["ben_res_reg"] == 99 else line["ben_res_reg"],
            EXEMPTION[line["exo_mtf"]],
            item(line),
            None if line["age_ben_snds"] == 99 else line["age_ben_snds"],
            line["ben_sex_cod"] if line["ben_sex_cod"] in (1, 2) else None,
        )
        cell, is_supplement = cells[key], (line["prs_rem_typ"] or 0) >= 2
        cell[0] += 1
        if is_supplement:
            cell[4] += euros(line["prs_rem_mnt"])
        else:
            for place, name in (
                (1, "prs_pai_mnt"), (2, "prs_rem_bse"), (3, "prs_rem_mnt"), (5, "prs_dep_mnt"),
                (6, "prs_act_nbr"),
            ):  # fmt: skip
                cell[place] += euros(line[name])
        if when:
            cell[7] = (newest // 100 - when.year) * 12 + newest % 100 - when.month
    return dict(cells)


def visits(given_lines: list[Row], **where: Any) -> Fraction:
    return sum(
        (
            euros(line["prs_act_nbr"])
            for line in given_lines
            if of_year(line)
            and (line["prs_rem_typ"] or 0) < 2
            and line["prs_nat"] in GP_NATURES
            and line["pse_spe_snds"] == 1
            and all(line[name] == value for name, value in where.items())
        ),
        Fraction(0),
    )


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(given_lines=st.lists(lines, min_size=1, max_size=12))
def test_damir_marts_are_those_of_a_plain_reading(
    given_lines: list[Row], model_runner: ModelRunner
) -> None:
    found = model_runner.run_all(
        MARTS,
        {"open_damir": given_lines, "open_professionals": PROFESSIONALS,
         "int_indicator_population": POPULATIONS},
        YEAR,
    )  # fmt: skip
    wanted = exemptions(given_lines)
    got = {
        tuple(
            r[n] for n in ("care_month", "region", "exemption", "item", "age_code", "sex_code")
        ): r
        for r in found["damir_exemption"]
    }
    assert set(got) == set(wanted)
    for key, (count, spend, base, paid, extra, over, acts, follow_up) in wanted.items():
        row = got[key]
        assert row["line_count"] == count
        assert [Fraction(row[n]) for n in ("spend_amount", "base_amount", "reimbursed_amount",
                                           "supplement_amount", "overrun_amount", "act_count",
                                           "patient_amount", "copayment_amount")] == [
            spend, base, paid, extra, over, acts, spend - paid - extra, base - paid
        ]  # fmt: skip
        assert row["follow_up_months"] == follow_up
        assert row["coverage_rate"] == (
            pytest.approx(float((paid + extra) / spend), rel=1e-9) if spend > 0 else None
        )
        assert row["statutory_rate"] == (
            pytest.approx(float(paid / base), rel=1e-9) if base > 0 else None
        )
    regions = {r["region"]: r for r in found["damir_density"]}
    assert sorted(regions) == REGIONS
    known = {line["ben_res_reg"] for line in given_lines if of_year(line)}
    # Doctors, residents, insured: by hand from the tables above.
    for region, doctors, residents in ((11, 4, 3000), (93, 4, 1500)):
        row = regions[region]
        assert (row["gp_count"], row["resident_count"]) == (doctors, residents)
        assert row["gp_density"] == pytest.approx(1e5 * doctors / residents, rel=1e-12)
        assert row["density_population"] == "resident_population"
        assert row["absent_reason"] == (None if region in known else "no_damir")
        if region not in known:
            assert row["gp_visits"] is row["gp_visits_per_insured"] is None
            continue
        made = visits(given_lines, ben_res_reg=region)
        assert Fraction(row["gp_visits"]) == made
        assert row["gp_visits_per_insured"] == pytest.approx(
            float(made / (2 * residents)), rel=1e-9, abs=1e-12
        )
        # Three age bands of one sex, each a third of the insured in both regions.
        weights = {0: 3000, 20: 3000, 80: 3000}
        by_age = {
            age: visits(given_lines, ben_res_reg=region, age_ben_snds=age, ben_sex_cod=1)
            for age in weights
        }
        standard = sum(by_age.values()) / Fraction(3) / Fraction(2 * residents, 3)
        assert row["gp_visits_per_insured_standardised"] == pytest.approx(
            float(standard), rel=1e-9, abs=1e-12
        )
    assert regions[11]["specialist_count"] == 13
    assert regions[5]["absent_reason"] == ("no_population" if 5 in known else "no_damir")
    assert regions[5]["gp_count"] == 2 and regions[5]["gp_density"] is None


def test_the_worked_example_leaves_thirteen_euros(model_runner: ModelRunner) -> None:
    shared = {"flx_ann_moi": 201903, "soi_ann": YEAR, "soi_moi": 2, "ben_res_reg": 11,
              "exo_mtf": 0, "prs_nat": 1111, "pse_spe_snds": 1, "prs_pai_mnt": 35,
              "prs_rem_bse": 23, "prs_dep_mnt": 12}  # fmt: skip
    made = [
        shared | {"prs_rem_typ": 0, "prs_rem_mnt": 15.10},
        shared | {"prs_rem_typ": 6, "prs_rem_mnt": 6.90},
    ]
    (row,) = model_runner.run("damir_exemption", {"open_damir": made}, YEAR)
    assert [float(row[n]) for n in ("spend_amount", "base_amount", "reimbursed_amount",
                                    "supplement_amount", "patient_amount", "overrun_amount",
                                    "copayment_amount")] == [
        35, 23, 15.10, 6.90, 13.00, 12, 7.90
    ]  # fmt: skip
    assert row["exemption"] == "none" and row["item"] == "gp_fees"
    assert row["statutory_rate"] == pytest.approx(15.10 / 23)


def test_a_code_that_no_rule_knows_is_kept_as_other_care(model_runner: ModelRunner) -> None:
    shared = {"flx_ann_moi": 201903, "soi_ann": YEAR, "soi_moi": 2, "ben_res_reg": 11,
              "exo_mtf": 0, "pse_spe_snds": 1, "prs_rem_typ": 0, "prs_pai_mnt": 35}  # fmt: skip
    unknown = max(int(rule["last_prestation"]) for rule in RULES) + 1
    made = [shared | {"prs_nat": nature} for nature in (1111, unknown, unknown + 1)]
    found = model_runner.run("damir_exemption", {"open_damir": made}, YEAR)
    told = {row["item"]: (row["line_count"], row["spend_amount"]) for row in found}
    assert told == {"gp_fees": (1, 35), "other_city": (2, 70)}


def planted(slope: float) -> dict[str, list[Row]]:
    """Return a country where visits a head are 2 + slope × density, in every region."""
    tables: dict[str, list[Row]] = {
        "open_damir": [], "open_professionals": [], "int_indicator_population": [],
        "open_development_index": [],
    }  # fmt: skip
    for number, region in enumerate(REGIONS):
        places = [d for d, r in DEPARTMENTS.items() if r == region]
        people, doctors = 100_000 * len(places), (60 + 5 * number) * len(places)
        for place in places:
            tables["open_professionals"].append(professional(place, doctors // len(places)))
            tables["int_indicator_population"] += [
                population(kind, place, 100_000)
                for kind in ("resident_population", "insured_population")
            ]
            tables["open_development_index"].append(
                {"annee": YEAR - 1, "niveau": "departement", "territoire": place,
                 "indice": 0.5 + number / 100}
            )  # fmt: skip
        density = 100_000 * doctors / people
        tables["open_damir"].append(
            {"flx_ann_moi": 201912, "soi_ann": YEAR, "soi_moi": 6, "ben_res_reg": region,
             "exe_ins_reg": region, "prs_nat": 1111, "pse_spe_snds": 1, "prs_rem_typ": 0,
             "age_ben_snds": 30, "ben_sex_cod": 1,
             "prs_act_nbr": round(people * (2 + slope * density)),
             "prs_pai_mnt": 300 * people + 7 * number * people}
        )  # fmt: skip
    return tables


def labelled(rows: list[Row], question: str) -> list[Row]:
    return [r | {"label": str(r["region"])} for r in rows if r["question"] == question]


@pytest.mark.parametrize("slope", [0.005, -0.004])
def test_a_planted_slope_is_found_by_every_variant(slope: float, model_runner: ModelRunner) -> None:
    points = model_runner.run("damir_question", planted(slope), YEAR)
    for question in ("gp_density_visits", "gp_density_visits_standardised",
                     "gp_density_visits_reached"):  # fmt: skip
        answer = damir.answer(question, labelled(points, question))
        assert answer["points"] == 13 and not answer["absent"]
        assert answer["fit"]["slope"] == pytest.approx(slope, rel=1e-4)
        assert answer["fit"]["lowest"] == pytest.approx(answer["fit"]["highest"], rel=1e-3)
        assert answer["claim"]["verdict"] == ("compatible" if slope > 0 else "lower")
    spend = damir.answer("development_spend", labelled(points, "development_spend"))
    assert spend["fit"]["slope"] == pytest.approx(700, rel=1e-6)


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ("open_damir", "no_damir"),
        ("int_indicator_population", "no_population"),
        ("open_professionals", "no_professionals"),
    ],
)
def test_a_file_that_lacks_makes_answers_absent_and_not_zero(
    missing: str, reason: str, model_runner: ModelRunner
) -> None:
    tables = planted(0.005) | {missing: []}
    found = model_runner.run_all(["damir_density", "damir_question"], tables, YEAR)
    assert [r["region"] for r in found["damir_density"]] == REGIONS
    assert {r["absent_reason"] for r in found["damir_density"]} == {reason}
    asked = labelled(found["damir_question"], "gp_density_visits")
    assert {(r["x"], r["y"], r["weight"], r["absent_reason"]) for r in asked} == {
        (None, None, None, reason)
    }
    answer = damir.answer("gp_density_visits", asked)
    assert answer["fit"] is None and answer["reason"] and len(answer["absent"]) == 13


def test_a_region_without_inhabitants_is_left_out_alone(model_runner: ModelRunner) -> None:
    tables = planted(0.005)
    tables["int_indicator_population"] = [
        r for r in tables["int_indicator_population"] if r["region"] != "53"
    ]
    points = labelled(model_runner.run("damir_question", tables, YEAR), "gp_density_visits")
    answer = damir.answer("gp_density_visits", points)
    assert answer["absent"] == {"53": "no_population"} and answer["points"] == 12
    assert answer["fit"]["slope"] == pytest.approx(0.005, rel=1e-4)


def test_emergencies_that_no_line_tells_are_absent_and_not_zero(model_runner: ModelRunner) -> None:
    tables = planted(0.005)
    found = model_runner.run_all(["damir_density", "damir_question"], tables, YEAR)
    assert {r["emergency_visits"] for r in found["damir_density"]} == {None}
    points = labelled(found["damir_question"], "city_emergency")
    assert {p["absent_reason"] for p in points} == {"no_value"}
    tables["open_damir"].append(tables["open_damir"][0] | {"prs_nat": 2238, "prs_act_nbr": 500})
    told = model_runner.run("damir_density", tables, YEAR)
    assert {r["region"]: r["emergency_visits"] for r in told} == dict.fromkeys(REGIONS, 0) | {
        tables["open_damir"][0]["ben_res_reg"]: 500
    }


def test_an_index_of_regions_comes_before_that_of_departments(model_runner: ModelRunner) -> None:
    tables = planted(0.0)
    tables["open_development_index"] = [
        {"annee": 2017, "niveau": "region", "territoire": "53", "indice": 1},
        {"annee": 2018, "niveau": "region", "territoire": "53", "indice": 2},
        {"annee": 2025, "niveau": "region", "territoire": "53", "indice": 3},
        {"annee": 2018, "niveau": "departement", "territoire": "35", "indice": 9},
        # Three quarters of the people of one region of Open DAMIR live in the first.
        {"annee": 2018, "niveau": "region", "territoire": "93", "indice": 4},
        {"annee": 2018, "niveau": "region", "territoire": "94", "indice": 8},
        {"annee": None, "niveau": "region", "territoire": "5", "indice": 6},
        {"annee": 2018, "niveau": "departement", "territoire": "971", "indice": 1},
        {"annee": 2018, "niveau": "region", "territoire": "nowhere", "indice": 1},
    ]
    for row in tables["int_indicator_population"]:
        row["population"] = 300_000 if row["place_code"] == "13" else row["population"]
    points = labelled(model_runner.run("damir_question", tables, YEAR), "development_spend")
    placed = {p["region"]: p["x"] for p in points if p["absent_reason"] is None}
    assert placed == {53: 2, 93: 5, 5: 6}
    assert {p["absent_reason"] for p in points if p["region"] == 11} == {"no_index"}


def rounded(row: Row) -> Row:
    """Return a row whose doubles are told to nine digits: engines divide decimals differently."""
    return {n: float(f"{v:.9g}") if isinstance(v, float) else v for n, v in row.items()}


def test_both_engines_agree(
    model_runner: ModelRunner, spark_model_runner: SparkModelRunner
) -> None:
    tables = planted(0.005)
    ours = model_runner.run_all(MARTS, tables, YEAR)
    theirs = spark_model_runner.run_all(MARTS, tables, YEAR)
    for name in MARTS:
        assert multiset(map(rounded, theirs[name])) == multiset(map(rounded, ours[name]))
