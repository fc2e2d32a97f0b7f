"""Staleness: which years must be built again, computed from what they were built from.

Each (model, year) of the current build remembers the raw files that its window of care years
touched. A year is stale when one of its models would read other files today, when the models or
the referentials changed, or when it was delivered and never built.
"""

from __future__ import annotations

from openchronic_assets.settings import Home
from openchronic_assets.warehouse import inputs as raw_inputs
from openchronic_assets.warehouse import panel
from openchronic_assets.warehouse.builds import read_manifest, read_marks, reads_of
from openchronic_assets.warehouse.project import code_hash


def stale_years(home: Home) -> dict[int, list[str]]:
    """Return each stale year and why, in words; empty when the current build is up to date."""
    manifest = read_manifest(home)
    inputs = raw_inputs.scan(home, (manifest or {}).get("inputs"))
    delivered = raw_inputs.delivered_years(inputs)
    if manifest is None:
        return {year: ["never built"] for year in sorted(delivered)}
    marks = read_marks(inputs)
    code = code_hash()
    same_people = manifest.get("population", panel.EVERYBODY) == panel.population(home)
    reasons: dict[int, set[str]] = {}
    built: set[int] = set()
    for name, entry in manifest["models"].items():
        if entry["kind"] != "yearly":
            continue
        for text, before in entry["read"].items():
            year = int(text)
            built.add(year)
            if not same_people:
                reasons.setdefault(year, set()).add("panel changed")
            if entry["code"] != code:
                # Its windows are those of other models, perhaps of another form: no more is asked.
                reasons.setdefault(year, set()).add("models changed")
                continue
            now = reads_of(entry, year, marks)
            for table in sorted(set(now) | set(before)):
                if now.get(table) != before.get(table):
                    reasons.setdefault(year, set()).add(f"{name} reads {table}, which changed")
    for year in delivered - built:
        reasons.setdefault(year, set()).add("never built")
    return {year: sorted(why) for year, why in sorted(reasons.items())}
