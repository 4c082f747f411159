"""A temporary folder for reruns below the git directory, with a process that removes it whoever dies."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gittrack.errors import RepositoryError
from gittrack.journal.owner import current_owner, is_alive, owner_of
from gittrack.repository import Repository
from gittrack.reproduce.janitor import GRACE_S, clean


@dataclass(frozen=True, slots=True)
class Workspace:
    """Room for the work trees, environments and logs of some tasks."""

    repository: Repository
    folder: Path

    @property
    def token(self) -> str:
        return self.folder.name

    def tree(self, number: int) -> Path:
        """Where the work tree of a task goes; its name is also its name in git's list of work trees."""
        return self.folder / f"{self.token}-{number}"

    def file(self, number: int, kind: str) -> Path:
        """``task``, ``result`` or ``log`` of a task."""
        return self.folder / f"{number}.{kind}"

    def register(self, session: int) -> None:
        """A worker that has to end with this workspace."""
        (self.folder / "sessions" / str(session)).write_text(json.dumps(owner_of(session)))

    def unregister(self, session: int) -> None:
        (self.folder / "sessions" / str(session)).unlink(missing_ok=True)


@contextmanager
def workspace(repository: Repository) -> Iterator[Workspace]:
    """A workspace for the block; what an earlier one left because the machine went down is removed first."""
    home = repository.state_dir / "reproduce"
    sweep(repository)
    folder = home / f"gittrack-{secrets.token_hex(4)}"
    try:
        (folder / "sessions").mkdir(parents=True)
        (folder / "owner.json").write_text(json.dumps(current_owner()))
    except OSError as error:
        raise RepositoryError(f"cannot write to {home}: {error.strerror}") from error
    janitor = subprocess.Popen(
        [sys.executable, "-m", "gittrack.reproduce.janitor", str(repository.common_dir), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=home,
        start_new_session=True,
    )
    try:
        yield Workspace(repository, folder)
    finally:
        if janitor.stdin is not None:
            janitor.stdin.close()
        try:
            janitor.wait(GRACE_S + 20)
        except subprocess.TimeoutExpired:
            janitor.kill()
        if folder.exists():  # it could not even start
            clean(repository.common_dir, folder)


def sweep(repository: Repository) -> int:
    """Remove what processes left that are gone, their cleaner with them; how many there were."""
    gone = []
    for folder in (repository.state_dir / "reproduce").glob("gittrack-*"):
        try:
            owner = json.loads((folder / "owner.json").read_text())
        except (OSError, ValueError):
            continue  # being made, or being removed
        if is_alive(owner) is False:
            gone.append(folder)
    for folder in gone:
        clean(repository.common_dir, folder)
    return len(gone)
