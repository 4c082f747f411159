"""A real bare repository with the hook behind a smart HTTP server, and honest and tampered pushes to it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gittrack import cli
from tests.repositories import run_git

LEDGER = "refs/heads/gittrack/runs"


def record(run_id: str = "", experiment: str = "digits") -> str:
    """A run recorded in the current directory; its folder on the ledger."""
    assert cli.execute(["run", "-e", experiment, "-S", "lr=0.1", "--pass", "env", "--", "true"]) == 0
    names = run_git(Path.cwd(), "diff", "--name-only", "gittrack/runs~1", "gittrack/runs").split()
    return names[0].rpartition("/")[0]


def push(where: Path, *what: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", "push", *what], cwd=where, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip


def rewritten(
    top: Path, change: dict[str, str | None], message: str = "tampered", parent: str = LEDGER
) -> str:
    """A commit on the ledger that sets files to bytes (given as text), or takes them away (None)."""
    index = {**os.environ, "GIT_INDEX_FILE": str(top / ".git" / "tampering")}

    def git(*arguments: str, data: str | None = None) -> str:
        done = subprocess.run(["git", *arguments], cwd=top, env=index, input=data, capture_output=True,
                              text=True, check=True)  # fmt: skip
        return done.stdout.strip()

    git("read-tree", parent)
    for path, text in change.items():
        if text is None:
            git("update-index", "--force-remove", path)
        else:
            oid = git("hash-object", "-w", "--stdin", data=text)
            git("update-index", "--add", "--cacheinfo", f"100644,{oid},{path}")
    return git("commit-tree", "-p", parent, "-m", message, git("write-tree"))


@pytest.fixture
def server(inside: Path, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A bare repository with the hook, and the URL of a smart HTTP server for it."""
    bare = tmp_path / "served" / "team.git"
    run_git(inside, "init", "-q", "--bare", str(bare))
    run_git(bare, "config", "http.receivepack", "true")
    here = Path.cwd()
    os.chdir(bare)
    assert cli.execute(["hooks", "install", "--server"]) == 0
    os.chdir(here)
    script = Path(__file__).with_name("serve.py")
    process = subprocess.Popen(
        [sys.executable, str(script), str(bare.parent)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    url = f"http://127.0.0.1:{process.stdout.readline().strip()}/team.git"
    run_git(inside, "remote", "add", "origin", url)
    yield bare, url
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.fixture
def two(inside: Path) -> tuple[Path, str]:
    """A ledger with two runs; the folder of the first."""
    folder = record()
    record()
    return inside, folder
