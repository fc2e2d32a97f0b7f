"""The profile of research files, with a fault planted in each check."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from anonymisation_tables import patient_file
from typer.testing import CliRunner

from openchronic_assets.anonymisation import journal, research
from openchronic_assets.anonymisation.gate import ResearchRequest, expected, inspect, judge
from openchronic_assets.anonymisation.research import write_research
from openchronic_assets.errors import Refused, UsageError
from openchronic_assets.settings import Home


class File:
    """A research file that a test spoils before it is written."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "release_restricted" / "study"
        self.people = {
            "number": list(range(1, 45)),
            "sex": ["1"] * 22 + ["2"] * 22,
            "region": ["Hauts-de-France"] * 44,
        }
        self.events = {
            "number": [n for n in range(1, 45) for _ in range(2)],
            "code": ["A10BA"] * 88,
            "care_quarter": ["2020-T1"] * 88,
        }
        self.points: object = {
            "people": 44,
            "singled_out": {"1": 0.0, "2": 0.4, "3": 0.9, "4": 1.0, "5": 1.0},
        }
        self.roles = {
            "number": "file_key",
            "sex": "quasi",
            "region": "quasi",
            "code": "sensitive",
            "care_quarter": "insensitive",
        }
        self.request = ResearchRequest(
            "", "people.parquet", "events.parquet", self.roles, 11, "known_points.json", ["Ada"]
        )

        self.metadata: dict[str, str] | None = None

    def failed(self) -> set[str]:
        self.folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(self.people), self.folder / "people.parquet")
        events = pa.table(self.events).replace_schema_metadata(self.metadata)
        pq.write_table(events, self.folder / "events.parquet")
        (self.folder / "known_points.json").write_text(json.dumps(self.points))
        request = replace(self.request, folder=str(self.folder))
        return set(judge(inspect(request), expected(request)).failed)


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path)


def test_a_clean_research_file_passes(file: File) -> None:
    assert file.failed() == set()


def in_the_open(f: File) -> None:
    f.folder = f.folder.parents[1] / "release" / "study"


def no_user(f: File) -> None:
    f.request = replace(f.request, users=[])


def blank_user(f: File) -> None:
    f.request = replace(f.request, users=[" "])


def unknown_column(f: File) -> None:
    f.events["extra"] = ["x"] * 88


def unknown_role(f: File) -> None:
    f.roles["code"] = "whatever"


def no_event(f: File) -> None:
    f.events = {name: values[:0] for name, values in f.events.items()}


def small_class(f: File) -> None:
    f.people["sex"] = ["1"] * 34 + ["2"] * 10


def null_class(f: File) -> None:
    f.people["sex"] = ["1"] * 34 + [None] * 10  # type: ignore[list-item]


def low_k(f: File) -> None:
    small_class(f)
    f.request = replace(f.request, k=5)


def two_precise(f: File) -> None:
    for name in ("commune", "care_date"):
        f.events[name] = ["x"] * 88
        f.roles[name] = "precise"


def pseudonym(f: File) -> None:
    f.events["code"] = ["0123456789abcdef0123456789abcdef"] * 88


def pseudonym_as_key(f: File) -> None:
    f.people["number"] = [f"{n:032x}" for n in range(44)]  # type: ignore[misc]


def establishment(f: File) -> None:
    f.events["code"] = ["620100057"] * 88


def nan_point(f: File) -> None:
    f.points = {"people": 44, "singled_out": dict.fromkeys("12345", float("nan"))}


def missing_point(f: File) -> None:
    f.points = {"people": 44, "singled_out": dict.fromkeys("1234", 0.1)}


def nobody_attacked(f: File) -> None:
    f.points = {"people": 0, "singled_out": dict.fromkeys("12345", 0.0)}


def source_in_metadata(f: File) -> None:
    f.metadata = {"source": "person_id"}


def another_file(f: File) -> None:
    f.folder.mkdir(parents=True)
    (f.folder / "notes.txt").write_text("x")


def linked_file(f: File) -> None:
    """The people, by a link to a file that may change after the gate."""
    f.folder.mkdir(parents=True)
    elsewhere = f.folder.parents[1] / "elsewhere.parquet"
    elsewhere.touch()
    (f.folder / "people.parquet").symlink_to(elsewhere)


def joinable_key(f: File) -> None:
    """The same number in both files, large enough to be one of another file."""
    for rows in (f.people, f.events):
        rows["number"] = [10**9 + int(n) for n in rows["number"]]


def share_above_one(f: File) -> None:
    f.points = {"people": 44, "singled_out": dict.fromkeys("12345", 1.5)}


def half_a_person(f: File) -> None:
    f.points = {"people": 43.5, "singled_out": dict.fromkeys("12345", 0.5)}


FAULTS: list[tuple[Callable[[File], None], str]] = [
    (in_the_open, "research_zone"),
    (no_user, "research_zone"),
    (blank_user, "research_zone"),
    (unknown_column, "research_columns"),
    (unknown_role, "research_columns"),
    (no_event, "research_columns"),
    (small_class, "research_k"),
    (null_class, "research_k"),
    (low_k, "research_k"),
    (two_precise, "research_precise"),
    (pseudonym, "research_identifiers"),
    (pseudonym_as_key, "research_identifiers"),
    (establishment, "research_identifiers"),
    (nan_point, "research_known_points"),
    (missing_point, "research_known_points"),
    (nobody_attacked, "research_known_points"),
    (source_in_metadata, "research_columns"),
    (another_file, "research_columns"),
    (linked_file, "research_columns"),
    (joinable_key, "research_identifiers"),
    (share_above_one, "research_known_points"),
    (half_a_person, "research_known_points"),
]


@pytest.mark.parametrize(("spoil", "check"), FAULTS)
def test_a_planted_fault_is_refused(file: File, spoil: Callable[[File], None], check: str) -> None:
    spoil(file)
    assert check in file.failed()


def test_a_research_file_is_written_with_what_known_events_tell(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").create()
    patient = patient_file(home.builds / "b1")
    ids = pq.read_table(patient)["person_id"].to_pylist()
    day = datetime.date(2020, 5, 1)
    events: dict[str, list[Any]] = {
        "person_id": [p for p in ids for _ in range(3)],
        "code": [f"A{n % 7}0BA01" for n in range(3 * len(ids))],
        "care_date": [day + datetime.timedelta(days=n % 300) for n in range(3 * len(ids))],
    }
    file = home.builds / "events.parquet"
    pq.write_table(pa.table(events), file)
    found = write_research(home, "study", [patient], [file], 2021, ["Ada"])
    folder = home.release_restricted / "study"
    assert sorted(p.name for p in folder.iterdir()) == [
        "events.parquet",
        "known_points.json",
        "people.parquet",
    ]
    assert set(found["known_points"]) == set("12345")
    assert found["known_points"]["3"] >= found["known_points"]["1"]
    people = pq.read_table(folder / "people.parquet")
    assert people.num_rows == found["people"]
    assert set(pq.read_table(folder / "events.parquet")["number"].to_pylist()) <= set(
        people["number"].to_pylist()
    )
    for path in folder.iterdir():
        assert ids[0].encode() not in path.read_bytes()
    assert journal.read(home.vault / "journal.jsonl")[-1]["event"] == "research_written"
    pseudonyms = home.builds / "pseudonyms.parquet"
    pq.write_table(pa.table({**events, "code": events["person_id"]}), pseudonyms)
    vault = {path.name for path in home.vault.iterdir()}
    refused: list[tuple[str, Path, list[str], dict[str, Any]]] = [
        ("research_zone", file, [], {}),
        ("research_identifiers", pseudonyms, ["Ada"], {"prefix": 32}),
    ]
    for check, source, users, options in refused:
        with pytest.raises(Refused, match=check):
            write_research(home, "other", [patient], [source], 2021, users, **options)
        assert [p.name for p in home.release_restricted.iterdir()] == ["study"]
        assert not list(home.candidate.iterdir()) and not list(home.release.iterdir())
        assert {path.name for path in home.vault.iterdir()} == vault
        entry = journal.read(home.vault / "journal.jsonl")[-1]
        assert (entry["event"], entry["research"], entry["failed"]) == (
            "research_refused", "other", [check],
        )  # fmt: skip
    with pytest.raises(UsageError, match="there already"):
        write_research(home, "study", [patient], [file], 2021, ["Ada"])


def test_the_commands_write_list_and_measure_research_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two built years, the one asked for; the coarse profile; a second file is another."""
    from openchronic_assets.cli import app

    home = Home(tmp_path / "home").create()
    patient = patient_file(home.builds / "b1")
    ids = pq.read_table(patient)["person_id"].to_pylist()
    files = {"patient": {None: [patient]}, "care_event": {}}
    for year in (2020, 2021):
        path = home.builds / f"event-{year}.parquet"
        rows = {
            "person_id": ids,
            "code": [f"N0{n % 3}BE01" for n in range(len(ids))],
            "care_date": [datetime.date(year, 1 + n % 12, 5) for n in range(len(ids))],
        }
        pq.write_table(pa.table(rows), path)
        files["care_event"][year] = [path]
    manifest = {"models": {"patient": {}, "care_event": {"years": {"2020": [], "2021": []}}}}
    monkeypatch.setattr(research, "read_manifest", lambda _: manifest)
    monkeypatch.setattr(research, "files_of", lambda _, model, year=None: files[model][year])
    run, base = CliRunner(), ["--home", str(home.root), "--json"]
    asked = ["research", "write", "study", "--user", "Ada", "--user", "Bob", "--profile", "coarse"]
    done = run.invoke(app, [*asked, "--years", "2020", *base])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    written = pq.read_table(home.release_restricted / "study" / "events.parquet")
    assert written.schema.names == ["number", "code", "year"]
    assert set(written["code"].to_pylist()) == {"N00", "N01", "N02"}
    # 2020 moved by at most 180 days.
    assert set(written["year"].to_pylist()) <= {"2019", "2020", "2021"}
    entry = journal.read(home.vault / "journal.jsonl")[-1]
    assert entry["event"] == "research_written" and entry["users"] == ["Ada", "Bob"]
    assert entry["profile"]["window"] == 180 and entry["profile"]["k"] == 11
    listed = json.loads(run.invoke(app, ["research", "list", *base]).stdout)["research"]
    assert [(each["name"], each["users"]) for each in listed] == [("study", ["Ada", "Bob"])]
    assert listed[0]["singled_out_by_3"] == told["known_points"]["3"]
    source = str(files["care_event"][2020][0])
    raw = json.loads(
        run.invoke(app, ["research", "measure", source, "--time", "day", *base]).stdout
    )
    assert set(raw["singled_out"]) == set("12345") and raw["support"]["points"] == 2
    for wrong, word in (
        ([*asked, *base], "there already"),
        (["research", "write", "b", "--user", "Ada", "--years", "2022-2021", *base], "first year"),
        (["research", "write", "b", "--user", "Ada", "--profile", "open", *base], "no profile"),
    ):
        ended = run.invoke(app, wrong)
        assert ended.exit_code != 0 and word in str(ended.exception)


def test_a_profile_finer_than_the_rules_is_wrong_use() -> None:
    for finer in ({"k": 10}, {"time": "month"}, {"prefix": 0}):
        with pytest.raises(UsageError, match="research profile"):
            research.Profile(**finer)  # type: ignore[arg-type]
