"""Make the small release that ships with the product, so that the first atlas is a full map.

``python -m openchronic_assets.publication.make_sample --folder DIR`` generates people, ingests
their extract with Spark, builds the base and the indicators with dbt, copies the people into a
million, each copy in other departments with its hospitals (``copies``), and prepares and publishes
a release with the code that releases are made with, pathways and care flows included: same
thresholds, same gate. What comes out is packed into ``sample.tar.xz``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

from openchronic_assets.anonymisation.indicator_release import (
    prepare_indicators,
    publish_indicators,
)
from openchronic_assets.bench.base_steps import deliver, ingest
from openchronic_assets.bench.indicator_steps import assemble, base
from openchronic_assets.indicators.released import read_base
from openchronic_assets.indicators.released_flows import read_flows
from openchronic_assets.indicators.spread import spread
from openchronic_assets.publication.atlas import ARCHIVE
from openchronic_assets.publication.copies import copied_care, copied_pathway, copied_table
from openchronic_assets.settings import Home

YEARS = (2019, 2021)
TOLD = (2020, 2021)
INDICATORS = (
    "ald_prevalence", "multimorbidity_2", "multimorbidity_3", "dm_hba1c_2", "dm_eye_2y",
    "dm_creatinine", "dm_albuminuria", "dm_lipids", "dm_influenza_vaccine", "mi_statin_12m",
    "hf_readmission_30d", "re_spirometry_2y", "stroke_gp_14d", "adherent_diabetes",
    "adherent_statin", "readmission_30d_rh30_like", "avoidable_all", "avoidable_heart_failure",
    "polypharmacy_continuous_5_75", "polypharmacy_continuous_10_75", "inappropriate_drug_75",
    "benzodiazepine_over_12_weeks", "treating_doctor", "ald_without_treating_doctor", "gp_none",
    "ed_user", "gp_after_discharge_7", "gp_after_discharge_30", "drug_after_discharge_7",
    "death_30d_after_stay", "breast_screening", "cervical_screening_5y", "colorectal_screening",
    "flu_vaccine_65", "on_call_user", "continuity_upc", "spend_reimbursed", "spend_rac",
)  # fmt: skip
MEMORY = "6GB"
FLOWS = ("hospital_stay", "pathway_state")


def make(folder: Path, persons: int, copies: int) -> dict[str, Any]:
    """Make the release in ``folder`` and pack it; steps that are done are not done again.

    Args:
        folder: where the base and the release are made; some gigabytes.
        persons: people generated.
        copies: how many of each there are in the release.

    Returns:
        The release's report.
    """
    place = Home(folder / "home")
    if not (place.root / "bench-inputs").is_dir():
        deliver(str(place.root), persons, YEARS, 2)
        ingest(str(place.root))
        base(str(place.root), YEARS, MEMORY, FLOWS)
    made = assemble(place, 1, TOLD, MEMORY, FLOWS)
    made.build()
    counted = read_base(made.plan.database, INDICATORS, TOLD)
    codes = [code for code, _, _ in counted.territories.departments]
    flows = read_flows(
        made.plan.database, counted.territories, counted.years, copied_care(codes, copies)
    )
    other = Home(folder / "released").create()
    # The deliveries behind it are the generator's: its approvers may publish it.
    report = prepare_indicators(
        other, counted.territories,
        [copied_table(each, copies) for each in counted.tables], counted.cards,
        f"{persons} generated people, {copies} times each", [{"id": "sample", "generated": True}],
        spread=spread, care=flows.care,
        pathways=[copied_pathway(each, copies) for each in flows.pathways],
    )  # fmt: skip
    report = publish_indicators(
        other, report["version"], ("demo-approver-1", "demo-approver-2"), "demonstration"
    )
    pack(other.release / report["version"], ARCHIVE)
    return report


def pack(release: Path, archive: Path) -> None:
    """Write a release into an archive, the same bytes for the same files."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        entry.mtime = 0
        return entry

    new = archive.with_suffix(".new")
    with tarfile.open(new, "w:xz", preset=9) as out:
        for path in [release, *sorted(release.rglob("*"))]:
            name = f"{release.name}/{path.relative_to(release).as_posix()}".removesuffix("/.")
            out.add(path, name, recursive=False, filter=plain)
    shutil.move(new, archive)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="where it is made")
    parser.add_argument("--persons", type=int, default=60_000, help="people generated")
    parser.add_argument("--copies", type=int, default=17, help="of each of them")
    asked = parser.parse_args()
    told = make(asked.folder, asked.persons, asked.copies)
    print(json.dumps({name: told[name] for name in ("version", "cells", "omitted")}, indent=1))
