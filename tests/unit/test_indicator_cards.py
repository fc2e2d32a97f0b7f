"""The card of an indicator says all that the catalogue says, and breaks no page."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from typer.testing import CliRunner

from openchronic_assets.cli import app
from openchronic_assets.errors import UsageError
from openchronic_assets.indicators import cards, page
from openchronic_assets.indicators.loader import catalogue, families
from openchronic_assets.indicators.model import Codes, Exclusion, Indicator, Source, Text
from openchronic_assets.settings import Home

HOSTILE = "<script>alert(1)</script> | *gras* [lien](http://x) `code` __fort__ # titre"


@pytest.fixture
def some() -> Indicator:
    return next(one for one in catalogue().values() if one.exclusions and one.benchmarks)


def shown(text: str) -> str:
    """Return what a reader of the rendered Markdown sees."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    words = []
    for token in tokens:
        if token.type in ("fence", "code_block"):
            words.append(token.content)
        for child in token.children or []:
            words.append(child.content)
    return " ".join("".join(words).split())


@pytest.mark.parametrize("language", cards.LANGUAGES)
def test_the_card_of_every_indicator_says_what_the_catalogue_says(language: str) -> None:
    for one in catalogue().values():
        read = shown(cards.card(one, language))
        texts = [one.label, one.says, one.numerator, one.denominator, one.limits]
        texts += [each.text for each in one.exclusions] + [each.what for each in one.codes]
        texts += [each.perimeter for each in one.benchmarks]
        for text in texts:
            assert getattr(text, language) in read, (one.id, getattr(text, language))
        for said in (one.id, one.table, *one.tables, *(each.text for each in one.sources)):
            assert said in read, (one.id, said)
        assert " ".join(one.query.split()) in read
        for each in one.exclusions:
            assert each.code in read


def test_the_doubt_of_a_source_is_said_in_words(some: Indicator) -> None:
    for flag, words in (("V", "lu dans"), ("K", "de mémoire"), ("A", "choix d'Open Chronic")):
        one = dataclasses.replace(some, sources=(Source("Un rapport", flag),), benchmarks=())
        assert f"Un rapport ({words}" in cards.card(one)


def test_texts_of_the_catalogue_show_as_they_stand_and_add_no_markup(some: Indicator) -> None:
    text = Text(HOSTILE, HOSTILE)
    one = dataclasses.replace(
        some,
        label=text,
        says=text,
        exclusions=(Exclusion("a_code", text),),
        codes=(Codes("NABM", ("1",), text),),
        benchmarks=(dataclasses.replace(some.benchmarks[0], tolerance=text, perimeter=text),),
        query="select 1 -- ```\n",
    )
    rendered = page.render("Titre", cards.card(one))
    assert "<script" not in rendered
    assert "<a " not in rendered
    assert "<em>gras" not in rendered
    assert rendered.count("<h1>") == 1
    assert shown(cards.card(one)).count(HOSTILE) == 6
    assert "select 1 -- ```" in rendered


def test_long_lists_of_codes_are_cut_and_counted(some: Indicator) -> None:
    many = tuple(f"{number:04d}" for number in range(cards.MOST_CODES + 7))
    one = dataclasses.replace(some, codes=(Codes("NABM", many, Text("Actes", "Acts")),))
    assert "et 7 autres" in cards.card(one)
    assert many[-1] not in cards.card(one)


def test_tables_carry_the_cards_of_their_own_family() -> None:
    for family in families().values():
        text = cards.described(f"measure_{family.name}")
        for one in catalogue().values():
            assert (f"`{one.id}`, version" in text) == (one.family == family.name)
    assert all(f"`{name}`" in cards.described("indicator") for name in catalogue())
    assert cards.described("person") == ""
    assert cards.described("measure_of_nothing") == ""
    assert cards.described(next(iter(families()))) == ""


def test_numbers_are_written_as_each_language_does() -> None:
    assert cards.number(0.5) == "0,5"
    assert cards.number(51.0) == "51"
    assert cards.number(1234567.0) == "1\u202f234\u202f567"
    assert cards.number(0.00001234) == "0,00001234"
    assert cards.number(-12345.0) == "-12\u202f345"
    assert cards.number(12.34, "en") == "12.34"


def test_the_command_writes_a_card_a_language_for_each_indicator(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["indicators", "cards", "--out", str(tmp_path), "--json"])
    assert done.exit_code == 0
    for language in cards.LANGUAGES:
        names = {path.stem for path in (tmp_path / language).glob("*.md")}
        assert names == {*catalogue(), "index"}
    assert json.loads(done.stdout)["files"] == 2 * len(catalogue()) + 2


def test_the_commands_list_and_show_and_refuse_what_is_not_there(home: Home) -> None:
    runner = CliRunner()
    family = next(iter(families()))
    done = runner.invoke(app, ["indicators", "list", "--family", family, "--json"])
    listed = [each["indicator"] for each in json.loads(done.stdout)["indicators"]]
    assert listed == [one.id for one in families()[family].indicators]
    done = runner.invoke(app, ["indicators", "show", listed[0]])
    assert done.stdout.startswith(f"# {catalogue()[listed[0]].label.fr}")
    for arguments in (["show", "nothing"], ["list", "--family", "nothing"]):
        assert isinstance(runner.invoke(app, ["indicators", *arguments]).exception, UsageError)
