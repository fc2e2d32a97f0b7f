"""Errors that a user can meet, each with the exit code of the command line.

A message says what happened, where (file, table, line, column) and what to do next. It never
carries a value read from a delivery: those are personal data.
"""


class OpenChronicError(Exception):
    """Something failed; nothing half-done is left behind. Exit code 1."""

    exit_code = 1


class UsageError(OpenChronicError):
    """The command or its arguments are wrong. Exit code 2."""

    exit_code = 2


class Refused(OpenChronicError):
    """A check or the release gate refused. Exit code 3."""

    exit_code = 3
