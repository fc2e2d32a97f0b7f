"""Standard concepts for source codes, from the vocabularies that the user downloaded (Athena).

Nothing of a vocabulary ships with the product. Without one, every code keeps its source value and
its concepts are 0, "no matching concept".
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb

from openchronic_assets.errors import UsageError

# Which vocabularies hold the codes of a system, the first that knows a code wins.
VOCABULARIES: Mapping[str, tuple[str, ...]] = {
    "cim10": ("CIM10", "ICD10"),
    "ccam": ("CCAM",),
    "cip13": ("BDPM",),
    "cip7": ("BDPM",),
    "ucd": ("BDPM",),
    "atc": ("ATC",),
    "nabm": ("NABM",),
    "specialty": ("Medicare Specialty",),
}
_NEEDED = {
    "CONCEPT.csv": (
        "concept_id", "domain_id", "vocabulary_id", "standard_concept", "concept_code",
        "invalid_reason",
    ),
    "CONCEPT_RELATIONSHIP.csv": (
        "concept_id_1", "concept_id_2", "relationship_id", "invalid_reason",
    ),
}  # fmt: skip


def load(connection: duckdb.DuckDBPyConnection, folder: Path | None) -> dict[str, str]:
    """Make the temporary table ``concept_map`` and return what was read, for the manifest.

    ``concept_map`` has one row a code system, code without punctuation, and domain: the source
    concept and the standard one that it ``Maps to`` (itself where it is standard). Of several
    standard concepts of a domain the lowest number is taken, so that a run gives the same again.

    Raises:
        UsageError: a file is missing or is not one of Athena's.
    """
    connection.execute(
        "create or replace temp table concept_map (code_system varchar, code varchar, "
        "domain varchar, concept_id integer, source_concept_id integer)"
    )
    if folder is None:
        return {"version": "none"}
    files = {name: _file(folder, name) for name in _NEEDED}
    try:
        for name, columns in _NEEDED.items():
            _check(connection, files[name], columns)
        _fill(connection, files)
        version = _version(connection, folder)
    except duckdb.Error as error:
        raise UsageError(
            f"the vocabularies in {folder} cannot be read ({type(error).__name__}): give the "
            "folder as Athena delivers it, tab-separated, unpacked"
        ) from None
    return {"version": version}


def _file(folder: Path, name: str) -> Path:
    for found in (folder / name, folder / name.lower()):
        if found.is_file():
            return found
    raise UsageError(f"{folder} has no {name}: give the folder that Athena delivered, unpacked")


def _read(path: Path) -> str:
    quoted = str(path).replace("'", "''")
    return (
        f"read_csv('{quoted}', delim = '\t', header = true, all_varchar = true, "
        "quote = '', escape = '')"
    )


def _check(connection: duckdb.DuckDBPyConnection, path: Path, columns: tuple[str, ...]) -> None:
    found = {
        row[0].lower() for row in connection.execute(f"describe from {_read(path)}").fetchall()
    }
    if missing := sorted(set(columns) - found):
        raise UsageError(f"{path.name} of {path.parent} lacks {', '.join(missing)}")


def _fill(connection: duckdb.DuckDBPyConnection, files: Mapping[str, Path]) -> None:
    ranked = [
        (system, vocabulary, place)
        for system, vocabularies in VOCABULARIES.items()
        for place, vocabulary in enumerate(vocabularies)
    ]
    values = ", ".join(f"('{system}', '{name}', {place})" for system, name, place in ranked)
    connection.execute(
        f"""
        create or replace temp table source_concept as
        select known.code_system, known.place,
            regexp_replace(upper(concept.concept_code), '[^A-Z0-9]', '', 'g') as code,
            cast(concept.concept_id as integer) as concept_id,
            concept.domain_id, concept.standard_concept = 'S' as is_standard
        from {_read(files["CONCEPT.csv"])} as concept
        inner join (values {values}) as known(code_system, vocabulary, place)
            on concept.vocabulary_id = known.vocabulary
        where concept.invalid_reason is null or concept.invalid_reason = ''
        """
    )
    connection.execute(
        f"""
        create or replace temp table mapped_concept as
        select cast(link.concept_id_1 as integer) as source_id,
            cast(target.concept_id as integer) as concept_id, target.domain_id
        from {_read(files["CONCEPT_RELATIONSHIP.csv"])} as link
        inner join {_read(files["CONCEPT.csv"])} as target
            on link.concept_id_2 = target.concept_id
        where link.relationship_id = 'Maps to'
            and (link.invalid_reason is null or link.invalid_reason = '')
            and target.standard_concept = 'S'
            and (target.invalid_reason is null or target.invalid_reason = '')
            and link.concept_id_1 in (select cast(concept_id as varchar) from source_concept)
        """
    )
    connection.execute(
        """
        insert into concept_map
        with best as (
            select code_system, code, min(place) as place from source_concept group by all
        ),
        source as (
            select source_concept.*
            from source_concept inner join best using (code_system, code, place)
        ),
        target as (
            select source.code_system, source.code, source.concept_id as source_id,
                mapped_concept.domain_id as domain, mapped_concept.concept_id
            from source inner join mapped_concept on source.concept_id = mapped_concept.source_id
            union all
            select code_system, code, concept_id, domain_id, concept_id from source
            where is_standard
        )
        select code_system, code, domain, min(concept_id), min(source_id) from target
        group by code_system, code, domain
        union all
        select code_system, code, null, 0, min(concept_id) from source
        group by code_system, code
        """
    )
    connection.execute("drop table source_concept; drop table mapped_concept")


def _version(connection: duckdb.DuckDBPyConnection, folder: Path) -> str:
    """Return the version of the vocabularies, as VOCABULARY.csv tells it; 'unknown' without it."""
    try:
        path = _file(folder, "VOCABULARY.csv")
    except UsageError:
        return "unknown"
    row = connection.execute(
        f"select vocabulary_version from {_read(path)} where vocabulary_id = 'None'"
    ).fetchone()
    return str(row[0])[:20] if row and row[0] else "unknown"
