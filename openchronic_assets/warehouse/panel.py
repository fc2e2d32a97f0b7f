"""The panel: a share of the people, drawn by a keyed hash of who they are.

A person is in the panel when the HMAC of their identifier, read as a number between 0 and 1, is
below the share. The same key draws the same people in any year, delivery or machine; newborns and
newcomers enter by the same draw and the dead leave, so the panel stays open and keeps its share.
The key is a secret of its own (``OPENCHRONIC_PANEL_SECRET``, a file named by
``OPENCHRONIC_PANEL_SECRET_FILE``, else ``vault/panel.key``): without it nobody can tell from an
identifier whether somebody was drawn.

What a home holds is a setting, ``lake/panel.json``, that every build reads. In a home with a panel
a build first resolves identities over the whole referential, as ever, then extracts the rows of the
panel's people from the raw tables (reimbursements and all that hangs on them, stays, certificates)
and runs the same models on them. Formulas of the estimates: docs/panel.md.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow.parquet as pq

from openchronic_assets import duck
from openchronic_assets.contracts import Table
from openchronic_assets.errors import OpenChronicError, UsageError
from openchronic_assets.ingestion import identity
from openchronic_assets.settings import Home
from openchronic_assets.slices import Part, in_slices_sql
from openchronic_assets.warehouse import inputs as raw_inputs
from openchronic_assets.warehouse.project import with_ancestors
from openchronic_assets.warehouse.raw import contract_of, read_parquet, relation_sql

if TYPE_CHECKING:
    from openchronic_assets.warehouse.builds import Plan

SECRET_VARIABLE = "OPENCHRONIC_PANEL_SECRET"
SECRET_FILE_VARIABLE = "OPENCHRONIC_PANEL_SECRET_FILE"
DOMAIN = "panel"
PEOPLE = "panel_person.parquet"  # in a plan's scratch folder
EVERYBODY: dict[str, Any] = {"scope": "exhaustive"}

# Rows that say who is who: identities are resolved on all of them, or a person drawn would change
# with those who are not. The models keep the panel's people afterwards.
WHOLE = ("ir_ben_r", "ir_ben_r_arc", "pseudonym_crosswalk")
IDENTITY = ("int_person", "int_psa", "int_person_key", "int_person_alias")
# Models that hold everybody in a home with a panel too; its catalogue does not show them.
IDENTITIES = ("int_psa", "int_person_key", "int_person_alias", "int_pseudonym_renewal")

_PSA = ("ben_nir_psa", "nir_ano_17")
_PERSON = ("ben_idt_ano", "ben_nir_ano")
_LINE_KEY = (
    "dct_ord_num", "flx_dis_dtd", "flx_emt_num", "flx_emt_ord", "flx_emt_typ", "flx_trt_dtd",
    "org_cle_num", "prs_ord_num", "rem_typ_aff",
)  # fmt: skip
# The table that names the person of the others of its product, and the key they share.
_CHAININGS: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "DCIR": (("er_prs_f", _LINE_KEY), ("er_prs_f", _LINE_KEY[:7])),
    "PMSI_MCO": (
        ("t_mcoaac", ("_table_year", "eta_num", "rsa_num")),
        ("t_mcoaacstc", ("_table_year", "eta_num", "seq_num")),
    ),
    "PMSI_SSR": (
        ("t_ssraac", ("_table_year", "eta_num", "rha_num")),
        ("t_ssraacstc", ("_table_year", "eta_num", "seq_num")),
    ),
    "PMSI_HAD": (("t_hadaac", ("_table_year", "eta_num_epmsi", "rhad_num")),),
    "PMSI_RIMP": (("t_ripaac", ("_table_year", "eta_num_epmsi", "rip_num")),),
    "CARTOGRAPHIE": (("ct_ide_aaaa_gn", ("_table_year", "id_carto")),),
}
# Open files and lists of providers, drugs and places: nobody is in them.
_LISTS = (
    "da_pra_r", "be_ide_r", "ir_pha_r", "open_deprivation", "open_development_index",
    "open_territory", "open_establishments", "open_insured_population", "open_professionals",
    "open_resident_population",
    "t_mcoaae", "t_ssraae", "t_hadaae", "t_ripaae",
)  # fmt: skip


def load_secret(home: Home) -> bytes:
    """Return the panel's secret, creating the embedded one at first use.

    Raises:
        OpenChronicError: the secret is unreadable or shorter than 32 characters.
    """
    return identity.load_secret(
        home,
        variable=SECRET_VARIABLE,
        file_variable=SECRET_FILE_VARIABLE,
        path=home.vault / "panel.key",
    )


def population(home: Home) -> dict[str, Any]:
    """Return whom the builds of a home hold: ``scope`` and, of a panel, ``fraction`` and ``key``.

    Raises:
        OpenChronicError: the setting is damaged.
    """
    try:
        found = json.loads(home.panel.read_text(encoding="utf-8"))
        fraction = float(found["fraction"])
        setting = {"scope": "panel", "fraction": fraction, "key": str(found["key"])}
    except FileNotFoundError:
        return dict(EVERYBODY)
    except (ValueError, KeyError, TypeError) as error:
        raise OpenChronicError(
            f"{home.panel} is damaged; set it again: openchronic panel --fraction F"
        ) from error
    if not 0 < fraction < 1:
        raise OpenChronicError(
            f"the fraction of {home.panel} is not between 0 and 1; set it again: "
            "openchronic panel --fraction F"
        )
    return setting


def choose(home: Home, fraction: float | None = None, size: int | None = None) -> dict[str, Any]:
    """Set the panel of a home; the next build writes everything again for it.

    Args:
        home: where the lake is.
        fraction: share of the people, between 0 and 1, both excluded.
        size: expected number of people among those known today, in place of the share.

    Returns:
        The setting: ``scope``, ``fraction``, ``key`` (fingerprint), ``known`` people counted for a
        size.

    Raises:
        UsageError: neither or both are given, out of bounds, or more people than are known.
    """
    if (fraction is None) == (size is None):
        raise UsageError("give the panel one of --fraction (between 0 and 1) and --size (people)")
    known = None
    if size is not None:
        known = known_people(home)
        if not 0 < size < known:
            raise UsageError(
                f"a panel of {size} people is not less than the {known} known in {home.root}; "
                "give a smaller --size, or --everybody to build them all"
            )
        fraction = size / known
    assert fraction is not None
    if not 0 < fraction < 1:
        raise UsageError(
            f"--fraction {fraction} is not between 0 and 1; --everybody builds them all"
        )
    home.create()
    setting = {"fraction": fraction, "key": identity.fingerprint(load_secret(home))}
    from openchronic_assets.warehouse.builds import replace_text

    replace_text(home.panel, json.dumps(setting, indent=1, sort_keys=True) + "\n")
    return {**population(home), **({} if known is None else {"known": known})}


def leave(home: Home) -> dict[str, Any]:
    """Give up the panel of a home: the next build holds everybody."""
    home.panel.unlink(missing_ok=True)
    return population(home)


def known_people(home: Home) -> int:
    """Return how many identities the referential and its archive hold, fictitious ones excepted."""
    parts = raw_inputs.raw_files(home)
    rows = " union all ".join(
        f"select ben_idt_ano, ben_nir_ano, ben_nir_psa, ben_rng_gem, ben_cdi_nir "
        f"from ({relation_sql(name, parts[name])})"
        for name in ("ir_ben_r", "ir_ben_r_arc")
    )
    with duck.connect() as connection:
        found = connection.execute(
            f"""
            select count(distinct coalesce(
                ben_idt_ano, ben_nir_ano, concat_ws('|', ben_nir_psa, ben_rng_gem)
            ))
            from ({rows})
            where coalesce(trim(ben_cdi_nir), '') not in
                ('01', '05', '06', '08', '09', '11', '12', '13', '14', '15')
            """
        ).fetchone()
    return int(found[0]) if found else 0


def score_sql(identifier: str) -> str:
    """Return the SQL of a person's draw, uniform in [0, 1): 52 bits of the keyed hash.

    The connection must have the panel's secret (``identity.install``).
    """
    return (
        f"cast(concat('0x', left(oc_pseudonym('{DOMAIN}', {identifier}), 13)) as bigint) / 2.0**52"
    )


def score(secret: bytes, identifier: str) -> float:
    """Return a person's draw: the plain twin of the SQL."""
    return int(identity.pseudonym(secret, DOMAIN, identifier)[:13], 16) / 2.0**52


def draw(connection: duckdb.DuckDBPyConnection, secret: bytes, fraction: float) -> None:
    """Make the tables of the panel's people from those of identity.

    The connection holds ``int_person``, ``int_person_key``, ``int_psa``, ``int_person_alias`` and
    ``crosswalk (old_id, new_id)``. The draw of a person is that of their first identifier: what a
    renewal or a completed number made of it changes nothing. Made: ``panel_person``,
    ``panel_couple``, ``panel_psa`` (pseudonyms that stand for one person, who is drawn),
    ``panel_name`` (every identifier of a person drawn).
    """
    identity.install(connection, secret)
    connection.execute(
        f"""
        create temp table first_name as
        select person.person_id, coalesce(min(alias.person_alias), person.person_id) as first_id
        from (
            select person_id from int_person
            union
            select person_id from int_person_key where person_id is not null
        ) as person
        left join (
            select person_alias, person_id from int_person_alias
            where person_alias not in (
                select new_id from crosswalk
                where new_id is not null and old_id is not null and new_id <> old_id
            )
        ) as alias on person.person_id = alias.person_id
        group by person.person_id;
        create temp table panel_person as
        select person_id from first_name where {score_sql("first_id")} < {fraction!r}
        order by person_id;
        create temp table panel_couple as
        select psa, birth_rank from int_person_key semi join panel_person using (person_id);
        create temp table panel_psa as
        select psa from int_psa semi join panel_person using (person_id);
        create temp table panel_name as
        select person_id as name from panel_person
        union
        select person_alias from int_person_alias semi join panel_person using (person_id);
        """
    )


def extract(plan: Plan, files: Mapping[str, Sequence[Part]]) -> dict[str, list[Part]]:
    """Return the raw files of the panel's people, extracted from those of everybody.

    What was extracted for the same people from the same files is found again, so a new delivery
    costs its own files. ``PEOPLE`` is written into the plan's scratch folder.

    Raises:
        OpenChronicError: the secret is not the one that the panel was set with, or identities
            could not be resolved.
    """
    secret = load_secret(plan.home)
    if identity.fingerprint(secret) != plan.population["key"]:
        raise OpenChronicError(
            "the panel's secret is not the one the panel was set with: give that one back "
            f"({SECRET_VARIABLE} or vault/panel.key), or draw anew: openchronic panel --fraction F"
        )
    resolved = _identities(plan)
    try:
        with duck.connect() as connection:
            connection.execute(f"set threads = {plan.threads}")
            for name in IDENTITY:
                listed = read_parquet([resolved.path(pair) for pair in resolved.pairs
                                       if pair.model == name])  # fmt: skip
                connection.execute(f"create view {name} as select * from {listed}")
            steps = relation_sql("pseudonym_crosswalk", files.get("pseudonym_crosswalk", []))
            connection.execute(
                "create view crosswalk as select old_idt_ano as old_id, new_idt_ano as new_id "
                f"from ({steps})"
            )
            draw(connection, secret, plan.population["fraction"])
            people = plan.scratch / PEOPLE
            connection.execute(f"copy panel_person to '{_text(people)}' (format parquet)")
            folder = plan.home.scratch / "panel" / _signature(plan)
            _sweep(folder)
            found: dict[str, list[Part]] = {}
            # Lines and chainings first: the others follow them.
            for name in sorted(files, key=lambda name: (_parent(name) is not None, name)):
                parent = _parent(name)
                found[name] = [
                    part
                    for each in files[name]
                    for part in _restrict(connection, plan, folder, name, each, parent, found)
                ]
            return found
    finally:
        shutil.rmtree(resolved.folder, ignore_errors=True)
        shutil.rmtree(resolved.scratch, ignore_errors=True)


def _identities(plan: Plan) -> Plan:
    """Run the models of identity over the whole referential, aside, and return their plan."""
    from openchronic_assets.warehouse import run
    from openchronic_assets.warehouse.builds import Pair

    aside = dataclasses.replace(
        plan,
        build_id=f"{plan.build_id}-identity",
        target="duckdb",
        pairs=tuple(Pair(name, None) for name in sorted(with_ancestors(plan.models, IDENTITY))),
        carried={},
        population=EVERYBODY,
    )
    run.prepare(aside)
    selected = [f"+{name}" for name in IDENTITY]
    arguments = ["build", "--select", *selected]
    for kind in ("test", "unit_test"):
        arguments += ["--exclude-resource-type", kind]
    outcome = run.invoke(aside, arguments)
    if not outcome.success:
        first = run.failures_of(aside, outcome)[0]
        raise OpenChronicError(
            f"the panel could not be drawn: {first['model']}: {first['error']}; nothing was "
            "published, run again"
        )
    return aside


def _signature(plan: Plan) -> str:
    """Return what the people drawn depend on: the setting, the referentials and the rules."""
    text = json.dumps([plan.population, raw_inputs.vintage(plan.inputs), plan.code])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _sweep(folder: Path) -> None:
    """Make the folder of the extracts and delete those of other panels and referentials."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for other in folder.parent.iterdir():
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)


def _parent(name: str) -> tuple[str, tuple[str, ...]] | None:
    """Return the table that names the person of a table's rows, and the key they share."""
    table = contract_of(name)
    names = _columns(table)
    if names & {*_PSA, *_PERSON}:
        return None
    for parent, key in _CHAININGS.get(table.product, ()):
        if parent != name and set(key) - {"_table_year"} <= names:
            return parent, key
    return None


def _columns(table: Table) -> set[str]:
    return {column.lake_name for column in table.columns if column.is_loaded}


def _predicate(names: set[str]) -> str | None:
    """Return the condition under which a row of these columns is of the panel.

    None where it names nobody: of aggregates and of local files nothing is of the panel.
    """
    psa = next((each for each in _PSA if each in names), None)
    if psa and "ben_rng_gem" in names:
        return f"({psa}, coalesce(ben_rng_gem, -1)) in (select (psa, birth_rank) from panel_couple)"
    if psa:
        return f"{psa} in (select psa from panel_psa)"
    listed = ", ".join(each for each in _PERSON if each in names)
    return f"coalesce({listed}) in (select name from panel_name)" if listed else None


def _restrict(
    connection: duckdb.DuckDBPyConnection,
    plan: Plan,
    folder: Path,
    name: str,
    part: Part,
    parent: tuple[str, tuple[str, ...]] | None,
    found: Mapping[str, Sequence[Part]],
) -> list[Part]:
    """Return what stands for a raw file in the panel: itself, or the extract of its rows."""
    if name in WHOLE or name in _LISTS:
        return [part]
    # A year's structure may lack columns that the contract knows.
    present = {column.lower() for column in pq.read_schema(part.path).names}
    file = plan.inputs[name][part.path.relative_to(plan.home.lake).as_posix()]
    where = "true" if part.months is None else in_slices_sql(contract_of(name), part.months)
    if parent is None:
        if (predicate := _predicate(present)) is None:
            return []
        mark, where = file.id, f"{where} and {predicate}"
    else:
        table, key = parent
        beside = [one.path for one in found.get(table, []) if _meets(plan, file, table, one.path)]
        if not beside or not set(key) <= present:
            return []
        columns = ", ".join(key)
        where = f"{where} and ({columns}) in (select ({columns}) from {read_parquet(beside)})"
        mark = raw_inputs.fingerprint([file.id, *(one.stem for one in beside)])
    # The name says what it was made from: the parents that it met, by their own names.
    target = folder / name / f"{_of(file)}-{mark.replace(':', '-')}.parquet"
    if not target.is_file():
        target.parent.mkdir(exist_ok=True)
        aside = target.with_suffix(f".{os.getpid()}")
        connection.execute(
            f"copy (select * from {read_parquet([part.path])} where {where}) "
            f"to '{_text(aside)}' (format parquet, compression zstd)"
        )
        aside.replace(target)
    return [Part(target)]


def _of(file: raw_inputs.RawFile) -> str:
    """Return the periods of a file in its extract's name: flux months, else care years."""
    return hashlib.sha256(json.dumps(_periods(file)).encode()).hexdigest()[:8]


def _periods(file: raw_inputs.RawFile) -> list[str]:
    return sorted(file.flux or file.care)


def _meets(plan: Plan, file: raw_inputs.RawFile, table: str, extract: Path) -> bool:
    """Say whether an extract may hold lines of a file: they share a flux month or a table year."""
    periods = set(_periods(file))
    return any(
        extract.name.startswith(f"{_of(other)}-{other.id.replace(':', '-')}.")
        and bool(periods & set(_periods(other)))
        for other in plan.inputs[table].values()
    )


def _text(path: Path) -> str:
    return str(path).replace("'", "''")


def total(values: Iterable[float], fraction: float) -> tuple[float, float]:
    """Return the estimate of a total over everybody and its sampling variance.

    Args:
        values: one a person of the panel (a person with nothing adds nothing); 1 each for a count.
            Rows of the same person are summed first: people are drawn, not rows.
        fraction: share drawn, in (0, 1].

    Returns:
        ``(Σ y / f, (1 - f) / f² Σ y²)``: Horvitz-Thompson under Bernoulli sampling, both unbiased.

    Raises:
        UsageError: the fraction is out of bounds.
    """
    if not 0 < fraction <= 1:
        raise UsageError(f"fraction {fraction} is not in ]0, 1]")
    listed = [float(value) for value in values]
    return (
        sum(listed) / fraction,
        (1 - fraction) / fraction**2 * sum(value * value for value in listed),
    )
