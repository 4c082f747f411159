"""Ledgers of several clones: push, pull and merge through stock git remotes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gittrack.errors import LedgerError, RepositoryError, UsageError
from gittrack.git.repository import Repository
from gittrack.ledger import ANCHOR, Ledger
from gittrack.ledger.sync import choose_remote, pull, push
from tests.ledgers import addition, paths
from tests.repositories import run_git


def clone(hub: Path, where: Path) -> Ledger:
    run_git(where.parent, "clone", "-q", str(hub), str(where))
    return Ledger(Repository.discover(where))


def test_push_and_pull_carry_ledger_and_anchor(repository: Repository, hub: Path, tmp_path: Path) -> None:
    """What one clone pushes another has after a pull, its code commits included."""
    head = repository.resolve("HEAD")
    assert head is not None
    ours = Ledger(repository)
    ours.append([addition("a", (head,))])
    push(ours, "origin")
    theirs = clone(hub, tmp_path / "clone")
    pull(theirs, "origin")
    assert theirs.state() == ours.state()
    assert pull(theirs, "origin").before == theirs.state().tip


def test_diverged_ledgers_merge_without_a_work_tree(
    repository: Repository, hub: Path, tmp_path: Path
) -> None:
    """A rejected push is fetched, merged and repeated: both sides' runs arrive, work trees untouched."""
    ours, theirs = Ledger(repository), clone(hub, tmp_path / "clone")
    for ledger, name in ((ours, "ours"), (theirs, "theirs")):
        run_git(ledger.repository.top, "commit", "-q", "--allow-empty", "-m", name)
        head = ledger.repository.resolve("HEAD")
        assert head is not None
        ledger.append([addition(name, (head,))])
    push(ours, "origin")
    result = push(theirs, "origin")
    assert result.merged
    assert {p for p in paths(hub) if p.startswith("runs/")} == {
        "runs/e/2026-11-22/ours/run.yaml",
        "runs/e/2026-11-22/theirs/run.yaml",
    }
    for ledger in (ours, theirs):
        run_git(hub, "merge-base", "--is-ancestor", str(ledger.repository.resolve("HEAD")), ANCHOR)
        assert run_git(ledger.repository.top, "status", "--porcelain") == ""
    run_git(hub, "fsck", "--strict")


def test_the_same_runs_in_other_commits(repository: Repository, hub: Path, tmp_path: Path) -> None:
    """As after a proposal that was merged: histories differ, trees do not, on one side or on both."""
    ledger = Ledger(repository)
    ledger.append([addition("20261122-000000-aaaaaa")])
    push(ledger, "origin")
    other = clone(hub, tmp_path / "other")
    pull(other, "origin")
    where = other.repository.top
    for clone_of, second in ((ledger, "1"), (other, "2")):
        base, tree = (
            run_git(clone_of.repository.top, "rev-parse", f"gittrack/runs{suffix}").strip()
            for suffix in ("", "^{tree}")
        )
        made = run_git(clone_of.repository.top, "commit-tree", tree, "-p", base, "-m", second).strip()
        run_git(clone_of.repository.top, "update-ref", "refs/heads/gittrack/runs", made)
    push(other, "origin")
    before = run_git(where, "rev-parse", "gittrack/runs^{tree}")
    assert pull(ledger, "origin").merged
    assert run_git(repository.top, "rev-parse", "gittrack/runs^{tree}") == before
    assert run_git(repository.top, "fsck", "--strict", "--no-dangling", "gittrack/runs") == ""


def test_altered_record_stops_the_merge(repository: Repository, hub: Path, tmp_path: Path) -> None:
    """The same run with other bytes is no merge conflict to settle but an alteration to report."""
    ours, theirs = Ledger(repository), clone(hub, tmp_path / "clone")
    ours.append([addition("a", text="x: 1\n")])
    theirs.append([addition("a", text="x: 2\n")])
    push(ours, "origin")
    before = theirs.state()
    with pytest.raises(LedgerError, match=r"different bytes for runs/e/2026-11-22/a/run\.yaml"):
        push(theirs, "origin")
    assert theirs.state() == before


def test_clones_that_push_at_once(repository: Repository, hub: Path, tmp_path: Path) -> None:
    """All records arrive, whatever the order."""
    ledgers = [clone(hub, tmp_path / f"clone{n}") for n in range(6)]
    for number, ledger in enumerate(ledgers):
        ledger.append([addition(f"r{number:02d}")])
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda ledger: push(ledger, "origin"), ledgers))
    assert len([p for p in paths(hub) if p.startswith("runs/")]) == 6
    run_git(hub, "fsck", "--strict")


def test_a_refusing_hook_is_quoted(repository: Repository, hub: Path) -> None:
    """What a server says when it refuses reaches the person who pushed."""
    hook = hub / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'no records on Sundays' >&2\nexit 1\n")
    hook.chmod(0o755)
    ledger = Ledger(repository)
    ledger.append([addition("a")])
    with pytest.raises(LedgerError, match=r"refused the ledger.*no records on Sundays"):
        push(ledger, "origin")


def test_remotes_that_cannot_be_used(repository: Repository, hub: Path, tmp_path: Path) -> None:
    """No such remote, one that is gone, an option in its place, one without a ledger: one line each."""
    ledger = Ledger(repository)
    ledger.append([addition("a")])
    with pytest.raises(UsageError, match=r"no remote named 'nowhere' \(there is: origin\)"):
        choose_remote(repository, "nowhere")
    with pytest.raises(UsageError, match="no remote named '--upload-pack=x'"):
        choose_remote(repository, "--upload-pack=x")
    with pytest.raises(UsageError, match="has no ledger"):
        pull(ledger, "origin")
    hub.rename(tmp_path / "gone")
    with pytest.raises(LedgerError, match="could not push to origin"):
        push(ledger, "origin")
    with pytest.raises(RepositoryError, match="could not reach remote origin"):
        pull(ledger, "origin")


def test_nothing_to_push(repository: Repository, hub: Path) -> None:
    """A repository without runs says so."""
    with pytest.raises(UsageError, match="no run is recorded yet"):
        push(Ledger(repository), "origin")


def test_a_fresh_clone_builds_on_the_remote_ledger(repository: Repository, hub: Path, tmp_path: Path) -> None:
    """The first run of a clone joins the ledger that it fetched, so that its log shows all runs."""
    ours = Ledger(repository)
    ours.append([addition("a")])
    push(ours, "origin")
    theirs = clone(hub, tmp_path / "clone")
    theirs.append([addition("b")])
    assert len([p for p in paths(theirs.repository.top) if p.startswith("runs/")]) == 2
    assert not push(theirs, "origin").merged
