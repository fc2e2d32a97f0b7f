"""Code lists and algorithms: well formed, exchanged, compared."""

from __future__ import annotations

import bisect
import csv
import itertools
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from small_deliveries import openchronic

from openchronic_assets.codelists import CodeList, CodeListError, lists, load_algorithms, load_list
from openchronic_assets.codelists.exchange import (
    compare,
    compare_versions,
    export,
    export_version,
    find_version,
    fingerprint,
    registry,
    take_in,
    version_fingerprint,
)
from openchronic_assets.codelists.loader import leaves, ordered, read_algorithms, read_lists
from openchronic_assets.codelists.model import POSITIONS, SOURCES
from openchronic_assets.codelists.scores import charlson
from openchronic_assets.codelists.seeds import folder, gather, text
from openchronic_assets.errors import Refused, UsageError


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
        ({"source": "ald", "codes": "coronary", "started": [-3, -1]}, "began since"),
        (
            {"source": "ald", "codes": "coronary", "started": [-1, 0], "window": [-1, 0]},
            "of year n",
        ),
        (
            {
                "source": "drug",
                "codes": "insulins",
                "absent": "insulins",
                "absent_positions": ["DA"],
            },
            "only a stay has codes absent",
        ),
        ({"source": "act", "codes": "dialysis_acts", "dates_large_pack": 2}, "large packs"),
        (
            {
                "source": "ald",
                "codes": "coronary",
                "pooled": [{"source": "act", "codes": "dialysis_acts"}],
            },
            "are pooled",
        ),
        (
            {
                "source": "act",
                "codes": "dialysis_acts",
                "pooled": [{"source": "group", "codes": "dialysis_acts"}],
            },
            "coded in GHM",
        ),
        ({"source": "ald", "codes": "coronary", "requires": ["nobody"]}, "no algorithm nobody"),
        ({"source": "ald", "codes": "coronary", "requires": ["t"]}, "wait for each other"),
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


def test_what_evaluation_in_one_pass_would_get_wrong_is_refused(tmp_path: Path) -> None:
    """One gives way to two, which gives way to three: one must give way to three as well."""
    path = tmp_path / "X.yaml"
    base = {"label_fr": "x", "label_en": "x", "group": "g"}
    criteria = [{"source": "ald", "codes": "coronary"}]

    def read(*more: dict[str, object]) -> None:
        found = [{**base, "name": "three", "criteria": criteria}, *more]
        path.write_text(yaml.safe_dump({"algorithms": found}))
        read_algorithms(path, registry(None))

    two = {**base, "name": "two", "criteria": criteria, "unless": ["three"]}
    one = {**base, "name": "one", "criteria": criteria, "unless": ["two"]}
    with pytest.raises(CodeListError, match="algorithm one: what two requires and gives way to"):
        read(two, one)
    read(two, one | {"unless": ["two", "three"]})
    conditional = [criteria[0] | {"requires": ["two"]}]
    with pytest.raises(CodeListError, match="which is not plain criteria"):
        read(two, one | {"unless": [], "criteria": conditional})


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "has no criterion"),
        ({"members": ["a"], "residual": {"source": "ald"}}, "criteria, or a residual, or members"),
        ({"members": ["a"], "unless": ["b"]}, "takes its members as they are"),
        ({"residual": {"source": "drug"}}, "source ald or stay"),
        ({"residual": {"source": "stay", "numbers": [3]}}, "numbers from 0 to 32"),
        ({"residual": {"numbers": [3]}}, "missing or unknown"),
        ({"residual": {"source": "ald"}, "sex": "3"}, "sex is 1, 2"),
    ],
)
def test_other_kinds_of_algorithms_say_what_is_wrong(
    tmp_path: Path, fields: dict[str, object], why: str
) -> None:
    path = tmp_path / "X.yaml"
    one = {"name": "t", "label_fr": "t", "label_en": "t", "group": "g"} | fields
    path.write_text(yaml.safe_dump({"algorithms": [one]}))
    with pytest.raises(CodeListError, match=why):
        read_algorithms(path, registry(None))


def test_the_fifty_six_names_of_the_cartographie_are_there() -> None:
    found = load_algorithms("G6-like")
    tops = {name for name in found if name.startswith("top_")}
    assert len(tops) == 56
    # The union of everything holds each of them, and nothing that is not published but the rest of
    # the long-term conditions.
    whole = set(leaves("sup_PatMatHos_cat", found))
    assert {top for top in tops if found[top].criteria} <= whole
    assert {name for name in whole if name.startswith("fact_")} == {"fact_ALDAutr_listed"}
    numbers = [n for one in found.values() if one.residual for n in one.residual.numbers]
    assert sorted(numbers) == list(range(33))


def test_names_are_those_of_the_official_tables() -> None:
    from openchronic_assets.contracts import load

    official = {column.name for column in load("CT_IND_AAAA_GN").columns}
    ours = {name.upper() for name, one in load_algorithms("G6-like").items() if one.is_published}
    assert ours <= official
    left_out = {n for n in official - ours if n.startswith(("TOP_", "SUP_"))}
    assert left_out == {
        "SUP_FAGLP1_IND", "SUP_HVHC_CAT", "SUP_HVHC_CHR", "SUP_IRHEMOP_IND_EXCLU",
        "SUP_IRTRHEMOSEV_IND", "SUP_PETIT_CONSO", "SUP_PETIT_CONSO_EXCLU", "SUP_POPTOT_CAT",
        "TOP_IND", "TOP_MT",
    }  # fmt: skip


def test_the_page_of_the_pathologies_tells_every_name_with_its_flag_and_doubt() -> None:
    page = (folder().parents[1] / "docs" / "pathologies.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"(?m)^\| `(\w+)` (\|.*)$", page))
    assert set(rows) >= set(load_algorithms("G9-like"))
    for name, one in load_algorithms("G9-like").items():
        assert rows[name].startswith(f"| {one.label_fr} | {one.flag} |"), name
        assert rows[name].endswith(f"| {one.note or ''} |"), name


def test_seeds_are_what_the_files_say() -> None:
    for name, rows in gather().items():
        written = (folder() / f"{name}.csv").read_text(encoding="utf-8")
        assert written == text(name, rows), "run: python -m openchronic_assets.codelists.seeds"


def test_macros_name_the_conditions_and_flags_of_the_seeds() -> None:
    macros = folder().parent / "macros" / "conditions"

    def named(file: str) -> list[str]:
        return re.findall(r"'(\w+)'", (macros / file).read_text(encoding="utf-8"))

    assert named("charlson_conditions.sql") == [one.name for one in charlson()]
    ours = {name.lower() for name, one in load_algorithms("G6-like").items() if one.is_published}
    assert set(named("mapping_flags.sql")) == ours


def test_charlson_weighs_what_the_articles_weigh() -> None:
    weights = {one.name: (one.weight_1987, one.weight_2011) for one in charlson()}
    assert sum(old for old, _ in weights.values()) == 33
    assert sum(new for _, new in weights.values()) == 26
    assert weights["metastatic"] == (6, 6) and weights["hiv"] == (6, 2)
    assert {one.name: one.beaten_by for one in charlson() if one.beaten_by} == {
        "mild_liver": "severe_liver", "diabetes": "diabetes_complicated",
        "malignancy": "metastatic",
    }  # fmt: skip


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


def test_a_version_goes_out_with_its_lists_and_comes_in_elsewhere(tmp_path: Path) -> None:
    found = registry(None)
    original = load_algorithms("G9-like")
    bundle, there = tmp_path / "bundle.yaml", tmp_path / "registry"
    export_version("G9-like", original, found, bundle)
    assert set(take_in(bundle, there).values()) == {"same"}
    # Under another name it is new there, and means the same.
    bundle.write_text(bundle.read_text().replace("G9-like", "theirs"))
    assert take_in(bundle, there)["theirs"] == "new"
    assert find_version("theirs", there) == original
    assert version_fingerprint(find_version("theirs", there), found) == version_fingerprint(
        original, found
    )
    assert take_in(bundle, there)["theirs"] == "same"
    assert compare_versions(load_algorithms("G6-like"), original) == {
        "top_Covid_ind": "only in the second"
    }


def test_a_version_that_was_touched_or_changes_one_that_ships_is_refused(tmp_path: Path) -> None:
    found, bundle = registry(None), tmp_path / "bundle.yaml"
    export_version("G6-like", load_algorithms("G6-like"), found, bundle)
    document = yaml.safe_load(bundle.read_text())
    document["algorithms"][0]["criteria"][0]["window"] = [-1, 0]
    bundle.write_text(yaml.safe_dump(document))
    with pytest.raises(Refused, match="G6-like are not those that its fingerprint says"):
        take_in(bundle, tmp_path / "r")
    del document["fingerprints"]["G6-like"]
    bundle.write_text(yaml.safe_dump(document))
    with pytest.raises(Refused, match="G6-like holds other codes than that of the same name"):
        take_in(bundle, tmp_path / "r")
    document["version"] = "../outside"
    bundle.write_text(yaml.safe_dump(document))
    with pytest.raises(CodeListError, match="a version is letters"):
        take_in(bundle, tmp_path / "r")
    document |= {"version": "mine", "lists": []}
    document["algorithms"][0]["criteria"][0]["codes"] = "nowhere"
    bundle.write_text(yaml.safe_dump(document))
    with pytest.raises(CodeListError, match="no code list nowhere"):
        take_in(bundle, tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_cards_say_flag_source_review_validity_and_concordance(tmp_path: Path) -> None:
    def said(*arguments: object) -> dict[str, Any]:
        answer = openchronic("codelist", *arguments, "--home", tmp_path / "home", "--json")
        assert answer.code == 0, answer.err
        return answer.json()

    shown = {row["field"]: row["value"] for row in said("show", "anti_dementia")["rows"]}
    assert shown["flag"] == "A" and shown["valid_to"] == "2018"
    assert shown["reviewed_by"] == shown["concordance"] == "not said"
    assert shown["source"] and shown["author"] and len(shown["fingerprint"]) == 16
    listed = {row["name"]: row for row in said("list")["lists"]}
    assert listed["anti_dementia"]["reviewed"] == "nobody"
    assert listed["anti_dementia"]["valid"] == "-2018"
    rules = {row["algorithm"]: row for row in said("show", "G6-like")["rows"]}
    assert "3 dates, 2 with a large pack" in rules["top_FDiabet_ind"]["criteria"]
    assert rules["sup_Cvaig_cat"]["criteria"].startswith("any of top_CvIDM_aig")
    assert rules["sup_ALDAutr_31_ind"]["criteria"] == "ald 31 that no criterion names"
    assert said("diff", "G6-like", "G9-like") == {
        "same": False, "algorithms": {"top_Covid_ind": "only in the second"}
    }  # fmt: skip
    bundle = tmp_path / "v.yaml"
    assert said("export", bundle, "G6-like")["lists"] > 80
    assert set(said("import", bundle)["lists"].values()) == {"same"}


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
