"""The peers in an environment of their own, made once, and their works as processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.ledgers import cache, git
from benchmarks.measure import HERE

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
ALL = (
    "mlflow-file", "mlflow-sqlite", "wandb-offline", "aim", "dvclive", "dvclive-exp", "trackio", "sacred",
    "tensorboardx",
)  # fmt: skip


def python() -> Path:
    """The Python that has the peers; installs them at the first call."""
    home = cache() / "peers"
    stamp = home / "installed.txt"
    wanted = REQUIREMENTS.read_text()
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        install = [str(home / "bin/python"), "-m", "pip", "install", "-q", "-r", str(REQUIREMENTS)]
        subprocess.run(install, check=True)
        stamp.write_text(wanted)
    return home / "bin/python"


def place(where: Path, peer: str) -> Path:
    """An empty folder for a peer, prepared; a git repository for those that want one."""
    where.mkdir(parents=True)
    if peer.startswith("dvclive"):
        git(where, "init", "-q", "-b", "main")
        for key, value in (("user.name", "A"), ("user.email", "a@example.com")):
            git(where, "config", key, value)
        git(where, "commit", "-q", "--allow-empty", "-m", "first")
    drive(where, peer, "prepare")
    return where


def drive(where: Path, peer: str, *work: object) -> dict[str, Any]:
    """What a work of a peer found; ``skipped`` says why where it cannot be done."""
    command = [str(python()), "-m", "benchmarks.peers.drive", peer, *map(str, work)]
    path = {**os.environ, "PYTHONPATH": str(HERE)}
    with tempfile.TemporaryFile("w+") as said:
        done = subprocess.run(command, cwd=where, stdout=subprocess.PIPE, stderr=said, text=True, env=path)
        lines = done.stdout.splitlines()
        if done.returncode or not lines:
            said.seek(0)
            return {"skipped": f"exit {done.returncode}: {said.read()[-300:].strip()}"}
    found: dict[str, Any] = json.loads(lines[-1])
    return found
