"""What each table of the export is made of: SQL on the catalogue, one expression a field.

A field that is not named here is NULL. Required fields that a source row cannot fill leave the row
out, and the manifest counts it. Concepts that do not depend on a vocabulary (type of record, kind
of visit, sex, euro) are the conventions of the model; all others come from ``concept_map``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

CLAIM = 32810  # type concept: claim
DEATH_CERTIFICATE = 32815
OUTPATIENT, INPATIENT, EMERGENCY_INPATIENT, HOME, PHARMACY = 9202, 9201, 262, 581476, 581458
PRIMARY_DIAGNOSIS, SECONDARY_DIAGNOSIS = 32902, 32908
EURO = 44818568
YEAR = "{year}"


@dataclass(frozen=True)
class Part:
    """Rows of a table: where they come from and what fills each field.

    ``rows`` is a FROM clause with its WHERE; ``order`` a total order of them, which gives the
    numbers; ``needs`` are models and columns without which the part is not written. ``codes`` are
    pairs of prefix and (code system, code, domain): they fill ``<prefix>_concept_id`` and
    ``<prefix>_source_concept_id``.
    """

    table: str
    rows: str
    fields: Mapping[str, str]
    order: str
    key: str | None = None
    yearly: bool = True
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    codes: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)


def code_system(column: str) -> str:
    """Return the SQL of a code without punctuation, as ``concept_map`` writes it."""
    return f"regexp_replace(upper({column}), '[^A-Z0-9]', '', 'g')"


# Visits of a year: a stay, or all claims of a person on a day with one performer.
VISITS = f"""
create or replace temp table visit as
with stay as (
    select person.omop_id as person_id, 'stay:' || h.stay_id as visit_key,
        h.entry_date as start_date, h.discharge_date as end_date,
        case
            when h.field = 'had' then {HOME}
            when h.is_session or coalesce(h.length_of_stay, 1) = 0 then {OUTPATIENT}
            when h.entry_origin = '5' then {EMERGENCY_INPATIENT}
            else {INPATIENT}
        end as concept_id,
        cast(null as varchar) as performer_id, h.finess as finess, h.stay_id as source_value,
        h.entry_mode as admitted_from, h.exit_mode as discharged_to
    from hospital_stay as h
    inner join omop_person as person on h.person_id = person.person_id
    where h.year = {YEAR} and h.is_used_for_persons and h.entry_date is not null
        and h.discharge_date >= h.entry_date
),
care as (
    select person.omop_id as person_id,
        'care:' || coalesce(e.performer_id, '') as visit_key,
        e.care_date as start_date, e.care_date as end_date,
        case when min(e.performer_activity) in (50, 51) then {PHARMACY} else {OUTPATIENT} end
            as concept_id,
        min(e.performer_id) as performer_id, min(e.performing_finess) as finess,
        min(coalesce(cast(e.performer_specialty as varchar), '')) as source_value,
        cast(null as varchar) as admitted_from, cast(null as varchar) as discharged_to
    from care_event as e
    inner join omop_person as person on e.person_id = person.person_id
    where e.year = {YEAR} and e.event_type = 'claim' and e.care_date is not null
        and (e.is_used_for_care or e.is_used_for_spending)
    group by person.omop_id, coalesce(e.performer_id, ''), e.care_date
)
select {{base}} + row_number() over (order by person_id, start_date, visit_key) as visit_id, *
from (select * from stay union all select * from care)
"""

_EVENT_VISIT = """
    inner join omop_person as person on e.person_id = person.person_id
    left join visit on visit.person_id = person.omop_id
        and visit.visit_key = 'care:' || coalesce(e.performer_id, '')
        and visit.start_date = e.care_date
    left join omop_provider as provider on e.performer_id = provider.source_value
"""

PARTS = (
    Part(
        "location", "from omop_location as l",
        {"location_id": "l.omop_id", "location_source_value": "l.source_value",
         "county": "l.source_value", "country_source_value": "'FR'"},
        "l.omop_id", yearly=False,
    ),
    Part(
        "care_site", "from omop_care_site as c",
        {"care_site_id": "c.omop_id", "care_site_source_value": "c.source_value"},
        "c.omop_id", yearly=False,
    ),
    Part(
        "provider", "from omop_provider as p",
        {"provider_id": "p.omop_id", "provider_source_value": "p.source_value",
         "specialty_source_value": "p.specialty", "gender_concept_id": "0"},
        "p.omop_id", yearly=False, codes={"specialty": ("'specialty'", "p.specialty", "Provider")},
    ),
    Part(
        "person",
        "from omop_person as o inner join person as p on o.person_id = p.person_id "
        "left join omop_location as l on p.department = l.source_value",
        {"person_id": "o.omop_id", "person_source_value": "p.person_id",
         "gender_concept_id": "case p.sex when '1' then 8507 when '2' then 8532 else 0 end",
         "gender_source_value": "p.sex", "gender_source_concept_id": "0",
         "year_of_birth": "p.birth_year",
         "month_of_birth": "case when p.birth_month between 1 and 12 then p.birth_month end",
         "race_concept_id": "0", "race_source_concept_id": "0",
         "ethnicity_concept_id": "0", "ethnicity_source_concept_id": "0",
         "location_id": "l.omop_id"},
        "o.omop_id", yearly=False,
    ),
    Part(
        "death",
        "from omop_person as o inner join person as p on o.person_id = p.person_id "
        "left join omop_cause as cause on cause.person_id = p.person_id "
        "where p.death_date is not null",
        {"person_id": "o.omop_id", "death_date": "p.death_date",
         "death_type_concept_id":
             f"case p.death_source when 'cepidc' then {DEATH_CERTIFICATE} else {CLAIM} end",
         "cause_source_value": "cause.code"},
        "o.omop_id", yearly=False, codes={"cause": ("'cim10'", "cause.code", "Condition")},
    ),
    Part(
        "visit_occurrence",
        "from visit as v left join omop_provider as p on v.performer_id = p.source_value "
        "left join omop_care_site as c on v.finess = c.source_value",
        {"visit_occurrence_id": "v.visit_id", "person_id": "v.person_id",
         "visit_concept_id": "v.concept_id", "visit_start_date": "v.start_date",
         "visit_end_date": "v.end_date", "visit_type_concept_id": str(CLAIM),
         "provider_id": "p.omop_id", "care_site_id": "c.omop_id",
         "visit_source_value": "nullif(v.source_value, '')", "visit_source_concept_id": "0",
         "admitted_from_concept_id": "0", "admitted_from_source_value": "v.admitted_from",
         "discharged_to_concept_id": "0", "discharged_to_source_value": "v.discharged_to"},
        "v.visit_id",
    ),
    Part(
        "visit_detail",
        "from visit as v left join omop_care_site as c on v.finess = c.source_value "
        "where v.visit_key like 'stay:%'",
        {"person_id": "v.person_id", "visit_detail_concept_id": "v.concept_id",
         "visit_detail_start_date": "v.start_date", "visit_detail_end_date": "v.end_date",
         "visit_detail_type_concept_id": str(CLAIM), "care_site_id": "c.omop_id",
         "visit_detail_source_value": "v.source_value", "visit_detail_source_concept_id": "0",
         "admitted_from_concept_id": "0", "admitted_from_source_value": "v.admitted_from",
         "discharged_to_concept_id": "0", "discharged_to_source_value": "v.discharged_to",
         "visit_occurrence_id": "v.visit_id"},
        "v.visit_id", key="visit_detail_id",
    ),
    Part(
        "condition_occurrence",
        f"from stay_diagnosis as d inner join visit as v on v.visit_key = 'stay:' || d.stay_id "
        f"where d.year = {YEAR} and d.diagnosis_code is not null",
        {"person_id": "v.person_id", "condition_start_date": "v.start_date",
         "condition_end_date": "v.end_date", "condition_type_concept_id": str(CLAIM),
         "condition_status_concept_id": f"case d.role_group when 'main' then {PRIMARY_DIAGNOSIS} "
                                        f"else {SECONDARY_DIAGNOSIS} end",
         "condition_status_source_value": "d.role", "visit_occurrence_id": "v.visit_id",
         "condition_source_value": "d.diagnosis_code"},
        "v.visit_id, d.role, d.unit_number, d.diagnosis_code", key="condition_occurrence_id",
        needs={"stay_diagnosis": ("stay_id", "role", "role_group", "diagnosis_code")},
        codes={"condition": ("'cim10'", "d.diagnosis_code", "Condition")},
    ),
    Part(
        "condition_occurrence",
        "from ald_episode as a "
        "inner join omop_person as person on a.person_id = person.person_id "
        "where year(a.start_date) <= {last} "
        "and (a.is_open or a.end_date >= make_date({first}, 1, 1))",
        {"person_id": "person.omop_id", "condition_start_date": "a.start_date",
         "condition_end_date":
             "case when not a.is_open and a.end_date >= a.start_date then a.end_date end",
         "condition_type_concept_id": str(CLAIM), "condition_status_concept_id": "0",
         "condition_status_source_value": "'ALD ' || cast(a.ald_num as varchar)",
         "condition_source_value": "coalesce(a.cim10_last, a.cim10_first)"},
        "person.omop_id, a.ald_num, a.start_date", key="condition_occurrence_id", yearly=False,
        codes={"condition": ("'cim10'", "coalesce(a.cim10_last, a.cim10_first)", "Condition")},
    ),
    Part(
        "drug_exposure",
        f"""from drug_dispensing as d
    inner join omop_person as person on d.person_id = person.person_id
    left join visit on visit.person_id = person.omop_id
        and visit.visit_key = 'care:' || coalesce(d.dispenser_id, '')
        and visit.start_date = d.dispensing_date
    left join omop_provider as provider on d.prescriber_id = provider.source_value
    where d.year = {YEAR} and not d.is_line_left_out and d.box_count > 0
        and d.dispensing_date is not null""",
        {"person_id": "person.omop_id", "drug_exposure_start_date": "d.dispensing_date",
         "drug_exposure_end_date":
             "d.dispensing_date + greatest(coalesce(d.days_supply, 1), 1) - 1",
         "drug_type_concept_id": str(CLAIM), "quantity": "d.box_count",
         "days_supply": "d.days_supply", "route_concept_id": "0",
         "provider_id": "provider.omop_id", "visit_occurrence_id": "visit.visit_id",
         "drug_source_value": "coalesce(d.code, d.atc_code)"},
        "person.omop_id, d.dispensing_date, d.event_id", key="drug_exposure_id",
        needs={"drug_dispensing": ("event_id", "dispensing_date", "box_count", "is_line_left_out")},
        codes={"drug": ("d.code_system", "d.code", "Drug")},
    ),
    Part(
        "procedure_occurrence",
        f"from care_event as e {_EVENT_VISIT} where e.year = {YEAR} and e.event_type = 'procedure' "
        "and e.is_used_for_care and e.care_date is not null",
        {"person_id": "person.omop_id", "procedure_date": "e.care_date",
         "procedure_type_concept_id": str(CLAIM), "modifier_concept_id": "0",
         "quantity": "cast(e.net_quantity as integer)", "provider_id": "provider.omop_id",
         "visit_occurrence_id": "visit.visit_id", "procedure_source_value": "e.code",
         "modifier_source_value": "e.activity_code"},
        "person.omop_id, e.care_date, e.event_id", key="procedure_occurrence_id",
        codes={"procedure": ("'ccam'", "e.code", "Procedure")},
    ),
    Part(
        "procedure_occurrence",
        f"from stay_procedure as a inner join visit as v on v.visit_key = 'stay:' || a.stay_id "
        f"where a.year = {YEAR} and a.procedure_code is not null",
        {"person_id": "v.person_id",
         "procedure_date": "coalesce(a.procedure_date, v.start_date)",
         "procedure_type_concept_id": str(CLAIM), "modifier_concept_id": "0",
         "quantity": "cast(a.quantity as integer)", "visit_occurrence_id": "v.visit_id",
         "procedure_source_value": "a.procedure_code",
         "modifier_source_value": "a.activity_code"},
        "v.visit_id, a.procedure_code, a.activity_code, a.phase_code, a.procedure_date, a.quantity",
        key="procedure_occurrence_id",
        needs={"stay_procedure": ("stay_id", "procedure_code", "procedure_date", "quantity")},
        codes={"procedure": ("'ccam'", "a.procedure_code", "Procedure")},
    ),
    Part(
        "measurement",
        f"from care_event as e {_EVENT_VISIT} where e.year = {YEAR} and e.event_type = 'biology' "
        "and e.is_used_for_care and e.care_date is not null",
        {"person_id": "person.omop_id", "measurement_date": "e.care_date",
         "measurement_type_concept_id": str(CLAIM), "operator_concept_id": "0",
         "value_as_concept_id": "0", "unit_concept_id": "0", "unit_source_concept_id": "0",
         "provider_id": "provider.omop_id", "visit_occurrence_id": "visit.visit_id",
         "measurement_source_value": "e.code"},
        "person.omop_id, e.care_date, e.event_id", key="measurement_id",
        codes={"measurement": ("'nabm'", "e.code", "Measurement")},
    ),
    Part(
        "cost",
        f"""from (
        select visit.visit_id, sum(e.paid_amount) as spent,
            sum(coalesce(e.base_amount, 0) + coalesce(e.complement_base_amount, 0)) as base,
            sum(coalesce(e.reimbursed_amount, 0) + coalesce(e.complement_reimbursed_amount, 0))
                as payer,
            -sum(case when e.is_supplement and e.complement_type = 16
                then coalesce(e.complement_reimbursed_amount, 0) else 0 end) as deductible
        from care_event as e
        inner join omop_person as person on e.person_id = person.person_id
        inner join visit on visit.person_id = person.omop_id
            and visit.visit_key = 'care:' || coalesce(e.performer_id, '')
            and visit.start_date = e.care_date
        where e.year = {YEAR} and e.event_type = 'claim' and e.is_used_for_spending
        group by visit.visit_id
        union all
        select visit.visit_id, null, null, h.total_amount, null
        from hospital_stay as h inner join visit on visit.visit_key = 'stay:' || h.stay_id
        where h.year = {YEAR} and h.is_used_for_spending and h.total_amount is not null
    ) as paid""",
        {"cost_event_id": "paid.visit_id", "cost_domain_id": "'Visit'",
         "cost_type_concept_id": str(CLAIM), "currency_concept_id": str(EURO),
         "total_charge": "paid.spent", "paid_by_payer": "paid.payer",
         "amount_allowed": "paid.base", "paid_patient_deductible": "paid.deductible",
         "revenue_code_concept_id": "0", "drg_concept_id": "0"},
        "paid.visit_id", key="cost_id",
    ),
)  # fmt: skip
