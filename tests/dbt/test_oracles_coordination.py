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
    known = {
        p["person_id"] for p in given_rows["person_year"] if p["is_consumer"] and p["year"] == YEAR
    }
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
            {"person_id": name, "year": year, "is_consumer": year < YEAR or chance.random() < 0.9}
            for name in names
            for year in (YEAR - 1, YEAR)
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


@settings(max_examples=20, deadline=None)
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


def an_episode(person: str, home: dt.date) -> Row:
    """Return a good episode of five days that ends at home."""
    return {
        "person_id": person, "episode_id": f"e {person}", "year": home.year, "field": "mco",
        "is_full_stay": True, "is_death": False, "exit_mode": "8", "is_service_only": False,
        "is_after_death": False, "entry_finess": "a", "exit_finess": "b", "exit_destination": None,
        "last_ghm_code": None, "entry_date": home - dt.timedelta(5), "discharge_date": home,
    }  # fmt: skip


def test_windows_end_on_their_last_day(model_runner: ModelRunner) -> None:
    """Each event on the days around the end of each window, a person each."""
    given_rows: dict[str, list[Row]] = {
        name: []
        for name in (
            "person_year", "hospital_episode", "int_death", "hospital_stay", "int_doctor_contact",
            "care_event", "drug_dispensing",
        )
    }  # fmt: skip
    middle, end = dt.date(YEAR, 6, 1), dt.date(YEAR, 12, 30)

    def contact(person: str, day: dt.date, general: bool = True) -> None:
        given_rows["int_doctor_contact"].append({
            "person_id": person, "contact_date": day, "year": day.year,
            "is_general_practitioner": general,
        })  # fmt: skip

    def drug(person: str, code: str, *days: dt.date) -> None:
        given_rows["drug_dispensing"] += [
            {
                "person_id": person, "dispensing_date": day, "year": day.year, "atc_code": code,
                "is_used_for_exposure": True, "is_hospital_drug": False, "is_line_left_out": False,
                "box_count": 1,
            }
            for day in days
        ]  # fmt: skip

    contact("z", dt.date(YEAR, 1, 1), general=False)
    contact("z", end, general=False)
    given_rows["hospital_stay"].append({
        "field": "mco", "year": YEAR, "discharge_date": dt.date(YEAR, 12, 31),
        "is_other_year": False, "is_generated": False,
    })  # fmt: skip
    for days in (0, *(w + shift for w in (3, 7, 14, 30, 60) for shift in (-1, 0, 1))):
        day, gap = middle + dt.timedelta(days), dt.timedelta(days)
        for kind in ("death", "stay", "doctor", "nurse", "drug", "data", "before"):
            person = f"{kind} {days}"
            home = end - gap if kind == "data" else middle
            given_rows["person_year"].append(
                {"person_id": person, "year": YEAR, "is_consumer": True}
            )
            given_rows["hospital_episode"].append(an_episode(person, home))
            # Five substances go on; of those of the drug, one stops being so at the sixtieth day.
            for number in range(5):
                code = f"C10AA0{number}"
                drug(person, code, home - dt.timedelta(40), home - dt.timedelta(20))
                if kind != "drug" or number > 1:
                    drug(person, code, home)
            if kind == "drug":
                drug(person, "C10AA01", day)
            if kind == "death":
                given_rows["int_death"].append({"person_id": person, "death_date": day})
            if kind == "stay":
                later = an_episode(person, day + dt.timedelta(5)) | {"episode_id": f"l {person}"}
                given_rows["hospital_episode"].append(later)
            if kind == "doctor":
                contact(person, day)
            if kind == "before":
                contact(person, home - dt.timedelta(5) - gap)
            if kind == "nurse":
                given_rows["care_event"].append({
                    "person_id": person, "event_type": "claim", "is_used_for_care": True,
                    "prestation_code": 3111, "care_date": day, "year": YEAR,
                })  # fmt: skip
    got = model_runner.run("measure_coordination", given_rows, YEAR)
    assert_same(got, measures(given_rows))
    told = {(row["measure"], row["excl_code"], row["num"]) for row in got}
    for measure in WINDOWS:
        assert {
            (measure, "died", 0),
            (measure, "readmitted", 0),
            (measure, "no_follow_up", 0),
        } < told
    assert ("medication_carried_over", None, 0) in told
