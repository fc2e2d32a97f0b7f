"""Stays of the four fields of hospital care, their diagnoses and procedures, row by row."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_runner import ModelRunner, SparkModelRunner, multiset
from raw_lake import Row, beneficiary, chaining, day, pseudonym, stay

GOOD = {
    f"{code}_ret": "0"
    for code in ("nir", "nai", "sex", "sej", "fho", "pms", "dat", "coh_nai", "coh_sex")
}
MCO = {"_table_year": 2020, "eta_num": "230780041", "rsa_num": f"{1:010d}"}
SSR = {"_table_year": 2020, "eta_num": "230780041", "rha_num": "0000001"}
HAD = {"_table_year": 2020, "eta_num_epmsi": "230780041", "rhad_num": "00001"}
PSY = {"_table_year": 2020, "eta_num_epmsi": "230780041", "rip_num": "000001"}


def chained(key: Row, entry: str | None, discharge: str | None, name: str = "ann") -> Row:
    return (
        key
        | GOOD
        | {
            "nir_ano_17": pseudonym(name),
            "ent_dat": day(entry) if entry else None,
            "sor_dat": day(discharge) if discharge else None,
        }
    )


def stays(runner: ModelRunner, delivered: dict[str, list[Row]]) -> dict[str, Row]:
    """Return the stays by their identifier."""
    rows_given = {"ir_ben_r": [beneficiary("ann")]} | delivered
    return {row["stay_id"]: row for row in runner.run("hospital_stay", rows_given)}


def test_weeks_sub_sequences_and_sequences_become_stays(model_runner: ModelRunner) -> None:
    found = stays(model_runner, {
        "t_mcoaab": [stay(2020, 1)],
        "t_mcoaac": [chaining(2020, 1, "ann")],
        "t_ssraab": [
            SSR | {"rhs_num": "002", "ent_mod": "6", "sor_mod": "8", "mor_prp": "i69.3",
                   "jp_hwe": "11000", "jp_we": "00", "hos_typ_um": "1"},
            SSR | {"rhs_num": "001", "ent_mod": "7", "ent_prv": "1", "sor_mod": "6",
                   "etl_aff": "I639", "jp_hwe": "11111", "jp_we": "11", "hos_typ_um": "1"},
        ],
        "t_ssraac": [chained(SSR, "2020-03-02", "2020-03-10")],
        "t_hadaab": [
            HAD | {"seq_num": "0001", "sseq_num": "0001", "dgn_pal": None, "sseq_nbj": 3},
            HAD | {"seq_num": "0001", "sseq_num": "0002", "dgn_pal": "C189", "sseq_nbj": 4,
                   "sor_mod": "9"},
        ],
        "t_hadaac": [chained(HAD, "2020-05-01", "2020-05-08")],
        "t_ripaarsa": [PSY | {"seq_seq_num": "001", "dgn_pal": "F329", "for_act": "20",
                              "pre_jou_nbj": 5, "pre_dem_jou_nbj": 2}],
        "t_ripaac": [chained(PSY, "2020-06-01", "2020-06-30")],
    })  # fmt: skip
    assert {row["field"] for row in found.values()} == {"mco", "ssr", "had", "psy"}
    ssr = found["ssr-2020-230780041-0000001"]
    assert (ssr["entry_mode"], ssr["exit_mode"], ssr["entry_origin"]) == ("7", "8", "1")
    assert (ssr["main_diagnosis"], ssr["related_diagnosis"]) == ("I693", "I639")
    assert (ssr["part_count"], ssr["days_present"], ssr["night_count"]) == (2, 9, 8)
    assert ssr["person_id"] == pseudonym("id ann")
    had = found["had-2020-230780041-00001"]
    assert (had["main_diagnosis"], had["days_present"], had["is_death"]) == ("C189", 7, True)
    assert (had["is_full_stay"], had["night_count"]) == (False, 0)
    psy = found["psy-2020-230780041-000001"]
    assert (psy["is_full_stay"], psy["half_days_present"], psy["length_of_stay"]) == (False, 2, 29)
    mco = found[f"2020-230780041-{1:010d}"]
    assert (mco["night_count"], mco["is_full_stay"], mco["part_count"]) == (2, True, None)


def test_the_two_valuations_never_meet_and_out_of_pocket_is_missing(
    model_runner: ModelRunner,
) -> None:
    found = stays(model_runner, {
        "t_mcoaab": [stay(2020, 1), stay(2020, 2), stay(2020, 3)],
        "t_mcoaac": [chaining(2020, n, "ann") for n in (1, 2, 3)],
        "t_mcoaavalo": [
            MCO | {"valo": "1", "mnt_tot_am": Decimal("1200.50")},
            MCO | {"rsa_num": f"{2:010d}", "valo": "0", "mnt_tot_am": Decimal("0")},
        ],
        "t_ssraab": [SSR | {"rhs_num": "001"}],
        "t_ssraastc": [SSR | {"tot_mnt_am": Decimal("700.25")}],
        "t_hadaab": [HAD | {"seq_num": "1", "sseq_num": "1"}],
    })  # fmt: skip
    told = {
        key: (row["valuation_method"], row["total_amount"], row["daily_tariff_amount"],
              row["out_of_pocket_amount"], row["out_of_pocket_status"])
        for key, row in found.items()
    }  # fmt: skip
    euros = Decimal
    public, elsewhere = "public_not_delivered", "not_valued_here"
    assert told == {
        f"2020-230780041-{1:010d}": ("VALO", euros("1200.50"), None, None, public),
        f"2020-230780041-{2:010d}": (None, euros("0.00"), None, None, public),
        f"2020-230780041-{3:010d}": (None, None, None, None, elsewhere),
        "ssr-2020-230780041-0000001": ("TJP", None, euros("700.25"), None, public),
        "had-2020-230780041-00001": (None, None, None, None, elsewhere),
    }


def test_a_stay_is_planned_by_a_named_rule(model_runner: ModelRunner) -> None:
    cases: list[tuple[Row, str, bool | None]] = [
        ({"grg_ghm": "28Z07Z", "dgn_pal": "Z511"}, "session", True),
        ({"grg_ghm": "27C061", "dgn_pal": "K746"}, "transplant", True),
        ({"grg_ghm": "14C081", "dgn_pal": "O820"}, "birth", True),
        ({"grg_ghm": "17M061", "dgn_pal": "Z512"}, "repeated_treatment", True),
        ({"grg_ghm": "17M061", "dgn_pal": "Z515"}, "none", False),
        ({"grg_ghm": "23M071", "dgn_pal": "Z080"}, "control", True),
        ({"grg_ghm": "08C241", "dgn_pal": "M170"}, "scheduled_surgery", True),
        ({"grg_ghm": "08C241", "dgn_pal": "S720"}, "none", False),  # an acute diagnosis
        ({"grg_ghm": "08C241", "dgn_pal": "M170", "ent_prv": "5"}, "none", False),
        ({"grg_ghm": "08C241", "dgn_pal": "M170", "ent_mod": "7"}, "none", False),
        ({"grg_ghm": "08C241", "dgn_pal": "M170", "ent_mod": None}, "none", False),
        ({"grg_ghm": "05M091", "dgn_pal": "I500"}, "none", False),
        ({"grg_ghm": "90Z00Z", "dgn_pal": "M170"}, "error_group", None),
        ({"grg_ghm": None, "dgn_pal": None}, "no_group", None),
        ({"grg_ghm": "08C241", "dgn_pal": None}, "scheduled_surgery", True),
    ]
    rows_given = {
        "t_mcoaab": [stay(2020, place, **changes) for place, (changes, _, _) in enumerate(cases)]
    }
    found = [row for _, row in sorted(stays(model_runner, rows_given).items())]
    told = [(row["planned_rule"], row["is_planned"]) for row in found]
    assert told == [(rule, planned) for _, rule, planned in cases]


def test_bad_dates_missing_chaining_and_missing_diagnosis_are_flagged(
    model_runner: ModelRunner,
) -> None:
    found = stays(model_runner, {
        "t_mcoaab": [stay(2020, 1), stay(2020, 2), stay(2020, 3, dgn_pal=None),
                     stay(2020, 4, sej_nbj=1)],
        "t_mcoaac": [
            chaining(2020, 1, "ann", ent_dat=day("2020-03-09")),
            chaining(2020, 3, "ann", sor_dat=None),
            chaining(2020, 4, "ann"),
        ],
    })  # fmt: skip
    flags = ("is_without_chaining", "is_without_dates", "is_discharge_before_entry",
             "is_length_unlike_dates", "is_without_diagnosis")  # fmt: skip
    assert [tuple(row[flag] for flag in flags) for _, row in sorted(found.items())] == [
        (False, False, True, True, False),
        (True, True, False, False, False),
        (False, True, False, False, True),
        (False, False, False, True, False),
    ]


def test_diagnoses_have_their_role_and_unit(model_runner: ModelRunner) -> None:
    rows_given = {
        "ir_ben_r": [beneficiary("ann")],
        "t_mcoaab": [stay(2020, 1, dgn_pal="i50.0", dgn_rel="")],
        "t_mcoaac": [chaining(2020, 1, "ann")],
        "t_mcoaaum": [MCO | {"um_ord_num": 1, "dgn_pal": "I500"},
                      MCO | {"um_ord_num": 2, "dgn_pal": "I10", "dgn_rel": "E119"}],
        "t_mcoaad": [MCO | {"ass_dgn": "E119"}, MCO | {"ass_dgn": "E119"},
                     MCO | {"rsa_num": "9", "ass_dgn": "J449"}],
        "t_ssraab": [SSR | {"rhs_num": "001", "fp_pec": "Z501", "mor_prp": "I693", "etl_aff": ""}],
        "t_ssraad": [SSR | {"rhs_num": "001", "dgn_cod": "I10"}],
        "t_hadaab": [HAD | {"seq_num": "1", "sseq_num": "2", "dgn_pal": None}],
        "t_hadaadmpp": [HAD | {"seq_num": "1", "sseq_num": "2", "dgn_ass_mpp": "C189"}],
        "t_hadaadmpa": [HAD | {"seq_num": "1", "sseq_num": "2", "dgn_ass_mpa": "Z515"}],
        "t_ripaarsa": [PSY | {"seq_seq_num": "001", "dgn_pal": "F329"}],
        "t_ripaarsad": [PSY | {"seq_seq_num": "001", "ass_dgn": "X"}],
    }  # fmt: skip
    rows = model_runner.run("stay_diagnosis", rows_given)
    found = {
        (r["field"], r["role"], r["role_group"], r["unit_number"], r["diagnosis_code"],
         r["has_stay"])
        for r in rows
    }  # fmt: skip
    assert len(rows) == len(found)
    assert found == {
        ("mco", "DP", "main", None, "I500", True),
        ("mco", "DP_RUM", "main", "1", "I500", True),
        ("mco", "DP_RUM", "main", "2", "I10", True),
        ("mco", "DR_RUM", "related", "2", "E119", True),
        ("mco", "DA", "associated", None, "E119", True),
        ("mco", "DA", "associated", None, "J449", False),
        ("ssr", "MMP", "main", "001", "I693", True),
        ("ssr", "FPP", "related", "001", "Z501", True),
        ("ssr", "DA", "associated", "001", "I10", True),
        ("had", "DMPP", "related", "1-2", "C189", True),
        ("had", "DMPA", "associated", "1-2", "Z515", True),
        ("psy", "DP", "main", "001", "F329", True),
        ("psy", "DA", "associated", "001", "X", True),
    }
    known = {r["person_id"] for r in rows if r["field"] == "mco" and r["has_stay"]}
    assert known == {pseudonym("id ann")}


def test_procedures_are_dated_from_entry_and_flagged_outside_their_stay(
    model_runner: ModelRunner,
) -> None:
    rows_given = {
        "ir_ben_r": [beneficiary("ann")],
        "t_mcoaab": [stay(2020, 1)],
        "t_mcoaac": [chaining(2020, 1, "ann")],
        "t_mcoaaa": [
            MCO | {"cdc_act": "DEQP003", "ent_dat_del": 0, "acv_act": "1", "nbr_exe_act": 2},
            MCO | {"cdc_act": "DEQP003+01", "ent_dat_del": 2},
            MCO | {"cdc_act": "NEKA020", "ent_dat_del": 3},
            MCO | {"cdc_act": "", "ent_dat_del": None},
            MCO | {"cdc_act": "NEKA020", "ent_dat_del": -1},
            MCO | {"rsa_num": "9", "cdc_act": "NEKA020", "ent_dat_del": 1},
        ],
        "t_ssraab": [SSR | {"rhs_num": "001"}],
        "t_ssraaccam": [SSR | {"rhs_num": "001", "ccam_act": "GLQP012", "ccam_nbr_rea": 1}],
    }  # fmt: skip
    found = [
        (r["procedure_code"], r["procedure_date"], r["date_status"], r["is_outside_stay"],
         r["is_without_stay"], r["is_used_for_care"])
        for r in sorted(
            model_runner.run("stay_procedure", rows_given),
            key=lambda r: (r["field"], r["is_without_stay"], r["procedure_number"]),
        )
    ]  # fmt: skip
    assert found == [
        ("DEQP003", day("2020-03-01"), "from_entry", False, False, True),
        ("DEQP003", day("2020-03-03"), "from_entry", False, False, True),
        ("NEKA020", day("2020-03-04"), "from_entry", True, False, True),
        (None, None, "no_delay", False, False, False),
        ("NEKA020", day("2020-02-29"), "from_entry", True, False, True),
        ("NEKA020", None, "no_entry_date", False, True, False),
        ("GLQP012", None, "delay_from_unit", False, False, True),
    ]


# -- oracle: parts into stays ------------------------------------------------------------------


@st.composite
def weeks(draw: st.DrawFn) -> list[Row]:
    """Draw weeks of a few rehabilitation stays, some delivered twice, in any order."""
    rows = []
    for number in range(draw(st.integers(1, 4))):
        for week in range(draw(st.integers(1, 4))):
            row = SSR | {
                "rha_num": f"{number:07}",
                "rhs_num": f"{week + 1:03}",
                "ent_mod": draw(st.sampled_from(["6", "7", "8", None])),
                "sor_mod": draw(st.sampled_from(["6", "8", "9", "", None])),
                "mor_prp": draw(st.sampled_from(["I693", "i50.0", "", None])),
                "jp_hwe": draw(st.sampled_from(["11111", "10100", "00000", None])),
                "jp_we": draw(st.sampled_from(["11", "01", "", None])),
                "hos_typ_um": draw(st.sampled_from(["1", "2", None])),
                "grg_gme": draw(st.sampled_from(["0145A1", "9001A0", None])),
                "typ_gen_rha": draw(st.sampled_from(["0", "0", "1", None])),
            }
            rows.append(row)
            if draw(st.booleans()) and draw(st.booleans()):
                rows.append(row | {"jp_hwe": "11111"})  # the same week again: counted nowhere
    for place, row in enumerate(rows):
        row["_source_file"], row["_source_line"] = "f", place
    return rows


def grouped(rows: list[Row]) -> dict[str, tuple[Any, ...]]:
    """Return the stays of weeks, one week after the other."""
    of_stay: dict[str, dict[str, Row]] = defaultdict(dict)
    for row in sorted(rows, key=lambda row: row["_source_line"]):
        of_stay[row["rha_num"]].setdefault(row["rhs_num"], row)
    found = {}
    for number, by_week in of_stay.items():
        parts = [by_week[week] for week in sorted(by_week)]
        errors = [(row["grg_gme"] or "").startswith("90") for row in parts]
        generated = [row["typ_gen_rha"] not in ("0", None) for row in parts]
        codes = [(row["mor_prp"] or "").replace(".", "").upper() for row in parts]
        kinds = [row["hos_typ_um"] for row in parts]
        found[number] = (
            len(parts),
            sum(((row["jp_hwe"] or "") + (row["jp_we"] or "")).count("1") for row in parts),
            parts[0]["ent_mod"],
            parts[-1]["sor_mod"] or None,
            next((code for code in codes if code), None),
            True if "1" in kinds else False if "2" in kinds else None,
            all(errors),
            all(generated),
            any(not (bad or made) for bad, made in zip(errors, generated, strict=True)),
        )
    return found


STAY_COLUMNS = (
    "part_count", "days_present", "entry_mode", "exit_mode", "main_diagnosis", "is_full_stay",
    "is_error_ghm", "is_generated", "is_used_for_stays",
)  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=weeks(), seed=st.randoms())
def test_weeks_make_the_stays_that_one_finds_by_hand(
    model_runner: ModelRunner, rows: list[Row], seed: Any
) -> None:
    expected = grouped(rows)
    seed.shuffle(rows)
    found = model_runner.run("int_field_stay", {"t_ssraab": rows})
    assert {row["stay_number"]: tuple(row[name] for name in STAY_COLUMNS) for row in found} == (
        expected
    )


@pytest.mark.spark
def test_both_engines_make_the_same_stays(
    model_runner: ModelRunner, spark_model_runner: SparkModelRunner
) -> None:
    delivered = {
        "int_psa": [
            {"psa": pseudonym("ann"), "person_id": "A", "person_status": "linked"},
        ],
        "t_mcoaab": [stay(2020, n, dgn_pal=("I500", None)[n % 2], ghs_num="1") for n in range(40)],
        "t_mcoaac": [chaining(2020, n, "ann") for n in range(30)],
        "t_mcoaad": [MCO | {"rsa_num": f"{n:010d}", "ass_dgn": "e11.9"} for n in range(50)],
        "t_mcoaaa": [
            MCO | {"rsa_num": f"{n:010d}", "cdc_act": "DEQP003", "ent_dat_del": n % 5}
            for n in range(50)
        ],
        "t_ssraab": [
            SSR | {"rha_num": f"{n % 9:07}", "rhs_num": f"{n:03}", "mor_prp": "I693",
                   "jp_hwe": "11010", "ent_mod": "8", "hos_typ_um": str(n % 3)}
            for n in range(60)
        ],
        "t_ssraac": [chained(SSR | {"rha_num": f"{n:07}"}, "2020-03-02", None) for n in range(9)],
        "t_hadaab": [
            HAD | {"rhad_num": f"{n % 7:05}", "seq_num": str(n), "sseq_num": "1", "sseq_nbj": n}
            for n in range(30)
        ],
        "t_ripaarsa": [
            PSY | {"rip_num": f"{n % 5:06}", "seq_seq_num": str(n), "dgn_pal": "F329",
                   "for_act": "01", "pre_jou_nbj": n}
            for n in range(20)
        ],
        "t_ripaastc": [PSY | {"rip_num": "000001", "tot_mnt_am": Decimal("12.34")}],
    }  # fmt: skip
    models = ["hospital_stay", "stay_diagnosis", "stay_procedure"]
    plain = model_runner.run_all(models, delivered)
    spark = spark_model_runner.run_all(models, delivered)
    for model in models:
        assert len(plain[model]) > 40
        assert multiset(spark[model]) == multiset(plain[model]), model
