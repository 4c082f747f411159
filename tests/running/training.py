"""A project with runs that can be had again."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gittrack.formats.config import load
from gittrack.formats.record import Record
from gittrack.git.repository import Repository
from gittrack.running.reproduce import Reproduced, ReproduceOptions, plan, reproduce
from tests.repositories import run_git

TRAIN = """
import json, os, random, sys, time
seed = int(os.environ.get("GITTRACK_SEED", "0"))
params = json.loads(os.environ.get("GITTRACK_PARAMS", "{}"))
draw = random.Random(seed if "chance" not in sys.argv else None)
print("training with", seed)
if os.environ.get("MARK"):
    open(os.environ["MARK"], "w").close()
time.sleep(float(os.environ.get("NAP", "0")))
if os.environ.get("FAIL"):
    sys.exit("no luck today")
accuracy = 0.9 + draw.random() / 100 + params.get("bonus", 0)
open("model.bin", "w").write(repr(accuracy))
json.dump({"accuracy": accuracy}, open("metrics.json", "w"))
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


@pytest.fixture
def training(inside: Path) -> Path:
    """The project with a program that draws at random, and takes its seed and params from gittrack."""
    (inside / "train.py").write_text(TRAIN)
    (inside / "gittrack.yaml").write_text(CONFIG)
    (inside / ".gitignore").write_text("model.bin\nmetrics.json\n")
    run_git(inside, "add", ".")
    run_git(inside, "commit", "-q", "-m", "training")
    return inside


Run = Callable[..., Record]


@pytest.fixture
def make_run(training: Path) -> Run:
    """Records a run of train.py as `gittrack run` does."""
    from gittrack.recording.job import Job, run_job
    from gittrack.recording.request import Request

    def make(*arguments: str, **request: object) -> Record:
        repo = Repository.discover(training)
        command = [sys.executable, "train.py", *arguments]
        job = Job(command=command, request=Request(**request), passing="env")  # type: ignore[arg-type]
        outcome = run_job(repo, load(training), job)
        assert outcome.record is not None, outcome.complaint
        return outcome.record

    return make


def again(name: str = "latest", **options: object) -> Reproduced:
    """Plan and run, as somebody who agrees to everything."""
    repo = Repository.discover()
    config = load(repo.worktree)
    return reproduce(repo, config, plan(repo, config, name, ReproduceOptions(**options)))  # type: ignore[arg-type]


def left_behind(repo: Repository) -> list[str]:
    """What a reproduction should not have left: folders, and work trees in git's list."""
    home = repo.state_dir / "reproduce"
    trees = run_git(repo.top, "worktree", "list").splitlines()[1:]
    return [*trees, *(path.name for path in home.glob("*"))]
