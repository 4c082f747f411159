"""What was touched after the start of a run and holds at its end what it held before.

Between the two it may have held something else, as where a script edits its configuration and puts it
back. Nobody has seen that, so the record says that it does not know.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence

from gittrack.git.repository import Repository
from gittrack.recording.identity import stamp_of
from gittrack.recording.journal import Journal

CODE = re.compile(r".+\.(?:py|pyx|ipynb|sh|r|jl)", re.I)
"""Files that are code by their names."""
_SETTINGS = re.compile(r".+\.(?:ya?ml|toml|cfg|ini|conf|gin)", re.I)
"""Files that code reads what it is to do from; JSON and CSV are results as often."""
_NAMED = 10


def say_touched(journal: Journal, what: str) -> None:
    """Of a file or folder that holds what it held before."""
    journal.not_recorded(
        what, "it was touched after the start, and holds the same again: what it held in between is not known"
    )


def say_code_touched(journal: Journal, paths: Sequence[str], *, head: bool = False) -> None:
    """Of files of the code, by their paths from the top; `head`: HEAD was moved, and is back."""
    if not paths:
        return
    named = ", ".join(paths[:_NAMED])
    more = f" and {len(paths) - _NAMED:,} more" if len(paths) > _NAMED else ""
    moved = "HEAD was moved and is back; " if head else ""
    why = (
        f"{moved}touched: {named}{more}; what they hold is as before, what they held in between is not known"
    )
    journal.not_recorded("code in between", why)


def note_code_touched(
    journal: Journal,
    repository: Repository,
    untracked: Sequence[str],
    leave: Callable[[str], bool],
    *,
    is_same_commit: bool,
) -> None:
    """Say which files of the code were touched since the run began, and are as before.

    `untracked`: those of its files that git does not list; `leave`: tells paths that are none, or have
    changed. Told by the ctime that the disk itself gave to start.json; nothing is said where the disks are
    two. That HEAD was moved is said only where that has touched a file: `dvc exp run` moves it each time.
    """
    out = repository.git("ls-files", "-z", doing="look for code that was touched")
    top = os.fspath(repository.top)
    listed = dict.fromkeys([*os.fsdecode(out).split("\0"), *untracked])
    names = (path for path in listed if CODE.fullmatch(path) or _SETTINGS.fullmatch(path))
    begun = _begun(journal)
    touched = [path for path in names if _is_after(os.path.join(top, path), begun) and not leave(path)]  # noqa: PTH118
    moved = is_same_commit and _is_after(os.fspath(repository.git_dir / "logs" / "HEAD"), begun)
    say_code_touched(journal, touched, head=moved)


def is_touched(journal: Journal, file: str) -> bool:
    """Whether a file was written, or given other rights or names, after the run's start was written down."""
    return _is_after(file, _begun(journal))


def is_written(journal: Journal, file: str) -> bool:
    """Whether a file was written after the run's start was written down; a new name alone does not count."""
    stamp, begun = stamp_of(file), _begun(journal)
    return stamp is not None and (stamp.device != begun.st_dev or stamp.mtime_ns > begun.st_ctime_ns)


def _begun(journal: Journal) -> os.stat_result:
    return (journal.folder / "start.json").stat()


def _is_after(file: str, begun: os.stat_result) -> bool:
    stamp = stamp_of(file)
    return stamp is not None and stamp.device == begun.st_dev and stamp.ctime_ns > begun.st_ctime_ns
