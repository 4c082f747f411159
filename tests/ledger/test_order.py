"""The ledger's own order of runs: by its commits, the same in every clone, whatever the ids are."""

from __future__ import annotations

from pathlib import Path

import pytest

from gittrack.git.repository import Repository
from gittrack.ledger import order
from gittrack.ledger.order import order_of
from tests.ledgers import commit_records, make_record, make_repository
from tests.repositories import run_git

ENDS = ("c00000", "a00000", "d00000", "b00000")
"""Random ends of ids, in the order in which the runs are recorded."""


def path_of(end: str) -> str:
    return f"runs/digits/2026-11-22/20261122-000000-{end}/run.yaml"


def record_each(repository: Repository, *ends: str, branch: str = "gittrack/runs") -> None:
    """A run of one second for each end of an id, each in a commit of its own."""
    for end in ends:
        commit_records(repository, [make_record(id=f"20261122-000000-{end}")], branch=branch)


def tip_of(repository: Repository, branch: str = "gittrack/runs") -> str:
    return run_git(repository.top, "rev-parse", branch).strip()


@pytest.fixture
def ledger(tmp_path: Path) -> Repository:
    """Four runs of one second, one after the other."""
    repository = make_repository(tmp_path / "ledger")
    record_each(repository, *ENDS)
    return repository


@pytest.mark.parametrize("near", [1, 2, 256])
def test_the_order_is_that_of_the_commits(
    ledger: Repository, monkeypatch: pytest.MonkeyPatch, near: int
) -> None:
    """However many commits are looked at first; of a part of the runs, too."""
    monkeypatch.setattr(order, "WINDOWS", (near, None))
    paths = [path_of(end) for end in ENDS]
    assert order_of(ledger, tip_of(ledger), sorted(paths)) == {path: n for n, path in enumerate(paths, 1)}
    assert order_of(ledger, tip_of(ledger), [paths[3], paths[1]]) == {paths[1]: 1, paths[3]: 2}


def test_runs_of_one_commit_have_one_place_and_strangers_come_first(ledger: Repository) -> None:
    """A commit says nothing of the order of what it adds; a path that it never added is no fault."""
    both = [make_record(id=f"20261122-000000-{end}") for end in ("f00000", "e00000")]
    commit_records(ledger, both)
    paths = [path_of(end) for end in ("b00000", "f00000", "e00000")]
    places = order_of(ledger, tip_of(ledger), [*paths, "runs/x/run.yaml"])
    assert places == {"runs/x/run.yaml": 1, paths[0]: 2, paths[1]: 3, paths[2]: 3}


def test_branches_that_were_merged_are_in_one_order_in_every_clone(
    ledger: Repository, tmp_path: Path
) -> None:
    """Whoever merged: a run comes after all that its commit stands on, the shorter history first."""
    run_git(ledger.top, "branch", "other", "gittrack/runs")
    record_each(ledger, "900000", "800000")
    record_each(ledger, "f00000", branch="other")
    ends = [*ENDS, "900000", "800000", "f00000"]
    merged = []
    for first, second in (("gittrack/runs", "other"), ("other", "gittrack/runs")):
        where = tmp_path / first.replace("/", "-")
        run_git(tmp_path, "clone", "-q", "--bare", str(ledger.top), str(where))
        run_git(where, "worktree", "add", "-q", str(where / "tree"), first)
        run_git(where / "tree", "merge", "-q", "-m", "both", second)
        clone = Repository.discover(where)
        merged.append(order_of(clone, tip_of(clone, first), [path_of(end) for end in ends]))
    assert merged[0] == merged[1]
    ordered = sorted(ends, key=lambda end: merged[0][path_of(end)])
    assert ordered[:4] == list(ENDS) and ordered.index("900000") < ordered.index("800000")
    assert ordered[-1] == "800000"


@pytest.fixture
def merged(ledger: Repository) -> Repository:
    """Two branches from the middle of a history of 24 runs, merged, with a run of the same second above."""
    record_each(ledger, *(f"0000{number:02d}" for number in range(20)))
    run_git(ledger.top, "branch", "other", "gittrack/runs")
    record_each(ledger, "900000", "800000")
    record_each(ledger, "f00000", branch="other")
    run_git(ledger.top, "worktree", "add", "-q", "tree", "gittrack/runs")
    run_git(ledger.top / "tree", "merge", "-q", "-m", "both", "other")
    run_git(ledger.top, "worktree", "remove", "tree")
    record_each(ledger, "700000")
    return ledger


def test_a_merge_near_the_tip_does_not_cost_the_whole_history(
    merged: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many commits as reach below the fork tell the order that the whole history tells."""
    paths = [path_of(end) for end in ("700000", "800000", "900000", "f00000")]
    monkeypatch.setattr(order, "WINDOWS", (None,))
    of_all = order_of(merged, tip_of(merged), paths)
    windows: list[int | None] = []
    read = order._commits

    def counted(repository: Repository, tip: str, most: int | None) -> list[order.Commit]:
        windows.append(most)
        return read(repository, tip, most)

    monkeypatch.setattr(order, "_commits", counted)
    monkeypatch.setattr(order, "WINDOWS", (8, None))
    assert order_of(merged, tip_of(merged), paths) == of_all
    assert windows == [8]


def test_the_order_does_not_depend_on_how_much_was_read(
    merged: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the first look ends: within a branch, at the fork or at the root."""
    paths = [path_of(end) for end in ("700000", "800000", "f00000", "000019", "000003", ENDS[0])]
    orders = []
    for near in (None, *range(1, 31)):
        monkeypatch.setattr(order, "WINDOWS", (near, None))
        orders.append(order_of(merged, tip_of(merged), paths))
    assert orders == [orders[0]] * 31
    assert sorted(paths, key=orders[0].__getitem__) == [*reversed(paths[3:]), paths[2], *paths[1::-1]]


SETTINGS = (
    "log.showSignature true", "log.showRoot false", "log.follow true", "log.diffMerges separate",
    "color.ui always", "diff.relative true", "diff.renames copies", "format.pretty fuller",
    "core.quotePath true",
)  # fmt: skip


@pytest.mark.parametrize("setting", SETTINGS)
def test_settings_of_the_user_change_nothing(ledger: Repository, setting: str) -> None:
    """What git log prints by itself depends on a dozen settings."""
    (ledger.top / "below").mkdir()
    run_git(ledger.top, "config", *setting.split())
    paths = [path_of(end) for end in ENDS]
    below = Repository.discover(ledger.top / "below")
    assert order_of(below, tip_of(ledger), paths) == {path: n for n, path in enumerate(paths, 1)}
