"""Code lists and algorithms: well formed, exchanged, compared."""

from __future__ import annotations

import bisect
import csv
import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from openchronic_assets.codelists import CodeList, CodeListError, lists, load_algorithms, load_list
from openchronic_assets.codelists.exchange import compare, export, fingerprint, registry, take_in
from openchronic_assets.codelists.loader import ordered, read_algorithms, read_lists
from openchronic_assets.codelists.model import POSITIONS, SOURCES
from openchronic_assets.errors import Refused, UsageError
from tests.unit.small_deliveries import openchronic


def make(codes: list[str], exclude: list[str] | None = None, **more: str) -> CodeList:
    return CodeList(
        name=more.pop("name", "mine"),
        system=more.pop("system", "CIM10"),
        codes=tuple(codes),
        exclude=tuple(exclude or ()),
        label_fr="x",
        label_en="x",
        flag="A",
        source="test",
        **more,  # type: ignore[arg-type]
    )


def test_a_list_holds_what_begins_with_its_codes_and_not_what_it_excludes() -> None:
    diabetics = load_list("antidiabetics")
    assert diabetics.holds("A10BA02")
    assert not diabetics.holds("A10BX06")
    assert not diabetics.holds("C10AA05")
    assert not diabetics.holds(None)
    assert not diabetics.holds("")
    assert load_list("coronary").holds("i25.2")
    assert not load_list("stroke_sequelae").holds("I65")


def test_every_algorithm_names_lists_of_the_nomenclature_of_its_source() -> None:
    for version in ("G6-like", "G9-like"):
        for one in load_algorithms(version).values():
            for each in one.criteria:
                assert load_list(each.codes).system == SOURCES[each.source]
                assert set(each.positions) <= set(POSITIONS)


def test_the_later_version_holds_the_earlier_one_and_covid() -> None:
    earlier, later = load_algorithms("G6-like"), load_algorithms("G9-like")
    assert set(later) - set(earlier) == {"top_Covid_ind"}
    assert all(later[name] == one for name, one in earlier.items())


def test_acute_comes_before_chronic_and_active_before_surveillance() -> None:
    order = ordered(load_algorithms("G6-like"))
    place = {name: number for number, name in enumerate(order)}
    assert place["top_CvIDM_aig"] < place["top_CvCoron_chr"]
    assert place["top_CanColo_act"] < place["top_CanColo_sur"]
    assert place["top_FDiabet_ind"] < place["top_FAntiHTA_med"]


def test_cancers_share_no_code() -> None:
    names = ["breast_cancer", "colorectal_cancer", "lung_cancer", "prostate_cancer", "other_cancer"]
    for number, letter in itertools.product(range(1000), "CD"):
        code = f"{letter}{number:03}"
        assert sum(load_list(name).holds(code) for name in names) <= 1
    for number in {*range(98)} - {27, 28, 29, 35, 36}:  # not categories of the CIM-10
        assert sum(load_list(name).holds(f"C{number:02}") for name in names) == 1


def test_charlson_has_seventeen_lists_and_diabetes_is_split_whole() -> None:
    found = [name for name in lists() if name.startswith("charlson_")]
    assert len(found) == 17
    for category, fourth in itertools.product(range(10, 15), range(10)):
        code = f"E{category}{fourth}"
        assert load_list("charlson_diabetes").holds(code) != load_list(
            "charlson_diabetes_complicated"
        ).holds(code)


@pytest.mark.parametrize(
    ("codes", "exclude", "why"),
    [
        ([], [], "holds no code"),
        (["I2.5"], [], "no CIM10 code"),
        (["i25"], [], "no CIM10 code"),
        (["I25", "I25"], [], "twice"),
        (["I25"], ["I26"], "excluded from what it does not hold"),
    ],
)
def test_a_list_that_is_not_well_formed_says_why(
    codes: list[str], exclude: list[str], why: str
) -> None:
    with pytest.raises(CodeListError, match=why):
        make(codes, exclude)


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({"source": "ald", "codes": "nowhere"}, "no code list nowhere"),
        ({"source": "drug", "codes": "coronary"}, "coded in ATC"),
        ({"source": "stay", "codes": "coronary"}, "has positions"),
        ({"source": "ald", "codes": "coronary", "positions": ["DP"]}, "has positions"),
        ({"source": "ald", "codes": "coronary", "window": [0, 1]}, "at most n"),
        ({"source": "drug", "codes": "insulins", "started": [-1, 0]}, "only an ALD"),
        ({"source": "ald", "codes": "coronary", "colour": 1}, "missing or unknown"),
    ],
)
def test_an_algorithm_that_is_not_well_formed_says_why(
    tmp_path: Path, entry: dict[str, object], why: str
) -> None:
    path = tmp_path / "X.yaml"
    one = {"name": "t", "label_fr": "t", "label_en": "t", "group": "g", "criteria": [entry]}
    path.write_text(yaml.safe_dump({"algorithms": [one]}))
    with pytest.raises(CodeListError, match=why):
        read_algorithms(path, registry(None))


def test_a_circle_of_precedences_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "X.yaml"
    criteria = [{"source": "ald", "codes": "coronary"}]
    both = [
        {"name": a, "label_fr": a, "label_en": a, "group": "g", "criteria": criteria, "unless": [b]}
        for a, b in (("one", "two"), ("two", "one"))
    ]
    path.write_text(yaml.safe_dump({"algorithms": both}))
    with pytest.raises(CodeListError, match="wait for each other: one, two"):
        read_algorithms(path, registry(None))


PREFIX = st.from_regex(r"[IJ][0-9][0-9][0-9]{0,2}", fullmatch=True)


@st.composite
def code_list(draw: st.DrawFn) -> CodeList:
    codes = draw(st.lists(PREFIX, min_size=1, max_size=4, unique=True))
    below = st.sampled_from(codes).flatmap(
        lambda code: st.text("0123456789", max_size=2).map(lambda tail: code + tail)
    )
    return make(codes, draw(st.lists(below, max_size=3)))


@given(code_list(), code_list(), st.lists(st.from_regex(r"[IJ][0-9]{2,5}", fullmatch=True)))
def test_prefixes_that_differ_are_those_of_codes_that_differ(
    first: CodeList, second: CodeList, codes: list[str]
) -> None:
    found = compare(first, second)
    for code in codes:
        held = first.holds(code), second.holds(code)
        cuts = {*first.codes, *first.exclude, *second.codes, *second.exclude}
        region = max((cut for cut in cuts if code.startswith(cut)), key=len, default=None)
        named = (
            {each.rstrip("*") for each in found.only_first},
            {each.rstrip("*") for each in found.only_second},
        )
        assert (region in named[0]) == (held == (True, False))
        assert (region in named[1]) == (held == (False, True))
    if fingerprint(first) == fingerprint(second):
        assert found.same


def test_a_comparison_on_the_nomenclature_names_codes() -> None:
    found = compare(make(["I20"]), make(["I20"], ["I201"]), ["I200", "I201", "I21"])
    assert found.only_first == ("I201",)
    assert found.only_second == ()
    with pytest.raises(UsageError, match="cannot be compared"):
        compare(make(["I20"]), make(["A10"], system="ATC"))


def test_lists_go_out_and_come_in_unchanged(tmp_path: Path) -> None:
    folder = tmp_path / "registry"
    bundle = tmp_path / "bundle.yaml"
    mine = make(["I20"], ["I201"], name="angina")
    assert export({"angina": mine}, ["angina"], bundle) == 1
    assert take_in(bundle, folder) == {"angina": "new"}
    assert registry(folder)["angina"] == mine
    before = (folder / "angina.yaml").read_bytes()
    assert take_in(bundle, folder) == {"angina": "same"}
    assert (folder / "angina.yaml").read_bytes() == before


def test_every_list_that_ships_goes_out_and_is_the_same_when_it_comes_back(tmp_path: Path) -> None:
    found = registry(None)
    export(found, found, tmp_path / "all.yaml")
    assert set(take_in(tmp_path / "all.yaml", tmp_path / "r").values()) == {"same"}
    assert {one.name: one for one in read_lists(tmp_path / "all.yaml")} == found


def test_a_bundle_that_would_change_a_list_that_ships_takes_nothing_in(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.yaml"
    found = {"angina": make(["I20"], name="angina"), "coronary": make(["I20"], name="coronary")}
    export(found, found, bundle)
    with pytest.raises(Refused, match="coronary holds other codes"):
        take_in(bundle, tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_a_bundle_whose_codes_were_touched_is_refused(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.yaml"
    export({"angina": make(["I20"], name="angina")}, ["angina"], bundle)
    bundle.write_text(bundle.read_text().replace("- I20", "- I21"))
    with pytest.raises(Refused, match="fingerprint"):
        take_in(bundle, tmp_path / "r")


def test_the_command_line_lists_compares_and_exchanges(tmp_path: Path) -> None:
    def said(*arguments: object) -> dict[str, Any]:
        answer = openchronic("codelist", *arguments, "--home", tmp_path / "home", "--json")
        assert answer.code == 0
        return answer.json()

    listed = said("list", "--system", "GHM")["lists"]
    assert {"dialysis_groups"} <= {each["name"] for each in listed}
    assert said("diff", "alzheimer", "dementia") == {
        "same": False,
        "only_first": [],
        "only_second": ["F01", "F02", "F03", "F051"],
    }
    bundle = tmp_path / "b.yaml"
    assert said("export", bundle, "diabetes")["lists"] == 1
    assert said("import", bundle) == {"lists": {"diabetes": "same"}}
    assert {each["flag"] for each in said("show", "G6-like")["rows"]} == {"A", "V"}
    again = openchronic("codelist", "export", bundle, "diabetes")
    assert again.code == 2
    assert "there already" in again.err
    assert openchronic("codelist", "show", "nothing").code == 2


@pytest.mark.conformance
def test_every_code_named_is_in_its_nomenclature(conformance_data: Path) -> None:
    known = {
        system: sorted(codes_of(conformance_data / "nomenclatures" / file, column))
        for system, file, column in (
            ("CIM10", "IR_CIM_V.csv", "CIM_COD"),
            ("CCAM", "IR_CCAM_V63.csv", "CAM_PRS_IDE_COD"),
            ("ATC", "IR_CIP_V.csv", "PHA_ATC_CLA"),
        )
    }

    def is_there(system: str, prefix: str) -> bool:
        place = bisect.bisect_left(known[system], prefix)
        return place < len(known[system]) and known[system][place].startswith(prefix)

    absent = {
        (one.name, code)
        for one in map(load_list, lists())
        if one.system in known
        for code in (*one.codes, *one.exclude)
        # The list of drugs at hand goes no further than the class of three characters.
        if not is_there(one.system, code[:3] if one.system == "ATC" else code)
    }
    # Categories that a range runs over and the CIM-10 does not use.
    assert {code for _, code in absent if len(code) > 3 or code[0] not in "CF"} == set()


def codes_of(path: Path, column: str) -> set[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return {row[column] for row in csv.DictReader(file, delimiter=";") if row[column]}
