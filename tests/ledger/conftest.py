"""Repositories that the tests of the ledger share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.repositories import run_git


@pytest.fixture
def hub(project: Path, tmp_path: Path) -> Path:
    """A bare repository that the project and its clones share."""
    bare = tmp_path / "hub.git"
    run_git(tmp_path, "clone", "-q", "--bare", str(project), str(bare))
    run_git(project, "remote", "add", "origin", str(bare))
    run_git(project, "fetch", "-q", "origin")
    return bare
