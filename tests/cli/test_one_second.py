"""Runs that began in one second: every verb means the same one by `latest`, that which was recorded last."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import gittrack
from gittrack import cli
from gittrack.git.repository import Repository
from gittrack.ledger import MARK
from gittrack.reading.index import Index, open_newest
from gittrack.reading.index.store import FILE_NAME
from tests.ledgers import commit_files, commit_records, make_record
from tests.repositories import run_git

ENDS = ("c00000", "d00000", "a00000", "b00000")
"""Random ends of ids, in the order in which the runs are recorded."""
IDS = [f"20261122-000000-{end}" for end in ENDS]


@pytest.fixture
def ledger(repo: Repository) -> Repository:
    """Four runs of one second, recorded one after the other, whose ids sort otherwise."""
    commit_files(repo, {".gitattributes": MARK})
    for at, run_id in enumerate(IDS):
        # Which of them began first within the second decides nothing.
        commit_records(repo, [make_record(id=run_id, started=f"2026-11-22T00:00:00.{9 - at}00000Z")])
    return repo


Say = Callable[..., str]


@pytest.fixture
def say(capfd: pytest.CaptureFixture[str]) -> Say:
    """What a command line prints; that it ends with one of `codes`."""

    def run(*arguments: str, codes: tuple[int, ...] = (0,)) -> str:
        capfd.readouterr()
        assert cli.execute(list(arguments)) in codes, capfd.readouterr().err
        return capfd.readouterr().out

    return run


def test_log_lists_them_as_they_were_recorded(ledger: Repository, say: Say) -> None:
    """Newest first, with and without an index, and in Python."""
    newest_first = IDS[::-1]
    assert [run["id"] for run in json.loads(say("log", "--json"))] == newest_first
    (ledger.state_dir / FILE_NAME).unlink()
    assert [run["id"] for run in json.loads(say("log", "--json", "-n", "2"))] == newest_first[:2]
    assert [run.id for run in gittrack.search()] == newest_first
    with open_newest(4) as index:
        assert [row.id for row in index.search()] == newest_first


@pytest.mark.parametrize("before", range(4))
def test_every_verb_means_the_same_run(ledger: Repository, say: Say, before: int) -> None:
    """latest, latest~1, ...: shown, verified, compared, exported and loaded."""
    name, run_id = f"latest~{before}" if before else "latest", IDS[::-1][before]
    assert json.loads(say("show", name, "--json"))["id"] == run_id
    assert gittrack.load(name).id == run_id
    assert json.loads(say("diff", name, IDS[0], "--json", codes=(0, 1)))["a"] == run_id
    verified = json.loads(say("verify", name, "--json", codes=(0, 1, 4)))
    assert {finding["run"] for finding in verified["findings"] if "run" in finding} == {run_id}


def test_a_clone_and_a_merge_of_two_keep_the_order(ledger: Repository, say: Say, tmp_path: Path) -> None:
    """What two clones recorded in that second: each keeps its own order, and both agree after a merge."""
    run_git(tmp_path, "clone", "-q", str(ledger.top), "clone")
    there = Repository.discover(tmp_path / "clone")
    run_git(there.top, "fetch", "-q", "origin", "gittrack/runs:gittrack/runs")
    commit_records(there, [make_record(id="20261122-000000-000001")])
    for end in ("000003", "000002"):
        commit_records(ledger, [make_record(id=f"20261122-000000-{end}")])
    lists = []
    for repository in (there, ledger):
        other = ledger if repository is there else there
        run_git(repository.top, "config", "remote.origin.url", str(other.top))
        assert cli.execute(["-C", str(repository.top), "pull", "origin"]) == 0
        lists.append([run["id"] for run in json.loads(say("-C", str(repository.top), "log", "--json"))])
    assert lists[0] == lists[1]
    assert lists[0][-4:] == IDS[::-1]
    new = [run_id[-1] for run_id in lists[0][:3]]
    assert new.index("2") < new.index("3")


def test_recorded_history_with_one_date_is_in_the_order_of_its_commits(
    inside: Path, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a rebase: three training commits of one date are listed newest first."""
    monkeypatch.setenv("GIT_COMMITTER_DATE", "1790000000 +0000")
    monkeypatch.setenv("GIT_AUTHOR_DATE", "1790000000 +0000")
    (inside / "gittrack.yaml").write_text("training_commit: {metrics: [metrics.json]}\n")
    root = run_git(inside, "rev-parse", "HEAD").strip()
    commits = []
    for accuracy in ("0.5", "0.9", "0.1", "0.7"):
        (inside / "metrics.json").write_text(f'{{"accuracy": {accuracy}}}')
        run_git(inside, "add", ".")
        run_git(inside, "commit", "-q", "-m", accuracy)
        commits.append(accuracy)
    monkeypatch.delenv("GIT_COMMITTER_DATE")
    monkeypatch.delenv("GIT_AUTHOR_DATE")
    say("record", f"{root}..HEAD")
    runs = json.loads(say("log", "--json"))
    assert [str(run["metrics"]["accuracy"]["value"]) for run in runs] == commits[::-1]


def test_replicates_are_oldest_first_as_they_were_recorded(ledger: Repository, say: Say) -> None:
    """Which of two runs with one seed is the first, and counts, is neither the clock's say nor the id's."""
    (group,) = json.loads(say("stats", "digits", "--json"))["groups"]
    assert group["finished"] == IDS


@pytest.mark.parametrize(("options", "known"), [(["--deepen=1"], 2), (["--deepen=1", "--unshallow"], 4)])
def test_a_shallow_clone_orders_anew_when_history_comes(
    ledger: Repository, say: Say, tmp_path: Path, options: list[str], known: int
) -> None:
    """The tip has not moved, but what is known of the order before it has."""
    branch = "gittrack/runs"
    run_git(tmp_path, "clone", "-q", "--depth=1", "-b", branch, ledger.top.as_uri(), "clone")
    clone = tmp_path / "clone"
    runs = json.loads(say("-C", str(clone), "log", "--json"))
    for option in options:
        run_git(clone, "fetch", "-q", option, "origin", branch)
        runs = json.loads(say("-C", str(clone), "log", "--json"))
    assert [run["id"] for run in runs[: known - 1]] == IDS[::-1][: known - 1]
    with Index.open(Repository.discover(clone), branch) as index:
        assert len({row.place for row in index.search()}) == known
