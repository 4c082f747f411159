"""Every test runs on repositories of its own, with a home of its own, and never on the network."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import machine

machine.shut_out()  # before gittrack, numpy and their like are loaded: some look about only then

from hypothesis import settings  # noqa: E402

from tests.repositories import run_git  # noqa: E402

if TYPE_CHECKING:
    from gittrack.git.repository import Repository

settings.register_profile(
    "same everywhere", derandomize=machine.EXAMPLES == 1, max_examples=100 * machine.EXAMPLES, deadline=None
)
settings.load_profile("same everywhere")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is loaded by now stays: looking through all of it for garbage, again and again, takes seconds."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _home_of_the_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """For what is made once, before a test has a home of its own."""
    with pytest.MonkeyPatch.context() as patch:
        settle(patch, tmp_path_factory)
        yield


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """git, DVC and gittrack see neither this machine's settings nor the hook that may run the tests."""
    settle(monkeypatch, tmp_path_factory)
    os.umask(0o022)


def settle(patch: pytest.MonkeyPatch, folders: pytest.TempPathFactory) -> None:
    """A new home, and no variable but those that a test is meant to see."""
    for name in [name for name in os.environ if not machine.is_allowed(name)]:
        patch.delenv(name)
    for name, value in machine.variables(folders.mktemp("home")).items():
        patch.setenv(name, value)


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
    from gittrack.git.repository import Repository

    return Repository.discover(project)


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run cannot record is an error, for tests of what that says."""
    monkeypatch.setenv("GITTRACK_ON_ERROR", "raise")


@pytest.fixture(autouse=True)
def _no_run_left_open() -> Iterator[None]:
    """A run that one test forgot must not become the active run of the next."""
    yield
    module = sys.modules.get("gittrack.recording.run")
    if module is not None:
        for run in module.open_runs:
            module.open_runs.leave(run)
            run.finish("killed")
        module.open_runs.adopt()
