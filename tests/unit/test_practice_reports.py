"""Networks, variation and typologies from invented marts: planted truth, bad input, small cells."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from openchronic_assets import warehouse
from openchronic_assets.analytics.network import report as network_report
from openchronic_assets.analytics.network import territory
from openchronic_assets.analytics.typology import report as typology_report
from openchronic_assets.analytics.variation import report as variation_report
from openchronic_assets.analytics.variation import sources
from openchronic_assets.analytics.variation.study import STATISTICS, Units, study
from openchronic_assets.errors import UsageError
from openchronic_assets.settings import Home

YEAR = 2020
PEOPLE, DOCTORS, HOSPITALS, AREAS = 15_000, 40, 10, 4


def day(text: str, n: int) -> Any:
    return np.full(n, np.datetime64(text, "s"))


def marts(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Put invented marts into a base; return the effects that were planted."""
    rng = np.random.default_rng(7)
    person = np.array([f"p{n:05d}" for n in range(PEOPLE)])
    age, sex = rng.integers(0, 95, PEOPLE), rng.choice(["1", "2"], PEOPLE)
    ald = rng.random(PEOPLE) < 0.1 + age / 300
    charlson = np.where(ald, rng.integers(0, 5, PEOPLE), 0)
    # The old live around the first doctors: without case mix these look like great referrers.
    doctor = (rng.beta(1.5, 1.5, PEOPLE) * 0.6 + 0.4 * (1 - age / 95)) * DOCTORS
    doctor = doctor.astype(int).clip(0, DOCTORS - 1)
    area = np.array(["23", "62", "974", "75"])[doctor * AREAS // DOCTORS]
    referral = rng.normal(0, 0.25, DOCTORS)
    rate = np.exp(-0.5 + 0.015 * age + 0.4 * ald + referral[doctor])
    visits = rng.poisson(rate)
    stays = 16_000
    who = rng.integers(PEOPLE, size=stays)
    hospital = doctor[who] * HOSPITALS // DOCTORS
    readmission = rng.normal(0, 0.35, HOSPITALS)
    urgent, nights = rng.random(stays) < 0.4, rng.integers(0, 15, stays)
    odds = -2.6 + 0.01 * age[who] + 0.5 * urgent + 0.03 * nights + readmission[hospital]
    back = rng.random(stays) < 1 / (1 + np.exp(-odds))
    stay = np.array([f"s{n:05d}" for n in range(stays)])
    finess = np.array([f"99000000{n}" for n in range(HOSPITALS)])
    name = np.array([f"d{n:02d}" for n in range(DOCTORS)])
    specialists = np.array([f"x{n:02d}" for n in range(60)])
    # A third of people see the doctor next door too, and two specialists of their area.
    seen = [(person, name[doctor])]
    for _ in range(2):
        chosen = (doctor * AREAS // DOCTORS) * 15 + rng.integers(15, size=PEOPLE)
        seen.append((person, specialists[chosen]))
    contact = pd.DataFrame(
        {
            "person_id": np.concatenate([one for one, _ in seen]),
            "provider_id": np.concatenate([other for _, other in seen]),
        }
    ).drop_duplicates()
    contact = contact.assign(
        year=YEAR, provider_type="doctor",
        is_general_practitioner=contact["provider_id"].str.startswith("d"), visit_count=2,
    )  # fmt: skip
    tables = {
        "person_year": {
            "person_id": person, "year": YEAR, "sex": sex, "age_years": age, "department": area,
            "is_consumer": True,
        },
        "ald_population": {"person_id": person, "year": YEAR, "ald_count": ald.astype(int)},
        "person_comorbidity": {"person_id": person, "year": YEAR, "charlson_2011": charlson},
        "intermediate.int_treating_doctor": {
            "person_id": person, "treating_doctor_id": name[doctor],
            "start_date": day("2019-01-01", PEOPLE), "end_date": day("NaT", PEOPLE),
        },
        "measure_primary_care": {
            "person_id": person, "year": YEAR, "measure": "specialist_contact_rate",
            "condition": "all", "unit_id": "", "finess": None, "num": visits.astype(float),
            "den": np.full(PEOPLE, np.nan), "excl_code": None,
        },
        "measure_readmission": {
            "person_id": person[who], "year": YEAR, "measure": "readmission_30d_rh30_like",
            "condition": "all", "unit_id": stay, "finess": finess[hospital],
            "num": back.astype(float), "den": 1.0, "excl_code": None,
        },
        "hospital_stay": {
            "stay_id": stay, "person_id": person[who], "year": YEAR, "field": "mco",
            "finess": finess[hospital], "is_through_emergency": urgent, "length_of_stay": nights,
            "is_used_for_stays": True, "is_used_for_persons": True, "is_session": False,
        },
        "measure_coordination": {
            "person_id": person[who], "year": YEAR, "measure": "gp_after_discharge_30",
            "condition": "all", "finess": finess[hospital], "num": (rng.random(stays) < 0.6) * 1.0,
            "den": 1.0, "excl_code": None,
        },
        "ref_indicator": {
            "indicator_id": ["specialist_contact_rate", "readmission_30d_rh30_like", "nowhere"],
            "family": ["primary_care", "readmission", "readmission"],
            "measure": ["specialist_contact_rate", "readmission_30d_rh30_like", "nowhere"],
            "kind": ["rate", "proportion", "proportion"],
            "is_by_establishment": [False, True, True],
            "unit_counted": ["person", "stay", "stay"], "label_fr": ["Recours", "Retours", "Rien"],
        },
        "ref_department": {"department": ["23", "62"], "region": ["75", "32"]},
        "care_event": {
            "performer_id": np.r_[name, specialists], "year": YEAR, "event_type": "claim",
            "performer_specialty": np.r_[np.full(DOCTORS, 1), np.full(60, 3)],
        },
    }  # fmt: skip
    connection.execute("create schema if not exists intermediate")
    for table, columns in {**tables, "provider_contact": contact}.items():
        frame: Any = pd.DataFrame(columns)  # type: ignore[call-overload]  # noqa: F841 (DuckDB reads it by its name)
        connection.execute(f"create table {table} as from frame")
    connection.execute(
        "create table indicator as select * from (values "
        + ", ".join(
            f"('specialist_contact_rate', 'rate', 'consumers', 'indirect_country', '{code}', "
            f"{o}, {n}, {e}, {o}::double / nullif({e}, 0), {n}::bigint, {YEAR}, 'department', "
            "'all', 'all', 'all')"
            for code, o, n, e in (("23", 90, 900, 100.0), ("62", 130, 950, 100.0),
                                  ("974", 0, 0, 0.0), ("75", 0, 40, 0.0))
        )
        + ") as t(indicator_id, kind, denominator_type, std_method, geo_code, numerator, "
        "denominator, expected, value, person_count, year, geo_level, condition, sex, age_group)"
    )  # fmt: skip
    _pathways(connection, rng)
    return {"referral": dict(zip(name, referral, strict=True)),
            "readmission": dict(zip(finess, readmission, strict=True))}  # fmt: skip


def _pathways(connection: duckdb.DuckDBPyConnection, rng: np.random.Generator) -> None:
    """Put a pathway of two planted types, and one of few people."""
    rows = []
    for number in range(130):
        kind = "ill" if number < 70 else "well"
        for month in range(12):
            state = ("MCO" if month < 3 else "GP") if kind == "ill" else "NONE"
            state = str(rng.choice(["SPE", "ED"])) if rng.random() < 0.05 else state
            rows.append((f"{kind}{number}", "many", month, state, True, "12"[number % 2]))
    rows += [(f"f{n}", "few", m, "GP", True, "1") for n in range(9) for m in range(12)]
    frame = pd.DataFrame(  # noqa: F841
        rows, columns=["person_id", "pathway", "month_offset", "state", "is_incident", "sex"]
    )
    connection.execute("create table pathway_state as select * exclude (sex) from frame")
    connection.execute("create table person as select distinct person_id, sex from frame")
    connection.execute(
        "create table ref_pathway as from (values ('many', 'Beaucoup'), ('few', 'Peu')) "
        "t(pathway, label_fr)"
    )
    connection.execute(
        "create table pathway_follows as from (values ('many', 'INDEX', 'GP', 100, 100, 12.0, "
        "30.0), ('many', 'GP', 'MCO', 7, 7, 3.0, 9.0)) t(pathway, from_activity, to_activity, "
        "case_count, event_count, median_days, p90_days)"
    )


@pytest.fixture(scope="module")
def planted() -> Iterator[tuple[duckdb.DuckDBPyConnection, dict[str, Any]]]:
    connection = duckdb.connect()
    effects = marts(connection)
    yield connection, effects
    connection.close()


@pytest.fixture
def home(
    planted: tuple[duckdb.DuckDBPyConnection, Any], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Home:  # fmt: skip
    monkeypatch.setattr(warehouse, "connect", lambda home: planted[0].cursor())
    return Home(tmp_path)


def tables(told: dict[str, Any]) -> dict[str, pd.DataFrame]:
    return {name: pd.read_parquet(path) for name, path in told["tables"].items()}


def no_nan(told: dict[str, Any]) -> str:
    """Return the page; fail on a NaN in it or in a table of numbers that is not NULL."""
    html = Path(told["page"]).read_text(encoding="utf-8")
    assert not re.search(r"\bnan\b|\binf\b|NaT|<NA>|None", html)
    assert "http" not in re.sub(r'<meta http-equiv[^>]*>', "", html)  # fmt: skip
    for path in told["tables"].values():
        connection = duckdb.connect()
        for column, kind in connection.execute(
            f"select column_name, column_type from (describe from '{path}')"
        ).fetchall():
            if kind in ("DOUBLE", "FLOAT"):
                row = connection.execute(
                    f'select count(*) from \'{path}\' where isnan("{column}") or isinf("{column}")'
                ).fetchone()
                assert row == (0,), column
    facts = json.loads(
        (Path(next(iter(told["tables"].values()))).parent / "facts.json").read_text()
    )
    assert facts
    return html


def test_planted_effects_of_doctors_are_recovered(planted: Any) -> None:
    connection, effects = planted
    (units,) = sources.units(connection, YEAR, "doctor", ["specialist_contact_rate"])
    found = study(units)
    table = found.units[found.units["size"] >= 200]
    true = np.array([effects["referral"][unit] for unit in table["unit"]])
    ratio = np.log(table["ratio"].astype(float))
    crude = np.log(table["value"].astype(float))
    assert len(table) > 20
    assert np.corrcoef(true, ratio)[0, 1] >= 0.95 > np.corrcoef(true, crude)[0, 1]
    low, high = found.summary["log_variance_low"], found.summary["log_variance_high"]
    assert low <= float(true.var()) <= high


def test_planted_effects_of_hospitals_are_recovered(planted: Any) -> None:
    connection, effects = planted
    (units,) = sources.units(connection, YEAR, "establishment", ["readmission_30d_rh30_like"])
    found = study(units)
    true = np.array([effects["readmission"][unit] for unit in found.units["unit"]])
    assert np.corrcoef(true, np.log(found.units["ratio"].astype(float)))[0, 1] >= 0.9
    assert found.summary["median_odds_ratio"] > 1.1
    assert units.case_mix == "stay" and units.expected.sum() == pytest.approx(
        units.observed.sum(), rel=0.01
    )


def test_an_area_without_expected_case_says_so(home: Home) -> None:
    told = variation_report.run(home, YEAR, "department")
    html = no_nan(told)
    (one,) = told["indicators"]
    assert (one["units"], one["units_left_out"]) == (2, 2)
    assert one["left_out"] == {"no_denominator": 1, "nothing_expected": 1}
    assert one["log_variance"] is None and one["reasons"]["log_variance"] == "fewer_than_3_units"
    assert one["moran"] is None and one["reasons"]["moran"] == "no_neighbours"
    assert "aucun cas n&#39;est attendu" in html and "moins de trois unités" in html
    unit = tables(told)["unit"].set_index("unit")
    assert unit.loc["974", "absence_reason"] == "no_denominator"
    assert unit.loc["75", "absence_reason"] == "nothing_expected"
    assert unit.loc["23", "ratio"] == pytest.approx(0.9)
    for name in STATISTICS:
        assert (one[name] is None) == (name in one["reasons"])


def test_doctors_are_in_no_page(home: Home) -> None:
    told = variation_report.run(home, YEAR, "doctor")
    html = no_nan(told)
    assert "espace sécurisé seulement" in html
    units = tables(told)["unit"]["unit"]
    assert len(units) == DOCTORS and not any(f">{unit}" in html or f"{unit} :" in html
                                             for unit in units)  # fmt: skip
    told = variation_report.run(home, YEAR, "establishment")
    html = no_nan(told)
    assert "<circle" in html and "990000001 :" in html


def test_wrong_questions_are_refused(home: Home) -> None:
    for year, level, names, message in (
        (1999, "department", None, "no indicator of 1999"),
        (YEAR, "village", None, "no level"),
        (YEAR, "department", ["unheard_of"], "no indicator 'unheard_of'"),
    ):
        with pytest.raises(UsageError, match=message):
            variation_report.run(home, year, level, indicators=names)
    with pytest.raises(UsageError, match="nobody met a provider"):
        network_report.run(home, 1999)
    with pytest.raises(UsageError, match="no pathway"):
        typology_report.run(home, "unheard_of")
    with pytest.raises(UsageError, match="months go from"):
        typology_report.run(home, "many", first=5, last=5)


def test_units_of_few_are_not_drawn() -> None:
    units = Units(
        "i", "department", "proportion", ("a", "b", "c", "d", "e"),
        np.array([0.0, 5, 20, 95, 40]), np.array([50.0, 100, 100, 100, 100]),
        np.full(5, 30.0), np.zeros(5), "age_sex",
    )  # fmt: skip
    # None of fifty tells nobody; five tell five, ninety-five of a hundred tell five too.
    assert variation_report.shown(study(units).units, "proportion")["unit"].tolist() == [
        "a", "c", "e",
    ]  # fmt: skip


def test_a_disconnected_network_is_described_piece_by_piece(home: Home) -> None:
    told = network_report.run(home, YEAR, seeds=3)
    html = no_nan(told)
    assert told["components"] == AREAS and told["communities"] >= AREAS
    assert "4 morceaux sans lien" in html
    found = tables(told)
    areas = found["provider"].groupby("community")["department"].nunique()
    assert (areas == 1).all()  # no community crosses pieces
    assert found["communities"]["persons"].min() >= 11
    again = tables(network_report.run(home, YEAR, seeds=3))
    for name, table in found.items():
        pd.testing.assert_frame_equal(table, again[name])


def test_a_network_without_ties_says_why(home: Home) -> None:
    told = network_report.run(home, YEAR, threshold=100_000, seeds=2)
    html = no_nan(told)
    assert told["modularity"] is None and "aucun lien ne passe les seuils" in html
    with pytest.raises(UsageError, match="no rule"):
        network_report.run(home, YEAR, rule="all")


def test_links_of_few_discharges_are_told_together() -> None:
    cells = pd.DataFrame(
        [("23", "h1", 100, 60), ("23", "h2", 8, 5), ("23", "h3", 7, 7), ("62", "h1", 10, 4),
         ("62", "h4", 40, 35)],
        columns=["department", "finess", "discharges", "followed"],
    )  # fmt: skip
    found = territory.link_strength(cells, 11)
    # Of the fifteen others three were not followed; of h4's forty, five.
    assert found.astype(object).where(found.notna(), None).to_numpy().tolist() == [
        ["23", "autres", 15, None, None], ["23", "h1", 100, 60, 0.6], ["62", "h4", 40, None, None],
    ]  # fmt: skip


def test_an_area_goes_to_the_hospital_of_most_stays() -> None:
    stays = pd.DataFrame(
        [("23", "a", 50, 40), ("23", "b", 50, 45), ("62", "b", 30, 25), ("62", "a", 12, 11),
         ("974", "c", 20, 10), ("2A", "a", 40, 30), ("2A", "c", 4, 4)],
        columns=["area", "finess", "stays", "persons"],
    )  # fmt: skip
    areas, markets = territory.catchments(stays, 11)
    told = areas.set_index("area")
    # A tie goes to a, which has 102 stays from everywhere; b has 80.
    assert told["finess"].to_dict() == {"23": "a", "2A": "a", "62": "b"}
    assert told.loc["62", "share"] == pytest.approx(30 / 42)
    assert told["share"].isna().to_dict()["2A"]  # the others are four people
    assert markets.set_index("area").loc["23", "hhi"] == 0.5
    assert territory.coverage(stays, areas) == pytest.approx({"a": 90 / 144, "b": 30 / 42})


def test_planted_types_of_a_pathway_are_told(home: Home) -> None:
    told = typology_report.run(home, "many", types=2)
    html = no_nan(told)
    assert (told["people"], told["types"]) == (130, 2)
    people = tables(told)["person"]
    assert len(set(zip(people["person_id"].str[:3], people["type"], strict=True))) == 2
    states = tables(told)["state"]
    assert states["people"].min() >= 11
    sums = states.groupby(["type", "month"])["people"].sum()
    assert sorted(set(sums)) == [60, 70]
    assert "Carte des enchaînements" in html and "marker-end" in html
    assert "court séjour</text>" not in html  # seven cases are no arrow


def test_a_pathway_of_few_people_is_not_told(home: Home) -> None:
    told = typology_report.run(home, "few")
    html = no_nan(told)
    assert told["people"] is None and told["types"] is None
    assert "Trop peu de personnes" in html and "pas de carte" in html
    assert not len(tables(told)["person"])
