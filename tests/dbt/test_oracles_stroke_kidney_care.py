"""Care of stroke, before dialysis, and of cancer: cases, and a plain second reading."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_runner import ModelRunner
from oracle_tools import assert_same

Row = dict[str, Any]
DATE, DAY = dt.date, dt.timedelta
WHOLE = {"has_claims": True, "has_stays": True, "has_rehabilitation": True,
         "has_drug_classes": True}  # fmt: skip
DELIVERED = [
    WHOLE | {"year": year, "claims_to": DATE(year + 1, 1, 31), "stays_to": DATE(year, 12, 31)}
    for year in range(2018, 2022)
]


def episode(person: str, name: str, discharge: dt.date, code: str | None, **more: Any) -> Row:
    """Return an acute episode of an adult who went home."""
    return {
        "person_id": person, "episode_id": name, "year": discharge.year, "field": "mco",
        "entry_date": discharge - DAY(5), "discharge_date": discharge, "exit_mode": "8",
        "exit_finess": "h", "age_years": 70, "is_death": False, "is_palliative": False,
        "is_service_only": False, "is_after_death": False, "last_main_diagnosis": code,
    } | more  # fmt: skip


def stay(person: str, name: str, entry: dt.date, code: str | None = None, **more: Any) -> Row:
    """Return an acute stay of three days."""
    return {
        "person_id": person, "stay_id": name, "year": entry.year, "field": "mco",
        "entry_date": entry, "discharge_date": entry + DAY(3), "main_diagnosis": code,
        "ghm_code": "06M091", "is_session": False, "is_through_emergency": False,
        "is_used_for_persons": True,
    } | more  # fmt: skip


def care(person: str, name: str, day: dt.date) -> Row:
    return {"person_id": person, "list_name": name, "care_date": day, "year": day.year}


def measured(runner: ModelRunner, **given_rows: list[Row]) -> dict[tuple[str, str], Row]:
    """Return the rows of 2020 by unit (else person) and measure."""
    given_rows.setdefault("int_delivered_year", DELIVERED)
    who = {row["person_id"] for rows in given_rows.values() for row in rows if "person_id" in row}
    given_rows.setdefault("person_year", [{"person_id": p, "year": 2020} for p in sorted(who)])
    rows = runner.run("measure_stroke_kidney_care", given_rows, year=2020)
    found = {(row["unit_id"] or row["person_id"], row["measure"]): row for row in rows}
    assert len(found) == len(rows)
    return found


def told(row: Row) -> tuple[float, float, str | None]:
    return row["num"], row["den"], row["excl_code"]


# -- stroke ------------------------------------------------------------------------------------

HOME = DATE(2020, 3, 10)


def test_days_after_a_stroke(model_runner: ModelRunner) -> None:
    days = (0, 1, 14, 15, 30, 31, None)
    found = measured(
        model_runner,
        hospital_episode=[episode(f"p{n}", f"e{n}", HOME, "I639") for n in days],
        int_listed_care=[
            care(f"p{n}", name, HOME + DAY(n))
            for n in days
            if n is not None
            for name in ("gp_contact", "antithrombotic", "anticoagulant")
        ],
        hospital_stay=[
            stay(f"p{n}", f"r{n}", HOME + DAY(n), field="ssr") for n in days if n is not None
        ],
        stay_diagnosis=[
            {"person_id": f"p{n}", "year": 2020, "diagnosis_code": "I489",
             "discharge_date": HOME, "is_used_for_stays": True}
            for n in days
        ],
    )  # fmt: skip

    def yes(measure: str) -> set[int | None]:
        return {n for n in days if found[f"e{n}", measure]["num"] == 1}

    assert yes("stroke_gp_14d") == {1, 14}
    assert yes("stroke_antithrombotic_30d") == {1, 14, 15, 30}
    assert yes("stroke_anticoagulant_af_30d") == {1, 14, 15, 30}
    # A rehabilitation stay may begin on the day of discharge.
    assert yes("stroke_rehabilitation_14d") == {0, 1, 14}
    assert found["e1", "stroke_gp_14d"]["finess"] == "h"


def test_which_measure_asks_about_which_stroke(model_runner: ModelRunner) -> None:
    cases = {"I630": True, "I64": True, "I619": False, "I609": False, "I698": None, None: None}
    diagnoses = [
        ("I630", DATE(2019, 5, 1), "I480"), ("I64", HOME + DAY(9), "I480"), ("I619", HOME, "I480"),
    ]  # fmt: skip
    found = measured(
        model_runner,
        hospital_episode=[
            *(episode(str(code), str(code), HOME, code) for code in cases),
            episode("child", "child", HOME, "I630", age_years=17),
            episode("first", "first", HOME, "Z501", first_main_diagnosis="I630"),
        ],
        stay_diagnosis=[
            {"person_id": person, "year": day.year, "diagnosis_code": code, "discharge_date": day,
             "is_used_for_stays": True}
            for person, day, code in diagnoses
        ],
    )  # fmt: skip

    def asked(measure: str) -> set[str]:
        return {unit for unit, name in found if name == measure}

    assert asked("stroke_gp_14d") == {"I630", "I64", "I619", "I609", "first"}
    assert asked("stroke_antithrombotic_30d") == {"I630", "I64", "first"}
    # Fibrillation that a stay tells by then, on an ischaemic stroke.
    assert asked("stroke_anticoagulant_af_30d") == {"I630"}


STROKE_DEATHS = [None, None, 0, 14, 15, 30, 31]
stroke = st.fixed_dictionaries(
    {
        "code": st.sampled_from(["I639", "I64", "I610", "I652", None]),
        "home": st.sampled_from([DATE(2020, 1, 2), HOME, DATE(2020, 12, 1), DATE(2020, 12, 20)]),
        "exit_mode": st.sampled_from(["8", "8", "6", "9", None]),
        "is_palliative": st.sampled_from([False, False, True]),
        "death": st.sampled_from(STROKE_DEATHS),
        "fibrillation": st.booleans(),
        "care": st.lists(
            st.tuples(
                st.sampled_from(["gp_contact", "antithrombotic", "anticoagulant", "nurse"]),
                st.sampled_from([0, 1, 14, 15, 30, 31]),
            ),
            unique=True, max_size=5,
        ),
        "rehabilitation": st.sampled_from([None, None, 0, 14, 15]),
    }
)  # fmt: skip


def stroke_oracle(name: str, each: Row, after: bool) -> list[Row]:
    """Return the rows of an episode as the rule reads, or none."""
    if each["code"] not in ("I639", "I64", "I610"):
        return []
    claims = DATE(2022, 1, 31) if after else DATE(2020, 12, 31)
    stays = DATE(2021, 12, 31) if after else DATE(2020, 12, 31)

    def by(last: int, wanted: str) -> bool:
        return any(kind == wanted and 1 <= gap <= last for kind, gap in each["care"])

    rehabilitation = each["rehabilitation"]
    asked: list[tuple[str, int, bool, dt.date]] = [
        ("stroke_gp_14d", 14, by(14, "gp_contact"), claims),
        ("stroke_rehabilitation_14d", 14, rehabilitation is not None and rehabilitation <= 14,
         stays),
    ]  # fmt: skip
    if each["code"] != "I610":
        asked.append(("stroke_antithrombotic_30d", 30, by(30, "antithrombotic"), claims))
        if each["fibrillation"]:
            asked.append(("stroke_anticoagulant_af_30d", 30, by(30, "anticoagulant"), claims))
    rows = []
    for measure, last, done, end in asked:
        why = None
        if each["exit_mode"] == "9":
            why = "death_in_hospital"
        elif each["exit_mode"] != "8" and measure != "stroke_rehabilitation_14d":
            why = "not_home"
        elif each["is_palliative"]:
            why = "palliative"
        elif each["home"] + DAY(last) > end:
            why = "no_follow_up"
        elif each["death"] is not None and each["death"] <= last:
            why = "early_death"
        rows.append({"unit_id": name, "measure": measure, "excl_code": why,
                     "num": float(done and why is None), "den": float(why is None)})  # fmt: skip
    return rows


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(stroke, min_size=1, max_size=25), st.booleans())
def test_every_stroke_is_that_of_the_oracle(
    model_runner: ModelRunner, drawn: list[Row], after: bool
) -> None:
    tables: dict[str, list[Row]] = {name: [] for name in (
        "hospital_episode", "int_listed_care", "int_death", "stay_diagnosis", "hospital_stay",
    )}  # fmt: skip
    wanted = []
    for n, each in enumerate(drawn):
        who, home = f"p{n}", each["home"]
        tables["hospital_episode"].append(
            episode(who, f"e{n}", home, each["code"], exit_mode=each["exit_mode"],
                    is_death=each["exit_mode"] == "9", is_palliative=each["is_palliative"])
        )  # fmt: skip
        tables["int_listed_care"] += [care(who, name, home + DAY(k)) for name, k in each["care"]]
        if each["death"] is not None:
            tables["int_death"].append({"person_id": who, "death_date": home + DAY(each["death"])})
        if each["fibrillation"]:
            tables["stay_diagnosis"].append(
                {"person_id": who, "year": 2020, "diagnosis_code": "I48", "discharge_date": home,
                 "is_used_for_stays": True}
            )  # fmt: skip
        if each["rehabilitation"] is not None:
            entry = home + DAY(each["rehabilitation"])
            tables["hospital_stay"].append(stay(who, f"r{n}", entry, field="ssr"))
        wanted += stroke_oracle(f"e{n}", each, after)
    delivered = [row for row in DELIVERED if after or row["year"] < 2021]
    got = measured(model_runner, **tables, int_delivered_year=delivered)
    assert len(got) == len(wanted)
    if wanted:
        assert_same(got.values(), wanted)


def test_a_stroke_without_its_data_is_absent(model_runner: ModelRunner) -> None:
    def reasons(**missing: bool) -> dict[str, str | None]:
        found = measured(
            model_runner,
            hospital_episode=[episode("P", "e", HOME, "I639")],
            stay_diagnosis=[
                {"person_id": "P", "year": 2020, "diagnosis_code": "I48", "discharge_date": HOME,
                 "is_used_for_stays": True}
            ],
            int_delivered_year=[
                row | (missing if row["year"] == 2020 else {})
                for row in DELIVERED
                if row["year"] == 2020
            ],
        )  # fmt: skip
        return {name.removeprefix("stroke_"): row["excl_code"] for (_, name), row in found.items()}

    # Only fibrillation is looked for in the year before.
    assert reasons() == {
        "gp_14d": None, "rehabilitation_14d": None, "antithrombotic_30d": None,
        "anticoagulant_af_30d": "no_look_back",
    }  # fmt: skip
    assert reasons(has_rehabilitation=False)["rehabilitation_14d"] == "no_follow_up"
    assert reasons(has_claims=False)["gp_14d"] == "no_follow_up"
    assert reasons(has_drug_classes=False)["antithrombotic_30d"] == "not_delivered"


# -- kidney ------------------------------------------------------------------------------------

START = DATE(2020, 6, 1)


def test_dialysis_starts_where_there_was_none_the_year_before(model_runner: ModelRunner) -> None:
    session = {"is_session": True, "ghm_code": "28Z04Z", "discharge_date": START}
    found = measured(
        model_runner,
        hospital_stay=[
            stay("session", "s", START, "Z491", **session),
            stay("acute", "a", START, "Z491", **session | {"ghm_code": "28Z03Z"}),
            stay("no group", "n", START, "Z491", **session | {"ghm_code": None}),
        ],
        int_listed_care=[
            care("town", "chronic_dialysis", START), care("old", "chronic_dialysis", START),
            care("old", "chronic_dialysis", DATE(2019, 12, 31)),
            care("long ago", "chronic_dialysis", DATE(2018, 12, 31)),
            care("long ago", "chronic_dialysis", START),
        ],
    )  # fmt: skip
    assert {person for person, name in found if name == "ckd_planned_start"} == {
        "session", "town", "long ago",
    }  # fmt: skip


def test_who_was_prepared_for_dialysis(model_runner: ModelRunner) -> None:
    def start(name: str) -> Row:
        return care(name, "chronic_dialysis", START)

    urgent = {"is_through_emergency": True}
    names = ("365", "364", "2018", "2017", "fistula", "late", "within", "7", "8", "planned", "seen")
    found = measured(
        model_runner,
        int_listed_care=[
            *(start(name) for name in names),
            care("365", "nephrologist", START - DAY(365)),
            care("364", "nephrologist", START - DAY(364)),
            care("2018", "nephrologist", DATE(2018, 1, 1)),
            care("2017", "nephrologist", DATE(2017, 12, 31)),
            care("fistula", "fistula", START - DAY(1)), care("late", "fistula", START),
        ],
        hospital_stay=[
            stay("within", "a", START - DAY(20), discharge_date=START, **urgent),
            stay("7", "b", START - DAY(7), discharge_date=START - DAY(5), **urgent),
            stay("8", "c", START - DAY(8), discharge_date=START - DAY(5), **urgent),
            stay("planned", "d", START - DAY(1)),
            stay("seen", "e", START + DAY(1), **urgent),
        ],
    )  # fmt: skip

    def yes(measure: str) -> set[str]:
        assert {told(row)[1:] for (_, name), row in found.items() if name == measure} == {(1, None)}
        return {who for (who, name), row in found.items() if name == measure and row["num"] == 1}

    assert yes("ckd_nephrologist_1y") == {"365", "2018"}
    assert yes("ckd_fistula_before_start") == {"fistula"}
    assert yes("ckd_planned_start") == set(names) - {"within", "7"}


def test_dialysis_without_the_years_before_is_absent(model_runner: ModelRunner) -> None:
    def reasons(years: set[int]) -> dict[str, str | None]:
        found = measured(
            model_runner, int_listed_care=[care("P", "chronic_dialysis", START)],
            int_delivered_year=[row for row in DELIVERED if row["year"] in years],
        )  # fmt: skip
        return {name: row["excl_code"] for (_, name), row in found.items()}

    back = "no_look_back"
    assert reasons({2018, 2019, 2020}) == {
        "ckd_nephrologist_1y": None, "ckd_planned_start": None, "ckd_fistula_before_start": None,
    }  # fmt: skip
    assert reasons({2019, 2020}) == {
        "ckd_nephrologist_1y": back, "ckd_planned_start": None, "ckd_fistula_before_start": None,
    }  # fmt: skip
    assert set(reasons({2018, 2020}).values()) == {back}


# -- cancer ------------------------------------------------------------------------------------

FIRST = DATE(2020, 3, 1)


def waited(found: dict[tuple[str, str], Row]) -> dict[str, tuple[float, float, str | None]]:
    return {who: told(row) for (who, name), row in found.items() if name.endswith("to_treatment")}


def test_days_from_the_first_stay_to_the_first_treatment(model_runner: ModelRunner) -> None:
    def chemo(person: str, days: int, **more: Any) -> Row:
        given_stay = {"related_diagnosis": "C509", "is_session": True, "ghm_code": "28Z07Z"} | more
        return stay(person, f"{person} t", FIRST + DAY(days), "Z511", **given_stay)

    names = ("surgery", "later", "180", "181", "none", "before", "drug", "rays", "related", "old",
             "benign", "session only")  # fmt: skip
    found = measured(
        model_runner,
        hospital_stay=[
            *(stay(name, f"{name} d", FIRST, "C509") for name in names
              if name not in ("surgery", "related", "benign", "session only")),
            stay("surgery", "s", FIRST, "C509", ghm_code="09C041"),
            stay("related", "r", FIRST, "Z080", related_diagnosis="C509"),
            stay("benign", "b", FIRST, "D059"), stay("benign", "n", FIRST, None),
            stay("old", "o", DATE(2019, 12, 31), "C509"),
            chemo("later", 25), chemo("180", 180), chemo("181", 181), chemo("before", -1),
            chemo("related", 10), chemo("session only", 10),
            chemo("rays", 12, main_diagnosis="Z510"),
        ],
        int_listed_care=[care("drug", "cancer_drug", FIRST + DAY(4))],
    )  # fmt: skip
    assert waited(found) == {
        "surgery": (0, 1, None), "later": (25, 1, None), "180": (180, 1, None),
        "181": (0, 0, "not_treated"), "none": (0, 0, "not_treated"),
        "before": (0, 0, "treated_before"), "drug": (4, 1, None), "rays": (12, 1, None),
        "related": (10, 1, None),
    }  # fmt: skip


def test_a_cancer_without_its_years_is_absent(model_runner: ModelRunner) -> None:
    def reason(first: dt.date, *years: int) -> tuple[float, float, str | None]:
        found = measured(
            model_runner,
            hospital_stay=[stay("P", "d", first, "C509", ghm_code="09C041")],
            int_delivered_year=[row for row in DELIVERED if row["year"] in years],
        )
        return waited(found)["P"]

    assert reason(FIRST, 2019, 2020) == (0, 1, None)
    assert reason(FIRST, 2020) == (0, 0, "no_look_back")
    assert reason(DATE(2020, 7, 10), 2019, 2020) == (0, 0, "no_follow_up")
    assert reason(DATE(2020, 7, 10), 2019, 2020, 2021) == (0, 1, None)


end_of_life = st.fixed_dictionaries(
    {
        "death": st.sampled_from([DATE(2020, 1, 10), DATE(2020, 1, 20), DATE(2020, 6, 1), None]),
        "top": st.sampled_from(["sup_CanAct_cat", "sup_CanAct_cat", "sup_CanSur_cat"]),
        "visits": st.lists(
            st.tuples(st.sampled_from([-1, 0, 14, 30, 31]), st.booleans()), max_size=3
        ),
        "chemo": st.lists(
            st.tuples(st.sampled_from([-1, 0, 14, 15]), st.sampled_from(["stay", "drug", "rays"])),
            max_size=3,
        ),
    }
)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(end_of_life, min_size=1, max_size=20), st.booleans())
def test_every_end_of_life_is_that_of_the_oracle(
    model_runner: ModelRunner, drawn: list[Row], before: bool
) -> None:
    tables: dict[str, list[Row]] = {name: [] for name in (
        "person_year", "person_pathology", "emergency_visit", "hospital_stay", "int_listed_care",
    )}  # fmt: skip
    wanted = []
    for n, each in enumerate(drawn):
        who, death = f"p{n}", each["death"]
        tables["person_year"].append({"person_id": who, "year": 2020, "death_date": death})
        tables["person_pathology"].append(
            {"person_id": who, "year": 2020, "carto_version": "G6-like", "top": each["top"]}
        )
        last = death or DATE(2020, 6, 1)
        for k, (gap, counted) in enumerate(each["visits"]):
            day = last - DAY(gap)
            tables["emergency_visit"].append(
                {"person_id": who, "visit_id": f"v{n} {k}", "visit_date": day, "year": day.year,
                 "is_counted": counted, "is_used_for_persons": True}
            )  # fmt: skip
        for k, (gap, kind) in enumerate(each["chemo"]):
            day = last - DAY(gap)
            if kind == "drug":
                tables["int_listed_care"].append(care(who, "cancer_drug", day))
            else:
                code = "Z511" if kind == "stay" else "Z510"
                tables["hospital_stay"].append(stay(who, f"c{n} {k}", day, code, is_session=True))
        if death is None or each["top"] != "sup_CanAct_cat":
            continue
        done = {
            "cancer_emergency_last_30d": (
                30, any(0 <= gap <= 30 and counted for gap, counted in each["visits"])
            ),
            "cancer_chemotherapy_last_14d": (
                14, any(0 <= gap <= 14 and kind != "rays" for gap, kind in each["chemo"])
            ),
        }  # fmt: skip
        for name, (days, yes) in done.items():
            why = None if before or death - DAY(days) >= DATE(2020, 1, 1) else "no_look_back"
            wanted.append(
                {"person_id": who, "measure": name, "excl_code": why,
                 "num": float(yes and why is None), "den": float(why is None)}
            )  # fmt: skip
    delivered = [row for row in DELIVERED if before or row["year"] >= 2020]
    found = measured(model_runner, **tables, int_delivered_year=delivered)
    got = [row for (_, name), row in found.items() if "_last_" in name]
    assert len(got) == len(wanted)
    if wanted:
        assert_same(got, wanted)
