"""The OMOP CDM 5.4 export: from the catalogue to ``exports/omop/<version>/``."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from openchronic_assets import progress
from openchronic_assets.errors import OpenChronicError, UsageError
from openchronic_assets.exports.omop import spec, tables, vocabulary
from openchronic_assets.settings import Home
from openchronic_assets.warehouse import connect, read_manifest
from openchronic_assets.warehouse.builds import locked

FORMATS = ("parquet", "csv")
MEMORY = "2GB"
_BIGGEST = 2**31 - 1
# Models without which there is nothing to export.
_NEEDED = ("person", "care_event", "hospital_stay", "ald_episode")


def export_omop(
    home: Home,
    years: Sequence[int] | None = None,
    vocabularies: Path | None = None,
    formats: Sequence[str] = ("parquet",),
    holder: str = "not stated",
) -> dict[str, Any]:
    """Write the tables of the common data model and return the manifest.

    One folder a table, one file a year (``all`` for tables without years), under
    ``exports/omop/<version>/``, mode 0750; ``<version>`` names the build, the years and the
    vocabularies, so that the same call finds what is there (``unchanged``). A folder appears whole
    or not at all. Individual data: it stays in the secure space and never enters ``release/``.

    Args:
        home: where the catalogue is.
        years: care years; all that are built when left out.
        vocabularies: folder of Athena files; concepts are 0 without it.
        formats: ``parquet``, ``csv``.
        holder: who holds the data, for ``cdm_source``.

    Raises:
        UsageError: nothing is built, a year is not, or the vocabularies cannot be read.
        OpenChronicError: another export is running, or what was written breaks the specification.
    """
    if unknown := set(formats) - set(FORMATS):
        raise UsageError(f"no format {', '.join(sorted(unknown))}; there are: {', '.join(FORMATS)}")
    with locked(home.create(), "export", wait=False), connect(home) as connection:
        manifest = read_manifest(home)
        assert manifest is not None  # connect refuses a home without a build
        wanted = _years(manifest, years)
        scratch = home.scratch / f"omop-{os.getpid()}"
        scratch.mkdir(parents=True, mode=0o700)
        try:
            connection.execute(f"set memory_limit = '{MEMORY}'")
            connection.execute(f"set temp_directory = '{_quoted(scratch)}'")
            found = vocabulary.load(connection, vocabularies)
            version = _version(manifest["build_id"], wanted, connection, formats, holder)
            target = home.exports / "omop" / version
            if (target / "manifest.json").is_file():
                document = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
                return {**document, "folder": str(target), "unchanged": True}
            aside = _fresh(target)
            try:
                writer = _Writer(connection, aside, tuple(formats), wanted)
                document = {
                    "version": version,
                    "cdm_version": spec.VERSION,
                    "build_id": manifest["build_id"],
                    "years": list(wanted),
                    "vocabulary": found["version"],
                    **writer.write(_source(manifest, found, holder)),
                }
                _put(aside / "manifest.json", json.dumps(document, indent=2, sort_keys=True) + "\n")
                aside.rename(target)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return {**document, "folder": str(target), "unchanged": False}


def _years(manifest: dict[str, Any], years: Sequence[int] | None) -> tuple[int, ...]:
    models = manifest["models"]
    if missing := [name for name in _NEEDED if name not in models]:
        raise UsageError(f"{', '.join(missing)} is not built: run openchronic run --years A-B")
    built = {int(year) for year in models["care_event"]["read"]}
    wanted = tuple(sorted(set(years if years is not None else built)))
    if not wanted or set(wanted) - built:
        raise UsageError(
            f"not built: {', '.join(map(str, sorted(set(wanted) - built))) or 'any year'}; "
            "run openchronic run for those years first"
        )
    return wanted


def _version(
    build: str,
    years: tuple[int, ...],
    connection: duckdb.DuckDBPyConnection,
    formats: Sequence[str],
    holder: str,
) -> str:
    # All that decides the files, the mapping's content included.
    mapping = connection.execute(
        "select count(*), bit_xor(hash(concept_map)) from concept_map"
    ).fetchone()
    told = json.dumps([build, years, str(mapping), sorted(formats), holder, _code()])
    digest = hashlib.sha256(told.encode()).hexdigest()[:8]
    span = f"{years[0]}-{years[-1]}" if len(years) > 1 else str(years[0])
    return f"{build}-{span}-{digest}"


def _code() -> str:
    """Return a hash of the code that decides what is written."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.*")):
        if path.suffix in (".py", ".csv"):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _fresh(target: Path) -> Path:
    parent = target.parent
    parent.mkdir(mode=0o750, exist_ok=True)
    for left in parent.glob(f".{target.name}.*"):  # what a killed run left
        shutil.rmtree(left, ignore_errors=True)
    aside = parent / f".{target.name}.{os.getpid()}"
    aside.mkdir(mode=0o750)
    return aside


def _source(manifest: dict[str, Any], found: dict[str, str], holder: str) -> dict[str, str]:
    """Return the row of cdm_source, as SQL."""
    # The day on which the deliveries stop; the export adds no date of its own, so that the same
    # build gives the same bytes.
    day = str(manifest.get("flux_cutoff") or "1970-01-01")[:10]
    day = day if len(day) == 10 else f"{day}-01"
    texts = {
        "cdm_source_name": "Système national des données de santé (SNDS)",
        "cdm_source_abbreviation": "SNDS",
        "cdm_holder": holder[:255],
        "source_description": "Reimbursements, hospital stays and long-term conditions; build "
        + str(manifest["build_id"]),
        "cdm_etl_reference": "Open Chronic, docs/omop.md",
        "cdm_version": spec.VERSION,
        "vocabulary_version": found["version"],
    }
    return {
        **{name: f"'{_quoted(text)}'" for name, text in texts.items()},
        "source_release_date": f"date '{day}'",
        "cdm_release_date": f"date '{day}'",
        "cdm_version_concept_id": str(spec.VERSION_CONCEPT),
    }


class _Writer:
    """Writes the parts of the export, one after the other, and keeps count."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        folder: Path,
        formats: tuple[str, ...],
        years: tuple[int, ...],
    ) -> None:
        self.connection = connection
        self.folder = folder
        self.formats = formats
        self.years = years
        self.numbers = dict.fromkeys(spec.tables(), 0)
        self.files: list[dict[str, Any]] = []
        self.visits = 0
        self.integer = "INTEGER"

    def write(self, source: dict[str, str]) -> dict[str, Any]:
        """Write everything and return counts, files and what was left out."""
        self._people_and_places()
        self._widen()
        steps = len(self.years) + 2
        for part in (part for part in tables.PARTS if not part.yearly):
            self._part(part, None)
        self.connection.execute(
            "create temp table seen (person_id bigint, first_date date, last_date date)"
        )
        for step, year in enumerate(self.years, start=1):
            progress.report("export", step, steps)
            self._visits(year)
            for part in (part for part in tables.PARTS if part.yearly):
                self._part(part, year)
        self._part(_OBSERVED, None)
        self._copy("cdm_source", "all", self._select("cdm_source", source, ""))
        for name in spec.tables():
            if not any(each["table"] == name for each in self.files):
                self._copy(name, "all", self._select(name, {}, "where false"))
        return {
            "tables": self.numbers,
            "files": sorted(self.files, key=lambda each: str(each["file"])),
            "left_out": self._left_out(),
        }

    def _people_and_places(self) -> None:
        span = f"year between {self.years[0]} and {self.years[-1]}"
        number = "cast(row_number() over (order by {}) as bigint) as omop_id"
        self.connection.execute(
            f"create temp table omop_person as select person_id, {number.format('person_id')} "
            "from person where birth_year is not null"
        )
        self.connection.execute(
            "create temp table omop_location as select department as source_value, "
            f"{number.format('department')} from (select distinct department from person "
            "where department is not null)"
        )
        self.connection.execute(
            f"create temp table omop_care_site as select finess as source_value, "
            f"{number.format('finess')} from (select finess from hospital_stay where {span} "
            f"union select performing_finess from care_event where {span}) where finess is not null"
        )
        self.connection.execute(
            f"create temp table omop_provider as select source_value, "
            f"cast(min(specialty) as varchar) as specialty, {number.format('source_value')} from ("
            f"select performer_id as source_value, performer_specialty as specialty "
            f"from care_event where {span} group by all union all "
            f"select prescriber_id, prescriber_specialty from care_event where {span} group by all"
            ") where source_value is not null group by source_value"
        )
        cause = "null as person_id, null as code where false"
        if self._has("person_year", ("person_id", "death_cause")):
            cause = (
                "person_id, max(death_cause) as code from person_year "
                "where death_cause is not null group by person_id"
            )
        self.connection.execute(
            f"create temp table omop_cause as select {cause.replace('null as', 'null::varchar as')}"
        )

    def _widen(self) -> None:
        """Use 64-bit numbers where the specification's 32 bits cannot count the rows."""
        (rows,) = self.connection.execute(
            f"select count(*) from care_event where year between {self.years[0]} and "
            f"{self.years[-1]}"
        ).fetchone() or (0,)
        if rows > _BIGGEST:
            self.integer = "BIGINT"

    def _has(self, model: str, columns: Sequence[str]) -> bool:
        try:
            known = {row[0] for row in self.connection.execute(f"describe {model}").fetchall()}
        except duckdb.CatalogException:
            return False
        return set(columns) <= known

    def _visits(self, year: int) -> None:
        self.connection.execute(tables.VISITS.format(year=year, base=self.visits))
        (count,) = self.connection.execute("select count(*) from visit").fetchone() or (0,)
        self.visits += count
        self.connection.execute(
            "insert into seen select person_id, min(start_date), max(end_date) from visit "
            "group by person_id"
        )

    def _part(self, part: tables.Part, year: int | None) -> None:
        if not all(self._has(model, columns) for model, columns in part.needs.items()):
            return
        fields = dict(part.fields)
        for prefix, (system, code, domain) in part.codes.items():
            known = f"m.code_system = {system} and m.code = {tables.code_system(code)}"
            for name, condition in (
                ("concept_id", f"m.domain = '{domain}'"),
                ("source_concept_id", "m.domain is null"),
            ):
                value = "m.concept_id" if name == "concept_id" else "m.source_concept_id"
                fields[f"{prefix}_{name}"] = (
                    f"coalesce((select {value} from concept_map as m where {known} "
                    f"and {condition}), 0)"
                )
        if part.key:
            before = self.numbers[part.table]
            fields[part.key] = f"{before} + row_number() over (order by {part.order})"
        rows = part.rows.replace("{year}", str(year))
        rows = rows.replace("{first}", str(self.years[0])).replace("{last}", str(self.years[-1]))
        name = str(year) if part.yearly else "all"
        self._copy(
            part.table, name, f"{self._select(part.table, fields, rows)} order by {part.order}"
        )

    def _select(self, table: str, fields: dict[str, str], rows: str) -> str:
        wanted = spec.tables()[table]
        if unknown := set(fields) - {each.name for each in wanted}:
            raise AssertionError(f"{table} has no {unknown}")
        listed = []
        for each in wanted:
            kind = each.sql_type
            if each.name.endswith("_id") and not each.name.endswith("_concept_id"):
                kind = self.integer if each.type == "integer" else kind
            value = fields.get(each.name, "null")
            if each.length:
                value = f"left(cast({value} as varchar), {each.length})"
            listed.append(f"cast({value} as {kind}) as {each.name}")
        return f"select {', '.join(listed)} {rows}"

    def _copy(self, table: str, name: str, query: str) -> None:
        folder = self.folder / table
        folder.mkdir(mode=0o750, exist_ok=True)
        path = folder / f"{name}.parquet"
        self.connection.execute(
            f"copy ({query}) to '{_quoted(path)}' (format parquet, compression zstd)"
        )
        rows = self._checked(table, path)
        self.numbers[table] += rows
        written = [path]
        if "csv" in self.formats:
            beside = path.with_suffix(".csv")
            self.connection.execute(
                f"copy (from read_parquet('{_quoted(path)}')) to '{_quoted(beside)}' "
                "(format csv, header true)"
            )
            written.append(beside)
        if "parquet" not in self.formats:
            path.unlink()
            written.remove(path)
        for each in written:
            with each.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            each.chmod(0o640)
            self.files.append(
                {"table": table, "file": f"{table}/{each.name}", "rows": rows, "sha256": digest}
            )

    def _checked(self, table: str, path: Path) -> int:
        required = [each.name for each in spec.tables()[table] if each.is_required]
        counts = ", ".join(f"count({name})" for name in required)
        row = self.connection.execute(
            f"select count(*), {counts} from read_parquet('{_quoted(path)}')"
        ).fetchone()
        assert row is not None
        for name, filled in zip(required, row[1:], strict=True):
            if filled != row[0]:
                raise OpenChronicError(
                    f"{table}.{name} is required; {row[0] - filled} rows of {path.name} lack it: "
                    "nothing is exported; please report it"
                )
        return int(row[0])

    def _left_out(self) -> dict[str, int]:
        """Return how many rows the common data model has no place for, by reason."""
        span = f"year between {self.years[0]} and {self.years[-1]}"
        reasons = {
            "persons without a year of birth": "person where birth_year is null",
            "claims without a person": f"care_event where {span} and event_type = 'claim' "
            "and person_id is null",
            "claims without a date": f"care_event where {span} and event_type = 'claim' "
            "and person_id is not null and care_date is null",
            "claims that no use keeps": f"care_event where {span} and event_type = 'claim' "
            "and not is_used_for_care and not is_used_for_spending",
            "stays without a person or left out of persons": f"hospital_stay where {span} "
            "and (person_id is null or not is_used_for_persons)",
            "stays without dates in order": f"hospital_stay where {span} and is_used_for_persons "
            "and not coalesce(discharge_date >= entry_date, false)",
        }
        found = {}
        for reason, rows in reasons.items():
            (count,) = self.connection.execute(f"select count(*) from {rows}").fetchone() or (0,)
            found[reason] = int(count)
        return found


# From the first to the last care seen in the years exported: deliveries hold no affiliation.
_OBSERVED = tables.Part(
    "observation_period",
    "from (select person_id, min(first_date) as first_date, max(last_date) as last_date "
    "from seen group by person_id) as s",
    {
        "observation_period_id": "s.person_id",
        "person_id": "s.person_id",
        "observation_period_start_date": "s.first_date",
        "observation_period_end_date": "s.last_date",
        "period_type_concept_id": str(tables.CLAIM),
    },
    "s.person_id",
    yearly=False,
)


def _put(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o640)


def _quoted(value: str | Path) -> str:
    return str(value).replace("'", "''")
