"""Measures of follow-up say the same on both engines."""

from __future__ import annotations

from typing import Any

import test_oracles_diabetes_care as diabetes
import test_oracles_heart_care as heart
import test_oracles_respiratory_care as respiratory
import test_oracles_stroke_kidney_care as stroke
from model_runner import ModelRunner, SparkModelRunner, multiset
from test_oracles_stroke_kidney_care import DATE, DAY, HOME, START

Row = dict[str, Any]
EVENT = {"year": 2020, "is_used_for_care": True, "is_used_for_persons": True, "net_quantity": 1}

GIVEN: dict[str, dict[str, list[Row]]] = {
    "int_listed_care": {
        "care_event": [
            EVENT | {"person_id": "P", "care_date": "2020-02-01", "event_type": kind} | more
            for kind, more in (
                ("claim", {"prestation_code": 1110, "performer_specialty": 1}),
                ("claim", {"prestation_code": 1352, "performer_specialty": 3}),
                ("claim", {"prestation_code": 3111, "performer_specialty": 0}),
                ("claim", {"prestation_code": None, "performer_activity": 27}),
                ("biology", {"code": "1577"}), ("biology", {"code": None}),
                ("procedure", {"code": "DEQP003"}),
            )
        ],
        "int_drug_reference": [
            {"code_system": "cip13", "code": code, "atc_class": code}
            for code in ("A10BA02", "A10BK01", "C10BX04")
        ],
        "drug_dispensing": [
            {"person_id": "P", "year": 2020, "dispensing_date": "2020-03-01", "atc_class": code,
             "box_count": 2, "is_used_for_exposure": True}
            for code in ("A10BA02", "A10BK01", "C10BX04", None)
        ],
        "stay_procedure": [
            {"person_id": "P", "year": 2020, "procedure_code": "DEQP003", "procedure_date": None,
             "entry_date": "2020-05-01", "quantity": None, "is_used_for_stays": True,
             "is_used_for_care": True}
        ],
        "int_outpatient_visit": [
            {"person_id": "P", "year": 2020, "copy_number": 1, "finess": "h",
             "sequence_number": "1", "entry_date": "2020-08-01", "is_used_for_care": True,
             "is_used_for_persons": True}
        ],
        "stg_mco__fcstc": [
            {"table_year": 2020, "finess": "h", "sequence_number": "1",
             "performer_specialty": "03", "days_from_entry": 1}
        ],
    },
    "int_delivered_year": {
        "care_event": [
            {"year": 2020, "care_date": "2020-05-01", "known_at": day, "event_type": kind}
            for day, kind in (("2020-06-01", "biology"), ("2021-02-01", "claim"))
        ],
        "drug_dispensing": [{"year": 2020, "atc_class": "A10BA02"}],
        "hospital_stay": [
            {"year": 2020, "field": "mco", "discharge_date": "2020-12-30",
             "is_other_year": False, "is_generated": False}
        ],
    },
    "measure_diabetes_care": {
        "person_year": [*diabetes.people("P", "Q", "R"), {"person_id": "S", "year": 2020}],
        "person_pathology": diabetes.held("P", "R", "S"),
        "int_listed_care": [
            *diabetes.care("P", "hba1c", "2020-01-01", "2020-05-01", "2020-12-31"),
            *diabetes.care("Q", "antidiabetic", "2020-01-01", "2020-05-01", "2020-12-31"),
            *diabetes.care("P", "influenza_vaccine", "2019-10-01"),
        ],
        "int_hospital_time": [
            {"person_id": "R", "entry_date": "2019-12-01", "discharge_date": "2020-03-01"}
        ],
        "int_delivered_year": diabetes.DELIVERED,
    },
    "measure_heart_care": {
        "hospital_episode": [
            heart.infarction("P", heart.OUT), heart.infarction("Q", heart.OUT),
            heart.episode("H", "e", DATE(2020, 3, 1), HOME),
            heart.episode("H", "again", HOME + DAY(20), HOME + DAY(30)),
        ],
        "int_drug_cover": [
            heart.cover("P", name, heart.number(heart.START), heart.number(heart.END) - 20)
            for name in heart.CLASSES
        ],
        "int_drug_reference": heart.DRUGS,
        "int_hospital_time": [
            {"person_id": "P", "entry_date": heart.END - DAY(30), "night_count": 20,
             "discharge_date": heart.END - DAY(10), "nights_before": 0}
        ],
        "int_death": [{"person_id": "Q", "death_date": heart.END - DAY(1)}],
        "int_listed_care": [heart.care("H", "cardiologist", HOME + DAY(8))],
        "person_year": [{"person_id": who, "year": 2020} for who in "PQH"],
        "int_delivered_year": heart.DELIVERED,
    },
    "measure_respiratory_care": {
        "person_year": respiratory.people("P", "Q"),
        "person_pathology": respiratory.held("P", "Q"),
        "int_listed_care": [
            respiratory.care("P", "obstructive_airway", "2020-02-01", 4),
            respiratory.care("P", "short_acting_agonist", "2020-02-01", 4),
            respiratory.care("Q", "spirometry", "2019-02-01"),
        ],
        "hospital_stay": [respiratory.stay("P", "a", "J440"), respiratory.stay("Q", "b", "J960")],
        "stay_diagnosis": [{"stay_id": "b", "year": 2020, "diagnosis_code": "J449"}],
        "int_delivered_year": respiratory.DELIVERED,
    },
    "measure_stroke_kidney_care": {
        "hospital_episode": [stroke.episode("P", "e", HOME, "I639")],
        "int_listed_care": [
            stroke.care("P", "anticoagulant", HOME + DAY(30)),
            stroke.care("K", "chronic_dialysis", START),
            stroke.care("K", "nephrologist", START - DAY(365)),
            stroke.care("C", "cancer_drug", DATE(2020, 5, 1)),
        ],
        "stay_diagnosis": [
            {"person_id": "P", "year": 2020, "diagnosis_code": "I48", "discharge_date": HOME,
             "is_used_for_stays": True}
        ],
        "hospital_stay": [
            stroke.stay("P", "r", HOME, field="ssr"), stroke.stay("C", "c", HOME, "C509"),
            stroke.stay("D", "d", HOME, "Z511", is_session=True),
        ],
        "person_pathology": [
            {"person_id": "D", "year": 2020, "carto_version": "G6-like", "top": "sup_CanAct_cat"}
        ],
        "person_year": [
            {"person_id": who, "year": 2020, "death_date": HOME + DAY(5) if who == "D" else None}
            for who in "PKCD"
        ],
        "int_delivered_year": stroke.DELIVERED,
    },
}  # fmt: skip


def test_both_engines_measure_alike(
    model_runner: ModelRunner, spark_model_runner: SparkModelRunner
) -> None:
    for model, given in GIVEN.items():
        plain = model_runner.run(model, given, year=2020)
        assert len(plain) > 0, model
        assert multiset(spark_model_runner.run(model, given, year=2020)) == multiset(plain), model
