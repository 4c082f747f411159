"""The errors of gittrack, one class for each person who has to act.

Every error carries the exit code that the command line ends with
(``docs/exit-codes.md``). Messages are one line: what is wrong, then what to do.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager


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


MACHINE = frozenset({
    errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE,
    errno.ENFILE, errno.EAGAIN, errno.ENOMEM, errno.ESTALE,
})  # fmt: skip
"""What a system call says where neither program nor caller is wrong."""


def of_machine(error: OSError, action: str) -> RepositoryError:
    """The error of a system call that kept us from `action`, in one line."""
    where = f" ({error.filename})" if error.filename else ""
    return RepositoryError(f"cannot {action}: {error.strerror or error}{where}")


@contextmanager
def machine_errors(action: str) -> Iterator[None]:
    """Failed system calls of the block as RepositoryError."""
    try:
        yield
    except OSError as error:
        raise of_machine(error, action) from error
