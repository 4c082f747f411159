"""Fixtures of these tests."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running.remotes import Remotes, make_remotes
from tests.running.slurm import Slurm, why_not


@pytest.fixture(scope="package")
def cluster() -> Iterator[Slurm]:
    """A Slurm, or the reason why there is none."""
    if reason := why_not():
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="gt", dir="/tmp"))  # sockets need a short path
    slurm = Slurm(folder)
    yield slurm
    slurm.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def slurm(cluster: Slurm, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slurm]:
    """It, for one test."""
    monkeypatch.setenv("SLURM_CONF", str(cluster.conf))
    yield cluster
    cluster.end_jobs()


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Remotes:
    """The project, which the nodes see; nothing is on its remotes."""
    made = make_remotes(tmp_path / "shared file system")
    monkeypatch.chdir(made.top)
    return made
