"""The registry's tags between clones: all of them, no others, and none is ever replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from gittrack.git.repository import Repository
from gittrack.governance.registry.share import Tags, pull_tags, push_tags
from gittrack.ledger import Ledger
from gittrack.ledger.sync import pull, push
from tests.governance.registry.shop import Shop, do
from tests.repositories import run_git


@pytest.fixture
def shared(shop: Shop, tmp_path: Path) -> Shop:
    """Published, with two tags of the registry and three others."""
    run_git(tmp_path, "init", "-q", "--bare", "origin.git")
    run_git(shop.top, "remote", "add", "origin", str(tmp_path / "origin.git"))
    run_git(shop.top, "push", "-q", "origin", "main")
    do("register", "latest", "--model", "churn", "-q")
    do("promote", "churn", "--stage", "prod", "-q")
    run_git(shop.top, "tag", "release-1")
    shop.tag("other@v1.0.0", "HEAD")  # of GTO's grammar, but on code
    shop.tag("lost@v1.0.0", run_git(shop.top, "commit-tree", "-m", "x", "HEAD^{tree}").strip())
    push(ledger(shop.top), "origin")
    return shop


def ledger(where: Path) -> Ledger:
    return Ledger(Repository.discover(where))


def clone(shop: Shop, name: str) -> Path:
    where = shop.top.parent / name
    origin = f"file://{shop.top.parent}/origin.git"  # by its path, git would copy every object
    run_git(shop.top.parent, "clone", "-q", "--no-tags", origin, name)
    pull(ledger(where), "origin")
    return where


def test_sent_and_brought(shared: Shop) -> None:
    """Those on the ledger alone; a second time nothing moves; deleted here, they come again."""
    both = ("churn#prod#1", "churn@v0.0.1")
    assert push_tags(ledger(shared.top), "origin") == Tags(both, ())
    assert run_git(shared.top.parent / "origin.git", "tag").split() == list(both)
    assert push_tags(ledger(shared.top), "origin") == Tags((), ())
    other = clone(shared, "other")
    assert run_git(other, "tag") == ""
    assert pull_tags(ledger(other), "origin") == Tags(both, ())
    assert run_git(other, "tag").split() == list(both)
    assert pull_tags(ledger(other), "origin") == Tags((), ())


def test_one_name_for_two_things(shared: Shop) -> None:
    """Named, and both sides keep theirs."""
    push_tags(ledger(shared.top), "origin")
    other = clone(shared, "other")
    tip = run_git(other, "rev-parse", "gittrack/runs").strip()
    run_git(other, "tag", "-a", "-m", "mine", "churn#prod#1", tip)
    run_git(other, "tag", "-a", "-m", "mine", "churn#prod#2", tip)
    mine, theirs = (
        run_git(other, "rev-parse", "churn#prod#1"),
        run_git(shared.top, "rev-parse", "churn#prod#1"),
    )
    assert push_tags(ledger(other), "origin") == Tags(("churn#prod#2",), ("churn#prod#1",))
    assert pull_tags(ledger(other), "origin") == Tags(("churn@v0.0.1",), ("churn#prod#1",))
    assert run_git(other, "rev-parse", "churn#prod#1") == mine
    assert run_git(shared.top.parent / "origin.git", "rev-parse", "churn#prod#1") == theirs


def test_what_points_elsewhere_is_not_brought(shared: Shop) -> None:
    """Commits that this clone lacks would come with it; lightweight tags say nothing."""
    origin = shared.top.parent / "origin.git"
    run_git(shared.top, "push", "-q", "origin", "lost@v1.0.0", "release-1")
    run_git(origin, "tag", "light@v1.0.0", "refs/heads/gittrack/runs")
    other = clone(shared, "other")
    assert pull_tags(ledger(other), "origin") == Tags((), ())


def test_a_ledger_without_tags_asks_nobody(shop: Shop) -> None:
    """No remote, no question."""
    assert push_tags(ledger(shop.top), "nowhere") == Tags((), ())
