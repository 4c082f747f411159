"""Fixtures of these tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from gittrack.git.repository import Repository
from tests.ledgers import make_repository


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return make_repository(tmp_path / "repo")
