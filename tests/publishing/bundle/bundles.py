"""A project with two runs, and the bundle of all of it, made once."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

from gittrack.git.repository import Repository
from gittrack.publishing.bundle import BundleRequest, Made, make_bundle

LEDGER = "gittrack/runs"

_made: list[Path] = []


def bundle(top: Path, target: Path, *names: str, force: bool = False, **request: Any) -> Made:
    """Make a bundle of the project at `top`."""
    asked = BundleRequest(names=names, **request)
    return make_bundle(Repository.discover(top), LEDGER, target, asked, force=force)


@pytest.fixture
def archive(request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with all bytes, alone in the world: the project that it was made of is gone."""
    if not _made:
        project = request.getfixturevalue("shared")
        _made.append(tmp_path_factory.mktemp("bundle") / "all.tar")
        bundle(project, _made[0], data=True)
        shutil.rmtree(project / ".git")
    (tmp_path / "alone").mkdir()
    return Path(shutil.copy(_made[0], tmp_path / "alone" / "all.tar"))


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of our own, which has to be empty in the end."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In no repository: a bundle is all that is needed."""
    (tmp_path / "nowhere").mkdir()
    monkeypatch.chdir(tmp_path / "nowhere")
