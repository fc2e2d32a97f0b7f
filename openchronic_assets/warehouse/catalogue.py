"""The catalogue: one small DuckDB file of views over the files of one build.

It is derived from ``lake/current.json`` and can be rebuilt at any time. Views name their files by
absolute path, because a relative one would depend on the reader's working directory; a home that
has moved gets a new catalogue at the next start.

Schemas: ``main`` (marts, ``<mart>_labelled`` with a label beside each code, ``ref_<list>``: code
lists imported and our own), ``intermediate`` (rules), ``snds`` (the delivered tables in effect,
under their SNDS names, provenance columns last), ``meta`` (which build, whom it holds). Every mart
has ``population_scope``; the catalogue of a panel shows no delivered table, which hold everybody.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import duckdb

from openchronic_assets import duck
from openchronic_assets.errors import UsageError
from openchronic_assets.settings import Home
from openchronic_assets.slices import Part
from openchronic_assets.warehouse import inputs
from openchronic_assets.warehouse.builds import locked, read_manifest
from openchronic_assets.warehouse.panel import EVERYBODY, IDENTITIES
from openchronic_assets.warehouse.raw import PROVENANCE, contract_of, read_parquet, relation_sql

# The oldest storage format that DuckDB 1.4, 1.5 and R's client all open.
STORAGE_VERSION = "v1.2.0"

# Estimates of a panel over everybody (docs/panel.md): y is a person's, weight that of person_year.
ESTIMATES = (
    "panel_total(y, weight) as sum(weight * y)",
    "panel_total_variance(y, weight) as sum(weight * (weight - 1) * y * y)",
    "panel_count(weight) as sum(weight)",
    "panel_count_variance(weight) as sum(weight * (weight - 1))",
)


def connect(home: Home) -> duckdb.DuckDBPyConnection:
    """Open the catalogue for reading, whatever else is running.

    Raises:
        UsageError: nothing was built yet.
    """
    ensure_catalogue(home)
    if not home.catalogue.is_file():
        raise UsageError(f"nothing is built in {home.root}; run: openchronic run --years A-B")
    connection = duckdb.connect(str(home.catalogue), read_only=True)
    with contextlib.suppress(duckdb.Error):  # another connection of this process has spilled
        connection.execute("set temp_directory = ?", [str(duck.spill_folder(home))])
    return connection


def ensure_catalogue(home: Home) -> bool:
    """Rebuild the catalogue if it is missing or is not that of the pointer; say whether it was.

    A catalogue that may not be written (an analyst's account) is left as it is: it still shows
    one whole build.
    """
    manifest = read_manifest(home)
    if manifest is None:
        return False
    raw = {name: parts for name, parts in _shown(home, manifest).items() if parts}
    lists = nomenclatures(home)
    wanted = _signature(home, manifest, raw, lists)
    if _found(home.catalogue) == wanted:
        return False
    zones = [home.lake, *([home.scratch] if home.scratch.exists() else [])]
    if not all(os.access(zone, os.W_OK) for zone in zones):
        return False
    with locked(home, "catalogue"):
        for leftover in home.lake.glob(f".{home.catalogue.name}.*"):  # of who was killed
            leftover.unlink(missing_ok=True)
        if _found(home.catalogue) == wanted:  # who held the lock before wrote the same
            return False
        _write(home, manifest, raw, lists, wanted)
    return True


def nomenclatures(home: Home) -> dict[str, Path]:
    """Return the newest vintage of each imported code list, by lower-case name."""
    # Late, so that reading a manifest does not load the reader of lists.
    from openchronic_assets.ingestion.nomenclatures import current

    return current(home)


def readable(home: Home) -> list[str]:
    """Return the files outside the builds that the catalogue's views read: raw tables and lists."""
    shown = _shown(home, read_manifest(home) or {})
    raw = [part.path for parts in shown.values() for part in parts]
    return [str(path) for path in (*raw, *nomenclatures(home).values())]


def _shown(home: Home, manifest: dict[str, Any]) -> dict[str, list[Part]]:
    """Return the delivered tables that the catalogue shows: none beside the marts of a panel."""
    everybody = manifest.get("population", EVERYBODY) == EVERYBODY
    return inputs.current_parts(home) if everybody else {}


def _signature(
    home: Home, manifest: dict[str, Any], raw: dict[str, list[Part]], lists: dict[str, Path]
) -> str:
    files = {
        name: [[str(part.path), sorted(part.months or [])] for part in parts]
        for name, parts in raw.items()
    }
    coded = {name: [str(path), path.stat().st_mtime_ns] for name, path in lists.items()}
    listed = json.dumps(
        [str(home.lake), manifest["models"], manifest.get("seeds", {}), files, coded],
        sort_keys=True,
    )
    return f"{manifest['build_id']} {hashlib.sha256(listed.encode()).hexdigest()[:16]}"


def _found(path: Path) -> str | None:
    if not path.is_file():
        return None
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            row = connection.execute("select signature from meta.build").fetchone()
    except duckdb.Error:  # not ours, or damaged: it is rebuilt
        return None
    return str(row[0]) if row else None


def _write(
    home: Home,
    manifest: dict[str, Any],
    raw: dict[str, list[Part]],
    lists: dict[str, Path],
    signature: str,
) -> None:
    beside = home.catalogue.with_name(f".{home.catalogue.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    try:
        with duck.connect() as connection:
            quoted = str(beside).replace("'", "''")
            connection.execute(f"attach '{quoted}' as c (storage_version '{STORAGE_VERSION}')")
            connection.execute("use c")
            connection.execute("create schema intermediate")
            connection.execute("create schema meta")
            connection.execute("create schema snds")
            references = _references(connection, home, manifest, lists)
            population = manifest.get("population", EVERYBODY)
            for name, entry in manifest["models"].items():
                if population != EVERYBODY and name in IDENTITIES:
                    continue
                _view(connection, home, name, entry, population)
                if entry["layer"] == "marts" and entry.get("codes"):
                    _labelled(connection, name, entry["codes"], references)
            for name, parts in sorted(raw.items()):
                _snds(connection, name, parts)
            build = _literal(manifest["build_id"])
            cutoff = _literal(manifest["flux_cutoff"])
            connection.execute(
                f"create view meta.build as select {build} as build_id, "
                f"{cutoff} as flux_cutoff, {_literal(signature)} as signature"
            )
            connection.execute(
                f"create view meta.population as select {_literal(population['scope'])} as "
                f"population_scope, cast({population.get('fraction', 1)} as double) as fraction, "
                f"{_literal(population.get('key'))} as panel_key"
            )
            for macro in ESTIMATES:
                connection.execute(f"create macro main.{macro}")
            connection.execute("use memory")
            connection.execute("detach c")
        beside.chmod(0o640)
        beside.replace(home.catalogue)
    finally:
        beside.unlink(missing_ok=True)
        Path(f"{beside}.wal").unlink(missing_ok=True)


def _view(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    name: str,
    entry: dict[str, Any],
    population: dict[str, Any],
) -> None:
    lists = (
        [entry["files"]]
        if entry["kind"] == "history"
        else [files for _, files in sorted(entry["years"].items())]
    )
    paths = [home.lake / file for files in lists for file in files]
    schema = "main" if entry["layer"] == "marts" else "intermediate"
    relation = f"{schema}.{name}"
    selected, scope = "*", _literal(population["scope"])
    if schema == "main" and "population_scope" not in dict(entry["columns"]):
        selected += f", {scope} as population_scope"
    connection.execute(f"create view {relation} as select {selected} from {read_parquet(paths)}")
    text = entry["description"]
    if population != EVERYBODY:
        text = f"Panel, fraction {population['fraction']:g} des personnes. {text}"
    connection.execute(f"comment on view {relation} is {_literal(text)}")
    for column, description in entry["columns"]:
        if description:
            connection.execute(
                f'comment on column {relation}."{column}" is {_literal(description)}'
            )


def _references(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    manifest: dict[str, Any],
    lists: dict[str, Path],
) -> dict[str, str]:
    """Make the views ``ref_<list>``; return list name, upper case, to rows (code, label)."""
    found: dict[str, str] = {}
    for name, path in sorted(lists.items()):
        relation = f'main."ref_{name}"'
        connection.execute(f"create view {relation} as select * from {read_parquet([path])}")
        text = f"Nomenclature {name.upper()}, importée, version {path.stem}."
        connection.execute(f"comment on view {relation} is {_literal(text)}")
        # Of a code with several lives, the last one's label.
        found[name.upper()] = (
            "select code, last(label order by coalesce(valid_to, date '9999-12-31'), "
            "coalesce(valid_from, date '0001-01-01'), label) as label "
            f"from {relation} group by code"
        )
    for name, file in sorted(manifest.get("seeds", {}).items()):
        if name.removeprefix("ref_") in lists:
            continue  # an imported list of that name is what people asked for
        connection.execute(
            f'create view main."{name}" as select * from {read_parquet([home.lake / file])}'
        )
        text = f"Liste de codes {name.removeprefix('ref_')}, livrée avec les modèles."
        connection.execute(f'comment on view main."{name}" is {_literal(text)}')
        columns = [row[0] for row in connection.execute(f'describe main."{name}"').fetchall()]
        label = next((each for each in ("label", "label_fr") if each in columns), None)
        if label:
            found[name.upper()] = (
                f'select "{columns[0]}" as code, {label} as label from main."{name}"'
            )
    return found


def _labelled(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    codes: dict[str, str],
    references: dict[str, str],
) -> None:
    """Make ``<mart>_labelled``: each coded column followed by its label, NULL without its list."""
    described = connection.execute(f"describe main.{name}").fetchall()
    selected, joins = [], []
    for column, kind, *_ in described:
        selected.append(f'mart."{column}"')
        if column not in codes:
            continue
        rows = references.get(codes[column].upper())
        if rows is None:
            selected.append(f'cast(null as varchar) as "{column}_label"')
            continue
        if kind == "VARCHAR":
            key, own = "replace(upper(trim(cast(code as varchar))), '.', '')", f'mart."{column}"'
        else:  # lists write 01 or 1
            key, own = "try_cast(code as bigint)", f'cast(mart."{column}" as bigint)'
        alias = f'"of_{column}"'
        # Two codes that read alike give one label, so that no row is doubled.
        joins.append(
            f"left join (select {key} as key, max(label) as label from ({rows}) group by 1) "
            f"as {alias} on {own} = {alias}.key"
        )
        selected.append(f'{alias}.label as "{column}_label"')
    connection.execute(
        f"create view main.{name}_labelled as select {', '.join(selected)} "
        f"from main.{name} as mart {' '.join(joins)}"
    )
    connection.execute(
        f"comment on view main.{name}_labelled is "
        f"{_literal(f'{name}, avec le libellé de chaque code à sa suite (<colonne>_label).')}"
    )


def _snds(connection: duckdb.DuckDBPyConnection, name: str, parts: list[Part]) -> None:
    """Make the view of a delivered table under its SNDS name, as people of SAS know it."""
    table = contract_of(name)
    own = [column.name for column in table.columns if column.is_loaded]
    names = ", ".join(
        [f'{each.lower()} as "{each}"' for each in own] + [each for each, _ in PROVENANCE]
    )
    relation = f'snds."{table.name}"'
    connection.execute(
        f"create view {relation} as select {names} from ({relation_sql(name, parts)})"
    )
    connection.execute(f"comment on view {relation} is {_literal(table.grain)}")
    for column in table.columns:
        if column.is_loaded and column.description:
            connection.execute(
                f'comment on column {relation}."{column.name}" is {_literal(column.description)}'
            )


def _literal(text: str | None) -> str:
    return "null" if text is None else "'" + text.replace("'", "''") + "'"
