"""Who is observed when, and what became of them: table ``subject`` with a label an outcome.

A label is 1 (it happened in the horizon), 0 (it did not; a death before it counts so and is told),
or NULL (not at risk: it had happened, was known, or happened in the gap). ``late_<outcome>`` is the
same by the day on which the ALD was inserted, for what is back-dated.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import duckdb

from openchronic_assets.analytics.risk import scores
from openchronic_assets.analytics.risk.features import (
    CHARLSON,
    RECENT_MONTHS,
    conditions_sql,
    day_sql,
)
from openchronic_assets.analytics.risk.study import (
    ADULT,
    ALD_GROUPS,
    ANY,
    READMISSION,
    YOUNGEST,
    Study,
    outcome_of,
)
from openchronic_assets.errors import UsageError

_NEVER = "date '9999-12-31'"


@dataclass(frozen=True)
class Span:
    """What the marts hold: the first day of care and the last day that is told of."""

    first: datetime.date
    last: datetime.date


def span(connection: duckdb.DuckDBPyConnection) -> Span:
    """Return the days between which the base tells what happened.

    Raises:
        UsageError: no care is built.
    """
    row = connection.execute(
        "select min(year), max(year) from main.person_year where is_consumer"
    ).fetchone()
    if row is None or row[0] is None:
        raise UsageError("the base holds nobody's care: build years with openchronic run")
    return Span(datetime.date(int(row[0]), 1, 1), datetime.date(int(row[1]), 12, 31))


def earliest(known: Span, depth: int) -> datetime.date:
    """Return the first day that has its months of past in the data."""
    place = known.first.year * 12 + known.first.month - 1 + depth
    return datetime.date(place // 12, place % 12 + 1, 1)


def make_subjects(
    connection: duckdb.DuckDBPyConnection,
    study: Study,
    days: tuple[datetime.date, ...],
    depth: int,
    *,
    labelled: bool = True,
) -> None:
    """Make table ``subject`` of a study; ``days`` are its landmarks, ``depth`` its months of past.

    For a readmission the days are ignored and every index stay with its months of past is taken.
    """
    if study.kind == "ald_onset":
        _people(connection, study, days, depth, labelled)
    else:
        _stays(connection, study, depth)


def _known(study: Study, day: str) -> str:
    return day if study.information == "known" else _NEVER


def _people(
    connection: duckdb.DuckDBPyConnection,
    study: Study,
    days: tuple[datetime.date, ...],
    depth: int,
    labelled: bool,
) -> None:
    listed = ", ".join(f"({day_sql(day)})" for day in days)
    numbers = {ANY: "true"} | {outcome_of(n): f"ald_num = {n}" for n in ALD_GROUPS}
    firsts = ", ".join(
        f"min(start_date) filter ({which}) as start_{name}, "
        f"min(known_since) filter ({which}) as known_{name}, "
        # The row that began first says when it was inserted.
        f"arg_min(known_since, start_date) filter ({which}) as inserted_{name}"
        for name, which in numbers.items()
    )
    end = f"(person.landmark + {study.horizon_days})"
    gap = f"(person.landmark + {study.gap_days})"
    labels = []
    for name in numbers:
        youngest = next((age for n, age in YOUNGEST.items() if outcome_of(n) == name), ADULT)
        at_risk = f"person.age >= {youngest} and coalesce(ald.known_{name} > person.landmark, true)"
        if not labelled:
            labels.append(
                f"case when {at_risk} then 0 end as label_{name}, "
                f"cast(null as integer) as late_{name}"
            )
            continue
        labels += [
            f"case when {at_risk} and coalesce(ald.start_{name} > {gap}, true) "
            f"then coalesce(ald.start_{name} <= {end}, false)::integer end as label_{name}",
            f"case when {at_risk} and coalesce(ald.start_{name} > {gap}, true) "
            f"then coalesce(ald.inserted_{name} <= {end} and ald.inserted_{name} > {gap}, false)"
            f"::integer end as late_{name}",
        ]
    connection.execute(
        f"""
        create or replace temp table subject as
        with landmark(landmark) as (values {listed}),

        ald as (select person_id, {firsts} from main.ald_episode group by person_id),

        -- Long-term conditions of a scheme are delivered from a year on: before it, and in the two
        -- years after, a first row is not an onset.
        scheme as (select scheme, min(ald_from_year) as ald_from_year
                   from main.scheme_coverage group by scheme),

        person as (
            select
                known.person_id, landmark.landmark, known.sex, known.scheme, known.death_date,
                year(landmark.landmark) - known.birth_year
                    - (coalesce(known.birth_month, 1) > month(landmark.landmark))::integer as age
            from main.person as known
            cross join landmark
            left join scheme on known.scheme = scheme.scheme
            where
                known.birth_year is not null and known.sex in ('1', '2')
                and (known.death_date is null or known.death_date >= landmark.landmark)
                and coalesce(scheme.ald_from_year + 2 <= year(landmark.landmark), true)
        ),

        -- The extracts hold no period of affiliation: a contact in the look-back stands for it.
        contact as (
            select landmark.landmark, event.person_id
            from landmark
            inner join src_event as event
                on event.start_date < landmark.landmark
                and event.start_date >= landmark.landmark - interval {depth} month
                and event.known_at <= {_known(study, "landmark.landmark")}
            group by all
        ),

        residence as (
            select person_id, landmark, arg_max(department, year) as department,
                arg_max(deprivation_quintile, year) as deprivation_quintile
            from main.person_year cross join landmark
            where year < year(landmark)
            group by all
        )

        select
            row_number() over (order by person.person_id, person.landmark) - 1 as subject,
            person.person_id,
            person.landmark,
            person.landmark as until,
            {_known(study, "person.landmark")} as known_until,
            cast(person.landmark - interval {depth} month as date) as window_from,
            cast(person.landmark - interval {RECENT_MONTHS} month as date) as recent_from,
            cast(null as varchar) as stay_id,
            person.age, person.sex, residence.department, department.region,
            residence.deprivation_quintile,
            coalesce(
                person.death_date <= {end}, false
            ) as died,
            {", ".join(labels)}
        from person
        inner join contact
            on person.person_id = contact.person_id and person.landmark = contact.landmark
        left join ald on person.person_id = ald.person_id
        left join residence
            on person.person_id = residence.person_id and person.landmark = residence.landmark
        left join main.ref_department as department on residence.department = department.department
        where person.age >= {min(ADULT, *YOUNGEST.values())}
        """
    )


def _stays(connection: duckdb.DuckDBPyConnection, study: Study, depth: int) -> None:
    known = _known(study, "told.discharge_date")
    flags = ", ".join(
        f"coalesce(max((known.condition = '{name}')::integer), 0) as {name}" for name in CHARLSON
    )
    connection.execute(
        f"""
        create or replace temp table subject as
        with told as (
            select * from main.readmission
            where
                is_index and age_years >= {ADULT} and sex in ('1', '2')
                and readmission_30d_rh30_like is not null
                and entry_date - interval {depth} month
                    >= (select make_date(min(year), 1, 1) from main.person_year where is_consumer)
        ),

        -- Diagnoses of the stay and of the twelve months before its end.
        comorbidity as (
            select told.episode_id, {flags},
                coalesce(max((diagnosis.diagnosis_code similar to
                    '{scores.SEVERE_RENAL}')::integer), 0) as severe_renal
            from told
            inner join src_diagnosis as diagnosis
                on diagnosis.person_id = told.person_id
                and diagnosis.discharge_date <= told.discharge_date
                and diagnosis.discharge_date >= told.discharge_date - interval 12 month
                and diagnosis.known_at <= {known}
            left join ({conditions_sql()}) as known using (diagnosis_code)
            group by told.episode_id
        ),

        emergency as (
            select told.episode_id, count(*) as visits
            from told
            inner join src_event as event
                on event.person_id = told.person_id and event.event_type = 'emergency_visit'
                and event.start_date < told.entry_date
                and event.start_date >= told.entry_date - interval 6 month
                and event.known_at <= {known}
            group by told.episode_id
        ),

        admission as (
            select told.episode_id, count(*) as stays
            from told
            inner join src_stay as stay
                on stay.person_id = told.person_id and stay.field = 'mco' and stay.is_full_stay
                and stay.discharge_date <= told.entry_date and stay.stay_id <> told.stay_id
                and stay.entry_date < told.entry_date
                and stay.discharge_date >= told.entry_date - interval 12 month
                and stay.known_at <= {known}
            group by told.episode_id
        ),

        part as (
            select
                link.episode_id,
                bool_or(coalesce(stay.is_through_emergency, false)) as is_urgent
            from main.hospital_episode_stay as link
            inner join main.hospital_stay as stay
                on link.stay_id = stay.stay_id and link.year = stay.year
            where link.place = 1
            group by link.episode_id
        ),

        done as (
            select link.episode_id
            from main.hospital_episode_stay as link
            inner join main.stay_procedure as act on link.stay_id = act.stay_id
            where act.is_used_for_care
            group by link.episode_id
        ),

        residence as (
            select told.episode_id, arg_max(place.department, place.year) as department,
                arg_max(place.deprivation_quintile, place.year) as deprivation_quintile
            from told
            inner join main.person_year as place
                on place.person_id = told.person_id and place.year < year(told.discharge_date)
            group by told.episode_id
        ),

        whole as (
            select
                told.*,
                coalesce(part.is_urgent, false) as is_urgent,
                done.episode_id is not null as has_procedure,
                coalesce(emergency.visits, 0) as emergency_visits,
                coalesce(admission.stays, 0) as earlier_stays,
                coalesce(residence.department, told.residence_department_pmsi) as department,
                residence.deprivation_quintile,
                coalesce(comorbidity.severe_renal, 0) as severe_renal,
                {", ".join(f"coalesce(comorbidity.{name}, 0) as {name}" for name in CHARLSON)}
            from told
            left join comorbidity using (episode_id)
            left join emergency using (episode_id)
            left join admission using (episode_id)
            left join part using (episode_id)
            left join done using (episode_id)
            left join residence using (episode_id)
        )

        select
            row_number() over (order by whole.person_id, whole.discharge_date, whole.episode_id) - 1
                as subject,
            whole.person_id,
            whole.episode_id,
            whole.discharge_date as landmark,
            whole.entry_date as until,
            {_known(study, "whole.discharge_date")} as known_until,
            cast(whole.entry_date - interval {depth} month as date) as window_from,
            cast(whole.entry_date - interval {RECENT_MONTHS} month as date) as recent_from,
            whole.stay_id,
            whole.age_years as age, whole.sex, whole.department, department.region,
            whole.deprivation_quintile,
            coalesce(whole.death_30 = 1, false) as died,
            whole.night_count, whole.is_urgent, whole.main_diagnosis, whole.ghm_code,
            whole.has_procedure, whole.finess,
            {scores.lace_sql("whole")} as lace,
            {scores.hospital_claims_sql("whole")} as hospital_claims,
            whole.readmission_30d_rh30_like as label_{READMISSION},
            whole.readmit_or_death_30 as late_{READMISSION}
        from whole
        left join main.ref_department as department on whole.department = department.department
        """
    )
