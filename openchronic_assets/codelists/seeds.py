"""Code lists, algorithms and scores as seeds of the dbt project, so that SQL evaluates them.

``python -m openchronic_assets.codelists.seeds`` writes them; a test fails when a seed is not what
the YAML files say. SQL knows no algorithm by name: it counts *facts* (which codes, in which source,
position and stay), then asks of each criterion whether its fact is there in its window, often
enough. Criteria that read the same share one fact, and a top that means the same in two versions,
with all that it is made from, is one *rule*: it is evaluated once.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from openchronic_assets.codelists.loader import (
    algorithms,
    leaves,
    lists,
    load_algorithms,
    load_list,
    ordered,
    precedence,
)
from openchronic_assets.codelists.model import Algorithm, Criterion, Residual
from openchronic_assets.codelists.scores import charlson

Rows = list[tuple[object, ...]]

# The main diagnosis of a stay is that of one of its units, so it is one where that is asked for.
_ROLES = {"DP_RUM": ("DP", "DP_RUM")}

HEADERS = {
    "ref_code_list": ("list_name", "system", "code_prefix", "is_excluded"),
    "ref_code_list_card": (
        "list_name", "system", "label_fr", "label_en", "flag", "source", "author", "reviewed_by",
        "reviewed_on", "valid_from", "valid_to",
    ),
    "ref_comorbidity": ("condition", "weight_1987", "weight_2011", "beaten_by"),
    "ref_comorbidity_criterion": (
        "condition", "variant", "fact", "min_dates", "min_dates_large_pack", "min_span_days",
    ),
    "ref_pathology": (
        "top", "carto_version", "rule", "label_fr", "label_en", "super_group", "kind", "sex",
        "flag", "note_fr", "is_published", "is_chronic",
    ),
    "ref_pathology_criterion": (
        "rule", "criterion", "source", "fact", "window_from", "window_to", "started_from",
        "started_to", "min_dates", "min_dates_large_pack", "min_span_days", "parameter",
        "sex", "is_conditional", "flag",
    ),
    "ref_pathology_fact": (
        "fact", "part", "source", "role", "list_name", "is_outside", "ald_numbers",
        "is_whole_stay", "has_beside", "has_absent",
    ),
    "ref_pathology_relation": ("rule", "criterion", "relation", "other_rule"),
}  # fmt: skip
"""Each seed with its columns."""


@dataclass
class Seeds:
    """The rows of each seed, as they are gathered."""

    rows: dict[str, Rows] = field(default_factory=lambda: {name: [] for name in HEADERS})
    facts: set[str] = field(default_factory=set)
    meanings: dict[str, object] = field(default_factory=dict)

    def fact_of(self, one: Criterion) -> str:
        """Return the name of what a criterion counts, and note what it is made of."""
        name = f"{one.source}:{one.codes}{_at(one.positions)}"
        name += "".join(f"|{source}:{codes}" for source, codes in one.pooled)
        name += f"~{one.beside}{_at(one.beside_positions)}" if one.beside else ""
        name += f"!{one.absent}{_at(one.absent_positions)}" if one.absent else ""
        if name not in self.facts:
            self.facts.add(name)
            parts = [("main", one.source, one.codes, one.positions)]
            parts += [("main", source, codes, ()) for source, codes in one.pooled]
            if one.beside:
                parts.append(("beside", one.source, one.beside, one.beside_positions))
            if one.absent:
                parts.append(("absent", one.source, one.absent, one.absent_positions))
            for part, source, codes, positions in parts:
                for role in _roles(positions):
                    self.rows["ref_pathology_fact"].append(
                        (
                            name,
                            part,
                            source,
                            role,
                            codes,
                            False,
                            None,
                            False,
                            one.beside is not None,
                            one.absent is not None,
                        )
                    )
        return name

    def fact_left_over(self, one: Residual, version: dict[str, Algorithm]) -> str:
        """Return the name of what no criterion of a version claims, and note what it is made of."""
        criteria = [each for other in version.values() for each in other.criteria]
        claimed = sorted({each.codes for each in criteria if each.source == one.source})
        groups = sorted({each.codes for each in criteria if each.source == "group"})
        mark = hashlib.sha256("\n".join((*claimed, "-", *groups)).encode()).hexdigest()[:8]
        name = f"{one.source}:other" + "".join(f"+{number}" for number in one.numbers) + f"#{mark}"
        if name not in self.facts:
            self.facts.add(name)
            role = "DP" if one.source == "stay" else None
            numbers = "".join(f"+{number}" for number in one.numbers) + "+" if one.numbers else None
            self.rows["ref_pathology_fact"] += [
                (name, "main", one.source, role, codes, True, numbers, role is not None, False,
                 role is not None)
                for codes in claimed
            ]  # fmt: skip
            if one.source == "stay":
                self.rows["ref_pathology_fact"] += [
                    (name, "absent", "group", None, codes, False, None, True, False, True)
                    for codes in groups
                ]
        return name


def _at(positions: Iterable[str]) -> str:
    return "".join(f"@{position}" for position in positions)


def _roles(positions: Sequence[str]) -> list[str | None]:
    found = {role for position in positions for role in _ROLES.get(position, (position,))}
    return sorted(found) or [None]  # type: ignore[return-value]


def gather() -> dict[str, Rows]:
    """Return the rows of each seed, sorted, from what ships."""
    seeds = Seeds()
    for name in lists():
        one = load_list(name)
        seeds.rows["ref_code_list_card"].append(
            (name, one.system, one.label_fr, one.label_en, one.flag, one.source, one.author,
             one.reviewed_by, one.reviewed_on, one.valid_from, one.valid_to)
        )  # fmt: skip
        seeds.rows["ref_code_list"] += [(name, one.system, code, False) for code in one.codes]
        seeds.rows["ref_code_list"] += [(name, one.system, code, True) for code in one.exclude]
    for version in algorithms():
        found = load_algorithms(version)
        rules: dict[str, str] = {}
        for name in ordered(found):
            _top(seeds, version, found[name], found, rules)
    for condition in charlson():
        seeds.rows["ref_comorbidity"].append(
            (condition.name, condition.weight_1987, condition.weight_2011, condition.beaten_by)
        )
        for variant, criteria in (("stays", (condition.stays,)), ("adapted", condition.adapted)):
            seeds.rows["ref_comorbidity_criterion"] += [
                (condition.name, variant, seeds.fact_of(each), each.dates, each.dates_large_pack,
                 each.span)
                for each in criteria
            ]  # fmt: skip
    return {name: sorted(rows, key=lambda row: [str(v) for v in row])
            for name, rows in seeds.rows.items()}  # fmt: skip


def _top(
    seeds: Seeds, version: str, top: Algorithm, found: dict[str, Algorithm], rules: dict[str, str]
) -> None:
    """Note a top of a version, and its rule unless an earlier version has the same one.

    ``rules`` holds the rule of each top that this one is made from, and gets its own.
    """
    counted: list[tuple[str, str, Criterion]] = [
        (each.source, seeds.fact_of(each), each) for each in top.criteria
    ]
    if top.residual:
        fact = seeds.fact_left_over(top.residual, found)
        # Thresholds and window of a plain criterion: once, in the year.
        counted = [(top.residual.source, fact, Criterion("ald", "residual"))]
    related = [
        (number, relation, rules[other])
        for number, relation, others in (
            (None, "member", leaves(top.name, found) if top.members else ()),
            (None, "requires", top.requires),
            (None, "unless", precedence(top, found)),
            *((n, "requires", each.requires) for n, (_, _, each) in enumerate(counted, 1)),
            *((n, "unless", each.unless) for n, (_, _, each) in enumerate(counted, 1)),
        )
        for other in others
    ]
    meaning = (top.sex, counted, related)
    rule = top.name
    if seeds.meanings.get(rule, meaning) != meaning:
        rule = f"{top.name}@{version}"
    rules[top.name] = rule
    kind = (
        "union" if top.members else "residual" if top.residual
        else "criteria" if top.criteria else "derived"
    )  # fmt: skip
    seeds.rows["ref_pathology"].append(
        (top.name, version, rule, top.label_fr, top.label_en, top.group, kind, top.sex, top.flag,
         top.note, top.is_published, top.is_chronic)
    )  # fmt: skip
    if rule in seeds.meanings:
        return
    seeds.meanings[rule] = meaning
    seeds.rows["ref_pathology_relation"] += [(rule, *each) for each in related]
    for number, (source, fact, each) in enumerate(counted, 1):
        first, last = each.started or (None, None)
        seeds.rows["ref_pathology_criterion"].append(
            (rule, number, source, fact, *each.window, first, last if first is None else None,
             each.dates, each.dates_large_pack, each.span, each.parameter,
             top.sex, bool(each.requires or each.unless), each.flag)
        )  # fmt: skip


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
    from openchronic_assets.warehouse.project import project_dir

    return project_dir() / "seeds"


if __name__ == "__main__":
    for seed, found_rows in gather().items():
        (folder() / f"{seed}.csv").write_text(text(seed, found_rows), encoding="utf-8")
