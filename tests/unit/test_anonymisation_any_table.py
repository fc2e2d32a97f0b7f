from __future__ import annotations

import csv
import datetime
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openchronic_assets import cli
from openchronic_assets.anonymisation import anonymise, any_table, risk
from openchronic_assets.anonymisation.hierarchies import HierarchyError
from openchronic_assets.anonymisation.microdata import keyed_order
from openchronic_assets.errors import OpenChronicError, Refused, UsageError

PLACES = [("75", "IdF", "*"), ("92", "IdF", "*"), ("2A", "Corse", "*"), ("2B", "Corse", "*")]
AGES = [(str(n), f"{n // 10 * 10}s", "*") for n in range(20, 60)]
TREES: dict[str, Any] = {"place": PLACES, "age": AGES}


def people(n: int = 300, seed: int = 1) -> pa.Table:
    draw = np.random.default_rng(seed)
    return pa.table(
        {
            "age": pa.array(draw.integers(20, 60, n), pa.int16()),
            "place": draw.choice(["75", "92", "2A", "2B"], n, p=[0.5, 0.3, 0.15, 0.05]).tolist(),
            "cost": pa.array(np.round(draw.random(n) * 100, 2)),
            "day": pa.array([datetime.date(2020, 1, 1 + int(d)) for d in draw.integers(0, 9, n)]),
            "disease": draw.choice(["A", "B", "C"], n, p=[0.6, 0.3, 0.1]).tolist(),
        }
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the hierarchies and one table in two forms."""
    trees = tmp_path / "h"
    trees.mkdir()
    for name, rows in TREES.items():
        with (trees / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, delimiter=";").writerows(rows)
    table = people()
    pq.write_table(table, tmp_path / "in.parquet")
    table.to_pandas().to_csv(tmp_path / "in.csv", sep=";", index=False)
    return tmp_path


def run(*arguments: Any) -> tuple[int, str]:
    """Run the command line in this process; return its exit code."""
    import sys

    before = sys.argv
    sys.argv = ["openchronic", *map(str, arguments)]
    try:
        cli.main()
    except SystemExit as stop:
        return int(stop.code or 0), ""
    finally:
        sys.argv = before
    return 0, ""


def ancestors(rows: list[tuple[str, ...]]) -> dict[str, set[str]]:
    return {row[0]: set(row) for row in rows}


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from([row[0] for row in AGES[:12]]),
            st.sampled_from([row[0] for row in PLACES]),
            st.sampled_from(["A", "B", "C", None]),
        ),
        min_size=4,
        max_size=40,
    ),
    k=st.integers(1, 4),
    least=st.integers(1, 3),
    close=st.sampled_from([None, "0.2", "0.5"]),
    limit=st.sampled_from(["0", "0.2"]),
    method=st.sampled_from(["full-domain", "local"]),
)
def test_what_comes_out_holds_what_was_asked(
    rows: list[tuple[str, str, str | None]],
    k: int,
    least: int,
    close: str | None,
    limit: str,
    method: str,
) -> None:
    columns = list(zip(*rows, strict=True))
    table = pa.table({"age": columns[0], "place": columns[1], "s": pa.array(columns[2])})
    possible = len(rows) >= k and len(set(columns[2])) >= least
    try:
        found = anonymise(
            table,
            ["age", "place"],
            TREES,
            k=k,
            sensitive=["s"],
            l=least,
            t=close,
            suppression=limit,
            method=method,
        )
    except Refused:
        assert not possible
        return
    shown = found.table.to_pylist()
    classes: dict[tuple[Any, ...], list[Any]] = {}
    for row in shown:
        classes.setdefault((row["age"], row["place"]), []).append(row["s"])
    assert found.report["k"] == min(map(len, classes.values())) >= k
    assert all(len(set(values)) >= least for values in classes.values())
    if close is not None:
        measured = risk(found.table, ["age", "place"], sensitive=["s"])
        assert measured["t"] <= float(close) + 1e-15
    assert len(rows) - len(shown) == found.report["suppressed"] <= float(limit) * len(rows)
    if method == "local":
        assert found.report["suppressed"] == 0
    # Each row published covers a row of the table: the sensitive values and counts agree.
    assert Counter(row["s"] for row in shown) <= Counter(columns[2])
    known = {**ancestors(AGES), **ancestors(PLACES)}
    every = set().union(*known.values())
    assert all(row["age"] in every and row["place"] in every for row in shown)


@pytest.mark.parametrize("method", ["full-domain", "local"])
@pytest.mark.parametrize("source", ["in.parquet", "in.csv"])
@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_file_keeps_its_columns_and_loses_its_order(
    folder: Path, source: str, suffix: str, method: str
) -> None:
    target = folder / f"out.{suffix}"
    found = anonymise(
        folder / source,
        ["age", "place"],
        folder / "h",
        k=5,
        sensitive=["disease"],
        method=method,
        out=target,
    )
    assert sorted(each.name for each in folder.iterdir()) == sorted(
        ["h", "in.csv", "in.parquet", f"out.{suffix}"]
    )
    if suffix == "parquet":
        table = pq.read_table(target)
        metadata = pq.read_metadata(target).metadata or {}
        assert b"pandas" not in metadata and b"ARROW:schema" not in metadata
        assert table.schema.field("cost").type == pa.float64()
        assert table.schema.field("day").type == pa.date32()
    else:
        head = target.read_text().splitlines()[0]
        assert head == "age;place;cost;day;disease"
        table = pa.Table.from_pandas(pd.read_csv(target, sep=";", dtype={"age": str}))
    assert table.column_names == ["age", "place", "cost", "day", "disease"]
    original = people()
    assert Counter(table["cost"].to_pylist()) == Counter(original["cost"].to_pylist())
    assert table["cost"].to_pylist() != original["cost"].to_pylist()
    measured = risk(target, ["age", "place"], sensitive=["disease"])
    assert measured["k"] == found.report["k"] >= 5
    assert measured["classes"] == found.report["classes"]


def test_a_column_that_keeps_its_values_keeps_its_type(folder: Path) -> None:
    found = anonymise(
        folder / "in.parquet", ["place", "age"], folder / "h", k=1, out=folder / "out.parquet"
    )
    assert found.report["levels"] == {"place": 0, "age": 0}
    assert pq.read_schema(folder / "out.parquet").field("age").type == pa.int16()


def test_the_three_forms_of_a_table_give_the_same_result(folder: Path) -> None:
    reports = [
        anonymise(data, ["age", "place"], TREES, k=7, suppression="0.05").report
        for data in (folder / "in.parquet", folder / "in.csv", people(), people().to_pandas())
    ]
    for each in reports:
        each.pop("seconds")
    assert all(each == reports[0] for each in reports)


def test_the_order_of_rows_is_that_of_the_key() -> None:
    one = keyed_order(1000, b"a secret of the release")
    assert sorted(one.tolist()) == list(range(1000))
    assert one.tolist() == keyed_order(1000, b"a secret of the release").tolist()
    assert one.tolist() != keyed_order(1000, b"another secret").tolist()
    assert keyed_order(1000).tolist() != keyed_order(1000).tolist()


def test_no_value_that_was_suppressed_or_recoded_is_in_the_bytes(folder: Path) -> None:
    table = pa.table(
        {
            "age": ["21"] * 20 + ["59"],
            "place": ["75"] * 20 + ["2B"],
            "note": ["common"] * 20 + ["SECRETNOTE"],
        }
    )
    pq.write_table(table, folder / "t.parquet")
    for suffix in ("parquet", "csv"):
        out = folder / f"o.{suffix}"
        found = anonymise(
            folder / "t.parquet", ["age", "place"], folder / "h", k=5, suppression=0.1, out=out
        )
        assert found.report["suppressed"] == 1
        content = out.read_bytes()
        assert b"SECRETNOTE" not in content and b"2B" not in content
        assert b"59" not in content or suffix == "parquet"


MISSING = [("", "unknown", "*"), *PLACES]


def test_a_missing_value_needs_its_leaf_and_counts_as_a_value() -> None:
    table = pa.table({"place": ["75"] * 4 + [None, "", None]})
    with pytest.raises(HierarchyError, match="NULL"):
        anonymise(table, ["place"], {"place": PLACES}, k=2)
    found = anonymise(table, ["place"], {"place": MISSING}, k=2)
    # Four of "75", three missing: NULL and the empty text are one class.
    assert found.report["k"] == 3 and found.report["levels"] == {"place": 0}
    assert Counter(found.table["place"].to_pylist()) == {"75": 4, None: 3}
    coarse = anonymise(table, ["place"], {"place": MISSING}, k=4)
    assert Counter(coarse.table["place"].to_pylist()) == {"*": 7}


@pytest.mark.parametrize("value", ["NA", " 75", "75 ", "2a", "2À", "nan", "NULL", "*", "IdF"])
def test_a_value_that_is_almost_a_leaf_is_refused_without_being_told(value: str) -> None:
    with pytest.raises(HierarchyError, match="1 records hold 1 values") as caught:
        anonymise(pa.table({"place": ["75"] * 9 + [value]}), ["place"], {"place": PLACES}, k=2)
    assert f"'{value}'" not in str(caught.value)


def test_decomposed_accents_are_another_value() -> None:
    tree = [("é", "E", "*"), ("b", "B", "*")]
    with pytest.raises(HierarchyError, match="differ from a leaf only by"):
        anonymise(pa.table({"q": ["b", "e\u0301"]}), ["q"], {"q": tree}, k=1)


def test_numbers_dates_and_booleans_are_matched_as_texts() -> None:
    table = pa.table(
        {
            "n": pa.array([2.0, 2.0, None]),
            "big": pa.array([2**63 - 1] * 3),
            "day": pa.array([datetime.date(2020, 2, 29)] * 3),
            "flag": pa.array([True, True, False]),
        }
    )
    trees = {
        "n": [("2", "*"), ("", "*")],
        "big": [(str(2**63 - 1), "*")],
        "day": [("2020-02-29", "2020", "*")],
        "flag": [("true", "*"), ("false", "*")],
    }
    found = anonymise(table, list(trees), trees, k=1)
    assert found.table.column_names == list(trees)
    assert found.table.schema.field("big").type == pa.int64()


def test_a_person_counts_once() -> None:
    table = people().append_column("who", pa.array([f"p{i}" for i in range(300)]))
    found = anonymise(table, ["age", "place"], TREES, k=5, person="who")
    assert "who" not in found.table.column_names
    twice = pa.concat_tables([table, table.slice(0, 2)])
    with pytest.raises(Refused, match="2 persons of who have several rows"):
        anonymise(twice, ["age", "place"], TREES, k=5, person="who")
    nobody = table.set_column(
        table.column_names.index("who"), "who", pa.array([None, *[f"p{i}" for i in range(299)]])
    )
    with pytest.raises(Refused, match="1 rows have no person"):
        anonymise(nobody, ["age", "place"], TREES, k=5, person="who")


def test_a_column_that_tells_the_rows_apart_must_have_a_role() -> None:
    numbered = people().append_column("line", pa.array(list(range(300))))
    named = people().append_column("patient_id", pa.array([f"x{i * 7 % 300}" for i in range(300)]))
    for table, name in ((numbered, "line"), (named, "patient_id")):
        with pytest.raises(UsageError, match=f"column {name} tells the rows apart"):
            anonymise(table, ["age", "place"], TREES, k=5)
        dropped = anonymise(table, ["age", "place"], TREES, k=5, drop=[name])
        assert name not in dropped.table.column_names
        kept = anonymise(table, ["age", "place"], TREES, k=5, keep=[name])
        assert name in kept.table.column_names


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"quasi": []}, UsageError, "at least one"),
        ({"quasi": ["age", "age"]}, UsageError, "named twice"),
        ({"quasi": ["age", "nowhere"]}, UsageError, "no column nowhere"),
        ({"quasi": ["age", "cost"]}, UsageError, "cost has no hierarchy"),
        ({"sensitive": ["age"]}, UsageError, "named twice"),
        ({"sensitive": ["nowhere"]}, UsageError, "no column nowhere"),
        ({"k": 0}, UsageError, "k = 0"),
        ({"k": 301}, Refused, "above the number of rows"),
        ({"t": 1.5, "sensitive": ["disease"]}, UsageError, "t = 1.5"),
        ({"t": 0.2}, UsageError, "sensitive"),
        ({"l": 9, "sensitive": ["disease"]}, Refused, "satisfies"),
        ({"l": 9, "sensitive": ["disease"], "method": "local"}, Refused, "satisfies"),
        ({"suppression": 1.2}, UsageError, "suppression"),
        ({"suppression": "some"}, UsageError, "suppression"),
        ({"method": "mondrian"}, UsageError, "method"),
        ({"measure": "beauty"}, UsageError, "measure"),
        ({"distance": "far", "sensitive": ["disease"]}, UsageError, "distance"),
        ({"distance": "hierarchical", "sensitive": ["disease"]}, UsageError, "hierarchy"),
        ({"gs_factor": 1.0}, UsageError, "gs-factor"),
        ({"weights": {"cost": 2.0}}, UsageError, "not quasi"),
        ({"hierarchies": "/nowhere"}, UsageError, "no such folder"),
        ({"out": "/nowhere/o.csv"}, UsageError, "no such folder"),
        ({"out": "o.xlsx"}, UsageError, "csv or a .parquet"),
    ],
)
def test_what_does_not_fit_is_refused(
    change: dict[str, Any], error: type[Exception], message: str
) -> None:
    given: dict[str, Any] = {"quasi": ["age", "place"], "hierarchies": TREES, "k": 5} | change
    with pytest.raises(error, match=message):
        anonymise(people(), **given)


def test_tables_that_are_none_are_refused(folder: Path) -> None:
    bad = {
        "empty.csv": "",
        "head.csv": "age;place\n",
        "ragged.csv": "age;place\n21;75\n22;75;SECRET\n",
        "twice.csv": "age;age\n21;22\n",
        "case.csv": "age;AGE\n21;22\n",
        "unnamed.csv": ";age;place\n0;21;75\n1;22;75\n",
        "broken.parquet": "PAR1 nothing",
        "packed.csv": "PK\x03\x04 a zip",
    }
    for name, text in bad.items():
        (folder / name).write_text(text)
        with pytest.raises(OpenChronicError) as caught:
            anonymise(folder / name, ["age", "place"], folder / "h", k=1)
        assert "SECRET" not in str(caught.value), name
    with pytest.raises(UsageError, match="no such file"):
        anonymise(folder / "absent.csv", ["age"], folder / "h", k=1)
    with pytest.raises(OpenChronicError, match="several types"):
        anonymise(pd.DataFrame({"age": [21, "x", 2.5, b"z"]}), ["age"], TREES, k=1)
    with pytest.raises(OpenChronicError, match="type"):
        anonymise(pa.table({"age": [[1], [2]]}), ["age"], TREES, k=1)
    with pytest.raises(OpenChronicError, match="two columns of one name"):
        anonymise(pd.DataFrame([[21, 22]], columns=["age", "age"]), ["age"], TREES, k=1)


@pytest.mark.parametrize(
    "kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
)
def test_every_kind_of_text_is_a_text(kind: pa.DataType, tmp_path: Path) -> None:
    table = pa.table({"place": pa.array(["75", "92", "75", "2A"]).cast(kind)})
    for k, level in ((1, 0), (4, 2)):
        out = tmp_path / "o.parquet"
        found = anonymise(table, ["place"], TREES, k=k, out=out)
        assert found.report["levels"] == {"place": level}
        assert pq.read_schema(out).field("place").type == pa.string()


@pytest.mark.parametrize(
    ("separator", "encoding"),
    [(";", "utf-8"), (",", "utf-8-sig"), ("\t", "cp1252"), ("|", "utf-8")],
)
def test_the_dialect_of_a_file_is_found(folder: Path, separator: str, encoding: str) -> None:
    rows = [["âge", "place"], *[["21", "75"]] * 3, ["22", "2A"], ["22", "2A"]]
    with (folder / "d.csv").open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, delimiter=separator, quoting=csv.QUOTE_ALL)
        writer.writerows(rows)
    trees = {"âge": AGES, "place": PLACES}
    anonymise(folder / "d.csv", ["âge", "place"], trees, k=2, out=folder / "o.csv")
    with (folder / "o.csv").open(encoding="utf-8", newline="") as file:
        out = list(csv.reader(file, delimiter=separator))
    assert out[0] == ["âge", "place"]
    assert sorted(out[1:]) == sorted(rows[1:])


def test_quotes_separators_and_line_ends_inside_values_survive(folder: Path) -> None:
    notes = ['a;b "c"', "two\nlines", "", "plain"] * 3
    with (folder / "q.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["place", "note"])
        writer.writerows([["75", note] for note in notes])
    anonymise(folder / "q.csv", ["place"], folder / "h", k=2, out=folder / "o.csv")
    with (folder / "o.csv").open(newline="", encoding="utf-8") as file:
        out = list(csv.reader(file, delimiter=";"))
    assert Counter(row[1] for row in out[1:]) == Counter(notes)


def test_leading_zeros_survive_from_text_to_parquet(folder: Path) -> None:
    (folder / "z.csv").write_text("place;code;n\n" + "75;007;12\n" * 3)
    anonymise(folder / "z.csv", ["place"], folder / "h", k=2, out=folder / "z.parquet")
    table = pq.read_table(folder / "z.parquet")
    assert table["code"].to_pylist() == ["007"] * 3
    assert table["n"].to_pylist() == [12] * 3


def test_nothing_is_written_over_or_left_behind(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = folder / "in.csv"
    before = source.read_bytes()
    given: dict[str, Any] = {"quasi": ["age", "place"], "hierarchies": folder / "h", "k": 5}
    with pytest.raises(UsageError, match="the output is the input"):
        anonymise(source, **given, out=source)
    (folder / "old.csv").write_text("mine")
    names = sorted(each.name for each in folder.iterdir())

    def lost_row(table: pa.Table, path: Path, *rest: Any, **options: Any) -> None:
        real_write(table.slice(1), path, *rest, **options)

    real_write = any_table.write_table
    monkeypatch.setattr(any_table, "write_table", lost_row)
    with pytest.raises(Refused, match="read again"):
        anonymise(source, **given, out=folder / "old.csv")
    assert sorted(each.name for each in folder.iterdir()) == names
    assert (folder / "old.csv").read_text() == "mine" and source.read_bytes() == before
    monkeypatch.undo()
    anonymise(source, **given, out=folder / "old.csv")
    assert (folder / "old.csv").read_text().startswith("age;place")


@pytest.mark.parametrize(
    "fault",
    [
        "k", "l", "entropy", "recursive", "t", "ordered", "hierarchical", "alpha", "beta",
        "enhanced", "delta", "strange",
    ],
)  # fmt: skip
def test_the_written_bytes_are_judged_on_their_own(
    folder: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recoder that forgets a criterion is caught by the second count."""
    asked: dict[str, Any] = {
        "k": {"k": 5},
        "l": {"k": 1, "l": 2},
        "entropy": {"k": 1, "l": "1.5", "l_kind": "entropy"},
        "t": {"k": 1, "t": "0.1"},
        "recursive": {"k": 1, "l": 2, "l_kind": "recursive", "c": "1.5"},
        "ordered": {"k": 1, "t": "0.1", "distance": "ordered"},
        "hierarchical": {"k": 1, "t": "0.1", "distance": "hierarchical"},
        "enhanced": {"k": 1, "beta": 1000, "enhanced": True},
        "delta": {"k": 1, "delta": "0.1"},
        "alpha": {"k": 1, "alpha": "0.5"},
        "beta": {"k": 1, "beta": "0.1"},
        "strange": {"k": 1},
    }[fault]

    def forgetful(prepared: Any, _: Any, **options: Any) -> Any:
        return real_plan(prepared, any_table.criteria(1), **options)

    real_plan, real_write = any_table.plan, any_table.write_table
    if fault == "strange":

        def stranger(table: pa.Table, *rest: Any, **options: Any) -> None:
            strange = pa.array(["ZZ"] * table.num_rows)
            real_write(table.set_column(1, "place", strange), *rest, **options)

        monkeypatch.setattr(any_table, "write_table", stranger)
        asked["method"] = "local"
        asked["k"] = 40
    else:
        monkeypatch.setattr(any_table, "plan", forgetful)
    for suffix in ("csv", "parquet"):
        with pytest.raises(Refused, match="read again"):
            anonymise(
                people(),
                ["age", "place"],
                TREES | {"disease": [("A", "AB", "*"), ("B", "AB", "*"), ("C", "C", "*")]},
                sensitive=["disease"],
                out=folder / f"o.{suffix}",
                **asked,
            )
        assert not (folder / f"o.{suffix}").exists()


@pytest.mark.parametrize("distance", ["equal", "ordered", "hierarchical"])
def test_the_second_count_agrees_on_a_class_on_the_threshold(folder: Path, distance: str) -> None:
    """Two classes at the very same distance: allowed at that t, refused just below."""
    table = pa.table({"place": ["75"] * 4 + ["2A"] * 4, "s": list("AABC") + list("ABBC")})
    trees = {"place": PLACES, "s": [("A", "AB", "*"), ("B", "AB", "*"), ("C", "C", "*")]}
    given: dict[str, Any] = {"k": 4, "sensitive": ["s"], "distance": distance}
    # q - p is +-1/8 on A and B: moved 1/8, over a step of 1, of 1 in 2, under a node at 1 of 2.
    t = {"equal": "0.125", "ordered": "0.0625", "hierarchical": "0.0625"}[distance]
    fine = anonymise(table, ["place"], trees, t=t, out=folder / "o.csv", **given)
    assert fine.report["levels"] == {"place": 0}
    coarse = anonymise(table, ["place"], trees, t=f"{t}"[:-1] + "4", out=folder / "o.csv", **given)
    assert coarse.report["levels"] == {"place": 2}


def test_the_command_line_writes_and_tells(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _ = run(
        "anonymise", folder / "in.csv", "--quasi", "age,place", "--sensitive", "disease",
        "--hierarchies", folder / "h", "--k", 11, "--l", 2, "--suppression", "0.02",
        "--method", "full-domain", "--out", folder / "out.csv", "--json",
    )  # fmt: skip
    found = json.loads(capsys.readouterr().out)
    assert code == 0
    assert {"loss", "k", "suppressed", "levels", "seconds"} <= set(found)
    assert found["k"] >= 11 and found["suppressed"] <= 0.02 * 300 and found["optimal"]
    code, _ = run(
        "risk", folder / "out.csv", "--quasi", "age,place", "--sensitive", "disease", "--json"
    )
    measured = json.loads(capsys.readouterr().out)
    assert code == 0
    assert (measured["k"], measured["rows"]) == (found["k"], found["rows"])
    assert measured["l"] >= 2
    assert run("risk", folder / "out.csv", "--quasi", "age,place")[0] == 0
    assert "prosecutor" in capsys.readouterr().out


def test_the_command_line_refuses_with_its_codes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("anonymise", folder / "in.csv", "--hierarchies", folder / "h", "--json",
              "--out", folder / "o.csv")  # fmt: skip
    assert run(*common, "--quasi", "age,place", "--k", 500)[0] == 3
    assert "above the number of rows" in capsys.readouterr().out
    assert run(*common, "--quasi", "age,place", "--k", 0)[0] == 2
    assert run(*common, "--quasi", "age,cost", "--k", 5)[0] == 2
    assert run(*common, "--quasi", "age,place", "--k", 5, "--weights", "age")[0] == 2
    capsys.readouterr()
    (folder / "h" / "place.csv").write_text("75;IdF;*\n92;IdF;*\n2A;Corse;*\n")
    assert run(*common, "--quasi", "age,place", "--k", 5)[0] == 1
    assert "not leaves" in capsys.readouterr().out
    assert not (folder / "o.csv").exists()


@pytest.mark.parametrize("name", ["person", "patient_id", "NIR"])
def test_a_person_who_has_several_rows_is_not_published_by_mistake(
    tmp_path: Path, name: str
) -> None:
    """Two rows each: the column repeats, and tells people apart all the same."""
    table = pa.table({"sex": ["1", "2"] * 30, name: [f"p{i // 2}" for i in range(60)]})
    tree = {"sex": [("1", "*"), ("2", "*")]}
    with pytest.raises(UsageError, match=f"column {name} tells the rows apart"):
        anonymise(table, ["sex"], tree, k=11)
    # A kind of patient is no patient.
    kinds = pa.table({"sex": ["1", "2"] * 30, name: [f"type {i % 4}" for i in range(60)]})
    assert name in anonymise(kinds, ["sex"], tree, k=11).table.column_names
