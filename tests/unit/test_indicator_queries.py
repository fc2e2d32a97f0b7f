"""The analysts' queries of docs/queries, each run on a small catalogue with its figures known."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from openchronic_assets.indicators import seeds
from openchronic_assets.indicators.loader import catalogue
from openchronic_assets.warehouse.project import project_dir

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "queries"
QUERIES = sorted(FOLDER.glob("*.sql"))
YEARS = (2019, 2020)
# Level and code of the places of the small catalogue; 29 and 35 are in region 53.
PLACES = (
    ("country", "FR"), ("region", "53"), ("region", "11"), ("department", "29"),
    ("department", "35"), ("department", "75"), ("establishment", "290000017"),
    ("territory:epci", "242900314"),
)  # fmt: skip
RATES = {"FR": 0.5, "53": 0.4, "11": 0.6, "29": 0.2, "35": 0.5, "75": 0.8}


def types_of(model: str) -> dict[str, str]:
    """Return the columns of a mart and their types, from its contract."""
    for path in sorted((project_dir() / "models" / "marts").rglob("_*.yml")):
        for each in yaml.safe_load(path.read_text(encoding="utf-8")).get("models", []):
            if each["name"] == model:
                return {
                    column["name"]: column["data_type"].replace("string", "varchar")
                    for column in each["columns"]
                }
    raise AssertionError(f"no contract of {model}")


def create(connection: duckdb.DuckDBPyConnection, model: str) -> None:
    columns = ", ".join(f"{name} {kind}" for name, kind in types_of(model).items())
    connection.execute(f"create table {model} ({columns})")


def insert(connection: duckdb.DuckDBPyConnection, table: str, rows: list[dict[str, Any]]) -> None:
    names = ", ".join(rows[0])
    marks = ", ".join("?" for _ in rows[0])
    connection.executemany(
        f"insert into {table} ({names}) values ({marks})", [list(row.values()) for row in rows]
    )


def cells() -> list[dict[str, Any]]:
    """Return cells of the indicators that the queries name, of a hundred units each."""
    rows = []
    for name, condition, (level, code), year in itertools.product(
        ("dm_hba1c_3", "ald_incidence", "treating_doctor", "ald_prevalence", "spend_rac",
         "readmission_30d_rh30_like", "ed_visit_rate", "gp_contact_rate", "spend_rac_median",
         "spend_rac_p90"),
        ("all", "ald", "no_ald", "ald_08", "ald_30"), PLACES, YEARS,
    ):  # fmt: skip
        one = catalogue()[name]
        for sex, age, method in itertools.product(
            ("all", "1", "2"), ("all", "60-64", "65-69", "65-74"),
            ("none", "direct_esp2013", "indirect_country"),
        ):  # fmt: skip
            if age != "all" and (method != "none" or level not in ("country", "region")):
                continue
            value = RATES.get(code, 0.5) * (2 if condition == "ald" else 1)
            value *= {"all": 1.0, "1": 0.8, "2": 1.2}[sex]
            rows.append(
                {
                    "indicator_id": name, "family": one.family, "year": year,
                    "condition": condition, "geo_level": level, "geo_code": code, "sex": sex,
                    "age_group": age, "denominator_type": one.denominators[0],
                    "std_method": method, "kind": one.kind, "numerator": 100 * value,
                    "denominator": 100.0, "expected": 50.0, "value": value,
                    "ci_low": value - 0.05, "ci_high": value + 0.05, "data_state": "final",
                    "flux_cutoff": "2022-06", "absence_reason": None,
                }
            )  # fmt: skip
    rows.append(
        rows[0] | {"indicator_id": "gp_none", "family": "primary_care", "geo_level": "country",
                   "geo_code": "FR", "value": None, "absence_reason": "population_file_missing"}
    )  # fmt: skip
    return rows


@pytest.fixture(scope="module")
def base() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    for model in ("indicator", "indicator_exclusion", "person_year", "measure_diabetes_care"):
        create(connection, model)
    for name in (*seeds.HEADERS, "ref_department", "ref_region"):
        connection.execute(
            f"create table {name} as from read_csv('{project_dir() / 'seeds' / name}.csv', "
            f"types = {{{'region' if name.startswith('ref_re') else 'version'}: 'varchar'}})"
            if name in ("ref_region", "ref_indicator")
            else f"create table {name} as from read_csv('{project_dir() / 'seeds' / name}.csv')"
        )
    insert(connection, "indicator", cells())
    insert(
        connection, "indicator_exclusion",
        [
            {"measure": "readmission_30d_rh30_like", "year": 2020, "condition": "all",
             "exclusion_code": code, "unit_count": n, "person_count": n}
            for code, n in (("counted", 30), ("death", 10))
        ],
    )  # fmt: skip
    insert(
        connection, "person_year",
        [
            {"person_id": str(n), "year": 2020, "deprivation_quintile": n % 2 + 1 if n else None}
            for n in range(5)
        ],
    )  # fmt: skip
    insert(
        connection, "measure_diabetes_care",
        [
            {"person_id": str(n), "year": 2020, "measure": "dm_hba1c_3", "condition": "all",
             "num": float(n == 3), "den": float(n < 4), "excl_code": None if n < 4 else "long_stay"}
            for n in range(5)
        ],
    )  # fmt: skip
    return connection


@pytest.fixture
def answer(base: duckdb.DuckDBPyConnection) -> Callable[[str], list[dict[str, Any]]]:
    """Return the rows of a query by its number."""

    def rows(number: str) -> list[dict[str, Any]]:
        (path,) = FOLDER.glob(f"{number}-*.sql")
        found = base.execute(path.read_text(encoding="utf-8"))
        names = [column[0] for column in found.description or []]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    return rows


Answer = Callable[[str], list[dict[str, Any]]]


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.stem)
def test_a_query_answers_twice_the_same_and_says_what_it_asks_in_french(
    path: Path, base: duckdb.DuckDBPyConnection
) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("-- ")
    first = base.execute(text).fetchall()
    assert first, "the small catalogue has rows for every query"
    assert base.execute(text).fetchall() == first
    assert text.count(";\n") == 1 and text.endswith(";\n")


def test_there_are_twelve_queries_at_least() -> None:
    assert len(QUERIES) >= 12


def test_the_map_has_a_row_for_each_department(answer: Answer) -> None:
    rows = answer("01")
    assert [(row["departement"], row["part_brute"]) for row in rows] == [
        ("29", 20.0), ("35", 50.0), ("75", 80.0),
    ]  # fmt: skip
    assert rows[0]["nom"] == "Finistère"


def test_a_trend_tells_the_change_from_the_year_before(answer: Answer) -> None:
    assert [(row["annee"], row["evolution_pourcent"]) for row in answer("02")] == [
        (2019, None), (2020, 0.0),
    ]  # fmt: skip


def test_departments_whose_interval_holds_the_country_are_not_far_from_it(answer: Answer) -> None:
    found = {(row["annee"], row["departement"], row["position"]) for row in answer("03")}
    assert found == {
        (y, *each) for y in YEARS for each in (("29", "en dessous"), ("75", "au-dessus"))
    }


def test_a_profile_sets_the_department_beside_its_region_and_the_country(answer: Answer) -> None:
    (row,) = [row for row in answer("04") if row["famille"] == "diabetes_care"]
    assert (row["departement"], row["region"], row["pays"]) == (20.0, 40.0, 50.0)


def test_women_and_men_are_compared_at_equal_ages(answer: Answer) -> None:
    assert {row["rapport_femmes_hommes"] for row in answer("05")} == {1.5}


def test_the_curve_by_age_mixes_no_bands_with_groups(answer: Answer) -> None:
    assert {row["age"] for row in answer("06")} == {"60-64", "65-69"}


def test_only_numbered_ald_are_ranked(answer: Answer) -> None:
    assert [row["numero"] for row in answer("07")] == [8, 30]


def test_observed_over_expected_is_told_by_region(answer: Answer) -> None:
    assert {(row["region"], row["rapport"]) for row in answer("08")} == {
        ("Bretagne", 0.4), ("Île-de-France", 0.6),
    }  # fmt: skip


def test_reasons_of_exclusion_are_in_words_with_their_share(answer: Answer) -> None:
    rows = answer("09")
    assert [(row["code"], row["part_pourcent"]) for row in rows] == [("counted", 75), ("death", 25)]
    assert rows[1]["motif"] == "Décès pendant le séjour"


def test_what_is_absent_has_its_reason(answer: Answer) -> None:
    assert [(row["indicateur"], row["motif"]) for row in answer("10")] == [
        (catalogue()["gp_none"].label.fr, "population_file_missing")
    ]


def test_out_of_pocket_has_mean_median_and_decile_in_one_row(answer: Answer) -> None:
    rows = answer("11")
    assert len(rows) == 6
    assert all(None not in row.values() for row in rows)


def test_an_establishment_is_set_in_the_funnel(answer: Answer) -> None:
    (row, _) = answer("12")
    assert row["sejours"] == 100 and row["hors_998"] is False
    assert row["entonnoir_95_bas"] == pytest.approx(0.5 - 1.96 * 0.05)


def test_territories_are_named_by_their_kind(answer: Answer) -> None:
    assert {(row["sorte"], row["territoire"], row["rapport_au_pays"]) for row in answer("13")} == {
        ("epci", "242900314", 1.0)
    }


def test_with_and_without_a_long_term_condition(answer: Answer) -> None:
    assert {row["rapport"] for row in answer("14")} == {2.0}


def test_a_correlation_counts_its_departments(answer: Answer) -> None:
    assert [(row["departements"], row["correlation"]) for row in answer("15")] == [
        (3, 1.0),
        (3, 1.0),
    ]


def test_measures_sum_to_an_indicator_by_deprivation(answer: Answer) -> None:
    found = {row["quintile"]: (row["numerateur"], row["denominateur"], row["exclus"])
             for row in answer("16")}  # fmt: skip
    assert found == {"inconnu": (0, 1, 0), "1": (0, 1, 1), "2": (1, 2, 0)}
