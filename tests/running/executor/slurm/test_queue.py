"""What waits in Slurm's queue, seen by two who collect it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gittrack.errors import NotFoundError
from gittrack.git.repository import Repository
from gittrack.running.executor.slurm.array import collect
from gittrack.running.executor.slurm.queue import Queue, find_queue
from tests.repositories import run_git


def test_who_collects_second_is_told_so(tmp_path: Path) -> None:
    run_git(tmp_path, "init", "-q")
    repository = Repository.discover(tmp_path)
    first, second = (Queue.make(repository, name, {"verb": "sweep"}, []) for name in ("00aa", "00bb"))
    found = find_queue(repository, "00aa", "sweep")
    first.remove(repository)
    for late in (lambda: found.call, lambda: collect(repository, found)):
        with pytest.raises(NotFoundError, match="00aa is no longer in Slurm's queue: another call collected"):
            late()
    with pytest.raises(NotFoundError, match="there is 00bb"):
        find_queue(repository, "00aa", "sweep")
    assert not list(second.folder.parent.glob(".*"))
