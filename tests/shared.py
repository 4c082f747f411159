"""A project that others share: with an origin, DVC and a remote for it, and runs with outputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from gittrack import cli
from tests import dvc_repo
from tests.repositories import run_git


@pytest.fixture
def shared(inside: Path, tmp_path: Path) -> Path:
    """The project with origin, DVC, a folder remote, one file under DVC, and two runs with outputs."""
    (inside / ".dvc").mkdir()
    (inside / ".dvc/.gitignore").write_text("/config.local\n/tmp\n/cache\n")
    (inside / ".dvc/config").write_text(
        f"[core]\n    remote = store\n['remote \"store\"']\n    url = {tmp_path}/store\n"
    )
    (inside / "data.csv").write_text("1,2,3\n")
    dvc_repo.add(inside, "data.csv")
    (inside / ".gitignore").write_text("/data.csv\n/model*\n")
    run_git(inside, "add", ".")
    run_git(inside, "commit", "-q", "-m", "data")
    run_git(tmp_path, "clone", "-q", "--bare", str(inside), "hub.git")
    run_git(inside, "remote", "add", "origin", str(tmp_path / "hub.git"))
    assert cli.execute(["init", "--no-config"]) == 0
    make_run("model.pkl", "echo first > model.pkl")
    make_run("models", "mkdir models; echo a > models/a; echo b > models/b")
    return inside


def make_run(output: str, script: str) -> None:
    options = ["--input", "data.csv:train", "--output", f"{output}:model"]
    assert cli.execute(["run", "-q", *options, "--", "sh", "-c", script]) == 0
