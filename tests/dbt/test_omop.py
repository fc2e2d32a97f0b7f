"""The OMOP export: fields of the specification, codes kept, keys that hold, bytes that repeat."""

from __future__ import annotations

import csv
import functools
import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from model_runner import ModelRunner
from raw_lake import Row, beneficiary, detail, line, pseudonym, small_extract
from typer.testing import CliRunner

from openchronic_assets.anonymisation import journal
from openchronic_assets.cli import app
from openchronic_assets.errors import UsageError
from openchronic_assets.exports.omop import export, export_omop, spec, tables
from openchronic_assets.settings import Home

MODELS = (
    "person", "ald_episode", "care_event", "hospital_stay", "stay_diagnosis", "stay_procedure",
    "drug_dispensing",
)  # fmt: skip
HISTORY = ("person", "ald_episode")
YEARS = (2019, 2020)


class Raw:
    """Takes what is put as rows of raw tables."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Row]] = {}

    def put(self, table: str, file: str, rows: Any, delivery: str = "d1") -> None:
        self.rows.setdefault(table, []).extend(rows)


@pytest.fixture(scope="module")
def marts(model_runner: ModelRunner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of the marts that the export reads, made by the models from a small extract."""
    raw = Raw()
    small_extract(raw)  # type: ignore[arg-type]
    raw.put("ir_ben_r", "x", [beneficiary("unborn", ben_nai_ann=None)])
    doctor = {"pfs_exe_num": "a" * 32, "pse_spe_cod": 1, "pfs_pre_num": "b" * 32}
    raw.put("er_prs_f", "x", [line("ann", "2020-05-02", "2020-06-01", 1, **doctor)])
    drug = {"pha_ord_num": 1, "pha_prs_c13": 3400930000099, "pha_act_qsn": 1}
    raw.put("er_pha_f", "x", [detail("2020-06-01", 1, **drug)])
    path = tmp_path_factory.mktemp("omop") / "marts.duckdb"
    with duckdb.connect(str(path)) as connection:
        for year in YEARS:
            made = model_runner.run_all(MODELS, raw.rows, year=year)
            for name, rows in made.items():
                if name in HISTORY and year != YEARS[0]:
                    continue
                table: pa.Table = model_runner.table(name, rows)
                connection.register("made", table)
                verb = "insert into" if year != YEARS[0] else "create table"
                joint = "" if year != YEARS[0] else " as"
                connection.execute(f"{verb} {name}{joint} from made")
                connection.unregister("made")
    return path


@pytest.fixture
def built(marts: Path, home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    manifest = {
        "build_id": "b1",
        "flux_cutoff": "2021-06",
        "models": {name: {"read": {str(year): {} for year in YEARS}} for name in MODELS},
    }
    monkeypatch.setattr(export, "read_manifest", lambda home: manifest)
    monkeypatch.setattr(export, "connect", lambda home: duckdb.connect(str(marts), read_only=True))
    return home


@pytest.fixture
def written(built: Home) -> Path:
    return Path(export_omop(built, YEARS)["folder"])


@functools.lru_cache(maxsize=2)
def opened(folder: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    for name in spec.tables():
        files = f"{folder}/{name}/*.parquet"
        connection.execute(f"create table {name} as from read_parquet('{files}')")
    return connection


def rows(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    return opened(folder).execute(sql).fetchall()


def test_every_table_has_the_fields_and_types_of_the_specification(written: Path) -> None:
    assert len(spec.tables()) == 14
    for name, fields in spec.tables().items():
        assert re.fullmatch(r"[a-z_]+", name)
        found = rows(written, f"describe {name}")
        assert [row[0] for row in found] == [each.name for each in fields], name
        assert [row[1] for row in found] == [each.sql_type for each in fields], name


def test_required_fields_are_filled_and_every_text_fits(written: Path) -> None:
    for name, fields in spec.tables().items():
        for each in fields:
            if each.is_required:
                assert rows(written, f"select count(*) from {name} where {each.name} is null") == [
                    (0,)
                ], (name, each.name)
            if each.length:
                (longest,) = rows(written, f"select max(length({each.name})) from {name}")
                assert (longest[0] or 0) <= each.length, (name, each.name)


def test_no_table_of_a_small_extract_is_empty_but_what_it_lacks(written: Path) -> None:
    counts = {name: rows(written, f"select count(*) from {name}")[0][0] for name in spec.tables()}
    assert {name for name, n in counts.items() if n == 0} <= {"death"}, counts


def left_in_scratch(home: Home) -> list[Path]:
    return [path for path in home.scratch.iterdir() if path.suffix != ".lock"]


KEYS = {name: fields[0].name for name, fields in spec.tables().items() if name != "cdm_source"}


def test_keys_are_unique_and_every_reference_finds_its_row(written: Path) -> None:
    for name, key in KEYS.items():
        assert rows(written, f"select {key} from {name} group by 1 having count(*) > 1") == [], name
    references = 0
    for name, fields in spec.tables().items():
        for each in fields:
            for parent in ("person", "visit_occurrence", "provider", "care_site", "location"):
                if each.name == f"{parent}_id" and name != parent:
                    references += 1
                    orphans = rows(
                        written,
                        f"select count(*) from {name} anti join {parent} using ({each.name}) "
                        f"where {each.name} is not null",
                    )
                    assert orphans == [(0,)], (name, each.name)
    assert references > 20
    assert rows(
        written,
        "select count(*) from cost anti join visit_occurrence "
        "on cost_event_id = visit_occurrence_id",
    ) == [(0,)]


def test_dates_are_in_order_and_inside_the_observation_period(written: Path) -> None:
    for table, start, end in (
        ("visit_occurrence", "visit_start_date", "visit_end_date"),
        ("drug_exposure", "drug_exposure_start_date", "drug_exposure_end_date"),
        ("observation_period", "observation_period_start_date", "observation_period_end_date"),
    ):
        assert rows(written, f"select count(*) from {table} where {end} < {start}") == [(0,)]
    assert rows(
        written,
        "select count(*) from visit_occurrence join observation_period using (person_id) "
        "where visit_start_date < observation_period_start_date "
        "or visit_end_date > observation_period_end_date",
    ) == [(0,)]


def test_source_codes_are_kept_and_concepts_are_zero_without_vocabularies(written: Path) -> None:
    assert ("DEQP003", 0, 0) in rows(
        written,
        "select procedure_source_value, procedure_concept_id, procedure_source_concept_id "
        "from procedure_occurrence",
    )
    assert rows(
        written, "select distinct drug_concept_id, drug_source_concept_id from drug_exposure"
    ) == [(0, 0)]
    assert ("3400930000011",) in rows(written, "select drug_source_value from drug_exposure")
    assert rows(written, "select measurement_source_value, value_as_number from measurement") == [
        ("0126", None)
    ] * len(rows(written, "from measurement"))
    for name, fields in spec.tables().items():
        for each in fields:
            if each.name.endswith("_source_concept_id"):
                found = rows(written, f"select distinct {each.name} from {name}")
                assert {row[0] for row in found} <= {0, None}, (name, each.name)


def test_people_without_a_birth_year_have_no_place_and_are_counted(
    built: Home, written: Path
) -> None:
    document = json.loads((written / "manifest.json").read_text())
    assert document["left_out"]["persons without a year of birth"] == 1
    known = {row[0] for row in rows(written, "select person_source_value from person")}
    assert pseudonym("id ann") in known and pseudonym("id unborn") not in known


def test_euros_of_visits_are_those_of_the_claims(marts: Path, written: Path) -> None:
    with duckdb.connect(str(marts), read_only=True) as connection:
        (claims,) = connection.execute(
            "select sum(paid_amount), sum(base_amount + complement_base_amount), "
            "sum(reimbursed_amount + complement_reimbursed_amount) from care_event "
            "join person using (person_id) where event_type = 'claim' and is_used_for_spending "
            "and care_date is not null and birth_year is not null"
        ).fetchall()
    (found,) = rows(
        written,
        "select sum(total_charge), sum(amount_allowed), "
        "sum(case when total_charge is not null then paid_by_payer end) from cost",
    )
    assert found == claims and claims[0] > 0


def test_the_same_build_gives_the_same_bytes_and_is_not_written_twice(
    built: Home, written: Path, tmp_path: Path
) -> None:
    again = export_omop(built, YEARS)
    assert again["unchanged"] and again["folder"] == str(written)
    other = Path(export_omop(Home(tmp_path / "other").create(), YEARS)["folder"])
    assert other.name == written.name
    ours = {str(p.relative_to(written)): p.read_bytes() for p in written.rglob("*.*")}
    theirs = {str(p.relative_to(other)): p.read_bytes() for p in other.rglob("*.*")}
    assert ours == theirs


def test_folders_are_for_the_group_alone_and_nothing_is_released(
    built: Home, written: Path
) -> None:
    folders = [built.exports / "omop", written, *(p for p in written.iterdir() if p.is_dir())]
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o750}
    files = [path for path in written.rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o640}
    assert not list(built.release.iterdir()) and not left_in_scratch(built)


def test_an_export_that_fails_leaves_nothing(built: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Any, table: str, path: Path) -> int:
        if table == "cost":
            raise RuntimeError("disk full")
        return 1

    monkeypatch.setattr(export._Writer, "_checked", broken)
    with pytest.raises(RuntimeError):
        export_omop(built, YEARS)
    assert list((built.exports / "omop").iterdir()) == []
    assert not left_in_scratch(built)


def test_a_year_that_is_not_built_is_refused(built: Home) -> None:
    with pytest.raises(UsageError, match="2011"):
        export_omop(built, [2011, 2020])


@pytest.fixture
def athena(tmp_path: Path) -> Iterator[Path]:
    """Vocabularies as Athena writes them, a few concepts of them."""
    folder = tmp_path / "athena"
    folder.mkdir()
    concepts = [
        (1, "stool", "Procedure", "CCAM", None, "DEQP003", None),
        (2, "ecg", "Procedure", "SNOMED", "S", "29303009", None),
        (3, 'a "quoted" name', "Condition", "ICD10", None, "E11.9", None),
        (4, "diabetes", "Condition", "SNOMED", "S", "44054006", None),
        (5, "history of", "Observation", "SNOMED", "S", "1", None),
        (6, "old", "Condition", "ICD10", None, "I50", "D"),
        (7, "glucose", "Measurement", "NABM", "S", "0126", None),
    ]
    columns = "concept_id concept_name domain_id vocabulary_id standard_concept concept_code"
    with (folder / "CONCEPT.csv").open("w") as file:
        file.write("\t".join([*columns.split(), "invalid_reason"]) + "\n")
        for row in concepts:
            file.write("\t".join("" if v is None else str(v) for v in row) + "\n")
    links = [(1, 2, "Maps to", ""), (3, 5, "Maps to", ""), (3, 4, "Maps to", ""),
             (1, 4, "Is a", ""), (6, 4, "Maps to", ""), (1, 7, "Maps to", "D")]  # fmt: skip
    with (folder / "CONCEPT_RELATIONSHIP.csv").open("w") as file:
        file.write("concept_id_1\tconcept_id_2\trelationship_id\tinvalid_reason\n")
        for link in links:
            file.write("\t".join(map(str, link)) + "\n")
    with (folder / "VOCABULARY.csv").open("w") as file:
        file.write("vocabulary_id\tvocabulary_version\nNone\tv5.0 31-AUG-23\n")
    yield folder


def test_codes_are_mapped_to_standard_concepts_of_their_domain(built: Home, athena: Path) -> None:
    folder = Path(export_omop(built, YEARS, athena)["folder"])
    assert (2, 1) in rows(
        folder,
        "select procedure_concept_id, procedure_source_concept_id from procedure_occurrence "
        "where procedure_source_value = 'DEQP003'",
    )
    # E119 of an ALD: one target is a condition, the other is not.
    assert rows(
        folder,
        "select distinct condition_concept_id, condition_source_concept_id "
        "from condition_occurrence where condition_source_value = 'E119'",
    ) == [(4, 3)]
    # An invalid concept maps to nothing.
    assert all(
        row == (0, 0)
        for row in rows(
            folder,
            "select condition_concept_id, condition_source_concept_id from condition_occurrence "
            "where condition_source_value like 'I50%'",
        )
    )
    assert rows(
        folder, "select distinct measurement_concept_id, measurement_source_concept_id "
        "from measurement where measurement_source_value = '0126'",
    ) == [(7, 7)]  # fmt: skip
    assert rows(folder, "select vocabulary_version from cdm_source") == [("v5.0 31-AUG-23",)]
    plain = Path(export_omop(built, YEARS)["folder"])
    assert folder != plain
    # The vocabulary changes concepts only: not a row, not a number.
    same = "select procedure_occurrence_id, procedure_source_value from procedure_occurrence"
    assert sorted(rows(folder, same)) == sorted(rows(plain, same))


@pytest.mark.parametrize("fault", ["missing", "not athena", "comma"])
def test_a_folder_that_is_not_of_athena_is_refused_in_one_sentence(
    built: Home, athena: Path, fault: str
) -> None:
    path = athena / "CONCEPT.csv"
    if fault == "missing":
        path.unlink()
    else:
        path.write_text("a\tb\n1\t2\n" if fault == "not athena" else "concept_id,domain_id\n1,2\n")
    with pytest.raises(UsageError, match="CONCEPT.csv"):
        export_omop(built, YEARS, athena)
    assert not list((built.exports).glob("omop/*"))


def test_csv_comes_beside_parquet_on_demand(built: Home) -> None:
    result = CliRunner().invoke(
        app,
        ["export", "omop", "--years", "2019-2020", "--csv", "--home", str(built.root), "--json"],
    )
    assert result.exit_code == 0, result.output
    folder = Path(json.loads(result.stdout)["folder"])
    with (folder / "person" / "all.csv").open() as file:
        people = list(csv.DictReader(file))
    assert len(people) == rows(folder, "select count(*) from person")[0][0]
    assert list(people[0]) == [each.name for each in spec.tables()["person"]]
    (entry,) = journal.read(built.vault / "journal.jsonl")
    assert (entry["event"], entry["version"]) == ("omop_exported", folder.name)
    assert entry["rows"]["person"] == len(people)


def test_only_the_catalogue_is_read() -> None:
    sources = " ".join(part.rows for part in tables.PARTS) + tables.VISITS
    assert not re.search(r"\b(snds|raw|intermediate)\.", sources)
