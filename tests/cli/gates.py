"""A protocol with a gate, and runs for it."""

from __future__ import annotations

from pathlib import Path

import gittrack
from tests.repositories import run_git

PROTOCOL = """\
experiments:
  digits:
    metrics: {accuracy: {direction: maximize, split: test}}
    gate: {metric: accuracy, threshold: 0.89, runs: 3}
"""


def fix(top: Path, protocol: str = PROTOCOL) -> None:
    (top / "gittrack.yaml").write_text(protocol)
    run_git(top, "add", "-A")
    run_git(top, "commit", "-q", "-m", "protocol")


def train(*values: float, first: int = 0) -> None:
    for seed, value in enumerate(values, first):
        with gittrack.start_run("digits", seed=seed) as run:
            run.log_metric("accuracy", value)
