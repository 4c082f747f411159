"""Promise 4: what a run recorded is fetched with stock git and dvc, from a plain clone without gittrack."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gittrack import cli
from gittrack.formats.record import Record
from tests.dvc_repo import dvc
from tests.ledgers import records
from tests.repositories import run_git
from tests.shared import make_run
from tests.shared import shared as shared_project

shared = shared_project


@pytest.fixture
def published(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, list[Record], str]:
    """A plain clone, the runs, and the branch's commit of the last, which was squashed and deleted since."""
    run_git(shared, "checkout", "-q", "-b", "feature")
    (shared / "train.py").write_text("print('feature')\n")
    run_git(shared, "commit", "-q", "-am", "feature")
    (shared / "train.py").write_text("print('not committed')\n")
    make_run("model3.pkl", "echo third > model3.pkl")
    commit = run_git(shared, "rev-parse", "feature").strip()
    run_git(shared, "checkout", "-q", "-f", "main")
    run_git(shared, "merge", "-q", "--squash", "feature")
    run_git(shared, "commit", "-q", "-m", "squashed")
    run_git(shared, "branch", "-q", "-D", "feature")
    run_git(shared, "push", "-q", "origin", "main")
    found = records(shared)
    assert cli.execute(["push", "--artifacts"]) == 0
    run_git(tmp_path, "clone", "-q", "--no-local", str(tmp_path / "hub.git"), "plain")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)  # the place where things were made helps nobody
    shared.rename(tmp_path / "gone")
    return tmp_path / "plain", found, commit


def test_dvc_pull_in_a_worktree_of_the_ledger(
    published: tuple[Path, list[Record], str], tmp_path: Path
) -> None:
    """`git worktree add`, `dvc pull <pointer>`: a file, a folder and an input, byte for byte."""
    plain, (first, second, _), _ = published
    run_git(plain, "worktree", "add", "-q", "../ledger", "gittrack/runs")
    ledger = tmp_path / "ledger"
    pointers = [
        f"{first.path}/{first.outputs[0].pointer}",
        f"{second.path}/{second.outputs[0].pointer}",
        f"{first.path}/{first.data[0].pointer}",
    ]
    assert all(p.endswith(".dvc") for p in pointers)
    dvc("pull", *pointers, cwd=ledger)
    folder = ledger / second.path / "outputs/models"
    assert (ledger / first.path / "outputs/model.pkl").read_text() == "first\n"
    assert {p.name: p.read_text() for p in folder.iterdir()} == {"a": "a\n", "b": "b\n"}
    assert (ledger / first.path / "inputs/data.csv").read_text() == "1,2,3\n"
    status = run_git(ledger, "status", "--porcelain", "--untracked-files=no")
    assert status == ""


def test_dvc_get_and_the_api_read_from_the_hub(
    published: tuple[Path, list[Record], str], tmp_path: Path
) -> None:
    """`dvc get --rev` for a folder, and `dvc.api.open` for a file, from the shared repository itself."""
    _, (first, second, third), _ = published
    hub = str(tmp_path / "hub.git")
    dvc("get", "--rev", "gittrack/runs", hub, f"{second.path}/outputs/models", "-o", "got", cwd=tmp_path)
    assert {p.name: p.read_text() for p in (tmp_path / "got").iterdir()} == {"a": "a\n", "b": "b\n"}
    program = (
        "import dvc.api, sys\n"
        "for path in sys.argv[2:]:\n"
        "    with dvc.api.open(path, repo=sys.argv[1], rev='gittrack/runs') as file:\n"
        "        print(file.read(), end='')\n"
    )
    paths = [f"{first.path}/outputs/model.pkl", f"{third.path}/outputs/model3.pkl"]
    done = subprocess.run(
        [sys.executable, "-c", program, hub, *paths],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )
    assert done.stdout == "first\nthird\n", done.stderr


def test_code_of_a_squashed_branch(published: tuple[Path, list[Record], str]) -> None:
    """The anchor brings the code commit and the snapshot on top of it, though no branch has them any more."""
    plain, (*_, third), commit = published
    assert third.code.commit == commit
    snapshot = third.code.snapshot or ""
    missing = subprocess.run(["git", "cat-file", "-e", commit], cwd=plain, capture_output=True, check=False)
    assert missing.returncode != 0
    run_git(plain, "fetch", "-q", "origin", "refs/gittrack/code:refs/gittrack/code")
    for wanted in (commit, snapshot):
        run_git(plain, "merge-base", "--is-ancestor", wanted, "refs/gittrack/code")
    assert run_git(plain, "show", f"{commit}:train.py") == "print('feature')\n"
    assert run_git(plain, "show", f"{snapshot}:train.py") == "print('not committed')\n"
    run_git(plain, "checkout", "-q", snapshot)
    run_git(plain, "fsck", "--strict")


def test_record_is_read_with_stock_git(published: tuple[Path, list[Record], str]) -> None:
    """`git log` tells the history, `git show` the record."""
    plain, found, _ = published
    subjects = run_git(plain, "log", "--format=%s", "origin/gittrack/runs")
    for record in found:
        assert f"run {record.experiment} {record.id}: finished" in subjects
        shown = run_git(plain, "show", f"origin/gittrack/runs:{record.path}/run.yaml")
        assert record.id in shown
