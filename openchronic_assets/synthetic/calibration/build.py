"""Rewrite the tidy tables of public counts from a folder of the published files.

Usage: ``python -m openchronic_assets.synthetic.calibration.build FOLDER [OUT]``. ``FOLDER`` holds
``calibration/`` and ``nomenclatures/`` with the files named in ``SOURCES``; reading the workbook
of CNAM needs ``xlrd``, which the product itself does not. The counts are facts: they are written
anew as small tables, no published file is shipped.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

AGES = range(0, 100, 5)
HOSPITAL_MINIMUM = 40  # rarer codes are added up by chapter
DRUGS = 1500  # presentations of the largest amounts; the others are added up
UNKNOWN_PRICE = 25.0  # euros, where nothing says better

LICENCE = "Licence Ouverte 2.0"
SOURCES: dict[str, dict[str, str]] = {
    "ald_by_sex_age.csv": {
        "file": "calibration/ald_2016_by_department_age_sex.xls",
        "source": "CNAM, people with an ALD by sex and five-year age",
        "licence": LICENCE,
        "date": "2016-12-31",
        "note": "rounded to ten; 5 stands for fewer than ten; ald_num 99 is an unknown number",
    },
    "ald_by_department.csv": {
        "file": "calibration/ald_2016_by_department_age_sex.xls",
        "source": "CNAM, people with an ALD 1 to 30 by department",
        "licence": LICENCE,
        "date": "2016-12-31",
        "note": "rounded to ten; 5 stands for fewer than ten",
    },
    "departments.csv": {
        "file": "calibration/population_departement.csv",
        "source": "INSEE, legal population of the 101 departments",
        "licence": LICENCE,
        "date": "2022-01-01",
        "note": "",
    },
    "hospital_codes.csv": {
        "file": "calibration/pmsi_icd10_counts.csv",
        "source": "PMSI, hospital diagnoses by CIM-10 code",
        "licence": LICENCE,
        "date": "one year, not named by the source",
        "note": f"codes counted fewer than {HOSPITAL_MINIMUM} times are added up by first letter,"
        " as the letter and ``*``",
    },
    "dispensed_drugs.csv": {
        "file": "calibration/open_medic_cip13_pareto.csv, nomenclatures/CIS_CIP_bdpm.txt,"
        " nomenclatures/IR_CIP_V.csv",
        "source": "CNAM, Open Medic, reimbursed amounts by CIP13; public drug database (BDPM):"
        " price and rate; IR_CIP_V: ATC class",
        "licence": LICENCE,
        "date": "2022-2025",
        "note": f"the {DRUGS} presentations of the largest amounts, the others added up as ``*``;"
        " price_source tells a price of the database (bdpm), of another presentation of the same"
        " name (name), an order of magnitude of ours (ours) or nothing (none); boxes = amount"
        " over the reimbursed price of a box",
    },
}

# Classes on three characters that the list and ``atc.csv`` lack, by the first word of the label:
# brands that came after it.
ATC_OF_NAME: dict[str, str] = {
    name: atc
    for atc, names in {
        "A02": "PANTOPRAZOLE ESOMEPRAZOLE LANSOPRAZOLE OMEPRAZOLE",
        "A10": "FORXIGA JARDIANCE TRULICITY OZEMPIC XIGDUO SYNJARDY ABASAGLAR TOUJEO TRESIBA"
        " VICTOZA XULTOPHY JANUVIA JANUMET SITAGLIPTINE SITAGL/METF VILDAGLIPTINE/MET FIASP"
        " LYUMJEV APIDRA INSULINE INVOKANA SUVREZA",
        "A11": "CHOLECALCIFEROL",
        "B01": "ELIQUIS XARELTO RIVAROXABAN CLOPIDOGREL CLOPIDOGREL/AC BRILIQUE ENOXAPARINE INHIXA",
        "B02": "HEMLIBRA REVOLADE NPLATE",
        "B03": "REBLOZYL BINOCRIT RETACRIT",
        "C03": "EPLERENONE",
        "C07": "BISOPROLOL NEBIVOLOL LOGIMAX",
        "C08": "AMLODIPINE LERCANIDIPINE",
        "C09": "ENTRESTO CANDESARTAN IRBESARTAN AMLODIPINE/VALSART COVERAM BIPRETERAX"
        " PERIND.TOS/INDAP",
        "C10": "ATORVASTATINE ROSUVASTATINE EZETIMIBE EZETIMIBE/ EZETIMIBE/SIMVAST LIPTRUZET"
        " PRALUENT REPATHA TWICOR LIPOROSA",
        "G04": "ALFUZOSINE",
        "H01": "NORDITROPINE OMNITROPE NGENLA SAIZEN SIGNIFOR MYRELEZ",
        "H03": "LEVOTHYROX",
        "J01": "AZITHROMYCINE CEFIXIME LEVOFLOXACINE FOSFOMYCINE",
        "J05": "BIKTARVY DOVATO GENVOYA ODEFSEY TRIUMEQ TIVICAY JULUCA ISENTRESS EVIPLERA STRIBILD"
        " DELSTRIGO VOCABRIA REKAMBYS EPCLUSA MAVIRET ENTECAVIR BARACLUDE TENOFOVIR TRUVADA"
        " EMTRICITABIN EMTRICIT/TENOF PREVYMIS VALACICLOVIR PAXLOVID",
        "J07": "PREVENAR VAXNEUVANCE HEXYON INFANRIX GARDASIL BEXSERO NIMENRIX ROTARIX INFLUVAC"
        " VAXELIS ABRYSVO MENQUADFI",
        "L01": "IMBRUVICA TAGRISSO CALQUENCE BRUKINSA BRAFTOVI MEKTOVI SCEMBLIX IBRANCE KISQALI"
        " VERZENIOS LYNPARZA ZEJULA CABOMETYX JAKAVI TAFINLAR MEKINIST LORVIQUA ALECENSA XOSPATA"
        " VENCLYXTO SPRYCEL TASIGNA IMATINIB ICLUSIG BOSULIF LENVIMA INLYTA LONSURF STIVARGA"
        " ONUREG TUKYSA RYDAPT NINLARO QINLOCK AYVAKYT KISPLYX CAPECITABINE DASATINIB ALUNBRIG",
        "L02": "XTANDI ERLEADA NUBEQA ABIRATERONE ZYTIGA FULVESTRANT LETROZOLE ANASTROZOLE ELIGARD"
        " ENANTONE EXEMESTANE FIRMAGON ARIMIDEX ORGOVYX",
        "L03": "ZARZIO NIVESTIM PELGRAZ ZIEXTENZO FULPHILA PLEGRIDY CEGFILA",
        "L04": "KESIMPTA COSENTYX SKYRIZI STELARA ENTYVIO REMSIMA AMGEVITA RINVOQ YUFLYMA HYRIMOZ"
        " IMRALDI HUMIRA SIMPONI CIMZIA ORENCIA TALTZ TREMFYA BIMZELX ROACTEMRA TYENNE BENEPALI"
        " ERELZI HULIO IDACIO HUKYNDRA LIBMYRIS XELJANZ OLUMIANT JYSELECA OTEZLA GILENYA TECFIDERA"
        " VUMERITY AUBAGIO FINGOLIMOD TERIFLUNOMIDE MAVENCLAD PONVORY ILARIS KINERET KEVZARA"
        " ADVAGRAF ENVARSUS UZPRUVO WEZENLA PYZCHIVA BENLYSTA ILUMETRI TAVNEOS ASPAVELI METOJECT",
        "M05": "PROLIA XGEVA CRYSVITA",
        "N03": "EPIDYOLEX LEVETIRACETAM LAMOTRIGINE VIMPAT ZEBINIX",
        "N04": "SCYOVA NEUPRO RASAGILINE AZILECT",
        "N05": "XEPLION TREVICTA PALIPERIDONE ARIPIPRAZOLE QUETIAPINE OLANZAPINE CYAMEMAZINE"
        " PRAZEPAM LORMETAZEPAM SLENYTO",
        "N06": "VENLAFAXINE DULOXETINE ESCITALOPRAM BRINTELLIX MIRTAZAPINE MEDIKINET",
        "N07": "VYNDAQEL AMVUTTRA",
        "M09": "EVRYSDI",
        "R03": "NUCALA FASENRA XOLAIR TEZSPIRE TRELEGY TRIMBOW TRIXEO SPIRIVA ULTIBRO ANORO"
        " INNOVAIR RELVAR SPIOLTO FLUTICASO/SALM BECLOM/FORMOT ELEBRATO MONTELUKAST INCRUSE",
        "R07": "KAFTRIO KALYDECO ORKAMBI",
        "D11": "DUPIXENT ADTRALZA",
        "D10": "PROCUTA CURACNE",
        "S01": "EYLEA VABYSMO LUCENTIS OZURDEX BEOVU GANFORT MONOPROST SIMBRINZA COSTEC FIXAPOST"
        " RANIVISIO",
    }.items()
    for name in names.split()
}  # fmt: skip

# Prices of a box in euros that the database lacks: orders of magnitude, ours.
PRICE_OF_NAME: dict[str, float] = {
    "VYNDAQEL": 7500, "KAFTRIO": 7000, "FORXIGA": 36, "EYLEA": 480, "DUPIXENT": 1050,
    "ERLEADA": 2400, "KALYDECO": 8000, "NUBEQA": 2500, "IMBRUVICA": 5000, "KESIMPTA": 900,
    "EVRYSDI": 7000, "JARDIANCE": 38, "CALQUENCE": 4700, "HEMLIBRA": 5500, "VABYSMO": 600,
    "AMVUTTRA": 60000, "BRUKINSA": 4400, "COSENTYX": 1000, "BIKTARVY": 1900, "DOVATO": 620,
    "SKYRIZI": 2300, "PREVENAR": 60, "TAKHZYRO": 20000, "STELARA": 1900, "TRULICITY": 78,
    "ENTYVIO": 900, "REMSIMA": 700, "CRYSVITA": 8500, "NUCALA": 950, "BRAFTOVI": 1800,
    "OPZELURA": 700, "REBLOZYL": 3200, "AMGEVITA": 380, "SCEMBLIX": 4000, "FASENRA": 1900,
    "XIGDUO": 38, "RINVOQ": 700, "XOLAIR": 280, "REPEVAX": 25, "EPIDYOLEX": 1000,
    "NORDITROPINE": 300, "ABIRATERONE": 700, "VAXNEUVANCE": 55, "YUFLYMA": 380, "SLENYTO": 60,
    "SCYOVA": 700, "PREVYMIS": 4500, "SYNJARDY": 38, "RIVAROXABAN": 20, "TEZSPIRE": 900,
    "HYRIMOZ": 380, "IMRALDI": 380, "HEXYON": 38, "ROTARIX": 60, "BEYFORTUS": 400, "NEFOPAM": 8,
    "INNOHEP": 60, "JANUMET": 28, "EZETIMIBE": 15, "ATORVASTATINE": 12, "TIXTAR": 250,
    "ENOXAPARINE": 20, "INHIXA": 20, "TRIMBOW": 48, "TRIXEO": 45, "BISOPROLOL": 9,
    "PANTOPRAZOLE": 4, "AMOXICILLINE": 3, "OMEPRAZOLE": 4, "CLOPIDOGREL": 7, "ROSUVASTATINE": 12,
    "SPIRIVA": 32, "ASPIRINE": 3, "SITAGLIPTINE": 12, "SITAGL/METF": 13, "UVEDOSE": 5,
    "CHOLECALCIFEROL": 4, "AZITHROMYCINE": 6, "RELVAR": 80, "FLUTICASO/SALM": 24,
}  # fmt: skip


def write(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write one tidy table: UTF-8, commas, one line a row."""
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def ald(folder: Path, out: Path) -> None:
    """Write the people with an ALD by sex and age, and by department."""
    import xlrd  # type: ignore[import-not-found, import-untyped, unused-ignore]

    book = xlrd.open_workbook(str(folder / "calibration/ald_2016_by_department_age_sex.xls"))
    sheet = book.sheet_by_name("sexe-age")
    ages = [int(value) for value in sheet.row_values(0)[2:]]
    by_age = []
    for number in range(1, sheet.nrows):
        name, sex, *counts = sheet.row_values(number)
        ald_num = int(name.removeprefix("ALD"))
        by_age += [(ald_num, int(sex), a, int(n or 0)) for a, n in zip(ages, counts, strict=True)]
    write(out / "ald_by_sex_age.csv", ("ald_num", "sex", "age_from", "persons"), sorted(by_age))
    sheet = book.sheet_by_name("dpt")
    numbers = [int(name.removeprefix("ALD")) for name in sheet.row_values(0)[1:]]
    by_place = [
        (place, ald_num, int(n or 0))
        for place, *counts in (sheet.row_values(r) for r in range(1, sheet.nrows))
        for ald_num, n in zip(numbers, counts, strict=True)
    ]
    write(out / "ald_by_department.csv", ("department", "ald_num", "persons"), sorted(by_place))


def departments(folder: Path, out: Path) -> None:
    """Write the residents of the departments; overseas collectivities are not departments."""
    path = folder / "calibration/population_departement.csv"
    with path.open(encoding="utf-8") as handle:
        found = [
            (row["dept"], int(row["population"]))
            for row in csv.DictReader(handle, delimiter=";")
            if row["population"] and not re.match("975|977|978|98", row["dept"])
        ]
    write(out / "departments.csv", ("department", "residents"), sorted(found))


def hospital_codes(folder: Path, out: Path) -> None:
    """Write the hospital diagnoses by code, the rare ones by first letter."""
    with (folder / "calibration/pmsi_icd10_counts.csv").open(encoding="utf-8") as handle:
        counts = [(row["cim"], int(row["count"])) for row in csv.DictReader(handle)]
    rare: dict[str, int] = {}
    for code, count in counts:
        if count < HOSPITAL_MINIMUM:
            rare[f"{code[0]}*"] = rare.get(f"{code[0]}*", 0) + count
    kept = [pair for pair in counts if pair[1] >= HOSPITAL_MINIMUM]
    kept += [pair for pair in rare.items() if pair[1]]
    write(
        out / "hospital_codes.csv",
        ("cim10", "diagnoses"),
        sorted(kept, key=lambda p: (-p[1], p[0])),
    )


def dispensed_drugs(folder: Path, out: Path) -> None:
    """Write the presentations of the largest reimbursed amounts with price, rate and ATC class."""
    listed: dict[str, tuple[float, int]] = {}
    with (folder / "nomenclatures/CIS_CIP_bdpm.txt").open(encoding="utf-8") as handle:
        for line in handle:
            fields = line.rstrip("\n").split("\t")
            written, percent = fields[9], re.search(r"\d+", fields[8])
            if written and percent:
                # Thousands are parted by commas as decimals are: ``2,960,50``.
                euros, _, cents = written.rpartition(",")
                amount = float(f"{euros.replace(',', '')}.{cents}")
                listed[fields[6]] = amount, int(percent.group())
    with (folder / "nomenclatures/IR_CIP_V.csv").open(encoding="utf-8") as handle:
        classes = {
            # INC stands for a class that the list does not know.
            row["PHA_PRS_IDE"]: row["PHA_ATC_CLA"].replace("INC", "")
            for row in csv.DictReader(handle, delimiter=";")
        }
    with (folder / "calibration/open_medic_cip13_pareto.csv").open(encoding="utf-8") as handle:
        amounts = [
            (row["cip13"], row["lib_cip13"], float(row["remboursement_total"]))
            for row in csv.DictReader(handle)
            if re.fullmatch(r"34009\d{8}", row["cip13"])
        ]
    amounts.sort(key=lambda row: (-row[2], row[0]))
    with Path(__file__).with_name("atc.csv").open(encoding="utf-8") as handle:
        full = {row["name"]: row["atc"] for row in csv.DictReader(handle)}
    by_name: dict[str, tuple[float, int]] = {}
    class_of_name = dict(ATC_OF_NAME)
    for cip13, label, _ in amounts:
        name = label.split()[0] if label else ""
        if cip13 in listed:
            by_name.setdefault(name, listed[cip13])
        if found := classes.get(cip13[5:12]):
            class_of_name.setdefault(name, found)
    rows: list[tuple[Any, ...]] = []
    tail = 0.0
    for cip13, label, paid in amounts:
        if len(rows) == DRUGS:
            tail += paid
            continue
        name = label.split()[0] if label else ""
        atc = full.get(name) or classes.get(cip13[5:12]) or class_of_name.get(name, "")
        (price, rate), source = listed.get(cip13, (0.0, 0)), "bdpm"
        if not price and name in PRICE_OF_NAME:
            price, source = PRICE_OF_NAME[name], "ours"
            rate = 100 if price > 1500 else 65
        elif not price and name in by_name:
            (price, rate), source = by_name[name], "name"
        elif not price:
            price, rate, source = UNKNOWN_PRICE, 65, "none"
        units = re.search(r"(\d+)$", label.strip())
        boxes = paid / (price * reimbursed_share(rate))
        rows.append(
            (cip13, cip13[5:12], atc, int(units.group(1)) if units else "", round(price * 100),
             rate, source, round(paid), round(boxes))
        )  # fmt: skip
    rows.append(("*", "", "", "", round(UNKNOWN_PRICE * 100), 65, "none", round(tail),
                 round(tail / UNKNOWN_PRICE / reimbursed_share(65))))  # fmt: skip
    header = ("cip13", "cip7", "atc", "units", "price_cents", "rate", "price_source",
              "reimbursed_euros", "boxes")  # fmt: skip
    write(out / "dispensed_drugs.csv", header, rows)


def reimbursed_share(rate: int) -> float:
    """Return what of a box's price is reimbursed on average: half of the boxes go to exempted."""
    return (1 + rate / 100) / 2


def main(folder: Path, out: Path) -> None:
    """Write every table of ``SOURCES`` and ``sources.json`` into ``out``."""
    for table in (ald, departments, hospital_codes, dispensed_drugs):
        table(folder, out)
    text = json.dumps(SOURCES, indent=1, ensure_ascii=False)
    (out / "sources.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if sys.argv[2:] else Path(__file__).parent)
