"""A temporary folder for reruns below the git directory, with a process that removes it whoever dies."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gittrack.errors import RepositoryError
from gittrack.git.repository import Repository
from gittrack.reading.journal.owner import current_owner, is_alive, owner_of
from gittrack.running.executor.janitor import GRACE_S, clean


@dataclass(frozen=True, slots=True)
class Workspace:
    """Room for the work trees, environments and logs of some tasks."""

    repository: Repository
    folder: Path
    kept: Path | None = None
    """Where work trees lie that a later attempt is to find; None: in `folder`, with which they go."""

    def tree(self, number: int) -> Path:
        """Where the work tree of a task goes; its name is also its name in git's list of work trees."""
        home = self.kept or self.folder
        return home / f"{home.name}-{number}"

    def file(self, number: int, kind: str) -> Path:
        """``task``, ``result`` or ``log`` of a task."""
        return self.folder / f"{number}.{kind}"

    def register(self, session: int) -> None:
        """A worker that has to end with this workspace."""
        (self.folder / "sessions" / str(session)).write_text(json.dumps(owner_of(session)))

    def end_with(self, number: int, ending: Sequence[str]) -> None:
        """A command that has to be run when the task is over, such as ``docker kill NAME``; none if empty."""
        if ending:
            (self.folder / f"{number}.ending").write_text(json.dumps(list(ending)))

    def unregister(self, session: int) -> None:
        (self.folder / "sessions" / str(session)).unlink(missing_ok=True)


@contextmanager
def workspace(repository: Repository) -> Iterator[Workspace]:
    """A workspace for the block; what an earlier one left because the machine went down is removed first."""
    home = repository.state_dir / "reproduce"
    sweep(repository)
    folder = home / f"gittrack-{secrets.token_hex(4)}"
    with guarded(folder, repository.common_dir):
        yield Workspace(repository, folder)


@contextmanager
def guarded(folder: Path, common_dir: Path) -> Iterator[None]:
    """Make `folder`, and remove it after the block with all that runs for it, even if we are killed.

    `common_dir`: the git directory whose work trees lie in it. RepositoryError where it cannot be made.
    """
    try:
        (folder / "sessions").mkdir(parents=True)
        (folder / "owner.json").write_text(json.dumps(current_owner()))
    except OSError as error:
        raise RepositoryError(f"cannot write to {folder.parent}: {error.strerror}") from error
    janitor = subprocess.Popen(
        [sys.executable, "-P", "-m", "gittrack.running.executor.janitor", str(common_dir), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,  # open as long as it lives
        stderr=subprocess.DEVNULL,
        cwd=folder.parent,
        start_new_session=True,
    )
    try:
        yield
    finally:
        with suppress(subprocess.TimeoutExpired):
            janitor.communicate(timeout=GRACE_S + 20)
        if folder.exists():  # it could not even start
            clean(common_dir, folder)


def sweep(repository: Repository) -> int:
    """Remove what processes left that are gone, their cleaner with them; how many there were."""
    return sweep_folders(repository.state_dir / "reproduce", "gittrack-", repository.common_dir)


def sweep_folders(home: Path, prefix: str, common_dir: Path | None = None) -> int:
    """`sweep` for the folders in `home` that begin with `prefix` and belong to this user.

    `common_dir` as for `guarded`; None: they hold whole clones.
    """
    gone = []
    for folder in home.glob(f"{prefix}*"):
        try:
            owner = json.loads((folder / "owner.json").read_text())
            ours = folder.lstat().st_uid == os.getuid()
        except (OSError, ValueError):
            continue  # being made, or being removed
        if ours and is_alive(owner) is False:
            gone.append(folder)
    for folder in gone:
        clean(common_dir or folder / "clone" / ".git", folder)
    return len(gone)
