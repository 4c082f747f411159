"""Runs of a made-up tracker, and imports of them without a command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gittrack.formats.config import Config
from gittrack.git.repository import Repository
from gittrack.importers import table
from gittrack.importers.bringing import Brought, bring
from gittrack.importers.foreign import Curve, ForeignRun, Options, Skipped
from tests.ledgers import make_repository
from tests.repositories import run_git

START = 1_700_000_000.0


def make_run(run_id: str = "a", **changes: Any) -> ForeignRun:
    """A run of which little is known."""
    return ForeignRun(
        **{"system": "table", "id": run_id, "experiment": "digits", "status": "finished", **changes}
    )


def curve(name: str, *values: float, **changes: Any) -> Curve:
    """A curve with a point for each step from 0 on."""
    return Curve(**{"name": name, "values": values, "steps": [*range(len(values))], **changes})


class Importer:
    """Imports what it is given into a repository, by the reader of tables in whose place it stands."""

    def __init__(self, repository: Repository, source: Path, patch: pytest.MonkeyPatch) -> None:
        self.repository = repository
        self.top = repository.worktree or repository.git_dir
        self.source = source
        self._patch = patch

    def __call__(
        self, *items: ForeignRun | Skipped, people: bool = False, dry: bool = False, **options: Any
    ) -> Brought:
        def read(source: Path, asked: Options) -> Iterator[ForeignRun | Skipped]:
            yield from items

        self._patch.setattr(table, "read", read)
        brought = Brought("table", dry)
        bring(self.repository, Config(), "table", self.source, Options(people=people), brought, **options)
        return brought


def importer(where: Path, patch: pytest.MonkeyPatch) -> Importer:
    """Of an empty repository at `where`, with a source beside it."""
    repository = make_repository(where / "clone")
    for name, value in (("name", "Ada"), ("email", "ada@example.org")):
        run_git(where / "clone", "config", f"user.{name}", value)
    source = where / "source"
    source.mkdir()
    return Importer(repository, source, patch)
