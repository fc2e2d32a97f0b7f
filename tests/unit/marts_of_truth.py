"""The marts that the analyses read, made at once from the planted truth of an extract.

What a perfect pipeline would build: a test of the analyses on the generated France needs its
people, care and planted risks, not the way through files, ingestion and models.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa

from openchronic_assets.bench.analytics_marts import _LISTS
from openchronic_assets.synthetic.hospital import profiles

KNOWN_AFTER = 30  # days from care to the day on which the base has it

# The parts of the SQL below read these views of the truth: persons, stays (full ones), and so on.
_TABLES = {
    "main.person": """
        select ben_idt_ano as person_id, cast(sex as varchar) as sex,
            year(birth_date)::integer as birth_year, month(birth_date)::integer as birth_month,
            '01C' as scheme, case when death_in_register then death_date end as death_date
        from persons
    """,
    "main.person_year": """
        select p.ben_idt_ano as person_id, y.year::integer as year, y.consumer as is_consumer,
            y.department, nullif(y.deprivation_quintile, 0)::integer as deprivation_quintile,
            y.age::integer as age_years, cast(p.sex as varchar) as sex
        from person_years as y inner join persons as p using (index)
    """,
    "main.scheme_coverage": "select '01C' as scheme, 2005 as ald_from_year",
    # The decision that granted it; what began before the requests that are told was known at once.
    "main.ald_episode": """
        select e.ben_idt_ano as person_id, e.ald_num::integer as ald_num, e.start_date,
            e.end_date,
            coalesce(min(r.decision_date), min(e.start_date) + 30)::date as known_since
        from ald_episodes as e
        left join ald_requests as r
            on r.index = e.index and r.ald_num = e.ald_num and r.cim10 = e.cim10 and r.granted
            and r.decision_date >= e.start_date and r.decision_date < e.start_date + 730
        group by all
    """,
    "intermediate.int_ald_exemption": """
        select person_id, ald_num, start_date, end_date, known_since as insert_date,
            true as is_used_for_ald
        from main.ald_episode
    """,
    "main.event_log": f"""
        select p.ben_idt_ano as person_id,
            case kind when 'gp' then 'visit_gp' when 'emergency' then 'emergency_visit'
                else 'visit_specialist' end as event_type,
            visit_date as start_date, provider as provider_id, '1109' as code, 25.0 as spent,
            (visit_date + {KNOWN_AFTER})::date as known_at
        from visits inner join persons as p using (index)
    """,
    "main.drug_dispensing": f"""
        select p.ben_idt_ano as person_id, dispensing_date, atc as atc_code, boxes as box_count,
            (dispensing_date + {KNOWN_AFTER})::date as known_at
        from dispensings inner join persons as p using (index)
    """,
    "main.hospital_stay": """
        select ben_idt_ano as person_id, stay_id, year::integer as year, 'mco' as field,
            entry_date, exit_date as discharge_date, nights as night_count, false as is_session,
            nights > 0 as is_full_stay, urgent as is_through_emergency, cim10 as main_diagnosis,
            hospital as finess, nights as length_of_stay, true as is_used_for_persons,
            true as is_used_for_stays
        from stays
    """,
    "main.stay_diagnosis": """
        select ben_idt_ano as person_id, stay_id, year::integer as year, entry_date,
            exit_date as discharge_date, 'mco' as field, cim10 as diagnosis_code,
            true as is_used_for_stays
        from stays
    """,
    "main.stay_procedure": """
        select stay_id, true as is_used_for_care from stays where substr(ghm, 3, 1) = 'C'
    """,
    "main.hospital_episode_stay": """
        select stay_id, year::integer as year, stay_id as episode_id, 1 as place from stays
    """,
    # Index: an adult gone home alive after a night; readmission: a night, from day 1 to 30.
    "main.readmission": """
        select ben_idt_ano as person_id, stay_id, stay_id as episode_id, year::integer as year,
            entry_date, exit_date as discharge_date, hospital as finess,
            department as residence_department_pmsi,
            date_diff('year', birth_date, entry_date)::integer as age_years,
            cast(sex as varchar) as sex, nights::integer as night_count, cim10 as main_diagnosis,
            ghm as ghm_code, true as is_index,
            coalesce(death_date - exit_date <= 30, false)::integer as death_30,
            coalesce(next_entry - exit_date <= 30, false)::integer as readmission_30d_rh30_like,
            coalesce(next_entry - exit_date <= 30 or death_date - exit_date <= 30, false)::integer
                as readmit_or_death_30,
            readmission_risk
        from (
            select stays.*, p.birth_date, p.death_date, p.department, p.sex,
                (
                    select min(later.entry_date) from stays as later
                    where later.ben_idt_ano = stays.ben_idt_ano
                        and later.entry_date > stays.exit_date and later.nights > 0
                ) as next_entry
            from stays inner join persons as p using (index)
        )
        where exit_mode = '8' and nights > 0
            and date_diff('year', birth_date, entry_date) >= 18
            and exit_date <= (select max(exit_date) - 30 from stays)
    """,
    # What the studies of practice read: events and stays counted, lists of treating doctors.
    "main.ald_population": """
        select p.ben_idt_ano as person_id, y.year::integer as year, count(e.ald_num) as ald_count
        from person_years as y
        inner join persons as p using (index)
        left join ald_episodes as e
            on e.index = y.index and year(e.start_date) <= y.year
            and coalesce(year(e.end_date) >= y.year, true)
        group by all
    """,
    "main.person_comorbidity": """
        select person_id, year, 0 as charlson_2011 from main.person_year
    """,
    "intermediate.int_treating_doctor": """
        select p.ben_idt_ano as person_id, y.treating_doctor as treating_doctor_id,
            make_date(y.year::integer, 1, 1) as start_date,
            make_date(y.year::integer, 12, 31) as end_date
        from person_years as y inner join persons as p using (index)
        where y.treating_doctor is not null
    """,
    "main.measure_primary_care": """
        select p.ben_idt_ano as person_id, year(visit_date)::integer as year,
            'specialist_contact_rate' as measure, 'all' as condition, count(*)::double as num,
            cast(null as double) as den, cast(null as varchar) as excl_code
        from visits inner join persons as p using (index)
        where kind = 'specialist'
        group by all
    """,
    "main.measure_readmission": """
        select person_id, year, 'readmission_30d_rh30_like' as measure, 'all' as condition,
            stay_id as unit_id, finess, readmission_30d_rh30_like::double as num,
            1.0::double as den,
            cast(null as varchar) as excl_code
        from main.readmission
    """,
    "main.measure_coordination": """
        select told.person_id, told.year, 'gp_after_discharge_30' as measure, 'all' as condition,
            told.finess,
            coalesce(bool_or(event.start_date is not null), false)::integer::double as num,
            1.0::double as den, cast(null as varchar) as excl_code
        from main.readmission as told
        left join main.event_log as event
            on event.person_id = told.person_id and event.event_type = 'visit_gp'
            and event.start_date > told.discharge_date
            and event.start_date <= told.discharge_date + 30
        group by told.stay_id, told.person_id, told.year, told.finess
    """,
    "main.provider_contact": """
        select p.ben_idt_ano as person_id, year(visit_date)::integer as year,
            'doctor' as provider_type, provider as provider_id,
            bool_or(kind = 'gp') as is_general_practitioner, count(*)::integer as visit_count
        from visits inner join persons as p using (index)
        where kind in ('gp', 'specialist') and provider <> '00000000'
        group by all
        union all
        select ben_idt_ano, year::integer, 'hospital', hospital, cast(null as boolean),
            count(*)::integer
        from stays group by all
    """,
    "main.care_event": """
        select distinct provider as performer_id, year(visit_date)::integer as year,
            'claim' as event_type, specialty as performer_specialty
        from visits where kind in ('gp', 'specialist') and provider <> '00000000'
    """,
    "main.ref_indicator": """
        select * from (values
            ('specialist_contact_rate', 'primary_care', 'specialist_contact_rate', 'rate', false,
             'person', 'Recours'),
            ('readmission_30d_rh30_like', 'readmission', 'readmission_30d_rh30_like',
             'proportion', true, 'stay', 'Retours')
        ) as listed(indicator_id, family, measure, kind, is_by_establishment, unit_counted,
            label_fr)
    """,
    "main.indicator": "select distinct year from main.person_year",
    # What was planted: risks by person and landmark, effects by provider.
    "main.truth_effect": "select provider, department, effect, value from provider_effects",
    "main.truth_onset": """
        select p.ben_idt_ano as person_id, year, ald_num, risk
        from ald_onset_risk inner join persons as p using (index)
    """,
}


def make(truth: Path, path: Path) -> None:
    """Write a DuckDB file of marts from the folder of a truth."""
    with duckdb.connect(str(path)) as connection:
        for schema in ("intermediate", "meta"):
            connection.execute(f"create schema {schema}")
        connection.execute("create table meta.build as select 'truth' as build_id")
        for name in ("persons", "person_years", "ald_episodes", "ald_requests", "visits",
                     "dispensings", "ald_onset_risk", "provider_effects"):  # fmt: skip
            connection.execute(f"create temp view {name} as from '{truth / name}.parquet'")
        kinds = profiles()
        connection.register(
            "kind", pa.table({"profile": [k.name for k in kinds], "ghm": [k.ghm for k in kinds]})
        )
        connection.execute(
            "create temp table stays as select *, exit_date - entry_date as nights, "
            "'s' || row_number() over (order by index, entry_date, exit_date) as stay_id "
            f"from '{truth / 'stays'}.parquet' inner join kind using (profile) where sessions = 0"
        )
        for name, sql in _TABLES.items():
            connection.execute(f"create table {name} as {sql}")
        for name, sql in _LISTS.items():
            if name != "ref_department":
                connection.execute(f"create table main.{name} as {sql}")
        # Each department stands for a region of its own.
        connection.execute(
            "create table main.ref_department as select distinct department, department as region "
            "from main.person_year where department is not null"
        )
