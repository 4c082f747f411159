"""A project with a program to sweep over."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gittrack import cli
from gittrack.git.repository import Repository
from tests.repositories import run_git

TRAIN = """
import json, os, sys, time
params = json.loads(os.environ["GITTRACK_PARAMS"])
seed = int(os.environ.get("GITTRACK_SEED", "0"))
print("training with", params)
time.sleep(float(os.environ.get("NAP", "0")))
if params.get("width") == 13:
    sys.exit("diverged at step 3")
accuracy = 0.5 + params.get("lr", 0) + params.get("width", 0) / 1000 + seed / 100_000
json.dump({"accuracy": accuracy, "loss": 1 - accuracy}, open("metrics.json", "w"))
open("model.bin", "w").write(repr(accuracy))
"""
CONFIG = """
experiment: digits
outputs:
  - {path: model.bin, role: model}
experiments:
  digits:
    metrics:
      accuracy: {direction: maximize}
"""
PYTHON = sys.executable


@pytest.fixture
def training(inside: Path) -> Path:
    """A program that takes its parameters from gittrack, fails for a width of 13, and naps if told to."""
    (inside / "train.py").write_text(TRAIN)
    (inside / "gittrack.yaml").write_text(CONFIG)
    (inside / ".gitignore").write_text("model.bin\nmetrics.json\n")
    run_git(inside, "add", ".")
    run_git(inside, "commit", "-q", "-m", "training")
    return inside


Sweep = Callable[..., dict[str, Any]]


@pytest.fixture
def sweep(training: Path, capfd: pytest.CaptureFixture[str]) -> Sweep:
    """Sweeps over train.py on the command line; what --json says, and with what it ended."""

    def go(*options: str, command: tuple[str, ...] = (PYTHON, "train.py"), code: int = 0) -> dict[str, Any]:
        capfd.readouterr()
        ended = cli.execute(["sweep", "--pass", "env", "--json", *options, "--", *command])
        out, err = capfd.readouterr()
        assert ended == code, err
        found = json.loads(out)
        assert isinstance(found, dict)
        return {**found, "err": err}

    return go


def left_behind(top: Path) -> list[str]:
    """Work trees, folders, journals and refs that nobody needs any more."""
    repository = Repository.discover(top)
    state = repository.state_dir
    found = [str(path) for path in (state / "reproduce").glob("*")] if (state / "reproduce").is_dir() else []
    found += [str(path) for path in (state / "journal").glob("*")] if (state / "journal").is_dir() else []
    found += run_git(top, "worktree", "list", "--porcelain").split("\n\n")[1:-1]
    return found + run_git(top, "for-each-ref", "refs/gittrack/live").splitlines()
