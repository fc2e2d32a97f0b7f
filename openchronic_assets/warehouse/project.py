"""The dbt project seen from Python: where it is, what its models declare, a hash of its code."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from openchronic_assets.contracts import load
from openchronic_assets.errors import OpenChronicError, UsageError
from openchronic_assets.settings import Home
from openchronic_assets.warehouse.raw import columns

PROJECT_VARIABLE = "OPENCHRONIC_DBT_PROJECT"
# Where dbt keeps what it parsed for the next process; a home's scratch folder by default. What it
# parsed does not depend on the home, so that many homes may share it (the tests do).
PARSED_VARIABLE = "OPENCHRONIC_DBT_PARSED"
TARGETS = ("duckdb", "spark")
Window = int | Literal["all"]

# What decides the rows of a model. Descriptions and tests (other YAML) do not.
_CODE = ("models/**/*.sql", "macros/**/*.sql", "seeds/**/*", "dbt_project.yml")


@dataclass(frozen=True)
class Model:
    """A model that is written to the store.

    ``look_back`` and ``look_ahead`` are declared: which years around Y of the raw tables and of
    yearly models its rows of year Y are made from. For a history model they say the same of a
    reader of year Y: which care years can change what that reader sees. ``windows`` follows: raw
    table → years back and ahead, through whatever models. ``reads`` names the models of the store
    that it is made from, directly or through views.
    """

    name: str
    kind: Literal["yearly", "history"]
    layer: str
    look_back: Window
    look_ahead: Window
    reads_referentials: bool
    unique_key: tuple[str, ...]
    windows: dict[str, tuple[Window, Window]]
    description: str
    columns: tuple[tuple[str, str], ...]
    codes: tuple[tuple[str, str], ...] = ()  # coded column -> its list, or a seed of ours (ref_…)
    reads: frozenset[str] = frozenset()

    def to_json(self) -> dict[str, Any]:
        """Return what staleness needs, as kept in the manifest."""
        return {
            "kind": self.kind,
            "look_back": self.look_back,
            "look_ahead": self.look_ahead,
            "reads_referentials": self.reads_referentials,
            "windows": {table: list(window) for table, window in self.windows.items()},
        }


def project_dir() -> Path:
    """Return the folder of the dbt project: ``OPENCHRONIC_DBT_PROJECT`` or the checkout's own.

    Raises:
        UsageError: there is no dbt project there.
    """
    default = Path(__file__).resolve().parents[2] / "dbt_project"
    path = Path(os.environ.get(PROJECT_VARIABLE) or default).resolve()
    if not (path / "dbt_project.yml").is_file():
        raise UsageError(f"no dbt project in {path}; set {PROJECT_VARIABLE} to its folder")
    return path


def code_hash() -> str:
    """Return a short hash of all that decides what models contain, contracts' types included."""
    digest = hashlib.sha256()
    root = project_dir()
    for path in sorted({path for pattern in _CODE for path in root.glob(pattern)}):
        if path.is_file():
            digest.update(path.relative_to(root).as_posix().encode() + b"\0")
            digest.update(path.read_bytes() + b"\0")
    from openchronic_assets.warehouse.sources import staged

    for name in staged():
        digest.update(repr((load(name).raw_name, columns(load(name)))).encode())
    return digest.hexdigest()[:16]


def models(home: Home, target: str = "duckdb") -> dict[str, Model]:
    """Return the models of the store, parents before children as far as names can tell.

    Raises:
        OpenChronicError: dbt cannot parse the project, or a model lacks a declaration.
    """
    return _models(parsed(home, target))


def staged_tables(home: Home, target: str = "duckdb") -> set[str]:
    """Return the lake names of the raw tables that the models read."""
    return {source.name for source in parsed(home, target).sources.values()}


def seeds(home: Home, target: str = "duckdb") -> dict[str, tuple[Path, dict[str, str]]]:
    """Return the seeds of the project: name to its file and the types of its columns."""
    return {
        node.name: (project_dir() / node.original_file_path, dict(node.config.column_types))
        for node in parsed(home, target).nodes.values()
        if node.resource_type == "seed"
    }


def parsed(home: Home, target: str) -> Any:
    """Return dbt's manifest of the project, parsed once a process for each state of its files."""
    folder = os.environ.get(PARSED_VARIABLE) or str(home.scratch)
    return _parsed(folder, target, _tree_hash(), os.environ.get(PROJECT_VARIABLE))


def _tree_hash() -> str:
    digest = hashlib.sha256()
    root = project_dir()
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        if relative.parts[0] not in ("target", "logs") and path.is_file():
            digest.update(relative.as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


@functools.lru_cache(maxsize=8)
def _parsed(kept_in: str, target: str, tree: str, project: str | None) -> Any:
    # dbt's import costs two seconds: only those who parse pay it.
    from dbt.cli.main import dbtRunner

    from openchronic_assets.warehouse.run import quiet_arguments, quiet_environment

    place = hashlib.sha256(str(project_dir()).encode()).hexdigest()[:8]
    folder = Path(kept_in) / f"dbt-{target}-{place}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as lock, quiet_environment(folder):
        fcntl.flock(lock, fcntl.LOCK_EX)
        outcome = dbtRunner().invoke(["parse", *quiet_arguments(folder, target)])
    if not outcome.success:
        raise OpenChronicError(
            f"dbt cannot parse {project_dir()}: {outcome.exception or 'see its message'}"
        )
    return outcome.result


def _models(manifest: Any) -> dict[str, Model]:
    found: dict[str, Model] = {}
    for node in manifest.nodes.values():
        if node.resource_type != "model" or node.config.materialized not in ("yearly", "history"):
            continue
        meta = node.config.meta
        missing = {"kind", "look_back", "look_ahead", "reads_referentials"} - set(meta)
        if missing or meta["kind"] != node.config.materialized:
            raise OpenChronicError(
                f"model {node.name}: its config's meta must hold kind (as materialized), "
                f"look_back, look_ahead and reads_referentials; missing or wrong: "
                f"{sorted(missing) or 'kind'}"
            )
        found[node.name] = Model(
            name=node.name,
            kind=meta["kind"],
            layer=node.fqn[1],
            look_back=meta["look_back"],
            look_ahead=meta["look_ahead"],
            reads_referentials=bool(meta["reads_referentials"]),
            unique_key=tuple(node.config.unique_key or ()),
            windows=_windows(manifest, node.unique_id),
            description=node.description,
            columns=tuple((c.name, c.description) for c in node.columns.values()),
            codes=tuple(
                (c.name, str(c.config.meta["nomenclature"]))
                for c in node.columns.values()
                if "nomenclature" in c.config.meta
            ),
            reads=frozenset(_reads(manifest, node.unique_id)),
        )
    return dict(sorted(found.items()))


def _reads(manifest: Any, unique_id: str) -> Iterator[str]:
    """Yield the models of the store that a model or view reads."""
    for parent in manifest.nodes[unique_id].depends_on.nodes:
        node = manifest.nodes.get(parent)
        if node is None or node.resource_type != "model":
            continue
        if node.config.materialized in ("yearly", "history"):
            yield node.name
        else:
            yield from _reads(manifest, parent)


def with_ancestors(known: Mapping[str, Model], names: Iterable[str]) -> set[str]:
    """Return models and all models of the store that they are made from."""
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += known[name].reads
    return found


def _windows(manifest: Any, unique_id: str) -> dict[str, tuple[Window, Window]]:
    """Return raw table → (years back, years ahead) of a model, a view, a seed or a source."""
    if unique_id in manifest.sources:
        return {manifest.sources[unique_id].name: (0, 0)}
    node = manifest.nodes[unique_id]
    materialized = node.config.materialized
    back, ahead = node.config.meta.get("look_back", 0), node.config.meta.get("look_ahead", 0)
    found: dict[str, tuple[Window, Window]] = {}
    # A seed depends on macros only.
    for parent in getattr(node.depends_on, "nodes", []):
        # What a history model lets through of the past is its own affair, whoever reads it; who
        # looks ahead sees what the history tells of those years.
        shift = (0, ahead) if _is_history(manifest, parent) else (back, ahead)
        for table, (theirs_back, theirs_ahead) in _windows(manifest, parent).items():
            if materialized == "history":
                window = (back, ahead)
            else:
                window = (_add(theirs_back, shift[0]), _add(theirs_ahead, shift[1]))
            before = found.get(table, (0, 0))
            found[table] = (_widest(before[0], window[0]), _widest(before[1], window[1]))
    return dict(sorted(found.items()))


def _is_history(manifest: Any, unique_id: str) -> bool:
    node = manifest.nodes.get(unique_id)
    return node is not None and node.config.materialized == "history"


def _add(one: Window, other: Window) -> Window:
    return "all" if one == "all" or other == "all" else one + other


def _widest(one: Window, other: Window) -> Window:
    return "all" if one == "all" or other == "all" else max(one, other)
