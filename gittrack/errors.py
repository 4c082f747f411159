"""The errors of gittrack, one class for each person who has to act.

Every error carries the exit code that the command line ends with
(``docs/exit-codes.md``). Messages are one line: what is wrong, then what to do.
"""

from __future__ import annotations


class GittrackError(Exception):
    """Base of all expected errors; anything else that reaches a user is a bug (exit code 3)."""

    exit_code = 5


class UsageError(GittrackError):
    """What the caller gave is wrong: an option, an argument, a name, a file. The caller mends it."""

    exit_code = 2


class ConfigError(UsageError):
    """gittrack.yaml is malformed or does not follow its schema."""


class RecordError(GittrackError):
    """A record, pointer or other file of the ledger is malformed or breaks its schema."""

    exit_code = 2


class NotFoundError(UsageError):
    """No run, experiment, revision or file of that name."""


class RepositoryError(GittrackError):
    """git, the repository or the machine stands in the way: no git, no repository, no rights, disk full."""


class LedgerError(RepositoryError):
    """The ledger branch could not be read, written, merged or pushed. Nothing was lost: journals stay."""


class DvcError(RepositoryError):
    """DVC could not store or fetch bytes."""
