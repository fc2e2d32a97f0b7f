"""A raw lake made by hand: rows as dicts, written as ingestion would write them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb

from openchronic_assets.settings import Home
from openchronic_assets.slices import Part
from openchronic_assets.warehouse.raw import columns, contract_of

Row = dict[str, Any]


class Lake:
    """Writes raw Parquet files and says which are current."""

    def __init__(self, home: Home) -> None:
        self.home = home.create()
        self.current: dict[tuple[str, str], Path] = {}
        self.rows: dict[tuple[str, str], list[Row]] = {}

    def put(self, table: str, file: str, rows: Iterable[Row], delivery: str = "d1") -> Path:
        """Make ``rows`` the current content of ``file``; columns left out are NULL."""
        listed = list(rows)
        wanted = columns(contract_of(table))
        folder = self.home.raw / table / delivery / file
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "part-0000.parquet"
        unknown = {name for row in listed for name in row} - {name for name, _ in wanted}
        assert not unknown, f"{table} has no {unknown}"
        types = ", ".join(f"{name} {kind}" for name, kind in wanted)
        with duckdb.connect() as connection:
            connection.execute(f"create table t ({types})")
            self.rows[(table, file)] = []
            for number, row in enumerate(listed, start=1):
                filled = {
                    "_source_file": file,
                    "_source_line": number,
                    "_delivery_id": delivery,
                    "_key_status": "ok",
                    **row,
                }
                self.rows[(table, file)].append(filled)
                marks = ", ".join("?" for _ in filled)
                connection.execute(
                    f"insert into t ({', '.join(filled)}) values ({marks})", list(filled.values())
                )
            connection.execute(f"copy t to '{path}' (format parquet)")
        self.current[(table, file)] = path
        return path

    def remove(self, table: str, file: str) -> None:
        """Forget a file, as when a later delivery brings its period without it."""
        del self.current[(table, file)]

    def given(self) -> dict[str, list[Row]]:
        """Return the current rows of each table, for the runner of single models."""
        found: dict[str, list[Row]] = {}
        for table, file in sorted(self.current):
            found.setdefault(table, []).extend(self.rows[(table, file)])
        return found

    def files(self, home: Home) -> dict[str, list[Part]]:
        """Stand in for ``ingestion.deliveries.current_parts``."""
        result: dict[str, list[Part]] = {}
        for (table, _), path in sorted(self.current.items()):
            moved = home.root / path.relative_to(self.home.root)
            result.setdefault(table, []).append(Part(moved))
        return result


def pseudonym(name: str) -> str:
    """Return a 32-character pseudonym that shows who it is."""
    return name.encode().hex().ljust(32, "0")[:32]


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def beneficiary(name: str, **more: Any) -> Row:
    return {
        "ben_nir_psa": pseudonym(name),
        "ben_rng_gem": 1,
        "ben_idt_ano": pseudonym("id " + name),
        "ben_cdi_nir": "00",
        "ben_sex_cod": 2,
        "ben_nai_ann": 1950,
        "ben_nai_moi": 6,
        "ben_dcd_dte": day("1600-01-01"),
        "ben_res_dpt": "023",
        "ben_res_com": "096",
        "org_aff_ben": "01C231234",
        "max_trt_dtd": day("2021-12-01"),
        "ben_dte_maj": day("2021-12-01"),
    } | more


def line(name: str, care: str | None, flux: str, number: int, **more: Any) -> Row:
    return {
        "dct_ord_num": number,
        "flx_dis_dtd": day(flux),
        "flx_emt_num": 1,
        "flx_emt_ord": 1,
        "flx_emt_typ": 1,
        "flx_trt_dtd": day(flux),
        "org_cle_num": "01C231234",
        "prs_ord_num": 1,
        "rem_typ_aff": 1,
        "ben_nir_psa": pseudonym(name) if name else None,
        "ben_rng_gem": 1,
        "ben_cdi_nir": "00",
        "exe_soi_dtd": day(care) if care else None,
        "prs_nat_ref": 1111,
        "bse_prs_nat": 1111,
        "cpl_maj_top": 0,
        "prs_act_qte": 1,
        "prs_pai_mnt": 25,
        "bse_rem_bse": 25,
        "bse_rem_mnt": 17.5,
        "cpl_rem_bse": 0,
        "cpl_rem_mnt": 0,
        "dpn_qlf": 0,
        "prs_dpn_qlp": 0,
        "exo_mtf": 0,
    } | more


def detail(flux: str, number: int, **more: Any) -> Row:
    keys = (
        "dct_ord_num", "flx_dis_dtd", "flx_emt_num", "flx_emt_ord", "flx_emt_typ", "flx_trt_dtd",
        "org_cle_num", "prs_ord_num", "rem_typ_aff",
    )  # fmt: skip
    whole = line("", None, flux, number)
    return {key: whole[key] for key in keys} | more


def ald(
    name: str,
    start: str,
    end: str | None,
    inserted: str,
    code: str = "E119",
    number: int = 8,
    **more: Any,
) -> Row:
    return {
        "ben_nir_psa": pseudonym(name),
        "ben_rng_gem": 1,
        "imb_ald_num": number,
        "imb_etm_nat": 41,
        "med_mtf_cod": code,
        "med_ncl_idt": "CIM10",
        "imb_ald_dtd": day(start),
        "imb_ald_dtf": day(end) if end else None,
        "ins_dte": day(inserted),
    } | more


def stay(year: int, number: int, **more: Any) -> Row:
    return {
        "_table_year": year,
        "eta_num": "230780041",
        "rsa_num": f"{number:010d}",
        "sor_ann": year,
        "sor_moi": 3,
        "sej_nbj": 2,
        "age_ann": 70,
        "cod_sex": "2",
        "ent_mod": "8",
        "sor_mod": "8",
        "grg_ghm": "05M091",
        "dgn_pal": "I500",
        "nbr_sea": 0,
        "typ_gen_rsa": "0",
    } | more


def chaining(year: int, number: int, name: str | None, **more: Any) -> Row:
    codes = ("nir", "nai", "sex", "sej", "fho", "pms", "dat", "coh_nai", "coh_sex")
    return (
        {
            "_table_year": year,
            "eta_num": "230780041",
            "rsa_num": f"{number:010d}",
            "nir_ano_17": pseudonym(name) if name else None,
            "ent_dat": day(f"{year}-03-01"),
            "sor_dat": day(f"{year}-03-03"),
        }
        | {f"{code}_ret": "0" for code in codes}
        | more
    )


def small_extract(lake: Lake) -> None:
    """A little of everything: three years, three departments, twins, a death, dirt."""
    people = [
        beneficiary("ann"),
        beneficiary("bob", ben_sex_cod=1, ben_res_dpt="097", ben_res_com="411"),
        beneficiary("cid", ben_sex_cod=1, ben_res_dpt="062", ben_nai_ann=1931),
        beneficiary("twin", ben_idt_ano=pseudonym("id twin 1")),
        beneficiary("twin", ben_rng_gem=2, ben_idt_ano=pseudonym("id twin 2")),
        beneficiary("nobody", ben_cdi_nir="06"),
        beneficiary("dan", ben_dcd_dte=day("2020-05-04"), ben_nai_ann=1940),
    ]
    lake.put("ir_ben_r", "IR_BEN_R", people)
    lake.put(
        "ir_imb_r",
        "IR_IMB_R",
        [
            ald("ann", "2015-01-01", "1600-01-01", "2015-02-01"),
            ald("bob", "2018-01-01", "2019-12-31", "2018-02-01", med_mtf_cod="I10", imb_ald_num=12),
            ald("bob", "2020-03-01", "2099-12-31", "2020-03-05", med_mtf_cod="C509", imb_ald_num=0),
            ald("cid", "2019-06-01", None, "2019-06-05", "G30", 0),
            ald("dan", "2016-06-01", "2021-06-01", "2016-06-05", med_mtf_cod="Z999", imb_ald_num=0),
            ald("ann", "2015-01-01", None, "2015-02-01", imb_etm_nat=13),
            ald("ghost", "2015-01-01", None, "2015-02-01"),
        ],
    )
    lake.put("ki_cci_r", "KI_CCI_R", [])
    for year in (2019, 2020, 2021):
        flux = f"{year}-04-01"
        lines = [
            line("ann", f"{year}-03-15", flux, 1, exo_mtf=42, bse_rem_mnt=25),
            line("bob", f"{year}-03-16", flux, 2),
            line("twin", f"{year}-03-17", flux, 3, ben_rng_gem=2),
            line("ghost", f"{year}-03-18", flux, 4),
            line("nobody", f"{year}-03-18", flux, 5, ben_cdi_nir="06"),
            line("cid", f"{year - 1}-12-30", flux, 6, prs_pai_mnt=12.34),
            line("ann", None, flux, 7, prs_pai_mnt=-3.21, bse_rem_mnt=-1, prs_act_qte=-1),
            line("", f"{year}-01-02", flux, 8, dpn_qlf=71, _key_status="missing"),
            line("cid", f"{year}-02-02", flux, 9),
        ]
        lake.put("er_prs_f", f"ER_PRS_F_{year}", lines)
        lake.put(
            "er_pha_f",
            f"ER_PHA_F_{year}",
            [
                detail(flux, 2, pha_ord_num=1, pha_prs_c13=3400930000011, pha_act_qsn=2),
                detail(flux, 2, pha_ord_num=2, pha_prs_c13=0, pha_prs_ide=3412345, pha_act_qsn=1),
                detail(flux, 99, pha_ord_num=1, pha_prs_c13=3400930000012, pha_act_qsn=1),
            ],
        )
        lake.put(
            "er_cam_f",
            f"ER_CAM_F_{year}",
            [
                detail(
                    flux,
                    1,
                    cam_ord_num=1,
                    cam_prs_ide="DEQP003",
                    cam_act_cod="1",
                    cam_rem_bse=14.26,
                )
            ],
        )
        lake.put(
            "er_bio_f",
            f"ER_BIO_F_{year}",
            [detail(flux, 6, bio_ord_num=1, bio_prs_ide=126, bio_act_qsn=1)],
        )
        lake.put(
            "er_ucd_f",
            f"ER_UCD_F_{year}",
            [
                detail(
                    flux,
                    1,
                    ucd_ord_num=1,
                    ucd_ucd_cod="0000009123456",
                    ucd_dlv_nbr=3,
                    ucd_ttf_mnt=100,
                )
            ],
        )
        lake.put(
            "er_ete_f",
            f"ER_ETE_F_{year}",
            [detail(flux, 9, etb_exe_fin="23078004", ete_ind_taa=1, prs_ppu_sec=1)],
        )
        yy = year % 100
        lake.put(
            "t_mcoaab",
            f"T_MCO{yy}B",
            [
                stay(year, 1),
                stay(year, 2, grg_ghm="28Z04Z", sej_nbj=None, nbr_sea=1),
                stay(year, 3),
            ],
        )
        lake.put(
            "t_mcoaac",
            f"T_MCO{yy}C",
            [
                chaining(year, 1, "cid", sor_dat=day(f"{year}-03-03")),
                chaining(year, 2, "twin"),
                chaining(year, 3, None, _key_status="sentinel", nir_ret="1"),
            ],
        )
        stay_key = {"_table_year": year, "eta_num": "230780041", "rsa_num": f"{1:010d}"}
        lake.put("t_mcoaad", f"T_MCO{yy}D", [stay_key | {"ass_dgn": "E119"}])
        lake.put("t_mcoaaa", f"T_MCO{yy}A", [stay_key | {"cdc_act": "DEQP003"}])
        lake.put("t_mcoaaum", f"T_MCO{yy}UM", [stay_key | {"um_ord_num": 1, "dgn_pal": "I500"}])
