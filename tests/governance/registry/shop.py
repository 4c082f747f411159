"""A project with DVC, runs with a model each, and stock gto to ask what it makes of the tags."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import gittrack
from gittrack.cli import execute
from gittrack.formats.record import Record
from gittrack.governance.registry import Registry
from gittrack.reading.entry import open_index
from tests.repositories import run_git


@dataclass
class Shop:
    """A project at `top` whose runs each leave a model.bin with other bytes."""

    top: Path
    records: list[Record] = field(default_factory=list)

    def train(self, *, role: str = "model", name: str = "model.bin", **options: Any) -> Record:
        """One finished run; its model holds its number."""
        (self.top / name).write_bytes(b"weights %d" % len(self.records))
        with gittrack.start_run("digits", **options) as run:
            run.log_metric("accuracy", 0.9 + len(self.records) / 100)
            run.log_artifact(name, role)
        assert run.record is not None
        self.records.append(run.record)
        (self.top / name).unlink()
        return run.record

    def commit_of(self, record: Record) -> str:
        """The ledger commit that added it."""
        return run_git(self.top, "log", "-1", "--format=%H", "gittrack/runs", "--", record.path).strip()

    def tag(self, name: str, commit: str, message: str = "by hand") -> None:
        run_git(self.top, "tag", "-a", "-m", message, name, commit)

    def tags(self) -> list[str]:
        return run_git(self.top, "tag").split()

    def registry(self) -> Registry:
        with open_index(self.top) as index:
            return Registry.read(index.repository, index)

    def gto(self, *words: str) -> str:
        """Stock gto, as a person runs it."""
        return stock_gto(self.top, *words)

    def gto_json(self, *words: str) -> Any:
        return json.loads(self.gto(*words, "--json"))


def stock_gto(where: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "from gto.cli import app; app()", *words],
        cwd=where, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def shop(inside: Path) -> Shop:
    """Two runs, no model so far."""
    (inside / ".dvc").mkdir()
    (inside / ".dvc" / "config").write_text("")
    (inside / ".dvc" / ".gitignore").write_text("/config.local\n/tmp\n/cache\n")
    (inside / ".gitignore").write_text("*.bin\n")
    run_git(inside, "config", "user.name", "Ada Lovelace")  # gto knows no other place
    run_git(inside, "config", "user.email", "ada@example.com")
    run_git(inside, "add", "-A")
    run_git(inside, "commit", "-q", "-m", "dvc")
    made = Shop(inside)
    made.train()
    made.train()
    return made


def do(*words: str) -> None:
    """gittrack, which has to succeed."""
    assert execute(list(words)) == 0
