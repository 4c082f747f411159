"""The honest ledger that the tests of checks begin with, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.verify.contexts import Honest, copied, make_honest


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Honest:
    """Copied by each test."""
    return make_honest(tmp_path_factory.mktemp("honest") / "project")


@pytest.fixture
def honest(template: Honest, tmp_path: Path) -> Honest:
    """A copy to do with as a test likes."""
    return copied(template, tmp_path / "project")
