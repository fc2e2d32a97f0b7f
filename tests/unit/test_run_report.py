"""The run report: one page a delivery, readable without a network, that holds no value."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_deliveries import lake_rows, manifest, openchronic, row, write

from openchronic_assets.errors import UsageError
from openchronic_assets.ingestion import identity, spark
from openchronic_assets.ingestion.report import REASONS
from openchronic_assets.ingestion.run import Ingestion, ingest
from openchronic_assets.ingestion.shape import shape_sql
from openchronic_assets.reports import chart, facts, page, profile, words
from openchronic_assets.settings import Home

PERSON = "PLANTEDPERSON0001"
PLANTED = (PERSON, "31/02/2019", "Dupont", "12,345678", "7411")


@pytest.fixture(scope="module", autouse=True)
def without_spark() -> Any:
    def spread(
        session: Any, function: Callable[[Any], Any], items: Sequence[Any], progress: Any = None
    ) -> list[Any]:
        return [function(item) for item in items]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spark, "spread", spread)
        patch.setenv(identity.SECRET_VARIABLE, "a secret of the tests, of 32 characters or more")
        yield


def take(home: Home, folder: Path) -> Ingestion:
    return ingest(home, folder, session=lambda: None)  # type: ignore[arg-type,return-value]


def prs(number: int, month: str = "01/03/2019", **cells: str) -> dict[str, str]:
    return row(
        "ER_PRS_F", 2019, PRS_ORD_NUM=str(number), FLX_DIS_DTD=month, BEN_NIR_PSA=PERSON, **cells
    )


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Ingestion, Ingestion]:
    """A home with two deliveries of one table, the second one damaged and different."""
    folder = tmp_path_factory.mktemp("report")
    home = Home(folder / "home")
    rows = [prs(n, PRS_NAT_REF="1111", PRS_PAI_MNT="10.25") for n in range(20)]
    rows += [prs(n, "01/06/2019", PRS_NAT_REF="1112") for n in range(30)]
    rows += [prs(99, PRS_NAT_REF="7411")]
    write(folder / "first", "ER_PRS_F_2019.csv", rows)
    manifest(folder / "first", date="2020-06-01")
    rows = [prs(n, PRS_NAT_REF="1111", DPN_QLF="") for n in range(20)]
    rows += [prs(n, "01/06/2019", PRS_NAT_REF="1199") for n in range(15)]
    rows += [prs(98, PRS_NAT_REF="7412"), prs(97) | {"EXE_SOI_DTD": "31/02/2019"}]
    rows += [prs(96) | {"PRS_ACT_QTE": "Dupont"}, prs(95) | {"PRS_PAI_MNT": "12.345678"}]
    rows += [prs(94) | {"PRS_ORD_NUM": "99999999999999999999"}]
    write(folder / "<b>second</b>", "ER_PRS_F_2019.csv", rows)
    write(folder / "<b>second</b>", "sub & co/IR_PHA_R.csv", "no;such;header\n1;2;3\n")
    write(folder / "<b>second</b>", "notes https:/example.org.txt", "x")
    manifest(folder / "<b>second</b>", date="2021-06-01", provider='"><script>alert(1)</script>')
    return home, take(home, folder / "first"), take(home, folder / "<b>second</b>")


def text_of(result: Ingestion) -> str:
    assert result.report is not None
    return Path(result.report).read_text(encoding="utf-8")


class Reader(HTMLParser):
    """What a browser would load or run, and whether each element is closed."""

    def __init__(self, text: str):
        super().__init__()
        self.asked: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br", "link", "img", "line", "rect"):
            self.open.append(tag)
        if tag in ("script", "link", "img", "iframe", "object", "embed", "form", "base"):
            self.asked.append((tag, ""))
        self.asked += [
            (name, value or "")
            for name, value in attrs
            if name in ("src", "href", "xlink:href", "action") or name.startswith("on")
        ]

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("line", "rect"):
            assert self.open.pop() == tag


def test_the_page_asks_for_nothing_and_closes_what_it_opens(
    two: tuple[Home, Ingestion, Ingestion],
) -> None:
    for result in two[1:]:
        text = text_of(result)
        reader = Reader(text)
        assert reader.asked == [] and reader.open == []
        assert not re.search(r"https?://|url\(|@import|javascript:", text)
        assert "<b>second" not in text and "<script" not in text


def test_no_value_that_was_planted_is_in_the_page_or_the_profile(
    two: tuple[Home, Ingestion, Ingestion],
) -> None:
    home, *results = two
    (hidden, *_) = {each["ben_nir_psa"] for each in lake_rows(home.raw, "er_prs_f")}
    for result in results:
        kept = (home.reports / "profiles" / f"{result.delivery}.json").read_text()
        for value in (*PLANTED, "12.345678", hidden, "7412"):
            assert value not in text_of(result) and value not in kept, value


def test_a_refused_value_shows_its_shape_and_its_reason(
    two: tuple[Home, Ingestion, Ingestion],
) -> None:
    text = text_of(two[2])
    for shape in ("99/99/9999", "Aaaaaa", "99.999999", "9" * 20):
        assert f"<code>{shape}</code>" in text
    assert words.REASONS["not_a_date"].replace("'", "&#39;") in text
    assert "illisible" in text or "refusé" in text


def test_the_page_compares_with_the_delivery_before(
    two: tuple[Home, Ingestion, Ingestion],
) -> None:
    home, first, second = two
    (table,) = [t for t in facts.gather(home, str(second.delivery)).tables if t.name == "ER_PRS_F"]
    assert table.before_name == "first" and table.before is not None
    assert table.before["months"] == {"2019-03": 21, "2019-06": 30}
    assert table.profile is not None
    assert table.profile["months"] == {"2019-03": 21, "2019-06": 15}
    (change,) = [each for each in table.codes if each.column == "PRS_NAT_REF"]
    assert (change.new, change.gone) == ((("1199", 15),), (("1112", 30),))
    assert table.profile["missing"]["DPN_QLF"] == 20 and table.before["missing"]["DPN_QLF"] == 0
    assert facts.amount_before(table, "PRS_PAI_MNT") == Decimal("522.75")
    text = text_of(second)
    for said in ("1199", "1112", "mars 2019", "522,75\u00a0€", "−29,4\u00a0%", "DPN_QLF"):
        assert said in text, said
    assert facts.gather(home, str(first.delivery)).tables[0].before is None


def test_a_code_of_ten_rows_is_counted_and_not_named(
    two: tuple[Home, Ingestion, Ingestion],
) -> None:
    found = profile.read(two[0], str(two[1].delivery))
    assert found is not None
    codes = found["tables"]["ER_PRS_F"]["codes"]["PRS_NAT_REF"]
    assert codes == {"values": {"1112": 30, "1111": 20}, "rare": 1, "rare_rows": 1, "cut": 0}


def test_the_profile_says_what_the_lake_holds(two: tuple[Home, Ingestion, Ingestion]) -> None:
    home, _, second = two
    found = profile.read(home, str(second.delivery))
    assert found is not None
    table = found["tables"]["ER_PRS_F"]
    rows = lake_rows(home.raw, "er_prs_f")
    assert table["rows"] == len(rows)
    for column, missing in table["missing"].items():
        assert missing == sum(each[column.lower()] is None for each in rows), column
    for column, value in table["amounts"].items():
        assert Decimal(value) == sum(each[column.lower()] or 0 for each in rows), column


def test_the_command_writes_the_pages_again_and_drops_those_of_nobody(
    two: tuple[Home, Ingestion, Ingestion],
) -> None:
    home, first, second = two
    (home.reports / "ghost.html").write_text("")
    said = openchronic("report", "--home", home.root, "--json")
    assert said.code == 0, said.err
    assert said.json()["reports"] == [first.report, second.report]
    assert sorted(each.name for each in home.reports.glob("*.*")) == sorted(
        f"{each.delivery}.html" for each in (first, second)
    )
    assert openchronic("report", "first", "--home", home.root).code == 0
    wrong = openchronic("report", "nothing", "--home", home.root)
    assert wrong.code == 2 and "there are: " in wrong.err


def test_a_report_that_was_lost_comes_back_with_the_next_ingestion(
    two: tuple[Home, Ingestion, Ingestion], tmp_path: Path
) -> None:
    home = Home(tmp_path / "home")
    write(tmp_path / "d", "ER_BIO_F_2019.csv", [row("ER_BIO_F", 2019)])
    written = Path(str(take(home, tmp_path / "d").report))
    before = written.read_bytes()
    written.unlink()
    # As a run that was killed leaves them.
    half = [home.reports / f".{written.name}.123", home.reports / "profiles" / ".x.json.123"]
    for each in half:
        each.write_text("half")
    again = take(home, tmp_path / "d")
    assert not any(each.exists() for each in half)
    assert again.state == "already ingested" and written.read_bytes() == before


def test_two_deliveries_of_one_name_are_told_apart(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    ids = []
    for parent in ("a", "b"):
        folder = tmp_path / parent / "same"
        write(
            folder,
            "ER_BIO_F_2019.csv",
            [row("ER_BIO_F", 2019, FLX_TRT_DTD=f"0{1 + len(ids)}/03/2019")],
        )
        ids.append(take(home, folder).delivery)
    with pytest.raises(UsageError, match="several deliveries are named same"):
        page.write(home, "same")
    assert page.write(home, str(ids[0])).is_file()


def test_every_reason_has_its_french_words() -> None:
    assert set(words.REASONS) >= set(REASONS)


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=60))
def test_a_shape_tells_no_letter_or_digit(text: str) -> None:
    text = text.replace("\x00", "")
    found = duckdb.execute(f"select {shape_sql('t')} from (select ?::varchar as t)", [text])
    (shape,) = found.fetchone() or ("",)
    assert set(re.findall(r"\w", shape)) <= set("9Aa_")
    assert len(shape) == min(len(text), 41)
    plain = "".join(each for each in text[:40] if each.isascii() and not each.isalnum())
    assert [c for c in shape.removesuffix("…") if c not in "9Aa?"] == [
        c for c in plain if " " <= c <= "~" and c != "?"
    ]


@pytest.mark.parametrize(
    ("value", "said"),
    [("1234.5", "1 234,50 €"), ("-0.01", "−0,01 €"), ("0", "0,00 €"), ("0.9999", "0,9999 €"),
     ("-1234567.891", "−1 234 567,891 €")],
)  # fmt: skip
def test_euros_are_written_as_in_french_and_exact(value: str, said: str) -> None:
    assert re.sub("[\u202f\u00a0]", " ", words.euros(Decimal(value))) == said


def test_a_share_never_rounds_something_to_nothing_or_to_all() -> None:
    assert words.share(0, 10) == "0\u00a0%" and words.share(10, 10) == "100\u00a0%"
    assert words.share(1, 10**6).startswith("<") and words.share(10**6 - 1, 10**6).startswith(">")
    assert words.share(1, 3) == "33,3\u00a0%" and words.share(0, 0) == "–"


def test_a_chart_has_a_bar_for_each_month_and_none_without_months() -> None:
    drawn = chart.bars({"2019-11": 5, "2020-02": 7, "none": 3}, {"2019-12": 4})
    assert drawn.count("<rect") == 4 and drawn.count('class="old"') == 1
    assert "févr. 2020 : 7 lignes" in drawn
    assert chart.bars({}) == "" and chart.bars({"2018>2020": 3}) == ""
    assert chart.bars({"1900-01": 1, "2020-01": 1, "2900-01": 1}).count("<rect") == 3


def test_a_browser_shows_the_page_without_asking_or_complaining(
    two: tuple[Home, Ingestion, Ingestion], tmp_path: Path
) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    picture = tmp_path / "page.png"
    said = subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
         f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=2000",
         f"--screenshot={picture}", Path(str(two[2].report)).as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert picture.stat().st_size > 20_000
    assert "CONSOLE" not in said.stderr
