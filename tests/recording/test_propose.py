"""Proposals: a branch cut from the ledger, for a pull request to add its runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gittrack import start_run
from gittrack.cli import execute
from gittrack.errors import NotFoundError, UsageError
from gittrack.formats.config import Config, load
from gittrack.git.repository import Repository
from gittrack.ledger import ANCHOR
from gittrack.ledger.proposals import review_branch, target
from gittrack.recording.propose import propose
from tests.repositories import run_git
from tests.tables import rows


@pytest.fixture
def hub(inside: Path, tmp_path: Path) -> Path:
    """The project with a ledger of one run, which origin has too."""
    run_git(tmp_path, "clone", "-q", "--bare", str(inside), "hub.git")
    run_git(inside, "remote", "add", "origin", str(tmp_path / "hub.git"))
    record("shared")
    assert execute(["init", "--no-config"]) == 0
    assert execute(["push"]) == 0
    return tmp_path / "hub.git"


def record(name: str) -> str:
    with start_run("digits", name=name) as run:
        run.log_metric("acc", 0.9)
    return run.id


def added(top: Path, branch: str, base: str = "origin/gittrack/runs") -> list[str]:
    """Ids of the runs that `branch` has and `base` lacks; nothing else may differ."""
    lines = run_git(top, "diff", "--name-status", base, branch).splitlines()
    assert all(line.startswith("A\truns/") for line in lines)
    return sorted({line.split("/")[3] for line in lines})


@pytest.mark.parametrize("name", ["wider", "a/b", "v1.0", "20261122-142233-7f3a2c", "gittrack/review/wider"])
def test_names_that_do(name: str, project: Path) -> None:
    """And git takes them."""
    branch = review_branch(name)
    assert branch == f"gittrack/review/{name.removeprefix('gittrack/review/')}"
    run_git(project, "check-ref-format", "--branch", branch)


@rows(
    "name",
    ["", "-x", "--upload-pack=x", "a..b", "a//b", ".a", "a/.b", "a.lock", "a.lock/b", "a/", "a.", "a b",
     "a\n", "a~1",
     "a^", "a:b", "a?", "a*", "a[", "a\\b", "@{u}", "ä", "x" * 151],
)  # fmt: skip
def test_names_that_do_not(name: str) -> None:
    """Options, and what git check-ref-format refuses."""
    with pytest.raises(UsageError, match="cannot be called"):
        review_branch(name)


def test_mode_review(inside: Path) -> None:
    """Each run goes to a branch of its own, cut from the ledger, and not to the ledger."""
    (inside / "gittrack.yaml").write_text("ledger:\n  mode: review\n")
    assert execute(["init", "--no-config"]) == 0
    before = run_git(inside, "rev-parse", "gittrack/runs")
    ids = [record("a"), record("b")]
    assert run_git(inside, "rev-parse", "gittrack/runs") == before
    for run_id in ids:
        assert added(inside, f"gittrack/review/{run_id}", "gittrack/runs") == [run_id]
    head = run_git(inside, "rev-parse", "HEAD").strip()
    run_git(inside, "merge-base", "--is-ancestor", head, ANCHOR)


def test_a_sweep_shares_a_proposal(inside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GITTRACK_REVIEW names it, in any mode; a first run without a ledger begins one."""
    monkeypatch.setenv("GITTRACK_REVIEW", "sweep")
    ids = [record("a"), record("b")]
    listed = run_git(inside, "ls-tree", "-r", "--name-only", "gittrack/review/sweep", "runs/")
    assert {line.split("/")[3] for line in listed.splitlines()} == set(ids)
    assert run_git(inside, "for-each-ref", "refs/heads/gittrack/runs") == ""


def test_children_go_where_their_parent_went() -> None:
    """The name is that asked for, the variable's, or the default that begin gives: the parent's id."""
    config = Config()
    assert target(config, None, "id") == ("gittrack/runs", None)
    assert target(config, "", "id") == ("gittrack/review/id", "gittrack/runs")
    assert target(config, "wider", "id") == ("gittrack/review/wider", "gittrack/runs")


def test_a_bad_name_stops_before_anything_runs(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing was run, nothing was recorded."""
    assert execute(["run", "--branch", "a..b", "--", "touch", "ran"]) == 2
    assert "cannot be called" in capsys.readouterr().err
    assert not (inside / "ran").exists()


def test_a_proposal_is_cut_from_what_others_have(inside: Path, hub: Path) -> None:
    """Runs on this clone's ledger alone are not part of it."""
    record("mine alone")
    assert execute(["run", "--propose", "--branch", "wider", "--", "true"]) == 0
    assert len(added(inside, "gittrack/review/wider")) == 1


def test_runs_of_the_local_ledger(inside: Path, hub: Path) -> None:
    """Byte for byte as they are on the ledger, one commit each; again changes nothing."""
    ids = sorted([record("a"), record("b")])
    record("stays")
    repository = Repository.discover(inside)
    done = propose(repository, load(inside), ids, "two")
    assert (done.branch, sorted(done.runs)) == ("gittrack/review/two", ids)
    assert added(inside, done.branch) == ids
    assert run_git(inside, "rev-list", "--count", f"origin/gittrack/runs..{done.branch}").strip() == "2"
    for line in run_git(inside, "diff", "--name-only", "origin/gittrack/runs", done.branch).splitlines():
        assert run_git(inside, "rev-parse", f"{done.branch}:{line}") == run_git(
            inside, "rev-parse", f"gittrack/runs:{line}"
        )
    assert propose(repository, load(inside), ids, "two").tip == done.tip


def test_what_cannot_be_proposed(inside: Path, hub: Path) -> None:
    """A run that the remote has, and one that nobody has."""
    repository = Repository.discover(inside)
    with pytest.raises(UsageError, match="already"):
        propose(repository, load(inside), ["latest"])
    with pytest.raises(NotFoundError):
        propose(repository, load(inside), ["20200101-000000-abcdef"])


def test_without_a_remote_ledger(inside: Path) -> None:
    """There is nothing to propose to."""
    record("a")
    with pytest.raises(UsageError, match="gittrack push"):
        propose(Repository.discover(inside), load(inside), ["latest"])


def test_recover_keeps_the_branch(inside: Path, hub: Path) -> None:
    """A proposed run whose process died is committed to its proposal."""
    script = "import gittrack, os; gittrack.start_run('digits'); os._exit(9)"
    env = {"GITTRACK_REVIEW": "wider"}
    subprocess.run([sys.executable, "-c", script], cwd=inside, env={**os.environ, **env}, check=False)
    assert execute(["recover"]) == 0
    assert len(added(inside, "gittrack/review/wider")) == 1


def test_merged_proposals_come_back_with_a_pull(inside: Path, hub: Path) -> None:
    """Pushed, merged on the remote by stock git, pulled: the run is once on the ledger."""
    run_id = record("mine")
    assert execute(["propose", run_id, "--branch", "mine", "--push"]) == 0
    assert run_git(hub, "rev-parse", "gittrack/review/mine") == run_git(
        inside, "rev-parse", "gittrack/review/mine"
    )
    run_git(hub, "update-ref", "refs/heads/gittrack/runs", "gittrack/review/mine")
    assert execute(["pull"]) == 0
    paths = run_git(inside, "ls-tree", "-r", "--name-only", "gittrack/runs").splitlines()
    assert len([path for path in paths if run_id in path and path.endswith("run.yaml")]) == 1
