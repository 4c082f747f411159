"""What was touched after the start of a run and holds at its end what it held before.

Between the two it may have held something else, as where a script edits its configuration and puts it
back. Nobody has seen that, so the record says that it does not know.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path

from gittrack.git.repository import Repository
from gittrack.recording.identity import stamp_of
from gittrack.recording.journal import Journal

CODE = re.compile(r".+\.(?:py|pyx|ipynb|sh|r|jl)", re.I)
"""Files that are code by their names."""
_NAMED = 10


def say_touched(journal: Journal, what: str) -> None:
    """Of a file or folder that holds what it held before."""
    journal.not_recorded(
        what, "it was touched after the start, and holds the same again: what it held in between is not known"
    )


def say_code_touched(journal: Journal, paths: Sequence[str], *, head: bool = False) -> None:
    """Of files of the code, by their paths from the top; `head`: HEAD was moved, and is back."""
    if not paths and not head:
        return
    named = ", ".join(paths[:_NAMED])
    more = f" and {len(paths) - _NAMED:,} more" if len(paths) > _NAMED else ""
    what = [
        *(["HEAD was moved and is back"] if head else []),
        *([f"touched: {named}{more}"] if paths else []),
    ]
    journal.not_recorded(
        "code in between",
        f"{'; '.join(what)}; at the end the code was the same again, in between it may have been another",
    )


def note_code_touched(
    journal: Journal,
    repository: Repository,
    untracked: Sequence[str],
    changed: Collection[str],
    *,
    is_same_commit: bool,
) -> None:
    """Say which files of the code, and whether HEAD, were touched since the run began, and are as before.

    `untracked`: those of its files that git does not list; `changed`: those that are not as before. Told by
    the ctime that the disk itself gave to start.json; nothing is said where the disks are two.
    """
    if repository.worktree is None:
        return
    out = repository.git("ls-files", "-z", doing="look for code that was touched")
    top = os.fspath(repository.top)
    listed = dict.fromkeys([*os.fsdecode(out).split("\0"), *untracked])
    paths = [path for path in listed if CODE.fullmatch(path) and path not in changed]
    touched = [path for path in paths if is_touched(journal, os.path.join(top, path))]  # noqa: PTH118
    moved = is_same_commit and is_touched(journal, os.fspath(repository.git_dir / "logs" / "HEAD"))
    say_code_touched(journal, touched, head=moved)


def is_touched(journal: Journal, file: str) -> bool:
    """Whether a file was written, or given other rights or names, after the run's start was written down."""
    begun = (Path(journal.folder) / "start.json").stat()
    stamp = stamp_of(file)
    return stamp is not None and stamp.device == begun.st_dev and stamp.ctime_ns > begun.st_ctime_ns
