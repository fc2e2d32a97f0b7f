"""The cells in which a year of care is laid out: whose they are, on both engines."""

from __future__ import annotations

import hashlib

from model_runner import ModelRunner, SparkModelRunner
from raw_lake import beneficiary, detail, line

DRUG = {"pha_ord_num": 1, "pha_prs_c13": 3400930000011}


def test_lines_and_details_lie_in_the_cell_of_their_pair(model_runner: ModelRunner) -> None:
    look_at_cells(model_runner)


def test_both_engines_have_the_same_cells(spark_model_runner: SparkModelRunner) -> None:
    look_at_cells(spark_model_runner)


def look_at_cells(runner: ModelRunner) -> None:
    given = {
        "ir_ben_r": [beneficiary("ann")],
        "er_prs_f": [
            line("ann", "2020-03-05", "2020-04-01", 1),
            line("ann", "2020-03-05", "2020-04-01", 2, ben_cdi_nir="05"),  # linked to nobody
            line("zoe", "2020-03-05", "2020-04-01", 3),  # not in the referential
            line("", "2020-03-05", "2020-04-01", 4, ben_nir_psa=None),
            line("ann", "2019-03-05", "2020-04-01", 5),  # another year of care
        ],
        "er_ete_f": [
            detail("2020-04-01", 1, etb_exe_fin=" 75000001 ", ete_ind_taa=1, _source_line=1),
            detail("2020-04-01", 1, etb_exe_fin="75000002", _source_line=2),
        ],
        "er_pha_f": [detail("2020-04-01", number, **DRUG) for number in (1, 3, 4, 5, 77)],
    }
    found = runner.run_all(["int_care_year_line", "int_care_year_detail"], given, year=2020)
    keys = {row["claim_key"] for row in found["int_care_year_line"]}
    assert len(keys) == 4
    persons = {row["person_id"] for row in found["int_care_year_line"] if row["person_id"]}
    (ann,) = persons
    for row in found["int_care_year_line"]:
        of_ann = row["psa"] == line("ann", None, "2020-04-01", 1)["ben_nir_psa"]
        key = ann if of_ann else row["psa"] or row["claim_key"]
        assert row["cell"] == int(hashlib.md5(key.encode()).hexdigest()[:2], 16)
        assert row["performing_finess"] == ("75000001" if row["activity_funding"] else None)
    assert sum(row["activity_funding"] or 0 for row in found["int_care_year_line"]) == 1
    cells = {row["claim_key"]: row["cell"] for row in found["int_care_year_line"]}
    lost = [row for row in found["int_care_year_detail"] if row["is_orphan"]]
    kept = [row for row in found["int_care_year_detail"] if not row["is_orphan"]]
    assert all(row["cell"] == cells[row["claim_key"]] for row in kept) and len(kept) == 3
    # Number 77 has no line at all; number 5 has one, in another year.
    assert len(lost) == 1 and lost[0]["claim_key"] not in cells
    assert lost[0]["cell"] == int(hashlib.md5(lost[0]["claim_key"].encode()).hexdigest()[:2], 16)
