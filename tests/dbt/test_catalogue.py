"""What people find in the catalogue beside the marts: SNDS names, labels, code lists."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from part_of_project import only
from raw_lake import Lake, line, small_extract, stay

from openchronic_assets import warehouse
from openchronic_assets.access import gateway
from openchronic_assets.errors import UsageError
from openchronic_assets.settings import Home
from openchronic_assets.warehouse import inputs


def code_list(home: Home, name: str, rows: list[dict[str, Any]], vintage: str = "2021") -> None:
    """Write a code list as the import does."""
    path = home.nomenclatures / name / f"{vintage}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    kinds = [
        ("code", pa.string()), ("label", pa.string()), ("valid_from", pa.date32()),
        ("valid_to", pa.date32()), ("source", pa.string()),
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(kinds)), path)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Any:
    lake = Lake(Home(tmp_path_factory.mktemp("catalogue") / "home"))
    small_extract(lake)
    code_list(
        lake.home,
        "ms_sor_v",
        [
            {"code": "8", "label": "Domicile"},
            {"code": "9", "label": "Mort", "valid_to": dt.date(2010, 12, 31)},
            {"code": "9", "label": "Décès", "valid_from": dt.date(2011, 1, 1)},
        ],
    )
    code_list(lake.home, "ir_nat_v", [{"code": "01111", "label": "Consultation"}])
    code_list(lake.home, "ir_nat_v", [{"code": "1111", "label": "ancien"}], vintage="2009")
    wanted = ["care_event", "hospital_stay", "person", "patient", "ald_episode"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs, "current_parts", lake.files)
        with only(tmp_path_factory.mktemp("part"), wanted):
            warehouse.build(lake.home, [2019, 2020])
        yield lake


def test_sas_people_find_the_delivered_tables_under_their_names(built: Any) -> None:
    columns, found = gateway.select(
        built.home, "select * from snds.er_prs_f where ben_cdi_nir = '06' order by exe_soi_dtd"
    )
    assert len(found) == 3  # as delivered, whatever years were built
    assert "BEN_NIR_PSA" in columns and "PRS_PAI_MNT" in columns
    assert columns[-5:] == [
        "_source_file", "_source_line", "_delivery_id", "_key_status", "_table_year"
    ]  # fmt: skip
    with pytest.raises(UsageError, match="er_cpt_f"):
        gateway.select(built.home, "select * from snds.er_cpt_f")  # never delivered


def test_snds_views_follow_the_deliveries_without_a_build(built: Any) -> None:
    count = "select count(*) from snds.T_MCOaaB"
    before = gateway.select(built.home, count)[1]
    built.put("t_mcoaab", "T_MCO18B", [stay(2018, 1)])
    assert gateway.select(built.home, count)[1] == [(before[0][0] + 1,)]


def test_each_code_has_its_label_beside_it_and_no_row_is_added(built: Any) -> None:
    labelled = "select exit_mode, exit_mode_label, main_diagnosis_label from hospital_stay_labelled"
    _, found = gateway.select(built.home, f"{labelled} where stay_id = '2020-230780041-0000000001'")
    assert found == [("8", "Domicile", None)]  # the list of diagnoses was not imported
    for mart in ("care_event", "hospital_stay", "person", "patient", "ald_episode"):
        _, counts = gateway.select(
            built.home,
            f"select (select count(*) from {mart}), (select count(*) from {mart}_labelled)",
        )
        assert counts[0][0] == counts[0][1] > 0, mart
    _, numbers = gateway.select(
        built.home,
        "select distinct prestation_code, prestation_code_label from care_event_labelled",
    )
    assert (1111, "Consultation") in numbers  # 01111 in the newest list
    _, own = gateway.select(
        built.home, "select distinct ald_num, ald_num_label from ald_episode_labelled order by 1"
    )
    assert own[0][0] == 8 and "iabète" in own[0][1]
    _, lists = gateway.select(built.home, "select count(*) from ref_ms_sor_v")
    assert lists == [(3,)]
    _, seeds = gateway.select(built.home, "select count(*) from ref_finess_duplicate")
    assert seeds == [(165,)]


def test_the_gateway_reads_what_the_catalogue_shows_and_nothing_else(built: Any) -> None:
    secret = built.home.vault / "pseudonym.key"
    secret.parent.mkdir(exist_ok=True)
    secret.write_text("not for analysts\n")
    superseded = built.put(
        "er_prs_f", "ER_PRS_F_2018", [line("ann", "2018-02-01", "2018-03-01", 1)]
    )
    built.remove("er_prs_f", "ER_PRS_F_2018")
    for query in (
        f"select * from read_text('{secret}')",
        f"select * from read_parquet('{superseded}')",
        f"select * from read_text('{Path(__file__)}')",
    ):
        with pytest.raises(UsageError, match="failed"):
            gateway.select(built.home, query)
    assert gateway.select(built.home, "select count(*) > 0 from snds.ir_ben_r")[1] == [(True,)]


def test_codes_of_a_mart_are_lists_that_some_contract_names() -> None:
    import yaml

    from openchronic_assets.contracts import load, tables
    from openchronic_assets.warehouse import project

    known = {column.nomenclature for name in tables() for column in load(name).columns}
    files = (project.project_dir() / "models/marts").glob("*/_models.yml")
    named = {
        column["config"]["meta"]["nomenclature"]
        for path in files
        for model in yaml.safe_load(path.read_text())["models"]
        for column in model["columns"]
        if "nomenclature" in column["config"]["meta"]
    }
    seeds = {path.stem for path in project.project_dir().glob("seeds/*.csv")}
    assert len(named) > 10 and named <= known | seeds, named - known - seeds
