"""gittrack as a person types it, in a process of its own, and the scripts that it runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.repositories import run_git

PYTHON = sys.executable
GITTRACK = [PYTHON, "-m", "gittrack"]


def gittrack(
    where: Path, *arguments: str, env: Mapping[str, str] | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run gittrack as a person does."""
    return subprocess.run(
        [*GITTRACK, *arguments],
        cwd=where,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        **options,
    )


def script(top: Path, text: str, name: str = "train.py") -> None:
    """Write and commit a script."""
    (top / name).write_text(text)
    run_git(top, "add", name)
    run_git(top, "commit", "-q", "--allow-empty", "-m", name)


def start(where: Path, *command: str, options: Sequence[str] = (), **how: Any) -> subprocess.Popen[str]:
    """Start a wrapped command in a session of its own and wait until it says that it is ready."""
    process = subprocess.Popen(
        [*GITTRACK, "run", *options, "--", *command],
        cwd=where,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **how,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process
