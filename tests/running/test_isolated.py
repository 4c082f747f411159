"""`gittrack run --isolated`: a run in a work tree of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gittrack.dvc.cache import object_path
from gittrack.dvc.settings import cache_of
from gittrack.git.repository import Repository
from gittrack.reading.index import Index
from gittrack.verify import verify
from tests.recording.commands import GITTRACK, PYTHON, gittrack
from tests.repositories import run_git
from tests.running.sweep.sweeping import left_behind

TRAIN = """
import json, os, sys, time
from pathlib import Path
number, signs = sys.argv[1], Path(sys.argv[2])
json.dump({"accuracy": int(number)}, open("metrics.json", "w"))
open("model.txt", "w").write(number)
(signs / number).touch()
until = time.monotonic() + 60
while not {"0", "1"} <= {sign.name for sign in signs.iterdir()} and time.monotonic() < until:
    time.sleep(0.02)
print("trained", number, flush=True)
sys.exit(int(os.environ.get("STATUS", "0")))
"""


@pytest.fixture
def signs(inside: Path) -> Path:
    """A folder outside of the project, whose program waits until two of it run."""
    (inside / "train.py").write_text(TRAIN)
    (inside / "gittrack.yaml").write_text("outputs: [{path: model.txt, role: model}]\n")
    (inside / ".gitignore").write_text("model.txt\nmetrics.json\n")
    run_git(inside, "add", ".")
    run_git(inside, "commit", "-q", "-m", "training")
    folder = inside.parent / "signs"
    folder.mkdir()
    return folder


def isolated(*words: str) -> list[str]:
    return [*GITTRACK, "run", "--isolated", *words]


def test_runs_at_the_same_time_do_not_read_each_others_files(inside: Path, signs: Path) -> None:
    """Each has its own metrics and model, though both write to the same names; yours are not touched."""
    (inside / "metrics.json").write_text("{}")
    both = [
        subprocess.Popen(isolated("-S", f"i={n}", "--", PYTHON, "train.py", "{i}", str(signs)), cwd=inside)
        for n in (0, 1)
    ]
    assert [process.wait(timeout=60) for process in both] == [0, 0]
    repo = Repository.discover(inside)
    with Index.open(repo, "gittrack/runs") as index:
        runs = [row.load() for row in index.search()]
    assert sorted((run.params["i"], run.metrics["accuracy"].value) for run in runs) == [(0, 0), (1, 1)]
    cache, _ = cache_of(repo)
    for run in runs:
        (output,) = run.outputs
        assert object_path(cache, output.md5, "md5").read_text() == str(run.params["i"])
        assert run.overlaps == () and run.code.cwd == "." and run.code.branch == "main" and not run.code.dirty
    assert (inside / "metrics.json").read_text() == "{}" and not (inside / "model.txt").exists()
    assert not left_behind(inside) and verify(repo).outcome == "PASS"


def test_it_is_the_run_that_it_would_be_without(inside: Path, signs: Path) -> None:
    """Output and exit status are the program's, the spec is the same, and changes are in the snapshot."""
    (signs / "0").touch()
    (inside / "train.py").write_text(TRAIN + "# uncommitted\n")
    command = ("--", PYTHON, "train.py", "1", str(signs))
    plain, apart = (
        gittrack(inside, "run", *options, *command, env={"STATUS": "7"}) for options in ((), ("--isolated",))
    )
    assert apart.returncode == plain.returncode == 7 and apart.stdout == plain.stdout == "trained 1\n"
    with Index.open(Repository.discover(inside), "gittrack/runs") as index:
        two, one = (row.load() for row in index.search())
    assert one.spec == two.spec and one.code.tree == two.code.tree and one.code.snapshot and two.code.snapshot
    assert one.failure == two.failure and one.metrics == two.metrics and two.status == "failed"
    assert one.outputs == two.outputs and one.code.entry == two.code.entry == "train.py"
    refused = gittrack(inside, "run", "--isolated", "--dirty", "refuse", *command)
    assert refused.returncode == 2 and "uncommitted" in refused.stderr and not left_behind(inside)


def test_data_is_there_as_well(inside: Path, signs: Path) -> None:
    """What git ignores has to be named: it lies where the program looks then, however it was named."""
    rows = "len(open('in/a.csv').read())"
    (inside / "train.py").write_text(f"import json\njson.dump({{'rows': {rows}}}, open('m.json', 'w'))\n")
    (inside / ".gitignore").write_text("in/\nm.json\n")
    run_git(inside, "commit", "-q", "-a", "-m", "data")
    (inside / "in").mkdir()
    (inside / "in" / "a.csv").write_text("1,2\n")
    command = ("--metrics", "m.json", "--", PYTHON, "train.py")
    assert gittrack(inside, "run", "--isolated", *command).returncode == 1, "it is not in its work tree"
    for name in ("in/a.csv", str(inside / "in")):
        done = gittrack(inside, "run", "--isolated", "--input", f"{name}:train", *command)
        assert done.returncode == 0, done.stderr
    with Index.open(Repository.discover(inside), "gittrack/runs") as index:
        folder, file, _ = (row.load() for row in index.search())
    assert [item.path for run in (file, folder) for item in run.data] == ["in/a.csv", "in"]
    assert file.metrics["rows"].value == folder.metrics["rows"].value == 4


def test_what_is_not_in_the_code(inside: Path, signs: Path) -> None:
    """One line says what git does not have, and nothing is recorded."""
    (inside / "new").mkdir()
    (inside / ".gitignore").write_text("tool\nown.yaml\n")
    (inside / "tool").write_text("#!/bin/sh\n")
    (inside / "tool").chmod(0o755)
    (inside / "own.yaml").write_text("lr: 1\n")
    for where, words, why in (
        (inside / "new", ["true"], "new is not in the code that git has"),
        (inside, ["./tool"], "./tool is not in the code that git has"),
        (inside, ["--params", "own.yaml", "true"], "own.yaml is not in the code that git has"),
        (inside, ["--output", "/x", "true"], "/x lies outside the repository"),
    ):
        done = gittrack(where, "run", "--isolated", *words)
        assert done.returncode == 2 and why in done.stderr, done.stderr
    assert not left_behind(inside) and not run_git(inside, "branch", "--list", "gittrack/*")


def test_a_wrapper_that_is_killed(inside: Path, signs: Path) -> None:
    """Its work tree goes all the same, and the run is recovered."""
    process = subprocess.Popen(
        isolated("--", PYTHON, "train.py", "0", str(signs)), cwd=inside, start_new_session=True
    )
    until = time.monotonic() + 60
    while not (signs / "0").exists() and time.monotonic() < until:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=60)
    repo = Repository.discover(inside)
    while any((repo.state_dir / "reproduce").glob("*")) and time.monotonic() < until:
        time.sleep(0.02)
    assert "committed as killed" in gittrack(inside, "recover").stdout
    assert not left_behind(inside) and sys.executable == PYTHON
