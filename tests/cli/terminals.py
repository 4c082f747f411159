"""Ledgers to list, and a terminal to list them on."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gittrack.git.repository import Repository


@pytest.fixture
def repo(project: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """The project's repository, which is also the current directory."""
    monkeypatch.chdir(project)
    return Repository.discover(project)


Terminal = Callable[..., str]


@pytest.fixture
def terminal(repo: Repository) -> Terminal:
    """Runs gittrack on a terminal of 100 columns, and gives all that reached it."""

    def run(*arguments: str, columns: int = 100, **env: str) -> str:
        main, side = pty.openpty()
        variables = {
            **os.environ,
            "COLUMNS": str(columns),
            "LINES": "40",
            "TERM": "xterm",
            "PAGER": "cat",
            **env,
        }
        variables.pop("NO_COLOR", None) if "NO_COLOR" not in env else None
        command = [sys.executable, "-c", "from gittrack.cli import main; main()", *arguments]
        process = subprocess.Popen(command, stdout=side, stderr=side, stdin=side, env=variables, cwd=repo.top)
        os.close(side)
        seen = b""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            ready, _, _ = select.select([main], [], [], 0.2)
            try:
                data = os.read(main, 65536) if ready else b""
            except OSError:  # Linux: the other side is closed
                break
            seen += data
            if ready and not data:
                break
        process.wait(timeout=60)
        os.close(main)
        return seen.decode().replace("\r\n", "\n")

    return run
