"""The panel: who is drawn, that the draw is stable, and what it says of everybody."""

from __future__ import annotations

import random
import statistics
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openchronic_assets.errors import OpenChronicError, Refused, UsageError
from openchronic_assets.ingestion import identity
from openchronic_assets.settings import Home
from openchronic_assets.slices import Part
from openchronic_assets.warehouse import builds, catalogue, panel
from openchronic_assets.warehouse.inputs import RawFile

SECRET = b"a secret of more than thirty-two characters"
Pairs = list[tuple[str, str]]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").create()


def drawn(
    people: list[str],
    fraction: float,
    secret: bytes = SECRET,
    aliases: Pairs | None = None,
    steps: Pairs | None = None,
) -> set[str]:
    """Return the people of a panel, from the tables that the models of identity would give."""
    with duckdb.connect() as connection:
        connection.execute("create table int_person (person_id varchar)")
        connection.execute(
            "create table int_person_key (psa varchar, birth_rank bigint, person_id varchar)"
        )
        connection.execute("create table int_psa (psa varchar, person_id varchar)")
        connection.execute(
            "create table int_person_alias (person_alias varchar, person_id varchar)"
        )
        connection.execute("create table crosswalk (old_id varchar, new_id varchar)")
        for table, rows in (
            ("int_person", [(each,) for each in people]),
            ("int_person_alias", aliases or []),
            ("crosswalk", steps or []),
        ):
            if rows:
                marks = ", ".join("?" for _ in rows[0])
                connection.executemany(f"insert into {table} values ({marks})", rows)
        panel.draw(connection, secret, fraction)
        return {row[0] for row in connection.execute("select * from panel_person").fetchall()}


PEOPLE = [f"person {number}" for number in range(4000)]


def test_the_draw_is_the_keyed_hash_and_nothing_else() -> None:
    found = drawn(PEOPLE[:500], 0.3)
    assert found == {each for each in PEOPLE[:500] if panel.score(SECRET, each) < 0.3}
    assert found == drawn(PEOPLE[:500][::-1], 0.3)


def test_people_enter_and_leave_without_changing_who_else_is_drawn() -> None:
    before, after = drawn(PEOPLE[:3000], 0.1), drawn(PEOPLE[1000:], 0.1)
    stayed = set(PEOPLE[1000:3000])
    assert before & stayed == after & stayed
    assert after - stayed and before - stayed


def test_a_larger_panel_holds_the_smaller_one() -> None:
    assert drawn(PEOPLE, 0.05) < drawn(PEOPLE, 0.1)


def test_the_share_drawn_is_the_share_asked_for() -> None:
    for fraction in (0.02, 0.25, 0.6):
        expected, deviation = 4000 * fraction, (4000 * fraction * (1 - fraction)) ** 0.5
        assert abs(len(drawn(PEOPLE, fraction)) - expected) < 4 * deviation


def test_another_key_draws_other_people() -> None:
    ours, theirs = (
        drawn(PEOPLE, 0.5),
        drawn(PEOPLE, 0.5, b"another secret, as long as the first one"),
    )
    assert 800 < len(ours & theirs) < 1200  # a quarter of four thousand, by chance


def test_a_person_who_changes_identifier_stays_in_the_panel() -> None:
    names = [f"old {number}" for number in range(400)]
    became = [(old, f"new {number}") for number, old in enumerate(names)]
    again = [(f"new {number}", f"newest {number}") for number in range(400)]
    first = drawn(names, 0.3)
    second = drawn([new for _, new in became], 0.3, aliases=became, steps=became)
    third = drawn(
        [newest for _, newest in again],
        0.3,
        aliases=[(old, f"newest {n}") for n, (old, _) in enumerate(became)] + again,
        steps=became + again,
    )
    numbers = {each.split()[1] for each in first}
    assert {each.split()[1] for each in second} == numbers
    assert {each.split()[1] for each in third} == numbers
    assert 0 < len(numbers) < 400


def test_estimates_and_their_variance_are_right_on_average() -> None:
    """Against the true variance of Bernoulli sampling, (1 - f) / f Σ Y², over many draws."""
    chance = random.Random(3)
    fraction, values = 0.2, [chance.choice([0.0, 1.0, 5.0, 40.0]) for _ in range(300)]
    true_total = sum(values)
    true_variance = (1 - fraction) / fraction * sum(y * y for y in values)
    totals, variances, counts, count_variances = [], [], [], []
    for _ in range(4000):
        sample = [y for y in values if chance.random() < fraction]
        for results, each in (
            ((totals, variances), sample),
            ((counts, count_variances), [1.0] * len(sample)),
        ):
            estimate, variance = panel.total(each, fraction)
            results[0].append(estimate)
            results[1].append(variance)
    assert abs(statistics.mean(totals) - true_total) < 4 * (true_variance / 4000) ** 0.5
    assert statistics.variance(totals) == pytest.approx(true_variance, rel=0.1)
    assert statistics.mean(variances) == pytest.approx(true_variance, rel=0.03)
    true_count_variance = (1 - fraction) / fraction * 300
    assert statistics.variance(counts) == pytest.approx(true_count_variance, rel=0.1)
    assert statistics.mean(count_variances) == pytest.approx(true_count_variance, rel=0.03)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-1000, 1000), max_size=20), st.sampled_from([0.05, 0.25, 0.5, 1.0]))
def test_the_macros_of_the_catalogue_say_what_the_function_says(
    values: list[int], fraction: float
) -> None:
    with duckdb.connect() as connection:
        for macro in catalogue.ESTIMATES:
            connection.execute(f"create macro {macro}")
        connection.execute("create table sample (y double, weight double)")
        if values:
            connection.executemany(
                "insert into sample values (?, ?)", [(y, 1 / fraction) for y in values]
            )
        found = connection.execute(
            "select coalesce(panel_total(y, weight), 0), "
            "coalesce(panel_total_variance(y, weight), 0), coalesce(panel_count(weight), 0), "
            "coalesce(panel_count_variance(weight), 0) from sample"
        ).fetchone()
    wanted = (*panel.total(values, fraction), *panel.total([1] * len(values), fraction))
    assert found == pytest.approx(wanted)


def test_everybody_has_no_sampling_variance() -> None:
    assert panel.total([3, 4], 1) == (7, 0)


@pytest.mark.parametrize("fraction", [0, -0.1, 1.01, float("nan")])
def test_a_fraction_out_of_bounds_is_refused(fraction: float, home: Home) -> None:
    with pytest.raises(UsageError):
        panel.total([1], fraction)
    with pytest.raises(UsageError):
        panel.choose(home, fraction)
    assert not home.panel.exists()


def test_a_home_without_a_panel_holds_everybody(home: Home) -> None:
    assert panel.population(home) == {"scope": "exhaustive"}
    setting = panel.choose(home, 0.05)
    assert setting["scope"] == "panel" and setting["fraction"] == 0.05
    assert panel.population(home) == setting
    assert (home.vault / "panel.key").stat().st_mode & 0o077 == 0
    assert panel.leave(home) == panel.population(home) == {"scope": "exhaustive"}


def test_the_secret_of_the_panel_is_not_that_of_pseudonyms(home: Home) -> None:
    panel.choose(home, 0.05)
    assert panel.load_secret(home) != identity.load_secret(home)
    assert panel.load_secret(home).decode() not in home.panel.read_text()


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"fraction": 2, "key": "k"}', '{"fraction": 0.1}']
)
def test_a_damaged_setting_is_named(text: str, home: Home) -> None:
    home.panel.write_text(text)
    with pytest.raises(OpenChronicError, match=r"panel\.json"):
        panel.population(home)


def test_a_size_is_a_share_of_the_people_known(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panel, "known_people", lambda home: 4000)
    assert panel.choose(home, size=1000)["fraction"] == 0.25
    for size in (0, -5, 4000, 5000):
        with pytest.raises(UsageError):
            panel.choose(home, size=size)
    for both in ({}, {"fraction": 0.1, "size": 10}):
        with pytest.raises(UsageError):
            panel.choose(home, **both)  # type: ignore[arg-type]


def test_a_selection_after_a_change_of_panel_is_refused(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would mix two populations in one catalogue: exit code 3."""
    model = SimpleNamespace(kind="yearly", reads=frozenset())
    monkeypatch.setattr(builds, "models", lambda home, target: {"care_event": model})
    monkeypatch.setattr(builds, "code_hash", lambda: "code")
    monkeypatch.setattr(builds.raw_inputs, "scan", lambda home, known: {})
    entry = {"kind": "yearly", "code": "code", "years": {"2019": ["f"], "2020": ["g"]}}
    home.pointer.write_text(
        f'{{"build_id": "b", "vintage": {{}}, "models": {{"care_event": {str(entry)}}}}}'.replace(
            "'", '"'
        )
    )
    assert builds.plan(home, [2020]).years == (2020,)
    panel.choose(home, 0.1)
    with pytest.raises(Refused, match="two populations"):
        builds.plan(home, [2020], select=["care_event"])
    whole = builds.plan(home, [2020])
    assert whole.years == (2019, 2020) and not whole.carried
    assert whole.reasons == {2019: ["panel changed"]}
    assert whole.population["fraction"] == 0.1
    assert builds.plan(home, [2020]).build_id == whole.build_id
    panel.choose(home, 0.2)
    assert builds.plan(home, [2020]).build_id != whole.build_id


class Extract:
    """Raw files written by hand, and what the panel keeps of them."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.inputs: dict[str, dict[str, RawFile]] = {}
        self.found: dict[str, list[Part]] = {}
        self.connection = duckdb.connect()
        self.connection.execute(
            """
            create table panel_couple as
                select 'in' as psa, cast(1 as bigint) as birth_rank
                union all select 'twins', 2;
            create table panel_psa as select 'in' as psa;
            create table panel_name as select 'name in' as name;
            """
        )

    def keep(self, table: str, period: str, select: str, months: Any = None) -> list[Any]:
        """Write a raw file of a flux month or a year; return the first column of what is kept."""
        path = self.home.raw / table / f"{period}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        self.connection.execute(f"copy ({select}) to '{path}' (format parquet)")
        relative = path.relative_to(self.home.lake).as_posix()
        monthly = "-" in period
        file = RawFile(
            f"{table}{period}", 1, {} if monthly else {period: 1}, {period: {}} if monthly else {}
        )
        self.inputs.setdefault(table, {})[relative] = file
        plan = SimpleNamespace(home=self.home, inputs=self.inputs)
        parts = panel._restrict(
            self.connection, plan, self.home.scratch / "panel", table, Part(path, months),
            panel._parent(table), self.found,
        )  # fmt: skip
        self.found.setdefault(table, []).extend(parts)
        rows = [
            row[0]
            for part in parts
            for row in self.connection.execute(f"from '{part.path}' order by 1").fetchall()
        ]
        return rows


KEY = (
    "date '{0}-01' as flx_dis_dtd, 1 as flx_emt_num, 1 as flx_emt_ord, 1 as flx_emt_typ, "
    "date '{0}-01' as flx_trt_dtd, 'o' as org_cle_num, 1 as prs_ord_num, 1 as rem_typ_aff"
)


def test_only_rows_of_the_people_drawn_are_extracted(home: Home) -> None:
    (home.scratch / "panel").mkdir(parents=True)
    raw = Extract(home)
    people = "(values (1, 'in', 1), (2, 'out', 1), (3, 'twins', 1), (4, 'twins', 2), (5, null, 1))"
    for month in ("2020-03", "2020-04"):
        lines = (
            f"select n as dct_ord_num, psa as ben_nir_psa, cast(rank as bigint) as ben_rng_gem, "
            f"{KEY.format(month)} from {people} as t(n, psa, rank)"
        )
        assert raw.keep("er_prs_f", month, lines) == [1, 4]
    # A detail follows its line, by the nine keys, whatever the month of the other lines.
    details = f"select n as dct_ord_num, {KEY.format('2020-03')} from range(1, 6) as t(n)"
    assert raw.keep("er_pha_f", "2020-03", details) == [1, 4]
    assert raw.keep("er_cam_f", "2020-07", details) == []
    # A pseudonym without rank is somebody's only where it stands for one person.
    chained = (
        f"select n as rsa_num, 'e' as eta_num, 2020 as _table_year, psa as nir_ano_17 "
        f"from {people} as t(n, psa, rank)"
    )
    assert raw.keep("t_mcoaac", "2020", chained) == [1]
    stays = "select n as rsa_num, 'e' as eta_num, {} as _table_year from range(1, 6) as t(n)"
    assert raw.keep("t_mcoaab", "2020", stays.format(2020)) == [1]
    assert raw.keep("t_mcoaad", "2021", stays.format(2021)) == []
    deaths = "select * from (values ('name in'), ('name out'), (null)) as t(ben_idt_ano)"
    assert raw.keep("ki_cci_r", "2020", deaths) == ["name in"]
    # Local patients and aggregates are nobody's; referentials of identity and lists stay whole.
    assert raw.keep("t_ripaar3a", "2020", "select 1 as ord_num") == []
    assert raw.keep("open_damir", "2020-03", "select 1 as n") == []
    assert raw.keep("ir_ben_r", "2020", "select * from range(3)") == [0, 1, 2]
    assert raw.keep("be_ide_r", "2020", "select * from range(3)") == [0, 1, 2]


def test_every_table_under_contract_is_restricted_or_knowingly_whole() -> None:
    """A table of people that nobody thought of would leak everybody into a panel."""
    from openchronic_assets.warehouse.inputs import raw_names
    from openchronic_assets.warehouse.raw import contract_of

    nothing = {
        name
        for name in raw_names()
        if name not in (*panel.WHOLE, *panel._LISTS)
        and panel._parent(name) is None
        and panel._predicate(panel._columns(contract_of(name))) is None
    }
    # Aggregates without people, and files whose patients are known inside one establishment only.
    assert {"open_damir", "ma_rem_ft", "t_ripaar3a"} <= nothing
    assert not {
        name
        for name in nothing
        if name.startswith(("er_", "ir_", "ki_", "ct_")) or name in ("t_mcoaab", "t_ssraab")
    }
