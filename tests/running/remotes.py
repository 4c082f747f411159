"""A project with a git remote and a DVC remote, folders both, for tests of what nodes of a cluster do."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from gittrack.formats.config import load
from gittrack.formats.record import Record, run_path
from gittrack.git.repository import Repository
from gittrack.recording.job import Job, run_job
from gittrack.recording.request import Request
from tests import dvc_repo
from tests.repositories import run_git

TRAIN = """
import json, os, random, sys, time
from pathlib import Path
signs = Path(SIGNS)
node = os.environ.get("RAY_RAYLET_PID") or os.environ.get("SLURMD_NODENAME", "none")
run = Path(os.environ["GITTRACK_RUN"]).name
(signs / f"{run}.{node}.{os.getpid()}").touch()
until = time.monotonic() + 200
while (signs / "wait").exists() and time.monotonic() < until:
    time.sleep(0.05)
if (signs / "fail").exists():
    sys.exit(7)
rows = len(Path("data/train.csv").read_text().splitlines())
accuracy = rows / 100 + random.Random(int(os.environ["GITTRACK_SEED"])).random() / 100
Path("model.bin").write_text(repr(accuracy))
Path("metrics.json").write_text(json.dumps({"accuracy": accuracy}))
"""
CONFIG = """
experiment: digits
outputs: [{path: model.bin, role: model}]
inputs: [{path: data/train.csv, role: train}]
experiments: {digits: {metrics: {accuracy: {direction: maximize}}}}
"""


@dataclass(frozen=True)
class Remotes:
    """The project, and what its programs leave as signs that they ran."""

    top: Path
    git: Path
    dvc: Path
    signs: Path

    def started(self) -> list[tuple[str, str, int]]:
        """(run id, node, process) of each program that has begun."""
        found = [path.name.split(".") for path in self.signs.glob("*.*.*")]
        return sorted((run, node, int(process)) for run, node, process in found)

    def sign(self, name: str) -> Path:
        return self.signs / name

    def make_run(self) -> Record:
        """A run of this clone, as `gittrack run` records it."""
        repo = Repository.discover(self.top)
        job = Job(command=[sys.executable, "train.py"], request=Request(seed=3), passing="env")
        outcome = run_job(repo, load(self.top), job)
        assert outcome.record is not None, outcome.complaint
        return outcome.record

    def times(self, run: str) -> int:
        """How many commits of the remote's ledger add the record of `run`."""
        path = f"{run_path('digits', run)}/run.yaml"
        return len(
            run_git(self.git, "log", "--format=%h", "--diff-filter=A", "gittrack/runs", "--", path).split()
        )

    def has_bytes(self, md5: str | None) -> bool:
        """Whether the DVC remote has them."""
        assert md5 is not None
        return (self.dvc / "files" / "md5" / md5[:2] / md5[2:]).is_file()


def make_remotes(folder: Path) -> Remotes:
    """The project, its data tracked by DVC but not sent yet."""
    found = Remotes(folder / "work", folder / "git", folder / "dvc", folder / "signs")
    found.signs.mkdir(parents=True)
    run_git(folder, "init", "-q", "--bare", str(found.git))
    top = dvc_repo.repository(found.top)
    (top / ".dvc" / "config").write_text(
        "[core]\n    remote = store\n['remote \"store\"']\n    url = ../../dvc\n"
    )
    (top / "data").mkdir()
    (top / "data" / "train.csv").write_text("a,b\n" * 40)
    dvc_repo.add(top, "data/train.csv")
    (top / "train.py").write_text(TRAIN.replace("SIGNS", repr(str(found.signs))))
    (top / "gittrack.yaml").write_text(CONFIG)
    (top / ".gitignore").write_text("model.bin\nmetrics.json\n")
    run_git(top, "add", ".")
    run_git(top, "commit", "-q", "-m", "training")
    run_git(top, "remote", "add", "origin", "../git")
    return found


def send_data(found: Remotes) -> None:
    """As `dvc push` does."""
    from gittrack.dvc.files import parse_pointer
    from gittrack.dvc.transfer import transfer

    file = found.top / "data" / "train.csv.dvc"
    pointers = parse_pointer(file.read_bytes(), file.name)
    transfer(found.top, pointers, cache=found.top / ".dvc" / "cache", remote=None, direction="push")
