"""Who may read individual data, and of it what: ``vault/access.yaml``.

Each project has its purpose, its authorisation, its end date, its people, its years, its territory
and at most one potential identifier (domain decision 16). From it follow the columns and rows of
each table, in SQL that DuckDB and PostgreSQL both read: the gateway and the published database
show the same.

What is coarsened: a date of care to its month, a date of death to its year, the month of birth and
anything about a commune to nothing. A column of dates that is not known to be a date of care is
taken for more than one: its month is shown, whatever the project.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from openchronic_assets.errors import Refused, UsageError
from openchronic_assets.settings import Home

Identifier = Literal["commune", "birth_month", "care_date", "death_date", "death_commune", "none"]

# Dates of one act of care and nothing else: a discharge may be a death, the end of a period too.
CARE_DATES = frozenset(
    {"care_date", "dispensing_date", "prescription_date", "visit_date", "procedure_date",
     "entry_date"}
)  # fmt: skip
_COMMUNE = re.compile(r"commune|insee|postal|zip|iris", re.IGNORECASE)

# Tables without a column ``year``: what tells the year of a row. The others are not shown.
ANCHORS = {
    "person": None,  # the people of the project's years and territory, no row of a date
    "patient": None,
    "ald_episode": "start_date",
    "drug_exposure": "start_date",
    "pathway_event": "start_date",
    "pathway_state": "index_date",
    "pathway_waiting": "index_date",
}
# About rules, not people.
_REFERENCE = frozenset({"quality_rule"})
# Old and new pseudonyms of a person side by side: for whoever runs the base.
_NEVER = frozenset({"person_id_history"})

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


class Project(BaseModel):
    """What one organisation may read, why and until when."""

    model_config = ConfigDict(extra="forbid")

    organisation: str = Field(min_length=1)
    purpose: str = Field(min_length=1)
    authorisation: str = Field(min_length=1)
    starts: date
    ends: date
    users: list[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.@-]{0,62}$")]]
    first_year: int
    last_year: int
    departments: Literal["all"] | list[Annotated[str, Field(pattern=r"^[0-9AB]{2,3}$")]]
    identifier: Identifier = "none"

    @field_validator("users")
    @classmethod
    def _once(cls, users: list[str]) -> list[str]:
        if len({user.casefold() for user in users}) != len(users):
            raise ValueError("a user is named twice")
        return users

    @model_validator(mode="after")
    def _ordered(self) -> Project:
        if self.ends < self.starts or self.last_year < self.first_year:
            raise ValueError("it ends before it starts")
        if self.departments == []:
            raise ValueError("departments is 'all' or a list of codes")
        return self

    def is_open(self, today: date) -> bool:
        """Say whether the project gives access on a day, its last one included."""
        return self.starts <= today <= self.ends


class Access(BaseModel):
    """The declarations of a home. ``secure``: individual data through a server that journals."""

    model_config = ConfigDict(extra="forbid")

    mode: Literal["open", "secure"] = "open"
    projects: dict[str, Project] = {}

    @model_validator(mode="after")
    def _one_identifier_a_person(self) -> Access:
        for name in self.projects:
            if not _NAME.fullmatch(name):
                raise ValueError("a project is named with a-z, 0-9 and _, 40 characters at most")
        seen: dict[str, list[tuple[str, Project]]] = {}
        for name, project in self.projects.items():
            for user in project.users:
                for other_name, other in seen.setdefault(user.casefold(), []):
                    both = {project.identifier, other.identifier} - {"none"}
                    if (
                        len(both) > 1
                        and project.starts <= other.ends
                        and other.starts <= project.ends
                    ):
                        raise ValueError(
                            f"one person is in {other_name} and {name} at once, with two potential "
                            "identifiers: pseudonyms are the same in both, so that they would join"
                        )
                seen[user.casefold()].append((name, project))
        return self

    def project_of(self, user: str, named: str | None, today: date) -> tuple[str, Project]:
        """Return the project under which somebody asks.

        Raises:
            Refused: there is none, it has expired, or there are several and none is named.
        """
        mine = {name: each for name, each in self.projects.items() if user in each.users}
        if named is not None and named not in mine:
            raise Refused(f"{user} is not in the project {named}: ask for it to be declared")
        open_ones = {name: each for name, each in mine.items() if each.is_open(today)}
        if named is not None and named not in open_ones:
            raise Refused(
                f"the project {named} is closed: it ran from {mine[named].starts} to "
                f"{mine[named].ends}; its authorisation has to be renewed and declared"
            )
        if named is None and len(open_ones) != 1:
            if open_ones:
                raise Refused(f"name the project with --as: {', '.join(sorted(open_ones))}")
            raise Refused(f"no open project names {user}: individual data stay closed")
        name = named or next(iter(open_ones))
        return name, open_ones[name]


def load(home: Home) -> Access | None:
    """Return the declarations of a home, or None where there are none.

    Raises:
        UsageError: they cannot be read; nothing is then open.
    """
    path = home.vault / "access.yaml"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        return Access.model_validate(yaml.safe_load(text) or {})
    except yaml.YAMLError:
        raise UsageError("vault/access.yaml is not YAML: nothing is open until it is") from None
    except ValidationError as error:
        said = "; ".join(
            f"{'.'.join(map(str, each['loc'])) or 'access'}: {each['msg']}"
            for each in error.errors(include_input=False)
        )
        raise UsageError(f"vault/access.yaml: {said}; nothing is open until it is right") from None


def is_secure(home: Home) -> bool:
    """Say whether individual data are reached through a server only.

    Whoever may not read the vault is not told: in that mode the lake is closed to them anyway.
    """
    try:
        declared = load(home)
    except PermissionError:
        return False
    return declared is not None and declared.mode == "secure"


def check_secure(home: Home) -> None:
    """Refuse the ``secure`` mode over files that other accounts may open.

    Raises:
        Refused: the lake, or what is made of it, lets in a group or everybody.
    """
    for zone in (home.lake, home.exports):
        if zone.is_dir() and zone.stat().st_mode & 0o077:
            raise Refused(
                f"mode is secure and {zone.name}/ can be opened by other accounts than this one, "
                f"unseen by the journal: chmod 700 {zone}"
            )


Columns = Sequence[tuple[str, str]]  # name and type, as DuckDB tells them


def shown(project: Project, tables: Mapping[str, Columns]) -> Iterator[str]:
    """Yield the names of the tables that a project sees."""
    return (name for name, columns in tables.items() if _rows(project, name, columns) is not None)


def view_sql(
    project: Project, table: str, columns: Columns, relation: str, person_year: str
) -> str:
    """Return the SELECT through which a project sees a table.

    Args:
        project: whose view it is.
        table: name of the mart.
        columns: its columns.
        relation: SQL of the whole mart.
        person_year: SQL of the whole mart ``person_year``, which tells where people live.

    Raises:
        UsageError: the project does not see that table.
    """
    where = _rows(project, table, columns)
    if where is None:
        raise UsageError(f"the table {table} is not open to this project")
    selected = ", ".join(_column(project, name, kind) for name, kind in columns)
    expiry = f"current_date between date '{project.starts}' and date '{project.ends}'"
    rows = " and ".join([expiry, *(each.replace("{person_year}", person_year) for each in where)])
    return f"select {selected} from {relation} as m where {rows}"


def _column(project: Project, name: str, kind: str) -> str:
    column = f'm."{name}"'
    allowed = project.identifier
    if _COMMUNE.search(name):
        own = "death_commune" if "death" in name else "commune"
        return column if allowed == own else f'cast(null as varchar) as "{name}"'
    if name == "birth_month":
        return column if allowed == name else f'cast(null as integer) as "{name}"'
    dated = kind.startswith(("DATE", "TIMESTAMP"))
    if "birth" in name and dated:
        return f"cast(date_trunc('year', {column}) as date) as \"{name}\""
    if "death" in name and dated:
        if allowed == "death_date":
            return column
        return f"cast(date_trunc('year', {column}) as date) as \"{name}\""
    if dated and not (allowed == "care_date" and name in CARE_DATES):
        return f"cast(date_trunc('month', {column}) as date) as \"{name}\""
    return column


def _rows(project: Project, table: str, columns: Columns) -> list[str] | None:
    """Return the conditions on rows, or None where the table is not shown."""
    names = {name for name, _ in columns}
    years = f"between {project.first_year} and {project.last_year}"
    everywhere = project.departments == "all"
    places = "" if everywhere else ", ".join(f"'{each}'" for each in project.departments)
    if table in _NEVER:
        return None
    if table in _REFERENCE:
        return []
    if "year" in names:
        conditions = [f'm."year" {years}']
    elif anchor := ANCHORS.get(table):
        conditions = [f'extract(year from m."{anchor}") {years}']
    elif table in ANCHORS:
        conditions = []
    else:
        return None
    if "person_id" in names:
        # Pairs, and not a subquery that names the row: that one is run again for each row.
        pairs = "year" in names and not everywhere
        key = 'm.person_id, m."year"' if pairs else "m.person_id"
        found = "p.person_id, p.year" if pairs else "p.person_id"
        inside = f"select {found} from {{person_year}} as p where p.year {years}"
        if not everywhere:
            inside += f" and p.department in ({places})"
        if not everywhere or "year" not in names:
            conditions.append(f"({key}) in ({inside})")
        return conditions
    if everywhere:
        return conditions
    if "department" in names:
        return [*conditions, f"m.department in ({places})"]
    if {"geo_level", "geo_code"} <= names:
        return [*conditions, f"m.geo_level = 'department' and m.geo_code in ({places})"]
    return None
