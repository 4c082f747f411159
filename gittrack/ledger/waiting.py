"""Why refs do not move, and how long that is tried again: a lost race, a lock that is held, or a refusal."""

from __future__ import annotations

import logging
import os
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal

from gittrack.errors import LedgerError, RepositoryError
from gittrack.git.process import explain

log = logging.getLogger("gittrack")

SAID_AFTER_S = 1.0
"""Of a longer wait people are told."""
HELD_S = 8.0
"""How long something that may go away, such as a lock, is waited for."""
RACING_S = 120.0
"""How long a race is run that others win."""
LEFT_AFTER_S = 60.0
"""A lock file that is older belongs to a git that died: locks on refs are held for milliseconds."""

Reason = Literal["race", "refusal", "unclear"]

_RACE = re.compile(
    rb"is at [0-9a-f]+ but expected|reference already exists|unable to resolve reference"
    rb"|reference is missing but expected|fetch first|non-fast-forward|stale info|incorrect old value"
    rb"|remote ref updated since checkout|needs force"
)
_REFUSAL = re.compile(
    rb"exists; cannot create|aborted by hook|non-directory in the way|unable to append to"
    rb"|[Pp]ermission denied|insufficient permission|Read-only file system|No space left|quota exceeded"
)
_LOCK = re.compile(rb"Unable to create '([^'\n]+\.lock)': File exists")


def reason_of(err: bytes) -> Reason:
    """What git's message means for another try: the same again, in vain, or it may help."""
    if _REFUSAL.search(err):
        return "refusal"
    return "race" if _RACE.search(err) else "unclear"


class Patience:
    """The tries of one change of refs: how long it has been waited, and for what."""

    def __init__(self, action: str) -> None:
        self._action = action
        self._began = time.monotonic()
        self._held_since: float | None = None
        self._holder: object = None
        self._tries = 0
        self._told = False

    def after(self, err: bytes, why: str = "", reason: Reason | None = None) -> None:
        """Wait until the next try, after one that git refused with `err`.

        LedgerError where another is of no use: it is no race, and what stands in the way stays there.
        """
        lock = _lock_in(err)
        why = why or (_lock_words(lock, self._action) if lock else explain(self._action, err))
        reason = reason or reason_of(err)
        if reason == "refusal" or (lock is not None and _age(lock) > LEFT_AFTER_S):
            raise LedgerError(f"{why}; nothing was lost")
        now = time.monotonic()
        holder = _identity(lock) if lock else None
        if reason == "race" or (holder != self._holder and lock is not None):
            self._held_since = None  # a lock that changes hands is a race too
        elif self._held_since is None:
            self._held_since = now
        self._holder = holder
        held = 0.0 if self._held_since is None else now - self._held_since
        if held > HELD_S or now - self._began > RACING_S:
            raise LedgerError(f"{why}; nothing was lost, try again")
        self.tell(why)
        time.sleep(random.uniform(0.0, min(1.0, 0.01 * 2**self._tries)))  # noqa: S311
        self._tries = min(self._tries + 1, 7)

    def tell(self, why: str) -> None:
        """Say once what is waited for, if that has taken long enough to be noticed."""
        if not self._told and time.monotonic() - self._began > SAID_AFTER_S:
            self._told = True
            log.warning("waiting: %s", why)


def await_locks(common_dir: Path, refs: Iterable[str], action: str) -> None:
    """Wait for locks that keep git from moving `refs`; LedgerError where one stays. A stat for each."""
    patience = Patience(action)
    locks = [*(common_dir / f"{ref}.lock" for ref in refs), common_dir / "packed-refs.lock"]
    while held := next((lock for lock in locks if _identity(lock) is not None), None):
        patience.after(b"Unable to create '%b': File exists" % os.fsencode(held))


def refuse_unwritable(folders: Iterable[Path]) -> None:
    """RepositoryError for the first of `folders` (or what is there of it) in which nothing can be made."""
    for folder in folders:
        there = next((place for place in (folder, *folder.parents) if place.exists()), folder)
        if not os.access(there, os.W_OK | os.X_OK):
            raise RepositoryError(f"cannot write to {there}: make the repository writable")


def names_on_the_way(ref: str) -> Iterator[str]:
    """Refs that `ref` cannot stand beside, as no file lies in a file: gittrack for gittrack/runs."""
    parts = ref.split("/")
    for length in range(3, len(parts)):
        yield "/".join(parts[:length])


def only(ref: str) -> str:
    """A pattern of git's for this very ref, and not for those below it."""
    return f"{ref[:-1]}[{ref[-1]}]"


def wait_for(taken: Callable[[], bool], patience_s: float, what: str) -> None:
    """Ask `taken` until it says so, or for `patience_s`, and go on then."""
    patience, until = Patience(what), time.monotonic() + patience_s
    while not taken() and time.monotonic() < until:
        patience.tell(what)
        time.sleep(random.uniform(0.002, 0.02))  # noqa: S311


def _lock_in(err: bytes) -> Path | None:
    match = _LOCK.search(err)
    return Path(os.fsdecode(match[1])) if match else None


def _lock_words(lock: Path, action: str) -> str:
    from gittrack.text.text import duration

    return (
        f"git cannot {action}: {lock} is there, {duration(round(_age(lock)))} old; "
        "where no git process is at work here, one that died has left it: remove it"
    )


def _age(lock: Path) -> float:
    try:
        return max(0.0, time.time() - lock.stat().st_mtime)
    except OSError:
        return 0.0  # gone by now


def _identity(lock: Path) -> tuple[int, int] | None:
    try:
        status = lock.lstat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns
