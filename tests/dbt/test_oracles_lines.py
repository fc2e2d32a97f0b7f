"""Years of lines and details, codes of details, Open DAMIR: a second reading, row by row."""

from __future__ import annotations

import datetime as dt
import random
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
from model_runner import ModelRunner
from oracle_tools import Row, assert_same, date, draw

KEYS: dict[str, Any] = {
    "flx_emt_num": 1, "flx_emt_ord": 1, "flx_emt_typ": 1, "flx_trt_dtd": dt.date(2020, 3, 1),
    "org_cle_num": "01C231234", "prs_ord_num": 1, "rem_typ_aff": 1, "_source_file": "F",
}  # fmt: skip
TABLES = {
    "stg_dcir__pha": "er_pha_f", "stg_dcir__ucd": "er_ucd_f", "stg_dcir__cam": "er_cam_f",
    "stg_dcir__bio": "er_bio_f", "stg_dcir__ete": "er_ete_f", "stg_dcir__prs": "er_prs_f",
    "stg_dcir__aro": "er_aro_f",
}  # fmt: skip


def flux_year(month: dt.date) -> int:
    """A flux year runs from February to January."""
    return month.year - 1 if month.month == 1 else month.year


@pytest.mark.parametrize("model", sorted(TABLES))
def test_a_flux_year_runs_from_february_to_january(model: str, model_runner: ModelRunner) -> None:
    months = [dt.date(year, month, 1) for year in (2019, 2020) for month in range(1, 13)]
    cares = [None, dt.date(1600, 1, 1), dt.date(1601, 1, 1), dt.date(2018, 12, 31)]
    rows, wanted = [], []
    for number, month in enumerate(months):
        for offset, care in enumerate(cares if model == "stg_dcir__prs" else [None]):
            line = number * 10 + offset
            row = KEYS | {"dct_ord_num": line, "flx_dis_dtd": month, "_source_line": line}
            expected = {"source_line": line, "flux_year": flux_year(month)}
            if model == "stg_dcir__prs":
                row["exe_soi_dtd"] = care
                known = care is not None and care.year > 1600
                expected["care_year"] = care.year if known and care else flux_year(month)
            rows.append(row)
            wanted.append(expected)
    assert_same(model_runner.run(model, {TABLES[model]: rows}), wanted)


@pytest.mark.parametrize("model", sorted(TABLES))
def test_the_key_of_a_claim_holds_all_nine_columns(model: str, model_runner: ModelRunner) -> None:
    plain = KEYS | {"dct_ord_num": 1, "flx_dis_dtd": dt.date(2020, 3, 1), "_source_line": 0}
    others = [
        plain | {name: value}
        for name, value in {
            "dct_ord_num": 2, "flx_dis_dtd": dt.date(2020, 4, 1), "flx_emt_num": 2,
            "flx_emt_ord": 2, "flx_emt_typ": 2, "flx_trt_dtd": dt.date(2020, 3, 2),
            "org_cle_num": "01C231235", "prs_ord_num": 2, "rem_typ_aff": 2,
        }.items()
    ]  # fmt: skip
    rows = model_runner.run(model, {TABLES[model]: [plain, plain, *others]})
    assert len(rows) == 11 and len({row["claim_key"] for row in rows}) == 10


def test_details_keep_every_row_and_its_best_code(model_runner: ModelRunner) -> None:
    chance = random.Random(1)
    shared: dict[str, list[Any]] = {"claim_key": ["k", "l"], "flux_year": [2020]}
    drugs = draw(chance, 60, **shared, detail_number=[1], cip13=[None, 0, 3400930000011, 93],
                 cip7=[None, 0, 3412345, 12], box_count=[None, 1, -2], unit_count=[None, 7],
                 unit_dispensing_flag=[None, "D", "N"])  # fmt: skip
    hospital = draw(
        chance,
        40,
        **shared,
        detail_number=[1, 2],
        unit_count=[3, None],
        ucd_code=["0000009123456", " 9123456 ", "", None],
        billed_amount=[None, 12.5],
    )
    acts = draw(chance, 40, **shared, detail_number=[1], base_amount=[None, 14.26],
                ccam_code=["DEQP003", " DEQP003 ", "DEQP00312", "", None],
                activity_code=["1", " 4 ", None])  # fmt: skip
    tests = draw(chance, 40, **shared, detail_number=[1], nabm_code=[126, 9005, None],
                 act_count=[None, 1, -1])  # fmt: skip

    def drug_code(row: Row) -> tuple[str | None, str | None]:
        if row["cip13"]:
            return "cip13", str(row["cip13"]).rjust(13, "0")
        return ("cip7", str(row["cip7"]).rjust(7, "0")) if row["cip7"] else (None, None)

    def said(kind: str, system: str | None, code: str | None, amount: Any, count: Any,
             activity: str | None = None) -> Row:  # fmt: skip
        return {
            "event_type": kind, "code_system": system, "code": code or None,
            "detail_amount": None if amount is None else Decimal(str(amount)),
            "detail_quantity": count, "activity_code": activity,
        }  # fmt: skip

    wanted = []
    for row in drugs:
        by_unit = row["unit_dispensing_flag"] == "D"
        count = row["unit_count"] if by_unit else row["box_count"]
        wanted.append(said("drug", *drug_code(row), None, count))
    for row in hospital:
        code = (row["ucd_code"] or "").strip()[-7:]
        wanted.append(said("hospital_drug", "ucd", code, row["billed_amount"], row["unit_count"]))
    for row in acts:
        code, activity = (row["ccam_code"] or "").strip()[:7], row["activity_code"]
        activity = activity and activity.strip()
        wanted.append(said("procedure", "ccam", code, row["base_amount"], None, activity))
    for row in tests:
        code = "" if row["nabm_code"] is None else str(row["nabm_code"]).rjust(4, "0")
        wanted.append(said("biology", "nabm", code, None, row["act_count"]))
    given = {"stg_dcir__pha": drugs, "stg_dcir__ucd": hospital, "stg_dcir__cam": acts,
             "stg_dcir__bio": tests}  # fmt: skip
    assert_same(model_runner.run("int_care_detail", given), wanted)


def damir_rows(chance: random.Random) -> list[Row]:
    return draw(
        chance, 500, flux_month_number=[201901, 201902, 202012, 202000, None],
        care_year_number=[None, 0, 1600, 1601, 2019, 2020], care_month_number=[None, 0, 1, 12, 13],
        residence_region=[11, 99, None], age_code=[20, 99], sex_code=[0, 1, 2, 3, None],
        exemption_code=[0, 41], prestation_code=[1111], insurance_nature=[10],
        reimbursement_type=[0, 1, 2, 3, None], paid_amount=[None, 35, -2.5],
        base_amount=[23, None], reimbursed_amount=[15.1, 6.9, None], overrun_amount=[12, None],
        act_count=[1, None], quantity=[1, 2], filtered_paid_amount=[35, None],
        filtered_reimbursed_amount=[15.1],
    )  # fmt: skip


def damir_oracle(row: Row) -> Row:
    flux = row["flux_month_number"]
    care = row["care_year_number"] if (row["care_year_number"] or 0) > 1600 else None
    month = row["care_month_number"] if (row["care_month_number"] or 0) in range(1, 13) else None
    year = care
    if year is None:
        year = 0 if flux is None else flux // 100 - (flux % 100 == 1)
    real_flux = flux is not None and 1 <= flux % 100 <= 12
    supplement = (row["reimbursement_type"] or 0) >= 2

    def plain(name: str) -> Any:
        return None if supplement else row[name]

    return {
        "year": year,
        "flux_month": dt.date(flux // 100, flux % 100, 1) if real_flux else None,
        "care_month": dt.date(care, month, 1) if care and month else None,
        "region": None if row["residence_region"] == 99 else row["residence_region"],
        "age_code": None if row["age_code"] == 99 else row["age_code"],
        "sex_code": row["sex_code"] if row["sex_code"] in (1, 2) else None,
        "exemption_code": row["exemption_code"], "reimbursement_type": row["reimbursement_type"],
        "spend_amount": plain("paid_amount"), "counted_base_amount": plain("base_amount"),
        "basic_reimbursed_amount": plain("reimbursed_amount"),
        "supplement_amount": row["reimbursed_amount"] if supplement else None,
        "counted_overrun_amount": plain("overrun_amount"),
        "counted_act_count": plain("act_count"), "counted_quantity": plain("quantity"),
        "is_supplement": supplement, "is_care_month_unknown": care is None or month is None,
        "is_used_for_spending": not supplement,
        "filtered_paid_amount": row["filtered_paid_amount"],
    }  # fmt: skip


def money(row: Row) -> Row:
    return {
        name: Decimal(str(value)) if "amount" in name and value is not None else value
        for name, value in row.items()
    }


def test_lines_of_open_damir_are_decoded_row_by_row(model_runner: ModelRunner) -> None:
    rows = damir_rows(random.Random(2))
    found = model_runner.run("int_damir_line", {"stg_damir__open": rows})
    assert_same(found, [money(damir_oracle(row)) for row in rows])


def test_months_of_open_damir_add_up_their_lines(model_runner: ModelRunner) -> None:
    lines = [money(damir_oracle(row)) for row in damir_rows(random.Random(3))]
    cell = ("care_month", "flux_month", "region", "exemption_code", "reimbursement_type",
            "age_code", "sex_code")  # fmt: skip
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for line in lines:
        if line["year"] == 2019:
            groups[tuple(line[name] for name in cell)].append(line)

    def total(listed: list[Row], name: str) -> Any:
        values = [row[name] for row in listed if row[name] is not None]
        return sum(values) if values else None

    wanted = []
    for key, listed in groups.items():
        spend, paid = total(listed, "spend_amount"), total(listed, "basic_reimbursed_amount")
        more = total(listed, "supplement_amount")
        wanted.append(
            dict(zip(cell, key, strict=True))
            | {
                "year": 2019, "line_count": len(listed), "spend_amount": spend,
                "base_amount": total(listed, "counted_base_amount"),
                "reimbursed_amount": paid, "supplement_amount": more,
                "patient_amount": (spend or 0) - (paid or 0) - (more or 0),
                "overrun_amount": total(listed, "counted_overrun_amount"),
                "act_count": total(listed, "counted_act_count"),
                "quantity": total(listed, "counted_quantity"),
                "spend_gap": (spend or 0) - (total(listed, "filtered_paid_amount") or 0),
            }
        )  # fmt: skip
    found = model_runner.run("damir_month", {"int_damir_line": lines}, year=2019)
    assert_same(found, wanted)


def test_an_information_line_and_the_like_are_flagged_row_by_row(model_runner: ModelRunner) -> None:
    chance = random.Random(5)
    rows = draw(
        chance, 600, claim_key=["a", "b", "c"], care_year=[2019, 2020], flux_year=[2020],
        psa=["p", "q", None], birth_rank=[1, None], key_status=["ok", "sentinel"],
        nir_type=["00", "13", " 11 ", "15", "99", None], source_file=["f", "g", None],
        care_start_date=[None, date("1600-01-01"), date("2019-05-06")],
        care_end_date=[None, date("1600-01-01"), date("2019-05-07")],
        prescription_date=[None, date("1600-01-01"), date("2019-05-01")],
        expense_qualifier=[0, 71, None], sent_expense_qualifier=[0, 71, None],
        complement_type=[0, 16, None], complement_level=[0, 1, 2, 3, None],
        base_nature_code=[0, 1111, None], prestation_code=[1111], paid_amount=[25, None],
    )  # fmt: skip
    for number, row in enumerate(rows):
        row["source_line"] = number
    keys = [
        {"psa": "p", "birth_rank": 1, "person_id": "P", "is_fictitious": False},
        {"psa": "p", "birth_rank": -1, "person_id": None, "is_fictitious": False},
        {"psa": "q", "birth_rank": 1, "person_id": None, "is_fictitious": True},
    ]
    known = {(key["psa"], key["birth_rank"]): key for key in keys}
    fictitious = {"01", "05", "06", "08", "09", "11", "12", "13", "14", "15"}
    copies: dict[int, int] = {}
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["care_year"], row["claim_key"]].append(row)
    for group in groups.values():
        group.sort(
            key=lambda r: (r["source_file"] is None, r["source_file"] or "", r["source_line"])
        )
        copies |= {row["source_line"]: place for place, row in enumerate(group, 1)}

    def after_1600(value: dt.date | None) -> dt.date | None:
        return value if value is not None and value.year > 1600 else None

    wanted = []
    for row in rows:
        nobody = (row["nir_type"] or "").strip() in fictitious
        found = known.get((row["psa"], -1 if row["birth_rank"] is None else row["birth_rank"]))
        if nobody or (found and found["is_fictitious"]):
            status = "fictitious"
        elif row["psa"] is None:
            status = "sentinel_key" if row["key_status"] == "sentinel" else "no_key"
        elif found is None:
            status = "not_in_referential"
        else:
            status = "linked" if found["person_id"] else "ambiguous_renewal"
        qualified, sent = row["expense_qualifier"], row["sent_expense_qualifier"]
        information = 71 in (qualified, sent)
        flat = not qualified and sent == 71 and row["complement_type"] == 16
        wanted.append(
            {
                "claim_key": row["claim_key"], "care_year": row["care_year"],
                "copy_number": copies[row["source_line"]],
                "person_id": None if nobody or found is None else found["person_id"],
                "person_status": status, "care_date": after_1600(row["care_start_date"]),
                "care_end_date": after_1600(row["care_end_date"]),
                "prescription_date": after_1600(row["prescription_date"]),
                "is_information_line": information,
                "is_information_amount": information and not flat,
                "is_supplement": (row["complement_level"] or 0) >= 2,
                "is_duplicate_key": copies[row["source_line"]] > 1,
                "paid_amount": row["paid_amount"],
            }
        )  # fmt: skip
    given = {"stg_dcir__prs": rows, "int_person_key": keys}
    assert_same(model_runner.run("int_care_line", given), wanted)
