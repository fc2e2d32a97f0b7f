from __future__ import annotations

from pathlib import Path

import pytest

from openchronic_assets.anonymisation.hierarchies import (
    Hierarchy,
    HierarchyError,
    builtin,
    read_hierarchy,
)

ROWS = (("a", "A", "*"), ("b", "A", "*"), ("c", "B", "*"))


def tree(*rows: tuple[str, ...]) -> Hierarchy:
    return Hierarchy("x", ("fine", "coarse", "all"), rows)


def test_a_nested_tree_is_accepted_and_lifts_codes() -> None:
    hierarchy = tree(*ROWS)
    assert hierarchy.height == 3
    assert hierarchy.values == (("a", "b", "c"), ("A", "B"), ("*",))
    assert hierarchy.lift(0, 1).tolist() == [0, 0, 1]
    assert hierarchy.lift(1, 2).tolist() == [0, 0]
    assert hierarchy.share_of_value == {
        "a": 1 / 3,
        "b": 1 / 3,
        "c": 1 / 3,
        "A": 2 / 3,
        "B": 1 / 3,
        "*": 1.0,
    }


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ((), "no leaf"),
        ((("a", "A", "*"), ("a", "B", "*")), "appears twice"),
        ((("a", "A", "*"), ("b", "*")), "same height"),
        ((("a", "A", "all"),), "must be '\\*'"),
        ((("a", "", "*"),), "empty"),
        ((("a", " A", "*"),), "padded"),
        ((("a", "A", "*"), ("A", "B", "*")), "of level 0 and of level 1"),
        ((("a", "b", "*"), ("b", "b", "*")), "of level 0 and of level 1"),
        ((("a", "*", "*"), ("b", "B", "*")), "of level 1 and of level 2"),
        ((("a", "A", "**"), ("b", "A", "*")), "must be"),
        ((("*", "A", "*"),), "level"),
    ],
)
def test_what_is_not_a_tree_is_refused(rows: tuple[tuple[str, ...], ...], message: str) -> None:
    with pytest.raises(HierarchyError, match=message):
        tree(*rows)


def test_a_text_may_stand_on_two_levels_over_the_same_leaves() -> None:
    alive = tree(("NA", "alive", "*"), ("2015", "2015", "*"))
    assert alive.values == (("NA", "2015"), ("alive", "2015"), ("*",))
    assert alive.share_of_value["2015"] == 0.5


def test_a_root_of_several_stars_is_a_root() -> None:
    assert tree(("811", "81*", "***"), ("822", "82*", "***")).values[2] == ("***",)


def test_an_empty_leaf_stands_for_a_missing_value() -> None:
    hierarchy = tree(("", "none", "*"), ("a", "A", "*"))
    assert hierarchy.encode([None, "a", ""]).tolist() == [0, 1, 0]


def test_a_near_miss_is_told_without_the_value() -> None:
    with pytest.raises(HierarchyError, match="2 differ from a leaf only by case") as caught:
        tree(("Été", "A", "*"), ("b", "A", "*")).encode(["été", "ete ", "zzz"])
    assert "zzz" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "a;A;*\nb;A;*\n",
        "leaf,group,root\na,A,*\nb,A,*\n",
        "\ufeffleaf\tgroup\troot\r\na\tA\t*\r\nb\tA\t*\r\n",
        '"a";"A";"*"\n"b";"A";"*"\n\n',
    ],
)
def test_a_file_is_read_whatever_its_dialect(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text, encoding="utf-8", newline="")
    assert read_hierarchy(path).rows == (("a", "A", "*"), ("b", "A", "*"))


def test_a_value_under_two_parents_is_refused() -> None:
    with pytest.raises(HierarchyError, match="two parents"):
        Hierarchy("x", ("0", "1", "2", "3"), (("a", "A", "P", "*"), ("b", "A", "Q", "*")))


def test_a_value_that_is_no_leaf_is_counted_but_not_printed() -> None:
    with pytest.raises(HierarchyError) as caught:
        tree(*ROWS).encode(["a", "secret-value", None], [5, 3, 2])
    message = str(caught.value)
    assert "column x: 5 records hold 2 values" in message
    assert "NULL" in message
    assert "secret-value" not in message


def test_a_file_is_read_and_an_unreadable_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text('leaf,group,all\n"a, b",G,*\n', encoding="utf-8")
    assert read_hierarchy(tmp_path / "x.csv").leaves == ("a, b",)
    (tmp_path / "latin.csv").write_bytes("leaf,all\né,*\n".encode("latin-1"))
    assert read_hierarchy(tmp_path / "latin.csv").leaves == ("é",)
    (tmp_path / "empty.csv").write_text("", encoding="utf-8")
    for name in ("empty.csv", "absent.csv"):
        with pytest.raises(HierarchyError, match=name):
            read_hierarchy(tmp_path / name)


def test_the_department_hierarchy_holds_the_101_departments_in_18_regions() -> None:
    department = builtin("department")
    known = [row for row in department.rows if row[0] not in ("autre", "inconnu")]
    assert len(known) == 101
    assert len({row[1] for row in known}) == 18
    assert sum(row[2] == "Outre-mer" for row in known) == 5
    region = {row[0]: row[1] for row in known}
    assert region["23"] == "Nouvelle-Aquitaine"
    assert region["62"] == "Hauts-de-France"
    assert region["974"] == "La Réunion"
    assert region["2A"] == region["2B"] == "Corse"
    assert "20" not in region


def test_the_other_hierarchies_cover_their_domain() -> None:
    assert builtin("sex").leaves == ("1", "2", "inconnu")
    assert set(builtin("ald").leaves) == {str(n) for n in range(1, 33)} | {"inconnu"}
    assert len(builtin("ald").values[1]) == 11
    ages = builtin("age_group")
    assert len(ages.leaves) == 21
    assert [len(values) for values in ages.values] == [21, 11, 6, 1]
    assert ages.rows[13] == ("65-69 ans", "60-69 ans", "60-79 ans", "*")
    assert ages.rows[19] == ("95+ ans", "90+ ans", "80+ ans", "*")
