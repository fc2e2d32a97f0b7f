"""LACE, and the variant of HOSPITAL that claims allow: points, in Python and in SQL.

LACE: van Walraven 2010. HOSPITAL: Donzé 2013 and 2016; haemoglobin and sodium are not in the SNDS,
so two of its items are missing and the score goes to 11, under a name of its own.
"""

from __future__ import annotations

from typing import Literal

LACE_HIGH = 10
LACE_MOST = 19
HOSPITAL_CLAIMS_MOST = 11
# Points of LACE's own comorbidity score [K]; what is not listed has none.
LACE_COMORBIDITY = {
    "myocardial_infarction": 1,
    "cerebrovascular": 1,
    "peripheral_vascular": 1,
    "diabetes": 1,
    "heart_failure": 2,
    "diabetes_complicated": 2,
    "chronic_pulmonary": 2,
    "mild_liver": 2,
    "renal": 2,
    "malignancy": 2,
    "dementia": 3,
    "connective_tissue": 3,
    "hiv": 4,
    "severe_liver": 4,
    "severe_renal": 4,
    "metastatic": 6,
}
# The milder form does not count beside the graver one; liver and kidney are one item.
_BEATEN = {
    "diabetes": ("diabetes_complicated",),
    "malignancy": ("metastatic",),
    "mild_liver": ("severe_liver", "severe_renal", "renal"),
    "renal": ("severe_liver", "severe_renal"),
    "severe_renal": ("severe_liver",),
}
# Quan's list has one kidney item: dialysis, graft and terminal failure are the graver one [A].
SEVERE_RENAL = "(N185|Z49|Z940|Z992).*"
_LENGTHS = ((1, 0), (2, 1), (3, 2), (4, 3), (7, 4), (14, 5))
_LENGTH_MOST = 7


def lace_comorbidity(conditions: set[str]) -> int:
    """Return LACE's comorbidity score of a person with these conditions, before it is cut."""
    return sum(
        points
        for name, points in LACE_COMORBIDITY.items()
        if name in conditions and not conditions.intersection(_BEATEN.get(name, ()))
    )


def lace(days: int, acute: bool, comorbidity: int, emergency_visits: int) -> int:
    """Return LACE, 0 to 19: days of stay, acute entry, comorbidity score, visits in six months."""
    length = next((points for under, points in _LENGTHS if days < under), _LENGTH_MOST)
    return length + 3 * acute + (5 if comorbidity >= 4 else comorbidity) + min(emergency_visits, 4)


def hospital_claims(
    oncology: bool,
    procedure: bool,
    urgent: bool,
    earlier_stays: int,
    days: int,
    version: Literal[2013, 2016] = 2016,
) -> int:
    """Return HOSPITAL without haemoglobin and sodium, 0 to 11.

    ``earlier_stays`` are those of the twelve months before; their classes changed in 2016.
    """
    none, some = (2, 6) if version == 2016 else (1, 6)
    admissions = 0 if earlier_stays < none else 2 if earlier_stays < some else 5
    return 2 * oncology + procedure + urgent + admissions + 2 * (days >= 5)


def lace_sql(table: str) -> str:
    """Return LACE over columns night_count, is_urgent, emergency_visits and the conditions."""
    length = " ".join(
        f"when {table}.night_count < {under} then {points}" for under, points in _LENGTHS
    )
    items = " + ".join(
        f"{points} * {table}.{name}"
        + "".join(f" * (1 - {table}.{graver})" for graver in _BEATEN.get(name, ()))
        for name, points in LACE_COMORBIDITY.items()
    )
    return (
        f"(case {length} else {_LENGTH_MOST} end + 3 * {table}.is_urgent::integer "
        f"+ case when ({items}) >= 4 then 5 else ({items}) end "
        f"+ least({table}.emergency_visits, 4))"
    )


def hospital_claims_sql(table: str) -> str:
    """Return HOSPITAL-claims (2016) over an index stay.

    Oncology: main diagnosis C00 to D48, or major category 17.
    """
    return (
        f"(2 * coalesce({table}.main_diagnosis similar to '(C|D[0-3]|D4[0-8]).*' "
        f"or left({table}.ghm_code, 2) = '17', false)::integer "
        f"+ {table}.has_procedure::integer + {table}.is_urgent::integer "
        f"+ case when {table}.earlier_stays < 2 then 0 when {table}.earlier_stays < 6 then 2 "
        f"else 5 end + 2 * ({table}.night_count >= 5)::integer)"
    )
