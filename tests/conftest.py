"""Every test runs on repositories of its own, with a home of its own, and never on the network."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gittrack.git.repository import Repository

Git = Callable[..., str]


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """git, DVC and gittrack see neither this machine's settings nor the hook that may run the tests."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith(("GIT_", "GITTRACK_", "DVC_")) or name in ("RANK", "WORLD_SIZE", "SLURM_PROCID"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / ".cache"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / "gitconfig"))
    monkeypatch.setenv("GIT_TERMINAL_PROMPT", "0")
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(home / "dvc-site-cache"))
    (home / "gitconfig").write_text(
        "[user]\n\tname = Ada Lovelace\n\temail = ada@example.com\n[init]\n\tdefaultBranch = main\n"
    )


def run_git(where: Path, *arguments: str) -> str:
    """Run stock git in `where` and return what it printed."""
    done = subprocess.run(
        ["git", *arguments], cwd=where, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    return done.stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with one commit, clean."""
    top = tmp_path / "project"
    top.mkdir()
    run_git(top, "init", "-q")
    (top / "train.py").write_text("print('training')\n")
    run_git(top, "add", "train.py")
    run_git(top, "commit", "-q", "-m", "first")
    return top


@pytest.fixture
def inside(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project as the current directory."""
    monkeypatch.chdir(project)
    return project


@pytest.fixture
def repository(project: Path) -> Repository:
    """The project as gittrack sees it."""
    return Repository.discover(project)


@pytest.fixture(autouse=True)
def _no_run_left_open() -> Iterator[None]:
    """A run that one test forgot must not become the active run of the next."""
    yield
    import sys

    module = sys.modules.get("gittrack.recording.run")
    if module is not None:
        left = list(module._active)
        module._active.clear()
        for run in left:
            run.finish("killed")
