"""Training scripts in processes of their own, and what is recorded of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import gittrack
from gittrack.formats.record import Record


def start(project: Path, script: str) -> subprocess.Popen[str]:
    """A process of its own that runs `script` in the project."""
    return subprocess.Popen(
        [sys.executable, "-c", "import gittrack, os, signal, sys, time\n" + script],
        cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def run(project: Path, script: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of `script`."""
    process = start(project, script)
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()  # one that hangs
    return process.returncode, out, err


def records(project: Path) -> list[Record]:
    """All runs on the ledger, newest first."""
    return [found.record for found in gittrack.search(repository=project)]


def only(project: Path) -> Record:
    found = records(project)
    assert len(found) == 1
    return found[0]


def script_of(project: Path, text: str, name: str = "train.py", **values: object) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a script in a file, which has `values` for its globals."""
    assignments = "".join(f"{variable} = {value!r}\n" for variable, value in values.items())
    (project / name).write_text(assignments + text)
    done = subprocess.run(
        [sys.executable, name], cwd=project, capture_output=True, text=True, check=False, timeout=120
    )
    return done.returncode, done.stdout, done.stderr
