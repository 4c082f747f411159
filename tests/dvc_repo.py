"""Real DVC for tests, cut off from the user's own configuration and caches."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest


def isolate(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Points git and DVC at empty folders of `folder`."""
    for name in (
        "HOME",
        "XDG_CONFIG_HOME",
        "DVC_GLOBAL_CONFIG_DIR",
        "DVC_SYSTEM_CONFIG_DIR",
        "DVC_SITE_CACHE_DIR",
    ):
        monkeypatch.setenv(name, str(folder / name.lower()))
    for name in ("GIT_AUTHOR", "GIT_COMMITTER"):
        monkeypatch.setenv(f"{name}_NAME", "Test")
        monkeypatch.setenv(f"{name}_EMAIL", "test@example.org")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")


def run(*command: str, cwd: Path) -> str:
    """Standard output of a program that must succeed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def dvc(*arguments: str, cwd: Path) -> str:
    """Stock dvc, as a person runs it."""
    return run(sys.executable, "-m", "dvc", *arguments, cwd=cwd)


def repository(folder: Path) -> Path:
    """A git repository with DVC, made by hand as `dvc init` takes two seconds."""
    folder.mkdir(parents=True)
    run("git", "init", "-q", "-b", "main", ".", cwd=folder)
    (folder / ".dvc").mkdir()
    (folder / ".dvc" / "config").write_text("")
    (folder / ".dvc" / ".gitignore").write_text("/config.local\n/tmp\n/cache\n")
    return folder


def add(top: Path, *names: str) -> None:
    """`dvc add`, in this process."""
    from dvc.repo import Repo

    # Importing DVC hangs its own handlers on whatever stdout was then, which pytest has closed by now.
    logging.getLogger("dvc").handlers.clear()

    with Repo(str(top)) as repo:
        repo.add([str(top / name) for name in names])
