from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from openchronic_assets.anonymisation import attacks, gate
from openchronic_assets.anonymisation.gate import (
    CHECK_NAMES,
    Check,
    Request,
    inspect,
    judge,
    run_gate,
)
from openchronic_assets.anonymisation.gate.verdict import Finding

SEX = "sex,all\n1,*\n2,*\ninconnu,*\n"
PLACE = "place,region,all\n23,Nouvelle-Aquitaine,*\n62,Hauts-de-France,*\n974,La Réunion,*\n"
ROWS = sorted(
    [("*", "974")] * 13 + [("1", "62")] * 12 + [("2", "62")] * 15 + [("2", "Hauts-de-France")] * 12
)


class Folder:
    """A release to judge, that a test spoils before it is written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.release = path / "release"
        self.release.mkdir(parents=True)
        (path / "sex.csv").write_text(SEX, encoding="utf-8")
        (path / "place.csv").write_text(PLACE, encoding="utf-8")
        self.names = ["sex", "place"]
        self.rows: list[tuple[str | None, ...]] = list(ROWS)
        self.csv_rows: list[tuple[str | None, ...]] | None = None
        self.csv_names: list[str] | None = None
        self.type: pa.DataType = pa.string()
        self.k = 12
        self.declared: int | None = None
        self.suppressed = 1
        self.bands: dict[str, tuple[int, int]] = {}
        self.earlier: tuple[str, ...] = ()
        self.attacked: list[tuple[str, ...]] = [
            (sex if sex != "*" else "12"[n % 2], "62" if place == "Hauts-de-France" else place)
            for n, (sex, place) in enumerate(ROWS)
        ]
        self.sensitive: tuple[str, ...] = ()
        self.options: dict[str, object] = {"store_schema": False}
        self.field_metadata: dict[str, str] | None = None
        self.afterwards: Callable[[], None] = lambda: None

    def write(self) -> Request:
        schema = pa.schema(
            [pa.field(name, self.type, metadata=self.field_metadata) for name in self.names]
        )
        columns = [
            pa.array([row[d] for row in self.rows], self.type) for d in range(len(self.names))
        ]
        pq.write_table(
            pa.Table.from_arrays(columns, schema=schema),
            self.release / "t.parquet",
            **self.options,
        )
        lines = self.rows if self.csv_rows is None else self.csv_rows
        text = "".join(
            ",".join("" if value is None else value for value in line) + "\n"
            for line in [tuple(self.csv_names or self.names), *lines]
        )
        (self.release / "t.csv").write_text(text, encoding="utf-8")
        rows = len(self.rows) if self.declared is None else self.declared
        vault = self.path / "vault"
        vault.mkdir(exist_ok=True)
        attacked = list(zip(*self.attacked, strict=True))
        pq.write_table(
            pa.table(dict(zip(("sex", "place"), map(list, attacked), strict=True))),
            vault / "people.parquet",
        )
        number = {row: n for n, row in enumerate(dict.fromkeys(self.rows))}
        write_classes(vault / "classes.parquet", [number[row] for row in self.rows])
        self.afterwards()
        return Request(
            folder=str(self.release),
            parquet="t.parquet",
            csv="t.csv",
            hierarchies={name: str(self.path / f"{name}.csv") for name in ("sex", "place")},
            k=self.k,
            rows=rows,
            suppressed=self.suppressed,
            population=rows + self.suppressed,
            sensitive=self.sensitive,
            bands=self.bands,
            attacked=str(vault / "people.parquet"),
            classes=str(vault / "classes.parquet"),
            earlier=self.earlier,
        )


def write_classes(path: Path, classes: list[int], first: int = 0) -> Path:
    """Write who is in which class; people are numbered from ``first``."""
    people = [f"person {first + n}" for n in range(len(classes))]
    pq.write_table(pa.table({"person": people, "class": classes}), path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def failed(request: Request) -> set[str]:
    return set(judge(inspect(request)).failed)


def test_a_clean_release_is_accepted_in_a_fresh_process(folder: Folder) -> None:
    verdict = run_gate(folder.write(), timeout=60)
    assert verdict.accepted, verdict.failed
    assert tuple(check.name for check in verdict.checks) == CHECK_NAMES
    by_name = {check.name: check for check in verdict.checks}
    assert (by_name["k_parquet"].measured, by_name["k_parquet"].threshold) == (12, 12)


def one_row_less(f: Folder) -> None:
    f.rows.remove(("1", "62"))


def one_csv_row_less(f: Folder) -> None:
    f.csv_rows = list(f.rows)
    f.csv_rows.remove(("1", "62"))


def null_class(f: Folder) -> None:
    f.rows = [(None, "974") if row == ("*", "974") else row for row in f.rows]
    f.rows.sort(key=lambda row: tuple(value or "" for value in row))


def blank_class(f: Folder) -> None:
    f.rows = [("", "974") if row == ("*", "974") else row for row in f.rows]


def index_column(f: Folder) -> None:
    f.names = ["sex", "place", "index"]
    f.rows = [(*row, str(number)) for number, row in enumerate(f.rows)]


def csv_column(f: Folder) -> None:
    f.csv_names = ["sex", "place", "rank"]
    f.csv_rows = [(*row, "x") for row in f.rows]


def swapped_columns(f: Folder) -> None:
    f.names = ["place", "sex"]


def replaced(value: str) -> Callable[[Folder], None]:
    def spoil(f: Folder) -> None:
        f.rows = sorted(("1", value) if row == ("1", "62") else row for row in f.rows)

    return spoil


def hierarchy_with(value: str) -> Callable[[Folder], None]:
    """The value is even declared: the patterns alone must refuse it."""

    def spoil(f: Folder) -> None:
        (f.path / "place.csv").write_text(PLACE + f"{value},Corse,*\n", encoding="utf-8")
        replaced(value)(f)

    return spoil


def starred(f: Folder) -> None:
    f.rows = sorted([*f.rows, *[("*", "*")] * 11])


def lower_k(f: Folder) -> None:
    f.k = 11
    f.rows.remove(("1", "62"))


def too_much_removed(f: Folder) -> None:
    f.suppressed = 13


def unequal_removal(f: Folder) -> None:
    f.declared, f.suppressed = 10_000, 120
    f.bands = {"23 F": (9_120, 0), "62 H": (1_000, 120)}


def wrong_bands(f: Folder) -> None:
    f.bands = {"23 F": (3, 1)}


def leaky_rows(f: Folder) -> None:
    """Each person in a class that only that person fits."""
    f.rows = sorted([("1", "62")] * 1 + [("2", "23")] * 1 + [("2", "974")] * 1)
    f.attacked = [("1", "62"), ("2", "23"), ("2", "974")]
    f.suppressed = 0


def empty(f: Folder) -> None:
    f.rows = []


def unsorted(f: Folder) -> None:
    f.rows = [f.rows[-1], *f.rows[:-1]]


def bytes_column(f: Folder) -> None:
    f.type = pa.binary()
    f.csv_rows = list(f.rows)
    f.rows = [tuple((value or "").encode() for value in row) for row in f.rows]  # type: ignore[misc]


def arrow_schema(f: Folder) -> None:
    f.options = {"store_schema": True}
    f.field_metadata = {"source": "person_id"}


def wrong_count(f: Folder) -> None:
    f.declared = len(f.rows) + 1


def higher_k(f: Folder) -> None:
    f.k = 13


def undeclared_file(f: Folder) -> None:
    (f.release / "notes.txt").write_text("x", encoding="utf-8")


def value_in_a_dictionary_page(f: Folder) -> None:
    def write() -> None:
        column = pa.array([0] * len(f.rows), pa.int32())
        values = {"sex": ["1"], "place": ["62", "2019-05-17"]}
        pq.write_table(
            pa.table(
                {
                    name: pa.DictionaryArray.from_arrays(column, pa.array(each))
                    for name, each in values.items()
                }
            ),
            f.release / "t.parquet",
            store_schema=False,
        )
        (f.release / "t.csv").write_text("sex,place\n" + "1,62\n" * len(f.rows))

    f.afterwards = write


def uniform_class(f: Folder) -> None:
    """Everybody of a sex has the same sensitive value, elsewhere four are even."""
    (f.path / "place.csv").write_text(
        "place,all\n" + "".join(f"{v},*\n" for v in "abcd"), encoding="utf-8"
    )
    f.sensitive = ("place",)
    f.attacked = [(sex, place) for sex in "12" for place in "abcd" for _ in range(12)]
    f.rows = sorted([("1", "a")] * 40 + [("2", place) for place in "abcd" for _ in range(12)])


def uniform_once_joined(f: Folder) -> None:
    """Each sensitive column is diverse alone; who knows one of them learns the other."""
    uniform_class(f)
    f.sensitive = ("sex", "place")


def shifted_classes(f: Folder) -> None:
    """An earlier release of the same people whose classes cut the present ones."""
    f.write()
    ours = pq.read_table(f.path / "vault" / "classes.parquet")["class"].to_pylist()
    path = write_classes(f.path / "vault" / "shifted.parquet", [*ours[1:], ours[0]])
    f.earlier = (str(path),)


def missing_csv(f: Folder) -> None:
    f.afterwards = (f.release / "t.csv").unlink


def linked_companion(f: Folder) -> None:
    (f.release / "README.txt").symlink_to(f.path / "sex.csv")


def folder_as_companion(f: Folder) -> None:
    (f.release / "README.txt").mkdir()


def fewer_than_none_removed(f: Folder) -> None:
    f.suppressed = -1


def unnamed_column(f: Folder) -> None:
    f.names = ["sex", " "]


def byte_order_mark(f: Folder) -> None:
    path = f.release / "t.csv"

    def write() -> None:
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())

    f.afterwards = write


def value_in_the_statistics(f: Folder) -> None:
    """The footer tells of a largest value that no row holds."""
    path = f.release / "t.parquet"

    def write() -> None:
        body = path.read_bytes()
        start = len(body) - 8 - int.from_bytes(body[-8:-4], "little")
        footer = body[start:].replace(b"Hauts-de-France", b"Haute-de-France")
        assert footer != body[start:]
        path.write_bytes(body[:start] + footer)

    f.afterwards = write


def rows_left_behind(f: Folder) -> None:
    """The bytes of rows that were there before, which the footer names no more."""
    path = f.release / "t.parquet"

    def write() -> None:
        data = path.read_bytes()
        footer = int.from_bytes(data[-8:-4], "little") + 8
        path.write_bytes(data[:-footer] + b"Atlantis" + data[-footer:])

    f.afterwards = write


def negative_band(f: Folder) -> None:
    f.declared, f.suppressed = 10_000, 0
    f.bands = {"23 F": (9_000, -5), "62 H": (1_000, 5)}


def earlier_people(*people: str | None) -> Callable[[Folder], None]:
    def spoil(f: Folder) -> None:
        path = f.path / "earlier.parquet"
        pq.write_table(pa.table({"person": people, "class": [0] * len(people)}), path)
        f.earlier = (str(path),)

    return spoil


FAULTS: list[tuple[Callable[[Folder], None], set[str]]] = [
    (one_row_less, {"k_parquet", "k_csv"}),
    (one_csv_row_less, {"k_csv", "same_rows"}),
    (higher_k, {"k_parquet", "k_csv"}),
    (null_class, {"no_missing_value", "known_values"}),
    (blank_class, {"no_missing_value", "known_values"}),
    (index_column, {"columns", "identifier_names", "k_parquet"}),
    (csv_column, {"columns", "types", "same_rows"}),
    (swapped_columns, {"columns"}),
    (replaced("Atlantis"), {"known_values"}),
    (hierarchy_with("2019-05-17"), {"identifier_values"}),
    (hierarchy_with("17/05/2019"), {"identifier_values"}),
    (hierarchy_with("20190517"), {"identifier_values"}),
    (hierarchy_with("17 mai 2019"), {"identifier_values"}),
    (hierarchy_with("1950-07"), {"identifier_values"}),
    (hierarchy_with("195007"), {"identifier_values"}),
    (hierarchy_with("62193"), {"identifier_values"}),
    (hierarchy_with("2A004"), {"identifier_values"}),
    (hierarchy_with("1500762193001"), {"identifier_values"}),
    (hierarchy_with("150076219300142"), {"identifier_values"}),
    (hierarchy_with("1500720193001"), {"identifier_values"}),
    (hierarchy_with("620100057"), {"identifier_values"}),
    (hierarchy_with("2A0000014"), {"identifier_values"}),
    (hierarchy_with("0123456789abcdef0123456789abcdef"), {"identifier_values"}),
    (hierarchy_with("0123456789ABCDEF" * 4), {"identifier_values"}),
    (starred, {"suppressed_removed"}),
    (lower_k, {"k_floor", "prosecutor_risk"}),
    (too_much_removed, {"suppression"}),
    (unequal_removal, {"suppression"}),
    (wrong_bands, {"suppression"}),
    (leaky_rows, {"attacks"}),
    (empty, {"not_empty", "k_parquet", "k_csv"}),
    (unsorted, {"sorted_rows"}),
    (bytes_column, {"types"}),
    (arrow_schema, {"no_metadata"}),
    (wrong_count, {"row_count"}),
    (undeclared_file, {"files"}),
    (value_in_a_dictionary_page, {"no_hidden_value"}),
    (uniform_class, {"diversity"}),
    (uniform_once_joined, {"diversity"}),
    (shifted_classes, {"earlier_releases"}),
    (missing_csv, {"files"}),
    (linked_companion, {"files"}),
    (folder_as_companion, {"files"}),
    (fewer_than_none_removed, {"row_count"}),
    (unnamed_column, {"identifier_names"}),
    (byte_order_mark, {"no_metadata"}),
    (value_in_the_statistics, {"no_hidden_value"}),
    (negative_band, {"suppression"}),
    (rows_left_behind, {"no_hidden_value"}),
    (earlier_people("person 1000", "person 1000"), {"earlier_releases"}),
    (earlier_people(None), {"earlier_releases"}),
]


@pytest.mark.parametrize(("spoil", "expected"), FAULTS)
def test_a_planted_fault_is_refused(
    folder: Folder, spoil: Callable[[Folder], None], expected: set[str]
) -> None:
    spoil(folder)
    assert expected <= failed(folder.write())


def test_a_truncated_parquet_file_is_refused(folder: Folder) -> None:
    request = folder.write()
    path = folder.release / "t.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    verdict = judge(inspect(request))
    assert not verdict.accepted
    assert {"k_parquet", "columns", "no_metadata"} <= set(verdict.failed)


def test_a_missing_or_undeclared_file_is_refused(folder: Folder) -> None:
    request = folder.write()
    (folder.release / "notes.txt").write_text("x", encoding="utf-8")
    assert failed(request) == {"files"}
    (folder.release / "notes.txt").unlink()
    (folder.release / "t.csv").unlink()
    assert {"files", "k_csv", "same_rows"} <= failed(request)


def test_a_missing_hierarchy_is_refused(folder: Folder) -> None:
    request = folder.write()
    (folder.path / "place.csv").unlink()
    assert failed(request) == {"known_values", "attacks"}


def test_a_value_left_in_a_dictionary_page_is_the_only_fault(folder: Folder) -> None:
    value_in_a_dictionary_page(folder)
    assert failed(folder.write()) == {"no_hidden_value", "earlier_releases"}


def test_verdicts_never_print_a_value(folder: Folder) -> None:
    replaced("Atlantis-0123456789abcdef0123456789abcdef")(folder)
    text = json.dumps([asdict(check) for check in inspect(folder.write())])
    assert "Atlantis" not in text
    assert "0123456789abcdef" not in text


def test_a_check_that_raises_is_refused(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def boom(_: object) -> Finding:
        raise RuntimeError("Original Line: 1500762193001")

    request = folder.write()
    for name in CHECK_NAMES:
        with monkeypatch.context() as patch:
            patch.setitem(gate.CHECKS, name, boom)
            verdict = judge(inspect(request))
        assert verdict.failed == (name,)
        assert "1500762193001" not in json.dumps(asdict(verdict))


GOOD = Check("files", True, "", 0, 0)


@pytest.mark.parametrize(
    "bad",
    [
        replace(GOOD, passed=False),
        replace(GOOD, measured=None),
        replace(GOOD, measured=math.nan),
        replace(GOOD, measured=math.inf),
        replace(GOOD, threshold=None),
        replace(GOOD, passed="yes"),  # type: ignore[arg-type]
        replace(GOOD, name="invented"),
        None,
    ],
)
def test_a_verdict_that_is_missing_or_unmeasured_is_refused(bad: Check | None) -> None:
    others = [replace(GOOD, name=name) for name in CHECK_NAMES[1:]]
    assert judge([GOOD, *others]).accepted
    assert not judge(([bad] if bad else []) + others).accepted
    assert not judge([GOOD, GOOD, *others]).accepted


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import time; time.sleep(30)", "no verdict within"),
        ("raise SystemExit(7)", "ended with code 7"),
        ("print('accepted')", "cannot be read"),
        ('print(\'{"checks": [{"name": "files"}]}\')', "cannot be read"),
    ],
)
def test_a_gate_that_hangs_dies_or_babbles_is_a_refusal(
    folder: Folder, code: str, reason: str
) -> None:
    verdict = run_gate(folder.write(), timeout=2, command=[sys.executable, "-c", code])
    assert not verdict.accepted
    assert verdict.failed == ("gate_process",)
    assert reason in verdict.checks[0].detail


def test_a_gate_that_cannot_start_or_says_nothing_is_a_refusal(folder: Folder) -> None:
    request = folder.write()
    assert not run_gate(request, timeout=5, command=["/nonexistent/gate"]).accepted
    empty_answer = [sys.executable, "-c", "print('{\"checks\": []}')"]
    verdict = run_gate(request, timeout=5, command=empty_answer)
    assert set(verdict.failed) == set(CHECK_NAMES)


def test_an_attack_that_raises_or_finds_nothing_to_attack_is_refused(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = folder.write()
    assert failed(replace(request, attacked=None)) == {"attacks"}

    def boom(*_: object, **__: object) -> None:
        raise RuntimeError("no such library")

    for name in ("attack", "power"):
        with monkeypatch.context() as patch:
            patch.setattr(attacks, name, boom)
            assert failed(request) == {"attacks"}
    risks = attacks.power([("1", "62"), ("2", "62")])
    for spoiled in (
        replace(risks[0], high=math.nan),
        replace(risks[0], attempts=4),
        replace(risks[0], attack="inference"),
        replace(risks[0], high=0.0901),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(
                attacks, "attack", lambda *_, spoiled=spoiled, **__: (spoiled, *risks[1:])
            )
            assert failed(request) == {"attacks"}
    weak = tuple(replace(risk, risk=0.29) for risk in risks)
    with monkeypatch.context() as patch:
        patch.setattr(attacks, "power", lambda *_, **__: weak)
        assert failed(request) == {"attacks"}


def test_an_earlier_release_whose_classes_intersect_is_refused(folder: Folder) -> None:
    sizes = [12, 12, 13, 15]
    same = [n for n, size in enumerate(sizes) for _ in range(size)]
    folder.write()
    vault = folder.path / "vault"
    ours = pq.read_table(vault / "classes.parquet")["class"].to_pylist()
    folder.earlier = (str(write_classes(vault / "same.parquet", ours)),)
    assert failed(folder.write()) == set()
    folder.earlier = (str(write_classes(vault / "others.parquet", same, first=1000)),)
    assert failed(folder.write()) == set()
    shifted = [*ours[1:], ours[0]]
    folder.earlier = (str(write_classes(vault / "shifted.parquet", shifted)),)
    assert failed(folder.write()) == {"earlier_releases"}
    folder.earlier = (str(vault / "absent.parquet"),)
    assert failed(folder.write()) == {"earlier_releases"}


def test_a_sensitive_column_must_be_diverse_or_close(folder: Folder) -> None:
    (folder.path / "place.csv").write_text(
        "place,all\n" + "".join(f"{v},*\n" for v in ("a", "b", "c", "d")), encoding="utf-8"
    )
    folder.sensitive = ("place",)
    even = [(sex, place) for sex in "12" for place in "abcd" for _ in range(12)]
    folder.rows, folder.attacked = sorted(even), even
    assert "diversity" not in failed(folder.write())
    folder.rows = sorted([("1", "a")] * 40 + [("2", place) for place in "abcd" for _ in range(12)])
    assert "diversity" in failed(folder.write())


def test_the_gate_shares_no_code_with_the_recoders() -> None:
    """Only the attacks come from outside: they recode nothing."""
    for path in Path(gate.__file__).parent.glob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if "openchronic_assets" in line and "import" in line:
                assert (
                    "openchronic_assets.anonymisation.gate" in line
                    or line.strip() == "from openchronic_assets.anonymisation import attacks"
                ), (path.name, line)
