"""A sweep on a real Ray cluster of this machine."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from gittrack.git.repository import Repository
from gittrack.verify import verify
from tests.ledgers import records
from tests.repositories import run_git
from tests.running.sweep.sweeping import PYTHON, left_behind


@pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="ray is not installed: pip install 'gittrack[ray]'"
)
@pytest.mark.timeout(600)
def test_a_sweep_on_a_cluster(training: Path, tmp_path: Path) -> None:
    """Each setting is a run from the git remote and on it, and here once all have ended; failed ones too."""
    run_git(tmp_path, "init", "-q", "--bare", "hub.git")
    run_git(training, "remote", "add", "origin", str(tmp_path / "hub.git"))
    (training / "gittrack.yaml").write_text(
        "experiment: digits\n"
    )  # without outputs, which need a DVC remote
    options = [
        "--json",
        "--pass",
        "env",
        "-S",
        "width=12,13",
        "--metric",
        "accuracy",
        "--direction",
        "maximize",
    ]
    with tempfile.TemporaryDirectory(prefix="gt", dir="/tmp") as short:  # Ray takes no letter beyond ASCII
        done = subprocess.run(
            [PYTHON, "-m", "gittrack", "sweep", *options, "--executor", "ray", "--", PYTHON, "train.py"],
            cwd=training, capture_output=True, text=True, check=False, timeout=500,
            env={**os.environ, "TMPDIR": short, "RAY_TMPDIR": short},
        )  # fmt: skip
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert [r["status"] for r in found["results"]] == ["finished", "failed"]
    assert found["best"]["params"] == {"width": 12} and found["best"]["mean"] == pytest.approx(0.512)
    runs = records(training)
    assert {run.id for run in runs} == {r["run"] for r in found["results"]}
    assert all(run.code.dirty and run.tags["sweep"] == found["sweep"] for run in runs)
    hub = run_git(tmp_path / "hub.git", "ls-tree", "-r", "--name-only", "gittrack/runs")
    assert hub.count("/run.yaml") == 2 and not left_behind(training)
    assert verify(Repository.discover(training)).outcome == "PASS"
