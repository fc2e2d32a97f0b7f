"""Errors that a user can meet, each with the exit code of the command line.

A message says what happened, where (file, table, line, column) and what to do next. It never
carries a value read from a delivery: those are personal data.
"""

from __future__ import annotations

import errno

_DISK = {
    errno.ENOSPC: "the disk is full: free space on it",
    errno.EDQUOT: "the quota of the disk is used up: raise it or free space",
    errno.EROFS: "the disk is read-only: make it writable",
    errno.EIO: "the disk is full or fails: free space on it or look at its health",
}
# As SQLite and DuckDB say it, which keep no number.
_SAID = {
    "disk is full": errno.ENOSPC,
    "no space left": errno.ENOSPC,
    "quota exceeded": errno.EDQUOT,
    "readonly database": errno.EROFS,
    "read-only file system": errno.EROFS,
    "disk i/o error": errno.EIO,
}


class OpenChronicError(Exception):
    """Something failed; nothing half-done is left behind. Exit code 1."""

    exit_code = 1


class UsageError(OpenChronicError):
    """The command or its arguments are wrong. Exit code 2."""

    exit_code = 2


class Refused(OpenChronicError):
    """A check or the release gate refused. Exit code 3."""

    exit_code = 3


def disk_trouble(error: BaseException) -> str | None:
    """Return what to do where an error, or one that caused it, comes from a disk; else None."""
    seen: list[BaseException] = []
    each: BaseException | None = error
    while each is not None and each not in seen:
        seen.append(each)
        number = each.errno if isinstance(each, OSError) else None
        if number is None:
            text = str(each).lower()
            number = next((code for said, code in _SAID.items() if said in text), None)
        if number in _DISK:
            return f"{_DISK[number]}, then run the same command again; nothing half-done shows"
        each = each.__cause__ or each.__context__
    return None
