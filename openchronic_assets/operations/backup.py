"""Backup and restore of a home, each file compared with its hash.

``<folder>/objects/<sha256>`` holds each content once, however many backups list it;
``<folder>/manifests/<id>.json`` lists the files of one backup, written last. The vault, whose key
undoes the pseudonyms of everything else, is never among them: it leaves apart, as one archive,
through a command that encrypts it (gpg, age), or not at all.

Not taken: what is made again (catalogue, working files, the gateway's socket) and the Dagster
instance but for its settings; PostgreSQL has tools of its own.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shlex
import shutil
import stat
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from openchronic_assets import __version__, progress
from openchronic_assets.access import audit
from openchronic_assets.anonymisation.release import vault_lock
from openchronic_assets.errors import OpenChronicError, Refused, UsageError
from openchronic_assets.ingestion.deliveries import lake_lock
from openchronic_assets.settings import Home

_LEFT_OUT = ("vault", "gateway", "dagster", "lake/.scratch", "lake/catalogue.duckdb", "lake/.lock")
_BLOCK = 1 << 20


def backup(
    home: Home,
    folder: Path,
    *,
    vault: Path | None = None,
    through: str | None = None,
    lake: bool = True,
) -> dict[str, Any]:
    """Write one backup of a home.

    Args:
        home: what is saved; nothing may be ingested or released meanwhile, reading goes on.
        folder: where backups are, outside the home; contents already there are not written again.
        vault: a new file for the encrypted vault, better elsewhere than ``folder``.
        through: the command that encrypts it, from its standard input to its standard output.
        lake: take typed rows and builds too; without them they are made again from ``landing/``.

    Returns:
        ``id``, ``files``, ``bytes``, ``new_bytes``, ``vault``.

    Raises:
        UsageError: the places are wrong, or the vault has no command to encrypt it.
        OpenChronicError: a file changed while it was read, or the command failed.
    """
    folder = folder.expanduser().resolve()
    if folder.is_relative_to(home.root):
        raise UsageError("a backup inside the home would be lost with it: give another disk")
    if (vault is None) != (through is None):
        raise UsageError(
            "the vault is written by --vault-to FILE with --vault-through 'gpg --encrypt "
            "--recipient KEY' (or age): never unencrypted"
        )
    if vault is not None and vault.exists():
        raise UsageError(f"{vault} exists: give a new file")
    for each in (folder, folder / "objects", folder / "manifests"):
        each.mkdir(mode=0o700, parents=True, exist_ok=True)
    held = shlex.split(through) if through else []
    with vault_lock(home), lake_lock(home, shared=True):
        pointer = home.pointer.read_bytes() if home.pointer.is_file() else None
        listed = [*_files(home, lake)]
        entries, new = [], 0
        for number, path in enumerate(listed, start=1):
            # The pointer as it was first read: the files it names stay for days.
            data = pointer if path == home.pointer else None
            digest, size, written = _keep(folder / "objects", path, data)
            new += written
            found = path.stat()
            entries.append(
                {
                    "path": path.relative_to(home.root).as_posix(),
                    "sha256": digest,
                    "size": size,
                    "mode": stat.S_IMODE(found.st_mode),
                    "mtime_ns": found.st_mtime_ns,
                }
            )
            progress.report("backup", number, len(listed))
        if vault is not None:
            _encrypted(home, vault, held)
        head = audit.head(home)
    now = datetime.now(UTC)
    document = {
        "id": f"{now:%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:6]}",
        "time": now.isoformat(timespec="seconds"),
        "version": __version__,
        "journal_head": head,
        "lake": lake,
        "vault": vault is not None,
        "folders": _folders(home, lake),
        "files": entries,
    }
    _write(folder / "manifests" / f"{document['id']}.json", _bytes(document))
    told = {
        "id": document["id"],
        "files": len(entries),
        "bytes": sum(int(str(each["size"])) for each in entries),
        "new_bytes": new,
        "vault": vault is not None,
    }
    audit.record(home, "backup_written", **told)
    return told


def restore(
    home: Home,
    folder: Path,
    *,
    identifier: str | None = None,
    vault: Path | None = None,
    through: str | None = None,
) -> dict[str, Any]:
    """Write a backup into an empty home; the home appears whole, or not at all.

    Args:
        home: a folder that is not there, or is empty.
        folder: where backups are.
        identifier: which one; the newest where none is named.
        vault: the file of the encrypted vault.
        through: the command that decrypts it.

    Raises:
        Refused: the home holds something, or a content is not that of its hash.
        UsageError: there is no such backup.
    """
    if home.root.exists() and any(home.root.iterdir()):
        raise Refused(f"{home.root} is not empty: a backup is restored into an empty home only")
    if (vault is None) != (through is None):
        raise UsageError("the vault is read by --vault-from FILE with --vault-through COMMAND")
    document = _manifest(folder, identifier)
    beside = home.root.with_name(f".{home.root.name}.{uuid.uuid4().hex[:8]}")
    place = Home(beside)
    try:
        beside.mkdir(mode=0o755, parents=True)
        place.create()
        for relative, mode in document["folders"].items():
            folder_of = _inside(beside, relative)
            folder_of.mkdir(parents=True, exist_ok=True)
            folder_of.chmod(mode)
        for number, entry in enumerate(document["files"], start=1):
            _give_back(folder / "objects", beside, entry)
            progress.report("restore", number, len(document["files"]))
        if vault is not None:
            _decrypted(place, vault, shlex.split(through or ""))
        if home.root.exists():
            home.root.rmdir()
        beside.replace(home.root)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    told = {
        "id": document["id"],
        "files": len(document["files"]),
        "bytes": sum(each["size"] for each in document["files"]),
        "vault": vault is not None,
    }
    if vault is not None:
        # What was entered after the backup is gone, and the chain goes on from there.
        audit.record(home, "backup_restored", **told, journal_head=document["journal_head"])
    return told


# --- files --------------------------------------------------------------------------------------


def _files(home: Home, lake: bool) -> Iterator[Path]:
    for path in sorted(home.root.rglob("*")):
        if path.is_file() and not path.is_symlink() and _is_taken(home, path, lake):
            yield path
    settings = home.dagster / "dagster.yaml"
    if settings.is_file():
        yield settings


def _is_taken(home: Home, path: Path, lake: bool) -> bool:
    relative = path.relative_to(home.root)
    if any(relative.is_relative_to(each) for each in _LEFT_OUT):
        return False
    if any(part.startswith(".attempt-") for part in relative.parts):
        return False
    rows = ("lake/raw", "lake/quarantine", "lake/builds", "lake/current.json", "lake/deliveries")
    return lake or not any(relative.is_relative_to(each) for each in rows)


def _folders(home: Home, lake: bool) -> dict[str, int]:
    return {
        path.relative_to(home.root).as_posix(): stat.S_IMODE(path.stat().st_mode)
        for path in sorted(home.root.rglob("*"))
        if path.is_dir() and not path.is_symlink() and _is_taken(home, path, lake)
    }


def _keep(objects: Path, path: Path, data: bytes | None) -> tuple[str, int, int]:
    """Put a content among the objects; return its hash, its size and what was newly written."""
    digest, size = _digest(path, data)
    target = objects / digest[:2] / digest
    if target.is_file() and target.stat().st_size == size:
        return digest, size, 0
    target.parent.mkdir(mode=0o700, exist_ok=True)
    aside = target.with_name(f".{digest}.{os.getpid()}")
    try:
        if data is None:
            shutil.copyfile(path, aside)
        else:
            aside.write_bytes(data)
        if _digest(aside, None)[0] != digest:
            raise OpenChronicError(
                f"{path.name} changed while it was saved: let what writes to the home end, then "
                "run the backup again"
            )
        aside.chmod(0o600)
        _sync(aside)
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)
    return digest, size, size


def _give_back(objects: Path, root: Path, entry: dict[str, Any]) -> None:
    source = objects / entry["sha256"][:2] / entry["sha256"]
    target = _inside(root, entry["path"])
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        raise Refused(
            f"the backup lacks the content of {entry['path']} ({error.strerror}): nothing was "
            "restored; take an older backup"
        ) from None
    if _digest(target, None) != (entry["sha256"], entry["size"]):
        raise Refused(
            f"the backup's content of {entry['path']} is not what was saved: nothing was restored; "
            "take another copy of the backup"
        )
    target.chmod(entry["mode"])
    os.utime(target, ns=(entry["mtime_ns"], entry["mtime_ns"]))


def _inside(root: Path, relative: str) -> Path:
    """Return a path of a manifest under the home, wherever the manifest would have it."""
    path = Path(relative)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise Refused("the manifest names a file outside the home: it was changed")
    return root / path


def _manifest(folder: Path, identifier: str | None) -> dict[str, Any]:
    every = sorted((folder / "manifests").glob("[0-9]*.json"))
    found = [p for p in every if identifier in (None, p.stem)]
    if not found:
        known = ", ".join(path.stem for path in every[-5:]) or "none"
        raise UsageError(f"no such backup in {folder}; the last ones: {known}")
    try:
        document: dict[str, Any] = json.loads(found[-1].read_text(encoding="utf-8"))
        said = document.pop("manifest_sha256")
    except (ValueError, KeyError):
        said, document = "", {}
    if hashlib.sha256(_plain(document)).hexdigest() != said:
        raise Refused(f"the manifest {found[-1].name} was changed or cut: take another backup")
    return document


def _plain(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, ensure_ascii=False).encode()


def _bytes(document: dict[str, Any]) -> bytes:
    mark = hashlib.sha256(_plain(document)).hexdigest()
    return _plain({**document, "manifest_sha256": mark})


def _digest(path: Path, data: bytes | None) -> tuple[str, int]:
    if data is not None:
        return hashlib.sha256(data).hexdigest(), len(data)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return digest, file.tell()


def _write(path: Path, data: bytes) -> None:
    aside = path.with_name(f".{path.name}")
    aside.write_bytes(data)
    aside.chmod(0o600)
    _sync(aside)
    aside.replace(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# --- the vault ----------------------------------------------------------------------------------


def _encrypted(home: Home, target: Path, command: list[str]) -> None:
    """Write the vault as an archive through a command; what is unencrypted stays in memory."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(home.vault, arcname="vault")
    data = _through(command, archive.getvalue(), "encrypts")
    key = home.vault / "pseudonym.key"
    if not data or (key.is_file() and key.read_bytes().strip() in data):
        raise Refused(
            "the command gave the vault back unencrypted, or nothing: it was not written; try gpg "
            "--encrypt --recipient KEY"
        )
    _write(target, data)


def _decrypted(place: Home, source: Path, command: list[str]) -> None:
    try:
        data = _through(command, source.read_bytes(), "decrypts")
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            tar.extractall(place.root, filter="data")
    except (OSError, tarfile.TarError):
        raise Refused("the file of the vault cannot be read after decryption") from None
    place.vault.chmod(0o700)


def _through(command: list[str], data: bytes, does: str) -> bytes:
    try:
        done = subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True)
    except (OSError, subprocess.CalledProcessError):
        raise OpenChronicError(
            f"the command that {does} the vault failed: try it by hand; nothing was written"
        ) from None
    return done.stdout
