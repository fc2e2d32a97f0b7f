"""The quality rules seen from Python, and the page that tells them.

They are declared once, in ``macros/rules/quality_rules.sql`` of the dbt project.
``python -m openchronic_assets.warehouse.rules`` writes ``docs/quality-rules.md``; a test fails when
the page is not what the rules say.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from openchronic_assets.warehouse.project import project_dir

_OPENING, _CLOSING = "{% set text %}", "{% endset %}"

_INTRODUCTION = """# Quality rules

<!-- Written by `python -m openchronic_assets.warehouse.rules`; do not edit. -->

A rule is one object with a name, a condition, a source and a flag. It deletes nothing: it is a
boolean column of the rows, true where the rule flags and never NULL. A *use* of the data (counting
care, spending, stays, people) leaves out the rows that its rules flag: `is_used_for_<use>`. Rules
are declared in `dbt_project/macros/rules/quality_rules.sql` and nowhere else
([0013](decisions/0013-quality-rules.md)); the catalogue has them as `quality_rule`.

What each one removes, by table and year: `quality_rule_effect`, rows and euros, alone (whatever the
other rules say) and in the order below (each row counted once, by the first rule that flags it). A
blocking test says that raw = staged = flagged + used, in rows and to the cent.

```sql
select rule, alone_row_count, order_row_count, remaining_row_count, remaining_amount
from quality_rule_effect where table_name = 'ER_PRS_F' and use_name = 'care' and year = 2021
order by position
```
"""

# Documented filters that are no rules of ours, and why.
_NOT_RULES = {
    "`BEN_CDI_NIR in ('00', '03', '04')`": "drops 99, NN and missing, which are not fictitious: "
    "see `fictitious_nir`",
    "general scheme with `RGM_COD = 888`": "the same people as the fictitious NIR types",
    "`select distinct` on lines": "merges true duplicates (two boxes on like lines), nets nothing",
    "flux from February to six months after the year": "which flux is in is the build's cut-off, "
    "not a row's quality",
    "age in `BEN_AMA_COD`": "age is computed from the date of birth",
    "abortions (GHM 14Z08Z)": "their privacy is that of NIR type 01, linked to nobody; the group "
    "stays in `ghm_code`",
    "error group written `'%90%'`": "matches 90 anywhere; `error_group` reads how the code starts",
}

# Rules of tables that no model reads yet.
_WAITING = {
    "SSR `FAC_SEJ_AM = '1'`": "invoices of SSR stays (T_SSRaaSTC)",
    "private invoices are in DCIR too": "T_MCOaaFA to FP: private spending is counted in DCIR",
    "dummy device code 9999999999999": "ER_TIP_F is staged, no mart reads it yet",
    "natures of exemption other than 41, 43, 45": "IR_IMB_R: int_ald_exemption reads those three",
    "one monthly snapshot of a professional": "DA_PRA_R",
}


@dataclass(frozen=True)
class Rule:
    """One quality rule, as declared.

    ``when`` is its condition in SQL over the columns of the model that carries ``flag``; NULL flags
    nothing. ``uses`` leave flagged rows out.
    """

    rule: str
    table: str
    flag: str
    when: str
    missing: str
    uses: tuple[str, ...]
    fr: str
    en: str
    source: str


def quality_rules() -> list[Rule]:
    """Return the rules in their order of application."""
    path = project_dir() / "macros" / "rules" / "quality_rules.sql"
    text = path.read_text(encoding="utf-8")
    declared = text.split(_OPENING, 1)[1].split(_CLOSING, 1)[0]
    return [
        Rule(**{**each, "uses": tuple(each["uses"]), "when": each["when"].strip()})
        for each in yaml.safe_load(declared)
    ]


def document() -> str:
    """Return the text of ``docs/quality-rules.md``."""
    parts = [_INTRODUCTION]
    rules = quality_rules()
    for table in dict.fromkeys(rule.table for rule in rules):
        mine = [rule for rule in rules if rule.table == table]
        parts.append(f"\n## {table}\n")
        parts.append("| rule | flags | flag, condition | missing value | left out of |")
        parts.append("|---|---|---|---|---|")
        for rule in mine:
            condition = " ".join(rule.when.split()).replace("|", "\\|")
            uses = ", ".join(rule.uses) or "nothing"
            words = f"{rule.fr.strip()}<br>*{rule.en.strip()}*<br>{rule.source}"
            parts.append(
                f"| `{rule.rule}` | {words} | `{rule.flag}`: `{condition}` | {rule.missing} "
                f"| {uses} |"
            )
    for title, pairs in (("Not rules here", _NOT_RULES), ("Waiting for their tables", _WAITING)):
        parts += [f"\n## {title}\n", "| documented filter | why |", "|---|---|"]
        parts += [f"| {what} | {why} |" for what, why in pairs.items()]
    return "\n".join(parts) + "\n"


def path() -> Path:
    """Return the place of the generated page."""
    return Path(__file__).resolve().parents[2] / "docs" / "quality-rules.md"


if __name__ == "__main__":
    path().write_text(document(), encoding="utf-8")
