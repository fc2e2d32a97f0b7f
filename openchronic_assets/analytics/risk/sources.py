"""The marts as features see them: each row with the day from which it was known.

Views ``src_*`` over the marts. With a day, they hold nothing that came after it: what a feature
says of that day must not change then (``guards.same_when_cut``).
"""

from __future__ import annotations

import datetime

import duckdb

# View: (relation, columns, day of the fact, day from which it was known).
# The annual files of hospitals come at the end of January after their year [A], as in event_log.
_ANNUAL = "make_date(year + 1, 1, 31)"
SOURCES = {
    "src_event": (
        "main.event_log",
        "person_id, event_type, start_date, provider_id, code, spent, known_at",
        "start_date",
        "known_at",
    ),
    "src_drug": (
        "main.drug_dispensing",
        "person_id, dispensing_date, left(atc_code, 3) as atc_class, atc_code, box_count, known_at",
        "dispensing_date",
        "known_at",
    ),
    "src_stay": (
        "main.hospital_stay",
        "person_id, stay_id, year, field, entry_date, discharge_date, night_count, is_session, "
        "is_full_stay, is_through_emergency, main_diagnosis, finess, "
        f"{_ANNUAL} as known_at",
        "discharge_date",
        _ANNUAL,
    ),
    "src_diagnosis": (
        "main.stay_diagnosis",
        "person_id, stay_id, discharge_date, diagnosis_code, " + _ANNUAL + " as known_at",
        "discharge_date",
        _ANNUAL,
    ),
    "src_exemption": (
        "intermediate.int_ald_exemption",
        "person_id, ald_num, start_date, end_date, coalesce(insert_date, start_date) as known_at",
        "start_date",
        "coalesce(insert_date, start_date)",
    ),
}
_WHERE = {
    "src_event": "person_id is not null",
    "src_drug": "person_id is not null and dispensing_date is not null and box_count > 0",
    "src_stay": "person_id is not null and is_used_for_persons and discharge_date is not null",
    "src_diagnosis": "person_id is not null and is_used_for_stays and field = 'mco'",
    "src_exemption": "person_id is not null and is_used_for_ald and start_date is not null",
}


def open_views(
    connection: duckdb.DuckDBPyConnection,
    information: str = "known",
    until: datetime.date | None = None,
) -> None:
    """Make the views ``src_*``; with a day, without anything that came after it.

    ``information`` says what came: what was ``known`` after the day, or ``dated`` after it.
    """
    for name, (relation, columns, dated, known) in SOURCES.items():
        condition = _WHERE[name]
        if until is not None:
            day = f"date '{until.isoformat()}'"
            condition += f" and {dated} <= {day}"
            if information == "known":
                condition += f" and {known} <= {day}"
        connection.execute(
            f"create or replace temp view {name} as select {columns} from {relation} "
            f"where {condition}"
        )
