"""Every generated table keeps the constraints of SNDS: keys, joins, dates, sums to the cent."""

from __future__ import annotations

import re
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from openchronic_assets.contracts import load
from openchronic_assets.contracts.names import recognise
from openchronic_assets.errors import OpenChronicError, UsageError
from openchronic_assets.synthetic import extra, generate
from openchronic_assets.synthetic.dirt import KINDS
from openchronic_assets.synthetic.truth import TABLES

NINE = (
    "DCT_ORD_NUM, FLX_DIS_DTD, FLX_EMT_NUM, FLX_EMT_ORD, FLX_EMT_TYP, FLX_TRT_DTD, ORG_CLE_NUM,"
    " PRS_ORD_NUM, REM_TYP_AFF"
)
YEAR = 2019


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Every table of a year, of a thousand persons and some."""
    out = tmp_path_factory.mktemp("whole") / "extract"
    return out, generate(out, 1300, (YEAR, YEAR), 8, dirt="none", tables="all")


@pytest.fixture(scope="module")
def base(whole: tuple[Path, dict[str, Any]]) -> Iterator[duckdb.DuckDBPyConnection]:
    """Each table under its contract's name, as text; the truth under ``truth_<name>``."""
    out, totals = whole
    files: dict[str, list[str]] = {}
    for name, known in totals["files"].items():
        files.setdefault(known["table"], []).append(str(out / name))
    with duckdb.connect() as connection:
        for table, paths in files.items():
            connection.execute(
                f"create table {table} as select * from read_csv({paths!r}, delim=';',"
                " header=true, all_varchar=true, quote='')"
            )
        for name in TABLES:
            path = out.with_name("extract.truth") / f"{name}.parquet"
            connection.execute(f"create table truth_{name} as from '{path}'")
        yield connection


def one(base: duckdb.DuckDBPyConnection, sql: str) -> Any:
    row = base.execute(sql).fetchone()
    assert row is not None
    return row[0]


def test_keys_are_filled_and_unique_in_every_table(
    base: duckdb.DuckDBPyConnection, whole: tuple[Path, dict[str, Any]]
) -> None:
    for table in whole[1]["tables"]:
        contract = load(table).for_year(YEAR)
        for column in contract.not_null:
            assert one(base, f"select count(*) from {table} where {column} is null") == 0, table
        if contract.key:
            keys = ", ".join(f"coalesce({name}, '')" for name in contract.key)
            twice = f"select count(*) - count(distinct ({keys})) from {table}"
            assert one(base, twice) == 0, table


def test_every_detail_of_claims_finds_its_line(
    base: duckdb.DuckDBPyConnection, whole: tuple[Path, dict[str, Any]]
) -> None:
    seven = NINE.replace(", PRS_ORD_NUM, REM_TYP_AFF", "")
    for table in whole[1]["tables"]:
        if table.startswith("ER_") and table != "ER_PRS_F":
            keys = seven if table == "ER_DCT_F" else NINE
            assert one(base, f"select count(*) from {table} anti join ER_PRS_F using ({keys})") == 0
    claims = f"select count(distinct ({seven})) from ER_PRS_F"
    assert one(base, "select count(*) from ER_DCT_F") == one(base, claims)


@pytest.mark.parametrize(
    ("field", "stay", "number"),
    [
        ("MCO", ("ETA_NUM",), "RSA_NUM"),
        ("SSR", ("ETA_NUM",), "RHA_NUM"),
        ("HAD", ("ETA_NUM_EPMSI",), "RHAD_NUM"),
        ("RIP", ("ETA_NUM_EPMSI",), "RIP_NUM"),
    ],
)
def test_every_hospital_row_belongs_to_a_stay_or_a_consultation(
    base: duckdb.DuckDBPyConnection,
    whole: tuple[Path, dict[str, Any]],
    field: str,
    stay: tuple[str, ...],
    number: str,
) -> None:
    keys = ", ".join((*stay, number))
    chained = f"T_{field}aaC"
    checked = 0
    for table in whole[1]["tables"]:
        names = load(table).for_year(YEAR).names()
        if not table.startswith(f"T_{field}aa"):
            continue
        if table.endswith("STC") and table != f"T_{field}aaSTC" and "SEQ_NUM" in names:
            patient = f"T_{field}aaCSTC"
            lost = f"select count(*) from {table} anti join {patient} using (ETA_NUM, SEQ_NUM)"
        elif number in names and not table.endswith("FHSTC"):
            lost = f"select count(*) from {table} anti join {chained} using ({keys})"
        else:
            continue
        assert one(base, lost) == 0, table
        checked += 1
    assert checked >= 8
    # One to one with the table of stays.
    whole_stay = {"MCO": "B", "SSR": "S", "HAD": "S", "RIP": "S"}[field]
    assert one(base, f"select count(*) from T_{field}aa{whole_stay}") == one(
        base, f"select count(*) from {chained}"
    )


def test_stays_of_the_four_fields_are_the_planted_ones(base: duckdb.DuckDBPyConnection) -> None:
    for field in ("SSR", "HAD", "RIP"):
        found = one(base, f"select count(*) from T_{field}aaC")
        planted = f"select count(*) from truth_field_stays where field = '{field}'"
        assert found == one(base, planted) > 0, field
    # Rehabilitation begins on the day on which acute care ends by a transfer to it.
    lost = """
        select count(*) from truth_field_stays f anti join truth_stays s
            on f.index = s.index and f.entry_date = s.exit_date and s.exit_mode = '7'
        where from_acute"""
    assert one(base, lost) == 0


def test_acute_stays_are_the_planted_ones_one_by_one(base: duckdb.DuckDBPyConnection) -> None:
    written = """
        select ETA_NUM as hospital, strptime(c.EXE_SOI_DTD, '%d%b%Y:%H:%M:%S')::date as entry_date,
            strptime(c.EXE_SOI_DTF, '%d%b%Y:%H:%M:%S')::date as exit_date, SOR_MOD as exit_mode,
            DGN_PAL as cim10, p.index
        from T_MCOaaB join T_MCOaaC c using (ETA_NUM, RSA_NUM)
        left join truth_persons p on c.NIR_ANO_17 in (ben_nir_psa, second_psa) and ben_rng_gem != 2
    """
    true = """
        select hospital, entry_date, exit_date, exit_mode, cim10,
            case when chained then coalesce(first.index, s.index) end as index
        from truth_stays s join truth_persons p on s.index = p.index
        left join truth_persons first
            on p.ben_rng_gem = 2 and first.ben_rng_gem = 1 and first.ben_nir_psa = p.ben_nir_psa
    """
    assert one(base, "select count(*) from truth_stays") > 200
    for left, right in ((written, true), (true, written)):
        assert one(base, f"select count(*) from (({left}) except all ({right}))") == 0


def test_no_stay_or_care_goes_on_after_death(base: duckdb.DuckDBPyConnection) -> None:
    for table, column in (
        ("stays", "exit_date"),
        ("field_stays", "exit_date"),
        ("visits", "visit_date"),
        ("exposures", "end_date"),
    ):
        late = f"select count(*) from truth_{table} join truth_persons using (index)"
        assert one(base, f"{late} where {column} > death_date") == 0, table
    ends = "select count(*) from truth_stays join truth_persons using (index) where exit_mode = '9'"
    assert one(base, f"{ends} and exit_date != death_date") == 0


def test_registers_hold_the_couples_of_the_persons(base: duckdb.DuckDBPyConnection) -> None:
    for table in ("IR_MTT_R", "IR_ORC_R", "IR_BEN_R_ARC", "CT_IDE_AAAA_GN", "IR_ETM_R"):
        lost = f"select count(*) from {table} anti join IR_BEN_R using (BEN_NIR_PSA, BEN_RNG_GEM)"
        assert one(base, f"select count(*) from {table}") > 0 == one(base, lost), table
    assert (
        one(base, "select count(*) from CT_IND_AAAA_GN anti join CT_IDE_AAAA_GN using (ID_CARTO)")
        == 0
    )
    assert one(base, "select count(*) from KI_ECD_R anti join KI_CCI_R using (DCD_IDT_ENC)") == 0
    unknown = (
        "select count(*) from ER_PHA_F where PHA_PRS_C13 not in (select PHA_CIP_C13 from IR_PHA_R)"
    )
    assert one(base, unknown) == 0
    doctors = """
        select count(*) from ER_PRS_F where PFS_EXE_NUM != '00000000'
            and PFS_EXE_NUM[:8] not in (select PFS_PFS_NUM from DA_PRA_R)"""
    assert one(base, doctors) == 0
    hospitals = (
        "select count(*) from T_MCOaaB where ETA_NUM not in (select IDE_ETA_NUM from BE_IDE_R)"
    )
    assert one(base, hospitals) == 0


def test_open_damir_is_the_sum_of_the_claims(base: duckdb.DuckDBPyConnection) -> None:
    for line, cell in (("PRS_PAI_MNT", "PRS_PAI_MNT"), ("BSE_REM_BSE", "PRS_REM_BSE")):
        claims = one(base, f"select sum({line}::decimal(18, 2)) from ER_PRS_F")
        for table in ("OPEN_DAMIR", "MA_REM_FT"):
            assert claims == one(base, f"select sum({cell}::decimal(18, 2)) from {table}"), table
    paid = "select sum(BSE_REM_MNT::decimal(18, 2) + CPL_REM_MNT::decimal(18, 2)) from ER_PRS_F"
    assert one(base, paid) == one(base, "select sum(PRS_REM_MNT::decimal(18, 2)) from OPEN_DAMIR")


def test_another_payer_pays_what_the_scheme_leaves(base: duckdb.DuckDBPyConnection) -> None:
    wrong = f"""
        select count(*) from ER_ARO_F a join ER_PRS_F p using ({NINE})
        where a.ARO_REM_MNT::decimal(18, 2) !=
            p.BSE_REM_BSE::decimal(18, 2) - p.BSE_REM_MNT::decimal(18, 2)"""
    assert one(base, "select count(*) from ER_ARO_F") > 0 == one(base, wrong)


def test_amounts_by_person_and_year_are_those_of_the_lines(
    base: duckdb.DuckDBPyConnection,
) -> None:
    differ = """
        with line as (
            select BEN_NIR_PSA as psa, BEN_RNG_GEM as rank, count(*) as n,
                sum((PRS_PAI_MNT::decimal(18, 2) * 100)::bigint) as paid,
                sum((CPL_REM_MNT::decimal(18, 2) * 100)::bigint) as complement
            from ER_PRS_F group by all
        ), person as (
            select p.index, sum(n) as n, sum(paid) as paid, sum(complement) as complement
            from line join truth_persons p on rank = ben_rng_gem::varchar
                and psa in (ben_nir_psa, second_psa)
            group by all
        )
        select count(*) from person full join truth_amounts t using (index)
        where n is distinct from lines or paid is distinct from paid_cents
            or complement is distinct from complement_reimbursed_cents"""
    assert one(base, "select count(*) from truth_amounts") > 500
    assert one(base, differ) == 0


def test_patients_of_a_gp_see_the_same_specialist_and_hospital(
    base: duckdb.DuckDBPyConnection,
) -> None:
    """Loyal flows: within a GP's patients, the first specialist has far more than a fair share."""
    share = """
        with seen as (
            select PRS_MTT_NUM[:8] as gp, PSE_SPE_COD as kind, PFS_EXE_NUM[:8] as who, count(*) as n
            from ER_PRS_F where PRS_NAT_REF = '1112' and PFS_EXE_NUM != '00000000'
                and PRS_MTT_NUM != '00000000' and PSE_SPE_COD = '15' group by all
        ), gp as (select gp, max(n) as first, sum(n) as n from seen group by gp having sum(n) >= 5)
        select sum(first) / sum(n) from gp"""
    assert one(base, share) > 0.7


# Where each person lives on a day: before a move, in the department that they leave.
LIVES = "case when {day} < moved then department_before else department end"


def test_care_is_sought_where_one_then_lives(base: duckdb.DuckDBPyConnection) -> None:
    seen = f"""
        select moved is not null and visit_date < moved as before, count(*) as n,
            count(*) filter (
                provider[:2] != if(({LIVES.format(day="visit_date")}) = '974', '9D',
                {LIVES.format(day="visit_date")})
            ) as elsewhere
        from truth_visits join truth_persons using (index) where kind = 'gp' group by all
        order by before"""
    after, before = base.execute(seen).fetchall()
    assert after[1] > 1000 and before[1] > 10 and after[2] == before[2] == 0
    lines = f"""
        select count(*) from ER_PRS_F p join truth_persons t
            on p.BEN_RNG_GEM = t.ben_rng_gem::varchar
            and p.BEN_NIR_PSA in (t.ben_nir_psa, second_psa)
        where if(BEN_RES_DPT = '097', '974', ltrim(BEN_RES_DPT, '0'))
            != {LIVES.format(day="strptime(EXE_SOI_DTD, '%d/%m/%Y')::date")}"""
    assert one(base, lines) == 0


def test_each_year_of_a_person_is_that_of_their_life(base: duckdb.DuckDBPyConnection) -> None:
    wrong = f"""
        with expected as (
            select index, birth_date,
                least(coalesce(death_date, date '{YEAR}-12-31'), date '{YEAR}-12-31') as last_day,
                greatest(birth_date, date '{YEAR}-01-01') as first_day,
                {LIVES.format(day="last_day")} as lives
            from truth_persons
            where birth_date <= date '{YEAR}-12-31'
                and coalesce(death_date, date '9999-12-31') >= date '{YEAR}-01-01'
        )
        select count(*) from expected e full join truth_person_years y using (index)
        where y.department is distinct from lives
            or y.days is distinct from last_day - first_day + 1
            or y.age is distinct from {YEAR} - year(birth_date)
            or y.consumer is distinct from (index in (select index from truth_amounts))"""
    assert one(base, "select count(*) from truth_person_years") > 1000
    assert one(base, wrong) == 0


def test_dispensings_are_the_boxes_of_the_delivered_lines(
    base: duckdb.DuckDBPyConnection,
) -> None:
    differ = f"""
        with handed as (
            select t.index, strptime(EXE_SOI_DTD, '%d/%m/%Y')::date as dispensing_date,
                PHA_PRS_C13 as cip13, sum(PHA_ACT_QSN::int) as n
            from ER_PHA_F join ER_PRS_F p using ({NINE}) join truth_persons t
                on p.BEN_RNG_GEM = t.ben_rng_gem::varchar
                and p.BEN_NIR_PSA in (t.ben_nir_psa, second_psa)
            group by all
        )
        select count(*) from handed full join truth_dispensings
            using (index, dispensing_date, cip13)
        where n is distinct from boxes"""
    assert one(base, "select count(*) from truth_dispensings") > 1000
    assert one(base, differ) == 0
    unknown = "select count(*) from ER_PHA_F anti join IR_PHA_R on PHA_PRS_C13 = PHA_CIP_C13"
    assert one(base, unknown) == 0


def test_files_of_three_years_have_three_structures(tmp_path: Path) -> None:
    """2008: no dates in PMSI, no valuation; 2013 and 2019: other columns, other tables."""
    headers: dict[str, list[str]] = {}
    for year in (2008, 2013):
        totals = generate(tmp_path / str(year), 60, (year, year), 2, dirt="none", tables="all")
        for name, known in totals["files"].items():
            found = recognise(re.sub(r"\..*", "", name))
            assert found is not None and found.table == known["table"], name
        path = tmp_path / str(year) / f"T_MCO{year % 100:02d}C.csv"
        headers[str(year)] = path.read_text().splitlines()[0].split(";")
        assert (f"T_MCO{year % 100:02d}VALO.csv" in totals["files"]) == (year >= 2011)
    assert "EXE_SOI_DTD" not in headers["2008"] and "EXE_SOI_DTD" in headers["2013"]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"years": (2005, 2005)}, "not covered"),
        ({"layout": "ring"}, "layout 'ring' is unknown"),
        ({"format": "xlsx"}, "format 'xlsx' is unknown"),
        ({"tables": "some"}, "set of tables 'some' is unknown"),
        ({"epoch": -1}, "negative"),
        ({"universe_persons": 0}, "empty"),
        ({"deaths": 11}, "more deaths than people"),
        ({"deaths": 6, "years": (2019, 2020)}, "more deaths than people in 2 years"),
        ({"deaths": 9}, "beyond the model of mortality; ask for at most 2"),
        ({"deaths": 0}, "at least one"),
        ({"persons": 0}, "at least one"),
    ],
)
def test_a_request_that_cannot_be_met_leaves_nothing(
    tmp_path: Path, changed: dict[str, Any], says: str
) -> None:
    asked: dict[str, Any] = {"persons": 10, "years": (2019, 2019), "seed": 1} | changed
    with pytest.raises(UsageError, match=says):
        generate(tmp_path / "extract", **asked)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_full_disk_ends_in_one_line_and_leaves_nothing(tmp_path: Path, form: str) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    import signal

    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(OpenChronicError, match="nothing is left there") as raised:
            generate(tmp_path / "extract", 300, (2019, 2019), 1, format=form)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_a_later_epoch_renews_every_pseudonym_and_nothing_else(tmp_path: Path) -> None:
    for epoch in (0, 1):
        generate(
            tmp_path / f"e{epoch}", 150, (2019, 2019), 4, dirt="none", tables="core", epoch=epoch
        )

    def rows(epoch: int, name: str) -> list[list[str]]:
        text = (tmp_path / f"e{epoch}" / name).read_text().splitlines()
        return [line.split(";") for line in text]

    crossed = {tuple(row[2:]) for row in rows(0, "PSEUDONYM_CROSSWALK.csv")[1:]}
    old, new = rows(0, "IR_BEN_R.csv"), rows(1, "IR_BEN_R.csv")
    header = old[0]
    ano = header.index("BEN_IDT_ANO")
    sex = header.index("BEN_SEX_COD")
    assert {(b[ano], a[ano]) for b, a in zip(old[1:], new[1:], strict=True)} == {
        (each[2], each[3]) for each in crossed
    }
    assert [row[sex] for row in old] == [row[sex] for row in new]
    assert not {row[ano] for row in old[1:]} & {row[ano] for row in new[1:]}


def test_the_page_tells_every_table_of_the_truth_every_kind_of_dirt_and_what_is_modelled() -> None:
    page = (Path(__file__).parents[2] / "docs" / "synthetic.md").read_text(encoding="utf-8")
    for name, known in TABLES.items():
        assert f"| `{name}` |" in page, name
        assert all(f"`{column}`" in page for column, _, _ in known.columns), name
    assert all(f"`{kind}`" in page for kind in KINDS)
    modelled = re.search(r"Modelled: (.*?)\n\n", page, re.DOTALL)
    assert modelled is not None
    assert set(re.findall(r"`(\w+)`", modelled[1])) == {*extra.BASE, *extra.MODELLED}
