"""Direct identifiers end here: keys are normalised, then replaced by keyed pseudonyms.

Domain decision 1: trim, fold case, cut practitioner numbers to eight characters, bring
``BEN_IDT_ANO`` to one form, turn sentinels into NULL; one HMAC-SHA256 domain for each kind of
key, so that DCIR, PMSI and causes of death still join after hashing.

The secret comes from the environment (``OPENCHRONIC_SECRET``, or a file named by
``OPENCHRONIC_SECRET_FILE``), else from ``vault/pseudonym.key``, created at first use. It is never
logged. Its fingerprint is kept with each delivery: rows of two secrets must never meet.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

import duckdb

from openchronic_assets.errors import OpenChronicError
from openchronic_assets.settings import Home

SECRET_VARIABLE = "OPENCHRONIC_SECRET"
SECRET_FILE_VARIABLE = "OPENCHRONIC_SECRET_FILE"
MINIMUM_LENGTH = 32
PSEUDONYM_LENGTH = 32  # hexadecimal characters: 128 of the 256 bits of HMAC-SHA256


def load_secret(
    home: Home,
    variable: str = SECRET_VARIABLE,
    file_variable: str = SECRET_FILE_VARIABLE,
    path: Path | None = None,
) -> bytes:
    """Return the pseudonym secret of a home, creating the embedded one at first use.

    Args:
        home: where the vault is.
        variable: environment variable of the secret.
        file_variable: environment variable of the file that holds it.
        path: place of the embedded one, where it is another secret's.

    Raises:
        OpenChronicError: the secret is unreadable or shorter than 32 characters.
    """
    if value := os.environ.get(variable):
        return _checked(value, f"the environment variable {variable}")
    if name := os.environ.get(file_variable):
        given = Path(name)
        if not given.is_file():
            raise OpenChronicError(
                f"{file_variable} names a file that is not there: create it "
                "with at least 32 random characters, readable by the ingestion only"
            )
        return _checked(given.read_text(encoding="utf-8"), f"the file of {file_variable}")
    path = path or home.vault / "pseudonym.key"
    if not path.exists():
        _create(path)
    return _checked(path.read_text(encoding="utf-8"), str(path))


def _create(path: Path) -> None:
    # Written aside and linked: two first runs at once end with one secret, whole.
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(secrets.token_hex(32) + "\n")
        handle.flush()
        os.fsync(handle.fileno())
    try:
        os.link(aside, path)
    except FileExistsError:
        pass
    finally:
        aside.unlink()


def _checked(value: str, where: str) -> bytes:
    secret = value.strip()
    if len(secret) < MINIMUM_LENGTH:
        raise OpenChronicError(
            f"the pseudonym secret in {where} is shorter than {MINIMUM_LENGTH} characters: "
            "pseudonyms could be guessed; put at least 32 random characters there"
        )
    return secret.encode()


def fingerprint(secret: bytes) -> str:
    """Return a short public mark of a secret, from which it cannot be found."""
    return hmac.new(secret, b"openchronic:fingerprint", hashlib.sha256).hexdigest()[:16]


def pseudonym(secret: bytes, domain: str, normalised: str) -> str:
    """Return the pseudonym of one normalised key: the plain twin of the SQL, for tests."""
    message = f"{domain}:{normalised}".encode()
    return hmac.new(secret, message, hashlib.sha256).hexdigest()[:PSEUDONYM_LENGTH]


def install(connection: duckdb.DuckDBPyConnection, secret: bytes) -> None:
    """Create the macro ``oc_pseudonym(domain, normalised)`` in a connection.

    HMAC written as its definition, two nested SHA-256 over padded keys: DuckDB has no function of
    its own. The padded keys live in session variables, so that no SQL text carries them.
    """
    key = hashlib.sha256(secret).digest() if len(secret) > 64 else secret
    padded = key.ljust(64, b"\0")
    inner = bytes(byte ^ 0x36 for byte in padded)
    outer = bytes(byte ^ 0x5C for byte in padded)
    connection.execute("set variable oc_inner = ?::blob", [inner])
    connection.execute("set variable oc_outer = ?::blob", [outer])
    connection.execute(
        f"""
        create or replace temp macro oc_pseudonym(domain, key) as left(
            sha256(getvariable('oc_outer') || unhex(
                sha256(getvariable('oc_inner') || encode(domain || ':' || key))
            )), {PSEUDONYM_LENGTH})
        """
    )


def normalised_sql(domain: str, text: str) -> str:
    """Return the SQL that normalises a key; sentinels and blanks give NULL.

    Sentinels: a failed chaining writes 17 ``x``, the last one sometimes another letter
    (snds_model P5); practitioner ``00000000`` is a salaried or unknown one; a key of zeros alone
    is nobody's, and stays so with a rank behind it.
    """
    return f"case when {sentinel_sql(domain, text)} then null else {_key(domain, text)} end"


def sentinel_sql(domain: str, text: str) -> str:
    """Return the SQL predicate: the key is a sentinel, not somebody's. NULL gives NULL or false."""
    key = _key(domain, text)
    return f"(trim(left({key}, 17), '0') = '' or starts_with({key}, 'XXXXXXXX'))"


def key_status_sql(domain: str, text: str) -> str:
    """Return the SQL of a patient key's state: ``ok``, ``sentinel`` or ``missing``."""
    return (
        f"case when {sentinel_sql(domain, text)} then 'sentinel' "
        f"when {_key(domain, text)} is null then 'missing' else 'ok' end"
    )


def _key(domain: str, text: str) -> str:
    key = _folded(text)
    if domain == "practitioner":
        # Eight characters, or nine with the control key.
        key = f"left({key}, 8)"
    return f"nullif(nullif({key}, ''), '.')"


# What the keyboards and spreadsheets of a provider may put in place of plain letters and digits.
_WIDE = "".join(chr(code + 0xFEE0) for code in range(0x21, 0x7F))
_PLAIN = "".join(chr(code) for code in range(0x21, 0x7F))


def _folded(text: str) -> str:
    """Return the SQL that trims a key and folds case, width and invisible characters.

    Plain ASCII, as many bytes as characters, is nearly all and pays for a trim alone.
    """
    wide, plain = (each.replace("'", "''") for each in (_WIDE, _PLAIN))
    visible = (
        f"regexp_replace(translate({text}, '{wide}', '{plain}'), '[\\p{{Cf}}\\p{{Cc}}]', '', 'g')"
    )
    spaced = f"trim(regexp_replace({visible}, '\\p{{Z}}', ' ', 'g'))"
    plainly = f"trim({text}, ' ' || chr(9))"
    return f"upper(case when strlen({text}) = length({text}) then {plainly} else {spaced} end)"


def person_identity_sql(identity: str, top: str, psa: str, rank: str) -> str:
    """Return the SQL that brings ``BEN_IDT_ANO`` to one form before it is normalised.

    With ``BEN_IDT_TOP = 0`` the identity is the pseudonym followed by the rank (18 characters),
    which some deliveries cut to 17: the cut form is completed from the row's own rank, or twins
    would become one person. A cut form without a rank stays as it is: which twin it is, is not
    for us to guess.
    """
    number = f"coalesce(cast(try_cast({rank} as integer) as varchar), trim({rank}))"
    cut = f"coalesce(trim({top}), '') in ('', '0') and {_folded(identity)} = {_folded(psa)}"
    return f"case when {cut} then {_folded(psa)} || {number} else {identity} end"
