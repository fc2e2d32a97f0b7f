"""City and hospital around acute episodes, told a second time, an episode at a time."""

from __future__ import annotations

import datetime as dt
import random
from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st
from model_runner import ModelRunner
from oracle_tools import Row, assert_same, draw, shuffled

YEAR = 2020
NURSE = (3106, 3107, 3108, 3111, 3112, 3115, 3120)
WINDOWS = {
    "gp_after_discharge_7": 7, "gp_after_discharge_14": 14, "gp_after_discharge_30": 30,
    "drug_after_discharge_7": 7, "nurse_after_discharge_3": 3, "medication_carried_over": 60,
    "days_to_first_gp": 60,
}  # fmt: skip


def is_index(episode: Row) -> bool:
    """Return whether an episode is an acute one of the year that ends at home."""
    return bool(
        episode["year"] == YEAR
        and episode["field"] == "mco"
        and episode["is_full_stay"]
        and not episode["is_death"]
        and episode["exit_mode"] == "8"
        and episode["exit_destination"] not in ("6", "7")
    )


def measures(given_rows: dict[str, list[Row]]) -> list[Row]:
    """Return the rows of the measure table."""
    known = {p["person_id"] for p in given_rows["person_year"] if p["is_consumer"]}
    deaths = {d["person_id"]: d["death_date"] for d in given_rows["int_death"]}
    contacts = given_rows["int_doctor_contact"]
    discharges = [
        stay["discharge_date"]
        for stay in given_rows["hospital_stay"]
        if stay["field"] == "mco"
        and stay["year"] in (YEAR, YEAR + 1)
        and not stay["is_other_year"]
        and not stay["is_generated"]
    ]
    seen = [each["contact_date"] for each in contacts]
    last = min([max(seen), *([max(discharges)] if discharges else [])]) if seen else None
    first = min(seen) if seen else None
    found = []
    for episode in given_rows["hospital_episode"]:
        if not is_index(episode) or episode["person_id"] not in known:
            continue
        person, entry, home = (
            episode["person_id"], episode["entry_date"], episode["discharge_date"],
        )  # fmt: skip
        left_out = None
        if (episode["last_ghm_code"] or "")[:2] in ("14", "15"):
            left_out = "birth"
        if episode["is_after_death"]:
            left_out = "after_death"
        if episode["is_service_only"]:
            left_out = "service_for_other_hospital"
        stays = [
            (other["entry_date"] - home).days
            for other in given_rows["hospital_episode"]
            if other["person_id"] == person
            and other["episode_id"] != episode["episode_id"]
            and other["entry_date"] >= home
            and other["year"] in (YEAR, YEAR + 1)
            and other["field"] in ("mco", "ssr", "psy")
            and other["is_full_stay"]
            and not other["is_service_only"]
        ]
        general = [
            each["contact_date"]
            for each in contacts
            if each["person_id"] == person and each["is_general_practitioner"]
        ]
        after = min(((day - home).days for day in general if day >= home), default=None)
        nurses = [
            (event["care_date"] - home).days
            for event in given_rows["care_event"]
            if event["person_id"] == person
            and event["event_type"] == "claim"
            and event["is_used_for_care"]
            and event["prestation_code"] in NURSE
            and event["care_date"] >= home
        ]
        drugs = [
            each
            for each in given_rows["drug_dispensing"]
            if each["person_id"] == person
            and not each["is_hospital_drug"]
            and not each["is_line_left_out"]
            and each["box_count"] is not None
            and each["box_count"] > 0
        ]
        before: dict[str, set[dt.date]] = defaultdict(set)
        again = set()
        for each in drugs:
            code, day = each["atc_code"], each["dispensing_date"]
            if not each["is_used_for_exposure"] or code is None or len(code) != 7:
                continue
            if entry - dt.timedelta(120) <= day < entry:
                before[code].add(day)
            if home <= day <= home + dt.timedelta(60):
                again.add(code)
        chronic = {code for code, days in before.items() if len(days) >= 2}
        delays = {
            "nurse_after_discharge_3": nurses,
            "drug_after_discharge_7": [
                (each["dispensing_date"] - home).days
                for each in drugs
                if each["dispensing_date"] >= home
            ],
        }

        def tell(
            measure: str, num: float, reason: str | None, finess: str, episode: Row = episode
        ) -> None:
            found.append({
                "person_id": episode["person_id"], "year": YEAR, "measure": measure,
                "condition": "all", "unit_id": episode["episode_id"], "finess": finess,
                "num": 0 if reason else num, "den": 0 if reason else 1, "excl_code": reason,
            })  # fmt: skip

        for measure, window in WINDOWS.items():
            reason = left_out
            if reason is None and person in deaths and (deaths[person] - home).days <= window:
                reason = "died"
            if reason is None and any(days <= window for days in stays):
                reason = "readmitted"
            if reason is None and (last is None or (last - home).days < window):
                reason = "no_follow_up"
            num: float = 0
            if measure == "medication_carried_over":
                if reason is None and (first is None or (entry - first).days < 120):
                    reason = "no_look_back"
                if reason is None and not chronic:
                    reason = "no_chronic_drug"
                num = int(bool(chronic) and len(chronic & again) / len(chronic) >= 0.8)
            elif measure == "days_to_first_gp":
                if reason is None and (after is None or after > window):
                    reason = "not_seen"
                num = after or 0
            elif measure.startswith("gp_"):
                num = int(after is not None and after <= window)
            else:
                num = int(any(days <= window for days in delays[measure]))
            tell(measure, num, reason, episode["exit_finess"])
        reason = left_out
        if reason is None and (first is None or (entry - first).days < 30):
            reason = "no_look_back"
        came = any(entry - dt.timedelta(30) <= day <= entry for day in general)
        tell("gp_before_admission", int(came), reason, episode["entry_finess"])
    return found


def drawn(chance: random.Random) -> dict[str, list[Row]]:
    """Return the rows of some people around a few episodes."""
    names = ["p", "q", "r", "s"]
    middle = dt.date(YEAR, 6, 1)

    def near(spread: int) -> dt.date:
        return middle + dt.timedelta(chance.randint(-spread, spread))

    episodes = draw(
        chance, 9,
        person_id=names, field=["mco"] * 4 + ["ssr", "had"], is_full_stay=[True] * 4 + [False],
        is_death=[False] * 6 + [True], exit_mode=["8"] * 5 + ["7", None],
        exit_destination=[None] * 5 + ["6", "7", "1"], is_service_only=[False] * 7 + [True],
        is_after_death=[False] * 7 + [True], last_ghm_code=["05M091", "05M091", "14Z14A", None],
        entry_finess=["a"], exit_finess=["b"],
    )  # fmt: skip
    for number, episode in enumerate(episodes):
        entry = near(chance.choice([20, 200]))
        episode |= {
            "episode_id": f"e{number}", "entry_date": entry,
            "discharge_date": entry + dt.timedelta(chance.randint(0, 9)),
        }  # fmt: skip
        episode["year"] = episode["discharge_date"].year
    end = chance.choice([dt.date(YEAR, 7, 1), dt.date(YEAR + 1, 6, 30)])
    contacts = [
        {"person_id": chance.choice(names), "contact_date": day, "year": day.year,
         "is_general_practitioner": chance.random() < 0.7}
        for day in (near(60) for _ in range(12))
    ]  # fmt: skip
    contacts += [
        {"person_id": "z", "contact_date": day, "year": day.year, "is_general_practitioner": False}
        for day in (chance.choice([dt.date(YEAR - 1, 5, 5), dt.date(YEAR, 4, 1)]), end)
    ]
    care = draw(
        chance, 25,
        person_id=names, event_type=["claim"] * 5 + ["drug"], is_used_for_care=[True] * 4 + [False],
        prestation_code=[3111, 3112, 3108, 1110, None],
    )  # fmt: skip
    for event in care:
        event["care_date"] = near(30)
        event["year"] = YEAR
    drugs = draw(
        chance, 80,
        person_id=names, atc_code=["A10BA02", "C10AA05", "C07AB07", "A10BA", None],
        is_used_for_exposure=[True] * 6 + [False], is_hospital_drug=[False] * 6 + [True],
        is_line_left_out=[False] * 6 + [True], box_count=[1, 1, 1, 2, 0, None],
    )  # fmt: skip
    for each in drugs:
        each["dispensing_date"] = near(130)
        each["year"] = each["dispensing_date"].year
    return {
        "person_year": [
            {"person_id": name, "year": YEAR, "is_consumer": chance.random() < 0.9}
            for name in names
        ],
        "hospital_episode": episodes,
        "int_death": [{"person_id": "p", "death_date": near(60)}] if chance.random() < 0.5 else [],
        "hospital_stay": [
            {"field": "mco", "year": YEAR + 1, "discharge_date": dt.date(YEAR + 1, 6, 30),
             "is_other_year": False, "is_generated": chance.random() < 0.3},
            {"field": "mco", "year": YEAR, "discharge_date": dt.date(YEAR, 12, 1),
             "is_other_year": False, "is_generated": False},
        ],
        "int_doctor_contact": contacts if chance.random() < 0.9 else [],
        "care_event": care,
        "drug_dispensing": drugs,
    }  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_coordination_is_that_of_a_second_reading(model_runner: ModelRunner, seed: int) -> None:
    chance = random.Random(seed)
    given_rows = drawn(chance)
    got = model_runner.run(
        "measure_coordination",
        {name: shuffled(chance, rows) for name, rows in given_rows.items()},
        YEAR,
    )
    wanted = measures(given_rows)
    if wanted:
        assert_same(got, wanted)
    assert len(got) == len(wanted)
