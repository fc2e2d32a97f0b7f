from __future__ import annotations

import datetime
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from anonymisation_tables import patient_file, patients

from openchronic_assets.anonymisation.hierarchies import HierarchyError, builtin
from openchronic_assets.anonymisation.metrics import measure
from openchronic_assets.anonymisation.patient_release import (
    COLUMNS,
    K_INTERNAL,
    K_PUBLIC,
    recode_patients,
    write_patient_table,
)
from openchronic_assets.errors import OpenChronicError

YEAR = 2021


def mart(folder: Path, rows: list[dict[str, object]], **types: pa.DataType) -> list[Path]:
    schema = {
        "person_id": pa.string(),
        "sex": pa.string(),
        "birth_year": pa.int32(),
        "department": pa.string(),
        "ald_main": pa.int32(),
        "is_dead": pa.bool_(),
        "first_ald_start": pa.date32(),
        **types,
    }
    default = {
        "sex": "1",
        "birth_year": 1950,
        "department": "62",
        "ald_main": 8,
        "is_dead": False,
        "first_ald_start": datetime.date(2015, 1, 1),
    }
    path = folder / "mart.parquet"
    pq.write_table(
        pa.table(
            {
                name: pa.array(
                    [
                        ({"person_id": f"p{i}"} | default | row).get(name)
                        for i, row in enumerate(rows)
                    ],
                    kind,
                )
                for name, kind in schema.items()
            }
        ),
        path,
    )
    return [path]


def test_the_thresholds_keep_the_risk_they_are_named_after() -> None:
    assert 1 / K_PUBLIC <= 0.09 < 1 / K_INTERNAL


@pytest.mark.parametrize(
    ("persons", "departments", "seed"),
    [
        (5000, {"62": 1.0, "974": 1.0, "23": 1.0}, 1),
        (5000, {"62": 0.4, "974": 0.35, "23": 0.25}, 2),
        (5000, {"62": 0.59, "974": 0.36, "23": 0.05}, 3),
        (4200, {"62": 0.59, "974": 0.36, "23": 0.05}, 4),
    ],
)
def test_at_least_thirty_percent_of_the_cells_are_shown_at_k_12(
    tmp_path: Path, persons: int, departments: dict[str, float], seed: int
) -> None:
    table = patients(persons, seed, departments)
    path = tmp_path / "mart.parquet"
    pq.write_table(table, path)
    result = recode_patients([path], YEAR)
    # Counted again from the rows themselves, without the library's own counting.
    rows = [
        tuple(str(line[name]) for name in ("department", "sex", "ald_main"))
        for line in table.select(["department", "sex", "ald_main"]).to_pylist()
    ]
    family = {row[0]: row[1] for row in builtin("ald").rows}
    public = {(v[2], v[0], v[3]) for v in result.recoding.tuples}
    exact = {c for c in set(rows) if c in public}
    shown = exact | {c for c in set(rows) if (c[0], c[1], family[c[2]]) in public}
    assert result.cells["total"] == len(set(rows))
    assert result.cells["shown"] == len(shown)
    assert result.cells["shown_exact"] == len(exact)
    assert result.cells["share"] >= 0.38
    # No recoding at k can show more cells exactly than those that hold k patients.
    assert len(exact) == sum(count >= 12 for count in Counter(rows).values())
    assert result.metrics.k >= 12
    assert result.metrics.suppressed_share < 0.02


def test_a_missing_value_is_published_as_unknown_in_a_class_of_k(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"sex": None, "department": None}] * 12
    rows += [{"ald_main": None, "birth_year": None}] * 12
    rows += [{"sex": " "}] * 3
    result = recode_patients(mart(tmp_path, rows), YEAR)
    assert dict(zip(result.recoding.tuples, result.recoding.counts.tolist(), strict=True)) == {
        ("inconnu", "70-74 ans", "inconnu", "8"): 12,
        ("1", "inconnu", "62", "inconnu"): 12,
    }
    # Three people of unknown sex are no wildcard: too few, they are not shown.
    assert result.metrics.suppressed == 3


def test_the_dead_the_unborn_and_the_not_yet_ill_are_left_out(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{}] * 12
    rows += [{"is_dead": None}, {"first_ald_start": None}]
    rows += [{"is_dead": True}] * 2
    rows += [{"birth_year": 2022}]
    rows += [{"first_ald_start": datetime.date(2022, 1, 1)}] * 4
    result = recode_patients(mart(tmp_path, rows), YEAR)
    assert result.population == {
        "read": 21,
        "dead": 2,
        "not_born": 1,
        "not_yet_patient": 4,
        "kept": 14,
    }
    assert result.metrics.rows == 14


def test_a_dated_death_counts_only_by_its_date(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{}] * 12
    rows += [{"is_dead": True, "death_date": datetime.date(2022, 1, 1)}]
    rows += [{"is_dead": True, "death_date": datetime.date(2021, 12, 31)}]
    rows += [{"is_dead": True, "death_date": None}]
    result = recode_patients(mart(tmp_path, rows, death_date=pa.date32()), YEAR)
    assert (result.population["dead"], result.population["kept"]) == (2, 13)


def test_ages_fall_into_their_group_at_the_end_of_the_year(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = []
    for born in (2021, 2017, 2016, 1927, 1926, 1899):
        rows += [{"birth_year": born}] * 12
    result = recode_patients(mart(tmp_path, rows), YEAR)
    counts = {v[1]: c for v, c in zip(result.recoding.tuples, result.recoding.counts, strict=True)}
    assert counts == {"00-04 ans": 24, "05-09 ans": 12, "90-94 ans": 12, "95+ ans": 24}


def test_a_person_counted_twice_is_refused(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"person_id": "same"}] * 12
    with pytest.raises(OpenChronicError, match="12 rows for 1 identified persons"):
        recode_patients(mart(tmp_path, rows), YEAR)
    with pytest.raises(OpenChronicError, match="2 rows for 1 identified"):
        recode_patients(mart(tmp_path, [{}, {"person_id": None}]), YEAR)


def test_a_code_outside_its_hierarchy_is_refused_without_being_printed(tmp_path: Path) -> None:
    with pytest.raises(HierarchyError, match="column department: 2 records") as caught:
        recode_patients(mart(tmp_path, [{}] + [{"department": "62193"}] * 2), YEAR)
    assert "62193" not in str(caught.value)
    elsewhere = recode_patients(mart(tmp_path, [{"department": "975"}] * 12), YEAR)
    assert elsewhere.recoding.tuples[0][2] == "autre"


def test_a_mart_without_a_needed_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"person_id": ["a"], "sex": ["1"]}), path)
    with pytest.raises(OpenChronicError, match="birth_year.*department.*ald_main"):
        recode_patients([path], YEAR)
    with pytest.raises(OpenChronicError, match="no file"):
        recode_patients([], YEAR)


def test_the_written_files_hold_the_same_sorted_rows_and_no_metadata(tmp_path: Path) -> None:
    path = tmp_path / "mart.parquet"
    pq.write_table(patients(5000, 9, {"62": 0.6, "974": 0.4}), path)
    result = recode_patients([path], YEAR)
    parquet, text = write_patient_table(result.recoding, tmp_path)
    table = pq.read_table(parquet)
    assert table.schema.metadata is None
    assert pq.read_metadata(parquet).metadata is None
    assert tuple(table.column_names) == COLUMNS
    rows = [tuple(line.values()) for line in table.to_pylist()]
    assert rows == sorted(rows)
    assert min(Counter(rows).values()) == result.metrics.k
    read = pacsv.read_csv(
        text,
        convert_options=pacsv.ConvertOptions(column_types=dict.fromkeys(COLUMNS, pa.string())),
    )
    assert [tuple(line.values()) for line in read.to_pylist()] == rows
    again = measure([parquet], [builtin(name) for name in COLUMNS], result.metrics.suppressed)
    assert again == result.metrics
    assert sum(result.levels["ald"].values()) == len(rows)


def test_the_order_of_the_mart_leaves_no_trace(tmp_path: Path) -> None:
    table = patients(3000, 5, {"62": 1.0})
    written = []
    for name, rows in (("a", table), ("b", table.take(list(range(table.num_rows))[::-1]))):
        folder = tmp_path / name
        folder.mkdir()
        pq.write_table(rows, folder / "mart.parquet")
        result = recode_patients([folder / "mart.parquet"], YEAR)
        written.append([p.read_bytes() for p in write_patient_table(result.recoding, folder)])
    assert written[0] == written[1]


def test_columns_that_the_mart_gains_change_nothing(tmp_path: Path) -> None:
    """The mart is read by name: more columns, in another order, give the same table."""
    before = patient_file(tmp_path / "before", persons=2000)
    table = pq.read_table(before)
    more = table.append_column("region", pa.array(["x"] * table.num_rows))
    more = more.append_column("class", pa.array(range(table.num_rows)))
    after = tmp_path / "after.parquet"
    pq.write_table(more.select(more.column_names[::-1]), after)
    found = [recode_patients([path], 2021, 12).recoding for path in (before, after)]
    assert found[0].tuples == found[1].tuples
    assert found[0].counts.tolist() == found[1].counts.tolist()


def test_who_is_a_patient_for_a_disease_alone_is_not_published(tmp_path: Path) -> None:
    """The public table is of ALD: the mart also holds people with a disease and no ALD."""
    holders = patients(600, 5, {"62": 1.0})
    others = holders.set_column(
        holders.schema.get_field_index("ald_main"),
        "ald_main",
        pa.nulls(len(holders), holders.schema.field("ald_main").type),
    ).set_column(
        holders.schema.get_field_index("person_id"),
        "person_id",
        pa.array([f"other {number}" for number in range(len(holders))]),
    )
    for name, parts in (
        ("alone", [(holders, True)]),
        ("both", [(holders, True), (others, False)]),
    ):
        tables = [
            table.append_column("has_ald", pa.array([held] * len(table))) for table, held in parts
        ]
        pq.write_table(pa.concat_tables(tables), tmp_path / f"{name}.parquet")
    alone, both = (
        recode_patients([tmp_path / f"{name}.parquet"], YEAR) for name in ("alone", "both")
    )
    assert both.recoding.tuples == alone.recoding.tuples
    assert both.population == alone.population
