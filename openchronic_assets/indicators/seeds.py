"""The catalogue of indicators as seeds of the dbt project, so that SQL applies it.

``python -m openchronic_assets.indicators.seeds`` writes them; a test fails when a seed is not what
the catalogue says.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from openchronic_assets.indicators import conditions
from openchronic_assets.indicators.loader import catalogue
from openchronic_assets.warehouse.project import project_dir

Rows = list[tuple[object, ...]]

HEADERS = {
    "ref_condition": (
        "condition", "kind", "ald_num", "top", "carto_version", "label_fr", "label_en",
    ),
    "ref_indicator": (
        "indicator_id", "version", "family", "measure", "kind", "quantile", "unit", "scale",
        "unit_counted", "age_from", "age_to", "year_from", "year_to", "is_direct", "is_indirect",
        "is_by_establishment", "is_of_own_condition", "label_fr", "label_en", "source_tables",
    ),
    "ref_indicator_condition": ("indicator_id", "measure", "condition"),
    "ref_indicator_denominator": ("indicator_id", "measure", "denominator_type", "is_main"),
    "ref_indicator_exclusion": ("indicator_id", "exclusion_code", "label_fr", "label_en"),
}  # fmt: skip
"""Each seed with its columns."""


def gather() -> dict[str, Rows]:
    """Return the rows of each seed, sorted."""
    rows: dict[str, Rows] = {name: [] for name in HEADERS}
    for each in conditions.conditions().values():
        rows["ref_condition"].append(
            (each.name, each.kind, each.ald_num, each.top, each.carto_version, each.label.fr,
             each.label.en)
        )  # fmt: skip
    for one in catalogue().values():
        rows["ref_indicator"].append(
            (one.id, one.version, one.family, one.measure, one.kind, one.quantile, one.unit,
             one.scale, one.unit_counted, one.age_from, one.age_to, one.year_from, one.year_to,
             "direct" in one.standardise, "indirect" in one.standardise, one.by_establishment,
             one.conditions == ("own",), one.label.fr, one.label.en, ", ".join(one.tables))
        )  # fmt: skip
        rows["ref_indicator_condition"] += [
            (one.id, one.measure, condition) for condition in conditions.of(one)
        ]
        rows["ref_indicator_denominator"] += [
            (one.id, one.measure, denominator, number == 0)
            for number, denominator in enumerate(one.denominators)
        ]
        rows["ref_indicator_exclusion"] += [
            (one.id, each.code, each.text.fr, each.text.en) for each in one.exclusions
        ]
    return {
        name: sorted(found, key=lambda row: [str(value) for value in row])
        for name, found in rows.items()
    }


def text(name: str, rows: Rows) -> str:
    """Return a seed as CSV: an absent value is empty, true and false in lower case."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADERS[name])
    for row in rows:
        writer.writerow(
            ["" if v is None else str(v).lower() if isinstance(v, bool) else v for v in row]
        )
    return out.getvalue()


def folder() -> Path:
    """Return the folder of the seeds."""
    return project_dir() / "seeds"


if __name__ == "__main__":
    for seed, found_rows in gather().items():
        (folder() / f"{seed}.csv").write_text(text(seed, found_rows), encoding="utf-8")
