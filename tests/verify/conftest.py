"""The honest ledger that the tests of checks begin with, made once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.verify.contexts import Honest, copied, make_honest


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Honest:
    """Made before a test has its own home, and so with one of its own."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("GIT_", "GITTRACK_", "DVC_")):
                patch.delenv(name)
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        patch.setenv("DVC_NO_ANALYTICS", "1")
        return make_honest(tmp_path_factory.mktemp("honest") / "project")


@pytest.fixture
def honest(template: Honest, tmp_path: Path) -> Honest:
    """A copy to do with as a test likes."""
    return copied(template, tmp_path / "project")
