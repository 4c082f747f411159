"""A server looks at a proposal as if it were pushed to the ledger; who proposes may rewrite and delete it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gittrack import cli
from gittrack.cli.githooks.receive import Judge, Update
from gittrack.errors import LedgerError
from gittrack.git.repository import Repository
from tests.cli.githooks.served import LEDGER, push, record, rewritten
from tests.repositories import run_git

REVIEW = "refs/heads/gittrack/review/wider"


@pytest.fixture
def proposal(inside: Path, server: tuple[Path, str]) -> tuple[Path, str]:
    """The bare repository, which has a ledger of one run; a proposal of another, not pushed yet."""
    bare, _ = server
    record()
    assert cli.execute(["push"]) == 0
    record()
    assert cli.execute(["propose", "latest", "--branch", "wider"]) == 0
    run = run_git(inside, "diff", "--name-only", f"{LEDGER}~1", LEDGER).split()[0]
    return bare, run.rpartition("/")[0]


def test_an_honest_proposal_is_taken_amended_and_deleted(inside: Path, proposal: tuple[Path, str]) -> None:
    """By gittrack and by stock git, over smart HTTP; the ledger may have gone on meanwhile."""
    bare, _ = proposal
    assert cli.execute(["propose", "--branch", "wider", "--push"]) == 0
    first = run_git(bare, "rev-parse", REVIEW)
    assert first == run_git(inside, "rev-parse", REVIEW)
    record()
    assert cli.execute(["push"]) == 0
    tree = run_git(inside, "rev-parse", f"{REVIEW}^{{tree}}").strip()
    amended = run_git(inside, "commit-tree", "-p", f"{REVIEW}~1", "-m", "better said", tree).strip()
    done = push(inside, "--force", "origin", f"{amended}:{REVIEW}")
    assert done.returncode == 0, done.stderr
    merged = run_git(inside, "rev-parse", f"{LEDGER}^{{tree}}").strip()
    merge = run_git(inside, "commit-tree", "-p", amended, "-p", LEDGER, "-m", "up to date", merged).strip()
    done = push(inside, "origin", f"{merge}:{REVIEW}")
    assert done.returncode == 0, done.stderr
    done = push(inside, "origin", f":{REVIEW}")
    assert done.returncode == 0, done.stderr


def test_a_proposal_may_come_with_the_ledger_or_before_there_is_one(
    inside: Path, server: tuple[Path, str]
) -> None:
    """Then everything that it brings is looked at."""
    bare, _ = server
    folder = record()
    forged = rewritten(inside, {f"{folder}/run.yaml": "schema: gittrack/run/1\n"})
    done = push(inside, "origin", f"{forged}:{REVIEW}")
    assert done.returncode != 0 and f"{folder}/run.yaml: modified" in done.stderr
    assert push(inside, "origin", f"{LEDGER}:{REVIEW}").returncode == 0
    record()
    done = push(inside, "origin", LEDGER, f"{LEDGER}:refs/heads/gittrack/review/both")
    assert done.returncode == 0, done.stderr
    assert run_git(bare, "rev-parse", LEDGER) == run_git(inside, "rev-parse", LEDGER)


@pytest.mark.parametrize(
    ("where", "text", "reason"),
    [
        ("ledger", "schema: gittrack/run/1\n", "run.yaml: modified"),
        ("ledger", None, "run.yaml: deleted"),
        ("proposed", "schema: gittrack/run/1\n", "run.yaml: modified"),
        ("train.py", "import os\n", "is no file of a ledger"),
        ("runs/digits/2026-11-22/20261122-000000-abcdef/run.yaml", "a: &a [*a]\n", "anchor"),
        ("decisions/digits/2026-11-22/d1.yaml", "[1]\n", "not a decision"),
    ],
)
def test_a_proposal_that_would_damage_the_ledger_is_refused(
    inside: Path, proposal: tuple[Path, str], where: str, text: str | None, reason: str
) -> None:
    """With the reason on the pusher's terminal, and nothing of it arrives."""
    bare, proposed = proposal
    ledger = (
        run_git(inside, "diff", "--name-only", f"{LEDGER}~2", f"{LEDGER}~1").split()[0].rpartition("/")[0]
    )
    path = {"ledger": f"{ledger}/run.yaml", "proposed": f"{proposed}/run.yaml"}.get(where, where)
    done = push(inside, "origin", f"{rewritten(inside, {path: text}, parent=REVIEW)}:{REVIEW}")
    assert done.returncode != 0 and reason in done.stderr
    assert run_git(bare, "for-each-ref", REVIEW) == ""


def test_a_run_in_the_place_of_one_of_the_ledger_is_refused(inside: Path, proposal: tuple[Path, str]) -> None:
    """Added on a branch that was cut before the ledger had that run: valid by itself, of other bytes."""
    _, proposed = proposal
    assert cli.execute(["push"]) == 0
    text = run_git(inside, "show", f"{REVIEW}:{proposed}/run.yaml")
    before = run_git(inside, "rev-parse", f"{REVIEW}~1").strip()
    names = run_git(inside, "ls-tree", "-r", "--name-only", REVIEW, f"{proposed}/").split()
    files: dict[str, str | None] = {name: run_git(inside, "show", f"{REVIEW}:{name}") for name in names}
    files[f"{proposed}/run.yaml"] = text.replace("lr: 0.1", "lr: 0.2")
    done = push(inside, "origin", f"{rewritten(inside, files, parent=before)}:{REVIEW}")
    assert done.returncode != 0 and f"{proposed}/run.yaml: is another one on the ledger" in done.stderr


def test_a_branch_that_was_not_cut_from_the_ledger_is_refused(
    inside: Path, proposal: tuple[Path, str]
) -> None:
    """No forge could merge it, and everything in it would count as new."""
    tree = run_git(inside, "rev-parse", f"{REVIEW}^{{tree}}").strip()
    orphan = run_git(inside, "commit-tree", "-m", "from nowhere", tree).strip()
    done = push(inside, "origin", f"{orphan}:{REVIEW}")
    assert done.returncode != 0 and "is not cut from the ledger" in done.stderr


def test_signatures_and_time_count_for_proposals_too(two: tuple[Path, str]) -> None:
    """As for the ledger."""
    top, _ = two
    repo = Repository.discover(top)
    run_git(top, "update-ref", "refs/heads/review", LEDGER)
    run_git(top, "update-ref", LEDGER, f"{LEDGER}~1")
    update = Update("0" * 40, run_git(top, "rev-parse", "review").strip(), REVIEW)
    Judge(repo, LEDGER).check([update])
    with pytest.raises(LedgerError, match="is not signed"):
        Judge(repo, LEDGER, signed=True).check([update])
    with pytest.raises(LedgerError, match=r"took too long|damaged"):
        Judge(repo, LEDGER, seconds=0.0).check([update])
