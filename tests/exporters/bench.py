"""A project with all that an export meets: replicates, a gate, data, a folder, a failed run, hostile text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import gittrack
from gittrack.exporters import Exported, ExportOptions, Format, export
from gittrack.formats.record import Record
from gittrack.git.repository import Repository
from gittrack.reading.entry import open_index
from tests.ledgers import commit_files, files_of
from tests.repositories import run_git

CONFIG = """\
experiments:
  digits:
    question: "Does <b>it</b> work?"
    metrics:
      accuracy: {direction: maximize, split: test}
    gate: {metric: accuracy, threshold: 0.89, runs: 3}
evidence:
  purpose: "Reads | digits"
  limitations: ["Blind to <i>7</i>"]
"""
HOSTILE = "# <script>alert(1)</script>\n---\n[x](javascript:alert(1)) @team | `rm`"


@dataclass
class Bench:
    """A project at `top`; its runs are of the experiment ``digits``."""

    top: Path
    records: list[Record] = field(default_factory=list)

    def run(
        self,
        accuracy: float,
        seed: int | None,
        *,
        folder: bool = False,
        pages: Sequence[str] = (),
        **options: Any,
    ) -> Record:
        """A finished run on data/train.csv with a model of its own and a series of three steps."""
        with gittrack.start_run("digits", seed=seed, **{"params": {"lr": 0.1}, **options}) as run:
            for step in range(3):
                run.log_metrics({"loss": 1 / (step + 1), "accuracy": accuracy - 0.01 * (2 - step)}, step=step)
            run.log_input("data/train.csv", "train")
            (self.top / "model.bin").write_bytes(b"weights %r" % seed)
            run.log_artifact("model.bin", role="model")
            for step, page in enumerate(pages):
                run.log_html(page, "page", step)
            if folder:
                for name in ("b.txt", "in/a.txt"):
                    path = self.top / "plots" / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(f"{name} {seed}")
                run.log_artifact("plots", role="plots")
        return self.keep(run)

    def bare(self, **options: Any) -> Record:
        """A finished run without outputs, data or series."""
        with gittrack.start_run("digits", **options) as run:
            pass
        return self.keep(run)

    def fail(self) -> Record:
        """A run that fails with hostile words."""
        with pytest.raises(ValueError), gittrack.start_run("digits", seed=7, params={"lr": 9}) as run:
            raise ValueError(HOSTILE)
        return self.keep(run)

    def keep(self, run: Any) -> Record:
        """The record of a run that has ended, which is one of the bench."""
        assert run.record is not None
        self.records.append(run.record)
        return run.record

    def replicates(self) -> list[Record]:
        """Three seeds; the last with a folder of plots."""
        return [self.run(v, seed, folder=seed == 2) for seed, v in enumerate((0.90, 0.91, 0.92))]

    def add(self, record: Record, environment: bytes | None = None) -> Record:
        """Put a record on the ledger as it is, with the environment.yaml of the last run or another."""
        if environment is None:
            path = f"gittrack/runs:{self.records[-1].path}/environment.yaml"
            environment = run_git(self.top, "show", path).encode()
        commit_files(Repository.discover(self.top), files_of(record, environment_yaml=environment))
        return record

    def export(self, name: str, to: Format, **options: Any) -> Exported:
        with open_index(self.top) as index:
            return export(index, name, to, ExportOptions(**options))

    def data(self, name: str, to: Format, **options: Any) -> bytes:
        """What would go to the terminal."""
        found = self.export(name, to, **options).data
        assert found is not None
        return found

    def json(self, name: str, to: Format, **options: Any) -> Any:
        return json.loads(self.data(name, to, **options))


@pytest.fixture
def bench(inside: Path) -> Bench:
    """The project, committed, without runs."""
    (inside / ".dvc").mkdir()
    (inside / ".dvc" / "config").write_text("")
    (inside / ".dvc" / ".gitignore").write_text("/config.local\n/tmp\n/cache\n")
    (inside / "data").mkdir()
    (inside / "data" / "train.csv").write_text("a,b\n1,2\n")
    (inside / "requirements.txt").write_text("numpy==1.26\n")
    (inside / "gittrack.yaml").write_text(CONFIG)
    (inside / ".gitignore").write_text("/plots\n/model.bin\n")
    run_git(inside, "remote", "add", "origin", "https://example.org/lab/digits.git")
    run_git(inside, "add", "-A")
    run_git(inside, "commit", "-q", "-m", "protocol")
    return Bench(inside)
